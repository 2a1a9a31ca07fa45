/*
 * Integers of 128 bits, for sizes up to 2^64
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef INT128_H
#define INT128_H

#ifdef __SIZEOF_INT128__

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

static inline Int128 int128_2_64(void)
{
    return (Int128)1 << 64;
}

static inline Int128 int128_sub(Int128 a, Int128 b)
{
    return a - b;
}

static inline bool int128_nz(Int128 a)
{
    return a != 0;
}

#else /* a compiler for 32 bits */

typedef struct Int128 {
    uint64_t lo;
    int64_t hi;
} Int128;

static inline Int128 int128_make64(uint64_t a)
{
    return (Int128) { .lo = a };
}

static inline uint64_t int128_get64(Int128 a)
{
    assert(!a.hi);
    return a.lo;
}

static inline uint64_t int128_getlo(Int128 a)
{
    return a.lo;
}

static inline Int128 int128_one(void)
{
    return int128_make64(1);
}

static inline Int128 int128_2_64(void)
{
    return (Int128) { .hi = 1 };
}

static inline Int128 int128_sub(Int128 a, Int128 b)
{
    return (Int128) { .lo = a.lo - b.lo, .hi = a.hi - b.hi - (a.lo < b.lo) };
}

static inline bool int128_nz(Int128 a)
{
    return a.lo || a.hi;
}

#endif

#endif /* INT128_H */
