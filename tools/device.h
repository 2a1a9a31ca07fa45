/*
 * The simulated vfio-pci devices of the demonstration and the benchmark
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TOOLS_DEVICE_H
#define TOOLS_DEVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <glib.h>

/* The part of guest RAM that the device writes to while it runs */
#define DEVICE_DMA_START_BYTES (UINT64_C(16) << 20)
#define DEVICE_DMA_SIZE_BYTES  (UINT64_C(16) << 20)

typedef struct DeviceConfig {
    uint64_t state_bytes;     /* transferred while the VM is stopped */
    uint64_t precopy_bytes;   /* transferred while it runs; 0 = none */
    uint64_t window_bytes;    /* size of the data window */
    const char *layout;       /* one of device_layouts[] */
    uint64_t save_rate_bytes; /* per second; 0 = no limit */
    uint64_t load_rate_bytes; /* the same at the destination */
    uint64_t dma_rate_bytes;  /* per second; 0 = no DMA */
    bool verify;              /* compare each word at the destination */
    bool transcript;          /* for device_follow() */
    unsigned count;           /* devices of this kind, from "dev0"; 0 = 1 */
    unsigned change_ms;       /* duration of each change of state */
    unsigned first_load_ms;   /* additional time for the first chunk */
    const char *keys;         /* other keys of docs/sim.md, "KEY=VALUE ..." */
    const char *fault;        /* "KEY=VALUE,...": a rule; NULL for none */
} DeviceConfig;

typedef struct DeviceLayout {
    const char *name;
    const char *areas;        /* value of the key "areas", see docs/sim.md */
    const char *text;
} DeviceLayout;

/* Domain of errors with a code of DeviceError */
#define DEVICE_ERROR device_error_quark()
GQuark device_error_quark(void);

typedef enum DeviceError {
    DEVICE_ERROR_CONFIG,      /* the simulation rejects the device */
    DEVICE_ERROR_FAULT,       /* it rejects the user's rule */
} DeviceError;

/* The last entry has no name. */
extern const DeviceLayout device_layouts[];

/* device_layout: find a layout by name; NULL if there is none. */
const DeviceLayout *device_layout(const char *name);

/**
 * device_prepare: write the configuration of one side's devices.
 * @build: build directory, for the simulation's programs
 * @directory: where SIDE.conf and the other files are created
 * @side: "source" or "destination"
 *
 * Returns false with @error set; for DEVICE_ERROR_FAULT it describes the
 * mistake in @config's rule, for its author.
 */
bool device_prepare(const char *build, const char *directory,
                    const char *side, const DeviceConfig *config,
                    GError **error);

/**
 * device_argument: the value of -device for a side; to be freed.
 * @number: index of the side's device, from 0
 *
 * It and the environment use relative paths only: QEMU has to be started in
 * the directory passed to device_prepare().
 */
char *device_argument(const char *side, unsigned number);

/**
 * device_environment: this program's environment, extended so that QEMU uses
 * the simulation; to be freed with g_strfreev().
 */
char **device_environment(const char *side);

typedef struct DeviceStatus {
    char state[16];           /* "running", "pre-copy", ... */
    char saved_digest[32];    /* identifies the state that was read, by how
                                 its words are generated; not a checksum; or
                                 empty */
    char loaded_digest[32];   /* of the state that was loaded, each word
                                 checked; or empty */
    uint64_t saved_bytes;
    uint64_t precopy_bytes;   /* of these, while the VM ran */
    uint64_t loaded_bytes;
    uint64_t dma_bytes;       /* written to RAM */
    uint64_t corrupt;         /* loads with a wrong word */
    uint64_t incomplete;      /* loads that ended too early */
    uint64_t violations;      /* of the contract, by QEMU */
    char *first_violation;
    uint64_t fault_fired;     /* how often rules fired, for all devices */
} DeviceStatus;

/** device_status_clear: free the members; @status can be used again. */
void device_status_clear(DeviceStatus *status);

struct _JsonNode;

/**
 * device_take_status: convert a device's status from JSON, see docs/sim.md
 *
 * fault_fired is set from the rules in the same object, where the kernel's test
 * driver has them. The simulation has them in another part of its file.
 */
void device_take_status(struct _JsonNode *device, DeviceStatus *status);

/**
 * device_read_status: read a device's status from the simulation's file.
 * @path: the file that its configuration calls "status"
 * @name: the device's name there
 *
 * The file is written, and is exact, at each change of the device's state.
 * device_status_of: the same for a side's device from device_prepare();
 * @number counts from 0.
 */
bool device_read_status(const char *path, const char *name,
                        DeviceStatus *status, GError **error);
bool device_status_of(const char *directory, const char *side,
                      unsigned number, DeviceStatus *status, GError **error);

/* Current progress of a device, according to its transcript */
typedef struct DeviceProgress {
    char state[16];
    uint64_t bytes;           /* saved or loaded */
    int64_t offset;           /* of the unread part of the transcript */
} DeviceProgress;

/** device_follow: bring @progress up to date. */
void device_follow(const char *directory, const char *side,
                   DeviceProgress *progress);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DeviceStatus, device_status_clear)

#endif /* TOOLS_DEVICE_H */
