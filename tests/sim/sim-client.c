/*
 * Tests of the simulated device: a plain client of the VFIO interface
 *
 * Owns: see sim-client.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/vfio.h>

#include "sim-client.h"

#define REG_STATE 0
#define REG_PENDING 8
#define REG_DATA_OFFSET 16
#define REG_DATA_SIZE 24
#define RUNNING 1u
#define STOP_COPY 2u
#define PRE_COPY 3u
#define RESUMING 4u

/* ------------------------------------------------------------------------ */
/* Opening                                                                  */

static void add_area(SimClient *c, uint64_t offset, uint64_t size)
{
    SimClientArea area = { offset, size, NULL };
    void *ptr;

    if (!size) {
        return;
    }
    ptr = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, c->device,
               c->region + offset);
    if (ptr != MAP_FAILED) {
        area.ptr = ptr;
        g_array_append_val(c->areas, area);
    }
}

static struct vfio_region_info *region_info(SimClient *c, unsigned index)
{
    struct vfio_region_info *info = g_malloc0(sizeof(*info));
    uint32_t needed;

    info->argsz = sizeof(*info);
    info->index = index;
    if (ioctl(c->device, VFIO_DEVICE_GET_REGION_INFO, info) < 0) {
        g_free(info);
        return NULL;
    }
    needed = info->argsz;
    if (needed > sizeof(*info)) {
        info = g_realloc(info, needed);
        memset(info, 0, needed);
        info->argsz = needed;
        info->index = index;
        g_assert_cmpint(ioctl(c->device, VFIO_DEVICE_GET_REGION_INFO, info),
                        ==, 0);
    }
    return info;
}

static const struct vfio_info_cap_header *
find_cap(const struct vfio_region_info *info, uint16_t id)
{
    uint32_t at = info->flags & VFIO_REGION_INFO_FLAG_CAPS ?
                  info->cap_offset : 0;

    while (at) {
        const struct vfio_info_cap_header *h =
            (const void *)((const uint8_t *)info + at);

        if (h->id == id) {
            return h;
        }
        at = h->next;
    }
    return NULL;
}

static void map_region(SimClient *c, const struct vfio_region_info *info)
{
    const struct vfio_region_info_cap_sparse_mmap *sparse =
        (const void *)find_cap(info, VFIO_REGION_INFO_CAP_SPARSE_MMAP);

    if (!(info->flags & VFIO_REGION_INFO_FLAG_MMAP)) {
        return;
    }
    if (!sparse) {
        add_area(c, 0, info->size);
        return;
    }
    for (unsigned i = 0; i < sparse->nr_areas; i++) {
        add_area(c, sparse->areas[i].offset, sparse->areas[i].size);
    }
}

static void find_region(SimClient *c)
{
    struct vfio_device_info dev = { .argsz = sizeof(dev) };

    g_assert_cmpint(ioctl(c->device, VFIO_DEVICE_GET_INFO, &dev), ==, 0);
    for (unsigned i = VFIO_PCI_NUM_REGIONS; i < dev.num_regions; i++) {
        g_autofree struct vfio_region_info *info = region_info(c, i);
        const struct vfio_region_info_cap_type *type;

        if (!info) {
            continue;
        }
        type = (const void *)find_cap(info, VFIO_REGION_INFO_CAP_TYPE);
        if (type && type->type == 3 && type->subtype == 1) {
            c->region = info->offset;
            c->region_size = info->size;
            map_region(c, info);
        }
    }
}

SimClient *client_open(const char *name, unsigned group)
{
    SimClient *c = g_new0(SimClient, 1);
    struct vfio_group_status status = { .argsz = sizeof(status) };
    g_autofree char *path = g_strdup_printf("/dev/vfio/%u", group);

    c->name = name;
    c->areas = g_array_new(FALSE, FALSE, sizeof(SimClientArea));
    c->container = open("/dev/vfio/vfio", O_RDWR);
    g_assert_cmpint(c->container, >=, 0);
    g_assert_cmpint(ioctl(c->container, VFIO_GET_API_VERSION), ==, 0);
    c->group = open(path, O_RDWR);
    g_assert_cmpint(c->group, >=, 0);
    g_assert_cmpint(ioctl(c->group, VFIO_GROUP_GET_STATUS, &status), ==, 0);
    g_assert_cmpuint(status.flags, ==, VFIO_GROUP_FLAGS_VIABLE);
    g_assert_cmpint(ioctl(c->group, VFIO_GROUP_SET_CONTAINER, &c->container),
                    ==, 0);
    g_assert_cmpint(ioctl(c->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU),
                    ==, 0);
    c->device = ioctl(c->group, VFIO_GROUP_GET_DEVICE_FD, name);
    g_assert_cmpint(c->device, >=, 0);
    find_region(c);
    return c;
}

