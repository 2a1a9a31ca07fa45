/*
 * The data window of a migration region as a list of extents
 *
 * Owns: the sanitized list of mapped areas, and the arithmetic that splits a
 * chunk along it. Does not own: the mappings themselves (whoever made them
 * removes them), nor any access to the device.
 *
 * Pure: no lock. A list is constant between init and destroy, so any number of
 * threads may walk it.
 *
 * Source: docs/contract.md, The data window.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/vfio/migration-v1-window.h"

/* End of @area, or UINT64_MAX if the sum would overflow. */
static uint64_t area_end(const VFIOMigArea *area)
{
    return area->size > UINT64_MAX - area->offset ? UINT64_MAX
                                                  : area->offset + area->size;
}

static int compare_areas(const void *a, const void *b)
{
    const VFIOMigArea *left = a, *right = b;

    return (left->offset > right->offset) - (left->offset < right->offset);
}

/* The areas that are not empty, sorted by their offset. */
static VFIOMigArea *sort_areas(const VFIOMigArea *areas, unsigned nr_areas,
                               unsigned *nr_sorted)
{
    VFIOMigArea *sorted = g_new(VFIOMigArea, nr_areas);
    unsigned i, n = 0;

    for (i = 0; i < nr_areas; i++) {
        if (areas[i].size) {
            sorted[n++] = areas[i];
        }
    }
    if (n) {
        qsort(sorted, n, sizeof(*sorted), compare_areas);
    }
    *nr_sorted = n;
    return sorted;
}

/*
 * Move the areas whose mapping can be used to the front of @areas, which is
 * sorted; returns how many there are. An area that is not mapped, or not
 * inside the region, still invalidates those that it overlaps: the driver is
 * wrong about one of the two, and trapped access works for both.
 */
static unsigned keep_usable(const VFIOMigExtents *extents,
                            VFIOMigArea *areas, unsigned nr_areas)
{
    uint64_t end_before = 0;
    unsigned i, n = 0;

    for (i = 0; i < nr_areas; i++) {
        const VFIOMigArea area = areas[i];
        const uint64_t end = area_end(&area);
        bool overlaps = end_before > area.offset ||
            (i + 1 < nr_areas && areas[i + 1].offset < end);

        if (area.host && !overlaps &&
            vfio_mig_extents_contain(extents, area.offset, area.size)) {
            areas[n++] = area;
        }
        end_before = MAX(end_before, end);
    }
    return n;
}

unsigned vfio_mig_extents_init(VFIOMigExtents *extents, uint64_t region_size,
                               const VFIOMigArea *areas, unsigned nr_areas)
{
    unsigned i, nr_sorted, nr_mapped = 0;

    for (i = 0; i < nr_areas; i++) {
        nr_mapped += areas[i].host != NULL;
    }

    extents->region_size = region_size;
    extents->areas = sort_areas(areas, nr_areas, &nr_sorted);
    extents->nr_areas = keep_usable(extents, extents->areas, nr_sorted);
    return nr_mapped - extents->nr_areas;
}

void vfio_mig_extents_destroy(VFIOMigExtents *extents)
{
    g_free(extents->areas);
    memset(extents, 0, sizeof(*extents));
}

bool vfio_mig_extents_contain(const VFIOMigExtents *extents, uint64_t offset,
                              uint64_t size)
{
    /* Even an empty range must not begin at the region's end. */
    return offset < extents->region_size &&
           size <= extents->region_size - offset;
}

/* Index of the first area that ends after @offset; nr_areas: there is none. */
static unsigned first_area_after(const VFIOMigExtents *extents,
                                 uint64_t offset)
{
    unsigned low = 0, high = extents->nr_areas;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;

        if (area_end(&extents->areas[middle]) > offset) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

bool vfio_mig_extents_next(const VFIOMigExtents *extents, uint64_t *offset,
                           uint64_t *size, VFIOMigPiece *piece)
{
    unsigned index;

    if (!*size) {
        return false;
    }

    piece->offset = *offset;
    piece->size = *size;
    piece->host = NULL;

    index = first_area_after(extents, *offset);
    if (index < extents->nr_areas) {
        const VFIOMigArea *area = &extents->areas[index];

        if (area->offset > *offset) {
            piece->size = MIN(*size, area->offset - *offset);
        } else {
            piece->size = MIN(*size, area_end(area) - *offset);
            piece->host = (uint8_t *)area->host + (*offset - area->offset);
        }
    }

    *offset += piece->size;
    *size -= piece->size;
    return true;
}
