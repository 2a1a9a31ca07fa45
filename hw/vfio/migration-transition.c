/*
 * Transitions of a VFIO device between migration states
 *
 * Owns: performing arcs, going round those that a driver refuses, recovery
 * after a failure, and the bracket that keeps state changes and chunks
 * apart. Does not own: which arcs there are (migration-state.c), what a
 * reset takes (migration-pci.c), when to change (migration.c and the
 * handlers).
 *
 * Locks: see hw/vfio/migration-device.h.
 * Source: requirements 1.3, 1.4 (U-8 to U-13), R-06, R-07.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "migration/migration.h"
#include "migration/misc.h"
#include "migration/qemu-file.h"
#include "sysemu/runstate.h"
#include "hw/vfio/migration-device.h"
#include "trace.h"

VFIOMigState vfio_mig_idle_state(void)
{
    return runstate_is_running() ? VFIO_MIG_STATE_RUNNING
                                 : VFIO_MIG_STATE_STOP;
}

void vfio_mig_chunk_begin(VFIODeviceMigration *mig)
{
    qemu_mutex_lock(&mig->lock);
    mig->chunk_busy = true;
    mig->chunk_generation = mig->generation;
    qemu_mutex_unlock(&mig->lock);
}

bool vfio_mig_chunk_torn(VFIODeviceMigration *mig)
{
    return mig->chunk_busy &&
           qatomic_read(&mig->generation) != mig->chunk_generation;
}

bool vfio_mig_chunk_end(VFIODeviceMigration *mig)
{
    bool whole;

    qemu_mutex_lock(&mig->lock);
    mig->chunk_busy = false;
    whole = mig->generation == mig->chunk_generation;
    qemu_cond_broadcast(&mig->chunk_done);
    qemu_mutex_unlock(&mig->lock);
    return whole;
}

/* Called with mig->lock. */
static void vfio_mig_wait_for_chunk(VFIODeviceMigration *mig)
{
    while (mig->chunk_busy) {
        if (!qemu_cond_timedwait(&mig->chunk_done, &mig->lock,
                                 VFIO_MIG_CHUNK_WAIT_MS)) {
            return;
        }
    }
}

/*
 * One write to the device. After a failed one the device is in its former
 * state or in error, and only it can tell which (U-11).
 */
static int vfio_mig_do_arc(VFIODeviceMigration *mig, VFIOMigState to)
{
    VFIOMigState from = mig->state;
    int64_t start_ns = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    int ret, read_ret;

    qemu_mutex_lock(&mig->lock);
    vfio_mig_wait_for_chunk(mig);
    qatomic_set(&mig->generation, mig->generation + 1);
    ret = mig->protocol->write_state(mig, to);
    if (ret == 0) {
        mig->state = to;
    } else {
        read_ret = mig->protocol->get_state(mig, &mig->state);
        if (read_ret < 0) {
            mig->state = VFIO_MIG_STATE_ERROR;
            /* A refusal alone would have been no failure. */
            ret = ret == -EINVAL ? read_ret : ret;
        }
    }
    qemu_mutex_unlock(&mig->lock);

    if (to == VFIO_MIG_STATE_PRE_COPY || to == VFIO_MIG_STATE_RUNNING) {
        mig->session_sent = false;
    }
    trace_vfio_migration_transition(vfio_mig_dev(mig)->name,
                                    vfio_mig_state_str(from),
                                    vfio_mig_state_str(to), ret,
                                    qemu_clock_get_ns(QEMU_CLOCK_REALTIME) -
                                    start_ns);
    return ret;
}

/* States that a walk to @target must not pass through. */
static uint32_t vfio_mig_states_to_avoid(VFIODeviceMigration *mig,
                                         VFIOMigState target)
{
    uint32_t avoid = 0;

    if (!runstate_is_running()) {
        avoid |= BIT(VFIO_MIG_STATE_RUNNING);   /* */
    }
    if (mig->session_sent && target == VFIO_MIG_STATE_STOP_COPY) {
        /* Any way round would end the session that the chunks belong to. */
        avoid |= BIT(VFIO_MIG_STATE_RUNNING) | BIT(VFIO_MIG_STATE_STOP);
    }
    return avoid;
}

static bool vfio_mig_next_arc(VFIODeviceMigration *mig, VFIOMigState target,
                              uint64_t refused, VFIOMigState *next)
{
    uint32_t avoid = vfio_mig_states_to_avoid(mig, target);

    return vfio_mig_next_state(mig->protocol->arcs, mig->state, target,
                               refused, avoid, next);
}

