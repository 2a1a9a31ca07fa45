/*
 * vfio-migrate: does a guest see a difference between two PCI devices?
 *
 * Owns: comparing identity, config space, BARs and interrupts of two devices,
 * and the effect of each difference.
 * Does not own: which bytes QEMU compares (pci-config.c).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include <linux/pci_regs.h>
#include "compare.h"
#include "json.h"
#include "pci-config.h"
#include "screen.h"

#define ROM_INDEX 6
#define REFUSES "QEMU there refuses the device's PCI configuration, at the " \
                "end of the migration"

/* ---- regions ---- */

static uint64_t region_bytes(JsonObject *device, int index)
{
    JsonArray *regions = json_list(device, "regions");
    JsonObject *region;

    for (unsigned i = 0; (region = json_list_object(regions, i)); i++) {
        if (json_number(region, "index", -1) == index) {
            return json_hex(region, "bytes", 0);
        }
    }
    return 0;
}

/* Our code checks more than QEMU's own. */
static CompareEffect if_attached_there(const Compare *compare)
{
    return json_flag(json_child(compare->there, "qemu"), "attached", false)
           ? COMPARE_BLOCKS : COMPARE_MAY_FAIL;
}

static void compare_region(Compare *compare, const char *what, uint64_t here,
                           uint64_t there)
{
    g_autofree char *size_here = screen_size(here);
    g_autofree char *size_there = screen_size(there);

    if (there > here) {
        compare_add(compare, COMPARE_MAY_FAIL, what, size_here, size_there,
                    "QEMU there refuses the device where the guest has put it "
                    "at an address that is no multiple of the larger size");
    } else if (there < here) {
        compare_add(compare, COMPARE_MAY_FAIL, what, size_here, size_there,
                    "QEMU does not notice: the guest's driver finds nothing "
                    "in the part that is missing there");
    }
}

static void compare_regions(Compare *compare, JsonObject *here,
                            JsonObject *there)
{
    for (int i = 0; i < (int)PCI_CONFIG_BARS; i++) {
        uint64_t bytes_here = region_bytes(here, i);
        uint64_t bytes_there = region_bytes(there, i);
        g_autofree char *what = g_strdup_printf("%sBAR %d", bytes_there
                                                ? "size of " : "", i);

        if (bytes_here && !bytes_there) {
            compare_add(compare, if_attached_there(compare), what, NULL,
                        "missing", "our code there refuses the device; QEMU's "
                        "own does not notice, and the guest's driver finds "
                        "nothing there");
        } else {
            compare_region(compare, what, bytes_here, bytes_there);
        }
    }
    compare_region(compare, "size of the ROM", region_bytes(here, ROM_INDEX),
                   region_bytes(there, ROM_INDEX));
}

/* ---- config space ---- */

static char *hex_bytes(const uint8_t *bytes, unsigned from, unsigned to)
{
    GString *text = g_string_new(NULL);

    for (unsigned i = from; i <= to; i++) {
        g_string_append_printf(text, "%s%02x", i > from ? " " : "", bytes[i]);
    }
    return g_string_free(text, false);
}

/* Link registers are hidden if the VM has the device on its root bus. */
static bool is_link_register(const PciConfig *config, unsigned at)
{
    unsigned capability = config->capability[at];
    unsigned offset = at - capability;

    return capability && config->raw[capability] == PCI_CAP_ID_EXP &&
           ((offset >= PCI_EXP_LNKCAP && offset < PCI_EXP_SLTCAP) ||
            (offset >= PCI_EXP_LNKCAP2 && offset < PCI_EXP_SLTCAP2));
}

/* One difference that begins at byte @from; @from to @to have one name */
static void add_refused(Compare *compare, const PciConfig *here,
                        const PciConfig *there, unsigned from, unsigned to)
{
    g_autofree char *name = pci_config_name(there, from);
    g_autofree char *name_here = pci_config_name(here, from);
    g_autofree char *text = NULL;
    g_autofree char *bytes_here = hex_bytes(here->value, from, to);
    g_autofree char *bytes_there = hex_bytes(there->value, from, to);
    bool link = is_link_register(there, from);

    text = g_strdup_printf("%s%s%s (byte 0x%02x)", REFUSES,
                           link ? ", unless the VM has it on the root bus of "
                                  "a q35 machine" : "",
                           strcmp(name, name_here) ? "; what is there is "
                           "something else here" : "", from);
    compare_add(compare, link ? COMPARE_MAY_FAIL : COMPARE_BLOCKS, name,
                bytes_here, bytes_there, text);
}

static bool same_thing(const PciConfig *config, unsigned a, unsigned b)
{
    g_autofree char *name_a = pci_config_name(config, a);
    g_autofree char *name_b = pci_config_name(config, b);

    return g_str_equal(name_a, name_b) &&
           is_link_register(config, a) == is_link_register(config, b);
}

