/*
 * One QEMU with devices of the kernel test driver
 *
 * Owns: sides, of kernel-side.h; the guest's use of the devices.
 * Does not own: pairs (kernel-pair.c).
 * Locks: none.
 * Source: vfio-mig-test-regs.h, edu-regs.h;
 * docs/specs/acpi_pci_hotplug.txt of QEMU for the eject.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "kernel-side.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "edu-regs.h"
#include "vfio-mig-test-regs.h"

#define FIRST_SLOT 4
#define BAR0_BASE 0xe0000000u
#define BAR2_BASE 0xe8000000u
#define BAR_STEP 0x100000u
#define PCI_COMMAND_MEMORY_MASTER 0x6
#define PCI_CAPABILITIES 0x34
#define PCI_CAP_MSIX 0x11
#define MSIX_ENABLE (1u << 31)
#define ACPI_PCIHP 0xae00
#define ACPI_PCIHP_EJECT 0x08
#define ACPI_PCIHP_SELECT 0x10

/* Where the guest lets its devices write: 1 MiB each. */
#define DMA_BASE (8u << 20)
#define DMA_BYTES (1u << 20)
#define DMA_INTERVAL_US 500

bool kernel_builtin(void)
{
    return !g_strcmp0(g_getenv("VM_TESTBED_BUILTIN"), "yes");
}

/* ---- the guest ---- */

static uint32_t config_address(unsigned index, unsigned reg)
{
    return 0x80000000u | (FIRST_SLOT + index) << 11 | (reg & 0xfc);
}

uint32_t kernel_pci_read(KernelSide *side, unsigned index, unsigned reg)
{
    qtest_outl(side->qts, 0xcf8, config_address(index, reg));
    return qtest_inl(side->qts, 0xcfc);
}

static void pci_write(KernelSide *side, unsigned index, unsigned reg,
                      uint32_t value)
{
    qtest_outl(side->qts, 0xcf8, config_address(index, reg));
    qtest_outl(side->qts, 0xcfc, value);
}

uint32_t kernel_reg(KernelSide *side, unsigned index, unsigned reg)
{
    return qtest_readl(side->qts, BAR0_BASE + index * BAR_STEP + reg);
}

void kernel_set_reg(KernelSide *side, unsigned index, unsigned reg,
                    uint32_t value)
{
    qtest_writel(side->qts, BAR0_BASE + index * BAR_STEP + reg, value);
}

/* Offset of the MSI-X capability, 0 if there is none. */
static unsigned find_msix(KernelSide *side, unsigned index)
{
    unsigned at = kernel_pci_read(side, index, PCI_CAPABILITIES) & 0xfc;

    while (at) {
        uint32_t cap = kernel_pci_read(side, index, at);

        if ((cap & 0xff) == PCI_CAP_MSIX) {
            return at;
        }
        at = cap >> 8 & 0xfc;
    }
    return 0;
}

static void arm_msix(KernelSide *side, unsigned index)
{
    uint64_t table = BAR2_BASE + index * BAR_STEP;
    unsigned cap = find_msix(side, index);

    g_assert_cmpuint(cap, !=, 0);
    pci_write(side, index, cap, MSIX_ENABLE);
    for (unsigned vector = 0; vector < 2; vector++) {
        qtest_writel(side->qts, table + vector * 16, 0xfee00000);
        qtest_writel(side->qts, table + vector * 16 + 4, 0);
        qtest_writel(side->qts, table + vector * 16 + 8, 0x30 + vector);
        qtest_writel(side->qts, table + vector * 16 + 12, 0);
    }
}

static void program_mdev(KernelSide *side, unsigned index)
{
    pci_write(side, index, 0x10, BAR0_BASE + index * BAR_STEP);
    pci_write(side, index, 0x14, 0);
    pci_write(side, index, 0x18, BAR2_BASE + index * BAR_STEP);
    pci_write(side, index, 0x1c, 0);
    pci_write(side, index, 0x04, PCI_COMMAND_MEMORY_MASTER);
    arm_msix(side, index);
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
    pci_write(side, index, 0x10, BAR0_BASE + index * BAR_STEP);
    pci_write(side, index, 0x04, PCI_COMMAND_MEMORY_MASTER);
    kernel_set_reg(side, index, EDU_LIVENESS, 0xfeed0000 + index);
    kernel_set_reg(side, index, EDU_DMA_SRC, EDU_BUFFER);
    kernel_set_reg(side, index, EDU_DMA_DST,
                   DMA_BASE + index * DMA_BYTES);
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
    qtest_outl(side->qts, ACPI_PCIHP + ACPI_PCIHP_SELECT, 0);
    qtest_outl(side->qts, ACPI_PCIHP + ACPI_PCIHP_EJECT,
               1u << (FIRST_SLOT + index));
}

/* ---- life ---- */

static char *side_file(KernelSide *side, const char *name)
{
    return g_build_filename(side->dir, name, NULL);
}

