/*
 * Tests of hw/vfio/migration-v1-access.c
 *
 * The linker redirects pread and pwrite of the code under test to memory in
 * this file (--wrap), for cases that no real file and no simulated device can
 * produce. How data is split into pieces is tested in tests/component/.
 *
 * Source: docs/contract.md, Registers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/vfio/migration-v1-access.h"
#include "wrap.h"

#define FAKE_FD         1000000     /* no real file has this number */
#define REGION_START    (UINT64_C(9) << 40)

static struct {
    uint8_t data[64];
    int err;                    /* error of each access; 0: success */
    bool small_only;            /* EINVAL unless 8, 4, 2 or 1 bytes, aligned */
    unsigned calls;
    uint64_t offset;            /* of the last access */
    size_t size;
} dev;

static ssize_t device_access(uint64_t position, size_t size)
{
    dev.calls++;
    dev.offset = position - REGION_START;
    dev.size = size;
    errno = dev.small_only && (size > 8 || size & (size - 1) ||
                               dev.offset % size) ? EINVAL : dev.err;
    return errno ? -1 : size;
}

ssize_t __wrap_pread64(int fd, void *buf, size_t size, off64_t position)
{
    ssize_t ret = device_access(position, size);

    g_assert_cmpint(fd, ==, FAKE_FD);
    if (ret > 0) {
        memcpy(buf, dev.data + dev.offset, ret);
    }
    return ret;
}

ssize_t __wrap_pwrite64(int fd, const void *buf, size_t size,
                        off64_t position)
{
    ssize_t ret = device_access(position, size);

    g_assert_cmpint(fd, ==, FAKE_FD);
    if (ret > 0) {
        memcpy(dev.data + dev.offset, buf, ret);
    }
    return ret;
}

static void device_reset(int err)
{
    memset(&dev, 0, sizeof(dev));
    memset(dev.data, 0xee, sizeof(dev.data));
    dev.err = err;
}

/* The value of a register in the device, in host byte order */
static uint64_t device_register(uint64_t offset, unsigned width)
{
    uint64_t value64;
    uint32_t value32;

    memcpy(&value64, dev.data + offset, sizeof(value64));
    memcpy(&value32, dev.data + offset, sizeof(value32));
    return width == sizeof(value64) ? value64 : value32;
}

static void test_register_is_one_access_of_its_width(void)
{
    for (unsigned width = 4; width <= 8; width += 4) {
        const uint64_t mask = width == 8 ? UINT64_MAX : UINT32_MAX;
        VFIOMigAccess access = { .fd = FAKE_FD, .fd_offset = REGION_START };
        uint64_t value = 0;

        device_reset(0);
        g_assert_cmpint(vfio_mig_register_write(&access, 16, width,
                                                0x8123456789abcdef), ==, 0);
        g_assert_cmpuint(dev.calls, ==, 1);
        g_assert_cmpuint(dev.offset, ==, 16);
        g_assert_cmpuint(dev.size, ==, width);
        g_assert_cmphex(device_register(16, width), ==,
                        0x8123456789abcdef & mask);
        g_assert_cmpuint(dev.data[16 + width], ==, 0xee);

        g_assert_cmpint(vfio_mig_register_read(&access, 16, width, &value),
                        ==, 0);
        g_assert_cmpuint(dev.calls, ==, 2);
        g_assert_cmpuint(dev.size, ==, width);
        g_assert_cmpuint(value, ==, 0x8123456789abcdef & mask);
    }
}

/* All four kinds of access at @offset return @ret and change nothing. */
static void expect_failure(uint64_t fd_offset, uint64_t offset, size_t size,
                           int ret)
{
    VFIOMigAccess access = { FAKE_FD, fd_offset };
    uint64_t value = 77;
    uint8_t buf[64] = { 0 };

    g_assert_cmpint(vfio_mig_register_read(&access, offset, 8, &value), ==,
                    ret);
    g_assert_cmpint(vfio_mig_register_write(&access, offset, 8, 1), ==, ret);
    g_assert_cmpint(vfio_mig_data_read(&access, offset, buf, size), ==, ret);
    g_assert_cmpint(vfio_mig_data_write(&access, offset, buf, size), ==,
                    ret);
    g_assert_cmpuint(value, ==, 77);
    g_assert_false(access.small_only);
}

/* Interrupted forever; refused, though there is no smaller access */
static void test_one_error_for_ever(void)
{
    device_reset(EINTR);
    expect_failure(REGION_START, 0, 64, -EINTR);
    g_assert_cmpuint(dev.calls, <, 4000000);
    device_reset(EINVAL);
    expect_failure(REGION_START, 8, 8, -EINVAL);
    g_assert_cmpuint(dev.calls, ==, 4);
}

/* As wide as offset and remaining size allow: 1, 2, 4, 8, 8, 8, 4, 2, 1 */
static void test_small_accesses_are_aligned(void)
{
    VFIOMigAccess access = { .fd = FAKE_FD, .fd_offset = REGION_START };
    uint8_t buf[38] = { 0 };

    device_reset(0);
    dev.small_only = true;
    g_assert_cmpint(vfio_mig_data_write(&access, 1, buf, sizeof(buf)), ==, 0);
    g_assert_cmpuint(dev.calls, ==, 1 + 9);    /* the first attempt was large */
    g_assert_cmpint(vfio_mig_data_read(&access, 1, buf, sizeof(buf)), ==, 0);
    g_assert_cmpuint(dev.calls, ==, 1 + 9 + 9);
}

/* A position that no file can have is refused before any access. */
static void test_positions_beyond_all_files(void)
{
    static const struct {
        uint64_t fd_offset, offset;
    } bad[] = {
        { UINT64_C(1) << 63, 0 }, { UINT64_MAX, 0 }, { 0, UINT64_MAX },
        { 0, UINT64_C(1) << 63 }, { 0, INT64_MAX }, { 0, INT64_MAX - 7 },
        { REGION_START, INT64_MAX - REGION_START - 7 },
        { UINT64_MAX, 1 }, { UINT64_MAX - 7, UINT64_MAX },
    };

    device_reset(0);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        expect_failure(bad[i].fd_offset, bad[i].offset, 64, -EINVAL);
    }
    g_assert_cmpuint(dev.calls, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/access/one-access-of-its-width",
                    test_register_is_one_access_of_its_width);
    g_test_add_func("/access/one-error-for-ever", test_one_error_for_ever);
    g_test_add_func("/access/small-accesses-are-aligned",
                    test_small_accesses_are_aligned);
    g_test_add_func("/access/positions-beyond-all-files",
                    test_positions_beyond_all_files);
    return g_test_run();
}
