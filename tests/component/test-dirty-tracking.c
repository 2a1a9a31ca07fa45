/*
 * Component test: guest RAM that a device writes to while it is migrated
 *
 * A small migration of RAM runs beside the device's: all is copied at first,
 * then what is dirty after each sync. In between the device writes, RAM
 * comes, goes and moves, a guest's IOMMU maps and unmaps; at random, and
 * with calls of the container that fail. Whatever happens: a migration that
 * succeeds has copied everything.
 *
 * Source: issue 3; docs/dirty-tracking.md; requirements 4.2, 4.3.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/vfio/dirty-container.h"
#include "hw/vfio/dirty-tracking.h"
#include "hw/vfio/vfio-common.h"
#include "migration/memory.h"
#include "component.h"

#define UNIT            UINT64_C(0x10000)   /* of what is mapped */
#define PAGE            UINT64_C(4096)
#define RAM_UNITS       48
#define PARTS_UNITS     32
#define PARTS_GRANULE   (4 * UNIT)
#define GIOVA_UNITS     64              /* addresses behind the IOMMU */
#define GIOVA           UINT64_C(0xffff000000000)
#define STEPS           60

/* RAM, and the destination's copy of it */
typedef struct Ram {
    MemoryRegion *mr;
    uint64_t units;
    uint8_t *copy;
    uint64_t iova;              /* of its section, where there is one */
    bool present;
} Ram;

typedef struct World {
    VFIODevice *vbasedev;
    VFIOContainer *container;
    MemoryListener *listener;
    VFIOHostDMAWindow window;
    Ram ram, parts;
    MemoryRegion *iommu;
    bool translated;            /* sections of the IOMMU, or of RAM */
    bool mapped[GIOVA_UNITS];   /* a guest's mapping begins there */
    uint64_t length[GIOVA_UNITS];
    GRand *rand;
    bool running;               /* the device may write */
    unsigned writes;
} World;

static World *world;

static uint64_t any(uint64_t limit)
{
    return g_rand_int(world->rand) % limit;
}

/* ---- what QEMU's common.c does with sections ---- */

static int map_part(MemoryRegionSection *section, void *opaque)
{
    VFIOContainer *container = opaque;
    uint64_t size = int128_get64(section->size), done, piece;

    for (done = 0; done < size; done += piece) {
        uint8_t *ram = vfio_host_ram_ptr(section->mr) +
                       section->offset_within_region + done;

        piece = memory_region_has_ram_discard_manager(section->mr)
                ? PARTS_GRANULE : size;
        g_assert_cmpint(vfio_dirty_map(
            container, section->offset_within_address_space + done, piece,
            ram, section->readonly), ==, 0);
    }
    return 0;
}

static void common_region_add(MemoryListener *listener,
                              MemoryRegionSection *section)
{
    VFIOContainer *container = container_of(listener, VFIOContainer,
                                            listener);
    RamDiscardManager *rdm =
        memory_region_get_ram_discard_manager(section->mr);

    g_assert_null(memory_region_get_iommu(section->mr));
    memory_region_ref(section->mr);
    if (rdm) {
        ram_discard_manager_replay_populated(rdm, section, map_part,
                                             container);
    } else {
        map_part(section, container);
    }
}

static void common_drop_giommu(VFIOContainer *container,
                               MemoryRegionSection *section)
{
    VFIOGuestIOMMU *giommu;

    QLIST_FOREACH(giommu, &container->giommu_list, giommu_next) {
        if ((MemoryRegion *)giommu->iommu_mr == section->mr &&
            giommu->n.start == section->offset_within_region) {
            memory_region_unregister_iommu_notifier(section->mr, &giommu->n);
            QLIST_REMOVE(giommu, giommu_next);
            g_free(giommu);
            return;
        }
    }
    g_assert_not_reached();
}

static void common_region_del(MemoryListener *listener,
                              MemoryRegionSection *section)
{
    VFIOContainer *container = container_of(listener, VFIOContainer,
                                            listener);
    uint64_t last = section->offset_within_address_space +
                    int128_get64(int128_sub(section->size, int128_one()));

    if (memory_region_get_iommu(section->mr)) {
        common_drop_giommu(container, section);
    }
    vfio_dirty_unmap(container, section->offset_within_address_space, last);
    memory_region_unref(section->mr);
}

/* ---- sections ---- */

static MemoryRegionSection ram_section(Ram *ram)
{
    return (MemoryRegionSection) {
        .size = int128_make64(ram->units * UNIT),
        .mr = ram->mr,
        .offset_within_address_space = ram->iova,
    };
}

