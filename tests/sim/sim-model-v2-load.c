/*
 * Model of a migratable VFIO device, protocol v2: loading a state
 *
 * Owns: the checks of the bytes written to a data fd (format:
 * sim-model-v2-save.c): every head and every word, in pieces of any size; and
 * whether the state is accepted when resuming is left.
 *
 * Locks: the host's, held by the caller.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "sim-model.h"

void sim_v2_load_begin(SimMig *m)
{
    m->v2.taken = m->v2.received = 0;
    m->v2.record_calls = 0;
    m->v2.dead = false;
    sim_load_begin(m);
}

/* ------------------------------------------------------------------------ */
/* Records                                                                  */

static bool take_head(SimMig *m)
{
    SimLoad *l = &m->load;
    SimStreamHead h;

    memcpy(&h, l->zone, sizeof(h));
    if (h.magic != (SIM_RECORD_MAGIC ^ m->cfg.v2.format) ||
        h.check != sim_head_check(&h)) {
        return sim_load_corrupt(m, "no record of this format starts at byte "
                                "%llu of the data",
                                (ull)(m->v2.taken - sizeof(h)));
    }
    if (h.extra_bytes > SIM_EXTRA_MAX || h.extra_bytes % 8 ||
        h.extra_bytes == 8 || h.total_bytes < sizeof(h) + h.extra_bytes) {
        return sim_load_corrupt(m, "a record of %llu bytes with a vendor "
                                "part of %u", (ull)h.total_bytes,
                                h.extra_bytes);
    }
    if (h.phase != SIM_PHASE_STOP && !m->cfg.v2.pre_copy) {
        return sim_load_corrupt(m, "a record of pre-copy, which this device "
                                "does not have");
    }
    if (h.precopy_acked != l->precopy_bytes) {
        return sim_load_corrupt(m, "a record that follows %llu bytes of "
                                "pre-copy after %llu",
                                (ull)h.precopy_acked,
                                (ull)l->precopy_bytes);
    }
    l->head_known = true;
    l->stop_phase = h.phase == SIM_PHASE_STOP;
    l->zone_bytes = sizeof(h) + h.extra_bytes;
    l->content_id = h.content_id;
    l->total_bytes = h.total_bytes;
    l->precopy_acked = l->precopy_offered = l->precopy_bytes;
    return true;
}

static bool record_ended(const SimMig *m)
{
    const SimLoad *l = &m->load;

    return l->head_known && l->position == l->total_bytes;
}

/* Called for the first byte after a record */
static bool next_record(SimMig *m)
{
    SimLoad *l = &m->load;

    if (l->stop_phase) {
        return sim_load_corrupt(m, "bytes behind the end of the state");
    }
    l->precopy_bytes += l->total_bytes;
    l->sequence++;
    l->head_known = false;
    l->zone_bytes = SIM_HEAD_BYTES;
    l->position = 0;
    m->v2.record_calls = 0;
    return true;
}

static void note_record(SimMig *m)
{
    SimLoad *l = &m->load;

    m->count.loaded_chunks++;
    sim_host_log(m, "record-loaded phase=%s seq=%llu size=%llu calls=%u",
                 l->stop_phase ? "stop-copy" : "pre-copy", (ull)l->sequence,
                 (ull)l->total_bytes, m->v2.record_calls);
}

/* Take bytes of the head or of the vendor's part after it. */
static uint64_t take_zone(SimMig *m, const uint8_t *buf, uint64_t len,
                          bool *good)
{
    SimLoad *l = &m->load;
    uint64_t n = SIM_MIN(len, l->zone_bytes - l->position);

    memcpy(l->zone + l->position, buf, n);
    l->position += n;
    m->v2.taken += n;
    if (l->position == l->zone_bytes) {
        *good = l->head_known ? sim_load_take_extra(m) : take_head(m);
    }
    return n;
}

static uint64_t take_words(SimMig *m, const uint8_t *buf, uint64_t len,
                           bool *good)
{
    SimLoad *l = &m->load;
    uint64_t n = SIM_MIN(len, l->total_bytes - l->position);

    *good = sim_load_check_range(m, buf, 0, n);
    l->position += n;
    m->v2.taken += n;
    return n;
}

