/*
 * The exact output of vfio-migrate
 *
 * Owns: a host made of files, for --sysroot, with simulated devices; every
 * command with every kind of result, as text and as JSON. Output and exit
 * status must be those in the files in golden/, and JSON must conform to its
 * schema. A file that is similar to another has only the lines that differ.
 * Does not own: what a command does (test-vfio-migrate.c).
 *
 * GOLDEN_UPDATE=1 writes the files again: review the changes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <glib.h>
#include <glib/gstdio.h>
#include "../tools/golden.h"
#include "../tools/rows.h"
#include "../tools/run.h"

typedef struct Case {
    const char *name;
    const char *line;           /* for the shell, in the directory */
    const char *like;           /* case whose output the file differs from */
} Case;

#define WHY     "vfio-migrate --sysroot root why "
#define APPARMOR "echo Y >root/sys/module/apparmor/parameters/enabled; "
#define YES     "vfio-migrate --sysroot root --yes "

/* Devices: 10 can migrate, 11 has no driver, 12 has vfio-pci, 13 the host's
 * driver, 14 has no migration region, 15 differs from 10, 16 is in no group.
 * With protocol v2: 17 has all features, 18 those of Linux 6.1, 19 only the
 * required ones, 1a none. */
static const Case cases[] = {
    { "help", "vfio-migrate --help" },
    { "usage", "vfio-migrate", "help" },
    { "version", "vfio-migrate --version" },
    { "no-device", YES "info 00:1f.7" },
    /* Opening a device resets it: it must not happen without consent. */
    { "asks", "sed -i '1i [sim]\\nstatus=status' sim.conf; "
      "vfio-migrate --sysroot root info 00:10.0 </dev/null; "
      "echo $?; ls status" },

    { "info", YES "info 00:10.0" },
    { "info-json", YES "info 00:10.0 --json", "info-v2-json" },
    { "info-mdev", YES "info 83b8f4f2-509f-382f-3c1e-e6bfe0fa1001" },
    { "info-blocked", YES "info 00:14.0" },
    { "info-blocked-json", YES "--json info 00:14.0", "info-v2-json" },
    { "info-v2", YES "info 00:17.0" },
    { "info-v2-json", YES "info 00:17.0 --json" },
    { "info-v2-6.1", YES "info 00:18.0" },
    { "info-v2-6.1-json", YES "info 00:18.0 --json", "info-v2-json" },
    { "info-v2-changes", "sed -i s/format=3/initial-bytes=48K/ sim.conf; "
      YES "info 00:17.0", "info-v2" },
    { "info-untracked", "printf '[container]\\ndirty-tracking=no\\n' "
      ">>sim.conf; " YES "info 00:19.0" },
    { "info-unbound", YES "info 00:11.0" },
    { "info-wrong-driver", YES "info 0000:00:13.0" },
    { "info-no-group", YES "info 00:16.0" },

    { "facts", YES "facts 00:10.0 | tee here.json" },
    { "facts-unbound", YES "facts 00:11.0", "facts" },
    { "facts-no-qemu", YES "facts 00:15.0 --qemu root/none", "facts" },

    { "compare-same", YES "compare 00:10.0 00:10.0" },
    { "compare-same-json", YES "compare --json 00:10.0 00:10.0" },
    { "compare", YES "compare 00:10.0 00:15.0" },
    { "compare-json", YES "compare --json 00:10.0 00:15.0" },
    { "compare-blocked", YES "compare 00:14.0 00:11.0" },
    { "compare-v1-v2", YES "compare 00:10.0 00:17.0" },
    { "compare-v2", YES "compare 00:17.0 00:17.0" },
    { "compare-v2-6.1", YES "compare 00:18.0 00:18.0" },
    { "compare-v2-mlx5", YES "compare 00:17.0 00:18.0" },
    { "compare-v2-least", YES "compare 00:17.0 00:19.0" },
    { "compare-v2-more", YES "compare 00:19.0 00:17.0" },
    { "compare-v2-kernel", YES "facts 00:17.0 >here.json && sed "
      "'s/6.1.0-18-amd64/6.12.57+deb13-amd64/' here.json >there.json && "
      "vfio-migrate compare here.json there.json" },
    { "compare-ssh", YES "facts 00:10.0 >here.json && "
      "vfio-migrate --yes --json compare here.json 'me@there:00:15.0' "
      "--ssh ./ssh", "compare-json" },
    { "compare-ssh-fails", YES "facts 00:10.0 >here.json && "
      "vfio-migrate --yes compare here.json there:00:1f.7 --ssh ./ssh" },
    { "compare-pipe", YES "facts 00:10.0 >here.json && " YES "facts 00:15.0 | "
      "vfio-migrate compare here.json -", "compare" },
    { "compare-may-fail", YES "facts 00:10.0 >here.json && sed 's/6.7.8/6.9/' "
      "here.json >there.json && vfio-migrate compare here.json there.json" },
    { "compare-strict", YES "facts 00:10.0 >here.json && sed 's/6.7.8/6.9/' "
      "here.json >there.json && vfio-migrate compare here.json there.json "
      "--strict" },
    { "compare-machine", YES "facts 00:10.0 >here.json && vfio-migrate "
      "compare here.json here.json --machine pc-q35-9.0" },
    { "compare-nonsense", "echo '{\"schema\": \"why\"}' >x.json && "
      "vfio-migrate compare x.json x.json" },
    { "compare-version", YES "facts 00:10.0 | sed 's/\"version\" : 1/"
      "\"version\" : 2/' >x.json && vfio-migrate compare x.json x.json" },
    { "compare-no-such", "vfio-migrate compare 00:1f.7 there" },

    { "why", WHY "00:10.0" },
    { "why-opened", WHY "00:10.0 --yes", "why" },
    { "why-unbound", WHY "00:11.0", "why" },
    { "why-vfio-pci", WHY "00:12.0", "why" },
    { "why-wrong-driver", WHY "0000:00:13.0", "why" },
    { "why-no-region", WHY "00:14.0 --yes", "why" },
    { "why-v2", WHY "00:17.0 --yes", "why" },
    { "why-v2-6.1", WHY "00:18.0 --yes", "why" },
    { "why-v2-least", WHY "00:19.0 --yes", "why" },
    { "why-v2-not-migratable", WHY "00:1a.0 --yes", "why" },
    { "why-v2-together", WHY "./two.xml --yes" },
    { "why-v2-not-together", "sed -i s/0x18/0x19/ two.xml; "
      WHY "./two.xml --yes", "why-v2-together" },
    { "why-no-group", WHY "00:16.0", "why" },
    { "why-mdev", WHY "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001", "why" },
    { "why-apparmor", APPARMOR WHY "00:10.0", "why" },
    { "why-apparmor-libvirt", APPARMOR "mkdir -p root/etc/apparmor.d/libvirt; "
      WHY "00:10.0", "why" },
    { "why-apparmor-allowed", APPARMOR "mkdir -p root/etc/apparmor.d/libvirt "
      "root/etc/apparmor.d/local/abstractions; "
      "echo '# begin qemu-vfio-migration' "
      ">root/etc/apparmor.d/local/abstractions/libvirt-qemu; "
      WHY "00:10.0", "why" },
    { "why-domain", WHY "vm" },
    { "why-several-allowed", "echo VFIO_MIGRATION_MULTI=allow "
      ">root/etc/qemu-vfio-migration.conf; " WHY "vm", "why-domain" },
    { "why-domain-json", WHY "--json vm" },
    { "why-domain-file", WHY "- <vm.xml", "why-domain" },
    { "why-domain-qemu", WHY "vm --qemu root/usr/bin/qemu-system-x86_64-vfio",
      "why-domain" },
    { "why-domain-runs", "sed -i 's/\"hostdev1: cannot migrate\"//' virsh; "
      "sed -i -e '/hard_limit/d' -e '/<interface/,/<.interface/d' "
      "-e '/emulator/s/x86_64/&-vfio/' vm.xml; " WHY "vm" },
    { "why-unknown", "sed -i s/8388608/unlimited/ root/proc/self/limits; "
      WHY "00:10.0", "why" },
    { "why-yes", "sed -i s/8388608/unlimited/ root/proc/self/limits; "
      WHY "00:10.0 --yes", "why" },
    { "why-domain-no-device", "rm root/dev/vfio/vfio; sed -e '/<hostdev/,"
      "/<.hostdev/d' -e '/<interface/,/<.interface/d' vm.xml >x.xml; "
      WHY "./x.xml" },
    { "why-domain-unknown", WHY "other" },
    { "why-no-xml", "echo '<domain><name>vm</name>' >x.xml; " WHY "./x.xml" },

    { "save", YES "save 00:10.0 file" },
    { "save-json", YES "save 00:10.0 file --json" },
    { "save-blocked", YES "save 00:14.0 file" },
    { "load", YES "save 00:10.0 file >out && " YES "load 00:10.0 file" },
    { "load-json", YES "save 00:10.0 file >out && "
      YES "load 00:10.0 file --json" },
    { "save-v2", YES "save 00:17.0 file" },
    { "load-v2", YES "save 00:17.0 file >out && " YES "load 00:17.0 file" },
    { "load-v2-elsewhere", YES "save 00:17.0 file >out && "
      YES "load 00:1b.0 file" },
    { "load-no-file", YES "load 00:10.0 none" },
    { "load-fails", "echo nonsense >file && " YES "load 00:10.0 file" },
    { "test", YES "test 00:10.0" },
    { "test-v2", YES "test 00:17.0" },
    { "test-v2-6.1", YES "test 00:18.0" },
    { "test-v2-fails", YES "test 00:1b.0" },
    { "test-fails", YES "test 00:15.0" },
    { "test-fails-json", YES "test 00:15.0 --json" },

    { "watch", "vfio-migrate watch --once vm" },
    { "watch-json", "vfio-migrate watch --once --json vm | "
      "python3 -m json.tool" },
    { "watch-unknown", "vfio-migrate watch other" },
    { "watch-no-socket", "vfio-migrate watch ./none" },
    { "watch-interval", "vfio-migrate watch --interval 0 vm" },
    { "watch-metrics", "vfio-migrate watch --once --metrics none/x.prom vm" },

    { "report", "cp traces/two-*.trace . && vfio-migrate report "
      "two-*.trace && head -c 15 migration.html" },
    { "report-json", "cp traces/two-*.trace . && vfio-migrate report "
      "--json two-*.trace; ls *.html" },
    { "report-failed", "cp traces/failed-*.trace . && vfio-migrate report "
      "-o x.html failed-*.trace" },
    { "report-options", "vfio-migrate report --options /tmp/vm.trace" },
    { "report-no-trace", "echo hello >x && vfio-migrate report x" },
    { "report-no-page", "vfio-migrate report traces/two-source.trace -o "
      "none/x.html" },
};

