/*
 * Who may work on a VFIO device
 *
 * Owns: the claim of each device, who waits for it, and a stop of the VM that
 * happened during the wait. Does not own: sessions.
 *
 * Locks: the device's lock, for a few instructions.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "hw/vfio/migration-claim.h"
#include "hw/vfio/migration-session.h"
#include "trace.h"

/*
 * How often an unlimited wait checks whether it missed a wake-up, in ms. None is
 * known to be missed; our choice.
 */
#define VFIO_MIG_LONG_WAIT_MS   1000

void vfio_mig_claim(VFIODeviceMigration *mig)
{
    qemu_mutex_lock(&mig->lock);
    while (mig->claimed || mig->claim_waiters) {
        qemu_cond_timedwait(&mig->claim_changed, &mig->lock,
                            VFIO_MIG_LONG_WAIT_MS);
    }
    mig->claimed = true;
    qemu_mutex_unlock(&mig->lock);
}

void vfio_mig_release(VFIODeviceMigration *mig)
{
    qemu_mutex_lock(&mig->lock);
    g_assert(mig->claimed);
    mig->claimed = false;
    qemu_cond_broadcast(&mig->claim_changed);
    qemu_mutex_unlock(&mig->lock);
}

/*
 * How long a waiter that holds the BQL waits before it gives up, in
 * milliseconds. If claims are brief, there is no limit: the change of state
 * would have to wait for the same call in the driver anyway, and no device may
 * stop before this one has ended its peer-to-peer DMA.
 */
static int64_t vfio_mig_claim_wait_ms(VFIODeviceMigration *mig)
{
    return mig->traits.brief_claims && mig->phase == VFIO_MIG_PHASE_SAVE
           ? INT_MAX : VFIO_MIG_CLAIM_WAIT_MS;
}

/* Called with mig->lock held. Returns false if it is still claimed then. */
static bool vfio_mig_wait_for_claim(VFIODeviceMigration *mig)
{
    int64_t max_ms = vfio_mig_claim_wait_ms(mig);
    int64_t start_ns = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    int64_t left_ms = max_ms;
    int64_t waited_ns = 0;

    g_assert(qemu_mutex_iothread_locked());
    mig->claim_waiters++;
    while (mig->claimed && left_ms > 0) {
        qemu_cond_timedwait(&mig->claim_changed, &mig->lock, left_ms);
        waited_ns = qemu_clock_get_ns(QEMU_CLOCK_REALTIME) - start_ns;
        left_ms = max_ms - waited_ns / SCALE_MS;
    }
    mig->claim_waiters--;
    if (waited_ns) {
        trace_vfio_migration_claim_wait(vfio_mig_dev(mig)->name, waited_ns,
                                        !mig->claimed);
    }
    if (mig->claimed) {
        return false;
    }
    mig->claimed = true;
    return true;
}

bool vfio_mig_claim_soon(VFIODeviceMigration *mig)
{
    bool claimed;

    qemu_mutex_lock(&mig->lock);
    claimed = vfio_mig_wait_for_claim(mig);
    qemu_mutex_unlock(&mig->lock);
    return claimed;
}

bool vfio_mig_is_claimed(VFIODeviceMigration *mig)
{
    bool claimed;

    qemu_mutex_lock(&mig->lock);
    claimed = mig->claimed;
    qemu_mutex_unlock(&mig->lock);
    return claimed;
}

bool vfio_mig_claim_to_stop(VFIODeviceMigration *mig)
{
    bool claimed;

    g_assert(mig->phase == VFIO_MIG_PHASE_SAVE);
    qemu_mutex_lock(&mig->lock);
    claimed = vfio_mig_wait_for_claim(mig);
    if (!claimed) {
        mig->session->stop_due = true;
    }
    qemu_mutex_unlock(&mig->lock);
    return claimed;
}

void vfio_mig_defer_stop(VFIODeviceMigration *mig)
{
    g_assert(qemu_mutex_iothread_locked() &&
             mig->phase == VFIO_MIG_PHASE_SAVE);
    qemu_mutex_lock(&mig->lock);
    mig->session->stop_due = true;
    qemu_mutex_unlock(&mig->lock);
}

bool vfio_mig_stop_due(VFIODeviceMigration *mig)
{
    bool due;

    g_assert(qemu_mutex_iothread_locked());
    qemu_mutex_lock(&mig->lock);
    due = mig->session && mig->session->stop_due;
    if (due) {
        mig->session->stop_due = false;
    }
    qemu_mutex_unlock(&mig->lock);
    return due;
}

bool vfio_mig_stop_may_be_due(VFIODeviceMigration *mig)
{
    bool due;

    qemu_mutex_lock(&mig->lock);
    due = mig->session->stop_due;
    qemu_mutex_unlock(&mig->lock);
    return due;
}
