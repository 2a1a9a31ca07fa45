/*
 * Simulated VFIO devices: sessions and chunks of device state
 *
 * Owns: what a save session hands out chunk by chunk, and what a load
 * session finds in the chunks it is given. The format of the stream:
 *
 * - Each phase (pre-copy, stop-and-copy) is a stream of bytes of its own
 *   whose words are those of sim-content.c for the stream's content id.
 * - The first 64 bytes of a stream are its head: who, how long, how many
 *   bytes of pre-copy came before. A stop-and-copy stream of less than 64
 *   bytes has none; both sides then take the size and the seed of their
 *   configuration.
 * - Each chunk with room for it has a 32-byte chunk head at its start (but
 *   never inside of the stream's head): sequence number, length, position.
 *   So the reader knows whether it got the chunk as it was handed out.
 *
 * Locks: SimDevice.mig_lock, held by the caller.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>

#include "sim-internal.h"

#define HEAD_MAGIC UINT64_C(0x3164616548466956)
#define CHUNK_MAGIC UINT64_C(0x316b6e7568436956)
#define PHASE_STOP 1

typedef unsigned long long ull;

typedef struct StreamHead {
    uint64_t magic;
    uint64_t phase;
    uint64_t content_id;
    uint64_t total_bytes;           /* 0 in pre-copy: not known */
    uint64_t precopy_acked;
    uint64_t precopy_offered;
    uint64_t session;
    uint64_t check;
} StreamHead;

typedef struct ChunkHead {
    uint64_t magic;
    uint64_t sequence;
    uint64_t size_bytes;
    uint64_t check;
} ChunkHead;

G_STATIC_ASSERT(sizeof(StreamHead) == 64);
G_STATIC_ASSERT(sizeof(ChunkHead) == 32);

static uint64_t head_check(const StreamHead *h)
{
    uint64_t sum = h->magic;

    sum = sim_mix(sum ^ h->phase);
    sum = sim_mix(sum ^ h->content_id);
    sum = sim_mix(sum ^ h->total_bytes);
    sum = sim_mix(sum ^ h->precopy_acked);
    sum = sim_mix(sum ^ h->precopy_offered);
    return sim_mix(sum ^ h->session);
}

static uint64_t chunk_check(uint64_t id, uint64_t position,
                            const ChunkHead *h)
{
    return sim_mix(sim_mix(sim_mix(id ^ position) ^ h->sequence) ^
                   h->size_bytes);
}

static bool headless(SimDevice *d)
{
    return d->cfg.state_size < sizeof(StreamHead);
}

/*
 * Where the chunk head of a chunk at @position of @size bytes stands in
 * the chunk. Returns false if it has none.
 */
static bool chunk_head_at(SimDevice *d, uint64_t position, uint64_t size,
                          uint64_t *at)
{
    *at = position < sizeof(StreamHead) ? sizeof(StreamHead) - position : 0;
    return !headless(d) && *at <= size && size - *at >= sizeof(ChunkHead);
}

static uint64_t pick(const GArray *list, uint64_t index)
{
    return g_array_index(list, uint64_t, index % list->len);
}

static void pace(int64_t start_us, uint64_t bytes, uint64_t rate)
{
    if (rate) {
        sim_sleep_until_us(start_us +
                           (int64_t)((double)bytes * 1e6 / rate));
    }
}

/* ------------------------------------------------------------------------ */
/* Saving                                                                   */

static uint64_t content_of_phase(SimDevice *d, bool stop)
{
    /* sim-migration.c keeps state_id at sim_mix(seed) for tiny states. */
    return stop || headless(d) ? d->state_id
                               : sim_mix(d->state_id ^ d->save.session);
}

void sim_save_begin(SimDevice *d)
{
    SimSave *s = &d->save;

    memset(s, 0, sizeof(*s));
    s->active = true;
    s->session = ++d->count.save_sessions;
    s->content_id = content_of_phase(d, false);
    s->precopy_pending = d->cfg.precopy_size;
    s->precopy_seen_us = g_get_monotonic_time();
    sim_log(d->cfg.name, "save-begin session=%llu", (ull)s->session);
}

