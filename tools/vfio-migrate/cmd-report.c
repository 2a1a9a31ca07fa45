/*
 * vfio-migrate report: explain how long a migration took
 *
 * Owns: the files. Does not own: evaluating traces (tools/report).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include "report/report-output.h"
#include "command.h"
#include "json.h"

static char *output_path;
static gboolean options_only;

static const GOptionEntry options[] = {
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &output_path,
      "Write the page to FILE [migration.html]", "FILE" },
    { "options", 0, 0, G_OPTION_ARG_NONE, &options_only,
      "Only print what to add to QEMU's command line for TRACE", NULL },
    { NULL }
};

static void print_options(const char *path)
{
    printf(TRACE_LOG_OPTIONS, path);
    for (unsigned i = 0; trace_log_patterns[i]; i++) {
        printf(" -trace '%s'", trace_log_patterns[i]);
    }
    putchar('\n');
}

static Report *read_report(const Tool *tool, GError **error)
{
    TraceLog *logs[REPORT_ROLES] = { NULL };
    Report *report = NULL;
    unsigned nr_logs = 0;

    while (nr_logs < tool->nr_arguments) {
        logs[nr_logs] = trace_log_read(tool->arguments[nr_logs], error);
        if (!logs[nr_logs]) {
            break;
        }
        nr_logs++;
    }
    if (nr_logs == tool->nr_arguments) {
        report = report_new(logs, nr_logs, error);
    }
    for (unsigned i = 0; i < nr_logs; i++) {
        trace_log_free(logs[i]);
    }
    return report;
}

static void print_report(const Tool *tool, const Report *report,
                         const char *page)
{
    g_autofree char *text = NULL;

    if (tool->json) {
        JsonObject *object = json_report_new("report",
                                             REPORT_SCHEMA_VERSION);

        report_fill_json(report, object);
        json_report_print(object, false);
        return;
    }
    text = report_text(report);
    printf("%s\n  the page: %s\n", text, page);
}

static ToolExit run(const Tool *tool)
{
    const char *page = output_path ? output_path : "migration.html";
    g_autoptr(Report) report = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *html = NULL;
    bool wanted;

    if (options_only) {
        print_options(tool->arguments[0]);
        return TOOL_YES;
    }
    /* With --json, write the page only if --output was given. */
    wanted = !tool->json || output_path;
    if (wanted && !tool_may_write(page)) {
        return TOOL_FAILED;
    }
    report = read_report(tool, &error);
    if (!report) {
        return tool_complain("%s", error->message);
    }
    if (wanted) {
        html = report_html(report);
        if (!g_file_set_contents(page, html, -1, &error)) {
            return tool_complain("%s", error->message);
        }
    }
    print_report(tool, report, page);
    return TOOL_YES;
}

const Command command_report = {
    .name = "report",
    .arguments = "TRACE [TRACE]",
    .summary = "Explain a migration afterwards, and its downtime",
    .description =
        "TRACE is what QEMU's trace backend \"log\" wrote: of the source, of "
        "the\ndestination, or (better) of both, in any order; 'vfio-migrate "
        "report --options\nTRACE' prints what to add to QEMU's command line "
        "for it. The page is one HTML\nfile that needs nothing else; a "
        "summary is printed.\n\n"
        "Exit status: 0 done, 2 wrong usage, 3 a trace cannot be read, or "
        "the page not be\nwritten.",
    .options = options,
    .min_arguments = 1,
    .max_arguments = REPORT_ROLES,
    .opens_nothing = true,
    .run = run,
};
