/*
 * Reading all devices of a stopped VM in parallel, without the BQL
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_STOP_COPY_H
#define HW_VFIO_MIGRATION_STOP_COPY_H

/*
 * vfio_mig_stop_copy_attach: from now on, read the devices of each migration
 * in parallel, at the beginning of its completion
 *
 * One call is enough for all devices and migrations. Locks: needs the BQL.
 */
void vfio_mig_stop_copy_attach(void);

#endif /* HW_VFIO_MIGRATION_STOP_COPY_H */
