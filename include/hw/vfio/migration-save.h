/*
 * Declarations shared by the two files that save a VFIO device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_SAVE_H
#define HW_VFIO_MIGRATION_SAVE_H

#include "hw/vfio/migration-device.h"

/*
 * vfio_mig_lock_bql: take the BQL, unless the caller holds it already
 *
 * Returns: true if it was taken here, to be passed to vfio_mig_unlock_bql().
 */
bool vfio_mig_lock_bql(void);

/* vfio_mig_unlock_bql: release the BQL if @locked_here */
void vfio_mig_unlock_bql(bool locked_here);

/*
 * vfio_mig_save_failed: the device has failed, or the stream
 *
 * @ret: -errno
 * @err: the reason, ownership is transferred; NULL if the stream or the session
 *       already has an error
 *
 * Returns: @ret. Locks: takes the BQL if there is an @err; no claim.
 */
int vfio_mig_save_failed(VFIODeviceMigration *mig, int ret, Error *err);

/*
 * vfio_mig_save_start: bring the device into the state in which saving begins:
 * pre-copy if its VM runs and the device supports that, otherwise stop-copy
 *
 * Returns: 0, or -errno with @errp set. Locks: needs the BQL; no claim.
 */
int vfio_mig_save_start(VFIODeviceMigration *mig, Error **errp);

#endif /* HW_VFIO_MIGRATION_SAVE_H */
