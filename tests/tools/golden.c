/*
 * Texts that are held against files
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include "golden.h"

#define FOLD_COLUMNS 79

static void report(const char *path, const char *text, const char *wanted)
{
    g_auto(GStrv) is = g_strsplit(text, "\n", -1);
    g_auto(GStrv) should = g_strsplit(wanted, "\n", -1);

    for (unsigned i = 0; is[i] || should[i]; i++) {
        if (g_strcmp0(is[i], should[i])) {
            g_error("%s:%u: wanted\n%s\nand got\n%s\n(GOLDEN_UPDATE=1 takes "
                    "what is now)", path, i + 1,
                    should[i] ? should[i] : "(end)", is[i] ? is[i] : "(end)");
        }
    }
}

/* ---- JSON ---- */

static size_t column(const GString *out)
{
    const char *last = strrchr(out->str, '\n');

    return strlen(last ? last + 1 : out->str);
}

static void put_node(GString *out, JsonNode *node, unsigned indent,
                     size_t columns);

/*
 * A member, or an element (no @name), behind the one before it; on a line of
 * its own, @indent deep, if it does not fit or is in several lines itself.
 */
static void put_member(GString *out, const char *name, JsonNode *node,
                       unsigned indent, size_t columns)
{
    g_autoptr(GString) one = g_string_new(NULL);
    bool first = strchr("[{", out->str[out->len - 1]);

    put_node(one, node, 0, SIZE_MAX);
    if (name) {
        g_autofree char *key = g_strdup_printf("\"%s\": ", name);

        g_string_prepend(one, key);
    }
    g_string_append(out, first ? "" : ",");
    /* Behind it there may be a comma, or brackets that are closed. */
    if (column(out) + 1 + one->len >= columns) {
        g_string_append_printf(out, "\n%*s", indent, "");
    } else if (!first) {
        g_string_append_c(out, ' ');
    }
    if (column(out) + one->len < columns) {
        g_string_append(out, one->str);
        return;
    }
    if (name) {
        g_string_append_printf(out, "\"%s\": ", name);
    }
    put_node(out, node, indent, columns);
}

static void put_node(GString *out, JsonNode *node, unsigned indent,
                     size_t columns)
{
    bool is_object = JSON_NODE_HOLDS_OBJECT(node);
    g_autoptr(GList) list = NULL;

    if (!is_object && !JSON_NODE_HOLDS_ARRAY(node)) {
        g_autofree char *value = json_to_string(node, false);

        g_string_append(out, value);
        return;
    }
    list = is_object ? json_object_get_members(json_node_get_object(node))
                     : json_array_get_elements(json_node_get_array(node));
    g_string_append_c(out, is_object ? '{' : '[');
    for (GList *i = list; i; i = i->next) {
        JsonNode *member = is_object
            ? json_object_get_member(json_node_get_object(node), i->data)
            : i->data;

        put_member(out, is_object ? i->data : NULL, member, indent + 1,
                   columns);
    }
    g_string_append_c(out, is_object ? '}' : ']');
}

char *golden_json(JsonObject *object)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    GString *out = g_string_new(NULL);

    json_node_take_object(node, object);
    put_node(out, node, 0, FOLD_COLUMNS);
    return g_string_free(out, false);
}

char *golden_fold(const char *text)
{
    const char *begin = g_str_has_prefix(text, "{\n") ? text
                                                      : strstr(text, "\n{\n");
    const char *end = begin ? strstr(begin, "\n}\n") : NULL;
    g_autofree char *json = NULL, *folded = NULL;
    g_autoptr(JsonNode) node = NULL;

    if (!end) {
        return g_strdup(text);
    }
    begin += *begin == '\n';
    json = g_strndup(begin, end + 2 - begin);
    node = json_from_string(json, NULL);
    g_assert_nonnull(node);
    folded = golden_json(json_node_dup_object(node));
    return g_strdup_printf("%.*s%s%s", (int)(begin - text), text, folded,
                           end + 2);
}

void golden_compare(const char *path, const char *text)
{
    g_autofree char *wanted = NULL;
    g_autoptr(GError) error = NULL;

    if (g_getenv("GOLDEN_UPDATE")) {
        g_file_set_contents(path, text, -1, &error);
        g_assert_no_error(error);
        return;
    }
    g_file_get_contents(path, &wanted, NULL, &error);
    g_assert_no_error(error);
    report(path, text, wanted);
}
