/*
 * Sections of a migration stream, between sections.c and sequence.c
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_HOST_SECTIONS_H
#define MIGRATION_HOST_SECTIONS_H

#include "qemu/osdep.h"

/* All errors are set in @f. */

/* Call each handler, for an outgoing stream. */
void host_sections_setup(QEMUFile *f);
uint64_t host_sections_pending(QEMUFile *f, uint64_t threshold_bytes);
void host_sections_complete(QEMUFile *f);
void host_sections_cleanup(void);

/* Read a whole stream, with setup and cleanup; errors are also reported. */
void host_sections_load(QEMUFile *f);

#endif /* MIGRATION_HOST_SECTIONS_H */
