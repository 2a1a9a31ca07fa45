/*
 * Dirty tracking of device DMA: what the front door calls
 *
 * Locks: everything needs the BQL.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_DIRTY_TRACKING_H
#define HW_VFIO_DIRTY_TRACKING_H

#include "hw/vfio/vfio-common.h"

/*
 * vfio_dirty_attach: take over the dirty tracking of a device's container
 *
 * For the first device of a container, whether it can migrate or not; does
 * nothing for further ones.
 *
 * Returns: false where that is not known to work, in containers of other
 * kinds than type1; their devices must not migrate.
 */
bool vfio_dirty_attach(VFIODevice *vbasedev);

/*
 * vfio_dirty_detach: give the container back to QEMU's own code
 *
 * For the last device of a container; does nothing for others, nor for a
 * device that was never attached.
 */
void vfio_dirty_detach(VFIODevice *vbasedev);

/*
 * vfio_dirty_check: is every container tracked that has to be?
 *
 * For the set-up of a device, the first point of a migration that can fail:
 * RAM is set up before it, and tracking starts with that.
 *
 * Returns: 0, or -errno with @errp set to what went wrong at the start.
 */
int vfio_dirty_check(Error **errp);

/* vfio_dirty_device_runs: the VM goes on, devices may write again */
void vfio_dirty_device_runs(VFIODevice *vbasedev);

/*
 * vfio_dirty_describe: how pages that @vbasedev writes are found
 *
 * Returns: "pre-copy" (tracked all the time), "final-pass" (tracked, read
 * when the device is stopped: x-pre-copy-dirty-page-tracking=off),
 * "final-pass-all" (not tracked: all that is mapped is sent again when the
 * device is stopped), "none" (not attached)
 */
const char *vfio_dirty_describe(VFIODevice *vbasedev);

#endif /* HW_VFIO_DIRTY_TRACKING_H */
