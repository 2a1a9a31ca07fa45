/*
 * Registration of what a device does in a migration
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_REGISTER_H
#define MIGRATION_REGISTER_H

#include "hw/vmstate-if.h"

typedef struct SaveVMHandlers {
    SaveStateHandler *save_state;
    void (*save_cleanup)(void *opaque);
    int (*save_live_complete_postcopy)(QEMUFile *f, void *opaque);
    int (*save_live_complete_precopy)(QEMUFile *f, void *opaque);
    bool (*is_active)(void *opaque);
    bool (*has_postcopy)(void *opaque);
    bool (*is_active_iterate)(void *opaque);
    int (*save_live_iterate)(QEMUFile *f, void *opaque);
    int (*save_setup)(QEMUFile *f, void *opaque);
    void (*save_live_pending)(QEMUFile *f, void *opaque,
                              uint64_t threshold_size,
                              uint64_t *res_precopy_only,
                              uint64_t *res_compatible,
                              uint64_t *res_postcopy_only);
    LoadStateHandler *load_state;
    int (*load_setup)(QEMUFile *f, void *opaque);
    int (*load_cleanup)(void *opaque);
    int (*resume_prepare)(MigrationState *s, void *opaque);
} SaveVMHandlers;

QEMU_ABI(offsetof(SaveVMHandlers, save_setup) == 64);
QEMU_ABI(sizeof(SaveVMHandlers) == 112);

#define VMSTATE_INSTANCE_ID_ANY UINT32_MAX

int register_savevm_live(const char *idstr, uint32_t instance_id,
                         int version_id, const SaveVMHandlers *ops,
                         void *opaque);
void unregister_savevm(VMStateIf *obj, const char *idstr, void *opaque);

#endif /* MIGRATION_REGISTER_H */
