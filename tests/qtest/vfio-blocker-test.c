/*
 * What a user is told: why a device cannot migrate, and the progress
 *
 * Owns: each reason for not being migratable as reported by `migrate`,
 * query-migrate, the QOM property and -only-migratable; capabilities that a
 * device does not support; statistics in query-migrate and qom-get; trace
 * events.
 * Does not own: several devices (vfio-lifecycle-test.c).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "vfio-test.h"

#include <string.h>
#include <sys/wait.h>

/* ---- reasons ---- */

typedef struct Reason {
    const char *name;
    const char *words;
    const char *props;
    const char *migration;      /* key of dev0 */
    const char *fault;
    const char *iommu;          /* type of the container */
} Reason;

static const Reason reasons[] = {
    { "property-off", "enable-migration is off", .props =
      ",x-enable-migration=off" },
    { "no-region", "migration region", .migration = "no" },
    { "zero-size", "size 0", .migration = "zero-size" },
    { "region-error", "migration region", .migration = "info-error" },
    { "state-unreadable", "Input/output error", .fault =
      "event=state-read;errno=EIO" },
    { "not-type1", "IOMMU is not of type1", .iommu = "spapr" },
};

static VFIOSide *new_side(const Reason *r)
{
    VFIOSide *side = vfio_side_new("source", SIDE_ATTACHED);

    if (r->props) {
        side->device_props = r->props;
    }
    if (r->migration) {
        vfio_side_set(side, "dev0", "migration", "%s", r->migration);
    }
    if (r->fault) {
        vfio_side_fault(side, "row", r->fault);
    }
    if (r->iommu) {
        vfio_side_container(side, "iommu-type", r->iommu);
    }
    return side;
}

static void test_reason(const void *opaque)
{
    const Reason *r = opaque;
    VFIOSide *side = new_side(r);
    g_autofree char *why = NULL, *listed = NULL;
    QDict *property;

    vfio_side_start(side);
    why = migrate_refused(side->qts, "exec:cat >/dev/null");
    vfio_expect_text(side, "migrate", why, "dev0");
    vfio_expect_text(side, "migrate", why, r->words);
    listed = migrate_blocked_reasons(side->qts);
    vfio_expect_text(side, "blocked-reasons", listed, "dev0");
    vfio_expect_text(side, "blocked-reasons", listed, r->words);
    property = vfio_side_property(side, "dev0");
    vfio_expect_text(side, "vfio-migration",
                     qdict_get_str(property, "blocked-reason"), r->words);
    g_assert_cmpstr(qdict_get_str(property, "protocol"), ==, "none");
    qobject_unref(property);

    /* The reason is removed with the device. */
    vfio_side_unplug(side, 0);
    g_free(listed);
    listed = migrate_blocked_reasons(side->qts);
    g_assert_cmpstr(listed, ==, "");
    vfio_side_free(side);
}

/* A destination reports it at start; only its -incoming matters. */
static void test_incoming(const void *opaque)
{
    const Reason *r = opaque;

    for (int waits = 0; waits <= 1; waits++) {
        VFIOSide *side = new_side(r);
        g_autofree char *errors = NULL;

        side->incoming = waits ? g_strdup("defer") : NULL;
        vfio_side_start(side);
        errors = qtest_stderr(side->qts);
        if (!strstr(errors, "an incoming migration will fail") != !waits ||
            (waits && !strstr(errors, r->words))) {
            vfio_side_fail(side, "waits=%d, and says: %s", waits, errors);
        }
        vfio_side_free(side);
    }
}

static void test_only_migratable(const void *opaque)
{
    const Reason *r = opaque;
    VFIOSide *side = new_side(r);
    g_autofree char *err = NULL;
    int status;

    g_string_append(side->args, " -only-migratable");
    vfio_side_try_start(side);
    if (!qtest_wait_exit(side->qts, 1000, &status)) {
        vfio_side_fail(side, "starts, though its device cannot migrate");
    }
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 1);
    err = qtest_stderr(side->qts);
    vfio_expect_text(side, "stderr", err, "dev0");
    vfio_expect_text(side, "stderr", err, r->words);
    vfio_side_kill(side);
    vfio_side_free(side);
}

