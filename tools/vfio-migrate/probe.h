/*
 * vfio-migrate: capabilities of an open device and of its IOMMU
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VFIO_MIGRATE_PROBE_H
#define VFIO_MIGRATE_PROBE_H

#include <json-glib/json-glib.h>
#include "hw/vfio/vfio-common.h"

/*
 * probe_device: add to @facts what the device reports: "reset", "config" (its
 * config space in hexadecimal), "regions" and "interrupts"
 */
void probe_device(VFIODevice *vbasedev, JsonObject *facts);

/*
 * probe_migration: an object that says how it migrates: "protocol" ("v1",
 * "v2" or "none"), "blocker" (why it cannot, or null), and protocol-specific
 * members
 *
 * The device must be freshly opened, and closed afterwards: it may have been
 * stopped.
 *
 * @blocker: the reason why it cannot, in QEMU's words; NULL: none
 */
JsonObject *probe_migration(VFIODevice *vbasedev, const char *blocker);

/* probe_iommu: an object with the properties of the device's container */
JsonObject *probe_iommu(VFIODevice *vbasedev);

/* probe_v2_words: the flags of a v2 device as text: "stop-copy, p2p" */
char *probe_v2_words(JsonObject *migration);

#endif /* VFIO_MIGRATE_PROBE_H */
