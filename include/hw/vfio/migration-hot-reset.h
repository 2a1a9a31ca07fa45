/*
 * Reset of a VFIO device together with its bus
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_HOT_RESET_H
#define HW_VFIO_MIGRATION_HOT_RESET_H

#include "hw/vfio/vfio-common.h"

/*
 * vfio_mig_hot_reset: reset the bus or slot, if @vbasedev is alone on it
 *
 * For a device without a reset of its own, or whose own reset failed. The
 * kernel preserves the configuration space; for the guest it is a reset like
 * any other.
 *
 * Returns: 0; -EBUSY: other devices are on the bus, and nothing was done; or
 * another -errno: there is no such reset (-ENOTTY, -ENODEV), or it failed.
 * Locks: needs the BQL.
 */
int vfio_mig_hot_reset(VFIODevice *vbasedev);

#endif /* HW_VFIO_MIGRATION_HOT_RESET_H */
