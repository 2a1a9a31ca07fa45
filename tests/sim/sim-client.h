/*
 * Tests of the simulated device: a plain client of the VFIO interface
 *
 * Owns: opening a device like any VFIO user, one function for each register,
 * reading and writing chunks through mapped and trapped areas, and whole saves
 * and loads. It shares nothing with the subsystem: it is an independent
 * implementation of the contract (docs/contract.md).
 *
 * No locks; one thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_SIM_SIM_CLIENT_H
#define TESTS_SIM_SIM_CLIENT_H

#include <errno.h>
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include <linux/vfio.h>

#include "vfio-sim.h"

/* A request with its payload, which the kernel's header leaves open */
typedef struct SimIrqRequest {
    uint32_t argsz;
    uint32_t flags;
    uint32_t index;
    uint32_t start;
    uint32_t count;
    int32_t fds[16];
} SimIrqRequest;

typedef struct SimClientArea {
    uint64_t offset;
    uint64_t size_bytes;
    uint8_t *ptr;                   /* NULL: trapped */
} SimClientArea;

typedef struct SimClient {
    const char *name;
    int container;
    int group;
    int device;
    uint64_t region;                /* file offset of the region; 0: none */
    uint64_t region_size;
    GArray *areas;                  /* SimClientArea */
} SimClient;

/* A chunk as it was read: its bytes, and the phase it belongs to. */
typedef struct SimClientChunk {
    GByteArray *bytes;
    bool stop_phase;
} SimClientChunk;

/* What a call of libc returned, or its negative errno */
static inline int result(int ret)
{
    return ret < 0 ? -errno : ret;
}

/*
 * client_open: open group @group and device @name with a separate container,
 * find and map the migration region. Fails the test if that is not possible.
 */
SimClient *client_open(const char *name, unsigned group);
void client_close(SimClient *c);

/* 0 or a negative errno; short transfers are -EIO. */
int client_read_state(SimClient *c, uint32_t *state);
int client_set_state(SimClient *c, uint32_t state);
int client_pending(SimClient *c, uint64_t *bytes);
int client_data_offset(SimClient *c, uint64_t *offset);
int client_data_size(SimClient *c, uint64_t *bytes);
int client_set_data_size(SimClient *c, uint64_t bytes);

/* A single access, which may be an invalid one. */
ssize_t client_raw(SimClient *c, bool write, uint64_t offset, void *buf,
                   size_t len);

/* The same for PCI config space; -1 and errno on failure */
ssize_t client_config(SimClient *c, bool write, unsigned at, void *buf,
                      size_t len);

/* Guest memory: 0 or a negative errno; @flags are those of VFIO's ioctls. */
int client_map(SimClient *c, uint64_t iova, uint64_t vaddr, uint64_t size,
               uint32_t flags);
/* @size: set to the bytes unmapped. @bits: set to the dirty bits of 64 pages */
int client_unmap(SimClient *c, uint64_t iova, uint64_t *size, uint32_t flags,
                 uint64_t *bits);
int client_dirty(SimClient *c, uint32_t flags);
int client_dirty_bits(SimClient *c, uint64_t iova, uint64_t size,
                      uint64_t page_size, uint64_t *bits, uint64_t bytes);

GPtrArray *client_chunks_new(void);
void client_chunk_add(GPtrArray *chunks, const uint8_t *bytes, uint64_t len,
                      bool stop_phase);

/* Read one chunk; 0, a negative errno, or 1 when nothing is pending. */
int client_save_chunk(SimClient *c, GPtrArray *chunks, bool stop_phase);
/* From running to stop; if @precopy, with at most @max_precopy chunks of it. */
int client_save(SimClient *c, GPtrArray *chunks, bool precopy,
                unsigned max_precopy);
int client_load_chunk(SimClient *c, const uint8_t *bytes, uint64_t len);
/* From running through resuming to running; @split: write chunks in parts. */
int client_load(SimClient *c, GPtrArray *chunks, bool split);

#endif /* TESTS_SIM_SIM_CLIENT_H */
