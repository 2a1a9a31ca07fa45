/*
 * Memory regions and listeners
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MEMORY_H
#define MEMORY_H

#include "qemu/queue.h"

/* Opaque: reached through QEMU's functions only */
struct MemoryRegion {
    uint8_t opaque[272] QEMU_ALIGNED(16);
};

struct MemoryListener {
    void (*begin)(MemoryListener *listener);
    void (*commit)(MemoryListener *listener);
    void (*region_add)(MemoryListener *listener, MemoryRegionSection *section);
    void (*region_del)(MemoryListener *listener, MemoryRegionSection *section);
    void (*region_nop)(MemoryListener *listener, MemoryRegionSection *section);
    void (*log_start)(MemoryListener *listener, MemoryRegionSection *section,
                      int old, int new);
    void (*log_stop)(MemoryListener *listener, MemoryRegionSection *section,
                     int old, int new);
    void (*log_sync)(MemoryListener *listener, MemoryRegionSection *section);
    void (*log_sync_global)(MemoryListener *listener);
    void (*log_clear)(MemoryListener *listener, MemoryRegionSection *section);
    void (*log_global_start)(MemoryListener *listener);
    void (*log_global_stop)(MemoryListener *listener);
    void (*log_global_after_sync)(MemoryListener *listener);
    void (*eventfd_add)(MemoryListener *listener, MemoryRegionSection *section,
                        bool match_data, uint64_t data, EventNotifier *e);
    void (*eventfd_del)(MemoryListener *listener, MemoryRegionSection *section,
                        bool match_data, uint64_t data, EventNotifier *e);
    void (*coalesced_io_add)(MemoryListener *listener,
                             MemoryRegionSection *section, hwaddr addr,
                             hwaddr len);
    void (*coalesced_io_del)(MemoryListener *listener,
                             MemoryRegionSection *section, hwaddr addr,
                             hwaddr len);
    unsigned priority;
    const char *name;
    AddressSpace *address_space;
    void *link[2];
    void *link_as[2];
};

QEMU_ABI(offsetof(MemoryListener, name) == 144);
QEMU_ABI(sizeof(MemoryListener) == 192);

/* Tell @listener of each section of @as, now and when it comes or goes. */
void memory_listener_register(MemoryListener *listener, AddressSpace *as);
void memory_listener_unregister(MemoryListener *listener);

/* ---- sections ---- */

#include "qemu/int128.h"
#include "exec/memattrs.h"

struct MemoryRegionSection {
    Int128 size;
    MemoryRegion *mr;
    FlatView *fv;
    hwaddr offset_within_region;
    hwaddr offset_within_address_space;
    bool readonly;
    bool nonvolatile;
};

QEMU_ABI(sizeof(MemoryRegionSection) == 64);

#define RAM_ADDR_INVALID    (~(ram_addr_t)0)

/* Offsets of MemoryRegion.ram and is_iommu, which inline functions read */
#define MEMORY_REGION_RAM_OFFSET        41
#define MEMORY_REGION_IS_IOMMU_OFFSET   48

static inline bool memory_region_is_ram(MemoryRegion *mr)
{
    return mr->opaque[MEMORY_REGION_RAM_OFFSET];
}

/* Who wants dirty pages to be tracked; 0: nobody */
extern unsigned int global_dirty_tracking;

bool memory_region_is_ram_device(MemoryRegion *mr);
bool memory_region_is_protected(MemoryRegion *mr);
/* RAM_ADDR_INVALID where @mr has no RAM of its own */
ram_addr_t memory_region_get_ram_addr(MemoryRegion *mr);
const char *memory_region_name(const MemoryRegion *mr);
void memory_region_ref(MemoryRegion *mr);
void memory_region_unref(MemoryRegion *mr);

/* ---- RAM that is populated in parts ---- */

typedef struct RamDiscardManager RamDiscardManager;
typedef struct RamDiscardListener RamDiscardListener;
typedef int (*NotifyRamPopulate)(RamDiscardListener *rdl,
                                 MemoryRegionSection *section);
typedef void (*NotifyRamDiscard)(RamDiscardListener *rdl,
                                 MemoryRegionSection *section);

