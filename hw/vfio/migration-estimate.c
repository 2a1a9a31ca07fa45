/*
 * What a device reports to QEMU as pending, and so when the VM may be stopped
 *
 * Owns: the sizes that a device last reported and how old they may be, the
 * best rate of a migration, what is assumed if a size is not known, and when a
 * device is considered unable to fit the downtime limit. Does not own: how
 * a device is asked (the protocol), when QEMU asks, and what the user is told
 * (migration-save.c).
 *
 * The rates are derived from QEMU's threshold, which is the rate of all
 * channels of the stream over at least 100 ms, times downtime-limit.
 *
 * Pure functions: no lock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/vfio/migration-estimate.h"

/* Sizes older than this are queried again. */
#define VFIO_MIG_SIZES_OLD_NS       (100 * 1000 * 1000)
/* The same if they would stop the VM: mlx5 takes some ms for a query. */
#define VFIO_MIG_SIZES_STALE_NS     (10 * 1000 * 1000)

/*
 * The rate of a stream that never had much to send is not known. Until this
 * many bytes were sent, far more than the buffers on the way can hold, it is
 * assumed to be at least QEMU's default for max-bandwidth.
 */
#define VFIO_MIG_TELLING_BYTES      (64 * MiB)
#define VFIO_MIG_ASSUMED_RATE       (128.0 * MiB / 1000)    /* bytes/ms */

/*
 * How often initial data may increase before the VM's stop no longer waits for
 * it: a driver may restart at any time. Our choice.
 */
#define VFIO_MIG_INITIAL_RAISES_MAX 4

/* Looks, 100 ms or more apart, until a device is too big: a second */
#define VFIO_MIG_HELD_LOOKS         10
#define VFIO_MIG_HELD_STEP_NS       (100 * 1000 * 1000)

/*
 * Reads without any initial data, 100 ms or more apart, until it is no longer
 * waited for: five seconds. A driver may need time to prepare it, but one that
 * never does would keep the VM from being stopped forever.
 */
#define VFIO_MIG_WITHHELD_READS     50

/*
 * How long to wait for a device that reports data but returns none: a driver
 * may have it ready only from time to time.
 */
#define VFIO_MIG_WITHHELD_NS        (1000 * 1000 * 1000)

/* What a destination with this code buffers before its device has written it */
#define VFIO_MIG_TAKEN_BYTES        (8 * MiB)

/* Least sample from which a destination's rate for a device is measured */
#define VFIO_MIG_PART_BYTES         (8 * MiB)
#define VFIO_MIG_PART_NS            (30 * 1000 * 1000)

/* Least samples from which the rates of a device and a stream are measured */
#define VFIO_MIG_READ_TELLING_BYTES (256 * KiB)
#define VFIO_MIG_WIRE_TELLING_BYTES (8 * MiB)

void vfio_mig_estimate_begin(VFIOMigEstimate *e, int64_t now_ns,
                             uint64_t assumed_bytes)
{
    *e = (VFIOMigEstimate) {
        .measured_ns = now_ns,
        .assumed_bytes = MIN(assumed_bytes, VFIO_MIG_PENDING_MAX_BYTES),
    };
}

/* ---- rates ---- */

/* Rate in bytes/ms that QEMU has measured last; 0: it has not measured any */
static double vfio_mig_last_rate(const VFIOMigLook *look)
{
    return look->limit_ms ? (double)look->threshold_bytes / look->limit_ms
                          : 0;
}

/* Rate in bytes/ms used to decide whether data fits the downtime limit */
static double vfio_mig_best_rate(const VFIOMigEstimate *e)
{
    return e->measured_bytes < VFIO_MIG_TELLING_BYTES
           ? MAX(e->best_rate, VFIO_MIG_ASSUMED_RATE) : e->best_rate;
}

/*
 * Factor by which more would have been sent if no device had blocked the
 * thread. It is at most four, as QEMU's interval is not exactly the one since
 * its last measurement.
 */
