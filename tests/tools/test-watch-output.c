/*
 * Test: what vfio-migrate watch makes of QEMU's answers
 *
 * Each tests/tools/watch/NAME.json holds the answers of one moment, and
 * perhaps of the one before; NAME.golden is the line, the summary, the JSON
 * and the metrics that come of them. Two of the files have all metrics, with
 * what they mean; the others those that are not 0, and how many there are.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "golden.h"
#include "qmp.h"
#include "vfio-migrate/watch-output.h"

/* Between them they have every metric. */
static const char *const full[] = { "completed", "v2", NULL };

static JsonNode *member(JsonNode *node, const char *name)
{
    return json_object_get_member(json_node_get_object(node), name);
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

        if (is_sample && !g_str_has_suffix(lines[i], " 0")) {
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
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    g_autofree char *json = NULL, *folded = NULL;
    g_autofree char *brief = not_zero(metrics);

    json_node_take_object(node, watch_json(sample));
    json = json_to_string(node, true);
    folded = golden_fold(json);
    return g_strdup_printf("== line, phase %s\n%s\n== summary\n%s== JSON\n%s\n"
                           "== metrics\n%s", watch_sample_phase(sample), line,
                           summary, folded, all_metrics ? metrics : brief);
}

static void test_golden(const void *opaque)
{
    const char *name = opaque;
    g_autofree char *input = g_strconcat(WATCH_DIR, "/", name, ".json", NULL);
    g_autofree char *golden = g_strconcat(WATCH_DIR, "/", name, ".golden",
                                          NULL);
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(WatchSample) before = NULL;
    g_autoptr(WatchSample) now = NULL;
    g_autofree char *text = NULL;
    JsonNode *root;

    json_parser_load_from_file(parser, input, &error);
    g_assert_no_error(error);
    root = json_parser_get_root(parser);
    now = sample_of(member(root, "now"));
    if (member(root, "before")) {
        before = sample_of(member(root, "before"));
    }
    watch_sample_finish(now, before);
    if (member(root, "silent-us")) {
        watch_sample_silence(now, qmp_json_int(root, "silent-us"));
    }
    text = all_outputs(now, g_strv_contains(full, name));
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
        if (g_str_has_suffix(file, ".json")) {
            char *name = g_strndup(file, strlen(file) - 5);
            g_autofree char *path = g_strconcat("/watch/output/", name, NULL);

            g_ptr_array_add(names, name);
            g_test_add_data_func(path, name, test_golden);
        }
    }
    g_assert_cmpuint(names->len, >, 0);
    return g_test_run();
}