/* ---- the host ---- */

static char *at(const char *dir, const char *path)
{
    char *full = g_build_filename(dir, path, NULL);
    g_autofree char *folder = g_path_get_dirname(full);

    g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
    return full;
}

static void put(const char *dir, const char *path, const char *text)
{
    g_autofree char *full = at(dir, path);

    g_assert_true(g_file_set_contents(full, text, -1, NULL));
    g_assert_cmpint(chmod(full, g_str_has_prefix(text, "#!") ? 0755 : 0666),
                    ==, 0);
}

static void put_link(const char *dir, const char *path, const char *target)
{
    g_autofree char *full = at(dir, path);

    g_assert_cmpint(symlink(target, full), ==, 0);
}

typedef struct Device {
    const char *name;
    const char *driver;
    const char *group;
    const char *keys;           /* of the simulated device; NULL: none */
    const char *mdev_type;
} Device;

static const Device devices[] = {
    { "0000:00:10.0", "nic_vfio_pci", "7", "precopy-size=64K\n" },
    { "0000:00:11.0", NULL, "8" },
    { "0000:00:12.0", "vfio-pci", "9" },
    { "0000:00:13.0", "nic", "10" },
    { "0000:00:13.1", "nic_vfio_pci", "10" },
    { "0000:00:14.0", "nic_vfio_pci", "11", "migration=no\n" },
    { "0000:00:15.0", "other_vfio_pci", "12", "msix-vectors=4\nreset=no\n"
      "window-size=32K\nconfig=0x08:02\n" },
    { "0000:00:16.0", "nic", NULL },
    { "0000:00:17.0", "mlx5_vfio_pci", "14", "protocol=v2\np2p=yes\n"
      "pre-copy=yes\nprecopy-size=64K\nlog=yes\nformat=3\n" },
    { "0000:00:18.0", "mlx5_vfio_pci", "15", "protocol=v2\np2p=yes\n"
      "kernel=6.1\nlog=yes\nformat=2\n" },
    { "0000:00:19.0", "nic_vfio_pci", "16", "protocol=v2\n" },
    { "0000:00:1a.0", "mlx5_vfio_pci", "17", "migration=no\n" },
    { "0000:00:1b.0", "other_vfio_pci", "18", "protocol=v2\np2p=yes\n"
      "pre-copy=yes\ntold-size=0\ncompleteness=ignore\nreset=no\n"
      "format=4\n" },
    { "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001", "vfio_mdev", "13",
      "areas=stripes:8K\n", "nic-v1" },
};

