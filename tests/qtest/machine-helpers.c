/*
 * A machine with an idle guest
 *
 * Owns: see machine-helpers.h.
 * Locks: none. Source: the PCI specification; QEMU's
 * docs/specs/acpi_pci_hotplug.txt for the eject.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "machine-helpers.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BIOS_BYTES 65536
#define RESET_VECTOR 0xfff0     /* offset in the BIOS */

#define PCI_ADDRESS 0xcf8
#define PCI_DATA 0xcfc
#define PCI_COMMAND 0x04
#define PCI_COMMAND_MEMORY 0x2
#define PCI_COMMAND_MASTER 0x4
#define PCI_BAR(n) (0x10 + 4 * (n))
#define PCI_CAPABILITIES 0x34
#define PCI_CAP_MSIX 0x11
#define MSIX_ENABLE (1u << 31)
#define MSIX_ENTRY_BYTES 16

#define BAR2(slot) (0xe8000000u + (slot) * 0x100000u)

#define ACPI_PCIHP_EJECT 0xae08
#define ACPI_PCIHP_SELECT 0xae10

/* ---- guest and memory ---- */

/* A guest that runs and stays idle: cli; hlt; jmp to the hlt. */
static char *write_bios(const char *dir)
{
    static const uint8_t loop[] = { 0xfa, 0xf4, 0xeb, 0xfd };
    char *path = g_build_filename(dir, "bios", NULL);
    g_autofree char *image = g_malloc0(BIOS_BYTES);

    memcpy(image + RESET_VECTOR, loop, sizeof(loop));
    g_assert_true(g_file_set_contents(path, image, BIOS_BYTES, NULL));
    return path;
}

static size_t ram_bytes(unsigned ram_mib)
{
    return (size_t)ram_mib << 20;
}

static char *make_ram(const char *dir, unsigned ram_mib, uint8_t **ram)
{
    char *path = g_build_filename(dir, "ram", NULL);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, ram_bytes(ram_mib)), ==, 0);
    *ram = mmap(NULL, ram_bytes(ram_mib), PROT_READ, MAP_SHARED, fd, 0);
    g_assert_true(*ram != MAP_FAILED);
    close(fd);
    return path;
}

char *machine_args(const char *type, const char *dir, unsigned ram_mib,
                   uint8_t **ram)
{
    g_autofree char *bios = write_bios(dir);
    g_autofree char *path = make_ram(dir, ram_mib, ram);

    return g_strdup_printf(
        "-accel tcg -machine %s,memory-backend=ram -m %u "
        "-object memory-backend-file,id=ram,size=%uM,share=on,mem-path=%s "
        "-nodefaults -vga none -bios %s ", type, ram_mib, ram_mib, path,
        bios);
}

void machine_drop_ram(uint8_t **ram, unsigned ram_mib)
{
    if (*ram) {
        munmap(*ram, ram_bytes(ram_mib));
        *ram = NULL;
    }
}

int64_t machine_ram_differs(const uint8_t *a, const uint8_t *b,
                            unsigned ram_mib)
{
    size_t page = 4096, at = 0;

    while (at < ram_bytes(ram_mib) && !memcmp(a + at, b + at, page)) {
        at += page;
    }
    for (; at < ram_bytes(ram_mib); at++) {
        if (a[at] != b[at]) {
            return at;
        }
    }
    return -1;
}

/* ---- PCI ---- */

static void select_register(QTestState *s, unsigned slot, unsigned reg)
{
    qtest_outl(s, PCI_ADDRESS, 0x80000000u | slot << 11 | (reg & 0xfc));
}

uint32_t machine_pci_read(QTestState *s, unsigned slot, unsigned reg)
{
    select_register(s, slot, reg);
    return qtest_inl(s, PCI_DATA);
}

void machine_pci_write(QTestState *s, unsigned slot, unsigned reg,
                       uint32_t value)
{
    select_register(s, slot, reg);
    qtest_outl(s, PCI_DATA, value);
}

unsigned machine_pci_capability(QTestState *s, unsigned slot, uint8_t id)
{
    unsigned at = machine_pci_read(s, slot, PCI_CAPABILITIES) & 0xfc;

    while (at) {
        uint32_t cap = machine_pci_read(s, slot, at);

        if ((cap & 0xff) == id) {
            return at;
        }
        at = cap >> 8 & 0xfc;
    }
    return 0;
}

static bool arm_msix(QTestState *s, unsigned slot)
{
    unsigned cap = machine_pci_capability(s, slot, PCI_CAP_MSIX);

    if (!cap) {
        return false;
    }
    machine_pci_write(s, slot, cap, MSIX_ENABLE);
    for (unsigned vector = 0; vector < MACHINE_MSIX_VECTORS; vector++) {
        uint64_t entry = BAR2(slot) + vector * MSIX_ENTRY_BYTES;

        qtest_writel(s, entry, 0xfee00000);
        qtest_writel(s, entry + 4, 0);
        qtest_writel(s, entry + 8, 0x30 + vector);
        qtest_writel(s, entry + 12, 0);
    }
    return true;
}

void machine_bus_master(QTestState *s, unsigned slot, bool on)
{
    machine_pci_write(s, slot, PCI_COMMAND, PCI_COMMAND_MEMORY |
                      (on ? PCI_COMMAND_MASTER : 0));
}

bool machine_program(QTestState *s, unsigned slot)
{
    machine_pci_write(s, slot, PCI_BAR(0), MACHINE_BAR0(slot));
    machine_pci_write(s, slot, PCI_BAR(1), 0);
    machine_pci_write(s, slot, PCI_BAR(2), BAR2(slot));
    machine_pci_write(s, slot, PCI_BAR(3), 0);
    machine_bus_master(s, slot, true);
    return arm_msix(s, slot);
}

void machine_eject(QTestState *s, unsigned slot)
{
    qtest_outl(s, ACPI_PCIHP_SELECT, 0);
    qtest_outl(s, ACPI_PCIHP_EJECT, 1u << slot);
}
