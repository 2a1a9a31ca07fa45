/*
 * Tests of the simulated device: the configuration file
 *
 * Owns: the errors for an invalid configuration; faults that need more than a
 * script (device-play.h): bus resets, and a window that becomes inaccessible.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/vfio.h>

#include "sim-test.h"

static int call(SimClient *c, unsigned long request, void *arg)
{
    return ioctl(c->device, request, arg) < 0 ? -errno : 0;
}

static int hot_reset_info(SimClient *c, uint32_t *count)
{
    uint32_t words[3 + 2 * 2] = { sizeof(words) };
    int ret = call(c, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, words);

    *count = words[2];
    return ret;
}

static int do_hot_reset(SimClient *c)
{
    uint32_t words[3 + 1] = { sizeof(words), 0, 1, c->group };

    return call(c, VFIO_DEVICE_PCI_HOT_RESET, words);
}

/* A bus reset requires all groups that it affects. */
static void test_hot_reset(void)
{
    static const struct {
        const char *key;
        int info, reset;
        unsigned count;
    } kinds[] = {
        { "no", -ENOTTY, -ENOTTY, 0 },
        { "alone", 0, 0, 1 },
        { "shared", 0, -EINVAL, 2 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autofree char *text =
            g_strdup_printf("[device src]\ngroup=1\nreset=no\n"
                            "hot-reset=%s\n", kinds[i].key);
        uint32_t count, state;
        SimClient *c;

        sim_test_configure(text);
        c = client_open("src", 1);
        g_assert_cmpint(hot_reset_info(c, &count), ==, kinds[i].info);
        g_assert_cmpuint(count, ==, kinds[i].count);
        g_assert_cmpint(client_set_state(c, STOP), ==, 0);
        g_assert_cmpint(do_hot_reset(c), ==, kinds[i].reset);
        g_assert_cmpint(client_read_state(c, &state), ==, 0);
        g_assert_cmpuint(state, ==, kinds[i].reset ? STOP : RUNNING);
        g_assert_cmpint(call(c, VFIO_DEVICE_RESET, NULL), ==, -EINVAL);
        client_close(c);
    }
}

/* Mappings fail while the window is inaccessible, and work again after it. */
static void test_window_gone(void)
{
    SimClient *c;
    uint64_t value;
    int ends[2];
    void *ptr;

    sim_test_configure("[device src]\ngroup=1\nwindow-size=64K\n"
                       "[fault f]\nevent=pending-read\nwindow=gone\n");
    c = client_open("src", 1);
    g_assert_cmpint(pipe(ends), ==, 0);
    ptr = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, c->device,
               (off_t)(9ull << 40) + PAGE);
    g_assert_true(ptr != MAP_FAILED);
    g_assert_cmpint(write(ends[1], ptr, PAGE), ==, PAGE);
    g_assert_cmpint(client_set_state(c, PRE_COPY), ==, 0);
    g_assert_cmpint(client_pending(c, &value), ==, 0);
    g_assert_cmpint(vfio_sim_fault_fired("f"), ==, 1);
    g_assert_cmpint(result(write(ends[1], ptr, PAGE)), ==, -EFAULT);
    g_assert_cmpint(client_set_state(c, RUNNING), ==, 0);
    g_assert_cmpint(write(ends[1], ptr, PAGE), ==, PAGE);
    munmap(ptr, PAGE);
    close(ends[0]);
    close(ends[1]);
    client_close(c);
}

/* ------------------------------------------------------------------------ */
/* Invalid configurations                                                   */

typedef struct Wrong {
    const char *text;
    const char *says;
} Wrong;

