/*
 * vfio-demo: the timeline of the demonstrated migration
 *
 * Owns: when it is written, and where. Does not own: its contents (report/).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "demo.h"
#include "report/report-output.h"
#include "screen.h"

static Report *demo_read_traces(const Demo *demo, GError **error)
{
    TraceLog *logs[PAIR_SIDES] = { NULL };
    Report *report = NULL;
    unsigned count = 0;

    for (int side = 0; side < PAIR_SIDES; side++) {
        g_autofree char *path = pair_trace(&demo->pair, side);

        /* A destination that failed early may have written nothing. */
        logs[count] = trace_log_read(path, side == PAIR_SOURCE ? error
                                                               : NULL);
        count += logs[count] != NULL;
    }
    if (count) {
        report = report_new(logs, count, error && *error ? NULL : error);
    }
    for (unsigned i = 0; i < count; i++) {
        trace_log_free(logs[i]);
    }
    return report;
}

void demo_write_timeline(const Demo *demo, const char *why)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Report) report = NULL;
    g_autofree char *html = NULL, *path = NULL;

    if (!demo->begin_us) {
        return;
    }
    report = demo_read_traces(demo, &error);
    path = g_canonicalize_filename(demo->page, NULL);
    if (report && why) {
        report_set_error(report, why);
    }
    html = report ? report_html(report) : NULL;
    if (html && g_file_set_contents(path, html, -1, &error)) {
        g_autofree char *uri = g_filename_to_uri(path, NULL, NULL);

        screen_print("Timeline: %s", uri ? uri : path);
    } else if (error) {
        screen_print("No timeline: %s", error->message);
    }
}
