/*
 * Tests of the kernel's test driver: the DMA log of protocol v2
 *
 * Owns: that its bits are exactly the pages that the device wrote, and that
 * memory copied by them is the device's. Which requests it takes is in
 * tests/sim/device-table.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "driver-client.h"
#include "edu-regs.h"
#include "sim-client-v2.h"

#define LOG "protocol=v2\np2p=yes\nlog=yes\n"
#define PAGE DRIVER_PAGE_BYTES
#define PAGES (DRIVER_RAM_BYTES / PAGE)

typedef struct vfio_device_feature_dma_logging_range Range;

static const Range all_ram = { 0, DRIVER_RAM_BYTES };

static int log_start(DriverDevice *dev, const Range *ranges, unsigned count,
                     uint64_t *page_size)
{
    struct vfio_device_feature_dma_logging_control start = {
        .page_size = *page_size, .num_ranges = count,
        .ranges = (uintptr_t)ranges,
    };
    int ret = v2_feature(dev->client, VFIO_DEVICE_FEATURE_SET |
                         VFIO_DEVICE_FEATURE_DMA_LOGGING_START, &start,
                         sizeof(start));

    *page_size = start.page_size;
    return ret;
}

static void start_all(DriverDevice *dev)
{
    uint64_t page_size = PAGE;

    g_assert_cmpint(log_start(dev, &all_ram, 1, &page_size), ==, 0);
    g_assert_cmpuint(page_size, ==, PAGE);
}

static int log_stop(DriverDevice *dev)
{
    return v2_feature(dev->client, VFIO_DEVICE_FEATURE_SET |
                      VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, NULL, 0);
}

static int log_report(DriverDevice *dev, uint64_t iova, uint64_t length,
                      uint64_t page_size, uint64_t *bits)
{
    struct vfio_device_feature_dma_logging_report report = {
        .iova = iova, .length = length, .page_size = page_size,
        .bitmap = (uintptr_t)bits,
    };

    return v2_feature(dev->client, VFIO_DEVICE_FEATURE_GET |
                      VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, &report,
                      sizeof(report));
}

/* Bits of @length bytes from @iova; @bits has one for each page of all. */
static void get_bits(DriverDevice *dev, uint64_t iova, uint64_t length,
                     uint64_t page_size, uint64_t *bits)
{
    memset(bits, 0, PAGES / 8);
    g_assert_cmpint(log_report(dev, iova, length, page_size, bits), ==, 0);
}

static void set_state(DriverDevice *dev, uint32_t state)
{
    int fd;

    g_assert_cmpint(v2_set(dev->client, state, &fd), ==, 0);
    g_assert_cmpint(fd, ==, -1);
}

/* A device that has written all pages from @at on, and has stopped. */
static void write_pages(DriverDevice *dev, uint32_t at, uint32_t bytes)
{
    driver_set_command(dev, BUS_MASTER);
    driver_start_dma(dev, at, bytes, VMT_DMA_CTRL_RUN);
    driver_wait_register(dev, VMT_REG_DMA_BURSTS,
                         bytes / VMT_DMA_BURST_BYTES + 2);
    driver_reg_write(dev, VMT_REG_DMA_CTRL, 0);
    set_state(dev, V2_STOP);
    set_state(dev, V2_RUNNING);
}

/* ------------------------------------------------------------------------ */
/* Bits                                                                     */

/* A page is reported once, and only to who asks for it. */
static void test_bits(void)
{
    const unsigned first = DMA_AT / PAGE, count = DMA_BYTES / PAGE;
    g_autofree uint64_t *bits = g_new0(uint64_t, DRIVER_BITMAP_WORDS);
    DriverDevice *dev = driver_new(LOG);

    driver_open(dev);
    start_all(dev);
    write_pages(dev, DMA_AT, DMA_BYTES);
    get_bits(dev, DMA_AT + PAGE, 2 * PAGE, PAGE, bits);
    driver_expect_dirty(bits, 0, 2);
    get_bits(dev, 0, DRIVER_RAM_BYTES, PAGE, bits);
    g_assert_true(driver_dirty_page(bits, first));
    g_assert_false(driver_dirty_page(bits, first + 1));
    g_assert_false(driver_dirty_page(bits, first + 2));
    bits[first / 64] |= UINT64_C(3) << (first % 64 + 1);
    driver_expect_dirty(bits, first, count);
    get_bits(dev, 0, DRIVER_RAM_BYTES, PAGE, bits);
    driver_expect_dirty(bits, 0, 0);
    /* Bits that are set stay: the kernel clears none. */
    memset(bits, 0xff, PAGES / 8);
    g_assert_cmpint(log_report(dev, 0, DRIVER_RAM_BYTES, PAGE, bits), ==, 0);
    driver_expect_dirty(bits, 0, PAGES);
    write_pages(dev, DMA_AT, DMA_BYTES);
    get_bits(dev, 0, DRIVER_RAM_BYTES, 16 * PAGE, bits);
    driver_expect_dirty(bits, first / 16, count / 16);
    g_assert_cmpint(driver_number(dev, "violation-count"), ==, 0);
    driver_free(dev);
}

