/*
 * What a guest does in the table of VM events
 *
 * Owns: the guest's side of sleep, reset of a function, eject of a DIMM,
 * panic, and a disk that fails.
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_VM_EVENT_GUEST_H
#define TESTS_QTEST_VM_EVENT_GUEST_H

#include "sim-helpers.h"

/* guest_sleep: ACPI S3, on pc and q35 */
void guest_sleep(VFIOSide *side);

/* guest_flr: reset of the function in @slot; its MSI-X is off then. */
void guest_flr(QTestState *qts, unsigned slot);

/* guest_eject_dimm: of the first slot of memory */
void guest_eject_dimm(QTestState *qts);

/* guest_panic: of a machine with pvpanic */
void guest_panic(QTestState *qts);

/*
 * guest_add_disk: an IDE disk that stops the VM on an error; the first write
 * fails if it @is_bad. guest_write_disk: one sector.
 */
void guest_add_disk(VFIOSide *side, bool is_bad);
void guest_write_disk(QTestState *qts);

#endif /* TESTS_QTEST_VM_EVENT_GUEST_H */
