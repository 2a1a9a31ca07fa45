/*
 * What VFIO devices do when the VM stops or goes on
 *
 * Owns: where each device goes in QEMU's passes over its VM state handlers,
 * and that several go there side by side. Does not own: how a device's state
 * is changed (migration-transition.c), when the VM stops (QEMU).
 *
 * QEMU calls the handlers one after the other, and a device may need a while
 * for its change: for several that would add up, most of it downtime. Nothing
 * orders the devices of one pass: what has to be over before another begins is
 * in two passes, and none of them is another one's parent. So the handler that
 * is called first in a pass has threads make the changes of all others, while
 * it makes that of its own device; each of these finds its change begun when
 * its own handler is called, joins the thread, and sees to what came of it.
 * One device alone has no thread.
 *
 * Locks: everything here runs with the BQL. A device whose change was begun is
 * claimed till its own handler's turn.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "sysemu/runstate.h"
#include "hw/vfio/dirty-tracking.h"
#include "hw/vfio/migration-handlers.h"
#include "hw/vfio/migration-options.h"
#include "hw/vfio/migration-passes.h"
#include "hw/vfio/migration-pci.h"
#include "hw/vfio/migration-session.h"
#include "hw/vfio/migration-transition.h"
#include "trace.h"

/* ---- the VM stops ---- */

/* QEMU refuses a snapshot in a migration, and lets the VM go on. */
static bool vfio_mig_goes_on_soon(VFIODeviceMigration *mig, RunState state)
{
    return state == RUN_STATE_SAVE_VM && vfio_mig_session_goes_on(mig);
}

/* No device of the VM is stopped yet. */
static bool vfio_mig_begin_quiet(VFIODeviceMigration *mig, RunState state)
{
    if (vfio_mig_goes_on_soon(mig, state) || !vfio_mig_claim_soon(mig)) {
        return false;       /* a chunk is being moved: it stops after that */
    }
    vfio_mig_plan_quiet(mig);
    return true;
}

static bool vfio_mig_begin_stop(VFIODeviceMigration *mig, RunState state)
{
    bool claimed;

    mig->base.vm_running = false;
    mig->told_state = state;
    if (vfio_mig_goes_on_soon(mig, state)) {
        vfio_mig_defer_stop(mig);
        return false;
    }
    claimed = mig->phase == VFIO_MIG_PHASE_SAVE ? vfio_mig_claim_to_stop(mig)
                                                : vfio_mig_claim_soon(mig);
    if (claimed) {
        vfio_mig_plan_stop(mig);
    }
    return claimed;
}

/* ---- the VM goes on ---- */

/* The device is about to do its first work after it was stopped or loaded. */
static void vfio_mig_before_it_runs(VFIODeviceMigration *mig)
{
    if (mig->phase == VFIO_MIG_PHASE_LOADED) {
        vfio_mig_load_done(mig);        /* bitmaps of disks still follow */
    }
    if (mig->arrival != VFIO_MIG_ARRIVAL_NONE) {
        vfio_mig_route_intx(vfio_mig_dev(mig));
    }
}

/*
 * No device of the VM runs yet. Where this fails, the same is tried once more
 * when it is the device's turn, and told then.
 */
static bool vfio_mig_begin_starts_first(VFIODeviceMigration *mig,
                                        RunState state)
{
    vfio_dirty_vm_goes_on();
    if (mig->session && vfio_mig_stop_may_be_due(mig)) {
        return false;   /* it was never stopped */
    }
    vfio_mig_before_it_runs(mig);
    if ((mig->state != VFIO_MIG_STATE_STOP &&
         mig->state != VFIO_MIG_STATE_STOP_COPY &&
         mig->state != VFIO_MIG_STATE_RESUMING) ||
        !vfio_mig_claim_soon(mig)) {
        return false;
    }
    vfio_mig_plan(mig, VFIO_MIG_STATE_RUNNING_P2P);
    return true;
}

static void vfio_mig_end_starts_first(VFIODeviceMigration *mig)
{
}