static const Wrong wrong[] = {
    { "[devices a]\n", "[devices a]" },
    { "[device a]\n[device a]x\n", "" },
    { "[device a/b]\n", "[device a/b]" },
    { "[device a]\nwindow-sise=1M\n", "window-sise: no such key" },
    { "[device a]\nwindow-size=1X\n", "window-size: want a number" },
    { "[device a]\nwindow-size=-1\n", "window-size: want a number" },
    { "[device a]\nwindow-size=99999999T\n", "window-size" },
    { "[device a]\nwindow-size=0\n", "window-size" },
    { "[device a]\nregion-size=4K\n", "region-size: does not hold" },
    { "[device a]\nareas=1+\n", "areas: want OFFSET+SIZE" },
    { "[device a]\nareas=stripes:0\n", "areas: want stripes:SIZE" },
    { "[device a]\nchunk-size=2M\n", "chunk-size" },
    { "[device a]\nchunk-size=0\n", "chunk-size" },
    { "[device a]\nchunk-start=1M\n", "chunk-start" },
    { "[device a]\nprecopy-size=1\n", "precopy-size" },
    { "[device a]\nprecopy-rate=1\n", "precopy-rate: needs" },
    { "[device a]\nreserved-bits=1\n", "reserved-bits" },
    { "[device a]\nstrictness=hard\n", "'hard' is none of: drawn" },
    { "[device a]\nrefuse=1>2\n", "refuse: want FROM>TO" },
    { "[device a]\nrefuse-errno=5\n", "refuse-errno: want the name" },
    { "[device a]\nintx=maybe\n", "intx: want yes or no" },
    { "[device a]\nmsix-vectors=65\n", "msix-vectors: at most" },
    { "[device a]\nbar0-size=5000\n", "bar0-size" },
    { "[device a]\nconfig=8\n", "config: want OFFSET:BYTES" },
    { "[device a]\nconfig=8:0\n", "config: want OFFSET:BYTES" },
    { "[device a]\nconfig=0xfff:0011\n", "config: want OFFSET:BYTES" },
    { "[device a]\ndma-rate=1M\n", "dma-rate: needs" },
    { "[device a]\n[device b]\niommu=1\n", "group: the devices of one" },
    { "[device a]\ndirty-tracking=no\n[device b]\n", "group: the devices" },
    { "[device a]\nprofile=mlx6\n", "" },
    { "[device a]\nprotocol=v3\n", "" },
    { "[device a]\nkernel=5.18\n", "" },
    { "[device a]\nprotocol=v2\nkernel=6.1\npre-copy=yes\n", "" },
    { "[device a]\nprofile=mlx5-6.2\nkernel=6.1\n", "" },
    { "[device a]\nprotocol=v2\npre-copy=yes\nprecopy-size=63\n", "" },
    { "[device a]\nprotocol=v2\npre-copy=yes\nstate-size=63\n", "" },
    { "[device a]\nprotocol=v2\npre-copy=yes\nprecopy-size=64\n"
      "initial-bytes=65\n",
      "" },
    { "[device a]\nprotocol=v2\nlog-page-size=6K\n", "" },
    { "[device a]\nprotocol=v2\nlog-page-size=2K\n", "" },
    { "[device a]\nprotocol=v2\nlog-max-ranges=0\n", "" },
    { "[device a]\nprotocol=v2\nlog-rounding=0\n", "" },
    { "[container]\npage-sizes=1K\n", "page-sizes" },
    { "[fault f]\nerrno=EIO\n", "event: must be given" },
    { "[fault f]\nevent=stat-write\nerrno=EIO\n", "'stat-write' is none of" },
    { "[fault f]\nevent=reset\n", "does nothing" },
    { "[fault f]\nevent=reset\nerrno=EIOO\n", "errno: want the name" },
    { "[fault f]\nevent=reset\nto=stop\nerrno=EIO\n", "need state-write" },
    { "[fault f]\nevent=reset\ndevice=x\nerrno=EIO\n", "device: no [device]" },
    { "[fault f]\nevent=reset\ndevice-state=stop\n", "'stop' is none of: as" },
    { "[fault f]\nevent=reset\nwindow=gone\n", "window= needs" },
    { "[fault f]\nevent=data-read\nwindow=open\n", "'open' is none of" },
    { "[fault f]\nevent=map-dma\nintx=raise\n", "intx= needs" },
    { "[fault f]\nevent=state-write\nto=up\nerrno=EIO\n", "to: want a state" },
};

static void test_wrong_config(gconstpointer opaque)
{
    const Wrong *w = opaque;
    g_autoptr(GError) err = NULL;

    g_assert_false(vfio_sim_configure_data(w->text, &err));
    g_assert_nonnull(err);
    g_test_message("%s", err->message);
    g_assert_nonnull(strstr(err->message, w->says));
    /* Nothing of it remains, and a valid one is accepted after it. */
    g_assert_false(vfio_sim_device_status("a", &(VFIOSimStatus){ 0 }));
    g_assert_true(vfio_sim_configure_data("[device a]\n", NULL));
    g_assert_true(vfio_sim_device_status("a", &(VFIOSimStatus){ 0 }));
}

/* ------------------------------------------------------------------------ */

void sim_test_faults_add(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autofree char *p = g_strdup_printf("/sim/wrong-config/%02zu", i);

        g_test_add_data_func(p, &wrong[i], test_wrong_config);
    }
    g_test_add_func("/sim/hot-reset", test_hot_reset);
    g_test_add_func("/sim/fault/window-gone", test_window_gone);
}
