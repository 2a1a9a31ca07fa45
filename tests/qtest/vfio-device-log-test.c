/*
 * Guest RAM that devices write to which log that themselves
 *
 * Owns: devices of protocol v2 with a log of their own DMA, and without, alone
 * and beside each other: no page is lost, whatever becomes of the log, and
 * the migration ends. Does not own: what else happens to RAM (dirty-scene.h),
 * devices of v1 (vfio-dirty-test.c).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "dirty-scene.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SECOND_TARGET   (48 * MIB)  /* of dev1, in FILL */

/* ---- pairs ---- */

static void be_like(VFIOPair *pair, const char *device, const char *profile)
{
    VFIOSide *sides[] = { pair->src, pair->dst };

    for (unsigned i = 0; i < G_N_ELEMENTS(sides); i++) {
        vfio_side_profile(sides[i], device, profile);
        /* Small, as it is not what these cases are about */
        vfio_side_set(sides[i], device, "state-size", "2K");
        if (strcmp(profile, "mlx5-6.2") == 0) {
            vfio_side_set(sides[i], device, "precopy-size", "64K");
        }
    }
}

static VFIOPair *new_pair(const char *profile)
{
    VFIOPair *pair = dirty_new_pair(SIDE_ATTACHED, SIDE_ATTACHED);

    be_like(pair, "dev0", profile);
    vfio_pair_set(pair, "dma-rate", "64M");
    vfio_pair_set(pair, "dma-pattern", "sequential");
    dirty_set_dma(pair, TARGET, TARGET_PAGES * PAGE);
    return pair;
}

static void add_device(VFIOPair *pair, const char *profile)
{
    VFIOSide *sides[] = { pair->src, pair->dst };

    for (unsigned i = 0; i < G_N_ELEMENTS(sides); i++) {
        vfio_side_add_device(sides[i]);
        vfio_side_set(sides[i], "dev1", "dma-start", "0x%x",
                      (int)SECOND_TARGET);
    }
    be_like(pair, "dev1", profile);
}

/* ---- what is said ---- */

static void expect_tracking(VFIOSide *side, const char *device,
                            const char *how)
{
    QDict *property = vfio_side_property(side, device);
    bool untold = strcmp(how, "final-pass-all") == 0;
    int64_t bytes = qdict_get_int(property, "untracked-bytes");

    g_assert_cmpstr(qdict_get_str(property, "dirty-tracking"), ==, how);
    if (untold) {
        /* All RAM but for what ROM hides, and that of a display */
        g_assert_cmpint(bytes, >, (RAM_MIB - 1) * MIB);
        g_assert_cmpint(bytes, <, 2 * RAM_MIB * MIB);
    } else {
        g_assert_cmpint(bytes, ==, 0);
    }
    qobject_unref(property);
}

static unsigned count_of(const char *text, const char *words)
{
    unsigned count = 0;

    for (; (text = strstr(text, words)); text++) {
        count++;
    }
    return count;
}

static unsigned count_said(VFIOSide *side, const char *words)
{
    g_autofree char *text = qtest_stderr(side->qts);

    return count_of(text, words);
}

static unsigned count_lines(VFIOSide *side, const char *words)
{
    g_autofree char *text = vfio_side_transcript(side);

    return count_of(text, words);
}

/* Lines of the transcript up to the device's stop */
static unsigned count_while_running(VFIOSide *side, const char *words)
{
    g_autofree char *text = vfio_side_transcript(side);
    char *stopped = strstr(text, "to=stop ");

    g_assert_nonnull(stopped);
    *stopped = '\0';
    return count_of(text, words);
}

/* ---- RAM ---- */

typedef struct Scene {
    const char *profile;
    const DirtyScene *scene;
} Scene;

static void test_scene(const void *opaque)
{
    const Scene *s = opaque;
    VFIOPair *pair = new_pair(s->profile);
    VTD vtd;

    qtest_set_case_seconds(120);
    dirty_scene_start(pair, s->scene, &vtd);
    dirty_scene_migrate(pair, s->scene, &vtd);
    vfio_pair_finish(pair);
    vfio_pair_check(pair);
    vfio_pair_free(pair);
}

