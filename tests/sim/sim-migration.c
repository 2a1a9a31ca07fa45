/*
 * Simulated VFIO devices: the migration region
 *
 * Owns: the functions that the model (sim-model.h) needs from its host, and the
 * region's information. Does not own: registers, states, chunks.
 *
 * Locks: SimDevice.mig_lock around each access, reset included, so a slow
 * vendor delays other accesses to this region but not config space.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sim-internal.h"

static SimDevice *device_of(SimMig *m)
{
    return (SimDevice *)((char *)m - offsetof(SimDevice, mig));
}

/* ------------------------------------------------------------------------ */
/* Region information                                                       */

static void add_sparse_cap(SimDevice *d, SimCaps *caps)
{
    const SimMigConfig *c = &d->mig.cfg;
    struct vfio_region_info_cap_sparse_mmap *cap;

    cap = sim_caps_add(caps, VFIO_REGION_INFO_CAP_SPARSE_MMAP, 1,
                       sizeof(*cap) + c->num_areas * sizeof(cap->areas[0]));
    cap->nr_areas = c->num_areas;
    for (unsigned i = 0; i < c->num_areas; i++) {
        cap->areas[i].offset = c->areas[i].offset;
        cap->areas[i].size = c->areas[i].size_bytes;
    }
}

int sim_migration_region_info(SimDevice *d, void *arg)
{
    struct vfio_region_info info = *(struct vfio_region_info *)arg;
    struct vfio_region_info_cap_type *type;
    SimCaps caps;

    if (d->mig.cfg.migration == SIM_MIGRATION_INFO_ERROR) {
        return -EIO;
    }
    info.flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
                 VFIO_REGION_INFO_FLAG_CAPS;
    if (d->mig.cfg.mmap_flag) {
        info.flags |= VFIO_REGION_INFO_FLAG_MMAP;
    }
    info.size = d->mig.cfg.migration == SIM_MIGRATION_ZERO_SIZE ?
                0 : d->mig.cfg.region_size;
    info.offset = (uint64_t)SIM_MIGRATION_REGION << SIM_REGION_SHIFT;
    info.cap_offset = 0;
    sim_caps_init(&caps, &info, sizeof(info));
    if (d->mig.cfg.sparse_cap) {
        add_sparse_cap(d, &caps);
    }
    type = sim_caps_add(&caps, VFIO_REGION_INFO_CAP_TYPE, 1, sizeof(*type));
    type->type = VFIO_REGION_TYPE_MIGRATION_DEPRECATED;
    type->subtype = VFIO_REGION_SUBTYPE_MIGRATION_DEPRECATED;
    sim_caps_finish(&caps, arg, info.argsz,
                    offsetof(struct vfio_region_info, cap_offset));
    return 0;
}

/* ------------------------------------------------------------------------ */
/* Host of the model                                                        */

int64_t sim_host_now_us(void)
{
    return g_get_monotonic_time();
}

void sim_host_sleep_until_us(int64_t deadline_us)
{
    int64_t left_us;

    while ((left_us = deadline_us - g_get_monotonic_time()) > 0) {
        struct timespec ts = {
            .tv_sec = left_us / G_USEC_PER_SEC,
            .tv_nsec = left_us % G_USEC_PER_SEC * 1000,
        };

        nanosleep(&ts, NULL);
    }
}

void *sim_host_alloc(size_t bytes)
{
    return g_malloc0(bytes);
}

void sim_host_free(void *memory)
{
    g_free(memory);
}

void sim_host_log(SimMig *m, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    sim_vlog(device_of(m)->cfg.name, fmt, ap);
    va_end(ap);
}

void sim_host_violation(SimMig *m, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    sim_vviolation(device_of(m), fmt, ap);
    va_end(ap);
}

bool sim_host_event(SimMig *m, SimEvent ev, uint32_t to, SimOutcome *out)
{
    return sim_call(device_of(m), ev, to, out);
}

void sim_host_stopped(SimMig *m)
{
    sim_dma_set_running(device_of(m), false);
    sim_dma_take_digest(device_of(m), &device_of(m)->dma.at_stop);
}

void sim_host_started(SimMig *m)
{
    sim_dma_take_digest(device_of(m), &device_of(m)->dma.at_start);
    sim_dma_set_running(device_of(m), true);
}

void sim_host_changed(SimMig *m)
{
    sim_status_write();
}

/* This device's registers are not part of its state. */
size_t sim_host_save_extra(SimMig *m, uint8_t *extra, size_t max)
{
    return 0;
}

bool sim_host_load_extra(SimMig *m, const uint8_t *extra, size_t len)
{
    return true;
}

/*
 * The bytes go through the kernel unless configured otherwise: a trapped access
 * costs a system call, as with a real device.
 */
ssize_t sim_host_move(SimMig *m, bool write, void *buf, size_t len,
                      uint64_t offset)
{
    off_t at = ((off_t)SIM_MIGRATION_REGION << SIM_REGION_SHIFT) + offset;
    int fd = device_of(m)->memfd;
    ssize_t n = len;

    if (m->cfg.trapped_by_memory) {
        memcpy(write ? m->window + offset : buf,
               write ? buf : m->window + offset, len);
        return n;
    }
    n = write ? sim_real_pwrite(fd, buf, len, at)
              : sim_real_pread(fd, buf, len, at);
    return n < 0 ? -errno : n;
}

/* ------------------------------------------------------------------------ */

int sim_migration_reset(SimDevice *d)
{
    g_mutex_lock(&d->mig_lock);
    sim_dma_set_running(d, false);
    sim_window_restore(d);
    sim_mig_reset(&d->mig);
    if (d->mig.cfg.v2.log_lost_on_reset) {
        sim_dma_log_lose(d, "reset");
    }
    sim_pci_reset(d);
    sim_dma_set_running(d, true);
    g_mutex_unlock(&d->mig_lock);
    sim_status_write();
    return 0;
}

ssize_t sim_migration_rw(SimDevice *d, bool write, void *buf, size_t len,
                         uint64_t offset)
{
    ssize_t ret;

    g_mutex_lock(&d->mig_lock);
    ret = sim_mig_rw(&d->mig, write, buf, len, offset);
    g_mutex_unlock(&d->mig_lock);
    return ret;
}
