/*
 * Migrations with the kernel's own VFIO
 *
 * Owns: migrations with the kernel's container, type1 IOMMU, pinned pages,
 * dirty bits and interrupts: layouts of the data window, DMA until the device
 * stops, several devices, a PCI device behind an IOMMU, a paused VM, a file;
 * and the same with protocol v2, where states, data fds and the devices' logs
 * are the kernel's, too.
 * Does not own: migrations that fail or are stopped
 * (vfio-kernel-failure-test.c); a running guest (guest/).
 * Locks: none. Runs in the VM of scripts/vm-testbed, as root.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "kernel-pair.h"

#include <string.h>

#include "edu-regs.h"
#include "vfio-mig-test-regs.h"

/* ---- layouts of the data window ---- */

static void test_layout(VFIOPair *pair, const void *areas)
{
    g_autofree char *arcs = NULL;
    int64_t mapped, trapped;

    /* Chunks as large as the window include its last page. */
    kernel_pair_set(pair, "chunk-size", "64K");
    kernel_pair_set(pair, "areas", areas);
    vfio_pair_start(pair);
    kernel_pair_migrate(pair);
    arcs = vfio_side_arcs(pair->src, NULL);
    vfio_expect_text(pair->src, "arcs", arcs,
                     "running>pre-copy;pre-copy>stop-copy");
    trapped = vfio_side_status_int(pair->src, "dev0", "trapped-bytes");
    mapped = vfio_side_status_int(pair->src, "dev0", "saved-bytes") - trapped;
    g_assert_true((mapped > 0) == (strcmp(areas, "none") != 0));
    g_assert_true((trapped > 0) == (strcmp(areas, "all") != 0));
}

/* The destination's data window differs from the source's. */
static void test_other_window(VFIOPair *pair, const void *opaque)
{
    vfio_side_set_keys(pair->dst, "dev0", "window-size=32K;chunk-size=32K;"
                       "areas=stripes:4K;split=allow");
    vfio_pair_start(pair);
    kernel_pair_migrate(pair);
}

static void test_moves(VFIOPair *pair, const void *keys)
{
    vfio_pair_set_keys(pair, keys);
    vfio_pair_start(pair);
    kernel_pair_migrate(pair);
}

/* ---- DMA ---- */

/*
 * The device writes in pre-copy and until it is stopped: each round of RAM
 * sends pages that only the kernel's dirty bits, or the device's log, report.
 */
static void migrate_with_dma(VFIOPair *pair)
{
    uint32_t before, during;

    vfio_pair_start(pair);
    kernel_set_reg(pair->src, 0, VMT_REG_DMA_INTERVAL_US, 200);
    migrate_stay_in_precopy(pair->src->qts);
    vfio_pair_begin(pair);
    kernel_pair_in_precopy(pair);
    before = kernel_reg(pair->src, 0, VMT_REG_DMA_BURSTS);
    g_usleep(500 * 1000);
    during = kernel_reg(pair->src, 0, VMT_REG_DMA_BURSTS);
    g_assert_cmpuint(during, >, before);
    migrate_let_go(pair->src->qts);
    vfio_pair_finish(pair);
    g_assert_cmpuint(kernel_reg(pair->src, 0, VMT_REG_DMA_BURSTS), >=,
                     during);
    g_assert_cmpuint(kernel_reg(pair->src, 0, VMT_REG_DMA_ERRORS), ==, 0);
}

static void test_dma(VFIOPair *pair, const void *opaque)
{
    kernel_pair_much_precopy(pair);
    migrate_with_dma(pair);
    kernel_pair_check(pair);
}

/* ---- several devices ---- */

static void test_two_devices(VFIOPair *pair, const void *opaque)
{
    pair->src->multi = pair->dst->multi = true;
    vfio_pair_start(pair);
    kernel_pair_migrate(pair);
}

/* Blocked without the opt-in, as the devices could access each other. */
static void test_two_devices_blocked(VFIOPair *pair, const void *opaque)
{
    g_autofree char *why = NULL;

    vfio_pair_start(pair);
    why = migrate_refused(pair->src->qts, pair->dst->incoming);
    vfio_expect_text(pair->src, "the refusal", why,
                     "cannot migrate together");
    vfio_expect_source_well(pair);
}

/* ---- a PCI device behind an IOMMU ---- */

static void edu_wait(VFIOSide *side, unsigned reg, uint32_t bit)
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

static uint32_t edu_factorial(VFIOSide *side, uint32_t of)
{
    kernel_set_reg(side, 0, EDU_FACTORIAL, of);
    edu_wait(side, EDU_STATUS, EDU_STATUS_BUSY);
    return kernel_reg(side, 0, EDU_FACTORIAL);
}

/* Write its buffer to memory, through the IOMMU's tables. */
static void edu_dma(VFIOSide *side)
{
    kernel_set_reg(side, 0, EDU_DMA_CMD, EDU_DMA_RUN | EDU_DMA_TO_MEMORY);
    edu_wait(side, EDU_DMA_CMD, EDU_DMA_RUN);
}

static void test_pci(VFIOPair *pair, const void *opaque)
{
    vfio_pair_start(pair);
    g_assert_cmpuint(edu_factorial(pair->src, 6), ==, 720);
    edu_dma(pair->src);
    kernel_pair_migrate(pair);
    g_assert_cmpuint(edu_factorial(pair->dst, 5), ==, 120);
    edu_dma(pair->dst);
}

