/*
 * Failures: what a device or its driver does wrong, and the consequences
 *
 * Owns: what the user is told for each kind of device failure, with either
 * protocol and our code on both sides, and for resets that fail. If a row says
 * that the migration fails, it must fail within QTEST_WAIT_MS with the device's
 * name and the real error, the VM must run on with its device as before, and
 * the next migration must succeed. A rule that did not fire fails the row.
 * Does not own: the full set of failures (tests/component/test-faults.c), every
 * call that fails (test-nth-call.c), unexpected resets (test-passes.c,
 * vfio-vm-event-test.c), wrong streams (component tests).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "vfio-test.h"

#include <string.h>

#define EIO_TEXT "Input/output error"
#define TRAPPED "areas=none"
/* Protocol v2 as in Linux 6.2 and later; several reads and writes */
#define PRECOPY "protocol=v2;p2p=yes;pre-copy=yes;max-read=48K;max-write=20K"
/* Protocol v2 as in Linux 6.1 */
#define PLAIN   "protocol=v2;kernel=6.1;p2p=yes;max-read=48K;max-write=20K"

typedef enum FailureOutcome {
    COMPLETES,                  /* nothing is lost */
    FAILS,                      /* at the source */
    LOAD_FAILS,                 /* at the destination */
    CONT_FAILS,                 /* when the destination's VM is continued */
} FailureOutcome;

typedef struct FailureRow {
    const char *name;
    const char *fault;
    FailureOutcome outcome;
    const char *words;          /* of the error message, besides dev0 */
    const char *keys;           /* of dev0, on both sides */
    bool reset;                 /* device reset, mentioned in the message */
    /* ---- set by add_rows() ---- */
    bool on_dst;                /* the rule is set at the destination */
    const char *table_keys;     /* like keys, which override them; or NULL */
} FailureRow;

/* ---- a row ---- */

static VFIOPair *new_pair(const FailureRow *row)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    if (row->on_dst || row->outcome == LOAD_FAILS) {
        /* So that the source learns of a load that failed at its very end. */
        vfio_pair_return_path(pair);
    }
    if (row->table_keys) {
        vfio_pair_set_keys(pair, row->table_keys);
    }
    if (row->keys) {
        vfio_pair_set_keys(pair, row->keys);
    }
    /* After a reset, it must not write to the memory that is compared. */
    vfio_pair_set(pair, "dma-needs-bus-master", "yes");
    vfio_side_fault(row->on_dst ? pair->dst : pair->src, "row", row->fault);
    vfio_pair_start(pair);
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

static void expect_message(VFIOSide *side, const char *words)
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
        expect_message(pair->src, "was reset");
    }
    /* The destination exits by itself, in an orderly way. */
    vfio_expect_load_failed(pair->dst, "");
}

static void fails_at_destination(VFIOPair *pair, const FailureRow *row)
{
    vfio_expect_load_failed(pair->dst, "dev0");
    vfio_expect_load_failed(pair->dst, row->words);
    vfio_expect_failed(pair->src, "");
}

/*
 * A destination whose device cannot run exits, so that whoever waits for its VM
 * notices; the source can take over again.
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
    /* A rule that fires repeatedly has to be removed before the retry. */
    if (!row->on_dst && strstr(row->fault, "once=no")) {
        vfio_side_kill(pair->dst);
        vfio_pair_free(pair);
        return;
    }
    vfio_pair_retry(pair);
    vfio_pair_free(pair);
}

/* Cases PATH/NAME; @keys: of dev0 in each row, on both sides, or NULL */
static void add_rows(const char *path, const FailureRow *rows, size_t count,
                     bool on_dst, const char *keys)
{
    for (size_t i = 0; i < count; i++) {
        FailureRow row = rows[i];
        g_autofree char *name = g_strdup_printf("%s/%s", path, row.name);

        row.on_dst = on_dst;
        row.table_keys = keys;
        qtest_add_data_case_full(name, g_memdup2(&row, sizeof(row)),
                                 test_row, g_free);
    }
}

/* ---- protocol v1 ---- */

