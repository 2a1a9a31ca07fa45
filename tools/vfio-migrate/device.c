/*
 * vfio-migrate: one device, and saving and loading it
 *
 * Owns: finding a device by the user's name for it; migrating a VM that has
 * only this device, and the statistics of that.
 * Does not own: how a VM migrates (migration/), the command line.
 *
 * Locks: called with the BQL, like everything in the stand-alone host.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/vfio/migration-device.h"
#include "device.h"
#include "sysfs.h"
#include "sysroot.h"

char *tool_error(Error *err)
{
    const char *hint = err ? vfio_host_error_hint(err) : NULL;
    char *text = g_strconcat(err ? error_get_pretty(err) : "no reason given",
                             hint ? "\n" : "", hint, NULL);

    error_free(err);
    return g_strchomp(text);
}

#define NO_DEVICE \
    "%s: no such device in /sys/bus/pci/devices or /sys/bus/mdev/devices; " \
    "name it by its PCI address, its UUID, or its directory in sysfs"

ToolExit tool_no_device(const char *name)
{
    return tool_complain(NO_DEVICE, name);
}

ToolExit tool_complain_error(Error *err)
{
    g_autofree char *text = tool_error(err);

    return tool_complain("%s", text);
}

/* ---- the device ---- */

/* VFIO's errors name missing files, but not the reason why they are missing. */
char *tool_driver_hint(const char *dir)
{
    g_autofree char *driver = file_link(dir, "driver");
    g_autofree char *type = file_link(dir, "mdev_type");

    if (type || (driver && sysfs_is_vfio_driver(dir, driver))) {
        return NULL;
    }
    return g_strdup_printf("It is bound to %s%s; bind it to the VFIO driver "
                           "of its vendor, for instance with driverctl. "
                           "'vfio-migrate why' tells more.",
                           driver ? driver : "no driver",
                           driver ? ", which is no VFIO driver" : "");
}

VFIODevice *tool_open(const char *name, Error **errp)
{
    g_autofree char *sysfsdev = sysfs_find(name);
    VFIOHostDeviceOptions options = {
        .sysfsdev = sysfsdev,
        .id = TOOL_STREAM_ID,
    };
    g_autofree char *hint = NULL;
    VFIODevice *vbasedev;

    if (!sysfsdev) {
        error_setg(errp, NO_DEVICE, name);
        return NULL;
    }
    vfio_host_init();
    vbasedev = vfio_host_device_open(&options, errp);
    hint = vbasedev ? NULL : tool_driver_hint(sysfsdev);
    if (hint) {
        error_append_hint(errp, "%s\n", hint);
    }
    return vbasedev;
}

VFIODevice *tool_open_migratable(const char *name, ToolExit *answer,
                                 Error **errp)
{
    VFIODevice *vbasedev = tool_open(name, errp);

    *answer = TOOL_FAILED;
    if (vbasedev && vfio_host_blocker()) {
        *answer = TOOL_NO;
        error_setg(errp, "%s", vfio_host_blocker());
        tool_close(vbasedev);
        return NULL;
    }
    return vbasedev;
}

void tool_close(VFIODevice *vbasedev)
{
    vfio_host_device_close(vbasedev);
    vfio_host_set_runstate(RUN_STATE_PRELAUNCH);
}

/* ---- save ---- */

typedef struct Saving {
    const ToolSave *options;
    ToolSaved *saved;
    VFIODeviceMigration *mig;
    int64_t phase_us;           /* when the phase began */
} Saving;

static int64_t take_time(Saving *saving)
{
    int64_t now = g_get_monotonic_time();
    int64_t spent = now - saving->phase_us;

    saving->phase_us = now;
    return spent;
}

static void begin_setup(VFIOHostRun *run)
{
    take_time(run->opaque);
}

/*
 * There is no downtime limit here: the VM stops once the running device has
 * no more to give. v1 reports that; v2 only counts what is there at the stop.
 */
static void rounds(VFIOHostRun *run)
{
    Saving *saving = run->opaque;
    unsigned cancel = saving->options->cancel_in_round;
    bool v2 = saving->mig->protocol == &vfio_mig_protocol_v2;
    bool given = true;

    saving->saved->setup_us = take_time(saving);
    while (saving->saved->rounds < (cancel ?: saving->options->max_rounds) &&
           (given || !v2) && !vfio_host_run_error(run) &&
           vfio_host_pending(run, 0)) {
        given = vfio_host_iterate(run);
        saving->saved->rounds++;
    }
    if (cancel) {
        vfio_host_cancel();
    }
}

static void at_switchover(VFIOHostRun *run)
{
    Saving *saving = run->opaque;

    saving->saved->precopy_us = take_time(saving);
    saving->saved->precopy_bytes = saving->mig->stats.transferred_bytes;
    if (saving->options->cancel_at_switchover) {
        vfio_host_cancel();
    }
}

static VFIOHostStep *const save_steps[] = {
    vfio_host_begin, vfio_host_notify, begin_setup, vfio_host_setup,
    vfio_host_activate, rounds, vfio_host_stop, at_switchover, VFIO_HOST_STOPPED
};

QEMUFile *tool_stream(int fd, bool output, Error **errp)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    if (copy < 0) {
        error_setg_errno(errp, errno, "no stream can be made");
        return NULL;
    }
    return output ? vfio_host_file_new_output(copy)
                  : vfio_host_file_new_input(copy);
}

int tool_save(VFIODevice *vbasedev, int fd, const ToolSave *options,
              ToolSaved *saved, Error **errp)
{
    VFIODeviceMigration *mig = vfio_mig_of(vbasedev);
    Saving saving = { .options = options, .saved = saved, .mig = mig };
    QEMUFile *f = tool_stream(fd, true, errp);
    int ret;

    memset(saved, 0, sizeof(*saved));
    if (!f) {
        return -EIO;
    }
    if (options->break_after_bytes) {
        vfio_host_file_fail_after(f, options->break_after_bytes, ENOSPC, NULL);
    }
    ret = vfio_host_run(f, save_steps, &saving, errp);
    if (mig) {
        saved->stopped_us = take_time(&saving);
        saved->device_bytes = mig->stats.transferred_bytes;
        saved->chunks = mig->stats.chunks;
        saved->has_window = mig->protocol == &vfio_mig_protocol_v1;
        saved->mapped_bytes = mig->stats.mapped_bytes;
        saved->trapped_bytes = mig->stats.trapped_bytes;
    }
    return ret;
}

/* ---- load ---- */

int tool_load(int fd, uint64_t cut_after_bytes, Error **errp)
{
    QEMUFile *f = tool_stream(fd, false, errp);

    if (!f) {
        return -EIO;
    }
    if (cut_after_bytes) {
        vfio_host_file_fail_after(f, cut_after_bytes, 0, NULL);
    }
    return vfio_host_run(f, vfio_host_incoming, NULL, errp);
}
