/*
 * Events of a VM's life, at each status of its migration
 *
 * Owns: what the parts of the table share: the events, the statuses, a cell
 * of the table, and the scene in which a cell is played.
 * vm-event-table.c has the cells, vm-event-device.c the devices that they are
 * played with, vm-event-status.c brings a migration to a status, vm-event-do.c makes an event happen, vm-event-play.c plays a cell
 * and holds what came of it against the table.
 * Does not own: pairs of QEMUs (vfio-test.h).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_VM_EVENT_H
#define TESTS_QTEST_VM_EVENT_H

#include "vfio-test.h"

typedef enum VMEvent {
    EV_STOP,
    EV_CONT,                    /* the VM was stopped before */
    EV_STOP_CONT,
    EV_RESET,
    EV_FLR,                     /* of the device, by the guest */
    EV_SLEEP,                   /* the guest falls asleep (S3), stays so */
    EV_WAKE,                    /* it slept before, and is woken up */
    EV_EJECT,                   /* of the device, by the guest's own will */
    EV_DEL_EJECT,               /* device_del was sent before */
    EV_EJECT_FUNCTIONS,         /* of a slot with two functions */
    EV_EJECT_OTHER,             /* of another VFIO device */
    EV_EJECT_DIMM,
    EV_DEVICE_DEL,              /* only asked for; nobody ejects */
    EV_DEVICE_ADD,              /* of another VFIO device */
    EV_QUIT,
    EV_POWERDOWN,
    EV_PANIC,                   /* of the guest, which pauses the VM */
    EV_IO_ERROR,                /* the same, of a disk */
    EV_SAVEVM,
    EV_DUMP,
    EV_DIRTY_RATE,
    EV_CANCEL,
    EV_MIGRATE_AGAIN,
    EV_MONITOR_QUERIES,         /* of a second monitor */
    EV_MONITOR_CANCEL,          /* from it */
    NUM_EVENTS,
} VMEvent;

typedef enum VMStatus {
    AT_NONE,                    /* before the migration, which then comes */
    AT_SETUP,
    AT_WAIT_UNPLUG,
    AT_RAM,                     /* active, none of the device's data sent */
    IN_CHUNK,                   /* active, the second chunk is being read */
    AT_CHUNKS,                  /* active, between chunks */
    AT_SWITCHOVER,              /* pre-switchover */
    AT_DEVICE,                  /* device; a chunk is read in stop-copy */
    AT_CANCELLING,
    AT_FAILED,                  /* just now */
    AT_COMPLETED,               /* just now */
    AT_LOADING,                 /* the destination, in a chunk */
    AT_LOADED,                  /* the destination, which waits for `cont` */
    NUM_STATUSES,
} VMStatus;

typedef enum VMOutcome {
    COMPLETES,                  /* and all arrived */
    FAILS,                      /* the source says why */
    LOAD_FAILS,                 /* the destination says why */
    CANCELLED,
    MAY_FAIL,                   /* COMPLETES, or FAILS: QEMU decides */
    QUITS,                      /* the QEMU of the event ends, status 0 */
    NEVER,                      /* there is no such cell, and why */
} VMOutcome;

/* What a user must get. */
typedef struct VMCell {
    VMEvent event;
    VMStatus status;
    VMOutcome outcome;
    const char *words;          /* of the failure, or why there is no cell */
    const char *refused;        /* the command's error; NULL: it is taken */
    const char *src;            /* "VM/device" in the end, "*" is any */
    const char *dst;            /* the same, before `cont` */
} VMCell;

extern const VMCell vm_cells[];
extern const unsigned vm_cells_count;

/*
 * The device that all cells are played with
 *
 * A device of protocol v2 has records where one of v1 has chunks; one that
 * cannot be read while it runs is never seen in some statuses.
 */
typedef struct VMDevice {
    const char *name;           /* "v1" */
    const char *keys;           /* of its configuration (docs/sim.md) */
    const char *chunk_done;     /* its transcript's line of a chunk */
    const char *load_event;     /* of a fault rule: a chunk is written */
    const char *loaded;         /* its state before it runs */
    bool precopy;               /* it can be read while it runs */
} VMDevice;

extern const VMDevice vm_devices[];
extern const unsigned vm_devices_count;

/* vm_device: that of this run, one of vm_devices. */
extern const VMDevice *vm_device;

/* vm_status_exists: can a migration of the device be brought to it? */
bool vm_status_exists(VMStatus status);

/*
 * vm_cell_of_device: what a user must get with the device, which may be
 * something else than the table says
 */
const VMCell *vm_cell_of_device(const VMCell *cell);

/* Their names in the paths of test cases */
const char *vm_event_name(VMEvent event);
const char *vm_status_name(VMStatus status);

/* A cell that is played. */
typedef struct VMScene {
    const VMCell *cell;
    bool builtin;               /* QEMU's own code on both sides */
    VFIOPair *pair;
    VFIOSide *where;            /* the side that the event happens to */
    char *answer;               /* what the command was refused with, or "" */
    bool gone;                  /* what was to be ejected has left */
    unsigned leaving;           /* devices, DEVICE_DELETED is to come */
    bool added;                 /* what was to be plugged is there */
    bool again;                 /* the next migration was begun already */
} VMScene;

/* ---- vm-event-status.c ---- */

/* vm_status_build: what @side needs for the status; before its start. */
void vm_status_build(VMScene *scene, VFIOSide *side);

/* vm_status_arm: fault rules that hold the migration; before the start. */
void vm_status_arm(VMScene *scene);

/* vm_status_bring: start the migration; returns while it is there. */
void vm_status_bring(VMScene *scene);

/* vm_status_let_go: what held it holds it no more. */
void vm_status_let_go(VMScene *scene);

/* vm_status_is_live: the VM still runs at it, and its migration goes on. */
bool vm_status_is_live(VMStatus status);

/* vm_status_clear: the next migration meets no obstacle. */
void vm_status_clear(VMScene *scene);

/* ---- vm-event-do.c ---- */

/* vm_event_build: what @side needs for the event; before its start. */
void vm_event_build(VMScene *scene, VFIOSide *side);

/* vm_event_before: what comes before the migration. */
void vm_event_before(VMScene *scene);

/* vm_event_do: let it happen. */
void vm_event_do(VMScene *scene);

/* vm_event_wait_gone: what was ejected is let go once a migration is over. */
void vm_event_wait_gone(VMScene *scene);

/* vm_event_resets: whether it resets the device on the side it happens to. */
bool vm_event_resets(const VMScene *scene);

/* ---- vm-event-play.c ---- */

/*
 * vm_scene_next_destination: start one, as the source is now; the one before
 * is dropped, in whatever state it is.
 */
void vm_scene_next_destination(VMScene *scene);

/* vm_cell_play: a test case for g_test_add_data_func(), with a VMCell. */
void vm_cell_play(const void *opaque);

#endif /* TESTS_QTEST_VM_EVENT_H */
