/*
 * Devices of protocol v2 between two real QEMUs
 *
 * Owns: every profile of the simulated device in each way of migrating or
 * saving a VM; several devices, the order in which they stop and start, and
 * which ones may not migrate together. -m slow runs every profile in every way;
 * otherwise a representative selection is run.
 * Does not own: failures (vfio-failure-test.c), VM events
 * (vfio-vm-event-test.c), streams (vfio-v2-stream-test.c).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "vfio-test.h"

#include <string.h>

#include "snapshot-helpers.h"

#define ROUNDS (g_test_slow() ? 6 : 2)  /* there and back */

static const char *const profiles[] = {
    "mlx5-6.1", "mlx5-6.2", "qat", "pds", "virtio", "mtty", "hisi", "xe",
    "vgpu",
};

static VFIOPair *new_pair(const char *list)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    vfio_pair_profiles(pair, list);
    /* As users need for xe and vgpu, to send their state at 128 MiB/s */
    pair->src->downtime_ms = pair->dst->downtime_ms = 2000;
    return pair;
}

/* ---- checks besides vfio_pair_check() ---- */

/* Everything that the stopped devices had was read. */
static void expect_read_whole(VFIOSide *side)
{
    for (unsigned i = 0; i < side->devices->len; i++) {
        g_assert_cmpint(vfio_side_status_int(side, side->devices->pdata[i],
                                             "unfinished-saves"), ==, 0);
    }
}

/* When QEMU ends, its devices are closed: no data file may be open then. */
static void end_side(VFIOSide *side)
{
    expect_read_whole(side);
    vfio_side_quit(side);
    vfio_expect_clean(side);
}

static void end_pair(VFIOPair *pair)
{
    end_side(pair->src);
    end_side(pair->dst);
    vfio_pair_free(pair);
}

/* ---- one device ---- */

static void test_running(const void *profile)
{
    VFIOPair *pair = new_pair(profile);

    vfio_pair_start(pair);
    vfio_pair_migrate(pair);
    end_pair(pair);
}

static void test_paused(const void *profile)
{
    VFIOPair *pair = new_pair(profile);

    vfio_pair_start(pair);
    qtest_qmp_assert_success(pair->src->qts, "{'execute': 'stop'}");
    vfio_side_expect_state(pair->src, "dev0", "stop");
    vfio_pair_migrate(pair);
    end_pair(pair);
}

/* A VM that never ran migrates, and again before it runs. */
static void test_never_run(const void *profile)
{
    VFIOPair *pair = new_pair(profile);

    pair->src->paused = true;
    vfio_pair_start(pair);
    vfio_pair_begin(pair);
    vfio_pair_finish(pair);
    vfio_side_expect_state(pair->dst, "dev0", "stop");
    vfio_pair_turn(pair);
    pair->src->never_ran = true;
    vfio_pair_next_destination(pair);
    vfio_pair_migrate(pair);
    end_pair(pair);
}

static void test_there_and_back(const void *profile)
{
    VFIOPair *pair = new_pair(profile);

    qtest_set_case_seconds(240);
    vfio_pair_start(pair);
    vfio_pair_migrate(pair);
    for (unsigned i = 1; i < 2 * ROUNDS; i++) {
        end_side(pair->src);
        vfio_pair_turn(pair);
        vfio_pair_next_destination(pair);
        vfio_pair_migrate(pair);
    }
    end_pair(pair);
}

/*
 * loadvm in the running VM, which then migrates. For savevm the device stops
 * before it is saved (v1: in one step).
 */
