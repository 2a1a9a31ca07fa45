/*
 * Tests of hw/vfio/migration-pci-config.c
 *
 * The bytes of one plausible device are given here; each case changes some of
 * them on one side, and has the expected message. Then follow all single bits,
 * and random bytes: whatever a peer sends, the comparison terminates, and equal
 * configurations never give a message.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/units.h"
#include "hw/pci/pci.h"
#include "hw/vfio/migration-pci-config.h"

#define BYTES VFIO_MIG_PCI_HEADER_BYTES
#define MSIX_AT 0x50

/* BAR 0: 64 KiB, 64-bit; BAR 2: 16 KiB, 32-bit; BAR 3: I/O */
static const uint64_t sizes[VFIO_MIG_PCI_BARS] = {
    64 * KiB, 0, 16 * KiB, 256, 0, 0
};

static const uint8_t device[BYTES] = {
    [PCI_VENDOR_ID] = 0x36, 0x1b, 0xfe, 0x00,
    [PCI_STATUS] = PCI_STATUS_CAP_LIST,
    [PCI_REVISION_ID] = 1, 0x00, 0x00, 0x02,
    [PCI_BASE_ADDRESS_0] = 0x04, 0x00, 0x01, 0xe0, 0x01, 0x00, 0x00, 0x00,
    [PCI_BASE_ADDRESS_2] = 0x00, 0x40, 0x00, 0xe1, 0x01, 0xc1, 0x00, 0x00,
    [PCI_SUBSYSTEM_VENDOR_ID] = 0x36, 0x1b, 0x01, 0x00,
    [PCI_CAPABILITY_LIST] = 0x40,
    [0x40] = PCI_CAP_ID_PM, MSIX_AT,
    [MSIX_AT] = PCI_CAP_ID_MSIX, 0, 7, 0, 2, 0, 0, 0, 2, 0x20, 0, 0,
};

typedef struct Change {
    uint8_t at, value;
} Change;

typedef struct Case {
    const char *name;
    Change here[4], there[4];   /* terminated by .at 0 */
    uint64_t bar2_size;         /* here; 0: as in @sizes, 1: no such BAR */
    const char *says;           /* NULL: nothing */
} Case;

static const Case cases[] = {
    { "equal" },
    { "what-a-guest-writes", .there = { { PCI_COMMAND, 7 },
                                        { PCI_INTERRUPT_LINE, 11 } } },
    { "vendor", .there = { { PCI_VENDOR_ID, 0x86 } },
      .says = "its vendor is 0x1b86 and 0x1b36 here" },
    { "device", .there = { { PCI_DEVICE_ID, 0xff } },
      .says = "its device is 0x00ff and 0x00fe here" },
    { "revision", .there = { { PCI_REVISION_ID, 2 } },
      .says = "its revision is 0x02 and 0x01 here" },
    { "class", .there = { { PCI_CLASS_PROG, 3 } },
      .says = "its class is 0x020003 and 0x020000 here" },
    { "header-type", .there = { { PCI_HEADER_TYPE, 1 } },
      .says = "its header type is 0x01 and 0x00 here" },
    { "subsystem-vendor", .there = { { PCI_SUBSYSTEM_VENDOR_ID, 0 } },
      .says = "its subsystem vendor is 0x1b00 and 0x1b36 here" },
    { "interrupt-pin", .there = { { PCI_INTERRUPT_PIN, 3 } },
      .says = "its interrupt pin is 0x03 and 0x00 here" },
    { "subsystem", .there = { { PCI_SUBSYSTEM_ID, 5 } },
      .says = "its subsystem is 0x0005 and 0x0001 here" },
    { "two-at-once", .there = { { PCI_DEVICE_ID, 0xff },
                                { PCI_REVISION_ID, 2 } },
      .says = "its device is 0x00ff and 0x00fe here; its revision is 0x02 "
              "and 0x01 here" },

    { "no-capabilities-there", .there = { { PCI_STATUS, 0 } },
      .says = "capability 0x01 at offset 0x40 is here only" },
    { "no-msix-there", .there = { { 0x41, 0 } },
      .says = "capability 0x11 at offset 0x50 is here only" },
    { "no-msix-here", .here = { { 0x41, 0 } },
      .says = "capability 0x11 at offset 0x50 is there only" },
    { "other-capability", .there = { { 0x40, PCI_CAP_ID_VNDR } },
      .says = "capability 0x09 at offset 0x40 is there only; capability 0x01 "
              "at offset 0x40 is here only" },
    { "loop-of-capabilities", .there = { { MSIX_AT + 1, 0x40 } } },
    { "vectors", .there = { { MSIX_AT + 2, 15 } },
      .says = "it has 16 MSI-X vectors and 8 here" },
    { "vectors-and-enable", .there = { { MSIX_AT + 3, 0xc0 } } },

    { "bar-larger-here", .bar2_size = 64 * KiB,
      .says = "BAR 2 is 64 KiB here but the source has it at 0xe1004000, "
              "which only a smaller one can have" },
    { "bar-larger-here-by-far", .bar2_size = 1 * GiB,
      .says = "BAR 2 is 1 GiB here but the source has it at 0xe1004000" },
    { "bar-larger-but-it-fits", .bar2_size = 64 * KiB,
      .there = { { PCI_BASE_ADDRESS_2 + 1, 0 } } },
    { "bar-smaller-here", .bar2_size = 4 * KiB },
    { "bar-absent-here", .bar2_size = 1,
      .here = { { MSIX_AT + 4, 0 }, { MSIX_AT + 8, 0 } },
      .says = "BAR 2 is absent here but the source has it (0xe1004000)" },
    { "bar-of-msix-only", .bar2_size = 1 },
    { "msix-at-the-end", .bar2_size = 1,
      .here = { { 0x41, 0xfc }, { 0xfc, PCI_CAP_ID_MSIX } },
      .there = { { 0x41, 0xfc }, { 0xfc, PCI_CAP_ID_MSIX } },
      .says = "BAR 2 is absent here but the source has it (0xe1004000)" },
    { "bar-64-bit-upper-half", .there = { { PCI_BASE_ADDRESS_1 + 3, 0x80 } } },
    { "bar-64-bit-misaligned", .there = { { PCI_BASE_ADDRESS_0 + 1, 0x80 } },
      .says = "BAR 0 is 64 KiB here but the source has it at 0x1e0018000" },
    { "bar-32-for-64", .there = { { PCI_BASE_ADDRESS_0, 0 } },
      .says = "BAR 0 is 64-bit memory here and 32-bit memory on the source" },
    { "bar-prefetchable", .there = { { PCI_BASE_ADDRESS_0, 0x0c } },
      .says = "and 64-bit prefetchable memory on the source" },
    { "bar-io-for-memory", .there = { { PCI_BASE_ADDRESS_2, 1 } },
      .says = "BAR 2 is 32-bit memory here and I/O ports on the source" },
    { "bar-io-misaligned", .there = { { PCI_BASE_ADDRESS_3, 0x21 } },
      .says = "BAR 3 is 256 bytes here but the source has it at 0xc120" },
    { "bar-not-set-there", .there = { { PCI_BASE_ADDRESS_2 + 1, 0 },
                                      { PCI_BASE_ADDRESS_2 + 3, 0 } } },
};

