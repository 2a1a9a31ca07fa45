/*
 * What a guest's IOMMU has mapped: IOVA to RAM, in ascending order
 *
 * Owns: the records, and which of them are read with one bitmap. Does not
 * own: when a record is added or removed (dirty-iommu.c).
 *
 * Locks: none, pure; its user holds the BQL.
 * Source: docs/dirty-tracking.md (why records).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/vfio/dirty-mappings.h"

struct VFIODirtyMappings {
    GSequence *sequence;
};

static uint64_t vfio_dirty_last(const VFIODirtyMapping *mapping)
{
    return mapping->iova + (mapping->size_bytes - 1);
}

static VFIODirtyPosition *vfio_dirty_position(GSequenceIter *iter)
{
    return g_sequence_iter_is_end(iter) ? NULL : iter;
}

const VFIODirtyMapping *vfio_dirty_mapping_at(VFIODirtyPosition *position)
{
    return g_sequence_get(position);
}

VFIODirtyPosition *vfio_dirty_mapping_next(VFIODirtyPosition *position)
{
    return vfio_dirty_position(g_sequence_iter_next(position));
}

VFIODirtyMappings *vfio_dirty_mappings_new(void)
{
    VFIODirtyMappings *mappings = g_new(VFIODirtyMappings, 1);

    mappings->sequence = g_sequence_new(g_free);
    return mappings;
}

void vfio_dirty_mappings_free(VFIODirtyMappings *mappings)
{
    g_sequence_free(mappings->sequence);
    g_free(mappings);
}

unsigned vfio_dirty_mappings_count(VFIODirtyMappings *mappings)
{
    return g_sequence_get_length(mappings->sequence);
}

static int vfio_dirty_compare(gconstpointer a, gconstpointer b,
                              gpointer opaque)
{
    uint64_t left = ((const VFIODirtyMapping *)a)->iova;
    uint64_t right = ((const VFIODirtyMapping *)b)->iova;

    return left < right ? -1 : left > right;
}

VFIODirtyPosition *vfio_dirty_mappings_from(VFIODirtyMappings *mappings,
                                            uint64_t iova)
{
    VFIODirtyMapping key = { .iova = iova };
    GSequenceIter *iter, *before;

    /* This is the position after an equal one: step back to that */
    iter = g_sequence_search(mappings->sequence, &key, vfio_dirty_compare,
                             NULL);
    before = g_sequence_iter_prev(iter);
    if (before != iter && vfio_dirty_mapping_at(before)->iova == iova) {
        iter = before;
    }
    return vfio_dirty_position(iter);
}

void vfio_dirty_mappings_put(VFIODirtyMappings *mappings,
                             const VFIODirtyMapping *mapping)
{
    VFIODirtyPosition *next = vfio_dirty_mappings_from(mappings,
                                                       mapping->iova);
    GSequenceIter *iter = next ?: g_sequence_get_end_iter(mappings->sequence);
    GSequenceIter *before = g_sequence_iter_prev(iter);
    VFIODirtyMapping *copy = g_new(VFIODirtyMapping, 1);

    if (before != iter &&
        vfio_dirty_last(vfio_dirty_mapping_at(before)) >= mapping->iova) {
        g_sequence_remove(before);
    }
    while (!g_sequence_iter_is_end(iter) &&
           vfio_dirty_mapping_at(iter)->iova <= vfio_dirty_last(mapping)) {
        next = g_sequence_iter_next(iter);
        g_sequence_remove(iter);
        iter = next;
    }
    *copy = *mapping;
    g_sequence_insert_before(iter, copy);
}

void vfio_dirty_mappings_remove(VFIODirtyMappings *mappings,
                                uint64_t first_iova, uint64_t last_iova)
{
    VFIODirtyPosition *position = vfio_dirty_mappings_from(mappings,
                                                           first_iova);

    while (position &&
           vfio_dirty_last(vfio_dirty_mapping_at(position)) <= last_iova) {
        VFIODirtyPosition *next = vfio_dirty_mapping_next(position);

        g_sequence_remove(position);
        position = next;
    }
}

bool vfio_dirty_next_batch(VFIODirtyPosition **position, uint64_t last_iova,
                           uint64_t max_bytes, uint64_t gap_bytes,
                           VFIODirtyBatch *batch)
{
    VFIODirtyPosition *at = *position;

    batch->begin = at;
    for (; at; at = vfio_dirty_mapping_next(at)) {
        const VFIODirtyMapping *m = vfio_dirty_mapping_at(at);

        if (vfio_dirty_last(m) > last_iova) {
            break;
        }
        if (at == batch->begin) {
            batch->iova = m->iova;
        } else if (m->iova - batch->last_iova - 1 > gap_bytes ||
                   vfio_dirty_last(m) - batch->iova >= max_bytes) {
            break;
        }
        batch->last_iova = vfio_dirty_last(m);
    }
    batch->end = at;
    *position = at;
    return batch->begin != at;
}