/* The device's log is all there is; the container tracks nothing. */
static void test_log(const void *opaque)
{
    VFIOPair *pair = new_pair(opaque);

    vfio_pair_start(pair);
    expect_tracking(pair->src, "dev0", "device-log");
    dirty_migrate(pair);
    g_assert_cmpuint(count_lines(pair->src, "dev0 log-start"), ==, 1);
    g_assert_cmpuint(count_while_running(pair->src, "dev0 log-report"), >, 0);
    g_assert_cmpuint(count_lines(pair->src, "dirty-start"), ==, 0);
    g_assert_cmpuint(count_lines(pair->src, "dirty-get"), ==, 0);
    g_assert_cmpuint(count_said(pair->src, "log of its DMA"), ==, 0);
    vfio_pair_free(pair);
}

/* ---- who tells ---- */

#define UNTOLD  "container of dev0: the IOMMU cannot tell"

/*
 * Nobody tells: the migration ends, with all memory sent again at its end,
 * and says before how much that is.
 */
static void expect_untold(VFIOPair *pair)
{
    g_autofree char *said = NULL;
    QDict *property = vfio_side_property(pair->src, "dev0");

    said = g_strdup_printf("%" PRId64 " bytes of memory",
                           qdict_get_int(property, "untracked-bytes"));
    qobject_unref(property);
    dirty_migrate(pair);
    g_assert_cmpuint(count_said(pair->src, UNTOLD), ==, 1);
    g_assert_cmpuint(count_said(pair->src, said), ==, 1);
    g_assert_cmpuint(count_lines(pair->src, "dirty-start"), ==, 0);
    g_assert_cmpuint(count_lines(pair->src, "log-report"), ==, 0);
}

static void test_no_log(void)
{
    VFIOPair *pair = new_pair("virtio");

    vfio_pair_start(pair);
    expect_tracking(pair->src, "dev0", "final-pass-all");
    expect_untold(pair);
    vfio_pair_free(pair);
}

static void test_switched_off(void)
{
    VFIOPair *pair = new_pair("mlx5-6.1");

    pair->src->no_device_log = true;
    vfio_pair_start(pair);
    expect_tracking(pair->src, "dev0", "final-pass-all");
    expect_tracking(pair->dst, "dev0", "device-log");
    expect_untold(pair);
    g_assert_cmpuint(count_lines(pair->src, "log-start"), ==, 0);
    vfio_pair_free(pair);
}

/* More than the device can log */
static void test_refused(void)
{
    VFIOPair *pair = new_pair("mlx5-6.1");

    vfio_side_set(pair->src, "dev0", "log-max-bytes", "32M");
    vfio_pair_start(pair);
    dirty_migrate(pair);
    g_assert_cmpuint(count_said(pair->src, "dev0: the device does not log its "
                                "DMA in "), ==, 1);
    g_assert_cmpuint(count_said(pair->src, "Operation not supported"), ==, 1);
    g_assert_cmpuint(count_said(pair->src, UNTOLD), ==, 1);
    vfio_pair_free(pair);
}

/* The driver pins what the device uses: the container's IOMMU knows it. */
static void test_mdev(void)
{
    VFIOPair *pair = new_pair("virtio");

    pair->src->mdevs = true;
    vfio_pair_start(pair);
    expect_tracking(pair->src, "dev0", "pre-copy");
    dirty_migrate(pair);
    g_assert_cmpuint(count_while_running(pair->src, "dirty-get"), >, 0);
    g_assert_cmpuint(count_said(pair->src, UNTOLD), ==, 0);
    vfio_pair_free(pair);
}

/*
 * One logs, the other does not: what the first writes is sent as the VM
 * runs, all at the end for the other, or what the IOMMU says where both pin.
 */