static void apply(uint8_t *config, const Change *changes)
{
    unsigned i;

    memcpy(config, device, BYTES);
    for (i = 0; i < 4 && changes[i].at; i++) {
        config[changes[i].at] = changes[i].value;
    }
}

/* PCI_VENDOR_ID is 0, which terminates a list. */
static void apply_there(uint8_t *config, const Case *c)
{
    apply(config, c->there);
    if (c->there[0].at == PCI_VENDOR_ID && c->there[0].value) {
        config[PCI_VENDOR_ID] = c->there[0].value;
    }
}

static void test_case(const void *opaque)
{
    const Case *c = opaque;
    uint64_t bar_size[VFIO_MIG_PCI_BARS];
    /* Behind it stands what would be an offset into BAR 2. */
    g_autofree uint8_t *here = g_malloc(BYTES + 16);
    uint8_t there[BYTES];
    g_autofree char *why = NULL;

    memset(here, 2, BYTES + 16);
    memcpy(bar_size, sizes, sizeof(sizes));
    if (c->bar2_size) {
        bar_size[2] = c->bar2_size == 1 ? 0 : c->bar2_size;
    }
    apply(here, c->here);
    apply_there(there, c);
    why = vfio_mig_pci_compare(here, there, bar_size);
    if (!c->says) {
        g_assert_cmpstr(why, ==, NULL);
        return;
    }
    g_assert_nonnull(why);
    g_test_message("%s", why);
    g_assert_nonnull(strstr(why, c->says));
}

/* Each single bit of the fields that must be equal is noticed. */
static void test_bits(void)
{
    static const struct {
        unsigned from, to;
    } fields[] = {
        { PCI_VENDOR_ID, PCI_COMMAND }, { PCI_REVISION_ID, 0x0c },
        { PCI_HEADER_TYPE, PCI_BIST }, { PCI_SUBSYSTEM_VENDOR_ID, 0x30 },
        { 0x40, 0x41 }, { MSIX_AT, MSIX_AT + 1 },
    };
    unsigned i, at, bit;

    for (i = 0; i < ARRAY_SIZE(fields); i++) {
        for (at = fields[i].from; at < fields[i].to; at++) {
            for (bit = 0; bit < 8; bit++) {
                uint8_t there[BYTES];
                g_autofree char *why = NULL;

                memcpy(there, device, BYTES);
                there[at] ^= 1 << bit;
                why = vfio_mig_pci_compare(device, there, sizes);
                g_assert_nonnull(why);
            }
        }
    }
}

static void test_chance(void)
{
    uint8_t here[BYTES], there[BYTES];
    uint64_t bar_size[VFIO_MIG_PCI_BARS];
    unsigned round, i;

    for (round = 0; round < 20000; round++) {
        g_autofree char *why = NULL;
        g_autofree char *none = NULL;

        for (i = 0; i < BYTES; i++) {
            here[i] = g_test_rand_int();
            there[i] = g_test_rand_int();
        }
        for (i = 0; i < VFIO_MIG_PCI_BARS; i++) {
            bar_size[i] = g_test_rand_bit() ? g_test_rand_int() : 0;
        }
        why = vfio_mig_pci_compare(here, there, bar_size);
        g_assert_nonnull(why);
        g_assert_cmpint(strlen(why), <, 2048);
        none = vfio_mig_pci_compare(device, device, sizes);
        g_assert_null(none);
    }
}

int main(int argc, char **argv)
{
    unsigned i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree char *path = g_strconcat("/migration-pci-config/",
                                            cases[i].name, NULL);

        g_test_add_data_func(path, &cases[i], test_case);
    }
    g_test_add_func("/migration-pci-config/bits", test_bits);
    g_test_add_func("/migration-pci-config/chance", test_chance);
    return g_test_run();
}
