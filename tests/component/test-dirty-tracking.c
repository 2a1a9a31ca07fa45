/*
 * Component test: guest RAM that a device writes to while it is migrated
 *
 * A small migration of RAM runs alongside the device's: everything is copied
 * first, then what is dirty after each sync. In between, the device writes, RAM
 * is added, removed and moved, a guest's IOMMU maps and unmaps; at random, and
 * with calls on the container that fail. Whatever happens, a migration that
 * succeeds must have copied everything.
 *
 * Source: docs/contract.md, Dirty pages; docs/dirty-tracking.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "dirty-world.h"

#define SRC "[device src]\ngroup=1\nstate-size=4K\nwindow-size=4K\n"

/* ---- random worlds ---- */

typedef struct Kind {
    const char *name;
    const char *config;
    unsigned rounds;
    const char *says;           /* to the user, for at least one seed */
} Kind;

static const Kind kinds[] = {
    { "plain", SRC, 60 },
    { "all-dirty", "[container]\ndirty-mode=all\n" SRC, 20 },
    { "pages-of-16K", "[container]\npage-sizes=16K\n" SRC, 40 },
    { "pages-of-64K", "[container]\npage-sizes=64K\n" SRC, 40 },
    /* 128 pages: less than a section, more than a part */
    { "small-bitmaps", "[container]\nmax-bitmap-size=16\n" SRC, 40 },
    /* 64 pages: one part each */
    { "tiny-bitmaps", "[container]\nmax-bitmap-size=8\n" SRC, 40,
      "cannot tell which pages the device writes in the largest mappings" },
    { "no-tracking", "[container]\ndirty-tracking=no\n" SRC, 40 },
};

static void test_random(gconstpointer data)
{
    const Kind *kind = data;
    bool said = !kind->says;
    unsigned writes = 0;

    for (unsigned i = 0; i < kind->rounds; i++) {
        uint32_t seed = g_test_rand_int();
        const char *at;

        world_begin(kind->config, seed);
        world_migrate_whole(seed);
        at = kind->says ? strstr(comp_messages(), kind->says) : NULL;
        g_assert_true(!at || !strstr(at + 1, kind->says));
        said |= at != NULL;
        writes += world->writes;
        world_end();
    }
    g_assert_true(said);
    g_assert_cmpuint(writes, >, kind->rounds * 10);
}

/* ---- each call fails once ---- */

typedef struct Fault {
    const char *event;
    const char *phase;
    const char *words;          /* of the error; NULL: must not fail */
    bool told;                  /* only by a message; the migration succeeds */
} Fault;

static const Fault faults[] = {
    { "dirty-start", "", "cannot start dirty page tracking" },
    { "dirty-stop", "", "cannot stop dirty page tracking", true },
    { "dirty-get", "phase=migration\n", "are dirty" },
    { "unmap-dma", "phase=migration\n", NULL },
};

/* The first one is tried for each call, the others for each fifth. */
static const char *const errnos[] = { "EINVAL", "E2BIG", "ENOMEM", "EINTR" };
#define OTHERS_STEP 5

/* Returns true if there was an @n-th call. */
static bool fail_call(const Fault *f, const char *name, unsigned n,
                      uint32_t seed)
{
    g_autofree char *config = g_strdup_printf(
        SRC "[fault call]\nevent=%s\n%scount=%u\nerrno=%s\n", f->event,
        f->phase, n, name);
    g_autofree char *error = NULL;
    bool fired;

    world_begin(config, seed);
    if (world_migrate(&error) < 0) {
        if (!f->words || f->told) {
            g_error("seed %u: %s fails, which loses no page, but the "
                    "migration fails: %s", seed, f->event, error);
        }
        comp_assert_has(error, "container of src");
        comp_assert_has(error, f->words);
        g_assert_cmpstr(name, !=, "EINTR");
        /* Without the fault, the next migration must succeed. */
        world->running = true;
        vfio_host_vm_start();
        world_migrate_whole(seed);
    } else if (f->words && !f->told && strcmp(name, "EINTR") &&
               vfio_sim_fault_fired("call") > 0) {
        g_error("seed %u: %s fails, and nobody is told", seed, f->event);
    }
    world_expect_same(seed);
    fired = vfio_sim_fault_fired("call") > 0;
    if (fired && f->told && strcmp(name, "EINTR")) {
        comp_assert_message("container of src");
        comp_assert_message(f->words);
    }
    world_end();
    return fired;
}

