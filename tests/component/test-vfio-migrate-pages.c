/*
 * Manual pages and completion of vfio-migrate, compared with its --help
 *
 * Owns: the check that each command has a page, that each option is in one,
 * that no page describes something that does not exist, and that bash completes
 * all commands and options.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdbool.h>
#include <string.h>
#include <glib.h>

#include "../tools/run.h"

/* Returns the output of a shell command, which must succeed. */
static char *shell(const char *format, ...) G_GNUC_PRINTF(1, 2);

static char *shell(const char *format, ...)
{
    g_autofree char *script = NULL;
    const char *argv[] = { "/bin/bash", "-c", NULL, NULL };
    va_list ap;

    va_start(ap, format);
    script = g_strdup_vprintf(format, ap);
    va_end(ap);
    argv[2] = script;
    return run_output(argv);
}

/* First words of the lines that --help indents below "Commands:" */
static GPtrArray *commands(void)
{
    g_autofree char *help = shell("'%s' --help", TOOL_PROGRAM);
    const char *list = strstr(help, "\nCommands:\n");
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    g_auto(GStrv) lines = NULL;

    g_assert_nonnull(list);
    lines = g_strsplit(list + strlen("\nCommands:\n"), "\n", -1);
    for (unsigned i = 0; lines[i] && g_str_has_prefix(lines[i], "  "); i++) {
        const char *name = lines[i] + 2;

        g_ptr_array_add(names, g_strndup(name, strcspn(name, " ")));
    }
    g_assert_cmpuint(names->len, >=, 7);
    return names;
}

/* A page's text as displayed: with "-" for "\-", and without fonts */
static char *read_page(const char *name)
{
    g_autofree char *path = g_strdup_printf("%s/%s.1", PAGES, name);
    g_autoptr(GRegex) escapes = g_regex_new("\\\\f[BIRP]|\\\\", 0, 0, NULL);
    g_autofree char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        g_error("%s: there is no such page", path);
    }
    return g_regex_replace_literal(escapes, text, -1, 0, "", 0, NULL);
}

static void expect_options(const char *help, const char *page,
                           const char *shared)
{
    g_autoptr(GRegex) option = g_regex_new("--[a-z-]+", 0, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;
    unsigned n = 0;

    for (g_regex_match(option, help, 0, &match); g_match_info_matches(match);
         g_match_info_next(match, NULL)) {
        g_autofree char *name = g_match_info_fetch(match, 0);

        if (!strstr(page, name) && !(shared && strstr(shared, name))) {
            g_error("%s is in --help and in no page", name);
        }
        n++;
    }
    g_assert_cmpuint(n, >, 3);
}

static void test_pages(void)
{
    g_autoptr(GPtrArray) names = commands();
    g_autofree char *front = read_page("vfio-migrate");
    g_autofree char *help = shell("'%s' --help", TOOL_PROGRAM);

    expect_options(help, front, NULL);
    for (unsigned i = 0; i < names->len; i++) {
        const char *name = names->pdata[i];
        g_autofree char *title = g_strconcat("vfio-migrate-", name, NULL);
        g_autofree char *page = read_page(title);
        g_autofree char *own = shell("'%s' %s --help", TOOL_PROGRAM, name);

        g_test_message("%s", name);
        expect_options(own, page, front);
        g_assert_nonnull(strstr(front, title));
        g_assert_nonnull(strstr(page, ".SH EXIT STATUS"));
    }
}

/* No page may have an option that its command does not accept. */
static void test_no_more(void)
{
    g_autoptr(GPtrArray) names = commands();
    g_autoptr(GRegex) option = g_regex_new("^\\.B[IR]?.*--([a-z-]+)",
                                           G_REGEX_MULTILINE, 0, NULL);

    for (unsigned i = 0; i < names->len; i++) {
        const char *name = names->pdata[i];
        g_autofree char *title = g_strconcat("vfio-migrate-", name, NULL);
        g_autofree char *page = read_page(title);
        g_autofree char *help = shell("'%s' %s --help", TOOL_PROGRAM, name);
        const char *options = strstr(page, ".SH OPTIONS");
        g_autoptr(GMatchInfo) match = NULL;

        for (g_regex_match(option, options ?: "", 0, &match);
             g_match_info_matches(match); g_match_info_next(match, NULL)) {
            g_autofree char *word = g_match_info_fetch(match, 1);

            if (!strstr(help, word)) {
                g_error("--%s is in the page of %s, and unknown to it", word,
                        name);
            }
        }
    }
}

static void expect_completed(const char *words, const char *wanted)
{
    g_autofree char *tool_dir = g_path_get_dirname(TOOL_PROGRAM);
    g_autofree char *text = shell(
        "PATH='%s':$PATH; . '%s' && COMP_WORDS=(%s) && "
        "COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) && _vfio_migrate && "
        "echo \" ${COMPREPLY[*]} \"", tool_dir, COMPLETION, words);

    g_test_message("%s: %s", words, text);
    if (!strstr(text, wanted)) {
        g_error("%s completes to '%s' and not '%s'", words, text, wanted);
    }
}

static void test_completion(void)
{
    g_autoptr(GPtrArray) names = commands();

    for (unsigned i = 0; i < names->len; i++) {
        g_autofree char *wanted = g_strdup_printf(" %s ",
                                                  (char *)names->pdata[i]);

        expect_completed("vfio-migrate ''", wanted);
    }
    expect_completed("vfio-migrate comp", " compare ");
    expect_completed("vfio-migrate --json sa", " save ");
    expect_completed("vfio-migrate --v", " --version ");
    expect_completed("vfio-migrate compare --mach", " --machine= ");
    expect_completed("vfio-migrate test --", " --yes ");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vfio-migrate/pages/complete", test_pages);
    g_test_add_func("/vfio-migrate/pages/no-more", test_no_more);
    g_test_add_func("/vfio-migrate/pages/completion", test_completion);
    return g_test_run();
}
