/*
 * What the subsystem shows to the loader
 *
 * Owns: one symbol. What hw/vfio asks of the program that it is part of is
 * in hw/vfio/migration-device.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ATTACH_SUBSYSTEM_H
#define ATTACH_SUBSYSTEM_H

#include "abi.h"

/* Made from hw/vfio/trace-events: registers the events with QEMU */
void vfio_migration_trace_init(void);

extern const AttachTable vfio_migration_attach_table;

#endif /* ATTACH_SUBSYSTEM_H */
