/*
 * A "host": a libvirtd with its own files, sockets and devices
 *
 * Owns: libvirtd's configuration and its private directories, starting and
 * stopping it, running virsh with it.
 * Does not own: the namespaces (sandbox.c), devices (world-*.c), domains.
 *
 * libvirtd is run from a copy of its binary: an AppArmor profile for
 * /usr/sbin/libvirtd is meant for the machine's own and must not apply to this
 * one. This is different with a shipped libvirt (shipped.c).
 *
 * No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "node.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>

#include "sandbox.h"
#include "shipped.h"

#define LIBVIRTD "/usr/sbin/libvirtd"
/* Starting takes some seconds on a slow machine, or in a VM without KVM. */
#define START_SECONDS 90
#define VIRSH_SECONDS "150"
/* A command compiles a VM's profile several times: 10 s each without KVM */
#define VIRSH_SHIPPED_SECONDS "600"
#define USEC_PER_TRY 50000

bool node_shipped;

/* When the first libvirtd was started; times in the log are relative to it. */
static double started_s;

static const struct {
    const char *sub, *covers;
} private_dirs[] = {
    { "run", "/run" },
    { "lib", "/var/lib/libvirt" },
    { "cache", "/var/cache/libvirt" },
    { "log", "/var/log/libvirt" },
    { "etc", "/etc/libvirt" },
    { "profiles", "/etc/apparmor.d/libvirt" },
};

/* ------------------------------------------------------------------------ */
/* Files                                                                    */

static bool write_configuration(const Node *node, GError **error)
{
    g_autofree char *daemon = g_build_filename(node->dir, "etc",
                                               "libvirtd.conf", NULL);
    g_autofree char *qemu = g_build_filename(node->dir, "etc", "qemu.conf",
                                             NULL);
    g_autofree char *text = g_strdup_printf(
        "unix_sock_dir = \"/run/libvirt\"\n"
        "auth_unix_rw = \"none\"\n"
        "auth_unix_ro = \"none\"\n"
        "host_uuid = \"%u%u%u%u0000-0000-4000-8000-000000000000\"\n"
        "log_outputs = \"2:file:/var/log/libvirt/libvirtd.log\"\n",
        node->index + 1, node->index + 1, node->index + 1, node->index + 1);

    return sandbox_write(daemon, text, error) &&
           sandbox_write(qemu,
                         "user = \"root\"\n"
                         "group = \"root\"\n"
                         "security_driver = \"none\"\n"
                         "cgroup_controllers = []\n"
                         "namespaces = []\n"
                         "stdio_handler = \"file\"\n"
                         "dynamic_ownership = 0\n"
                         "remember_owner = 0\n", error);
}

/* The package's files, with a different host name for each node */
static bool ship_files(const Node *node, GError **error)
{
    g_autofree char *file = g_build_filename(node->dir, "etc",
                                             "libvirtd.conf", NULL);
    g_autofree char *old = NULL, *text = NULL;

    for (size_t i = 1; i < G_N_ELEMENTS(private_dirs); i++) {
        g_autofree char *own = g_build_filename(node->dir,
                                                private_dirs[i].sub, NULL);

        if (!shipped_copy(private_dirs[i].covers, own, error)) {
            return false;
        }
    }
    if (!g_file_get_contents(file, &old, NULL, error)) {
        return false;
    }
    text = g_strdup_printf("%s\nhost_uuid = \"%u%u%u%u0000-0000-4000-8000-"
                           "000000000000\"\n", old, node->index + 1,
                           node->index + 1, node->index + 1, node->index + 1);
    return sandbox_write(file, text, error);
}

/* Add @line, a user or group that libvirtd looks up, to /etc/@file. */
static bool add_user(const Node *node, const char *file, const char *line,
                     GError **error)
{
    g_autofree char *system = g_build_filename("/etc", file, NULL);
    g_autofree char *own = g_build_filename(node->dir, file, NULL);
    g_autofree char *old = NULL, *text = NULL;

    if (!g_file_get_contents(system, &old, NULL, error)) {
        return false;
    }
    text = g_strconcat(line, old, NULL);
    return sandbox_write(own, text, error) &&
           sandbox_cover(system, own, error);
}

static bool add_users(const Node *node, GError **error)
{
    return add_user(node, "passwd",
                    "libvirt-qemu:x:64055:64055::/:/bin/false\n", error) &&
           add_user(node, "group", "libvirt-qemu:x:64055:\n", error);
}

static bool cover_dirs(const Node *node, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(private_dirs); i++) {
        g_autofree char *own = g_build_filename(node->dir,
                                                private_dirs[i].sub, NULL);

        if ((node_shipped || strcmp(private_dirs[i].sub, "profiles")) &&
            !sandbox_cover(private_dirs[i].covers, own, error)) {
            return false;
        }
    }
    return true;
}

