/*
 * Reading a device's state from a stream
 *
 * Owns: in which sizes it is read, which buffers are bypassed, and whether the
 * stream or the window is to blame for a failure. Does not own: packets
 * (migration-stream.c), what the bytes mean (the protocol).
 *
 * No lock: the caller is the only user of its QEMUFile, except for a shutdown
 * by another thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/coroutine.h"
#include "qemu/units.h"
#include "io/channel.h"
#include "migration/qemu-file.h"
#include "hw/vfio/migration-guard.h"
#include "hw/vfio/migration-receive.h"
#include "hw/vfio/migration-stream.h"

/* The most that a QEMUFile reads ahead: its buffer's size */
#define VFIO_MIG_AHEAD_BYTES    (32 * KiB)

/* Was the byte at @offset after the next one already read ahead? */
static bool vfio_mig_is_ahead(QEMUFile *f, size_t offset)
{
    uint8_t *at = NULL;

    /* A request to peek at 0 bytes does not make the file read anything. */
    qemu_peek_buffer(f, &at, 0, offset);
    return at != NULL;
}

/* How many bytes were read ahead */
static size_t vfio_mig_bytes_ahead(QEMUFile *f)
{
    size_t low = 0, high = VFIO_MIG_AHEAD_BYTES;

    while (low < high && vfio_mig_is_ahead(f, low)) {
        size_t middle = low + (high - low) / 2;

        if (vfio_mig_is_ahead(f, middle)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Read through the file's buffer. If @done < @size, the file has an error. */
static int vfio_mig_get_copied(QEMUFile *f, uint8_t *to, size_t size,
                               bool window, size_t *done)
{
    const size_t end = *done + size;
    uint8_t *from;
    size_t part;
    int ret = 0;

    if (!window) {
        *done += qemu_get_buffer(f, to + *done, size);
        return 0;
    }
    while (ret == 0 && *done < end) {
        part = qemu_peek_buffer(f, &from,
                                MIN(end - *done, VFIO_MIG_AHEAD_BYTES), 0);
        if (!part) {
            break;
        }
        ret = vfio_mig_guarded_copy(to + *done, from, part);
        qemu_file_skip(f, part);
        *done += part;
    }
    return ret;
}

/*
 * Read up to @size bytes from the channel, as QEMUFile itself would.
 *
 * Returns: how many; -EFAULT: the window went away; another -errno: the error
 * that was set in the file.
 */
static ssize_t vfio_mig_read_channel(QEMUFile *f, void *to, size_t size,
                                     bool window)
{
    QIOChannel *channel = qemu_file_get_ioc(f);
    Error *err = NULL;
    ssize_t n = QIO_CHANNEL_ERR_BLOCK;

    while (n == QIO_CHANNEL_ERR_BLOCK && !qemu_file_get_error(f)) {
        n = qio_channel_read(channel, to, size, &err);
        if (n == QIO_CHANNEL_ERR_BLOCK && qemu_in_coroutine()) {
            qio_channel_yield(channel, G_IO_IN);
        } else if (n == QIO_CHANNEL_ERR_BLOCK) {
            qio_channel_wait(channel, G_IO_IN);
        }
    }
    if (n > 0) {
        qemu_file_credit_transfer(f, n);
        return n;
    }
    /* The channel's error does not tell which memory caused it. */
    if (n == -1 && window && vfio_mig_guarded_probe(to, size) < 0) {
        error_free(err);
        return -EFAULT;
    }
    if (n != QIO_CHANNEL_ERR_BLOCK) {
        qemu_file_set_error_obj(f, -EIO, err);
    }
    return -EIO;
}

/* Less than what the file would read ahead goes through its buffer. */
static int vfio_mig_get_direct(QEMUFile *f, uint8_t *to, size_t size,
                               bool window, size_t *done)
{
    int ret = vfio_mig_get_copied(f, to, MIN(size, vfio_mig_bytes_ahead(f)),
                                  window, done);
    ssize_t n;

    while (ret == 0 && size - *done >= VFIO_MIG_AHEAD_BYTES) {
        n = vfio_mig_read_channel(f, to + *done, size - *done, window);
        if (n < 0) {
            return n;
        }
        *done += n;
    }
    return ret;
}

/*
 * A channel that copies in user space, such as TLS, must not access a window:
 * it may be gone, and other code is not prepared for a fault.
 */
static bool vfio_mig_may_read_channel(QEMUFile *f, bool window)
{
    return window ? vfio_mig_kernel_copies(f) : !!qemu_file_get_ioc(f);
}

static int vfio_mig_get(QEMUFile *f, void *to, size_t size, bool window,
                        Error **errp)
{
    size_t done = 0;
    int ret = 0;

    if (size >= VFIO_MIG_AHEAD_BYTES && vfio_mig_may_read_channel(f, window)) {
        ret = vfio_mig_get_direct(f, to, size, window, &done);
    }
    if (ret == 0) {
        ret = vfio_mig_get_copied(f, to, size - done, window, &done);
    }
    if (ret == -EFAULT) {
        return ret;
    }
    ret = vfio_mig_check_read(f, "device data", done, size, errp);
    return ret == -EFAULT ? -EIO : ret;     /* reserved for the window */
}

int vfio_mig_get_data(QEMUFile *f, void *buf, size_t size, Error **errp)
{
    return vfio_mig_get(f, buf, size, false, errp);
}

int vfio_mig_get_window(QEMUFile *f, void *window, size_t size, Error **errp)
{
    return vfio_mig_get(f, window, size, true, errp);
}
