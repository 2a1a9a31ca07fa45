/*
 * Migration of guest RAM that devices write to
 *
 * Owns: no page is lost, however RAM is mapped, unmapped and remapped for the
 * device, with and without a guest IOMMU; what is tracked, and when; rates.
 * Where the distribution's own code loses pages, the same case also runs with
 * it and must lose them; otherwise it would prove nothing.
 * Does not own: the scenes (dirty-scene.c), calls on the container that fail
 * (vfio-dirty-fault-test.c), the device's state (vfio-failure-test.c).
 * Locks: none.
 *
 * Source: docs/contract.md, Dirty pages; docs/dirty-tracking.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "dirty-scene.h"

#include <string.h>

#include "transcript-helpers.h"

/* ---- scenes ---- */

static void run_case(const DirtyScene *scene, VFIOSideKind kind)
{
    VFIOPair *pair = dirty_new_pair(kind, SIDE_ATTACHED);
    VTD vtd;

    qtest_set_case_seconds(120);
    dirty_scene_start(pair, scene, &vtd);
    dirty_scene_migrate(pair, scene, &vtd);
    vfio_pair_finish(pair);
    if (kind == SIDE_BUILTIN && scene->builtin_loses) {
        dirty_expect_lost(pair);
    } else {
        vfio_pair_check(pair);
    }
    vfio_pair_free(pair);
}

static void test_attached(const void *opaque)
{
    run_case(opaque, SIDE_ATTACHED);
}

static void test_builtin(const void *opaque)
{
    run_case(opaque, SIDE_BUILTIN);
}

/* ---- what tracking does, and when ---- */

static void expect_lines(VFIOSide *side, const char *text, const char *words,
                         bool wanted)
{
    if (!strstr(text, words) == wanted) {
        vfio_side_fail(side, "the transcript should %shold '%s': %s",
                       wanted ? "" : "not ", words, text);
    }
}

/* Lines of the source's transcript from the first @from to the next @to */
static char *lines_between(VFIOSide *side, const char *from, const char *to)
{
    g_autofree char *all = vfio_side_transcript(side);
    const char *begin = strstr(all, from);
    const char *end = begin ? strstr(begin, to) : NULL;

    if (!end) {
        vfio_side_fail(side, "the transcript has no '%s' before '%s'", from,
                       to);
    }
    return g_strndup(begin, end - begin);
}

static void expect_tracking(VFIOSide *side, const char *device,
                            const char *how)
{
    QDict *property = vfio_side_property(side, device);

    g_assert_cmpstr(qdict_get_str(property, "dirty-tracking"), ==, how);
    qobject_unref(property);
}

/*
 * Nothing is read during setup; the bits are kept for the next sync. Tracking
 * is started once.
 */
static void test_setup(void)
{
    VFIOPair *pair = dirty_new_pair(SIDE_ATTACHED, SIDE_ATTACHED);
    g_autofree char *setup = NULL;
    g_autofree char *rest = NULL;

    vfio_pair_start(pair);
    expect_tracking(pair->src, "dev0", "pre-copy");
    dirty_migrate(pair);
    setup = lines_between(pair->src, "dirty-start id=0", "to=pre-copy");
    expect_lines(pair->src, setup, "dirty-get", false);
    expect_lines(pair->src, setup + 1, "dirty-start", false);
    rest = lines_between(pair->src, "to=pre-copy", "save-end");
    expect_lines(pair->src, rest, "dirty-get", true);
    vfio_pair_free(pair);
}

/* x-pre-copy-dirty-page-tracking=off: bits are read from a stopped device. */
static void test_opt_out(const void *opaque)
{
    VFIOSideKind kind = GPOINTER_TO_INT(opaque);
    VFIOPair *pair = dirty_new_pair(kind, SIDE_ATTACHED);
    g_autofree char *running = NULL;
    g_autofree char *stopped = NULL;

    pair->src->device_props = ",x-pre-copy-dirty-page-tracking=off";
    vfio_pair_start(pair);
    if (kind == SIDE_ATTACHED) {
        expect_tracking(pair->src, "dev0", "final-pass");
    }
    dirty_migrate(pair);
    running = lines_between(pair->src, "dirty-start id=0", "to=stop-copy");
    expect_lines(pair->src, running, "dirty-get", false);
    stopped = lines_between(pair->src, "to=stop-copy", "save-end");
    expect_lines(pair->src, stopped, "dirty-get", true);
    vfio_pair_free(pair);
}

/*
 * The IOMMU cannot track: QEMU 7.2 refuses, we send all memory again. This is
 * reported once, but not for a paused VM, whose memory is not sent again.
 */
