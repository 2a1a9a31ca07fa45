/*
 * vfio-migrate test: the cases for protocol v2 only
 *
 * Owns: single arcs, the bytes of a session as the driver gives and takes
 * them, without a stream around them, and resets during a session.
 *
 * Source: linux/vfio.h of Linux 6.2, VFIO_DEVICE_FEATURE_MIGRATION.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/units.h"
#include "hw/vfio/migration-session.h"
#include "hw/vfio/migration-transition.h"
#include "driver-run.h"
#include "screen.h"

/* Number of pieces in which a state is written, in the test of that */
#define NR_PIECES   500u

/* Largest state that is kept in memory here, once or twice */
#define IMAGE_MAX_BYTES (256 * MiB)

/* ---- states ---- */

/* A driver may or may not accept an empty state. */
static bool is_verdict(const VFIOMigArc *arc)
{
    return arc->from == VFIO_MIG_STATE_RESUMING;
}

static bool try_arc(DriverRun *run, const VFIOMigArc *arc)
{
    VFIODeviceMigration *mig;
    VFIOMigState now = VFIO_MIG_STATE_ERROR;
    int ret;

    if (!run_open_fresh(run, run->test->source, true) || !run_enter(run, arc->from)) {
        return false;
    }
    mig = run_mig(run);
    ret = mig->protocol->step(mig, arc->to);
    if (ret == 0) {
        ret = mig->protocol->read_state(mig, &now);
    }
    if (ret < 0) {
        return run_fail(run, "%s to %s, which the device's flags promise: %s",
                        vfio_mig_state_str(arc->from),
                        vfio_mig_state_str(arc->to), strerror(-ret));
    }
    if (now != arc->to) {
        return run_fail(run, "after %s to %s the device says that it is in "
                        "state %s", vfio_mig_state_str(arc->from),
                        vfio_mig_state_str(arc->to), vfio_mig_state_str(now));
    }
    return true;
}

static bool case_arcs(DriverRun *run)
{
    const VFIOMigArcTable *table;
    unsigned n = 0;

    if (!run_open(run, run->test->source)) {
        return false;
    }
    table = run_mig(run)->traits.arcs;
    for (unsigned i = 0; i < table->nr_arcs; i++) {
        if (is_verdict(&table->arcs[i])) {
            continue;
        }
        if (!try_arc(run, &table->arcs[i])) {
            return false;
        }
        n++;
    }
    g_string_append_printf(run->notes, "%u arcs\n", n);
    return true;
}

/* ---- the bytes of a session ---- */

typedef struct ImageSink {
    VFIOMigSink sink;           /* first */
    GByteArray *bytes;
    void *room;                 /* buffer for the next put */
} ImageSink;

static int image_begin(VFIOMigSink *sink, uint64_t size_bytes, Error **errp)
{
    return 0;
}

static int image_put(VFIOMigSink *sink, const void *data, size_t size_bytes,
                     bool window, Error **errp)
{
    ImageSink *image = (ImageSink *)sink;

    if (image->bytes->len + size_bytes > IMAGE_MAX_BYTES) {
        return -EFBIG;
    }
    g_byte_array_append(image->bytes, data, size_bytes);
    return 0;
}

static int image_end(VFIOMigSink *sink, Error **errp)
{
    return 0;
}

static void *image_room(VFIOMigSink *sink, size_t size_bytes)
{
    ImageSink *image = (ImageSink *)sink;

    image->room = g_realloc(image->room, size_bytes);
    return image->room;
}

typedef struct ImageSource {
    VFIOMigSource source;       /* first */
    const uint8_t *next;
} ImageSource;

static int image_get(VFIOMigSource *source, void *to, size_t size_bytes,
                     bool window, Error **errp)
{
    ImageSource *image = (ImageSource *)source;

    memcpy(to, image->next, size_bytes);
    image->next += size_bytes;
    return 0;
}

/* Read until the driver has nothing. Returns a VFIOMigRead, or fails. */
static int read_some(DriverRun *run, GByteArray *bytes)
{
    VFIODeviceMigration *mig = run_mig(run);
    ImageSink image = {
        .sink = { image_begin, image_put, image_end, image_room },
        .bytes = bytes,
    };
    Error *err = NULL;
    int ret;

    vfio_mig_claim(mig);
    do {
        ret = mig->protocol->read_chunk(mig, &image.sink, &err);
    } while (ret == VFIO_MIG_READ_CHUNK);
    vfio_mig_release(mig);
    g_free(image.room);
    if (ret == -EFBIG && !err) {
        run_skip(run, "its state is larger than this case can keep");
    } else if (ret < 0) {
        run_fail_error(run, err);
    }
    return ret;
}