/* On hot-plug: the device is refused, the VM runs on. */
static void test_only_migratable_plug(void)
{
    VFIOSide *side = vfio_side_new("source", SIDE_ATTACHED);
    g_autofree char *dir = g_build_filename(side->dir, "dev0", NULL);
    g_autofree char *left = NULL;
    QDict *err;

    g_string_append(side->args, " -only-migratable");
    vfio_side_start(side);
    vfio_side_unplug(side, 0);
    err = qtest_qmp_assert_failure_ref(
        side->qts, "{'execute': 'device_add', 'arguments': {'driver': "
        "'vfio-pci', 'id': 'dev0', 'sysfsdev': %s, 'addr': '4.0', "
        "'x-enable-migration': false}}", dir);
    vfio_expect_text(side, "device_add", qdict_get_str(err, "desc"),
                     "dev0;enable-migration");
    qobject_unref(err);
    /* No blocker is left behind, and the VM can migrate without the device. */
    left = migrate_blocked_reasons(side->qts);
    g_assert_cmpstr(left, ==, "");
    migrate_qmp(side->qts, "exec:cat >/dev/null", "{}");
    wait_for_migration_complete(side->qts);
    vfio_side_free(side);
}

/* ---- capabilities that a v1 device does not support ---- */

static bool try_capability(QTestState *qts, const char *name)
{
    QDict *answer = qtest_qmp(qts, "{'execute': 'migrate-set-capabilities', "
                              "'arguments': {'capabilities': [{'capability': "
                              "%s, 'state': true}]}}", name);
    bool taken = qdict_haskey(answer, "return");

    qobject_unref(answer);
    return taken;
}

static void test_postcopy(void)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    vfio_pair_start(pair);
    migrate_set_capability(pair->src->qts, "postcopy-ram", true);
    vfio_pair_begin(pair);
    vfio_expect_failed(pair->src, "dev0;postcopy");
    migrate_set_capability(pair->src->qts, "postcopy-ram", false);
    vfio_pair_retry(pair);
    vfio_pair_free(pair);
}

static void test_background_snapshot(void)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    vfio_pair_start(pair);
    if (!try_capability(pair->src->qts, "background-snapshot")) {
        qtest_skip("this machine's kernel cannot write-protect memory");
        vfio_pair_free(pair);
        return;
    }
    migrate_qmp(pair->src->qts, "exec:cat >/dev/null", "{}");
    vfio_expect_failed(pair->src, "dev0;background");
    migrate_set_capability(pair->src->qts, "background-snapshot", false);
    vfio_pair_retry(pair);
    vfio_pair_free(pair);
}

/* ---- statistics ---- */

/* `transferred` of query-migrate's member `vfio`, -1 if it is absent. */
static int64_t transferred(VFIOSide *side)
{
    QDict *info = migrate_query(side->qts);
    QDict *vfio = qdict_get_qdict(info, "vfio");
    int64_t bytes = vfio ? qdict_get_int(vfio, "transferred") : -1;

    qobject_unref(info);
    return bytes;
}

static int64_t property_int(VFIOSide *side, const char *key)
{
    QDict *property = vfio_side_property(side, "dev0");
    int64_t value = qdict_get_int(property, key);

    qobject_unref(property);
    return value;
}

static void expect_property(VFIOSide *side, const char *key,
                            const char *value)
{
    QDict *property = vfio_side_property(side, "dev0");

    g_assert_cmpstr(qdict_get_str(property, key), ==, value);
    qobject_unref(property);
}

static void wait_precopy_data(VFIOSide *side)
{
    int64_t end_us = g_get_monotonic_time() + QTEST_WAIT_US;

    while (property_int(side, "chunks") < 2) {
        if (g_get_monotonic_time() > end_us) {
            vfio_side_fail(side, "sends no data of its device");
        }
        g_usleep(2000);
    }
}

/* Present while active and afterwards, restarted from zero. */
static void test_figures(void)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);
    g_autofree char *end = NULL;
    QTestState *qts;

    vfio_pair_much_precopy(pair);
    vfio_pair_start(pair);
    qts = pair->src->qts;
    g_assert_cmpint(transferred(pair->src), ==, -1);
    expect_property(pair->src, "protocol", "v1");
    expect_property(pair->src, "state", "running");
    expect_property(pair->src, "last-error", "");
    expect_property(pair->src, "blocked-reason", "");

    migrate_stay_in_precopy(pair->src->qts);
    vfio_pair_begin(pair);
    wait_precopy_data(pair->src);
    g_assert_cmpint(transferred(pair->src), >, 0);
    g_assert_cmpint(property_int(pair->src, "transferred-bytes"), >, 0);
    g_assert_cmpint(property_int(pair->src, "pending-bytes"), >, 0);
    expect_property(pair->src, "state", "pre-copy");
    migrate_cancel(qts);
    end = migrate_wait_end(qts, QTEST_WAIT_MS);
    g_assert_cmpstr(end, ==, "cancelled");
    vfio_expect_source_well(pair);

    /* The next one counts from zero: at this speed, it sends no data. */
    vfio_pair_next_destination(pair);
    migrate_set_parameter_int(qts, "max-bandwidth", MIGRATE_SLOW);
    vfio_pair_begin(pair);
    wait_for_migration_status(qts, "active", NULL);
    vfio_side_expect_state(pair->src, "dev0", "pre-copy");
    g_assert_cmpint(transferred(pair->src), ==, 0);
    g_assert_cmpint(property_int(pair->src, "transferred-bytes"), ==, 0);
    g_assert_cmpint(property_int(pair->src, "chunks"), ==, 0);
    migrate_let_go(pair->src->qts);
    vfio_pair_finish(pair);
    vfio_pair_check(pair);
    vfio_pair_free(pair);
}

