/*
 * Dirty tracking: splitting the RAM of a section into ranges
 *
 * Owns: which sections there are, which of them count, and which ranges of
 * them fit one bitmap.
 * Does not own: what is done with a range (dirty-tracking.c), arithmetic
 * (dirty-bitmap.c), sections of a guest's IOMMU (dirty-iommu.c).
 *
 * Locks: the BQL for everything.
 * Source: docs/dirty-tracking.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/vfio/dirty-sections.h"

bool vfio_dirty_is_section(MemoryRegionSection *section)
{
    if (memory_region_get_iommu(section->mr)) {
        return true;
    }
    return memory_region_is_ram(section->mr) && !section->readonly &&
           !memory_region_is_ram_device(section->mr) &&
           !memory_region_is_protected(section->mr);
}

uint64_t vfio_dirty_section_last(MemoryRegionSection *section)
{
    return section->offset_within_address_space +
           int128_get64(int128_sub(section->size, int128_one()));
}

/* ---- all sections ---- */

typedef struct VFIODirtyLister {
    MemoryListener listener;
    VFIODirtyTracker *t;
    VFIODirtySectionFunc *func;
    void *opaque;
} VFIODirtyLister;

/* The upper half of the address space only has BARs that are being sized. */
static void vfio_dirty_list_section(MemoryListener *listener,
                                    MemoryRegionSection *section)
{
    VFIODirtyLister *lister = container_of(listener, VFIODirtyLister,
                                           listener);

    if (vfio_dirty_is_section(section) &&
        !(section->offset_within_address_space & (UINT64_C(1) << 63))) {
        lister->func(lister->t, section, lister->opaque);
    }
}

/* A newly registered listener is called for all existing sections. */
void vfio_dirty_each_section(VFIODirtyTracker *t, VFIODirtySectionFunc *func,
                             void *opaque)
{
    VFIODirtyLister lister = {
        .listener = {
            .name = "vfio-dirty-sections",
            .region_add = vfio_dirty_list_section,
        },
        .t = t,
        .func = func,
        .opaque = opaque,
    };

    memory_listener_register(&lister.listener,
                             t->container->listener.address_space);
    memory_listener_unregister(&lister.listener);
}

/* ---- one section ---- */

static uint64_t vfio_dirty_section_ram(MemoryRegionSection *section)
{
    return memory_region_get_ram_addr(section->mr) +
           section->offset_within_region;
}

/* Pages of one mapping in @section: all of it, unless a RamDiscardManager */
static uint64_t vfio_dirty_mapping_pages(VFIODirtyTracker *t,
                                         MemoryRegionSection *section,
                                         uint64_t all_pages)
{
    RamDiscardManager *rdm =
        memory_region_get_ram_discard_manager(section->mr);
    uint64_t bytes;

    if (!rdm) {
        return MAX(all_pages, 1);
    }
    bytes = ram_discard_manager_get_min_granularity(rdm, section->mr);
    return MAX(bytes >> t->page_shift, 1);
}

/* Split one populated part into ranges that end where mappings end. */
static int vfio_dirty_walk_part(VFIODirtyWalk *walk,
                                MemoryRegionSection *section)
{
    VFIODirtyTracker *t = walk->t;
    uint64_t start = section->offset_within_address_space;
    uint64_t ram_addr, offset, mapping_pages, done, pages;
    VFIODirtyRange all;
    int ret = 0;

    if (!vfio_dirty_range(start, vfio_dirty_section_last(section),
                          t->page_shift, &all)) {
        return 0;
    }
    ram_addr = vfio_dirty_section_ram(section) + (all.iova - start);
    mapping_pages = vfio_dirty_mapping_pages(t, section, all.pages);
    offset = mapping_pages == all.pages ? 0 :
             section->offset_within_region >> t->page_shift;

    for (done = 0; ret == 0 && done < all.pages; done += pages) {
        uint64_t done_bytes = done << t->page_shift;
        VFIODirtyRange range = { .iova = all.iova + done_bytes };

        pages = vfio_dirty_next_pages(offset + done, mapping_pages,
                                      all.pages - done, walk->max_pages);
        range.pages = pages ?: MIN(mapping_pages -
                                   (offset + done) % mapping_pages,
                                   all.pages - done);
        ret = (pages ? walk->tracked : walk->untracked)(
            walk, &range, ram_addr + done_bytes);
        pages = range.pages;
    }
    return ret;
}

static int vfio_dirty_walk_populated(MemoryRegionSection *section,
                                     void *opaque)
{
    return vfio_dirty_walk_part(opaque, section);
}

int vfio_dirty_walk(VFIODirtyWalk *walk, MemoryRegionSection *section)
{
    RamDiscardManager *rdm =
        memory_region_get_ram_discard_manager(section->mr);

    if (rdm) {
        return ram_discard_manager_replay_populated(
            rdm, section, vfio_dirty_walk_populated, walk);
    }
    return vfio_dirty_walk_part(walk, section);
}
