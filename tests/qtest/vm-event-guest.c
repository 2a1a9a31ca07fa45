/*
 * Guest actions for the table of VM events
 *
 * Owns: see vm-event-guest.h.
 * Locks: none. Source: the data sheets of PIIX4 and ICH9 for power management,
 * the PCI specification for Advanced Features, ATA for the disk, QEMU's
 * docs/specs/acpi_mem_hotplug.rst and pvpanic.txt.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "vm-event-guest.h"

#include <string.h>

/* ---- sleep ---- */

#define PM_BASE         0x600
#define PM1_CONTROL     (PM_BASE + 4)
#define SLEEP_S3        0x2400  /* SLP_EN and SLP_TYP 1 */

/* Write to the config space of any function on bus 0 */
static void write_function(QTestState *qts, unsigned slot, unsigned function,
                           unsigned reg, uint32_t value)
{
    qtest_outl(qts, 0xcf8, 0x80000000u | slot << 11 | function << 8 | reg);
    qtest_outl(qts, 0xcfc, value);
}

void guest_sleep(VFIOSide *side)
{
    QTestState *qts = side->qts;

    if (g_str_has_prefix(side->machine, "q35")) {
        write_function(qts, 31, 0, 0x40, PM_BASE | 1);
        write_function(qts, 31, 0, 0x44, 0x80);
    } else {
        write_function(qts, 1, 3, 0x40, PM_BASE | 1);
        write_function(qts, 1, 3, 0x80, 1);
    }
    qtest_outw(qts, PM1_CONTROL, SLEEP_S3);
}

/* ---- function level reset ---- */

#define CAP_MSIX        0x11
#define CAP_AF          0x13
#define AF_CONTROL      4       /* offset in it; bit 0 is the reset */

void guest_flr(QTestState *qts, unsigned slot)
{
    unsigned msix = machine_pci_capability(qts, slot, CAP_MSIX);
    unsigned af = machine_pci_capability(qts, slot, CAP_AF);

    g_assert_cmpuint(msix, !=, 0);
    g_assert_cmpuint(af, !=, 0);
    machine_pci_write(qts, slot, msix, 0);
    machine_bus_master(qts, slot, false);
    machine_pci_write(qts, slot, af + AF_CONTROL, 1);
}

/* ---- memory ---- */

#define MEMORY_SLOT     0xa00
#define MEMORY_CONTROL  0xa14
#define MEMORY_EJECT    8

void guest_eject_dimm(QTestState *qts)
{
    qtest_outl(qts, MEMORY_SLOT, 0);
    qtest_outb(qts, MEMORY_CONTROL, MEMORY_EJECT);
}

/* ---- panic ---- */

#define PANIC_PORT      0x505
#define PANICKED        1

void guest_panic(QTestState *qts)
{
    qtest_outb(qts, PANIC_PORT, PANICKED);
    /* The migration of a stopped VM may be over in 5 ms. */
    qtest_qmp_eventwait(qts, "GUEST_PANICKED");
}

/* ---- a disk ---- */

#define IDE_BASE        0x1e8
#define IDE_CONTROL     0x3ee
#define IDE_SECTOR_WORDS 256
#define IDE_DATA        IDE_BASE
#define IDE_COUNT       (IDE_BASE + 2)
#define IDE_LBA(n)      (IDE_BASE + 3 + (n))
#define IDE_DEVICE      (IDE_BASE + 6)
#define IDE_DEVICE_LBA  0xe0
#define IDE_COMMAND     (IDE_BASE + 7)
#define IDE_WRITE       0x30

void guest_add_disk(VFIOSide *side, bool is_bad)
{
    g_string_append_printf(
        side->args, " -device isa-ide,id=ide9,iobase=%u,iobase2=%u,irq=11 "
        "-drive if=none,id=disk,driver=blkdebug,image.driver=null-co,"
        "image.size=1M%s -device ide-hd,bus=ide9.0,drive=disk,werror=stop",
        IDE_BASE, IDE_CONTROL, is_bad ? ",inject-error.0.event=none,"
        "inject-error.0.iotype=write,inject-error.0.errno=5,"
        "inject-error.0.once=on" : "");
}

void guest_write_disk(QTestState *qts)
{
    qtest_outb(qts, IDE_DEVICE, IDE_DEVICE_LBA);
    qtest_outb(qts, IDE_COUNT, 1);
    for (unsigned i = 0; i < 3; i++) {
        qtest_outb(qts, IDE_LBA(i), 0);
    }
    qtest_outb(qts, IDE_COMMAND, IDE_WRITE);
    for (unsigned i = 0; i < IDE_SECTOR_WORDS; i++) {
        qtest_outw(qts, IDE_DATA, 0x5a5a);
    }
}
