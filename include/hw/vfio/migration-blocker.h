/*
 * Reasons why a VFIO device cannot migrate
 *
 * Locks: everything needs the BQL.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_BLOCKER_H
#define HW_VFIO_MIGRATION_BLOCKER_H

#include "hw/vfio/migration-device.h"

/*
 * vfio_mig_block: block migration of the VM because of @vbasedev
 *
 * @reason: ownership is transferred
 *
 * Returns: 0, or -errno with @errp set if the VM must not have such a device
 * (-only-migratable), or if a migration is in progress.
 */
int vfio_mig_block(VFIODevice *vbasedev, Error *reason, Error **errp);

/*
 * vfio_mig_block_multi: the same if @mig cannot migrate together with another
 * device; otherwise does nothing
 */
int vfio_mig_block_multi(VFIODeviceMigration *mig, Error **errp);

/* Remove the blocker of @vbasedev, if there is one. */
void vfio_mig_unblock(VFIODevice *vbasedev);

/* After an unplug: remove a blocker that only the unplugged device caused. */
void vfio_mig_recheck_multi(void);

/* Why @vbasedev blocks migration now, or NULL */
const char *vfio_mig_blocked_reason(VFIODevice *vbasedev);

#endif /* HW_VFIO_MIGRATION_BLOCKER_H */
