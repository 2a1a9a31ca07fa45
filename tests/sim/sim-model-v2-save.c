/*
 * Model of a migratable VFIO device, protocol v2: saving its state
 *
 * Owns: the data read from a data fd. The format: consecutive records, each
 * with the head of sim-model.h (64 bytes), the vendor's part if it is the last
 * one, and words of sim-model-content.c. In pre-copy the first record has the
 * initial data, and each later one what has changed since. The last record is
 * that of the stopped device; a pre-copy record that was not read to its end
 * is completed first. The format does not depend on the size of the reads. A
 * state of less than 64 bytes is one record without a head.
 *
 * Locks: the host's, held by the caller.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "sim-model.h"

/* ------------------------------------------------------------------------ */
/* Records                                                                  */

static void begin_record(SimMig *m, bool final, uint64_t bytes)
{
    SimSave *s = &m->save;

    s->stop_phase = final;
    s->total_bytes = bytes;
    s->position = 0;
    s->extra_bytes = 0;
    s->content_id = final ? m->state_id
                          : sim_mix(m->state_id ^ s->session ^
                                    s->precopy_offered << 20);
    if (final && !sim_headless(m)) {
        sim_save_take_extra(m);
    }
    m->v2.record_open = true;
    m->v2.record_calls = 0;
    m->v2.final_begun |= final;
    sim_host_log(m, "record-begin phase=%s seq=%llu size=%llu",
                 final ? "stop-copy" : "pre-copy", (ull)s->sequence,
                 (ull)bytes);
}

/* All pending data becomes one record, which has room for its head. */
static void begin_precopy_record(SimMig *m)
{
    uint64_t bytes = m->save.precopy_pending;

    m->save.precopy_pending = 0;
    begin_record(m, false, bytes < SIM_HEAD_BYTES ? SIM_HEAD_BYTES : bytes);
}

static void end_record(SimMig *m)
{
    SimSave *s = &m->save;

    sim_host_log(m, "record-done phase=%s seq=%llu size=%llu calls=%u",
                 s->stop_phase ? "stop-copy" : "pre-copy", (ull)s->sequence,
                 (ull)s->total_bytes, m->v2.record_calls);
    m->v2.record_open = false;
    m->count.saved_chunks++;
    s->sequence++;
    if (s->stop_phase) {
        m->saved_id = m->state_id;
        sim_host_changed(m);
    } else {
        s->precopy_offered += s->total_bytes;
    }
}

void sim_v2_save_begin(SimMig *m, bool pre_copy)
{
    SimV2 *v2 = &m->v2;

    sim_save_begin(m);
    v2->record_open = v2->final_begun = v2->end_told = v2->reinit_due = false;
    v2->initial_left = 0;
    v2->reinits = 0;
    v2->info_us = sim_host_now_us();
    if (!pre_copy) {
        m->save.precopy_pending = 0;
    } else if (m->save.precopy_pending) {
        v2->initial_left = m->cfg.v2.initial_bytes;
        begin_precopy_record(m);
    }
}

void sim_v2_save_end(SimMig *m)
{
    SimSave *s = &m->save;
    bool whole = m->v2.final_begun && !m->v2.record_open;

    if (m->state == SIM_STOP_COPY && !whole) {
        m->count.unfinished_saves++;
    }
    sim_host_log(m, "save-end session=%llu sent=%llu of=%llu",
                 (ull)s->session, m->v2.final_begun ? (ull)s->position : 0,
                 (ull)m->cfg.state_size);
    s->active = false;
    m->v2.record_open = false;
}

uint64_t sim_v2_unread(const SimMig *m)
{
    return m->v2.record_open ? m->save.total_bytes - m->save.position : 0;
}

/* ------------------------------------------------------------------------ */
/* The next record in pre-copy                                              */

/*
 * A driver may declare its data to be initial data again, if the client has
 * opted in to that.
 */
static void maybe_reinit(SimMig *m)
{
    SimV2 *v2 = &m->v2;

    if (v2->reinit_wanted && v2->reinits < m->cfg.v2.reinits) {
        v2->reinits++;
        v2->initial_left = m->save.total_bytes;
        v2->reinit_due = true;
    }
}

/* Begin a record of changed data. Returns false if there is none now. */
static bool next_precopy_record(SimMig *m)
{
    if (!m->save.precopy_pending) {
        return false;
    }
    begin_precopy_record(m);
    maybe_reinit(m);
    return true;
}

static bool info_may_begin(SimMig *m)
{
    int64_t now_us = sim_host_now_us();

    if (now_us - m->v2.info_us <
        (int64_t)m->cfg.v2.info_interval_ms * 1000) {
        return false;
    }
    m->v2.info_us = now_us;
    return true;
}

