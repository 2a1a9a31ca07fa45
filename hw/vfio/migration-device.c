/*
 * One VFIO device that can migrate: its creation and destruction
 *
 * Owns: creation with the first protocol that fits, registration with QEMU,
 * the registry of devices, counters. Does not own: why a device must not
 * migrate (migration-blocker.c), what it does and when (migration.c, the
 * handlers), the state of one migration (migration-session.c).
 *
 * Locks: the BQL for everything but the counters.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "hw/vmstate-if.h"
#include "migration/misc.h"
#include "migration/vmstate.h"
#include "sysemu/runstate.h"
#include "hw/vfio/migration-device.h"

/* For walks over all devices; QEMU passes each handler its own. */
static QLIST_HEAD(, VFIODeviceMigration) vfio_mig_devices =
    QLIST_HEAD_INITIALIZER(vfio_mig_devices);

VFIODeviceMigration *vfio_mig_device_next(VFIODeviceMigration *mig)
{
    g_assert(qemu_mutex_iothread_locked());
    return mig ? QLIST_NEXT(mig, next) : QLIST_FIRST(&vfio_mig_devices);
}

bool vfio_mig_devices_are_several(void)
{
    VFIODeviceMigration *first = vfio_mig_device_next(NULL);

    return first && vfio_mig_device_next(first);
}

/* A suspended guest was not stopped: its devices may continue. */
static bool vfio_mig_vm_is_on(void)
{
    return runstate_is_running() || runstate_check(RUN_STATE_SUSPENDED);
}

bool vfio_mig_vm_runs(void)
{
    VFIODeviceMigration *mig = vfio_mig_device_next(NULL);

    return mig ? mig->base.vm_running : vfio_mig_vm_is_on();
}

/* All protocols; the first one that fits is used. */
static const VFIOMigProtocol *const vfio_mig_protocols[] = {
    &vfio_mig_protocol_v2,
    &vfio_mig_protocol_v1,
};

/* Report in one sentence what the driver lacks for each protocol. */
static void vfio_mig_no_protocol(VFIODeviceMigration *mig,
                                 const GPtrArray *reasons, Error **errp)
{
    GString *text = g_string_new(NULL);
    unsigned i;

    for (i = 0; i < reasons->len; i++) {
        g_string_append_printf(text, "%s%s", i ? " and " : "",
                               error_get_pretty(reasons->pdata[i]));
    }
    error_setg(errp, "%s: cannot migrate: its kernel driver offers %s",
               vfio_mig_dev(mig)->name, text->str);
    g_string_free(text, true);
}

static int vfio_mig_probe_protocols(VFIODeviceMigration *mig, Object *obj,
                                    Error **errp)
{
    g_autoptr(GPtrArray) reasons =
        g_ptr_array_new_with_free_func((GDestroyNotify)error_free);
    Error *err = NULL;
    int ret = -ENODEV;
    size_t i;

    for (i = 0; ret == -ENODEV && i < ARRAY_SIZE(vfio_mig_protocols); i++) {
        mig->protocol = vfio_mig_protocols[i];
        ret = mig->protocol->probe(mig, obj, &err);
        if (ret == -ENODEV) {
            g_ptr_array_add(reasons, g_steal_pointer(&err));
        }
    }
    if (ret == -ENODEV) {
        vfio_mig_no_protocol(mig, reasons, errp);
    }
    error_propagate(errp, err);
    return ret;
}

static int vfio_mig_probe(VFIODeviceMigration *mig, Object *obj, Error **errp)
{
    int ret = vfio_mig_probe_protocols(mig, obj, errp);

    if (ret < 0) {
        return ret;
    }
    ret = mig->protocol->read_state(mig, &mig->state);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "%s: cannot migrate: reading its state "
                         "failed", vfio_mig_dev(mig)->name);
        mig->protocol->release(mig);
    }
    return ret;
}

/*
 * Handlers are called in descending order of priority when the VM stops, and
 * in ascending order when it starts. The priority of a device's usual handler
 * is its depth in the device tree, which is between these two.
 */
static void vfio_mig_add_vm_state_handlers(VFIODeviceMigration *mig,
                                           const VFIOMigCallbacks *callbacks)
{
    VFIODevice *vbasedev = vfio_mig_dev(mig);

    mig->base.vm_state = qdev_add_vm_change_state_handler(vbasedev->dev,
                                                          callbacks->vm_state,
                                                          vbasedev);
    if (mig->traits.p2p) {
        mig->stops_first = qemu_add_vm_change_state_handler_prio(
            callbacks->vm_stops_first, vbasedev, INT_MAX);
        mig->starts_first = qemu_add_vm_change_state_handler_prio(
            callbacks->vm_starts_first, vbasedev, INT_MIN);
    }
}

