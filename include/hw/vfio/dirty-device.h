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

/* An active log */
struct VFIODirtyLog {
    VFIODevice *vbasedev;       /* may have been freed */
    QLIST_ENTRY(VFIODirtyLog) next;     /* of its tracker */
    VFIODirtyRanges ranges;
    VFIODirtyCarry *carry;
    uint64_t report_pages;      /* the longest report, at least 64 */
    unsigned resets;            /* of the device, when the log was started */
    bool restarted;             /* an earlier log was lost */
};

/*
 * vfio_dirty_log_probe: can @vbasedev log its DMA?
 *
 * That is what the driver reports; whether it accepts the ranges is only known
 * after START.
 */
bool vfio_dirty_log_probe(VFIODevice *vbasedev);

/*
 * vfio_dirty_log_start: make a device log its DMA in @ranges
 *
 * A log that the driver still has from before is discarded.
 *
 * Returns: the log, which is in no list yet; or NULL with @errp set.
 */
VFIODirtyLog *vfio_dirty_log_start(VFIODevice *vbasedev,
                                   const VFIODirtyRanges *ranges,
                                   unsigned page_shift, Error **errp);

/*
 * vfio_dirty_log_stop: stop the driver's log, unless it has ended by itself
 *
 * Returns: 0 or -errno, for information: either way the log has ended.
 */
int vfio_dirty_log_stop(VFIODirtyLog *log);

/* vfio_dirty_log_free: free @log; its device may be gone already */
void vfio_dirty_log_free(VFIODirtyLog *log);

/*
 * vfio_dirty_log_read: mark what the device wrote in @wanted, which is RAM at
 * @ram_addr
 *
 * Addresses outside the log's ranges are skipped: nothing is known of them.
 *
 * Returns: 0; or -errno, after which the log cannot be relied on.
 */
int vfio_dirty_log_read(VFIODirtyTracker *t, VFIODirtyLog *log,
                        const VFIODirtyRange *wanted, uint64_t ram_addr);

/* Mark the part of @wanted, RAM at @ram_addr, outside the log's ranges. */
void vfio_dirty_log_mark_outside(VFIODirtyTracker *t, VFIODirtyLog *log,
                                 const VFIODirtyRange *wanted,
                                 uint64_t ram_addr);

#endif /* HW_VFIO_DIRTY_DEVICE_H */
