/*
 * Byte order of buses and devices
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BSWAP_H
#define BSWAP_H

#include <endian.h>

#define cpu_to_le16(value)  htole16(value)
#define le16_to_cpu(value)  le16toh(value)
#define be16_to_cpu(value)  be16toh(value)
#define be32_to_cpu(value)  be32toh(value)

#endif /* BSWAP_H */
