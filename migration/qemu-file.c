/*
 * Migration streams of the stand-alone host
 *
 * Owns: QEMUFile over a file descriptor or over memory, its buffer, its
 * first error, and faults that tests inject. Behaves like that of QEMU 7.2 as
 * far as its users can tell: 32 KiB are read ahead; data that is put without a
 * copy is accessed only when flushed; the first error is kept and stops all
 * writing; an early end of file is -EIO, and reads after it return zeroes.
 *
 * No lock: only one thread at a time uses a stream, except for
 * vfio_host_file_shutdown() and qemu_file_get_error().
 *
 * Source: QEMU 7.2's migration/qemu-file.c, for the behaviour.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <glib-unix.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/coroutine.h"
#include "qemu/units.h"
#include "io/channel.h"
#include "migration/host-device.h"
#include "migration/qemu-file.h"
#include "migration/standalone.h"

#define FILE_BUFFER_BYTES   (32 * KiB)
#define FILE_SEGMENTS       64

struct QEMUFile {
    Object channel;             /* only used for its type */
    bool writable;
    bool is_socket;
    bool shutdown;
    int fd;                     /* -1: memory */
    GByteArray *out;            /* memory output */
    const uint8_t *in;          /* memory input */
    size_t in_size;             /* bytes */

    uint64_t passed_bytes;      /* moved through the channel */
    uint64_t taken_bytes;       /* read or written by the stream's user */

    bool *fault_fired;          /* set when the fault fires; may be NULL */
    uint64_t fault_after_bytes; /* UINT64_MAX: none */
    int fault_error;

    int error;                  /* -errno */
    Error *error_obj;

    uint8_t buf[FILE_BUFFER_BYTES];
    size_t start;               /* input: next byte */
    size_t end;                 /* end of the data in buf */
    struct iovec segment[FILE_SEGMENTS];
    unsigned nr_segments;
};

/* ---- creating and closing ---- */

static QEMUFile *file_new(int fd, bool writable)
{
    QEMUFile *f = g_new0(QEMUFile, 1);
    struct stat st;

    f->fd = fd;
    f->writable = writable;
    f->fault_after_bytes = UINT64_MAX;
    f->is_socket = fd >= 0 && !fstat(fd, &st) && S_ISSOCK(st.st_mode);
    f->channel.type = fd < 0 ? "qio-channel-buffer" :
                      f->is_socket ? "qio-channel-socket"
                                   : "qio-channel-file";
    return f;
}

QIOChannel *qemu_file_get_ioc(QEMUFile *f)
{
    return f->out ? NULL : (QIOChannel *)&f->channel;
}

/* There is no limit except the end of the stream */
int qemu_file_rate_limit(QEMUFile *f)
{
    return qatomic_read(&f->shutdown) || qemu_file_get_error(f);
}

void qemu_file_set_rate_limit(QEMUFile *f, int64_t new_rate)
{
}

void qemu_file_reset_rate_limit(QEMUFile *f)
{
}

int64_t qemu_file_get_rate_limit(QEMUFile *f)
{
    return 0;
}

void qemu_file_acct_rate_limit(QEMUFile *f, int64_t len)
{
}

QEMUFile *vfio_host_file_new_output(int fd)
{
    return file_new(fd, true);
}

QEMUFile *vfio_host_file_new_input(int fd)
{
    return file_new(fd, false);
}

QEMUFile *vfio_host_file_new_memory_output(GByteArray *bytes)
{
    QEMUFile *f = file_new(-1, true);

    f->out = g_byte_array_ref(bytes);
    return f;
}

QEMUFile *vfio_host_file_new_memory_input(const void *data, size_t size)
{
    QEMUFile *f = file_new(-1, false);

    f->in = data;
    f->in_size = size;
    return f;
}

int qemu_fclose(QEMUFile *f)
{
    int ret;

    qemu_fflush(f);
    ret = f->error;
    if (f->fd >= 0 && close(f->fd) < 0 && !ret) {
        ret = -errno;
    }
    if (f->out) {
        g_byte_array_unref(f->out);
    }
    error_free(f->error_obj);
    g_free(f);
    return ret;
}

/* ---- errors and faults ---- */

int qemu_file_get_error_obj(QEMUFile *f, Error **errp)
{
    if (errp) {
        *errp = f->error_obj ? error_copy(f->error_obj) : NULL;
    }
    return qatomic_read(&f->error);
}

int qemu_file_get_error(QEMUFile *f)
{
    return qatomic_read(&f->error);
}

void qemu_file_set_error_obj(QEMUFile *f, int ret, Error *err)
{
    /* vfio_host_file_shutdown() may set it, in another thread. */
    if (ret && !qatomic_cmpxchg(&f->error, 0, ret)) {
        f->error_obj = err;
    } else if (err) {
        error_report_err(err);
    }
}

void qemu_file_set_error(QEMUFile *f, int ret)
{
    qemu_file_set_error_obj(f, ret, NULL);
}

