/*
 * Component test: migrations that succeed, and the state after them
 *
 * Every layout of the data window, running and paused VMs, cancel and retry,
 * snapshots. The device's state must be identical (the simulated device checks
 * each word), chunks keep their boundaries, and the bytes in the stream are
 * those of QEMU 6.0 to 7.2.
 *
 * Source: docs/contract.md, Saving, Loading and The stream.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/units.h"
#include "migration/qemu-file.h"
#include "hw/vfio/migration-device.h"
#include "hw/vfio/migration-handlers.h"
#include "hw/vfio/migration-options.h"
#include "component.h"

/* ---- layouts ---- */

typedef struct Layout {
    const char *name;
    const char *src;            /* keys of the source's device */
    const char *dst;            /* of the destination's; NULL: as @src */
    bool dst_warns;             /* the destination has to split chunks */
    bool src_warns;             /* the source cannot map */
} Layout;

#define SIZES "state-size=1000003\nprecopy-size=300001\nwindow-size=256K\n"
#define CHUNKS SIZES "chunk-size=256K;100001;4096;64K;99\n"
/* These fit after each chunk-start below. */
#define HALVES SIZES "chunk-size=120K;100001;4096;64K;99\n"

static const Layout layouts[] = {
    { "mapped", CHUNKS "areas=all\n" },
    { "trapped", CHUNKS "areas=none\n" },
    { "empty-list", CHUNKS "areas=empty-list\n" },
    { "whole-region", CHUNKS "areas=whole-region\n" },
    { "stripes", CHUNKS "areas=stripes:64K\n" },
    { "page-stripes", CHUNKS "areas=stripes:4K\n" },
    { "all-but-last-page", CHUNKS "areas=all-but-last-page\n" },
    { "mapped-then-trapped",
      HALVES "areas=4K+128K\nchunk-start=100K;0;126K\n" },
    { "trapped-then-mapped",
      HALVES "areas=132K+128K\nchunk-start=100K;0;126K\n" },
    { "unsorted-touching", CHUNKS "areas=132K+64K;4K+32K;68K+64K\n" },
    { "overlapping-areas",
      CHUNKS "areas=4K+32K;20K+32K;64K+0;128K+16K;132K+4K;160K+8K\n" },
    { "outside-areas", CHUNKS "areas=4K+32K;200K+2M;2G+4K\n",
      .dst_warns = true, .src_warns = true },
    { "single-bytes", "state-size=5000\nwindow-size=8K\nareas=none\n"
      "chunk-size=1;7;4096;3;8;2\n" },
    { "odd-starts", HALVES "areas=stripes:4K\nchunk-start=1;4095;12287\n" },
    { "max-access-8", "state-size=70001\nwindow-size=32K\nareas=none\n"
      "chunk-size=32K;4095;13\nmax-access=8\n" },
    { "max-access-8-odd", "state-size=9001\nwindow-size=8K\nareas=none\n"
      "chunk-start=0;1;3;7\nchunk-size=99;13;8K\nmax-access=8\n" },
    { "mapped-to-trapped", CHUNKS "areas=all\n", CHUNKS "areas=none\n" },
    { "trapped-to-stripes", CHUNKS "areas=none\n",
      CHUNKS "areas=stripes:64K\n" },
    { "quarter-window", SIZES "chunk-size=256K;64K;65537\n",
      "state-size=1000003\nprecopy-size=300001\nwindow-size=64K\n"
      "split=allow\n", true },
    { "larger-window", CHUNKS,
      "state-size=1000003\nprecopy-size=300001\nwindow-size=1M\n" },
};

static void begin_layout(const Layout *layout)
{
    /* A state without a header must have the same size and seed on both. */
    bool headless = strstr(layout->src, "max-access") ||
                    strstr(layout->src, "=1;7;");
    g_autofree char *dst = g_strconcat(layout->dst ?: layout->src,
                                       headless ? "seed=1\n" : "", NULL);

    comp_sim_pair(layout->src, dst, NULL);
}

