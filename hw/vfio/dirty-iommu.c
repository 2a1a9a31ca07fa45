/*
 * Dirty tracking behind a guest's IOMMU
 *
 * Owns: a container's IOMMU memory regions: the notifier that maps and unmaps
 * for the guest, the records of what is mapped, and reading bits using these
 * records. Does not own: sections of RAM, policy (dirty-tracking.c), the
 * records themselves (dirty-mappings.c).
 *
 * Locks: the BQL for everything; IOMMU notifiers are called with it.
 * Source: docs/dirty-tracking.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/rcu.h"
#include "exec/address-spaces.h"
#include "hw/vfio/dirty-container.h"
#include "trace.h"

/*
 * Longest batch of several mappings, in pages: 256 KiB of bitmap. A guest with
 * a few mappings far apart must not make QEMU allocate a large one.
 */
#define VFIO_DIRTY_SPAN_PAGES   (UINT64_C(1) << 21)

/* ---- batches of records ---- */

static bool vfio_dirty_batch(VFIODirtyTracker *t, VFIODirtyPosition **at,
                             uint64_t last_iova, VFIODirtyBatch *batch)
{
    uint64_t max_pages = MIN(t->max_pages, VFIO_DIRTY_SPAN_PAGES);

    return vfio_dirty_next_batch(at, last_iova, max_pages << t->page_shift,
                                 VFIO_DIRTY_GAP_PAGES << t->page_shift, batch);
}

static bool vfio_dirty_batch_range(VFIODirtyTracker *t,
                                   const VFIODirtyBatch *batch,
                                   VFIODirtyRange *range)
{
    return vfio_dirty_range(batch->iova, batch->last_iova, t->page_shift,
                            range);
}

/*
 * Apply each record's bits of @t->bitmap to the RAM that it maps. A bit
 * outside all records is an error; it is cleared, as the bitmap must be zero
 * between uses.
 */
static int vfio_dirty_batch_take(VFIODirtyTracker *t,
                                 const VFIODirtyBatch *batch,
                                 const VFIODirtyRange *range, Error **errp)
{
    g_autofree char *name = NULL;
    VFIODirtyPosition *at;

    for (at = batch->begin; at != batch->end;
         at = vfio_dirty_mapping_next(at)) {
        const VFIODirtyMapping *m = vfio_dirty_mapping_at(at);

        vfio_dirty_take(t, (m->iova - batch->iova) >> t->page_shift,
                        m->size_bytes >> t->page_shift, m->ram_addr);
    }
    if (vfio_dirty_is_clear(t->bitmap, range->pages)) {
        return 0;
    }
    vfio_dirty_clean(t, range->pages);
    name = vfio_dirty_name(t);
    error_setg(errp, "%s: a device wrote to IOVA 0x%" PRIx64 " to 0x%" PRIx64
               " outside of what the guest's IOMMU is known to have mapped",
               name, batch->iova, batch->last_iova);
    return -EIO;
}

static void vfio_dirty_batch_mark(const VFIODirtyBatch *batch)
{
    VFIODirtyPosition *at;

    for (at = batch->begin; at != batch->end;
         at = vfio_dirty_mapping_next(at)) {
        const VFIODirtyMapping *m = vfio_dirty_mapping_at(at);

        vfio_dirty_mark(m->ram_addr, m->size_bytes);
    }
}

/* ---- sync ---- */

static void vfio_dirty_batch_note(VFIODirtyTracker *t,
                                  const VFIODirtyBatch *batch)
{
    VFIODirtyPosition *at;

    for (at = batch->begin; at != batch->end;
         at = vfio_dirty_mapping_next(at)) {
        const VFIODirtyMapping *m = vfio_dirty_mapping_at(at);

        vfio_dirty_note_read(t, (m->iova - batch->iova) >> t->page_shift,
                             m->size_bytes >> t->page_shift);
    }
}

static int vfio_dirty_batch_sync(VFIODirtyTracker *t,
                                 const VFIODirtyBatch *batch,
                                 Error **errp)
{
    VFIODirtyRange range;
    int ret;

    if (!vfio_dirty_batch_range(t, batch, &range) ||
        range.pages > t->max_pages) {
        return 0;       /* a single mapping, too large to be tracked */
    }
    ret = vfio_dirty_get(t, &range, errp);
    if (ret < 0) {
        return ret;
    }
    vfio_dirty_batch_note(t, batch);
    return vfio_dirty_batch_take(t, batch, &range, errp);
}

int vfio_dirty_iommu_sync(VFIODirtyTracker *t, uint64_t first_iova,
                          uint64_t last_iova, Error **errp)
{
    VFIODirtyPosition *at = vfio_dirty_mappings_from(t->mappings, first_iova);
    VFIODirtyBatch batch;
    int ret = 0;

    while (ret == 0 && vfio_dirty_batch(t, &at, last_iova, &batch)) {
        ret = vfio_dirty_batch_sync(t, &batch, errp);
    }
    return ret;
}

