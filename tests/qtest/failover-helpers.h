/*
 * A failover pair: virtio-net and a VFIO device that is unplugged to migrate
 *
 * Owns: the machine with root ports that such a pair needs, the pair itself,
 * and what the guest's drivers do with it.
 * Does not own: the devices that migrate.
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_FAILOVER_HELPERS_H
#define TESTS_QTEST_FAILOVER_HELPERS_H

#include "sim-helpers.h"

/*
 * failover_add: use machine q35, add net0 and its primary, a VFIO device with
 * id "primary" behind a root port. Call before the start.
 */
void failover_add(VFIOSide *side);

/*
 * failover_add_port: add another root port, "rp1", for devices that the guest
 * ejects. Call after failover_add() and before the start.
 */
void failover_add_port(VFIOSide *side);

/*
 * failover_guest_up: the guest's drivers negotiate with net0, which plugs the
 * primary, and power the slots. Needed again after a reset of the VM.
 */
void failover_guest_up(VFIOSide *side);

/* failover_slots_on: the guest powers the slots, as for a new device. */
void failover_slots_on(VFIOSide *side);

/* failover_let_go: the guest releases the primary, as requested. */
void failover_let_go(VFIOSide *side);

/* failover_eject_port: the guest ejects the device behind "rp1". */
void failover_eject_port(VFIOSide *side);

#endif /* TESTS_QTEST_FAILOVER_HELPERS_H */