static void test_fault(gconstpointer data)
{
    const Fault *f = data;
    uint32_t seed = g_test_rand_int();
    unsigned fired = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(errnos); i++) {
        unsigned step = i ? OTHERS_STEP : 1;

        for (unsigned n = 1; fail_call(f, errnos[i], n, seed); n += step) {
            fired++;
        }
    }
    g_test_message("%s: %u calls failed", f->event, fired);
    g_assert_cmpuint(fired, >=, G_N_ELEMENTS(errnos));
}

/* ---- single cases ---- */

/* Pages that the device did not write are not sent again. */
static void write_exactly(VFIOHostRun *run)
{
    for (uint64_t at = 0; at < 10 * PAGE; at += PAGE) {
        g_assert_true(vfio_sim_dma_write("src", world->ram.iova + at,
                                         3 * PAGE));
        world_sync();
        g_assert_true(vfio_sim_dma_write("src", world->ram.iova + at,
                                         3 * PAGE));
        world_ram_goes(&world->ram);
        world_expect_dirty(&world->ram, at, 3 * PAGE);
        world_ram_appears(&world->ram);
        g_assert_cmpuint(dirty_ram_dirty_count(), ==, 0);
    }
}

static void test_exact(void)
{
    world_begin(SRC, 1);
    g_assert_cmpint(world_migrate_with(world_log_starts, write_exactly, NULL),
                    ==, 0);
    world_end();
}

/* With bitmaps of 64 pages, each part of 64 pages is read separately. */
static void test_exact_parts(void)
{
    world_begin("[container]\nmax-bitmap-size=8\n" SRC, 4);
    world_ram_goes(&world->parts);
    for (uint64_t at = 0; at < PARTS_UNITS * UNIT; at += PARTS_GRANULE) {
        world_populate(at, at != PARTS_GRANULE);
    }
    world_ram_appears(&world->parts);
    world_log_start_clean();
    for (uint64_t at = 2 * PARTS_GRANULE; at < PARTS_UNITS * UNIT;
         at += PARTS_GRANULE) {
        g_assert_true(vfio_sim_dma_write("src", world->parts.iova + at,
                                         PAGE));
        world_sync_ram(&world->parts);
        world_expect_dirty(&world->parts, at, PAGE);
    }
    g_assert_cmpuint(dirty_ram_dirty_count(), ==, 0);
    world_end();
}

/* ---- an IOMMU that reports all pages as dirty ---- */

/* Smaller sections are not considered, see dirty-container.c. */
#define BIG_UNITS   (UINT64_C(64) * 1024 * 1024 / UNIT)

/* Add @big to the world; world->ram is read before it. */
static void begin_big(Ram *big)
{
    world_begin(SRC, 7);
    world_ram_goes(&world->parts);
    *big = (Ram) { 0 };
    world_ram_init(big, BIG_UNITS);
    world_ram_appears(big);
    world_log_start_clean();
}

static void end_big(Ram *big)
{
    world_ram_goes(big);
    world_ram_appears(&world->parts);
    world_log_stop();
    world_ram_destroy(big);
    world_end();
}

static void write_all(const Ram *ram)
{
    g_assert_true(vfio_sim_dma_write("src", ram->iova, ram->units * UNIT));
}

/* A round in which all of world->ram and @bytes of @big were written */
static void full_round(Ram *big, uint64_t bytes)
{
    write_all(&world->ram);
    g_assert_true(vfio_sim_dma_write("src", big->iova, bytes));
    world_sync_ram(&world->ram);
    world_sync_ram(big);
    world->listener->log_global_after_sync(world->listener);
}

/* After two such rounds, tracking ends, and all is sent at the end. */
static void test_all_at_end(void)
{
    VFIODirtyTracker *t;
    Ram big;

    begin_big(&big);
    t = vfio_dirty_tracker_of(world->container);
    full_round(&big, BIG_UNITS * UNIT);
    world_expect_dirty(&world->ram, 0, RAM_UNITS * UNIT);
    world_expect_dirty(&big, 0, BIG_UNITS * UNIT);
    full_round(&big, BIG_UNITS * UNIT);
    g_assert_cmpuint(dirty_ram_dirty_count(), ==, 0);
    g_assert_false(t->started);
    full_round(&big, PAGE);
    g_assert_cmpuint(dirty_ram_dirty_count(), ==, 0);
    g_assert_cmpstr(vfio_dirty_describe(world->vbasedev), ==,
                    "final-pass-all");

    vfio_host_vm_stop(RUN_STATE_PAUSED);
    world_sync_ram(&world->ram);
    world_expect_dirty(&world->ram, 0, RAM_UNITS * UNIT);
    world_expect_dirty(&big, 0, BIG_UNITS * UNIT);
    vfio_host_vm_start();

    /* The next migration starts with tracking again. */
    world_log_stop();
    world_log_start();
    g_assert_true(t->started);
    g_assert_cmpstr(vfio_dirty_describe(world->vbasedev), ==, "pre-copy");
    end_big(&big);
}

