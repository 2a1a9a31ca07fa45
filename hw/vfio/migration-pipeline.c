/*
 * The data of a stopped device on its way from the device into the stream
 *
 * Owns: the worker of a device, its queue, what is put into it, and when a
 * device gets one. Does not own: when all this happens
 * (migration-stop-copy.c), how a chunk is read (the protocol), the queue's
 * memory (migration-queue.c).
 *
 * Locks: include/hw/vfio/migration-pipeline.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "migration/qemu-file.h"
#include "hw/vfio/migration-file.h"
#include "hw/vfio/migration-guard.h"
#include "hw/vfio/migration-options.h"
#include "hw/vfio/migration-pipeline.h"
#include "hw/vfio/migration-queue.h"
#include "hw/vfio/migration-session.h"
#include "hw/vfio/migration-stream.h"
#include "trace.h"

/*
 * Default size of a queue, and the limits of what the user may set. Our choice:
 * several chunks of the usual 1 MiB fit, for each of many devices.
 */
#define VFIO_MIG_QUEUE_BYTES        (8 * MiB)
#define VFIO_MIG_QUEUE_MIN_BYTES    (4 * MiB)
#define VFIO_MIG_QUEUE_MAX_BYTES    (1 * GiB)

/* The most that is put into the stream before it is flushed; our choice */
#define VFIO_MIG_QUEUE_SEND_BYTES   (4 * MiB)

/* What is copied into the queue in one step; our choice */
#define VFIO_MIG_QUEUE_COPY_BYTES   (1 * MiB)

/*
 * How often a wait for the rest of a packet checks the stream, in ms. Our
 * choice: little of a downtime of 300 ms, which is QEMU's default.
 */
#define VFIO_MIG_QUEUE_LOOK_MS      10

/*
 * Longest turn in which the migration thread reads a single device, in ms. Our
 * choice: no more than a wait for the claim, VFIO_MIG_CLAIM_WAIT_MS.
 */
#define VFIO_MIG_DIRECT_MS          50

/*
 * Less than this says nothing about a device's speed, or is not worth a worker.
 * The first chunk does not count, as it includes the page faults of the first
 * access to the window.
 */
#define VFIO_MIG_TRIAL_NS           (5 * SCALE_MS)
#define VFIO_MIG_TRIAL_BYTES        (1 * MiB)

/*
 * If a device is slower than this, in bytes per second, a copy of its mapped
 * data pays off. Measured on two CPUs shared by both sides, with 4 GiB of
 * mapped data from a device of some 5 GiB/s: 3170 ms with a copy, 2180 ms
 * without, in chunks of 1 MiB; 6110 ms and 3150 ms in chunks of 16 MiB. At
 * 500 MiB/s four devices take 0.9 s with a copy and 3.8 s without.
 */
#define VFIO_MIG_SLOW_BYTES_S       (1 * GiB)

/* What the migration thread has measured while it read the device */
typedef struct VFIOMigTrial {
    uint64_t bytes;
    uint64_t mapped_bytes;      /* part of these */
    int64_t device_ns;          /* time spent in the device */
    int64_t stream_ns;          /* ... and in the stream */
} VFIOMigTrial;

struct VFIOMigPipeline {
    VFIODeviceMigration *mig;
    VFIOMigQueue *queue;
    bool active;
    bool queued;                /* a worker was used since the beginning */
    bool running;               /* the worker is not joined yet */
    bool drained;
    uint64_t before_bytes;      /* transferred before it began */
    VFIOMigTrial trial;         /* without a worker, except the first chunk */
    bool tried;                 /* the first chunk was sent */

    /* The worker's until it is joined */
    QemuThread thread;
    int ret;
    Error *err;
};

static VFIOMigPipeline *vfio_mig_pipeline_of(VFIODeviceMigration *mig)
{
    return mig->session ? mig->session->pipeline : NULL;
}

/* ---- the queue as a sink ---- */

