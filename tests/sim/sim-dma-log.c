/*
 * Simulated VFIO devices: the log of a device's own DMA (protocol v2)
 *
 * Owns: DMA_LOGGING_START, _STOP and _REPORT, with the limits and the
 * quirks of devices (docs/sim.md), and which pages the device has written
 * since the last report. Does not own: the DMA (sim-dma.c), the checks for
 * all features (sim-feature.c).
 *
 * Locks: SimDma.lock guards the log, so a report never splits a burst.
 * Functions are called with mig_lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>

#include "sim-internal.h"
#include "sim-uapi.h"

#define MIN_PAGE_BYTES 4096
#define MAX_RANGES 256
/* Pages are kept in blocks: the memory used depends on what was written. */
#define BLOCK_PAGES 32768

static uint64_t end_of(const SimRange *r)
{
    return r->offset + r->size_bytes;
}

static const SimRange *range_at(const SimDmaLog *log, unsigned i)
{
    return &g_array_index(log->ranges, SimRange, i);
}

static const SimRange *find_range(const SimDmaLog *log, uint64_t iova)
{
    for (unsigned i = 0; i < log->ranges->len; i++) {
        const SimRange *r = range_at(log, i);

        if (iova >= r->offset && iova < end_of(r)) {
            return r;
        }
    }
    return NULL;
}

/* ------------------------------------------------------------------------ */
/* Pages                                                                    */

static uint8_t *block_of(SimDmaLog *log, uint64_t page, bool make)
{
    uint64_t number = page / BLOCK_PAGES;
    uint8_t *block = g_hash_table_lookup(log->blocks, &number);

    if (!block && make) {
        block = g_malloc0(BLOCK_PAGES / 8);
        g_hash_table_insert(log->blocks, g_memdup2(&number, sizeof(number)),
                            block);
    }
    return block;
}

static bool test_page(const uint8_t *block, uint64_t page)
{
    return block[page % BLOCK_PAGES / 8] & 1 << page % 8;
}

static void change_page(SimDmaLog *log, uint8_t *block, uint64_t page,
                        bool dirty)
{
    uint8_t bit = 1 << page % 8, *byte = &block[page % BLOCK_PAGES / 8];

    log->dirty_pages += dirty && !(*byte & bit);
    log->dirty_pages -= !dirty && (*byte & bit);
    *byte = dirty ? *byte | bit : *byte & ~bit;
}

static void mark(SimDmaLog *log, uint64_t from, uint64_t to)
{
    for (uint64_t page = from / log->page_size;
         page <= (to - 1) / log->page_size; page++) {
        change_page(log, block_of(log, page, true), page, true);
    }
}

void sim_dma_log_mark(SimDevice *d, uint64_t iova, uint64_t size)
{
    SimDmaLog *log = &d->log;

    if (!log->on || d->mig.cfg.v2.log != SIM_LOG_YES) {
        return;
    }
    for (unsigned i = 0; i < log->ranges->len; i++) {
        const SimRange *r = range_at(log, i);
        uint64_t from = MAX(iova, r->offset);
        uint64_t to = MIN(iova + size, end_of(r));

        if (from < to) {
            mark(log, from, to);
        }
    }
}

/* ------------------------------------------------------------------------ */
/* On and off                                                               */

static void forget(SimDmaLog *log)
{
    g_clear_pointer(&log->ranges, g_array_unref);
    g_clear_pointer(&log->blocks, g_hash_table_unref);
    log->on = false;
    log->unread_pages = log->dirty_pages;
    log->dirty_pages = 0;
}

void sim_dma_log_lose(SimDevice *d, const char *why)
{
    bool was;

    g_mutex_lock(&d->dma.lock);
    was = d->log.on;
    if (was) {
        forget(&d->log);
        d->log.lost = true;
    }
    g_mutex_unlock(&d->dma.lock);
    if (was) {
        sim_log(d->cfg.name, "log-lost by=%s", why);
    }
}

void sim_dma_log_close(SimDevice *d)
{
    sim_dma_log_lose(d, "close");
    d->log.lost = false;
}

