/*
 * Tests of the simulated device: protocol v2
 *
 * Owns: whole migrations by each profile, sessions and their data fds, how
 * a save is read, sizes, and kernels that know less. Does not own: loads
 * (sim-test-v2-load.c), arcs and ways (sim-test-v2-arcs.c), faults
 * (sim-test-v2-faults.c), violations (sim-test-v2-order.c).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>
#include <linux/vfio.h>

#include "sim-client-v2.h"
#include "sim-test.h"

/* ------------------------------------------------------------------------ */
/* Whole migrations                                                         */

typedef struct Profile {
    const char *name;
    uint64_t flags;                 /* STOP_COPY 1, P2P 2, PRE_COPY 4 */
    uint64_t bytes;                 /* of the stopped device */
    uint64_t precopy_bytes;
    int precopy_end;                /* what a read gives when it is empty */
    int size_ret;                   /* of MIG_DATA_SIZE */
} Profile;

static const Profile profiles[] = {
    { "mlx5-6.1", 3, 16 << 20, 0, 0, -ENOTTY },
    { "mlx5-6.2", 7, 16 << 20, 8 << 20, -ENOMSG, 0 },
    { "qat", 7, 3840, 256, 0, 0 },
    { "pds", 3, 4000, 0, 0, 0 },
    { "virtio", 7, 2 << 20, 1 << 20, -ENOMSG, 0 },
    { "mtty", 7, 200, 64, 0, 0 },
    { "hisi", 5, 768, 64, -ENOMSG, 0 },
    { "xe", 3, 64 << 20, 0, 0, 0 },
    { "vgpu", 1, 32 << 20, 0, 0, 0 },
};

static void configure_pair(const char *source, const char *target)
{
    g_autofree char *text =
        g_strdup_printf("[device src]\ngroup=1\nseed=1\n%s\n"
                        "[device dst]\ngroup=2\nseed=2\n%s\n", source,
                        target);

    sim_test_configure(text);
}

static void assert_clean(const char *name)
{
    VFIOSimStatus s = client_status(name);

    g_assert_cmpuint(s.violations, ==, 0);
    g_assert_cmpuint(s.corrupt, ==, 0);
    g_assert_cmpuint(s.incomplete, ==, 0);
    g_assert_cmpuint(s.unfinished_saves, ==, 0);
    g_assert_cmpuint(s.data_fds, ==, 0);
}

static void set_state(SimClient *c, uint32_t state)
{
    int fd;

    g_assert_cmpint(v2_set(c, state, &fd), ==, 0);
    g_assert_cmpint(fd, ==, -1);
    g_assert_cmpint(v2_get(c), ==, state);
}

/* Bursts of DMA that met no mapping: here, all */
static uint64_t misses(const char *name)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autofree char *text = vfio_sim_status_json();
    JsonObject *dev = sim_test_status_device(parser, text, name);

    return json_object_get_int_member(json_object_get_object_member(dev,
                                                                    "dma"),
                                      "misses");
}

/* The same where a session begins: the new data fd */
static int set_session(SimClient *c, uint32_t state)
{
    int fd;

    g_assert_cmpint(v2_set(c, state, &fd), ==, 0);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(v2_get(c), ==, state);
    return fd;
}

/* All of the source's state, with pre-copy if it has that */
static GByteArray *save(SimClient *c, uint64_t flags, int precopy_end,
                        size_t piece)
{
    GByteArray *bytes = g_byte_array_new();
    int fd;

    if (flags & 4) {
        fd = set_session(c, V2_PRE_COPY);
        g_assert_cmpint(v2_read_all(fd, bytes, piece), ==, precopy_end);
        if (flags & 2) {
            set_state(c, V2_PRE_COPY_P2P);
        }
        set_state(c, V2_STOP_COPY);
    } else {
        fd = set_session(c, V2_STOP_COPY);
    }
    g_assert_cmpint(v2_read_all(fd, bytes, piece), ==, 0);
    set_state(c, V2_STOP);
    close(fd);
    return bytes;
}

