/*
 * Tests of the simulated device: everything around the migration region
 *
 * Owns: containers, groups and mappings with the kernel's refusals, dirty
 * bits, DMA, PCI config space and interrupts, status, transcript, the
 * directories that stand for sysfs, forked children.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <json-glib/json-glib.h>
#include <glib/gstdio.h>

#include "sim-client.h"

#define PAGE 4096ull
#define RUNNING 1u
#define PRE_COPY 3u
#define STOP 0u

static void configure(const char *text)
{
    g_autoptr(GError) err = NULL;

    vfio_sim_configure_data(text, &err);
    g_assert_no_error(err);
}

static SimClient *open_with(const char *container, const char *device)
{
    g_autofree char *text = g_strdup_printf("[container]\n%s\n"
                                            "[device dev]\ngroup=1\n%s\n",
                                            container, device);

    configure(text);
    return client_open("dev", 1);
}

static int result(int ret)
{
    return ret < 0 ? -errno : ret;
}

/* ------------------------------------------------------------------------ */
/* Containers and groups                                                    */

static void test_order(void)
{
    struct vfio_group_status status = { .argsz = sizeof(status) };
    struct vfio_iommu_type1_info info = { .argsz = sizeof(info) };
    int container, group, fd = -1;

    configure("[device dev]\ngroup=1\n[device two]\ngroup=1\n"
              "[device far]\ngroup=2\n");
    g_assert_cmpint(result(open("/dev/vfio/3", O_RDWR)), ==, -ENOENT);
    g_assert_cmpint(result(open("/dev/vfio/x", O_RDWR)), ==, -ENOENT);
    container = open("/dev/vfio/vfio", O_RDWR);
    group = open("/dev/vfio/1", O_RDWR);
    g_assert_cmpint(result(open("/dev/vfio/1", O_RDWR)), ==, -EBUSY);
    g_assert_cmpint(ioctl(container, VFIO_CHECK_EXTENSION, VFIO_TYPE1_IOMMU),
                    ==, 1);
    g_assert_cmpint(ioctl(container, VFIO_CHECK_EXTENSION, 99), ==, 0);
    g_assert_cmpint(result(ioctl(container, VFIO_SET_IOMMU,
                                 VFIO_TYPE1v2_IOMMU)), ==, -EINVAL);
    g_assert_cmpint(result(ioctl(container, VFIO_IOMMU_GET_INFO, &info)), ==,
                    -EINVAL);
    g_assert_cmpint(result(ioctl(group, VFIO_GROUP_GET_DEVICE_FD, "dev")),
                    ==, -EINVAL);
    g_assert_cmpint(result(ioctl(group, VFIO_GROUP_UNSET_CONTAINER)), ==,
                    -EINVAL);
    g_assert_cmpint(result(ioctl(group, VFIO_GROUP_SET_CONTAINER, &fd)), ==,
                    -EINVAL);
    g_assert_cmpint(ioctl(group, VFIO_GROUP_SET_CONTAINER, &container), ==,
                    0);
    g_assert_cmpint(ioctl(group, VFIO_GROUP_GET_STATUS, &status), ==, 0);
    g_assert_cmpuint(status.flags, ==, VFIO_GROUP_FLAGS_VIABLE |
                     VFIO_GROUP_FLAGS_CONTAINER_SET);
    g_assert_cmpint(ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), ==,
                    0);
    g_assert_cmpint(result(ioctl(group, VFIO_GROUP_GET_DEVICE_FD, "far")),
                    ==, -ENODEV);
    fd = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, "two");
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(result(ioctl(group, VFIO_GROUP_UNSET_CONTAINER)), ==,
                    -EBUSY);
    close(fd);
    g_assert_cmpint(ioctl(group, VFIO_GROUP_UNSET_CONTAINER), ==, 0);
    close(group);
    group = open("/dev/vfio/1", O_RDWR);
    g_assert_cmpint(group, >=, 0);
    close(group);
    close(container);
}

/* The number of one kind of file means nothing to another. */
static void test_kinds(void)
{
    struct vfio_region_info info = { .argsz = sizeof(info) };
    SimClient *c = open_with("", "");

    g_assert_cmpint(result(ioctl(c->container, VFIO_DEVICE_GET_REGION_INFO,
                                 &info)), ==, -ENOTTY);
    g_assert_cmpint(result(ioctl(c->group, VFIO_DEVICE_RESET)), ==, -ENOTTY);
    g_assert_cmpint(result(ioctl(c->device, VFIO_IOMMU_GET_INFO, &info)), ==,
                    -ENOTTY);
    g_assert_cmpint(result(pread(c->group, &info, 4, 0)), ==, -EINVAL);
    g_assert_true(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, c->group, 0) ==
                  MAP_FAILED);
    client_close(c);
}

static void test_two_devices(void)
{
    SimClient *a, *b;
    int second;
    uint32_t state;

    configure("[device a]\ngroup=1\n[device a2]\ngroup=1\n"
              "[device b]\ngroup=2\n");
    a = client_open("a", 1);
    b = client_open("b", 2);
    second = ioctl(a->group, VFIO_GROUP_GET_DEVICE_FD, "a2");
    g_assert_cmpint(second, >=, 0);
    g_assert_cmpint(client_set_state(a, PRE_COPY), ==, 0);
    g_assert_cmpint(client_read_state(b, &state), ==, 0);
    g_assert_cmpuint(state, ==, RUNNING);
    g_assert_cmpuint(client_status("a2").device_state, ==, RUNNING);
    g_assert_cmpuint(client_status("a").device_state, ==, PRE_COPY);
    close(second);
    client_close(a);
    client_close(b);
    /* Opened again, it is a new device. */
    a = client_open("a", 1);
    g_assert_cmpuint(client_status("a").device_state, ==, RUNNING);
    client_close(a);
}

