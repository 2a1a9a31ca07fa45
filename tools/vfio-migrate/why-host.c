/*
 * vfio-migrate why: what about a host and its QEMU prevents a migration
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "checks.h"
#include "host.h"
#include "json.h"
#include "screen.h"
#include "sysroot.h"

#define SETTINGS "/etc/qemu-vfio-migration.conf"

/* Less than this is not enough even for a small VM. */
#define MEMLOCK_SMALL (INT64_C(1) << 30)

static void check_vfio(Checks *checks)
{
    g_autofree char *path = sysroot_path("/dev/vfio/vfio");

    if (g_file_test(path, G_FILE_TEST_EXISTS)) {
        checks_add(checks, "VFIO", CHECK_OK, NULL, "the kernel has it");
    } else {
        checks_add(checks, "VFIO", CHECK_NO, "modprobe vfio",
                   "there is no /dev/vfio/vfio: the kernel's VFIO is not "
                   "loaded");
    }
}

static void check_memlock(Checks *checks, JsonObject *host, bool libvirt)
{
    int64_t bytes = json_number(host, "memlock-bytes", INT64_MAX);
    g_autofree char *size = screen_size(bytes);

    if (libvirt) {
        checks_add(checks, "locked memory", CHECK_OK, NULL, "libvirt raises "
                   "the limit for its VMs");
    } else if (bytes < MEMLOCK_SMALL) {
        checks_add(checks, "locked memory", CHECK_WARN, "ulimit -l unlimited, "
                   "where QEMU is started by hand", "you may lock %s, and "
                   "QEMU has to lock all of a VM's memory; libvirt raises "
                   "the limit for its VMs", size);
    } else {
        checks_add(checks, "locked memory", CHECK_OK, NULL, "you may lock %s",
                   bytes == INT64_MAX ? "any amount" : size);
    }
}

static bool confines_libvirt(void)
{
    g_autofree char *path = sysroot_path("/etc/apparmor.d/libvirt");

    return g_file_test(path, G_FILE_TEST_IS_DIR);
}

/* Do our lines exist where libvirt's profiles include additions? */
static bool has_apparmor_lines(void)
{
    static const char *const files[] = {
        "/etc/apparmor.d/abstractions/base.d/qemu-vfio-migration",
        "/etc/apparmor.d/local/abstractions/libvirt-qemu",
        "/etc/apparmor.d/abstractions/libvirt-qemu",
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *text = sysroot_text(files[i]);

        if (text && strstr(text, "vfio-migration")) {
            return true;
        }
    }
    return false;
}

static void check_apparmor(Checks *checks, JsonObject *host)
{
    if (!json_flag(host, "apparmor", false)) {
        checks_add(checks, "AppArmor", CHECK_OK, NULL, "off");
    } else if (!confines_libvirt()) {
        checks_add(checks, "AppArmor", CHECK_OK, NULL, "on, without profiles "
                   "of libvirt's");
    } else if (has_apparmor_lines()) {
        checks_add(checks, "AppArmor", CHECK_OK, NULL, "on, and allows our "
                   "files");
    } else {
        checks_add(checks, "AppArmor", CHECK_WARN, "'vfio-migration-setup "
                   "libvirt' allows them; docs/libvirt.md", "on, and nothing in /etc/apparmor.d allows our "
                   "files: QEMU may not start under libvirt");
    }
}

void why_host(Checks *checks, bool libvirt)
{
    g_autoptr(JsonObject) host = host_facts();

    checks->subject = "host";
    check_vfio(checks);
    check_memlock(checks, host, libvirt);
    check_apparmor(checks, host);
}

/* Is the line "NAME=value" in the settings file? */
static bool is_set(const char *line)
{
    g_autofree char *text = sysroot_text(SETTINGS);
    g_auto(GStrv) lines = g_strsplit(text ?: "", "\n", -1);

    return g_strv_contains((const char *const *)lines, line);
}

void why_several(Checks *checks, unsigned n, bool vm_knows)
{
    static const char hint[] = "VFIO_MIGRATION_MULTI=allow in " SETTINGS
                               " allows it; docs/attach.md";

    checks->subject = "devices";
    if (vm_knows) {
        checks_add(checks, "together", CHECK_OK, NULL, "the VM has %u, and "
                   "its QEMU migrates them together", n);
    } else if (checks->nr_p2p == n) {
        checks_add(checks, "together", CHECK_OK, NULL, "each of the %u can "
                   "stop its DMA to the others (p2p)", n);
    } else if (is_set("VFIO_MIGRATION_MULTI=allow")) {
        checks_add(checks, "together", CHECK_OK, NULL, "that the %u migrate "
                   "together is allowed", n);
    } else if (checks->lacks_p2p) {
        checks_add(checks, "together", CHECK_WARN, hint, "%s cannot stop its "
                   "DMA to the others (p2p): the %u migrate together only "
                   "where that is allowed", checks->lacks_p2p, n);
    } else {
        checks_add(checks, "together", CHECK_WARN, hint, "the %u migrate "
                   "together only if each can stop its DMA to the others (p2p "
                   "of protocol v2), or where that is allowed", n);
    }
}

void why_qemu(Checks *checks, const char *path)
{
    g_autofree char *says = NULL;

    checks->subject = "QEMU";
    if (!path) {
        checks_add(checks, "QEMU", CHECK_NO, "Install qemu-system-x86",
                   "there is no qemu-system-x86_64");
    } else if (host_qemu_check(path, &says)) {
        checks_add(checks, "QEMU", CHECK_OK, NULL, "%s: %s", path, says);
    } else {
        checks_add(checks, "QEMU", CHECK_NO, "Let VMs run with "
                   "qemu-system-x86_64-vfio; as a domain's <emulator>, too",
                   "%s does not migrate VFIO devices with our code: %s", path,
                   says);
    }
}
