/*
 * Tests of the simulated device: faults in protocol v2
 *
 * Owns: each event with an errno, the error state and a delay, that the same
 * call works when it is made again, and numbers that a rule has told.
 * Does not own: parts of reads and writes, resets (tests/component/test-v2.c).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/vfio.h>

#include "sim-client-v2.h"
#include "sim-test.h"

/* A call that makes an event; the device is in pre-copy with data fd @fd */
typedef struct Call {
    const char *event;
    int (*make)(SimClient *c, int fd);
    int good;                       /* what it gives without a fault */
} Call;

static int call_flags(SimClient *c, int fd)
{
    uint64_t flags;

    return v2_flags(c, &flags);
}

static int call_get(SimClient *c, int fd)
{
    int ret = v2_get(c);

    return MIN(ret, 1);
}

/* To the present state is no event: to another one, and back */
static int call_set(SimClient *c, int fd)
{
    int ignored, ret = v2_set(c, V2_PRE_COPY_P2P, &ignored);

    if (!ret) {
        v2_set(c, V2_PRE_COPY, &ignored);
    }
    return ret;
}

static int call_read(SimClient *c, int fd)
{
    uint8_t byte;

    return v2_read(fd, &byte, 1);
}

static int call_info(SimClient *c, int fd)
{
    V2PrecopyInfo info;

    return v2_info(fd, &info);
}

static int call_size(SimClient *c, int fd)
{
    uint64_t size;

    return v2_data_size(c, &size);
}

static int call_probe(SimClient *c, int fd)
{
    return v2_feature(c, VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_SET |
                      VFIO_DEVICE_FEATURE_DMA_LOGGING_START, NULL, 0);
}

static int call_log_start(SimClient *c, int fd)
{
    const uint64_t range[2] = { 0, PAGE };
    struct vfio_device_feature_dma_logging_control control = {
        .page_size = PAGE, .num_ranges = 1, .ranges = (uintptr_t)range,
    };
    int ret = v2_feature(c, VFIO_DEVICE_FEATURE_SET |
                         VFIO_DEVICE_FEATURE_DMA_LOGGING_START, &control,
                         sizeof(control));

    if (!ret) {
        v2_feature(c, VFIO_DEVICE_FEATURE_SET |
                   VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, NULL, 0);
    }
    return ret;
}

static const Call calls[] = {
    { "migration-flags", call_flags, 0 },
    { "state-read", call_get, 1 },
    { "state-write", call_set, 0 },
    { "data-read", call_read, 1 },
    { "precopy-info", call_info, 0 },
    { "data-size", call_size, 0 },
    { "feature", call_probe, 0 },
    { "log-start", call_log_start, 0 },
};

static SimClient *open_in_precopy(const char *rules, int *fd)
{
    g_autofree char *keys =
        g_strdup_printf("protocol=v2\np2p=yes\npre-copy=yes\nlog=yes\n"
                        "precopy-size=1000\nstate-size=1000\n%s", rules);
    SimClient *c = sim_test_open("", keys);

    g_assert_cmpint(v2_set(c, V2_PRE_COPY, fd), ==, 0);
    return c;
}

static SimClient *open_with_rule(const Call *call, const char *what, int *fd)
{
    g_autofree char *rule =
        g_strdup_printf("[fault f]\nevent=%s\nstate=pre-copy\n%s\n",
                        call->event, what);

    return open_in_precopy(rule, fd);
}

static void assert_fired(int times)
{
    g_assert_cmpint(vfio_sim_fault_fired("f"), ==, times);
    g_assert_cmpuint(client_status("dev").violations, ==, 0);
}

static void test_errno(gconstpointer opaque)
{
    const Call *call = opaque;
    int fd;
    SimClient *c = open_with_rule(call, "count=2\nerrno=EBUSY", &fd);

    g_assert_cmpint(call->make(c, fd), ==, call->good);
    assert_fired(0);
    g_assert_cmpint(call->make(c, fd), ==, -EBUSY);
    assert_fired(1);
    g_assert_cmpint(v2_get(c), ==, V2_PRE_COPY);
    g_assert_cmpint(call->make(c, fd), ==, call->good);
    g_assert_cmpint(call_read(c, fd), ==, 1);
    assert_fired(1);
    close(fd);
    client_close(c);
}

static void test_error_state(gconstpointer opaque)
{
    const Call *call = opaque;
    int fd, ignored;
    SimClient *c = open_with_rule(call, "device-state=error", &fd);

    g_assert_cmpint(call->make(c, fd), ==, -EIO);
    g_assert_cmpint(v2_get(c), ==, V2_ERROR);
    g_assert_cmpint(call_read(c, fd), ==, -ENODEV);
    g_assert_cmpint(call_info(c, fd), ==, -ENODEV);
    g_assert_cmpint(call_size(c, fd), ==, -EIO);
    g_assert_cmpint(v2_set(c, V2_STOP_COPY, &ignored), ==, -EINVAL);
    g_assert_cmpint(ioctl(c->device, VFIO_DEVICE_RESET), ==, 0);
    g_assert_cmpint(v2_get(c), ==, V2_RUNNING);
    assert_fired(1);
    close(fd);
    client_close(c);
}

