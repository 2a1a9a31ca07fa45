/*
 * Pairs of QEMUs with devices of the kernel test driver
 *
 * Owns: see kernel-pair.h.
 * Locks: none.
 * Source: vfio-mig-test-regs.h, edu-regs.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "kernel-pair.h"

#include <string.h>

#include "edu-regs.h"
#include "vfio-mig-test-regs.h"

/* ---- pairs ---- */

/* Initial states differ, so that they cannot be equal by chance. */
static void set_seed(VFIOSide *side, unsigned first)
{
    unsigned n = side->devices->len - 1;

    vfio_side_set(side, side->devices->pdata[n], "seed", "%u", first + n);
}

static void add_devices(VFIOPair *pair, const char *src, const char *dst)
{
    kernel_side_add(pair->src, src);
    kernel_side_add(pair->dst, dst);
    set_seed(pair->src, 1);
    set_seed(pair->dst, 101);
}

static VFIOPair *pair_new(const KernelCase *c)
{
    VFIOPair *pair;

    qtest_set_case_seconds(KERNEL_CASE_SECONDS);
    kernel_remove_all();
    pair = vfio_pair_new_of(kernel_side_new("source"),
                            kernel_side_new("destination"));
    add_devices(pair, c->pci ? KERNEL_PCI_SOURCE : NULL,
                c->pci ? KERNEL_PCI_DESTINATION : NULL);
    if (c->two) {
        add_devices(pair, NULL, NULL);
    }
    if (c->v2) {
        kernel_side_v2(pair->src);
        kernel_side_v2(pair->dst);
    }
    return pair;
}

void kernel_pair_set(VFIOPair *pair, const char *key, const char *value)
{
    kernel_side_set(pair->src, key, value);
    kernel_side_set(pair->dst, key, value);
}

void kernel_pair_much_precopy(VFIOPair *pair)
{
    kernel_pair_set(pair, "precopy-size", "4M");
    kernel_pair_set(pair, "precopy-rate", "1G");
}

/* ---- migrating ---- */

/* How often the source has synced dirty bits */
static int64_t ram_rounds(VFIOPair *pair)
{
    QDict *info = migrate_query_not_failed(pair->src->qts);
    QDict *ram = qdict_get_qdict(info, "ram");
    int64_t rounds = ram ? qdict_get_int(ram, "dirty-sync-count") : 0;

    qobject_unref(info);
    return rounds;
}

static bool in_precopy(VFIOPair *pair)
{
    g_autofree char *protocol = vfio_side_status_str(pair->src, "dev0",
                                                     "protocol");
    g_autofree char *transcript = vfio_side_transcript(pair->src);

    if (!strcmp(protocol, "v2")) {
        return ram_rounds(pair) > 1;
    }
    return strstr(transcript, "chunk-done phase=pre-copy");
}

void kernel_pair_in_precopy(VFIOPair *pair)
{
    int64_t end_us = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;

    while (true) {
        if (in_precopy(pair)) {
            return;
        }
        if (g_get_monotonic_time() > end_us) {
            qtest_fail("source: no data in pre-copy after 60 s");
        }
        g_usleep(KERNEL_POLL_MS * 1000);
    }
}

/* ---- checks after the migration ---- */

/* Registers that do not change while the device runs */
static const unsigned mdev_regs[] = {
    VMT_REG_ID, VMT_REG_SCRATCH, VMT_REG_COUNTER, VMT_REG_DMA_ADDR_LO,
    VMT_REG_DMA_SIZE, VMT_REG_DMA_CTRL, VMT_REG_DMA_INTERVAL_US,
};
static const unsigned edu_regs[] = {
    EDU_ID, EDU_LIVENESS, EDU_DMA_SRC, EDU_DMA_DST, EDU_DMA_COUNT,
};

/* The device has its registers once it runs again, not before. */
static void check_registers(VFIOPair *pair, unsigned index)
{
    KernelDevice *dev = kernel_device(pair->src, index);
    const unsigned *regs = dev->is_pci ? edu_regs : mdev_regs;
    size_t count = dev->is_pci ? G_N_ELEMENTS(edu_regs)
                               : G_N_ELEMENTS(mdev_regs);

    for (size_t i = 0; i < count; i++) {
        uint32_t from = kernel_reg(pair->src, index, regs[i]);
        uint32_t to = kernel_reg(pair->dst, index, regs[i]);

        if (!from || from != to) {
            qtest_fail("destination: register 0x%x of dev%u is 0x%x, the "
                       "source's is 0x%x", regs[i], index, to, from);
        }
    }
}

/* DMA continues where it stopped: its counter and each word increase. */
static void check_goes_on(VFIOPair *pair, unsigned index)
{
    uint32_t bursts = kernel_reg(pair->src, index, VMT_REG_DMA_BURSTS);
    uint32_t seq = kernel_reg(pair->src, index, VMT_REG_DMA_SEQ);
    int64_t end_us = g_get_monotonic_time() + 30 * G_USEC_PER_SEC;

    while (kernel_reg(pair->dst, index, VMT_REG_DMA_BURSTS) <= bursts
           || kernel_reg(pair->dst, index, VMT_REG_DMA_SEQ) <= seq) {
        if (g_get_monotonic_time() > end_us) {
            qtest_fail("destination: dev%u has written nothing since it "
                       "runs", index);
        }
        g_usleep(KERNEL_POLL_MS * 1000);
    }
    g_assert_cmphex(kernel_reg(pair->dst, index, VMT_REG_DMA_ERRORS), ==, 0);
}

void kernel_pair_check(VFIOPair *pair)
{
    vfio_pair_check(pair);
    for (unsigned i = 0; i < pair->dst->devices->len; i++) {
        check_registers(pair, i);
        if (!kernel_device(pair->dst, i)->is_pci) {
            check_goes_on(pair, i);
        }
    }
}

void kernel_expect_passes(VFIOSide *side, const char *first,
                          const char *then)
{
    int64_t last_us = INT64_MIN, next_us = INT64_MAX;

    for (unsigned i = 0; i < side->devices->len; i++) {
        KernelDevice *dev = kernel_device(side, i);

        last_us = MAX(last_us, kernel_device_arc_us(dev, first));
        next_us = MIN(next_us, kernel_device_arc_us(dev, then));
    }
    if (last_us > next_us) {
        qtest_fail("%s: a device made %s before another one had made %s",
                   side->name, then, first);
    }
}

void kernel_pair_migrate(VFIOPair *pair)
{
    vfio_pair_begin(pair);
    vfio_pair_finish(pair);
    kernel_pair_check(pair);
}

void kernel_pair_retry(VFIOPair *pair)
{
    vfio_expect_source_well(pair);
    vfio_pair_next_destination(pair);
    migrate_let_go(pair->src->qts);
    kernel_pair_migrate(pair);
}

/* ---- cases ---- */

static void run_case(const void *opaque)
{
    const KernelCase *c = opaque;
    const char *why;
    VFIOPair *pair;

    if (!kernel_available(&why)) {
        qtest_skip(why);
        return;
    }
    kernel_log_case();
    pair = pair_new(c);
    c->run(pair, c->data);
    vfio_pair_free(pair);
}

void kernel_add_case(const KernelCase *c)
{
    g_autofree char *path = g_strconcat("kernel/", c->name, NULL);

    if (!kernel_builtin() || !(c->v2 || c->ours)) {
        qtest_add_data_case_full(path, g_memdup2(c, sizeof(*c)), run_case,
                                 g_free);
    }
}
