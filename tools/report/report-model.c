/*
 * Model of a past migration, from the traces of one or both sides
 *
 * Owns: interpreting the events. Numbers in a trace are untrusted, and are
 * bounded before use. Does not own: dividing the downtime into parts
 * (report-parts.c). No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "report-model.h"

/* Limit on devices in a trace, which is untrusted; no VM has as many */
#define MAX_DEVICES 256
/* No change of state takes longer; a larger number is clamped */
#define MAX_TAKEN_NS (INT64_C(3600) * 1000000000)

/* ---- memory ---- */

static void span_free(void *opaque)
{
    ReportSpan *span = opaque;

    g_free(span->name);
    g_free(span);
}

static void arc_free(void *opaque)
{
    ReportArc *arc = opaque;

    g_free(arc->from);
    g_free(arc->to);
    g_free(arc);
}

static void device_free(void *opaque)
{
    ReportDevice *device = opaque;

    g_free(device->name);
    g_ptr_array_unref(device->states);
    g_ptr_array_unref(device->arcs);
    g_ptr_array_unref(device->notes);
    g_array_unref(device->chunks);
    g_free(device);
}

static void side_free(ReportSide *side)
{
    if (side) {
        g_ptr_array_unref(side->devices);
        g_ptr_array_unref(side->sections);
        g_array_unref(side->syncs);
        g_free(side->path);
        g_free(side->status);
        g_free(side->error);
        g_free(side);
    }
}

static void part_free(void *opaque)
{
    g_free(((ReportPart *)opaque)->name);
    g_free(opaque);
}

static void advice_free(void *opaque)
{
    ReportAdvice *advice = opaque;

    g_free(advice->what);
    g_free(advice->how);
    g_free(advice);
}

void report_free(Report *report)
{
    if (report) {
        side_free(report->sides[REPORT_SOURCE]);
        side_free(report->sides[REPORT_DESTINATION]);
        g_ptr_array_unref(report->parts);
        g_ptr_array_unref(report->advice);
        g_free(report);
    }
}

static ReportSide *side_new(ReportRole role, const char *path)
{
    ReportSide *side = g_new0(ReportSide, 1);

    side->role = role;
    side->path = g_strdup(path);
    side->status = g_strdup("none");
    side->devices = g_ptr_array_new_with_free_func(device_free);
    side->sections = g_ptr_array_new_with_free_func(span_free);
    side->syncs = g_array_new(false, false, sizeof(ReportSync));
    return side;
}

ReportDevice *report_device(const ReportSide *side, const char *name)
{
    for (unsigned i = 0; i < side->devices->len; i++) {
        ReportDevice *device = g_ptr_array_index(side->devices, i);

        if (strcmp(device->name, name) == 0) {
            return device;
        }
    }
    return NULL;
}

static ReportDevice *device_of(ReportSide *side, const char *name)
{
    ReportDevice *device = report_device(side, name);

    if (!device && side->devices->len < MAX_DEVICES) {
        device = g_new0(ReportDevice, 1);
        device->name = g_strdup(name);
        device->states = g_ptr_array_new_with_free_func(span_free);
        device->arcs = g_ptr_array_new_with_free_func(arc_free);
        device->notes = g_ptr_array_new_with_free_func(g_free);
        device->chunks = g_array_new(false, false, sizeof(ReportChunk));
        g_ptr_array_add(side->devices, device);
    }
    return device;
}

/* ---- events of a device ---- */

static ReportSpan *last_span(const GPtrArray *spans)
{
    return spans->len ? g_ptr_array_index(spans, spans->len - 1) : NULL;
}

static void add_span(GPtrArray *spans, const char *name, int64_t begin_us)
{
    ReportSpan *span = g_new0(ReportSpan, 1);

    span->name = g_strdup(name);
    span->begin_us = begin_us;
    g_ptr_array_add(spans, span);
}

/* The device was in @arc->from until now, and is in @arc->to */
static void change_state(ReportSide *side, ReportDevice *device,
                         const ReportArc *arc)
{
    ReportSpan *last = last_span(device->states);

    int64_t begin_us = arc->time_us - arc->taken_us;

    if (!last) {
        add_span(device->states, arc->from, MIN(side->begin_us, begin_us));
        last = last_span(device->states);
    }
    last->end_us = begin_us;
    add_span(device->states, arc->to, arc->time_us);
}

