/*
 * What the destination is told of the VM's run state
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QEMU_MIGRATION_GLOBAL_STATE_H
#define QEMU_MIGRATION_GLOBAL_STATE_H

/* It ran when it was stopped for its migration. BQL */
void global_state_store_running(void);

#endif /* QEMU_MIGRATION_GLOBAL_STATE_H */
