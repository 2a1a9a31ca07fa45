/*
 * Tests of hw/vfio/migration-v1-access.c
 *
 * The linker leads the pread and pwrite of the code under test to a device
 * in this file (--wrap): it keeps a transcript of each access and breaks by
 * rule.
 *
 * Source: docs/contract.md, Registers and The data window.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/units.h"
#include "hw/vfio/migration-v1-access.h"
#include "wrap.h"

#define FAKE_FD         1000000     /* no real file has this number */
#define REGION_START    (UINT64_C(9) << 40)
#define DEVICE_BYTES    (4 * MiB)
#define LOG_MAX         64
#define NEVER           UINT_MAX

/* The device, and the rule by which it breaks. */
static struct {
    uint8_t *data;              /* DEVICE_BYTES */
    uint64_t end;               /* bytes; behind it is the end of file */
    uint64_t max_bytes;         /* an access moves at most this much */
    bool refuses_large;         /* EINVAL unless 8, 4, 2 or 1, aligned */
    unsigned eintr;             /* so many EINTR before each access */
    unsigned fail_at;           /* this access, counted from 0, ... */
    int fail_errno;             /* ... fails; 0: end of file */
    bool fail_always;           /* and all that follow */

    unsigned interrupted;       /* EINTR since the last access that passed */
    unsigned calls;             /* accesses that were not interrupted */
    unsigned eintr_calls;
    bool fired;
    struct {
        uint64_t offset;
        size_t size;
    } log[LOG_MAX];
} dev;

static void device_reset(void)
{
    uint8_t *data = dev.data ?: g_malloc(DEVICE_BYTES);

    memset(&dev, 0, sizeof(dev));
    dev.data = data;
    dev.end = DEVICE_BYTES;
    dev.max_bytes = DEVICE_BYTES;
    dev.fail_at = NEVER;
}

static bool is_small_and_aligned(uint64_t offset, size_t size)
{
    return (size == 8 || size == 4 || size == 2 || size == 1) &&
           offset % size == 0;
}

/* What the access gives: the bytes to move, 0, or -1 with errno. */
static ssize_t device_judge(uint64_t offset, size_t size)
{
    unsigned call;

    if (dev.interrupted < dev.eintr) {
        dev.interrupted++;
        dev.eintr_calls++;
        errno = EINTR;
        return -1;
    }
    dev.interrupted = 0;
    call = dev.calls++;
    if (call < LOG_MAX) {
        dev.log[call].offset = offset;
        dev.log[call].size = size;
    }
    if (call == dev.fail_at || (dev.fail_always && call > dev.fail_at)) {
        dev.fired = true;
        errno = dev.fail_errno;
        return dev.fail_errno ? -1 : 0;
    }
    if (dev.refuses_large && !is_small_and_aligned(offset, size)) {
        errno = EINVAL;
        return -1;
    }
    if (offset >= dev.end) {
        return 0;
    }
    return MIN(MIN(size, dev.max_bytes), dev.end - offset);
}

ssize_t __wrap_pread64(int fd, void *buf, size_t size, off64_t position)
{
    ssize_t ret;

    g_assert_cmpint(fd, ==, FAKE_FD);
    ret = device_judge(position - REGION_START, size);
    if (ret > 0) {
        memcpy(buf, dev.data + (position - REGION_START), ret);
    }
    return ret;
}

ssize_t __wrap_pwrite64(int fd, const void *buf, size_t size,
                        off64_t position)
{
    ssize_t ret;

    g_assert_cmpint(fd, ==, FAKE_FD);
    ret = device_judge(position - REGION_START, size);
    if (ret > 0) {
        memcpy(dev.data + (position - REGION_START), buf, ret);
    }
    return ret;
}

static VFIOMigAccess fake_access(void)
{
    return (VFIOMigAccess){ .fd = FAKE_FD, .fd_offset = REGION_START };
}

static void fill(uint8_t *data, size_t size, uint32_t seed)
{
    size_t i;

    for (i = 0; i < size; i++) {
        seed = seed * 1664525 + 1013904223;
        data[i] = seed >> 24;
    }
}

/*
 * Move @size bytes at @offset in both directions, and see that exactly
 * these bytes moved. Returns the first error of the two.
 */
static int move_both_ways(VFIOMigAccess *access, uint64_t offset, size_t size)
{
    g_autofree uint8_t *buf = g_malloc0(size + 1);
    const size_t around = 64;
    size_t before = MIN(around, offset), after, i;
    g_autofree uint8_t *expected = g_malloc(size + 2 * around);
    int ret;

    after = MIN(around, DEVICE_BYTES - offset - size);
    fill(dev.data + offset - before, before + size + after, size);
    ret = vfio_mig_data_read(access, offset, buf, size);
    if (ret) {
        return ret;
    }
    g_assert_cmpmem(buf, size, dev.data + offset, size);
    g_assert_cmpuint(buf[size], ==, 0);

    memcpy(expected, dev.data + offset - before, before + size + after);
    for (i = 0; i < size; i++) {
        buf[i] ^= 0x5a;
        expected[before + i] ^= 0x5a;
    }
    ret = vfio_mig_data_write(access, offset, buf, size);
    if (!ret) {
        g_assert_cmpmem(dev.data + offset - before, before + size + after,
                        expected, before + size + after);
    }
    return ret;
}

