/*
 * Tests of the simulated device: the log of its own DMA
 *
 * Owns: what START takes, what REPORT finds, and the limits and quirks that
 * a device's log may have.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/vfio.h>

#include "sim-client-v2.h"
#include "sim-test.h"

#define RAM_IOVA 0x1000000ull
#define RAM_BYTES (4096 * PAGE)
#define MAX_LOG_RANGES 300
#define LOG_BYTES(pages) (((pages) + 63) / 64 * 8)

typedef struct LogRange {
    uint64_t iova;
    uint64_t length;
} LogRange;

static void *ram;

static SimClient *open_log(const char *keys)
{
    g_autofree char *all = g_strdup_printf("protocol=v2\np2p=yes\n%s", keys);
    SimClient *c = sim_test_open("", all);
    struct vfio_iommu_type1_dma_map map = {
        .argsz = sizeof(map), .iova = RAM_IOVA, .size = RAM_BYTES,
        .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
    };

    ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g_assert_true(ram != MAP_FAILED);
    map.vaddr = (uintptr_t)ram;
    g_assert_cmpint(ioctl(c->container, VFIO_IOMMU_MAP_DMA, &map), ==, 0);
    return c;
}

static void close_log(SimClient *c)
{
    client_close(c);
    munmap(ram, RAM_BYTES);
}

static int start(SimClient *c, uint64_t page_size, const LogRange *ranges,
                 uint32_t count)
{
    struct vfio_device_feature_dma_logging_control control = {
        .page_size = page_size, .num_ranges = count,
        .ranges = (uintptr_t)ranges,
    };

    return v2_feature(c, VFIO_DEVICE_FEATURE_SET |
                      VFIO_DEVICE_FEATURE_DMA_LOGGING_START, &control,
                      sizeof(control));
}

static int stop(SimClient *c)
{
    return v2_feature(c, VFIO_DEVICE_FEATURE_SET |
                      VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, NULL, 0);
}

static int report(SimClient *c, uint64_t iova, uint64_t length,
                  uint64_t page_size, uint8_t *bitmap)
{
    struct vfio_device_feature_dma_logging_report rep = {
        .iova = iova, .length = length, .page_size = page_size,
        .bitmap = (uintptr_t)bitmap,
    };

    return v2_feature(c, VFIO_DEVICE_FEATURE_GET |
                      VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, &rep,
                      sizeof(rep));
}

/* The device writes a page; @page counts from RAM_IOVA. */
static void dirty(uint64_t page)
{
    g_assert_true(vfio_sim_dma_write("dev", RAM_IOVA + page * PAGE, 8));
}

/* Report @pages from @first on: the bits are "5;17" and no others. */
static void assert_report(SimClient *c, uint64_t first, uint64_t pages,
                          const char *bits)
{
    g_autofree uint8_t *bitmap = g_malloc0(LOG_BYTES(pages));
    g_autoptr(GString) got = g_string_new(NULL);

    g_assert_cmpint(report(c, RAM_IOVA + first * PAGE, pages * PAGE, PAGE,
                           bitmap), ==, 0);
    for (uint64_t i = 0; i < LOG_BYTES(pages) * 8; i++) {
        if (bitmap[i / 8] & 1 << i % 8) {
            g_string_append_printf(got, "%s%" PRIu64, got->len ? ";" : "",
                                   i);
        }
    }
    g_assert_cmpstr(got->str, ==, bits);
}

/* ------------------------------------------------------------------------ */