static int by_iova(const void *a, const void *b)
{
    const SimRange *x = a, *y = b;

    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* The core's checks of one range; @before: the preceding ones */
static int check_range(const SimRange *r, const SimRange *before,
                       uint64_t page_size)
{
    if (!r->size_bytes || (r->offset | r->size_bytes) & (page_size - 1)) {
        return -EINVAL;
    }
    if (r->size_bytes > UINT64_MAX - r->offset) {
        return -EOVERFLOW;
    }
    return before && r->offset < end_of(before) ? -EINVAL : 0;
}

static int read_ranges(const SimFeatureLogStart *start, GArray *ranges)
{
    const SimFeatureLogRange *from = (void *)(uintptr_t)start->ranges;
    int ret = 0;

    if (!start->num_ranges || !start->page_size ||
        start->page_size & (start->page_size - 1)) {
        return -EINVAL;
    }
    if (start->num_ranges > MAX_RANGES) {
        return -E2BIG;
    }
    for (unsigned i = 0; i < start->num_ranges; i++) {
        SimRange r = { from[i].iova, from[i].length };

        g_array_append_val(ranges, r);
    }
    g_array_sort(ranges, by_iova);
    for (unsigned i = 0; i < ranges->len && !ret; i++) {
        const SimRange *r = &g_array_index(ranges, SimRange, i);

        ret = check_range(r, i ? r - 1 : NULL, start->page_size);
    }
    return ret;
}

/* If a device supports fewer ranges, merge those with the smallest gaps. */
static void combine(GArray *ranges, uint64_t max)
{
    while (ranges->len > max) {
        SimRange *r = (SimRange *)ranges->data;
        unsigned best = 0;

        for (unsigned i = 1; i + 1 < ranges->len; i++) {
            if (r[i + 1].offset - end_of(&r[i]) <
                r[best + 1].offset - end_of(&r[best])) {
                best = i;
            }
        }
        r[best].size_bytes = end_of(&r[best + 1]) - r[best].offset;
        g_array_remove_index(ranges, best + 1);
    }
}

static bool fits(const SimV2Config *c, const GArray *ranges)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < ranges->len; i++) {
        uint64_t size = g_array_index(ranges, SimRange, i).size_bytes;

        sum += MIN(size, UINT64_MAX - sum);
    }
    return sum >= c->log_min_bytes && sum <= c->log_max_bytes;
}

static void switch_on(SimDevice *d, GArray *ranges, uint64_t page_size)
{
    SimDmaLog *log = &d->log;
    uint64_t own = d->mig.cfg.v2.log_page_size;

    g_mutex_lock(&d->dma.lock);
    log->ranges = ranges;
    log->blocks = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free,
                                        g_free);
    log->page_size = own ? own : MAX(page_size, MIN_PAGE_BYTES);
    log->starts++;
    log->on = true;
    log->lost = false;
    g_mutex_unlock(&d->dma.lock);
    for (unsigned i = 0; i < ranges->len; i++) {
        const SimRange *r = &g_array_index(ranges, SimRange, i);

        sim_log(d->cfg.name, "log-range iova=0x%llx size=0x%llx",
                (ull)r->offset, (ull)r->size_bytes);
    }
}

static int do_start(SimDevice *d, const SimFeatureLogStart *start)
{
    const SimV2Config *c = &d->mig.cfg.v2;
    GArray *ranges = g_array_new(FALSE, FALSE, sizeof(SimRange));
    int ret = read_ranges(start, ranges);

    if (ret) {
        sim_host_violation(&d->mig, "log-start with %u ranges of 0x%llx "
                           "bytes pages: %s", start->num_ranges,
                           (ull)start->page_size, g_strerror(-ret));
    } else if (d->log.on) {
        sim_host_violation(&d->mig, "log-start while the log is on");
        ret = c->log_takes_misuse ? 0 : -(int)c->log_again_errno;
    } else {
        combine(ranges, c->log_max_ranges);
        ret = fits(c, ranges) ? 0 : -EOPNOTSUPP;
    }
    if (ret || d->log.on) {
        g_array_unref(ranges);
        return ret;
    }
    switch_on(d, ranges, start->page_size);
    return 0;
}

int sim_dma_log_start(SimDevice *d, void *data)
{
    const SimFeatureLogStart *start = data;
    SimOutcome out;
    int ret;

    sim_host_event(&d->mig, SIM_EV_LOG_START, d->mig.state, &out);
    ret = out.err ? -out.err : do_start(d, start);
    sim_log(d->cfg.name, "log-start ranges=%u page-size=0x%llx ret=%d",
            start->num_ranges, (ull)start->page_size, ret);
    sim_status_write();
    return ret;
}

int sim_dma_log_stop(SimDevice *d, void *data)
{
    SimOutcome out;
    int ret;

    sim_host_event(&d->mig, SIM_EV_LOG_STOP, d->mig.state, &out);
    ret = -out.err;
    if (!ret && !d->log.on) {
        ret = -EINVAL;
    }
    if (!ret) {
        g_mutex_lock(&d->dma.lock);
        forget(&d->log);
        g_mutex_unlock(&d->dma.lock);
    }
    sim_log(d->cfg.name, "log-stop unread=%llu ret=%d",
            (ull)d->log.unread_pages, ret);
    sim_status_write();
    return ret;
}

/* ------------------------------------------------------------------------ */
/* Reports                                                                  */

/* True if consecutive ranges of the log cover it completely. */
static bool inside(const SimDmaLog *log, uint64_t iova, uint64_t length)
{
    while (length) {
        const SimRange *r = find_range(log, iova);
        uint64_t n = r ? MIN(length, end_of(r) - iova) : 0;

        if (!n) {
            return false;
        }
        iova += n;
        length -= n;
    }
    return true;
}

static void set_bits(const SimFeatureLogReport *rep, uint64_t from,
                     uint64_t to)
{
    uint8_t *bitmap = (uint8_t *)(uintptr_t)rep->bitmap;

    from = MAX(from, rep->iova);
    to = MIN(to, rep->iova + rep->length);
    for (uint64_t bit = (from - rep->iova) / rep->page_size;
         from < to && bit <= (to - 1 - rep->iova) / rep->page_size; bit++) {
        bitmap[bit / 8] |= 1 << bit % 8;
    }
}

