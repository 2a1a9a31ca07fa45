/*
 * Migrations from a test
 *
 * Owns: see migration-helpers.h.
 * Locks: none.
 * Source: names and meanings of QEMU's migration-helpers.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration-helpers.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "qtest-case.h"
#include "qtest-json.h"

#define POLL_MS 2
#define MIGRATION_SECONDS 30

/* Adds the URI to the members of @fmt to form the command's arguments. */
void migrate_qmp(QTestState *who, const char *uri, const char *fmt, ...)
{
    QDict *args;
    va_list ap;

    va_start(ap, fmt);
    args = qdict_from_vjsonf_nofail(fmt, ap);
    va_end(ap);
    qdict_put_str(args, "uri", uri);
    qtest_qmp_assert_success(who, "{'execute': 'migrate', 'arguments': %p}",
                             args);
}

QDict *migrate_query(QTestState *who)
{
    return qtest_qmp_assert_success_ref(who, "{'execute': 'query-migrate'}");
}

QDict *migrate_query_not_failed(QTestState *who)
{
    QDict *info = migrate_query(who);

    if (!g_strcmp0(qdict_get_try_str(info, "status"), "failed")) {
        qtest_fail("migration failed: %s",
                   qdict_get_try_str(info, "error-desc"));
    }
    return info;
}

/* A member of @info, which is freed, or @otherwise. */
static char *take_text(QDict *info, const char *key, const char *otherwise)
{
    const char *text = qdict_get_try_str(info, key);
    char *copy = g_strdup(text ? text : otherwise);

    qobject_unref(info);
    return copy;
}

char *migrate_status(QTestState *who)
{
    return take_text(migrate_query(who), "status", "none");
}

static bool is_ungoal(const char *status, const char *goal,
                      const char **ungoals)
{
    static const char *by_default[] = { "failed", "cancelled", NULL };

    if (!strcmp(status, goal)) {
        return false;
    }
    return g_strv_contains(ungoals ? ungoals : by_default, status);
}

void wait_for_migration_status(QTestState *who, const char *goal,
                               const char **ungoals)
{
    int64_t end_us = g_get_monotonic_time()
        + MIGRATION_SECONDS * G_USEC_PER_SEC;

    while (true) {
        g_autofree char *status = migrate_status(who);

        if (is_ungoal(status, goal, ungoals)) {
            qtest_fail("migration is '%s' on the way to '%s'", status, goal);
        }
        if (!strcmp(status, goal)) {
            return;
        }
        if (g_get_monotonic_time() > end_us) {
            qtest_fail("migration stays '%s', never '%s'", status, goal);
        }
        g_usleep(POLL_MS * 1000);
    }
}

void wait_for_migration_complete(QTestState *who)
{
    wait_for_migration_status(who, "completed", NULL);
}

void migrate_set_capability(QTestState *who, const char *capability,
                            bool value)
{
    qtest_qmp_assert_success(who, "{'execute': 'migrate-set-capabilities', "
                             "'arguments': {'capabilities': [{'capability': "
                             "%s, 'state': %i}]}}", capability, value);
}

void migrate_set_parameter_int(QTestState *who, const char *parameter,
                               int64_t value)
{
    g_autofree char *fmt = g_strdup_printf(
        "{'execute': 'migrate-set-parameters', 'arguments': {'%s': %"
        G_GINT64_FORMAT "}}", parameter, value);

    qtest_qmp_assert_success(who, fmt, NULL);
}

void migrate_cancel(QTestState *who)
{
    qtest_qmp_assert_success(who, "{'execute': 'migrate_cancel'}");
}

void migrate_continue(QTestState *who, const char *state)
{
    qtest_qmp_assert_success(who, "{'execute': 'migrate-continue', "
                             "'arguments': {'state': %s}}", state);
}