static void check_source(VFIODevice *vbasedev)
{
    VFIOSimStatus src = comp_status("src");
    int64_t mapped = comp_property_int(vbasedev, "mapped-bytes");
    int64_t trapped = comp_property_int(vbasedev, "trapped-bytes");
    g_autofree char *error = comp_property_str(vbasedev, "last-error");

    comp_assert_state("src", "stop");
    g_assert_cmpuint(src.unacked_chunks, ==, 0);
    g_assert_cmpint(comp_property_int(vbasedev, "transferred-bytes"), ==,
                    src.saved_bytes);
    g_assert_cmpint(vfio_mig_bytes_transferred(), ==, src.saved_bytes);
    g_assert_cmpint(mapped, ==, src.mapped_bytes);
    g_assert_cmpint(trapped, ==, src.trapped_bytes);
    g_assert_cmpint(comp_property_int(vbasedev, "pending-bytes"), ==, 0);
    g_assert_cmpint(comp_property_int(vbasedev, "chunks"), ==,
                    comp_transcript_count(" src chunk-done"));
    g_assert_cmpstr(error, ==, "");
}

/* Save on "src", load on "dst", let it run; the state must be the same. */
static void migrate_over(GByteArray *bytes, bool running, bool src_warns)
{
    VFIODevice *vbasedev = comp_open("src");
    g_autofree char *error = NULL;

    if (running) {
        vfio_host_vm_start();
    }
    if (comp_save(bytes, NULL, &error)) {
        g_error("save: %s", error);
    }
    g_assert_cmpint(vfio_host_runstate(), ==, RUN_STATE_POSTMIGRATE);
    check_source(vbasedev);
    if (src_warns) {
        comp_assert_message("warning: src: cannot map");
        g_assert_cmpint(comp_property_int(vbasedev, "mapped-bytes"), ==, 0);
    } else {
        g_assert_cmpstr(comp_messages(), ==, "");
    }
    comp_forget_messages();

    vbasedev = comp_load_dst(bytes);
    g_assert_cmpint(comp_property_int(vbasedev, "transferred-bytes"), ==,
                    comp_status("src").saved_bytes);
    comp_run_same("src", "dst");
}

static void test_layout_running(gconstpointer data)
{
    const Layout *layout = data;
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    begin_layout(layout);
    migrate_over(bytes, true, layout->src_warns);
    comp_assert_path("src", "running>pre-copy>stop-copy>stop");
    comp_assert_path("dst", "running>resuming>stop!>running");
    if (layout->dst_warns) {
        comp_assert_message("warning: dst: ");
    } else {
        g_assert_cmpstr(comp_messages(), ==, "");
    }
    comp_sim_end();
}

static void test_layout_paused(gconstpointer data)
{
    const Layout *layout = data;
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    begin_layout(layout);
    migrate_over(bytes, false, layout->src_warns);
    comp_assert_path("src", "running>stop-copy>stop");
    comp_sim_end();
}

/* If the window cannot be mapped, it is trapped, with one warning. */
static void test_mmap_fails(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    VFIODevice *vbasedev;

    comp_sim_pair(CHUNKS "areas=stripes:64K\n", CHUNKS,
                  "[fault m]\nevent=mmap\ncount=2\nerrno=ENOMEM\n");
    vbasedev = comp_save_src(bytes);
    g_assert_cmpint(vfio_sim_fault_fired("m"), ==, 1);
    g_assert_cmpint(comp_property_int(vbasedev, "mapped-bytes"), ==, 0);
    comp_assert_message("warning: src: ");
    comp_assert_message(strerror(ENOMEM));
    comp_arrives_same(bytes);
    comp_sim_end();
}

void __real_qemu_fflush(QEMUFile *f);
void __wrap_qemu_fflush(QEMUFile *f);
static unsigned nr_flushes;

void __wrap_qemu_fflush(QEMUFile *f)
{
    nr_flushes++;
    __real_qemu_fflush(f);
}

