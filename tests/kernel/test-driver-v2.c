/*
 * Tests of the kernel's test driver: protocol v2
 *
 * Owns: what VFIO's core makes of the device: flags, states and the ways
 * between them, data files, and what a fault does to each of them.
 * Does not own: the DMA log (test-driver-log.c).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "driver-client.h"
#include "sim-client-v2.h"

#define V2 "protocol=v2\n"
#define P2P V2 "p2p=yes\n"

static void set_state(DriverDevice *dev, uint32_t state)
{
    int fd;

    g_assert_cmpint(v2_set(dev->client, state, &fd), ==, 0);
    g_assert_cmpint(fd, ==, -1);
    g_assert_cmpint(v2_get(dev->client), ==, state);
}

/* The same where a session begins: its data fd */
static int set_session(DriverDevice *dev, uint32_t state)
{
    int fd;

    g_assert_cmpint(v2_set(dev->client, state, &fd), ==, 0);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(v2_get(dev->client), ==, state);
    return fd;
}

static void reset(DriverDevice *dev)
{
    g_assert_cmpint(ioctl(dev->client->device, VFIO_DEVICE_RESET), ==, 0);
    g_assert_cmpint(v2_get(dev->client), ==, V2_RUNNING);
}

/* ------------------------------------------------------------------------ */
/* What it offers                                                           */

static bool kernel_has_precopy(void)
{
    struct utsname name;
    int major, minor;

    g_assert_cmpint(uname(&name), ==, 0);
    g_assert_cmpint(sscanf(name.release, "%d.%d", &major, &minor), ==, 2);
    return major > 6 || (major == 6 && minor >= 2);
}

static void check_flags(const char *lines, int ret, uint64_t want)
{
    DriverDevice *dev = driver_new(lines);
    uint64_t flags = 0;

    driver_open(dev);
    g_assert_cmpint(v2_flags(dev->client, &flags), ==, ret);
    g_assert_cmphex(flags, ==, want);
    g_assert_true((dev->client->region != 0) == !strcmp(lines, ""));
    driver_free(dev);
}

/* The device has one protocol or the other, or none. */
static void test_flags(void)
{
    check_flags(V2, 0, 1);
    check_flags(P2P, 0, 3);
    check_flags("profile=vgpu", 0, 1);
    check_flags("profile=vgpu\np2p=yes", 0, 3);
    check_flags("", -ENOTTY, 0);
    check_flags(V2 "migration=no", -ENOTTY, 0);
}

/* What the kernel it runs in does not know, the driver does not offer. */
static void test_precopy_offered(void)
{
    DriverDevice *dev = driver_new("");
    int ret = kernel_has_precopy() ? 0 : EINVAL;

    g_assert_cmpint(driver_write(dev, "config", V2 "pre-copy=yes"), ==, ret);
    g_assert_cmpint(driver_write(dev, "config", "profile=qat"), ==, ret);
    driver_free(dev);
}

/* ------------------------------------------------------------------------ */
/* Ways                                                                     */

/* The arcs that the driver was asked for since the transcript was cleared. */
static char *arcs_done(DriverDevice *dev)
{
    g_autofree char *text = driver_read(dev, "transcript");
    GString *arcs = g_string_new(NULL);

    for (const char *at = text; (at = strstr(at, "state-write ")); at++) {
        char state[32];

        g_assert_cmpint(sscanf(strstr(at, " to="), " to=%31s", state), ==, 1);
        g_string_append_c(arcs, '0' + v2_state(state));
    }
    return g_string_free(arcs, FALSE);
}

static void check_way(DriverDevice *dev, uint32_t from, uint32_t to, bool p2p)
{
    bool begins = to == V2_STOP_COPY || to == V2_RESUMING;
    g_autofree char *want = to < V2_NUM_STATES
                            ? v2_way(p2p ? 3 : 1, from, to) : NULL;
    g_autofree char *done = NULL;
    bool exists = want;
    int fd, new_fd;

    reset(dev);
    g_assert_cmpint(v2_set(dev->client, from, &fd), ==, 0);
    g_assert_cmpint(driver_write(dev, "transcript", "clear"), ==, 0);
    g_assert_cmpint(v2_set(dev->client, to, &new_fd), ==,
                    exists ? 0 : -EINVAL);
    g_assert_cmpint(v2_get(dev->client), ==, exists ? to : from);
    g_assert_true((new_fd >= 0) == (exists && begins && from != to));
    done = arcs_done(dev);
    g_assert_cmpstr(done, ==, exists ? want : "");
    if (fd >= 0) {
        close(fd);
    }
    if (new_fd >= 0) {
        close(new_fd);
    }
}

