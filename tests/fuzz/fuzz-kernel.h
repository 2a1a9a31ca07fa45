/*
 * A VFIO kernel and driver that an input of a fuzzer plays
 *
 * One container, one group (FUZZ_GROUP) and one device, "dev0", of protocol
 * v1 or v2. The script is a list of rules that say at which accesses the
 * driver refuses, fails, gives a part, or lies; otherwise it is honest. What
 * a client of the contract must never do ends the process.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_FUZZ_KERNEL_H
#define TESTS_FUZZ_KERNEL_H

#include "hw/vfio/migration-state.h"
#include "fuzz.h"

#define FUZZ_GROUP      "7"

/*
 * fuzz_kernel_begin: a new device, in state running
 *
 * @script: a byte for the protocol and one for each of its knobs in
 *          fuzz-sim.c; then rules: event, first access, number of accesses,
 *          deed, and a number (of an errno, of bytes, or the lie)
 */
void fuzz_kernel_begin(FuzzInput script);

/*
 * The script of an honest device that loads what the one that is there, of
 * @script, saves: of its protocol, and a state of its size (v1).
 */
FuzzInput fuzz_kernel_twin(FuzzInput script);

/* Forget the rules: honest from now on. */
void fuzz_kernel_be_honest(void);

/* The state that the device is in. */
VFIOMigState fuzz_kernel_state(void);

/*
 * Was there a lie about the state, or no answer, since the last reset? The
 * client cannot know the state then, and is not asked to.
 */
bool fuzz_kernel_lied(void);

/* Did a reset fail, or a transition after one? Then nothing more can help. */
bool fuzz_kernel_recovery_failed(void);

/* The device was closed: is all back that was given out, and no rule broken? */
void fuzz_kernel_end(void);

#endif /* TESTS_FUZZ_KERNEL_H */
