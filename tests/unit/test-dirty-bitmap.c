/*
 * Tests of hw/vfio/dirty-bitmap.c and dirty-mappings.c
 *
 * The models use no words of bits: the pages of ranges are counted one by one,
 * bitmaps are arrays of bool, mappings a plain list. Random input is compared
 * with them for pages of 4, 16 and 64 KiB, with unaligned ends, at the first
 * and the last page of the address space and around 2^63.
 *
 * Source: docs/contract.md, Dirty pages.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/vfio/dirty-bitmap.h"
#include "hw/vfio/dirty-mappings.h"

static const unsigned page_shifts[] = { 12, 14, 16 };

static uint64_t random_u64(void)
{
    return (uint64_t)g_test_rand_int() << 32 | (uint32_t)g_test_rand_int();
}

/* Less than @limit, which is small */
static uint64_t random_below(uint64_t limit)
{
    return random_u64() % limit;
}

/* ---- ranges ---- */

/* The pages that are completely in the range, counted one by one */
static void model_range(uint64_t first, uint64_t last, unsigned shift,
                        VFIODirtyRange *range)
{
    uint64_t page_bytes = UINT64_C(1) << shift;
    uint64_t page = first / page_bytes * page_bytes;
    uint64_t page_last = page + (page_bytes - 1);

    range->iova = range->pages = 0;
    for (; page_last <= last; page += page_bytes, page_last += page_bytes) {
        if (page >= first) {
            range->iova = range->pages ? range->iova : page;
            range->pages++;
        }
        if (page_last == UINT64_MAX) {
            break;
        }
    }
}

static void check_range(uint64_t first, uint64_t last, unsigned shift)
{
    VFIODirtyRange want, got;
    bool any;

    model_range(first, last, shift, &want);
    any = vfio_dirty_range(first, last, shift, &got);
    g_assert_cmpint(any, ==, want.pages != 0);
    g_assert_cmphex(got.iova, ==, want.iova);
    g_assert_cmpuint(got.pages, ==, want.pages);
}

static void test_range_edges(void)
{
    VFIODirtyRange range;

    for (unsigned i = 0; i < G_N_ELEMENTS(page_shifts); i++) {
        unsigned shift = page_shifts[i];
        uint64_t page = UINT64_C(1) << shift;

        /* The whole address space, and each half */
        g_assert_true(vfio_dirty_range(0, UINT64_MAX, shift, &range));
        g_assert_cmphex(range.iova, ==, 0);
        g_assert_cmphex(range.pages, ==, UINT64_C(1) << (64 - shift));
        g_assert_true(vfio_dirty_range(0, INT64_MAX, shift, &range));
        g_assert_cmphex(range.pages, ==, UINT64_C(1) << (63 - shift));
        g_assert_true(vfio_dirty_range(UINT64_C(1) << 63, UINT64_MAX, shift,
                                       &range));
        g_assert_cmphex(range.iova, ==, UINT64_C(1) << 63);
        g_assert_cmphex(range.pages, ==, UINT64_C(1) << (63 - shift));

        /* The last and the first page, complete and incomplete */
        check_range(UINT64_MAX - page + 1, UINT64_MAX, shift);
        check_range(UINT64_MAX - page + 2, UINT64_MAX, shift);
        check_range(UINT64_MAX - page + 1, UINT64_MAX - 1, shift);
        check_range(0, page - 1, shift);
        check_range(0, page - 2, shift);
        check_range(1, page, shift);
        check_range(UINT64_MAX, UINT64_MAX, shift);
        g_assert_false(vfio_dirty_range(page, 0, shift, &range));
    }
}

/* ---- sizes, and the limit of one bitmap ---- */