static void count_mapped(SimDevice *d, uint64_t size, uint64_t trapped)
{
    if (trapped < size) {
        d->count.mapped_bytes += size - trapped;
    }
}

/* The client said that it has the chunk, or (@acked false) just left it. */
static void chunk_done(SimDevice *d, bool acked)
{
    SimSave *s = &d->save;

    sim_log(d->cfg.name, "chunk-%s phase=%s seq=%llu offset=0x%llx "
            "size=%llu trapped=%llu calls=%u", acked ? "done" : "unacked",
            s->stop_phase ? "stop-copy" : "pre-copy", (ull)s->sequence,
            (ull)s->chunk_offset, (ull)s->chunk_size,
            (ull)s->chunk_trapped, s->chunk_calls);
    d->count.saved_chunks++;
    d->count.saved_bytes += s->chunk_size;
    count_mapped(d, s->chunk_size, s->chunk_trapped);
    s->position += s->chunk_size;
    s->sequence += s->chunk_size != 0;
    if (!s->stop_phase) {
        d->count.saved_precopy_bytes += s->chunk_size;
        s->precopy_pending -= MIN(s->precopy_pending, s->chunk_size);
        s->precopy_offered += s->chunk_size;
        if (acked) {
            s->precopy_acked += s->chunk_size;
        }
    }
    s->staged = s->size_read = s->armed = s->lied = false;
    s->chunk_size = 0;
}

void sim_save_stop_phase(SimDevice *d)
{
    SimSave *s = &d->save;

    if (s->stop_phase) {
        return;
    }
    if (s->staged) {
        d->count.unacked_chunks++;
        chunk_done(d, false);
    }
    s->stop_phase = true;
    s->armed = false;
    s->position = s->sequence = 0;
    s->total_bytes = d->cfg.state_size;
    s->content_id = content_of_phase(d, true);
}

void sim_save_end(SimDevice *d)
{
    SimSave *s = &d->save;

    if (s->staged) {
        d->count.unacked_chunks++;
        chunk_done(d, false);
    }
    sim_log(d->cfg.name, "save-end session=%llu sent=%llu of=%llu",
            (ull)s->session, s->stop_phase ? (ull)s->position : 0,
            (ull)d->cfg.state_size);
    s->active = false;
}

/* The running device makes sent data stale at the configured rate. */
static void redirty(SimDevice *d)
{
    SimSave *s = &d->save;
    int64_t now_us = g_get_monotonic_time();
    double fresh = (double)(now_us - s->precopy_seen_us) *
                   d->cfg.precopy_rate / 1e6;

    if (fresh >= 1.0) {
        s->precopy_pending = MIN(d->cfg.precopy_max,
                                 s->precopy_pending + (uint64_t)fresh);
        s->precopy_seen_us = now_us;
    }
}

uint64_t sim_save_pending(SimDevice *d)
{
    SimSave *s = &d->save;
    uint64_t pending;

    if (s->staged && s->size_read) {
        chunk_done(d, true);
    } else if (s->staged) {
        sim_violation(d, "pending_bytes read between data_offset and "
                      "data_size");
        s->staged = false;
    }
    if (s->stop_phase) {
        pending = s->total_bytes - s->position;
        if (!pending) {
            d->saved_id = d->state_id;
        }
    } else {
        redirty(d);
        pending = s->precopy_pending;
    }
    s->armed = pending != 0;
    return pending;
}

static void put_heads(SimDevice *d, uint8_t *chunk, uint64_t size)
{
    SimSave *s = &d->save;
    StreamHead head = {
        .magic = HEAD_MAGIC,
        .phase = s->stop_phase ? PHASE_STOP : 0,
        .content_id = s->content_id,
        .total_bytes = s->total_bytes,
        .precopy_acked = s->precopy_acked,
        .precopy_offered = s->precopy_offered,
        .session = s->session,
    };
    ChunkHead ch = {
        .magic = CHUNK_MAGIC,
        .sequence = s->sequence,
        .size_bytes = size,
    };
    uint64_t at;

    if (!headless(d) && s->position < sizeof(head)) {
        head.check = head_check(&head);
        memcpy(chunk, (uint8_t *)&head + s->position,
               MIN(size, sizeof(head) - s->position));
    }
    if (chunk_head_at(d, s->position, size, &at)) {
        ch.check = chunk_check(s->content_id, s->position, &ch);
        memcpy(chunk + at, &ch, sizeof(ch));
    }
}