static void test_loadvm(const void *profile)
{
    VFIOPair *pair = new_pair(profile);
    g_autofree char *device = NULL, *memory = NULL, *arcs = NULL;

    snapshot_add_disk(pair->src);
    vfio_side_start(pair->src);
    snapshot_save(pair->src, &device, &memory);
    arcs = vfio_side_arcs(pair->src, "dev0");
    vfio_expect_text(pair->src, "arcs", arcs, !strcmp(profile, "v1")
                     ? "running>stop-copy" : "stop>stop-copy");
    g_usleep(100 * 1000);           /* the device writes to memory */
    snapshot_do(pair->src, "loadvm");
    snapshot_expect_loaded(pair->src, device, memory);
    vfio_side_start(pair->dst);
    vfio_pair_migrate(pair);
    end_pair(pair);
}

static void test_loadvm_elsewhere(const void *profile)
{
    VFIOPair *pair = new_pair(profile);
    g_autofree char *device = NULL, *memory = NULL;

    snapshot_add_disk(pair->src);
    vfio_side_start(pair->src);
    snapshot_save(pair->src, &device, &memory);
    end_side(pair->src);

    g_clear_pointer(&pair->dst->incoming, g_free);
    snapshot_add_disk(pair->dst);
    snapshot_start_loaded(pair->dst, device, memory);
    end_side(pair->dst);
    vfio_pair_free(pair);
}

/* ---- several devices ---- */

/* Number of @words in @text before @end. */
static unsigned count(const char *text, const char *end, const char *words)
{
    unsigned n = 0;

    while ((text = strstr(text, words)) && text < end) {
        n++;
        text++;
    }
    return n;
}

/* All are quiescent before the first one stops. */
static void expect_stopped_in_order(VFIOSide *side)
{
    g_autofree char *arcs = vfio_side_arcs(side, NULL);
    const char *stops = strstr(arcs, ">stop");

    g_assert_nonnull(stops);
    g_assert_cmpuint(count(arcs, stops, ">running-p2p") +
                     count(arcs, stops, ">pre-copy-p2p"), ==,
                     side->devices->len);
}

/* All loaded devices are quiescent when the first one starts to run. */
static void expect_started_in_order(VFIOSide *side)
{
    g_autofree char *arcs = vfio_side_arcs(side, NULL);
    const char *loaded = g_strrstr(arcs, "resuming>stop");
    const char *runs;

    g_assert_nonnull(loaded);
    runs = strstr(loaded, "running-p2p>running");
    g_assert_nonnull(runs);
    g_assert_cmpuint(count(loaded, runs, "stop>running-p2p"), ==,
                     side->devices->len);
}

/* Without an opt-in */
static void test_together(const void *list)
{
    VFIOPair *pair = new_pair(list);

    vfio_pair_start(pair);
    vfio_pair_migrate(pair);
    expect_stopped_in_order(pair->src);
    expect_started_in_order(pair->dst);
    end_pair(pair);
}

static void test_together_paused(const void *list)
{
    VFIOPair *pair = new_pair(list);

    vfio_pair_start(pair);
    qtest_qmp_assert_success(pair->src->qts, "{'execute': 'stop'}");
    vfio_side_expect_state(pair->src, "dev0", "stop");
    vfio_pair_migrate(pair);
    expect_stopped_in_order(pair->src);
    expect_started_in_order(pair->dst);
    end_pair(pair);
}

/* A snapshot stops and starts them, too. */
static void test_together_savevm(const void *list)
{
    VFIOPair *pair = new_pair(list);
    g_autofree char *device = NULL, *memory = NULL;

    snapshot_add_disk(pair->src);
    vfio_side_start(pair->src);
    snapshot_save(pair->src, &device, &memory);
    expect_stopped_in_order(pair->src);
    snapshot_do(pair->src, "loadvm");
    snapshot_expect_loaded(pair->src, device, memory);
    expect_started_in_order(pair->src);
    end_side(pair->src);
    vfio_pair_free(pair);
}

typedef struct Apart {
    const char *name;
    const char *profiles;       /* of two devices */
    const char *words;          /* the reason for the refusal */
} Apart;

