/*
 * Dirty tracking: who reports what the devices of a container write
 *
 * Owns: which device logs its own DMA, whether the IOMMU tracks for those
 * that do not, and what is done if a log is lost. Does not own: the log itself
 * (dirty-device.c), the IOMMU's ioctls (dirty-container.c), when which memory
 * is read or marked (dirty-tracking.c).
 *
 * A log is valid from its start to the first error. After that everything
 * that is mapped is owed, that is, will be marked dirty as a whole: what the
 * device had not reported yet is lost.
 *
 * Locks: the BQL for everything.
 * Source: linux/vfio.h, DMA logging; docs/dirty-tracking.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "hw/vfio/dirty-device.h"
#include "hw/vfio/dirty-mark.h"
#include "hw/vfio/dirty-sections.h"
#include "hw/vfio/dirty-sources.h"
#include "hw/vfio/migration-options.h"
#include "trace.h"

/* ---- the sources ---- */

static VFIODirtyLog *vfio_dirty_log_of(VFIODirtyTracker *t,
                                       VFIODevice *vbasedev)
{
    VFIODirtyLog *log;

    QLIST_FOREACH(log, &t->logs, next) {
        if (log->vbasedev == vbasedev) {
            return log;
        }
    }
    return NULL;
}

static VFIODirtyTracker *vfio_dirty_tracker_of_device(VFIODevice *vbasedev)
{
    return vfio_dirty_tracker_of(vbasedev->group->container);
}

static bool vfio_dirty_has_no_log(VFIODevice *vbasedev)
{
    return !vfio_dirty_log_of(vfio_dirty_tracker_of_device(vbasedev),
                              vbasedev);
}

static bool vfio_dirty_is_untold(VFIODevice *vbasedev)
{
    return !vfio_dirty_tracker_of_device(vbasedev)->started &&
           vfio_dirty_has_no_log(vbasedev);
}

static bool vfio_dirty_is_untold_running(VFIODevice *vbasedev)
{
    return vfio_dirty_is_untold(vbasedev) &&
           vfio_dirty_device_running(vbasedev);
}

bool vfio_dirty_sources_untold(VFIODirtyTracker *t)
{
    return vfio_dirty_find_in(t->container, vfio_dirty_is_untold);
}

bool vfio_dirty_sources_untold_running(VFIODirtyTracker *t)
{
    return vfio_dirty_find_in(t->container, vfio_dirty_is_untold_running);
}

/* With a guest's IOMMU there are too many ranges for a device's log. */
static bool vfio_dirty_is_translated(VFIODirtyTracker *t)
{
    return !QLIST_EMPTY(&t->container->giommu_list);
}

static bool vfio_dirty_may_log(VFIODirtyTracker *t, VFIODevice *vbasedev)
{
    return !vfio_dirty_is_translated(t) &&
           !vfio_dirty_device_is_v1(vbasedev) &&
           vfio_mig_device_log_allowed(vbasedev);
}

/*
 * The kernel's IOMMU backend reports what was pinned. That is all memory as
 * soon as one device of the container is behind a real IOMMU. Devices of v1
 * are supposed to pin what they write, and have no other source.
 */
static bool vfio_dirty_iommu_tells(VFIODirtyTracker *t)
{
    return t->supported && !t->at_end &&
           (vfio_dirty_is_translated(t) ||
            !vfio_dirty_find_in(t->container, vfio_dirty_device_pins_all));
}

VFIODirtySource vfio_dirty_source(VFIODirtyTracker *t, VFIODevice *vbasedev)
{
    bool logs, iommu;

    if (t->wanted) {
        logs = !vfio_dirty_has_no_log(vbasedev);
        iommu = t->started;
    } else {
        logs = vfio_dirty_may_log(t, vbasedev) &&
               vfio_dirty_log_probe(vbasedev);
        iommu = vfio_dirty_iommu_tells(t);
    }
    return logs ? VFIO_DIRTY_SOURCE_DEVICE :
           iommu ? VFIO_DIRTY_SOURCE_IOMMU : VFIO_DIRTY_SOURCE_NONE;
}

/* ---- start and stop ---- */

static void vfio_dirty_collect(VFIODirtyTracker *t,
                               MemoryRegionSection *section, void *opaque)
{
    VFIODirtyRange range;

    if (vfio_dirty_range(section->offset_within_address_space,
                         vfio_dirty_section_last(section), t->page_shift,
                         &range)) {
        g_array_append_val((GArray *)opaque, range);
    }
}

