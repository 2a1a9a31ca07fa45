/*
 * vfio-bench: statistics, and whether a goal is met
 *
 * Owns: the numbers computed from the samples. No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <math.h>
#include <string.h>

#include "bench.h"

/* With fewer values the normal approximation is not valid. */
#define RANK_LEAST      4
/* A difference with a lower probability is considered significant. */
#define RANK_CHANCE     0.05
/* Memory allowed in addition to builtin: queues, stacks, the library */
#define MEMORY_KIB          (32 * 1024)
#define MEMORY_DEVICE_KIB   (16 * 1024)
/* Tolerance of the expected downtime: the larger one of these */
#define EXPECTED_SHARE      0.2
#define EXPECTED_MS         30.0

const char *const bench_side_names[BENCH_NUM_SIDES] = {
    [BENCH_OURS] = "attached",
    [BENCH_BUILTIN] = "builtin",
    [BENCH_ONLY_SOURCE] = "source",
    [BENCH_ONLY_DESTINATION] = "destination",
    [BENCH_RAW] = "raw",
    [BENCH_BARE] = "bare",
};

BenchResult *bench_result_new(const BenchCase *spec)
{
    BenchResult *result = g_new0(BenchResult, 1);

    result->spec = spec;
    for (int side = 0; side < BENCH_NUM_SIDES; side++) {
        for (int metric = 0; metric < BENCH_NUM_METRICS; metric++) {
            result->values[side][metric] = g_array_new(false, false,
                                                       sizeof(double));
        }
    }
    return result;
}

