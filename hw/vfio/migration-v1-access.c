/*
 * Access to a VFIO region through pread and pwrite
 *
 * Owns: the system calls, their retries, and remembering which size of access
 * a driver accepts. Does not own: the order of registers, nor the bounds of
 * the region: the caller has checked the range.
 *
 * No lock of its own: VFIOMigAccess is changed by data transfers only, and
 * the caller runs only one of these at a time.
 *
 * Source: docs/contract.md, Registers and The data window.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/units.h"
#include "hw/vfio/migration-v1-access.h"

/* Widest access that every driver accepts, in bytes. */
#define SMALL_BYTES     8

/*
 * Consecutive interrupted calls without any progress before it is an error.
 * Signals interrupt an access once or twice; only a broken driver returns
 * EINTR this often, and must not make a migration hang.
 */
#define EINTR_MAX       1000

/* Position in the fd of @size bytes at @offset; -EINVAL if out of range. */
static int file_position(const VFIOMigAccess *access, uint64_t offset,
                         uint64_t size, off_t *position)
{
    if (access->fd_offset > INT64_MAX ||
        offset > INT64_MAX - access->fd_offset ||
        size > INT64_MAX - access->fd_offset - offset) {
        return -EINVAL;
    }
    *position = access->fd_offset + offset;
    return 0;
}

/*
 * One access: a read into @in, or a write from @out if @in is NULL.
 * Returns the bytes moved, never 0, or -errno.
 */
static ssize_t access_once(int fd, void *in, const void *out, size_t size,
                           off_t position)
{
    unsigned tries;
    ssize_t ret;

    for (tries = 0; tries < EINTR_MAX; tries++) {
        ret = in ? pread(fd, in, size, position)
                 : pwrite(fd, out, size, position);
        if (ret > 0) {
            return ret;
        }
        if (ret == 0) {
            return -EIO;        /* end of file in the middle */
        }
        if (errno != EINTR) {
            return -errno;
        }
    }
    return -EINTR;
}

/* One access of exactly @width bytes to a register. */
static int access_register(const VFIOMigAccess *access, uint64_t offset,
                           unsigned width, void *in, const void *out)
{
    off_t position;
    ssize_t ret = file_position(access, offset, width, &position);

    if (!ret) {
        ret = access_once(access->fd, in, out, width, position);
    }
    if (ret < 0) {
        return ret;
    }
    return ret == width ? 0 : -EIO;
}

int vfio_mig_register_read(const VFIOMigAccess *access, uint64_t offset,
                           unsigned width, uint64_t *value)
{
    uint32_t value32 = 0;
    uint64_t value64 = 0;
    int ret;

    g_assert(width == sizeof(value32) || width == sizeof(value64));

    if (width == sizeof(value32)) {
        ret = access_register(access, offset, width, &value32, NULL);
        value64 = value32;
    } else {
        ret = access_register(access, offset, width, &value64, NULL);
    }
    if (!ret) {
        *value = value64;
    }
    return ret;
}

int vfio_mig_register_write(const VFIOMigAccess *access, uint64_t offset,
                            unsigned width, uint64_t value)
{
    const uint32_t value32 = value;

    g_assert(width == sizeof(value32) || width == sizeof(value));

    return access_register(access, offset, width, NULL,
                           width == sizeof(value32) ? (const void *)&value32
                                                    : (const void *)&value);
}

/* Largest naturally aligned access of 8, 4, 2 or 1 bytes at @offset. */
static size_t small_size(uint64_t offset, size_t size)
{
    size_t bytes = SMALL_BYTES;

    while (bytes > size || offset % bytes) {
        bytes /= 2;
    }
    return bytes;
}

/*
 * Move the next part of @size bytes with a large access if the driver accepts
 * these, otherwise with a small one. Returns the bytes moved, or -errno.
 */
static ssize_t move_part(VFIOMigAccess *access, uint64_t offset, void *in,
                         const void *out, size_t size)
{
    const size_t small = small_size(offset, size);
    const size_t large = MIN(size, VFIO_MIG_BOUNCE_BYTES);
    off_t position;
    ssize_t ret;

    ret = file_position(access, offset, size, &position);
    if (ret) {
        return ret;
    }

    if (!access->small_only) {
        ret = access_once(access->fd, in, out, large, position);
        if (ret != -EINVAL || large == small) {
            return ret;
        }
        /* If small ones are refused, too, the size was not the reason */
        ret = access_once(access->fd, in, out, small, position);
        access->small_only = ret > 0;
        return ret;
    }
    return access_once(access->fd, in, out, small, position);
}

int vfio_mig_data_read(VFIOMigAccess *access, uint64_t offset, void *buf,
                       size_t size)
{
    uint8_t *in = buf;
    ssize_t ret;

    for (; size; in += ret, offset += ret, size -= ret) {
        ret = move_part(access, offset, in, NULL, size);
        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

int vfio_mig_data_write(VFIOMigAccess *access, uint64_t offset,
                        const void *buf, size_t size)
{
    const uint8_t *out = buf;
    ssize_t ret;

    for (; size; out += ret, offset += ret, size -= ret) {
        ret = move_part(access, offset, NULL, out, size);
        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}