/* ---- registers ---- */

/* A register as the device holds it, in the machine's byte order */
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
    static const unsigned widths[] = { 4, 8 };
    VFIOMigAccess access = fake_access();
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(widths); i++) {
        const uint64_t mask = widths[i] == 8 ? UINT64_MAX : UINT32_MAX;
        uint64_t value = 0;

        device_reset();
        memset(dev.data, 0xee, 64);
        g_assert_cmpint(vfio_mig_register_write(&access, 16, widths[i],
                                                0x8123456789abcdef), ==, 0);
        g_assert_cmpuint(dev.calls, ==, 1);
        g_assert_cmpuint(dev.log[0].offset, ==, 16);
        g_assert_cmpuint(dev.log[0].size, ==, widths[i]);
        g_assert_cmphex(device_register(16, widths[i]), ==,
                        0x8123456789abcdef & mask);
        g_assert_cmpuint(dev.data[16 + widths[i]], ==, 0xee);

        g_assert_cmpint(vfio_mig_register_read(&access, 16, widths[i],
                                               &value), ==, 0);
        g_assert_cmpuint(dev.calls, ==, 2);
        g_assert_cmpuint(dev.log[1].size, ==, widths[i]);
        g_assert_cmpuint(value, ==, 0x8123456789abcdef & mask);
    }
}

static int register_both_ways(unsigned width, uint64_t *value)
{
    VFIOMigAccess access = fake_access();
    int written, read;

    written = vfio_mig_register_write(&access, 8, width, 1);
    read = vfio_mig_register_read(&access, 8, width, value);
    g_assert_cmpint(written, ==, read);
    g_assert_false(access.small_only);
    return read;
}

static void test_register_errors(void)
{
    static const int errors[] = { EIO, EINVAL, EFAULT, EAGAIN, ENODEV, 0 };
    unsigned width, i;

    for (width = 4; width <= 8; width += 4) {
        for (i = 0; i < ARRAY_SIZE(errors); i++) {
            uint64_t value = 77;

            device_reset();
            dev.fail_at = 0;
            dev.fail_always = true;
            dev.fail_errno = errors[i];
            g_assert_cmpint(register_both_ways(width, &value), ==,
                            errors[i] ? -errors[i] : -EIO);
            g_assert_true(dev.fired);
            g_assert_cmpuint(value, ==, 77);
            /* a register is never tried twice: reading one has effects */
            g_assert_cmpuint(dev.calls, ==, 2);
        }
    }
}

static void test_register_short_is_an_error(void)
{
    unsigned width, bytes;

    for (width = 4; width <= 8; width += 4) {
        for (bytes = 1; bytes < width; bytes++) {
            uint64_t value = 77;

            device_reset();
            dev.max_bytes = bytes;
            g_assert_cmpint(register_both_ways(width, &value), ==, -EIO);
            g_assert_cmpuint(value, ==, 77);
            g_assert_cmpuint(dev.calls, ==, 2);
        }
    }
}

static void test_register_eintr(void)
{
    uint64_t value = 77;

    device_reset();
    dev.eintr = 5;
    g_assert_cmpint(register_both_ways(8, &value), ==, 0);
    g_assert_cmpuint(value, ==, 1);
    g_assert_cmpuint(dev.eintr_calls, ==, 10);

    device_reset();
    dev.eintr = NEVER;
    g_assert_cmpint(register_both_ways(4, &value), ==, -EINTR);
    g_assert_cmpuint(dev.calls, ==, 0);
    g_assert_cmpuint(dev.eintr_calls, <, 1000000);
}

/* ---- data ---- */

