/*
 * The system's own address space
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef EXEC_ADDRESS_SPACES_H
#define EXEC_ADDRESS_SPACES_H

/* Opaque: only its address counts */
struct AddressSpace {
    char opaque[1];
};

extern AddressSpace address_space_memory;

#endif /* EXEC_ADDRESS_SPACES_H */
