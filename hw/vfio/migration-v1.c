/*
 * Protocol v1: the registers of the migration region
 *
 * Owns: finding the region, the order of register accesses that the contract
 * requires, checks of every number that the driver returns, and moving one
 * chunk between the data window and a sink or source. Does not own: streams,
 * which bytes are mapped (migration-v1-window.c), states (migration-state.c).
 *
 * Locks: hw/vfio/migration-protocol.h.
 * Source: linux/vfio.h of Linux 5.8 to 5.17, vfio_device_migration_info.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/error-report.h"
#include "hw/vfio/migration-device.h"
#include "hw/vfio/migration-options.h"
#include "hw/vfio/migration-guard.h"
#include "hw/vfio/migration-stream.h"
#include "hw/vfio/migration-v1-access.h"
#include "hw/vfio/migration-v1-uapi.h"
#include "hw/vfio/migration-v1-window.h"
#include "trace.h"

/*
 * Consecutive chunks of size 0 with bytes pending before it is an error. Our
 * choice: a stopped device does not change, so that one should be enough; the
 * others are for drivers that respond late.
 */
#define VFIO_MIG_EMPTY_CHUNKS_MAX   10

/* Pause before a stopped device that offers an empty chunk is read again */
#define VFIO_MIG_EMPTY_CHUNK_WAIT_US    1000

typedef struct VFIOMigV1 {
    VFIOMigAccess access;
    VFIOMigExtents extents;
    uint8_t *bounce;        /* VFIO_MIG_BOUNCE_BYTES, while it is open */

    bool staged;            /* the chunk has not been acknowledged yet */
    bool acknowledged;      /* it has, by the read that gave pending_bytes */
    uint64_t pending_bytes;
    unsigned empty_chunks;  /* consecutive ones of a stopped device */
    bool warned_split;      /* warned of chunks larger than the window */
} VFIOMigV1;

/* ---- registers ---- */

/* The state of a chunk is valid only in the session that it belongs to. */
static void vfio_mig_v1_forget_chunk(VFIOMigV1 *v1)
{
    v1->staged = v1->acknowledged = false;
    v1->empty_chunks = 0;
}

static int vfio_mig_v1_read_state(VFIODeviceMigration *mig,
                                  VFIOMigState *state)
{
    VFIOMigV1 *v1 = mig->priv;
    uint64_t value;
    int ret = vfio_mig_register_read(&v1->access, VFIO_MIG_REG_DEVICE_STATE,
                                     4, &value);

    if (ret < 0) {
        return ret;
    }
    mig->base.device_state = value;
    return vfio_mig_v1_decode(value, state) ? 0 : -EIO;
}

/* Read one 64-bit register, or report which one could not be read. */
static int vfio_mig_v1_read(VFIODeviceMigration *mig, uint64_t reg,
                            const char *reg_name, uint64_t *value,
                            Error **errp)
{
    VFIOMigV1 *v1 = mig->priv;
    int ret = vfio_mig_register_read(&v1->access, reg, 8, value);

    if (ret < 0) {
        error_setg_errno(errp, -ret, "%s: cannot read %s of the migration "
                         "region", vfio_mig_dev(mig)->name, reg_name);
    }
    return ret;
}

/* This read also tells the driver that a staged chunk was taken. */
static int vfio_mig_v1_pending(VFIODeviceMigration *mig,
                               uint64_t *pending_bytes, Error **errp)
{
    VFIOMigV1 *v1 = mig->priv;
    int ret = vfio_mig_v1_read(mig, VFIO_MIG_REG_PENDING_BYTES,
                               "pending_bytes", pending_bytes, errp);

    if (ret == 0) {
        v1->staged = false;
        qatomic_set__nocheck(&mig->stats.pending_bytes, *pending_bytes);
        trace_vfio_migration_pending(vfio_mig_dev(mig)->name, *pending_bytes,
                                     mig->stats.transferred_bytes);
    }
    return ret;
}