static void test_mix(const void *opaque)
{
    bool mdevs = GPOINTER_TO_INT(opaque);
    VFIOPair *pair = new_pair("mlx5-6.1");

    add_device(pair, "xe");
    pair->src->mdevs = mdevs;
    vfio_pair_start(pair);
    expect_tracking(pair->src, "dev0", "device-log");
    expect_tracking(pair->src, "dev1", mdevs ? "pre-copy" : "final-pass-all");
    dirty_migrate(pair);
    g_assert_cmpuint(count_while_running(pair->src, "dev0 log-report"), >, 0);
    if (mdevs) {
        g_assert_cmpuint(count_while_running(pair->src, "dirty-get"), >, 0);
    } else {
        g_assert_cmpuint(count_lines(pair->src, "dirty-start"), ==, 0);
        g_assert_cmpuint(count_said(pair->src, "no log of its own runs in "
                                    "dev1;"), ==, 1);
    }
    vfio_pair_free(pair);
}

static void test_two_logs(void)
{
    VFIOPair *pair = new_pair("mlx5-6.1");

    add_device(pair, "pds");
    vfio_pair_start(pair);
    expect_tracking(pair->src, "dev1", "device-log");
    dirty_migrate(pair);
    g_assert_cmpuint(count_while_running(pair->src, "dev0 log-report"), >, 0);
    g_assert_cmpuint(count_while_running(pair->src, "dev1 log-report"), >, 0);
    g_assert_cmpuint(count_lines(pair->src, "dirty-start"), ==, 0);
    vfio_pair_free(pair);
}

/* x-pre-copy-dirty-page-tracking=off */
static void test_opt_out(void)
{
    VFIOPair *pair = new_pair("mlx5-6.1");

    pair->src->device_props = ",x-pre-copy-dirty-page-tracking=off";
    vfio_pair_start(pair);
    expect_tracking(pair->src, "dev0", "final-pass");
    dirty_migrate(pair);
    g_assert_cmpuint(count_while_running(pair->src, "log-report"), ==, 0);
    g_assert_cmpuint(count_lines(pair->src, "log-report"), >, 0);
    vfio_pair_free(pair);
}

/* ---- memory that appears ---- */

/*
 * Memory of an ivshmem device: in its BAR 2, far from all RAM. The largest goes
 * first, so that this has been sent when the first round is held.
 */
#define SHARED_SLOT     10
#define SHARED_BAR      0x18        /* the lower half */
#define SHARED_BASE     (64 * GIB)
#define SHARED_BYTES    (128 * MIB)

static char *shared_path(VFIOSide *side)
{
    return g_build_filename(side->dir, "shared", NULL);
}

static void add_shared(VFIOSide *side)
{
    g_autofree char *path = shared_path(side);

    g_string_append_printf(
        side->args, "-object memory-backend-file,id=shared,size=128M,share=on,"
        "mem-path=%s -device ivshmem-plain,memdev=shared,master=on,"
        "addr=%x.0 ", path, SHARED_SLOT);
}

static uint8_t *map_shared(VFIOSide *side)
{
    g_autofree char *path = shared_path(side);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint8_t *memory;

    g_assert_cmpint(fd, >=, 0);
    memory = mmap(NULL, SHARED_BYTES, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    g_assert_true(memory != MAP_FAILED);
    return memory;
}

static bool shared_is_written(VFIOSide *side)
{
    uint8_t *memory = map_shared(side);
    bool all = true;

    for (unsigned i = 0; i < TARGET_PAGES; i++) {
        uint64_t word;

        memcpy(&word, memory + i * PAGE, sizeof(word));
        all &= GUINT64_FROM_LE(word) >> 52 == 0xd3a;
    }
    munmap(memory, SHARED_BYTES);
    return all;
}

static void expect_same_shared(VFIOPair *pair)
{
    uint8_t *src = map_shared(pair->src), *dst = map_shared(pair->dst);

    if (memcmp(src, dst, SHARED_BYTES)) {
        vfio_side_fail(pair->dst, "memory that appeared differs");
    }
    munmap(src, SHARED_BYTES);
    munmap(dst, SHARED_BYTES);
}

/* The guest's driver gives the BAR its address. */
static void place_shared(VFIOSide *side)
{
    machine_pci_write(side->qts, SHARED_SLOT, SHARED_BAR,
                      (uint32_t)SHARED_BASE);
    machine_pci_write(side->qts, SHARED_SLOT, SHARED_BAR + 4,
                      SHARED_BASE >> 32);
    machine_pci_write(side->qts, SHARED_SLOT, 4, 2);
}

/* Memory that appears after the start lies outside of all that is logged. */
static void test_appears(void)
{
    VFIOPair *pair = new_pair("mlx5-6.1");
    int64_t end_us = g_get_monotonic_time() + 30 * G_USEC_PER_SEC;

    add_shared(pair->src);
    add_shared(pair->dst);
    dirty_set_dma(pair, SHARED_BASE, TARGET_PAGES * PAGE);
    vfio_pair_start(pair);
    dirty_device_write(pair->src, false);
    dirty_fill(pair);
    dirty_hold(pair);
    place_shared(pair->src);
    dirty_device_write(pair->src, true);
    while (!shared_is_written(pair->src)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end_us);
        g_usleep(1000);
    }
    dirty_device_write(pair->src, false);
    dirty_go_on(pair);
    vfio_pair_finish(pair);
    expect_same_shared(pair);
    vfio_pair_check(pair);
    vfio_pair_free(pair);
}

