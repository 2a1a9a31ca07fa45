/*
 * Migrations from a test
 *
 * Owns: starting a migration, waiting for its states, querying it. Names and
 * meanings are those of tests/qtest/migration-helpers.h of QEMU 7.2 or, for
 * functions that it lacks, of later versions; our own follow separately.
 * Does not own: the VFIO part of a migration (vfio-test.h).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_MIGRATION_HELPERS_H
#define TESTS_QTEST_MIGRATION_HELPERS_H

#include "libqtest.h"

/*
 * migrate_qmp: start a migration to @uri; @fmt holds further arguments of the
 * command ("{}" for none). The command must succeed.
 */
void migrate_qmp(QTestState *who, const char *uri, const char *fmt, ...)
    G_GNUC_PRINTF(3, 4);

/*
 * The answer to query-migrate. The second function fails the case if the
 * migration has failed. Caller owns the answer.
 */
QDict *migrate_query(QTestState *who);
QDict *migrate_query_not_failed(QTestState *who);

/*
 * wait_for_migration_status: wait until query-migrate's status is @goal. A
 * status in @ungoals fails the case (NULL-terminated; NULL stands for "failed"
 * and "cancelled", unless they are the goal).
 */
void wait_for_migration_status(QTestState *who, const char *goal,
                               const char **ungoals);
void wait_for_migration_complete(QTestState *who);

/*
 * Set a capability or parameter, cancel the migration, or continue one that
 * is in @state ("pre-switchover"). The command must succeed.
 */
void migrate_set_capability(QTestState *who, const char *capability,
                            bool value);
void migrate_set_parameter_int(QTestState *who, const char *parameter,
                               int64_t value);
void migrate_cancel(QTestState *who);
void migrate_continue(QTestState *who, const char *state);

/* ---- ours ---- */

/* Bytes per second: beyond any test machine, and below what any VM dirties. */
#define MIGRATE_FAST (INT64_C(1) << 40)
#define MIGRATE_SLOW 4096

/* migrate_status: query-migrate's status, "none" before the first migration. */
char *migrate_status(QTestState *who);

/*
 * migrate_wait_end: wait until the status is completed, failed or cancelled,
 * and return it. Returns NULL if QEMU does not answer, or the migration does
 * not end, within @timeout_ms; QEMU may be gone then.
 */
char *migrate_wait_end(QTestState *who, int timeout_ms);

/* migrate_poll_end: the same with a polling interval; the default is 2 ms. */
char *migrate_poll_end(QTestState *who, int timeout_ms, int poll_ms);

/*
 * migrate_expect_load_failed: QEMU (called @name in messages) must exit with
 * status 1 within @timeout_ms, and its stderr must contain each of @words.
 */
void migrate_expect_load_failed(QTestState *who, const char *name,
                                int timeout_ms, const char *words);

/* migrate_error: query-migrate's error-desc, "" if there is none. */
char *migrate_error(QTestState *who);

/* migrate_blocked_reasons: one per line, "" if there are none. */
char *migrate_blocked_reasons(QTestState *who);

/* migrate_describe: print query-migrate to stderr, when a case fails. */
void migrate_describe(QTestState *who, const char *name);

/* migrate_refused: start a migration, which must fail; returns the error. */
char *migrate_refused(QTestState *who, const char *uri);

/* migrate_defaults: unlimited bandwidth, downtime limit of 300 ms. */
void migrate_defaults(QTestState *who);

/*
 * migrate_stay_in_precopy: keep the current or next migration from converging,
 * while it still sends data: its limits allow far less at the end than a device
 * with pre-copy data always has. migrate_let_go: let it converge as fast as it
 * can.
 */
void migrate_stay_in_precopy(QTestState *who);
void migrate_let_go(QTestState *who);

/*
 * migrate_run_state: query-status's status ("running", "paused", "postmigrate",
 * "inmigrate", ...).
 */
char *migrate_run_state(QTestState *who);

/*
 * migrate_wait_run_state: wait for @state, for QTEST_WAIT_MS.
 * migrate_poll_run_state: the same with a timeout and a polling interval.
 */
void migrate_wait_run_state(QTestState *who, const char *state);
void migrate_poll_run_state(QTestState *who, const char *state,
                            int timeout_ms, int poll_ms);

#endif /* TESTS_QTEST_MIGRATION_HELPERS_H */