static void on_transition(ReportSide *side, ReportDevice *device,
                          const TraceEvent *event, const char *text)
{
    g_autofree ReportArc *arc = g_new0(ReportArc, 1);
    char from[32], to[32];
    int64_t ns;

    if (sscanf(text, "%31s -> %31s ret %d %" G_GINT64_FORMAT " ns", from, to,
               &arc->ret, &ns) != 4) {
        return;
    }
    arc->from = g_strdup(from);
    arc->to = g_strdup(to);
    arc->time_us = event->time_us;
    arc->taken_us = CLAMP(ns, 0, MAX_TAKEN_NS) / 1000;
    if (arc->ret == 0) {
        change_state(side, device, arc);
    }
    g_ptr_array_add(device->arcs, g_steal_pointer(&arc));
}

static void end_chunk(ReportDevice *device, int64_t time_us)
{
    ReportChunk *last = device->chunks->len
        ? &g_array_index(device->chunks, ReportChunk, device->chunks->len - 1)
        : NULL;

    if (last && !last->end_us) {
        last->end_us = time_us;
    }
}

static void on_chunk(ReportSide *side, ReportDevice *device,
                     const TraceEvent *event, const char *text)
{
    ReportChunk chunk = {
        .begin_us = device->asked_us ? device->asked_us : event->time_us,
        .staged_us = event->time_us,
        .stopped = side->stop_us != 0,
    };
    guint64 offset, bytes;

    if (sscanf(text, "offset %" G_GINT64_MODIFIER "x size %"
               G_GINT64_MODIFIER "x", &offset, &bytes) != 2 ||
        bytes > G_MAXINT64 - device->bytes) {
        return;
    }
    chunk.bytes = bytes;
    if (side->role == REPORT_DESTINATION) {
        chunk.end_us = event->time_us;
    }
    device->asked_us = 0;
    device->bytes += bytes;
    device->stopped_bytes += chunk.stopped ? bytes : 0;
    g_array_append_val(device->chunks, chunk);
}

static void on_sizes(ReportSide *side, ReportDevice *device,
                     const TraceEvent *event, const char *text)
{
    device->v2 = true;
}

/*
 * "... sent N", a total. For v2, what a round has sent counts as a chunk; the
 * time before that, since the previous chunk or the VM's stop, counts as the
 * driver's.
 */
static void on_sent(ReportSide *side, ReportDevice *device,
                    const TraceEvent *event, const char *text)
{
    const char *word = strstr(text, "sent ");
    guint64 sent = word ? g_ascii_strtoull(word + strlen("sent "), NULL, 10)
                        : 0;
    ReportChunk chunk = {
        .begin_us = MAX(device->asked_us ? device->asked_us : event->time_us,
                        MAX(side->stop_us, side->stopped_us)),
        .staged_us = event->time_us, .end_us = event->time_us,
        .stopped = side->stop_us != 0,
    };

    if (!device->v2 || sent <= device->bytes || sent > G_MAXINT64) {
        return;
    }
    chunk.bytes = sent - device->bytes;
    device->asked_us = event->time_us;
    device->bytes = sent;
    device->stopped_bytes += chunk.stopped ? chunk.bytes : 0;
    g_array_append_val(device->chunks, chunk);
}

/* The driver is asked for more: the previous chunk has been sent. */
static void on_pending(ReportSide *side, ReportDevice *device,
                       const TraceEvent *event, const char *text)
{
    end_chunk(device, event->time_us);
    device->asked_us = event->time_us;
}

static void on_packet(ReportSide *side, ReportDevice *device,
                      const TraceEvent *event, const char *text)
{
    device->asked_us = event->time_us;
}

static void on_map(ReportSide *side, ReportDevice *device,
                   const TraceEvent *event, const char *text)
{
    device->areas_known = sscanf(text, "%u areas", &device->areas_mapped) == 1;
}

static void on_note(ReportSide *side, ReportDevice *device,
                    const TraceEvent *event, const char *text)
{
    g_ptr_array_add(device->notes, g_strdup(text));
}

static void on_reset(ReportSide *side, ReportDevice *device,
                     const TraceEvent *event, const char *text)
{
    g_ptr_array_add(device->notes, g_strdup_printf("reset: %s", text));
}

