/*
 * Settings provided by the program that the subsystem is part of
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
 * Part of a message: why a device does not migrate if the user has disabled
 * that. It names the property or setting that the user has used.
 */
extern const char vfio_mig_off_reason[];

/*
 * vfio_mig_multi_device_allowed: does the user accept that several v1
 * devices migrate together?
 *
 * v1 has no state that stops only peer-to-peer DMA, so a device may still
 * write to one that is already stopped. QEMU: a property of the device;
 * attach: VFIO_MIGRATION_MULTI=allow in the environment.
 */
bool vfio_mig_multi_device_allowed(VFIODevice *vbasedev);

/*
 * vfio_mig_end_incoming: a destination cannot take over, and exits
 *
 * Called with the BQL, after the reason was reported. Does what QEMU itself
 * does if a load fails: the source sees the end of the connection, and
 * continues.
 */
void vfio_mig_end_incoming(void);

/* Part of a message: the setting with which the user can allow it */
extern const char vfio_mig_multi_device_option[];

/*
 * vfio_mig_empty_chunk_is_pending: what does a chunk of size 0 mean, while
 * bytes are pending?
 *
 * false: that there is no data, as the kernel's header defines it. true: the
 * driver does not report the size; the chunk has all pending bytes, or as many
 * as fit the data window. NVIDIA vGPU is such a driver. QEMU: a property of the
 * device; attach: VFIO_MIGRATION_EMPTY_CHUNK=pending in the environment.
 */
bool vfio_mig_empty_chunk_is_pending(VFIODevice *vbasedev);

/* Part of a message: the setting for such a driver */
extern const char vfio_mig_empty_chunk_option[];

/*
 * vfio_mig_stop_size: bytes that the device has to send after the VM was
 * stopped, as configured by the user; 0: not known
 *
 * Only used if the driver does not report it, and the device has not been
 * migrated yet. QEMU: a property of the device; attach:
 * VFIO_MIGRATION_STOP_SIZE in the environment, for each device.
 */
uint64_t vfio_mig_stop_size(VFIODevice *vbasedev);

/* Part of a message: the setting for that */
extern const char vfio_mig_stop_size_option[];

/*
 * vfio_mig_queue_size: bytes of a device's data that may be in memory, between
 * the device and the stream, as configured by the user; 0: the default
 *
 * QEMU: a property of the device; attach: VFIO_MIGRATION_QUEUE_SIZE in the
 * environment, for each device. Any thread
 */
uint64_t vfio_mig_queue_size(VFIODevice *vbasedev);

/* vfio_mig_downtime_limit_ms: downtime-limit as it is set now. Any thread */
uint64_t vfio_mig_downtime_limit_ms(void);

/*
 * vfio_mig_answer_wanted: false if the user has configured that the other end
 * of a socket does not answer. attach: VFIO_MIGRATION_RETURN_PATH=off in the
 * environment.
 */
bool vfio_mig_answer_wanted(void);

/*
 * vfio_mig_device_log_allowed: may the device log which pages it writes?
 *
 * false: they are found in other ways, as for a device without a log. QEMU: a
 * property of the device; attach: VFIO_MIGRATION_DEVICE_DIRTY_TRACKING=off in
 * the environment.
 */
bool vfio_mig_device_log_allowed(VFIODevice *vbasedev);

#endif /* HW_VFIO_MIGRATION_OPTIONS_H */
