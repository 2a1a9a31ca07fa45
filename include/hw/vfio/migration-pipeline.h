/*
 * The data of a stopped device on its way from the device into the stream
 *
 * A device that makes the migration thread wait is read by a worker, into a
 * bounded queue of whole packets; the migration thread sends what is there.
 * One that does not is read by the migration thread itself, without a copy.
 *
 * Locks: all of it belongs to the migration thread, except what a worker uses
 * until it is joined. A worker claims the device for each chunk, and neither
 * takes the BQL nor accesses a QEMUFile.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_PIPELINE_H
#define HW_VFIO_MIGRATION_PIPELINE_H

#include "hw/vfio/migration-device.h"

/*
 * vfio_mig_pipeline_prepare: allocate the memory of a queue, while the VM runs
 *
 * Does nothing if the session already has one. vfio_mig_pipeline_free() frees
 * it. Locks: none; it may take milliseconds.
 */
void vfio_mig_pipeline_prepare(VFIODeviceMigration *mig);

/*
 * vfio_mig_pipeline_begin: start to read the device, which is in stop-copy
 *
 * @beside_others: other devices are read at the same time, so that it gets a
 *                 worker at once
 * @changed: called by the worker, without a lock, when
 *           vfio_mig_pipeline_ready() may have become true
 *
 * Call vfio_mig_pipeline_end() afterwards.
 */
void vfio_mig_pipeline_begin(VFIODeviceMigration *mig, bool beside_others,
                             void (*changed)(void *opaque), void *opaque);

/* vfio_mig_pipeline_active: is this between begin and end? */
bool vfio_mig_pipeline_active(VFIODeviceMigration *mig);

/*
 * vfio_mig_pipeline_ready: would vfio_mig_pipeline_send() have something to
 * do without waiting for a worker? False once everything was sent.
 */
bool vfio_mig_pipeline_ready(VFIODeviceMigration *mig);

/* vfio_mig_pipeline_drained: was everything read and sent? Also after end */
bool vfio_mig_pipeline_drained(VFIODeviceMigration *mig);

/*
 * vfio_mig_pipeline_send: send what is ready, in whole packets
 *
 * A packet longer than the queue is sent while it is read.
 *
 * Returns: VFIO_MIG_READ_CHUNK if something was sent; VFIO_MIG_READ_NOTHING_NOW
 * if not; VFIO_MIG_READ_END if there is no more; or -errno, with @errp unset if
 * the stream itself has failed, or the session.
 */
int vfio_mig_pipeline_send(VFIODeviceMigration *mig, QEMUFile *f,
                           Error **errp);

/*
 * vfio_mig_pipeline_end: stop sending
 *
 * Waits for the worker, and so at most for the chunk that it is reading. What
 * is left in the queue is lost; the migration has failed in that case.
 * Locks: must not hold the BQL, as the device may take a while.
 */
void vfio_mig_pipeline_end(VFIODeviceMigration *mig);

/* vfio_mig_pipeline_free: the session ends; NULL is fine */
void vfio_mig_pipeline_free(VFIODeviceMigration *mig);

/*
 * vfio_mig_pipeline_sent_bytes: how much of the device's data it has moved
 *
 * Zero if the session has no pipeline.
 */
uint64_t vfio_mig_pipeline_sent_bytes(VFIODeviceMigration *mig);

/* vfio_mig_pipeline_queue_bytes: the size of a device's queue */
uint64_t vfio_mig_pipeline_queue_bytes(VFIODevice *vbasedev);

#endif /* HW_VFIO_MIGRATION_PIPELINE_H */
