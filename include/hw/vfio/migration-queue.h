/*
 * A bounded queue of bytes between two threads
 *
 * One thread puts, another one takes. Both work in the queue's own memory:
 * who puts may fill room in it, and who takes is pointed at what is there, so
 * that no byte needs to be copied for the queue's sake.
 *
 * Who puts may mark where something ends that is of use only as a whole; the
 * queue counts bytes, and knows nothing of what they are.
 *
 * Locks: one of its own, for a few instructions. Nothing is called with it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_QUEUE_H
#define HW_VFIO_MIGRATION_QUEUE_H

typedef struct VFIOMigQueue VFIOMigQueue;

/* How it stands; counters are of bytes, from when it was made. */
typedef struct VFIOMigQueueLook {
    uint64_t put_bytes;
    uint64_t marked_bytes;      /* of these, up to the last mark */
    uint64_t taken_bytes;       /* of these, taken */
    bool full;                  /* who puts waits for room */
    bool ended;                 /* nothing more is put */
    bool aborted;
} VFIOMigQueueLook;

/*
 * vfio_mig_queue_new: an empty queue
 *
 * @size_bytes: what it holds at most. Its memory is touched here, so that
 *              nobody waits for that later.
 */
VFIOMigQueue *vfio_mig_queue_new(size_t size_bytes);

/* vfio_mig_queue_free: nobody uses it any more; NULL is fine */
void vfio_mig_queue_free(VFIOMigQueue *q);

/*
 * vfio_mig_queue_notify: have @changed called after each put, mark and end,
 * and when a wait for room begins
 *
 * It is called in the thread that puts, with no lock held. Before that begins.
 */
void vfio_mig_queue_notify(VFIOMigQueue *q, void (*changed)(void *opaque),
                           void *opaque);

/* ---- for who puts ---- */

/*
 * vfio_mig_queue_room: wait for room
 *
 * @least_bytes: in one piece; at most the size of the queue
 * @room_bytes: set to how much there is, at least that
 *
 * Returns: where it is; NULL after an abort.
 */
void *vfio_mig_queue_room(VFIOMigQueue *q, size_t least_bytes,
                          size_t *room_bytes);

/*
 * vfio_mig_queue_try_room: the same without waiting
 *
 * Returns: NULL also where there is no room now.
 */
void *vfio_mig_queue_try_room(VFIOMigQueue *q, size_t least_bytes,
                              size_t *room_bytes);

/* vfio_mig_queue_commit: the first @size_bytes of the room have been filled */
void vfio_mig_queue_commit(VFIOMigQueue *q, size_t size_bytes);

/*
 * vfio_mig_queue_put: copy @size_bytes into it, as many as you like; waits for
 * room
 *
 * Returns: 0; -ECANCELED after an abort.
 */
int vfio_mig_queue_put(VFIOMigQueue *q, const void *data, size_t size_bytes);

/* vfio_mig_queue_mark: what was put ends something that is whole */
void vfio_mig_queue_mark(VFIOMigQueue *q);

/* vfio_mig_queue_end: nothing more will be put */
void vfio_mig_queue_end(VFIOMigQueue *q);

/* ---- for who takes ---- */

/*
 * vfio_mig_queue_peek: the next bytes, as they stand
 *
 * @wait_ms: how long to wait for the first one, in milliseconds
 * @size_bytes: set to how many there are in one piece
 *
 * Returns: where they are, until vfio_mig_queue_take(); NULL where there are
 * none: not yet, after the end, or after an abort.
 */
const void *vfio_mig_queue_peek(VFIOMigQueue *q, int wait_ms,
                                size_t *size_bytes);

/* vfio_mig_queue_take: the next @size_bytes are not needed any more */
void vfio_mig_queue_take(VFIOMigQueue *q, size_t size_bytes);

/* ---- for both ---- */

/* vfio_mig_queue_look: how it stands now. Any thread */
void vfio_mig_queue_look(VFIOMigQueue *q, VFIOMigQueueLook *look);

/* vfio_mig_queue_abort: every wait ends, and none begins any more */
void vfio_mig_queue_abort(VFIOMigQueue *q);

#endif /* HW_VFIO_MIGRATION_QUEUE_H */
