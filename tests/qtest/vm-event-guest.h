/*
 * Guest actions for the table of VM events
 *
 * Owns: the guest's side of sleep, function level reset, DIMM eject, panic, and
 * a disk that fails.
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_VM_EVENT_GUEST_H
#define TESTS_QTEST_VM_EVENT_GUEST_H

#include "sim-helpers.h"

/* guest_sleep: enter ACPI S3, on pc or q35 */
void guest_sleep(VFIOSide *side);

/* guest_flr: reset the function in @slot, which also disables its MSI-X. */
void guest_flr(QTestState *qts, unsigned slot);

/* guest_eject_dimm: eject the DIMM in the first memory slot */
void guest_eject_dimm(QTestState *qts);

/* guest_panic: panic; the machine must have pvpanic */
void guest_panic(QTestState *qts);

/*
 * guest_add_disk: add an IDE disk that stops the VM on an error; if @is_bad,
 * the first write fails. guest_write_disk: write one sector.
 */
void guest_add_disk(VFIOSide *side, bool is_bad);
void guest_write_disk(QTestState *qts);

#endif /* TESTS_QTEST_VM_EVENT_GUEST_H */
