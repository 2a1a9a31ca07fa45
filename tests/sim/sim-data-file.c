/*
 * Simulated VFIO devices: the data fd of protocol v2
 *
 * Owns: the file that a session's bytes are read from or written to. The
 * descriptor is one end of a pipe, which by itself behaves like the kernel's
 * file: direction, ESPIPE for a seek, close-on-exec, and always ready for
 * poll(): a pipe for reading contains a byte, one for writing is empty. The
 * content of the pipe is never used.
 *
 * Locks: SimDevice.mig_lock around each call, taken here.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <sys/syscall.h>

#include "sim-internal.h"
#include "sim-uapi.h"

struct SimDataFile {
    SimDevice *device;
    uint64_t generation;            /* of the session, which may have ended */
    bool load;
    int other_end;
};

/* @ends: set to the end for reading [0] and for writing [1] */
static bool make_pipe(int ends[2], bool load)
{
    const char ready = 0;

    if (pipe2(ends, O_CLOEXEC) < 0) {
        return false;
    }
    if (load || syscall(SYS_write, ends[1], &ready, 1) == 1) {
        return true;
    }
    sim_real_close(ends[0]);
    sim_real_close(ends[1]);
    return false;
}

int sim_data_file_open(SimDevice *d, int32_t *told)
{
    SimDataFile *file;
    SimOutcome out;
    bool load = d->mig.v2.session == SIM_SESSION_LOAD;
    int ends[2], fd;

    sim_host_event(&d->mig, SIM_EV_DATA_FD, d->mig.state, &out);
    if (out.err) {
        return -out.err;
    }
    if (!make_pipe(ends, load)) {
        return -errno;
    }
    file = g_new0(SimDataFile, 1);
    file->device = d;
    file->generation = d->mig.v2.generation;
    file->load = load;
    file->other_end = ends[!load];
    fd = sim_file_publish(ends[load], SIM_FILE_DATA, file);
    if (fd < 0) {
        sim_real_close(file->other_end);
        g_free(file);
        return -EMFILE;
    }
    __atomic_fetch_add(&d->data_files, 1, __ATOMIC_RELAXED);
    *told = out.has_value ? (int32_t)out.value : fd;
    return 0;
}

void sim_data_file_close(SimDataFile *file)
{
    SimDevice *d = file->device;

    __atomic_fetch_sub(&d->data_files, 1, __ATOMIC_RELAXED);
    sim_log(d->cfg.name, "data-close %s", file->load ? "load" : "save");
    sim_real_close(file->other_end);
    g_free(file);
    sim_status_write();
}

ssize_t sim_data_file_rw(SimDataFile *file, bool write, void *buf, size_t len)
{
    SimDevice *d = file->device;
    ssize_t ret;

    if (write != file->load) {
        return -EBADF;
    }
    g_mutex_lock(&d->mig_lock);
    ret = write ? sim_v2_write(&d->mig, file->generation, buf, len)
                : sim_v2_read(&d->mig, file->generation, buf, len);
    g_mutex_unlock(&d->mig_lock);
    sim_flr_if_due(d);
    return ret;
}

static int precopy_info(SimDataFile *file, SimIocPrecopyInfo *ioc)
{
    SimDevice *d = file->device;
    SimPrecopyInfo info;
    int ret;

    if (ioc->argsz < sizeof(*ioc)) {
        sim_host_violation(&d->mig, "PRECOPY_INFO with argsz=%u",
                           ioc->argsz);
        return -EINVAL;
    }
    ret = sim_v2_precopy_info(&d->mig, file->generation, &info);
    if (ret) {
        return ret;
    }
    /* Drivers do not change flags unless the client opted in. */
    if (d->mig.v2.reinit_wanted) {
        ioc->flags = info.reinit ? SIM_PRECOPY_INFO_REINIT : 0;
    }
    ioc->initial_bytes = info.initial_bytes;
    ioc->dirty_bytes = info.dirty_bytes;
    return 0;
}

int sim_data_file_ioctl(SimDataFile *file, unsigned long request, void *arg)
{
    SimDevice *d = file->device;
    int ret;

    if (request != SIM_IOC_PRECOPY_INFO || file->load ||
        d->mig.cfg.v2.kernel < SIM_KERNEL_6_2) {
        return -ENOTTY;
    }
    g_mutex_lock(&d->mig_lock);
    ret = precopy_info(file, arg);
    g_mutex_unlock(&d->mig_lock);
    sim_flr_if_due(d);
    return ret;
}