static void test_fork(void)
{
    SimClient *c = open_with("", "");
    uint32_t state;
    pid_t child;
    int wstatus;

    g_assert_cmpint(client_set_state(c, PRE_COPY), ==, 0);
    child = fork();
    if (child == 0) {
        _exit(close(c->device) == 0 && close(c->container) == 0 ? 0 : 1);
    }
    g_assert_cmpint(waitpid(child, &wstatus, 0), ==, child);
    g_assert_cmpint(wstatus, ==, 0);
    g_assert_cmpint(client_read_state(c, &state), ==, 0);
    g_assert_cmpuint(state, ==, PRE_COPY);
    client_close(c);
}

/* ------------------------------------------------------------------------ */
/* Mappings                                                                 */

static int map_flags(SimClient *c, uint64_t iova, void *vaddr, uint64_t size,
                     uint32_t flags)
{
    struct vfio_iommu_type1_dma_map map = {
        .argsz = sizeof(map),
        .flags = flags,
        .vaddr = (uintptr_t)vaddr,
        .iova = iova,
        .size = size,
    };

    return result(ioctl(c->container, VFIO_IOMMU_MAP_DMA, &map));
}

static int map(SimClient *c, uint64_t iova, void *vaddr, uint64_t size)
{
    return map_flags(c, iova, vaddr, size,
                     VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE);
}

/* Returns the bytes unmapped, or a negative errno. */
static int64_t unmap(SimClient *c, uint64_t iova, uint64_t size)
{
    struct vfio_iommu_type1_dma_unmap arg = {
        .argsz = sizeof(arg), .iova = iova, .size = size,
    };
    int ret = result(ioctl(c->container, VFIO_IOMMU_UNMAP_DMA, &arg));

    return ret ? ret : (int64_t)arg.size;
}

static void test_map(void)
{
    struct vfio_iommu_type1_dma_map small = { .argsz = 8 };
    void *ram = (void *)0x10000000;
    SimClient *c = open_with("max-mappings=4\niova-ranges=0+1M;2M+1M", "");

    g_assert_cmpint(map(c, 0x10000, ram, 0x10000), ==, 0);
    g_assert_cmpint(map(c, 0x10000, ram, 0x10000), ==, -EEXIST);
    g_assert_cmpint(map(c, 0xf000, ram, 0x2000), ==, -EEXIST);
    g_assert_cmpint(map(c, 0x1f000, ram, 0x2000), ==, -EEXIST);
    g_assert_cmpint(map(c, 0x0, ram, 0x100000), ==, -EEXIST);
    g_assert_cmpint(map(c, 0x20000, ram, 0), ==, -EINVAL);
    g_assert_cmpint(map(c, 0x20001, ram, PAGE), ==, -EINVAL);
    g_assert_cmpint(map(c, 0x20000, ram, PAGE + 1), ==, -EINVAL);
    g_assert_cmpint(map(c, 0x20000, (void *)0x1001, PAGE), ==, -EINVAL);
    g_assert_cmpint(map_flags(c, 0x20000, ram, PAGE, 0), ==, -EINVAL);
    g_assert_cmpint(map_flags(c, 0x20000, ram, PAGE, 0x11), ==, -EINVAL);
    g_assert_cmpint(map(c, -PAGE, ram, 2 * PAGE), ==, -EINVAL);
    g_assert_cmpint(map(c, 0x20000, (void *)-PAGE, 2 * PAGE), ==, -EINVAL);
    g_assert_cmpint(map(c, 0x180000, ram, PAGE), ==, -EINVAL);
    g_assert_cmpint(map(c, 0xff000, ram, 2 * PAGE), ==, -EINVAL);
    g_assert_cmpint(result(ioctl(c->container, VFIO_IOMMU_MAP_DMA, &small)),
                    ==, -EINVAL);
    g_assert_cmpint(map(c, 0x20000, ram, PAGE), ==, 0);
    g_assert_cmpint(map(c, 0x200000, ram, PAGE), ==, 0);
    g_assert_cmpint(map(c, 0x0, ram, PAGE), ==, 0);
    g_assert_cmpint(map(c, 0x8000, ram, PAGE), ==, -ENOSPC);
    client_close(c);
}

