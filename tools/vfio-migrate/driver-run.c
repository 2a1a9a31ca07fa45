/*
 * vfio-migrate test: building blocks of the cases
 *
 * Owns: one case's device, stream and outcome; saving and loading it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/vfio/migration-session.h"
#include "hw/vfio/migration-transition.h"
#include "driver-run.h"
#include "screen.h"

bool run_fail(DriverRun *run, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    if (!run->why) {
        run->why = g_strdup_vprintf(fmt, ap);
    }
    va_end(ap);
    return false;
}

bool run_fail_error(DriverRun *run, Error *err)
{
    g_autofree char *text = tool_error(err);

    return run_fail(run, "%s", text);
}

bool run_skip(DriverRun *run, const char *why)
{
    if (!run->skipped) {
        run->skipped = g_strdup(why);
    }
    return false;
}

bool run_open(DriverRun *run, const char *name)
{
    Error *err = NULL;

    run->device = tool_open(name, &err);
    if (!run->device) {
        return run_fail_error(run, err);
    }
    if (vfio_host_blocker()) {
        return run_fail(run, "%s", vfio_host_blocker());
    }
    return true;
}

void run_close(DriverRun *run)
{
    if (run->device) {
        tool_close(run->device);
        run->device = NULL;
    }
}

bool run_expect(DriverRun *run, VFIOMigState wanted, const char *when)
{
    VFIODeviceMigration *mig = vfio_mig_of(run->device);
    VFIOMigState state;
    int ret = mig->protocol->read_state(mig, &state);

    if (mig->last_error) {
        return run_fail(run, "%s: %s", when, mig->last_error);
    }
    if (ret < 0) {
        return run_fail(run, "%s: device_state cannot be read: %s", when,
                        strerror(-ret));
    }
    if (state != wanted) {
        return run_fail(run, "%s: the device is in state %s, not %s", when,
                        vfio_mig_state_str(state), vfio_mig_state_str(wanted));
    }
    return true;
}

void run_note_saved(DriverRun *run, const ToolSaved *saved)
{
    g_autofree char *all = screen_size(saved->device_bytes);
    g_autofree char *early = screen_size(saved->precopy_bytes);
    g_autofree char *setup = screen_time(saved->setup_us);
    g_autofree char *stopped = screen_time(saved->stopped_us);

    g_string_append_printf(run->notes, "saved %s (%s in %u rounds of "
                           "pre-copy), set-up %s, VM stopped for %s\n", all,
                           early, saved->rounds, setup, stopped);
}

bool run_rewind(DriverRun *run, bool empty)
{
    if (lseek(run->fd, 0, SEEK_SET) < 0 ||
        (empty && ftruncate(run->fd, 0) < 0)) {
        return run_fail(run, "the file of the stream cannot be rewound: %s",
                        strerror(errno));
    }
    return true;
}

uint64_t run_stream_bytes(DriverRun *run)
{
    return MAX(lseek(run->fd, 0, SEEK_END), 0);
}

bool run_save(DriverRun *run, ToolSave how, int wanted, ToolSaved *saved)
{
    Error *err = NULL;
    int ret;

    if (!run_rewind(run, true)) {
        return false;
    }
    how.max_rounds = run->test->max_precopy_rounds;
    ret = tool_save(run->device, run->fd, &how, saved, &err);
    if (ret == 0 && wanted) {
        return run_fail(run, "a migration that had to fail was completed");
    }
    if (ret != wanted) {
        return run_fail_error(run, err);
    }
    error_free(err);
    return true;
}

bool run_save_live(DriverRun *run, ToolSaved *saved)
{
    if (!run_open(run, run->test->source)) {
        return false;
    }
    vfio_host_vm_start();
    if (!run_expect(run, VFIO_MIG_STATE_RUNNING, "after opening") ||
        !run_save(run, (ToolSave) { 0 }, 0, saved)) {
        return false;
    }
    run_note_saved(run, saved);
    return run_expect(run, VFIO_MIG_STATE_STOP, "after its migration");
}

bool run_load(DriverRun *run, uint64_t cut_after_bytes)
{
    int64_t start;
    Error *err = NULL;
    int ret;

    run_close(run);
    if (!run_open(run, run->test->destination) ||
        !run_rewind(run, false)) {
        return false;
    }
    start = g_get_monotonic_time();
    ret = tool_load(run->fd, cut_after_bytes, &err);
    if (ret == 0 && !cut_after_bytes) {
        g_autofree char *time = screen_time(g_get_monotonic_time() - start);

        g_string_append_printf(run->notes, "loaded in %s\n", time);
        return true;
    }
    if (ret < 0 && cut_after_bytes) {
        error_free(err);
        return true;
    }
    if (ret == 0) {
        return run_fail(run, "half of a stream was loaded without an error");
    }
    return run_fail_error(run, err);
}

/* ---- states ---- */

VFIODeviceMigration *run_mig(DriverRun *run)
{
    return vfio_mig_of(run->device);
}

bool run_open_fresh(DriverRun *run, const char *name, bool running)
{
    run_close(run);
    if (!run_open(run, name)) {
        return false;
    }
    if (running) {
        vfio_host_vm_start();
    }
    run_mig(run)->protocol->open(run_mig(run));
    return true;
}

bool run_enter(DriverRun *run, VFIOMigState state)
{
    int ret = vfio_mig_try_state(run_mig(run), state);

    if (ret < 0) {
        return run_fail(run, "the device does not get from state %s to %s: %s",
                        vfio_mig_state_str(run_mig(run)->state),
                        vfio_mig_state_str(state), strerror(-ret));
    }
    return true;
}

bool run_needs_reset(DriverRun *run)
{
    return run->device->reset_works ||
           run_skip(run, "the device has no reset");
}

bool run_reset(DriverRun *run, const char *when)
{
    vfio_host_reset_devices();
    vfio_mig_try_state(run_mig(run), VFIO_MIG_STATE_RUNNING);
    return run_expect(run, VFIO_MIG_STATE_RUNNING, when);
}
