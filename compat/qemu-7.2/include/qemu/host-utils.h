/*
 * Counting bits
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HOST_UTILS_H
#define HOST_UTILS_H

/* Zero bits below the lowest set one; 64 where there is none */
static inline int ctz64(uint64_t value)
{
    return value ? __builtin_ctzll(value) : 64;
}

#endif /* HOST_UTILS_H */