static void test_untracked(const void *opaque)
{
    static const char told[] = "container of dev0: the IOMMU cannot tell";
    bool paused = GPOINTER_TO_INT(opaque);
    VFIOPair *pair = dirty_new_pair(SIDE_ATTACHED, SIDE_ATTACHED);
    g_autofree char *text = NULL;
    const char *said;

    vfio_side_container(pair->src, "dirty-tracking", "no");
    pair->src->paused = paused;
    vfio_pair_start(pair);
    expect_tracking(pair->src, "dev0", "final-pass-all");
    expect_tracking(pair->dst, "dev0", "pre-copy");
    vfio_pair_migrate(pair);
    text = qtest_stderr(pair->src->qts);
    said = strstr(text, told);
    g_assert_cmpint(said != NULL, ==, !paused);
    g_assert_null(said ? strstr(said + 1, told) : NULL);
    vfio_pair_free(pair);
}

static void test_untracked_builtin(void)
{
    VFIOPair *pair = dirty_new_pair(SIDE_BUILTIN, SIDE_ATTACHED);
    g_autofree char *why = NULL;

    vfio_side_container(pair->src, "dirty-tracking", "no");
    vfio_pair_start(pair);
    why = migrate_refused(pair->src->qts, pair->dst->incoming);
    vfio_expect_text(pair->src, "the refusal", why, "support migration");
    vfio_pair_free(pair);
}

static VFIOPair *new_pair_of_two(void)
{
    VFIOPair *pair = dirty_new_pair(SIDE_ATTACHED, SIDE_ATTACHED);

    vfio_side_add_device(pair->src);
    vfio_side_add_device(pair->dst);
    pair->src->multi = pair->dst->multi = true;
    return pair;
}

static void opt_out_second(VFIOSide *side)
{
    g_string_append(side->args,
                    "-set device.dev1.x-pre-copy-dirty-page-tracking=off ");
}

/* One of two containers cannot track: the other one is tracked nevertheless. */
static void test_two_containers(void)
{
    VFIOPair *pair = new_pair_of_two();
    VFIOSide *src = pair->src;
    g_autofree char *running = NULL;

    vfio_side_set(src, "dev1", "dirty-tracking", "no");
    vfio_pair_start(pair);
    expect_tracking(src, "dev0", "pre-copy");
    expect_tracking(src, "dev1", "final-pass-all");
    dirty_migrate(pair);
    running = lines_between(src, "dirty-start id=0", "to=stop-copy");
    expect_lines(src, running, "dirty-get id=0", true);
    expect_lines(src, running, "id=1", false);
    vfio_pair_free(pair);
}

/* Two devices in one container, one of them with the opt-out */
static void test_opt_out_beside(void)
{
    VFIOPair *pair = new_pair_of_two();
    VFIOSide *src = pair->src;
    g_autofree char *running = NULL;

    opt_out_second(src);
    vfio_pair_start(pair);
    dirty_migrate(pair);
    running = lines_between(src, "dirty-start id=0", "to=stop-copy");
    expect_lines(src, running, "dirty-get", false);
    vfio_pair_free(pair);
}

/* The opt-out in one container: the other is still read in pre-copy. */
static void test_opt_out_container(void)
{
    VFIOPair *pair = new_pair_of_two();
    VFIOSide *src = pair->src;
    g_autofree char *running = NULL;
    g_autofree char *stopped = NULL;

    vfio_side_set(src, "dev1", "iommu", "1");
    opt_out_second(src);
    vfio_pair_start(pair);
    expect_tracking(src, "dev0", "pre-copy");
    expect_tracking(src, "dev1", "final-pass");
    dirty_migrate(pair);
    running = lines_between(src, "dirty-start id=0", "to=stop-copy");
    expect_lines(src, running, "dirty-get id=0", true);
    expect_lines(src, running, "dirty-get id=1", false);
    stopped = lines_between(src, "to=stop-copy", "save-end");
    expect_lines(src, stopped, "dirty-get id=1", true);
    vfio_pair_free(pair);
}

static void test_stop_after_cancel(void)
{
    VFIOPair *pair = dirty_new_pair(SIDE_ATTACHED, SIDE_ATTACHED);

    vfio_pair_start(pair);
    dirty_fill(pair);
    dirty_hold(pair);
    migrate_cancel(pair->src->qts);
    dirty_wait_stopped(pair->src);
    migrate_set_parameter_int(pair->src->qts, "max-bandwidth", MIGRATE_FAST);
    vfio_pair_retry(pair);
    vfio_pair_free(pair);
}

/* ---- an IOMMU that reports all pages as dirty ---- */

#define ALL_DIRTY "the IOMMU says of every page that it is dirty"

