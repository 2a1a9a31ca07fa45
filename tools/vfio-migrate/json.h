/*
 * vfio-migrate: JSON that is printed, and JSON that another host printed
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VFIO_MIGRATE_JSON_H
#define VFIO_MIGRATE_JSON_H

#include <stdbool.h>
#include <stdint.h>
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

/*
 * json_report_print: print it on stdout, and free it
 *
 * @single_line: no line feeds in it
 */
void json_report_print(JsonObject *object, bool single_line);

/* json_set_text: null where @text is NULL. */
void json_set_text(JsonObject *object, const char *name, const char *text);

/* json_set_hex: as "0x10"; JSON's numbers end at 53 bits for some readers. */
void json_set_hex(JsonObject *object, const char *name, uint64_t value);

/*
 * Members of an object that may come from anybody: what is not there, or is
 * of another type, reads as NULL or as @fallback. @object may be NULL.
 */
const char *json_text(JsonObject *object, const char *name);
int64_t json_number(JsonObject *object, const char *name, int64_t fallback);
uint64_t json_hex(JsonObject *object, const char *name, uint64_t fallback);
bool json_flag(JsonObject *object, const char *name, bool fallback);
JsonObject *json_child(JsonObject *object, const char *name);
JsonArray *json_list(JsonObject *object, const char *name);
/* json_list_object: the @i-th element, NULL where it is no object. */
JsonObject *json_list_object(JsonArray *list, unsigned i);
/* json_list_text: the @i-th element, NULL where it is no text. */
const char *json_list_text(JsonArray *list, unsigned i);

#endif /* VFIO_MIGRATE_JSON_H */
