/*
 * Model of a migratable VFIO device: loading a state
 *
 * Owns: the checks of the chunks that a load session receives: every head,
 * every boundary and every word (format: sim-model-stream.c), and at the end
 * whether the state is complete.
 *
 * Locks: the host's, held by the caller.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "sim-model.h"

void sim_load_begin(SimMig *m)
{
    memset(&m->load, 0, sizeof(m->load));
    m->load.active = true;
    m->load.zone_bytes = SIM_HEAD_BYTES;
    m->load.stop_phase = sim_headless(m);
    m->count.load_sessions++;
    sim_host_log(m, "load-begin session=%llu", (ull)m->count.load_sessions);
}

uint64_t sim_load_offset(SimMig *m)
{
    SimLoad *l = &m->load;

    l->chunk_offset = m->cfg.data_offset +
                      m->cfg.chunk_starts[l->chunks %
                                          m->cfg.num_chunk_starts];
    l->offset_read = true;
    return l->chunk_offset;
}

bool sim_load_corrupt(SimMig *m, const char *fmt, ...)
{
    char why[SIM_WHY_CHARS];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, sizeof(why), fmt, ap);
    va_end(ap);
    m->count.corrupt++;
    m->load.broken = true;
    sim_host_log(m, "corrupt %s", why);
    return false;
}

/* ------------------------------------------------------------------------ */
/* The head of a stream                                                     */

static bool take_head(SimMig *m)
{
    SimLoad *l = &m->load;
    SimStreamHead h;

    memcpy(&h, l->zone, sizeof(h));
    if (h.magic != SIM_HEAD_MAGIC || h.check != sim_head_check(&h) ||
        h.phase != (l->stop_phase ? SIM_PHASE_STOP : 0)) {
        return sim_load_corrupt(m, "the stream does not start with its head");
    }
    if (h.extra_bytes > SIM_EXTRA_MAX || h.extra_bytes % 8 ||
        h.extra_bytes == 8) {
        return sim_load_corrupt(m, "a vendor part of %u bytes", h.extra_bytes);
    }
    l->head_known = true;
    l->zone_bytes = sizeof(h) + h.extra_bytes;
    l->content_id = h.content_id;
    l->total_bytes = h.total_bytes;
    if (l->stop_phase) {
        l->precopy_acked = h.precopy_acked;
        l->precopy_offered = h.precopy_offered;
    }
    return true;
}

/* Size of the vendor's part, without its checksum */
static size_t extra_bytes(const SimLoad *l)
{
    size_t all = l->zone_bytes - SIM_HEAD_BYTES;

    return all ? all - sizeof(uint64_t) : 0;
}

bool sim_load_take_extra(SimMig *m)
{
    SimLoad *l = &m->load;
    const uint8_t *extra = l->zone + SIM_HEAD_BYTES;
    size_t n = extra_bytes(l);
    uint64_t check;

    if (!n) {
        return true;
    }
    memcpy(&check, extra + n, sizeof(check));
    if (check != sim_extra_check(l->content_id, extra, n)) {
        return sim_load_corrupt(m, "the registers in the stream are damaged");
    }
    return true;
}

/*
 * A chunk that starts with a head begins a stream: that of pre-copy, or that
 * of stop-and-copy, which ends pre-copy.
 */
static void maybe_new_stream(SimMig *m, const uint8_t *chunk, uint64_t size)
{
    SimLoad *l = &m->load;
    SimStreamHead h;

    if (sim_headless(m) || l->stop_phase || l->chunk_left) {
        return;
    }
    if (size < sizeof(h)) {
        /* There is no pre-copy with tiny chunks (sim-model-config.c). */
        l->stop_phase |= l->position == 0;
        return;
    }
    memcpy(&h, chunk, sizeof(h));
    if (h.magic == SIM_HEAD_MAGIC && h.phase == SIM_PHASE_STOP) {
        l->precopy_bytes = l->position;
        l->stop_phase = true;
        l->head_known = false;
        l->zone_bytes = SIM_HEAD_BYTES;
        l->position = l->sequence = 0;
    }
}