/* In the second round one page is not dirty: all bits must be kept. */
static void test_all_but_one_page(void)
{
    Ram big;

    begin_big(&big);
    full_round(&big, BIG_UNITS * UNIT);
    dirty_ram_dirty_count();
    full_round(&big, BIG_UNITS * UNIT - PAGE);
    world_expect_dirty(&world->ram, 0, RAM_UNITS * UNIT);
    world_expect_dirty(&big, 0, BIG_UNITS * UNIT - PAGE);
    full_round(&big, BIG_UNITS * UNIT);
    world_expect_dirty(&world->ram, 0, RAM_UNITS * UNIT);
    world_expect_dirty(&big, 0, BIG_UNITS * UNIT);
    end_big(&big);
}

/* A section is removed, or the VM stops, in the middle of such a round. */
static void test_all_and_interrupted(void)
{
    Ram big;

    begin_big(&big);
    full_round(&big, BIG_UNITS * UNIT);
    dirty_ram_dirty_count();
    write_all(&world->ram);
    world_sync_ram(&world->ram);
    g_assert_cmpuint(dirty_ram_dirty_count(), ==, 0);
    world_ram_goes(&world->ram);
    world_expect_dirty(&world->ram, 0, RAM_UNITS * UNIT);
    world_ram_appears(&world->ram);
    world->listener->log_global_after_sync(world->listener);
    dirty_ram_dirty_count();

    full_round(&big, BIG_UNITS * UNIT);
    full_round(&big, PAGE);
    full_round(&big, BIG_UNITS * UNIT);
    dirty_ram_dirty_count();
    write_all(&world->ram);
    world_sync_ram(&world->ram);
    g_assert_cmpuint(dirty_ram_dirty_count(), ==, 0);
    vfio_host_vm_stop(RUN_STATE_PAUSED);
    world_sync_ram(&big);
    world_expect_dirty(&world->ram, 0, RAM_UNITS * UNIT);
    vfio_host_vm_start();
    end_big(&big);
}

/* ---- behind the guest's IOMMU ---- */

static void begin_translated(const char *config, uint32_t seed)
{
    world_begin(config, seed);
    world_switch_translation();
    world_log_start_clean();
}

static void map_at(uint64_t giova_unit, uint64_t ram_unit, uint64_t units)
{
    world->mapped[giova_unit] = true;
    world->length[giova_unit] = units;
    dirty_iommu_map(world->iommu, GIOVA + giova_unit * UNIT,
                        world->ram.mr, ram_unit * UNIT, units * UNIT);
}

/* Remapped without an unmap: the dirty bits of the old target are kept. */
static void test_remap(void)
{
    begin_translated(SRC, 5);
    map_at(0, 3, 1);
    g_assert_true(vfio_sim_dma_write("src", GIOVA, PAGE));
    map_at(0, 9, 1);
    world_expect_dirty(&world->ram, 3 * UNIT, PAGE);
    g_assert_true(vfio_sim_dma_write("src", GIOVA + PAGE, PAGE));
    world_check_records();
    world_guest_unmap();
    world_expect_dirty(&world->ram, 9 * UNIT + PAGE, PAGE);
    world_end();
}

static void write_stray(void)
{
    g_assert_true(vfio_sim_dma_write("src", GIOVA + UNIT, PAGE));
}

/* The bitmap must be clear for its next use. */
static void expect_clean_bitmap(void)
{
    VFIODirtyTracker *t = vfio_dirty_tracker_of(world->container);

    g_assert_true(vfio_dirty_is_clear(t->bitmap, t->bitmap_bytes * 8));
}

static void stray_at_unmap(VFIOHostRun *run)
{
    write_stray();
    memset(world->mapped, 0, sizeof(world->mapped));
    dirty_iommu_unmap(world->iommu, GIOVA, 4 * UNIT);
    expect_clean_bitmap();
}

