/*
 * Dirty tracking: trackers of containers, their ioctls, and marking RAM
 *
 * Owns: which container has which tracker, what the kernel reports that a
 * container can do, start, stop, reading bits with and without unmapping, the
 * reusable bitmap, whether the bits mean anything, and how they become dirty
 * pages of RAM. Does not own: when and for which ranges (dirty-tracking.c,
 * dirty-iommu.c), arithmetic (dirty-bitmap.c).
 *
 * Locks: the BQL for everything.
 * Source: linux/vfio.h; docs/dirty-tracking.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/ioctl.h>
#include "qapi/error.h"
#include "qemu/host-utils.h"
#include "qemu/units.h"
#include "exec/ram_addr.h"
#include "hw/vfio/dirty-container.h"
#include "trace.h"

/* ---- trackers ---- */

/* RAM that was reported as entirely dirty */
typedef struct VFIODirtyHeld {
    uint64_t ram_addr;
    uint64_t size_bytes;
} VFIODirtyHeld;

/*
 * A listener's callbacks get only the container, which has no field that
 * could point to its tracker.
 */
static QLIST_HEAD(, VFIODirtyTracker) vfio_dirty_trackers =
    QLIST_HEAD_INITIALIZER(vfio_dirty_trackers);

VFIODirtyTracker *vfio_dirty_tracker_of(VFIOContainer *container)
{
    VFIODirtyTracker *t;

    QLIST_FOREACH(t, &vfio_dirty_trackers, next) {
        if (t->container == container) {
            return t;
        }
    }
    return NULL;
}

VFIODirtyTracker *vfio_dirty_tracker_next(VFIODirtyTracker *t)
{
    return t ? QLIST_NEXT(t, next) : QLIST_FIRST(&vfio_dirty_trackers);
}

VFIODirtyTracker *vfio_dirty_tracker_new(VFIOContainer *container)
{
    VFIODirtyTracker *t = g_new0(VFIODirtyTracker, 1);

    t->container = container;
    t->mappings = vfio_dirty_mappings_new();
    t->held = g_array_new(FALSE, FALSE, sizeof(VFIODirtyHeld));
    QLIST_INSERT_HEAD(&vfio_dirty_trackers, t, next);
    return t;
}

void vfio_dirty_tracker_free(VFIODirtyTracker *t)
{
    assert(QLIST_EMPTY(&t->logs));
    trace_vfio_dirty_container_gone(t->container->fd);
    QLIST_REMOVE(t, next);
    vfio_dirty_mappings_free(t->mappings);
    g_array_free(t->held, TRUE);
    g_free(t->bitmap);
    g_free(t);
}

/* ---- ioctls ---- */

/* Returns 0 or -errno; interrupted calls are repeated. */
static int vfio_dirty_ioctl(VFIOContainer *container, unsigned long request,
                            void *arg)
{
    int ret;

    do {
        ret = ioctl(container->fd, request, arg);
    } while (ret < 0 && errno == EINTR);
    return ret < 0 ? -errno : 0;
}

char *vfio_dirty_names(const VFIODirtyTracker *t,
                       bool (*is)(VFIODevice *vbasedev))
{
    GString *names = g_string_new(NULL);
    const char *between = "";
    VFIOGroup *group;
    VFIODevice *vbasedev;

    QLIST_FOREACH(group, &t->container->group_list, container_next) {
        QLIST_FOREACH(vbasedev, &group->device_list, next) {
            if (is(vbasedev)) {
                g_string_append_printf(names, "%s%s", between,
                                       vbasedev->name);
                between = ", ";
            }
        }
    }
    return g_string_free(names, FALSE);
}

static bool vfio_dirty_any_device(VFIODevice *vbasedev)
{
    return true;
}

char *vfio_dirty_name(const VFIODirtyTracker *t)
{
    g_autofree char *names = vfio_dirty_names(t, vfio_dirty_any_device);

    return g_strdup_printf("container of %s", names);
}

/* ---- what the container can do ---- */

/*
 * The container's VFIO_IOMMU_GET_INFO with its capabilities, or NULL. The
 * caller must g_free() it.
 */
static struct vfio_iommu_type1_info *vfio_dirty_info(VFIOContainer *container)
{
    uint32_t argsz = sizeof(struct vfio_iommu_type1_info);
    struct vfio_iommu_type1_info *info = g_malloc0(argsz);

    for (;;) {
        info->argsz = argsz;
        if (vfio_dirty_ioctl(container, VFIO_IOMMU_GET_INFO, info) < 0) {
            g_free(info);
            return NULL;
        }
        if (info->argsz <= argsz) {
            return info;
        }
        argsz = info->argsz;
        info = g_realloc(info, argsz);
    }
}

