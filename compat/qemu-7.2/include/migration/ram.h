/*
 * RAM in a migration
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QEMU_MIGRATION_RAM_H
#define QEMU_MIGRATION_RAM_H

/* Bytes that are known to be dirty */
uint64_t ram_bytes_remaining(void);

#endif /* QEMU_MIGRATION_RAM_H */