static void test_delay(gconstpointer opaque)
{
    const Call *call = opaque;
    int fd;
    SimClient *c = open_with_rule(call, "delay-ms=20", &fd);
    int64_t start_us = g_get_monotonic_time();

    g_assert_cmpint(call->make(c, fd), ==, call->good);
    g_assert_cmpint(g_get_monotonic_time() - start_us, >=, 20000);
    assert_fired(1);
    close(fd);
    client_close(c);
}

/* ------------------------------------------------------------------------ */
/* What only some events have                                               */

static void test_values(void)
{
    uint64_t flags, size;
    V2PrecopyInfo info = { 0 };
    int fd;
    SimClient *c = open_in_precopy(
        "[fault flags]\nevent=migration-flags\nvalue=0xfffffffffffffff0\n"
        "[fault size]\nevent=data-size\nvalue=0xffffffffffffffff\n"
        "[fault info]\nevent=precopy-info\nvalue=0x8000000000000000\n"
        "[fault get]\nevent=state-read\nvalue=77\n"
        "[fault fd]\nevent=data-fd\ncount=2\nvalue=123456\n", &fd);

    g_assert_cmpint(v2_flags(c, &flags), ==, 0);
    g_assert_cmphex(flags, ==, -16ull);
    g_assert_cmpint(v2_data_size(c, &size), ==, 0);
    g_assert_cmphex(size, ==, UINT64_MAX);
    g_assert_cmpint(v2_info(fd, &info), ==, 0);
    g_assert_cmphex(info.initial_bytes, ==, 1ull << 63);
    g_assert_cmphex(info.dirty_bytes, ==, 1ull << 63);
    g_assert_cmpint(v2_get(c), ==, 77);
    g_assert_cmpint(v2_get(c), ==, V2_PRE_COPY);
    close(fd);
    g_assert_cmpint(v2_set(c, V2_RUNNING, &fd), ==, 0);
    g_assert_cmpint(v2_set(c, V2_PRE_COPY, &fd), ==, 0);
    g_assert_cmpint(fd, ==, 123456);
    client_close(c);
}

static void test_write_errno(void)
{
    uint8_t bytes[2000];
    int fd, load;
    SimClient *c = open_in_precopy("[fault f]\nevent=data-write\ncount=3\n"
                                   "errno=EINTR\n", &fd);

    g_assert_cmpint(v2_read(fd, bytes, 1000), ==, 1000);
    g_assert_cmpint(v2_set(c, V2_STOP_COPY, &load), ==, 0);
    g_assert_cmpint(v2_read(fd, bytes + 1000, 1000), ==, 1000);
    g_assert_cmpint(v2_set(c, V2_RESUMING, &load), ==, 0);
    g_assert_cmpint(v2_write_all(load, bytes, 2000, 500), ==, -EINTR);
    g_assert_cmpint(v2_write_all(load, bytes + 1000, 1000, 500), ==, 0);
    g_assert_cmpint(v2_set(c, V2_STOP, &(int) { 0 }), ==, 0);
    assert_fired(1);
    close(fd);
    close(load);
    client_close(c);
}

/* The same rule at a device of v1 */
static void test_v1_flr(void)
{
    uint64_t pending;
    uint32_t state;
    SimClient *c = sim_test_open("", "[fault f]\nevent=pending-read\n"
                                 "state=stop-copy\nflr=now\n");

    g_assert_cmpint(client_set_state(c, STOP_COPY), ==, 0);
    g_assert_cmpint(client_pending(c, &pending), ==, 0);
    g_assert_cmpuint(pending, >, 0);
    g_assert_cmpint(client_read_state(c, &state), ==, 0);
    g_assert_cmpuint(state, ==, RUNNING);
    assert_fired(1);
    client_close(c);
}

static void add_all(const char *name, GTestDataFunc fn)
{
    for (size_t i = 0; i < G_N_ELEMENTS(calls); i++) {
        g_autofree char *path = g_strdup_printf("/sim/v2/fault/%s/%s", name,
                                                calls[i].event);

        g_test_add_data_func(path, &calls[i], fn);
    }
}

void sim_test_v2_faults_add(void)
{
    add_all("errno", test_errno);
    add_all("error-state", test_error_state);
    add_all("delay", test_delay);
    g_test_add_func("/sim/v2/fault/values", test_values);
    g_test_add_func("/sim/v2/fault/write-errno", test_write_errno);
    g_test_add_func("/sim/v2/fault/v1-flr", test_v1_flr);
}
