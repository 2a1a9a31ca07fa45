/*
 * Migrations that fail or are stopped, with the kernel's own VFIO
 *
 * Owns: cancel and retry; an error of the driver in each phase; a reset by the
 * guest and removal of the device during the migration.
 * Does not own: all possible errors: vfio-failure-test.c of tests/qtest has
 * these, with the simulated device.
 * Locks: none. Runs in the VM of scripts/vm-testbed, as root.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "kernel-pair.h"

#include <string.h>

#define EIO_TEXT "Input/output error"

typedef enum Outcome {
    FAILS,                      /* at the source */
    LOAD_FAILS,                 /* at the destination */
    CONT_FAILS,                 /* when the destination's VM continues */
    COPES,                      /* it succeeds, and nothing is missing */
} Outcome;

typedef struct Fault {
    const char *name;
    Outcome outcome;
    const char *keys;
} Fault;

static const Fault faults[] = {
    { "pre-copy", FAILS, "event=data-size-read;state=pre-copy;errno=EIO" },
    { "stop-error", FAILS,
      "event=state-write;from=pre-copy;to=stop-copy;device-state=error" },
    { "stop-copy", FAILS,
      "event=data-offset-read;state=stop-copy;errno=EIO" },
    { "stop-copy-data", FAILS,
      "event=data-read;state=stop-copy;errno=EIO" },
    { "resume-data", LOAD_FAILS, "event=data-write;count=2;errno=EIO" },
    { "load", LOAD_FAILS, "event=data-size-write;count=2;errno=EIO" },
    { "cont", CONT_FAILS,
      "event=state-write;to=running;device-state=error" },
    { "v2-stop", FAILS, "event=state-write;to=stop;errno=EIO" },
    { "v2-data-fd", FAILS, "event=data-fd;errno=EIO" },
    { "v2-log-report", COPES, "event=log-report;count=2;errno=EIO" },
    { "v2-write", LOAD_FAILS, "event=data-write;errno=EIO" },
    { "v2-verdict", LOAD_FAILS,
      "event=state-write;from=resuming;errno=EIO" },
};

/* ---- an error of the driver in each phase ---- */

static void expect_failure(VFIOPair *pair, Outcome outcome)
{
    VFIOSide *side = outcome == FAILS ? pair->src : pair->dst;
    KernelDevice *dev = kernel_device(side, 0);
    /* As in QEMU, the message names the device by its UUID. */
    g_autofree char *words = g_strconcat(dev->name, ";" EIO_TEXT, NULL);
    if (outcome == FAILS) {
        vfio_expect_failed(pair->src, words);
        vfio_expect_load_failed(pair->dst, "");
        return;
    }
    if (outcome == LOAD_FAILS) {
        vfio_expect_load_failed(pair->dst, words);
        vfio_expect_failed(pair->src, "");
        return;
    }
    vfio_pair_finish(pair);
    /* A destination that cannot run exits. */
    g_assert_null(qtest_qmp_timeout(pair->dst->qts, 10000,
                                    "{'execute': 'cont'}"));
    vfio_expect_load_failed(pair->dst, words);
    /* The source still has the whole VM. */
    qtest_qmp_assert_success(pair->src->qts, "{'execute': 'cont'}");
}

static void test_fault(VFIOPair *pair, const void *opaque)
{
    const Fault *f = opaque;
    bool at_source = f->outcome == FAILS || f->outcome == COPES;
    VFIOSide *side = at_source ? pair->src : pair->dst;

    vfio_side_fault(side, "row", f->keys);
    if (strstr(f->keys, "data-read") || strstr(f->keys, "data-write")) {
        kernel_pair_set(pair, "areas", "none");
    }
    if (f->outcome == LOAD_FAILS) {
        /* Needed to notify the source of a load that fails at its end. */
        vfio_pair_return_path(pair);
    }
    if (strstr(f->keys, "state=pre-copy")) {
        kernel_pair_much_precopy(pair);
    }
    vfio_pair_start(pair);
    if (strstr(f->keys, "state=pre-copy")) {
        migrate_stay_in_precopy(pair->src->qts);
    }
    vfio_pair_begin(pair);
    if (f->outcome == COPES) {
        vfio_pair_finish(pair);
        vfio_expect_fired(side, "row");
        kernel_pair_check(pair);
        return;
    }
    expect_failure(pair, f->outcome);
    vfio_expect_fired(side, "row");
    if (f->outcome == FAILS && strstr(f->keys, "device-state=error")) {
        /* The device was reset: the guest must set it up again. */
        g_assert_cmpint(vfio_side_status_int(pair->src, "dev0", "resets"), >,
                        0);
        vfio_side_program(pair->src);
    }
    kernel_pair_retry(pair);
}

/* ---- stopped, reset, removed during the migration ---- */

static void start_precopy(VFIOPair *pair)
{
    kernel_pair_much_precopy(pair);
    vfio_pair_start(pair);
    migrate_stay_in_precopy(pair->src->qts);
    vfio_pair_begin(pair);
    kernel_pair_in_precopy(pair);
}

static void cancel(VFIOPair *pair)
{
    migrate_cancel(pair->src->qts);
    vfio_expect_end(pair->src, "cancelled");
    vfio_expect_load_failed(pair->dst, "");
}

