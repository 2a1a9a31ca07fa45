/*
 * What a device tells QEMU as pending, and so when the VM may be stopped
 *
 * QEMU 7.2 stops the VM once the sum of what all handlers have pending is
 * below a threshold: the bytes that went out in the last 100 ms or so, for as
 * long as downtime-limit says. In an idle VM next to nothing goes out, so
 * that no device's data would ever fit. What a device needs after the stop is
 * therefore measured by the best rate of this migration, and reported as the
 * same part of QEMU's threshold.
 *
 * Pure functions: no device, no lock, no clock. An estimate belongs to the
 * thread that migrates.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_ESTIMATE_H
#define HW_VFIO_MIGRATION_ESTIMATE_H

#include "qemu/units.h"

/*
 * What is reported for a device that is not known to be ready: more than any
 * downtime allows, so that the VM is not stopped on a guess, and small enough
 * that 256 devices together do not overflow. No device reports more.
 */
#define VFIO_MIG_PENDING_MAX_BYTES  (1 * PiB)

/*
 * What QEMU needs besides: the last look for dirty pages, devices that it
 * emulates, the other side's word. Measured with two small VMs: 10 to 25 ms.
 */
#define VFIO_MIG_QEMU_MS            20

/* What a device says of itself, as far as its protocol can tell */
typedef struct VFIOMigSizes {
    bool precopy_known;
    uint64_t initial_bytes;     /* to be read before the VM is stopped */
    uint64_t dirty_bytes;       /* all else that can be read before that */
    bool stop_known;
    uint64_t stop_bytes;        /* to be read if the VM stopped now; all */
    bool stop_is_least;         /* ... or some, it may have more then */
} VFIOMigSizes;

/* What QEMU says when it asks */
typedef struct VFIOMigLook {
    int64_t now_ns;             /* of a clock that does not go back */
    uint64_t threshold_bytes;   /* the VM is stopped below that */
    uint64_t limit_ms;          /* downtime-limit */
    uint64_t others_bytes;      /* pending of whom QEMU has asked before */
} VFIOMigLook;

/* One device in one migration; members are for migration-estimate.c alone. */
typedef struct VFIOMigEstimate {
    VFIOMigLook look;           /* the last one */
    double best_rate;           /* bytes/ms, of all that went out */
    double measured_bytes;      /* that went out, as far as it was measured */
    int64_t measured_ns;        /* until when */
    int64_t away_ns;            /* since then devices kept the thread */

    VFIOMigSizes sizes;         /* as the device said last */
    bool known;                 /* it has said something */
    int64_t known_ns;           /* when */
    uint64_t sent_since_bytes;  /* its own data that went out since */
    uint64_t sent_bytes;        /* the same since the beginning */
    bool withheld;              /* it has data, and did not give any */
    int64_t withheld_from_ns;   /* since when */
    unsigned withheld_reads;    /* in a row, of initial data */
    int64_t withheld_ns;        /* when it last was one of these */

    uint64_t initial_due_bytes; /* initial data is over when sent_bytes is it */
    unsigned initial_raises;    /* how often there was more of it than before */

    double read_bytes, read_ns; /* what the device took to give */
    double wire_bytes, wire_ns; /* and the stream to take */
    double part_bytes, part_ns; /* ... since the last rates below */
    double wire_rates[2];       /* bytes/ns, the last two; 0: not known */
    int64_t change_ns;          /* of its states, for the VM's stop */
    bool over;                  /* its time does not fit, but may yet */

    uint64_t assumed_bytes;     /* where stop_bytes is not known */
    bool assumed_told;
    uint64_t first_pass_bytes;  /* could be read when it was first asked */
    int64_t held_ns;            /* when it last was what held up all others */
    unsigned held_looks;
    bool too_big_told;
} VFIOMigEstimate;

/*
 * vfio_mig_estimate_begin: a migration begins
 *
 * @now_ns: by the clock of all looks
 * @assumed_bytes: what the device needs once the VM is stopped, where its
 *                 driver cannot tell; 0: nobody knows
 */
void vfio_mig_estimate_begin(VFIOMigEstimate *e, int64_t now_ns,
                             uint64_t assumed_bytes);

/* vfio_mig_estimate_look: QEMU asks; for all functions below. */
void vfio_mig_estimate_look(VFIOMigEstimate *e, const VFIOMigLook *look);

/*
 * vfio_mig_estimate_is_old: must the device be asked, as of this look?
 *
 * To ask may take it milliseconds, and makes some begin a new piece of work:
 * once in 100 ms is often enough, unless the VM would be stopped for an old
 * answer.
 */
bool vfio_mig_estimate_is_old(const VFIOMigEstimate *e);

/*
 * vfio_mig_estimate_update: the device's answer; numbers are hostile
 *
 * What it does not tell this time, but did before, is less by what was read.
 */
void vfio_mig_estimate_update(VFIOMigEstimate *e, const VFIOMigSizes *sizes);

/*
 * vfio_mig_estimate_note_sent: the device was read, while it ran
 *
 * @size_bytes: what it gave; 0 where it had nothing to give
 */
void vfio_mig_estimate_note_sent(VFIOMigEstimate *e, uint64_t size_bytes);

