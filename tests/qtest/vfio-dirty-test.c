/*
 * Guest RAM that devices write to, while it is migrated
 *
 * Owns: no page is lost, however RAM is mapped, unmapped and mapped again for
 * the device, with and without a guest's IOMMU; calls of the container that
 * fail. Where the distribution's own code loses pages the same case runs
 * with it, and has to lose them: else it would show nothing.
 * Does not own: the device's state (vfio-failure-test.c).
 * Locks: none.
 *
 * Source: issue 3; requirements 4.2, 4.3; docs/dirty-tracking.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "vfio-test.h"
#include "vtd.h"

#include <string.h>

#define MIB             UINT64_C(0x100000)
#define GIB             UINT64_C(0x40000000)
#define PAGE            4096

/* Where things lie in guest RAM */
#define RAM_MIB         64
#define TABLES          (16 * MIB)
#define TARGET          (32 * MIB)  /* the device writes here */
#define OTHER_TARGET    (34 * MIB)
#define TARGET_PAGES    64
#define FILL            (40 * MIB)  /* what holds the first round up */
#define FILL_BYTES      (24 * MIB)

/* The upper half of RAM may begin at 4 GiB: no offset is an address (B-43) */
#define HIGH_BASE       (4 * GIB - TARGET)

/* Behind a guest's IOMMU */
#define IOVA            (5 * GIB)

/* PAM register of 0xd0000 to 0xd7fff on the "pc" machine's host bridge */
#define PAM_AREA        0xd0000
#define PAM_REG         0x5c
#define PAM_READ_WRITE  0x33

typedef struct Case Case;
struct Case {
    const char *name;
    void (*prepare)(VFIOPair *pair, VTD *vtd);      /* before the start */
    void (*begin)(VFIOPair *pair, VTD *vtd);        /* before the migration */
    void (*act)(VFIOPair *pair, VTD *vtd);          /* in its first round */
    bool builtin_loses;
    bool high;                  /* RAM from TARGET on is above 4 GiB */
};

static VFIOPair *new_pair(VFIOSideKind src, VFIOSideKind dst)
{
    VFIOPair *pair = vfio_pair_new(src, dst);

    pair->src->ram_mib = pair->dst->ram_mib = RAM_MIB;
    return pair;
}

/* ---- the device ---- */

static void set_dma(VFIOPair *pair, uint64_t start, uint64_t bytes)
{
    vfio_pair_set(pair, "dma-start", "0x%" G_GINT64_MODIFIER "x", start);
    vfio_pair_set(pair, "dma-size", "0x%" G_GINT64_MODIFIER "x", bytes);
}

/* Its bus master: without it, it does not write */
static void device_write(VFIOSide *side, bool on)
{
    vfio_pci_write(side, 0, 0x04, on ? 6 : 2);
}

/* A word of the device, as the simulation makes them */
static bool is_written(VFIOSide *side, uint64_t ram_offset)
{
    uint64_t word;

    memcpy(&word, side->ram + ram_offset, sizeof(word));
    return GUINT64_FROM_LE(word) >> 52 == 0xd3a;
}

static uint64_t last_word(VFIOSide *side, uint64_t ram_offset)
{
    uint64_t word, last = 0;

    for (unsigned i = 0; i < TARGET_PAGES; i++) {
        memcpy(&word, side->ram + ram_offset + i * PAGE, sizeof(word));
        word = GUINT64_FROM_LE(word);
        last = MAX(last, word >> 52 == 0xd3a ? word : 0);
    }
    return last;
}

/* Let the device write to pages at @ram_offset for a while. */
static void write_a_while(VFIOSide *side, uint64_t ram_offset)
{
    uint64_t before = last_word(side, ram_offset);
    int64_t end_us = g_get_monotonic_time() + 5 * G_USEC_PER_SEC;

    device_write(side, true);
    /* Words are counted: a page more has 512 of them */
    while (last_word(side, ram_offset) < before + TARGET_PAGES * 512) {
        if (g_get_monotonic_time() > end_us) {
            vfio_side_fail(side, "the device does not write to its RAM");
        }
        g_usleep(1000);
    }
    device_write(side, false);
    g_usleep(2000);     /* a burst that was on its way */
}