/* All of 2^64, in two halves as round the interrupt window of x86 */
static MemoryRegionSection iommu_section(unsigned half)
{
    uint64_t border = UINT64_C(0xfee00000);

    return (MemoryRegionSection) {
        .size = half ? int128_sub(int128_2_64(), int128_make64(border))
                     : int128_make64(border),
        .mr = world->iommu,
        .offset_within_region = half ? border : 0,
        .offset_within_address_space = half ? border : 0,
    };
}

static void ram_appears(Ram *ram)
{
    /* Never two at one place; above and below 4 GiB */
    uint64_t base = ram == &world->ram ? 0 : UINT64_C(1) << 40;
    MemoryRegionSection section;

    ram->iova = base + any(200) * UINT64_C(0x4000000);
    ram->present = true;
    section = ram_section(ram);
    world->listener->region_add(world->listener, &section);
}

static void ram_goes(Ram *ram)
{
    MemoryRegionSection section = ram_section(ram);

    world->listener->region_del(world->listener, &section);
    ram->present = false;
    /* No mapping stays behind (L-8) */
    g_assert_false(vfio_sim_dma_write("src", ram->iova, 8));
}

static void iommu_appears(void)
{
    for (unsigned half = 0; half < 2; half++) {
        MemoryRegionSection section = iommu_section(half);

        world->listener->region_add(world->listener, &section);
    }
    world->translated = true;
}

static void iommu_goes(void)
{
    for (unsigned half = 0; half < 2; half++) {
        MemoryRegionSection section = iommu_section(half);

        world->listener->region_del(world->listener, &section);
    }
    world->translated = false;
}

static void switch_translation(void)
{
    if (world->translated) {
        iommu_goes();
        ram_appears(&world->ram);
        ram_appears(&world->parts);
    } else {
        ram_goes(&world->ram);
        ram_goes(&world->parts);
        iommu_appears();
    }
}

/* ---- the guest's IOMMU ---- */

static void guest_map(void)
{
    uint64_t first = any(GIOVA_UNITS);
    uint64_t length = 1 + any(MIN(8, GIOVA_UNITS - first));
    uint64_t from = any(RAM_UNITS - 8);

    for (uint64_t i = 0; i < GIOVA_UNITS; i++) {
        if (world->mapped[i] && i < first + length &&
            first < i + world->length[i]) {
            return;
        }
    }
    world->mapped[first] = true;
    world->length[first] = length;
    vfio_host_iommu_map(world->iommu, GIOVA + first * UNIT, world->ram.mr,
                        from * UNIT, length * UNIT);
}

/* One that is mapped, if any is */
static bool any_mapping(uint64_t *first)
{
    *first = any(GIOVA_UNITS);
    for (unsigned i = 0; i < GIOVA_UNITS && !world->mapped[*first]; i++) {
        *first = (*first + 1) % GIOVA_UNITS;
    }
    return world->mapped[*first];
}

/* One mapping, or all of them at once */
static void guest_unmap(void)
{
    uint64_t first, length = GIOVA_UNITS;

    if (any(8) == 0) {
        memset(world->mapped, 0, sizeof(world->mapped));
        first = 0;
    } else if (!any_mapping(&first)) {
        return;
    } else {
        world->mapped[first] = false;
        length = world->length[first];
    }
    vfio_host_iommu_unmap(world->iommu, GIOVA + first * UNIT, length * UNIT);
    if (world->translated) {
        g_assert_false(vfio_sim_dma_write("src", GIOVA + first * UNIT, 8));
    }
}

/* ---- the device ---- */

static void write_to(uint64_t iova, uint64_t units)
{
    uint64_t pages = units * UNIT / PAGE;
    uint64_t first = any(pages);
    uint64_t count = 1 + any(MIN(20, pages - first));

    world->writes += vfio_sim_dma_write("src", iova + first * PAGE,
                                        count * PAGE);
}

static void device_writes(void)
{
    uint64_t first;

    if (!world->running) {
        return;
    }
    if (!world->translated) {
        write_to(world->ram.iova, RAM_UNITS);
        /* Within one part */
        write_to(world->parts.iova + any(PARTS_UNITS / 4) * PARTS_GRANULE,
                 PARTS_GRANULE / UNIT);
    } else if (any_mapping(&first)) {
        write_to(GIOVA + first * UNIT, world->length[first]);
    }
}

/* ---- the migration of RAM ---- */

static void copy_ram(Ram *ram, bool all)
{
    for (uint64_t at = 0; at < ram->units * UNIT; at += PAGE) {
        if (vfio_host_ram_dirty(ram->mr, at, true) || all) {
            memcpy(ram->copy + at, vfio_host_ram_ptr(ram->mr) + at, PAGE);
        }
    }
}