void client_close(SimClient *c)
{
    for (unsigned i = 0; i < c->areas->len; i++) {
        SimClientArea *a = &g_array_index(c->areas, SimClientArea, i);

        munmap(a->ptr, a->size_bytes);
    }
    g_array_unref(c->areas);
    close(c->device);
    close(c->group);
    close(c->container);
    g_free(c);
}

/* ------------------------------------------------------------------------ */
/* Registers                                                                */

ssize_t client_raw(SimClient *c, bool write, uint64_t offset, void *buf,
                   size_t len)
{
    return result(write ? pwrite(c->device, buf, len, c->region + offset)
                        : pread(c->device, buf, len, c->region + offset));
}

ssize_t client_config(SimClient *c, bool write, unsigned at, void *buf,
                      size_t len)
{
    off_t offset = ((off_t)VFIO_PCI_CONFIG_REGION_INDEX << 40) + at;

    return write ? pwrite(c->device, buf, len, offset)
                 : pread(c->device, buf, len, offset);
}

static int exact(SimClient *c, bool write, uint64_t offset, void *buf,
                 size_t len)
{
    ssize_t n = client_raw(c, write, offset, buf, len);

    return n < 0 ? n : n == (ssize_t)len ? 0 : -EIO;
}

int client_read_state(SimClient *c, uint32_t *state)
{
    return exact(c, false, REG_STATE, state, sizeof(*state));
}

int client_set_state(SimClient *c, uint32_t state)
{
    return exact(c, true, REG_STATE, &state, sizeof(state));
}

int client_pending(SimClient *c, uint64_t *bytes)
{
    return exact(c, false, REG_PENDING, bytes, sizeof(*bytes));
}

int client_data_offset(SimClient *c, uint64_t *offset)
{
    return exact(c, false, REG_DATA_OFFSET, offset, sizeof(*offset));
}

int client_data_size(SimClient *c, uint64_t *bytes)
{
    return exact(c, false, REG_DATA_SIZE, bytes, sizeof(*bytes));
}

int client_set_data_size(SimClient *c, uint64_t bytes)
{
    return exact(c, true, REG_DATA_SIZE, &bytes, sizeof(bytes));
}

/* ------------------------------------------------------------------------ */
/* Guest memory                                                             */

/* vfio_iommu_type1_dma_unmap and ..._dirty_bitmap with their payload */
typedef struct Request {
    uint32_t argsz;
    uint32_t flags;
    uint64_t iova;
    uint64_t size;
    struct vfio_bitmap bitmap;
} Request;

int client_map(SimClient *c, uint64_t iova, uint64_t vaddr, uint64_t size,
               uint32_t flags)
{
    struct vfio_iommu_type1_dma_map map = {
        .argsz = sizeof(map), .flags = flags, .vaddr = vaddr, .iova = iova,
        .size = size,
    };

    return result(ioctl(c->container, VFIO_IOMMU_MAP_DMA, &map));
}

int client_unmap(SimClient *c, uint64_t iova, uint64_t *size, uint32_t flags,
                 uint64_t *bits)
{
    Request arg = {
        .argsz = flags == 1 ? sizeof(arg)
                            : sizeof(struct vfio_iommu_type1_dma_unmap),
        .flags = flags, .iova = iova, .size = *size,
        .bitmap = { .pgsize = 4096, .size = 8, .data = (void *)bits },
    };
    int ret = result(ioctl(c->container, VFIO_IOMMU_UNMAP_DMA, &arg));

    *size = arg.size;
    return ret;
}

int client_dirty(SimClient *c, uint32_t flags)
{
    struct vfio_iommu_type1_dirty_bitmap arg = {
        .argsz = sizeof(arg), .flags = flags,
    };

    return result(ioctl(c->container, VFIO_IOMMU_DIRTY_PAGES, &arg));
}

int client_dirty_bits(SimClient *c, uint64_t iova, uint64_t size,
                      uint64_t page_size, uint64_t *bits, uint64_t bytes)
{
    Request arg = {
        .argsz = sizeof(arg), .flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP,
        .iova = iova, .size = size,
        .bitmap = { .pgsize = page_size, .size = bytes,
                    .data = (void *)bits },
    };

    return result(ioctl(c->container, VFIO_IOMMU_DIRTY_PAGES, &arg));
}

/* ------------------------------------------------------------------------ */
/* Data                                                                     */

