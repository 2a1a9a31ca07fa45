/*
 * One save or load of a VFIO device: its phase, its failure
 *
 * A session begins when a migration begins, and holds a reference to the
 * device: whatever happens to the device, the object exists until the session
 * has ended.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_SESSION_H
#define HW_VFIO_MIGRATION_SESSION_H

#include "hw/vfio/migration-claim.h"
#include "hw/vfio/migration-device.h"

typedef struct VFIOMigPipeline VFIOMigPipeline;

typedef struct VFIOMigWriter VFIOMigWriter;

/* A change of state in a load that has not been completed yet */
typedef enum VFIOMigLoadStep {
    VFIO_MIG_LOAD_STEP_NONE,
    VFIO_MIG_LOAD_STEP_ENTERS,  /* into resuming */
    VFIO_MIG_LOAD_STEP_VERDICT, /* out of resuming */
} VFIOMigLoadStep;

typedef enum VFIOMigStream {
    VFIO_MIG_STREAM_LIVE,       /* a migration, out or in */
    VFIO_MIG_STREAM_SNAPSHOT,   /* savevm or loadvm */
    VFIO_MIG_STREAM_BACKGROUND, /* a background snapshot: refused at its end */
} VFIOMigStream;

struct VFIOMigSession {
    VFIOMigStream stream;
    QEMUFile *file;             /* only its own thread; NULL in phase setup */
    uint8_t *staging;           /* only its own thread; see migration-file.c */
    VFIOMigWriter *writer;      /* of a load; its own thread */
    VFIOMigPipeline *pipeline;  /* its own thread; NULL: none yet */
    VFIOMigEstimate estimate;   /* its own thread */
    bool hopeless_told;         /* its own thread; of all devices */
    uint64_t last_turn;         /* its own thread; see migration-turns.c */

    Error *error;               /* lock; why it failed, or NULL */
    int ret;                    /* lock; -errno */
    bool told;                  /* error set in the stream; its own thread */
    VFIOMigLoadStep step;       /* BQL */
    bool announced;             /* the stream being loaded has the device */
    bool initial_arrived;       /* according to the stream. BQL */
    bool acked;                 /* its mark was the last; source told. BQL */
    bool section_has_data;      /* the section being loaded. BQL */
    bool looks_like_v1;         /* the stream of the load does. BQL */
    bool looks_like_v2;

    bool data_sent;             /* lock; since the start of saving */
    bool stop_due;              /* lock; the VM was stopped during a chunk */
    bool slept;                 /* its own thread; the guest was in S3 */
};

/*
 * vfio_mig_session_begin: a migration or a snapshot begins for this device
 *
 * @phase: setup for a save, load for a load
 *
 * Locks: needs the BQL. There must be no other session.
 */
void vfio_mig_session_begin(VFIODeviceMigration *mig, VFIOMigPhase phase,
                            VFIOMigStream stream);

/* vfio_mig_session_open: data is written to or read from @f from now on. BQL */
void vfio_mig_session_open(VFIODeviceMigration *mig, QEMUFile *f);

/*
 * vfio_mig_session_end: end the session, if there is one
 *
 * A device that was unplugged in the meantime is freed, but in a bottom half:
 * QEMU is iterating over a list of handlers.
 *
 * Locks: needs the BQL.
 */
void vfio_mig_session_end(VFIODeviceMigration *mig);

/* The only way to change the phase. BQL */
void vfio_mig_set_phase(VFIODeviceMigration *mig, VFIOMigPhase phase);

/* Name of @phase as shown to users; never NULL */
const char *vfio_mig_phase_str(VFIOMigPhase phase);

/*
 * vfio_mig_fail: this device fails the current session
 *
 * @ret: -errno
 * @err: ownership is transferred. It is shown by query-migrate, and set in the
 *       stream by vfio_mig_session_tell(). In a load, a snapshot, or without a
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
 * Returns: 0 if it has not failed, otherwise its -errno.
 */
int vfio_mig_session_tell(VFIODeviceMigration *mig);

/*
 * vfio_mig_session_name_failure: if the migration has failed without a reason,
 * report what is known
 *
 * For a failure in the switch-over that is not a device's, QEMU 7.2 gives no
 * reason: neither the stream's error, nor that the destination has refused.
 *
 * For save_cleanup, while the stream is still open; there must be a session.
 * Locks: needs the BQL.
 */
void vfio_mig_session_name_failure(VFIODeviceMigration *mig);

/* Is there a session that saves and has not failed? BQL */
bool vfio_mig_session_goes_on(VFIODeviceMigration *mig);

/* Was data of the device sent in its current session? */
bool vfio_mig_data_sent(VFIODeviceMigration *mig);
void vfio_mig_set_data_sent(VFIODeviceMigration *mig, bool sent);

#endif /* HW_VFIO_MIGRATION_SESSION_H */
