/*
 * libvirt as Debian ships it: its AppArmor profiles, cgroups, users, settings
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_LIBVIRT_SHIPPED_H
#define TESTS_LIBVIRT_SHIPPED_H

#include "node.h"

#define SHIPPED_EMULATOR "/usr/bin/qemu-system-x86_64-vfio"
#define SHIPPED_SETTINGS "/etc/qemu-vfio-migration.conf"

/* shipped_lacking: why it cannot be used here, to be freed; NULL: it can */
char *shipped_lacking(void);

/**
 * shipped_prepare: mount what systemd has mounted by then. To be called once,
 * in the sandbox.
 */
bool shipped_prepare(GError **error);

/**
 * shipped_copy: fill the directory @own of a node with what is at @from, as
 * the package has it
 */
bool shipped_copy(const char *from, const char *own, GError **error);

/**
 * shipped_enter: go on in an AppArmor namespace of the node's own, in which
 * the shipped profiles are loaded and enforced, and in a cgroup of its own
 *
 * The two libvirtd would otherwise load profiles of one name into one kernel
 * for the VM that moves, and the source would remove the destination's. To be
 * called in the node's own mounts, before exec.
 */
bool shipped_enter(const Node *node, GError **error);

/**
 * shipped_confined: does QEMU of @domain on @node run as libvirt ships it?
 * Its profile, user, seccomp and our library go into the test's log.
 */
bool shipped_confined(const Node *node, const char *domain);

/**
 * shipped_local_rules: what the admin adds to the profile of VMs
 */
bool shipped_local_rules(const char *text);

#endif /* TESTS_LIBVIRT_SHIPPED_H */
