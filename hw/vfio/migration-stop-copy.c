/*
 * All devices of a stopped VM are read at once, without the BQL
 *
 * Owns: when that may be done, and in what turns devices and RAM come into the
 * stream. Does not own: how a device is read (migration-pipeline.c), what a
 * section holds (migration-save.c).
 *
 * QEMU completes a migration in one go: with the VM stopped and the BQL held,
 * each handler gives all that it has, one after the other. But it tells those
 * who want to know that it is about to; and what a destination takes before the
 * last sections, also of a stopped VM, are more sections like those of
 * pre-copy. So we go on with these, till the devices are empty. QEMU itself
 * lets the BQL go at this point where a user has set pause-before-switchover:
 * what may happen then may happen here (docs/stop-copy.md).
 *
 * Locks: called with the BQL, which is given back meanwhile.
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

/* What RAM sends in a turn of its own, if no device has anything */
#define VFIO_MIG_RAM_TURN_BYTES     (2 * MiB)

/* How often a wait for a device looks at the stream, in ms */
#define VFIO_MIG_STREAM_LOOK_MS     10

typedef struct VFIOMigStopCopy {
    GPtrArray *migs;            /* sessions keep them till their clean-up */
    QEMUFile *file;
    QemuMutex lock;
    QemuCond changed;
    bool has_changed;           /* lock; a worker has something */
} VFIOMigStopCopy;

/* ---- who takes part ---- */

/*
 * Only where the VM ran: see vfio_mig_stop_copy_run(). And not where the guest
 * slept: QEMU has just woken it up for the migration, and resets all devices
 * as soon as its main thread gets the BQL.
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
 * Dirty bitmaps of disks have a handler that comes before ours once the VM is
 * stopped, and lets no later one have its turn.
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

/* In a worker */
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

/* A cancel breaks the stream, too. */
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
 * A user may set a bandwidth at any time, but nobody gives a stopped VM's
 * stream its next share: it would wait for ever.
 */
static void vfio_mig_stop_copy_lift_limit(VFIOMigStopCopy *c)
{
    qemu_file_set_rate_limit(c->file, INT64_MAX);
}

/*
 * Only the devices: QEMU takes it that RAM has no postcopy, as VFIO refuses
 * that, and leaves it out.
 */
static void vfio_mig_stop_copy_devices_turn(VFIOMigStopCopy *c)
{
    vfio_mig_stop_copy_lift_limit(c);
    qemu_savevm_state_iterate(c->file, true);
}

/*
 * Everybody, and RAM first, but so much of it only: the devices would wait for
 * it. False where nothing came of it.
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

/* One that was left off in the middle must not look complete. */
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
 * The destination is told how the VM was before its stop. A snapshot that
 * somebody tries to take meanwhile is refused, but it has noted the VM's state
 * for that by then, as it is now; so it is noted once more as it was.
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
    return 0;           /* a failure is its device's, and in the stream */
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
