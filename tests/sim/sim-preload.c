/*
 * Simulated VFIO devices: the libc functions that lead into the simulation
 *
 * Owns: the replacements of open, ioctl, pread, pwrite, read, write, readv,
 * writev, mmap and close, and the table of our file descriptors. Calls on any
 * other descriptor go directly to the kernel; this is decided by a single load.
 * Does not own: what a call on one of our descriptors does.
 *
 * Locks: none. A table entry is set before its descriptor is returned and
 * cleared before it is closed; as with the kernel, a caller must not close a
 * descriptor that another thread still uses.
 *
 * A forked child that shares our descriptors must not close devices when it
 * closes its copies, so its table is cleared.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
/* Both open() and open64() are defined here: headers must not rename them. */
#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "sim-internal.h"
#include "sim-preload.h"

#define EXPORT __attribute__((visibility("default")))
#define MAX_FILES 65536
#define DEV_VFIO "/dev/vfio/"

static _Atomic(SimFile *) files[MAX_FILES];
static atomic_uint num_files;

/* ------------------------------------------------------------------------ */
/* The table of files                                                       */

static SimFile *file_of(int fd)
{
    return fd >= 0 && fd < MAX_FILES
        ? atomic_load_explicit(&files[fd], memory_order_acquire) : NULL;
}

int sim_file_publish(int fd, SimFileKind kind, void *object)
{
    SimFile *file;

    if (fd < 0) {
        return fd;
    }
    if (fd >= MAX_FILES) {
        sim_real_close(fd);
        errno = EMFILE;
        return -1;
    }
    file = g_new0(SimFile, 1);
    file->kind = kind;
    file->container = object;
    atomic_store_explicit(&files[fd], file, memory_order_release);
    atomic_fetch_add(&num_files, 1);
    return fd;
}

SimContainer *sim_container_of(int fd)
{
    SimFile *file = file_of(fd);

    return file && file->kind == SIM_FILE_CONTAINER ? file->container : NULL;
}

SimGroup *sim_group_of(int fd)
{
    SimFile *file = file_of(fd);

    return file && file->kind == SIM_FILE_GROUP ? file->group : NULL;
}

static SimFile *file_take(int fd)
{
    SimFile *file = file_of(fd);

    if (file) {
        file = atomic_exchange(&files[fd], NULL);
    }
    if (file) {
        atomic_fetch_sub(&num_files, 1);
    }
    return file;
}

static void file_release(SimFile *file)
{
    switch (file->kind) {
    case SIM_FILE_CONTAINER:
        sim_container_close(file->container);
        break;
    case SIM_FILE_GROUP:
        sim_group_close(file->group);
        break;
    case SIM_FILE_DEVICE:
        sim_device_close(file->device);
        break;
    case SIM_FILE_DATA:
        sim_data_file_close(file->data);
        break;
    }
    g_free(file);
}

unsigned sim_files_open(void)
{
    return atomic_load(&num_files);
}

void sim_files_close_all(void)
{
    static const SimFileKind order[] = {
        SIM_FILE_DEVICE, SIM_FILE_GROUP, SIM_FILE_CONTAINER, SIM_FILE_DATA
    };

    for (size_t i = 0; i < G_N_ELEMENTS(order); i++) {
        for (int fd = 0; fd < MAX_FILES && sim_files_open(); fd++) {
            SimFile *file = file_of(fd);

            if (file && file->kind == order[i]) {
                close(fd);
            }
        }
    }
}

static void forget_files_in_child(void)
{
    if (!sim_files_open()) {
        return;
    }
    for (int fd = 0; fd < MAX_FILES; fd++) {
        atomic_store(&files[fd], NULL);
    }
    atomic_store(&num_files, 0);
}

static void __attribute__((constructor)) sim_preload_init(void)
{
    pthread_atfork(NULL, NULL, forget_files_in_child);
}

/* ------------------------------------------------------------------------ */
/* The real calls                                                           */

int sim_real_close(int fd)
{
    return syscall(SYS_close, fd);
}

