/*
 * Guest RAM that devices write to, and calls of their container that fail
 *
 * Owns: each DIRTY_PAGES and each UNMAP_DMA fails once: the migration says
 * so, or completes with all RAM; it never completes with other RAM. What the
 * distribution's own code makes of it. Mappings of a guest's IOMMU that the
 * kernel refuses, at the destination and in a guest that runs.
 * Does not own: the scenes (dirty-scene.c).
 * Locks: none.
 *
 * Source: docs/contract.md, Dirty pages; docs/dirty-tracking.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "dirty-scene.h"

#include <string.h>

/* ---- told, or lost ---- */

/* A fault for which the distribution's code completes with other RAM */
typedef struct ToldCase {
    const char *name;
    const char *rule;
    const char *words;          /* of error-desc */
    bool for_ever;              /* no migration succeeds after it */
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
        vfio_side_kill(pair->dst);      /* it may be about to end itself */
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

/* ---- what was unmapped is out of reach ---- */

/* The device tries all its pages; the second half has been mapped anew. */
static void try_all_pages(VFIOSide *side, VTD *vtd)
{
    vtd_map(vtd, IOVA + TARGET_PAGES / 2 * PAGE, OTHER_TARGET,
            TARGET_PAGES / 2);
    for (unsigned i = 0; i < 2; i++) {
        dirty_write_a_while(side, OTHER_TARGET);
    }
}

/*
 * The unmap with bits of the first page is refused: RAM that the guest took
 * back must not be open to the device.
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

/* ---- each call fails once ---- */

typedef struct Errno {
    const char *name;
    const char *text;
} Errno;

static const Errno errnos[] = {
    { "EINVAL", "Invalid argument" },
    { "E2BIG", "Argument list too long" },
    { "ENOMEM", "Cannot allocate memory" },
};

typedef struct FaultCase {
    const char *name;
    const char *event;
    const char *scene;
    unsigned max_calls;         /* then it is enough, unless -m slow */
    bool in_turn;               /* one errno a call, unless -m slow */
    const char *words;          /* of error-desc; NULL: must not fail */
} FaultCase;

static const FaultCase fault_cases[] = {
    { "start", "dirty-start", "ram/in-first-round", 1, false,
      "container of dev0;start dirty page tracking" },
    { "get", "dirty-get", "ram/in-first-round", 12, false,
      "container of dev0;dirty;IOVA" },
    { "get-viommu", "dirty-get",
      "viommu/unmap-and-remap", 12, false,
      "container of dev0;dirty;IOVA" },
    { "unmap-viommu", "unmap-dma",
      "viommu/unmap-and-remap", 6, true, NULL },
    { "unmap-domain", "unmap-dma",
      "viommu/unmap-domain", 3, true, NULL },
    { "unmap-section", "unmap-dma",
      "ram/section-goes-and-comes", 3, true, NULL },
    { "unmap-translation-off", "unmap-dma",
      "viommu/translation-off", 3, true, NULL },
    { "unmap-translation-on", "unmap-dma",
      "viommu/translation-on", 3,
      true, NULL },
};

/* The scene, whatever becomes of it; returns how the migration ended. */
static char *play(VFIOPair *pair, const FaultCase *f)
{
    const DirtyScene *scene = dirty_scene(f->scene);
    VTD vtd;

    dirty_scene_start(pair, scene, &vtd);
    migrate_set_parameter_int(pair->src->qts, "max-bandwidth", 4 * MIB);
    vfio_pair_begin(pair);
    if (strcmp(f->event, "dirty-start")) {
        dirty_wait_first_round(pair);
        scene->act(pair, &vtd);
    }
    migrate_set_parameter_int(pair->src->qts, "max-bandwidth", MIGRATE_FAST);
    return migrate_wait_end(pair->src->qts, 30000);
}

/* It fails with a clear text, and well the next time. */
static void expect_told(VFIOPair *pair, const FaultCase *f, const Errno *e)
{
    if (!f->words) {
        g_autofree char *why = migrate_error(pair->src->qts);

        vfio_side_fail(pair->src, "an unmap that fails does not lose pages, "
                       "but the migration fails: %s", why);
    }
    vfio_expect_failed(pair->src, f->words);
    vfio_expect_failed(pair->src, e->text);
    vfio_pair_retry(pair);
}

/*
 * Returns whether the @n-th call was there to fail. How many there are
 * depends on how often RAM is synchronised.
 */
static bool fail_call(const FaultCase *f, const Errno *e, unsigned n,
                      unsigned *completed)
{
    VFIOPair *pair = dirty_new_pair(SIDE_ATTACHED, SIDE_ATTACHED);
    const char *phase = strcmp(f->event, "dirty-start") ? ";phase=migration"
                                                        : "";
    g_autofree char *rule = g_strdup_printf("event=%s;errno=%s;count=%u%s",
                                            f->event, e->name, n, phase);
    g_autofree char *end = NULL;
    bool fired;

    vfio_side_fault(pair->src, "call", rule);
    end = play(pair, f);
    fired = vfio_side_fired(pair->src, "call");
    if (!g_strcmp0(end, "completed")) {
        wait_for_migration_complete(pair->dst->qts);
        vfio_pair_check(pair);
        *completed += fired;
    } else {
        expect_told(pair, f, e);
    }
    vfio_pair_free(pair);
    return fired;
}

static void test_faults(const void *opaque)
{
    const FaultCase *f = opaque;
    unsigned n, fired = 0, completed = 0;
    bool more = true;

    qtest_set_case_seconds(g_test_slow() ? 5400 : 900);
    for (n = 1; more && (n <= f->max_calls || g_test_slow()); n++) {
        more = false;
        for (unsigned i = 0; i < G_N_ELEMENTS(errnos); i++) {
            if (!f->in_turn || g_test_slow() ||
                n % G_N_ELEMENTS(errnos) == i) {
                bool was_there = fail_call(f, &errnos[i], n, &completed);

                fired += was_there;
                more |= was_there;
            }
        }
    }
    g_test_message("%s: %u calls failed; %u migrations completed, with all "
                   "RAM equal, the others told why not", f->name, fired,
                   completed);
    g_assert_cmpuint(fired, >, 0);
}

/* A kernel that does not stop tracking costs time, and nothing else. */
static void test_stop_fails(const void *opaque)
{
    const Errno *e = opaque;
    VFIOPair *pair = dirty_new_pair(SIDE_ATTACHED, SIDE_ATTACHED);
    g_autofree char *rule = g_strdup_printf("event=dirty-stop;errno=%s",
                                            e->name);
    g_autofree char *text = NULL;

    vfio_side_fault(pair->src, "stop", rule);
    vfio_pair_start(pair);
    dirty_fill(pair);
    dirty_hold(pair);
    migrate_cancel(pair->src->qts);
    migrate_wait_run_state(pair->src->qts, "running");
    while (vfio_side_fired(pair->src, "stop") == 0) {
        g_usleep(5000);         /* the case has its limit */
    }
    text = qtest_stderr(pair->src->qts);
    vfio_expect_text(pair->src, "stderr", text, "container of dev0: cannot "
                     "stop dirty page tracking");
    vfio_expect_text(pair->src, "stderr", text, e->text);
    migrate_set_parameter_int(pair->src->qts, "max-bandwidth", MIGRATE_FAST);
    vfio_pair_retry(pair);
    vfio_pair_free(pair);
}

/* ---- mappings that are refused ---- */

typedef struct RefusedCase {
    const char *name;
    const char *scene;
    const char *max_mappings;   /* of the destination's container, or */
    const char *rule;           /* at the destination */
    const char *words;          /* of its stderr */
} RefusedCase;

#define NO_MEMORY(first) NULL, "event=map-dma;errno=ENOMEM;once=no;count=" \
    first, "container of dev0: cannot map 0x;IOVA 0x1400;" \
    "VFIO_IOMMU_MAP_DMA;Cannot allocate memory;ulimit -l, RLIMIT_MEMLOCK"

/* RAM takes less than 16 mappings, what the guest's IOMMU maps 16 and more. */
static const RefusedCase refused_cases[] = {
    { "entries", "viommu/steady", "40", NULL,
      "container of dev0: cannot map 0x1000 bytes at IOVA 0x1400;"
      "VFIO_IOMMU_MAP_DMA;No space left on device;dma_entry_limit" },
    { "memory", "viommu/steady", NO_MEMORY("20") },
    { "virtio-bypass", "virtio-iommu/bypass/steady", NO_MEMORY("16") },
    { "virtio-no-bypass", "virtio-iommu/no-bypass/steady", NO_MEMORY("16") },
};

/* The load fails, so that the guest goes on at the source, where they stand. */
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
    end = migrate_wait_end(pair->src->qts, FAIL_MS);
    g_assert_cmpstr(end, ==, "failed");
    vfio_side_container(pair->dst, "max-mappings", "65535");
    vfio_pair_retry(pair);
    vfio_pair_free(pair);
}

