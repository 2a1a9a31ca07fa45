/*
 * Simulated VFIO devices: the registers of the migration region
 *
 * Owns: the v1 register protocol as the driver's side of the contract
 * (requirements 1.1-1.7): widths, order of accesses, device_state and its
 * arcs, trapped access to the data window. Whatever the client does that
 * the contract forbids is recorded as a violation.
 * Does not own: what is in a chunk (sim-chunk.c).
 *
 * Locks: SimDevice.mig_lock around each access, reset included, so a slow
 * vendor delays other accesses to this region but not config space.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sim-internal.h"

typedef unsigned long long ull;

/* Virgin content of a device that nobody loaded. */
static uint64_t initial_state(SimDevice *d)
{
    return sim_mix(d->cfg.seed);
}

void sim_migration_init(SimDevice *d)
{
    d->state = d->cfg.reserved_bits | SIM_RUNNING;
    d->state_id = initial_state(d);
    d->saved_id = d->loaded_id = 0;
    d->state_lost = false;
    d->loaded = false;
    memset(&d->save, 0, sizeof(d->save));
    memset(&d->load, 0, sizeof(d->load));
}

/* ------------------------------------------------------------------------ */
/* Region information                                                       */

static void add_sparse_cap(SimDevice *d, SimCaps *caps)
{
    GArray *areas = d->cfg.areas;
    struct vfio_region_info_cap_sparse_mmap *cap;

    cap = sim_caps_add(caps, VFIO_REGION_INFO_CAP_SPARSE_MMAP, 1,
                       sizeof(*cap) + areas->len * sizeof(cap->areas[0]));
    cap->nr_areas = areas->len;
    for (unsigned i = 0; i < areas->len; i++) {
        SimRange *r = &g_array_index(areas, SimRange, i);

        cap->areas[i].offset = r->offset;
        cap->areas[i].size = r->size_bytes;
    }
}

