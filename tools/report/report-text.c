/*
 * A report as text for a terminal, and as JSON
 *
 * Owns: the wording and the members. No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "screen.h"
#include "report-output.h"

static const char *const role_names[] = {
    [REPORT_SOURCE] = "source", [REPORT_DESTINATION] = "destination",
};

/* ---- text ---- */

static void add_part(GString *text, const Report *report,
                     const ReportPart *part)
{
    int64_t time_us = part->end_us - part->begin_us;
    g_autofree char *time = screen_time(time_us);

    g_string_append_printf(text, "  %-22s %9s %6.1f %%   %s\n", part->name,
                           time, 100.0 * time_us /
                           MAX(report_downtime_us(report), 1),
                           role_names[part->role]);
}

static void add_outcome(GString *text, const Report *report)
{
    const ReportSide *source = report->sides[REPORT_SOURCE];
    g_autofree char *total = screen_time(report->end_us - report->begin_us);
    g_autofree char *down = screen_time(report_downtime_us(report));
    g_autofree char *expected = report_expected(report);

    g_string_append_printf(text, "  %-12s%s, in %s\n", "migration",
                           source ? source->status : "as its destination "
                           "saw it", total);
    if (source && source->error) {
        g_string_append_printf(text, "  %-12s%s\n", "", source->error);
    }
    if (report->down_us) {
        g_string_append_printf(text, "  %-12s%s%s%s\n", "downtime", down,
                               expected ? "; " : "", expected ?: "");
    }
}

static void add_device(GString *text, const ReportDevice *device)
{
    g_autofree char *size = screen_size(device->bytes);
    g_autofree char *stopped = screen_size(device->stopped_bytes);

    g_string_append_printf(text, "  %-12s%s in %u chunk%s, %s of it while "
                           "the VM stood still\n", device->name, size,
                           device->chunks->len,
                           device->chunks->len == 1 ? "" : "s", stopped);
}

char *report_text(const Report *report)
{
    const ReportSide *side = report->sides[REPORT_SOURCE]
        ? report->sides[REPORT_SOURCE] : report->sides[REPORT_DESTINATION];
    GString *text = g_string_new(NULL);

    add_outcome(text, report);
    for (unsigned i = 0; i < side->devices->len; i++) {
        add_device(text, g_ptr_array_index(side->devices, i));
    }
    if (report->parts->len) {
        g_string_append(text, "\nWhile the VM stood still\n");
    }
    for (unsigned i = 0; i < report->parts->len; i++) {
        add_part(text, report, g_ptr_array_index(report->parts, i));
    }
    if (report->advice->len) {
        g_string_append(text, "\nWhat would make it shorter\n");
    }
    for (unsigned i = 0; i < report->advice->len; i++) {
        const ReportAdvice *row = g_ptr_array_index(report->advice, i);
        g_autofree char *time = screen_time(row->time_us);

        g_string_append_printf(text, "  %9s  %s\n%13s%s\n", time, row->what,
                               "", row->how);
    }
    return g_string_free(text, false);
}

/* ---- JSON ---- */

/* Times are in microseconds since the migration began; null: never */
static void set_moment(JsonObject *object, const char *name,
                       const Report *report, int64_t time_us)
{
    if (time_us) {
        json_object_set_int_member(object, name, time_us - report->begin_us);
    } else {
        json_object_set_null_member(object, name);
    }
}

static JsonArray *states_json(const Report *report,
                              const ReportDevice *device)
{
    JsonArray *array = json_array_new();

    for (unsigned i = 0; i < device->states->len; i++) {
        const ReportSpan *span = g_ptr_array_index(device->states, i);
        JsonObject *object = json_object_new();

        json_object_set_string_member(object, "state", span->name);
        set_moment(object, "begin-us", report, span->begin_us);
        set_moment(object, "end-us", report, span->end_us);
        json_array_add_object_element(array, object);
    }
    return array;
}

static JsonArray *arcs_json(const Report *report, const ReportDevice *device)
{
    JsonArray *array = json_array_new();

    for (unsigned i = 0; i < device->arcs->len; i++) {
        const ReportArc *arc = g_ptr_array_index(device->arcs, i);
        JsonObject *object = json_object_new();

        json_object_set_string_member(object, "from", arc->from);
        json_object_set_string_member(object, "to", arc->to);
        json_object_set_int_member(object, "ret", arc->ret);
        set_moment(object, "done-us", report, arc->time_us);
        json_object_set_int_member(object, "taken-us", arc->taken_us);
        json_array_add_object_element(array, object);
    }
    return array;
}

static JsonArray *notes_json(const ReportDevice *device)
{
    JsonArray *array = json_array_new();

    for (unsigned i = 0; i < device->notes->len; i++) {
        json_array_add_string_element(array,
                                      g_ptr_array_index(device->notes, i));
    }
    return array;
}