static void test_pages(void)
{
    const LogRange ranges[] = {
        { RAM_IOVA + 1024 * PAGE, 1024 * PAGE }, { RAM_IOVA, 128 * PAGE },
    };
    SimClient *c = open_log("log=yes");

    dirty(1);
    g_assert_cmpint(start(c, PAGE, ranges, 2), ==, 0);
    g_assert_true(client_status("dev").log_on);
    assert_report(c, 0, 128, "");
    dirty(0);
    dirty(5);
    dirty(127);
    dirty(128);
    dirty(1030);
    assert_report(c, 0, 100, "0;5");
    assert_report(c, 0, 128, "127");
    dirty(5);
    assert_report(c, 5, 1, "0");
    assert_report(c, 1024, 1024, "6");
    assert_report(c, 1024, 1024, "");
    dirty(7);
    dirty(8);
    g_assert_cmpint(stop(c), ==, 0);
    g_assert_false(client_status("dev").log_on);
    g_assert_cmpuint(client_status("dev").log_unread_pages, ==, 2);
    g_assert_cmpint(stop(c), ==, -EINVAL);
    g_assert_cmpint(start(c, PAGE, ranges, 2), ==, 0);
    assert_report(c, 0, 128, "");
    g_assert_cmpint(stop(c), ==, 0);
    g_assert_cmpuint(client_status("dev").violations, ==, 0);
    close_log(c);
}

/* One write over the ends of both ranges, and of two pages */
static void test_edges(void)
{
    const LogRange ranges[] = {
        { RAM_IOVA, 2 * PAGE }, { RAM_IOVA + 3 * PAGE, 2 * PAGE },
    };
    SimClient *c = open_log("log=yes");

    g_assert_cmpint(start(c, PAGE, ranges, 2), ==, 0);
    g_assert_true(vfio_sim_dma_write("dev", RAM_IOVA + 2 * PAGE - 8,
                                     PAGE + 16));
    assert_report(c, 0, 2, "1");
    assert_report(c, 3, 2, "0");
    g_assert_true(vfio_sim_dma_write("dev", RAM_IOVA + PAGE - 8, 16));
    assert_report(c, 0, 2, "0;1");
    g_assert_cmpuint(client_status("dev").violations, ==, 0);
    close_log(c);
}

/* Bits are added to what the caller has; the bitmap's pages are his own. */
static void test_bitmap(void)
{
    const LogRange range = { RAM_IOVA, RAM_BYTES };
    uint64_t words[2] = { GUINT64_TO_LE(1ull << 40), 0 };
    SimClient *c = open_log("log=yes");

    g_assert_cmpint(start(c, PAGE, &range, 1), ==, 0);
    dirty(16 * 3 + 15);
    dirty(16 * 100);
    g_assert_cmpint(report(c, RAM_IOVA, 2048 * PAGE, 16 * PAGE,
                           (uint8_t *)words), ==, 0);
    g_assert_cmphex(words[0], ==, GUINT64_TO_LE(1ull << 40 | 1ull << 3));
    g_assert_cmphex(words[1], ==, GUINT64_TO_LE(1ull << (100 - 64)));
    assert_report(c, 0, 4096, "");
    close_log(c);
}

/* A device that tracks 64 KiB keeps a page that was told in part. */
static void test_coarse(void)
{
    const LogRange range = { RAM_IOVA, 256 * PAGE };
    SimClient *c = open_log("log=yes\nlog-page-size=64K");

    g_assert_cmpint(start(c, PAGE, &range, 1), ==, 0);
    dirty(20);
    assert_report(c, 16, 4, "0;1;2;3");
    assert_report(c, 16, 16, "0;1;2;3;4;5;6;7;8;9;10;11;12;13;14;15");
    assert_report(c, 0, 256, "");
    close_log(c);
}

typedef struct Refusal {
    const char *name;
    uint64_t page_size;
    LogRange ranges[2];
    unsigned count;                 /* more than 2: pages of their own */
    int ret;
} Refusal;

