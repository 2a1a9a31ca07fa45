/*
 * Saving a VFIO device: the source's half of the SaveVMHandlers
 *
 * Owns: what happens in setup, complete, config and cleanup, and reporting
 * each failure to the migration. Does not own: pending and iterate
 * (migration-precopy.c), how a chunk is read (the protocol) and sent
 * (migration-file.c), transitions, blockers.
 *
 * Locks: setup runs in the migration thread without the BQL, and takes it to
 * change the device's state; complete, config and cleanup run with it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "migration/migration.h"
#include "migration/misc.h"
#include "migration/qemu-file.h"
#include "sysemu/runstate.h"
#include "hw/vfio/dirty-tracking.h"
#include "hw/vfio/migration-answer.h"
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

/* ---- the BQL, if the caller may already hold it ---- */

bool vfio_mig_lock_bql(void)
{
    bool locked = qemu_mutex_iothread_locked();

    if (!locked) {
        qemu_mutex_lock_iothread();
    }
    return !locked;
}

void vfio_mig_unlock_bql(bool locked_here)
{
    if (locked_here) {
        qemu_mutex_unlock_iothread();
    }
}

/* ---- failures ---- */

/*
 * If a VM was paused before its migration and that fails at the end, QEMU does
 * not migrate it again until it has run. Ownership of @err is transferred.
 */
static Error *vfio_mig_say_how_to_go_on(VFIODeviceMigration *mig, Error *err)
{
    Error *longer = NULL;

    if (!runstate_check(RUN_STATE_FINISH_MIGRATE) ||
        mig->told_state == RUN_STATE_FINISH_MIGRATE) {
        return err;
    }
    error_setg(&longer, "%s; QEMU migrates a paused VM only once: continue "
               "the VM, pause it again if need be, and migrate",
               error_get_pretty(err));
    error_free(err);
    return longer;
}

/*
 * Either the device has failed (ownership of @err is transferred), or the
 * stream, which has its own error (@err is NULL). Returns @ret.
 */
int vfio_mig_save_failed(VFIODeviceMigration *mig, int ret, Error *err)
{
    bool locked;

    if (err) {
        locked = vfio_mig_lock_bql();
        err = vfio_mig_say_how_to_go_on(mig, vfio_mig_explain(mig, err));
        vfio_mig_fail(mig, ret, err);
        vfio_mig_unlock_bql(locked);
    }
    vfio_mig_session_tell(mig);
    return ret;
}

/* ---- setup ---- */

/* Devices write to RAM at any time, which is incompatible with these. */
static int vfio_mig_check_capabilities(const char *name, Error **errp)
{
    if (migrate_postcopy_ram()) {
        error_setg(errp, "%s: a VFIO device does not support postcopy, as it "
                   "needs all of the guest's RAM at once; switch the "
                   "capability postcopy-ram off", name);
        return -ENOTSUP;
    }
    if (migrate_colo_enabled()) {
        error_setg(errp, "%s: a VFIO device does not support COLO, which "
                   "would need its state at every checkpoint; switch the "
                   "capability x-colo off", name);
        return -ENOTSUP;
    }
    return 0;
}

/*
 * In a running VM the device enters pre-copy, if it can. In a paused one it can
 * only be read in stop-copy: find out now, not at the end, whether its driver
 * supports that. For a snapshot the device is stopped before RAM is saved, even
 * if QEMU has not stopped it because the guest is suspended.
 */
int vfio_mig_save_start(VFIODeviceMigration *mig, Error **errp)
{
    ERRP_GUARD();
    const char *name = vfio_mig_dev(mig)->name;
    VFIOMigState target = VFIO_MIG_STATE_STOP_COPY;
    int ret;

    if (mig->base.vm_running &&
        mig->session->stream != VFIO_MIG_STREAM_SNAPSHOT) {
        target = vfio_mig_live_state(mig);
    }
    if (mig->state == VFIO_MIG_STATE_RESUMING &&
        vfio_mig_try_state(mig, VFIO_MIG_STATE_STOP) < 0) {
        /* Its driver allows it to leave resuming only to running. */
        error_setg(errp, "%s: the device was migrated here and has not run "
                   "since; its driver cannot save it again before the VM ran: "
                   "continue the VM, then migrate", name);
        return -EBUSY;
    }
    ret = vfio_mig_set_state(mig, target, vfio_mig_idle_state(mig), errp);
    if (ret < 0 && target == VFIO_MIG_STATE_STOP_COPY) {
        error_append_hint(errp, "A driver may refuse to save a device whose "
                          "VM is paused: continue the VM, then migrate.\n");
    }
    return ret;
}

