/*
 * Pairs of devices that do or do not match: vfio-migrate's prediction, and what
 * QEMU does
 *
 * Owns: the catalogue. For each pair, 'vfio-migrate facts' is run for both
 * sides, on the simulated device; 'vfio-migrate compare' must report the
 * difference with its effect and nothing worse; then the pair is migrated
 * between two QEMUs, with the predicted outcome.
 * Does not own: the tool's command line (test-vfio-migrate.c).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "vfio-test.h"

#include <string.h>

#include "../tools/run.h"
#include "qtest-json.h"

#define SLOT MACHINE_FIRST_SLOT
#define BAR0 0x10

typedef struct Row {
    const char *name;
    /* Keys of dev0 or, with "container.", of the container; separated by '|' */
    const char *src, *dst;
    const char *src_fault, *dst_fault;
    const char *effect;         /* the worst of all differences */
    const char *what;           /* a difference like that; NULL: none */
    const char *fails;          /* words of QEMU's error; NULL: the VM moves */
    const char *machine;        /* NULL: pc */
    uint32_t bar0_offset;       /* added by the guest to the address of BAR 0 */
} Row;

#define BLOCKS      .effect = "blocks"
#define MAY_FAIL    .effect = "may-fail"
#define HARMLESS    .effect = "harmless"
/* The reason from our code, or QEMU's error where ours cannot give one */
#define UNFIT       .fails = "does not fit the one here"
#define REFUSED     .fails = "Bad config data"
#define LOOKS_LIKE(protocol) \
    .fails = "looks like that of a device with protocol " protocol ","

/*
 * The device has the capabilities power management (0x40) and MSI-X (0x50).
 * Most rows add another one behind them, at 0x60.
 */
#define CAP(bytes)  "config=0x51:60;0x60:" bytes
#define MSI(flags)  CAP("0500" flags)
#define EXTENDED(serial) EXPRESS("00") ";0x100:0300c110 " serial
#define EXPRESS(link) CAP("1000 0200 00000000 00000000 " link)

#define V1_LARGE "window-size=2M|chunk-size=2M|state-size=4M|precopy-size=0"
/* Protocol v2 as in that version of the kernel */
#define V2(kernel) "protocol=v2|kernel=" kernel
#define V2_PRECOPY(size) V2("6.2") "|pre-copy=yes|precopy-size=" size
#define V2_ALL V2_PRECOPY("64K") "|p2p=yes|log=yes"