static const struct vfio_iommu_type1_info_cap_migration *
vfio_dirty_capability(const struct vfio_iommu_type1_info *info)
{
    uint64_t at = info->flags & VFIO_IOMMU_INFO_CAPS ? info->cap_offset : 0;

    while (at && at + sizeof(struct vfio_info_cap_header) <= info->argsz) {
        const struct vfio_info_cap_header *cap =
            (const void *)((const char *)info + at);

        if (cap->id == VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION &&
            at + sizeof(struct vfio_iommu_type1_info_cap_migration) <=
            info->argsz) {
            return (const void *)cap;
        }
        at = cap->next > at ? cap->next : 0;
    }
    return NULL;
}

void vfio_dirty_query(VFIODirtyTracker *t)
{
    g_autofree struct vfio_iommu_type1_info *info =
        vfio_dirty_info(t->container);
    const struct vfio_iommu_type1_info_cap_migration *cap =
        info ? vfio_dirty_capability(info) : NULL;

    t->supported = false;
    t->page_shift = ctz64(qemu_real_host_page_size());
    t->max_pages = 0;
    if (cap && cap->pgsize_bitmap) {
        /* A bit stands for a page of the smallest size, as GET expects */
        t->page_shift = ctz64(cap->pgsize_bitmap);
        t->max_pages = vfio_dirty_pages_max(cap->max_dirty_bitmap_size);
        t->supported = t->page_shift && t->max_pages;
    }
    trace_vfio_dirty_query(t->container->fd, t->supported, t->page_shift,
                           t->max_pages);
}

/* ---- start and stop ---- */

static int vfio_dirty_set(VFIODirtyTracker *t, uint32_t flag,
                          const char *what, Error **errp)
{
    struct vfio_iommu_type1_dirty_bitmap dirty = {
        .argsz = sizeof(dirty),
        .flags = flag,
    };
    int ret = vfio_dirty_ioctl(t->container, VFIO_IOMMU_DIRTY_PAGES, &dirty);

    trace_vfio_dirty_set(t->container->fd, what, ret);
    if (ret < 0) {
        g_autofree char *name = vfio_dirty_name(t);

        error_setg_errno(errp, -ret, "%s: cannot %s dirty page tracking "
                         "(VFIO_IOMMU_DIRTY_PAGES)", name, what);
    }
    return ret;
}

int vfio_dirty_start(VFIODirtyTracker *t, Error **errp)
{
    int ret = vfio_dirty_set(t, VFIO_IOMMU_DIRTY_PAGES_FLAG_START, "start",
                             errp);

    t->tried = true;
    t->started = ret == 0;
    return ret;
}

int vfio_dirty_stop(VFIODirtyTracker *t, Error **errp)
{
    /* START may be repeated: no harm if this fails and tracking stays on */
    t->tried = t->started = false;
    return vfio_dirty_set(t, VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP, "stop", errp);
}

/* ---- bits ---- */

bool vfio_dirty_room(VFIODirtyTracker *t, uint64_t pages)
{
    uint64_t bytes = vfio_dirty_bitmap_bytes(pages);

    if (bytes <= t->bitmap_bytes) {
        return true;
    }
    g_free(t->bitmap);
    t->bitmap = g_try_malloc0(bytes);
    t->bitmap_bytes = t->bitmap ? bytes : 0;
    return t->bitmap != NULL;
}

static struct vfio_bitmap vfio_dirty_argument(const VFIODirtyTracker *t,
                                              uint64_t pages)
{
    return (struct vfio_bitmap) {
        .pgsize = vfio_dirty_page_bytes(t),
        .size = vfio_dirty_bitmap_bytes(pages),
        .data = (void *)t->bitmap,
    };
}

void vfio_dirty_clean(VFIODirtyTracker *t, uint64_t pages)
{
    memset(t->bitmap, 0, vfio_dirty_bitmap_bytes(pages));
}

static int vfio_dirty_do_get(VFIODirtyTracker *t, const VFIODirtyRange *range)
{
    union {
        struct vfio_iommu_type1_dirty_bitmap head;
        struct {
            char before[offsetof(struct vfio_iommu_type1_dirty_bitmap, data)];
            struct vfio_iommu_type1_dirty_bitmap_get get;
        } body;
    } arg;
    int ret;

    if (!vfio_dirty_room(t, range->pages)) {
        return -ENOMEM;
    }
    memset(&arg, 0, sizeof(arg));
    arg.head.argsz = sizeof(arg);
    arg.head.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP;
    arg.body.get.iova = range->iova;
    arg.body.get.size = range->pages << t->page_shift;
    arg.body.get.bitmap = vfio_dirty_argument(t, range->pages);
    ret = vfio_dirty_ioctl(t->container, VFIO_IOMMU_DIRTY_PAGES, &arg);
    if (ret < 0) {
        /* A failed ioctl may have written part of the bitmap. */
        vfio_dirty_clean(t, range->pages);
    }
    return ret;
}