/* Pieces of a chunk, 16 per MiB here, must not be flushed one by one. */
static void test_few_flushes(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    comp_sim("[device src]\ngroup=1\nstate-size=8M\nwindow-size=1M\n"
             "areas=stripes:64K\n");
    comp_open("src");
    nr_flushes = 0;
    g_assert_cmpint(comp_save(bytes, NULL, NULL), ==, 0);
    g_assert_cmpuint(comp_status("src").trapped_bytes, ==, 4 * MiB);
    g_assert_cmpuint(nr_flushes, <, 64);
    comp_sim_end();
}

/* A chunk with more pieces than are gathered at once, half of them mapped */
static void test_many_pieces(void)
{
    QEMUFile *f = vfio_host_file_new_output(open("/dev/null",
                                                 O_WRONLY | O_CLOEXEC));
    VFIODevice *vbasedev;

    comp_sim("[device src]\ngroup=1\nstate-size=8M\nwindow-size=1M\n"
             "areas=stripes:4K\n");
    vbasedev = comp_open("src");
    g_assert_cmpint(vfio_host_run(f, vfio_host_migrate, NULL, NULL), ==, 0);
    g_assert_cmpint(comp_property_int(vbasedev, "mapped-bytes"), ==, 4 * MiB);
    g_assert_cmpint(comp_property_int(vbasedev, "trapped-bytes"), ==, 4 * MiB);
    comp_sim_end();
}

/* Large accesses instead of 8 bytes each, if the driver accepts them */
static void test_few_calls(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    comp_sim("[device src]\ngroup=1\nstate-size=8M\nwindow-size=8M\n"
             "areas=none\n");
    comp_open("src");
    g_assert_cmpint(comp_save(bytes, NULL, NULL), ==, 0);
    g_assert_cmpuint(comp_status("src").trapped_bytes, ==, 8 * MiB);
    g_assert_cmpuint(comp_status("src").calls, <, 64);
    comp_sim_end();
}

/* A refusal of large accesses is remembered. */
static void test_small_only_remembered(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    uint64_t calls;

    comp_sim("[device src]\ngroup=1\nstate-size=64K\nwindow-size=16K\n"
             "areas=none\nmax-access=8\n");
    comp_open("src");
    g_assert_cmpint(comp_save(bytes, NULL, NULL), ==, 0);
    calls = comp_status("src").calls;
    g_assert_cmpuint(calls, >=, 64 * KiB / 8);
    g_assert_cmpuint(calls, <, 64 * KiB / 8 + 64);
    g_assert_cmpuint(comp_transcript_count("data-read "), ==, 1);
    comp_sim_end();
}

/* ---- the wire ---- */

static void put(GByteArray *to, const char *hex)
{
    unsigned value;
    int used;

    for (; sscanf(hex, "%2x%n", &value, &used) == 1; hex += used) {
        uint8_t byte = value;

        g_byte_array_append(to, &byte, 1);
        while (hex[used] == ' ') {
            used++;
        }
    }
}

#define TAG_END     "ff ff ff ff ef 10 00 01 "
#define TAG_CONFIG  "ff ff ff ff ef 10 00 02 "
#define TAG_SETUP   "ff ff ff ff ef 10 00 03 "
#define TAG_DATA    "ff ff ff ff ef 10 00 04 "
#define ID_VFIO     "11 30 30 30 30 3a 30 30 3a 30 34 2e 30 2f 76 66 69 6f " \
                    "00 00 00 00 00 00 00 01 "
#define FOOTER      "7e 00 00 00 00 "

/* Append the expected stream, with the device's @state and @config. */
static void put_golden(GByteArray *to, unsigned empty_rounds,
                       const uint8_t *state, const uint8_t *config)
{
    unsigned i;

    put(to, "51 45 56 4d 00 00 00 03 ");
    put(to, "01 00 00 00 00 " ID_VFIO TAG_SETUP TAG_END FOOTER);
    for (i = 0; i < empty_rounds; i++) {
        put(to, "02 00 00 00 00 " TAG_DATA "00 00 00 00 00 00 00 00 "
            TAG_END FOOTER);
    }
    put(to, "02 00 00 00 00 ");
    put(to, TAG_DATA "00 00 00 00 00 00 00 0a ");
    g_byte_array_append(to, state, 10);
    put(to, TAG_DATA "00 00 00 00 00 00 00 0a ");
    g_byte_array_append(to, state + 10, 10);
    put(to, TAG_DATA "00 00 00 00 00 00 00 04 ");
    g_byte_array_append(to, state + 20, 4);
    put(to, TAG_END FOOTER);
    put(to, "03 00 00 00 00 " TAG_END FOOTER);
    put(to, "04 00 00 00 00 " ID_VFIO TAG_CONFIG "00 00 00 02 ");
    g_byte_array_append(to, config, 256);
    put(to, "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 ");
    put(to, TAG_END FOOTER "00 ");
}

