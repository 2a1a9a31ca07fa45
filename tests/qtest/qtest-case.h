/*
 * Test cases that run in processes of their own
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
 * Like libqtest's qtest_add_func() etc.: the architecture is prepended to the
 * name. The case runs in a child process, with a time limit.
 */
void qtest_add_case(const char *str, void (*fn)(void));
void qtest_add_data_case(const char *str, const void *data,
                         void (*fn)(const void *));
void qtest_add_data_case_full(const char *str, void *data,
                              void (*fn)(const void *),
                              GDestroyNotify data_free_func);

/* qtest_skip: skip the case because of @why. The case must return then. */
void qtest_skip(const char *why);

/* qtest_tmpdir: the case's own directory, removed when the case is over. */
const char *qtest_tmpdir(void);

/*
 * qtest_set_case_seconds: change the time limit of the running case, which is
 * counted from its start. The default is QTEST_CASE_SECONDS.
 */
#define QTEST_CASE_SECONDS 120
void qtest_set_case_seconds(unsigned seconds);

/*
 * How long a test waits for what must happen soon. That takes milliseconds, on
 * a machine at a load of 30 up to 10 s.
 */
#define QTEST_WAIT_MS 20000
#define QTEST_WAIT_US (QTEST_WAIT_MS * INT64_C(1000))

/*
 * qtest_fail: fail the case with a message; SIGABRT handlers print the state of
 * its QEMUs.
 */
G_NORETURN void qtest_fail(const char *fmt, ...) G_GNUC_PRINTF(1, 2);

/*
 * qtest_expect_words: fail the case unless @text, the @what of @who, contains
 * each of @words (separated by ';').
 */
void qtest_expect_words(const char *who, const char *what, const char *text,
                        const char *words);

/* qtest_connect: a socket connected to @path; fails the case on error. */
int qtest_connect(const char *path);

/*
 * qtest_take_part: which part of its table the program is to run
 *
 * If the first argument is "--part=N/M" (N from 1), remove it from @argv and
 * set @part to N - 1 and @parts to M; otherwise leave both alone.
 */
void qtest_take_part(int *argc, char **argv, unsigned *part,
                     unsigned *parts);

#endif /* TESTS_QTEST_QTEST_CASE_H */
