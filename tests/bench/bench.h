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

/* What a row is measured with */
typedef enum BenchSide {
    BENCH_OURS,               /* this project, attached */
    BENCH_BUILTIN,            /* QEMU's own code */
    BENCH_ONLY_SOURCE,        /* the source attached, the other builtin */
    BENCH_ONLY_DESTINATION,
    BENCH_RAW,                /* the same bytes through a socket, no QEMU */
    BENCH_BARE,               /* and without the device's own work */
    BENCH_NUM_SIDES,
} BenchSide;

extern const char *const bench_side_names[BENCH_NUM_SIDES];

/* Sets of them */
#define BENCH_BOTH  (1u << BENCH_OURS | 1u << BENCH_BUILTIN)
#define BENCH_FLOOR (1u << BENCH_RAW | 1u << BENCH_BARE)
#define BENCH_HALF  (1u << BENCH_ONLY_SOURCE | 1u << BENCH_ONLY_DESTINATION)

/* What is done in a row, and what its value is */
typedef enum BenchKind {
    BENCH_MOVE,               /* ms that the VM stands still */
    BENCH_ANSWERS,            /* ms of the longest answer then */
    BENCH_CANCEL,             /* ms till a cancel is answered then */
    BENCH_LIMIT,              /* MiB/s of a limited pre-copy */
} BenchKind;

typedef enum BenchMetric {
    BENCH_VALUE,              /* by the row's kind */
    BENCH_CPU,                /* ms of processor, both sides */
    BENCH_CPU_SOURCE,
    BENCH_CPU_DESTINATION,
    BENCH_PEAK_SOURCE,        /* KiB of memory */
    BENCH_PEAK_DESTINATION,
    BENCH_CALLS,              /* system calls a MiB, both sides */
    BENCH_EXPECTED,           /* ms that the VM was expected to stand still */
    BENCH_NUM_METRICS,
} BenchMetric;

typedef enum BenchAgainst {
    BENCH_AGAINST_BUILTIN,    /* of the same repetition */
    BENCH_AGAINST_RAW,        /* likewise */
    BENCH_AGAINST_IDEAL,      /* the row's; raw where that is more */
    BENCH_AGAINST_CASE,       /* attached in another row, likewise */
    BENCH_AGAINST_NUMBER,     /* the value itself */
    BENCH_AGAINST_EXPECTED,   /* how far it is from that, of what it may be:
                                 20 % of the value, or 30 ms */
    BENCH_AGAINST_LIMIT,      /* the row's */
} BenchAgainst;

typedef struct BenchGoal {
    BenchAgainst against;
    double most;              /* quotient; 0 ends a row's list */
    double least;             /* likewise; 0: none */
    BenchMetric metric;
    BenchSide side;           /* whose */
    const char *other;        /* row, for BENCH_AGAINST_CASE */
    bool or_next;             /* this one or the next is enough */
    double share;             /* not the median: so many of all; 0 to 1 */
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
    int limit_ms;             /* downtime-limit; what is expected is read */
    uint64_t save_rate_bytes, load_rate_bytes;      /* a second */
    unsigned change_ms, first_load_ms;
    uint64_t precopy_bytes;
    int64_t bandwidth_bytes;
    double ideal_ms;
    bool quick;               /* 'make bench' has it, too */
    BenchGoal goals[BENCH_MAX_GOALS];
} BenchCase;

/** bench_cases: the rows, to be freed with g_free(). */
BenchCase *bench_cases(bool smoke, unsigned *count);

/** bench_total_bytes: what all devices of a row have. */
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
    /* double, as they came; empty: not measured */
    GArray *values[BENCH_NUM_SIDES][BENCH_NUM_METRICS];
} BenchResult;

/** bench_result_new: nothing measured yet. */
BenchResult *bench_result_new(const BenchCase *spec);
void bench_result_free(BenchResult *result);

/** bench_stats: of an array of double; all 0 for an empty one. */
BenchStats bench_stats(const GArray *samples);

/**
 * bench_ratios: quotients of neighbours, one a repetition.
 * Returns an array of double, to be freed with g_array_unref().
 */
GArray *bench_ratios(const GArray *above, const GArray *below);

/**
 * bench_rank_test: are those of @a smaller or larger than those of @b by
 * chance? Mann and Whitney's test, two-sided, normal approximation with a
 * correction for ties.
 *
 * Returns the probability of a difference as large as this one if they were
 * of one kind; 1 where there are fewer than four of either.
 */
double bench_rank_test(const GArray *a, const GArray *b);

/** What the report says of the run as a whole. */
typedef struct BenchRun {
    BenchCase *cases;
    GPtrArray *results;       /* BenchResult */
    unsigned repetitions;
    gboolean smoke;           /* tiny sizes: the numbers mean nothing */
    gboolean full;            /* rows that take long, too */
    const char *build;
    char *qemu;               /* its version */
} BenchRun;

/**
 * bench_goal: what a goal's quotient is.
 * @run: for the other row
 * Returns an array of double, one a repetition; empty where it could not be
 * measured; to be freed with g_array_unref().
 */
GArray *bench_goal(const BenchRun *run, const BenchResult *result,
                   const BenchGoal *goal);

/** bench_goal_met: whether the median of those, or so many of them as the
 * goal says, are within it. */
bool bench_goal_met(const BenchGoal *goal, const GArray *ratios);

/** bench_goal_text: "time/builtin <= 1.10"; to be freed. */
char *bench_goal_text(const BenchGoal *goal);

/**
 * bench_goals_met: are all goals of a row met? Those that hold for each row,
 * too: not slower than builtin beyond what chance may be, and no more memory
 * than it is allowed.
 * @missed: what is not, a line each, to be freed
 */
bool bench_goals_met(const BenchRun *run, const BenchResult *result,
                     char **missed);

/* One measurement: NaN where there is nothing to measure */
typedef struct BenchSample {
    double value[BENCH_NUM_METRICS];
} BenchSample;

/** bench_raw: move a row's bytes without QEMU: time and processor time. */
bool bench_raw(const BenchCase *spec, bool bare, BenchSample *sample,
               GError **error);

/** bench_pair: the same with two QEMUs. */
bool bench_pair(BenchRun *run, const BenchCase *spec, BenchSide side,
                BenchSample *sample, GError **error);

/** bench_json: the whole report; schema in docs/bench.md; to be freed. */
char *bench_json(const BenchRun *run);

void bench_print_table(const BenchRun *run);

#endif /* TESTS_BENCH_BENCH_H */