/* Take the bytes of the stream's head that are in this piece. */
static bool collect_zone(SimMig *m, const uint8_t *piece, uint64_t size)
{
    SimLoad *l = &m->load;
    uint64_t at = l->position, end = l->position + size, n;

    if (sim_headless(m)) {
        return true;
    }
    while (at < l->zone_bytes) {
        n = SIM_MIN(end, l->zone_bytes) - at;
        memcpy(l->zone + at, piece + (at - l->position), n);
        at += n;
        if (at < l->zone_bytes) {
            return true;
        }
        if (!(l->head_known ? sim_load_take_extra(m) : take_head(m))) {
            return false;
        }
    }
    return true;
}

/* ------------------------------------------------------------------------ */
/* Chunks                                                                   */

/* Check the chunk head, and with it the boundaries of the chunk. */
static bool check_chunk_head(SimMig *m, const uint8_t *piece, uint64_t size,
                             uint64_t at)
{
    SimLoad *l = &m->load;
    SimChunkHead h;

    memcpy(&h, piece + at, sizeof(h));
    if (h.magic != SIM_CHUNK_MAGIC) {
        return sim_load_corrupt(m, "no chunk starts at byte %llu of the stream",
                       (ull)l->position);
    }
    if (h.sequence != l->sequence) {
        return sim_load_corrupt(m, "chunk %llu where %llu was due", (ull)h.sequence,
                       (ull)l->sequence);
    }
    if (h.check != sim_chunk_check(l->content_id, l->position, &h)) {
        return sim_load_corrupt(m, "head of chunk %llu is damaged or out of place",
                       (ull)h.sequence);
    }
    if (h.size_bytes < size ||
        (h.size_bytes > size && !m->cfg.split_allowed)) {
        return sim_load_corrupt(m, "chunk %llu of %llu bytes was written as one of "
                       "%llu bytes", (ull)h.sequence,
                       (ull)h.size_bytes, (ull)size);
    }
    l->chunk_left = h.size_bytes - size;
    return true;
}

bool sim_load_check_range(SimMig *m, const uint8_t *piece, uint64_t from,
                          uint64_t to)
{
    SimLoad *l = &m->load;
    uint64_t id = sim_headless(m) ? sim_mix(m->cfg.seed) : l->content_id;
    uint64_t bad;

    if (from >= to || sim_content_check(id, l->position + from, piece + from,
                                        to - from, m->cfg.verify, &bad)) {
        return true;
    }
    return sim_load_corrupt(m, "wrong data at byte %llu of the stream", (ull)bad);
}

static bool check_piece(SimMig *m, const uint8_t *piece, uint64_t size)
{
    SimLoad *l = &m->load;
    bool goes_on = l->chunk_left > 0;
    uint64_t at = 0, after = 0;

    if (l->broken) {
        return false;
    }
    if (goes_on) {
        if (size > l->chunk_left) {
            return sim_load_corrupt(m, "%llu bytes where %llu of the chunk were left",
                           (ull)size, (ull)l->chunk_left);
        }
        l->chunk_left -= size;
        return sim_load_check_range(m, piece, 0, size);
    }
    if (!collect_zone(m, piece, size)) {
        return false;
    }
    if (sim_chunk_head_at(m, l->position, size, l->zone_bytes, &at)) {
        if (!check_chunk_head(m, piece, size, at)) {
            return false;
        }
        after = at + sizeof(SimChunkHead);
    } else if (!sim_headless(m)) {
        /* Only bytes of a head, or a chunk that is too small for one */
        after = SIM_MIN(at, size);
    }
    return sim_load_check_range(m, piece, after, size);
}

