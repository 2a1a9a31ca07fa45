/*
 * A second monitor of a QEMU
 *
 * Owns: a QMP socket besides the harness's own: management software and a
 * user's tool often watch one QEMU at the same time.
 * Does not own: the first monitor (libqtest.h).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_MONITOR_HELPERS_H
#define TESTS_QTEST_MONITOR_HELPERS_H

#include "libqtest.h"

/* monitor_args: QEMU options for a second monitor at @path. Caller frees. */
char *monitor_args(const char *path);

/*
 * monitor_ask: connect to the monitor at @path, send @command (JSON) and
 * disconnect. Returns the answer, which has 'return' or 'error'; the case fails
 * if there is none within QTEST_ANSWER_SECONDS.
 */
QDict *monitor_ask(const char *path, const char *command);

#endif /* TESTS_QTEST_MONITOR_HELPERS_H */