static int vfio_mig_v1_estimate(VFIODeviceMigration *mig, VFIOMigSizes *sizes,
                                Error **errp)
{
    int ret = vfio_mig_v1_pending(mig, &sizes->dirty_bytes, errp);

    sizes->precopy_known = sizes->stop_known = ret == 0;
    sizes->stop_bytes = sizes->dirty_bytes;
    sizes->stop_is_least = true;
    return ret;
}

static int vfio_mig_v1_step(VFIODeviceMigration *mig, VFIOMigState to)
{
    VFIOMigV1 *v1 = mig->priv;
    uint64_t old, ignored;
    uint32_t value;
    int ret;

    if (v1->staged) {
        /* A driver may refuse to leave a session in the middle of a chunk. */
        vfio_mig_v1_pending(mig, &ignored, NULL);
    }
    vfio_mig_v1_forget_chunk(v1);
    ret = vfio_mig_register_read(&v1->access, VFIO_MIG_REG_DEVICE_STATE, 4,
                                 &old);
    if (ret < 0) {
        return ret;
    }
    if ((old & VFIO_MIG_V1_STATE_MASK) == VFIO_MIG_V1_ERROR) {
        return -EIO;    /* the driver is in error; only a reset helps */
    }
    value = vfio_mig_v1_encode(old, to);
    ret = vfio_mig_register_write(&v1->access, VFIO_MIG_REG_DEVICE_STATE, 4,
                                  value);
    if (ret == 0) {
        mig->base.device_state = value;
    }
    return ret;
}

/* ---- reading a chunk ---- */

/* data_offset must lie behind the registers and inside the region. */
static int vfio_mig_v1_read_offset(VFIODeviceMigration *mig, uint64_t *offset,
                                   Error **errp)
{
    VFIOMigV1 *v1 = mig->priv;
    int ret = vfio_mig_v1_read(mig, VFIO_MIG_REG_DATA_OFFSET, "data_offset",
                               offset, errp);

    if (ret < 0) {
        return ret;
    }
    if (*offset < VFIO_MIG_REGS_SIZE_BYTES ||
        *offset >= v1->extents.region_size) {
        error_setg(errp, "%s: the driver put its data at offset 0x%" PRIx64
                   " of a migration region of 0x%" PRIx64 " bytes (%s)",
                   vfio_mig_dev(mig)->name, *offset,
                   v1->extents.region_size, strerror(ERANGE));
        return -ERANGE;
    }
    return 0;
}

static int vfio_mig_v1_check_chunk(VFIODeviceMigration *mig, uint64_t offset,
                                   uint64_t size, Error **errp)
{
    VFIOMigV1 *v1 = mig->priv;

    if (size > VFIO_MIG_CHUNK_MAX_BYTES ||
        !vfio_mig_extents_contain(&v1->extents, offset, size)) {
        error_setg(errp, "%s: the driver offers 0x%" PRIx64 " bytes at "
                   "offset 0x%" PRIx64 " of a migration region of 0x%" PRIx64
                   " bytes (%s)", vfio_mig_dev(mig)->name, size, offset,
                   v1->extents.region_size, strerror(ERANGE));
        return -ERANGE;
    }
    return 0;
}

/*
 * Make the driver stage a chunk: the only read of data_offset in a transaction.
 * After data_size was read as well, the driver waits for a read of
 * pending_bytes, which must not happen earlier.
 */
static int vfio_mig_v1_stage(VFIODeviceMigration *mig, uint64_t *offset,
                             uint64_t *size, Error **errp)
{
    VFIOMigV1 *v1 = mig->priv;
    int ret = vfio_mig_v1_read_offset(mig, offset, errp);

    if (ret == 0) {
        ret = vfio_mig_v1_read(mig, VFIO_MIG_REG_DATA_SIZE, "data_size",
                               size, errp);
        v1->staged = ret == 0;
    }
    if (ret == 0) {
        ret = vfio_mig_v1_check_chunk(mig, *offset, *size, errp);
    }
    if (ret == 0) {
        trace_vfio_migration_save_chunk(vfio_mig_dev(mig)->name, *offset,
                                        *size);
    }
    return ret;
}