static void put_group(const char *root, const Device *d, const char *dir)
{
    g_autofree char *link = g_strconcat(dir, "/iommu_group", NULL);
    g_autofree char *group = g_strconcat("/sys/kernel/iommu_groups/",
                                         d->group, NULL);
    g_autofree char *member = g_strconcat(group, "/devices/", d->name, NULL);
    g_autofree char *up = g_strconcat("../../../..", group + 4, NULL);
    g_autofree char *there = g_strconcat("../../../..", dir + 4, NULL);
    g_autofree char *file = g_strconcat("/dev/vfio/", d->group, NULL);

    put_link(root, link, up);
    put_link(root, member, there);
    if (d->driver && strstr(d->driver, "vfio")) {
        put(root, file, "");
    }
}

static void put_device(const char *root, const Device *d, GString *config)
{
    const char *bus = d->mdev_type ? "mdev" : "pci";
    g_autofree char *dir = g_strdup_printf("/sys/bus/%s/devices/%s", bus,
                                           d->name);
    g_autofree char *subsystem = g_strconcat(dir, "/subsystem", NULL);
    g_autofree char *driver = g_strconcat(dir, "/driver", NULL);
    g_autofree char *to = g_strconcat("../../drivers/", d->driver, NULL);
    g_autofree char *type = g_strconcat(dir, "/mdev_type", NULL);

    put_link(root, subsystem, "../../../pci");
    if (d->driver) {
        put_link(root, driver, to);
    }
    if (d->mdev_type) {
        put_link(root, type, d->mdev_type);
    }
    if (d->group) {
        put_group(root, d, dir);
    }
    if (d->keys) {
        g_string_append_printf(config, "[device %s]\ngroup=%s\nstate-size="
                               "256K\nwindow-size=64K\n%s", d->name,
                               d->group, d->keys);
    }
}

