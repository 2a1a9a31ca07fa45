/*
 * Tests of hw/vfio/migration-v1-window.c
 *
 * The model has no sorted extents: it compares all pairs of areas, and stores
 * for each byte of a window where it is mapped. Random lists of areas and
 * random chunks are compared with it byte by byte, at the bottom and at the
 * upper edges of the number range.
 *
 * Source: docs/contract.md, The data window.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/vfio/migration-v1-window.h"

#define WINDOW_BYTES    96      /* bytes of the region in the model */
#define MAX_AREAS       10
#define HOST_STRIDE     UINT64_C(0x10000) /* between the fake mappings */

/* The last WINDOW_BYTES of a region, each of which is checked. */
typedef struct Model {
    uint64_t base;                  /* offset of the window in the region */
    VFIOMigArea areas[MAX_AREAS];   /* as offered */
    unsigned nr_areas;
    uintptr_t host[WINDOW_BYTES];   /* where each byte is mapped, or 0 */
    unsigned left_out;              /* mapped areas that are not used */
} Model;

static bool covers(const VFIOMigArea *area, uint64_t offset)
{
    return offset >= area->offset && offset - area->offset < area->size;
}

static uint64_t region_size(const Model *model)
{
    return model->base + WINDOW_BYTES;
}

/* Do they overlap? Then one of them covers the other's first byte. */
static bool share_a_byte(const VFIOMigArea *a, const VFIOMigArea *b)
{
    return a->size && b->size &&
           (covers(a, b->offset) || covers(b, a->offset));
}

/* A usable area is mapped, inside, and overlaps no other one. */
static bool model_area_is_good(const Model *model, const VFIOMigArea *area)
{
    unsigned i;

    if (!area->host || !area->size ||
        area->offset > region_size(model) ||
        area->size > region_size(model) - area->offset) {
        return false;
    }
    for (i = 0; i < model->nr_areas; i++) {
        if (&model->areas[i] != area &&
            share_a_byte(&model->areas[i], area)) {
            return false;
        }
    }
    return true;
}

static void model_compute(Model *model)
{
    unsigned i, byte;

    memset(model->host, 0, sizeof(model->host));
    model->left_out = 0;
    for (i = 0; i < model->nr_areas; i++) {
        const VFIOMigArea *area = &model->areas[i];

        if (!model_area_is_good(model, area)) {
            model->left_out += area->host != NULL;
            continue;
        }
        for (byte = 0; byte < WINDOW_BYTES; byte++) {
            uint64_t offset = model->base + byte;

            if (covers(area, offset)) {
                model->host[byte] = (uintptr_t)area->host +
                                    (offset - area->offset);
            }
        }
    }
}

static uint64_t random_size(uint64_t offset)
{
    switch (g_test_rand_int_range(0, 12)) {
    case 0:
        return 0;
    case 1:
        return UINT64_MAX - g_test_rand_int_range(0, 3);
    case 2:
        return (UINT64_C(1) << 63) + g_test_rand_int_range(-2, 3);
    case 3:
        /* ends just at, before or after the end of the number range */
        return 0 - offset + g_test_rand_int_range(-1, 2);
    default:
        return g_test_rand_int_range(1, 24);
    }
}

static void random_areas(Model *model)
{
    unsigned i;

    model->nr_areas = g_test_rand_int_range(0, MAX_AREAS + 1);
    for (i = 0; i < model->nr_areas; i++) {
        VFIOMigArea *area = &model->areas[i];
        const VFIOMigArea *other = &model->areas[i ? i - 1 : 0];

        area->offset = model->base +
                       g_test_rand_int_range(0, WINDOW_BYTES + 8);
        if (i && g_test_rand_bit()) {
            area->offset = other->offset + other->size; /* adjacent */
        }
        area->size = random_size(area->offset);
        area->host = g_test_rand_int_range(0, 5)
            ? (void *)(uintptr_t)((i + 1) * HOST_STRIDE) : NULL;
        if (area->offset < model->base) {
            area->host = NULL;  /* wrapped; no mapping can be that large */
        }
    }
}

/*
 * Walk a chunk that is in the window: each byte once, in order, with the right
 * kind of access, and in pieces that are as long as possible.
 */
static void check_chunk(const Model *model, const VFIOMigExtents *extents,
                        uint64_t first, uint64_t size)
{
    uint64_t offset = model->base + first, rest = size, moved = 0;
    uintptr_t host_end = 0;
    VFIOMigPiece piece;

    while (vfio_mig_extents_next(extents, &offset, &rest, &piece)) {
        uintptr_t host = (uintptr_t)piece.host;
        uint64_t i;

        g_assert_cmpuint(piece.size, >, 0);
        g_assert_cmpuint(piece.size, <=, size - moved);
        g_assert_cmpuint(piece.offset, ==, model->base + first + moved);
        for (i = 0; i < piece.size; i++) {
            g_assert_cmpuint(model->host[first + moved + i], ==,
                             host ? host + i : 0);
        }
        if (moved) {
            /* split only where the kind of access changes */
            g_assert_cmpuint(host, !=, host_end);
        }
        host_end = host ? host + piece.size : 0;
        moved += piece.size;
        g_assert_cmpuint(rest, ==, size - moved);
        g_assert_cmpuint(offset, ==, model->base + first + moved);
    }
    g_assert_cmpuint(moved, ==, size);
    g_assert_cmpuint(rest, ==, 0);
}

