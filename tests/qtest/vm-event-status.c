/*
 * Bringing a migration to a status, and holding it there
 *
 * Owns: see vm-event.h.
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "vm-event.h"

#include <string.h>

#include "failover-helpers.h"

/* How long a fault rule holds the migration; an event takes far less. */
#define HOLD "delay-ms=400"

/* Time limit for a migration to end by itself */
#define END_MS 30000

/* The maximum downtime limit in QEMU */
#define MAX_DOWNTIME_MS 2000000

static const char *const names[NUM_STATUSES] = {
    [AT_NONE] = "none",
    [AT_SETUP] = "setup",
    [AT_WAIT_UNPLUG] = "wait-unplug",
    [AT_RAM] = "active-ram",
    [IN_CHUNK] = "active-in-chunk",
    [AT_CHUNKS] = "active-between-chunks",
    [AT_SWITCHOVER] = "pre-switchover",
    [AT_DEVICE] = "device",
    [AT_CANCELLING] = "cancelling",
    [AT_FAILED] = "failed",
    [AT_COMPLETED] = "completed",
    [AT_LOADING] = "loading",
    [AT_LOADED] = "loaded",
};

const char *vm_status_name(VMStatus status)
{
    return names[status];
}

bool vm_status_is_live(VMStatus status)
{
    return status == AT_SETUP || status == AT_RAM || status == IN_CHUNK ||
           status == AT_CHUNKS;
}

/* Are pre-copy chunks sent at it without end? */
static bool has_chunks(VMStatus status)
{
    return status == IN_CHUNK || status == AT_CHUNKS ||
           status == AT_CANCELLING || status == AT_FAILED ||
           status == AT_LOADING;
}

void vm_status_build(VMScene *scene, VFIOSide *side)
{
    VMStatus status = scene->cell->status;

    vfio_side_set_keys(side, "dev0", vm_device->keys);
    if (status == AT_LOADING && !vm_device->precopy) {
        /* Large enough for an event to happen, even on a slow machine */
        vfio_side_set(side, "dev0", "state-size", "128M");
    }
    if (has_chunks(status)) {
        vfio_side_set(side, "dev0", "precopy-size", "4M");
        vfio_side_set(side, "dev0", "precopy-rate", "1G");
    }
    if (status == AT_WAIT_UNPLUG) {
        failover_add(side);
    }
}

static bool is_paused(VMScene *scene)
{
    return scene->pair->src->paused;
}

static void hold_load(VFIOSide *dst)
{
    g_autofree char *rule = g_strdup_printf("event=%s;count=2;" HOLD,
                                            vm_device->load_event);

    vfio_side_fault(dst, "hold", rule);
}

void vm_status_arm(VMScene *scene)
{
    VFIOSide *src = scene->pair->src;
    bool paused = scene->cell->event == EV_CONT;

    switch (scene->cell->status) {
    case AT_SETUP:
        vfio_side_fault(src, "hold", paused ?
                        "device=dev0;event=state-write;to=stop-copy;" HOLD :
                        "device=dev0;event=state-write;to=pre-copy;" HOLD);
        break;
    case IN_CHUNK:
    case AT_CANCELLING:
        /*
         * Some data has been sent: small reads of v2 are gathered into a chunk.
         */
        vfio_side_fault(src, "hold", strstr(vm_device->keys, "protocol=v2") ?
                        "device=dev0;event=data-read;count=40;" HOLD :
                        "device=dev0;event=data-read;count=2;" HOLD);
        break;
    case AT_DEVICE:
        vfio_side_fault(src, "hold", "device=dev0;event=data-read;"
                        "state=stop-copy;count=2;" HOLD);
        break;
    case AT_FAILED:
        vfio_side_fault(src, "hold", paused ?
                        "device=dev0;event=data-read;state=stop-copy;"
                        "errno=EIO" :
                        "device=dev0;event=data-read;count=2;errno=EIO");
        break;
    case AT_LOADING:
        hold_load(scene->pair->dst);
        break;
    default:
        break;
    }
}

/* Poll without pauses: the event must follow immediately. */
static void expect_end(VFIOSide *side, const char *goal)
{
    g_autofree char *end = migrate_poll_end(side->qts, END_MS, 0);

    if (g_strcmp0(end, goal)) {
        vfio_side_fail(side, "the migration is '%s', not '%s'",
                       end ? end : "without an end", goal);
    }
}

