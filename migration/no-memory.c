/*
 * The stand-alone host has no guest memory
 *
 * Owns: stubs of QEMU's functions for memory, which dirty tracking is linked
 * against. Nothing is mapped, so they are not called. A program that has memory
 * defines them itself.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "exec/ram_addr.h"

#define WEAK __attribute__((weak))

/* A function of QEMU that is not called */
#define NOT_CALLED(type, name, ...) \
    WEAK type name(__VA_ARGS__) { g_assert_not_reached(); }

WEAK RAMList ram_list;
WEAK AddressSpace address_space_memory;
WEAK unsigned int global_dirty_tracking;
WEAK uint64_t total_dirty_pages;

NOT_CALLED(ram_addr_t, memory_region_get_ram_addr, MemoryRegion *mr)
NOT_CALLED(bool, memory_region_is_ram_device, MemoryRegion *mr)
NOT_CALLED(bool, memory_region_is_protected, MemoryRegion *mr)
NOT_CALLED(void, memory_region_ref, MemoryRegion *mr)
NOT_CALLED(void, memory_region_unref, MemoryRegion *mr)
NOT_CALLED(void, bitmap_set_atomic, unsigned long *map, long start, long nr)
NOT_CALLED(RamDiscardManager *, memory_region_get_ram_discard_manager,
           MemoryRegion *mr)
NOT_CALLED(uint64_t, ram_discard_manager_get_min_granularity,
           const RamDiscardManager *rdm, const MemoryRegion *mr)
NOT_CALLED(int, ram_discard_manager_replay_populated,
           const RamDiscardManager *rdm, MemoryRegionSection *section,
           ReplayRamPopulate replay_fn, void *opaque)
NOT_CALLED(int, memory_region_iommu_attrs_to_index,
           IOMMUMemoryRegion *iommu_mr, MemTxAttrs attrs)
NOT_CALLED(int, memory_region_iommu_set_page_size_mask,
           IOMMUMemoryRegion *iommu_mr, uint64_t page_size_mask, Error **errp)
NOT_CALLED(int, memory_region_register_iommu_notifier, MemoryRegion *mr,
           IOMMUNotifier *n, Error **errp)
NOT_CALLED(void, memory_region_unregister_iommu_notifier, MemoryRegion *mr,
           IOMMUNotifier *n)
NOT_CALLED(void, memory_region_iommu_replay, IOMMUMemoryRegion *iommu_mr,
           IOMMUNotifier *n)
NOT_CALLED(bool, memory_get_xlat_addr, IOMMUTLBEntry *iotlb, void **vaddr,
           ram_addr_t *ram_addr, bool *read_only, bool *mr_has_discard_manager)

/* There are no sections, so the listener is not called. */
WEAK void memory_listener_register(MemoryListener *listener, AddressSpace *as)
{
}

WEAK void memory_listener_unregister(MemoryListener *listener)
{
}
