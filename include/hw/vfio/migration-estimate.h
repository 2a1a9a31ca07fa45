/*
 * What a device reports to QEMU as pending, and so when the VM may be stopped
 *
 * QEMU 7.2 stops the VM once the sum of what all handlers have pending is
 * below a threshold: the rate of the last 100 ms or so, times downtime-limit.
 * In an idle VM hardly anything is sent, so that no device's data would ever
 * fit. What a device needs after the stop is therefore related to the best rate
 * of this migration, and reported as the same fraction of QEMU's threshold.
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
 * Reported for a device that is not known to be ready: more than any downtime
 * allows, so that the VM is not stopped on a guess, and small enough that the
 * sum of 256 devices does not overflow. No device reports more.
 */
#define VFIO_MIG_PENDING_MAX_BYTES  (1 * PiB)

/*
 * What QEMU itself needs: the last sync of dirty pages, emulated devices, the
 * destination's answer. Measured with two small VMs: 10 to 25 ms.
 */
#define VFIO_MIG_QEMU_MS            20

/* Sizes that a device reports, if its protocol allows that */
typedef struct VFIOMigSizes {
    bool precopy_known;
    uint64_t initial_bytes;     /* to be read before the VM is stopped */
    uint64_t dirty_bytes;       /* all else that can be read before that */
    bool stop_known;
    uint64_t stop_bytes;        /* total to be read if the VM stopped now */
    bool stop_is_least;         /* ... at least; there may be more then */
} VFIOMigSizes;

/* What is known when QEMU asks */
typedef struct VFIOMigLook {
    int64_t now_ns;             /* of a monotonic clock */
    uint64_t threshold_bytes;   /* the VM is stopped below that */
    uint64_t limit_ms;          /* downtime-limit */
    uint64_t others_bytes;      /* pending in handlers that were asked before */
} VFIOMigLook;

/* One device in one migration; members are for migration-estimate.c alone. */
typedef struct VFIOMigEstimate {
    VFIOMigLook look;           /* the last one */
    double best_rate;           /* bytes/ms, of all that was sent */
    double measured_bytes;      /* sent, up to the last measurement */
    int64_t measured_ns;        /* until when */
    int64_t away_ns;            /* since then, devices blocked the thread */

    VFIOMigSizes sizes;         /* as last reported by the device */
    bool known;                 /* it has reported something */
    int64_t known_ns;           /* when */
    uint64_t sent_since_bytes;  /* of its own data, since then */
    uint64_t sent_bytes;        /* the same since the beginning */
    bool withheld;              /* it reports data, but returns none */
    int64_t withheld_from_ns;   /* since when */
    unsigned withheld_reads;    /* consecutive, for initial data */
    int64_t withheld_ns;        /* time of the last one */

    uint64_t initial_due_bytes; /* sent_bytes at the end of initial data */
    unsigned initial_raises;    /* how often it has increased */

    double read_bytes, read_ns; /* read from the device, in this time */
    double wire_bytes, wire_ns; /* sent by the stream, in this time */
    double part_bytes, part_ns; /* ... since the last rates below */
    double wire_rates[2];       /* bytes/ns, the last two; 0: not known */
    int64_t change_ns;          /* time that its changes of state take */
    bool over;                  /* its time does not fit, but may later */

    uint64_t assumed_bytes;     /* used if stop_bytes is not known */
    bool assumed_told;
    uint64_t first_pass_bytes;  /* readable when it was first asked */
    int64_t held_ns;            /* when it was last the only obstacle */
    unsigned held_looks;
    bool too_big_told;
} VFIOMigEstimate;

/*
 * vfio_mig_estimate_begin: a migration begins
 *
 * @now_ns: by the clock of all looks
 * @assumed_bytes: what the device has to send once the VM is stopped, if its
 *                 driver cannot report that; 0: not known
 */
void vfio_mig_estimate_begin(VFIOMigEstimate *e, int64_t now_ns,
                             uint64_t assumed_bytes);

/* vfio_mig_estimate_look: QEMU asks; the functions below refer to this look. */
void vfio_mig_estimate_look(VFIOMigEstimate *e, const VFIOMigLook *look);

/*
 * vfio_mig_estimate_is_old: must the device be asked, as of this look?
 *
 * A query may take milliseconds, and makes some devices start new work: once
 * every 100 ms is often enough, unless an old answer would stop the VM.
 */
bool vfio_mig_estimate_is_old(const VFIOMigEstimate *e);

/*
 * vfio_mig_estimate_update: the device's answer; its numbers are not trusted
 *
 * A size that it reported before, but not this time, is reduced by what was
 * read since.
 */
void vfio_mig_estimate_update(VFIOMigEstimate *e, const VFIOMigSizes *sizes);

/*
 * vfio_mig_estimate_note_sent: the device was read while it was running
 *
 * @size_bytes: what it returned; 0 if it had nothing
 */
void vfio_mig_estimate_note_sent(VFIOMigEstimate *e, uint64_t size_bytes);

/*
 * vfio_mig_estimate_note_away: a device, this one or another, blocked the
 * sending thread for @away_ns, in which nothing was sent
 */
