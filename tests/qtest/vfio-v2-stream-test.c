/*
 * Streams of protocol v2 devices from newer QEMUs
 *
 * Owns: what QEMU 8.1 and later write but 7.2 does not: the initial data mark,
 * whose acknowledgement a source waits for, and devices that are sent outside
 * of the stream. Streams are recorded here and changed to what a newer source
 * would have sent.
 * Does not own: streams that are cut or damaged (component tests).
 * Locks: none. Source: QEMU's docs/devel/migration, "return path";
 * MIG_RP_MSG_SWITCHOVER_ACK
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "vfio-test.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream-proxy.h"

#define PART_HEAD_BYTES 5
#define TAG_BYTES       8
#define FOOTER_BYTES    5
#define TAG_END         UINT64_C(0xffffffffef100001)
#define TAG_CONFIG      UINT64_C(0xffffffffef100002)
#define TAG_MARK        UINT64_C(0xffffffffef100005)
#define TAG_BESIDE      UINT64_C(0xffffffffef100006)

#define ACK_BYTES       4

/* A recorded stream */
typedef struct Recorded {
    GByteArray *bytes;
    StreamMap *map;
} Recorded;

/* ---- the stream ---- */

/* Small devices that always have more data */
static void set_side(VFIOSide *side)
{
    side->ram_mib = 16;
    for (unsigned i = 0; i < side->devices->len; i++) {
        vfio_side_set_keys(side, side->devices->pdata[i],
                           "state-size=2K;precopy-size=1K;precopy-rate=64M;"
                           "dma-rate=0");
    }
}

static VFIOPair *new_pair(const char *profiles)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    vfio_pair_profiles(pair, profiles);
    set_side(pair->src);
    set_side(pair->dst);
    return pair;
}

static void read_all(int fd, GByteArray *bytes)
{
    uint8_t part[65536];
    ssize_t n;

    while ((n = read(fd, part, sizeof(part))) > 0) {
        g_byte_array_append(bytes, part, n);
    }
    g_assert_cmpint(n, ==, 0);
}

static Recorded record(VFIOSide *side)
{
    Recorded r = { g_byte_array_new(), stream_map_new() };
    int fds[2];

    vfio_side_start(side);
    /* One-way: nobody answers here, and the source need not wait. */
    g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
    qtest_qmp_fds_assert_success(side->qts, &fds[1], 1,
                                 "{'execute': 'getfd', "
                                 "'arguments': {'fdname': 'record'}}");
    close(fds[1]);
    migrate_qmp(side->qts, "fd:record", "{}");
    read_all(fds[0], r.bytes);
    close(fds[0]);
    wait_for_migration_complete(side->qts);
    stream_map_look(r.map, r.bytes);
    return r;
}

static void recorded_clear(Recorded *r)
{
    g_byte_array_unref(r->bytes);
    stream_map_free(r->map);
}

/* Start of the @nth section of that kind for a device */
static size_t section_start(const Recorded *r, const char *kind,
                            unsigned device, unsigned nth)
{
    g_autofree char *name = g_strdup_printf("%s 0000:00:%02x.0/vfio#%u", kind,
                                            MACHINE_FIRST_SLOT + device, nth);
    const StreamSection *section = stream_map_find(r->map, name);

    if (!section) {
        qtest_fail("the stream has no '%s'", name);
    }
    return section->start;
}

/* Offset after its footer */
static size_t section_end(const Recorded *r, size_t start)
{
    for (unsigned i = 0; i < r->map->sections->len; i++) {
        size_t at = g_array_index(r->map->sections, StreamSection, i).start;

        if (at > start) {
            return at;
        }
    }
    g_assert_not_reached();
}

static uint64_t get_tag(const Recorded *r, size_t at)
{
    uint64_t value;

    memcpy(&value, r->bytes->data + at, TAG_BYTES);
    return GUINT64_FROM_BE(value);
}

/* Replace the tag at @at, which must be @from. */
static void put_tag(Recorded *r, size_t at, uint64_t from, uint64_t to)
{
    uint64_t value = GUINT64_TO_BE(to);

    g_assert_cmphex(get_tag(r, at), ==, from);
    memcpy(r->bytes->data + at, &value, TAG_BYTES);
}

/*
 * Let the part at @start end with the mark, as if the device's initial data
 * were complete. Returns the end of the section.
 */
