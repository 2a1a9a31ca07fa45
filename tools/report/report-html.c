/*
 * A report as an HTML page
 *
 * Owns: its text, tables and style sheet. The page is one file without a
 * script, a font or network access. Does not own: the pictures (report-svg.c).
 * No locks.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "screen.h"
#include "report-output.h"

static const char style[] =
    ":root{--bg:#fff;--fg:#212529;--dim:#868e96;--line:#dee2e6;"
    "--card:#f8f9fa;--down:#ffe3e3}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#16191d;--fg:#e9ecef;"
    "--dim:#909aa3;--line:#343a40;--card:#212529;--down:#4a2226}}\n"
    "body{background:var(--bg);color:var(--fg);margin:2rem auto;"
    "max-width:1160px;padding:0 1rem;"
    "font:15px/1.5 system-ui,'DejaVu Sans',sans-serif}\n"
    "h1{font-size:1.6rem;margin:0}h2{font-size:1.15rem;margin:2.2rem 0 .6rem}"
    "\n.sub{color:var(--dim);margin:.2rem 0 1.4rem}\n"
    ".cards{display:flex;flex-wrap:wrap;gap:12px}"
    ".card{background:var(--card);border:1px solid var(--line);"
    "border-radius:8px;padding:.7rem 1rem;flex:1 1 150px}"
    ".card b{display:block;font-size:1.35rem;line-height:1.3}"
    ".card span{color:var(--dim);font-size:.85rem}\n"
    ".bad{border-color:#e03131}.bad b{color:#e03131}\n"
    "svg{width:100%;height:auto;display:block}"
    "svg text{font:12px system-ui,'DejaVu Sans',sans-serif;fill:var(--fg)}\n"
    "svg .lane{text-anchor:end}svg .dim,svg .tick{fill:var(--dim)}"
    "svg .dim{font-size:11px}svg .tick{text-anchor:middle;font-size:11px}"
    "svg .heading{font-weight:600;font-size:13px}"
    "svg .inside{fill:#fff;text-anchor:middle;font-size:11px}\n"
    ".grid{stroke:var(--line);stroke-width:1}.down{fill:var(--down)}\n"
    ".vm-run,.running,.p-start{fill:#2f9e44;background:#2f9e44}"
    ".vm-stop{fill:#e03131}.vm-wait{fill:#868e96}\n"
    ".state{fill:#868e96}.state.running{fill:#2f9e44}"
    ".state.pre-copy{fill:#1c7ed6}.state.stop-copy{fill:#e8590c}"
    ".state.stop{fill:#868e96}.state.resuming{fill:#7048e8}"
    ".state.running-p2p{fill:#8ce99a}.state.pre-copy-p2p{fill:#74c0fc}"
    ".state.error{fill:#c92a2a}\n"
    ".arc{fill:#495057}.refused{fill:#c92a2a}"
    ".bytes-area{fill:#1c7ed633}"
    ".bytes{fill:none;stroke:#1c7ed6;stroke-width:1.5}"
    ".dirty{fill:none;stroke:#f08c00;stroke-width:1.5}"
    ".sync{stroke:#f08c0055;stroke-width:1}.ram{fill:#1098ad}\n"
    ".p-stop,.p-finish{fill:#868e96;background:#868e96}"
    ".p-ram{fill:#1098ad;background:#1098ad}"
    ".p-other{fill:#5c940d;background:#5c940d}"
    ".p-load{fill:#7048e8;background:#7048e8}"
    ".p-paused{fill:#adb5bd;background:#adb5bd}"
    ".p-device,.p-device0{fill:#e8590c;background:#e8590c}"
    ".p-device1{fill:#d6336c;background:#d6336c}"
    ".p-device2{fill:#ae3ec9;background:#ae3ec9}"
    ".p-device3{fill:#f08c00;background:#f08c00}\n"
    ".staged{fill:#ffa94d}.moved{fill:#1c7ed6}\n"
    "table{border-collapse:collapse;width:100%}"
    "th{text-align:left;font-weight:600;color:var(--dim);font-size:.85rem}"
    "th,td{padding:.35rem .6rem;border-bottom:1px solid var(--line);"
    "vertical-align:top}.n{text-align:right;white-space:nowrap}"
    "i.key{display:inline-block;width:11px;height:11px;border-radius:2px;"
    "margin:0 .5em 0 .3em}\n"
    ".bar{height:8px;border-radius:4px;margin-top:.5em;min-width:1px}"
    "footer{color:var(--dim);font-size:.85rem;margin:2.5rem 0}"
    "code{font-size:.9em}\n";

static void add(GString *page, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void add(GString *page, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_string_append_vprintf(page, format, arguments);
    va_end(arguments);
}

/* ---- cards ---- */

static void add_card(GString *page, const char *class, const char *figure,
                     const char *name)
{
    g_autofree char *value = report_escape(figure);
    g_autofree char *text = report_escape(name);

    add(page, "<div class=\"card %s\"><b>%s</b><span>%s</span></div>\n",
        class, value, text);
}

