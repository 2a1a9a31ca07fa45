/*
 * Preloaded library that counts the system calls that move a QEMU's bytes
 *
 * Owns: the libc functions that read and write, and the file calls.PID in the
 * working directory with the counters. A call on a simulated device counts as
 * one, as it would be with a real device. No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
/* Both pread() and pread64() are defined here: headers must not rename them. */
#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bench-calls.h"

#define EXPORT __attribute__((visibility("default")))

/* Counters as long as there is no file, or if it cannot be created */
static BenchCalls unseen;
static BenchCalls *calls = &unseen;

static __attribute__((constructor)) void calls_begin(void)
{
    char name[32];
    void *map;
    int fd;

    snprintf(name, sizeof(name), BENCH_CALLS_FILE, (int)getpid());
    fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return;
    }
    if (ftruncate(fd, sizeof(*calls)) == 0) {
        map = mmap(NULL, sizeof(*calls), PROT_READ | PROT_WRITE, MAP_SHARED,
                   fd, 0);
        calls = map == MAP_FAILED ? &unseen : map;
    }
    close(fd);
}

static ssize_t counted(ssize_t moved, bool to_socket)
{
    __atomic_fetch_add(&calls->calls, 1, __ATOMIC_RELAXED);
    if (to_socket && moved > 0) {
        __atomic_fetch_add(&calls->sent_bytes, moved, __ATOMIC_RELAXED);
    }
    return moved;
}

/*
 * Calls the next function: the simulation's, or libc's. @number is for calls
 * from constructors that run before symbols can be looked up.
 */
#define COUNT(to_socket, number, name, params, ...)                         \
    EXPORT ssize_t name params                                              \
    {                                                                       \
        static ssize_t (*next) params;                                      \
                                                                            \
        if (!next) {                                                        \
            next = (ssize_t (*) params)dlsym(RTLD_NEXT, #name);             \
        }                                                                   \
        return counted(next ? next(__VA_ARGS__)                             \
                            : syscall(number, __VA_ARGS__), to_socket);     \
    }

COUNT(false, SYS_read, read, (int fd, void *to, size_t n), fd, to, n)
COUNT(false, SYS_write, write, (int fd, const void *from, size_t n),
      fd, from, n)
COUNT(false, SYS_readv, readv, (int fd, const struct iovec *v, int n),
      fd, v, n)
COUNT(false, SYS_writev, writev, (int fd, const struct iovec *v, int n),
      fd, v, n)
COUNT(false, SYS_pread64, pread, (int fd, void *to, size_t n, off_t at),
      fd, to, n, at)
COUNT(false, SYS_pread64, pread64, (int fd, void *to, size_t n, off64_t at),
      fd, to, n, at)
COUNT(false, SYS_pwrite64, pwrite,
      (int fd, const void *from, size_t n, off_t at), fd, from, n, at)
COUNT(false, SYS_pwrite64, pwrite64,
      (int fd, const void *from, size_t n, off64_t at), fd, from, n, at)
COUNT(false, SYS_recvmsg, recvmsg, (int fd, struct msghdr *m, int flags),
      fd, m, flags)
COUNT(true, SYS_sendmsg, sendmsg, (int fd, const struct msghdr *m, int flags),
      fd, m, flags)
