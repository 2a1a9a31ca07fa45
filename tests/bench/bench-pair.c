/*
 * vfio-bench: one measurement with two QEMUs
 *
 * Owns: the actions with a pair for each kind of row, and the values read from
 * it: events, CPU time, memory, system calls. One thread, no locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bench.h"
#include "bench-calls.h"
#include "report/trace-log.h"

#define BENCH_RAM_BYTES     (UINT64_C(16) << 20)
#define BENCH_TICK_MS       20

/*
 * Interval for checking whether the migration failed. During downtime QEMU's
 * own code does not reply; replies would cost ours some five system calls per
 * byte of the query.
 */
#define BENCH_LOOK_US       500000
#define BENCH_TIMEOUT_US    (120 * G_USEC_PER_SEC)

/* High enough that the device's whole state may be sent in downtime */
#define BENCH_DOWNTIME_MS   60000

/* Interval between two queries to a monitor */
#define BENCH_ASK_US        10000
/* From the stop of the VM to a cancel */
#define BENCH_CANCEL_US     100000
/* How long a rate limit is measured, once the VM's RAM was sent */
#define BENCH_LIMIT_US      (10 * G_USEC_PER_SEC)
#define BENCH_LIMIT_SMOKE_US (G_USEC_PER_SEC / 5)
#define BENCH_LIMIT_BEGIN_US (2 * G_USEC_PER_SEC)

#define BENCH_LIBRARY       "tests/bench/libbench-calls.so"

/* --- what a process has used -------------------------------------------- */

typedef struct Usage {
    double cpu_ms;
    double peak_kib;
    BenchCalls calls;
} Usage;

static double cpu_ms(GPid pid)
{
    struct timespec time = { 0 };
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &time)) {
        return NAN;
    }
    return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

static double peak_kib(GPid pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)pid);
    g_autofree char *text = NULL;
    const char *line;

    g_file_get_contents(path, &text, NULL, NULL);
    line = text ? strstr(text, "VmHWM:") : NULL;
    return line ? g_ascii_strtod(line + strlen("VmHWM:"), NULL) : NAN;
}

/* Reset the peak memory usage. */
static void forget_peak(GPid pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/clear_refs", (int)pid);
    FILE *file = fopen(path, "we");

    if (file) {
        fputs("5", file);
        fclose(file);
    }
}

static GPid pid_of(const Pair *pair, int side)
{
    return child_pid(pair->vm[side]->child);
}

static BenchCalls calls_of(const Pair *pair, int side)
{
    g_autofree char *name = g_strdup_printf(BENCH_CALLS_FILE,
                                            (int)pid_of(pair, side));
    g_autofree char *path = g_build_filename(pair->directory, name, NULL);
    g_autofree char *bytes = NULL;
    BenchCalls calls = { 0 };
    size_t size;

    if (g_file_get_contents(path, &bytes, &size, NULL) &&
        size == sizeof(calls)) {
        memcpy(&calls, bytes, size);
    }
    return calls;
}

static Usage usage_of(const Pair *pair, int side)
{
    GPid pid = pid_of(pair, side);

    return (Usage) { cpu_ms(pid), peak_kib(pid), calls_of(pair, side) };
}

static void begin_usage(const Pair *pair, Usage usage[PAIR_SIDES])
{
    for (int side = 0; side < PAIR_SIDES; side++) {
        forget_peak(pid_of(pair, side));
        usage[side] = usage_of(pair, side);
    }
}

static void end_usage(const Pair *pair, const BenchCase *spec,
                      const Usage before[PAIR_SIDES], BenchSample *sample)
{
    double calls = 0;

    for (int side = 0; side < PAIR_SIDES; side++) {
        Usage now = usage_of(pair, side);

        sample->value[BENCH_CPU_SOURCE + side] = now.cpu_ms -
                                                 before[side].cpu_ms;
        sample->value[BENCH_PEAK_SOURCE + side] = now.peak_kib;
        calls += now.calls.calls - before[side].calls.calls;
    }
    sample->value[BENCH_CPU] = sample->value[BENCH_CPU_SOURCE] +
                               sample->value[BENCH_CPU_DESTINATION];
    sample->value[BENCH_CALLS] = calls * (1 << 20) / bench_total_bytes(spec);
}

