/*
 * A device of the kernel test driver (tests/kernel)
 *
 * Owns: creating and removing mediated devices, binding PCI devices, passing a
 * side's configuration to the driver, reading their status.
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
 * How long a migration may take to end or to fail. The VM is an emulated
 * machine on a host that may be busy.
 */
#define KERNEL_END_MS 90000

/* Time limit of a case: a migration that hangs is detected before that. */
#define KERNEL_CASE_SECONDS 300

/* Polling interval: each query costs the VM's only CPU some milliseconds. */
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
 * kernel_side_new: create a side for devices of the test driver, initially
 * without any; with QEMU's own code if kernel_builtin(). kernel_builtin: was
 * that requested (--builtin)?
 */
VFIOSide *kernel_side_new(const char *name);
bool kernel_builtin(void);

/* kernel_ops: the operations of such a side */
extern const VFIODeviceOps kernel_ops;

/*
 * kernel_side_add: add the side's next device, with small sizes like those of
 * vfio_side_new(): the PCI device at @address, or a mediated one (NULL).
 */
void kernel_side_add(VFIOSide *side, const char *address);

/* kernel_side_v2: all its devices use protocol v2, with P2P and a DMA log. */
void kernel_side_v2(VFIOSide *side);

/* kernel_side_set: set a key for all its devices. */
void kernel_side_set(VFIOSide *side, const char *key, const char *value);

/* Registers of BAR 0 of the @index-th device, through the guest. */
uint32_t kernel_reg(VFIOSide *side, unsigned index, unsigned reg);
void kernel_set_reg(VFIOSide *side, unsigned index, unsigned reg,
                    uint32_t value);

/* kernel_device: the @index-th device of @side */
KernelDevice *kernel_device(const VFIOSide *side, unsigned index);

/*
 * kernel_device_remove: start to remove it through sysfs, as an administrator
 * would; the write returns only when the device is no longer in use. Returns
 * the process that waits for that. kernel_device_removed: has it ended within
 * @timeout_ms?
 */
pid_t kernel_device_remove(KernelDevice *dev);
bool kernel_device_removed(pid_t pid, int timeout_ms);

/* kernel_remove_all: remove devices that an earlier case may have left. */
void kernel_remove_all(void);

/*
 * kernel_device_arc_us: time of its last transition "from>to", in microseconds
 * of the kernel's clock; fails the case if there was none.
 */
int64_t kernel_device_arc_us(const KernelDevice *dev, const char *arc);

/*
 * kernel_log_case: write the case's name to the kernel's log, which
 * scripts/vm-testbed reads after the program has ended.
 */
void kernel_log_case(void);

#endif /* TESTS_FUNCTIONAL_KERNEL_DEVICE_H */
