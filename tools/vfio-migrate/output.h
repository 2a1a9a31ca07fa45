/*
 * vfio-migrate: output of a saved device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VFIO_MIGRATE_OUTPUT_H
#define VFIO_MIGRATE_OUTPUT_H

#include <stdbool.h>
#include "qapi/error.h"

/* Output of a saved device; only @fd is public */
typedef struct ToolOutput {
    int fd;
    const char *name;           /* for messages */
    char *path;                 /* final name of the temporary file */
    char *temporary;            /* NULL: written in place, as for a pipe */
} ToolOutput;

/*
 * tool_output_open: open the output for a device's state
 *
 * @path: "-" is standard output; other output then goes to standard error.
 *        An existing file is kept for now. Must stay valid as long as @out
 *
 * Returns: false with @errp set on failure. Call tool_output_close() in either
 * case.
 */
bool tool_output_open(ToolOutput *out, const char *path, Error **errp);

/*
 * tool_output_close: put the state in its final place, or discard it
 *
 * @complete: all of it was written; if false, @errp is not set
 *
 * Returns: whether it is in place; if not despite @complete, @errp is set.
 */
bool tool_output_close(ToolOutput *out, bool complete, Error **errp);

#endif /* VFIO_MIGRATE_OUTPUT_H */
