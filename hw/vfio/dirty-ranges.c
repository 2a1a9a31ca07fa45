/*
 * Which address ranges a device logs its DMA in, and how they are read
 *
 * Owns: how sections of memory are covered by a few ranges, which part of a
 * wanted range these contain, where a report begins and ends, and what becomes
 * of the bits around the wanted ones. Does not own: the log (dirty-device.c),
 * sections (dirty-sections.c).
 *
 * Locks: none, pure; its user holds the BQL.
 * Source: linux/vfio.h, DMA logging; docs/dirty-tracking.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/vfio/dirty-ranges.h"

#define WORD_BITS   64

/* ---- from sections to ranges ---- */

static int vfio_dirty_compare_iova(const void *a, const void *b)
{
    uint64_t left = ((const VFIODirtyRange *)a)->iova;
    uint64_t right = ((const VFIODirtyRange *)b)->iova;

    return left < right ? -1 : left > right;
}

/* Number of the page after @range; cannot overflow: it counts pages */
static uint64_t vfio_dirty_end_page(const VFIODirtyRange *range,
                                    unsigned page_shift)
{
    return (range->iova >> page_shift) + range->pages;
}

/*
 * Round to whole words of a bitmap. Reports then consist of whole words
 * relative to the range as well, even if the device merges several ranges
 * into one. The last page of the address space is left out: a range cannot
 * end at 2^64.
 */
static VFIODirtyRange vfio_dirty_round(const VFIODirtyRange *section,
                                       unsigned page_shift)
{
    uint64_t first = section->iova >> page_shift;
    uint64_t end = vfio_dirty_end_page(section, page_shift);

    first = first / WORD_BITS * WORD_BITS;
    end = (end / WORD_BITS + !!(end % WORD_BITS)) * WORD_BITS;
    end = MIN(end, UINT64_MAX >> page_shift);
    return (VFIODirtyRange) { first << page_shift, end - first };
}

/* Extend @last so that it covers @next, which does not begin before it. */
static void vfio_dirty_join(VFIODirtyRange *last, const VFIODirtyRange *next,
                            unsigned page_shift)
{
    uint64_t end = MAX(vfio_dirty_end_page(last, page_shift),
                       vfio_dirty_end_page(next, page_shift));

    last->pages = end - (last->iova >> page_shift);
}

/* Sort, round, and join what overlaps or touches. Returns the new count. */
static unsigned vfio_dirty_sort_out(VFIODirtyRange *ranges, unsigned count,
                                    unsigned page_shift)
{
    unsigned n = 0;

    if (count) {        /* otherwise @ranges may be NULL */
        qsort(ranges, count, sizeof(*ranges), vfio_dirty_compare_iova);
    }
    for (unsigned i = 0; i < count; i++) {
        VFIODirtyRange next = vfio_dirty_round(&ranges[i], page_shift);

        if (n && next.iova >> page_shift <=
                 vfio_dirty_end_page(&ranges[n - 1], page_shift)) {
            vfio_dirty_join(&ranges[n - 1], &next, page_shift);
        } else {
            ranges[n++] = next;
        }
    }
    return n;
}

/* Join the two neighbours with the smallest gap between them. */
static void vfio_dirty_close_gap(VFIODirtyRange *ranges, unsigned count,
                                 unsigned page_shift)
{
    uint64_t narrowest = UINT64_MAX;
    unsigned at = 0;

    for (unsigned i = 0; i + 1 < count; i++) {
        uint64_t gap = (ranges[i + 1].iova >> page_shift) -
                       vfio_dirty_end_page(&ranges[i], page_shift);

        if (gap < narrowest) {
            narrowest = gap;
            at = i;
        }
    }
    vfio_dirty_join(&ranges[at], &ranges[at + 1], page_shift);
    memmove(&ranges[at + 1], &ranges[at + 2],
            (count - at - 2) * sizeof(*ranges));
}

void vfio_dirty_ranges_cover(VFIODirtyRanges *ranges,
                             VFIODirtyRange *sections, unsigned nr_sections,
                             unsigned page_shift)
{
    unsigned count = vfio_dirty_sort_out(sections, nr_sections, page_shift);

    for (; count > VFIO_DIRTY_RANGES_MAX; count--) {
        vfio_dirty_close_gap(sections, count, page_shift);
    }
    memset(ranges, 0, sizeof(*ranges));
    ranges->count = count;
    for (unsigned i = 0; i < count; i++) {
        ranges->at[i] = sections[i];
    }
}

uint64_t vfio_dirty_ranges_pages(const VFIODirtyRanges *ranges)
{
    uint64_t pages = 0;

    for (unsigned i = 0; i < ranges->count; i++) {
        pages += ranges->at[i].pages;
    }
    return pages;
}

/* ---- reports ---- */

