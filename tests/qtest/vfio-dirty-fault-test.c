/*
 * Dirty tracking of guest RAM when calls on the container fail
 *
 * Owns: tracking that does not start, bits that cannot be read, unmaps that
 * fail, and how the distribution's own code reacts. Mappings of a guest IOMMU
 * that the kernel refuses, at the destination and in a running guest.
 * Does not own: the scenes (dirty-scene.c); each call failing once (component
 * tests).
 * Locks: none.
 *
 * Source: docs/contract.md, Dirty pages; docs/dirty-tracking.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "dirty-scene.h"

#include <string.h>

/* ---- reported, or lost ---- */

/* A fault with which the distribution's code completes, but loses pages */
typedef struct ToldCase {
    const char *name;
    const char *rule;
    const char *words;          /* in error-desc */
    bool for_ever;              /* later migrations fail as well */
} ToldCase;

static const ToldCase told_cases[] = {
    { "start-fails", "event=dirty-start;errno=EINVAL",
      "container of dev0: cannot start dirty page tracking;Invalid argument",
      false },
    { "get-fails", "event=dirty-get;errno=EINVAL;once=no",
      "container of dev0: cannot read which of;IOVA;Invalid argument", true },
};

static VFIOPair *begin_told(const ToldCase *c, VFIOSideKind kind)
{
    VFIOPair *pair = dirty_new_pair(kind, SIDE_ATTACHED);

    vfio_side_fault(pair->src, "call", c->rule);
    vfio_pair_start(pair);
    vfio_pair_begin(pair);
    return pair;
}

static void test_told(const void *opaque)
{
    const ToldCase *c = opaque;
    VFIOPair *pair = begin_told(c, SIDE_ATTACHED);

    vfio_expect_failed(pair->src, c->words);
    vfio_expect_fired(pair->src, "call");
    dirty_wait_stopped(pair->src);
    if (c->for_ever) {
        vfio_expect_source_well(pair);
        vfio_side_kill(pair->dst);      /* it may be about to exit */
    } else {
        vfio_pair_retry(pair);
    }
    vfio_pair_free(pair);
}

static void test_told_builtin(const void *opaque)
{
    VFIOPair *pair = begin_told(opaque, SIDE_BUILTIN);

    vfio_pair_finish(pair);
    vfio_expect_fired(pair->src, "call");
    dirty_expect_lost(pair);
    vfio_pair_free(pair);
}

/* ---- unmapped memory is out of reach ---- */

/* The device writes to all pages; the second half has been mapped again. */
static void try_all_pages(VFIOSide *side, VTD *vtd)
{
    vtd_map(vtd, IOVA + TARGET_PAGES / 2 * PAGE, OTHER_TARGET,
            TARGET_PAGES / 2);
    for (unsigned i = 0; i < 2; i++) {
        dirty_write_a_while(side, OTHER_TARGET);
    }
}

/*
 * The unmap that returns the first page's bits fails: the device must not keep
 * access to RAM that the guest has taken back.
 */
static void test_unmap_refused(const void *opaque)
{
    VFIOSideKind kind = GPOINTER_TO_INT(opaque);
    VFIOPair *pair = dirty_new_pair(kind, SIDE_ATTACHED);
    const DirtyScene *scene = dirty_scene("viommu/unmap");
    bool open;
    VTD vtd;

    vfio_side_fault(pair->src, "call",
                    "event=unmap-dma;errno=E2BIG;phase=migration");
    dirty_scene_start(pair, scene, &vtd);
    dirty_hold(pair);
    scene->act(pair, &vtd);
    vfio_expect_fired(pair->src, "call");
    qtest_memset(pair->src->qts, TARGET, 0, PAGE);
    try_all_pages(pair->src, &vtd);
    open = dirty_is_written(pair->src, TARGET);
    dirty_go_on(pair);
    vfio_pair_finish(pair);
    if (kind == SIDE_ATTACHED) {
        g_assert_false(open);
        vfio_pair_check(pair);
    } else {
        g_assert_true(open);
    }
    vfio_pair_free(pair);
}

/* ---- failing unmaps, QEMU's own included ---- */

/*
 * QEMU aborts if its own unmap of a section has failed and the next mapping
 * finds the old one. Our unmap comes first, and either may fail. Other ways to
 * unmap and other calls are left to the component tests.
 */
static void test_section_stays(void)
{
    const DirtyScene *scene = dirty_scene("ram/section-goes-and-comes");

    for (unsigned n = 1; n <= 2; n++) {
        VFIOPair *pair = dirty_new_pair(SIDE_ATTACHED, SIDE_ATTACHED);
        g_autofree char *rule = g_strdup_printf(
            "event=unmap-dma;errno=EINVAL;phase=migration;count=%u", n);
        VTD vtd;

        vfio_side_fault(pair->src, "call", rule);
        dirty_scene_start(pair, scene, &vtd);
        dirty_hold(pair);
        scene->act(pair, &vtd);
        vfio_expect_fired(pair->src, "call");
        dirty_go_on(pair);
        vfio_pair_finish(pair);
        vfio_pair_check(pair);
        vfio_pair_free(pair);
    }
}

