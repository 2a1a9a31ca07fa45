/*
 * Protocol v2: the migration features of a VFIO device
 *
 * Owns: finding out what the device can do, its state, the data file of a
 * session, and moving bytes between that and a sink or source. Does not own:
 * which arcs there are (migration-state.c), when they are performed
 * (migration-transition.c), streams.
 *
 * A session begins with the arc that returns the data file, and ends with the
 * arc or the reset that leaves its states. The file is closed only then:
 * closing it does not end the session.
 *
 * Locks: hw/vfio/migration-protocol.h. A read may wait for the device, so
 * the claim is released in the meantime; if the session ends by then, the
 * reader closes the file.
 * Source: linux/vfio.h of Linux 6.2, VFIO_DEVICE_FEATURE_MIGRATION.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/ioctl.h>
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "hw/vfio/device-feature.h"
#include "hw/vfio/migration-session.h"
#include "hw/vfio/migration-v1-uapi.h"
#include "hw/vfio/migration-v2-uapi.h"
#include "trace.h"

/*
 * Largest read and write: the same as in QEMU 8.0 and later. Larger ones gain
 * nothing, as drivers work in pages.
 */
#define VFIO_MIG_V2_BOUNCE_BYTES    (1 * MiB)

/* How long small reads are gathered into one chunk, in milliseconds */
#define VFIO_MIG_V2_FILL_MS         10

typedef struct VFIOMigV2 {
    bool tells_size;        /* the driver has MIG_DATA_SIZE */

    int data_fd;            /* of the session, or -1; claim */
    int reader_fd;          /* of a read in progress, which closes it; claim */
    bool has_rest;          /* @rest is the result of the next read; claim */
    int rest;               /* ... 0: the end; or -errno */
    uint64_t moved_bytes;   /* in the session */
    uint8_t *bounce;        /* VFIO_MIG_V2_BOUNCE_BYTES, while it is open */
} VFIOMigV2;

/* ---- the data file ---- */

static bool vfio_mig_v2_saves(VFIOMigState state)
{
    return state == VFIO_MIG_STATE_PRE_COPY ||
           state == VFIO_MIG_STATE_PRE_COPY_P2P ||
           state == VFIO_MIG_STATE_STOP_COPY;
}

static bool vfio_mig_v2_has_session(VFIOMigState state)
{
    return vfio_mig_v2_saves(state) || state == VFIO_MIG_STATE_RESUMING;
}

static void vfio_mig_v2_drop_data_fd(VFIOMigV2 *v2)
{
    if (v2->data_fd >= 0 && v2->data_fd != v2->reader_fd) {
        close(v2->data_fd);
    }
    v2->data_fd = -1;
    v2->has_rest = false;
}

static void vfio_mig_v2_take_data_fd(VFIOMigV2 *v2, int fd)
{
    vfio_mig_v2_drop_data_fd(v2);
    v2->data_fd = fd;
    v2->moved_bytes = 0;
}

/* ---- states ---- */

/* Kept up to date for QEMU's own code, which expects the bits of v1. */
static void vfio_mig_v2_keep_bits(VFIODeviceMigration *mig, VFIOMigState state)
{
    static const uint32_t bits[] = {
        [VFIO_MIG_STATE_ERROR] = VFIO_MIG_V1_ERROR,
        [VFIO_MIG_STATE_STOP] = VFIO_MIG_V1_STOP,
        [VFIO_MIG_STATE_RUNNING] = VFIO_MIG_V1_RUNNING,
        [VFIO_MIG_STATE_STOP_COPY] = VFIO_MIG_V1_SAVING,
        [VFIO_MIG_STATE_RESUMING] = VFIO_MIG_V1_RESUMING,
        [VFIO_MIG_STATE_RUNNING_P2P] = VFIO_MIG_V1_RUNNING,
        [VFIO_MIG_STATE_PRE_COPY] = VFIO_MIG_V1_RUNNING | VFIO_MIG_V1_SAVING,
        [VFIO_MIG_STATE_PRE_COPY_P2P] = VFIO_MIG_V1_RUNNING |
                                        VFIO_MIG_V1_SAVING,
    };

    mig->base.device_state = bits[state];
}

/* If a reset has ended a session, its file is still open. */
static int vfio_mig_v2_read_state(VFIODeviceMigration *mig,
                                  VFIOMigState *state)
{
    VFIOMigV2 *v2 = mig->priv;
    VFIOMigV2DeviceState data = { .data_fd = -1 };
    int ret = vfio_device_feature(vfio_mig_dev(mig)->fd, VFIO_FEATURE_GET |
                                  VFIO_MIG_V2_FEATURE_DEVICE_STATE,
                                  &data, sizeof(data));

    if (ret < 0) {
        return ret;
    }
    if (data.device_state >= VFIO_MIG_STATE__MAX) {
        return -EIO;
    }
    *state = data.device_state;
    if (!vfio_mig_v2_has_session(*state)) {
        vfio_mig_v2_drop_data_fd(v2);
    }
    vfio_mig_v2_keep_bits(mig, *state);
    return 0;
}