int vfio_dirty_get(VFIODirtyTracker *t, const VFIODirtyRange *range,
                   Error **errp)
{
    int ret = vfio_dirty_do_get(t, range);

    trace_vfio_dirty_get(t->container->fd, range->iova, range->pages, ret);
    if (ret < 0) {
        g_autofree char *name = vfio_dirty_name(t);

        error_setg_errno(errp, -ret, "%s: cannot read which of %" PRIu64
                         " pages from IOVA 0x%" PRIx64 " on are dirty "
                         "(VFIO_IOMMU_DIRTY_PAGES)", name, range->pages,
                         range->iova);
    }
    return ret;
}

int vfio_dirty_unmap_get(VFIODirtyTracker *t, const VFIODirtyRange *range)
{
    union {
        struct vfio_iommu_type1_dma_unmap head;
        struct {
            char before[offsetof(struct vfio_iommu_type1_dma_unmap, data)];
            struct vfio_bitmap bitmap;
        } body;
    } arg;
    int ret;

    if (range->pages > t->max_pages) {
        return -E2BIG;
    }
    if (!vfio_dirty_room(t, range->pages)) {
        return -ENOMEM;
    }
    memset(&arg, 0, sizeof(arg));
    arg.head.argsz = sizeof(arg);
    arg.head.flags = VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP;
    arg.head.iova = range->iova;
    arg.head.size = range->pages << t->page_shift;
    arg.body.bitmap = vfio_dirty_argument(t, range->pages);
    ret = vfio_dirty_ioctl(t->container, VFIO_IOMMU_UNMAP_DMA, &arg);
    if (ret < 0) {
        vfio_dirty_clean(t, range->pages);
    }
    trace_vfio_dirty_unmap(t->container->fd, range->iova, range->pages, ret);
    return ret;
}

/* ---- an IOMMU that reports all pages as dirty ---- */

/*
 * The kernel does so as long as one device of the container pins nothing.
 * Below this size no warning is needed: even at 1 Gbit/s it can be sent within
 * the default downtime-limit of 300 ms.
 */
#define VFIO_DIRTY_FULL_BYTES   (32 * MiB)

/* A single full round may be a device that has just filled all its memory. */
#define VFIO_DIRTY_FULL_ROUNDS  2

void vfio_dirty_note_read(VFIODirtyTracker *t, uint64_t first,
                          uint64_t pages)
{
    t->round_pages += pages;
    t->round_clean = t->round_clean ||
                     !vfio_dirty_is_full(t->bitmap, first, pages);
}

void vfio_dirty_rounds_begin(VFIODirtyTracker *t)
{
    t->round_pages = 0;
    t->round_clean = false;
    t->full_rounds = 0;
    t->at_end = false;
    g_array_set_size(t->held, 0);
}

void vfio_dirty_hold_begins(VFIODirtyTracker *t, bool running)
{
    t->holding = running && t->full_rounds + 1 == VFIO_DIRTY_FULL_ROUNDS;
    if (!t->holding) {
        vfio_dirty_release(t);
    }
}

void vfio_dirty_hold_ends(VFIODirtyTracker *t)
{
    t->holding = false;
    if (t->round_clean) {
        vfio_dirty_release(t);
    }
}

void vfio_dirty_release(VFIODirtyTracker *t)
{
    unsigned i;

    for (i = 0; i < t->held->len; i++) {
        VFIODirtyHeld *held = &g_array_index(t->held, VFIODirtyHeld, i);

        vfio_dirty_mark(held->ram_addr, held->size_bytes);
    }
    g_array_set_size(t->held, 0);
}

bool vfio_dirty_round_ends(VFIODirtyTracker *t, bool running)
{
    uint64_t bytes = t->round_pages << t->page_shift;

    if (bytes && running) {
        bool full = !t->round_clean && bytes >= VFIO_DIRTY_FULL_BYTES;

        t->full_rounds = full ? t->full_rounds + 1 : 0;
        t->at_end = t->full_rounds == VFIO_DIRTY_FULL_ROUNDS;
        if (t->at_end) {
            g_array_set_size(t->held, 0);
        }
    }
    vfio_dirty_release(t);
    t->round_pages = 0;
    t->round_clean = false;
    return bytes && running && t->at_end;
}

