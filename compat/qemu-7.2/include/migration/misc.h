/*
 * How a migration stands, and who is told when that changes
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_MISC_H
#define MIGRATION_MISC_H

#include "qemu/notify.h"

void add_migration_state_change_notifier(Notifier *notify);
void remove_migration_state_change_notifier(Notifier *notify);
bool migration_is_active(MigrationState *s);
/* Of the current migration: the VM runs at the destination already. */
bool migration_in_postcopy(void);
bool migration_in_setup(MigrationState *s);
bool migration_has_finished(MigrationState *s);
/* failed or cancelled */
bool migration_has_failed(MigrationState *s);

#endif /* MIGRATION_MISC_H */
