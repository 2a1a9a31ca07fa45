/*
 * How much devices have sent beyond a migration's rate limit
 *
 * QEMU 7.2 counts what is sent in intervals of 100 ms. Nobody may start to send
 * once max-bandwidth is reached; any excess is forgotten in the next interval.
 * For a page of RAM that does no harm, but a device's chunk may be as large as
 * all that the limit allows in several seconds. Here the excess is a debt,
 * which is paid in the following intervals, before any device has its next
 * turn. While RAM has something to send, half of each interval is left to it.
 *
 * Pure functions: no stream, no lock, no clock. Numbers are in bytes and ns.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_CREDIT_H
#define HW_VFIO_MIGRATION_CREDIT_H

/* Length of QEMU's intervals; they may be longer, but not shorter */
#define VFIO_MIG_INTERVAL_NS    (100 * 1000 * 1000)

/* All devices of a migration; members are for migration-credit.c alone. */
typedef struct VFIOMigCredit {
    uint64_t debt_bytes;
    uint64_t used_bytes;        /* sent in the interval, as of the last look */
    int64_t interval_ns;        /* when it began, if known */
    unsigned intervals;         /* begun since the last turn of a device */
} VFIOMigCredit;

/* What is known of the stream at a moment */
typedef struct VFIOMigInterval {
    int64_t now_ns;             /* of a monotonic clock */
    uint64_t max_bytes;         /* limit of an interval; 0: no limit */
    uint64_t used_bytes;        /* sent in the present interval */
    uint64_t ram_bytes;         /* to be sent by RAM */
} VFIOMigInterval;

/*
 * vfio_mig_credit_look: pay as much of the debt as possible now
 *
 * Call it whenever something may be sent, before it is sent.
 *
 * Returns: the number of bytes to count as sent in this interval. If there is
 * any debt left and RAM has nothing to send, they exhaust the interval.
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
