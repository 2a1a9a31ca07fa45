/*
 * Failures: what a device or its driver does wrong, and what must follow
 *
 * Owns: what reaches the user of each kind of failure of a device of either
 * protocol, with our code on both sides, and of resets that fail. Where a row
 * says that the migration fails, it must do so in FAIL_MS with the device's
 * name and the real error, the VM must run on with its device as before, and
 * the next migration must succeed. A rule that did not fire fails the row.
 * Does not own: all of the failures (tests/component/test-faults.c), every
 * call that fails (test-nth-call.c), resets behind our back (test-passes.c,
 * vfio-vm-event-test.c), wrong streams (component tests).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "vfio-test.h"

#include <string.h>

#define EIO_TEXT "Input/output error"
#define TRAPPED "areas=none"
/* Protocol v2 as Linux 6.2 and later have it; several reads and writes */
#define PRECOPY "protocol=v2;p2p=yes;pre-copy=yes;max-read=48K;max-write=20K"
/* As Linux 6.1 has it */
#define PLAIN   "protocol=v2;kernel=6.1;p2p=yes;max-read=48K;max-write=20K"

typedef enum FailureOutcome {
    COMPLETES,                  /* nothing is lost */
    FAILS,                      /* at the source */
    LOAD_FAILS,                 /* at the destination */
    CONT_FAILS,                 /* when the destination's VM goes on */
} FailureOutcome;

typedef struct FailureRow {
    const char *name;
    const char *fault;
    FailureOutcome outcome;
    const char *words;          /* of the error message, besides dev0 */
    const char *keys;           /* of dev0, on both sides */
    bool reset;                 /* the device had to be reset, message says */
    /* ---- add_rows() sets these ---- */
    bool on_dst;                /* the rule stands at the destination */
    const char *table_keys;     /* as keys, which win over them; or NULL */
} FailureRow;

/* ---- a row ---- */

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
    /* Numbers that no device may give. */
    { "offset-end", "event=data-offset-read;state=stop-copy;value=0x11000",
      FAILS, "0x11000" },
    /* Data that is read access by access. */
    { "data-eio", "event=data-read;state=stop-copy;errno=EIO", FAILS,
      EIO_TEXT, TRAPPED },
    { "map-refused", "event=mmap;state=running;errno=ENOMEM;once=no;count=2",
      COMPLETES },
    /* After the last byte was sent, nothing is lost any more. */
    { "end-refused", "event=state-write;from=stop-copy;to=stop;errno=EIO",
      COMPLETES },
};

static const FailureRow destination_rows[] = {
    /* Data that is written access by access. */
    { "data-eio", "event=data-write;errno=EIO", LOAD_FAILS, EIO_TEXT,
      TRAPPED },
    /* A write of PCI_COMMAND, which QEMU's own code only reports. */
    { "config-write-eio",
      "event=config-write;state=resuming;errno=EIO;once=no", LOAD_FAILS,
      "PCI_COMMAND" },
    /* The driver says what it thinks of the state while the load can fail. */
    { "verdict-error",
      "event=state-write;from=resuming;to=stop;device-state=error",
      LOAD_FAILS, "does not accept the state;" EIO_TEXT,
      "accept=100>000" },
    /* One that only leaves into running is asked when the VM runs. */
    { "verdict-refused",
      "event=state-write;from=resuming;to=stop;errno=EINVAL;once=no",
      COMPLETES, NULL, "accept=100>000" },
    /* The state was taken, but the device does not go on. */
    { "cont-error", "event=state-write;to=running;device-state=error",
      CONT_FAILS, EIO_TEXT },
};

/* ---- protocol v2 ---- */

static const FailureRow v2_source_rows[] = {
    { "data-fd/none", "event=data-fd;errno=EMFILE", FAILS,
      "pre-copy;Too many open files" },
    { "read/eio", "event=data-read;state=stop-copy;count=3;errno=EIO", FAILS,
      "at byte;" EIO_TEXT },
    /* The end where there is more to come: only the other driver can tell. */
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
    /* The first of two passes; the second one makes up for it. */
    { "cont/quiet-eio", "event=state-write;from=stop;to=running-p2p;"
      "errno=EIO", COMPLETES },
    { "cont/eio", "event=state-write;from=running-p2p;to=running;errno=EIO",
      CONT_FAILS, EIO_TEXT },
};

/* One of two fails: both go on where they were, in two passes. */
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

/* The device comes into error in a migration, which fails, and says so. */
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

/* No reset of the function works, or there is none. */
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
 * The device is in error and its reset fails too. One that works a second
 * time brings it back; if none does, the VM runs on without the device, and
 * the user knows.
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

/* No reset of the function works, but one of the bus brings it back. */
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
