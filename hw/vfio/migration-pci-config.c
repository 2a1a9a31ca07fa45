/*
 * Does the source's PCI device match the local one?
 *
 * Owns: which fields of the configuration space must be equal, and how to
 * report those that are not. Does not own: loading it (pci.c), nor what the
 * registers mean to the device.
 *
 * Locks: BQL for vfio_mig_pci_check(); the comparison is pure.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/units.h"
#include "hw/pci/pci.h"
#include "migration/qemu-file.h"
#include "hw/vfio/migration-pci-config.h"

/*
 * Precedes the configuration space in the stream: a big-endian version. QEMU
 * also accepts lower ones, and reads the same layout for any version.
 */
#define LAYOUT_BYTES        4
#define LAYOUT_VERSION      2

/* Most capabilities that fit: at least 4 bytes each, after the header */
#define MAX_CAPS            48
#define FIRST_CAP           0x40

#define BAR_NONE            "absent or 32-bit memory"

static uint32_t get(const uint8_t *config, unsigned at, unsigned bytes)
{
    uint32_t value = 0;

    while (bytes--) {
        value = value << 8 | config[at + bytes];
    }
    return value;
}

static void G_GNUC_PRINTF(2, 3) differs(GString *why, const char *fmt, ...)
{
    va_list ap;

    if (why->len) {
        g_string_append(why, "; ");
    }
    va_start(ap, fmt);
    g_string_append_vprintf(why, fmt, ap);
    va_end(ap);
}

/* ---- what the device is ---- */

static void compare_identity(GString *why, const uint8_t *here,
                             const uint8_t *there)
{
    static const struct {
        const char *name;
        uint8_t at, bytes;
    } fields[] = {
        { "vendor", PCI_VENDOR_ID, 2 },
        { "device", PCI_DEVICE_ID, 2 },
        { "revision", PCI_REVISION_ID, 1 },
        { "class", PCI_CLASS_PROG, 3 },
        { "header type", PCI_HEADER_TYPE, 1 },
        { "subsystem vendor", PCI_SUBSYSTEM_VENDOR_ID, 2 },
        { "subsystem", PCI_SUBSYSTEM_ID, 2 },
        /* QEMU asserts if INTx of a device without a pin has a level. */
        { "interrupt pin", PCI_INTERRUPT_PIN, 1 },
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(fields); i++) {
        uint32_t a = get(here, fields[i].at, fields[i].bytes);
        uint32_t b = get(there, fields[i].at, fields[i].bytes);

        if (a != b) {
            differs(why, "its %s is 0x%0*x and 0x%0*x here", fields[i].name,
                    2 * fields[i].bytes, b, 2 * fields[i].bytes, a);
        }
    }
}

/* ---- capabilities ---- */

