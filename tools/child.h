/*
 * Child processes: starting, watching and ending them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TOOLS_CHILD_H
#define TOOLS_CHILD_H

#include <stdbool.h>
#include <glib.h>

typedef struct Child Child;

/* The first descriptor of the child that is a socket; the others follow. */
#define CHILD_SOCKET_FD 3

typedef struct ChildConfig {
    const char *name;         /* for messages: "the source QEMU" */
    const char *const *argv;  /* the program is searched for in PATH */
    const char *const *envp;  /* NULL: inherited */
    const char *directory;    /* its working directory; NULL: inherited */
    const char *output;       /* file for its output, absolute path */
    unsigned sockets;         /* number of socket pairs shared with it */
} ChildConfig;

/**
 * child_start: start a program. It is killed when this process dies, for
 * whatever reason, and has its own process group: Ctrl-C only reaches us.
 * @ends: array for our ends of the @config->sockets pairs, which the caller
 *        closes
 *
 * Returns NULL with @error set if it cannot be started.
 */
Child *child_start(const ChildConfig *config, int *ends, GError **error);

/** child_free: kill it unless it has ended, and free @child. */
void child_free(Child *child);

/** child_wait: wait until it has ended. Returns false after @timeout_ms. */
bool child_wait(Child *child, int timeout_ms);

/** child_runs: is it still running? */
bool child_runs(Child *child);

/** child_status: the status from waitpid() of a child that has ended. */
int child_status(const Child *child);

/** child_signal: send it a signal, unless it has ended. */
void child_signal(Child *child, int number);

/**
 * child_kill: kill it and wait for its end. Returns false if that takes more
 * than 20 seconds.
 */
bool child_kill(Child *child);

/** child_pid: its process id. */
GPid child_pid(const Child *child);

/** child_output: its output so far; to be freed. */
char *child_output(const Child *child);

/** child_life: "runs, pid 7", "ended with exit status 1"; to be freed. */
char *child_life(Child *child);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Child, child_free)

#endif /* TOOLS_CHILD_H */