static const char qemu[] = "#!/bin/sh\n"
    "case $1 in\n"
    "-version) echo 'QEMU emulator version 7.2.22 (Debian)';;\n"
    "-machine) printf '%s\\n' 'Supported machines are:' \\\n"
    "    'pc-i440fx-7.2  Standard PC' 'pc-q35-7.2  Standard PC';;\n"
    "*) echo 'vfio-migration: attached: QEMU 7.2.22, 107 checks';;\n"
    "esac\n";

static const char plain_qemu[] = "#!/bin/sh\n"
    "echo \"$1: invalid option\" >&2\nexit 1\n";

static const char domain[] = "<domain type='kvm'>\n"
    "  <name>vm</name>\n"
    "  <memory unit='GiB'>2</memory>\n"
    "  <memtune><hard_limit unit='KiB'>2097152</hard_limit></memtune>\n"
    "  <os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>\n"
    "  <devices>\n"
    "    <emulator>root/usr/bin/qemu-system-x86_64</emulator>\n"
    "    <hostdev mode='subsystem' type='mdev' managed='no'>\n"
    "      <source>\n"
    "        <address uuid='83b8f4f2-509f-382f-3c1e-e6bfe0fa1001'/>\n"
    "      </source>\n"
    "      <address type='pci' domain='0x0000' bus='0x00' slot='0x04'/>\n"
    "    </hostdev>\n"
    "    <interface type='hostdev' managed='yes'>\n"
    "      <source>\n"
    "        <address type='pci' domain='0x0000' bus='0x00' slot='0x12' "
    "function='0x0'/>\n"
    "      </source>\n"
    "    </interface>\n"
    "    <hostdev mode='subsystem' type='usb'>\n"
    "      <source><address bus='1' device='2'/></source>\n"
    "    </hostdev>\n"
    "  </devices>\n"
    "</domain>\n";