static void test_ways(const void *opaque)
{
    bool p2p = opaque != NULL;
    DriverDevice *dev = driver_new(p2p ? P2P : V2);

    driver_open(dev);
    for (uint32_t from = V2_STOP; from <= V2_RUNNING_P2P - !p2p; from++) {
        for (uint32_t to = 0; to <= V2_NUM_STATES; to++) {
            check_way(dev, from, to, p2p);
        }
    }
    g_assert_cmpint(driver_number(dev, "data-fds"), ==, 0);
    driver_free(dev);
}

/* ------------------------------------------------------------------------ */
/* Whole migrations                                                         */

static void save(DriverDevice *dev, GByteArray *bytes, size_t piece)
{
    int fd = set_session(dev, V2_STOP_COPY);

    g_assert_cmpint(v2_read_all(fd, bytes, piece), ==, 0);
    set_state(dev, V2_STOP);
    close(fd);
}

/* Returns what leaving the state gave. */
static int load(DriverDevice *dev, GByteArray *bytes, size_t piece)
{
    int fd = set_session(dev, V2_RESUMING);
    int ret, none;

    g_assert_cmpint(v2_write_all(fd, bytes->data, bytes->len, piece), ==, 0);
    ret = v2_set(dev->client, V2_RUNNING, &none);
    close(fd);
    return ret;
}

static void check_moved(DriverDevice *src, DriverDevice *dst)
{
    static const char *const none[] = {
        "violation-count", "corrupt", "incomplete", "unfinished-saves",
        "data-fds",
    };
    g_autofree char *saved = driver_text(src, "saved-digest");
    g_autofree char *loaded = driver_text(dst, "loaded-digest");

    g_assert_cmpint(strlen(saved), ==, 16);
    g_assert_cmpstr(saved, ==, loaded);
    for (size_t i = 0; i < G_N_ELEMENTS(none); i++) {
        g_assert_cmpint(driver_number(src, none[i]), ==, 0);
        g_assert_cmpint(driver_number(dst, none[i]), ==, 0);
    }
    g_assert_cmpint(driver_number(dst, "loaded-bytes"), ==,
                    driver_number(src, "saved-bytes"));
}

static void migrate(const char *lines, size_t read_piece, size_t write_piece)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    DriverDevice *src = driver_new(lines);
    DriverDevice *dst = driver_new(lines);

    driver_open(src);
    driver_open(dst);
    driver_reg_write(src, VMT_REG_SCRATCH, 0xcafe);
    save(src, bytes, read_piece);
    g_assert_cmpint(load(dst, bytes, write_piece), ==, 0);
    check_moved(src, dst);
    if (bytes->len >= 200) {
        g_assert_cmphex(driver_reg_read(dst, VMT_REG_SCRATCH), ==, 0xcafe);
    }
    driver_free(src);
    driver_free(dst);
}

/* One read or write moves less than this: they are short. */
static void test_big(void)
{
    migrate(P2P "state-size=9M\n", 8 << 20, 5 << 20);
    migrate("profile=mlx5-6.1", 1 << 20, 1 << 20);
}

/* ------------------------------------------------------------------------ */
/* The data file                                                            */

static void check_gone(int fd)
{
    uint8_t byte = 0;

    g_assert_cmpint(v2_read(fd, &byte, 1), ==, -ENODEV);
}

static void test_file(void)
{
    DriverDevice *dev = driver_new(P2P "state-size=64K\n");
    g_autofree uint8_t *buf = g_malloc(1 << 20);
    int fd, none;

    driver_open(dev);
    fd = set_session(dev, V2_STOP_COPY);
    g_assert_cmpint(fcntl(fd, F_GETFD), ==, FD_CLOEXEC);
    g_assert_cmpint(fcntl(fd, F_GETFL) & O_ACCMODE, ==, O_RDONLY);
    g_assert_cmpint(lseek(fd, 0, SEEK_SET), ==, -1);
    g_assert_cmpint(errno, ==, ESPIPE);
    g_assert_cmpint(pread(fd, buf, 1, 0), ==, -1);
    g_assert_cmpint(errno, ==, ESPIPE);
    g_assert_cmpint(v2_write(fd, buf, 1), ==, -EBADF);
    g_assert_true(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) ==
                  MAP_FAILED);
    /* What it could not hand over is not lost. */
    g_assert_cmpint(v2_read(fd, NULL, 8), ==, -EFAULT);
    g_assert_cmpint(v2_read(fd, buf, 1 << 20), ==, 64 << 10);
    g_assert_cmpint(v2_read(fd, buf, 1), ==, 0);
    /* The state it is in begins no new session. */
    g_assert_cmpint(v2_set(dev->client, V2_STOP_COPY, &none), ==, 0);
    g_assert_cmpint(none, ==, -1);
    /* The next session leaves the file of the last one behind. */
    set_state(dev, V2_STOP);
    check_gone(fd);
    none = set_session(dev, V2_STOP_COPY);
    check_gone(fd);
    g_assert_cmpint(v2_read(none, buf, 1), ==, 1);
    g_assert_cmpint(driver_number(dev, "data-fds"), ==, 2);
    close(fd);
    close(none);
    g_assert_cmpint(driver_number(dev, "data-fds"), ==, 0);
    driver_free(dev);
}

