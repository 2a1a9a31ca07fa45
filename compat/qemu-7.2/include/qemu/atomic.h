/*
 * Atomic access to single variables
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QEMU_ATOMIC_H
#define QEMU_ATOMIC_H

#define qatomic_read(ptr)           __atomic_load_n((ptr), __ATOMIC_RELAXED)
#define qatomic_set(ptr, i)         __atomic_store_n((ptr), (i), \
                                                     __ATOMIC_RELAXED)
/* Without the check that the type is no wider than a pointer */
#define qatomic_read__nocheck(ptr)  qatomic_read(ptr)
#define qatomic_set__nocheck(ptr, i) qatomic_set((ptr), (i))

/* Between a thread and a handler of signals that interrupts it */
#define signal_barrier()    __atomic_signal_fence(__ATOMIC_SEQ_CST)

#define qatomic_or(ptr, n) \
    ((void)__atomic_fetch_or((ptr), (n), __ATOMIC_SEQ_CST))
/* What was there before: @old if @new is there now */
#define qatomic_cmpxchg(ptr, old, new) ({ \
    __typeof__(*(ptr)) _old = (old); \
    __atomic_compare_exchange_n((ptr), &_old, (new), false, \
                                __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
    _old; \
})
#define qatomic_rcu_read(ptr)       __atomic_load_n((ptr), __ATOMIC_CONSUME)

#endif /* QEMU_ATOMIC_H */
