/*
 * vfio-migrate watch: the state of a migration at one moment
 *
 * Owns: reading QEMU's answers, rates between two samples, and the reason
 * why the VM cannot be stopped yet. Pure: sends no queries, prints nothing.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "qmp.h"
#include "screen.h"
#include "watch-sample.h"

/* Characters that QEMU accepts in an id, or uses in those it generates */
#define DEVICE_NAME_CHARS G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "-._[]"

/* A rate this close to the limit is bounded by the limit */
#define NEAR(value, limit) ((value) >= 0.9 * (limit))

static void device_free(void *opaque)
{
    WatchDevice *device = opaque;

    g_free(device->name);
    g_free(device->protocol);
    g_free(device->state);
    g_free(device->phase);
    g_free(device->dirty_tracking);
    g_free(device->blocked_reason);
    g_free(device->last_error);
    g_free(device->last_warning);
    g_free(device);
}

WatchSample *watch_sample_new(int64_t time_us)
{
    WatchSample *sample = g_new(WatchSample, 1);

    *sample = (WatchSample) {
        .time_us = time_us, .total_ms = WATCH_UNKNOWN,
        .setup_ms = WATCH_UNKNOWN, .downtime_ms = WATCH_UNKNOWN,
        .expected_downtime_ms = WATCH_UNKNOWN,
        .downtime_limit_ms = WATCH_UNKNOWN, .max_bandwidth = WATCH_UNKNOWN,
        .ram_total = WATCH_UNKNOWN, .ram_transferred = WATCH_UNKNOWN,
        .ram_remaining = WATCH_UNKNOWN, .ram_dirty_rate = WATCH_UNKNOWN,
        .ram_passes = WATCH_UNKNOWN, .rate = WATCH_UNKNOWN,
        .least_downtime_ms = WATCH_UNKNOWN,
        .predicted_ms = WATCH_UNKNOWN, .predicted_is_least = WATCH_UNKNOWN,
        .status = g_strdup("none"), .run_state = g_strdup("unknown"),
        .error_desc = g_strdup(""), .hold_text = g_strdup(""),
        .devices = g_ptr_array_new_with_free_func(device_free),
    };
    return sample;
}

void watch_sample_free(WatchSample *sample)
{
    if (sample) {
        g_ptr_array_unref(sample->devices);
        g_free(sample->status);
        g_free(sample->run_state);
        g_free(sample->error_desc);
        g_free(sample->hold_text);
        g_free(sample);
    }
}

/* ---- QEMU's answers ---- */

/* Anything that is not a number, or is negative, is unknown */
static int64_t count_of(JsonNode *node, const char *path)
{
    return qmp_json_is_int(node, path) && qmp_json_int(node, path) >= 0
        ? qmp_json_int(node, path) : WATCH_UNKNOWN;
}

/* Copy text as one line, without control characters for a terminal. */
static char *text_of(JsonNode *node, const char *path)
{
    const char *text = qmp_json_string(node, path);
    char *copy = g_strdup(text ? text : "");

    for (char *c = copy; *c; c++) {
        if (g_ascii_iscntrl(*c)) {
            *c = ' ';
        }
    }
    return copy;
}

static void take_text(char **to, JsonNode *node, const char *path)
{
    if (qmp_json_string(node, path)) {
        g_free(*to);
        *to = text_of(node, path);
    }
}

void watch_sample_take_migrate(WatchSample *sample, JsonNode *info)
{
    int64_t pages = count_of(info, "ram.dirty-pages-rate");
    int64_t page_bytes = count_of(info, "ram.page-size");

    take_text(&sample->status, info, "status");
    take_text(&sample->error_desc, info, "error-desc");
    sample->total_ms = count_of(info, "total-time");
    sample->setup_ms = count_of(info, "setup-time");
    sample->downtime_ms = count_of(info, "downtime");
    sample->expected_downtime_ms = count_of(info, "expected-downtime");
    sample->ram_total = count_of(info, "ram.total");
    sample->ram_transferred = count_of(info, "ram.transferred");
    sample->ram_remaining = count_of(info, "ram.remaining");
    sample->ram_passes = count_of(info, "ram.dirty-sync-count");
    if (pages >= 0 && page_bytes > 0) {
        sample->ram_dirty_rate = pages * page_bytes;
    }
}

void watch_sample_take_parameters(WatchSample *sample, JsonNode *info)
{
    sample->downtime_limit_ms = count_of(info, "downtime-limit");
    sample->max_bandwidth = count_of(info, "max-bandwidth");
}

void watch_sample_take_status(WatchSample *sample, JsonNode *info)
{
    take_text(&sample->run_state, info, "status");
}

/* It is for the whole VM; that of the device queried last is the newest. */
static void take_prediction(WatchSample *sample, JsonNode *property)
{
    int64_t predicted_ms = count_of(property, "expected-downtime-ms");
    int is_least = qmp_json_flag(property, "expected-downtime-is-lower-bound",
                                 WATCH_UNKNOWN);

    sample->predicted_ms = MAX(sample->predicted_ms, predicted_ms);
    if (predicted_ms >= 0) {
        sample->predicted_is_least = MAX(sample->predicted_is_least,
                                         is_least);
    }
}

