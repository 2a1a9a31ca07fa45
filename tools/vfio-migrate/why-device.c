/*
 * vfio-migrate why: what about a device prevents its migration
 *
 * Owns: the facts from sysfs and /dev/vfio, in words; and, if it may be
 * opened, the facts from the device itself.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "checks.h"
#include "facts.h"
#include "json.h"
#include "probe.h"
#include "screen.h"
#include "sysfs.h"
#include "sysroot.h"

/* ---- driver ---- */

static void check_driver(Checks *checks, const char *dir, JsonObject *device)
{
    const char *driver = json_text(device, "driver");
    const char *name = json_text(device, "name");
    g_autofree char *bind = g_strdup_printf(
        "Bind it: driverctl set-override %s DRIVER, where DRIVER is its "
        "vendor's VFIO driver", name);

    if (json_text(device, "mdev-type")) {
        checks_add(checks, "driver", CHECK_OK, NULL, "a mediated device of "
                   "type %s", json_text(device, "mdev-type"));
    } else if (!driver) {
        checks_add(checks, "driver", CHECK_NO, bind, "it is bound to no "
                   "driver");
    } else if (g_str_equal(driver, "vfio-pci")) {
        checks_add(checks, "driver", CHECK_NO, bind, "it is bound to "
                   "vfio-pci, which passes any device through and can "
                   "migrate none: that takes a driver that knows the device");
    } else if (!sysfs_is_vfio_driver(dir, driver)) {
        checks_add(checks, "driver", CHECK_NO, bind, "it is bound to %s, "
                   "which is no VFIO driver: the host uses it", driver);
    } else {
        checks_add(checks, "driver", CHECK_OK, NULL, "it is bound to %s",
                   driver);
    }
}

/* ---- group ---- */

/* The kernel only opens a group if the host uses none of its devices. */
static void check_group(Checks *checks, const char *dir)
{
    g_autoptr(JsonArray) members = sysfs_group(dir);
    g_autoptr(GString) used = g_string_new(NULL);
    JsonObject *member;

    for (unsigned i = 0; (member = json_list_object(members, i)); i++) {
        const char *name = json_text(member, "name");
        const char *driver = json_text(member, "driver");
        g_autofree char *path = g_build_filename(dir, "iommu_group",
                                                 "devices", name, NULL);

        if (driver && !g_str_equal(driver, "pcieport") &&
            !g_str_equal(driver, "pci-stub") &&
            !sysfs_is_vfio_driver(path, driver)) {
            g_string_append_printf(used, "%s%s (%s)", used->len ? ", " : "",
                                   name, driver);
        }
    }
    if (used->len) {
        checks_add(checks, "group", CHECK_NO, "Bind all devices of the group "
                   "to VFIO drivers, or unbind them", "the host uses devices "
                   "of its group: %s", used->str);
    } else {
        checks_add(checks, "group", CHECK_OK, NULL, "the host uses no device "
                   "of its group, which has %u",
                   json_array_get_length(members));
    }
}

static void check_file(Checks *checks, const char *group)
{
    g_autofree char *shown = g_strconcat("/dev/vfio/", group, NULL);
    g_autofree char *path = sysroot_path(shown);

    if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
        checks_add(checks, "file", CHECK_NO, NULL, "there is no %s: no device "
                   "of the group is bound to a VFIO driver", shown);
    } else if (access(path, R_OK | W_OK)) {
        checks_add(checks, "file", CHECK_WARN, NULL, "%s is not open to you: "
                   "libvirt gives it to its VMs itself", shown);
    } else {
        checks_add(checks, "file", CHECK_OK, NULL, "%s can be opened", shown);
    }
}

static void check_sysfs(Checks *checks, const char *dir, JsonObject *device)
{
    const char *group = json_text(device, "group");

    check_driver(checks, dir, device);
    if (!group) {
        checks_add(checks, "group", CHECK_NO, "Switch the IOMMU on: in the "
                   "firmware (VT-d, AMD-Vi), and with intel_iommu=on on the "
                   "kernel's command line", "it is in no IOMMU group");
        return;
    }
    check_group(checks, dir);
    check_file(checks, group);
}

/* ---- facts from the device itself ---- */

