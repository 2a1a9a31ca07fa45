/*
 * A small migration of RAM, with a device that writes to it
 *
 * Owns: see dirty-world.h.
 * Locks: none; one thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "dirty-world.h"

World *world;

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
        uint8_t *ram = dirty_ram_ptr(section->mr) +
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

MemoryRegionSection world_ram_section(Ram *ram)
{
    return (MemoryRegionSection) {
        .size = int128_make64(ram->units * UNIT),
        .mr = ram->mr,
        .offset_within_address_space = ram->iova,
    };
}

/* All of 2^64, in two halves, as around the interrupt window of x86 */
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

static void section_appears(MemoryRegionSection *section)
{
    dirty_section_add(section);
    world->listener->region_add(world->listener, section);
}

/* QEMU calls listeners before the section leaves the address space. */
static void section_goes(MemoryRegionSection *section)
{
    world->listener->region_del(world->listener, section);
    dirty_section_del(section);
}

void world_ram_comes_back(Ram *ram)
{
    MemoryRegionSection section = world_ram_section(ram);

    ram->present = true;
    section_appears(&section);
}

void world_ram_appears(Ram *ram)
{
    /* Sections never overlap; they are above and below 4 GiB. */
    uint64_t base = ram == &world->ram ? 0 : UINT64_C(1) << 40;

    ram->iova = base + any(200) * UINT64_C(0x4000000);
    world_ram_comes_back(ram);
}

void world_ram_goes(Ram *ram)
{
    MemoryRegionSection section = world_ram_section(ram);

    section_goes(&section);
    ram->present = false;
    /* No mapping remains. */
    g_assert_false(vfio_sim_dma_write("src", ram->iova, 8));
}

static void iommu_appears(void)
{
    for (unsigned half = 0; half < 2; half++) {
        MemoryRegionSection section = iommu_section(half);

        section_appears(&section);
    }
    world->translated = true;
}

void world_iommu_goes(void)
{
    for (unsigned half = 0; half < 2; half++) {
        MemoryRegionSection section = iommu_section(half);

        section_goes(&section);
    }
    world->translated = false;
}

void world_switch_translation(void)
{
    if (world->translated) {
        world_iommu_goes();
        world_ram_appears(&world->ram);
        world_ram_appears(&world->parts);
    } else {
        world_ram_goes(&world->ram);
        world_ram_goes(&world->parts);
        iommu_appears();
    }
}

/* ---- the guest's IOMMU ---- */

void world_guest_map(void)
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
    dirty_iommu_map(world->iommu, GIOVA + first * UNIT, world->ram.mr,
                        from * UNIT, length * UNIT);
}

/* Choose one of the existing mappings. Returns false if there is none. */
static bool any_mapping(uint64_t *first)
{
    *first = any(GIOVA_UNITS);
    for (unsigned i = 0; i < GIOVA_UNITS && !world->mapped[*first]; i++) {
        *first = (*first + 1) % GIOVA_UNITS;
    }
    return world->mapped[*first];
}

/* Unmap one mapping, or all of them at once. */
void world_guest_unmap(void)
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
    dirty_iommu_unmap(world->iommu, GIOVA + first * UNIT, length * UNIT);
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

    world->writes += vfio_sim_dma_write(
        world->other && any(2) ? world->other : "src", iova + first * PAGE,
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
        /* Must not cross the boundary of a part. */
        write_to(world->parts.iova + any(PARTS_UNITS / 4) * PARTS_GRANULE,
                 PARTS_GRANULE / UNIT);
    } else if (any_mapping(&first)) {
        write_to(GIOVA + first * UNIT, world->length[first]);
    }
}

/* ---- the migration of RAM ---- */

/* Memory that is not plugged must not be accessed. */
static bool is_there(Ram *ram, uint64_t at)
{
    return ram != &world->parts || world->populated[at / UNIT];
}

