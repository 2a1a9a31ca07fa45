/*
 * Tests of the simulated device: a plain client of protocol v2
 *
 * Owns: see sim-client-v2.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "sim-client-v2.h"

#define IOC_PRECOPY_INFO _IO(VFIO_TYPE, VFIO_BASE + 21)

int v2_feature_argsz(SimClient *c, uint32_t argsz, uint32_t flags,
                     void *data, size_t bytes)
{
    size_t head = sizeof(struct vfio_device_feature);
    g_autofree struct vfio_device_feature *f = g_malloc0(head + bytes);
    int ret;

    f->argsz = argsz;
    f->flags = flags;
    if (bytes) {
        memcpy(f->data, data, bytes);
    }
    ret = ioctl(c->device, VFIO_DEVICE_FEATURE, f) < 0 ? -errno : 0;
    if (bytes) {
        memcpy(data, f->data, bytes);
    }
    return ret;
}

int v2_feature(SimClient *c, uint32_t flags, void *data, size_t bytes)
{
    return v2_feature_argsz(c, sizeof(struct vfio_device_feature) + bytes,
                            flags, data, bytes);
}

int v2_flags(SimClient *c, uint64_t *flags)
{
    return v2_feature(c, VFIO_DEVICE_FEATURE_GET |
                      VFIO_DEVICE_FEATURE_MIGRATION, flags, sizeof(*flags));
}

int v2_get(SimClient *c)
{
    struct vfio_device_feature_mig_state s = { 0 };
    int ret = v2_feature(c, VFIO_DEVICE_FEATURE_GET |
                         VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &s, sizeof(s));

    return ret ? ret : (int)s.device_state;
}

int v2_set(SimClient *c, uint32_t state, int *fd)
{
    struct vfio_device_feature_mig_state s = { .device_state = state };
    int ret;

    s.data_fd = -77;
    ret = v2_feature(c, VFIO_DEVICE_FEATURE_SET |
                     VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &s, sizeof(s));
    *fd = s.data_fd;
    return ret;
}

int v2_data_size(SimClient *c, uint64_t *bytes)
{
    return v2_feature(c, VFIO_DEVICE_FEATURE_GET | V2_FEATURE_DATA_SIZE,
                      bytes, sizeof(*bytes));
}

int v2_info(int fd, V2PrecopyInfo *info)
{
    info->argsz = sizeof(*info);
    return ioctl(fd, IOC_PRECOPY_INFO, info) < 0 ? -errno : 0;
}

ssize_t v2_read(int fd, void *buf, size_t len)
{
    ssize_t n = read(fd, buf, len);

    return n < 0 ? -errno : n;
}

ssize_t v2_write(int fd, const void *buf, size_t len)
{
    ssize_t n = write(fd, buf, len);

    return n < 0 ? -errno : n;
}

int v2_read_all(int fd, GByteArray *bytes, size_t piece)
{
    g_autofree uint8_t *buf = g_malloc(piece);
    ssize_t n;

    while ((n = v2_read(fd, buf, piece)) > 0) {
        g_byte_array_append(bytes, buf, n);
    }
    return n;
}

int v2_write_all(int fd, const uint8_t *bytes, size_t len, size_t piece)
{
    while (len) {
        ssize_t n = v2_write(fd, bytes, MIN(len, piece));

        if (n <= 0) {
            return n ? n : -EIO;
        }
        bytes += n;
        len -= n;
    }
    return 0;
}