/* A large state does not prevent a migration; it may take long. */
static void check_size(Checks *checks, JsonObject *migration)
{
    if (!json_text(migration, "state-bytes")) {
        checks_add(checks, "size", CHECK_OK, "VFIO_MIGRATION_STOP_SIZE "
                   "tells it; docs/attach.md", "not told before it was "
                   "read (Linux before 6.2): how long the VM stands still is "
                   "a guess, at first");
    } else if (!json_text(migration, "initial-bytes")) {
        g_autofree char *size = screen_size(json_hex(migration, "state-bytes",
                                                     0));

        checks_add(checks, "size", CHECK_OK, NULL, "%s, all of which is read "
                   "while the VM stands still", size);
    }
}

static bool has_p2p(JsonObject *migration)
{
    JsonArray *flags = json_list(migration, "flags");
    const char *flag;

    for (unsigned i = 0; (flag = json_list_text(flags, i)); i++) {
        if (g_str_equal(flag, "p2p")) {
            return true;
        }
    }
    return false;
}

static void note_p2p(Checks *checks, JsonObject *migration)
{
    if (has_p2p(migration)) {
        checks->nr_p2p++;
    } else if (!checks->lacks_p2p) {
        checks->lacks_p2p = g_strdup(checks->subject);
    }
}

/* A VF of these must be made migratable first. */
static const char *blocker_hint(JsonObject *device)
{
    const char *driver = json_text(device, "driver");

    return driver && g_str_has_prefix(driver, "mlx5")
           ? "Has its PF made it migratable? devlink port function set "
             "PORT migratable enable" : NULL;
}

static void check_protocol(Checks *checks, JsonObject *migration,
                           JsonObject *device)
{
    const char *protocol = json_text(migration, "protocol");
    const char *blocker = json_text(migration, "blocker");

    if (blocker) {
        checks_add(checks, "protocol", CHECK_NO, blocker_hint(device), "%s",
                   blocker);
    } else if (json_list(migration, "flags")) {
        g_autofree char *flags = probe_v2_words(migration);

        checks_add(checks, "protocol", CHECK_OK, NULL, "protocol %s (%s), in "
                   "state %s", protocol, flags, json_text(migration, "state"));
        check_size(checks, migration);
    } else {
        checks_add(checks, "protocol", CHECK_OK, NULL, "protocol %s, in state "
                   "%s", protocol, json_text(migration, "state"));
    }
}

static void check_open(Checks *checks, const char *dir)
{
    g_autoptr(JsonObject) facts = json_object_new();
    const char *error;

    facts_add_device(facts, dir);
    error = json_text(json_child(facts, "device"), "error");
    if (error) {
        checks_add(checks, "protocol", CHECK_UNKNOWN, "A VM that runs has it "
                   "open", "it cannot be opened: %s", error);
        return;
    }
    check_protocol(checks, json_child(facts, "migration"),
                   json_child(facts, "device"));
    note_p2p(checks, json_child(facts, "migration"));
    if (json_flag(json_child(facts, "migration"), "dma-log", false)) {
        checks_add(checks, "dirty pages", CHECK_OK, NULL,
                   "told by the device");
    } else if (json_flag(json_child(facts, "iommu"), "dirty-tracking",
                         false)) {
        checks_add(checks, "dirty pages", CHECK_OK, NULL,
                   "told by the IOMMU");
    } else {
        checks_add(checks, "dirty pages", CHECK_WARN, NULL, "not told by the "
                   "IOMMU: all memory is sent again while the VM stands "
                   "still");
    }
    if (!json_flag(json_child(facts, "device"), "reset", false)) {
        checks_add(checks, "reset", CHECK_WARN, NULL, "it cannot be reset: "
                   "if it fails in a migration, it stays failed");
    }
}

void why_device(Checks *checks, const char *name, bool may_open,
                bool vm_knows)
{
    g_autofree char *dir = sysfs_find(name);
    g_autoptr(JsonObject) device = NULL;

    checks->subject = name;
    if (!dir) {
        checks_add(checks, "device", CHECK_NO, NULL, "there is no such device "
                   "in /sys/bus/pci/devices or /sys/bus/mdev/devices");
        return;
    }
    device = sysfs_facts(dir);
    check_sysfs(checks, dir, device);
    if (vm_knows) {
        checks_add(checks, "protocol", CHECK_OK, NULL, "the VM has it open, "
                   "and its QEMU migrates it");
    } else if (may_open) {
        check_open(checks, dir);
    } else {
        checks_add(checks, "protocol", CHECK_UNKNOWN, "--yes looks, if no VM "
                   "uses the device", "not looked at: opening the device "
                   "resets it");
    }
}
