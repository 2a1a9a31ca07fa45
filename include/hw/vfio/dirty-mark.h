/*
 * Dirty tracking: memory that is marked because nothing tells of it
 *
 * Locks: everything needs the BQL.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_DIRTY_MARK_H
#define HW_VFIO_DIRTY_MARK_H

#include "hw/vfio/dirty-sections.h"

/* Mark all of @section that is mapped. */
void vfio_dirty_mark_section(VFIODirtyTracker *t,
                             MemoryRegionSection *section);

/* The same for all sections that there are. */
void vfio_dirty_mark_all(VFIODirtyTracker *t);

/*
 * vfio_dirty_mark_parts: mark what those that tell of the rest leave out
 *
 * Mappings that are too large for a bitmap of the IOMMU, and memory outside
 * of what a device logs its DMA in.
 */
void vfio_dirty_mark_parts(VFIODirtyTracker *t);
void vfio_dirty_mark_parts_of(VFIODirtyTracker *t,
                              MemoryRegionSection *section);

/* How much is mapped for the devices, in bytes */
uint64_t vfio_dirty_mapped_bytes(VFIODirtyTracker *t);

#endif /* HW_VFIO_DIRTY_MARK_H */
