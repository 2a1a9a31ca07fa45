/*
 * vfio-migrate: what sysfs says of a device, which opens nothing
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VFIO_MIGRATE_SYSFS_H
#define VFIO_MIGRATE_SYSFS_H

#include <stdbool.h>
#include <json-glib/json-glib.h>

/*
 * sysfs_find: the directory of sysfs that @name stands for
 *
 * @name: a PCI address, the UUID of a mediated device, or a directory
 *
 * Returns: where it really is, to be freed; NULL where there is none.
 */
char *sysfs_find(const char *name);

/*
 * sysfs_group: members of the device's IOMMU group, itself among them
 *
 * Returns: an array of objects with "name" and "driver" (or null).
 */
JsonArray *sysfs_group(const char *dir);

/*
 * sysfs_is_vfio_driver: whether @driver, of the device in @dir, is one that
 * gives devices to VMs
 */
bool sysfs_is_vfio_driver(const char *dir, const char *driver);

/*
 * sysfs_facts: an object of what sysfs says of the device in @dir: "name",
 * "driver", "driver-version", "mdev-type" and "group" (null where there is
 * none)
 */
JsonObject *sysfs_facts(const char *dir);

#endif /* VFIO_MIGRATE_SYSFS_H */
