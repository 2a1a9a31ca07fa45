/*
 * Model of a migratable VFIO device: saving its state
 *
 * Owns: the chunks that a save session provides. The format:
 *
 * - Each phase (pre-copy, stop-and-copy) is a separate stream of bytes, with
 *   the words of sim-model-content.c for the stream's content id.
 * - The first 64 bytes of a stream are its head: content id, length, and the
 *   number of pre-copy bytes before it. A stop-and-copy stream of less than 64
 *   bytes has none; both sides then use the size and the seed of their
 *   configuration.
 * - The head of a stop-and-copy stream may be followed by the vendor's part
 *   (registers), if the state has room for it; it ends with a checksum.
 * - Each chunk with room for it has a 32-byte chunk head at its start (but
 *   never inside the stream's head): sequence number, length, and a checksum
 *   that includes the position. So the reader can check that it got the chunk
 *   unchanged.
 *
 * Locks: the host's, held by the caller.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "sim-model.h"

uint64_t sim_head_check(const SimStreamHead *h)
{
    uint64_t sum = h->magic;

    sum = sim_mix(sum ^ h->phase ^ (uint64_t)h->extra_bytes << 32);
    sum = sim_mix(sum ^ h->content_id);
    sum = sim_mix(sum ^ h->total_bytes);
    sum = sim_mix(sum ^ h->precopy_acked);
    sum = sim_mix(sum ^ h->precopy_offered);
    return sim_mix(sum ^ h->session);
}

uint64_t sim_chunk_check(uint64_t id, uint64_t position,
                         const SimChunkHead *h)
{
    return sim_mix(sim_mix(sim_mix(id ^ position) ^ h->sequence) ^
                   h->size_bytes);
}

uint64_t sim_extra_check(uint64_t id, const uint8_t *extra, size_t bytes)
{
    return sim_words_digest(sim_mix(id + bytes), extra, bytes);
}

bool sim_headless(SimMig *m)
{
    return m->cfg.state_size < SIM_HEAD_BYTES;
}

bool sim_chunk_head_at(SimMig *m, uint64_t position, uint64_t size,
                       size_t zone_bytes, uint64_t *at)
{
    *at = position < zone_bytes ? zone_bytes - position : 0;
    return !sim_headless(m) && *at <= size &&
           size - *at >= sizeof(SimChunkHead);
}

/*
 * The overrun of one sleep is subtracted from the next, to keep the rate; but
 * at most half of it: even after its machine was busy, no device is as fast as
 * memory.
 */
void sim_pace(SimMig *m, int64_t start_us, uint64_t bytes, uint64_t rate)
{
    int64_t takes_us, end_us, late_us;

    if (rate) {
        takes_us = sim_muldiv(bytes, 1000000, rate);
        end_us = start_us + takes_us - m->late_us;
        sim_host_sleep_until_us(end_us);
        late_us = sim_host_now_us() - end_us;
        m->late_us = late_us < takes_us / 2 ? late_us : takes_us / 2;
    }
}

static uint64_t content_of_phase(SimMig *m, bool stop)
{
    /* sim-model-region.c keeps state_id at sim_mix(seed) for tiny states. */
    return stop || sim_headless(m) ? m->state_id
                                   : sim_mix(m->state_id ^ m->save.session);
}

void sim_save_begin(SimMig *m)
{
    SimSave *s = &m->save;

    memset(s, 0, sizeof(*s));
    s->active = true;
    s->session = ++m->count.save_sessions;
    s->content_id = content_of_phase(m, false);
    s->precopy_pending = m->cfg.precopy_size;
    s->precopy_seen_us = sim_host_now_us();
    sim_host_log(m, "save-begin session=%llu", (ull)s->session);
}

void sim_count_mapped(SimMig *m, uint64_t size, uint64_t trapped)
{
    if (trapped < size) {
        m->count.mapped_bytes += size - trapped;
    }
}

