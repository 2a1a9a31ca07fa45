/*
 * Numbers in texts
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QEMU_CUTILS_H
#define QEMU_CUTILS_H

/*
 * A size in bytes, or with a suffix (k, M, G, T, P, E). @end: NULL where
 * nothing may follow. Returns: 0, or -errno; *@result is then as it was.
 */
int qemu_strtosz(const char *text, const char **end, uint64_t *result);

#endif /* QEMU_CUTILS_H */
