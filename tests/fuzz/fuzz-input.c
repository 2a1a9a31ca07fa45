/*
 * Fuzzers: reading numbers from the input
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "fuzz.h"

uint8_t fuzz_u8(FuzzInput *in)
{
    if (!in->size) {
        return 0;
    }
    in->size--;
    return *in->data++;
}

static uint64_t fuzz_bytes(FuzzInput *in, unsigned nr_bytes)
{
    uint64_t value = 0;

    while (nr_bytes--) {
        value = value << 8 | fuzz_u8(in);
    }
    return value;
}

uint64_t fuzz_number(FuzzInput *in)
{
    static const uint64_t edges[] = {
        0, UINT64_C(1) << 12, UINT64_C(1) << 20, UINT64_C(1) << 31,
        UINT64_C(1) << 32, UINT64_C(1) << 40, UINT64_C(1) << 63, 0,
    };
    uint8_t kind = fuzz_u8(in);

    switch (kind >> 6) {
    case 0:
        return fuzz_u8(in);
    case 1:
        return fuzz_bytes(in, 2);
    case 2:
        return edges[kind % ARRAY_SIZE(edges)] + (int8_t)fuzz_u8(in);
    default:
        return fuzz_bytes(in, 8);
    }
}

FuzzInput fuzz_cut(FuzzInput *in, size_t size)
{
    FuzzInput part = { .data = in->data, .size = MIN(size, in->size) };

    in->data += part.size;
    in->size -= part.size;
    return part;
}