/* --- waiting ------------------------------------------------------------ */

static bool out_of_time(int64_t end_us, GError **error)
{
    if (!qmp_interrupted && g_get_monotonic_time() <= end_us) {
        return false;
    }
    g_set_error(error, QMP_ERROR, QMP_ERROR_TIMEOUT, "%s", qmp_interrupted
                ? "interrupted" : "a migration took over 2 minutes");
    return true;
}

static bool wait_moved(Pair *pair, GError **error)
{
    Qmp *source = pair->qmp[PAIR_SOURCE];
    int64_t look_us = g_get_monotonic_time() + BENCH_LOOK_US;
    int64_t end_us = g_get_monotonic_time() + BENCH_TIMEOUT_US;
    bool taken = pair->way != PAIR_FILE;

    while (!pair_is_moved(pair)) {
        g_autoptr(JsonNode) info = qmp_take_reply(source, NULL);

        if (!taken && qmp_event_us(source, "MIGRATION", "completed")) {
            taken = true;
            if (!pair_take_file(pair, error)) {
                return false;
            }
        }
        if (g_get_monotonic_time() > look_us && !qmp_query_is_open(source)) {
            look_us = g_get_monotonic_time() + BENCH_LOOK_US;
            if (!qmp_query(source, "query-migrate", NULL, error)) {
                return false;
            }
        }
        if (out_of_time(end_us, error) ||
            (info && !pair_check_info(info, error)) ||
            !qmp_pump(pair->qmp[PAIR_DESTINATION], BENCH_TICK_MS, error) ||
            !qmp_pump(source, BENCH_TICK_MS, error)) {
            return false;
        }
    }
    return true;
}

static bool check_device(Pair *pair, const BenchCase *spec, unsigned number,
                         GError **error)
{
    g_auto(DeviceStatus) source = { 0 }, destination = { 0 };

    /* Only when the device runs is it known that the driver took the state. */
    if (!pair_wait_device(pair, PAIR_DESTINATION, number, "running",
                          &destination, error) ||
        !pair_wait_device(pair, PAIR_SOURCE, number, "stop", &source,
                          error)) {
        return false;
    }
    source.saved_bytes -= source.precopy_bytes;
    destination.loaded_bytes -= source.precopy_bytes;
    if (source.saved_bytes != spec->bytes ||
        destination.loaded_bytes != spec->bytes ||
        strcmp(source.saved_digest, destination.loaded_digest) != 0) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_COMMAND, "of dev%u %"
                    G_GUINT64_FORMAT " bytes were read and %"
                    G_GUINT64_FORMAT " taken, not %" G_GUINT64_FORMAT
                    "; digest %s became %s", number,
                    source.saved_bytes, destination.loaded_bytes,
                    spec->bytes, source.saved_digest,
                    destination.loaded_digest);
        return false;
    }
    return true;
}

/* The data must be correct, however fast the migration. */
static bool check_devices(Pair *pair, const BenchCase *spec, GError **error)
{
    for (unsigned i = 0; i < MAX(spec->devices, 1); i++) {
        if (!check_device(pair, spec, i, error)) {
            return false;
        }
    }
    return true;
}

/*
 * Read from the source's trace when it was told to stop its VM (the event STOP
 * is sent only once its devices have stopped), and the largest downtime that it
 * expected; NaN: none.
 */
static bool read_trace(const Pair *pair, int64_t *stop_us,
                       double *expected_ms, GError **error)
{
    g_autofree char *path = pair_trace(pair, PAIR_SOURCE);
    g_autoptr(TraceLog) log = trace_log_read(path, error);

    *stop_us = 0;
    *expected_ms = NAN;
    for (unsigned i = 0; log && i < log->events->len; i++) {
        const TraceEvent *event = g_ptr_array_index(log->events, i);
        const char *words = strstr(event->text, "expected ");
        unsigned ms;

        if (!*stop_us && strstr(event->text, "(finish-migrate)")) {
            *stop_us = event->time_us;
        }
        if (words && sscanf(words, "expected %u ms", &ms) == 1) {
            *expected_ms = fmax(*expected_ms, ms);
        }
    }
    if (log && !*stop_us) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_COMMAND,
                    "the source's trace does not say when its VM stopped");
    }
    return *stop_us;
}

