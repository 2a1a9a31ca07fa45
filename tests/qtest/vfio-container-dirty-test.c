/*
 * Containers that come and go, and the tracking of what is written there
 *
 * Owns: each container is tracked while it is there, and none longer, when
 * the guest ejects several functions of one device at once, and QEMU lets go
 * of them in an order of its own; RAM of a migration after that. Nothing is
 * taken over in a VM that cannot migrate.
 * Does not own: RAM of a container that stays (vfio-dirty-test.c).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "dirty-scene.h"

#include <string.h>
#include <unistd.h>

#define ROUNDS  12

/* ---- one device of two functions ---- */

/* What QEMU looks at for dev1, in group 2. Caller frees the path. */
static char *make_sysfs(VFIOSide *side)
{
    char *dir = g_build_filename(side->dir, "dev1", NULL);
    g_autofree char *group = g_build_filename(dir, "iommu_group", NULL);
    g_autofree char *subsystem = g_build_filename(dir, "subsystem", NULL);

    g_assert_cmpint(g_mkdir_with_parents(dir, 0700), ==, 0);
    g_assert_cmpint(symlink("/sys/kernel/iommu_groups/2", group), ==, 0);
    g_assert_cmpint(symlink("/sys/bus/pci", subsystem), ==, 0);
    return dir;
}

/* dev1 is function 1 of the slot of dev0, in a group of its own. */
static char *add_function(VFIOSide *side)
{
    char *dir = make_sysfs(side);

    vfio_side_add_device(side);
    g_ptr_array_set_size(side->devices, 1);
    side->device_props = ",multifunction=on";
    side->multi = true;
    g_string_append_printf(side->args, "-device vfio-pci,sysfsdev=%s,id=dev1,"
                           "addr=%x.1 ", dir, MACHINE_FIRST_SLOT);
    return dir;
}

static void eject_both(VFIOSide *side)
{
    machine_eject(side->qts, MACHINE_FIRST_SLOT);
    qtest_qmp_eventwait(side->qts, "DEVICE_DELETED");
    qtest_qmp_eventwait(side->qts, "DEVICE_DELETED");
}

/* What is deleted may still be on its way out; its host device is busy. */
static void wait_closed(VFIOSide *side, unsigned times)
{
    int64_t end_us = g_get_monotonic_time() + 5 * G_USEC_PER_SEC;

    while (true) {
        g_autofree char *transcript = vfio_side_transcript(side);
        const char *at = transcript;
        unsigned count = 0;

        while ((at = strstr(at, " close"))) {
            at++;
            count++;
        }
        if (count >= times) {
            return;
        }
        if (g_get_monotonic_time() > end_us) {
            vfio_side_fail(side, "its devices are not let go of");
        }
        g_usleep(2000);
    }
}

static void plug_both(VFIOSide *side, const char *dir)
{
    g_autofree char *dev0 = g_build_filename(side->dir, "dev0", NULL);

    qtest_qmp_assert_success(
        side->qts, "{'execute': 'device_add', 'arguments': {'driver': "
        "'vfio-pci', 'id': 'dev1', 'sysfsdev': %s, 'addr': '4.1'}}", dir);
    qtest_qmp_assert_success(
        side->qts, "{'execute': 'device_add', 'arguments': {'driver': "
        "'vfio-pci', 'id': 'dev0', 'sysfsdev': %s, 'addr': '4.0', "
        "'multifunction': true}}", dev0);
    vfio_side_program(side);
}

/* Both go and come, @rounds times; dev0 comes alone in the last. */
static void eject_and_plug(VFIOSide *side, const char *dir, unsigned rounds)
{
    for (unsigned i = 1; i <= rounds; i++) {
        eject_both(side);
        wait_closed(side, 2 * i);
        if (i < rounds) {
            plug_both(side, dir);
        }
    }
    side->device_props = "";
    vfio_side_plug(side, 0);
    vfio_side_program(side);
}

/* ---- as many trackers as containers ---- */