static void load(SimClient *c, GByteArray *bytes, size_t piece)
{
    int fd = set_session(c, V2_RESUMING);

    g_assert_cmpint(v2_write_all(fd, bytes->data, bytes->len, piece), ==, 0);
    set_state(c, V2_STOP);
    close(fd);
    set_state(c, V2_RUNNING);
}

static void test_profile(gconstpointer opaque)
{
    const Profile *p = opaque;
    g_autofree char *keys = g_strdup_printf("profile=%s\nprecopy-rate=0",
                                            p->name);
    g_autoptr(GByteArray) bytes = NULL;
    SimClient *src, *dst;
    uint64_t flags = 0, size = 0;

    configure_pair(keys, keys);
    src = client_open("src", 1);
    dst = client_open("dst", 2);
    g_assert_cmpuint(src->region, ==, 0);
    g_assert_cmpint(v2_flags(src, &flags), ==, 0);
    g_assert_cmphex(flags, ==, p->flags);
    g_assert_cmpint(v2_data_size(src, &size), ==, p->size_ret);
    g_assert_cmpuint(size, ==, p->size_ret ? 0 : p->bytes);
    bytes = save(src, flags, p->precopy_end, 100001);
    g_assert_cmpuint(bytes->len, ==, p->bytes + p->precopy_bytes);
    load(dst, bytes, 77777);
    g_assert_cmpuint(strlen(client_status("src").saved_digest), >, 0);
    g_assert_cmpstr(client_status("src").saved_digest, ==,
                    client_status("dst").loaded_digest);
    g_assert_cmpstr(client_status("src").saved_digest, ==,
                    client_status("dst").digest);
    g_assert_cmpuint(client_status("src").saved_bytes, ==, bytes->len);
    g_assert_cmpuint(client_status("dst").loaded_bytes, ==, bytes->len);
    assert_clean("src");
    assert_clean("dst");
    client_close(src);
    client_close(dst);
}

/* ------------------------------------------------------------------------ */
/* The data fd                                                              */

static SimClient *open_device(const char *keys)
{
    g_autofree char *all = g_strdup_printf("protocol=v2\np2p=yes\n"
                                           "pre-copy=yes\n%s", keys);

    return sim_test_open("", all);
}

static void check_fd(int fd, int direction)
{
    struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };
    char byte = 0;

    g_assert_cmpint(fcntl(fd, F_GETFL) & O_ACCMODE, ==, direction);
    g_assert_cmpint(fcntl(fd, F_GETFD), ==, FD_CLOEXEC);
    g_assert_cmpint(result(lseek(fd, 0, SEEK_SET)), ==, -ESPIPE);
    g_assert_cmpint(result(pread(fd, &byte, 1, 0)), ==, -ESPIPE);
    g_assert_cmpint(result(pwrite(fd, &byte, 1, 0)), ==, -ESPIPE);
    g_assert_cmpint(result(ioctl(fd, VFIO_DEVICE_RESET)), ==, -ENOTTY);
    g_assert_cmpint(poll(&p, 1, 0), ==, 1);
    g_assert_cmpint(p.revents, ==,
                    direction == O_RDONLY ? POLLIN : POLLOUT);
}

static void test_fd(void)
{
    char byte = 0;
    SimClient *c = open_device("");
    V2PrecopyInfo info;
    int fd = set_session(c, V2_PRE_COPY);

    check_fd(fd, O_RDONLY);
    g_assert_cmpint(v2_write(fd, &byte, 1), ==, -EBADF);
    set_state(c, V2_RUNNING);
    close(fd);
    fd = set_session(c, V2_RESUMING);
    check_fd(fd, O_WRONLY);
    g_assert_cmpint(v2_read(fd, &byte, 1), ==, -EBADF);
    g_assert_cmpint(v2_info(fd, &info), ==, -ENOTTY);
    close(fd);
    client_close(c);
    g_assert_cmpuint(client_status("dev").violations, ==, 0);
}