void vfio_host_file_shutdown(QEMUFile *f)
{
    qatomic_set(&f->shutdown, true);
    qatomic_cmpxchg(&f->error, 0, -EIO);
    if (f->is_socket) {
        shutdown(f->fd, SHUT_RDWR);
    }
}

void vfio_host_file_fail_after(QEMUFile *f, uint64_t bytes, int error,
                               bool *fired)
{
    f->fault_fired = fired;
    f->fault_after_bytes = bytes;
    f->fault_error = error;
}

uint64_t vfio_host_file_bytes(QEMUFile *f)
{
    return f->taken_bytes;
}

/* ---- the channel ---- */

static void file_wait(QEMUFile *f)
{
    struct pollfd p = {
        .fd = f->fd,
        .events = f->writable ? POLLOUT : POLLIN,
    };

    poll(&p, 1, -1);
}

/* Move up to @size bytes to or from memory. */
static ssize_t memory_move(QEMUFile *f, uint8_t *data, size_t size)
{
    if (f->writable) {
        g_byte_array_append(f->out, data, size);
        return size;
    }
    size = MIN(size, f->in_size - f->passed_bytes);
    if (size) {
        memcpy(data, f->in + f->passed_bytes, size);
    }
    return size;
}

/*
 * Write or read up to @size bytes. Returns how many, 0 at the end, or -errno,
 * but never -EAGAIN, as it waits for them.
 */
static ssize_t channel_move(QEMUFile *f, uint8_t *data, size_t size)
{
    ssize_t ret;

    if (size && f->passed_bytes >= f->fault_after_bytes) {
        if (f->fault_fired) {
            *f->fault_fired = true;
        }
        return -f->fault_error;
    }
    size = MIN(size, f->fault_after_bytes - f->passed_bytes);
    do {
        ret = f->fd < 0 ? memory_move(f, data, size) :
              !f->writable ? read(f->fd, data, size) :
              f->is_socket ? send(f->fd, data, size, MSG_NOSIGNAL)
                           : write(f->fd, data, size);
        if (ret < 0 && errno == EAGAIN) {
            file_wait(f);
        }
    } while (ret < 0 && (errno == EAGAIN || errno == EINTR));
    ret = ret < 0 ? -errno : ret;
    f->passed_bytes += MAX(ret, 0);
    return ret;
}

/* Only for a QEMUFile's channel: there are no others in this host. */
ssize_t qio_channel_read(QIOChannel *ioc, char *buf, size_t buflen,
                         Error **errp)
{
    QEMUFile *f = container_of((Object *)ioc, QEMUFile, channel);
    ssize_t n = channel_move(f, (uint8_t *)buf, buflen);

    if (n < 0) {
        error_setg_errno(errp, -n, "Unable to read from the stream");
        return -1;
    }
    return n;
}

GSource *qio_channel_create_watch(QIOChannel *ioc, GIOCondition condition)
{
    return g_unix_fd_source_new(
        container_of((Object *)ioc, QEMUFile, channel)->fd, condition);
}

/* For messages to the source, which this host does not wait for */
int qio_channel_write_all(QIOChannel *ioc, const char *buf, size_t buflen,
                          Error **errp)
{
    QEMUFile *f = container_of((Object *)ioc, QEMUFile, channel);

    if (send(f->fd, buf, buflen, MSG_NOSIGNAL) != buflen) {
        error_setg_errno(errp, errno, "cannot write to the channel");
        return -1;
    }
    return 0;
}

void qio_channel_wait(QIOChannel *ioc, GIOCondition condition)
{
    assert(condition == G_IO_IN);
    file_wait(container_of((Object *)ioc, QEMUFile, channel));
}

bool qemu_in_coroutine(void)
{
    return false;
}

void qio_channel_yield(QIOChannel *ioc, GIOCondition condition)
{
    g_assert_not_reached();     /* there are no coroutines here */
}

void qemu_co_sleep_ns_wakeable(QemuCoSleep *w, QEMUClockType type, int64_t ns)
{
    g_assert_not_reached();
}

void qemu_file_credit_transfer(QEMUFile *f, size_t size)
{
    f->taken_bytes += size;
}

/* ---- writing ---- */

/* Set -EIO; @err: the channel's error, or 0: end of file, without a text */
static void file_fail(QEMUFile *f, ssize_t err, const char *what)
{
    Error *reason = NULL;

    if (err) {
        error_setg_errno(&reason, -err, "%s", what);
    }
    qemu_file_set_error_obj(f, -EIO, reason);
}

static bool file_write_all(QEMUFile *f, uint8_t *data, size_t size)
{
    while (size) {
        ssize_t done = channel_move(f, data, size);

        if (done <= 0) {
            file_fail(f, done ?: -EPIPE, "Unable to write to the stream");
            return false;
        }
        data += done;
        size -= done;
    }
    return true;
}