static void stray_at_sync(VFIOHostRun *run)
{
    write_stray();
    world_sync();
    expect_clean_bitmap();
}

/* EBUSY for a map: the old mapping is removed, then it is tried again. */
static void test_map_busy(void)
{
    g_autofree char *config = NULL;

    world_begin(SRC, 5);
    world_switch_translation();
    config = g_strdup_printf(SRC "[fault busy]\nevent=map-dma\ncount=%u\n"
                             "errno=EBUSY\n",
                             comp_transcript_count(" map-dma ") + 1);
    world_end();
    world_begin(config, 5);
    world_switch_translation();
    map_at(0, 3, 1);
    g_assert_cmpint(vfio_sim_fault_fired("busy"), ==, 1);
    g_assert_true(vfio_sim_dma_write("src", GIOVA, 8));
    g_assert_cmpstr(comp_messages(), ==, "");
    world_end();
}

/* Dirty pages of a mapping that we have no record of are an error. */
static void test_stray(gconstpointer data)
{
    g_autofree char *error = NULL;

    world_begin(SRC, 6);
    world_switch_translation();
    map_at(0, 3, 1);
    map_at(2, 5, 1);
    g_assert_cmpint(vfio_dirty_map(world->container, GIOVA + UNIT, UNIT,
                                   dirty_ram_ptr(world->ram.mr), false),
                    ==, 0);
    g_assert_cmpint(world_migrate_with(world_log_starts, data
                                       ? stray_at_unmap : stray_at_sync,
                                       &error), <, 0);
    comp_assert_has(error, "outside of what the guest's IOMMU");
    world_end();
}

/* An IOMMU section that is not at the address of its offset */
static void test_iommu_offset(void)
{
    const uint64_t base = UINT64_C(1) << 44;
    MemoryRegionSection section = {
        .size = int128_make64(UINT64_C(1) << 43),
        .offset_within_region = 0,
        .offset_within_address_space = base,
    };

    world_begin(SRC, 7);
    section.mr = world->iommu;
    world->listener->region_add(world->listener, &section);
    dirty_iommu_map(world->iommu, UNIT, world->ram.mr, UNIT, UNIT);
    world_log_start_clean();
    g_assert_true(vfio_sim_dma_write("src", base + UNIT, PAGE));
    world->listener->log_sync(world->listener, &section);
    world_expect_dirty(&world->ram, UNIT, PAGE);
    world_log_stop();
    world->listener->region_del(world->listener, &section);
    g_assert_false(vfio_sim_dma_write("src", base + UNIT, PAGE));
    world_end();
}

/*
 * Unmap all of 2^64, a size that does not fit the field of the ioctl. Kernels
 * before 4.20 reject the upper half, unless its last page is left out.
 */
static void test_unmap_all(gconstpointer data)
{
    world_begin(data, 8);
    g_assert_cmpint(vfio_dirty_unmap(world->container, 0, UINT64_MAX), ==, 0);
    g_assert_false(vfio_sim_dma_write("src", world->ram.iova, 8));
    g_assert_cmpuint(comp_transcript_count("size=0x7ffffffffffff000"), ==,
                     strstr(data, "fault old") != NULL);
    world_end();
}

/* ---- devices ---- */

/*
 * No device of the container can migrate, but one of another container can.
 * Nothing is tracked: no page is marked while the VM runs, and all are marked
 * whenever it was stopped.
 */
static void test_no_object(void)
{
    world_begin("[container]\ndirty-tracking=no\n" SRC "migration=no\n"
                "[device other]\ngroup=2\niommu=1\n", 9);
    g_assert_null(world->vbasedev->migration);
    g_assert_true(comp_open("other")->group->container != world->container);
    world_log_start_clean();
    for (unsigned i = 0; i < 2; i++) {
        g_assert_cmpuint(world_synced_pages(), ==, 0);
        vfio_host_vm_stop(RUN_STATE_PAUSED);
        g_assert_cmpuint(world_synced_pages(), ==, world_mapped_pages());
        g_assert_cmpuint(world_synced_pages(), ==, 0);
        vfio_host_vm_start();
    }
    world_end();
}

