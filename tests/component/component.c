/*
 * Component tests: what the tests share
 *
 * Owns: see component.h. All state belongs to the test that is running.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include "qapi/error.h"
#include "hw/vfio/vfio-common.h"
#include "component.h"

static char *work_dir;
static char *transcript;        /* path */
static size_t transcript_from;  /* bytes before this are ignored */
static GString *messages;
static GPtrArray *open_devices; /* VFIODevice */
static bool sim_active;
static bool violations_allowed;
static struct sigaction sigbus_before;

/* ---- begin and end ---- */

static void take_message(VFIOHostReport kind, const char *text, void *opaque)
{
    if (kind == VFIO_HOST_LOG) {
        fputs(text, stderr);
        return;
    }
    g_string_append_printf(messages, "%s%s\n",
                           kind == VFIO_HOST_WARNING ? "warning: " : "",
                           text);
    g_test_message("%s", text);
}

/* In memory: creating sysfs links on a disk takes a fifth of a test's time. */
static char *make_dir(void)
{
    char *dir = g_strdup("/dev/shm/vfio-component-XXXXXX");

    if (!g_mkdtemp(dir)) {
        g_free(dir);
        dir = g_dir_make_tmp("vfio-component-XXXXXX", NULL);
    }
    g_assert_nonnull(dir);
    return dir;
}

void comp_init(int *argc, char ***argv)
{
    g_test_init(argc, argv, NULL);
    sigaction(SIGBUS, NULL, &sigbus_before);
    work_dir = make_dir();
    transcript = g_build_filename(work_dir, "transcript", NULL);
    messages = g_string_new(NULL);
    open_devices = g_ptr_array_new();
    vfio_host_init();
    vfio_host_set_report_hook(take_message, NULL);
}

static void remove_tree(const char *path)
{
    GDir *dir = g_file_test(path, G_FILE_TEST_IS_SYMLINK)
                ? NULL : g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *child = g_build_filename(path, name, NULL);

        remove_tree(child);
    }
    if (dir) {
        g_dir_close(dir);
    }
    g_remove(path);
}

int comp_run(void)
{
    int ret = g_test_run();

    if (sim_active) {
        comp_sim_end();
    }
    remove_tree(work_dir);
    g_clear_pointer(&work_dir, g_free);
    g_clear_pointer(&transcript, g_free);
    g_ptr_array_unref(open_devices);
    g_string_free(messages, TRUE);
    return ret;
}

/* ---- the simulation ---- */

void comp_sim(const char *text)
{
    g_autofree char *full = g_strdup_printf("[sim]\ntranscript=%s\n%s",
                                            transcript, text);
    GError *err = NULL;

    if (sim_active) {
        comp_sim_end();
    }
    vfio_sim_configure_data(full, &err);
    g_assert_no_error(err);
    vfio_sim_make_sysfs_all(work_dir, &err);
    g_assert_no_error(err);
    sim_active = true;
    violations_allowed = false;
    transcript_from = 0;
    comp_forget_messages();
    vfio_host_forget();
}

void comp_sim_pair(const char *src, const char *dst, const char *more)
{
    g_autofree char *text =
        g_strconcat("[device src]\ngroup=1\n", src,
                    "[device dst]\ngroup=2\nseed=2\n", dst, more, NULL);

    comp_sim(text);
}

void comp_allow_violations(void)
{
    violations_allowed = true;
}

/* The SIGBUS handler is installed only while there is a session. */
static void assert_sigbus_as_before(void)
{
    struct sigaction now;

    g_assert_cmpint(sigaction(SIGBUS, NULL, &now), ==, 0);
    g_assert_true(now.sa_handler == sigbus_before.sa_handler);
}

void comp_sim_end(void)
{
    comp_close_all();
    g_assert_cmpuint(vfio_host_nr_handlers(), ==, 0);
    g_assert_cmpuint(vfio_host_nr_blockers(), ==, 0);
    assert_sigbus_as_before();
    if (!violations_allowed && vfio_sim_violations()) {
        g_autofree char *json = vfio_sim_status_json();

        g_error("%u violations: %s", vfio_sim_violations(), json);
    }
    vfio_host_forget();
    vfio_sim_shutdown();
    sim_active = false;
}

/* ---- devices ---- */

VFIODevice *comp_try_open(const char *name, VFIOHostDeviceOptions options,
                          Error **errp)
{
    g_autofree char *dir = g_build_filename(work_dir, name, NULL);
    VFIODevice *vbasedev;

    options.sysfsdev = dir;
    vbasedev = vfio_host_device_open(&options, errp);
    if (vbasedev) {
        g_ptr_array_add(open_devices, vbasedev);
    }
    return vbasedev;
}

VFIODevice *comp_open(const char *name)
{
    VFIOHostDeviceOptions options = { .id = COMP_ID };
    VFIODevice *vbasedev;
    Error *err = NULL;

    vbasedev = comp_try_open(name, options, &err);
    if (!vbasedev) {
        g_error("%s", error_get_pretty(err));
    }
    return vbasedev;
}