/* "... ret N", the result of a device's whole save or load */
static void on_result(ReportSide *side, ReportDevice *device,
                      const TraceEvent *event, const char *text)
{
    const char *word = strstr(text, "ret -");
    int number = word ? atoi(word + strlen("ret -")) : 0;

    on_sent(side, device, event, text);
    if (number > 0 && !device->failed) {
        char *note = g_strdup_printf("%s: %s failed: %s", device->name,
                                     side->role == REPORT_SOURCE
                                     ? "saving it" : "loading it",
                                     g_strerror(number));

        g_ptr_array_add(device->notes, note);
        side->error = side->error ? side->error : g_strdup(note);
    }
}

/* "ret N: REASON"; only the first reason counts. */
static void on_failed(ReportSide *side, ReportDevice *device,
                      const TraceEvent *event, const char *text)
{
    const char *reason = strstr(text, ": ");

    if (reason && !device->failed) {
        device->failed = true;
        g_ptr_array_add(device->notes, g_strdup(reason + 2));
        side->error = side->error ? side->error : g_strdup(reason + 2);
    }
}

static void on_hot_reset(ReportSide *side, ReportDevice *device,
                         const TraceEvent *event, const char *text)
{
    g_ptr_array_add(device->notes, g_strdup_printf("hot reset: %s", text));
}

/* "expected N ms, was N ms, lower bound N", for the VM; the maximum counts */
static void on_downtime(ReportSide *side, ReportDevice *device,
                        const TraceEvent *event, const char *text)
{
    unsigned expected_ms;
    int least = 0;

    if (sscanf(text, "expected %u ms, was %*d ms, lower bound %d",
               &expected_ms, &least) >= 1) {
        side->expected_us = MAX(side->expected_us, expected_ms * INT64_C(1000));
        side->expected_known = true;
        side->expected_is_least |= least != 0;
    }
}

static void on_vm_state(ReportSide *side, ReportDevice *device,
                        const TraceEvent *event, const char *text)
{
    if (side->start_us && g_str_has_prefix(text, "running 1")) {
        side->run_us = event->time_us;
    }
}

static const struct {
    const char *name;
    void (*take)(ReportSide *side, ReportDevice *device,
                 const TraceEvent *event, const char *text);
} device_events[] = {
    { "vfio_migration_transition", on_transition },
    { "vfio_migration_save_chunk", on_chunk },
    { "vfio_migration_load_chunk", on_chunk },
    { "vfio_migration_v2_sizes", on_sizes },
    { "vfio_migration_save_iterate", on_sent },
    { "vfio_migration_pending", on_pending },
    { "vfio_migration_load_packet", on_packet },
    { "vfio_migration_map", on_map },
    { "vfio_migration_fallback", on_note },
    { "vfio_migration_reset", on_reset },
    { "vfio_migration_hot_reset", on_hot_reset },
    { "vfio_migration_surprise", on_note },
    { "vfio_migration_downtime", on_downtime },
    { "vfio_migration_vm_state", on_vm_state },
    { "vfio_migration_failed", on_failed },
    { "vfio_migration_save_complete", on_result },
    { "vfio_migration_save_config", on_result },
    { "vfio_migration_load_config", on_result },
};

/* "(NAME) ...": our events begin with the device's name */
static bool take_device_event(ReportSide *side, const TraceEvent *event)
{
    const char *close = strchr(event->text, ')');
    g_autofree char *name = NULL;
    ReportDevice *device;

    if (*event->text != '(' || !close) {
        return false;
    }
    name = g_strndup(event->text + 1, close - event->text - 1);
    for (unsigned i = 0; i < G_N_ELEMENTS(device_events); i++) {
        if (strcmp(event->name, device_events[i].name) == 0) {
            device = device_of(side, name);
            if (device) {
                device_events[i].take(side, device, event,
                                      close + 1 + strspn(close + 1, " "));
            }
            return true;
        }
    }
    return false;
}

/* ---- QEMU's own events ---- */

static void on_status(ReportSide *side, const TraceEvent *event)
{
    static const char *const ends[] = { "completed", "failed", "cancelled",
                                        NULL };

    if (!g_str_has_prefix(event->text, "new state ")) {
        return;
    }
    g_free(side->status);
    side->status = g_strdup(event->text + strlen("new state "));
    if (strcmp(side->status, "active") == 0) {
        side->active_us = event->time_us;
    } else if (side->role == REPORT_SOURCE &&
               g_strv_contains(ends, side->status)) {
        side->end_us = event->time_us;
    }
}