static const Row rows[] = {
    /* ---- the same ---- */
    { "same", HARMLESS },

    /* ---- identity ---- */
    { "vendor", .dst = "vendor-id=0x1b37", BLOCKS, .what = "vendor id",
      UNFIT },
    { "device", .dst = "device-id=0xff", BLOCKS, .what = "device id",
      UNFIT },
    { "revision", .dst = "config=0x08:02", BLOCKS, .what = "revision",
      UNFIT },
    { "class", .dst = "config=0x0a:8002", BLOCKS, .what = "class", UNFIT },
    { "programming-interface", .src = "config=0x09:01", BLOCKS,
      .what = "class", UNFIT },
    { "header-type", .dst = "config=0x0e:02", BLOCKS, .what = "header type",
      UNFIT },
    { "multifunction", .dst = "config=0x0e:80", HARMLESS },
    { "subsystem", .dst = "config=0x2e:07", BLOCKS, .what = "subsystem id",
      UNFIT },

    /* ---- MSI-X ---- */
    { "msix-more", .dst = "msix-vectors=16", BLOCKS,
      .what = "MSI-X capability (0x11) at 0x50", UNFIT },
    { "msix-fewer", .dst = "msix-vectors=4", BLOCKS,
      .what = "MSI-X capability (0x11) at 0x50", UNFIT },
    { "msix-gone", .dst = "msix-vectors=0", BLOCKS,
      .what = "power management capability (0x01) at 0x40", UNFIT },
    { "msix-new", .src = "msix-vectors=0", BLOCKS,
      .what = "MSI-X capability (0x11) at 0x50", UNFIT },
    { "msix-table", .dst = "config=0x54:02100000", BLOCKS,
      .what = "MSI-X capability (0x11) at 0x50", REFUSED },

    /* ---- MSI ---- */
    { "msi-same", .src = MSI("8400"), .dst = MSI("8400"), HARMLESS },
    { "msi-new", .dst = MSI("8000"), BLOCKS,
      .what = "MSI-X capability (0x11) at 0x50", UNFIT },
    { "msi-gone", .src = MSI("8000"), BLOCKS,
      .what = "MSI-X capability (0x11) at 0x50", UNFIT },
    { "msi-vectors", .src = MSI("8400"), .dst = MSI("8600"), BLOCKS,
      .what = "MSI capability (0x05) at 0x60", REFUSED },
    { "msi-32-bit", .src = MSI("8000"), .dst = MSI("0000"), BLOCKS,
      .what = "MSI capability (0x05) at 0x60", REFUSED },
    { "msi-maskable", .src = MSI("8000"), .dst = MSI("8001"), BLOCKS,
      .what = "MSI capability (0x05) at 0x60", REFUSED },
    { "msi-enabled-at-start", .src = MSI("8000"), .dst = MSI("8100"),
      HARMLESS },

    /* ---- other capabilities ---- */
    { "power-management-gone", .dst = "config=0x34:50", BLOCKS,
      .what = "first capability", UNFIT },
    { "power-management-version", .dst = "config=0x42:02", BLOCKS,
      .what = "power management capability (0x01) at 0x40", REFUSED },
    { "soft-reset", .dst = "config=0x44:00", BLOCKS,
      .what = "power management capability (0x01) at 0x40", REFUSED },
    { "capabilities-in-another-order", .dst = "config=0x34:50;0x51:40;"
      "0x41:00", BLOCKS, .what = "first capability", REFUSED },
    { "no-capabilities", .dst = "config=0x06:00", BLOCKS,
      .what = "capability bit of the status", UNFIT },
    { "vendor-capability-new", .dst = CAP("0900 10"), BLOCKS,
      .what = "MSI-X capability (0x11) at 0x50", UNFIT },
    { "vendor-capability-length", .src = CAP("0900 10"),
      .dst = CAP("0900 14"), BLOCKS,
      .what = "vendor's capability (0x09) at 0x60", REFUSED },
    { "vendor-capability-content", .src = CAP("0900 10 00 01020304"),
      .dst = CAP("0900 10 00 01020305"), BLOCKS,
      .what = "vendor's capability (0x09) at 0x60", REFUSED },
    { "vital-product-data", .src = CAP("0300 0000 01020304"),
      .dst = CAP("0300 0000 01020306"), BLOCKS,
      .what = "vital product data capability (0x03) at 0x60", REFUSED },
    { "advanced-features", .src = CAP("1300 06 03"),
      .dst = CAP("1300 06 01"), BLOCKS,
      .what = "advanced features capability (0x13) at 0x60", REFUSED },
    { "express-new", .dst = EXPRESS("00"), BLOCKS,
      .what = "MSI-X capability (0x11) at 0x50", UNFIT },
    { "express-version", .src = EXPRESS("00"),
      .dst = CAP("1000 0100 00000000 00000000 00"), BLOCKS,
      .what = "PCI Express capability (0x10) at 0x60", REFUSED },
    { "express-payload", .src = EXPRESS("00"),
      .dst = CAP("1000 0200 01000000 00000000 00"), BLOCKS,
      .what = "PCI Express capability (0x10) at 0x60", REFUSED },
    { "express-link-pc", .src = EXPRESS("11"), .dst = EXPRESS("12"), MAY_FAIL,
      .what = "PCI Express capability (0x10) at 0x60", REFUSED },
    { "express-link-q35", .src = EXPRESS("11"), .dst = EXPRESS("12"),
      MAY_FAIL, .what = "PCI Express capability (0x10) at 0x60",
      .machine = "q35" },
    { "extended-q35", .src = EXTENDED("01"), .dst = EXTENDED("02"), MAY_FAIL,
      .what = "extended capability 0x0003 at 0x100", REFUSED,
      .machine = "q35" },
    { "extended-pc", .src = EXTENDED("01"), .dst = EXTENDED("02"), MAY_FAIL,
      .what = "extended capability 0x0003 at 0x100" },
    { "extended-hidden-q35", .src = EXTENDED("01") ";0x10c:10000100 01",
      .dst = EXTENDED("01") ";0x10c:10000100 02", HARMLESS,
      .machine = "q35" },
    { "extended-gone", .src = EXTENDED("01"), .dst = EXPRESS("00"), BLOCKS,
      .what = "size of the config space", .fails = "Failed to load" },
    { "bytes-of-no-capability", .dst = "config=0x38:11", HARMLESS },

    /* ---- BARs and interrupts ---- */
    { "bar-32-bit", .dst = "config=0x10:00", BLOCKS, .what = "type of BAR 0",
      UNFIT },
    { "bar-prefetchable", .dst = "config=0x10:0c", BLOCKS,
      .what = "type of BAR 0", UNFIT },
    { "bar-larger-address-does-not-fit", .dst = "bar0-size=1M", MAY_FAIL,
      .what = "size of BAR 0", .bar0_offset = 0x10000, UNFIT },
    { "bar-larger-address-fits", .dst = "bar0-size=1M", MAY_FAIL,
      .what = "size of BAR 0" },
    { "bar-smaller", .src = "bar0-size=1M", MAY_FAIL,
      .what = "size of BAR 0" },
    { "interrupt-pin-new", .dst = "intx=yes", BLOCKS,
      .what = "interrupt pin", UNFIT },
    { "interrupt-pin-gone", .src = "intx=yes", BLOCKS,
      .what = "interrupt pin", UNFIT },

    /* ---- migration ---- */
    { "source-no-region", .src = "migration=no", BLOCKS,
      .what = "device cannot migrate", .fails = "migration region" },
    { "source-empty-region", .src = "migration=zero-size", BLOCKS,
      .what = "device cannot migrate", .fails = "size 0" },
    { "source-region-unknown", .src = "migration=info-error", BLOCKS,
      .what = "device cannot migrate", .fails = "migration region" },
    { "source-state-unreadable", .src_fault = "event=state-read;errno=EIO",
      BLOCKS, .what = "device cannot migrate", .fails = "Input/output error" },
    { "destination-no-region", .dst = "migration=no", BLOCKS,
      .what = "device cannot migrate", .fails = "" },
    { "destination-empty-region", .dst = "migration=zero-size", BLOCKS,
      .what = "device cannot migrate", .fails = "" },
    { "destination-region-unknown", .dst = "migration=info-error", BLOCKS,
      .what = "device cannot migrate", .fails = "" },
    { "destination-state-unreadable", .dst_fault = "event=state-read;"
      "errno=EIO", BLOCKS, .what = "device cannot migrate", .fails = "" },
    { "window-smaller-refused", .dst = "window-size=32K|chunk-size=32K",
      MAY_FAIL, .what = "size of the migration region",
      .fails = "Invalid argument" },
    { "window-smaller-taken", .dst = "window-size=32K|chunk-size=32K|"
      "split=allow", MAY_FAIL, .what = "size of the migration region" },
    { "window-larger", .dst = "window-size=128K", HARMLESS,
      .what = "size of the migration region" },
    { "mapped-to-trapped", .dst = "areas=none", HARMLESS,
      .what = "data can be mapped" },
    { "no-reset", .dst = "reset=no", HARMLESS,
      .what = "device can be reset" },

    /* ---- protocol v2 ---- */
    { "v2-same", .src = V2("6.2"), .dst = V2("6.2"), HARMLESS },
    { "v2-all-same", .src = V2_ALL, .dst = V2_ALL, HARMLESS },
    { "v2-to-v1", .src = V2("6.2"), BLOCKS, .what = "migration protocol",
      LOOKS_LIKE("v2") },
    { "v1-to-v2", .dst = V2("6.2"), BLOCKS, .what = "migration protocol",
      .fails = "the same kernel series, driver and firmware" },
    { "v1-to-v2-large-chunks", .src = V1_LARGE, .dst = V2("6.2"), BLOCKS,
      .what = "migration protocol", LOOKS_LIKE("v1") },
    { "v1-to-v2-at-end", .src = V1_LARGE, .dst = V2("6.2") "|data-check=stop",
      BLOCKS, .what = "migration protocol", LOOKS_LIKE("v1") },
    { "v2-p2p-gone", .src = V2("6.2") "|p2p=yes", .dst = V2("6.2"), HARMLESS,
      .what = "p2p" },
    { "v2-p2p-new", .src = V2("6.2"), .dst = V2("6.2") "|p2p=yes", MAY_FAIL,
      .what = "p2p" },
    { "v2-pre-copy-gone-refused", .src = V2_PRECOPY("64K"), .dst = V2("6.2"),
      MAY_FAIL, .what = "pre-copy", .fails = "Invalid argument" },
    { "v2-pre-copy-gone-taken", .src = V2_PRECOPY("0"), .dst = V2("6.2"),
      MAY_FAIL, .what = "pre-copy" },
    { "v2-pre-copy-new", .src = V2("6.2"), .dst = V2_PRECOPY("64K"),
      HARMLESS, .what = "pre-copy" },
    { "v2-log-gone", .src = V2("6.2") "|log=yes", .dst = V2("6.2"), HARMLESS,
      .what = "DMA log of the device" },
    { "v2-log-new", .src = V2("6.2"), .dst = V2("6.2") "|log=yes", HARMLESS,
      .what = "DMA log of the device" },
    { "v2-log-instead-of-iommu", .src = V2("6.2") "|log=yes|"
      "container.dirty-tracking=no", .dst = V2("6.2") "|log=yes|"
      "container.dirty-tracking=no", HARMLESS },
    { "v2-no-dirty-pages", .src = V2("6.2") "|container.dirty-tracking=no",
      .dst = V2("6.2") "|container.dirty-tracking=no", HARMLESS,
      .what = "dirty pages are told" },
    { "v2-size-not-told", .src = V2("6.1"), .dst = V2("6.2"), HARMLESS,
      .what = "size of the state" },
    { "v2-size-told", .src = V2("6.2"), .dst = V2("6.1"), HARMLESS },
    { "v2-unknown-is-invalid", .src = V2("6.1") "|unknown-feature=EINVAL",
      .dst = V2("6.1") "|unknown-feature=EINVAL", HARMLESS,
      .what = "size of the state" },
    { "v2-source-no-stop-copy", .src = V2("6.2"), .dst = V2("6.2"),
      .src_fault = "event=migration-flags;value=2", BLOCKS,
      .what = "device cannot migrate", .fails = "stop-copy" },
    { "v2-source-flags-unreadable", .src = V2("6.2"), .dst = V2("6.2"),
      .src_fault = "event=migration-flags;errno=EIO", BLOCKS,
      .what = "device cannot migrate", .fails = "Input/output error" },
    { "v2-destination-no-stop-copy", .src = V2("6.2"), .dst = V2("6.2"),
      .dst_fault = "event=migration-flags;value=2", BLOCKS,
      .what = "device cannot migrate", .fails = "" },
    { "v2-destination-state-unreadable", .src = V2("6.2"), .dst = V2("6.2"),
      .dst_fault = "event=state-read;errno=EIO", BLOCKS,
      .what = "device cannot migrate", .fails = "" },
    { "v2-state-after-opening", .src = V2("6.2"), .dst = V2("6.2"),
      .src_fault = "event=state-read;value=1", MAY_FAIL,
      .what = "state after opening" },
    { "v2-no-reset", .src = V2("6.2"), .dst = V2("6.2") "|reset=no",
      HARMLESS, .what = "device can be reset" },

    /* ---- IOMMU ---- */
    { "source-not-type1", .src = "container.iommu-type=spapr", BLOCKS,
      .what = "device cannot be opened", .fails = "IOMMU" },
    { "destination-not-type1", .dst = "container.iommu-type=spapr", BLOCKS,
      .what = "device cannot be opened", .fails = "" },
    { "addresses-not-from-0", .dst = "container.iova-ranges=1M+1T", BLOCKS,
      .what = "addresses of the IOMMU", .fails = "dev0" },
    { "addresses-too-few", .dst = "container.iova-ranges=0+16M", MAY_FAIL,
      .what = "addresses of the IOMMU", .fails = "dev0" },
    { "addresses-enough", .dst = "container.iova-ranges=0+1T", MAY_FAIL,
      .what = "addresses of the IOMMU" },
    { "mappings-too-few", .dst = "container.max-mappings=2", MAY_FAIL,
      .what = "mappings of the IOMMU", .fails = "dev0" },
    { "mappings-enough", .dst = "container.max-mappings=1000", MAY_FAIL,
      .what = "mappings of the IOMMU" },
    { "large-pages", .dst = "container.page-sizes=2M", BLOCKS,
      .what = "pages of the IOMMU", .fails = "dev0" },
    { "source-no-dirty-pages", .src = "container.dirty-tracking=no",
      HARMLESS, .what = "dirty pages are told" },
    { "destination-no-dirty-pages", .dst = "container.dirty-tracking=no",
      HARMLESS, .what = "dirty pages are told" },
};

