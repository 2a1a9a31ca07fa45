/*
 * Test: what vfio-migrate report makes of traces
 *
 * tests/tools/report/NAME-source.trace and NAME-destination.trace are of real
 * migrations; NAME.golden is the text and the JSON that come of them. Beside
 * that: traces that are wrong, cut, of two clocks, or damaged at will.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include <unistd.h>
#include <glib/gstdio.h>
#include "golden.h"
#include "report/report-output.h"

#define DAMAGED_TRACES 400

static const char *const names[] = { "two", "builtin", "failed" };

/* ---- helpers ---- */

static Report *report_of(const char *source, const char *destination,
                         GError **error)
{
    const char *paths[] = { source, destination };
    TraceLog *logs[2] = { NULL };
    Report *report = NULL;
    unsigned count = 0;

    for (unsigned i = 0; i < 2; i++) {
        if (paths[i]) {
            logs[count] = trace_log_read(paths[i], error);
            if (!logs[count++]) {
                break;
            }
        }
    }
    if (logs[count - 1]) {
        report = report_new(logs, count, error);
    }
    for (unsigned i = 0; i < count; i++) {
        trace_log_free(logs[i]);
    }
    return report;
}

static Report *report_named(const char *name)
{
    g_autofree char *source = g_strconcat(name, "-source.trace", NULL);
    g_autofree char *destination = g_strconcat(name, "-destination.trace",
                                               NULL);
    g_autoptr(GError) error = NULL;
    Report *report = report_of(source, destination, &error);

    g_assert_no_error(error);
    return report;
}

/* A file with @text, in the directory of temporary files */
static char *file_with(const char *text)
{
    g_autoptr(GError) error = NULL;
    char *path = NULL;
    int fd = g_file_open_tmp("trace-XXXXXX", &path, &error);

    g_assert_no_error(error);
    close(fd);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    return path;
}

static char *contents(const char *path)
{
    char *text = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return text;
}

/* Well-formed, and nothing in it that a browser would fetch or run */
static void check_page(const Report *report)
{
    static const GMarkupParser parser = { 0 };
    g_autofree char *page = report_html(report);
    g_autoptr(GMarkupParseContext) context =
        g_markup_parse_context_new(&parser, 0, NULL, NULL);
    g_autoptr(GError) error = NULL;

    g_markup_parse_context_parse(context, page, -1, &error);
    g_assert_no_error(error);
    g_markup_parse_context_end_parse(context, &error);
    g_assert_no_error(error);
    g_assert_null(strstr(page, "<script"));
    g_assert_null(strstr(page, "href"));
    g_assert_null(strstr(page, "src="));
    g_assert_null(strstr(page, "url("));
    g_assert_cmpuint(strlen(page), <, 1 << 20);
}

/* ---- real traces ---- */

static void test_golden(const void *opaque)
{
    const char *name = opaque;
    g_autoptr(Report) report = report_named(name);
    g_autofree char *golden = g_strconcat(name, ".golden", NULL);
    g_autofree char *text = report_text(report);
    g_autofree char *json = NULL, *all = NULL;
    JsonObject *object = json_object_new();

    report_fill_json(report, object);
    json = golden_json(object);
    all = g_strconcat("== text\n", text, "== JSON\n", json, "\n", NULL);
    golden_compare(golden, all);
    check_page(report);
}

/* The parts are the downtime: no gap, nothing twice. */
static void check_parts(const Report *report)
{
    int64_t at_us = report->down_us;

    for (unsigned i = 0; i < report->parts->len; i++) {
        ReportPart *part = g_ptr_array_index(report->parts, i);

        g_assert_cmpint(part->begin_us, ==, at_us);
        g_assert_cmpint(part->end_us, >, part->begin_us);
        at_us = part->end_us;
    }
    g_assert_cmpint(at_us, ==, report->up_us);
}

static void test_parts(const void *opaque)
{
    g_autoptr(Report) report = report_named(opaque);

    check_parts(report);
}