/* ---- a migration that is held in its first round ---- */

static int64_t ram_info(VFIOSide *side, const char *key)
{
    QDict *info = migrate_query(side->qts);
    QDict *ram = qdict_get_qdict(info, "ram");
    int64_t value = ram ? qdict_get_int(ram, key) : 0;

    qobject_unref(info);
    return value;
}

/*
 * RAM goes from its start to its end, and what does not compress takes its
 * time: all below FILL has been sent then, and is not looked at again before
 * the next sync, which comes after all of FILL.
 */
static void wait_first_round(VFIOPair *pair)
{
    int64_t end_us = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;

    while (ram_info(pair->src, "normal-bytes") < 3 * MIB) {
        if (g_get_monotonic_time() > end_us) {
            vfio_side_fail(pair->src, "the first round does not get on");
        }
        g_usleep(5000);
    }
}

static void hold(VFIOPair *pair)
{
    migrate_set_parameter_int(pair->src->qts, "max-bandwidth", 4 * MIB);
    vfio_pair_begin(pair);
    wait_first_round(pair);
}

static void go_on(VFIOPair *pair)
{
    if (ram_info(pair->src, "dirty-sync-count") > 1) {
        vfio_side_fail(pair->src, "RAM was synchronised too early: the test "
                       "shows nothing");
    }
    migrate_set_parameter_int(pair->src->qts, "max-bandwidth", MIGRATE_FAST);
}

/* ---- a case ---- */

static void start(VFIOPair *pair, const Case *c, VTD *vtd)
{
    vfio_pair_set(pair, "dma-rate", "64M");
    vfio_pair_set(pair, "dma-pattern", "sequential");
    set_dma(pair, TARGET, TARGET_PAGES * PAGE);
    if (c->prepare) {
        c->prepare(pair, vtd);
    }
    vfio_pair_start(pair);
    device_write(pair->src, false);
    if (c->begin) {
        c->begin(pair, vtd);
    }
    if (c->act) {
        qtest_memset(pair->src->qts, (c->high ? HIGH_BASE : 0) + FILL, 0x5a,
                     FILL_BYTES);
    } else {
        device_write(pair->src, true);
    }
}

static void migrate(VFIOPair *pair, const Case *c, VTD *vtd)
{
    if (c->act) {
        hold(pair);
        c->act(pair, vtd);
        go_on(pair);
    } else {
        vfio_pair_begin(pair);
    }
}

