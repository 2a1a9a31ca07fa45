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
 * Starts from the state that the device reports, not from the last known one.
 * Uses the arcs that the driver accepts; an arc of v1 that it refuses with
 * EINVAL, keeping the old state, is remembered and avoided. After any other
 * failure the device is brought to @recover, or reset if @recover is
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
 * vfio_mig_try_state: vfio_mig_set_state() without recovery, for a state that
 * is preferable but not required
 *
 * Returns: 0, or -errno; vfio_mig_state() is the resulting state.
 */
int vfio_mig_try_state(VFIODeviceMigration *mig, VFIOMigState target);

/*
 * vfio_mig_look: update the known state of the device from the real one
 *
 * The guest, a reset of the VM or a wake-up may reset the device at any time
 * without notice, which puts it into running.
 *
 * Returns: 0; -ESTALE if that ended a session of which data had been sent;
 * another -errno if the state cannot be read.
 * Locks: the device is claimed.
 */
int vfio_mig_look(VFIODeviceMigration *mig);

/* Set @errp to the message for -ESTALE. */
void vfio_mig_error_stale(VFIODeviceMigration *mig, Error **errp);

/*
 * vfio_mig_stop_device: stop the device, as the VM does not run
 *
 * It enters stop-copy if its state is still to be read, otherwise stop. An
 * error fails the session, or is reported.
 *
 * Locks: needs the BQL; the device is claimed.
 */
void vfio_mig_stop_device(VFIODeviceMigration *mig);

/*
 * A change in parts: planned, made, and finished by the holder of the BQL. Only
 * making it may take long, and a thread can do that, so that several devices
 * change in parallel; nothing else is done to the device until the thread is
 * joined. The device is claimed from the plan to the end.
 *
 * vfio_mig_plan: look at the device, and plan a change to @target
 * vfio_mig_make: make the change, and record the outcome
 * vfio_mig_start_beside: the same in a thread, if there is anything to do
 * vfio_mig_join: wait for that thread, if any
 * vfio_mig_finish: after a failure recover, as vfio_mig_set_state() does
 *
 * Returns (vfio_mig_finish): as vfio_mig_set_state().
 * Locks: the BQL (for a thread, its starter holds it); the device is claimed.
 */
void vfio_mig_plan(VFIODeviceMigration *mig, VFIOMigState target);
void vfio_mig_make(VFIODeviceMigration *mig);
void vfio_mig_start_beside(VFIODeviceMigration *mig);
void vfio_mig_join(VFIODeviceMigration *mig);
int vfio_mig_finish(VFIODeviceMigration *mig, VFIOMigState recover,
                    Error **errp);

/*
 * vfio_mig_plan_verdict: plan the arc from resuming to stop, with which the
 * driver accepts or rejects the state that it was given
 *
 * The outcome is in mig->change.ret: 0, or -errno; -ESTALE if the device is no
 * longer in resuming. There is no recovery.
 * Locks: as above.
 */
void vfio_mig_plan_verdict(VFIODeviceMigration *mig);

/* vfio_mig_stop_device() in parts */
void vfio_mig_plan_stop(VFIODeviceMigration *mig);
void vfio_mig_finish_stop(VFIODeviceMigration *mig);

/*
 * vfio_mig_plan_quiet, vfio_mig_finish_quiet: stop the device's peer-to-peer
 * DMA, in parts, as the VM stops
 *
 * From running or pre-copy to their P2P states. An error fails the session, or
 * is reported; the device still has to be stopped afterwards.
 *
 * Only for devices that have such states. Locks: as above.
 */
void vfio_mig_plan_quiet(VFIODeviceMigration *mig);
void vfio_mig_finish_quiet(VFIODeviceMigration *mig);

/*
 * vfio_mig_error_busy: set @errp, as the device could not be claimed
 *
 * Returns: -EBUSY.
 */
int vfio_mig_error_busy(VFIODeviceMigration *mig, Error **errp);

/*
 * vfio_mig_settle: after a session, make the device's state match the VM's
 *
 * Running, or stopped if the VM does not run. A device in resuming stays there
 * until the VM runs: its driver has not allowed it to leave for stop.
 *
 * @errp: set if that failed; the device was reset then
 * Locks: needs the BQL; claims the device.
 */
int vfio_mig_settle(VFIODeviceMigration *mig, Error **errp);

/*
 * vfio_mig_explain: after a failure, recover a device in state error
 *
 * A device in state error is reset, and that is added to @err. If the device
 * was reset behind our back, and so has nothing to give, the error says that
 * instead. Other devices are left alone.
 *
 * @err: ownership is transferred
 * Returns: @err, or an error with more details.
 * Locks: needs the BQL; claims the device.
 */
Error *vfio_mig_explain(VFIODeviceMigration *mig, Error *err);

#endif /* HW_VFIO_MIGRATION_TRANSITION_H */
