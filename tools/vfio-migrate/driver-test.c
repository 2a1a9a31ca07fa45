/*
 * vfio-migrate test: put a kernel driver through a migration's life
 *
 * Owns: the cases, each from a fresh device to a closed one, and their
 * report. What is in the state cannot be seen from here: a driver's own
 * checks on load, and the device in the guest, have to judge that.
 *
 * Source: requirements 1.3 to 1.6, R-07, U-9, U-12.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <sys/ioctl.h>
#include "qapi/error.h"
#include "hw/vfio/migration-transition.h"
#include "screen.h"
#include "device.h"
#include "driver-test.h"
#include "json.h"

typedef struct Run {
    const DriverTest *test;
    GString *messages;          /* of the subsystem, in this case */
    GString *notes;             /* figures of this case */
    char *why;                  /* it failed; first reason */
    char *skipped;              /* it does not apply to this driver */
    int fd;                     /* file of the stream */
    VFIODevice *device;
} Run;

static void take_message(VFIOHostReport kind, const char *text, void *opaque)
{
    Run *run = opaque;

    if (kind == VFIO_HOST_LOG) {
        fputs(text, stderr);
    } else {
        g_string_append_printf(run->messages, "%s\n", text);
    }
}

static bool G_GNUC_PRINTF(2, 3) fail(Run *run, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    if (!run->why) {
        run->why = g_strdup_vprintf(fmt, ap);
    }
    va_end(ap);
    return false;
}

static bool fail_error(Run *run, Error *err)
{
    g_autofree char *text = tool_error(err);

    return fail(run, "%s", text);
}

/* ---- steps ---- */

static bool open_device(Run *run, const char *name)
{
    Error *err = NULL;

    run->device = tool_open(name, &err);
    if (!run->device) {
        return fail_error(run, err);
    }
    if (vfio_host_blocker(0)) {
        return fail(run, "%s", vfio_host_blocker(0));
    }
    return true;
}

static void close_device(Run *run)
{
    if (run->device) {
        tool_close(run->device);
        run->device = NULL;
    }
}

/*
 * What the driver itself says, not what we remember. A device that had to be
 * reset on the way there is not what it was.
 */
static bool expect_state(Run *run, VFIOMigState wanted, const char *when)
{
    VFIODeviceMigration *mig = vfio_mig_of(run->device);
    VFIOMigState state;
    int ret = mig->protocol->read_state(mig, &state);

    if (mig->last_error) {
        return fail(run, "%s: %s", when, mig->last_error);
    }
    if (ret < 0) {
        return fail(run, "%s: device_state cannot be read: %s", when,
                    strerror(-ret));
    }
    if (state != wanted) {
        return fail(run, "%s: the device is in state %s, not %s", when,
                    vfio_mig_state_str(state), vfio_mig_state_str(wanted));
    }
    return true;
}

static void note_saved(Run *run, const ToolSaved *saved)
{
    g_autofree char *all = screen_size(saved->device_bytes);
    g_autofree char *early = screen_size(saved->precopy_bytes);
    g_autofree char *setup = screen_time(saved->setup_us);
    g_autofree char *stopped = screen_time(saved->stopped_us);

    g_string_append_printf(run->notes, "saved %s (%s in %u rounds of "
                           "pre-copy), set-up %s, VM stopped for %s\n", all,
                           early, saved->rounds, setup, stopped);
}

/* The case's file from its start, empty where it is to be written */
static bool rewind_stream(Run *run, bool empty)
{
    if (lseek(run->fd, 0, SEEK_SET) < 0 ||
        (empty && ftruncate(run->fd, 0) < 0)) {
        return fail(run, "the file of the stream cannot be rewound: %s",
                    strerror(errno));
    }
    return true;
}

static uint64_t stream_bytes(Run *run)
{
    return MAX(lseek(run->fd, 0, SEEK_END), 0);
}

