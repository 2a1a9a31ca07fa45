/*
 * The simulated vfio-pci devices of the demonstration and the benchmark
 *
 * Owns: the configuration file of a side's simulated devices, and reading
 * their status file. docs/sim.md describes the keys. No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <json-glib/json-glib.h>

#include "device.h"
#include "vm.h"

#define DEVICE_NAME  "dev%u"
#define DEVICE_RULE  "of-the-user"
#define DEVICE_FAULT "fault " DEVICE_RULE
#define DEVICE_LIBRARY "libvfio-sim.so"

G_DEFINE_QUARK(device-error-quark, device_error)

const DeviceLayout device_layouts[] = {
    { "mapped", "all", "mapped into QEMU" },
    { "trapped", "none", "reached by system calls only" },
    { "mixed", "stripes:64K", "mapped and trapped in turn, 64 KiB each" },
    { "last-page", "all-but-last-page", "mapped but its last page" },
    { NULL, NULL, NULL },
};

const DeviceLayout *device_layout(const char *name)
{
    for (const DeviceLayout *l = device_layouts; l->name; l++) {
        if (strcmp(l->name, name) == 0) {
            return l;
        }
    }
    return NULL;
}

static char *device_path(const char *directory, const char *side,
                         const char *suffix)
{
    return g_strdup_printf("%s/%s.%s", directory, side, suffix);
}

/* One device, and its group in the configuration file */
typedef struct DeviceSection {
    GKeyFile *keys;
    char name[32];            /* "dev0" */
    char group[48];           /* "device dev0" */
} DeviceSection;

static void device_set(const DeviceSection *s, const char *key,
                       uint64_t value)
{
    g_key_file_set_uint64(s->keys, s->group, key, value);
}

static void device_set_dma(const DeviceSection *s, const DeviceConfig *config)
{
    if (config->dma_rate_bytes) {
        device_set(s, "dma-rate", config->dma_rate_bytes);
        device_set(s, "dma-start", DEVICE_DMA_START_BYTES);
        device_set(s, "dma-size", DEVICE_DMA_SIZE_BYTES);
    }
}

/* "KEY=VALUE ...": keys of docs/sim.md that DeviceConfig has no member for */
static void device_set_keys(const DeviceSection *s, const char *text)
{
    g_auto(GStrv) pairs = g_strsplit(text ? text : "", " ", -1);

    for (int i = 0; pairs[i]; i++) {
        g_auto(GStrv) pair = g_strsplit(pairs[i], "=", 2);

        if (pair[0] && pair[1]) {
            g_key_file_set_string(s->keys, s->group, pair[0], pair[1]);
        }
    }
}

static void device_set_delay(const DeviceSection *s, const char *event,
                             unsigned delay_ms, bool once)
{
    g_autofree char *rule = g_strdup_printf("fault %s-%s", event, s->name);

    if (delay_ms) {
        g_key_file_set_string(s->keys, rule, "device", s->name);
        g_key_file_set_string(s->keys, rule, "event", event);
        g_key_file_set_string(s->keys, rule, "phase", "migration");
        g_key_file_set_uint64(s->keys, rule, "delay-ms", delay_ms);
        g_key_file_set_string(s->keys, rule, "once", once ? "yes" : "no");
    }
}

/* The simulation checks the keys. */
static void device_set_fault(GKeyFile *keys, const char *fault)
{
    g_auto(GStrv) pairs = g_strsplit(fault ? fault : "", ",", -1);

    for (int i = 0; pairs[i]; i++) {
        g_auto(GStrv) pair = g_strsplit(pairs[i], "=", 2);

        g_key_file_set_string(keys, DEVICE_FAULT, pair[0],
                              pair[1] ? pair[1] : "");
    }
}

/* Link to it: a path in LD_PRELOAD cannot contain a space or a colon. */
static bool device_link_library(const char *build, const char *directory,
                                GError **error)
{
    g_autofree char *library =
        g_build_filename(build, "tests/sim", DEVICE_LIBRARY, NULL);
    g_autofree char *link = g_build_filename(directory, DEVICE_LIBRARY, NULL);

    if (symlink(library, link) && errno != EEXIST) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno),
                    "%s: %s", link, g_strerror(errno));
        return false;
    }
    return true;
}

/*
 * Set @error from the output of the simulation's program, without the group
 * and the path: the user only wrote a rule, and the file will be gone when the
 * message is read.
 */
