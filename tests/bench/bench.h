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

#include "pair.h"

/* What is measured in a row */
typedef enum BenchSide {
    BENCH_OURS,               /* this project, attached */
    BENCH_BUILTIN,            /* QEMU's own code */
    BENCH_ONLY_SOURCE,        /* only the source attached, the other builtin */
    BENCH_ONLY_DESTINATION,
    BENCH_RAW,                /* the same bytes through a socket, no QEMU */
    BENCH_BARE,               /* the same, without the device's own work */
    BENCH_NUM_SIDES,
} BenchSide;

extern const char *const bench_side_names[BENCH_NUM_SIDES];

/* Sets of them */
#define BENCH_BOTH  (1u << BENCH_OURS | 1u << BENCH_BUILTIN)
#define BENCH_FLOOR (1u << BENCH_RAW | 1u << BENCH_BARE)
#define BENCH_HALF  (1u << BENCH_ONLY_SOURCE | 1u << BENCH_ONLY_DESTINATION)

/* What is done in a row, and its value */
typedef enum BenchKind {
    BENCH_MOVE,               /* ms of downtime */
    BENCH_ANSWERS,            /* ms of the slowest reply during downtime */
    BENCH_CANCEL,             /* ms until the reply to a cancel in downtime */
    BENCH_LIMIT,              /* MiB/s of a limited pre-copy */
} BenchKind;

typedef enum BenchMetric {
    BENCH_VALUE,              /* depends on the row's kind */
    BENCH_CPU,                /* ms of CPU time, both sides */
    BENCH_CPU_SOURCE,
    BENCH_CPU_DESTINATION,
    BENCH_PEAK_SOURCE,        /* KiB of memory */
    BENCH_PEAK_DESTINATION,
    BENCH_CALLS,              /* system calls per MiB, both sides */
    BENCH_EXPECTED,           /* ms of expected downtime */
    BENCH_NUM_METRICS,
} BenchMetric;

typedef enum BenchAgainst {
    BENCH_AGAINST_BUILTIN,    /* of the same repetition */
    BENCH_AGAINST_RAW,        /* of the same repetition */
    BENCH_AGAINST_IDEAL,      /* the row's; raw if that is more */
    BENCH_AGAINST_CASE,       /* of another row, in the same repetition */
    BENCH_AGAINST_NUMBER,     /* the value itself */
    BENCH_AGAINST_EXPECTED,   /* the error of the expected value, relative to
                                 the tolerance, 20 % of the value or 30 ms */
    BENCH_AGAINST_LIMIT,      /* the row's */
} BenchAgainst;

typedef struct BenchGoal {
    BenchAgainst against;
    double most;              /* maximum quotient; 0 ends a row's list */
    double least;             /* minimum quotient; 0: none */
    BenchMetric metric;
    BenchSide side;           /* whose value */
    const char *other;        /* row, for BENCH_AGAINST_CASE */
    bool or_next;             /* this or the next goal must be met */
    double share;             /* share of all samples; 0: use the median */
} BenchGoal;

#define BENCH_MAX_GOALS 6

typedef struct BenchCase {
    const char *name;
    const char *layout;       /* of tools/device.h */
    uint64_t bytes;           /* state of each device */
    uint64_t window_bytes;
    unsigned sides;           /* set of BenchSide */
    BenchKind kind;
    PairWay way;
    unsigned devices;         /* 0: 1 */
    bool v2;
    const char *keys;         /* "KEY=VALUE ..." of docs/sim.md; NULL */
    const char *rule;         /* of the source, "KEY=VALUE,..."; NULL */
    int limit_ms;             /* downtime-limit; also trace what is expected */
    uint64_t save_rate_bytes, load_rate_bytes;      /* per second */
    unsigned change_ms, first_load_ms;
    uint64_t precopy_bytes;
    int64_t bandwidth_bytes;
    double ideal_ms;
    bool quick;               /* also part of 'make bench' */
    BenchGoal goals[BENCH_MAX_GOALS];
} BenchCase;

/** bench_cases: the rows, to be freed with g_free(). */
BenchCase *bench_cases(bool smoke, unsigned *count);

/** bench_total_bytes: the state size of all devices of a row. */
uint64_t bench_total_bytes(const BenchCase *spec);

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
    /* double, in the order of measurement; empty: not measured */
    GArray *values[BENCH_NUM_SIDES][BENCH_NUM_METRICS];
} BenchResult;

/** bench_result_new: create a result without measurements. */
BenchResult *bench_result_new(const BenchCase *spec);
void bench_result_free(BenchResult *result);

/** bench_stats: statistics of an array of double; all 0 if it is empty. */
BenchStats bench_stats(const GArray *samples);

/**
 * bench_ratios: quotients of values of the same index, one per repetition.
 * Returns an array of double, to be freed with g_array_unref().
 */
GArray *bench_ratios(const GArray *above, const GArray *below);

/**
 * bench_rank_test: could values of @a be smaller or larger than those of @b by
 * chance? Two-sided Mann-Whitney test, normal approximation with a correction
 * for ties.
 *
 * Returns the probability of a difference at least this large if both had the
 * same distribution; 1 if either has fewer than four values.
 */
double bench_rank_test(const GArray *a, const GArray *b);

/** A run, for the report. */
typedef struct BenchRun {
    BenchCase *cases;
    GPtrArray *results;       /* BenchResult */
    unsigned repetitions;
    gboolean smoke;           /* tiny sizes: the numbers are meaningless */
    gboolean full;            /* including rows that take long */
    const char *build;
    char *qemu;               /* its version */
} BenchRun;

/**
 * bench_goal: compute a goal's quotients.
 * @run: to find another row
 * Returns an array of double, one per repetition; empty if it could not be
 * measured; to be freed with g_array_unref().
 */
GArray *bench_goal(const BenchRun *run, const BenchResult *result,
                   const BenchGoal *goal);

/** bench_goal_met: is their median, or the required share of them, within the
 * goal? */
bool bench_goal_met(const BenchGoal *goal, const GArray *ratios);

/** bench_goal_text: "time/builtin <= 1.10"; to be freed. */
char *bench_goal_text(const BenchGoal *goal);

/**
 * bench_goals_met: are all goals of a row met? This includes goals for all
 * rows: not slower than builtin by more than chance, and no more memory than
 * allowed.
 * @missed: set to the goals not met, one per line, to be freed
 */
bool bench_goals_met(const BenchRun *run, const BenchResult *result,
                     char **missed);

/* One measurement; NaN: not measured */
typedef struct BenchSample {
    double value[BENCH_NUM_METRICS];
} BenchSample;

/** bench_raw: move a row's bytes without QEMU; measure time and CPU time. */
bool bench_raw(const BenchCase *spec, bool bare, BenchSample *sample,
               GError **error);

/** bench_pair: the same with two QEMUs. */
bool bench_pair(BenchRun *run, const BenchCase *spec, BenchSide side,
                BenchSample *sample, GError **error);

/** bench_json: the whole report; schema in docs/bench.md; to be freed. */
char *bench_json(const BenchRun *run);

void bench_print_table(const BenchRun *run);

#endif /* TESTS_BENCH_BENCH_H */