void watch_sample_take_device(WatchSample *sample, const char *name,
                              JsonNode *property)
{
    WatchDevice *device = g_new0(WatchDevice, 1);

    device->name = g_strcanon(g_strdup(name), DEVICE_NAME_CHARS, '?');
    device->ours = property != NULL;
    device->protocol = text_of(property, "protocol");
    device->state = text_of(property, "state");
    device->phase = text_of(property, "phase");
    device->dirty_tracking = text_of(property, "dirty-tracking");
    device->blocked_reason = text_of(property, "blocked-reason");
    device->last_error = text_of(property, "last-error");
    device->last_warning = text_of(property, "last-warning");
    device->transferred_bytes = count_of(property, "transferred-bytes");
    device->pending_bytes = count_of(property, "pending-bytes");
    device->chunks = count_of(property, "chunks");
    device->mapped_bytes = count_of(property, "mapped-bytes");
    device->trapped_bytes = count_of(property, "trapped-bytes");
    device->p2p = qmp_json_flag(property, "p2p", WATCH_UNKNOWN);
    device->precopy = qmp_json_flag(property, "pre-copy", WATCH_UNKNOWN);
    device->initial_bytes = count_of(property, "initial-bytes");
    device->dirty_bytes = count_of(property, "dirty-bytes");
    device->stop_copy_bytes = count_of(property, "stop-copy-bytes");
    device->rate = WATCH_UNKNOWN;
    take_prediction(sample, property);
    g_ptr_array_add(sample->devices, device);
}

/* ---- rates ---- */

static double rate_of(int64_t now, int64_t before, int64_t time_us)
{
    return now < 0 || before < 0 || now < before || time_us <= 0
        ? WATCH_UNKNOWN
        : (now - before) * (double)G_USEC_PER_SEC / time_us;
}

static const WatchDevice *find_device(const WatchSample *sample,
                                      const char *name)
{
    for (unsigned i = 0; i < sample->devices->len; i++) {
        const WatchDevice *device = g_ptr_array_index(sample->devices, i);

        if (strcmp(device->name, name) == 0) {
            return device;
        }
    }
    return NULL;
}

static void find_rates(WatchSample *sample, const WatchSample *before)
{
    int64_t time_us = sample->time_us - before->time_us;

    sample->rate = rate_of(sample->ram_transferred, before->ram_transferred,
                           time_us);
    for (unsigned i = 0; i < sample->devices->len; i++) {
        WatchDevice *device = g_ptr_array_index(sample->devices, i);
        const WatchDevice *then = find_device(before, device->name);

        if (then) {
            device->rate = rate_of(device->transferred_bytes,
                                   then->transferred_bytes, time_us);
        }
        if (device->rate >= 0) {
            sample->rate = MAX(sample->rate, 0) + device->rate;
        }
    }
}

/* ---- what delays the migration ---- */

static bool is_stopped(const WatchSample *sample)
{
    return strcmp(sample->run_state, "finish-migrate") == 0 ||
           strcmp(sample->status, "device") == 0;
}

static void set_hold(WatchSample *sample, WatchHold hold, char *text)
{
    sample->hold = hold;
    g_free(sample->hold_text);
    sample->hold_text = text;
}

/* The device with the most data left, and the sum for all devices */
static const WatchDevice *slowest_device(const WatchSample *sample,
                                         int64_t *all_bytes)
{
    const WatchDevice *most = NULL;

    *all_bytes = 0;
    for (unsigned i = 0; i < sample->devices->len; i++) {
        const WatchDevice *device = g_ptr_array_index(sample->devices, i);

        *all_bytes += MAX(device->pending_bytes, 0);
        if (device->pending_bytes > 0 &&
            (!most || device->pending_bytes > most->pending_bytes)) {
            most = device;
        }
    }
    return most;
}

static bool find_blocked(WatchSample *sample)
{
    for (unsigned i = 0; i < sample->devices->len; i++) {
        const WatchDevice *device = g_ptr_array_index(sample->devices, i);

        if (*device->blocked_reason) {
            set_hold(sample, WATCH_HOLD_BLOCKED,
                     g_strdup(device->blocked_reason));
            return true;
        }
    }
    return false;
}

static void hold_stopped(WatchSample *sample)
{
    int64_t left;
    const WatchDevice *device = slowest_device(sample, &left);
    g_autofree char *size = screen_size(left);

    if (device) {
        set_hold(sample, WATCH_HOLD_STOPPED,
                 g_strdup_printf("the VM stands still while %s of %s are "
                                 "read", size, device->name));
    }
}

