/*
 * Tests of the simulated device: a plain client of protocol v2
 *
 * Owns: one function for each request through VFIO_DEVICE_FEATURE and the data
 * fd, and whole saves and loads. It uses the kernel's own header if that has a
 * definition. It shares nothing with the subsystem, nor with the simulation.
 *
 * No locks; one thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_SIM_SIM_CLIENT_V2_H
#define TESTS_SIM_SIM_CLIENT_V2_H

#include "sim-client.h"

/* States, by the numbers of the header; later than 6.1: 6 and 7 */
enum {
    V2_ERROR = 0, V2_STOP, V2_RUNNING, V2_STOP_COPY, V2_RESUMING,
    V2_RUNNING_P2P, V2_PRE_COPY, V2_PRE_COPY_P2P, V2_NUM_STATES,
};

/* Features later than 6.1 */
#define V2_FEATURE_DATA_SIZE 9u
#define V2_FEATURE_PRECOPY_INFO_V2 12u

typedef struct V2PrecopyInfo {
    uint32_t argsz;
    uint32_t flags;
    uint64_t initial_bytes;
    uint64_t dirty_bytes;
} V2PrecopyInfo;

/*
 * v2_feature: VFIO_DEVICE_FEATURE with @flags (number and operation) and
 * @bytes of data. Returns 0 or a negative errno. v2_feature_argsz(): the
 * same with a wrong argsz.
 */
int v2_feature(SimClient *c, uint32_t flags, void *data, size_t bytes);
int v2_feature_argsz(SimClient *c, uint32_t argsz, uint32_t flags,
                     void *data, size_t bytes);

int v2_flags(SimClient *c, uint64_t *flags);
/* v2_get: the state, or a negative errno */
int v2_get(SimClient *c);
/* v2_set: 0 or a negative errno; sets @fd to data_fd, even on failure. */
int v2_set(SimClient *c, uint32_t state, int *fd);
int v2_data_size(SimClient *c, uint64_t *bytes);
/* v2_info: PRECOPY_INFO of data fd @fd; flags are passed unchanged. */
int v2_info(int fd, V2PrecopyInfo *info);

/* Bytes, 0 or a negative errno */
ssize_t v2_read(int fd, void *buf, size_t len);
ssize_t v2_write(int fd, const void *buf, size_t len);

/*
 * v2_read_all: read from @fd and append to @bytes, @piece bytes at a time,
 * until a read returns 0 or ENOMSG. Returns which of them, or the error.
 * v2_write_all: write everything in such pieces, each until it is complete.
 */
int v2_read_all(int fd, GByteArray *bytes, size_t piece);
int v2_write_all(int fd, const uint8_t *bytes, size_t len, size_t piece);

/*
 * v2_way: the path of a device with @flags (STOP_COPY 1, P2P 2, PRE_COPY 4)
 * from one state to another: the states after @from, each as the digit of its
 * number. NULL if there is no path. To be freed.
 */
char *v2_way(unsigned flags, unsigned from, unsigned to);
bool v2_has_state(unsigned flags, unsigned state);
/* v2_state: the number of a state by its name, "stop-copy" */
unsigned v2_state(const char *name);

#endif /* TESTS_SIM_SIM_CLIENT_V2_H */