typedef struct VFIOMigQueueSink {
    VFIOMigSink sink;
    VFIODeviceMigration *mig;
    VFIOMigQueue *queue;
    uint8_t *room;              /* for bytes of a chunk, returned last */
    bool header_room;           /* ... preceded by room for the header */
    uint64_t size_bytes;
    bool begun;                 /* the header was put */
} VFIOMigQueueSink;

/* The first bytes of a chunk need a header: room for it is included then. */
static void *vfio_mig_queue_sink_room(VFIOMigSink *sink, size_t size_bytes)
{
    VFIOMigQueueSink *s = container_of(sink, VFIOMigQueueSink, sink);
    size_t header_bytes = s->begun ? 0 : VFIO_MIG_DATA_HEADER_BYTES;
    size_t room_bytes;
    uint8_t *room = vfio_mig_queue_room(s->queue, header_bytes + size_bytes,
                                        &room_bytes);

    s->header_room = header_bytes;
    s->room = room ? room + header_bytes : NULL;
    return s->room;
}

static int vfio_mig_queue_sink_begin(VFIOMigSink *sink, uint64_t size_bytes,
                                     Error **errp)
{
    VFIOMigQueueSink *s = container_of(sink, VFIOMigQueueSink, sink);

    s->size_bytes = size_bytes;
    s->begun = false;
    vfio_mig_set_data_sent(s->mig, true);
    return 0;
}

/* @in_room: the bytes that follow the header are already in the room */
static int vfio_mig_queue_sink_put_header(VFIOMigQueueSink *s, bool in_room)
{
    uint8_t header[VFIO_MIG_DATA_HEADER_BYTES];

    s->begun = true;
    if (!in_room) {
        vfio_mig_format_data_header(header, s->size_bytes);
        return vfio_mig_queue_put(s->queue, header, sizeof(header));
    }
    vfio_mig_format_data_header(s->room - sizeof(header), s->size_bytes);
    vfio_mig_queue_commit(s->queue, sizeof(header));
    return 0;
}

/*
 * Copy in steps, so that the reader can start early. Returns 0, -ECANCELED, or
 * -EFAULT if the window went away.
 */
static int vfio_mig_queue_sink_copy(VFIOMigQueueSink *s, const uint8_t *from,
                                    size_t size_bytes, bool window)
{
    size_t room_bytes, step;
    void *room;

    for (; size_bytes; from += step, size_bytes -= step) {
        room = vfio_mig_queue_room(s->queue, 1, &room_bytes);
        if (!room) {
            return -ECANCELED;
        }
        step = MIN(size_bytes, MIN(room_bytes, VFIO_MIG_QUEUE_COPY_BYTES));
        if (!window) {
            memcpy(room, from, step);
        } else if (vfio_mig_guarded_copy(room, from, step) < 0) {
            return -EFAULT;
        }
        vfio_mig_queue_commit(s->queue, step);
        vfio_mig_count_sent(s->mig, window, step);
    }
    return 0;
}

static int vfio_mig_queue_sink_put(VFIOMigSink *sink, const void *data,
                                   size_t size_bytes, bool window,
                                   Error **errp)
{
    VFIOMigQueueSink *s = container_of(sink, VFIOMigQueueSink, sink);
    bool in_room = data == s->room;
    int ret = 0;

    if (!s->begun) {
        ret = vfio_mig_queue_sink_put_header(s, in_room && s->header_room);
    }
    s->room = NULL;
    if (ret == 0 && in_room) {
        vfio_mig_queue_commit(s->queue, size_bytes);
        vfio_mig_count_sent(s->mig, window, size_bytes);
    } else if (ret == 0) {
        ret = vfio_mig_queue_sink_copy(s, data, size_bytes, window);
    }
    if (ret == 0 && vfio_mig_session_failed(s->mig)) {
        ret = -ECANCELED;
    }
    return ret;
}

