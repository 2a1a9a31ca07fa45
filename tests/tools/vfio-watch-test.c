/*
 * vfio-migrate watch at real migrations
 *
 * Owns: that its lines, its metrics and its exit status are true: counted
 * against the transcript of the simulated device; a source, a destination,
 * a failure, two devices, QEMU's own code, a domain of libvirt's.
 * Does not own: words and members (test-watch-output.c).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "tests/qtest/transcript-helpers.h"
#include "tests/qtest/vfio-test.h"

#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <json-glib/json-glib.h>

#include "run.h"

#define WAIT_US (20 * G_USEC_PER_SEC)

typedef struct Watch {
    GPid pid;
    char *monitor;              /* a socket */
    char *output, *metrics;     /* paths */
    GPtrArray *lines;           /* JsonNode, as last read */
} Watch;

static void watch_clear(Watch *watch)
{
    if (watch->pid) {
        kill(watch->pid, SIGKILL);
        waitpid(watch->pid, NULL, 0);
    }
    g_free(watch->monitor);
    g_free(watch->output);
    g_free(watch->metrics);
    g_clear_pointer(&watch->lines, g_ptr_array_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Watch, watch_clear)

static char *file_of(const char *name)
{
    return g_build_filename(qtest_tmpdir(), name, NULL);
}

static void start_watch(Watch *watch)
{
    g_autofree char *out = g_strconcat(watch->monitor, ".json", NULL);
    g_autofree char *metrics = g_strconcat(watch->monitor, ".prom", NULL);
    const char *argv[] = { TOOL_PROGRAM, "watch", "--json", "--interval",
                           "0.1", "--metrics", metrics, watch->monitor, NULL };
    g_autoptr(GError) error = NULL;
    int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    g_assert_cmpint(fd, >=, 0);
    watch->output = g_steal_pointer(&out);
    watch->metrics = g_steal_pointer(&metrics);
    g_spawn_async_with_fds(NULL, (char **)argv, NULL,
                           G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL,
                           &watch->pid, -1, fd, -1, &error);
    g_assert_no_error(error);
    close(fd);
}

/* Whole lines only: the last may still be on its way. */
static void read_lines(Watch *watch)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    g_clear_pointer(&watch->lines, g_ptr_array_unref);
    watch->lines = g_ptr_array_new_with_free_func(
        (GDestroyNotify)json_node_unref);
    g_assert_true(g_file_get_contents(watch->output, &text, NULL, NULL));
    lines = g_strsplit(text, "\n", -1);
    for (unsigned i = 0; lines[i] && lines[i + 1]; i++) {
        JsonNode *node = json_from_string(lines[i], NULL);

        g_assert_nonnull(node);
        g_ptr_array_add(watch->lines, node);
    }
}

static JsonObject *line(const Watch *watch, unsigned i)
{
    return json_node_get_object(g_ptr_array_index(watch->lines, i));
}

static JsonObject *last_line(const Watch *watch)
{
    g_assert_cmpuint(watch->lines->len, >, 0);
    return line(watch, watch->lines->len - 1);
}

static JsonObject *device_of(JsonObject *object, unsigned i)
{
    return json_array_get_object_element(
        json_object_get_array_member(object, "devices"), i);
}

static bool has_phase(const Watch *watch, const char *phase)
{
    for (unsigned i = 0; i < watch->lines->len; i++) {
        if (!strcmp(json_object_get_string_member(line(watch, i), "phase"),
                    phase)) {
            return true;
        }
    }
    return false;
}

static void wait_phase(Watch *watch, const char *phase)
{
    int64_t end_us = g_get_monotonic_time() + WAIT_US;

    do {
        g_usleep(20000);
        read_lines(watch);
        g_assert_cmpint(waitpid(watch->pid, NULL, WNOHANG), ==, 0);
        g_assert_cmpint(g_get_monotonic_time(), <, end_us);
    } while (!has_phase(watch, phase));
}

/* Start both sides, and the tool at a monitor of its own of @side. */
static void start(Watch *watch, VFIOPair *pair, VFIOSide *side)
{
    g_autofree char *file = g_strconcat(side->name, ".watch", NULL);

    watch->monitor = file_of(file);
    g_string_append_printf(side->args, " -qmp unix:%s,server=on,wait=off",
                           watch->monitor);
    vfio_pair_start(pair);
    start_watch(watch);
    wait_phase(watch, "waiting");
}

static void expect_exit(Watch *watch, int wanted)
{
    int64_t end_us = g_get_monotonic_time() + WAIT_US;
    int status;

    while (waitpid(watch->pid, &status, WNOHANG) == 0) {
        g_assert_cmpint(g_get_monotonic_time(), <, end_us);
        g_usleep(20000);
    }
    watch->pid = 0;
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, wanted);
    read_lines(watch);
}

/* ---- against the transcript ---- */

static TranscriptMoved moved(VFIOSide *side, const char *device,
                             const char *event)
{
    g_autofree char *text = vfio_side_transcript(side);
    TranscriptMoved sum = transcript_moved(text, device, event);

    g_assert_cmpint(sum.chunks, >, 0);
    return sum;
}

