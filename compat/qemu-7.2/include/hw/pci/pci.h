/*
 * PCI configuration space, reached through functions only
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QEMU_PCI_H
#define QEMU_PCI_H

#include <linux/pci_regs.h>
#include "qom/object.h"

#define TYPE_PCI_DEVICE     "pci-device"

#define PCI_NUM_PINS        4

#define PCI_BUS(obj)        ((PCIBus *)(obj))

/* Tell all devices on the bus and below: where INTx goes may have changed. */
void pci_bus_fire_intx_routing_notifier(PCIBus *bus);

/* Level of the pin that PCI_INTERRUPT_PIN names, which must be 1 to 4. */
void pci_set_irq(PCIDevice *pci_dev, int level);

uint8_t pci_find_capability(PCIDevice *pci_dev, uint8_t cap_id);
uint32_t pci_default_read_config(PCIDevice *d, uint32_t address, int len);

#endif /* QEMU_PCI_H */
