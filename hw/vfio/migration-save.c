/*
 * Saving a VFIO device: the source's half of the SaveVMHandlers
 *
 * Owns: what happens in setup, pending, iterate, complete, config and
 * cleanup, and that each failure reaches the migration. Does not own: how a
 * chunk is moved (the protocol), transitions, blockers.
 *
 * Locks: setup, pending and iterate run in the migration thread without the
 * BQL (setup takes it); complete, config and cleanup run with it.
 * Source: requirements 1.5, 2.8, 2.9, 3.3, rules 1, 3 to 6.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/units.h"
#include "migration/migration.h"
#include "migration/misc.h"
#include "migration/qemu-file.h"
#include "sysemu/runstate.h"
#include "hw/vfio/dirty-tracking.h"
#include "hw/vfio/migration-device.h"
#include "hw/vfio/migration-stream.h"
#include "trace.h"

/*
 * What is reported for a device whose pending bytes cannot be read: more
 * than any downtime allows, so that the VM is not stopped on a guess, and
 * small enough that 256 devices together do not overflow.
 */
#define VFIO_MIG_PENDING_UNKNOWN_BYTES  (1 * PiB)

/* Pause between two looks at a driver that offers an empty chunk */
#define VFIO_MIG_EMPTY_CHUNK_WAIT_US    1000

void vfio_mig_stream_begin(VFIODeviceMigration *mig, QEMUFile *f)
{
    mig->file = f;
    mig->failed = false;
    mig->session_sent = false;
    mig->warned_split = false;
    mig->empty_chunks = 0;
    vfio_mig_stats_reset(mig);
    g_clear_pointer(&mig->last_error, g_free);
    mig->bounce = g_malloc(VFIO_MIG_BOUNCE_BYTES);
    mig->protocol->map(mig);
}

void vfio_mig_stream_finish(VFIODeviceMigration *mig)
{
    mig->protocol->unmap(mig);
    g_clear_pointer(&mig->bounce, g_free);
    mig->file = NULL;
}

/*
 * A driver may give up while its data is read. The reset that this takes
 * comes later, with the BQL, but the user must learn of it now: the first
 * error is the one that is shown.
 */
static Error *vfio_mig_note_device_error(VFIODeviceMigration *mig, Error *err)
{
    VFIOMigState state;
    Error *noted = NULL;
    int ret;

    qemu_mutex_lock(&mig->lock);
    ret = mig->protocol->get_state(mig, &state);
    if (ret < 0 || state != VFIO_MIG_STATE_ERROR ||
        mig->state == VFIO_MIG_STATE_ERROR) {
        qemu_mutex_unlock(&mig->lock);
        return err;
    }
    mig->state = state;
    qemu_mutex_unlock(&mig->lock);

    error_setg(&noted, "%s; the device went into state error and is reset: "
               "what the guest had set up in it is lost",
               error_get_pretty(err));
    error_free(err);
    return noted;
}

/* A device's error or, where it has none, the stream's; returns @ret. */
static int vfio_mig_save_failed(VFIODeviceMigration *mig, int ret, Error *err)
{
    if (err) {
        vfio_mig_fail(mig, ret, vfio_mig_note_device_error(mig, err));
    }
    return ret;
}

/* RAM of a device that writes to it must be there, all of it (B-27). */
static int vfio_mig_check_postcopy(const char *name, Error **errp)
{
    if (migrate_postcopy_ram()) {
        error_setg(errp, "%s: a VFIO device does not support postcopy, as it "
                   "needs all of the guest's RAM at once; switch the "
                   "capability postcopy-ram off", name);
        return -ENOTSUP;
    }
    return 0;
}

/*
 * A running VM's device goes on in pre-copy. A paused one can only be read
 * in stop-copy: find out now, and not at the end, whether its driver can.
 */
