/*
 * Dirty tracking in a QEMU that cannot be edited: its memory listeners
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
    MemoryListener original;    /* only its callbacks, as they were found */
    QLIST_ENTRY(AttachListener) next;
} AttachListener;

/* That of @container, or NULL */
AttachListener *attach_listener_of(VFIOContainer *container);

/*
 * attach_dirty_tracking: take over the dirty tracking of the VM's containers,
 * if any of its devices can migrate
 *
 * To be called when a device has come, whether it can migrate or not: what
 * a device without migration writes counts too, in any container. A VM none
 * of whose devices can migrate is left to QEMU's own code. A migration that
 * begins looks for containers that came without a probe.
 *
 * There is no counterpart: a container is ours until QEMU lets go of it, as
 * what a device wrote counts after the device has gone.
 */
void attach_dirty_tracking(void);

#endif /* ATTACH_DIRTY_LISTENER_H */
