/*
 * Migrations with the kernel's own VFIO
 *
 * Owns: what a migration must carry over when container, type1 IOMMU,
 * pinned pages, dirty bits and interrupts are those of the kernel: layouts
 * of the data window, DMA till the last moment, several devices, a PCI
 * device behind an IOMMU, a paused VM, a file; and the same with protocol v2,
 * where states, data fds and the devices' logs are the kernel's, too.
 * Does not own: migrations that fail or are stopped
 * (vfio-kernel-failure-test.c); a guest that runs (guest/).
 * Locks: none. Runs in the VM of scripts/vm-testbed, as root.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "kernel-side.h"

#include <string.h>

#include "edu-regs.h"
#include "vfio-mig-test-regs.h"

/* ---- layouts of the data window ---- */

static void test_layout(const void *areas)
{
    KernelPair *pair = kernel_pair_new_mdev();
    g_autofree char *arcs = NULL;
    KernelDevice *dev = pair->src->devices->pdata[0];
    int64_t mapped, trapped;

    /* Chunks as large as the window: its last page counts too. */
    kernel_pair_set(pair, "chunk-size", "64K");
    kernel_pair_set(pair, "areas", areas);
    kernel_pair_start(pair);
    kernel_pair_migrate(pair);
    arcs = kernel_device_arcs(dev);
    kernel_expect_text(pair->src, "arcs", arcs,
                       "running>pre-copy;pre-copy>stop-copy");
    mapped = kernel_device_int(dev, "saved-bytes")
        - kernel_device_int(dev, "trapped-bytes");
    trapped = kernel_device_int(dev, "trapped-bytes");
    g_assert_true((mapped > 0) == (strcmp(areas, "none") != 0));
    g_assert_true((trapped > 0) == (strcmp(areas, "all") != 0));
    kernel_pair_free(pair);
}

/* The destination's driver has another window than the source's. */
static void test_other_window(const void *opaque)
{
    KernelPair *pair = kernel_pair_new_mdev();
    KernelDevice *dst = pair->dst->devices->pdata[0];

    kernel_device_set(dst, "window-size", "32K");
    kernel_device_set(dst, "chunk-size", "32K");
    kernel_device_set(dst, "areas", "stripes:4K");
    kernel_device_set(dst, "split", "allow");
    kernel_pair_start(pair);
    kernel_pair_migrate(pair);
    kernel_pair_free(pair);
}

/* 64 MiB of state, half of it mapped: sizes are not only small. */
static void test_big(const void *opaque)
{
    KernelPair *pair = kernel_pair_new_mdev();

    kernel_pair_set(pair, "window-size", "1M");
    kernel_pair_set(pair, "chunk-size", "1M");
    kernel_pair_set(pair, "areas", "stripes:64K");
    kernel_pair_set(pair, "state-size", "64M");
    kernel_pair_set(pair, "verify", "sampled");
    kernel_pair_start(pair);
    kernel_pair_migrate(pair);
    kernel_pair_free(pair);
}

/* ---- DMA ---- */

/*
 * The device writes in pre-copy and until it is stopped: each round of RAM
 * finds pages that only the kernel's dirty bits tell of.
 */
static void test_dma(const void *opaque)
{
    KernelPair *pair = kernel_pair_new_mdev();
    uint32_t before, during;

    kernel_pair_much_precopy(pair);
    kernel_pair_start(pair);
    kernel_set_reg(pair->src, 0, VMT_REG_DMA_INTERVAL_US, 200);
    migrate_stay_in_precopy(pair->src->qts);
    kernel_pair_begin(pair);
    kernel_pair_in_precopy(pair);
    before = kernel_reg(pair->src, 0, VMT_REG_DMA_BURSTS);
    g_usleep(500 * 1000);
    during = kernel_reg(pair->src, 0, VMT_REG_DMA_BURSTS);
    g_assert_cmpuint(during, >, before);
    migrate_let_go(pair->src->qts);
    kernel_pair_finish(pair);
    g_assert_cmpuint(kernel_reg(pair->src, 0, VMT_REG_DMA_BURSTS), >=,
                     during);
    g_assert_cmpuint(kernel_reg(pair->src, 0, VMT_REG_DMA_ERRORS), ==, 0);
    kernel_pair_check(pair);
    kernel_pair_free(pair);
}

/* Pages that the driver keeps pinned stay dirty till the end. */
static void test_pinned(const void *opaque)
{
    KernelPair *pair = kernel_pair_new_mdev();

    kernel_pair_set(pair, "pinned", "0xa00000+0x40000");
    kernel_pair_start(pair);
    kernel_pair_migrate(pair);
    kernel_pair_free(pair);
}

