/*
 * Failures of devices of protocol v2
 *
 * Owns: what reaches the user where a kind of call fails on either side, of a
 * device that can be read while it runs and of one that cannot.
 * Does not own: what is done with a row (failure-row.h), failing every single
 * call, drivers that lie (component tests).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "failure-row.h"

#include "vm-event-guest.h"

#define EIO_TEXT "Input/output error"
#define RESET_TEXT "dev0;was reset after data of it had been sent;" \
                   "start the migration again"

/* As Linux 6.2 and later have it; several reads and writes for a state */
#define PRECOPY "protocol=v2;p2p=yes;pre-copy=yes;max-read=48K;max-write=20K"
/* As Linux 6.1 has it */
#define PLAIN   "protocol=v2;kernel=6.1;p2p=yes;max-read=48K;max-write=20K"

static const FailureRow source_rows[] = {
    /* An arc: not done, refused, interrupted, or the device is lost. */
    { "set/setup-eio", "event=state-write;to=pre-copy;errno=EIO", FAILS,
      "running to pre-copy;" EIO_TEXT },
    { "set/setup-error", "event=state-write;to=pre-copy;device-state=error",
      FAILS, EIO_TEXT, .reset = true },
    { "set/setup-interrupted", "event=state-write;to=pre-copy;eintr=yes",
      COMPLETES },
    { "set/quiet-eio",
      "event=state-write;from=pre-copy;to=pre-copy-p2p;errno=EIO", FAILS,
      "pre-copy-p2p;" EIO_TEXT },
    { "set/stop-eio",
      "event=state-write;from=pre-copy-p2p;to=stop-copy;errno=EIO", FAILS,
      "pre-copy-p2p to stop-copy;" EIO_TEXT },
    { "set/paused-eio",
      "event=state-write;from=stop;to=stop-copy;errno=EIO", FAILS,
      "stop to stop-copy;" EIO_TEXT, .paused = true },
    /* After the last byte was sent, nothing is lost any more. */
    { "set/end-error",
      "event=state-write;from=stop-copy;to=stop;device-state=error",
      COMPLETES },
    { "data-fd/none", "event=data-fd;errno=EMFILE", FAILS,
      "pre-copy;Too many open files" },
    { "read/eio", "event=data-read;state=stop-copy;count=3;errno=EIO", FAILS,
      "at byte;" EIO_TEXT },
    { "read/error", "event=data-read;state=stop-copy;count=2;"
      "device-state=error", FAILS, EIO_TEXT, .reset = true },
    { "read/no-data-yet-precopy",
      "event=data-read;state=pre-copy;count=2;errno=ENOMSG", COMPLETES },
    { "read/nothing-precopy",
      "event=data-read;state=pre-copy;count=2;short=0", COMPLETES },
    /* Only a device that runs may say so. */
    { "read/no-data-yet",
      "event=data-read;state=stop-copy;count=2;errno=ENOMSG", FAILS,
      "No message of desired type" },
    { "read/interrupted", "event=data-read;count=2;eintr=yes", COMPLETES },
    /* The end where there is more to come: only the other driver can tell. */
    { "read/end-too-early", "event=data-read;state=stop-copy;count=3;short=0",
      LOAD_FAILS, "does not accept the state;Invalid argument" },
};

static const FailureRow plain_rows[] = {
    { "set/stop-copy-eio",
      "event=state-write;from=stop;to=stop-copy;errno=EIO", FAILS,
      "stop-copy;" EIO_TEXT },
    { "read/no-data-yet", "event=data-read;errno=ENOMSG", FAILS,
      "at byte 0;No message of desired type" },
};

