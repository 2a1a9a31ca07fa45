/*
 * When the VM may be stopped, as far as one device is concerned
 *
 * Owns: when a device is asked for its sizes, what is assumed if it cannot
 * report them, and what the user is told if the switch-over does not happen.
 * Does not own: the numbers (migration-estimate.c), the handlers that QEMU
 * calls (migration-save.c).
 *
 * Locks: include/hw/vfio/migration-switch-over.h. An estimate belongs to the
 * thread of the stream, which is the same for all devices of a migration.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "hw/vfio/migration-options.h"
#include "hw/vfio/migration-session.h"
#include "hw/vfio/migration-switch-over.h"
#include "hw/vfio/migration-turns.h"
#include "trace.h"

/*
 * Pause between two rounds that have nothing to send; the VM may be stopped
 * later than possible by this much.
 */
#define VFIO_MIG_PAUSE_US           5000

/* The largest downtime-limit that QEMU accepts */
#define VFIO_MIG_DOWNTIME_MAX_MS    2000000

/* ---- sizes ---- */

void vfio_mig_switch_over_begin(VFIODeviceMigration *mig)
{
    vfio_mig_estimate_begin(&mig->session->estimate,
                            qemu_clock_get_ns(QEMU_CLOCK_REALTIME),
                            mig->image_bytes ?:
                            vfio_mig_stop_size(vfio_mig_dev(mig)));
}

/*
 * A size that is not reported this time keeps its last value. v1 reports only
 * what is pending, and that is shown as such.
 */
static void vfio_mig_show_sizes(VFIODeviceMigration *mig,
                                const VFIOMigSizes *sizes)
{
    VFIOMigStats *stats = &mig->stats;

    if (!mig->traits.any_segments) {
        return;
    }
    if (sizes->precopy_known) {
        qatomic_set__nocheck(&stats->initial_bytes, sizes->initial_bytes);
        qatomic_set__nocheck(&stats->dirty_bytes, sizes->dirty_bytes);
    }
    if (sizes->stop_known) {
        qatomic_set__nocheck(&stats->stop_bytes, sizes->stop_bytes);
    }
}

static int vfio_mig_ask_device(VFIODeviceMigration *mig, Error **errp)
{
    VFIOMigEstimate *e = &mig->session->estimate;
    VFIOMigSizes sizes = { 0 };
    int ret = mig->protocol->estimate(mig, &sizes, errp);

    if (ret < 0) {
        return ret;
    }
    vfio_mig_estimate_update(e, &sizes);
    vfio_mig_show_sizes(mig, &sizes);
    qatomic_set__nocheck(&mig->stats.pending_bytes,
                         vfio_mig_estimate_stop_bytes(e));
    trace_vfio_migration_switch_over(vfio_mig_dev(mig)->name,
                                     vfio_mig_estimate_stop_bytes(e),
                                     vfio_mig_estimate_rate(e),
                                     vfio_mig_estimate_pending(e),
                                     e->look.others_bytes,
                                     e->look.threshold_bytes);
    return 0;
}

/* ---- time ---- */

/* How long a change to @to took last; if never, the longest of any change */
static int64_t vfio_mig_change_to_ns(VFIODeviceMigration *mig, VFIOMigState to)
{
    int64_t longest_ns = mig->change_ns[to];
    unsigned i;

    for (i = 0; !longest_ns && i < VFIO_MIG_STATE__MAX; i++) {
        longest_ns = MAX(longest_ns, mig->change_ns[i]);
    }
    return longest_ns;
}

static int64_t vfio_mig_walk_ns(VFIODeviceMigration *mig, VFIOMigState from,
                                VFIOMigState to)
{
    VFIOMigState next;
    int64_t sum_ns = 0;

    while (from != to &&
           vfio_mig_next_state(mig->traits.arcs, from, to, mig->refused_arcs,
                               0, &next)) {
        sum_ns += vfio_mig_change_to_ns(mig, next);
        from = next;
    }
    return sum_ns;
}

/*
 * Time to change from the present state to the one in which the rest is read,
 * plus, at the destination, until a device like this one runs. Claimed
 */
static int64_t vfio_mig_changes_ns(VFIODeviceMigration *mig)
{
    return vfio_mig_walk_ns(mig, mig->state, VFIO_MIG_STATE_STOP_COPY) +
           vfio_mig_walk_ns(mig, VFIO_MIG_STATE_RESUMING,
                            VFIO_MIG_STATE_RUNNING);
}

