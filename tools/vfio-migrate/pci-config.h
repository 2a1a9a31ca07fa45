/*
 * vfio-migrate: which bytes of a PCI config space QEMU compares
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VFIO_MIGRATE_PCI_CONFIG_H
#define VFIO_MIGRATE_PCI_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#define PCI_CONFIG_BYTES 256u
#define PCI_CONFIG_EXTENDED_BYTES 4096u
#define PCI_CONFIG_BARS 6u

/* A config space as QEMU 7.2 holds it when a VM has just been started */
typedef struct PciConfig {
    unsigned size;              /* bytes that the device has: 256 or 4096 */
    uint8_t raw[PCI_CONFIG_EXTENDED_BYTES];     /* as the device has it */
    uint8_t value[PCI_CONFIG_BYTES];
    /* Bits that have to be the same in what is loaded over it */
    uint8_t checked[PCI_CONFIG_BYTES];
    /* Offset of the capability that the byte is of; 0: of none */
    uint8_t capability[PCI_CONFIG_BYTES];
    uint64_t bars[PCI_CONFIG_BARS];     /* bytes; 0: there is none */
} PciConfig;

/*
 * pci_config_parse: take in what a device has
 *
 * @hex: two digits a byte, 256 or 4096 of them
 * @bars: bytes of each BAR's region, 0 where there is none
 *
 * Returns: false where @hex is none, or its list of capabilities has no end.
 */
bool pci_config_parse(PciConfig *config, const char *hex,
                      const uint64_t *bars);

/*
 * pci_config_refused: does QEMU refuse to load @here's byte over @there's?
 *
 * @at: below PCI_CONFIG_BYTES
 */
bool pci_config_refused(const PciConfig *here, const PciConfig *there,
                        unsigned at);

/* pci_config_word: 16 bits of the device's own at @at */
unsigned pci_config_word(const PciConfig *config, unsigned at);

/*
 * pci_config_name: what the byte at @at is called
 *
 * Returns: to be freed; "MSI capability at 0x60", "revision".
 */
char *pci_config_name(const PciConfig *config, unsigned at);

/*
 * pci_config_next_extended: the next extended capability that QEMU shows to
 * a VM whose device is on a PCI Express bus
 *
 * @at: the one before; 0 at first
 * @bytes: set to how far it goes
 *
 * Returns: its offset; 0 after the last.
 */
unsigned pci_config_next_extended(const PciConfig *config, unsigned at,
                                  unsigned *bytes);

#endif /* VFIO_MIGRATE_PCI_CONFIG_H */
