/*
 * Tests of the simulated device: guest memory
 *
 * Owns: the IOMMU's capabilities, and DMA by threads of the device. Mappings
 * and dirty bits are in device-table.c and sim-table.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "sim-test.h"

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

/* ------------------------------------------------------------------------ */
/* Information with capabilities                                            */

static void test_iommu_info(void)
{
    struct {
        struct vfio_iommu_type1_info info;
        uint8_t room[512];
    } arg = { .info = { .argsz = sizeof(arg.info) } };
    struct vfio_iommu_type1_info_cap_migration *cap;
    SimClient *c = sim_test_open("max-bitmap-size=1M\niova-ranges=0+1G", "");

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

/* ------------------------------------------------------------------------ */
/* DMA                                                                      */

#define RAM_BYTES (256 * PAGE)

/* RAM of a guest, all zero; for munmap() */
static uint8_t *new_ram(void)
{
    uint8_t *ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    g_assert_true(ram != MAP_FAILED);
    return ram;
}

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
    uint8_t *ram = new_ram();
    SimClient *c = sim_test_open("", "dma-rate=64M\ndma-start=0x110000\n"
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

static char *status_dma_text(const char *device, const char *key)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autofree char *text = vfio_sim_status_json();
    JsonObject *object = sim_test_status_device(parser, text, device);

    object = json_object_get_object_member(object, "dma");
    return g_strdup(json_object_get_string_member(object, key));
}

static void test_dma_digest(void)
{
    uint8_t *ram = new_ram();
    g_autofree char *stop = NULL, *start = NULL, *changed = NULL;
    SimClient *c = sim_test_open("", "dma-start=0x100000\ndma-size=1M");

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

static void write_command(SimClient *c, uint16_t command)
{
    g_assert_cmpint(client_config(c, true, PCI_COMMAND, &command, 2), ==, 2);
}

static void test_dma_bus_master(void)
{
    uint8_t *ram = new_ram();
    SimClient *c = sim_test_open("", "dma-rate=64M\ndma-size=1M\n"
                                 "dma-needs-bus-master=yes\n"
                                 "dma-pattern=sequential");

    g_assert_cmpint(map(c, 0, ram, RAM_BYTES), ==, 0);
    g_usleep(20 * 1000);
    g_assert_cmpuint(client_status("dev").dma_bytes, ==, 0);
    write_command(c, PCI_COMMAND_MASTER);
    wait_dma(0);
    g_assert_cmpuint(client_status("dev").command, ==, PCI_COMMAND_MASTER);
    client_close(c);
    munmap(ram, RAM_BYTES);
}

/* Where bus mastering ends, a burst that was on its way has ended, too. */
static void test_dma_bus_master_off(void)
{
    g_autofree uint8_t *before = g_malloc(RAM_BYTES);
    uint8_t *ram = new_ram();
    SimClient *c = sim_test_open("", "dma-rate=4G\ndma-size=1M\n"
                                 "dma-burst=1M\ndma-needs-bus-master=yes");

    g_assert_cmpint(map(c, 0, ram, RAM_BYTES), ==, 0);
    for (unsigned i = 0; i < 20; i++) {
        uint64_t bytes = client_status("dev").dma_bytes;

        write_command(c, PCI_COMMAND_MASTER);
        wait_dma(bytes + RAM_BYTES);
        write_command(c, 0);
        memcpy(before, ram, RAM_BYTES);
        g_usleep(2000);
        g_assert_cmpint(memcmp(ram, before, RAM_BYTES), ==, 0);
    }
    client_close(c);
    munmap(ram, RAM_BYTES);
}

/* ------------------------------------------------------------------------ */

void sim_test_memory_add(void)
{
    g_test_add_func("/sim/iommu/info", test_iommu_info);
    g_test_add_func("/sim/dma/run", test_dma);
    g_test_add_func("/sim/dma/digest", test_dma_digest);
    g_test_add_func("/sim/dma/bus-master", test_dma_bus_master);
    g_test_add_func("/sim/dma/bus-master-off", test_dma_bus_master_off);
}
