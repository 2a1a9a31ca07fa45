/*
 * Read-side critical sections
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QEMU_RCU_H
#define QEMU_RCU_H

/*
 * What our sources read under RCU (memory maps, RAM's dirty blocks) changes
 * with the BQL only, and they hold it: nothing can go away meanwhile.
 */
static inline void rcu_read_lock(void)
{
}

static inline void rcu_read_unlock(void)
{
}

#endif /* QEMU_RCU_H */
