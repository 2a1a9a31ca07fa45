/*
 * Pairs of QEMUs with simulated devices, for migrating a VM between them
 *
 * Owns: their temporary directory, starting them with our code or with QEMU's
 * own, and the times of a migration. No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pair.h"

/* Far more than a local socket can carry: the device sets the pace. */
#define PAIR_BANDWIDTH_BYTES (INT64_C(1) << 40)
#define PAIR_DEVICE_TIMEOUT_US (5 * G_USEC_PER_SEC)
#define PAIR_TICK_MS           10
/* Link to the preloaded library: its path may contain a space or a colon. */
#define PAIR_PRELOAD           "preloaded.so"

const char *const pair_sides[PAIR_SIDES] = {
    [PAIR_SOURCE] = "source",
    [PAIR_DESTINATION] = "destination",
};

char *pair_build_directory(void)
{
    char *directory = g_file_read_link("/proc/self/exe", NULL);

    /* BUILD/tools/PROGRAM, BUILD/tests/bench/PROGRAM */
    while (directory && strlen(directory) > 1) {
        char *parent = g_path_get_dirname(directory);
        g_autofree char *mark = g_build_filename(parent, "build.ninja", NULL);

        g_free(directory);
        directory = parent;
        if (g_file_test(mark, G_FILE_TEST_EXISTS)) {
            return directory;
        }
    }
    g_free(directory);
    return g_get_current_dir();
}

static char *pair_find_program(const PairConfig *config, int side,
                               GError **error)
{
    const char *wanted = g_getenv("QEMU");
    g_autofree char *wrapper =
        g_build_filename(config->build, "qemu-system-x86_64", NULL);
    const char *own = wanted && *wanted ? wanted : "qemu-system-x86_64";
    char *found = g_find_program_in_path(config->builtin[side] ? own : wrapper);

    if (!found) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_ENDED,
                    "%s is not there: run 'make deps' and 'make'",
                    config->builtin[side] ? own : wrapper);
    }
    return found;
}

/* Values of -device, NULL-terminated; to be freed with g_strfreev() */
static char **pair_devices(const PairConfig *config, int side)
{
    g_autoptr(GStrvBuilder) devices = g_strv_builder_new();

    for (unsigned i = 0; i < MAX(config->device.count, 1); i++) {
        g_autofree char *device = device_argument(pair_sides[side], i);
        g_autofree char *enabled =
            g_strconcat(device, config->builtin[side]
                        ? ",x-enable-migration=on" : "", NULL);

        g_strv_builder_add(devices, enabled);
    }
    return g_strv_builder_end(devices);
}

static char **pair_environment(const PairConfig *config, int side)
{
    char **envp = device_environment(pair_sides[side]);

    if (config->preload) {
        g_autofree char *all =
            g_strconcat("./" PAIR_PRELOAD ":",
                        g_environ_getenv(envp, "LD_PRELOAD"), NULL);

        envp = g_environ_setenv(envp, "LD_PRELOAD", all, true);
    }
    if (config->device.count > 1) {
        envp = g_environ_setenv(envp, "VFIO_MIGRATION_MULTI", "allow", true);
    }
    return g_environ_setenv(envp, "VFIO_MIGRATION_ATTACH", "require", true);
}

static Vm *pair_start_side(const Pair *pair, const PairConfig *config,
                           int side, GError **error)
{
    g_autofree char *program = pair_find_program(config, side, error);
    g_auto(GStrv) devices = pair_devices(config, side);
    g_auto(GStrv) environment = pair_environment(config, side);
    const char *tls[] = {
        "-object", side == PAIR_SOURCE
        ? "tls-creds-psk,id=tls0,dir=.,endpoint=client,username=qemu"
        : "tls-creds-psk,id=tls0,dir=.,endpoint=server",
        "-global", "migration.tls-creds=tls0", NULL
    };
    VmConfig vm = {
        .name = pair_sides[side], .program = program,
        .directory = pair->directory,
        .bios = "bios.bin", .ram_bytes = config->ram_bytes,
        .incoming = side == PAIR_DESTINATION,
        .paused = side == PAIR_DESTINATION && !config->starts,
        .devices = (const char *const *)devices,
        .environment = (const char *const *)environment,
        .traces = config->traces,
        .more = config->way == PAIR_TLS ? tls : NULL,
    };

    return program ? vm_start(&vm, error) : NULL;
}

