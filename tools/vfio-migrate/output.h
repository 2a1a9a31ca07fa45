/*
 * vfio-migrate: where a saved device is written to
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VFIO_MIGRATE_OUTPUT_H
#define VFIO_MIGRATE_OUTPUT_H

#include <stdbool.h>
#include "qapi/error.h"

/* Where a saved device goes; only fd is for others than its own functions. */
typedef struct ToolOutput {
    int fd;
    const char *name;           /* for messages */
    char *path;                 /* where temporary goes when it is complete */
    char *temporary;            /* NULL: written to in place, as a pipe */
} ToolOutput;

/*
 * tool_output_open: make room for the state of a device
 *
 * @path: "-" is standard output; what is printed from then on goes to
 *        standard error. A file that is there stays as it is for now.
 *        Has to outlive @out
 *
 * Returns: false with @errp set. tool_output_close() either way.
 */
bool tool_output_open(ToolOutput *out, const char *path, Error **errp);

/*
 * tool_output_close: put the state in its place, or throw it away
 *
 * @complete: all of it was written; otherwise @errp is not touched
 *
 * Returns: whether it is there now; if not though @complete, @errp is set.
 */
bool tool_output_close(ToolOutput *out, bool complete, Error **errp);

#endif /* VFIO_MIGRATE_OUTPUT_H */
