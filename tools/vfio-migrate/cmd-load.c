/*
 * vfio-migrate load: load a device's state from a file
 *
 * Owns: printing the result of the load.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/vfio/migration-device.h"
#include "screen.h"
#include "command.h"
#include "device.h"
#include "json.h"

static gboolean paused;

static void print_loaded(const Tool *tool, const VFIODeviceMigration *mig,
                         int64_t spent_us)
{
    g_autofree char *size = screen_size(mig->stats.transferred_bytes);
    g_autofree char *time = screen_time(spent_us);
    const char *state = vfio_mig_state_str(mig->state);

    if (tool->json) {
        JsonObject *o = json_report_new("load", 1);

        json_object_set_int_member(o, "device-bytes",
                                   mig->stats.transferred_bytes);
        json_object_set_int_member(o, "load-us", spent_us);
        json_object_set_string_member(o, "state", state);
        json_report_print(o, false);
        return;
    }
    screen_field("loaded", "%s in %s", size, time);
    screen_field("state", "%s", state);
}

/* Reports any failure. */
static ToolExit load(const Tool *tool, int fd)
{
    ToolExit answer = TOOL_FAILED;
    Error *err = NULL;
    VFIODevice *vbasedev = tool_open_migratable(tool->arguments[0], &answer,
                                                &err);
    int64_t start = g_get_monotonic_time();
    VFIODeviceMigration *mig;

    if (!vbasedev) {
        tool_complain_error(err);
        return answer;
    }
    if (tool_load(fd, 0, &err) < 0) {
        tool_complain_error(err);
        tool_close(vbasedev);
        return TOOL_FAILED;
    }
    start = g_get_monotonic_time() - start;
    mig = vfio_mig_of(vbasedev);
    if (!paused) {
        vfio_host_vm_start();
    }
    print_loaded(tool, mig, start);
    answer = paused || mig->state == VFIO_MIG_STATE_RUNNING ? TOOL_YES
                                                            : TOOL_FAILED;
    tool_close(vbasedev);
    return answer;
}

static ToolExit run(const Tool *tool)
{
    const char *path = tool->arguments[1];
    int fd = g_str_equal(path, "-") ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                                    : open(path, O_RDONLY | O_CLOEXEC);
    ToolExit answer;

    if (fd < 0) {
        return tool_complain("%s cannot be opened: %s", path, strerror(errno));
    }
    answer = load(tool, fd);
    close(fd);
    return answer;
}

static const GOptionEntry options[] = {
    { "paused", 0, 0, G_OPTION_ARG_NONE, &paused,
      "Do not let the device run", NULL },
    { NULL }
};

const Command command_load = {
    .name = "load",
    .arguments = "DEVICE FILE",
    .summary = "Load such a file, and let the device run",
    .description = "- is standard input.",
    .options = options,
    .min_arguments = 2,
    .max_arguments = 2,
    .run = run,
};
