/*
 * Tests of hw/vfio/dirty-ranges.c
 *
 * The models only have single pages: an array of bool says which pages are in
 * sections, a device is an array of bool that it logs to. Random input is
 * compared with them for pages of 4, 16 and 64 KiB, at the first and the last
 * page of the address space and around 2^32 and 2^63.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/vfio/dirty-ranges.h"

#define GROUP       64          /* pages: one word of a bitmap */
#define SPAN        40          /* groups with the sections of a test */
#define SECTIONS    8

static const unsigned page_shifts[] = { 12, 14, 16 };

static uint64_t random_below(uint64_t limit)
{
    return ((uint64_t)g_test_rand_int() << 32 | (uint32_t)g_test_rand_int()) %
           limit;
}

static unsigned random_shift(void)
{
    return page_shifts[random_below(G_N_ELEMENTS(page_shifts))];
}

/* First page of a span: at either end of the address space, or at a boundary */
static uint64_t random_base(unsigned shift)
{
    const uint64_t end = UINT64_C(1) << (64 - shift);
    const uint64_t half = SPAN / 2 * GROUP;
    const uint64_t bases[] = {
        0, GROUP, (UINT64_C(1) << (32 - shift)) - half, end / 2 - half,
        end - SPAN * GROUP,
    };

    return bases[random_below(G_N_ELEMENTS(bases))];
}

/* ---- from sections to ranges ---- */

typedef struct Cover {
    uint64_t base;              /* first page */
    unsigned shift;
    bool wanted[SPAN];          /* by group */
    VFIODirtyRange sections[SECTIONS];
    unsigned nr_sections;
} Cover;

static void cover_init(Cover *c)
{
    memset(c, 0, sizeof(*c));
    c->shift = random_shift();
    c->base = random_base(c->shift);
    c->nr_sections = random_below(SECTIONS + 1);
    for (unsigned i = 0; i < c->nr_sections; i++) {
        uint64_t first = random_below(SPAN * GROUP);
        uint64_t pages = 1 + random_below(MIN(SPAN * GROUP - first,
                                              5 * GROUP));

        c->sections[i].iova = (c->base + first) << c->shift;
        c->sections[i].pages = pages;
        for (uint64_t page = first; page < first + pages; page++) {
            c->wanted[page / GROUP] = true;
        }
    }
}

/* Does the span end with the address space? Its last page is never covered. */
static bool at_the_end(const Cover *c)
{
    return c->base + SPAN * GROUP == UINT64_C(1) << (64 - c->shift);
}

/* Pages from the first to the last wanted group between @from and @end */
static uint64_t hull(const Cover *c, unsigned from, unsigned end)
{
    while (from < end && !c->wanted[from]) {
        from++;
    }
    while (end > from && !c->wanted[end - 1]) {
        end--;
    }
    return (end - from) * GROUP - (end > from && end == SPAN && at_the_end(c));
}

/* The fewest pages that three hulls can have, by trying all splits */
static uint64_t model_fewest(const Cover *c)
{
    uint64_t fewest = SPAN * GROUP;

    for (unsigned a = 0; a <= SPAN; a++) {
        for (unsigned b = a; b <= SPAN; b++) {
            fewest = MIN(fewest, hull(c, 0, a) + hull(c, a, b) +
                                 hull(c, b, SPAN));
        }
    }
    return fewest;
}

static void check_ranges(const Cover *c, const VFIODirtyRanges *ranges)
{
    bool have[SPAN * GROUP + 1] = { false };

    g_assert_cmpuint(ranges->count, <=, 3);
    for (unsigned i = 0; i < ranges->count; i++) {
        const VFIODirtyRange *range = &ranges->at[i];
        uint64_t first = (range->iova >> c->shift) - c->base;
        uint64_t end = first + range->pages;
        uint64_t bytes = range->pages << c->shift;

        g_assert_cmphex(range->iova & ((UINT64_C(1) << c->shift) - 1), ==, 0);
        g_assert_cmpuint(range->pages, >, 0);
        g_assert_cmpuint(end, <=, SPAN * GROUP);
        g_assert_cmphex(range->iova, <=, UINT64_MAX - bytes);
        g_assert_cmpuint(first % GROUP, ==, 0);
        g_assert_true(end % GROUP == 0 ||
                      (end == SPAN * GROUP - 1 && at_the_end(c)));
        /* Ascending, with a gap */
        g_assert_true(i == 0 || range->iova > ranges->at[i - 1].iova);
        g_assert_true(first == 0 || !have[first - 1]);
        for (uint64_t page = first; page < end; page++) {
            g_assert_false(have[page]);
            have[page] = true;
        }
        /* Tight: it starts and ends with a wanted group */
        g_assert_true(c->wanted[first / GROUP]);
        g_assert_true(c->wanted[(end - 1) / GROUP]);
    }
    for (unsigned page = 0; page < SPAN * GROUP - at_the_end(c); page++) {
        g_assert_true(have[page] || !c->wanted[page / GROUP]);
    }
}

