/*
 * Simulated VFIO devices: the IOMMU of a container (type1 v2)
 *
 * Owns: mappings of IOVA to process memory and their dirty bits, with the
 * argument checks and error numbers of Linux 5.8
 * (docs/contract.md, Dirty pages): no partial unmap, no overlap, smallest page
 * size only.
 *
 * Locks: SimContainer.lock around everything here.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>

#include "sim-internal.h"

/* The kernel's maximum number of pages in a bitmap: 8 TiB */
#define MAX_BITMAP_PAGES (UINT64_C(1) << 31)

static uint64_t page_size(void)
{
    uint64_t sizes = sim_world.container_cfg.page_sizes;

    return sizes & -sizes;
}

static int take_fault(SimContainer *c, SimEvent ev)
{
    SimOutcome out;

    return sim_fault_hit(NULL, ev, 0, 0, c->tracking, &out) ? -out.err : 0;
}

/* ------------------------------------------------------------------------ */
/* Information                                                              */

static bool has_dirty_bits(const SimContainer *c)
{
    return sim_world.container_cfg.dirty_tracking && !c->untracked;
}

static void add_migration_cap(SimCaps *caps, SimContainer *c)
{
    const SimContainerConfig *cfg = &sim_world.container_cfg;
    struct vfio_iommu_type1_info_cap_migration *cap;

    if (!has_dirty_bits(c)) {
        return;
    }
    cap = sim_caps_add(caps, VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION, 1,
                       sizeof(*cap));
    cap->pgsize_bitmap = page_size();
    cap->max_dirty_bitmap_size = cfg->max_bitmap_size;
}

static void add_dma_avail_cap(SimCaps *caps, SimContainer *c)
{
    struct vfio_iommu_type1_info_dma_avail *cap;

    cap = sim_caps_add(caps, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, 1,
                       sizeof(*cap));
    cap->avail = sim_world.container_cfg.max_mappings - c->mappings->len;
}

static void add_iova_cap(SimCaps *caps)
{
    GArray *ranges = sim_world.container_cfg.iova_ranges;
    struct vfio_iommu_type1_info_cap_iova_range *cap;

    if (!ranges->len) {
        return;
    }
    cap = sim_caps_add(caps, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, 1,
                       sizeof(*cap) +
                       ranges->len * sizeof(struct vfio_iova_range));
    cap->nr_iovas = ranges->len;
    for (unsigned i = 0; i < ranges->len; i++) {
        SimRange *r = &g_array_index(ranges, SimRange, i);

        cap->iova_ranges[i].start = r->offset;
        cap->iova_ranges[i].end = r->offset + r->size_bytes - 1;
    }
}

int sim_iommu_get_info(SimContainer *c, void *arg)
{
    struct vfio_iommu_type1_info info = { 0 };
    size_t minsz = offsetof(struct vfio_iommu_type1_info, cap_offset);
    SimCaps caps;
    int ret = take_fault(c, SIM_EV_IOMMU_INFO);

    if (ret) {
        return ret;
    }
    memcpy(&info.argsz, arg, sizeof(info.argsz));
    if (info.argsz < minsz) {
        return -EINVAL;
    }
    info.flags = VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS;
    info.iova_pgsizes = sim_world.container_cfg.page_sizes;
    sim_caps_init(&caps, &info, sizeof(info));
    g_mutex_lock(&c->lock);
    add_migration_cap(&caps, c);
    add_dma_avail_cap(&caps, c);
    add_iova_cap(&caps);
    g_mutex_unlock(&c->lock);
    sim_caps_finish(&caps, arg, info.argsz,
                    offsetof(struct vfio_iommu_type1_info, cap_offset));
    return 0;
}

/* ------------------------------------------------------------------------ */
/* Mappings                                                                 */

static uint64_t last_byte(const SimMapping *m)
{
    return m->iova + (m->size_bytes - 1);
}

static void mapping_free(SimMapping *m)
{
    g_free(m->dirty);
    g_free(m);
}

