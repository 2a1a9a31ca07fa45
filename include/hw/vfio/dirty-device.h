/*
 * Dirty tracking: the log that a device keeps of its own DMA
 *
 * Locks: everything needs the BQL.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_DIRTY_DEVICE_H
#define HW_VFIO_DIRTY_DEVICE_H

#include "hw/vfio/dirty-container.h"
#include "hw/vfio/dirty-ranges.h"

/* A log that runs */
struct VFIODirtyLog {
    VFIODevice *vbasedev;       /* not to be touched where it has gone */
    QLIST_ENTRY(VFIODirtyLog) next;     /* of its tracker */
    VFIODirtyRanges ranges;
    VFIODirtyCarry *carry;
    uint64_t report_pages;      /* the longest report, at least 64 */
    unsigned resets;            /* of the device, when it was started */
    bool restarted;             /* it was lost before */
};

/*
 * vfio_dirty_log_probe: can @vbasedev log its DMA?
 *
 * That is the driver's word; whether it takes our ranges, START tells.
 */
bool vfio_dirty_log_probe(VFIODevice *vbasedev);

/*
 * vfio_dirty_log_start: let a device log its DMA in @ranges
 *
 * One that the driver still has from before is given up.
 *
 * Returns: the log, in no list; NULL with @errp set.
 */
VFIODirtyLog *vfio_dirty_log_start(VFIODevice *vbasedev,
                                   const VFIODirtyRanges *ranges,
                                   unsigned page_shift, Error **errp);

/*
 * vfio_dirty_log_stop: end it at the driver, which may have done so itself
 *
 * Returns: 0 or -errno, both of which end it for us; for information.
 */
int vfio_dirty_log_stop(VFIODirtyLog *log);

/* vfio_dirty_log_free: forget it; the device need not be there any more */
void vfio_dirty_log_free(VFIODirtyLog *log);

/*
 * vfio_dirty_log_read: what the device wrote of @wanted, to RAM at @ram_addr
 *
 * Of what lies outside of the log's ranges nothing is known, and nothing is
 * done with it.
 *
 * Returns: 0; or -errno: then the log is not worth anything any more.
 */
int vfio_dirty_log_read(VFIODirtyTracker *t, VFIODirtyLog *log,
                        const VFIODirtyRange *wanted, uint64_t ram_addr);

/* Mark what of @wanted, RAM at @ram_addr, lies outside of the log's ranges. */
void vfio_dirty_log_mark_outside(VFIODirtyTracker *t, VFIODirtyLog *log,
                                 const VFIODirtyRange *wanted,
                                 uint64_t ram_addr);

#endif /* HW_VFIO_DIRTY_DEVICE_H */