static int check_size(SimMig *m, uint64_t size)
{
    SimLoad *l = &m->load;
    uint64_t end = m->cfg.data_offset + m->cfg.window_size;

    if (!l->offset_read) {
        sim_host_violation(m, "data_size written without data_offset read "
                           "in this iteration");
        return -EINVAL;
    }
    if (!size || size > end - l->chunk_offset) {
        if (l->lied) {
            return -EINVAL;
        }
        sim_host_violation(m, "data_size %llu written, but the window has "
                           "%llu bytes at this offset", (ull)size,
                           (ull)(end - l->chunk_offset));
        return -EINVAL;
    }
    return 0;
}

int sim_load_consume(SimMig *m, uint64_t size)
{
    SimLoad *l = &m->load;
    int64_t start_us = sim_host_now_us();
    uint8_t *piece = m->window + l->chunk_offset;
    bool good;
    int ret = check_size(m, size);

    if (ret) {
        return ret;
    }
    l->any_data = true;
    maybe_new_stream(m, piece, size);
    good = check_piece(m, piece, size);
    sim_host_log(m, "chunk-loaded phase=%s seq=%llu offset=0x%llx "
                 "size=%llu trapped=%llu calls=%u good=%d",
                 l->stop_phase ? "stop-copy" : "pre-copy", (ull)l->sequence,
                 (ull)l->chunk_offset, (ull)size, (ull)l->chunk_trapped,
                 l->chunk_calls, good);
    m->count.loaded_chunks++;
    m->count.loaded_bytes += size;
    if (!l->stop_phase) {
        m->count.loaded_precopy_bytes += size;
    }
    sim_count_mapped(m, size, l->chunk_trapped);
    l->position += size;
    l->sequence += l->chunk_left == 0;
    l->chunks++;
    l->last_size = size;
    l->offset_read = l->lied = false;
    l->chunk_trapped = 0;
    l->chunk_calls = 0;
    sim_pace(m, start_us, size, m->cfg.load_rate);
    return good || !m->cfg.corrupt_fails ? 0 : -EINVAL;
}

/* ------------------------------------------------------------------------ */
/* The end                                                                  */

/* Returns true, with the reason in @why, if the state is incomplete. */
static bool is_incomplete(SimMig *m, char why[SIM_WHY_CHARS])
{
    SimLoad *l = &m->load;
    uint64_t total = sim_headless(m) ? m->cfg.state_size : l->total_bytes;

    if (l->broken) {
        snprintf(why, SIM_WHY_CHARS, "the data was corrupt");
    } else if (!l->stop_phase || (!sim_headless(m) && !l->head_known)) {
        snprintf(why, SIM_WHY_CHARS, "no stop-and-copy data came");
    } else if (l->position != total) {
        snprintf(why, SIM_WHY_CHARS, "%llu of %llu bytes came",
                 (ull)l->position, (ull)total);
    } else if (l->precopy_bytes < l->precopy_acked ||
               l->precopy_bytes > l->precopy_offered) {
        snprintf(why, SIM_WHY_CHARS, "%llu bytes of pre-copy came, %llu to "
                 "%llu were sent", (ull)l->precopy_bytes,
                 (ull)l->precopy_acked, (ull)l->precopy_offered);
    } else {
        return false;
    }
    return true;
}

bool sim_load_finish(SimMig *m, char why[SIM_WHY_CHARS])
{
    SimLoad *l = &m->load;

    if ((l->any_data || m->cfg.require_data) && is_incomplete(m, why)) {
        return false;
    }
    if (l->any_data && !sim_headless(m) &&
        !sim_host_load_extra(m, l->zone + SIM_HEAD_BYTES, extra_bytes(l))) {
        snprintf(why, SIM_WHY_CHARS, "the registers of the device cannot be "
                 "loaded");
        return false;
    }
    l->active = false;
    if (l->any_data) {
        m->loaded = true;
        m->state_lost = false;
        m->state_id = sim_headless(m) ? sim_mix(m->cfg.seed) : l->content_id;
        m->loaded_id = m->state_id;
    }
    sim_host_log(m, "load-end session=%llu bytes=%llu",
                 (ull)m->count.load_sessions, (ull)l->position);
    return true;
}
