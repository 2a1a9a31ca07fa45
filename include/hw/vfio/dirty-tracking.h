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
 * vfio_dirty_can_track: is @vbasedev in a container of a supported type?
 *
 * Only type1 is supported. Devices in others must not migrate.
 */
bool vfio_dirty_can_track(VFIODevice *vbasedev);

/*
 * vfio_dirty_device_comes: track what @vbasedev writes, if that is wanted
 *
 * To be called when a device was added. Tracking may already be active to
 * measure the dirty rate; QEMU does not start it again for a migration then.
 */
void vfio_dirty_device_comes(VFIODevice *vbasedev);

/*
 * vfio_dirty_check: are all containers tracked that have to be?
 *
 * For the setup of a device, which is the first point at which a migration can
 * fail: RAM is set up before it, and that starts tracking.
 *
 * Returns: 0, or -errno with @errp set to what went wrong at the start.
 */
int vfio_dirty_check(Error **errp);

/* vfio_dirty_vm_goes_on: the VM runs again, and all devices may write */
void vfio_dirty_vm_goes_on(void);

/*
 * vfio_dirty_loaded: map for @vbasedev what the guest's IOMMU has mapped
 *
 * To be called in a load after the guest's IOMMU was loaded, which happens
 * before the device's configuration is. An IOMMU whose memory regions do not
 * change when it is loaded (virtio-iommu with boot-bypass=off) does not notify
 * anyone of what it has loaded. If the kernel refuses a mapping, the device's
 * load is failed (vfio_mig_fail()).
 */
void vfio_dirty_loaded(VFIODevice *vbasedev);

/*
 * vfio_dirty_describe: how pages that @vbasedev writes are found
 *
 * Returns: "device-log" (the device itself logs it), "pre-copy" (the IOMMU
 * tracks it), "final-pass" (one of these, read only once the device is
 * stopped: x-pre-copy-dirty-page-tracking=off), "final-pass-all" (neither:
 * everything that is mapped is sent again once the device is stopped), "none"
 * (left to QEMU's own code). Before a migration: what is to be expected if
 * nothing fails.
 */
const char *vfio_dirty_describe(VFIODevice *vbasedev);

/*
 * vfio_dirty_untold_bytes: how much memory is sent again in the case of
 * "final-pass-all"; otherwise 0
 */
uint64_t vfio_dirty_untold_bytes(VFIODevice *vbasedev);

/* ---- for the memory listener of a container ---- */

/*
 * vfio_dirty_container_comes: track @container, if its type is supported
 *
 * To be called before its listener is registered. The functions below ignore
 * containers that are not tracked.
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
 * To be called before the listener drops its references to the section.
 */
void vfio_dirty_section_goes(VFIOContainer *container,
                             MemoryRegionSection *section);

/*
 * vfio_dirty_iommu_comes: a section of a guest's IOMMU appears
 *
 * Returns: the function for its notifier to call from the first event on, or
 * NULL if @container is not tracked.
 */
IOMMUNotify vfio_dirty_iommu_comes(VFIOContainer *container);

#endif /* HW_VFIO_DIRTY_TRACKING_H */
