/*
 * A test's QEMU: internals for libqtest.c and qtest-io.c
 *
 * Owns: struct QTestState.
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_QTEST_STATE_H
#define TESTS_QTEST_QTEST_STATE_H

#include <stdio.h>

#include "libqtest.h"
#include "qmp.h"
#include "qtest-case.h"

struct QTestState {
    char *name;                 /* from its output file; for messages */
    char *last_command;
    int expected_status;
    Child *child;
    Qmp *qmp;
    FILE *qtest;
};

#endif /* TESTS_QTEST_QTEST_STATE_H */
