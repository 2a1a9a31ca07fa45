/*
 * A "host": a libvirtd with files, sockets and devices of its own
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
    char *dir;                  /* on the outside: logs, sockets, devices */
    char *uri;                  /* what virsh connects to */
    GPid pid;
} Node;

/*
 * node_shipped: libvirt's own settings, users, profiles and cgroups are in
 * force, as its package has them (shipped.h); else they are out of the way.
 */
extern bool node_shipped;

/* What else is to be done in the node's mount namespace. */
typedef bool NodeFurnish(const Node *node, GError **error);

/**
 * node_start: start a libvirtd and wait until it answers.
 * @furnish: called in its mount namespace, before it starts; or NULL
 * Returns NULL with @error set where it does not come up.
 */
Node *node_start(const char *name, unsigned index, NodeFurnish *furnish,
                 GError **error);

/**
 * node_share_capabilities: ask @from what @emulator can do, and let node
 * @name, which is not started yet, know that too. Asking QEMU takes long.
 */
void node_share_capabilities(const Node *from, const char *emulator,
                             const char *name);

/**
 * node_stop: end libvirtd (not its domains), keep the files.
 */
void node_stop(Node *node);

/**
 * node_run: run a program where @node's files are. Its output goes into the
 * test's log. True if it exited with 0.
 */
bool node_run(const Node *node, const char *program, ...)
    G_GNUC_NULL_TERMINATED;

/**
 * node_qemu: the process of @domain's QEMU; 0: there is none.
 */
pid_t node_qemu(const Node *node, const char *domain);

/**
 * node_log_tail: the last lines of QEMU's log of @domain; to be freed.
 */
char *node_log_tail(const Node *node, const char *domain, unsigned lines);

/* What a virsh command did. */
typedef struct Virsh {
    int status;                 /* of its exit; 124: it took too long */
    char *out;                  /* what it printed, without the last newline */
    char *err;
} Virsh;

void virsh_clear(Virsh *run);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Virsh, virsh_clear)

/**
 * virsh: run `virsh ARGUMENT...` (NULL at the end) on @node. The command and
 * what it printed go into the test's log. True if it exited with 0.
 */
bool virsh(const Node *node, Virsh *run, ...) G_GNUC_NULL_TERMINATED;

/**
 * virsh_ask: the same, and nothing into the log: to wait for something.
 */
bool virsh_ask(const Node *node, Virsh *run, ...) G_GNUC_NULL_TERMINATED;

/**
 * virsh_begin: the same as virsh, without waiting for its end.
 */
GSubprocess *virsh_begin(const Node *node, ...) G_GNUC_NULL_TERMINATED;
bool virsh_end(GSubprocess *process, Virsh *run);

#endif /* TESTS_LIBVIRT_NODE_H */
