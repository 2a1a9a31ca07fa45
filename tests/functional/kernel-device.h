/*
 * A device of the kernel test driver (tests/kernel)
 *
 * Owns: making and removing mediated devices, binding PCI devices, giving the
 * driver what a side has for them, reading what they say of themselves.
 * Does not own: the side, its configuration and its QEMU (sim-helpers.h).
 * Locks: none. Runs as root, in the testbed's VM (scripts/vm-testbed).
 * Source: docs/test-driver.md; keys and events are those of docs/sim.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_FUNCTIONAL_KERNEL_DEVICE_H
#define TESTS_FUNCTIONAL_KERNEL_DEVICE_H

#include "driver-files.h"
#include "sim-helpers.h"

/*
 * How long a migration may take to end or to say that it failed. The VM is
 * an emulated machine on a host that may be busy.
 */
#define KERNEL_END_MS 90000

/* Of a case: a migration that hangs ends before as one that has no end. */
#define KERNEL_CASE_SECONDS 300

/* Between looks: each costs the VM's one processor some milliseconds. */
#define KERNEL_POLL_MS 50

typedef struct KernelDevice {
    char *name;                 /* UUID or PCI address */
    bool is_pci;
} KernelDevice;

/*
 * kernel_available: is the test driver loaded? If not, the reason to skip.
 */
bool kernel_available(const char **why);

/*
 * kernel_side_new: a side whose devices are of the test driver, and which has
 * none yet; with QEMU's own code if kernel_builtin(). kernel_builtin: was it
 * asked for (--builtin)?
 */
VFIOSide *kernel_side_new(const char *name);
bool kernel_builtin(void);

/* kernel_ops: what such a side has. */
extern const VFIODeviceOps kernel_ops;

/*
 * kernel_side_add: the side's next device, of small sizes, as those of
 * vfio_side_new(): the PCI device at @address, or a mediated one (NULL).
 */
void kernel_side_add(VFIOSide *side, const char *address);

/* kernel_side_v2: all its devices speak protocol v2, with P2P and a DMA log. */
void kernel_side_v2(VFIOSide *side);

/* kernel_side_set: a key of all its devices. */
void kernel_side_set(VFIOSide *side, const char *key, const char *value);

/* Registers of BAR 0 of the @index-th device, through the guest. */
uint32_t kernel_reg(VFIOSide *side, unsigned index, unsigned reg);
void kernel_set_reg(VFIOSide *side, unsigned index, unsigned reg,
                    uint32_t value);

/* kernel_device: the @index-th of @side. */
KernelDevice *kernel_device(const VFIOSide *side, unsigned index);

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

/*
 * kernel_device_arc_us: when it made the transition "from>to" for the last
 * time, in microseconds of the kernel's clock; fails the case if never.
 */
int64_t kernel_device_arc_us(const KernelDevice *dev, const char *arc);

/*
 * kernel_log_case: a line with the case's name in the kernel's log, which
 * scripts/vm-testbed reads when the program has ended.
 */
void kernel_log_case(void);

#endif /* TESTS_FUNCTIONAL_KERNEL_DEVICE_H */