static int vfio_mig_save_start(VFIODeviceMigration *mig, Error **errp)
{
    const char *name = vfio_mig_dev(mig)->name;
    VFIOMigState target = VFIO_MIG_STATE_PRE_COPY;
    int ret;

    if (!runstate_is_running()) {
        target = VFIO_MIG_STATE_STOP_COPY;
    }
    if (mig->state == VFIO_MIG_STATE_RESUMING &&
        vfio_mig_try_state(mig, VFIO_MIG_STATE_STOP) < 0) {
        /* Its driver lets it out of resuming only into running (U-9). */
        error_setg(errp, "%s: the device was migrated here and has not run "
                   "since; its driver cannot save it again before the VM ran: "
                   "continue the VM, then migrate", name);
        return -EBUSY;
    }
    ret = vfio_mig_set_state(mig, target, vfio_mig_idle_state(), errp);
    if (ret < 0 && target == VFIO_MIG_STATE_STOP_COPY) {
        error_append_hint(errp, "A driver may refuse to save a device whose "
                          "VM is paused: continue the VM, then migrate.\n");
    }
    return ret;
}

static int vfio_mig_save_setup_locked(VFIODeviceMigration *mig, QEMUFile *f)
{
    Error *err = NULL;
    int ret = vfio_mig_check_postcopy(vfio_mig_dev(mig)->name, &err);

    mig->saving = true;
    /* savevm hands in a stream without a migration that could be cancelled */
    mig->snapshot = runstate_check(RUN_STATE_SAVE_VM);
    mig->background = migrate_background_snapshot();
    vfio_mig_stream_begin(mig, f);
    if (ret == 0) {
        ret = vfio_dirty_check(&err);
    }
    if (mig->background) {
        warn_report("%s: a VFIO device does not support background "
                    "snapshots; this one will fail at its end",
                    vfio_mig_dev(mig)->name);
    } else if (ret == 0) {
        ret = vfio_mig_save_start(mig, &err);
    }
    if (ret < 0) {
        return vfio_mig_save_failed(mig, ret, err);
    }
    vfio_mig_put_setup(f);
    return qemu_file_get_error(f);
}

static int vfio_mig_save_setup(QEMUFile *f, void *opaque)
{
    VFIODeviceMigration *mig = vfio_mig_of(opaque);
    bool locked = qemu_mutex_iothread_locked();
    int ret;

    /*
     * Mapping the window changes the memory map, and a state change must not
     * meet one of the main thread: both need the BQL (R-02a, R-08e).
     */
    if (!locked) {
        qemu_mutex_lock_iothread();
    }
    ret = vfio_mig_save_setup_locked(mig, f);
    if (!locked) {
        qemu_mutex_unlock_iothread();
    }
    trace_vfio_migration_save_setup(vfio_mig_dev(mig)->name,
                                    vfio_mig_state_str(mig->state));
    return ret;
}

/* Is there a session that chunks can be read from? */
static bool vfio_mig_can_read(VFIODeviceMigration *mig)
{
    return mig->state == VFIO_MIG_STATE_PRE_COPY ||
           mig->state == VFIO_MIG_STATE_STOP_COPY;
}

/*
 * Is it read before the VM's last stop? A paused VM's device is not, unless
 * data has left already: the VM can then still go on, with a new session.
 */
static bool vfio_mig_may_iterate(VFIODeviceMigration *mig)
{
    return mig->state == VFIO_MIG_STATE_PRE_COPY ||
           (mig->state == VFIO_MIG_STATE_STOP_COPY && mig->session_sent);
}

static void vfio_mig_save_pending(QEMUFile *f, void *opaque,
                                  uint64_t threshold_size,
                                  uint64_t *res_precopy_only,
                                  uint64_t *res_compatible,
                                  uint64_t *res_postcopy_only)
{
    VFIODeviceMigration *mig = vfio_mig_of(opaque);
    uint64_t pending = VFIO_MIG_PENDING_UNKNOWN_BYTES;
    Error *err = NULL;
    int ret = 0;

    if (mig->failed) {
        *res_precopy_only += VFIO_MIG_PENDING_UNKNOWN_BYTES;
        return;
    }
    vfio_mig_chunk_begin(mig);
    if (vfio_mig_may_iterate(mig)) {
        ret = mig->protocol->get_pending(mig, &pending, &err);
    } else if (mig->state == VFIO_MIG_STATE_STOP_COPY) {
        pending = 0;    /* nothing that waiting could make less */
    }
    vfio_mig_chunk_end(mig);
    if (ret < 0) {
        /* Unknown is not zero: the VM must not be stopped for it (R-09k). */
        vfio_mig_save_failed(mig, ret, err);
        pending = VFIO_MIG_PENDING_UNKNOWN_BYTES;
    }
    *res_precopy_only += MIN(pending, VFIO_MIG_PENDING_UNKNOWN_BYTES);
}

