/*
 * Two QEMUs with a simulated device each, between which a VM migrates
 *
 * Owns: the temporary directory of both, how they are started with our code
 * or with QEMU's own, and the times of a migration. No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <ftw.h>
#include <stdio.h>
#include <string.h>

#include "pair.h"

/* Far above what a local socket carries: the device sets the pace. */
#define PAIR_BANDWIDTH_BYTES (INT64_C(1) << 40)
#define PAIR_DEVICE_TIMEOUT_US (5 * G_USEC_PER_SEC)
#define PAIR_TICK_MS           10

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

static char *pair_find_program(const PairConfig *config, GError **error)
{
    const char *wanted = g_getenv("QEMU");
    g_autofree char *wrapper =
        g_build_filename(config->build, "qemu-system-x86_64", NULL);
    const char *own = wanted && *wanted ? wanted : "qemu-system-x86_64";
    char *found = g_find_program_in_path(config->builtin ? own : wrapper);

    if (!found) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_ENDED,
                    "%s is not there: run 'make deps' and 'make'",
                    config->builtin ? own : wrapper);
    }
    return found;
}

static Vm *pair_start_side(const Pair *pair, const PairConfig *config,
                           const char *program, int side, GError **error)
{
    const char *name = pair_sides[side];
    g_auto(GStrv) simulation = device_environment(name);
    g_autofree char *device = device_argument(name);
    g_autofree char *enabled =
        g_strconcat(device, config->builtin ? ",x-enable-migration=on" : "",
                    NULL);
    const char *devices[] = { enabled, NULL };
    const char *environment[] = { simulation[0], simulation[1],
                                  "VFIO_MIGRATION_ATTACH=require", NULL };
    VmConfig vm = {
        .name = name, .program = program, .directory = pair->directory,
        .bios = "bios.bin", .ram_bytes = config->ram_bytes,
        .incoming = side == PAIR_DESTINATION,
        .devices = devices, .environment = environment,
        .traces = config->traces,
    };

    return vm_start(&vm, error);
}

static bool pair_set_up(Vm *vm, GError **error)
{
    return vm_run(vm, "migrate-set-capabilities", g_variant_new_parsed(
                  "{'capabilities': <[{'capability': <'events'>, "
                  "'state': <true>}]>}"), error) &&
           vm_run(vm, "migrate-set-parameters", g_variant_new_parsed(
                  "{'max-bandwidth': <%x>}", PAIR_BANDWIDTH_BYTES), error);
}

bool pair_prepare(Pair *pair, const PairConfig *config, GError **error)
{
    g_autofree char *bios = NULL;

    pair->directory = g_dir_make_tmp("vfio-pair-XXXXXX", error);
    if (!pair->directory) {
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
    g_autofree char *program = pair_find_program(config, error);

    for (int side = 0; program && side < PAIR_SIDES; side++) {
        pair->vm[side] = pair_start_side(pair, config, program, side, error);
        if (!pair->vm[side] || !pair_set_up(pair->vm[side], error)) {
            return false;
        }
    }
    return program != NULL;
}

bool pair_migrate(Pair *pair, GError **error)
{
    /* A relative path: the directory's own may be too long for a socket. */
    return vm_run(pair->vm[PAIR_DESTINATION], "migrate-incoming",
                  g_variant_new_parsed("{'uri': <'unix:migration.sock'>}"),
                  error) &&
           vm_run(pair->vm[PAIR_SOURCE], "migrate",
                  g_variant_new_parsed("{'uri': <'unix:migration.sock'>}"),
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
    return vm_event_us(pair->vm[PAIR_SOURCE], "MIGRATION", "completed") &&
           vm_event_us(pair->vm[PAIR_DESTINATION], "MIGRATION", "completed");
}

bool pair_wait_device(Pair *pair, int side, const char *state,
                      DeviceStatus *status, GError **error)
{
    int64_t end_us = g_get_monotonic_time() + PAIR_DEVICE_TIMEOUT_US;

    do {
        if (!vm_pump(pair->vm[side], PAIR_TICK_MS, error) ||
            !device_read_status(pair->directory, pair_sides[side], status,
                                error)) {
            return false;
        }
        if (strcmp(status->state, state) == 0) {
            return true;
        }
    } while (!qmp_interrupted && g_get_monotonic_time() < end_us);
    g_set_error(error, QMP_ERROR, QMP_ERROR_COMMAND, "the %s's device stays in "
                "state '%s', not '%s'", pair_sides[side], status->state,
                state);
    return false;
}

PairTimes pair_times(const Pair *pair)
{
    const Vm *source = pair->vm[PAIR_SOURCE];
    int64_t setup_us = vm_event_us(source, "MIGRATION", "setup");
    int64_t active_us = vm_event_us(source, "MIGRATION", "active");
    int64_t stop_us = vm_event_us(source, "STOP", NULL);
    int64_t loaded_us = vm_event_us(pair->vm[PAIR_DESTINATION], "MIGRATION",
                                    "completed");

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
        vm_end(pair->vm[side]);
        pair->vm[side] = NULL;
    }
    if (pair->directory && !keep) {
        nftw(pair->directory, pair_remove, 8, FTW_DEPTH | FTW_PHYS);
    }
    g_clear_pointer(&pair->directory, g_free);
}
