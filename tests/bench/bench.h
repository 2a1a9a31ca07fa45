/*
 * vfio-bench: what its files share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <glib.h>

typedef enum BenchSide {
    BENCH_OURS,               /* this project, attached */
    BENCH_BUILTIN,            /* QEMU's own code */
    BENCH_RAW,                /* the same bytes through a socket, no QEMU */
    BENCH_NUM_SIDES,
} BenchSide;

extern const char *const bench_side_names[BENCH_NUM_SIDES];

typedef struct BenchCase {
    const char *name;
    const char *layout;       /* of tools/device.h */
    uint64_t bytes;           /* device state */
    double limit;             /* largest ours / builtin; 0 = none */
} BenchCase;

typedef struct BenchStats {
    unsigned n;
    double mean;
    double sd;                /* of the sample; 0 for n = 1 */
    double min;
    double p50;
    double max;
} BenchStats;

typedef struct BenchResult {
    const BenchCase *spec;
    GArray *ms[BENCH_NUM_SIDES];    /* double, milliseconds, as they came */
} BenchResult;

/** bench_stats: of an array of double; all 0 for an empty one. */
BenchStats bench_stats(const GArray *samples);

/**
 * bench_ratios: ours / builtin of each pair of neighbours, one a repetition.
 * Returns an array of double, to be freed with g_array_unref().
 */
GArray *bench_ratios(const BenchResult *result);

/** bench_limit_met: whether the median of the ratios is within the limit. */
bool bench_limit_met(const BenchResult *result);

/**
 * bench_raw: move @bytes from one process's memory to another's through a
 * Unix socket, in blocks as large as the device's data window.
 * @trapped: take and put them with pread() and pwrite(), as a driver that
 *           cannot be mapped wants it
 * @time_us: where to put how long it took
 */
bool bench_raw(uint64_t bytes, bool trapped, int64_t *time_us,
               GError **error);

/** What the report says of the run as a whole. */
typedef struct BenchRun {
    GPtrArray *results;       /* BenchResult */
    unsigned repetitions;
    gboolean smoke;           /* tiny sizes: the numbers mean nothing */
    char *qemu;               /* its version */
} BenchRun;

/** bench_json: the whole report; schema in docs/bench.md; to be freed. */
char *bench_json(const BenchRun *run);

void bench_print_table(const BenchRun *run);

#endif /* TESTS_BENCH_BENCH_H */