static bool save(Run *run, ToolSave how, int wanted, ToolSaved *saved)
{
    Error *err = NULL;
    int ret;

    if (!rewind_stream(run, true)) {
        return false;
    }
    how.max_rounds = run->test->max_precopy_rounds;
    ret = tool_save(run->device, run->fd, &how, saved, &err);
    if (ret == 0 && wanted) {
        return fail(run, "a migration that had to fail was completed");
    }
    if (ret != wanted) {
        return fail_error(run, err);
    }
    error_free(err);
    return true;
}

static bool save_live(Run *run, ToolSaved *saved)
{
    if (!open_device(run, run->test->source)) {
        return false;
    }
    vfio_host_vm_start();
    if (!expect_state(run, VFIO_MIG_STATE_RUNNING, "after opening") ||
        !save(run, (ToolSave) { 0 }, 0, saved)) {
        return false;
    }
    note_saved(run, saved);
    return expect_state(run, VFIO_MIG_STATE_STOP, "after its migration");
}

/* A device that is new, or was just reset by its closing, takes the stream. */
static bool load(Run *run, uint64_t cut_after_bytes)
{
    int64_t start;
    Error *err = NULL;
    int ret;

    close_device(run);
    if (!open_device(run, run->test->destination) ||
        !rewind_stream(run, false)) {
        return false;
    }
    start = g_get_monotonic_time();
    ret = tool_load(run->fd, cut_after_bytes, &err);
    if (ret == 0 && !cut_after_bytes) {
        g_autofree char *time = screen_time(g_get_monotonic_time() - start);

        g_string_append_printf(run->notes, "loaded in %s\n", time);
        return true;
    }
    if (ret < 0 && cut_after_bytes) {
        error_free(err);
        return true;
    }
    if (ret == 0) {
        return fail(run, "half of a stream was loaded without an error");
    }
    return fail_error(run, err);
}

/* ---- cases ---- */

static bool case_found(Run *run)
{
    return open_device(run, run->test->source) &&
           expect_state(run, VFIO_MIG_STATE_RUNNING, "after opening");
}

static bool case_reset(Run *run)
{
    if (!open_device(run, run->test->source)) {
        return false;
    }
    if (!run->device->reset_works) {
        return fail(run, "no VFIO_DEVICE_RESET: a device in the error state "
                    "could not be recovered");
    }
    vfio_host_reset_devices();
    return expect_state(run, VFIO_MIG_STATE_RUNNING, "after a reset");
}

static bool case_live(Run *run)
{
    ToolSaved saved;

    return save_live(run, &saved);
}

static bool case_continue(Run *run)
{
    ToolSaved saved;

    if (!save_live(run, &saved)) {
        return false;
    }
    vfio_host_vm_start();
    return expect_state(run, VFIO_MIG_STATE_RUNNING,
                        "after the VM went on at the source");
}

static bool case_cancel(Run *run, ToolSave how, const char *when)
{
    ToolSaved saved;

    if (!open_device(run, run->test->source)) {
        return false;
    }
    vfio_host_vm_start();
    return save(run, how, -ECANCELED, &saved) &&
           expect_state(run, VFIO_MIG_STATE_RUNNING, when) &&
           save(run, (ToolSave) { 0 }, 0, &saved) &&
           expect_state(run, VFIO_MIG_STATE_STOP, "after a second try");
}

static bool case_cancel_precopy(Run *run)
{
    return case_cancel(run, (ToolSave) { .cancel_in_round = 1 },
                       "after a cancel in pre-copy");
}

static bool case_cancel_stopped(Run *run)
{
    return case_cancel(run, (ToolSave) { .cancel_at_switchover = true },
                       "after a cancel with the VM stopped");
}

static bool case_broken_stream(Run *run)
{
    ToolSaved saved;
    uint64_t whole_bytes;

    if (!save_live(run, &saved)) {
        return false;
    }
    whole_bytes = stream_bytes(run);
    close_device(run);
    if (!open_device(run, run->test->source)) {
        return false;
    }
    vfio_host_vm_start();
    return save(run, (ToolSave) { .break_after_bytes = whole_bytes / 2 },
                -EIO, &saved) &&
           expect_state(run, VFIO_MIG_STATE_RUNNING,
                        "after the stream broke");
}