static int vfio_mig_v2_set(VFIODeviceMigration *mig, VFIOMigState to,
                           int *data_fd)
{
    VFIOMigV2DeviceState data = { .device_state = to, .data_fd = -1 };
    int ret = vfio_device_feature(vfio_mig_dev(mig)->fd, VFIO_FEATURE_SET |
                                  VFIO_MIG_V2_FEATURE_DEVICE_STATE,
                                  &data, sizeof(data));

    *data_fd = ret < 0 ? -1 : data.data_fd;
    return ret;
}

static int vfio_mig_v2_step(VFIODeviceMigration *mig, VFIOMigState to)
{
    VFIOMigV2 *v2 = mig->priv;
    bool goes_on = vfio_mig_v2_saves(mig->state) && vfio_mig_v2_saves(to);
    VFIOMigState now;
    int fd;
    int ret = vfio_mig_v2_set(mig, to, &fd);

    if (ret == -EINVAL && vfio_mig_v2_read_state(mig, &now) == 0 &&
        now == VFIO_MIG_STATE_ERROR) {
        return -EIO;    /* the driver is in error; only a reset helps */
    }
    if (ret < 0) {
        return ret;
    }
    if (!vfio_mig_v2_has_session(to)) {
        vfio_mig_v2_drop_data_fd(v2);
    } else if (fd >= 0) {
        vfio_mig_v2_take_data_fd(v2, fd);
    } else if (!goes_on) {
        return -EBADF;      /* without a file the session is useless */
    }
    vfio_mig_v2_keep_bits(mig, to);
    return 0;
}

/* ---- sizes ---- */

static int vfio_mig_v2_precopy_info(VFIOMigV2 *v2, VFIOMigSizes *sizes)
{
    VFIOMigV2PrecopyInfo info = { .argsz = sizeof(info) };
    int ret;

    do {
        ret = ioctl(v2->data_fd, VFIO_MIG_V2_GET_PRECOPY_INFO, &info);
    } while (ret < 0 && errno == EINTR);
    if (ret < 0) {
        return -errno;
    }
    sizes->precopy_known = true;
    sizes->initial_bytes = info.initial_bytes;
    sizes->dirty_bytes = info.dirty_bytes;
    return 0;
}

/*
 * A running device may need this query before it has more to give. A size that
 * it does not report stays unknown; if something is wrong, a read will tell.
 */
static int vfio_mig_v2_estimate(VFIODeviceMigration *mig, VFIOMigSizes *sizes,
                                Error **errp)
{
    VFIOMigV2 *v2 = mig->priv;
    bool precopy = v2->data_fd >= 0 &&
                   (mig->state == VFIO_MIG_STATE_PRE_COPY ||
                    mig->state == VFIO_MIG_STATE_PRE_COPY_P2P);
    int precopy_ret = precopy ? vfio_mig_v2_precopy_info(v2, sizes) : 0;
    uint64_t stop_bytes = 0;
    int size_ret = 0;

    if (v2->tells_size) {
        size_ret = vfio_device_feature(vfio_mig_dev(mig)->fd,
                                       VFIO_FEATURE_GET |
                                       VFIO_MIG_V2_FEATURE_DATA_SIZE,
                                       &stop_bytes, sizeof(stop_bytes));
        sizes->stop_known = size_ret == 0;
        sizes->stop_bytes = stop_bytes;
    }
    trace_vfio_migration_v2_sizes(vfio_mig_dev(mig)->name,
                                  sizes->initial_bytes, sizes->dirty_bytes,
                                  precopy_ret, stop_bytes, size_ret);
    return 0;
}

/* ---- reading ---- */

/*
 * Read as many bytes as possible for one chunk: otherwise a driver that returns
 * few at a time would need a packet for each. Sets @rest to the result of the
 * last read. Returns how many bytes were read, or the result of the only read.
 */
static ssize_t vfio_mig_v2_fill(int fd, uint8_t *to, ssize_t *rest)
{
    int64_t end_ns = qemu_clock_get_ns(QEMU_CLOCK_REALTIME) +
                     VFIO_MIG_V2_FILL_MS * SCALE_MS;
    size_t done = 0;
    ssize_t n;

    do {
        n = read(fd, to + done, VFIO_MIG_V2_BOUNCE_BYTES - done);
        done += MAX(n, 0);
    } while ((n < 0 && errno == EINTR) ||
             (n > 0 && done < VFIO_MIG_V2_BOUNCE_BYTES &&
              qemu_clock_get_ns(QEMU_CLOCK_REALTIME) < end_ns));
    *rest = n < 0 ? -errno : n;
    return done ?: *rest;
}

