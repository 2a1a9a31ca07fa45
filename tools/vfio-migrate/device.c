/*
 * vfio-migrate: one device, and its way to a file and back
 *
 * Owns: finding a device by the name that a user gives it; a migration of a
 * VM that has nothing but this device, and what it took.
 * Does not own: how a VM migrates (migration/), the command line.
 *
 * Locks: called with the BQL, as everything of the stand-alone host.
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

/* What is missing is told in files that do not name what is missing. */
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
    if (vbasedev && vfio_host_blocker(0)) {
        *answer = TOOL_NO;
        error_setg(errp, "%s", vfio_host_blocker(0));
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
    VFIOHostSaveOptions how;
    int64_t phase_us;           /* when the phase began */
    uint64_t round_bytes;       /* that were there when the round began */
} Saving;

static int64_t take_time(Saving *saving)
{
    int64_t now = g_get_monotonic_time();
    int64_t spent = now - saving->phase_us;

    saving->phase_us = now;
    return spent;
}

/*
 * There is no downtime limit here: the VM stops when a device that runs has
 * no more to give. v1 says so; v2 only of what is there when it stops.
 */
static void end_precopy(Saving *saving, unsigned round)
{
    uint64_t bytes = saving->mig->stats.transferred_bytes;

    if (round && bytes == saving->round_bytes &&
        saving->mig->protocol == &vfio_mig_protocol_v2) {
        saving->how.max_rounds = round;
    }
    saving->round_bytes = bytes;
}

static void save_hook(VFIOHostPhase phase, unsigned round, void *opaque)
{
    Saving *saving = opaque;
    ToolSaved *saved = saving->saved;

    switch (phase) {
    case VFIO_HOST_PHASE_SETUP:
        saving->phase_us = g_get_monotonic_time();
        break;
    case VFIO_HOST_PHASE_ITERATE:
        if (round == 0) {
            saved->setup_us = take_time(saving);
        }
        saved->rounds = round;
        end_precopy(saving, round);
        if (round && round == saving->options->cancel_in_round) {
            vfio_host_cancel();
        }
        break;
    case VFIO_HOST_PHASE_SWITCHOVER:
        saved->precopy_us = take_time(saving);
        saved->precopy_bytes = saving->mig->stats.transferred_bytes;
        if (saving->options->cancel_at_switchover) {
            vfio_host_cancel();
        }
        break;
    }
}

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
    Saving saving = {
        .options = options, .saved = saved, .mig = mig,
        .how = {
            .min_rounds = options->cancel_in_round,
            .max_rounds = MAX(options->max_rounds, options->cancel_in_round),
            .hook = save_hook,
            .opaque = &saving,
        },
    };
    QEMUFile *f = tool_stream(fd, true, errp);
    int ret;

    memset(saved, 0, sizeof(*saved));
    if (!f) {
        return -EIO;
    }
    if (options->break_after_bytes) {
        vfio_host_file_fail_after(f, options->break_after_bytes, ENOSPC, NULL);
    }
    ret = vfio_host_save(f, &saving.how, errp);
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
    return vfio_host_load(f, errp);
}