static void vfio_mig_del_vm_state_handlers(VFIODeviceMigration *mig)
{
    qemu_del_vm_change_state_handler(mig->base.vm_state);
    if (mig->traits.p2p) {
        qemu_del_vm_change_state_handler(mig->stops_first);
        qemu_del_vm_change_state_handler(mig->starts_first);
    }
}

VFIODeviceMigration *vfio_mig_device_new(VFIODevice *vbasedev, Object *obj,
                                         const VFIOMigCallbacks *callbacks,
                                         Error **errp)
{
    g_autofree char *path = vmstate_if_get_id(VMSTATE_IF(obj));
    VFIODeviceMigration *mig = g_new0(VFIODeviceMigration, 1);

    g_assert(qemu_mutex_iothread_locked());
    mig->base.vbasedev = vbasedev;
    vfio_mig_stats_reset(mig);
    if (vfio_mig_probe(mig, obj, errp) < 0) {
        g_free(mig);
        return NULL;
    }
    mig->base.vm_running = vfio_mig_vm_is_on();
    qemu_mutex_init(&mig->lock);
    qemu_cond_init(&mig->claim_changed);
    mig->section_id = path ? g_strdup_printf("%s/vfio", path)
                           : g_strdup("vfio");
    /*
     * A path identifies one device, though an unplugged one may stay
     * registered for a while.
     */
    register_savevm_live(mig->section_id, path ? 0 : VMSTATE_INSTANCE_ID_ANY,
                         1, callbacks->handlers, vbasedev);
    vfio_mig_add_vm_state_handlers(mig, callbacks);
    mig->base.migration_state.notify = callbacks->status;
    add_migration_state_change_notifier(&mig->base.migration_state);
    QLIST_INSERT_HEAD(&vfio_mig_devices, mig, next);
    return mig;
}

void vfio_mig_device_leave(VFIODeviceMigration *mig)
{
    g_assert(qemu_mutex_iothread_locked());
    QLIST_REMOVE(mig, next);
    remove_migration_state_change_notifier(&mig->base.migration_state);
    vfio_mig_del_vm_state_handlers(mig);
    if (!mig->session) {
        vfio_mig_device_free(mig);
        return;
    }
    qemu_mutex_lock(&mig->lock);
    mig->gone = true;
    qemu_mutex_unlock(&mig->lock);
}

void vfio_mig_device_free(VFIODeviceMigration *mig)
{
    VFIODevice *vbasedev = vfio_mig_dev(mig);

    g_assert(qemu_mutex_iothread_locked() && !mig->session);
    /* By its full name: an unplugged device no longer has a path. */
    unregister_savevm(NULL, mig->section_id, vbasedev);
    vbasedev->migration = NULL;
    mig->protocol->release(mig);
    qemu_cond_destroy(&mig->claim_changed);
    qemu_mutex_destroy(&mig->lock);
    g_free(mig->section_id);
    g_free(mig->last_error);
    error_free(mig->quiet_error);
    g_free(mig->last_warning);
    g_free(mig);
}

/* ---- counters ---- */

void vfio_mig_stats_reset(VFIODeviceMigration *mig)
{
    qatomic_set__nocheck(&mig->stats.transferred_bytes, 0);
    qatomic_set__nocheck(&mig->stats.chunks, 0);
    qatomic_set__nocheck(&mig->stats.mapped_bytes, 0);
    qatomic_set__nocheck(&mig->stats.trapped_bytes, 0);
    qatomic_set__nocheck(&mig->stats.pending_bytes, 0);
    qatomic_set__nocheck(&mig->stats.initial_bytes, VFIO_MIG_NOT_TOLD);
    qatomic_set__nocheck(&mig->stats.dirty_bytes, VFIO_MIG_NOT_TOLD);
    qatomic_set__nocheck(&mig->stats.stop_bytes, VFIO_MIG_NOT_TOLD);
    qatomic_set__nocheck(&mig->stats.expected_ms, VFIO_MIG_NOT_TOLD);
}

void vfio_mig_stats_add(uint64_t *counter, uint64_t bytes)
{
    /* One writer at a time: the thread that moves the device's chunks */
    qatomic_set__nocheck(counter, *counter + bytes);
}
