/*
 * Simulated VFIO devices: functions for tests and tools
 *
 * Owns: the public interface of the simulated device for programs that link
 * it. A program that only preloads libvfio-sim.so needs none of this: it
 * sets VFIO_SIM_CONFIG (docs/sim.md).
 *
 * Locks: none held on entry; every function takes its own.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_SIM_VFIO_SIM_H
#define TESTS_SIM_VFIO_SIM_H

#include <stdbool.h>
#include <stdint.h>
#include <glib.h>

#define VFIO_SIM_ERROR vfio_sim_error_quark()
GQuark vfio_sim_error_quark(void);

typedef enum VFIOSimErrorCode {
    VFIO_SIM_ERROR_CONFIG,
    VFIO_SIM_ERROR_SYSFS,
} VFIOSimErrorCode;

/*
 * vfio_sim_configure_file: read a configuration instead of the one named by
 * VFIO_SIM_CONFIG. Any earlier configuration is shut down first. Returns false
 * with @err set if the file is missing or invalid; no device exists then.
 */
bool vfio_sim_configure_file(const char *path, GError **err);

/* vfio_sim_configure_data: the same from the text of a configuration. */
bool vfio_sim_configure_data(const char *text, GError **err);

/*
 * vfio_sim_shutdown: forget the configuration and every device, container
 * and group. All their file descriptors must be closed, or be closed here.
 */
void vfio_sim_shutdown(void);

/*
 * vfio_sim_make_sysfs: create the directory @dir/@name for
 * `-device vfio-pci,sysfsdev=`, with the links `subsystem` and `iommu_group`,
 * which points to group number @group. Existing files are replaced.
 */
bool vfio_sim_make_sysfs(const char *dir, const char *name, unsigned group,
                         GError **err);

/* vfio_sim_make_sysfs_all: the same for every device that is simulated. */
bool vfio_sim_make_sysfs_all(const char *dir, GError **err);

/*
 * vfio_sim_status_json: the text that the status file would hold now.
 * Returns a string to be freed with g_free().
 */
char *vfio_sim_status_json(void);

#define VFIO_SIM_DIGEST_LEN 16

/* A short form of the status of one device, for tests in the process. */
typedef struct VFIOSimStatus {
    unsigned device_state;          /* as the client reads it, 0..7 */
    bool v2;                        /* by the numbers of protocol v2 */
    /* Digests of device states, hexadecimal; "": there was none */
    char digest[VFIO_SIM_DIGEST_LEN + 1];         /* of the current state */
    char saved_digest[VFIO_SIM_DIGEST_LEN + 1];   /* last read to its end */
    char loaded_digest[VFIO_SIM_DIGEST_LEN + 1];  /* last loaded completely */
    bool loaded;                    /* has a loaded state, running or stopped */
    bool state_lost;                /* by a reset */
    unsigned violations;
    unsigned corrupt;
    unsigned incomplete;
    unsigned unfinished_saves;      /* v2: ended before all was read */
    unsigned data_fds;              /* v2: open ones */
    bool log_on;                    /* v2: the device's DMA log */
    uint64_t log_unread_pages;      /* dirty when it was last stopped */
    unsigned refused;
    unsigned resets;
    unsigned unacked_chunks;
    uint64_t calls;                 /* on the device fd, since it was opened */
    uint64_t migration_calls;       /* those of them during a migration */
    uint64_t saved_bytes;
    uint64_t loaded_bytes;
    uint64_t trapped_bytes;
    uint64_t mapped_bytes;
    uint64_t dma_bytes;
    unsigned msix_armed;
    uint16_t command;
} VFIOSimStatus;

/*
 * vfio_sim_device_status: read the status of device @name.
 * Returns false if the configuration has no such device.
 */
bool vfio_sim_device_status(const char *name, VFIOSimStatus *status);

/* vfio_sim_violations: number of violations of all devices */
unsigned vfio_sim_violations(void);

/*
 * vfio_sim_fault_fired: how often the rule `[fault NAME]` has fired.
 * Returns -1 if there is no such rule.
 */
int vfio_sim_fault_fired(const char *name);

/*
 * vfio_sim_dma_lock: pause all DMA of device @name until the unlock, so that a
 * test can inspect the memory. Returns false if there is no such device.
 */
bool vfio_sim_dma_lock(const char *name);
void vfio_sim_dma_unlock(const char *name);

/*
 * vfio_sim_dma_write: make device @name write @size_bytes, in steps of 8, at
 * @iova now, whatever its state. Returns false, and writes nothing, unless all
 * of it is in one mapping that it may write to.
 */
bool vfio_sim_dma_write(const char *name, uint64_t iova,
                        uint64_t size_bytes);

#endif /* TESTS_SIM_VFIO_SIM_H */
