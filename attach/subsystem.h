/*
 * The subsystem's interface for the loader
 *
 * Owns: one symbol. What hw/vfio requires of the program that contains it is
 * in hw/vfio/migration-options.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ATTACH_SUBSYSTEM_H
#define ATTACH_SUBSYSTEM_H

#include "abi.h"

/* Generated from hw/vfio/trace-events: registers the events with QEMU */
void vfio_migration_trace_init(void);

extern const AttachTable vfio_migration_attach_table;

#endif /* ATTACH_SUBSYSTEM_H */
