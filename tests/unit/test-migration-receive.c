/*
 * Tests of hw/vfio/migration-receive.c
 *
 * The channel under the stream belongs to the test: it returns as little at a
 * time as the test wants, makes the reader wait, and counts. The result must be
 * the same as that of a simple loop over the bytes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include "qapi/error.h"
#include "qemu/coroutine.h"
#include "qemu/units.h"
#include "io/channel.h"
#include "migration/qemu-file.h"
#include "migration/standalone.h"
#include "hw/vfio/migration-guard.h"
#include "hw/vfio/migration-receive.h"
#include "hw/vfio/migration-stream.h"

#define STREAM_BYTES    (5 * MiB)
#define AHEAD_BYTES     (32 * KiB)
/* Bytes after a piece, which must not be written */
#define FENCE_BYTES     64

static uint8_t stream[STREAM_BYTES];

/* ---- the channel ---- */

static size_t read_max_bytes;   /* 0: unlimited */
static unsigned nr_reads;       /* read() calls, for the file or bypassing it */
static unsigned nr_past;        /* bypassing the file */
static unsigned blocks;         /* how often there is nothing yet */
static unsigned nr_yields, nr_waits;
static bool coroutine;

ssize_t __real_read(int fd, void *buf, size_t size);
ssize_t __wrap_read(int fd, void *buf, size_t size);
ssize_t __real_qio_channel_read(QIOChannel *ioc, char *buf, size_t size,
                                Error **errp);
ssize_t __wrap_qio_channel_read(QIOChannel *ioc, char *buf, size_t size,
                                Error **errp);
bool __wrap_qemu_in_coroutine(void);
void __wrap_qio_channel_yield(QIOChannel *ioc, GIOCondition condition);
void __wrap_qio_channel_wait(QIOChannel *ioc, GIOCondition condition);

ssize_t __wrap_read(int fd, void *buf, size_t size)
{
    nr_reads++;
    return __real_read(fd, buf, read_max_bytes ? MIN(size, read_max_bytes)
                                               : size);
}

ssize_t __wrap_qio_channel_read(QIOChannel *ioc, char *buf, size_t size,
                                Error **errp)
{
    nr_past++;
    if (blocks) {
        blocks--;
        return QIO_CHANNEL_ERR_BLOCK;
    }
    return __real_qio_channel_read(ioc, buf, size, errp);
}

bool __wrap_qemu_in_coroutine(void)
{
    return coroutine;
}

void __wrap_qio_channel_yield(QIOChannel *ioc, GIOCondition condition)
{
    g_assert_cmpint(condition, ==, G_IO_IN);
    nr_yields++;
}

void __wrap_qio_channel_wait(QIOChannel *ioc, GIOCondition condition)
{
    g_assert_cmpint(condition, ==, G_IO_IN);
    nr_waits++;
}

static int stream_fd(size_t size)
{
    int fd = memfd_create("stream", MFD_CLOEXEC);

    g_assert_cmpint(write(fd, stream, size), ==, size);
    g_assert_cmpint(lseek(fd, 0, SEEK_SET), ==, 0);
    return fd;
}

static QEMUFile *stream_open(size_t size)
{
    read_max_bytes = nr_reads = nr_past = nr_yields = nr_waits = 0;
    return vfio_host_file_new_input(stream_fd(size));
}

/* ---- received data ---- */

/* Get the next @size bytes, which start at @at; nothing else is written */
static void get_piece(QEMUFile *f, size_t at, size_t size, bool window)
{
    g_autofree uint8_t *to = g_malloc(size + FENCE_BYTES);
    Error *err = NULL;
    int ret;
    unsigned i;

    memset(to, 0xa5, size + FENCE_BYTES);
    ret = window ? vfio_mig_get_window(f, to, size, &err)
                 : vfio_mig_get_data(f, to, size, &err);
    g_assert_cmpstr(err ? error_get_pretty(err) : "", ==, "");
    g_assert_cmpint(ret, ==, 0);
    g_assert_cmpmem(to, size, stream + at, size);
    for (i = 0; i < FENCE_BYTES; i++) {
        g_assert_cmphex(to[size + i], ==, 0xa5);
    }
    g_assert_cmpuint(vfio_host_file_bytes(f), ==, at + size);
}

static void get_number(QEMUFile *f, size_t at)
{
    uint64_t expected;

    memcpy(&expected, stream + at, sizeof(expected));
    g_assert_cmphex(qemu_get_be64(f), ==, GUINT64_FROM_BE(expected));
}

