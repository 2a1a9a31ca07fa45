/*
 * Dirty tracking: RAM of a section, in ranges
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
 * That it is mapped is not said by this; where it is not, the kernel has no
 * bits for it.
 */
bool vfio_dirty_is_section(MemoryRegionSection *section);

/* The last address of @section, in its address space */
uint64_t vfio_dirty_section_last(MemoryRegionSection *section);

typedef void VFIODirtySectionFunc(VFIODirtyTracker *t,
                                  MemoryRegionSection *section, void *opaque);

/* vfio_dirty_each_section: @func for all that a device could write to now */
void vfio_dirty_each_section(VFIODirtyTracker *t, VFIODirtySectionFunc *func,
                             void *opaque);

/*
 * Called with each range of RAM at @ram_addr that one bitmap can hold.
 * Returns 0 to go on, else the walk ends.
 */
typedef struct VFIODirtyWalk VFIODirtyWalk;
typedef int VFIODirtyWalkFunc(VFIODirtyWalk *walk,
                              const VFIODirtyRange *range,
                              uint64_t ram_addr);

struct VFIODirtyWalk {
    VFIODirtyTracker *t;
    VFIODirtyWalkFunc *tracked;
    VFIODirtyWalkFunc *untracked;  /* a mapping that no bitmap can hold */
    uint64_t max_pages;             /* of one bitmap */
    void *opaque;
    Error **errp;
};

/*
 * vfio_dirty_walk: all of a RAM section that can be mapped
 *
 * Of RAM that is populated in parts only these parts: others must not be
 * touched.
 *
 * Returns: 0, or what the function returned that ended the walk.
 */
int vfio_dirty_walk(VFIODirtyWalk *walk, MemoryRegionSection *section);

#endif /* HW_VFIO_DIRTY_SECTIONS_H */
