/*
 * Tests of the kernel's test driver: the migration region
 *
 * Owns: what is the driver's own: files of its configuration, mapped and
 * trapped areas, where faults strike, wrong accesses.
 * Does not own: what its device does, which is the simulated one's (sim-model)
 * and tested there (tests/sim).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "driver-client.h"

/* ------------------------------------------------------------------------ */
/* Configuration                                                            */

static void test_config_refused(void)
{
    static const char *const lines[] = {
        "nonsense=1", "state-size", "window-size=2G", "areas=stripes:0",
        "pinned=0x800+4K", "pinned=0+1G", "bar0-size=5000",
    };
    DriverDevice *dev = driver_new("state-size=3M");
    g_autofree char *text = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_assert_cmpint(driver_write(dev, "config", lines[i]), ==, EINVAL);
    }
    text = driver_read(dev, "config");
    g_assert_nonnull(strstr(text, "state-size=3M\n"));
    g_assert_nonnull(strstr(text, "window-size=1M\n"));
    driver_open(dev);
    g_assert_cmpint(driver_write(dev, "config", "state-size=1M"), ==, EBUSY);
    driver_free(dev);
}

static void test_faults_refused(void)
{
    static const char *const lines[] = {
        "f", "f event=state-write", "f errno=EIO", "f event=never errno=EIO",
        "f event=state-write errno=EWHAT", "f event=reset from=001 errno=EIO",
        "f event=dirty-start errno=EIO", "f event=reset delay-ms=1T",
        "f event=reset errno", "f event=reset errno=EIO count=x",
    };
    DriverDevice *dev = driver_new("");
    g_autofree char *text = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_assert_cmpint(driver_write(dev, "faults", lines[i]), ==, EINVAL);
    }
    text = driver_read(dev, "faults");
    g_assert_cmpstr(text, ==, "");
    driver_free(dev);
}

/* ------------------------------------------------------------------------ */
/* Whole migrations                                                         */

static void check_moved(DriverDevice *src, DriverDevice *dst)
{
    g_autofree char *saved = driver_text(src, "saved-digest");
    g_autofree char *loaded = driver_text(dst, "loaded-digest");

    g_assert_cmpint(strlen(saved), ==, 16);
    g_assert_cmpstr(saved, ==, loaded);
    g_assert_cmpint(driver_number(src, "violation-count"), ==, 0);
    g_assert_cmpint(driver_number(dst, "violation-count"), ==, 0);
    g_assert_cmpint(driver_number(dst, "corrupt"), ==, 0);
    g_assert_cmpint(driver_number(dst, "incomplete"), ==, 0);
    g_assert_cmpint(driver_number(dst, "loaded-bytes"), ==,
                    driver_number(src, "saved-bytes"));
    g_assert_cmpint(driver_number(src, "mapped-bytes") +
                    driver_number(src, "trapped-bytes"), ==,
                    driver_number(src, "saved-bytes"));
}

static void migrate(const char *src_lines, const char *dst_lines,
                    unsigned precopy_chunks)
{
    g_autoptr(GPtrArray) chunks = client_chunks_new();
    DriverDevice *src = driver_new(src_lines);
    DriverDevice *dst = driver_new(dst_lines);

    driver_open(src);
    driver_open(dst);
    g_assert_cmpint(client_save(src->client, chunks, precopy_chunks != 0,
                                precopy_chunks), ==, 0);
    g_assert_cmpint(client_load(dst->client, chunks, false), ==, 0);
    check_moved(src, dst);
    driver_free(src);
    driver_free(dst);
}

static void test_layout(const void *areas)
{
    g_autofree char *lines = g_strdup_printf(
        "areas=%s\nstate-size=3M\nprecopy-size=1M\nwindow-size=512K\n",
        (const char *)areas);
    g_autofree char *dst = g_strconcat(lines, "seed=2\n", NULL);

    migrate(lines, dst, 2);
}

/* States with no room for the registers, just enough, and more */
static void test_sizes(void)
{
    static const unsigned sizes[] = { 63, 64, 135, 136, 137, 200, 4096 };

    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autofree char *lines = g_strdup_printf("state-size=%u\nseed=5\n",
                                                 sizes[i]);

        migrate(lines, lines, 0);
    }
}

/* ------------------------------------------------------------------------ */
/* Faults: the call fails with the errno, fires once, then it works         */

typedef struct FaultCase {
    const char *event;
    uint32_t state;                 /* put the device there first */
    int (*call)(SimClient *c);
} FaultCase;