int sim_save_stage(SimDevice *d, uint64_t *offset)
{
    SimSave *s = &d->save;
    int64_t start_us = g_get_monotonic_time();
    uint64_t left, room, start;

    if (s->staged) {
        d->count.repeated_offset_reads++;
        *offset = s->chunk_offset;
        return 0;
    }
    if (!s->armed) {
        sim_violation(d, "data_offset read without pending_bytes read as "
                      "more than 0 before");
        return -EINVAL;
    }
    left = s->stop_phase ? s->total_bytes - s->position : s->precopy_pending;
    start = pick(d->cfg.chunk_starts, s->sequence);
    room = d->cfg.window_size - start;
    s->chunk_size = MIN(MIN(pick(d->cfg.chunk_sizes, s->sequence), room),
                        left);
    s->chunk_offset = d->cfg.data_offset + start;
    sim_content_fill(s->content_id, s->position,
                     d->window + s->chunk_offset, s->chunk_size);
    put_heads(d, d->window + s->chunk_offset, s->chunk_size);
    s->staged = true;
    s->chunk_trapped = 0;
    s->chunk_calls = 0;
    pace(start_us, s->chunk_size, d->cfg.save_rate);
    *offset = s->chunk_offset;
    return 0;
}

/* ------------------------------------------------------------------------ */
/* Loading                                                                  */

void sim_load_begin(SimDevice *d)
{
    memset(&d->load, 0, sizeof(d->load));
    d->load.active = true;
    d->load.stop_phase = headless(d);
    d->count.load_sessions++;
    sim_log(d->cfg.name, "load-begin session=%llu",
            (ull)d->count.load_sessions);
}

uint64_t sim_load_offset(SimDevice *d)
{
    SimLoad *l = &d->load;

    l->chunk_offset = d->cfg.data_offset +
                      pick(d->cfg.chunk_starts, l->chunks);
    l->offset_read = true;
    return l->chunk_offset;
}

