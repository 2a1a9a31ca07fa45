/*
 * vfio-migrate info: can this device migrate, and what does it offer?
 *
 * Owns: printing the facts of an open device. facts.c collects them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "command.h"
#include "device.h"
#include "facts.h"
#include "json.h"
#include "probe.h"
#include "screen.h"
#include "sysfs.h"

#define MAX_AREAS_SHOWN 8u

static void print_window(JsonObject *migration)
{
    JsonArray *areas = json_list(migration, "areas");
    unsigned n = json_array_get_length(areas);

    for (unsigned i = 0; i < MIN(n, MAX_AREAS_SHOWN); i++) {
        JsonObject *area = json_list_object(areas, i);
        uint64_t bytes = json_hex(area, "bytes", 0);
        g_autofree char *size = screen_size(bytes);

        screen_field(i ? "" : "mappable", "%s + %s (%s)",
                     json_text(area, "offset"), json_text(area, "bytes"),
                     size);
    }
    if (n > MAX_AREAS_SHOWN) {
        screen_field("", "and %u more", n - MAX_AREAS_SHOWN);
    } else if (!n) {
        screen_field("mappable", "nothing: all data is read and written");
    }
}

static void print_region(JsonObject *migration)
{
    g_autofree char *size = screen_size(json_hex(migration, "region-bytes",
                                                 0));

    screen_field("region", "index %" PRId64 ", %s, %s",
                 json_number(migration, "region", 0), size,
                 json_flag(migration, "mappable", false) ? "mappable"
                                                         : "trapped");
    print_window(migration);
}

/* The size for an idle device; in a VM it may have more. */
static void print_size(JsonObject *migration, const char *label,
                       const char *member, const char *what)
{
    uint64_t bytes = json_hex(migration, member, 0);

    if (bytes) {
        g_autofree char *size = screen_size(bytes);

        screen_field(label, "%s %s", size, what);
    }
}

static void print_features(JsonObject *migration)
{
    g_autofree char *flags = probe_v2_words(migration);

    screen_field("flags", "%s", flags);
    print_size(migration, "pre-copy", "initial-bytes",
               "to be read before the VM stops");
    print_size(migration, "", "dirty-bytes", "of changes to them so far");
    if (json_text(migration, "state-bytes")) {
        print_size(migration, "size", "state-bytes",
                   "in all, as the device is now");
    } else {
        screen_field("size", "not told before it was read; Linux 6.2 and "
                     "later tell it");
    }
    screen_field("DMA log", "%s", json_flag(migration, "dma-log", false)
                 ? "yes: the device tells which pages it writes" : "none");
}

static void print_migration(JsonObject *migration)
{
    const char *protocol = json_text(migration, "protocol");

    if (g_str_equal(protocol, "none")) {
        return;
    }
    screen_field("protocol", "%s", protocol);
    screen_field("state", "%s", json_text(migration, "state"));
    if (json_list(migration, "flags")) {
        print_features(migration);
    } else {
        print_region(migration);
    }
}

static void print_iommu(JsonObject *iommu)
{
    uint64_t sizes = json_hex(iommu, "dirty-page-sizes", 0);
    g_autofree char *most = screen_size(json_hex(iommu, "max-bitmap-bytes",
                                                 0));

    if (json_flag(iommu, "dirty-tracking", false)) {
        screen_field("dirty pages", "told by the IOMMU in pages of 0x%" PRIx64
                     ", bitmaps of at most %s", sizes & -sizes, most);
    } else {
        screen_field("dirty pages", "not told by the IOMMU: all memory is "
                     "sent again when the VM stands still");
    }
}

static void print_text(JsonObject *facts)
{
    JsonObject *device = json_child(facts, "device");
    JsonObject *migration = json_child(facts, "migration");
    const char *version = json_text(device, "driver-version");

    screen_field("device", "%s, IOMMU group %s", json_text(device, "name"),
                 json_text(device, "group"));
    screen_field("driver", "%s%s%s", json_text(device, "driver") ?: "unknown",
                 version ? " " : "", version ?: "");
    if (json_text(device, "mdev-type")) {
        screen_field("type", "%s", json_text(device, "mdev-type"));
    }
    screen_field("migration", "%s", json_text(migration, "blocker")
                                    ?: "possible");
    screen_field("reset", "%s", json_flag(device, "reset", false) ? "yes" :
                 "no: a device that failed stays failed");
    print_migration(migration);
    print_iommu(json_child(facts, "iommu"));
}

static ToolExit run(const Tool *tool)
{
    const char *name = tool->arguments[0];
    g_autofree char *dir = sysfs_find(name);
    g_autoptr(JsonObject) facts = NULL;
    const char *error;
    bool can;

    if (!dir) {
        return tool_no_device(name);
    }
    if (!tool_may_reset(tool, name)) {
        return TOOL_USAGE;
    }
    facts = json_report_new("info", 1);
    can = facts_add_device(facts, dir);
    error = json_text(json_child(facts, "device"), "error");
    if (error) {
        const char *hint = json_text(json_child(facts, "device"), "hint");

        return tool_complain("%s%s%s", error, hint ? "\n" : "", hint ?: "");
    }
    json_object_set_boolean_member(facts, "can-migrate", can);
    if (tool->json) {
        json_report_print(json_object_ref(facts), false);
    } else {
        print_text(facts);
    }
    return can ? TOOL_YES : TOOL_NO;
}

const Command command_info = {
    .name = "info",
    .arguments = "DEVICE",
    .summary = "What does this device offer?",
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
