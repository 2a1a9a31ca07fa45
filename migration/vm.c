/*
 * The VM of the stand-alone host: run state and main loop
 *
 * Owns: the run state, the handlers called when the VM starts or stops,
 * requests to stop it, and bottom halves. There are no virtual CPUs: "running"
 * is only what the devices are told.
 *
 * Lock: the BQL, for all of it.
 *
 * Source: QEMU 7.2's softmmu/runstate.c and softmmu/cpus.c, for the order of
 * calls: the state changes first, then the handlers are called, in order for a
 * start and in reverse order for a stop; a VM that does not run is not stopped.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "migration/global_state.h"
#include "sysemu/runstate.h"
#include "migration/standalone.h"

struct VMChangeStateEntry {
    VMChangeStateHandler *cb;
    void *opaque;
    int priority;
};

static RunState run_state = RUN_STATE_PRELAUNCH;
static RunState stop_request = RUN_STATE__MAX;
static GList *change_handlers;      /* of VMChangeStateEntry; in order */

/* The run states that this host supports */
static const char *const run_state_names[RUN_STATE__MAX] = {
    [RUN_STATE_INMIGRATE] = "inmigrate",
    [RUN_STATE_INTERNAL_ERROR] = "internal-error",
    [RUN_STATE_PAUSED] = "paused",
    [RUN_STATE_POSTMIGRATE] = "postmigrate",
    [RUN_STATE_PRELAUNCH] = "prelaunch",
    [RUN_STATE_FINISH_MIGRATE] = "finish-migrate",
    [RUN_STATE_RESTORE_VM] = "restore-vm",
    [RUN_STATE_RUNNING] = "running",
    [RUN_STATE_SAVE_VM] = "save-vm",
};

const QEnumLookup RunState_lookup = {
    .array = run_state_names,
    .size = RUN_STATE__MAX,
};

const char *qapi_enum_lookup(const QEnumLookup *lookup, int val)
{
    assert(val >= 0 && val < lookup->size);
    return lookup->array[val];
}

bool runstate_check(RunState state)
{
    return run_state == state;
}

bool runstate_is_running(void)
{
    return runstate_check(RUN_STATE_RUNNING);
}

/* The source's run state is not sent in this host's streams. */
void global_state_store_running(void)
{
}

RunState vfio_host_runstate(void)
{
    return run_state;
}

void vfio_host_set_runstate(RunState state)
{
    run_state = state;
}

/* ---- handlers for start and stop ---- */

/* Returns 1 for equal priorities, to keep the order of registration */
static gint by_priority(gconstpointer a, gconstpointer b)
{
    const VMChangeStateEntry *x = a, *y = b;

    return x->priority < y->priority ? -1 : 1;
}

VMChangeStateEntry *qemu_add_vm_change_state_handler_prio(
    VMChangeStateHandler *cb, void *opaque, int priority)
{
    VMChangeStateEntry *entry = g_new0(VMChangeStateEntry, 1);

    *entry = (VMChangeStateEntry) { cb, opaque, priority };
    change_handlers = g_list_insert_sorted(change_handlers, entry,
                                           by_priority);
    return entry;
}

/* All devices of this host have the same depth. */
VMChangeStateEntry *qdev_add_vm_change_state_handler(DeviceState *dev,
                                                     VMChangeStateHandler *cb,
                                                     void *opaque)
{
    return qemu_add_vm_change_state_handler_prio(cb, opaque, 0);
}

void qemu_del_vm_change_state_handler(VMChangeStateEntry *e)
{
    assert(g_list_find(change_handlers, e));
    change_handlers = g_list_remove(change_handlers, e);
    g_free(e);
}

static void change_state(RunState state)
{
    g_autoptr(GList) order = g_list_copy(change_handlers);

    assert(qemu_mutex_iothread_locked());
    run_state = state;
    order = runstate_is_running() ? order : g_list_reverse(order);
    for (GList *l = order; l; l = l->next) {
        VMChangeStateEntry *entry = l->data;

        entry->cb(entry->opaque, runstate_is_running(), state);
    }
}

void vfio_host_vm_start(void)
{
    stop_request = RUN_STATE__MAX;
    if (!runstate_is_running()) {
        change_state(RUN_STATE_RUNNING);
    }
    vfio_host_run_requests();
}

void vfio_host_vm_stop(RunState state)
{
    if (runstate_is_running()) {
        change_state(state);
    }
}

/* QEMU needs this to wake up its main loop, which never sleeps here. */
void qemu_system_vmstop_request_prepare(void)
{
}

void qemu_system_vmstop_request(RunState reason)
{
    stop_request = reason;
}

/* ---- the main loop ---- */

typedef struct BottomHalf {
    QEMUBHFunc *cb;
    void *opaque;
} BottomHalf;

static GQueue bottom_halves = G_QUEUE_INIT;     /* of BottomHalf */

/* There is only one loop. */
AioContext *qemu_get_aio_context(void)
{
    return NULL;
}

void aio_bh_schedule_oneshot_full(AioContext *ctx, QEMUBHFunc *cb,
                                  void *opaque, const char *name)
{
    BottomHalf *bh = g_new(BottomHalf, 1);

    assert(qemu_mutex_iothread_locked());
    *bh = (BottomHalf) { cb, opaque };
    g_queue_push_tail(&bottom_halves, bh);
}

void vfio_host_run_requests(void)
{
    RunState reason = stop_request;
    BottomHalf *bh;

    while ((bh = g_queue_pop_head(&bottom_halves))) {
        bh->cb(bh->opaque);
        g_free(bh);
    }
    stop_request = RUN_STATE__MAX;
    if (reason != RUN_STATE__MAX) {
        vfio_host_vm_stop(reason);
    }
}
