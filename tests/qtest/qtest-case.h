/*
 * Cases that run in processes of their own
 *
 * Owns: adding a case, its directory and time limit, and how it fails.
 * Does not own: QEMU processes (libqtest.h).
 * Locks: none. A case has one thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_QTEST_CASE_H
#define TESTS_QTEST_QTEST_CASE_H

#include <glib.h>

/*
 * As libqtest's qtest_add_func() and so on: names get the architecture before
 * them. The case runs in a child of the program, with a time limit.
 */
void qtest_add_case(const char *str, void (*fn)(void));
void qtest_add_data_case(const char *str, const void *data,
                         void (*fn)(const void *));
void qtest_add_data_case_full(const char *str, void *data,
                              void (*fn)(const void *),
                              GDestroyNotify data_free_func);

/* qtest_skip: the case does not apply here, and why. Then return. */
void qtest_skip(const char *why);

/* qtest_tmpdir: the case's own directory, gone when the case is over. */
const char *qtest_tmpdir(void);

/*
 * qtest_set_case_seconds: time limit of the case that runs, from now on.
 * The default is QTEST_CASE_SECONDS.
 */
#define QTEST_CASE_SECONDS 60
void qtest_set_case_seconds(unsigned seconds);

/*
 * qtest_fail: end the case as failed, with a message; handlers of SIGABRT
 * show what is known of its QEMUs.
 */
G_NORETURN void qtest_fail(const char *fmt, ...) G_GNUC_PRINTF(1, 2);

/*
 * qtest_expect_words: fail the case unless @text, which is @what of @who,
 * holds each of @words (';' between them).
 */
void qtest_expect_words(const char *who, const char *what, const char *text,
                        const char *words);

/* qtest_connect: a socket that is connected to @path, or the case fails. */
int qtest_connect(const char *path);

/*
 * qtest_take_part: which part of a table a program is to run
 *
 * Takes "--part=N/M" (N from 1), where it is the first argument, out of
 * @argv. Sets @part to N - 1 and @parts to M; leaves both alone without it.
 */
void qtest_take_part(int *argc, char **argv, unsigned *part,
                     unsigned *parts);

#endif /* TESTS_QTEST_QTEST_CASE_H */
