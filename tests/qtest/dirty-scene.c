/*
 * Scenes in which a device writes to guest RAM during migration
 *
 * Owns: see dirty-scene.h.
 * Locks: none.
 *
 * Source: docs/contract.md, Dirty pages.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "dirty-scene.h"

#include <string.h>

#include "virtio-pci.h"

/* PAM register of 0xd0000 to 0xd7fff on the "pc" machine's host bridge */
#define PAM_AREA        0xd0000
#define PAM_REG         0x5c
#define PAM_READ_WRITE  0x33

VFIOPair *dirty_new_pair(VFIOSideKind src, VFIOSideKind dst)
{
    VFIOPair *pair = vfio_pair_new(src, dst);

    pair->src->ram_mib = pair->dst->ram_mib = RAM_MIB;
    return pair;
}

/* ---- the device ---- */

void dirty_set_dma(VFIOPair *pair, uint64_t start, uint64_t bytes)
{
    vfio_pair_set(pair, "dma-start", "0x%" G_GINT64_MODIFIER "x", start);
    vfio_pair_set(pair, "dma-size", "0x%" G_GINT64_MODIFIER "x", bytes);
}

/* Without bus mastering, the device does not write */
void dirty_device_write(VFIOSide *side, bool on)
{
    machine_bus_master(side->qts, MACHINE_FIRST_SLOT, on);
}

/* Is it one of the words that the simulated device writes? */
bool dirty_is_written(VFIOSide *side, uint64_t ram_offset)
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

/* Let the device write to the pages at @ram_offset for a while. */
void dirty_write_a_while(VFIOSide *side, uint64_t ram_offset)
{
    uint64_t before = last_word(side, ram_offset);
    int64_t end_us = g_get_monotonic_time() + QTEST_WAIT_US;

    dirty_device_write(side, true);
    /* Words are counted; a page has 512 of them */
    while (last_word(side, ram_offset) < before + TARGET_PAGES * 512) {
        if (g_get_monotonic_time() > end_us) {
            vfio_side_fail(side, "the device does not write to its RAM");
        }
        g_usleep(1000);
    }
    dirty_device_write(side, false);
}

/* ---- holding a migration in its first round ---- */

int64_t dirty_ram_info(VFIOSide *side, const char *key)
{
    QDict *info = migrate_query(side->qts);
    QDict *ram = qdict_get_qdict(info, "ram");
    int64_t value = ram ? qdict_get_int(ram, key) : 0;

    qobject_unref(info);
    return value;
}

/*
 * RAM is sent from start to end, and data that does not compress takes time:
 * everything below FILL has been sent by then, and is not read again before the
 * next sync, which comes after all of FILL.
 */
void dirty_wait_first_round(VFIOPair *pair)
{
    int64_t end_us = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;

    while (dirty_ram_info(pair->src, "normal-bytes") < 3 * MIB) {
        if (g_get_monotonic_time() > end_us) {
            vfio_side_fail(pair->src, "the first round does not get on");
        }
        g_usleep(5000);
    }
}

void dirty_fill(VFIOPair *pair)
{
    qtest_memset(pair->src->qts, FILL, 0x5a, FILL_BYTES);
}

void dirty_hold(VFIOPair *pair)
{
    migrate_set_parameter_int(pair->src->qts, "max-bandwidth", 4 * MIB);
    vfio_pair_begin(pair);
    dirty_wait_first_round(pair);
}

void dirty_go_on(VFIOPair *pair)
{
    if (dirty_ram_info(pair->src, "dirty-sync-count") > 1) {
        vfio_side_fail(pair->src, "RAM was synchronised too early: the test "
                       "shows nothing");
    }
    migrate_set_parameter_int(pair->src->qts, "max-bandwidth", MIGRATE_FAST);
}

/*
 * QEMU has no bandwidth estimate in the first 100 ms, so nothing is small
 * enough for a sync: a machine that has sent everything by then stops at once.
 */
void dirty_migrate(VFIOPair *pair)
{
    dirty_fill(pair);
    dirty_hold(pair);
    dirty_go_on(pair);
    vfio_pair_finish(pair);
    /* In setup, with the VM stopped, and at least once in between */
    g_assert_cmpint(dirty_ram_info(pair->src, "dirty-sync-count"), >=, 3);
    vfio_pair_check(pair);
}

