/*
 * Telling a newer source that a device's initial data has arrived
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_ACK_H
#define HW_VFIO_MIGRATION_ACK_H

#include "hw/vfio/migration-device.h"

/*
 * vfio_mig_initial_data_arrived: all initial data of @mig was loaded
 *
 * A source of QEMU 8.1 or later with the capability switchover-ack sends a mark
 * for that, once per device. When the last device that can have such data has
 * received it, the source is told, once, and may stop its VM. A failure is
 * reported here; the source then waits until it is cancelled.
 *
 * @f: the stream that the mark was read from
 *
 * Locks: needs the BQL.
 */
void vfio_mig_initial_data_arrived(VFIODeviceMigration *mig, QEMUFile *f);

#endif /* HW_VFIO_MIGRATION_ACK_H */
