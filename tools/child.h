/*
 * A program that is run: start, watch, end
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TOOLS_CHILD_H
#define TOOLS_CHILD_H

#include <stdbool.h>
#include <glib.h>

typedef struct Child Child;

/* The child's first descriptor that is a socket; the others follow. */
#define CHILD_SOCKET_FD 3

typedef struct ChildConfig {
    const char *name;         /* for messages: "the source QEMU" */
    const char *const *argv;  /* the program is looked for in PATH */
    const char *const *envp;  /* NULL: as here */
    const char *directory;    /* its working directory; NULL: as here */
    const char *output;       /* file of what it writes, absolute path */
    unsigned sockets;         /* pairs of which it gets one end */
} ChildConfig;

/**
 * child_start: start a program, which is killed when this one dies, whatever
 * the reason. It is in a process group of its own: Ctrl-C is for us.
 * @ends: as many as @config has sockets: set to our ends, which the caller
 *        closes
 *
 * Returns NULL with @error set if it cannot be run.
 */
Child *child_start(const ChildConfig *config, int *ends, GError **error);

/** child_free: kill it, unless it has ended, and forget it. */
void child_free(Child *child);

/** child_wait: wait until it has ended. False: not within @timeout_ms. */
bool child_wait(Child *child, int timeout_ms);

/** child_runs: whether it has not ended yet. */
bool child_runs(Child *child);

/** child_status: as of waitpid(), of a child that has ended. */
int child_status(const Child *child);

/** child_signal: send it a signal, unless it has ended. */
void child_signal(Child *child, int number);

/**
 * child_kill: end it at once. False: the kernel had not let go of it after
 * 20 seconds.
 */
bool child_kill(Child *child);

GPid child_pid(const Child *child);

/** child_output: what it has written so far; to be freed. */
char *child_output(const Child *child);

/** child_life: "runs, pid 7", "ended with exit status 1"; to be freed. */
char *child_life(Child *child);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Child, child_free)

#endif /* TOOLS_CHILD_H */