/*
 * There is no notification before a snapshot. Nor is there one for a migration
 * that was cancelled before it had a connection; QEMU starts it nevertheless,
 * and ends it at once.
 */
static int vfio_mig_save_begin(VFIODeviceMigration *mig, QEMUFile *f,
                               Error **errp)
{
    if (!mig->session && !migration_in_setup(migrate_get_current())) {
        return -ECANCELED;
    }
    if (!mig->session) {
        vfio_mig_session_begin(mig, VFIO_MIG_PHASE_SETUP,
                               VFIO_MIG_STREAM_SNAPSHOT);
    }
    if (mig->phase != VFIO_MIG_PHASE_SETUP) {
        error_setg(errp, "%s: the last migration was not cleaned up yet; "
                   "start the migration again", vfio_mig_dev(mig)->name);
        return -EBUSY;
    }
    vfio_mig_session_open(mig, f);
    vfio_mig_switch_over_begin(mig);
    if (mig->session->stream == VFIO_MIG_STREAM_LIVE) {
        vfio_mig_turns_join(mig);
    }
    vfio_mig_set_phase(mig, VFIO_MIG_PHASE_SAVE);
    return vfio_mig_session_tell(mig);  /* unplugged since the beginning? */
}

static int vfio_mig_save_setup_locked(VFIODeviceMigration *mig, QEMUFile *f)
{
    const char *name = vfio_mig_dev(mig)->name;
    Error *err = NULL;
    int ret = vfio_mig_save_begin(mig, f, &err);

    if (err) {
        /* It must not count as a failure of another session. */
        migrate_set_error(migrate_get_current(), err);
        qemu_file_set_error_obj(f, ret, err);
    }
    if (ret < 0) {
        return ret;
    }
    if (mig->session->stream != VFIO_MIG_STREAM_SNAPSHOT) {
        ret = vfio_mig_check_capabilities(name, &err);
    }
    if (ret == 0) {
        ret = vfio_dirty_check(&err);
    }
    if (mig->session->stream == VFIO_MIG_STREAM_BACKGROUND) {
        warn_report("%s: a VFIO device does not support background "
                    "snapshots; this one will fail at its end", name);
    } else if (ret == 0) {
        ret = vfio_mig_save_start(mig, &err);
    }
    if (ret < 0) {
        return vfio_mig_save_failed(mig, ret, err);
    }
    vfio_mig_put_setup(f);
    return qemu_file_get_error(f);
}

int vfio_mig_save_setup(QEMUFile *f, void *opaque)
{
    VFIODeviceMigration *mig = vfio_mig_of(opaque);
    /* Mapping the window changes the memory map. */
    bool locked = vfio_mig_lock_bql();
    int ret = vfio_mig_save_setup_locked(mig, f);

    trace_vfio_migration_save_setup(vfio_mig_dev(mig)->name,
                                    vfio_mig_state_str(mig->state));
    vfio_mig_unlock_bql(locked);
    return ret;
}

/* ---- the end ---- */

/*
 * Send everything that the stopped device still has. One that was already
 * drained is asked again if it has given nothing: it may have been reset since.
 */
static int vfio_mig_save_rest(VFIODeviceMigration *mig, QEMUFile *f,
                              Error **errp)
{
    uint64_t before_bytes = mig->stats.transferred_bytes -
                            vfio_mig_pipeline_sent_bytes(mig);
    bool more = !vfio_mig_pipeline_drained(mig) || !vfio_mig_data_sent(mig);
    int ret = 0;

    while (ret == 0 && more) {
        vfio_mig_claim(mig);
        ret = vfio_mig_send_chunk(mig, f, NULL, errp);
        vfio_mig_release(mig);
        more = ret > VFIO_MIG_READ_END;
        ret = MIN(ret, 0);
    }
    if (ret == 0) {
        vfio_mig_switch_over_image(mig, mig->stats.transferred_bytes -
                                        before_bytes);
    }
    return ret;
}

