/*
 * Whose turn it is to send, while the VM runs
 *
 * Owns: which devices take part in the migration, which of them is next, what
 * is known about QEMU's rate limit, and turns of the devices without RAM. Does
 * not own: by how much they have exceeded the limit (migration-credit.c), what
 * they send (migration-precopy.c).
 *
 * QEMU calls handlers in the order of their registration, RAM first, and starts
 * over with the first one when the limit is reached, or as long as RAM is not
 * done. So the last device would never have a turn if others have a lot to
 * send, and no device would if RAM is written fast.
 *
 * Locks: include/hw/vfio/migration-turns.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "migration/migration.h"
#include "migration/misc.h"
#include "migration/qemu-file.h"
#include "migration/ram.h"
#include "migration/savevm.h"
#include "hw/vfio/migration-credit.h"
#include "hw/vfio/migration-session.h"
#include "hw/vfio/migration-turns.h"
#include "trace.h"

/* A limit of this much per interval means no limit. */
#define VFIO_MIG_TURNS_MAX_BYTES    ((int64_t)1 * PiB)

/* Longest time of devices' turns without RAM, in ms: as QEMU has for RAM */
#define VFIO_MIG_TURNS_MS           50

/* There is only one migration at a time */
static struct {
    GPtrArray *migs;            /* devices that take part; NULL: none */
    VFIOMigCredit credit;
    uint64_t turns;             /* number of turns so far */
    int64_t begin_ns;           /* start of the present turn */
    bool of_devices;
} vfio_mig_turns;

/* ---- who takes part ---- */

void vfio_mig_turns_join(VFIODeviceMigration *mig)
{
    g_assert(qemu_mutex_iothread_locked());
    if (!vfio_mig_turns.migs) {
        vfio_mig_turns.migs = g_ptr_array_new();
        vfio_mig_turns.credit = (VFIOMigCredit) { 0 };
        vfio_mig_turns.turns = 0;
    }
    g_ptr_array_add(vfio_mig_turns.migs, mig);
}

void vfio_mig_turns_leave(VFIODeviceMigration *mig)
{
    g_assert(qemu_mutex_iothread_locked());
    if (vfio_mig_turns.migs &&
        g_ptr_array_remove(vfio_mig_turns.migs, mig) &&
        !vfio_mig_turns.migs->len) {
        g_ptr_array_free(vfio_mig_turns.migs, true);
        vfio_mig_turns.migs = NULL;
    }
}

GPtrArray *vfio_mig_turns_devices(void)
{
    return vfio_mig_turns.migs;
}

/* ---- the limit ---- */

/*
 * QEMU does not tell how much was sent in an interval, only whether it exceeds
 * the limit. So search for the amount that has to be added or removed to change
 * the answer.
 */
static uint64_t vfio_mig_turns_used_bytes(QEMUFile *f, int64_t max_bytes)
{
    int64_t least = -VFIO_MIG_TURNS_MAX_BYTES;
    int64_t most = max_bytes;

    while (least < most) {
        int64_t more = most - (most - least) / 2;
        bool too_much;

        qemu_file_acct_rate_limit(f, more);
        too_much = qemu_file_rate_limit(f);
        qemu_file_acct_rate_limit(f, -more);
        if (too_much) {
            most = more - 1;
        } else {
            least = more;
        }
    }
    return max_bytes - least;
}

/* Returns false if the stream has an error or was shut down. */
static bool vfio_mig_turns_interval(QEMUFile *f, VFIOMigInterval *now)
{
    int64_t max_bytes = qemu_file_get_rate_limit(f);

    *now = (VFIOMigInterval) {
        .now_ns = qemu_clock_get_ns(QEMU_CLOCK_REALTIME),
        .ram_bytes = ram_bytes_remaining(),
    };
    if (max_bytes > 0 && max_bytes < VFIO_MIG_TURNS_MAX_BYTES) {
        now->max_bytes = max_bytes;
        now->used_bytes = vfio_mig_turns_used_bytes(f, max_bytes);
    }
    return now->used_bytes < VFIO_MIG_TURNS_MAX_BYTES;
}

/* ---- turns ---- */

static uint64_t vfio_mig_turns_sent_bytes(void)
{
    GPtrArray *migs = vfio_mig_turns.migs;
    uint64_t sent_bytes = 0;
    unsigned i;

    for (i = 0; migs && i < migs->len; i++) {
        VFIODeviceMigration *mig = migs->pdata[i];

        sent_bytes += mig->stats.transferred_bytes;
    }
    return sent_bytes;
}

/*
 * Give the devices as many turns as the interval allows, including RAM's share.
 * Dirty bitmaps of disks have a handler that never gives later ones a turn.
 */
static void vfio_mig_turns_give_devices(QEMUFile *f)
{
    int64_t end_ns = qemu_clock_get_ns(QEMU_CLOCK_REALTIME) +
                     VFIO_MIG_TURNS_MS * SCALE_MS;
    uint64_t before_bytes, sent_bytes = vfio_mig_turns_sent_bytes();

    if (migrate_dirty_bitmaps() || migration_in_postcopy()) {
        return;
    }
    vfio_mig_turns.of_devices = true;
    do {
        before_bytes = sent_bytes;
        qemu_savevm_state_iterate(f, true);
        sent_bytes = vfio_mig_turns_sent_bytes();
    } while (sent_bytes != before_bytes && !qemu_file_rate_limit(f) &&
             qemu_clock_get_ns(QEMU_CLOCK_REALTIME) < end_ns);
    vfio_mig_turns.of_devices = false;
}

void vfio_mig_turns_look(QEMUFile *f)
{
    VFIOMigCredit *c = &vfio_mig_turns.credit;
    uint64_t pay_bytes;
    VFIOMigInterval now;

    if (!vfio_mig_turns_interval(f, &now)) {
        return;
    }
    pay_bytes = vfio_mig_credit_look(c, &now);
    if (pay_bytes) {
        trace_vfio_migration_debt(c->debt_bytes, pay_bytes, now.max_bytes,
                                  now.ram_bytes);
        qemu_file_acct_rate_limit(f, pay_bytes);
    }
    if (now.ram_bytes && vfio_mig_credit_is_overdue(c)) {
        vfio_mig_turns_give_devices(f);
    }
}

bool vfio_mig_turns_of_devices(void)
{
    return vfio_mig_turns.of_devices;
}

/* The device whose last turn was the longest ago is next. */
bool vfio_mig_turns_may_send(VFIODeviceMigration *mig)
{
    GPtrArray *migs = vfio_mig_turns.migs;
    unsigned i;

    if (!migs || !g_ptr_array_find(migs, mig, NULL)) {
        return true;
    }
    for (i = 0; i < migs->len; i++) {
        VFIODeviceMigration *other = migs->pdata[i];

        if (other->session->last_turn < mig->session->last_turn) {
            return false;
        }
    }
    return vfio_mig_credit_is_due(&vfio_mig_turns.credit);
}

void vfio_mig_turns_begin(VFIODeviceMigration *mig)
{
    mig->session->last_turn = ++vfio_mig_turns.turns;
    vfio_mig_turns.begin_ns = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
}

void vfio_mig_turns_end(VFIODeviceMigration *mig, QEMUFile *f)
{
    VFIOMigInterval now;

    if (mig->session->stream == VFIO_MIG_STREAM_LIVE &&
        vfio_mig_turns_interval(f, &now)) {
        vfio_mig_credit_sent(&vfio_mig_turns.credit, vfio_mig_turns.begin_ns,
                             &now);
    }
}