static int vfio_mig_queue_sink_end(VFIOMigSink *sink, Error **errp)
{
    VFIOMigQueueSink *s = container_of(sink, VFIOMigQueueSink, sink);

    s->begun = false;
    vfio_mig_queue_mark(s->queue);
    vfio_mig_stats_add(&s->mig->stats.chunks, 1);
    return 0;
}

/* ---- the worker ---- */

static void *vfio_mig_worker(void *opaque)
{
    VFIOMigPipeline *p = opaque;
    VFIODeviceMigration *mig = p->mig;
    VFIOMigQueueSink s = {
        .sink = {
            .room = vfio_mig_queue_sink_room,
            .begin = vfio_mig_queue_sink_begin,
            .put = vfio_mig_queue_sink_put,
            .end = vfio_mig_queue_sink_end,
        },
        .mig = mig,
        .queue = p->queue,
    };

    do {
        vfio_mig_claim(mig);
        p->ret = mig->protocol->read_chunk(mig, &s.sink, &p->err);
        vfio_mig_release(mig);
    } while (p->ret > VFIO_MIG_READ_END && !vfio_mig_session_failed(mig));
    vfio_mig_guard_leave();
    vfio_mig_queue_end(p->queue);
    return NULL;
}

static void vfio_mig_worker_start(VFIOMigPipeline *p)
{
    trace_vfio_migration_worker(vfio_mig_dev(p->mig)->name, "starts",
                                p->trial.device_ns, p->trial.stream_ns);
    p->queued = p->running = true;
    qemu_thread_create(&p->thread, "vfio save", vfio_mig_worker, p,
                       QEMU_THREAD_JOINABLE);
}

/*
 * Returns the result of the last read: VFIO_MIG_READ_END, or -errno. A worker
 * that stopped early did so because its session has failed.
 */
static int vfio_mig_worker_join(VFIOMigPipeline *p, Error **errp)
{
    qemu_thread_join(&p->thread);
    p->running = false;
    trace_vfio_migration_worker(vfio_mig_dev(p->mig)->name, "has ended",
                                p->trial.device_ns, p->trial.stream_ns);
    error_propagate(errp, g_steal_pointer(&p->err));
    return p->ret > VFIO_MIG_READ_END ? -ECANCELED : p->ret;
}

/* ---- begin and end ---- */

uint64_t vfio_mig_pipeline_queue_bytes(VFIODevice *vbasedev)
{
    uint64_t size_bytes = vfio_mig_queue_size(vbasedev) ?:
                          VFIO_MIG_QUEUE_BYTES;

    return MAX(VFIO_MIG_QUEUE_MIN_BYTES,
               MIN(size_bytes, VFIO_MIG_QUEUE_MAX_BYTES));
}

void vfio_mig_pipeline_prepare(VFIODeviceMigration *mig)
{
    VFIOMigPipeline *p = mig->session->pipeline;

    if (!p) {
        p = g_new0(VFIOMigPipeline, 1);
        p->mig = mig;
        p->queue = vfio_mig_queue_new(
            vfio_mig_pipeline_queue_bytes(vfio_mig_dev(mig)));
        mig->session->pipeline = p;
    }
}

void vfio_mig_pipeline_begin(VFIODeviceMigration *mig, bool beside_others,
                             void (*changed)(void *opaque), void *opaque)
{
    VFIOMigPipeline *p;

    vfio_mig_pipeline_prepare(mig);
    p = mig->session->pipeline;
    g_assert(!p->active && !p->queued);
    p->active = true;
    p->before_bytes = mig->stats.transferred_bytes;
    vfio_mig_queue_notify(p->queue, changed, opaque);
    if (beside_others) {
        vfio_mig_worker_start(p);
    }
}

bool vfio_mig_pipeline_active(VFIODeviceMigration *mig)
{
    VFIOMigPipeline *p = vfio_mig_pipeline_of(mig);

    return p && p->active;
}

