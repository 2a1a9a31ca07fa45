/*
 * libc functions without a public declaration: entry points of fortified
 * callers, and the original functions that ours replace
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_SIM_PRELOAD_H
#define TESTS_SIM_PRELOAD_H

#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dir, const char *path, int flags);
int __openat64_2(int dir, const char *path, int flags);
ssize_t __pread_chk(int fd, void *buf, size_t len, off_t offset, size_t room);
ssize_t __pread64_chk(int fd, void *buf, size_t len, off64_t offset,
                      size_t room);
ssize_t __read_chk(int fd, void *buf, size_t len, size_t room);

/*
 * ThreadSanitizer must see these calls: a read from a pipe happens after the
 * write by another thread.
 */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define REAL_READ __interceptor_read
#define REAL_WRITE __interceptor_write
#define REAL_READV __interceptor_readv
#define REAL_WRITEV __interceptor_writev
ssize_t REAL_READ(int fd, void *buf, size_t len);
ssize_t REAL_WRITE(int fd, const void *buf, size_t len);
ssize_t REAL_READV(int fd, const struct iovec *iov, int count);
ssize_t REAL_WRITEV(int fd, const struct iovec *iov, int count);
#endif
#endif
#ifndef REAL_READ
#define REAL_READ(fd, buf, len) syscall(SYS_read, fd, buf, len)
#define REAL_WRITE(fd, buf, len) syscall(SYS_write, fd, buf, len)
#define REAL_READV(fd, iov, count) syscall(SYS_readv, fd, iov, count)
#define REAL_WRITEV(fd, iov, count) syscall(SYS_writev, fd, iov, count)
#endif

#endif /* TESTS_SIM_PRELOAD_H */
