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

/* Where the device writes into guest RAM while it runs. */
#define DEVICE_DMA_START_BYTES (UINT64_C(16) << 20)
#define DEVICE_DMA_SIZE_BYTES  (UINT64_C(16) << 20)

typedef struct DeviceConfig {
    uint64_t state_bytes;     /* handed over while the VM stands still */
    uint64_t precopy_bytes;   /* handed over while it runs; 0 = none */
    uint64_t window_bytes;    /* size of the data window */
    const char *layout;       /* one of device_layouts[] */
    uint64_t save_rate_bytes; /* a second; 0 = no limit */
    uint64_t load_rate_bytes; /* the same at the destination */
    uint64_t dma_rate_bytes;  /* a second; 0 = no DMA */
    bool verify;              /* compare each word at the destination */
    bool transcript;          /* for device_follow() */
    unsigned count;           /* devices of this kind, "dev0" on; 0 = 1 */
    unsigned change_ms;       /* each change of state takes so long */
    unsigned first_load_ms;   /* the first chunk takes so much longer */
    const char *keys;         /* more of docs/sim.md: "KEY=VALUE ..."; NULL */
    const char *fault;        /* "KEY=VALUE,...": a rule; NULL for none */
} DeviceConfig;

typedef struct DeviceLayout {
    const char *name;
    const char *areas;        /* key "areas" of docs/sim.md */
    const char *text;
} DeviceLayout;

#define DEVICE_ERROR device_error_quark()
GQuark device_error_quark(void);

typedef enum DeviceError {
    DEVICE_ERROR_CONFIG,      /* the simulation does not take this device */
    DEVICE_ERROR_FAULT,       /* nor the user's rule for it */
} DeviceError;

/* NULL name at the end. */
extern const DeviceLayout device_layouts[];

/* device_layout: find a layout by name; NULL if there is none. */
const DeviceLayout *device_layout(const char *name);

/**
 * device_prepare: write the configuration of one side's device.
 * @build: build directory, for the simulation's programs
 * @directory: where SIDE.conf and the like go
 * @side: "source" or "destination"
 *
 * Returns false with @error set; DEVICE_ERROR_FAULT says what is wrong with
 * the rule in @config, for its author.
 */
bool device_prepare(const char *build, const char *directory,
                    const char *side, const DeviceConfig *config,
                    GError **error);

/**
 * device_argument: the value of -device for a side; to be freed.
 * @number: of the side's devices, from 0
 *
 * It and the environment hold no absolute path: QEMU has to be started in
 * the directory that device_prepare() was given.
 */
char *device_argument(const char *side, unsigned number);

/**
 * device_environment: this program's environment, with what puts the
 * simulation under a QEMU; to be freed with g_strfreev().
 */
char **device_environment(const char *side);

typedef struct DeviceStatus {
    char state[16];           /* "running", "pre-copy", ... */
    char saved_digest[32];    /* names the state that was read: what its
                                 words are made from, not a sum of them; or
                                 empty */
    char loaded_digest[32];   /* of the state that was taken, each word
                                 checked; or empty */
    uint64_t saved_bytes;
    uint64_t precopy_bytes;   /* of them, while the VM ran */
    uint64_t loaded_bytes;
    uint64_t dma_bytes;       /* written into RAM */
    uint64_t corrupt;         /* loads with a wrong word */
    uint64_t incomplete;      /* loads that ended too early */
    uint64_t violations;      /* of the contract by QEMU */
    char *first_violation;
    uint64_t fault_fired;     /* how often rules did, of all devices */
} DeviceStatus;

void device_status_clear(DeviceStatus *status);

struct _JsonNode;

/**
 * device_take_status: what a device says of itself, as docs/sim.md has it
 *
 * Rules that have fired are not in it.
 */
void device_take_status(struct _JsonNode *device, DeviceStatus *status);

/**
 * device_read_status: read what the simulation says of a device.
 * @path: the file that its configuration calls "status"
 * @name: of the device there
 *
 * It is written when the device changes its state, and exact then.
 * device_status_of: of a side's device that device_prepare() made; @number
 * from 0.
 */
bool device_read_status(const char *path, const char *name,
                        DeviceStatus *status, GError **error);
bool device_status_of(const char *directory, const char *side,
                      unsigned number, DeviceStatus *status, GError **error);

/* Where a device stands now, from what its transcript says so far. */
typedef struct DeviceProgress {
    char state[16];
    uint64_t bytes;           /* saved or loaded */
    int64_t offset;           /* in the transcript, of what is not yet read */
} DeviceProgress;

/** device_follow: bring @progress up to date. */
void device_follow(const char *directory, const char *side,
                   DeviceProgress *progress);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DeviceStatus, device_status_clear)

#endif /* TOOLS_DEVICE_H */
