/*
 * One VFIO device that can migrate: the state that hw/vfio shares
 *
 * Locks: the big QEMU lock (BQL) protects what exists, phases and changes of
 * state. VFIODeviceMigration.lock protects single members, for a few
 * instructions; no call that may block is made with it. Work on the device
 * itself is kept apart by a claim, see migration-claim.h. Order: BQL,
 * claim, lock.
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
    VFIO_MIG_PHASE_SAVE,        /* its state is read */
    VFIO_MIG_PHASE_SAVED,       /* all of it was read, and the VM is stopped */
    VFIO_MIG_PHASE_LOAD,        /* its state is written */
    VFIO_MIG_PHASE_LOADED,      /* all of it was written */
} VFIOMigPhase;

/* Where the state of a device came from that has not run since */
typedef enum VFIOMigArrival {
    VFIO_MIG_ARRIVAL_NONE,      /* it has run */
    VFIO_MIG_ARRIVAL_INCOMING,  /* the source has it, too */
    VFIO_MIG_ARRIVAL_SNAPSHOT,  /* loadvm */
} VFIOMigArrival;

/* What VM state handlers do with all devices, one after the other */
typedef enum VFIOMigPass {
    VFIO_MIG_PASS_NONE,
    VFIO_MIG_PASS_STOPS_FIRST,  /* the VM stops: to a P2P state */
    VFIO_MIG_PASS_STOPS,
    VFIO_MIG_PASS_STARTS_FIRST, /* it goes on: to a P2P state */
    VFIO_MIG_PASS_STARTS,
    VFIO_MIG_PASS__MAX,
} VFIOMigPass;

/*
 * A change of a device's state, from its plan to what came of it; see
 * migration-transition.h
 */
typedef struct VFIOMigChange {
    bool planned;               /* the device is claimed for it */
    bool beside;                /* a thread makes it, and is to be joined */
    QemuThread thread;
    int looked;                 /* what vfio_mig_look() returned before */
    VFIOMigState from, target;
    int ret;                    /* 0, or -errno; from is left then, or not */
} VFIOMigChange;

/* In VFIOMigStats: a size that the device did not report */
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
    /* Of the VM, if it were stopped now; or VFIO_MIG_NOT_TOLD */
    uint64_t expected_ms;
    bool expected_is_least;     /* something of it is not known */
} VFIOMigStats;

struct VFIODeviceMigration {
    /*
     * Must stay first, for QEMU's own readers of vbasedev->migration.
     * vm_running is what the VM state handler was told last; nothing else is
     * asked whether the VM runs. BQL
     */
    VFIOMigration base;
    RunState told_state;        /* passed with it. BQL */
    VMChangeStateEntry *stops_first, *starts_first;     /* or NULL */

    const VFIOMigProtocol *protocol;
    VFIOMigTraits traits;       /* constant */
    void *priv;                 /* the protocol's own; claim */
    VFIOMigState state;         /* last known; claim, see vfio_mig_state() */
    Error *quiet_error;         /* of its change to P2P, if any; claim */
    VFIOMigChange change;       /* BQL; till it is joined its thread's */
    VFIOMigPass pass;           /* that was begun last for it; BQL */
    bool ahead;                 /* ... before its own handler's turn; BQL */
    uint64_t refused_arcs;      /* bit = index in traits.arcs; claim */
    unsigned resets;            /* seen so far; written with the claim */
    int64_t change_ns[VFIO_MIG_STATE__MAX]; /* last change to it; claim */

    QemuMutex lock;             /* see the head of this file */
    QemuCond claim_changed;
    bool claimed;               /* lock */
    unsigned claim_waiters;     /* lock; they hold the BQL */

    VFIOMigPhase phase;         /* lock; changes with the BQL */
    VFIOMigSession *session;    /* NULL in phase idle; BQL */
    VFIOMigArrival arrival;     /* BQL */
    bool gone;                  /* unplugged in a session; lock */

    VFIOMigStats stats;
    char *last_error;           /* lock; text of the last failure, or NULL */
    char *last_warning;         /* lock; of the last migration, or NULL */
    uint64_t image_bytes;       /* size of its last state; 0: not known */
    Error *multi_blocker;       /* another device beside this one; BQL */
    char *section_id;           /* its name in streams */
    QLIST_ENTRY(VFIODeviceMigration) next;      /* BQL */
};

/* The object behind @vbasedev, or NULL where it cannot migrate. */
static inline VFIODeviceMigration *vfio_mig_of(VFIODevice *vbasedev)
{
    return (VFIODeviceMigration *)vbasedev->migration;
}

static inline VFIODevice *vfio_mig_dev(VFIODeviceMigration *mig)
{
    return mig->base.vbasedev;
}

/* The last known state of the device, from any thread */
static inline VFIOMigState vfio_mig_state(VFIODeviceMigration *mig)
{
    return qatomic_read(&mig->state);
}

/* State of a device that takes part in no migration: as the VM is. BQL */
static inline VFIOMigState vfio_mig_idle_state(VFIODeviceMigration *mig)
{
    return mig->base.vm_running ? VFIO_MIG_STATE_RUNNING
                                : VFIO_MIG_STATE_STOP;
}

/* State of a device that is saved while the VM runs; BQL or claim */
static inline VFIOMigState vfio_mig_live_state(VFIODeviceMigration *mig)
{
    return mig->traits.precopy ? VFIO_MIG_STATE_PRE_COPY
                               : VFIO_MIG_STATE_RUNNING;
}

/* Callbacks of a device; @opaque of all but @status is the VFIODevice. */
typedef struct VFIOMigCallbacks {
    const SaveVMHandlers *handlers;
    VMChangeStateHandler *vm_state;     /* the VM stops or goes on */
    /* The same, but before any other device is told. With P2P states only */
    VMChangeStateHandler *vm_stops_first;
    VMChangeStateHandler *vm_starts_first;
    void (*status)(Notifier *notifier, void *data);     /* of the migration */
} VFIOMigCallbacks;

/*
 * vfio_mig_device_new: find out how a device migrates, and register it
 *
 * @obj: the device's object, for its memory regions and its id in streams
 *
 * Returns: the object, not yet in @vbasedev; NULL with @errp set, in the
 * user's words, where the device cannot migrate.
 * Locks: needs the BQL.
 */
VFIODeviceMigration *vfio_mig_device_new(VFIODevice *vbasedev, Object *obj,
                                         const VFIOMigCallbacks *callbacks,
                                         Error **errp);

/*
 * vfio_mig_device_leave: the device is unplugged
 *
 * No callback is called any more. If a session uses the device, which the
 * caller must have failed, the object is freed when that ends, else here.
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
 * Returns: the next device, or NULL. Those that were unplugged do not count.
 * Locks: needs the BQL.
 */
VFIODeviceMigration *vfio_mig_device_next(VFIODeviceMigration *mig);

/* Are there several devices that can migrate? BQL */
bool vfio_mig_devices_are_several(void);

/*
 * vfio_mig_vm_runs: does the VM run, as its devices see it?
 *
 * A guest in S3 counts as running: nobody stopped its devices. If there is no
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