static int call_state_write(SimClient *c)
{
    return client_set_state(c, 1);
}

static int call_state_read(SimClient *c)
{
    uint32_t state;

    return client_read_state(c, &state);
}

static int call_pending(SimClient *c)
{
    uint64_t bytes;

    return client_pending(c, &bytes);
}

static int call_offset(SimClient *c)
{
    uint64_t value;
    int ret = client_pending(c, &value);

    return ret ? ret : client_data_offset(c, &value);
}

static int call_size(SimClient *c)
{
    uint64_t value;
    int ret = call_offset(c);

    return ret ? ret : client_data_size(c, &value);
}

static int call_data_read(SimClient *c)
{
    uint64_t offset, size;
    uint8_t byte;
    ssize_t n;

    if (client_pending(c, &size) || client_data_offset(c, &offset) ||
        client_data_size(c, &size)) {
        return -EPROTO;
    }
    n = client_raw(c, false, offset, &byte, 1);
    return n < 0 ? n : 0;
}

static int call_data_write(SimClient *c)
{
    uint64_t offset;
    uint8_t byte = 0;
    ssize_t n;

    if (client_data_offset(c, &offset)) {
        return -EPROTO;
    }
    n = client_raw(c, true, offset, &byte, 1);
    return n < 0 ? n : 0;
}

static int call_size_write(SimClient *c)
{
    uint64_t offset;
    int ret = client_data_offset(c, &offset);

    return ret ? ret : client_set_data_size(c, 4096);
}

static int call_mmap(SimClient *c)
{
    void *ptr = mmap(NULL, 4096, PROT_READ, MAP_SHARED, c->device,
                     c->region + 4096);
    int ret = ptr == MAP_FAILED ? -errno : 0;

    if (!ret) {
        munmap(ptr, 4096);
    }
    return ret;
}

static int call_ioctl(SimClient *c, unsigned long request, void *arg)
{
    return ioctl(c->device, request, arg) < 0 ? -errno : 0;
}

static int call_device_info(SimClient *c)
{
    struct vfio_device_info info = { .argsz = sizeof(info) };

    return call_ioctl(c, VFIO_DEVICE_GET_INFO, &info);
}

static int call_region_info(SimClient *c)
{
    struct vfio_region_info info = { .argsz = sizeof(info), .index = 9 };

    return call_ioctl(c, VFIO_DEVICE_GET_REGION_INFO, &info);
}

static int call_irq_info(SimClient *c)
{
    struct vfio_irq_info info = { .argsz = sizeof(info), .index = 2 };

    return call_ioctl(c, VFIO_DEVICE_GET_IRQ_INFO, &info);
}

static int call_set_irqs(SimClient *c)
{
    struct vfio_irq_set set = {
        .argsz = sizeof(set), .index = VFIO_PCI_MSIX_IRQ_INDEX,
        .flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
    };

    return call_ioctl(c, VFIO_DEVICE_SET_IRQS, &set);
}

static int call_reset(SimClient *c)
{
    return call_ioctl(c, VFIO_DEVICE_RESET, NULL);
}

static int call_config_read(SimClient *c)
{
    uint16_t id;

    return pread(c->device, &id, 2, UINT64_C(7) << 40) < 0 ? -errno : 0;
}

static int call_config_write(SimClient *c)
{
    uint16_t command = 6;

    return pwrite(c->device, &command, 2, (UINT64_C(7) << 40) + 4) < 0 ?
           -errno : 0;
}

static int call_bar_read(SimClient *c)
{
    uint32_t value;

    return pread(c->device, &value, 4, 0) < 0 ? -errno : 0;
}

static int call_bar_write(SimClient *c)
{
    uint32_t value = 1;

    return pwrite(c->device, &value, 4, VMT_REG_SCRATCH) < 0 ? -errno : 0;
}

static const FaultCase fault_cases[] = {
    { "state-write", 3, call_state_write },
    { "state-read", 1, call_state_read },
    { "pending-read", 3, call_pending },
    { "data-offset-read", 2, call_offset },
    { "data-size-read", 2, call_size },
    { "data-size-write", 4, call_size_write },
    { "data-read", 2, call_data_read },
    { "data-write", 4, call_data_write },
    { "mmap", 1, call_mmap },
    { "device-info", 1, call_device_info },
    { "region-info", 1, call_region_info },
    { "irq-info", 1, call_irq_info },
    { "set-irqs", 1, call_set_irqs },
    { "reset", 1, call_reset },
    { "config-read", 1, call_config_read },
    { "config-write", 1, call_config_write },
    { "bar-read", 1, call_bar_read },
    { "bar-write", 1, call_bar_write },
};

