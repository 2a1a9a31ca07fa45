/*
 * Where the kernel's test driver and its devices are found in sysfs and
 * debugfs
 *
 * Owns: paths, and writing to such a file. Used by all tests that run in
 * the VM of scripts/vm-testbed, whatever they open the devices with.
 * Does not own: devices (driver-client.h, kernel-device.h, world-kernel.c).
 * Locks: none.
 * Source: docs/test-driver.md; Documentation/ABI/testing/sysfs-bus-pci and
 * Documentation/driver-api/vfio-mediated-device.rst of Linux.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_KERNEL_DRIVER_FILES_H
#define TESTS_KERNEL_DRIVER_FILES_H

#define DRIVER_MDEV_CREATE "/sys/class/mdev_bus/vfio_mig_test/" \
                           "mdev_supported_types/vfio_mig_test-v1/create"
#define DRIVER_PCI "vfio_mig_test_pci"
#define DRIVER_PCI_BIND "/sys/bus/pci/drivers/" DRIVER_PCI "/bind"
#define DRIVER_PCI_UNBIND "/sys/bus/pci/drivers/" DRIVER_PCI "/unbind"
#define DRIVER_DEBUGFS "/sys/kernel/debug/vfio_mig_test"

#define MDEV_DEVICES "/sys/bus/mdev/devices"
#define PCI_DEVICES "/sys/bus/pci/devices"
#define PCI_PROBE "/sys/bus/pci/drivers_probe"

/* PCI devices behind the IOMMU that scripts/vm-testbed puts there. */
#define KERNEL_PCI_SOURCE "0000:00:10.0"
#define KERNEL_PCI_DESTINATION "0000:00:11.0"

/* driver_missing: why its devices cannot be made here, NULL if they can. */
const char *driver_missing(void);

/*
 * driver_write_file: one write(), as these files want it. Returns 0 or an
 * errno. Allocates nothing: may be called between fork() and _exit().
 */
int driver_write_file(const char *path, const char *text);

/* driver_debug_path: a @file of debugfs; NULL: its directory. Caller frees. */
char *driver_debug_path(const char *device, const char *file);

/* driver_override_path: what names the driver of a PCI device. Caller frees. */
char *driver_override_path(const char *address);

/* driver_mdev_remove_path: to which 1 is written. Caller frees. */
char *driver_mdev_remove_path(const char *uuid);

#endif /* TESTS_KERNEL_DRIVER_FILES_H */
