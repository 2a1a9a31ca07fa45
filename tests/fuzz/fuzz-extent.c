/*
 * Fuzzer: areas of a data window, and chunks in it, as reported by a driver
 *
 * Input: the region's size, up to 15 areas, then chunks until it ends. The
 * answers are compared with those of a search through all areas.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/vfio/migration-v1-window.h"
#include "fuzz.h"

#define MAX_AREAS       15
#define MAX_HOST_BYTES  (UINT64_C(1) << 44) /* the limit of an address space */

typedef struct Offer {
    uint64_t region_size;
    VFIOMigArea areas[MAX_AREAS];
    unsigned nr_areas;
} Offer;

static bool covers(const VFIOMigArea *area, uint64_t offset)
{
    return offset >= area->offset && offset - area->offset < area->size;
}

/* If so, one of them covers the other's first byte. */
static bool overlap(const VFIOMigArea *a, const VFIOMigArea *b)
{
    return a->size && b->size &&
           (covers(a, b->offset) || covers(b, a->offset));
}

static bool fits(const Offer *offer, uint64_t offset, uint64_t size)
{
    return offset <= offer->region_size &&
           size <= offer->region_size - offset;
}

static bool is_good(const Offer *offer, const VFIOMigArea *area)
{
    unsigned i;

    if (!area->host || !area->size ||
        !fits(offer, area->offset, area->size)) {
        return false;
    }
    for (i = 0; i < offer->nr_areas; i++) {
        if (&offer->areas[i] != area && overlap(&offer->areas[i], area)) {
            return false;
        }
    }
    return true;
}

/* The usable area that contains @offset, or NULL. */
static const VFIOMigArea *area_at(const Offer *offer, uint64_t offset)
{
    unsigned i;

    for (i = 0; i < offer->nr_areas; i++) {
        const VFIOMigArea *area = &offer->areas[i];

        if (is_good(offer, area) && covers(area, offset)) {
            return area;
        }
    }
    return NULL;
}

static void check_piece(const Offer *offer, const VFIOMigPiece *piece)
{
    const uint64_t last = piece->offset + piece->size - 1;
    const VFIOMigArea *area = area_at(offer, piece->offset);
    unsigned i;

    g_assert_cmpuint(piece->size, >, 0);
    g_assert_cmpuint(last, >=, piece->offset);
    if (area) {
        g_assert_true(piece->host == (uint8_t *)area->host +
                                     (piece->offset - area->offset));
        g_assert_true(area_at(offer, last) == area);
        return;
    }
    g_assert_null(piece->host);
    for (i = 0; i < offer->nr_areas; i++) {
        area = &offer->areas[i];
        g_assert_false(is_good(offer, area) && area->offset <= last &&
                       area->offset >= piece->offset);
    }
}

static void check_chunk(const Offer *offer, const VFIOMigExtents *extents,
                        uint64_t offset, uint64_t size)
{
    const uint64_t end = offset + size;
    unsigned pieces = 0;
    VFIOMigPiece piece;
    uint64_t at = offset;
    bool inside = offset < offer->region_size && fits(offer, offset, size);

    g_assert_cmpint(vfio_mig_extents_contain(extents, offset, size), ==,
                    inside);
    if (!inside) {
        return;
    }
    while (vfio_mig_extents_next(extents, &offset, &size, &piece)) {
        g_assert_cmpuint(piece.offset, ==, at);
        check_piece(offer, &piece);
        at += piece.size;
        g_assert_cmpuint(offset, ==, at);
        g_assert_cmpuint(size, ==, end - at);
        g_assert_cmpuint(++pieces, <=, 2 * MAX_AREAS + 1);
    }
    g_assert_cmpuint(at, ==, end);
}

static void read_offer(FuzzInput *in, Offer *offer)
{
    unsigned i;

    offer->region_size = fuzz_number(in);
    offer->nr_areas = fuzz_u8(in) % (MAX_AREAS + 1);
    for (i = 0; i < offer->nr_areas; i++) {
        VFIOMigArea *area = &offer->areas[i];
        uint8_t flags = fuzz_u8(in);

        area->offset = fuzz_number(in);
        area->size = fuzz_number(in);
        if (i && flags & 2) {
            /* wrapping is intended: adjacent, or overlapping a little */
            area->offset = area[-1].offset + area[-1].size - (flags >> 6);
        }
        if (flags & 1 && area->size < MAX_HOST_BYTES) {
            area->host = (void *)(uintptr_t)((i + 1) * MAX_HOST_BYTES);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FuzzInput in = { data, size };
    Offer offer = { 0 };
    VFIOMigExtents extents;
    unsigned i, left_out = 0, nr_good = 0;

    read_offer(&in, &offer);
    for (i = 0; i < offer.nr_areas; i++) {
        nr_good += is_good(&offer, &offer.areas[i]);
        left_out += offer.areas[i].host && !is_good(&offer, &offer.areas[i]);
    }
    g_assert_cmpuint(vfio_mig_extents_init(&extents, offer.region_size,
                                           offer.areas, offer.nr_areas), ==,
                     left_out);
    g_assert_cmpuint(extents.nr_areas, ==, nr_good);

    check_chunk(&offer, &extents, 0, offer.region_size);
    while (in.size) {
        uint64_t offset = fuzz_number(&in);

        check_chunk(&offer, &extents, offset, fuzz_number(&in));
    }
    vfio_mig_extents_destroy(&extents);
    return 0;
}
