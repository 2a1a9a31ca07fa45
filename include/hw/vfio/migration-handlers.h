/*
 * The SaveVMHandlers of a VFIO device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_HANDLERS_H
#define HW_VFIO_MIGRATION_HANDLERS_H

#include "hw/vfio/migration-device.h"

/* Both halves; @opaque is the VFIODevice. */
extern const SaveVMHandlers vfio_mig_savevm_handlers;

/*
 * The handlers of a save: see SaveVMHandlers of migration/register.h for their
 * arguments. Those that return an int return 0 or -errno; iterate returns 1 to
 * let the next handler have its turn. Errors have been passed to the migration.
 * Complete, config and cleanup need the BQL.
 */
int vfio_mig_save_setup(QEMUFile *f, void *opaque);
void vfio_mig_save_pending(QEMUFile *f, void *opaque, uint64_t threshold_size,
                           uint64_t *res_precopy_only,
                           uint64_t *res_compatible,
                           uint64_t *res_postcopy_only);
int vfio_mig_save_iterate(QEMUFile *f, void *opaque);
bool vfio_mig_save_has_iterate(void *opaque);
bool vfio_mig_save_has_postcopy(void *opaque);
int vfio_mig_save_complete(QEMUFile *f, void *opaque);
void vfio_mig_save_config(QEMUFile *f, void *opaque);
void vfio_mig_save_cleanup(void *opaque);

/*
 * The handlers of a load: see SaveVMHandlers of migration/register.h for their
 * arguments. They return 0 or -errno; errors have been reported. All need the
 * BQL.
 */
int vfio_mig_load_setup(QEMUFile *f, void *opaque);
int vfio_mig_load_state(QEMUFile *f, void *opaque, int version_id);
int vfio_mig_load_cleanup(void *opaque);

/*
 * vfio_mig_load_done: the device has all of its state, and the load ends: at
 * its cleanup, or when the VM runs before that
 *
 * In phase loaded. Locks: needs the BQL.
 */
void vfio_mig_load_done(VFIODeviceMigration *mig);

#endif /* HW_VFIO_MIGRATION_HANDLERS_H */
