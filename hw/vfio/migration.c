/*
 * Migration of VFIO devices: the front door
 *
 * Owns: QEMU's entry points, what a device does when the VM stops or goes on,
 * and when a migration begins or ends. Does not own: the handlers
 * (migration-save.c, migration-load.c), blockers (migration-blocker.c), the
 * life of a device (migration-device.c), dirty tracking.
 *
 * Locks: everything here runs with the BQL.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "migration/migration.h"
#include "migration/misc.h"
#include "sysemu/runstate.h"
#include "hw/vfio/dirty-tracking.h"
#include "hw/vfio/migration-answer.h"
#include "hw/vfio/migration-blocker.h"
#include "hw/vfio/migration-handlers.h"
#include "hw/vfio/migration-info.h"
#include "hw/vfio/migration-options.h"
#include "hw/vfio/migration-pci.h"
#include "hw/vfio/migration-session.h"
#include "hw/vfio/migration-stop-copy.h"
#include "hw/vfio/migration-transition.h"
#include "trace.h"

/* ---- the VM stops and goes on ---- */

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
 * The VM starts, and no device of it runs yet. Where this fails, the same is
 * tried once more when it is the device's turn, and told then.
 */
static void vfio_mig_vm_starts_first(void *opaque, bool running,
                                     RunState state)
{
    VFIODeviceMigration *mig = vfio_mig_of(opaque);

    if (!running) {
        return;
    }
    vfio_dirty_vm_goes_on();
    if (mig->session && vfio_mig_stop_may_be_due(mig)) {
        return;         /* it was never stopped */
    }
    vfio_mig_before_it_runs(mig);
    if (mig->state == VFIO_MIG_STATE_STOP ||
        mig->state == VFIO_MIG_STATE_STOP_COPY ||
        mig->state == VFIO_MIG_STATE_RESUMING) {
        vfio_mig_try_state(mig, VFIO_MIG_STATE_RUNNING_P2P);
    }
}

static void vfio_mig_vm_goes_on(VFIODeviceMigration *mig)
{
    VFIOMigState target;
    Error *err = NULL;
    int ret;

    if (vfio_mig_stop_due(mig)) {
        return;         /* it was never stopped */
    }
    if (!mig->traits.p2p) {
        vfio_mig_before_it_runs(mig);
    }
    target = vfio_mig_running_target(mig);
    ret = vfio_mig_set_state(mig, target, target == VFIO_MIG_STATE_RUNNING ?
                             VFIO_MIG_STATE_ERROR : VFIO_MIG_STATE_RUNNING,
                             &err);
    if (ret < 0 && mig->arrival != VFIO_MIG_ARRIVAL_NONE) {
        vfio_mig_first_run_failed(mig, err);
    } else if (ret < 0) {
        vfio_mig_fail(mig, ret, err);
    }
    mig->arrival = VFIO_MIG_ARRIVAL_NONE;
}

/* QEMU refuses a snapshot in a migration, and lets the VM go on. */
static bool vfio_mig_goes_on_soon(VFIODeviceMigration *mig, RunState state)
{
    return state == RUN_STATE_SAVE_VM && vfio_mig_session_goes_on(mig);
}

/* The VM stops, and no device of it is stopped yet. */
static void vfio_mig_vm_stops_first(void *opaque, bool running, RunState state)
{
    VFIODeviceMigration *mig = vfio_mig_of(opaque);

    if (!running && !vfio_mig_goes_on_soon(mig, state)) {
        vfio_mig_quiet_device(mig);
    }
}

static void vfio_mig_vm_stops(VFIODeviceMigration *mig)
{
    bool claimed;

    if (vfio_mig_goes_on_soon(mig, mig->told_state)) {
        vfio_mig_defer_stop(mig);
        return;
    }
    claimed = mig->phase == VFIO_MIG_PHASE_SAVE ? vfio_mig_claim_to_stop(mig)
                                                : vfio_mig_claim_soon(mig);
    if (claimed) {
        vfio_mig_stop_device(mig);
        vfio_mig_release(mig);
    }
}

static void vfio_mig_vm_state_change(void *opaque, bool running,
                                     RunState state)
{
    VFIODeviceMigration *mig = vfio_mig_of(opaque);

    mig->base.vm_running = running;
    mig->told_state = state;
    if (running) {
        vfio_dirty_vm_goes_on();
        vfio_mig_vm_goes_on(mig);
    } else {
        vfio_mig_vm_stops(mig);
    }
    trace_vfio_migration_vm_state(vfio_mig_dev(mig)->name, running,
                                  RunState_str(state),
                                  vfio_mig_state_str(mig->state));
}

/* ---- a migration begins and ends ---- */

/*
 * A migration begins. QEMU may begin one before it has cleaned up after the
 * last; then the session is still that one's, and set-up refuses.
 */
static void vfio_mig_status_setup(VFIODeviceMigration *mig)
{
    if (!mig->session) {
        vfio_mig_session_begin(mig, VFIO_MIG_PHASE_SETUP,
                               migrate_background_snapshot()
                               ? VFIO_MIG_STREAM_BACKGROUND
                               : VFIO_MIG_STREAM_LIVE);
    }
}

