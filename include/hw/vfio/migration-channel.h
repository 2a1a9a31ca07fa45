/*
 * The kernel's buffer between the two ends of a stream
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_CHANNEL_H
#define HW_VFIO_MIGRATION_CHANNEL_H

#include "migration/qemu-file.h"

/*
 * vfio_mig_channel_widen: let the kernel hold more of what is sent by @f
 *
 * For a Unix socket; one of TCP has a buffer that grows by itself, which
 * setting it would end. The kernel may give less than is asked for
 * (net.core.wmem_max), or nothing: the stream is as before then, and slower.
 *
 * Only for who waits for the word of the other end: to QEMU what is in the
 * buffer has been sent, and a source that does not wait says "completed" of it.
 *
 * May be called again. No locks: the caller is the only user of @f.
 */
void vfio_mig_channel_widen(QEMUFile *f);

#endif /* HW_VFIO_MIGRATION_CHANNEL_H */