static unsigned lines_of(const char *text, const char *event)
{
    unsigned count = 0;

    while ((text = strstr(text, event))) {
        text++;
        count++;
    }
    return count;
}

static void test_rounds(void)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);
    VFIOSide *src = pair->src;
    g_autofree char *dir = add_function(src);
    g_autofree char *path = g_build_filename(src->dir, "trace", NULL);
    g_autofree char *trace = NULL;
    unsigned gone, tracked;

    qtest_set_case_seconds(120);
    g_string_append_printf(src->args, "-trace 'vfio_dirty_*' -trace "
                           "vfio_disconnect_container -D %s ", path);
    vfio_side_start(src);
    eject_and_plug(src, dir, ROUNDS);
    g_assert_true(g_file_get_contents(path, &trace, NULL, NULL));
    gone = lines_of(trace, "vfio_disconnect_container");
    tracked = lines_of(trace, "vfio_dirty_query");
    g_assert_cmpuint(gone, ==, ROUNDS);
    g_assert_cmpuint(tracked, ==, gone + 1);
    g_assert_cmpuint(lines_of(trace, "vfio_dirty_container_gone"), ==, gone);
    vfio_pair_free(pair);
}

/* ---- none where no device can migrate ---- */

static void expect_tracking(VFIOSide *side, const char *device,
                            const char *how)
{
    QDict *property = vfio_side_property(side, device);

    g_assert_cmpstr(qdict_get_str(property, "dirty-tracking"), ==, how);
    qobject_unref(property);
}

/* Till one comes: then also what the other writes counts. */
static void test_not_needed(void)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);
    VFIOSide *src = pair->src;
    g_autofree char *dir = NULL;

    vfio_side_add_device(src);
    vfio_side_set(src, "dev1", "iommu", "1");
    vfio_side_set(src, "dev0", "migration", "no");
    dir = make_sysfs(src);
    g_ptr_array_set_size(src->devices, 1);
    vfio_side_start(src);
    expect_tracking(src, "dev0", "none");
    g_ptr_array_add(src->devices, g_strdup("dev1"));
    vfio_side_plug(src, 1);
    expect_tracking(src, "dev0", "pre-copy");
    expect_tracking(src, "dev1", "pre-copy");
    vfio_side_unplug(src, 1);
    expect_tracking(src, "dev0", "pre-copy");
    vfio_pair_free(pair);
}

/* ---- and no page is lost ---- */

static void run_migrate(VFIOSideKind kind, const char *tracking)
{
    VFIOPair *pair = vfio_pair_new(kind, SIDE_ATTACHED);
    g_autofree char *dir = add_function(pair->src);

    qtest_set_case_seconds(120);
    vfio_side_container(pair->src, "dirty-tracking", tracking);
    pair->src->ram_mib = pair->dst->ram_mib = RAM_MIB;
    dirty_set_dma(pair, TARGET, TARGET_PAGES * PAGE);
    vfio_side_start(pair->src);
    eject_and_plug(pair->src, dir, ROUNDS);
    vfio_side_start(pair->dst);
    dirty_migrate(pair);
    vfio_pair_free(pair);
}

static void test_migrate(const void *opaque)
{
    run_migrate(GPOINTER_TO_INT(opaque), "yes");
}

/* What only we can do: a container that is not ours shows at once. */
static void test_migrate_untracked(void)
{
    run_migrate(SIDE_ATTACHED, "no");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("vfio/dirty/containers/rounds", test_rounds);
    qtest_add_func("vfio/dirty/containers/not-needed", test_not_needed);
    qtest_add_data_func("vfio/dirty/containers/migrate/attached",
                        GINT_TO_POINTER(SIDE_ATTACHED), test_migrate);
    qtest_add_func("vfio/dirty/containers/migrate/untracked",
                   test_migrate_untracked);
    if (dirty_has_builtin()) {
        qtest_add_data_func("vfio/dirty/containers/migrate/builtin",
                            GINT_TO_POINTER(SIDE_BUILTIN), test_migrate);
    }
    return g_test_run();
}
