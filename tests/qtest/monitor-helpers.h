/*
 * One more monitor of a QEMU
 *
 * Owns: a QMP socket beside the harness's own: management software and a
 * user's tool often look at one QEMU at the same time.
 * Does not own: the first one (libqtest.h).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_MONITOR_HELPERS_H
#define TESTS_QTEST_MONITOR_HELPERS_H

#include "libqtest.h"

/* monitor_args: options of the QEMU that gets one at @path. Caller frees. */
char *monitor_args(const char *path);

/*
 * monitor_ask: connect to the monitor at @path, send @command (JSON) and
 * disconnect. Returns its answer, which has 'return' or 'error'; one that
 * does not come within QTEST_ANSWER_SECONDS fails the case.
 */
QDict *monitor_ask(const char *path, const char *command);

#endif /* TESTS_QTEST_MONITOR_HELPERS_H */
