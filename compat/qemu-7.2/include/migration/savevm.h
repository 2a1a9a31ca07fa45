/*
 * Sections of a migration stream
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_SAVEVM_H
#define MIGRATION_SAVEVM_H

/*
 * One round over all handlers; with @postcopy only those that have postcopy
 * now. Without the BQL. Positive: each has done what it can; 0: one has not,
 * and later ones had no turn; negative: an error, which the stream has, too.
 */
int qemu_savevm_state_iterate(QEMUFile *f, bool postcopy);

#endif /* MIGRATION_SAVEVM_H */
