/*
 * Kernel interface of the VFIO migration region (protocol v1)
 *
 * Owns: the register layout and the bits of device_state, as Linux 5.8 to
 * 5.17 defined them. Later kernel headers have only deprecated names for the
 * same numbers, which is why they are defined here under names of our own.
 *
 * Source: linux/vfio.h of Linux 5.8 to 5.17, vfio_device_migration_info.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_V1_UAPI_H
#define HW_VFIO_MIGRATION_V1_UAPI_H

/* The region is found by its type capability; it has no fixed index. */
#define VFIO_MIG_REGION_TYPE              3
#define VFIO_MIG_REGION_SUBTYPE           1

/* Registers: byte offsets in the region. */
#define VFIO_MIG_REG_DEVICE_STATE         0x00 /* u32, read and write */
#define VFIO_MIG_REG_PENDING_BYTES        0x08 /* u64, read only */
#define VFIO_MIG_REG_DATA_OFFSET          0x10 /* u64, read only */
#define VFIO_MIG_REG_DATA_SIZE            0x18 /* u64, read and write */
#define VFIO_MIG_REGS_SIZE_BYTES          0x20

/* device_state: three state bits; the others belong to the driver. */
#define VFIO_MIG_V1_RUNNING               (1u << 0)
#define VFIO_MIG_V1_SAVING                (1u << 1)
#define VFIO_MIG_V1_RESUMING              (1u << 2)
#define VFIO_MIG_V1_STATE_MASK            (VFIO_MIG_V1_RUNNING | \
                                           VFIO_MIG_V1_SAVING | \
                                           VFIO_MIG_V1_RESUMING)
#define VFIO_MIG_V1_STOP                  0u
#define VFIO_MIG_V1_ERROR                 (VFIO_MIG_V1_SAVING | \
                                           VFIO_MIG_V1_RESUMING)

#endif /* HW_VFIO_MIGRATION_V1_UAPI_H */
