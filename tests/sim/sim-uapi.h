/*
 * Simulated VFIO devices: protocol v2 as in the kernel's header
 *
 * Owns: numbers and structures of VFIO_DEVICE_FEATURE up to Linux 7.1,
 * under separate names: the header that this is built with may be older. This
 * is independent of the subsystem's own definitions.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_SIM_SIM_UAPI_H
#define TESTS_SIM_SIM_UAPI_H

#include <stdint.h>
#include <linux/ioctl.h>

#define SIM_IOC_FEATURE _IO(';', 100 + 17)
#define SIM_IOC_PRECOPY_INFO _IO(';', 100 + 21)     /* on the data fd */

#define SIM_FEATURE_NUMBER 0xffffu
#define SIM_FEATURE_GET (1u << 16)
#define SIM_FEATURE_SET (1u << 17)
#define SIM_FEATURE_PROBE (1u << 18)

enum {
    SIM_FEATURE_MIGRATION = 1,
    SIM_FEATURE_STATE = 2,
    SIM_FEATURE_LOG_START = 6,
    SIM_FEATURE_LOG_STOP = 7,
    SIM_FEATURE_LOG_REPORT = 8,
    SIM_FEATURE_DATA_SIZE = 9,      /* Linux 6.2 */
    SIM_FEATURE_PRECOPY_INFO_V2 = 12,   /* Linux 7.1 */
};

/* Flags of SIM_FEATURE_MIGRATION */
#define SIM_MIGRATION_STOP_COPY 1u
#define SIM_MIGRATION_P2P 2u
#define SIM_MIGRATION_PRE_COPY 4u   /* Linux 6.2 */

typedef struct SimFeature {
    uint32_t argsz;
    uint32_t flags;
    uint8_t data[];
} SimFeature;

typedef struct SimFeatureState {
    uint32_t device_state;
    int32_t data_fd;
} SimFeatureState;

typedef struct SimFeatureLogRange {
    uint64_t iova;
    uint64_t length;
} SimFeatureLogRange;

typedef struct SimFeatureLogStart {
    uint64_t page_size;
    uint32_t num_ranges;
    uint32_t reserved;
    uint64_t ranges;                /* address of SimFeatureLogRange[] */
} SimFeatureLogStart;

typedef struct SimFeatureLogReport {
    uint64_t iova;
    uint64_t length;
    uint64_t page_size;
    uint64_t bitmap;                /* address of little-endian words */
} SimFeatureLogReport;

#define SIM_PRECOPY_INFO_REINIT 1u

typedef struct SimIocPrecopyInfo {
    uint32_t argsz;
    uint32_t flags;
    uint64_t initial_bytes;
    uint64_t dirty_bytes;
} SimIocPrecopyInfo;

#endif /* TESTS_SIM_SIM_UAPI_H */