/* A state of one chunk of zeros is not what the stream starts with. */
#define FAULT_CONFIG "on-corrupt=record\nareas=all\nchunk-size=64K"

static void test_fault_errno(const void *opaque)
{
    const FaultCase *f = opaque;
    DriverDevice *dev = driver_new(FAULT_CONFIG);
    g_autofree char *rule = g_strdup_printf("x event=%s errno=ENOSPC",
                                            f->event);

    driver_open(dev);
    g_assert_cmpint(client_set_state(dev->client, f->state), ==, 0);
    g_assert_cmpint(driver_write(dev, "faults", rule), ==, 0);
    g_assert_cmpint(f->call(dev->client), ==, -ENOSPC);
    g_assert_cmpint(driver_fired(dev, "x"), ==, 1);
    g_assert_cmpint(f->call(dev->client), ==, 0);
    g_assert_cmpint(driver_fired(dev, "x"), ==, 1);
    driver_free(dev);
}

static void test_fault_value(void)
{
    DriverDevice *dev = driver_new("");
    uint64_t value = 0;
    gint64 start_us;

    driver_open(dev);
    g_assert_cmpint(driver_write(dev, "faults",
        "v event=pending-read value=0x123456789 count=2\n"
        "s event=data-offset-read short=3\n"
        "d event=state-read delay-ms=200\n"), ==, 0);
    g_assert_cmpint(client_set_state(dev->client, 2), ==, 0);
    g_assert_cmpint(client_pending(dev->client, &value), ==, 0);
    g_assert_cmpuint(value, ==, 1 << 20);
    g_assert_cmpint(client_pending(dev->client, &value), ==, 0);
    g_assert_cmpuint(value, ==, UINT64_C(0x123456789));
    g_assert_cmpint(client_raw(dev->client, false, 16, &value, 8), ==, 3);
    start_us = g_get_monotonic_time();
    g_assert_cmpint(call_state_read(dev->client), ==, 0);
    g_assert_cmpint(g_get_monotonic_time() - start_us, >=, 200000);
    g_assert_cmpint(driver_fired(dev, "v"), ==, 1);
    g_assert_cmpint(driver_fired(dev, "s"), ==, 1);
    g_assert_cmpint(driver_fired(dev, "d"), ==, 1);
    g_assert_cmpint(driver_write(dev, "faults", "clear"), ==, 0);
    driver_free(dev);
}

/* ------------------------------------------------------------------------ */
/* Wrong accesses                                                           */

static void test_violations(void)
{
    static const struct { uint64_t offset; size_t len; } wrong[] = {
        { 0, 1 }, { 0, 8 }, { 2, 4 }, { 8, 4 }, { 9, 8 }, { 28, 8 },
        { 30, 4 }, { 32, 8 }, { 4088, 16 }, { 4096 + (1 << 20), 1 },
        { UINT64_C(1) << 39, 8 }, { (UINT64_C(1) << 40) - 4, 4 },
        { 4096, 8 },
    };
    DriverDevice *dev = driver_new("");
    void *volatile nowhere = (void *)8;
    uint8_t buf[64] = { 0 };
    gint64 before;

    driver_open(dev);
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        before = driver_number(dev, "violation-count");
        g_assert_cmpint(client_raw(dev->client, i % 2, wrong[i].offset, buf,
                                   wrong[i].len), ==, -EINVAL);
        g_assert_cmpint(driver_number(dev, "violation-count"), ==,
                        before + 1);
    }
    /* Memory that is not there. */
    g_assert_cmpint(pwrite(dev->client->device, nowhere, 4,
                           dev->client->region), ==, -1);
    g_assert_cmpint(errno, ==, EFAULT);
    g_assert_cmpint(pread(dev->client->device, nowhere, 4,
                          dev->client->region), ==, -1);
    g_assert_cmpint(errno, ==, EFAULT);
    driver_free(dev);
}

static int try_map(SimClient *c, uint64_t offset, size_t len, int flags)
{
    void *ptr = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, c->device,
                     c->region + offset);

    if (ptr == MAP_FAILED) {
        return errno;
    }
    munmap(ptr, len);
    return 0;
}