static void hold_downtime(WatchSample *sample)
{
    g_autofree char *time = screen_time(sample->predicted_ms * 1000);
    g_autofree char *limit = screen_time(sample->downtime_limit_ms * 1000);

    if (sample->downtime_limit_ms >= 0 &&
        sample->predicted_ms > sample->downtime_limit_ms) {
        set_hold(sample, WATCH_HOLD_DOWNTIME,
                 g_strdup_printf("to stop the VM now would take %s, and the "
                                 "downtime limit is %s", time, limit));
    }
}

/* @budget: bytes that can be sent within the downtime limit */
static void hold_running(WatchSample *sample, double budget)
{
    int64_t pending, ram = MAX(sample->ram_remaining, 0);
    const WatchDevice *device = slowest_device(sample, &pending);
    g_autofree char *left = NULL, *fits = screen_size(budget);
    g_autofree char *dirty = screen_size(MAX(sample->ram_dirty_rate, 0));
    g_autofree char *rate = screen_size(sample->rate);
    const char *capped = sample->max_bandwidth > 0 &&
                         NEAR(sample->rate, sample->max_bandwidth)
        ? ", which is max-bandwidth" : "";

    if (pending + ram <= budget) {
        return;
    }
    if (sample->ram_dirty_rate > 0 && ram > 0 &&
        NEAR(sample->ram_dirty_rate, sample->rate)) {
        set_hold(sample, WATCH_HOLD_DIRTY_RATE,
                 g_strdup_printf("%s/s of RAM are dirtied, %s/s are sent%s",
                                 dirty, rate, capped));
        return;
    }
    left = screen_size(pending > ram ? device->pending_bytes : ram);
    set_hold(sample, pending > ram ? WATCH_HOLD_DEVICE : WATCH_HOLD_RAM,
             g_strdup_printf("%s has %s left, and %s fit into the downtime "
                             "limit at %s/s%s",
                             pending > ram ? device->name : "RAM", left,
                             fits, rate, capped));
}

void watch_sample_finish(WatchSample *sample, const WatchSample *before)
{
    int64_t pending;

    if (before) {
        find_rates(sample, before);
    }
    if (find_blocked(sample) || !watch_sample_is_active(sample)) {
        return;
    }
    if (is_stopped(sample)) {
        hold_stopped(sample);
        return;
    }
    slowest_device(sample, &pending);
    if (sample->rate > 0 && sample->ram_remaining >= 0) {
        sample->least_downtime_ms =
            (sample->ram_remaining + pending) * 1000.0 / sample->rate;
    }
    if (sample->rate > 0 && sample->downtime_limit_ms >= 0) {
        hold_running(sample, sample->rate * sample->downtime_limit_ms / 1000);
    }
    if (sample->hold == WATCH_HOLD_NONE) {
        hold_downtime(sample);
    }
}

void watch_sample_silence(WatchSample *sample, int64_t silent_us)
{
    g_autofree char *time = screen_time(silent_us);

    set_hold(sample, WATCH_HOLD_SILENT,
             g_strdup_printf("QEMU has not answered for %s; it does not while "
                             "it copies the state of a stopped device",
                             time));
}

/* ---- words ---- */

static bool is_one_of(const char *text, const char *const *words)
{
    return g_strv_contains(words, text);
}

bool watch_sample_is_active(const WatchSample *sample)
{
    static const char *const words[] = {
        "setup", "active", "device", "pre-switchover", "cancelling",
        "wait-unplug", "postcopy-active", "postcopy-paused",
        "postcopy-recover", NULL,
    };

    return is_one_of(sample->status, words);
}

bool watch_sample_is_over(const WatchSample *sample)
{
    static const char *const words[] = {
        "completed", "failed", "cancelled", NULL,
    };

    return is_one_of(sample->status, words);
}

bool watch_sample_has_moved(const WatchSample *sample,
                            const WatchSample *before)
{
    return strcmp(sample->status, before->status) != 0 ||
           sample->total_ms != before->total_ms ||
           sample->ram_transferred != before->ram_transferred;
}

const char *watch_sample_phase(const WatchSample *sample)
{
    if (strcmp(sample->status, "none") == 0) {
        return "waiting";
    }
    if (strcmp(sample->status, "active") == 0 && is_stopped(sample)) {
        return "stop-copy";
    }
    if (strcmp(sample->status, "active") == 0) {
        return strcmp(sample->run_state, "inmigrate") ? "pre-copy"
                                                      : "incoming";
    }
    return strcmp(sample->status, "device") ? sample->status : "stop-copy";
}

const char *watch_hold_name(WatchHold hold)
{
    static const char *const names[] = {
        [WATCH_HOLD_NONE] = "none",
        [WATCH_HOLD_BLOCKED] = "blocked",
        [WATCH_HOLD_DIRTY_RATE] = "dirty-rate",
        [WATCH_HOLD_RAM] = "ram-remaining",
        [WATCH_HOLD_DEVICE] = "device-pending",
        [WATCH_HOLD_DOWNTIME] = "downtime",
        [WATCH_HOLD_STOPPED] = "vm-stopped",
        [WATCH_HOLD_SILENT] = "no-answer",
    };

    return names[hold];
}
