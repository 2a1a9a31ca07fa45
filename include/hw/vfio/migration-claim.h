/*
 * The claim of a VFIO device
 *
 * It keeps chunks, which the migration thread moves without the BQL, and
 * changes of state apart. It is no mutex, since a chunk may take long: who
 * waits for it with the BQL waits VFIO_MIG_CLAIM_WAIT_MS at most, and then
 * goes on without it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_CLAIM_H
#define HW_VFIO_MIGRATION_CLAIM_H

#include "hw/vfio/migration-device.h"

/*
 * Longest wait for a chunk with the BQL held, in milliseconds: half of the
 * 100 ms that a guest or a monitor may be kept waiting
 */
#define VFIO_MIG_CLAIM_WAIT_MS  50

/*
 * vfio_mig_claim, vfio_mig_release: bracket work on the device
 *
 * For the thread of the stream, which waits without a limit; a waiter that
 * holds the BQL goes first.
 */
void vfio_mig_claim(VFIODeviceMigration *mig);
void vfio_mig_release(VFIODeviceMigration *mig);

/*
 * vfio_mig_claim_soon: claim the device with the BQL held
 *
 * Returns: false after VFIO_MIG_CLAIM_WAIT_MS. Then the device must not be
 * accessed, as its driver may block one access until another has ended. On
 * success end with vfio_mig_release().
 */
bool vfio_mig_claim_soon(VFIODeviceMigration *mig);

/* Is somebody at work on the device at this moment? */
bool vfio_mig_is_claimed(VFIODeviceMigration *mig);

/*
 * vfio_mig_claim_to_stop: the same, for a VM that stops
 *
 * In phase save. If a chunk takes too long, the stop is noted for
 * vfio_mig_stop_due(), which has the device stopped at the chunk's end; the
 * function returns false, and nothing is left to do.
 */
bool vfio_mig_claim_to_stop(VFIODeviceMigration *mig);

/* Note the stop without trying to claim the device. BQL */
void vfio_mig_defer_stop(VFIODeviceMigration *mig);

/*
 * vfio_mig_stop_due: was a stop of the VM noted during a chunk?
 *
 * Returns: true once; the note is taken away.
 * Locks: needs the BQL.
 */
bool vfio_mig_stop_due(VFIODeviceMigration *mig);

/* Might vfio_mig_stop_due() return true? Without a lock, changes nothing */
bool vfio_mig_stop_may_be_due(VFIODeviceMigration *mig);

#endif /* HW_VFIO_MIGRATION_CLAIM_H */