/* ---- the prediction of the tool ---- */

static void set_keys(VFIOSide *side, const char *keys)
{
    g_auto(GStrv) pairs = g_strsplit(keys ? keys : "", "|", -1);

    for (char **p = pairs; *p; p++) {
        g_auto(GStrv) pair = g_strsplit(*p, "=", 2);

        if (g_str_has_prefix(pair[0], "container.")) {
            vfio_side_container(side, pair[0] + strlen("container."),
                                pair[1]);
        } else {
            vfio_side_set(side, "dev0", pair[0], "%s", pair[1]);
        }
    }
}

/* Output of a program; @config, if not NULL, is the simulation's */
static char *run(const char *config, int wanted, const char *const *argv)
{
    g_auto(GStrv) env = g_get_environ();
    g_auto(Outcome) o = { 0 };

    if (config) {
        env = g_environ_setenv(env, "LD_PRELOAD", SIM_LIBRARY, true);
        env = g_environ_setenv(env, "VFIO_SIM_CONFIG", config, true);
    }
    o = run_program(NULL, env, argv);
    if (o.status != wanted) {
        qtest_fail("%s %s ended with %d, not %d:\n%s%s", argv[0], argv[1],
                   o.status, wanted, o.output, o.errors);
    }
    return g_steal_pointer(&o.output);
}

