/*
 * Saving a VFIO device while its VM runs, and in rounds after it was stopped
 *
 * Owns: pending and iterate of the source's SaveVMHandlers: what a device is
 * asked for in each round, and whether it has a turn. Does not own: when the
 * VM may be stopped (migration-switch-over.c), whose turn it is
 * (migration-turns.c), how stopped devices are read (migration-pipeline.c).
 *
 * Locks: all of it runs in the migration thread without the BQL, which it
 * takes to change the device's state; for a snapshot it runs with the BQL.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "migration/qemu-file.h"
#include "sysemu/runstate.h"
#include "hw/vfio/migration-file.h"
#include "hw/vfio/migration-handlers.h"
#include "hw/vfio/migration-pipeline.h"
#include "hw/vfio/migration-save.h"
#include "hw/vfio/migration-session.h"
#include "hw/vfio/migration-stream.h"
#include "hw/vfio/migration-switch-over.h"
#include "hw/vfio/migration-transition.h"
#include "hw/vfio/migration-turns.h"
#include "trace.h"

/* Longest time that one device sends before it is RAM's turn, in ms */
#define VFIO_MIG_ROUND_MS   50

/*
 * Is the device read before the final stop of the VM? That of a paused VM is
 * not: waiting would not reduce its data, and the VM can still be continued.
 * Nor is that of a guest in S3: QEMU wakes it up at the end of the migration,
 * and that resets the device.
 */
static bool vfio_mig_may_iterate(VFIODeviceMigration *mig)
{
    bool asleep = runstate_check(RUN_STATE_SUSPENDED);

    mig->session->slept |= asleep;
    return mig->state == VFIO_MIG_STATE_PRE_COPY &&
           (!asleep || vfio_mig_data_sent(mig));
}

/*
 * A running device is asked for its sizes, even one that gives nothing before
 * the VM is stopped. For a device that is or counts as stopped, no data adds to
 * the downtime.
 */
static int vfio_mig_estimate(VFIODeviceMigration *mig, uint64_t threshold,
                             uint64_t others, uint64_t *pending, Error **errp)
{
    bool precopy = mig->traits.precopy;

    if (vfio_mig_may_iterate(mig) ||
        (!precopy && mig->state == VFIO_MIG_STATE_RUNNING &&
         !runstate_check(RUN_STATE_SUSPENDED))) {
        return vfio_mig_switch_over_ask(mig, threshold, others, pending,
                                        errp);
    }
    if (mig->state == VFIO_MIG_STATE_STOP_COPY ||
        mig->state == VFIO_MIG_STATE_PRE_COPY || !precopy) {
        *pending = 0;
    }
    return 0;
}

/* The device was reset before it had given anything: start again. */
static int vfio_mig_save_again(VFIODeviceMigration *mig, Error **errp)
{
    bool locked = vfio_mig_lock_bql();
    int ret = 0;

    if (!vfio_mig_session_failed(mig)) {
        vfio_mig_stop_due(mig);     /* it now follows the VM's state */
        ret = vfio_mig_save_start(mig, errp);
    }
    vfio_mig_unlock_bql(locked);
    return ret;
}

/*
 * vfio_mig_claim(), and check that the device is in the state that is known.
 * Returns 0, or -errno with @errp set and no claim.
 */
static int vfio_mig_claim_and_look(VFIODeviceMigration *mig, Error **errp)
{
    int ret;

    vfio_mig_claim(mig);
    ret = vfio_mig_look(mig);
    if (ret == 0 && mig->state == VFIO_MIG_STATE_RUNNING &&
        mig->traits.precopy) {
        vfio_mig_release(mig);
        ret = vfio_mig_save_again(mig, errp);
        if (ret < 0) {
            return ret;
        }
        vfio_mig_claim(mig);
    }
    if (ret == -ESTALE) {
        vfio_mig_error_stale(mig, errp);
    } else if (mig->state == VFIO_MIG_STATE_ERROR) {
        ret = -EIO;
        error_setg_errno(errp, -ret, "%s: its driver gave up",
                         vfio_mig_dev(mig)->name);
    } else {
        ret = 0;        /* the state could not be read: asked again later */
    }
    if (ret < 0) {
        vfio_mig_release(mig);
    }
    return ret;
}

