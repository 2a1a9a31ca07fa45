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

/* ---- paths ---- */

/*
 * The paths of the kernel's VFIO core, independent of sim-walk.c.
 * [from][to]: the states on the path, including the last one, by number:
 * 1 stop, 2 running, 3 stop-copy, 4 resuming, 5 running-p2p, 6 pre-copy,
 * 7 pre-copy-p2p. NULL: rejected.
 */
static const char *const ways[V2_NUM_STATES][V2_NUM_STATES] = {
    [V2_STOP] = { NULL, "", "52", "3", "4", "5", "526", "57" },
    [V2_RUNNING] = { NULL, "51", "", "513", "514", "5", "6", "57" },
    [V2_STOP_COPY] = { NULL, "1", "152", "", "14", "15", NULL,
                       NULL },
    [V2_RESUMING] = { NULL, "1", "152", "13", "", "15", "1526", "157" },
    [V2_RUNNING_P2P] = { NULL, "1", "2", "13", "14", "", "26", "7" },
    [V2_PRE_COPY] = { NULL, "251", "2", "73", "2514", "25", "", "7" },
    [V2_PRE_COPY_P2P] = { NULL, "51", "52", "3", "514", "5", "6", "" },
    [V2_ERROR] = { NULL, NULL, NULL, NULL, NULL, NULL,
                   NULL, NULL },
};

static const char *const names[V2_NUM_STATES] = {
    "error", "stop", "running", "stop-copy", "resuming", "running-p2p",
    "pre-copy", "pre-copy-p2p",
};

bool v2_has_state(unsigned flags, unsigned state)
{
    return (flags & 2 || (state != V2_RUNNING_P2P &&
                          state != V2_PRE_COPY_P2P)) &&
           (flags & 4 || (state != V2_PRE_COPY && state != V2_PRE_COPY_P2P));
}

char *v2_way(unsigned flags, unsigned from, unsigned to)
{
    GString *way = g_string_new(NULL);

    if (!v2_has_state(flags, to) || !ways[from][to]) {
        g_string_free(way, TRUE);
        return NULL;
    }
    for (const char *p = ways[from][to]; *p; p++) {
        if (v2_has_state(flags, *p - '0')) {
            g_string_append_c(way, *p);
        }
    }
    return g_string_free(way, FALSE);
}

unsigned v2_state(const char *name)
{
    for (unsigned i = 0; i < V2_NUM_STATES; i++) {
        if (strcmp(names[i], name) == 0) {
            return i;
        }
    }
    g_assert_not_reached();
}
