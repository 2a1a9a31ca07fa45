/*
 * Test: what vfio-migrate watch makes of QEMU's answers
 *
 * Each tests/tools/watch/NAME.json holds the answers of one moment, and
 * perhaps of the one before: what differs from that, or from base.json.
 * NAME.golden is the line, the summary, the JSON and the metrics that come of
 * them. One of the files has all metrics, with what they mean; the others those
 * that are not 0, and how many there are.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "golden.h"
#include "qmp.h"
#include "vfio-migrate/watch-output.h"

/* Has every metric but DOWNTIME, which is there once all is over. */
#define FULL "v2"
#define DOWNTIME " vfio_migration_downtime_seconds "

static JsonNode *member(JsonNode *node, const char *name)
{
    return json_object_get_member(json_node_get_object(node), name);
}

static JsonNode *parsed(const char *name)
{
    g_autofree char *file = g_strconcat(WATCH_DIR, "/", name, ".json", NULL);
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autoptr(GError) error = NULL;

    json_parser_load_from_file(parser, file, &error);
    g_assert_no_error(error);
    return json_parser_steal_root(parser);
}

/* @base, and in it what @patch has; the members of objects one by one */
static JsonNode *merged(JsonNode *base, JsonNode *patch)
{
    g_autoptr(GList) names = NULL;
    JsonObject *object;
    JsonNode *all;

    if (!base || !JSON_NODE_HOLDS_OBJECT(base) ||
        !JSON_NODE_HOLDS_OBJECT(patch)) {
        return json_node_copy(patch);
    }
    object = json_object_new();
    names = json_object_get_members(json_node_get_object(base));
    for (GList *i = names; i; i = i->next) {
        json_object_set_member(object, i->data,
                               json_node_copy(member(base, i->data)));
    }
    g_list_free(names);
    names = json_object_get_members(json_node_get_object(patch));
    for (GList *i = names; i; i = i->next) {
        json_object_set_member(object, i->data,
                               merged(member(base, i->data),
                                      member(patch, i->data)));
    }
    all = json_node_new(JSON_NODE_OBJECT);
    json_node_take_object(all, object);
    return all;
}

/* A moment that differs from @before by @patch */
static JsonNode *moment_of(JsonNode *before, JsonNode *patch,
                           JsonNode *device)
{
    JsonNode *moment = merged(before, patch);
    JsonObject *devices = json_node_get_object(member(moment, "devices"));
    g_autoptr(GList) names = json_object_get_members(devices);

    for (GList *i = names; i; i = i->next) {
        json_object_set_member(
            devices, i->data,
            merged(device, json_object_get_member(devices, i->data)));
    }
    return moment;
}

static WatchSample *sample_of(JsonNode *moment)
{
    WatchSample *sample = watch_sample_new(qmp_json_int(moment, "time-us"));
    JsonObject *devices = json_node_get_object(member(moment, "devices"));
    g_autoptr(GList) names = json_object_get_members(devices);

    watch_sample_take_migrate(sample, member(moment, "migrate"));
    watch_sample_take_status(sample, member(moment, "status"));
    watch_sample_take_parameters(sample, member(moment, "parameters"));
    for (GList *i = names; i; i = i->next) {
        JsonNode *property = json_object_get_member(devices, i->data);

        watch_sample_take_device(sample, i->data,
                                 JSON_NODE_HOLDS_NULL(property) ? NULL
                                                                : property);
    }
    return sample;
}

static char *not_zero(const char *metrics)
{
    g_auto(GStrv) lines = g_strsplit(metrics, "\n", -1);
    g_autoptr(GString) out = g_string_new(NULL);
    unsigned count = 0;

    for (unsigned i = 0; lines[i]; i++) {
        bool is_sample = *lines[i] && *lines[i] != '#';

        if (is_sample ? !g_str_has_suffix(lines[i], " 0")
                      : strstr(lines[i], DOWNTIME) != NULL) {
            g_string_append_printf(out, "%s\n", lines[i]);
        }
        count += is_sample;
    }
    g_string_append_printf(out, "(of %u)\n", count);
    return g_strdup(out->str);
}

static char *all_outputs(WatchSample *sample, bool all_metrics)
{
    g_autofree char *line = watch_line(sample);
    g_autofree char *summary = watch_summary(sample);
    g_autofree char *metrics = watch_metrics(sample, "vm \"1\"");
    g_autofree char *json = golden_json(watch_json(sample));
    g_autofree char *brief = not_zero(metrics);

    return g_strdup_printf("== line, phase %s\n%s\n== summary\n%s== JSON\n%s\n"
                           "== metrics\n%s", watch_sample_phase(sample), line,
                           summary, json, all_metrics ? metrics : brief);
}

static void test_golden(const void *opaque)
{
    const char *name = opaque;
    g_autofree char *golden = g_strconcat(WATCH_DIR, "/", name, ".golden",
                                          NULL);
    g_autoptr(JsonNode) base = parsed("base");
    g_autoptr(JsonNode) root = parsed(name);
    g_autoptr(JsonNode) first = json_node_copy(member(base, "moment"));
    g_autoptr(JsonNode) moment = NULL;
    g_autoptr(WatchSample) before = NULL;
    g_autoptr(WatchSample) now = NULL;
    g_autofree char *text = NULL;

    if (member(root, "before")) {
        json_node_unref(first);
        first = moment_of(member(base, "moment"), member(root, "before"),
                          member(base, "device"));
        before = sample_of(first);
    }
    moment = moment_of(first, member(root, "now"), member(base, "device"));
    now = sample_of(moment);
    watch_sample_finish(now, before);
    if (member(root, "silent-us")) {
        watch_sample_silence(now, qmp_json_int(root, "silent-us"));
    }
    text = all_outputs(now, !strcmp(name, FULL));
    golden_compare(golden, text);
}

/* A figure that is one sample old is no figure of another migration. */
static void test_moved(void)
{
    g_autoptr(WatchSample) first = watch_sample_new(0);
    g_autoptr(WatchSample) now = watch_sample_new(0);

    g_assert_false(watch_sample_has_moved(now, first));
    g_assert_false(watch_sample_is_over(now));
    now->total_ms = 100;
    g_assert_true(watch_sample_has_moved(now, first));
    g_free(now->status);
    now->status = g_strdup("completed");
    g_assert_true(watch_sample_is_over(now));
    g_assert_false(watch_sample_is_active(now));
}

int main(int argc, char **argv)
{
    g_autoptr(GDir) dir = g_dir_open(WATCH_DIR, 0, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const char *file;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/watch/moved", test_moved);
    while (dir && (file = g_dir_read_name(dir))) {
        if (g_str_has_suffix(file, ".json") && strcmp(file, "base.json")) {
            char *name = g_strndup(file, strlen(file) - 5);
            g_autofree char *path = g_strconcat("/watch/output/", name, NULL);

            g_ptr_array_add(names, name);
            g_test_add_data_func(path, name, test_golden);
        }
    }
    g_assert_cmpuint(names->len, >, 0);
    return g_test_run();
}
