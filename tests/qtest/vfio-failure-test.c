/*
 * Failures: what a device or its driver does wrong, and what must follow
 *
 * Owns: the table of failures of a device of protocol v1, with our code on
 * both sides, and of resets that fail.
 * Does not own: what is done with a row (failure-row.h), streams that are cut
 * or wrong (vfio-stream-test.c), failing every single call (component tests),
 * protocol v2 (vfio-v2-fault-test.c).
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
    { "setup-refused", "event=state-write;to=pre-copy;errno=EINVAL",
      FAILS, "Invalid argument" },
    { "setup-busy", "event=state-write;to=pre-copy;errno=EBUSY",
      FAILS, "Device or resource busy" },
    { "paused-setup-error",
      "event=state-write;to=stop-copy;device-state=error",
      FAILS, EIO_TEXT, .reset = true, .paused = true },
    { "paused-setup-refused",
      "event=state-write;to=stop-copy;errno=EINVAL;once=no",
      FAILS, "Invalid argument", .paused = true },
    { "stop-error",
      "event=state-write;from=pre-copy;to=stop-copy;device-state=error",
      FAILS, EIO_TEXT, .reset = true },
    { "stop-eio", "event=state-write;from=pre-copy;to=stop-copy;errno=EIO",
      FAILS, EIO_TEXT },
    { "stop-refused",
      "event=state-write;from=pre-copy;to=stop-copy;errno=EINVAL",
      FAILS, "Invalid argument" },
    { "setup-write-short", "event=state-write;to=pre-copy;short=2",
      FAILS, "" },
    { "stop-write-short",
      "event=state-write;from=pre-copy;to=stop-copy;short=0", FAILS, "" },
    { "state-read-once", "event=state-read;state=pre-copy;errno=EIO",
      COMPLETES },
    { "state-read-eio", "event=state-read;state=pre-copy;errno=EIO;once=no",
      FAILS, EIO_TEXT },
    { "state-read-short", "event=state-read;state=pre-copy;short=2;once=no",
      FAILS, "" },
    { "state-read-refused",
      "event=state-read;state=pre-copy;errno=EINVAL;once=no",
      FAILS, "Invalid argument" },
    /* A write that succeeds says enough: nothing is read back. */
    { "state-read-invalid", "event=state-read;state=pre-copy;value=5",
      COMPLETES },
    /* Registers, in pre-copy and with the device stopped. */
    { "pending-eio-precopy", "event=pending-read;state=pre-copy;errno=EIO",
      FAILS, EIO_TEXT },
    { "pending-refused-precopy",
      "event=pending-read;state=pre-copy;errno=EINVAL",
      FAILS, "Invalid argument" },
    { "pending-short-precopy", "event=pending-read;state=pre-copy;short=4",
      FAILS, "" },
    { "pending-nothing-precopy", "event=pending-read;state=pre-copy;short=0",
      FAILS, "" },
    { "pending-eio-stop", "event=pending-read;state=stop-copy;errno=EIO",
      FAILS, EIO_TEXT },
    { "pending-short-stop",
      "event=pending-read;state=stop-copy;count=3;short=4",
      FAILS, "" },
    { "pending-error-stop",
      "event=pending-read;state=stop-copy;count=2;device-state=error",
      FAILS, EIO_TEXT, .reset = true },
    { "offset-eio-precopy", "event=data-offset-read;state=pre-copy;errno=EIO",
      FAILS, EIO_TEXT },
    { "offset-eio-stop", "event=data-offset-read;state=stop-copy;errno=EIO",
      FAILS, EIO_TEXT },
    { "offset-short", "event=data-offset-read;state=stop-copy;short=4",
      FAILS, "" },
    { "offset-refused", "event=data-offset-read;state=stop-copy;errno=EINVAL",
      FAILS, "Invalid argument" },
    { "size-eio-precopy", "event=data-size-read;state=pre-copy;errno=EIO",
      FAILS, EIO_TEXT },
    { "size-eio-stop", "event=data-size-read;state=stop-copy;count=2;"
      "errno=EIO", FAILS, EIO_TEXT },
    { "size-short", "event=data-size-read;state=stop-copy;short=4",
      FAILS, "" },
    { "size-refused", "event=data-size-read;state=stop-copy;errno=EINVAL",
      FAILS, "Invalid argument" },
    /* Numbers that no device may give. */
    { "offset-zero", "event=data-offset-read;state=stop-copy;value=0",
      FAILS, "" },
    { "offset-end", "event=data-offset-read;state=stop-copy;value=0x11000",
      FAILS, "0x11000" },
    { "offset-beyond", "event=data-offset-read;state=stop-copy;value=0x12000",
      FAILS, "0x12000" },
    { "offset-2^63",
      "event=data-offset-read;state=stop-copy;value=0x8000000000000000",
      FAILS, "0x8000000000000000" },
    { "offset-max",
      "event=data-offset-read;state=stop-copy;value=0xffffffffffffffff",
      FAILS, "0xffffffffffffffff" },
    { "size-zero", "event=data-size-read;state=stop-copy;value=0;once=no",
      FAILS, "" },
    { "size-zero-precopy",
      "event=data-size-read;state=pre-copy;value=0;once=no", COMPLETES },
    { "size-zero-precopy-once",
      "event=data-size-read;state=pre-copy;value=0", COMPLETES },
    { "size-beyond", "event=data-size-read;state=stop-copy;value=0x10001",
      FAILS, "0x10001" },
    { "size-huge", "event=data-size-read;state=stop-copy;value=1T",
      FAILS, "" },
    { "size-2^63",
      "event=data-size-read;state=stop-copy;value=0x8000000000000000",
      FAILS, "" },
    { "size-max",
      "event=data-size-read;state=pre-copy;value=0xffffffffffffffff",
      FAILS, "" },
    /* Data that is read access by access. */
    { "data-eio", "event=data-read;state=stop-copy;errno=EIO", FAILS,
      EIO_TEXT, TRAPPED },
    { "data-eio-precopy", "event=data-read;state=pre-copy;errno=EIO", FAILS,
      EIO_TEXT, TRAPPED },
    { "data-error", "event=data-read;state=stop-copy;device-state=error",
      FAILS, EIO_TEXT, TRAPPED, .reset = true },
    { "data-nothing", "event=data-read;state=stop-copy;short=0;once=no",
      FAILS, "", TRAPPED },
    { "data-short", "event=data-read;short=100;once=no", COMPLETES, NULL,
      TRAPPED },
    { "data-short-once", "event=data-read;state=stop-copy;short=4096",
      COMPLETES, NULL, TRAPPED },
    { "data-odd", "event=data-read;short=1001;once=no", COMPLETES, NULL,
      TRAPPED },
    { "data-eintr", "event=data-read;count=2;eintr=yes", COMPLETES, NULL,
      TRAPPED },
    { "data-refused", "event=data-read;state=stop-copy;errno=EINVAL",
      COMPLETES, NULL, TRAPPED },
    { "data-8-bytes-only", "event=data-size-read;delay-ms=1", COMPLETES,
      NULL, "areas=none;max-access=8;state-size=32K" },
    { "map-refused", "event=mmap;state=running;errno=ENOMEM;once=no;count=2",
      COMPLETES },
    /* After the last byte was sent, nothing is lost any more. */
    { "end-error", "event=state-write;from=stop-copy;to=stop;"
      "device-state=error", COMPLETES },
    { "end-refused", "event=state-write;from=stop-copy;to=stop;errno=EIO",
      COMPLETES },
    { "end-slow", "event=state-write;from=stop-copy;to=stop;delay-ms=700",
      COMPLETES },
};

