/*
 * Dirty tracking in an unmodified QEMU: its memory listeners
 *
 * Locks: everything needs the BQL.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ATTACH_DIRTY_LISTENER_H
#define ATTACH_DIRTY_LISTENER_H

#include "hw/vfio/vfio-common.h"

/* A container whose listener has our callbacks */
typedef struct AttachListener {
    VFIOContainer *container;
    MemoryListener original;    /* callbacks as found; nothing else is used */
    QLIST_ENTRY(AttachListener) next;
} AttachListener;

/* The AttachListener of @container, or NULL */
AttachListener *attach_listener_of(VFIOContainer *container);

/*
 * attach_dirty_tracking: take over the dirty tracking of the VM's containers,
 * if any of its devices can migrate
 *
 * To be called when a device has been added, whether it can migrate or not:
 * writes of a device without migration count as well, in any container. A VM
 * without any device that can migrate is left to QEMU's own code. Containers
 * added without a probe are found when a migration begins.
 *
 * There is no counterpart: a container stays ours until QEMU releases it, as
 * the writes of a device still count after the device is gone.
 */
void attach_dirty_tracking(void);

#endif /* ATTACH_DIRTY_LISTENER_H */
