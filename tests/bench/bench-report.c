/*
 * vfio-bench: the JSON report and the table
 *
 * Owns: the output for the samples. The schema is described in docs/bench.md.
 * No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <json-glib/json-glib.h>

#include "bench.h"
#include "screen.h"

#define BENCH_SCHEMA 1

/* Members of a case that hold one metric of all sides */
static const char *const metric_names[BENCH_NUM_METRICS] = {
    [BENCH_CPU] = "cpu_ms",
    [BENCH_CPU_SOURCE] = "cpu_source_ms",
    [BENCH_CPU_DESTINATION] = "cpu_destination_ms",
    [BENCH_PEAK_SOURCE] = "peak_source_kib",
    [BENCH_PEAK_DESTINATION] = "peak_destination_kib",
    [BENCH_CALLS] = "calls_per_mib",
    [BENCH_EXPECTED] = "expected_ms",
};

static const char *metric_name(const BenchCase *spec, BenchMetric metric)
{
    return metric != BENCH_VALUE ? metric_names[metric] :
           spec->kind == BENCH_LIMIT ? "rate_mib_s" : "time_ms";
}

static GArray *ours_to_builtin(const BenchResult *result)
{
    return bench_ratios(result->values[BENCH_OURS][BENCH_VALUE],
                        result->values[BENCH_BUILTIN][BENCH_VALUE]);
}

/* --- JSON --------------------------------------------------------------- */

static JsonObject *json_of_stats(const GArray *samples)
{
    BenchStats stats = bench_stats(samples);
    JsonObject *object = json_object_new();
    JsonArray *values = json_array_new();

    json_object_set_int_member(object, "n", stats.n);
    json_object_set_double_member(object, "mean", stats.mean);
    json_object_set_double_member(object, "sd", stats.sd);
    json_object_set_double_member(object, "min", stats.min);
    json_object_set_double_member(object, "p50", stats.p50);
    json_object_set_double_member(object, "max", stats.max);
    json_object_set_array_member(object, "samples", values);
    for (unsigned i = 0; i < samples->len; i++) {
        json_array_add_double_element(values,
                                      g_array_index(samples, double, i));
    }
    return object;
}

static JsonObject *json_of_metric(const BenchResult *result,
                                  BenchMetric metric)
{
    JsonObject *object = json_object_new();

    for (int side = 0; side < BENCH_NUM_SIDES; side++) {
        const GArray *samples = result->values[side][metric];

        if (samples->len) {
            json_object_set_object_member(object, bench_side_names[side],
                                          json_of_stats(samples));
        }
    }
    return object;
}

static JsonArray *json_of_goals(const BenchRun *run, const BenchResult *result)
{
    const BenchGoal *goals = result->spec->goals;
    JsonArray *array = json_array_new();

    for (unsigned i = 0; i < BENCH_MAX_GOALS && goals[i].most; i++) {
        g_autofree char *text = bench_goal_text(&goals[i]);
        g_autoptr(GArray) ratios = bench_goal(run, result, &goals[i]);
        JsonObject *goal;

        if (ratios->len) {
            goal = json_object_new();
            json_object_set_string_member(goal, "goal", text);
            json_object_set_object_member(goal, "quotient",
                                          json_of_stats(ratios));
            json_object_set_boolean_member(goal, "met",
                                           bench_goal_met(&goals[i], ratios));
            json_object_set_boolean_member(goal, "or_next", goals[i].or_next);
            json_array_add_object_element(array, goal);
        }
    }
    return array;
}

static JsonObject *json_of_case(const BenchRun *run, const BenchResult *result)
{
    const BenchCase *spec = result->spec;
    JsonObject *object = json_object_new();
    g_autoptr(GArray) ratios = ours_to_builtin(result);
    g_autofree char *missed = NULL;

    json_object_set_string_member(object, "name", spec->name);
    json_object_set_string_member(object, "layout", spec->layout);
    json_object_set_int_member(object, "bytes", bench_total_bytes(spec));
    json_object_set_int_member(object, "devices", MAX(spec->devices, 1));
    json_object_set_double_member(object, "ideal_ms", spec->ideal_ms);
    for (int metric = 0; metric < BENCH_NUM_METRICS; metric++) {
        json_object_set_object_member(object, metric_name(spec, metric),
                                      json_of_metric(result, metric));
    }
    json_object_set_object_member(object, "ratio", json_of_stats(ratios));
    json_object_set_double_member(object, "rank_test_p", bench_rank_test(
                                  result->values[BENCH_OURS][BENCH_VALUE],
                                  result->values[BENCH_BUILTIN][BENCH_VALUE]));
    if (!run->smoke) {
        json_object_set_array_member(object, "goals",
                                     json_of_goals(run, result));
        bench_goals_met(run, result, &missed);
        json_object_set_string_member(object, "missed", missed);
    }
    return object;
}

static char *bench_processor(void)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    g_file_get_contents("/proc/cpuinfo", &text, NULL, NULL);
    lines = g_strsplit(text ? text : "", "\n", -1);
    for (int i = 0; lines[i]; i++) {
        const char *colon = strchr(lines[i], ':');

        if (g_str_has_prefix(lines[i], "model name") && colon) {
            return g_strstrip(g_strdup(colon + 1));
        }
    }
    return g_strdup("unknown");
}

