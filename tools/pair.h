/*
 * Pairs of QEMUs with simulated devices, for migrating a VM between them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TOOLS_PAIR_H
#define TOOLS_PAIR_H

#include "device.h"
#include "vm.h"

enum { PAIR_SOURCE, PAIR_DESTINATION, PAIR_SIDES };

extern const char *const pair_sides[PAIR_SIDES];

/* How the VM's state is transferred */
typedef enum PairWay {
    PAIR_UNIX,                /* a Unix socket */
    PAIR_TCP,                 /* 127.0.0.1 */
    PAIR_TLS,                 /* TLS over a Unix socket */
    PAIR_PIPE,                /* programs at the two ends of a named pipe */
    PAIR_FILE,                /* a file, which is read once it is complete */
} PairWay;

typedef struct PairConfig {
    const char *build;        /* build directory: wrapper, simulation */
    bool builtin[PAIR_SIDES]; /* QEMU's own migration code, not ours */
    bool starts;              /* the destination's VM starts by itself */
    PairWay way;
    int64_t bandwidth_bytes;  /* per second; 0: practically unlimited */
    int downtime_ms;          /* downtime-limit; 0: QEMU's default */
    const char *preload;      /* a library for both QEMUs; NULL: none */
    bool busy;                /* the guest works; otherwise it sleeps */
    uint64_t ram_bytes;
    DeviceConfig device;      /* for the devices of both sides */
    const char *fault[PAIR_SIDES];  /* of one side's device, or NULL */
    const char *const *traces;      /* events; NULL: none */
} PairConfig;

typedef struct Pair {
    char *directory;
    Vm *vm[PAIR_SIDES];       /* NULL: not started */
    Qmp *qmp[PAIR_SIDES];     /* owned by @vm */
    PairWay way;
} Pair;

/** pair_build_directory: build directory of this program; to be freed. */
char *pair_build_directory(void);

/**
 * pair_prepare: create the directory, the guest and the devices; no QEMU yet.
 *
 * Returns false with @error set, by device_prepare() if it concerns a device.
 * Call pair_end() in either case.
 */
bool pair_prepare(Pair *pair, const PairConfig *config, GError **error);

/**
 * pair_start: start both QEMUs, ready to migrate; the source's VM runs.
 * @pair: prepared with pair_prepare() and the same @config
 *
 * After a failure @pair may be partly started. Call pair_end() in either case.
 */
bool pair_start(Pair *pair, const PairConfig *config, GError **error);

/**
 * pair_migrate: begin the migration, and return at once.
 *
 * With PAIR_FILE it is only saved; pair_take_file() loads it afterwards.
 */
bool pair_migrate(Pair *pair, GError **error);

/** pair_take_file: make the destination load the file of PAIR_FILE. */
bool pair_take_file(Pair *pair, GError **error);

/**
 * pair_check_info: check an answer to query-migrate.
 *
 * Returns false with @error set, in QEMU's own words, if the migration has
 * failed or was cancelled.
 */
bool pair_check_info(JsonNode *info, GError **error);

/** pair_is_moved: has the destination loaded everything? */
bool pair_is_moved(const Pair *pair);

/**
 * pair_wait_device: wait until a device is in a state; the source's device
 * stops only after QEMU has reported the migration as completed.
 * @number: index of the side's device, from 0
 * @status: set to the device's status then
 */
bool pair_wait_device(Pair *pair, int side, unsigned number,
                      const char *state, DeviceStatus *status,
                      GError **error);

/* Durations of the phases of a migration, from the times of QEMU's events */
typedef struct PairTimes {
    int64_t setup_us;         /* until the first data is sent */
    int64_t precopy_us;       /* until the VM stops */
    int64_t stop_us;          /* until the destination has loaded all */
} PairTimes;

/** pair_times: the durations for a migration that has completed. */
PairTimes pair_times(const Pair *pair);

/** pair_trace: path of a side's trace, if it was requested; to be freed. */
char *pair_trace(const Pair *pair, int side);

/** pair_end: end both QEMUs; remove the directory unless @keep. */
void pair_end(Pair *pair, bool keep);

#endif /* TOOLS_PAIR_H */