#define GOLDEN "[device src]\ngroup=1\nstate-size=24\nchunk-size=10\n" \
               "window-size=4K\nareas=none\nseed=7\n"

static void test_golden(gconstpointer data)
{
    static VFIOHostStep *const two_rounds[] = {
        VFIO_HOST_BEGIN, vfio_host_round, vfio_host_round, VFIO_HOST_END
    };
    unsigned empty_rounds = data ? 2 : 0;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(GByteArray) golden = g_byte_array_new();
    uint8_t config[256], whole[24];
    VFIODevice *vbasedev;
    const uint8_t *state;

    comp_sim(GOLDEN);
    vbasedev = comp_open("src");
    g_assert_cmpint(pread(vbasedev->fd, config, sizeof(config),
                          (off_t)VFIO_PCI_CONFIG_REGION_INDEX << 40), ==,
                    sizeof(config));
    vfio_host_vm_start();
    g_assert_cmpint(comp_save(bytes, data ? two_rounds : NULL, NULL), ==, 0);

    /* The state itself, 10, 10 and 4 bytes, is opaque. */
    state = bytes->data + 60 + 34 * empty_rounds + 5 + 16;
    memcpy(whole, state, 10);
    memcpy(whole + 10, state + 26, 10);
    memcpy(whole + 20, state + 52, 4);
    put_golden(golden, empty_rounds, whole, config);
    g_assert_cmpmem(bytes->data, bytes->len, golden->data, golden->len);
    comp_sim_end();
}

/* ---- cancel, stop and continue ---- */

static void cancel(VFIOHostRun *run)
{
    vfio_host_cancel();
    vfio_host_cancel();     /* idempotent */
}

static void begin_pair(const char *more)
{
    g_autofree char *keys = g_strconcat(CHUNKS, more, NULL);

    comp_sim_pair(keys, keys, NULL);
}

typedef struct CancelCase {
    const char *name;
    VFIOHostStep *steps[14];
} CancelCase;

static const CancelCase cancel_cases[] = {
    { "setup", { vfio_host_begin, vfio_host_notify, cancel,
                 VFIO_HOST_STOPPED } },
    { "iterate-0", { VFIO_HOST_BEGIN, cancel, VFIO_HOST_STOPPED } },
    { "iterate-2", { VFIO_HOST_BEGIN, vfio_host_round, vfio_host_round,
                     cancel, VFIO_HOST_STOPPED } },
    { "switchover", { VFIO_HOST_BEGIN, vfio_host_round, vfio_host_stop,
                      cancel, VFIO_HOST_STOPPED } },
};

static void run_cancel(const CancelCase *c, bool running, const char *strict)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autofree char *path = NULL;

    begin_pair(strict);
    comp_open("src");
    if (running) {
        vfio_host_vm_start();
    }
    g_assert_cmpint(comp_save(bytes, c->steps, NULL), ==, -ECANCELED);
    comp_assert_state("src", running ? "running" : "stop");
    g_assert_cmpuint(comp_status("src").resets, ==, 0);
    path = comp_path("src");
    if (!running) {
        g_assert_null(strstr(path, ">running"));    /* not even in between */
    }
    g_assert_cmpstr(comp_messages(), ==, "");

    /* libvfio-user's server cannot save a stopped device. */
    if (running || !*strict) {
        vfio_host_set_runstate(running ? RUN_STATE_RUNNING
                                       : RUN_STATE_PAUSED);
    } else {
        vfio_host_vm_start();
    }
    g_assert_cmpint(comp_save(bytes, NULL, NULL), ==, 0);
    comp_arrives(bytes);
    comp_sim_end();
}

