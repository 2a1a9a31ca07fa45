/*
 * A VFIO device's side of a migration: what the parts of hw/vfio share
 *
 * Locks: the big QEMU lock (BQL) protects state changes, registration and
 * blockers. VFIODeviceMigration.lock protects the registers of the region
 * between the migration thread, which moves chunks without the BQL, and
 * state changes under the BQL. Order: BQL, then lock. The lock is never held
 * while the stream may block.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_DEVICE_H
#define HW_VFIO_MIGRATION_DEVICE_H

#include "hw/vfio/vfio-common.h"
#include "migration/register.h"
#include "qemu/thread.h"
#include "hw/vfio/migration-state.h"
#include "hw/vfio/migration-extent.h"
#include "hw/vfio/migration-access.h"

typedef struct VFIODeviceMigration VFIODeviceMigration;

/* What the front door asks of a protocol; every call may fail with errp. */
typedef struct VFIOMigProtocol {
    const char *name;
    const VFIOMigArcTable *arcs;

    /* Read the state that the device is in; -errno where it cannot tell. */
    int (*get_state)(VFIODeviceMigration *mig, VFIOMigState *state);
    /* Perform one arc: a single write. Returns 0 or -errno. */
    int (*write_state)(VFIODeviceMigration *mig, VFIOMigState state);
    /* Bytes that the device still has to give; acknowledges a chunk. */
    int (*get_pending)(VFIODeviceMigration *mig, uint64_t *pending_bytes,
                       Error **errp);
    /* Move one chunk to the stream, with its header. */
    int (*save_chunk)(VFIODeviceMigration *mig, QEMUFile *f, Error **errp);
    /* Move a chunk of @size_bytes from the stream to the device. */
    int (*load_chunk)(VFIODeviceMigration *mig, QEMUFile *f,
                      uint64_t size_bytes, Error **errp);
    /* Map what can be mapped of the data window, or take it away again. */
    void (*map)(VFIODeviceMigration *mig);
    void (*unmap)(VFIODeviceMigration *mig);
} VFIOMigProtocol;

extern const VFIOMigProtocol vfio_mig_protocol_v1;

/* Figures of the current or last migration; read without a lock. */
typedef struct VFIOMigStats {
    uint64_t transferred_bytes;
    uint64_t chunks;
    uint64_t mapped_bytes;
    uint64_t trapped_bytes;
    uint64_t pending_bytes;     /* as last reported by the device */
} VFIOMigStats;

struct VFIODeviceMigration {
    /* Must stay first: QEMU's own readers of vbasedev->migration (rule 8) */
    VFIOMigration base;

    const VFIOMigProtocol *protocol;
    VFIOMigState state;         /* last known; true after each transition */
    uint64_t refused_arcs;      /* bit = index in protocol->arcs */
    VFIOMigAccess access;
    VFIOMigExtents extents;
    uint8_t *bounce;            /* VFIO_MIG_BOUNCE_BYTES, during a migration */

    QemuMutex lock;             /* see the head of this file */
    QemuCond chunk_done;
    bool chunk_busy;            /* a chunk is between device and stream */
    unsigned generation;        /* counts state changes */

    QEMUFile *file;             /* the stream, from setup to cleanup */
    bool saving;                /* between save_setup and save_cleanup */
    bool loading;               /* between load_setup and load_cleanup */
    bool failed;                /* this migration failed because of us */
    bool session_sent;          /* a chunk left in this saving session */
    bool warned_split;
    bool loaded;                /* device data arrived, not yet run */

    VFIOMigStats stats;
    char *last_error;           /* BQL; text of the last failure, or NULL */
    Error *multi_blocker;       /* other v1 devices beside this one */
};

/* The object behind @vbasedev, or NULL where it cannot migrate. */
static inline VFIODeviceMigration *vfio_mig_of(VFIODevice *vbasedev)
{
    return (VFIODeviceMigration *)vbasedev->migration;
}

static inline VFIODevice *vfio_mig_dev(VFIODeviceMigration *mig)
{
    return mig->base.vbasedev;
}

#endif /* HW_VFIO_MIGRATION_DEVICE_H */