/* The counters match what was sent: bytes, chunks, kind of access. */
static void test_exact_figures(const void *areas)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);
    const char *key = strcmp(areas, "none") ? "mapped-bytes"
                                            : "trapped-bytes";
    int64_t sent;

    vfio_pair_set(pair, "areas", "%s", (const char *)areas);
    vfio_pair_start(pair);
    vfio_pair_migrate(pair);
    sent = vfio_side_status_int(pair->src, "dev0", "saved-bytes");
    g_assert_cmpint(sent, >=, 256 * 1024);
    g_assert_cmpint(transferred(pair->src), ==, sent);
    g_assert_cmpint(property_int(pair->src, "transferred-bytes"), ==, sent);
    g_assert_cmpint(property_int(pair->src, key), ==, sent);
    g_assert_cmpint(property_int(pair->src, "chunks"), ==,
                    vfio_side_status_int(pair->src, "dev0", "saved-chunks"));
    g_assert_cmpint(property_int(pair->src, "pending-bytes"), ==, 0);
    g_assert_cmpint(property_int(pair->dst, key), ==, sent);
    expect_property(pair->dst, "state", "running");
    vfio_pair_free(pair);
}

static void test_last_error(void)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);
    QDict *property;

    vfio_side_fault(pair->src, "row", "event=data-size-read;errno=EIO");
    vfio_pair_start(pair);
    vfio_pair_begin(pair);
    vfio_expect_failed(pair->src, "dev0");
    property = vfio_side_property(pair->src, "dev0");
    vfio_expect_text(pair->src, "last-error",
                     qdict_get_str(property, "last-error"),
                     "dev0;Input/output error");
    qobject_unref(property);
    vfio_pair_retry(pair);
    expect_property(pair->src, "last-error", "");
    vfio_pair_free(pair);
}

/* ---- trace events ---- */

static void test_trace(void)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);
    g_autofree char *from = NULL, *to = NULL;

    g_string_append(pair->src->args, " -trace 'vfio_migration*'");
    g_string_append(pair->dst->args, " -trace 'vfio_*'");
    vfio_pair_start(pair);
    vfio_pair_migrate(pair);
    from = qtest_stderr(pair->src->qts);
    vfio_expect_text(pair->src, "trace", from, "vfio_migration_found  (dev0);"
                     "vfio_migration_transition  (dev0) running -> pre-copy;"
                     "vfio_migration_save_setup  (dev0);"
                     "vfio_migration_save_complete  (dev0);"
                     "vfio_migration_pending  (dev0)");
    to = qtest_stderr(pair->dst->qts);
    vfio_expect_text(pair->dst, "trace", to,
                     "vfio_migration_load_setup  (dev0);"
                     "vfio_migration_load_packet  (dev0);"
                     "vfio_migration_load_config  (dev0);"
                     "-> running");
    /* QEMU's own events still work. */
    vfio_expect_text(pair->dst, "trace", to, "vfio_region_setup");
    vfio_pair_free(pair);
}

static void add_reasons(const char *group, void (*fn)(const void *))
{
    for (unsigned i = 0; i < G_N_ELEMENTS(reasons); i++) {
        g_autofree char *name = g_strdup_printf("vfio/%s/%s", group,
                                                reasons[i].name);

        qtest_add_data_case(name, &reasons[i], fn);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_reasons("blocker", test_reason);
    add_reasons("only-migratable", test_only_migratable);
    add_reasons("incoming", test_incoming);
    qtest_add_case("vfio/only-migratable/plug", test_only_migratable_plug);
    qtest_add_case("vfio/capability/postcopy", test_postcopy);
    qtest_add_case("vfio/capability/background-snapshot",
                   test_background_snapshot);
    qtest_add_case("vfio/figures/life", test_figures);
    qtest_add_data_case("vfio/figures/mapped", "all", test_exact_figures);
    qtest_add_data_case("vfio/figures/trapped", "none", test_exact_figures);
    qtest_add_case("vfio/figures/last-error", test_last_error);
    qtest_add_case("vfio/trace", test_trace);
    return g_test_run();
}