/* ---- logs that end ---- */

#define LOST    "dev0: the device's log of its DMA is lost"

/* The @n-th report fails; the log is started again. */
static void test_breaks(const void *opaque)
{
    unsigned n = GPOINTER_TO_INT(opaque);
    g_autofree char *rule = g_strdup_printf("event=log-report;count=%u;"
                                            "errno=EIO", n);
    VFIOPair *pair = new_pair("mlx5-6.1");

    vfio_side_fault(pair->src, "report", rule);
    vfio_pair_start(pair);
    dirty_migrate(pair);
    vfio_expect_fired(pair->src, "report");
    g_assert_cmpuint(count_said(pair->src, LOST), ==, 1);
    vfio_pair_free(pair);
}

/* In the last pass, with the device stopped: all is marked. */
static void test_breaks_at_last(void)
{
    VFIOPair *pair = new_pair("mlx5-6.1");

    /* What is lost was written since the start, not since the last round. */
    pair->src->device_props = ",x-pre-copy-dirty-page-tracking=off";
    vfio_side_fault(pair->src, "report", "event=log-report;state=stop-copy;"
                    "count=3;errno=EIO");
    vfio_pair_start(pair);
    dirty_migrate(pair);
    vfio_expect_fired(pair->src, "report");
    g_assert_cmpuint(count_said(pair->src, LOST), ==, 1);
    g_assert_cmpuint(count_lines(pair->src, "dev0 log-start"), ==, 1);
    vfio_pair_free(pair);
}

/* It is started again once; then the device is one without a log. */
static void test_breaks_always(void)
{
    VFIOPair *pair = new_pair("mlx5-6.1");

    vfio_side_fault(pair->src, "report", "event=log-report;once=no;"
                    "errno=ENOTCONN");
    vfio_pair_start(pair);
    dirty_migrate(pair);
    g_assert_cmpuint(count_said(pair->src, LOST), ==, 2);
    g_assert_cmpuint(count_lines(pair->src, "dev0 log-start"), ==, 2);
    vfio_pair_free(pair);
}

/* The stop fails: that is nothing to anybody, and the next start works. */
static void test_stop_fails(void)
{
    VFIOPair *pair = new_pair("mlx5-6.1");

    vfio_side_fault(pair->src, "stop", "event=log-stop;count=2;errno=EIO");
    vfio_pair_start(pair);
    dirty_fill(pair);
    dirty_hold(pair);
    migrate_cancel(pair->src->qts);
    vfio_wait_transcript(pair->src, "log-stop unread=0 ret=-5");
    migrate_set_parameter_int(pair->src->qts, "max-bandwidth", MIGRATE_FAST);
    vfio_pair_retry(pair);
    vfio_expect_fired(pair->src, "stop");
    g_assert_cmpuint(count_lines(pair->src, "dev0 log-start"), ==, 2);
    g_assert_cmpuint(count_said(pair->src, "log of its DMA"), ==, 0);
    vfio_pair_free(pair);
}

