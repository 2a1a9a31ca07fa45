/*
 * vfio-migrate: what a command is, and what all of them share
 *
 * A command is a file cmd-NAME.c with one Command, and a line in main.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VFIO_MIGRATE_COMMAND_H
#define VFIO_MIGRATE_COMMAND_H

#include <stdbool.h>
#include <glib.h>

/* Exit status of every command; docs/vfio-migrate.md says them, too. */
typedef enum ToolExit {
    TOOL_YES = 0,       /* done; the answer is yes */
    TOOL_NO = 1,        /* the answer is no: nothing went wrong in finding it */
    TOOL_USAGE = 2,     /* wrong usage: nothing was done */
    TOOL_FAILED = 3,    /* it could not be done, or not be found out */
    TOOL_MAYBE = 4,     /* why: something may stand in the way */
    TOOL_UNKNOWN = 5,   /* why: nothing does, but not all was looked at */
} ToolExit;

/* Options that each command takes, and what is left of the line. */
typedef struct Tool {
    gboolean json;              /* print one JSON object instead of text */
    gboolean yes;               /* do not ask before a device is reset */
    char **arguments;           /* the command's, without its name; ends NULL */
    unsigned nr_arguments;
} Tool;

typedef struct Command {
    const char *name;
    const char *arguments;      /* as --help names them: "DEVICE FILE" */
    const char *summary;        /* one line, without a full stop */
    const char *description;    /* of its --help, below the options; or NULL */
    const GOptionEntry *options;    /* besides those of Tool; or NULL */
    unsigned min_arguments, max_arguments;
    bool opens_nothing;         /* no device: --help does not offer --yes */
    /* Prints its result on stdout and what went wrong on stderr. */
    ToolExit (*run)(const Tool *tool);
} Command;

extern const Command command_compare, command_facts, command_info,
                     command_load, command_report, command_save,
                     command_test, command_watch, command_why;

/*
 * tool_complain: say on stderr that something failed
 *
 * Returns: TOOL_FAILED, so that a command can return it at once.
 */
ToolExit tool_complain(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* tool_misused: the same for wrong usage; returns TOOL_USAGE. */
ToolExit tool_misused(const char *format, ...) G_GNUC_PRINTF(1, 2);

/*
 * tool_may_write: can a file be put at @path, with its folder?
 *
 * To be asked before the work whose result goes there. Complains if not.
 */
bool tool_may_write(const char *path);

/*
 * tool_may_reset: may the devices that the user named be reset?
 *
 * Says first that opening them resets them. Yes where --yes was given;
 * otherwise a terminal is asked, and without one the answer is no.
 */
bool tool_may_reset(const Tool *tool, const char *devices);

#endif /* VFIO_MIGRATE_COMMAND_H */