static void test_cancel(gconstpointer data)
{
    run_cancel(data, true, "");
    run_cancel(data, false, "");
    run_cancel(data, true, "strictness=libvfio-user\n");
    run_cancel(data, false, "strictness=libvfio-user\n");
    run_cancel(data, true, "strictness=lenient\n");
}

static void pause_vm(VFIOHostRun *run)
{
    vfio_host_vm_stop(RUN_STATE_PAUSED);
}

static void continue_vm(VFIOHostRun *run)
{
    vfio_host_vm_start();
}

/*
 * The user pauses the VM during the migration, which continues. If the VM is
 * continued before data was sent, a new session begins.
 */
static void test_stops_and_arrives(gconstpointer data)
{
    static VFIOHostStep *const stop[] = {
        VFIO_HOST_BEGIN, vfio_host_round, pause_vm, vfio_host_rounds,
        VFIO_HOST_END
    };
    static VFIOHostStep *const stop_continue[] = {
        VFIO_HOST_BEGIN, pause_vm, continue_vm, vfio_host_rounds,
        VFIO_HOST_END
    };
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    begin_pair("");
    comp_open("src");
    vfio_host_vm_start();
    g_assert_cmpint(comp_save(bytes, data ? stop_continue : stop, NULL), ==,
                    0);
    if (!data) {
        comp_assert_path("src", "running>pre-copy>stop-copy>stop");
    }
    comp_arrives_same(bytes);
    comp_sim_end();
}

/* After data was sent, the migration fails and says so; a retry succeeds. */
static void test_stop_continue_late(void)
{
    static VFIOHostStep *const steps[] = {
        VFIO_HOST_BEGIN, vfio_host_round, vfio_host_round, pause_vm,
        continue_vm, vfio_host_rounds, VFIO_HOST_END
    };
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autofree char *error = NULL;

    begin_pair("");
    comp_open("src");
    vfio_host_vm_start();
    g_assert_cmpint(comp_save(bytes, steps, &error), <, 0);
    comp_assert_has(error, "src: ");
    comp_assert_has(error, "start the migration again");
    comp_assert_state("src", "running");
    g_assert_cmpint(vfio_host_runstate(), ==, RUN_STATE_RUNNING);
    g_assert_cmpint(comp_save(bytes, NULL, NULL), ==, 0);
    comp_arrives(bytes);
    comp_sim_end();
}

/* ---- onward ---- */

/* Migrate on from a destination where the VM has never run. */
static void test_onward_never_run(gconstpointer data)
{
    bool lenient = data != NULL;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autofree char *error = NULL;
    int ret;

    begin_pair(lenient ? "strictness=lenient\n" : "");
    comp_save_src(bytes);
    comp_load_dst(bytes);
    comp_assert_state("dst", lenient ? "stop" : "resuming");

    ret = comp_save(bytes, NULL, &error);
    if (lenient) {
        g_assert_cmpint(ret, ==, 0);
        g_assert_cmpstr(comp_status("src").saved_digest, ==,
                        comp_status("dst").saved_digest);
    } else {
        g_assert_cmpint(ret, <, 0);
        comp_assert_has(error, "dst: ");
        comp_assert_has(error, "has not run since");
        comp_assert_state("dst", "resuming");
        /* The loaded state is still there: the VM can run. */
        vfio_host_vm_start();
        comp_assert_state("dst", "running");
        g_assert_true(comp_status("dst").loaded);
        g_assert_cmpint(comp_save(bytes, NULL, NULL), ==, 0);
    }
    g_assert_cmpuint(comp_status("dst").resets, ==, 0);
    comp_sim_end();
}

/* ---- snapshots ---- */