/* One fd for all of a save; another one for the next. */
static void test_session(void)
{
    uint8_t bytes[4];
    SimClient *c = open_device("precopy-size=1000\nstate-size=2000");
    int fd = set_session(c, V2_PRE_COPY), next;

    g_assert_cmpint(v2_read(fd, bytes, 4), ==, 4);
    set_state(c, V2_PRE_COPY_P2P);
    g_assert_cmpint(v2_read(fd, bytes, 4), ==, 4);
    set_state(c, V2_PRE_COPY);
    set_state(c, V2_PRE_COPY);
    set_state(c, V2_STOP_COPY);
    g_assert_cmpint(v2_read(fd, bytes, 4), ==, 4);
    set_state(c, V2_STOP_COPY);
    set_state(c, V2_STOP);
    g_assert_cmpint(v2_read(fd, bytes, 4), ==, -ENODEV);
    next = set_session(c, V2_STOP_COPY);
    g_assert_cmpint(v2_read(fd, bytes, 4), ==, -ENODEV);
    g_assert_cmpint(v2_read(next, bytes, 4), ==, 4);
    close(fd);
    fd = set_session(c, V2_RESUMING);
    g_assert_cmpint(v2_read(next, bytes, 4), ==, -ENODEV);
    close(next);
    g_assert_cmpint(ioctl(c->device, VFIO_DEVICE_RESET), ==, 0);
    g_assert_cmpint(v2_get(c), ==, V2_RUNNING);
    g_assert_cmpint(v2_write(fd, bytes, 4), ==, -ENODEV);
    close(fd);
    client_close(c);
    g_assert_cmpuint(client_status("dev").violations, ==, 0);
}

/* Each device is read as it was cut when it was written, by all sizes. */
static void test_pieces(void)
{
    static const size_t sizes[] = { 1, 7, 63, 64, 65, 1000, 1 << 20 };

    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        for (size_t j = 0; j < G_N_ELEMENTS(sizes); j++) {
            g_autoptr(GByteArray) bytes = NULL;
            SimClient *src, *dst;
            const char *keys = "protocol=v2\np2p=yes\npre-copy=yes\n"
                               "precopy-size=333\nstate-size=1501";

            configure_pair(keys, keys);
            src = client_open("src", 1);
            dst = client_open("dst", 2);
            bytes = save(src, 7, -ENOMSG, sizes[i]);
            load(dst, bytes, sizes[j]);
            g_assert_cmpstr(client_status("src").saved_digest, ==,
                            client_status("dst").loaded_digest);
            assert_clean("src");
            assert_clean("dst");
            client_close(src);
            client_close(dst);
        }
    }
}

static void test_tiny(void)
{
    static const unsigned sizes[] = { 0, 1, 63, 64 };

    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autofree char *keys = g_strdup_printf("protocol=v2\nseed=9\n"
                                                "state-size=%u", sizes[i]);
        g_autoptr(GByteArray) bytes = NULL;
        SimClient *src, *dst;

        configure_pair(keys, keys);
        src = client_open("src", 1);
        dst = client_open("dst", 2);
        bytes = save(src, 1, 0, 10);
        g_assert_cmpuint(bytes->len, ==, sizes[i]);
        load(dst, bytes, 10);
        g_assert_cmpstr(client_status("src").saved_digest, !=, "");
        g_assert_cmpstr(client_status("dst").loaded_digest, ==,
                        sizes[i] ? client_status("src").saved_digest : "");
        assert_clean("src");
        assert_clean("dst");
        client_close(src);
        client_close(dst);
    }
}

/* ------------------------------------------------------------------------ */
/* How a save is read                                                       */

