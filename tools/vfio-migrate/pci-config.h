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

/* A config space as in QEMU 7.2 right after the start of a VM */
typedef struct PciConfig {
    unsigned size;              /* of the device's space: 256 or 4096 */
    uint8_t raw[PCI_CONFIG_EXTENDED_BYTES];     /* as read from the device */
    uint8_t value[PCI_CONFIG_BYTES];
    /* Bits that must be the same in the config space that is loaded */
    uint8_t checked[PCI_CONFIG_BYTES];
    /* Offset of the capability that contains the byte; 0: none */
    uint8_t capability[PCI_CONFIG_BYTES];
    uint64_t bars[PCI_CONFIG_BARS];     /* bytes; 0: not implemented */
} PciConfig;

/*
 * pci_config_parse: parse a device's config space
 *
 * @hex: two digits per byte, for 256 or 4096 bytes
 * @bars: size of each BAR's region in bytes, 0 if there is none
 *
 * Returns: false if @hex is invalid, or its capability list does not end.
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

/* pci_config_word: 16 bits of the device's own config space, at offset @at */
unsigned pci_config_word(const PciConfig *config, unsigned at);

/*
 * pci_config_name: describe the byte at @at
 *
 * Returns: to be freed; for example "revision".
 */
char *pci_config_name(const PciConfig *config, unsigned at);

/*
 * pci_config_next_extended: the next extended capability that QEMU shows to
 * a VM whose device is on a PCI Express bus
 *
 * @at: the previous one; 0 to start
 * @bytes: set to its size
 *
 * Returns: its offset; 0 after the last one.
 */
unsigned pci_config_next_extended(const PciConfig *config, unsigned at,
                                  unsigned *bytes);

#endif /* VFIO_MIGRATE_PCI_CONFIG_H */
