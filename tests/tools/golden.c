/*
 * Texts that are held against files
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdbool.h>
#include <string.h>
#include <glib.h>
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

/* ---- JSON in fewer lines ---- */

static unsigned indent_of(const char *line)
{
    return strspn(line, " ");
}

static bool opens(const char *line)
{
    return g_str_has_suffix(line, "{") || g_str_has_suffix(line, "[");
}

static bool closes(const char *line)
{
    char first = line[indent_of(line)];

    return first == '}' || first == ']';
}

/*
 * The object or array that begins at lines[*at] as one line, and *at is its
 * last one. NULL if none begins there, or if it does not fit.
 */
static char *joined(char **lines, unsigned *at)
{
    g_autoptr(GString) text = g_string_new(lines[*at]);
    unsigned indent = indent_of(lines[*at]), end = *at;

    if (!opens(lines[*at])) {
        return NULL;
    }
    do {
        if (!lines[++end]) {
            return NULL;
        }
        g_string_append_printf(text, " %s", lines[end] +
                               indent_of(lines[end]));
        if (text->len > FOLD_COLUMNS) {
            return NULL;
        }
    } while (indent_of(lines[end]) != indent || !closes(lines[end]));
    *at = end;
    return g_strdup(text->str);
}

/* @line, behind the last one of @out if it may stand there and fits */
static void put_line(GString *out, bool may_join, const char *line)
{
    const char *last = strrchr(out->str, '\n');
    size_t length = strlen(last ? last + 1 : out->str);
    unsigned indent = indent_of(line);

    if (may_join && length + 1 + strlen(line) - indent <= FOLD_COLUMNS) {
        g_string_append_printf(out, " %s", line + indent);
    } else {
        g_string_append_printf(out, "%s%s", out->len ? "\n" : "", line);
    }
}

char *golden_fold(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autoptr(GString) out = g_string_new(NULL);
    bool in_json = false, after_member = false;

    for (unsigned i = 0; lines[i]; i++) {
        bool was_json = in_json;
        g_autofree char *one = NULL;
        bool member;

        in_json = in_json ? strcmp(lines[i], "}") : !strcmp(lines[i], "{");
        one = was_json && in_json ? joined(lines, &i) : NULL;
        member = was_json && in_json &&
                 (one || (!opens(lines[i]) && !closes(lines[i])));
        put_line(out, member && after_member, one ? one : lines[i]);
        after_member = member;
    }
    return g_strdup(out->str);
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
