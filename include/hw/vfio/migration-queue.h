/*
 * A bounded queue of bytes between two threads
 *
 * One thread is the producer, another one the consumer. Both work in the
 * queue's own memory: the producer may fill room in it, and the consumer gets
 * pointers to what is there, so that the queue itself requires no copies.
 *
 * The producer may mark the end of something that is only useful as a whole;
 * the queue counts bytes, and does not know what they mean.
 *
 * Locks: one of its own, for a few instructions. Nothing is called with it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_QUEUE_H
#define HW_VFIO_MIGRATION_QUEUE_H

typedef struct VFIOMigQueue VFIOMigQueue;

/* State of the queue; counters are in bytes since its creation. */
typedef struct VFIOMigQueueLook {
    uint64_t put_bytes;
    uint64_t marked_bytes;      /* put up to the last mark */
    uint64_t taken_bytes;
    bool full;                  /* the producer waits for room */
    bool ended;                 /* nothing more will be put */
    bool aborted;
} VFIOMigQueueLook;

/*
 * vfio_mig_queue_new: create an empty queue
 *
 * @size_bytes: its capacity. The memory is touched here, so that there are no
 *              page faults later.
 */
VFIOMigQueue *vfio_mig_queue_new(size_t size_bytes);

/* vfio_mig_queue_free: free a queue that is no longer used; NULL is fine */
void vfio_mig_queue_free(VFIOMigQueue *q);

/*
 * vfio_mig_queue_notify: make the queue call @changed after each put, mark and
 * end, and when a wait for room begins
 *
 * It is called in the producer's thread, with no lock held. Must be set before
 * that starts.
 */
void vfio_mig_queue_notify(VFIOMigQueue *q, void (*changed)(void *opaque),
                           void *opaque);

/* ---- for the producer ---- */

/*
 * vfio_mig_queue_room: wait for room
 *
 * @least_bytes: contiguous bytes, at most the size of the queue
 * @room_bytes: set to how much room there is, at least that much
 *
 * Returns: the room, or NULL after an abort.
 */
void *vfio_mig_queue_room(VFIOMigQueue *q, size_t least_bytes,
                          size_t *room_bytes);

/*
 * vfio_mig_queue_try_room: the same without waiting
 *
 * Returns: as above, but also NULL if there is no room now.
 */
void *vfio_mig_queue_try_room(VFIOMigQueue *q, size_t least_bytes,
                              size_t *room_bytes);

/* vfio_mig_queue_commit: the first @size_bytes of the room have been filled */
void vfio_mig_queue_commit(VFIOMigQueue *q, size_t size_bytes);

/*
 * vfio_mig_queue_put: copy any number of bytes into the queue; waits for room
 *
 * Returns: 0; -ECANCELED after an abort.
 */
int vfio_mig_queue_put(VFIOMigQueue *q, const void *data, size_t size_bytes);

/* vfio_mig_queue_mark: something that is only useful as a whole is complete */
void vfio_mig_queue_mark(VFIOMigQueue *q);

/* vfio_mig_queue_end: nothing more will be put */
void vfio_mig_queue_end(VFIOMigQueue *q);

/* ---- for the consumer ---- */

/*
 * vfio_mig_queue_peek: access the next bytes in place
 *
 * @wait_ms: how long to wait for the first one, in milliseconds
 * @size_bytes: set to the number of contiguous bytes
 *
 * Returns: the bytes, valid until vfio_mig_queue_take(); NULL if there are
 * none: not yet, after the end, or after an abort.
 */
const void *vfio_mig_queue_peek(VFIOMigQueue *q, int wait_ms,
                                size_t *size_bytes);

/* vfio_mig_queue_take: remove the next @size_bytes from the queue */
void vfio_mig_queue_take(VFIOMigQueue *q, size_t size_bytes);

/* ---- for both ---- */

/* vfio_mig_queue_look: get the present state. Any thread */
void vfio_mig_queue_look(VFIOMigQueue *q, VFIOMigQueueLook *look);

/* vfio_mig_queue_abort: end all waits, and allow no new ones. Any thread */
void vfio_mig_queue_abort(VFIOMigQueue *q);

#endif /* HW_VFIO_MIGRATION_QUEUE_H */