/*
 * The VM goes on while its migration is under way: back into pre-copy. That
 * begins a new session, which the destination could not tell from the old
 * one; where data of the old one has left, the migration ends here.
 */
static VFIOMigState vfio_mig_running_target(VFIODeviceMigration *mig)
{
    Error *err = NULL;

    if (!vfio_mig_session_goes_on(mig)) {
        return VFIO_MIG_STATE_RUNNING;
    }
    if (!vfio_mig_data_sent(mig) || mig->state == VFIO_MIG_STATE_PRE_COPY ||
        mig->state == VFIO_MIG_STATE_PRE_COPY_P2P) {
        return vfio_mig_live_state(mig);    /* or it never was elsewhere */
    }
    error_setg(&err, "%s: the VM was stopped and continued after data of the "
               "device had been sent; start the migration again",
               vfio_mig_dev(mig)->name);
    vfio_mig_fail(mig, -EAGAIN, err);
    return VFIO_MIG_STATE_RUNNING;
}

/*
 * A device that was migrated here cannot run. What it was given is lost here,
 * but not elsewhere: the source of a migration can go on, if nothing tells it
 * that this side does. The VM of a snapshot is stopped, so that its guest
 * does not run on with an empty device.
 */
static void vfio_mig_first_run_failed(VFIODeviceMigration *mig, Error *err)
{
    if (mig->arrival == VFIO_MIG_ARRIVAL_INCOMING) {
        error_append_hint(&err, "The VM cannot run here, and ends. Continue "
                          "it on the source; one that was saved stays so.\n");
        vfio_mig_fail(mig, -EIO, err);
        vfio_mig_end_incoming();
        return;
    }
    error_append_hint(&err, "The VM is stopped. Load another snapshot, or "
                      "reset it.\n");
    qemu_system_vmstop_request_prepare();
    qemu_system_vmstop_request(RUN_STATE_INTERNAL_ERROR);
    vfio_mig_fail(mig, -EIO, err);
}

/* @ret: 0, or -errno with @err, ownership of which is transferred */
static void vfio_mig_has_started(VFIODeviceMigration *mig, int ret, Error *err)
{
    if (ret < 0 && mig->arrival != VFIO_MIG_ARRIVAL_NONE) {
        vfio_mig_first_run_failed(mig, err);
    } else if (ret < 0) {
        vfio_mig_fail(mig, ret, err);
    }
    mig->arrival = VFIO_MIG_ARRIVAL_NONE;
}

static bool vfio_mig_begin_start(VFIODeviceMigration *mig, RunState state)
{
    VFIOMigState target;
    Error *err = NULL;
    int ret;

    mig->base.vm_running = true;
    mig->told_state = state;
    vfio_dirty_vm_goes_on();
    if (vfio_mig_stop_due(mig)) {
        return false;   /* it was never stopped */
    }
    if (!mig->traits.p2p) {
        vfio_mig_before_it_runs(mig);
    }
    target = vfio_mig_running_target(mig);
    if (!vfio_mig_claim_soon(mig)) {
        ret = vfio_mig_error_busy(mig, &err);
        vfio_mig_has_started(mig, ret, err);
        return false;
    }
    vfio_mig_plan(mig, target);
    return true;
}

static void vfio_mig_end_start(VFIODeviceMigration *mig)
{
    VFIOMigState target = mig->change.target;
    Error *err = NULL;
    int ret = vfio_mig_finish(mig, target == VFIO_MIG_STATE_RUNNING ?
                              VFIO_MIG_STATE_ERROR : VFIO_MIG_STATE_RUNNING,
                              &err);

    vfio_mig_has_started(mig, ret, err);
}

/* ---- passes ---- */

typedef struct VFIOMigPassOps {
    /*
     * Up to the change of state. Returns whether there is a plan for one; the
     * device is claimed then.
     */
    bool (*begin)(VFIODeviceMigration *mig, RunState state);
    /* After it; the device is claimed still. */
    void (*end)(VFIODeviceMigration *mig);
    bool p2p_only;
} VFIOMigPassOps;