static bool pair_set_up(Qmp *qmp, const PairConfig *config, GError **error)
{
    return qmp_run(qmp, "migrate-set-capabilities", g_variant_new_parsed(
                   "{'capabilities': <[{'capability': <'events'>, "
                   "'state': <true>}]>}"), error) &&
           qmp_run(qmp, "migrate-set-parameters", g_variant_new_parsed(
                   "{'max-bandwidth': <%x>}", config->bandwidth_bytes ?:
                   PAIR_BANDWIDTH_BYTES), error) &&
           (!config->downtime_ms ||
            qmp_run(qmp, "migrate-set-parameters", g_variant_new_parsed(
                    "{'downtime-limit': <%i>}", config->downtime_ms), error));
}

static bool pair_link_preload(const Pair *pair, const PairConfig *config,
                              GError **error)
{
    g_autofree char *link = g_build_filename(pair->directory, PAIR_PRELOAD,
                                             NULL);

    if (config->preload && symlink(config->preload, link)) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno),
                    "%s: %s", link, g_strerror(errno));
        return false;
    }
    return true;
}

/* Create what a way needs in the directory: keys for TLS, or a pipe. */
static bool pair_prepare_way(const Pair *pair, GError **error)
{
    g_autofree char *keys = g_build_filename(pair->directory, "keys.psk",
                                             NULL);
    g_autofree char *fifo = g_build_filename(pair->directory, "fifo", NULL);

    if (pair->way == PAIR_PIPE && mkfifo(fifo, 0600)) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno),
                    "%s: %s", fifo, g_strerror(errno));
        return false;
    }
    return pair->way != PAIR_TLS ||
           g_file_set_contents(keys, "qemu:0123456789abcdef0123456789abcdef\n",
                               -1, error);
}

bool pair_prepare(Pair *pair, const PairConfig *config, GError **error)
{
    g_autofree char *bios = NULL;

    pair->directory = g_dir_make_tmp("vfio-pair-XXXXXX", error);
    pair->way = config->way;
    if (!pair->directory || !pair_prepare_way(pair, error) ||
        !pair_link_preload(pair, config, error)) {
        return false;
    }
    bios = g_build_filename(pair->directory, "bios.bin", NULL);
    if (!vm_write_bios(bios, config->busy, error)) {
        return false;
    }
    for (int side = 0; side < PAIR_SIDES; side++) {
        DeviceConfig own = config->device;

        own.fault = config->fault[side];
        if (!device_prepare(config->build, pair->directory, pair_sides[side],
                            &own, error)) {
            g_prefix_error(error, "%s: ", pair_sides[side]);
            return false;
        }
    }
    return true;
}

bool pair_start(Pair *pair, const PairConfig *config, GError **error)
{
    for (int side = 0; side < PAIR_SIDES; side++) {
        pair->vm[side] = pair_start_side(pair, config, side, error);
        if (!pair->vm[side]) {
            return false;
        }
        pair->qmp[side] = pair->vm[side]->qmp;
        if (!pair_set_up(pair->qmp[side], config, error)) {
            return false;
        }
    }
    return true;
}

/* Relative paths: an absolute one may be too long for a socket. */
static const char *const pair_uri[][PAIR_SIDES] = {
    [PAIR_UNIX] = { "unix:migration.sock", "unix:migration.sock" },
    [PAIR_TLS] = { "unix:migration.sock", "unix:migration.sock" },
    [PAIR_TCP] = { NULL, "tcp:127.0.0.1:0" },
    [PAIR_PIPE] = { "exec:exec cat >fifo", "exec:exec cat fifo" },
    [PAIR_FILE] = { "exec:exec cat >state", "exec:exec cat state" },
};

static bool pair_run_migration(Qmp *qmp, const char *command,
                               const char *uri, GError **error)
{
    return qmp_run(qmp, command, g_variant_new_parsed("{'uri': <%s>}", uri),
                   error);
}

