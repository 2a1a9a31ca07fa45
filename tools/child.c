/*
 * Child processes: starting, watching and ending them
 *
 * Owns: the process, and the file for its output. Does not own: the choice of
 * the program, and the use of its sockets. One thread, no locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"

#define CHILD_MAX_SOCKETS 2
/* Polling interval while waiting for the process to end */
#define CHILD_TICK_US     10000
/* Time from SIGKILL to the end: the kernel needs a moment per GiB of memory */
#define CHILD_KILL_MS     20000

struct Child {
    char *output;
    GPid pid;
    int status;               /* from waitpid(), once it has ended */
    bool ended;
};

static void child_setup(void *opaque)
{
    pid_t parent = GPOINTER_TO_INT(opaque);

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(1);
    }
}

static void child_set_errno(const char *what, GError **error)
{
    int number = errno;

    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(number),
                "%s: %s", what, g_strerror(number));
}

static void child_close(int *fds, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        close(fds[i]);
    }
}

static bool child_spawn(Child *child, const ChildConfig *config,
                        const int *sockets, GError **error)
{
    int targets[CHILD_MAX_SOCKETS], output;
    bool done;

    for (unsigned i = 0; i < config->sockets; i++) {
        targets[i] = CHILD_SOCKET_FD + i;
    }
    output = open(config->output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                  0600);
    if (output < 0) {
        child_set_errno(config->output, error);
        return false;
    }
    done = g_spawn_async_with_pipes_and_fds(
        config->directory, config->argv, config->envp,
        G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_SEARCH_PATH, child_setup,
        GINT_TO_POINTER(getpid()), -1, output, output, sockets, targets,
        config->sockets, &child->pid, NULL, NULL, NULL, error);
    close(output);
    if (!done) {
        g_prefix_error(error, "%s: ", config->name);
    }
    return done;
}

Child *child_start(const ChildConfig *config, int *ends, GError **error)
{
    Child *child = g_new0(Child, 1);
    int sockets[CHILD_MAX_SOCKETS], pair[2];
    unsigned made = 0;

    g_assert(config->sockets <= CHILD_MAX_SOCKETS);
    while (made < config->sockets &&
           !socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
        ends[made] = pair[0];
        sockets[made++] = pair[1];
    }
    child->output = g_strdup(config->output);
    if (made < config->sockets) {
        child_set_errno(config->name, error);
        child->ended = true;
    } else {
        child->ended = !child_spawn(child, config, sockets, error);
    }
    child_close(sockets, made);
    if (child->ended) {
        child_close(ends, made);
        g_clear_pointer(&child, child_free);
    }
    return child;
}

bool child_wait(Child *child, int timeout_ms)
{
    int64_t end_us = g_get_monotonic_time() + timeout_ms * 1000ll;

    while (!child->ended) {
        if (waitpid(child->pid, &child->status, WNOHANG) == child->pid) {
            child->ended = true;
        } else if (g_get_monotonic_time() >= end_us) {
            return false;
        } else {
            g_usleep(CHILD_TICK_US);
        }
    }
    return true;
}

bool child_runs(Child *child)
{
    return !child_wait(child, 0);
}

int child_status(const Child *child)
{
    return child->status;
}

void child_signal(Child *child, int number)
{
    if (child_runs(child)) {
        kill(child->pid, number);
    }
}

bool child_kill(Child *child)
{
    child_signal(child, SIGKILL);
    return child_wait(child, CHILD_KILL_MS);
}

void child_free(Child *child)
{
    if (!child) {
        return;
    }
    child_kill(child);
    g_free(child->output);
    g_free(child);
}

GPid child_pid(const Child *child)
{
    return child->pid;
}

char *child_output(const Child *child)
{
    char *text = NULL;

    if (!g_file_get_contents(child->output, &text, NULL, NULL)) {
        return g_strdup("");
    }
    return text;
}

char *child_life(Child *child)
{
    if (child_runs(child)) {
        return g_strdup_printf("runs, pid %d", child->pid);
    }
    return WIFSIGNALED(child->status)
        ? g_strdup_printf("was ended by signal %d (%s)",
                          WTERMSIG(child->status),
                          g_strsignal(WTERMSIG(child->status)))
        : g_strdup_printf("ended with exit status %d",
                          WEXITSTATUS(child->status));
}