static void test_unmap(void)
{
    struct vfio_iommu_type1_dma_unmap arg = { .argsz = sizeof(arg) };
    void *ram = (void *)0x10000000;
    SimClient *c = open_with("", "");

    g_assert_cmpint(map(c, 0x10000, ram, 0x10000), ==, 0);
    g_assert_cmpint(map(c, 0x20000, ram, 0x10000), ==, 0);
    g_assert_cmpint(unmap(c, 0x10000, PAGE), ==, -EINVAL);
    g_assert_cmpint(unmap(c, 0x18000, 0x8000), ==, -EINVAL);
    g_assert_cmpint(unmap(c, 0x10000, 0x18000), ==, -EINVAL);
    g_assert_cmpint(unmap(c, 0x10001, PAGE), ==, -EINVAL);
    g_assert_cmpint(unmap(c, 0x10000, 0), ==, -EINVAL);
    g_assert_cmpint(unmap(c, -PAGE, 2 * PAGE), ==, -EINVAL);
    arg.flags = VFIO_DMA_UNMAP_FLAG_VADDR;
    g_assert_cmpint(result(ioctl(c->container, VFIO_IOMMU_UNMAP_DMA, &arg)),
                    ==, -EINVAL);
    arg.argsz = 16;
    g_assert_cmpint(result(ioctl(c->container, VFIO_IOMMU_UNMAP_DMA, &arg)),
                    ==, -EINVAL);
    g_assert_cmpint(unmap(c, 0x40000, 0x10000), ==, 0);
    g_assert_cmpint(unmap(c, 0x0, 0x100000), ==, 0x20000);
    g_assert_cmpint(unmap(c, 0x0, 0x100000), ==, 0);
    /* Up to the very end of the address space. */
    g_assert_cmpint(map(c, -PAGE, ram, PAGE), ==, 0);
    g_assert_cmpint(unmap(c, -PAGE, PAGE), ==, PAGE);
    client_close(c);
}

/* ------------------------------------------------------------------------ */
/* Information with capabilities                                            */

static void test_iommu_info(void)
{
    struct {
        struct vfio_iommu_type1_info info;
        uint8_t room[512];
    } arg = { .info = { .argsz = sizeof(arg.info) } };
    struct vfio_iommu_type1_info_cap_migration *cap;
    SimClient *c = open_with("max-bitmap-size=1M\niova-ranges=0+1G", "");

    g_assert_cmpint(ioctl(c->container, VFIO_IOMMU_GET_INFO, &arg), ==, 0);
    g_assert_cmpuint(arg.info.argsz, >, sizeof(arg.info));
    g_assert_cmpuint(arg.info.cap_offset, ==, 0);
    g_assert_cmpuint(arg.info.iova_pgsizes, ==, PAGE);
    g_assert_cmpint(ioctl(c->container, VFIO_IOMMU_GET_INFO, &arg), ==, 0);
    g_assert_cmpuint(arg.info.cap_offset, ==, sizeof(arg.info));
    cap = (void *)((uint8_t *)&arg + arg.info.cap_offset);
    g_assert_cmpuint(cap->header.id, ==, VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION);
    g_assert_cmpuint(cap->pgsize_bitmap, ==, PAGE);
    g_assert_cmpuint(cap->max_dirty_bitmap_size, ==, 1024 * 1024);
    g_assert_cmpuint(cap->header.next, !=, 0);
    arg.info.argsz = 8;
    g_assert_cmpint(result(ioctl(c->container, VFIO_IOMMU_GET_INFO, &arg)),
                    ==, -EINVAL);
    /* Too small for cap_offset: nothing beyond it may be written. */
    memset(&arg, 0xee, sizeof(arg));
    arg.info.argsz = 16;
    g_assert_cmpint(ioctl(c->container, VFIO_IOMMU_GET_INFO, &arg), ==, 0);
    g_assert_cmpuint(arg.info.cap_offset, ==, 0xeeeeeeee);
    client_close(c);
}

/* A container takes groups behind one IOMMU only: 1 and 2, not 3 and 4. */
static void test_iommus(void)
{
    SimClient *c = open_with("", "[device b]\ngroup=2\n"
        "[device c]\ngroup=3\niommu=1\n[device d]\ngroup=4\ndirty-tracking=no");

    for (unsigned number = 2; number <= 4; number++) {
        g_autofree char *path = g_strdup_printf("/dev/vfio/%u", number);
        int group = open(path, O_RDWR);
        int ret = ioctl(group, VFIO_GROUP_SET_CONTAINER, &c->container);

        g_assert_cmpint(result(ret), ==, number == 2 ? 0 : -EINVAL);
        close(group);
    }
    client_close(c);
}

static void test_switches(void)
{
    struct vfio_device_info dev = { .argsz = sizeof(dev) };
    struct vfio_region_info info = { .argsz = sizeof(info), .index = 9 };
    SimClient *c = open_with("dirty-tracking=no", "migration=no\nreset=no");
    struct vfio_iommu_type1_dirty_bitmap start = {
        .argsz = sizeof(start), .flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_START
    };

    g_assert_cmpint(ioctl(c->device, VFIO_DEVICE_GET_INFO, &dev), ==, 0);
    g_assert_cmpuint(dev.num_regions, ==, VFIO_PCI_NUM_REGIONS);
    g_assert_cmpuint(dev.flags, ==, VFIO_DEVICE_FLAGS_PCI);
    g_assert_cmpint(result(ioctl(c->device, VFIO_DEVICE_RESET)), ==, -EINVAL);
    g_assert_cmpint(result(ioctl(c->device, VFIO_DEVICE_GET_REGION_INFO,
                                 &info)), ==, -EINVAL);
    g_assert_cmpint(result(ioctl(c->container, VFIO_IOMMU_DIRTY_PAGES,
                                 &start)), ==, -ENOTTY);
    client_close(c);
    c = open_with("", "migration=zero-size");
    g_assert_cmpuint(c->region_size, ==, 0);
    g_assert_cmpuint(c->region, !=, 0);
    client_close(c);
    c = open_with("", "migration=info-error");
    g_assert_cmpuint(c->region, ==, 0);
    client_close(c);
}

