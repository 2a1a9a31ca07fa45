/*
 * Tests of the kernel's test driver: its files, and the limits of its user
 *
 * Owns: what is the driver's own: files of its configuration, memory of the
 * user that is not there, the largest numbers. Does not own: what its device
 * does, which the tables have (tests/sim/device-table.c).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "driver-client.h"
#include "sim-client-v2.h"

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

static bool kernel_has_precopy(void)
{
    struct utsname name;
    int major, minor;

    g_assert_cmpint(uname(&name), ==, 0);
    g_assert_cmpint(sscanf(name.release, "%d.%d", &major, &minor), ==, 2);
    return major > 6 || (major == 6 && minor >= 2);
}

/* What the kernel it runs in does not know, the driver does not offer. */
static void test_precopy_offered(void)
{
    DriverDevice *dev = driver_new("");
    int ret = kernel_has_precopy() ? 0 : EINVAL;

    g_assert_cmpint(driver_write(dev, "config",
                                 "protocol=v2\npre-copy=yes"), ==, ret);
    g_assert_cmpint(driver_write(dev, "config", "profile=qat"), ==, ret);
    driver_free(dev);
}

static void check_faults_refused(const char *keys, const char *const *lines)
{
    DriverDevice *dev = driver_new(keys);
    g_autofree char *text = NULL;

    for (; *lines; lines++) {
        g_assert_cmpint(driver_write(dev, "faults", *lines), ==, EINVAL);
    }
    text = driver_read(dev, "faults");
    g_assert_cmpstr(text, ==, "");
    driver_free(dev);
}

/* What VFIO's core answers by itself never reaches a rule. */
static void test_faults_refused(void)
{
    static const char *const v1[] = {
        "f", "f event=state-write", "f errno=EIO", "f event=never errno=EIO",
        "f event=state-write errno=EWHAT", "f event=reset from=001 errno=EIO",
        "f event=dirty-start errno=EIO", "f event=reset delay-ms=1T",
        "f event=reset errno", "f event=reset errno=EIO count=x", NULL
    };
    static const char *const v2[] = {
        "f event=migration-flags errno=EIO", "f event=feature errno=EIO",
        "f event=data-read flr=now", "f event=data-fd value=5", NULL
    };

    check_faults_refused("", v1);
    check_faults_refused("protocol=v2\np2p=yes\n", v2);
}

/* Memory that is not there */
static void test_no_memory(void)
{
    DriverDevice *dev = driver_new("");
    void *volatile nowhere = (void *)8;

    driver_open(dev);
    g_assert_cmpint(pwrite(dev->client->device, nowhere, 4,
                           dev->client->region), ==, -1);
    g_assert_cmpint(errno, ==, EFAULT);
    g_assert_cmpint(pread(dev->client->device, nowhere, 4,
                          dev->client->region), ==, -1);
    g_assert_cmpint(errno, ==, EFAULT);
    driver_free(dev);
}

/* What could not be handed over is not lost. */
static void test_no_memory_v2(void)
{
    DriverDevice *dev = driver_new("protocol=v2\nstate-size=64K\n");
    g_autofree uint8_t *buf = g_malloc(1 << 20);
    int fd, none;

    driver_open(dev);
    g_assert_cmpint(v2_set(dev->client, V2_STOP_COPY, &fd), ==, 0);
    g_assert_cmpint(v2_read(fd, NULL, 8), ==, -EFAULT);
    g_assert_cmpint(v2_read(fd, buf, 1 << 20), ==, 64 << 10);
    g_assert_cmpint(v2_set(dev->client, V2_STOP, &none), ==, 0);
    close(fd);
    g_assert_cmpint(v2_set(dev->client, V2_RESUMING, &fd), ==, 0);
    g_assert_cmpint(v2_write(fd, NULL, 8), ==, -EFAULT);
    driver_free(dev);
    close(fd);
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
        g_assert_cmpint(client_data_offset(dev->client, &pending), ==, 0);
    }
    driver_free(dev);
}

static int call_region_info(SimClient *c)
{
    struct vfio_region_info info = { .argsz = sizeof(info), .index = 9 };

    return ioctl(c->device, VFIO_DEVICE_GET_REGION_INFO, &info) < 0 ? -errno
                                                                    : 0;
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

void driver_add_file_tests(void)
{
    g_test_add_func("/driver/config/refused", test_config_refused);
    g_test_add_func("/driver/faults/refused", test_faults_refused);
    g_test_add_func("/driver/no-memory", test_no_memory);
    g_test_add_func("/driver/no-memory-v2", test_no_memory_v2);
    g_test_add_func("/driver/precopy-offered", test_precopy_offered);
    g_test_add_func("/driver/extremes", test_extremes);
    g_test_add_func("/driver/presence", test_presence);
}
