/*
 * vfio-migrate: what an open device, and the IOMMU that it is behind, offer
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VFIO_MIGRATE_PROBE_H
#define VFIO_MIGRATE_PROBE_H

#include <json-glib/json-glib.h>
#include "hw/vfio/vfio-common.h"

/*
 * probe_device: add to @facts what the device tells: "reset", "config" (its
 * config space in hexadecimal), "regions" and "interrupts"
 */
void probe_device(VFIODevice *vbasedev, JsonObject *facts);

/*
 * probe_migration: an object of how it migrates: "protocol" ("v1", "v2" or
 * "none"), "blocker" (why it cannot, or null), and what the protocol tells
 *
 * The device has just been opened, and is to be closed afterwards: it may
 * have been stopped.
 *
 * @blocker: of this device, as QEMU would say it; NULL: none
 */
JsonObject *probe_migration(VFIODevice *vbasedev, const char *blocker);

/* probe_iommu: an object of what the container of the device tells. */
JsonObject *probe_iommu(VFIODevice *vbasedev);

/* probe_v2_words: "stop-copy, p2p": a v2 device's flags as one text */
char *probe_v2_words(JsonObject *migration);

#endif /* VFIO_MIGRATE_PROBE_H */
