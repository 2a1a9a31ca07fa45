/*
 * vfio-migrate watch: a sample as text for people, and as JSON
 *
 * Owns: the wording and the members. Does not own: Prometheus' format
 * (watch-metrics.c). No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "screen.h"
#include "json.h"
#include "watch-output.h"

#define WATCH_SCHEMA_VERSION 1

/* ---- text ---- */

static void add_size(GString *text, const char *before, int64_t bytes,
                     const char *after)
{
    if (bytes >= 0) {
        g_autofree char *size = screen_size(bytes);

        g_string_append_printf(text, "%s%s%s", before, size, after);
    }
}

static void add_time(GString *text, const char *before, int64_t time_ms)
{
    if (time_ms >= 0) {
        g_autofree char *time = screen_time(time_ms * 1000);

        g_string_append_printf(text, "%s%s", before, time);
    }
}

static void add_device(GString *text, const WatchDevice *device)
{
    g_string_append_printf(text, "%s%s", text->len ? ", " : "", device->name);
    if (!device->ours) {
        g_string_append(text, " (QEMU's own code)");
        return;
    }
    g_string_append_printf(text, " %s", device->state);
    add_size(text, " ", device->transferred_bytes, "");
    if (device->pending_bytes > 0) {
        add_size(text, " + ", device->pending_bytes, "");
    }
}

/* Expected downtime, and its limit */
static void add_downtime(GString *text, const WatchSample *sample)
{
    if (!watch_sample_is_active(sample)) {
        return;
    }
    if (sample->predicted_ms >= 0) {
        add_time(text, sample->predicted_is_least > 0
                 ? ", downtime expected at least "
                 : ", downtime expected ", sample->predicted_ms);
    } else if (sample->least_downtime_ms >= 0) {
        add_time(text, ", downtime at least ", sample->least_downtime_ms);
    } else {
        return;
    }
    add_time(text, " of ", sample->downtime_limit_ms);
}

char *watch_line(const WatchSample *sample)
{
    GString *text = g_string_new(NULL);

    if (sample->rate >= 0) {
        add_size(text, "", sample->rate, "/s");
    }
    if (sample->ram_transferred >= 0) {
        add_size(text, text->len ? ", RAM " : "RAM ",
                 sample->ram_transferred, "");
        add_size(text, " + ", sample->ram_remaining, "");
    }
    for (unsigned i = 0; i < sample->devices->len; i++) {
        add_device(text, g_ptr_array_index(sample->devices, i));
    }
    add_downtime(text, sample);
    if (*sample->hold_text) {
        g_string_append_printf(text, ": %s", sample->hold_text);
    }
    return g_string_free(text, false);
}

static void add_summary_device(GString *text, const WatchDevice *device)
{
    g_string_append_printf(text, "  %-12s", device->name);
    if (!device->ours) {
        g_string_append(text, "QEMU's own code, which counts nothing\n");
        return;
    }
    g_string_append_printf(text, "%s", device->state);
    add_size(text, ", ", device->transferred_bytes, "");
    g_string_append_printf(text, " in %" G_GINT64_FORMAT " chunks",
                           MAX(device->chunks, 0));
    if (strcmp(device->protocol, "v2")) {
        add_size(text, ", ", device->mapped_bytes, " mapped");
        add_size(text, ", ", device->trapped_bytes, " trapped");
    }
    g_string_append_c(text, '\n');
    if (*device->last_error) {
        g_string_append_printf(text, "  %-12s%s\n", "", device->last_error);
    }
    if (*device->last_warning) {
        g_string_append_printf(text, "  %-12s%s\n", "",
                               device->last_warning);
    }
}

char *watch_summary(const WatchSample *sample)
{
    GString *text = g_string_new(NULL);

    g_string_append_printf(text, "  %-12s%s", "migration", sample->status);
    add_time(text, ", in ", sample->total_ms);
    add_time(text, ", set-up ", sample->setup_ms);
    add_time(text, ", downtime ", sample->downtime_ms);
    add_time(text, sample->predicted_is_least > 0
             ? ", expected at least " : ", expected ", sample->predicted_ms);
    g_string_append_c(text, '\n');
    if (*sample->error_desc) {
        g_string_append_printf(text, "  %-12s%s\n", "", sample->error_desc);
    }
    if (sample->ram_transferred >= 0) {
        g_string_append_printf(text, "  %-12s", "RAM");
        add_size(text, "", sample->ram_transferred, " sent");
        add_size(text, ", of ", sample->ram_total, "");
        g_string_append_printf(text, ", %" G_GINT64_FORMAT " syncs of dirty "
                               "pages\n",
                               sample->ram_passes);
    }
    for (unsigned i = 0; i < sample->devices->len; i++) {
        add_summary_device(text, g_ptr_array_index(sample->devices, i));
    }
    return g_string_free(text, false);
}

