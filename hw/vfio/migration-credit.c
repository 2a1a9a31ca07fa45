/*
 * How much devices have sent beyond a migration's rate limit
 *
 * Owns: the debt, and when it is paid. Does not own: finding out how much was
 * sent in an interval, and who sends when (migration-turns.c).
 *
 * Pure functions: no lock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/vfio/migration-credit.h"

/*
 * An interval that a slow device made longer than it should be allows more
 * bytes. QEMU does not take that into account.
 */
static void vfio_mig_credit_pay_late(VFIOMigCredit *c,
                                     const VFIOMigInterval *now)
{
    int64_t late_ns = now->now_ns - c->interval_ns - VFIO_MIG_INTERVAL_NS;
    double worth = (double)now->max_bytes * MAX(late_ns, 0) /
                   VFIO_MIG_INTERVAL_NS;

    c->debt_bytes = worth < c->debt_bytes ? c->debt_bytes - worth : 0;
}

/* QEMU starts a new interval, from 0 bytes, only after all had their turns. */
static bool vfio_mig_credit_interval_begins(const VFIOMigCredit *c,
                                            const VFIOMigInterval *now)
{
    return now->used_bytes < c->used_bytes ||
           (!now->used_bytes &&
            now->now_ns - c->interval_ns >= VFIO_MIG_INTERVAL_NS);
}

uint64_t vfio_mig_credit_look(VFIOMigCredit *c, const VFIOMigInterval *now)
{
    bool begins = vfio_mig_credit_interval_begins(c, now);
    uint64_t left_bytes, ram_bytes, pay_bytes;

    if (begins) {
        vfio_mig_credit_pay_late(c, now);
        c->interval_ns = now->now_ns;
        c->intervals += c->intervals < UINT_MAX;
    }
    c->used_bytes = now->used_bytes;
    if (!now->max_bytes) {
        c->debt_bytes = 0;
    }
    if (!c->debt_bytes || now->used_bytes > now->max_bytes) {
        return 0;
    }
    left_bytes = now->max_bytes - now->used_bytes;
    ram_bytes = MIN(now->ram_bytes, begins ? left_bytes / 2 : left_bytes);
    pay_bytes = MIN(c->debt_bytes, left_bytes - ram_bytes);
    c->debt_bytes -= pay_bytes;
    if (c->debt_bytes && !ram_bytes) {
        pay_bytes++;    /* QEMU waits only if the limit was exceeded */
    }
    c->used_bytes += pay_bytes;
    return pay_bytes;
}

bool vfio_mig_credit_is_due(const VFIOMigCredit *c)
{
    return !c->debt_bytes;
}

bool vfio_mig_credit_is_overdue(const VFIOMigCredit *c)
{
    return vfio_mig_credit_is_due(c) && c->intervals > 1;
}

void vfio_mig_credit_sent(VFIOMigCredit *c, int64_t begin_ns,
                          const VFIOMigInterval *now)
{
    c->intervals = 0;
    if (now->max_bytes && now->used_bytes > now->max_bytes) {
        if (begin_ns - c->interval_ns > VFIO_MIG_INTERVAL_NS) {
            c->interval_ns = begin_ns;  /* nearly idle: its start was missed */
        }
        c->debt_bytes += now->used_bytes -
                         MAX(now->max_bytes, c->used_bytes);
    }
    c->used_bytes = now->used_bytes;
}