static const FailureRow destination_rows[] = {
    { "set/resume-eio", "event=state-write;to=resuming;errno=EIO",
      LOAD_FAILS, "resuming;" EIO_TEXT },
    { "data-fd/none", "event=data-fd;errno=EMFILE", LOAD_FAILS,
      "resuming;Too many open files" },
    { "write/eio", "event=data-write;errno=EIO", LOAD_FAILS,
      "at byte 0;" EIO_TEXT },
    { "write/no-memory", "event=data-write;count=3;errno=ENOMEM", LOAD_FAILS,
      "at byte 40960;Cannot allocate memory" },
    { "write/nothing", "event=data-write;count=2;short=0", LOAD_FAILS,
      "at byte 20480" },
    { "write/interrupted", "event=data-write;count=2;eintr=yes", COMPLETES },
    { "config-write", "event=config-write;state=resuming;errno=EIO;once=no",
      LOAD_FAILS, "PCI_COMMAND" },
    { "verdict/refused",
      "event=state-write;from=resuming;to=stop;errno=EINVAL", LOAD_FAILS,
      "does not accept the state;Invalid argument" },
    { "verdict/error",
      "event=state-write;from=resuming;to=stop;device-state=error",
      LOAD_FAILS, "does not accept the state;" EIO_TEXT },
    /* The first of two passes; the second one makes up for it. */
    { "cont/quiet-eio", "event=state-write;from=stop;to=running-p2p;"
      "errno=EIO", COMPLETES },
    { "cont/quiet-eio-always", "event=state-write;from=stop;to=running-p2p;"
      "errno=EIO;once=no", CONT_FAILS, EIO_TEXT },
    { "cont/eio", "event=state-write;from=running-p2p;to=running;errno=EIO",
      CONT_FAILS, EIO_TEXT },
    { "cont/error",
      "event=state-write;from=running-p2p;to=running;device-state=error",
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

/* ---- resets of the function behind our back ---- */

/* Just behind a call: who else looks is in the table of VM events. */
static const FailureRow flr_rows[] = {
    /* Nothing of it had been sent: it begins once more. */
    { "first-read", "event=data-read;state=pre-copy;flr=now", FAILS,
      RESET_TEXT },
    { "stop", "event=state-write;to=stop-copy;flr=now", FAILS, RESET_TEXT },
    { "stop-copy-read", "event=data-read;state=stop-copy;flr=now", FAILS,
      RESET_TEXT },
    { "write", "event=data-write;count=2;flr=now", LOAD_FAILS,
      "was reset while its state was loaded", .on_dst = true },
    { "verdict", "event=state-read;state=resuming;flr=now", LOAD_FAILS,
      "was reset while its state was loaded", .on_dst = true },
};

static void test_flr(const void *opaque)
{
    const FailureRow *row = opaque;
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);
    VFIOSide *side = row->on_dst ? pair->dst : pair->src;

    if (row->on_dst) {
        vfio_pair_return_path(pair);
    }
    vfio_pair_set_keys(pair, PRECOPY ";flr=yes");
    vfio_side_fault(side, "row", row->fault);
    vfio_pair_start(pair);
    pair->src->reset = RESET_AROUND;
    vfio_pair_begin(pair);
    if (row->outcome == LOAD_FAILS) {
        vfio_expect_load_failed(pair->dst, row->words);
        vfio_expect_failed(pair->src, "");
    } else {
        vfio_expect_failed(pair->src, row->words);
        vfio_expect_load_failed(pair->dst, "");
        /* As its guest would have done it, which then sets it up */
        guest_flr(pair->src->qts, MACHINE_FIRST_SLOT);
        vfio_side_program(pair->src);
        pair->src->reset = NOT_RESET;
    }
    vfio_expect_fired(side, "row");
    vfio_pair_retry(pair);
    vfio_pair_free(pair);
}

static void add_flr(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(flr_rows); i++) {
        g_autofree char *path = g_strconcat("vfio/v2-fault/flr/",
                                            flr_rows[i].name, NULL);

        qtest_add_data_func(path, &flr_rows[i], test_flr);
    }
}

static void add_one_of_two(const char *name, const char *fault)
{
    g_autofree char *path = g_strconcat("vfio/v2-fault/one-of-two/", name,
                                        NULL);

    qtest_add_data_func(path, fault, test_one_of_two);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    failure_add_rows("vfio/v2-fault/source", source_rows,
                     G_N_ELEMENTS(source_rows), false, PRECOPY);
    failure_add_rows("vfio/v2-fault/source-of-6.1", plain_rows,
                     G_N_ELEMENTS(plain_rows), false, PLAIN);
    failure_add_rows("vfio/v2-fault/destination", destination_rows,
                     G_N_ELEMENTS(destination_rows), true, PRECOPY);
    add_one_of_two("setup", "event=state-write;to=pre-copy;errno=EIO");
    add_one_of_two("quiet", "event=state-write;to=pre-copy-p2p;errno=EIO");
    add_one_of_two("quiet-error",
                   "event=state-write;to=pre-copy-p2p;device-state=error");
    add_one_of_two("stop", "event=state-write;to=stop-copy;errno=EIO");
    add_one_of_two("read", "event=data-read;state=stop-copy;errno=EIO");
    add_flr();
    return g_test_run();
}