/* File with the side's facts. Its QEMU must not run, as it holds the device. */
static char *side_facts(VFIOSide *side)
{
    g_autofree char *config = g_build_filename(side->dir, "facts.conf", NULL);
    g_autofree char *device = g_build_filename(side->dir, "dev0", NULL);
    char *path = g_build_filename(side->dir, "facts.json", NULL);
    g_autofree char *links = NULL, *text = NULL;

    g_assert_true(g_key_file_save_to_file(side->config, config, NULL));
    links = run(NULL, 0, (const char *[]) { SIM_SETUP, config, side->dir,
                                            NULL });
    text = run(config, 0, (const char *[]) {
                   TOOL_PROGRAM, "facts", "--yes", "--qemu", WRAPPER, device,
                   NULL });
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    return path;
}

static QDict *compare(VFIOPair *pair, const Row *row)
{
    g_autofree char *here = side_facts(pair->src);
    g_autofree char *there = side_facts(pair->dst);
    g_autofree char *text = run(NULL, !strcmp(row->effect, "blocks"),
                                (const char *[]) {
        TOOL_PROGRAM, "compare", "--json", here, there, NULL });

    g_test_message("%s", text);
    return qdict_from_text(text);
}

static void expect_predicted(VFIOPair *pair, const Row *row)
{
    QDict *report = compare(pair, row);
    QList *differences = qdict_get_qlist(report, "differences");
    bool found = !row->what && !json_array_get_length(differences);

    g_assert_cmpstr(qdict_get_str(report, "worst"), ==, row->effect);
    for (unsigned i = 0; i < json_array_get_length(differences); i++) {
        QDict *d = json_array_get_object_element(differences, i);

        found |= !g_strcmp0(qdict_get_str(d, "what"), row->what) &&
                 !strcmp(qdict_get_str(d, "effect"), row->effect);
    }
    if (!found) {
        qtest_fail("'%s' is not said, or something else is",
                   row->what ? row->what : "nothing");
    }
    qobject_unref(report);
}