/* ---- JSON ---- */

static void set_count(JsonObject *object, const char *name, int64_t value)
{
    if (value >= 0) {
        json_object_set_int_member(object, name, value);
    } else {
        json_object_set_null_member(object, name);
    }
}

static void set_flag(JsonObject *object, const char *name, int value)
{
    if (value >= 0) {
        json_object_set_boolean_member(object, name, value);
    } else {
        json_object_set_null_member(object, name);
    }
}

static JsonObject *ram_json(const WatchSample *sample)
{
    JsonObject *ram = json_object_new();

    set_count(ram, "total", sample->ram_total);
    set_count(ram, "transferred", sample->ram_transferred);
    set_count(ram, "remaining", sample->ram_remaining);
    set_count(ram, "dirty-rate", sample->ram_dirty_rate);
    set_count(ram, "dirty-syncs", sample->ram_passes);
    return ram;
}

static JsonObject *device_json(const WatchDevice *device)
{
    JsonObject *object = json_object_new();

    json_object_set_string_member(object, "name", device->name);
    json_object_set_string_member(object, "code",
                                  device->ours ? "ours" : "builtin");
    if (!device->ours) {
        return object;
    }
    json_object_set_string_member(object, "protocol", device->protocol);
    set_flag(object, "p2p", device->p2p);
    set_flag(object, "pre-copy", device->precopy);
    json_object_set_string_member(object, "state", device->state);
    if (*device->phase) {
        json_object_set_string_member(object, "phase", device->phase);
    }
    set_count(object, "transferred", device->transferred_bytes);
    set_count(object, "pending", device->pending_bytes);
    set_count(object, "chunks", device->chunks);
    set_count(object, "mapped", device->mapped_bytes);
    set_count(object, "trapped", device->trapped_bytes);
    set_count(object, "initial", device->initial_bytes);
    set_count(object, "dirty", device->dirty_bytes);
    set_count(object, "stop-copy", device->stop_copy_bytes);
    set_count(object, "rate", device->rate);
    json_object_set_string_member(object, "dirty-tracking",
                                  device->dirty_tracking);
    json_object_set_string_member(object, "blocked-reason",
                                  device->blocked_reason);
    json_object_set_string_member(object, "last-error", device->last_error);
    json_object_set_string_member(object, "last-warning",
                                  device->last_warning);
    return object;
}

static JsonArray *devices_json(const WatchSample *sample)
{
    JsonArray *devices = json_array_new();

    for (unsigned i = 0; i < sample->devices->len; i++) {
        json_array_add_object_element(
            devices, device_json(g_ptr_array_index(sample->devices, i)));
    }
    return devices;
}

static JsonObject *hold_json(const WatchSample *sample)
{
    JsonObject *hold = json_object_new();

    json_object_set_string_member(hold, "kind",
                                  watch_hold_name(sample->hold));
    json_object_set_string_member(hold, "text", sample->hold_text);
    return hold;
}

JsonObject *watch_json(const WatchSample *sample)
{
    JsonObject *object = json_report_new("watch", WATCH_SCHEMA_VERSION);

    json_object_set_double_member(object, "time", sample->time_us / 1e6);
    json_object_set_string_member(object, "vm", sample->run_state);
    json_object_set_string_member(object, "status", sample->status);
    json_object_set_string_member(object, "phase",
                                  watch_sample_phase(sample));
    json_object_set_string_member(object, "error", sample->error_desc);
    set_count(object, "total-ms", sample->total_ms);
    set_count(object, "setup-ms", sample->setup_ms);
    set_count(object, "downtime-ms", sample->downtime_ms);
    set_count(object, "expected-downtime-ms", sample->expected_downtime_ms);
    set_count(object, "least-downtime-ms", sample->least_downtime_ms);
    set_count(object, "predicted-downtime-ms", sample->predicted_ms);
    set_flag(object, "predicted-downtime-is-lower-bound",
             sample->predicted_is_least);
    set_count(object, "downtime-limit-ms", sample->downtime_limit_ms);
    set_count(object, "max-bandwidth", sample->max_bandwidth);
    set_count(object, "rate", sample->rate);
    json_object_set_object_member(object, "hold", hold_json(sample));
    json_object_set_object_member(object, "ram", ram_json(sample));
    json_object_set_array_member(object, "devices", devices_json(sample));
    return object;
}
