/*
 * Transitions of a VFIO device between migration states, with recovery
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_TRANSITION_H
#define HW_VFIO_MIGRATION_TRANSITION_H

#include "hw/vfio/migration-device.h"

/*
 * vfio_mig_set_state: bring the device to @target
 *
 * What the device says of its state counts, not what was known of it. Goes
 * over the arcs that the driver accepts; one of v1 that it refuses with
 * EINVAL, keeping the old state, is remembered and gone round. After any other
 * failure the device is brought to @recover, or reset where @recover is
 * VFIO_MIG_STATE_ERROR or cannot be reached.
 *
 * Returns: 0, or the first failure's -errno with @errp set: device's name,
 * both states, errno text, and what state the device is left in. -ESTALE:
 * the device was reset after data of the session had been sent.
 * Locks: needs the BQL; claims the device.
 */
int vfio_mig_set_state(VFIODeviceMigration *mig, VFIOMigState target,
                       VFIOMigState recover, Error **errp);

/*
 * vfio_mig_try_state: vfio_mig_set_state() without recovery, for a state
 * that is better but not needed
 *
 * Returns: 0, or -errno; vfio_mig_state() tells where the device is then.
 */
int vfio_mig_try_state(VFIODeviceMigration *mig, VFIOMigState target);

/*
 * vfio_mig_look: update the known state of the device from the real one
 *
 * A guest, a reset of the VM or a wake-up may reset the device at any time
 * without notice. It runs then.
 *
 * Returns: 0; -ESTALE if that ended a session of which data had been sent;
 * another -errno if the state cannot be read.
 * Locks: the device is claimed.
 */
int vfio_mig_look(VFIODeviceMigration *mig);

/* The message that belongs to -ESTALE */
void vfio_mig_error_stale(VFIODeviceMigration *mig, Error **errp);

/*
 * vfio_mig_stop_device: the VM does not run, and so must the device
 *
 * To stop-copy where its state is still to be read, else to stop. What goes
 * wrong fails the session, or is reported.
 *
 * Locks: needs the BQL; the device is claimed.
 */
void vfio_mig_stop_device(VFIODeviceMigration *mig);

/*
 * A change in parts: planned, made, and finished by whoever has the BQL. Only
 * to make it takes the device's time, and that may be a thread's work, so that
 * several devices change side by side; nothing else is done to the device till
 * that is joined. The device is claimed from the plan to the end.
 *
 * vfio_mig_plan: look at the device; its state is to become @target
 * vfio_mig_make: do it, and keep what came of it
 * vfio_mig_start_beside: ... in a thread, if there is anything to do
 * vfio_mig_join: that thread, if any, has ended
 * vfio_mig_finish: after a failure recover, as vfio_mig_set_state() does
 *
 * Returns (vfio_mig_finish): as vfio_mig_set_state().
 * Locks: the BQL (in a thread its starter has it); the device is claimed.
 */
void vfio_mig_plan(VFIODeviceMigration *mig, VFIOMigState target);
void vfio_mig_make(VFIODeviceMigration *mig);
void vfio_mig_start_beside(VFIODeviceMigration *mig);
void vfio_mig_join(VFIODeviceMigration *mig);
int vfio_mig_finish(VFIODeviceMigration *mig, VFIOMigState recover,
                    Error **errp);

/*
 * vfio_mig_plan_verdict: ask the driver what it thinks of the state that it
 * was given, by the arc from resuming to stop
 *
 * What came of it is in mig->change.ret: 0, or -errno; -ESTALE where the
 * device is not in resuming any more. Nothing is to be recovered.
 * Locks: as above.
 */
void vfio_mig_plan_verdict(VFIODeviceMigration *mig);

/* vfio_mig_stop_device() in parts */
void vfio_mig_plan_stop(VFIODeviceMigration *mig);
void vfio_mig_finish_stop(VFIODeviceMigration *mig);

/*
 * vfio_mig_plan_quiet, vfio_mig_finish_quiet: the VM stops: end the device's
 * peer-to-peer DMA, in parts
 *
 * From running or pre-copy to their P2P states. What goes wrong fails the
 * session, or is reported; the device is still to be stopped.
 *
 * For a device that has such states. Locks: as above.
 */
void vfio_mig_plan_quiet(VFIODeviceMigration *mig);
void vfio_mig_finish_quiet(VFIODeviceMigration *mig);

/*
 * vfio_mig_error_busy: the message for a device that could not be claimed
 *
 * Returns: -EBUSY.
 */
int vfio_mig_error_busy(VFIODeviceMigration *mig, Error **errp);

/*
 * vfio_mig_settle: after a session the device is as the VM is
 *
 * Running, or stopped where the VM does not run. A device in resuming stays
 * there: only its driver's way out is right, and running it is the VM's.
 *
 * @errp: set where that failed; the device was reset then
 * Locks: needs the BQL; claims the device.
 */
int vfio_mig_settle(VFIODeviceMigration *mig, Error **errp);

/*
 * vfio_mig_explain: after a failure, recover a device in state error
 *
 * A device in state error is reset, and @err says so. Of one that was reset
 * behind our back, which then has nothing to give, @err says that instead.
 * Others are left alone.
 *
 * @err: ownership is transferred
 * Returns: @err, or one with more to say.
 * Locks: needs the BQL; claims the device.
 */
Error *vfio_mig_explain(VFIODeviceMigration *mig, Error *err);

#endif /* HW_VFIO_MIGRATION_TRANSITION_H */
