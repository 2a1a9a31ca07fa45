/*
 * Protocol v1: the registers of the migration region
 *
 * Owns: the order of register accesses that the contract asks for, checks of
 * every number that the driver gives, and moving one chunk between the data
 * window and the stream. Does not own: packets (migration-stream.c), which
 * bytes are mapped (migration-v1-window.c), states (migration-state.c).
 *
 * Locks: chunk functions run between vfio_mig_chunk_begin() and _end().
 * Source: requirements 1.1, 1.5 to 1.7 (U-1 to U-3, U-14 to U-23).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/error-report.h"
#include "qemu/units.h"
#include "migration/qemu-file.h"
#include "hw/vfio/migration-device.h"
#include "hw/vfio/migration-stream.h"
#include "hw/vfio/migration-v1-uapi.h"
#include "trace.h"

/*
 * Mapped bytes given to the stream before it is flushed: bounds the time
 * between two looks at the stream's error, and stays far below the largest
 * request of a disk that a snapshot goes to (2 GiB).
 */
#define VFIO_MIG_SEND_BYTES     (4 * MiB)

/* Chunks of size 0 in a row, with bytes pending, before it is an error */
#define VFIO_MIG_EMPTY_CHUNKS_MAX   10

static int vfio_mig_v1_get_state(VFIODeviceMigration *mig, VFIOMigState *state)
{
    uint64_t value;
    int ret = vfio_mig_register_read(&mig->access, VFIO_MIG_REG_DEVICE_STATE,
                                     4, &value);

    if (ret < 0) {
        return ret;
    }
    mig->base.device_state = value;
    return vfio_mig_v1_decode(value, state) ? 0 : -EIO;
}

static int vfio_mig_v1_write_state(VFIODeviceMigration *mig,
                                   VFIOMigState state)
{
    uint64_t old;
    uint32_t value;
    int ret = vfio_mig_register_read(&mig->access, VFIO_MIG_REG_DEVICE_STATE,
                                     4, &old);

    if (ret < 0) {
        return ret;
    }
    if ((old & VFIO_MIG_V1_STATE_MASK) == VFIO_MIG_V1_ERROR) {
        return -EIO;    /* the driver gave up meanwhile; only a reset helps */
    }
    value = vfio_mig_v1_encode(old, state);
    ret = vfio_mig_register_write(&mig->access, VFIO_MIG_REG_DEVICE_STATE, 4,
                                  value);
    if (ret == 0) {
        mig->base.device_state = value;
    }
    return ret;
}

/* Read one 64-bit register, or say which one could not be read. */
static int vfio_mig_v1_read(VFIODeviceMigration *mig, uint64_t reg,
                            const char *reg_name, uint64_t *value,
                            Error **errp)
{
    int ret = vfio_mig_register_read(&mig->access, reg, 8, value);

    if (ret < 0) {
        error_setg_errno(errp, -ret, "%s: cannot read %s of the migration "
                         "region", vfio_mig_dev(mig)->name, reg_name);
    }
    return ret;
}

static int vfio_mig_v1_get_pending(VFIODeviceMigration *mig,
                                   uint64_t *pending_bytes, Error **errp)
{
    int ret = vfio_mig_v1_read(mig, VFIO_MIG_REG_PENDING_BYTES,
                               "pending_bytes", pending_bytes, errp);

    if (ret == 0) {
        qatomic_set__nocheck(&mig->stats.pending_bytes, *pending_bytes);
        trace_vfio_migration_pending(vfio_mig_dev(mig)->name, *pending_bytes,
                                     mig->stats.transferred_bytes);
    }
    return ret;
}

/* data_offset must lie behind the registers and inside the region (U-3). */
static int vfio_mig_v1_read_offset(VFIODeviceMigration *mig, uint64_t *offset,
                                   Error **errp)
{
    int ret = vfio_mig_v1_read(mig, VFIO_MIG_REG_DATA_OFFSET, "data_offset",
                               offset, errp);

    if (ret < 0) {
        return ret;
    }
    if (*offset < VFIO_MIG_REGS_SIZE_BYTES ||
        *offset >= mig->extents.region_size) {
        error_setg(errp, "%s: the driver put its data at offset 0x%" PRIx64
                   " of a migration region of 0x%" PRIx64 " bytes (%s)",
                   vfio_mig_dev(mig)->name, *offset,
                   mig->extents.region_size, strerror(ERANGE));
        return -ERANGE;
    }
    return 0;
}

static int vfio_mig_v1_check_chunk(VFIODeviceMigration *mig, uint64_t offset,
                                   uint64_t size, Error **errp)
{
    if (size > VFIO_MIG_CHUNK_MAX_BYTES ||
        !vfio_mig_extents_contain(&mig->extents, offset, size)) {
        error_setg(errp, "%s: the driver offers 0x%" PRIx64 " bytes at "
                   "offset 0x%" PRIx64 " of a migration region of 0x%" PRIx64
                   " bytes (%s)", vfio_mig_dev(mig)->name, size, offset,
                   mig->extents.region_size, strerror(ERANGE));
        return -ERANGE;
    }
    return 0;
}

