/*
 * Interoperability: our code and the distribution's as source and destination
 *
 * Owns: either code on either side, with all layouts of the data window. The VM
 * runs and the device writes to memory during migration.
 * Does not own: failures (vfio-failure-test.c).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "vfio-test.h"

#include <string.h>

typedef struct Layout {
    const char *name;
    const char *areas;          /* of a window at offset 4 KiB */
    const char *window;
    const char *chunk;
    const char *state;
    const char *dst_areas;      /* NULL: as the source's */
    const char *dst_window;
} Layout;

static const Layout layouts[] = {
    { "all-mapped", "all", "64K", "48K", "1M" },
    { "all-trapped", "none", "64K", "48K", "256K" },
    { "alternating-64k", "stripes:64K", "256K", "256K", "1M" },
    { "all-but-last-page", "all-but-last-page", "64K", "64K", "1M" },
    { "mapped-then-trapped", "4K+32K", "64K", "48K", "512K" },
    { "trapped-then-mapped", "36K+32K", "64K", "48K", "512K" },
    { "unsorted-and-gaps", "40K+4K;8K+4K;20K+8K", "64K", "61000", "512K" },
    { "quarter-window", "all", "64K", "64K", "512K", "all", "16K" },
    { "quarter-window-trapped", "all", "64K", "64K", "256K", "none", "16K" },
    { "mapped-to-trapped", "all", "64K", "48K", "256K", "none", "64K" },
    { "trapped-to-mapped", "none", "64K", "48K", "256K", "all", "64K" },
};

typedef struct Case {
    const Layout *layout;
    VFIOSideKind src, dst;
} Case;

static void configure(VFIOPair *pair, const Layout *l)
{
    vfio_pair_set(pair, "areas", "%s", l->areas);
    vfio_pair_set(pair, "window-size", "%s", l->window);
    vfio_pair_set(pair, "chunk-size", "%s", l->chunk);
    vfio_pair_set(pair, "state-size", "%s", l->state);
    if (l->dst_window) {
        vfio_side_set(pair->dst, "dev0", "areas", "%s", l->dst_areas);
        vfio_side_set(pair->dst, "dev0", "window-size", "%s", l->dst_window);
        vfio_side_unset(pair->dst, "dev0", "chunk-size");
        vfio_side_set(pair->dst, "dev0", "split", "allow");
    }
}

static int64_t dma_bytes(VFIOSide *side)
{
    QDict *status = vfio_side_status(side, "dev0");
    int64_t bytes = qdict_get_int(qdict_get_qdict(status, "dma"), "bytes");

    qobject_unref(status);
    return bytes;
}

/* On a busy machine, a migration may be over before the first burst. */
static void wait_for_dma(VFIOSide *side)
{
    int64_t end_us = g_get_monotonic_time() + QTEST_WAIT_US;

    while (dma_bytes(side) == 0) {
        if (g_get_monotonic_time() > end_us) {
            vfio_side_fail(side, "the device does not write to memory");
        }
        g_usleep(2000);
    }
}

static void test_interop(const void *opaque)
{
    const Case *c = opaque;
    VFIOPair *pair = vfio_pair_new(c->src, c->dst);
    g_autofree char *arcs = NULL;

    configure(pair, c->layout);
    g_key_file_set_value(pair->src->config, "sim", "status-interval-ms", "5");
    vfio_pair_start(pair);
    wait_for_dma(pair->src);
    vfio_pair_migrate(pair);

    /* The device ran while it was read. */
    arcs = vfio_side_arcs(pair->src, "dev0");
    vfio_expect_text(pair->src, "arcs", arcs,
                     "running>pre-copy;pre-copy>stop-copy");
    vfio_pair_free(pair);
}

/* The destination continues by itself, without -S. */
static void test_autostart(const void *opaque)
{
    const Case *c = opaque;
    VFIOPair *pair = vfio_pair_new(c->src, c->dst);

    pair->dst->paused = false;
    vfio_pair_start(pair);
    vfio_pair_begin(pair);
    vfio_pair_finish(pair);
    migrate_wait_run_state(pair->dst->qts, "running");
    vfio_pair_check_running(pair);
    vfio_pair_free(pair);
}

static void test_q35(const void *opaque)
{
    const Case *c = opaque;
    VFIOPair *pair = vfio_pair_new(c->src, c->dst);

    pair->src->machine = pair->dst->machine = "q35";
    vfio_pair_start(pair);
    vfio_pair_migrate(pair);
    vfio_pair_free(pair);
}

static void add_four(const char *what, const Layout *l,
                     void (*fn)(const void *))
{
    static const VFIOSideKind kinds[] = { SIDE_ATTACHED, SIDE_BUILTIN };

    for (unsigned i = 0; i < 4; i++) {
        Case c = { l, kinds[i / 2], kinds[i % 2] };
        g_autofree char *name = g_strdup_printf(
            "vfio/interop/%s/%s-to-%s", what, vfio_kind_name(c.src),
            vfio_kind_name(c.dst));

        qtest_add_data_case_full(name, g_memdup2(&c, sizeof(c)), fn, g_free);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(layouts); i++) {
        add_four(layouts[i].name, &layouts[i], test_interop);
    }
    add_four("autostart", NULL, test_autostart);
    add_four("q35", NULL, test_q35);
    return g_test_run();
}
