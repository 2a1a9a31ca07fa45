/*
 * vfio-bench: our migration code against QEMU's own, in one run
 *
 * Owns: the cases, their order, and one measurement. What is measured is the
 * time from the moment the source's VM stops until the destination has
 * loaded everything, by QEMU's own events: what a user feels as downtime.
 * See docs/bench.md. One thread, no locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <glib/gstdio.h>

#include "bench.h"
#include "pair.h"
#include "screen.h"

#define BENCH_RAM_BYTES     (UINT64_C(16) << 20)
#define BENCH_WINDOW_BYTES  (UINT64_C(1) << 20)
#define BENCH_TICK_MS       20
/* An option that was not given. */
#define BENCH_DEFAULT       G_MININT
#define BENCH_TIMEOUT_US    (120 * G_USEC_PER_SEC)

static const BenchCase bench_cases[] = {
    { "trapped, 64 MiB", "trapped", UINT64_C(64) << 20, 0.02 },
    { "mixed, 64 MiB", "mixed", UINT64_C(64) << 20, 0 },
    { "mapped, 2 GiB", "mapped", UINT64_C(2) << 30, 1.1 },
};

static const BenchCase smoke_cases[] = {
    { "trapped, 256 KiB", "trapped", UINT64_C(256) << 10, 0.02 },
    { "mapped, 4 MiB", "mapped", UINT64_C(4) << 20, 1.1 },
};

/* --- one measurement ---------------------------------------------------- */

static bool bench_wait(Pair *pair, GError **error)
{
    Vm *source = pair->vm[PAIR_SOURCE];
    int64_t end_us = g_get_monotonic_time() + BENCH_TIMEOUT_US;

    while (!pair_is_moved(pair)) {
        g_autoptr(JsonNode) info = vm_take_reply(source);

        if (qmp_interrupted || g_get_monotonic_time() > end_us) {
            g_set_error(error, QMP_ERROR, QMP_ERROR_TIMEOUT, "%s",
                        qmp_interrupted ? "interrupted"
                                       : "a migration took over 2 minutes");
            return false;
        }
        if ((info && !pair_check_info(info, error)) ||
            (!vm_query_is_open(source) &&
             !vm_query(source, "query-migrate", error)) ||
            !vm_pump(pair->vm[PAIR_DESTINATION], BENCH_TICK_MS, error) ||
            !vm_pump(source, BENCH_TICK_MS, error)) {
            return false;
        }
    }
    return true;
}

/* A fast migration of the wrong data is worth nothing. */
static bool bench_check(Pair *pair, const BenchCase *spec, GError **error)
{
    g_auto(DeviceStatus) source = { 0 }, destination = { 0 };

    /* A driver says whether it took the state once the device runs. */
    if (!vm_run(pair->vm[PAIR_DESTINATION], "cont", NULL, error) ||
        !pair_wait_device(pair, PAIR_DESTINATION, 0, "running", &destination,
                          error) ||
        !pair_wait_device(pair, PAIR_SOURCE, 0, "stop", &source, error)) {
        return false;
    }
    if (source.saved_bytes != spec->bytes ||
        destination.loaded_bytes != spec->bytes ||
        strcmp(source.saved_digest, destination.loaded_digest) != 0) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_COMMAND, "%" G_GUINT64_FORMAT
                    " bytes were read and %" G_GUINT64_FORMAT " taken, not %"
                    G_GUINT64_FORMAT "; digest %s became %s",
                    source.saved_bytes, destination.loaded_bytes,
                    spec->bytes, source.saved_digest,
                    destination.loaded_digest);
        return false;
    }
    return true;
}

static void bench_take_version(BenchRun *run, Vm *vm)
{
    g_autoptr(JsonNode) version = vm_execute(vm, "query-version", NULL, NULL);

    if (version && !run->qemu) {
        run->qemu = g_strdup_printf(
            "%d.%d.%d (%s)", (int)qmp_json_int(version, "qemu.major"),
            (int)qmp_json_int(version, "qemu.minor"),
            (int)qmp_json_int(version, "qemu.micro"),
            qmp_json_string(version, "package"));
    }
}

static bool bench_migrate(BenchRun *run, const char *build,
                          const BenchCase *spec, bool builtin,
                          int64_t *time_us, GError **error)
{
    PairConfig config = {
        .build = build, .builtin = { builtin, builtin },
        .ram_bytes = BENCH_RAM_BYTES,
        .device = {
            .state_bytes = spec->bytes, .layout = spec->layout,
            .window_bytes = MIN(BENCH_WINDOW_BYTES, spec->bytes),
        },
    };
    Pair pair = { 0 };
    bool done = pair_prepare(&pair, &config, error) &&
                pair_start(&pair, &config, error);

    if (done) {
        bench_take_version(run, pair.vm[PAIR_SOURCE]);
        done = pair_migrate(&pair, error) && bench_wait(&pair, error) &&
               bench_check(&pair, spec, error);
        *time_us = pair_times(&pair).stop_us;
    }
    pair_end(&pair, false);
    return done;
}