static int vfio_mig_v1_send_trapped(VFIODeviceMigration *mig,
                                    VFIOMigSink *sink,
                                    const VFIOMigPiece *piece, Error **errp)
{
    VFIOMigV1 *v1 = mig->priv;
    uint64_t done;
    size_t step;
    void *to;
    int ret = 0;

    for (done = 0; ret == 0 && done < piece->size; done += step) {
        step = MIN(piece->size - done, VFIO_MIG_BOUNCE_BYTES);
        to = sink->room(sink, step);
        if (!to) {
            return -ECANCELED;
        }
        ret = vfio_mig_data_read(&v1->access, piece->offset + done, to, step);
        if (ret < 0) {
            error_setg_errno(errp, -ret, "%s: cannot read %zu bytes of "
                             "migration data at offset 0x%" PRIx64,
                             vfio_mig_dev(mig)->name, step,
                             piece->offset + done);
            return ret;
        }
        ret = sink->put(sink, to, step, false, errp);
    }
    return ret;
}

/*
 * @ret: result of a sink or source for a mapped piece, or for pieces some of
 * which are mapped. Sets @errp for -EFAULT. Returns @ret.
 */
static int vfio_mig_v1_moved(VFIODeviceMigration *mig,
                             const VFIOMigPiece *piece, int ret, Error **errp)
{
    if (ret == -EFAULT && !*errp) {
        vfio_mig_window_gone(vfio_mig_dev(mig)->name, piece->offset,
                             piece->size, errp);
    }
    return ret;
}

static int vfio_mig_v1_send(VFIODeviceMigration *mig, VFIOMigSink *sink,
                            uint64_t offset, uint64_t size, Error **errp)
{
    ERRP_GUARD();
    VFIOMigV1 *v1 = mig->priv;
    const VFIOMigPiece chunk = { .offset = offset, .size = size };
    VFIOMigPiece piece;
    int ret = sink->begin(sink, size, errp);

    while (ret == 0 &&
           vfio_mig_extents_next(&v1->extents, &offset, &size, &piece)) {
        ret = piece.host ? sink->put(sink, piece.host, piece.size, true, errp)
                         : vfio_mig_v1_send_trapped(mig, sink, &piece, errp);
    }
    return vfio_mig_v1_moved(mig, &chunk, ret ?: sink->end(sink, errp), errp);
}

/*
 * The driver has bytes pending but offers none. While the device runs, that
 * means "not now". A stopped device does not change, so this must neither end
 * the data silently nor continue forever; and bytes that the driver considers
 * taken without having offered them are lost.
 */
static int vfio_mig_v1_empty_chunk(VFIODeviceMigration *mig, uint64_t before,
                                   Error **errp)
{
    const char *name = vfio_mig_dev(mig)->name;
    VFIOMigV1 *v1 = mig->priv;
    uint64_t pending;
    int ret = vfio_mig_v1_pending(mig, &pending, errp);

    if (ret < 0) {
        return ret;
    }
    if (mig->state != VFIO_MIG_STATE_STOP_COPY) {
        return VFIO_MIG_READ_NOTHING_NOW;
    }
    if (pending < before) {
        error_setg(errp, "%s: the driver counts %" PRIu64 " bytes as taken, "
                   "but offered a chunk of size 0 (%s); if it is one that "
                   "does not tell sizes, try %s", name, before - pending,
                   strerror(ENODATA), vfio_mig_empty_chunk_option);
        return -ENODATA;
    }
    if (++v1->empty_chunks >= VFIO_MIG_EMPTY_CHUNKS_MAX) {
        error_setg(errp, "%s: the driver reports %" PRIu64 " bytes pending, "
                   "but offered chunks of size 0 %u times in a row (%s); if "
                   "it is one that does not tell sizes, try %s", name,
                   pending, v1->empty_chunks, strerror(ENODATA),
                   vfio_mig_empty_chunk_option);
        return -ENODATA;
    }
    return VFIO_MIG_READ_NOTHING_NOW;
}

