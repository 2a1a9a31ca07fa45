/*
 * What a guest's IOMMU has mapped: IOVA to RAM, in ascending order
 *
 * Pure: no device, no locks. The kernel limits the number of mappings of a
 * container, and so the memory used here.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_DIRTY_MAPPINGS_H
#define HW_VFIO_DIRTY_MAPPINGS_H

/*
 * Largest gap between two mappings that are read with one bitmap: 32 MiB in
 * pages of 4 KiB are 1 KiB of bitmap, which is cheaper than a system call.
 */
#define VFIO_DIRTY_GAP_PAGES    UINT64_C(8192)

typedef struct VFIODirtyMapping {
    uint64_t iova;
    uint64_t size_bytes;        /* iova + size_bytes - 1 does not overflow */
    uint64_t ram_addr;          /* where it points to in QEMU's RAM */
} VFIODirtyMapping;

/* Mappings by IOVA; none overlap */
typedef struct VFIODirtyMappings VFIODirtyMappings;

/* A position, valid until its mapping is removed; NULL after the last */
typedef struct _GSequenceNode VFIODirtyPosition;

/* Create an empty list; free a list */
VFIODirtyMappings *vfio_dirty_mappings_new(void);
void vfio_dirty_mappings_free(VFIODirtyMappings *mappings);

/* How many mappings there are */
unsigned vfio_dirty_mappings_count(VFIODirtyMappings *mappings);

/* vfio_dirty_mappings_put: add @mapping; it replaces all that it overlaps */
void vfio_dirty_mappings_put(VFIODirtyMappings *mappings,
                             const VFIODirtyMapping *mapping);

/* The first mapping that begins at @iova or later, or NULL */
VFIODirtyPosition *vfio_dirty_mappings_from(VFIODirtyMappings *mappings,
                                            uint64_t iova);

/* The mapping at a position, and the next position; @position is not NULL */
const VFIODirtyMapping *vfio_dirty_mapping_at(VFIODirtyPosition *position);
VFIODirtyPosition *vfio_dirty_mapping_next(VFIODirtyPosition *position);

/* Remove mappings that lie entirely between @first_iova and @last_iova. */
void vfio_dirty_mappings_remove(VFIODirtyMappings *mappings,
                                uint64_t first_iova, uint64_t last_iova);

/* Mappings that one bitmap is read for */
typedef struct VFIODirtyBatch {
    VFIODirtyPosition *begin;   /* the first */
    VFIODirtyPosition *end;     /* after the last */
    uint64_t iova;
    uint64_t last_iova;
} VFIODirtyBatch;

/*
 * vfio_dirty_next_batch: the next mappings that are read together
 *
 * @position: where to continue; advanced past the batch
 * @last_iova: mappings must end there or before
 * @max_bytes: longest batch; a single mapping may be longer
 * @gap_bytes: largest gap inside a batch
 * Returns: false if there is none.
 */
bool vfio_dirty_next_batch(VFIODirtyPosition **position, uint64_t last_iova,
                           uint64_t max_bytes, uint64_t gap_bytes,
                           VFIODirtyBatch *batch);

#endif /* HW_VFIO_DIRTY_MAPPINGS_H */
