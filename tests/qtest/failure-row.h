/*
 * Failures of devices, one fault rule each
 *
 * Owns: what is done with a row of a table of failures, with our code on
 * both sides. Where the row says that the migration fails, it must do so in
 * FAIL_MS with the device's name and the real error, the VM must run on with
 * its device as before, and the next migration must succeed. A rule that did
 * not fire fails the row.
 * Does not own: the tables (vfio-failure-test.c, vfio-v2-fault-test.c).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_FAILURE_ROW_H
#define TESTS_QTEST_FAILURE_ROW_H

#include "vfio-test.h"

typedef enum FailureOutcome {
    COMPLETES,                  /* nothing is lost */
    FAILS,                      /* at the source */
    LOAD_FAILS,                 /* at the destination */
    CONT_FAILS,                 /* when the destination's VM goes on */
} FailureOutcome;

typedef struct FailureRow {
    const char *name;
    const char *fault;
    FailureOutcome outcome;
    const char *words;          /* of the error message, besides dev0 */
    const char *keys;           /* of dev0, on both sides */
    bool reset;                 /* the device had to be reset, message says */
    bool paused;                /* the source's VM does not run */
    /* ---- failure_add_rows() sets these ---- */
    bool on_dst;                /* the rule stands at the destination */
    const char *table_keys;     /* as keys, which win over them; or NULL */
} FailureRow;

/*
 * failure_add_rows: a case for each row of a table
 *
 * @path: the cases are "PATH/NAME"
 * @on_dst: the rules stand at the destination
 * @keys: of dev0 in each row, on both sides, or NULL
 */
void failure_add_rows(const char *path, const FailureRow *rows, size_t count,
                      bool on_dst, const char *keys);

/* failure_expect_message: error-desc or, what came first, stderr holds it. */
void failure_expect_message(VFIOSide *side, const char *words);

#endif /* TESTS_QTEST_FAILURE_ROW_H */
