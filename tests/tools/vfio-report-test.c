/*
 * vfio-migrate report at real migrations
 *
 * Owns: that its figures are true: chunks, bytes and changes of state are
 * those of the simulated device's transcript, on both sides and in order; the
 * downtime is what QEMU says of it, about.
 * Does not own: what it makes of given traces (test-report.c).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "tests/qtest/transcript-helpers.h"
#include "tests/qtest/vfio-test.h"

#include <string.h>
#include <json-glib/json-glib.h>

#include "run.h"

/* The second destination writes where the first one did. */
static char *trace_of(const VFIOSide *side)
{
    return g_strdup_printf("%s/%s.trace", qtest_tmpdir(),
                           side->incoming ? "in" : "out");
}

/* What the tool says that QEMU has to be started with */
static void add_trace(VFIOSide *side)
{
    g_autofree char *path = trace_of(side);
    const char *argv[] = { TOOL_PROGRAM, "report", "--options", path, NULL };
    g_autofree char *options = run_output(argv);

    g_string_append_printf(side->args, " %s", g_strstrip(options));
}

static JsonNode *report_of(VFIOPair *pair)
{
    g_autofree char *source = trace_of(pair->src);
    g_autofree char *destination = trace_of(pair->dst);
    g_autofree char *page = g_build_filename(qtest_tmpdir(), "page.html",
                                             NULL);
    /* In the other order: the tool finds out which is which. */
    const char *argv[] = { TOOL_PROGRAM, "report", "--json", "-o", page,
                           destination, source, NULL };
    g_autofree char *output = run_output(argv);
    g_autofree char *html = NULL;
    JsonNode *node = json_from_string(output, NULL);

    g_assert_nonnull(node);
    g_assert_true(g_file_get_contents(page, &html, NULL, NULL));
    g_assert_nonnull(strstr(html, "</html>"));
    return node;
}

static JsonObject *side_of(JsonNode *report, const char *name)
{
    return json_object_get_object_member(json_node_get_object(report), name);
}

static JsonObject *device_of(JsonNode *report, const char *side, unsigned i)
{
    return json_array_get_object_element(
        json_object_get_array_member(side_of(report, side), "devices"), i);
}

/* "running>pre-copy pre-copy>stop-copy", those that were made */
static char *changes_of(JsonObject *device)
{
    JsonArray *changes = json_object_get_array_member(device, "changes");
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < json_array_get_length(changes); i++) {
        JsonObject *change = json_array_get_object_element(changes, i);

        if (json_object_get_int_member(change, "ret") == 0) {
            g_string_append_printf(
                text, "%s%s>%s", text->len ? " " : "",
                json_object_get_string_member(change, "from"),
                json_object_get_string_member(change, "to"));
        }
    }
    return g_string_free(text, false);
}

static void expect_device(VFIOSide *side, JsonObject *device,
                          const char *event)
{
    const char *name = json_object_get_string_member(device, "name");
    g_autofree char *transcript = vfio_side_transcript(side);
    TranscriptMoved moved = transcript_moved(transcript, name, event);
    g_autofree char *arcs = transcript_arcs(transcript, name);
    g_autofree char *changes = changes_of(device);

    g_assert_cmpint(moved.chunks, >, 0);
    g_assert_cmpint(json_object_get_int_member(device, "chunks"), ==,
                    moved.chunks);
    g_assert_cmpint(json_object_get_int_member(device, "bytes"), ==,
                    moved.bytes);
    g_assert_cmpstr(changes, ==, arcs);
}

/* Of all, or of those with @name */
static int64_t sum_of_parts(JsonNode *report, const char *name)
{
    JsonArray *parts = json_object_get_array_member(
        json_node_get_object(report), "parts");
    int64_t sum_us = 0;

    for (unsigned i = 0; i < json_array_get_length(parts); i++) {
        JsonObject *part = json_array_get_object_element(parts, i);

        if (!name || !strcmp(json_object_get_string_member(part, "name"),
                             name)) {
            sum_us += json_object_get_int_member(part, "taken-us");
        }
    }
    return sum_us;
}

/* What the device still says: all that was known when the VM stopped */
static void expect_expected(VFIOSide *side, JsonObject *root)
{
    QDict *property = vfio_side_property(side, "dev0");

    g_assert_cmpint(json_object_get_int_member(root, "expected-downtime-us"),
                    >=, 1000 * qdict_get_int(property,
                                             "expected-downtime-ms"));
    /* v1 does not tell what the stopped device has. */
    g_assert_true(qdict_get_bool(property,
                                 "expected-downtime-is-lower-bound"));
    g_assert_true(json_object_get_boolean_member(
        root, "expected-downtime-is-lower-bound"));
    qobject_unref(property);
}

