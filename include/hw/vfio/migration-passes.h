/*
 * What VFIO devices do when the VM stops or goes on
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_PASSES_H
#define HW_VFIO_MIGRATION_PASSES_H

#include "hw/vfio/migration-device.h"

/*
 * VM state handlers of a device. When the VM stops, QEMU calls the first one
 * of all devices that have P2P states, then the other one of all devices;
 * likewise when it goes on.
 *
 * @opaque: the VFIODevice
 *
 * What goes wrong fails the device's session, or is reported. Of several
 * devices the changes of state are made side by side within such a pass.
 *
 * Locks: need the BQL; claim devices.
 */
void vfio_mig_passes_vm_state(void *opaque, bool running, RunState state);
void vfio_mig_passes_stops_first(void *opaque, bool running, RunState state);
void vfio_mig_passes_starts_first(void *opaque, bool running, RunState state);

/*
 * vfio_mig_passes_leave: the device is unplugged, and has no handlers any more
 *
 * Locks: needs the BQL.
 */
void vfio_mig_passes_leave(VFIODeviceMigration *mig);

#endif /* HW_VFIO_MIGRATION_PASSES_H */