static void test_snapshot(gconstpointer data)
{
    bool running = data != NULL;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autofree char *error = NULL;

    begin_pair("");
    comp_open("src");
    vfio_host_vm_start();
    if (!running) {
        vfio_host_vm_stop(RUN_STATE_PAUSED);
    }
    comp_path_forget();
    if (comp_save(bytes, vfio_host_savevm, &error)) {
        g_error("%s", error);
    }
    /* From a running VM it must not go through stop. */
    comp_assert_path("src", running ? "running>stop-copy>stop>running"
                                    : "stop>stop-copy>stop");
    g_assert_true(runstate_is_running() == running);

    if (running) {      /* run the device, so that its state changes */
        vfio_host_vm_stop(RUN_STATE_PAUSED);
        vfio_host_vm_start();
    }
    comp_path_forget();
    g_assert_cmpint(comp_loadvm(bytes->data, bytes->len), ==, 0);
    g_assert_true(runstate_is_running() == running);
    comp_run_same("src", "src");
    g_assert_true(comp_status("src").loaded);
    g_assert_cmpstr(comp_messages(), ==, "");
    comp_sim_end();
}

/* A snapshot that fails reports why, and the VM continues. */
static void test_snapshot_fails(gconstpointer data)
{
    bool running = data != NULL;
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    comp_sim_pair(CHUNKS, CHUNKS,
                  "[fault p]\nevent=data-size-read\nerrno=EFAULT\n");
    comp_open("src");
    vfio_host_vm_start();
    if (!running) {
        vfio_host_vm_stop(RUN_STATE_PAUSED);
    }
    g_assert_cmpint(comp_save(bytes, vfio_host_savevm, NULL), <, 0);
    g_assert_cmpint(vfio_sim_fault_fired("p"), ==, 1);
    comp_assert_message("src: ");
    comp_assert_message(strerror(EFAULT));
    comp_assert_state("src", running ? "running" : "stop");
    g_assert_true(runstate_is_running() == running);

    g_assert_cmpint(comp_save(bytes, vfio_host_savevm, NULL), ==, 0);
    comp_sim_end();
}

/* ---- counters, and what is refused ---- */

/* Counters are reset at the start of each migration and snapshot. */
static void test_figures_reset(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    VFIODevice *vbasedev;
    uint64_t first;

    begin_pair("");
    vbasedev = comp_save_src(bytes);
    first = vfio_mig_bytes_transferred();
    g_assert_cmpuint(first, ==, comp_status("src").saved_bytes);
    vfio_host_vm_start();
    g_assert_cmpint(comp_save(bytes, vfio_host_savevm, NULL), ==, 0);
    g_assert_cmpuint(first + vfio_mig_bytes_transferred(), ==,
                     comp_status("src").saved_bytes);
    g_assert_cmpint(comp_property_int(vbasedev, "transferred-bytes"), ==,
                    vfio_mig_bytes_transferred());
    comp_sim_end();
}

/* Setup is called before the last migration was cleaned up. */
static void set_up_again(VFIOHostRun *run)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    QEMUFile *f = vfio_host_file_new_memory_output(bytes);
    Error *err = NULL;

    g_assert_cmpint(vfio_mig_save_setup(f, run->opaque), ==,
                    -EBUSY);
    g_assert_cmpint(qemu_file_get_error_obj(f, &err), ==, -EBUSY);
    comp_assert_has(error_get_pretty(err), "src: the last migration was not "
                    "cleaned up yet");
    error_free(err);
    qemu_fclose(f);
}

static void test_not_cleaned_up(void)
{
    static VFIOHostStep *const steps[] = {
        VFIO_HOST_BEGIN, set_up_again, vfio_host_rounds, VFIO_HOST_END
    };
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    VFIODevice *vbasedev;

    begin_pair("");
    vbasedev = comp_open("src");
    vfio_host_vm_start();
    g_assert_cmpint(vfio_host_run(vfio_host_file_new_memory_output(bytes),
                                  steps, vbasedev, NULL), ==, 0);
    comp_arrives(bytes);
    comp_sim_end();
}

