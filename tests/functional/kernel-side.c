/*
 * One QEMU with devices of the kernel test driver
 *
 * Owns: sides, of kernel-side.h; the guest's use of the devices.
 * Does not own: pairs (kernel-pair.c).
 * Locks: none.
 * Source: vfio-mig-test-regs.h, edu-regs.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "kernel-side.h"

#include <string.h>

#include "edu-regs.h"
#include "transcript-helpers.h"
#include "vfio-mig-test-regs.h"

/* Where the guest lets its devices write: 1 MiB each. */
#define DMA_BASE (8u << 20)
#define DMA_BYTES (1u << 20)
#define DMA_INTERVAL_US 500

bool kernel_builtin(void)
{
    return !g_strcmp0(g_getenv("VM_TESTBED_BUILTIN"), "yes");
}

/* ---- the guest ---- */

static uint64_t reg_address(unsigned index, unsigned reg)
{
    return MACHINE_BAR0(MACHINE_FIRST_SLOT + index) + reg;
}

uint32_t kernel_reg(KernelSide *side, unsigned index, unsigned reg)
{
    return qtest_readl(side->qts, reg_address(index, reg));
}

void kernel_set_reg(KernelSide *side, unsigned index, unsigned reg,
                    uint32_t value)
{
    qtest_writel(side->qts, reg_address(index, reg), value);
}

static void program_mdev(KernelSide *side, unsigned index)
{
    g_assert_true(machine_program(side->qts, MACHINE_FIRST_SLOT + index));
    g_assert_cmphex(kernel_reg(side, index, VMT_REG_ID), ==, VMT_ID);
    kernel_set_reg(side, index, VMT_REG_SCRATCH, 0xfeed0000 + index);
    for (unsigned i = 0; i < 3 + index; i++) {
        kernel_set_reg(side, index, VMT_REG_DOORBELL, 1);
    }
    kernel_set_reg(side, index, VMT_REG_DMA_ADDR_LO,
                   DMA_BASE + index * DMA_BYTES);
    kernel_set_reg(side, index, VMT_REG_DMA_ADDR_HI, 0);
    kernel_set_reg(side, index, VMT_REG_DMA_SIZE, DMA_BYTES);
    kernel_set_reg(side, index, VMT_REG_DMA_INTERVAL_US, DMA_INTERVAL_US);
    kernel_set_reg(side, index, VMT_REG_DMA_CTRL, VMT_DMA_CTRL_RUN);
}

static void program_edu(KernelSide *side, unsigned index)
{
    machine_program(side->qts, MACHINE_FIRST_SLOT + index);
    kernel_set_reg(side, index, EDU_LIVENESS, 0xfeed0000 + index);
    kernel_set_reg(side, index, EDU_DMA_SRC, EDU_BUFFER);
    kernel_set_reg(side, index, EDU_DMA_DST, DMA_BASE + index * DMA_BYTES);
    kernel_set_reg(side, index, EDU_DMA_COUNT, EDU_COPY_BYTES);
}

void kernel_side_program(KernelSide *side)
{
    for (unsigned i = 0; i < side->devices->len; i++) {
        KernelDevice *dev = side->devices->pdata[i];

        if (dev->is_pci) {
            program_edu(side, i);
        } else {
            program_mdev(side, i);
        }
    }
}

void kernel_side_eject(KernelSide *side, unsigned index)
{
    machine_eject(side->qts, MACHINE_FIRST_SLOT + index);
}

/* ---- life ---- */

static char *command_line(KernelSide *side)
{
    g_autofree char *machine = machine_args("pc", side->dir, side->ram_mib,
                                            &side->ram);
    GString *line = g_string_new(machine);

    if (side->builtin) {
        g_string_append(line, "-global vfio-pci.x-enable-migration=on ");
    }
    for (unsigned i = 0; i < side->devices->len; i++) {
        KernelDevice *dev = side->devices->pdata[i];
        g_autofree char *path = kernel_device_path(dev);

        kernel_device_apply(dev);
        g_string_append_printf(line, "-device vfio-pci,sysfsdev=%s,id=dev%u,"
                               "addr=%x.0 ", path, i,
                               MACHINE_FIRST_SLOT + i);
    }
    if (side->incoming) {
        g_string_append_printf(line, "-S -incoming %s ", side->incoming);
    }
    g_string_append(line, side->args->str);
    return g_string_free(line, false);
}

