/*
 * vfio-migrate test: run a driver through all phases of migration
 *
 * Owns: the command line; the cases are in driver-cases*.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "command.h"
#include "driver-test.h"
#include "json.h"

static int max_precopy_rounds = 1000;
static int rounds = 3;
static gboolean verbose;

static ToolExit run(const Tool *tool)
{
    DriverTest test = {
        .source = tool->arguments[0],
        .destination = tool->arguments[tool->nr_arguments - 1],
        .rounds = rounds,
        .max_precopy_rounds = max_precopy_rounds,
        .verbose = verbose,
    };
    unsigned failed;

    if (max_precopy_rounds < 1 || rounds < 1) {
        return tool_misused("--precopy-rounds and --rounds are at least 1");
    }
    if (tool->json) {
        test.report = json_report_new("test", 1);
        json_object_set_string_member(test.report, "source", test.source);
        json_object_set_string_member(test.report, "destination",
                                      test.destination);
    }
    failed = driver_test_run(&test);
    if (test.report) {
        json_report_print(test.report, false);
    }
    return failed ? TOOL_NO : TOOL_YES;
}

static const GOptionEntry options[] = {
    { "precopy-rounds", 0, 0, G_OPTION_ARG_INT, &max_precopy_rounds,
      "Stop after that many rounds of pre-copy in any case [1000]", "N" },
    { "rounds", 0, 0, G_OPTION_ARG_INT, &rounds,
      "Round trips of the case that loads and runs on [3]", "N" },
    { "verbose", 'v', 0, G_OPTION_ARG_NONE, &verbose,
      "Print every message", NULL },
    { NULL }
};

const Command command_test = {
    .name = "test",
    .arguments = "DEVICE [DEVICE]",
    .summary = "Put the driver through a migration's life",
    .description =
        "Cancels, breaks streams, pauses the VM, takes snapshots; loads into "
        "the second\ndevice where there is one. Prints TAP, or JSON.",
    .options = options,
    .min_arguments = 1,
    .max_arguments = 2,
    .run = run,
};
