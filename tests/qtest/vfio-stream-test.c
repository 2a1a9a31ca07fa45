/*
 * Streams that are cut, wrong or hostile
 *
 * Owns: a recorded migration of a small device, loaded again after it was
 * cut inside and around each field of the device's sections, or after a
 * field was given a wrong or huge value. The destination must end in good
 * order and in time, and say which device it was.
 * Does not own: every byte and every bit (stand-alone tests); failing
 * devices (vfio-failure-test.c).
 * Locks: none.
 * Source: docs/contract.md, The stream.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "vfio-test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TAG_PREFIX UINT64_C(0xffffffffef100000)
#define TAG_END (TAG_PREFIX | 1)
#define TAG_CONFIG (TAG_PREFIX | 2)
#define TAG_SETUP (TAG_PREFIX | 3)
#define TAG_DATA (TAG_PREFIX | 4)
#define FOOTER_BYTES 5
#define SECTION_ID "0000:00:04.0/vfio"

typedef struct Stream {
    uint8_t *bytes;
    size_t len;
    GArray *tags;               /* size_t, offsets of the device's tags */
} Stream;

static uint64_t get64(const Stream *s, size_t at)
{
    uint64_t value;

    memcpy(&value, s->bytes + at, sizeof(value));
    return GUINT64_FROM_BE(value);
}

static void put64(Stream *s, size_t at, uint64_t value)
{
    value = GUINT64_TO_BE(value);
    memcpy(s->bytes + at, &value, sizeof(value));
}

static size_t tag_at(const Stream *s, unsigned index)
{
    return g_array_index(s->tags, size_t, index);
}

/* Offset of the @nth tag of value @tag. */
static size_t find_tag(const Stream *s, uint64_t tag, unsigned nth)
{
    for (unsigned i = 0; i < s->tags->len; i++) {
        if (get64(s, tag_at(s, i)) == tag && nth-- == 0) {
            return tag_at(s, i);
        }
    }
    qtest_fail("the recorded stream has too few packets of tag 0x%"
               G_GINT64_MODIFIER "x", tag);
}

static void find_tags(Stream *s)
{
    s->tags = g_array_new(false, false, sizeof(size_t));
    for (size_t at = 0; at + 8 <= s->len; at++) {
        uint64_t value = get64(s, at);

        if (value > TAG_PREFIX && value <= TAG_DATA) {
            g_array_append_val(s->tags, at);
        }
    }
    g_assert_cmpuint(s->tags->len, >, 8);
}

static void small_device(VFIOSide *side)
{
    side->ram_mib = 16;
    vfio_side_set(side, "dev0", "window-size", "4K");
    vfio_side_set(side, "dev0", "chunk-size", "128");
    vfio_side_set(side, "dev0", "state-size", "300");
    vfio_side_set(side, "dev0", "precopy-size", "128");
    vfio_side_set(side, "dev0", "dma-rate", "0");
}

/* Records a running VM's migration once for all its cuts. */
static Stream record(void)
{
    VFIOSide *side = vfio_side_new("source", SIDE_ATTACHED);
    g_autofree char *path = g_build_filename(qtest_tmpdir(), "stream", NULL);
    g_autofree char *uri = g_strdup_printf("exec:cat >%s.part && "
                                           "mv %s.part %s", path, path, path);
    Stream s = { 0 };

    small_device(side);
    vfio_side_start(side);
    migrate_qmp(side->qts, uri, "{}");
    wait_for_migration_complete(side->qts);
    vfio_side_free(side);
    for (unsigned i = 0; access(path, R_OK) && i < 5000; i++) {
        g_usleep(1000);
    }
    g_assert_true(g_file_get_contents(path, (char **)&s.bytes, &s.len, NULL));
    find_tags(&s);
    return s;
}

static void stream_clear(Stream *s)
{
    g_free(s->bytes);
    g_array_unref(s->tags);
}

/* A destination that loads @len bytes of @s. */
static VFIOSide *load(const Stream *s, size_t len)
{
    VFIOSide *side = vfio_side_new("destination", SIDE_ATTACHED);
    g_autofree char *path = g_build_filename(qtest_tmpdir(), "input", NULL);

    g_assert_true(g_file_set_contents(path, (char *)s->bytes, len, NULL));
    small_device(side);
    side->paused = true;
    side->incoming = g_strdup_printf("exec:cat %s", path);
    vfio_side_try_start(side);
    return side;
}