int sim_migration_region_info(SimDevice *d, void *arg)
{
    struct vfio_region_info info = *(struct vfio_region_info *)arg;
    struct vfio_region_info_cap_type *type;
    SimCaps caps;

    if (d->cfg.migration == SIM_MIGRATION_INFO_ERROR) {
        return -EIO;
    }
    info.flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
                 VFIO_REGION_INFO_FLAG_CAPS;
    if (d->cfg.mmap_flag) {
        info.flags |= VFIO_REGION_INFO_FLAG_MMAP;
    }
    info.size = d->cfg.migration == SIM_MIGRATION_ZERO_SIZE ?
                0 : d->cfg.region_size;
    info.offset = (uint64_t)SIM_MIGRATION_REGION << SIM_REGION_SHIFT;
    info.cap_offset = 0;
    sim_caps_init(&caps, &info, sizeof(info));
    if (d->cfg.sparse_cap) {
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
/* device_state                                                             */

static bool saving(uint32_t state)
{
    return (state & SIM_STATE_MASK) == SIM_PRE_COPY ||
           (state & SIM_STATE_MASK) == SIM_STOP_COPY;
}

static void leave_running(SimDevice *d)
{
    sim_dma_stop(d);
    sim_dma_digest_at_stop(d);
    /* What ran has changed: its state is now another one than before. */
    if (d->cfg.state_size >= sizeof(d->load.head)) {
        d->state_id = sim_mix(d->state_id + 1);
    }
    d->loaded = false;
}

/* True when the driver took the state that it was given, or needs none. */
static bool finish_load(SimDevice *d)
{
    g_autofree char *why = NULL;

    if (sim_load_finish(d, &why)) {
        return true;
    }
    d->count.incomplete++;
    sim_log(d->cfg.name, "incomplete %s", why);
    if (d->cfg.incomplete_is_error) {
        d->state = (d->state & ~SIM_STATE_MASK) | SIM_ERROR;
    }
    return false;
}

static int perform_arc(SimDevice *d, uint32_t from, uint32_t to)
{
    if (from == to) {
        return 0;
    }
    if (from == SIM_RESUMING && !finish_load(d)) {
        return -EINVAL;
    }
    if ((from & SIM_RUNNING) && !(to & SIM_RUNNING)) {
        leave_running(d);
    }
    if (saving(to)) {
        if (!saving(from)) {
            sim_save_begin(d);
        }
        if (to == SIM_STOP_COPY) {
            sim_save_stop_phase(d);
        }
    } else if (saving(from)) {
        sim_save_end(d);
    }
    if (to == SIM_RESUMING) {
        sim_load_begin(d);
    }
    d->state = (d->state & ~SIM_STATE_MASK) | to;
    if ((to & SIM_RUNNING) && !(from & SIM_RUNNING)) {
        sim_dma_digest_at_start(d);
        sim_dma_start(d);
    }
    return 0;
}

static int check_state(SimDevice *d, uint32_t value)
{
    uint32_t to = value & SIM_STATE_MASK, now = d->state;

    if ((value & ~SIM_STATE_MASK) != (now & ~SIM_STATE_MASK)) {
        sim_violation(d, "device_state write of 0x%x does not keep reserved "
                      "bits 0x%x (U-2)", value, now & ~SIM_STATE_MASK);
    }
    if (to > SIM_RESUMING) {
        sim_violation(d, "device_state write of the invalid state 0x%x",
                      value);
        return -EINVAL;
    }
    /* Only a reset leads out of the error state. */
    if ((now & SIM_STATE_MASK) == SIM_ERROR) {
        return -EINVAL;
    }
    if (!d->cfg.arcs[now & SIM_STATE_MASK][to]) {
        d->count.refused++;
        return -d->cfg.refuse_errno;
    }
    return 0;
}

static ssize_t state_write(SimDevice *d, uint32_t value)
{
    uint32_t from = d->state & SIM_STATE_MASK, to = value & SIM_STATE_MASK;
    SimOutcome out;
    ssize_t ret;

    sim_call(d, SIM_EV_STATE_WRITE, value, &out);
    ret = out.err ? -out.err : check_state(d, value);
    if (!ret) {
        ret = perform_arc(d, from, to);
    }
    sim_log(d->cfg.name, "state-write from=%s to=%s ret=%d now=%s",
            sim_state_name(from), sim_state_name(to), (int)ret,
            sim_state_name(d->state));
    sim_status_write();
    if (!ret) {
        ret = out.has_short ? MIN(out.short_len, sizeof(value))
                            : sizeof(value);
    }
    return ret;
}

int sim_migration_reset(SimDevice *d)
{
    g_mutex_lock(&d->mig_lock);
    sim_dma_stop(d);
    d->count.resets++;
    /*
     * A machine resets its devices before it first runs, too: only a device
     * that was stopped, or in a migration, loses something by it.
     */
    if ((d->state & SIM_STATE_MASK) != SIM_RUNNING) {
        d->state_lost = true;
    }
    d->state = d->cfg.reserved_bits | SIM_RUNNING;
    d->state_id = initial_state(d);
    d->loaded = false;
    memset(&d->save, 0, sizeof(d->save));
    memset(&d->load, 0, sizeof(d->load));
    sim_pci_reset(d);
    sim_dma_start(d);
    g_mutex_unlock(&d->mig_lock);
    sim_status_write();
    return 0;
}

/* ------------------------------------------------------------------------ */
/* Registers                                                                */

static int read_register(SimDevice *d, uint64_t reg, uint64_t *value)
{
    uint32_t state = d->state & SIM_STATE_MASK;

    if (reg == SIM_REG_STATE) {
        *value = d->state;
        return 0;
    }
    if (state == SIM_ERROR) {
        return -EIO;
    }
    switch (reg) {
    case SIM_REG_PENDING:
        *value = saving(state) ? sim_save_pending(d) : 0;
        return 0;
    case SIM_REG_DATA_OFFSET:
        if (saving(state)) {
            return sim_save_stage(d, value);
        }
        if (state == SIM_RESUMING) {
            *value = sim_load_offset(d);
            return 0;
        }
        sim_violation(d, "data_offset read in state %s",
                      sim_state_name(state));
        return -EINVAL;
    default:
        if (saving(state) && !d->save.staged) {
            sim_violation(d, "data_size read before data_offset (U-14)");
            return -EINVAL;
        }
        d->save.size_read = true;
        *value = saving(state) ? d->save.chunk_size : d->load.last_size;
        return 0;
    }
}

static SimEvent read_event(uint64_t reg)
{
    switch (reg) {
    case SIM_REG_STATE:
        return SIM_EV_STATE_READ;
    case SIM_REG_PENDING:
        return SIM_EV_PENDING_READ;
    case SIM_REG_DATA_OFFSET:
        return SIM_EV_DATA_OFFSET_READ;
    default:
        return SIM_EV_DATA_SIZE_READ;
    }
}

static ssize_t register_read(SimDevice *d, uint64_t reg, void *buf,
                             size_t len)
{
    SimEvent ev = read_event(reg);
    SimOutcome out;
    uint64_t value = 0;
    ssize_t ret;

    sim_call(d, ev, d->state, &out);
    ret = out.err ? -out.err : read_register(d, reg, &value);
    if (!ret) {
        if (out.has_value) {
            value = out.value;
            sim_chunk_lie(d, reg, value);
        }
        ret = out.has_short ? MIN(out.short_len, len) : len;
        memcpy(buf, &value, ret);
    }
    sim_log(d->cfg.name, "%s value=0x%llx ret=%zd", sim_event_name(ev),
            (ull)value, ret);
    return ret;
}

static ssize_t size_write(SimDevice *d, uint64_t size)
{
    SimOutcome out;
    ssize_t ret;

    sim_call(d, SIM_EV_DATA_SIZE_WRITE, d->state, &out);
    if (out.err || (d->state & SIM_STATE_MASK) == SIM_ERROR) {
        ret = -(out.err ? out.err : EIO);
    } else if ((d->state & SIM_STATE_MASK) != SIM_RESUMING) {
        sim_violation(d, "data_size write in state %s",
                      sim_state_name(d->state));
        ret = -EINVAL;
    } else {
        ret = sim_load_consume(d, size);
    }
    sim_log(d->cfg.name, "data-size-write value=%llu ret=%zd", (ull)size,
            ret);
    if (!ret) {
        ret = out.has_short ? MIN(out.short_len, sizeof(size))
                            : sizeof(size);
    }
    return ret;
}

static ssize_t register_write(SimDevice *d, uint64_t reg, const void *buf)
{
    uint32_t state;
    uint64_t size;

    switch (reg) {
    case SIM_REG_STATE:
        memcpy(&state, buf, sizeof(state));
        return state_write(d, state);
    case SIM_REG_DATA_SIZE:
        memcpy(&size, buf, sizeof(size));
        return size_write(d, size);
    default:
        sim_violation(d, "write to the read-only register at 0x%llx",
                      (ull)reg);
        return -EINVAL;
    }
}

static ssize_t register_rw(SimDevice *d, bool write, void *buf, size_t len,
                           uint64_t offset)
{
    size_t width = offset < SIM_REG_PENDING ? 4 : 8;

    if (len != width || offset % width) {
        sim_violation(d, "register %s of %zu bytes at 0x%llx (U-1)",
                      write ? "write" : "read", len, (ull)offset);
        return -EINVAL;
    }
    if (offset == SIM_REG_RESERVED) {
        if (!write) {
            memset(buf, 0, len);
        }
        return len;
    }
    return write ? register_write(d, offset, buf)
                 : register_read(d, offset, buf, len);
}

/* ------------------------------------------------------------------------ */
/* The data window, trapped                                                 */

/*
 * The bytes go through the kernel unless the configuration wants it quick:
 * a trapped access costs a system call, here as with a real device.
 */
static ssize_t move_bytes(SimDevice *d, bool write, void *buf, size_t len,
                          uint64_t offset)
{
    off_t at = ((off_t)SIM_MIGRATION_REGION << SIM_REGION_SHIFT) + offset;
    ssize_t n = len;

    if (d->cfg.trapped_by_memory) {
        memcpy(write ? d->window + offset : buf,
               write ? buf : d->window + offset, len);
        return n;
    }
    n = write ? syscall(SYS_pwrite64, d->memfd, buf, len, at)
              : syscall(SYS_pread64, d->memfd, buf, len, at);
    return n < 0 ? -errno : n;
}

static ssize_t data_access(SimDevice *d, bool write, void *buf, size_t len,
                           uint64_t offset, SimOutcome *out)
{
    ssize_t n;

    if (out->err || (d->state & SIM_STATE_MASK) == SIM_ERROR) {
        return -(out->err ? out->err : EIO);
    }
    if (d->cfg.max_access && len > d->cfg.max_access) {
        return -EINVAL;
    }
    if (out->has_short) {
        len = MIN(len, out->short_len);
    }
    if (!sim_in_chunk(d, write, offset, len)) {
        sim_violation(d, "data %s of %zu bytes at 0x%llx is outside of the "
                      "chunk", write ? "write" : "read", len, (ull)offset);
        return -EINVAL;
    }
    n = move_bytes(d, write, buf, len, offset);
    if (n < 0) {
        return n;
    }
    if (write) {
        d->load.chunk_trapped += n;
        d->load.chunk_calls++;
    } else {
        d->save.chunk_trapped += n;
        d->save.chunk_calls++;
    }
    d->count.trapped_bytes += n;
    d->count.trapped_calls++;
    return n;
}

static ssize_t data_rw(SimDevice *d, bool write, void *buf, size_t len,
                       uint64_t offset)
{
    SimOutcome out;
    ssize_t ret;

    sim_call(d, write ? SIM_EV_DATA_WRITE : SIM_EV_DATA_READ, d->state,
             &out);
    ret = data_access(d, write, buf, len, offset, &out);
    if (d->cfg.data_in_transcript || ret != (ssize_t)len) {
        sim_log(d->cfg.name, "%s offset=0x%llx size=%zu ret=%zd",
                write ? "data-write" : "data-read", (ull)offset, len, ret);
    }
    return ret;
}

ssize_t sim_migration_rw(SimDevice *d, bool write, void *buf, size_t len,
                         uint64_t offset)
{
    uint64_t end = d->cfg.data_offset + d->cfg.window_size;
    ssize_t ret;

    g_mutex_lock(&d->mig_lock);
    if (offset < SIM_REGS_SIZE && len <= SIM_REGS_SIZE - offset) {
        ret = register_rw(d, write, buf, len, offset);
    } else if (offset >= d->cfg.data_offset && offset < end &&
               len <= end - offset) {
        ret = data_rw(d, write, buf, len, offset);
    } else {
        sim_violation(d, "%s of %zu bytes at 0x%llx is neither registers "
                      "nor data window", write ? "write" : "read", len,
                      (ull)offset);
        ret = -EINVAL;
    }
    g_mutex_unlock(&d->mig_lock);
    return ret;
}