/* Offset of the capability after @at, or of the first if @at is 0; 0: none */
static uint8_t next_cap(const uint8_t *config, uint8_t at)
{
    uint8_t next = config[at ? at + PCI_CAP_LIST_NEXT : PCI_CAPABILITY_LIST];

    next &= ~3;
    if (!(get(config, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST)) {
        return 0;
    }
    return next < FIRST_CAP ? 0 : next;
}

static bool has_cap(const uint8_t *config, uint8_t offset, uint8_t id)
{
    uint8_t at = next_cap(config, 0);
    unsigned i;

    for (i = 0; at && i < MAX_CAPS; i++, at = next_cap(config, at)) {
        if (at == offset) {
            return config[at] == id;
        }
    }
    return false;
}

/* Offset of the first capability @id, or 0 */
static uint8_t find_cap(const uint8_t *config, uint8_t id)
{
    uint8_t at = next_cap(config, 0);
    unsigned i;

    for (i = 0; at && i < MAX_CAPS; i++, at = next_cap(config, at)) {
        if (config[at] == id) {
            return at;
        }
    }
    return 0;
}

/* Report the first capability of @config that @other lacks at that offset. */
static void missing_cap(GString *why, const uint8_t *config,
                        const uint8_t *other, const char *whose)
{
    uint8_t at = next_cap(config, 0);
    unsigned i;

    for (i = 0; at && i < MAX_CAPS; i++, at = next_cap(config, at)) {
        if (!has_cap(other, at, config[at])) {
            differs(why, "capability 0x%02x at offset 0x%02x is %s only",
                    config[at], at, whose);
            return;
        }
    }
}

static void compare_capabilities(GString *why, const uint8_t *here,
                                 const uint8_t *there)
{
    uint8_t msix = find_cap(here, PCI_CAP_ID_MSIX);
    unsigned a, b;

    missing_cap(why, there, here, "there");
    missing_cap(why, here, there, "here");
    if (msix && has_cap(there, msix, PCI_CAP_ID_MSIX)) {
        a = (get(here, msix + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE) + 1;
        b = (get(there, msix + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE) + 1;
        if (a != b) {
            differs(why, "it has %u MSI-X vectors and %u here", b, a);
        }
    }
}

/* ---- BARs ---- */

static bool is_io(uint32_t bar)
{
    return bar & PCI_BASE_ADDRESS_SPACE_IO;
}

static bool is_64_bit(uint32_t bar)
{
    return !is_io(bar) && (bar & PCI_BASE_ADDRESS_MEM_TYPE_MASK) ==
           PCI_BASE_ADDRESS_MEM_TYPE_64;
}

static uint32_t type_bits(uint32_t bar)
{
    return bar & (is_io(bar) ? 3 : 15);
}

static const char *type_name(uint32_t bar)
{
    if (is_io(bar)) {
        return "I/O ports";
    }
    if (is_64_bit(bar)) {
        return bar & PCI_BASE_ADDRESS_MEM_PREFETCH ?
               "64-bit prefetchable memory" : "64-bit memory";
    }
    if (bar & PCI_BASE_ADDRESS_MEM_PREFETCH) {
        return "32-bit prefetchable memory";
    }
    return bar ? "32-bit memory" : BAR_NONE;
}

static char *size_name(uint64_t bytes)
{
    if (bytes >= GiB && bytes % GiB == 0) {
        return g_strdup_printf("%" PRIu64 " GiB", bytes / GiB);
    }
    if (bytes >= MiB && bytes % MiB == 0) {
        return g_strdup_printf("%" PRIu64 " MiB", bytes / MiB);
    }
    if (bytes >= KiB && bytes % KiB == 0) {
        return g_strdup_printf("%" PRIu64 " KiB", bytes / KiB);
    }
    return g_strdup_printf("%" PRIu64 " bytes", bytes);
}

/* With x-msix-relocation QEMU adds a BAR that the hardware lacks. */
static bool holds_msix(const uint8_t *config, unsigned bar)
{
    uint8_t msix = find_cap(config, PCI_CAP_ID_MSIX);

    return msix && msix + PCI_MSIX_PBA + 4 <= VFIO_MIG_PCI_HEADER_BYTES &&
           ((config[msix + PCI_MSIX_TABLE] & PCI_MSIX_TABLE_BIR) == bar ||
            (config[msix + PCI_MSIX_PBA] & PCI_MSIX_PBA_BIR) == bar);
}

/* Compare a BAR that both sides have, with the same type. */
static void compare_address(GString *why, const uint8_t *there, unsigned bar,
                            uint64_t size)
{
    unsigned at = PCI_BASE_ADDRESS_0 + 4 * bar;
    uint32_t low = get(there, at, 4);
    uint64_t address = low & ~type_bits(low);

    if (is_64_bit(low) && bar + 1 < VFIO_MIG_PCI_BARS) {
        address |= (uint64_t)get(there, at + 4, 4) << 32;
    }
    if (size && !(size & (size - 1)) && (address & (size - 1))) {
        g_autofree char *name = size_name(size);

        differs(why, "BAR %u is %s here but the source has it at 0x%" PRIx64
                ", which only a smaller one can have", bar, name, address);
    }
}

static void compare_bars(GString *why, const uint8_t *here,
                         const uint8_t *there,
                         const uint64_t bar_size[VFIO_MIG_PCI_BARS])
{
    unsigned bar;

    for (bar = 0; bar < VFIO_MIG_PCI_BARS; bar++) {
        unsigned at = PCI_BASE_ADDRESS_0 + 4 * bar;
        uint32_t a = get(here, at, 4);
        uint32_t b = get(there, at, 4);

        if (!bar_size[bar] && !holds_msix(here, bar)) {
            if (b) {
                differs(why, "BAR %u is absent here but the source has it "
                        "(0x%x)", bar, b);
            }
        } else if (type_bits(a) != type_bits(b)) {
            differs(why, "BAR %u is %s here and %s on the source", bar,
                    type_name(a), type_name(b));
        } else {
            compare_address(why, there, bar, bar_size[bar]);
        }
        bar += is_64_bit(a);    /* skip its upper half */
    }
}

char *vfio_mig_pci_compare(const uint8_t *here, const uint8_t *there,
                           const uint64_t bar_size[VFIO_MIG_PCI_BARS])
{
    GString *why = g_string_new(NULL);

    compare_identity(why, here, there);
    compare_capabilities(why, here, there);
    compare_bars(why, here, there, bar_size);
    return g_string_free(why, why->len == 0);
}

/* ---- the local device ---- */

static int read_bar_sizes(VFIODevice *vbasedev,
                          uint64_t bar_size[VFIO_MIG_PCI_BARS], Error **errp)
{
    unsigned bar;
    int ret;

    for (bar = 0; bar < VFIO_MIG_PCI_BARS; bar++) {
        g_autofree struct vfio_region_info *info = NULL;

        ret = vfio_get_region_info(vbasedev, VFIO_PCI_BAR0_REGION_INDEX + bar,
                                   &info);
        if (ret) {
            error_setg_errno(errp, -ret, "%s: cannot read the size of BAR %u",
                             vbasedev->name, bar);
            return ret;
        }
        bar_size[bar] = info->size;
    }
    return 0;
}

int vfio_mig_pci_check(VFIODevice *vbasedev, QEMUFile *f, Error **errp)
{
    PCIDevice *pdev = (PCIDevice *)object_dynamic_cast(OBJECT(vbasedev->dev),
                                                       TYPE_PCI_DEVICE);
    uint8_t here[VFIO_MIG_PCI_HEADER_BYTES];
    uint64_t bar_size[VFIO_MIG_PCI_BARS];
    g_autofree char *why = NULL;
    uint8_t *blob;
    unsigned i;
    int ret;

    if (!pdev ||
        qemu_peek_buffer(f, &blob, LAYOUT_BYTES + sizeof(here), 0) <
        LAYOUT_BYTES + sizeof(here) ||
        memcmp(blob, (uint8_t[LAYOUT_BYTES - 1]) { 0 }, LAYOUT_BYTES - 1) ||
        blob[LAYOUT_BYTES - 1] > LAYOUT_VERSION) {
        return 0;
    }
    ret = read_bar_sizes(vbasedev, bar_size, errp);
    if (ret < 0) {
        return ret;
    }
    for (i = 0; i < sizeof(here); i++) {
        here[i] = pci_default_read_config(pdev, i, 1);
    }
    why = vfio_mig_pci_compare(here, blob + LAYOUT_BYTES, bar_size);
    if (!why) {
        return 0;
    }
    error_setg(errp, "%s: the source's device does not fit the one here: %s",
               vbasedev->name, why);
    return -EINVAL;
}
