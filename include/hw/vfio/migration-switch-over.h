/*
 * When one device allows the VM to be stopped
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_SWITCH_OVER_H
#define HW_VFIO_MIGRATION_SWITCH_OVER_H

#include "hw/vfio/migration-device.h"

/* vfio_mig_switch_over_begin: the device's session starts to save. BQL */
void vfio_mig_switch_over_begin(VFIODeviceMigration *mig);

/*
 * vfio_mig_switch_over_ask: what to report to QEMU as pending
 *
 * Asks the device for its sizes if they are not known or too old.
 *
 * @threshold_bytes: the VM is stopped once less than that is pending
 * @others_bytes: pending in handlers that QEMU has asked before
 * @pending_bytes: set on success
 *
 * Returns: 0, or -errno with @errp set.
 * Locks: the device is claimed; the stream's own thread.
 */
int vfio_mig_switch_over_ask(VFIODeviceMigration *mig,
                             uint64_t threshold_bytes, uint64_t others_bytes,
                             uint64_t *pending_bytes, Error **errp);

/*
 * vfio_mig_switch_over_warn: warn of what keeps the VM from being stopped, or
 * of what the downtime limit does not include; each once per migration
 *
 * Locks: takes the BQL if there is something to report, so that neither it
 * nor the claim may be held.
 */
void vfio_mig_switch_over_warn(VFIODeviceMigration *mig);

/*
 * vfio_mig_switch_over_read: a round has read @size_bytes from the running
 * device; 0: it had nothing. The stream's own thread.
 *
 * @read_ns, @wire_ns: how long the device and the stream took for it
 */
void vfio_mig_switch_over_read(VFIODeviceMigration *mig, uint64_t size_bytes,
                               int64_t read_ns, int64_t wire_ns);

/*
 * vfio_mig_switch_over_done: the device was saved completely; traces how long
 * that took since the last look, and what was expected
 */
void vfio_mig_switch_over_done(VFIODeviceMigration *mig);

/*
 * vfio_mig_switch_over_pause: after a round in which the device had nothing,
 * wait some milliseconds if there is nothing else to do
 *
 * Locks: the stream's own thread; neither the BQL nor the claim may be held.
 */
void vfio_mig_switch_over_pause(VFIODeviceMigration *mig);

/*
 * vfio_mig_switch_over_image: all of the device's state was saved or loaded
 *
 * If the driver cannot report sizes, this is assumed to be what the next
 * migration has to send after the VM was stopped.
 *
 * @size_bytes: how much of it was moved while the device was stopped
 */
void vfio_mig_switch_over_image(VFIODeviceMigration *mig,
                                uint64_t size_bytes);

#endif /* HW_VFIO_MIGRATION_SWITCH_OVER_H */
