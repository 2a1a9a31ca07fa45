/*
 * The data of a slow device on its way from the stream into the device
 *
 * Owns: who writes to a device, when that changes, the thread, and its error.
 * Does not own: the queue (migration-queue.c), the stream, how a chunk is
 * written (the protocol).
 *
 * Locks: all of it belongs to the thread that loads, except for the members
 * that the writer's thread uses until it is joined. That thread claims the
 * device for each chunk, takes no BQL and does not access the QEMUFile.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/coroutine.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "migration/qemu-file.h"
#include "hw/vfio/migration-file.h"
#include "hw/vfio/migration-guard.h"
#include "hw/vfio/migration-pipeline.h"
#include "hw/vfio/migration-queue.h"
#include "hw/vfio/migration-receive.h"
#include "hw/vfio/migration-session.h"
#include "hw/vfio/migration-writer.h"
#include "trace.h"

/* Bytes that are passed to the writer at once; our choice */
#define VFIO_MIG_WRITER_STEP_BYTES      (1 * MiB)

/*
 * A device is late for a sample if it takes more than a nanosecond per byte,
 * several times as long as a copy. It is slow after being late this many
 * times in a row, or once by this many nanoseconds; it keeps up after not being
 * late this many times in a row. Our choice.
 */
#define VFIO_MIG_WRITER_SAMPLE_BYTES    (1 * MiB)
#define VFIO_MIG_WRITER_LATE_SAMPLES    3
#define VFIO_MIG_WRITER_LATE_NS         (50 * SCALE_MS)

/*
 * Shortest and longest pause while waiting for the writer, in microseconds. Our
 * choice: from about a switch of threads to little of a downtime.
 */
#define VFIO_MIG_WRITER_PAUSE_MIN_US    50
#define VFIO_MIG_WRITER_PAUSE_MAX_US    1000

/*
 * How often a writer without data checks whether it missed a wake-up, in ms.
 * None is known to be missed; our choice.
 */
#define VFIO_MIG_WRITER_LOOK_MS         1000

/* In the queue, in place of a chunk's size: tells the writer to end */
#define VFIO_MIG_WRITER_STOP            UINT64_MAX

struct VFIOMigWriter {
    VFIODeviceMigration *mig;
    VFIOMigQueue *queue;        /* NULL: it was not needed yet */
    bool slow;                  /* see VFIO_MIG_WRITER_LATE_NS */
    int64_t sample_ns;          /* the device's time for the sample so far */
    uint64_t sample_bytes;
    unsigned late_samples;      /* consecutive */
    unsigned good_samples;
    bool trial;                 /* assumed slow, for the sake of others */
    bool keeps_up;              /* the trial has shown it is not; atomic */
    bool running;               /* there is a thread to be joined */

    QemuThread thread;
    VFIOMigSource source;
    int64_t get_ns;             /* the thread's: time spent in the queue */
    bool done;                  /* the thread only has to be joined; atomic */
    int ret;                    /* the thread's, until it is joined */
    Error *error;
};

/* ---- the writer's thread ---- */

/* Waits for bytes; returns NULL if there will not be any. */
static const void *vfio_mig_writer_peek(VFIOMigWriter *w, size_t *size_bytes)
{
    VFIOMigQueueLook look = { 0 };
    const void *data = NULL;

    while (!data && !look.aborted) {
        data = vfio_mig_queue_peek(w->queue, VFIO_MIG_WRITER_LOOK_MS,
                                   size_bytes);
        if (!data) {
            vfio_mig_queue_look(w->queue, &look);
        }
    }
    return data;
}

static int vfio_mig_writer_get(VFIOMigSource *source, void *to,
                               size_t size_bytes, bool window, Error **errp)
{
    VFIOMigWriter *w = container_of(source, VFIOMigWriter, source);
    int64_t start_ns = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    const void *from;
    size_t done, part;
    int ret = 0;

    for (done = 0; ret == 0 && done < size_bytes; done += part) {
        from = vfio_mig_writer_peek(w, &part);
        if (!from || vfio_mig_session_failed(w->mig)) {
            error_setg(errp, "%s: the load was given up",
                       vfio_mig_dev(w->mig)->name);
            return -ECANCELED;
        }
        part = MIN(part, size_bytes - done);
        if (window) {
            ret = vfio_mig_guarded_copy((uint8_t *)to + done, from, part);
        } else {
            memcpy((uint8_t *)to + done, from, part);
        }
        vfio_mig_queue_take(w->queue, part);
    }
    if (ret == 0) {
        vfio_mig_count_received(w->mig, window, size_bytes);
    }
    w->get_ns += qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - start_ns;
    return ret;
}

/*
 * Other threads may occupy this CPU for a while, so that a single long time
 * means little; but a time is never too short.
 */