/* A guest that runs and stays idle: cli; hlt; jmp to the hlt. */
static char *write_bios(KernelSide *side)
{
    static const uint8_t loop[] = { 0xfa, 0xf4, 0xeb, 0xfd };
    char *path = side_file(side, "bios");
    g_autofree char *image = g_malloc0(65536);

    memcpy(image + 0xfff0, loop, sizeof(loop));
    g_assert_true(g_file_set_contents(path, image, 65536, NULL));
    return path;
}

static size_t ram_bytes(KernelSide *side)
{
    return (size_t)side->ram_mib << 20;
}

static char *make_ram(KernelSide *side)
{
    char *path = side_file(side, "ram");
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, ram_bytes(side)), ==, 0);
    side->ram = mmap(NULL, ram_bytes(side), PROT_READ, MAP_SHARED, fd, 0);
    g_assert_true(side->ram != MAP_FAILED);
    close(fd);
    return path;
}

static void drop_ram(KernelSide *side)
{
    if (side->ram) {
        munmap(side->ram, ram_bytes(side));
        side->ram = NULL;
    }
}

static char *command_line(KernelSide *side)
{
    g_autofree char *bios = write_bios(side);
    g_autofree char *ram = make_ram(side);
    GString *line = g_string_new(NULL);

    g_string_append_printf(
        line, "-accel tcg -machine pc,memory-backend=ram -m %u "
        "-object memory-backend-file,id=ram,size=%uM,share=on,mem-path=%s "
        "-nodefaults -vga none -bios %s ", side->ram_mib, side->ram_mib, ram,
        bios);
    if (side->builtin) {
        g_string_append(line, "-global vfio-pci.x-enable-migration=on ");
    }
    for (unsigned i = 0; i < side->devices->len; i++) {
        KernelDevice *dev = side->devices->pdata[i];
        g_autofree char *path = kernel_device_path(dev);

        kernel_device_apply(dev);
        g_string_append_printf(line, "-device vfio-pci,sysfsdev=%s,id=dev%u,"
                               "addr=%x.0 ", path, i, FIRST_SLOT + i);
    }
    if (side->incoming) {
        g_string_append_printf(line, "-S -incoming %s ", side->incoming);
    }
    g_string_append(line, side->args->str);
    return g_string_free(line, false);
}

static char *wrapper(void)
{
    const char *build = g_getenv("VM_TESTBED_BUILD");

    if (!build) {
        qtest_fail("VM_TESTBED_BUILD is not set: run this by "
                   "scripts/vm-testbed");
    }
    return g_build_filename(build, "qemu-system-x86_64", NULL);
}

void kernel_side_start(KernelSide *side)
{
    g_autofree char *line = command_line(side);
    g_autofree char *attached = wrapper();
    const char *real = g_getenv("QEMU");

    g_setenv("VFIO_MIGRATION_ATTACH", "require", true);
    if (side->multi) {
        g_setenv("VFIO_MIGRATION_MULTI", "allow", true);
    }
    side->qts = qtest_start(!side->builtin ? attached :
                            real ? real : "qemu-system-x86_64", line);
    g_unsetenv("VFIO_MIGRATION_ATTACH");
    g_unsetenv("VFIO_MIGRATION_MULTI");
    qtest_name(side->qts, side->name);
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
    drop_ram(side);
}

void kernel_side_kill(KernelSide *side)
{
    if (side->qts) {
        qtest_forget(side->qts);
        side->qts = NULL;
    }
    drop_ram(side);
}

/* ---- what must be true ---- */

void kernel_expect_text(KernelSide *side, const char *what, const char *text,
                        const char *words)
{
    g_auto(GStrv) all = g_strsplit(words, ";", -1);

    for (char **word = all; *word; word++) {
        if (!strstr(text, *word)) {
            qtest_fail("%s: %s lacks '%s': %s", side->name, what, *word,
                       text);
        }
    }
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
        g_usleep(KERNEL_POLL_US);
    }
}

static void expect_clean(KernelSide *side)
{
    for (unsigned i = 0; i < side->devices->len && !side->builtin; i++) {
        g_autofree char *transcript =
            kernel_device_transcript(side->devices->pdata[i]);
        const char *found = strstr(transcript, " violation ");

        if (found) {
            qtest_fail("%s: the device's contract was violated:%.*s",
                       side->name, (int)strcspn(found, "\n"), found);
        }
    }
}

void kernel_expect_run_state(KernelSide *side, const char *state)
{
    int64_t end_us = g_get_monotonic_time() + KERNEL_END_MS * 1000;

    while (true) {
        g_autofree char *now = migrate_run_state(side->qts);

        if (!strcmp(now, state)) {
            return;
        }
        if (g_get_monotonic_time() > end_us) {
            qtest_fail("%s: the VM is '%s', not '%s'", side->name, now,
                       state);
        }
        g_usleep(KERNEL_POLL_US);
    }
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