static void sync_and_copy(void)
{
    MemoryListener *listener = world->listener;
    MemoryRegionSection section;

    if (world->translated) {
        for (unsigned half = 0; half < 2; half++) {
            section = iommu_section(half);
            listener->log_sync(listener, &section);
        }
    } else {
        section = ram_section(&world->ram);
        listener->log_sync(listener, &section);
        section = ram_section(&world->parts);
        listener->log_sync(listener, &section);
    }
    copy_ram(&world->ram, false);
    copy_ram(&world->parts, false);
}

static bool ram_is_same(Ram *ram)
{
    return !memcmp(ram->copy, vfio_host_ram_ptr(ram->mr), ram->units * UNIT);
}

static void one_step(void)
{
    switch (any(12)) {
    case 0:
        sync_and_copy();
        break;
    case 1:
        switch_translation();
        break;
    case 2:
        if (!world->translated) {
            ram_goes(&world->ram);
            ram_appears(&world->ram);
        }
        break;
    case 3:
        guest_unmap();
        break;
    case 4:
    case 5:
    case 6:
        guest_map();
        break;
    default:
        device_writes();
    }
}

static void log_start(void)
{
    global_dirty_tracking = 1;
    world->listener->log_global_start(world->listener);
}

static void log_stop(void)
{
    global_dirty_tracking = 0;
    world->listener->log_global_stop(world->listener);
}

/* As QEMU: RAM is set up before devices, and its last sync before theirs. */
static void phase_hook(VFIOHostPhase phase, unsigned round, void *opaque)
{
    switch (phase) {
    case VFIO_HOST_PHASE_SETUP:
        log_start();
        sync_and_copy();
        break;
    case VFIO_HOST_PHASE_ITERATE:
        if (round == 0) {
            copy_ram(&world->ram, true);
            copy_ram(&world->parts, true);
        }
        for (unsigned i = 0; i < STEPS; i++) {
            one_step();
        }
        break;
    case VFIO_HOST_PHASE_SWITCHOVER:
        world->running = false;
        sync_and_copy();
        break;
    }
}

/* ---- a world ---- */

static void ram_init(Ram *ram, uint64_t units)
{
    ram->mr = vfio_host_ram_new(units * UNIT);
    ram->units = units;
    ram->copy = g_malloc0(units * UNIT);
}

static void ram_destroy(Ram *ram)
{
    vfio_host_ram_free(ram->mr);
    g_free(ram->copy);
}

/* @config: of the container */
static void world_begin(const char *config, uint32_t seed)
{
    VFIODirtyTracker *t;

    comp_sim(config);
    world = g_new0(World, 1);
    world->rand = g_rand_new_with_seed(seed);
    world->vbasedev = comp_open("src");
    world->container = world->vbasedev->group->container;
    world->listener = &world->container->listener;
    t = vfio_dirty_tracker_of(world->container);
    t->original.region_add = common_region_add;
    t->original.region_del = common_region_del;
    world->window.max_iova = UINT64_MAX;
    QLIST_INSERT_HEAD(&world->container->hostwin_list, &world->window,
                      hostwin_next);

    /* RAM offsets are no addresses, and not aligned to words of a bitmap */
    vfio_host_ram_skip(any(3) * UNIT + any(2) * PAGE * 7);
    ram_init(&world->ram, RAM_UNITS);
    vfio_host_ram_skip(any(70) * PAGE);
    ram_init(&world->parts, PARTS_UNITS);
    vfio_host_ram_in_parts(world->parts.mr, PARTS_GRANULE);
    for (uint64_t at = 0; at < PARTS_UNITS * UNIT; at += PARTS_GRANULE) {
        vfio_host_ram_populate(world->parts.mr, at, PARTS_GRANULE, any(2));
    }
    world->iommu = vfio_host_iommu_new();
    ram_appears(&world->ram);
    ram_appears(&world->parts);
    world->running = true;
    vfio_host_vm_start();
}

static void world_end(void)
{
    if (world->translated) {
        switch_translation();
    }
    ram_goes(&world->ram);
    ram_goes(&world->parts);
    QLIST_REMOVE(&world->window, hostwin_next);
    comp_close_all();
    vfio_host_iommu_free(world->iommu);
    ram_destroy(&world->ram);
    ram_destroy(&world->parts);
    g_rand_free(world->rand);
    g_free(world);
    world = NULL;
    comp_sim_end();
}

