/*
 * QEMU keeps answering while it sends the state of stopped devices
 *
 * Owns: devices that take seconds to save their state: the monitor's answers,
 * progress and cancel meanwhile; several devices, which are read in parallel;
 * what else the main loop does then; a worker that fails.
 * Does not own: VM events (vfio-vm-event-test.c, at `device`), device failures
 * (vfio-failure-test.c).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "vfio-test.h"

#include <string.h>
#include <unistd.h>

/* Time limit of a monitor's answer */
#define ANSWER_MS   100
/* Rounds of queries */
#define ROUNDS      25

#define SERIAL_PORT     0x3f8
#define SERIAL_STATUS   (SERIAL_PORT + 5)
#define SERIAL_HAS_DATA 1

typedef struct Layout {
    const char *name;
    const char *keys;           /* of each device: seconds of work */
    unsigned devices;
    bool one_chunk;             /* no progress is visible before its end */
} Layout;

static const Layout layouts[] = {
    { "mapped", "state-size=6M;chunk-size=48K;save-rate=2M", 1 },
    { "trapped", "state-size=6M;chunk-size=48K;save-rate=2M;areas=none", 1 },
    { "one-chunk", "window-size=4M;state-size=4M;chunk-size=4M;save-rate=2M",
      1, true },
    { "v2", "protocol=v2;profile=mlx5-6.2;state-size=6M;save-rate=2M", 1 },
    { "four", "state-size=6M;chunk-size=48K;save-rate=2M", 4 },
    { "two-v2", "protocol=v2;p2p=yes;state-size=6M;save-rate=2M", 2 },
    /* A chunk exceeds the queue of 4 MiB. */
    { "two-long-chunks", "window-size=12M;chunk-size=12M;state-size=24M;"
      "save-rate=8M;areas=none", 2, true },
};

static VFIOPair *new_pair(const Layout *layout)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    vfio_pair_set_keys(pair, layout->keys);
    for (unsigned i = 1; i < layout->devices; i++) {
        vfio_side_add_device(pair->src);
        vfio_side_add_device(pair->dst);
    }
    pair->src->multi = pair->dst->multi = layout->devices > 1;
    return pair;
}

/* Read dev0's property; @bytes: transferred so far */
static bool is_stop_copy(VFIOSide *side, int64_t *bytes)
{
    QDict *property = vfio_side_property(side, "dev0");
    bool is = !strcmp(qdict_get_str(property, "state"), "stop-copy") &&
              !strcmp(qdict_get_str(property, "phase"), "save");

    if (bytes) {
        *bytes = qdict_get_int(property, "transferred-bytes");
    }
    qobject_unref(property);
    return is;
}

static void expect_stop_copy(VFIOSide *side)
{
    g_autofree char *state = migrate_run_state(side->qts);

    g_assert_cmpstr(state, ==, "finish-migrate");
    if (!is_stop_copy(side, NULL)) {
        vfio_side_fail(side, "dev0 is in stop-copy no more");
    }
}

/* Returns while the devices are being read. */
static void bring_to_stop_copy(VFIOPair *pair)
{
    int64_t end_us = g_get_monotonic_time() + QTEST_WAIT_US;

    vfio_pair_begin(pair);
    while (!is_stop_copy(pair->src, NULL)) {
        if (g_get_monotonic_time() > end_us) {
            vfio_side_fail(pair->src, "no device came to stop-copy");
        }
        g_usleep(5000);
    }
    expect_stop_copy(pair->src);
}

/* ---- answers ---- */

typedef struct Times {
    int64_t us[3 * ROUNDS];
    unsigned count;
} Times;

