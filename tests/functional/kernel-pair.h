/*
 * Pairs of QEMUs with devices of the kernel test driver
 *
 * Owns: what there is to a pair besides vfio-test.h: which devices it has,
 * their registers, which must be as they were and go on.
 * Does not own: the devices (kernel-device.h), a side (sim-helpers.h).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_FUNCTIONAL_KERNEL_PAIR_H
#define TESTS_FUNCTIONAL_KERNEL_PAIR_H

#include "kernel-device.h"
#include "vfio-test.h"

/*
 * kernel_pair_new: two sides without devices, for vfio_pair_free().
 * kernel_pair_new_mdev: with a mediated device each. kernel_pair_new_pci:
 * with a PCI device each.
 */
VFIOPair *kernel_pair_new(void);
VFIOPair *kernel_pair_new_mdev(void);
VFIOPair *kernel_pair_new_pci(void);

/* kernel_pair_add_mdev: one more device on each side. */
void kernel_pair_add_mdev(VFIOPair *pair);

/* kernel_pair_v2: all devices of both sides, see kernel_side_v2(). */
void kernel_pair_v2(VFIOPair *pair);

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

/* kernel_add_case: a case; the kernel's log is checked after it. */
void kernel_add_case(const char *name, void (*fn)(const void *),
                     const void *data);

#endif /* TESTS_FUNCTIONAL_KERNEL_PAIR_H */
