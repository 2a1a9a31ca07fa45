/*
 * A machine whose guest is idle, and is driven by the test instead
 *
 * Owns: the part of QEMU's command line that makes the machine, the guest's
 * memory, which the test can read, and what the guest's firmware and drivers
 * would do with PCI devices. All is for the machines "pc" and "q35".
 * Does not own: QEMU (libqtest.h), which devices there are.
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_MACHINE_HELPERS_H
#define TESTS_QTEST_MACHINE_HELPERS_H

#include "libqtest.h"

/* Of the first of the devices that are tested; the others follow. */
#define MACHINE_FIRST_SLOT 4

/* Where machine_program() puts the registers of the device in @slot. */
#define MACHINE_BAR0(slot) (0xe0000000u + (slot) * 0x100000u)

/* What machine_program() leaves: memory and bus master on; its vectors. */
#define MACHINE_PCI_COMMAND 0x6
#define MACHINE_MSIX_VECTORS 2

/*
 * machine_args: the command line of a machine and its guest
 *
 * @type: "pc", more of -machine's words may follow it
 * @dir: for the files of both
 * @ram: set to the guest's memory, for machine_drop_ram()
 *
 * Caller frees the text, which ends with a space.
 */
char *machine_args(const char *type, const char *dir, unsigned ram_mib,
                   uint8_t **ram);

/* machine_drop_ram: let go of the memory and set @ram to NULL. */
void machine_drop_ram(uint8_t **ram, unsigned ram_mib);

/* machine_ram_differs: first offset at which two memories differ, or -1. */
int64_t machine_ram_differs(const uint8_t *a, const uint8_t *b,
                            unsigned ram_mib);

/* PCI config space of the device in @slot of bus 0; @reg is rounded down. */
uint32_t machine_pci_read(QTestState *s, unsigned slot, unsigned reg);
void machine_pci_write(QTestState *s, unsigned slot, unsigned reg,
                       uint32_t value);

/* machine_pci_capability: offset of the first one of @id, or 0. */
unsigned machine_pci_capability(QTestState *s, unsigned slot, uint8_t id);

/*
 * machine_program: what firmware and a driver do: BARs 0 and 2, memory and
 * bus master on, and where there is MSI-X (its table in BAR 2), it is on,
 * with two vectors. Returns whether it is.
 */
bool machine_program(QTestState *s, unsigned slot);

/* machine_bus_master: whether the device may write to memory. */
void machine_bus_master(QTestState *s, unsigned slot, bool on);

/* machine_eject: the guest lets go of a device it is asked for ("pc"). */
void machine_eject(QTestState *s, unsigned slot);

#endif /* TESTS_QTEST_MACHINE_HELPERS_H */
