/*
 * Configuration accesses as a host bridge makes them
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef PCI_HOST_H
#define PCI_HOST_H

#include "hw/pci/pci.h"

void pci_host_config_write_common(PCIDevice *pci_dev, uint32_t addr,
                                  uint32_t limit, uint32_t val, uint32_t len);

#endif /* PCI_HOST_H */
