/*
 * vfio-migrate: printing JSON, and reading JSON from another host
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VFIO_MIGRATE_JSON_H
#define VFIO_MIGRATE_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <json-glib/json-glib.h>

/*
 * json_report_new: create the object that a command prints
 *
 * @schema: name of the command; schema/NAME.json describes the object
 * @version: of that schema; incremented if the meaning of a member changes or
 *           a member is removed, not if one is added
 *
 * Returns: an object with "schema", "version" and "tool" (our version), to
 * which members can be added; to be freed with json_object_unref().
 */
JsonObject *json_report_new(const char *schema, int version);

/*
 * json_report_print: print it on stdout, and free it
 *
 * @single_line: without line feeds in it
 */
void json_report_print(JsonObject *object, bool single_line);

/* json_set_text: set a member to @text, or to null if @text is NULL */
void json_set_text(JsonObject *object, const char *name, const char *text);

/* json_set_hex: set a member to "0x10": numbers may be limited to 53 bits */
void json_set_hex(JsonObject *object, const char *name, uint64_t value);

/*
 * Read members of an untrusted object. If a member is missing or of another
 * type, the result is NULL or @fallback. @object may be NULL.
 */
const char *json_text(JsonObject *object, const char *name);
int64_t json_number(JsonObject *object, const char *name, int64_t fallback);
uint64_t json_hex(JsonObject *object, const char *name, uint64_t fallback);
bool json_flag(JsonObject *object, const char *name, bool fallback);
JsonObject *json_child(JsonObject *object, const char *name);
JsonArray *json_list(JsonObject *object, const char *name);
/* json_list_object: the @i-th element, or NULL if it is not an object */
JsonObject *json_list_object(JsonArray *list, unsigned i);
/* json_list_text: the @i-th element, or NULL if it is not a string */
const char *json_list_text(JsonArray *list, unsigned i);

#endif /* VFIO_MIGRATE_JSON_H */
