/*
 * Whose turn it is to send, while the VM runs
 *
 * The devices of a migration share its rate limit with each other and with
 * RAM. Each device has its turn after the others have had theirs, and none as
 * long as they have sent more than the limit allows.
 *
 * Locks: all of it belongs to the migration thread, but for the functions that
 * need the BQL: while they are called that thread is in one of them, or gone.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_TURNS_H
#define HW_VFIO_MIGRATION_TURNS_H

#include "hw/vfio/migration-device.h"

/*
 * vfio_mig_turns_join, vfio_mig_turns_leave: the device takes part, with its
 * session, or no longer. BQL
 *
 * To leave without having joined does nothing.
 */
void vfio_mig_turns_join(VFIODeviceMigration *mig);
void vfio_mig_turns_leave(VFIODeviceMigration *mig);

/* vfio_mig_turns_devices: those that take part; NULL: none. Do not free it. */
GPtrArray *vfio_mig_turns_devices(void);

/*
 * vfio_mig_turns_look: QEMU asks what is pending
 *
 * Pays of what devices have sent too much. Where RAM has kept all of them from
 * their turns for a while, they have one now: sections are written to @f, so
 * that this is for outside of any.
 *
 * Locks: without the BQL, and no claim.
 */
void vfio_mig_turns_look(QEMUFile *f);

/* Is it the devices' turn alone, within vfio_mig_turns_look()? */
bool vfio_mig_turns_of_devices(void);

/*
 * vfio_mig_turns_may_send: is it the turn of @mig, or does it not take part?
 */
bool vfio_mig_turns_may_send(VFIODeviceMigration *mig);

/*
 * vfio_mig_turns_begin, vfio_mig_turns_end: bracket its turn
 *
 * @f: what it has sent to
 */
void vfio_mig_turns_begin(VFIODeviceMigration *mig);
void vfio_mig_turns_end(VFIODeviceMigration *mig, QEMUFile *f);

#endif /* HW_VFIO_MIGRATION_TURNS_H */