static void test_refused(gconstpointer data)
{
    const char *what = data;
    VFIOHostSettings settings = {
        .postcopy_ram = !strcmp(what, "postcopy-ram"),
        .background_snapshot = !strcmp(what, "background-snapshot"),
        .colo = !strcmp(what, "x-colo"),
    };
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autofree char *error = NULL;

    begin_pair("");
    comp_open("src");
    vfio_host_vm_start();
    vfio_host_settings = settings;
    g_assert_cmpint(comp_save(bytes, NULL, &error), <, 0);
    comp_assert_has(error, "src: ");
    comp_assert_has(error, what);
    if (settings.background_snapshot) {
        comp_assert_message("warning: src: a VFIO device does not support "
                            "background snapshots; this one will fail");
    }
    comp_assert_state("src", "running");
    g_assert_cmpint(vfio_host_runstate(), ==, RUN_STATE_RUNNING);

    settings = (VFIOHostSettings) { .postcopy_ram = false };
    vfio_host_settings = settings;
    g_assert_cmpint(comp_save(bytes, NULL, NULL), ==, 0);
    comp_sim_end();
}

/* A driver that does not report sizes needs an option set by the user. */
static void test_tells_no_size(gconstpointer data)
{
    VFIOHostSettings settings = { .empty_chunk_pending = data != NULL };
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autofree char *error = NULL;

    comp_sim_pair(SIZES "tells-size=zero\n", SIZES, NULL);
    comp_open("src");
    vfio_host_vm_start();
    vfio_host_settings = settings;
    if (!data) {
        g_assert_cmpint(comp_save(bytes, NULL, &error), <, 0);
        comp_assert_has(error, "does not tell sizes");
        comp_assert_has(error, vfio_mig_empty_chunk_option);
        comp_sim_end();
        return;
    }
    g_assert_cmpint(comp_save(bytes, NULL, NULL), ==, 0);
    comp_arrives(bytes);
    comp_sim_end();
}

int main(int argc, char **argv)
{
    void *yes = GINT_TO_POINTER(1);

    comp_init(&argc, &argv);
    ADD_ROWS("/migrate/running/", layouts, test_layout_running);
    ADD_ROWS("/migrate/paused/", layouts, test_layout_paused);
    ADD_ROWS("/migrate/cancel/", cancel_cases, test_cancel);
    g_test_add_func("/migrate/mmap-fails", test_mmap_fails);
    g_test_add_func("/migrate/few-calls", test_few_calls);
    g_test_add_func("/migrate/few-flushes", test_few_flushes);
    g_test_add_func("/migrate/many-pieces", test_many_pieces);
    g_test_add_func("/migrate/small-only-remembered",
                    test_small_only_remembered);
    g_test_add_data_func("/migrate/golden/direct", NULL, test_golden);
    g_test_add_data_func("/migrate/golden/empty-rounds",
                         yes, test_golden);
    g_test_add_data_func("/migrate/stop-in-pre-copy", NULL,
                         test_stops_and_arrives);
    g_test_add_data_func("/migrate/stop-continue/early", yes,
                         test_stops_and_arrives);
    g_test_add_func("/migrate/stop-continue/late", test_stop_continue_late);
    g_test_add_data_func("/migrate/onward/drawn", NULL,
                         test_onward_never_run);
    g_test_add_data_func("/migrate/onward/lenient", yes,
                         test_onward_never_run);
    g_test_add_data_func("/migrate/snapshot/paused", NULL, test_snapshot);
    g_test_add_data_func("/migrate/snapshot/running", yes, test_snapshot);
    g_test_add_data_func("/migrate/snapshot-fails/paused", NULL,
                         test_snapshot_fails);
    g_test_add_data_func("/migrate/snapshot-fails/running", yes,
                         test_snapshot_fails);
    g_test_add_func("/migrate/figures-reset", test_figures_reset);
    g_test_add_func("/migrate/not-cleaned-up", test_not_cleaned_up);
    g_test_add_data_func("/migrate/refused/postcopy-ram", "postcopy-ram",
                         test_refused);
    g_test_add_data_func("/migrate/refused/x-colo", "x-colo", test_refused);
    g_test_add_data_func("/migrate/refused/background-snapshot",
                         "background-snapshot", test_refused);
    g_test_add_data_func("/migrate/tells-no-size/refused", NULL,
                         test_tells_no_size);
    g_test_add_data_func("/migrate/tells-no-size/allowed", "allowed",
                         test_tells_no_size);
    return comp_run();
}
