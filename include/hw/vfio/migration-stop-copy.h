/*
 * All devices of a stopped VM are read at once, without the BQL
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_STOP_COPY_H
#define HW_VFIO_MIGRATION_STOP_COPY_H

/*
 * vfio_mig_stop_copy_attach: from now on the devices of each migration are
 * read so, at the head of its completion
 *
 * Once is enough for all devices of the process, for good. Locks: the BQL.
 */
void vfio_mig_stop_copy_attach(void);

#endif /* HW_VFIO_MIGRATION_STOP_COPY_H */