/* If the VM was stopped in the meantime, the device stops now. */
static void vfio_mig_release_and_stop(VFIODeviceMigration *mig)
{
    bool locked;

    vfio_mig_release(mig);
    if (!vfio_mig_stop_may_be_due(mig)) {
        return;
    }
    locked = vfio_mig_lock_bql();
    if (vfio_mig_stop_due(mig)) {
        vfio_mig_claim(mig);
        vfio_mig_stop_device(mig);
        vfio_mig_release(mig);
    }
    vfio_mig_unlock_bql(locked);
}

static uint64_t vfio_mig_pending(VFIODeviceMigration *mig, uint64_t threshold,
                                 uint64_t others)
{
    uint64_t pending = VFIO_MIG_PENDING_MAX_BYTES;
    Error *err = NULL;
    int ret = vfio_mig_claim_and_look(mig, &err);

    if (ret == 0) {
        ret = vfio_mig_estimate(mig, threshold, others, &pending, &err);
        vfio_mig_release_and_stop(mig);
    }
    if (ret < 0) {
        /* Unknown is not zero: the VM must not be stopped for it. */
        vfio_mig_save_failed(mig, ret, err);
        return VFIO_MIG_PENDING_MAX_BYTES;
    }
    vfio_mig_switch_over_warn(mig);
    return pending;
}

void vfio_mig_save_pending(QEMUFile *f, void *opaque, uint64_t threshold_size,
                           uint64_t *res_precopy_only,
                           uint64_t *res_compatible,
                           uint64_t *res_postcopy_only)
{
    VFIODeviceMigration *mig = vfio_mig_of(opaque);
    uint64_t others = *res_precopy_only + *res_compatible + *res_postcopy_only;

    if (mig->session->stream == VFIO_MIG_STREAM_LIVE) {
        vfio_mig_pipeline_prepare(mig);     /* while the VM still runs */
        vfio_mig_turns_look(f);
    }
    *res_precopy_only += vfio_mig_session_tell(mig) < 0 ||
                         mig->session->stream == VFIO_MIG_STREAM_BACKGROUND
                         ? VFIO_MIG_PENDING_MAX_BYTES
                         : vfio_mig_pending(mig, threshold_size, others);
}

/*
 * A background snapshot saves RAM while the device continues to write to it.
 * QEMU 7.2 ignores errors of its setup, and after one in its loop leaves the
 * guest's RAM write-protected. The first place where it can fail and clean up
 * is here, when RAM is done. Returns 1 to continue to the end, where the
 * stream's error is noticed.
 */
static int vfio_mig_refuse_background(VFIODeviceMigration *mig)
{
    Error *err = NULL;

    if (!vfio_mig_session_failed(mig)) {
        error_setg(&err, "%s: a VFIO device does not support background "
                   "snapshots; switch the capability background-snapshot off",
                   vfio_mig_dev(mig)->name);
        vfio_mig_fail(mig, -ENOTSUP, err);
    }
    vfio_mig_session_tell(mig);
    return 1;
}

/*
 * In v1 a round sends one chunk. If data may be cut anywhere, one chunk is
 * little, and a round of RAM takes a while: so more are sent.
 */
static int vfio_mig_send_round(VFIODeviceMigration *mig, QEMUFile *f,
                               int64_t *stream_ns, Error **errp)
{
    int64_t end_ns = qemu_clock_get_ns(QEMU_CLOCK_REALTIME) +
                     VFIO_MIG_ROUND_MS * SCALE_MS;
    int ret, sent = VFIO_MIG_READ_NOTHING_NOW;
    int64_t chunk_ns;

    *stream_ns = 0;
    do {
        ret = vfio_mig_send_chunk(mig, f, &chunk_ns, errp);
        *stream_ns += chunk_ns;
        sent = ret == VFIO_MIG_READ_CHUNK ? ret : sent;
    } while (ret == VFIO_MIG_READ_CHUNK && mig->traits.any_segments &&
             vfio_mig_may_iterate(mig) && !qemu_file_rate_limit(f) &&
             qemu_clock_get_ns(QEMU_CLOCK_REALTIME) < end_ns);
    return ret < 0 ? ret : sent;
}