static int world_migrate(char **error)
{
    VFIOHostSaveOptions options = {
        .threshold_bytes = 1 << 20, .min_rounds = 3, .hook = phase_hook,
    };
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    int ret;

    for (unsigned i = 0; i < STEPS; i++) {
        one_step();
    }
    vfio_host_ram_dirty_count();
    ret = comp_save(bytes, &options, error);
    log_stop();
    return ret;
}

static void expect_same(uint32_t seed)
{
    if (!ram_is_same(&world->ram) || !ram_is_same(&world->parts)) {
        g_error("seed %u: completed, but RAM differs", seed);
    }
}

#define SRC "[device src]\ngroup=1\nstate-size=4K\nwindow-size=4K\n"

/* ---- random worlds ---- */

typedef struct Kind {
    const char *name;
    const char *config;
    unsigned rounds;
} Kind;

static const Kind kinds[] = {
    { "plain", SRC, 60 },
    { "all-dirty", "[container]\ndirty-mode=all\n" SRC, 20 },
    { "pages-of-16K", "[container]\npage-sizes=16K\n" SRC, 40 },
    { "pages-of-64K", "[container]\npage-sizes=64K\n" SRC, 40 },
    /* 128 pages: less than a section, more than a part */
    { "small-bitmaps", "[container]\nmax-bitmap-size=16\n" SRC, 40 },
    /* 64 pages: one part each */
    { "tiny-bitmaps", "[container]\nmax-bitmap-size=8\n" SRC, 40 },
    { "no-tracking", "[container]\ndirty-tracking=no\n" SRC, 40 },
};

static void test_random(gconstpointer data)
{
    const Kind *kind = data;
    unsigned writes = 0;

    for (unsigned i = 0; i < kind->rounds; i++) {
        uint32_t seed = g_test_rand_int();
        g_autofree char *error = NULL;

        world_begin(kind->config, seed);
        if (world_migrate(&error) < 0) {
            g_error("seed %u: %s", seed, error);
        }
        expect_same(seed);
        writes += world->writes;
        world_end();
    }
    g_assert_cmpuint(writes, >, kind->rounds * 10);
}

/* ---- each call fails once ---- */

typedef struct Fault {
    const char *event;
    const char *phase;
    const char *words;          /* of the error */
} Fault;

static const Fault faults[] = {
    { "dirty-start", "", "cannot start dirty page tracking" },
    { "dirty-stop", "", "cannot stop" },
    { "dirty-get", "phase=migration\n", "are dirty" },
    { "unmap-dma", "phase=migration\n", "" },
};

static const char *const errnos[] = { "EINVAL", "E2BIG", "ENOMEM", "EINTR" };

/* Returns whether there was an @n-th call. */
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
        comp_assert_has(error, "container of src");
        comp_assert_has(error, f->words);
        g_assert_cmpstr(name, !=, "EINTR");
        /* And once more, when it does not fail */
        g_clear_pointer(&error, g_free);
        world->running = true;
        vfio_host_vm_start();
        if (world_migrate(&error) < 0) {
            g_error("seed %u: again: %s", seed, error);
        }
    }
    expect_same(seed);
    fired = vfio_sim_fault_fired("call") > 0;
    world_end();
    return fired;
}

static void test_fault(gconstpointer data)
{
    const Fault *f = data;
    uint32_t seed = g_test_rand_int();
    unsigned fired = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(errnos); i++) {
        for (unsigned n = 1; fail_call(f, errnos[i], n, seed); n++) {
            fired++;
        }
    }
    g_test_message("%s: %u calls failed", f->event, fired);
    g_assert_cmpuint(fired, >=, G_N_ELEMENTS(errnos));
}

/* ---- single things ---- */

static void expect_dirty(Ram *ram, uint64_t from, uint64_t bytes)
{
    for (uint64_t at = 0; at < ram->units * UNIT; at += PAGE) {
        bool inside = at >= from && at < from + bytes;

        g_assert_cmpint(vfio_host_ram_dirty(ram->mr, at, true), ==, inside);
    }
}

/* Pages that the device did not write are not sent again. */
static void exact_hook(VFIOHostPhase phase, unsigned round, void *opaque)
{
    if (phase == VFIO_HOST_PHASE_SETUP) {
        log_start();
    } else if (phase == VFIO_HOST_PHASE_ITERATE && round == 0) {
        for (uint64_t at = 0; at < 10 * PAGE; at += PAGE) {
            g_assert_true(vfio_sim_dma_write("src", world->ram.iova + at,
                                             3 * PAGE));
            sync_and_copy();
            g_assert_true(vfio_sim_dma_write("src", world->ram.iova + at,
                                             3 * PAGE));
            ram_goes(&world->ram);
            expect_dirty(&world->ram, at, 3 * PAGE);
            ram_appears(&world->ram);
            g_assert_cmpuint(vfio_host_ram_dirty_count(), ==, 0);
        }
    }
}