/*
 * Walk to @target. A refusal counts for this walk; it is kept for later ones
 * only if there was a way round, so that a single fault cannot close the
 * only way for good.
 *
 * Returns 0, or the -errno of the first write that failed.
 */
static int vfio_mig_walk(VFIODeviceMigration *mig, VFIOMigState target)
{
    const VFIOMigArcTable *arcs = mig->protocol->arcs;
    uint64_t known = mig->refused_arcs;
    uint64_t refused = 0;
    VFIOMigState from, next;
    int first_ret = 0;
    int ret;

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
        if (ret != -EINVAL || mig->state != from) {
            return first_ret;
        }
        refused |= BIT_ULL(vfio_mig_arc_index(arcs, from, next));
        trace_vfio_migration_fallback(vfio_mig_dev(mig)->name, "transition",
                                      "refused by the driver");
    }
    mig->refused_arcs = known | refused;
    return 0;
}

/*
 * A reset of the VM, or a loadvm, resets the device behind our back: it runs
 * then. Returns -ESTALE where a session that data has left of is gone.
 */
static int vfio_mig_notice_reset(VFIODeviceMigration *mig,
                                 VFIOMigState target)
{
    bool gone = mig->session_sent && target == VFIO_MIG_STATE_STOP_COPY;
    VFIOMigState now;
    int ret;

    qemu_mutex_lock(&mig->lock);
    ret = mig->protocol->get_state(mig, &now);
    if (ret < 0 || now == mig->state || now != VFIO_MIG_STATE_RUNNING) {
        qemu_mutex_unlock(&mig->lock);
        return 0;       /* whoever writes the state will see what is wrong */
    }
    qatomic_set(&mig->generation, mig->generation + 1);
    mig->state = now;
    qemu_mutex_unlock(&mig->lock);

    mig->session_sent = false;
    trace_vfio_migration_fallback(vfio_mig_dev(mig)->name, "transition",
                                  "the device was reset meanwhile");
    return gone ? -ESTALE : 0;
}

int vfio_mig_try_state(VFIODeviceMigration *mig, VFIOMigState target)
{
    int ret = vfio_mig_notice_reset(mig, target);

    return ret < 0 ? ret : vfio_mig_walk(mig, target);
}

/*
 * Leave the device in a state that the VM can go on with. Returns the end of
 * the sentence for the user; g_free() it.
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
    if (vfio_mig_idle_state() == VFIO_MIG_STATE_STOP) {
        vfio_mig_walk(mig, VFIO_MIG_STATE_STOP);
    }
    vfio_mig_rearm(mig);
    return g_strdup_printf("the device was reset and is in state %s; what the "
                           "guest had set up in it is lost",
                           vfio_mig_state_str(mig->state));
}

int vfio_mig_set_state(VFIODeviceMigration *mig, VFIOMigState target,
                       VFIOMigState recover, Error **errp)
{
    VFIOMigState from = mig->state;
    g_autofree char *outcome = NULL;
    int ret = vfio_mig_try_state(mig, target);

    if (ret == 0) {
        return 0;
    }
    outcome = vfio_mig_recover(mig, recover);
    if (ret == -ESTALE) {
        error_setg(errp, "%s: the VM was reset after data of the device had "
                   "been sent; %s; start the migration again",
                   vfio_mig_dev(mig)->name, outcome);
        return ret;
    }
    if (from == VFIO_MIG_STATE_ERROR) {
        error_setg(errp, "%s: the device was in state error; %s",
                   vfio_mig_dev(mig)->name, outcome);
        return ret;
    }
    error_setg(errp, "%s: cannot change the device's state from %s to %s: "
               "%s; %s", vfio_mig_dev(mig)->name, vfio_mig_state_str(from),
               vfio_mig_state_str(target), strerror(-ret), outcome);
    return ret;
}

void vfio_mig_fail(VFIODeviceMigration *mig, int ret, Error *err)
{
    bool first = !mig->failed;

    mig->failed = true;
    if (first) {
        /* Readers hold the BQL; the migration thread may not. */
        qemu_mutex_lock(&mig->lock);
        g_free(mig->last_error);
        mig->last_error = g_strdup(error_get_pretty(err));
        qemu_mutex_unlock(&mig->lock);
    }
    if (!mig->saving) {
        error_report_err(err);
        return;
    }
    qemu_file_set_error_obj(mig->file, ret, error_copy(err));
    if (mig->snapshot) {
        error_report_err(err);
        return;
    }
    migrate_set_error(migrate_get_current(), err);
    error_free(err);
}