static void expect_device(JsonObject *device, const char *name,
                          TranscriptMoved sum)
{
    g_assert_cmpstr(json_object_get_string_member(device, "name"), ==, name);
    g_assert_cmpstr(json_object_get_string_member(device, "protocol"), ==,
                    "v1");
    g_assert_cmpint(json_object_get_int_member(device, "chunks"), ==,
                    sum.chunks);
    g_assert_cmpint(json_object_get_int_member(device, "transferred"), ==,
                    sum.bytes);
    g_assert_cmpint(json_object_get_int_member(device, "mapped") +
                    json_object_get_int_member(device, "trapped"), ==,
                    sum.bytes);
}

/* What only grows in a migration never shrank from a line to the next. */
static void expect_order(const Watch *watch)
{
    double time = 0;
    int64_t bytes = 0;

    for (unsigned i = 0; i < watch->lines->len; i++) {
        JsonObject *object = line(watch, i);
        JsonObject *device = device_of(object, 0);

        g_assert_cmpstr(json_object_get_string_member(object, "schema"), ==,
                        "watch");
        g_assert_cmpfloat(json_object_get_double_member(object, "time"), >=,
                          time);
        time = json_object_get_double_member(object, "time");
        g_assert_cmpint(json_object_get_int_member(device, "transferred"),
                        >=, bytes);
        bytes = json_object_get_int_member(device, "transferred");
    }
}

static void expect_metric(const Watch *watch, const char *name,
                          const char *labels, int64_t value)
{
    g_autofree char *text = NULL;
    g_autofree char *base = g_path_get_basename(watch->monitor);
    g_autofree char *wanted =
        g_strdup_printf("\nvfio_migration_%s{vm=\"%s\"%s} %" G_GINT64_FORMAT
                        "\n", name, base, labels, value);

    g_assert_true(g_file_get_contents(watch->metrics, &text, NULL, NULL));
    if (!strstr(text, wanted)) {
        g_error("no line '%s' in\n%s", g_strstrip(wanted), text);
    }
}

/* Nothing half written is left beside the file. */
static void expect_alone(const char *path)
{
    g_autofree char *directory = g_path_get_dirname(path);
    g_autofree char *base = g_path_get_basename(path);
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(dir))) {
        if (g_str_has_prefix(name, base)) {
            g_assert_cmpstr(name, ==, base);
        }
    }
}

/* ---- cases ---- */

static void test_source(void)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);
    g_auto(Watch) watch = { 0 };
    TranscriptMoved sum;

    vfio_pair_much_precopy(pair);
    vfio_side_add_device(pair->src);
    vfio_side_add_device(pair->dst);
    pair->src->multi = pair->dst->multi = true;
    start(&watch, pair, pair->src);
    migrate_stay_in_precopy(pair->src->qts);
    vfio_pair_begin(pair);
    wait_phase(&watch, "pre-copy");
    migrate_let_go(pair->src->qts);
    vfio_pair_finish(pair);
    expect_exit(&watch, 0);
    expect_order(&watch);
    g_assert_cmpstr(json_object_get_string_member(last_line(&watch),
                                                  "status"), ==,
                    "completed");
    sum = moved(pair->src, "dev0", "chunk-done");
    expect_device(device_of(last_line(&watch), 0), "dev0", sum);
    expect_device(device_of(last_line(&watch), 1), "dev1",
                  moved(pair->src, "dev1", "chunk-done"));
    expect_metric(&watch, "status", ",status=\"completed\"", 1);
    expect_metric(&watch, "device_chunks_total", ",device=\"dev0\"",
                  sum.chunks);
    expect_metric(&watch, "device_transferred_bytes_total",
                  ",device=\"dev0\"", sum.bytes);
    expect_alone(watch.metrics);
    vfio_pair_check(pair);
    vfio_pair_free(pair);
}

static void test_destination(void)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);
    g_auto(Watch) watch = { 0 };

    vfio_pair_much_precopy(pair);
    start(&watch, pair, pair->dst);
    migrate_stay_in_precopy(pair->src->qts);
    vfio_pair_begin(pair);
    wait_phase(&watch, "incoming");
    migrate_let_go(pair->src->qts);
    vfio_pair_finish(pair);
    expect_exit(&watch, 0);
    expect_order(&watch);
    expect_device(device_of(last_line(&watch), 0), "dev0",
                  moved(pair->dst, "dev0", "chunk-loaded"));
    vfio_pair_check(pair);
    vfio_pair_free(pair);
}

static void test_failure(void)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);
    g_auto(Watch) watch = { 0 };
    const char *error;

    vfio_side_fault(pair->src, "read", "event=data-size-read;"
                    "state=stop-copy;errno=EIO");
    start(&watch, pair, pair->src);
    vfio_pair_begin(pair);
    vfio_expect_failed(pair->src, "data_size;Input/output error");
    expect_exit(&watch, 1);
    error = json_object_get_string_member(last_line(&watch), "error");
    g_assert_nonnull(strstr(error, "dev0: cannot read data_size"));
    g_assert_cmpstr(json_object_get_string_member(
                        device_of(last_line(&watch), 0), "last-error"), ==,
                    error);
    expect_metric(&watch, "device_failed", ",device=\"dev0\"", 1);
    vfio_side_kill(pair->dst);
    vfio_pair_free(pair);
}