static void vfio_dirty_find_ranges(VFIODirtyTracker *t,
                                   VFIODirtyRanges *ranges)
{
    g_autoptr(GArray) sections = g_array_new(FALSE, FALSE,
                                             sizeof(VFIODirtyRange));

    vfio_dirty_each_section(t, vfio_dirty_collect, sections);
    vfio_dirty_ranges_cover(ranges, (VFIODirtyRange *)sections->data,
                            sections->len, t->page_shift);
}

/* Start the log of @vbasedev if it can log its DMA and does not do so yet. */
static void vfio_dirty_start_log(VFIODirtyTracker *t, VFIODevice *vbasedev)
{
    VFIODirtyRanges ranges;
    VFIODirtyLog *log;
    Error *err = NULL;

    if (!vfio_dirty_has_no_log(vbasedev) || !vfio_dirty_may_log(t, vbasedev) ||
        !vfio_dirty_log_probe(vbasedev)) {
        return;
    }
    vfio_dirty_find_ranges(t, &ranges);
    log = vfio_dirty_log_start(vbasedev, &ranges, t->page_shift, &err);
    if (log) {
        QLIST_INSERT_HEAD(&t->logs, log, next);
    } else {
        warn_report_err(err);
    }
}

static void vfio_dirty_start_logs(VFIODirtyTracker *t)
{
    VFIOGroup *group;
    VFIODevice *vbasedev;

    QLIST_FOREACH(group, &t->container->group_list, container_next) {
        QLIST_FOREACH(vbasedev, &group->device_list, next) {
            vfio_dirty_start_log(t, vbasedev);
        }
    }
}

int vfio_dirty_sources_check(VFIODirtyTracker *t, Error **errp)
{
    if (t->started || !vfio_dirty_iommu_tells(t) ||
        !vfio_dirty_find_in(t->container, vfio_dirty_has_no_log)) {
        return 0;
    }
    return vfio_dirty_start(t, errp);
}

int vfio_dirty_sources_start(VFIODirtyTracker *t, Error **errp)
{
    vfio_dirty_start_logs(t);
    return vfio_dirty_sources_check(t, errp);
}

static void vfio_dirty_remove_log(VFIODirtyLog *log)
{
    QLIST_REMOVE(log, next);
    vfio_dirty_log_free(log);
}

/* Is @wanted still in the container? It may have been freed. */
static bool vfio_dirty_device_is_there(VFIODirtyTracker *t,
                                       VFIODevice *wanted)
{
    VFIOGroup *group;
    VFIODevice *vbasedev;

    QLIST_FOREACH(group, &t->container->group_list, container_next) {
        QLIST_FOREACH(vbasedev, &group->device_list, next) {
            if (vbasedev == wanted) {
                return true;
            }
        }
    }
    return false;
}

void vfio_dirty_sources_forget(VFIODirtyTracker *t)
{
    VFIODirtyLog *log, *next;

    QLIST_FOREACH_SAFE(log, &t->logs, next, next) {
        if (vfio_dirty_device_is_there(t, log->vbasedev)) {
            /* The driver may have ended the log itself: not a failure. */
            vfio_dirty_log_stop(log);
        }
        vfio_dirty_remove_log(log);
    }
}

void vfio_dirty_sources_stop(VFIODirtyTracker *t)
{
    Error *err = NULL;

    vfio_dirty_sources_forget(t);
    /* Also if the start failed: it may have taken effect in part. */
    if (t->tried && vfio_dirty_stop(t, &err) < 0) {
        warn_report_err(err);
    }
}

/* ---- warnings ---- */

void vfio_dirty_sources_warn(VFIODirtyTracker *t)
{
    g_autofree char *container = NULL;
    g_autofree char *untold = NULL;
    uint64_t bytes;

    if (!vfio_dirty_sources_untold(t)) {
        return;
    }
    bytes = vfio_dirty_mapped_bytes(t);
    container = vfio_dirty_name(t);
    untold = vfio_dirty_names(t, vfio_dirty_is_untold);
    trace_vfio_dirty_untold(container, untold, bytes);
    warn_report("%s: the IOMMU cannot tell which pages the device writes, "
                "and no log of its own runs in %s; %" PRIu64 " bytes of "
                "memory that it can write to are sent again after the VM was "
                "stopped, which takes as long as the downtime", container,
                untold, bytes);
}