#define PCI_DEVICE(slot) \
    "    <hostdev mode='subsystem' type='pci' managed='no'>\n" \
    "      <source><address domain='0x0000' bus='0x00' slot='" slot "' " \
    "function='0x0'/></source>\n" \
    "    </hostdev>\n"

static const char two_devices[] = "<domain type='kvm'>\n"
    "  <name>two</name>\n"
    "  <memory unit='GiB'>2</memory>\n"
    "  <devices>\n"
    "    <emulator>root/usr/bin/qemu-system-x86_64-vfio</emulator>\n"
    PCI_DEVICE("0x17") PCI_DEVICE("0x18")
    "  </devices>\n"
    "</domain>\n";

static const char virsh[] = "#!/bin/sh\n"
    "case \"$*\" in\n"
    "'dumpxml -- vm') cat vm.xml;;\n"
    "'qemu-monitor-command -- vm {\"execute\": \"query-migrate\"}')\n"
    "    echo '{\"return\": {\"blocked-reasons\": [\"hostdev1: cannot "
    "migrate\"]}, \"id\": \"libvirt-7\"}';;\n"
    "'qemu-monitor-command --domain vm --cmd '*anon*)\n"
    "    echo '{\"return\": []}';;\n"
    "'qemu-monitor-command --domain vm --cmd '*)\n"
    "    cat \"$(echo \"$5\" | cut -d'\"' -f4)\";;\n"
    "*) echo \"error: failed to get domain '$3'\" >&2; exit 1;;\n"
    "esac\n";

/* Replaces ssh: the other host is this one. */
static const char ssh[] = "#!/bin/sh\n"
    "echo \"ssh $1: $2\" >&2\n"
    "eval \"set -- $2\"\n"
    "shift\n"
    "exec vfio-migrate --sysroot root \"$@\"\n";