static void test_completed(const void *opaque)
{
    unsigned devices = GPOINTER_TO_UINT(opaque);
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);
    g_autoptr(JsonNode) report = NULL;
    JsonObject *root;

    for (unsigned i = 1; i < devices; i++) {
        vfio_side_add_device(pair->src);
        vfio_side_add_device(pair->dst);
        pair->src->multi = pair->dst->multi = true;
    }
    vfio_pair_set(pair, "state-size", "4M");
    add_trace(pair->src);
    add_trace(pair->dst);
    vfio_pair_start(pair);
    vfio_pair_migrate(pair);
    report = report_of(pair);
    root = json_node_get_object(report);
    g_assert_cmpstr(json_object_get_string_member(side_of(report, "source"),
                                                  "status"), ==,
                    "completed");
    for (unsigned i = 0; i < devices; i++) {
        expect_device(pair->src, device_of(report, "source", i),
                      "chunk-done");
        expect_device(pair->dst, device_of(report, "destination", i),
                      "chunk-loaded");
    }
    /* One machine, one clock */
    g_assert_cmpint(json_object_get_int_member(root, "clock-shift-us"), ==,
                    0);
    g_assert_cmpint(json_object_get_int_member(root, "downtime-us"), >, 0);
    g_assert_cmpint(json_object_get_int_member(root, "downtime-us"), ==,
                    sum_of_parts(report, NULL));
    expect_expected(pair->src, root);
    vfio_pair_free(pair);
}

/* Nothing is traced of the reads of v2, but of what a round has sent. */
static void test_v2(void)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);
    g_autofree char *transcript = NULL;
    g_autoptr(JsonNode) report = NULL;
    JsonObject *device;
    TranscriptMoved moved;

    vfio_pair_set_keys(pair, "protocol=v2;pre-copy=yes;p2p=yes;"
                       "precopy-size=1M;state-size=4M;save-rate=32M");
    add_trace(pair->src);
    add_trace(pair->dst);
    vfio_pair_start(pair);
    vfio_pair_migrate(pair);
    report = report_of(pair);
    device = device_of(report, "source", 0);
    transcript = vfio_side_transcript(pair->src);
    moved = transcript_moved(transcript, "dev0", "record-done");
    g_assert_cmpint(json_object_get_int_member(device, "bytes"), ==,
                    moved.bytes);
    g_assert_cmpint(json_object_get_int_member(device, "stopped-bytes"), >=,
                    4 << 20);
    /* 4 MiB at 32 MiB/s */
    g_assert_cmpint(json_object_get_int_member(device, "stopped-driver-us"),
                    >=, 100000);
    g_assert_cmpint(sum_of_parts(report, "dev0"), >=, 100000);
    vfio_pair_free(pair);
}

/* The last of two tries in one trace, and one that failed */
static void test_failed(void)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);
    g_autoptr(JsonNode) report = NULL;
    JsonObject *source;

    vfio_side_fault(pair->src, "read", "event=data-size-read;"
                    "state=stop-copy;errno=EIO");
    add_trace(pair->src);
    add_trace(pair->dst);
    vfio_pair_start(pair);
    vfio_pair_begin(pair);
    vfio_expect_failed(pair->src, "data_size;Input/output error");
    vfio_expect_source_well(pair);
    report = report_of(pair);
    source = side_of(report, "source");
    g_assert_cmpstr(json_object_get_string_member(source, "status"), ==,
                    "failed");
    g_assert_nonnull(strstr(json_object_get_string_member(source, "error"),
                            "dev0: cannot read data_size of the migration "
                            "region: Input/output error"));
    g_assert_true(json_object_get_null_member(json_node_get_object(report),
                                              "downtime-us"));
    vfio_pair_retry(pair);
    g_clear_pointer(&report, json_node_unref);
    report = report_of(pair);
    g_assert_cmpstr(json_object_get_string_member(side_of(report, "source"),
                                                  "status"), ==,
                    "completed");
    vfio_pair_free(pair);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_data_case("report/one-device", GUINT_TO_POINTER(1),
                        test_completed);
    qtest_add_data_case("report/two-devices", GUINT_TO_POINTER(2),
                        test_completed);
    qtest_add_case("report/v2", test_v2);
    qtest_add_case("report/failed", test_failed);
    return g_test_run();
}