static double vfio_mig_without_devices(const VFIOMigEstimate *e,
                                       int64_t now_ns)
{
    double all_ns = now_ns - e->measured_ns;

    return all_ns > 0 ? all_ns / MAX(all_ns - e->away_ns, all_ns / 4) : 1;
}

/*
 * QEMU computes the threshold every 100 ms, using the downtime limit at that
 * time. So only a new threshold with an unchanged limit gives a rate: that of
 * the time since the previous one. Once the VM is stopped no device blocks the
 * stream, as each has a worker.
 */
void vfio_mig_estimate_look(VFIOMigEstimate *e, const VFIOMigLook *look)
{
    bool same_limit = look->limit_ms == e->look.limit_ms;
    double rate = vfio_mig_last_rate(look);

    if (look->threshold_bytes != e->look.threshold_bytes) {
        if (same_limit) {
            e->best_rate = MAX(e->best_rate, rate *
                               vfio_mig_without_devices(e, look->now_ns));
            e->measured_bytes += rate * (look->now_ns - e->measured_ns) / 1e6;
        }
        e->measured_ns = look->now_ns;
        e->away_ns = 0;
    }
    e->look = *look;
}

/* ---- sizes ---- */

static uint64_t vfio_mig_cap(uint64_t size_bytes)
{
    return MIN(size_bytes, VFIO_MIG_PENDING_MAX_BYTES);
}

static uint64_t vfio_mig_less(uint64_t bytes, uint64_t sent_bytes)
{
    return bytes > sent_bytes ? bytes - sent_bytes : 0;
}

/* What the device reports that it can give now, before the VM is stopped */
static uint64_t vfio_mig_precopy_bytes(const VFIOMigEstimate *e)
{
    return vfio_mig_less(vfio_mig_cap(e->sizes.initial_bytes +
                                      e->sizes.dirty_bytes),
                         e->sent_since_bytes);
}

/*
 * The bytes for which QEMU's rate is right, as reading them is part of that
 * rate. That is not so if the device reports data but returns none while the
 * VM runs.
 */
static uint64_t vfio_mig_readable_bytes(const VFIOMigEstimate *e)
{
    return e->withheld ? 0 : vfio_mig_precopy_bytes(e);
}

uint64_t vfio_mig_estimate_stop_bytes(const VFIOMigEstimate *e)
{
    uint64_t stop_bytes = e->assumed_bytes;

    if (e->sizes.stop_known) {
        stop_bytes = vfio_mig_less(e->sizes.stop_bytes, e->sent_since_bytes);
    }
    return MAX(stop_bytes, vfio_mig_precopy_bytes(e));
}

/*
 * The same, but as expected rather than reported: a driver of v1 reports what
 * it has now, and may have more once it is stopped. That does not keep the VM
 * running.
 */
static uint64_t vfio_mig_expected_bytes(const VFIOMigEstimate *e)
{
    uint64_t stop_bytes = vfio_mig_estimate_stop_bytes(e);

    return e->sizes.stop_is_least ? MAX(stop_bytes, e->assumed_bytes)
                                  : stop_bytes;
}

/* Is there data left that must be at the destination before the stop? */
static bool vfio_mig_waits_for_initial(const VFIOMigEstimate *e)
{
    return vfio_mig_less(e->sizes.initial_bytes, e->sent_since_bytes) &&
           e->sent_bytes < e->initial_due_bytes &&
           e->initial_raises <= VFIO_MIG_INITIAL_RAISES_MAX &&
           e->withheld_reads < VFIO_MIG_WITHHELD_READS;
}