/* --- kinds of rows ------------------------------------------------------ */

static bool measure_move(Pair *pair, const BenchCase *spec,
                         BenchSample *sample, GError **error)
{
    Usage usage[PAIR_SIDES];
    int64_t begin_us;

    begin_usage(pair, usage);
    if (!pair_migrate(pair, error) || !wait_moved(pair, error)) {
        return false;
    }
    end_usage(pair, spec, usage, sample);
    if (!read_trace(pair, &begin_us, &sample->value[BENCH_EXPECTED], error)) {
        return false;
    }
    sample->value[BENCH_VALUE] =
        (qmp_event_us(pair->qmp[PAIR_DESTINATION], "MIGRATION", "completed") -
         begin_us) / 1e3;
    return check_devices(pair, spec, error);
}

static bool measure_answers(Pair *pair, const BenchCase *spec,
                            BenchSample *sample, GError **error)
{
    static const char *const questions[] = { "query-status",
                                             "query-migrate" };
    Qmp *source = pair->qmp[PAIR_SOURCE];
    int64_t end_us = g_get_monotonic_time() + BENCH_TIMEOUT_US;
    int64_t longest_us = 0;

    if (!pair_migrate(pair, error) ||
        !qmp_wait_event(source, "STOP", NULL, BENCH_TIMEOUT_US / 1000,
                        error)) {
        return false;
    }
    for (unsigned i = 0; !qmp_event_us(source, "MIGRATION", "completed");
         i++) {
        int64_t begin_us = g_get_monotonic_time();

        if (out_of_time(end_us, error) ||
            !qmp_run(source, questions[i % G_N_ELEMENTS(questions)], NULL,
                     error)) {
            return false;
        }
        longest_us = MAX(longest_us, g_get_monotonic_time() - begin_us);
        g_usleep(BENCH_ASK_US);
    }
    sample->value[BENCH_VALUE] = longest_us / 1e3;
    return wait_moved(pair, error) && check_devices(pair, spec, error);
}

/*
 * With our code it must be cancelled, and the source must continue. QEMU's own
 * code replies only when the migration has completed.
 */
static bool measure_cancel(Pair *pair, bool ours, BenchSample *sample,
                           GError **error)
{
    Qmp *source = pair->qmp[PAIR_SOURCE];
    g_auto(DeviceStatus) status = { 0 };
    int64_t begin_us;

    if (!pair_migrate(pair, error) ||
        !qmp_wait_event(source, "STOP", NULL, BENCH_TIMEOUT_US / 1000,
                        error)) {
        return false;
    }
    g_usleep(BENCH_CANCEL_US);
    begin_us = g_get_monotonic_time();
    if (!qmp_run(source, "migrate_cancel", NULL, error)) {
        return false;
    }
    sample->value[BENCH_VALUE] = (g_get_monotonic_time() - begin_us) / 1e3;
    return !ours ||
           (qmp_wait_event(source, "MIGRATION", "cancelled",
                           BENCH_TIMEOUT_US / 1000, error) &&
            pair_wait_device(pair, PAIR_SOURCE, 0, "running", &status,
                             error));
}