static void test_vectors(void)
{
    uint8_t a[100], b[100], all[200];
    struct iovec iov[2] = { { a, sizeof(a) }, { b, sizeof(b) } };
    SimClient *c = open_device("state-size=150");
    int fd = set_session(c, V2_STOP_COPY);

    g_assert_cmpint(readv(fd, iov, 2), ==, 150);
    close(fd);
    set_state(c, V2_STOP);
    fd = set_session(c, V2_STOP_COPY);
    g_assert_cmpint(v2_read(fd, all, 200), ==, 150);
    g_assert_cmpmem(a + 64, 36, all + 64, 36);
    g_assert_cmpmem(b, 50, all + 100, 50);
    close(fd);
    fd = set_session(c, V2_RESUMING);
    memcpy(b, all + 100, 50);
    memcpy(a, all, 100);
    iov[1].iov_len = 50;
    g_assert_cmpint(writev(fd, iov, 2), ==, 150);
    set_state(c, V2_STOP);
    close(fd);
    g_assert_cmpstr(client_status("dev").loaded_digest, ==,
                    client_status("dev").saved_digest);
    client_close(c);
}

static void test_short(void)
{
    uint8_t bytes[1000], more[300];
    struct iovec iov[2] = { { more, 150 }, { more + 150, 150 } };
    SimClient *c = open_device("state-size=500\nmax-read=100\nmax-write=70");
    int fd = set_session(c, V2_STOP_COPY);

    g_assert_cmpint(v2_read(fd, bytes, 1000), ==, 100);
    for (int i = 1; i < 5; i++) {
        g_assert_cmpint(v2_read(fd, bytes + 100 * i, 900), ==, 100);
    }
    g_assert_cmpint(v2_read(fd, bytes, 1000), ==, 0);
    close(fd);
    set_state(c, V2_STOP);
    fd = set_session(c, V2_STOP_COPY);
    g_assert_cmpint(readv(fd, iov, 2), ==, 100);
    close(fd);
    fd = set_session(c, V2_RESUMING);
    g_assert_cmpint(v2_write(fd, bytes, 500), ==, 70);
    g_assert_cmpint(v2_write_all(fd, bytes + 70, 430, 500), ==, 0);
    set_state(c, V2_STOP);
    close(fd);
    g_assert_cmpstr(client_status("dev").loaded_digest, ==,
                    client_status("dev").saved_digest);
    client_close(c);
}

static void wait_for_misses(const char *name, uint64_t above)
{
    int64_t end_us = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;

    while (misses(name) <= above) {
        g_assert_cmpint(g_get_monotonic_time(), <, end_us);
        g_usleep(1000);
    }
}

/* A device that stops is another one than before; it stops its DMA. */
static void test_stops(void)
{
    SimClient *c = open_device("dma-rate=1M\ndma-size=4K");
    g_autofree char *before = g_strdup(client_status("dev").digest);
    uint64_t count;

    set_state(c, V2_RUNNING_P2P);
    wait_for_misses("dev", misses("dev"));
    g_assert_cmpstr(client_status("dev").digest, ==, before);
    set_state(c, V2_STOP);
    g_assert_cmpstr(client_status("dev").digest, !=, before);
    count = misses("dev");
    g_usleep(20000);
    g_assert_cmpuint(misses("dev"), ==, count);
    set_state(c, V2_RUNNING_P2P);
    wait_for_misses("dev", count);
    client_close(c);
}

/* Each save begins anew: what was read before does not count. */
static void test_saves_again(void)
{
    SimClient *c = open_device("precopy-size=500\nstate-size=1000");

    for (int i = 0; i < 3; i++) {
        g_autoptr(GByteArray) straight = g_byte_array_new();
        g_autoptr(GByteArray) bytes = save(c, 7, -ENOMSG, 4096);
        int fd = set_session(c, V2_STOP_COPY);

        g_assert_cmpuint(bytes->len, ==, 1500);
        g_assert_cmpint(v2_read_all(fd, straight, 4096), ==, 0);
        g_assert_cmpuint(straight->len, ==, 1000);
        set_state(c, V2_RUNNING);
        close(fd);
    }
    client_close(c);
    assert_clean("dev");
}

