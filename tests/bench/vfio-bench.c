/*
 * vfio-bench: our migration code compared with QEMU's own, in one run
 *
 * Owns: options, and the order of measurements. Most rows measure the time from
 * when the source is told to stop its VM until the VM runs at the destination,
 * by QEMU's own events: the user's downtime. See docs/bench.md. One thread, no
 * locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <glib/gstdio.h>

#include "bench.h"
#include "screen.h"

/* Value of an option that was not given */
#define BENCH_DEFAULT       G_MININT
#define BENCH_REPETITIONS   5
#define BENCH_REPETITIONS_FULL 10

/* --- one measurement ---------------------------------------------------- */

static bool bench_measure(BenchRun *run, BenchResult *result, BenchSide side,
                          GError **error)
{
    const BenchCase *spec = result->spec;
    BenchSample sample;
    bool done;

    for (int metric = 0; metric < BENCH_NUM_METRICS; metric++) {
        sample.value[metric] = NAN;
    }
    done = side == BENCH_RAW || side == BENCH_BARE
        ? bench_raw(spec, side == BENCH_BARE, &sample, error)
        : bench_pair(run, spec, side, &sample, error);
    if (!done) {
        g_prefix_error(error, "%s, %s: ", spec->name, bench_side_names[side]);
        return false;
    }
    for (int metric = 0; metric < BENCH_NUM_METRICS; metric++) {
        if (!isnan(sample.value[metric])) {
            g_array_append_val(result->values[side][metric],
                               sample.value[metric]);
        }
    }
    return true;
}

/* --- the run ------------------------------------------------------------ */

static void bench_add_cases(BenchRun *run, const char *wanted)
{
    unsigned count;

    run->cases = bench_cases(run->smoke, &count);
    for (unsigned i = 0; i < count; i++) {
        const BenchCase *spec = &run->cases[i];

        if (wanted ? strstr(spec->name, wanted) != NULL
                   : run->smoke || run->full || spec->quick) {
            g_ptr_array_add(run->results, bench_result_new(spec));
        }
    }
}

/* The sides of a row alternate; the one that is first changes, too. */
static bool bench_run_row(BenchRun *run, BenchResult *result, unsigned n,
                          double part, GError **error)
{
    for (int turn = 0; turn < BENCH_NUM_SIDES; turn++) {
        int side = (turn + n) % BENCH_NUM_SIDES;
        g_autofree char *text =
            g_strdup_printf("%s, %s, repetition %u of %u", result->spec->name,
                            bench_side_names[side], n + 1, run->repetitions);

        if (!(result->spec->sides & 1u << side)) {
            continue;
        }
        screen_progress("bench", part, text);
        if (!bench_measure(run, result, side, error)) {
            return false;
        }
    }
    return true;
}

static bool bench_write(const BenchRun *run, const char *path,
                        GError **error)
{
    g_autofree char *json = bench_json(run);
    g_autofree char *text = g_strconcat(json, "\n", NULL);

    return g_file_set_contents(path, text, -1, error);
}

/* If a run of an hour is interrupted, the results so far are kept. */
static bool bench_run(BenchRun *run, const char *path, GError **error)
{
    unsigned rows = run->results->len;

    for (unsigned n = 0; n < run->repetitions; n++) {
        for (unsigned i = 0; i < rows; i++) {
            if (!bench_run_row(run, g_ptr_array_index(run->results, i), n,
                               (double)(n * rows + i) /
                               (run->repetitions * rows), error)) {
                return false;
            }
        }
        if (path && !bench_write(run, path, error)) {
            return false;
        }
    }
    screen_progress_end();
    bench_print_table(run);
    if (path) {
        screen_print("  report: %s", path);
    }
    return true;
}

/* Print the goals that are not met. */
static bool bench_all_met(const BenchRun *run)
{
    bool met = true;

    for (unsigned i = 0; i < run->results->len; i++) {
        g_autofree char *missed = NULL;

        if (!bench_goals_met(run, g_ptr_array_index(run->results, i),
                             &missed)) {
            met = false;
            fprintf(stderr, "%s", missed);
        }
    }
    return met;
}

/* Returns false with @error set if the report could not be written later. */
static bool bench_check_path(const char *path, GError **error)
{
    g_autofree char *directory = path ? g_path_get_dirname(path) : NULL;

    if (path && (g_file_test(path, G_FILE_TEST_IS_DIR) ||
                 g_access(directory, W_OK | X_OK))) {
        int number = g_file_test(path, G_FILE_TEST_IS_DIR) ? EISDIR : errno;

        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(number),
                    "--json=%s: %s", path, g_strerror(number));
        return false;
    }
    return true;
}