static void test_load_file(void)
{
    DriverDevice *dev = driver_new(P2P "state-size=64K\n");
    uint8_t byte = 0;
    int fd;

    driver_open(dev);
    fd = set_session(dev, V2_RESUMING);
    g_assert_cmpint(fcntl(fd, F_GETFL) & O_ACCMODE, ==, O_WRONLY);
    g_assert_cmpint(lseek(fd, 0, SEEK_CUR), ==, -1);
    g_assert_cmpint(v2_read(fd, &byte, 1), ==, -EBADF);
    g_assert_cmpint(v2_write(fd, NULL, 8), ==, -EFAULT);
    reset(dev);
    g_assert_cmpint(v2_write(fd, &byte, 1), ==, -ENODEV);
    close(fd);
    driver_free(dev);
}

/* It outlives a reset, the closing of its device, and the device. */
static void test_file_left(void)
{
    DriverDevice *dev = driver_new(P2P "state-size=64K\n");
    int fd, other;

    driver_open(dev);
    fd = set_session(dev, V2_STOP_COPY);
    reset(dev);
    check_gone(fd);
    close(fd);
    fd = set_session(dev, V2_STOP_COPY);
    driver_close(dev);
    check_gone(fd);
    driver_open(dev);
    g_assert_cmpint(v2_get(dev->client), ==, V2_RUNNING);
    check_gone(fd);
    other = set_session(dev, V2_STOP_COPY);
    driver_free(dev);
    check_gone(fd);
    check_gone(other);
    close(fd);
    close(other);
}

/* ------------------------------------------------------------------------ */
/* Wrong and missing data                                                   */

static void check_refused(const char *lines, unsigned wrong_at, unsigned len)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    DriverDevice *src = driver_new(P2P "state-size=64K\n");
    DriverDevice *dst = driver_new(lines);
    int fd, none, ret;

    driver_open(src);
    driver_open(dst);
    save(src, bytes, 1 << 20);
    if (wrong_at < bytes->len) {
        bytes->data[wrong_at] ^= 0x10;
    }
    fd = set_session(dst, V2_RESUMING);
    ret = v2_write_all(fd, bytes->data, len, 4096);
    g_assert_cmpint(ret, ==, wrong_at < len && !strstr(lines, "check=stop") ?
                    -EINVAL : 0);
    /* It stays where it is until it is reset. */
    g_assert_cmpint(v2_set(dst->client, V2_RUNNING, &none), ==, -EINVAL);
    g_assert_cmpint(v2_get(dst->client), ==, V2_RESUMING);
    g_assert_cmpint(driver_number(dst, "incomplete"), ==, 1);
    close(fd);
    reset(dst);
    g_byte_array_set_size(bytes, 0);
    set_state(src, V2_RUNNING);
    save(src, bytes, 1 << 20);
    g_assert_cmpint(load(dst, bytes, 4096), ==, 0);
    driver_free(src);
    driver_free(dst);
}

static void test_refused(void)
{
    check_refused(P2P, 5000, 65536);
    check_refused(P2P "data-check=stop\n", 5000, 65536);
    check_refused(P2P, UINT32_MAX, 65535);
}

/* ------------------------------------------------------------------------ */
/* Faults: the call fails with the errno, fires once, then it works         */

typedef struct FaultCase {
    const char *event;
    uint32_t state;                 /* put the device there first */
    int (*call)(DriverDevice *dev, int fd);
} FaultCase;

static int error_of(ssize_t ret)
{
    return ret < 0 ? ret : 0;
}

static int call_set(DriverDevice *dev, int fd)
{
    int new_fd, ret = v2_set(dev->client, V2_RUNNING, &new_fd);

    g_assert_cmpint(new_fd, ==, -1);
    return ret;
}

static int call_get(DriverDevice *dev, int fd)
{
    return error_of(v2_get(dev->client));
}

