/*
 * A slow device's data on its way from the stream into the device
 *
 * A device that keeps the stream waiting is written by a thread of its own,
 * out of a bounded queue, while the stream is read on: for it, and for other
 * devices. One that does not is written by the thread that loads, straight
 * from the stream.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_WRITER_H
#define HW_VFIO_MIGRATION_WRITER_H

#include "hw/vfio/migration-device.h"

/*
 * vfio_mig_writer_new: get ready, with all the memory that it takes
 *
 * In the session of a load, before its first packet. Locks: needs the BQL.
 */
void vfio_mig_writer_new(VFIODeviceMigration *mig);

/*
 * vfio_mig_writer_receive: move a chunk of @size_bytes from @f to the device
 *
 * It may be in the queue only when this returns. An error may be that of a
 * chunk before it.
 *
 * Returns: 0, or -errno with @errp set.
 * Locks: needs the BQL, which others may have where a coroutine waits. The
 * caller has not claimed the device.
 */
int vfio_mig_writer_receive(VFIODeviceMigration *mig, QEMUFile *f,
                            uint64_t size_bytes, Error **errp);

/*
 * vfio_mig_writer_finish: have the device take all that was received
 *
 * No thread is there when it returns; the next chunk may bring one.
 *
 * Returns: 0, or -errno with @errp set, of any chunk so far. Locks: as above.
 */
int vfio_mig_writer_finish(VFIODeviceMigration *mig, Error **errp);

/*
 * vfio_mig_writer_free: the load ends, whether the device has all or not
 *
 * Waits for the piece that is being written, at most. Does nothing where
 * there is none. Locks: needs the BQL.
 */
void vfio_mig_writer_free(VFIODeviceMigration *mig);

#endif /* HW_VFIO_MIGRATION_WRITER_H */
