/*
 * Guest memory for tests of dirty tracking
 *
 * Owns: RAM and its dirty bits, RAM in parts, the sections of the address
 * space, and a guest's IOMMU, as far as dirty tracking needs them. Replaces
 * migration/no-memory.c.
 *
 * Lock: the BQL.
 *
 * Source: declarations of QEMU 7.2's exec/memory.h and exec/ram_addr.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "exec/address-spaces.h"
#include "exec/ram_addr.h"
#include "dirty-memory.h"

#define PAGE_BYTES      4096
#define RAM_ALIGN_BYTES 65536

/* The object behind each MemoryRegion of these tests */
typedef struct HostMemory {
    MemoryRegion mr;            /* must be first: passed to QEMU's functions */
    unsigned references;

    uint8_t *ram;
    uint64_t size_bytes;
    ram_addr_t ram_addr;
    struct HostMemory *next;    /* of all RAM */

    uint64_t granule_bytes;     /* 0: not in parts */
    bool *populated;

    GArray *mapped;             /* IOMMUTLBEntry */
    GPtrArray *notifiers;       /* IOMMUNotifier */
} HostMemory;

RAMList ram_list;
AddressSpace address_space_memory;
unsigned int global_dirty_tracking;
uint64_t total_dirty_pages;

static HostMemory *all_ram;
static ram_addr_t next_ram_addr;

static HostMemory *host_memory(const MemoryRegion *mr)
{
    return container_of(mr, HostMemory, mr);
}

/* ---- RAM ---- */

/* As in QEMU, blocks are never freed. */
static void grow_dirty_memory(ram_addr_t end)
{
    size_t blocks = end / PAGE_BYTES / DIRTY_MEMORY_BLOCK_SIZE + 1;
    static size_t have;

    for (int client = 0; client < DIRTY_MEMORY_NUM; client++) {
        DirtyMemoryBlocks **list = &ram_list.dirty_memory[client];

        *list = g_realloc(*list, sizeof(**list) + blocks * sizeof(void *));
        for (size_t i = have; i < blocks; i++) {
            (*list)->blocks[i] = g_malloc0(DIRTY_MEMORY_BLOCK_SIZE / 8);
        }
    }
    have = MAX(have, blocks);
}

MemoryRegion *dirty_ram_new(uint64_t size_bytes)
{
    HostMemory *memory = g_new0(HostMemory, 1);

    memory->references = 1;
    memory->size_bytes = size_bytes;
    /* As in QEMU: aligned to the largest page size of an IOMMU */
    memory->ram = aligned_alloc(RAM_ALIGN_BYTES, size_bytes);
    assert(memory->ram);
    memset(memory->ram, 0, size_bytes);
    memory->mr.opaque[MEMORY_REGION_RAM_OFFSET] = true;
    memory->ram_addr = next_ram_addr;
    next_ram_addr += size_bytes;
    grow_dirty_memory(next_ram_addr);
    memory->next = all_ram;
    all_ram = memory;
    return &memory->mr;
}

void dirty_ram_free(MemoryRegion *mr)
{
    HostMemory *memory = host_memory(mr);
    HostMemory **link = &all_ram;

    assert(memory->references == 1);
    while (*link != memory) {
        link = &(*link)->next;
    }
    *link = memory->next;
    if (!all_ram) {
        next_ram_addr = 0;
    }
    free(memory->ram);
    g_free(memory->populated);
    g_free(memory);
}

void dirty_ram_skip(uint64_t size_bytes)
{
    next_ram_addr += size_bytes;
}

uint8_t *dirty_ram_ptr(MemoryRegion *mr)
{
    return host_memory(mr)->ram;
}

ram_addr_t memory_region_get_ram_addr(MemoryRegion *mr)
{
    return memory_region_is_ram(mr) ? host_memory(mr)->ram_addr
                                    : RAM_ADDR_INVALID;
}

bool memory_region_is_ram_device(MemoryRegion *mr)
{
    return false;
}

bool memory_region_is_protected(MemoryRegion *mr)
{
    return false;
}

void memory_region_ref(MemoryRegion *mr)
{
    host_memory(mr)->references++;
}

void memory_region_unref(MemoryRegion *mr)
{
    host_memory(mr)->references--;
}

/* ---- sections; there is one address space ---- */

static GArray *sections;        /* MemoryRegionSection */

