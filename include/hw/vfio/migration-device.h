/*
 * One VFIO device that can migrate: the state that hw/vfio shares
 *
 * Locks: the big QEMU lock (BQL) protects the existence of objects, phases and
 * changes of state. VFIODeviceMigration.lock protects single members, for a
 * few instructions; no call that may block is made while it is held. Work on
 * the device itself is serialized by a claim, see migration-claim.h. Order:
 * BQL, claim, lock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_DEVICE_H
#define HW_VFIO_MIGRATION_DEVICE_H

#include "hw/vfio/vfio-common.h"
#include "migration/register.h"
#include "qemu/atomic.h"
#include "qemu/thread.h"
#include "sysemu/runstate.h"
#include "hw/vfio/migration-protocol.h"

typedef struct VFIOMigSession VFIOMigSession;

/* What a device does for a migration or a snapshot, see migration-session.h */
typedef enum VFIOMigPhase {
    VFIO_MIG_PHASE_IDLE,        /* nothing */
    VFIO_MIG_PHASE_SETUP,       /* a migration has begun; nothing was read */
    VFIO_MIG_PHASE_SAVE,        /* its state is being read */
    VFIO_MIG_PHASE_SAVED,       /* all of it was read, and the VM is stopped */
    VFIO_MIG_PHASE_LOAD,        /* its state is being written */
    VFIO_MIG_PHASE_LOADED,      /* all of it was written */
} VFIOMigPhase;

/* Where a device's state came from, if it has not run since then */
typedef enum VFIOMigArrival {
    VFIO_MIG_ARRIVAL_NONE,      /* it has run */
    VFIO_MIG_ARRIVAL_INCOMING,  /* a migration; the source still has it */
    VFIO_MIG_ARRIVAL_SNAPSHOT,  /* loadvm */
} VFIOMigArrival;

/* Passes of QEMU over the VM state handlers of all devices */
typedef enum VFIOMigPass {
    VFIO_MIG_PASS_NONE,
    VFIO_MIG_PASS_STOPS_FIRST,  /* the VM stops: to a P2P state */
    VFIO_MIG_PASS_STOPS,
    VFIO_MIG_PASS_STARTS_FIRST, /* it continues: to a P2P state */
    VFIO_MIG_PASS_STARTS,
    VFIO_MIG_PASS__MAX,
} VFIOMigPass;

/*
 * A change of a device's state, from its plan to its outcome; see
 * migration-transition.h
 */
typedef struct VFIOMigChange {
    bool planned;               /* the device is claimed for it */
    bool beside;                /* a thread makes it, and must be joined */
    QemuThread thread;
    int looked;                 /* result of vfio_mig_look() before */
    VFIOMigState from, target;
    int ret;                    /* 0, or -errno; may have left @from then */
} VFIOMigChange;

/* In VFIOMigStats: a value that is not known */
#define VFIO_MIG_NOT_TOLD   UINT64_MAX

/* Figures of the current or last migration; read without a lock. */
typedef struct VFIOMigStats {
    uint64_t transferred_bytes;
    uint64_t chunks;
    uint64_t mapped_bytes;
    uint64_t trapped_bytes;
    uint64_t pending_bytes;     /* as last reported by the device */
    /* As last reported, see VFIOMigSizes, or VFIO_MIG_NOT_TOLD */
    uint64_t initial_bytes;
    uint64_t dirty_bytes;
    uint64_t stop_bytes;
    /* Downtime if the VM were stopped now; or VFIO_MIG_NOT_TOLD */
    uint64_t expected_ms;
    bool expected_is_least;     /* a part of it is not known */
} VFIOMigStats;

struct VFIODeviceMigration {
    /*
     * Must be first, as QEMU's own code accesses vbasedev->migration.
     * vm_running is what the VM state handler was last called with, and the
     * only source for whether the VM runs. BQL
     */
    VFIOMigration base;
    RunState told_state;        /* passed with it. BQL */
    VMChangeStateEntry *stops_first, *starts_first;     /* or NULL */

    const VFIOMigProtocol *protocol;
    VFIOMigTraits traits;       /* constant */
    void *priv;                 /* the protocol's own; claim */
    VFIOMigState state;         /* last known; claim, see vfio_mig_state() */
    Error *quiet_error;         /* of its change to P2P, if any; claim */
    VFIOMigChange change;       /* BQL; its thread's until that is joined */
    VFIOMigPass pass;           /* the last one begun for it; BQL */
    bool ahead;                 /* ... before its own handler's turn; BQL */
    uint64_t refused_arcs;      /* bit = index in traits.arcs; claim */
    unsigned resets;            /* detected so far; written with the claim */
    int64_t change_ns[VFIO_MIG_STATE__MAX]; /* last change to it; claim */