/* The cleaned list must be sorted, disjoint, inside and mapped. */
static void check_list(const Model *model, const VFIOMigExtents *extents)
{
    uint64_t end = 0;
    unsigned i;

    g_assert_cmpuint(extents->region_size, ==, region_size(model));
    for (i = 0; i < extents->nr_areas; i++) {
        const VFIOMigArea *area = &extents->areas[i];

        g_assert_nonnull(area->host);
        g_assert_cmpuint(area->size, >, 0);
        g_assert_cmpuint(area->offset, >=, end);
        end = area->offset + area->size;
        g_assert_cmpuint(end, >, area->offset);
        g_assert_cmpuint(end, <=, region_size(model));
    }
}

static void check_model(Model *model)
{
    VFIOMigExtents extents;
    unsigned i, left_out;

    model_compute(model);
    left_out = vfio_mig_extents_init(&extents, region_size(model),
                                     model->areas, model->nr_areas);
    g_assert_cmpuint(left_out, ==, model->left_out);
    check_list(model, &extents);

    check_chunk(model, &extents, 0, WINDOW_BYTES);
    for (i = 0; i < 12; i++) {
        uint64_t first = g_test_rand_int_range(0, WINDOW_BYTES);
        uint64_t size = g_test_rand_int_range(0, WINDOW_BYTES - first + 1);

        check_chunk(model, &extents, first, size);
    }
    vfio_mig_extents_destroy(&extents);
    vfio_mig_extents_destroy(&extents);
    g_assert_cmpuint(extents.nr_areas, ==, 0);
    /* An empty region contains nothing. */
    g_assert_false(vfio_mig_extents_contain(&extents, 0, 0));
}

/* At the bottom, the sign bit and the top of the number range. */
static const uint64_t bases[] = {
    0, 0x1000, (UINT64_C(1) << 32) - 40,
    (UINT64_C(1) << 63) - WINDOW_BYTES - 1,
    (UINT64_C(1) << 63) - WINDOW_BYTES,
    (UINT64_C(1) << 63) - 40, UINT64_C(1) << 63,
    UINT64_MAX - WINDOW_BYTES - 1, UINT64_MAX - WINDOW_BYTES,
};

static void test_random_areas_byte_by_byte(void)
{
    unsigned i, round;

    for (i = 0; i < ARRAY_SIZE(bases); i++) {
        for (round = 0; round < 3000; round++) {
            Model model = { .base = bases[i] };

            random_areas(&model);
            check_model(&model);
        }
    }
}

static void test_contain_at_the_edges(void)
{
    static const uint64_t edges[] = {
        0, 1, 2, 0x1000, (UINT64_C(1) << 32) - 1, UINT64_C(1) << 32,
        (UINT64_C(1) << 63) - 1, UINT64_C(1) << 63,
        (UINT64_C(1) << 63) + 1, UINT64_MAX - 1, UINT64_MAX,
    };
    const unsigned n = ARRAY_SIZE(edges);
    unsigned i;

    for (i = 0; i < n * n * n * 27; i++) {
        /* Each, minus and plus one; wrapping is intended */
        uint64_t region = edges[i / 27 % n] + i % 3 - 1;
        uint64_t offset = edges[i / 27 / n % n] + i / 3 % 3 - 1;
        uint64_t size = edges[i / 27 / n / n] + i / 9 % 3 - 1;
        VFIOMigExtents extents = { .region_size = region };
        bool inside = offset < region && size <= region - offset;

        g_assert_cmpint(vfio_mig_extents_contain(&extents, offset, size), ==,
                        inside);
    }
}

/* Thousands of areas: their number must not slow down the walk. */
static void test_many_areas(void)
{
    const unsigned nr_areas = 100000;
    g_autofree VFIOMigArea *areas = g_new(VFIOMigArea, nr_areas);
    uint64_t offset = 0, size = 20 * (uint64_t)nr_areas;
    VFIOMigExtents extents;
    VFIOMigPiece piece;
    unsigned i, pieces = 0;

    for (i = 0; i < nr_areas; i++) {
        /* at addresses that exist on 32-bit machines, too */
        areas[i] = (VFIOMigArea){ 20 * (uint64_t)(nr_areas - 1 - i), 10,
                                  (void *)(uintptr_t)(16 * (i + 1)) };
    }
    g_assert_cmpuint(vfio_mig_extents_init(&extents, size, areas, nr_areas),
                     ==, 0);
    while (vfio_mig_extents_next(&extents, &offset, &size, &piece)) {
        g_assert_cmpuint(piece.size, ==, 10);
        g_assert_cmpint(piece.host != NULL, ==, pieces % 2 == 0);
        pieces++;
    }
    g_assert_cmpuint(pieces, ==, 2 * nr_areas);
    vfio_mig_extents_destroy(&extents);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/extent/random-areas-byte-by-byte",
                    test_random_areas_byte_by_byte);
    g_test_add_func("/extent/contain-at-the-edges",
                    test_contain_at_the_edges);
    g_test_add_func("/extent/many-areas", test_many_areas);
    return g_test_run();
}