/* ------------------------------------------------------------------------ */
/* Dirty bits                                                               */

static int dirty_flags(SimClient *c, uint32_t flags)
{
    struct vfio_iommu_type1_dirty_bitmap arg = {
        .argsz = sizeof(arg), .flags = flags
    };

    return result(ioctl(c->container, VFIO_IOMMU_DIRTY_PAGES, &arg));
}

static int dirty_start(SimClient *c)
{
    return dirty_flags(c, VFIO_IOMMU_DIRTY_PAGES_FLAG_START);
}

static SimDirtyRequest get_arg(uint64_t iova, uint64_t size, uint64_t *bits,
                               uint64_t bytes)
{
    SimDirtyRequest arg = {
        .argsz = sizeof(arg),
        .flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP,
        .iova = iova,
        .size = size,
        .bitmap = { .pgsize = PAGE, .size = bytes, .data = (void *)bits },
    };

    return arg;
}

static int get(SimClient *c, SimDirtyRequest arg)
{
    return result(ioctl(c->container, VFIO_IOMMU_DIRTY_PAGES, &arg));
}

static int get_bits(SimClient *c, uint64_t iova, uint64_t size,
                    uint64_t *bits)
{
    return get(c, get_arg(iova, size, bits, 8));
}

static void test_dirty_arguments(void)
{
    uint64_t bits[2];
    SimDirtyRequest arg;
    SimClient *c = open_with("max-bitmap-size=16", "");

    g_assert_cmpint(map(c, 0x10000, (void *)0x10000000, 16 * PAGE), ==, 0);
    g_assert_cmpint(get_bits(c, 0x10000, 16 * PAGE, bits), ==, -EINVAL);
    g_assert_cmpint(dirty_flags(c, VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP), ==, 0);
    g_assert_cmpint(dirty_start(c), ==, 0);
    g_assert_cmpint(dirty_start(c), ==, 0);
    g_assert_cmpint(dirty_flags(c, 0), ==, -EINVAL);
    g_assert_cmpint(dirty_flags(c, 3), ==, -EINVAL);
    g_assert_cmpint(dirty_flags(c, 8), ==, -EINVAL);
    g_assert_cmpint(dirty_flags(c, 4), ==, -EINVAL);
    g_assert_cmpint(get_bits(c, 0x10000, 16 * PAGE, bits), ==, 0);
    g_assert_cmpint(get_bits(c, 0x0, 64 * PAGE, bits), ==, 0);
    g_assert_cmpint(get_bits(c, 0x10000, 8 * PAGE, bits), ==, -EINVAL);
    g_assert_cmpint(get_bits(c, 0x18000, 8 * PAGE, bits), ==, -EINVAL);
    g_assert_cmpint(get_bits(c, 0x10001, 16 * PAGE, bits), ==, -EINVAL);
    g_assert_cmpint(get_bits(c, 0x10000, 100, bits), ==, -EINVAL);
    g_assert_cmpint(get_bits(c, 0x10000, 0, bits), ==, -EINVAL);
    g_assert_cmpint(get_bits(c, 0, 65 * PAGE, bits), ==, -EINVAL);
    g_assert_cmpint(get(c, get_arg(0, 65 * PAGE, bits, 16)), ==, 0);
    g_assert_cmpint(get(c, get_arg(0, 65 * PAGE, bits, 24)), ==, -EINVAL);
    g_assert_cmpint(get_bits(c, -PAGE, 2 * PAGE, bits), ==, -EINVAL);
    g_assert_cmpint(get_bits(c, 0x10000, 16 * PAGE, NULL), ==, -EINVAL);
    arg = get_arg(0x10000, 16 * PAGE, bits, 8);
    arg.bitmap.pgsize = 8192;
    g_assert_cmpint(get(c, arg), ==, -EINVAL);
    arg = get_arg(0x10000, 16 * PAGE, bits, 8);
    arg.argsz = sizeof(arg) - 1;
    g_assert_cmpint(get(c, arg), ==, -EINVAL);
    arg.argsz = 4;
    g_assert_cmpint(get(c, arg), ==, -EINVAL);
    client_close(c);
}

static void test_pinned(void)
{
    uint64_t bits = 0;
    SimClient *c = open_with("", "pinned=0x12000+0x1001;0x1f000+0x5000");

    g_assert_cmpint(map(c, 0x10000, (void *)0x10000000, 16 * PAGE), ==, 0);
    g_assert_cmpint(dirty_start(c), ==, 0);
    for (int i = 0; i < 2; i++) {
        bits = ~0ull;
        g_assert_cmpint(get_bits(c, 0x10000, 16 * PAGE, &bits), ==, 0);
        g_assert_cmphex(bits, ==, 0xffffffffffff800cull);
    }
    /* A mapping that comes while tracking is on has its pinned pages. */
    g_assert_cmpint(map(c, 0x20000, (void *)0x10000000, 16 * PAGE), ==, 0);
    bits = 0;
    g_assert_cmpint(get_bits(c, 0x20000, 16 * PAGE, &bits), ==, 0);
    g_assert_cmphex(bits, ==, 0xf);
    /* Bits of a range begin at its start, whatever is mapped there. */
    bits = 0;
    g_assert_cmpint(get_bits(c, 0xd000, 64 * PAGE, &bits), ==, 0);
    g_assert_cmphex(bits, ==, 0x7c0060);
    client_close(c);
}

