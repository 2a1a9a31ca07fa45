/*
 * Sections of a migration stream, between savevm.c and migrate.c
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_HOST_SAVEVM_H
#define MIGRATION_HOST_SAVEVM_H

#include "qemu/osdep.h"

/* Writing; errors end up in the file. Order: the functions' order here. */
void savevm_header(QEMUFile *f);
void savevm_setup(QEMUFile *f);
/* Bytes that the handlers still have to give */
uint64_t savevm_pending(QEMUFile *f, uint64_t threshold_bytes);
/* With the BQL, the VM stopped. Returns 0 or a negative error. */
int savevm_complete(QEMUFile *f);
/* With the BQL; also after a failure, for every handler */
void savevm_cleanup(void);

/* Read a whole stream, with set-up and clean-up. Returns 0 or -errno. */
int savevm_load(QEMUFile *f);

#endif /* MIGRATION_HOST_SAVEVM_H */
