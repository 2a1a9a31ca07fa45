/*
 * vfio-migrate's model of a PCI config space, with arbitrary device data
 *
 * Owns: lists that do not end or that lead outside, and which bits are
 * compared.
 * Does not own: whether the model matches QEMU
 * (tests/qtest/vfio-compare-test.c).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include <glib.h>
#include <linux/pci_regs.h>
#include "pci-config.h"

#define ROUNDS 4000

static const uint64_t bars[PCI_CONFIG_BARS] = { 0x10000, 0, 0x4000 };

static bool parse(PciConfig *config, const uint8_t *bytes, unsigned size)
{
    g_autoptr(GString) hex = g_string_new(NULL);

    for (unsigned i = 0; i < size; i++) {
        g_string_append_printf(hex, "%02x", bytes[i]);
    }
    return pci_config_parse(config, hex->str, bars);
}

/* A device with a capability list that starts at @first */
static void fill(uint8_t *bytes, uint8_t first)
{
    memset(bytes, 0, PCI_CONFIG_EXTENDED_BYTES);
    bytes[PCI_STATUS] = PCI_STATUS_CAP_LIST;
    bytes[PCI_CAPABILITY_LIST] = first;
}

static void test_text(void)
{
    g_autofree char *zeros = g_strnfill(2 * PCI_CONFIG_BYTES, '0');
    PciConfig config;

    g_assert_false(pci_config_parse(&config, NULL, bars));
    g_assert_false(pci_config_parse(&config, "", bars));
    g_assert_true(pci_config_parse(&config, zeros, bars));
    g_assert_cmpuint(config.size, ==, PCI_CONFIG_BYTES);
    zeros[77] = 'g';
    g_assert_false(pci_config_parse(&config, zeros, bars));
    zeros[510] = 0;
    g_assert_false(pci_config_parse(&config, zeros, bars));
}

static void test_lists(void)
{
    static const struct {
        uint8_t first, next;    /* of a capability at 0x40 */
        bool good;
    } lists[] = {
        { 0x40, 0, true }, { 0x40, 0x40, false }, { 0x40, 0x3c, false },
        { 0x10, 0, false }, { 0xfc, 0, true }, { 0xfd, 0, false },
        { 0xff, 0, false }, { 0x40, 0xfc, true }, { 0, 0, true },
    };
    uint8_t bytes[PCI_CONFIG_EXTENDED_BYTES];
    PciConfig config;

    for (unsigned i = 0; i < G_N_ELEMENTS(lists); i++) {
        for (unsigned id = 0; id < 0x20; id++) {
            fill(bytes, lists[i].first);
            bytes[0x40] = id;
            bytes[0x41] = lists[i].next;
            bytes[0xfc] = id;
            g_assert_true(parse(&config, bytes, PCI_CONFIG_BYTES) ==
                          lists[i].good);
        }
    }
}

/* Flip one bit at @at and return whether QEMU refuses that. */
static bool refused(const uint8_t *bytes, unsigned at, uint8_t bit)
{
    uint8_t other[PCI_CONFIG_BYTES];
    PciConfig here, there;

    memcpy(other, bytes, sizeof(other));
    other[at] ^= bit;
    g_assert_true(parse(&here, other, PCI_CONFIG_BYTES));
    g_assert_true(parse(&there, bytes, PCI_CONFIG_BYTES));
    return pci_config_refused(&here, &there, at);
}

