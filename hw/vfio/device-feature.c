/*
 * VFIO_DEVICE_FEATURE: the ioctl behind protocol v2 and a device's DMA log
 *
 * Owns: the layout of the call. Does not own: features, nor what their errors
 * mean. No lock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/ioctl.h>
#include <linux/vfio.h>
#include "hw/vfio/device-feature.h"

/* The kernel header at build time may be too old to have it. */
#define VFIO_FEATURE_IOCTL      _IO(VFIO_TYPE, VFIO_BASE + 17)

int vfio_device_feature(int fd, uint32_t flags, void *payload,
                        size_t size_bytes)
{
    struct {
        uint32_t argsz;
        uint32_t flags;
    } *head;
    g_autofree void *buf = g_malloc0(sizeof(*head) + size_bytes);
    int ret;

    head = buf;
    head->argsz = sizeof(*head) + size_bytes;
    head->flags = flags;
    if (size_bytes) {
        memcpy(head + 1, payload, size_bytes);
    }
    /*
     * A signal may interrupt a driver that waits for its device. Repeating
     * the call is harmless, even if the driver had already acted on it.
     */
    do {
        ret = ioctl(fd, VFIO_FEATURE_IOCTL, buf) < 0 ? -errno : 0;
    } while (ret == -EINTR);
    if (ret == 0 && size_bytes) {
        memcpy(payload, head + 1, size_bytes);
    }
    return ret;
}
