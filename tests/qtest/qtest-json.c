/*
 * QMP commands and answers as text
 *
 * Owns: building a command from a format; converting answers to and from text.
 * Does not own: sockets (libqtest.c).
 * Locks: none. Source: the interpolation rules documented in QEMU's
 * qobject/json-parser.c: values are outside of strings, %i is a boolean.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qtest-json.h"

#include <string.h>

static void append_string(GString *out, const char *text)
{
    g_autoptr(JsonNode) node = json_node_init_string(json_node_alloc(), text);
    g_autofree char *json = json_to_string(node, false);

    g_string_append(out, json);
}

/* Copies a quoted string with JSON's double quotes; returns its end. */
static const char *append_quoted(GString *out, const char *p)
{
    char quote = *p++;

    g_string_append_c(out, '"');
    for (; *p && *p != quote; p++) {
        if (p[0] == '%' && p[1] == '%') {
            p++;
        } else if (p[0] == '\\' && p[1]) {
            g_string_append_c(out, *p++);
        } else if (p[0] == '"') {
            g_string_append_c(out, '\\');
        }
        g_string_append_c(out, *p);
    }
    g_assert(*p == quote);
    g_string_append_c(out, '"');
    return p + 1;
}

typedef struct JsonArgs {
    va_list ap;
} JsonArgs;

static void append_number(GString *out, const char *spec, size_t len,
                          JsonArgs *args)
{
    bool wide = len > 1;
    bool is_signed = spec[len - 1] == 'd';

    if (is_signed) {
        gint64 v = wide ? va_arg(args->ap, gint64) : va_arg(args->ap, int);
        g_string_append_printf(out, "%" G_GINT64_FORMAT, v);
    } else {
        guint64 v = wide ? va_arg(args->ap, guint64)
                         : va_arg(args->ap, unsigned);
        g_string_append_printf(out, "%" G_GUINT64_FORMAT, v);
    }
}

/* Converts one value; @p is after the '%'. Returns its end. */
static const char *append_value(GString *out, const char *p, JsonArgs *args)
{
    size_t len = strspn(p, "l") + 1;
    char number[G_ASCII_DTOSTR_BUF_SIZE];

    switch (p[len - 1]) {
    case 's':
        append_string(out, va_arg(args->ap, const char *));
        break;
    case 'i':
        g_string_append(out, va_arg(args->ap, int) ? "true" : "false");
        break;
    case 'd':
    case 'u':
        append_number(out, p, len, args);
        break;
    case 'f':
        g_ascii_dtostr(number, sizeof(number), va_arg(args->ap, double));
        g_string_append(out, number);
        break;
    case 'p': {
        QDict *d = va_arg(args->ap, QDict *);
        g_autofree char *text = qdict_to_text(d);

        g_string_append(out, text);
        qobject_unref(d);
        break;
    }
    default:
        g_error("cannot build JSON from '%%%s'", p);
    }
    return p + len;
}

char *qtest_vjsonf(const char *fmt, va_list ap)
{
    GString *out = g_string_new(NULL);
    const char *p = fmt;
    JsonArgs args;

    va_copy(args.ap, ap);
    while (*p) {
        if (*p == '\'' || *p == '"') {
            p = append_quoted(out, p);
        } else if (*p == '%') {
            p = append_value(out, p + 1, &args);
        } else {
            g_string_append_c(out, *p++);
        }
    }
    va_end(args.ap);
    return g_string_free(out, false);
}

char *qdict_to_text(const QDict *d)
{
    g_autoptr(JsonNode) node = NULL;

    if (!d) {
        return g_strdup("(none)");
    }
    node = json_node_init_object(json_node_alloc(), (QDict *)d);
    return json_to_string(node, false);
}

QDict *qdict_from_text(const char *text)
{
    g_autoptr(JsonNode) node = json_from_string(text, NULL);

    return node && JSON_NODE_HOLDS_OBJECT(node)
        ? json_node_dup_object(node) : NULL;
}

QDict *qdict_from_vjsonf_nofail(const char *fmt, va_list ap)
{
    g_autofree char *text = qtest_vjsonf(fmt, ap);
    QDict *d = qdict_from_text(text);

    g_assert_nonnull(d);
    return d;
}

const char *qlist_get_text(const QList *list, unsigned index)
{
    return index < json_array_get_length((QList *)list)
        ? json_array_get_string_element((QList *)list, index) : NULL;
}