static size_t mark(Recorded *r, size_t start)
{
    size_t end = section_end(r, start);

    put_tag(r, end - FOOTER_BYTES - TAG_BYTES, TAG_END, TAG_MARK);
    return end;
}

/* ---- answers ---- */

static void send_up_to(int fd, const Recorded *r, size_t *sent, size_t end)
{
    while (*sent < end) {
        ssize_t n = write(fd, r->bytes->data + *sent, end - *sent);

        g_assert_cmpint(n, >, 0);
        *sent += n;
    }
}

static void expect_ack(int fd)
{
    static const uint8_t ack[ACK_BYTES] = { 0, 7, 0, 0 };
    uint8_t got[ACK_BYTES];
    struct pollfd p = { .fd = fd, .events = POLLIN };

    g_assert_cmpint(poll(&p, 1, QTEST_WAIT_MS), ==, 1);
    g_assert_cmpint(recv(fd, got, sizeof(got), MSG_WAITALL), ==, ACK_BYTES);
    g_assert_cmpmem(got, sizeof(got), ack, sizeof(ack));
}

/* Wait until @side has read the @nth mark; there must be no answer. */
static void expect_silent(VFIOSide *side, int fd, unsigned nth)
{
    g_autofree char *path = g_build_filename(side->dir, "trace", NULL);
    int64_t end_us = g_get_monotonic_time() + QTEST_WAIT_US;
    unsigned seen = 0;
    uint8_t byte;

    while (seen < nth) {
        g_autofree char *trace = NULL;

        g_assert_cmpint(g_get_monotonic_time(), <, end_us);
        g_usleep(2000);
        seen = 0;
        if (g_file_get_contents(path, &trace, NULL, NULL)) {
            for (char *t = trace; (t = strstr(t, "initial_data")); t++) {
                seen++;
            }
        }
    }
    /* 0: it has closed the socket */
    g_assert_cmpint(recv(fd, &byte, 1, MSG_DONTWAIT), <=, 0);
}

static void trace_marks(VFIOSide *side)
{
    g_string_append_printf(side->args, " -trace vfio_migration_initial_data "
                           "-D %s/trace", side->dir);
}

/* ---- the mark ---- */

typedef struct Marks {
    const char *name;
    const char *profiles;
    /* The devices whose first parts get a mark, in stream order */
    unsigned devices[2];
    unsigned count;
    unsigned answered;          /* number of the answered mark, from 1 */
} Marks;

static const Marks marks[] = {
    { "one", "mlx5-6.2", { 0 }, 1, 1 },
    { "of-two-the-first", "mlx5-6.2;virtio", { 0 }, 1, 0 },
    { "both-of-two", "mlx5-6.2;virtio", { 0, 1 }, 2, 2 },
    { "one-beside-6.1", "mlx5-6.2;pds", { 0 }, 1, 1 },
};

/* Send a part of the same device with only a mark, which no source does */
static void send_mark(int fd, const Recorded *r, size_t start, size_t end)
{
    uint64_t tag = GUINT64_TO_BE(TAG_MARK);

    g_assert_cmpint(write(fd, r->bytes->data + start, PART_HEAD_BYTES), ==,
                    PART_HEAD_BYTES);
    g_assert_cmpint(write(fd, &tag, TAG_BYTES), ==, TAG_BYTES);
    g_assert_cmpint(write(fd, r->bytes->data + end - FOOTER_BYTES,
                          FOOTER_BYTES), ==, FOOTER_BYTES);
}

static void test_marks(const void *opaque)
{
    const Marks *m = opaque;
    VFIOPair *pair = new_pair(m->profiles);
    size_t sent = 0, start = 0;
    Recorded r;
    int fd;

    trace_marks(pair->dst);
    r = record(pair->src);
    vfio_side_start(pair->dst);
    fd = vfio_side_connect(pair->dst);
    for (unsigned i = 0; i < m->count; i++) {
        start = section_start(&r, "part", m->devices[i], 1);
        send_up_to(fd, &r, &sent, mark(&r, start));
        if (i + 1 == m->answered) {
            expect_ack(fd);
        } else {
            expect_silent(pair->dst, fd, i + 1);
        }
    }
    send_mark(fd, &r, start, sent);
    expect_silent(pair->dst, fd, m->count + 1);
    send_up_to(fd, &r, &sent, r.bytes->len);
    wait_for_migration_complete(pair->dst->qts);
    expect_silent(pair->dst, fd, m->count + 1);
    vfio_pair_check(pair);
    close(fd);
    recorded_clear(&r);
    vfio_pair_free(pair);
}

