/*
 * The PCI specific parts of migrating a VFIO device
 *
 * These functions do nothing for other kinds of devices, and need the BQL.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_PCI_H
#define HW_VFIO_MIGRATION_PCI_H

#include "hw/vfio/migration-device.h"

/*
 * vfio_mig_reset: reset the device, which then runs, without bus mastering
 *
 * The state that the guest has set up in the device is lost. If the function
 * has no reset, or that fails, the bus is reset if the device is alone on it.
 *
 * Returns: 0, or -errno; the device is then left in error.
 * Locks: needs the BQL.
 */
int vfio_mig_reset(VFIODeviceMigration *mig);

/*
 * vfio_mig_rearm: set up again what a reset has cleared
 *
 * PCI_COMMAND, and MSI or MSI-X, as the guest has set them. Call it after the
 * device has reached its final state: the device of a stopped VM must not be a
 * bus master.
 *
 * Locks: needs the BQL.
 */
void vfio_mig_rearm(VFIODeviceMigration *mig);

/*
 * vfio_mig_push_pci_command: write PCI_COMMAND to the device again
 *
 * Loading the configuration space does that, too, but only prints a failure;
 * the guest cannot use a device without bus mastering.
 *
 * Returns: 0 (also for a device that is not a PCI device), or -errno.
 * Locks: needs the BQL.
 */
int vfio_mig_push_pci_command(VFIODevice *vbasedev);

/*
 * vfio_mig_route_intx: lower the device's INTx, and let vfio-pci update its
 * route
 *
 * To be called when all devices are loaded and before this one runs. The
 * chipset's routes are loaded after the device, and QEMU 7.2 does not notify
 * anyone: with KVM, INTx would still be routed to the IRQ of an unconfigured
 * chipset, 0, and never arrive. A line that was asserted at the source would
 * stay asserted forever, as vfio-pci does not wait for an end of interrupt.
 * Does nothing if the device is not a PCI device.
 *
 * Locks: needs the BQL.
 */
void vfio_mig_route_intx(VFIODevice *vbasedev);

#endif /* HW_VFIO_MIGRATION_PCI_H */