static void copy_ram(Ram *ram, bool all)
{
    for (uint64_t at = 0; at < ram->units * UNIT; at += PAGE) {
        bool dirty = dirty_ram_dirty(ram->mr, at, true);

        g_assert_true(!dirty || is_there(ram, at));
        if (dirty || all) {
            memcpy(ram->copy + at, dirty_ram_ptr(ram->mr) + at, PAGE);
        }
    }
}

/* With an IOMMU, the number of records must be the number of mappings. */
void world_check_records(void)
{
    VFIODirtyTracker *t = vfio_dirty_tracker_of(world->container);
    unsigned mapped = 0;

    for (unsigned i = 0; i < GIOVA_UNITS; i++) {
        mapped += world->translated && world->mapped[i];
    }
    g_assert_cmpuint(vfio_dirty_mappings_count(t->mappings), ==, mapped);
}

void world_sync(void)
{
    world_check_records();
    if (world->translated) {
        for (unsigned half = 0; half < 2; half++) {
            MemoryRegionSection section = iommu_section(half);

            world->listener->log_sync(world->listener, &section);
        }
    } else {
        world_sync_ram(&world->ram);
        world_sync_ram(&world->parts);
    }
    copy_ram(&world->ram, false);
    copy_ram(&world->parts, false);
}

void world_sync_ram(Ram *ram)
{
    MemoryRegionSection section = world_ram_section(ram);

    world->listener->log_sync(world->listener, &section);
}

uint64_t world_synced_pages(void)
{
    world_sync_ram(&world->ram);
    return dirty_ram_dirty_count();
}

static bool is_same(Ram *ram)
{
    return !memcmp(ram->copy, dirty_ram_ptr(ram->mr), ram->units * UNIT);
}

void world_expect_same(uint32_t seed)
{
    if (!is_same(&world->ram) || !is_same(&world->parts)) {
        g_error("seed %u: completed, but RAM differs", seed);
    }
}

void world_expect_dirty(Ram *ram, uint64_t from, uint64_t bytes)
{
    for (uint64_t at = 0; at < ram->units * UNIT; at += PAGE) {
        bool inside = at >= from && at < from + bytes;

        g_assert_cmpint(dirty_ram_dirty(ram->mr, at, true), ==, inside);
    }
}

uint64_t world_mapped_pages(void)
{
    uint64_t units = RAM_UNITS;

    for (unsigned i = 0; i < PARTS_UNITS; i++) {
        units += world->populated[i];
    }
    return units * UNIT / PAGE;
}

static void one_step(void)
{
    switch (any(12)) {
    case 0:
        world_sync();
        break;
    case 1:
        if (!world->no_iommu) {
            world_switch_translation();
        }
        break;
    case 2:
        if (!world->translated) {
            world_ram_goes(&world->ram);
            world_ram_appears(&world->ram);
        }
        break;
    case 3:
        world_guest_unmap();
        break;
    case 4:
    case 5:
    case 6:
        world_guest_map();
        break;
    default:
        device_writes();
    }
}

void world_log_start(void)
{
    global_dirty_tracking = 1;
    world->listener->log_global_start(world->listener);
}

void world_log_start_clean(void)
{
    world_log_start();
    dirty_ram_dirty_count();
}

void world_log_starts(VFIOHostRun *run)
{
    world_log_start();
}

void world_log_stop(void)
{
    global_dirty_tracking = 0;
    world->listener->log_global_stop(world->listener);
}

static void start_log(VFIOHostRun *run)
{
    world_log_start();
    world_sync();
}

static void copy_all(VFIOHostRun *run)
{
    copy_ram(&world->ram, true);
    copy_ram(&world->parts, true);
}

static void some_steps(VFIOHostRun *run)
{
    for (unsigned i = 0; i < STEPS; i++) {
        one_step();
    }
}

static void last_sync(VFIOHostRun *run)
{
    world->running = false;
    world_sync();
}

/* ---- a world ---- */