static void device_set_error(GError **error, const char *said,
                             const char *config)
{
    static const char group[] = "[" DEVICE_FAULT "] ";
    const char *rule = strstr(said, group);
    const char *path = strstr(said, config);
    const char *text = rule ? rule + strlen(group)
                            : path ? path + strlen(config) : said;
    g_autofree char *line =
        g_strndup(text, strcspn(text, "\n"));

    g_set_error_literal(error, DEVICE_ERROR,
                        rule ? DEVICE_ERROR_FAULT : DEVICE_ERROR_CONFIG,
                        g_str_has_prefix(line, ": ") ? line + 2 : line);
}

/* The simulation's own program creates the directories that QEMU reads. */
static bool device_make_sysfs(const char *build, const char *config,
                              const char *sysfs, GError **error)
{
    g_autofree char *program =
        g_build_filename(build, "tests/sim/vfio-sim-setup", NULL);
    const char *argv[] = { program, config, sysfs, NULL };
    g_autofree char *output = NULL, *errors = NULL;
    int status;

    if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL,
                      &output, &errors, &status, error)) {
        return false;
    }
    if (!g_spawn_check_wait_status(status, NULL)) {
        device_set_error(error, errors, config);
        return false;
    }
    return true;
}

static void device_add(GKeyFile *keys, const char *side, unsigned number,
                       const DeviceConfig *config)
{
    DeviceSection s = { .keys = keys };
    bool first = g_str_has_prefix(side, "source");

    snprintf(s.name, sizeof(s.name), DEVICE_NAME, number);
    snprintf(s.group, sizeof(s.group), "device %s", s.name);
    g_key_file_set_string(keys, s.group, "areas",
                          device_layout(config->layout)->areas);
    g_key_file_set_string(keys, s.group, "verify",
                          config->verify ? "full" : "none");
    device_set(&s, "group", number);
    device_set(&s, "window-size", config->window_bytes);
    device_set(&s, "state-size", config->state_bytes);
    device_set(&s, "precopy-size", config->precopy_bytes);
    device_set(&s, "save-rate", config->save_rate_bytes);
    device_set(&s, "load-rate", config->load_rate_bytes);
    /* Devices of the same kind, in different states before the migration */
    device_set(&s, "seed", 2 * number + (first ? 1 : 2));
    device_set_dma(&s, config);
    device_set_keys(&s, config->keys);
    device_set_delay(&s, "state-write", config->change_ms, false);
    device_set_delay(&s, "data-size-write", config->first_load_ms, true);
}

bool device_prepare(const char *build, const char *directory,
                    const char *side, const DeviceConfig *config,
                    GError **error)
{
    g_autoptr(GKeyFile) keys = g_key_file_new();
    g_autofree char *path = device_path(directory, side, "conf");
    g_autofree char *status = device_path(directory, side, "status");
    g_autofree char *transcript = device_path(directory, side, "transcript");
    g_autofree char *sysfs = device_path(directory, side, "sysfs");

    g_key_file_set_string(keys, "sim", "status", status);
    if (config->transcript) {
        g_key_file_set_string(keys, "sim", "transcript", transcript);
    }
    for (unsigned i = 0; i < MAX(config->count, 1); i++) {
        device_add(keys, side, i, config);
    }
    device_set_fault(keys, config->fault);
    return device_link_library(build, directory, error) &&
           g_key_file_save_to_file(keys, path, error) &&
           device_make_sysfs(build, path, sysfs, error);
}

char *device_argument(const char *side, unsigned number)
{
    return g_strdup_printf("vfio-pci,id=" DEVICE_NAME ",sysfsdev=%s.sysfs/"
                           DEVICE_NAME, number, side, number);
}

char **device_environment(const char *side)
{
    const char *preloaded = g_getenv("LD_PRELOAD");
    g_autofree char *preload =
        g_strconcat("./" DEVICE_LIBRARY,
                    preloaded && *preloaded ? ":" : "", preloaded, NULL);
    g_autofree char *config = g_strdup_printf("%s.conf", side);
    char **envp = g_environ_setenv(g_get_environ(), "LD_PRELOAD", preload,
                                   true);

    return g_environ_setenv(envp, "VFIO_SIM_CONFIG", config, true);
}

/* --- status ------------------------------------------------------------- */

