/*
 * What a guest's IOMMU has mapped: IOVA to RAM, in ascending order
 *
 * Pure: no device, no locks. The kernel bounds the number of mappings of a
 * container, and with it the memory spent here.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_DIRTY_MAPPINGS_H
#define HW_VFIO_DIRTY_MAPPINGS_H

/*
 * Gap between two mappings that one bitmap still spans: 32 MiB of pages of
 * 4 KiB are 1 KiB of bitmap, less than a system call costs.
 */
#define VFIO_DIRTY_GAP_PAGES    UINT64_C(8192)

typedef struct VFIODirtyMapping {
    uint64_t iova;
    uint64_t size_bytes;        /* iova + size_bytes - 1 does not overflow */
    uint64_t ram_addr;          /* where in QEMU's RAM it leads */
} VFIODirtyMapping;

/* Mappings by IOVA; none overlap */
typedef struct VFIODirtyMappings VFIODirtyMappings;

/* A position, valid until its mapping is removed; NULL behind the last */
typedef struct _GSequenceNode VFIODirtyPosition;

/* An empty list, and its end */
VFIODirtyMappings *vfio_dirty_mappings_new(void);
void vfio_dirty_mappings_free(VFIODirtyMappings *mappings);

/* How many mappings there are */
unsigned vfio_dirty_mappings_count(VFIODirtyMappings *mappings);

/* vfio_dirty_mappings_put: in the place of all that it overlaps */
void vfio_dirty_mappings_put(VFIODirtyMappings *mappings,
                             const VFIODirtyMapping *mapping);

/* The first mapping that begins at @iova or later, or NULL */
VFIODirtyPosition *vfio_dirty_mappings_from(VFIODirtyMappings *mappings,
                                            uint64_t iova);

/* The mapping at a position, which is not NULL, and the next position */
const VFIODirtyMapping *vfio_dirty_mapping_at(VFIODirtyPosition *position);
VFIODirtyPosition *vfio_dirty_mapping_next(VFIODirtyPosition *position);

/* Remove those that lie wholly in @first_iova to @last_iova. */
void vfio_dirty_mappings_remove(VFIODirtyMappings *mappings,
                                uint64_t first_iova, uint64_t last_iova);

/* Mappings that one bitmap is read for */
typedef struct VFIODirtyBatch {
    VFIODirtyPosition *begin;   /* the first */
    VFIODirtyPosition *end;     /* behind the last */
    uint64_t iova;
    uint64_t last_iova;
} VFIODirtyBatch;

/*
 * vfio_dirty_next_batch: the next mappings that are read together
 *
 * @position: where to go on; moved behind the batch
 * @last_iova: mappings must end there or before
 * @max_bytes: longest batch; a single mapping may be longer
 * @gap_bytes: widest gap inside of a batch
 * Returns: false where there is none.
 */
bool vfio_dirty_next_batch(VFIODirtyPosition **position, uint64_t last_iova,
                           uint64_t max_bytes, uint64_t gap_bytes,
                           VFIODirtyBatch *batch);

#endif /* HW_VFIO_DIRTY_MAPPINGS_H */