uint64_t vfio_dirty_ranges_part(const VFIODirtyRanges *ranges,
                                const VFIODirtyRange *wanted,
                                unsigned page_shift,
                                const VFIODirtyRange **inside)
{
    uint64_t first = wanted->iova >> page_shift;

    *inside = NULL;
    for (unsigned i = 0; i < ranges->count; i++) {
        const VFIODirtyRange *range = &ranges->at[i];
        uint64_t end = vfio_dirty_end_page(range, page_shift);

        if (first < range->iova >> page_shift) {
            return MIN(wanted->pages, (range->iova >> page_shift) - first);
        }
        if (first < end) {
            *inside = range;
            return MIN(wanted->pages, end - first);
        }
    }
    return wanted->pages;
}

VFIODirtyWindow vfio_dirty_window(const VFIODirtyRange *range,
                                  const VFIODirtyRange *wanted,
                                  unsigned page_shift, uint64_t max_pages)
{
    /* All in pages, relative to the start of the range */
    uint64_t at = (wanted->iova - range->iova) >> page_shift;
    uint64_t begin = at / WORD_BITS * WORD_BITS;
    uint64_t end = at + wanted->pages;
    VFIODirtyWindow window = { .first = at - begin };

    max_pages = max_pages / WORD_BITS * WORD_BITS;
    end = MIN((end / WORD_BITS + !!(end % WORD_BITS)) * WORD_BITS,
              range->pages);
    window.report.iova = range->iova + (begin << page_shift);
    window.report.pages = MIN(end - begin, max_pages);
    window.pages = MIN(wanted->pages, window.report.pages - window.first);
    return window;
}

/* ---- bits around the wanted range ---- */

/* Words of reports by the address of their first page; both are uint64_t */
struct VFIODirtyCarry {
    GHashTable *words;
};

VFIODirtyCarry *vfio_dirty_carry_new(void)
{
    VFIODirtyCarry *carry = g_new(VFIODirtyCarry, 1);

    carry->words = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free,
                                         g_free);
    return carry;
}

void vfio_dirty_carry_free(VFIODirtyCarry *carry)
{
    g_hash_table_unref(carry->words);
    g_free(carry);
}

static uint64_t vfio_dirty_word_iova(const VFIODirtyWindow *window,
                                     unsigned page_shift, uint64_t word)
{
    return window->report.iova + (word * WORD_BITS << page_shift);
}

/* Only the first and the last word of a report can have unwanted bits. */
static uint64_t vfio_dirty_last_word(const VFIODirtyWindow *window)
{
    return (window->report.pages - 1) / WORD_BITS;
}

/* The memory map may have changed: any word of the report may have been kept */
void vfio_dirty_carry_take(VFIODirtyCarry *carry,
                           const VFIODirtyWindow *window, unsigned page_shift,
                           uint64_t *bitmap)
{
    GHashTableIter iter;
    gpointer key, value;

    g_hash_table_iter_init(&iter, carry->words);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        uint64_t iova = *(uint64_t *)key;
        uint64_t page = (iova - window->report.iova) >> page_shift;

        if (iova >= window->report.iova && page < window->report.pages) {
            bitmap[page / WORD_BITS] |= *(uint64_t *)value;
            g_hash_table_iter_remove(&iter);
        }
    }
}

/* Move the bits of @word that are not in @mine to @carry. */
static void vfio_dirty_keep_word(VFIODirtyCarry *carry, uint64_t iova,
                                 uint64_t *word, uint64_t mine)
{
    uint64_t others = *word & ~mine;

    *word &= mine;
    if (others) {
        g_hash_table_insert(carry->words, g_memdup2(&iova, sizeof(iova)),
                            g_memdup2(&others, sizeof(others)));
    }
}

/* Mask of those of the bits from @from to @end that are in word @word */
static uint64_t vfio_dirty_word_mask(uint64_t word, uint64_t from,
                                     uint64_t end)
{
    uint64_t mask = UINT64_MAX;

    if (from > word * WORD_BITS) {
        mask &= UINT64_MAX << (from - word * WORD_BITS);
    }
    if (end < (word + 1) * WORD_BITS) {
        mask &= UINT64_MAX >> ((word + 1) * WORD_BITS - end);
    }
    return mask;
}

void vfio_dirty_carry_keep(VFIODirtyCarry *carry,
                           const VFIODirtyWindow *window, unsigned page_shift,
                           uint64_t *bitmap)
{
    uint64_t end = window->first + window->pages;
    uint64_t last = vfio_dirty_last_word(window);

    vfio_dirty_keep_word(carry, vfio_dirty_word_iova(window, page_shift, 0),
                         &bitmap[0],
                         vfio_dirty_word_mask(0, window->first, end));
    vfio_dirty_keep_word(carry,
                         vfio_dirty_word_iova(window, page_shift, last),
                         &bitmap[last],
                         vfio_dirty_word_mask(last, window->first, end));
}
