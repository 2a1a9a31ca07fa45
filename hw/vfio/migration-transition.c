/*
 * Transitions of a VFIO device between migration states
 *
 * Owns: performing arcs, avoiding those that a driver refuses, detecting
 * that a device was reset behind our back, and recovery after a failure.
 * Does not own: which arcs there are (migration-state.c), how to reset
 * (migration-pci.c), when to change (migration.c and the handlers).
 *
 * Locks: the BQL and the claim of the device, except for vfio_mig_look(), which
 * only needs the claim. A change may be made in a separate thread, on behalf of
 * the holder of the BQL, who joins it; threads do nothing else here.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "hw/vfio/migration-pci.h"
#include "hw/vfio/migration-session.h"
#include "hw/vfio/migration-transition.h"
#include "trace.h"

/*
 * One write to the device. After a failure the device is in its former state
 * or in error; only reading it back tells which.
 */
static int vfio_mig_do_arc(VFIODeviceMigration *mig, VFIOMigState to)
{
    int64_t ns, start_ns = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    VFIOMigState from = mig->state;
    VFIOMigState now = to;
    int ret = mig->protocol->step(mig, to);
    int read_ret;

    if (ret < 0) {
        read_ret = mig->protocol->read_state(mig, &now);
        if (read_ret < 0) {
            now = VFIO_MIG_STATE_ERROR;
            /* A refusal by itself would not have been a failure. */
            ret = ret == -EINVAL ? read_ret : ret;
        }
    }
    qatomic_set(&mig->state, now);
    if (to == VFIO_MIG_STATE_RUNNING ||
        (to == VFIO_MIG_STATE_PRE_COPY &&
         from != VFIO_MIG_STATE_PRE_COPY_P2P)) {
        vfio_mig_set_data_sent(mig, false);
    }
    ns = qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - start_ns;
    if (ret == 0) {
        mig->change_ns[to] = ns;
    }
    trace_vfio_migration_transition(vfio_mig_dev(mig)->name,
                                    vfio_mig_state_str(from),
                                    vfio_mig_state_str(to), ret, ns);
    return ret;
}

/* States that a walk to @target must not pass through. */
static uint32_t vfio_mig_states_to_avoid(VFIODeviceMigration *mig,
                                         VFIOMigState target)
{
    uint32_t avoid = 0;

    if (!mig->base.vm_running) {
        avoid |= BIT(VFIO_MIG_STATE_RUNNING);
    }
    if (target == VFIO_MIG_STATE_STOP_COPY && vfio_mig_data_sent(mig)) {
        /* Any detour would end the session that the chunks belong to. */
        avoid |= BIT(VFIO_MIG_STATE_RUNNING) | BIT(VFIO_MIG_STATE_STOP) |
                 BIT(VFIO_MIG_STATE_RUNNING_P2P);
    }
    return avoid;
}

static bool vfio_mig_next_arc(VFIODeviceMigration *mig, VFIOMigState target,
                              uint64_t refused, VFIOMigState *next)
{
    uint32_t avoid = vfio_mig_states_to_avoid(mig, target);

    return vfio_mig_next_state(mig->traits.arcs, mig->state, target,
                               refused, avoid, next);
}

/*
 * Walk to @target. A refusal applies to this walk; it is remembered for later
 * ones only if there was another path, so that a single fault cannot block the
 * only path for good.
 *
 * Returns 0, or the -errno of the first write that failed.
 */
static int vfio_mig_walk(VFIODeviceMigration *mig, VFIOMigState target)
{
    const VFIOMigArcTable *arcs = mig->traits.arcs;
    uint64_t known = mig->refused_arcs;
    uint64_t refused = 0;
    VFIOMigState from, next;
    int first_ret = 0;
    int ret;

    /* A separate thread works for the holder of the BQL, who waits for it. */
    g_assert(mig->change.beside || qemu_mutex_iothread_locked());
    while (mig->state != target) {
        from = mig->state;
        if (!vfio_mig_next_arc(mig, target, known | refused, &next)) {
            if (!(known & ~refused)) {
                return first_ret ?: -EINVAL;
            }
            known = 0;
            continue;
        }
        ret = vfio_mig_do_arc(mig, next);
        if (ret == 0) {
            continue;
        }
        first_ret = first_ret ?: ret;
        if (ret != -EINVAL || mig->state != from ||
            !mig->traits.learns_refusals) {
            return first_ret;
        }
        refused |= BIT_ULL(vfio_mig_arc_index(arcs, from, next));
        trace_vfio_migration_fallback(vfio_mig_dev(mig)->name, "transition",
                                      "refused by the driver");
    }
    mig->refused_arcs = known | refused;
    return 0;
}