/* For all devices of the migration. The stream's own thread */
static VFIOMigDowntime vfio_mig_predict(void)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new();
    GPtrArray *migs = vfio_mig_turns_devices();
    VFIOMigDowntime downtime;
    unsigned i;

    for (i = 0; migs && i < migs->len; i++) {
        VFIODeviceMigration *other = migs->pdata[i];

        if (other->session->estimate.known) {
            g_ptr_array_add(all, &other->session->estimate);
        }
    }
    downtime = vfio_mig_estimate_predict(
        (const VFIOMigEstimate *const *)all->pdata, all->len);
    downtime.lower_bound |= migs && all->len < migs->len;
    return downtime;
}

static void vfio_mig_judge(VFIODeviceMigration *mig)
{
    VFIOMigEstimate *e = &mig->session->estimate;
    VFIOMigDowntime downtime;

    vfio_mig_estimate_set_change(e, vfio_mig_changes_ns(mig));
    downtime = vfio_mig_predict();
    vfio_mig_estimate_judge(e, &downtime);
    qatomic_set__nocheck(&mig->stats.expected_ms, downtime.expected_ms);
    qatomic_set(&mig->stats.expected_is_least, downtime.lower_bound);
}

void vfio_mig_switch_over_done(VFIODeviceMigration *mig)
{
    const VFIOMigEstimate *e = &mig->session->estimate;

    if (e->known) {
        trace_vfio_migration_downtime(
            vfio_mig_dev(mig)->name,
            qatomic_read__nocheck(&mig->stats.expected_ms),
            (qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - e->look.now_ns) /
            SCALE_MS, qatomic_read(&mig->stats.expected_is_least));
    }
}

int vfio_mig_switch_over_ask(VFIODeviceMigration *mig,
                             uint64_t threshold_bytes, uint64_t others_bytes,
                             uint64_t *pending_bytes, Error **errp)
{
    VFIOMigEstimate *e = &mig->session->estimate;
    VFIOMigLook look = {
        .now_ns = qemu_clock_get_ns(QEMU_CLOCK_REALTIME),
        .threshold_bytes = threshold_bytes,
        .limit_ms = vfio_mig_downtime_limit_ms(),
        .others_bytes = others_bytes,
    };

    vfio_mig_estimate_look(e, &look);
    if (mig->traits.cheap_sizes || vfio_mig_estimate_is_old(e)) {
        int ret = vfio_mig_ask_device(mig, errp);

        if (ret < 0) {
            return ret;
        }
    }
    vfio_mig_judge(mig);
    *pending_bytes = vfio_mig_estimate_pending(e);
    return 0;
}

void vfio_mig_switch_over_read(VFIODeviceMigration *mig, uint64_t size_bytes,
                               int64_t read_ns, int64_t wire_ns)
{
    VFIOMigEstimate *e = &mig->session->estimate;
    GPtrArray *migs = vfio_mig_turns_devices();
    unsigned i;

    for (i = 0; migs && i < migs->len; i++) {
        VFIODeviceMigration *other = migs->pdata[i];

        vfio_mig_estimate_note_away(&other->session->estimate, read_ns);
    }
    vfio_mig_estimate_note_sent(e, size_bytes);
    if (size_bytes) {
        vfio_mig_estimate_note_time(e, size_bytes, read_ns, wire_ns);
    }
}

/*
 * QEMU iterates without a pause, even if there is nothing to do, and syncs
 * dirty pages each time with the BQL held. That would be thousands of times a
 * second, while the switch-over waits for a device, for seconds or until the
 * user intervenes.
 */
void vfio_mig_switch_over_pause(VFIODeviceMigration *mig)
{
    if (vfio_mig_estimate_holds_up(&mig->session->estimate)) {
        g_usleep(VFIO_MIG_PAUSE_US);
    }
}

void vfio_mig_switch_over_image(VFIODeviceMigration *mig, uint64_t size_bytes)
{
    bool loads = mig->phase == VFIO_MIG_PHASE_LOAD ||
                 mig->phase == VFIO_MIG_PHASE_LOADED;

    /* It is not known how much was sent before the source's stop. */
    mig->image_bytes = loads && mig->traits.precopy ? 0 : size_bytes;
    qatomic_set__nocheck(&mig->stats.pending_bytes, 0);
}

/* ---- warnings ---- */

/* Ownership of @text is transferred. */
static void vfio_mig_warn(VFIODeviceMigration *mig, char *text)
{
    trace_vfio_migration_warning(vfio_mig_dev(mig)->name, text);
    warn_report("%s: %s", vfio_mig_dev(mig)->name, text);
    qemu_mutex_lock(&mig->lock);
    g_free(mig->last_warning);
    mig->last_warning = text;
    qemu_mutex_unlock(&mig->lock);
}