void vfio_mig_estimate_note_away(VFIOMigEstimate *e, int64_t away_ns);

/*
 * vfio_mig_estimate_note_time: how long it took to move @size_bytes
 *
 * @read_ns: time to read them from the device
 * @wire_ns: time to send them
 */
void vfio_mig_estimate_note_time(VFIOMigEstimate *e, uint64_t size_bytes,
                                 int64_t read_ns, int64_t wire_ns);

/*
 * vfio_mig_estimate_set_change: how long the device's changes of state take,
 * from the stop of the VM until it runs at the destination
 */
void vfio_mig_estimate_set_change(VFIOMigEstimate *e, int64_t change_ns);

/*
 * vfio_mig_estimate_pending: what to report to QEMU, in bytes
 *
 * Together with what others have pending, it is below the threshold if and
 * only if all of it can be sent within the downtime limit: what can be read
 * now at QEMU's current rate, the rest at the best one. Never below the
 * threshold if the device was not asked yet, or while initial data is left,
 * unless the device withholds that for 5 s. Never above
 * VFIO_MIG_PENDING_MAX_BYTES, unless the threshold is.
 */
uint64_t vfio_mig_estimate_pending(const VFIOMigEstimate *e);

/*
 * vfio_mig_estimate_holds_up: as of this look, would QEMU stop the VM if this
 * device had nothing pending?
 */
bool vfio_mig_estimate_holds_up(const VFIOMigEstimate *e);

/*
 * vfio_mig_estimate_is_guess: does the VM's stop depend on a size that is not
 * known?
 *
 * Returns: true once per migration; the user must then be told that the
 * downtime limit does not include the device's data.
 */
bool vfio_mig_estimate_is_guess(VFIOMigEstimate *e);

/*
 * vfio_mig_estimate_is_too_big: has this device been keeping the VM from being
 * stopped for a while?
 *
 * Call it once per look, after vfio_mig_estimate_pending(). A device that can
 * be read while it runs is not too big before it was read once completely.
 *
 * Returns: true once per migration; the user must then be told.
 */
bool vfio_mig_estimate_is_too_big(VFIOMigEstimate *e);

/* What a stop of the VM would cost now, in milliseconds, UINT32_MAX at most */
typedef struct VFIOMigDowntime {
    uint64_t expected_ms;
    uint64_t least_ms;          /* the part that waiting does not reduce */
    uint64_t stream_ms;         /* what the stream alone would take */
    bool lower_bound;           /* a part of it is not known */
} VFIOMigDowntime;

/*
 * vfio_mig_estimate_predict: the downtime, if the VM were stopped now
 *
 * Devices change their states in parallel, and are then read in parallel, while
 * the stream and the destination take their data: the slowest of these counts.
 * VFIO_MIG_QEMU_MS is added. RAM and the devices' data are assumed to be sent
 * at the best rate so far, as the stream has no limit once the VM is stopped. A
 * device that has given nothing yet is assumed to be as fast as the stream, and
 * changes of state that were never made to take no time: expected_ms is a lower
 * bound then, and also if a size is not known.
 *
 * @all: the devices that migrate together, each after its last look
 */
VFIOMigDowntime vfio_mig_estimate_predict(const VFIOMigEstimate *const *all,
                                          size_t nr);

/*
 * vfio_mig_estimate_judge: does @downtime keep the VM running?
 *
 * It does if it is above the limit and may become less, unless that is due to
 * the stream alone, which vfio_mig_estimate_pending() takes into account
 * anyway. From then on that function never returns less than the threshold.
 */
void vfio_mig_estimate_judge(VFIOMigEstimate *e,
                             const VFIOMigDowntime *downtime);

/*
 * vfio_mig_estimate_is_hopeless: is @downtime above the limit, no matter how
 * long the migration waits?
 *
 * Not before the initial data was read, which counts until then; nor if the
 * stream alone takes longer, as QEMU does not stop the VM then.
 */
bool vfio_mig_estimate_is_hopeless(const VFIOMigEstimate *e,
                                   const VFIOMigDowntime *downtime);

/* The part of the device's own time that waiting does not reduce, in ms */
uint64_t vfio_mig_estimate_least_ms(const VFIOMigEstimate *e);

/* What the device has to send once the VM is stopped, in bytes, if known */
uint64_t vfio_mig_estimate_stop_bytes(const VFIOMigEstimate *e);

/* The rate used to decide whether that fits, in bytes/s; never 0 */
uint64_t vfio_mig_estimate_rate(const VFIOMigEstimate *e);

/*
 * vfio_mig_estimate_downtime_ms: the downtime-limit that would be sufficient
 *
 * @all: the devices that migrate together, each after its last look
 *
 * Of what others have pending, only what was asked for before all devices
 * counts: the VM's RAM. A tenth is added, as all of these values vary.
 *
 * Returns: milliseconds, at most UINT32_MAX.
 */
uint64_t vfio_mig_estimate_downtime_ms(const VFIOMigEstimate *const *all,
                                       size_t nr);

#endif /* HW_VFIO_MIGRATION_ESTIMATE_H */
