/*
 * Which address ranges a device logs its DMA in, and how they are read
 *
 * Pure: no device, no guest memory, no locks. All ranges are whole pages of
 * one size, given by its shift.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_DIRTY_RANGES_H
#define HW_VFIO_DIRTY_RANGES_H

#include "hw/vfio/dirty-bitmap.h"

/*
 * So many ranges do for RAM below 4 GiB, RAM above it and the window of
 * 64-bit BARs. Devices have limits on their number, on their sum, or on the
 * span from the first to the last.
 */
#define VFIO_DIRTY_RANGES_MAX   3

/* In ascending order; they neither overlap nor touch */
typedef struct VFIODirtyRanges {
    VFIODirtyRange at[VFIO_DIRTY_RANGES_MAX];
    unsigned count;
} VFIODirtyRanges;

/*
 * vfio_dirty_ranges_cover: few ranges that have all of @sections
 *
 * They begin and end at multiples of 64 pages, and have the fewest pages of
 * all ways to do that. A page that ends at 2^64 is left out: the end of a
 * range has to be a 64-bit number.
 *
 * @sections: in any order, may overlap; of a page at least; is sorted
 * @page_shift: 12 to 57
 */
void vfio_dirty_ranges_cover(VFIODirtyRanges *ranges,
                             VFIODirtyRange *sections, unsigned nr_sections,
                             unsigned page_shift);

/* Sum of all ranges, in pages */
uint64_t vfio_dirty_ranges_pages(const VFIODirtyRanges *ranges);

/*
 * vfio_dirty_ranges_part: the first part of @wanted that is wholly inside of
 * one range, or outside of all
 *
 * @wanted: at least one page
 * @inside: set to the range, or to NULL
 * Returns: pages of the part, at least 1.
 */
uint64_t vfio_dirty_ranges_part(const VFIODirtyRanges *ranges,
                                const VFIODirtyRange *wanted,
                                unsigned page_shift,
                                const VFIODirtyRange **inside);

/* What one report of a device is asked for */
typedef struct VFIODirtyWindow {
    VFIODirtyRange report;
    uint64_t first;         /* bit of the report at which it begins */
    uint64_t pages;         /* that are wanted, from there on */
} VFIODirtyWindow;

/*
 * vfio_dirty_window: the first report that is needed to read @wanted
 *
 * Drivers read their log in bytes or words, and round what they are asked
 * for: so a report begins and ends at multiples of 64 pages, or with the
 * range. Bits of up to 63 pages before and behind come with it.
 *
 * @range: the one that the whole of @wanted is in
 * @max_pages: of one report, at least 64
 */
VFIODirtyWindow vfio_dirty_window(const VFIODirtyRange *range,
                                  const VFIODirtyRange *wanted,
                                  unsigned page_shift, uint64_t max_pages);

/*
 * Bits that came with a report that were not wanted yet, kept until they
 * are: a device reports each bit only once.
 */
typedef struct VFIODirtyCarry VFIODirtyCarry;

/* A store that keeps nothing yet, and its end */
VFIODirtyCarry *vfio_dirty_carry_new(void);
void vfio_dirty_carry_free(VFIODirtyCarry *carry);

/* vfio_dirty_carry_take: add what was kept of @window to @bitmap */
void vfio_dirty_carry_take(VFIODirtyCarry *carry,
                           const VFIODirtyWindow *window, unsigned page_shift,
                           uint64_t *bitmap);

/*
 * vfio_dirty_carry_keep: keep the bits of @bitmap that are not wanted yet
 *
 * They are taken out of @bitmap; those that are wanted stay.
 */
void vfio_dirty_carry_keep(VFIODirtyCarry *carry,
                           const VFIODirtyWindow *window, unsigned page_shift,
                           uint64_t *bitmap);

#endif /* HW_VFIO_DIRTY_RANGES_H */