static void test_sizes(void)
{
    g_assert_cmpuint(vfio_dirty_bitmap_bytes(0), ==, 0);
    g_assert_cmpuint(vfio_dirty_bitmap_bytes(1), ==, 8);
    g_assert_cmpuint(vfio_dirty_bitmap_bytes(64), ==, 8);
    g_assert_cmpuint(vfio_dirty_bitmap_bytes(65), ==, 16);
    g_assert_cmpuint(vfio_dirty_bitmap_bytes(UINT64_C(1) << 52), ==,
                     UINT64_C(1) << 49);

    g_assert_cmpuint(vfio_dirty_pages_max(0), ==, 0);
    g_assert_cmpuint(vfio_dirty_pages_max(7), ==, 0);
    g_assert_cmpuint(vfio_dirty_pages_max(8), ==, 64);
    g_assert_cmpuint(vfio_dirty_pages_max(4096), ==, 32768);
    /* 8 TiB in 4 KiB pages; must not overflow a 32-bit shift */
    g_assert_cmpuint(vfio_dirty_pages_max(256 << 20), ==, UINT64_C(1) << 31);
    g_assert_cmpuint(vfio_dirty_pages_max(UINT64_MAX), ==,
                     UINT64_C(1) << 31);
    /* The allowed number of pages fits, and no more */
    for (uint64_t bytes = 0; bytes < 4096; bytes++) {
        uint64_t pages = vfio_dirty_pages_max(bytes);

        g_assert_cmpuint(vfio_dirty_bitmap_bytes(pages), <=, bytes);
        g_assert_cmpuint(vfio_dirty_bitmap_bytes(pages + 1), >, bytes);
    }
}

/* The most pages that end with the range or with a mapping, by trial */
static uint64_t model_next_pages(uint64_t offset, uint64_t granule,
                                 uint64_t left, uint64_t max)
{
    uint64_t best = 0;

    for (uint64_t pages = 1; pages <= left && pages <= max; pages++) {
        if (pages == left || (offset + pages) % granule == 0) {
            best = pages;
        }
    }
    return best;
}

static void test_next_pages(void)
{
    for (unsigned i = 0; i < 50000; i++) {
        uint64_t granule = 1 + random_below(40);
        uint64_t offset = random_below(200);
        uint64_t left = 1 + random_below(300);
        uint64_t max = random_below(150);

        g_assert_cmpuint(vfio_dirty_next_pages(offset, granule, left, max), ==,
                         model_next_pages(offset, granule, left, max));
    }
    /* A mapping of 16 TiB exceeds the kernel's limit, small ones do not */
    g_assert_cmpuint(vfio_dirty_next_pages(0, UINT64_C(1) << 32,
                                           UINT64_C(1) << 32,
                                           VFIO_DIRTY_PAGES_MAX), ==, 0);
    g_assert_cmpuint(vfio_dirty_next_pages(0, 512, UINT64_C(1) << 32,
                                           VFIO_DIRTY_PAGES_MAX), ==,
                     VFIO_DIRTY_PAGES_MAX);
}

/* ---- bits ---- */

#define BITS    1000

typedef struct Shadow {
    bool bits[BITS];            /* contents of the bitmap */
    uint64_t bitmap[BITS / 64 + 1];
    uint64_t page;              /* page number for bit @first */
    uint64_t first;
    bool got[BITS];             /* what was reported, by bit */
    uint64_t last_page;         /* lowest page of the next run */
} Shadow;

/* Clear, scattered, in runs, or full */
static void shadow_fill(Shadow *s)
{
    unsigned kind = random_below(4);
    bool now = false;

    memset(s, 0, sizeof(*s));
    for (unsigned i = 0; i < BITS; i++) {
        if (kind == 1) {
            now = random_below(30) == 0;
        } else if (kind == 2 && random_below(50) == 0) {
            now = !now;
        } else if (kind == 3) {
            now = true;
        }
        s->bits[i] = now;
        s->bitmap[i / 64] |= (uint64_t)now << i % 64;
    }
}

static void shadow_got(Shadow *s, uint64_t page)
{
    uint64_t bit = page - s->page + s->first;

    g_assert_cmpuint(page, >=, s->page);
    g_assert_cmpuint(bit, <, BITS);
    g_assert_false(s->got[bit]);
    s->got[bit] = true;
}

static void take_words(const uint64_t *words, uint64_t first_page,
                       uint64_t nr_words, void *opaque)
{
    Shadow *s = opaque;

    g_assert_cmpuint(first_page % 64, ==, 0);
    g_assert_cmpuint(nr_words, >, 0);
    g_assert_true(words[0] && words[nr_words - 1]);
    for (uint64_t i = 0; i < nr_words * 64; i++) {
        if (GUINT64_FROM_LE(words[i / 64]) >> i % 64 & 1) {
            shadow_got(s, first_page + i);
        }
    }
}

static void take_run(uint64_t first_page, uint64_t pages, void *opaque)
{
    Shadow *s = opaque;

    g_assert_cmpuint(pages, >, 0);
    g_assert_cmpuint(first_page, >=, s->last_page);
    s->last_page = first_page + pages + 1;  /* runs are not adjacent */
    for (uint64_t i = 0; i < pages; i++) {
        shadow_got(s, first_page + i);
    }
}

