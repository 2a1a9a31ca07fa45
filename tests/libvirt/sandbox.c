/*
 * A sandbox for libvirtd
 *
 * Owns: the namespaces of the whole test, process 1 in them, and mounting other
 * directories over those of the machine.
 * Does not own: the content of these directories (node.c, world-*.c).
 *
 * Nothing on the machine is changed, except for an empty directory in $TMPDIR,
 * which is removed at the end. Processes inside see only each other; they
 * cannot outlive the test, as the kernel kills them when process 1 ends, and
 * process 1 when its parent ends.
 *
 * No locks; one thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <glib/gstdio.h>

static char *dir_path;
static pid_t inner;

const char *sandbox_dir(void)
{
    return dir_path;
}

bool sandbox_failed(GError **error, const char *what, const char *path)
{
    int saved = errno;

    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(saved),
                "cannot %s %s: %s", what, path, g_strerror(saved));
    return false;
}

/* ------------------------------------------------------------------------ */
/* Namespaces                                                               */

static void on_stop(int sig)
{
    kill(inner, SIGKILL);
}

static int exit_status(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Wait for the process inside to end, then remove the directory. */
static void G_GNUC_NORETURN stay_outside(void)
{
    struct sigaction sa = { .sa_handler = on_stop };
    int status = 0;

    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGHUP, &sa, NULL);
    while (waitpid(inner, &status, 0) < 0 && errno == EINTR) {
        continue;
    }
    umount2(dir_path, MNT_DETACH);
    g_rmdir(dir_path);
    _exit(exit_status(status));
}

/* Process 1 reaps orphaned processes, and exits with the test. */
static void G_GNUC_NORETURN be_process_one(pid_t test)
{
    for (;;) {
        int status;
        pid_t pid = wait(&status);

        if (pid == test) {
            _exit(exit_status(status));
        }
        if (pid < 0 && errno != EINTR) {
            _exit(125);
        }
    }
}

static bool loopback_up(void)
{
    struct ifreq request = { .ifr_name = "lo" };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool ok;

    request.ifr_flags = IFF_UP | IFF_RUNNING;
    ok = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

static void furnish(void)
{
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV,
              NULL) < 0 ||
        mount("tmpfs", dir_path, "tmpfs", 0, "mode=0755") < 0 ||
        !loopback_up()) {
        g_printerr("cannot furnish the test's namespaces: %s\n",
                   g_strerror(errno));
        _exit(125);
    }
}

bool sandbox_enter(char **why)
{
    pid_t test;

    if (geteuid() != 0) {
        *why = g_strdup("it needs root: libvirtd runs in namespaces of the "
                        "test's own");
        return false;
    }
    dir_path = g_dir_make_tmp("vfio-libvirt-XXXXXX", NULL);
    if (!dir_path || unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET |
                             CLONE_NEWIPC) < 0) {
        *why = g_strdup_printf("new namespaces are not permitted here: %s",
                               g_strerror(errno));
        if (dir_path) {
            g_rmdir(dir_path);
        }
        return false;
    }
    inner = fork();
    if (inner > 0) {
        stay_outside();
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (inner < 0) {
        _exit(125);
    }
    furnish();
    test = fork();
    if (test != 0) {
        be_process_one(test);
    }
    return true;
}

bool sandbox_own_mounts(GError **error)
{
    if (unshare(CLONE_NEWNS) < 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        return sandbox_failed(error, "make", "a mount namespace");
    }
    return true;
}

/* ------------------------------------------------------------------------ */
/* Directories                                                              */

static bool make_parent(const char *path, GError **error)
{
    g_autofree char *parent = g_path_get_dirname(path);

    return g_mkdir_with_parents(parent, 0755) == 0 ||
           sandbox_failed(error, "create", parent);
}

bool sandbox_write(const char *path, const char *text, GError **error)
{
    return make_parent(path, error) &&
           g_file_set_contents(path, text, -1, error);
}

bool sandbox_link(const char *target, const char *path, GError **error)
{
    return make_parent(path, error) &&
           (symlink(target, path) == 0 || sandbox_failed(error, "link", path));
}

static bool bind_to(const char *from, const char *to, GError **error)
{
    return mount(from, to, NULL, MS_BIND | MS_REC, NULL) == 0 ||
           sandbox_failed(error, "cover", to);
}

/* Mirror one entry of a directory: @from appears as @to. */
static bool mirror_entry(const char *from, const char *to, GError **error)
{
    struct stat st;
    int fd;

    if (lstat(from, &st) < 0) {
        return true;                    /* it was removed meanwhile */
    }
    if (S_ISLNK(st.st_mode)) {
        g_autofree char *target = g_file_read_link(from, error);
        g_autofree char *parent = g_path_get_dirname(from);
        g_autofree char *whole = NULL;

        if (!target) {
            return false;
        }
        /* At another depth, a target with "../.." would be wrong. */
        whole = g_canonicalize_filename(target, parent);
        return sandbox_link(whole, to, error);
    }
    if (S_ISDIR(st.st_mode)) {
        return (g_mkdir(to, 0755) == 0 ||
                sandbox_failed(error, "create", to)) &&
               bind_to(from, to, error);
    }
    fd = open(to, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    if (fd < 0) {
        return sandbox_failed(error, "create", to);
    }
    close(fd);
    return bind_to(from, to, error);
}

bool sandbox_fill(const char *dir, const char *from,
                  const char *const *except, GError **error)
{
    g_autoptr(GDir) handle = g_dir_open(from, 0, error);
    const char *name;

    if (!handle) {
        return false;
    }
    while ((name = g_dir_read_name(handle))) {
        g_autofree char *old = g_build_filename(from, name, NULL);
        g_autofree char *new = g_build_filename(dir, name, NULL);

        if (!(except && g_strv_contains(except, name)) &&
            !mirror_entry(old, new, error)) {
            return false;
        }
    }
    return true;
}

bool sandbox_mirror(const char *dir, const char *const *except,
                    GError **error)
{
    g_autofree char *scratch = g_build_filename(dir_path, "mirror-XXXXXX",
                                                NULL);

    if (!g_mkdtemp(scratch)) {
        return sandbox_failed(error, "create", scratch);
    }
    if (mount("tmpfs", scratch, "tmpfs", 0, "mode=0755") < 0) {
        return sandbox_failed(error, "mount on", scratch);
    }
    if (!sandbox_fill(scratch, dir, except, error)) {
        return false;
    }
    if (mount(scratch, dir, NULL, MS_MOVE, NULL) < 0) {
        return sandbox_failed(error, "cover", dir);
    }
    g_rmdir(scratch);
    return true;
}

bool sandbox_cover(const char *dir, const char *with, GError **error)
{
    if (!g_file_test(dir, G_FILE_TEST_EXISTS)) {
        g_autofree char *parent = g_path_get_dirname(dir);

        if (!sandbox_mirror(parent, NULL, error)) {
            return false;
        }
        if (g_mkdir(dir, 0755) < 0) {
            return sandbox_failed(error, "create", dir);
        }
    }
    return bind_to(with, dir, error);
}