static void test_cover(void)
{
    for (unsigned i = 0; i < 2000; i++) {
        VFIODirtyRanges ranges;
        Cover c;

        cover_init(&c);
        vfio_dirty_ranges_cover(&ranges, c.sections, c.nr_sections, c.shift);
        check_ranges(&c, &ranges);
        g_assert_cmpuint(vfio_dirty_ranges_pages(&ranges), ==,
                         model_fewest(&c));
    }
}

static void test_cover_edges(void)
{
    const uint64_t gib = 1 << 30, page = 4096;
    /* A PC with 8 GiB, and a BAR of RAM at 56 TiB */
    VFIODirtyRange pc[] = {
        { 0, 0xa0 }, { 0xc0000, 0x40 }, { 0x100000, 3 * gib / page - 0x100 },
        { 0xfd000000, 0x1000 }, { 4 * gib, 5 * gib / page },
        { UINT64_C(56) << 40, 0x101 },
    };
    /* The whole address space: 2^52 pages, whose bytes overflow 64 bits */
    VFIODirtyRange all = { 0, UINT64_C(1) << 52 };
    VFIODirtyRange last = { UINT64_MAX - (page - 1), 1 };
    VFIODirtyRanges ranges;

    vfio_dirty_ranges_cover(&ranges, pc, G_N_ELEMENTS(pc), 12);
    g_assert_cmpuint(ranges.count, ==, 3);
    g_assert_cmphex(ranges.at[0].iova, ==, 0);
    g_assert_cmphex(ranges.at[0].pages, ==, 3 * gib / page);
    g_assert_cmphex(ranges.at[1].iova, ==, 0xfd000000);
    g_assert_cmphex(ranges.at[1].pages, ==, (9 * gib - 0xfd000000) / page);
    g_assert_cmphex(ranges.at[2].iova, ==, UINT64_C(56) << 40);
    g_assert_cmphex(ranges.at[2].pages, ==, 0x140);

    vfio_dirty_ranges_cover(&ranges, &all, 1, 12);
    g_assert_cmpuint(ranges.count, ==, 1);
    g_assert_cmphex(ranges.at[0].pages, ==, (UINT64_C(1) << 52) - 1);
    vfio_dirty_ranges_cover(&ranges, &last, 1, 12);
    g_assert_cmpuint(ranges.count, ==, 1);
    g_assert_cmphex(ranges.at[0].iova, ==, UINT64_MAX - (64 * page - 1));
    g_assert_cmpuint(ranges.at[0].pages, ==, 63);
    vfio_dirty_ranges_cover(&ranges, NULL, 0, 12);
    g_assert_cmpuint(ranges.count, ==, 0);
}

/* ---- parts of a piece ---- */

/* The range that contains the page, if any */
static const VFIODirtyRange *model_range_of(const VFIODirtyRanges *ranges,
                                            uint64_t page, unsigned shift)
{
    const VFIODirtyRange *found = NULL;

    for (unsigned i = 0; i < ranges->count; i++) {
        uint64_t first = ranges->at[i].iova >> shift;

        if (page >= first && page - first < ranges->at[i].pages) {
            found = &ranges->at[i];
        }
    }
    return found;
}

static void check_parts(const VFIODirtyRanges *ranges, VFIODirtyRange piece,
                        unsigned shift)
{
    while (piece.pages) {
        const VFIODirtyRange *inside;
        uint64_t first = piece.iova >> shift;
        uint64_t pages = vfio_dirty_ranges_part(ranges, &piece, shift,
                                                &inside);

        g_assert_cmpuint(pages, >, 0);
        g_assert_cmpuint(pages, <=, piece.pages);
        for (uint64_t n = 0; n < pages; n++) {
            g_assert_true(model_range_of(ranges, first + n, shift) == inside);
        }
        if (pages < piece.pages) {
            g_assert_true(model_range_of(ranges, first + pages, shift) !=
                          inside);
        }
        piece.iova += pages << shift;
        piece.pages -= pages;
    }
}

static void test_part(void)
{
    for (unsigned i = 0; i < 5000; i++) {
        VFIODirtyRanges ranges;
        VFIODirtyRange piece;
        uint64_t first = random_below(SPAN * GROUP);
        Cover c;

        cover_init(&c);
        vfio_dirty_ranges_cover(&ranges, c.sections, c.nr_sections, c.shift);
        piece.iova = (c.base + first) << c.shift;
        piece.pages = 1 + random_below(SPAN * GROUP - first);
        check_parts(&ranges, piece, c.shift);
    }
}