static int vfio_mig_v1_acknowledge(VFIODeviceMigration *mig, Error **errp)
{
    VFIOMigV1 *v1 = mig->priv;
    int ret = vfio_mig_v1_pending(mig, &v1->pending_bytes, errp);

    /* A stopped device's pending bytes do not change until it is read. */
    v1->acknowledged = ret == 0 && mig->state == VFIO_MIG_STATE_STOP_COPY;
    return ret < 0 ? ret : VFIO_MIG_READ_CHUNK;
}

/* One transaction. Returns a VFIOMigRead or -errno. */
static int vfio_mig_v1_try_chunk(VFIODeviceMigration *mig, VFIOMigSink *sink,
                                 Error **errp)
{
    VFIOMigV1 *v1 = mig->priv;
    uint64_t pending = v1->pending_bytes;
    uint64_t offset, size;
    int ret = 0;

    if (!v1->acknowledged) {
        ret = vfio_mig_v1_pending(mig, &pending, errp);
    }
    if (ret == 0 && pending == 0) {
        return mig->state == VFIO_MIG_STATE_STOP_COPY
               ? VFIO_MIG_READ_END : VFIO_MIG_READ_NOTHING_NOW;
    }
    v1->acknowledged = false;
    if (ret == 0) {
        ret = vfio_mig_v1_stage(mig, &offset, &size, errp);
    }
    if (ret == 0 && size == 0 &&
        vfio_mig_empty_chunk_is_pending(vfio_mig_dev(mig))) {
        size = MIN(pending, v1->extents.region_size - offset);
    }
    if (ret == 0 && size == 0) {
        return vfio_mig_v1_empty_chunk(mig, pending, errp);
    }
    if (ret == 0) {
        v1->empty_chunks = 0;
        ret = vfio_mig_v1_send(mig, sink, offset, size, errp);
    }
    return ret < 0 ? ret : vfio_mig_v1_acknowledge(mig, errp);
}

static int vfio_mig_v1_read_chunk(VFIODeviceMigration *mig, VFIOMigSink *sink,
                                  Error **errp)
{
    int ret = vfio_mig_v1_try_chunk(mig, sink, errp);

    while (ret == VFIO_MIG_READ_NOTHING_NOW &&
           mig->state == VFIO_MIG_STATE_STOP_COPY) {
        g_usleep(VFIO_MIG_EMPTY_CHUNK_WAIT_US);
        ret = vfio_mig_v1_try_chunk(mig, sink, errp);
    }
    return ret;
}

/* ---- writing a chunk ---- */

static int vfio_mig_v1_receive_trapped(VFIODeviceMigration *mig,
                                       VFIOMigSource *source,
                                       const VFIOMigPiece *piece,
                                       Error **errp)
{
    VFIOMigV1 *v1 = mig->priv;
    uint64_t done;
    size_t step;
    int ret = 0;

    for (done = 0; ret == 0 && done < piece->size; done += step) {
        step = MIN(piece->size - done, VFIO_MIG_BOUNCE_BYTES);
        ret = source->get(source, v1->bounce, step, false, errp);
        if (ret < 0) {
            return ret;
        }
        ret = vfio_mig_data_write(&v1->access, piece->offset + done,
                                  v1->bounce, step);
        if (ret < 0) {
            error_setg_errno(errp, -ret, "%s: cannot write %zu bytes of "
                             "migration data at offset 0x%" PRIx64,
                             vfio_mig_dev(mig)->name, step,
                             piece->offset + done);
        }
    }
    return ret;
}

