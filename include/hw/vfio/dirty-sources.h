/*
 * Dirty tracking: who reports what the devices of a container write
 *
 * Locks: everything needs the BQL.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_DIRTY_SOURCES_H
#define HW_VFIO_DIRTY_SOURCES_H

#include "hw/vfio/dirty-container.h"

/*
 * vfio_dirty_sources_start: start the logs of devices, and the IOMMU's
 * tracking if it is of use
 *
 * It is no error if a device does not log: its writes are found otherwise.
 *
 * Returns: 0, or -errno with @errp set if the IOMMU has to track, but fails
 * to start.
 */
int vfio_dirty_sources_start(VFIODirtyTracker *t, Error **errp);

/*
 * vfio_dirty_sources_check: start the IOMMU's tracking if it has to track but
 * does not yet; returns as above
 */
int vfio_dirty_sources_check(VFIODirtyTracker *t, Error **errp);

/* vfio_dirty_sources_stop: stop all; failures cause a warning or a trace */
void vfio_dirty_sources_stop(VFIODirtyTracker *t);

/*
 * vfio_dirty_sources_forget: free the logs only; the container may be in
 * teardown, and its devices may be gone
 */
void vfio_dirty_sources_forget(VFIODirtyTracker *t);

/* Warn, once per migration, how much memory has no reports of writes. */
void vfio_dirty_sources_warn(VFIODirtyTracker *t);

/*
 * vfio_dirty_sources_give_up_iommu: stop using the IOMMU's tracking, as it
 * reports all pages as dirty each time
 *
 * Tells the user, and stops the kernel's tracking until the next start. The
 * caller must ensure that everything is owed.
 */
void vfio_dirty_sources_give_up_iommu(VFIODirtyTracker *t);

/*
 * vfio_dirty_sources_read: read what devices have logged for a section of RAM
 *
 * A log that fails is dropped or started again, and everything is owed then.
 */
void vfio_dirty_sources_read(VFIODirtyTracker *t,
                             MemoryRegionSection *section);

/*
 * vfio_dirty_sources_look: give up logs of devices that are gone or were reset
 */
void vfio_dirty_sources_look(VFIODirtyTracker *t);

/*
 * vfio_dirty_sources_translate: a guest's IOMMU appears
 *
 * From then on the guest chooses the addresses, and devices can log only a few
 * ranges: the container's IOMMU has to track instead.
 */
void vfio_dirty_sources_translate(VFIODirtyTracker *t);

/* Is there a device whose writes nobody reports? */
bool vfio_dirty_sources_untold(VFIODirtyTracker *t);

/* Is there such a device that runs? */
bool vfio_dirty_sources_untold_running(VFIODirtyTracker *t);

/* Who reports what a device writes */
typedef enum VFIODirtySource {
    VFIO_DIRTY_SOURCE_NONE,
    VFIO_DIRTY_SOURCE_IOMMU,
    VFIO_DIRTY_SOURCE_DEVICE,
} VFIODirtySource;

/*
 * vfio_dirty_source: who reports the writes of @vbasedev, now or in the next
 * migration
 */
VFIODirtySource vfio_dirty_source(VFIODirtyTracker *t, VFIODevice *vbasedev);

#endif /* HW_VFIO_DIRTY_SOURCES_H */
