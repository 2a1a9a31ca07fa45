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

#include "sim-client.h"

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

/* Descriptors that are not VFIO's are the kernel's. */
static void test_others(void)
{
    char byte = 'x', back = 0;
    int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(pwrite(fd, &byte, 1, 7), ==, 1);
    g_assert_cmpint(pread(fd, &back, 1, 7), ==, 1);
    g_assert_cmpint(back, ==, byte);
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
    g_test_add_func("/sim-preloaded/others", test_others);
    g_test_add_func("/sim-preloaded/symbols", test_symbols);
    return g_test_run();
}