static bool corrupt(SimDevice *d, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

static bool corrupt(SimDevice *d, const char *fmt, ...)
{
    g_autofree char *why = NULL;
    va_list ap;

    va_start(ap, fmt);
    why = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    d->count.corrupt++;
    d->load.broken = true;
    sim_log(d->cfg.name, "corrupt %s", why);
    return false;
}

static bool take_head(SimDevice *d, const StreamHead *h)
{
    SimLoad *l = &d->load;

    if (h->magic != HEAD_MAGIC || h->check != head_check(h) ||
        h->phase != (l->stop_phase ? PHASE_STOP : 0)) {
        return corrupt(d, "the stream does not start with its head");
    }
    l->head_known = true;
    l->content_id = h->content_id;
    l->total_bytes = h->total_bytes;
    if (l->stop_phase) {
        l->precopy_acked = h->precopy_acked;
        l->precopy_offered = h->precopy_offered;
    }
    return true;
}

/*
 * A chunk that starts with a head starts a stream: that of pre-copy if it
 * says so, else that of stop-and-copy, which ends pre-copy.
 */
static void maybe_new_stream(SimDevice *d, const uint8_t *chunk,
                             uint64_t size)
{
    SimLoad *l = &d->load;
    StreamHead h;

    if (headless(d) || l->stop_phase || l->chunk_left) {
        return;
    }
    if (size < sizeof(h)) {
        /* Tiny chunks come without pre-copy (sim-config.c sees to it). */
        l->stop_phase |= l->position == 0;
        return;
    }
    memcpy(&h, chunk, sizeof(h));
    if (h.magic == HEAD_MAGIC && h.phase == PHASE_STOP) {
        l->precopy_bytes = l->position;
        l->stop_phase = true;
        l->head_known = false;
        l->position = l->sequence = 0;
    }
}

/* Take the bytes of the stream's head that are in this piece. */
static bool collect_head(SimDevice *d, const uint8_t *piece, uint64_t size)
{
    SimLoad *l = &d->load;
    StreamHead h;
    uint64_t n;

    if (headless(d) || l->position >= sizeof(h)) {
        return true;
    }
    n = MIN(size, sizeof(h) - l->position);
    memcpy(l->head + l->position, piece, n);
    if (l->position + n < sizeof(h)) {
        return true;
    }
    memcpy(&h, l->head, sizeof(h));
    return take_head(d, &h);
}

/* Check the chunk head, and with it the boundaries of the chunk. */
static bool check_chunk_head(SimDevice *d, const uint8_t *piece,
                             uint64_t size, uint64_t at)
{
    SimLoad *l = &d->load;
    ChunkHead h;

    memcpy(&h, piece + at, sizeof(h));
    if (h.magic != CHUNK_MAGIC) {
        return corrupt(d, "no chunk starts at byte %llu of the stream",
                       (ull)l->position);
    }
    if (h.sequence != l->sequence) {
        return corrupt(d, "chunk %llu where %llu was due", (ull)h.sequence,
                       (ull)l->sequence);
    }
    if (h.check != chunk_check(l->content_id, l->position, &h)) {
        return corrupt(d, "head of chunk %llu is damaged or out of place",
                       (ull)h.sequence);
    }
    if (h.size_bytes < size ||
        (h.size_bytes > size && !d->cfg.split_allowed)) {
        return corrupt(d, "chunk %llu of %llu bytes was written as one of "
                       "%llu bytes (U-18)", (ull)h.sequence,
                       (ull)h.size_bytes, (ull)size);
    }
    l->chunk_left = h.size_bytes - size;
    return true;
}

static bool check_range(SimDevice *d, const uint8_t *piece, uint64_t from,
                        uint64_t to)
{
    SimLoad *l = &d->load;
    uint64_t id = headless(d) ? sim_mix(d->cfg.seed) : l->content_id;
    uint64_t bad;

    if (from >= to || sim_content_check(id, l->position + from, piece + from,
                                        to - from, d->cfg.verify, &bad)) {
        return true;
    }
    return corrupt(d, "wrong data at byte %llu of the stream", (ull)bad);
}

static bool check_piece(SimDevice *d, const uint8_t *piece, uint64_t size)
{
    SimLoad *l = &d->load;
    bool goes_on = l->chunk_left > 0;
    uint64_t at = 0, after = 0;

    if (l->broken) {
        return false;
    }
    if (goes_on) {
        if (size > l->chunk_left) {
            return corrupt(d, "%llu bytes where %llu of the chunk were left",
                           (ull)size, (ull)l->chunk_left);
        }
        l->chunk_left -= size;
        return check_range(d, piece, 0, size);
    }
    if (!collect_head(d, piece, size)) {
        return false;
    }
    if (chunk_head_at(d, l->position, size, &at)) {
        if (!check_chunk_head(d, piece, size, at)) {
            return false;
        }
        after = at + sizeof(ChunkHead);
    } else if (!headless(d)) {
        /* Only head bytes, or a chunk too small for a head of its own. */
        after = MIN(at, size);
    }
    return check_range(d, piece, after, size);
}

static int check_size(SimDevice *d, uint64_t size)
{
    SimLoad *l = &d->load;
    uint64_t end = d->cfg.data_offset + d->cfg.window_size;

    if (!l->offset_read) {
        sim_violation(d, "data_size written without data_offset read in this "
                      "iteration (U-18)");
        return -EINVAL;
    }
    if (!size || size > end - l->chunk_offset) {
        if (l->lied) {
            return -EINVAL;
        }
        sim_violation(d, "data_size %llu written, but the window has %llu "
                      "bytes at this offset", (ull)size,
                      (ull)(end - l->chunk_offset));
        return -EINVAL;
    }
    return 0;
}

int sim_load_consume(SimDevice *d, uint64_t size)
{
    SimLoad *l = &d->load;
    int64_t start_us = g_get_monotonic_time();
    uint8_t *piece = d->window + l->chunk_offset;
    bool good;
    int ret = check_size(d, size);

    if (ret) {
        return ret;
    }
    l->any_data = true;
    maybe_new_stream(d, piece, size);
    good = check_piece(d, piece, size);
    sim_log(d->cfg.name, "chunk-loaded phase=%s seq=%llu offset=0x%llx "
            "size=%llu trapped=%llu calls=%u good=%d",
            l->stop_phase ? "stop-copy" : "pre-copy", (ull)l->sequence,
            (ull)l->chunk_offset, (ull)size, (ull)l->chunk_trapped,
            l->chunk_calls, good);
    d->count.loaded_chunks++;
    d->count.loaded_bytes += size;
    if (!l->stop_phase) {
        d->count.loaded_precopy_bytes += size;
    }
    count_mapped(d, size, l->chunk_trapped);
    l->position += size;
    l->sequence += l->chunk_left == 0;
    l->chunks++;
    l->last_size = size;
    l->offset_read = l->lied = false;
    l->chunk_trapped = 0;
    l->chunk_calls = 0;
    pace(start_us, size, d->cfg.load_rate);
    return good || !d->cfg.corrupt_fails ? 0 : -EINVAL;
}

static char *why_incomplete(SimDevice *d)
{
    SimLoad *l = &d->load;
    uint64_t total = headless(d) ? d->cfg.state_size : l->total_bytes;

    if (l->broken) {
        return g_strdup("the data was corrupt");
    }
    if (!l->stop_phase || (!headless(d) && !l->head_known)) {
        return g_strdup("no stop-and-copy data came");
    }
    if (l->position != total) {
        return g_strdup_printf("%llu of %llu bytes came", (ull)l->position,
                               (ull)total);
    }
    if (l->precopy_bytes < l->precopy_acked ||
        l->precopy_bytes > l->precopy_offered) {
        return g_strdup_printf("%llu bytes of pre-copy came, %llu to %llu "
                               "were sent", (ull)l->precopy_bytes,
                               (ull)l->precopy_acked,
                               (ull)l->precopy_offered);
    }
    return NULL;
}

bool sim_load_finish(SimDevice *d, char **why)
{
    SimLoad *l = &d->load;

    *why = NULL;
    if (l->any_data || d->cfg.require_data) {
        *why = why_incomplete(d);
    }
    if (*why) {
        return false;
    }
    l->active = false;
    if (l->any_data) {
        d->loaded = true;
        d->state_lost = false;
        d->state_id = headless(d) ? sim_mix(d->cfg.seed) : l->content_id;
        d->loaded_id = d->state_id;
    }
    sim_log(d->cfg.name, "load-end session=%llu bytes=%llu",
            (ull)d->count.load_sessions, (ull)l->position);
    return true;
}

bool sim_in_chunk(SimDevice *d, bool write, uint64_t offset, uint64_t len)
{
    uint64_t start, end = d->cfg.data_offset + d->cfg.window_size;

    /* Who was told a wrong place or size cannot know the right one. */
    if (write ? d->load.lied : d->save.lied) {
        return true;
    }
    if (write) {
        start = d->load.chunk_offset;
        return (d->state & SIM_STATE_MASK) == SIM_RESUMING &&
               d->load.offset_read && offset >= start &&
               offset - start <= end - start &&
               len <= end - offset;
    }
    start = d->save.chunk_offset;
    return d->save.staged && d->save.size_read && offset >= start &&
           offset - start <= d->save.chunk_size &&
           len <= d->save.chunk_size - (offset - start);
}

void sim_chunk_lie(SimDevice *d, uint64_t reg, uint64_t value)
{
    SimSave *s = &d->save;

    if ((d->state & SIM_STATE_MASK) == SIM_RESUMING) {
        d->load.lied |= reg == SIM_REG_DATA_OFFSET;
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
            /* An empty chunk: its data comes with the next one. */
            s->chunk_size = 0;
        }
        break;
    }
}