/* Sizes that the device does not report this time keep their last value. */
static VFIOMigSizes vfio_mig_sizes_now(const VFIOMigEstimate *e,
                                       const VFIOMigSizes *told)
{
    uint64_t sent_bytes = e->sent_since_bytes;
    VFIOMigSizes now = e->sizes;

    if (told->precopy_known) {
        now.precopy_known = true;
        now.initial_bytes = vfio_mig_cap(told->initial_bytes);
        now.dirty_bytes = vfio_mig_cap(told->dirty_bytes);
    } else {
        now.dirty_bytes = vfio_mig_less(now.dirty_bytes,
                                        vfio_mig_less(sent_bytes,
                                                      now.initial_bytes));
        now.initial_bytes = vfio_mig_less(now.initial_bytes, sent_bytes);
    }
    now.stop_known |= told->stop_known;
    now.stop_is_least = told->stop_is_least;
    now.stop_bytes = told->stop_known
                     ? vfio_mig_cap(told->stop_bytes)
                     : vfio_mig_less(now.stop_bytes, sent_bytes);
    return now;
}

void vfio_mig_estimate_update(VFIOMigEstimate *e, const VFIOMigSizes *sizes)
{
    VFIOMigSizes now = vfio_mig_sizes_now(e, sizes);
    bool first = !e->known;

    if (now.initial_bytes > e->sizes.initial_bytes) {
        e->initial_raises += !first;
        e->initial_due_bytes = e->sent_bytes + now.initial_bytes;
    }
    e->sizes = now;
    e->known = true;
    e->known_ns = e->look.now_ns;
    e->sent_since_bytes = 0;
    e->withheld &= vfio_mig_precopy_bytes(e) > 0;
    if (first) {
        e->first_pass_bytes = vfio_mig_precopy_bytes(e);
    }
}

/* Once this gives up, the migration no longer waits for initial data. */
static void vfio_mig_count_withheld(VFIOMigEstimate *e)
{
    if (!vfio_mig_waits_for_initial(e)) {
        return;
    }
    if (!e->withheld) {
        e->withheld_reads = 0;
    } else if (!e->withheld_reads ||
               e->look.now_ns - e->withheld_ns >= VFIO_MIG_HELD_STEP_NS) {
        e->withheld_ns = e->look.now_ns;
        e->withheld_reads++;
    }
}

void vfio_mig_estimate_note_sent(VFIOMigEstimate *e, uint64_t size_bytes)
{
    bool withheld;

    size_bytes = vfio_mig_cap(size_bytes);
    /* If it has returned some, there may be more after the next query. */
    withheld = size_bytes == 0 && e->sent_since_bytes == 0 &&
               vfio_mig_precopy_bytes(e) > 0;
    if (withheld && !e->withheld) {
        e->withheld_from_ns = e->look.now_ns;
    }
    e->withheld = withheld;
    vfio_mig_count_withheld(e);
    e->sent_since_bytes = vfio_mig_cap(e->sent_since_bytes + size_bytes);
    e->sent_bytes += size_bytes;
}

/* ---- what is reported to QEMU ---- */

/*
 * Scale @size_bytes so that they relate to QEMU's threshold as the real size
 * does to what can be sent within the downtime limit at the best rate.
 */
static uint64_t vfio_mig_scale(const VFIOMigEstimate *e, uint64_t size_bytes)
{
    double best = vfio_mig_best_rate(e) * e->look.limit_ms;

    /* Without a threshold only 0 lets QEMU stop the VM. */
    if (!e->look.threshold_bytes || best <= e->look.threshold_bytes) {
        return size_bytes;
    }
    return size_bytes / best * e->look.threshold_bytes;
}

/* What to report if there were no initial data */
static uint64_t vfio_mig_pending_of_sizes(const VFIOMigEstimate *e)
{
    uint64_t readable_bytes = vfio_mig_readable_bytes(e);

    return readable_bytes +
           vfio_mig_scale(e, vfio_mig_estimate_stop_bytes(e) -
                             readable_bytes);
}

