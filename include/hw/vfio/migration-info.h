/*
 * The QOM property "vfio-migration" of a device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_INFO_H
#define HW_VFIO_MIGRATION_INFO_H

#include "hw/vfio/migration-device.h"

/* Add the property; remove it, if it exists. Need the BQL. */
void vfio_mig_info_add(VFIODevice *vbasedev);
void vfio_mig_info_remove(VFIODevice *vbasedev);

#endif /* HW_VFIO_MIGRATION_INFO_H */