/* Nothing changes in a stopped device: bytes that go unoffered are lost. */
static int vfio_mig_check_dropped(VFIODeviceMigration *mig, uint64_t before,
                                  uint64_t pending, Error **errp)
{
    if (mig->state != VFIO_MIG_STATE_STOP_COPY || pending >= before) {
        return 0;
    }
    error_setg(errp, "%s: the driver counts %" PRIu64 " bytes as taken, but "
               "offered a chunk of size 0 (%s)", vfio_mig_dev(mig)->name,
               before - pending, strerror(ENODATA));
    return -ENODATA;            /* U-16 */
}

/*
 * Send one chunk, if there is one, and tell the driver that it was taken
 * (U-17).
 *
 * @pending: bytes that the device has; brought up to date
 *
 * Returns 1 where a chunk was sent, 0 where not, or -errno.
 */
static int vfio_mig_save_one(VFIODeviceMigration *mig, QEMUFile *f,
                             uint64_t *pending, Error **errp)
{
    uint64_t before = *pending;
    int sent, ret;

    if (before == 0) {
        return 0;
    }
    sent = mig->protocol->save_chunk(mig, f, errp);
    if (sent < 0) {
        return sent;
    }
    ret = mig->protocol->get_pending(mig, pending, errp);
    if (ret == 0 && sent == 0) {
        ret = vfio_mig_check_dropped(mig, before, *pending, errp);
    }
    return ret < 0 ? ret : sent;
}

/*
 * A background snapshot saves RAM while the device goes on writing to it
 * (B-28). QEMU 7.2 does not look at errors of its setup, and after one in
 * its loop leaves the guest's RAM write-protected; the first place where it
 * can fail and clean up is here, when RAM is done. Returns 1: go on to the
 * end, where the stream's error is found.
 */
static int vfio_mig_refuse_background(VFIODeviceMigration *mig)
{
    Error *err = NULL;

    if (!mig->failed) {
        error_setg(&err, "%s: a VFIO device does not support background "
                   "snapshots; switch the capability background-snapshot off",
                   vfio_mig_dev(mig)->name);
        vfio_mig_fail(mig, -ENOTSUP, err);
    }
    return 1;
}

static int vfio_mig_save_iterate(QEMUFile *f, void *opaque)
{
    VFIODeviceMigration *mig = vfio_mig_of(opaque);
    uint64_t pending = 0;
    Error *err = NULL;
    int ret = 0;

    if (mig->background) {
        return vfio_mig_refuse_background(mig);
    }
    if (mig->failed) {
        return -EIO;
    }
    vfio_mig_chunk_begin(mig);
    if (vfio_mig_may_iterate(mig)) {
        ret = mig->protocol->get_pending(mig, &pending, &err);
        if (ret == 0) {
            ret = vfio_mig_save_one(mig, f, &pending, &err);
        }
    }
    if (!vfio_mig_chunk_end(mig) && (ret > 0 || ret == -EAGAIN || err)) {
        /* Whatever the driver said after the state change follows from it */
        g_clear_pointer(&err, error_free);
        error_setg(&err, "%s: the VM was stopped or continued while the "
                   "stream was too slow to take a chunk of the device's "
                   "data; start the migration again",
                   vfio_mig_dev(mig)->name);
        ret = -EAGAIN;
    }
    if (ret < 0) {
        return vfio_mig_save_failed(mig, ret, err);
    }
    if (ret == 0) {
        /* A section that was begun must hold a whole packet (R-09i). */
        vfio_mig_put_data_header(f, 0);
    }
    vfio_mig_put_end(f);
    trace_vfio_migration_save_iterate(vfio_mig_dev(mig)->name, pending,
                                      mig->stats.transferred_bytes);
    ret = qemu_file_get_error(f);
    /* 1: done for this round, so that later handlers get their turn */
    return ret < 0 ? ret : 1;
}

