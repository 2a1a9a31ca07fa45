/*
 * Reasons why a VFIO device cannot migrate
 *
 * Owns: blockers, and how several devices in one VM affect each other.
 * Does not own: finding out whether a device can migrate (migration.c).
 *
 * Locks: the BQL for everything.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "migration/blocker.h"
#include "hw/vfio/migration-blocker.h"
#include "hw/vfio/migration-options.h"
#include "sysemu/runstate.h"
#include "trace.h"

/*
 * Ownership of @reason is transferred; @blocker holds it as long as it blocks.
 * @incoming: what it means for an incoming migration. QEMU does not block
 * these: it checks blockers only at the source.
 */
static int vfio_mig_add_blocker(VFIODevice *vbasedev, Error *reason,
                                const char *incoming, Error **blocker,
                                Error **errp)
{
    int ret;

    trace_vfio_migration_blocked(vbasedev->name, error_get_pretty(reason));
    ret = migrate_add_blocker(reason, errp);
    if (ret < 0) {
        error_free(reason);     /* its text is part of @errp */
        return ret;
    }
    *blocker = reason;
    if (runstate_check(RUN_STATE_INMIGRATE)) {
        warn_report("%s; %s", error_get_pretty(reason), incoming);
    }
    return 0;
}

static void vfio_mig_del_blocker(Error **blocker)
{
    if (*blocker) {
        migrate_del_blocker(*blocker);
        error_free(*blocker);
        *blocker = NULL;
    }
}

int vfio_mig_block(VFIODevice *vbasedev, Error *reason, Error **errp)
{
    return vfio_mig_add_blocker(vbasedev, reason,
                                "an incoming migration will fail if it brings "
                                "the state of this device",
                                &vbasedev->migration_blocker, errp);
}

/* A device that @mig cannot migrate together with, as one of them lacks P2P */
static VFIODeviceMigration *vfio_mig_find_other(VFIODeviceMigration *mig)
{
    VFIODeviceMigration *other = NULL;

    do {
        other = vfio_mig_device_next(other);
    } while (other && (other == mig ||
                       (mig->traits.p2p && other->traits.p2p)));
    return other;
}

int vfio_mig_block_multi(VFIODeviceMigration *mig, Error **errp)
{
    VFIODevice *vbasedev = vfio_mig_dev(mig);
    VFIODeviceMigration *other = vfio_mig_find_other(mig);
    VFIODeviceMigration *lacks;
    Error *reason = NULL;

    if (!other || vfio_mig_multi_device_allowed(vbasedev)) {
        return 0;
    }
    lacks = mig->traits.p2p ? other : mig;
    error_setg(&reason, "%s: cannot migrate together with %s: %s has no state "
               "that stops peer-to-peer DMA between devices (protocol %s); "
               "where they do none, allow it with %s", vbasedev->name,
               vfio_mig_dev(other)->name, vfio_mig_dev(lacks)->name,
               lacks->protocol->name, vfio_mig_multi_device_option);
    return vfio_mig_add_blocker(vbasedev, reason,
                                "the VM can come in, but not leave",
                                &mig->multi_blocker, errp);
}

void vfio_mig_recheck_multi(void)
{
    VFIODeviceMigration *mig = NULL;

    while ((mig = vfio_mig_device_next(mig))) {
        if (!vfio_mig_find_other(mig)) {
            vfio_mig_del_blocker(&mig->multi_blocker);
        }
    }
}

void vfio_mig_unblock(VFIODevice *vbasedev)
{
    VFIODeviceMigration *mig = vfio_mig_of(vbasedev);

    if (mig) {
        vfio_mig_del_blocker(&mig->multi_blocker);
    }
    vfio_mig_del_blocker(&vbasedev->migration_blocker);
}

const char *vfio_mig_blocked_reason(VFIODevice *vbasedev)
{
    VFIODeviceMigration *mig = vfio_mig_of(vbasedev);

    if (vbasedev->migration_blocker) {
        return error_get_pretty(vbasedev->migration_blocker);
    }
    return mig && mig->multi_blocker ? error_get_pretty(mig->multi_blocker)
                                     : NULL;
}
