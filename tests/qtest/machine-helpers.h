/*
 * A machine with an idle guest; the test takes the guest's part
 *
 * Owns: the part of QEMU's command line that makes the machine, the guest's
 * memory, which the test can read, and what the guest's firmware and drivers
 * would do with PCI devices. Works for the machines "pc" and "q35".
 * Does not own: QEMU (libqtest.h), the set of devices.
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_MACHINE_HELPERS_H
#define TESTS_QTEST_MACHINE_HELPERS_H

#include "libqtest.h"

/* Slot of the first device under test; the others follow. */
#define MACHINE_FIRST_SLOT 4

/* Where machine_program() maps BAR 0 of the device in @slot. */
#define MACHINE_BAR0(slot) (0xe0000000u + (slot) * 0x100000u)

/* PCI_COMMAND (memory and bus master) and vectors after machine_program(). */
#define MACHINE_PCI_COMMAND 0x6
#define MACHINE_MSIX_VECTORS 2

/*
 * machine_args: the command line of a machine and its guest
 *
 * @type: "pc", optionally followed by other -machine properties
 * @dir: for the files of machine and guest
 * @ram: set to the guest's memory, for machine_drop_ram()
 *
 * Caller frees the text, which ends with a space.
 */
char *machine_args(const char *type, const char *dir, unsigned ram_mib,
                   uint8_t **ram);

/* machine_drop_ram: unmap the memory and set @ram to NULL. */
void machine_drop_ram(uint8_t **ram, unsigned ram_mib);

/* machine_ram_differs: first offset at which two memories differ, or -1. */
int64_t machine_ram_differs(const uint8_t *a, const uint8_t *b,
                            unsigned ram_mib);

/* PCI config space of the device in @slot of bus 0; @reg is rounded down. */
uint32_t machine_pci_read(QTestState *s, unsigned slot, unsigned reg);
void machine_pci_write(QTestState *s, unsigned slot, unsigned reg,
                       uint32_t value);

/* machine_pci_capability: offset of the first capability @id, or 0. */
unsigned machine_pci_capability(QTestState *s, unsigned slot, uint8_t id);

/*
 * machine_program: do what firmware and driver would: map BARs 0 and 2, enable
 * memory and bus master, and if there is MSI-X (with its table in BAR 2),
 * enable it with two vectors. Returns whether MSI-X is enabled.
 */
bool machine_program(QTestState *s, unsigned slot);

/* machine_bus_master: set whether the device may write to memory. */
void machine_bus_master(QTestState *s, unsigned slot, bool on);

/* machine_eject: the guest ejects a device, as requested (machine "pc"). */
void machine_eject(QTestState *s, unsigned slot);

#endif /* TESTS_QTEST_MACHINE_HELPERS_H */