/* The client has acknowledged the chunk or, if not @acked, abandoned it. */
static void chunk_done(SimMig *m, bool acked)
{
    SimSave *s = &m->save;

    sim_host_log(m, "chunk-%s phase=%s seq=%llu offset=0x%llx "
                 "size=%llu trapped=%llu calls=%u",
                 acked ? "done" : "unacked",
                 s->stop_phase ? "stop-copy" : "pre-copy", (ull)s->sequence,
                 (ull)s->chunk_offset, (ull)s->chunk_size,
                 (ull)s->chunk_trapped, s->chunk_calls);
    m->count.saved_chunks++;
    m->count.saved_bytes += s->chunk_size;
    sim_count_mapped(m, s->chunk_size, s->chunk_trapped);
    s->position += s->chunk_size;
    s->sequence += s->chunk_size != 0;
    if (!s->stop_phase) {
        m->count.saved_precopy_bytes += s->chunk_size;
        s->precopy_pending -= SIM_MIN(s->precopy_pending, s->chunk_size);
        s->precopy_offered += s->chunk_size;
        if (acked) {
            s->precopy_acked += s->chunk_size;
        }
    }
    s->staged = s->size_read = s->armed = s->lied = false;
    s->chunk_size = 0;
}

/* The vendor's part of the state, if it has one and the state has room. */
void sim_save_take_extra(SimMig *m)
{
    SimSave *s = &m->save;
    uint64_t check;
    size_t n;

    s->extra_bytes = 0;
    n = sim_host_save_extra(m, s->extra, sizeof(s->extra) - sizeof(check));
    if (!n || s->total_bytes < SIM_HEAD_BYTES + n + sizeof(check)) {
        return;
    }
    check = sim_extra_check(s->content_id, s->extra, n);
    memcpy(s->extra + n, &check, sizeof(check));
    s->extra_bytes = n + sizeof(check);
}

void sim_save_stop_phase(SimMig *m)
{
    SimSave *s = &m->save;

    if (s->stop_phase) {
        return;
    }
    if (s->staged) {
        m->count.unacked_chunks++;
        chunk_done(m, false);
    }
    s->stop_phase = true;
    s->armed = false;
    s->position = s->sequence = 0;
    s->total_bytes = m->cfg.state_size;
    s->content_id = content_of_phase(m, true);
    sim_save_take_extra(m);
}

void sim_save_end(SimMig *m)
{
    SimSave *s = &m->save;

    if (s->staged) {
        m->count.unacked_chunks++;
        chunk_done(m, false);
    }
    sim_host_log(m, "save-end session=%llu sent=%llu of=%llu",
                 (ull)s->session, s->stop_phase ? (ull)s->position : 0,
                 (ull)m->cfg.state_size);
    s->active = false;
}

/* The running device changes sent data at the configured rate. */
void sim_save_redirty(SimMig *m)
{
    SimSave *s = &m->save;
    int64_t now_us = sim_host_now_us();
    uint64_t fresh = sim_muldiv(now_us - s->precopy_seen_us,
                                m->cfg.precopy_rate, 1000000);

    if (fresh) {
        s->precopy_pending += SIM_MIN(fresh, UINT64_MAX - s->precopy_pending);
        s->precopy_pending = SIM_MIN(m->cfg.precopy_max, s->precopy_pending);
        s->precopy_seen_us = now_us;
    }
}

uint64_t sim_save_pending(SimMig *m)
{
    SimSave *s = &m->save;
    uint64_t pending;

    if (s->staged && s->size_read) {
        chunk_done(m, true);
    } else if (s->staged) {
        sim_host_violation(m, "pending_bytes read between data_offset and "
                           "data_size");
        s->staged = false;
    }
    if (s->stop_phase) {
        pending = s->total_bytes - s->position;
        if (!pending) {
            m->saved_id = m->state_id;
        }
    } else {
        sim_save_redirty(m);
        pending = s->precopy_pending;
    }
    s->armed = pending != 0;
    return pending;
}

void sim_put_zone(SimMig *m, uint64_t magic, uint64_t precopy_acked,
                  uint8_t *buf, uint64_t n)
{
    SimSave *s = &m->save;
    SimStreamHead head = {
        .magic = magic,
        .phase = s->stop_phase ? SIM_PHASE_STOP : 0,
        .extra_bytes = s->extra_bytes,
        .content_id = s->content_id,
        .total_bytes = s->total_bytes,
        .precopy_acked = precopy_acked,
        .precopy_offered = s->precopy_offered,
        .session = s->session,
    };
    uint8_t zone[SIM_ZONE_MAX];

    head.check = sim_head_check(&head);
    memcpy(zone, &head, sizeof(head));
    memcpy(zone + sizeof(head), s->extra, s->extra_bytes);
    memcpy(buf, zone + s->position, n);
}