static void on_error(ReportSide *side, const TraceEvent *event)
{
    if (!side->error && g_str_has_prefix(event->text, "error=")) {
        side->error = g_strdup(event->text + strlen("error="));
    }
}

static void on_run_state(ReportSide *side, const TraceEvent *event)
{
    if (side->role == REPORT_SOURCE && !side->stop_us &&
        g_str_has_suffix(event->text, "(finish-migrate)")) {
        side->stop_us = event->time_us;
    }
    side->paused |= side->role == REPORT_DESTINATION &&
                    g_str_has_suffix(event->text, "(paused)");
}

static void on_notify(ReportSide *side, const TraceEvent *event)
{
    if (side->role == REPORT_DESTINATION && !side->start_us &&
        side->end_us && g_str_has_prefix(event->text, "running 1")) {
        side->start_us = side->run_us = event->time_us;
    }
}

static void on_stopped(ReportSide *side, const TraceEvent *event)
{
    side->stopped_us = event->time_us;
}

static void on_loaded(ReportSide *side, const TraceEvent *event)
{
    if (side->role == REPORT_DESTINATION) {
        ReportSpan *last = last_span(side->sections);

        if (last && !last->end_us) {
            last->end_us = event->time_us;
        }
        side->end_us = event->time_us;
    }
}

static void on_sync_start(ReportSide *side, const TraceEvent *event)
{
    ReportSync sync = { .begin_us = event->time_us };

    g_array_append_val(side->syncs, sync);
}

static void on_sync_end(ReportSide *side, const TraceEvent *event)
{
    ReportSync *sync = side->syncs->len
        ? &g_array_index(side->syncs, ReportSync, side->syncs->len - 1)
        : NULL;

    if (sync && !sync->end_us) {
        sync->end_us = event->time_us;
        if (g_str_has_prefix(event->text, "dirty_pages ")) {
            sync->dirty_pages = MIN(
                g_ascii_strtoull(event->text + strlen("dirty_pages "), NULL,
                                 10), (uint64_t)G_MAXINT64);
        }
    }
}

static void on_section_start(ReportSide *side, const TraceEvent *event)
{
    const char *comma = strstr(event->text, ", section_id ");
    g_autofree char *name = comma
        ? g_strndup(event->text, comma - event->text) : NULL;

    if (name) {
        add_span(side->sections, name, event->time_us);
    }
}

static void on_section_end(ReportSide *side, const TraceEvent *event)
{
    ReportSpan *last = last_span(side->sections);

    if (last && !last->end_us) {
        last->end_us = event->time_us;
    }
}

/* "ID(NAME) ..."; a section begins where the previous one ends */
static void on_load_section(ReportSide *side, const TraceEvent *event)
{
    const char *open = strchr(event->text, '(');
    const char *close = open ? strchr(open, ')') : NULL;
    g_autofree char *name = close ? g_strndup(open + 1, close - open - 1)
                                  : NULL;

    on_section_end(side, event);
    if (name) {
        add_span(side->sections, name, event->time_us);
    }
}

static const struct {
    const char *name;
    void (*take)(ReportSide *side, const TraceEvent *event);
} qemu_events[] = {
    { "migrate_set_state", on_status },
    { "migrate_fd_error", on_error },
    { "runstate_set", on_run_state },
    { "vm_state_notify", on_notify },
    { "migration_completion_vm_stop", on_stopped },
    { "process_incoming_migration_co_end", on_loaded },
    { "migration_bitmap_sync_start", on_sync_start },
    { "migration_bitmap_sync_end", on_sync_end },
    { "savevm_section_start", on_section_start },
    { "savevm_section_end", on_section_end },
    { "qemu_loadvm_state_section_startfull", on_load_section },
    { "qemu_loadvm_state_section_partend", on_section_end },
};

static void take_event(ReportSide *side, const TraceEvent *event)
{
    if (take_device_event(side, event)) {
        return;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(qemu_events); i++) {
        if (strcmp(event->name, qemu_events[i].name) == 0) {
            qemu_events[i].take(side, event);
        }
    }
}

/* ---- a side ---- */