void dirty_section_add(const MemoryRegionSection *section)
{
    if (!sections) {
        sections = g_array_new(FALSE, FALSE, sizeof(*section));
    }
    g_array_append_val(sections, *section);
}

void dirty_section_del(const MemoryRegionSection *section)
{
    for (guint i = 0; i < sections->len; i++) {
        if (g_array_index(sections, MemoryRegionSection, i).
            offset_within_address_space ==
            section->offset_within_address_space) {
            g_array_remove_index(sections, i);
            return;
        }
    }
    g_assert_not_reached();
}

void memory_listener_register(MemoryListener *listener, AddressSpace *as)
{
    for (guint i = 0; sections && i < sections->len; i++) {
        MemoryRegionSection section =
            g_array_index(sections, MemoryRegionSection, i);

        listener->region_add(listener, &section);
    }
}

void memory_listener_unregister(MemoryListener *listener)
{
    assert(!listener->region_del);
}

/* ---- dirty bits ---- */

void bitmap_set_atomic(unsigned long *map, long start, long nr)
{
    for (; nr > 0; start++, nr--) {
        qatomic_or(&map[start / 64], 1UL << start % 64);
    }
}

static unsigned long *dirty_word(ram_addr_t page)
{
    return &ram_list.dirty_memory[DIRTY_MEMORY_MIGRATION]->
        blocks[page / DIRTY_MEMORY_BLOCK_SIZE]
              [page % DIRTY_MEMORY_BLOCK_SIZE / 64];
}

bool dirty_ram_dirty(MemoryRegion *mr, uint64_t offset, bool clear)
{
    ram_addr_t page = (host_memory(mr)->ram_addr + offset) / PAGE_BYTES;
    unsigned long *word = dirty_word(page);
    unsigned long bit = 1UL << page % 64;
    bool dirty = *word & bit;

    if (clear) {
        *word &= ~bit;
    }
    return dirty;
}

uint64_t dirty_ram_dirty_count(void)
{
    ram_addr_t pages = next_ram_addr / PAGE_BYTES;
    uint64_t count = 0;

    for (ram_addr_t page = 0; page < pages; page += 64) {
        unsigned long *word = dirty_word(page);

        count += __builtin_popcountl(*word);
        *word = 0;
    }
    return count;
}

/* ---- RAM in parts; the manager is the memory itself ---- */

void dirty_ram_in_parts(MemoryRegion *mr, uint64_t granule_bytes)
{
    HostMemory *memory = host_memory(mr);

    memory->granule_bytes = granule_bytes;
    memory->populated = g_new0(bool, memory->size_bytes / granule_bytes);
}

void dirty_ram_populate(MemoryRegion *mr, uint64_t offset,
                            uint64_t size_bytes, bool populated)
{
    HostMemory *memory = host_memory(mr);

    for (uint64_t i = 0; i < size_bytes / memory->granule_bytes; i++) {
        memory->populated[offset / memory->granule_bytes + i] = populated;
    }
}

RamDiscardManager *memory_region_get_ram_discard_manager(MemoryRegion *mr)
{
    HostMemory *memory = host_memory(mr);

    return memory->granule_bytes ? (RamDiscardManager *)memory : NULL;
}

uint64_t ram_discard_manager_get_min_granularity(const RamDiscardManager *rdm,
                                                 const MemoryRegion *mr)
{
    return host_memory(mr)->granule_bytes;
}

int ram_discard_manager_replay_populated(const RamDiscardManager *rdm,
                                         MemoryRegionSection *section,
                                         ReplayRamPopulate replay_fn,
                                         void *opaque)
{
    HostMemory *memory = host_memory(section->mr);
    uint64_t granule = memory->granule_bytes;
    uint64_t first = section->offset_within_region / granule;
    uint64_t end = first + int128_get64(section->size) / granule;
    int ret = 0;

    while (first < end && !ret) {
        MemoryRegionSection part = *section;
        uint64_t behind = first;

        while (behind < end && memory->populated[behind]) {
            behind++;
        }
        if (behind > first) {
            part.offset_within_region = first * granule;
            part.offset_within_address_space += part.offset_within_region -
                section->offset_within_region;
            part.size = int128_make64((behind - first) * granule);
            ret = replay_fn(&part, opaque);
        }
        first = behind + 1;
    }
    return ret;
}

/* ---- a guest's IOMMU ---- */