/*
 * vfio_mig_estimate_note_away: the thread that sends was kept so long by a
 * device, this one or another one, in which nothing went out
 */
void vfio_mig_estimate_note_away(VFIOMigEstimate *e, int64_t away_ns);

/*
 * vfio_mig_estimate_note_time: how long that took
 *
 * @read_ns: till the device gave it
 * @wire_ns: till the stream took it
 */
void vfio_mig_estimate_note_time(VFIOMigEstimate *e, uint64_t size_bytes,
                                 int64_t read_ns, int64_t wire_ns);

/*
 * vfio_mig_estimate_set_change: its changes of state take that, for the VM's
 * stop and till it runs elsewhere
 */
void vfio_mig_estimate_set_change(VFIOMigEstimate *e, int64_t change_ns);

/*
 * vfio_mig_estimate_pending: what QEMU has to be told, in bytes
 *
 * Together with what others have pending it is below the threshold if, and
 * only if, all of it can leave within the downtime limit: what can be read
 * now at the rate by which QEMU measures all others, the rest at the best
 * one. Never below the threshold while initial data is left, unless the
 * device withholds it for 5 s, or where it was not asked yet; never above
 * VFIO_MIG_PENDING_MAX_BYTES, but for a threshold that is.
 */
uint64_t vfio_mig_estimate_pending(const VFIOMigEstimate *e);

/*
 * vfio_mig_estimate_holds_up: would QEMU stop the VM, as of this look, but for
 * what this device has pending?
 */
bool vfio_mig_estimate_holds_up(const VFIOMigEstimate *e);

/*
 * vfio_mig_estimate_is_guess: does the VM's stop depend on a size that nobody
 * knows?
 *
 * Returns: true once in a migration; then the user has to be told that the
 * downtime limit does not take the device's data in.
 */
bool vfio_mig_estimate_is_guess(VFIOMigEstimate *e);

/*
 * vfio_mig_estimate_is_too_big: is it this device that keeps the VM from
 * being stopped, and for a while already?
 *
 * Call it once a look, after vfio_mig_estimate_pending(). A device that has
 * not been read once from end to end, where it can be, is not too big yet.
 *
 * Returns: true once in a migration; then the user has to be told.
 */
bool vfio_mig_estimate_is_too_big(VFIOMigEstimate *e);

/* What a stop of the VM would cost now, in milliseconds, UINT32_MAX at most */
typedef struct VFIOMigDowntime {
    uint64_t expected_ms;
    uint64_t least_ms;          /* of it, what does not become less */
    uint64_t stream_ms;         /* the stream would take so long alone */
    bool lower_bound;           /* something of it is not known */
} VFIOMigDowntime;

/*
 * vfio_mig_estimate_predict: the downtime, if the VM were stopped now
 *
 * Devices change their states side by side, and then are read side by side,
 * while the stream and the destination take what they give: the slowest of
 * them counts. VFIO_MIG_QEMU_MS are added. RAM and
 * the devices' data go out at the best rate that was seen, as a stopped VM's
 * stream has no limit. A device that has given nothing yet is taken to be as
 * fast as the stream, changes of state that were never seen to take no time:
 * then expected_ms is a lower bound, as where a size is not known.
 *
 * @all: the devices that migrate together, each after its last look
 */
VFIOMigDowntime vfio_mig_estimate_predict(const VFIOMigEstimate *const *all,
                                          size_t nr);

/*
 * vfio_mig_estimate_judge: does the VM run on for that?
 *
 * It does where @downtime is above the limit, not for the stream alone, which
 * vfio_mig_estimate_pending() takes in, and may become less: from then on what
 * that tells is never below the threshold.
 */
void vfio_mig_estimate_judge(VFIOMigEstimate *e,
                             const VFIOMigDowntime *downtime);

/*
 * vfio_mig_estimate_is_hopeless: is @downtime above the limit, whatever is
 * waited for?
 *
 * Not before its initial data was read, which counts till then; nor where the
 * stream alone takes longer, as QEMU does not stop the VM then.
 */
bool vfio_mig_estimate_is_hopeless(const VFIOMigEstimate *e,
                                   const VFIOMigDowntime *downtime);

/* Of the device alone, what does not become less, in ms */
uint64_t vfio_mig_estimate_least_ms(const VFIOMigEstimate *e);

/* What the device needs once the VM is stopped, in bytes, as far as known */
uint64_t vfio_mig_estimate_stop_bytes(const VFIOMigEstimate *e);

/* The rate by which it is judged whether that fits, in bytes/s; never 0 */
uint64_t vfio_mig_estimate_rate(const VFIOMigEstimate *e);

/*
 * vfio_mig_estimate_downtime_ms: the downtime-limit that would do
 *
 * @all: the devices that migrate together, each after its last look
 *
 * Of what others have pending only that counts which came before all devices:
 * the VM's RAM. A tenth is added, as none of these figures stands still.
 *
 * Returns: milliseconds, at most UINT32_MAX.
 */
uint64_t vfio_mig_estimate_downtime_ms(const VFIOMigEstimate *const *all,
                                       size_t nr);

#endif /* HW_VFIO_MIGRATION_ESTIMATE_H */
