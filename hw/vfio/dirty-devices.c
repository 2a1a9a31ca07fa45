/*
 * Dirty tracking: queries on devices, and how it fails their migration
 *
 * Owns: every access of dirty tracking to the migration objects of devices.
 * Does not own: the decisions based on it (dirty-tracking.c, dirty-iommu.c).
 *
 * Locks: the BQL for everything.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "hw/vfio/dirty-container.h"
#include "hw/vfio/migration-session.h"

VFIODevice *vfio_dirty_find_in(VFIOContainer *container,
                               bool (*is)(VFIODevice *vbasedev))
{
    VFIOGroup *group;
    VFIODevice *vbasedev;

    QLIST_FOREACH(group, &container->group_list, container_next) {
        QLIST_FOREACH(vbasedev, &group->device_list, next) {
            if (is(vbasedev)) {
                return vbasedev;
            }
        }
    }
    return NULL;
}

/* A device whose state is being saved: it can fail the migration. */
static VFIODeviceMigration *vfio_dirty_saving_device(void)
{
    VFIODeviceMigration *mig = NULL;

    while ((mig = vfio_mig_device_next(mig))) {
        if (mig->phase != VFIO_MIG_PHASE_IDLE &&
            mig->phase <= VFIO_MIG_PHASE_SAVED) {
            return mig;
        }
    }
    return NULL;
}

bool vfio_dirty_is_saving(void)
{
    return vfio_dirty_saving_device();
}

static bool vfio_dirty_device_is_loaded(VFIODevice *vbasedev)
{
    VFIODeviceMigration *mig = vfio_mig_of(vbasedev);

    return mig && mig->phase >= VFIO_MIG_PHASE_LOAD;
}

bool vfio_dirty_device_running(VFIODevice *vbasedev)
{
    VFIODeviceMigration *mig = vfio_mig_of(vbasedev);

    return mig ? vfio_mig_state_runs(vfio_mig_state(mig))
               : vfio_mig_vm_runs();
}

bool vfio_dirty_device_is_v1(VFIODevice *vbasedev)
{
    VFIODeviceMigration *mig = vfio_mig_of(vbasedev);

    return mig && mig->protocol == &vfio_mig_protocol_v1;
}

static bool vfio_dirty_device_is_mdev(VFIODevice *vbasedev)
{
    g_autofree char *path = g_build_filename(vbasedev->sysfsdev, "subsystem",
                                             NULL);
    g_autofree char *target = g_file_read_link(path, NULL);
    g_autofree char *name = target ? g_path_get_basename(target) : NULL;

    return name && g_str_equal(name, "mdev");
}

bool vfio_dirty_device_pins_all(VFIODevice *vbasedev)
{
    return vfio_mig_of(vbasedev) && !vfio_dirty_device_is_v1(vbasedev) &&
           !vfio_dirty_device_is_mdev(vbasedev);
}

unsigned vfio_dirty_device_resets(VFIODevice *vbasedev)
{
    VFIODeviceMigration *mig = vfio_mig_of(vbasedev);

    return mig ? qatomic_read(&mig->resets) : 0;
}

bool vfio_dirty_device_opted_out(VFIODevice *vbasedev)
{
    return vbasedev->pre_copy_dirty_page_tracking == ON_OFF_AUTO_OFF &&
           vfio_dirty_device_running(vbasedev);
}

/* ---- errors ---- */

/*
 * Any device that is being saved can fail the migration. If there is none, it
 * was not a migration that asked for the pages.
 */
void vfio_dirty_fail(int ret, Error *err)
{
    VFIODeviceMigration *mig = vfio_dirty_saving_device();

    if (mig) {
        vfio_mig_fail(mig, ret, err);
    } else {
        error_report_err(err);
    }
}

void vfio_dirty_map_failed(VFIODirtyTracker *t, int ret, Error *err)
{
    VFIODevice *vbasedev = vfio_dirty_find_in(t->container,
                                              vfio_dirty_device_is_loaded);
    uint64_t reason = UINT64_C(1) << MIN(-ret, 63);

    if (vbasedev && !vfio_mig_session_failed(vfio_mig_of(vbasedev))) {
        vfio_mig_fail(vfio_mig_of(vbasedev), ret, err);
    } else if (vbasedev || (t->map_errors_told & reason)) {
        error_free(err);
    } else {
        t->map_errors_told |= reason;
        error_append_hint(&err, "The device's accesses there will fail. "
                          "More failures of this kind are not reported.\n");
        error_report_err(err);
    }
}