/* A guest that runs is told of once for each reason, not for each page. */
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

        qtest_add_data_func(name, &refused_cases[i], test_refused);
    }
    qtest_add_func("vfio/dirty/map-refused/running", test_refused_running);
}

static void add_faults(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(fault_cases); i++) {
        g_autofree char *name = g_strconcat("vfio/dirty/fault/",
                                            fault_cases[i].name, NULL);

        qtest_add_data_func(name, &fault_cases[i], test_faults);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(errnos); i++) {
        g_autofree char *name = g_strconcat("vfio/dirty/fault/stop/",
                                            errnos[i].name, NULL);

        qtest_add_data_func(name, &errnos[i], test_stop_fails);
    }
}

static void add_told(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(told_cases); i++) {
        g_autofree char *attached = g_strdup_printf(
            "vfio/dirty/%s/attached", told_cases[i].name);
        g_autofree char *builtin = g_strdup_printf(
            "vfio/dirty/%s/builtin", told_cases[i].name);

        qtest_add_data_func(attached, &told_cases[i], test_told);
        if (dirty_has_builtin()) {
            qtest_add_data_func(builtin, &told_cases[i], test_told_builtin);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_told();
    qtest_add_data_func("vfio/dirty/unmap-refused/attached",
                        GINT_TO_POINTER(SIDE_ATTACHED), test_unmap_refused);
    if (dirty_has_builtin()) {
        qtest_add_data_func("vfio/dirty/unmap-refused/builtin",
                            GINT_TO_POINTER(SIDE_BUILTIN),
                            test_unmap_refused);
    }
    add_refused();
    add_faults();
    return g_test_run();
}