static void shadow_check(const Shadow *s, uint64_t count)
{
    for (uint64_t i = 0; i < BITS; i++) {
        bool inside = i >= s->first && i < s->first + count;
        bool bit = s->bitmap[i / 64] >> i % 64 & 1;

        g_assert_cmpint(s->got[i], ==, inside && s->bits[i]);
        g_assert_cmpint(bit, ==, !inside && s->bits[i]);
    }
}

static void test_take(gconstpointer data)
{
    bool words = GPOINTER_TO_INT(data);

    for (unsigned i = 0; i < 20000; i++) {
        Shadow s;
        uint64_t count;

        shadow_fill(&s);
        s.first = random_below(BITS);
        count = random_below(BITS - s.first + 1);
        s.page = random_below(3) ? random_u64() >> 13 : s.first;
        if (words) {
            vfio_dirty_take_words(s.bitmap, s.first, count, s.page,
                                  take_words, &s);
        } else {
            vfio_dirty_take_pages(s.bitmap, s.first, count, s.page, take_run,
                                  &s);
        }
        shadow_check(&s, count);
    }
}

/* More words than one call passes, in every alignment */
static void count_words(const uint64_t *words, uint64_t first_page,
                        uint64_t nr_words, void *opaque)
{
    uint64_t *count = opaque;

    for (uint64_t i = 0; i < nr_words; i++) {
        *count += __builtin_popcountll(words[i]);
    }
}

static void test_take_large(void)
{
    const uint64_t words = 2000;
    g_autofree uint64_t *bitmap = g_new(uint64_t, words);

    for (unsigned shift = 0; shift < 64; shift++) {
        uint64_t count = 0;

        memset(bitmap, 0xff, words * sizeof(*bitmap));
        vfio_dirty_take_words(bitmap, 0, words * 64, shift, count_words,
                              &count);
        g_assert_cmpuint(count, ==, words * 64);
        g_assert_true(vfio_dirty_is_clear(bitmap, words * 64));
    }
}

static void test_is_full(void)
{
    unsigned nr_full = 0;

    for (unsigned i = 0; i < 20000; i++) {
        uint64_t first = random_below(BITS);
        uint64_t bits = random_below(BITS - first + 1);
        uint64_t holes = random_below(3);
        bool full = true;
        Shadow s;

        memset(s.bitmap, 0xff, sizeof(s.bitmap));
        memset(s.bits, true, sizeof(s.bits));
        while (holes--) {
            uint64_t at = random_below(BITS);

            s.bits[at] = false;
            s.bitmap[at / 64] &= ~(UINT64_C(1) << at % 64);
        }
        for (uint64_t bit = first; bit < first + bits; bit++) {
            full &= s.bits[bit];
        }
        nr_full += full;
        g_assert_cmpint(vfio_dirty_is_full(s.bitmap, first, bits), ==, full);
    }
    g_assert_cmpuint(nr_full, >, 1000);
    g_assert_cmpuint(nr_full, <, 19000);
}

/* ---- mappings ---- */

#define SLOTS   64              /* pages in the model */
#define SLOT    UINT64_C(4096)

typedef struct MapModel {
    uint64_t base;
    int owner[SLOTS];           /* index of the mapping there, or -1 */
    uint64_t size[SLOTS];       /* by index, its first page; 0: none */
} MapModel;

static void map_forget(MapModel *m, uint64_t n)
{
    for (uint64_t i = n; i < n + m->size[n]; i++) {
        m->owner[i] = -1;
    }
    m->size[n] = 0;
}

static void map_put(MapModel *m, VFIODirtyMappings *mappings)
{
    uint64_t first = random_below(SLOTS);
    uint64_t size = 1 + random_below(MIN(SLOTS - first, 8));
    VFIODirtyMapping mapping = {
        .iova = m->base + first * SLOT,
        .size_bytes = size * SLOT,
        .ram_addr = first << 32,
    };

    vfio_dirty_mappings_put(mappings, &mapping);
    for (uint64_t i = first; i < first + size; i++) {
        if (m->owner[i] >= 0) {
            map_forget(m, m->owner[i]);
        }
    }
    m->size[first] = size;
    for (uint64_t i = first; i < first + size; i++) {
        m->owner[i] = first;
    }
}

