/*
 * The migration under way
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QEMU_MIGRATION_H
#define QEMU_MIGRATION_H

MigrationState *migrate_get_current(void);
/* Keeps the first error, which query-migrate shows; copies @error */
void migrate_set_error(MigrationState *s, const Error *error);
bool migrate_postcopy_ram(void);
bool migrate_background_snapshot(void);
bool migrate_colo_enabled(void);

#endif /* QEMU_MIGRATION_H */