bool vfio_mig_pipeline_drained(VFIODeviceMigration *mig)
{
    VFIOMigPipeline *p = vfio_mig_pipeline_of(mig);

    return p && p->drained;
}

bool vfio_mig_pipeline_ready(VFIODeviceMigration *mig)
{
    VFIOMigPipeline *p = vfio_mig_pipeline_of(mig);
    VFIOMigQueueLook look;

    if (!p->queued || p->drained) {
        return !p->drained;
    }
    vfio_mig_queue_look(p->queue, &look);
    return look.marked_bytes != look.taken_bytes || look.full || look.ended;
}

uint64_t vfio_mig_pipeline_sent_bytes(VFIODeviceMigration *mig)
{
    VFIOMigPipeline *p = vfio_mig_pipeline_of(mig);

    return p && (p->active || p->drained)
           ? mig->stats.transferred_bytes - p->before_bytes : 0;
}

void vfio_mig_pipeline_end(VFIODeviceMigration *mig)
{
    VFIOMigPipeline *p = mig->session->pipeline;

    if (p->running) {
        /* Its error is a consequence of another one, or comes too late. */
        vfio_mig_queue_abort(p->queue);
        vfio_mig_worker_join(p, NULL);
    }
    p->active = false;
}

void vfio_mig_pipeline_free(VFIODeviceMigration *mig)
{
    VFIOMigPipeline *p = vfio_mig_pipeline_of(mig);

    if (p) {
        g_assert(!p->running);
        vfio_mig_queue_free(p->queue);
        mig->session->pipeline = NULL;
        g_free(p);
    }
}

/* ---- sending ---- */

/*
 * Would a worker make it faster? It saves the time spent in the device, up to
 * that spent in the stream, and costs a copy of what is in the device's memory.
 */
static bool vfio_mig_trial_waits(const VFIOMigTrial *t)
{
    if (t->device_ns < VFIO_MIG_TRIAL_NS || t->bytes < VFIO_MIG_TRIAL_BYTES ||
        t->device_ns < t->stream_ns / 2) {
        return false;
    }
    return t->mapped_bytes < t->bytes / 2 ||
           t->bytes / (t->device_ns / 1e9) < VFIO_MIG_SLOW_BYTES_S;
}

/* Read one chunk in this thread. Returns as read_chunk() does. */
static int vfio_mig_pipeline_send_chunk(VFIOMigPipeline *p, QEMUFile *f,
                                        Error **errp)
{
    VFIODeviceMigration *mig = p->mig;
    VFIOMigStats before = mig->stats;
    int64_t start_ns = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    int64_t stream_ns = 0;
    int ret;

    vfio_mig_claim(mig);
    ret = vfio_mig_send_chunk(mig, f, &stream_ns, errp);
    vfio_mig_release(mig);
    if (p->tried) {
        p->trial.bytes += mig->stats.transferred_bytes -
                          before.transferred_bytes;
        p->trial.mapped_bytes += mig->stats.mapped_bytes -
                                 before.mapped_bytes;
        p->trial.stream_ns += stream_ns;
        p->trial.device_ns += qemu_clock_get_ns(QEMU_CLOCK_REALTIME) -
                              start_ns - stream_ns;
    }
    p->tried = true;
    p->drained = ret == VFIO_MIG_READ_END;
    return ret;
}

static int vfio_mig_pipeline_send_directly(VFIOMigPipeline *p, QEMUFile *f,
                                           Error **errp)
{
    int64_t end_ns = qemu_clock_get_ns(QEMU_CLOCK_REALTIME) +
                     VFIO_MIG_DIRECT_MS * SCALE_MS;
    int ret, sent = VFIO_MIG_READ_END;

    do {
        ret = vfio_mig_pipeline_send_chunk(p, f, errp);
        sent = ret == VFIO_MIG_READ_CHUNK ? ret : sent;
    } while (ret > VFIO_MIG_READ_END && !vfio_mig_trial_waits(&p->trial) &&
             qemu_clock_get_ns(QEMU_CLOCK_REALTIME) < end_ns);
    if (ret > VFIO_MIG_READ_END && vfio_mig_trial_waits(&p->trial)) {
        vfio_mig_worker_start(p);
    }
    return ret < 0 ? ret : sent;
}