static void test_mmap(void)
{
    DriverDevice *dev = driver_new("areas=0x4000+0x2000;0x2000+0x1000;"
                                   "0x6000+0x1000;0x80000000+0x1000\n"
                                   "window-size=64K\nregion-size=4G");
    SimClient *c;

    driver_open(dev);
    c = dev->client;
    g_assert_cmpint(try_map(c, 0x4000, 0x2000, MAP_SHARED), ==, 0);
    g_assert_cmpint(try_map(c, 0x5000, 0x1000, MAP_SHARED), ==, 0);
    g_assert_cmpint(try_map(c, 0x2000, 0x1000, MAP_SHARED), ==, 0);
    /* not shared; over the end; over two; outside; registers; no memory */
    g_assert_cmpint(try_map(c, 0x4000, 0x1000, MAP_PRIVATE), ==, EINVAL);
    g_assert_cmpint(try_map(c, 0x2000, 0x2000, MAP_SHARED), ==, EINVAL);
    g_assert_cmpint(try_map(c, 0x5000, 0x2000, MAP_SHARED), ==, EINVAL);
    g_assert_cmpint(try_map(c, 0x3000, 0x1000, MAP_SHARED), ==, EINVAL);
    g_assert_cmpint(try_map(c, 0, 0x1000, MAP_SHARED), ==, EINVAL);
    g_assert_cmpint(try_map(c, 0x80000000, 0x1000, MAP_SHARED), ==, EINVAL);
    g_assert_cmpint(try_map(c, UINT64_C(1) << 39, 0x1000, MAP_SHARED), ==,
                    EINVAL);
    driver_free(dev);
}

/* The largest numbers there are, as rates and sizes. */
static void test_extremes(void)
{
    DriverDevice *dev = driver_new(
        "state-size=0xffffffffffffffff\nprecopy-size=0xffffffffffffff00\n"
        "precopy-rate=0xffffffffffffffff\nsave-rate=0xffffffffffffffff\n"
        "dma-rate=0xffffffffffffffff\ndma-size=0xffffffffffffffff\n"
        "dma-burst=8\nwindow-size=4K\nareas=stripes:0xffffffffffffffff\n");
    uint64_t pending;

    driver_open(dev);
    /* Not stopped: the digest of all addresses would take for ever. */
    g_assert_cmpint(client_set_state(dev->client, 3), ==, 0);
    for (int i = 0; i < 3; i++) {
        g_usleep(1100 * 1000);
        g_assert_cmpint(client_pending(dev->client, &pending), ==, 0);
        g_assert_cmphex(pending, ==, UINT64_C(0xffffffffffffff00));
        g_assert_cmpint(call_offset(dev->client), ==, 0);
    }
    driver_free(dev);
}

static void test_presence(void)
{
    DriverDevice *dev = driver_new("migration=no");

    driver_open(dev);
    g_assert_cmpuint(dev->client->region, ==, 0);
    driver_close(dev);
    g_assert_cmpint(driver_write(dev, "config", "migration=zero-size"), ==,
                    0);
    driver_open(dev);
    g_assert_cmpuint(dev->client->region, !=, 0);
    g_assert_cmpuint(dev->client->region_size, ==, 0);
    driver_close(dev);
    g_assert_cmpint(driver_write(dev, "config", "migration=info-error"), ==,
                    0);
    driver_open(dev);
    g_assert_cmpuint(dev->client->region, ==, 0);
    g_assert_cmpint(call_region_info(dev->client), ==, -EIO);
    driver_free(dev);
}

void driver_add_region_tests(void)
{
    static const char *const layouts[] = {
        "none", "whole-region", "stripes:64K",
    };

    g_test_add_func("/driver/config/refused", test_config_refused);
    g_test_add_func("/driver/faults/refused", test_faults_refused);
    for (size_t i = 0; i < G_N_ELEMENTS(layouts); i++) {
        g_autofree char *path = g_strdup_printf("/driver/layout/%zu-%.12s",
                                                i, layouts[i]);

        g_test_add_data_func(path, layouts[i], test_layout);
    }
    g_test_add_func("/driver/sizes", test_sizes);
    for (size_t i = 0; i < G_N_ELEMENTS(fault_cases); i++) {
        g_autofree char *path = g_strdup_printf("/driver/fault/errno/%s",
                                                fault_cases[i].event);

        g_test_add_data_func(path, &fault_cases[i], test_fault_errno);
    }
    g_test_add_func("/driver/fault/value", test_fault_value);
    g_test_add_func("/driver/violations", test_violations);
    g_test_add_func("/driver/mmap", test_mmap);
    g_test_add_func("/driver/extremes", test_extremes);
    g_test_add_func("/driver/presence", test_presence);
}