/* Returns false once something is wrong; the rest is then ignored. */
static bool take(SimMig *m, const uint8_t *buf, uint64_t len)
{
    SimLoad *l = &m->load;
    bool good = true;
    uint64_t n;

    if (sim_headless(m) && !l->head_known) {
        l->head_known = true;
        l->zone_bytes = 0;
        l->total_bytes = m->cfg.state_size;
    }
    while (good && len) {
        if (record_ended(m) && !next_record(m)) {
            return false;
        }
        n = l->position < l->zone_bytes ? take_zone(m, buf, len, &good)
                                        : take_words(m, buf, len, &good);
        if (good && record_ended(m)) {
            note_record(m);
        }
        buf += n;
        len -= n;
    }
    return good;
}

/* ------------------------------------------------------------------------ */
/* Writing                                                                  */

static ssize_t refuse(SimMig *m, uint64_t err)
{
    m->v2.dead = true;
    return -(ssize_t)err;
}

static ssize_t write_some(SimMig *m, const uint8_t *buf, size_t len)
{
    const SimV2Config *c = &m->cfg.v2;
    int64_t start_us = sim_host_now_us();
    bool good = false;

    if (c->load_max && len > c->load_max - m->v2.received) {
        sim_host_log(m, "load-max of=%llu", (ull)c->load_max);
        return refuse(m, c->load_max_errno);
    }
    m->load.any_data = true;
    m->v2.record_calls++;
    if (!m->load.broken) {
        good = take(m, buf, len);
    }
    m->v2.received += len;
    m->count.loaded_bytes += len;
    if (!m->load.stop_phase) {
        m->count.loaded_precopy_bytes += len;
    }
    sim_pace(m, start_us, len, m->cfg.load_rate);
    return good || c->data_check != SIM_CHECK_AT_WRITE
           ? (ssize_t)len : refuse(m, c->data_errno);
}

static ssize_t do_write(SimMig *m, uint64_t generation, const void *buf,
                        size_t len, const SimOutcome *out)
{
    if (out->err) {
        return -out->err;
    }
    if (m->v2.session != SIM_SESSION_LOAD || m->state == SIM_ERROR ||
        m->v2.generation != generation) {
        return -ENODEV;
    }
    if (m->v2.dead) {
        return -EIO;
    }
    if (m->cfg.v2.max_write) {
        len = SIM_MIN(len, m->cfg.v2.max_write);
    }
    if (out->has_short) {
        len = SIM_MIN(len, out->short_len);
    }
    return len ? write_some(m, buf, len) : 0;
}

ssize_t sim_v2_write(SimMig *m, uint64_t generation, const void *buf,
                     size_t len)
{
    SimOutcome out;
    ssize_t ret;

    sim_host_event(m, SIM_EV_DATA_WRITE, m->state, &out);
    ret = do_write(m, generation, buf, len, &out);
    if (m->cfg.data_in_transcript || ret <= 0) {
        sim_host_log(m, "data-write size=%zu ret=%zd", len, ret);
    }
    return ret;
}

/* ------------------------------------------------------------------------ */
/* The verdict                                                              */

/* Accept an incomplete state, which differs from the one that was sent. */
static void take_as_it_is(SimMig *m)
{
    m->load.active = false;
    m->loaded = m->load.any_data;
    m->state_id = sim_mix(m->state_id ^ m->v2.taken);
    sim_host_log(m, "load-end session=%llu taken=%llu",
                 (ull)m->count.load_sessions, (ull)m->v2.taken);
}

bool sim_v2_load_end(SimMig *m)
{
    const SimV2Config *c = &m->cfg.v2;
    char why[SIM_WHY_CHARS];

    if (sim_load_finish(m, why)) {
        return true;
    }
    m->count.incomplete++;
    sim_host_log(m, "incomplete %s", why);
    if (!m->v2.dead && (m->load.broken ? c->data_check == SIM_CHECK_NEVER
                                       : c->takes_incomplete)) {
        take_as_it_is(m);
        return true;
    }
    if (m->cfg.incomplete_is_error) {
        sim_mig_set_state(m, SIM_ERROR);
    }
    return false;
}