/* A pre-copy record that was begun is read to its end once it has stopped. */
static void test_rest(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    uint8_t first[100];
    uint64_t size;
    SimClient *c = open_device("precopy-size=1000\nstate-size=2000");
    int fd = set_session(c, V2_PRE_COPY);

    g_assert_cmpint(v2_data_size(c, &size), ==, 0);
    g_assert_cmpuint(size, ==, 3000);
    g_assert_cmpint(v2_read(fd, first, 100), ==, 100);
    g_assert_cmpint(v2_data_size(c, &size), ==, 0);
    g_assert_cmpuint(size, ==, 2900);
    set_state(c, V2_STOP_COPY);
    g_assert_cmpint(v2_read_all(fd, bytes, 333), ==, 0);
    g_assert_cmpuint(bytes->len, ==, 2900);
    g_assert_cmpint(v2_data_size(c, &size), ==, 0);
    g_assert_cmpuint(size, ==, 0);
    g_byte_array_prepend(bytes, first, 100);
    set_state(c, V2_STOP);
    close(fd);
    fd = set_session(c, V2_RESUMING);
    g_assert_cmpint(v2_write_all(fd, bytes->data, bytes->len, 4096), ==, 0);
    set_state(c, V2_STOP);
    close(fd);
    g_assert_cmpstr(client_status("dev").loaded_digest, ==,
                    client_status("dev").saved_digest);
    client_close(c);
    assert_clean("dev");
}

static void test_end_enomsg(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    SimClient *c = open_device("state-size=100\nstop-copy-end=enomsg");
    int fd = set_session(c, V2_STOP_COPY);

    g_assert_cmpint(v2_read_all(fd, bytes, 200), ==, -ENOMSG);
    g_assert_cmpuint(bytes->len, ==, 100);
    close(fd);
    client_close(c);
}

/* ------------------------------------------------------------------------ */
/* Sizes, and what comes next in pre-copy                                   */

static void assert_info(int fd, uint64_t initial, uint64_t dirty)
{
    V2PrecopyInfo info = { .flags = 0xabc0 };

    g_assert_cmpint(v2_info(fd, &info), ==, 0);
    g_assert_cmpuint(info.initial_bytes, ==, initial);
    g_assert_cmpuint(info.dirty_bytes, ==, dirty);
    g_assert_cmphex(info.flags, ==, 0xabc0);
}

static void test_initial(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    uint8_t piece[300];
    SimClient *c = open_device("precopy-size=1000\ninitial-bytes=400");
    int fd = set_session(c, V2_PRE_COPY);

    assert_info(fd, 400, 600);
    g_assert_cmpint(v2_read(fd, piece, 300), ==, 300);
    assert_info(fd, 100, 600);
    g_assert_cmpint(v2_read(fd, piece, 300), ==, 300);
    assert_info(fd, 0, 400);
    set_state(c, V2_PRE_COPY_P2P);
    g_assert_cmpint(v2_read_all(fd, bytes, 4096), ==, -ENOMSG);
    assert_info(fd, 0, 0);
    set_state(c, V2_RUNNING);
    close(fd);
    client_close(c);
    assert_clean("dev");
}

/* 1 GiB a second, at most 5000 bytes at a time */
#define STALE "precopy-size=1000\nprecopy-rate=1G\nprecopy-max=5000\n"

static void test_stale(void)
{
    uint8_t bytes[8192];
    SimClient *c = open_device(STALE);
    int fd = set_session(c, V2_PRE_COPY);

    g_assert_cmpint(v2_read(fd, bytes, 8192), ==, 1000);
    g_usleep(1000);
    assert_info(fd, 0, 5000);
    g_assert_cmpint(v2_read(fd, bytes, 8192), ==, 5000);
    g_usleep(1000);
    g_assert_cmpint(v2_read(fd, bytes, 8192), ==, 5000);
    set_state(c, V2_RUNNING);
    close(fd);
    client_close(c);
    assert_clean("dev");
}

