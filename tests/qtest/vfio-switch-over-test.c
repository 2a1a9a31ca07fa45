/*
 * When QEMU stops the VM, for devices that need time after that
 *
 * Owns: the expected downtime, and machines without a guest, which send next to
 * nothing, with devices of protocol v2 that deliver all or most of their state
 * only once stopped: QEMU's own limits, limits that are too small, drivers that
 * do not report their size, and what the user is told.
 * Does not own: the calculation (tests/unit/test-migration-estimate.c).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "vfio-test.h"

#include <stdio.h>
#include <string.h>

/* QEMU's own default */
#define MAX_BANDWIDTH   (128 << 20)
/* A warning comes at most a few seconds after RAM has been sent */
#define TOLD_MS         20000

/* Devices of @profile with 9 MB of state, and QEMU's default bandwidth */
static VFIOPair *start_pair(const char *profile, int64_t limit_ms)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    vfio_pair_set(pair, "protocol", "v2");
    vfio_pair_set(pair, "profile", "%s", profile);
    vfio_pair_set(pair, "state-size", "9000000");
    vfio_pair_start(pair);
    migrate_set_parameter_int(pair->src->qts, "max-bandwidth", MAX_BANDWIDTH);
    migrate_set_parameter_int(pair->src->qts, "downtime-limit", limit_ms);
    return pair;
}

static char *last_warning(VFIOSide *side)
{
    QDict *property = vfio_side_property(side, "dev0");
    char *text = g_strdup(qdict_get_str(property, "last-warning"));

    qobject_unref(property);
    return text;
}

/* Wait until a warning suggests a downtime-limit; returns it in ms. */
static int64_t wait_for_limit(VFIOSide *side)
{
    static const char words[] = "set downtime-limit to ";
    int64_t end_us = g_get_monotonic_time() + TOLD_MS * INT64_C(1000);

    while (g_get_monotonic_time() < end_us) {
        g_autofree char *status = migrate_status(side->qts);
        g_autofree char *text = last_warning(side);
        const char *limit = strstr(text, words);

        g_assert_cmpstr(status, !=, "completed");
        if (limit) {
            return g_ascii_strtoll(limit + strlen(words), NULL, 10);
        }
        g_usleep(20000);
    }
    vfio_side_fail(side, "nothing was told within %d ms", TOLD_MS);
    return 0;
}

/* The same, and set it. */
static int64_t wait_and_obey(VFIOSide *side)
{
    int64_t limit_ms = wait_for_limit(side);

    migrate_set_parameter_int(side->qts, "downtime-limit", limit_ms);
    return limit_ms;
}

static void expect_told_once(VFIOSide *side, const char *words)
{
    const char *at = qtest_stderr(side->qts);

    at = strstr(at, words);
    g_assert_nonnull(at);
    g_assert_null(strstr(at + 1, words));
}

/* By QEMU's own estimate from the last 100 ms they would never fit. */
static void test_default_limits(const void *profile)
{
    VFIOPair *pair = start_pair(profile, 300);
    g_autofree char *warning = NULL;

    vfio_pair_begin(pair);
    vfio_pair_finish(pair);
    warning = last_warning(pair->src);
    g_assert_cmpstr(warning, ==, "");
    vfio_pair_check(pair);
    vfio_pair_free(pair);
}

/* Number of the source's dirty page syncs, each of which takes the BQL */
static int64_t nr_syncs(VFIOSide *side)
{
    QDict *info = migrate_query(side->qts);
    int64_t n = qdict_get_int(qdict_get_qdict(info, "ram"),
                              "dirty-sync-count");

    qobject_unref(info);
    return n;
}

/*
 * While a device keeps the VM from being stopped and no RAM is left, the
 * migration must not spin: at most one sync per 5 ms.
 */
static void expect_no_rush(VFIOSide *side)
{
    int64_t begin_us = g_get_monotonic_time();
    int64_t first = nr_syncs(side);

    g_usleep(200000);
    g_assert_cmpint(nr_syncs(side) - first, <=,
                    (g_get_monotonic_time() - begin_us) / 5000 + 2);
}

/* Not stopped, reported once, and the suggested limit is sufficient. */
static void test_too_big(const void *profile)
{
    VFIOPair *pair = start_pair(profile, 10);
    int64_t limit_ms;

    vfio_pair_begin(pair);
    limit_ms = wait_for_limit(pair->src);
    expect_no_rush(pair->src);
    migrate_set_parameter_int(pair->src->qts, "downtime-limit", limit_ms);
    /* 67 ms, a tenth more, 20 ms for QEMU, and some for RAM */
    g_assert_cmpint(limit_ms, >=, 93);
    g_assert_cmpint(limit_ms, <=, 120);
    vfio_pair_finish(pair);
    expect_told_once(pair->src, "dev0: the VM is not stopped");
    vfio_pair_check(pair);
    vfio_pair_free(pair);
}

