/*
 * vfio-migrate test: the cases for a device that logs its own DMA
 *
 * Owns: starting, reading and stopping the log, both as a migration does it
 * and in wrong ways. Nothing uses the device: only a VM can show whether it
 * reports the pages that it writes.
 *
 * Source: linux/vfio.h of Linux 6.1, VFIO_DEVICE_FEATURE_DMA_LOGGING_*.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/units.h"
#include "hw/vfio/device-feature.h"
#include "hw/vfio/dirty-device-uapi.h"
#include "hw/vfio/migration-session.h"
#include "driver-run.h"

#define START_CALL  "VFIO_DEVICE_FEATURE_DMA_LOGGING_START"
#define STOP_CALL   "VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP"
#define REPORT_CALL "VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT"

/* The memory of a small VM: below 4 GiB, and with more above it */
static const VFIOMigV2LogRange low = { 0, 3 * GiB };
static const VFIOMigV2LogRange both[] = { { 0, 3 * GiB },
                                          { 4 * GiB, 2 * GiB } };

/* Reports cover whole words of a bitmap. */
#define PIECE_PAGES 64u

static int do_start(DriverRun *run, const VFIOMigV2LogRange *ranges,
                    unsigned count)
{
    VFIOMigV2LogControl control = {
        .page_size = getpagesize(),
        .num_ranges = count,
        .ranges = (uintptr_t)ranges,
    };

    return vfio_device_feature(run->device->fd, VFIO_FEATURE_SET |
                               VFIO_MIG_V2_FEATURE_LOG_START, &control,
                               sizeof(control));
}

static int do_stop(DriverRun *run)
{
    return vfio_device_feature(run->device->fd, VFIO_FEATURE_SET |
                               VFIO_MIG_V2_FEATURE_LOG_STOP, NULL, 0);
}

/* @dirty: the number of pages is added to it; may be NULL */
static int do_report(DriverRun *run, VFIOMigV2LogRange range,
                     uint64_t *dirty)
{
    uint64_t page_bytes = getpagesize();
    size_t words = ROUND_UP(range.length / page_bytes, 64) / 64;
    g_autofree uint64_t *bitmap = g_new0(uint64_t, words);
    VFIOMigV2LogReport report = {
        .iova = range.iova,
        .length = range.length,
        .page_size = page_bytes,
        .bitmap = (uintptr_t)bitmap,
    };
    int ret = vfio_device_feature(run->device->fd, VFIO_FEATURE_GET |
                                  VFIO_MIG_V2_FEATURE_LOG_REPORT, &report,
                                  sizeof(report));

    for (size_t i = 0; ret == 0 && dirty && i < words; i++) {
        *dirty += __builtin_popcountll(bitmap[i]);
    }
    return ret;
}

static bool start(DriverRun *run, const VFIOMigV2LogRange *ranges,
                  unsigned count, const char *when)
{
    uint64_t bytes = 0;
    int ret = do_start(run, ranges, count);

    for (unsigned i = 0; i < count; i++) {
        bytes += ranges[i].length;
    }
    return ret == 0 ||
           run_fail(run, "%s: " START_CALL " of %" PRIu64 " GiB in %u ranges: "
                    "%s", when, bytes / GiB, count, strerror(-ret));
}

static bool report(DriverRun *run, VFIOMigV2LogRange range, uint64_t *dirty,
                   const char *when)
{
    int ret = do_report(run, range, dirty);

    return ret == 0 ||
           run_fail(run, "%s: " REPORT_CALL " of 0x%" PRIx64 " bytes from 0x%"
                    PRIx64 " on: %s", when, range.length, range.iova,
                    strerror(-ret));
}

static bool stop(DriverRun *run, const char *when)
{
    int ret = do_stop(run);

    return ret == 0 ||
           run_fail(run, "%s: " STOP_CALL ": %s", when, strerror(-ret));
}

/* A device may have stopped its log by itself; some fail the stop then. */
static bool start_again(DriverRun *run, const char *when)
{
    do_stop(run);
    return start(run, &low, 1, when) && report(run, low, NULL, when) &&
           stop(run, when);
}

/* ---- the cases ---- */

static bool case_reports(DriverRun *run)
{
    VFIOMigV2LogRange piece = {
        .iova = 1 * GiB,
        .length = PIECE_PAGES * getpagesize(),
    };
    uint64_t dirty = 0;

    if (!run_open_fresh(run, run->test->source, true) ||
        !start(run, &low, 1, "one range") ||
        !report(run, low, &dirty, "all of it") ||
        !report(run, piece, &dirty, "a piece of it") ||
        !stop(run, "one range") ||
        !start(run, both, G_N_ELEMENTS(both), "two ranges")) {
        return false;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(both); i++) {
        if (!report(run, both[i], &dirty, "one of two ranges")) {
            return false;
        }
    }
    g_string_append_printf(run->notes, "%" PRIu64 " pages reported of a "
                           "device that nobody uses\n", dirty);
    return stop(run, "two ranges");
}

static bool case_refuses(DriverRun *run)
{
    if (!run_open_fresh(run, run->test->source, true)) {
        return false;
    }
    if (do_report(run, low, NULL) == 0) {
        return run_fail(run, REPORT_CALL " is taken while there is no log: "
                        "what was written would be lost without a word");
    }
    if (!start(run, &low, 1, "one range")) {
        return false;
    }
    if (do_start(run, both, G_N_ELEMENTS(both)) == 0) {
        return run_fail(run, START_CALL " is taken while there is a log");
    }
    if (!report(run, low, NULL, "after a second start, which was refused") ||
        !stop(run, "after a second start, which was refused")) {
        return false;
    }
    if (do_report(run, low, NULL) == 0) {
        return run_fail(run, REPORT_CALL " is taken after the log was "
                        "stopped");
    }
    return true;
}

/* The last report is read when the device has stopped for good. */
static bool case_stopped(DriverRun *run)
{
    if (!run_open_fresh(run, run->test->source, true) ||
        !start(run, &low, 1, "one range") ||
        (run_mig(run)->traits.precopy &&
         (!run_enter(run, VFIO_MIG_STATE_PRE_COPY) ||
          !report(run, low, NULL, "in pre-copy"))) ||
        !run_enter(run, VFIO_MIG_STATE_STOP_COPY) ||
        !report(run, low, NULL, "in stop-copy")) {
        return false;
    }
    return run_enter(run, VFIO_MIG_STATE_STOP) &&
           start_again(run, "after a migration");
}

static bool case_reset(DriverRun *run)
{
    return run_open_fresh(run, run->test->source, true) &&
           run_needs_reset(run) && start(run, &low, 1, "one range") &&
           run_reset(run, "after a reset with a log") &&
           start_again(run, "after a reset with a log");
}

const DriverCase driver_cases_log[] = {
    { "logs its DMA, and reports it", case_reports },
    { "refuses a second log, and reports of none", case_refuses },
    { "reports when it has stopped", case_stopped },
    { "logs its DMA after a reset", case_reset },
    { NULL }
};
