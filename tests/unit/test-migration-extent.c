/*
 * Tests of hw/vfio/migration-v1-window.c
 *
 * The model knows no sorted extents: areas are compared each with each, in
 * 128-bit numbers, and for each byte of a window it holds where the byte is
 * mapped. Random lists of areas and random chunks are held against it byte by
 * byte, at the bottom of the number range and at its upper edges.
 *
 * Source: docs/contract.md, The data window.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/vfio/migration-v1-window.h"

#define WINDOW_BYTES    96      /* bytes of the region that are modelled */
#define MAX_AREAS       10
#define HOST_STRIDE     UINT64_C(0x10000) /* between the pretended mappings */

/* The last WINDOW_BYTES of a region, of which every byte is looked at. */
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

/* Do they share a byte? Then one of them covers the other's first one. */
static bool share_a_byte(const VFIOMigArea *a, const VFIOMigArea *b)
{
    return a->size && b->size &&
           (covers(a, b->offset) || covers(b, a->offset));
}

/* An area counts if it is mapped, inside, and alone on each of its bytes. */
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
        /* ends just at, before or behind the end of all numbers */
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
            area->offset = other->offset + other->size; /* they touch */
        }
        area->size = random_size(area->offset);
        area->host = g_test_rand_int_range(0, 5)
            ? (void *)(uintptr_t)((i + 1) * HOST_STRIDE) : NULL;
        if (area->offset < model->base) {
            area->host = NULL;  /* wrapped; no mapping can be so large */
        }
    }
}

/*
 * Walk a chunk that begins and ends in the window: each byte once, in order,
 * in the right way, and no piece shorter than its way of access lasts.
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
            /* cut only where the way of access changes */
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

/* The cleaned list: sorted, apart, inside, mapped. */
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
}

/* Of the bottom, the signed edge and the top of the number range. */
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

/* Every list of up to three areas in a window of a few bytes. */
static void test_all_small_lists(void)
{
    const unsigned nr_kinds = 5 * 5 * 2;    /* offset, size, mapped */
    unsigned code, i;

    for (code = 0; code < nr_kinds * nr_kinds * nr_kinds; code++) {
        Model model = { .base = UINT64_MAX - WINDOW_BYTES, .nr_areas = 3 };
        unsigned rest = code;

        for (i = 0; i < 3; i++) {
            model.areas[i].offset = UINT64_MAX - 4 + rest % 5;
            model.areas[i].size = rest / 5 % 5;
            model.areas[i].host = rest / 25 % 2
                ? (void *)(uintptr_t)((i + 1) * HOST_STRIDE) : NULL;
            rest /= nr_kinds;
        }
        check_model(&model);
    }
}

static void check_named(const VFIOMigArea *areas, unsigned nr_areas,
                        unsigned nr_left_out, unsigned nr_kept)
{
    Model model = { .base = 0, .nr_areas = nr_areas };
    VFIOMigExtents extents;

    if (nr_areas) {
        memcpy(model.areas, areas, nr_areas * sizeof(*areas));
    }
    check_model(&model);
    g_assert_cmpuint(model.left_out, ==, nr_left_out);

    vfio_mig_extents_init(&extents, WINDOW_BYTES, areas, nr_areas);
    g_assert_cmpuint(extents.nr_areas, ==, nr_kept);
    vfio_mig_extents_destroy(&extents);
}

#define HOST(n) ((void *)(uintptr_t)((n) * HOST_STRIDE))

static void test_what_drivers_offer(void)
{
    static char a, b, c;
    const VFIOMigArea unsorted[] = {
        { 64, 16, &a }, { 0, 16, &b }, { 32, 8, &c } };
    const VFIOMigArea touching[] = {
        { 16, 16, HOST(1) }, { 0, 16, HOST(9) }, { 32, 64, HOST(5) } };
    const VFIOMigArea empty[] = {
        { 16, 0, HOST(1) }, { 8, 16, HOST(2) }, { 8, 0, NULL } };
    const VFIOMigArea overlapping[] = {
        { 0, 17, HOST(1) }, { 16, 16, HOST(2) }, { 40, 8, HOST(3) } };
    const VFIOMigArea twice[] = { { 8, 8, HOST(1) }, { 8, 8, HOST(2) } };
    const VFIOMigArea nested[] = {
        { 0, 90, HOST(1) }, { 8, 8, HOST(2) }, { 80, 4, HOST(3) },
        { 90, 6, HOST(4) } };
    const VFIOMigArea not_mapped[] = { { 8, 8, NULL }, { 24, 8, HOST(2) } };
    const VFIOMigArea over_not_mapped[] = {
        { 8, 8, NULL }, { 15, 8, HOST(2) } };
    const VFIOMigArea beyond[] = {
        { WINDOW_BYTES, 1, HOST(1) }, { WINDOW_BYTES - 1, 2, HOST(2) },
        { 8, UINT64_MAX, HOST(3) }, { UINT64_MAX, UINT64_MAX, HOST(4) },
        { 4, 4, HOST(5) } };

    check_named(unsorted, 3, 0, 3);
    check_named(touching, 3, 0, 3);
    check_named(empty, 3, 1, 1);
    check_named(overlapping, 3, 2, 1);
    check_named(twice, 2, 2, 0);
    check_named(nested, 4, 3, 1);
    check_named(not_mapped, 2, 0, 1);
    check_named(over_not_mapped, 2, 1, 0);
    check_named(beyond, 5, 4, 1);
    check_named(NULL, 0, 0, 0);
}