static void set_pace(VMScene *scene)
{
    QTestState *qts = scene->pair->src->qts;

    switch (scene->cell->status) {
    case AT_SETUP:
    case AT_RAM:
        migrate_set_parameter_int(qts, "max-bandwidth", MIGRATE_SLOW);
        break;
    case AT_LOADING:
        if (!vm_device->precopy) {
            break;              /* its data is sent at the end */
        }
        /* fall through */
    case IN_CHUNK:
    case AT_CHUNKS:
    case AT_CANCELLING:
        migrate_stay_in_precopy(qts);
        break;
    case AT_SWITCHOVER:
    case AT_DEVICE:
        migrate_set_capability(qts, "pause-before-switchover", true);
        break;
    default:
        break;
    }
}

static void wait_chunks(VFIOSide *src)
{
    g_autofree char *words = g_strconcat(vm_device->chunk_done,
                                         " phase=pre-copy seq=2", NULL);

    vfio_wait_transcript(src, words);
}

static void wait_status(VMScene *scene)
{
    VFIOSide *src = scene->pair->src;
    QTestState *qts = src->qts;

    switch (scene->cell->status) {
    case AT_WAIT_UNPLUG:
        wait_for_migration_status(qts, "wait-unplug", NULL);
        break;
    case AT_RAM:
        wait_for_migration_status(qts, "active", NULL);
        vfio_side_expect_state(src, "dev0", is_paused(scene) ? "stop-copy" :
                               vm_device->precopy ? "pre-copy" : "running");
        break;
    case AT_CHUNKS:
        wait_chunks(src);
        migrate_set_parameter_int(qts, "max-bandwidth", MIGRATE_SLOW);
        break;
    case AT_SWITCHOVER:
        wait_for_migration_status(qts, "pre-switchover", NULL);
        break;
    case AT_DEVICE:
        wait_for_migration_status(qts, "pre-switchover", NULL);
        migrate_continue(qts, "pre-switchover");
        vfio_wait_transcript(src, "fault name=hold");
        break;
    case AT_SETUP:
    case IN_CHUNK:
    case AT_CANCELLING:
        vfio_wait_transcript(src, "fault name=hold");
        break;
    case AT_FAILED:
        expect_end(src, "failed");
        break;
    case AT_COMPLETED:
        expect_end(src, "completed");
        break;
    case AT_LOADING:
        vfio_wait_transcript(scene->pair->dst, "fault name=hold");
        break;
    case AT_LOADED:
        vfio_pair_finish(scene->pair);
        break;
    default:
        g_assert_not_reached();
    }
}

void vm_status_bring(VMScene *scene)
{
    VMStatus status = scene->cell->status;
    VFIOSide *src = scene->pair->src;

    if (status == AT_NONE ||
        (status == AT_FAILED && scene->cell->event == EV_MIGRATE_AGAIN)) {
        return;                 /* the event has to come first */
    }
    set_pace(scene);
    vfio_pair_begin(scene->pair);
    wait_status(scene);
    if (status == AT_CANCELLING && scene->cell->event != EV_CONT) {
        migrate_cancel(src->qts);
        wait_for_migration_status(src->qts, "cancelling", NULL);
    }
}

/*
 * QEMU 7.2 keeps counting the unsent pages of an ejected DIMM as remaining, and
 * converges only if the downtime limit is high enough for them.
 */
static void let_unsent_go(QTestState *qts)
{
    migrate_set_parameter_int(qts, "downtime-limit", MAX_DOWNTIME_MS);
}

void vm_status_let_go(VMScene *scene)
{
    VFIOSide *src = scene->pair->src;

    switch (scene->cell->status) {
    case AT_NONE:
        vm_scene_next_destination(scene);
        vfio_pair_begin(scene->pair);
        break;
    case AT_WAIT_UNPLUG:
        migrate_let_go(src->qts);
        failover_let_go(src);
        break;
    case AT_SWITCHOVER:
        migrate_continue(src->qts, "pre-switchover");
        break;
    default:
        migrate_let_go(src->qts);
        break;
    }
    if (scene->cell->event == EV_EJECT_DIMM) {
        let_unsent_go(src->qts);
    }
}

void vm_status_clear(VMScene *scene)
{
    QTestState *qts = scene->pair->src->qts;

    migrate_let_go(qts);
    migrate_set_capability(qts, "pause-before-switchover", false);
}