/* Returns 0, or the stream's error. */
static int vfio_mig_pipeline_put(VFIOMigPipeline *p, QEMUFile *f,
                                 const void *data, size_t size_bytes)
{
    qemu_put_buffer_async(f, data, size_bytes, false);
    qemu_fflush(f);
    vfio_mig_queue_take(p->queue, size_bytes);
    return qemu_file_get_error(f);
}

/*
 * Nothing has arrived for a while. Returns 0: it still may; 1: the worker has
 * ended with a whole packet; or -errno: it stopped in the middle of one, or the
 * stream has an error.
 */
static int vfio_mig_pipeline_check(VFIOMigPipeline *p, QEMUFile *f,
                                   Error **errp)
{
    VFIOMigQueueLook look;
    int ret = qemu_file_get_error(f);

    vfio_mig_queue_look(p->queue, &look);
    if (ret < 0 || !look.ended || look.put_bytes != look.taken_bytes) {
        return ret;
    }
    if (look.put_bytes == look.marked_bytes) {
        return 1;
    }
    ret = p->running ? vfio_mig_worker_join(p, errp) : -ECANCELED;
    return ret < 0 ? ret : -EIO;
}

/*
 * Send the whole packets that are in the queue at the beginning. If there are
 * none, send the one that is being read, which is larger than the queue.
 */
static int vfio_mig_pipeline_send_queued(VFIOMigPipeline *p, QEMUFile *f,
                                         Error **errp)
{
    VFIOMigQueueLook look;
    uint64_t begin, until;
    const void *data;
    size_t size;
    int ret = 0;

    vfio_mig_queue_look(p->queue, &look);
    begin = look.taken_bytes;
    until = look.marked_bytes;
    while (ret == 0 && (look.taken_bytes == begin ||
                        look.taken_bytes != until)) {
        data = vfio_mig_queue_peek(p->queue, VFIO_MIG_QUEUE_LOOK_MS, &size);
        size = MIN(size, VFIO_MIG_QUEUE_SEND_BYTES);
        if (until > look.taken_bytes) {
            size = MIN(size, until - look.taken_bytes);
        }
        ret = data ? vfio_mig_pipeline_put(p, f, data, size)
                   : vfio_mig_pipeline_check(p, f, errp);
        vfio_mig_queue_look(p->queue, &look);
        if (until < look.taken_bytes) {
            until = look.marked_bytes;      /* its end may have arrived */
        }
    }
    if (ret < 0) {
        return ret;
    }
    return look.taken_bytes == begin ? VFIO_MIG_READ_NOTHING_NOW
                                     : VFIO_MIG_READ_CHUNK;
}

int vfio_mig_pipeline_send(VFIODeviceMigration *mig, QEMUFile *f,
                           Error **errp)
{
    VFIOMigPipeline *p = mig->session->pipeline;
    VFIOMigQueueLook look;
    int ret;

    g_assert(p->active);
    if (!p->queued) {
        return p->drained ? VFIO_MIG_READ_END
                          : vfio_mig_pipeline_send_directly(p, f, errp);
    }
    vfio_mig_queue_look(p->queue, &look);
    if (look.ended && p->running) {
        ret = vfio_mig_worker_join(p, errp);
        if (ret < 0) {
            return ret;
        }
    }
    if (look.ended && look.put_bytes == look.taken_bytes) {
        p->drained = true;
        return VFIO_MIG_READ_END;
    }
    return vfio_mig_pipeline_send_queued(p, f, errp);
}
