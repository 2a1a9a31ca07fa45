/*
 * Texts that are held against files
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include <glib.h>
#include "golden.h"

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