/* Replies of a VM that is being migrated, by command */
static void put_answers(const char *dir)
{
    put(dir, "qom-list", "{\"return\": [{\"name\": \"hostdev0\", "
        "\"type\": \"child<vfio-pci>\"}]}\n");
    put(dir, "qom-get", "{\"return\": {\"protocol\": \"v1\", \"state\": "
        "\"pre-copy\", \"transferred-bytes\": 2097152, \"pending-bytes\": "
        "14680064, \"chunks\": 2, \"mapped-bytes\": 2097152, "
        "\"trapped-bytes\": 0, \"dirty-tracking\": \"pre-copy\", "
        "\"blocked-reason\": \"\", \"last-error\": \"\"}}\n");
    put(dir, "query-status", "{\"return\": {\"status\": \"running\"}}\n");
    put(dir, "query-migrate-parameters", "{\"return\": "
        "{\"downtime-limit\": 300, \"max-bandwidth\": 134217728}}\n");
    put(dir, "query-migrate", "{\"return\": {\"status\": \"active\", "
        "\"total-time\": 900, \"setup-time\": 9, \"expected-downtime\": "
        "300, \"ram\": {\"total\": 134217728, \"transferred\": 4194304, "
        "\"remaining\": 67108864, \"dirty-pages-rate\": 100, "
        "\"page-size\": 4096, \"dirty-sync-count\": 2}}}\n");
}

static void put_host(const char *dir)
{
    g_autofree char *root = g_build_filename(dir, "root", NULL);
    g_autoptr(GString) config = g_string_new(NULL);

    for (unsigned i = 0; i < G_N_ELEMENTS(devices); i++) {
        put_device(root, &devices[i], config);
    }
    put(dir, "sim.conf", config->str);
    put_link(root, "/sys/bus/pci/drivers/nic_vfio_pci/module",
             "../../../../module/nic_vfio");
    put(root, "/sys/module/nic_vfio/version", "6.7.8\n");
    put(root, "/sys/module/apparmor/parameters/enabled", "N\n");
    put(root, "/proc/sys/kernel/osrelease", "6.1.0-18-amd64\n");
    put(root, "/proc/self/limits", "Limit  Soft Limit  Hard Limit  Units\n"
        "Max locked memory         8388608              unlimited     bytes\n"
        "Max address space         unlimited            unlimited     bytes\n");
    put(root, "/dev/vfio/vfio", "");
    put(root, "/etc/hosts", "");
    put(root, "/usr/bin/qemu-system-x86_64-vfio", qemu);
    put(root, "/usr/bin/qemu-system-x86_64", plain_qemu);
    put(dir, "vm.xml", domain);
    put(dir, "two.xml", two_devices);
    put(dir, "virsh", virsh);
    put_answers(dir);
    put_link(dir, "traces", TRACES);
    put(dir, "ssh", ssh);
    put_link(dir, "vfio-migrate", TOOL_PROGRAM);
}

/* ---- running ---- */

/* Output and exit status in the format of the golden files */
static char *run(const char *dir, const char *line)
{
    g_auto(GStrv) env = g_get_environ();
    g_autofree char *path = g_strconcat(dir, ":", g_getenv("PATH"), NULL);
    g_autofree char *config = g_build_filename(dir, "sim.conf", NULL);
    g_autofree char *script = g_strdup_printf(
        "vfio-migrate() { LD_PRELOAD='%s' command vfio-migrate \"$@\"; }\n"
        "exec 2>&1\n%s", SIM_LIBRARY, line);
    const char *argv[] = { "/bin/bash", "-c", script, NULL };
    g_auto(Outcome) o = { 0 };

    env = g_environ_setenv(env, "PATH", path, true);
    env = g_environ_setenv(env, "VFIO_SIM_CONFIG", config, true);
    env = g_environ_setenv(env, "NO_COLOR", "1", true);
    env = g_environ_setenv(env, "LC_ALL", "C.UTF-8", true);
    o = run_program(dir, env, argv);
    return g_strdup_printf("$ %s\n%s[exit status %d]\n", line, o.output,
                           o.status);
}

