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
#include "hw/vfio/migration-v1-window.h"
#include "hw/vfio/migration-v1-access.h"

typedef struct VFIODeviceMigration VFIODeviceMigration;

/* What the front door asks of a protocol. */
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
    /*
     * Move one chunk to the stream, with its header. Returns 1, 0 where the
     * device offered an empty one and nothing was written, or -errno; @errp
     * is left unset where the stream itself failed, which knows its reason.
     */
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
    unsigned chunk_generation;  /* generation when the chunk began */

    QEMUFile *file;             /* the stream, from setup to cleanup */
    bool saving;                /* between save_setup and save_cleanup */
    bool loading;               /* between load_setup and load_cleanup */
    bool snapshot;              /* the stream is a savevm or loadvm file */
    bool background;            /* a background snapshot: refused at its end */
    bool failed;                /* this migration failed because of us */
    bool session_sent;          /* a chunk left in this saving session */
    bool loaded;                /* device data arrived, not yet run */
    bool warned_split;          /* chunks larger than the window: said once */
    unsigned empty_chunks;      /* in a row, while bytes are pending (U-16) */

    VFIOMigStats stats;
    char *last_error;           /* lock; text of the last failure, or NULL */
    Error *multi_blocker;       /* another device beside this one */
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

/* ---- migration-transition.c ---- */

/*
 * vfio_mig_set_state: bring the device to @target
 *
 * Goes over the arcs that the driver accepts; one that it refuses with
 * EINVAL, keeping the old state, is remembered and gone round (U-10). After
 * any other failure the device is brought to @recover, or reset where
 * @recover is VFIO_MIG_STATE_ERROR or cannot be reached (U-11, U-12).
 *
 * Returns: 0, or the first failure's -errno with @errp set: device's name,
 * both states, errno text, and what state the device is left in.
 * Locks: needs the BQL; takes mig->lock.
 */
int vfio_mig_set_state(VFIODeviceMigration *mig, VFIOMigState target,
                       VFIOMigState recover, Error **errp);

/*
 * vfio_mig_try_state: the same without recovery, for a state that is better
 * but not needed
 *
 * Returns: 0, or -errno; mig->state tells where the device is then.
 */
int vfio_mig_try_state(VFIODeviceMigration *mig, VFIOMigState target);

/* State of a device that takes part in no migration: running or stop. */
VFIOMigState vfio_mig_idle_state(void);

/*
 * vfio_mig_fail: this device fails the migration under way
 *
 * @ret: -errno
 * @err: taken over. It reaches query-migrate and the stream; in a snapshot,
 *       or with no migration under way, it is printed here.
 *
 * Locks: none needed. First error wins (rule 4).
 */
void vfio_mig_fail(VFIODeviceMigration *mig, int ret, Error *err);

/*
 * vfio_mig_chunk_begin, vfio_mig_chunk_end: bracket work on the registers
 * that belongs together, from the migration thread
 *
 * State changes wait for the end, but not longer than
 * VFIO_MIG_CHUNK_WAIT_MS: the stream may hang, and they hold the BQL.
 *
 * Returns (end): false where a state change did not wait; what was read may
 * then not be one piece, and the migration has to fail.
 */
void vfio_mig_chunk_begin(VFIODeviceMigration *mig);
bool vfio_mig_chunk_end(VFIODeviceMigration *mig);
/* Has a state change come in between? Then stop to read. No lock needed. */
bool vfio_mig_chunk_torn(VFIODeviceMigration *mig);

#define VFIO_MIG_CHUNK_WAIT_MS  1000

/* ---- migration-pci.c ---- */

/*
 * vfio_mig_reset: reset the device, which then runs, without bus mastering
 *
 * The state of the device that the guest knew is lost.
 *
 * Returns: 0, or -errno; the device is then left in error.
 * Locks: needs the BQL.
 */
int vfio_mig_reset(VFIODeviceMigration *mig);

/*
 * vfio_mig_rearm: give the device back what a reset has taken away
 *
 * PCI_COMMAND, and MSI or MSI-X, as the guest has set them (B-44). To be
 * called when the device is in the state that it is to stay in: one of a
 * stopped VM has no business on the bus.
 *
 * Locks: needs the BQL.
 */
void vfio_mig_rearm(VFIODeviceMigration *mig);

/*
 * vfio_mig_push_pci_command: write PCI_COMMAND to the device once more
 *
 * Loading the configuration space does that too (R-04h), but only prints
 * where it failed; a device without bus mastering is a wrong device.
 *
 * Returns: 0, also for a device that is no PCI device, or -errno.
 * Locks: needs the BQL.
 */
int vfio_mig_push_pci_command(VFIODevice *vbasedev);

/*
 * vfio_mig_route_intx: let vfio-pci look again where the device's INTx goes
 *
 * To be called when all devices are loaded and before this one runs. The
 * chipset's routes are loaded after the device, and QEMU 7.2 tells nobody:
 * with KVM, INTx would go on to the IRQ that it had in an empty chipset, 0,
 * and never arrive. Nothing happens where the device is no PCI device.
 *
 * Locks: needs the BQL.
 */
void vfio_mig_route_intx(VFIODevice *vbasedev);

/* ---- migration-save.c, migration-load.c ---- */

/* The handlers, and a device's part in them; @opaque is the VFIODevice. */
extern const SaveVMHandlers vfio_mig_savevm_handlers;

int vfio_mig_load_setup(QEMUFile *f, void *opaque);
int vfio_mig_load_state(QEMUFile *f, void *opaque, int version_id);
int vfio_mig_load_cleanup(void *opaque);

/* Bring the device to @stream's end of work: unmap, free the buffer. BQL */
void vfio_mig_stream_begin(VFIODeviceMigration *mig, QEMUFile *f);
void vfio_mig_stream_finish(VFIODeviceMigration *mig);

/* ---- migration-info.c ---- */

/* The QOM property "vfio-migration"; remove is safe where there is none. BQL */
void vfio_mig_info_add(VFIODevice *vbasedev);
void vfio_mig_info_remove(VFIODevice *vbasedev);

/* Count from zero again: at the start of each migration and snapshot. */
void vfio_mig_stats_reset(VFIODeviceMigration *mig);
/* Add @bytes to a counter that other threads read. */
void vfio_mig_stats_add(uint64_t *counter, uint64_t bytes);

/* ---- given by the program that the subsystem is part of ---- */

/*
 * vfio_mig_multi_device_allowed: does the user accept that several v1
 * devices migrate together?
 *
 * v1 has no state that stops peer-to-peer DMA alone, so a device may still
 * write to one that is already stopped. QEMU: a property of the device;
 * attach: VFIO_MIGRATION_MULTI=allow in the environment.
 */
bool vfio_mig_multi_device_allowed(VFIODevice *vbasedev);

/* What the user has to say to allow it, as a message names it */
extern const char vfio_mig_multi_device_option[];

#endif /* HW_VFIO_MIGRATION_DEVICE_H */
