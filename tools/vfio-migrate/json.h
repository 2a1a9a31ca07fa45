/*
 * vfio-migrate: what --json prints
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VFIO_MIGRATE_JSON_H
#define VFIO_MIGRATE_JSON_H

#include <stdbool.h>
#include <json-glib/json-glib.h>

/*
 * json_report_new: the object that a command prints
 *
 * @schema: name of the command; schema/NAME.json describes the object
 * @version: of that schema; grows when a member changes its meaning or goes,
 *           not when one is added
 *
 * Returns: an object with "schema", "version" and "tool" (our version), for
 * members to be added; to be freed with json_object_unref().
 */
JsonObject *json_report_new(const char *schema, int version);

/* json_report_print: print it on stdout, and free it. @single_line: no line feeds in it. */
void json_report_print(JsonObject *object, bool single_line);

#endif /* VFIO_MIGRATE_JSON_H */
