/*
 * Failures: what a device or its driver does wrong, and what must follow
 *
 * Owns: what reaches the user of each kind of failure of a device of protocol
 * v1, with our code on both sides, and of resets that fail.
 * Does not own: all of the failures (tests/component/test-faults.c), every
 * call that fails (test-nth-call.c), what is done with a row (failure-row.h),
 * wrong streams (component tests), protocol v2 (vfio-v2-fault-test.c).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "failure-row.h"

#define EIO_TEXT "Input/output error"
#define TRAPPED "areas=none"

static const FailureRow source_rows[] = {
    /* States: error, refusal, and a read-back that fails. */
    { "setup-error", "event=state-write;to=pre-copy;device-state=error",
      FAILS, EIO_TEXT, .reset = true },
    { "setup-eio", "event=state-write;to=pre-copy;errno=EIO",
      FAILS, EIO_TEXT },
    { "paused-setup-refused",
      "event=state-write;to=stop-copy;errno=EINVAL;once=no",
      FAILS, "Invalid argument", .paused = true },
    { "stop-error",
      "event=state-write;from=pre-copy;to=stop-copy;device-state=error",
      FAILS, EIO_TEXT, .reset = true },
    { "state-read-eio", "event=state-read;state=pre-copy;errno=EIO;once=no",
      FAILS, EIO_TEXT },
    /* A write that succeeds says enough: nothing is read back. */
    { "state-read-invalid", "event=state-read;state=pre-copy;value=5",
      COMPLETES },
    /* Registers, in pre-copy and with the device stopped. */
    { "pending-eio-precopy", "event=pending-read;state=pre-copy;errno=EIO",
      FAILS, EIO_TEXT },
    { "pending-error-stop",
      "event=pending-read;state=stop-copy;count=2;device-state=error",
      FAILS, EIO_TEXT, .reset = true },
    /* Numbers that no device may give. */
    { "offset-end", "event=data-offset-read;state=stop-copy;value=0x11000",
      FAILS, "0x11000" },
    { "size-zero", "event=data-size-read;state=stop-copy;value=0;once=no",
      FAILS, "" },
    { "size-beyond", "event=data-size-read;state=stop-copy;value=0x10001",
      FAILS, "0x10001" },
    /* Data that is read access by access. */
    { "data-eio", "event=data-read;state=stop-copy;errno=EIO", FAILS,
      EIO_TEXT, TRAPPED },
    { "data-eio-precopy", "event=data-read;state=pre-copy;errno=EIO", FAILS,
      EIO_TEXT, TRAPPED },
    { "data-short", "event=data-read;short=100;once=no", COMPLETES, NULL,
      TRAPPED },
    { "data-refused", "event=data-read;state=stop-copy;errno=EINVAL",
      COMPLETES, NULL, TRAPPED },
    { "map-refused", "event=mmap;state=running;errno=ENOMEM;once=no;count=2",
      COMPLETES },
    /* After the last byte was sent, nothing is lost any more. */
    { "end-error", "event=state-write;from=stop-copy;to=stop;"
      "device-state=error", COMPLETES },
    { "end-refused", "event=state-write;from=stop-copy;to=stop;errno=EIO",
      COMPLETES },
};

static const FailureRow destination_rows[] = {
    { "resume-eio", "event=state-write;to=resuming;errno=EIO",
      LOAD_FAILS, EIO_TEXT },
    /* Another way leads there: by way of stop. */
    { "resume-detour", "event=state-write;from=running;to=resuming;"
      "errno=EINVAL;once=no", COMPLETES },
    { "offset-end", "event=data-offset-read;value=0x11000", LOAD_FAILS,
      "0x11000" },
    { "size-eio", "event=data-size-write;errno=EIO", LOAD_FAILS, EIO_TEXT },
    { "size-refused", "event=data-size-write;count=3;errno=EINVAL",
      LOAD_FAILS, "Invalid argument" },
    { "data-eio", "event=data-write;errno=EIO", LOAD_FAILS, EIO_TEXT,
      TRAPPED },
    { "data-refused", "event=data-write;errno=EINVAL", COMPLETES, NULL,
      TRAPPED },
    { "map-refused", "event=mmap;errno=ENOMEM;once=no;count=2",
      COMPLETES },
    /* A write of PCI_COMMAND, which QEMU's own code only reports. */
    { "config-write-eio",
      "event=config-write;state=resuming;errno=EIO;once=no", LOAD_FAILS,
      "PCI_COMMAND" },
    /* The driver says what it thinks of the state while the load can fail. */
    { "verdict-error",
      "event=state-write;from=resuming;to=stop;device-state=error",
      LOAD_FAILS, "does not accept the state;" EIO_TEXT,
      "accept=100>000" },
    { "verdict-eio", "event=state-write;from=resuming;to=stop;errno=EIO",
      LOAD_FAILS, "does not accept the state;" EIO_TEXT,
      "accept=100>000" },
    /* One that only leaves into running is asked when the VM runs. */
    { "verdict-refused",
      "event=state-write;from=resuming;to=stop;errno=EINVAL;once=no",
      COMPLETES, NULL, "accept=100>000" },
    /* The state was taken, but the device does not go on. */
    { "cont-error", "event=state-write;to=running;device-state=error",
      CONT_FAILS, EIO_TEXT },
    { "cont-eio", "event=state-write;to=running;errno=EIO", CONT_FAILS,
      EIO_TEXT },
    { "cont-refused", "event=state-write;to=running;errno=EINVAL;once=no",
      CONT_FAILS, "Invalid argument" },
};

