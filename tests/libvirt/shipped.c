/*
 * libvirt as Debian ships it
 *
 * Owns: what a booted host has but the testbed's VM lacks (securityfs,
 * cgroups), the AppArmor namespace and the cgroup of a node, checking a QEMU
 * that runs there. None of libvirt's settings is changed.
 * Does not own: the package (installed in the VM's /), nodes (node.c).
 *
 * No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "shipped.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <glib/gstdio.h>

#include "sandbox.h"

#define SECURITY "/sys/kernel/security"
#define NAMESPACES SECURITY "/apparmor/policy/namespaces"
#define CGROUPS "/sys/fs/cgroup"
#define LOCAL_RULES "/etc/apparmor.d/local/abstractions/libvirt-qemu"

static const char *const programs[] = {
    "/usr/sbin/libvirtd", "/usr/sbin/virtlogd",
    "/usr/lib/libvirt/virt-aa-helper", "/usr/sbin/apparmor_parser",
    SHIPPED_EMULATOR,
};

char *shipped_lacking(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(programs); i++) {
        if (!g_file_test(programs[i], G_FILE_TEST_IS_EXECUTABLE)) {
            return g_strdup_printf("there is no %s: 'make check-deb' makes a "
                                   "system that has it", programs[i]);
        }
    }
    return NULL;
}

/* Files of sysfs and cgroupfs must exist and are written in one write. */
static bool put(const char *path, const char *text, GError **error)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 &&
              write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    ok = ok || sandbox_failed(error, "write to", path);
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

static bool run(GError **error, const char *const *argv)
{
    int status;

    return g_spawn_sync("/", (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL,
                        NULL, NULL, &status, error) &&
           g_spawn_check_wait_status(status, error);
}

static bool mount_at(const char *type, const char *path, GError **error)
{
    return mount(type, path, type, MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL) ==
           0 || errno == EBUSY || sandbox_failed(error, "mount", path);
}

bool shipped_prepare(GError **error)
{
    g_autofree char *profiles = NULL;

    return mount_at("securityfs", SECURITY, error) &&
           mount_at("cgroup2", CGROUPS, error) &&
           g_file_get_contents(SECURITY "/apparmor/profiles", &profiles, NULL,
                               error) &&
           put(CGROUPS "/cgroup.subtree_control",
               "+cpu +cpuset +io +memory +pids", error);
}

bool shipped_copy(const char *from, const char *own, GError **error)
{
    g_autofree char *all = g_strconcat(from, "/.", NULL);
    const char *argv[] = { "/bin/cp", "-a", all, own, NULL };

    return run(error, argv);
}

static bool make_directory(const char *path, GError **error)
{
    return mkdir(path, 0755) == 0 || errno == EEXIST ||
           sandbox_failed(error, "create", path);
}

/* Profiles are loaded into the namespace of the loading process. */
static bool enter_profiles(const char *name, GError **error)
{
    const char *argv[] = {
        "/usr/sbin/apparmor_parser", "-r", "/etc/apparmor.d/usr.sbin.libvirtd",
        "/etc/apparmor.d/usr.lib.libvirt.virt-aa-helper", NULL
    };
    g_autofree char *path = g_build_filename(NAMESPACES, name, NULL);
    g_autofree char *change = g_strdup_printf("changeprofile :%s:unconfined",
                                              name);

    return make_directory(path, error) &&
           put("/proc/thread-self/attr/apparmor/current", change, error) &&
           run(error, argv);
}

/*
 * The node's cgroup is the root of what its libvirtd sees; a cgroup that
 * delegates controllers must not contain processes.
 */
static bool enter_cgroup(const char *name, GError **error)
{
    g_autofree char *path = g_build_filename(CGROUPS, name, NULL);
    g_autofree char *daemon = g_build_filename(path, "daemon", NULL);
    g_autofree char *node_procs = g_build_filename(path, "cgroup.procs", NULL);

    return make_directory(path, error) && make_directory(daemon, error) &&
           put(node_procs, "0", error) &&
           (unshare(CLONE_NEWCGROUP) == 0 ||
            sandbox_failed(error, "make", "a cgroup namespace")) &&
           (umount2(CGROUPS, MNT_DETACH) == 0 ||
            sandbox_failed(error, "unmount", CGROUPS)) &&
           mount_at("cgroup2", CGROUPS, error) &&
           put(CGROUPS "/daemon/cgroup.procs", "0", error);
}

/* virtlogd receives QEMU's output; systemd would start it by its socket. */
static void start_virtlogd(void)
{
    if (fork() == 0) {
        execl("/usr/sbin/virtlogd", "virtlogd", NULL);
        _exit(127);
    }
}

bool shipped_enter(const Node *node, GError **error)
{
    if (!enter_cgroup(node->name, error) ||
        !enter_profiles(node->name, error)) {
        return false;
    }
    start_virtlogd();
    return true;
}

/* ------------------------------------------------------------------------ */
/* State of QEMU                                                            */

static char *process_text(unsigned pid, const char *file)
{
    g_autofree char *path = g_strdup_printf("/proc/%u/%s", pid, file);
    char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? text : g_strdup("");
}

/* The line of /proc/PID/status that begins with @name */
static char *status_line(const char *status, const char *name)
{
    const char *line = strstr(status, name);

    return line ? g_strndup(line, strcspn(line, "\n")) : g_strdup("");
}

bool shipped_confined(const Node *node, const char *domain)
{
    g_autofree char *profile = NULL, *status = NULL;
    g_autofree char *uid = NULL, *seccomp = NULL, *maps = NULL;
    pid_t pid = node_qemu(node, domain);
    bool loaded;

    profile = g_strchomp(process_text(pid, "attr/apparmor/current"));
    status = process_text(pid, "status");
    maps = process_text(pid, "maps");
    uid = status_line(status, "Uid:");
    seccomp = status_line(status, "Seccomp:");
    loaded = strstr(maps, "/vfio-migration.so") != NULL;
    g_test_message("QEMU at the %s: profile %s, %s, %s, library %s",
                   node->name, profile, uid, seccomp,
                   loaded ? "loaded" : "not loaded");
    return g_str_has_suffix(profile, " (enforce)") &&
           strstr(profile, "libvirt-7f2ba6b2-1f4f-4a8d-8ea2-6bdcba3c3d11") &&
           strstr(uid, "\t64055\t64055\t") && strstr(seccomp, "\t2");
}

bool shipped_local_rules(const char *text)
{
    return g_file_set_contents(LOCAL_RULES, text, -1, NULL);
}