/* One transaction: as much of a chunk as fits the data window. */
static int vfio_mig_v1_write_part(VFIODeviceMigration *mig,
                                  VFIOMigSource *source, uint64_t offset,
                                  uint64_t size, Error **errp)
{
    ERRP_GUARD();
    VFIOMigV1 *v1 = mig->priv;
    uint64_t left = size;
    VFIOMigPiece piece;
    int ret = 0;

    trace_vfio_migration_load_chunk(vfio_mig_dev(mig)->name, offset, size);
    while (ret == 0 &&
           vfio_mig_extents_next(&v1->extents, &offset, &left, &piece)) {
        if (piece.host) {
            ret = source->get(source, piece.host, piece.size, true, errp);
            ret = vfio_mig_v1_moved(mig, &piece, ret, errp);
        } else {
            ret = vfio_mig_v1_receive_trapped(mig, source, &piece, errp);
        }
    }
    if (ret < 0) {
        return ret;
    }
    ret = vfio_mig_register_write(&v1->access, VFIO_MIG_REG_DATA_SIZE, 8,
                                  size);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "%s: the driver did not accept a chunk "
                         "of %" PRIu64 " bytes of migration data",
                         vfio_mig_dev(mig)->name, size);
        error_append_hint(errp, VFIO_MIG_HINT_SAME_DRIVER);
    }
    return ret;
}

static void vfio_mig_v1_warn_split(VFIODeviceMigration *mig,
                                   uint64_t chunk_bytes, uint64_t window_bytes)
{
    VFIOMigV1 *v1 = mig->priv;

    if (!v1->warned_split) {
        v1->warned_split = true;
        warn_report("%s: chunks of the source (%" PRIu64 " bytes) do not "
                    "fit into this device's data window (%" PRIu64
                    " bytes) and are split; drivers may refuse that",
                    vfio_mig_dev(mig)->name, chunk_bytes, window_bytes);
    }
}

static int vfio_mig_v1_write_chunk(VFIODeviceMigration *mig,
                                   VFIOMigSource *source, uint64_t size_bytes,
                                   Error **errp)
{
    VFIOMigV1 *v1 = mig->priv;
    uint64_t left = size_bytes;
    uint64_t offset, part;
    int ret;

    while (left) {
        ret = vfio_mig_v1_read_offset(mig, &offset, errp);
        if (ret < 0) {
            return ret;
        }
        part = MIN(left, v1->extents.region_size - offset);
        if (part < left) {
            vfio_mig_v1_warn_split(mig, size_bytes, part);
        }
        ret = vfio_mig_v1_write_part(mig, source, offset, part, errp);
        if (ret < 0) {
            return ret;
        }
        left -= part;
    }
    return 0;
}

/* ---- the window ---- */

/* A failure to map is not fatal: pread and pwrite are used instead. */
static void vfio_mig_v1_map(VFIODeviceMigration *mig)
{
    VFIORegion *region = &mig->base.region;
    g_autofree VFIOMigArea *areas = g_new0(VFIOMigArea, region->nr_mmaps);
    const char *name = vfio_mig_dev(mig)->name;
    VFIOMigV1 *v1 = mig->priv;
    unsigned left_out, i;
    int ret = region->nr_mmaps ? vfio_region_mmap(region) : 0;

    if (ret < 0) {
        warn_report("%s: cannot map the migration region: %s; its data is "
                    "read and written instead, which is slower", name,
                    strerror(-ret));
    }
    for (i = 0; i < region->nr_mmaps; i++) {
        areas[i].offset = region->mmaps[i].offset;
        areas[i].size = region->mmaps[i].size;
        areas[i].host = ret < 0 ? NULL : region->mmaps[i].mmap;
    }
    vfio_mig_extents_destroy(&v1->extents);
    left_out = vfio_mig_extents_init(&v1->extents, region->size, areas,
                                     region->nr_mmaps);
    trace_vfio_migration_map(name, v1->extents.nr_areas, left_out);
    if (left_out) {
        trace_vfio_migration_fallback(name, "map", "bad areas are trapped");
    }
}

