/*
 * vfio-bench: statistics, the JSON report and the table
 *
 * Owns: what is made of the samples. The schema is described in
 * docs/bench.md. No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <math.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <json-glib/json-glib.h>

#include "bench.h"
#include "screen.h"

#define BENCH_SCHEMA 1

const char *const bench_side_names[BENCH_NUM_SIDES] = {
    [BENCH_OURS] = "attached",
    [BENCH_BUILTIN] = "builtin",
    [BENCH_RAW] = "raw",
};

/* --- statistics --------------------------------------------------------- */

static int bench_compare(const void *a, const void *b)
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
    g_array_sort(sorted, bench_compare);
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

GArray *bench_ratios(const BenchResult *result)
{
    GArray *ratios = g_array_new(false, false, sizeof(double));
    const GArray *ours = result->ms[BENCH_OURS];
    const GArray *builtin = result->ms[BENCH_BUILTIN];

    for (unsigned i = 0; i < MIN(ours->len, builtin->len); i++) {
        double ratio = g_array_index(ours, double, i) /
                       g_array_index(builtin, double, i);

        g_array_append_val(ratios, ratio);
    }
    return ratios;
}

bool bench_limit_met(const BenchResult *result)
{
    g_autoptr(GArray) ratios = bench_ratios(result);

    return result->spec->limit == 0 ||
           (ratios->len && bench_stats(ratios).p50 <= result->spec->limit);
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

static void json_add_case(JsonBuilder *json, const BenchRun *run,
                          const BenchResult *result)
{
    g_autoptr(GArray) ratios = bench_ratios(result);

    json_builder_begin_object(json);
    json_add_string(json, "name", result->spec->name);
    json_add_string(json, "layout", result->spec->layout);
    json_add_int(json, "bytes", result->spec->bytes);
    json_builder_set_member_name(json, "time_ms");
    json_builder_begin_object(json);
    for (int side = 0; side < BENCH_NUM_SIDES; side++) {
        json_add_stats(json, bench_side_names[side], result->ms[side]);
    }
    json_builder_end_object(json);
    json_add_stats(json, "ratio", ratios);
    if (result->spec->limit && !run->smoke) {
        json_add_double(json, "ratio_limit", result->spec->limit);
        json_builder_set_member_name(json, "ratio_limit_met");
        json_builder_add_boolean_value(json, bench_limit_met(result));
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

static void bench_print_side(const BenchResult *result, int side)
{
    BenchStats stats = bench_stats(result->ms[side]);
    g_autofree char *rate = screen_rate(result->spec->bytes,
                                        stats.p50 * 1000);

    if (stats.n) {
        screen_print("  %-22s %-9s %3u %9.1f %8.1f %9.1f %9.1f %9.1f %12s",
                     side ? "" : result->spec->name, bench_side_names[side],
                     stats.n, stats.mean, stats.sd, stats.min, stats.p50,
                     stats.max, rate);
    }
}

static void bench_print_ratio(const BenchRun *run, const BenchResult *result)
{
    g_autoptr(GArray) ratios = bench_ratios(result);
    BenchStats stats = bench_stats(ratios);
    bool met = bench_limit_met(result);
    g_autofree char *word = screen_style(met ? SCREEN_GOOD : SCREEN_BAD, 0,
                                         met ? "met" : "NOT met");

    if (!stats.n) {
        return;
    }
    if (result->spec->limit && !run->smoke) {
        screen_print("  %-22s attached/builtin: median %.4f, %.4f to %.4f;"
                     " limit %.2f: %s\n", "", stats.p50, stats.min,
                     stats.max, result->spec->limit, word);
    } else {
        screen_print("  %-22s attached/builtin: median %.4f, %.4f to %.4f\n",
                     "", stats.p50, stats.min, stats.max);
    }
}

void bench_print_table(const BenchRun *run)
{
    screen_heading("Time that the VM stands still for its device, in ms");
    screen_print("  %-22s %-9s %3s %9s %8s %9s %9s %9s %12s", "case", "code",
                 "n", "mean", "sd", "min", "median", "max", "rate");
    for (unsigned i = 0; i < run->results->len; i++) {
        BenchResult *result = g_ptr_array_index(run->results, i);

        for (int side = 0; side < BENCH_NUM_SIDES; side++) {
            bench_print_side(result, side);
        }
        bench_print_ratio(run, result);
    }
    if (run->smoke) {
        screen_print("  --smoke: sizes are tiny, the numbers mean nothing.");
    }
}