/* Stopped on a guess, and the user is told so. */
static void test_unknown(void)
{
    VFIOPair *pair = start_pair("mlx5-6.1", 10);
    g_autofree char *warning = NULL;

    vfio_pair_begin(pair);
    vfio_pair_finish(pair);
    warning = last_warning(pair->src);
    vfio_expect_text(pair->src, "last-warning", warning,
                     "does not tell;VFIO_MIGRATION_STOP_SIZE");
    expect_told_once(pair->src, "dev0: its driver does not tell");
    vfio_pair_check(pair);

    /* The destination knows the size from its load. */
    vfio_pair_turn(pair);
    vfio_pair_next_destination(pair);
    migrate_set_parameter_int(pair->src->qts, "downtime-limit", 10);
    migrate_set_parameter_int(pair->src->qts, "max-bandwidth", MAX_BANDWIDTH);
    vfio_pair_begin(pair);
    g_assert_cmpint(wait_and_obey(pair->src), >=, 93);
    vfio_pair_finish(pair);
    vfio_pair_check(pair);
    vfio_pair_free(pair);
}

static void test_size_of_the_user(void)
{
    VFIOPair *pair;

    g_setenv("VFIO_MIGRATION_STOP_SIZE", "18M", true);
    pair = start_pair("mlx5-6.1", 10);
    g_unsetenv("VFIO_MIGRATION_STOP_SIZE");
    vfio_pair_begin(pair);
    /* 141 ms, a tenth more, 20 ms for QEMU, and some for RAM */
    g_assert_cmpint(wait_and_obey(pair->src), >=, 175);
    vfio_pair_finish(pair);
    vfio_pair_check(pair);
    vfio_pair_free(pair);
}

static void test_size_of_the_user_is_none(void)
{
    VFIOPair *pair;

    g_setenv("VFIO_MIGRATION_STOP_SIZE", "much", true);
    pair = start_pair("mlx5-6.1", 10);
    g_unsetenv("VFIO_MIGRATION_STOP_SIZE");
    vfio_pair_begin(pair);
    vfio_pair_finish(pair);
    expect_told_once(pair->src, "VFIO_MIGRATION_STOP_SIZE is 'much', a size");
    expect_told_once(pair->src, "dev0: its driver does not tell");
    vfio_pair_check(pair);
    vfio_pair_free(pair);
}

/* ---- time ---- */

typedef struct TimeRow {
    const char *name;
    const char *keys;           /* of each device */
    unsigned devices;
    unsigned change_ms;         /* delay of each state change */
    int64_t limit_ms;
    bool hopeless;              /* waiting cannot make it fit */
    int64_t least_ms, most_ms;  /* expected; 0: no upper limit */
} TimeRow;

#define SLOW    "protocol=v2;pre-copy=yes;p2p=yes;precopy-size=4M;" \
                "state-size=4M;save-rate=8M"

static const TimeRow time_rows[] = {
    /* 4 MiB at 8 MiB/s; two of them are read in parallel. */
    { "slow", SLOW, 1, 0, 300, true, 450, 900 },
    { "slow-two", SLOW, 2, 0, 300, true, 450, 900 },
    /*
     * Two changes at the source, three at the destination. The slowest one may
     * be counted for all five; on a busy machine there is no limit to that.
     */
    { "changes", "protocol=v2;profile=mlx5-6.2;state-size=9M", 1, 100, 100,
      true, 500, 0 },
    { "fits", SLOW, 1, 50, 20000, false, 550, 0 },
};

static VFIOPair *new_time_pair(const TimeRow *row)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);
    VFIOSide *sides[] = { pair->src, pair->dst };

    for (unsigned i = 0; i < G_N_ELEMENTS(sides); i++) {
        vfio_side_set_keys(sides[i], "dev0", row->keys);
        sides[i]->multi = row->devices > 1;
        for (unsigned d = 1; d < row->devices; d++) {
            vfio_side_add_device(sides[i]);
        }
        vfio_side_set(sides[i], "dev0", "load-rate", "0");
    }
    if (row->change_ms) {
        g_autofree char *rule = g_strdup_printf(
            "event=state-write;once=no;delay-ms=%u", row->change_ms);

        vfio_side_fault(pair->src, "changes", rule);
        vfio_side_fault(pair->dst, "changes", rule);
    }
    g_string_append(pair->src->args, " -trace vfio_migration_downtime");
    return pair;
}

/* dev0's latest values, in ms */
static void read_downtime(VFIOSide *side, int64_t *expected, int64_t *real)
{
    const char *text = qtest_stderr(side->qts);
    const char *at = strstr(text, "vfio_migration_downtime");

    at = at ? strstr(at, "expected ") : NULL;
    if (!at || sscanf(at, "expected %" G_GINT64_FORMAT " ms, was %"
                      G_GINT64_FORMAT " ms", expected, real) != 2) {
        vfio_side_fail(side, "nothing was traced of its downtime");
    }
}

