/*
 * vfio-migrate: the facts by which two hosts are compared
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VFIO_MIGRATE_FACTS_H
#define VFIO_MIGRATE_FACTS_H

#include <stdbool.h>
#include <json-glib/json-glib.h>

#define FACTS_VERSION 1

/*
 * facts_add_device: add to @facts those of the device in the directory @dir
 *
 * Opens the device, which resets it. Adds "device", "migration" and "iommu".
 * If it cannot be opened, the last two are null, the device's "error" is the
 * reason, and its "hint" says what to do, or is null.
 *
 * Returns: whether it can migrate.
 */
bool facts_add_device(JsonObject *facts, const char *dir);

/*
 * facts_collect: the report of "vfio-migrate facts" for the device @name
 *
 * @qemu: path of the QEMU that VMs run with; NULL: the installed one
 *
 * Returns: the object; NULL if there is no such device.
 */
JsonObject *facts_collect(const char *name, const char *qemu);

#endif /* VFIO_MIGRATE_FACTS_H */