static const FailureRow source_rows[] = {
    { "setup-error", "event=state-write;to=pre-copy;device-state=error",
      FAILS, EIO_TEXT, .reset = true },
    { "pending-error-stop",
      "event=pending-read;state=stop-copy;count=2;device-state=error",
      FAILS, EIO_TEXT, .reset = true },
    /* Invalid values. */
    { "offset-end", "event=data-offset-read;state=stop-copy;value=0x11000",
      FAILS, "0x11000" },
    /* Trapped data, which is read with pread(). */
    { "data-eio", "event=data-read;state=stop-copy;errno=EIO", FAILS,
      EIO_TEXT, TRAPPED },
    { "map-refused", "event=mmap;state=running;errno=ENOMEM;once=no;count=2",
      COMPLETES },
    /* Once the last byte has been sent, nothing can be lost. */
    { "end-refused", "event=state-write;from=stop-copy;to=stop;errno=EIO",
      COMPLETES },
};

static const FailureRow destination_rows[] = {
    /* Trapped data, which is written with pwrite(). */
    { "data-eio", "event=data-write;errno=EIO", LOAD_FAILS, EIO_TEXT,
      TRAPPED },
    /* A write to PCI_COMMAND, which QEMU's own code only reports. */
    { "config-write-eio",
      "event=config-write;state=resuming;errno=EIO;once=no", LOAD_FAILS,
      "PCI_COMMAND" },
    /*
     * The driver gives its verdict on the state while the load can still fail.
     */
    { "verdict-error",
      "event=state-write;from=resuming;to=stop;device-state=error",
      LOAD_FAILS, "does not accept the state;" EIO_TEXT,
      "accept=100>000" },
    /* If the driver only leaves to running, it is asked when the VM runs. */
    { "verdict-refused",
      "event=state-write;from=resuming;to=stop;errno=EINVAL;once=no",
      COMPLETES, NULL, "accept=100>000" },
    /* The state was accepted, but the device does not start. */
    { "cont-error", "event=state-write;to=running;device-state=error",
      CONT_FAILS, EIO_TEXT },
};

/* ---- protocol v2 ---- */

static const FailureRow v2_source_rows[] = {
    { "data-fd/none", "event=data-fd;errno=EMFILE", FAILS,
      "pre-copy;Too many open files" },
    { "read/eio", "event=data-read;state=stop-copy;count=3;errno=EIO", FAILS,
      "at byte;" EIO_TEXT },
    /* A premature end of data: only the destination's driver can notice. */
    { "read/end-too-early", "event=data-read;state=stop-copy;count=3;short=0",
      LOAD_FAILS, "does not accept the state;Invalid argument" },
};

static const FailureRow v2_plain_rows[] = {
    { "read/no-data-yet", "event=data-read;errno=ENOMSG", FAILS,
      "at byte 0;No message of desired type" },
};

static const FailureRow v2_destination_rows[] = {
    { "write/no-memory", "event=data-write;count=3;errno=ENOMEM", LOAD_FAILS,
      "at byte 40960;Cannot allocate memory" },
    { "verdict/refused",
      "event=state-write;from=resuming;to=stop;errno=EINVAL", LOAD_FAILS,
      "does not accept the state;Invalid argument" },
    /* The first of two passes fails; the second one makes up for it. */
    { "cont/quiet-eio", "event=state-write;from=stop;to=running-p2p;"
      "errno=EIO", COMPLETES },
    { "cont/eio", "event=state-write;from=running-p2p;to=running;errno=EIO",
      CONT_FAILS, EIO_TEXT },
};

/* One of two fails: both resume their previous state, in two passes. */
static void test_one_of_two(const void *opaque)
{
    const char *fault = opaque;
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);
    g_autofree char *rule = g_strconcat("device=dev1;", fault, NULL);

    vfio_pair_profiles(pair, "virtio;qat");
    vfio_side_fault(pair->src, "row", rule);
    vfio_pair_start(pair);
    vfio_pair_begin(pair);
    vfio_expect_failed(pair->src, "dev1;" EIO_TEXT);
    vfio_expect_fired(pair->src, "row");
    vfio_expect_load_failed(pair->dst, "");
    vfio_pair_retry(pair);
    vfio_pair_free(pair);
}

/* ---- resets ---- */