/* The contract draws no arc from stop to stop-copy: it may be refused. */
static bool can_save_stopped(Run *run)
{
    VFIODeviceMigration *mig = vfio_mig_of(run->device);

    return vfio_mig_try_state(mig, VFIO_MIG_STATE_STOP_COPY) == 0
           ? vfio_mig_try_state(mig, VFIO_MIG_STATE_STOP) == 0
           : mig->state != VFIO_MIG_STATE_STOP;
}

static bool case_paused(Run *run)
{
    ToolSaved saved;

    if (!open_device(run, run->test->source)) {
        return false;
    }
    vfio_host_vm_start();
    vfio_host_vm_stop(RUN_STATE_PAUSED);
    if (!expect_state(run, VFIO_MIG_STATE_STOP, "with the VM paused")) {
        return false;
    }
    if (!can_save_stopped(run)) {
        run->skipped = g_strdup("the driver does not save a device whose VM "
                                "is paused");
        return true;
    }
    if (!expect_state(run, VFIO_MIG_STATE_STOP, "with the VM paused") ||
        !save(run, (ToolSave) { 0 }, 0, &saved)) {
        return false;
    }
    note_saved(run, &saved);
    return expect_state(run, VFIO_MIG_STATE_STOP, "after its migration") &&
           load(run, 0);
}

static bool case_round_trip(Run *run)
{
    ToolSaved saved;

    for (unsigned i = 0; i < run->test->rounds; i++) {
        close_device(run);
        if (!save_live(run, &saved) || !load(run, 0)) {
            return false;
        }
        vfio_host_vm_start();
        if (!expect_state(run, VFIO_MIG_STATE_RUNNING,
                          "after the VM went on at the destination")) {
            return false;
        }
    }
    return true;
}

/* A driver may let a loaded device out only into running (U-9). */
static bool case_onward(Run *run)
{
    ToolSaved saved;
    ToolSave how = { .max_rounds = run->test->max_precopy_rounds };
    Error *err = NULL;

    if (!save_live(run, &saved) || !load(run, 0)) {
        return false;
    }
    if (vfio_mig_of(run->device)->state == VFIO_MIG_STATE_RESUMING) {
        run->skipped = g_strdup("the driver keeps a loaded device in "
                                "resuming until it runs");
        return true;
    }
    if (!rewind_stream(run, true)) {
        return false;
    }
    if (tool_save(run->device, run->fd, &how, &saved, &err) < 0) {
        return fail_error(run, err);
    }
    note_saved(run, &saved);
    return load(run, 0);
}

static bool case_cut_stream(Run *run)
{
    ToolSaved saved;

    if (!save_live(run, &saved) || !load(run, stream_bytes(run) / 2)) {
        return false;
    }
    /* The destination of a VM ends here; the next one starts from fresh. */
    return load(run, 0);
}

static bool case_snapshot(Run *run)
{
    Error *err = NULL;
    QEMUFile *f;

    if (!open_device(run, run->test->source) || !rewind_stream(run, true)) {
        return false;
    }
    vfio_host_vm_start();
    f = tool_stream(run->fd, true, &err);
    if (!f || vfio_host_savevm(f, &err) < 0) {
        return fail_error(run, err);
    }
    if (!rewind_stream(run, false)) {
        return false;
    }
    f = tool_stream(run->fd, false, &err);
    if (!f || vfio_host_loadvm(f, &err) < 0) {
        return fail_error(run, err);
    }
    return expect_state(run, VFIO_MIG_STATE_RUNNING, "after loadvm");
}

static const struct {
    const char *name;
    bool (*func)(Run *run);
} cases[] = {
    { "has a migration region, and runs", case_found },
    { "runs after a reset", case_reset },
    { "saves a running VM", case_live },
    { "runs on at the source after its migration", case_continue },
    { "runs on after a cancel in pre-copy, and migrates", case_cancel_precopy },
    { "runs on after a cancel with the VM stopped, and migrates",
      case_cancel_stopped },
    { "runs on after a broken stream", case_broken_stream },
    { "saves a paused VM, and loads it", case_paused },
    { "loads, and runs on", case_round_trip },
    { "migrates onward without having run", case_onward },
    { "survives half of a stream", case_cut_stream },
    { "saves and loads a snapshot", case_snapshot },
};

