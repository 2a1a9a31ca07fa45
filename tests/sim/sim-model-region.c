/*
 * Model of a migratable VFIO device: the registers of the migration region
 *
 * Owns: the v1 register protocol as the driver's side of the contract
 * (docs/contract.md): widths, order of accesses, device_state and its
 * arcs, trapped access to the data window. Everything that the client does
 * against the contract is recorded as a violation.
 * Does not own: what is in a chunk (sim-model-stream.c, sim-model-load.c).
 *
 * Locks: the host's, around each access, reset included, so a slow vendor
 * delays other accesses to this region but not config space.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "sim-model.h"

/* Initial content of a device with no loaded state */
static uint64_t initial_state(SimMig *m)
{
    return sim_mix(m->cfg.seed);
}

static void make_new(SimMig *m)
{
    sim_mig_set_state(m, m->cfg.reserved_bits | SIM_RUNNING);
    m->state_id = initial_state(m);
    m->loaded = false;
    memset(&m->save, 0, sizeof(m->save));
    memset(&m->load, 0, sizeof(m->load));
    sim_v2_end_session(m);
}

void sim_mig_init(SimMig *m)
{
    make_new(m);
    m->saved_id = m->loaded_id = 0;
    m->state_lost = false;
    m->v2.reinit_wanted = m->v2.set_failed = false;
}

void sim_mig_reset(SimMig *m)
{
    m->count.resets++;
    /*
     * A machine also resets its devices before it first runs: only a device
     * that was stopped, or is being migrated, loses its state.
     */
    if ((m->state & SIM_STATE_MASK) != SIM_RUNNING) {
        m->state_lost = true;
    }
    make_new(m);
}

bool sim_mig_migrating(SimEvent ev, uint32_t from, uint32_t to)
{
    return (from & SIM_STATE_MASK) != SIM_RUNNING ||
           (ev == SIM_EV_STATE_WRITE && (to & SIM_STATE_MASK) != SIM_RUNNING);
}

bool sim_mig_mappable(SimMig *m, uint64_t offset, uint64_t size)
{
    const SimMigConfig *c = &m->cfg;
    unsigned i;

    if (c->migration != SIM_MIGRATION_YES || !c->mmap_flag ||
        offset >= c->region_size || size > c->region_size - offset) {
        return false;
    }
    if (!c->sparse_cap) {
        return true;
    }
    /* A mapping must lie in one area; it must not span two adjacent ones. */
    for (i = 0; i < c->num_areas; i++) {
        const SimRange *r = &c->areas[i];

        if (offset >= r->offset && offset - r->offset < r->size_bytes &&
            size <= r->size_bytes - (offset - r->offset)) {
            return true;
        }
    }
    return false;
}

/* ------------------------------------------------------------------------ */
/* device_state                                                             */

static bool saving(uint32_t state)
{
    return (state & SIM_STATE_MASK) == SIM_PRE_COPY ||
           (state & SIM_STATE_MASK) == SIM_STOP_COPY;
}

void sim_mig_leave_running(SimMig *m)
{
    sim_host_stopped(m);
    /* Running has changed the state. */
    if (!sim_headless(m)) {
        m->state_id = sim_mix(m->state_id + 1);
    }
    m->loaded = false;
}

/* Returns true if the driver accepts the loaded state, or needs none. */
static bool finish_load(SimMig *m)
{
    char why[SIM_WHY_CHARS];

    if (sim_load_finish(m, why)) {
        return true;
    }
    m->count.incomplete++;
    sim_host_log(m, "incomplete %s", why);
    if (m->cfg.incomplete_is_error) {
        sim_mig_set_state(m, (m->state & ~SIM_STATE_MASK) | SIM_ERROR);
    }
    return false;
}

static int perform_arc(SimMig *m, uint32_t from, uint32_t to)
{
    if (from == to) {
        return 0;
    }
    if (from == SIM_RESUMING && !finish_load(m)) {
        return -EINVAL;
    }
    if ((from & SIM_RUNNING) && !(to & SIM_RUNNING)) {
        sim_mig_leave_running(m);
    }
    if (saving(to)) {
        if (!saving(from)) {
            sim_save_begin(m);
        }
        if (to == SIM_STOP_COPY) {
            sim_save_stop_phase(m);
        }
    } else if (saving(from)) {
        sim_save_end(m);
    }
    if (to == SIM_RESUMING) {
        sim_load_begin(m);
    }
    sim_mig_set_state(m, (m->state & ~SIM_STATE_MASK) | to);
    if ((to & SIM_RUNNING) && !(from & SIM_RUNNING)) {
        sim_host_started(m);
    }
    return 0;
}