void device_status_clear(DeviceStatus *status)
{
    g_clear_pointer(&status->first_violation, g_free);
}

static void device_copy(char *to, size_t size, const char *from)
{
    g_strlcpy(to, from ? from : "", size);
}

/* The number of times that any of the rules has fired */
static uint64_t device_fired(JsonObject *root)
{
    JsonObject *rules = json_object_has_member(root, "faults")
        ? json_object_get_object_member(root, "faults") : NULL;
    g_autoptr(GList) list = rules ? json_object_get_values(rules) : NULL;
    uint64_t fired = 0;

    for (GList *rule = list; rule; rule = rule->next) {
        fired += qmp_json_int(rule->data, "fired");
    }
    return fired;
}

void device_take_status(JsonNode *device, DeviceStatus *status)
{
    JsonArray *violations = json_object_get_array_member(
        json_node_get_object(device), "violations");

    device_status_clear(status);
    device_copy(status->state, sizeof(status->state),
                qmp_json_string(device, "state"));
    device_copy(status->saved_digest, sizeof(status->saved_digest),
                qmp_json_string(device, "saved-digest"));
    device_copy(status->loaded_digest, sizeof(status->loaded_digest),
                qmp_json_string(device, "loaded-digest"));
    status->saved_bytes = qmp_json_int(device, "saved-bytes");
    status->precopy_bytes = qmp_json_int(device, "saved-precopy-bytes");
    status->loaded_bytes = qmp_json_int(device, "loaded-bytes");
    status->dma_bytes = qmp_json_int(device, "dma.bytes");
    status->corrupt = qmp_json_int(device, "corrupt");
    status->incomplete = qmp_json_int(device, "incomplete");
    status->violations = qmp_json_int(device, "violation-count");
    status->fault_fired = device_fired(json_node_get_object(device));
    if (violations && json_array_get_length(violations)) {
        status->first_violation =
            g_strdup(json_array_get_string_element(violations, 0));
    }
}

bool device_read_status(const char *path, const char *name,
                        DeviceStatus *status, GError **error)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonNode *root, *devices = NULL, *device = NULL;

    if (!json_parser_load_from_file(parser, path, error)) {
        return false;
    }
    root = json_parser_get_root(parser);
    if (JSON_NODE_HOLDS_OBJECT(root)) {
        devices = json_object_get_member(json_node_get_object(root),
                                         "devices");
    }
    if (devices && JSON_NODE_HOLDS_OBJECT(devices)) {
        device = json_object_get_member(json_node_get_object(devices),
                                        name);
    }
    if (!device || !JSON_NODE_HOLDS_OBJECT(device)) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                    "%s says nothing of device '%s'", path, name);
        return false;
    }
    device_take_status(device, status);
    status->fault_fired = device_fired(json_node_get_object(root));
    return true;
}

bool device_status_of(const char *directory, const char *side,
                      unsigned number, DeviceStatus *status, GError **error)
{
    g_autofree char *name = g_strdup_printf(DEVICE_NAME, number);
    g_autofree char *path = device_path(directory, side, "status");

    return device_read_status(path, name, status, error);
}

/* --- transcript --------------------------------------------------------- */

/* "TIME dev0 WHAT KEY=VALUE ...", see docs/sim.md. */
static void device_take_line(DeviceProgress *progress, const char *line)
{
    const char *value;

    if (strstr(line, " chunk-done ") || strstr(line, " chunk-unacked ") ||
        strstr(line, " chunk-loaded ")) {
        value = strstr(line, " size=");
        progress->bytes += value ? g_ascii_strtoull(value + 6, NULL, 10) : 0;
    } else if (strstr(line, " state-write ")) {
        value = strstr(line, " now=");
        device_copy(progress->state, sizeof(progress->state),
                    value ? value + 5 : NULL);
    }
}

void device_follow(const char *directory, const char *side,
                   DeviceProgress *progress)
{
    g_autofree char *path = device_path(directory, side, "transcript");
    g_autofree char *line = NULL;
    FILE *file = fopen(path, "re");
    size_t room = 0;
    ssize_t length;

    if (!file) {
        return;
    }
    fseek(file, progress->offset, SEEK_SET);
    while ((length = getline(&line, &room, file)) > 0 &&
           line[length - 1] == '\n') {
        line[length - 1] = '\0';
        device_take_line(progress, line);
        progress->offset += length;
    }
    fclose(file);
}