/* ---- several devices ---- */

static void test_two_devices(const void *opaque)
{
    KernelPair *pair = kernel_pair_new_mdev();

    kernel_pair_add_mdev(pair);
    pair->src->multi = pair->dst->multi = true;
    kernel_pair_start(pair);
    kernel_pair_migrate(pair);
    kernel_pair_free(pair);
}

/* Not without the opt-in: the devices could reach each other. */
static void test_two_devices_blocked(const void *opaque)
{
    KernelPair *pair = kernel_pair_new_mdev();
    g_autofree char *why = NULL;

    kernel_pair_add_mdev(pair);
    kernel_pair_start(pair);
    why = migrate_refused(pair->src->qts, pair->dst->incoming);
    kernel_expect_text(pair->src, "the refusal", why,
                       "cannot migrate together");
    kernel_expect_well(pair->src);
    kernel_pair_free(pair);
}

/* ---- a PCI device behind an IOMMU ---- */

static void edu_wait(KernelSide *side, unsigned reg, uint32_t bit)
{
    int64_t end_us = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;

    while (kernel_reg(side, 0, reg) & bit) {
        if (g_get_monotonic_time() > end_us) {
            qtest_fail("%s: edu's register 0x%x keeps bit 0x%x", side->name,
                       reg, bit);
        }
        g_usleep(KERNEL_POLL_MS * 1000);
    }
}

static uint32_t edu_factorial(KernelSide *side, uint32_t of)
{
    kernel_set_reg(side, 0, EDU_FACTORIAL, of);
    edu_wait(side, EDU_STATUS, EDU_STATUS_BUSY);
    return kernel_reg(side, 0, EDU_FACTORIAL);
}

/* Its buffer goes to memory, through the IOMMU's tables. */
static void edu_dma(KernelSide *side)
{
    kernel_set_reg(side, 0, EDU_DMA_CMD, EDU_DMA_RUN | EDU_DMA_TO_MEMORY);
    edu_wait(side, EDU_DMA_CMD, EDU_DMA_RUN);
}

static void test_pci(const void *opaque)
{
    KernelPair *pair = kernel_pair_new_pci();

    kernel_pair_start(pair);
    g_assert_cmpuint(edu_factorial(pair->src, 6), ==, 720);
    edu_dma(pair->src);
    kernel_pair_migrate(pair);
    g_assert_cmpuint(edu_factorial(pair->dst, 5), ==, 120);
    edu_dma(pair->dst);
    kernel_pair_free(pair);
}

/* ---- protocol v2, as the kernel has it ---- */

static const char v2_stops[] = "running>running-p2p;running-p2p>stop;"
                               "stop>stop-copy";

/* The log stays on until the VM runs again, which a source does not. */
static void expect_log_used(KernelSide *side, unsigned index)
{
    KernelDevice *dev = side->devices->pdata[index];

    g_assert_cmpint(kernel_device_log_int(dev, "starts"), ==, 1);
    g_assert_cmpint(kernel_device_log_int(dev, "reported-pages"), >, 0);
    g_assert_cmpint(kernel_device_log_int(dev, "pages"), ==, 0);
}

/* As test_dma(): what tells of its writes is the log of the device. */
static void test_v2(const void *opaque)
{
    KernelPair *pair = kernel_pair_new_mdev();
    g_autofree char *arcs = NULL;
    uint32_t before;

    kernel_pair_v2(pair);
    kernel_pair_set(pair, "state-size", "9M");
    kernel_pair_start(pair);
    kernel_set_reg(pair->src, 0, VMT_REG_DMA_INTERVAL_US, 200);
    migrate_stay_in_precopy(pair->src->qts);
    kernel_pair_begin(pair);
    kernel_pair_in_precopy(pair);
    before = kernel_reg(pair->src, 0, VMT_REG_DMA_BURSTS);
    g_usleep(500 * 1000);
    g_assert_cmpuint(kernel_reg(pair->src, 0, VMT_REG_DMA_BURSTS), >, before);
    migrate_let_go(pair->src->qts);
    kernel_pair_finish(pair);
    arcs = kernel_device_arcs(pair->src->devices->pdata[0]);
    kernel_expect_text(pair->src, "arcs", arcs, v2_stops);
    expect_log_used(pair->src, 0);
    kernel_pair_check(pair);
    kernel_pair_free(pair);
}

/*
 * Two that have P2P need no opt-in, and keep in step. One of them is a PCI
 * device, which writes through the IOMMU until just before it is stopped.
 */
