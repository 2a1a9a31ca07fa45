/*
 * Dirty tracking: splitting the RAM of a section into ranges
 *
 * Locks: everything needs the BQL.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_DIRTY_SECTIONS_H
#define HW_VFIO_DIRTY_SECTIONS_H

#include "hw/vfio/dirty-container.h"

/*
 * vfio_dirty_is_section: could a device write to @section?
 *
 * This does not mean that it is mapped; if it is not, the kernel has no bits
 * for it.
 */
bool vfio_dirty_is_section(MemoryRegionSection *section);

/* The last address of @section, in its address space */
uint64_t vfio_dirty_section_last(MemoryRegionSection *section);

typedef void VFIODirtySectionFunc(VFIODirtyTracker *t,
                                  MemoryRegionSection *section, void *opaque);

/* vfio_dirty_each_section: call @func for each section devices can write to */
void vfio_dirty_each_section(VFIODirtyTracker *t, VFIODirtySectionFunc *func,
                             void *opaque);

/*
 * Called with ranges, each of RAM at @ram_addr and small enough for one
 * bitmap. Returns 0 to continue; any other value ends the walk.
 */
typedef struct VFIODirtyWalk VFIODirtyWalk;
typedef int VFIODirtyWalkFunc(VFIODirtyWalk *walk,
                              const VFIODirtyRange *range,
                              uint64_t ram_addr);

struct VFIODirtyWalk {
    VFIODirtyTracker *t;
    VFIODirtyWalkFunc *tracked;
    VFIODirtyWalkFunc *untracked;  /* for mappings too large for a bitmap */
    uint64_t max_pages;             /* of one bitmap */
    void *opaque;
    Error **errp;
};

/*
 * vfio_dirty_walk: walk over everything in a RAM section that can be mapped
 *
 * If RAM is populated in parts (virtio-mem), only these are visited: the
 * others must not be touched.
 *
 * Returns: 0, or what the function that ended the walk returned.
 */
int vfio_dirty_walk(VFIODirtyWalk *walk, MemoryRegionSection *section);

#endif /* HW_VFIO_DIRTY_SECTIONS_H */