/* Index of the first mapping that ends at or after @iova. */
static unsigned first_from(SimContainer *c, uint64_t iova)
{
    unsigned low = 0, high = c->mappings->len;

    while (low < high) {
        unsigned mid = low + (high - low) / 2;
        SimMapping *m = g_ptr_array_index(c->mappings, mid);

        if (last_byte(m) < iova) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

SimMapping *sim_iommu_find(SimContainer *c, uint64_t iova)
{
    unsigned i = first_from(c, iova);
    SimMapping *m = i < c->mappings->len ?
                    g_ptr_array_index(c->mappings, i) : NULL;

    return m && m->iova <= iova ? m : NULL;
}

static bool in_valid_range(uint64_t iova, uint64_t last)
{
    GArray *ranges = sim_world.container_cfg.iova_ranges;

    for (unsigned i = 0; i < ranges->len; i++) {
        SimRange *r = &g_array_index(ranges, SimRange, i);

        if (iova >= r->offset && last <= r->offset + (r->size_bytes - 1)) {
            return true;
        }
    }
    return ranges->len == 0;
}

static uint64_t bitmap_bytes(uint64_t pages)
{
    return (pages + 63) / 64 * 8;
}

static void set_bits(uint8_t *bits, uint64_t first, uint64_t count)
{
    for (; count && first % 8; first++, count--) {
        bits[first / 8] |= 1u << first % 8;
    }
    memset(bits + first / 8, 0xff, count / 8);
    first += count / 8 * 8;
    for (count %= 8; count; first++, count--) {
        bits[first / 8] |= 1u << first % 8;
    }
}

void sim_iommu_mark_dirty(SimContainer *c, SimMapping *m, uint64_t iova,
                          uint64_t size_bytes)
{
    uint64_t first = (iova - m->iova) / page_size();
    uint64_t last = (iova - m->iova + size_bytes - 1) / page_size();

    if (m->dirty) {
        set_bits(m->dirty, first, last - first + 1);
    }
}

/* Pages that a device keeps pinned are dirty again after every read. */
static void seed_pinned(SimContainer *c, SimMapping *m)
{
    if (sim_world.container_cfg.dirty_all) {
        set_bits(m->dirty, 0, m->size_bytes / page_size());
        return;
    }
    for (unsigned i = 0; i < sim_world.devices->len; i++) {
        SimDevice *d = g_ptr_array_index(sim_world.devices, i);

        for (unsigned j = 0; d->container == c && j < d->cfg.pinned->len;
             j++) {
            SimRange *r = &g_array_index(d->cfg.pinned, SimRange, j);
            uint64_t from = MAX(r->offset, m->iova);
            uint64_t to = MIN(r->offset + r->size_bytes - 1, last_byte(m));

            if (r->size_bytes && from <= to) {
                sim_iommu_mark_dirty(c, m, from, to - from + 1);
            }
        }
    }
}

static void start_tracking(SimContainer *c, SimMapping *m)
{
    m->dirty = g_malloc0(bitmap_bytes(m->size_bytes / page_size()));
    seed_pinned(c, m);
}

static int map_locked(SimContainer *c, struct vfio_iommu_type1_dma_map *map)
{
    uint64_t last = map->iova + (map->size - 1);
    unsigned at = first_from(c, map->iova);
    SimMapping *m;

    if (at < c->mappings->len) {
        m = g_ptr_array_index(c->mappings, at);
        if (m->iova <= last) {
            return -EEXIST;
        }
    }
    if (c->mappings->len >= sim_world.container_cfg.max_mappings) {
        return -ENOSPC;
    }
    if (!in_valid_range(map->iova, last)) {
        return -EINVAL;
    }
    m = g_new0(SimMapping, 1);
    m->iova = map->iova;
    m->size_bytes = map->size;
    m->vaddr = (uint8_t *)(uintptr_t)map->vaddr;
    m->flags = map->flags;
    g_ptr_array_insert(c->mappings, at, m);
    if (c->tracking) {
        start_tracking(c, m);
    }
    return 0;
}

int sim_iommu_map(SimContainer *c, void *arg)
{
    struct vfio_iommu_type1_dma_map *map = arg;
    const uint32_t rw = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE;
    uint64_t mask = page_size() - 1;
    int ret = take_fault(c, SIM_EV_MAP_DMA);

    if (!ret && (map->argsz < sizeof(*map) || (map->flags & ~rw) ||
                 !(map->flags & rw) || !map->size ||
                 ((map->size | map->iova | map->vaddr) & mask) ||
                 map->iova + (map->size - 1) < map->iova ||
                 map->vaddr + (map->size - 1) < map->vaddr)) {
        ret = -EINVAL;
    }
    if (!ret) {
        g_mutex_lock(&c->lock);
        ret = map_locked(c, map);
        g_mutex_unlock(&c->lock);
    }
    sim_log("container", "map-dma id=%u iova=0x%llx size=0x%llx flags=%u "
            "ret=%d", c->id, (unsigned long long)map->iova,
            (unsigned long long)map->size, map->flags, ret);
    return ret;
}

/* ------------------------------------------------------------------------ */
/* Dirty bits                                                               */

/* Copy @count bits to bit @to of the caller's bitmap, replacing it there. */
static void copy_bits(uint8_t *bitmap, uint64_t to, const uint8_t *bits,
                      uint64_t count)
{
    uint64_t i = 0;

    if (to % 8 == 0) {
        memcpy(bitmap + to / 8, bits, count / 8);
        i = count / 8 * 8;
    }
    for (; i < count; i++) {
        uint8_t mask = 1u << (to + i) % 8;

        if (bits[i / 8] & 1u << i % 8) {
            bitmap[(to + i) / 8] |= mask;
        } else {
            bitmap[(to + i) / 8] &= ~mask;
        }
    }
}

static int check_bitmap(const struct vfio_bitmap *bitmap, uint64_t size)
{
    uint64_t pages = size / page_size();

    if (bitmap->pgsize != page_size() || !pages ||
        pages > MAX_BITMAP_PAGES || !bitmap->data ||
        bitmap->size > sim_world.container_cfg.max_bitmap_size ||
        bitmap->size < bitmap_bytes(pages)) {
        return -EINVAL;
    }
    return 0;
}

/* A mapping may be inside a range, but must not cross its ends. */
static bool cuts_mapping(SimContainer *c, uint64_t iova, uint64_t last)
{
    SimMapping *m = sim_iommu_find(c, iova);

    if (m && m->iova != iova) {
        return true;
    }
    m = sim_iommu_find(c, last);
    return m && last_byte(m) != last;
}

static void read_dirty(SimContainer *c, uint64_t iova, uint64_t last,
                       const struct vfio_bitmap *bitmap, bool again)
{
    for (unsigned i = first_from(c, iova); i < c->mappings->len; i++) {
        SimMapping *m = g_ptr_array_index(c->mappings, i);
        uint64_t pages = m->size_bytes / page_size();

        if (m->iova > last) {
            break;
        }
        copy_bits((uint8_t *)bitmap->data, (m->iova - iova) / page_size(),
                  m->dirty, pages);
        if (again) {
            memset(m->dirty, 0, bitmap_bytes(pages));
            seed_pinned(c, m);
        }
    }
}

static int get_dirty(SimContainer *c,
                     struct vfio_iommu_type1_dirty_bitmap_get *get)
{
    uint64_t mask = page_size() - 1;
    int ret = check_bitmap(&get->bitmap, get->size);

    if (ret) {
        return ret;
    }
    if (((get->iova | get->size) & mask) || get->iova + get->size < get->iova
        || !c->tracking ||
        cuts_mapping(c, get->iova, get->iova + (get->size - 1))) {
        return -EINVAL;
    }
    read_dirty(c, get->iova, get->iova + (get->size - 1), &get->bitmap,
               true);
    return 0;
}

static void set_tracking(SimContainer *c, bool on)
{
    if (c->tracking == on) {
        return;
    }
    c->tracking = on;
    for (unsigned i = 0; i < c->mappings->len; i++) {
        SimMapping *m = g_ptr_array_index(c->mappings, i);

        if (on) {
            start_tracking(c, m);
        } else {
            g_clear_pointer(&m->dirty, g_free);
        }
    }
}

/*
 * If the kernel fails, it may have written to the caller's bitmap, except with
 * EINTR, which means that nothing was done.
 */
static void scribble(const struct vfio_bitmap *bitmap, int ret)
{
    if (ret != -EINTR && bitmap->data && bitmap->size >= sizeof(uint64_t)) {
        memset(bitmap->data, 0xff, sizeof(uint64_t));
    }
}

static int dirty_op(SimContainer *c, uint32_t flags, void *arg)
{
    struct vfio_iommu_type1_dirty_bitmap *head = arg;
    struct vfio_iommu_type1_dirty_bitmap_get *get =
        (void *)((uint8_t *)arg + sizeof(*head));
    int ret;

    switch (flags) {
    case VFIO_IOMMU_DIRTY_PAGES_FLAG_START:
        ret = take_fault(c, SIM_EV_DIRTY_START);
        break;
    case VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP:
        ret = take_fault(c, SIM_EV_DIRTY_STOP);
        break;
    case VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP:
        if (head->argsz < sizeof(*head) + sizeof(*get)) {
            return -EINVAL;
        }
        ret = take_fault(c, SIM_EV_DIRTY_GET);
        if (ret) {
            scribble(&get->bitmap, ret);
        } else {
            ret = get_dirty(c, get);
        }
        sim_log("container", "dirty-range id=%u iova=0x%llx size=0x%llx "
                "ret=%d", c->id, (unsigned long long)get->iova,
                (unsigned long long)get->size, ret);
        return ret;
    default:
        return -EINVAL;
    }
    if (!ret) {
        set_tracking(c, flags == VFIO_IOMMU_DIRTY_PAGES_FLAG_START);
    }
    return ret;
}

int sim_iommu_dirty(SimContainer *c, void *arg)
{
    struct vfio_iommu_type1_dirty_bitmap *head = arg;
    int64_t begin_us = g_get_monotonic_time();
    int ret = -EINVAL;

    if (!has_dirty_bits(c)) {
        return -ENOTTY;
    }
    if (head->argsz >= sizeof(*head)) {
        g_mutex_lock(&c->lock);
        ret = dirty_op(c, head->flags, arg);
        g_mutex_unlock(&c->lock);
    }
    sim_log("container", "dirty-%s id=%u flags=%u ret=%d us=%lld",
            head->flags == VFIO_IOMMU_DIRTY_PAGES_FLAG_START ? "start" :
            head->flags == VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP ? "stop" : "get",
            c->id, head->flags, ret,
            (long long)(g_get_monotonic_time() - begin_us));
    return ret;
}

/* ------------------------------------------------------------------------ */
/* Unmapping                                                                */

static int unmap_locked(SimContainer *c,
                        struct vfio_iommu_type1_dma_unmap *unmap,
                        const struct vfio_bitmap *bitmap)
{
    uint64_t last = unmap->iova + (unmap->size - 1);
    unsigned at = first_from(c, unmap->iova);
    uint64_t freed = 0;

    if (cuts_mapping(c, unmap->iova, last)) {
        return -EINVAL;
    }
    if (bitmap) {
        if (!c->tracking) {
            return -EINVAL;
        }
        read_dirty(c, unmap->iova, last, bitmap, false);
    }
    while (at < c->mappings->len) {
        SimMapping *m = g_ptr_array_index(c->mappings, at);

        if (m->iova > last) {
            break;
        }
        freed += m->size_bytes;
        mapping_free(m);
        g_ptr_array_remove_index(c->mappings, at);
    }
    unmap->size = freed;
    return 0;
}

static int check_unmap(struct vfio_iommu_type1_dma_unmap *unmap,
                       const struct vfio_bitmap *bitmap)
{
    uint64_t mask = page_size() - 1;

    if (unmap->argsz < offsetof(struct vfio_iommu_type1_dma_unmap, data) ||
        (unmap->flags & ~VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP) ||
        !unmap->size || ((unmap->iova | unmap->size) & mask) ||
        unmap->iova + (unmap->size - 1) < unmap->iova) {
        return -EINVAL;
    }
    if (!bitmap) {
        return 0;
    }
    if (unmap->argsz < sizeof(*unmap) + sizeof(*bitmap)) {
        return -EINVAL;
    }
    return check_bitmap(bitmap, unmap->size);
}

int sim_iommu_unmap(SimContainer *c, void *arg)
{
    struct vfio_iommu_type1_dma_unmap *unmap = arg;
    bool wants = unmap->flags & VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP;
    const struct vfio_bitmap *bitmap = wants ? (void *)unmap->data : NULL;
    uint64_t iova = unmap->iova, size = unmap->size;
    int ret = take_fault(c, SIM_EV_UNMAP_DMA);

    if (!ret) {
        ret = check_unmap(unmap, bitmap);
    } else if (bitmap) {
        scribble(bitmap, ret);
    }
    if (!ret) {
        g_mutex_lock(&c->lock);
        ret = unmap_locked(c, unmap, bitmap);
        g_mutex_unlock(&c->lock);
    }
    sim_log("container", "unmap-dma id=%u iova=0x%llx size=0x%llx flags=%u "
            "ret=%d", c->id, (unsigned long long)iova,
            (unsigned long long)size, unmap->flags, ret);
    return ret;
}

void sim_iommu_clear(SimContainer *c)
{
    g_mutex_lock(&c->lock);
    for (unsigned i = 0; i < c->mappings->len; i++) {
        mapping_free(g_ptr_array_index(c->mappings, i));
    }
    g_ptr_array_set_size(c->mappings, 0);
    c->tracking = false;
    g_mutex_unlock(&c->lock);
}