/* Bytes really moved through the pieces are the bytes of the window. */
static void test_pieces_carry_the_bytes(void)
{
    g_autofree uint8_t *device = g_malloc(4096);
    g_autofree uint8_t *map1 = g_malloc(1000), *map2 = g_malloc(64);
    g_autofree uint8_t *out = g_malloc0(4096);
    const VFIOMigArea areas[] = { { 2000, 64, map2 }, { 100, 1000, map1 } };
    VFIOMigExtents extents;
    uint64_t offset = 50, size = 4000;
    VFIOMigPiece piece;
    unsigned i, pieces = 0;

    for (i = 0; i < 4096; i++) {
        device[i] = g_test_rand_int();
    }
    memcpy(map1, device + 100, 1000);
    memcpy(map2, device + 2000, 64);

    g_assert_cmpuint(vfio_mig_extents_init(&extents, 4096, areas, 2), ==, 0);
    while (vfio_mig_extents_next(&extents, &offset, &size, &piece)) {
        memcpy(out + piece.offset, piece.host ?: device + piece.offset,
               piece.size);
        pieces++;
    }
    g_assert_cmpuint(pieces, ==, 5);
    g_assert_cmpmem(out + 50, 4000, device + 50, 4000);
    vfio_mig_extents_destroy(&extents);
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
        /* Each, one less and one more, wrapping on purpose */
        uint64_t region = edges[i / 27 % n] + i % 3 - 1;
        uint64_t offset = edges[i / 27 / n % n] + i / 3 % 3 - 1;
        uint64_t size = edges[i / 27 / n / n] + i / 9 % 3 - 1;
        VFIOMigExtents extents = { .region_size = region };
        bool inside = offset < region && size <= region - offset;

        g_assert_cmpint(vfio_mig_extents_contain(&extents, offset, size), ==,
                        inside);
    }
}

/* What the caller forgot to check must still end, and map nothing wrong. */
static void test_next_outside_of_the_region(void)
{
    const VFIOMigArea area = { 8, 8, HOST(1) };
    static const uint64_t starts[] = { 16, 17, 96, 1000, UINT64_MAX };
    VFIOMigExtents extents;
    unsigned i;

    vfio_mig_extents_init(&extents, WINDOW_BYTES, &area, 1);
    for (i = 0; i < ARRAY_SIZE(starts); i++) {
        uint64_t offset = starts[i], size = UINT64_MAX;
        VFIOMigPiece piece;

        g_assert_true(vfio_mig_extents_next(&extents, &offset, &size,
                                            &piece));
        g_assert_null(piece.host);
        g_assert_cmpuint(piece.size, ==, UINT64_MAX);
        g_assert_false(vfio_mig_extents_next(&extents, &offset, &size,
                                             &piece));
    }
    vfio_mig_extents_destroy(&extents);
}

static void test_destroy_is_safe(void)
{
    const VFIOMigArea area = { 8, 8, HOST(1) };
    VFIOMigExtents extents = { 0 };

    vfio_mig_extents_destroy(&extents);
    vfio_mig_extents_init(&extents, WINDOW_BYTES, &area, 1);
    vfio_mig_extents_destroy(&extents);
    vfio_mig_extents_destroy(&extents);
    g_assert_null(extents.areas);
    g_assert_cmpuint(extents.nr_areas, ==, 0);
    /* an empty region contains nothing */
    g_assert_false(vfio_mig_extents_contain(&extents, 0, 0));
}

/* Thousands of areas: the walk must not become slow with their number. */
static void test_many_areas(void)
{
    const unsigned nr_areas = 100000;
    g_autofree VFIOMigArea *areas = g_new(VFIOMigArea, nr_areas);
    uint64_t offset = 0, size = 20 * (uint64_t)nr_areas;
    VFIOMigExtents extents;
    VFIOMigPiece piece;
    unsigned i, pieces = 0;

    for (i = 0; i < nr_areas; i++) {
        /* at addresses that are there on a machine of 32 bits too */
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
    g_test_add_func("/extent/all-small-lists", test_all_small_lists);
    g_test_add_func("/extent/what-drivers-offer", test_what_drivers_offer);
    g_test_add_func("/extent/pieces-carry-the-bytes",
                    test_pieces_carry_the_bytes);
    g_test_add_func("/extent/contain-at-the-edges",
                    test_contain_at_the_edges);
    g_test_add_func("/extent/next-outside-of-the-region",
                    test_next_outside_of_the_region);
    g_test_add_func("/extent/destroy-is-safe", test_destroy_is_safe);
    g_test_add_func("/extent/many-areas", test_many_areas);
    return g_test_run();
}
