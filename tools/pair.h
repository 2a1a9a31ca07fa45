/*
 * Two QEMUs with simulated devices, between which a VM migrates
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TOOLS_PAIR_H
#define TOOLS_PAIR_H

#include "device.h"
#include "vm.h"

enum { PAIR_SOURCE, PAIR_DESTINATION, PAIR_SIDES };

extern const char *const pair_sides[PAIR_SIDES];

/* How the VM's state gets from one to the other */
typedef enum PairWay {
    PAIR_UNIX,                /* a Unix socket */
    PAIR_TCP,                 /* 127.0.0.1 */
    PAIR_TLS,                 /* TLS over a Unix socket */
    PAIR_PIPE,                /* the standard output and input of a program */
    PAIR_FILE,                /* a file: read when it is complete */
} PairWay;

typedef struct PairConfig {
    const char *build;        /* build directory: wrapper, simulation */
    bool builtin[PAIR_SIDES]; /* QEMU's own migration code, not ours */
    bool starts;              /* the destination's VM does, by itself */
    PairWay way;
    int64_t bandwidth_bytes;  /* a second; 0: far more than there is */
    int downtime_ms;          /* limit of it; 0: QEMU's own */
    const char *preload;      /* a library for both QEMUs; NULL: none */
    bool busy;                /* the guest works, else it sleeps */
    uint64_t ram_bytes;
    DeviceConfig device;      /* those of both sides */
    const char *fault[PAIR_SIDES];  /* of one side's device, or NULL */
    const char *const *traces;      /* events; NULL: none */
} PairConfig;

typedef struct Pair {
    char *directory;
    Vm *vm[PAIR_SIDES];       /* NULL: not started */
    Qmp *qmp[PAIR_SIDES];     /* theirs */
    PairWay way;
} Pair;

/** pair_build_directory: where the running program was built; to be freed. */
char *pair_build_directory(void);

/**
 * pair_prepare: the directory, the guest and both devices; no QEMU yet.
 *
 * Returns false with @error set, device_prepare()'s if it is about a device.
 * pair_end() @pair in any case.
 */
bool pair_prepare(Pair *pair, const PairConfig *config, GError **error);

/**
 * pair_start: start both QEMUs, ready to migrate; the source's VM runs.
 * @pair: after pair_prepare() with the same @config
 *
 * On failure @pair may be half started: pair_end() it in any case.
 */
bool pair_start(Pair *pair, const PairConfig *config, GError **error);

/**
 * pair_migrate: begin the migration, and return at once.
 *
 * With PAIR_FILE only the source's part: pair_take_file() comes after that.
 */
bool pair_migrate(Pair *pair, GError **error);

/** pair_take_file: let the destination read the file of PAIR_FILE. */
bool pair_take_file(Pair *pair, GError **error);

/**
 * pair_check_info: what an answer to query-migrate means.
 *
 * Returns false with @error set, from QEMU's own words, if the migration has
 * failed.
 */
bool pair_check_info(JsonNode *info, GError **error);

/** pair_is_moved: whether the destination has loaded everything. */
bool pair_is_moved(const Pair *pair);

/**
 * pair_wait_device: wait until a device has come to a state; the source's
 * comes to rest only after QEMU has called the migration completed.
 * @number: of the side's devices, from 0
 * @status: what is known of the device then
 */
bool pair_wait_device(Pair *pair, int side, unsigned number,
                      const char *state, DeviceStatus *status,
                      GError **error);

/* How long the parts of a migration took, by the time of QEMU's events. */
typedef struct PairTimes {
    int64_t setup_us;         /* until the first data is sent */
    int64_t precopy_us;       /* until the VM stops */
    int64_t stop_us;          /* until the destination has loaded all */
} PairTimes;

PairTimes pair_times(const Pair *pair);

/** pair_trace: path of a side's trace, where one was asked for; freed. */
char *pair_trace(const Pair *pair, int side);

/** pair_end: end both QEMUs; remove the directory unless @keep. */
void pair_end(Pair *pair, bool keep);

#endif /* TOOLS_PAIR_H */