static const Refusal refusals[] = {
    { "none", PAGE, { { 0 } }, 0, -EINVAL },
    { "257", PAGE, { { 0 } }, 257, -E2BIG },
    { "256", PAGE, { { 0 } }, 256, 0 },
    { "no-page-size", 0, { { 0, PAGE } }, 1, -EINVAL },
    { "odd-page-size", 3 * PAGE, { { 0, 3 * PAGE } }, 1, -EINVAL },
    { "odd-start", PAGE, { { 8, PAGE } }, 1, -EINVAL },
    { "odd-length", PAGE, { { 0, PAGE + 8 } }, 1, -EINVAL },
    { "empty", PAGE, { { 0, 0 } }, 1, -EINVAL },
    { "overlap", PAGE, { { PAGE, 2 * PAGE }, { 2 * PAGE, PAGE } }, 2,
      -EINVAL },
    { "touch", PAGE, { { 2 * PAGE, PAGE }, { PAGE, PAGE } }, 2, 0 },
    { "beyond-the-end", PAGE, { { -2 * PAGE, 3 * PAGE } }, 1, -EOVERFLOW },
    { "to-the-end", PAGE, { { -2 * PAGE, 2 * PAGE } }, 1, -EOVERFLOW },
    { "below-the-end", PAGE, { { -2 * PAGE, PAGE } }, 1, 0 },
};

static void test_refusal(gconstpointer opaque)
{
    const Refusal *r = opaque;
    LogRange ranges[MAX_LOG_RANGES];
    SimClient *c = open_log("log=yes");

    memcpy(ranges, r->ranges, sizeof(r->ranges));
    for (unsigned i = 0; r->count > 2 && i < r->count; i++) {
        ranges[i] = (LogRange) { 2 * i * PAGE, PAGE };
    }
    g_assert_cmpint(start(c, r->page_size, ranges, r->count), ==, r->ret);
    g_assert_cmpuint(client_status("dev").violations, ==, r->ret != 0);
    g_assert_cmpint(client_status("dev").log_on, ==, r->ret == 0);
    close_log(c);
}

static void test_again(void)
{
    const LogRange range = { RAM_IOVA, PAGE };
    uint8_t bits[8] = { 0 };
    SimClient *c = open_log("log=yes\nlog-again-errno=EEXIST");

    g_assert_cmpint(report(c, RAM_IOVA, PAGE, PAGE, bits), ==, -EINVAL);
    g_assert_cmpuint(client_status("dev").violations, ==, 1);
    g_assert_cmpint(start(c, PAGE, &range, 1), ==, 0);
    dirty(0);
    g_assert_cmpint(start(c, PAGE, &range, 1), ==, -EEXIST);
    g_assert_cmpuint(client_status("dev").violations, ==, 2);
    assert_report(c, 0, 1, "0");
    g_assert_cmpint(report(c, RAM_IOVA, PAGE, 2048, bits), ==, -EINVAL);
    g_assert_cmpint(report(c, RAM_IOVA, PAGE, 3 * PAGE, bits), ==, -EINVAL);
    g_assert_cmpint(report(c, -PAGE, 2 * PAGE, PAGE, bits), ==, -EOVERFLOW);
    g_assert_cmpuint(client_status("dev").violations, ==, 5);
    close_log(c);
}

/* Sums: of ranges that are merged, with the smallest gap first */
static void test_limits(void)
{
    const LogRange ranges[] = {
        { 0, PAGE }, { 100 * PAGE, PAGE }, { 110 * PAGE, PAGE },
    };
    const LogRange tight[] = { { 0, PAGE }, { PAGE, PAGE } };
    uint8_t bits[32] = { 0 };
    SimClient *c = open_log("log=yes\nlog-max-ranges=2\nlog-min-bytes=12K\n"
                            "log-max-bytes=48K");

    g_assert_cmpint(start(c, PAGE, tight, 2), ==, -EOPNOTSUPP);
    g_assert_cmpint(start(c, PAGE, ranges, 3), ==, 0);
    g_assert_cmpint(report(c, 100 * PAGE, 11 * PAGE, PAGE, bits), ==, 0);
    g_assert_cmpint(report(c, 0, PAGE, PAGE, bits), ==, 0);
    g_assert_cmpint(report(c, 0, 2 * PAGE, PAGE, bits), ==, -EINVAL);
    g_assert_cmpint(stop(c), ==, 0);
    close_log(c);
    c = open_log("log=yes\nlog-max-ranges=1\nlog-max-bytes=440K");
    g_assert_cmpint(start(c, PAGE, ranges, 3), ==, -EOPNOTSUPP);
    g_assert_cmpint(start(c, PAGE, ranges + 1, 2), ==, 0);
    close_log(c);
}