/* ---- mapping ---- */

static int vfio_dirty_do_unmap(VFIOContainer *container, uint64_t iova,
                               uint64_t size_bytes)
{
    struct vfio_iommu_type1_dma_unmap unmap = {
        .argsz = sizeof(unmap),
        .iova = iova,
        .size = size_bytes,
    };

    return vfio_dirty_ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap);
}

int vfio_dirty_unmap(VFIOContainer *container, uint64_t first_iova,
                     uint64_t last_iova)
{
    uint64_t page_bytes = qemu_real_host_page_size();
    uint64_t half = UINT64_C(1) << 63;
    int ret;

    if (first_iova == 0 && last_iova == UINT64_MAX) {
        /* A size of 2^64 cannot be expressed */
        ret = vfio_dirty_unmap(container, 0, half - 1);
        return ret ?: vfio_dirty_unmap(container, half, UINT64_MAX);
    }
    ret = vfio_dirty_do_unmap(container, first_iova,
                              last_iova - first_iova + 1);
    if (ret == -EINVAL && last_iova == UINT64_MAX) {
        /* Kernels before 4.20 mistake an end at 2^64 for an overflow. */
        ret = vfio_dirty_do_unmap(container, first_iova,
                                  last_iova - first_iova + 1 - page_bytes);
    }
    return ret;
}

int vfio_dirty_map(VFIOContainer *container, uint64_t iova,
                   uint64_t size_bytes, void *vaddr, bool read_only)
{
    struct vfio_iommu_type1_dma_map map = {
        .argsz = sizeof(map),
        .flags = VFIO_DMA_MAP_FLAG_READ |
                 (read_only ? 0 : VFIO_DMA_MAP_FLAG_WRITE),
        .vaddr = (uintptr_t)vaddr,
        .iova = iova,
        .size = size_bytes,
    };

    return vfio_dirty_ioctl(container, VFIO_IOMMU_MAP_DMA, &map);
}

/* ---- RAM ---- */

static void vfio_dirty_take_words_cb(const uint64_t *words,
                                     uint64_t first_page, uint64_t nr_words,
                                     void *opaque)
{
    VFIODirtyTracker *t = opaque;

    cpu_physical_memory_set_dirty_lebitmap((unsigned long *)words,
                                           first_page << t->page_shift,
                                           nr_words * 64);
}

typedef struct VFIODirtyRangeTarget {
    unsigned page_shift;
    uint64_t ram_addr;      /* not necessarily aligned to such a page */
} VFIODirtyRangeTarget;

static void vfio_dirty_take_pages_cb(uint64_t first_page, uint64_t pages,
                                     void *opaque)
{
    const VFIODirtyRangeTarget *target = opaque;

    vfio_dirty_mark(target->ram_addr + (first_page << target->page_shift),
                    pages << target->page_shift);
}

static void vfio_dirty_drop_pages_cb(uint64_t first_page, uint64_t pages,
                                     void *opaque)
{
}

/* All of these pages are dirty, like all others in this round so far. */
static void vfio_dirty_keep(VFIODirtyTracker *t, uint64_t first,
                            uint64_t pages, uint64_t ram_addr)
{
    VFIODirtyHeld held = { ram_addr, pages << t->page_shift };

    g_array_append_val(t->held, held);
    vfio_dirty_take_pages(t->bitmap, first, pages, 0,
                          vfio_dirty_drop_pages_cb, NULL);
}

void vfio_dirty_take(VFIODirtyTracker *t, uint64_t first, uint64_t pages,
                     uint64_t ram_addr)
{
    VFIODirtyRangeTarget target = { t->page_shift, ram_addr };

    if (t->holding && !t->round_clean) {
        vfio_dirty_keep(t, first, pages, ram_addr);
        return;
    }
    /* Whole words can be used only if a bit stands for a page of the host */
    if (vfio_dirty_page_bytes(t) == qemu_real_host_page_size()) {
        vfio_dirty_take_words(t->bitmap, first, pages,
                              ram_addr >> t->page_shift,
                              vfio_dirty_take_words_cb, t);
    } else {
        vfio_dirty_take_pages(t->bitmap, first, pages, 0,
                              vfio_dirty_take_pages_cb, &target);
    }
}

void vfio_dirty_mark(uint64_t ram_addr, uint64_t size_bytes)
{
    cpu_physical_memory_set_dirty_range(ram_addr, size_bytes,
                                        DIRTY_CLIENTS_NOCODE);
}