static int compare_us(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

/* The test machine may be busy: the slowest tenth is ignored. */
static void expect_prompt(VFIOSide *side, Times *times)
{
    int64_t most_us;

    qsort(times->us, times->count, sizeof(times->us[0]), compare_us);
    most_us = times->us[times->count * 9 / 10];
    g_test_message("answers within %.1f ms, 9 of 10 within %.1f ms, half of "
                   "them within %.1f ms", times->us[times->count - 1] / 1e3,
                   most_us / 1e3, times->us[times->count / 2] / 1e3);
    if (most_us > ANSWER_MS * 1000) {
        vfio_side_fail(side, "an answer took %.1f ms", most_us / 1e3);
    }
}

static int64_t query_transferred(VFIOSide *side)
{
    QDict *info = migrate_query(side->qts);
    int64_t bytes = qdict_get_int(qdict_get_qdict(info, "vfio"),
                                  "transferred");

    g_assert_cmpstr(qdict_get_str(info, "status"), ==, "active");
    qobject_unref(info);
    return bytes;
}

/* Query as management software does; returns dev0's progress in bytes. */
static int64_t ask(VFIOSide *side, Times *times, int64_t *sum_bytes)
{
    int64_t start_us, bytes;

    start_us = g_get_monotonic_time();
    expect_stop_copy(side);     /* two queries, held to the limit of one */
    times->us[times->count++] = g_get_monotonic_time() - start_us;
    start_us = g_get_monotonic_time();
    *sum_bytes = query_transferred(side);
    times->us[times->count++] = g_get_monotonic_time() - start_us;
    start_us = g_get_monotonic_time();
    is_stop_copy(side, &bytes);
    times->us[times->count++] = g_get_monotonic_time() - start_us;
    return bytes;
}

/* Query while the devices are read, then let the migration finish. */
static void ask_all_along(VFIOPair *pair, bool one_chunk)
{
    int64_t first, last = 0, first_sum, last_sum = 0;
    Times times = { .count = 0 };

    bring_to_stop_copy(pair);
    first = ask(pair->src, &times, &first_sum);
    for (unsigned i = 1; i < ROUNDS; i++) {
        g_usleep(30000);
        last = ask(pair->src, &times, &last_sum);
    }
    expect_prompt(pair->src, &times);
    if (!one_chunk) {
        g_assert_cmpint(last, >, first);
        g_assert_cmpint(last_sum, >, first_sum);
    }
    vfio_pair_finish(pair);
    vfio_pair_check(pair);
}

static void cancel(VFIOPair *pair)
{
    g_autofree char *end = NULL;
    Times times = { .count = 1 };
    int64_t start_us;

    bring_to_stop_copy(pair);
    g_usleep(200000);
    expect_stop_copy(pair->src);
    start_us = g_get_monotonic_time();
    migrate_cancel(pair->src->qts);
    times.us[0] = g_get_monotonic_time() - start_us;
    expect_prompt(pair->src, &times);
    end = migrate_wait_end(pair->src->qts, QTEST_WAIT_MS);
    g_assert_cmpstr(end, ==, "cancelled");
    g_test_message("cancelled after %" G_GINT64_FORMAT " ms",
                   (g_get_monotonic_time() - start_us) / 1000);
    vfio_expect_load_failed(pair->dst, "");
    migrate_wait_run_state(pair->src->qts, "running");
}

/* Cancel, then migrate to the end; the monitor is queried meanwhile */
static void test_layout(const void *opaque)
{
    const Layout *layout = opaque;
    VFIOPair *pair = new_pair(layout);

    g_setenv("VFIO_MIGRATION_QUEUE_SIZE", "4M", true);
    vfio_pair_start(pair);
    cancel(pair);
    vfio_expect_source_well(pair);
    vfio_pair_next_destination(pair);
    g_unsetenv("VFIO_MIGRATION_QUEUE_SIZE");
    ask_all_along(pair, layout->one_chunk);
    vfio_pair_free(pair);
}

/* ---- in parallel ---- */

/* Each device delivers its first chunk before any other its last. */
static void expect_side_by_side(VFIOSide *side)
{
    g_autofree char *transcript = vfio_side_transcript(side);
    const char *latest_first = NULL, *earliest_last = NULL;

    for (unsigned i = 0; i < side->devices->len; i++) {
        g_autofree char *words = g_strdup_printf(
            "%s chunk-done phase=stop-copy", (char *)side->devices->pdata[i]);
        const char *first = strstr(transcript, words);
        const char *last = g_strrstr(transcript, words);

        g_assert_nonnull(first);
        latest_first = MAX(latest_first, first);
        earliest_last = earliest_last ? MIN(earliest_last, last) : last;
    }
    g_assert_true(latest_first < earliest_last);
}

static void test_side_by_side(void)
{
    static const Layout layout = {
        .keys = "state-size=2M;chunk-size=48K;save-rate=2M", .devices = 4
    };
    VFIOPair *pair = new_pair(&layout);

    vfio_pair_start(pair);
    vfio_pair_migrate(pair);
    expect_side_by_side(pair->src);
    vfio_pair_free(pair);
}

static const Layout *const slow = &layouts[0];

/* The device that is read last fails, in its worker. */
static void test_worker_fails(const void *opaque)
{
    Layout layout = *slow;
    g_autofree char *rule = NULL;
    VFIOPair *pair;

    layout.devices = GPOINTER_TO_UINT(opaque);
    pair = new_pair(&layout);
    /* A single device gets a worker only after some chunks. */
    rule = g_strdup_printf("device=dev%u;event=data-size-read;"
                           "state=stop-copy;count=50;errno=EIO",
                           layout.devices - 1);
    vfio_side_fault(pair->src, "row", rule);
    vfio_pair_start(pair);
    vfio_pair_begin(pair);
    vfio_expect_failed(pair->src, layout.devices > 1
                       ? "dev1;data_size;Input/output error"
                       : "dev0;data_size;Input/output error");
    vfio_expect_fired(pair->src, "row");
    migrate_wait_run_state(pair->src->qts, "running");
    vfio_pair_retry(pair);
    vfio_pair_free(pair);
}

/* ---- what else the main loop does ---- */

static void run_block_job(VFIOSide *side)
{
    qtest_qmp_assert_success(
        side->qts, "{'execute': 'blockdev-backup', 'arguments': {"
        "'job-id': 'job', 'device': 'from', 'target': 'to', "
        "'sync': 'full'}}");
    qtest_qmp_eventwait(side->qts, "BLOCK_JOB_COMPLETED");
}

static void wait_serial_data(VFIOSide *side)
{
    for (unsigned i = 0; i < 200; i++) {
        if (qtest_inb(side->qts, SERIAL_STATUS) & SERIAL_HAS_DATA) {
            return;
        }
        g_usleep(5000);
    }
    vfio_side_fail(side, "nothing came to the serial port");
}

/*
 * A stopped VM's stream has no rate limit, a block job runs, and a character
 * that arrives for the stopped guest moves with it.
 */
static void test_main_loop(void)
{
    static const char disks[] =
        " -blockdev driver=null-co,node-name=from,size=1048576,read-zeroes=on"
        " -blockdev driver=null-co,node-name=to,size=1048576";
    VFIOPair *pair = new_pair(slow);
    g_autofree char *path = g_build_filename(qtest_tmpdir(), "serial", NULL);
    int fd;

    g_string_append_printf(pair->src->args, "%s -chardev socket,id=line,"
                           "path=%s,server=on,wait=off -device isa-serial,"
                           "chardev=line", disks, path);
    g_string_append_printf(pair->dst->args, "%s -chardev null,id=line "
                           "-device isa-serial,chardev=line", disks);
    vfio_pair_start(pair);
    fd = qtest_connect(path);
    bring_to_stop_copy(pair);
    migrate_set_parameter_int(pair->src->qts, "max-bandwidth", MIGRATE_SLOW);
    run_block_job(pair->src);
    g_assert_cmpint(write(fd, "A", 1), ==, 1);
    wait_serial_data(pair->src);
    expect_stop_copy(pair->src);
    vfio_pair_finish(pair);
    g_assert_cmphex(qtest_inb(pair->dst->qts, SERIAL_PORT), ==, 'A');
    vfio_pair_check(pair);
    close(fd);
    vfio_pair_free(pair);
}

/* ---- size of the queue ---- */

static void expect_queue_size(const char *value, int64_t size)
{
    VFIOSide *side = vfio_side_new("source", SIDE_ATTACHED);
    QDict *property;

    if (value) {
        g_setenv("VFIO_MIGRATION_QUEUE_SIZE", value, true);
    }
    vfio_side_start(side);
    property = vfio_side_property(side, "dev0");
    g_assert_cmpint(qdict_get_int(property, "queue-size"), ==, size);
    qobject_unref(property);
    g_unsetenv("VFIO_MIGRATION_QUEUE_SIZE");
    vfio_side_free(side);
}

static void test_queue_size(void)
{
    expect_queue_size(NULL, 8 << 20);
    expect_queue_size("24M", 24 << 20);
    expect_queue_size("1", 4 << 20);
    expect_queue_size("1T", 1 << 30);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(layouts); i++) {
        g_autofree char *path = g_strconcat("vfio/stop-copy/", layouts[i].name,
                                            NULL);

        qtest_add_data_case(path, &layouts[i], test_layout);
    }
    qtest_add_case("vfio/stop-copy/side-by-side", test_side_by_side);
    qtest_add_data_case("vfio/stop-copy/worker-fails/one",
                        GUINT_TO_POINTER(1), test_worker_fails);
    qtest_add_data_case("vfio/stop-copy/worker-fails/two",
                        GUINT_TO_POINTER(2), test_worker_fails);
    qtest_add_case("vfio/stop-copy/main-loop", test_main_loop);
    qtest_add_case("vfio/stop-copy/queue-size", test_queue_size);
    return g_test_run();
}