static int vfio_mig_iterate(VFIODeviceMigration *mig, QEMUFile *f,
                            Error **errp)
{
    uint64_t before_bytes = mig->stats.transferred_bytes;
    int ret = vfio_mig_claim_and_look(mig, errp);

    if (ret < 0) {
        return ret;
    }
    ret = VFIO_MIG_READ_NOTHING_NOW;
    if (vfio_mig_may_iterate(mig)) {
        int64_t stream_ns, start_ns = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);

        ret = vfio_mig_send_round(mig, f, &stream_ns, errp);
        vfio_mig_switch_over_read(mig, mig->stats.transferred_bytes -
                                       before_bytes,
                                  qemu_clock_get_ns(QEMU_CLOCK_REALTIME) -
                                  start_ns - stream_ns, stream_ns);
    }
    vfio_mig_release_and_stop(mig);
    return ret;
}

static int vfio_mig_save_part(VFIODeviceMigration *mig, QEMUFile *f)
{
    Error *err = NULL;
    int ret = vfio_mig_session_tell(mig);

    if (ret < 0) {
        return ret;
    }
    ret = vfio_mig_pipeline_active(mig) ? vfio_mig_pipeline_send(mig, f, &err)
                                        : vfio_mig_iterate(mig, f, &err);
    if (ret < 0) {
        return vfio_mig_save_failed(mig, ret, err);
    }
    if (ret != VFIO_MIG_READ_CHUNK && !mig->traits.any_segments) {
        /* As QEMU does with v1, whose readers expect a whole packet. */
        vfio_mig_put_data_header(f, 0);
    }
    vfio_mig_put_end(f);
    if (ret != VFIO_MIG_READ_CHUNK && !vfio_mig_pipeline_active(mig) &&
        mig->session->stream == VFIO_MIG_STREAM_LIVE) {
        vfio_mig_switch_over_pause(mig);
    }
    trace_vfio_migration_save_iterate(
        vfio_mig_dev(mig)->name,
        qatomic_read__nocheck(&mig->stats.pending_bytes),
        qatomic_read__nocheck(&mig->stats.transferred_bytes));
    return qemu_file_get_error(f);
}

int vfio_mig_save_iterate(QEMUFile *f, void *opaque)
{
    VFIODeviceMigration *mig = vfio_mig_of(opaque);
    int ret;

    if (mig->session->stream == VFIO_MIG_STREAM_BACKGROUND) {
        return vfio_mig_refuse_background(mig);
    }
    vfio_mig_turns_begin(mig);
    ret = vfio_mig_save_part(mig, f);
    vfio_mig_turns_end(mig, f);
    if (ret < 0 && vfio_mig_pipeline_active(mig)) {
        /* QEMU would print it, which it does not in the last sections. */
        qemu_file_set_error(f, ret);
        return 1;
    }
    return ret < 0 ? ret : 1;   /* 1: later handlers get their turn */
}

/*
 * While the stopped devices are read, one that has nothing yet needs no
 * section. Before that, a device needs none unless it is its turn.
 */
bool vfio_mig_save_has_iterate(void *opaque)
{
    VFIODeviceMigration *mig = vfio_mig_of(opaque);

    return vfio_mig_pipeline_active(mig) ? vfio_mig_pipeline_ready(mig)
                                         : vfio_mig_turns_may_send(mig);
}

/*
 * Devices have no postcopy. This is how a round without RAM is requested, see
 * migration-stop-copy.c and migration-turns.c.
 */
bool vfio_mig_save_has_postcopy(void *opaque)
{
    return vfio_mig_pipeline_active(vfio_mig_of(opaque)) ||
           vfio_mig_turns_of_devices();
}
