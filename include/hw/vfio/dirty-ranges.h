/*
 * Which address ranges a device logs its DMA in, and how they are read
 *
 * Pure: no device, no guest memory, no locks. All ranges consist of whole
 * pages of one size, which is given as a shift.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_DIRTY_RANGES_H
#define HW_VFIO_DIRTY_RANGES_H

#include "hw/vfio/dirty-bitmap.h"

/*
 * Enough ranges for RAM below 4 GiB, RAM above it and the window of 64-bit
 * BARs. Devices limit the number of ranges, their sum, or the distance from
 * the first to the last.
 */
#define VFIO_DIRTY_RANGES_MAX   3

/* In ascending order; they neither overlap nor touch */
typedef struct VFIODirtyRanges {
    VFIODirtyRange at[VFIO_DIRTY_RANGES_MAX];
    unsigned count;
} VFIODirtyRanges;

/*
 * vfio_dirty_ranges_cover: cover all of @sections with a few ranges
 *
 * They begin and end at multiples of 64 pages, and are those with the fewest
 * pages in total. A page that ends at 2^64 is left out: the end of a range
 * must fit 64 bits.
 *
 * @sections: in any order, may overlap, at least one page each; gets sorted
 * @page_shift: 12 to 57
 */
void vfio_dirty_ranges_cover(VFIODirtyRanges *ranges,
                             VFIODirtyRange *sections, unsigned nr_sections,
                             unsigned page_shift);

/* Sum of all ranges, in pages */
uint64_t vfio_dirty_ranges_pages(const VFIODirtyRanges *ranges);

/*
 * vfio_dirty_ranges_part: the first part of @wanted that is either entirely
 * inside one range, or outside all of them
 *
 * @wanted: at least one page
 * @inside: set to the range, or to NULL
 * Returns: pages of the part, at least 1.
 */
uint64_t vfio_dirty_ranges_part(const VFIODirtyRanges *ranges,
                                const VFIODirtyRange *wanted,
                                unsigned page_shift,
                                const VFIODirtyRange **inside);

/* What to request in one report of a device */
typedef struct VFIODirtyWindow {
    VFIODirtyRange report;
    uint64_t first;         /* the first bit of the report that is wanted */
    uint64_t pages;         /* wanted pages, starting there */
} VFIODirtyWindow;

/*
 * vfio_dirty_window: the first report that is needed to read @wanted
 *
 * Drivers read their log in bytes or words, and round the requested range. So
 * a report begins and ends at multiples of 64 pages, or where the range does.
 * It may include bits of up to 63 pages before and after the wanted ones.
 *
 * @range: the logged range that contains all of @wanted
 * @max_pages: limit of one report, at least 64
 */
VFIODirtyWindow vfio_dirty_window(const VFIODirtyRange *range,
                                  const VFIODirtyRange *wanted,
                                  unsigned page_shift, uint64_t max_pages);

/*
 * Bits of reports that were not wanted yet, kept until they are: a device
 * reports each bit only once.
 */
typedef struct VFIODirtyCarry VFIODirtyCarry;

/* Create an empty store; free a store */
VFIODirtyCarry *vfio_dirty_carry_new(void);
void vfio_dirty_carry_free(VFIODirtyCarry *carry);

/* vfio_dirty_carry_take: add the bits kept for @window to @bitmap */
void vfio_dirty_carry_take(VFIODirtyCarry *carry,
                           const VFIODirtyWindow *window, unsigned page_shift,
                           uint64_t *bitmap);

/*
 * vfio_dirty_carry_keep: keep the bits of @bitmap that are not wanted yet
 *
 * They are removed from @bitmap; the wanted bits stay.
 */
void vfio_dirty_carry_keep(VFIODirtyCarry *carry,
                           const VFIODirtyWindow *window, unsigned page_shift,
                           uint64_t *bitmap);

#endif /* HW_VFIO_DIRTY_RANGES_H */
