/*
 * What the program decides that the subsystem is part of
 *
 * QEMU with the patch series, attach and the stand-alone host each bring
 * these functions.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_OPTIONS_H
#define HW_VFIO_MIGRATION_OPTIONS_H

#include "hw/vfio/vfio-common.h"

/*
 * Why a device does not migrate whose user has switched that off, as a message
 * says it. It names what the user did: a property, or a setting.
 */
extern const char vfio_mig_off_reason[];

/*
 * vfio_mig_multi_device_allowed: does the user accept that several v1
 * devices migrate together?
 *
 * v1 has no state that stops peer-to-peer DMA alone, so a device may still
 * write to one that is already stopped. QEMU: a property of the device;
 * attach: VFIO_MIGRATION_MULTI=allow in the environment.
 */
bool vfio_mig_multi_device_allowed(VFIODevice *vbasedev);

/*
 * vfio_mig_end_incoming: a destination cannot take over; it ends
 *
 * Called with the BQL, after the reason was reported. What QEMU itself does
 * where a load fails: the source sees the connection end, and goes on.
 */
void vfio_mig_end_incoming(void);

/* What the user has to say to allow it, as a message names it */
extern const char vfio_mig_multi_device_option[];

/*
 * vfio_mig_empty_chunk_is_pending: what does a chunk of size 0 mean, while
 * bytes are pending?
 *
 * false: that there is none, as the contract has it. true: the driver does
 * not tell the size; the chunk has all pending bytes, or as many as fit the
 * data window. Such drivers are known (NVIDIA vGPU). QEMU: a property of the
 * device; attach: VFIO_MIGRATION_EMPTY_CHUNK=pending in the environment.
 */
bool vfio_mig_empty_chunk_is_pending(VFIODevice *vbasedev);

/* What the user has to say where a driver may be one of these */
extern const char vfio_mig_empty_chunk_option[];

/*
 * vfio_mig_stop_size: bytes that the device has to send after the VM was
 * stopped, as its user knows; 0: nobody does
 *
 * Only for one whose driver does not tell, and that has not been migrated
 * yet. QEMU: a property of the device; attach: VFIO_MIGRATION_STOP_SIZE in the
 * environment, for each device.
 */
uint64_t vfio_mig_stop_size(VFIODevice *vbasedev);

/* What the user has to say for that, as a message names it */
extern const char vfio_mig_stop_size_option[];

/*
 * vfio_mig_queue_size: bytes of a device's data that may be in memory, between
 * the device and the stream, as its user says; 0: as many as is good in general
 *
 * QEMU: a property of the device; attach: VFIO_MIGRATION_QUEUE_SIZE in the
 * environment, for each device. Any thread
 */
uint64_t vfio_mig_queue_size(VFIODevice *vbasedev);

/* vfio_mig_downtime_limit_ms: downtime-limit as it is set now. Any thread */
uint64_t vfio_mig_downtime_limit_ms(void);

/*
 * vfio_mig_answer_wanted: false where the user says that what is at the other
 * end of a socket does not answer. attach: VFIO_MIGRATION_RETURN_PATH=off in
 * the environment.
 */
bool vfio_mig_answer_wanted(void);

/*
 * vfio_mig_device_log_allowed: may the device log which pages it writes?
 *
 * false: they are found in another way, as for a device without a log. QEMU: a
 * property of the device; attach: VFIO_MIGRATION_DEVICE_DIRTY_TRACKING=off in
 * the environment.
 */
bool vfio_mig_device_log_allowed(VFIODevice *vbasedev);

#endif /* HW_VFIO_MIGRATION_OPTIONS_H */
