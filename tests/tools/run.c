/*
 * Programs that a test runs to their end
 *
 * Owns: see run.h. No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "run.h"

#include <sys/wait.h>

void outcome_clear(Outcome *o)
{
    g_free(o->output);
    g_free(o->errors);
}

Outcome run_program(const char *dir, char **env, const char *const *argv)
{
    g_autoptr(GError) error = NULL;
    Outcome o = { 0 };
    int status;

    if (!g_spawn_sync(dir, (char **)argv, env, G_SPAWN_SEARCH_PATH, NULL,
                      NULL, &o.output, &o.errors, &status, &error)) {
        g_error("%s: %s", argv[0], error->message);
    }
    if (!WIFEXITED(status)) {
        g_error("%s was ended by signal %d:\n%s%s", argv[0], WTERMSIG(status),
                o.output, o.errors);
    }
    o.status = WEXITSTATUS(status);
    return o;
}

char *run_output(const char *const *argv)
{
    g_auto(Outcome) o = run_program(NULL, NULL, argv);

    if (o.status) {
        g_error("%s exited with %d:\n%s%s", argv[0], o.status, o.output,
                o.errors);
    }
    return g_steal_pointer(&o.output);
}