/* May be called several times per migration. */
static void vfio_mig_status_change(Notifier *notifier, void *data)
{
    VFIODeviceMigration *mig = container_of(notifier, VFIODeviceMigration,
                                            base.migration_state);
    MigrationState *s = data;
    bool failed = migration_has_failed(s);
    Error *err = NULL;

    if (migration_in_setup(s)) {
        vfio_mig_status_setup(mig);
        vfio_mig_answer_await(s);
    } else if (mig->phase == VFIO_MIG_PHASE_SETUP) {
        vfio_mig_session_end(mig);      /* it never came to a stream */
    }
    if (failed && !mig->session && vfio_mig_settle(mig, &err) < 0) {
        vfio_mig_fail(mig, -EIO, err);
    }
    trace_vfio_migration_status(vfio_mig_dev(mig)->name,
                                failed ? "failed" :
                                migration_in_setup(s) ? "setup" : "other",
                                vfio_mig_state_str(mig->state));
}

/* ---- probe and finalize ---- */

/* Sets up what a device needs to migrate; on failure says why it cannot. */
static VFIODeviceMigration *vfio_mig_create(VFIODevice *vbasedev,
                                            Error **errp)
{
    static const VFIOMigCallbacks callbacks = {
        .handlers = &vfio_mig_savevm_handlers,
        .vm_state = vfio_mig_vm_state_change,
        .vm_stops_first = vfio_mig_vm_stops_first,
        .vm_starts_first = vfio_mig_vm_starts_first,
        .status = vfio_mig_status_change,
    };
    Object *obj = NULL;

    if (!vbasedev->enable_migration) {
        error_setg(errp, "%s: cannot migrate: %s", vbasedev->name,
                   vfio_mig_off_reason);
        return NULL;
    }
    if (vbasedev->ops->vfio_get_object) {
        obj = vbasedev->ops->vfio_get_object(vbasedev);
    }
    if (!obj) {
        error_setg(errp, "%s: cannot migrate: devices of its kind do not "
                   "support it", vbasedev->name);
        return NULL;
    }
    if (!vfio_dirty_can_track(vbasedev)) {
        error_setg(errp, "%s: cannot migrate: its IOMMU is not of type1, and "
                   "pages that the device writes would be lost",
                   vbasedev->name);
        return NULL;
    }
    return vfio_mig_device_new(vbasedev, obj, &callbacks, errp);
}

/*
 * vfio_migration_probe: prepare @vbasedev for migration, or block it
 *
 * Returns: 0 also for a device that blocks migration; -errno with @errp set
 * where such a device is not allowed (-only-migratable).
 * Locks: needs the BQL.
 */
int vfio_migration_probe(VFIODevice *vbasedev, Error **errp)
{
    VFIODeviceMigration *mig;
    Error *reason = NULL;
    int ret;

    g_assert(qemu_mutex_iothread_locked());
    mig = vfio_mig_create(vbasedev, &reason);
    if (!mig) {
        ret = vfio_mig_block(vbasedev, reason, errp);
    } else {
        vbasedev->migration = &mig->base;
        vfio_mig_stop_copy_attach();
        ret = vfio_mig_block_multi(mig, errp);
    }
    vfio_mig_info_add(vbasedev);
    if (ret < 0) {
        vfio_migration_finalize(vbasedev);
    } else {
        /* Also where this one cannot migrate */
        vfio_dirty_device_comes(vbasedev);
        vfio_dirty_attach();
    }
    return ret;
}

/* A migration that has begun cannot succeed without its device. */
static void vfio_mig_unplugged(VFIODeviceMigration *mig)
{
    Error *err = NULL;

    if (mig->session) {
        error_setg(&err, "%s: the device was unplugged during the migration; "
                   "start the migration again", vfio_mig_dev(mig)->name);
        vfio_mig_fail(mig, -ENODEV, err);
    }
    vfio_mig_device_leave(mig);
    vfio_mig_recheck_multi();
}

/*
 * vfio_migration_finalize: undo all that vfio_migration_probe() did
 *
 * Safe for a device that was never probed, or probed in vain.
 * Locks: needs the BQL.
 */
void vfio_migration_finalize(VFIODevice *vbasedev)
{
    VFIODeviceMigration *mig = vfio_mig_of(vbasedev);

    g_assert(qemu_mutex_iothread_locked());
    vfio_mig_info_remove(vbasedev);
    vfio_mig_unblock(vbasedev);
    if (mig) {
        vfio_mig_unplugged(mig);
    }
}

/* ---- statistics for query-migrate ---- */

/*
 * Is there a device that can migrate? One with a blocker reports that instead.
 */
bool vfio_mig_active(void)
{
    VFIOGroup *group;
    VFIODevice *vbasedev;

    QLIST_FOREACH(group, &vfio_group_list, next) {
        QLIST_FOREACH(vbasedev, &group->device_list, next) {
            if (vbasedev->migration_blocker) {
                return false;
            }
        }
    }
    return vfio_mig_device_next(NULL) != NULL;
}

int64_t vfio_mig_bytes_transferred(void)
{
    VFIODeviceMigration *mig = NULL;
    uint64_t sum = 0;

    while ((mig = vfio_mig_device_next(mig))) {
        sum += qatomic_read__nocheck(&mig->stats.transferred_bytes);
    }
    return MIN(sum, INT64_MAX);
}