static JsonObject *device_json(const Report *report,
                               const ReportDevice *device)
{
    JsonObject *object = json_object_new();
    ReportCost cost = report_cost(device);

    json_object_set_string_member(object, "name", device->name);
    json_object_set_int_member(object, "bytes", device->bytes);
    json_object_set_int_member(object, "chunks", device->chunks->len);
    json_object_set_int_member(object, "stopped-bytes",
                               device->stopped_bytes);
    json_object_set_int_member(object, "stopped-chunks", cost.chunks);
    json_object_set_int_member(object, "stopped-driver-us", cost.staged_us);
    json_object_set_int_member(object, "stopped-moving-us", cost.moved_us);
    json_object_set_array_member(object, "states",
                                 states_json(report, device));
    json_object_set_array_member(object, "changes",
                                 arcs_json(report, device));
    json_object_set_array_member(object, "notes", notes_json(device));
    return object;
}

static JsonArray *syncs_json(const Report *report, const ReportSide *side)
{
    JsonArray *array = json_array_new();

    for (unsigned i = 0; i < side->syncs->len; i++) {
        const ReportSync *sync = &g_array_index(side->syncs, ReportSync, i);
        JsonObject *object = json_object_new();

        set_moment(object, "begin-us", report, sync->begin_us);
        json_object_set_int_member(object, "taken-us",
                                   sync->end_us - sync->begin_us);
        json_object_set_int_member(object, "dirty-pages", sync->dirty_pages);
        json_array_add_object_element(array, object);
    }
    return array;
}

static JsonObject *side_json(const Report *report, const ReportSide *side)
{
    JsonObject *object = json_object_new();
    JsonArray *devices = json_array_new();

    json_object_set_string_member(object, "trace", side->path);
    json_object_set_string_member(object, "status", side->status);
    json_object_set_string_member(object, "error",
                                  side->error ? side->error : "");
    set_moment(object, "active-us", report, side->active_us);
    set_moment(object, "stop-us", report, side->stop_us);
    set_moment(object, "end-us", report, side->end_us);
    set_moment(object, "run-us", report, side->run_us);
    for (unsigned i = 0; i < side->devices->len; i++) {
        json_array_add_object_element(
            devices, device_json(report,
                                 g_ptr_array_index(side->devices, i)));
    }
    json_object_set_array_member(object, "devices", devices);
    json_object_set_array_member(object, "dirty-syncs",
                                 syncs_json(report, side));
    return object;
}

static JsonArray *parts_json(const Report *report)
{
    JsonArray *array = json_array_new();

    for (unsigned i = 0; i < report->parts->len; i++) {
        const ReportPart *part = g_ptr_array_index(report->parts, i);
        JsonObject *object = json_object_new();

        json_object_set_string_member(object, "name", part->name);
        json_object_set_string_member(object, "side", role_names[part->role]);
        set_moment(object, "begin-us", report, part->begin_us);
        json_object_set_int_member(object, "taken-us",
                                   part->end_us - part->begin_us);
        json_array_add_object_element(array, object);
    }
    return array;
}

static JsonArray *advice_json(const Report *report)
{
    JsonArray *array = json_array_new();

    for (unsigned i = 0; i < report->advice->len; i++) {
        const ReportAdvice *row = g_ptr_array_index(report->advice, i);
        JsonObject *object = json_object_new();

        json_object_set_string_member(object, "what", row->what);
        json_object_set_int_member(object, "taken-us", row->time_us);
        json_object_set_string_member(object, "how", row->how);
        json_array_add_object_element(array, object);
    }
    return array;
}

static void set_expected(JsonObject *object, const ReportSide *source)
{
    if (source && source->expected_known) {
        json_object_set_int_member(object, "expected-downtime-us",
                                   source->expected_us);
        json_object_set_boolean_member(object,
                                       "expected-downtime-is-lower-bound",
                                       source->expected_is_least);
    } else {
        json_object_set_null_member(object, "expected-downtime-us");
    }
}

void report_fill_json(const Report *report, JsonObject *object)
{
    json_object_set_double_member(object, "time", report->begin_us / 1e6);
    json_object_set_int_member(object, "total-us",
                               report->end_us - report->begin_us);
    if (report->down_us) {
        json_object_set_int_member(object, "downtime-us",
                                   report_downtime_us(report));
    } else {
        json_object_set_null_member(object, "downtime-us");
    }
    set_expected(object, report->sides[REPORT_SOURCE]);
    json_object_set_int_member(object, "clock-shift-us", report->shift_us);
    for (int role = 0; role < REPORT_ROLES; role++) {
        if (report->sides[role]) {
            json_object_set_object_member(object, role_names[role],
                                          side_json(report,
                                                    report->sides[role]));
        }
    }
    json_object_set_array_member(object, "parts", parts_json(report));
    json_object_set_array_member(object, "advice", advice_json(report));
}
