/*
 * The stopped device's data on its way from the device into the stream
 *
 * A device that keeps the migration thread waiting is read by a worker, into a
 * bounded queue of whole packets; the migration thread sends what is there.
 * One that does not is read by the migration thread itself, without a copy.
 *
 * Locks: all of it belongs to the migration thread, but for what a worker has
 * of it until it is joined. A worker claims the device for each chunk, and
 * neither takes the BQL nor sees a QEMUFile.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_PIPELINE_H
#define HW_VFIO_MIGRATION_PIPELINE_H

#include "hw/vfio/migration-device.h"

/*
 * vfio_mig_pipeline_prepare: get the memory of a queue, while the VM runs
 *
 * Does nothing where the session has one. vfio_mig_pipeline_free() gives it
 * back. Locks: none; it may take milliseconds.
 */
void vfio_mig_pipeline_prepare(VFIODeviceMigration *mig);

/*
 * vfio_mig_pipeline_begin: the device, in stop-copy, is read from now on
 *
 * @beside_others: other devices are read, too, so that it gets a worker at
 *                 once
 * @changed: called by the worker, without a lock, when
 *           vfio_mig_pipeline_ready() may have become true
 *
 * Ends with vfio_mig_pipeline_end().
 */
void vfio_mig_pipeline_begin(VFIODeviceMigration *mig, bool beside_others,
                             void (*changed)(void *opaque), void *opaque);

/* vfio_mig_pipeline_active: is it between begin and end? */
bool vfio_mig_pipeline_active(VFIODeviceMigration *mig);

/*
 * vfio_mig_pipeline_ready: would vfio_mig_pipeline_send() have something to
 * do, without waiting for a worker? Not once everything was sent.
 */
bool vfio_mig_pipeline_ready(VFIODeviceMigration *mig);

/* vfio_mig_pipeline_drained: was everything read and sent? Also after end */
bool vfio_mig_pipeline_drained(VFIODeviceMigration *mig);

/*
 * vfio_mig_pipeline_send: send what is ready, in whole packets
 *
 * A packet longer than the queue is sent while it is read.
 *
 * Returns: VFIO_MIG_READ_CHUNK: something was sent; VFIO_MIG_READ_NOTHING_NOW:
 * it was not; VFIO_MIG_READ_END: there is no more; or -errno, with @errp unset
 * where the stream itself failed, or the session.
 */
int vfio_mig_pipeline_send(VFIODeviceMigration *mig, QEMUFile *f,
                           Error **errp);

/*
 * vfio_mig_pipeline_end: nothing more is sent by it
 *
 * Waits for the worker, and so for the chunk that it reads at most. What is
 * left in the queue is lost: then the migration has failed.
 * Locks: not the BQL, as the device may take its time.
 */
void vfio_mig_pipeline_end(VFIODeviceMigration *mig);

/* vfio_mig_pipeline_free: the session ends; NULL is fine */
void vfio_mig_pipeline_free(VFIODeviceMigration *mig);

/*
 * vfio_mig_pipeline_sent_bytes: what it has moved of the device's data
 *
 * Zero where there is none.
 */
uint64_t vfio_mig_pipeline_sent_bytes(VFIODeviceMigration *mig);

/* vfio_mig_pipeline_queue_bytes: what a device's queue holds at most */
uint64_t vfio_mig_pipeline_queue_bytes(VFIODevice *vbasedev);

#endif /* HW_VFIO_MIGRATION_PIPELINE_H */
