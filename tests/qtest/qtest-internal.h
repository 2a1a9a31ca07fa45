/*
 * What the files of the harness share
 *
 * Owns: calls between qtest-case.c and libqtest.c that no test makes.
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_QTEST_INTERNAL_H
#define TESTS_QTEST_QTEST_INTERNAL_H

#include "libqtest.h"

/* Print qtest_describe() of every QEMU of the case to stderr. */
void qtest_describe_all(void);

/* Kill whatever QEMU is left; returns whether there was one. */
bool qtest_forget_all(void);

#endif /* TESTS_QTEST_QTEST_INTERNAL_H */