char *migrate_poll_end(QTestState *who, int timeout_ms, int poll_ms)
{
    int64_t end_us = g_get_monotonic_time() + timeout_ms * INT64_C(1000);

    while (g_get_monotonic_time() < end_us) {
        QDict *answer = qtest_qmp_timeout(who, timeout_ms,
                                          "{'execute': 'query-migrate'}");
        g_autofree char *status = NULL;

        if (!answer) {
            return NULL;
        }
        status = g_strdup(qdict_get_try_str(qdict_get_qdict(answer, "return"),
                                            "status"));
        qobject_unref(answer);
        if (status && strstr("completed failed cancelled", status)) {
            return g_steal_pointer(&status);
        }
        g_usleep(poll_ms * 1000);
    }
    return NULL;
}

char *migrate_wait_end(QTestState *who, int timeout_ms)
{
    return migrate_poll_end(who, timeout_ms, POLL_MS);
}

void migrate_expect_load_failed(QTestState *who, const char *name,
                                int timeout_ms, const char *words)
{
    g_autofree char *err = NULL;
    int status;

    if (!qtest_wait_exit(who, timeout_ms, &status)) {
        qtest_fail("%s: should have failed to load within %d ms, and still "
                   "runs", name, timeout_ms);
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 1) {
        qtest_fail("%s: should have ended with status 1, not by %s %d",
                   name, WIFEXITED(status) ? "status" : "signal",
                   WIFEXITED(status) ? WEXITSTATUS(status)
                                     : WTERMSIG(status));
    }
    err = qtest_stderr(who);
    qtest_expect_words(name, "stderr", err, words);
}

char *migrate_error(QTestState *who)
{
    return take_text(migrate_query(who), "error-desc", "");
}

char *migrate_blocked_reasons(QTestState *who)
{
    QDict *info = migrate_query(who);
    QList *list = qdict_get_qlist(info, "blocked-reasons");
    GString *text = g_string_new(NULL);
    const char *reason;

    for (unsigned i = 0; list && (reason = qlist_get_text(list, i)); i++) {
        g_string_append_printf(text, "%s%s", i ? "\n" : "", reason);
    }
    qobject_unref(info);
    return g_string_free(text, false);
}

void migrate_describe(QTestState *who, const char *name)
{
    QDict *answer = qtest_qmp_timeout(who, 1000,
                                      "{'execute': 'query-migrate'}");
    g_autofree char *text = qdict_to_text(answer);

    fprintf(stderr, "--- %s: query-migrate: %s\n", name, text);
    qobject_unref(answer);
}

char *migrate_refused(QTestState *who, const char *uri)
{
    return take_text(qtest_qmp_assert_failure_ref(
        who, "{'execute': 'migrate', 'arguments': {'uri': %s}}", uri),
        "desc", "");
}

static void set_pace(QTestState *who, int64_t bytes_a_second,
                     int64_t downtime_ms)
{
    migrate_set_parameter_int(who, "max-bandwidth", bytes_a_second);
    migrate_set_parameter_int(who, "downtime-limit", downtime_ms);
}

void migrate_defaults(QTestState *who)
{
    set_pace(who, MIGRATE_FAST, 300);
}

void migrate_stay_in_precopy(QTestState *who)
{
    set_pace(who, 8 << 20, 1);
}

void migrate_let_go(QTestState *who)
{
    set_pace(who, MIGRATE_FAST, 5000);
}

char *migrate_run_state(QTestState *who)
{
    return take_text(qtest_qmp_assert_success_ref(
        who, "{'execute': 'query-status'}"), "status", "");
}

void migrate_poll_run_state(QTestState *who, const char *state,
                            int timeout_ms, int poll_ms)
{
    int64_t end_us = g_get_monotonic_time() + timeout_ms * INT64_C(1000);

    while (true) {
        g_autofree char *now = migrate_run_state(who);

        if (!strcmp(now, state)) {
            return;
        }
        if (g_get_monotonic_time() > end_us) {
            qtest_fail("the VM is '%s', not '%s'", now, state);
        }
        g_usleep(poll_ms * 1000);
    }
}

void migrate_wait_run_state(QTestState *who, const char *state)
{
    migrate_poll_run_state(who, state, QTEST_WAIT_MS, POLL_MS);
}