/* A few stale bytes: a record is never smaller than its head. */
static void test_few_stale(void)
{
    uint8_t bytes[8192];
    SimClient *c = open_device("precopy-size=64\nprecopy-rate=1G\n"
                               "precopy-max=10");
    int fd = set_session(c, V2_PRE_COPY);

    g_assert_cmpint(v2_read(fd, bytes, 8192), ==, 64);
    g_usleep(1000);
    assert_info(fd, 0, 10);
    g_assert_cmpint(v2_read(fd, bytes, 8192), ==, 64);
    set_state(c, V2_RUNNING);
    close(fd);
    client_close(c);
}

static void test_next_by_info(void)
{
    uint8_t bytes[8192];
    SimClient *c = open_device(STALE "precopy-next=info");
    int fd = set_session(c, V2_PRE_COPY);

    g_assert_cmpint(v2_read(fd, bytes, 8192), ==, 1000);
    g_usleep(1000);
    g_assert_cmpint(v2_read(fd, bytes, 8192), ==, -ENOMSG);
    assert_info(fd, 0, 5000);
    g_assert_cmpint(v2_read(fd, bytes, 8192), ==, 5000);
    g_assert_cmpint(v2_read(fd, bytes, 8192), ==, -ENOMSG);
    set_state(c, V2_RUNNING);
    close(fd);
    client_close(c);
    assert_clean("dev");
}

/* Ask until there is something to read: the time before it was asked for */
static int64_t ask_for_next(int fd)
{
    V2PrecopyInfo info = { 0 };
    uint8_t bytes[8192];
    int64_t asked_us;

    do {
        asked_us = g_get_monotonic_time();
        g_assert_cmpint(v2_info(fd, &info), ==, 0);
        g_usleep(1000);
    } while (v2_read(fd, bytes, 8192) == -ENOMSG);
    return asked_us;
}

static void test_info_interval(void)
{
    uint8_t bytes[8192];
    int64_t asked_us;
    SimClient *c = open_device(STALE "precopy-next=info\n"
                               "precopy-info-ms=50");
    int fd = set_session(c, V2_PRE_COPY);

    g_assert_cmpint(v2_read(fd, bytes, 8192), ==, 1000);
    asked_us = ask_for_next(fd);
    ask_for_next(fd);
    g_assert_cmpint(g_get_monotonic_time() - asked_us, >=, 50000);
    set_state(c, V2_RUNNING);
    close(fd);
    client_close(c);
    assert_clean("dev");
}

static int opt_in(SimClient *c)
{
    return v2_feature(c, VFIO_DEVICE_FEATURE_SET | V2_FEATURE_PRECOPY_INFO_V2,
                      NULL, 0);
}