static void test_dirty_all(void)
{
    uint64_t bits = 0;
    SimClient *c = open_with("dirty-mode=all", "");

    g_assert_cmpint(map(c, 0x10000, (void *)0x10000000, 4 * PAGE), ==, 0);
    g_assert_cmpint(dirty_start(c), ==, 0);
    for (int i = 0; i < 2; i++) {
        bits = 0;
        g_assert_cmpint(get_bits(c, 0x10000, 4 * PAGE, &bits), ==, 0);
        g_assert_cmphex(bits, ==, 0xf);
    }
    client_close(c);
}

static int unmap_dirty(SimClient *c, uint64_t size, uint64_t *bits,
                       uint32_t argsz)
{
    SimUnmapRequest arg = {
        .argsz = argsz ? argsz : sizeof(arg),
        .flags = VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP,
        .iova = 0x10000,
        .size = size,
        .bitmap = { .pgsize = PAGE, .size = 8, .data = (void *)bits },
    };

    return result(ioctl(c->container, VFIO_IOMMU_UNMAP_DMA, &arg));
}

static void test_unmap_dirty(void)
{
    uint64_t bits = 0;
    SimClient *c = open_with("", "pinned=0x11000+0x1000");

    g_assert_cmpint(map(c, 0x10000, (void *)0x10000000, 4 * PAGE), ==, 0);
    g_assert_cmpint(unmap_dirty(c, 4 * PAGE, &bits, 0), ==, -EINVAL);
    g_assert_cmpint(dirty_start(c), ==, 0);
    g_assert_cmpint(unmap_dirty(c, 4 * PAGE, &bits, 24), ==, -EINVAL);
    g_assert_cmpint(unmap_dirty(c, 65 * PAGE, &bits, 0), ==, -EINVAL);
    g_assert_cmpint(unmap_dirty(c, 4 * PAGE, &bits, 0), ==, 0);
    g_assert_cmphex(bits, ==, 2);
    g_assert_cmpint(unmap(c, 0x10000, 4 * PAGE), ==, 0);
    client_close(c);
}

/* ------------------------------------------------------------------------ */
/* DMA                                                                      */

#define RAM_BYTES (256 * PAGE)

/* Every page that changed since @before must have its bit in @bits. */
static unsigned check_changed(const uint8_t *ram, const uint8_t *before,
                              const uint64_t *bits)
{
    unsigned changed = 0;

    for (unsigned page = 0; page < RAM_BYTES / PAGE; page++) {
        if (memcmp(ram + page * PAGE, before + page * PAGE, PAGE) != 0) {
            g_assert_cmpuint(bits[page / 64] >> page % 64 & 1, ==, 1);
            changed++;
        }
    }
    return changed;
}

/* Wait till the device has written more than @bytes in all; up to 10 s. */
static void wait_dma(uint64_t bytes)
{
    for (unsigned i = 0; i < 10000; i++) {
        if (client_status("dev").dma_bytes > bytes) {
            return;
        }
        g_usleep(1000);
    }
    g_assert_cmpuint(client_status("dev").dma_bytes, >, bytes);
}

static void test_dma(void)
{
    g_autofree uint8_t *before = g_malloc(RAM_BYTES);
    uint8_t *ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    SimClient *c = open_with("", "dma-rate=64M\ndma-start=0x110000\n"
                             "dma-size=0xc0000");
    uint64_t bits[4] = { 0 };
    VFIOSimStatus s;

    g_assert_cmpint(map(c, 0x100000, ram, RAM_BYTES), ==, 0);
    g_assert_true(vfio_sim_dma_lock("dev"));
    g_assert_cmpint(dirty_start(c), ==, 0);
    memcpy(before, ram, RAM_BYTES);
    s = client_status("dev");
    vfio_sim_dma_unlock("dev");
    wait_dma(s.dma_bytes + 64 * PAGE);
    g_assert_cmpint(client_set_state(c, STOP), ==, 0);
    g_assert_cmpint(get(c, get_arg(0x100000, RAM_BYTES, bits, 32)), ==, 0);
    g_assert_cmpuint(check_changed(ram, before, bits), >, 4);
    /* Only in its range, and not a byte after the device has stopped. */
    g_assert_cmpint(memcmp(ram, before, 0x10000), ==, 0);
    g_assert_cmpint(memcmp(ram + 0xd0000, before + 0xd0000, 0x30000), ==, 0);
    memcpy(before, ram, RAM_BYTES);
    s = client_status("dev");
    g_usleep(20 * 1000);
    g_assert_cmpint(memcmp(ram, before, RAM_BYTES), ==, 0);
    g_assert_cmpuint(client_status("dev").dma_bytes, ==, s.dma_bytes);
    /* On again with the device; no memory is touched after an unmap. */
    g_assert_cmpint(client_set_state(c, RUNNING), ==, 0);
    wait_dma(s.dma_bytes);
    g_assert_cmpint(unmap(c, 0x100000, RAM_BYTES), ==, RAM_BYTES);
    munmap(ram, RAM_BYTES);
    g_usleep(20 * 1000);
    client_close(c);
}

static char *status_dma_text(const char *device, const char *key);

