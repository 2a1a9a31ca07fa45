/*
 * vfio-migrate: what defines a command, and what all commands share
 *
 * A command is a file cmd-NAME.c with one Command, and a line in main.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VFIO_MIGRATE_COMMAND_H
#define VFIO_MIGRATE_COMMAND_H

#include <stdbool.h>
#include <glib.h>

/* Exit status of every command; documented in docs/vfio-migrate.md. */
typedef enum ToolExit {
    TOOL_YES = 0,       /* done; the answer is yes */
    TOOL_NO = 1,        /* the answer is no; it was found without an error */
    TOOL_USAGE = 2,     /* wrong usage: nothing was done */
    TOOL_FAILED = 3,    /* it could not be done, or not be found out */
    TOOL_MAYBE = 4,     /* why: something may prevent a migration */
    TOOL_UNKNOWN = 5,   /* why: nothing does, but not all was checked */
} ToolExit;

/* Options that each command takes, and the rest of the command line */
typedef struct Tool {
    gboolean json;              /* print one JSON object instead of text */
    gboolean yes;               /* do not ask before a device is reset */
    char **arguments;           /* of the command, NULL-terminated */
    unsigned nr_arguments;
} Tool;

typedef struct Command {
    const char *name;
    const char *arguments;      /* as in --help: "DEVICE FILE" */
    const char *summary;        /* one line, without a full stop */
    const char *description;    /* for --help, below the options; or NULL */
    const GOptionEntry *options;    /* in addition to Tool's; or NULL */
    unsigned min_arguments, max_arguments;
    bool opens_nothing;         /* opens no device: --help omits --yes */
    /* Prints its result on stdout and errors on stderr. */
    ToolExit (*run)(const Tool *tool);
} Command;

extern const Command command_compare, command_facts, command_info,
                     command_load, command_report, command_save,
                     command_test, command_watch, command_why;

/*
 * tool_complain: print an error message on stderr
 *
 * Returns: TOOL_FAILED, so that a command can return it at once.
 */
ToolExit tool_complain(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* tool_misused: the same for wrong usage; returns TOOL_USAGE. */
ToolExit tool_misused(const char *format, ...) G_GNUC_PRINTF(1, 2);

/*
 * tool_may_write: can a file be created at @path?
 *
 * To be called before the work whose result goes there. Complains if not.
 */
bool tool_may_write(const char *path);

/*
 * tool_may_reset: may the devices that the user named be reset?
 *
 * Explains first that opening them resets them. True if --yes was given;
 * otherwise asks on the terminal, and returns false if there is none.
 */
bool tool_may_reset(const Tool *tool, const char *devices);

#endif /* VFIO_MIGRATE_COMMAND_H */
