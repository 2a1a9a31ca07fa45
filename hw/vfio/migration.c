/*
 * Migration of VFIO devices: the front door
 *
 * Owns: which devices can migrate and why others cannot, registration of
 * handlers and notifiers, and what a device does when the VM stops or goes
 * on. Does not own: the handlers themselves (migration-save.c,
 * migration-load.c), the protocol, dirty tracking.
 *
 * Locks: everything here runs with the BQL.
 * Source: requirements 2.5 to 2.8, R-05 to R-08, B-04, B-06, B-07, B-14.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/error-report.h"
#include "hw/vmstate-if.h"
#include "migration/blocker.h"
#include "migration/migration.h"
#include "migration/misc.h"
#include "migration/qemu-file.h"
#include "migration/vmstate.h"
#include "sysemu/runstate.h"
#include "hw/vfio/dirty-tracking.h"
#include "hw/vfio/migration-device.h"
#include "hw/vfio/migration-v1-uapi.h"
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

    if (!mig->saving || mig->failed || mig->snapshot || mig->background ||
        !migration_is_active(migrate_get_current())) {
        return VFIO_MIG_STATE_RUNNING;
    }
    if (!mig->session_sent) {
        return VFIO_MIG_STATE_PRE_COPY;
    }
    error_setg(&err, "%s: the VM was stopped and continued after data of the "
               "device had been sent; start the migration again",
               vfio_mig_dev(mig)->name);
    vfio_mig_fail(mig, -EAGAIN, err);
    return VFIO_MIG_STATE_RUNNING;
}

static void vfio_mig_vm_runs(VFIODeviceMigration *mig)
{
    VFIOMigState target = vfio_mig_running_target(mig);
    bool first_run = mig->loaded;
    Error *err = NULL;
    int ret;

    if (first_run) {
        vfio_mig_route_intx(vfio_mig_dev(mig));
    }
    ret = vfio_mig_set_state(mig, target, target == VFIO_MIG_STATE_RUNNING ?
                             VFIO_MIG_STATE_ERROR : VFIO_MIG_STATE_RUNNING,
                             &err);
    mig->loaded = false;
    if (ret == 0) {
        return;
    }
    if (first_run) {
        /*
         * What was migrated is lost here, but the source still has it: do
         * not let the guest go on with an empty device.
         */
        error_append_hint(&err, "The VM is stopped. Continue it on the "
                          "source, or reset it here.\n");
        qemu_system_vmstop_request_prepare();
        qemu_system_vmstop_request(RUN_STATE_INTERNAL_ERROR);
    }
    vfio_mig_fail(mig, ret, err);
}

static void vfio_mig_vm_stops(VFIODeviceMigration *mig, RunState state)
{
    VFIOMigState target = VFIO_MIG_STATE_STOP;
    Error *err = NULL;
    int ret;

    if (mig->state == VFIO_MIG_STATE_PRE_COPY ||
        (mig->state == VFIO_MIG_STATE_RUNNING && state == RUN_STATE_SAVE_VM)) {
        target = VFIO_MIG_STATE_STOP_COPY;      /* B-07 */
    } else if (mig->state != VFIO_MIG_STATE_RUNNING &&
               mig->state != VFIO_MIG_STATE_ERROR) {
        return;                                 /* it is stopped */
    }
    ret = vfio_mig_set_state(mig, target, VFIO_MIG_STATE_STOP, &err);
    if (ret < 0) {
        vfio_mig_fail(mig, ret, err);
    }
}

static void vfio_mig_vm_state_change(void *opaque, bool running,
                                     RunState state)
{
    VFIODeviceMigration *mig = vfio_mig_of(opaque);

    mig->base.vm_running = running;
    if (running) {
        vfio_dirty_device_runs(vfio_mig_dev(mig));
        vfio_mig_vm_runs(mig);
    } else {
        vfio_mig_vm_stops(mig, state);
    }
    trace_vfio_migration_vm_state(vfio_mig_dev(mig)->name, running,
                                  RunState_str(state),
                                  vfio_mig_state_str(mig->state));
}

/*
 * After a failed or cancelled migration the device is as the VM is: running,
 * or stopped where the VM is paused. Comes more than once.
 */
static void vfio_mig_status_change(Notifier *notifier, void *data)
{
    VFIODeviceMigration *mig = container_of(notifier, VFIODeviceMigration,
                                            base.migration_state);
    MigrationState *s = data;
    VFIOMigState idle = vfio_mig_idle_state();
    bool failed = migration_has_failed(s);
    Error *err = NULL;

    if (migration_in_setup(s)) {
        vfio_mig_stats_reset(mig);
    }
    if (failed && mig->state != idle &&
        (mig->state == VFIO_MIG_STATE_ERROR ||
         mig->state == VFIO_MIG_STATE_PRE_COPY ||
         mig->state == VFIO_MIG_STATE_STOP_COPY) &&
        vfio_mig_set_state(mig, idle, VFIO_MIG_STATE_ERROR, &err) < 0) {
        vfio_mig_fail(mig, -EIO, err);
    }
    trace_vfio_migration_status(vfio_mig_dev(mig)->name,
                                failed ? "failed" :
                                migration_in_setup(s) ? "setup" : "other",
                                vfio_mig_state_str(mig->state));
}