int vfio_mig_look(VFIODeviceMigration *mig)
{
    VFIOMigState now;
    int ret = mig->protocol->read_state(mig, &now);

    if (ret < 0) {
        return ret;
    }
    if (now == mig->state) {
        return 0;
    }
    trace_vfio_migration_surprise(vfio_mig_dev(mig)->name,
                                  vfio_mig_state_str(mig->state),
                                  vfio_mig_state_str(now));
    qatomic_set(&mig->state, now);
    if (now == VFIO_MIG_STATE_RUNNING) {
        qatomic_set(&mig->resets, mig->resets + 1);
    }
    return now == VFIO_MIG_STATE_RUNNING && vfio_mig_data_sent(mig) ? -ESTALE
                                                                    : 0;
}

/* If the state cannot be read, the write will reveal what is wrong. */
static int vfio_mig_walk_from(VFIODeviceMigration *mig, int looked,
                              VFIOMigState target)
{
    if (looked == -ESTALE && (target == VFIO_MIG_STATE_STOP_COPY ||
                              target == VFIO_MIG_STATE_PRE_COPY)) {
        return looked;
    }
    if (mig->state == VFIO_MIG_STATE_ERROR) {
        return -EIO;
    }
    if (target == VFIO_MIG_STATE_PRE_COPY && vfio_mig_data_sent(mig) &&
        mig->state != target && mig->state != VFIO_MIG_STATE_PRE_COPY_P2P) {
        return -EAGAIN;     /* a chunk was read while the VM was stopped */
    }
    return vfio_mig_walk(mig, target);
}

int vfio_mig_try_state(VFIODeviceMigration *mig, VFIOMigState target)
{
    int ret;

    if (!vfio_mig_claim_soon(mig)) {
        return -EBUSY;
    }
    ret = vfio_mig_walk_from(mig, vfio_mig_look(mig), target);
    vfio_mig_release(mig);
    return ret;
}

/*
 * Leave the device in a state with which the VM can continue. Returns the end
 * of the message to the user; the caller must g_free() it.
 */
static char *vfio_mig_recover(VFIODeviceMigration *mig, VFIOMigState recover)
{
    int ret;

    if (recover != VFIO_MIG_STATE_ERROR &&
        mig->state != VFIO_MIG_STATE_ERROR &&
        vfio_mig_walk(mig, recover) == 0) {
        return g_strdup_printf("the device is in state %s",
                               vfio_mig_state_str(mig->state));
    }

    ret = vfio_mig_reset(mig);
    if (ret < 0) {
        return g_strdup_printf("the device is in state error and its reset "
                               "failed too (%s); unplug it, or restart the VM",
                               strerror(-ret));
    }
    if (vfio_mig_idle_state(mig) == VFIO_MIG_STATE_STOP) {
        vfio_mig_walk(mig, VFIO_MIG_STATE_STOP);
    }
    vfio_mig_rearm(mig);
    return g_strdup_printf("the device was reset and is in state %s; what the "
                           "guest had set up in it is lost",
                           vfio_mig_state_str(mig->state));
}

void vfio_mig_error_stale(VFIODeviceMigration *mig, Error **errp)
{
    const char *by = mig->session && mig->session->slept
                     ? "as the guest woke up from sleep"
                     : "by the guest or by a reset of the VM";

    error_setg(errp, "%s: the device was reset after data of it had been "
               "sent, %s; the device is in state %s; start the migration "
               "again", vfio_mig_dev(mig)->name, by,
               vfio_mig_state_str(mig->state));
}

/* ---- a change, from its plan to its outcome ---- */

/* @looked: the result of vfio_mig_look() */
static void vfio_mig_plan_looked(VFIODeviceMigration *mig, int looked,
                                 VFIOMigState target)
{
    VFIOMigChange *c = &mig->change;

    g_assert(qemu_mutex_iothread_locked() && !c->beside);
    c->looked = looked;
    c->from = mig->state;
    c->target = target;
    c->ret = 0;
}

void vfio_mig_plan(VFIODeviceMigration *mig, VFIOMigState target)
{
    vfio_mig_plan_looked(mig, vfio_mig_look(mig), target);
}