/* Length of the piece at @offset; @ptr: set to its mapping, or NULL */
static uint64_t piece_at(SimClient *c, uint64_t offset, uint64_t len,
                         uint8_t **ptr)
{
    *ptr = NULL;
    for (unsigned i = 0; i < c->areas->len; i++) {
        SimClientArea *a = &g_array_index(c->areas, SimClientArea, i);

        if (offset >= a->offset && offset - a->offset < a->size_bytes) {
            *ptr = a->ptr + (offset - a->offset);
            return MIN(len, a->size_bytes - (offset - a->offset));
        }
        if (a->offset > offset) {
            len = MIN(len, a->offset - offset);
        }
    }
    return len;
}

static int copy(SimClient *c, bool write, uint64_t offset, uint8_t *buf,
                uint64_t len)
{
    while (len) {
        uint8_t *ptr;
        uint64_t n = piece_at(c, offset, len, &ptr);
        ssize_t moved;

        if (ptr) {
            memcpy(write ? ptr : buf, write ? buf : ptr, n);
            moved = n;
        } else {
            moved = client_raw(c, write, offset, buf, n);
            if (moved == -EINTR) {
                continue;
            }
            if (moved <= 0) {
                return moved ? moved : -EIO;
            }
        }
        offset += moved;
        buf += moved;
        len -= moved;
    }
    return 0;
}

static void chunk_free(void *opaque)
{
    SimClientChunk *chunk = opaque;

    g_byte_array_unref(chunk->bytes);
    g_free(chunk);
}

GPtrArray *client_chunks_new(void)
{
    return g_ptr_array_new_with_free_func(chunk_free);
}

void client_chunk_add(GPtrArray *chunks, const uint8_t *bytes, uint64_t len,
                      bool stop_phase)
{
    SimClientChunk *chunk = g_new0(SimClientChunk, 1);

    chunk->bytes = g_byte_array_new();
    g_byte_array_append(chunk->bytes, bytes, len);
    chunk->stop_phase = stop_phase;
    g_ptr_array_add(chunks, chunk);
}

int client_save_chunk(SimClient *c, GPtrArray *chunks, bool stop_phase)
{
    uint64_t pending, offset, size;
    g_autofree uint8_t *buf = NULL;
    int ret = client_pending(c, &pending);

    if (ret || !pending) {
        return ret ? ret : 1;
    }
    ret = client_data_offset(c, &offset);
    ret = ret ? ret : client_data_size(c, &size);
    if (ret) {
        return ret;
    }
    g_assert_cmpuint(size, >, 0);
    g_assert_cmpuint(size, <=, pending);
    g_assert_cmpuint(offset + size, <=, c->region_size);
    buf = g_malloc(size);
    ret = copy(c, false, offset, buf, size);
    if (!ret) {
        client_chunk_add(chunks, buf, size, stop_phase);
    }
    return ret;
}

int client_save(SimClient *c, GPtrArray *chunks, bool precopy,
                unsigned max_precopy)
{
    int ret = precopy ? client_set_state(c, PRE_COPY) : 0;
    uint64_t pending;

    for (unsigned i = 0; precopy && !ret && i < max_precopy; i++) {
        ret = client_save_chunk(c, chunks, false);
    }
    if (precopy && !ret) {
        ret = client_pending(c, &pending);
    }
    if (ret >= 0) {
        ret = client_set_state(c, STOP_COPY);
    }
    while (!ret) {
        ret = client_save_chunk(c, chunks, true);
    }
    return ret < 0 ? ret : client_set_state(c, 0);
}

int client_load_chunk(SimClient *c, const uint8_t *bytes, uint64_t len)
{
    uint64_t offset;
    int ret = client_data_offset(c, &offset);

    ret = ret ? ret : copy(c, true, offset, (uint8_t *)bytes, len);
    return ret ? ret : client_set_data_size(c, len);
}

/* Write a chunk in parts that fit after data_offset. */
static int load_split(SimClient *c, const uint8_t *bytes, uint64_t len)
{
    int ret = 0;

    while (len && !ret) {
        uint64_t offset, n;

        ret = client_data_offset(c, &offset);
        if (ret) {
            return ret;
        }
        n = MIN(len, c->region_size - offset);
        ret = copy(c, true, offset, (uint8_t *)bytes, n);
        ret = ret ? ret : client_set_data_size(c, n);
        bytes += n;
        len -= n;
    }
    return ret;
}

int client_load(SimClient *c, GPtrArray *chunks, bool split)
{
    int ret = client_set_state(c, RESUMING);

    for (unsigned i = 0; !ret && i < chunks->len; i++) {
        SimClientChunk *chunk = g_ptr_array_index(chunks, i);

        ret = split ? load_split(c, chunk->bytes->data, chunk->bytes->len)
                    : client_load_chunk(c, chunk->bytes->data,
                                        chunk->bytes->len);
    }
    return ret ? ret : client_set_state(c, RUNNING);
}