/* ---- the outcome in QEMU ---- */

/* Returns why the side did not start, or NULL. */
static char *start_side(VFIOSide *side)
{
    vfio_side_try_start(side);
    if (!qtest_probe_child(side->qts)) {
        return qtest_stderr(side->qts);
    }
    migrate_defaults(side->qts);
    return NULL;
}

static void program(VFIOPair *pair, const Row *row)
{
    vfio_side_program(pair->src);
    if (row->bar0_offset) {
        machine_pci_write(pair->src->qts, SLOT, BAR0,
                          MACHINE_BAR0(SLOT) + row->bar0_offset);
    }
}

/* Returns the error of QEMU on either side; NULL: the VM moved. */
static char *migrate(VFIOPair *pair, const Row *row)
{
    char *why = start_side(pair->src);
    g_autofree char *end = NULL, *reason = NULL, *err = NULL;
    QDict *answer;

    if (why) {
        return why;
    }
    program(pair, row);
    why = start_side(pair->dst);
    if (why) {
        return why;
    }
    answer = qtest_qmp(pair->src->qts, "{'execute': 'migrate', 'arguments': "
                       "{'uri': %s}}", pair->dst->incoming);
    if (qdict_haskey(answer, "error")) {
        why = g_strdup(qdict_get_str(qdict_get_qdict(answer, "error"),
                                     "desc"));
        qobject_unref(answer);
        return why;
    }
    qobject_unref(answer);
    end = migrate_wait_end(pair->dst->qts, QTEST_WAIT_MS);
    if (!g_strcmp0(end, "completed")) {
        return NULL;
    }
    err = qtest_stderr(pair->dst->qts);
    reason = migrate_error(pair->src->qts);
    return g_strdup_printf("%s\n%s", err, reason);
}