/* ---- report ---- */

typedef enum Outcome {
    OUTCOME_PASSED,
    OUTCOME_FAILED,
    OUTCOME_SKIPPED,
    OUTCOME__MAX,
} Outcome;

static const char *const outcome_words[] = { "passed", "failed", "skipped" };

static void print_lines(const char *prefix, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line; line++) {
        if (**line) {
            printf("%s%s\n", prefix, *line);
        }
    }
}

static void print_tap(const Run *run, unsigned n, Outcome outcome)
{
    bool good = outcome != OUTCOME_FAILED;

    printf("%s %u - %s%s%s\n", good ? "ok" : "not ok", n + 1, cases[n].name,
           run->skipped ? " # SKIP " : "", run->skipped ?: "");
    print_lines("# ", run->why ?: "");
    print_lines("#   ", run->notes->str);
    if (!good || run->test->verbose) {
        print_lines("#   said: ", run->messages->str);
    }
    fflush(stdout);
}

static void add_lines(JsonObject *object, const char *name, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    JsonArray *array = json_array_new();

    for (char **line = lines; *line; line++) {
        if (**line) {
            json_array_add_string_element(array, *line);
        }
    }
    json_object_set_array_member(object, name, array);
}

static void add_case(const Run *run, unsigned n, Outcome outcome,
                     JsonArray *list)
{
    JsonObject *object = json_object_new();

    json_object_set_string_member(object, "name", cases[n].name);
    json_object_set_string_member(object, "result", outcome_words[outcome]);
    json_set_text(object, "reason", run->why ?: run->skipped);
    add_lines(object, "notes", run->notes->str);
    add_lines(object, "said", run->messages->str);
    json_array_add_object_element(list, object);
}

static bool run_in_file(Run *run, unsigned n)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = NULL;
    bool good;

    run->fd = g_file_open_tmp("vfio-migrate-XXXXXX", &path, &error);
    vfio_host_set_report_hook(take_message, run);
    good = run->fd >= 0 ? unlink(path) == 0 && cases[n].func(run)
                        : fail(run, "%s", error->message);
    close_device(run);
    vfio_host_forget();
    vfio_host_set_report_hook(NULL, NULL);
    if (run->fd >= 0) {
        close(run->fd);
    }
    return good;
}

static Outcome run_case(const DriverTest *test, unsigned n, JsonArray *list)
{
    Run run = {
        .test = test,
        .messages = g_string_new(NULL),
        .notes = g_string_new(NULL),
        .fd = -1,
    };
    Outcome outcome = !run_in_file(&run, n) ? OUTCOME_FAILED :
                      run.skipped ? OUTCOME_SKIPPED : OUTCOME_PASSED;

    if (list) {
        add_case(&run, n, outcome, list);
    } else {
        print_tap(&run, n, outcome);
    }
    g_string_free(run.messages, true);
    g_string_free(run.notes, true);
    g_free(run.why);
    g_free(run.skipped);
    return outcome;
}

unsigned driver_test_run(const DriverTest *test)
{
    JsonArray *list = test->report ? json_array_new() : NULL;
    unsigned count[OUTCOME__MAX] = { 0 };

    if (!list) {
        printf("1..%zu\n", G_N_ELEMENTS(cases));
    }
    for (unsigned n = 0; n < G_N_ELEMENTS(cases); n++) {
        count[run_case(test, n, list)]++;
    }
    if (!list) {
        printf("# %u passed, %u failed, %u skipped\n", count[OUTCOME_PASSED],
               count[OUTCOME_FAILED], count[OUTCOME_SKIPPED]);
        return count[OUTCOME_FAILED];
    }
    for (Outcome o = 0; o < OUTCOME__MAX; o++) {
        json_object_set_int_member(test->report, outcome_words[o], count[o]);
    }
    json_object_set_array_member(test->report, "cases", list);
    return count[OUTCOME_FAILED];
}