static int64_t throttle_percentage(VFIOSide *side)
{
    QDict *info = migrate_query_not_failed(side->qts);
    int64_t percentage = 0;

    if (qdict_haskey(info, "cpu-throttle-percentage")) {
        percentage = qdict_get_int(info, "cpu-throttle-percentage");
    }
    qobject_unref(info);
    return percentage;
}

/*
 * It converges without a pass per sync, and reports that once. One pass of RAM
 * takes more than a second, the period that auto-converge looks at.
 */
static void test_all_dirty_at_end(void)
{
    VFIOPair *pair = dirty_new_pair(SIDE_ATTACHED, SIDE_ATTACHED);
    g_autofree char *text = NULL;
    int64_t end_us;

    vfio_side_container(pair->src, "dirty-mode", "all");
    vfio_pair_start(pair);
    qtest_memset(pair->src->qts, MIB, 0x5a, (RAM_MIB - 1) * MIB);
    migrate_set_capability(pair->src->qts, "auto-converge", true);
    migrate_set_parameter_int(pair->src->qts, "max-bandwidth", 32 * MIB);
    migrate_set_parameter_int(pair->src->qts, "downtime-limit", 1);
    end_us = g_get_monotonic_time() + 40 * G_USEC_PER_SEC;
    vfio_pair_begin(pair);
    for (;;) {
        g_autofree char *status = migrate_status(pair->src->qts);

        if (!strcmp(status, "completed")) {
            break;
        }
        g_assert_cmpint(throttle_percentage(pair->src), ==, 0);
        if (g_get_monotonic_time() > end_us) {
            vfio_side_fail(pair->src, "it does not end");
        }
        g_usleep(20000);
    }
    vfio_pair_finish(pair);
    text = qtest_stderr(pair->src->qts);
    g_assert_cmpuint(transcript_count(text, ALL_DIRTY), ==, 1);
    vfio_expect_text(pair->src, "stderr", text, "container of dev0: the IOMMU;"
                     "bytes of memory;after the VM was stopped");
    vfio_pair_check(pair);
    vfio_pair_free(pair);
}

/* The device writes a lot per round, but not to all mapped memory */
static void test_all_dirty_not_told(void)
{
    VFIOPair *pair = dirty_new_pair(SIDE_ATTACHED, SIDE_ATTACHED);
    int64_t end_us = g_get_monotonic_time() + 50 * G_USEC_PER_SEC;
    g_autofree char *text = NULL;

    vfio_pair_set(pair, "dma-rate", "500M");
    dirty_set_dma(pair, 16 * MIB, 47 * MIB);
    vfio_pair_much_precopy(pair);
    vfio_pair_start(pair);
    migrate_set_parameter_int(pair->src->qts, "max-bandwidth", 100 * MIB);
    migrate_set_parameter_int(pair->src->qts, "downtime-limit", 1);
    vfio_pair_begin(pair);
    while (dirty_ram_info(pair->src, "dirty-sync-count") < 5) {
        if (g_get_monotonic_time() > end_us) {
            vfio_side_fail(pair->src, "RAM is not synchronised");
        }
        g_usleep(5000);
    }
    migrate_let_go(pair->src->qts);
    vfio_pair_finish(pair);
    text = qtest_stderr(pair->src->qts);
    g_assert_cmpuint(transcript_count(text, ALL_DIRTY), ==, 0);
    vfio_pair_check(pair);
    vfio_pair_free(pair);
}

/* ---- rates ---- */

typedef struct RateCase {
    const char *rate;
    const char *memory;
    const char *machine;
    unsigned ram_mib;
    uint64_t start, bytes;      /* of DMA */
    bool slow;                  /* with -m slow only; takes minutes */
} RateCase;

#define SMALL       "64M", "pc", RAM_MIB, 16 * MIB, 47 * MIB
#define HIGH        "64M-above-hole", "pc,max-ram-below-4g=16M", RAM_MIB, \
                    4 * GIB, 48 * MIB
#define LARGE       "5G", "pc", 5120, 4 * GIB, 64 * MIB, true

static const RateCase rate_cases[] = {
    { "1M", SMALL }, { "50M", SMALL }, { "500M", SMALL },
    { "1M", HIGH }, { "50M", HIGH }, { "500M", HIGH },
    { "1M", LARGE }, { "50M", LARGE }, { "500M", LARGE },
};

/*
 * A guest that increments words all over 64 KiB, starting at 64 KiB
 *
 * It changes CR4 each time to flush its TLB: TCG of QEMU 7.2 treats writes
 * through an entry from before a sync as clean, which has nothing to do with
 * devices.
 */
