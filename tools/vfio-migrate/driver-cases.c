/*
 * vfio-migrate test: the cases for every protocol
 *
 * The contents of the state cannot be checked here: that is up to the
 * driver's own checks on load, and to the device in the guest.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/vfio/migration-transition.h"
#include "driver-run.h"

static bool case_found(DriverRun *run)
{
    return run_open(run, run->test->source) &&
           run_expect(run, VFIO_MIG_STATE_RUNNING, "after opening");
}

static bool case_reset(DriverRun *run)
{
    if (!run_open(run, run->test->source)) {
        return false;
    }
    if (!run->device->reset_works) {
        return run_fail(run, "no VFIO_DEVICE_RESET: a device in the error "
                        "state could not be recovered");
    }
    vfio_host_reset_devices();
    return run_expect(run, VFIO_MIG_STATE_RUNNING, "after a reset");
}

static bool case_live(DriverRun *run)
{
    ToolSaved saved;

    return run_save_live(run, &saved);
}

static bool case_continue(DriverRun *run)
{
    ToolSaved saved;

    if (!run_save_live(run, &saved)) {
        return false;
    }
    vfio_host_vm_start();
    return run_expect(run, VFIO_MIG_STATE_RUNNING,
                      "after the VM went on at the source");
}

static bool case_cancel(DriverRun *run, ToolSave how, const char *when)
{
    ToolSaved saved;

    if (!run_open(run, run->test->source)) {
        return false;
    }
    vfio_host_vm_start();
    return run_save(run, how, -ECANCELED, &saved) &&
           run_expect(run, VFIO_MIG_STATE_RUNNING, when) &&
           run_save(run, (ToolSave) { 0 }, 0, &saved) &&
           run_expect(run, VFIO_MIG_STATE_STOP, "after a second try");
}

static bool case_cancel_precopy(DriverRun *run)
{
    if (!run_open(run, run->test->source)) {
        return false;
    }
    if (!vfio_mig_of(run->device)->traits.precopy) {
        return run_skip(run, "the device has no pre-copy");
    }
    run_close(run);
    return case_cancel(run, (ToolSave) { .cancel_in_round = 1 },
                       "after a cancel in pre-copy");
}

static bool case_cancel_stopped(DriverRun *run)
{
    return case_cancel(run, (ToolSave) { .cancel_at_switchover = true },
                       "after a cancel with the VM stopped");
}

static bool case_broken_stream(DriverRun *run)
{
    ToolSaved saved;
    uint64_t whole_bytes;

    if (!run_save_live(run, &saved)) {
        return false;
    }
    whole_bytes = run_stream_bytes(run);
    run_close(run);
    if (!run_open(run, run->test->source)) {
        return false;
    }
    vfio_host_vm_start();
    return run_save(run, (ToolSave) { .break_after_bytes = whole_bytes / 2 },
                    -EIO, &saved) &&
           run_expect(run, VFIO_MIG_STATE_RUNNING,
                      "after the stream broke");
}

/* v1 has no arc from stop to stop-copy in its diagram: it may be refused. */
static bool can_save_stopped(DriverRun *run)
{
    VFIODeviceMigration *mig = vfio_mig_of(run->device);

    return vfio_mig_try_state(mig, VFIO_MIG_STATE_STOP_COPY) == 0
           ? vfio_mig_try_state(mig, VFIO_MIG_STATE_STOP) == 0
           : mig->state != VFIO_MIG_STATE_STOP;
}

static bool case_paused(DriverRun *run)
{
    ToolSaved saved;

    if (!run_open(run, run->test->source)) {
        return false;
    }
    vfio_host_vm_start();
    vfio_host_vm_stop(RUN_STATE_PAUSED);
    if (!run_expect(run, VFIO_MIG_STATE_STOP, "with the VM paused")) {
        return false;
    }
    if (vfio_mig_of(run->device)->traits.learns_refusals &&
        !can_save_stopped(run)) {
        return run_skip(run, "the driver does not save a device whose VM is "
                        "paused");
    }
    if (!run_expect(run, VFIO_MIG_STATE_STOP, "with the VM paused") ||
        !run_save(run, (ToolSave) { 0 }, 0, &saved)) {
        return false;
    }
    run_note_saved(run, &saved);
    return run_expect(run, VFIO_MIG_STATE_STOP, "after its migration") &&
           run_load(run, 0);
}

static bool case_round_trip(DriverRun *run)
{
    ToolSaved saved;

    for (unsigned i = 0; i < run->test->rounds; i++) {
        run_close(run);
        if (!run_save_live(run, &saved) || !run_load(run, 0)) {
            return false;
        }
        vfio_host_vm_start();
        if (!run_expect(run, VFIO_MIG_STATE_RUNNING,
                        "after the VM went on at the destination")) {
            return false;
        }
    }
    return true;
}

/* A driver may let a loaded device leave resuming only to running. */
static bool case_onward(DriverRun *run)
{
    ToolSaved saved;
    ToolSave how = { .max_rounds = run->test->max_precopy_rounds };
    Error *err = NULL;

    if (!run_save_live(run, &saved) || !run_load(run, 0)) {
        return false;
    }
    if (vfio_mig_of(run->device)->state == VFIO_MIG_STATE_RESUMING) {
        return run_skip(run, "the driver keeps a loaded device in resuming "
                        "until it runs");
    }
    if (!run_rewind(run, true)) {
        return false;
    }
    if (tool_save(run->device, run->fd, &how, &saved, &err) < 0) {
        return run_fail_error(run, err);
    }
    run_note_saved(run, &saved);
    return run_load(run, 0);
}

static bool case_cut_stream(DriverRun *run)
{
    ToolSaved saved;

    if (!run_save_live(run, &saved) ||
        !run_load(run, run_stream_bytes(run) / 2)) {
        return false;
    }
    /* A VM's destination would end here; the next one starts afresh. */
    return run_load(run, 0);
}

static bool case_snapshot(DriverRun *run)
{
    Error *err = NULL;
    QEMUFile *f;

    if (!run_open(run, run->test->source) || !run_rewind(run, true)) {
        return false;
    }
    vfio_host_vm_start();
    f = tool_stream(run->fd, true, &err);
    if (!f || vfio_host_run(f, vfio_host_savevm, NULL, &err) < 0) {
        return run_fail_error(run, err);
    }
    if (!run_rewind(run, false)) {
        return false;
    }
    f = tool_stream(run->fd, false, &err);
    if (!f || vfio_host_run(f, vfio_host_loadvm, NULL, &err) < 0) {
        return run_fail_error(run, err);
    }
    return run_expect(run, VFIO_MIG_STATE_RUNNING, "after loadvm");
}

const DriverCase driver_cases[] = {
    { "can migrate, and runs", case_found },
    { "runs after a reset", case_reset },
    { "saves a running VM", case_live },
    { "runs on at the source after its migration", case_continue },
    { "runs on after a cancel in pre-copy, and migrates", case_cancel_precopy },
    { "runs on after a cancel with the VM stopped, and migrates",
      case_cancel_stopped },
    { "runs on after a broken stream", case_broken_stream },
    { "saves a paused VM, and loads it", case_paused },
    { "loads, and runs on", case_round_trip },
    { "migrates onward without having run", case_onward },
    { "survives half of a stream", case_cut_stream },
    { "saves and loads a snapshot", case_snapshot },
    { NULL }
};
