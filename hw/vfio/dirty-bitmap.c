/*
 * Dirty bitmaps of device DMA: arithmetic on pages and bits
 *
 * Owns: how ranges become pages, where a range may be cut, and how set bits
 * leave a bitmap: as words in the receiver's alignment, or as ranges. Does not
 * own: where bitmaps come from and what a page is (dirty-container.c).
 *
 * Locks: none, pure.
 * Source: docs/dirty-tracking.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/vfio/dirty-bitmap.h"

#define WORD_BITS   64

/*
 * Words passed to the callback at once: enough to make the cost of the call
 * negligible, few enough to stay in the L1 cache along with their source.
 */
#define CHUNK_WORDS 256

bool vfio_dirty_range(uint64_t first_iova, uint64_t last_iova,
                      unsigned page_shift, VFIODirtyRange *range)
{
    uint64_t mask = (UINT64_C(1) << page_shift) - 1;
    uint64_t first = (first_iova >> page_shift) + !!(first_iova & mask);
    /* The page after the last whole one; cannot overflow: it counts pages */
    uint64_t end = (last_iova >> page_shift) + ((last_iova & mask) == mask);

    range->iova = 0;
    range->pages = 0;
    if (last_iova < first_iova || end <= first) {
        return false;
    }
    range->iova = first << page_shift;
    range->pages = end - first;
    return true;
}

uint64_t vfio_dirty_bitmap_bytes(uint64_t pages)
{
    return (pages / WORD_BITS + !!(pages % WORD_BITS)) * sizeof(uint64_t);
}

uint64_t vfio_dirty_pages_max(uint64_t max_bitmap_bytes)
{
    uint64_t words = max_bitmap_bytes / sizeof(uint64_t);

    return words >= VFIO_DIRTY_PAGES_MAX / WORD_BITS ? VFIO_DIRTY_PAGES_MAX
                                                     : words * WORD_BITS;
}

uint64_t vfio_dirty_next_pages(uint64_t offset_pages, uint64_t mapping_pages,
                               uint64_t left_pages, uint64_t max_pages)
{
    uint64_t lead, whole;

    if (left_pages <= max_pages) {
        return left_pages;
    }
    /* Up to the end of the mapping that the range starts in, then whole ones */
    lead = mapping_pages - offset_pages % mapping_pages;
    if (lead > max_pages) {
        return 0;
    }
    whole = (max_pages - lead) / mapping_pages * mapping_pages;
    return lead + whole;
}

/* Index of the first nonzero word at or after @from, or @end */
static uint64_t vfio_dirty_skip_words(const uint64_t *bitmap, uint64_t from,
                                      uint64_t end)
{
    /* Most of a bitmap is zero: skip four words at a time while it is */
    while (end - from >= 4 && !(bitmap[from] | bitmap[from + 1] |
                                bitmap[from + 2] | bitmap[from + 3])) {
        from += 4;
    }
    while (from < end && !bitmap[from]) {
        from++;
    }
    return from;
}

/* The first set bit at or after @at, or @end */
static uint64_t vfio_dirty_next_set(const uint64_t *bitmap, uint64_t at,
                                    uint64_t end)
{
    uint64_t word = at / WORD_BITS;
    uint64_t words = end / WORD_BITS + !!(end % WORD_BITS);
    uint64_t value;

    if (at >= end) {
        return end;
    }
    value = bitmap[word] & (UINT64_MAX << at % WORD_BITS);
    if (!value) {
        word = vfio_dirty_skip_words(bitmap, word + 1, words);
        if (word == words) {
            return end;
        }
        value = bitmap[word];
    }
    return MIN(word * WORD_BITS + __builtin_ctzll(value), end);
}

/* The first clear bit at or after @at, or @end */
static uint64_t vfio_dirty_next_clear(const uint64_t *bitmap, uint64_t at,
                                      uint64_t end)
{
    uint64_t value = ~bitmap[at / WORD_BITS] & (UINT64_MAX << at % WORD_BITS);

    while (!value) {
        at = (at / WORD_BITS + 1) * WORD_BITS;
        if (at >= end) {
            return end;
        }
        value = ~bitmap[at / WORD_BITS];
    }
    return MIN(at / WORD_BITS * WORD_BITS + __builtin_ctzll(value), end);
}

