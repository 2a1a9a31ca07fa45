/*
 * The data of a slow device on its way from the stream into the device
 *
 * If a device makes the stream wait, a separate thread writes to it from a
 * bounded queue, while more of the stream is read, for it and for other
 * devices. Otherwise the thread that loads writes to it directly from the
 * stream.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_WRITER_H
#define HW_VFIO_MIGRATION_WRITER_H

#include "hw/vfio/migration-device.h"

/*
 * vfio_mig_writer_new: prepare, and allocate all memory that is needed
 *
 * Called in the session of a load, before its first packet. Locks: needs the
 * BQL.
 */
void vfio_mig_writer_new(VFIODeviceMigration *mig);

/*
 * vfio_mig_writer_receive: move a chunk of @size_bytes from @f to the device
 *
 * When this returns, the chunk may still be in the queue. An error may be that
 * of an earlier chunk.
 *
 * Returns: 0, or -errno with @errp set.
 * Locks: needs the BQL, which is released while a coroutine waits. The caller
 * must not have claimed the device.
 */
int vfio_mig_writer_receive(VFIODeviceMigration *mig, QEMUFile *f,
                            uint64_t size_bytes, Error **errp);

/*
 * vfio_mig_writer_finish: write everything that was received to the device
 *
 * There is no thread when this returns; the next chunk may start one.
 *
 * Returns: 0, or -errno with @errp set, for any chunk so far. Locks: as above.
 */
int vfio_mig_writer_finish(VFIODeviceMigration *mig, Error **errp);

/*
 * vfio_mig_writer_free: the load ends, whether or not the device has everything
 *
 * Waits at most for the piece that is being written. Does nothing if there is
 * no writer. Locks: needs the BQL.
 */
void vfio_mig_writer_free(VFIODeviceMigration *mig);

#endif /* HW_VFIO_MIGRATION_WRITER_H */