static const Apart aparts[] = {
    { "without-p2p-last", "mlx5-6.2;vgpu",
      "dev1 has no state that stops peer-to-peer DMA;protocol v2" },
    { "without-p2p-first", "hisi;qat",
      "dev0 has no state that stops peer-to-peer DMA;protocol v2" },
    { "v1-beside-v2", "v1;pds",
      "dev0 has no state that stops peer-to-peer DMA;protocol v1" },
};

/* Refused until one of them has been unplugged. */
static void test_refused(const void *opaque)
{
    const Apart *a = opaque;
    VFIOPair *pair = new_pair(a->profiles);
    g_autofree char *why = NULL, *after = NULL;

    vfio_side_start(pair->src);
    why = migrate_refused(pair->src->qts, pair->dst->incoming);
    vfio_expect_text(pair->src, "migrate", why, a->words);
    vfio_expect_text(pair->src, "migrate", why, "dev0;dev1");
    vfio_expect_text(pair->src, "migrate", why,
                     g_getenv("VFIO_BUILT_QEMU")
                     ? "x-multi-device-migration=on"
                     : "VFIO_MIGRATION_MULTI=allow");
    vfio_side_unplug(pair->src, 1);
    after = migrate_blocked_reasons(pair->src->qts);
    g_assert_cmpstr(after, ==, "");
    g_ptr_array_set_size(pair->src->devices, 1);
    g_ptr_array_set_size(pair->dst->devices, 1);
    vfio_side_start(pair->dst);
    vfio_pair_migrate(pair);
    end_pair(pair);
}

/* The user asserts that they do not write to each other. */
static void test_allowed(const void *opaque)
{
    const Apart *a = opaque;
    VFIOPair *pair = new_pair(a->profiles);

    pair->src->multi = pair->dst->multi = true;
    vfio_pair_start(pair);
    vfio_pair_migrate(pair);
    end_pair(pair);
}

/* ---- all of them ---- */

typedef struct Group {
    const char *name;
    void (*test)(const void *profile);
    const char *quick;          /* run without -m slow, too */
} Group;

static const Group groups[] = {
    { "running", test_running, "mlx5-6.1 mlx5-6.2 virtio vgpu" },
    { "paused", test_paused, "hisi" },
    { "never-run", test_never_run, "virtio" },
    { "there-and-back", test_there_and_back, "mlx5-6.1 virtio" },
    { "loadvm", test_loadvm, "mlx5-6.2" },
    { "loadvm-elsewhere", test_loadvm_elsewhere, "qat" },
};

static void add_group(const Group *group)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(profiles); i++) {
        g_autofree char *name = g_strdup_printf("vfio/v2/%s/%s", group->name,
                                                profiles[i]);

        if (g_test_slow() || strstr(group->quick, profiles[i])) {
            qtest_add_data_case(name, profiles[i], group->test);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(groups); i++) {
        add_group(&groups[i]);
    }
    qtest_add_data_case("vfio/v2/loadvm/v1", "v1", test_loadvm);
    qtest_add_data_case("vfio/v2/together/two", "mlx5-6.2;mlx5-6.2",
                        test_together);
    qtest_add_data_case("vfio/v2/together/two-of-6.1", "mlx5-6.1;pds",
                        test_together);
    qtest_add_data_case("vfio/v2/together/four", "mlx5-6.1;qat;virtio;pds",
                        test_together);
    qtest_add_data_case("vfio/v2/together/paused", "virtio;pds",
                        test_together_paused);
    qtest_add_data_case("vfio/v2/together/savevm", "mtty;mlx5-6.1",
                        test_together_savevm);
    for (unsigned i = 0; i < G_N_ELEMENTS(aparts); i++) {
        const Apart *a = &aparts[i];
        g_autofree char *no = g_strconcat("vfio/v2/refused/", a->name, NULL);
        g_autofree char *yes = g_strconcat("vfio/v2/allowed/", a->name, NULL);

        qtest_add_data_case(no, a, test_refused);
        qtest_add_data_case(yes, a, test_allowed);
    }
    return g_test_run();
}