/* ---- reports ---- */

static void test_window(void)
{
    for (unsigned i = 0; i < 50000; i++) {
        unsigned shift = random_shift();
        VFIODirtyRange range = {
            .iova = random_below(1000) << shift, .pages = 1 + random_below(400)
        };
        uint64_t at = random_below(range.pages);
        VFIODirtyRange piece = {
            .iova = range.iova + (at << shift),
            .pages = 1 + random_below(range.pages - at),
        };
        uint64_t max = 64 + random_below(300);
        VFIODirtyWindow w = vfio_dirty_window(&range, &piece, shift, max);
        uint64_t begin = (w.report.iova - range.iova) >> shift;
        uint64_t end = begin + w.report.pages;

        /* Whole words of the range, or up to its end; inside of it */
        g_assert_cmphex(w.report.iova, >=, range.iova);
        g_assert_cmpuint(begin % 64, ==, 0);
        g_assert_true(end % 64 == 0 || end == range.pages);
        g_assert_cmpuint(end, <=, range.pages);
        g_assert_cmpuint(w.report.pages, <=, max);
        /* The piece begins in the first word of the report */
        g_assert_cmpuint(begin + w.first, ==, at);
        g_assert_cmpuint(w.first, <, 64);
        /* As much of the piece as fits, and no unneeded words */
        g_assert_cmpuint(w.pages, >, 0);
        g_assert_cmpuint(w.pages, <=, piece.pages);
        g_assert_cmpuint(w.first + w.pages, <=, w.report.pages);
        g_assert_cmpuint(w.report.pages - w.first - w.pages, <, 64);
        if (w.pages < piece.pages) {
            g_assert_cmpuint(w.report.pages, >, max - 64);
        }
    }
}

/* ---- bits outside of the piece ---- */

#define DEVICE_PAGES    500

/* A device that logs one range; each page belongs to one section */
typedef struct Device {
    VFIODirtyRange range;
    unsigned shift;
    bool logged[DEVICE_PAGES];  /* in the device's log */
    bool owed[DEVICE_PAGES];    /* written, not yet reported to its owner */
    VFIODirtyCarry *carry;
} Device;

static void device_report(Device *d, const VFIODirtyRange *report,
                          uint64_t *bitmap)
{
    uint64_t first = (report->iova - d->range.iova) >> d->shift;

    for (uint64_t i = 0; i < report->pages; i++) {
        bitmap[i / 64] |= (uint64_t)d->logged[first + i] << i % 64;
        d->logged[first + i] = false;
    }
}

/* Read @pages pages from @first; all that was written there is reported. */
static void device_read(Device *d, uint64_t first, uint64_t pages)
{
    uint64_t max = 64 + random_below(200);

    while (pages) {
        uint64_t bitmap[DEVICE_PAGES / 64 + 1] = { 0 };
        VFIODirtyRange piece = {
            d->range.iova + (first << d->shift), pages,
        };
        VFIODirtyWindow w = vfio_dirty_window(&d->range, &piece, d->shift,
                                              max);

        device_report(d, &w.report, bitmap);
        vfio_dirty_carry_take(d->carry, &w, d->shift, bitmap);
        vfio_dirty_carry_keep(d->carry, &w, d->shift, bitmap);
        for (uint64_t i = 0; i < w.report.pages; i++) {
            bool bit = bitmap[i / 64] >> i % 64 & 1;
            bool mine = i >= w.first && i < w.first + w.pages;

            g_assert_cmpint(bit, ==,
                            mine && d->owed[first - w.first + i]);
        }
        memset(&d->owed[first], false, w.pages);
        first += w.pages;
        pages -= w.pages;
    }
}

static void test_carry(void)
{
    for (unsigned i = 0; i < 300; i++) {
        Device d = { .shift = random_shift() };

        d.range.iova = random_below(1000) << d.shift;
        d.range.pages = DEVICE_PAGES - random_below(64);
        d.carry = vfio_dirty_carry_new();
        for (unsigned step = 0; step < 200; step++) {
            uint64_t first = random_below(d.range.pages);

            if (g_test_rand_bit()) {
                d.logged[first] = d.owed[first] = true;
            } else {
                device_read(&d, first,
                            1 + random_below(d.range.pages - first));
            }
        }
        device_read(&d, 0, d.range.pages);
        vfio_dirty_carry_free(d.carry);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dirty-ranges/cover", test_cover);
    g_test_add_func("/dirty-ranges/cover-edges", test_cover_edges);
    g_test_add_func("/dirty-ranges/part", test_part);
    g_test_add_func("/dirty-ranges/window", test_window);
    g_test_add_func("/dirty-ranges/carry", test_carry);
    return g_test_run();
}