static int check_state(SimMig *m, uint32_t value)
{
    uint32_t to = value & SIM_STATE_MASK, now = m->state;

    if ((value & ~SIM_STATE_MASK) != (now & ~SIM_STATE_MASK)) {
        sim_host_violation(m, "device_state write of 0x%x does not keep "
                           "reserved bits 0x%x", value,
                           now & ~SIM_STATE_MASK);
    }
    if (to > SIM_RESUMING) {
        sim_host_violation(m, "device_state write of the invalid state 0x%x",
                           value);
        return -EINVAL;
    }
    /* Only a reset leaves the error state. */
    if ((now & SIM_STATE_MASK) == SIM_ERROR) {
        return -EINVAL;
    }
    if (!m->cfg.arcs[now & SIM_STATE_MASK][to]) {
        m->count.refused++;
        return -(int)m->cfg.refuse_errno;
    }
    return 0;
}

static ssize_t state_write(SimMig *m, uint32_t value)
{
    uint32_t from = m->state & SIM_STATE_MASK, to = value & SIM_STATE_MASK;
    SimOutcome out;
    ssize_t ret;

    sim_host_event(m, SIM_EV_STATE_WRITE, value, &out);
    ret = out.err ? -out.err : check_state(m, value);
    if (!ret && !out.has_value) {
        ret = perform_arc(m, from, to);
    }
    sim_host_log(m, "state-write from=%s to=%s ret=%d now=%s",
                 sim_state_name(from), sim_state_name(to), (int)ret,
                 sim_state_name(m->state));
    sim_host_changed(m);
    if (!ret) {
        ret = out.has_short ? SIM_MIN(out.short_len, sizeof(value))
                            : sizeof(value);
    }
    return ret;
}

/* ------------------------------------------------------------------------ */
/* Registers                                                                */

static int read_register(SimMig *m, uint64_t reg, uint64_t *value)
{
    uint32_t state = m->state & SIM_STATE_MASK;

    if (reg == SIM_REG_STATE) {
        *value = m->state;
        return 0;
    }
    if (state == SIM_ERROR) {
        return -EIO;
    }
    switch (reg) {
    case SIM_REG_PENDING:
        *value = saving(state) ? sim_save_pending(m) : 0;
        return 0;
    case SIM_REG_DATA_OFFSET:
        if (saving(state)) {
            return sim_save_stage(m, value);
        }
        if (state == SIM_RESUMING) {
            *value = sim_load_offset(m);
            return 0;
        }
        sim_host_violation(m, "data_offset read in state %s",
                           sim_state_name(state));
        return -EINVAL;
    default:
        if (saving(state) && !m->save.staged) {
            sim_host_violation(m, "data_size read before data_offset");
            return -EINVAL;
        }
        m->save.size_read = true;
        *value = !saving(state) ? m->load.last_size :
                 m->cfg.hide_size ? 0 : m->save.chunk_size;
        return 0;
    }
}

static ssize_t register_read(SimMig *m, uint64_t reg, void *buf, size_t len)
{
    static const SimEvent events[] = {
        SIM_EV_STATE_READ, SIM_EV_PENDING_READ, SIM_EV_DATA_OFFSET_READ,
        SIM_EV_DATA_SIZE_READ,
    };
    SimEvent ev = events[reg / 8];
    SimOutcome out;
    uint64_t value = 0;
    uint32_t state;
    ssize_t ret;

    sim_host_event(m, ev, m->state, &out);
    ret = out.err ? -out.err : read_register(m, reg, &value);
    if (!ret) {
        if (out.has_value) {
            value = out.value;
            sim_chunk_lie(m, reg, value);
        }
        ret = out.has_short ? SIM_MIN(out.short_len, len) : len;
        state = value;
        memcpy(buf, reg == SIM_REG_STATE ? (void *)&state : &value, ret);
    }
    sim_host_log(m, "%s value=0x%llx ret=%zd", sim_event_names[ev],
                 (ull)value, ret);
    return ret;
}

static ssize_t size_write(SimMig *m, uint64_t size)
{
    SimOutcome out;
    ssize_t ret;

    sim_host_event(m, SIM_EV_DATA_SIZE_WRITE, m->state, &out);
    if (out.err || (m->state & SIM_STATE_MASK) == SIM_ERROR) {
        ret = -(out.err ? out.err : EIO);
    } else if ((m->state & SIM_STATE_MASK) != SIM_RESUMING) {
        sim_host_violation(m, "data_size write in state %s",
                           sim_state_name(m->state));
        ret = -EINVAL;
    } else {
        ret = sim_load_consume(m, size);
    }
    sim_host_log(m, "data-size-write value=%llu ret=%zd", (ull)size, ret);
    if (!ret) {
        ret = out.has_short ? SIM_MIN(out.short_len, sizeof(size))
                            : sizeof(size);
    }
    return ret;
}