/* ---- refused mappings ---- */

typedef struct RefusedCase {
    const char *name;
    const char *scene;
    const char *max_mappings;   /* limit at the destination; or NULL and */
    const char *rule;           /* a rule at the destination */
    const char *words;          /* in its stderr */
} RefusedCase;

#define NO_MEMORY(first) NULL, "event=map-dma;errno=ENOMEM;once=no;count=" \
    first, "container of dev0: cannot map 0x;IOVA 0x1400;" \
    "VFIO_IOMMU_MAP_DMA;Cannot allocate memory;ulimit -l, RLIMIT_MEMLOCK"

/* RAM needs fewer than 16 mappings, the guest IOMMU 16 and more. */
static const RefusedCase refused_cases[] = {
    { "entries", "viommu/steady", "40", NULL,
      "container of dev0: cannot map 0x1000 bytes at IOVA 0x1400;"
      "VFIO_IOMMU_MAP_DMA;No space left on device;dma_entry_limit" },
    { "memory", "viommu/steady", NO_MEMORY("20") },
    { "virtio-bypass", "virtio-iommu/bypass/steady", NO_MEMORY("16") },
    { "virtio-no-bypass", "virtio-iommu/no-bypass/steady", NO_MEMORY("16") },
};

/*
 * The load fails, so the guest runs on at the source, which has the mappings.
 */
static void test_refused(const void *opaque)
{
    const RefusedCase *c = opaque;
    VFIOPair *pair = dirty_new_pair(SIDE_ATTACHED, SIDE_ATTACHED);
    g_autofree char *end = NULL;
    VTD vtd;

    qtest_set_case_seconds(120);
    if (c->rule) {
        vfio_side_fault(pair->dst, "map", c->rule);
    } else {
        vfio_side_container(pair->dst, "max-mappings", c->max_mappings);
    }
    dirty_scene_start(pair, dirty_scene(c->scene), &vtd);
    vfio_pair_begin(pair);
    vfio_expect_load_failed(pair->dst, c->words);
    end = migrate_wait_end(pair->src->qts, QTEST_WAIT_MS);
    g_assert_cmpstr(end, ==, "failed");
    vfio_side_container(pair->dst, "max-mappings", "65535");
    vfio_pair_retry(pair);
    vfio_pair_free(pair);
}

/* In a running guest each reason is reported once, not for each page. */
static void test_refused_running(void)
{
    VFIOPair *pair = dirty_new_pair(SIDE_ATTACHED, SIDE_ATTACHED);
    g_autofree char *text = NULL;
    const char *said;
    VTD vtd;

    vfio_side_fault(pair->src, "map",
                    "event=map-dma;errno=ENOSPC;once=no;count=20");
    dirty_scene_start(pair, dirty_scene("viommu/steady"), &vtd);
    g_assert_cmpuint(vfio_side_fired(pair->src, "map"), >, 10);
    text = qtest_stderr(pair->src->qts);
    vfio_expect_text(pair->src, "stderr", text, "container of dev0: cannot "
                     "map 0x1000 bytes;dma_entry_limit;accesses there will "
                     "fail");
    said = strstr(text, "cannot map");
    g_assert_null(strstr(said + 1, "cannot map"));
    vfio_expect_source_well(pair);
    vfio_pair_free(pair);
}

static void add_refused(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(refused_cases); i++) {
        g_autofree char *name = g_strconcat("vfio/dirty/map-refused/",
                                            refused_cases[i].name, NULL);

        qtest_add_data_case(name, &refused_cases[i], test_refused);
    }
    qtest_add_case("vfio/dirty/map-refused/running", test_refused_running);
}

static void add_told(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(told_cases); i++) {
        g_autofree char *attached = g_strdup_printf(
            "vfio/dirty/%s/attached", told_cases[i].name);
        g_autofree char *builtin = g_strdup_printf(
            "vfio/dirty/%s/builtin", told_cases[i].name);

        qtest_add_data_case(attached, &told_cases[i], test_told);
        if (dirty_has_builtin()) {
            qtest_add_data_case(builtin, &told_cases[i], test_told_builtin);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_told();
    qtest_add_data_case("vfio/dirty/unmap-refused/attached",
                        GINT_TO_POINTER(SIDE_ATTACHED), test_unmap_refused);
    if (dirty_has_builtin()) {
        qtest_add_data_case("vfio/dirty/unmap-refused/builtin",
                            GINT_TO_POINTER(SIDE_BUILTIN),
                            test_unmap_refused);
    }
    add_refused();
    qtest_add_case("vfio/dirty/unmap-refused/section", test_section_stays);
    return g_test_run();
}
