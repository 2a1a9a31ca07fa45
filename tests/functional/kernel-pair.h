/*
 * Pairs of QEMUs with devices of the kernel test driver
 *
 * Owns: cases with pairs, and what there is to a pair besides vfio-test.h: its
 * registers, which must be as they were and go on.
 * Does not own: the devices (kernel-device.h), a side (sim-helpers.h).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_FUNCTIONAL_KERNEL_PAIR_H
#define TESTS_FUNCTIONAL_KERNEL_PAIR_H

#include "kernel-device.h"
#include "vfio-test.h"

/* kernel_pair_set: a key of all devices of both sides, before the start. */
void kernel_pair_set(VFIOPair *pair, const char *key, const char *value);

/* kernel_pair_much_precopy: the devices always have data to give. */
void kernel_pair_much_precopy(VFIOPair *pair);

/*
 * kernel_pair_in_precopy: wait till device data has been sent, or all memory
 * once if the device has no data in pre-copy.
 */
void kernel_pair_in_precopy(VFIOPair *pair);

/*
 * kernel_pair_check: vfio_pair_check(), and registers are as they were, and
 * the devices write to memory.
 */
void kernel_pair_check(VFIOPair *pair);

/*
 * kernel_expect_passes: all devices of @side made the transition @first
 * before any of them made @then.
 */
void kernel_expect_passes(VFIOSide *side, const char *first,
                          const char *then);

/* kernel_pair_migrate: begin, finish, check. */
void kernel_pair_migrate(VFIOPair *pair);

/* kernel_pair_retry: the source is well; a new destination; migrate. */
void kernel_pair_retry(VFIOPair *pair);

/* A case with a pair that has a mediated device on each side, but for: */
typedef struct KernelCase {
    const char *name;           /* without "kernel/" */
    void (*run)(VFIOPair *pair, const void *data);
    const void *data;
    bool pci;                   /* PCI devices */
    bool two;                   /* one more mediated device each */
    bool v2;                    /* see kernel_side_v2() */
    bool ours;                  /* means nothing for QEMU's own code */
} KernelCase;

/* kernel_add_case: a copy of it. */
void kernel_add_case(const KernelCase *c);

#endif /* TESTS_FUNCTIONAL_KERNEL_PAIR_H */