static void vfio_mig_v1_open(VFIODeviceMigration *mig)
{
    VFIOMigV1 *v1 = mig->priv;

    v1->warned_split = false;
    v1->bounce = g_malloc(VFIO_MIG_BOUNCE_BYTES);
    vfio_mig_v1_map(mig);
}

static void vfio_mig_v1_close(VFIODeviceMigration *mig)
{
    VFIORegion *region = &mig->base.region;
    VFIOMigV1 *v1 = mig->priv;

    vfio_mig_extents_destroy(&v1->extents);
    vfio_mig_extents_init(&v1->extents, region->size, NULL, 0);
    vfio_region_unmap(region);
    g_clear_pointer(&v1->bounce, g_free);
}

/* ---- probe ---- */

static int vfio_mig_v1_setup(VFIODeviceMigration *mig, Object *obj,
                             const struct vfio_region_info *info,
                             Error **errp)
{
    VFIODevice *vbasedev = vfio_mig_dev(mig);
    VFIOMigV1 *v1;
    int ret;

    if (info->size < VFIO_MIG_REGS_SIZE_BYTES) {
        error_setg(errp, "%s: cannot migrate: its migration region %u is of "
                   "size %llu, smaller than its registers", vbasedev->name,
                   info->index, (unsigned long long)info->size);
        return -EINVAL;
    }
    ret = vfio_region_setup(obj, vbasedev, &mig->base.region, info->index,
                            "migration");
    if (ret) {
        error_setg(errp, "%s: cannot migrate: setting up its migration region "
                   "%u failed: %s", vbasedev->name, info->index,
                   strerror(-ret));
        return ret;
    }
    mig->traits = (VFIOMigTraits) {
        .arcs = &vfio_mig_v1_arcs,
        .learns_refusals = true,
        .precopy = true,
        .cheap_sizes = true,
    };
    v1 = mig->priv = g_new0(VFIOMigV1, 1);
    v1->access.fd = vbasedev->fd;
    v1->access.fd_offset = mig->base.region.fd_offset;
    vfio_mig_extents_init(&v1->extents, mig->base.region.size, NULL, 0);
    trace_vfio_migration_found(vbasedev->name, info->index, info->size);
    return 0;
}

static int vfio_mig_v1_probe(VFIODeviceMigration *mig, Object *obj,
                             Error **errp)
{
    VFIODevice *vbasedev = vfio_mig_dev(mig);
    g_autofree struct vfio_region_info *info = NULL;
    int ret = vfio_get_dev_region_info(vbasedev, VFIO_MIG_REGION_TYPE,
                                       VFIO_MIG_REGION_SUBTYPE, &info);

    if (ret) {
        error_setg(errp, "no migration region (v1: %s)", strerror(-ret));
        return -ENODEV;
    }
    return vfio_mig_v1_setup(mig, obj, info, errp);
}

static void vfio_mig_v1_release(VFIODeviceMigration *mig)
{
    VFIOMigV1 *v1 = mig->priv;

    vfio_mig_extents_destroy(&v1->extents);
    vfio_region_exit(&mig->base.region);
    vfio_region_finalize(&mig->base.region);
    g_free(v1->bounce);
    g_free(v1);
    mig->priv = NULL;
}

const VFIOMigProtocol vfio_mig_protocol_v1 = {
    .name = "v1",
    .probe = vfio_mig_v1_probe,
    .release = vfio_mig_v1_release,
    .read_state = vfio_mig_v1_read_state,
    .step = vfio_mig_v1_step,
    .open = vfio_mig_v1_open,
    .close = vfio_mig_v1_close,
    .estimate = vfio_mig_v1_estimate,
    .read_chunk = vfio_mig_v1_read_chunk,
    .write_chunk = vfio_mig_v1_write_chunk,
};