/* It ends in time, by itself, with @words on stderr. */
static void expect_refused(VFIOSide *side, const char *what, size_t at,
                           const char *words)
{
    int status;

    if (!qtest_wait_exit(side->qts, FAIL_MS, &status)) {
        vfio_side_fail(side, "%s at %zu: still loads", what, at);
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 1) {
        vfio_side_fail(side, "%s at %zu: did not end in good order", what,
                       at);
    }
    if (words) {
        g_autofree char *err = qtest_stderr(side->qts);

        vfio_expect_text(side, what, err, words);
    }
    vfio_expect_clean(side);
    vfio_side_kill(side);
    vfio_side_free(side);
}

static void cut(const Stream *s, size_t len, const char *words)
{
    expect_refused(load(s, len), "cut", len, words);
}

/* ---- cut streams ---- */

static void test_whole(void)
{
    Stream s = record();
    VFIOSide *side = load(&s, s.len);

    wait_for_migration_complete(side->qts);
    qtest_qmp_assert_success(side->qts, "{'execute': 'cont'}");
    vfio_side_expect_state(side, "dev0", "running");
    vfio_expect_clean(side);
    vfio_side_free(side);
    stream_clear(&s);
}

/* Around a tag: before it, in it, behind it. */
static void test_cut_tags(void)
{
    Stream s = record();

    qtest_set_case_seconds(200);
    for (unsigned i = 0; i < s.tags->len; i++) {
        size_t at = tag_at(&s, i);

        cut(&s, at - 1, NULL);
        cut(&s, at, "dev0");
        cut(&s, at + 1, "dev0");
        cut(&s, at + 7, "dev0");
        /* Behind the end of a packet QEMU itself reads on. */
        cut(&s, at + 8, get64(&s, at) == TAG_END ? NULL : "dev0");
    }
    stream_clear(&s);
}

/* In the size and in the bytes of each packet of data. */
static void test_cut_data(void)
{
    Stream s = record();

    qtest_set_case_seconds(200);
    for (unsigned i = 0; i < s.tags->len; i++) {
        size_t at = tag_at(&s, i), size;

        if (get64(&s, at) != TAG_DATA) {
            continue;
        }
        size = get64(&s, at + 8);
        cut(&s, at + 9, "dev0");
        cut(&s, at + 15, "dev0");
        cut(&s, at + 16, "dev0");
        if (size) {
            cut(&s, at + 17, "dev0");
            cut(&s, at + 16 + size / 2, "dev0");
            cut(&s, at + 16 + size - 1, "dev0");
        }
    }
    stream_clear(&s);
}

/* In the config space, and in the footers of the sections. */
static void test_cut_config(void)
{
    Stream s = record();
    size_t at = find_tag(&s, TAG_CONFIG, 0), end = at;

    qtest_set_case_seconds(200);
    for (unsigned i = 0; i < s.tags->len && end <= at; i++) {
        end = tag_at(&s, i);
    }
    g_assert_cmpuint(end, >, at + 256);
    for (size_t len = at + 9; len < end; len += 37) {
        cut(&s, len, "dev0");
    }
    cut(&s, end - 1, "dev0");
    for (unsigned i = 0; i < FOOTER_BYTES; i++) {
        cut(&s, end + 8 + i, NULL);
    }
    stream_clear(&s);
}

static void test_cut_header(void)
{
    Stream s = record();
    size_t at = find_tag(&s, TAG_SETUP, 0);

    qtest_set_case_seconds(200);
    for (size_t len = at - strlen(SECTION_ID) - 16; len < at; len += 3) {
        cut(&s, len, NULL);
    }
    stream_clear(&s);
}

/* ---- wrong and hostile fields ---- */

typedef struct Patch {
    const char *name;
    uint64_t tag;               /* of the packet */
    unsigned nth;
    unsigned field;             /* bytes behind its tag */
    uint64_t value;
    const char *words;
} Patch;