static void test_dma_digest(void)
{
    uint8_t *ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g_autofree char *stop = NULL, *start = NULL, *changed = NULL;
    SimClient *c = open_with("", "dma-start=0x100000\ndma-size=1M");

    g_assert_cmpint(map(c, 0x100000, ram, RAM_BYTES), ==, 0);
    g_assert_cmpint(client_set_state(c, STOP), ==, 0);
    stop = status_dma_text("dev", "digest-at-stop");
    g_assert_cmpint(client_set_state(c, RUNNING), ==, 0);
    start = status_dma_text("dev", "digest-at-start");
    g_assert_cmpuint(strlen(stop), ==, VFIO_SIM_DIGEST_LEN);
    g_assert_cmpstr(stop, ==, start);
    ram[RAM_BYTES - 1] = 1;
    g_assert_cmpint(client_set_state(c, STOP), ==, 0);
    changed = status_dma_text("dev", "digest-at-stop");
    g_assert_cmpstr(stop, !=, changed);
    client_close(c);
    munmap(ram, RAM_BYTES);
}

static ssize_t config(SimClient *c, bool write, unsigned at, void *buf,
                      size_t len)
{
    off_t offset = ((off_t)VFIO_PCI_CONFIG_REGION_INDEX << 40) + at;

    return write ? pwrite(c->device, buf, len, offset)
                 : pread(c->device, buf, len, offset);
}

static void test_dma_bus_master(void)
{
    uint8_t *ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    SimClient *c = open_with("", "dma-rate=64M\ndma-size=1M\n"
                             "dma-needs-bus-master=yes\n"
                             "dma-pattern=sequential");
    uint16_t command = PCI_COMMAND_MASTER;

    g_assert_cmpint(map(c, 0, ram, RAM_BYTES), ==, 0);
    g_usleep(20 * 1000);
    g_assert_cmpuint(client_status("dev").dma_bytes, ==, 0);
    g_assert_cmpint(config(c, true, PCI_COMMAND, &command, 2), ==, 2);
    wait_dma(0);
    g_assert_cmpuint(client_status("dev").command, ==, PCI_COMMAND_MASTER);
    client_close(c);
    munmap(ram, RAM_BYTES);
}

/* ------------------------------------------------------------------------ */
/* PCI                                                                      */

static void test_config_space(void)
{
    uint32_t ones = UINT32_MAX, value = 0;
    uint8_t all[256], next;
    unsigned caps = 0;
    SimClient *c = open_with("", "vendor-id=0x1234\nbar0-size=128K");

    g_assert_cmpint(config(c, false, 0, all, sizeof(all)), ==, 256);
    g_assert_cmpuint(all[0] | all[1] << 8, ==, 0x1234);
    g_assert_cmpint(config(c, false, 256, all, 1), ==, -1);
    g_assert_cmpint(config(c, true, PCI_BASE_ADDRESS_0, &ones, 4), ==, 4);
    g_assert_cmpint(config(c, false, PCI_BASE_ADDRESS_0, &value, 4), ==, 4);
    g_assert_cmphex(value, ==, 0xfffe0004);
    g_assert_cmpint(config(c, true, PCI_VENDOR_ID, &ones, 4), ==, 4);
    g_assert_cmpint(config(c, false, 0, &value, 2), ==, 2);
    g_assert_cmphex(value & 0xffff, ==, 0x1234);
    for (next = all[PCI_CAPABILITY_LIST]; next; next = all[next + 1]) {
        caps |= 1u << all[next];
    }
    g_assert_cmphex(caps, ==, 1u << PCI_CAP_ID_PM | 1u << PCI_CAP_ID_MSIX);
    client_close(c);
}

static void test_bars(void)
{
    struct vfio_region_info info = { .argsz = sizeof(info), .index = 0 };
    SimClient *c = open_with("", "");
    uint32_t word = 0x12345678;
    uint8_t *bar;

    g_assert_cmpint(ioctl(c->device, VFIO_DEVICE_GET_REGION_INFO, &info), ==,
                    0);
    bar = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED,
               c->device, info.offset);
    g_assert_true(bar != MAP_FAILED);
    g_assert_cmpint(pwrite(c->device, &word, 4, info.offset + 8), ==, 4);
    g_assert_cmpint(memcmp(bar + 8, &word, 4), ==, 0);
    munmap(bar, info.size);
    g_assert_true(mmap(NULL, 2 * info.size, PROT_READ, MAP_SHARED, c->device,
                       info.offset) == MAP_FAILED);
    g_assert_cmpint(result(pread(c->device, &word, 4, info.offset +
                                 info.size)), ==, -EINVAL);
    info.index = VFIO_PCI_VGA_REGION_INDEX;
    g_assert_cmpint(result(ioctl(c->device, VFIO_DEVICE_GET_REGION_INFO,
                                 &info)), ==, -EINVAL);
    client_close(c);
}

/* Only what the sparse areas offer can be mapped. */
static void test_mmap_limits(void)
{
    SimClient *c = open_with("", "window-size=64K\nareas=0x2000+0x4000");
    static const struct {
        uint64_t offset, size;
        bool works;
    } tries[] = {
        { 0x2000, 0x4000, true }, { 0x3000, 0x1000, true },
        { 0x2000, 0x5000, false }, { 0x1000, 0x2000, false },
        { 0x0, 0x1000, false }, { 0x6000, 0x1000, false },
        { 0x20000, 0x1000, false },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(tries); i++) {
        void *ptr = mmap(NULL, tries[i].size, PROT_READ, MAP_SHARED,
                         c->device, c->region + tries[i].offset);

        g_assert_cmpint(ptr != MAP_FAILED, ==, tries[i].works);
        if (tries[i].works) {
            munmap(ptr, tries[i].size);
        }
    }
    g_assert_true(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, c->device,
                       c->region + 0x2000) == MAP_FAILED);
    client_close(c);
}

