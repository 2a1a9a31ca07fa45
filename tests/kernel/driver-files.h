/*
 * Files of the kernel's test driver and its devices in sysfs and debugfs
 *
 * Owns: paths, reading and writing of these files, and an administrator's
 * actions with them. Used by all tests that run in the VM of
 * scripts/vm-testbed, whatever opens the devices.
 * Does not own: devices (driver-client.h, kernel-device.h, world-kernel.c).
 * Locks: none.
 * Source: docs/test-driver.md; Documentation/ABI/testing/sysfs-bus-pci and
 * Documentation/driver-api/vfio-mediated-device.rst of Linux.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_KERNEL_DRIVER_FILES_H
#define TESTS_KERNEL_DRIVER_FILES_H

#include <glib.h>

#define DRIVER_MDEV_CREATE "/sys/class/mdev_bus/vfio_mig_test/" \
                           "mdev_supported_types/vfio_mig_test-v1/create"
#define DRIVER_PCI "vfio_mig_test_pci"
#define DRIVER_DEBUGFS "/sys/kernel/debug/vfio_mig_test"

#define MDEV_DEVICES "/sys/bus/mdev/devices"
#define PCI_DEVICES "/sys/bus/pci/devices"

/* PCI devices behind the IOMMU, created by scripts/vm-testbed */
#define KERNEL_PCI_SOURCE "0000:00:10.0"
#define KERNEL_PCI_DESTINATION "0000:00:11.0"

/* driver_missing: why devices cannot be created here; NULL if they can. */
const char *driver_missing(void);

/*
 * driver_write_file: write @text in one write(), as these files require.
 * Returns 0 or an errno. Allocates nothing: may be called between fork() and
 * _exit().
 */
int driver_write_file(const char *path, const char *text);

/* driver_debug_path: path of @file in debugfs; NULL: the directory. To free. */
char *driver_debug_path(const char *device, const char *file);

/* driver_debug_read: content of such a file. Caller frees. */
char *driver_debug_read(const char *device, const char *file, GError **error);

/* driver_debug_write: write such a file. Returns 0 or an errno. */
int driver_debug_write(const char *device, const char *file, const char *text);

/* driver_bind_pci: bind a PCI device that has no driver. 0 or an errno. */
int driver_bind_pci(const char *address);

/*
 * driver_remove: remove an mdev, or unbind a PCI device. Returns 0 or an errno,
 * once the device is no longer open. Allocates nothing, as above.
 */
int driver_remove(const char *device);

#endif /* TESTS_KERNEL_DRIVER_FILES_H */