static const Patch patches[] = {
    { "size-huge", TAG_DATA, 0, 8, UINT64_C(1) << 40, "dev0" },
    { "size-2^31", TAG_DATA, 1, 8, UINT64_C(1) << 31, "dev0" },
    { "size-2^63", TAG_DATA, 1, 8, UINT64_C(1) << 63, "dev0" },
    { "size-max", TAG_DATA, 1, 8, UINT64_MAX, "dev0" },
    { "size-less", TAG_DATA, 1, 8, 1, "dev0" },
    { "size-zero", TAG_DATA, 1, 8, 0, "dev0" },
    { "setup-unknown", TAG_SETUP, 0, 0, TAG_PREFIX | 9, "dev0" },
    { "setup-zero", TAG_SETUP, 0, 0, 0, "dev0" },
    { "setup-with-payload", TAG_SETUP, 0, 8, 17, "dev0" },
    { "setup-is-data", TAG_SETUP, 0, 0, TAG_DATA, "dev0" },
    { "setup-is-config", TAG_SETUP, 0, 0, TAG_CONFIG, NULL },
    { "data-unknown", TAG_DATA, 0, 0, TAG_PREFIX, "dev0" },
    { "data-is-setup", TAG_DATA, 0, 0, TAG_SETUP, "dev0" },
    { "data-is-end", TAG_DATA, 0, 0, TAG_END, NULL },
    { "data-ack", TAG_DATA, 0, 0, TAG_PREFIX | 5, NULL },
    { "config-unknown", TAG_CONFIG, 0, 0, UINT64_MAX, "dev0" },
    { "config-other-device", TAG_CONFIG, 0, 12, UINT64_C(0x8680868086808680),
      "dev0" },
    { "end-unknown", TAG_END, 0, 0, 42, "dev0" },
};

static void test_patch(const void *opaque)
{
    const Patch *p = opaque;
    Stream s = record();
    size_t at = find_tag(&s, p->tag, p->nth) + p->field;

    put64(&s, at, p->value);
    expect_refused(load(&s, s.len), p->name, at, p->words);
    stream_clear(&s);
}

/* What QEMU takes for an older layout is compared as well. */
static void test_older_layout(void)
{
    Stream s = record();
    size_t at = find_tag(&s, TAG_CONFIG, 0) + 8;

    s.bytes[at + 4 + 0x3d] = 7;         /* the interrupt pin */
    for (s.bytes[at + 3] = 0; s.bytes[at + 3] <= 2; s.bytes[at + 3]++) {
        expect_refused(load(&s, s.len), "layout", at,
                       "dev0;its interrupt pin is 0x07");
    }
    stream_clear(&s);
}

/* A device of another kind does not take this one's state. */
static void test_other_device(void)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    vfio_side_set(pair->dst, "dev0", "device-id", "0x1234");
    vfio_pair_start(pair);
    vfio_pair_begin(pair);
    vfio_expect_load_failed(pair->dst, "dev0");
    vfio_expect_failed(pair->src, "");
    vfio_side_set(pair->dst, "dev0", "device-id", "0x00fe");
    vfio_pair_retry(pair);
    vfio_pair_free(pair);
}

/* A load that fails elsewhere is not blamed on the device's place. */
static void test_other_ram(void)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);
    g_autofree char *err = NULL;

    pair->dst->ram_mib = pair->src->ram_mib / 2;
    vfio_pair_start(pair);
    vfio_pair_begin(pair);
    vfio_expect_load_failed(pair->dst, "");
    err = qtest_stderr(pair->dst->qts);
    if (strstr(err, "the source has no VFIO device")) {
        vfio_side_fail(pair->dst, "it says: %s", err);
    }
    vfio_expect_failed(pair->src, "");
    vfio_side_kill(pair->dst);
    vfio_pair_free(pair);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("vfio/stream/whole", test_whole);
    qtest_add_func("vfio/stream/cut/tags", test_cut_tags);
    qtest_add_func("vfio/stream/cut/data", test_cut_data);
    qtest_add_func("vfio/stream/cut/config", test_cut_config);
    qtest_add_func("vfio/stream/cut/header", test_cut_header);
    for (unsigned i = 0; i < G_N_ELEMENTS(patches); i++) {
        g_autofree char *name = g_strconcat("vfio/stream/wrong/",
                                            patches[i].name, NULL);

        qtest_add_data_func(name, &patches[i], test_patch);
    }
    qtest_add_func("vfio/stream/wrong/ram", test_other_ram);
    qtest_add_func("vfio/stream/wrong/older-layout", test_older_layout);
    qtest_add_func("vfio/stream/wrong/device", test_other_device);
    return g_test_run();
}