/*
 * An error is kept for the next call, and so is the end of a stopped device's
 * data, after which nothing must be read. That a running device has nothing
 * more now need not be kept: the next read returns the same.
 */
static void vfio_mig_v2_keep_rest(VFIOMigV2 *v2, bool stopped, ssize_t rest)
{
    v2->has_rest = rest < 0 ? rest != -ENOMSG || stopped
                            : rest == 0 && stopped;
    v2->rest = rest;
}

/*
 * The claim is released while this waits for the device or for room: the VM may
 * stop, and the device with it, without harm to the session. Sets @to to where
 * the bytes are. Returns how many were read, or -errno: -ESTALE if the session
 * has ended in the meantime, -ECANCELED with @to unset if the sink accepts no
 * more.
 */
static ssize_t vfio_mig_v2_read(VFIODeviceMigration *mig, VFIOMigSink *sink,
                                void **to)
{
    VFIOMigV2 *v2 = mig->priv;
    bool stopped = mig->state == VFIO_MIG_STATE_STOP_COPY;
    int fd = v2->data_fd;
    ssize_t n = -ECANCELED, rest = 0;

    if (fd < 0) {
        return -EBADF;
    }
    if (v2->has_rest) {
        v2->has_rest = false;
        return v2->rest;
    }
    v2->reader_fd = fd;
    vfio_mig_release(mig);
    *to = sink->room(sink, VFIO_MIG_V2_BOUNCE_BYTES);
    if (*to) {
        n = vfio_mig_v2_fill(fd, *to, &rest);
    }
    vfio_mig_claim(mig);
    v2->reader_fd = -1;
    if (v2->data_fd != fd) {
        close(fd);
        return -ESTALE;
    }
    if (n > 0) {
        vfio_mig_v2_keep_rest(v2, stopped, rest);
    }
    return n;
}

/* The claim is not needed to send what was read, either. */
static int vfio_mig_v2_send(VFIODeviceMigration *mig, VFIOMigSink *sink,
                            const void *data, size_t size_bytes, Error **errp)
{
    VFIOMigV2 *v2 = mig->priv;
    int ret = sink->begin(sink, size_bytes, errp);

    v2->moved_bytes += size_bytes;
    vfio_mig_release(mig);
    if (ret == 0) {
        ret = sink->put(sink, data, size_bytes, false, errp);
    }
    ret = ret ?: sink->end(sink, errp);
    vfio_mig_claim(mig);
    return ret < 0 ? ret : VFIO_MIG_READ_CHUNK;
}

static int vfio_mig_v2_read_chunk(VFIODeviceMigration *mig, VFIOMigSink *sink,
                                  Error **errp)
{
    VFIOMigV2 *v2 = mig->priv;
    bool stopped = mig->state == VFIO_MIG_STATE_STOP_COPY;
    void *data = NULL;
    ssize_t n = vfio_mig_v2_read(mig, sink, &data);

    if (n > 0) {
        return vfio_mig_v2_send(mig, sink, data, n, errp);
    }
    if (n == -ECANCELED && !data) {
        return n;
    }
    if (n == 0 && stopped) {
        return VFIO_MIG_READ_END;
    }
    /*
     * Some drivers return 0 instead of ENOMSG if a running device has nothing
     * to give.
     */
    if (!stopped && (n == 0 || n == -ENOMSG || n == -ESTALE || n == -ENODEV)) {
        return VFIO_MIG_READ_NOTHING_NOW;   /* vfio_mig_look() finds resets */
    }
    error_setg_errno(errp, -n, "%s: cannot read migration data of the device "
                     "at byte %" PRIu64 " of its state",
                     vfio_mig_dev(mig)->name, v2->moved_bytes);
    return n;
}

/* ---- writing ---- */

/* A driver may accept part of a write; accepting nothing is an error. */
static int vfio_mig_v2_write(VFIOMigV2 *v2, size_t size_bytes)
{
    size_t done = 0;
    ssize_t n;

    while (done < size_bytes) {
        n = write(v2->data_fd, v2->bounce + done, size_bytes - done);
        if (n == 0 || (n < 0 && errno != EINTR)) {
            return n ? -errno : -EIO;
        }
        done += MAX(n, 0);
        v2->moved_bytes += MAX(n, 0);
    }
    return 0;
}

