/*
 * What VFIO devices do when the VM stops or continues
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_PASSES_H
#define HW_VFIO_MIGRATION_PASSES_H

#include "hw/vfio/migration-device.h"

/*
 * VM state handlers of a device. When the VM stops, QEMU first calls
 * vfio_mig_passes_stops_first() of all devices that have P2P states, then
 * vfio_mig_passes_vm_state() of all devices; likewise when it continues.
 *
 * @opaque: the VFIODevice
 *
 * An error fails the device's session, or is reported. Within such a pass,
 * several devices change their states in parallel.
 *
 * Locks: need the BQL; claim devices.
 */
void vfio_mig_passes_vm_state(void *opaque, bool running, RunState state);
void vfio_mig_passes_stops_first(void *opaque, bool running, RunState state);
void vfio_mig_passes_starts_first(void *opaque, bool running, RunState state);

/*
 * vfio_mig_passes_leave: the device is unplugged and no longer has handlers
 *
 * Locks: needs the BQL.
 */
void vfio_mig_passes_leave(VFIODeviceMigration *mig);

#endif /* HW_VFIO_MIGRATION_PASSES_H */
