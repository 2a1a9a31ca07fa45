/*
 * Migration of VFIO devices: the front door
 *
 * Owns: QEMU's entry points, and when a migration begins or ends. Does not
 * own: the handlers (migration-save.c, migration-load.c), what a device does
 * when the VM stops or continues (migration-passes.c), blockers
 * (migration-blocker.c), creating and freeing devices (migration-device.c),
 * dirty tracking.
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
#include "hw/vfio/migration-passes.h"
#include "hw/vfio/migration-session.h"
#include "hw/vfio/migration-stop-copy.h"
#include "hw/vfio/migration-transition.h"
#include "trace.h"

/* ---- a migration begins and ends ---- */

/*
 * A migration begins. QEMU may start one before it has cleaned up after the
 * previous one; the session still belongs to that then, and save_setup fails.
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
        vfio_mig_session_end(mig);      /* it never had a stream */
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

const SaveVMHandlers vfio_mig_savevm_handlers = {
    .save_setup = vfio_mig_save_setup,
    .save_live_pending = vfio_mig_save_pending,
    .has_postcopy = vfio_mig_save_has_postcopy,
    .is_active_iterate = vfio_mig_save_has_iterate,
    .save_live_iterate = vfio_mig_save_iterate,
    .save_live_complete_precopy = vfio_mig_save_complete,
    .save_state = vfio_mig_save_config,
    .save_cleanup = vfio_mig_save_cleanup,
    .load_setup = vfio_mig_load_setup,
    .load_state = vfio_mig_load_state,
    .load_cleanup = vfio_mig_load_cleanup,
};

/* Sets up what a device needs to migrate, or reports why it cannot. */
static VFIODeviceMigration *vfio_mig_create(VFIODevice *vbasedev,
                                            Error **errp)
{
    static const VFIOMigCallbacks callbacks = {
        .handlers = &vfio_mig_savevm_handlers,
        .vm_state = vfio_mig_passes_vm_state,
        .vm_stops_first = vfio_mig_passes_stops_first,
        .vm_starts_first = vfio_mig_passes_starts_first,
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
 * Returns: 0, even for a device that blocks migration; -errno with @errp set
 * if such a device is not allowed (-only-migratable).
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
        /* Even if this device cannot migrate */
        vfio_dirty_device_comes(vbasedev);
    }
    return ret;
}

/* A migration in progress cannot succeed without its device. */
static void vfio_mig_unplugged(VFIODeviceMigration *mig)
{
    Error *err = NULL;

    if (mig->session) {
        error_setg(&err, "%s: the device was unplugged during the migration; "
                   "start the migration again", vfio_mig_dev(mig)->name);
        vfio_mig_fail(mig, -ENODEV, err);
    }
    vfio_mig_passes_leave(mig);
    vfio_mig_device_leave(mig);
    vfio_mig_recheck_multi();
}

/*
 * vfio_migration_finalize: undo all that vfio_migration_probe() did
 *
 * Safe for a device that was never probed, or whose probe failed.
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
