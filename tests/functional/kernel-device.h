/*
 * A device of the kernel test driver (tests/kernel)
 *
 * Owns: making and removing mediated devices, binding PCI devices, their
 * configuration and fault rules, what they say of themselves, the kernel's
 * log.
 * Does not own: the QEMU that uses the device (kernel-side.h).
 * Locks: none. Runs as root, in the testbed's VM (scripts/vm-testbed).
 * Source: docs/test-driver.md; keys and events are those of docs/sim.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_FUNCTIONAL_KERNEL_DEVICE_H
#define TESTS_FUNCTIONAL_KERNEL_DEVICE_H

#include "driver-files.h"
#include "libqtest.h"
#include "qtest-case.h"

typedef struct KernelDevice {
    char *name;                 /* UUID or PCI address */
    bool is_pci;
    GString *config;            /* lines, for the next start */
    GString *faults;
} KernelDevice;

/*
 * kernel_available: is the test driver loaded? If not, the reason to skip.
 */
bool kernel_available(const char **why);

/*
 * kernel_mdev_new: a mediated device. kernel_pci_new: @address, bound to the
 * test driver. Small default sizes, as vfio_side_new() has them.
 */
KernelDevice *kernel_mdev_new(void);
KernelDevice *kernel_pci_new(const char *address);

/* kernel_device_copy: another device of the kind, without fault rules. */
KernelDevice *kernel_device_copy(const KernelDevice *from);

/*
 * kernel_device_free: remove it; it must be closed by then, or be within
 * 5 s.
 */
void kernel_device_free(KernelDevice *dev);

/*
 * kernel_device_remove: begin to remove it as an administrator would, by
 * sysfs; the write returns only when the device is not in use any more.
 * Returns the process that waits there. kernel_device_removed: has it ended
 * within @timeout_ms?
 */
pid_t kernel_device_remove(KernelDevice *dev);
bool kernel_device_removed(pid_t pid, int timeout_ms);

/* kernel_remove_all: what an earlier case may have left. */
void kernel_remove_all(void);

/* kernel_device_set: a key, from the next start on. */
void kernel_device_set(KernelDevice *dev, const char *key, const char *fmt,
                       ...) G_GNUC_PRINTF(3, 4);

/* kernel_device_fault: a rule, its keys as "event=data-read;errno=EIO". */
void kernel_device_fault(KernelDevice *dev, const char *name,
                         const char *keys);

/* kernel_device_v2: it speaks protocol v2, with P2P and a DMA log. */
void kernel_device_v2(KernelDevice *dev);

/* kernel_device_apply: give the driver both. The device is closed. */
void kernel_device_apply(KernelDevice *dev);

/* Its status, and one word or number of it. Caller owns them. */
QDict *kernel_device_status(const KernelDevice *dev);
char *kernel_device_str(const KernelDevice *dev, const char *key);
int64_t kernel_device_int(const KernelDevice *dev, const char *key);

/* The same of its DMA log */
int64_t kernel_device_log_int(const KernelDevice *dev, const char *key);

/* kernel_device_transcript: all of it. Caller frees. */
char *kernel_device_transcript(const KernelDevice *dev);

/* kernel_device_arcs: its transitions as "running>pre-copy ...". */
char *kernel_device_arcs(const KernelDevice *dev);

/*
 * kernel_device_arc_us: when it made the transition "from>to" for the last
 * time, in microseconds of the kernel's clock; fails the case if never.
 */
int64_t kernel_device_arc_us(const KernelDevice *dev, const char *arc);

/* kernel_device_fired: how often a fault rule has fired. */
unsigned kernel_device_fired(const KernelDevice *dev, const char *fault);

/* kernel_device_path: where sysfs has it. Caller frees. */
char *kernel_device_path(const KernelDevice *dev);

/*
 * kernel_log_begin: what comes after this belongs to the case.
 * kernel_log_check: fail the case if there is a warning or worse in it, by
 * the patterns that scripts/vm-testbed uses too.
 */
void kernel_log_begin(void);
void kernel_log_check(void);

#endif /* TESTS_FUNCTIONAL_KERNEL_DEVICE_H */
