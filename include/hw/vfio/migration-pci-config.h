/*
 * Does the source's PCI device fit the one here?
 *
 * QEMU holds the configuration space of a stream against the device's own,
 * byte by byte, and says "Bad config data: i=0x10 ..." where it refuses; what
 * it has no mask for it takes. This looks first, and says it in words.
 *
 * What cannot be known: the stream has the addresses of the source's BARs,
 * not their sizes. A BAR that is smaller here is only seen by whoever uses
 * its missing part, and a larger one only where its address cannot be.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_PCI_CONFIG_H
#define HW_VFIO_MIGRATION_PCI_CONFIG_H

#include "hw/vfio/vfio-common.h"

/* Of the PCI specification: conventional configuration space; BARs */
#define VFIO_MIG_PCI_HEADER_BYTES   256
#define VFIO_MIG_PCI_BARS           6

/*
 * vfio_mig_pci_compare: how two devices differ for their guest
 *
 * @here, @there: the first VFIO_MIG_PCI_HEADER_BYTES of the configuration
 *                spaces; @there may hold anything
 * @bar_size: bytes of the BARs here; 0: there is none
 *
 * Pure; no lock.
 *
 * Returns: text of all differences, "; " between them, to be freed with
 * g_free(); NULL: none that can be seen.
 */
char *vfio_mig_pci_compare(const uint8_t *here, const uint8_t *there,
                           const uint64_t bar_size[VFIO_MIG_PCI_BARS]);

/*
 * vfio_mig_pci_check: look at the configuration that comes next in @f
 *
 * To be called before the device's configuration is loaded; takes nothing
 * from @f. A device that is no PCI device, a stream that ends, and one of
 * another layout are left to who loads it.
 *
 * Returns: 0; -EINVAL with @errp set: device's name and all differences; or
 * another -errno where the kernel does not tell how large the BARs are here.
 * Locks: needs the BQL.
 */
int vfio_mig_pci_check(VFIODevice *vbasedev, QEMUFile *f, Error **errp);

#endif /* HW_VFIO_MIGRATION_PCI_CONFIG_H */