static void run_case(const Case *c, VFIOSideKind kind)
{
    VFIOPair *pair = new_pair(kind, SIDE_ATTACHED);
    VTD vtd;

    qtest_set_case_seconds(120);
    start(pair, c, &vtd);
    migrate(pair, c, &vtd);
    vfio_pair_finish(pair);
    if (kind == SIDE_BUILTIN && c->builtin_loses) {
        if (vfio_ram_differs(pair) < 0) {
            vfio_side_fail(pair->dst, "the distribution's code lost nothing: "
                           "this case shows nothing");
        }
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

/* ---- RAM without a guest's IOMMU ---- */

static void use_pam(VFIOPair *pair, VTD *vtd)
{
    set_dma(pair, PAM_AREA, 0x8000);
}

static void set_pam(VFIOSide *side, uint8_t value)
{
    qtest_outl(side->qts, 0xcf8, 0x80000000 | (PAM_REG & 0xfc));
    qtest_outb(side->qts, 0xcfc + (PAM_REG & 3), value);
}

static void show_ram(VFIOPair *pair, VTD *vtd)
{
    set_pam(pair->src, PAM_READ_WRITE);
}

/* RAM is hidden, and with it its section: what was written stays. */
static void hide_ram(VFIOPair *pair, VTD *vtd)
{
    VFIOSide *src = pair->src;
    int64_t end_us = g_get_monotonic_time() + 5 * G_USEC_PER_SEC;

    device_write(src, true);
    while (!is_written(src, PAM_AREA) || !is_written(src, PAM_AREA + 0x7000)) {
        if (g_get_monotonic_time() > end_us) {
            vfio_side_fail(src, "the device does not write to shadow RAM");
        }
        g_usleep(1000);
    }
    device_write(src, false);
    g_usleep(2000);
    set_pam(src, 0);
}

static void hide_and_show_ram(VFIOPair *pair, VTD *vtd)
{
    hide_ram(pair, vtd);
    set_pam(pair->src, PAM_READ_WRITE);
}

/* Bitmaps of 32 MiB, and RAM in a mapping of 63 */
static void small_bitmaps(VFIOPair *pair, VTD *vtd)
{
    vfio_side_container(pair->src, "max-bitmap-size", "1K");
}

static void use_high(VFIOPair *pair, VTD *vtd)
{
    set_dma(pair, HIGH_BASE + TARGET, TARGET_PAGES * PAGE);
    pair->src->machine = pair->dst->machine = "pc,max-ram-below-4g=32M";
}

static void dirty_all(VFIOPair *pair, VTD *vtd)
{
    vfio_side_container(pair->src, "dirty-mode", "all");
}

/* Zero pages, dirty for ever, count in full against bytes on the wire. */
static void allow_downtime(VFIOPair *pair, VTD *vtd)
{
    migrate_set_parameter_int(pair->src->qts, "downtime-limit", 60000);
}

static void write_in_round(VFIOPair *pair, VTD *vtd)
{
    write_a_while(pair->src, TARGET);
}

/* ---- behind a guest's IOMMU ---- */

static void use_vtd(VFIOPair *pair, VTD *vtd)
{
    VFIOSide *sides[] = { pair->src, pair->dst };

    for (unsigned i = 0; i < G_N_ELEMENTS(sides); i++) {
        sides[i]->machine = "q35";
        g_string_append(sides[i]->first_args, VTD_ARGS);
    }
    set_dma(pair, IOVA, TARGET_PAGES * PAGE);
}

static void use_vtd_high(VFIOPair *pair, VTD *vtd)
{
    use_vtd(pair, vtd);
    pair->src->machine = pair->dst->machine = "q35,max-ram-below-4g=32M";
}

static void translate(VFIOPair *pair, VTD *vtd)
{
    vtd_init(vtd, pair->src->qts, TABLES, 4 << 3);
    vtd_map(vtd, IOVA, TARGET, TARGET_PAGES);
    vtd_enable(vtd, true);
}

static void translate_high(VFIOPair *pair, VTD *vtd)
{
    vtd_init(vtd, pair->src->qts, TABLES, 4 << 3);
    vtd_map(vtd, IOVA, HIGH_BASE + TARGET, TARGET_PAGES);
    vtd_enable(vtd, true);
}

static void unmap(VFIOPair *pair, VTD *vtd)
{
    write_a_while(pair->src, TARGET);
    vtd_unmap(vtd, IOVA, TARGET_PAGES);
}

static void unmap_and_remap(VFIOPair *pair, VTD *vtd)
{
    unmap(pair, vtd);
    vtd_map(vtd, IOVA, OTHER_TARGET, TARGET_PAGES);
    write_a_while(pair->src, OTHER_TARGET);
    vtd_unmap(vtd, IOVA, TARGET_PAGES / 2);
    vtd_map(vtd, IOVA, TARGET, TARGET_PAGES / 2);
    device_write(pair->src, true);
}

/* All tables change, and one invalidation tells of it. */
static void unmap_domain(VFIOPair *pair, VTD *vtd)
{
    write_a_while(pair->src, TARGET);
    qtest_memset(vtd->qts, vtd->root, 0, PAGE);
    vtd_flush(vtd);
}

static void translation_off(VFIOPair *pair, VTD *vtd)
{
    write_a_while(pair->src, TARGET);
    vtd_enable(vtd, false);
}

/* Nothing is translated at first, then all is refused (B-40). */
static void no_translation(VFIOPair *pair, VTD *vtd)
{
    vtd_init(vtd, pair->src->qts, TABLES, 4 << 3);
}

static void use_vtd_passed_through(VFIOPair *pair, VTD *vtd)
{
    use_vtd(pair, vtd);
    set_dma(pair, TARGET, TARGET_PAGES * PAGE);
}

static void translation_on(VFIOPair *pair, VTD *vtd)
{
    write_a_while(pair->src, TARGET);
    vtd_enable(vtd, true);
}

/* ---- what tracking is asked for, and when ---- */

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

/* In set-up nothing is read (B-19); the bits are there for the next sync. */
static void test_setup(void)
{
    VFIOPair *pair = new_pair(SIDE_ATTACHED, SIDE_ATTACHED);
    g_autofree char *setup = NULL;
    g_autofree char *rest = NULL;

    vfio_pair_start(pair);
    expect_tracking(pair->src, "dev0", "pre-copy");
    vfio_pair_migrate(pair);
    setup = lines_between(pair->src, "dirty-start id=0", "to=pre-copy");
    expect_lines(pair->src, setup, "dirty-get", false);
    rest = lines_between(pair->src, "to=pre-copy", "save-end");
    expect_lines(pair->src, rest, "dirty-get", true);
    vfio_pair_free(pair);
}

/* x-pre-copy-dirty-page-tracking=off: bits are read of a stopped device. */
static void test_opt_out(const void *opaque)
{
    VFIOSideKind kind = GPOINTER_TO_INT(opaque);
    VFIOPair *pair = new_pair(kind, SIDE_ATTACHED);
    g_autofree char *running = NULL;
    g_autofree char *stopped = NULL;

    pair->src->device_props = ",x-pre-copy-dirty-page-tracking=off";
    vfio_pair_start(pair);
    if (kind == SIDE_ATTACHED) {
        expect_tracking(pair->src, "dev0", "final-pass");
    }
    vfio_pair_migrate(pair);
    running = lines_between(pair->src, "dirty-start id=0", "to=stop-copy");
    expect_lines(pair->src, running, "dirty-get", false);
    stopped = lines_between(pair->src, "to=stop-copy", "save-end");
    expect_lines(pair->src, stopped, "dirty-get", true);
    vfio_pair_free(pair);
}

/* The IOMMU cannot track: QEMU 7.2 refuses, we send all again (B-24). */
static void test_untracked(const void *opaque)
{
    bool paused = GPOINTER_TO_INT(opaque);
    VFIOPair *pair = new_pair(SIDE_ATTACHED, SIDE_ATTACHED);
    g_autofree char *text = NULL;

    vfio_side_container(pair->src, "dirty-tracking", "no");
    pair->src->paused = paused;
    vfio_pair_start(pair);
    expect_tracking(pair->src, "dev0", "final-pass-all");
    expect_tracking(pair->dst, "dev0", "pre-copy");
    vfio_pair_migrate(pair);
    text = qtest_stderr(pair->src->qts);
    vfio_expect_text(pair->src, "stderr", text,
                     "container of dev0: the IOMMU cannot tell");
    vfio_pair_free(pair);
}

static void test_untracked_builtin(void)
{
    VFIOPair *pair = new_pair(SIDE_BUILTIN, SIDE_ATTACHED);
    g_autofree char *why = NULL;

    vfio_side_container(pair->src, "dirty-tracking", "no");
    vfio_pair_start(pair);
    why = migrate_refused(pair->src->qts, pair->dst->incoming);
    vfio_expect_text(pair->src, "the refusal", why, "support migration");
    vfio_pair_free(pair);
}

/* The VM is stopped, synchronised, goes on and is stopped again: twice. */
static void test_untracked_continued(void)
{
    VFIOPair *pair = new_pair(SIDE_ATTACHED, SIDE_ATTACHED);

    vfio_side_container(pair->src, "dirty-tracking", "no");
    vfio_pair_set(pair, "dma-rate", "64M");
    set_dma(pair, TARGET, TARGET_PAGES * PAGE);
    vfio_pair_start(pair);
    device_write(pair->src, false);
    qtest_memset(pair->src->qts, FILL, 0x5a, FILL_BYTES);
    hold(pair);
    for (unsigned i = 0; i < 2; i++) {
        write_a_while(pair->src, TARGET);
        qtest_qmp_assert_success(pair->src->qts, "{'execute': 'stop'}");
        qtest_qmp_assert_success(pair->src->qts, "{'execute': 'cont'}");
    }
    device_write(pair->src, true);
    go_on(pair);
    vfio_pair_finish(pair);
    vfio_pair_check(pair);
    vfio_pair_free(pair);
}

/* Two containers, one without tracking: the other is tracked all the same. */
static void test_two_containers(void)
{
    VFIOPair *pair = new_pair(SIDE_ATTACHED, SIDE_ATTACHED);
    VFIOSide *src = pair->src;
    g_autofree char *running = NULL;

    vfio_side_add_device(src);
    vfio_side_add_device(pair->dst);
    vfio_side_set(src, "dev1", "dirty-tracking", "no");
    src->multi = pair->dst->multi = true;
    vfio_pair_start(pair);
    expect_tracking(src, "dev0", "pre-copy");
    expect_tracking(src, "dev1", "final-pass-all");
    vfio_pair_migrate(pair);
    running = lines_between(src, "dirty-start id=0", "to=stop-copy");
    expect_lines(src, running, "dirty-get id=0", true);
    expect_lines(src, running, "id=1", false);
    vfio_pair_free(pair);
}

/* Two devices in one container, of which one has the opt-out */
static void test_opt_out_beside(void)
{
    VFIOPair *pair = new_pair(SIDE_ATTACHED, SIDE_ATTACHED);
    VFIOSide *src = pair->src;
    g_autofree char *running = NULL;

    vfio_side_add_device(src);
    vfio_side_add_device(pair->dst);
    g_string_append(src->args,
                    "-set device.dev1.x-pre-copy-dirty-page-tracking=off ");
    src->multi = pair->dst->multi = true;
    vfio_pair_start(pair);
    vfio_pair_migrate(pair);
    running = lines_between(src, "dirty-start id=0", "to=stop-copy");
    expect_lines(src, running, "dirty-get", false);
    vfio_pair_free(pair);
}

static void wait_stopped(VFIOSide *side)
{
    int64_t end_us = g_get_monotonic_time() + 5 * G_USEC_PER_SEC;

    while (true) {
        g_autofree char *all = vfio_side_transcript(side);

        if (strstr(all, "dirty-stop id=0 flags=2 ret=0")) {
            return;
        }
        if (g_get_monotonic_time() > end_us) {
            vfio_side_fail(side, "dirty tracking was not stopped");
        }
        g_usleep(5000);
    }
}

static void test_stop_after_cancel(void)
{
    VFIOPair *pair = new_pair(SIDE_ATTACHED, SIDE_ATTACHED);

    vfio_pair_start(pair);
    qtest_memset(pair->src->qts, FILL, 0x5a, FILL_BYTES);
    hold(pair);
    migrate_cancel(pair->src->qts);
    wait_stopped(pair->src);
    migrate_set_parameter_int(pair->src->qts, "max-bandwidth", MIGRATE_FAST);
    vfio_pair_retry(pair);
    vfio_pair_free(pair);
}

static void test_start_fails(const void *opaque)
{
    VFIOSideKind kind = GPOINTER_TO_INT(opaque);
    VFIOPair *pair = new_pair(kind, SIDE_ATTACHED);

    vfio_side_fault(pair->src, "start", "event=dirty-start;errno=EINVAL");
    if (kind == SIDE_BUILTIN) {
        vfio_pair_start(pair);
        vfio_pair_begin(pair);
        vfio_pair_finish(pair);     /* with whatever in RAM (B-16) */
        vfio_expect_fired(pair->src, "start");
        if (vfio_ram_differs(pair) < 0) {
            vfio_side_fail(pair->dst, "the distribution's code lost nothing: "
                           "this case shows nothing");
        }
    } else {
        vfio_pair_start(pair);
        vfio_pair_begin(pair);
        vfio_expect_failed(pair->src, "container of dev0: cannot start dirty "
                           "page tracking;Invalid argument");
        vfio_expect_fired(pair->src, "start");
        wait_stopped(pair->src);
        vfio_pair_retry(pair);
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
    Case scene;
    unsigned max_calls;         /* then it is enough, unless -m slow */
    bool in_turn;               /* one errno a call, unless -m slow */
    const char *words;          /* of error-desc; NULL: must not fail */
} FaultCase;

static const FaultCase fault_cases[] = {
    { "start", "dirty-start", { "ram", NULL, NULL, write_in_round }, 1, false,
      "container of dev0;start dirty page tracking" },
    { "get", "dirty-get", { "ram", NULL, NULL, write_in_round }, 12, false,
      "container of dev0;dirty;IOVA" },
    { "get-viommu", "dirty-get",
      { "viommu", use_vtd, translate, unmap_and_remap }, 12, false,
      "container of dev0;dirty;IOVA" },
    { "unmap-viommu", "unmap-dma",
      { "viommu", use_vtd, translate, unmap_and_remap }, 6, true, NULL },
    { "unmap-domain", "unmap-dma",
      { "domain", use_vtd, translate, unmap_domain }, 3, true, NULL },
    { "unmap-section", "unmap-dma",
      { "section", use_pam, show_ram, hide_and_show_ram }, 3, true, NULL },
    { "unmap-translation-off", "unmap-dma",
      { "off", use_vtd, translate, translation_off }, 3, true, NULL },
    { "unmap-translation-on", "unmap-dma",
      { "on", use_vtd_passed_through, no_translation, translation_on }, 3,
      true, NULL },
};

/* The scene, whatever becomes of it; returns how the migration ended. */
static char *play(VFIOPair *pair, const FaultCase *f)
{
    VTD vtd;

    start(pair, &f->scene, &vtd);
    migrate_set_parameter_int(pair->src->qts, "max-bandwidth", 4 * MIB);
    vfio_pair_begin(pair);
    if (strcmp(f->event, "dirty-start")) {
        wait_first_round(pair);
        f->scene.act(pair, &vtd);
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
    VFIOPair *pair = new_pair(SIDE_ATTACHED, SIDE_ATTACHED);
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

    qtest_set_case_seconds(1800);
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
    VFIOPair *pair = new_pair(SIDE_ATTACHED, SIDE_ATTACHED);
    g_autofree char *rule = g_strdup_printf("event=dirty-stop;errno=%s",
                                            e->name);
    g_autofree char *text = NULL;

    vfio_side_fault(pair->src, "stop", rule);
    vfio_pair_start(pair);
    qtest_memset(pair->src->qts, FILL, 0x5a, FILL_BYTES);
    hold(pair);
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

/* ---- rates ---- */

typedef struct RateCase {
    const char *rate;
    const char *memory;
    const char *machine;
    unsigned ram_mib;
    uint64_t start, bytes;      /* of DMA */
    bool slow;                  /* with -m slow only: minutes */
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
 * A guest that counts up words all over 64 KiB from 64 KiB on
 *
 * It changes CR4 each time, which empties its TLB: TCG of QEMU 7.2 takes
 * writes through an entry that was there at a sync for clean ones, which has
 * nothing to do with devices.
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
    VFIOPair *pair = new_pair(SIDE_ATTACHED, SIDE_ATTACHED);

    vfio_pair_set(pair, "dma-rate", "%s", c->rate);
    pair->src->machine = pair->dst->machine = c->machine;
    pair->src->ram_mib = pair->dst->ram_mib = c->ram_mib;
    set_dma(pair, c->start, c->bytes);
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
            qtest_add_data_func(name, c, test_rate);
        }
    }
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

static const Case cases[] = {
    { "ram/steady", NULL, NULL, NULL },
    { "ram/in-first-round", NULL, NULL, write_in_round },
    { "ram/above-hole", use_high, NULL, write_in_round, false, true },
    { "ram/all-dirty", dirty_all, allow_downtime, NULL },
    { "ram/bitmap-limit", small_bitmaps, NULL, write_in_round, true },
    { "ram/section-goes", use_pam, show_ram, hide_ram, true },
    { "ram/section-goes-and-comes", use_pam, show_ram, hide_and_show_ram,
      true },
    { "viommu/steady", use_vtd, translate, NULL },
    { "viommu/in-first-round", use_vtd, translate, write_in_round },
    { "viommu/unmap", use_vtd, translate, unmap, true },
    { "viommu/unmap-domain", use_vtd, translate, unmap_domain, true },
    { "viommu/unmap-and-remap", use_vtd, translate, unmap_and_remap, true },
    { "viommu/unmap-above-hole", use_vtd_high, translate_high, unmap,
      true, true },
    { "viommu/steady-above-hole", use_vtd_high, translate_high, NULL, false,
      true },
    { "viommu/translation-off", use_vtd, translate, translation_off, true },
    { "viommu/translation-on", use_vtd_passed_through, no_translation,
      translation_on, true },
};

/* Is there other code than ours? In QEMU's tree both sides are one build. */
static bool has_builtin(void)
{
    return !g_getenv("VFIO_BUILT_QEMU");
}

static void add_builtin(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *name = g_strdup_printf("vfio/dirty/%s/builtin",
                                                cases[i].name);

        qtest_add_data_func(name, &cases[i], test_builtin);
    }
    qtest_add_data_func("vfio/dirty/opt-out/builtin",
                        GINT_TO_POINTER(SIDE_BUILTIN), test_opt_out);
    qtest_add_func("vfio/dirty/untracked/builtin", test_untracked_builtin);
    qtest_add_data_func("vfio/dirty/start-fails/builtin",
                        GINT_TO_POINTER(SIDE_BUILTIN), test_start_fails);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *attached = g_strdup_printf(
            "vfio/dirty/%s/attached", cases[i].name);

        qtest_add_data_func(attached, &cases[i], test_attached);
    }
    qtest_add_func("vfio/dirty/setup", test_setup);
    qtest_add_data_func("vfio/dirty/opt-out/attached",
                        GINT_TO_POINTER(SIDE_ATTACHED), test_opt_out);
    qtest_add_func("vfio/dirty/opt-out/beside", test_opt_out_beside);
    qtest_add_data_func("vfio/dirty/untracked/running",
                        GINT_TO_POINTER(false), test_untracked);
    qtest_add_data_func("vfio/dirty/untracked/paused",
                        GINT_TO_POINTER(true), test_untracked);
    qtest_add_func("vfio/dirty/untracked/continued",
                   test_untracked_continued);
    qtest_add_func("vfio/dirty/two-containers", test_two_containers);
    qtest_add_func("vfio/dirty/stop-after-cancel", test_stop_after_cancel);
    qtest_add_data_func("vfio/dirty/start-fails/attached",
                        GINT_TO_POINTER(SIDE_ATTACHED), test_start_fails);
    if (has_builtin()) {
        add_builtin();
    }
    add_faults();
    add_rates();
    return g_test_run();
}