void bench_result_free(BenchResult *result)
{
    for (int side = 0; side < BENCH_NUM_SIDES; side++) {
        for (int metric = 0; metric < BENCH_NUM_METRICS; metric++) {
            g_array_unref(result->values[side][metric]);
        }
    }
    g_free(result);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

BenchStats bench_stats(const GArray *samples)
{
    BenchStats stats = { .n = samples->len };
    g_autoptr(GArray) sorted = NULL;
    const double *value;
    double squares = 0;

    if (!stats.n) {
        return stats;
    }
    sorted = g_array_copy((GArray *)samples);
    g_array_sort(sorted, compare);
    value = (const double *)sorted->data;
    for (unsigned i = 0; i < stats.n; i++) {
        stats.mean += value[i] / stats.n;
    }
    for (unsigned i = 0; i < stats.n; i++) {
        squares += (value[i] - stats.mean) * (value[i] - stats.mean);
    }
    stats.sd = stats.n > 1 ? sqrt(squares / (stats.n - 1)) : 0;
    stats.min = value[0];
    stats.max = value[stats.n - 1];
    stats.p50 = (value[(stats.n - 1) / 2] + value[stats.n / 2]) / 2;
    return stats;
}

GArray *bench_ratios(const GArray *above, const GArray *below)
{
    GArray *ratios = g_array_new(false, false, sizeof(double));

    for (unsigned i = 0; i < MIN(above->len, below->len); i++) {
        double ratio = g_array_index(above, double, i) /
                       g_array_index(below, double, i);

        g_array_append_val(ratios, ratio);
    }
    return ratios;
}

double bench_rank_test(const GArray *a, const GArray *b)
{
    double above = 0, ties = 0, n = a->len + b->len, mean, sd;
    g_autoptr(GArray) all = g_array_copy((GArray *)a);

    if (a->len < RANK_LEAST || b->len < RANK_LEAST) {
        return 1;
    }
    for (unsigned i = 0; i < a->len; i++) {
        for (unsigned k = 0; k < b->len; k++) {
            above += (compare(&g_array_index(a, double, i),
                              &g_array_index(b, double, k)) + 1) / 2.0;
        }
    }
    g_array_append_vals(all, b->data, b->len);
    g_array_sort(all, compare);
    for (unsigned i = 0, run; i < all->len; i += run) {
        for (run = 1; i + run < all->len &&
             g_array_index(all, double, i + run) ==
             g_array_index(all, double, i); run++) {
            continue;
        }
        ties += (double)run * run * run - run;
    }
    mean = a->len * b->len / 2.0;
    sd = sqrt(mean / 6 * (n + 1 - ties / (n * (n - 1))));
    return sd == 0 ? 1 : erfc(fmax(fabs(above - mean) - 0.5, 0) / sd /
                              sqrt(2));
}

/* --- goals -------------------------------------------------------------- */

static const BenchResult *other_row(const BenchRun *run, const char *name)
{
    for (unsigned i = 0; i < run->results->len; i++) {
        const BenchResult *result = g_ptr_array_index(run->results, i);

        if (!strcmp(result->spec->name, name)) {
            return result;
        }
    }
    return NULL;
}

/* @n times @value, or the value of @raw if that is larger */
static GArray *constant(unsigned n, double value, const GArray *raw)
{
    GArray *values = g_array_new(false, false, sizeof(double));

    for (unsigned i = 0; i < n; i++) {
        double one = raw && i < raw->len
            ? fmax(value, g_array_index(raw, double, i)) : value;

        g_array_append_val(values, one);
    }
    return values;
}

static GArray *reference(const BenchRun *run, const BenchResult *result,
                         const BenchGoal *goal, unsigned n)
{
    const BenchResult *other;

    switch (goal->against) {
    case BENCH_AGAINST_BUILTIN:
        return g_array_copy(result->values[BENCH_BUILTIN][goal->metric]);
    case BENCH_AGAINST_RAW:
        return g_array_copy(result->values[BENCH_RAW][goal->metric]);
    case BENCH_AGAINST_IDEAL:
        return constant(n, result->spec->ideal_ms,
                        result->values[BENCH_RAW][BENCH_VALUE]);
    case BENCH_AGAINST_CASE:
        other = other_row(run, goal->other);
        return other ? g_array_copy(other->values[goal->side][goal->metric])
                     : constant(0, 0, NULL);
    case BENCH_AGAINST_LIMIT:
        return constant(n, result->spec->limit_ms, NULL);
    case BENCH_AGAINST_EXPECTED:
    case BENCH_AGAINST_NUMBER:
        break;
    }
    return constant(n, 1, NULL);
}

/* The error of each expected value, relative to the tolerance */
static GArray *distances(const GArray *real, const GArray *expected)
{
    GArray *all = g_array_new(false, false, sizeof(double));

    for (unsigned i = 0; i < MIN(real->len, expected->len); i++) {
        double was = g_array_index(real, double, i);
        double off = fabs(g_array_index(expected, double, i) - was) /
                     fmax(was * EXPECTED_SHARE, EXPECTED_MS);

        g_array_append_val(all, off);
    }
    return all;
}

GArray *bench_goal(const BenchRun *run, const BenchResult *result,
                   const BenchGoal *goal)
{
    const GArray *values = result->values[goal->side][goal->metric];
    g_autoptr(GArray) below = reference(run, result, goal, values->len);

    if (goal->against == BENCH_AGAINST_EXPECTED) {
        return distances(values, result->values[goal->side][BENCH_EXPECTED]);
    }
    return bench_ratios(values, below);
}

bool bench_goal_met(const BenchGoal *goal, const GArray *ratios)
{
    double p50 = bench_stats(ratios).p50;
    unsigned within = 0;

    if (!goal->share) {
        return !ratios->len || (p50 <= goal->most && p50 >= goal->least);
    }
    for (unsigned i = 0; i < ratios->len; i++) {
        double ratio = g_array_index(ratios, double, i);

        within += ratio <= goal->most && ratio >= goal->least;
    }
    return within + 0.5 >= goal->share * ratios->len;     /* 9 of 10 */
}

char *bench_goal_text(const BenchGoal *goal)
{
    static const char *const against[] = {
        "/builtin", "/raw", "/ideal", "/", "", " off expected", "/limit"
    };
    g_autofree char *least = goal->least
        ? g_strdup_printf(" >= %.4g,", goal->least) : g_strdup("");

    g_autofree char *share = goal->share
        ? g_strdup_printf(" in %.0f %%", 100 * goal->share) : g_strdup("");

    return g_strdup_printf("%s%s%s%s%s <= %.4g%s", bench_side_names[goal->side],
                           goal->metric == BENCH_CPU ? " CPU" : "",
                           against[goal->against],
                           goal->other ? goal->other : "", least, goal->most,
                           share);
}

static void miss(GString *missed, const char *name, const BenchGoal *goal,
                 const GArray *ratios)
{
    g_autofree char *text = bench_goal_text(goal);

    g_string_append_printf(missed, "%s: %s: %.4g\n", name, text,
                           bench_stats(ratios).p50);
}

static void check_builtin(const BenchResult *result, GString *missed)
{
    const GArray *ours = result->values[BENCH_OURS][BENCH_VALUE];
    const GArray *builtin = result->values[BENCH_BUILTIN][BENCH_VALUE];
    g_autoptr(GArray) ratios = bench_ratios(ours, builtin);
    double p = bench_rank_test(ours, builtin);

    if (result->spec->kind == BENCH_MOVE && ratios->len &&
        bench_stats(ratios).p50 > 1 && p < RANK_CHANCE) {
        g_string_append_printf(missed, "%s: slower than builtin: %.3f times, "
                               "p = %.3f\n", result->spec->name,
                               bench_stats(ratios).p50, p);
    }
}

static void check_memory(const BenchResult *result, BenchMetric metric,
                         GString *missed)
{
    const GArray *ours = result->values[BENCH_OURS][metric];
    const GArray *builtin = result->values[BENCH_BUILTIN][metric];
    double above_kib = bench_stats(ours).p50 - bench_stats(builtin).p50;
    double most_kib = MEMORY_KIB + MEMORY_DEVICE_KIB *
                      MAX(result->spec->devices, 1);

    if (ours->len && builtin->len && above_kib > most_kib) {
        g_string_append_printf(missed, "%s: memory: %.0f MiB above builtin, "
                               "%.0f may be\n", result->spec->name,
                               above_kib / 1024, most_kib / 1024);
    }
}

bool bench_goals_met(const BenchRun *run, const BenchResult *result,
                     char **missed)
{
    g_autoptr(GString) text = g_string_new("");
    const BenchGoal *goals = result->spec->goals;

    for (unsigned i = 0; i < BENCH_MAX_GOALS && goals[i].most; i++) {
        g_autoptr(GArray) ratios = bench_goal(run, result, &goals[i]);
        bool met = bench_goal_met(&goals[i], ratios);

        if (goals[i].or_next) {
            g_autoptr(GArray) next = bench_goal(run, result, &goals[++i]);

            met |= bench_goal_met(&goals[i], next);
        }
        if (!met) {
            miss(text, result->spec->name, &goals[i], ratios);
        }
    }
    check_builtin(result, text);
    check_memory(result, BENCH_PEAK_SOURCE, text);
    check_memory(result, BENCH_PEAK_DESTINATION, text);
    *missed = g_string_free(g_steal_pointer(&text), false);
    return !**missed;
}