/* From any state but resuming, a walk to stop would not be a verdict. */
void vfio_mig_plan_verdict(VFIODeviceMigration *mig)
{
    int looked = vfio_mig_look(mig);
    bool is_there = mig->state == VFIO_MIG_STATE_RESUMING ||
                    mig->state == VFIO_MIG_STATE_ERROR;

    vfio_mig_plan_looked(mig, looked, is_there ? VFIO_MIG_STATE_STOP
                                               : mig->state);
    mig->change.ret = is_there ? 0 : -ESTALE;
}

void vfio_mig_make(VFIODeviceMigration *mig)
{
    VFIOMigChange *c = &mig->change;

    if (c->target != c->from) {
        c->ret = vfio_mig_walk_from(mig, c->looked, c->target);
    }
}

static void *vfio_mig_make_beside(void *opaque)
{
    vfio_mig_make(opaque);
    return NULL;
}

void vfio_mig_start_beside(VFIODeviceMigration *mig)
{
    VFIOMigChange *c = &mig->change;

    g_assert(qemu_mutex_iothread_locked() && !c->beside);
    if (c->target != c->from) {
        c->beside = true;
        qemu_thread_create(&c->thread, "vfio-state", vfio_mig_make_beside,
                           mig, QEMU_THREAD_JOINABLE);
    }
}

void vfio_mig_join(VFIODeviceMigration *mig)
{
    VFIOMigChange *c = &mig->change;

    g_assert(qemu_mutex_iothread_locked());
    if (c->beside) {
        qemu_thread_join(&c->thread);
        c->beside = false;
    }
}

int vfio_mig_finish(VFIODeviceMigration *mig, VFIOMigState recover,
                    Error **errp)
{
    const VFIOMigChange *c = &mig->change;
    g_autofree char *outcome = NULL;

    if (c->ret == 0) {
        return 0;
    }
    outcome = vfio_mig_recover(mig, recover);
    if (c->ret == -ESTALE) {
        vfio_mig_error_stale(mig, errp);
    } else if (c->from == VFIO_MIG_STATE_ERROR) {
        error_setg(errp, "%s: the device was in state error (%s); %s",
                   vfio_mig_dev(mig)->name, strerror(-c->ret), outcome);
    } else {
        error_setg(errp, "%s: cannot change the device's state from %s to "
                   "%s: %s; %s", vfio_mig_dev(mig)->name,
                   vfio_mig_state_str(c->from), vfio_mig_state_str(c->target),
                   strerror(-c->ret), outcome);
    }
    return c->ret;
}

int vfio_mig_error_busy(VFIODeviceMigration *mig, Error **errp)
{
    error_setg(errp, "%s: the device's state cannot be changed: a chunk of "
               "its data is being moved for more than %d ms; the device is in "
               "state %s", vfio_mig_dev(mig)->name, VFIO_MIG_CLAIM_WAIT_MS,
               vfio_mig_state_str(mig->state));
    return -EBUSY;
}

int vfio_mig_set_state(VFIODeviceMigration *mig, VFIOMigState target,
                       VFIOMigState recover, Error **errp)
{
    int ret;

    if (!vfio_mig_claim_soon(mig)) {
        return vfio_mig_error_busy(mig, errp);
    }
    vfio_mig_plan(mig, target);
    vfio_mig_make(mig);
    ret = vfio_mig_finish(mig, recover, errp);
    vfio_mig_release(mig);
    return ret;
}

/* The target of a device that must stop; its own state if it has stopped */
static VFIOMigState vfio_mig_stopped_target(VFIODeviceMigration *mig)
{
    switch (mig->state) {
    case VFIO_MIG_STATE_PRE_COPY:
    case VFIO_MIG_STATE_PRE_COPY_P2P:
        return VFIO_MIG_STATE_STOP_COPY;
    case VFIO_MIG_STATE_RUNNING:
    case VFIO_MIG_STATE_RUNNING_P2P:
        return vfio_mig_session_goes_on(mig) ||
               mig->told_state == RUN_STATE_SAVE_VM
               ? VFIO_MIG_STATE_STOP_COPY : VFIO_MIG_STATE_STOP;
    case VFIO_MIG_STATE_ERROR:
        return VFIO_MIG_STATE_STOP;
    default:
        return mig->state;
    }
}

/*
 * Add to the result of the stop, @ret and @err, that the device did not reach
 * its P2P state before. Updates @err, and returns the new @ret.
 */