static void test_reinit(void)
{
    V2PrecopyInfo info = { .flags = 0xabc0 };
    uint8_t bytes[8192];
    SimClient *c = open_device(STALE "precopy-next=info\nreinit=1\n"
                               "kernel=7.1");
    int fd;

    g_assert_cmpint(opt_in(c), ==, 0);
    fd = set_session(c, V2_PRE_COPY);
    g_assert_cmpint(v2_info(fd, &info), ==, 0);
    g_assert_cmphex(info.flags, ==, 0);
    g_assert_cmpuint(info.initial_bytes, ==, 1000);
    g_assert_cmpint(v2_read(fd, bytes, 8192), ==, 1000);
    g_usleep(1000);
    g_assert_cmpint(v2_info(fd, &info), ==, 0);
    g_assert_cmphex(info.flags, ==, 1);
    g_assert_cmpuint(info.initial_bytes, ==, 5000);
    g_assert_cmpint(v2_info(fd, &info), ==, 0);
    g_assert_cmphex(info.flags, ==, 0);
    g_assert_cmpuint(info.initial_bytes, ==, 5000);
    g_assert_cmpint(v2_read(fd, bytes, 8192), ==, 5000);
    g_usleep(1000);
    g_assert_cmpint(v2_info(fd, &info), ==, 0);
    g_assert_cmphex(info.flags, ==, 0);
    g_assert_cmpuint(info.initial_bytes, ==, 0);
    close(fd);
    set_state(c, V2_RUNNING);
    fd = set_session(c, V2_PRE_COPY);
    g_assert_cmpint(v2_read(fd, bytes, 8192), ==, 1000);
    g_usleep(1000);
    g_assert_cmpint(v2_info(fd, &info), ==, 0);
    g_assert_cmphex(info.flags, ==, 1);
    close(fd);
    client_close(c);
    /* Closing forgets the opt-in: no REINIT, and flags stay as they come. */
    c = client_open("dev", 1);
    fd = set_session(c, V2_PRE_COPY);
    g_assert_cmpint(v2_read(fd, bytes, 8192), ==, 1000);
    g_usleep(1000);
    assert_info(fd, 0, 5000);
    close(fd);
    client_close(c);
}

static void test_told_size(void)
{
    uint64_t size = 1;
    SimClient *c = open_device("state-size=5000\ntold-size=0");

    g_assert_cmpint(v2_data_size(c, &size), ==, 0);
    g_assert_cmpuint(size, ==, 0);
    client_close(c);
    c = open_device("state-size=5000\nprecopy-size=64");
    g_assert_cmpint(v2_data_size(c, &size), ==, 0);
    g_assert_cmpuint(size, ==, 5000);
    set_state(c, V2_STOP);
    g_assert_cmpint(v2_data_size(c, &size), ==, 0);
    g_assert_cmpuint(size, ==, 5000);
    client_close(c);
}

/* ------------------------------------------------------------------------ */
/* Kernels and configurations                                               */

static void test_kernels(void)
{
    uint64_t size;
    SimClient *c = sim_test_open("", "protocol=v2\nkernel=6.1");
    V2PrecopyInfo info;
    int fd;

    g_assert_cmpint(v2_data_size(c, &size), ==, -ENOTTY);
    g_assert_cmpint(opt_in(c), ==, -ENOTTY);
    fd = set_session(c, V2_STOP_COPY);
    g_assert_cmpint(v2_info(fd, &info), ==, -ENOTTY);
    close(fd);
    client_close(c);
    c = sim_test_open("", "protocol=v2\nkernel=6.1\n"
                      "unknown-feature=EINVAL");
    g_assert_cmpint(v2_data_size(c, &size), ==, -EINVAL);
    client_close(c);
    g_assert_cmpuint(client_status("dev").violations, ==, 0);
    c = sim_test_open("", "protocol=v2\nkernel=6.2");
    g_assert_cmpint(v2_data_size(c, &size), ==, 0);
    g_assert_cmpint(opt_in(c), ==, -ENOTTY);
    client_close(c);
}

/* What has no v2 answers as the kernel does where a driver has none. */
static void test_without(void)
{
    uint64_t flags;
    SimClient *c = sim_test_open("", "");

    g_assert_cmpint(v2_flags(c, &flags), ==, -ENOTTY);
    g_assert_cmpint(v2_get(c), ==, -ENOTTY);
    g_assert_cmpuint(c->region, !=, 0);
    client_close(c);
    c = sim_test_open("", "unknown-feature=EINVAL");
    g_assert_cmpint(v2_flags(c, &flags), ==, -EINVAL);
    client_close(c);
    c = sim_test_open("", "protocol=v2\nmigration=no");
    g_assert_cmpint(v2_flags(c, &flags), ==, -ENOTTY);
    g_assert_cmpuint(c->region, ==, 0);
    client_close(c);
    g_assert_cmpuint(client_status("dev").violations, ==, 0);
}