/*
 * The device is in error and its reset fails too. One that works a second
 * time brings it back; if none does, the VM runs on without the device, and
 * the user knows.
 */
static void test_reset_fails_once(void)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    vfio_side_fault(pair->src, "row",
                    "event=state-write;to=pre-copy;device-state=error");
    vfio_side_fault(pair->src, "no-reset", "event=reset;state=error;"
                    "errno=EBUSY");
    vfio_pair_start(pair);
    vfio_pair_begin(pair);
    vfio_expect_failed(pair->src, "dev0;" EIO_TEXT);
    failure_expect_message(pair->src, "reset");
    vfio_expect_fired(pair->src, "row");
    vfio_expect_fired(pair->src, "no-reset");
    vfio_expect_load_failed(pair->dst, "");
    vfio_pair_retry(pair);
    vfio_pair_free(pair);
}

/* No reset of the function works, but one of the bus brings it back. */
static void test_hot_reset(const void *without)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    vfio_side_fault(pair->src, "row",
                    "event=state-write;to=pre-copy;device-state=error");
    vfio_pair_set(pair, "hot-reset", "alone");
    if (without) {
        vfio_pair_set(pair, "reset", "no");
    } else {
        vfio_side_fault(pair->src, "no-reset", "event=reset;state=error;"
                        "errno=EBUSY;once=no");
    }
    vfio_pair_start(pair);
    vfio_pair_begin(pair);
    vfio_expect_failed(pair->src, "dev0;" EIO_TEXT);
    failure_expect_message(pair->src, "was reset and is in state running");
    vfio_expect_fired(pair->src, "row");
    vfio_expect_load_failed(pair->dst, "");
    vfio_pair_retry(pair);
    vfio_pair_free(pair);
}

static void test_no_reset(const void *without)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    vfio_side_fault(pair->src, "row",
                    "event=state-write;to=pre-copy;device-state=error");
    if (without) {
        vfio_pair_set(pair, "reset", "no");
    } else {
        vfio_side_fault(pair->src, "no-reset", "event=reset;state=error;"
                        "errno=EBUSY;once=no");
    }
    vfio_pair_start(pair);
    vfio_pair_begin(pair);
    vfio_expect_failed(pair->src, "dev0;" EIO_TEXT);
    failure_expect_message(pair->src, "reset");
    vfio_expect_fired(pair->src, "row");
    vfio_expect_load_failed(pair->dst, "");
    migrate_wait_run_state(pair->src->qts, "running");
    vfio_side_expect_state(pair->src, "dev0", "error");

    /* Each try says so again, and QEMU stays well. */
    vfio_pair_next_destination(pair);
    vfio_pair_begin(pair);
    vfio_expect_failed(pair->src, "dev0;error");
    vfio_expect_load_failed(pair->dst, "");
    migrate_wait_run_state(pair->src->qts, "running");
    vfio_side_kill(pair->dst);
    vfio_pair_free(pair);
}

/* QEMU refuses the next migration then, so the user is told how to go on. */
static void test_paused_late(void)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);
    QTestState *qts;

    vfio_side_fault(pair->src, "row", "event=pending-read;state=stop-copy;"
                    "count=2;errno=EIO");
    vfio_pair_start(pair);
    qts = pair->src->qts;
    qtest_qmp_assert_success(qts, "{'execute': 'stop'}");
    pair->src->paused = true;
    vfio_pair_begin(pair);
    vfio_expect_failed(pair->src, "dev0;" EIO_TEXT);
    vfio_expect_failed(pair->src, "QEMU migrates a paused VM only once");
    vfio_expect_fired(pair->src, "row");
    vfio_expect_load_failed(pair->dst, "");
    migrate_wait_run_state(qts, "postmigrate");
    qtest_qmp_assert_success(qts, "{'execute': 'cont'}");
    qtest_qmp_assert_success(qts, "{'execute': 'stop'}");
    vfio_pair_retry(pair);
    vfio_pair_free(pair);
}

/* A call of QEMU's own PCI code, which only reports it: the VM goes on. */
static void test_vectors_refused(void)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);
    g_autofree char *text = NULL;

    vfio_side_fault(pair->dst, "row", "event=set-irqs;state=resuming;"
                    "errno=EIO;once=no");
    vfio_pair_start(pair);
    vfio_pair_begin(pair);
    vfio_pair_finish(pair);
    vfio_expect_fired(pair->dst, "row");
    text = qtest_stderr(pair->dst->qts);
    vfio_expect_text(pair->dst, "stderr", text, "failed to enable vectors");
    qtest_qmp_assert_success(pair->dst->qts, "{'execute': 'cont'}");
    vfio_side_expect_state(pair->dst, "dev0", "running");
    vfio_pair_free(pair);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    failure_add_rows("vfio/failure/source", source_rows,
                     G_N_ELEMENTS(source_rows), false, NULL);
    failure_add_rows("vfio/failure/destination", destination_rows,
                     G_N_ELEMENTS(destination_rows), true, NULL);
    qtest_add_func("vfio/failure/paused-late", test_paused_late);
    qtest_add_func("vfio/failure/destination/vectors-refused",
                   test_vectors_refused);
    qtest_add_func("vfio/failure/reset/fails-once", test_reset_fails_once);
    qtest_add_data_func("vfio/failure/reset/fails", NULL, test_no_reset);
    qtest_add_data_func("vfio/failure/reset/absent", "absent", test_no_reset);
    qtest_add_data_func("vfio/failure/hot-reset/fails", NULL, test_hot_reset);
    qtest_add_data_func("vfio/failure/hot-reset/absent", "absent",
                        test_hot_reset);
    return g_test_run();
}