static JsonObject *json_of_host(void)
{
    g_autofree char *processor = bench_processor();
    JsonObject *object = json_object_new();
    struct utsname system = { 0 };

    uname(&system);
    json_object_set_string_member(object, "processor", processor);
    json_object_set_int_member(object, "processors",
                               sysconf(_SC_NPROCESSORS_ONLN));
    json_object_set_string_member(object, "system", system.sysname);
    json_object_set_string_member(object, "kernel", system.release);
    json_object_set_string_member(object, "machine", system.machine);
    return object;
}

char *bench_json(const BenchRun *run)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *time = g_date_time_format_iso8601(now);
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
    JsonObject *object = json_object_new();
    JsonArray *cases = json_array_new();
    const char *commit = g_getenv("VFIO_BENCH_COMMIT");

    json_node_take_object(root, object);
    json_object_set_int_member(object, "schema", BENCH_SCHEMA);
    json_object_set_string_member(object, "commit",
                                  commit && *commit ? commit : "unknown");
    json_object_set_string_member(object, "time", time);
    json_object_set_string_member(object, "qemu",
                                  run->qemu ? run->qemu : "unknown");
    json_object_set_object_member(object, "host", json_of_host());
    json_object_set_int_member(object, "repetitions", run->repetitions);
    json_object_set_boolean_member(object, "smoke", run->smoke);
    json_object_set_array_member(object, "cases", cases);
    for (unsigned i = 0; i < run->results->len; i++) {
        json_array_add_object_element(cases, json_of_case(
            run, g_ptr_array_index(run->results, i)));
    }
    return json_to_string(root, true);
}

/* --- table -------------------------------------------------------------- */

static void print_side(const BenchResult *result, int side)
{
    GArray *const *values = result->values[side];
    BenchStats stats = bench_stats(values[BENCH_VALUE]);

    if (!stats.n) {
        return;
    }
    screen_print("  %-11s %3u %9.1f %9.1f %9.1f %8.0f %8.0f %7.0f %7.0f %7.1f",
                 bench_side_names[side], stats.n, stats.p50, stats.min,
                 stats.max, bench_stats(values[BENCH_CPU_SOURCE]).p50,
                 bench_stats(values[BENCH_CPU_DESTINATION]).p50,
                 bench_stats(values[BENCH_PEAK_SOURCE]).p50 / 1024,
                 bench_stats(values[BENCH_PEAK_DESTINATION]).p50 / 1024,
                 bench_stats(values[BENCH_CALLS]).p50);
}

static void print_expected(const BenchResult *result)
{
    BenchStats stats = bench_stats(
        result->values[BENCH_OURS][BENCH_EXPECTED]);

    if (stats.n) {
        screen_print("  %-11s %3u %9.1f %9.1f %9.1f", "expected", stats.n,
                     stats.p50, stats.min, stats.max);
    }
}

static void print_goals(const BenchRun *run, const BenchResult *result)
{
    const BenchGoal *goals = result->spec->goals;
    g_autoptr(GArray) ratios = ours_to_builtin(result);
    BenchStats stats = bench_stats(ratios);

    if (stats.n) {
        screen_print("  attached/builtin: %.3f, %.3f to %.3f, p = %.4f",
                     stats.p50, stats.min, stats.max, bench_rank_test(
                     result->values[BENCH_OURS][BENCH_VALUE],
                     result->values[BENCH_BUILTIN][BENCH_VALUE]));
    }
    for (unsigned i = 0; !run->smoke && i < BENCH_MAX_GOALS && goals[i].most;
         i++) {
        g_autofree char *text = bench_goal_text(&goals[i]);
        g_autoptr(GArray) quotients = bench_goal(run, result, &goals[i]);
        bool met = bench_goal_met(&goals[i], quotients);
        g_autofree char *word = screen_style(met ? SCREEN_GOOD : SCREEN_BAD,
                                             0, met ? "met" : "NOT met");

        stats = bench_stats(quotients);
        if (stats.n) {
            screen_print("  %s: %.3f, %.3f to %.3f: %s%s", text, stats.p50,
                         stats.min, stats.max, word,
                         goals[i].or_next ? ", or" : "");
        }
    }
}

void bench_print_table(const BenchRun *run)
{
    screen_heading("Time that the VM stands still for its devices, in ms");
    screen_print("  %-11s %3s %9s %9s %9s %17s %15s %7s", "", "n", "median",
                 "min", "max", "CPU ms: src, dst", "MiB: src, dst", "calls");
    for (unsigned i = 0; i < run->results->len; i++) {
        BenchResult *result = g_ptr_array_index(run->results, i);
        g_autofree char *name = screen_style(SCREEN_BOLD, 0,
                                             result->spec->name);

        screen_print("\n  %s%s", name, result->spec->kind == BENCH_LIMIT
                     ? " (MiB/s)" : "");
        for (int side = 0; side < BENCH_NUM_SIDES; side++) {
            print_side(result, side);
        }
        print_expected(result);
        print_goals(run, result);
    }
    if (run->smoke) {
        screen_print("  --smoke: sizes are tiny, the numbers mean nothing.");
    }
}
