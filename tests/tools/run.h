/*
 * Programs that a test runs to their end
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_TOOLS_RUN_H
#define TESTS_TOOLS_RUN_H

#include <glib.h>

typedef struct Outcome {
    int status;               /* of its exit */
    char *output;
    char *errors;             /* what went to stderr */
} Outcome;

void outcome_clear(Outcome *o);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Outcome, outcome_clear)

/*
 * run_program: run @argv, whose program is looked for in PATH
 *
 * @dir: its working directory; NULL: this one's
 * @env: its whole environment; NULL: as here
 *
 * One that cannot be run, or that a signal ended, fails the test.
 */
Outcome run_program(const char *dir, char **env, const char *const *argv);

/* run_output: what @argv, which must exit with 0, prints. Caller frees. */
char *run_output(const char *const *argv);

#endif /* TESTS_TOOLS_RUN_H */
