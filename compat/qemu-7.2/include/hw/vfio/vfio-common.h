/*
 * What the parts of hw/vfio share in QEMU 7.2
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_VFIO_COMMON_H
#define HW_VFIO_VFIO_COMMON_H

#include <linux/vfio.h>
#include "exec/memory.h"
#include "qemu/queue.h"
#include "qemu/notify.h"
#include "sysemu/runstate.h"
#include "hw/qdev-core.h"

typedef struct VFIODevice VFIODevice;
typedef struct VFIOGroup VFIOGroup;

enum {
    VFIO_DEVICE_TYPE_PCI = 0,
    VFIO_DEVICE_TYPE_PLATFORM = 1,
    VFIO_DEVICE_TYPE_CCW = 2,
    VFIO_DEVICE_TYPE_AP = 3,
};

typedef struct VFIOMmap {
    MemoryRegion mem;
    void *mmap;
    off_t offset;
    size_t size;
} VFIOMmap;

typedef struct VFIORegion {
    VFIODevice *vbasedev;
    off_t fd_offset;
    MemoryRegion *mem;
    size_t size;
    uint32_t flags;
    uint32_t nr_mmaps;
    VFIOMmap *mmaps;
    uint8_t nr;
} VFIORegion;

typedef struct VFIOMigration {
    VFIODevice *vbasedev;
    VMChangeStateEntry *vm_state;
    VFIORegion region;
    uint32_t device_state;
    int vm_running;
    Notifier migration_state;
    uint64_t pending_bytes;
} VFIOMigration;

typedef struct VFIOAddressSpace VFIOAddressSpace;

typedef struct VFIOContainer {
    VFIOAddressSpace *space;
    int fd;
    MemoryListener listener;
    MemoryListener prereg_listener;
    unsigned iommu_type;
    Error *error;
    bool initialized;
    bool dirty_pages_supported;
    uint64_t dirty_pgsizes;
    uint64_t max_dirty_bitmap_size;
    unsigned long pgsizes;
    unsigned int dma_max_mappings;
    QLIST_HEAD(, VFIOGuestIOMMU) giommu_list;
    QLIST_HEAD(, VFIOHostDMAWindow) hostwin_list;
    QLIST_HEAD(, VFIOGroup) group_list;
    QLIST_HEAD(, VFIORamDiscardListener) vrdl_list;
    QLIST_ENTRY(VFIOContainer) next;
} VFIOContainer;

typedef struct VFIODeviceOps {
    void (*vfio_compute_needs_reset)(VFIODevice *vdev);
    int (*vfio_hot_reset_multi)(VFIODevice *vdev);
    void (*vfio_eoi)(VFIODevice *vdev);
    Object *(*vfio_get_object)(VFIODevice *vdev);
    void (*vfio_save_config)(VFIODevice *vdev, QEMUFile *f);
    int (*vfio_load_config)(VFIODevice *vdev, QEMUFile *f);
} VFIODeviceOps;

struct VFIODevice {
    QLIST_ENTRY(VFIODevice) next;
    VFIOGroup *group;
    char *sysfsdev;
    char *name;
    DeviceState *dev;
    int fd;
    int type;
    bool reset_works;
    bool needs_reset;
    bool no_mmap;
    bool ram_block_discard_allowed;
    bool enable_migration;
    VFIODeviceOps *ops;
    unsigned int num_irqs;
    unsigned int num_regions;
    unsigned int flags;
    VFIOMigration *migration;
    Error *migration_blocker;
    OnOffAuto pre_copy_dirty_page_tracking;
};

struct VFIOGroup {
    int fd;
    int groupid;
    VFIOContainer *container;
    QLIST_HEAD(, VFIODevice) device_list;
    QLIST_ENTRY(VFIOGroup) next;
    QLIST_ENTRY(VFIOGroup) container_next;
    bool ram_block_discard_allowed;
};

QEMU_ABI(sizeof(VFIOMmap) == 304);
QEMU_ABI(sizeof(VFIORegion) == 56);
QEMU_ABI(sizeof(VFIOMigration) == 112);
QEMU_ABI(offsetof(VFIOMigration, device_state) == 72);
QEMU_ABI(offsetof(VFIOContainer, dirty_pages_supported) == 417);
QEMU_ABI(sizeof(VFIOContainer) == 504);
QEMU_ABI(sizeof(VFIODeviceOps) == 48);
QEMU_ABI(offsetof(VFIODevice, migration) == 88);
QEMU_ABI(sizeof(VFIODevice) == 112);
QEMU_ABI(sizeof(VFIOGroup) == 64);

typedef QLIST_HEAD(VFIOGroupList, VFIOGroup) VFIOGroupList;
extern VFIOGroupList vfio_group_list;

/* 0 or a negative error; -errno is what the second to fourth return */
int vfio_region_setup(Object *obj, VFIODevice *vbasedev, VFIORegion *region,
                      int index, const char *name);
int vfio_region_mmap(VFIORegion *region);
int vfio_get_region_info(VFIODevice *vbasedev, int index,
                         struct vfio_region_info **info);
int vfio_get_dev_region_info(VFIODevice *vbasedev, uint32_t type,
                             uint32_t subtype, struct vfio_region_info **info);
void vfio_region_unmap(VFIORegion *region);
void vfio_region_exit(VFIORegion *region);
void vfio_region_finalize(VFIORegion *region);

bool vfio_mig_active(void);
int64_t vfio_mig_bytes_transferred(void);
int vfio_migration_probe(VFIODevice *vbasedev, Error **errp);
void vfio_migration_finalize(VFIODevice *vbasedev);

/* ---- what dirty tracking meets in a container ---- */

typedef struct VFIOGuestIOMMU {
    VFIOContainer *container;
    IOMMUMemoryRegion *iommu_mr;
    hwaddr iommu_offset;        /* from an address in @iommu_mr to its IOVA */
    IOMMUNotifier n;
    QLIST_ENTRY(VFIOGuestIOMMU) giommu_next;
} VFIOGuestIOMMU;

typedef struct VFIOHostDMAWindow {
    hwaddr min_iova;
    hwaddr max_iova;
    uint64_t iova_pgsizes;
    QLIST_ENTRY(VFIOHostDMAWindow) hostwin_next;
} VFIOHostDMAWindow;

QEMU_ABI(sizeof(VFIOGuestIOMMU) == 96);
QEMU_ABI(offsetof(VFIOGuestIOMMU, n) == 24);
QEMU_ABI(sizeof(VFIOHostDMAWindow) == 40);
QEMU_ABI(offsetof(VFIOContainer, giommu_list) == 456);

#endif /* HW_VFIO_VFIO_COMMON_H */
