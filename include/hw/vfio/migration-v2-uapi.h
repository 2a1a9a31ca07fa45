/*
 * Protocol v2 as the kernel defines it: VFIO_DEVICE_FEATURE
 *
 * Under names of our own, as the kernel headers that QEMU is built with may be
 * older than the kernel that it runs on.
 *
 * Source: linux/vfio.h of Linux 6.2; REINIT and its opt-in of Linux 7.1.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_V2_UAPI_H
#define HW_VFIO_MIGRATION_V2_UAPI_H

#include <linux/vfio.h>

/* Features of migration */
#define VFIO_MIG_V2_FEATURE_MIGRATION       1
#define VFIO_MIG_V2_FEATURE_DEVICE_STATE    2
#define VFIO_MIG_V2_FEATURE_DATA_SIZE       9
/* Opt-in, without payload: initial_bytes may start over (Linux 7.1) */
#define VFIO_MIG_V2_FEATURE_REINIT          12

/* What a device can do: payload of FEATURE_MIGRATION */
#define VFIO_MIG_V2_STOP_COPY   (UINT64_C(1) << 0)
#define VFIO_MIG_V2_P2P         (UINT64_C(1) << 1)
#define VFIO_MIG_V2_PRE_COPY    (UINT64_C(1) << 2)

/* Payload of FEATURE_DEVICE_STATE */
typedef struct VFIOMigV2DeviceState {
    uint32_t device_state;      /* VFIOMigState */
    int32_t data_fd;
} VFIOMigV2DeviceState;

/* Argument of the ioctl on the data fd */
typedef struct VFIOMigV2PrecopyInfo {
    uint32_t argsz;
    uint32_t flags;             /* 0: there are none before Linux 7.1 */
    uint64_t initial_bytes;
    uint64_t dirty_bytes;
} VFIOMigV2PrecopyInfo;

#define VFIO_MIG_V2_GET_PRECOPY_INFO    _IO(VFIO_TYPE, VFIO_BASE + 21)

#endif /* HW_VFIO_MIGRATION_V2_UAPI_H */
