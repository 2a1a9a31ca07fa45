/*
 * Functions that the linker redirects to a test (--wrap): the test's function
 * and the real one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_UNIT_WRAP_H
#define TESTS_UNIT_WRAP_H

#include "qemu/typedefs.h"

/* test-migration-access.c */
ssize_t __wrap_pread64(int fd, void *buf, size_t size, off64_t position);
ssize_t __wrap_pwrite64(int fd, const void *buf, size_t size,
                        off64_t position);

/* test-migration-stream.c */
size_t __real_qemu_get_buffer(QEMUFile *f, uint8_t *buf, size_t size);
size_t __wrap_qemu_get_buffer(QEMUFile *f, uint8_t *buf, size_t size);

#endif /* TESTS_UNIT_WRAP_H */
