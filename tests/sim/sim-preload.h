/*
 * Entry points of fortified callers: they have no public declaration
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_SIM_PRELOAD_H
#define TESTS_SIM_PRELOAD_H

#include <sys/types.h>

int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dir, const char *path, int flags);
int __openat64_2(int dir, const char *path, int flags);
ssize_t __pread_chk(int fd, void *buf, size_t len, off_t offset, size_t room);
ssize_t __pread64_chk(int fd, void *buf, size_t len, off64_t offset,
                      size_t room);
ssize_t __read_chk(int fd, void *buf, size_t len, size_t room);

#endif /* TESTS_SIM_PRELOAD_H */