/* The downtime-limit that would suffice for all devices being saved. BQL */
static uint64_t vfio_mig_downtime_needed_ms(void)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new();
    VFIODeviceMigration *mig = NULL;

    while ((mig = vfio_mig_device_next(mig))) {
        if (mig->phase == VFIO_MIG_PHASE_SAVE) {
            g_ptr_array_add(all, &mig->session->estimate);
        }
    }
    return vfio_mig_estimate_downtime_ms(
        (const VFIOMigEstimate *const *)all->pdata, all->len);
}

static void vfio_mig_warn_too_big(VFIODeviceMigration *mig)
{
    const VFIOMigEstimate *e = &mig->session->estimate;
    uint64_t needed_ms;

    qemu_mutex_lock_iothread();
    needed_ms = vfio_mig_downtime_needed_ms();
    qemu_mutex_unlock_iothread();
    if (e->over) {
        vfio_mig_warn(mig, g_strdup_printf(
            "the VM is not stopped, as that would take %" PRIu64 " ms: to "
            "read %.1f MiB of this device, its changes of state, and what "
            "else is left do not fit a downtime of %" PRIu64 " ms; set "
            "downtime-limit to %" PRIu64 " ms",
            qatomic_read__nocheck(&mig->stats.expected_ms),
            (double)vfio_mig_estimate_stop_bytes(e) / MiB, e->look.limit_ms,
            needed_ms));
        return;
    }
    vfio_mig_warn(mig, g_strdup_printf(
        "the VM is not stopped, as this device has %.1f MiB to send after "
        "that: at %.1f MiB/s they do not fit a downtime of %" PRIu64 " ms, "
        "beside what else is left; set downtime-limit to %" PRIu64 " ms, or "
        "raise max-bandwidth if that is what holds it up%s",
        (double)vfio_mig_estimate_stop_bytes(e) / MiB,
        (double)vfio_mig_estimate_rate(e) / MiB, e->look.limit_ms, needed_ms,
        needed_ms > VFIO_MIG_DOWNTIME_MAX_MS
        ? " (QEMU takes 2000 s at most)" : ""));
}

/* Does this device take the longest, and was no device reported yet? */
static bool vfio_mig_is_slowest(VFIODeviceMigration *mig)
{
    uint64_t least_ms = vfio_mig_estimate_least_ms(&mig->session->estimate);
    GPtrArray *migs = vfio_mig_turns_devices();
    unsigned i;

    for (i = 0; migs && i < migs->len; i++) {
        VFIODeviceMigration *other = migs->pdata[i];

        if (other->session->hopeless_told ||
            vfio_mig_estimate_least_ms(&other->session->estimate) >
            least_ms) {
            return false;
        }
    }
    return migs != NULL;
}

/* Waiting does not help, so the VM is stopped in spite of it. */
static void vfio_mig_warn_hopeless(VFIODeviceMigration *mig)
{
    const VFIOMigEstimate *e = &mig->session->estimate;
    VFIOMigDowntime downtime;

    if (!vfio_mig_is_slowest(mig)) {
        return;
    }
    downtime = vfio_mig_predict();
    if (vfio_mig_estimate_is_hopeless(e, &downtime)) {
        mig->session->hopeless_told = true;
        vfio_mig_warn(mig, g_strdup_printf(
            "the VM will stand still for about %" PRIu64 " ms, as this device "
            "needs %" PRIu64 " ms for its changes of state and for data that "
            "it gives only then, and no waiting makes that less; a "
            "downtime-limit of %" PRIu64 " ms cannot be kept, one of %" PRIu64
            " ms would do", downtime.expected_ms,
            vfio_mig_estimate_least_ms(e), e->look.limit_ms,
            (uint64_t)(downtime.expected_ms * 1.1) + 1));
    }
}

void vfio_mig_switch_over_warn(VFIODeviceMigration *mig)
{
    VFIOMigEstimate *e = &mig->session->estimate;

    vfio_mig_warn_hopeless(mig);

    if (vfio_mig_estimate_is_guess(e)) {
        vfio_mig_warn(mig, g_strdup_printf(
            "its driver does not tell how much it has to send after the VM "
            "was stopped, so that downtime-limit does not take that in: if "
            "you know how much it is, say so (%s)",
            vfio_mig_stop_size_option));
    }
    if (vfio_mig_estimate_is_too_big(e)) {
        vfio_mig_warn_too_big(mig);
    }
}
