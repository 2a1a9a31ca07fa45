/*
 * Two sides and the migrations between them
 *
 * Owns: what every test of VFIO migration does: a source and a destination,
 * migrate, is all that arrived right, did the failure go as it must, does
 * the next migration succeed.
 * Does not own: one side (sim-helpers.h).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_VFIO_TEST_H
#define TESTS_QTEST_VFIO_TEST_H

#include "sim-helpers.h"

/* How long a migration may take to say that it failed */
#define FAIL_MS 5000

typedef struct VFIOPair {
    VFIOSide *src;
    VFIOSide *dst;
    unsigned number;            /* of the destination, counted up */
    VFIOSideKind next_kind;     /* of the next destination */
    int64_t downtime_ms;        /* limit of each migration; 0: QEMU's own */
} VFIOPair;

/*
 * vfio_pair_new: a source and a destination that waits with -S, neither
 * started. vfio_pair_new_of: of these two. vfio_pair_free() ends QEMUs that
 * run; they must be well.
 */
VFIOPair *vfio_pair_new(VFIOSideKind src, VFIOSideKind dst);
VFIOPair *vfio_pair_new_of(VFIOSide *src, VFIOSide *dst);
void vfio_pair_free(VFIOPair *pair);

/* vfio_pair_set: a key of dev0 on both sides. */
void vfio_pair_set(VFIOPair *pair, const char *key, const char *fmt, ...)
    G_GNUC_PRINTF(3, 4);

/* vfio_pair_set_keys: the same, with all of "state-size=1M;p2p=yes". */
void vfio_pair_set_keys(VFIOPair *pair, const char *keys);

/*
 * vfio_pair_profiles: as many devices as there are profiles of protocol v2
 * (docs/sim.md) in "qat;pds", the same on both sides. "v1" is one of v1. The
 * VM may stand still for a minute: what an idle VM sends says little of how
 * fast tens of MiB of a device will go.
 */
void vfio_pair_profiles(VFIOPair *pair, const char *profiles);

/*
 * vfio_pair_return_path: before the start: QEMU's capability, where a source
 * has no device of ours that would see to it, or the test needs it on both
 * sides
 */
void vfio_pair_return_path(VFIOPair *pair);

/* vfio_pair_start: start both; the source's devices must run. */
void vfio_pair_start(VFIOPair *pair);

/*
 * vfio_pair_much_precopy: before the start: dev0 always has data to give
 * while it runs; for migrate_stay_in_precopy().
 */
void vfio_pair_much_precopy(VFIOPair *pair);

/* vfio_wait_transcript: wait up to 10 s till it holds @words. */
void vfio_wait_transcript(VFIOSide *side, const char *words);

/* vfio_pair_begin: start the migration, wait for nothing. */
void vfio_pair_begin(VFIOPair *pair);

/*
 * vfio_expect_end: wait till the side's migration has ended, which must be as
 * @wanted ("completed", "cancelled"). vfio_pair_finish: till it has completed
 * on both sides.
 */
void vfio_expect_end(VFIOSide *side, const char *wanted);
void vfio_pair_finish(VFIOPair *pair);

/*
 * vfio_pair_check: all arrived: guest memory equal byte by byte, the state
 * of every device word by word, no violation of the contract by a side with
 * our code, no data file left open. Then lets the destination run and sees its
 * devices run. The destination's VM must be paused till then.
 */
void vfio_pair_check(VFIOPair *pair);

/* vfio_pair_check_running: the part of it that a running VM allows. */
void vfio_pair_check_running(VFIOPair *pair);

/* vfio_pair_migrate: begin, finish, check. */
void vfio_pair_migrate(VFIOPair *pair);

/* vfio_pair_use_tls: the stream between them goes through TLS. */
void vfio_pair_use_tls(VFIOPair *pair);

/*
 * vfio_pair_next_destination: drop the destination, in whatever state it
 * is, and start another one of the kind `next_kind` without fault rules.
 */
void vfio_pair_next_destination(VFIOPair *pair);

/*
 * vfio_pair_retry: the source must be well and run; a new destination, and
 * a whole migration.
 */
void vfio_pair_retry(VFIOPair *pair);

/* vfio_pair_turn: the destination becomes the source; no destination yet. */
void vfio_pair_turn(VFIOPair *pair);

/*
 * vfio_expect_failed: the outgoing migration of @side ends as failed, on
 * simulated devices within FAIL_MS, and error-desc holds each of the words
 * (';' between them).
 */
void vfio_expect_failed(VFIOSide *side, const char *words);

/*
 * vfio_expect_load_failed: the incoming QEMU ends with status 1, likewise, and
 * its stderr holds each of the words.
 */
void vfio_expect_load_failed(VFIOSide *side, const char *words);

/* vfio_expect_text: @text holds each of the words, else the case fails. */
void vfio_expect_text(VFIOSide *side, const char *what, const char *text,
                      const char *words);

/* vfio_expect_source_well: VM and devices run, no violation. */
void vfio_expect_source_well(VFIOPair *pair);

/* vfio_expect_fired: the fault rule has fired at least once. */
void vfio_expect_fired(VFIOSide *side, const char *fault);

/* vfio_expect_clean: no violation by @side, if it has our code. */
void vfio_expect_clean(VFIOSide *side);

/* vfio_ram_differs: first offset at which guest memory differs, or -1. */
int64_t vfio_ram_differs(VFIOPair *pair);

#endif /* TESTS_QTEST_VFIO_TEST_H */
