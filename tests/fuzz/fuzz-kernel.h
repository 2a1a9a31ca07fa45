/*
 * A VFIO kernel and driver that are controlled by a fuzzer's input
 *
 * One container, one group (FUZZ_GROUP) and one device, "dev0", of protocol v1
 * or v2. The script is a list of rules for the accesses at which the driver
 * refuses, fails, returns less, or lies; otherwise it is honest. A client that
 * violates the contract ends the process.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_FUZZ_KERNEL_H
#define TESTS_FUZZ_KERNEL_H

#include "hw/vfio/migration-state.h"
#include "fuzz.h"

#define FUZZ_GROUP      "7"

/*
 * fuzz_kernel_begin: create a device, in state running
 *
 * @script: a byte for the protocol and one for each of its knobs in
 *          fuzz-sim.c; then rules: event, first access, number of accesses,
 *          deed, and a number (errno, number of bytes, or false value)
 */
void fuzz_kernel_begin(FuzzInput script);

/*
 * fuzz_kernel_twin: the script of an honest device that can load what the
 * device of @script saves: the same protocol and (v1) size of the state.
 */
FuzzInput fuzz_kernel_twin(FuzzInput script);

/* fuzz_kernel_be_honest: drop all rules. */
void fuzz_kernel_be_honest(void);

/* fuzz_kernel_state: the current state of the device. */
VFIOMigState fuzz_kernel_state(void);

/*
 * fuzz_kernel_lied: was there a lie about the state, or no answer, since the
 * last reset? The client need not know the state then.
 */
bool fuzz_kernel_lied(void);

/*
 * fuzz_kernel_recovery_failed: did a reset, or a transition after one, fail?
 * Then nothing more can help.
 */
bool fuzz_kernel_recovery_failed(void);

/*
 * fuzz_kernel_end: after the device was closed, check that everything was
 * returned and that the client broke no rule.
 */
void fuzz_kernel_end(void);

#endif /* TESTS_FUZZ_KERNEL_H */