/* A reset ends the log, and nobody says so. */
static void test_reset(void)
{
    VFIOPair *pair = new_pair("pds");

    vfio_pair_start(pair);
    dirty_fill(pair);
    dirty_hold(pair);
    qtest_qmp_assert_success(pair->src->qts, "{'execute': 'system_reset'}");
    vfio_wait_transcript(pair->src, "log-lost by=reset");
    vfio_side_program(pair->src);
    dirty_go_on(pair);
    vfio_pair_finish(pair);
    g_assert_cmpuint(count_lines(pair->src, "dev0 log-start"), ==, 2);
    vfio_pair_check(pair);
    vfio_pair_free(pair);
}

/* The guest lets go of it: the migration fails, and the VM is well. */
static void test_unplugged(void)
{
    VFIOPair *pair = new_pair("mlx5-6.1");

    vfio_pair_start(pair);
    qtest_qmp_assert_success(pair->src->qts, "{'execute': 'device_del', "
                             "'arguments': {'id': 'dev0'}}");
    dirty_fill(pair);
    dirty_hold(pair);
    machine_eject(pair->src->qts, MACHINE_FIRST_SLOT);
    vfio_expect_failed(pair->src, "dev0;unplugged");
    vfio_side_kill(pair->dst);
    migrate_wait_run_state(pair->src->qts, "running");
    vfio_pair_free(pair);
}

/* ---- the list ---- */

static void add_scene(const char *profile, const DirtyScene *scene)
{
    g_autofree char *name = g_strdup_printf("vfio/device-log/%s/%s", profile,
                                            scene->name);
    Scene *data = g_new(Scene, 1);      /* for as long as the program */

    data->profile = profile;
    data->scene = scene;
    qtest_add_data_func(name, data, test_scene);
}

/* @all: not only those where RAM comes and goes */
static void add_scenes(const char *profile, bool all)
{
    for (unsigned i = 0; i < dirty_nr_scenes; i++) {
        if (!all && !strstr(dirty_scenes[i].name, "ram/") &&
            !strstr(dirty_scenes[i].name, "translation")) {
            continue;
        }
        add_scene(profile, &dirty_scenes[i]);
    }
}

static void add_breaks(void)
{
    static const unsigned calls[] = { 1, 2, 3, 5 };

    for (unsigned i = 0; i < G_N_ELEMENTS(calls); i++) {
        g_autofree char *name = g_strdup_printf("vfio/device-log/breaks/%u",
                                                calls[i]);

        qtest_add_data_func(name, GUINT_TO_POINTER(calls[i]), test_breaks);
    }
    qtest_add_func("vfio/device-log/breaks/stopped", test_breaks_at_last);
    qtest_add_func("vfio/device-log/breaks/always", test_breaks_always);
}

int main(int argc, char **argv)
{
    static const char *const profiles[] = { "mlx5-6.1", "mlx5-6.2", "pds" };

    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(profiles); i++) {
        g_autofree char *name = g_strconcat("vfio/device-log/", profiles[i],
                                            "/told", NULL);

        qtest_add_data_func(name, profiles[i], test_log);
    }
    add_scenes("mlx5-6.1", true);
    add_scenes("virtio", false);
    qtest_add_func("vfio/device-log/no-log", test_no_log);
    qtest_add_func("vfio/device-log/switched-off", test_switched_off);
    qtest_add_func("vfio/device-log/refused", test_refused);
    qtest_add_func("vfio/device-log/mdev", test_mdev);
    qtest_add_data_func("vfio/device-log/mix/real", GINT_TO_POINTER(false),
                        test_mix);
    qtest_add_data_func("vfio/device-log/mix/mdevs", GINT_TO_POINTER(true),
                        test_mix);
    qtest_add_func("vfio/device-log/two-logs", test_two_logs);
    qtest_add_func("vfio/device-log/opt-out", test_opt_out);
    qtest_add_func("vfio/device-log/appears", test_appears);
    qtest_add_func("vfio/device-log/stop-fails", test_stop_fails);
    qtest_add_func("vfio/device-log/reset", test_reset);
    qtest_add_func("vfio/device-log/unplugged", test_unplugged);
    add_breaks();
    return g_test_run();
}