void vfio_dirty_iommu_mark(VFIODirtyTracker *t, uint64_t first_iova,
                           uint64_t last_iova, uint64_t pages)
{
    VFIODirtyPosition *at = vfio_dirty_mappings_from(t->mappings, first_iova);
    VFIODirtyBatch batch;
    VFIODirtyRange range;

    while (vfio_dirty_batch(t, &at, last_iova, &batch)) {
        if (vfio_dirty_batch_range(t, &batch, &range) &&
            range.pages > pages) {
            vfio_dirty_batch_mark(&batch);
        }
    }
}

/* ---- unmap ---- */

/*
 * Unmap and read the bits in one step, so that no write is missed in between.
 * If the kernel refuses that, unmap nevertheless: memory that the guest has
 * reclaimed must not stay accessible to the device. Returns 0, or -errno if
 * the mappings are still there.
 */
static int vfio_dirty_batch_unmap(VFIODirtyTracker *t,
                                  const VFIODirtyBatch *batch)
{
    VFIODirtyRange range;
    Error *err = NULL;
    int ret = -EOPNOTSUPP;

    if (t->started && vfio_dirty_batch_range(t, batch, &range)) {
        ret = vfio_dirty_unmap_get(t, &range);
    }
    if (ret == 0) {
        ret = vfio_dirty_batch_take(t, batch, &range, &err);
        if (ret < 0) {
            vfio_dirty_fail(ret, err);
        }
        return 0;
    }
    vfio_dirty_batch_mark(batch);
    return vfio_dirty_unmap(t->container, batch->iova, batch->last_iova);
}

static uint64_t vfio_dirty_batch_bytes(const VFIODirtyBatch *batch)
{
    VFIODirtyPosition *at;
    uint64_t bytes = 0;

    for (at = batch->begin; at != batch->end;
         at = vfio_dirty_mapping_next(at)) {
        bytes += vfio_dirty_mapping_at(at)->size_bytes;
    }
    return bytes;
}

uint64_t vfio_dirty_iommu_bytes(VFIODirtyTracker *t, uint64_t first_iova,
                                uint64_t last_iova)
{
    VFIODirtyPosition *at = vfio_dirty_mappings_from(t->mappings, first_iova);
    VFIODirtyBatch batch;
    uint64_t bytes = 0;

    while (vfio_dirty_batch(t, &at, last_iova, &batch)) {
        bytes += vfio_dirty_batch_bytes(&batch);
    }
    return bytes;
}

uint64_t vfio_dirty_iommu_unmap(VFIODirtyTracker *t, uint64_t first_iova,
                                uint64_t last_iova)
{
    VFIODirtyPosition *at = vfio_dirty_mappings_from(t->mappings, first_iova);
    VFIODirtyBatch batch;
    uint64_t done = 0;

    while (t->wanted && vfio_dirty_batch(t, &at, last_iova, &batch)) {
        uint64_t bytes = vfio_dirty_batch_bytes(&batch);

        if (vfio_dirty_batch_unmap(t, &batch) == 0) {
            vfio_dirty_mappings_remove(t->mappings, batch.iova,
                                       batch.last_iova);
            done += bytes;
        }
    }
    return done;
}

/* ---- the notifier ---- */

static void vfio_dirty_notify_unmap(VFIOGuestIOMMU *giommu,
                                    VFIODirtyTracker *t, uint64_t first_iova,
                                    uint64_t last_iova)
{
    uint64_t done = vfio_dirty_iommu_unmap(t, first_iova, last_iova);
    int ret;

    if (done && done - 1 == last_iova - first_iova) {
        return;
    }
    /* Also unmap what is not on record, so that no mapping is left behind */
    ret = vfio_dirty_unmap(giommu->container, first_iova, last_iova);
    if (ret < 0) {
        error_report("vfio: cannot unmap IOVA 0x%" PRIx64 " to 0x%" PRIx64
                     ", as the guest's IOMMU asked for: %s", first_iova,
                     last_iova, strerror(-ret));
    } else {
        vfio_dirty_mappings_remove(t->mappings, first_iova, last_iova);
    }
}

/* Is this mapping already on record? */
static bool vfio_dirty_is_recorded(VFIODirtyTracker *t,
                                   const VFIODirtyMapping *mapping)
{
    VFIODirtyPosition *at = vfio_dirty_mappings_from(t->mappings,
                                                     mapping->iova);
    const VFIODirtyMapping *m = at ? vfio_dirty_mapping_at(at) : NULL;

    return m && m->iova == mapping->iova &&
           m->size_bytes == mapping->size_bytes &&
           m->ram_addr == mapping->ram_addr;
}