void dirty_wait_stopped(VFIOSide *side)
{
    int64_t end_us = g_get_monotonic_time() + QTEST_WAIT_US;

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

void dirty_expect_lost(VFIOPair *pair)
{
    if (vfio_ram_differs(pair) < 0) {
        vfio_side_fail(pair->dst, "the distribution's code lost nothing: "
                       "this case shows nothing");
    }
}

bool dirty_has_builtin(void)
{
    return !g_getenv("VFIO_BUILT_QEMU");
}

/* ---- RAM without a guest IOMMU ---- */

static void use_pam(VFIOPair *pair, VTD *vtd)
{
    dirty_set_dma(pair, PAM_AREA, 0x8000);
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

/* RAM and its memory section are hidden; what was written stays. */
static void hide_ram(VFIOPair *pair, VTD *vtd)
{
    VFIOSide *src = pair->src;
    int64_t end_us = g_get_monotonic_time() + QTEST_WAIT_US;

    dirty_device_write(src, true);
    while (!dirty_is_written(src, PAM_AREA) ||
           !dirty_is_written(src, PAM_AREA + 0x7000)) {
        if (g_get_monotonic_time() > end_us) {
            vfio_side_fail(src, "the device does not write to shadow RAM");
        }
        g_usleep(1000);
    }
    dirty_device_write(src, false);
    set_pam(src, 0);
}

static void hide_and_show_ram(VFIOPair *pair, VTD *vtd)
{
    hide_ram(pair, vtd);
    set_pam(pair->src, PAM_READ_WRITE);
}

/* Bitmaps cover 32 MiB, and RAM is in one mapping of 63 MiB */
static void small_bitmaps(VFIOPair *pair, VTD *vtd)
{
    vfio_side_container(pair->src, "max-bitmap-size", "1K");
}

static void use_high(VFIOPair *pair, VTD *vtd)
{
    dirty_set_dma(pair, HIGH_BASE + TARGET, TARGET_PAGES * PAGE);
    pair->src->machine = pair->dst->machine = "pc,max-ram-below-4g=32M";
}

static void dirty_all(VFIOPair *pair, VTD *vtd)
{
    vfio_side_container(pair->src, "dirty-mode", "all");
}

/* Zero pages, always dirty, count in full against the bytes on the wire. */
static void allow_downtime(VFIOPair *pair, VTD *vtd)
{
    migrate_set_parameter_int(pair->src->qts, "downtime-limit", 60000);
}

static void write_in_round(VFIOPair *pair, VTD *vtd)
{
    dirty_write_a_while(pair->src, TARGET);
}

/* ---- behind intel-iommu ---- */

static void use_vtd(VFIOPair *pair, VTD *vtd)
{
    VFIOSide *sides[] = { pair->src, pair->dst };

    for (unsigned i = 0; i < G_N_ELEMENTS(sides); i++) {
        sides[i]->machine = "q35";
        g_string_append(sides[i]->first_args, VTD_ARGS);
    }
    dirty_set_dma(pair, IOVA, TARGET_PAGES * PAGE);
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
    dirty_write_a_while(pair->src, TARGET);
    vtd_unmap(vtd, IOVA, TARGET_PAGES);
}

static void unmap_and_remap(VFIOPair *pair, VTD *vtd)
{
    unmap(pair, vtd);
    vtd_map(vtd, IOVA, OTHER_TARGET, TARGET_PAGES);
    dirty_write_a_while(pair->src, OTHER_TARGET);
    vtd_unmap(vtd, IOVA, TARGET_PAGES / 2);
    vtd_map(vtd, IOVA, TARGET, TARGET_PAGES / 2);
    dirty_device_write(pair->src, true);
}

/* All tables change, and a single invalidation announces it. */
static void unmap_domain(VFIOPair *pair, VTD *vtd)
{
    dirty_write_a_while(pair->src, TARGET);
    qtest_memset(vtd->qts, vtd->root, 0, PAGE);
    vtd_flush(vtd);
}

static void translation_off(VFIOPair *pair, VTD *vtd)
{
    dirty_write_a_while(pair->src, TARGET);
    vtd_enable(vtd, false);
}

/* Nothing is translated at first; later all accesses are blocked. */
static void no_translation(VFIOPair *pair, VTD *vtd)
{
    vtd_init(vtd, pair->src->qts, TABLES, 4 << 3);
}

static void use_vtd_passed_through(VFIOPair *pair, VTD *vtd)
{
    use_vtd(pair, vtd);
    dirty_set_dma(pair, TARGET, TARGET_PAGES * PAGE);
}

static void translation_on(VFIOPair *pair, VTD *vtd)
{
    dirty_write_a_while(pair->src, TARGET);
    vtd_enable(vtd, true);
}

/* ---- behind virtio-iommu ---- */

#define VIOMMU_SLOT     11
#define VIOMMU_BAR      0xe9000000u
#define VIOMMU_RING     (20 * MIB)
#define DOMAIN          7
/* Each piece is a separate mapping, for the kernel too. */
#define PIECE           (4 * PAGE)
#define PIECES          (TARGET_PAGES * PAGE / PIECE)

static VirtioPCI viommu;        /* of the current scene */

static void use_viommu(VFIOPair *pair, const char *bypass)
{
    VFIOSide *sides[] = { pair->src, pair->dst };

    for (unsigned i = 0; i < G_N_ELEMENTS(sides); i++) {
        sides[i]->machine = "q35";
        g_string_append_printf(sides[i]->first_args, "-device "
                               "virtio-iommu-pci,addr=%x.0,boot-bypass=%s ",
                               VIOMMU_SLOT, bypass);
    }
    dirty_set_dma(pair, IOVA, TARGET_PAGES * PAGE);
}

/* Without a domain, accesses bypass the IOMMU. */
static void use_viommu_bypass(VFIOPair *pair, VTD *vtd)
{
    use_viommu(pair, "on");
}

/* Without a domain, accesses are blocked. */
static void use_viommu_only(VFIOPair *pair, VTD *vtd)
{
    use_viommu(pair, "off");
}

static void viommu_driver(VFIOPair *pair, VTD *vtd)
{
    virtio_pci_start(&viommu, pair->src->qts, VIOMMU_SLOT, VIOMMU_BAR,
                     VIOMMU_RING);
}

static void viommu_map(uint64_t target)
{
    for (uint64_t at = 0; at < TARGET_PAGES * PAGE; at += PIECE) {
        virtio_iommu_map(&viommu, DOMAIN, IOVA + at, target + at, PIECE);
    }
}

static void viommu_attach_and_map(VFIOPair *pair, VTD *vtd)
{
    viommu_driver(pair, vtd);
    virtio_iommu_attach(&viommu, DOMAIN, MACHINE_FIRST_SLOT << 3);
    viommu_map(TARGET);
}

static void viommu_map_in_round(VFIOPair *pair, VTD *vtd)
{
    virtio_iommu_attach(&viommu, DOMAIN, MACHINE_FIRST_SLOT << 3);
    viommu_map(TARGET);
    dirty_write_a_while(pair->src, TARGET);
    dirty_device_write(pair->src, true);
}

static void viommu_unmap(VFIOPair *pair, VTD *vtd)
{
    dirty_write_a_while(pair->src, TARGET);
    virtio_iommu_unmap(&viommu, DOMAIN, IOVA, TARGET_PAGES * PAGE);
}

static void viommu_unmap_and_remap(VFIOPair *pair, VTD *vtd)
{
    viommu_unmap(pair, vtd);
    viommu_map(OTHER_TARGET);
    dirty_write_a_while(pair->src, OTHER_TARGET);
    dirty_device_write(pair->src, true);
}

/* ---- the list ---- */

const DirtyScene dirty_scenes[] = {
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
    { "virtio-iommu/bypass/steady", use_viommu_bypass, viommu_attach_and_map,
      NULL, true },
    { "virtio-iommu/bypass/map-in-round", use_viommu_bypass, viommu_driver,
      viommu_map_in_round, true },
    { "virtio-iommu/bypass/unmap", use_viommu_bypass, viommu_attach_and_map,
      viommu_unmap, true },
    { "virtio-iommu/bypass/unmap-and-remap", use_viommu_bypass,
      viommu_attach_and_map, viommu_unmap_and_remap, true },
    { "virtio-iommu/no-bypass/steady", use_viommu_only, viommu_attach_and_map,
      NULL, true },
    { "virtio-iommu/no-bypass/map-in-round", use_viommu_only, viommu_driver,
      viommu_map_in_round, true },
    { "virtio-iommu/no-bypass/unmap", use_viommu_only, viommu_attach_and_map,
      viommu_unmap, true },
    { "virtio-iommu/no-bypass/unmap-and-remap", use_viommu_only,
      viommu_attach_and_map, viommu_unmap_and_remap, true },
};

const unsigned dirty_nr_scenes = G_N_ELEMENTS(dirty_scenes);

const DirtyScene *dirty_scene(const char *name)
{
    for (unsigned i = 0; i < dirty_nr_scenes; i++) {
        if (!strcmp(dirty_scenes[i].name, name)) {
            return &dirty_scenes[i];
        }
    }
    g_error("there is no scene '%s'", name);
}

void dirty_scene_start(VFIOPair *pair, const DirtyScene *scene, VTD *vtd)
{
    vfio_pair_set(pair, "dma-rate", "64M");
    vfio_pair_set(pair, "dma-pattern", "sequential");
    dirty_set_dma(pair, TARGET, TARGET_PAGES * PAGE);
    if (scene->prepare) {
        scene->prepare(pair, vtd);
    }
    vfio_pair_start(pair);
    dirty_device_write(pair->src, false);
    if (scene->begin) {
        scene->begin(pair, vtd);
    }
    if (scene->act) {
        qtest_memset(pair->src->qts, (scene->high ? HIGH_BASE : 0) + FILL,
                     0x5a, FILL_BYTES);
    } else {
        dirty_device_write(pair->src, true);
    }
}

void dirty_scene_migrate(VFIOPair *pair, const DirtyScene *scene, VTD *vtd)
{
    if (scene->act) {
        dirty_hold(pair);
        scene->act(pair, vtd);
        dirty_go_on(pair);
    } else {
        vfio_pair_begin(pair);
    }
}
