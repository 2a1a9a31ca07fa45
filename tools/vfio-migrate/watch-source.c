/*
 * vfio-migrate watch: querying QEMU
 *
 * Owns: the two ways to a monitor: a QMP socket, and virsh for a libvirt
 * domain, whose monitor only libvirt can use. Neither blocks: QEMU does not
 * answer while it copies the state of a stopped device. One thread, no locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "watch-source.h"

#define GREETING_TIMEOUT_MS  5000
#define CHILD_TICK_US        5000

struct WatchSource {
    Qmp *qmp;               /* NULL for a domain */
    char *domain;
    char *connect;
    GPid child;             /* the running virsh; 0: no query is open */
    int out_fd, err_fd;     /* its output */
};

/* ---- virsh ---- */

static int close_fd(int *fd)
{
    int ret = *fd >= 0 ? close(*fd) : 0;

    *fd = -1;
    return ret;
}

static char *read_fd(int fd)
{
    GString *text = g_string_new(NULL);
    char buffer[4096];
    ssize_t got;

    lseek(fd, 0, SEEK_SET);
    while ((got = read(fd, buffer, sizeof(buffer))) > 0) {
        g_string_append_len(text, buffer, got);
    }
    return g_strstrip(g_string_free(text, false));
}

static bool virsh_ask(WatchSource *source, const char *command,
                      GVariant *arguments, GError **error)
{
    g_autofree char *text = qmp_command_text(command, arguments);
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_auto(GStrv) argv = NULL;

    g_strv_builder_add(builder, "virsh");
    if (source->connect) {
        g_strv_builder_add_many(builder, "--connect", source->connect, NULL);
    }
    g_strv_builder_add_many(builder, "qemu-monitor-command", "--domain",
                            source->domain, "--cmd", text, NULL);
    argv = g_strv_builder_end(builder);
    source->out_fd = memfd_create("virsh-out", MFD_CLOEXEC);
    source->err_fd = memfd_create("virsh-err", MFD_CLOEXEC);
    if (!g_spawn_async_with_fds(NULL, argv, NULL,
                                G_SPAWN_SEARCH_PATH |
                                G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL,
                                &source->child, -1, source->out_fd,
                                source->err_fd, error)) {
        g_prefix_error(error, "%s is no socket, and as a domain of libvirt's "
                       "it cannot be asked: ", source->domain);
        source->child = 0;
        return false;
    }
    return true;
}

/* True once virsh has exited, with its status in @status */
static bool virsh_wait(WatchSource *source, int timeout_ms, int *status)
{
    int64_t end_us = g_get_monotonic_time() + timeout_ms * 1000ll;
    pid_t got;

    do {
        got = waitpid(source->child, status, WNOHANG);
        if (got == source->child) {
            return true;
        }
        g_usleep(CHILD_TICK_US);
    } while (!qmp_interrupted && g_get_monotonic_time() < end_us);
    return false;
}

static JsonNode *virsh_answer(WatchSource *source, int timeout_ms,
                              GError **error)
{
    g_autofree char *out = NULL, *err = NULL;
    g_autoptr(JsonNode) answer = NULL;
    int status = 0;

    if (!virsh_wait(source, timeout_ms, &status)) {
        return NULL;
    }
    source->child = 0;
    out = read_fd(source->out_fd);
    err = read_fd(source->err_fd);
    close_fd(&source->out_fd);
    close_fd(&source->err_fd);
    if (!g_spawn_check_wait_status(status, NULL)) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_ENDED, "virsh: %s",
                    g_str_has_prefix(err, "error: ") ? err + 7
                    : *err ? err : "it failed without a word");
        return NULL;
    }
    answer = json_from_string(out, NULL);
    if (!answer) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_ENDED,
                    "virsh: its answer is no JSON: %.200s", out);
        return NULL;
    }
    return qmp_unwrap(answer, error);
}

/* ---- both ---- */

static bool is_path(const char *name)
{
    struct stat info;

    return strchr(name, '/') ||
           (stat(name, &info) == 0 && S_ISSOCK(info.st_mode));
}

static bool open_socket(WatchSource *source, const char *name, GError **error)
{
    g_autoptr(GError) cause = NULL;

    source->qmp = qmp_connect(name, error);
    if (!source->qmp) {
        return false;
    }
    if (qmp_begin(source->qmp, GREETING_TIMEOUT_MS, &cause)) {
        return true;
    }
    if (g_error_matches(cause, QMP_ERROR, QMP_ERROR_TIMEOUT)) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_TIMEOUT,
                    "%s: no greeting within %d seconds: a monitor has one "
                    "client at a time, and may have another one, or is no "
                    "QMP monitor. Of libvirt's VMs name the domain", name,
                    GREETING_TIMEOUT_MS / 1000);
    } else {
        g_propagate_error(error, g_steal_pointer(&cause));
    }
    return false;
}

WatchSource *watch_source_open(const char *name, const char *connect,
                               GError **error)
{
    g_autoptr(WatchSource) source = g_new0(WatchSource, 1);

    source->out_fd = source->err_fd = -1;
    if (!is_path(name)) {
        source->domain = g_strdup(name);
        source->connect = g_strdup(connect);
    } else if (!open_socket(source, name, error)) {
        return NULL;
    }
    return g_steal_pointer(&source);
}

void watch_source_free(WatchSource *source)
{
    if (!source) {
        return;
    }
    if (source->child) {
        kill(source->child, SIGTERM);
        while (waitpid(source->child, NULL, 0) < 0 && errno == EINTR) {
            continue;
        }
    }
    close_fd(&source->out_fd);
    close_fd(&source->err_fd);
    qmp_free(source->qmp);
    g_free(source->domain);
    g_free(source->connect);
    g_free(source);
}

bool watch_source_ask(WatchSource *source, const char *command,
                      GVariant *arguments, GError **error)
{
    return source->qmp ? qmp_query(source->qmp, command, arguments, error)
                       : virsh_ask(source, command, arguments, error);
}

static JsonNode *socket_answer(WatchSource *source, int timeout_ms,
                               GError **error)
{
    int64_t end_us = g_get_monotonic_time() + timeout_ms * 1000ll;

    while (qmp_query_is_open(source->qmp)) {
        int64_t left_ms = (end_us - g_get_monotonic_time()) / 1000;

        if (qmp_interrupted || left_ms <= 0) {
            return NULL;
        }
        if (!qmp_pump(source->qmp, left_ms, error)) {
            return NULL;
        }
    }
    return qmp_take_reply(source->qmp, error);
}

JsonNode *watch_source_answer(WatchSource *source, int timeout_ms,
                              GError **error)
{
    return source->qmp ? socket_answer(source, timeout_ms, error)
                       : virsh_answer(source, timeout_ms, error);
}
