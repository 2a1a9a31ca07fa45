/*
 * Test: the benchmark runs, and its report is as described in docs/bench.md
 *
 * No assertion depends on time: it must not fail on a busy machine.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdbool.h>
#include <string.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>

#include "../tools/run.h"
#include "bench.h"

static void check_stats(JsonObject *stats, unsigned n)
{
    JsonArray *samples = json_object_get_array_member(stats, "samples");

    g_assert_cmpint(json_object_get_int_member(stats, "n"), ==, n);
    g_assert_cmpuint(json_array_get_length(samples), ==, n);
    g_assert_cmpfloat(json_object_get_double_member(stats, "min"), >, 0);
    g_assert_cmpfloat(json_object_get_double_member(stats, "min"), <=,
                      json_object_get_double_member(stats, "p50"));
    g_assert_cmpfloat(json_object_get_double_member(stats, "p50"), <=,
                      json_object_get_double_member(stats, "max"));
    g_assert_true(json_object_has_member(stats, "mean"));
    g_assert_true(json_object_has_member(stats, "sd"));
}

static JsonObject *stats_of(JsonObject *one, const char *metric, int side)
{
    JsonObject *values = json_object_get_object_member(one, metric);

    return json_object_has_member(values, bench_side_names[side])
        ? json_object_get_object_member(values, bench_side_names[side])
        : NULL;
}

/* Check the metrics of a pair; raw has only times. */
static void check_side(JsonObject *one, const BenchCase *spec, int side)
{
    static const char *const of_pairs[] = {
        "cpu_ms", "cpu_source_ms", "cpu_destination_ms", "peak_source_kib",
        "peak_destination_kib", "calls_per_mib",
    };
    bool pair = side != BENCH_RAW && side != BENCH_BARE &&
                spec->kind == BENCH_MOVE;
    JsonObject *stats = stats_of(one, spec->kind == BENCH_LIMIT
                                 ? "rate_mib_s" : "time_ms", side);

    if (!(spec->sides & 1u << side)) {
        g_assert_null(stats);
        return;
    }
    g_assert_nonnull(stats);
    check_stats(stats, 1);
    for (unsigned i = 0; i < G_N_ELEMENTS(of_pairs); i++) {
        bool timed = g_str_has_prefix(of_pairs[i], "cpu_") &&
                     (side == BENCH_RAW || side == BENCH_BARE);

        stats = stats_of(one, of_pairs[i], side);
        g_assert_cmpint(stats != NULL, ==, pair || timed);
        if (pair) {
            check_stats(stats, 1);
        }
    }
}

static void check_case(JsonObject *one, const BenchCase *spec)
{
    bool ratio = (spec->sides & BENCH_BOTH) == BENCH_BOTH;

    g_assert_cmpstr(json_object_get_string_member(one, "name"), ==,
                    spec->name);
    g_assert_cmpint(json_object_get_int_member(one, "bytes"), ==,
                    bench_total_bytes(spec));
    for (int side = 0; side < BENCH_NUM_SIDES; side++) {
        check_side(one, spec, side);
    }
    if (ratio) {
        check_stats(json_object_get_object_member(one, "ratio"), 1);
    }
    /* Goals are not checked with tiny sizes. */
    g_assert_false(json_object_has_member(one, "goals"));
}

static void check_report(JsonObject *report)
{
    JsonArray *rows = json_object_get_array_member(report, "cases");
    unsigned count;
    g_autofree BenchCase *cases = bench_cases(true, &count);

    g_assert_cmpint(json_object_get_int_member(report, "schema"), ==, 1);
    g_assert_true(json_object_get_boolean_member(report, "smoke"));
    g_assert_true(json_object_has_member(report, "commit"));
    g_assert_true(json_object_has_member(report, "host"));
    g_assert_cmpstr(json_object_get_string_member(report, "qemu"), !=,
                    "unknown");
    g_assert_cmpuint(json_array_get_length(rows), ==, count);
    for (unsigned i = 0; i < count; i++) {
        check_case(json_array_get_object_element(rows, i), &cases[i]);
    }
}

static void test_smoke(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *qemu = g_find_program_in_path("qemu-system-x86_64");
    g_autofree char *directory = NULL, *path = NULL, *output = NULL;
    g_autoptr(JsonParser) parser = json_parser_new();

    if (!qemu) {
        g_test_skip("qemu-system-x86_64 is not installed");
        return;
    }
    directory = g_dir_make_tmp("vfio-bench-XXXXXX", &error);
    g_assert_no_error(error);
    path = g_build_filename(directory, "report.json", NULL);
    const char *argv[] = { BENCH_PROGRAM, "--smoke", "--json", path, NULL };

    output = run_output(argv);
    g_test_message("%s", output);
    json_parser_load_from_file(parser, path, &error);
    g_assert_no_error(error);
    check_report(json_node_get_object(json_parser_get_root(parser)));
    g_assert_cmpint(g_unlink(path), ==, 0);
    g_assert_cmpint(g_rmdir(directory), ==, 0);
}

