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
 * vfio_mig_answer_await: let a migration wait for its destination's answer
 *
 * For a migration in set-up, from the notifier of its status, before QEMU
 * opens a way back itself. May be called for each device. Does nothing where
 * the channel goes one way (a file, a pipe), or the user says that nobody
 * answers.
 */
void vfio_mig_answer_await(MigrationState *s);

/*
 * vfio_mig_answer_end: stop waiting; does nothing if nobody waited
 *
 * From save_cleanup, while the stream is still open. Where no answer has come,
 * as the migration failed or was cancelled, the connection is shut down, so
 * that the destination does not wait either.
 */
void vfio_mig_answer_end(MigrationState *s);

/*
 * vfio_mig_answer_no: send the source the reason why a load failed
 *
 * Does nothing where there is no source, or no way back to it. A reason that
 * is too long is cut.
 */
void vfio_mig_answer_no(const char *reason);

#endif /* HW_VFIO_MIGRATION_ANSWER_H */