static void test_cancel(VFIOPair *pair, const void *opaque)
{
    start_precopy(pair);
    cancel(pair);
    kernel_pair_retry(pair);
}

/* Cancel once the device has stopped, before data is sent: back to running. */
static void test_cancel_at_switchover(VFIOPair *pair, const void *opaque)
{
    vfio_pair_start(pair);
    migrate_set_capability(pair->src->qts, "pause-before-switchover", true);
    vfio_pair_begin(pair);
    wait_for_migration_status(pair->src->qts, "pre-switchover", NULL);
    vfio_side_expect_state(pair->src, "dev0", "stop-copy");
    cancel(pair);
    migrate_set_capability(pair->src->qts, "pause-before-switchover", false);
    kernel_pair_retry(pair);
}

/*
 * The guest resets itself, and so the device, in pre-copy. The device runs
 * again, and the state after the reset is migrated.
 */
static void test_reset(VFIOPair *pair, const void *v2)
{
    KernelDevice *dev = kernel_device(pair->src, 0);
    g_autofree char *end = NULL;

    if (v2) {
        /* There is no data in pre-copy: DMA prolongs it after the reset. */
        kernel_pair_set(pair, "dma-rate", "32M");
        kernel_pair_set(pair, "dma-start", "0xa00000");
        kernel_pair_set(pair, "dma-size", "1M");
    }
    start_precopy(pair);
    qtest_qmp_assert_success(pair->src->qts, "{'execute': 'system_reset'}");
    qtest_qmp_eventwait(pair->src->qts, "RESET");
    g_assert_cmpint(vfio_side_status_int(pair->src, "dev0", "resets"), >, 0);
    vfio_side_program(pair->src);
    migrate_let_go(pair->src->qts);
    end = migrate_poll_end(pair->src->qts, KERNEL_END_MS, KERNEL_POLL_MS);
    if (!g_strcmp0(end, "completed")) {
        vfio_pair_finish(pair);
        kernel_pair_check(pair);
    } else {
        /* A state that was lost must not be reported as migrated. */
        vfio_expect_failed(pair->src, dev->name);
        vfio_expect_load_failed(pair->dst, "");
        vfio_side_program(pair->src);
        kernel_pair_retry(pair);
    }
}

/*
 * The administrator removes the device in pre-copy. The kernel asks QEMU to
 * release it, and waits. QEMU 7.2 does not unplug devices during a migration:
 * it continues, and the removal completes when the source exits.
 */
static void test_remove(VFIOPair *pair, const void *opaque)
{
    pid_t remover;

    start_precopy(pair);
    remover = kernel_device_remove(kernel_device(pair->src, 0));
    g_assert_false(kernel_device_removed(remover, 1000));
    migrate_let_go(pair->src->qts);
    vfio_pair_finish(pair);
    kernel_pair_check(pair);
    g_assert_false(kernel_device_removed(remover, 100));
    vfio_side_quit(pair->src);
    g_assert_true(kernel_device_removed(remover, 10000));
}

/*
 * The same, but the migration is cancelled: the kernel asks again (after at
 * most 10 s), the guest releases the device, and the VM continues without it.
 */
static void test_remove_and_cancel(VFIOPair *pair, const void *opaque)
{
    pid_t remover;
    int64_t end_us;

    start_precopy(pair);
    remover = kernel_device_remove(kernel_device(pair->src, 0));
    g_assert_false(kernel_device_removed(remover, 1000));
    cancel(pair);
    end_us = g_get_monotonic_time() + 30 * G_USEC_PER_SEC;
    while (!kernel_device_removed(remover, 500)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end_us);
        machine_eject(pair->src->qts, MACHINE_FIRST_SLOT);
    }
    qtest_qmp_eventwait(pair->src->qts, "DEVICE_DELETED");
    vfio_side_expect_run_state(pair->src, "running");
    vfio_side_kill(pair->dst);
}

/* After a QEMU is killed during a migration, its devices can be reused. */
static void test_kill(VFIOPair *pair, const void *opaque)
{
    pid_t remover;

    start_precopy(pair);
    vfio_side_kill(pair->src);
    vfio_expect_load_failed(pair->dst, "");
    vfio_side_kill(pair->dst);
    remover = kernel_device_remove(kernel_device(pair->src, 0));
    g_assert_true(kernel_device_removed(remover, 5000));
}

int main(int argc, char **argv)
{
    static const KernelCase cases[] = {
        { "cancel/pre-copy", test_cancel },
        { "cancel/switchover", test_cancel_at_switchover },
        { "reset/pre-copy", test_reset },
        { "cancel/v2", test_cancel, .v2 = true },
        { "cancel/v2-switchover", test_cancel_at_switchover, .v2 = true },
        { "reset/v2", test_reset, "v2", .v2 = true },
        { "remove/mdev", test_remove },
        { "remove/pci", test_remove, .pci = true },
        { "remove/and-cancel", test_remove_and_cancel },
        { "kill/source", test_kill },
    };

    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(faults); i++) {
        g_autofree char *name = g_strconcat("fault/", faults[i].name, NULL);
        KernelCase c = {
            name, test_fault, &faults[i],
            .v2 = g_str_has_prefix(faults[i].name, "v2-"),
        };

        kernel_add_case(&c);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        kernel_add_case(&cases[i]);
    }
    return g_test_run();
}
