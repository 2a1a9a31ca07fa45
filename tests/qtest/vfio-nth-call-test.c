/*
 * Fail the n-th call to the device, for every n
 *
 * Owns: for n = 1, 2, ... until the migration no longer gets that far: the
 * n-th call that QEMU makes on the device in a migration fails, at the
 * source or at the destination. Then nobody aborts or hangs, nothing
 * arrives wrong, the VM goes on where it was, and the next migration
 * succeeds.
 * Does not own: what each failure must say (vfio-failure-test.c).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "vfio-test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* Each n starts three or four QEMUs. */
#define CASE_SECONDS 400
#define MAX_CALLS 400

typedef struct Case {
    const char *name;
    const char *areas;
    const char *action;         /* of the fault rule */
    bool at_destination;
    unsigned step;              /* of n */
} Case;

static const Case cases[] = {
    { "source/mapped", "all", "errno=EIO", false, 1 },
    { "source/trapped", "none", "errno=EIO", false, 1 },
    { "source/error-state", "none", "device-state=error", false, 3 },
    { "destination/mapped", "all", "errno=EIO", true, 1 },
    { "destination/trapped", "none", "errno=EIO", true, 1 },
    { "destination/error-state", "none", "device-state=error", true, 3 },
};

/* Few calls, but several of each kind and of each phase. */
static VFIOPair *new_pair(const Case *c, unsigned n)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);
    g_autofree char *fault = g_strdup_printf(
        "event=any-call;phase=migration;count=%u;%s", n, c->action);

    vfio_pair_set(pair, "areas", "%s", c->areas);
    vfio_pair_set(pair, "window-size", "4K");
    vfio_pair_set(pair, "chunk-size", "2K");
    vfio_pair_set(pair, "state-size", "10K");
    vfio_pair_set(pair, "precopy-size", "2K");
    /* After a reset it leaves the memory alone that is to be compared. */
    vfio_pair_set(pair, "dma-needs-bus-master", "yes");
    vfio_side_fault(c->at_destination ? pair->dst : pair->src, "nth", fault);
    vfio_pair_start(pair);
    return pair;
}

/* Whether the destination holds the migrated VM, or has ended. */
static bool destination_has_vm(VFIOPair *pair)
{
    g_autofree char *end = NULL;
    int status;

    if (!qtest_probe_child(pair->dst->qts)) {
        goto ended;
    }
    end = migrate_wait_end(pair->dst->qts, FAIL_MS);
    if (!g_strcmp0(end, "completed")) {
        return true;
    }
ended:
    if (!qtest_wait_exit(pair->dst->qts, FAIL_MS, &status)) {
        vfio_side_fail(pair->dst, "neither loaded the VM nor ended");
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 1) {
        vfio_side_fail(pair->dst, "did not end in good order");
    }
    return false;
}

/* What failed was a call of QEMU's own PCI code, which only reports it. */
static bool is_pci_call(VFIOSide *side)
{
    g_autofree char *transcript = vfio_side_transcript(side);

    return strstr(transcript, "fault name=nth event=config-read")
        || strstr(transcript, "fault name=nth event=set-irqs");
}

static void expect_named(VFIOSide *side)
{
    g_autofree char *err = qtest_stderr(side->qts);

    if (!is_pci_call(side)) {
        vfio_expect_text(side, "stderr", err, "dev0");
    }
}

/* The destination's VM could not go on: the source's can. */
static void back_to_source(VFIOPair *pair)
{
    expect_named(pair->dst);
    vfio_expect_load_failed(pair->dst, "Continue it on the source");
    qtest_qmp_assert_success(pair->src->qts, "{'execute': 'cont'}");
    vfio_pair_retry(pair);
}

/* Lets the destination's VM go on; false if its device does not. */
static bool destination_runs(VFIOPair *pair)
{
    QTestState *qts = pair->dst->qts;
    QDict *answer = qtest_qmp_timeout(qts, 10000, "{'execute': 'cont'}");

    if (!answer) {
        return false;       /* it has ended */
    }
    qobject_unref(answer);
    while (true) {
        g_autofree char *state = migrate_run_state(qts);
        g_autofree char *device = vfio_side_status_str(pair->dst, "dev0",
                                                       "state");

        if (!strcmp(state, "running") && !strcmp(device, "running")) {
            return true;
        }
        g_usleep(2000);
    }
}

static void check_arrived(VFIOPair *pair, bool at_destination)
{
    if (vfio_ram_differs(pair) >= 0) {
        vfio_side_fail(pair->dst, "guest memory differs");
    }
    if (!destination_runs(pair)) {
        back_to_source(pair);
        return;
    }
    if (at_destination && is_pci_call(pair->dst)) {
        expect_named(pair->dst);
        return;
    }
    vfio_pair_check_running(pair);
}

/* Returns whether the rule has fired: else a migration has fewer calls. */
static bool one_n(const Case *c, unsigned n)
{
    VFIOPair *pair = new_pair(c, n);
    g_autofree char *end = NULL;
    bool fired;

    vfio_pair_begin(pair);
    end = migrate_wait_end(pair->src->qts, FAIL_MS);
    if (!end) {
        vfio_side_fail(pair->src, "the migration does not end");
    }
    if (!strcmp(end, "completed") && destination_has_vm(pair)) {
        check_arrived(pair, c->at_destination);
    } else {
        VFIOSide *failing = c->at_destination ? pair->dst : pair->src;

        if (destination_has_vm(pair)) {
            vfio_side_fail(pair->src, "failed, but the destination has all");
        }
        expect_named(failing);
        vfio_pair_retry(pair);
    }
    fired = c->at_destination ? pair->number > 0 || vfio_side_fired(pair->dst,
                                                                  "nth")
                              : vfio_side_fired(pair->src, "nth");
    vfio_pair_free(pair);
    return fired;
}

static void test_nth(const void *opaque)
{
    const Case *c = opaque;
    unsigned n = 1;

    qtest_set_case_seconds(CASE_SECONDS);
    for (; n < MAX_CALLS; n += c->step) {
        g_test_message("%s: n = %u", c->name, n);
        if (!one_n(c, n)) {
            break;
        }
    }
    g_test_message("%s: a migration has less than %u calls", c->name, n);
    g_assert_cmpuint(n, <, MAX_CALLS);
    g_assert_cmpuint(n, >, 10);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *name = g_strconcat("vfio/nth-call/", cases[i].name,
                                            NULL);

        qtest_add_data_func(name, &cases[i], test_nth);
    }
    return g_test_run();
}