void qemu_fflush(QEMUFile *f)
{
    unsigned i;

    if (!f->writable || qatomic_read(&f->shutdown)) {
        return;
    }
    for (i = 0; i < f->nr_segments; i++) {
        if (!file_write_all(f, f->segment[i].iov_base,
                            f->segment[i].iov_len)) {
            break;
        }
    }
    f->nr_segments = 0;
    f->end = 0;
}

/* Queue @size bytes without a copy; joins adjacent ones. */
static void file_queue(QEMUFile *f, const uint8_t *data, size_t size)
{
    struct iovec *last = &f->segment[f->nr_segments];

    f->taken_bytes += size;
    if (f->nr_segments &&
        (uint8_t *)last[-1].iov_base + last[-1].iov_len == data) {
        last[-1].iov_len += size;
        return;
    }
    last->iov_base = (void *)data;
    last->iov_len = size;
    if (++f->nr_segments == FILE_SEGMENTS) {
        qemu_fflush(f);
    }
}

/* After a shutdown nothing is flushed, so nothing must accumulate. */
static bool file_refuses(QEMUFile *f)
{
    assert(f->writable);
    return qatomic_read(&f->error) || qatomic_read(&f->shutdown);
}

void qemu_put_buffer_async(QEMUFile *f, const uint8_t *buf, size_t size,
                           bool may_free)
{
    if (!file_refuses(f) && size) {
        file_queue(f, buf, size);
    }
}

void qemu_put_buffer(QEMUFile *f, const uint8_t *buf, size_t size)
{
    while (size && !file_refuses(f)) {
        size_t part = MIN(size, sizeof(f->buf) - f->end);
        uint8_t *copy = f->buf + f->end;

        memcpy(copy, buf, part);
        f->end += part;
        file_queue(f, copy, part);
        if (f->end == sizeof(f->buf)) {
            qemu_fflush(f);
        }
        buf += part;
        size -= part;
    }
}

void qemu_put_byte(QEMUFile *f, int v)
{
    uint8_t byte = v;

    qemu_put_buffer(f, &byte, 1);
}

void qemu_put_be32(QEMUFile *f, unsigned int v)
{
    v = GUINT32_TO_BE(v);
    qemu_put_buffer(f, (const uint8_t *)&v, sizeof(v));
}

void qemu_put_be64(QEMUFile *f, uint64_t v)
{
    v = GUINT64_TO_BE(v);
    qemu_put_buffer(f, (const uint8_t *)&v, sizeof(v));
}

/* ---- reading ---- */

/* Read ahead; false: end of file or error, which was set in the stream. */
static bool file_fill(QEMUFile *f)
{
    ssize_t ret;

    assert(!f->writable);
    memmove(f->buf, f->buf + f->start, f->end - f->start);
    f->end -= f->start;
    f->start = 0;
    if (qatomic_read(&f->shutdown)) {
        return false;
    }

    ret = channel_move(f, f->buf + f->end, sizeof(f->buf) - f->end);
    if (ret <= 0) {
        file_fail(f, ret, "Unable to read from the stream");
        return false;
    }
    f->end += ret;
    return true;
}

/* Get the next @size bytes into the buffer; false: there are fewer. */
static bool file_need(QEMUFile *f, size_t size)
{
    assert(size <= sizeof(f->buf));
    while (f->end - f->start < size) {
        if (!file_fill(f)) {
            return false;
        }
    }
    return true;
}

int qemu_get_byte(QEMUFile *f)
{
    int byte;

    if (!file_need(f, 1)) {
        return 0;
    }
    byte = f->buf[f->start++];
    f->taken_bytes++;
    return byte;
}

size_t qemu_peek_buffer(QEMUFile *f, uint8_t **buf, size_t size,
                        size_t offset)
{
    assert(offset < sizeof(f->buf) && size <= sizeof(f->buf) - offset);
    if (size) {
        file_need(f, offset + size);
    }
    if (f->end - f->start <= offset) {
        return 0;
    }
    *buf = f->buf + f->start + offset;
    return MIN(size, f->end - f->start - offset);
}

void qemu_file_skip(QEMUFile *f, int size)
{
    if (size <= f->end - f->start) {
        f->start += size;
        f->taken_bytes += size;
    }
}

size_t qemu_get_buffer(QEMUFile *f, uint8_t *buf, size_t size)
{
    size_t done = 0;
    uint8_t *from;

    while (done < size) {
        size_t want = MIN(size - done, sizeof(f->buf));
        size_t part = qemu_peek_buffer(f, &from, want, 0);

        if (!part) {
            break;
        }
        memcpy(buf + done, from, part);
        qemu_file_skip(f, part);
        done += part;
    }
    return done;
}

/* Byte by byte, like QEMU: bytes missing at the end are read as zero. */
unsigned int qemu_get_be32(QEMUFile *f)
{
    uint32_t v = 0;
    int i;

    for (i = 0; i < 4; i++) {
        v = v << 8 | qemu_get_byte(f);
    }
    return v;
}

uint64_t qemu_get_be64(QEMUFile *f)
{
    uint64_t high = qemu_get_be32(f);

    return high << 32 | qemu_get_be32(f);
}