static VFIOMigSizes ask_sizes(DriverRun *run)
{
    VFIOMigSizes sizes = { 0 };

    vfio_mig_claim(run_mig(run));
    run_mig(run)->protocol->estimate(run_mig(run), &sizes, NULL);
    vfio_mig_release(run_mig(run));
    return sizes;
}

/* What a device reported, and what it gave */
typedef struct Figures {
    VFIOMigSizes running;       /* reported after all running reads */
    VFIOMigSizes stopped;       /* reported before it was read */
    uint64_t stopped_bytes;     /* given when stopped */
} Figures;

/* A device may have more to give after a query, and then again. */
static bool read_precopy(DriverRun *run, GByteArray *bytes,
                         VFIOMigSizes *left)
{
    unsigned rounds = run->test->max_precopy_rounds;

    *left = ask_sizes(run);
    do {
        if (read_some(run, bytes) < 0) {
            return false;
        }
        *left = ask_sizes(run);
    } while (left->initial_bytes && --rounds);
    return true;
}

/* Read all of the state of a running device, and stop it. */
static bool read_image(DriverRun *run, GByteArray *bytes, Figures *figures)
{
    size_t before;

    if (run_mig(run)->traits.precopy &&
        (!run_enter(run, VFIO_MIG_STATE_PRE_COPY) ||
         !read_precopy(run, bytes, &figures->running))) {
        return false;
    }
    if (!run_enter(run, VFIO_MIG_STATE_STOP_COPY)) {
        return false;
    }
    figures->stopped = ask_sizes(run);
    before = bytes->len;
    if (read_some(run, bytes) < 0) {
        return false;
    }
    figures->stopped_bytes = bytes->len - before;
    return run_enter(run, VFIO_MIG_STATE_STOP);
}

static bool open_and_read(DriverRun *run, GByteArray *bytes)
{
    Figures figures;

    return run_open_fresh(run, run->test->source, true) &&
           read_image(run, bytes, &figures);
}

/* Returns 0, or -errno with @errp set: of a write, or of the final verdict */
static int write_image(DriverRun *run, const GByteArray *bytes, size_t piece,
                       Error **errp)
{
    VFIODeviceMigration *mig = run_mig(run);
    ImageSource image = { .source = { image_get }, .next = bytes->data };
    const uint8_t *end = bytes->data + bytes->len;
    int ret = 0;

    while (ret == 0 && image.next < end) {
        vfio_mig_claim(mig);
        ret = mig->protocol->write_chunk(mig, &image.source,
                                         MIN(piece, end - image.next), errp);
        vfio_mig_release(mig);
    }
    if (ret == 0) {
        ret = vfio_mig_try_state(mig, VFIO_MIG_STATE_STOP);
        if (ret < 0) {
            error_setg_errno(errp, -ret, "resuming to stop");
        }
    }
    return ret;
}

/* Load @bytes into the open device, and let it run. */
static bool load_image(DriverRun *run, const GByteArray *bytes, size_t piece,
                       const char *when)
{
    Error *err = NULL;

    if (!run_enter(run, VFIO_MIG_STATE_RESUMING)) {
        return false;
    }
    if (write_image(run, bytes, piece, &err) < 0) {
        g_autofree char *text = tool_error(err);

        return run_fail(run, "%s: %s", when, text);
    }
    vfio_host_vm_start();
    return run_expect(run, VFIO_MIG_STATE_RUNNING, when);
}

static bool judge_running(DriverRun *run, const VFIOMigSizes *left)
{
    if (!run_mig(run)->traits.precopy) {
        return true;
    }
    if (!left->precopy_known) {
        return run_fail(run, "VFIO_MIG_GET_PRECOPY_INFO fails in pre-copy");
    }
    return !left->initial_bytes ||
           run_fail(run, "%" PRIu64 " initial bytes are left when all was "
                    "read that the device gives: no VM would ever be stopped",
                    left->initial_bytes);
}