/* ---- blockers ---- */

/*
 * Takes @reason over and keeps it in @blocker while it stands. Returns 0, or
 * -errno where the VM must not have such a device.
 */
static int vfio_mig_block(VFIODevice *vbasedev, Error *reason,
                          Error **blocker, Error **errp)
{
    int ret;

    trace_vfio_migration_blocked(vbasedev->name, error_get_pretty(reason));
    ret = migrate_add_blocker(reason, errp);
    if (ret < 0) {
        error_free(reason);     /* it is part of @errp's text */
        return ret;
    }
    *blocker = reason;
    return 0;
}

static void vfio_mig_unblock(Error **blocker)
{
    if (*blocker) {
        migrate_del_blocker(*blocker);
        error_free(*blocker);
        *blocker = NULL;
    }
}

/* Any other device that migrates by a protocol without a P2P state */
static VFIODevice *vfio_mig_find_other(VFIODevice *vbasedev)
{
    VFIOGroup *group;
    VFIODevice *other;

    QLIST_FOREACH(group, &vfio_group_list, next) {
        QLIST_FOREACH(other, &group->device_list, next) {
            if (other != vbasedev && other->migration) {
                return other;
            }
        }
    }
    return NULL;
}

/* One device alone is fine; each further one carries a blocker (B-21). */
static int vfio_mig_block_multi(VFIODeviceMigration *mig, Error **errp)
{
    VFIODevice *vbasedev = vfio_mig_dev(mig);
    VFIODevice *other = vfio_mig_find_other(vbasedev);
    Error *reason = NULL;

    if (!other || vfio_mig_multi_device_allowed(vbasedev)) {
        return 0;
    }
    error_setg(&reason, "%s: cannot migrate together with %s: protocol v1 has "
               "no state that stops peer-to-peer DMA between devices; where "
               "they do none, allow it with %s", vbasedev->name, other->name,
               vfio_mig_multi_device_option);
    return vfio_mig_block(vbasedev, reason, &mig->multi_blocker, errp);
}

/* A device left: of the others, one alone needs no blocker any more. */
static void vfio_mig_recheck_multi(void)
{
    VFIOGroup *group;
    VFIODevice *vbasedev;

    QLIST_FOREACH(group, &vfio_group_list, next) {
        QLIST_FOREACH(vbasedev, &group->device_list, next) {
            if (vbasedev->migration && !vfio_mig_find_other(vbasedev)) {
                vfio_mig_unblock(&vfio_mig_of(vbasedev)->multi_blocker);
            }
        }
    }
}

/* ---- probe and finalize ---- */

/*
 * Find and set up the region. Returns NULL with @errp set, in the user's
 * words, where the device cannot migrate.
 */
static VFIODeviceMigration *vfio_mig_open(VFIODevice *vbasedev, Object *obj,
                                          Error **errp)
{
    g_autofree struct vfio_region_info *info = NULL;
    VFIODeviceMigration *mig;
    int ret = vfio_get_dev_region_info(vbasedev, VFIO_MIG_REGION_TYPE,
                                       VFIO_MIG_REGION_SUBTYPE, &info);

    if (ret) {
        error_setg(errp, "%s: cannot migrate: its kernel driver offers no "
                   "migration region (%s)", vbasedev->name, strerror(-ret));
        return NULL;
    }
    if (info->size < VFIO_MIG_REGS_SIZE_BYTES) {
        error_setg(errp, "%s: cannot migrate: its migration region %u is of "
                   "size %llu, smaller than its registers", vbasedev->name,
                   info->index, (unsigned long long)info->size);
        return NULL;
    }

    mig = g_new0(VFIODeviceMigration, 1);
    mig->base.vbasedev = vbasedev;
    ret = vfio_region_setup(obj, vbasedev, &mig->base.region, info->index,
                            "migration");
    if (ret) {
        error_setg(errp, "%s: cannot migrate: setting up its migration region "
                   "%u failed: %s", vbasedev->name, info->index,
                   strerror(-ret));
        g_free(mig);
        return NULL;
    }
    trace_vfio_migration_found(vbasedev->name, info->index, info->size);
    return mig;
}

static void vfio_mig_close(VFIODeviceMigration *mig)
{
    vfio_mig_extents_destroy(&mig->extents);
    vfio_region_exit(&mig->base.region);
    vfio_region_finalize(&mig->base.region);
    g_free(mig->bounce);
    g_free(mig->last_error);
    g_free(mig);
}

/* The protocol's side of a fresh device, and its first state. */
static int vfio_mig_start(VFIODeviceMigration *mig, Error **errp)
{
    VFIODevice *vbasedev = vfio_mig_dev(mig);
    int ret;

    mig->protocol = &vfio_mig_protocol_v1;
    mig->access.fd = vbasedev->fd;
    mig->access.fd_offset = mig->base.region.fd_offset;
    vfio_mig_extents_init(&mig->extents, mig->base.region.size, NULL, 0);
    mig->base.vm_running = runstate_is_running();   /* B-13 */
    ret = mig->protocol->get_state(mig, &mig->state);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "%s: cannot migrate: reading its state "
                         "failed", vbasedev->name);
    }
    return ret;
}

