/*
 * A migration's stream as a sink and as a source of chunks
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_FILE_H
#define HW_VFIO_MIGRATION_FILE_H

#include "hw/vfio/migration-device.h"

/*
 * vfio_mig_count_sent: @size_bytes of data were read from the device
 *
 * @window: they were in its mapped data window
 *
 * For the thread that reads the device. Locks: the device is claimed.
 */
void vfio_mig_count_sent(VFIODeviceMigration *mig, bool window,
                         size_t size_bytes);

/*
 * vfio_mig_send_chunk: move one chunk of the device to @f, with its header
 *
 * @stream_ns: set to the time that the stream took; may be NULL
 *
 * Returns: a VFIOMigRead, or -errno; @errp stays unset if the stream itself
 * failed, which keeps its own error, or if the session failed.
 * Locks: the device is claimed.
 */
int vfio_mig_send_chunk(VFIODeviceMigration *mig, QEMUFile *f,
                        int64_t *stream_ns, Error **errp);

/*
 * vfio_mig_receive_chunk: move @size_bytes from @f to the device
 *
 * @device_ns: set to how long that took, not counting waits for and reads of @f
 *
 * Returns: 0, or -errno with @errp set.
 * Locks: the device is claimed.
 */
int vfio_mig_receive_chunk(VFIODeviceMigration *mig, QEMUFile *f,
                           uint64_t size_bytes, int64_t *device_ns,
                           Error **errp);

/*
 * vfio_mig_write_chunk: move @size_bytes from any @source to the device
 *
 * The source has to count the bytes with vfio_mig_count_received(). Returns and
 * locks as above.
 */
int vfio_mig_write_chunk(VFIODeviceMigration *mig, VFIOMigSource *source,
                         uint64_t size_bytes, Error **errp);

/*
 * vfio_mig_count_received: @size_bytes of data were written to the device
 *
 * @window: they were written to its mapped data window
 *
 * For the thread that writes the device. Locks: the device is claimed.
 */
void vfio_mig_count_received(VFIODeviceMigration *mig, bool window,
                             size_t size_bytes);

#endif /* HW_VFIO_MIGRATION_FILE_H */
