/*
 * Tests of the simulated device: fault rules and the configuration file
 *
 * Owns: each action and each condition of a rule, and the errors of a wrong
 * configuration.
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

static SimClient *open_with_faults(const char *faults)
{
    g_autofree char *text =
        g_strdup_printf("[device src]\ngroup=1\nareas=none\nwindow-size=64K\n"
                        "state-size=128K\nhot-reset=alone\n[device other]\ngroup=2\n%s",
                        faults);

    sim_test_configure(text);
    return client_open("src", 1);
}

static void assert_fired(const char *name, int times)
{
    g_assert_cmpint(vfio_sim_fault_fired(name), ==, times);
}

/* ------------------------------------------------------------------------ */
/* Each event fails with its errno                                          */

static int do_pending(SimClient *c)
{
    uint64_t value;
    int ret = client_set_state(c, STOP_COPY);

    return ret ? ret : client_pending(c, &value);
}

static int do_offset(SimClient *c)
{
    uint64_t value;
    int ret = do_pending(c);

    return ret ? ret : client_data_offset(c, &value);
}

static int do_size(SimClient *c)
{
    uint64_t value;
    int ret = do_offset(c);

    return ret ? ret : client_data_size(c, &value);
}

static int call(SimClient *c, unsigned long request, void *arg)
{
    return ioctl(c->device, request, arg) < 0 ? -errno : 0;
}

static int do_device_info(SimClient *c)
{
    struct vfio_device_info info = { .argsz = sizeof(info) };

    return call(c, VFIO_DEVICE_GET_INFO, &info);
}

static int do_irq_info(SimClient *c)
{
    struct vfio_irq_info info = { .argsz = sizeof(info) };

    return call(c, VFIO_DEVICE_GET_IRQ_INFO, &info);
}

