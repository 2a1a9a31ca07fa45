/*
 * Reading all devices of a stopped VM in parallel, without the BQL
 *
 * Owns: when that may be done, and in which turns devices and RAM are sent.
 * Does not own: how a device is read (migration-pipeline.c), what a section
 * contains (migration-save.c).
 *
 * QEMU completes a migration in one go: with the VM stopped and the BQL held,
 * each handler sends all that it has, one after the other. But QEMU has a
 * notifier for the moment before that; and a destination accepts more sections
 * like those of pre-copy before the last ones, even if the VM is stopped. So we
 * continue to send these until the devices have no more data. QEMU itself
 * releases the BQL at this point if a user has set pause-before-switchover:
 * whatever may happen then may happen here (docs/stop-copy.md).
 *
 * Locks: called with the BQL, which is released in the meantime.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "qemu/notify.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "migration/global_state.h"
#include "migration/migration.h"
#include "migration/misc.h"
#include "migration/qemu-file.h"
#include "migration/ram.h"
#include "migration/savevm.h"
#include "sysemu/runstate.h"
#include "hw/vfio/migration-pipeline.h"
#include "hw/vfio/migration-session.h"
#include "hw/vfio/migration-stop-copy.h"
#include "trace.h"

/* What RAM sends in one turn while no device has any data; our choice */
#define VFIO_MIG_RAM_TURN_BYTES     (2 * MiB)

/* How often a wait for a device checks the stream, in ms; our choice */
#define VFIO_MIG_STREAM_LOOK_MS     10

typedef struct VFIOMigStopCopy {
    GPtrArray *migs;            /* kept alive by their sessions */
    QEMUFile *file;
    QemuMutex lock;
    QemuCond changed;
    bool has_changed;           /* lock; a worker has new data */
} VFIOMigStopCopy;

/* ---- who takes part ---- */

/*
 * Only if the VM was running: see vfio_mig_stop_copy_run(). And not if the
 * guest was suspended: QEMU has just woken it up for the migration, and resets
 * all devices as soon as its main thread gets the BQL.
 */
static bool vfio_mig_stop_copy_takes(VFIODeviceMigration *mig)
{
    return mig->phase == VFIO_MIG_PHASE_SAVE &&
           mig->session->stream == VFIO_MIG_STREAM_LIVE &&
           mig->told_state == RUN_STATE_FINISH_MIGRATE &&
           mig->state == VFIO_MIG_STATE_STOP_COPY &&
           !mig->session->slept && !vfio_mig_session_failed(mig);
}

/*
 * Dirty bitmaps of disks have a handler that is called before ours once the VM
 * is stopped, and that never gives later ones a turn.
 */
static bool vfio_mig_stop_copy_may_be(void)
{
    return runstate_check(RUN_STATE_FINISH_MIGRATE) &&
           !migration_in_postcopy() && !migrate_dirty_bitmaps();
}

static GPtrArray *vfio_mig_stop_copy_devices(void)
{
    GPtrArray *migs = g_ptr_array_new();
    VFIODeviceMigration *mig = NULL;

    while ((mig = vfio_mig_device_next(mig))) {
        if (vfio_mig_stop_copy_takes(mig)) {
            g_ptr_array_add(migs, mig);
        }
    }
    return migs;
}

/* ---- turns ---- */

/* Called in a worker */
static void vfio_mig_stop_copy_changed(void *opaque)
{
    VFIOMigStopCopy *c = opaque;

    qemu_mutex_lock(&c->lock);
    if (!c->has_changed) {
        c->has_changed = true;
        qemu_cond_broadcast(&c->changed);
    }
    qemu_mutex_unlock(&c->lock);
}

static void vfio_mig_stop_copy_wait(VFIOMigStopCopy *c)
{
    qemu_mutex_lock(&c->lock);
    if (!c->has_changed) {
        qemu_cond_timedwait(&c->changed, &c->lock, VFIO_MIG_STREAM_LOOK_MS);
    }
    c->has_changed = false;
    qemu_mutex_unlock(&c->lock);
}

/* A cancel shuts down the stream, too. */
static bool vfio_mig_stop_copy_goes_on(VFIOMigStopCopy *c)
{
    bool all_drained = true;
    unsigned i;

    for (i = 0; i < c->migs->len; i++) {
        if (vfio_mig_session_failed(c->migs->pdata[i])) {
            return false;
        }
        all_drained &= vfio_mig_pipeline_drained(c->migs->pdata[i]);
    }
    return !all_drained && !qemu_file_get_error(c->file);
}

static bool vfio_mig_stop_copy_any_ready(VFIOMigStopCopy *c)
{
    unsigned i;

    for (i = 0; i < c->migs->len; i++) {
        if (vfio_mig_pipeline_ready(c->migs->pdata[i])) {
            return true;
        }
    }
    return false;
}

