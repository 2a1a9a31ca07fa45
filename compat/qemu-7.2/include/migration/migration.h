/*
 * The migration under way
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QEMU_MIGRATION_H
#define QEMU_MIGRATION_H

#include "qemu/thread.h"

/* What is needed of it; the stand-alone host has one of its own. */
#ifndef HOST_HAS_MIGRATION_STATE
struct MigrationState {
    uint8_t opaque1[184];
    QEMUFile *to_dst_file;
    uint8_t opaque2[560];
    struct {
        QEMUFile *from_dst_file;
        QemuThread rp_thread;
        bool error;
        bool rp_thread_created;
    } rp_state;
};
#endif

MigrationState *migrate_get_current(void);
/* Keeps the first error, which query-migrate shows; copies @error */
void migrate_set_error(MigrationState *s, const Error *error);
bool migrate_postcopy_ram(void);
bool migrate_background_snapshot(void);
bool migrate_colo_enabled(void);
bool migrate_use_return_path(void);
bool migrate_dirty_bitmaps(void);

/* A destination's; there always is one. */
MigrationIncomingState *migration_incoming_get_current(void);
/* Does nothing where there is no way back to a source. */
void migrate_send_rp_pong(MigrationIncomingState *mis, uint32_t value);

#endif /* QEMU_MIGRATION_H */