static void test_one_side(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Report) source = report_of("two-source.trace", NULL, &error);
    g_autoptr(Report) destination =
        report_of("two-destination.trace", NULL, &error);

    g_assert_no_error(error);
    g_assert_cmpint(report_downtime_us(source), >, 0);
    g_assert_cmpint(report_downtime_us(destination), ==, 0);
    g_assert_cmpuint(destination->sides[REPORT_DESTINATION]->devices->len, ==,
                     2);
    check_page(source);
    check_page(destination);
}

/* ---- what comes after it ---- */

/* The VMs live on, an hour later: no part of the migration. */
static void test_later(void)
{
    static const char at_source[] =
        "7116@1795990611.000000:runstate_set current_run_state 5 (postmigrate) "
        "new_state 11 (shutdown)\n"
        "7116@1795990612.000000:vfio_migration_transition  (dev0) stop -> "
        "running ret 0 1000 ns\n";
    static const char at_destination[] =
        "7201@1795990611.000000:runstate_set current_run_state 9 (running) "
        "new_state 4 (paused)\n"
        "7201@1795990611.000001:vm_state_notify running 0 reason 4 (paused)\n"
        "7201@1795990611.500000:vfio_migration_transition  (dev0) running -> "
        "stop ret 0 1000 ns\n"
        "7201@1795990612.000000:runstate_set current_run_state 4 (paused) "
        "new_state 9 (running)\n"
        "7201@1795990612.000001:vm_state_notify running 1 reason 9 (running)\n"
        "7201@1795990612.500000:vfio_migration_vm_state  (dev0) running 1 "
        "reason running device running\n";
    g_autoptr(Report) plain = report_named("two");
    g_autofree char *source = contents("two-source.trace");
    g_autofree char *destination = contents("two-destination.trace");
    g_autofree char *long_source = g_strconcat(source, at_source, NULL);
    g_autofree char *long_destination = g_strconcat(destination,
                                                    at_destination, NULL);
    g_autofree char *source_file = file_with(long_source);
    g_autofree char *destination_file = file_with(long_destination);
    g_autoptr(GError) error = NULL;
    g_autoptr(Report) report = report_of(source_file, destination_file,
                                         &error);

    g_assert_no_error(error);
    g_assert_cmpint(report_downtime_us(report), ==, report_downtime_us(plain));
    g_assert_cmpint(report->end_us, ==, plain->end_us);
    g_unlink(source_file);
    g_unlink(destination_file);
}

/* ---- two clocks ---- */

/* @text with every time changed by @by_us */
static char *shifted(const char *text, int64_t by_us)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    GString *out = g_string_new(NULL);

    for (unsigned i = 0; lines[i] && *lines[i]; i++) {
        char *at = strchr(lines[i], '@'), *end;
        int64_t time_us = g_ascii_strtoll(at + 1, &end, 10) * G_USEC_PER_SEC;

        time_us += g_ascii_strtoll(end + 1, &end, 10) + by_us;
        g_string_append_printf(out, "%.*s@%" G_GINT64_FORMAT ".%06d%s\n",
                               (int)(at - lines[i]), lines[i],
                               time_us / G_USEC_PER_SEC,
                               (int)(time_us % G_USEC_PER_SEC), end);
    }
    return g_string_free(out, false);
}

/* A destination whose clock is slow took chunks before they were sent. */
static void test_clocks(void)
{
    g_autofree char *text = contents("two-destination.trace");
    g_autofree char *slow = shifted(text, -3 * G_USEC_PER_SEC);
    g_autofree char *path = file_with(slow);
    g_autoptr(Report) same = report_named("two");
    g_autoptr(GError) error = NULL;
    g_autoptr(Report) report = report_of("two-source.trace", path, &error);
    int64_t difference_us;

    g_assert_no_error(error);
    g_assert_cmpint(same->shift_us, ==, 0);
    g_assert_cmpint(report->shift_us, <=, 3 * G_USEC_PER_SEC);
    difference_us = report_downtime_us(same) - report_downtime_us(report);
    /* Off by how long the fastest chunk was on its way. */
    g_assert_cmpint(difference_us, >=, 0);
    g_assert_cmpint(difference_us, ==,
                    3 * G_USEC_PER_SEC - report->shift_us);
    g_assert_cmpint(difference_us, <, 50000);
    g_unlink(path);
}