struct RamDiscardListener {
    NotifyRamPopulate notify_populate;
    NotifyRamDiscard notify_discard;
    bool double_discard_supported;
    MemoryRegionSection *section;
    QLIST_ENTRY(RamDiscardListener) next;
};

typedef int (*ReplayRamPopulate)(MemoryRegionSection *section, void *opaque);

RamDiscardManager *memory_region_get_ram_discard_manager(MemoryRegion *mr);
uint64_t ram_discard_manager_get_min_granularity(const RamDiscardManager *rdm,
                                                 const MemoryRegion *mr);
/* Calls @replay_fn for each populated part; ends at the first that is not 0 */
int ram_discard_manager_replay_populated(const RamDiscardManager *rdm,
                                         MemoryRegionSection *section,
                                         ReplayRamPopulate replay_fn,
                                         void *opaque);

static inline bool memory_region_has_ram_discard_manager(MemoryRegion *mr)
{
    return memory_region_get_ram_discard_manager(mr) != NULL;
}

/* ---- a guest's IOMMU ---- */

typedef enum {
    IOMMU_NONE = 0,
    IOMMU_RO = 1,
    IOMMU_WO = 2,
    IOMMU_RW = 3,
} IOMMUAccessFlags;

typedef enum {
    IOMMU_NOTIFIER_NONE = 0,
    IOMMU_NOTIFIER_UNMAP = 1,
    IOMMU_NOTIFIER_MAP = 2,
    IOMMU_NOTIFIER_DEVIOTLB_UNMAP = 4,
} IOMMUNotifierFlag;

#define IOMMU_NOTIFIER_IOTLB_EVENTS (IOMMU_NOTIFIER_MAP | IOMMU_NOTIFIER_UNMAP)

typedef struct IOMMUTLBEntry {
    AddressSpace *target_as;
    hwaddr iova;
    hwaddr translated_addr;
    hwaddr addr_mask;           /* size - 1 */
    IOMMUAccessFlags perm;
} IOMMUTLBEntry;

typedef struct IOMMUNotifier IOMMUNotifier;
typedef void (*IOMMUNotify)(IOMMUNotifier *notifier, IOMMUTLBEntry *data);

struct IOMMUNotifier {
    IOMMUNotify notify;
    IOMMUNotifierFlag notifier_flags;
    hwaddr start;
    hwaddr end;                 /* inclusive */
    int iommu_idx;
    QLIST_ENTRY(IOMMUNotifier) node;
};

QEMU_ABI(sizeof(IOMMUTLBEntry) == 40);
QEMU_ABI(sizeof(IOMMUNotifier) == 56);

static inline void iommu_notifier_init(IOMMUNotifier *n, IOMMUNotify notify,
                                       IOMMUNotifierFlag flags, hwaddr start,
                                       hwaddr end, int iommu_idx)
{
    n->notify = notify;
    n->notifier_flags = flags;
    n->start = start;
    n->end = end;
    n->iommu_idx = iommu_idx;
}

/* @mr, which is no alias, as an IOMMU's region, or NULL */
static inline IOMMUMemoryRegion *memory_region_get_iommu(MemoryRegion *mr)
{
    return mr->opaque[MEMORY_REGION_IS_IOMMU_OFFSET]
           ? (IOMMUMemoryRegion *)mr : NULL;
}

int memory_region_iommu_attrs_to_index(IOMMUMemoryRegion *iommu_mr,
                                       MemTxAttrs attrs);
int memory_region_iommu_set_page_size_mask(IOMMUMemoryRegion *iommu_mr,
                                           uint64_t page_size_mask,
                                           Error **errp);
int memory_region_register_iommu_notifier(MemoryRegion *mr, IOMMUNotifier *n,
                                          Error **errp);
void memory_region_unregister_iommu_notifier(MemoryRegion *mr,
                                             IOMMUNotifier *n);
/* Tell @n, and nobody else, of each mapping that there is now */
void memory_region_iommu_replay(IOMMUMemoryRegion *iommu_mr,
                                IOMMUNotifier *n);
/* Where in RAM an entry leads; false, with a message, where it does not */
bool memory_get_xlat_addr(IOMMUTLBEntry *iotlb, void **vaddr,
                          ram_addr_t *ram_addr, bool *read_only,
                          bool *mr_has_discard_manager);

#endif /* MEMORY_H */
