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

/* Steps of a migration before the VM runs elsewhere */
typedef enum PrecopyNotifyReason {
    PRECOPY_NOTIFY_SETUP,
    PRECOPY_NOTIFY_BEFORE_BITMAP_SYNC,
    PRECOPY_NOTIFY_AFTER_BITMAP_SYNC,
    /* The VM is stopped; the last sections of each handler come next */
    PRECOPY_NOTIFY_COMPLETE,
    PRECOPY_NOTIFY_CLEANUP,
} PrecopyNotifyReason;

typedef struct PrecopyNotifyData {
    PrecopyNotifyReason reason;
    Error **errp;
} PrecopyNotifyData;

/* @n->notify gets a PrecopyNotifyData, in the migration thread or with the BQL */
void precopy_add_notifier(NotifierWithReturn *n);

#endif /* MIGRATION_MISC_H */