/* An answer is impossible: the user is told, and the rest is loaded. */
static void test_one_way(void)
{
    VFIOPair *pair = new_pair("virtio");
    g_autofree char *path = g_build_filename(qtest_tmpdir(), "in", NULL);
    g_autofree char *err = NULL;
    Recorded r = record(pair->src);
    int fd;

    mark(&r, section_start(&r, "part", 0, 1));
    g_assert_true(g_file_set_contents(path, (char *)r.bytes->data,
                                      r.bytes->len, NULL));
    g_free(pair->dst->incoming);
    pair->dst->incoming = g_strdup("defer");
    vfio_side_start(pair->dst);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    g_assert_cmpint(fd, >=, 0);
    qtest_qmp_fds_assert_success(pair->dst->qts, &fd, 1,
                                 "{'execute': 'getfd', "
                                 "'arguments': {'fdname': 'in'}}");
    close(fd);
    qtest_qmp_assert_success(pair->dst->qts, "{'execute': 'migrate-incoming', "
                             "'arguments': {'uri': 'fd:in'}}");
    wait_for_migration_complete(pair->dst->qts);
    err = qtest_stderr(pair->dst->qts);
    vfio_expect_text(pair->dst, "stderr", err, "dev0;switchover-ack");
    vfio_pair_check(pair);
    recorded_clear(&r);
    vfio_pair_free(pair);
}

/* ---- what is refused, with a message ---- */

static void refuse(VFIOPair *pair, Recorded *r, const char *words)
{
    size_t sent = 0;
    ssize_t n = 1;
    int fd;

    vfio_side_start(pair->dst);
    fd = vfio_side_connect(pair->dst);
    /* The destination may exit before it has read everything. */
    for (; n > 0 && sent < r->bytes->len; sent += MAX(n, 0)) {
        n = send(fd, r->bytes->data + sent, r->bytes->len - sent,
                 MSG_NOSIGNAL);
    }
    vfio_expect_load_failed(pair->dst, words);
    vfio_expect_clean(pair->dst);
    close(fd);
    recorded_clear(r);
    vfio_side_kill(pair->dst);
    vfio_pair_free(pair);
}

/* QEMU 10.1 and later, with a machine type that this one does not have */
static void test_beside_stream(void)
{
    VFIOPair *pair = new_pair("virtio");
    Recorded r = record(pair->src);
    size_t start = section_start(&r, "full", 0, 1);
    size_t at = section_end(&r, start);

    while (at > start && get_tag(&r, at) != TAG_CONFIG) {
        at--;
    }
    put_tag(&r, at, TAG_CONFIG, TAG_BESIDE);
    refuse(pair, &r, "dev0;x-migration-multifd-transfer");
}

/* QEMU 10.0: the stream has only the end. */
static void test_no_config(void)
{
    VFIOPair *pair = new_pair("virtio");
    Recorded r = record(pair->src);
    size_t start = section_start(&r, "full", 0, 1);

    g_byte_array_remove_range(r.bytes, start, section_end(&r, start) - start);
    refuse(pair, &r, "dev0;without the device's configuration;"
           "x-migration-multifd-transfer");
}

/* The source has a newer kernel, whose driver uses v2. */
static void test_mark_for_v1(void)
{
    VFIOPair *pair = new_pair("virtio");
    Recorded r;

    vfio_side_set_keys(pair->src, "dev0", "precopy-size=0;precopy-rate=0");
    vfio_side_set(pair->dst, "dev0", "protocol", "v1");
    r = record(pair->src);
    mark(&r, section_start(&r, "part", 0, 1));
    refuse(pair, &r, "dev0;protocol v2;speaks v1;kernel series");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(marks); i++) {
        g_autofree char *name = g_strconcat("vfio/v2-stream/mark/",
                                            marks[i].name, NULL);

        qtest_add_data_case(name, &marks[i], test_marks);
    }
    qtest_add_case("vfio/v2-stream/mark/one-way", test_one_way);
    qtest_add_case("vfio/v2-stream/refused/beside-the-stream",
                   test_beside_stream);
    qtest_add_case("vfio/v2-stream/refused/no-config", test_no_config);
    qtest_add_case("vfio/v2-stream/refused/mark-for-v1", test_mark_for_v1);
    return g_test_run();
}
