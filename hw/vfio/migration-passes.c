/*
 * What VFIO devices do when the VM stops or continues
 *
 * Owns: which state each device enters in QEMU's passes over its VM state
 * handlers, and that several devices change their states in parallel. Does not
 * own: how a device's state is changed (migration-transition.c), when the VM
 * stops (QEMU).
 *
 * QEMU calls the handlers one after the other, and a device may take a while
 * for its change. For several devices these times would add up, most of them
 * as downtime. The order of devices within one pass does not matter: whatever
 * has to be complete before something else begins is in a separate pass, and
 * no device is another one's parent. So the handler that is called first in a
 * pass starts threads that make the changes of all other devices, while it
 * makes that of its own. When the handler of another device is called, its
 * change was already begun: the handler joins the thread and deals with the
 * outcome. A single device needs no thread.
 *
 * Locks: everything here runs with the BQL. A device whose change was begun is
 * claimed until its own handler's turn.
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

/* QEMU refuses a snapshot during a migration, and the VM continues. */
static bool vfio_mig_goes_on_soon(VFIODeviceMigration *mig, RunState state)
{
    return state == RUN_STATE_SAVE_VM && vfio_mig_session_goes_on(mig);
}

/* Called before any device of the VM is stopped. */
static bool vfio_mig_begin_quiet(VFIODeviceMigration *mig, RunState state)
{
    if (vfio_mig_goes_on_soon(mig, state) || !vfio_mig_claim_soon(mig)) {
        return false;       /* a chunk is in progress: it stops after that */
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

/* ---- the VM continues ---- */

/* The device is about to run for the first time since it stopped or loaded. */
static void vfio_mig_before_it_runs(VFIODeviceMigration *mig)
{
    if (mig->phase == VFIO_MIG_PHASE_LOADED) {
        vfio_mig_load_done(mig);        /* bitmaps of disks follow later */
    }
    if (mig->arrival != VFIO_MIG_ARRIVAL_NONE) {
        vfio_mig_route_intx(vfio_mig_dev(mig));
    }
}

/*
 * Called before any device of the VM runs. If this fails, it is tried again at
 * the device's turn, and a failure is reported then.
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
 * The VM continues during its migration: the device returns to pre-copy. That
 * begins a new data session, which the destination could not tell from the old
 * one. If data of the old one was sent, the migration fails here.
 */
static VFIOMigState vfio_mig_running_target(VFIODeviceMigration *mig)
{
    Error *err = NULL;

    if (!vfio_mig_session_goes_on(mig)) {
        return VFIO_MIG_STATE_RUNNING;
    }
    if (!vfio_mig_data_sent(mig) || mig->state == VFIO_MIG_STATE_PRE_COPY ||
        mig->state == VFIO_MIG_STATE_PRE_COPY_P2P) {
        return vfio_mig_live_state(mig);    /* may be its current state */
    }
    error_setg(&err, "%s: the VM was stopped and continued after data of the "
               "device had been sent; start the migration again",
               vfio_mig_dev(mig)->name);
    vfio_mig_fail(mig, -EAGAIN, err);
    return VFIO_MIG_STATE_RUNNING;
}

/*
 * A device that was migrated here cannot run. Its state is lost here, but not
 * at the source of a migration, which can continue as long as it does not
 * believe that this side does. After loadvm the VM is stopped, so that its
 * guest does not run with an empty device.
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
     * All that precedes the change of state. Returns true if one is planned;
     * the device is claimed then.
     */
    bool (*begin)(VFIODeviceMigration *mig, RunState state);
    /* All that follows it; the device is still claimed. */
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

/* Wait for the end of what was begun for the device before its turn. */
static void vfio_mig_pass_join(VFIODeviceMigration *mig)
{
    mig->ahead = false;
    vfio_mig_join(mig);
    vfio_mig_pass_end(mig);
}

/* A device in the middle of a chunk is left until its own turn. */
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

/* The device's turn: its own handler was called. */
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
