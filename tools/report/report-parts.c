/*
 * The parts of a migration's downtime, and advice on how to shorten it
 *
 * Owns: dividing the time from the source's stop to the destination's run
 * into parts without gaps, and advice for each part that is worth it.
 * No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "screen.h"
#include "report-model.h"

/* Parts below this share of the downtime are not worth any advice */
#define WORTH_PERCENT 1
#define PAGE_BYTES 4096

/* ---- parts ---- */

static ReportPart *last_part(const Report *report)
{
    return report->parts->len
        ? g_ptr_array_index(report->parts, report->parts->len - 1) : NULL;
}

/* Add a part from the end of the last one to @end_us, or extend that one. */
static void add_part(Report *report, ReportPartKind kind, const char *name,
                     ReportRole role, int64_t end_us)
{
    ReportPart *last = last_part(report);
    int64_t begin_us = last ? last->end_us : report->down_us;
    ReportPart *part;

    end_us = MIN(end_us, report->up_us);
    if (end_us <= begin_us) {
        return;
    }
    if (last && last->kind == kind && strcmp(last->name, name) == 0) {
        last->end_us = end_us;
        return;
    }
    part = g_new0(ReportPart, 1);
    part->kind = kind;
    part->name = g_strdup(name);
    part->role = role;
    part->begin_us = begin_us;
    part->end_us = end_us;
    g_ptr_array_add(report->parts, part);
}

/* The device with chunks in a section; a section's name is a device path */
static const char *device_in(const ReportSide *side, const ReportSpan *section)
{
    for (unsigned i = 0; i < side->devices->len; i++) {
        const ReportDevice *device = g_ptr_array_index(side->devices, i);

        for (unsigned n = 0; n < device->chunks->len; n++) {
            int64_t time_us = g_array_index(device->chunks, ReportChunk,
                                            n).staged_us;

            if (time_us >= section->begin_us && time_us <= section->end_us) {
                return device->name;
            }
        }
    }
    return NULL;
}

static void add_section(Report *report, const ReportSide *source,
                        const ReportSpan *section)
{
    const char *device = device_in(source, section);

    /* QEMU's own code has no events for its chunks. */
    if (!source->devices->len && g_str_has_suffix(section->name, "/vfio")) {
        device = section->name;
    }
    if (strcmp(section->name, "ram") == 0) {
        add_part(report, REPORT_PART_RAM, "last of RAM",
                 REPORT_SOURCE, section->end_us);
    } else if (device) {
        add_part(report, REPORT_PART_DEVICE, device, REPORT_SOURCE,
                 section->end_us);
    } else {
        add_part(report, REPORT_PART_OTHER, "other devices",
                 REPORT_SOURCE, section->end_us);
    }
}

static void add_destination_parts(Report *report,
                                  const ReportSide *destination)
{
    add_part(report, REPORT_PART_LOAD, "load the rest",
             REPORT_DESTINATION, destination->end_us);
    if (destination->paused) {
        add_part(report, REPORT_PART_PAUSED, "paused until cont",
                 REPORT_DESTINATION, destination->start_us);
    }
    add_part(report, REPORT_PART_START, "start VM and devices",
             REPORT_DESTINATION, destination->run_us);
}

void report_find_parts(Report *report)
{
    const ReportSide *source = report->sides[REPORT_SOURCE];
    const ReportSide *destination = report->sides[REPORT_DESTINATION];

    if (!report->down_us) {
        return;
    }
    add_part(report, REPORT_PART_STOP, "stop devices",
             REPORT_SOURCE, source->stopped_us);
    for (unsigned i = 0; i < source->sections->len; i++) {
        const ReportSpan *section = g_ptr_array_index(source->sections, i);

        if (section->begin_us >= report->down_us) {
            add_section(report, source, section);
        }
    }
    add_part(report, REPORT_PART_FINISH, "end of stream",
             REPORT_SOURCE, source->end_us);
    if (destination && destination->run_us) {
        add_destination_parts(report, destination);
    }
}

/* ---- costs ---- */

