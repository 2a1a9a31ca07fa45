/*
 * vfio-migrate: inspect VFIO devices, and migrate one without a VM
 *
 * Owns: the command line: selecting the command, common options, help,
 * version, and the question before a device is reset.
 * Does not own: the commands (cmd-*.c).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "screen.h"
#include "command.h"
#include "sysroot.h"

static const Command *const commands[] = {
    &command_why,
    &command_info,
    &command_facts,
    &command_compare,
    &command_save,
    &command_load,
    &command_test,
    &command_watch,
    &command_report,
};

static const char description[] =
    "DEVICE is a PCI address, the UUID of a mediated device, or a directory "
    "in sysfs.\nIt must be bound to a VFIO driver, and no VM may use it: "
    "opening it resets it.\n"
    "VFIO_TRACE='vfio_migration_*' prints each transition and each chunk.\n"
    "\n"
    "Exit status: 0 yes or done, 1 no, 2 wrong usage, 3 it failed.\n"
    "Of why also 4 maybe, 5 unknown.";

static ToolExit G_GNUC_PRINTF(2, 0)
say(ToolExit status, const char *format, va_list ap)
{
    g_autofree char *text = g_strdup_vprintf(format, ap);

    fprintf(stderr, "vfio-migrate: %s\n", text);
    return status;
}

ToolExit tool_complain(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    say(TOOL_FAILED, format, ap);
    va_end(ap);
    return TOOL_FAILED;
}

ToolExit tool_misused(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    say(TOOL_USAGE, format, ap);
    va_end(ap);
    return TOOL_USAGE;
}

bool tool_may_write(const char *path)
{
    g_autofree char *folder = g_path_get_dirname(path);
    bool is_folder = g_file_test(path, G_FILE_TEST_IS_DIR);

    if (is_folder || access(folder, W_OK | X_OK) < 0) {
        tool_complain("%s cannot be written: %s", path,
                      g_strerror(is_folder ? EISDIR : errno));
        return false;
    }
    return true;
}

bool tool_may_reset(const Tool *tool, const char *devices)
{
    char answer[16];

    if (tool->yes) {
        return true;
    }
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
        tool_misused("opening %s resets it, and what it is doing is lost: "
                     "add --yes to allow that", devices);
        return false;
    }
    fprintf(stderr, "Opening %s resets it, and what it is doing is lost. "
            "Go on? [y/N] ", devices);
    return fgets(answer, sizeof(answer), stdin) &&
           g_ascii_tolower(answer[0]) == 'y';
}

/* ---- command line ---- */

static char *list_commands(void)
{
    GString *text = g_string_new("Commands:\n");

    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_autofree char *call = g_strconcat(commands[i]->name, " ",
                                            commands[i]->arguments, NULL);

        g_string_append_printf(text, "  %-28s %s\n", call,
                               commands[i]->summary);
    }
    g_string_append(text, "\nvfio-migrate COMMAND --help tells more.\n\n");
    g_string_append(text, description);
    return g_string_free(text, false);
}

/* Options may also precede the command, so search for it. */
static const Command *find_command(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        for (unsigned n = 0; n < G_N_ELEMENTS(commands); n++) {
            if (g_str_equal(argv[i], commands[n]->name)) {
                return commands[n];
            }
        }
    }
    return NULL;
}

static GOptionContext *new_context(const Command *command)
{
    g_autofree char *text = NULL, *parameters = NULL;
    GOptionContext *context;

    if (!command) {
        text = list_commands();
        context = g_option_context_new("COMMAND");
        g_option_context_set_description(context, text);
        return context;
    }
    parameters = g_strconcat(command->name, " ", command->arguments, " - ",
                             command->summary, NULL);
    context = g_option_context_new(parameters);
    if (command->description) {
        g_option_context_set_description(context, command->description);
    }
    if (command->options) {
        g_option_context_add_main_entries(context, command->options, NULL);
    }
    return context;
}

static ToolExit run_command(const Command *command, Tool *tool, int argc,
                            char **argv)
{
    if (argc < 2) {
        g_autofree char *text = list_commands();

        fprintf(stderr, "Usage: vfio-migrate COMMAND ...\n\n%s\n", text);
        return TOOL_USAGE;
    }
    if (!command || !g_str_equal(argv[1], command->name)) {
        return tool_misused("no command %s; see vfio-migrate --help", argv[1]);
    }
    tool->nr_arguments = argc - 2;
    tool->arguments = argv + 2;
    if (tool->nr_arguments < command->min_arguments ||
        tool->nr_arguments > command->max_arguments) {
        return tool_misused("%s takes %s; see vfio-migrate %s --help",
                            command->name, command->arguments, command->name);
    }
    return command->run(tool);
}

int main(int argc, char **argv)
{
    Tool tool = { 0 };
    gboolean version = false;
    g_autofree char *sysroot = NULL;
    const Command *command = find_command(argc, argv);
    const GOptionEntry shared[] = {
        { "json", 0, 0, G_OPTION_ARG_NONE, &tool.json,
          "Print JSON instead of text", NULL },
        { "yes", 'y', command && command->opens_nothing ?
          G_OPTION_FLAG_HIDDEN : 0, G_OPTION_ARG_NONE, &tool.yes,
          "Do not ask before a device is reset", NULL },
        { "sysroot", 0, 0, G_OPTION_ARG_FILENAME, &sysroot,
          "Look for /sys, /proc, /etc and /dev below DIR", "DIR" },
        { "version", 0, 0, G_OPTION_ARG_NONE, &version,
          "Print the version of this tool", NULL },
        { NULL }
    };
    g_autoptr(GOptionContext) context = new_context(command);
    g_autoptr(GError) error = NULL;

    screen_init();
    g_option_context_add_main_entries(context, shared, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        return tool_misused("%s; see vfio-migrate --help", error->message);
    }
    if (version) {
        puts("vfio-migrate " TOOL_VERSION);
        return TOOL_YES;
    }
    if (sysroot) {
        sysroot_set(sysroot);
    }
    return run_command(command, &tool, argc, argv);
}
