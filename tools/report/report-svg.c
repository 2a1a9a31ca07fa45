/*
 * The pictures of a report, as SVG
 *
 * Owns: the mapping from time to position, lanes, bands and curves. Items too
 * close together to be distinguished are drawn as one, which bounds the size
 * of the page. No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <math.h>
#include <string.h>
#include "screen.h"
#include "report-output.h"

#define WIDTH       1160.0
#define LEFT        150.0
#define RIGHT       20.0
#define BAND        24.0        /* heights */
#define CURVE       58.0
#define GAP         8.0
#define HEADING     26.0
#define AXIS        34.0
#define LETTER  6.6         /* approximate width in the small font */
#define SEEN        0.5         /* smallest visible distance */

typedef struct Plot {
    GString *page;
    int64_t begin_us, end_us;
    double y;                   /* top of the next lane */
} Plot;

char *report_escape(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);

    return g_markup_escape_text(valid, -1);
}

static double place(const Plot *plot, int64_t time_us)
{
    double part = (double)(time_us - plot->begin_us) /
                  (plot->end_us - plot->begin_us);

    return LEFT + CLAMP(part, 0, 1) * (WIDTH - LEFT - RIGHT);
}

/* SVG requires a decimal point, whatever the locale. */
static const char *number(char buffer[G_ASCII_DTOSTR_BUF_SIZE], double value)
{
    return g_ascii_formatd(buffer, G_ASCII_DTOSTR_BUF_SIZE, "%.2f", value);
}

static void add_rect(const Plot *plot, const char *class, double x, double y,
                     double width, double height, const char *title)
{
    char a[G_ASCII_DTOSTR_BUF_SIZE], b[G_ASCII_DTOSTR_BUF_SIZE];
    char c[G_ASCII_DTOSTR_BUF_SIZE], d[G_ASCII_DTOSTR_BUF_SIZE];
    g_autofree char *text = report_escape(title);

    g_string_append_printf(plot->page, "<rect class=\"%s\" x=\"%s\" y=\"%s\" "
                           "width=\"%s\" height=\"%s\"><title>%s</title>"
                           "</rect>\n", class, number(a, x), number(b, y),
                           number(c, width), number(d, height), text);
}

static void add_text(const Plot *plot, const char *class, double x, double y,
                     const char *text)
{
    char a[G_ASCII_DTOSTR_BUF_SIZE], b[G_ASCII_DTOSTR_BUF_SIZE];
    g_autofree char *escaped = report_escape(text);

    g_string_append_printf(plot->page, "<text class=\"%s\" x=\"%s\" "
                           "y=\"%s\">%s</text>\n", class, number(a, x),
                           number(b, y), escaped);
}

