/*
 * How much devices have sent beyond a migration's rate limit
 *
 * QEMU 7.2 counts what is sent in intervals of 100 ms, and lets nobody begin
 * once max-bandwidth is reached; whatever goes beyond that is forgotten with
 * the next interval. A page of RAM does no harm so, but a device's chunk may be
 * as large as all that the limit allows in seconds. Here it is a debt, paid in
 * the intervals that follow, before any device has its next turn. While RAM has
 * something to send, half of each interval is left to it.
 *
 * Pure functions: no stream, no lock, no clock. Numbers are in bytes and ns.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_CREDIT_H
#define HW_VFIO_MIGRATION_CREDIT_H

/* QEMU's interval, as it may be longer, but not shorter */
#define VFIO_MIG_INTERVAL_NS    (100 * 1000 * 1000)

/* All devices of a migration; members are for migration-credit.c alone. */
typedef struct VFIOMigCredit {
    uint64_t debt_bytes;
    uint64_t used_bytes;        /* of the interval, when last looked at */
    int64_t interval_ns;        /* when it began, as far as known */
    unsigned intervals;         /* begun since a device had its last turn */
} VFIOMigCredit;

/* What is known of the stream at a moment */
typedef struct VFIOMigInterval {
    int64_t now_ns;             /* of a clock that does not go back */
    uint64_t max_bytes;         /* that may be sent in an interval; 0: any */
    uint64_t used_bytes;        /* that were sent in the present one */
    uint64_t ram_bytes;         /* that RAM has to send */
} VFIOMigInterval;

/*
 * vfio_mig_credit_look: pay of the debt what may be paid now
 *
 * Call it whenever somebody may send, and before he does.
 *
 * Returns: so many bytes that the interval has to count as sent from now on.
 * Nobody can send in it any more where there is a debt left, and RAM has
 * nothing.
 */
uint64_t vfio_mig_credit_look(VFIOMigCredit *c, const VFIOMigInterval *now);

/* vfio_mig_credit_is_due: may a device have its turn? */
bool vfio_mig_credit_is_due(const VFIOMigCredit *c);

/*
 * vfio_mig_credit_is_overdue: may it, and has no device had one for more than
 * an interval?
 */
bool vfio_mig_credit_is_overdue(const VFIOMigCredit *c);

/*
 * vfio_mig_credit_sent: a device has had its turn, which began at @begin_ns
 *
 * @now: after it
 */
void vfio_mig_credit_sent(VFIOMigCredit *c, int64_t begin_ns,
                          const VFIOMigInterval *now);

#endif /* HW_VFIO_MIGRATION_CREDIT_H */
