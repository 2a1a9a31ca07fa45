/*
 * What a user can read about a VFIO device's migration
 *
 * Owns: the read-only QOM property "vfio-migration" of each device
 * (docs/architecture.md). Does not own: what it shows, nor the sum that
 * query-migrate shows (migration.c).
 *
 * Locks: counters are read without one; the property is read with the BQL.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "qemu/atomic.h"
#include "qom/object.h"
#include "hw/vfio/dirty-tracking.h"
#include "hw/vfio/migration-blocker.h"
#include "hw/vfio/migration-info.h"
#include "hw/vfio/migration-pipeline.h"
#include "hw/vfio/migration-session.h"

#define VFIO_MIG_INFO_PROPERTY  "vfio-migration"

static bool vfio_mig_visit_str(Visitor *v, const char *name, const char *text,
                               Error **errp)
{
    char *value = (char *)(text ?: "");

    return visit_type_str(v, name, &value, errp);
}

static bool vfio_mig_visit_flag(Visitor *v, const char *name, bool flag,
                                Error **errp)
{
    return visit_type_bool(v, name, &flag, errp);
}

static bool vfio_mig_visit_bytes(Visitor *v, const char *name, uint64_t bytes,
                                 Error **errp)
{
    return visit_type_uint64(v, name, &bytes, errp);
}

static bool vfio_mig_visit_count(Visitor *v, const char *name,
                                 const uint64_t *counter, Error **errp)
{
    uint64_t value = qatomic_read__nocheck(counter);

    return visit_type_uint64(v, name, &value, errp);
}

/* A value that the device did not report is left out: unknown is not 0. */
static bool vfio_mig_visit_told(Visitor *v, const char *name,
                                const uint64_t *counter, Error **errp)
{
    return qatomic_read__nocheck(counter) == VFIO_MIG_NOT_TOLD ||
           vfio_mig_visit_count(v, name, counter, errp);
}

static bool vfio_mig_visit_downtime(Visitor *v, const VFIOMigStats *stats,
                                    Error **errp)
{
    if (qatomic_read__nocheck(&stats->expected_ms) == VFIO_MIG_NOT_TOLD) {
        return true;
    }
    return vfio_mig_visit_count(v, "expected-downtime-ms",
                                &stats->expected_ms, errp) &&
           vfio_mig_visit_flag(v, "expected-downtime-is-lower-bound",
                               qatomic_read(&stats->expected_is_least), errp);
}

static bool vfio_mig_visit_sizes(Visitor *v, const VFIOMigStats *stats,
                                 Error **errp)
{
    return vfio_mig_visit_told(v, "initial-bytes", &stats->initial_bytes,
                               errp) &&
           vfio_mig_visit_told(v, "dirty-bytes", &stats->dirty_bytes, errp) &&
           vfio_mig_visit_told(v, "stop-copy-bytes", &stats->stop_bytes,
                               errp) &&
           vfio_mig_visit_downtime(v, stats, errp);
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

static bool vfio_mig_visit_members(Visitor *v, VFIODevice *vbasedev,
                                   Error **errp)
{
    static const VFIOMigStats no_stats = {
        .initial_bytes = VFIO_MIG_NOT_TOLD,
        .dirty_bytes = VFIO_MIG_NOT_TOLD,
        .stop_bytes = VFIO_MIG_NOT_TOLD,
        .expected_ms = VFIO_MIG_NOT_TOLD,
    };
    VFIODeviceMigration *mig = vfio_mig_of(vbasedev);

    return vfio_mig_visit_str(v, "protocol",
                              mig ? mig->protocol->name : "none", errp) &&
           vfio_mig_visit_flag(v, "p2p", mig && mig->traits.p2p, errp) &&
           vfio_mig_visit_flag(v, "pre-copy", mig && mig->traits.precopy,
                               errp) &&
           vfio_mig_visit_str(v, "state",
                              mig ? vfio_mig_state_str(vfio_mig_state(mig))
                                  : "unknown", errp) &&
           vfio_mig_visit_str(v, "phase",
                              mig ? vfio_mig_phase_str(mig->phase) : "idle",
                              errp) &&
           vfio_mig_visit_stats(v, mig ? &mig->stats : &no_stats, errp) &&
           vfio_mig_visit_sizes(v, mig ? &mig->stats : &no_stats, errp) &&
           vfio_mig_visit_bytes(v, "queue-size",
                                vfio_mig_pipeline_queue_bytes(vbasedev),
                                errp) &&
           vfio_mig_visit_str(v, "dirty-tracking",
                              vfio_dirty_describe(vbasedev), errp) &&
           vfio_mig_visit_bytes(v, "untracked-bytes",
                                vfio_dirty_untold_bytes(vbasedev), errp) &&
           vfio_mig_visit_str(v, "blocked-reason",
                              vfio_mig_blocked_reason(vbasedev), errp);
}

static bool vfio_mig_visit_texts(Visitor *v, VFIODevice *vbasedev,
                                 Error **errp)
{
    VFIODeviceMigration *mig = vfio_mig_of(vbasedev);
    g_autofree char *error = NULL;
    g_autofree char *warning = NULL;

    if (mig) {
        qemu_mutex_lock(&mig->lock);
        error = g_strdup(mig->last_error);
        warning = g_strdup(mig->last_warning);
        qemu_mutex_unlock(&mig->lock);
    }
    return vfio_mig_visit_str(v, "last-error", error, errp) &&
           vfio_mig_visit_str(v, "last-warning", warning, errp);
}

static void vfio_mig_info_get(Object *obj, Visitor *v, const char *name,
                              void *opaque, Error **errp)
{
    VFIODevice *vbasedev = opaque;

    if (!visit_start_struct(v, name, NULL, 0, errp)) {
        return;
    }
    if (vfio_mig_visit_members(v, vbasedev, errp) &&
        vfio_mig_visit_texts(v, vbasedev, errp)) {
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