/* The stream's own error is the reason: leave it to be found there. */
static int vfio_mig_flush(QEMUFile *f)
{
    qemu_fflush(f);
    return qemu_file_get_error(f);
}

static int vfio_mig_v1_send_mapped(VFIODeviceMigration *mig, QEMUFile *f,
                                   const VFIOMigPiece *piece)
{
    const uint8_t *from = piece->host;
    uint64_t left = piece->size;
    uint64_t step;
    int ret;

    while (left) {
        step = MIN(left, VFIO_MIG_SEND_BYTES);
        /*
         * Not copied: the kernel reads the window, so that one which went
         * away gives EFAULT here and no SIGBUS (L-16).
         */
        qemu_put_buffer_async(f, from, step, false);
        ret = vfio_mig_flush(f);
        if (ret < 0) {
            return ret;
        }
        vfio_mig_stats_add(&mig->stats.mapped_bytes, step);
        from += step;
        left -= step;
    }
    return 0;
}

static int vfio_mig_v1_send_trapped(VFIODeviceMigration *mig, QEMUFile *f,
                                    const VFIOMigPiece *piece, Error **errp)
{
    uint64_t done = 0;
    size_t step;
    int ret;

    while (done < piece->size) {
        step = MIN(piece->size - done, VFIO_MIG_BOUNCE_BYTES);
        ret = vfio_mig_data_read(&mig->access, piece->offset + done,
                                 mig->bounce, step);
        if (ret < 0) {
            error_setg_errno(errp, -ret, "%s: cannot read %zu bytes of "
                             "migration data at offset 0x%" PRIx64,
                             vfio_mig_dev(mig)->name, step,
                             piece->offset + done);
            return ret;
        }
        qemu_put_buffer_async(f, mig->bounce, step, false);
        ret = vfio_mig_flush(f);
        if (ret < 0) {
            return ret;
        }
        vfio_mig_stats_add(&mig->stats.trapped_bytes, step);
        done += step;
        if (vfio_mig_chunk_torn(mig)) {
            return -EAGAIN;
        }
    }
    return 0;
}

static int vfio_mig_v1_send(VFIODeviceMigration *mig, QEMUFile *f,
                            uint64_t offset, uint64_t size, Error **errp)
{
    VFIOMigPiece piece;
    int ret = 0;

    while (ret == 0 &&
           vfio_mig_extents_next(&mig->extents, &offset, &size, &piece)) {
        ret = piece.host ? vfio_mig_v1_send_mapped(mig, f, &piece)
                         : vfio_mig_v1_send_trapped(mig, f, &piece, errp);
        if (ret == 0 && vfio_mig_chunk_torn(mig)) {
            ret = -EAGAIN;      /* the caller knows the reason */
        }
    }
    return ret;
}

/*
 * The driver has bytes pending but offers none. That may pass; it must
 * neither end the data silently nor go on for ever (U-16).
 */
static int vfio_mig_v1_empty_chunk(VFIODeviceMigration *mig, Error **errp)
{
    if (++mig->empty_chunks < VFIO_MIG_EMPTY_CHUNKS_MAX) {
        return 0;
    }
    error_setg(errp, "%s: the driver reports %" PRIu64 " bytes pending, but "
               "offered chunks of size 0 %u times in a row (%s)",
               vfio_mig_dev(mig)->name, mig->stats.pending_bytes,
               mig->empty_chunks, strerror(ENODATA));
    return -ENODATA;
}

static int vfio_mig_v1_save_chunk(VFIODeviceMigration *mig, QEMUFile *f,
                                  Error **errp)
{
    uint64_t offset, size;
    int ret = vfio_mig_v1_read_offset(mig, &offset, errp);

    if (ret == 0) {
        ret = vfio_mig_v1_read(mig, VFIO_MIG_REG_DATA_SIZE, "data_size",
                               &size, errp);
    }
    if (ret == 0) {
        ret = vfio_mig_v1_check_chunk(mig, offset, size, errp);
    }
    if (ret < 0) {
        return ret;
    }
    trace_vfio_migration_save_chunk(vfio_mig_dev(mig)->name, offset, size);
    if (size == 0) {
        return vfio_mig_v1_empty_chunk(mig, errp);
    }

    mig->empty_chunks = 0;
    mig->session_sent = true;
    vfio_mig_put_data_header(f, size);
    ret = vfio_mig_v1_send(mig, f, offset, size, errp);
    if (ret == 0) {
        vfio_mig_stats_add(&mig->stats.transferred_bytes, size);
        vfio_mig_stats_add(&mig->stats.chunks, 1);
        ret = 1;
    }
    return ret;
}

static int vfio_mig_v1_receive_mapped(VFIODeviceMigration *mig, QEMUFile *f,
                                      const VFIOMigPiece *piece, Error **errp)
{
    int ret = vfio_mig_get_data(f, piece->host, piece->size, errp);

    if (ret < 0) {
        error_prepend(errp, "%s: ", vfio_mig_dev(mig)->name);
        return ret;
    }
    vfio_mig_stats_add(&mig->stats.mapped_bytes, piece->size);
    return 0;
}