void vfio_dirty_sources_give_up_iommu(VFIODirtyTracker *t)
{
    g_autofree char *name = vfio_dirty_name(t);
    uint64_t bytes = vfio_dirty_mapped_bytes(t);
    Error *err = NULL;

    trace_vfio_dirty_all(t->container->fd, bytes);
    warn_report("%s: the IOMMU says of every page that it is dirty, each "
                "time it is asked, and is not asked any more; %" PRIu64
                " bytes of memory that the devices can write to are sent "
                "again after the VM was stopped, which takes as long as the "
                "downtime", name, bytes);
    if (vfio_dirty_stop(t, &err) < 0) {
        warn_report_err(err);
    }
}

/* ---- loss ---- */

/*
 * What the device had not reported yet is lost, so everything is owed. If it
 * continues to run, its log is started again, unless a log of it was lost
 * before.
 *
 * @log: is removed
 * @may_restart: the device still exists and may log again
 */
static void vfio_dirty_lose(VFIODirtyTracker *t, VFIODirtyLog *log,
                            const char *why, bool may_restart)
{
    VFIODevice *vbasedev = log->vbasedev;
    bool again = may_restart && !log->restarted &&
                 vfio_dirty_device_running(vbasedev);
    Error *err = NULL;
    int ret;

    trace_vfio_dirty_log_lost(t->container->fd, why, again);
    t->owed = true;
    if (may_restart) {
        vfio_dirty_log_stop(log);
    }
    vfio_dirty_remove_log(log);
    if (again) {
        vfio_dirty_start_log(t, vbasedev);
        log = vfio_dirty_log_of(t, vbasedev);
        if (log) {
            log->restarted = true;
            return;
        }
    }
    if (vfio_dirty_sources_untold_running(t)) {
        ret = vfio_dirty_sources_check(t, &err);
        if (ret < 0) {
            vfio_dirty_fail(ret, err);
        }
    }
}

/* A report of @log has failed with @ret; its device still exists. */
static void vfio_dirty_report_failed(VFIODirtyTracker *t, VFIODirtyLog *log,
                                     int ret)
{
    if (vfio_dirty_is_saving()) {
        warn_report("%s: the device's log of its DMA is lost "
                    "(VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT): %s; all "
                    "memory that it can write to is sent again",
                    log->vbasedev->name, strerror(-ret));
    }
    vfio_dirty_lose(t, log, strerror(-ret), true);
}

void vfio_dirty_sources_look(VFIODirtyTracker *t)
{
    VFIODirtyLog *log, *next;

    QLIST_FOREACH_SAFE(log, &t->logs, next, next) {
        if (!vfio_dirty_device_is_there(t, log->vbasedev)) {
            vfio_dirty_lose(t, log, "the device has gone", false);
        } else if (log->resets != vfio_dirty_device_resets(log->vbasedev)) {
            vfio_dirty_lose(t, log, "the device was reset", true);
        }
    }
}

void vfio_dirty_sources_translate(VFIODirtyTracker *t)
{
    Error *err = NULL;
    int ret;

    if (!QLIST_EMPTY(&t->logs)) {
        trace_vfio_dirty_log_lost(t->container->fd, "guest's IOMMU", false);
        t->owed = true;
        vfio_dirty_sources_forget(t);
    }
    if (t->wanted && t->supported && !t->started && !t->at_end) {
        ret = vfio_dirty_start(t, &err);
        if (ret < 0) {
            vfio_dirty_fail(ret, err);
        }
    }
}

/* ---- reading logs ---- */

static int vfio_dirty_read_range(VFIODirtyWalk *walk,
                                 const VFIODirtyRange *range,
                                 uint64_t ram_addr)
{
    return vfio_dirty_log_read(walk->t, walk->opaque, range, ram_addr);
}

void vfio_dirty_sources_read(VFIODirtyTracker *t,
                             MemoryRegionSection *section)
{
    VFIODirtyWalk walk = {
        .t = t,
        .tracked = vfio_dirty_read_range,
        .max_pages = UINT64_MAX,
    };
    VFIODirtyLog *log, *next;

    QLIST_FOREACH_SAFE(log, &t->logs, next, next) {
        int ret;

        walk.opaque = log;
        ret = vfio_dirty_walk(&walk, section);
        if (ret < 0) {
            vfio_dirty_report_failed(t, log, ret);
        }
    }
}