/* Waiting for 'cont' is not up to us: such time is listed separately. */
static char *downtime_text(const Report *report)
{
    for (unsigned i = 0; i < report->parts->len; i++) {
        const ReportPart *part = g_ptr_array_index(report->parts, i);
        g_autofree char *time = screen_time(part->end_us - part->begin_us);

        if (part->kind == REPORT_PART_PAUSED) {
            return g_strdup_printf("downtime: the VM stood still, %s of it "
                                   "paused until cont", time);
        }
    }
    return g_strdup(report->sides[REPORT_DESTINATION]
                    ? "downtime: the VM stood still"
                    : "downtime, as far as the source knows");
}

static void add_downtime_card(GString *page, const Report *report)
{
    const ReportSide *source = report->sides[REPORT_SOURCE];
    g_autofree char *time = screen_time(report_downtime_us(report));
    g_autofree char *text = downtime_text(report);
    g_autofree char *expected = report_expected(report);

    if (report->down_us) {
        g_autofree char *both = g_strconcat(text, expected ? "; " : NULL,
                                            expected, NULL);

        add_card(page, "", time, both);
    } else if (source) {
        add_card(page, "bad", source->status, source->error
                 ? source->error : "the VM did not move");
    }
}

static void add_device_cards(GString *page, const ReportSide *side)
{
    for (unsigned i = 0; i < side->devices->len; i++) {
        const ReportDevice *device = g_ptr_array_index(side->devices, i);
        g_autofree char *size = screen_size(device->bytes);
        g_autofree char *stopped = screen_size(device->stopped_bytes);
        g_autofree char *name =
            g_strdup_printf("of %s, %s while the VM stood still",
                            device->name, stopped);

        add_card(page, "", size, name);
    }
}

static void add_cards(GString *page, const Report *report)
{
    const ReportSide *source = report->sides[REPORT_SOURCE];
    const ReportSide *side = source ? source
                                    : report->sides[REPORT_DESTINATION];
    g_autofree char *total = screen_time(report->end_us - report->begin_us);

    add(page, "<div class=\"cards\">\n");
    add_card(page, "", total, "from the command to the end");
    add_downtime_card(page, report);
    add_device_cards(page, side);
    if (source) {
        g_autofree char *syncs = g_strdup_printf("%u", source->syncs->len);

        add_card(page, "", syncs, "times the dirty pages were asked for");
    }
    add(page, "</div>\n");
}

/* ---- tables ---- */

static void add_parts(GString *page, const Report *report)
{
    double all_us = MAX(report_downtime_us(report), 1);

    add(page, "<table><tr><th>part</th><th>at the</th><th class=\"n\">begins"
        "</th><th class=\"n\">takes</th><th class=\"n\">share</th>"
        "<th style=\"width:30%%\"></th></tr>\n");
    for (unsigned i = 0; i < report->parts->len; i++) {
        const ReportPart *part = g_ptr_array_index(report->parts, i);
        double share = 100 * (part->end_us - part->begin_us) / all_us;
        g_autofree char *class = report_part_class(report, part);
        g_autofree char *name = report_escape(part->name);
        g_autofree char *begin = screen_time(part->begin_us -
                                             report->down_us);
        g_autofree char *time = screen_time(part->end_us - part->begin_us);

        add(page, "<tr><td><i class=\"key %s\"></i>%s</td><td>%s</td>"
            "<td class=\"n\">%s</td><td class=\"n\">%s</td><td class=\"n\">"
            "%.1f %%</td><td><div class=\"bar %s\" style=\"width:%d%%\">"
            "</div></td></tr>\n", class, name,
            part->role == REPORT_SOURCE ? "source" : "destination", begin,
            time, share, class, (int)(share + 0.5));
    }
    add(page, "</table>\n");
}

static void add_advice(GString *page, const Report *report)
{
    add(page, "<table><tr><th>what</th><th class=\"n\">takes</th>"
        "<th>what would make it shorter</th></tr>\n");
    for (unsigned i = 0; i < report->advice->len; i++) {
        const ReportAdvice *row = g_ptr_array_index(report->advice, i);
        g_autofree char *what = report_escape(row->what);
        g_autofree char *how = report_escape(row->how);
        g_autofree char *time = screen_time(row->time_us);

        add(page, "<tr><td>%s</td><td class=\"n\">%s</td><td>%s</td></tr>\n",
            what, time, how);
    }
    add(page, "</table>\n");
}