static int vfio_mig_v2_write_chunk(VFIODeviceMigration *mig,
                                   VFIOMigSource *source, uint64_t size_bytes,
                                   Error **errp)
{
    ERRP_GUARD();
    VFIOMigV2 *v2 = mig->priv;
    uint64_t left = size_bytes;
    size_t step;
    int ret = 0;

    for (; ret == 0 && left; left -= step) {
        step = MIN(left, VFIO_MIG_V2_BOUNCE_BYTES);
        ret = source->get(source, v2->bounce, step, false, errp);
        if (ret < 0) {
            return ret;
        }
        ret = vfio_mig_v2_write(v2, step);
        if (ret < 0) {
            error_setg_errno(errp, -ret, "%s: the driver did not accept "
                             "migration data at byte %" PRIu64 " of the "
                             "device's state", vfio_mig_dev(mig)->name,
                             v2->moved_bytes);
            error_append_hint(errp, VFIO_MIG_HINT_SAME_DRIVER);
        }
    }
    return ret;
}

static void vfio_mig_v2_open(VFIODeviceMigration *mig)
{
    VFIOMigV2 *v2 = mig->priv;

    v2->bounce = g_malloc(VFIO_MIG_V2_BOUNCE_BYTES);
}

/* The data file stays open until the device has left its session. */
static void vfio_mig_v2_close(VFIODeviceMigration *mig)
{
    VFIOMigV2 *v2 = mig->priv;

    g_clear_pointer(&v2->bounce, g_free);
}

/* ---- probe ---- */

static void vfio_mig_v2_setup(VFIODeviceMigration *mig, uint64_t flags)
{
    VFIODevice *vbasedev = vfio_mig_dev(mig);
    VFIOMigV2 *v2 = mig->priv = g_new0(VFIOMigV2, 1);
    bool precopy = flags & VFIO_MIG_V2_PRE_COPY;
    bool p2p = flags & VFIO_MIG_V2_P2P;
    uint64_t size_bytes;
    int ret;

    v2->data_fd = -1;
    v2->reader_fd = -1;
    ret = vfio_device_feature(vbasedev->fd, VFIO_FEATURE_GET |
                              VFIO_MIG_V2_FEATURE_DATA_SIZE, &size_bytes,
                              sizeof(size_bytes));
    /* A driver that has the feature may fail now and succeed later. */
    v2->tells_size = !vfio_feature_is_unknown(ret);
    if (precopy) {
        vfio_device_feature(vbasedev->fd, VFIO_FEATURE_SET |
                            VFIO_MIG_V2_FEATURE_REINIT, NULL, 0);
    }
    mig->traits = (VFIOMigTraits) {
        .arcs = vfio_mig_v2_arcs(p2p, precopy),
        .p2p = p2p,
        .precopy = precopy,
        .any_segments = true,
        .brief_claims = true,
    };
    trace_vfio_migration_v2_found(vbasedev->name, flags, v2->tells_size);
}

static int vfio_mig_v2_probe(VFIODeviceMigration *mig, Object *obj,
                             Error **errp)
{
    VFIODevice *vbasedev = vfio_mig_dev(mig);
    uint64_t flags = 0;
    int ret = vfio_device_feature(vbasedev->fd, VFIO_FEATURE_GET |
                                  VFIO_MIG_V2_FEATURE_MIGRATION, &flags,
                                  sizeof(flags));

    if (vfio_feature_is_unknown(ret)) {
        error_setg(errp, "no migration features (v2: %s)", strerror(-ret));
        return -ENODEV;
    }
    if (ret < 0) {
        error_setg_errno(errp, -ret, "%s: cannot migrate: asking for its "
                         "migration features failed", vbasedev->name);
        return ret;
    }
    if (!(flags & VFIO_MIG_V2_STOP_COPY)) {
        error_setg(errp, "%s: cannot migrate: its migration features 0x%"
                   PRIx64 " lack stop-copy, which every driver needs",
                   vbasedev->name, flags);
        return -EINVAL;
    }
    vfio_mig_v2_setup(mig, flags);
    return 0;
}

static void vfio_mig_v2_release(VFIODeviceMigration *mig)
{
    VFIOMigV2 *v2 = mig->priv;

    vfio_mig_v2_drop_data_fd(v2);
    g_free(v2->bounce);
    g_free(v2);
    mig->priv = NULL;
}

const VFIOMigProtocol vfio_mig_protocol_v2 = {
    .name = "v2",
    .probe = vfio_mig_v2_probe,
    .release = vfio_mig_v2_release,
    .read_state = vfio_mig_v2_read_state,
    .step = vfio_mig_v2_step,
    .open = vfio_mig_v2_open,
    .close = vfio_mig_v2_close,
    .estimate = vfio_mig_v2_estimate,
    .read_chunk = vfio_mig_v2_read_chunk,
    .write_chunk = vfio_mig_v2_write_chunk,
};
