/*
 * vfio-migrate test: what the cases are made of
 *
 * Functions that return false end the case, with a reason: it has failed, or
 * does not apply.
 * Lock: the BQL, as everything of the stand-alone host.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VFIO_MIGRATE_DRIVER_RUN_H
#define VFIO_MIGRATE_DRIVER_RUN_H

#include "hw/vfio/migration-device.h"
#include "device.h"
#include "driver-test.h"

/* One case, from a fresh device to a closed one */
typedef struct DriverRun {
    const DriverTest *test;
    GString *messages;          /* of the subsystem, in this case */
    GString *notes;             /* figures of this case */
    char *why;                  /* it failed; first reason */
    char *skipped;              /* it does not apply to this driver */
    int fd;                     /* file of the stream */
    VFIODevice *device;
} DriverRun;

typedef struct DriverCase {
    const char *name;
    bool (*func)(DriverRun *run);
} DriverCase;

/*
 * Cases of every protocol, those of v2, and those of a device with a log of
 * its DMA; the last one of each has no name.
 */
extern const DriverCase driver_cases[], driver_cases_v2[],
                        driver_cases_log[];

/* run_fail: the case has failed; false. The first reason counts. */
bool run_fail(DriverRun *run, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
/* run_fail_error: the same with the text of @err, which is taken over */
bool run_fail_error(DriverRun *run, Error *err);

/* run_skip: the case does not apply; false, which ends it */
bool run_skip(DriverRun *run, const char *why);

/* run_open: open the device @name, which has to be able to migrate */
bool run_open(DriverRun *run, const char *name);
/* run_close: close the device, which resets it, if there is one */
void run_close(DriverRun *run);

/*
 * run_expect: is the device in state @wanted, without ever a failure?
 *
 * What the driver itself says counts, not what we remember. A device that had
 * to be reset on the way there is not what it was.
 */
bool run_expect(DriverRun *run, VFIOMigState wanted, const char *when);

/* run_rewind: the stream's file from its start; @empty: to be written */
bool run_rewind(DriverRun *run, bool empty);
uint64_t run_stream_bytes(DriverRun *run);

/* run_note_saved: put the figures of a save into the notes */
void run_note_saved(DriverRun *run, const ToolSaved *saved);

/*
 * run_save: migrate the VM into the stream's file
 *
 * @wanted: what tool_save() has to return, 0 or -errno
 */
bool run_save(DriverRun *run, ToolSave how, int wanted, ToolSaved *saved);
/* run_save_live: open the source, and migrate a VM that runs */
bool run_save_live(DriverRun *run, ToolSaved *saved);

/*
 * run_load: a fresh destination takes the stream
 *
 * @cut_after_bytes: it has to fail, as the stream ends there; 0: all of it
 */
bool run_load(DriverRun *run, uint64_t cut_after_bytes);

/* ---- by single calls, without a stream ---- */

VFIODeviceMigration *run_mig(DriverRun *run);

/*
 * run_open_fresh: close what is open, and open the device @name
 *
 * @running: it is of a VM that runs, or else of one that waits for a migration
 *           to come in
 */
bool run_open_fresh(DriverRun *run, const char *name, bool running);

/* run_enter: bring the device to @state, over the arcs that it has */
bool run_enter(DriverRun *run, VFIOMigState state);

/* run_needs_reset: the case does not apply where there is none */
bool run_needs_reset(DriverRun *run);
/* run_reset: after it the device has to be in state running */
bool run_reset(DriverRun *run, const char *when);

#endif /* VFIO_MIGRATE_DRIVER_RUN_H */
