/*
 * Test: the benchmark runs through and its report is what docs/bench.md says
 *
 * Owns: no timed assertion; a busy machine must not fail it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdbool.h>
#include <string.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>

#include "bench.h"

static const char *const sides[] = { "attached", "builtin", "raw" };

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

static void check_report(JsonObject *report)
{
    JsonArray *cases = json_object_get_array_member(report, "cases");

    g_assert_cmpint(json_object_get_int_member(report, "schema"), ==, 1);
    g_assert_true(json_object_get_boolean_member(report, "smoke"));
    g_assert_true(json_object_has_member(report, "commit"));
    g_assert_true(json_object_has_member(report, "host"));
    g_assert_cmpstr(json_object_get_string_member(report, "qemu"), !=,
                    "unknown");
    g_assert_cmpuint(json_array_get_length(cases), ==, 2);
    for (unsigned i = 0; i < json_array_get_length(cases); i++) {
        JsonObject *one = json_array_get_object_element(cases, i);
        JsonObject *times = json_object_get_object_member(one, "time_ms");

        for (unsigned side = 0; side < G_N_ELEMENTS(sides); side++) {
            check_stats(json_object_get_object_member(times, sides[side]), 1);
        }
        check_stats(json_object_get_object_member(one, "ratio"), 1);
        /* Numbers of tiny sizes are never held against a limit. */
        g_assert_false(json_object_has_member(one, "ratio_limit"));
    }
}

static void test_smoke(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *qemu = g_find_program_in_path("qemu-system-x86_64");
    g_autofree char *directory = NULL, *path = NULL, *output = NULL;
    g_autoptr(JsonParser) parser = json_parser_new();
    int status = -1;

    if (!qemu) {
        g_test_skip("qemu-system-x86_64 is not installed");
        return;
    }
    directory = g_dir_make_tmp("vfio-bench-XXXXXX", &error);
    g_assert_no_error(error);
    path = g_build_filename(directory, "report.json", NULL);
    const char *argv[] = { BENCH_PROGRAM, "--smoke", "--json", path, NULL };

    g_spawn_sync(NULL, (char **)argv, NULL, 0, NULL, NULL, &output, NULL,
                 &status, &error);
    g_assert_no_error(error);
    g_test_message("%s", output);
    g_spawn_check_wait_status(status, &error);
    g_assert_no_error(error);
    json_parser_load_from_file(parser, path, &error);
    g_assert_no_error(error);
    check_report(json_node_get_object(json_parser_get_root(parser)));
    g_assert_cmpint(g_unlink(path), ==, 0);
    g_assert_cmpint(g_rmdir(directory), ==, 0);
}

/* Found before anything runs: none of them prints a line of progress. */
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
        g_autofree char *output = NULL, *errors = NULL;
        g_autoptr(GError) error = NULL;
        int status = -1;

        g_spawn_sync(NULL, (char **)argv, NULL, 0, NULL, NULL, &output,
                     &errors, &status, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(output, ==, "");
        g_assert_nonnull(strstr(errors, wrong[i][2]));
        g_assert_false(g_spawn_check_wait_status(status, &error));
        g_assert_error(error, G_SPAWN_EXIT_ERROR, 2);
    }
}

/* What make bench takes, its --help has. */
static void test_help(void)
{
    const char *argv[] = { BENCH_PROGRAM, "--help", NULL };
    g_autofree char *output = NULL;
    g_autoptr(GError) error = NULL;

    g_spawn_sync(NULL, (char **)argv, NULL, 0, NULL, NULL, &output, NULL,
                 NULL, &error);
    g_assert_no_error(error);
    g_assert_nonnull(strstr(output, "--dirty"));
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
    /* The samples stay in the order in which they came. */
    g_assert_cmpfloat(g_array_index(three, double, 0), ==, 5);
}

static void test_limit(void)
{
    const double ours[] = { 1, 1, 30 }, builtin[] = { 100, 100, 100 };
    BenchCase spec = { "case", "trapped", 1, 0.02 };
    BenchResult result = { .spec = &spec };
    g_autoptr(GArray) a = result.ms[BENCH_OURS] = samples_of(ours, 3);
    g_autoptr(GArray) b = result.ms[BENCH_BUILTIN] = samples_of(builtin, 3);

    /* The median decides: one disturbed repetition is not a verdict. */
    g_assert_true(bench_limit_met(&result));
    spec.limit = 0.005;
    g_assert_false(bench_limit_met(&result));
    spec.limit = 0;
    g_assert_true(bench_limit_met(&result));
    g_assert_nonnull(a);
    g_assert_nonnull(b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/bench/statistics", test_statistics);
    g_test_add_func("/bench/limit", test_limit);
    g_test_add_func("/bench/usage", test_usage);
    g_test_add_func("/bench/help", test_help);
    g_test_add_func("/bench/smoke", test_smoke);
    return g_test_run();
}
