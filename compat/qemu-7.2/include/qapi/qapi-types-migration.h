/*
 * The part of query-migrate's answer that concerns VFIO
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QAPI_TYPES_MIGRATION_H
#define QAPI_TYPES_MIGRATION_H

typedef struct VfioStats {
    int64_t transferred;    /* bytes */
} VfioStats;

/* 240 bytes in 7.2; only what we fill in is named */
typedef struct MigrationInfo {
    uint8_t before[40];
    bool has_vfio;
    VfioStats *vfio;
    uint8_t after[184];
} MigrationInfo;

QEMU_ABI(offsetof(MigrationInfo, has_vfio) == 40);
QEMU_ABI(offsetof(MigrationInfo, vfio) == 48);
QEMU_ABI(sizeof(MigrationInfo) == 240);

#endif /* QAPI_TYPES_MIGRATION_H */