/* It has no figures of its own: none are made up. */
static void test_builtin(void)
{
    VFIOPair *pair = vfio_pair_new(SIDE_BUILTIN, SIDE_BUILTIN);
    g_auto(Watch) watch = { 0 };
    JsonObject *device;

    start(&watch, pair, pair->src);
    vfio_pair_begin(pair);
    vfio_pair_finish(pair);
    expect_exit(&watch, 0);
    device = device_of(last_line(&watch), 0);
    g_assert_cmpstr(json_object_get_string_member(device, "code"), ==,
                    "builtin");
    g_assert_false(json_object_has_member(device, "transferred"));
    vfio_pair_free(pair);
}

/* QEMU ends under the tool: it says so, and what it saw last. */
static void test_lost(void)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);
    g_auto(Watch) watch = { 0 };

    start(&watch, pair, pair->src);
    vfio_side_quit(pair->src);
    expect_exit(&watch, 3);
    vfio_pair_free(pair);
}

/* ---- libvirt ---- */

/* A virsh that knows one domain, in the middle of a migration */
static const char virsh_script[] =
    "#!/bin/sh\n"
    "[ \"$1\" = --connect ] && shift 2\n"
    "[ \"$1 $2 $4\" = 'qemu-monitor-command --domain --cmd' ] || exit 9\n"
    "if [ \"$3\" != vm1 ]; then\n"
    "    echo \"error: failed to get domain '$3'\" >&2\n"
    "    exit 1\n"
    "fi\n"
    "case $5 in\n"
    "*qom-list*peripheral-anon*) echo '{\"return\": []}' ;;\n"
    "*qom-list*) echo '{\"return\": [{\"name\": \"hostdev0\", \"type\": "
    "\"child<vfio-pci>\"}, {\"name\": \"net0\", \"type\": "
    "\"child<e1000>\"}]}' ;;\n"
    "*qom-get*) echo '{\"return\": {\"state\": \"pre-copy\", \"protocol\": "
    "\"v1\", \"transferred-bytes\": 4096, \"chunks\": 2}}' ;;\n"
    "*query-migrate-parameters*) echo '{\"return\": {\"downtime-limit\": "
    "300}}' ;;\n"
    "*query-migrate*) echo '{\"return\": {\"status\": \"active\"}}' ;;\n"
    "*query-status*) echo '{\"return\": {\"status\": \"running\"}}' ;;\n"
    "*) echo '{\"error\": {\"desc\": \"no question\"}}' ;;\n"
    "esac\n";

static int run_with_virsh(const char *domain, char **output)
{
    g_autofree char *dir = file_of("bin");
    g_autofree char *virsh = g_build_filename(dir, "virsh", NULL);
    g_autofree char *path = g_strconcat(dir, ":", g_getenv("PATH"), NULL);
    g_auto(GStrv) env = g_environ_setenv(g_get_environ(), "PATH", path,
                                         true);
    const char *argv[] = { TOOL_PROGRAM, "watch", "--once", "--json",
                           "--connect", "test:///x", domain, NULL };
    g_auto(Outcome) o = { 0 };

    g_mkdir_with_parents(dir, 0700);
    g_assert_true(g_file_set_contents_full(virsh, virsh_script, -1, 0, 0700,
                                           NULL));
    o = run_program(NULL, env, argv);
    *output = o.status ? g_steal_pointer(&o.errors)
                       : g_steal_pointer(&o.output);
    return o.status;
}

static void test_domain(void)
{
    g_autofree char *output = NULL, *errors = NULL;
    g_autoptr(JsonNode) node = NULL;
    JsonObject *device;

    g_assert_cmpint(run_with_virsh("vm1", &output), ==, 0);
    node = json_from_string(output, NULL);
    g_assert_nonnull(node);
    g_assert_cmpstr(json_object_get_string_member(json_node_get_object(node),
                                                  "phase"), ==, "pre-copy");
    device = device_of(json_node_get_object(node), 0);
    g_assert_cmpstr(json_object_get_string_member(device, "name"), ==,
                    "hostdev0");
    g_assert_cmpint(json_object_get_int_member(device, "transferred"), ==,
                    4096);
    g_assert_cmpint(run_with_virsh("no-such-vm", &errors), ==, 3);
    g_assert_nonnull(strstr(errors, "virsh: failed to get domain "
                            "'no-such-vm'"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_case("watch/source", test_source);
    qtest_add_case("watch/destination", test_destination);
    qtest_add_case("watch/failure", test_failure);
    qtest_add_case("watch/builtin", test_builtin);
    qtest_add_case("watch/lost", test_lost);
    qtest_add_case("watch/domain", test_domain);
    return g_test_run();
}
