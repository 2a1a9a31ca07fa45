/*
 * Coroutines
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QEMU_COROUTINE_H
#define QEMU_COROUTINE_H

/* Does the caller run in one, which may yield? */
bool qemu_in_coroutine(void);

#endif /* QEMU_COROUTINE_H */
