/*
 * vfio-migrate: will a device of one host migrate to another?
 *
 * Owns: finding the differences between two hosts' facts, and the effect of
 * each: device and driver, protocol, IOMMU, host, QEMU.
 * Does not own: PCI (compare-pci.c), collecting facts (facts.c).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <inttypes.h>
#include <string.h>
#include "compare.h"
#include "json.h"
#include "screen.h"

/* Memory that every VM has, with gaps; memory above this depends on the VM's
 * size. */
#define LOW_MEMORY_END 0xfffffu

const char *compare_effect_word(CompareEffect effect)
{
    static const char *const words[] = {
        [COMPARE_HARMLESS] = "harmless",
        [COMPARE_MAY_FAIL] = "may-fail",
        [COMPARE_BLOCKS] = "blocks",
    };

    return words[effect];
}

void compare_add(Compare *compare, CompareEffect effect, const char *what,
                 const char *here, const char *there, const char *text)
{
    JsonObject *difference = json_object_new();

    json_object_set_string_member(difference, "what", what);
    json_object_set_string_member(difference, "effect",
                                  compare_effect_word(effect));
    json_set_text(difference, "here", here);
    json_set_text(difference, "there", there);
    json_object_set_string_member(difference, "text", text);
    json_array_add_object_element(compare->differences, difference);
    compare->worst = MAX(compare->worst, effect);
}

/* Get both sides' values of the same member. Returns whether they differ. */
static bool texts_differ(Compare *compare, const char *child,
                         const char *name, const char **here,
                         const char **there)
{
    *here = json_text(json_child(compare->here, child), name);
    *there = json_text(json_child(compare->there, child), name);
    return g_strcmp0(*here, *there) != 0;
}

static void compare_texts(Compare *compare, CompareEffect effect,
                          const char *child, const char *name,
                          const char *what, const char *text)
{
    const char *here, *there;

    if (texts_differ(compare, child, name, &here, &there)) {
        compare_add(compare, effect, what, here ?: "none", there ?: "none",
                    text);
    }
}

/* ---- what each side needs in order to migrate at all ---- */

static bool check_side(Compare *compare, bool is_here)
{
    JsonObject *facts = is_here ? compare->here : compare->there;
    JsonObject *migration = json_child(facts, "migration");
    const char *error = json_text(json_child(facts, "device"), "error");
    const char *blocker = json_text(migration, "blocker");
    const char *why = error ?: blocker;

    if (!why && !json_text(migration, "protocol")) {
        why = "nothing is known of how it migrates";
    }
    if (why) {
        compare_add(compare, COMPARE_BLOCKS,
                    error ? "device cannot be opened"
                          : "device cannot migrate",
                    is_here ? why : NULL, is_here ? NULL : why,
                    is_here ? "the migration is refused"
                            : "QEMU there does not start with this device, or "
                              "does not take its state");
    }
    return !why;
}

static void compare_state(Compare *compare)
{
    JsonObject *here = json_child(compare->here, "migration");
    JsonObject *there = json_child(compare->there, "migration");
    const char *state_here = json_text(here, "state");
    const char *state_there = json_text(there, "state");

    if (g_strcmp0(state_here, "running") ||
        g_strcmp0(state_there, "running")) {
        compare_add(compare, COMPARE_MAY_FAIL, "state after opening",
                    state_here, state_there, "a device that was just opened "
                    "runs; its driver does not keep to the contract");
    }
}

/* A chunk is never larger than the source's window. */
static void compare_window(Compare *compare)
{
    uint64_t here = json_hex(json_child(compare->here, "migration"),
                             "region-bytes", 0);
    uint64_t there = json_hex(json_child(compare->there, "migration"),
                              "region-bytes", 0);
    g_autofree char *size_here = screen_size(here);
    g_autofree char *size_there = screen_size(there);

    if (here == there) {
        return;
    }
    if (there > here) {
        compare_add(compare, COMPARE_HARMLESS, "size of the migration region",
                    size_here, size_there, "what fits here fits there");
    } else {
        compare_add(compare, COMPARE_MAY_FAIL, "size of the migration region",
                    size_here, size_there, "chunks that do not fit are given "
                    "to the driver there in parts, which it may refuse");
    }
}

static void compare_mapping(Compare *compare)
{
    bool here = json_flag(json_child(compare->here, "migration"), "mappable",
                          false);
    bool there = json_flag(json_child(compare->there, "migration"),
                           "mappable", false);

    if (here != there) {
        compare_add(compare, COMPARE_HARMLESS, "data can be mapped",
                    here ? "yes" : "no", there ? "yes" : "no",
                    "one side moves the device's data slower");
    }
}