static const FailureRow destination_rows[] = {
    { "resume-error", "event=state-write;to=resuming;device-state=error",
      LOAD_FAILS, EIO_TEXT },
    { "resume-eio", "event=state-write;to=resuming;errno=EIO",
      LOAD_FAILS, EIO_TEXT },
    { "resume-refused", "event=state-write;to=resuming;errno=EINVAL;once=no",
      LOAD_FAILS, "Invalid argument" },
    /* Another way leads there: by way of stop. */
    { "resume-detour", "event=state-write;from=running;to=resuming;"
      "errno=EINVAL;once=no", COMPLETES },
    { "resume-write-short", "event=state-write;to=resuming;short=2",
      LOAD_FAILS, "" },
    { "offset-eio", "event=data-offset-read;errno=EIO", LOAD_FAILS,
      EIO_TEXT },
    { "offset-refused", "event=data-offset-read;count=3;errno=EINVAL",
      LOAD_FAILS, "Invalid argument" },
    { "offset-short", "event=data-offset-read;count=2;short=4", LOAD_FAILS,
      "" },
    { "offset-zero", "event=data-offset-read;value=0", LOAD_FAILS, "" },
    { "offset-end", "event=data-offset-read;value=0x11000", LOAD_FAILS,
      "0x11000" },
    { "offset-beyond", "event=data-offset-read;count=4;value=0x12000",
      LOAD_FAILS, "0x12000" },
    { "offset-last-byte", "event=data-offset-read;value=0x10fff;once=no",
      LOAD_FAILS, "" },
    { "offset-2^63", "event=data-offset-read;value=0x8000000000000000",
      LOAD_FAILS, "0x8000000000000000" },
    { "offset-max", "event=data-offset-read;value=0xffffffffffffffff",
      LOAD_FAILS, "0xffffffffffffffff" },
    { "size-eio", "event=data-size-write;errno=EIO", LOAD_FAILS, EIO_TEXT },
    { "size-refused", "event=data-size-write;count=3;errno=EINVAL",
      LOAD_FAILS, "Invalid argument" },
    { "size-short", "event=data-size-write;short=4", LOAD_FAILS, "" },
    { "size-error", "event=data-size-write;count=2;device-state=error",
      LOAD_FAILS, EIO_TEXT },
    { "data-eio", "event=data-write;errno=EIO", LOAD_FAILS, EIO_TEXT,
      TRAPPED },
    { "data-nospace", "event=data-write;count=3;errno=ENOSPC", LOAD_FAILS,
      "No space left on device", TRAPPED },
    { "data-nothing", "event=data-write;short=0;once=no", LOAD_FAILS, "",
      TRAPPED },
    { "data-short", "event=data-write;short=100;once=no", COMPLETES, NULL,
      TRAPPED },
    { "data-eintr", "event=data-write;count=2;eintr=yes", COMPLETES, NULL,
      TRAPPED },
    { "data-refused", "event=data-write;errno=EINVAL", COMPLETES, NULL,
      TRAPPED },
    { "data-8-bytes-only", "event=data-size-write;delay-ms=1", COMPLETES,
      NULL, "areas=none;max-access=8;state-size=32K" },
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