/* Most of it in a few large reads, after the data that was read ahead. */
static void test_large_reads(void)
{
    QEMUFile *f = stream_open(STREAM_BYTES);

    get_number(f, 0);
    g_assert_cmpuint(nr_reads, ==, 1);
    get_piece(f, 8, 4 * MiB, true);
    g_assert_cmpuint(nr_reads, ==, 2);
    get_number(f, 8 + 4 * MiB);
    get_piece(f, 16 + 4 * MiB, 512 * KiB, false);
    g_assert_cmpuint(nr_reads, ==, 4);
    g_assert_cmpuint(nr_past, ==, 2);
    qemu_fclose(f);
}

/* Pieces with numbers in between, and short reads of any size */
static void test_any_sizes(void)
{
    static const size_t sizes[] = {
        0, 1, 7, AHEAD_BYTES - 9, AHEAD_BYTES - 8, AHEAD_BYTES - 1,
        AHEAD_BYTES, AHEAD_BYTES + 1, 2 * AHEAD_BYTES - 8, 100003,
        1 * MiB + 3,
    };
    static const size_t reads[] = {
        0, 999, 4096, AHEAD_BYTES - 8, AHEAD_BYTES, AHEAD_BYTES + 8, 131071,
    };
    size_t at = 0;
    unsigned r, i, j;
    QEMUFile *f;

    for (r = 0; r < G_N_ELEMENTS(reads); r++) {
        for (i = 0; i < 2 * G_N_ELEMENTS(sizes); i++) {
            f = stream_open(STREAM_BYTES);
            read_max_bytes = reads[r];
            for (at = 0, j = 0; j < 5; j++) {
                size_t size = sizes[(i + 3 * j) % G_N_ELEMENTS(sizes)];

                get_number(f, at);
                get_piece(f, at + 8, size, (i + j) % 2);
                at += 8 + size;
            }
            get_number(f, at);
            g_assert_cmpint(qemu_file_get_error(f), ==, 0);
            qemu_fclose(f);
        }
    }
}

/* Small pieces are read ahead as before, without a call for each. */
static void test_small_pieces(void)
{
    QEMUFile *f = stream_open(STREAM_BYTES);
    unsigned i;

    for (i = 0; i < 1024; i++) {
        get_piece(f, 1024 * i, 1024, i % 2);
    }
    g_assert_cmpuint(nr_past, ==, 0);
    g_assert_cmpuint(nr_reads, ==, 1024 * 1024 / AHEAD_BYTES);
    qemu_fclose(f);
}

/* ---- failures ---- */

static void expect_cut(QEMUFile *f, size_t size, bool window,
                       const char *words)
{
    g_autofree uint8_t *to = g_malloc(size);
    Error *err = NULL;
    int ret = window ? vfio_mig_get_window(f, to, size, &err)
                     : vfio_mig_get_data(f, to, size, &err);

    g_assert_cmpint(ret, ==, -EIO);
    g_assert_cmpint(qemu_file_get_error(f), ==, -EIO);
    g_assert_nonnull(strstr(error_get_pretty(err), words));
    error_free(err);
}

static void test_end(void)
{
    static const size_t ends[] = {
        8, 9, AHEAD_BYTES - 1, AHEAD_BYTES, AHEAD_BYTES + 1, 1 * MiB,
        2 * MiB - 1, 2 * MiB + 7,
    };
    unsigned i;

    for (i = 0; i < 2 * G_N_ELEMENTS(ends); i++) {
        QEMUFile *f = stream_open(ends[i / 2]);

        get_number(f, 0);
        expect_cut(f, 2 * MiB, i % 2, "cannot read device data from the "
                   "migration stream: it was cut or failed");
        g_assert_cmpuint(vfio_host_file_bytes(f), ==, ends[i / 2]);
        qemu_fclose(f);
    }
}

static void test_channel_fails(void)
{
    static const size_t limits[] = {
        8, AHEAD_BYTES, AHEAD_BYTES + 1, 1 * MiB, 2 * MiB + 7,
    };
    unsigned i;

    for (i = 0; i < 2 * G_N_ELEMENTS(limits); i++) {
        QEMUFile *f = stream_open(STREAM_BYTES);
        bool fired = false;

        vfio_host_file_fail_after(f, limits[i / 2], ECONNRESET, &fired);
        get_number(f, 0);
        expect_cut(f, 2 * MiB, i % 2, "device data from the migration "
                   "stream: Unable to read from the stream: Connection "
                   "reset");
        g_assert_true(fired);
        qemu_fclose(f);
    }
}

