/*
 * The harness itself: QEMU without a device
 *
 * Owns: processes, QMP, the qtest socket and a migration between two QEMUs
 * work, before VFIO is tested.
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "libqtest.h"
#include "migration-helpers.h"
#include "qtest-case.h"
#include "qtest-json.h"

#include <string.h>
#include <sys/wait.h>

#define MACHINE "-machine pc -accel tcg -m 16 -nodefaults -vga none "

static void test_json(void)
{
    g_autofree char *text = NULL;
    QDict *d = qdict_from_text("{\"a\": 1}");
    QTestState *s = qtest_initf(MACHINE "-S");
    QDict *answer = qtest_qmp(s, "{'execute': 'qom-get', 'arguments': "
                              "{'path': %s, 'property': '\"%%'}, 'id': [%d, "
                              "%i, %" G_GUINT64_FORMAT ", %p]}", "a'b\"c",
                              -7, 1, UINT64_MAX >> 1, d);
    QDict *error = qdict_get_qdict(answer, "error");

    g_assert_nonnull(error);
    g_assert_nonnull(strstr(qdict_get_str(error, "desc"), "a'b\"c"));
    text = qdict_to_text(answer);
    g_assert_nonnull(strstr(text, "[-7,true,9223372036854775807,{\"a\":1}]"));
    qobject_unref(answer);
    qtest_quit(s);
}

static void test_memory(void)
{
    QTestState *s = qtest_init(MACHINE "-S");
    uint8_t out[200000], in[200000];

    for (size_t i = 0; i < sizeof(out); i++) {
        out[i] = i * 7 + (i >> 8);
    }
    qtest_memwrite(s, 0x100000, out, sizeof(out));
    qtest_memread(s, 0x100000, in, sizeof(in));
    g_assert_cmpmem(in, sizeof(in), out, sizeof(out));
    qtest_writeq(s, 0x200000, UINT64_C(0x1122334455667788));
    g_assert_cmphex(qtest_readl(s, 0x200004), ==, 0x11223344);
    qtest_memset(s, 0x200000, 0xa5, 4096);
    g_assert_cmphex(qtest_readw(s, 0x200ffe), ==, 0xa5a5);
    /* The machine's host bridge is an Intel device. */
    qtest_outl(s, 0xcf8, 0x80000000);
    g_assert_cmphex(qtest_inw(s, 0xcfc), ==, 0x8086);
    qtest_quit(s);
}

static void test_events(void)
{
    QTestState *s = qtest_init(MACHINE "-S");
    g_autofree char *text = NULL;

    qtest_qmp_assert_success(s, "{'execute': 'cont'}");
    migrate_wait_run_state(s, "running");
    qtest_qmp_eventwait(s, "RESUME");
    text = qtest_hmp(s, "info status");
    g_assert_nonnull(strstr(text, "running"));
    qtest_quit(s);
}

/* A QEMU that rejects its arguments shows in its exit status and stderr. */
static void test_bad_start(void)
{
    g_autofree char *output = g_strdup_printf("%s/stderr", qtest_tmpdir());
    QTestState *s = qtest_launch("qemu-system-x86_64",
                                 MACHINE "-device no-such-device", output);
    g_autofree char *err = qtest_stderr(s);
    int status;

    g_assert_true(qtest_wait_exit(s, 1000, &status));
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 1);
    g_assert_nonnull(strstr(err, "no-such-device"));
    qtest_forget(s);
}

static void test_migration(void)
{
    g_autofree char *uri = g_strdup_printf("unix:%s/mig", qtest_tmpdir());
    QTestState *from = qtest_init(MACHINE "-S");
    QTestState *to = qtest_initf(MACHINE "-S -incoming %s", uri);

    qtest_memset(from, 0x100000, 0x5a, 1 << 20);
    migrate_defaults(from);
    migrate_qmp(from, uri, "{}");
    wait_for_migration_complete(from);
    wait_for_migration_complete(to);
    g_assert_cmphex(qtest_readl(to, 0x1ffffc), ==, 0x5a5a5a5a);
    g_assert_cmphex(qtest_readl(to, 0x200000), ==, 0);
    qtest_quit(from);
    qtest_quit(to);
}

static void test_cancel(void)
{
    g_autofree char *uri = g_strdup_printf("unix:%s/mig", qtest_tmpdir());
    QTestState *from = qtest_init(MACHINE "-S");
    QTestState *to = qtest_initf(MACHINE "-S -incoming %s", uri);
    g_autofree char *end = NULL;

    qtest_memset(from, 0x100000, 0x5a, 1 << 20);
    migrate_set_parameter_int(from, "max-bandwidth", MIGRATE_SLOW);
    migrate_qmp(from, uri, "{}");
    wait_for_migration_status(from, "active", NULL);
    migrate_cancel(from);
    end = migrate_wait_end(from, QTEST_WAIT_MS);
    g_assert_cmpstr(end, ==, "cancelled");
    /* The destination exits by itself, with an error. */
    qtest_set_expected_status(to, 1);
    g_assert_true(qtest_wait_exit(to, QTEST_WAIT_MS, NULL));
    qtest_quit(from);
    qtest_quit(to);
}

/* The harness notices that QEMU was killed. */
static void test_kill9(void)
{
    QTestState *s = qtest_init(MACHINE "-S");

    qtest_kill9(s);
    g_assert_false(qtest_probe_child(s));
    g_assert_null(qtest_qmp_timeout(s, 1000, "{'execute': 'query-status'}"));
    qtest_forget(s);
}

/* main() has set them, as a user's shell might. */
static void test_settings(void)
{
    g_assert_null(g_getenv("VFIO_MIGRATION_MULTI"));
    g_assert_null(g_getenv("VFIO_SIM_CONFIG"));
    g_assert_cmpstr(g_getenv("VFIO_MIGRATION_CONF"), ==, "/dev/null");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("VFIO_MIGRATION_MULTI", "allow", true);
    g_setenv("VFIO_SIM_CONFIG", "/nonexistent", true);
    qtest_add_case("harness/settings", test_settings);
    qtest_add_case("harness/json", test_json);
    qtest_add_case("harness/memory", test_memory);
    qtest_add_case("harness/events", test_events);
    qtest_add_case("harness/bad-start", test_bad_start);
    qtest_add_case("harness/migration", test_migration);
    qtest_add_case("harness/cancel", test_cancel);
    qtest_add_case("harness/kill9", test_kill9);
    return g_test_run();
}
