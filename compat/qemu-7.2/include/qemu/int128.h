/*
 * Integers of 128 bits, for sizes up to 2^64
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef INT128_H
#define INT128_H

typedef __int128_t Int128;

static inline Int128 int128_make64(uint64_t a)
{
    return a;
}

/* @a must fit */
static inline uint64_t int128_get64(Int128 a)
{
    assert((uint64_t)a == a);
    return a;
}

static inline uint64_t int128_getlo(Int128 a)
{
    return a;
}

static inline Int128 int128_one(void)
{
    return 1;
}

static inline Int128 int128_sub(Int128 a, Int128 b)
{
    return a - b;
}

static inline bool int128_nz(Int128 a)
{
    return a != 0;
}

#endif /* INT128_H */
