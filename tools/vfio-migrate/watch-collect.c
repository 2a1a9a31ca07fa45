/*
 * vfio-migrate watch: the queries that make up a sample
 *
 * Owns: which commands are sent, all of them queries, and their order.
 * Devices are looked up each time, since they come and go. A query that is
 * not answered in time is waited for, not sent again. No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "watch-collect.h"

/* Limit on the number of devices: answers are untrusted. */
#define MAX_DEVICES 256

typedef enum WatchStep {
    STEP_NAMED,             /* devices with an id set by the user */
    STEP_UNNAMED,
    STEP_MIGRATE,
    STEP_PARAMETERS,
    STEP_STATUS,
    STEP_DEVICES,           /* one query each */
} WatchStep;

struct WatchCollector {
    WatchSource *source;
    WatchStep step;
    unsigned device;        /* next index in @paths, in the last step */
    bool asked;
    GPtrArray *paths;       /* in the object tree */
    WatchSample *sample;
};

static const char *const folders[] = {
    [STEP_NAMED] = "/machine/peripheral",
    [STEP_UNNAMED] = "/machine/peripheral-anon",
};

WatchCollector *watch_collector_new(WatchSource *source)
{
    WatchCollector *collector = g_new0(WatchCollector, 1);

    collector->source = source;
    collector->paths = g_ptr_array_new_with_free_func(g_free);
    return collector;
}

void watch_collector_free(WatchCollector *collector)
{
    if (collector) {
        watch_source_free(collector->source);
        watch_sample_free(collector->sample);
        g_ptr_array_unref(collector->paths);
        g_free(collector);
    }
}

static bool ask(WatchCollector *collector, GError **error)
{
    static const char *const commands[] = {
        [STEP_MIGRATE] = "query-migrate",
        [STEP_PARAMETERS] = "query-migrate-parameters",
        [STEP_STATUS] = "query-status",
    };
    GVariant *arguments = NULL;
    const char *command = NULL;

    switch (collector->step) {
    case STEP_NAMED:
    case STEP_UNNAMED:
        command = "qom-list";
        arguments = g_variant_new_parsed("{'path': <%s>}",
                                         folders[collector->step]);
        break;
    case STEP_DEVICES:
        command = "qom-get";
        arguments = g_variant_new_parsed(
            "{'path': <%s>, 'property': <'vfio-migration'>}",
            g_ptr_array_index(collector->paths, collector->device));
        break;
    default:
        command = commands[collector->step];
    }
    return watch_source_ask(collector->source, command, arguments, error);
}

/* Collect the folder's children that are vfio-pci devices or subtypes. */
static void take_folder(WatchCollector *collector, JsonNode *answer)
{
    JsonArray *list = JSON_NODE_HOLDS_ARRAY(answer)
        ? json_node_get_array(answer) : NULL;

    for (unsigned i = 0; list && i < json_array_get_length(list); i++) {
        JsonNode *child = json_array_get_element(list, i);
        const char *name = qmp_json_string(child, "name");
        const char *type = qmp_json_string(child, "type");

        if (name && type && g_str_has_prefix(type, "child<vfio-") &&
            collector->paths->len < MAX_DEVICES) {
            g_ptr_array_add(collector->paths,
                            g_strdup_printf("%s/%s", folders[collector->step],
                                            name));
        }
    }
}

static void take_device(WatchCollector *collector, JsonNode *answer)
{
    const char *path = g_ptr_array_index(collector->paths,
                                         collector->device++);

    watch_sample_take_device(collector->sample, strrchr(path, '/') + 1,
                             answer);
}

/* @answer: NULL if QEMU refused, as it does if the object does not exist */
static void take(WatchCollector *collector, JsonNode *answer)
{
    WatchSample *sample = collector->sample;

    switch (collector->step) {
    case STEP_NAMED:
    case STEP_UNNAMED:
        take_folder(collector, answer);
        break;
    case STEP_MIGRATE:
        /* Rates are relative to this time. */
        sample->time_us = g_get_real_time();
        watch_sample_take_migrate(sample, answer);
        break;
    case STEP_PARAMETERS:
        watch_sample_take_parameters(sample, answer);
        break;
    case STEP_STATUS:
        watch_sample_take_status(sample, answer);
        break;
    case STEP_DEVICES:
        take_device(collector, answer);
        return;
    }
    collector->step++;
}

static bool is_complete(const WatchCollector *collector)
{
    return collector->step == STEP_DEVICES &&
           collector->device == collector->paths->len;
}

static void begin(WatchCollector *collector)
{
    collector->sample = watch_sample_new(g_get_real_time());
    collector->step = STEP_NAMED;
    collector->device = 0;
    g_ptr_array_set_size(collector->paths, 0);
}

WatchSample *watch_collect(WatchCollector *collector, int timeout_ms,
                           GError **error)
{
    int64_t end_us = g_get_monotonic_time() + timeout_ms * 1000ll;

    if (!collector->sample) {
        begin(collector);
    }
    while (!is_complete(collector)) {
        int64_t left_ms = (end_us - g_get_monotonic_time()) / 1000;
        g_autoptr(GError) cause = NULL;
        g_autoptr(JsonNode) answer = NULL;

        if (!collector->asked && !ask(collector, error)) {
            return NULL;
        }
        collector->asked = true;
        answer = watch_source_answer(collector->source, MAX(left_ms, 0),
                                     &cause);
        if (!answer && !cause) {
            return NULL;
        }
        collector->asked = false;
        if (cause && !g_error_matches(cause, QMP_ERROR, QMP_ERROR_COMMAND)) {
            g_propagate_error(error, g_steal_pointer(&cause));
            return NULL;
        }
        take(collector, answer);
    }
    return g_steal_pointer(&collector->sample);
}
