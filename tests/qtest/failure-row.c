/*
 * Failures of devices, one fault rule each
 *
 * Owns: see failure-row.h.
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "failure-row.h"

#include <string.h>

/* Is it about data that is read while the device runs? */
static bool wants_precopy(const FailureRow *row)
{
    return strstr(row->fault, "state=pre-copy")
        && !strstr(row->fault, "event=state-read");
}

static VFIOPair *new_pair(const FailureRow *row)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    if (row->on_dst || row->outcome == LOAD_FAILS) {
        /* So that the source hears of a load that failed at its very end. */
        vfio_pair_return_path(pair);
    }
    if (row->table_keys) {
        vfio_pair_set_keys(pair, row->table_keys);
    }
    if (row->keys) {
        vfio_pair_set_keys(pair, row->keys);
    }
    /* After a reset it leaves the memory alone that is to be compared. */
    vfio_pair_set(pair, "dma-needs-bus-master", "yes");
    vfio_side_fault(row->on_dst ? pair->dst : pair->src, "row", row->fault);
    if (wants_precopy(row)) {
        vfio_pair_much_precopy(pair);
    }
    vfio_pair_start(pair);
    if (wants_precopy(row)) {
        migrate_stay_in_precopy(pair->src->qts);
    }
    if (row->paused) {
        qtest_qmp_assert_success(pair->src->qts, "{'execute': 'stop'}");
        pair->src->paused = true;
        vfio_side_expect_state(pair->src, "dev0", "stop");
    }
    return pair;
}

static void expect_source_as_before(VFIOPair *pair, const FailureRow *row)
{
    vfio_expect_source_well(pair);
    if (row->reset) {
        g_assert_cmpint(vfio_side_status_int(pair->src, "dev0", "resets"),
                        >=, 1);
    }
}

void failure_expect_message(VFIOSide *side, const char *words)
{
    g_autofree char *desc = migrate_error(side->qts);
    g_autofree char *err = qtest_stderr(side->qts);
    g_autofree char *both = g_strconcat(desc, "\n", err, NULL);

    vfio_expect_text(side, "error-desc and stderr", both, words);
}

static void fails_at_source(VFIOPair *pair, const FailureRow *row)
{
    vfio_expect_failed(pair->src, "dev0");
    vfio_expect_failed(pair->src, row->words);
    if (row->reset) {
        failure_expect_message(pair->src, "was reset");
    }
    /* The other side ends by itself, in good order. */
    vfio_expect_load_failed(pair->dst, "");
}

static void fails_at_destination(VFIOPair *pair, const FailureRow *row)
{
    vfio_expect_load_failed(pair->dst, "dev0");
    vfio_expect_load_failed(pair->dst, row->words);
    vfio_expect_failed(pair->src, "");
}

/*
 * A destination that cannot run ends, so that whoever waits for its VM to
 * run sees it; the source can take over again.
 */
static void fails_at_cont(VFIOPair *pair, const FailureRow *row)
{
    vfio_pair_finish(pair);
    g_assert_null(qtest_qmp_timeout(pair->dst->qts, 10000,
                                    "{'execute': 'cont'}"));
    vfio_expect_load_failed(pair->dst, "dev0");
    vfio_expect_load_failed(pair->dst, row->words);
    vfio_expect_load_failed(pair->dst, "Continue it on the source");
    vfio_expect_fired(pair->dst, "row");
    qtest_qmp_assert_success(pair->src->qts, "{'execute': 'cont'}");
}

static void test_row(const void *opaque)
{
    const FailureRow *row = opaque;
    VFIOPair *pair = new_pair(row);

    vfio_pair_begin(pair);
    switch (row->outcome) {
    case COMPLETES:
        if (wants_precopy(row)) {
            vfio_wait_transcript(pair->src, "fault name=row");
            migrate_let_go(pair->src->qts);
        }
        vfio_pair_finish(pair);
        vfio_pair_check(pair);
        vfio_expect_fired(row->on_dst ? pair->dst : pair->src, "row");
        vfio_pair_free(pair);
        return;
    case FAILS:
        fails_at_source(pair, row);
        break;
    case LOAD_FAILS:
        fails_at_destination(pair, row);
        break;
    case CONT_FAILS:
        fails_at_cont(pair, row);
        break;
    }
    if (row->outcome != CONT_FAILS) {
        vfio_expect_fired(row->on_dst ? pair->dst : pair->src, "row");
    }
    expect_source_as_before(pair, row);
    /* A rule that fires again and again has to go before the next try. */
    if (!row->on_dst && strstr(row->fault, "once=no")) {
        vfio_side_kill(pair->dst);
        vfio_pair_free(pair);
        return;
    }
    migrate_let_go(pair->src->qts);
    vfio_pair_retry(pair);
    vfio_pair_free(pair);
}

void failure_add_rows(const char *path, const FailureRow *rows, size_t count,
                      bool on_dst, const char *keys)
{
    for (size_t i = 0; i < count; i++) {
        FailureRow row = rows[i];
        g_autofree char *name = g_strdup_printf("%s/%s", path, row.name);

        row.on_dst = on_dst;
        row.table_keys = keys;
        qtest_add_data_func_full(name, g_memdup2(&row, sizeof(row)),
                                 test_row, g_free);
    }
}
