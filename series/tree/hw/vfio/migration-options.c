/*
 * Migration of VFIO devices: the user's settings
 *
 * Owns: the meaning of the properties enable-migration,
 * x-multi-device-migration, x-migration-empty-chunk-pending,
 * x-device-dirty-page-tracking, x-migration-stop-size and
 * x-migration-queue-size, and reading QEMU's own downtime-limit. Does not own:
 * the properties (pci.c), whether a device can migrate (migration.c).
 *
 * Locks: needs the BQL, except where the header says "any thread".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "migration/migration.h"
#include "hw/vfio/migration-device.h"
#include "hw/vfio/migration-options.h"

const char vfio_mig_off_reason[] = "its property enable-migration is off";

const char vfio_mig_multi_device_option[] = "x-multi-device-migration=on";

bool vfio_mig_multi_device_allowed(VFIODevice *vbasedev)
{
    return vbasedev->multi_device_migration;
}

const char vfio_mig_empty_chunk_option[] =
    "x-migration-empty-chunk-pending=on";

bool vfio_mig_empty_chunk_is_pending(VFIODevice *vbasedev)
{
    return vbasedev->empty_chunk_pending;
}

const char vfio_mig_stop_size_option[] = "x-migration-stop-size=SIZE";

uint64_t vfio_mig_stop_size(VFIODevice *vbasedev)
{
    return vbasedev->migration_stop_size;
}

uint64_t vfio_mig_queue_size(VFIODevice *vbasedev)
{
    return vbasedev->migration_queue_size;
}

uint64_t vfio_mig_downtime_limit_ms(void)
{
    return migrate_get_current()->parameters.downtime_limit;
}

bool vfio_mig_answer_wanted(void)
{
    return true;
}

bool vfio_mig_device_log_allowed(VFIODevice *vbasedev)
{
    return vbasedev->device_dirty_page_tracking != ON_OFF_AUTO_OFF;
}

/* As QEMU does if a load fails */
void vfio_mig_end_incoming(void)
{
    exit(EXIT_FAILURE);
}

/* What blocks a migration of this device, or NULL */
static Error *vfio_mig_blocker(VFIODevice *vbasedev)
{
    VFIODeviceMigration *mig = vfio_mig_of(vbasedev);

    if (vbasedev->migration_blocker) {
        return vbasedev->migration_blocker;
    }
    return mig ? mig->multi_blocker : NULL;
}

/*
 * vfio_migration_realize: prepare @vbasedev for migration as configured
 *
 * Returns: 0, even for a device that blocks migration; -errno with @errp set
 * if the device must be able to migrate and cannot: enable-migration=on, or
 * -only-migratable.
 */
int vfio_migration_realize(VFIODevice *vbasedev, Error **errp)
{
    Error *blocker;
    int ret;

    vbasedev->enable_migration =
        vbasedev->migration_option != ON_OFF_AUTO_OFF;
    ret = vfio_migration_probe(vbasedev, errp);
    if (ret < 0 || vbasedev->migration_option != ON_OFF_AUTO_ON) {
        return ret;
    }

    blocker = vfio_mig_blocker(vbasedev);
    if (!blocker) {
        return 0;
    }
    error_setg(errp, "%s; it must, as enable-migration is on",
               error_get_pretty(blocker));
    vfio_migration_finalize(vbasedev);
    return -ENOTSUP;
}