static void test_explicit_wins(void)
{
    uint64_t flags, size;
    SimClient *c = sim_test_open("", "state-size=1234\np2p=no\n"
                                 "profile=qat\nprecopy-size=100");

    g_assert_cmpint(v2_flags(c, &flags), ==, 0);
    g_assert_cmphex(flags, ==, 5);
    g_assert_cmpint(v2_data_size(c, &size), ==, 0);
    g_assert_cmpuint(size, ==, 1234);
    client_close(c);
}

static void test_wrong_keys(void)
{
    static const char *const wrong[] = {
        "profile=mlx6", "protocol=v3", "kernel=5.18",
        "protocol=v2\nkernel=6.1\npre-copy=yes",
        "profile=mlx5-6.2\nkernel=6.1",
        "protocol=v2\npre-copy=yes\nprecopy-size=63",
        "protocol=v2\npre-copy=yes\nstate-size=63",
        "protocol=v2\npre-copy=yes\nprecopy-size=64\ninitial-bytes=65",
        "protocol=v2\nlog-page-size=6K", "protocol=v2\nlog-page-size=2K",
        "protocol=v2\nlog-max-ranges=0", "protocol=v2\nlog-rounding=0",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autofree char *text = g_strdup_printf("[device dev]\n%s\n",
                                                wrong[i]);
        g_autoptr(GError) err = NULL;

        g_assert_false(vfio_sim_configure_data(text, &err));
        g_assert_error(err, VFIO_SIM_ERROR, VFIO_SIM_ERROR_CONFIG);
    }
}

static void test_status(void)
{
    g_autofree char *text = NULL;
    g_autoptr(JsonParser) parser = json_parser_new();
    SimClient *c = open_device("log=yes");
    JsonObject *dev;
    int fd = set_session(c, V2_PRE_COPY_P2P);

    text = vfio_sim_status_json();
    dev = sim_test_status_device(parser, text, "dev");
    g_assert_cmpstr(json_object_get_string_member(dev, "protocol"), ==, "v2");
    g_assert_cmpstr(json_object_get_string_member(dev, "state"), ==,
                    "pre-copy-p2p");
    g_assert_cmpint(json_object_get_int_member(dev, "device-state"), ==, 7);
    g_assert_cmpint(json_object_get_int_member(dev, "data-fds"), ==, 1);
    g_assert_cmpint(json_object_get_int_member(dev, "unfinished-saves"), ==,
                    0);
    dev = json_object_get_object_member(dev, "log");
    g_assert_false(json_object_get_boolean_member(dev, "on"));
    close(fd);
    client_close(c);
}

void sim_test_v2_add(void)
{
    static const struct {
        const char *name;
        void (*fn)(void);
    } tests[] = {
        { "fd", test_fd }, { "session", test_session },
        { "pieces", test_pieces }, { "tiny", test_tiny },
        { "vectors", test_vectors }, { "short", test_short },
        { "stops", test_stops }, { "saves-again", test_saves_again },
        { "few-stale", test_few_stale }, { "rest", test_rest }, { "end-enomsg", test_end_enomsg },
        { "initial", test_initial }, { "stale", test_stale },
        { "next-by-info", test_next_by_info },
        { "info-interval", test_info_interval }, { "reinit", test_reinit },
        { "told-size", test_told_size }, { "kernels", test_kernels },
        { "without", test_without },
        { "explicit-wins", test_explicit_wins },
        { "wrong-keys", test_wrong_keys }, { "status", test_status },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autofree char *path = g_strdup_printf("/sim/v2/%s", tests[i].name);

        g_test_add_func(path, tests[i].fn);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(profiles); i++) {
        g_autofree char *path = g_strdup_printf("/sim/v2/profile/%s",
                                                profiles[i].name);

        g_test_add_data_func(path, &profiles[i], test_profile);
    }
}
