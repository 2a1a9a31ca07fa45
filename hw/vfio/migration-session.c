/*
 * One save or load of a VFIO device
 *
 * Owns: the phase and who may change it, the first failure and how it reaches
 * the user, the reference to the device, and the claim. Does not own: what is
 * done in a phase (migration-save.c, migration-load.c).
 *
 * Locks: see hw/vfio/migration-session.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "migration/migration.h"
#include "migration/misc.h"
#include "migration/qemu-file.h"
#include "qom/object.h"
#include "hw/vfio/migration-answer.h"
#include "hw/vfio/migration-guard.h"
#include "hw/vfio/migration-session.h"
#include "trace.h"

/* ---- phases ---- */

const char *vfio_mig_phase_str(VFIOMigPhase phase)
{
    static const char *const names[] = {
        [VFIO_MIG_PHASE_IDLE] = "idle",
        [VFIO_MIG_PHASE_SETUP] = "setup",
        [VFIO_MIG_PHASE_SAVE] = "save",
        [VFIO_MIG_PHASE_SAVED] = "saved",
        [VFIO_MIG_PHASE_LOAD] = "load",
        [VFIO_MIG_PHASE_LOADED] = "loaded",
    };

    return names[phase];
}

static bool vfio_mig_phase_follows(VFIOMigPhase from, VFIOMigPhase to)
{
    static const uint32_t next[] = {
        [VFIO_MIG_PHASE_IDLE] = BIT(VFIO_MIG_PHASE_SETUP) |
                                BIT(VFIO_MIG_PHASE_LOAD),
        [VFIO_MIG_PHASE_SETUP] = BIT(VFIO_MIG_PHASE_SAVE),
        [VFIO_MIG_PHASE_SAVE] = BIT(VFIO_MIG_PHASE_SAVED),
        [VFIO_MIG_PHASE_LOAD] = BIT(VFIO_MIG_PHASE_LOADED),
        [VFIO_MIG_PHASE_SAVED] = 0,
        [VFIO_MIG_PHASE_LOADED] = 0,
    };

    /* A session may end at any time. */
    return to == VFIO_MIG_PHASE_IDLE || next[from] & BIT(to);
}

void vfio_mig_set_phase(VFIODeviceMigration *mig, VFIOMigPhase phase)
{
    g_assert(qemu_mutex_iothread_locked());
    g_assert(vfio_mig_phase_follows(mig->phase, phase));
    trace_vfio_migration_phase(vfio_mig_dev(mig)->name,
                               vfio_mig_phase_str(mig->phase),
                               vfio_mig_phase_str(phase));
    qatomic_set(&mig->phase, phase);
}

/* ---- begin and end ---- */

void vfio_mig_session_begin(VFIODeviceMigration *mig, VFIOMigPhase phase,
                            VFIOMigStream stream)
{
    VFIOMigSession *session = g_new0(VFIOMigSession, 1);

    g_assert(qemu_mutex_iothread_locked() && !mig->session);
    session->stream = stream;
    object_ref(OBJECT(vfio_mig_dev(mig)->dev));
    vfio_mig_stats_reset(mig);
    qemu_mutex_lock(&mig->lock);
    mig->session = session;
    g_clear_pointer(&mig->last_error, g_free);
    g_clear_pointer(&mig->last_warning, g_free);
    qemu_mutex_unlock(&mig->lock);
    vfio_mig_set_phase(mig, phase);
}

void vfio_mig_session_open(VFIODeviceMigration *mig, QEMUFile *f)
{
    g_assert(qemu_mutex_iothread_locked() && !mig->session->file);
    mig->session->file = f;
    vfio_mig_guard_begin();
    mig->protocol->open(mig);
}

/* The session has ended, and none of the device's handlers is running. */
static void vfio_mig_free_gone(void *opaque)
{
    VFIODeviceMigration *mig = opaque;
    Object *obj = OBJECT(vfio_mig_dev(mig)->dev);

    vfio_mig_device_free(mig);
    object_unref(obj);
}