bool vfio_dirty_next_range(const uint64_t *bitmap, uint64_t *at, uint64_t end,
                           uint64_t *first, uint64_t *count)
{
    *first = vfio_dirty_next_set(bitmap, *at, end);
    if (*first == end) {
        *at = end;
        return false;
    }
    *at = vfio_dirty_next_clear(bitmap, *first, end);
    *count = *at - *first;
    return true;
}

bool vfio_dirty_is_clear(const uint64_t *bitmap, uint64_t bits)
{
    return vfio_dirty_next_set(bitmap, 0, bits) == bits;
}

bool vfio_dirty_is_full(const uint64_t *bitmap, uint64_t first, uint64_t bits)
{
    return !bits ||
           vfio_dirty_next_clear(bitmap, first, first + bits) == first + bits;
}

static uint64_t vfio_dirty_low_bits(unsigned count)
{
    return count == WORD_BITS ? UINT64_MAX : (UINT64_C(1) << count) - 1;
}

/* Return and clear @count (1 to 64) bits of @bitmap, starting at bit @at */
static uint64_t vfio_dirty_take_bits(uint64_t *bitmap, uint64_t at,
                                     unsigned count)
{
    uint64_t *word = &bitmap[at / WORD_BITS];
    unsigned shift = at % WORD_BITS;
    unsigned low = MIN(count, WORD_BITS - shift);
    uint64_t mask = vfio_dirty_low_bits(low) << shift;
    uint64_t bits = (word[0] & mask) >> shift;

    word[0] &= ~mask;
    if (count > low) {
        mask = vfio_dirty_low_bits(count - low);
        bits |= (word[1] & mask) << low;
        word[1] &= ~mask;
    }
    return bits;
}

/*
 * Fill @words from @bitmap, starting at bit @at and up to @end; the first word
 * is filled from its bit @shift. Stops at a word without a set bit. Advances
 * @at.
 */
static unsigned vfio_dirty_fill_words(uint64_t *bitmap, uint64_t *at,
                                      uint64_t end, unsigned shift,
                                      uint64_t *words)
{
    unsigned n = 0;

    while (n < CHUNK_WORDS && *at < end) {
        unsigned count = MIN(WORD_BITS - shift, end - *at);
        uint64_t bits = vfio_dirty_take_bits(bitmap, *at, count);

        *at += count;
        if (!bits) {
            break;
        }
        words[n++] = GUINT64_TO_LE(bits << shift);
        shift = 0;
    }
    return n;
}

void vfio_dirty_take_words(uint64_t *bitmap, uint64_t first, uint64_t bits,
                           uint64_t page, VFIODirtyWordsFunc *func,
                           void *opaque)
{
    uint64_t words[CHUNK_WORDS];
    uint64_t end = first + bits;
    uint64_t at = first;

    while ((at = vfio_dirty_next_set(bitmap, at, end)) < end) {
        uint64_t here = page + (at - first);
        unsigned shift = here % WORD_BITS;
        unsigned n = vfio_dirty_fill_words(bitmap, &at, end, shift, words);

        func(words, here - shift, n, opaque);
    }
}

static void vfio_dirty_clear(uint64_t *bitmap, uint64_t first, uint64_t count)
{
    while (count) {
        unsigned n = MIN(count, WORD_BITS - first % WORD_BITS);

        bitmap[first / WORD_BITS] &=
            ~(vfio_dirty_low_bits(n) << first % WORD_BITS);
        first += n;
        count -= n;
    }
}

void vfio_dirty_take_pages(uint64_t *bitmap, uint64_t first, uint64_t bits,
                           uint64_t page, VFIODirtyPagesFunc *func,
                           void *opaque)
{
    uint64_t at = first, run, count;

    while (vfio_dirty_next_range(bitmap, &at, first + bits, &run, &count)) {
        vfio_dirty_clear(bitmap, run, count);
        func(page + (run - first), count, opaque);
    }
}
