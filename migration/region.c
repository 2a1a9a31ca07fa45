/*
 * VFIO regions of the stand-alone host
 *
 * Owns: region information from the kernel, its capabilities, and the
 * mappings of a region. Does not own: which regions a device has.
 *
 * Lock: the BQL.
 *
 * Source: linux/vfio.h; declarations of QEMU 7.2's hw/vfio/vfio-common.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <sys/ioctl.h>
#include <sys/mman.h>
#include "hw/vfio/vfio-common.h"
#include "migration/host-device.h"

int vfio_get_region_info(VFIODevice *vbasedev, int index,
                         struct vfio_region_info **info)
{
    size_t argsz = sizeof(struct vfio_region_info);
    struct vfio_region_info *got = g_malloc0(argsz);

    *info = NULL;
    for (;;) {
        got->argsz = argsz;
        got->index = index;
        got->offset = 0;
        if (ioctl(vbasedev->fd, VFIO_DEVICE_GET_REGION_INFO, got)) {
            int ret = -errno;

            g_free(got);
            return ret;
        }
        if (got->argsz <= argsz) {
            *info = got;
            return 0;
        }
        argsz = got->argsz;     /* again, with room for the capabilities */
        got = g_realloc(got, argsz);
    }
}

struct vfio_info_cap_header *host_info_cap(void *info, uint32_t argsz,
                                           uint32_t offset, uint16_t id,
                                           size_t size)
{
    uint32_t at = offset;

    while (at && at + (uint64_t)sizeof(struct vfio_info_cap_header) <= argsz) {
        struct vfio_info_cap_header *cap = (void *)((char *)info + at);

        if (cap->id == id) {
            return at + (uint64_t)size <= argsz ? cap : NULL;
        }
        at = cap->next > at ? cap->next : 0;
    }
    return NULL;
}

static void *region_cap(struct vfio_region_info *info, uint16_t id,
                        size_t size)
{
    bool caps = info->flags & VFIO_REGION_INFO_FLAG_CAPS;

    return host_info_cap(info, info->argsz, caps ? info->cap_offset : 0, id,
                         size);
}

int vfio_get_dev_region_info(VFIODevice *vbasedev, uint32_t type,
                             uint32_t subtype, struct vfio_region_info **info)
{
    unsigned i;

    for (i = 0; i < vbasedev->num_regions; i++) {
        struct vfio_region_info_cap_type *cap;

        if (vfio_get_region_info(vbasedev, i, info)) {
            continue;
        }
        cap = region_cap(*info, VFIO_REGION_INFO_CAP_TYPE, sizeof(*cap));
        if (cap && cap->type == type && cap->subtype == subtype) {
            return 0;
        }
        g_free(*info);
    }
    *info = NULL;
    return -ENODEV;
}

/* Find what can be mapped: the areas in the capability, or everything. */
static void region_find_areas(VFIORegion *region,
                              struct vfio_region_info *info)
{
    struct vfio_region_info_cap_sparse_mmap *cap;
    uint32_t i, nr;

    cap = region_cap(info, VFIO_REGION_INFO_CAP_SPARSE_MMAP,
                             sizeof(*cap));
    if (!cap) {
        region->nr_mmaps = 1;
        region->mmaps = g_new0(VFIOMmap, 1);
        region->mmaps[0].size = region->size;
        return;
    }
    nr = MIN(cap->nr_areas,
             (info->argsz - ((char *)cap->areas - (char *)info)) /
             sizeof(cap->areas[0]));
    region->mmaps = g_new0(VFIOMmap, nr);
    for (i = 0; i < nr; i++) {
        if (cap->areas[i].size) {
            VFIOMmap *m = &region->mmaps[region->nr_mmaps++];

            m->offset = cap->areas[i].offset;
            m->size = cap->areas[i].size;
        }
    }
}

int vfio_region_setup(Object *obj, VFIODevice *vbasedev, VFIORegion *region,
                      int index, const char *name)
{
    struct vfio_region_info *info;
    int ret = vfio_get_region_info(vbasedev, index, &info);

    if (ret) {
        return ret;
    }
    region->vbasedev = vbasedev;
    region->flags = info->flags;
    region->size = info->size;
    region->fd_offset = info->offset;
    region->nr = index;
    if (region->size) {
        region->mem = g_new0(MemoryRegion, 1);
        if (!vbasedev->no_mmap && (info->flags & VFIO_REGION_INFO_FLAG_MMAP)) {
            region_find_areas(region, info);
        }
    }
    g_free(info);
    return 0;
}

/* All or nothing, as in QEMU: if one area fails, the others are unmapped. */
int vfio_region_mmap(VFIORegion *region)
{
    int prot = (region->flags & VFIO_REGION_INFO_FLAG_READ ? PROT_READ : 0) |
               (region->flags & VFIO_REGION_INFO_FLAG_WRITE ? PROT_WRITE : 0);
    uint32_t i;

    if (!region->mem) {
        return 0;
    }
    for (i = 0; i < region->nr_mmaps; i++) {
        VFIOMmap *m = &region->mmaps[i];

        m->mmap = mmap(NULL, m->size, prot, MAP_SHARED, region->vbasedev->fd,
                       (uint64_t)region->fd_offset + m->offset);
        if (m->mmap == MAP_FAILED) {
            int ret = -errno;

            m->mmap = NULL;
            vfio_region_unmap(region);
            return ret;
        }
    }
    return 0;
}

void vfio_region_unmap(VFIORegion *region)
{
    for (uint32_t i = 0; i < region->nr_mmaps; i++) {
        VFIOMmap *m = &region->mmaps[i];

        if (m->mmap) {
            munmap(m->mmap, m->size);
            m->mmap = NULL;
        }
    }
}

/* There is no guest address space from which to remove the areas. */
void vfio_region_exit(VFIORegion *region)
{
    assert(region->mem || !region->nr_mmaps);
}

void vfio_region_finalize(VFIORegion *region)
{
    if (!region->mem) {
        return;
    }
    vfio_region_unmap(region);
    g_free(region->mmaps);
    g_free(region->mem);
    *region = (VFIORegion) { .vbasedev = region->vbasedev };
}
