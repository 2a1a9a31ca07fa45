/*
 * Settings of the stand-alone host, and features that it does not have
 *
 * Owns: vfio_host_settings, which replace QEMU's options and capabilities;
 * migration blockers. There is no RAM to send, and streams have no return path.
 *
 * Lock: the BQL, for blockers; settings do not change during a migration.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "qemu/units.h"
#include "hw/vfio/migration-answer.h"
#include "hw/vfio/migration-options.h"
#include "migration/blocker.h"
#include "migration/migration.h"
#include "migration/misc.h"
#include "migration/ram.h"
#include "migration/standalone.h"

VFIOHostSettings vfio_host_settings;

static GSList *blockers;        /* of Error, not owned; last one first */

/* ---- capabilities ---- */

bool migrate_postcopy_ram(void)
{
    return vfio_host_settings.postcopy_ram;
}

bool migrate_background_snapshot(void)
{
    return vfio_host_settings.background_snapshot;
}

bool migrate_colo_enabled(void)
{
    return vfio_host_settings.colo;
}

bool migrate_dirty_bitmaps(void)
{
    return false;       /* there are no disks */
}

bool migration_in_postcopy(void)
{
    return false;
}

uint64_t ram_bytes_remaining(void)
{
    return 0;
}

/* ---- options ---- */

const char vfio_mig_off_reason[] = "it was opened with disable_migration";

const char vfio_mig_multi_device_option[] = "the setting multi_device";

bool vfio_mig_multi_device_allowed(VFIODevice *vbasedev)
{
    return vfio_host_settings.multi_device;
}

const char vfio_mig_empty_chunk_option[] = "the setting empty_chunk_pending";

bool vfio_mig_empty_chunk_is_pending(VFIODevice *vbasedev)
{
    return vfio_host_settings.empty_chunk_pending;
}

const char vfio_mig_stop_size_option[] = "the setting stop_size_bytes";

uint64_t vfio_mig_stop_size(VFIODevice *vbasedev)
{
    return vfio_host_settings.stop_size_bytes;
}

bool vfio_mig_device_log_allowed(VFIODevice *vbasedev)
{
    return !vfio_host_settings.no_device_log;
}

uint64_t vfio_mig_downtime_limit_ms(void)
{
    return vfio_host_settings.downtime_limit_ms ?: 300;
}

/* The smallest: page faults would dominate the time of small migrations. */
uint64_t vfio_mig_queue_size(VFIODevice *vbasedev)
{
    return 4 * MiB;
}

/* ---- the return path ---- */

void vfio_mig_answer_await(MigrationState *s)
{
}

void vfio_mig_answer_end(MigrationState *s)
{
}

void vfio_mig_answer_no(const char *reason)
{
}

/* ---- blockers ---- */

int migrate_add_blocker(Error *reason, Error **errp)
{
    assert(qemu_mutex_iothread_locked());
    if (vfio_host_settings.only_migratable) {
        error_setg(errp, "only_migratable is set, and %s",
                   error_get_pretty(reason));
        return -EACCES;
    }
    blockers = g_slist_prepend(blockers, reason);
    return 0;
}

void migrate_del_blocker(Error *reason)
{
    blockers = g_slist_remove(blockers, reason);
}

unsigned vfio_host_nr_blockers(void)
{
    return g_slist_length(blockers);
}

const char *vfio_host_blocker(void)
{
    return blockers ? error_get_pretty(blockers->data) : NULL;
}
