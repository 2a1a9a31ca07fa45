/*
 * vfio-migrate test: run a kernel driver through all phases of migration
 *
 * Owns: selecting the cases for a device, running them one after the other,
 * and reporting. Does not own: the cases (driver-cases*.c).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/vfio/dirty-device.h"
#include "hw/vfio/migration-device.h"
#include "device.h"
#include "driver-run.h"
#include "driver-test.h"
#include "json.h"

static void take_message(VFIOHostReport kind, const char *text, void *opaque)
{
    DriverRun *run = opaque;

    if (kind == VFIO_HOST_LOG) {
        fputs(text, stderr);
    } else {
        g_string_append_printf(run->messages, "%s\n", text);
    }
}

typedef enum Outcome {
    OUTCOME_PASSED,
    OUTCOME_FAILED,
    OUTCOME_SKIPPED,
    OUTCOME__MAX,
} Outcome;

static const char *const outcome_words[] = { "passed", "failed", "skipped" };

static void print_lines(const char *prefix, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line; line++) {
        if (**line) {
            printf("%s%s\n", prefix, *line);
        }
    }
}

static void print_tap(const DriverRun *run, const DriverCase *c, unsigned n,
                      Outcome outcome)
{
    bool good = outcome != OUTCOME_FAILED;

    printf("%s %u - %s%s%s\n", good ? "ok" : "not ok", n, c->name,
           outcome == OUTCOME_SKIPPED ? " # SKIP " : "",
           outcome == OUTCOME_SKIPPED ? run->skipped : "");
    print_lines("# ", run->why ?: "");
    print_lines("#   ", run->notes->str);
    if (!good || run->test->verbose) {
        print_lines("#   said: ", run->messages->str);
    }
    fflush(stdout);
}

static void add_lines(JsonObject *object, const char *name, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    JsonArray *array = json_array_new();

    for (char **line = lines; *line; line++) {
        if (**line) {
            json_array_add_string_element(array, *line);
        }
    }
    json_object_set_array_member(object, name, array);
}

static void add_case(const DriverRun *run, const DriverCase *c,
                     Outcome outcome, JsonArray *list)
{
    JsonObject *object = json_object_new();

    json_object_set_string_member(object, "name", c->name);
    json_object_set_string_member(object, "result", outcome_words[outcome]);
    json_set_text(object, "reason", run->why ?: run->skipped);
    add_lines(object, "notes", run->notes->str);
    add_lines(object, "said", run->messages->str);
    json_array_add_object_element(list, object);
}

static bool run_in_file(DriverRun *run, const DriverCase *c)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = NULL;
    bool good;

    run->fd = g_file_open_tmp("vfio-migrate-XXXXXX", &path, &error);
    vfio_host_set_report_hook(take_message, run);
    good = run->fd >= 0 ? unlink(path) == 0 && c->func(run)
                        : run_fail(run, "%s", error->message);
    run_close(run);
    vfio_host_forget();
    vfio_host_set_report_hook(NULL, NULL);
    if (run->fd >= 0) {
        close(run->fd);
    }
    return good;
}

static Outcome run_case(const DriverTest *test, const DriverCase *c,
                        unsigned n, JsonArray *list)
{
    DriverRun run = {
        .test = test,
        .messages = g_string_new(NULL),
        .notes = g_string_new(NULL),
        .fd = -1,
    };
    bool good = run_in_file(&run, c);
    Outcome outcome = good ? OUTCOME_PASSED :
                      run.why ? OUTCOME_FAILED : OUTCOME_SKIPPED;

    if (list) {
        add_case(&run, c, outcome, list);
    } else {
        print_tap(&run, c, n, outcome);
    }
    g_string_free(run.messages, true);
    g_string_free(run.notes, true);
    g_free(run.why);
    g_free(run.skipped);
    return outcome;
}

static void add_cases(GPtrArray *list, const DriverCase *cases)
{
    for (; cases->name; cases++) {
        g_ptr_array_add(list, (void *)cases);
    }
}

/* A device that cannot be opened fails in the first case, with the reason. */
static GPtrArray *find_cases(const DriverTest *test)
{
    GPtrArray *list = g_ptr_array_new();
    Error *err = NULL;
    VFIODevice *vbasedev = tool_open(test->source, &err);
    VFIODeviceMigration *mig = vbasedev ? vfio_mig_of(vbasedev) : NULL;

    add_cases(list, driver_cases);
    if (mig && mig->protocol == &vfio_mig_protocol_v2) {
        add_cases(list, driver_cases_v2);
        if (vfio_dirty_log_probe(vbasedev)) {
            add_cases(list, driver_cases_log);
        }
    }
    if (vbasedev) {
        tool_close(vbasedev);
    }
    error_free(err);
    vfio_host_forget();
    return list;
}

static void add_counts(JsonObject *report, const unsigned *count)
{
    for (Outcome o = 0; o < OUTCOME__MAX; o++) {
        json_object_set_int_member(report, outcome_words[o], count[o]);
    }
}

unsigned driver_test_run(const DriverTest *test)
{
    g_autoptr(GPtrArray) cases = find_cases(test);
    JsonArray *list = test->report ? json_array_new() : NULL;
    unsigned count[OUTCOME__MAX] = { 0 };

    if (!list) {
        printf("1..%u\n", cases->len);
    }
    for (unsigned i = 0; i < cases->len; i++) {
        count[run_case(test, cases->pdata[i], i + 1, list)]++;
    }
    if (list) {
        add_counts(test->report, count);
        json_object_set_array_member(test->report, "cases", list);
    } else {
        printf("# %u passed, %u failed, %u skipped\n",
               count[OUTCOME_PASSED], count[OUTCOME_FAILED],
               count[OUTCOME_SKIPPED]);
    }
    return count[OUTCOME_FAILED];
}