/*
 * A user may set a bandwidth at any time, but in a stopped VM nothing starts
 * the next interval of the rate limit: the stream would wait forever.
 */
static void vfio_mig_stop_copy_lift_limit(VFIOMigStopCopy *c)
{
    qemu_file_set_rate_limit(c->file, INT64_MAX);
}

/*
 * A round of the devices only: RAM is left out, as postcopy of RAM is not
 * active, which VFIO refuses.
 */
static void vfio_mig_stop_copy_devices_turn(VFIOMigStopCopy *c)
{
    vfio_mig_stop_copy_lift_limit(c);
    qemu_savevm_state_iterate(c->file, true);
}

/*
 * A round of everyone, RAM first, but only a limited amount of it: the devices
 * wait for it. Returns false if nothing was sent.
 */
static bool vfio_mig_stop_copy_ram_turn(VFIOMigStopCopy *c)
{
    uint64_t left_bytes = ram_bytes_remaining();

    if (!left_bytes) {
        return false;
    }
    qemu_file_reset_rate_limit(c->file);
    qemu_file_set_rate_limit(c->file, VFIO_MIG_RAM_TURN_BYTES);
    qemu_savevm_state_iterate(c->file, false);
    vfio_mig_stop_copy_lift_limit(c);
    return ram_bytes_remaining() < left_bytes;
}

/* In the migration thread, without the BQL */
static void vfio_mig_stop_copy_turns(VFIOMigStopCopy *c)
{
    while (vfio_mig_stop_copy_goes_on(c)) {
        if (vfio_mig_stop_copy_any_ready(c)) {
            vfio_mig_stop_copy_devices_turn(c);
        } else if (!vfio_mig_stop_copy_ram_turn(c)) {
            vfio_mig_stop_copy_wait(c);
        }
    }
}

/* ---- begin and end ---- */

static void vfio_mig_stop_copy_begin(VFIOMigStopCopy *c)
{
    unsigned i;

    qemu_mutex_init(&c->lock);
    qemu_cond_init(&c->changed);
    for (i = 0; i < c->migs->len; i++) {
        vfio_mig_pipeline_begin(c->migs->pdata[i], c->migs->len > 1,
                                vfio_mig_stop_copy_changed, c);
    }
}

/* A device that was not read to the end must not appear to be complete. */
static void vfio_mig_stop_copy_end(VFIOMigStopCopy *c)
{
    bool all_drained = true;
    unsigned i;

    for (i = 0; i < c->migs->len; i++) {
        vfio_mig_pipeline_end(c->migs->pdata[i]);
        vfio_mig_session_tell(c->migs->pdata[i]);
        all_drained &= vfio_mig_pipeline_drained(c->migs->pdata[i]);
    }
    if (!all_drained && !qemu_file_get_error(c->file)) {
        qemu_file_set_error(c->file, -EIO);
    }
    qemu_cond_destroy(&c->changed);
    qemu_mutex_destroy(&c->lock);
}

/*
 * The destination is sent the run state that the VM had before its stop. A
 * snapshot that is attempted in the meantime is refused, but only after it has
 * recorded the current run state for that purpose; so the original one is
 * recorded again.
 */
static void vfio_mig_stop_copy_run(GPtrArray *migs)
{
    VFIODeviceMigration *first = migs->pdata[0];
    int64_t start_ns = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    VFIOMigStopCopy c = { .migs = migs, .file = first->session->file };

    vfio_mig_stop_copy_begin(&c);
    qemu_mutex_unlock_iothread();
    vfio_mig_stop_copy_turns(&c);
    vfio_mig_stop_copy_end(&c);
    qemu_mutex_lock_iothread();
    global_state_store_running();
    trace_vfio_migration_stop_copy(migs->len, qemu_file_get_error(c.file),
                                   qemu_clock_get_ns(QEMU_CLOCK_REALTIME) -
                                   start_ns);
}

static int vfio_mig_stop_copy_notify(NotifierWithReturn *notifier, void *data)
{
    PrecopyNotifyData *precopy = data;

    if (precopy->reason == PRECOPY_NOTIFY_COMPLETE &&
        vfio_mig_stop_copy_may_be()) {
        g_autoptr(GPtrArray) migs = vfio_mig_stop_copy_devices();

        if (migs->len) {
            vfio_mig_stop_copy_run(migs);
        }
    }
    return 0;           /* a failure was set in the stream */
}

void vfio_mig_stop_copy_attach(void)
{
    static NotifierWithReturn notifier;

    g_assert(qemu_mutex_iothread_locked());
    if (!notifier.notify) {
        notifier.notify = vfio_mig_stop_copy_notify;
        precopy_add_notifier(&notifier);
    }
}
