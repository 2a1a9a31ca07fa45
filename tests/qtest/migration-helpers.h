/*
 * Migrations from a test
 *
 * Owns: starting a migration, waiting for its states, reading what QEMU says
 * of it. Names and meanings are those of tests/qtest/migration-helpers.h of
 * QEMU 7.2 and, where that has none, of later versions; ours are apart.
 * Does not own: what a VFIO device has to do with it (vfio-test.h).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_MIGRATION_HELPERS_H
#define TESTS_QTEST_MIGRATION_HELPERS_H

#include "libqtest.h"

/*
 * migrate_qmp: start a migration to @uri; @fmt holds further arguments of
 * the command ("{}" for none). QEMU must take the command.
 */
void migrate_qmp(QTestState *who, const char *uri, const char *fmt, ...)
    G_GNUC_PRINTF(3, 4);

/* The answer to query-migrate. Caller owns it. */
QDict *migrate_query(QTestState *who);
QDict *migrate_query_not_failed(QTestState *who);

/*
 * wait_for_migration_status: till query-migrate's status is @goal. A status
 * in @ungoals (NULL-terminated, may be NULL: then "failed" is one unless it
 * is the goal) fails the case.
 */
void wait_for_migration_status(QTestState *who, const char *goal,
                               const char **ungoals);
void wait_for_migration_complete(QTestState *who);

void migrate_set_capability(QTestState *who, const char *capability,
                            bool value);
void migrate_set_parameter_int(QTestState *who, const char *parameter,
                               int64_t value);
void migrate_cancel(QTestState *who);
void migrate_continue(QTestState *who, const char *state);

/* ---- ours ---- */

/* Bytes a second that no test machine reaches, and that any VM outruns. */
#define MIGRATE_FAST (INT64_C(1) << 40)
#define MIGRATE_SLOW 4096

/* migrate_status: the status of query-migrate, "none" before the first. */
char *migrate_status(QTestState *who);

/*
 * migrate_wait_end: till the status is completed, failed or cancelled;
 * returns it. NULL if QEMU has not answered or not ended the migration in
 * @timeout_ms; it may be gone then.
 */
char *migrate_wait_end(QTestState *who, int timeout_ms);

/* migrate_poll_end: the same, with @poll_ms between looks; its are 2 ms. */
char *migrate_poll_end(QTestState *who, int timeout_ms, int poll_ms);

/*
 * migrate_expect_load_failed: the QEMU, which messages call @name, ends with
 * status 1 within @timeout_ms, and its stderr holds each of @words.
 */
void migrate_expect_load_failed(QTestState *who, const char *name,
                                int timeout_ms, const char *words);

/* migrate_error: error-desc of query-migrate, "" if there is none. */
char *migrate_error(QTestState *who);

/* migrate_blocked_reasons: one a line, "" if there are none. */
char *migrate_blocked_reasons(QTestState *who);

/* migrate_describe: query-migrate to stderr, for a case that fails. */
void migrate_describe(QTestState *who, const char *name);

/* migrate_refused: try to start a migration; the error's text. */
char *migrate_refused(QTestState *who, const char *uri);

/* migrate_defaults: no limit of speed, events, a limit of 300 ms downtime. */
void migrate_defaults(QTestState *who);

/*
 * migrate_stay_in_precopy: the migration under way, or the next one, does
 * not converge, though it sends data: far less may be left at its end than
 * a device has at any time that gives some in pre-copy. migrate_let_go: it
 * does, as fast as it can.
 */
void migrate_stay_in_precopy(QTestState *who);
void migrate_let_go(QTestState *who);

/*
 * migrate_run_state: status of query-status ("running", "paused",
 * "postmigrate", "inmigrate", ...).
 */
char *migrate_run_state(QTestState *who);

/*
 * migrate_wait_run_state: till it is @state; fails after 5 s.
 * migrate_poll_run_state: after @timeout_ms, with @poll_ms between looks.
 */
void migrate_wait_run_state(QTestState *who, const char *state);
void migrate_poll_run_state(QTestState *who, const char *state,
                            int timeout_ms, int poll_ms);

#endif /* TESTS_QTEST_MIGRATION_HELPERS_H */