static void vfio_dirty_map_refused(VFIODirtyTracker *t,
                                   const VFIODirtyMapping *mapping, int ret)
{
    g_autofree char *name = vfio_dirty_name(t);
    Error *err = NULL;

    error_setg(&err, "%s: cannot map 0x%" PRIx64 " bytes at IOVA 0x%" PRIx64
               " as the guest's IOMMU asks for (VFIO_IOMMU_MAP_DMA): %s%s",
               name, mapping->size_bytes, mapping->iova, strerror(-ret),
               ret == -ENOMEM ? "; raise the limit of locked memory "
                                "(ulimit -l, RLIMIT_MEMLOCK)" :
               ret == -ENOSPC ? "; raise dma_entry_limit of the kernel's "
                                "module vfio_iommu_type1" : "");
    vfio_dirty_map_failed(t, ret, err);
}

static void vfio_dirty_do_map(VFIOGuestIOMMU *giommu, VFIODirtyTracker *t,
                              const VFIODirtyMapping *mapping, void *vaddr,
                              bool read_only)
{
    int ret;

    if (t->replaying && vfio_dirty_is_recorded(t, mapping)) {
        return;
    }
    ret = vfio_dirty_map(giommu->container, mapping->iova,
                         mapping->size_bytes, vaddr, read_only);
    if ((ret == -EEXIST || ret == -EBUSY) && !t->replaying) {
        vfio_dirty_notify_unmap(giommu, t, mapping->iova, mapping->iova +
                                (mapping->size_bytes - 1));
        ret = vfio_dirty_map(giommu->container, mapping->iova,
                             mapping->size_bytes, vaddr, read_only);
    }
    if (ret < 0 && !(ret == -EEXIST && t->replaying)) {
        vfio_dirty_map_refused(t, mapping, ret);
        return;
    }
    /* Overlapping records are stale, or the kernel would have refused */
    vfio_dirty_mappings_put(t->mappings, mapping);
}

static void vfio_dirty_notify_map(VFIOGuestIOMMU *giommu, VFIODirtyTracker *t,
                                  IOMMUTLBEntry *iotlb)
{
    VFIODirtyMapping mapping = {
        .iova = iotlb->iova + giommu->iommu_offset,
        .size_bytes = iotlb->addr_mask + 1,
    };
    ram_addr_t ram_addr;
    bool read_only, in_parts;
    void *vaddr;

    rcu_read_lock();
    if (memory_get_xlat_addr(iotlb, &vaddr, &ram_addr, &read_only,
                             &in_parts)) {
        mapping.ram_addr = ram_addr;
        if (in_parts && !t->warned_parts) {
            warn_report("vfio: the guest's IOMMU maps RAM that is plugged in "
                        "parts (virtio-mem): a malicious guest can make a "
                        "device hold more memory than it was given");
            t->warned_parts = true;
        }
        vfio_dirty_do_map(giommu, t, &mapping, vaddr, read_only);
    }
    rcu_read_unlock();
}

void vfio_dirty_notify(IOMMUNotifier *n, IOMMUTLBEntry *iotlb)
{
    VFIOGuestIOMMU *giommu = container_of(n, VFIOGuestIOMMU, n);
    VFIODirtyTracker *t = vfio_dirty_tracker_of(giommu->container);
    uint64_t iova = iotlb->iova + giommu->iommu_offset;
    bool map = iotlb->perm != IOMMU_NONE;

    assert(qemu_mutex_iothread_locked());
    trace_vfio_dirty_notify(giommu->container->fd, map, iova,
                            iova + iotlb->addr_mask);
    if (!t) {
        return;             /* the container is being torn down */
    }
    if (iotlb->target_as != &address_space_memory) {
        error_report("vfio: the guest's IOMMU leads to another address space "
                     "than the system's memory; IOVA 0x%" PRIx64 " is not "
                     "mapped", iova);
    } else if (map) {
        vfio_dirty_notify_map(giommu, t, iotlb);
    } else if (!t->replaying) {
        vfio_dirty_notify_unmap(giommu, t, iova, iova + iotlb->addr_mask);
    }
}

/* ---- replays ---- */

/*
 * Record what the guest's IOMMU has mapped, and map what the kernel lacks.
 * Some IOMMUs notify the notifier that is passed here (intel_iommu does, after
 * an unmap of everything); virtio-iommu notifies all that are registered. So
 * this must be the registered notifier.
 */
void vfio_dirty_iommu_replay(VFIODirtyTracker *t, VFIOGuestIOMMU *giommu)
{
    t->replaying = true;
    memory_region_iommu_replay(giommu->iommu_mr, &giommu->n);
    t->replaying = false;
}

/* An IOMMU that has reported one mapping has reported all of them. */
void vfio_dirty_iommu_loaded(VFIODirtyTracker *t)
{
    VFIOGuestIOMMU *giommu;

    if (vfio_dirty_mappings_count(t->mappings) > 0) {
        return;
    }
    QLIST_FOREACH(giommu, &t->container->giommu_list, giommu_next) {
        vfio_dirty_iommu_replay(t, giommu);
    }
}