static void fill_info(SimMig *m, SimPrecopyInfo *info)
{
    SimV2 *v2 = &m->v2;

    sim_save_redirty(m);
    if (!v2->record_open && m->cfg.v2.next_by_info && info_may_begin(m)) {
        next_precopy_record(m);
    }
    info->initial_bytes = v2->initial_left;
    info->dirty_bytes = sim_v2_unread(m) - v2->initial_left +
                        m->save.precopy_pending;
    info->reinit = v2->reinit_due;
    v2->reinit_due = false;
}

int sim_v2_precopy_info(SimMig *m, uint64_t generation,
                        SimPrecopyInfo *info)
{
    SimOutcome out;
    int ret;

    memset(info, 0, sizeof(*info));
    sim_host_event(m, SIM_EV_PRECOPY_INFO, m->state, &out);
    ret = -out.err;
    if (!ret && (m->v2.session != SIM_SESSION_SAVE || m->state == SIM_ERROR ||
                 m->v2.generation != generation)) {
        ret = -ENODEV;
    }
    if (!ret && !(m->state & SIM_RUNNING)) {
        sim_host_violation(m, "PRECOPY_INFO in state %s",
                           sim_mig_state_name(m, m->state));
        ret = -EINVAL;
    }
    if (!ret) {
        fill_info(m, info);
    }
    if (!ret && out.has_value) {
        info->initial_bytes = info->dirty_bytes = out.value;
    }
    sim_host_log(m, "precopy-info initial=%llu dirty=%llu reinit=%d ret=%d",
                 (ull)info->initial_bytes, (ull)info->dirty_bytes,
                 info->reinit, ret);
    return ret;
}

/* ------------------------------------------------------------------------ */
/* Reading                                                                  */

static void put_bytes(SimMig *m, uint8_t *buf, uint64_t len)
{
    SimSave *s = &m->save;
    uint64_t zone = sim_headless(m) ? 0 : SIM_HEAD_BYTES + s->extra_bytes;
    uint64_t n = 0;

    if (s->position < zone) {
        n = SIM_MIN(len, zone - s->position);
        sim_put_zone(m, SIM_RECORD_MAGIC ^ m->cfg.v2.format,
                     s->precopy_offered, buf, n);
    }
    sim_content_fill(s->content_id, s->position + n, buf + n, len - n);
}

/* Result of a read if there is nothing to read */
static ssize_t none_left(SimMig *m)
{
    if (m->state != SIM_STOP_COPY) {
        return m->cfg.v2.empty_is_zero ? 0 : -ENOMSG;
    }
    if (!m->cfg.state_size) {
        m->v2.final_begun = true;
        m->saved_id = m->state_id;
    }
    if (m->v2.end_told) {
        sim_host_violation(m, "read after the end of the data");
    }
    m->v2.end_told = true;
    return m->cfg.v2.end_is_enomsg ? -ENOMSG : 0;
}

/* Begin the record after one that was read. Returns false if there is none. */
static bool next_record(SimMig *m)
{
    if (m->state != SIM_STOP_COPY) {
        sim_save_redirty(m);
        return !m->cfg.v2.next_by_info && next_precopy_record(m);
    }
    if (m->v2.final_begun || !m->cfg.state_size) {
        return false;
    }
    begin_record(m, true, m->cfg.state_size);
    return true;
}

static ssize_t read_some(SimMig *m, uint8_t *buf, size_t len)
{
    SimSave *s = &m->save;
    int64_t start_us = sim_host_now_us();
    uint64_t n;

    if (!m->v2.record_open && !next_record(m)) {
        return none_left(m);
    }
    n = SIM_MIN(len, s->total_bytes - s->position);
    put_bytes(m, buf, n);
    s->position += n;
    m->v2.record_calls++;
    m->v2.initial_left -= SIM_MIN(n, m->v2.initial_left);
    m->count.saved_bytes += n;
    if (!s->stop_phase) {
        m->count.saved_precopy_bytes += n;
    }
    if (s->position == s->total_bytes) {
        end_record(m);
    }
    sim_pace(m, start_us, n, m->cfg.save_rate);
    return n;
}

static ssize_t do_read(SimMig *m, uint64_t generation, void *buf, size_t len,
                       const SimOutcome *out)
{
    if (out->err) {
        return -out->err;
    }
    if (m->v2.session != SIM_SESSION_SAVE || m->state == SIM_ERROR ||
        m->v2.generation != generation) {
        return -ENODEV;
    }
    if (m->cfg.v2.max_read) {
        len = SIM_MIN(len, m->cfg.v2.max_read);
    }
    if (out->has_short) {
        len = SIM_MIN(len, out->short_len);
    }
    return len ? read_some(m, buf, len) : 0;
}

ssize_t sim_v2_read(SimMig *m, uint64_t generation, void *buf, size_t len)
{
    SimOutcome out;
    ssize_t ret;

    sim_host_event(m, SIM_EV_DATA_READ, m->state, &out);
    ret = do_read(m, generation, buf, len, &out);
    if (m->cfg.data_in_transcript || ret <= 0) {
        sim_host_log(m, "data-read size=%zu ret=%zd", len, ret);
    }
    return ret;
}