static const VFIOMigPassOps vfio_mig_passes[VFIO_MIG_PASS__MAX] = {
    [VFIO_MIG_PASS_STOPS_FIRST] = {
        vfio_mig_begin_quiet, vfio_mig_finish_quiet, true },
    [VFIO_MIG_PASS_STOPS] = {
        vfio_mig_begin_stop, vfio_mig_finish_stop },
    [VFIO_MIG_PASS_STARTS_FIRST] = {
        vfio_mig_begin_starts_first, vfio_mig_end_starts_first, true },
    [VFIO_MIG_PASS_STARTS] = {
        vfio_mig_begin_start, vfio_mig_end_start },
};

static void vfio_mig_pass_begin(VFIODeviceMigration *mig, VFIOMigPass pass,
                                RunState state)
{
    mig->pass = pass;
    mig->change.planned = vfio_mig_passes[pass].begin(mig, state);
}

static void vfio_mig_pass_end(VFIODeviceMigration *mig)
{
    if (mig->change.planned) {
        mig->change.planned = false;
        vfio_mig_passes[mig->pass].end(mig);
        vfio_mig_release(mig);
    }
}

/* What was begun for the device before its turn is over now. */
static void vfio_mig_pass_join(VFIODeviceMigration *mig)
{
    mig->ahead = false;
    vfio_mig_join(mig);
    vfio_mig_pass_end(mig);
}

/* One in the middle of a chunk waits for its own turn. */
static bool vfio_mig_may_begin(VFIODeviceMigration *mig, VFIOMigPass pass)
{
    return mig->pass != pass && !mig->ahead && !vfio_mig_is_claimed(mig) &&
           (mig->traits.p2p || !vfio_mig_passes[pass].p2p_only);
}

static void vfio_mig_begin_others(VFIODeviceMigration *mig, VFIOMigPass pass,
                                  RunState state)
{
    VFIODeviceMigration *other = NULL;

    while ((other = vfio_mig_device_next(other))) {
        if (other != mig && vfio_mig_may_begin(other, pass)) {
            vfio_mig_pass_begin(other, pass, state);
            other->ahead = true;
            if (other->change.planned) {
                vfio_mig_start_beside(other);
            }
        }
    }
}

/* It is the device's turn. */
static void vfio_mig_pass(VFIODeviceMigration *mig, VFIOMigPass pass,
                          RunState state)
{
    bool begun = mig->ahead && mig->pass == pass;

    if (mig->ahead) {
        vfio_mig_pass_join(mig);
    }
    if (begun) {
        return;
    }
    vfio_mig_pass_begin(mig, pass, state);
    vfio_mig_begin_others(mig, pass, state);
    if (mig->change.planned) {
        vfio_mig_make(mig);
    }
    vfio_mig_pass_end(mig);
}

/* ---- handlers ---- */

void vfio_mig_passes_stops_first(void *opaque, bool running, RunState state)
{
    if (!running) {
        vfio_mig_pass(vfio_mig_of(opaque), VFIO_MIG_PASS_STOPS_FIRST, state);
    }
}

void vfio_mig_passes_starts_first(void *opaque, bool running, RunState state)
{
    if (running) {
        vfio_mig_pass(vfio_mig_of(opaque), VFIO_MIG_PASS_STARTS_FIRST, state);
    }
}

void vfio_mig_passes_vm_state(void *opaque, bool running, RunState state)
{
    VFIODeviceMigration *mig = vfio_mig_of(opaque);

    vfio_mig_pass(mig, running ? VFIO_MIG_PASS_STARTS : VFIO_MIG_PASS_STOPS,
                  state);
    trace_vfio_migration_vm_state(vfio_mig_dev(mig)->name, running,
                                  RunState_str(state),
                                  vfio_mig_state_str(mig->state));
}

void vfio_mig_passes_leave(VFIODeviceMigration *mig)
{
    g_assert(qemu_mutex_iothread_locked());
    if (mig->ahead) {
        vfio_mig_pass_join(mig);
    }
}