static void vfio_mig_register(VFIODeviceMigration *mig, Object *obj)
{
    VFIODevice *vbasedev = vfio_mig_dev(mig);
    g_autofree char *path = vmstate_if_get_id(VMSTATE_IF(obj));
    g_autofree char *id = path ? g_strdup_printf("%s/vfio", path)
                               : g_strdup("vfio");

    qemu_mutex_init(&mig->lock);
    qemu_cond_init(&mig->chunk_done);
    register_savevm_live(id, VMSTATE_INSTANCE_ID_ANY, 1,
                         &vfio_mig_savevm_handlers, vbasedev);
    mig->base.vm_state =
        qdev_add_vm_change_state_handler(vbasedev->dev,
                                         vfio_mig_vm_state_change, vbasedev);
    mig->base.migration_state.notify = vfio_mig_status_change;
    add_migration_state_change_notifier(&mig->base.migration_state);
}

static void vfio_mig_unregister(VFIODeviceMigration *mig)
{
    VFIODevice *vbasedev = vfio_mig_dev(mig);

    remove_migration_state_change_notifier(&mig->base.migration_state);
    qemu_del_vm_change_state_handler(mig->base.vm_state);
    unregister_savevm(VMSTATE_IF(vbasedev->dev), "vfio", vbasedev);
    qemu_cond_destroy(&mig->chunk_done);
    qemu_mutex_destroy(&mig->lock);
}

/* Sets up what a device needs to migrate; on failure says why it cannot. */
static VFIODeviceMigration *vfio_mig_create(VFIODevice *vbasedev,
                                            Error **errp)
{
    VFIODeviceMigration *mig;
    Object *obj = NULL;

    if (!vbasedev->enable_migration) {
        error_setg(errp, "%s: cannot migrate: its property "
                   "x-enable-migration is off", vbasedev->name);
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
    if (!vfio_dirty_attach(vbasedev)) {
        error_setg(errp, "%s: cannot migrate: its IOMMU is not of type1, and "
                   "pages that the device writes would be lost",
                   vbasedev->name);
        return NULL;
    }
    mig = vfio_mig_open(vbasedev, obj, errp);
    if (mig && vfio_mig_start(mig, errp) < 0) {
        vfio_mig_close(mig);
        return NULL;
    }
    if (mig) {
        vfio_mig_register(mig, obj);
    }
    return mig;
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

    vfio_dirty_attach(vbasedev);    /* also where it cannot migrate */
    mig = vfio_mig_create(vbasedev, &reason);
    if (!mig) {
        ret = vfio_mig_block(vbasedev, reason, &vbasedev->migration_blocker,
                             errp);
    } else {
        vbasedev->migration = &mig->base;
        ret = vfio_mig_block_multi(mig, errp);
    }
    vfio_mig_info_add(vbasedev);
    if (ret < 0) {
        vfio_migration_finalize(vbasedev);
    }
    return ret;
}

/*
 * vfio_migration_finalize: undo all that vfio_migration_probe() did
 *
 * Safe for a device that was never probed, or probed in vain (R-05c).
 * Locks: needs the BQL.
 */
void vfio_migration_finalize(VFIODevice *vbasedev)
{
    VFIODeviceMigration *mig = vfio_mig_of(vbasedev);

    vfio_mig_info_remove(vbasedev);
    if (mig) {
        vfio_mig_unblock(&mig->multi_blocker);
        vfio_mig_unregister(mig);
        vbasedev->migration = NULL;
        vfio_mig_close(mig);
        vfio_mig_recheck_multi();
    }
    vfio_mig_unblock(&vbasedev->migration_blocker);
    vfio_dirty_detach(vbasedev);
}

/* ---- statistics for query-migrate ---- */

/* Devices that can migrate count; a device with a blocker says so instead. */
bool vfio_mig_active(void)
{
    VFIOGroup *group;
    VFIODevice *vbasedev;
    bool active = false;

    QLIST_FOREACH(group, &vfio_group_list, next) {
        QLIST_FOREACH(vbasedev, &group->device_list, next) {
            if (vbasedev->migration_blocker) {
                return false;
            }
            active |= vbasedev->migration != NULL;
        }
    }
    return active;
}

int64_t vfio_mig_bytes_transferred(void)
{
    VFIOGroup *group;
    VFIODevice *vbasedev;
    uint64_t sum = 0;

    QLIST_FOREACH(group, &vfio_group_list, next) {
        QLIST_FOREACH(vbasedev, &group->device_list, next) {
            VFIODeviceMigration *mig = vfio_mig_of(vbasedev);

            if (mig) {
                sum += qatomic_read__nocheck(&mig->stats.transferred_bytes);
            }
        }
    }
    return MIN(sum, INT64_MAX);
}
