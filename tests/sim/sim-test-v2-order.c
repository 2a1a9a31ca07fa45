/*
 * Tests of the simulated device: what counts against a client of protocol v2
 *
 * Owns: the order in which several P2P devices are stopped and started, and
 * each single thing that is recorded as a violation, or is not.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "sim-client-v2.h"
#include "sim-test.h"

static SimClient *a, *b;

static void open_two(const char *order, const char *keys_a,
                     const char *keys_b, bool enabled)
{
    const uint16_t command = enabled ? PCI_COMMAND_MEMORY : 0;
    g_autofree char *text =
        g_strdup_printf("[sim]\np2p-order=%s\n"
                        "[device a]\ngroup=1\nprotocol=v2\n%s\n"
                        "[device b]\ngroup=2\nprotocol=v2\n%s\n", order,
                        keys_a, keys_b);

    sim_test_configure(text);
    a = client_open("a", 1);
    b = client_open("b", 2);
    client_config(a, true, PCI_COMMAND, (void *)&command, 2);
    client_config(b, true, PCI_COMMAND, (void *)&command, 2);
}

static void close_two(void)
{
    client_close(a);
    client_close(b);
}

/* One SET. A data fd is closed at once: nothing here reads from it. */
static int set(SimClient *c, uint32_t state)
{
    int fd, ret = v2_set(c, state, &fd);

    if (fd >= 0) {
        close(fd);
    }
    return ret;
}

/*
 * Steps such as "a5 b5 a1": device and state. Returns where violations came,
 * as the numbers of these steps.
 */
static char *walk(const char *steps)
{
    g_auto(GStrv) step = g_strsplit(steps, " ", -1);
    GString *bad = g_string_new(NULL);

    for (unsigned i = 0; step[i]; i++) {
        bool is_a = step[i][0] == 'a';
        unsigned before = client_status(is_a ? "a" : "b").violations;

        set(is_a ? a : b, step[i][1] - '0');
        if (client_status(is_a ? "a" : "b").violations != before) {
            g_string_append_printf(bad, "%s%s", bad->len ? " " : "", step[i]);
        }
    }
    return g_string_free(bad, FALSE);
}

typedef struct Order {
    const char *name;
    const char *order;
    const char *keys_a;
    const char *keys_b;
    bool enabled;
    const char *steps;
    const char *bad;                /* steps that are violations */
} Order;

#define P2P "p2p=yes\npre-copy=yes"

/* 1 stop, 2 running, 3 stop-copy, 4 resuming, 5 and 7 P2P, 6 pre-copy */
static const Order orders[] = {
    { "two-passes", "auto", P2P, P2P, true,
      "a5 b5 a1 b1 b5 a5 b2 a2", "" },
    { "one-by-one", "auto", P2P, P2P, true,
      "a5 a1 b5 b1 a5 a2 b5 b2", "a1 a2" },
    { "in-one-go", "auto", P2P, P2P, true, "a1 b1 b2 a2", "a1 b2" },
    { "pre-copy", "auto", P2P, P2P, true,
      "a6 b6 a7 b7 a3 b3 a1 b1 a5 b5 a2 b2", "" },
    { "pre-copy-one-by-one", "auto", P2P, P2P, true,
      "a6 b6 a7 a3 b7 b3", "a3" },
    { "pre-copy-beside-running", "auto", P2P, P2P, true, "a6 a7 b5 a3 b1",
      "" },
    { "cancel", "auto", P2P, P2P, true, "a6 b6 a2 b2", "" },
    { "cancel-of-one", "auto", P2P, P2P, true, "a6 b6 b7 b5 a2 b2", "" },
    { "stopped-before", "auto", P2P, P2P, true, "a1 a3 a1", "a1" },
    { "cancel-beside-stopped", "auto", P2P, P2P, true, "a6 b1 a2", "b1" },
    { "never-on", "auto", P2P, P2P, false, "a1 b1 b2 a2", "" },
    { "always", "always", P2P, P2P, false, "a1 b1 b2 a2", "a1 b2" },
    { "never", "never", P2P, P2P, true, "a1 b1 b2 a2", "" },
    { "other-has-no-p2p", "auto", P2P, "", true, "a1 b1 b2 a2", "b2" },
    { "load", "auto", P2P, P2P, true, "a4 b4 a5 b5 a2 b2", "" },
    { "load-one-by-one", "auto", P2P, P2P, true, "a4 b4 a5 a2 b2", "a2" },
    { "other-failed", "auto", P2P,
      P2P "\n[fault f]\ndevice=b\nevent=state-write\nerrno=EIO", true,
      "b5 a5 a1 b5 a5 a2 b2", "" },
};