static bool make_dirs(Node *node, GError **error)
{
    g_autofree char *lock = g_build_filename(node->dir, "run", "lock", NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(private_dirs); i++) {
        g_autofree char *own = g_build_filename(node->dir,
                                                private_dirs[i].sub, NULL);

        g_mkdir_with_parents(own, 0755);
    }
    g_mkdir_with_parents(lock, 0755);
    return node_shipped ? ship_files(node, error)
                        : write_configuration(node, error);
}

static bool copy_daemon(char **copy, GError **error)
{
    g_autoptr(GFile) from = g_file_new_for_path(LIBVIRTD);
    g_autoptr(GFile) to = NULL;

    if (node_shipped) {
        *copy = g_strdup(LIBVIRTD);
        return true;
    }
    *copy = g_build_filename(sandbox_dir(), "libvirtd", NULL);
    to = g_file_new_for_path(*copy);
    return g_file_test(*copy, G_FILE_TEST_EXISTS) ||
           g_file_copy(from, to, G_FILE_COPY_NONE, NULL, NULL, NULL, error);
}

/* ------------------------------------------------------------------------ */
/* The daemon                                                               */

static void G_GNUC_NORETURN run_daemon(const Node *node, const char *program,
                                       NodeFurnish *furnish)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *log = g_build_filename(node->dir, "daemon.txt", NULL);
    const char *env[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
                          NULL };

    if (!sandbox_own_mounts(&error) || !cover_dirs(node, &error) ||
        (!node_shipped && !add_users(node, &error)) ||
        (furnish && !furnish(node, &error)) ||
        (node_shipped && !shipped_enter(node, &error))) {
        g_printerr("%s: %s\n", node->name, error->message);
        _exit(125);
    }
    if (!g_freopen(log, "w", stdout) ||
        dup2(STDOUT_FILENO, STDERR_FILENO) < 0 || chdir("/") < 0) {
        _exit(125);
    }
    setsid();
    execle(program, "libvirtd", NULL, env);
    _exit(127);
}

static bool listens(const char *path)
{
    g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_autoptr(GSocketConnection) connection =
        g_socket_client_connect(client, G_SOCKET_CONNECTABLE(address), NULL,
                                NULL);

    return connection;
}

static bool wait_for_daemon(const Node *node, GError **error)
{
    g_autofree char *socket = g_build_filename(node->dir, "run", "libvirt",
                                               "libvirt-sock", NULL);
    gint64 end = g_get_monotonic_time() + START_SECONDS * G_USEC_PER_SEC;

    while (g_get_monotonic_time() < end) {
        if (waitpid(node->pid, NULL, WNOHANG) != 0) {
            break;
        }
        if (listens(socket)) {
            return true;
        }
        g_usleep(USEC_PER_TRY);
    }
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                "libvirtd of the %s does not answer; see %s/log",
                node->name, node->dir);
    return false;
}

Node *node_start(const char *name, unsigned index, NodeFurnish *furnish,
                 GError **error)
{
    g_autofree char *program = NULL;
    Node *node = g_new0(Node, 1);

    node->name = name;
    node->index = index;
    node->dir = g_build_filename(sandbox_dir(), name, NULL);
    node->uri = g_strdup_printf("qemu+unix:///system?socket=%s/run/libvirt/"
                                "libvirt-sock", node->dir);
    if (!make_dirs(node, error) || !copy_daemon(&program, error)) {
        return NULL;
    }
    if (!started_s) {
        started_s = g_get_monotonic_time() / 1e6;
    }
    node->pid = fork();
    if (node->pid == 0) {
        run_daemon(node, program, furnish);
    }
    return wait_for_daemon(node, error) ? node : NULL;
}

void node_share_capabilities(const Node *from, const char *emulator,
                             const char *name)
{
    g_autofree char *sub = g_build_filename("cache", "qemu", "capabilities",
                                            NULL);
    g_autofree char *old = g_build_filename(from->dir, sub, NULL);
    g_autofree char *new = g_build_filename(sandbox_dir(), name, sub, NULL);
    g_auto(Virsh) run = { 0 };

    virsh_ask(from, &run, "domcapabilities", "--emulatorbin", emulator,
              "--virttype", "qemu", "--arch", "x86_64", NULL);
    g_mkdir_with_parents(new, 0755);
    shipped_copy(old, new, NULL);
}

void node_stop(Node *node)
{
    kill(node->pid, SIGTERM);
    waitpid(node->pid, NULL, 0);
}