static int vfio_mig_tell_not_quiet(VFIODeviceMigration *mig, int ret,
                                   Error **err)
{
    Error *quiet = g_steal_pointer(&mig->quiet_error);
    Error *both = NULL;

    if (!quiet) {
        return ret;
    }
    if (ret < 0) {
        error_setg(&both, "%s; then: %s", error_get_pretty(quiet),
                   error_get_pretty(*err));
        error_free(*err);
    } else {
        error_setg(&both, "%s; the device is in state %s",
                   error_get_pretty(quiet), vfio_mig_state_str(mig->state));
    }
    error_free(quiet);
    *err = both;
    return ret < 0 ? ret : -EIO;
}

void vfio_mig_plan_stop(VFIODeviceMigration *mig)
{
    int looked = vfio_mig_look(mig);

    vfio_mig_plan_looked(mig, looked, looked == -ESTALE
                         ? VFIO_MIG_STATE_STOP : vfio_mig_stopped_target(mig));
}

void vfio_mig_finish_stop(VFIODeviceMigration *mig)
{
    int looked = mig->change.looked;
    Error *err = NULL;
    int ret = vfio_mig_finish(mig, VFIO_MIG_STATE_STOP, &err);

    if (ret == 0 && looked == -ESTALE) {
        vfio_mig_error_stale(mig, &err);
        ret = looked;
    }
    ret = vfio_mig_tell_not_quiet(mig, ret, &err);
    if (ret < 0) {
        vfio_mig_fail(mig, ret, err);
    }
}

void vfio_mig_stop_device(VFIODeviceMigration *mig)
{
    vfio_mig_plan_stop(mig);
    vfio_mig_make(mig);
    vfio_mig_finish_stop(mig);
}

void vfio_mig_plan_quiet(VFIODeviceMigration *mig)
{
    int looked = vfio_mig_look(mig);
    VFIOMigState target = mig->state;

    if (target == VFIO_MIG_STATE_PRE_COPY) {
        target = VFIO_MIG_STATE_PRE_COPY_P2P;
    } else if (target == VFIO_MIG_STATE_RUNNING) {
        target = VFIO_MIG_STATE_RUNNING_P2P;
    }
    vfio_mig_plan_looked(mig, looked, target);
}

void vfio_mig_finish_quiet(VFIODeviceMigration *mig)
{
    const VFIOMigChange *c = &mig->change;
    Error *err = NULL;

    if (c->ret < 0 && !mig->quiet_error) {
        error_setg(&mig->quiet_error, "%s: cannot change the device's state "
                   "from %s to %s: %s; it may have written to other devices "
                   "that were stopped already", vfio_mig_dev(mig)->name,
                   vfio_mig_state_str(c->from), vfio_mig_state_str(c->target),
                   strerror(-c->ret));
    } else if (c->looked == -ESTALE) {
        vfio_mig_error_stale(mig, &err);
        vfio_mig_fail(mig, c->looked, err);
    }
}

int vfio_mig_settle(VFIODeviceMigration *mig, Error **errp)
{
    int looked, ret = 0;

    if (!vfio_mig_claim_soon(mig)) {
        return vfio_mig_error_busy(mig, errp);
    }
    looked = vfio_mig_look(mig);
    if (mig->state != VFIO_MIG_STATE_RESUMING) {
        vfio_mig_plan_looked(mig, looked, vfio_mig_idle_state(mig));
        vfio_mig_make(mig);
        ret = vfio_mig_finish(mig, VFIO_MIG_STATE_ERROR, errp);
    }
    vfio_mig_release(mig);
    return ret;
}

Error *vfio_mig_explain(VFIODeviceMigration *mig, Error *err)
{
    g_autofree char *outcome = NULL;
    Error *explained = NULL;
    int looked;

    if (!vfio_mig_claim_soon(mig)) {
        return err;
    }
    looked = vfio_mig_look(mig);
    if (looked == -ESTALE) {
        vfio_mig_error_stale(mig, &explained);
    } else if (looked == 0 && mig->state == VFIO_MIG_STATE_ERROR) {
        outcome = vfio_mig_recover(mig, VFIO_MIG_STATE_ERROR);
        error_setg(&explained, "%s; the device went into state error; %s",
                   error_get_pretty(err), outcome);
    }
    vfio_mig_release(mig);
    if (explained) {
        error_free(err);
    }
    return explained ?: err;
}
