/*
 * A migration's stream as a sink and as a source of chunks
 *
 * Owns: how a device's data goes through QEMUFile, in which sizes, and how
 * often its error is checked. Does not own: packets (migration-stream.c), what
 * a chunk is (the protocol).
 *
 * Locks: the device is claimed; the stream belongs to the calling thread.
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
#include "hw/vfio/migration-receive.h"
#include "hw/vfio/migration-session.h"
#include "hw/vfio/migration-stream.h"

/*
 * Bytes of the window that are put into the stream before it is flushed. This
 * limits the time between two checks of the stream's error, and is far below
 * the largest request of the disk that a snapshot is written to (2 GiB).
 */
#define VFIO_MIG_SEND_BYTES     (4 * MiB)

/* Bytes that are read or copied into the sink's memory at once */
#define VFIO_MIG_COPY_BYTES     (1 * MiB)

/* Size of the sink's memory, and so the limit of what is gathered there */
#define VFIO_MIG_STAGING_BYTES  (2 * VFIO_MIG_COPY_BYTES)

/* Pieces that are gathered: with headers fewer than QEMUFile's iovecs (64) */
#define VFIO_MIG_GATHER_PIECES  32

static void vfio_mig_count(VFIODeviceMigration *mig, bool window,
                           size_t size_bytes)
{
    vfio_mig_stats_add(window ? &mig->stats.mapped_bytes
                              : &mig->stats.trapped_bytes, size_bytes);
}

void vfio_mig_count_sent(VFIODeviceMigration *mig, bool window,
                         size_t size_bytes)
{
    vfio_mig_count(mig, window, size_bytes);
    vfio_mig_stats_add(&mig->stats.transferred_bytes, size_bytes);
}

/* ---- sink ---- */

/* A piece of the window that is in the stream's iovec and not sent yet */
typedef struct VFIOMigSent {
    const void *data;
    size_t size_bytes;
} VFIOMigSent;

typedef struct VFIOMigStreamSink {
    VFIOMigSink sink;
    VFIODeviceMigration *mig;
    QEMUFile *file;
    bool kernel_copies;         /* see vfio_mig_kernel_copies() */
    uint64_t size_bytes;
    bool begun;                 /* the header was written */
    int64_t stream_ns;          /* it took so long */

    /* In the stream's iovec, and not sent yet; see vfio_mig_sink_flush() */
    unsigned nr_pieces;
    unsigned nr_windows;
    VFIOMigSent windows[VFIO_MIG_GATHER_PIECES];
    uint64_t trapped_bytes, mapped_bytes;
    size_t staged_bytes;        /* of session->staging, used by these */
} VFIOMigStreamSink;

static int vfio_mig_sink_begin(VFIOMigSink *sink, uint64_t size_bytes,
                               Error **errp)
{
    VFIOMigStreamSink *s = container_of(sink, VFIOMigStreamSink, sink);

    s->size_bytes = size_bytes;
    s->begun = false;
    vfio_mig_set_data_sent(s->mig, true);
    return 0;
}

/* The stream's error does not tell which memory caused it. */
static int vfio_mig_sink_probe(VFIOMigStreamSink *s)
{
    int ret = 0;
    unsigned i;

    for (i = 0; ret == 0 && i < s->nr_windows; i++) {
        ret = vfio_mig_guarded_probe(s->windows[i].data,
                                     s->windows[i].size_bytes);
    }
    return ret;
}

/*
 * Pieces are gathered, as one system call each would be most of the cost of
 * small ones. All of them must be flushed before this file returns to its
 * caller, as the memory that the stream points to may go away.
 *
 * Returns: 0, -EFAULT if the window went away, or the stream's error.
 */
static int vfio_mig_sink_flush(VFIOMigStreamSink *s)
{
    int64_t start_ns = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    int ret;

    if (!s->nr_pieces) {
        return 0;
    }
    qemu_fflush(s->file);
    s->stream_ns += qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - start_ns;
    ret = qemu_file_get_error(s->file);
    if (ret == 0) {
        vfio_mig_count_sent(s->mig, false, s->trapped_bytes);
        vfio_mig_count_sent(s->mig, true, s->mapped_bytes);
    } else {
        ret = vfio_mig_sink_probe(s) ?: ret;
    }
    s->nr_pieces = s->nr_windows = 0;
    s->trapped_bytes = s->mapped_bytes = s->staged_bytes = 0;
    return ret;
}

/* Always succeeds: a put() flushes when less than that is left. */
static void *vfio_mig_sink_room(VFIOMigSink *sink, size_t size_bytes)
{
    VFIOMigStreamSink *s = container_of(sink, VFIOMigStreamSink, sink);
    VFIOMigSession *session = s->mig->session;

    g_assert(size_bytes <= VFIO_MIG_STAGING_BYTES - s->staged_bytes);
    if (!session->staging) {
        session->staging = g_malloc(VFIO_MIG_STAGING_BYTES);
    }
    return session->staging + s->staged_bytes;
}

/*
 * The kernel returns EFAULT for a window that went away. User space that
 * encrypts the data or writes a snapshot would get SIGBUS, so it gets a copy.
 */