static bool has_flag(JsonObject *facts, const char *name)
{
    JsonArray *flags = json_list(json_child(facts, "migration"), "flags");
    const char *flag;

    for (unsigned i = 0; (flag = json_list_text(flags, i)); i++) {
        if (g_str_equal(flag, name)) {
            return true;
        }
    }
    return false;
}

/* Its state has another format if the firmware supports pre-copy reads. */
static bool is_mlx5(JsonObject *facts)
{
    const char *driver = json_text(json_child(facts, "device"), "driver");

    return driver && g_str_has_prefix(driver, "mlx5");
}

static void compare_precopy(Compare *compare)
{
    bool here = has_flag(compare->here, "pre-copy");
    bool there = has_flag(compare->there, "pre-copy");
    const char *word_here = here ? "yes" : "no";
    const char *word_there = there ? "yes" : "no";

    if (here == there) {
        return;
    }
    if (is_mlx5(compare->here) && is_mlx5(compare->there)) {
        compare_add(compare, COMPARE_BLOCKS, "pre-copy", word_here,
                    word_there, "drivers of mlx5 with and without it do not "
                    "read each other's state: both hosts need a kernel from "
                    "6.2 on, or both an older one, and the same firmware");
    } else if (here) {
        compare_add(compare, COMPARE_MAY_FAIL, "pre-copy", word_here,
                    word_there, "what the device here gives while the VM "
                    "runs, the driver there may not know");
    } else {
        compare_add(compare, COMPARE_HARMLESS, "pre-copy", word_here,
                    word_there, "all of its state is read while the VM "
                    "stands still");
    }
}

static void compare_logs(Compare *compare)
{
    bool here = json_flag(json_child(compare->here, "migration"), "dma-log",
                          false);
    bool there = json_flag(json_child(compare->there, "migration"), "dma-log",
                           false);

    if (here != there) {
        compare_add(compare, COMPARE_HARMLESS, "DMA log of the device",
                    here ? "yes" : "no", there ? "yes" : "no", here
                    ? "on the way back memory may be sent again while the VM "
                      "stands still" : "memory that the device can write to "
                    "may be sent again while the VM stands still");
    }
}

static void compare_features(Compare *compare)
{
    bool here = has_flag(compare->here, "p2p");
    bool there = has_flag(compare->there, "p2p");

    if (here != there) {
        compare_add(compare, here ? COMPARE_HARMLESS : COMPARE_MAY_FAIL,
                    "p2p", here ? "yes" : "no", there ? "yes" : "no", here
                    ? "a VM with several devices does not come back, unless "
                      "VFIO_MIGRATION_MULTI=allow is set there"
                    : "a VM with several devices cannot leave, unless "
                      "VFIO_MIGRATION_MULTI=allow is set");
    }
    compare_precopy(compare);
    compare_logs(compare);
    if (!json_text(json_child(compare->here, "migration"), "state-bytes")) {
        compare_add(compare, COMPARE_HARMLESS, "size of the state", "not told",
                    NULL, "before it was read (Linux before 6.2): how long "
                    "the VM stands still is a guess, at first");
    }
}

/* "6.1" for "6.1.0-18-amd64"; the whole text if it has another form */
static char *kernel_series(JsonObject *facts)
{
    const char *kernel = json_text(json_child(facts, "host"), "kernel");
    const char *dot = kernel ? strchr(kernel, '.') : NULL;

    return dot ? g_strndup(kernel, dot + 1 + strcspn(dot + 1, ".-+") - kernel)
               : g_strdup(kernel);
}

/* A driver without a version of its own is part of the kernel. */
static void compare_series(Compare *compare)
{
    g_autofree char *here = kernel_series(compare->here);
    g_autofree char *there = kernel_series(compare->there);

    if (g_strcmp0(here, there) &&
        !json_text(json_child(compare->here, "device"), "driver-version")) {
        compare_add(compare, COMPARE_MAY_FAIL, "series of the kernel",
                    here ?: "unknown", there ?: "unknown", "what the state "
                    "looks like is the driver's own affair, and may change "
                    "with the kernel that it is part of");
    }
}