static int set_irqs(SimClient *c, uint32_t flags, uint32_t start,
                    uint32_t count, int32_t fd)
{
    SimIrqRequest arg = {
        .argsz = sizeof(struct vfio_irq_set) +
                 (flags & VFIO_IRQ_SET_DATA_EVENTFD ? 8 * sizeof(fd) : 0),
        .flags = flags,
        .index = VFIO_PCI_MSIX_IRQ_INDEX,
        .start = start,
        .count = count,
    };

    for (size_t i = 0; i < G_N_ELEMENTS(arg.fds); i++) {
        arg.fds[i] = fd;
    }
    return result(ioctl(c->device, VFIO_DEVICE_SET_IRQS, &arg));
}

static void test_irqs(void)
{
    const uint32_t trigger = VFIO_IRQ_SET_ACTION_TRIGGER;
    const uint32_t eventfds = VFIO_IRQ_SET_DATA_EVENTFD | trigger;
    SimClient *c = open_with("", "");
    int fd = eventfd(0, EFD_CLOEXEC);

    g_assert_cmpint(set_irqs(c, eventfds, 0, 4, fd), ==, 0);
    close(fd);
    g_assert_cmpuint(client_status("dev").msix_armed, ==, 4);
    g_assert_cmpint(set_irqs(c, eventfds, 0, 2, -1), ==, 0);
    g_assert_cmpuint(client_status("dev").msix_armed, ==, 2);
    g_assert_cmpint(set_irqs(c, eventfds, 0, 9, -1), ==, -EINVAL);
    g_assert_cmpint(set_irqs(c, eventfds, 8, 1, -1), ==, -EINVAL);
    g_assert_cmpint(set_irqs(c, eventfds, 7, 2, -1), ==, -EINVAL);
    g_assert_cmpint(set_irqs(c, trigger, 0, 1, -1), ==, -EINVAL);
    g_assert_cmpint(set_irqs(c, 7 | trigger, 0, 1, -1), ==, -EINVAL);
    g_assert_cmpint(set_irqs(c, eventfds | 0x100, 0, 1, -1), ==, -EINVAL);
    g_assert_cmpint(set_irqs(c, eventfds, 0, 1, 99999), ==, -EBADF);
    g_assert_cmpint(set_irqs(c, VFIO_IRQ_SET_DATA_NONE | trigger, 0, 0, -1),
                    ==, 0);
    g_assert_cmpuint(client_status("dev").msix_armed, ==, 0);
    client_close(c);
}

/* After a reset PCI_COMMAND and MSI-X must be set up again. */
static void test_reset(void)
{
    uint16_t command = PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY;
    SimClient *c = open_with("", "");
    int fd = eventfd(0, EFD_CLOEXEC);

    g_assert_cmpint(config(c, true, PCI_COMMAND, &command, 2), ==, 2);
    g_assert_cmpint(set_irqs(c, VFIO_IRQ_SET_DATA_EVENTFD |
                             VFIO_IRQ_SET_ACTION_TRIGGER, 0, 1, fd), ==, 0);
    g_assert_cmpuint(client_status("dev").command, ==, command);
    g_assert_cmpint(client_set_state(c, PRE_COPY), ==, 0);
    g_assert_cmpint(ioctl(c->device, VFIO_DEVICE_RESET), ==, 0);
    g_assert_cmpuint(client_status("dev").command, ==, 0);
    g_assert_cmpuint(client_status("dev").msix_armed, ==, 0);
    g_assert_cmpuint(client_status("dev").device_state, ==, RUNNING);
    g_assert_cmpuint(client_status("dev").resets, ==, 1);
    g_assert_true(client_status("dev").state_lost);
    close(fd);
    client_close(c);
}

/* ------------------------------------------------------------------------ */
/* Status, transcript, directories                                          */

static JsonObject *status_device(JsonParser *parser, const char *text,
                                 const char *device)
{
    JsonObject *root;

    g_assert_true(json_parser_load_from_data(parser, text, -1, NULL));
    root = json_node_get_object(json_parser_get_root(parser));
    root = json_object_get_object_member(root, "devices");
    return json_object_get_object_member(root, device);
}

static uint64_t status_number(const char *device, const char *key)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autofree char *text = vfio_sim_status_json();
    JsonObject *object = status_device(parser, text, device);

    g_assert_true(json_object_has_member(object, key));
    return json_object_get_int_member(object, key);
}

static char *status_dma_text(const char *device, const char *key)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autofree char *text = vfio_sim_status_json();
    JsonObject *object = status_device(parser, text, device);

    object = json_object_get_object_member(object, "dma");
    return g_strdup(json_object_get_string_member(object, key));
}

