/*
 * Guest memory for tests of dirty tracking
 *
 * RAM with dirty bits, RAM that is plugged in parts, and a guest's IOMMU.
 * What is dirty for a migration is read with dirty_ram_dirty().
 *
 * Locks: the BQL for everything.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_COMPONENT_DIRTY_MEMORY_H
#define TESTS_COMPONENT_DIRTY_MEMORY_H

#include "qemu/osdep.h"
#include "exec/memory.h"

/* RAM of @size_bytes, a multiple of 4 KiB; at the next free RAM offset */
MemoryRegion *dirty_ram_new(uint64_t size_bytes);
void dirty_ram_free(MemoryRegion *mr);
uint8_t *dirty_ram_ptr(MemoryRegion *mr);

/* Leave a hole between the RAM before and the RAM after. */
void dirty_ram_skip(uint64_t size_bytes);

/* From now on @mr has parts of @granule_bytes, none of them populated. */
void dirty_ram_in_parts(MemoryRegion *mr, uint64_t granule_bytes);
void dirty_ram_populate(MemoryRegion *mr, uint64_t offset,
                            uint64_t size_bytes, bool populated);

/* Is the page of 4 KiB at @offset of @mr dirty? @clear: and forget it */
bool dirty_ram_dirty(MemoryRegion *mr, uint64_t offset, bool clear);
/* Pages of all RAM that are dirty; forgets them all */
uint64_t dirty_ram_dirty_count(void);

/*
 * A section is there, or is not any more: what a listener is told of that
 * registers. Those that are registered are told by the caller.
 */
void dirty_section_add(const MemoryRegionSection *section);
void dirty_section_del(const MemoryRegionSection *section);

/* A guest's IOMMU over all of 2^64, with nothing mapped */
MemoryRegion *dirty_iommu_new(void);
void dirty_iommu_free(MemoryRegion *mr);
/* The guest maps: what is told to a notifier, and again by each replay */
void dirty_iommu_map(MemoryRegion *mr, uint64_t iova, MemoryRegion *ram,
                         uint64_t offset, uint64_t size_bytes);
/* ... and unmaps; as of intel_iommu, the event does not say where it led */
void dirty_iommu_unmap(MemoryRegion *mr, uint64_t iova,
                           uint64_t size_bytes);
unsigned dirty_iommu_notifiers(MemoryRegion *mr);

#endif /* TESTS_COMPONENT_DIRTY_MEMORY_H */
