/*
 * One save or load of a VFIO device: its phase, its failure
 *
 * A session begins when a migration begins, and holds a reference to the
 * device: whatever becomes of the device in between, the object is there
 * until the session has ended.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_SESSION_H
#define HW_VFIO_MIGRATION_SESSION_H

#include "hw/vfio/migration-claim.h"
#include "hw/vfio/migration-device.h"

typedef struct VFIOMigPipeline VFIOMigPipeline;

typedef struct VFIOMigWriter VFIOMigWriter;

/* A change of state in a load that is not over yet */
typedef enum VFIOMigLoadStep {
    VFIO_MIG_LOAD_STEP_NONE,
    VFIO_MIG_LOAD_STEP_ENTERS,  /* resuming */
    VFIO_MIG_LOAD_STEP_VERDICT, /* ... and leaves it */
} VFIOMigLoadStep;

typedef enum VFIOMigStream {
    VFIO_MIG_STREAM_LIVE,       /* a migration, out or in */
    VFIO_MIG_STREAM_SNAPSHOT,   /* savevm or loadvm */
    VFIO_MIG_STREAM_BACKGROUND, /* a background snapshot: refused at its end */
} VFIOMigStream;

struct VFIOMigSession {
    VFIOMigStream stream;
    QEMUFile *file;             /* only its own thread; NULL in phase setup */
    uint8_t *staging;           /* its own thread; see migration-file.c */
    VFIOMigWriter *writer;      /* of a load; its own thread */
    VFIOMigPipeline *pipeline;  /* its own thread; NULL: none yet */
    VFIOMigEstimate estimate;   /* its own thread */
    bool hopeless_told;         /* its own thread; of all devices */
    uint64_t last_turn;         /* its own thread; see migration-turns.c */

    Error *error;               /* lock; why it failed, or NULL */
    int ret;                    /* lock; -errno */
    bool told;                  /* set in the stream; its own thread */
    VFIOMigLoadStep step;       /* BQL */
    bool announced;             /* the stream that is loaded has the device */
    bool initial_arrived;       /* so the stream says. BQL */
    bool acked;                 /* its mark was the last; source told. BQL */
    bool section_has_data;      /* the one that is loaded. BQL */
    bool looks_like_v1;         /* the stream of the load does. BQL */
    bool looks_like_v2;

    bool data_sent;             /* lock; since the device began to save */
    bool stop_due;              /* lock; the VM was stopped in a chunk */
    bool slept;                 /* its own thread; the guest was in S3 */
};

/*
 * vfio_mig_session_begin: a migration or a snapshot begins for this device
 *
 * @phase: setup for a save, load for a load
 *
 * Locks: needs the BQL. No other session may be there.
 */
void vfio_mig_session_begin(VFIODeviceMigration *mig, VFIOMigPhase phase,
                            VFIOMigStream stream);

/* vfio_mig_session_open: data goes to or comes from @f from now on. BQL */
void vfio_mig_session_open(VFIODeviceMigration *mig, QEMUFile *f);

/*
 * vfio_mig_session_end: nothing is moved any more
 *
 * A device that was unplugged in the meantime is freed, but not in here:
 * QEMU is in the middle of a list of handlers.
 *
 * Locks: needs the BQL. Does nothing where there is no session.
 */
void vfio_mig_session_end(VFIODeviceMigration *mig);

/* The only way to change the phase. BQL */
void vfio_mig_set_phase(VFIODeviceMigration *mig, VFIOMigPhase phase);

/* Name of @phase, as users see it; never NULL */
const char *vfio_mig_phase_str(VFIOMigPhase phase);

/*
 * vfio_mig_fail: this device fails the session under way
 *
 * @ret: -errno
 * @err: ownership is transferred. It reaches query-migrate; the stream learns
 *       of it by vfio_mig_session_tell(). In a load, a snapshot, or without a
 *       session, it is printed here.
 *
 * The first error of a session wins. Locks: none needed.
 */
void vfio_mig_fail(VFIODeviceMigration *mig, int ret, Error *err);

/* vfio_mig_session_failed: has the session failed? From any thread */
bool vfio_mig_session_failed(VFIODeviceMigration *mig);

/*
 * vfio_mig_session_tell: set the session's failure in its stream
 *
 * Only for the thread of the stream: QEMUFile has no lock.
 *
 * Returns: 0 where it has not failed, or its -errno.
 */
int vfio_mig_session_tell(VFIODeviceMigration *mig);

/*
 * vfio_mig_session_name_failure: where the migration has failed and nobody
 * has said why, say what is known of it
 *
 * QEMU 7.2 gives no reason for a failure in the switch-over, other than a
 * device's: not what the stream met, nor that the destination said no.
 *
 * For save_cleanup, while the stream is still open; there must be a session.
 * Locks: needs the BQL.
 */
void vfio_mig_session_name_failure(VFIODeviceMigration *mig);

/* Is there a session that saves and has not failed? BQL */
bool vfio_mig_session_goes_on(VFIODeviceMigration *mig);

/* Was data of the device sent in its present session? */
bool vfio_mig_data_sent(VFIODeviceMigration *mig);
void vfio_mig_set_data_sent(VFIODeviceMigration *mig, bool sent);

#endif /* HW_VFIO_MIGRATION_SESSION_H */
