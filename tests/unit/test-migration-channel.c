/*
 * Unit tests for migration-channel.c: each kind of file under a stream
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <netinet/in.h>
#include <sys/socket.h>
#include "qapi/error.h"
#include "migration/qemu-file.h"
#include "migration/standalone.h"
#include "hw/vfio/migration-channel.h"

static void widen(int fd)
{
    QEMUFile *f = vfio_host_file_new_output(dup(fd));

    vfio_mig_channel_widen(f);
    vfio_mig_channel_widen(f);
    g_assert_cmpint(qemu_file_get_error(f), ==, 0);
    qemu_fclose(f);
}

static int send_bytes(int fd)
{
    socklen_t length = sizeof(int);
    int bytes;

    g_assert_cmpint(getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, &length), ==,
                    0);
    return bytes;
}

/* At least what an unprivileged process may have */
static void test_unix(void)
{
    int fds[2], before;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    before = send_bytes(fds[0]);
    widen(fds[0]);
    g_assert_cmpint(send_bytes(fds[0]), >=, before * 3 / 2);
    g_assert_cmpint(send_bytes(fds[1]), ==, before);
    close(fds[0]);
    close(fds[1]);
}

/* Its buffer grows by itself unless it was set. */
static void test_tcp(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), before = send_bytes(fd);

    widen(fd);
    g_assert_cmpint(send_bytes(fd), ==, before);
    close(fd);
}

/* There is no return path. */
static void test_pipe(void)
{
    int fds[2], before;

    g_assert_cmpint(pipe(fds), ==, 0);
    before = fcntl(fds[0], F_GETPIPE_SZ);
    widen(fds[1]);
    g_assert_cmpint(fcntl(fds[0], F_GETPIPE_SZ), ==, before);
    close(fds[0]);
    close(fds[1]);
}

/* Files without such a buffer are left alone. */
static void test_others(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    QEMUFile *memory = vfio_host_file_new_memory_output(bytes);
    int fd = open("/dev/null", O_WRONLY);

    widen(fd);
    close(fd);
    vfio_mig_channel_widen(memory);
    g_assert_cmpint(qemu_file_get_error(memory), ==, 0);
    qemu_fclose(memory);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    vfio_host_init();
    g_test_add_func("/migration-channel/unix", test_unix);
    g_test_add_func("/migration-channel/tcp", test_tcp);
    g_test_add_func("/migration-channel/pipe", test_pipe);
    g_test_add_func("/migration-channel/others", test_others);
    return g_test_run();
}