typedef struct BenchOptions {
    int repetitions;
    char *wanted;
    char *path;
    gboolean dirty;
    gboolean version;
} BenchOptions;

static void bench_options_clear(BenchOptions *options)
{
    g_free(options->wanted);
    g_free(options->path);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BenchOptions, bench_options_clear)

static bool bench_check_options(const BenchRun *run,
                                const BenchOptions *options, GError **error)
{
    if (options->repetitions != BENCH_DEFAULT &&
        (options->repetitions < 1 || options->repetitions > 1000)) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "--repetitions=%d: want 1 to 1000", options->repetitions);
        return false;
    }
    if (options->dirty && (run->smoke || run->full || options->wanted ||
                           options->path ||
                           options->repetitions != BENCH_DEFAULT)) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "--dirty takes no other option");
        return false;
    }
    return bench_check_path(options->path, error);
}

static bool bench_options(BenchRun *run, BenchOptions *options,
                          int argc, char **argv)
{
    const GOptionEntry entries[] = {
        { "repetitions", 0, 0, G_OPTION_ARG_INT, &options->repetitions,
          "Measure each case and code so often [5; with --full 10]", "N" },
        { "full", 0, 0, G_OPTION_ARG_NONE, &run->full,
          "Cases that take long, too", NULL },
        { "case", 0, 0, G_OPTION_ARG_STRING, &options->wanted,
          "Only cases with TEXT in their names", "TEXT" },
        { "json", 0, 0, G_OPTION_ARG_FILENAME, &options->path,
          "Write the report to FILE", "FILE" },
        { "smoke", 0, 0, G_OPTION_ARG_NONE, &run->smoke,
          "Tiny sizes, once: only shows that it works", NULL },
        { "dirty", 0, 0, G_OPTION_ARG_NONE, &options->dirty,
          "Only the syncs of dirty pages", NULL },
        { "version", 0, 0, G_OPTION_ARG_NONE, &options->version,
          "Print the version and end", NULL },
        { NULL }
    };
    g_autoptr(GOptionContext) context = g_option_context_new(
        "- our migration code against QEMU's own");
    g_autoptr(GError) error = NULL;

    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_set_description(
        context, "'make bench' without options measures the syncs of dirty "
        "pages, too.\nWhat is measured, and how: docs/bench.md.\n\n"
        "Exit status: 0 done and all goals met, 1 not, 2 usage.");
    if (!g_option_context_parse(context, &argc, &argv, &error) || argc > 1 ||
        !bench_check_options(run, options, &error)) {
        fprintf(stderr, "vfio-bench: %s\n", error ? error->message
                                                  : "wrong arguments");
        return false;
    }
    run->repetitions = options->repetitions != BENCH_DEFAULT
        ? options->repetitions : run->smoke ? 1
        : run->full ? BENCH_REPETITIONS_FULL : BENCH_REPETITIONS;
    bench_add_cases(run, options->wanted);
    if (!run->results->len) {
        fprintf(stderr, "vfio-bench: no case has '%s' in its name\n",
                options->wanted);
        return false;
    }
    return true;
}

static int bench_dirty(const BenchRun *run)
{
    g_autofree char *program =
        g_build_filename(run->build, "tests/bench/vfio-dirty-bench", NULL);

    execl(program, program, "-m", "perf", NULL);
    fprintf(stderr, "vfio-bench: %s: %s\n", program, g_strerror(errno));
    return 1;
}

int main(int argc, char **argv)
{
    BenchRun run = {
        .results = g_ptr_array_new_with_free_func(
            (GDestroyNotify)bench_result_free),
    };
    g_autofree char *build = pair_build_directory();
    g_auto(BenchOptions) options = { .repetitions = BENCH_DEFAULT };
    g_autoptr(GError) error = NULL;
    int result;

    run.build = build;
    screen_init();
    qmp_catch_signals();
    if (!bench_options(&run, &options, argc, argv)) {
        result = 2;
    } else if (options.version) {
        puts("vfio-bench " TOOL_VERSION);
        result = 0;
    } else if (options.dirty) {
        result = bench_dirty(&run);
    } else {
        if (bench_run(&run, options.path, &error)) {
            result = run.smoke || bench_all_met(&run) ? 0 : 1;
        } else {
            screen_progress_end();
            fprintf(stderr, "vfio-bench: %s\n", error->message);
            result = 1;
        }
    }
    g_ptr_array_unref(run.results);
    g_free(run.cases);
    g_free(run.qemu);
    return result;
}