/* The URI with the port at which the destination listens; to be freed. */
static char *pair_tcp_uri(const Pair *pair, GError **error)
{
    g_autoptr(JsonNode) info = qmp_execute(pair->qmp[PAIR_DESTINATION],
                                           "query-migrate", NULL, error);
    JsonArray *addresses = info
        ? json_object_get_array_member(json_node_get_object(info),
                                       "socket-address") : NULL;

    if (!info) {
        return NULL;
    }
    if (!addresses || !json_array_get_length(addresses)) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_COMMAND,
                    "QEMU does not say at which port it listens");
        return NULL;
    }
    return g_strdup_printf("tcp:127.0.0.1:%s", qmp_json_string(
                           json_array_get_element(addresses, 0), "port"));
}

bool pair_take_file(Pair *pair, GError **error)
{
    return pair_run_migration(pair->qmp[PAIR_DESTINATION], "migrate-incoming",
                              pair_uri[pair->way][PAIR_DESTINATION], error);
}

bool pair_migrate(Pair *pair, GError **error)
{
    const char *uri = pair_uri[pair->way][PAIR_SOURCE];
    g_autofree char *tcp = NULL;

    if (pair->way != PAIR_FILE && !pair_take_file(pair, error)) {
        return false;
    }
    if (pair->way == PAIR_TCP) {
        uri = tcp = pair_tcp_uri(pair, error);
    }
    return uri && pair_run_migration(pair->qmp[PAIR_SOURCE], "migrate", uri,
                                     error);
}

bool pair_check_info(JsonNode *info, GError **error)
{
    const char *status = qmp_json_string(info, "status");
    const char *why = qmp_json_string(info, "error-desc");

    if (g_strcmp0(status, "failed") && g_strcmp0(status, "cancelled")) {
        return true;
    }
    g_set_error(error, QMP_ERROR, QMP_ERROR_COMMAND, "the migration %s: %s",
                status, why ? why : "QEMU gives no reason");
    return false;
}

bool pair_is_moved(const Pair *pair)
{
    return qmp_event_us(pair->qmp[PAIR_SOURCE], "MIGRATION", "completed") &&
           qmp_event_us(pair->qmp[PAIR_DESTINATION], "MIGRATION", "completed");
}

bool pair_wait_device(Pair *pair, int side, unsigned number,
                      const char *state, DeviceStatus *status,
                      GError **error)
{
    int64_t end_us = g_get_monotonic_time() + PAIR_DEVICE_TIMEOUT_US;

    do {
        if (!qmp_pump(pair->qmp[side], PAIR_TICK_MS, error) ||
            !device_status_of(pair->directory, pair_sides[side], number,
                              status, error)) {
            return false;
        }
        if (strcmp(status->state, state) == 0) {
            return true;
        }
    } while (!qmp_interrupted && g_get_monotonic_time() < end_us);
    g_set_error(error, QMP_ERROR, QMP_ERROR_COMMAND, "the %s's dev%u stays "
                "in state '%s', not '%s'", pair_sides[side], number,
                status->state, state);
    return false;
}

PairTimes pair_times(const Pair *pair)
{
    const Qmp *source = pair->qmp[PAIR_SOURCE];
    const Qmp *destination = pair->qmp[PAIR_DESTINATION];
    int64_t setup_us = qmp_event_us(source, "MIGRATION", "setup");
    int64_t active_us = qmp_event_us(source, "MIGRATION", "active");
    int64_t stop_us = qmp_event_us(source, "STOP", NULL);
    int64_t loaded_us = qmp_event_us(destination, "MIGRATION", "completed");

    return (PairTimes) {
        .setup_us = active_us - setup_us,
        .precopy_us = stop_us - active_us,
        .stop_us = loaded_us - stop_us,
    };
}

char *pair_trace(const Pair *pair, int side)
{
    g_autofree char *file = g_strdup_printf("%s.trace", pair_sides[side]);

    return g_build_filename(pair->directory, file, NULL);
}

static int pair_remove(const char *path, const struct stat *info, int type,
                       struct FTW *place)
{
    return remove(path);
}

void pair_end(Pair *pair, bool keep)
{
    for (int side = 0; side < PAIR_SIDES; side++) {
        g_clear_pointer(&pair->vm[side], vm_end);
        pair->qmp[side] = NULL;
    }
    if (pair->directory && !keep) {
        nftw(pair->directory, pair_remove, 8, FTW_DEPTH | FTW_PHYS);
    }
    g_clear_pointer(&pair->directory, g_free);
}