char *kernel_attached_qemu(void)
{
    const char *build = g_getenv("VM_TESTBED_BUILD");
    const char *other = g_getenv("VFIO_ATTACHED_QEMU");

    if (other) {
        return g_strdup(other);
    }
    if (!build) {
        qtest_fail("VM_TESTBED_BUILD is not set: run this by "
                   "scripts/vm-testbed");
    }
    return g_build_filename(build, "qemu-system-x86_64", NULL);
}

void kernel_side_start(KernelSide *side)
{
    g_autofree char *line = command_line(side);
    g_autofree char *attached = kernel_attached_qemu();
    g_autofree char *output = g_strconcat(side->dir, ".stderr", NULL);
    const char *real = g_getenv("QEMU");

    g_setenv("VFIO_MIGRATION_ATTACH", "require", true);
    if (side->multi) {
        g_setenv("VFIO_MIGRATION_MULTI", "allow", true);
    }
    side->qts = qtest_start(!side->builtin ? attached :
                            real ? real : "qemu-system-x86_64", line, output);
    g_unsetenv("VFIO_MIGRATION_ATTACH");
    g_unsetenv("VFIO_MIGRATION_MULTI");
    if (!qtest_probe_child(side->qts)) {
        qtest_fail("%s: QEMU (%s) did not come up", side->name,
                   side->builtin ? "builtin" : "attached");
    }
    migrate_defaults(side->qts);
    /* In a VM that is busy memory may take longer than the device. */
    migrate_set_parameter_int(side->qts, "downtime-limit", 20000);
    if (!side->incoming) {
        kernel_side_program(side);
    }
}

void kernel_side_quit(KernelSide *side)
{
    qtest_quit(side->qts);
    side->qts = NULL;
    machine_drop_ram(&side->ram, side->ram_mib);
}

void kernel_side_kill(KernelSide *side)
{
    if (side->qts) {
        qtest_forget(side->qts);
        side->qts = NULL;
    }
    machine_drop_ram(&side->ram, side->ram_mib);
}

/* ---- what must be true ---- */

void kernel_expect_text(KernelSide *side, const char *what, const char *text,
                        const char *words)
{
    qtest_expect_words(side->name, what, text, words);
}

void kernel_expect_state(KernelSide *side, unsigned index,
                         const char *state)
{
    KernelDevice *dev = side->devices->pdata[index];
    int64_t end_us = g_get_monotonic_time() + 30 * G_USEC_PER_SEC;

    while (true) {
        g_autofree char *now = kernel_device_str(dev, "state");

        if (!strcmp(now, state)) {
            return;
        }
        if (g_get_monotonic_time() > end_us) {
            qtest_fail("%s: dev%u is '%s', not '%s'", side->name, index, now,
                       state);
        }
        g_usleep(KERNEL_POLL_MS * 1000);
    }
}

static void expect_clean(KernelSide *side)
{
    for (unsigned i = 0; i < side->devices->len && !side->builtin; i++) {
        g_autofree char *transcript =
            kernel_device_transcript(side->devices->pdata[i]);

        transcript_expect_clean(transcript, side->name);
    }
}

void kernel_expect_run_state(KernelSide *side, const char *state)
{
    migrate_poll_run_state(side->qts, state, KERNEL_END_MS, KERNEL_POLL_MS);
}

void kernel_expect_well(KernelSide *side)
{
    kernel_expect_run_state(side, "running");
    for (unsigned i = 0; i < side->devices->len; i++) {
        kernel_expect_state(side, i, "running");
    }
    expect_clean(side);
}

void kernel_expect_fired(KernelSide *side, const char *fault)
{
    if (!kernel_device_fired(side->devices->pdata[0], fault)) {
        qtest_fail("%s: fault '%s' did not fire: the test shows nothing",
                   side->name, fault);
    }
}
