/*
 * vfio-migrate: what --json prints
 *
 * Owns: the frame that all commands' objects share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
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