uint64_t vfio_mig_estimate_pending(const VFIOMigEstimate *e)
{
    uint64_t pending_bytes;

    if (!e->known) {
        return VFIO_MIG_PENDING_MAX_BYTES;
    }
    pending_bytes = vfio_mig_pending_of_sizes(e);
    if (vfio_mig_waits_for_initial(e) || e->over) {
        pending_bytes = MAX(pending_bytes, MAX(e->look.threshold_bytes, 1));
    }
    return pending_bytes;
}

/* Would QEMU stop the VM if the others and @bytes were all that is pending? */
static bool vfio_mig_is_low(const VFIOMigEstimate *e, uint64_t bytes)
{
    return bytes == 0 || bytes < e->look.threshold_bytes;
}

/* The same, with what this device has. The others may have any number. */
static bool vfio_mig_all_is_low(const VFIOMigEstimate *e)
{
    uint64_t pending_bytes = vfio_mig_estimate_pending(e);

    return vfio_mig_is_low(e, e->look.others_bytes) &&
           vfio_mig_is_low(e, e->look.others_bytes + pending_bytes);
}

bool vfio_mig_estimate_is_old(const VFIOMigEstimate *e)
{
    int64_t age_ns = e->look.now_ns - e->known_ns;

    return !e->known || age_ns >= VFIO_MIG_SIZES_OLD_NS ||
           (age_ns >= VFIO_MIG_SIZES_STALE_NS && vfio_mig_all_is_low(e));
}

/* ---- what the user is told ---- */

bool vfio_mig_estimate_is_guess(VFIOMigEstimate *e)
{
    bool guess = e->known && !e->sizes.stop_known && !e->assumed_bytes;

    if (!guess || e->assumed_told) {
        return false;
    }
    e->assumed_told = true;
    return true;
}

bool vfio_mig_estimate_holds_up(const VFIOMigEstimate *e)
{
    return vfio_mig_is_low(e, e->look.others_bytes) &&
           !vfio_mig_all_is_low(e);
}

/*
 * Is this going to last, rather than until the device has given what it can,
 * or QEMU has measured a rate?
 */
static bool vfio_mig_stays_too_big(const VFIOMigEstimate *e)
{
    bool read_once = !vfio_mig_readable_bytes(e) ||
                     e->sent_bytes >= e->first_pass_bytes;
    /* QEMU has no rate in the first 100 ms. */
    bool measured = e->look.threshold_bytes || !e->look.limit_ms;

    return e->known && read_once && measured &&
           !vfio_mig_waits_for_initial(e) && vfio_mig_estimate_holds_up(e);
}

bool vfio_mig_estimate_is_too_big(VFIOMigEstimate *e)
{
    if (e->too_big_told || !vfio_mig_stays_too_big(e) ||
        (e->held_looks &&
         e->look.now_ns - e->held_ns < VFIO_MIG_HELD_STEP_NS)) {
        return false;
    }
    e->held_ns = e->look.now_ns;
    e->held_looks++;
    e->too_big_told = e->held_looks > VFIO_MIG_HELD_LOOKS;
    return e->too_big_told;
}

uint64_t vfio_mig_estimate_rate(const VFIOMigEstimate *e)
{
    return vfio_mig_best_rate(e) * 1000;
}

/* Milliseconds that @bytes take at QEMU's current rate */
static double vfio_mig_now_ms(const VFIOMigEstimate *e, uint64_t bytes)
{
    double rate = vfio_mig_last_rate(&e->look);

    return bytes / (rate ? rate : vfio_mig_best_rate(e));
}

/* What the device needs by itself */
static double vfio_mig_needs_ms(const VFIOMigEstimate *e)
{
    uint64_t readable_bytes = vfio_mig_readable_bytes(e);
    uint64_t rest_bytes = vfio_mig_estimate_stop_bytes(e) - readable_bytes;

    return vfio_mig_now_ms(e, readable_bytes) +
           rest_bytes / vfio_mig_best_rate(e);
}

/* ---- time ---- */

void vfio_mig_estimate_note_away(VFIOMigEstimate *e, int64_t away_ns)
{
    e->away_ns += MAX(away_ns, 0);
}

