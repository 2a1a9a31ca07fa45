/*
 * Dirty tracking: the log that a device keeps of its own DMA
 *
 * Owns: the calls that start, read and stop the log of one device, and how
 * its reports become dirty pages of RAM. Does not own: which devices log, and
 * what is done if one does not (dirty-sources.c), the arithmetic of ranges
 * and reports (dirty-ranges.c).
 *
 * Locks: the BQL for everything. The device is not claimed: reports are read
 * while it runs, and drivers serialize them independently of its state.
 * Source: linux/vfio.h, DMA logging; docs/dirty-tracking.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/vfio/device-feature.h"
#include "hw/vfio/dirty-device.h"
#include "hw/vfio/dirty-device-uapi.h"
#include "trace.h"

/*
 * Longest report, in pages: 256 KiB of bitmap. A report does not keep the
 * device busy for long, and yet few calls are needed.
 */
#define VFIO_DIRTY_REPORT_PAGES     (UINT64_C(1) << 21)

/* ---- calls ---- */

bool vfio_dirty_log_probe(VFIODevice *vbasedev)
{
    return vfio_device_feature(vbasedev->fd, VFIO_MIG_V2_FEATURE_LOG_START |
                               VFIO_FEATURE_SET | VFIO_FEATURE_PROBE,
                               NULL, 0) == 0;
}

static int vfio_dirty_do_stop(VFIODevice *vbasedev)
{
    int ret = vfio_device_feature(vbasedev->fd, VFIO_MIG_V2_FEATURE_LOG_STOP |
                                  VFIO_FEATURE_SET, NULL, 0);

    trace_vfio_dirty_log_stop(vbasedev->name, ret);
    return ret;
}

static int vfio_dirty_do_start(VFIODevice *vbasedev,
                               const VFIODirtyRanges *ranges,
                               unsigned page_shift)
{
    VFIOMigV2LogRange list[VFIO_DIRTY_RANGES_MAX];
    VFIOMigV2LogControl control = {
        .page_size = UINT64_C(1) << page_shift,
        .num_ranges = ranges->count,
        .ranges = (uintptr_t)list,
    };
    int ret;

    for (unsigned i = 0; i < ranges->count; i++) {
        list[i].iova = ranges->at[i].iova;
        list[i].length = ranges->at[i].pages << page_shift;
        trace_vfio_dirty_log_range(vbasedev->name, list[i].iova,
                                   list[i].length);
    }
    ret = vfio_device_feature(vbasedev->fd, VFIO_MIG_V2_FEATURE_LOG_START |
                              VFIO_FEATURE_SET, &control, sizeof(control));
    trace_vfio_dirty_log_start(vbasedev->name, ranges->count, ret);
    return ret;
}

static int vfio_dirty_do_report(VFIODirtyTracker *t, VFIODevice *vbasedev,
                                const VFIODirtyRange *range)
{
    VFIOMigV2LogReport report = {
        .iova = range->iova,
        .length = range->pages << t->page_shift,
        .page_size = vfio_dirty_page_bytes(t),
    };
    int ret;

    if (!vfio_dirty_room(t, range->pages)) {
        return -ENOMEM;
    }
    report.bitmap = (uintptr_t)t->bitmap;
    ret = vfio_device_feature(vbasedev->fd, VFIO_MIG_V2_FEATURE_LOG_REPORT |
                              VFIO_FEATURE_GET, &report, sizeof(report));
    if (ret < 0) {
        vfio_dirty_clean(t, range->pages);
    }
    trace_vfio_dirty_log_report(vbasedev->name, range->iova, range->pages,
                                ret);
    return ret;
}

/* ---- a log ---- */

