/*
 * VM events at each status of a migration
 *
 * Owns: what the parts of the table share: events, statuses, a cell of the
 * table, and the scene that a cell is run in. vm-event-table.c has the cells,
 * vm-event-device.c the devices that they are run with. vm-event-status.c
 * brings a migration to a status, vm-event-do.c triggers an event,
 * vm-event-play.c runs a cell and compares the outcome with the table.
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
    EV_CONT,                    /* after the VM was stopped */
    EV_STOP_CONT,
    EV_RESET,
    EV_FLR,                     /* of the device, by the guest */
    EV_SLEEP,                   /* the guest enters S3 and stays there */
    EV_WAKE,                    /* the guest is in S3 and is woken up */
    EV_EJECT,                   /* of the device, on the guest's initiative */
    EV_DEL_EJECT,               /* after device_del */
    EV_EJECT_FUNCTIONS,         /* of a slot with two functions */
    EV_EJECT_OTHER,             /* of another VFIO device */
    EV_EJECT_DIMM,
    EV_DEVICE_DEL,              /* just requested; nobody ejects */
    EV_DEVICE_ADD,              /* of another VFIO device */
    EV_QUIT,
    EV_POWERDOWN,
    EV_PANIC,                   /* of the guest, which pauses the VM */
    EV_IO_ERROR,                /* the same, for a disk */
    EV_SAVEVM,
    EV_DUMP,
    EV_DIRTY_RATE,
    EV_CANCEL,
    EV_MIGRATE_AGAIN,
    EV_MONITOR_QUERIES,         /* on a second monitor */
    EV_MONITOR_CANCEL,          /* on that monitor */
    NUM_EVENTS,
} VMEvent;

typedef enum VMStatus {
    AT_NONE,                    /* before the migration, which follows */
    AT_SETUP,
    AT_WAIT_UNPLUG,
    AT_RAM,                     /* active, no device data sent yet */
    IN_CHUNK,                   /* active, the second chunk is being read */
    AT_CHUNKS,                  /* active, between chunks */
    AT_SWITCHOVER,              /* pre-switchover */
    AT_DEVICE,                  /* device; reading a chunk in stop-copy */
    AT_CANCELLING,
    AT_FAILED,                  /* it has just failed */
    AT_COMPLETED,               /* it has just completed */
    AT_LOADING,                 /* destination, in a chunk */
    AT_LOADED,                  /* destination, waiting for `cont` */
    NUM_STATUSES,
} VMStatus;

typedef enum VMOutcome {
    COMPLETES,                  /* and everything arrives */
    FAILS,                      /* the source reports why */
    LOAD_FAILS,                 /* the destination reports why */
    CANCELLED,
    MAY_FAIL,                   /* COMPLETES or FAILS: QEMU decides */
    QUITS,                      /* the QEMU of the event exits, status 0 */
    NEVER,                      /* there is no such cell; says why */
} VMOutcome;

/* A cell: what a user must see. */
typedef struct VMCell {
    VMEvent event;
    VMStatus status;
    VMOutcome outcome;
    const char *words;          /* of the failure, or why there is no cell */
    const char *refused;        /* the command's error; NULL: it succeeds */
    const char *src;            /* final "VM/device"; "*" is any state */
    const char *dst;            /* the same at the destination before `cont` */
} VMCell;

extern const VMCell vm_cells[];
extern const unsigned vm_cells_count;

/*
 * The device that all cells are run with
 *
 * A v2 device has records where a v1 device has chunks. For a device without
 * pre-copy some statuses do not exist.
 */
typedef struct VMDevice {
    const char *name;           /* "v1" */
    const char *keys;           /* of its configuration (docs/sim.md) */
    const char *chunk_done;     /* a chunk's line in its transcript */
    const char *load_event;     /* for a fault rule: a chunk is written */
    const char *loaded;         /* its state when loaded, until it runs */
    bool precopy;               /* has pre-copy data */
} VMDevice;

extern const VMDevice vm_devices[];
extern const unsigned vm_devices_count;

/* vm_device: the one used in this run, out of vm_devices. */
extern const VMDevice *vm_device;

/* vm_status_exists: can a migration of the device reach that status? */
bool vm_status_exists(VMStatus status);

/*
 * vm_cell_of_device: the cell for the device, which may differ from the one in
 * the table
 */
const VMCell *vm_cell_of_device(const VMCell *cell);

/* Names in the paths of test cases */
const char *vm_event_name(VMEvent event);
const char *vm_status_name(VMStatus status);

/* A running cell. */
typedef struct VMScene {
    const VMCell *cell;
    bool builtin;               /* QEMU's own code on both sides */
    VFIOPair *pair;
    VFIOSide *where;            /* the side where the event happens */
    char *answer;               /* error of the command, or "" */
    bool gone;                  /* the ejected device has left */
    unsigned leaving;           /* number of DEVICE_DELETED still expected */
    bool added;                 /* the plugged device is present */
    bool again;                 /* the next migration has been started */
} VMScene;

/* ---- vm-event-status.c ---- */

/* vm_status_build: add what @side needs for the status, before its start. */
void vm_status_build(VMScene *scene, VFIOSide *side);

/* vm_status_arm: add fault rules that hold the migration, before the start. */
void vm_status_arm(VMScene *scene);

/* vm_status_bring: start the migration; returns when it is at the status. */
void vm_status_bring(VMScene *scene);

/* vm_status_let_go: release the migration. */
void vm_status_let_go(VMScene *scene);

/* vm_status_is_live: does the VM run at it, with the migration in progress? */
bool vm_status_is_live(VMStatus status);

/* vm_status_clear: remove obstacles to the next migration. */
void vm_status_clear(VMScene *scene);

/* ---- vm-event-do.c ---- */

/* vm_event_build: add what @side needs for the event, before its start. */
void vm_event_build(VMScene *scene, VFIOSide *side);

/* vm_event_before: do what the event needs before the migration. */
void vm_event_before(VMScene *scene);

/* vm_event_do: trigger the event. */
void vm_event_do(VMScene *scene);

/* vm_event_wait_gone: wait for ejected devices, deleted after a migration. */
void vm_event_wait_gone(VMScene *scene);

/* vm_event_resets: does the event reset the device on its side? */
bool vm_event_resets(const VMScene *scene);

/* ---- vm-event-play.c ---- */

/*
 * vm_scene_next_destination: start a destination that fits the current source,
 * after dropping the previous one, whatever its state.
 */
void vm_scene_next_destination(VMScene *scene);

/* vm_cell_play: run a VMCell; for g_test_add_data_func(). */
void vm_cell_play(const void *opaque);

#endif /* TESTS_QTEST_VM_EVENT_H */