static void map_remove(MapModel *m, VFIODirtyMappings *mappings)
{
    uint64_t first = random_below(SLOTS);
    uint64_t last = first + random_below(SLOTS - first);

    vfio_dirty_mappings_remove(mappings, m->base + first * SLOT,
                               m->base + last * SLOT + SLOT - 1);
    for (uint64_t n = first; n <= last; n++) {
        if (m->size[n] && n + m->size[n] - 1 <= last) {
            map_forget(m, n);
        }
    }
}

/* Check all mappings, in order, from a random address on */
static void map_check(MapModel *m, VFIODirtyMappings *mappings)
{
    uint64_t from = random_below(SLOTS);
    VFIODirtyPosition *at = vfio_dirty_mappings_from(mappings,
                                                     m->base + from * SLOT);
    unsigned count = 0;

    for (uint64_t n = 0; n < SLOTS; n++) {
        count += m->size[n] != 0;
        if (n < from || !m->size[n]) {
            continue;
        }
        g_assert_nonnull(at);
        g_assert_cmphex(vfio_dirty_mapping_at(at)->iova, ==,
                        m->base + n * SLOT);
        g_assert_cmphex(vfio_dirty_mapping_at(at)->size_bytes, ==,
                        m->size[n] * SLOT);
        g_assert_cmphex(vfio_dirty_mapping_at(at)->ram_addr, ==, n << 32);
        at = vfio_dirty_mapping_next(at);
    }
    g_assert_null(at);
    g_assert_cmpuint(vfio_dirty_mappings_count(mappings), ==, count);
}

/* Each mapping up to the limit is in one batch, and batches keep the rules. */
static void map_check_spans(MapModel *m, VFIODirtyMappings *mappings)
{
    uint64_t last = random_below(SLOTS);
    uint64_t max = random_below(20), gap = random_below(6);
    uint64_t last_iova = m->base + last * SLOT + SLOT - 1;
    VFIODirtyPosition *at = vfio_dirty_mappings_from(mappings, m->base);
    uint64_t slot = 0, in_span, end;
    VFIODirtyBatch batch;

    while (vfio_dirty_next_batch(&at, last_iova, max * SLOT, gap * SLOT,
                                &batch)) {
        in_span = 0;
        end = (batch.last_iova - m->base) / SLOT;
        g_assert_cmpuint(end, <=, last);
        for (VFIODirtyPosition *p = batch.begin; p != batch.end;
             p = vfio_dirty_mapping_next(p)) {
            uint64_t first = (vfio_dirty_mapping_at(p)->iova - m->base) /
                             SLOT;

            /* No mapping was skipped, and no gap is too wide */
            for (uint64_t i = slot; i < first; i++) {
                g_assert_cmpint(m->owner[i], <, 0);
            }
            if (in_span++) {
                g_assert_cmpuint(first - slot, <=, gap);
            }
            slot = first + m->size[first];
        }
        g_assert_cmpuint(slot, ==, end + 1);
        g_assert_true(in_span == 1 ||
                      batch.last_iova - batch.iova < max * SLOT);
    }
    for (; slot < SLOTS; slot++) {
        if (m->owner[slot] >= 0) {
            uint64_t n = m->owner[slot];

            g_assert_cmpuint(n + m->size[n] - 1, >, last);
            break;
        }
    }
}

static void test_mappings(void)
{
    for (unsigned round = 0; round < 300; round++) {
        VFIODirtyMappings *mappings = vfio_dirty_mappings_new();
        MapModel m = { .base = round % 2 ? 0 : -SLOTS * SLOT };

        memset(m.owner, -1, sizeof(m.owner));
        for (unsigned i = 0; i < 100; i++) {
            if (random_below(4)) {
                map_put(&m, mappings);
            } else {
                map_remove(&m, mappings);
            }
            map_check(&m, mappings);
            map_check_spans(&m, mappings);
        }
        vfio_dirty_mappings_free(mappings);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dirty-bitmap/range-edges", test_range_edges);
    g_test_add_func("/dirty-bitmap/sizes", test_sizes);
    g_test_add_func("/dirty-bitmap/next-pages", test_next_pages);
    g_test_add_data_func("/dirty-bitmap/take-words", GINT_TO_POINTER(true),
                         test_take);
    g_test_add_data_func("/dirty-bitmap/take-pages", GINT_TO_POINTER(false),
                         test_take);
    g_test_add_func("/dirty-bitmap/take-large", test_take_large);
    g_test_add_func("/dirty-bitmap/is-full", test_is_full);
    g_test_add_func("/dirty-bitmap/mappings", test_mappings);
    return g_test_run();
}
