/*
 * vfio-migrate test: building blocks of the cases
 *
 * Functions that return false end the case, with a reason: it has failed, or
 * does not apply.
 * Lock: the BQL, like everything in the stand-alone host.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VFIO_MIGRATE_DRIVER_RUN_H
#define VFIO_MIGRATE_DRIVER_RUN_H

#include "hw/vfio/migration-device.h"
#include "device.h"
#include "driver-test.h"

/* One case, from opening the device to closing it */
typedef struct DriverRun {
    const DriverTest *test;
    GString *messages;          /* of the subsystem, in this case */
    GString *notes;             /* figures of this case */
    char *why;                  /* first reason why it failed */
    char *skipped;              /* why it does not apply to this driver */
    int fd;                     /* the stream's file */
    VFIODevice *device;
} DriverRun;

typedef struct DriverCase {
    const char *name;
    bool (*func)(DriverRun *run);
} DriverCase;

/*
 * The cases for every protocol, for v2, and for a device that logs its DMA.
 * The last entry of each has no name.
 */
extern const DriverCase driver_cases[], driver_cases_v2[],
                        driver_cases_log[];

/* run_fail: fail the case; returns false. The first reason is kept. */
bool run_fail(DriverRun *run, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
/* run_fail_error: the same with the text of @err, which is freed */
bool run_fail_error(DriverRun *run, Error *err);

/* run_skip: the case does not apply; returns false, which ends it */
bool run_skip(DriverRun *run, const char *why);

/* run_open: open the device @name, which must be able to migrate */
bool run_open(DriverRun *run, const char *name);
/* run_close: close the device, which resets it, if there is one */
void run_close(DriverRun *run);

/*
 * run_expect: check that the device is in state @wanted, and never failed
 *
 * The state is read from the driver. A device that had to be reset on the way
 * there counts as failed.
 */
bool run_expect(DriverRun *run, VFIOMigState wanted, const char *when);

/* run_rewind: rewind the stream's file; @empty: truncate it, for writing */
bool run_rewind(DriverRun *run, bool empty);
/* run_stream_bytes: the size of the stream's file */
uint64_t run_stream_bytes(DriverRun *run);

/* run_note_saved: add the statistics of a save to the notes */
void run_note_saved(DriverRun *run, const ToolSaved *saved);

/*
 * run_save: migrate the VM into the stream's file
 *
 * @wanted: the expected result of tool_save(), 0 or -errno
 */
bool run_save(DriverRun *run, ToolSave how, int wanted, ToolSaved *saved);
/* run_save_live: open the source, and migrate a running VM */
bool run_save_live(DriverRun *run, ToolSaved *saved);

/*
 * run_load: load the stream at a fresh destination
 *
 * @cut_after_bytes: cut the stream there, so that the load must fail; 0: do
 *                   not
 */
bool run_load(DriverRun *run, uint64_t cut_after_bytes);

/* ---- single calls, without a stream ---- */

/* run_mig: the migration object of the open device */
VFIODeviceMigration *run_mig(DriverRun *run);

/*
 * run_open_fresh: close the open device, if any, and open the device @name
 *
 * @running: its VM runs; otherwise the VM waits for an incoming migration
 *
 */
bool run_open_fresh(DriverRun *run, const char *name, bool running);

/* run_enter: bring the device to @state, using the arcs that it supports */
bool run_enter(DriverRun *run, VFIOMigState state);

/* run_needs_reset: skip the case if the device has no reset */
bool run_needs_reset(DriverRun *run);
/* run_reset: reset the device, which must be in state running afterwards */
bool run_reset(DriverRun *run, const char *when);

#endif /* VFIO_MIGRATE_DRIVER_RUN_H */