static int do_reset(SimClient *c)
{
    return call(c, VFIO_DEVICE_RESET, NULL);
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

static int at(SimClient *c, bool write, unsigned region)
{
    uint64_t keep = c->region;
    uint32_t word = 0;
    ssize_t n;

    c->region = (uint64_t)region << 40;
    n = client_raw(c, write, 0x10, &word, sizeof(word));
    c->region = keep;
    return n < 0 ? n : n == sizeof(word) ? 0 : -EIO;
}

static int do_config_read(SimClient *c)
{
    return at(c, false, VFIO_PCI_CONFIG_REGION_INDEX);
}

static int do_bar_write(SimClient *c)
{
    return at(c, true, 0);
}

static int do_map(SimClient *c)
{
    struct vfio_iommu_type1_dma_map map = {
        .argsz = sizeof(map),
        .flags = VFIO_DMA_MAP_FLAG_READ,
        .size = 4096,
    };

    return ioctl(c->container, VFIO_IOMMU_MAP_DMA, &map) < 0 ? -errno : 0;
}

static int do_unmap(SimClient *c)
{
    struct vfio_iommu_type1_dma_unmap unmap = {
        .argsz = sizeof(unmap), .size = 4096,
    };

    return ioctl(c->container, VFIO_IOMMU_UNMAP_DMA, &unmap) < 0 ? -errno : 0;
}

static int dirty(SimClient *c, uint32_t flags)
{
    uint64_t bits = 0;
    SimDirtyRequest arg = {
        .argsz = sizeof(arg),
        .flags = flags,
        .size = 4096,
        .bitmap = { .pgsize = 4096, .size = 8, .data = (void *)&bits },
    };

    return ioctl(c->container, VFIO_IOMMU_DIRTY_PAGES, &arg) < 0 ? -errno : 0;
}

static int do_dirty_start(SimClient *c)
{
    return dirty(c, VFIO_IOMMU_DIRTY_PAGES_FLAG_START);
}

static int do_dirty_get(SimClient *c)
{
    int ret = do_dirty_start(c);

    return ret ? ret : dirty(c, VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP);
}

static int do_iommu_info(SimClient *c)
{
    struct vfio_iommu_type1_info info = { .argsz = sizeof(info) };

    return ioctl(c->container, VFIO_IOMMU_GET_INFO, &info) < 0 ? -errno : 0;
}

typedef struct Event {
    const char *name;
    int (*perform)(SimClient *c);
} Event;

/* Those that no other test makes fail: there a rule that fires not fails it. */
static const Event events[] = {
    { "device-info", do_device_info },
    { "irq-info", do_irq_info },
    { "config-read", do_config_read },
    { "bar-write", do_bar_write },
    { "iommu-info", do_iommu_info },
};

static void test_event(gconstpointer opaque)
{
    const Event *e = opaque;
    /* The device was asked when it was opened, too. */
    unsigned opening = strcmp(e->name, "device-info") == 0;
    g_autofree char *fault =
        g_strdup_printf("[fault f]\nevent=%s\nerrno=ENXIO\ncount=%u\n",
                        e->name, opening + 1);
    SimClient *c = open_with_faults(fault);

    g_assert_cmpint(e->perform(c), ==, -ENXIO);
    assert_fired("f", 1);
    client_close(c);
}

/* ------------------------------------------------------------------------ */
/* Actions                                                                  */

static void test_short(void)
{
    uint8_t bytes[4096];
    SimClient *c = open_with_faults("[fault f]\nevent=data-read\nshort=100\n"
                                    "[fault g]\nevent=data-read\nshort=0\n"
                                    "count=2\n");

    g_assert_cmpint(do_size(c), ==, 0);
    g_assert_cmpint(client_raw(c, false, 4096, bytes, 4096), ==, 100);
    g_assert_cmpint(client_raw(c, false, 4096, bytes, 4096), ==, 0);
    g_assert_cmpint(client_raw(c, false, 4096, bytes, 4096), ==, 4096);
    assert_fired("f", 1);
    assert_fired("g", 1);
    client_close(c);
}

static void test_short_register(void)
{
    uint64_t value;
    uint32_t state = PRE_COPY;
    SimClient *c = open_with_faults("[fault f]\nevent=pending-read\nshort=4\n"
                                    "[fault g]\nevent=state-write\nshort=2\n"
                                    );

    g_assert_cmpint(client_raw(c, false, 8, &value, 8), ==, 4);
    g_assert_cmpint(client_raw(c, true, 0, &state, 4), ==, 2);
    client_close(c);
}

static void test_value(void)
{
    uint64_t value;
    uint32_t state;
    SimClient *c = open_with_faults(
        "[fault f]\nevent=data-offset-read\nvalue=0xffffffffffffffff\n"
        "[fault g]\nevent=state-read\nvalue=6\nonce=no\n"
        "[fault h]\nevent=state-write\nonce=no\ncount=2\nevery=3\n"
        "errno=EIO\n");

    g_assert_cmpint(do_pending(c), ==, 0);
    g_assert_cmpint(client_data_offset(c, &value), ==, 0);
    g_assert_cmpuint(value, ==, UINT64_MAX);
    g_assert_cmpint(client_data_offset(c, &value), ==, 0);
    g_assert_cmpuint(value, ==, 4096);
    g_assert_cmpuint(client_status("src").violations, ==, 0);
    for (int i = 0; i < 3; i++) {
        g_assert_cmpint(client_read_state(c, &state), ==, 0);
        g_assert_cmpuint(state, ==, ERROR_STATE);
    }
    assert_fired("g", 3);
    /* The first write was that into pre-copy. */
    for (int i = 1; i <= 8; i++) {
        g_assert_cmpint(client_set_state(c, RUNNING), ==,
                        i % 3 == 1 ? -EIO : 0);
    }
    client_close(c);
}

/* A chunk of no bytes while bytes are pending; the next one has the data. */
static void test_empty_chunk(void)
{
    g_autoptr(GPtrArray) chunks = client_chunks_new();
    uint64_t value;
    SimClient *dst, *c = open_with_faults(
        "[fault f]\nevent=data-size-read\ncount=2\nvalue=0\n"
        "[fault g]\nevent=pending-read\nstate=pre-copy\nvalue=4096\n");

    /* Pending by a lie only: what is staged then is empty, too. */
    g_assert_cmpint(client_set_state(c, PRE_COPY), ==, 0);
    g_assert_cmpint(client_pending(c, &value), ==, 0);
    g_assert_cmpuint(value, ==, 4096);
    g_assert_cmpint(client_data_offset(c, &value), ==, 0);
    g_assert_cmpint(client_data_size(c, &value), ==, 0);
    g_assert_cmpuint(value, ==, 0);
    g_assert_cmpint(client_pending(c, &value), ==, 0);
    g_assert_cmpuint(value, ==, 0);
    g_assert_cmpint(do_size(c), ==, 0);
    g_assert_cmpint(client_pending(c, &value), ==, 0);
    g_assert_cmpuint(value, ==, 128 * 1024);
    while (client_save_chunk(c, chunks, true) == 0) {
    }
    g_assert_cmpuint(chunks->len, ==, 2);
    dst = client_open("other", 2);
    g_assert_cmpint(client_load(dst, chunks, false), ==, 0);
    g_assert_cmpuint(client_status("src").violations, ==, 0);
    assert_fired("f", 1);
    assert_fired("g", 1);
    client_close(dst);
    client_close(c);
}

static void test_delay(void)
{
    int64_t start_us;
    SimClient *c = open_with_faults("[fault f]\nevent=state-write\n"
                                    "delay-ms=50\n");

    start_us = g_get_monotonic_time();
    g_assert_cmpint(client_set_state(c, PRE_COPY), ==, 0);
    g_assert_cmpint(g_get_monotonic_time() - start_us, >=, 50 * 1000);
    client_close(c);
}

static void test_eintr(void)
{
    uint8_t bytes[64];
    SimClient *c = open_with_faults("[fault f]\nevent=data-read\neintr=yes\n");

    g_assert_cmpint(do_size(c), ==, 0);
    g_assert_cmpint(client_raw(c, false, 4096, bytes, 64), ==, -EINTR);
    g_assert_cmpint(client_raw(c, false, 4096, bytes, 64), ==, 64);
    client_close(c);
}

/* A read may put the device in error, too. */
static void test_error_by_read(void)
{
    uint64_t value;
    uint32_t state;
    SimClient *c = open_with_faults("[fault f]\nevent=pending-read\n"
                                    "device-state=error\n");

    g_assert_cmpint(client_set_state(c, PRE_COPY), ==, 0);
    g_assert_cmpint(client_pending(c, &value), ==, -EIO);
    g_assert_cmpint(client_read_state(c, &state), ==, 0);
    g_assert_cmpuint(state, ==, ERROR_STATE);
    client_close(c);
}

/* ------------------------------------------------------------------------ */
/* Conditions                                                               */

static void test_conditions(void)
{
    SimClient *c = open_with_faults(
        "[fault arc]\nevent=state-write\nfrom=pre-copy\nto=stop-copy\n"
        "errno=EBUSY\n"
        "[fault state]\nevent=pending-read\nstate=stop-copy\nerrno=EAGAIN\n"
        "[fault third]\nevent=state-read\ncount=3\nerrno=EIO\n"
        "[fault other]\nevent=state-read\ndevice=other\nerrno=EPERM\n");
    uint64_t value;
    uint32_t state;

    g_assert_cmpint(client_set_state(c, PRE_COPY), ==, 0);
    g_assert_cmpint(client_pending(c, &value), ==, 0);
    g_assert_cmpint(client_set_state(c, STOP_COPY), ==, -EBUSY);
    g_assert_cmpint(client_set_state(c, STOP_COPY), ==, 0);
    g_assert_cmpint(client_pending(c, &value), ==, -EAGAIN);
    g_assert_cmpint(client_pending(c, &value), ==, 0);
    g_assert_cmpint(client_read_state(c, &state), ==, 0);
    g_assert_cmpint(client_read_state(c, &state), ==, 0);
    g_assert_cmpint(client_read_state(c, &state), ==, -EIO);
    g_assert_cmpint(client_read_state(c, &state), ==, 0);
    assert_fired("third", 1);
    assert_fired("other", 0);
    g_assert_cmpint(vfio_sim_fault_fired("no such rule"), ==, -1);
    client_close(c);
}

/* The first rule in the file acts; the other waits for its turn. */
static void test_two_rules(void)
{
    SimClient *c = open_with_faults(
        "[fault a]\nevent=state-read\nerrno=EIO\n"
        "[fault b]\nevent=any-call\nerrno=EBUSY\nonce=no\ncount=4\n");
    uint32_t state;

    g_assert_cmpint(client_read_state(c, &state), ==, -EIO);
    g_assert_cmpint(client_read_state(c, &state), ==, -EBUSY);
    assert_fired("a", 1);
    assert_fired("b", 1);
    client_close(c);
}

static void test_container_calls(void)
{
    SimClient *c = open_with_faults(
        "[fault f]\nevent=any-container-call\nphase=migration\ncount=2\n"
        "errno=ENOMEM\n");

    g_assert_cmpint(do_map(c), ==, 0);
    g_assert_cmpint(do_unmap(c), ==, 0);
    g_assert_cmpint(do_dirty_start(c), ==, 0);
    g_assert_cmpint(do_iommu_info(c), ==, 0);
    g_assert_cmpint(do_dirty_get(c), ==, -ENOMEM);
    assert_fired("f", 1);
    client_close(c);
}

/* A reset of the bus, for whoever holds all groups that it affects. */
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
        g_assert_cmpint(do_reset(c), ==, -EINVAL);
        client_close(c);
    }
}

