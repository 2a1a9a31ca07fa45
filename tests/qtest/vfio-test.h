/*
 * Two sides and migrations between them
 *
 * Owns: what every test of VFIO migration needs: a source and a destination,
 * migrating, checking that everything arrived, that a failure is handled as
 * required, and that the next migration succeeds.
 * Does not own: one side (sim-helpers.h).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_VFIO_TEST_H
#define TESTS_QTEST_VFIO_TEST_H

#include "sim-helpers.h"

typedef struct VFIOPair {
    VFIOSide *src;
    VFIOSide *dst;
    unsigned number;            /* of the destination; incremented for each */
    VFIOSideKind next_kind;     /* of the next destination */
    int64_t downtime_ms;        /* limit for each migration; 0: QEMU's */
} VFIOPair;

/*
 * vfio_pair_new: create a source and a destination with -S; neither is started.
 * vfio_pair_new_of: the same with existing sides. vfio_pair_free: free both and
 * quit QEMUs that still run; they must be well.
 */
VFIOPair *vfio_pair_new(VFIOSideKind src, VFIOSideKind dst);
VFIOPair *vfio_pair_new_of(VFIOSide *src, VFIOSide *dst);
void vfio_pair_free(VFIOPair *pair);

/* vfio_pair_set: set a key of dev0 on both sides. */
void vfio_pair_set(VFIOPair *pair, const char *key, const char *fmt, ...)
    G_GNUC_PRINTF(3, 4);

/* vfio_pair_set_keys: the same for several keys, "state-size=1M;p2p=yes". */
void vfio_pair_set_keys(VFIOPair *pair, const char *keys);

/*
 * vfio_pair_profiles: give both sides one device per protocol v2 profile
 * (docs/sim.md) in "qat;pds"; "v1" stands for a v1 device. The downtime limit
 * is set to a minute: an idle VM sends too little to predict how fast tens of
 * MiB of device state will be sent.
 */
void vfio_pair_profiles(VFIOPair *pair, const char *profiles);

/*
 * vfio_pair_return_path: enable QEMU's capability on both sides, for sources
 * without a device of ours, and for tests that need it at the destination as
 * well. Call before the start.
 */
void vfio_pair_return_path(VFIOPair *pair);

/* vfio_pair_start: start both; waits until the source's devices run. */
void vfio_pair_start(VFIOPair *pair);

/*
 * vfio_pair_much_precopy: make dev0 always have data while it runs, for
 * migrate_stay_in_precopy(). Call before the start.
 */
void vfio_pair_much_precopy(VFIOPair *pair);

/* vfio_wait_transcript: wait for @words in the transcript. */
void vfio_wait_transcript(VFIOSide *side, const char *words);

/* vfio_pair_begin: start the migration without waiting. */
void vfio_pair_begin(VFIOPair *pair);

/*
 * vfio_expect_end: wait until the side's migration has ended with the status
 * @wanted ("completed", "cancelled"). vfio_pair_finish: wait until it has
 * completed on both sides.
 */
void vfio_expect_end(VFIOSide *side, const char *wanted);
void vfio_pair_finish(VFIOPair *pair);

/*
 * vfio_pair_check: check that everything arrived: guest memory is equal byte
 * for byte, every device's state word for word, no side with our code violated
 * the contract, and no data file is open. The destination's VM must still be
 * paused; it is continued and its devices must run.
 */
void vfio_pair_check(VFIOPair *pair);

/* vfio_pair_check_running: those checks that do not need a paused VM. */
void vfio_pair_check_running(VFIOPair *pair);

/* vfio_pair_migrate: begin, finish, check. */
void vfio_pair_migrate(VFIOPair *pair);

/* vfio_pair_use_tls: use TLS for the migration stream. */
void vfio_pair_use_tls(VFIOPair *pair);

/*
 * vfio_pair_next_destination: drop the destination, whatever its state, and
 * start another one of kind `next_kind` without fault rules.
 */
void vfio_pair_next_destination(VFIOPair *pair);

/*
 * vfio_pair_retry: check that the source is well, and migrate to a new
 * destination.
 */
void vfio_pair_retry(VFIOPair *pair);

/* vfio_pair_turn: the destination becomes the source of a next migration. */
void vfio_pair_turn(VFIOPair *pair);

/*
 * vfio_expect_failed: the outgoing migration of @side must fail, within
 * QTEST_WAIT_MS on simulated devices, and error-desc must contain each of
 * @words (separated by ';').
 */
void vfio_expect_failed(VFIOSide *side, const char *words);

/*
 * vfio_expect_load_failed: likewise, the incoming QEMU must exit with status 1,
 * and its stderr must contain each of @words.
 */
void vfio_expect_load_failed(VFIOSide *side, const char *words);

/* vfio_expect_text: fail the case unless @text contains each of @words. */
void vfio_expect_text(VFIOSide *side, const char *what, const char *text,
                      const char *words);

/*
 * vfio_expect_source_well: VM and devices run (or are paused, if the VM was),
 * without violations of the contract.
 */
void vfio_expect_source_well(VFIOPair *pair);

/* vfio_expect_fired: the fault rule has fired at least once. */
void vfio_expect_fired(VFIOSide *side, const char *fault);

/* vfio_expect_clean: no violation by @side, if it has our code. */
void vfio_expect_clean(VFIOSide *side);

/* vfio_ram_differs: first offset at which guest memory differs, or -1. */
int64_t vfio_ram_differs(VFIOPair *pair);

#endif /* TESTS_QTEST_VFIO_TEST_H */