static void test_order(gconstpointer opaque)
{
    const Order *o = opaque;
    g_autofree char *bad = NULL;

    open_two(o->order, o->keys_a, o->keys_b, o->enabled);
    bad = walk(o->steps);
    g_assert_cmpstr(bad, ==, o->bad);
    close_two();
}

/* ------------------------------------------------------------------------ */
/* One device                                                               */

static SimClient *open_one(const char *keys)
{
    g_autofree char *all = g_strdup_printf("protocol=v2\np2p=yes\n"
                                           "pre-copy=yes\n%s", keys);

    return sim_test_open("", all);
}

static void assert_violations(unsigned count)
{
    g_assert_cmpuint(client_status("dev").violations, ==, count);
}

static void test_requests(void)
{
    const uint32_t get = VFIO_DEVICE_FEATURE_GET;
    const uint32_t set_it = VFIO_DEVICE_FEATURE_SET;
    const uint32_t probe = VFIO_DEVICE_FEATURE_PROBE;
    uint64_t data[4] = { 0 };
    SimClient *c = open_one("");
    const struct {
        uint32_t argsz, flags;
        int ret;
        bool violation;
    } requests[] = {
        { 8 + 8, get | VFIO_DEVICE_FEATURE_MIGRATION, 0, false },
        { 8 + 32, get | VFIO_DEVICE_FEATURE_MIGRATION, 0, false },
        { 8 + 7, get | VFIO_DEVICE_FEATURE_MIGRATION, -EINVAL, true },
        { 7, get | VFIO_DEVICE_FEATURE_MIGRATION, -EINVAL, true },
        { 8 + 7, get | V2_FEATURE_DATA_SIZE, -EINVAL, true },
        { 8 + 7, get | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, -EINVAL, true },
        { 8 + 8, set_it | VFIO_DEVICE_FEATURE_MIGRATION, -EINVAL, true },
        { 8 + 8, VFIO_DEVICE_FEATURE_MIGRATION, -EINVAL, true },
        { 8 + 8, get | set_it | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE,
          -EINVAL, true },
        { 8 + 8, get | 1u << 19 | VFIO_DEVICE_FEATURE_MIGRATION, -EINVAL,
          true },
        { 8, probe | get | VFIO_DEVICE_FEATURE_MIGRATION, 0, false },
        { 8, probe | get | set_it | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, 0,
          false },
        { 8, probe | set_it | V2_FEATURE_DATA_SIZE, -EINVAL, true },
        { 8, get | VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, -ENOTTY, false },
        { 8, get | 0xffff, -ENOTTY, false },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(requests); i++) {
        unsigned before = client_status("dev").violations;

        g_assert_cmpint(v2_feature_argsz(c, requests[i].argsz,
                                         requests[i].flags, data,
                                         sizeof(data)), ==, requests[i].ret);
        g_assert_cmpuint(client_status("dev").violations - before, ==,
                         requests[i].violation);
    }
    client_close(c);
}

static void test_states(void)
{
    static const uint32_t none[] = { V2_ERROR, 8, 1000, UINT32_MAX };
    SimClient *c = open_one("");
    int fd;

    for (size_t i = 0; i < G_N_ELEMENTS(none); i++) {
        g_assert_cmpint(v2_set(c, none[i], &fd), ==, -EINVAL);
        g_assert_cmpint(fd, ==, -1);
        assert_violations(i + 1);
    }
    g_assert_cmpint(v2_get(c), ==, V2_RUNNING);
    g_assert_cmpint(set(c, V2_STOP_COPY), ==, 0);
    g_assert_cmpint(set(c, V2_PRE_COPY), ==, -EINVAL);
    assert_violations(5);
    g_assert_cmpint(set(c, V2_RUNNING), ==, 0);
    g_assert_cmpint(set(c, V2_PRE_COPY), ==, 0);
    assert_violations(5);
    g_assert_cmpint(set(c, V2_STOP), ==, 0);
    assert_violations(6);
    client_close(c);
    c = sim_test_open("", "protocol=v2\npre-copy=yes");
    g_assert_cmpint(set(c, V2_RUNNING_P2P), ==, -EINVAL);
    g_assert_cmpint(set(c, V2_PRE_COPY_P2P), ==, -EINVAL);
    assert_violations(2);
    /* It has no other way. */
    g_assert_cmpint(set(c, V2_PRE_COPY), ==, 0);
    g_assert_cmpint(set(c, V2_STOP), ==, 0);
    assert_violations(2);
    client_close(c);
}

