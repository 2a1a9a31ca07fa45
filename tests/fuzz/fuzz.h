/*
 * Fuzzers: what they share
 *
 * Each fuzzer is one LLVMFuzzerTestOneInput(). It is linked with libFuzzer
 * (meson option fuzz), or with fuzz-replay.c, which runs it over the files of
 * a corpus. An input that breaks a promise of the code under test ends in a
 * failed assertion.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The part of an input that was not used yet; zeros follow its end. */
typedef struct FuzzInput {
    const uint8_t *data;
    size_t size;
} FuzzInput;

uint8_t fuzz_u8(FuzzInput *in);

/*
 * fuzz_number: a number as a hostile peer chooses it
 *
 * A byte says how it is spelled: one or two bytes, an edge (0, 2^12, 2^31,
 * 2^32, 2^40, 2^63, 2^64) with a small difference, or all eight bytes.
 */
uint64_t fuzz_number(FuzzInput *in);

/* Cut the next @size bytes off, or what there is. */
FuzzInput fuzz_cut(FuzzInput *in, size_t size);

#endif /* TESTS_FUZZ_H */