/* What lies outside of the ranges is not logged. */
static void test_ranges(void)
{
    static const Range some[] = {
        { DMA_AT + 8 * PAGE, 4 * PAGE }, { DMA_AT, 2 * PAGE },
        { DMA_AT + 4 * PAGE, PAGE },
    };
    g_autofree uint64_t *bits = g_new0(uint64_t, DRIVER_BITMAP_WORDS);
    DriverDevice *dev = driver_new(LOG);
    uint64_t size = PAGE;

    driver_open(dev);
    g_assert_cmpint(log_start(dev, some, 3, &size), ==, 0);
    write_pages(dev, DMA_AT, DMA_BYTES);
    g_assert_cmpint(driver_number(dev, "log.pages"), ==, 7);
    get_bits(dev, DMA_AT, 2 * PAGE, PAGE, bits);
    driver_expect_dirty(bits, 0, 2);
    get_bits(dev, DMA_AT + 8 * PAGE, 4 * PAGE, PAGE, bits);
    driver_expect_dirty(bits, 0, 4);
    g_assert_cmpint(log_report(dev, DMA_AT, 3 * PAGE, PAGE, bits), ==,
                    -EINVAL);
    driver_free(dev);
}

/* A log of larger pages tells of more, and forgets none that is asked half. */
static void test_coarse(void)
{
    g_autofree uint64_t *bits = g_new0(uint64_t, DRIVER_BITMAP_WORDS);
    DriverDevice *dev = driver_new(LOG "log-page-size=64K\n");
    uint64_t size = PAGE;

    driver_open(dev);
    g_assert_cmpint(log_start(dev, &all_ram, 1, &size), ==, 0);
    write_pages(dev, DMA_AT + PAGE, PAGE);
    get_bits(dev, DMA_AT, 8 * PAGE, PAGE, bits);
    driver_expect_dirty(bits, 0, 8);
    get_bits(dev, 0, DRIVER_RAM_BYTES, PAGE, bits);
    driver_expect_dirty(bits, DMA_AT / PAGE, 16);
    get_bits(dev, 0, DRIVER_RAM_BYTES, PAGE, bits);
    driver_expect_dirty(bits, 0, 0);
    driver_free(dev);
}

/* Reports by groups of pages: who asks between two loses what is before. */
static void test_rounding(void)
{
    const unsigned first = DMA_AT / PAGE;
    g_autofree uint64_t *bits = g_new0(uint64_t, DRIVER_BITMAP_WORDS);
    DriverDevice *dev = driver_new(LOG "log-rounding=8\n");

    driver_open(dev);
    start_all(dev);
    write_pages(dev, DMA_AT, DMA_BYTES);
    get_bits(dev, DMA_AT + 3 * PAGE, 8 * PAGE, PAGE, bits);
    driver_expect_dirty(bits, 0, 5);
    get_bits(dev, 0, DRIVER_RAM_BYTES, PAGE, bits);
    driver_expect_dirty(bits, first + 8, DMA_BYTES / PAGE - 8);
    driver_free(dev);
}

/* ------------------------------------------------------------------------ */
/* As a migration uses it                                                   */

static unsigned copy_dirty(DriverDevice *dev, uint8_t *copy, uint64_t *bits)
{
    unsigned count = 0;

    get_bits(dev, 0, DRIVER_RAM_BYTES, PAGE, bits);
    for (unsigned p = 0; p < PAGES; p++) {
        if (driver_dirty_page(bits, p)) {
            memcpy(copy + p * PAGE, dev->ram + p * PAGE, PAGE);
            count++;
        }
    }
    return count;
}