static void busy_guest(VFIOPair *pair)
{
    static const uint8_t loop[] = {
        0xfa,                       /* cli */
        0xb8, 0x00, 0x10,           /* mov ax, 0x1000 */
        0x8e, 0xd8,                 /* mov ds, ax */
        0x31, 0xdb,                 /* xor bx, bx */
        0x0f, 0x20, 0xe0,           /* mov eax, cr4 */
        0x34, 0x10,                 /* xor al, 0x10 */
        0x0f, 0x22, 0xe0,           /* mov cr4, eax */
        0xff, 0x07,                 /* inc word [bx] */
        0x81, 0xc3, 0x02, 0x04,     /* add bx, 0x402 */
        0xeb, 0xf0,                 /* jmp to the mov from cr4 */
    };
    static const uint8_t to_loop[] = { 0xe9, 0x0d, 0xe0 };
    g_autofree char *path = g_build_filename(qtest_tmpdir(), "busy", NULL);
    g_autofree char *image = g_malloc0(65536);

    memcpy(image + 0xe000, loop, sizeof(loop));
    memcpy(image + 0xfff0, to_loop, sizeof(to_loop));
    g_assert_true(g_file_set_contents(path, image, 65536, NULL));
    g_string_append_printf(pair->src->args, "-bios %s ", path);
    g_string_append_printf(pair->dst->args, "-bios %s ", path);
}

static void wait_long(VFIOPair *pair)
{
    g_autofree char *end = migrate_wait_end(pair->src->qts, 300 * 1000);

    if (g_strcmp0(end, "completed")) {
        vfio_side_fail(pair->src, "the migration ends as '%s'",
                       end ? end : "never");
    }
}

static void run_rate(const RateCase *c)
{
    VFIOPair *pair = dirty_new_pair(SIDE_ATTACHED, SIDE_ATTACHED);

    vfio_pair_set(pair, "dma-rate", "%s", c->rate);
    pair->src->machine = pair->dst->machine = c->machine;
    pair->src->ram_mib = pair->dst->ram_mib = c->ram_mib;
    dirty_set_dma(pair, c->start, c->bytes);
    busy_guest(pair);
    vfio_pair_start(pair);
    vfio_pair_begin(pair);
    wait_long(pair);
    vfio_pair_finish(pair);
    vfio_pair_check(pair);
    vfio_pair_free(pair);
}

static void test_rate(const void *opaque)
{
    const RateCase *c = opaque;
    unsigned rounds = g_test_slow() ? 20 : 2;

    qtest_set_case_seconds(c->slow ? 3600 : 600);
    for (unsigned i = 0; i < rounds; i++) {
        run_rate(c);
    }
}

static void add_rates(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(rate_cases); i++) {
        const RateCase *c = &rate_cases[i];
        g_autofree char *name = g_strdup_printf(
            "vfio/dirty/rate/%s/%s", c->memory, c->rate);

        if (!c->slow || g_test_slow()) {
            qtest_add_data_case(name, c, test_rate);
        }
    }
}

static void add_builtin(void)
{
    for (unsigned i = 0; i < dirty_nr_scenes; i++) {
        g_autofree char *name = g_strdup_printf("vfio/dirty/%s/builtin",
                                                dirty_scenes[i].name);

        qtest_add_data_case(name, &dirty_scenes[i], test_builtin);
    }
    qtest_add_data_case("vfio/dirty/opt-out/builtin",
                        GINT_TO_POINTER(SIDE_BUILTIN), test_opt_out);
    qtest_add_case("vfio/dirty/untracked/builtin", test_untracked_builtin);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < dirty_nr_scenes; i++) {
        g_autofree char *attached = g_strdup_printf(
            "vfio/dirty/%s/attached", dirty_scenes[i].name);

        qtest_add_data_case(attached, &dirty_scenes[i], test_attached);
    }
    qtest_add_case("vfio/dirty/setup", test_setup);
    qtest_add_data_case("vfio/dirty/opt-out/attached",
                        GINT_TO_POINTER(SIDE_ATTACHED), test_opt_out);
    qtest_add_case("vfio/dirty/opt-out/beside", test_opt_out_beside);
    qtest_add_case("vfio/dirty/opt-out/container", test_opt_out_container);
    qtest_add_data_case("vfio/dirty/untracked/running",
                        GINT_TO_POINTER(false), test_untracked);
    qtest_add_data_case("vfio/dirty/untracked/paused",
                        GINT_TO_POINTER(true), test_untracked);
    qtest_add_case("vfio/dirty/two-containers", test_two_containers);
    qtest_add_case("vfio/dirty/stop-after-cancel", test_stop_after_cancel);
    qtest_add_case("vfio/dirty/all-dirty/at-end", test_all_dirty_at_end);
    qtest_add_case("vfio/dirty/all-dirty/not-told", test_all_dirty_not_told);
    if (dirty_has_builtin()) {
        add_builtin();
    }
    add_rates();
    return g_test_run();
}