static int vfio_mig_sink_add(VFIOMigStreamSink *s, const void *data,
                             size_t size_bytes, bool window)
{
    bool copy = window && !s->kernel_copies;

    if (copy) {
        void *room = vfio_mig_sink_room(&s->sink, size_bytes);

        if (vfio_mig_guarded_copy(room, data, size_bytes) < 0) {
            return -EFAULT;
        }
        data = room;
    } else if (window) {
        s->windows[s->nr_windows++] = (VFIOMigSent) { data, size_bytes };
    }
    qemu_put_buffer_async(s->file, data, size_bytes, false);
    s->nr_pieces++;
    *(window ? &s->mapped_bytes : &s->trapped_bytes) += size_bytes;
    s->staged_bytes += copy || !window ? size_bytes : 0;
    if (s->nr_pieces < VFIO_MIG_GATHER_PIECES &&
        s->mapped_bytes + s->trapped_bytes < VFIO_MIG_SEND_BYTES &&
        s->staged_bytes <= VFIO_MIG_STAGING_BYTES - VFIO_MIG_COPY_BYTES) {
        return 0;
    }
    return vfio_mig_sink_flush(s);
}

/* If the session has failed in the meantime, the chunk is not continued. */
static int vfio_mig_sink_put(VFIOMigSink *sink, const void *data,
                             size_t size_bytes, bool window, Error **errp)
{
    VFIOMigStreamSink *s = container_of(sink, VFIOMigStreamSink, sink);
    size_t max = window && !s->kernel_copies ? VFIO_MIG_COPY_BYTES
                                             : VFIO_MIG_SEND_BYTES;
    const uint8_t *from = data;
    size_t step;
    int ret;

    if (!s->begun) {
        s->begun = true;
        vfio_mig_put_data_header(s->file, s->size_bytes);
    }
    for (; size_bytes; from += step, size_bytes -= step) {
        step = MIN(size_bytes, max);
        ret = vfio_mig_sink_add(s, from, step, window);
        if (ret == 0 && vfio_mig_session_failed(s->mig)) {
            ret = -ECANCELED;
        }
        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

static int vfio_mig_sink_end(VFIOMigSink *sink, Error **errp)
{
    VFIOMigStreamSink *s = container_of(sink, VFIOMigStreamSink, sink);
    int ret = vfio_mig_sink_flush(s);

    if (ret == 0) {
        vfio_mig_stats_add(&s->mig->stats.chunks, 1);
    }
    return ret;
}

int vfio_mig_send_chunk(VFIODeviceMigration *mig, QEMUFile *f,
                        int64_t *stream_ns, Error **errp)
{
    VFIOMigStreamSink s = {
        .sink = {
            .begin = vfio_mig_sink_begin,
            .put = vfio_mig_sink_put,
            .end = vfio_mig_sink_end,
            .room = vfio_mig_sink_room,
        },
        .mig = mig,
        .file = f,
        .kernel_copies = vfio_mig_kernel_copies(f),
    };
    int ret = mig->protocol->read_chunk(mig, &s.sink, errp);

    vfio_mig_sink_flush(&s);    /* what is left after a failure */
    if (stream_ns) {
        *stream_ns = s.stream_ns;
    }
    return ret;
}

/* ---- source ---- */

typedef struct VFIOMigStreamSource {
    VFIOMigSource source;
    VFIODeviceMigration *mig;
    QEMUFile *file;
    int64_t stream_ns;          /* it took so long */
} VFIOMigStreamSource;

static int vfio_mig_source_get(VFIOMigSource *source, void *to,
                               size_t size_bytes, bool window, Error **errp)
{
    ERRP_GUARD();
    VFIOMigStreamSource *s = container_of(source, VFIOMigStreamSource,
                                          source);
    int64_t start_ns = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    int ret = window ? vfio_mig_get_window(s->file, to, size_bytes, errp)
                     : vfio_mig_get_data(s->file, to, size_bytes, errp);

    s->stream_ns += qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - start_ns;
    if (ret < 0 && !*errp) {
        return ret;     /* the window went away */
    }
    if (ret == 0 && vfio_mig_session_failed(s->mig)) {
        error_setg(errp, "the load was given up");
        ret = -ECANCELED;
    }
    if (ret < 0) {
        error_prepend(errp, "%s: ", vfio_mig_dev(s->mig)->name);
        return ret;
    }
    vfio_mig_count(s->mig, window, size_bytes);
    return 0;
}

void vfio_mig_count_received(VFIODeviceMigration *mig, bool window,
                             size_t size_bytes)
{
    vfio_mig_count(mig, window, size_bytes);
}

int vfio_mig_write_chunk(VFIODeviceMigration *mig, VFIOMigSource *source,
                         uint64_t size_bytes, Error **errp)
{
    int ret = mig->protocol->write_chunk(mig, source, size_bytes, errp);

    if (ret == 0 && size_bytes) {
        vfio_mig_stats_add(&mig->stats.transferred_bytes, size_bytes);
        vfio_mig_stats_add(&mig->stats.chunks, 1);
    }
    return ret;
}

int vfio_mig_receive_chunk(VFIODeviceMigration *mig, QEMUFile *f,
                           uint64_t size_bytes, int64_t *device_ns,
                           Error **errp)
{
    int64_t start_ns = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    VFIOMigStreamSource s = {
        .source.get = vfio_mig_source_get,
        .mig = mig,
        .file = f,
    };
    int ret = vfio_mig_write_chunk(mig, &s.source, size_bytes, errp);

    *device_ns = qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - start_ns -
                 s.stream_ns;
    return ret;
}