static void add_arcs(GString *page, const Report *report,
                     const ReportSide *side)
{
    for (unsigned i = 0; i < side->devices->len; i++) {
        const ReportDevice *device = g_ptr_array_index(side->devices, i);
        g_autofree char *name = report_escape(device->name);

        for (unsigned n = 0; n < device->arcs->len; n++) {
            const ReportArc *arc = g_ptr_array_index(device->arcs, n);
            g_autofree char *from = report_escape(arc->from);
            g_autofree char *to = report_escape(arc->to);
            g_autofree char *at = screen_time(MAX(
                arc->time_us - arc->taken_us - report->begin_us, 0));
            g_autofree char *taken = screen_time(arc->taken_us);
            g_autofree char *result = arc->ret
                ? g_strdup_printf("refused: %s", g_strerror(-arc->ret))
                : g_strdup("");

            add(page, "<tr><td>%s</td><td>%s</td><td class=\"n\">%s</td>"
                "<td>%s → %s</td><td class=\"n\">%s</td><td>%s</td>"
                "</tr>\n", side->role == REPORT_SOURCE ? "source"
                : "destination", name, at, from, to, taken, result);
        }
        for (unsigned n = 0; n < device->notes->len; n++) {
            g_autofree char *note = report_escape(
                g_ptr_array_index(device->notes, n));

            add(page, "<tr><td>%s</td><td>%s</td><td></td><td colspan=\"3\">"
                "%s</td></tr>\n", side->role == REPORT_SOURCE ? "source"
                : "destination", name, note);
        }
    }
}

static void add_footer(GString *page, const Report *report)
{
    g_autofree char *shift = screen_time(report->shift_us);

    add(page, "<footer>");
    for (int role = 0; role < REPORT_ROLES; role++) {
        const ReportSide *side = report->sides[role];
        g_autofree char *path = side ? report_escape(side->path) : NULL;

        if (side) {
            add(page, "%s: <code>%s</code>. ", role == REPORT_SOURCE
                ? "Source" : "Destination", path);
        } else {
            add(page, "Of the %s there is no trace. ", role == REPORT_SOURCE
                ? "source" : "destination");
        }
    }
    if (report->shift_us) {
        add(page, "The clocks of the two hosts differ by %s at least, which "
            "was added to the destination's. ", shift);
    }
    add(page, "Times are those of QEMU's trace events; tracing itself takes "
        "some microseconds a chunk. Made by vfio-migrate report, "
        TOOL_VERSION ".</footer>\n");
}

/* ---- the page ---- */

static void add_downtime(GString *page, const Report *report)
{
    add(page, "<h2>While the VM stood still</h2>\n");
    report_draw_downtime(page, report);
    add(page, "<p class=\"sub\"><i class=\"key\" style=\"background:#ffa94d\">"
        "</i>the driver prepares or takes data  <i class=\"key\" "
        "style=\"background:#1c7ed6\"></i>data is copied and sent</p>\n");
    add_parts(page, report);
    add(page, "<h2>What would make it shorter</h2>\n");
    add_advice(page, report);
}

static char *begin_text(const Report *report)
{
    g_autoptr(GDateTime) time =
        g_date_time_new_from_unix_utc(report->begin_us / G_USEC_PER_SEC);

    return time ? g_date_time_format(time, "%Y-%m-%d %H:%M:%S UTC")
                : g_strdup("at an unknown time");
}

char *report_html(const Report *report)
{
    GString *page = g_string_new("<!DOCTYPE html>\n<html lang=\"en\"><head>"
                                 "<meta charset=\"utf-8\"/><meta name="
                                 "\"viewport\" content=\"width=device-width\"/>"
                                 "<title>Live migration</title>\n<style>");
    g_autofree char *begin = begin_text(report);

    add(page, "%s</style></head><body>\n", style);
    add(page, "<h1>Live migration of a VM with VFIO devices</h1>\n"
        "<p class=\"sub\">%s</p>\n", begin);
    add_cards(page, report);
    add(page, "<h2>The whole migration</h2>\n");
    report_draw_all(page, report);
    add(page, "<p class=\"sub\"><i class=\"key\" style=\"background:#1098ad\">"
        "</i>RAM is sent  <i class=\"key\" style=\"background:#f08c00\"></i>"
        "dirty pages, at each time that they were asked for  <i class=\"key\" "
        "style=\"background:#1c7ed6\"></i>bytes of the device so far  "
        "<i class=\"key\" style=\"background:#495057\"></i>a driver changes "
        "its state  <i class=\"key\" style=\"background:#c92a2a\"></i>"
        "or refuses to</p>\n");
    if (report->down_us) {
        add_downtime(page, report);
    }
    add(page, "<h2>Changes of state</h2>\n<table><tr><th>at the</th><th>"
        "device</th><th class=\"n\">at</th><th>from, to</th>"
        "<th class=\"n\">took</th><th></th></tr>\n");
    for (int role = 0; role < REPORT_ROLES; role++) {
        if (report->sides[role]) {
            add_arcs(page, report, report->sides[role]);
        }
    }
    add(page, "</table>\n");
    add_footer(page, report);
    add(page, "</body></html>\n");
    return g_string_free(page, false);
}