static void expect_fails(VFIOPair *pair, const Row *row)
{
    g_autofree char *why = migrate(pair, row);

    if (!why) {
        qtest_fail("the VM moved");
    }
    g_test_message("%s", why);
    vfio_expect_text(pair->dst, "QEMU", why, row->fails);
    vfio_side_kill(pair->src);
    vfio_side_kill(pair->dst);
}

static void expect_moves(VFIOPair *pair, const Row *row)
{
    vfio_pair_start(pair);
    program(pair, row);
    vfio_pair_migrate(pair);
}

static void test_pair(const void *opaque)
{
    const Row *row = opaque;
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    set_keys(pair->src, row->src);
    set_keys(pair->dst, row->dst);
    if (row->src_fault) {
        vfio_side_fault(pair->src, "row", row->src_fault);
    }
    if (row->dst_fault) {
        vfio_side_fault(pair->dst, "row", row->dst_fault);
    }
    if (row->machine) {
        pair->src->machine = pair->dst->machine = row->machine;
    }
    expect_predicted(pair, row);
    if (row->fails) {
        expect_fails(pair, row);
    } else {
        expect_moves(pair, row);
    }
    vfio_pair_free(pair);
}

int main(int argc, char **argv)
{
    unsigned part = 0, parts = 1;

    qtest_take_part(&argc, argv, &part, &parts);
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = part; i < G_N_ELEMENTS(rows); i += parts) {
        g_autofree char *name = g_strconcat("vfio/compare/", rows[i].name,
                                            NULL);

        qtest_add_data_case(name, &rows[i], test_pair);
    }
    return g_test_run();
}