static bool vfio_mig_writer_is_late(VFIOMigWriter *w, int64_t device_ns,
                                    uint64_t size_bytes)
{
    int64_t late_ns;

    w->sample_ns += device_ns;
    w->sample_bytes += size_bytes;
    if (w->sample_bytes < VFIO_MIG_WRITER_SAMPLE_BYTES) {
        return false;
    }
    late_ns = w->sample_ns - (int64_t)w->sample_bytes;
    w->late_samples = late_ns > 0 ? w->late_samples + 1 : 0;
    w->good_samples = late_ns > 0 ? 0 : w->good_samples + 1;
    w->sample_ns = w->sample_bytes = 0;
    return w->late_samples == VFIO_MIG_WRITER_LATE_SAMPLES ||
           late_ns > VFIO_MIG_WRITER_LATE_NS;
}

/* Time spent in the queue does not count as the device's. */
static int vfio_mig_writer_write(VFIOMigWriter *w, uint64_t size_bytes)
{
    int64_t start_ns = qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - w->get_ns;
    int ret = vfio_mig_write_chunk(w->mig, &w->source, size_bytes, &w->error);
    int64_t end_ns = qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - w->get_ns;

    if (w->trial && vfio_mig_writer_is_late(w, end_ns - start_ns,
                                            size_bytes)) {
        w->trial = false;
    }
    if (w->trial && w->good_samples == VFIO_MIG_WRITER_LATE_SAMPLES) {
        qatomic_set(&w->keeps_up, true);
    }
    return ret;
}

static void *vfio_mig_writer_run(void *opaque)
{
    VFIOMigWriter *w = opaque;
    VFIODeviceMigration *mig = w->mig;
    uint64_t size_bytes;
    const void *at;
    size_t part;
    int ret = 0;

    while (ret == 0) {
        at = vfio_mig_writer_peek(w, &part);
        if (!at) {
            ret = -ECANCELED;
            break;
        }
        /* The size was put in one piece. */
        memcpy(&size_bytes, at, sizeof(size_bytes));
        vfio_mig_queue_take(w->queue, sizeof(size_bytes));
        if (size_bytes == VFIO_MIG_WRITER_STOP) {
            break;
        }
        vfio_mig_claim(mig);
        ret = vfio_mig_writer_write(w, size_bytes);
        vfio_mig_release(mig);
    }
    if (ret < 0) {
        vfio_mig_queue_abort(w->queue);
    }
    vfio_mig_guard_leave();
    w->ret = ret;
    qatomic_set(&w->done, true);
    return NULL;
}

/* ---- the thread that loads ---- */

/* In a coroutine this yields, as waiting for the stream does. */
static void vfio_mig_writer_pause(unsigned *pause_us)
{
    if (qemu_in_coroutine()) {
        qemu_co_sleep_ns(QEMU_CLOCK_REALTIME, *pause_us * SCALE_US);
    } else {
        g_usleep(*pause_us);
    }
    *pause_us = MIN(2 * *pause_us, VFIO_MIG_WRITER_PAUSE_MAX_US);
}

static void vfio_mig_writer_start(VFIOMigWriter *w)
{
    if (!w->running) {
        w->running = true;
        w->done = false;
        qemu_thread_create(&w->thread, "vfio-load", vfio_mig_writer_run, w,
                           QEMU_THREAD_JOINABLE);
    }
}

static int vfio_mig_writer_join(VFIOMigWriter *w, Error **errp)
{
    unsigned pause_us = VFIO_MIG_WRITER_PAUSE_MIN_US;

    while (!qatomic_read(&w->done)) {
        vfio_mig_writer_pause(&pause_us);
    }
    qemu_thread_join(&w->thread);
    w->running = false;
    if (w->error) {
        error_propagate(errp, w->error);
        w->error = NULL;
    }
    return w->ret;
}

/*
 * Contiguous room for @size_bytes. Returns NULL with @errp set if the session
 * has failed, and NULL without @errp if the writer has.
 */
static void *vfio_mig_writer_room(VFIOMigWriter *w, size_t size_bytes,
                                  Error **errp)
{
    unsigned pause_us = VFIO_MIG_WRITER_PAUSE_MIN_US;
    VFIOMigQueueLook look = { 0 };
    size_t room_bytes;
    void *room;

    while (!(room = vfio_mig_queue_try_room(w->queue, size_bytes,
                                            &room_bytes))) {
        vfio_mig_queue_look(w->queue, &look);
        if (look.aborted) {
            return NULL;
        }
        if (vfio_mig_session_failed(w->mig)) {
            error_setg(errp, "%s: the load was given up",
                       vfio_mig_dev(w->mig)->name);
            return NULL;
        }
        vfio_mig_writer_pause(&pause_us);
    }
    return room;
}

static int vfio_mig_writer_put_size(VFIOMigWriter *w, uint64_t size_bytes,
                                    Error **errp)
{
    void *room = vfio_mig_writer_room(w, sizeof(size_bytes), errp);

    if (!room) {
        return -ECANCELED;
    }
    memcpy(room, &size_bytes, sizeof(size_bytes));
    vfio_mig_queue_commit(w->queue, sizeof(size_bytes));
    return 0;
}