/* The device writes at its rate all the time, and by its registers. */
static void test_copy(void)
{
    g_autofree uint64_t *bits = g_new0(uint64_t, DRIVER_BITMAP_WORDS);
    g_autofree uint8_t *copy = g_malloc(DRIVER_RAM_BYTES);
    DriverDevice *dev = driver_new(LOG "dma-rate=32M\ndma-start=0x800000\n"
                                   "dma-size=4M\ndma-burst=24K\n");
    unsigned seen = 0;

    driver_open(dev);
    driver_set_command(dev, BUS_MASTER);
    driver_start_dma(dev, DMA_AT, DMA_BYTES, VMT_DMA_CTRL_RUN);
    start_all(dev);
    memcpy(copy, dev->ram, DRIVER_RAM_BYTES);
    for (int i = 0; i < 20; i++) {
        seen += copy_dirty(dev, copy, bits);
        g_usleep(10000);
    }
    g_assert_cmpuint(seen, >, 20);
    /* It may write until it is stopped: this state does not keep it from. */
    set_state(dev, V2_RUNNING_P2P);
    driver_wait_register(dev, VMT_REG_DMA_BURSTS, 5);
    set_state(dev, V2_STOP);
    copy_dirty(dev, copy, bits);
    g_assert_cmpint(memcmp(copy, dev->ram, DRIVER_RAM_BYTES), ==, 0);
    g_assert_cmpint(log_stop(dev), ==, 0);
    driver_free(dev);
}

/* A log that sees nothing */
static void test_empty(void)
{
    g_autofree uint64_t *bits = g_new0(uint64_t, DRIVER_BITMAP_WORDS);
    DriverDevice *dev = driver_new(LOG "log=empty\n");

    driver_open(dev);
    start_all(dev);
    write_pages(dev, DMA_AT, DMA_BYTES);
    get_bits(dev, 0, DRIVER_RAM_BYTES, PAGE, bits);
    driver_expect_dirty(bits, 0, 0);
    driver_free(dev);
}

/* ------------------------------------------------------------------------ */
/* QEMU's edu: the device itself writes, through the IOMMU                   */

static void test_edu(void)
{
    g_autofree uint64_t *bits = g_new0(uint64_t, DRIVER_BITMAP_WORDS);
    g_autofree uint8_t *copy = g_malloc(DRIVER_RAM_BYTES);
    DriverDevice *dev = driver_new_edu(0, LOG);

    if (!dev) {
        return;
    }
    driver_open(dev);
    driver_set_command(dev, BUS_MASTER);
    memset(dev->ram + 0x20000, 0x5a, EDU_COPY_BYTES);
    driver_edu_dma(dev, 0x20000, EDU_BUFFER, false);
    driver_edu_wait(dev);
    start_all(dev);
    memcpy(copy, dev->ram, DRIVER_RAM_BYTES);
    g_assert_cmpuint(copy_dirty(dev, copy, bits), ==, 0);
    driver_edu_dma(dev, EDU_BUFFER, 0x1800, true);
    /* It writes some time after it was told to. */
    while (driver_edu_busy(dev)) {
        copy_dirty(dev, copy, bits);
    }
    driver_edu_dma(dev, EDU_BUFFER, 0x5000, true);
    set_state(dev, V2_STOP);
    copy_dirty(dev, copy, bits);
    g_assert_cmphex(dev->ram[0x5000 + EDU_COPY_BYTES - 1], ==, 0x5a);
    g_assert_cmpint(memcmp(copy, dev->ram, DRIVER_RAM_BYTES), ==, 0);
    g_assert_cmpuint(copy_dirty(dev, copy, bits), ==, 0);
    /* No page had to be pinned for that. */
    g_assert_cmpint(driver_number(dev, "pinned-pages"), ==, 0);
    driver_free(dev);
}

void driver_add_log_tests(void)
{
    g_test_add_func("/driver/log/bits", test_bits);
    g_test_add_func("/driver/log/ranges", test_ranges);
    g_test_add_func("/driver/log/coarse", test_coarse);
    g_test_add_func("/driver/log/rounding", test_rounding);
    g_test_add_func("/driver/log/empty", test_empty);
    g_test_add_func("/driver/log/copy", test_copy);
    g_test_add_func("/driver/log/edu", test_edu);
}
