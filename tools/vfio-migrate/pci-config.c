/*
 * vfio-migrate: which bytes of a PCI config space QEMU compares
 *
 * Owns: a model of how QEMU 7.2's vfio-pci sets up a config space, and thus of
 * what get_pci_config_device() refuses. Pure.
 *
 * A byte is refused if it differs in a bit that is checked and that the guest
 * cannot write. In the header these are identity, class, and the type bits of
 * a BAR; in a capability all bits that QEMU does not emulate.
 *
 * Source: QEMU 7.2, hw/pci/pci.c, msi.c, msix.c and hw/vfio/pci.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include <glib.h>
#include <linux/pci_regs.h>
#include "pci-config.h"

#define MSIX_CAP_BYTES 12u
#define EXTENDED_ID(header) ((header) & 0xffff)
#define EXTENDED_NEXT(header) ((header) >> 20 & 0xffc)

static bool parse_hex(PciConfig *config, const char *hex)
{
    size_t length = hex ? strlen(hex) : 0;

    config->size = length / 2;
    if (length != 2 * PCI_CONFIG_BYTES &&
        length != 2 * PCI_CONFIG_EXTENDED_BYTES) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        int digit = g_ascii_xdigit_value(hex[i]);

        if (digit < 0) {
            return false;
        }
        config->raw[i / 2] = config->raw[i / 2] << 4 | digit;
    }
    return true;
}

unsigned pci_config_word(const PciConfig *config, unsigned at)
{
    return config->raw[at] | config->raw[at + 1] << 8;
}

static uint32_t get_long(const PciConfig *config, unsigned at)
{
    return pci_config_word(config, at) |
           (uint32_t)pci_config_word(config, at + 2) << 16;
}

/* ---- header ---- */

static void check(PciConfig *config, unsigned at, unsigned bytes)
{
    memset(config->checked + at, 0xff, bytes);
}

/* The guest sets the addresses; the lowest bits of a BAR are its type. */
static void setup_bars(PciConfig *config)
{
    memset(config->value + PCI_BASE_ADDRESS_0, 0, 4 * PCI_CONFIG_BARS);
    memset(config->value + PCI_ROM_ADDRESS, 0, 4);
    for (unsigned i = 0; i < PCI_CONFIG_BARS; i++) {
        unsigned at = PCI_BASE_ADDRESS_0 + 4 * i;
        bool port = config->raw[at] & PCI_BASE_ADDRESS_SPACE_IO;
        uint8_t type = port ? 0x3 : 0xf;

        if (config->bars[i]) {
            config->value[at] = config->raw[at] & type;
            config->checked[at] = type;
        }
    }
}

static void setup_header(PciConfig *config)
{
    check(config, PCI_VENDOR_ID, 4);
    config->checked[PCI_STATUS] = PCI_STATUS_CAP_LIST;
    check(config, PCI_REVISION_ID, 4);
    check(config, PCI_HEADER_TYPE, 1);
    check(config, PCI_CAPABILITY_LIST, 1);
    config->value[PCI_HEADER_TYPE] &= 0x7f;     /* QEMU sets bit 7 itself */
    setup_bars(config);
}

/* ---- capabilities ---- */

static unsigned capability_size(const PciConfig *config, unsigned at)
{
    unsigned next = PCI_CONFIG_BYTES;

    for (unsigned other = config->raw[PCI_CAPABILITY_LIST]; other;
         other = config->raw[other + PCI_CAP_LIST_NEXT]) {
        if (other > at && other < next) {
            next = other;
        }
    }
    return next - at;
}

static unsigned msi_size(unsigned flags)
{
    return 0xa + (flags & PCI_MSI_FLAGS_64BIT ? 4 : 0) +
           (flags & PCI_MSI_FLAGS_MASKBIT ? 0xa : 0);
}

/* QEMU builds it from the vector count, 64BIT and MASKBIT. The guest sets
 * address, data, mask, the enable bit and the number of vectors in use. */
static void setup_msi(PciConfig *config, unsigned at)
{
    unsigned flags = pci_config_word(config, at + PCI_MSI_FLAGS);
    unsigned size = MIN(msi_size(flags), PCI_CONFIG_BYTES - at);

    flags &= PCI_MSI_FLAGS_QMASK | PCI_MSI_FLAGS_64BIT |
             PCI_MSI_FLAGS_MASKBIT;
    check(config, at, 4);
    config->value[at + PCI_MSI_FLAGS] = flags;
    config->value[at + PCI_MSI_FLAGS + 1] = flags >> 8;
    config->checked[at + PCI_MSI_FLAGS] =
        (uint8_t)~(PCI_MSI_FLAGS_QSIZE | PCI_MSI_FLAGS_ENABLE);
    memset(config->capability + at, at, size);
}

static void setup_capability(PciConfig *config, unsigned at)
{
    unsigned size = capability_size(config, at);

    switch (config->raw[at]) {
    case PCI_CAP_ID_MSI:
        setup_msi(config, at);
        return;
    case PCI_CAP_ID_MSIX:
        size = MIN(MSIX_CAP_BYTES, PCI_CONFIG_BYTES - at);
        break;
    }
    check(config, at, size);
    memset(config->capability + at, at, size);
    if (config->raw[at] == PCI_CAP_ID_MSIX && size == MSIX_CAP_BYTES) {
        config->checked[at + PCI_MSIX_FLAGS + 1] =
            (uint8_t)~((PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL) >> 8);
    }
}