/* EFAULT is said of a window that went; a stream may have it, too. */
static void test_stream_has_efault(void)
{
    QEMUFile *f = stream_open(STREAM_BYTES);
    Error *err = NULL;
    uint64_t to;

    qemu_file_set_error(f, -EFAULT);
    g_assert_cmpint(vfio_mig_get_window(f, &to, sizeof(to), &err), ==, -EIO);
    g_assert_nonnull(err);
    error_free(err);
    qemu_fclose(f);
}

/* A window whose second half is gone */
static uint8_t *window_half(size_t size, int *fd)
{
    uint8_t *host;

    *fd = memfd_create("window", MFD_CLOEXEC);
    g_assert_cmpint(ftruncate(*fd, size), ==, 0);
    host = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
    g_assert_true(host != MAP_FAILED);
    g_assert_cmpint(ftruncate(*fd, size / 2), ==, 0);
    return host;
}

static void test_window_gone(void)
{
    QEMUFile *f = stream_open(STREAM_BYTES);
    Error *err = NULL;
    uint8_t *host;
    int fd;

    host = window_half(2 * MiB, &fd);
    vfio_mig_guard_begin();
    get_number(f, 0);
    g_assert_cmpint(vfio_mig_get_window(f, host, 2 * MiB, &err), ==, -EFAULT);
    g_assert_null(err);
    g_assert_cmpuint(nr_past, >, 0);
    /* It is no failure of the stream */
    g_assert_cmpint(qemu_file_get_error(f), ==, 0);
    vfio_mig_guard_end();
    munmap(host, 2 * MiB);
    close(fd);
    qemu_fclose(f);
}

/* User space copies from this channel, so it must not get the window. */
static void test_user_space_copies(void)
{
    QEMUFile *f;

    nr_past = 0;
    f = vfio_host_file_new_memory_input(stream, STREAM_BYTES);
    get_piece(f, 0, 1 * MiB, true);
    g_assert_cmpuint(nr_past, ==, 0);
    get_piece(f, 1 * MiB, 1 * MiB, false);
    g_assert_cmpuint(nr_past, >, 0);
    qemu_fclose(f);
}

/* ---- waiting ---- */

static void test_waits(void)
{
    QEMUFile *f;

    for (coroutine = false; ; coroutine = true) {
        f = stream_open(STREAM_BYTES);
        get_number(f, 0);
        blocks = 5;
        get_piece(f, 8, 1 * MiB, true);
        g_assert_cmpuint(nr_yields, ==, coroutine ? 5 : 0);
        g_assert_cmpuint(nr_waits, ==, coroutine ? 0 : 5);
        qemu_fclose(f);
        if (coroutine) {
            break;
        }
    }
    coroutine = false;
}

static void *shut_down(void *opaque)
{
    g_usleep(50 * 1000);
    vfio_host_file_shutdown(opaque);
    return NULL;
}

static void test_shutdown(void)
{
    pthread_t thread;
    QEMUFile *f;
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds),
                    ==, 0);
    g_assert_cmpint(write(fds[1], stream, 100000), ==, 100000);
    f = vfio_host_file_new_input(fds[0]);
    read_max_bytes = 0;
    get_number(f, 0);
    g_assert_cmpint(pthread_create(&thread, NULL, shut_down, f), ==, 0);
    expect_cut(f, 1 * MiB, false, "cannot read device data");
    pthread_join(thread, NULL);
    qemu_fclose(f);
    close(fds[1]);
}

int main(int argc, char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    vfio_host_init();
    for (i = 0; i < sizeof(stream); i++) {
        stream[i] = i * 7 + i / 251 + i / 65537;
    }
    g_test_add_func("/receive/large-reads", test_large_reads);
    g_test_add_func("/receive/any-sizes", test_any_sizes);
    g_test_add_func("/receive/small-pieces", test_small_pieces);
    g_test_add_func("/receive/end", test_end);
    g_test_add_func("/receive/channel-fails", test_channel_fails);
    g_test_add_func("/receive/stream-has-efault", test_stream_has_efault);
    g_test_add_func("/receive/window-gone", test_window_gone);
    g_test_add_func("/receive/user-space-copies", test_user_space_copies);
    g_test_add_func("/receive/waits", test_waits);
    g_test_add_func("/receive/shutdown", test_shutdown);
    return g_test_run();
}
