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
    bool populated[PARTS_UNITS]; /* by unit */
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

/* What is not plugged is not touched (B-26) */
static bool is_there(Ram *ram, uint64_t at)
{
    return ram != &world->parts || world->populated[at / UNIT];
}

static void copy_ram(Ram *ram, bool all)
{
    for (uint64_t at = 0; at < ram->units * UNIT; at += PAGE) {
        bool dirty = vfio_host_ram_dirty(ram->mr, at, true);

        g_assert_true(!dirty || is_there(ram, at));
        if (dirty || all) {
            memcpy(ram->copy + at, vfio_host_ram_ptr(ram->mr) + at, PAGE);
        }
    }
}

/* As many records as the guest has mappings, while there is an IOMMU */
static void check_records(void)
{
    VFIODirtyTracker *t = vfio_dirty_tracker_of(world->container);
    unsigned mapped = 0;

    for (unsigned i = 0; i < GIOVA_UNITS; i++) {
        mapped += world->translated && world->mapped[i];
    }
    g_assert_cmpuint(vfio_dirty_mappings_count(t->mappings), ==, mapped);
}

static void sync_and_copy(void)
{
    MemoryListener *listener = world->listener;
    MemoryRegionSection section;

    check_records();
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

static void populate(uint64_t at, bool populated)
{
    vfio_host_ram_populate(world->parts.mr, at, PARTS_GRANULE, populated);
    for (uint64_t i = 0; i < PARTS_GRANULE / UNIT; i++) {
        world->populated[at / UNIT + i] = populated;
    }
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
        populate(at, any(2));
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

/* A bitmap of 64 pages, and RAM in parts of 64: each is read alone (D-2). */
static void test_exact_parts(void)
{
    world_begin("[container]\nmax-bitmap-size=8\n" SRC, 4);
    ram_goes(&world->parts);
    for (uint64_t at = 0; at < PARTS_UNITS * UNIT; at += PARTS_GRANULE) {
        populate(at, at != PARTS_GRANULE);
    }
    ram_appears(&world->parts);
    log_start();
    vfio_host_ram_dirty_count();
    for (uint64_t at = 2 * PARTS_GRANULE; at < PARTS_UNITS * UNIT;
         at += PARTS_GRANULE) {
        MemoryRegionSection section = ram_section(&world->parts);

        g_assert_true(vfio_sim_dma_write("src", world->parts.iova + at,
                                         PAGE));
        world->listener->log_sync(world->listener, &section);
        expect_dirty(&world->parts, at, PAGE);
    }
    g_assert_cmpuint(vfio_host_ram_dirty_count(), ==, 0);
    log_stop();
    world_end();
}

/* ---- behind the guest's IOMMU ---- */

static void begin_translated(const char *config, uint32_t seed)
{
    world_begin(config, seed);
    switch_translation();
    log_start();
    vfio_host_ram_dirty_count();
}

static void map_at(uint64_t giova_unit, uint64_t ram_unit, uint64_t units)
{
    world->mapped[giova_unit] = true;
    world->length[giova_unit] = units;
    vfio_host_iommu_map(world->iommu, GIOVA + giova_unit * UNIT,
                        world->ram.mr, ram_unit * UNIT, units * UNIT);
}

/* Mapped elsewhere without an unmap: the bits of what was there stay. */
static void test_remap(void)
{
    begin_translated(SRC, 5);
    map_at(0, 3, 1);
    g_assert_true(vfio_sim_dma_write("src", GIOVA, PAGE));
    map_at(0, 9, 1);
    expect_dirty(&world->ram, 3 * UNIT, PAGE);
    g_assert_true(vfio_sim_dma_write("src", GIOVA + PAGE, PAGE));
    check_records();
    guest_unmap();
    expect_dirty(&world->ram, 9 * UNIT + PAGE, PAGE);
    log_stop();
    world_end();
}

static void map_hook(VFIOHostPhase phase, unsigned round, void *opaque)
{
    bool *strayed = opaque;

    if (phase == VFIO_HOST_PHASE_SETUP) {
        log_start();
    } else if (phase == VFIO_HOST_PHASE_ITERATE && round == 0) {
        *strayed = vfio_sim_dma_write("src", GIOVA + UNIT, PAGE);
        sync_and_copy();
    }
}

/* What the kernel has mapped and nobody knows of: no guess, an error. */
static void test_stray(void)
{
    bool strayed = false;
    VFIOHostSaveOptions options = {
        .min_rounds = 1, .hook = map_hook, .opaque = &strayed,
    };
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autofree char *error = NULL;

    world_begin(SRC, 6);
    switch_translation();
    map_at(0, 3, 1);
    map_at(2, 5, 1);
    g_assert_cmpint(vfio_dirty_map(world->container, GIOVA + UNIT, UNIT,
                                   vfio_host_ram_ptr(world->ram.mr), false),
                    ==, 0);
    g_assert_cmpint(comp_save(bytes, &options, &error), <, 0);
    g_assert_true(strayed);
    comp_assert_has(error, "outside of what the guest's IOMMU");
    log_stop();
    world_end();
}

/* A section of the IOMMU that begins elsewhere than its addresses */
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
    vfio_host_iommu_map(world->iommu, UNIT, world->ram.mr, UNIT, UNIT);
    log_start();
    vfio_host_ram_dirty_count();
    g_assert_true(vfio_sim_dma_write("src", base + UNIT, PAGE));
    world->listener->log_sync(world->listener, &section);
    expect_dirty(&world->ram, UNIT, PAGE);
    log_stop();
    world->listener->region_del(world->listener, &section);
    g_assert_false(vfio_sim_dma_write("src", base + UNIT, PAGE));
    world_end();
}

/* All of 2^64 at once (B-12), more than the size of one ioctl can say */
static void test_unmap_all(void)
{
    world_begin(SRC, 8);
    g_assert_cmpint(vfio_dirty_unmap(world->container, 0, UINT64_MAX), ==, 0);
    g_assert_false(vfio_sim_dma_write("src", world->ram.iova, 8));
    world_end();
}

/* ---- devices ---- */

/*
 * No device of the container can migrate, and nothing is tracked: while the
 * VM runs it is not taken for stopped.
 */
static void test_no_object(void)
{
    MemoryRegionSection section;

    world_begin("[container]\ndirty-tracking=no\n" SRC "migration=no\n", 9);
    g_assert_null(world->vbasedev->migration);
    section = ram_section(&world->ram);
    log_start();
    vfio_host_ram_dirty_count();
    world->listener->log_sync(world->listener, &section);
    g_assert_cmpuint(vfio_host_ram_dirty_count(), ==, 0);
    vfio_host_vm_stop(RUN_STATE_PAUSED);
    world->listener->log_sync(world->listener, &section);
    g_assert_cmpuint(vfio_host_ram_dirty_count(), ==,
                     RAM_UNITS * UNIT / PAGE);
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
    g_test_add_func("/dirty/exact-parts", test_exact_parts);
    g_test_add_func("/dirty/remap", test_remap);
    g_test_add_func("/dirty/stray", test_stray);
    g_test_add_func("/dirty/iommu-offset", test_iommu_offset);
    g_test_add_func("/dirty/unmap-all", test_unmap_all);
    g_test_add_func("/dirty/no-object", test_no_object);
    g_test_add_func("/dirty/beside", test_beside);
    g_test_add_func("/dirty/detach", test_detach);
    g_test_add_func("/dirty/attach-late", test_attach_late);
    return comp_run();
}