static bool list_ends(const PciConfig *config)
{
    unsigned left = PCI_CONFIG_BYTES / 4;

    for (unsigned at = config->raw[PCI_CAPABILITY_LIST]; at;
         at = config->raw[at + PCI_CAP_LIST_NEXT]) {
        if (at < PCI_STD_HEADER_SIZEOF || at > PCI_CONFIG_BYTES - 4 ||
            !left--) {
            return false;
        }
    }
    return true;
}

bool pci_config_parse(PciConfig *config, const char *hex,
                      const uint64_t *bars)
{
    memset(config, 0, sizeof(*config));
    if (!parse_hex(config, hex)) {
        return false;
    }
    memcpy(config->bars, bars, sizeof(config->bars));
    memcpy(config->value, config->raw, sizeof(config->value));
    setup_header(config);
    if (!(config->raw[PCI_STATUS] & PCI_STATUS_CAP_LIST)) {
        return true;
    }
    if (!list_ends(config)) {
        return false;
    }
    for (unsigned at = config->raw[PCI_CAPABILITY_LIST]; at;
         at = config->raw[at + PCI_CAP_LIST_NEXT]) {
        setup_capability(config, at);
    }
    return true;
}

bool pci_config_refused(const PciConfig *here, const PciConfig *there,
                        unsigned at)
{
    return (here->value[at] ^ there->value[at]) & there->checked[at];
}

/* ---- names ---- */

static const char *capability_name(unsigned id)
{
    static const char *const names[] = {
        [PCI_CAP_ID_PM] = "power management",
        [PCI_CAP_ID_VPD] = "vital product data",
        [PCI_CAP_ID_MSI] = "MSI",
        [PCI_CAP_ID_VNDR] = "vendor's",
        [PCI_CAP_ID_EXP] = "PCI Express",
        [PCI_CAP_ID_MSIX] = "MSI-X",
        [PCI_CAP_ID_AF] = "advanced features",
        [PCI_CAP_ID_EA] = "enhanced allocation",
    };

    return id < G_N_ELEMENTS(names) && names[id] ? names[id] : "other";
}

static const char *header_name(unsigned at)
{
    static const char *const names[PCI_STD_HEADER_SIZEOF] = {
        [PCI_VENDOR_ID] = "vendor id", [PCI_VENDOR_ID + 1] = "vendor id",
        [PCI_DEVICE_ID] = "device id", [PCI_DEVICE_ID + 1] = "device id",
        [PCI_STATUS] = "capability bit of the status",
        [PCI_REVISION_ID] = "revision",
        [PCI_CLASS_PROG] = "class", [PCI_CLASS_DEVICE] = "class",
        [PCI_CLASS_DEVICE + 1] = "class",
        [PCI_HEADER_TYPE] = "header type",
        [PCI_CAPABILITY_LIST] = "first capability",
    };

    return at < G_N_ELEMENTS(names) ? names[at] : NULL;
}

char *pci_config_name(const PciConfig *config, unsigned at)
{
    unsigned capability = config->capability[at];
    const char *name = header_name(at);

    if (capability) {
        return g_strdup_printf("%s capability (0x%02x) at 0x%02x",
                               capability_name(config->raw[capability]),
                               config->raw[capability], capability);
    }
    if (at >= PCI_BASE_ADDRESS_0 && at < PCI_CARDBUS_CIS) {
        return g_strdup_printf("type of BAR %u",
                               (at - PCI_BASE_ADDRESS_0) / 4);
    }
    return name ? g_strdup(name)
                : g_strdup_printf("config space at 0x%02x", at);
}

/* ---- extended capabilities ---- */

/* The extended capabilities that vfio-pci hides */
static bool hidden(unsigned id)
{
    return !id || id == PCI_EXT_CAP_ID_SRIOV || id == PCI_EXT_CAP_ID_ARI ||
           id == PCI_EXT_CAP_ID_REBAR;
}

static unsigned extended_size(const PciConfig *config, unsigned at)
{
    unsigned end = PCI_CONFIG_EXTENDED_BYTES;
    unsigned left = PCI_CONFIG_EXTENDED_BYTES / 4;

    for (unsigned other = PCI_CONFIG_BYTES; other >= PCI_CONFIG_BYTES &&
         left--; other = EXTENDED_NEXT(get_long(config, other))) {
        if (other > at && other < end) {
            end = other;
        }
    }
    return end - at;
}

unsigned pci_config_next_extended(const PciConfig *config, unsigned at,
                                  unsigned *bytes)
{
    unsigned left = PCI_CONFIG_EXTENDED_BYTES / 4;

    if (config->size != PCI_CONFIG_EXTENDED_BYTES) {
        return 0;
    }
    at = at ? EXTENDED_NEXT(get_long(config, at)) : PCI_CONFIG_BYTES;
    while (at >= PCI_CONFIG_BYTES && left-- &&
           hidden(EXTENDED_ID(get_long(config, at)))) {
        at = EXTENDED_NEXT(get_long(config, at));
    }
    if (at < PCI_CONFIG_BYTES) {
        return 0;
    }
    *bytes = extended_size(config, at);
    return at;
}