void vfio_mig_session_end(VFIODeviceMigration *mig)
{
    VFIOMigSession *session = mig->session;

    g_assert(qemu_mutex_iothread_locked());
    if (!session) {
        return;
    }
    if (session->file) {
        mig->protocol->close(mig);
        vfio_mig_guard_end();
    }
    vfio_mig_set_phase(mig, VFIO_MIG_PHASE_IDLE);
    qemu_mutex_lock(&mig->lock);
    mig->session = NULL;
    qemu_mutex_unlock(&mig->lock);
    error_free(session->error);
    g_free(session->staging);
    g_free(session);
    if (mig->gone) {
        aio_bh_schedule_oneshot(qemu_get_aio_context(), vfio_mig_free_gone,
                                mig);
    } else {
        object_unref(OBJECT(vfio_mig_dev(mig)->dev));
    }
}

/* ---- failure ---- */

/* Keeps a copy of the first error. Returns true if a live save has failed. */
static bool vfio_mig_note_failure(VFIODeviceMigration *mig, int ret,
                                  Error *err)
{
    VFIOMigSession *session;
    bool live_save = false;

    qemu_mutex_lock(&mig->lock);
    session = mig->session;
    if (!session || !session->error) {
        g_free(mig->last_error);
        mig->last_error = g_strdup(error_get_pretty(err));
    }
    if (session) {
        if (!session->error) {
            session->error = error_copy(err);
            session->ret = ret;
        }
        live_save = session->stream != VFIO_MIG_STREAM_SNAPSHOT &&
                    mig->phase <= VFIO_MIG_PHASE_SAVED;
    }
    qemu_mutex_unlock(&mig->lock);
    return live_save;
}

void vfio_mig_fail(VFIODeviceMigration *mig, int ret, Error *err)
{
    trace_vfio_migration_failed(vfio_mig_dev(mig)->name, ret,
                                error_get_pretty(err));
    if (vfio_mig_note_failure(mig, ret, err)) {
        migrate_set_error(migrate_get_current(), err);
        error_free(err);
    } else {
        vfio_mig_answer_no(error_get_pretty(err));
        error_report_err(err);
    }
}

bool vfio_mig_session_failed(VFIODeviceMigration *mig)
{
    bool failed;

    qemu_mutex_lock(&mig->lock);
    failed = mig->session && mig->session->error;
    qemu_mutex_unlock(&mig->lock);
    return failed;
}

int vfio_mig_session_tell(VFIODeviceMigration *mig)
{
    VFIOMigSession *session = mig->session;
    Error *err = NULL;
    int ret = 0;

    qemu_mutex_lock(&mig->lock);
    if (session->error) {
        ret = session->ret;
        err = error_copy(session->error);
    }
    qemu_mutex_unlock(&mig->lock);
    if (!err) {
        return 0;
    }
    if (!session->told && session->file) {
        session->told = true;
        qemu_file_set_error_obj(session->file, ret, err);
    } else {
        error_free(err);
    }
    return ret;
}

void vfio_mig_session_name_failure(VFIODeviceMigration *mig)
{
    MigrationState *s = migrate_get_current();
    VFIOMigSession *session = mig->session;
    Error *err = NULL;
    int ret;

    /* A cancelled migration has not failed. */
    if (session->stream != VFIO_MIG_STREAM_LIVE || !session->file ||
        !migration_has_failed(s)) {
        return;
    }
    ret = qemu_file_get_error_obj(session->file, &err);
    if (!err && ret < 0) {
        error_setg_errno(&err, -ret, "The migration stream failed");
    } else if (!err) {
        error_setg(&err, "QEMU gives no reason; the log of the destination "
                   "may have it");
    }
    migrate_set_error(s, err);          /* an earlier error is kept */
    error_free(err);
}

bool vfio_mig_session_goes_on(VFIODeviceMigration *mig)
{
    g_assert(qemu_mutex_iothread_locked());
    /* A cancel shuts down the stream before anything else. */
    return mig->phase == VFIO_MIG_PHASE_SAVE &&
           mig->session->stream == VFIO_MIG_STREAM_LIVE &&
           !vfio_mig_session_failed(mig) &&
           !qemu_file_get_error(mig->session->file);
}

bool vfio_mig_data_sent(VFIODeviceMigration *mig)
{
    bool sent;

    qemu_mutex_lock(&mig->lock);
    sent = mig->session && mig->session->data_sent;
    qemu_mutex_unlock(&mig->lock);
    return sent;
}

void vfio_mig_set_data_sent(VFIODeviceMigration *mig, bool sent)
{
    qemu_mutex_lock(&mig->lock);
    if (mig->session) {
        mig->session->data_sent = sent;
    }
    qemu_mutex_unlock(&mig->lock);
}
