/*
 * vfio-bench: the JSON report and the table
 *
 * Owns: what is made of the samples. The schema is described in
 * docs/bench.md. No locks.
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

static void json_add_string(JsonBuilder *json, const char *name,
                            const char *value)
{
    json_builder_set_member_name(json, name);
    json_builder_add_string_value(json, value);
}

static void json_add_int(JsonBuilder *json, const char *name, int64_t value)
{
    json_builder_set_member_name(json, name);
    json_builder_add_int_value(json, value);
}

static void json_add_double(JsonBuilder *json, const char *name, double value)
{
    json_builder_set_member_name(json, name);
    json_builder_add_double_value(json, value);
}

static void json_add_stats(JsonBuilder *json, const char *name,
                           const GArray *samples)
{
    BenchStats stats = bench_stats(samples);

    json_builder_set_member_name(json, name);
    json_builder_begin_object(json);
    json_add_int(json, "n", stats.n);
    json_add_double(json, "mean", stats.mean);
    json_add_double(json, "sd", stats.sd);
    json_add_double(json, "min", stats.min);
    json_add_double(json, "p50", stats.p50);
    json_add_double(json, "max", stats.max);
    json_builder_set_member_name(json, "samples");
    json_builder_begin_array(json);
    for (unsigned i = 0; i < samples->len; i++) {
        json_builder_add_double_value(json,
                                      g_array_index(samples, double, i));
    }
    json_builder_end_array(json);
    json_builder_end_object(json);
}

static void json_add_metric(JsonBuilder *json, const BenchResult *result,
                            BenchMetric metric)
{
    json_builder_set_member_name(json, metric_name(result->spec, metric));
    json_builder_begin_object(json);
    for (int side = 0; side < BENCH_NUM_SIDES; side++) {
        if (result->values[side][metric]->len) {
            json_add_stats(json, bench_side_names[side],
                           result->values[side][metric]);
        }
    }
    json_builder_end_object(json);
}

static void json_add_goals(JsonBuilder *json, const BenchRun *run,
                           const BenchResult *result)
{
    const BenchGoal *goals = result->spec->goals;

    json_builder_set_member_name(json, "goals");
    json_builder_begin_array(json);
    for (unsigned i = 0; i < BENCH_MAX_GOALS && goals[i].most; i++) {
        g_autofree char *text = bench_goal_text(&goals[i]);
        g_autoptr(GArray) ratios = bench_goal(run, result, &goals[i]);

        if (ratios->len) {
            json_builder_begin_object(json);
            json_add_string(json, "goal", text);
            json_add_stats(json, "quotient", ratios);
            json_builder_set_member_name(json, "met");
            json_builder_add_boolean_value(json,
                                           bench_goal_met(&goals[i], ratios));
            json_builder_set_member_name(json, "or_next");
            json_builder_add_boolean_value(json, goals[i].or_next);
            json_builder_end_object(json);
        }
    }
    json_builder_end_array(json);
}

static void json_add_case(JsonBuilder *json, const BenchRun *run,
                          const BenchResult *result)
{
    const BenchCase *spec = result->spec;
    g_autoptr(GArray) ratios = ours_to_builtin(result);
    g_autofree char *missed = NULL;

    json_builder_begin_object(json);
    json_add_string(json, "name", spec->name);
    json_add_string(json, "layout", spec->layout);
    json_add_int(json, "bytes", bench_total_bytes(spec));
    json_add_int(json, "devices", MAX(spec->devices, 1));
    json_add_double(json, "ideal_ms", spec->ideal_ms);
    for (int metric = 0; metric < BENCH_NUM_METRICS; metric++) {
        json_add_metric(json, result, metric);
    }
    json_add_stats(json, "ratio", ratios);
    json_add_double(json, "rank_test_p", bench_rank_test(
                    result->values[BENCH_OURS][BENCH_VALUE],
                    result->values[BENCH_BUILTIN][BENCH_VALUE]));
    if (!run->smoke) {
        json_add_goals(json, run, result);
        bench_goals_met(run, result, &missed);
        json_add_string(json, "missed", missed);
    }
    json_builder_end_object(json);
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

static void json_add_host(JsonBuilder *json)
{
    g_autofree char *processor = bench_processor();
    struct utsname system = { 0 };

    uname(&system);
    json_builder_set_member_name(json, "host");
    json_builder_begin_object(json);
    json_add_string(json, "processor", processor);
    json_add_int(json, "processors", sysconf(_SC_NPROCESSORS_ONLN));
    json_add_string(json, "system", system.sysname);
    json_add_string(json, "kernel", system.release);
    json_add_string(json, "machine", system.machine);
    json_builder_end_object(json);
}

char *bench_json(const BenchRun *run)
{
    g_autoptr(JsonBuilder) json = json_builder_new();
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *time = g_date_time_format_iso8601(now);
    g_autoptr(JsonNode) root = NULL;
    const char *commit = g_getenv("VFIO_BENCH_COMMIT");

    json_builder_begin_object(json);
    json_add_int(json, "schema", BENCH_SCHEMA);
    json_add_string(json, "commit", commit && *commit ? commit : "unknown");
    json_add_string(json, "time", time);
    json_add_string(json, "qemu", run->qemu ? run->qemu : "unknown");
    json_add_host(json);
    json_add_int(json, "repetitions", run->repetitions);
    json_builder_set_member_name(json, "smoke");
    json_builder_add_boolean_value(json, run->smoke);
    json_builder_set_member_name(json, "cases");
    json_builder_begin_array(json);
    for (unsigned i = 0; i < run->results->len; i++) {
        json_add_case(json, run, g_ptr_array_index(run->results, i));
    }
    json_builder_end_array(json);
    json_builder_end_object(json);
    root = json_builder_get_root(json);
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
