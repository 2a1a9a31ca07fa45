/*
 * vfio-migrate: facts of a device from sysfs, without opening it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VFIO_MIGRATE_SYSFS_H
#define VFIO_MIGRATE_SYSFS_H

#include <stdbool.h>
#include <json-glib/json-glib.h>

/*
 * sysfs_find: find the sysfs directory of @name
 *
 * @name: a PCI address, the UUID of a mediated device, or a directory
 *
 * Returns: its real path, to be freed; NULL if there is none.
 */
char *sysfs_find(const char *name);

/*
 * sysfs_group: members of the device's IOMMU group, including itself
 *
 * Returns: an array of objects with "name" and "driver" (or null).
 */
JsonArray *sysfs_group(const char *dir);

/*
 * sysfs_is_vfio_driver: is @driver, of the device in @dir, one that assigns
 * devices to VMs?
 */
bool sysfs_is_vfio_driver(const char *dir, const char *driver);

/*
 * sysfs_facts: an object with sysfs's facts of the device in @dir: "name",
 * "driver", "driver-version", "mdev-type" and "group" (null if there is
 * none)
 */
JsonObject *sysfs_facts(const char *dir);

#endif /* VFIO_MIGRATE_SYSFS_H */