MemoryRegion *dirty_iommu_new(void)
{
    HostMemory *memory = g_new0(HostMemory, 1);

    memory->references = 1;
    memory->mr.opaque[MEMORY_REGION_IS_IOMMU_OFFSET] = true;
    memory->mapped = g_array_new(FALSE, TRUE, sizeof(IOMMUTLBEntry));
    memory->notifiers = g_ptr_array_new();
    return &memory->mr;
}

void dirty_iommu_free(MemoryRegion *mr)
{
    HostMemory *memory = host_memory(mr);

    assert(memory->references == 1 && !memory->notifiers->len);
    g_array_unref(memory->mapped);
    g_ptr_array_unref(memory->notifiers);
    g_free(memory);
}

unsigned dirty_iommu_notifiers(MemoryRegion *mr)
{
    return host_memory(mr)->notifiers->len;
}

int memory_region_iommu_attrs_to_index(IOMMUMemoryRegion *iommu_mr,
                                       MemTxAttrs attrs)
{
    return 0;
}

int memory_region_iommu_set_page_size_mask(IOMMUMemoryRegion *iommu_mr,
                                           uint64_t page_size_mask,
                                           Error **errp)
{
    return 0;
}

int memory_region_register_iommu_notifier(MemoryRegion *mr, IOMMUNotifier *n,
                                          Error **errp)
{
    g_ptr_array_add(host_memory(mr)->notifiers, n);
    return 0;
}

void memory_region_unregister_iommu_notifier(MemoryRegion *mr,
                                             IOMMUNotifier *n)
{
    g_ptr_array_remove(host_memory(mr)->notifiers, n);
}

void memory_region_iommu_replay(IOMMUMemoryRegion *iommu_mr,
                                IOMMUNotifier *n)
{
    HostMemory *memory = host_memory((MemoryRegion *)iommu_mr);

    for (guint i = 0; i < memory->mapped->len; i++) {
        IOMMUTLBEntry entry = g_array_index(memory->mapped, IOMMUTLBEntry, i);

        if (entry.iova >= n->start && entry.iova <= n->end) {
            n->notify(n, &entry);
        }
    }
}

static void tell_notifiers(HostMemory *memory, IOMMUTLBEntry entry)
{
    for (guint i = 0; i < memory->notifiers->len; i++) {
        IOMMUNotifier *n = memory->notifiers->pdata[i];

        if (entry.iova >= n->start && entry.iova <= n->end) {
            n->notify(n, &entry);
        }
    }
}

void dirty_iommu_map(MemoryRegion *mr, uint64_t iova, MemoryRegion *ram,
                         uint64_t offset, uint64_t size_bytes)
{
    HostMemory *memory = host_memory(mr);
    IOMMUTLBEntry entry = {
        .target_as = &address_space_memory,
        .iova = iova,
        /* There is no system memory map: use the RAM offset as the address. */
        .translated_addr = host_memory(ram)->ram_addr + offset,
        .addr_mask = size_bytes - 1,
        .perm = IOMMU_RW,
    };

    g_array_append_val(memory->mapped, entry);
    tell_notifiers(memory, entry);
}

void dirty_iommu_unmap(MemoryRegion *mr, uint64_t iova,
                           uint64_t size_bytes)
{
    HostMemory *memory = host_memory(mr);
    IOMMUTLBEntry entry = {
        .target_as = &address_space_memory,
        .iova = iova,
        .addr_mask = size_bytes - 1,
    };

    for (guint i = memory->mapped->len; i-- > 0;) {
        uint64_t at = g_array_index(memory->mapped, IOMMUTLBEntry, i).iova;

        if (at >= iova && at - iova < size_bytes) {
            g_array_remove_index(memory->mapped, i);
        }
    }
    tell_notifiers(memory, entry);
}

bool memory_get_xlat_addr(IOMMUTLBEntry *iotlb, void **vaddr,
                          ram_addr_t *ram_addr, bool *read_only,
                          bool *mr_has_discard_manager)
{
    for (HostMemory *m = all_ram; m; m = m->next) {
        if (iotlb->translated_addr >= m->ram_addr &&
            iotlb->translated_addr - m->ram_addr < m->size_bytes) {
            *vaddr = m->ram + (iotlb->translated_addr - m->ram_addr);
            *ram_addr = iotlb->translated_addr;
            *read_only = !(iotlb->perm & IOMMU_WO);
            *mr_has_discard_manager = m->granule_bytes;
            return true;
        }
    }
    error_report("0x%" PRIx64 " is no RAM", iotlb->translated_addr);
    return false;
}