    QemuMutex lock;             /* see the head of this file */
    QemuCond claim_changed;
    bool claimed;               /* lock */
    unsigned claim_waiters;     /* lock; they hold the BQL */

    VFIOMigPhase phase;         /* lock; changes with the BQL */
    VFIOMigSession *session;    /* NULL in phase idle; BQL */
    VFIOMigArrival arrival;     /* BQL */
    bool gone;                  /* unplugged during a session; lock */

    VFIOMigStats stats;
    char *last_error;           /* lock; text of the last failure, or NULL */
    char *last_warning;         /* lock; of the last migration, or NULL */
    uint64_t image_bytes;       /* size of its last state; 0: not known */
    Error *multi_blocker;       /* due to another device; BQL */
    char *section_id;           /* name of its sections in streams */
    QLIST_ENTRY(VFIODeviceMigration) next;      /* BQL */
};

/* The object behind @vbasedev, or NULL if it cannot migrate. */
static inline VFIODeviceMigration *vfio_mig_of(VFIODevice *vbasedev)
{
    return (VFIODeviceMigration *)vbasedev->migration;
}

/* The device of @mig */
static inline VFIODevice *vfio_mig_dev(VFIODeviceMigration *mig)
{
    return mig->base.vbasedev;
}

/* The last known state of the device, from any thread */
static inline VFIOMigState vfio_mig_state(VFIODeviceMigration *mig)
{
    return qatomic_read(&mig->state);
}

/* State of a device outside a migration: that of the VM. BQL */
static inline VFIOMigState vfio_mig_idle_state(VFIODeviceMigration *mig)
{
    return mig->base.vm_running ? VFIO_MIG_STATE_RUNNING
                                : VFIO_MIG_STATE_STOP;
}

/* State of a device that is being saved while the VM runs; BQL or claim */
static inline VFIOMigState vfio_mig_live_state(VFIODeviceMigration *mig)
{
    return mig->traits.precopy ? VFIO_MIG_STATE_PRE_COPY
                               : VFIO_MIG_STATE_RUNNING;
}

/* Callbacks of a device; @opaque of all but @status is the VFIODevice. */
typedef struct VFIOMigCallbacks {
    const SaveVMHandlers *handlers;
    VMChangeStateHandler *vm_state;     /* the VM stops or continues */
    /* The same, but before all others. Only for devices with P2P states */
    VMChangeStateHandler *vm_stops_first;
    VMChangeStateHandler *vm_starts_first;
    void (*status)(Notifier *notifier, void *data);     /* of the migration */
} VFIOMigCallbacks;

/*
 * vfio_mig_device_new: find out how a device can migrate, and register it
 *
 * @obj: the device's object, for its memory regions and its id in streams
 *
 * Returns: the object, not yet in @vbasedev; NULL with @errp set to a message
 * for the user if the device cannot migrate.
 * Locks: needs the BQL.
 */
VFIODeviceMigration *vfio_mig_device_new(VFIODevice *vbasedev, Object *obj,
                                         const VFIOMigCallbacks *callbacks,
                                         Error **errp);

/*
 * vfio_mig_device_leave: the device is unplugged
 *
 * No callback is called any more. If a session uses the device, the caller must
 * have failed that; the object is freed when it ends. Otherwise it is freed
 * here.
 *
 * Locks: needs the BQL.
 */
void vfio_mig_device_leave(VFIODeviceMigration *mig);

/* vfio_mig_device_free: free a device that has left, without a session. BQL */
void vfio_mig_device_free(VFIODeviceMigration *mig);

/*
 * vfio_mig_device_next: walk over the devices that can migrate
 *
 * @mig: NULL for the first one
 *
 * Returns: the next device, or NULL. Unplugged devices are left out.
 * Locks: needs the BQL.
 */
VFIODeviceMigration *vfio_mig_device_next(VFIODeviceMigration *mig);

/* Are there several devices that can migrate? BQL */
bool vfio_mig_devices_are_several(void);

/*
 * vfio_mig_vm_runs: does the VM run, from the point of view of its devices?
 *
 * A guest in S3 counts as running: its devices were not stopped. If there is no
 * device, QEMU's run state decides.
 *
 * Locks: needs the BQL.
 */
bool vfio_mig_vm_runs(void);

/* Count from zero again: at the start of each migration and snapshot. */
void vfio_mig_stats_reset(VFIODeviceMigration *mig);
/* Add @bytes to a counter that other threads read. */
void vfio_mig_stats_add(uint64_t *counter, uint64_t bytes);

#endif /* HW_VFIO_MIGRATION_DEVICE_H */
