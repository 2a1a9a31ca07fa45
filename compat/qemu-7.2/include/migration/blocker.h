/*
 * Reasons against a migration
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_BLOCKER_H
#define MIGRATION_BLOCKER_H

/* 0, or -EACCES under -only-migratable, -EBUSY while migrating */
int migrate_add_blocker(Error *reason, Error **errp);
void migrate_del_blocker(Error *reason);

#endif /* MIGRATION_BLOCKER_H */
