/*
 * Simulated VFIO devices: capability chains of VFIO's info structures
 *
 * Owns: building a structure followed by capabilities, and returning it by the
 * kernel's rule for argsz: if the chain does not fit it is left out, and argsz
 * is set to the required size.
 *
 * No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "sim-internal.h"

void sim_caps_init(SimCaps *caps, const void *fixed, size_t size)
{
    caps->bytes = g_byte_array_new();
    caps->fixed_size = size;
    caps->last = 0;
    g_byte_array_append(caps->bytes, fixed, size);
}

static size_t aligned_end(SimCaps *caps)
{
    static const uint8_t zeros[8];
    size_t odd = caps->bytes->len % 8;

    if (odd) {
        g_byte_array_append(caps->bytes, zeros, 8 - odd);
    }
    return caps->bytes->len;
}

void *sim_caps_add(SimCaps *caps, uint16_t id, uint16_t version, size_t size)
{
    size_t at = aligned_end(caps);
    struct vfio_info_cap_header *header;

    g_byte_array_set_size(caps->bytes, at + size);
    memset(caps->bytes->data + at, 0, size);
    header = (void *)(caps->bytes->data + at);
    header->id = id;
    header->version = version;
    if (caps->last) {
        header = (void *)(caps->bytes->data + caps->last);
        header->next = at;
    }
    caps->last = at;
    return caps->bytes->data + at;
}

void sim_caps_finish(SimCaps *caps, void *arg, uint32_t argsz,
                     size_t cap_offset_at)
{
    size_t total = aligned_end(caps);
    uint8_t *data = caps->bytes->data;
    uint32_t needed = total, first = 0, offset;

    if (caps->last) {
        memcpy(data, &needed, sizeof(needed));
        first = (caps->fixed_size + 7) & ~7u;
    }
    offset = argsz >= total ? first : 0;
    if (cap_offset_at + sizeof(offset) <= argsz) {
        memcpy(data + cap_offset_at, &offset, sizeof(offset));
    }
    memcpy(arg, data, MIN(argsz, argsz >= total ? total : caps->fixed_size));
    g_byte_array_unref(caps->bytes);
    caps->bytes = NULL;
}
