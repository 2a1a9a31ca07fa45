/*
 * vfio-migrate: printing JSON, and reading JSON from another host
 *
 * Owns: the members common to all commands' objects, and reading members of
 * untrusted objects.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <inttypes.h>
#include <stdio.h>
#include "json.h"

JsonObject *json_report_new(const char *schema, int version)
{
    JsonObject *object = json_object_new();

    json_object_set_string_member(object, "schema", schema);
    json_object_set_int_member(object, "version", version);
    json_object_set_string_member(object, "tool", TOOL_VERSION);
    return object;
}

void json_report_print(JsonObject *object, bool single_line)
{
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);
    g_autofree char *text = NULL;

    json_node_take_object(node, object);
    text = json_to_string(node, !single_line);
    puts(text);
    fflush(stdout);
    json_node_unref(node);
}

void json_set_text(JsonObject *object, const char *name, const char *text)
{
    if (text) {
        json_object_set_string_member(object, name, text);
    } else {
        json_object_set_null_member(object, name);
    }
}

void json_set_hex(JsonObject *object, const char *name, uint64_t value)
{
    g_autofree char *text = g_strdup_printf("0x%" PRIx64, value);

    json_object_set_string_member(object, name, text);
}

/* The member @name if it is a value of @type, else NULL */
static JsonNode *value_of(JsonObject *object, const char *name, GType type)
{
    JsonNode *node = object ? json_object_get_member(object, name) : NULL;

    return node && JSON_NODE_HOLDS_VALUE(node) &&
           json_node_get_value_type(node) == type ? node : NULL;
}

const char *json_text(JsonObject *object, const char *name)
{
    JsonNode *node = value_of(object, name, G_TYPE_STRING);

    return node ? json_node_get_string(node) : NULL;
}

int64_t json_number(JsonObject *object, const char *name, int64_t fallback)
{
    JsonNode *node = value_of(object, name, G_TYPE_INT64);

    return node ? json_node_get_int(node) : fallback;
}

uint64_t json_hex(JsonObject *object, const char *name, uint64_t fallback)
{
    const char *text = json_text(object, name);

    return text && g_str_has_prefix(text, "0x")
           ? g_ascii_strtoull(text, NULL, 16) : fallback;
}

bool json_flag(JsonObject *object, const char *name, bool fallback)
{
    JsonNode *node = value_of(object, name, G_TYPE_BOOLEAN);

    return node ? json_node_get_boolean(node) : fallback;
}

JsonObject *json_child(JsonObject *object, const char *name)
{
    JsonNode *node = object ? json_object_get_member(object, name) : NULL;

    return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node)
                                                : NULL;
}

JsonArray *json_list(JsonObject *object, const char *name)
{
    JsonNode *node = object ? json_object_get_member(object, name) : NULL;

    return node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node)
                                               : NULL;
}

JsonObject *json_list_object(JsonArray *list, unsigned i)
{
    JsonNode *node = list && i < json_array_get_length(list)
                     ? json_array_get_element(list, i) : NULL;

    return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node)
                                                : NULL;
}

const char *json_list_text(JsonArray *list, unsigned i)
{
    JsonNode *node = list && i < json_array_get_length(list)
                     ? json_array_get_element(list, i) : NULL;

    return node && JSON_NODE_HOLDS_VALUE(node) &&
           json_node_get_value_type(node) == G_TYPE_STRING
           ? json_node_get_string(node) : NULL;
}