/* The device enters the error state; the migration fails and reports it. */
static void fail_into_error(VFIOPair *pair, const char *message)
{
    vfio_side_fault(pair->src, "row",
                    "event=state-write;to=pre-copy;device-state=error");
    vfio_pair_start(pair);
    vfio_pair_begin(pair);
    vfio_expect_failed(pair->src, "dev0;" EIO_TEXT);
    expect_message(pair->src, message);
    vfio_expect_fired(pair->src, "row");
    vfio_expect_load_failed(pair->dst, "");
}

/* Function resets fail, or are not supported. */
static void refuse_reset(VFIOPair *pair, const void *absent)
{
    if (absent) {
        vfio_pair_set(pair, "reset", "no");
    } else {
        vfio_side_fault(pair->src, "no-reset", "event=reset;state=error;"
                        "errno=EBUSY;once=no");
    }
}

/*
 * The device is in error and its reset fails, too. If a second reset works, the
 * device recovers; if not, the VM runs on without it, and the user is told.
 */
static void test_reset_fails_once(void)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    vfio_side_fault(pair->src, "no-reset", "event=reset;state=error;"
                    "errno=EBUSY");
    fail_into_error(pair, "reset");
    vfio_expect_fired(pair->src, "no-reset");
    vfio_pair_retry(pair);
    vfio_pair_free(pair);
}

/* Function resets fail or are absent, but a bus reset recovers the device. */
static void test_hot_reset(const void *absent)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    vfio_pair_set(pair, "hot-reset", "alone");
    refuse_reset(pair, absent);
    fail_into_error(pair, "was reset and is in state running");
    vfio_pair_retry(pair);
    vfio_pair_free(pair);
}

static void test_no_reset(const void *absent)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    refuse_reset(pair, absent);
    fail_into_error(pair, "reset");
    migrate_wait_run_state(pair->src->qts, "running");
    vfio_side_expect_state(pair->src, "dev0", "error");

    /* Each attempt reports it again, and QEMU stays well. */
    vfio_pair_next_destination(pair);
    vfio_pair_begin(pair);
    vfio_expect_failed(pair->src, "dev0;error");
    vfio_expect_load_failed(pair->dst, "");
    migrate_wait_run_state(pair->src->qts, "running");
    vfio_side_kill(pair->dst);
    vfio_pair_free(pair);
}

/* QEMU refuses the next migration then, and the user is told what to do. */
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

/* QEMU's own PCI code only reports this error: the VM runs on. */
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
    add_rows("vfio/failure/source", source_rows, G_N_ELEMENTS(source_rows),
             false, NULL);
    add_rows("vfio/failure/destination", destination_rows,
             G_N_ELEMENTS(destination_rows), true, NULL);
    add_rows("vfio/failure/v2/source", v2_source_rows,
             G_N_ELEMENTS(v2_source_rows), false, PRECOPY);
    add_rows("vfio/failure/v2/source-of-6.1", v2_plain_rows,
             G_N_ELEMENTS(v2_plain_rows), false, PLAIN);
    add_rows("vfio/failure/v2/destination", v2_destination_rows,
             G_N_ELEMENTS(v2_destination_rows), true, PRECOPY);
    qtest_add_data_case("vfio/failure/v2/one-of-two/quiet-error",
                        "event=state-write;to=pre-copy-p2p;device-state=error",
                        test_one_of_two);
    qtest_add_data_case("vfio/failure/v2/one-of-two/read",
                        "event=data-read;state=stop-copy;errno=EIO",
                        test_one_of_two);
    qtest_add_case("vfio/failure/paused-late", test_paused_late);
    qtest_add_case("vfio/failure/destination/vectors-refused",
                   test_vectors_refused);
    qtest_add_case("vfio/failure/reset/fails-once", test_reset_fails_once);
    qtest_add_data_case("vfio/failure/reset/fails", NULL, test_no_reset);
    qtest_add_data_case("vfio/failure/reset/absent", "absent", test_no_reset);
    qtest_add_data_case("vfio/failure/hot-reset/fails", NULL, test_hot_reset);
    qtest_add_data_case("vfio/failure/hot-reset/absent", "absent",
                        test_hot_reset);
    return g_test_run();
}
