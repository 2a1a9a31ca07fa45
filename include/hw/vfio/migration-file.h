/*
 * A migration's stream as a sink and as a source of chunks
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_FILE_H
#define HW_VFIO_MIGRATION_FILE_H

#include "hw/vfio/migration-device.h"

/*
 * vfio_mig_count_sent: @size_bytes of the device's data were taken from it
 *
 * @window: they stood in its mapped data window
 *
 * For the thread that reads the device. Locks: the device is claimed.
 */
void vfio_mig_count_sent(VFIODeviceMigration *mig, bool window,
                         size_t size_bytes);

/*
 * vfio_mig_send_chunk: move one chunk of the device to @f, with its header
 *
 * @stream_ns: set to how long the stream took for it; may be NULL
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
 * @device_ns: set to how long that took besides waiting for @f and reading it
 *
 * Returns: 0, or -errno with @errp set.
 * Locks: the device is claimed.
 */
int vfio_mig_receive_chunk(VFIODeviceMigration *mig, QEMUFile *f,
                           uint64_t size_bytes, int64_t *device_ns,
                           Error **errp);

/*
 * vfio_mig_write_chunk: the same from any @source
 *
 * Who gives the bytes counts them, by vfio_mig_count_received().
 */
int vfio_mig_write_chunk(VFIODeviceMigration *mig, VFIOMigSource *source,
                         uint64_t size_bytes, Error **errp);

/*
 * vfio_mig_count_received: @size_bytes of data were given to the device
 *
 * @window: they went into its mapped data window
 *
 * For the thread that writes the device. Locks: the device is claimed.
 */
void vfio_mig_count_received(VFIODeviceMigration *mig, bool window,
                             size_t size_bytes);

#endif /* HW_VFIO_MIGRATION_FILE_H */