bool node_run(const Node *node, const char *program, ...)
{
    g_autofree char *pid = g_strdup_printf("--target=%d", node->pid);
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    const char *const enter[] = { "nsenter", pid, "--mount", program };
    const char *word;
    int status = -1;
    va_list ap;

    for (size_t i = 0; i < G_N_ELEMENTS(enter); i++) {
        g_ptr_array_add(argv, (void *)enter[i]);
    }
    va_start(ap, program);
    while ((word = va_arg(ap, const char *))) {
        g_ptr_array_add(argv, (void *)word);
    }
    va_end(ap);
    g_ptr_array_add(argv, NULL);
    g_spawn_sync(NULL, (char **)argv->pdata, NULL, G_SPAWN_SEARCH_PATH, NULL,
                 NULL, &text, NULL, &status, &error);
    g_assert_no_error(error);
    g_test_message("%s# %s: status %d\n%s", node->name, program, status,
                   text);
    return status == 0;
}

pid_t node_qemu(const Node *node, const char *domain)
{
    g_autofree char *name = g_strconcat(domain, ".pid", NULL);
    g_autofree char *path = g_build_filename(node->dir, "run", "libvirt",
                                             "qemu", name, NULL);
    g_autofree char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? atoi(text) : 0;
}

char *node_log_tail(const Node *node, const char *domain, unsigned lines)
{
    g_autofree char *name = g_strconcat(domain, ".log", NULL);
    g_autofree char *path = g_build_filename(node->dir, "log", "qemu", name,
                                             NULL);
    g_autofree char *text = NULL;
    const char *at;

    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        return g_strdup("(no log)");
    }
    for (at = text + strlen(text); at > text; at--) {
        if (at[-1] == '\n' && at[0] && lines-- == 0) {
            break;
        }
    }
    return g_strdup(at);
}

/* ------------------------------------------------------------------------ */
/* virsh                                                                    */

void virsh_clear(Virsh *run)
{
    g_clear_pointer(&run->out, g_free);
    g_clear_pointer(&run->err, g_free);
}

static GSubprocess *begin(const Node *node, bool log, va_list ap)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_autoptr(GString) shown = g_string_new("virsh");
    g_autoptr(GError) error = NULL;
    GSubprocess *process;
    const char *word;

    g_ptr_array_add(argv, (void *)"timeout");
    g_ptr_array_add(argv, (void *)"--kill-after=5");
    g_ptr_array_add(argv, (void *)(node_shipped ? VIRSH_SHIPPED_SECONDS
                                                : VIRSH_SECONDS));
    g_ptr_array_add(argv, (void *)"virsh");
    g_ptr_array_add(argv, (void *)"-c");
    g_ptr_array_add(argv, node->uri);
    while ((word = va_arg(ap, const char *))) {
        g_ptr_array_add(argv, (void *)word);
        g_string_append_printf(shown, " %s", word);
    }
    g_ptr_array_add(argv, NULL);
    if (log) {
        g_test_message("[%.1f s] %s$ %s", g_get_monotonic_time() / 1e6 -
                       started_s, node->name, shown->str);
    }
    process = g_subprocess_newv((const char *const *)argv->pdata,
                                G_SUBPROCESS_FLAGS_STDOUT_PIPE |
                                G_SUBPROCESS_FLAGS_STDERR_PIPE, &error);
    g_assert_no_error(error);
    return process;
}

GSubprocess *virsh_begin(const Node *node, ...)
{
    GSubprocess *process;
    va_list ap;

    va_start(ap, node);
    process = begin(node, true, ap);
    va_end(ap);
    return process;
}

static bool finish(GSubprocess *process, Virsh *run)
{
    g_autoptr(GError) error = NULL;

    virsh_clear(run);
    g_subprocess_communicate_utf8(process, NULL, NULL, &run->out, &run->err,
                                  &error);
    g_assert_no_error(error);
    run->status = g_subprocess_get_if_exited(process)
        ? g_subprocess_get_exit_status(process) : 128;
    g_object_unref(process);
    g_strchomp(run->out);
    g_strchomp(run->err);
    return run->status == 0;
}

bool virsh_end(GSubprocess *process, Virsh *run)
{
    bool ok = finish(process, run);

    if (run->out[0]) {
        g_test_message("%s", run->out);
    }
    if (run->err[0] || run->status) {
        g_test_message("%s (exit status %d)", run->err, run->status);
    }
    return ok;
}

bool virsh_ask(const Node *node, Virsh *run, ...)
{
    GSubprocess *process;
    va_list ap;

    va_start(ap, run);
    process = begin(node, false, ap);
    va_end(ap);
    return finish(process, run);
}

bool virsh(const Node *node, Virsh *run, ...)
{
    GSubprocess *process;
    va_list ap;

    va_start(ap, run);
    process = begin(node, true, ap);
    va_end(ap);
    return virsh_end(process, run);
}
