/*
 * The domain that is migrated: its XML, and a guest that counts
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_LIBVIRT_DOMAIN_H
#define TESTS_LIBVIRT_DOMAIN_H

#include "world.h"

#define DOMAIN "vm"

/**
 * domain_write_xml: write the domain's description for @node.
 * @name: of the file
 * Returns its path, to be freed.
 *
 * The devices have fixed addresses in the guest; a destination's may be other
 * devices of the host.
 */
char *domain_write_xml(const World *world, const Node *node, const char *name,
                       const Device *devices, unsigned count,
                       GError **error);

/**
 * domain_counts: does the guest on @node run? It counts timer interrupts in
 * RAM.
 * @at_least: minimum value of the counter; set to the current value
 */
bool domain_counts(const Node *node, uint64_t *at_least);

/**
 * domain_is: does virsh domstate on @node print @state within a few seconds?
 * "none": there is no such domain.
 */
bool domain_is(const Node *node, const char *state);

/**
 * domain_kill: send SIGKILL to the QEMU of the domain on @node.
 */
bool domain_kill(const Node *node);

/**
 * domain_remove: destroy and undefine the domain, if it exists.
 */
void domain_remove(const Node *node);

#endif /* TESTS_LIBVIRT_DOMAIN_H */
