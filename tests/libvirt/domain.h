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
 * The devices have fixed places in the guest: a destination's may be others
 * on the host.
 */
char *domain_write_xml(const World *world, const Node *node, const char *name,
                       const Device *devices, unsigned count,
                       GError **error);

/**
 * domain_counts: does the guest on @node run? It counts interrupts of its
 * timer in RAM.
 * @at_least: the counter must not be below; set to what it is
 */
bool domain_counts(const Node *node, uint64_t *at_least);

/**
 * domain_is: is virsh domstate of the domain on @node this word? It is
 * waited for a few seconds. "none": it is not there.
 */
bool domain_is(const Node *node, const char *state);

/**
 * domain_kill: SIGKILL to the QEMU of the domain on @node.
 */
bool domain_kill(const Node *node);

/**
 * domain_remove: destroy it, and forget it, if it is there.
 */
void domain_remove(const Node *node);

#endif /* TESTS_LIBVIRT_DOMAIN_H */
