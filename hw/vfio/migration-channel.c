/*
 * The kernel's buffer between the two ends of a stream
 *
 * Owns: how much it holds. Does not own: what is in the stream, the channel.
 *
 * No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <sys/socket.h>
#include "qemu/units.h"
#include "io/channel.h"
#include "migration/qemu-file.h"
#include "hw/vfio/migration-channel.h"
#include "hw/vfio/migration-guard.h"
#include "trace.h"

/*
 * Size of the buffer. Each time it is full, or empty, one end sleeps until the
 * other wakes it. Measured: downtime with 2 GiB through a Unix socket on two
 * CPUs, median of four runs: 840 ms with Linux's default of 208 KiB, 759 with
 * twice that, 638 with 2 MiB, 859 with 8 MiB (which exceeds the caches); the
 * copies alone take 650. The kernel doubles the value that it is given.
 */
#define VFIO_MIG_CHANNEL_BYTES  (1 * MiB)

/* The file descriptor that @channel writes to, or -1. QIOChannel has no API. */
static int vfio_mig_channel_fd(QIOChannel *channel)
{
    GSource *watch = qio_channel_create_watch(channel, G_IO_OUT);
    GMainContext *context = g_main_context_new();
    GPollFD polled[4];
    int i, n, timeout_ms, fd = -1;

    g_source_attach(watch, context);
    n = g_main_context_query(context, G_MAXINT, &timeout_ms, polled,
                             ARRAY_SIZE(polled));
    for (i = 0; i < MIN(n, (int)ARRAY_SIZE(polled)); i++) {
        if (polled[i].events & G_IO_OUT) {
            fd = polled[i].fd;
        }
    }
    g_source_destroy(watch);
    g_source_unref(watch);
    g_main_context_unref(context);
    return fd;
}

/* Returns the size that the kernel set, or 0 if @fd is not a Unix socket */
static int vfio_mig_channel_widen_fd(int fd)
{
    int bytes = VFIO_MIG_CHANNEL_BYTES, family = 0;
    socklen_t length = sizeof(int);

    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &length) < 0 ||
        family != AF_UNIX ||
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, length) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, &length) < 0) {
        return 0;
    }
    return bytes;
}

void vfio_mig_channel_widen(QEMUFile *f)
{
    int fd, bytes;

    if (!vfio_mig_kernel_copies(f)) {
        return;
    }
    fd = vfio_mig_channel_fd(qemu_file_get_ioc(f));
    bytes = vfio_mig_channel_widen_fd(fd);
    trace_vfio_migration_channel(fd, bytes);
}
