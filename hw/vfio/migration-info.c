/*
 * What a user can read about a VFIO device's migration
 *
 * Owns: the counters and the read-only QOM property "vfio-migration" of each
 * device (docs/architecture.md). Does not own: the sum that query-migrate
 * shows (migration.c).
 *
 * Locks: counters are read without one; the property is read with the BQL.
 * Source: requirements R-16b, B-20, L-12, L-14.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "qemu/atomic.h"
#include "qom/object.h"
#include "hw/vfio/dirty-tracking.h"
#include "hw/vfio/migration-device.h"

#define VFIO_MIG_INFO_PROPERTY  "vfio-migration"

void vfio_mig_stats_reset(VFIODeviceMigration *mig)
{
    qatomic_set__nocheck(&mig->stats.transferred_bytes, 0);
    qatomic_set__nocheck(&mig->stats.chunks, 0);
    qatomic_set__nocheck(&mig->stats.mapped_bytes, 0);
    qatomic_set__nocheck(&mig->stats.trapped_bytes, 0);
    qatomic_set__nocheck(&mig->stats.pending_bytes, 0);
}

void vfio_mig_stats_add(uint64_t *counter, uint64_t bytes)
{
    /* One writer at a time: the thread that moves the device's chunks */
    qatomic_set__nocheck(counter, *counter + bytes);
}

static bool vfio_mig_visit_str(Visitor *v, const char *name, const char *text,
                               Error **errp)
{
    char *value = (char *)(text ?: "");

    return visit_type_str(v, name, &value, errp);
}

static bool vfio_mig_visit_count(Visitor *v, const char *name,
                                 const uint64_t *counter, Error **errp)
{
    uint64_t value = qatomic_read__nocheck(counter);

    return visit_type_uint64(v, name, &value, errp);
}

static bool vfio_mig_visit_stats(Visitor *v, const VFIOMigStats *stats,
                                 Error **errp)
{
    return vfio_mig_visit_count(v, "pending-bytes", &stats->pending_bytes,
                                errp) &&
           vfio_mig_visit_count(v, "transferred-bytes",
                                &stats->transferred_bytes, errp) &&
           vfio_mig_visit_count(v, "chunks", &stats->chunks, errp) &&
           vfio_mig_visit_count(v, "mapped-bytes", &stats->mapped_bytes,
                                errp) &&
           vfio_mig_visit_count(v, "trapped-bytes", &stats->trapped_bytes,
                                errp);
}

/* The blocker that stands against this device now, or NULL */
static const char *vfio_mig_blocker_text(VFIODevice *vbasedev)
{
    VFIODeviceMigration *mig = vfio_mig_of(vbasedev);

    if (vbasedev->migration_blocker) {
        return error_get_pretty(vbasedev->migration_blocker);
    }
    return mig && mig->multi_blocker ? error_get_pretty(mig->multi_blocker)
                                     : NULL;
}

static bool vfio_mig_visit_members(Visitor *v, VFIODevice *vbasedev,
                                   Error **errp)
{
    static const VFIOMigStats no_stats;
    VFIODeviceMigration *mig = vfio_mig_of(vbasedev);

    return vfio_mig_visit_str(v, "protocol",
                              mig ? mig->protocol->name : "none", errp) &&
           vfio_mig_visit_str(v, "state",
                              mig ? vfio_mig_state_str(mig->state)
                                  : "unknown", errp) &&
           vfio_mig_visit_stats(v, mig ? &mig->stats : &no_stats, errp) &&
           vfio_mig_visit_str(v, "dirty-tracking",
                              vfio_dirty_describe(vbasedev), errp) &&
           vfio_mig_visit_str(v, "blocked-reason",
                              vfio_mig_blocker_text(vbasedev), errp);
}

static bool vfio_mig_visit_last_error(Visitor *v, VFIODevice *vbasedev,
                                      Error **errp)
{
    VFIODeviceMigration *mig = vfio_mig_of(vbasedev);
    g_autofree char *text = NULL;

    if (mig) {
        qemu_mutex_lock(&mig->lock);
        text = g_strdup(mig->last_error);
        qemu_mutex_unlock(&mig->lock);
    }
    return vfio_mig_visit_str(v, "last-error", text, errp);
}

static void vfio_mig_info_get(Object *obj, Visitor *v, const char *name,
                              void *opaque, Error **errp)
{
    VFIODevice *vbasedev = opaque;

    if (!visit_start_struct(v, name, NULL, 0, errp)) {
        return;
    }
    if (vfio_mig_visit_members(v, vbasedev, errp) &&
        vfio_mig_visit_last_error(v, vbasedev, errp)) {
        visit_check_struct(v, errp);
    }
    visit_end_struct(v, NULL);
}

void vfio_mig_info_add(VFIODevice *vbasedev)
{
    object_property_add(OBJECT(vbasedev->dev), VFIO_MIG_INFO_PROPERTY,
                        "VFIOMigrationInfo", vfio_mig_info_get, NULL, NULL,
                        vbasedev);
}

void vfio_mig_info_remove(VFIODevice *vbasedev)
{
    Object *obj = OBJECT(vbasedev->dev);

    if (object_property_find(obj, VFIO_MIG_INFO_PROPERTY)) {
        object_property_del(obj, VFIO_MIG_INFO_PROPERTY);
    }
}
