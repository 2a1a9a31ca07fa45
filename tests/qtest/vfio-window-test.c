/*
 * A device's data window disappears during migration
 *
 * Owns: a window that raises SIGBUS, as when a device is unplugged from the
 * host, makes the migration fail with a message and has no other effect,
 * whoever copies the data: the kernel (sockets, commands) or user space (TLS,
 * snapshots, every load). A rule that did not fire fails the case.
 * Does not own: other device failures (vfio-failure-test.c).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "vfio-test.h"

#include <string.h>

#include "snapshot-helpers.h"

#define GONE "dev0;data window went away"

/* ---- the source ---- */

typedef struct Source {
    const char *name;
    const char *fault;
    bool tls;
    bool command;               /* the stream is piped to a command */
} Source;

static const Source sources[] = {
    { "socket/pre-copy", "event=data-size-read;state=pre-copy" },
    { "socket/stop-copy", "event=data-size-read;state=stop-copy;count=2" },
    { "exec/stop-copy", "event=data-size-read;state=stop-copy",
      .command = true },
    { "tls/pre-copy", "event=data-size-read;state=pre-copy", .tls = true },
    { "tls/stop-copy", "event=data-size-read;state=stop-copy;count=2",
      .tls = true },
};

static void begin_to(VFIOPair *pair, const Source *s)
{
    if (s->command) {
        migrate_qmp(pair->src->qts, "exec:cat >/dev/null", "{}");
    } else {
        vfio_pair_begin(pair);
    }
}

static void test_source(const void *opaque)
{
    const Source *s = opaque;
    g_autofree char *rule = g_strconcat(s->fault, ";window=gone", NULL);
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    if (s->tls) {
        vfio_pair_use_tls(pair);
    }
    vfio_side_fault(pair->src, "row", rule);
    if (strstr(s->fault, "pre-copy")) {
        vfio_pair_much_precopy(pair);
    }
    vfio_pair_start(pair);
    if (strstr(s->fault, "pre-copy")) {
        migrate_stay_in_precopy(pair->src->qts);
    }
    begin_to(pair, s);
    vfio_expect_failed(pair->src, GONE);
    vfio_expect_fired(pair->src, "row");
    migrate_let_go(pair->src->qts);
    vfio_pair_retry(pair);
    vfio_pair_free(pair);
}

/* ---- a snapshot ---- */

static void expect_message(VFIOSide *side, const char *answer)
{
    g_autofree char *err = qtest_stderr(side->qts);
    g_autofree char *both = g_strconcat(answer, "\n", err, NULL);

    vfio_expect_text(side, "answer and stderr", both, GONE);
}

static void test_savevm(void)
{
    VFIOSide *side = vfio_side_new("source", SIDE_ATTACHED);
    g_autofree char *answer = NULL;

    snapshot_add_disk(side);
    vfio_side_fault(side, "row",
                    "event=data-size-read;state=stop-copy;window=gone");
    vfio_side_start(side);
    answer = qtest_hmp(side->qts, "savevm one");
    vfio_expect_fired(side, "row");
    expect_message(side, answer);
    migrate_wait_run_state(side->qts, "running");
    vfio_side_expect_state(side, "dev0", "running");
    snapshot_do(side, "savevm");
    snapshot_do(side, "loadvm");
    vfio_side_expect_state(side, "dev0", "running");
    vfio_expect_clean(side);
    vfio_side_free(side);
}

/* loadvm fails; the VM stays stopped, but still exists. */
static void test_loadvm(void)
{
    VFIOSide *side = vfio_side_new("source", SIDE_ATTACHED);
    g_autofree char *answer = NULL;

    snapshot_add_disk(side);
    vfio_side_fault(side, "row", "event=data-offset-read;state=resuming;"
                    "count=2;window=gone");
    vfio_side_start(side);
    snapshot_do(side, "savevm");
    answer = qtest_hmp(side->qts, "loadvm one");
    vfio_expect_fired(side, "row");
    expect_message(side, answer);
    snapshot_do(side, "loadvm");
    vfio_expect_clean(side);
    vfio_side_free(side);
}

/* ---- the destination ---- */

static void test_load(const void *tls)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    if (tls) {
        vfio_pair_use_tls(pair);
    }
    vfio_side_fault(pair->dst, "row",
                    "event=data-offset-read;count=2;window=gone");
    vfio_pair_start(pair);
    vfio_pair_begin(pair);
    vfio_expect_load_failed(pair->dst, GONE);
    vfio_expect_failed(pair->src, "");
    vfio_expect_fired(pair->dst, "row");
    vfio_pair_retry(pair);
    vfio_pair_free(pair);
}

int main(int argc, char **argv)
{
    bool tls = !g_getenv("QTEST_NO_TLS");   /* QEMU is built without TLS */

    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(sources); i++) {
        g_autofree char *name = g_strconcat("vfio/window/", sources[i].name,
                                            NULL);

        if (tls || !sources[i].tls) {
            qtest_add_data_case(name, &sources[i], test_source);
        }
    }
    qtest_add_case("vfio/window/savevm", test_savevm);
    qtest_add_case("vfio/window/loadvm", test_loadvm);
    qtest_add_data_case("vfio/window/load", NULL, test_load);
    if (tls) {
        qtest_add_data_case("vfio/window/load-tls", "tls", test_load);
    }
    return g_test_run();
}