void world_ram_init(Ram *ram, uint64_t units)
{
    ram->mr = dirty_ram_new(units * UNIT);
    ram->units = units;
    ram->copy = g_malloc0(units * UNIT);
}

void world_ram_destroy(Ram *ram)
{
    dirty_ram_free(ram->mr);
    g_free(ram->copy);
}

void world_populate(uint64_t at, bool populated)
{
    dirty_ram_populate(world->parts.mr, at, PARTS_GRANULE, populated);
    for (uint64_t i = 0; i < PARTS_GRANULE / UNIT; i++) {
        world->populated[at / UNIT + i] = populated;
    }
}

/* @config: configuration of the simulation */
void world_begin(const char *config, uint32_t seed)
{
    MemoryListener *callbacks;
    AttachListener *attached;

    comp_sim(config);
    world = g_new0(World, 1);
    world->rand = g_rand_new_with_seed(seed);
    world->vbasedev = comp_open("src");
    world->container = world->vbasedev->group->container;
    world->listener = &world->container->listener;
    attached = attach_listener_of(world->container);
    callbacks = attached ? &attached->original : world->listener;
    callbacks->region_add = common_region_add;
    callbacks->region_del = common_region_del;
    world->window.max_iova = UINT64_MAX;
    QLIST_INSERT_HEAD(&world->container->hostwin_list, &world->window,
                      hostwin_next);

    /* RAM offsets differ from addresses, and no bitmap word is aligned. */
    dirty_ram_skip(any(3) * UNIT + any(2) * PAGE * 7);
    world_ram_init(&world->ram, RAM_UNITS);
    dirty_ram_skip(any(70) * PAGE);
    world_ram_init(&world->parts, PARTS_UNITS);
    dirty_ram_in_parts(world->parts.mr, PARTS_GRANULE);
    for (uint64_t at = 0; at < PARTS_UNITS * UNIT; at += PARTS_GRANULE) {
        world_populate(at, any(2));
    }
    world->iommu = dirty_iommu_new();
    world_ram_appears(&world->ram);
    world_ram_appears(&world->parts);
    world->running = true;
    vfio_host_vm_start();
}

void world_end(void)
{
    if (global_dirty_tracking) {
        world_log_stop();
    }
    if (world->translated) {
        world_switch_translation();
    }
    world_ram_goes(&world->ram);
    world_ram_goes(&world->parts);
    QLIST_REMOVE(&world->window, hostwin_next);
    comp_close_all();
    dirty_iommu_free(world->iommu);
    world_ram_destroy(&world->ram);
    world_ram_destroy(&world->parts);
    g_rand_free(world->rand);
    g_free(world);
    world = NULL;
    comp_sim_end();
}

/* As in QEMU: RAM comes before devices, both at setup and in the last sync. */
int world_migrate(char **error)
{
    static VFIOHostStep *const steps[] = {
        vfio_host_begin, vfio_host_notify, start_log, vfio_host_setup,
        vfio_host_activate, copy_all, some_steps, vfio_host_round,
        some_steps, vfio_host_round, some_steps, vfio_host_round, some_steps, vfio_host_stop, last_sync,
        VFIO_HOST_STOPPED
    };
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    int ret;

    some_steps(NULL);
    dirty_ram_dirty_count();
    ret = comp_save(bytes, steps, error);
    world_log_stop();
    return ret;
}

void world_migrate_whole(uint32_t seed)
{
    g_autofree char *error = NULL;

    if (world_migrate(&error) < 0) {
        g_error("seed %u: %s", seed, error);
    }
    world_expect_same(seed);
}

int world_migrate_with(VFIOHostStep *at_begin, VFIOHostStep *in_round,
                       char **error)
{
    VFIOHostStep *const steps[] = {
        vfio_host_begin, vfio_host_notify, at_begin, vfio_host_setup,
        vfio_host_activate, in_round, vfio_host_round, vfio_host_rounds,
        VFIO_HOST_END
    };
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    int ret = comp_save(bytes, steps, error);

    world_log_stop();
    return ret;
}
