/*
 * Migration streams of the stand-alone host
 *
 * Owns: QEMUFile over a file descriptor or over memory, its buffer, its
 * first error, and faults that tests put in. Behaves as QEMU 7.2's where the
 * users can see it: 32 KiB are read ahead; data given without a copy is only
 * looked at when flushed; the first error stays and stops all writing; an
 * early end of file is -EIO, and reads after it give zeroes.
 *
 * No lock: one thread at a time uses a stream, but for
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
/* A GByteArray counts in 32 bits; stay well below. */
#define FILE_MEMORY_BYTES   (2 * GiB)

struct QEMUFile {
    Object channel;             /* no more than its type */
    bool writable;
    bool is_socket;
    bool shutdown;
    int fd;                     /* -1: memory */
    GByteArray *out;            /* memory output */
    const uint8_t *in;          /* memory input */
    size_t in_size;             /* bytes */

    uint64_t passed_bytes;      /* through the channel */
    uint64_t taken_bytes;       /* by or from the user of the stream */

    bool fault;                 /* fault_after and fault_error hold */
    bool *fault_fired;          /* of whoever asked for it; may be NULL */
    uint64_t fault_after_bytes;
    int fault_error;

    int error;                  /* -errno */
    Error *error_obj;

    uint8_t buf[FILE_BUFFER_BYTES];
    size_t start;               /* input: next byte */
    size_t end;                 /* end of what buf holds */
    struct iovec segment[FILE_SEGMENTS];
    unsigned nr_segments;
};

/* ---- making and closing ---- */

static QEMUFile *file_new(int fd, bool writable)
{
    QEMUFile *f = g_new0(QEMUFile, 1);
    struct stat st;

    f->fd = fd;
    f->writable = writable;
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

/* No limit but the end of the stream */
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

int qio_channel_write_all(QIOChannel *ioc, const char *buf, size_t buflen,
                          Error **errp)
{
    QEMUFile *f = container_of((Object *)ioc, QEMUFile, channel);
    size_t done = 0;
    ssize_t n;

    while (done < buflen) {
        n = send(f->fd, buf + done, buflen - done, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR) {
            error_setg_errno(errp, errno, "cannot write to the channel");
            return -1;
        }
        done += MAX(n, 0);
    }
    return 0;
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
    f->fault = true;
    f->fault_fired = fired;
    f->fault_after_bytes = bytes;
    f->fault_error = error;
}

uint64_t vfio_host_file_bytes(QEMUFile *f)
{
    return f->taken_bytes;
}

/*
 * How much of @size the channel may move now; 0: @size is 0 or the fault is
 * reached, which *error tells apart (-errno, 1 for end of file).
 */
static size_t file_allow(QEMUFile *f, size_t size, int *error)
{
    uint64_t left;

    *error = 0;
    if (!f->fault || !size) {
        return size;
    }
    left = f->fault_after_bytes > f->passed_bytes ?
           f->fault_after_bytes - f->passed_bytes : 0;
    if (!left) {
        if (f->fault_fired) {
            *f->fault_fired = true;
        }
        *error = f->fault_error ? -f->fault_error : 1;
        return 0;
    }
    return MIN(size, left);
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

/* Write some of @size bytes; returns how many, or -errno. */
static ssize_t channel_write(QEMUFile *f, const uint8_t *data, size_t size)
{
    ssize_t ret;
    int error;

    size = file_allow(f, size, &error);
    if (error) {
        return error < 0 ? error : -EPIPE;
    }
    if (f->fd < 0) {
        if (f->out->len + (uint64_t)size > FILE_MEMORY_BYTES) {
            return -EFBIG;
        }
        g_byte_array_append(f->out, data, size);
        return size;
    }
    for (;;) {
        ret = f->is_socket ? send(f->fd, data, size, MSG_NOSIGNAL)
                           : write(f->fd, data, size);
        if (ret >= 0) {
            return ret;
        }
        if (errno == EAGAIN) {
            file_wait(f);
        } else if (errno != EINTR) {
            return -errno;
        }
    }
}

/*
 * Read up to @size bytes; returns how many, 0 at the end, or -errno. It waits
 * for them, so that -EAGAIN does not come.
 */
static ssize_t channel_read(QEMUFile *f, uint8_t *data, size_t size)
{
    ssize_t ret;
    int error;

    size = file_allow(f, size, &error);
    if (error) {
        return MIN(error, 0);
    }
    if (f->fd < 0) {
        size = MIN(size, f->in_size - f->passed_bytes);
        if (size) {
            memcpy(data, f->in + f->passed_bytes, size);
        }
        return size;
    }
    for (;;) {
        ret = read(f->fd, data, size);
        if (ret >= 0) {
            return ret;
        }
        if (errno == EAGAIN) {
            file_wait(f);
        } else if (errno != EINTR) {
            return -errno;
        }
    }
}

/* Of QEMUFile's own channel alone: there are no others here. */
ssize_t qio_channel_read(QIOChannel *ioc, char *buf, size_t buflen,
                         Error **errp)
{
    QEMUFile *f = container_of((Object *)ioc, QEMUFile, channel);
    ssize_t n = channel_read(f, (uint8_t *)buf, buflen);

    if (n < 0) {
        error_setg_errno(errp, -n, "Unable to read from the stream");
        return -1;
    }
    f->passed_bytes += n;
    return n;
}

GSource *qio_channel_create_watch(QIOChannel *ioc, GIOCondition condition)
{
    return g_unix_fd_source_new(
        container_of((Object *)ioc, QEMUFile, channel)->fd, condition);
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

static bool file_write_all(QEMUFile *f, const uint8_t *data, size_t size)
{
    while (size) {
        ssize_t done = channel_write(f, data, size);

        if (done < 0) {
            Error *err = NULL;

            error_setg_errno(&err, -done, "Unable to write to the stream");
            qemu_file_set_error_obj(f, -EIO, err);
            return false;
        }
        f->passed_bytes += done;
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

/* Queue @size bytes that stay where they are; joins neighbours. */
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

/* After a shutdown nothing is flushed any more: let nothing pile up. */
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
    uint32_t be = GUINT32_TO_BE(v);

    qemu_put_buffer(f, (const uint8_t *)&be, sizeof(be));
}

void qemu_put_be64(QEMUFile *f, uint64_t v)
{
    uint64_t be = GUINT64_TO_BE(v);

    qemu_put_buffer(f, (const uint8_t *)&be, sizeof(be));
}

/* ---- reading ---- */

/* Read ahead; false: end of file or error, which is now the stream's. */
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

    ret = channel_read(f, f->buf + f->end, sizeof(f->buf) - f->end);
    if (ret > 0) {
        f->end += ret;
        f->passed_bytes += ret;
        return true;
    }
    if (ret == 0) {
        qemu_file_set_error(f, -EIO);
    } else {
        Error *err = NULL;

        error_setg_errno(&err, -ret, "Unable to read from the stream");
        qemu_file_set_error_obj(f, -EIO, err);
    }
    return false;
}

/* Make @size bytes from the next one on be there; false: fewer are. */
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

int qemu_peek_byte(QEMUFile *f, int offset)
{
    return file_need(f, (size_t)offset + 1) ? f->buf[f->start + offset] : 0;
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

/* Byte by byte, as QEMU does: what is missing at the end reads as zero. */
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
