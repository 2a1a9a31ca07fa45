/*
 * Dirty tracking of device DMA: what the front door and a container's memory
 * listener call
 *
 * Locks: everything needs the BQL.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_DIRTY_TRACKING_H
#define HW_VFIO_DIRTY_TRACKING_H

#include "hw/vfio/vfio-common.h"

/*
 * vfio_dirty_can_track: is @vbasedev in a container of a kind that we know?
 *
 * Only of type1. Devices in others must not migrate.
 */
bool vfio_dirty_can_track(VFIODevice *vbasedev);

/*
 * vfio_dirty_device_comes: track what @vbasedev writes, where that is wanted
 *
 * To be called when a device has come: pages may be tracked already, for
 * somebody who measures how fast they change. QEMU then starts nothing anew
 * for a migration.
 */
void vfio_dirty_device_comes(VFIODevice *vbasedev);

/*
 * vfio_dirty_check: is every container tracked that has to be?
 *
 * For the set-up of a device, the first point of a migration that can fail:
 * RAM is set up before it, and tracking starts with that.
 *
 * Returns: 0, or -errno with @errp set to what went wrong at the start.
 */
int vfio_dirty_check(Error **errp);

/* vfio_dirty_vm_goes_on: the VM runs again, and all devices may write */
void vfio_dirty_vm_goes_on(void);

/*
 * vfio_dirty_loaded: map for @vbasedev what the guest's IOMMU has mapped
 *
 * To be called in a load, when the guest's IOMMU was loaded, which comes
 * before a device's configuration: an IOMMU whose regions do not change by
 * its load (virtio-iommu with boot-bypass=off) tells nobody of what it has
 * loaded. Where the kernel refuses a mapping, the device's load has failed
 * (vfio_mig_fail()).
 */
void vfio_dirty_loaded(VFIODevice *vbasedev);

/*
 * vfio_dirty_describe: how pages that @vbasedev writes are found
 *
 * Returns: "device-log" (the device itself logs it), "pre-copy" (the IOMMU
 * tracks it), "final-pass" (either of the two, read when the device is
 * stopped: x-pre-copy-dirty-page-tracking=off), "final-pass-all" (neither: all
 * that is mapped is sent again when the device is stopped), "none" (left to
 * QEMU's own code). Before a migration: how it will be, if nothing fails.
 */
const char *vfio_dirty_describe(VFIODevice *vbasedev);

/*
 * vfio_dirty_untold_bytes: how much that is, where it is "final-pass-all";
 * else 0
 */
uint64_t vfio_dirty_untold_bytes(VFIODevice *vbasedev);

/* ---- for the memory listener of a container ---- */

/*
 * vfio_dirty_container_comes: track @container, if its kind is known
 *
 * To be called before its listener is registered. Of a container that is not
 * tracked the functions below take no notice.
 */
void vfio_dirty_container_comes(VFIOContainer *container);

/* vfio_dirty_container_goes: its listener is no longer registered */
void vfio_dirty_container_goes(VFIOContainer *container);

/*
 * For the callbacks log_global_start, log_global_stop, log_sync and
 * log_global_after_sync
 */
void vfio_dirty_tracking_start(VFIOContainer *container);
void vfio_dirty_tracking_stop(VFIOContainer *container);
void vfio_dirty_sync(VFIOContainer *container, MemoryRegionSection *section);
void vfio_dirty_synced(VFIOContainer *container);

/*
 * vfio_dirty_section_goes: read what was written to @section, and unmap it
 *
 * To be called before the listener drops what it holds of the section.
 */
void vfio_dirty_section_goes(VFIOContainer *container,
                             MemoryRegionSection *section);

/*
 * vfio_dirty_iommu_comes: a section of a guest's IOMMU appears
 *
 * Returns: what its notifier has to call, from its first event on; NULL where
 * @container is not tracked.
 */
IOMMUNotify vfio_dirty_iommu_comes(VFIOContainer *container);

#endif /* HW_VFIO_DIRTY_TRACKING_H */
