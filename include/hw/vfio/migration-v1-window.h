/*
 * The data window of a migration region as a list of extents
 *
 * Pure: no device, no lock. The areas that a driver offers for mmap may be
 * unsorted, adjacent, overlapping, empty, or outside the region. They are
 * sanitized once; then an iterator splits any chunk into mapped and trapped
 * pieces.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_V1_WINDOW_H
#define HW_VFIO_MIGRATION_V1_WINDOW_H

/* A part of the region that the driver lets us map. */
typedef struct VFIOMigArea {
    uint64_t offset;    /* bytes from the start of the region */
    uint64_t size;      /* bytes */
    void *host;         /* where it is mapped; NULL: not mapped */
} VFIOMigArea;

typedef struct VFIOMigExtents {
    uint64_t region_size;   /* bytes */
    VFIOMigArea *areas;     /* only mapped ones; sorted, disjoint, inside */
    unsigned nr_areas;
} VFIOMigExtents;

/* A piece of a chunk that is either entirely mapped or entirely trapped. */
typedef struct VFIOMigPiece {
    uint64_t offset;    /* bytes from the start of the region */
    uint64_t size;      /* bytes, never 0 */
    void *host;         /* its first byte; NULL: trapped, use pread/pwrite */
} VFIOMigPiece;

/*
 * vfio_mig_extents_init: sanitize and sort the areas that the driver offers
 *
 * @region_size: bytes
 * @areas: as offered; only those with a host address can become mapped.
 *         An empty area, one not entirely inside the region, and every area
 *         that overlaps another one are left out: their bytes are trapped.
 *
 * Returns: number of areas left out although they were mapped.
 */
unsigned vfio_mig_extents_init(VFIOMigExtents *extents, uint64_t region_size,
                               const VFIOMigArea *areas, unsigned nr_areas);

/* Free what vfio_mig_extents_init() allocated; safe on a zeroed struct. */
void vfio_mig_extents_destroy(VFIOMigExtents *extents);

/*
 * vfio_mig_extents_contain: do @size bytes at @offset lie inside the region?
 *
 * Overflow-safe for all values.
 */
bool vfio_mig_extents_contain(const VFIOMigExtents *extents, uint64_t offset,
                              uint64_t size);

/*
 * vfio_mig_extents_next: take the next piece off a chunk
 *
 * @offset, @size: the rest of the chunk, in bytes; both are advanced. The
 *                 caller has checked it with vfio_mig_extents_contain().
 * @piece: set to the longest piece with one kind of access
 *
 * Returns: false when @size is 0, the end of the chunk.
 */
bool vfio_mig_extents_next(const VFIOMigExtents *extents, uint64_t *offset,
                           uint64_t *size, VFIOMigPiece *piece);

#endif /* HW_VFIO_MIGRATION_V1_WINDOW_H */