/* If no device of the VM can migrate, QEMU's own code is left in place. */
static void test_not_needed(void)
{
    MemoryListener *listener;
    VFIODevice *other;

    world_begin(SRC "migration=no\n[device other]\ngroup=2\niommu=1\n", 12);
    listener = world->listener;
    g_assert_null(vfio_dirty_tracker_next(NULL));
    g_assert_null(listener->log_sync);
    g_assert_true(listener->region_del != NULL);
    other = comp_open("other");
    g_assert_nonnull(vfio_dirty_tracker_of(world->container));
    g_assert_nonnull(vfio_dirty_tracker_of(other->group->container));
    comp_close(other);
    g_assert_true(listener->log_sync != NULL);
    g_assert_null(vfio_dirty_tracker_next(
        vfio_dirty_tracker_of(world->container)));
    world_end();
}

/* All pages are marked when devices stop; once for each time that they ran. */
static void test_untracked_again(void)
{
    world_begin("[container]\ndirty-tracking=no\n" SRC, 10);
    world_log_start_clean();
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmpuint(world_synced_pages(), ==, 0);
        vfio_host_vm_stop(RUN_STATE_PAUSED);
        g_assert_cmpuint(world_synced_pages(), ==, world_mapped_pages());
        g_assert_cmpuint(world_synced_pages(), ==, 0);
        vfio_host_vm_start();
    }
    /* In a stopped VM nothing is written after the start. */
    vfio_host_vm_stop(RUN_STATE_PAUSED);
    world_log_stop();
    world_log_start();
    g_assert_cmpuint(world_synced_pages(), ==, 0);
    world_end();
}

/* A start that failed may have taken effect in part: it needs a stop. */
static void test_start_fails(void)
{
    world_begin(SRC "[fault s]\nevent=dirty-start\nerrno=ENOMEM\n", 14);
    world_log_start();
    comp_assert_message("cannot start dirty page tracking");
    g_assert_cmpuint(comp_transcript_count("dirty-stop"), ==, 0);
    world_log_stop();
    g_assert_cmpuint(comp_transcript_count("dirty-stop"), ==, 1);
    world_end();
}

/* With no device being saved, no migration can fail: all is marked. */
static void test_unsaved_fails(void)
{
    world_begin(SRC "[fault g]\nevent=dirty-get\nerrno=EIO\n", 14);
    world_log_start();
    dirty_ram_dirty_count();
    g_assert_cmpuint(world_synced_pages(), ==, world_mapped_pages());
    g_assert_cmpint(vfio_sim_fault_fired("g"), ==, 1);
    comp_assert_message("are dirty");
    g_assert_cmpuint(world_synced_pages(), ==, 0);
    world_log_stop();
    world_end();
}

/*
 * A device without a migration object, like a failover primary, next to one
 * that migrates: the pages that it writes are found, too.
 */
static void test_beside(void)
{
    VFIODevice *other;

    world_begin(SRC "[device other]\ngroup=2\n", 2);
    other = comp_open("other");
    vfio_migration_finalize(other);
    g_assert_null(other->migration);
    g_assert_nonnull(vfio_dirty_tracker_of(world->container));
    g_assert_true(other->group->container == world->container);
    world_log_start_clean();
    g_assert_true(vfio_sim_dma_write("other", world->ram.iova, PAGE));
    world_sync();
    g_assert_cmpint(memcmp(world->ram.copy, dirty_ram_ptr(world->ram.mr),
                           PAGE), ==, 0);
    world_end();
}

/* As if the last group had left the container, which still exists */
static void end_tracking(VFIOGroup *group)
{
    VFIOContainer *container = group->container;

    QLIST_REMOVE(group, container_next);
    container->listener.commit(&container->listener);
    QLIST_INSERT_HEAD(&container->group_list, group, container_next);
    g_assert_null(vfio_dirty_tracker_of(container));
}

static void expect_callbacks(MemoryListener *listener,
                             const MemoryListener *other, bool same)
{
    g_assert_cmpint(listener->commit == other->commit, ==, same);
    g_assert_cmpint(listener->region_add == other->region_add, ==, same);
    g_assert_cmpint(listener->region_del == other->region_del, ==, same);
    g_assert_cmpint(listener->log_sync == other->log_sync, ==, same);
    g_assert_cmpint(listener->log_global_after_sync ==
                    other->log_global_after_sync, ==, same);
    g_assert_cmpint(listener->log_global_start == other->log_global_start,
                    ==, same);
    g_assert_cmpint(listener->log_global_stop == other->log_global_stop, ==,
                    same);
}