static void test_data_moves_in_large_accesses(void)
{
    static const struct {
        uint64_t offset;
        size_t size;
        unsigned accesses;
    } cases[] = {
        { 0, 0, 0 }, { 7, 1, 1 }, { 3, 13, 1 }, { 4096, 65536, 1 },
        { 1, MiB - 1, 1 }, { 1, MiB, 1 }, { 1, MiB + 1, 2 },
        { 4096, 2 * MiB - 1, 2 }, { 4096, 2 * MiB, 2 },
        { 4096, 2 * MiB + 1, 3 }, { 0, 4 * MiB, 4 },
    };
    unsigned i, call;

    for (i = 0; i < ARRAY_SIZE(cases); i++) {
        VFIOMigAccess access = fake_access();
        uint64_t moved = 0;

        device_reset();
        g_assert_cmpint(move_both_ways(&access, cases[i].offset,
                                       cases[i].size), ==, 0);
        g_assert_cmpuint(dev.calls, ==, 2 * cases[i].accesses);
        for (call = 0; call < cases[i].accesses; call++) {
            g_assert_cmpuint(dev.log[call].offset, ==,
                             cases[i].offset + moved);
            g_assert_cmpuint(dev.log[call].size, <=, VFIO_MIG_BOUNCE_BYTES);
            moved += dev.log[call].size;
        }
        g_assert_cmpuint(moved, ==, cases[i].size);
        g_assert_false(access.small_only);
    }
}

static void test_short_data_goes_on(void)
{
    static const uint64_t limits[] = { 1, 2, 3, 5, 7, 8, 9, 63, 4095, 65537 };
    static const size_t sizes[] = { 1, 8, 9, 100, 4096, 65536 };
    unsigned i, k;

    for (i = 0; i < ARRAY_SIZE(limits); i++) {
        for (k = 0; k < ARRAY_SIZE(sizes); k++) {
            VFIOMigAccess access = fake_access();
            uint64_t parts = (sizes[k] + limits[i] - 1) / limits[i];

            device_reset();
            dev.max_bytes = limits[i];
            dev.eintr = i % 3;
            g_assert_cmpint(move_both_ways(&access, 5, sizes[k]), ==, 0);
            g_assert_cmpuint(dev.calls, ==, 2 * parts);
            g_assert_false(access.small_only);
        }
    }
}

/* Each transfer of up to 40 bytes, on a driver that takes small ones only. */
static void test_refused_large_access(void)
{
    unsigned offset, size, call;

    for (offset = 0; offset < 16; offset++) {
        for (size = 1; size <= 40; size++) {
            VFIOMigAccess access = fake_access();
            bool fits = is_small_and_aligned(offset, size);
            unsigned calls;

            device_reset();
            dev.refuses_large = true;
            g_assert_cmpint(move_both_ways(&access, offset, size), ==, 0);
            g_assert_cmpint(access.small_only, ==, !fits);

            /* the refused one was the first and only one */
            calls = dev.calls;
            g_assert_cmpuint(calls, <=, LOG_MAX);
            for (call = !fits; call < calls; call++) {
                g_assert_true(is_small_and_aligned(dev.log[call].offset,
                                                   dev.log[call].size));
            }

            /* remembered: the next transfer begins with a small one */
            dev.calls = 0;
            access.small_only = true;
            g_assert_cmpint(move_both_ways(&access, 16, 32), ==, 0);
            g_assert_cmpuint(dev.calls, ==, 8);
            g_assert_cmpuint(dev.log[0].size, ==, 8);
        }
    }
}

/* One transfer, read and written, by a device that breaks in one way */
typedef struct Transfer {
    const char *name;
    uint64_t offset;
    size_t size;
    uint64_t end, max_bytes;        /* of the device; 0: as always */
    unsigned fail_at;               /* counted from 1; 0: never */
    int fail_errno;                 /* 0: end of file */
    bool fail_always, small_only;
    int ret;
    unsigned calls;
    bool small_after;
} Transfer;

#define FAILS(name, at, err, ret, calls) \
    { name, 0, 160, 0, 16, at, err, false, false, ret, calls, false }
#define ENDS(name, offset, size, ret, calls) \
    { name, offset, size, 1000, 0, 0, 0, false, false, ret, calls, false }

static const Transfer transfers[] = {
    /* as wide as offset and rest allow: 1, 2, 4, 8, 8, 8, 4, 2, 1 */
    { "small-accesses-are-few", 1, 38, 0, 0, 0, 0, false, true, 0, 9, true },
    /* a short one, that leaves an odd position behind, then a refusal */
    { "refused-after-a-short-one", 3, 100, 0, 13, 2, EINVAL, false, false, 0,
      15, true },
    /* that says nothing about large ones, nor does one refused in any size */
    { "einval-of-a-small-access", 8, 8, 0, 0, 1, EINVAL, true, false, -EINVAL,
      1, false },
    { "einval-of-any-size", 8, 64, 0, 0, 1, EINVAL, true, false, -EINVAL, 2,
      false },
    FAILS("other-errors/io", 1, EIO, -EIO, 1),
    FAILS("other-errors/fault", 1, EFAULT, -EFAULT, 1),
    FAILS("other-errors/again", 1, EAGAIN, -EAGAIN, 1),
    FAILS("other-errors/end", 1, 0, -EIO, 1),
    FAILS("fail-the-nth-access/5", 5, EIO, -EIO, 5),
    FAILS("fail-the-nth-access/last", 10, ENODEV, -ENODEV, 10),
    FAILS("fail-the-nth-access/none", 11, EIO, 0, 10),
    { "fail-the-nth-access/small", 0, 160, 0, 0, 7, EINVAL, false, true,
      -EINVAL, 7, true },
    ENDS("end-of-file/at", 900, 100, 0, 1),
    ENDS("end-of-file/before", 901, 100, -EIO, 2),
    ENDS("end-of-file/behind", 1000, 1, -EIO, 1),
    ENDS("end-of-file/nothing", 1000, 0, 0, 0),
};