/* Overwrite words of a staged chunk with the heads. */
static void put_heads(SimMig *m, uint8_t *chunk, uint64_t size)
{
    SimSave *s = &m->save;
    SimChunkHead ch = {
        .magic = SIM_CHUNK_MAGIC,
        .sequence = s->sequence,
        .size_bytes = size,
    };
    size_t zone_bytes = SIM_HEAD_BYTES + s->extra_bytes;
    uint64_t at;

    if (!sim_headless(m) && s->position < zone_bytes) {
        sim_put_zone(m, SIM_HEAD_MAGIC, s->precopy_acked, chunk,
                     SIM_MIN(size, zone_bytes - s->position));
    }
    if (sim_chunk_head_at(m, s->position, size, zone_bytes, &at)) {
        ch.check = sim_chunk_check(s->content_id, s->position, &ch);
        memcpy(chunk + at, &ch, sizeof(ch));
    }
}

int sim_save_stage(SimMig *m, uint64_t *offset)
{
    const SimMigConfig *c = &m->cfg;
    SimSave *s = &m->save;
    int64_t start_us = sim_host_now_us();
    uint64_t left, start, size;

    if (s->staged) {
        m->count.repeated_offset_reads++;
        *offset = s->chunk_offset;
        return 0;
    }
    if (!s->armed) {
        sim_host_violation(m, "data_offset read without pending_bytes read "
                           "as more than 0 before");
        return -EINVAL;
    }
    left = s->stop_phase ? s->total_bytes - s->position : s->precopy_pending;
    start = c->chunk_starts[s->sequence % c->num_chunk_starts];
    size = c->chunk_sizes[s->sequence % c->num_chunk_sizes];
    size = c->hide_size ? c->window_size - start
                        : SIM_MIN(size, c->window_size - start);
    s->chunk_size = SIM_MIN(size, left);
    s->chunk_offset = c->data_offset + start;
    sim_content_fill(s->content_id, s->position,
                     m->window + s->chunk_offset, s->chunk_size);
    put_heads(m, m->window + s->chunk_offset, s->chunk_size);
    s->staged = true;
    s->chunk_trapped = 0;
    s->chunk_calls = 0;
    sim_pace(m, start_us, s->chunk_size, c->save_rate);
    *offset = s->chunk_offset;
    return 0;
}

bool sim_in_chunk(SimMig *m, bool write, uint64_t offset, uint64_t len)
{
    uint64_t start, end = m->cfg.data_offset + m->cfg.window_size;

    /* After a fault gave a wrong offset or size, the client cannot know. */
    if (write ? m->load.lied : m->save.lied) {
        return true;
    }
    if (write) {
        start = m->load.chunk_offset;
        return (m->state & SIM_STATE_MASK) == SIM_RESUMING &&
               m->load.offset_read && offset >= start &&
               offset - start <= end - start &&
               len <= end - offset;
    }
    start = m->save.chunk_offset;
    return m->save.staged && m->save.size_read && offset >= start &&
           offset - start <= m->save.chunk_size &&
           len <= m->save.chunk_size - (offset - start);
}

void sim_chunk_lie(SimMig *m, uint64_t reg, uint64_t value)
{
    SimSave *s = &m->save;

    if ((m->state & SIM_STATE_MASK) == SIM_RESUMING) {
        m->load.lied |= reg == SIM_REG_DATA_OFFSET;
        return;
    }
    switch (reg) {
    case SIM_REG_PENDING:
        s->armed = value != 0;
        break;
    case SIM_REG_DATA_OFFSET:
        s->lied = true;
        break;
    case SIM_REG_DATA_SIZE:
        s->lied = true;
        if (!value) {
            /* An empty chunk: the next one has its data. */
            s->chunk_size = 0;
        }
        break;
    }
}
