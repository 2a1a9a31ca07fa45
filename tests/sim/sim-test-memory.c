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
    /* argsz is too small for cap_offset: nothing beyond may be written. */
    memset(&arg, 0xee, sizeof(arg));
    arg.info.argsz = 16;
    g_assert_cmpint(ioctl(c->container, VFIO_IOMMU_GET_INFO, &arg), ==, 0);
    g_assert_cmpuint(arg.info.cap_offset, ==, 0xeeeeeeee);
    client_close(c);
}

/* ------------------------------------------------------------------------ */
/* DMA                                                                      */

#define RAM_BYTES (256 * PAGE)

/* Guest RAM, all zero; freed with munmap() */
static uint8_t *new_ram(void)
{
    uint8_t *ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    g_assert_true(ram != MAP_FAILED);
    return ram;
}

static void map(SimClient *c, uint64_t iova, const uint8_t *ram)
{
    g_assert_cmpint(client_map(c, iova, (uintptr_t)ram, RAM_BYTES,
                               VFIO_DMA_MAP_FLAG_READ |
                               VFIO_DMA_MAP_FLAG_WRITE), ==, 0);
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

/* Wait up to 10 s until the device has written more than @bytes in total. */
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
    uint64_t bits[4] = { 0 }, size = RAM_BYTES;
    VFIOSimStatus s;

    map(c, 0x100000, ram);
    g_assert_true(vfio_sim_dma_lock("dev"));
    g_assert_cmpint(client_dirty(c, VFIO_IOMMU_DIRTY_PAGES_FLAG_START), ==,
                    0);
    memcpy(before, ram, RAM_BYTES);
    s = client_status("dev");
    vfio_sim_dma_unlock("dev");
    wait_dma(s.dma_bytes + 64 * PAGE);
    g_assert_cmpint(client_set_state(c, STOP), ==, 0);
    g_assert_cmpint(client_dirty_bits(c, 0x100000, RAM_BYTES, PAGE, bits, 32),
                    ==, 0);
    g_assert_cmpuint(check_changed(ram, before, bits), >, 4);
    /* It writes only in its range, and nothing once the device has stopped. */
    g_assert_cmpint(memcmp(ram, before, 0x10000), ==, 0);
    g_assert_cmpint(memcmp(ram + 0xd0000, before + 0xd0000, 0x30000), ==, 0);
    memcpy(before, ram, RAM_BYTES);
    s = client_status("dev");
    g_usleep(20 * 1000);
    g_assert_cmpint(memcmp(ram, before, RAM_BYTES), ==, 0);
    g_assert_cmpuint(client_status("dev").dma_bytes, ==, s.dma_bytes);
    /* DMA continues with the device; nothing is written after an unmap. */
    g_assert_cmpint(client_set_state(c, RUNNING), ==, 0);
    wait_dma(s.dma_bytes);
    g_assert_cmpint(client_unmap(c, 0x100000, &size, 0, NULL), ==, 0);
    g_assert_cmpuint(size, ==, RAM_BYTES);
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

    map(c, 0x100000, ram);
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

/* Once bus mastering is off, no burst is in progress any more. */
static void test_dma_bus_master_off(void)
{
    g_autofree uint8_t *before = g_malloc(RAM_BYTES);
    uint8_t *ram = new_ram();
    SimClient *c = sim_test_open("", "dma-rate=4G\ndma-size=1M\n"
                                 "dma-burst=1M\ndma-needs-bus-master=yes");

    map(c, 0, ram);
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
    g_test_add_func("/sim/dma/bus-master-off", test_dma_bus_master_off);
}
