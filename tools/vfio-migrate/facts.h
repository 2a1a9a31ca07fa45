/*
 * vfio-migrate: all that two hosts are compared by
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VFIO_MIGRATE_FACTS_H
#define VFIO_MIGRATE_FACTS_H

#include <stdbool.h>
#include <json-glib/json-glib.h>

#define FACTS_VERSION 1

/*
 * facts_add_device: add to @facts what the device in the directory @dir is
 *
 * Opens the device, which resets it. Adds "device", "migration" and "iommu";
 * where it cannot be opened the last two are null, the device's "error" says
 * why, and its "hint", or null, what to do.
 *
 * Returns: whether it can migrate.
 */
bool facts_add_device(JsonObject *facts, const char *dir);

/*
 * facts_collect: the report of "vfio-migrate facts" of the device @name
 *
 * @qemu: path of the QEMU that VMs run with; NULL: the one that is installed
 *
 * Returns: the object; NULL where there is no such device.
 */
JsonObject *facts_collect(const char *name, const char *qemu);

#endif /* VFIO_MIGRATE_FACTS_H */
