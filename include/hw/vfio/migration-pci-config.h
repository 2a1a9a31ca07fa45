/*
 * Does the source's PCI device match the local one?
 *
 * QEMU compares the configuration space in a stream to that of the device, byte
 * by byte, and reports a mismatch as "Bad config data: i=0x10 ..."; it accepts
 * any difference in bytes without a mask. This check comes first, and describes
 * all differences.
 *
 * Not everything can be detected: the stream has the addresses of the source's
 * BARs, not their sizes. A smaller BAR is noticed only when its missing part is
 * used, and a larger one only if the address is not aligned to its size.
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
 * vfio_mig_pci_compare: how two devices differ as seen by a guest
 *
 * @here, @there: the first VFIO_MIG_PCI_HEADER_BYTES of the configuration
 *                spaces; @there may hold anything
 * @bar_size: bytes of the BARs here; 0: there is none
 *
 * Pure; no lock.
 *
 * Returns: a list of all differences, separated by "; ", to be freed with
 * g_free(); NULL if none was found.
 */
char *vfio_mig_pci_compare(const uint8_t *here, const uint8_t *there,
                           const uint64_t bar_size[VFIO_MIG_PCI_BARS]);

/*
 * vfio_mig_pci_check: check the configuration that comes next in @f
 *
 * To be called before the device's configuration is loaded; consumes nothing
 * from @f. If the device is not a PCI device, or the stream ends or has another
 * layout, it is left to the code that loads it.
 *
 * Returns: 0; -EINVAL with @errp set to the device's name and all differences;
 * or another -errno if the kernel does not report the sizes of the local BARs.
 * Locks: needs the BQL.
 */
int vfio_mig_pci_check(VFIODevice *vbasedev, QEMUFile *f, Error **errp);

#endif /* HW_VFIO_MIGRATION_PCI_CONFIG_H */
