/*
 * vfio-migrate save: save a device's state to a file
 *
 * Owns: the file, and printing the result of the save.
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
#include "output.h"

static int max_precopy_rounds = 1000;
static gboolean paused;

/* Only v1 has a data window, which may be mapped or trapped. */
static char *saved_ways(const ToolSaved *saved)
{
    g_autofree char *mapped = screen_size(saved->mapped_bytes);
    g_autofree char *trapped = screen_size(saved->trapped_bytes);

    return saved->has_window
           ? g_strdup_printf(": %s mapped, %s trapped", mapped, trapped)
           : g_strdup("");
}

static void print_saved(const ToolSaved *saved)
{
    g_autofree char *all = screen_size(saved->device_bytes);
    g_autofree char *early = screen_size(saved->precopy_bytes);
    g_autofree char *ways = saved_ways(saved);
    g_autofree char *setup = screen_time(saved->setup_us);
    g_autofree char *precopy = screen_time(saved->precopy_us);
    g_autofree char *stopped = screen_time(saved->stopped_us);

    screen_field("saved", "%s in %" PRIu64 " chunks%s", all, saved->chunks,
                 ways);
    screen_field("set-up", "%s", setup);
    screen_field("pre-copy", "%s in %u rounds, %s", precopy, saved->rounds,
                 early);
    screen_field("stopped", "%s", stopped);
}

static void print_saved_json(const ToolSaved *saved)
{
    JsonObject *o = json_report_new("save", 1);

    json_object_set_int_member(o, "device-bytes", saved->device_bytes);
    json_object_set_int_member(o, "mapped-bytes", saved->mapped_bytes);
    json_object_set_int_member(o, "trapped-bytes", saved->trapped_bytes);
    json_object_set_int_member(o, "chunks", saved->chunks);
    json_object_set_int_member(o, "setup-us", saved->setup_us);
    json_object_set_int_member(o, "precopy-us", saved->precopy_us);
    json_object_set_int_member(o, "precopy-bytes", saved->precopy_bytes);
    json_object_set_int_member(o, "precopy-rounds", saved->rounds);
    json_object_set_int_member(o, "stopped-us", saved->stopped_us);
    json_report_print(o, false);
}

static int save(const char *name, int fd, ToolSaved *saved, ToolExit *answer,
                Error **errp)
{
    const ToolSave how = { .max_rounds = max_precopy_rounds };
    VFIODevice *vbasedev = tool_open_migratable(name, answer, errp);
    int ret;

    if (!vbasedev) {
        return -EIO;
    }
    vfio_host_vm_start();
    if (paused) {
        vfio_host_vm_stop(RUN_STATE_PAUSED);
    }
    ret = tool_save(vbasedev, fd, &how, saved, errp);
    tool_close(vbasedev);
    return ret;
}

static ToolExit run(const Tool *tool)
{
    ToolExit answer = TOOL_FAILED;
    ToolSaved saved;
    ToolOutput out;
    Error *err = NULL;
    int ret = -EIO;

    if (max_precopy_rounds < 1) {
        return tool_misused("--precopy-rounds is at least 1");
    }
    if (tool_output_open(&out, tool->arguments[1], &err)) {
        ret = save(tool->arguments[0], out.fd, &saved, &answer, &err);
    }
    if (!tool_output_close(&out, ret == 0, &err)) {
        tool_complain_error(err);
        return answer;
    }
    if (tool->json) {
        print_saved_json(&saved);
    } else {
        print_saved(&saved);
    }
    return TOOL_YES;
}

static const GOptionEntry options[] = {
    { "precopy-rounds", 0, 0, G_OPTION_ARG_INT, &max_precopy_rounds,
      "Stop after that many rounds of pre-copy in any case [1000]", "N" },
    { "paused", 0, 0, G_OPTION_ARG_NONE, &paused,
      "Save the device of a paused VM", NULL },
    { NULL }
};

const Command command_save = {
    .name = "save",
    .arguments = "DEVICE FILE",
    .summary = "Save its state, as a live migration does",
    .description =
        "FILE is its owner's alone and appears when it is complete. - is "
        "standard\noutput; what is printed goes to standard error then.",
    .options = options,
    .min_arguments = 2,
    .max_arguments = 2,
    .run = run,
};