ReportCost report_cost(const ReportDevice *device)
{
    ReportCost cost = { 0 };

    for (unsigned i = 0; i < device->chunks->len; i++) {
        const ReportChunk *chunk = &g_array_index(device->chunks,
                                                  ReportChunk, i);

        if (chunk->stopped) {
            cost.staged_us += chunk->staged_us - chunk->begin_us;
            cost.moved_us += chunk->end_us - chunk->staged_us;
            cost.bytes += chunk->bytes;
            cost.chunks++;
        }
    }
    return cost;
}

/* ---- advice ---- */

static void add_advice(Report *report, int64_t time_us, char *what, char *how)
{
    ReportAdvice *advice;

    if (time_us * 100 < report_downtime_us(report) * WORTH_PERCENT) {
        g_free(what);
        g_free(how);
        return;
    }
    advice = g_new0(ReportAdvice, 1);
    advice->time_us = time_us;
    advice->what = what;
    advice->how = how;
    g_ptr_array_add(report->advice, advice);
}

static char *moving_text(const ReportDevice *device, const ReportCost *cost,
                         const ReportSide *destination)
{
    ReportDevice *there = destination
        ? report_device(destination, device->name) : NULL;
    ReportCost taken = there ? report_cost(there) : (ReportCost) { 0 };
    g_autofree char *rate = screen_rate(cost->bytes, cost->moved_us);
    const char *trapped = device->areas_known && !device->areas_mapped
        ? "; its window cannot be mapped, so all of it goes by system calls"
        : "";

    /* A side that takes as long as we send is what we wait for. */
    if (taken.staged_us * 10 > cost->moved_us * 7) {
        g_autofree char *slow = screen_rate(taken.bytes, taken.staged_us);

        return g_strdup_printf("The source waits for the destination's "
                               "driver, which takes it at %s%s.", slow,
                               trapped);
    }
    return g_strdup_printf("Copied and sent at %s: a faster network, or "
                           "less on it%s.", rate, trapped);
}

static void advise_device(Report *report, const ReportDevice *device)
{
    ReportCost cost = report_cost(device);
    g_autofree char *stopped = screen_size(cost.bytes);
    g_autofree char *early = screen_size(device->bytes -
                                         device->stopped_bytes);
    g_autofree char *rate = screen_rate(cost.bytes, cost.staged_us);

    add_advice(report, cost.staged_us,
               g_strdup_printf("%s: its driver prepares %s", device->name,
                               stopped),
               g_strdup_printf("The driver gives it at %s. Less state once "
                               "the VM stands still: it gave %s while the VM "
                               "ran.", rate, early));
    add_advice(report, cost.moved_us,
               g_strdup_printf("%s: %s are copied and sent", device->name,
                               stopped),
               moving_text(device, &cost,
                           report->sides[REPORT_DESTINATION]));
}

static void advise_side_by_side(Report *report, const ReportSide *source)
{
    int64_t all_us = 0, most_us = 0;
    unsigned devices = 0;

    for (unsigned i = 0; i < report->parts->len; i++) {
        const ReportPart *part = g_ptr_array_index(report->parts, i);
        int64_t time_us = part->end_us - part->begin_us;

        if (part->kind == REPORT_PART_DEVICE) {
            devices++;
            all_us += time_us;
            most_us = MAX(most_us, time_us);
        }
    }
    if (devices > 1) {
        add_advice(report, all_us - most_us,
                   g_strdup_printf("%u devices, one after the other",
                                   devices),
                   g_strdup("Read side by side they would take as long as "
                            "the slowest."));
    }
}

static void advise_ram(Report *report, const ReportSide *source,
                       int64_t time_us)
{
    uint64_t pages = 0;
    g_autofree char *size = NULL;

    for (unsigned i = 0; i < source->syncs->len; i++) {
        ReportSync *sync = &g_array_index(source->syncs, ReportSync, i);

        if (sync->begin_us >= report->down_us) {
            pages = sync->dirty_pages;
        }
    }
    size = screen_size(MIN(pages, G_MAXINT64 / PAGE_BYTES) * PAGE_BYTES);
    add_advice(report, time_us, g_strdup_printf("RAM: %s left", size),
               g_strdup("A smaller downtime-limit lets less be left; "
                        "auto-converge slows a guest that dirties faster "
                        "than is sent. Pages that devices write count, too: "
                        "'dirty-tracking' of each device says how they are "
                        "found."));
}