/*
 * migrate-start-postcopy may be used for dirty bitmaps, without postcopy of
 * RAM. QEMU 7.2 does not sync dirty pages any more then, and what was written
 * since the last sync would be lost.
 */
static int vfio_mig_check_no_postcopy(VFIODeviceMigration *mig, Error **errp)
{
    if (!migration_in_postcopy()) {
        return 0;
    }
    error_setg(errp, "%s: a VFIO device does not support "
               "migrate-start-postcopy, which leaves out pages that were just "
               "written; continue the VM, and migrate it without",
               vfio_mig_dev(mig)->name);
    return -ENOTSUP;
}

int vfio_mig_save_complete(QEMUFile *f, void *opaque)
{
    VFIODeviceMigration *mig = vfio_mig_of(opaque);
    Error *err = NULL;
    int ret = vfio_mig_session_tell(mig);

    if (ret == 0) {
        /* Another device's or the stream's error: no use in sending more. */
        ret = qemu_file_get_error(f);
    }
    if (ret < 0) {
        return ret;
    }
    ret = vfio_mig_check_no_postcopy(mig, &err);
    if (ret < 0) {
        return vfio_mig_save_failed(mig, ret, err);
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
    if (ret < 0) {
        vfio_mig_save_failed(mig, ret, err);
    } else {
        vfio_mig_set_phase(mig, VFIO_MIG_PHASE_SAVED);
    }
    trace_vfio_migration_save_complete(vfio_mig_dev(mig)->name,
                                       mig->stats.transferred_bytes, ret);
    return ret;
}

/* Without a session this is not a migration that was set up: do nothing. */
void vfio_mig_save_config(QEMUFile *f, void *opaque)
{
    VFIODevice *vbasedev = opaque;
    VFIODeviceMigration *mig = vfio_mig_of(vbasedev);
    Error *err = NULL;
    int ret;

    if (mig->session && vfio_mig_session_tell(mig) < 0) {
        return;         /* its configuration space may be gone */
    }
    vfio_mig_put_config_header(f);
    vbasedev->ops->vfio_save_config(vbasedev, f);
    vfio_mig_put_end(f);
    ret = qemu_file_get_error(f);
    if (ret < 0 && mig->session) {
        error_setg_errno(&err, -ret, "%s: cannot save the device's "
                         "configuration space", vbasedev->name);
        vfio_mig_save_failed(mig, ret, err);
    }
    trace_vfio_migration_save_config(vbasedev->name, ret);
}

/*
 * The VM runs at the destination. The state of the device here matters only if
 * the user continues the VM at the source after all.
 */
static void vfio_mig_settle_after_success(VFIODeviceMigration *mig)
{
    Error *err = NULL;

    if (vfio_mig_settle(mig, &err) < 0) {
        warn_report("%s: the migration has succeeded, but the device could "
                    "not be stopped here afterwards, and was reset: do not "
                    "continue the VM on this side (%s)",
                    vfio_mig_dev(mig)->name, error_get_pretty(err));
        error_free(err);
    }
}

void vfio_mig_save_cleanup(void *opaque)
{
    VFIODeviceMigration *mig = vfio_mig_of(opaque);
    bool succeeded = mig->phase == VFIO_MIG_PHASE_SAVED &&
                     migration_has_finished(migrate_get_current());
    Error *err = NULL;

    if (!mig->session || mig->phase > VFIO_MIG_PHASE_SAVED) {
        return;
    }
    if (succeeded) {
        vfio_mig_switch_over_done(mig);
    }
    vfio_mig_session_name_failure(mig);
    vfio_mig_answer_end(migrate_get_current());
    vfio_mig_pipeline_free(mig);
    vfio_mig_turns_leave(mig);
    vfio_mig_session_end(mig);
    if (mig->gone) {
        return;
    }
    /*
     * Only here, not in complete: a driver may take a while to stop, which
     * would count as downtime.
     */
    if (succeeded) {
        vfio_mig_settle_after_success(mig);
    } else if (vfio_mig_settle(mig, &err) < 0) {
        vfio_mig_fail(mig, -EIO, err);
    }
    trace_vfio_migration_save_cleanup(vfio_mig_dev(mig)->name,
                                      vfio_mig_state_str(mig->state));
}