static void test_files(void)
{
    g_autofree char *dir = g_dir_make_tmp("vfio-sim-XXXXXX", NULL);
    g_autofree char *status = g_build_filename(dir, "status.json", NULL);
    g_autofree char *text = NULL, *log = NULL, *transcript = NULL;
    g_autofree char *config_text = NULL;
    g_autoptr(GPtrArray) chunks = client_chunks_new();
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonObject *dev;
    SimClient *c;

    config_text = g_strdup_printf("[sim]\nstatus=%s\ntranscript=%s/t-%%p\n"
                                  "status-interval-ms=5\n"
                                  "[device dev]\ngroup=1\nareas=none\n",
                                  status, dir);
    configure(config_text);
    c = client_open("dev", 1);
    g_assert_cmpint(client_save(c, chunks, true, 1), ==, 0);
    g_assert_true(g_file_get_contents(status, &text, NULL, NULL));
    dev = status_device(parser, text, "dev");
    g_assert_cmpstr(json_object_get_string_member(dev, "state"), ==, "stop");
    g_assert_cmpint(json_object_get_int_member(dev, "trapped-bytes"), ==,
                    1024 * 1024);
    g_assert_cmpuint(status_number("dev", "saved-chunks"), ==, 1);
    transcript = g_strdup_printf("%s/t-%d", dir, (int)getpid());
    g_assert_true(g_file_get_contents(transcript, &log, NULL, NULL));
    g_assert_nonnull(strstr(log, "dev state-write from=running to=pre-copy "
                            "ret=0 now=pre-copy\n"));
    g_assert_nonnull(strstr(log, "dev chunk-done phase=stop-copy seq=0 "
                            "offset=0x1000 size=1048576 trapped=1048576 "
                            "calls=1\n"));
    /* Written at the interval, too. */
    g_unlink(status);
    for (unsigned i = 0; i < 1000 && !g_file_test(status, G_FILE_TEST_EXISTS);
         i++) {
        g_usleep(10 * 1000);
    }
    g_assert_true(g_file_test(status, G_FILE_TEST_EXISTS));
    client_close(c);
    vfio_sim_shutdown();
    g_unlink(status);
    g_unlink(transcript);
    g_assert_cmpint(g_rmdir(dir), ==, 0);
}

static void test_sysfs(void)
{
    g_autofree char *dir = g_dir_make_tmp("vfio-sim-XXXXXX", NULL);
    g_autofree char *conf = g_build_filename(dir, "conf", NULL);
    g_autofree char *device = g_build_filename(dir, "dev", NULL);
    g_autofree char *group = g_build_filename(device, "iommu_group", NULL);
    g_autofree char *subsystem = g_build_filename(device, "subsystem", NULL);
    g_autofree char *target = NULL, *base = NULL;
    g_autoptr(GError) err = NULL;

    g_assert_true(g_file_set_contents(conf, "[device dev]\ngroup=17\n", -1,
                                      NULL));
    for (int i = 0; i < 2; i++) {
        g_assert_true(vfio_sim_make_sysfs_all(conf, dir, &err));
    }
    target = g_file_read_link(group, NULL);
    base = g_path_get_basename(target);
    g_assert_cmpstr(base, ==, "17");
    g_assert_true(g_file_test(subsystem, G_FILE_TEST_IS_SYMLINK));
    g_assert_false(vfio_sim_make_sysfs(conf, "dev", 1, &err));
    g_assert_nonnull(err);
    g_unlink(group);
    g_unlink(subsystem);
    g_rmdir(device);
    g_unlink(conf);
    g_assert_cmpint(g_rmdir(dir), ==, 0);
}

/* Without a configuration all is as if the simulation were not there. */
static void test_inactive(void)
{
    vfio_sim_shutdown();
    g_unsetenv("VFIO_SIM_CONFIG");
    if (!g_file_test("/dev/vfio/vfio", G_FILE_TEST_EXISTS)) {
        g_assert_cmpint(result(open("/dev/vfio/vfio", O_RDWR)), ==, -ENOENT);
    }
    g_assert_cmpint(result(ioctl(-1, VFIO_GET_API_VERSION)), ==, -EBADF);
    g_assert_cmpint(result(close(-1)), ==, -EBADF);
}

/* ------------------------------------------------------------------------ */

void sim_test_host_add(void);

void sim_test_host_add(void)
{
    g_test_add_func("/sim/host/order", test_order);
    g_test_add_func("/sim/host/kinds", test_kinds);
    g_test_add_func("/sim/host/two-devices", test_two_devices);
    g_test_add_func("/sim/host/fork", test_fork);
    g_test_add_func("/sim/host/iommus", test_iommus);
    g_test_add_func("/sim/host/switches", test_switches);
    g_test_add_func("/sim/iommu/map", test_map);
    g_test_add_func("/sim/iommu/unmap", test_unmap);
    g_test_add_func("/sim/iommu/info", test_iommu_info);
    g_test_add_func("/sim/dirty/arguments", test_dirty_arguments);
    g_test_add_func("/sim/dirty/pinned", test_pinned);
    g_test_add_func("/sim/dirty/all", test_dirty_all);
    g_test_add_func("/sim/dirty/unmap", test_unmap_dirty);
    g_test_add_func("/sim/dma/run", test_dma);
    g_test_add_func("/sim/dma/digest", test_dma_digest);
    g_test_add_func("/sim/dma/bus-master", test_dma_bus_master);
    g_test_add_func("/sim/pci/config", test_config_space);
    g_test_add_func("/sim/pci/bars", test_bars);
    g_test_add_func("/sim/pci/mmap-limits", test_mmap_limits);
    g_test_add_func("/sim/pci/irqs", test_irqs);
    g_test_add_func("/sim/pci/reset", test_reset);
    g_test_add_func("/sim/files", test_files);
    g_test_add_func("/sim/sysfs", test_sysfs);
    g_test_add_func("/sim/inactive", test_inactive);
}
