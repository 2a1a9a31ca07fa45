/*
 * Dirty tracking: who tells what the devices of a container write
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
 * tracking where it is worth anything
 *
 * A device that does not log is no error; what it writes is found otherwise.
 *
 * Returns: 0, or -errno with @errp set where the IOMMU has to track, and
 * fails.
 */
int vfio_dirty_sources_start(VFIODirtyTracker *t, Error **errp);

/*
 * vfio_dirty_sources_check: the same for the IOMMU alone, if it has to track
 * and does not yet
 */
int vfio_dirty_sources_check(VFIODirtyTracker *t, Error **errp);

/* vfio_dirty_sources_stop: stop all; failures are warned of or traced */
void vfio_dirty_sources_stop(VFIODirtyTracker *t);

/*
 * vfio_dirty_sources_forget: the logs alone; the container may be on its way
 * out, and its devices may have gone
 */
void vfio_dirty_sources_forget(VFIODirtyTracker *t);

/* Warn once a migration of the memory that nobody reports on, in bytes. */
void vfio_dirty_sources_warn(VFIODirtyTracker *t);

/*
 * vfio_dirty_sources_give_up_iommu: it tells nothing, as all pages are dirty
 * whenever it is asked
 *
 * Tells the user, and stops the kernel's tracking, till the next start. The
 * caller has to see to it that all is owed.
 */
void vfio_dirty_sources_give_up_iommu(VFIODirtyTracker *t);

/*
 * vfio_dirty_sources_read: what devices have logged of a section of RAM
 *
 * Logs that fail are given up or started again, and all is owed then.
 */
void vfio_dirty_sources_read(VFIODirtyTracker *t,
                             MemoryRegionSection *section);

/*
 * vfio_dirty_sources_look: give up logs of devices that have gone or were
 * reset
 */
void vfio_dirty_sources_look(VFIODirtyTracker *t);

/*
 * vfio_dirty_sources_translate: a guest's IOMMU comes
 *
 * From then on addresses of the guest's choice count, of which devices log
 * a few ranges only: the container's IOMMU has to tell.
 */
void vfio_dirty_sources_translate(VFIODirtyTracker *t);

/* Is there a device whose writes nobody reports? */
bool vfio_dirty_sources_untold(VFIODirtyTracker *t);

/* Is there such a device that runs? */
bool vfio_dirty_sources_untold_running(VFIODirtyTracker *t);

/* Who tells what a device writes */
typedef enum VFIODirtySource {
    VFIO_DIRTY_SOURCE_NONE,
    VFIO_DIRTY_SOURCE_IOMMU,
    VFIO_DIRTY_SOURCE_DEVICE,
} VFIODirtySource;

/* vfio_dirty_source: who tells of @vbasedev, now or in the next migration */
VFIODirtySource vfio_dirty_source(VFIODirtyTracker *t, VFIODevice *vbasedev);

#endif /* HW_VFIO_DIRTY_SOURCES_H */