void vfio_mig_estimate_note_time(VFIOMigEstimate *e, uint64_t size_bytes,
                                 int64_t read_ns, int64_t wire_ns)
{
    size_bytes = vfio_mig_cap(size_bytes);
    e->read_bytes += size_bytes;
    e->read_ns += MAX(read_ns, 0);
    e->wire_bytes += size_bytes;
    e->wire_ns += MAX(wire_ns, 0);
    e->part_bytes += size_bytes;
    e->part_ns += MAX(wire_ns, 0);
    if (e->part_bytes >= VFIO_MIG_PART_BYTES &&
        e->part_ns >= VFIO_MIG_PART_NS) {
        e->wire_rates[1] = e->wire_rates[0];
        e->wire_rates[0] = e->part_bytes / e->part_ns;
        e->part_bytes = e->part_ns = 0;
    }
}

void vfio_mig_estimate_set_change(VFIOMigEstimate *e, int64_t change_ns)
{
    e->change_ns = MAX(change_ns, 0);
}

static double vfio_mig_change_ms(const VFIOMigEstimate *e)
{
    return e->change_ns / 1e6;
}

/* How long the stopped device takes to give @bytes; 0 if not known */
static double vfio_mig_read_ms(const VFIOMigEstimate *e, uint64_t bytes)
{
    return e->read_bytes < VFIO_MIG_READ_TELLING_BYTES
           ? 0 : bytes * (e->read_ns / e->read_bytes) / 1e6;
}

/*
 * How long the destination takes for @bytes of the device and for what it has
 * buffered; 0 if not known. The better of the last two rates is used, as
 * anything else may delay a short sample. If the stream has been more than
 * twice as fast as that, it is the destination that limits it: its buffer for
 * the device is full.
 */
static double vfio_mig_take_ms(const VFIOMigEstimate *e, uint64_t bytes)
{
    double rate = MAX(e->wire_rates[0], e->wire_rates[1]) * 1e6;
    uint64_t ahead_bytes = 2 * rate < vfio_mig_best_rate(e)
                           ? VFIO_MIG_TAKEN_BYTES : 0;

    return bytes && e->wire_rates[1] ? (bytes + ahead_bytes) / rate : 0;
}

/* Time for @bytes of the stopped device at the end that takes longer */
static double vfio_mig_device_ms(const VFIOMigEstimate *e, uint64_t bytes)
{
    return MAX(vfio_mig_read_ms(e, bytes), vfio_mig_take_ms(e, bytes));
}

/* Bytes/ms of a stream without a limit */
static double vfio_mig_wire_rate(const VFIOMigEstimate *e)
{
    double rate = vfio_mig_best_rate(e);

    if (e->wire_bytes >= VFIO_MIG_WIRE_TELLING_BYTES && e->wire_ns) {
        rate = MAX(rate, e->wire_bytes / e->wire_ns * 1e6);
    }
    return rate;
}

/* What cannot be read before the stop, as far as known */
static uint64_t vfio_mig_rest_bytes(const VFIOMigEstimate *e)
{
    bool may_yet = e->look.now_ns - e->withheld_from_ns <
                   VFIO_MIG_WITHHELD_NS;

    return vfio_mig_expected_bytes(e) -
           (may_yet ? vfio_mig_precopy_bytes(e) : vfio_mig_readable_bytes(e));
}

/* Is the amount to read, its rate, or the time of a stop unknown? */
static bool vfio_mig_is_unmeasured(const VFIOMigEstimate *e)
{
    return !e->change_ns ||
           ((!e->sizes.stop_known || e->sizes.stop_is_least) &&
            !e->assumed_bytes) ||
           (e->read_bytes < VFIO_MIG_READ_TELLING_BYTES &&
            vfio_mig_expected_bytes(e) >= VFIO_MIG_READ_TELLING_BYTES);
}