/* Mappings fail while the window is away, and are good again after it. */
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
    assert_fired("f", 1);
    g_assert_cmpint(result(write(ends[1], ptr, PAGE)), ==, -EFAULT);
    g_assert_cmpint(client_set_state(c, RUNNING), ==, 0);
    g_assert_cmpint(write(ends[1], ptr, PAGE), ==, PAGE);
    munmap(ptr, PAGE);
    close(ends[0]);
    close(ends[1]);
    client_close(c);
}

/* ------------------------------------------------------------------------ */
/* Wrong configurations                                                     */

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
    { "[container]\npage-sizes=1K\n", "page-sizes" },
    { "[fault f]\nerrno=EIO\n", "event: must be given" },
    { "[fault f]\nevent=stat-write\nerrno=EIO\n", "'stat-write' is none of" },
    { "[fault f]\nevent=reset\n", "does nothing" },
    { "[fault f]\nevent=reset\nerrno=EIOO\n", "errno: want the name" },
    { "[fault f]\nevent=reset\nto=stop\nerrno=EIO\n", "need state-write" },
    { "[fault f]\nevent=reset\ndevice=x\nerrno=EIO\n", "device: no [device]" },
    { "[fault f]\nevent=reset\ndevice-state=stop\n", "can only be error" },
    { "[fault f]\nevent=reset\nwindow=gone\n", "window= needs" },
    { "[fault f]\nevent=data-read\nwindow=open\n", "can only be gone" },
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
    /* Nothing is left of it, and a good one works after it. */
    g_assert_false(vfio_sim_device_status("a", &(VFIOSimStatus){ 0 }));
    g_assert_true(vfio_sim_configure_data("[device a]\n", NULL));
    g_assert_true(vfio_sim_device_status("a", &(VFIOSimStatus){ 0 }));
}

/* ------------------------------------------------------------------------ */

void sim_test_faults_add(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(events); i++) {
        g_autofree char *p = g_strdup_printf("/sim/fault/event/%s",
                                             events[i].name);
        g_test_add_data_func(p, &events[i], test_event);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autofree char *p = g_strdup_printf("/sim/wrong-config/%02zu", i);

        g_test_add_data_func(p, &wrong[i], test_wrong_config);
    }
    g_test_add_func("/sim/fault/short", test_short);
    g_test_add_func("/sim/fault/short-register", test_short_register);
    g_test_add_func("/sim/fault/value", test_value);
    g_test_add_func("/sim/fault/empty-chunk", test_empty_chunk);
    g_test_add_func("/sim/fault/delay", test_delay);
    g_test_add_func("/sim/fault/eintr", test_eintr);
    g_test_add_func("/sim/fault/error-by-read", test_error_by_read);
    g_test_add_func("/sim/fault/conditions", test_conditions);
    g_test_add_func("/sim/fault/two-rules", test_two_rules);
    g_test_add_func("/sim/hot-reset", test_hot_reset);
    g_test_add_func("/sim/fault/window-gone", test_window_gone);
    g_test_add_func("/sim/fault/container-calls", test_container_calls);
}
