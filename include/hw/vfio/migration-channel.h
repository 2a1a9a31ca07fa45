/*
 * The kernel's buffer between the two ends of a stream
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_CHANNEL_H
#define HW_VFIO_MIGRATION_CHANNEL_H

#include "migration/qemu-file.h"

/*
 * vfio_mig_channel_widen: let the kernel buffer more of what is sent by @f
 *
 * Only for a Unix socket; the buffer of TCP grows automatically, unless its
 * size is set. The kernel may grant less than requested (net.core.wmem_max), or
 * nothing: then the stream is slower, but works.
 *
 * Only for a source that waits for the destination's answer: QEMU considers
 * data in the buffer as sent, and otherwise would report "completed" while some
 * of it is still there.
 *
 * May be called again. No locks: the caller is the only user of @f.
 */
void vfio_mig_channel_widen(QEMUFile *f);

#endif /* HW_VFIO_MIGRATION_CHANNEL_H */