static uint64_t vfio_mig_whole_ms(double ms)
{
    return ms < UINT32_MAX ? ms + 0.5 : UINT32_MAX;
}

uint64_t vfio_mig_estimate_least_ms(const VFIOMigEstimate *e)
{
    return vfio_mig_whole_ms(vfio_mig_change_ms(e) +
                             vfio_mig_device_ms(e, vfio_mig_rest_bytes(e)));
}

VFIOMigDowntime vfio_mig_estimate_predict(const VFIOMigEstimate *const *all,
                                          size_t nr)
{
    double change_ms = 0, device_ms = 0, least_ms = 0, rate = 0;
    double sum_bytes = 0, rest_bytes = 0;
    double others_bytes = nr ? all[0]->look.others_bytes : 0;
    double stream_ms = 0;
    bool lower_bound = false;
    size_t i;

    for (i = 0; i < nr; i++) {
        uint64_t bytes = vfio_mig_expected_bytes(all[i]);
        uint64_t rest = vfio_mig_rest_bytes(all[i]);

        lower_bound |= vfio_mig_is_unmeasured(all[i]);
        change_ms = MAX(change_ms, vfio_mig_change_ms(all[i]));
        device_ms = MAX(device_ms, vfio_mig_device_ms(all[i], bytes));
        least_ms = MAX(least_ms, vfio_mig_device_ms(all[i], rest));
        rate = MAX(rate, vfio_mig_wire_rate(all[i]));
        sum_bytes += bytes;
        rest_bytes += rest;
        others_bytes = MIN(others_bytes, all[i]->look.others_bytes);
    }
    if (rate) {
        stream_ms = (sum_bytes + others_bytes) / rate;
        device_ms = MAX(device_ms, stream_ms);
        least_ms = MAX(least_ms, rest_bytes / rate);
    }
    return (VFIOMigDowntime) {
        .expected_ms = vfio_mig_whole_ms(change_ms + device_ms +
                                         VFIO_MIG_QEMU_MS),
        .least_ms = vfio_mig_whole_ms(change_ms + least_ms),
        .stream_ms = vfio_mig_whole_ms(stream_ms),
        .lower_bound = lower_bound,
    };
}

void vfio_mig_estimate_judge(VFIOMigEstimate *e,
                             const VFIOMigDowntime *downtime)
{
    e->over = e->known && downtime->expected_ms > e->look.limit_ms &&
              downtime->stream_ms <= e->look.limit_ms &&
              downtime->least_ms + VFIO_MIG_QEMU_MS <= e->look.limit_ms;
}

bool vfio_mig_estimate_is_hopeless(const VFIOMigEstimate *e,
                                   const VFIOMigDowntime *downtime)
{
    return e->known && !vfio_mig_waits_for_initial(e) &&
           downtime->least_ms > e->look.limit_ms &&
           downtime->stream_ms <= e->look.limit_ms;
}

uint64_t vfio_mig_estimate_downtime_ms(const VFIOMigEstimate *const *all,
                                       size_t nr)
{
    double change_ms = 0;
    double device_ms = 0;
    double others_ms = 0;
    double sum_ms = 0;
    size_t i;

    for (i = 0; i < nr; i++) {
        double before_ms = vfio_mig_now_ms(all[i], all[i]->look.others_bytes);

        change_ms = MAX(change_ms, vfio_mig_change_ms(all[i]));
        device_ms = MAX(device_ms, vfio_mig_device_ms(
                                       all[i],
                                       vfio_mig_expected_bytes(all[i])));
        sum_ms += vfio_mig_needs_ms(all[i]);
        others_ms = i ? MIN(others_ms, before_ms) : before_ms;
    }
    sum_ms = VFIO_MIG_QEMU_MS +
             1.1 * (change_ms + MAX(device_ms, sum_ms + others_ms));
    return sum_ms < UINT32_MAX ? sum_ms + 1 : UINT32_MAX;
}
