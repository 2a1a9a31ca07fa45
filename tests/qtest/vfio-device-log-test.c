/*
 * Devices that log their own writes to guest RAM
 *
 * Owns: devices of protocol v2 with and without a log of their DMA: no page is
 * lost whatever happens to RAM, and the migration ends.
 * Does not own: what happens to RAM (dirty-scene.h), devices of v1
 * (vfio-dirty-test.c), several devices, and logs that fail or end (component
 * tests).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "dirty-scene.h"

#include <inttypes.h>
#include <string.h>

#include "transcript-helpers.h"

/* ---- pairs ---- */

static void be_like(VFIOPair *pair, const char *device, const char *profile)
{
    VFIOSide *sides[] = { pair->src, pair->dst };

    for (unsigned i = 0; i < G_N_ELEMENTS(sides); i++) {
        vfio_side_profile(sides[i], device, profile);
        /* Small, because the size does not matter in these cases */
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

/* ---- what is reported ---- */

static void expect_tracking(VFIOSide *side, const char *device,
                            const char *how)
{
    QDict *property = vfio_side_property(side, device);
    bool untold = strcmp(how, "final-pass-all") == 0;
    int64_t bytes = qdict_get_int(property, "untracked-bytes");

    g_assert_cmpstr(qdict_get_str(property, "dirty-tracking"), ==, how);
    if (untold) {
        /* All RAM except what ROM hides, plus that of a display */
        g_assert_cmpint(bytes, >, (RAM_MIB - 1) * MIB);
        g_assert_cmpint(bytes, <, 2 * RAM_MIB * MIB);
    } else {
        g_assert_cmpint(bytes, ==, 0);
    }
    qobject_unref(property);
}

static unsigned count_said(VFIOSide *side, const char *words)
{
    g_autofree char *text = qtest_stderr(side->qts);

    return transcript_count(text, words);
}

static unsigned count_lines(VFIOSide *side, const char *words)
{
    g_autofree char *text = vfio_side_transcript(side);

    return transcript_count(text, words);
}

/* Count the lines of the transcript up to the device's stop */
static unsigned count_while_running(VFIOSide *side, const char *words)
{
    g_autofree char *text = vfio_side_transcript(side);
    char *stopped = strstr(text, "to=stop ");

    g_assert_nonnull(stopped);
    *stopped = '\0';
    return transcript_count(text, words);
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

/* Only the device's log is used; the container tracks nothing. */
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

/* ---- no dirty tracking ---- */

#define UNTOLD  "container of dev0: the IOMMU cannot tell"

/*
 * Without dirty tracking the migration ends, with all memory sent again at its
 * end, after reporting how much that is.
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

/* ---- list of cases ---- */

static void add_scene(const char *profile, const DirtyScene *scene)
{
    g_autofree char *name = g_strdup_printf("vfio/device-log/%s/%s", profile,
                                            scene->name);
    Scene *data = g_new(Scene, 1);      /* until the program ends */

    data->profile = profile;
    data->scene = scene;
    qtest_add_data_case(name, data, test_scene);
}

/* @all: also scenes other than RAM that appears and disappears */
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

int main(int argc, char **argv)
{
    static const char *const profiles[] = { "mlx5-6.1", "pds" };

    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(profiles); i++) {
        g_autofree char *name = g_strconcat("vfio/device-log/", profiles[i],
                                            "/told", NULL);

        qtest_add_data_case(name, profiles[i], test_log);
    }
    add_scenes("mlx5-6.1", true);
    add_scenes("virtio", false);
    qtest_add_case("vfio/device-log/no-log", test_no_log);
    qtest_add_case("vfio/device-log/switched-off", test_switched_off);
    return g_test_run();
}