static int vfio_mig_writer_pass(VFIOMigWriter *w, QEMUFile *f,
                                uint64_t size_bytes, Error **errp)
{
    ERRP_GUARD();
    uint64_t left = size_bytes;
    size_t step;
    void *room;
    int ret = vfio_mig_writer_put_size(w, size_bytes, errp);

    for (; ret == 0 && left; left -= step) {
        step = MIN(left, VFIO_MIG_WRITER_STEP_BYTES);
        room = vfio_mig_writer_room(w, step, errp);
        if (!room) {
            return -ECANCELED;
        }
        ret = vfio_mig_get_data(f, room, step, errp);
        if (ret < 0) {
            error_prepend(errp, "%s: ", vfio_mig_dev(w->mig)->name);
            return ret;
        }
        vfio_mig_queue_commit(w->queue, step);
    }
    return ret;
}

/* The device's error takes precedence: the other may be a consequence of it. */
static int vfio_mig_writer_give_up(VFIOMigWriter *w, int ret, Error *err,
                                   Error **errp)
{
    Error *own = NULL;
    int own_ret;

    vfio_mig_queue_abort(w->queue);
    own_ret = vfio_mig_writer_join(w, &own);
    if (err && (own_ret == -ECANCELED || !own)) {
        error_free(own);
        error_propagate(errp, err);
        return ret;
    }
    error_free(err);
    error_propagate(errp, own);
    return own_ret;
}

static void vfio_mig_writer_make_queue(VFIOMigWriter *w)
{
    w->queue = vfio_mig_queue_new(
        vfio_mig_pipeline_queue_bytes(vfio_mig_dev(w->mig)));
}

/* The first chunks show how fast the device is. */
static int vfio_mig_writer_direct(VFIOMigWriter *w, QEMUFile *f,
                                  uint64_t size_bytes, Error **errp)
{
    VFIODeviceMigration *mig = w->mig;
    int64_t device_ns = 0;
    int ret;

    vfio_mig_claim(mig);
    ret = vfio_mig_receive_chunk(mig, f, size_bytes, &device_ns, errp);
    vfio_mig_release(mig);
    if (vfio_mig_writer_is_late(w, device_ns, size_bytes)) {
        w->slow = true;
        vfio_mig_writer_make_queue(w);
        trace_vfio_migration_writer(vfio_mig_dev(mig)->name, device_ns,
                                    size_bytes);
    }
    return ret;
}

int vfio_mig_writer_finish(VFIODeviceMigration *mig, Error **errp)
{
    VFIOMigWriter *w = mig->session->writer;
    Error *err = NULL;
    int ret;

    g_assert(qemu_mutex_iothread_locked());
    if (!w->running) {
        return 0;
    }
    ret = vfio_mig_writer_put_size(w, VFIO_MIG_WRITER_STOP, &err);
    return ret < 0 ? vfio_mig_writer_give_up(w, ret, err, errp)
                   : vfio_mig_writer_join(w, errp);
}

/* A device that was assumed to be slow but is not needs no thread. */
static int vfio_mig_writer_end_trial(VFIOMigWriter *w, Error **errp)
{
    int ret = 0;

    if (qatomic_read(&w->keeps_up)) {
        ret = vfio_mig_writer_finish(w->mig, errp);
        w->slow = w->trial = w->keeps_up = false;
    }
    return ret;
}

int vfio_mig_writer_receive(VFIODeviceMigration *mig, QEMUFile *f,
                            uint64_t size_bytes, Error **errp)
{
    VFIOMigWriter *w = mig->session->writer;
    Error *err = NULL;
    int ret;

    g_assert(qemu_mutex_iothread_locked());
    ret = vfio_mig_writer_end_trial(w, errp);
    if (ret < 0) {
        return ret;
    }
    if (!w->slow) {
        return vfio_mig_writer_direct(w, f, size_bytes, errp);
    }
    vfio_mig_writer_start(w);
    ret = vfio_mig_writer_pass(w, f, size_bytes, &err);
    return ret < 0 ? vfio_mig_writer_give_up(w, ret, err, errp) : 0;
}

void vfio_mig_writer_new(VFIODeviceMigration *mig)
{
    VFIOMigWriter *w = mig->session->writer = g_new0(VFIOMigWriter, 1);

    w->mig = mig;
    w->slow = w->trial = vfio_mig_devices_are_several();
    w->source.get = vfio_mig_writer_get;
    if (w->slow) {
        vfio_mig_writer_make_queue(w);
    }
}

void vfio_mig_writer_free(VFIODeviceMigration *mig)
{
    VFIOMigWriter *w = g_steal_pointer(&mig->session->writer);

    if (!w) {
        return;
    }
    if (w->running) {
        vfio_mig_queue_abort(w->queue);
        qemu_thread_join(&w->thread);
    }
    error_free(w->error);
    vfio_mig_queue_free(w->queue);
    g_free(w);
}
