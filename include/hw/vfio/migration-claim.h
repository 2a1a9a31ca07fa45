/*
 * The claim of a VFIO device
 *
 * It serializes chunks, which the migration thread moves without the BQL, with
 * changes of state. It is not a mutex, since a chunk may take long: a waiter
 * that holds the BQL waits at most VFIO_MIG_CLAIM_WAIT_MS, and then continues
 * without it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_CLAIM_H
#define HW_VFIO_MIGRATION_CLAIM_H

#include "hw/vfio/migration-device.h"

/*
 * Longest wait for a chunk with the BQL held, in milliseconds: our choice, half
 * of the 100 ms that we allow a guest or a monitor to be blocked
 */
#define VFIO_MIG_CLAIM_WAIT_MS  50

/*
 * vfio_mig_claim, vfio_mig_release: bracket work on the device
 *
 * For the thread of the stream, which waits without a limit; waiters that hold
 * the BQL take precedence.
 */
void vfio_mig_claim(VFIODeviceMigration *mig);
void vfio_mig_release(VFIODeviceMigration *mig);

/*
 * vfio_mig_claim_soon: claim the device with the BQL held
 *
 * Returns: false after VFIO_MIG_CLAIM_WAIT_MS. The device must not be accessed
 * then, as its driver may block an access until another one has ended. On
 * success, call vfio_mig_release() afterwards.
 */
bool vfio_mig_claim_soon(VFIODeviceMigration *mig);

/* Is the device claimed at the moment? */
bool vfio_mig_is_claimed(VFIODeviceMigration *mig);

/*
 * vfio_mig_claim_to_stop: claim the device because the VM stops
 *
 * In phase save. If a chunk takes too long, the stop is recorded for
 * vfio_mig_stop_due(), so that the device is stopped at the end of the chunk.
 * The function returns false then, and the caller need not do anything.
 */
bool vfio_mig_claim_to_stop(VFIODeviceMigration *mig);

/* Record the stop without trying to claim the device. BQL */
void vfio_mig_defer_stop(VFIODeviceMigration *mig);

/*
 * vfio_mig_stop_due: was a stop of the VM recorded during a chunk?
 *
 * Returns: true once; this clears the record.
 * Locks: needs the BQL.
 */
bool vfio_mig_stop_due(VFIODeviceMigration *mig);

/* Might vfio_mig_stop_due() return true? Needs no lock, changes nothing */
bool vfio_mig_stop_may_be_due(VFIODeviceMigration *mig);

#endif /* HW_VFIO_MIGRATION_CLAIM_H */