/* Index of the event at which the last outgoing migration begins; -1: none */
static int find_begin(const TraceLog *log, ReportRole *role)
{
    int begin = -1;

    for (unsigned i = 0; i < log->events->len; i++) {
        const TraceEvent *event = g_ptr_array_index(log->events, i);
        bool out = strcmp(event->name, "migrate_set_state") == 0 &&
                   strcmp(event->text, "new state setup") == 0;

        if (out || (begin < 0 &&
                    (strcmp(event->name, "vfio_migration_load_setup") == 0 ||
                     strcmp(event->name,
                            "qemu_loadvm_state_section_startfull") == 0))) {
            begin = i;
            *role = out ? REPORT_SOURCE : REPORT_DESTINATION;
        }
    }
    return begin;
}

/* Open spans last until the end of the trace. */
static void close_spans(ReportSide *side, int64_t end_us)
{
    for (unsigned i = 0; i < side->devices->len; i++) {
        ReportDevice *device = g_ptr_array_index(side->devices, i);
        ReportSpan *last = last_span(device->states);

        if (last && !last->end_us) {
            last->end_us = end_us;
        }
        end_chunk(device, end_us);
    }
    on_section_end(side, &(TraceEvent) { .time_us = end_us });
    for (unsigned i = 0; i < side->syncs->len; i++) {
        ReportSync *sync = &g_array_index(side->syncs, ReportSync, i);

        sync->end_us = sync->end_us ? sync->end_us : sync->begin_us;
    }
}

/*
 * Does @event set the VM's next run state? What follows, for example a
 * shutdown, is not part of the migration. At a source the change away from
 * "finish-migrate" when its migration has ended still is.
 */
static bool is_over(const ReportSide *side, const TraceEvent *event)
{
    if (strcmp(event->name, "runstate_set")) {
        return false;
    }
    return side->role == REPORT_DESTINATION
        ? side->start_us != 0
        : side->end_us && !strstr(event->text, "(finish-migrate) new_state");
}

static ReportSide *read_side(const TraceLog *log, GError **error)
{
    ReportRole role = REPORT_SOURCE;
    int begin = find_begin(log, &role);
    const TraceEvent *event = NULL;
    ReportSide *side;

    if (begin < 0) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                    "%s: no migration begins in it", log->path);
        return NULL;
    }
    side = side_new(role, log->path);
    event = g_ptr_array_index(log->events, begin);
    side->begin_us = event->time_us;
    /* A destination's device is prepared before the first data arrives. */
    for (unsigned i = role == REPORT_SOURCE ? begin : 0;
         i < log->events->len; i++) {
        event = g_ptr_array_index(log->events, i);
        if (is_over(side, event)) {
            break;
        }
        take_event(side, event);
        side->last_us = event->time_us;
    }
    close_spans(side, side->last_us);
    return side;
}

/* ---- both ---- */

/*
 * The destination may take a chunk in several pieces: each is compared with
 * the source's chunk that contains its first byte.
 */
static int64_t find_device_shift(const ReportDevice *from,
                                 const ReportDevice *to)
{
    const ReportChunk *sent = (ReportChunk *)from->chunks->data;
    const ReportChunk *taken = (ReportChunk *)to->chunks->data;
    uint64_t sent_bytes = 0, taken_bytes = 0;   /* before the chunk */
    int64_t shift_us = 0;
    unsigned n = 0;

    for (unsigned i = 0; i < to->chunks->len; i++) {
        while (n < from->chunks->len &&
               sent_bytes + sent[n].bytes <= taken_bytes) {
            sent_bytes += sent[n++].bytes;
        }
        if (n == from->chunks->len) {
            break;
        }
        shift_us = MAX(shift_us, sent[n].staged_us - taken[i].end_us);
        taken_bytes += taken[i].bytes;
    }
    return shift_us;
}

/*
 * Two hosts have two clocks. No chunk is taken before it was sent: if the
 * clocks contradict that, the difference is added to the destination's times.
 */
static int64_t find_shift(const ReportSide *source,
                          const ReportSide *destination)
{
    int64_t shift_us = 0;

    for (unsigned i = 0; i < source->devices->len; i++) {
        ReportDevice *from = g_ptr_array_index(source->devices, i);
        ReportDevice *to = report_device(destination, from->name);

        if (to) {
            shift_us = MAX(shift_us, find_device_shift(from, to));
        }
    }
    return shift_us;
}

static void shift(int64_t *time_us, int64_t by_us)
{
    *time_us += *time_us ? by_us : 0;
}

static void shift_spans(GPtrArray *spans, int64_t by_us)
{
    for (unsigned i = 0; i < spans->len; i++) {
        ReportSpan *span = g_ptr_array_index(spans, i);

        shift(&span->begin_us, by_us);
        shift(&span->end_us, by_us);
    }
}