static bool case_sizes(DriverRun *run)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autofree char *said = NULL, *came = NULL;
    const VFIOMigSizes *told;
    Figures figures;

    if (!run_open_fresh(run, run->test->source, true) ||
        !read_image(run, bytes, &figures) ||
        !judge_running(run, &figures.running)) {
        return false;
    }
    told = &figures.stopped;
    said = told->stop_known ? screen_size(told->stop_bytes)
                            : g_strdup("nothing");
    came = screen_size(figures.stopped_bytes);
    g_string_append_printf(run->notes, "the stopped device told %s, and gave "
                           "%s\n", said, came);
    if (told->stop_known && !told->stop_bytes && figures.stopped_bytes) {
        return run_fail(run, "the stopped device told that nothing is left, "
                        "and gave %s", came);
    }
    return true;
}

static bool case_pieces(DriverRun *run)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    size_t piece;

    if (!open_and_read(run, bytes)) {
        return false;
    }
    piece = (bytes->len / NR_PIECES) | 1;
    g_string_append_printf(run->notes, "pieces of %zu bytes\n", piece);
    return run_open_fresh(run, run->test->destination, false) &&
           load_image(run, bytes, piece, "in small pieces");
}

/* ---- wrong data, and resets ---- */

/*
 * Write @wrong: the driver may refuse it, by a write or at the end, or accept
 * it, which the contract allows. After a reset the device must take @bytes.
 */
static bool survive(DriverRun *run, const GByteArray *wrong,
                    const GByteArray *bytes)
{
    Error *err = NULL;

    if (!run_open_fresh(run, run->test->destination, false) ||
        !run_needs_reset(run) || !run_enter(run, VFIO_MIG_STATE_RESUMING)) {
        return false;
    }
    if (write_image(run, wrong, wrong->len, &err) < 0) {
        g_autofree char *text = tool_error(err);

        g_string_append_printf(run->notes, "refused: %s\n", text);
    } else {
        g_string_append(run->notes, "taken without an error: nothing in the "
                        "device notices it\n");
    }
    return run_reset(run, "after a reset") &&
           load_image(run, bytes, bytes->len, "after a reset");
}

static bool case_cut(DriverRun *run)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(GByteArray) wrong = g_byte_array_new();

    if (!open_and_read(run, bytes)) {
        return false;
    }
    g_byte_array_append(wrong, bytes->data, bytes->len / 2);
    return survive(run, wrong, bytes);
}

static bool case_longer(DriverRun *run)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(GByteArray) wrong = g_byte_array_new();

    if (!open_and_read(run, bytes)) {
        return false;
    }
    g_byte_array_append(wrong, bytes->data, bytes->len);
    g_byte_array_append(wrong, bytes->data, bytes->len);
    return survive(run, wrong, bytes);
}

static bool case_foreign(DriverRun *run)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(GByteArray) wrong = g_byte_array_new();

    if (!open_and_read(run, bytes)) {
        return false;
    }
    g_byte_array_append(wrong, bytes->data, bytes->len);
    for (unsigned i = 0; i < wrong->len; i++) {
        wrong->data[i] ^= 0xff;
    }
    return survive(run, wrong, bytes);
}

/* A reset ends the session, and the next session gives a whole state. */
static bool reset_in(DriverRun *run, VFIOMigState state)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autofree char *when = g_strdup_printf("after a reset in %s",
                                            vfio_mig_state_str(state));
    Figures figures;

    return run_open_fresh(run, run->test->source, true) &&
           run_enter(run, state) && run_reset(run, when) &&
           read_image(run, bytes, &figures) &&
           run_open_fresh(run, run->test->destination, false) &&
           load_image(run, bytes, bytes->len, when);
}

static bool case_resets(DriverRun *run)
{
    bool precopy;

    if (!run_open(run, run->test->source) || !run_needs_reset(run)) {
        return false;
    }
    precopy = run_mig(run)->traits.precopy;
    return (!precopy || reset_in(run, VFIO_MIG_STATE_PRE_COPY)) &&
           reset_in(run, VFIO_MIG_STATE_STOP_COPY) &&
           reset_in(run, VFIO_MIG_STATE_RESUMING);
}

const DriverCase driver_cases_v2[] = {
    { "changes its state as its flags say", case_arcs },
    { "tells how much it has to give", case_sizes },
    { "takes its state in pieces of any size", case_pieces },
    { "survives a state that ends too early", case_cut },
    { "survives a state with more behind its end", case_longer },
    { "survives a state that is not its own", case_foreign },
    { "runs after a reset in any session", case_resets },
    { NULL }
};