/* A cancel leaves data unread: that is counted, and no violation. */
static void test_unfinished(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    uint8_t byte;
    SimClient *c = open_one("state-size=1000");
    int fd;

    g_assert_cmpint(v2_set(c, V2_STOP_COPY, &fd), ==, 0);
    g_assert_cmpint(v2_read(fd, &byte, 1), ==, 1);
    g_assert_cmpint(v2_set(c, V2_STOP, &(int) { 0 }), ==, 0);
    close(fd);
    g_assert_cmpuint(client_status("dev").unfinished_saves, ==, 1);
    g_assert_cmpint(set(c, V2_PRE_COPY), ==, 0);
    g_assert_cmpint(set(c, V2_RUNNING), ==, 0);
    g_assert_cmpuint(client_status("dev").unfinished_saves, ==, 1);
    assert_violations(0);
    g_assert_cmpint(v2_set(c, V2_STOP_COPY, &fd), ==, 0);
    g_assert_cmpint(v2_read_all(fd, bytes, 100), ==, 0);
    assert_violations(0);
    g_assert_cmpint(v2_read(fd, &byte, 1), ==, 0);
    assert_violations(1);
    g_assert_cmpint(v2_set(c, V2_STOP, &(int) { 0 }), ==, 0);
    close(fd);
    g_assert_cmpuint(client_status("dev").unfinished_saves, ==, 1);
    client_close(c);
    assert_violations(1);
}

static void test_open_fds(void)
{
    SimClient *c = open_one("");
    int fd, old;

    g_assert_cmpint(v2_set(c, V2_PRE_COPY, &old), ==, 0);
    g_assert_cmpint(v2_set(c, V2_RUNNING, &fd), ==, 0);
    g_assert_cmpint(v2_set(c, V2_STOP_COPY, &fd), ==, 0);
    g_assert_cmpuint(client_status("dev").data_fds, ==, 2);
    close(old);
    g_assert_cmpuint(client_status("dev").data_fds, ==, 1);
    client_close(c);
    assert_violations(1);
    g_assert_cmpint(v2_read(fd, &old, 1), ==, -ENODEV);
    close(fd);
    g_assert_cmpuint(client_status("dev").data_fds, ==, 0);
}

static void test_info(void)
{
    V2PrecopyInfo info = { .flags = 0 };
    SimClient *c = open_one("");
    int fd;

    g_assert_cmpint(v2_set(c, V2_PRE_COPY, &fd), ==, 0);
    info.argsz = 8;
    g_assert_cmpint(result(ioctl(fd, _IO(VFIO_TYPE, VFIO_BASE + 21), &info)),
                    ==, -EINVAL);
    assert_violations(1);
    g_assert_cmpint(v2_info(fd, &info), ==, 0);
    g_assert_cmpint(set(c, V2_STOP_COPY), ==, 0);
    g_assert_cmpint(v2_info(fd, &info), ==, -EINVAL);
    assert_violations(2);
    g_assert_cmpint(set(c, V2_RUNNING), ==, 0);
    g_assert_cmpint(v2_info(fd, &info), ==, -ENODEV);
    assert_violations(2);
    close(fd);
    client_close(c);
}

void sim_test_v2_order_add(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(orders); i++) {
        g_autofree char *path = g_strdup_printf("/sim/v2/order/%s",
                                                orders[i].name);

        g_test_add_data_func(path, &orders[i], test_order);
    }
    g_test_add_func("/sim/v2/violation/requests", test_requests);
    g_test_add_func("/sim/v2/violation/states", test_states);
    g_test_add_func("/sim/v2/violation/unfinished", test_unfinished);
    g_test_add_func("/sim/v2/violation/open-fds", test_open_fds);
    g_test_add_func("/sim/v2/violation/info", test_info);
}