/* ---- the kernel's protocol v2 ---- */

static const char v2_stops[] = "running>running-p2p;running-p2p>stop;"
                               "stop>stop-copy";

/* The log stays on until the VM runs again, so a source's is still on. */
static void expect_log_used(VFIOSide *side, unsigned index)
{
    QDict *status = vfio_side_status(side, side->devices->pdata[index]);
    QDict *log = qdict_get_qdict(status, "log");

    g_assert_cmpint(qdict_get_int(log, "starts"), ==, 1);
    g_assert_cmpint(qdict_get_int(log, "reported-pages"), >, 0);
    g_assert_cmpint(qdict_get_int(log, "pages"), ==, 0);
    qobject_unref(status);
}

static void test_v2(VFIOPair *pair, const void *opaque)
{
    g_autofree char *arcs = NULL;

    kernel_pair_set(pair, "state-size", "9M");
    migrate_with_dma(pair);
    arcs = vfio_side_arcs(pair->src, NULL);
    vfio_expect_text(pair->src, "arcs", arcs, v2_stops);
    expect_log_used(pair->src, 0);
    kernel_pair_check(pair);
}

/*
 * Two devices with P2P need no opt-in, and change states in two passes. One of
 * them is a PCI device, which writes through the IOMMU until it is stopped.
 */
static void test_v2_devices(VFIOPair *pair, const void *opaque)
{
    vfio_pair_start(pair);
    edu_dma(pair->src);
    migrate_stay_in_precopy(pair->src->qts);
    vfio_pair_begin(pair);
    kernel_pair_in_precopy(pair);
    kernel_set_reg(pair->src, 0, EDU_DMA_CMD, EDU_DMA_RUN |
                   EDU_DMA_TO_MEMORY);
    migrate_let_go(pair->src->qts);
    vfio_pair_finish(pair);
    expect_log_used(pair->src, 0);
    expect_log_used(pair->src, 1);
    kernel_pair_check(pair);
    kernel_expect_passes(pair->src, "running>running-p2p",
                         "running-p2p>stop");
    kernel_expect_passes(pair->dst, "stop>running-p2p",
                         "running-p2p>running");
    edu_dma(pair->dst);
}

/* One of them has no P2P. */
static void test_v2_blocked(VFIOPair *pair, const void *opaque)
{
    g_autofree char *why = NULL, *words = NULL;

    vfio_side_set(pair->src, "dev0", "p2p", "no");
    vfio_side_start(pair->src);
    why = migrate_refused(pair->src->qts, pair->dst->incoming);
    words = g_strdup_printf("%s has no state that stops peer-to-peer DMA",
                            kernel_device(pair->src, 0)->name);
    vfio_expect_text(pair->src, "the refusal", why, words);
    vfio_expect_source_well(pair);
}

/* ---- VMs that do not run ---- */

static void test_paused(VFIOPair *pair, const void *opaque)
{
    vfio_pair_start(pair);
    qtest_qmp_assert_success(pair->src->qts, "{'execute': 'stop'}");
    vfio_side_expect_state(pair->src, "dev0", "stop");
    kernel_pair_migrate(pair);
}

/* Migrate to a file, and load it in another QEMU. */
static void test_file(VFIOPair *pair, const void *opaque)
{
    g_autofree char *path = g_build_filename(qtest_tmpdir(), "state", NULL);
    g_autofree char *to = g_strconcat("exec:cat >", path, NULL);

    g_free(pair->dst->incoming);
    pair->dst->incoming = g_strconcat("exec:cat ", path, NULL);
    vfio_side_start(pair->src);
    vfio_side_expect_state(pair->src, "dev0", "running");
    migrate_qmp(pair->src->qts, to, "{}");
    vfio_expect_end(pair->src, "completed");
    vfio_side_start(pair->dst);
    vfio_expect_end(pair->dst, "completed");
    kernel_pair_check(pair);
}

int main(int argc, char **argv)
{
    static const KernelCase cases[] = {
        { "layout/mapped", test_layout, "all" },
        { "layout/mixed", test_layout, "stripes:4K" },
        { "layout/all-but-last-page", test_layout, "all-but-last-page" },
        { "layout/trapped", test_layout, "none" },
        { "layout/other-window", test_other_window },
        /* A large state: 64 MiB, half of it mapped */
        { "layout/big", test_moves, "window-size=1M;chunk-size=1M;"
          "areas=stripes:64K;state-size=64M;verify=sampled" },
        { "dma/until-stop", test_dma },
        /* Pages that the driver keeps pinned stay dirty until the end. */
        { "dma/pinned", test_moves, "pinned=0xa00000+0x40000" },
        { "devices/two", test_two_devices, .two = true },
        { "devices/two-blocked", test_two_devices_blocked, .two = true,
          .ours = true },
        { "devices/pci", test_pci, .pci = true },
        { "vm/paused", test_paused },
        { "vm/file", test_file },
        { "v2/dma", test_v2, .v2 = true },
        { "v2/devices", test_v2_devices, .pci = true, .two = true,
          .v2 = true },
        { "v2/blocked", test_v2_blocked, .two = true, .v2 = true },
        { "v2/paused", test_paused, .v2 = true },
        { "v2/file", test_file, .v2 = true },
    };

    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        kernel_add_case(&cases[i]);
    }
    return g_test_run();
}
