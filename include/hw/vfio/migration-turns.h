/*
 * Whose turn it is to send, while the VM runs
 *
 * The devices of a migration share its rate limit with each other and with
 * RAM. Each device has its turn after the others have had theirs, and none has
 * one as long as they have exceeded the limit.
 *
 * Locks: all of it belongs to the migration thread, except for the functions
 * that need the BQL: these are called either by that thread, or when it does
 * not exist.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_TURNS_H
#define HW_VFIO_MIGRATION_TURNS_H

#include "hw/vfio/migration-device.h"

/*
 * vfio_mig_turns_join, vfio_mig_turns_leave: the device, which has a session,
 * takes part from now on, or no longer. BQL
 *
 * Leaving without having joined has no effect.
 */
void vfio_mig_turns_join(VFIODeviceMigration *mig);
void vfio_mig_turns_leave(VFIODeviceMigration *mig);

/* vfio_mig_turns_devices: those that take part; NULL: none. Do not free. */
GPtrArray *vfio_mig_turns_devices(void);

/*
 * vfio_mig_turns_look: QEMU asks what is pending
 *
 * Pays part of the devices' debt. If RAM has kept all of them from having turns
 * for a while, they have theirs now: this writes sections to @f, so it must not
 * be called inside a section.
 *
 * Locks: neither the BQL nor a claim may be held.
 */
void vfio_mig_turns_look(QEMUFile *f);

/* Is this a round of the devices only, in vfio_mig_turns_look()? */
bool vfio_mig_turns_of_devices(void);

/*
 * vfio_mig_turns_may_send: is it the turn of @mig? Also true if @mig does not
 * take part
 */
bool vfio_mig_turns_may_send(VFIODeviceMigration *mig);

/*
 * vfio_mig_turns_begin, vfio_mig_turns_end: bracket the turn of @mig
 *
 * @f: the stream that it has sent to
 */
void vfio_mig_turns_begin(VFIODeviceMigration *mig);
void vfio_mig_turns_end(VFIODeviceMigration *mig, QEMUFile *f);

#endif /* HW_VFIO_MIGRATION_TURNS_H */