static ssize_t register_write(SimMig *m, uint64_t reg, const void *buf)
{
    uint32_t state;
    uint64_t size;

    switch (reg) {
    case SIM_REG_STATE:
        memcpy(&state, buf, sizeof(state));
        return state_write(m, state);
    case SIM_REG_DATA_SIZE:
        memcpy(&size, buf, sizeof(size));
        return size_write(m, size);
    default:
        sim_host_violation(m, "write to the read-only register at 0x%llx",
                           (ull)reg);
        return -EINVAL;
    }
}

static ssize_t register_rw(SimMig *m, bool write, void *buf, size_t len,
                           uint64_t offset)
{
    size_t width = offset < SIM_REG_PENDING ? 4 : 8;

    if (len != width || offset % width) {
        sim_host_violation(m, "register %s of %zu bytes at 0x%llx",
                           write ? "write" : "read", len, (ull)offset);
        return -EINVAL;
    }
    if (offset == SIM_REG_RESERVED) {
        if (!write) {
            memset(buf, 0, len);
        }
        return len;
    }
    return write ? register_write(m, offset, buf)
                 : register_read(m, offset, buf, len);
}

/* ------------------------------------------------------------------------ */
/* The data window, trapped                                                 */

static ssize_t data_access(SimMig *m, bool write, void *buf, size_t len,
                           uint64_t offset, SimOutcome *out)
{
    ssize_t n;

    if (out->err || (m->state & SIM_STATE_MASK) == SIM_ERROR) {
        return -(out->err ? out->err : EIO);
    }
    if (m->cfg.max_access && len > m->cfg.max_access) {
        return -EINVAL;
    }
    if (out->has_short) {
        len = SIM_MIN(len, out->short_len);
    }
    if (!sim_in_chunk(m, write, offset, len)) {
        sim_host_violation(m, "data %s of %zu bytes at 0x%llx is outside of "
                           "the chunk", write ? "write" : "read", len,
                           (ull)offset);
        return -EINVAL;
    }
    n = sim_host_move(m, write, buf, len, offset);
    if (n < 0) {
        return n;
    }
    if (write) {
        m->load.chunk_trapped += n;
        m->load.chunk_calls++;
    } else {
        m->save.chunk_trapped += n;
        m->save.chunk_calls++;
    }
    m->count.trapped_bytes += n;
    m->count.trapped_calls++;
    return n;
}

static ssize_t data_rw(SimMig *m, bool write, void *buf, size_t len,
                       uint64_t offset)
{
    SimOutcome out;
    ssize_t ret;

    sim_host_event(m, write ? SIM_EV_DATA_WRITE : SIM_EV_DATA_READ, m->state,
                   &out);
    ret = data_access(m, write, buf, len, offset, &out);
    if (m->cfg.data_in_transcript || ret != (ssize_t)len) {
        sim_host_log(m, "%s offset=0x%llx size=%zu ret=%zd",
                     write ? "data-write" : "data-read", (ull)offset, len,
                     ret);
    }
    return ret;
}

/* After a fault gave a wrong offset or size, any access in the region is OK. */
static bool excused(SimMig *m, bool write, uint64_t offset, size_t len)
{
    return (write ? m->load.lied : m->save.lied) && offset >= SIM_REGS_SIZE &&
           offset < m->cfg.region_size && len <= m->cfg.region_size - offset;
}

ssize_t sim_mig_rw(SimMig *m, bool write, void *buf, size_t len,
                   uint64_t offset)
{
    uint64_t end = m->cfg.data_offset + m->cfg.window_size;

    if (offset < SIM_REGS_SIZE && len <= SIM_REGS_SIZE - offset) {
        return register_rw(m, write, buf, len, offset);
    }
    if (offset >= m->cfg.data_offset && offset < end && len <= end - offset) {
        return data_rw(m, write, buf, len, offset);
    }
    if (!excused(m, write, offset, len)) {
        sim_host_violation(m, "%s of %zu bytes at 0x%llx is neither registers "
                           "nor data window", write ? "write" : "read", len,
                           (ull)offset);
    }
    return -EINVAL;
}