static int call_session(DriverDevice *dev, int fd)
{
    int new_fd, none, ret = v2_set(dev->client, V2_STOP_COPY, &new_fd);

    if (ret) {
        g_assert_cmpint(new_fd, ==, -1);
        /* The arcs were done: the session stands, without a file. */
        g_assert_cmpint(v2_set(dev->client, V2_STOP, &none), ==, 0);
        return ret;
    }
    close(new_fd);
    return 0;
}

static int call_read(DriverDevice *dev, int fd)
{
    uint8_t byte;

    return error_of(v2_read(fd, &byte, 1));
}

static int call_write(DriverDevice *dev, int fd)
{
    uint8_t byte = 0x56;            /* that the head of a record starts with */

    return error_of(v2_write(fd, &byte, 1));
}

static const FaultCase fault_cases[] = {
    { "state-write", V2_STOP, call_set },
    { "state-read", V2_RUNNING, call_get },
    { "data-fd", V2_STOP, call_session },
    { "data-read", V2_STOP_COPY, call_read },
    { "data-write", V2_RESUMING, call_write },
};

static void test_fault_errno(const void *opaque)
{
    const FaultCase *f = opaque;
    DriverDevice *dev = driver_new(P2P);
    g_autofree char *rule = g_strdup_printf("x event=%s errno=ENOSPC",
                                            f->event);
    int fd;

    driver_open(dev);
    g_assert_cmpint(v2_set(dev->client, f->state, &fd), ==, 0);
    g_assert_cmpint(driver_write(dev, "faults", rule), ==, 0);
    g_assert_cmpint(f->call(dev, fd), ==, -ENOSPC);
    g_assert_cmpint(driver_fired(dev, "x"), ==, 1);
    g_assert_cmpint(f->call(dev, fd), ==, 0);
    g_assert_cmpint(driver_fired(dev, "x"), ==, 1);
    close(fd);
    driver_free(dev);
}

/* A way that fails on its second arc ends where the first one led. */
static void test_fault_on_way(void)
{
    DriverDevice *dev = driver_new(P2P);
    int fd;

    driver_open(dev);
    g_assert_cmpint(driver_write(dev, "faults",
        "x event=state-write from=running-p2p errno=EIO\n"
        "s event=data-read short=3\nv event=state-read value=77"), ==, 0);
    g_assert_cmpint(v2_get(dev->client), ==, 77);
    g_assert_cmpint(v2_set(dev->client, V2_STOP_COPY, &fd), ==, -EIO);
    g_assert_cmpint(fd, ==, -1);
    g_assert_cmpint(v2_get(dev->client), ==, V2_RUNNING_P2P);
    fd = set_session(dev, V2_STOP_COPY);
    g_assert_cmpint(call_read(dev, fd), ==, 0);
    close(fd);
    driver_free(dev);
}

/* What VFIO's core answers by itself never reaches a rule. */
static void test_fault_refused(void)
{
    DriverDevice *dev = driver_new(P2P);

    g_assert_cmpint(driver_write(dev, "faults",
        "f event=migration-flags errno=EIO"), ==, EINVAL);
    g_assert_cmpint(driver_write(dev, "faults",
        "f event=feature errno=EIO"), ==, EINVAL);
    g_assert_cmpint(driver_write(dev, "faults",
        "f event=data-read flr=now"), ==, EINVAL);
    g_assert_cmpint(driver_write(dev, "faults",
        "f event=data-fd value=5"), ==, EINVAL);
    driver_free(dev);
}

void driver_add_v2_tests(void)
{
    g_test_add_func("/driver/v2/flags", test_flags);
    g_test_add_func("/driver/v2/precopy-offered", test_precopy_offered);
    g_test_add_data_func("/driver/v2/ways/p2p", "", test_ways);
    g_test_add_data_func("/driver/v2/ways/plain", NULL, test_ways);
    g_test_add_func("/driver/v2/big", test_big);
    g_test_add_func("/driver/v2/file", test_file);
    g_test_add_func("/driver/v2/load-file", test_load_file);
    g_test_add_func("/driver/v2/file-left", test_file_left);
    g_test_add_func("/driver/v2/refused", test_refused);
    for (size_t i = 0; i < G_N_ELEMENTS(fault_cases); i++) {
        g_autofree char *path = g_strdup_printf("/driver/v2/fault/errno/%s",
                                                fault_cases[i].event);

        g_test_add_data_func(path, &fault_cases[i], test_fault_errno);
    }
    g_test_add_func("/driver/v2/fault/on-way", test_fault_on_way);
    g_test_add_func("/driver/v2/fault/refused", test_fault_refused);
}
