/*
 * Read the transcript of test devices
 *
 * Owns: parsing the lines described in docs/sim.md, which the simulated device
 * and the kernel's test driver both write.
 * Does not own: where a transcript comes from (sim-helpers.h).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_TRANSCRIPT_HELPERS_H
#define TESTS_QTEST_TRANSCRIPT_HELPERS_H

#include "libqtest.h"

/* transcript_count: number of occurrences of @words in any text. */
unsigned transcript_count(const char *transcript, const char *words);

/* transcript_fired: how often the fault rule @fault has fired. */
unsigned transcript_fired(const char *transcript, const char *fault);

/*
 * transcript_arcs: state transitions that the driver has made for @device
 * (NULL: any), as "running>pre-copy pre-copy>stop-copy". Caller frees.
 */
char *transcript_arcs(const char *transcript, const char *device);

typedef struct TranscriptMoved {
    int64_t chunks, bytes;
} TranscriptMoved;

/*
 * transcript_moved: count the chunks of @device from the lines of @event:
 * "chunk-done" at a source, "chunk-loaded" at a destination.
 */
TranscriptMoved transcript_moved(const char *transcript, const char *device,
                                 const char *event);

/* transcript_expect_clean: fail the case if @who has violated the contract. */
void transcript_expect_clean(const char *transcript, const char *who);

/* transcript_print_end: print the last lines to stderr, for a failed case. */
void transcript_print_end(const char *transcript, const char *who);

#endif /* TESTS_QTEST_TRANSCRIPT_HELPERS_H */
