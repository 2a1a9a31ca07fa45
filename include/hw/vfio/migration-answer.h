/*
 * The answer of the destination
 *
 * Locks: everything needs the BQL.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_ANSWER_H
#define HW_VFIO_MIGRATION_ANSWER_H

#include "hw/vfio/vfio-common.h"

/*
 * vfio_mig_answer_await: make a migration wait for its destination's answer
 *
 * Call it from the notifier of the migration's status "setup", before QEMU
 * opens a return path itself. May be called for each device. Does nothing if
 * the channel is one-way (a file, a pipe), or if the user has configured that
 * there is no answer.
 */
void vfio_mig_answer_await(MigrationState *s);

/*
 * vfio_mig_answer_end: stop waiting; does nothing if nobody waited
 *
 * Call it from save_cleanup, while the stream is still open. If no answer has
 * arrived because the migration failed or was cancelled, the connection is shut
 * down, so that the destination does not wait either.
 */
void vfio_mig_answer_end(MigrationState *s);

/*
 * vfio_mig_answer_no: send the source the reason why a load failed
 *
 * Does nothing if there is no source, or no return path to it. A reason that
 * is too long is truncated.
 */
void vfio_mig_answer_no(const char *reason);

#endif /* HW_VFIO_MIGRATION_ANSWER_H */