static void compare_migration(Compare *compare)
{
    const char *here, *there;
    bool both = check_side(compare, true);

    if (!check_side(compare, false) || !both) {
        return;
    }
    if (texts_differ(compare, "migration", "protocol", &here, &there)) {
        compare_add(compare, COMPARE_BLOCKS, "migration protocol", here,
                    there, "the two do not read each other's data");
        return;
    }
    compare_state(compare);
    if (json_list(json_child(compare->here, "migration"), "flags")) {
        compare_features(compare);
        compare_series(compare);
    } else {
        compare_window(compare);
        compare_mapping(compare);
    }
}

static void compare_driver(Compare *compare)
{
    static const char same_vendor[] =
        "the driver there has to understand what the driver here wrote";
    const char *here, *there;

    if (texts_differ(compare, "device", "driver", &here, &there)) {
        compare_add(compare, COMPARE_MAY_FAIL, "driver", here ?: "none",
                    there ?: "none", same_vendor);
    } else {
        compare_texts(compare, COMPARE_MAY_FAIL, "device", "driver-version",
                      "driver version", same_vendor);
    }
    compare_texts(compare, COMPARE_MAY_FAIL, "device", "mdev-type",
                  "type of mediated device",
                  "drivers take state of the same type only, as a rule");
    if (!json_flag(json_child(compare->there, "device"), "reset", true)) {
        compare_add(compare, COMPARE_HARMLESS, "device can be reset", NULL,
                    "no", "a device that failed there stays failed");
    }
}

/* ---- IOMMU ---- */

static void compare_page_sizes(Compare *compare)
{
    uint64_t sizes = json_hex(json_child(compare->there, "iommu"),
                              "page-sizes", 0);
    int64_t page = json_number(json_child(compare->there, "host"),
                               "page-size", 0);
    g_autofree char *text = g_strdup_printf("0x%" PRIx64, sizes & -sizes);

    if (sizes && page > 0 && (sizes & -sizes) > (uint64_t)page) {
        compare_add(compare, (sizes & -sizes) > LOW_MEMORY_END
                             ? COMPARE_BLOCKS : COMPARE_MAY_FAIL,
                    "pages of the IOMMU", NULL, text, "it has none as small "
                    "as the host's pages: QEMU there cannot map all of a "
                    "VM's memory, and does not start");
    }
}

/* Whether @ranges contains a range; no ranges at all means all addresses */
static bool ranges_hold(JsonArray *ranges, uint64_t start, uint64_t end)
{
    JsonObject *range = json_list_object(ranges, 0);

    for (unsigned i = 0; range; range = json_list_object(ranges, ++i)) {
        if (json_hex(range, "start", UINT64_MAX) <= start &&
            json_hex(range, "end", 0) >= end) {
            return true;
        }
    }
    return !json_list_object(ranges, 0);
}

static void compare_addresses(Compare *compare)
{
    JsonArray *here = json_list(json_child(compare->here, "iommu"), "ranges");
    JsonArray *there = json_list(json_child(compare->there, "iommu"),
                                 "ranges");
    JsonObject *range = json_list_object(here, 0);
    bool fewer = !range && json_list_object(there, 0);

    if (!ranges_hold(there, 0, LOW_MEMORY_END)) {
        compare_add(compare, COMPARE_BLOCKS, "addresses of the IOMMU", NULL,
                    NULL, "the IOMMU there cannot map memory from address 0 "
                    "on, which every VM has: QEMU does not start");
        return;
    }
    for (unsigned i = 0; range; range = json_list_object(here, ++i)) {
        fewer |= !ranges_hold(there, json_hex(range, "start", 0),
                              json_hex(range, "end", UINT64_MAX));
    }
    if (fewer) {
        compare_add(compare, COMPARE_MAY_FAIL, "addresses of the IOMMU",
                    NULL, NULL, "the IOMMU there maps fewer addresses: QEMU "
                    "does not start with a VM whose memory lies outside");
    }
}

static void compare_mappings(Compare *compare)
{
    int64_t here = json_number(json_child(compare->here, "iommu"),
                               "mappings", -1);
    int64_t there = json_number(json_child(compare->there, "iommu"),
                                "mappings", -1);
    g_autofree char *text_here = g_strdup_printf("%" PRId64, here);
    g_autofree char *text_there = g_strdup_printf("%" PRId64, there);

    if (there >= 0 && there < here) {
        compare_add(compare, COMPARE_MAY_FAIL, "mappings of the IOMMU",
                    text_here, text_there, "QEMU there does not start with "
                    "a VM that needs more of them");
    }
}

/* From the device's log of its own DMA, or from the IOMMU */
static bool tells_dirty_pages(JsonObject *facts)
{
    return json_flag(json_child(facts, "migration"), "dma-log", false) ||
           json_flag(json_child(facts, "iommu"), "dirty-tracking", false);
}