/* Everything that the stopped device still has: pending_bytes ends it. */
static int vfio_mig_save_rest(VFIODeviceMigration *mig, QEMUFile *f,
                              Error **errp)
{
    uint64_t pending;
    int ret = mig->protocol->get_pending(mig, &pending, errp);

    while (ret >= 0 && pending) {
        ret = vfio_mig_save_one(mig, f, &pending, errp);
        if (ret == 0 && pending) {
            g_usleep(VFIO_MIG_EMPTY_CHUNK_WAIT_US);
        }
    }
    return ret < 0 ? ret : 0;
}

static int vfio_mig_save_complete(QEMUFile *f, void *opaque)
{
    VFIODeviceMigration *mig = vfio_mig_of(opaque);
    Error *err = NULL;
    int ret;

    if (mig->failed) {
        return -EIO;    /* the reason is on its way already */
    }
    ret = vfio_mig_set_state(mig, VFIO_MIG_STATE_STOP_COPY,
                             VFIO_MIG_STATE_STOP, &err);
    if (ret == 0) {
        ret = vfio_mig_save_rest(mig, f, &err);
    }
    if (ret == 0) {
        vfio_mig_put_end(f);
        ret = qemu_file_get_error(f);
    }
    trace_vfio_migration_save_complete(vfio_mig_dev(mig)->name,
                                       mig->stats.transferred_bytes, ret);
    return ret < 0 ? vfio_mig_save_failed(mig, ret, err) : 0;
}

static void vfio_mig_save_config(QEMUFile *f, void *opaque)
{
    VFIODevice *vbasedev = opaque;
    VFIODeviceMigration *mig = vfio_mig_of(vbasedev);
    int ret;

    vfio_mig_put_config_header(f);
    vbasedev->ops->vfio_save_config(vbasedev, f);
    vfio_mig_put_end(f);
    ret = qemu_file_get_error(f);
    trace_vfio_migration_save_config(vbasedev->name, ret);
    if (ret < 0 && mig->saving && !mig->failed) {
        Error *err = NULL;

        error_setg_errno(&err, -ret, "%s: cannot save the device's "
                         "configuration space", vbasedev->name);
        vfio_mig_fail(mig, ret, err);
    }
}

static void vfio_mig_save_cleanup(void *opaque)
{
    VFIODeviceMigration *mig = vfio_mig_of(opaque);
    VFIOMigState idle = vfio_mig_idle_state();
    Error *err = NULL;

    if (!mig->saving) {
        return;
    }
    mig->saving = false;
    vfio_mig_stream_finish(mig);
    /*
     * The savevm of a VM that was paused before looks like a migration, but
     * for this: it stays in setup to its end, and shows no reason itself.
     */
    if (mig->failed && !mig->snapshot &&
        migration_in_setup(migrate_get_current())) {
        error_report("%s", mig->last_error);
    }
    /*
     * Only here, and not in complete: stopping can take a driver its time,
     * which would count as downtime (B-22).
     */
    if ((vfio_mig_can_read(mig) || mig->state == VFIO_MIG_STATE_ERROR) &&
        vfio_mig_set_state(mig, idle, VFIO_MIG_STATE_ERROR, &err) < 0) {
        vfio_mig_fail(mig, -EIO, err);
    }
    trace_vfio_migration_save_cleanup(vfio_mig_dev(mig)->name,
                                      vfio_mig_state_str(mig->state));
}

const SaveVMHandlers vfio_mig_savevm_handlers = {
    .save_setup = vfio_mig_save_setup,
    .save_live_pending = vfio_mig_save_pending,
    .save_live_iterate = vfio_mig_save_iterate,
    .save_live_complete_precopy = vfio_mig_save_complete,
    .save_state = vfio_mig_save_config,
    .save_cleanup = vfio_mig_save_cleanup,
    .load_setup = vfio_mig_load_setup,
    .load_state = vfio_mig_load_state,
    .load_cleanup = vfio_mig_load_cleanup,
};