static void test_time(const void *opaque)
{
    const TimeRow *row = opaque;
    VFIOPair *pair = new_time_pair(row);
    int64_t expected, real;
    g_autofree char *warning = NULL;
    QDict *property;

    vfio_pair_start(pair);
    migrate_set_parameter_int(pair->src->qts, "downtime-limit",
                              row->limit_ms);
    vfio_pair_begin(pair);
    vfio_pair_finish(pair);
    read_downtime(pair->src, &expected, &real);
    property = vfio_side_property(pair->src, "dev0");
    g_assert_cmpint(qdict_get_int(property, "expected-downtime-ms"), ==,
                    expected);
    qobject_unref(property);
    g_test_message("%s: expected %" G_GINT64_FORMAT " ms, was %"
                   G_GINT64_FORMAT " ms", row->name, expected, real);
    g_assert_cmpint(expected, >=, row->least_ms);
    g_assert_true(!row->most_ms || expected <= row->most_ms);
    warning = last_warning(pair->src);
    if (row->hopeless) {
        expect_told_once(pair->src, "VM will stand still for about");
    } else {
        g_assert_cmpstr(warning, ==, "");
        g_assert_cmpint(expected, <=, row->limit_ms);
    }
    vfio_pair_check(pair);
    vfio_pair_free(pair);
}

/* ---- the VM runs on ---- */

/*
 * QEMU assumes that the rest of dev0 is sent as fast as dev1's data, of which
 * there is always a lot; but dev0 only delivers 8 MiB/s.
 */
#define HOLDS   "protocol=v2;pre-copy=yes;p2p=yes;initial-bytes=0;" \
                "precopy-size=8M;state-size=1M;save-rate=8M"
#define BUSY    "protocol=v2;pre-copy=yes;p2p=yes;initial-bytes=0;" \
                "precopy-size=4M;precopy-rate=64M;state-size=64K"

static VFIOPair *start_holding(const char *more, int64_t limit_ms)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);
    VFIOSide *sides[] = { pair->src, pair->dst };

    for (unsigned i = 0; i < G_N_ELEMENTS(sides); i++) {
        sides[i]->multi = true;
        vfio_side_add_device(sides[i]);
        vfio_side_set_keys(sides[i], "dev0", HOLDS);
        vfio_side_set_keys(sides[i], "dev0", more);
        vfio_side_set_keys(sides[i], "dev1", BUSY);
        vfio_side_set(sides[i], "dev0", "load-rate", "0");
    }
    vfio_pair_start(pair);
    migrate_set_parameter_int(pair->src->qts, "downtime-limit", limit_ms);
    vfio_pair_begin(pair);
    return pair;
}

/* The rest shrinks until 500 ms are enough for it. */
static void test_until_it_fits(void)
{
    VFIOPair *pair = start_holding("precopy-rate=0", 500);
    g_autofree char *warning = NULL;
    QDict *property;

    vfio_pair_finish(pair);
    property = vfio_side_property(pair->src, "dev0");
    g_assert_cmpint(qdict_get_int(property, "expected-downtime-ms"), <=, 500);
    g_assert_false(qdict_get_bool(property,
                                  "expected-downtime-is-lower-bound"));
    qobject_unref(property);
    warning = last_warning(pair->src);
    g_assert_cmpstr(warning, ==, "");
    vfio_pair_check(pair);
    vfio_pair_free(pair);
}

/* The rest stays, and the VM is not stopped, until the limit is raised. */
static void test_until_it_may(void)
{
    VFIOPair *pair = start_holding("precopy-rate=16M", 500);
    int64_t limit_ms = wait_for_limit(pair->src);

    expect_told_once(pair->src, "dev0: the VM is not stopped, as that would "
                     "take");
    g_assert_cmpint(limit_ms, >=, 1000);
    migrate_set_parameter_int(pair->src->qts, "downtime-limit", 4000);
    migrate_poll_run_state(pair->src->qts, "finish-migrate", 1000, 10);
    vfio_pair_finish(pair);
    vfio_pair_check(pair);
    vfio_pair_free(pair);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_data_case("vfio/switch-over/default-limits/vgpu", "vgpu",
                        test_default_limits);
    qtest_add_data_case("vfio/switch-over/default-limits/mlx5-6.2",
                        "mlx5-6.2", test_default_limits);
    qtest_add_data_case("vfio/switch-over/too-big/vgpu", "vgpu",
                        test_too_big);
    qtest_add_case("vfio/switch-over/unknown", test_unknown);
    qtest_add_case("vfio/switch-over/size-of-the-user",
                   test_size_of_the_user);
    qtest_add_case("vfio/switch-over/size-of-the-user/none",
                   test_size_of_the_user_is_none);
    for (unsigned i = 0; i < G_N_ELEMENTS(time_rows); i++) {
        g_autofree char *path = g_strdup_printf("vfio/switch-over/time/%s",
                                                time_rows[i].name);

        qtest_add_data_case(path, &time_rows[i], test_time);
    }
    qtest_add_case("vfio/switch-over/runs-on/until-it-fits",
                   test_until_it_fits);
    qtest_add_case("vfio/switch-over/runs-on/until-it-may",
                   test_until_it_may);
    return g_test_run();
}