static void test_v2_devices(const void *opaque)
{
    KernelPair *pair = kernel_pair_new_pci();

    kernel_pair_add_mdev(pair);
    kernel_pair_v2(pair);
    kernel_pair_start(pair);
    edu_dma(pair->src);
    migrate_stay_in_precopy(pair->src->qts);
    kernel_pair_begin(pair);
    kernel_pair_in_precopy(pair);
    kernel_set_reg(pair->src, 0, EDU_DMA_CMD, EDU_DMA_RUN |
                   EDU_DMA_TO_MEMORY);
    migrate_let_go(pair->src->qts);
    kernel_pair_finish(pair);
    expect_log_used(pair->src, 0);
    expect_log_used(pair->src, 1);
    kernel_pair_check(pair);
    kernel_expect_passes(pair->src, "running>running-p2p",
                         "running-p2p>stop");
    kernel_expect_passes(pair->dst, "stop>running-p2p",
                         "running-p2p>running");
    edu_dma(pair->dst);
    kernel_pair_free(pair);
}

/* One of them has no P2P. */
static void test_v2_blocked(const void *opaque)
{
    KernelPair *pair = kernel_pair_new_mdev();
    KernelDevice *dev = pair->src->devices->pdata[0];
    g_autofree char *why = NULL, *words = NULL;

    kernel_pair_add_mdev(pair);
    kernel_pair_v2(pair);
    kernel_device_set(dev, "p2p", "no");
    kernel_side_start(pair->src);
    why = migrate_refused(pair->src->qts, pair->dst->incoming);
    words = g_strdup_printf("%s has no state that stops peer-to-peer DMA",
                            dev->name);
    kernel_expect_text(pair->src, "the refusal", why, words);
    kernel_expect_well(pair->src);
    kernel_pair_free(pair);
}

/* ---- VMs that do not run ---- */

static void test_paused(const void *v2)
{
    KernelPair *pair = kernel_pair_new_mdev();

    if (v2) {
        kernel_pair_v2(pair);
    }
    kernel_pair_start(pair);
    qtest_qmp_assert_success(pair->src->qts, "{'execute': 'stop'}");
    kernel_expect_state(pair->src, 0, "stop");
    kernel_pair_migrate(pair);
    kernel_pair_free(pair);
}

/* To a file, and another QEMU from it. */
static void test_file(const void *v2)
{
    KernelPair *pair = kernel_pair_new_mdev();
    g_autofree char *path = g_build_filename(qtest_tmpdir(), "state", NULL);
    g_autofree char *to = g_strconcat("exec:cat >", path, NULL);

    if (v2) {
        kernel_pair_v2(pair);
    }
    g_free(pair->dst->incoming);
    pair->dst->incoming = g_strdup_printf("'exec:cat %s'", path);
    kernel_side_start(pair->src);
    kernel_expect_state(pair->src, 0, "running");
    migrate_qmp(pair->src->qts, to, "{}");
    kernel_expect_end(pair->src, "completed");
    kernel_side_start(pair->dst);
    kernel_expect_end(pair->dst, "completed");
    kernel_pair_check(pair);
    kernel_pair_free(pair);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    kernel_add_case("layout/mapped", test_layout, "all");
    kernel_add_case("layout/mixed", test_layout, "stripes:4K");
    kernel_add_case("layout/all-but-last-page", test_layout,
                    "all-but-last-page");
    kernel_add_case("layout/trapped", test_layout, "none");
    kernel_add_case("layout/other-window", test_other_window, NULL);
    kernel_add_case("layout/big", test_big, NULL);
    kernel_add_case("dma/until-stop", test_dma, NULL);
    kernel_add_case("dma/pinned", test_pinned, NULL);
    kernel_add_case("devices/two", test_two_devices, NULL);
    if (!kernel_builtin()) {
        kernel_add_case("devices/two-blocked", test_two_devices_blocked,
                        NULL);
    }
    kernel_add_case("devices/pci", test_pci, NULL);
    kernel_add_case("vm/paused", test_paused, NULL);
    kernel_add_case("vm/file", test_file, NULL);
    if (!kernel_builtin()) {
        kernel_add_case("v2/dma", test_v2, NULL);
        kernel_add_case("v2/devices", test_v2_devices, NULL);
        kernel_add_case("v2/blocked", test_v2_blocked, NULL);
        kernel_add_case("v2/paused", test_paused, "v2");
        kernel_add_case("v2/file", test_file, "v2");
    }
    return g_test_run();
}