static void test_outside(void)
{
    const LogRange range = { RAM_IOVA + 8 * PAGE, 8 * PAGE };
    uint8_t bits[8] = { 0 };
    SimClient *c = open_log("log=yes");

    g_assert_cmpint(start(c, PAGE, &range, 1), ==, 0);
    dirty(8);
    g_assert_cmpint(report(c, RAM_IOVA + 7 * PAGE, 2 * PAGE, PAGE, bits), ==,
                    -EINVAL);
    g_assert_cmpint(report(c, 0, PAGE, PAGE, bits), ==, -EINVAL);
    g_assert_cmpuint(client_status("dev").violations, ==, 2);
    close_log(c);
    c = open_log("log=yes\nlog-outside=silent");
    g_assert_cmpint(start(c, PAGE, &range, 1), ==, 0);
    dirty(7);
    dirty(8);
    assert_report(c, 7, 3, "1");
    g_assert_cmpint(report(c, 0, 1ull << 62, 1ull << 60, bits), ==, 0);
    g_assert_cmpuint(client_status("dev").violations, ==, 2);
    close_log(c);
}

static void test_misuse(void)
{
    const LogRange range = { RAM_IOVA, 1024 * PAGE };
    SimClient *c = open_log("log=yes\nlog-misuse=take");
    uint8_t bits[8] = { 0 };

    g_assert_cmpint(report(c, RAM_IOVA, PAGE, PAGE, bits), ==, 0);
    g_assert_cmpint(start(c, PAGE, &range, 1), ==, 0);
    dirty(8);
    g_assert_cmpint(start(c, PAGE, &range, 1), ==, 0);
    assert_report(c, 8, 1, "0");
    g_assert_cmpuint(client_status("dev").violations, ==, 2);
    close_log(c);
}

static void test_rounding(void)
{
    const LogRange range = { RAM_IOVA + PAGE, 1024 * PAGE };
    SimClient *c = open_log("profile=pds\nstate-size=1M");

    g_assert_cmpint(start(c, PAGE, &range, 1), ==, 0);
    dirty(1 + 64);
    dirty(1 + 66);
    dirty(1 + 100);
    dirty(1 + 130);
    assert_report(c, 1 + 64, 64, "0;2;36");
    dirty(1 + 64);
    dirty(1 + 66);
    dirty(1 + 100);
    dirty(1 + 130);
    /* From page 66 on: 64 is lost, and the last two are not looked at. */
    assert_report(c, 1 + 66, 66, "0;34");
    assert_report(c, 1 + 64, 64, "");
    assert_report(c, 1 + 128, 64, "2");
    close_log(c);
}

static void test_lost(void)
{
    const LogRange range = { RAM_IOVA, 64 * PAGE };
    uint8_t bits[8] = { 0 };
    SimClient *c = open_log("log=yes\nlog-lost-on-stop=yes\n"
                            "log-lost-on-reset=yes");
    int fd;

    g_assert_cmpint(start(c, PAGE, &range, 1), ==, 0);
    dirty(3);
    g_assert_cmpint(v2_set(c, V2_STOP_COPY, &fd), ==, 0);
    assert_report(c, 0, 64, "3");
    g_assert_cmpint(v2_set(c, V2_STOP, &(int) { 0 }), ==, 0);
    close(fd);
    g_assert_false(client_status("dev").log_on);
    g_assert_cmpint(report(c, RAM_IOVA, PAGE, PAGE, bits), ==, -EINVAL);
    g_assert_cmpint(stop(c), ==, -EINVAL);
    g_assert_cmpint(start(c, PAGE, &range, 1), ==, 0);
    g_assert_cmpint(ioctl(c->device, VFIO_DEVICE_RESET), ==, 0);
    g_assert_false(client_status("dev").log_on);
    g_assert_cmpuint(client_status("dev").violations, ==, 0);
    close_log(c);
    c = open_log("log=yes");
    g_assert_cmpint(start(c, PAGE, &range, 1), ==, 0);
    dirty(3);
    g_assert_cmpint(ioctl(c->device, VFIO_DEVICE_RESET), ==, 0);
    assert_report(c, 0, 64, "3");
    close_log(c);
}

