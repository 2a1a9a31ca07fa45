/*
 * A bounded queue of bytes between two threads
 *
 * Owns: the memory, who waits for what, and the counters. Does not own: the
 * meaning of the bytes, nor the threads.
 *
 * The memory is a ring, but a request for contiguous room is never split: if
 * the end of the ring is too close, the rest of it is left unused this time.
 *
 * Locks: include/hw/vfio/migration-queue.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/thread.h"
#include "hw/vfio/migration-queue.h"

/* How often an unlimited wait checks whether it missed a wake-up, in ms */
#define VFIO_MIG_QUEUE_WAIT_MS  1000

struct VFIOMigQueue {
    uint8_t *memory;
    size_t size_bytes;
    void (*changed_hook)(void *opaque);
    void *hook_opaque;

    QemuMutex lock;
    QemuCond changed;
    /* All of these: lock. Data is from head to end, then from 0 to tail. */
    size_t head, tail;
    size_t end;                 /* where it continues at 0; if wrapped */
    bool wrapped;
    VFIOMigQueueLook look;
};

VFIOMigQueue *vfio_mig_queue_new(size_t size_bytes)
{
    VFIOMigQueue *q = g_new0(VFIOMigQueue, 1);

    q->memory = g_malloc(size_bytes);
    memset(q->memory, 0, size_bytes);
    q->size_bytes = size_bytes;
    qemu_mutex_init(&q->lock);
    qemu_cond_init(&q->changed);
    return q;
}

void vfio_mig_queue_free(VFIOMigQueue *q)
{
    if (!q) {
        return;
    }
    qemu_cond_destroy(&q->changed);
    qemu_mutex_destroy(&q->lock);
    g_free(q->memory);
    g_free(q);
}

void vfio_mig_queue_notify(VFIOMigQueue *q, void (*changed)(void *opaque),
                           void *opaque)
{
    q->changed_hook = changed;
    q->hook_opaque = opaque;
}

/* Called with the lock held; releases it. */
static void vfio_mig_queue_tell(VFIOMigQueue *q)
{
    qemu_cond_broadcast(&q->changed);
    qemu_mutex_unlock(&q->lock);
    if (q->changed_hook) {
        q->changed_hook(q->hook_opaque);
    }
}

/* ---- for the producer ---- */

/*
 * Find @least_bytes of contiguous room and return how many bytes there are, or
 * 0 if there is not enough. Called with the lock held.
 */
static size_t vfio_mig_queue_find_room(VFIOMigQueue *q, size_t least_bytes)
{
    size_t free_bytes;

    if (q->look.put_bytes == q->look.taken_bytes) {
        q->head = q->tail = 0;
        q->wrapped = false;
    }
    free_bytes = (q->wrapped ? q->head : q->size_bytes) - q->tail;
    if (!q->wrapped && free_bytes < least_bytes && q->head >= least_bytes) {
        q->wrapped = true;
        q->end = q->tail;
        q->tail = 0;
        free_bytes = q->head;
    }
    return free_bytes < least_bytes ? 0 : free_bytes;
}

void *vfio_mig_queue_room(VFIOMigQueue *q, size_t least_bytes,
                          size_t *room_bytes)
{
    void *room = NULL;
    size_t free_bytes;

    g_assert(least_bytes && least_bytes <= q->size_bytes);
    qemu_mutex_lock(&q->lock);
    while (!(free_bytes = vfio_mig_queue_find_room(q, least_bytes)) &&
           !q->look.aborted) {
        if (!q->look.full) {
            q->look.full = true;
            vfio_mig_queue_tell(q);
            qemu_mutex_lock(&q->lock);
            continue;
        }
        qemu_cond_timedwait(&q->changed, &q->lock, VFIO_MIG_QUEUE_WAIT_MS);
    }
    q->look.full = false;
    if (!q->look.aborted) {
        room = q->memory + q->tail;
        *room_bytes = free_bytes;
    }
    qemu_mutex_unlock(&q->lock);
    return room;
}

void *vfio_mig_queue_try_room(VFIOMigQueue *q, size_t least_bytes,
                              size_t *room_bytes)
{
    void *room = NULL;

    g_assert(least_bytes && least_bytes <= q->size_bytes);
    qemu_mutex_lock(&q->lock);
    *room_bytes = q->look.aborted ? 0
                                  : vfio_mig_queue_find_room(q, least_bytes);
    if (*room_bytes) {
        room = q->memory + q->tail;
    }
    qemu_mutex_unlock(&q->lock);
    return room;
}

void vfio_mig_queue_commit(VFIOMigQueue *q, size_t size_bytes)
{
    qemu_mutex_lock(&q->lock);
    q->tail += size_bytes;
    q->look.put_bytes += size_bytes;
    vfio_mig_queue_tell(q);
}

int vfio_mig_queue_put(VFIOMigQueue *q, const void *data, size_t size_bytes)
{
    const uint8_t *from = data;
    size_t room_bytes, step;
    void *room;

    for (; size_bytes; from += step, size_bytes -= step) {
        room = vfio_mig_queue_room(q, 1, &room_bytes);
        if (!room) {
            return -ECANCELED;
        }
        step = MIN(size_bytes, room_bytes);
        memcpy(room, from, step);
        vfio_mig_queue_commit(q, step);
    }
    return 0;
}

void vfio_mig_queue_mark(VFIOMigQueue *q)
{
    qemu_mutex_lock(&q->lock);
    q->look.marked_bytes = q->look.put_bytes;
    vfio_mig_queue_tell(q);
}

void vfio_mig_queue_end(VFIOMigQueue *q)
{
    qemu_mutex_lock(&q->lock);
    q->look.ended = true;
    vfio_mig_queue_tell(q);
}

/* ---- for the consumer ---- */

/* Contiguous bytes at the head. Called with the lock held. */
static size_t vfio_mig_queue_at_head(VFIOMigQueue *q)
{
    if (q->wrapped && q->head == q->end) {
        q->wrapped = false;
        q->head = 0;
    }
    return (q->wrapped ? q->end : q->tail) - q->head;
}

const void *vfio_mig_queue_peek(VFIOMigQueue *q, int wait_ms,
                                size_t *size_bytes)
{
    const void *data = NULL;

    qemu_mutex_lock(&q->lock);
    if (wait_ms && !vfio_mig_queue_at_head(q) && !q->look.ended &&
        !q->look.aborted) {
        qemu_cond_timedwait(&q->changed, &q->lock, wait_ms);
    }
    *size_bytes = q->look.aborted ? 0 : vfio_mig_queue_at_head(q);
    if (*size_bytes) {
        data = q->memory + q->head;
    }
    qemu_mutex_unlock(&q->lock);
    return data;
}

void vfio_mig_queue_take(VFIOMigQueue *q, size_t size_bytes)
{
    qemu_mutex_lock(&q->lock);
    q->head += size_bytes;
    q->look.taken_bytes += size_bytes;
    qemu_cond_broadcast(&q->changed);
    qemu_mutex_unlock(&q->lock);
}

/* ---- for both ---- */

void vfio_mig_queue_look(VFIOMigQueue *q, VFIOMigQueueLook *look)
{
    qemu_mutex_lock(&q->lock);
    *look = q->look;
    qemu_mutex_unlock(&q->lock);
}

void vfio_mig_queue_abort(VFIOMigQueue *q)
{
    qemu_mutex_lock(&q->lock);
    q->look.aborted = true;
    qemu_cond_broadcast(&q->changed);
    qemu_mutex_unlock(&q->lock);
}