/* Errors must be detected before anything runs: there is no progress line. */
static void test_usage(void)
{
    static const char *const wrong[][3] = {
        { "--case", "no such case", "no case has 'no such case' in its name" },
        { "--repetitions", "0", "--repetitions=0: want 1 to 1000" },
        { "--repetitions", "-3", "--repetitions=-3: want 1 to 1000" },
        { "--json", "/nonexistent/report.json",
          "--json=/nonexistent/report.json: No such file or directory" },
        { "--json", "/", "--json=/: Is a directory" },
        { "--dirty", "--smoke", "--dirty takes no other option" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
        const char *argv[] = { BENCH_PROGRAM, wrong[i][0], wrong[i][1],
                               NULL };
        g_auto(Outcome) o = run_program(NULL, NULL, argv);

        g_assert_cmpstr(o.output, ==, "");
        g_assert_nonnull(strstr(o.errors, wrong[i][2]));
        g_assert_cmpint(o.status, ==, 2);
    }
}

/* --help must have all options of make bench. */
static void test_help(void)
{
    const char *argv[] = { BENCH_PROGRAM, "--help", NULL };
    g_autofree char *output = run_output(argv);

    g_assert_nonnull(strstr(output, "--dirty"));
    g_assert_nonnull(strstr(output, "--full"));
    g_assert_nonnull(strstr(output, "--version"));
}

static GArray *samples_of(const double *values, unsigned count)
{
    GArray *samples = g_array_new(false, false, sizeof(double));

    return g_array_append_vals(samples, values, count);
}

static void test_statistics(void)
{
    const double odd[] = { 5, 1, 3 }, even[] = { 4, 2, 8, 6 };
    g_autoptr(GArray) three = samples_of(odd, 3);
    g_autoptr(GArray) four = samples_of(even, 4);
    g_autoptr(GArray) one = samples_of(odd, 1);
    g_autoptr(GArray) none = samples_of(odd, 0);
    BenchStats stats = bench_stats(three);

    g_assert_cmpfloat_with_epsilon(stats.mean, 3, 1e-9);
    g_assert_cmpfloat_with_epsilon(stats.sd, 2, 1e-9);
    g_assert_cmpfloat(stats.min, ==, 1);
    g_assert_cmpfloat(stats.p50, ==, 3);
    g_assert_cmpfloat(stats.max, ==, 5);
    g_assert_cmpfloat(bench_stats(four).p50, ==, 5);
    g_assert_cmpfloat(bench_stats(one).sd, ==, 0);
    g_assert_cmpuint(bench_stats(none).n, ==, 0);
    /* The order of the samples must not change. */
    g_assert_cmpfloat(g_array_index(three, double, 0), ==, 5);
}

/* Calculated by hand: U, with mean 12.5, its deviation, and z */
static void test_rank(void)
{
    const double low[] = { 1, 2, 3, 4, 5 }, high[] = { 6, 7, 8, 9, 10 };
    const double between[] = { 2.5, 3.5, 4.5, 5.5, 1.5 };
    const double ties[] = { 1, 1, 2, 2, 3 };
    g_autoptr(GArray) a = samples_of(low, 5);
    g_autoptr(GArray) b = samples_of(high, 5);
    g_autoptr(GArray) c = samples_of(between, 5);
    g_autoptr(GArray) d = samples_of(ties, 5);
    g_autoptr(GArray) few = samples_of(low, 3);

    /* U = 0, deviation 4.787: z = 2.507 */
    g_assert_cmpfloat_with_epsilon(bench_rank_test(a, b), 0.0122, 1e-4);
    g_assert_cmpfloat_with_epsilon(bench_rank_test(b, a), 0.0122, 1e-4);
    /* U = 10: z = 0.418 */
    g_assert_cmpfloat_with_epsilon(bench_rank_test(a, c), 0.6761, 1e-4);
    /* U = 18.5, deviation 4.655 for the ties: z = 1.182 */
    g_assert_cmpfloat_with_epsilon(bench_rank_test(a, d), 0.2374, 1e-4);
    g_assert_cmpfloat(bench_rank_test(a, few), ==, 1);
    g_assert_cmpfloat(bench_rank_test(d, d), >, 0.99);
}

static void add_samples(BenchResult *result, BenchSide side,
                        BenchMetric metric, double first, double step)
{
    for (unsigned i = 0; i < 5; i++) {
        double value = first + i * step;

        g_array_append_val(result->values[side][metric], value);
    }
}

static void expect_missed(const BenchRun *run, const BenchResult *result,
                          const char *words)
{
    g_autofree char *missed = NULL;

    g_assert_cmpint(bench_goals_met(run, result, &missed), ==, !words);
    g_assert_true(!words || strstr(missed, words));
}

static void test_goals(void)
{
    BenchCase spec = {
        "row", "mapped", 1, 1, BENCH_BOTH | BENCH_FLOOR, .ideal_ms = 40,
        .goals = { { BENCH_AGAINST_BUILTIN, .most = 0.5, .or_next = true },
                   { BENCH_AGAINST_RAW, .most = 2 },
                   { BENCH_AGAINST_IDEAL, .most = 1.3 } },
    };
    BenchCase other = { "other", "mapped", 1, 1, BENCH_BOTH };
    BenchRun run = { .results = g_ptr_array_new() };
    BenchResult *result = bench_result_new(&spec);
    BenchResult *one = bench_result_new(&other);

    g_ptr_array_add(run.results, result);
    g_ptr_array_add(run.results, one);
    add_samples(result, BENCH_OURS, BENCH_VALUE, 48, 1);
    add_samples(result, BENCH_BUILTIN, BENCH_VALUE, 90, 1);
    add_samples(result, BENCH_RAW, BENCH_VALUE, 30, 0);
    add_samples(one, BENCH_OURS, BENCH_VALUE, 50, 0);
    /* The second of two goals suffices; raw is less than the ideal here. */
    expect_missed(&run, result, NULL);
    spec.goals[1].most = 1.5;
    expect_missed(&run, result, "attached/raw <= 1.5");
    spec.goals[1].most = 2;
    spec.ideal_ms = 20;
    expect_missed(&run, result, "attached/ideal <= 1.3: 1.667");
    spec.goals[2] = (BenchGoal) { BENCH_AGAINST_CASE, .most = 1.1,
                                  .other = "other" };
    expect_missed(&run, result, NULL);
    spec.goals[2].most = 0.9;
    expect_missed(&run, result, "attached/other <= 0.9: 1");
    spec.goals[2] = (BenchGoal) { BENCH_AGAINST_NUMBER, .most = 60,
                                  .least = 55 };
    expect_missed(&run, result, "attached >= 55, <= 60: 50");
    /* 48 to 52, limit 50: three of five, and the median, are within it. */
    spec.limit_ms = 50;
    spec.goals[2] = (BenchGoal) { BENCH_AGAINST_LIMIT, .most = 1 };
    expect_missed(&run, result, NULL);
    spec.goals[2].share = 0.9;
    expect_missed(&run, result, "attached/limit <= 1 in 90 %");
    /* 30 ms are more than 20 % of the value; the error is 28 to 32 ms. */
    spec.goals[2] = (BenchGoal) { BENCH_AGAINST_EXPECTED, .most = 1,
                                  .share = 0.7 };
    add_samples(result, BENCH_OURS, BENCH_EXPECTED, 76, 2);
    expect_missed(&run, result, NULL);
    spec.goals[2].share = 0.9;
    expect_missed(&run, result, "attached off expected <= 1 in 90 %");
    g_ptr_array_unref(run.results);
    bench_result_free(result);
    bench_result_free(one);
}

/* Goals for all rows */
static void test_rows(void)
{
    BenchCase spec = { "row", "mapped", 1, 1, BENCH_BOTH };
    BenchRun run = { .results = g_ptr_array_new() };
    BenchResult *slow = bench_result_new(&spec);
    BenchResult *large = bench_result_new(&spec);

    add_samples(slow, BENCH_OURS, BENCH_VALUE, 100, 1);
    add_samples(slow, BENCH_BUILTIN, BENCH_VALUE, 98, 1);
    /* 2 % slower, but the samples overlap: this may be chance. */
    expect_missed(&run, slow, NULL);
    add_samples(slow, BENCH_OURS, BENCH_VALUE, 110, 1);
    add_samples(slow, BENCH_BUILTIN, BENCH_VALUE, 98, 1);
    expect_missed(&run, slow, "slower than builtin");
    add_samples(large, BENCH_OURS, BENCH_PEAK_DESTINATION, 110000, 0);
    add_samples(large, BENCH_BUILTIN, BENCH_PEAK_DESTINATION, 60000, 0);
    expect_missed(&run, large, "memory: 49 MiB above builtin, 48 may be");
    spec.devices = 2;
    expect_missed(&run, large, NULL);
    g_ptr_array_unref(run.results);
    bench_result_free(slow);
    bench_result_free(large);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/bench/statistics", test_statistics);
    g_test_add_func("/bench/goals", test_goals);
    g_test_add_func("/bench/rank", test_rank);
    g_test_add_func("/bench/rows", test_rows);
    g_test_add_func("/bench/usage", test_usage);
    g_test_add_func("/bench/help", test_help);
    g_test_add_func("/bench/smoke", test_smoke);
    return g_test_run();
}