static bool measure_limit(Pair *pair, bool smoke, BenchSample *sample,
                          GError **error)
{
    uint64_t sent_bytes;
    int64_t begin_us;
    double seconds;

    if (!pair_migrate(pair, error)) {
        return false;
    }
    g_usleep(smoke ? BENCH_LIMIT_SMOKE_US : BENCH_LIMIT_BEGIN_US);
    sent_bytes = calls_of(pair, PAIR_SOURCE).sent_bytes;
    begin_us = g_get_monotonic_time();
    g_usleep(smoke ? BENCH_LIMIT_SMOKE_US : BENCH_LIMIT_US);
    sent_bytes = calls_of(pair, PAIR_SOURCE).sent_bytes - sent_bytes;
    seconds = (g_get_monotonic_time() - begin_us) / 1e6;
    sample->value[BENCH_VALUE] = sent_bytes / seconds / (1 << 20);
    if (!qmp_pump(pair->qmp[PAIR_SOURCE], 0, error)) {
        return false;
    }
    if (qmp_event_us(pair->qmp[PAIR_SOURCE], "STOP", NULL)) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_COMMAND,
                    "the VM was stopped before its pre-copy was over");
        return false;
    }
    return true;
}

static bool measure(Pair *pair, const BenchRun *run, const BenchCase *spec,
                    BenchSide side, BenchSample *sample, GError **error)
{
    switch (spec->kind) {
    case BENCH_MOVE:
        break;
    case BENCH_ANSWERS:
        return measure_answers(pair, spec, sample, error);
    case BENCH_CANCEL:
        return measure_cancel(pair, side == BENCH_OURS, sample, error);
    case BENCH_LIMIT:
        return measure_limit(pair, run->smoke, sample, error);
    }
    return measure_move(pair, spec, sample, error);
}

/* --- the pair ----------------------------------------------------------- */

static void take_version(BenchRun *run, Qmp *qmp)
{
    g_autoptr(JsonNode) version = qmp_execute(qmp, "query-version", NULL,
                                              NULL);

    if (version && !run->qemu) {
        run->qemu = g_strdup_printf(
            "%d.%d.%d (%s)", (int)qmp_json_int(version, "qemu.major"),
            (int)qmp_json_int(version, "qemu.minor"),
            (int)qmp_json_int(version, "qemu.micro"),
            qmp_json_string(version, "package"));
    }
}

static PairConfig pair_config(const BenchRun *run, const BenchCase *spec,
                              BenchSide side)
{
    static const char *const traces[] = { "runstate_set", NULL };
    static const char *const ours[] = { "runstate_set",
                                        "vfio_migration_downtime", NULL };

    return (PairConfig) {
        .build = run->build,
        .builtin = {
            side == BENCH_BUILTIN || side == BENCH_ONLY_DESTINATION,
            side == BENCH_BUILTIN || side == BENCH_ONLY_SOURCE,
        },
        .starts = true, .way = spec->way,
        .bandwidth_bytes = spec->bandwidth_bytes,
        .downtime_ms = spec->kind == BENCH_LIMIT ? 0
                       : spec->limit_ms ?: BENCH_DOWNTIME_MS,
        .ram_bytes = BENCH_RAM_BYTES,
        .traces = spec->limit_ms ? ours : traces,
        .fault = { spec->rule },
        .device = {
            .state_bytes = spec->bytes, .layout = spec->layout,
            .window_bytes = MIN(spec->window_bytes, spec->bytes),
            .precopy_bytes = spec->precopy_bytes,
            .save_rate_bytes = spec->save_rate_bytes,
            .load_rate_bytes = spec->load_rate_bytes,
            .count = spec->devices, .change_ms = spec->change_ms,
            .first_load_ms = spec->first_load_ms,
            .keys = spec->keys ?: spec->v2 ? "protocol=v2" : NULL,
        },
    };
}

bool bench_pair(BenchRun *run, const BenchCase *spec, BenchSide side,
                BenchSample *sample, GError **error)
{
    PairConfig config = pair_config(run, spec, side);
    g_autofree char *library = g_build_filename(run->build, BENCH_LIBRARY,
                                                NULL);
    Pair pair = { 0 };
    bool done;

    config.preload = library;
    done = pair_prepare(&pair, &config, error) &&
           pair_start(&pair, &config, error);
    if (done) {
        take_version(run, pair.qmp[PAIR_SOURCE]);
        done = measure(&pair, run, spec, side, sample, error);
    }
    pair_end(&pair, false);
    return done;
}