/* Replace what differs between runs with a fixed word. */
static char *without_times(const char *text)
{
    g_autoptr(GRegex) words = g_regex_new("\\b[0-9.]+ (us|ms|s)\\b", 0, 0,
                                          NULL);
    g_autoptr(GRegex) members = g_regex_new("(-us\" : |\"time\": )[0-9.]+",
                                            0, 0, NULL);
    g_autofree char *half = g_regex_replace_literal(words, text, -1, 0,
                                                    "TIME", 0, NULL);

    return g_regex_replace(members, half, -1, 0, "\\g<1>0", 0, NULL);
}

/* The member "schema" of the JSON in @text selects the schema. */
static void expect_schema(const char *dir, const char *text)
{
    g_autofree char *file = g_build_filename(dir, "json", NULL);
    const char *begin = strstr(text, "\n{\n"), *end = strstr(text, "\n}\n");
    g_autofree char *json = begin && end
                            ? g_strndup(begin, end + 3 - begin) : NULL;
    g_auto(GStrv) words = json ? g_strsplit(json, "\"", 5) : NULL;
    g_autofree char *schema = NULL, *command = NULL, *said = NULL;
    int status;

    if (!json || !*VALIDATOR) {
        return;
    }
    g_assert_cmpstr(words[1], ==, "schema");
    schema = g_strconcat(SCHEMAS "/", words[3], ".json", NULL);
    g_assert_true(g_file_set_contents(file, json, -1, NULL));
    command = g_strdup_printf("%s --base-uri file://" SCHEMAS "/ -i '%s' "
                              "'%s'", VALIDATOR, file, schema);
    g_assert_true(g_spawn_command_line_sync(command, NULL, &said, &status,
                                            NULL));
    if (status) {
        g_error("%s", said);
    }
}

/* Lines of @text that are not in @base's file, each group after its place */
static char *differing(const char *dir, const char *base, const char *text)
{
    g_autofree char *file = g_build_filename(dir, "text", NULL);
    g_autofree char *command = g_strdup_printf("diff -U0 '" GOLDEN "/%s.txt' "
                                               "'%s'", base, file);
    g_autoptr(GString) different = g_string_new(NULL);
    g_autofree char *output = NULL;
    g_auto(GStrv) lines = NULL;

    g_assert_true(g_file_set_contents(file, text, -1, NULL));
    g_assert_true(g_spawn_command_line_sync(command, &output, NULL, NULL,
                                            NULL));
    lines = g_strsplit(output, "\n", -1);
    g_assert_cmpuint(g_strv_length(lines), >, 3);   /* at least one differs */
    g_string_append_printf(different, "Like %s, but:\n", base);
    for (unsigned i = 2; lines[i]; i++) {
        if (*lines[i] && *lines[i] != '-') {
            g_string_append_printf(different, "%s\n", lines[i]);
        }
    }
    return g_string_free(g_steal_pointer(&different), FALSE);
}

static void test_case(const void *data)
{
    const Case *c = data;
    g_autofree char *dir = g_dir_make_tmp("vfio-migrate-XXXXXX", NULL);
    g_autofree char *golden = g_strconcat(GOLDEN "/", c->name, ".txt", NULL);
    g_autofree char *remove = g_strdup_printf("rm -r '%s'", dir);
    g_autofree char *output = NULL, *text = NULL, *folded = NULL;

    put_host(dir);
    output = run(dir, c->line);
    text = without_times(output);
    g_test_message("%s", text);
    expect_schema(dir, text);
    folded = golden_fold(text);
    if (c->like) {
        g_autofree char *all = g_steal_pointer(&folded);

        folded = differing(dir, c->like, all);
    }
    golden_compare(golden, folded);
    g_assert_true(g_spawn_command_line_sync(remove, NULL, NULL, NULL, NULL));
}

static void test_validator(void)
{
    if (!*VALIDATOR) {
        g_test_skip("no jsonschema (python3-jsonschema): JSON is not held "
                    "against its schemas");
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vfio-migrate/golden/schemas", test_validator);
    ADD_ROWS("/vfio-migrate/golden/", cases, test_case);
    return g_test_run();
}