void comp_sim_several(unsigned count, const char *const *keys,
                      unsigned nr_keys, const char *faults)
{
    VFIOHostSettings settings = { .multi_device = true };
    g_autoptr(GString) config = g_string_new(NULL);
    unsigned i;

    for (i = 0; i < 2 * count; i++) {
        g_string_append_printf(config, "[device %s%u]\ngroup=%u\nseed=%u\n%s",
                               i < count ? "src" : "dst", i % count, i + 1, i,
                               keys[i % nr_keys]);
    }
    g_string_append(config, faults);
    comp_sim(config->str);
    vfio_host_settings = settings;
}

void comp_open_several(const char *side, VFIODevice **devices, unsigned count)
{
    unsigned i;

    for (i = 0; i < count; i++) {
        g_autofree char *name = g_strdup_printf("%s%u", side, i);
        g_autofree char *id = g_strdup_printf("0000:00:0%u.0", i + 4);
        VFIOHostDeviceOptions options = { .id = id };

        devices[i] = comp_try_open(name, options, NULL);
        g_assert_nonnull(devices[i]);
    }
}

void comp_close(VFIODevice *vbasedev)
{
    g_assert_true(g_ptr_array_remove(open_devices, vbasedev));
    vfio_host_device_close(vbasedev);
}

/* The VM goes with its devices: the next device belongs to a new VM. */
void comp_close_all(void)
{
    while (open_devices->len) {
        comp_close(g_ptr_array_index(open_devices, open_devices->len - 1));
    }
    vfio_host_set_runstate(RUN_STATE_PRELAUNCH);
}

/* ---- migrations ---- */

static void give_error(Error *err, char **error)
{
    if (error) {
        *error = err ? g_strdup(error_get_pretty(err)) : NULL;
    }
    error_free(err);
}

static int run(QEMUFile *f, VFIOHostStep *const *steps, char **error)
{
    Error *err = NULL;
    int ret = vfio_host_run(f, steps, NULL, &err);

    g_assert((ret != 0) == (err != NULL));
    give_error(err, error);
    return ret;
}

int comp_save(GByteArray *bytes, VFIOHostStep *const *steps, char **error)
{
    g_byte_array_set_size(bytes, 0);
    return run(vfio_host_file_new_memory_output(bytes),
               steps ?: vfio_host_migrate, error);
}

int comp_load_data(const void *data, size_t size, char **error)
{
    return run(vfio_host_file_new_memory_input(data, size),
               vfio_host_incoming, error);
}

int comp_loadvm(const void *data, size_t size)
{
    return run(vfio_host_file_new_memory_input(data, size), vfio_host_loadvm,
               NULL);
}

int comp_load(const GByteArray *bytes, char **error)
{
    return comp_load_data(bytes->data, bytes->len, error);
}

VFIODevice *comp_save_src(GByteArray *bytes)
{
    VFIODevice *vbasedev = comp_open("src");
    g_autofree char *error = NULL;

    vfio_host_vm_start();
    if (comp_save(bytes, NULL, &error)) {
        g_error("save: %s", error);
    }
    return vbasedev;
}

VFIODevice *comp_load_dst(const GByteArray *bytes)
{
    g_autofree char *error = NULL;
    VFIODevice *vbasedev;

    comp_close_all();
    vbasedev = comp_open("dst");
    if (comp_load(bytes, &error)) {
        g_error("load: %s; %s", error, comp_messages());
    }
    return vbasedev;
}

void comp_several_run(unsigned count)
{
    vfio_host_vm_start();
    for (unsigned i = 0; i < count; i++) {
        g_autofree char *src = g_strdup_printf("src%u", i);
        g_autofree char *dst = g_strdup_printf("dst%u", i);

        comp_assert_state(dst, "running");
        g_assert_cmpstr(comp_status(src).saved_digest, !=, "");
        g_assert_cmpstr(comp_status(src).saved_digest, ==,
                        comp_status(dst).loaded_digest);
    }
}

void comp_several_arrive(const GByteArray *bytes, unsigned count)
{
    g_autofree VFIODevice **devices = g_new(VFIODevice *, count);

    comp_close_all();
    comp_open_several("dst", devices, count);
    g_assert_cmpint(comp_load(bytes, NULL), ==, 0);
    comp_several_run(count);
}

/* ---- messages ---- */

const char *comp_messages(void)
{
    return messages->str;
}

void comp_forget_messages(void)
{
    g_string_truncate(messages, 0);
}

void comp_assert_has(const char *text, const char *part)
{
    if (!text || !strstr(text, part)) {
        g_error("'%s' is not in: %s", part, text ? text : "(nothing)");
    }
}

void comp_assert_message(const char *part)
{
    comp_assert_has(messages->str, part);
}

unsigned comp_count_messages(const char *part)
{
    unsigned n = 0;

    for (const char *at = messages->str; (at = strstr(at, part)); at++) {
        n++;
    }
    return n;
}

/* ---- the simulated device ---- */

VFIOSimStatus comp_status(const char *name)
{
    VFIOSimStatus status;

    g_assert_true(vfio_sim_device_status(name, &status));
    return status;
}