static void shift_device(ReportDevice *device, int64_t by_us)
{
    shift_spans(device->states, by_us);
    for (unsigned i = 0; i < device->arcs->len; i++) {
        ReportArc *arc = g_ptr_array_index(device->arcs, i);

        shift(&arc->time_us, by_us);
    }
    for (unsigned i = 0; i < device->chunks->len; i++) {
        ReportChunk *chunk = &g_array_index(device->chunks, ReportChunk, i);

        shift(&chunk->begin_us, by_us);
        shift(&chunk->staged_us, by_us);
        shift(&chunk->end_us, by_us);
    }
}

static void shift_side(ReportSide *side, int64_t by_us)
{
    int64_t *times[] = { &side->begin_us, &side->active_us, &side->end_us,
                         &side->start_us, &side->run_us, &side->last_us };

    for (unsigned i = 0; i < G_N_ELEMENTS(times); i++) {
        shift(times[i], by_us);
    }
    shift_spans(side->sections, by_us);
    for (unsigned i = 0; i < side->devices->len; i++) {
        shift_device(g_ptr_array_index(side->devices, i), by_us);
    }
}

/* Mark what the destination took after the source's VM had stopped. */
static void mark_stopped(ReportSide *side, int64_t stop_us)
{
    for (unsigned i = 0; i < side->devices->len; i++) {
        ReportDevice *device = g_ptr_array_index(side->devices, i);

        device->stopped_bytes = 0;
        for (unsigned n = 0; n < device->chunks->len; n++) {
            ReportChunk *chunk = &g_array_index(device->chunks, ReportChunk,
                                                n);

            chunk->stopped = stop_us && chunk->begin_us >= stop_us;
            device->stopped_bytes += chunk->stopped ? chunk->bytes : 0;
        }
    }
}

static int64_t last_time(const ReportSide *side)
{
    int64_t end_us = MAX(MAX(side->end_us, side->run_us), side->begin_us);

    for (unsigned i = 0; i < side->devices->len; i++) {
        ReportSpan *last = last_span(
            ((ReportDevice *)g_ptr_array_index(side->devices, i))->states);

        end_us = MAX(end_us, last ? last->begin_us : 0);
    }
    return end_us;
}

static void join_sides(Report *report)
{
    ReportSide *source = report->sides[REPORT_SOURCE];
    ReportSide *destination = report->sides[REPORT_DESTINATION];

    if (source && destination) {
        report->shift_us = find_shift(source, destination);
        shift_side(destination, report->shift_us);
        mark_stopped(destination, source->stop_us);
    }
    report->begin_us = source ? source->begin_us : destination->begin_us;
    for (int role = 0; role < REPORT_ROLES; role++) {
        if (report->sides[role]) {
            report->end_us = MAX(report->end_us,
                                 last_time(report->sides[role]));
        }
    }
    if (source && strcmp(source->status, "completed") == 0) {
        report->down_us = source->stop_us;
        report->up_us = destination && destination->run_us
            ? destination->run_us : source->end_us;
    }
}

void report_set_error(Report *report, const char *text)
{
    ReportSide *source = report->sides[REPORT_SOURCE];

    if (source && strcmp(source->status, "completed")) {
        g_free(source->error);
        source->error = g_strdup(text);
    }
}

int64_t report_downtime_us(const Report *report)
{
    return report->down_us ? report->up_us - report->down_us : 0;
}

Report *report_new(TraceLog *const *logs, unsigned nr_logs, GError **error)
{
    g_autoptr(Report) report = g_new0(Report, 1);

    report->parts = g_ptr_array_new_with_free_func(part_free);
    report->advice = g_ptr_array_new_with_free_func(advice_free);
    for (unsigned i = 0; i < nr_logs; i++) {
        ReportSide *side = read_side(logs[i], error);

        if (!side) {
            return NULL;
        }
        if (report->sides[side->role]) {
            g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                        "%s and %s are both of a %s",
                        report->sides[side->role]->path, side->path,
                        side->role == REPORT_SOURCE ? "source"
                                                    : "destination");
            side_free(side);
            return NULL;
        }
        report->sides[side->role] = side;
    }
    join_sides(report);
    report_find_parts(report);
    report_find_advice(report);
    return g_steal_pointer(&report);
}
