/*
 * Guest memory for tests of dirty tracking
 *
 * RAM with dirty bits, RAM that is plugged in parts, and a guest's IOMMU.
 * dirty_ram_dirty() reads what is dirty for a migration.
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

/* Make @mr consist of parts of @granule_bytes, none of them populated. */
void dirty_ram_in_parts(MemoryRegion *mr, uint64_t granule_bytes);
void dirty_ram_populate(MemoryRegion *mr, uint64_t offset,
                            uint64_t size_bytes, bool populated);

/* Is the 4 KiB page at @offset of @mr dirty? @clear: also clear the bit */
bool dirty_ram_dirty(MemoryRegion *mr, uint64_t offset, bool clear);
/* Number of dirty pages in all RAM; clears all bits */
uint64_t dirty_ram_dirty_count(void);

/*
 * Add or remove a section: listeners that are registered later are called for
 * existing sections. The caller calls those that are already registered.
 */
void dirty_section_add(const MemoryRegionSection *section);
void dirty_section_del(const MemoryRegionSection *section);

/* A guest's IOMMU over all of 2^64, with nothing mapped */
MemoryRegion *dirty_iommu_new(void);
void dirty_iommu_free(MemoryRegion *mr);
/* The guest maps: calls the notifier now, and again in each replay. */
void dirty_iommu_map(MemoryRegion *mr, uint64_t iova, MemoryRegion *ram,
                         uint64_t offset, uint64_t size_bytes);
/* ... and unmaps; as with intel_iommu, the event lacks the target address. */
void dirty_iommu_unmap(MemoryRegion *mr, uint64_t iova,
                           uint64_t size_bytes);
unsigned dirty_iommu_notifiers(MemoryRegion *mr);

#endif /* TESTS_COMPONENT_DIRTY_MEMORY_H */
