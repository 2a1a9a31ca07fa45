/*
 * A failover pair: virtio-net, and a VFIO device that goes for a migration
 *
 * Owns: the machine with root ports that such a pair needs, the pair, and
 * what the guest's drivers do with it.
 * Does not own: the devices that migrate.
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_FAILOVER_HELPERS_H
#define TESTS_QTEST_FAILOVER_HELPERS_H

#include "sim-helpers.h"

/*
 * failover_add: before the start: machine q35, net0 and its primary, a VFIO
 * device of the id "primary" behind a root port.
 */
void failover_add(VFIOSide *side);

/*
 * failover_add_port: before the start, after failover_add(): one more root
 * port, "rp1", for devices that the guest ejects.
 */
void failover_add_port(VFIOSide *side);

/*
 * failover_guest_up: the guest's drivers take net0, so that the primary is
 * plugged, and power the slots. Also after a reset of the VM.
 */
void failover_guest_up(VFIOSide *side);

/* failover_slots_on: the guest powers the slots, as for a new device. */
void failover_slots_on(VFIOSide *side);

/* failover_let_go: the guest lets the primary go, as it was asked to. */
void failover_let_go(VFIOSide *side);

/* failover_eject_port: the guest ejects what is behind "rp1". */
void failover_eject_port(VFIOSide *side);

#endif /* TESTS_QTEST_FAILOVER_HELPERS_H */