VFIODirtyLog *vfio_dirty_log_start(VFIODevice *vbasedev,
                                   const VFIODirtyRanges *ranges,
                                   unsigned page_shift, Error **errp)
{
    VFIODirtyLog *log;
    int ret;

    /*
     * A log that could not be stopped may still be active; its content is of
     * no use.
     */
    vfio_dirty_do_stop(vbasedev);
    ret = vfio_dirty_do_start(vbasedev, ranges, page_shift);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "%s: the device does not log its DMA in "
                         "%u ranges of %" PRIu64 " bytes in all "
                         "(VFIO_DEVICE_FEATURE_DMA_LOGGING_START)",
                         vbasedev->name, ranges->count,
                         vfio_dirty_ranges_pages(ranges) << page_shift);
        return NULL;
    }
    log = g_new0(VFIODirtyLog, 1);
    log->vbasedev = vbasedev;
    log->ranges = *ranges;
    log->carry = vfio_dirty_carry_new();
    log->report_pages = VFIO_DIRTY_REPORT_PAGES;
    log->resets = vfio_dirty_device_resets(vbasedev);
    return log;
}

int vfio_dirty_log_stop(VFIODirtyLog *log)
{
    return vfio_dirty_do_stop(log->vbasedev);
}

void vfio_dirty_log_free(VFIODirtyLog *log)
{
    vfio_dirty_carry_free(log->carry);
    g_free(log);
}

/* ---- reports ---- */

/* The next part of a range that is inside one logged range, or outside all */
typedef struct VFIODirtyPart {
    VFIODirtyRange rest;        /* still wanted; initially the whole range */
    uint64_t rest_ram;
    const VFIODirtyRange *inside;
    VFIODirtyRange range;
    uint64_t ram_addr;
} VFIODirtyPart;

static bool vfio_dirty_next_part(const VFIODirtyTracker *t,
                                 const VFIODirtyLog *log, VFIODirtyPart *part)
{
    uint64_t bytes;

    if (!part->rest.pages) {
        return false;
    }
    part->range.iova = part->rest.iova;
    part->range.pages = vfio_dirty_ranges_part(&log->ranges, &part->rest,
                                               t->page_shift, &part->inside);
    part->ram_addr = part->rest_ram;
    bytes = part->range.pages << t->page_shift;
    part->rest.iova += bytes;
    part->rest.pages -= part->range.pages;
    part->rest_ram += bytes;
    return true;
}

/* @wanted: entirely inside @range */
static int vfio_dirty_log_read_inside(VFIODirtyTracker *t, VFIODirtyLog *log,
                                      const VFIODirtyRange *range,
                                      VFIODirtyRange wanted, uint64_t ram_addr)
{
    while (wanted.pages) {
        VFIODirtyWindow window = vfio_dirty_window(range, &wanted,
                                                   t->page_shift,
                                                   log->report_pages);
        uint64_t bytes = window.pages << t->page_shift;
        int ret = vfio_dirty_do_report(t, log->vbasedev, &window.report);

        if (ret < 0) {
            return ret;
        }
        vfio_dirty_carry_take(log->carry, &window, t->page_shift, t->bitmap);
        vfio_dirty_carry_keep(log->carry, &window, t->page_shift, t->bitmap);
        vfio_dirty_take(t, window.first, window.pages, ram_addr);
        wanted.iova += bytes;
        wanted.pages -= window.pages;
        ram_addr += bytes;
    }
    return 0;
}

int vfio_dirty_log_read(VFIODirtyTracker *t, VFIODirtyLog *log,
                        const VFIODirtyRange *wanted, uint64_t ram_addr)
{
    VFIODirtyPart part = { .rest = *wanted, .rest_ram = ram_addr };
    int ret = 0;

    while (ret == 0 && vfio_dirty_next_part(t, log, &part)) {
        if (part.inside) {
            ret = vfio_dirty_log_read_inside(t, log, part.inside, part.range,
                                             part.ram_addr);
        }
    }
    return ret;
}

void vfio_dirty_log_mark_outside(VFIODirtyTracker *t, VFIODirtyLog *log,
                                 const VFIODirtyRange *wanted,
                                 uint64_t ram_addr)
{
    VFIODirtyPart part = { .rest = *wanted, .rest_ram = ram_addr };

    while (vfio_dirty_next_part(t, log, &part)) {
        if (!part.inside) {
            trace_vfio_dirty_log_outside(log->vbasedev->name,
                                         part.range.iova, part.range.pages);
            vfio_dirty_mark(part.ram_addr, part.range.pages << t->page_shift);
        }
    }
}