/* A smaller window at the destination takes each chunk in four. */
static void test_split(void)
{
    g_autofree char *text = contents("two-destination.trace");
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autoptr(GString) split = g_string_new(NULL);
    g_autofree char *path = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(Report) report = NULL;
    unsigned count = 0;

    for (unsigned i = 0; lines[i] && *lines[i]; i++) {
        const char *size = strstr(lines[i], "load_chunk")
            ? strstr(lines[i], " size 0x") : NULL;
        guint64 bytes = size ? g_ascii_strtoull(size + 6, NULL, 16) : 0;

        for (unsigned n = 0; n < (size ? 4 : 1); n++, count++) {
            g_string_append_len(split, lines[i], size ? size - lines[i] : -1);
            if (size) {
                g_string_append_printf(split, " size 0x%" G_GINT64_MODIFIER
                                       "x", bytes / 4);
            }
            g_string_append_c(split, '\n');
        }
    }
    g_assert_cmpuint(count, >, g_strv_length(lines));
    path = file_with(split->str);
    report = report_of("two-source.trace", path, &error);
    g_assert_no_error(error);
    g_assert_cmpint(report->shift_us, ==, 0);
    g_unlink(path);
}

/* ---- a destination that was started with -S ---- */

static void expect_words(const char *text, const char *words)
{
    if (!strstr(text, words)) {
        g_error("'%s' is not in: %s", words, text);
    }
}

static char *without_dev1(char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    GString *out = g_string_new(NULL);

    for (char **line = lines; *line; line++) {
        if (!strstr(*line, "(dev1)") && !strstr(*line, ":06.0/vfio")) {
            g_string_append_printf(out, "%s\n", *line);
        }
    }
    g_free(text);
    return g_string_free(out, false);
}

/* It is paused once it has loaded; 'cont' comes half a second later. */
static char *waiting_destination(void)
{
    g_autofree char *text = without_dev1(contents("two-destination.trace"));
    char *loaded = strstr(text, "9 (running)\n7201@1795987011.095851:");
    g_autofree char *running = shifted(strchr(loaded, '\n') + 1,
                                       G_USEC_PER_SEC / 2);

    *loaded = '\0';
    return g_strconcat(text, "4 (paused)\n7201@1795987011.595850:runstate_set "
                       "current_run_state 4 (paused) new_state 9 (running)\n",
                       running, NULL);
}

/* Of one device, whose driver does not tell what the stopped one has */
static void test_waits(void)
{
    g_autofree char *text = without_dev1(contents("two-source.trace"));
    g_auto(GStrv) told = g_strsplit(text, "lower bound 0", -1);
    g_autofree char *source = g_strjoinv("lower bound 1", told);
    g_autofree char *destination = waiting_destination();
    g_autofree char *source_file = file_with(source);
    g_autofree char *destination_file = file_with(destination);
    g_autoptr(GError) error = NULL;
    g_autoptr(Report) report = report_of(source_file, destination_file,
                                         &error);
    g_autofree char *said = report ? report_text(report) : NULL;

    g_assert_no_error(error);
    expect_words(said, "at least 240 ms were expected, without the wait for "
                 "cont\n");
    expect_words(said, "\n  paused until cont         500 ms ");
    expect_words(said, "'cont' comes from outside (libvirt, a script).\n");
    g_assert_null(strstr(said, "one after the other"));
    check_parts(report);
    check_page(report);
    g_unlink(source_file);
    g_unlink(destination_file);
}

/* ---- what is wrong ---- */

static void expect_error(const char *source, const char *destination,
                         const char *words)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Report) report = report_of(source, destination, &error);

    g_assert_null(report);
    g_assert_nonnull(error);
    expect_words(error->message, words);
}

static void test_wrong(void)
{
    g_autofree char *text = contents("two-source.trace");
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autoptr(GString) bare = g_string_new(NULL);
    g_autofree char *untimed = NULL, *empty = file_with("");
    g_autofree char *idle = file_with("1@5.000001:runstate_set current_"
                                      "run_state 6 (prelaunch) new_state 9 "
                                      "(running)\n");

    for (unsigned i = 0; lines[i]; i++) {
        g_string_append_printf(bare, "%s\n", strchr(lines[i], ':')
                               ? strchr(lines[i], ':') + 1 : "");
    }
    untimed = file_with(bare->str);
    expect_error("no-such.trace", NULL, "No such file");
    expect_error(empty, NULL, "no events of a migration");
    expect_error(untimed, NULL, "-msg timestamp=on");
    expect_error(idle, NULL, "no migration begins in it");
    expect_error("two-source.trace", "failed-source.trace",
                 "both of a source");
    g_unlink(untimed);
    g_unlink(empty);
    g_unlink(idle);
}

