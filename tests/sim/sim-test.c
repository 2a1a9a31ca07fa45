/*
 * Tests of the simulated device: the program
 *
 * Owns: main(), and access to the simulation. The tests are in sim-test-*.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include <glib/gstdio.h>

#include "sim-test.h"

void sim_test_configure(const char *text)
{
    g_autoptr(GError) err = NULL;

    vfio_sim_configure_data(text, &err);
    g_assert_no_error(err);
}

SimClient *sim_test_open(const char *container, const char *device)
{
    g_autofree char *text = g_strdup_printf("[container]\n%s\n"
                                            "[device dev]\ngroup=1\n%s\n",
                                            container, device);

    sim_test_configure(text);
    return client_open("dev", 1);
}

VFIOSimStatus client_status(const char *name)
{
    VFIOSimStatus status;

    g_assert_true(vfio_sim_device_status(name, &status));
    return status;
}

JsonObject *sim_test_status_device(JsonParser *parser, const char *text,
                                   const char *device)
{
    JsonObject *root;

    g_assert_true(json_parser_load_from_data(parser, text, -1, NULL));
    root = json_node_get_object(json_parser_get_root(parser));
    root = json_object_get_object_member(root, "devices");
    return json_object_get_object_member(root, device);
}

/* ---- devices of the tables: a, and b if the row has one ---- */

static SimClient *table_dev[2];
static char *table_transcript;      /* the file */
static size_t table_seen;           /* bytes of it that were read */

static const char *table_name(unsigned n)
{
    return n ? "b" : "a";
}

/* Convert "NAME event=E errno=N" to the file's format: one key per line. */
static void add_faults(GString *text, const DeviceRow *row)
{
    g_auto(GStrv) rules = g_strsplit(row->faults ? row->faults : "", "\n",
                                     -1);

    for (unsigned i = 0; rules[i] && *rules[i]; i++) {
        g_auto(GStrv) words = g_strsplit(rules[i], " ", -1);
        g_autofree char *keys = g_strjoinv("\n", words + 1);

        g_string_append_printf(text, "[fault %s]\n%s%s\n", words[0],
                               row->keys_b ? "device=a\n" : "", keys);
    }
}

static SimClient *table_open(const DeviceRow *row, unsigned n)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (!n) {
        table_seen = 0;
        g_string_printf(text, "[sim]\ntranscript=%s\n"
                        "[device a]\ngroup=1\n%s\n", table_transcript,
                        row->keys);
        if (row->keys_b) {
            g_string_append_printf(text, "[device b]\ngroup=2\n%s\n",
                                   row->keys_b);
        }
        add_faults(text, row);
        sim_test_configure(text->str);
    }
    table_dev[n] = client_open(table_name(n), n + 1);
    return table_dev[n];
}

static SimClient *table_reopen(unsigned n)
{
    client_close(table_dev[n]);
    table_dev[n] = client_open(table_name(n), n + 1);
    return table_dev[n];
}

static void table_close(unsigned count)
{
    while (count) {
        client_close(table_dev[--count]);
    }
}

static JsonNode *table_status(JsonParser *parser, unsigned n, const char *path)
{
    g_auto(GStrv) keys = g_strsplit(path, ".", 2);
    g_autofree char *text = vfio_sim_status_json();
    JsonObject *o = sim_test_status_device(parser, text, table_name(n));

    if (keys[1]) {
        o = json_object_get_object_member(o, keys[0]);
    }
    return json_object_get_member(o, keys[1] ? keys[1] : keys[0]);
}

/* The status inside the process must be the same as in the status file. */
static void check_short_form(unsigned n, const char *path, gint64 value)
{
    const VFIOSimStatus s = client_status(table_name(n));
    const struct {
        const char *path;
        unsigned value;
    } members[] = {
        { "violation-count", s.violations }, { "corrupt", s.corrupt },
        { "incomplete", s.incomplete }, { "data-fds", s.data_fds },
        { "unfinished-saves", s.unfinished_saves }, { "loaded", s.loaded },
        { "refused", s.refused }, { "resets", s.resets },
        { "log.on", s.log_on }, { "device-state", s.device_state },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
        if (strcmp(path, members[i].path) == 0) {
            g_assert_cmpint(value, ==, members[i].value);
        }
    }
}

static gint64 table_number(unsigned n, const char *path)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    gint64 value = json_node_get_int(table_status(parser, n, path));

    check_short_form(n, path, value);
    return value;
}

static char *table_text(unsigned n, const char *path)
{
    g_autoptr(JsonParser) parser = json_parser_new();

    return json_node_dup_string(table_status(parser, n, path));
}

static gint64 table_fired(const char *rule)
{
    return vfio_sim_fault_fired(rule);
}

static char *table_log(unsigned n)
{
    g_autofree char *text = NULL;
    char *behind;
    gsize size;

    g_assert_true(g_file_get_contents(table_transcript, &text, &size, NULL));
    behind = g_strdup(text + MIN(table_seen, size));
    table_seen = size;
    return behind;
}

static bool table_dma(unsigned n, uint64_t iova, uint64_t bytes)
{
    return vfio_sim_dma_write(table_name(n), iova, bytes);
}

static const DeviceHost table_host = {
    .open = table_open, .reopen = table_reopen, .close = table_close,
    .number = table_number, .text = table_text, .fired = table_fired,
    .dma = table_dma, .transcript = table_log,
};

int main(int argc, char **argv)
{
    g_autofree char *dir = NULL;
    int ret;

    g_test_init(&argc, &argv, NULL);
    dir = g_dir_make_tmp("sim-test-XXXXXX", NULL);
    table_transcript = g_build_filename(dir, "transcript", NULL);
    sim_test_table_add(&table_host);
    sim_test_faults_add();
    sim_test_host_add();
    sim_test_memory_add();
    ret = g_test_run();
    vfio_sim_shutdown();
    g_unlink(table_transcript);
    g_rmdir(dir);
    g_free(table_transcript);
    return ret;
}