static void compare_iommu(Compare *compare)
{
    bool here = tells_dirty_pages(compare->here);
    bool there = tells_dirty_pages(compare->there);

    compare_page_sizes(compare);
    compare_addresses(compare);
    compare_mappings(compare);
    if (!here) {
        compare_add(compare, COMPARE_HARMLESS, "dirty pages are told", "no",
                    there ? "yes" : "no", "all memory is sent again while the "
                    "VM stands still: the more it has, the longer");
    } else if (!there) {
        compare_add(compare, COMPARE_HARMLESS, "dirty pages are told", "yes",
                    "no", "on the way back all memory is sent again while "
                    "the VM stands still");
    }
}

/* ---- host and QEMU ---- */

static void compare_memlock(Compare *compare)
{
    int64_t here = json_number(json_child(compare->here, "host"),
                               "memlock-bytes", INT64_MAX);
    int64_t there = json_number(json_child(compare->there, "host"),
                                "memlock-bytes", INT64_MAX);
    g_autofree char *text_here = here == INT64_MAX ? g_strdup("no limit")
                                                   : screen_size(here);
    g_autofree char *text_there = screen_size(MAX(there, 0));

    if (there < here) {
        compare_add(compare, COMPARE_MAY_FAIL, "memory that may be locked",
                    text_here, text_there, "QEMU there does not start with a "
                    "VM that has more, unless it is libvirt that starts it, "
                    "which raises the limit");
    }
}

static bool has_machine(JsonObject *facts, const char *name)
{
    JsonArray *machines = json_list(json_child(facts, "qemu"), "machines");

    for (unsigned i = 0; json_list_text(machines, i); i++) {
        if (g_str_equal(json_list_text(machines, i), name)) {
            return true;
        }
    }
    return false;
}

static void compare_machines(Compare *compare)
{
    JsonArray *machines = json_list(json_child(compare->here, "qemu"),
                                    "machines");
    g_autoptr(GString) missing = g_string_new(NULL);

    if (compare->machine) {
        if (!has_machine(compare->there, compare->machine)) {
            compare_add(compare, COMPARE_BLOCKS, "machine type",
                        compare->machine, "missing", "QEMU there does not "
                        "start such a VM");
        }
        return;
    }
    for (unsigned i = 0; json_list_text(machines, i); i++) {
        const char *name = json_list_text(machines, i);

        if (!has_machine(compare->there, name)) {
            g_string_append_printf(missing, "%s%s", missing->len ? ", " : "",
                                   name);
        }
    }
    if (missing->len) {
        compare_add(compare, COMPARE_MAY_FAIL, "machine types", missing->str,
                    "missing", "QEMU there does not start a VM of such a "
                    "type; --machine tells which one yours has");
    }
}

static void compare_attached(Compare *compare)
{
    JsonObject *here = json_child(compare->here, "qemu");
    JsonObject *there = json_child(compare->there, "qemu");

    if (!json_flag(here, "attached", false)) {
        compare_add(compare, COMPARE_BLOCKS, "QEMU here",
                    json_text(here, "path") ?: "none", NULL, "it does not "
                    "migrate VFIO devices with our code: use "
                    "qemu-system-x86_64-vfio, or name yours by --qemu");
    }
    if (!json_flag(there, "attached", false)) {
        compare_add(compare, COMPARE_MAY_FAIL, "QEMU there", NULL,
                    json_text(there, "path") ?: "none", "it takes the state "
                    "only with x-enable-migration=on, and with QEMU's own "
                    "code: no check, no word on what fails");
    }
}

static void compare_hosts(Compare *compare)
{
    compare_texts(compare, COMPARE_HARMLESS, "host", "kernel", "kernel",
                  "drivers that are part of the kernel change with it");
    compare_memlock(compare);
    compare_texts(compare, COMPARE_HARMLESS, "qemu", "version",
                  "version of QEMU", "both have to know the machine type, "
                  "see above if one does not");
    compare_attached(compare);
    compare_machines(compare);
}

void compare_facts(Compare *compare)
{
    compare->differences = json_array_new();
    compare->worst = COMPARE_HARMLESS;
    compare_migration(compare);
    if (json_child(compare->here, "iommu") &&
        json_child(compare->there, "iommu")) {
        compare_pci(compare);
        compare_iommu(compare);
    }
    compare_driver(compare);
    compare_hosts(compare);
}