static bool bench_measure(BenchRun *run, const char *build,
                          BenchResult *result, int side, GError **error)
{
    const BenchCase *spec = result->spec;
    int64_t time_us = 0;
    double time_ms;
    bool done = side == BENCH_RAW
        ? bench_raw(spec->bytes, strcmp(spec->layout, "trapped") == 0,
                    &time_us, error)
        : bench_migrate(run, build, spec, side == BENCH_BUILTIN, &time_us,
                        error);

    if (!done) {
        g_prefix_error(error, "%s, %s: ", spec->name, bench_side_names[side]);
        return false;
    }
    time_ms = time_us / 1e3;
    g_array_append_val(result->ms[side], time_ms);
    return true;
}

/* --- the run ------------------------------------------------------------ */

static void bench_result_free(void *opaque)
{
    BenchResult *result = opaque;

    for (int side = 0; side < BENCH_NUM_SIDES; side++) {
        g_array_unref(result->ms[side]);
    }
    g_free(result);
}

static void bench_add_cases(BenchRun *run, const char *wanted)
{
    const BenchCase *cases = run->smoke ? smoke_cases : bench_cases;
    unsigned count = run->smoke ? G_N_ELEMENTS(smoke_cases)
                                : G_N_ELEMENTS(bench_cases);

    for (unsigned i = 0; i < count; i++) {
        BenchResult *result;

        if (wanted && !strstr(cases[i].name, wanted)) {
            continue;
        }
        result = g_new0(BenchResult, 1);
        result->spec = &cases[i];
        for (int side = 0; side < BENCH_NUM_SIDES; side++) {
            result->ms[side] = g_array_new(false, false, sizeof(double));
        }
        g_ptr_array_add(run->results, result);
    }
}

/* The sides take turns, and take turns in going first. */
static bool bench_run(BenchRun *run, const char *build, GError **error)
{
    unsigned total = run->repetitions * run->results->len * BENCH_NUM_SIDES;
    unsigned done = 0;

    for (unsigned n = 0; n < run->repetitions; n++) {
        for (unsigned i = 0; i < run->results->len; i++) {
            BenchResult *result = g_ptr_array_index(run->results, i);

            for (int turn = 0; turn < BENCH_NUM_SIDES; turn++) {
                int side = (turn + n) % BENCH_NUM_SIDES;
                g_autofree char *text =
                    g_strdup_printf("%s, %s, repetition %u of %u",
                                    result->spec->name,
                                    bench_side_names[side], n + 1,
                                    run->repetitions);

                screen_progress("bench", (double)done++ / total, text);
                if (!bench_measure(run, build, result, side, error)) {
                    return false;
                }
            }
        }
    }
    screen_progress_end();
    return true;
}

static bool bench_limits_met(const BenchRun *run)
{
    bool met = true;

    for (unsigned i = 0; i < run->results->len; i++) {
        met &= bench_limit_met(g_ptr_array_index(run->results, i));
    }
    return met;
}

static bool bench_report(const BenchRun *run, const char *path,
                         GError **error)
{
    g_autofree char *json = bench_json(run);
    g_autofree char *text = g_strconcat(json, "\n", NULL);

    bench_print_table(run);
    if (!path) {
        return true;
    }
    if (!g_file_set_contents(path, text, -1, error)) {
        return false;
    }
    screen_print("  report: %s", path);
    return true;
}

/* Returns false with @error set where the report cannot be written later. */
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
    if (options->dirty && (run->smoke || options->wanted || options->path ||
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
          "Measure each case and code so often [5]", "N" },
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
        "Exit status: 0 done and all limits met, 1 not, 2 usage.");
    if (!g_option_context_parse(context, &argc, &argv, &error) || argc > 1 ||
        !bench_check_options(run, options, &error)) {
        fprintf(stderr, "vfio-bench: %s\n", error ? error->message
                                                  : "wrong arguments");
        return false;
    }
    run->repetitions = options->repetitions != BENCH_DEFAULT
        ? options->repetitions : run->smoke ? 1 : 5;
    bench_add_cases(run, options->wanted);
    if (!run->results->len) {
        fprintf(stderr, "vfio-bench: no case has '%s' in its name\n",
                options->wanted);
        return false;
    }
    return true;
}

static int bench_dirty(const char *build)
{
    g_autofree char *program =
        g_build_filename(build, "tests/bench/vfio-dirty-bench", NULL);

    execl(program, program, "-m", "perf", NULL);
    fprintf(stderr, "vfio-bench: %s: %s\n", program, g_strerror(errno));
    return 1;
}

int main(int argc, char **argv)
{
    BenchRun run = {
        .results = g_ptr_array_new_with_free_func(bench_result_free),
    };
    g_autofree char *build = pair_build_directory();
    g_auto(BenchOptions) options = { .repetitions = BENCH_DEFAULT };
    g_autoptr(GError) error = NULL;
    int result;

    screen_init();
    qmp_catch_signals();
    if (!bench_options(&run, &options, argc, argv)) {
        result = 2;
    } else if (options.version) {
        puts("vfio-bench " TOOL_VERSION);
        result = 0;
    } else if (options.dirty) {
        result = bench_dirty(build);
    } else {
        if (bench_run(&run, build, &error) &&
            bench_report(&run, options.path, &error)) {
            result = run.smoke || bench_limits_met(&run) ? 0 : 1;
        } else {
            screen_progress_end();
            fprintf(stderr, "vfio-bench: %s\n", error->message);
            result = 1;
        }
    }
    g_ptr_array_unref(run.results);
    g_free(run.qemu);
    return result;
}
