/*
 * Test of the simulated device as it is preloaded
 *
 * Owns: a VFIO user that is not linked with the simulation. It is run with
 * LD_PRELOAD and VFIO_SIM_CONFIG, and migrates one device to another; the
 * destination checks every word. Shows that the library exports what it
 * must and nothing that belongs to it alone.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "sim-client-v2.h"

static void test_migrate(void)
{
    g_autoptr(GPtrArray) chunks = client_chunks_new();
    SimClient *src = client_open("src", 1);
    SimClient *dst = client_open("dst", 2);

    g_assert_true(src->mappable);
    g_assert_cmpuint(src->areas->len, ==, 2);
    g_assert_cmpint(client_save(src, chunks, true, 2), ==, 0);
    g_assert_cmpuint(chunks->len, >, 4);
    g_assert_cmpint(client_load(dst, chunks, false), ==, 0);
    client_close(src);
    client_close(dst);
}

static void test_migrate_v2(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    SimClient *src = client_open("src-v2", 3);
    SimClient *dst = client_open("dst-v2", 4);
    int fd, ignored;

    g_assert_cmpint(v2_set(src, V2_PRE_COPY, &fd), ==, 0);
    g_assert_cmpint(v2_read_all(fd, bytes, 3000), ==, 0);
    g_assert_cmpint(v2_set(src, V2_STOP_COPY, &ignored), ==, 0);
    g_assert_cmpint(v2_read_all(fd, bytes, 3000), ==, 0);
    g_assert_cmpuint(bytes->len, ==, 100256);
    g_assert_cmpint(close(fd), ==, 0);
    g_assert_cmpint(v2_set(dst, V2_RESUMING, &fd), ==, 0);
    g_assert_cmpint(v2_write_all(fd, bytes->data, bytes->len, 5000), ==, 0);
    g_assert_cmpint(v2_set(dst, V2_RUNNING, &ignored), ==, 0);
    g_assert_cmpint(close(fd), ==, 0);
    client_close(src);
    client_close(dst);
}

/* Descriptors that are not VFIO's are the kernel's. */
static void test_others(void)
{
    char byte = 'x', back = 0;
    int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(pwrite(fd, &byte, 1, 7), ==, 1);
    g_assert_cmpint(pread(fd, &back, 1, 7), ==, 1);
    g_assert_cmpint(back, ==, byte);
    g_assert_cmpint(write(fd, "ab", 2), ==, 2);
    g_assert_cmpint(lseek(fd, 1, SEEK_SET), ==, 1);
    g_assert_cmpint(read(fd, &back, 1), ==, 1);
    g_assert_cmpint(back, ==, 'b');
    g_assert_cmpint(write(-1, "ab", 2), ==, -1);
    g_assert_cmpint(errno, ==, EBADF);
    g_assert_cmpint(ioctl(fd, VFIO_GET_API_VERSION), ==, -1);
    g_assert_cmpint(close(fd), ==, 0);
    g_assert_cmpint(open("/dev/vfio/none", O_RDWR), ==, -1);
    g_assert_cmpint(errno, ==, ENOENT);
}

static void test_symbols(void)
{
    g_assert_null(dlsym(RTLD_DEFAULT, "sim_world"));
    g_assert_null(dlsym(RTLD_DEFAULT, "vfio_sim_shutdown"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sim-preloaded/migrate", test_migrate);
    g_test_add_func("/sim-preloaded/migrate-v2", test_migrate_v2);
    g_test_add_func("/sim-preloaded/others", test_others);
    g_test_add_func("/sim-preloaded/symbols", test_symbols);
    return g_test_run();
}