static void add_line(const Plot *plot, const char *class, double x1,
                     double y1, double x2, double y2)
{
    char a[G_ASCII_DTOSTR_BUF_SIZE], b[G_ASCII_DTOSTR_BUF_SIZE];
    char c[G_ASCII_DTOSTR_BUF_SIZE], d[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append_printf(plot->page, "<line class=\"%s\" x1=\"%s\" "
                           "y1=\"%s\" x2=\"%s\" y2=\"%s\"/>\n", class,
                           number(a, x1), number(b, y1), number(c, x2),
                           number(d, y2));
}

/* ---- frame ---- */

static void begin_svg(const Plot *plot, double height, const char *label)
{
    char a[G_ASCII_DTOSTR_BUF_SIZE], b[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append_printf(plot->page, "<svg viewBox=\"0 0 %s %s\" "
                           "role=\"img\" aria-label=\"%s\" "
                           "xmlns=\"http://www.w3.org/2000/svg\">\n",
                           number(a, WIDTH), number(b, height), label);
}

/* 1, 2 or 5 times a power of ten, for about ten ticks */
static int64_t tick_us(int64_t length_us)
{
    double raw = MAX(length_us / 9.0, 1);
    double power = pow(10, floor(log10(raw)));
    double lead = raw / power;

    return power * (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10);
}

static void draw_axis(const Plot *plot, double top, double bottom)
{
    int64_t length_us = plot->end_us - plot->begin_us;
    int64_t step_us = tick_us(length_us);

    for (int64_t at_us = 0; at_us <= length_us; at_us += step_us) {
        double x = place(plot, plot->begin_us + at_us);
        g_autofree char *text = at_us ? screen_time(at_us) : g_strdup("0");

        add_line(plot, "grid", x, top, x, bottom);
        add_text(plot, "tick", x, bottom + 16, text);
    }
}

static void label_lane(const Plot *plot, const char *text, double y)
{
    g_autofree char *name = g_strndup(text, 20);

    add_text(plot, "lane", LEFT - 10, y, name);
}

static void add_heading(Plot *plot, const char *text)
{
    add_text(plot, "heading", 0, plot->y + 18, text);
    plot->y += HEADING;
}

/* ---- bands ---- */

static void draw_band(const Plot *plot, const char *class, const char *name,
                      int64_t begin_us, int64_t end_us, double height)
{
    double x = place(plot, begin_us), width = place(plot, end_us) - x;
    g_autofree char *time = screen_time(MAX(end_us - begin_us, 0));
    g_autofree char *title = g_strdup_printf("%s, %s", name, time);

    if (end_us <= plot->begin_us || begin_us >= plot->end_us) {
        return;
    }
    add_rect(plot, class, x, plot->y, MAX(width, 1), height, title);
    if (strlen(title) * LETTER < width) {
        add_text(plot, "inside", x + width / 2, plot->y + height / 2 + 4,
                 title);
    } else if (strlen(name) * LETTER < width) {
        add_text(plot, "inside", x + width / 2, plot->y + height / 2 + 4,
                 name);
    }
}

/* Between two states: the time that the driver takes for the change */
static void draw_arcs(const Plot *plot, const ReportDevice *device)
{
    for (unsigned i = 0; i < device->arcs->len; i++) {
        const ReportArc *arc = g_ptr_array_index(device->arcs, i);
        g_autofree char *name = g_strdup_printf(
            "%s to %s%s", arc->from, arc->to, arc->ret ? ", refused" : "");

        draw_band(plot, arc->ret ? "arc refused" : "arc", name,
                  arc->time_us - arc->taken_us, arc->time_us, BAND);
    }
}

/* @ended: the device is gone at the end of its trace */
static void draw_states(Plot *plot, const ReportDevice *device, bool ended)
{
    label_lane(plot, device->name, plot->y + BAND / 2 + 4);
    for (unsigned i = 0; i < device->states->len; i++) {
        const ReportSpan *span = g_ptr_array_index(device->states, i);
        bool last = i + 1 == device->states->len;
        g_autofree char *name = g_strcanon(g_strdup(span->name),
                                           G_CSET_a_2_z "-", '-');
        g_autofree char *class = g_strconcat("state ", name, NULL);

        draw_band(plot, class, span->name, span->begin_us,
                  last && !ended ? plot->end_us : span->end_us, BAND);
    }
    draw_arcs(plot, device);
    plot->y += BAND;
}

static void draw_vm(Plot *plot, const Report *report, ReportRole role)
{
    const ReportSide *side = report->sides[role];
    int64_t stop_us = side->stop_us ? side->stop_us : plot->end_us;

    label_lane(plot, "VM", plot->y + BAND / 2 + 4);
    if (role == REPORT_SOURCE) {
        bool moved = strcmp(side->status, "completed") == 0;
        int64_t back_us = moved ? report->up_us
            : side->end_us ? side->end_us : plot->end_us;

        draw_band(plot, "vm-run", "runs", report->begin_us, stop_us, BAND);
        draw_band(plot, "vm-stop", "stands still", stop_us, back_us, BAND);
        draw_band(plot, moved ? "vm-wait" : "vm-run",
                  moved ? "has left" : "runs on", back_us, plot->end_us,
                  BAND);
    } else {
        int64_t run_us = side->run_us ? side->run_us : side->last_us;

        draw_band(plot, "vm-wait", "waits", side->begin_us, run_us, BAND);
        if (side->run_us) {
            draw_band(plot, "vm-run", "runs", run_us, plot->end_us, BAND);
        }
    }
    plot->y += BAND + GAP;
}

/* ---- curves ---- */

/* A path of steps; a point too close to the previous one is left out */
typedef struct Steps {
    const Plot *plot;
    double bottom, scale;       /* pixels per unit */
    double last_x;
    GString *path;
} Steps;

static void begin_steps(Steps *steps)
{
    char a[G_ASCII_DTOSTR_BUF_SIZE], b[G_ASCII_DTOSTR_BUF_SIZE];

    steps->last_x = LEFT;
    steps->path = g_string_new(NULL);
    g_string_append_printf(steps->path, "M%s,%s", number(a, LEFT),
                           number(b, steps->bottom));
}

static void add_step(Steps *steps, int64_t time_us, double value, bool last)
{
    double x = place(steps->plot, time_us);
    double y = steps->bottom - value * steps->scale;
    char a[G_ASCII_DTOSTR_BUF_SIZE], b[G_ASCII_DTOSTR_BUF_SIZE];

    if (x - steps->last_x >= SEEN || last) {
        g_string_append_printf(steps->path, "H%sV%s", number(a, x),
                               number(b, y));
        steps->last_x = x;
    }
}

/* @area: class of the area below the line; NULL for none */
static void end_steps(Steps *steps, const char *line, const char *area)
{
    GString *page = steps->plot->page;
    char a[G_ASCII_DTOSTR_BUF_SIZE], b[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append_printf(steps->path, "H%s", number(a, WIDTH - RIGHT));
    if (area) {
        g_string_append_printf(page, "<path class=\"%s\" d=\"%sV%sZ\"/>\n",
                               area, steps->path->str,
                               number(b, steps->bottom));
    }
    g_string_append_printf(page, "<path class=\"%s\" d=\"%s\"/>\n", line,
                           steps->path->str);
    g_string_free(steps->path, true);
}

static void draw_bytes(Plot *plot, const ReportDevice *device)
{
    g_autofree char *size = screen_size(device->bytes);
    g_autofree char *label = g_strdup_printf(
        "%s, %u chunk%s", size, device->chunks->len,
        device->chunks->len == 1 ? "" : "s");
    Steps steps = {
        .plot = plot, .bottom = plot->y + CURVE,
        .scale = device->bytes ? (CURVE - 14) / device->bytes : 0,
    };
    double sum = 0;

    begin_steps(&steps);
    for (unsigned i = 0; i < device->chunks->len; i++) {
        const ReportChunk *chunk = &g_array_index(device->chunks,
                                                  ReportChunk, i);

        sum += chunk->bytes;
        add_step(&steps, chunk->end_us, sum, i + 1 == device->chunks->len);
    }
    end_steps(&steps, "bytes", "bytes-area");
    add_text(plot, "lane dim", LEFT - 10, plot->y + CURVE - 4, label);
    plot->y += CURVE + GAP;
}

static void draw_ram_sections(const Plot *plot, const ReportSide *side)
{
    double from = -1, to = -1;

    for (unsigned i = 0; i < side->sections->len; i++) {
        const ReportSpan *span = g_ptr_array_index(side->sections, i);
        double begin, end;

        if (strcmp(span->name, "ram") || span->begin_us >= plot->end_us) {
            continue;
        }
        begin = place(plot, span->begin_us);
        end = MAX(place(plot, span->end_us), begin + SEEN);
        if (from >= 0 && begin - to > SEEN) {
            add_rect(plot, "ram", from, plot->y, to - from, 10,
                     "RAM is sent");
            from = begin;
        }
        from = from < 0 ? begin : from;
        to = MAX(end, to);
    }
    if (from >= 0) {
        add_rect(plot, "ram", from, plot->y, to - from, 10, "RAM is sent");
    }
}

static uint64_t most_dirty(const ReportSide *side)
{
    uint64_t most = 0;

    for (unsigned i = 0; i < side->syncs->len; i++) {
        most = MAX(most, g_array_index(side->syncs, ReportSync,
                                       i).dirty_pages);
    }
    return most;
}

static void draw_syncs(Plot *plot, const ReportSide *side)
{
    uint64_t most = most_dirty(side);
    g_autofree char *label = g_strdup_printf(
        "up to %" G_GUINT64_FORMAT " dirty pages", most);
    Steps steps = {
        .plot = plot, .bottom = plot->y + CURVE,
        .scale = most ? (CURVE - 20) / most : 0,
    };
    double last_x = -1;

    label_lane(plot, "RAM", plot->y + 10);
    draw_ram_sections(plot, side);
    begin_steps(&steps);
    for (unsigned i = 0; i < side->syncs->len; i++) {
        const ReportSync *sync = &g_array_index(side->syncs, ReportSync, i);

        add_step(&steps, sync->end_us, sync->dirty_pages,
                 i + 1 == side->syncs->len);
    }
    end_steps(&steps, "dirty", NULL);
    for (unsigned i = 0; i < side->syncs->len; i++) {
        double x = place(plot, g_array_index(side->syncs, ReportSync,
                                             i).begin_us);

        if (x - last_x >= 2) {
            add_line(plot, "sync", x, plot->y + 12, x, steps.bottom);
            last_x = x;
        }
    }
    add_text(plot, "lane dim", LEFT - 10, plot->y + CURVE - 4, label);
    plot->y += CURVE + GAP;
}

/* ---- the whole migration ---- */

static double height_of(const Report *report)
{
    double height = AXIS;

    for (int role = 0; role < REPORT_ROLES; role++) {
        const ReportSide *side = report->sides[role];

        if (side) {
            height += HEADING + BAND + GAP +
                      side->devices->len * (BAND + CURVE + GAP) +
                      (side->syncs->len ? CURVE + GAP : 0);
        }
    }
    return height;
}

static void draw_downtime_mark(const Plot *plot, const Report *report,
                               double bottom)
{
    double x = place(plot, report->down_us);
    double width = place(plot, report->up_us) - x;

    if (report->down_us) {
        add_rect(plot, "down", x, 0, MAX(width, 1), bottom,
                 "the VM stands still");
    }
}

static void draw_side(Plot *plot, const Report *report, ReportRole role)
{
    const ReportSide *side = report->sides[role];

    add_heading(plot, role == REPORT_SOURCE ? "Source" : "Destination");
    draw_vm(plot, report, role);
    if (side->syncs->len) {
        draw_syncs(plot, side);
    }
    for (unsigned i = 0; i < side->devices->len; i++) {
        ReportDevice *device = g_ptr_array_index(side->devices, i);

        draw_states(plot, device, role == REPORT_DESTINATION &&
                    !side->run_us);
        draw_bytes(plot, device);
    }
}

void report_draw_all(GString *page, const Report *report)
{
    int64_t length_us = report->end_us - report->begin_us;
    /* Slightly longer, so that the final state is visible */
    Plot plot = { .page = page, .begin_us = report->begin_us,
                  .end_us = report->end_us + length_us / 20 + 1 };
    double height = height_of(report);

    begin_svg(&plot, height, "The whole migration");
    draw_downtime_mark(&plot, report, height - AXIS);
    draw_axis(&plot, 0, height - AXIS);
    for (int role = 0; role < REPORT_ROLES; role++) {
        if (report->sides[role]) {
            draw_side(&plot, report, role);
        }
    }
    g_string_append(page, "</svg>\n");
}

/* ---- the downtime ---- */

char *report_part_class(const Report *report, const ReportPart *part)
{
    static const char *const classes[] = {
        [REPORT_PART_STOP] = "p-stop", [REPORT_PART_RAM] = "p-ram",
        [REPORT_PART_OTHER] = "p-other", [REPORT_PART_FINISH] = "p-finish",
        [REPORT_PART_LOAD] = "p-load", [REPORT_PART_PAUSED] = "p-paused",
        [REPORT_PART_START] = "p-start",
    };
    const GPtrArray *devices = report->sides[REPORT_SOURCE]->devices;

    for (unsigned i = 0; part->kind == REPORT_PART_DEVICE && i < devices->len;
         i++) {
        ReportDevice *device = g_ptr_array_index(devices, i);

        if (strcmp(device->name, part->name) == 0) {
            return g_strdup_printf("p-device p-device%u", i % 4);
        }
    }
    return g_strdup(part->kind == REPORT_PART_DEVICE ? "p-device"
                                                     : classes[part->kind]);
}

static void draw_parts(Plot *plot, const Report *report)
{
    double height = BAND * 1.6;

    label_lane(plot, "parts", plot->y + height / 2 + 4);
    for (unsigned i = 0; i < report->parts->len; i++) {
        const ReportPart *part = g_ptr_array_index(report->parts, i);
        g_autofree char *class = report_part_class(report, part);

        draw_band(plot, class, part->name, part->begin_us, part->end_us,
                  height);
    }
    plot->y += height + GAP;
}

/* One kind of pieces of chunks; adjacent ones are drawn as one */
static void draw_pieces(const Plot *plot, const ReportDevice *device,
                        bool staged, const char *class, const char *title)
{
    double from = -1, to = -1;

    for (unsigned i = 0; i < device->chunks->len; i++) {
        const ReportChunk *chunk = &g_array_index(device->chunks,
                                                  ReportChunk, i);
        double begin = place(plot, staged ? chunk->begin_us
                                          : chunk->staged_us);
        double end = place(plot, staged ? chunk->staged_us : chunk->end_us);

        if (!chunk->stopped || end - begin <= 0) {
            continue;
        }
        if (from >= 0 && begin - to > SEEN) {
            add_rect(plot, class, from, plot->y, MAX(to - from, SEEN), BAND,
                     title);
            from = begin;
        }
        from = from < 0 ? begin : from;
        to = MAX(end, to);
    }
    if (from >= 0) {
        add_rect(plot, class, from, plot->y, MAX(to - from, SEEN), BAND,
                 title);
    }
}

static void draw_chunks(Plot *plot, const ReportSide *side)
{
    for (unsigned i = 0; i < side->devices->len; i++) {
        const ReportDevice *device = g_ptr_array_index(side->devices, i);
        g_autofree char *label = g_strdup_printf(
            "%s %s", device->name,
            side->role == REPORT_SOURCE ? "is read" : "is loaded");

        label_lane(plot, label, plot->y + BAND / 2 + 4);
        draw_pieces(plot, device, true, "staged",
                    side->role == REPORT_SOURCE
                    ? "the driver prepares data" : "the driver takes data");
        draw_pieces(plot, device, false, "moved",
                    "data is copied and sent");
        plot->y += BAND + GAP;
    }
}

void report_draw_downtime(GString *page, const Report *report)
{
    Plot plot = { .page = page, .begin_us = report->down_us,
                  .end_us = MAX(report->up_us, report->down_us + 1) };
    double height = AXIS + BAND * 1.6 + GAP;

    for (int role = 0; role < REPORT_ROLES; role++) {
        height += report->sides[role]
            ? report->sides[role]->devices->len * (BAND + GAP) : 0;
    }
    begin_svg(&plot, height, "The downtime");
    draw_axis(&plot, 0, height - AXIS);
    draw_parts(&plot, report);
    for (int role = 0; role < REPORT_ROLES; role++) {
        if (report->sides[role]) {
            draw_chunks(&plot, report->sides[role]);
        }
    }
    g_string_append(page, "</svg>\n");
}