int sim_real_open(const char *path, int flags, mode_t mode)
{
    return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

void *sim_real_mmap(void *addr, size_t length, int prot, int flags, int fd,
                    off64_t offset)
{
#if defined(SYS_mmap2)
    if (offset % 4096) {
        errno = EINVAL;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap2, addr, length, prot, flags, fd,
                           (unsigned long)(offset >> 12));
#elif defined(__s390x__)
    unsigned long args[] = { (unsigned long)addr, length, prot, flags, fd,
                             offset };

    return (void *)syscall(SYS_mmap, args);
#else
    return (void *)syscall(SYS_mmap, addr, length, prot, flags, fd, offset);
#endif
}

/* libc knows how to pass an offset of 64 bits. */
ssize_t sim_real_pread(int fd, void *buf, size_t len, off64_t offset)
{
    struct iovec part = { buf, len };

    return preadv64(fd, &part, 1, offset);
}

ssize_t sim_real_pwrite(int fd, const void *buf, size_t len, off64_t offset)
{
    struct iovec part = { (void *)buf, len };

    return pwritev64(fd, &part, 1, offset);
}

/* ------------------------------------------------------------------------ */
/* Opening                                                                  */

/* Returns true if @path is ours; then *@fd is the result of open(). */
static bool open_ours(const char *path, int *fd)
{
    const char *rest;
    char *end;
    uint64_t number;

    if (!path || strncmp(path, DEV_VFIO, strlen(DEV_VFIO)) != 0 ||
        !sim_world_active()) {
        return false;
    }
    rest = path + strlen(DEV_VFIO);
    if (strcmp(rest, "vfio") == 0) {
        *fd = sim_container_open();
        return true;
    }
    number = g_ascii_strtoull(rest, &end, 10);
    if (end == rest || *end || number > G_MAXUINT) {
        errno = ENOENT;
        *fd = -1;
        return true;
    }
    *fd = sim_group_open(number);
    return true;
}

static int do_openat(int dir, const char *path, int flags, mode_t mode)
{
    int fd;

    if (open_ours(path, &fd)) {
        return fd;
    }
    return syscall(SYS_openat, dir, path, flags, mode);
}

static bool needs_mode(int flags)
{
    return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
}

/* The parameters come last; only openat() has one for @dir. */
#define DEFINE_OPEN(name, dir, ...)                                 \
    EXPORT int name(__VA_ARGS__, ...)                               \
    {                                                               \
        mode_t mode = 0;                                            \
                                                                    \
        if (needs_mode(flags)) {                                    \
            va_list ap;                                             \
                                                                    \
            va_start(ap, flags);                                    \
            mode = va_arg(ap, mode_t);                              \
            va_end(ap);                                             \
        }                                                           \
        return do_openat(dir, path, flags, mode);                   \
    }

DEFINE_OPEN(open, AT_FDCWD, const char *path, int flags)
DEFINE_OPEN(open64, AT_FDCWD, const char *path, int flags)
DEFINE_OPEN(openat, dir, int dir, const char *path, int flags)
DEFINE_OPEN(openat64, dir, int dir, const char *path, int flags)

EXPORT int __open_2(const char *path, int flags)
{
    return do_openat(AT_FDCWD, path, flags, 0);
}

EXPORT int __open64_2(const char *path, int flags)
{
    return do_openat(AT_FDCWD, path, flags, 0);
}

EXPORT int __openat_2(int dir, const char *path, int flags)
{
    return do_openat(dir, path, flags, 0);
}

EXPORT int __openat64_2(int dir, const char *path, int flags)
{
    return do_openat(dir, path, flags, 0);
}

/* ------------------------------------------------------------------------ */
/* Calls on a descriptor                                                    */

static ssize_t result_of(ssize_t ret)
{
    if (ret < 0) {
        errno = -ret;
        return -1;
    }
    return ret;
}

EXPORT int ioctl(int fd, unsigned long request, ...)
{
    SimFile *file = file_of(fd);
    void *arg;
    va_list ap;

    va_start(ap, request);
    arg = va_arg(ap, void *);
    va_end(ap);

    if (!file) {
        return syscall(SYS_ioctl, fd, request, arg);
    }
    /* The meaning of a request's number depends on the kind of file. */
    switch (file->kind) {
    case SIM_FILE_CONTAINER:
        return result_of(sim_container_ioctl(file->container, request, arg));
    case SIM_FILE_GROUP:
        return result_of(sim_group_ioctl(file->group, request, arg));
    case SIM_FILE_DEVICE:
        return result_of(sim_device_ioctl(file->device, request, arg));
    case SIM_FILE_DATA:
        return result_of(sim_data_file_ioctl(file->data, request, arg));
    }
    return result_of(-ENOTTY);
}

static ssize_t rw_ours(SimFile *file, bool write, void *buf, size_t len,
                       off64_t offset)
{
    if (file->kind != SIM_FILE_DEVICE || offset < 0) {
        return result_of(file->kind == SIM_FILE_DATA ? -ESPIPE : -EINVAL);
    }
    return result_of(sim_device_rw(file->device, write, buf, len, offset));
}

static ssize_t do_pread(int fd, void *buf, size_t len, off64_t offset)
{
    SimFile *file = file_of(fd);

    return file ? rw_ours(file, false, buf, len, offset)
                : sim_real_pread(fd, buf, len, offset);
}

static ssize_t do_pwrite(int fd, const void *buf, size_t len, off64_t offset)
{
    SimFile *file = file_of(fd);

    return file ? rw_ours(file, true, (void *)buf, len, offset)
                : sim_real_pwrite(fd, buf, len, offset);
}

EXPORT ssize_t pread(int fd, void *buf, size_t len, off_t offset)
{
    return do_pread(fd, buf, len, offset);
}

EXPORT ssize_t pread64(int fd, void *buf, size_t len, off64_t offset)
{
    return do_pread(fd, buf, len, offset);
}

EXPORT ssize_t __pread_chk(int fd, void *buf, size_t len, off_t offset,
                           size_t room)
{
    if (len > room) {
        abort();
    }
    return do_pread(fd, buf, len, offset);
}

EXPORT ssize_t __pread64_chk(int fd, void *buf, size_t len, off64_t offset,
                             size_t room)
{
    if (len > room) {
        abort();
    }
    return do_pread(fd, buf, len, offset);
}

EXPORT ssize_t pwrite(int fd, const void *buf, size_t len, off_t offset)
{
    return do_pwrite(fd, buf, len, offset);
}

EXPORT ssize_t pwrite64(int fd, const void *buf, size_t len, off64_t offset)
{
    return do_pwrite(fd, buf, len, offset);
}

/* ------------------------------------------------------------------------ */
/* Reading and writing without an offset: data fds only                     */

static SimDataFile *data_of(int fd)
{
    SimFile *file = file_of(fd);

    return file && file->kind == SIM_FILE_DATA ? file->data : NULL;
}

static ssize_t rw_data(SimDataFile *data, bool write, void *buf, size_t len)
{
    return result_of(sim_data_file_rw(data, write, buf, len));
}

static ssize_t do_read(int fd, void *buf, size_t len)
{
    SimDataFile *data = data_of(fd);

    return data ? rw_data(data, false, buf, len) : REAL_READ(fd, buf, len);
}

EXPORT ssize_t read(int fd, void *buf, size_t len)
{
    return do_read(fd, buf, len);
}

EXPORT ssize_t __read_chk(int fd, void *buf, size_t len, size_t room)
{
    if (len > room) {
        abort();
    }
    return do_read(fd, buf, len);
}

EXPORT ssize_t write(int fd, const void *buf, size_t len)
{
    SimDataFile *data = data_of(fd);

    return data ? rw_data(data, true, (void *)buf, len)
                : REAL_WRITE(fd, buf, len);
}

/* As in the kernel for a file without vectored operations */
static ssize_t rw_vector(SimDataFile *data, bool write,
                         const struct iovec *iov, int count)
{
    ssize_t sum = 0;

    for (int i = 0; i < count; i++) {
        ssize_t n = rw_data(data, write, iov[i].iov_base, iov[i].iov_len);

        if (n < 0) {
            return sum ? sum : n;
        }
        sum += n;
        if ((size_t)n < iov[i].iov_len) {
            break;
        }
    }
    return sum;
}

EXPORT ssize_t readv(int fd, const struct iovec *iov, int count)
{
    SimDataFile *data = data_of(fd);

    return data ? rw_vector(data, false, iov, count)
                : REAL_READV(fd, iov, count);
}

EXPORT ssize_t writev(int fd, const struct iovec *iov, int count)
{
    SimDataFile *data = data_of(fd);

    return data ? rw_vector(data, true, iov, count)
                : REAL_WRITEV(fd, iov, count);
}

/* ------------------------------------------------------------------------ */
/* Mapping and closing                                                      */

static void *do_mmap(void *addr, size_t length, int prot, int flags, int fd,
                     off64_t offset)
{
    SimFile *file = flags & MAP_ANONYMOUS ? NULL : file_of(fd);

    if (!file) {
        return sim_real_mmap(addr, length, prot, flags, fd, offset);
    }
    if (file->kind != SIM_FILE_DEVICE || offset < 0) {
        errno = ENODEV;
        return MAP_FAILED;
    }
    return sim_device_mmap(file->device, addr, length, prot, flags, fd,
                           offset);
}

EXPORT void *mmap(void *addr, size_t length, int prot, int flags, int fd,
                  off_t offset)
{
    return do_mmap(addr, length, prot, flags, fd, offset);
}

EXPORT void *mmap64(void *addr, size_t length, int prot, int flags, int fd,
                    off64_t offset)
{
    return do_mmap(addr, length, prot, flags, fd, offset);
}

EXPORT int close(int fd)
{
    SimFile *file = file_take(fd);

    if (file) {
        file_release(file);
    }
    return sim_real_close(fd);
}
