/*
 * Coroutines
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QEMU_COROUTINE_H
#define QEMU_COROUTINE_H

#include "qemu/timer.h"

/* Does the caller run in one, which may yield? */
bool qemu_in_coroutine(void);

typedef struct QemuCoSleep {
    struct Coroutine *to_wake;
} QemuCoSleep;

void qemu_co_sleep_ns_wakeable(QemuCoSleep *w, QEMUClockType type, int64_t ns);

/* For a coroutine: others run for @ns nanoseconds */
static inline void qemu_co_sleep_ns(QEMUClockType type, int64_t ns)
{
    QemuCoSleep w = { 0 };

    qemu_co_sleep_ns_wakeable(&w, type, ns);
}

#endif /* QEMU_COROUTINE_H */