/* Report a dirty page if @told, otherwise lose it; clear its bit. */
static void take_page(SimDmaLog *log, uint8_t *block, uint64_t page,
                      const SimFeatureLogReport *rep, bool told)
{
    uint64_t from = page * log->page_size, to = from + log->page_size;

    if (told) {
        set_bits(rep, from, to);
        log->reported_pages++;
    }
    if (!told || (from >= rep->iova && to <= rep->iova + rep->length)) {
        change_page(log, block, page, false);
    }
}

/* The same for pages @first to @last. Returns how many were dirty. */
static uint64_t take_pages(SimDmaLog *log, uint64_t first, uint64_t last,
                           const SimFeatureLogReport *rep, bool told)
{
    uint64_t count = 0;

    for (uint64_t page = first; page <= last; page++) {
        uint8_t *block = block_of(log, page, false);

        if (!block) {
            page |= BLOCK_PAGES - 1;
        } else if (test_page(block, page)) {
            take_page(log, block, page, rep, told);
            count++;
        }
    }
    return count;
}

/*
 * A device that rounds the start of a report down to a multiple of @rounding
 * pages from the start of the range: dirty pages between there and the
 * requested start are lost, and as many pages at the end are left out.
 */
static uint64_t report_range(SimDmaLog *log, const SimRange *r,
                             const SimFeatureLogReport *rep,
                             uint64_t rounding)
{
    uint64_t from = MAX(rep->iova, r->offset);
    uint64_t to = MIN(rep->iova + rep->length, end_of(r));
    uint64_t first = from / log->page_size;
    uint64_t last = (to - 1) / log->page_size;
    uint64_t skip = (first - r->offset / log->page_size) % rounding;

    if (from >= to) {
        return 0;
    }
    if (skip) {
        take_pages(log, first - skip, first - 1, rep, false);
    }
    if (last - first < skip) {
        return 0;
    }
    return take_pages(log, first, last - skip, rep, true);
}

static uint64_t report(SimDevice *d, const SimFeatureLogReport *rep)
{
    uint64_t rounding = d->mig.cfg.v2.log_rounding, pages = 0;

    for (unsigned i = 0; i < d->log.ranges->len; i++) {
        pages += report_range(&d->log, range_at(&d->log, i), rep, rounding);
    }
    return pages;
}

static int check_report(SimDevice *d, const SimFeatureLogReport *rep)
{
    SimMig *m = &d->mig;

    if (rep->page_size < MIN_PAGE_BYTES ||
        rep->page_size & (rep->page_size - 1)) {
        sim_host_violation(m, "log-report by pages of 0x%llx bytes",
                           (ull)rep->page_size);
        return -EINVAL;
    }
    if (rep->length > UINT64_MAX - rep->iova) {
        sim_host_violation(m, "log-report beyond the end of addresses");
        return -EOVERFLOW;
    }
    if (!d->log.on) {
        if (!d->log.lost) {
            sim_host_violation(m, "log-report while the log is off");
        }
        return m->cfg.v2.log_takes_misuse ? 0 : -EINVAL;
    }
    if (!inside(&d->log, rep->iova, rep->length)) {
        sim_host_violation(m, "log-report of 0x%llx+0x%llx outside of the "
                           "ranges", (ull)rep->iova, (ull)rep->length);
        return m->cfg.v2.log_outside_is_silent ? 0 : -EINVAL;
    }
    return 0;
}

/* A driver that reports pages not written, up to the end of the last word */
static void report_more(const SimFeatureLogReport *rep, uint64_t pattern)
{
    uint64_t *words = (uint64_t *)(uintptr_t)rep->bitmap;
    uint64_t pages = rep->length / rep->page_size;

    for (uint64_t i = 0; i < pages / 64 + !!(pages % 64); i++) {
        words[i] |= pattern;
    }
}

int sim_dma_log_report(SimDevice *d, void *data)
{
    const SimFeatureLogReport *rep = data;
    int64_t start_us = g_get_monotonic_time();
    uint64_t pages = 0;
    SimOutcome out;
    int ret;

    sim_host_event(&d->mig, SIM_EV_LOG_REPORT, d->mig.state, &out);
    ret = out.err ? -out.err : check_report(d, rep);
    if (!ret && rep->length && d->log.on) {
        g_mutex_lock(&d->dma.lock);
        pages = report(d, rep);
        d->log.reports++;
        g_mutex_unlock(&d->dma.lock);
        if (out.has_value) {
            report_more(rep, out.value);
        }
    }
    sim_log(d->cfg.name, "log-report iova=0x%llx size=0x%llx "
            "page-size=0x%llx dirty=%llu us=%lld ret=%d", (ull)rep->iova,
            (ull)rep->length, (ull)rep->page_size, (ull)pages,
            (long long)(g_get_monotonic_time() - start_us), ret);
    return ret;
}