const char *comp_state(const char *name)
{
    static const char *const words[2][8] = {
        { "stop", "running", "stop-copy", "pre-copy", "resuming", "101",
          "error", "111", },
        { "error", "stop", "running", "stop-copy", "resuming", "running-p2p",
          "pre-copy", "pre-copy-p2p", },
    };
    VFIOSimStatus status = comp_status(name);

    return words[status.v2][status.device_state];
}

void comp_assert_state(const char *name, const char *state)
{
    g_assert_cmpstr(comp_state(name), ==, state);
}

void comp_run_same(const char *source, const char *destination)
{
    VFIOSimStatus src = comp_status(source);
    VFIOSimStatus dst;

    vfio_host_vm_start();
    dst = comp_status(destination);
    comp_assert_state(destination, "running");
    g_assert_cmpint(vfio_host_runstate(), ==, RUN_STATE_RUNNING);
    g_assert_cmpstr(src.saved_digest, !=, "");
    g_assert_cmpstr(src.saved_digest, ==, dst.loaded_digest);
    g_assert_cmpuint(dst.corrupt, ==, 0);
    g_assert_cmpuint(dst.incomplete, ==, 0);
    g_assert_cmpuint(dst.loaded_bytes, ==, src.saved_bytes);
}

void comp_arrives(const GByteArray *bytes)
{
    comp_load_dst(bytes);
    vfio_host_vm_start();
    comp_assert_state("dst", "running");
    g_assert_cmpint(vfio_host_runstate(), ==, RUN_STATE_RUNNING);
    g_assert_cmpstr(comp_status("src").saved_digest, !=, "");
    g_assert_cmpstr(comp_status("src").saved_digest, ==,
                    comp_status("dst").loaded_digest);
}

void comp_arrives_same(const GByteArray *bytes)
{
    comp_load_dst(bytes);
    comp_run_same("src", "dst");
}

/* ---- the transcript ---- */

static char *read_transcript(void)
{
    g_autofree char *text = NULL;
    size_t size;

    if (!g_file_get_contents(transcript, &text, &size, NULL)) {
        return g_strdup("");
    }
    return g_strdup(text + MIN(size, transcript_from));
}

void comp_path_forget(void)
{
    g_autofree char *text = NULL;

    transcript_from = 0;
    text = read_transcript();
    transcript_from = strlen(text);
}

/* "TIME DEVICE state-write from=A to=B ret=R now=C", "... reset ... ret=R" */
static void add_step(GString *path, const char *what)
{
    char from[16], to[16];
    int ret;

    if (sscanf(what, "state-write from=%15s to=%15s ret=%d", from, to,
               &ret) == 3) {
        if (!path->len) {
            g_string_append(path, from);
        }
        g_string_append_printf(path, ">%s%s", to, ret ? "!" : "");
    } else if (sscanf(what, "reset request=%*u ret=%d", &ret) == 1) {
        g_string_append_printf(path, "%sreset%s", path->len ? ">" : "",
                               ret ? "!" : "");
    } else if (sscanf(what, "hot-reset request=%*u ret=%d", &ret) == 1) {
        g_string_append_printf(path, "%shot-reset%s", path->len ? ">" : "",
                               ret ? "!" : "");
    }
}

char *comp_path(const char *name)
{
    g_autofree char *text = read_transcript();
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autofree char *who = g_strdup_printf(" %s ", name);
    GString *path = g_string_new(NULL);
    size_t i;

    for (i = 0; lines[i]; i++) {
        const char *at = strchr(lines[i], ' ');

        if (at && g_str_has_prefix(at, who)) {
            add_step(path, at + strlen(who));
        }
    }
    return g_string_free(path, FALSE);
}

void comp_assert_path(const char *name, const char *path)
{
    g_autofree char *seen = comp_path(name);

    g_assert_cmpstr(seen, ==, path);
}

unsigned comp_transcript_count(const char *part)
{
    g_autofree char *text = read_transcript();
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    unsigned count = 0;
    size_t i;

    for (i = 0; lines[i]; i++) {
        count += strstr(lines[i], part) != NULL;
    }
    return count;
}

/* ---- the property ---- */

static JsonNode *property_member(VFIODevice *vbasedev, const char *member)
{
    Error *err = NULL;
    g_autofree char *text = vfio_host_property_get(vbasedev,
                                                   "vfio-migration", &err);
    JsonNode *root, *node;

    if (!text) {
        g_error("%s", error_get_pretty(err));
    }
    root = json_from_string(text, NULL);
    g_assert_nonnull(root);
    node = json_object_get_member(json_node_get_object(root), member);
    if (!node) {
        g_error("no '%s' in %s", member, text);
    }
    node = json_node_copy(node);
    json_node_unref(root);
    return node;
}

char *comp_property_str(VFIODevice *vbasedev, const char *member)
{
    JsonNode *node = property_member(vbasedev, member);
    char *text = json_node_dup_string(node);

    json_node_unref(node);
    return text;
}

int64_t comp_property_int(VFIODevice *vbasedev, const char *member)
{
    JsonNode *node = property_member(vbasedev, member);
    int64_t value = json_node_get_int(node);

    json_node_unref(node);
    return value;
}
