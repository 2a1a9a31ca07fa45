/*
 * vfio-migrate facts: print what another host needs for a comparison
 *
 * Owns: the command line; facts.c collects the facts.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "command.h"
#include "device.h"
#include "facts.h"
#include "json.h"

static char *qemu;

static ToolExit run(const Tool *tool)
{
    const char *name = tool->arguments[0];
    JsonObject *facts;

    if (!tool_may_reset(tool, name)) {
        return TOOL_USAGE;
    }
    facts = facts_collect(name, qemu);
    if (!facts) {
        return tool_no_device(name);
    }
    json_report_print(facts, false);
    return TOOL_YES;
}

static const GOptionEntry options[] = {
    { "qemu", 0, 0, G_OPTION_ARG_FILENAME, &qemu,
      "The QEMU that VMs run with [the one in PATH]", "PATH" },
    { NULL }
};

const Command command_facts = {
    .name = "facts",
    .arguments = "DEVICE",
    .summary = "Print what 'compare' compares, as JSON",
    .description =
        "The device may have any driver: what cannot be found out is said. "
        "Keep the\noutput of both hosts for 'vfio-migrate compare'.",
    .options = options,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
