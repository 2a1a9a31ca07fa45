/*
 * A "host": a libvirtd with its own files, sockets and devices
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_LIBVIRT_NODE_H
#define TESTS_LIBVIRT_NODE_H

#include <stdbool.h>
#include <gio/gio.h>

typedef struct Node {
    const char *name;           /* "source", "destination" */
    unsigned index;             /* 0, 1 */
    char *dir;                  /* seen from outside: logs, sockets, devices */
    char *uri;                  /* what virsh connects to */
    GPid pid;
} Node;

/*
 * node_shipped: are libvirt's own settings, users, profiles and cgroups used,
 * as installed by its package (shipped.h)? Otherwise they are disabled.
 */
extern bool node_shipped;

/* Further setup in the node's mount namespace */
typedef bool NodeFurnish(const Node *node, GError **error);

/**
 * node_start: start a libvirtd and wait until it answers.
 * @furnish: called in its mount namespace before it is started; or NULL
 * Returns NULL with @error set if it does not start.
 */
Node *node_start(const char *name, unsigned index, NodeFurnish *furnish,
                 GError **error);

/**
 * node_share_capabilities: make @from probe the capabilities of @emulator, and
 * copy them to node @name, which is not started yet. Probing QEMU is slow.
 */
void node_share_capabilities(const Node *from, const char *emulator,
                             const char *name);

/**
 * node_stop: stop libvirtd (not its domains), keep the files.
 */
void node_stop(Node *node);

/**
 * node_run: run a program that sees @node's files. Its output goes into the
 * test's log. Returns true if it exited with 0.
 */
bool node_run(const Node *node, const char *program, ...)
    G_GNUC_NULL_TERMINATED;

/**
 * node_qemu: the process id of @domain's QEMU, or 0.
 */
pid_t node_qemu(const Node *node, const char *domain);

/**
 * node_log_tail: the last lines of QEMU's log of @domain; to be freed.
 */
char *node_log_tail(const Node *node, const char *domain, unsigned lines);

/* Result of a virsh command */
typedef struct Virsh {
    int status;                 /* exit status; 124: it timed out */
    char *out;                  /* its output, without the last newline */
    char *err;
} Virsh;

void virsh_clear(Virsh *run);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Virsh, virsh_clear)

/**
 * virsh: run `virsh ARGUMENT...` (NULL at the end) on @node. The command and
 * its output go into the test's log. Returns true if it exited with 0.
 */
bool virsh(const Node *node, Virsh *run, ...) G_GNUC_NULL_TERMINATED;

/**
 * virsh_ask: the same, without logging: for polling.
 */
bool virsh_ask(const Node *node, Virsh *run, ...) G_GNUC_NULL_TERMINATED;

/**
 * virsh_begin: like virsh(), without waiting for its end.
 */
GSubprocess *virsh_begin(const Node *node, ...) G_GNUC_NULL_TERMINATED;
bool virsh_end(GSubprocess *process, Virsh *run);

#endif /* TESTS_LIBVIRT_NODE_H */
