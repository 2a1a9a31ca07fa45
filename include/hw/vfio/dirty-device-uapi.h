/*
 * Logging of a device's DMA as the kernel defines it: VFIO_DEVICE_FEATURE
 *
 * Under names of our own, as the kernel headers that QEMU is built with may be
 * older than the kernel that it runs on.
 *
 * Source: linux/vfio.h of Linux 6.1; unchanged in later versions.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_DIRTY_DEVICE_UAPI_H
#define HW_VFIO_DIRTY_DEVICE_UAPI_H

/* START is a set; STOP is a set without a payload; REPORT is a get */
#define VFIO_MIG_V2_FEATURE_LOG_START   6
#define VFIO_MIG_V2_FEATURE_LOG_STOP    7
#define VFIO_MIG_V2_FEATURE_LOG_REPORT  8

/* Whole pages; iova + length must fit 64 bits */
typedef struct VFIOMigV2LogRange {
    uint64_t iova;
    uint64_t length;
} VFIOMigV2LogRange;

/* Payload of FEATURE_LOG_START */
typedef struct VFIOMigV2LogControl {
    uint64_t page_size;         /* only a hint */
    uint32_t num_ranges;
    uint32_t reserved;
    uint64_t ranges;            /* address of an array of VFIOMigV2LogRange */
} VFIOMigV2LogControl;

/*
 * Payload of FEATURE_LOG_REPORT. Bit n of the bitmap, in little-endian words
 * of 64 bits, is the n-th page after iova; the driver sets it if the page was
 * written, and never clears it. Each write is reported once.
 */
typedef struct VFIOMigV2LogReport {
    uint64_t iova;
    uint64_t length;
    uint64_t page_size;         /* of a bit, at least 4 KiB */
    uint64_t bitmap;            /* its address */
} VFIOMigV2LogReport;

#endif /* HW_VFIO_DIRTY_DEVICE_UAPI_H */