static void transfer(const Transfer *t, bool write)
{
    VFIOMigAccess access = fake_access();
    uint8_t buf[160], device[160];

    device_reset();
    dev.end = t->end ?: DEVICE_BYTES;
    dev.max_bytes = t->max_bytes ?: DEVICE_BYTES;
    dev.fail_at = t->fail_at ? t->fail_at - 1 : NEVER;
    dev.fail_errno = t->fail_errno;
    dev.fail_always = t->fail_always;
    access.small_only = t->small_only;
    fill(buf, sizeof(buf), 1);
    fill(dev.data + t->offset, t->size, 2);
    memcpy(device, dev.data + t->offset, t->size);

    g_assert_cmpint(write ? vfio_mig_data_write(&access, t->offset, buf,
                                                t->size)
                          : vfio_mig_data_read(&access, t->offset, buf,
                                               t->size), ==, t->ret);
    g_assert_cmpuint(dev.calls, ==, t->calls);
    g_assert_cmpint(access.small_only, ==, t->small_after);
    if (!t->ret) {
        g_assert_cmpmem(buf, t->size, dev.data + t->offset, t->size);
    } else if (write && t->max_bytes == 16) {
        /* what had passed has passed, and nothing behind it was touched */
        size_t passed = (t->calls - 1) * 16;

        g_assert_cmpmem(dev.data, passed, buf, passed);
        g_assert_cmpmem(dev.data + passed, t->size - passed, device + passed,
                        t->size - passed);
    }
}

static void test_transfer(const void *opaque)
{
    transfer(opaque, false);
    transfer(opaque, true);
}

static void test_data_eintr(void)
{
    VFIOMigAccess access = fake_access();
    uint8_t buf[64] = { 0 };

    device_reset();
    dev.eintr = 3;
    dev.refuses_large = true;
    g_assert_cmpint(move_both_ways(&access, 2, 1000), ==, 0);
    g_assert_true(access.small_only);

    device_reset();
    dev.eintr = NEVER;
    g_assert_cmpint(vfio_mig_data_read(&access, 0, buf, 64), ==, -EINTR);
    g_assert_cmpint(vfio_mig_data_write(&access, 0, buf, 64), ==, -EINTR);
    g_assert_cmpuint(dev.eintr_calls, <, 1000000);
}

/* A position that no file has is refused before any access. */
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
    uint8_t buf[64] = { 0 };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(bad); i++) {
        VFIOMigAccess access = { FAKE_FD, bad[i].fd_offset };
        uint64_t value = 77;

        device_reset();
        g_assert_cmpint(vfio_mig_register_read(&access, bad[i].offset, 8,
                                               &value), ==, -EINVAL);
        g_assert_cmpint(vfio_mig_register_write(&access, bad[i].offset, 8,
                                                1), ==, -EINVAL);
        g_assert_cmpint(vfio_mig_data_read(&access, bad[i].offset, buf, 64),
                        ==, -EINVAL);
        g_assert_cmpint(vfio_mig_data_write(&access, bad[i].offset, buf, 64),
                        ==, -EINVAL);
        g_assert_cmpuint(value, ==, 77);
        g_assert_cmpuint(dev.calls, ==, 0);
        g_assert_false(access.small_only);
    }
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/access/register/one-access-of-its-width",
                    test_register_is_one_access_of_its_width);
    g_test_add_func("/access/register/errors", test_register_errors);
    g_test_add_func("/access/register/short-is-an-error",
                    test_register_short_is_an_error);
    g_test_add_func("/access/register/eintr", test_register_eintr);
    g_test_add_func("/access/data/large-accesses",
                    test_data_moves_in_large_accesses);
    g_test_add_func("/access/data/short-goes-on", test_short_data_goes_on);
    g_test_add_func("/access/data/refused-large-access",
                    test_refused_large_access);
    for (size_t i = 0; i < ARRAY_SIZE(transfers); i++) {
        g_autofree char *path = g_strconcat("/access/data/",
                                            transfers[i].name, NULL);

        g_test_add_data_func(path, &transfers[i], test_transfer);
    }
    g_test_add_func("/access/data/eintr", test_data_eintr);
    g_test_add_func("/access/positions-beyond-all-files",
                    test_positions_beyond_all_files);
    ret = g_test_run();
    g_free(dev.data);
    return ret;
}
