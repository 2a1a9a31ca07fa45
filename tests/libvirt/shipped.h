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

/* shipped_lacking: why this cannot be used here, to be freed; or NULL. */
char *shipped_lacking(void);

/**
 * shipped_prepare: mount what systemd would have mounted. To be called once, in
 * the sandbox.
 */
bool shipped_prepare(GError **error);

/**
 * shipped_copy: fill the directory @own of a node with the package's files at
 * @from.
 */
bool shipped_copy(const char *from, const char *own, GError **error);

/**
 * shipped_enter: continue in the node's own AppArmor namespace, in which the
 * shipped profiles are loaded and enforced, and in its own cgroup.
 *
 * Otherwise both libvirtd would load profiles of the same name for the VM into
 * the same kernel, and the source would remove the destination's. Must be
 * called in the node's mount namespace, before exec.
 */
bool shipped_enter(const Node *node, GError **error);

/**
 * shipped_confined: is QEMU of @domain on @node confined as shipped? Its
 * profile, user, seccomp and our library go into the test's log.
 */
bool shipped_confined(const Node *node, const char *domain);

/**
 * shipped_local_rules: set the administrator's additions to the VMs' profile.
 */
bool shipped_local_rules(const char *text);

#endif /* TESTS_LIBVIRT_SHIPPED_H */