/* A trace ends anywhere: its QEMU was killed. */
static void test_cut(void)
{
    g_autofree char *text = contents("two-source.trace");
    size_t length = strlen(text);

    for (size_t at = length; at > 600; at -= 397) {
        g_autofree char *path = NULL;
        g_autoptr(Report) report = NULL;

        text[at] = '\0';
        path = file_with(text);
        report = report_of(path, "two-destination.trace", NULL);
        if (report) {
            check_page(report);
        }
        g_unlink(path);
    }
}

/* Whatever stands in a file: a page that is well-formed, or an error */
static void test_damaged(void)
{
    static const char bytes[] = "0123456789-()<>&\"'\n @:.x\xff\x01";
    g_autofree char *text = contents("two-source.trace");
    size_t length = strlen(text);
    unsigned pages = 0;

    for (unsigned n = 0; n < DAMAGED_TRACES; n++) {
        g_autofree char *copy = g_strdup(text);
        g_autofree char *path = NULL;
        g_autoptr(Report) report = NULL;

        for (unsigned i = 0; i < 40; i++) {
            copy[g_test_rand_int_range(0, length)] =
                bytes[g_test_rand_int_range(0, sizeof(bytes) - 1)];
        }
        path = file_with(copy);
        report = report_of(path, "two-destination.trace", NULL);
        if (report) {
            check_page(report);
            pages++;
        }
        g_unlink(path);
    }
    g_assert_cmpuint(pages, >, DAMAGED_TRACES / 2);
}

/* More chunks than can be seen: the page stays small. */
static void test_many(void)
{
    g_autoptr(GString) text = g_string_new(
        "1@100.000000:migrate_set_state new state setup\n"
        "1@100.000001:runstate_set current_run_state 9 (running) new_state 7 "
        "(finish-migrate)\n");
    g_autofree char *path = NULL;
    g_autoptr(Report) report = NULL;
    const ReportDevice *device;

    for (unsigned i = 0; i < 200000; i++) {
        g_string_append_printf(text, "1@%u.%06u:vfio_migration_save_chunk "
                               "(d) offset 0x0 size 0x100000\n"
                               "1@%u.%06u:vfio_migration_pending (d) pending "
                               "1 sent 1\n", 101 + i / 1000,
                               i % 1000 * 1000, 101 + i / 1000,
                               i % 1000 * 1000 + 500);
    }
    g_string_append(text, "1@400.000000:migrate_set_state new state "
                    "completed\n");
    path = file_with(text->str);
    report = report_of(path, NULL, NULL);
    g_assert_nonnull(report);
    device = report_device(report->sides[REPORT_SOURCE], "d");
    g_assert_cmpuint(device->chunks->len, ==, 200000);
    g_assert_cmpuint(device->stopped_bytes, ==, UINT64_C(200000) << 20);
    check_page(report);
    g_unlink(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* So that the paths in the files are the same everywhere */
    g_assert_cmpint(chdir(REPORT_DIR), ==, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *golden = g_strconcat("/report/output/", names[i],
                                              NULL);
        g_autofree char *parts = g_strconcat("/report/parts/", names[i],
                                             NULL);

        g_test_add_data_func(golden, names[i], test_golden);
        g_test_add_data_func(parts, names[i], test_parts);
    }
    g_test_add_func("/report/one-side", test_one_side);
    g_test_add_func("/report/later", test_later);
    g_test_add_func("/report/waits", test_waits);
    g_test_add_func("/report/clocks", test_clocks);
    g_test_add_func("/report/split", test_split);
    g_test_add_func("/report/wrong", test_wrong);
    g_test_add_func("/report/cut", test_cut);
    g_test_add_func("/report/damaged", test_damaged);
    g_test_add_func("/report/many", test_many);
    return g_test_run();
}