static void compare_bytes(Compare *compare, const PciConfig *here,
                          const PciConfig *there)
{
    unsigned at = 0;

    while (at < PCI_CONFIG_BYTES) {
        unsigned last = at, next = at + 1;

        if (!pci_config_refused(here, there, at)) {
            at++;
            continue;
        }
        for (; next < PCI_CONFIG_BYTES && same_thing(there, at, next);
             next++) {
            if (pci_config_refused(here, there, next)) {
                last = next;
            }
        }
        add_refused(compare, here, there, at, last);
        at = next;
    }
}

/* ---- extended config space ---- */

/* QEMU exposes it only if the guest's bus is PCI Express. */
static CompareEffect express_effect(const Compare *compare)
{
    if (!compare->machine) {
        return COMPARE_MAY_FAIL;
    }
    return strstr(compare->machine, "q35") ? COMPARE_BLOCKS
                                           : COMPARE_HARMLESS;
}

static void compare_extended(Compare *compare, const PciConfig *here,
                             const PciConfig *there)
{
    unsigned left = PCI_CONFIG_EXTENDED_BYTES / 4;
    unsigned at = 0, bytes;

    while (left-- &&
           (at = pci_config_next_extended(there, at, &bytes))) {
        g_autofree char *what = NULL;

        if (!memcmp(here->raw + at, there->raw + at, bytes)) {
            continue;
        }
        what = g_strdup_printf("extended capability 0x%04x at 0x%03x",
                               pci_config_word(there, at), at);
        compare_add(compare, express_effect(compare), what, NULL, NULL,
                    "QEMU there refuses it for a VM that has the device on a "
                    "PCI Express bus (q35); with machine type pc nobody "
                    "looks at it");
    }
}

/* ---- differences that a guest may see, and QEMU does not check ---- */

static void compare_guest_sees(Compare *compare, const PciConfig *here,
                               const PciConfig *there)
{
    g_autofree char *id_here = NULL, *id_there = NULL;

    if (memcmp(here->raw + PCI_SUBSYSTEM_VENDOR_ID,
               there->raw + PCI_SUBSYSTEM_VENDOR_ID, 4)) {
        id_here = g_strdup_printf(
            "%04x:%04x", pci_config_word(here, PCI_SUBSYSTEM_VENDOR_ID),
            pci_config_word(here, PCI_SUBSYSTEM_ID));
        id_there = g_strdup_printf(
            "%04x:%04x", pci_config_word(there, PCI_SUBSYSTEM_VENDOR_ID),
            pci_config_word(there, PCI_SUBSYSTEM_ID));
        compare_add(compare, if_attached_there(compare), "subsystem id",
                    id_here, id_there, "it is another board: our code there "
                    "refuses it; QEMU's own does not, and a driver may");
    }
}

/* Our destination refuses another pin; QEMU would fail an assertion. */
static void compare_pin(Compare *compare, const PciConfig *here,
                        const PciConfig *there)
{
    uint8_t pin_here = here->raw[PCI_INTERRUPT_PIN];
    uint8_t pin_there = there->raw[PCI_INTERRUPT_PIN];

    if (pin_here != pin_there) {
        g_autofree char *text_here = g_strdup_printf("%u", pin_here);
        g_autofree char *text_there = g_strdup_printf("%u", pin_there);

        compare_add(compare, COMPARE_BLOCKS, "interrupt pin", text_here,
                    text_there, "the destination refuses the load");
    }
}

static bool parse(PciConfig *config, JsonObject *device)
{
    uint64_t bars[PCI_CONFIG_BARS];

    for (unsigned i = 0; i < PCI_CONFIG_BARS; i++) {
        bars[i] = region_bytes(device, i);
    }
    return pci_config_parse(config, json_text(device, "config"), bars);
}

void compare_pci(Compare *compare)
{
    JsonObject *here = json_child(compare->here, "device");
    JsonObject *there = json_child(compare->there, "device");
    PciConfig config_here, config_there;
    bool good_here = parse(&config_here, here);
    bool good_there = parse(&config_there, there);

    if (!good_here || !good_there) {
        compare_add(compare, COMPARE_MAY_FAIL, "PCI config space",
                    good_here ? "known" : "unknown",
                    good_there ? "known" : "unknown",
                    "what cannot be read cannot be compared");
        return;
    }
    if (config_here.size != config_there.size) {
        compare_add(compare, COMPARE_BLOCKS, "size of the config space",
                    config_here.size == PCI_CONFIG_BYTES ? "256" : "4096",
                    config_there.size == PCI_CONFIG_BYTES ? "256" : "4096",
                    "the other side reads a stream of another size");
    }
    compare_bytes(compare, &config_here, &config_there);
    compare_extended(compare, &config_here, &config_there);
    compare_regions(compare, here, there);
    compare_guest_sees(compare, &config_here, &config_there);
    compare_pin(compare, &config_here, &config_there);
}