/* Changes of state of all devices in a period, as "dev0 a -> b 3.6 ms" */
static char *arcs_text(const ReportSide *side, int64_t begin_us,
                       int64_t end_us)
{
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < side->devices->len; i++) {
        ReportDevice *device = g_ptr_array_index(side->devices, i);

        for (unsigned n = 0; n < device->arcs->len; n++) {
            ReportArc *arc = g_ptr_array_index(device->arcs, n);
            g_autofree char *time = screen_time(arc->taken_us);

            if (arc->time_us >= begin_us && arc->time_us <= end_us) {
                g_string_append_printf(text, "%s%s %s -> %s%s %s",
                                       text->len ? ", " : "", device->name,
                                       arc->from, arc->to,
                                       arc->ret ? " (refused)" : "", time);
            }
        }
    }
    g_string_append(text, text->len ? ": what the drivers take for a change "
                    "of state." : "Before and after the devices.");
    return g_string_free(text, false);
}

static void advise_part(Report *report, const ReportPart *part)
{
    static const char *const how[] = {
        [REPORT_PART_OTHER] = "Devices that QEMU emulates: fewer of them.",
        [REPORT_PART_FINISH] = "QEMU waits until all is sent.",
        [REPORT_PART_LOAD] = "The destination is behind: its drivers, or its "
                             "processor, are slower than the source.",
        [REPORT_PART_PAUSED] = "The destination was started with -S, or the "
                               "VM was paused: 'cont' comes from outside "
                               "(libvirt, a script).",
    };
    const ReportSide *side = report->sides[part->role];
    int64_t time_us = part->end_us - part->begin_us;

    switch (part->kind) {
    case REPORT_PART_DEVICE:
        if (!report_device(side, part->name)) {
            add_advice(report, time_us, g_strdup(part->name),
                       g_strdup("QEMU's own code, which tells nothing of "
                                "it; what cannot be mapped it reads 8 bytes "
                                "a system call."));
        }
        break;
    case REPORT_PART_RAM:
        advise_ram(report, side, time_us);
        break;
    case REPORT_PART_STOP:
    case REPORT_PART_START:
        add_advice(report, time_us, g_strdup(part->name),
                   arcs_text(side, part->begin_us, part->end_us));
        break;
    default:
        add_advice(report, time_us, g_strdup(part->name),
                   g_strdup(how[part->kind]));
    }
}

static int compare_advice(gconstpointer a, gconstpointer b)
{
    const ReportAdvice *x = *(ReportAdvice *const *)a;
    const ReportAdvice *y = *(ReportAdvice *const *)b;

    return (x->time_us < y->time_us) - (x->time_us > y->time_us);
}

void report_find_advice(Report *report)
{
    const ReportSide *source = report->sides[REPORT_SOURCE];

    if (!report->down_us) {
        return;
    }
    for (unsigned i = 0; i < source->devices->len; i++) {
        advise_device(report, g_ptr_array_index(source->devices, i));
    }
    advise_side_by_side(report, source);
    for (unsigned i = 0; i < report->parts->len; i++) {
        advise_part(report, g_ptr_array_index(report->parts, i));
    }
    g_ptr_array_sort(report->advice, compare_advice);
}

/* ---- the prediction ---- */

char *report_expected(const Report *report)
{
    const ReportSide *source = report->sides[REPORT_SOURCE];
    const ReportSide *destination = report->sides[REPORT_DESTINATION];
    g_autofree char *time = NULL;

    if (!source || !source->expected_known) {
        return NULL;
    }
    time = screen_time(source->expected_us);
    return g_strdup_printf("%s%s were expected%s",
                           source->expected_is_least ? "at least " : "", time,
                           destination && destination->paused
                           ? ", without the wait for cont" : "");
}