static void test_empty(void)
{
    const LogRange range = { RAM_IOVA, 64 * PAGE };
    SimClient *c = open_log("profile=mtty");

    g_assert_cmpint(start(c, PAGE, &range, 1), ==, 0);
    dirty(3);
    assert_report(c, 0, 64, "");
    g_assert_cmpint(stop(c), ==, 0);
    close_log(c);
}

static void test_absent(void)
{
    const LogRange range = { RAM_IOVA, 64 * PAGE };
    const uint32_t probe = VFIO_DEVICE_FEATURE_PROBE |
                           VFIO_DEVICE_FEATURE_SET |
                           VFIO_DEVICE_FEATURE_DMA_LOGGING_START;
    SimClient *c = open_log("");

    g_assert_cmpint(v2_feature(c, probe, NULL, 0), ==, -ENOTTY);
    g_assert_cmpint(start(c, PAGE, &range, 1), ==, -ENOTTY);
    close_log(c);
    c = open_log("unknown-feature=EINVAL");
    g_assert_cmpint(start(c, PAGE, &range, 1), ==, -EINVAL);
    g_assert_cmpuint(client_status("dev").violations, ==, 0);
    close_log(c);
    c = open_log("log=yes");
    g_assert_cmpint(v2_feature(c, probe, NULL, 0), ==, 0);
    close_log(c);
}

static void test_faults(void)
{
    const LogRange range = { RAM_IOVA, 64 * PAGE };
    uint8_t bits[8] = { 0 };
    SimClient *c = open_log("log=yes\n"
                            "[fault on]\nevent=log-start\nerrno=ENOMEM\n"
                            "[fault look]\nevent=log-report\ncount=2\n"
                            "errno=EIO\n"
                            "[fault off]\nevent=log-stop\nerrno=EBUSY\n");

    g_assert_cmpint(start(c, PAGE, &range, 1), ==, -ENOMEM);
    g_assert_false(client_status("dev").log_on);
    g_assert_cmpint(start(c, PAGE, &range, 1), ==, 0);
    dirty(1);
    dirty(2);
    assert_report(c, 0, 2, "1");
    g_assert_cmpint(report(c, RAM_IOVA, 4 * PAGE, PAGE, bits), ==, -EIO);
    g_assert_cmphex(bits[0], ==, 0);
    assert_report(c, 0, 64, "2");
    g_assert_cmpint(stop(c), ==, -EBUSY);
    g_assert_true(client_status("dev").log_on);
    g_assert_cmpint(stop(c), ==, 0);
    close_log(c);
}

void sim_test_v2_log_add(void)
{
    g_test_add_func("/sim/v2/log/pages", test_pages);
    g_test_add_func("/sim/v2/log/edges", test_edges);
    g_test_add_func("/sim/v2/log/bitmap", test_bitmap);
    g_test_add_func("/sim/v2/log/coarse", test_coarse);
    for (size_t i = 0; i < G_N_ELEMENTS(refusals); i++) {
        g_autofree char *path = g_strdup_printf("/sim/v2/log/start/%s",
                                                refusals[i].name);

        g_test_add_data_func(path, &refusals[i], test_refusal);
    }
    g_test_add_func("/sim/v2/log/again", test_again);
    g_test_add_func("/sim/v2/log/limits", test_limits);
    g_test_add_func("/sim/v2/log/outside", test_outside);
    g_test_add_func("/sim/v2/log/misuse", test_misuse);
    g_test_add_func("/sim/v2/log/rounding", test_rounding);
    g_test_add_func("/sim/v2/log/lost", test_lost);
    g_test_add_func("/sim/v2/log/empty", test_empty);
    g_test_add_func("/sim/v2/log/absent", test_absent);
    g_test_add_func("/sim/v2/log/faults", test_faults);
}
