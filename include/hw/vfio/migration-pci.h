/*
 * What is PCI about a VFIO device that migrates
 *
 * All of it does nothing for a device of another kind, and needs the BQL.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_PCI_H
#define HW_VFIO_MIGRATION_PCI_H

#include "hw/vfio/migration-device.h"

/*
 * vfio_mig_reset: reset the device, which then runs, without bus mastering
 *
 * The state of the device that the guest knew is lost. Where the function has
 * no reset, or it fails, the bus is reset if the device is alone on it.
 *
 * Returns: 0, or -errno; the device is then left in error.
 * Locks: needs the BQL.
 */
int vfio_mig_reset(VFIODeviceMigration *mig);

/*
 * vfio_mig_rearm: set up again what a reset has cleared
 *
 * PCI_COMMAND, and MSI or MSI-X, as the guest has set them. Call it
 * in the state in which the device is to stay: the device of a stopped VM
 * must not be a bus master.
 *
 * Locks: needs the BQL.
 */
void vfio_mig_rearm(VFIODeviceMigration *mig);

/*
 * vfio_mig_push_pci_command: write PCI_COMMAND to the device once more
 *
 * Loading the configuration space does that too, but only prints
 * where it failed; a device without bus mastering is a wrong device.
 *
 * Returns: 0, also for a device that is no PCI device, or -errno.
 * Locks: needs the BQL.
 */
int vfio_mig_push_pci_command(VFIODevice *vbasedev);

/*
 * vfio_mig_route_intx: lower the device's INTx, and let vfio-pci look again
 * where it goes
 *
 * To be called when all devices are loaded and before this one runs. The
 * chipset's routes are loaded after the device, and QEMU 7.2 tells nobody:
 * with KVM, INTx would go on to the IRQ that it had in an empty chipset, 0,
 * and never arrive. A line that was asserted on the source stays so for ever
 * here, as no end of interrupt is awaited. Nothing happens where the device
 * is no PCI device.
 *
 * Locks: needs the BQL.
 */
void vfio_mig_route_intx(VFIODevice *vbasedev);

#endif /* HW_VFIO_MIGRATION_PCI_H */