/* When tracking ends, QEMU's own callbacks must be restored. */
static void test_callbacks(void)
{
    MemoryListener before;
    VFIOContainer *container;
    VFIOGroup *group;

    comp_sim(SRC);
    group = comp_open("src")->group;
    container = group->container;
    before = attach_listener_of(container)->original;
    container->listener.commit(&container->listener);
    expect_callbacks(&container->listener, &before, false);
    end_tracking(group);
    expect_callbacks(&container->listener, &before, true);
    comp_sim_end();
}

/* A guest IOMMU that existed before, with a notifier of QEMU's own */
static void foreign_notify(IOMMUNotifier *n, IOMMUTLBEntry *iotlb)
{
    g_assert_not_reached();
}

static void test_attach_late(void)
{
    const uint64_t stale = GIOVA + 2 * GIOVA_UNITS * UNIT;
    VFIOGuestIOMMU giommu = { 0 };
    VFIODirtyTracker *t;

    world_begin(SRC "migration=no\n[device other]\ngroup=2\n", 3);
    world_guest_map();
    world_ram_goes(&world->ram);
    world_ram_goes(&world->parts);
    /* It is no longer in the guest's tables, but was not unmapped yet. */
    g_assert_cmpint(vfio_dirty_map(world->container, stale, UNIT,
                                   dirty_ram_ptr(world->ram.mr), false),
                    ==, 0);
    giommu.container = world->container;
    giommu.iommu_mr = memory_region_get_iommu(world->iommu);
    giommu.n.notify = foreign_notify;
    giommu.n.end = UINT64_MAX;
    QLIST_INSERT_HEAD(&world->container->giommu_list, &giommu, giommu_next);
    comp_open("other");
    t = vfio_dirty_tracker_of(world->container);
    g_assert_nonnull(t);
    g_assert_true(giommu.n.notify != foreign_notify);
    g_assert_cmpuint(vfio_dirty_mappings_count(t->mappings), ==, 1);
    g_assert_true(vfio_sim_dma_write("src", vfio_dirty_mapping_at(
        vfio_dirty_mappings_from(t->mappings, 0))->iova, 8));
    g_assert_false(vfio_sim_dma_write("src", stale, 8));
    QLIST_REMOVE(&giommu, giommu_next);
    vfio_dirty_mappings_remove(t->mappings, 0, UINT64_MAX);
    vfio_dirty_unmap(world->container, 0, UINT64_MAX);
    world_ram_appears(&world->ram);
    world_ram_appears(&world->parts);
    world_end();
}

int main(int argc, char **argv)
{
    comp_init(&argc, &argv);
    ADD_ROWS("/dirty/random/", kinds, test_random);
    ADD_ROWS("/dirty/fault/", faults, test_fault);
    g_test_add_func("/dirty/exact", test_exact);
    g_test_add_func("/dirty/exact-parts", test_exact_parts);
    g_test_add_func("/dirty/all/at-end", test_all_at_end);
    g_test_add_func("/dirty/all/but-one-page", test_all_but_one_page);
    g_test_add_func("/dirty/all/interrupted", test_all_and_interrupted);
    g_test_add_func("/dirty/remap", test_remap);
    g_test_add_func("/dirty/map-busy", test_map_busy);
    g_test_add_data_func("/dirty/stray/sync", GINT_TO_POINTER(false),
                         test_stray);
    g_test_add_data_func("/dirty/stray/unmap", GINT_TO_POINTER(true),
                         test_stray);
    g_test_add_func("/dirty/iommu-offset", test_iommu_offset);
    g_test_add_data_func("/dirty/unmap-all", SRC, test_unmap_all);
    g_test_add_data_func("/dirty/unmap-all-before-4.20",
                         SRC "[fault old]\nevent=unmap-dma\ncount=2\n"
                         "errno=EINVAL\n", test_unmap_all);
    g_test_add_func("/dirty/no-object", test_no_object);
    g_test_add_func("/dirty/not-needed", test_not_needed);
    g_test_add_func("/dirty/untracked-again", test_untracked_again);
    g_test_add_func("/dirty/start-fails", test_start_fails);
    g_test_add_func("/dirty/unsaved-fails", test_unsaved_fails);
    g_test_add_func("/dirty/beside", test_beside);
    g_test_add_func("/dirty/callbacks", test_callbacks);
    g_test_add_func("/dirty/attach-late", test_attach_late);
    return comp_run();
}