static int vfio_mig_v1_receive_trapped(VFIODeviceMigration *mig, QEMUFile *f,
                                       const VFIOMigPiece *piece,
                                       Error **errp)
{
    uint64_t done = 0;
    size_t step;
    int ret;

    while (done < piece->size) {
        step = MIN(piece->size - done, VFIO_MIG_BOUNCE_BYTES);
        ret = vfio_mig_get_data(f, mig->bounce, step, errp);
        if (ret < 0) {
            error_prepend(errp, "%s: ", vfio_mig_dev(mig)->name);
            return ret;
        }
        ret = vfio_mig_data_write(&mig->access, piece->offset + done,
                                  mig->bounce, step);
        if (ret < 0) {
            error_setg_errno(errp, -ret, "%s: cannot write %zu bytes of "
                             "migration data at offset 0x%" PRIx64,
                             vfio_mig_dev(mig)->name, step,
                             piece->offset + done);
            return ret;
        }
        vfio_mig_stats_add(&mig->stats.trapped_bytes, step);
        done += step;
    }
    return 0;
}

/* One transaction: as much of a chunk as the data window takes. */
static int vfio_mig_v1_load_part(VFIODeviceMigration *mig, QEMUFile *f,
                                 uint64_t offset, uint64_t size, Error **errp)
{
    uint64_t left = size;
    VFIOMigPiece piece;
    int ret = 0;

    trace_vfio_migration_load_chunk(vfio_mig_dev(mig)->name, offset, size);
    while (ret == 0 &&
           vfio_mig_extents_next(&mig->extents, &offset, &left, &piece)) {
        ret = piece.host ? vfio_mig_v1_receive_mapped(mig, f, &piece, errp)
                         : vfio_mig_v1_receive_trapped(mig, f, &piece, errp);
    }
    if (ret < 0) {
        return ret;
    }
    ret = vfio_mig_register_write(&mig->access, VFIO_MIG_REG_DATA_SIZE, 8,
                                  size);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "%s: the driver did not accept a chunk "
                         "of %" PRIu64 " bytes of migration data",
                         vfio_mig_dev(mig)->name, size);
    }
    return ret;
}

static int vfio_mig_v1_load_chunk(VFIODeviceMigration *mig, QEMUFile *f,
                                  uint64_t size_bytes, Error **errp)
{
    uint64_t left = size_bytes;
    uint64_t offset, part;
    int ret;

    while (left) {
        ret = vfio_mig_v1_read_offset(mig, &offset, errp);
        if (ret < 0) {
            return ret;
        }
        part = MIN(left, mig->extents.region_size - offset);
        if (part < left && !mig->warned_split) {
            mig->warned_split = true;
            warn_report("%s: chunks of the source (%" PRIu64 " bytes) do not "
                        "fit into this device's data window (%" PRIu64
                        " bytes) and are split; drivers may refuse that",
                        vfio_mig_dev(mig)->name, size_bytes, part);
        }
        ret = vfio_mig_v1_load_part(mig, f, offset, part, errp);
        if (ret < 0) {
            return ret;
        }
        left -= part;
    }
    vfio_mig_stats_add(&mig->stats.transferred_bytes, size_bytes);
    vfio_mig_stats_add(&mig->stats.chunks, 1);
    return 0;
}

/* Failing to map is not fatal: the bytes are then trapped (R-08a). */
static void vfio_mig_v1_map(VFIODeviceMigration *mig)
{
    VFIORegion *region = &mig->base.region;
    g_autofree VFIOMigArea *areas = g_new0(VFIOMigArea, region->nr_mmaps);
    const char *name = vfio_mig_dev(mig)->name;
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
    vfio_mig_extents_destroy(&mig->extents);
    left_out = vfio_mig_extents_init(&mig->extents, region->size, areas,
                                     region->nr_mmaps);
    trace_vfio_migration_map(name, mig->extents.nr_areas, left_out);
    if (left_out) {
        trace_vfio_migration_fallback(name, "map", "bad areas are trapped");
    }
}

static void vfio_mig_v1_unmap(VFIODeviceMigration *mig)
{
    VFIORegion *region = &mig->base.region;

    vfio_mig_extents_destroy(&mig->extents);
    vfio_mig_extents_init(&mig->extents, region->size, NULL, 0);
    vfio_region_unmap(region);
}

const VFIOMigProtocol vfio_mig_protocol_v1 = {
    .name = "v1",
    .arcs = &vfio_mig_v1_arcs,
    .get_state = vfio_mig_v1_get_state,
    .write_state = vfio_mig_v1_write_state,
    .get_pending = vfio_mig_v1_get_pending,
    .save_chunk = vfio_mig_v1_save_chunk,
    .load_chunk = vfio_mig_v1_load_chunk,
    .map = vfio_mig_v1_map,
    .unmap = vfio_mig_v1_unmap,
};
