/*
 * Pairs of QEMUs with devices of the kernel test driver
 *
 * Owns: cases with pairs, and additions to vfio-test.h: the devices' registers,
 * which must be preserved and continue to change.
 * Does not own: the devices (kernel-device.h), a side (sim-helpers.h).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_FUNCTIONAL_KERNEL_PAIR_H
#define TESTS_FUNCTIONAL_KERNEL_PAIR_H

#include "kernel-device.h"
#include "vfio-test.h"

/* kernel_pair_set: set a key of all devices of both sides; before the start. */
void kernel_pair_set(VFIOPair *pair, const char *key, const char *value);

/* kernel_pair_much_precopy: make the devices always have data in pre-copy. */
void kernel_pair_much_precopy(VFIOPair *pair);

/*
 * kernel_pair_in_precopy: wait until device data has been sent, or all memory
 * once if the device has no data in pre-copy.
 */
void kernel_pair_in_precopy(VFIOPair *pair);

/*
 * kernel_pair_check: vfio_pair_check(), and check that registers are preserved
 * and the devices write to memory.
 */
void kernel_pair_check(VFIOPair *pair);

/*
 * kernel_expect_passes: assert that all devices of @side made the transition
 * @first before any of them made @then.
 */
void kernel_expect_passes(VFIOSide *side, const char *first,
                          const char *then);

/* kernel_pair_migrate: migrate, and check the result. */
void kernel_pair_migrate(VFIOPair *pair);

/* kernel_pair_retry: check the source, and migrate to a new destination. */
void kernel_pair_retry(VFIOPair *pair);

/* A case with a pair; by default with a mediated device on each side */
typedef struct KernelCase {
    const char *name;           /* without "kernel/" */
    void (*run)(VFIOPair *pair, const void *data);
    const void *data;
    bool pci;                   /* PCI devices */
    bool two;                   /* another mediated device on each side */
    bool v2;                    /* see kernel_side_v2() */
    bool ours;                  /* not applicable to QEMU's own code */
} KernelCase;

/* kernel_add_case: add a copy of @c. */
void kernel_add_case(const KernelCase *c);

#endif /* TESTS_FUNCTIONAL_KERNEL_PAIR_H */