static void test_bits(void)
{
    uint8_t bytes[PCI_CONFIG_EXTENDED_BYTES];

    fill(bytes, 0x40);
    bytes[0x40] = PCI_CAP_ID_MSI;
    bytes[0x41] = 0x60;
    bytes[0x42] = PCI_MSI_FLAGS_64BIT;
    bytes[0x60] = PCI_CAP_ID_MSIX;
    bytes[0x61] = 0x70;
    bytes[0x70] = PCI_CAP_ID_PM;
    bytes[PCI_BASE_ADDRESS_0] = PCI_BASE_ADDRESS_MEM_TYPE_64;

    g_assert_true(refused(bytes, PCI_VENDOR_ID, 1));
    g_assert_true(refused(bytes, PCI_REVISION_ID, 0x80));
    g_assert_false(refused(bytes, PCI_COMMAND, PCI_COMMAND_MASTER));
    g_assert_false(refused(bytes, PCI_SUBSYSTEM_ID, 1));
    g_assert_false(refused(bytes, PCI_HEADER_TYPE, 0x80));
    g_assert_true(refused(bytes, PCI_BASE_ADDRESS_0, 0x8));
    g_assert_false(refused(bytes, PCI_BASE_ADDRESS_0, 0x10));
    g_assert_false(refused(bytes, PCI_BASE_ADDRESS_1, 0x8));    /* no BAR */

    g_assert_false(refused(bytes, 0x42, PCI_MSI_FLAGS_ENABLE));
    g_assert_false(refused(bytes, 0x42, 0x10));         /* vectors in use */
    g_assert_true(refused(bytes, 0x42, 0x02));          /* vectors */
    g_assert_false(refused(bytes, 0x44, 0x04));         /* address */
    g_assert_false(refused(bytes, 0x4e, 0x01));         /* after it */
    g_assert_false(refused(bytes, 0x63, PCI_MSIX_FLAGS_ENABLE >> 8));
    g_assert_true(refused(bytes, 0x62, 0x01));
    g_assert_true(refused(bytes, 0x65, 0x01));          /* table offset */
    g_assert_false(refused(bytes, 0x6c, 0x01));         /* after it */
    g_assert_true(refused(bytes, 0x74, 0x01));          /* power state */
    g_assert_true(refused(bytes, 0xff, 0x01));          /* up to the end */
}

static unsigned count_extended(const PciConfig *config)
{
    unsigned at = 0, bytes, n = 0;

    while (n < 2000 && (at = pci_config_next_extended(config, at, &bytes))) {
        g_assert_cmpuint(at + bytes, <=, PCI_CONFIG_EXTENDED_BYTES);
        n++;
    }
    return n;
}

static void put_extended(uint8_t *bytes, unsigned at, unsigned id,
                         unsigned next)
{
    bytes[at] = id;
    bytes[at + 2] = 1 | next << 4;
    bytes[at + 3] = next >> 4;
}

static void test_extended(void)
{
    uint8_t bytes[PCI_CONFIG_EXTENDED_BYTES];
    PciConfig config;
    unsigned size;

    fill(bytes, 0);
    put_extended(bytes, 0x100, PCI_EXT_CAP_ID_DSN, 0x140);
    put_extended(bytes, 0x140, PCI_EXT_CAP_ID_SRIOV, 0xffc);
    put_extended(bytes, 0xffc, PCI_EXT_CAP_ID_ERR, 0);
    g_assert_true(parse(&config, bytes, sizeof(bytes)));
    g_assert_cmpuint(count_extended(&config), ==, 2);
    g_assert_cmphex(pci_config_next_extended(&config, 0, &size), ==, 0x100);
    g_assert_cmphex(size, ==, 0x40);
    g_assert_cmphex(pci_config_next_extended(&config, 0x100, &size), ==,
                    0xffc);
    g_assert_cmphex(size, ==, 4);
}

/* Whatever a device reports: it matches itself, and all loops terminate. */
static void test_random(void)
{
    uint8_t bytes[PCI_CONFIG_EXTENDED_BYTES];
    PciConfig config;
    unsigned good = 0;

    for (unsigned round = 0; round < ROUNDS; round++) {
        bool extended = round % 16 == 0;

        fill(bytes, g_test_rand_int_range(0x40, 0x100));
        for (unsigned i = 0x40; i < (extended ? sizeof(bytes)
                                              : PCI_CONFIG_BYTES); i++) {
            bytes[i] = i % 2 && g_test_rand_bit() ? 0
                       : g_test_rand_int_range(0, 0x100);
        }
        if (!parse(&config, bytes, extended ? sizeof(bytes)
                                            : PCI_CONFIG_BYTES)) {
            continue;
        }
        good++;
        for (unsigned i = 0; i < PCI_CONFIG_BYTES; i++) {
            g_autofree char *name = pci_config_name(&config, i);

            g_assert_cmpint(strlen(name), >, 0);
            g_assert_false(pci_config_refused(&config, &config, i));
        }
        count_extended(&config);
    }
    g_assert_cmpuint(good, >, ROUNDS / 100);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pci-config/text", test_text);
    g_test_add_func("/pci-config/lists", test_lists);
    g_test_add_func("/pci-config/bits", test_bits);
    g_test_add_func("/pci-config/extended", test_extended);
    g_test_add_func("/pci-config/random", test_random);
    return g_test_run();
}