static void test_exact(void)
{
    VFIOHostSaveOptions options = {
        .min_rounds = 1, .hook = exact_hook,
    };
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    world_begin(SRC, 1);
    g_assert_cmpint(comp_save(bytes, &options, NULL), ==, 0);
    log_stop();
    world_end();
}

/*
 * A device without migration object beside one that migrates, as a failover
 * primary: what it writes is found too (L-10).
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
    log_start();
    vfio_host_ram_dirty_count();
    g_assert_true(vfio_sim_dma_write("other", world->ram.iova, PAGE));
    sync_and_copy();
    g_assert_cmpint(memcmp(world->ram.copy, vfio_host_ram_ptr(world->ram.mr),
                           PAGE), ==, 0);
    log_stop();
    world_end();
}

/* The last device of a container gives its callbacks back. */
static void test_detach(void)
{
    MemoryListener before;
    VFIODevice *src, *other;
    VFIOContainer *container;

    comp_sim(SRC "[device other]\ngroup=2\n");
    src = comp_open("src");
    container = src->group->container;
    before = vfio_dirty_tracker_of(container)->original;
    other = comp_open("other");
    g_assert_true(other->group->container == container);
    vfio_migration_finalize(src);
    g_assert_true(container->listener.log_sync != before.log_sync);
    /* Now "src" is a device that nobody looks after, but it is there */
    vfio_dirty_detach(other);
    g_assert_nonnull(vfio_dirty_tracker_of(container));
    comp_close(src);
    vfio_migration_finalize(other);
    g_assert_null(vfio_dirty_tracker_of(container));
    g_assert_true(container->listener.log_sync == before.log_sync);
    g_assert_true(container->listener.region_add == before.region_add);
    g_assert_true(container->listener.region_del == before.region_del);
    g_assert_true(container->listener.log_global_start ==
                  before.log_global_start);
    g_assert_true(container->listener.log_global_stop ==
                  before.log_global_stop);
    comp_sim_end();
}

/* A guest IOMMU that was there before, with a notifier of QEMU's own */
static void foreign_notify(IOMMUNotifier *n, IOMMUTLBEntry *iotlb)
{
    g_assert_not_reached();
}

static void test_attach_late(void)
{
    VFIOGuestIOMMU giommu = { 0 };
    VFIODirtyTracker *t;
    VFIODevice *other;

    world_begin(SRC "[device other]\ngroup=2\n", 3);
    switch_translation();
    guest_map();
    iommu_goes();
    vfio_migration_finalize(world->vbasedev);
    g_assert_null(vfio_dirty_tracker_of(world->container));

    giommu.container = world->container;
    giommu.iommu_mr = memory_region_get_iommu(world->iommu);
    giommu.n.notify = foreign_notify;
    giommu.n.end = UINT64_MAX;
    QLIST_INSERT_HEAD(&world->container->giommu_list, &giommu, giommu_next);
    other = comp_open("other");
    t = vfio_dirty_tracker_of(world->container);
    g_assert_nonnull(t);
    g_assert_true(giommu.n.notify != foreign_notify);
    g_assert_cmpuint(vfio_dirty_mappings_count(t->mappings), ==, 1);
    QLIST_REMOVE(&world->window, hostwin_next);

    /* Both are gone: the notifier is QEMU's again */
    comp_close(world->vbasedev);
    g_assert_true(giommu.n.notify != foreign_notify);
    vfio_migration_finalize(other);
    g_assert_true(giommu.n.notify == foreign_notify);
    QLIST_REMOVE(&giommu, giommu_next);
    comp_close(other);
    vfio_host_iommu_free(world->iommu);
    ram_destroy(&world->ram);
    ram_destroy(&world->parts);
    g_rand_free(world->rand);
    g_free(world);
    world = NULL;
    comp_sim_end();
}

int main(int argc, char **argv)
{
    comp_init(&argc, &argv);
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autofree char *name = g_strconcat("/dirty/random/", kinds[i].name,
                                            NULL);

        g_test_add_data_func(name, &kinds[i], test_random);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(faults); i++) {
        g_autofree char *name = g_strconcat("/dirty/fault/", faults[i].event,
                                            NULL);

        g_test_add_data_func(name, &faults[i], test_fault);
    }
    g_test_add_func("/dirty/exact", test_exact);
    g_test_add_func("/dirty/beside", test_beside);
    g_test_add_func("/dirty/detach", test_detach);
    g_test_add_func("/dirty/attach-late", test_attach_late);
    return comp_run();
}
