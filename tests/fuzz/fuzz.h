/*
 * Common declarations of the fuzzers
 *
 * Each fuzzer is one LLVMFuzzerTestOneInput(). It is linked with libFuzzer
 * (meson option fuzz), or with fuzz-replay.c, which runs it with the files of a
 * corpus. If an input makes the code under test break its contract, an
 * assertion fails.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

/* Run one input; called by libFuzzer or fuzz-replay.c. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The unread rest of an input; zeros follow its end. */
typedef struct FuzzInput {
    const uint8_t *data;
    size_t size;
} FuzzInput;

/* fuzz_u8: read one byte. */
uint8_t fuzz_u8(FuzzInput *in);

/*
 * fuzz_number: read a number as a hostile peer would choose it
 *
 * The first byte selects the encoding: one or two bytes, an edge (0, 2^12,
 * 2^20, 2^31, 2^32, 2^40, 2^63, 2^64) with a small difference, or all eight
 * bytes.
 */
uint64_t fuzz_number(FuzzInput *in);

/* fuzz_cut: split off the next @size bytes, or what is left. */
FuzzInput fuzz_cut(FuzzInput *in, size_t size);

#endif /* TESTS_FUZZ_H */
