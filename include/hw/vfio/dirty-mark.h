/*
 * Dirty tracking: memory that is marked because nothing reports writes to it
 *
 * Locks: everything needs the BQL.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_DIRTY_MARK_H
#define HW_VFIO_DIRTY_MARK_H

#include "hw/vfio/dirty-sections.h"

/* Mark everything in @section that is mapped. */
void vfio_dirty_mark_section(VFIODirtyTracker *t,
                             MemoryRegionSection *section);

/* The same for all sections. */
void vfio_dirty_mark_all(VFIODirtyTracker *t);

/*
 * vfio_dirty_mark_parts: mark what neither the IOMMU nor a device's log covers
 *
 * These are mappings that are too large for a bitmap of the IOMMU, and memory
 * outside the ranges in which a device logs its DMA.
 */
void vfio_dirty_mark_parts(VFIODirtyTracker *t);
void vfio_dirty_mark_parts_of(VFIODirtyTracker *t,
                              MemoryRegionSection *section);

/* How much is mapped for the devices, in bytes */
uint64_t vfio_dirty_mapped_bytes(VFIODirtyTracker *t);

#endif /* HW_VFIO_DIRTY_MARK_H */
