/*
 * Tests of the simulated device: the migration region
 *
 * Owns: whole migrations over each layout, what the device finds wrong in
 * a stream, its arcs by strictness, and what it records against a client.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/vfio.h>

#include "sim-test.h"

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
}

/* ------------------------------------------------------------------------ */
/* Whole migrations                                                         */

typedef struct Layout {
    const char *name;
    const char *source;
    const char *target;
    bool split;
    bool all_mapped;
    bool all_trapped;
} Layout;

static const Layout layouts[] = {
    { "mapped", "window-size=256K", "window-size=256K", .all_mapped = true },
    { "trapped", "window-size=256K\nareas=none",
      "window-size=256K\nareas=none", .all_trapped = true },
    { "empty-list", "areas=empty-list", "areas=empty-list",
      .all_trapped = true },
    { "whole-region", "areas=whole-region", "areas=whole-region",
      .all_mapped = true },
    { "stripes", "window-size=512K\nareas=stripes:64K",
      "window-size=512K\nareas=stripes:64K" },
    { "all-but-last-page", "areas=all-but-last-page",
      "areas=all-but-last-page" },
    { "starts-mapped", "window-size=64K\nareas=0x1000+0x4000",
      "window-size=64K\nareas=0x1000+0x4000" },
    { "ends-mapped", "window-size=64K\nareas=0xd000+0x4000",
      "window-size=64K\nareas=0xd000+0x4000" },
    { "unsorted", "window-size=064K\n"
      "areas=0x9000+0x2000;0x1000+0x2000;0x3000+0x1000;0x6000+0",
      "window-size=64K\nareas=0x5000+0x1000;0x2000+0x1000" },
    { "beyond-and-overlapping", "window-size=64K\nregion-size=0x11000\n"
      "areas=0x2000+0x4000;0x4000+0x4000;0x20000+0x1000;0x10000+0x9000",
      "window-size=64K\nareas=0x8000+0x100000" },
    { "odd-chunks", "window-size=64K\nareas=stripes:4K\n"
      "chunk-size=65536;4097;96;1;7;31;33;63;64;100;4095\n"
      "chunk-start=0;0;5;0x1000;4095;3\n",
      "window-size=128K\nareas=stripes:8K\nchunk-start=17;0;0x2001" },
    { "tiny-chunks", "state-size=1000\nchunk-size=1;2;3;8;40;5", "" },
    { "tiny-state", "state-size=63\nchunk-size=10\nseed=9",
      "state-size=63\nseed=9" },
    { "one-byte", "state-size=1\nseed=9", "state-size=1\nseed=9" },
    { "quarter-window", "window-size=256K", "window-size=64K\nsplit=allow",
      .split = true, .all_mapped = true },
    { "8-byte-driver", "window-size=64K\nareas=all\nmax-access=8",
      "window-size=64K\nareas=all\nmax-access=8", .all_mapped = true },
    { "large-window-offset", "data-offset=64K\nregion-size=4M",
      "data-offset=40\nareas=none\ndata-offset=40" },
    { "sampled", "", "verify=sampled", .all_mapped = true },
    { "unverified", "trapped-by=memory\nareas=none",
      "verify=none\nareas=none\ntrapped-by=memory", .all_trapped = true },
};

static void check_bytes(const Layout *l, const char *name)
{
    VFIOSimStatus s = client_status(name);
    uint64_t moved = s.saved_bytes + s.loaded_bytes;

    g_assert_cmpuint(s.mapped_bytes + s.trapped_bytes, ==, moved);
    if (l->all_mapped) {
        g_assert_cmpuint(s.trapped_bytes, ==, 0);
    }
    if (l->all_trapped) {
        g_assert_cmpuint(s.mapped_bytes, ==, 0);
    }
}

static void test_layout(gconstpointer opaque)
{
    const Layout *l = opaque;
    g_autoptr(GPtrArray) chunks = client_chunks_new();
    SimClient *src, *dst;
    VFIOSimStatus from, to;

    configure_pair(l->source, l->target);
    src = client_open("src", 1);
    dst = client_open("dst", 2);
    g_assert_cmpint(client_save(src, chunks, false, 0), ==, 0);
    g_assert_cmpuint(chunks->len, >, 0);
    g_assert_cmpint(client_load(dst, chunks, l->split), ==, 0);
    from = client_status("src");
    to = client_status("dst");
    g_assert_cmpuint(from.saved_bytes, >, 0);
    g_assert_cmpuint(from.saved_bytes, ==, to.loaded_bytes);
    g_assert_cmpuint(strlen(from.saved_digest), ==, VFIO_SIM_DIGEST_LEN);
    g_assert_cmpstr(from.saved_digest, ==, to.loaded_digest);
    g_assert_cmpstr(from.saved_digest, ==, to.digest);
    g_assert_true(to.loaded);
    check_bytes(l, "src");
    check_bytes(l, "dst");
    assert_clean("src");
    assert_clean("dst");
    client_close(src);
    client_close(dst);
}

static void test_precopy(void)
{
    g_autoptr(GPtrArray) chunks = client_chunks_new();
    SimClient *src, *dst;

    configure_pair("window-size=64K\nprecopy-size=300000", "");
    src = client_open("src", 1);
    dst = client_open("dst", 2);
    g_assert_cmpint(client_save(src, chunks, true, 3), ==, 0);
    g_assert_cmpint(client_load(dst, chunks, false), ==, 0);
    g_assert_cmpuint(client_status("src").saved_bytes, ==,
                     3 * 65536 + 1048576);
    g_assert_cmpstr(client_status("src").saved_digest, ==,
                    client_status("dst").loaded_digest);
    assert_clean("src");
    assert_clean("dst");
    client_close(src);
    client_close(dst);
}

/* Pending never ends while the device makes data dirty; it may be left. */
static void test_redirty(void)
{
    g_autoptr(GPtrArray) chunks = client_chunks_new();
    SimClient *src;
    uint64_t pending;

    configure_pair("precopy-size=64K\nprecopy-rate=64M\nprecopy-max=128K",
                   "");
    src = client_open("src", 1);
    g_assert_cmpint(client_set_state(src, PRE_COPY), ==, 0);
    for (int i = 0; i < 5; i++) {
        g_usleep(10 * 1000);
        g_assert_cmpint(client_pending(src, &pending), ==, 0);
        g_assert_cmpuint(pending, ==, 128 * 1024);
        g_assert_cmpint(client_save_chunk(src, chunks, false), ==, 0);
    }
    g_assert_cmpint(client_pending(src, &pending), ==, 0);
    g_assert_cmpint(client_set_state(src, RUNNING), ==, 0);
    assert_clean("src");
    client_close(src);
}

/* A chunk left in the air at the end of pre-copy may have been sent. */
static void test_unacked(gconstpointer opaque)
{
    bool sent = GPOINTER_TO_INT(opaque);
    g_autoptr(GPtrArray) chunks = client_chunks_new();
    SimClient *src, *dst;

    configure_pair("window-size=64K\nprecopy-size=256K", "");
    src = client_open("src", 1);
    dst = client_open("dst", 2);
    g_assert_cmpint(client_set_state(src, PRE_COPY), ==, 0);
    g_assert_cmpint(client_save_chunk(src, chunks, false), ==, 0);
    g_assert_cmpint(client_save_chunk(src, chunks, false), ==, 0);
    if (!sent) {
        g_ptr_array_set_size(chunks, 1);
    }
    g_assert_cmpint(client_set_state(src, STOP_COPY), ==, 0);
    while (client_save_chunk(src, chunks, true) == 0) {
    }
    g_assert_cmpint(client_load(dst, chunks, false), ==, 0);
    g_assert_cmpuint(client_status("src").unacked_chunks, ==, 1);
    assert_clean("dst");
    client_close(src);
    client_close(dst);
}

static void test_rates(void)
{
    g_autoptr(GPtrArray) chunks = client_chunks_new();
    SimClient *src, *dst;
    int64_t start_us, saved_us, loaded_us;

    configure_pair("save-rate=10M", "load-rate=20M");
    src = client_open("src", 1);
    dst = client_open("dst", 2);
    start_us = g_get_monotonic_time();
    g_assert_cmpint(client_save(src, chunks, false, 0), ==, 0);
    saved_us = g_get_monotonic_time();
    g_assert_cmpint(client_load(dst, chunks, false), ==, 0);
    loaded_us = g_get_monotonic_time();
    g_assert_cmpint(saved_us - start_us, >=, 100 * 1000);
    g_assert_cmpint(loaded_us - saved_us, >=, 50 * 1000);
    client_close(src);
    client_close(dst);
}

/* Each run changes the state; ping-pong must follow it. */
static void test_ping_pong(void)
{
    g_autofree char *last = g_strdup("");
    SimClient *side[2];

    configure_pair("state-size=100000", "state-size=100000");
    side[0] = client_open("src", 1);
    side[1] = client_open("dst", 2);
    for (int i = 0; i < 6; i++) {
        g_autoptr(GPtrArray) chunks = client_chunks_new();
        SimClient *from = side[i % 2], *to = side[!(i % 2)];
        VFIOSimStatus s;

        g_assert_cmpint(client_save(from, chunks, true, 1), ==, 0);
        g_assert_cmpint(client_load(to, chunks, false), ==, 0);
        s = client_status(to->name);
        g_assert_cmpstr(s.loaded_digest, ==,
                        client_status(from->name).saved_digest);
        g_assert_cmpstr(s.loaded_digest, !=, last);
        g_free(last);
        last = g_strdup(s.loaded_digest);
        g_assert_cmpint(client_set_state(from, RUNNING), ==, 0);
    }
    assert_clean("src");
    assert_clean("dst");
    client_close(side[0]);
    client_close(side[1]);
}

/* ------------------------------------------------------------------------ */
/* Wrong streams                                                            */

typedef struct Damage {
    const char *name;
    const char *source;
    void (*apply)(GPtrArray *chunks);
    bool at_end;                    /* found when the load ends */
} Damage;

static SimClientChunk *nth(GPtrArray *chunks, unsigned n)
{
    return g_ptr_array_index(chunks, n);
}

static void flip_bit(GPtrArray *chunks)
{
    nth(chunks, 1)->bytes->data[40000] ^= 4;
}

static void flip_head(GPtrArray *chunks)
{
    nth(chunks, 0)->bytes->data[20] ^= 1;
}

static void flip_chunk_head(GPtrArray *chunks)
{
    nth(chunks, 2)->bytes->data[9] ^= 1;
}

static void drop_middle(GPtrArray *chunks)
{
    g_ptr_array_remove_index(chunks, 1);
}

static void drop_first(GPtrArray *chunks)
{
    g_ptr_array_remove_index(chunks, 0);
}

static void drop_last(GPtrArray *chunks)
{
    g_ptr_array_set_size(chunks, chunks->len - 1);
}

static void double_chunk(GPtrArray *chunks)
{
    GByteArray *b = nth(chunks, 1)->bytes;

    client_chunk_add(chunks, b->data, b->len, true);
}

static void swap_chunks(GPtrArray *chunks)
{
    void *first = chunks->pdata[1];

    chunks->pdata[1] = chunks->pdata[2];
    chunks->pdata[2] = first;
}

static void cut_chunk(GPtrArray *chunks)
{
    g_byte_array_set_size(nth(chunks, 1)->bytes, 65535);
}

static void split_chunk(GPtrArray *chunks)
{
    GByteArray *b = nth(chunks, chunks->len - 1)->bytes;

    client_chunk_add(chunks, b->data + 4096, b->len - 4096, true);
    g_byte_array_set_size(b, 4096);
}

static void merge_chunks(GPtrArray *chunks)
{
    GByteArray *b = nth(chunks, 1)->bytes;

    g_byte_array_append(nth(chunks, 0)->bytes, b->data, b->len);
    drop_middle(chunks);
}

static void stale_chunk(GPtrArray *chunks)
{
    memset(nth(chunks, 3)->bytes->data + 8192, 0, 4096);
}

/* With pre-copy: chunk 0..1 are of pre-copy. */
static void drop_precopy(GPtrArray *chunks)
{
    g_ptr_array_remove_index(chunks, 1);
}

static void no_stop_copy(GPtrArray *chunks)
{
    g_ptr_array_set_size(chunks, 2);
}

#define PRECOPY "precopy-size=128K\n"

static const Damage damages[] = {
    { "bit", "", flip_bit },
    { "head", "", flip_head },
    { "chunk-head", "", flip_chunk_head },
    { "missing", "", drop_middle },
    { "first-missing", "", drop_first },
    { "last-missing", "", drop_last, .at_end = true },
    { "twice", "", double_chunk },
    { "swapped", "", swap_chunks },
    { "cut", "", cut_chunk },
    { "split", "", split_chunk },
    { "merged", "", merge_chunks },
    { "stale-page", "", stale_chunk },
    { "precopy-missing", PRECOPY, drop_precopy, .at_end = true },
    { "only-precopy", PRECOPY, no_stop_copy, .at_end = true },
};

static void save_damaged(const Damage *d, SimClient *src, GPtrArray *chunks)
{
    bool precopy = *d->source != 0;

    g_assert_cmpint(client_save(src, chunks, precopy, 2), ==, 0);
    g_assert_cmpuint(chunks->len, >=, 4);
    d->apply(chunks);
}

static void test_damage(gconstpointer opaque)
{
    const Damage *d = opaque;
    g_autofree char *source = g_strdup_printf("window-size=64K\nstate-size="
                                              "256K\n%s", d->source);
    g_autoptr(GPtrArray) chunks = client_chunks_new();
    SimClient *src, *dst;
    VFIOSimStatus s;

    configure_pair(source, "window-size=128K");
    src = client_open("src", 1);
    dst = client_open("dst", 2);
    save_damaged(d, src, chunks);
    g_assert_cmpint(client_load(dst, chunks, false), ==, -EINVAL);
    s = client_status("dst");
    g_assert_cmpuint(s.corrupt, ==, d->at_end ? 0 : 1);
    g_assert_cmpuint(s.incomplete, ==, d->at_end ? 1 : 0);
    g_assert_cmpuint(s.device_state, ==, RESUMING);
    g_assert_cmpstr(s.loaded_digest, ==, "");
    g_assert_false(s.loaded);
    g_assert_cmpuint(s.violations, ==, 0);
    client_close(src);
    client_close(dst);
}

/* The same, only recorded: the load goes on, and its end still fails. */
static void test_damage_recorded(void)
{
    g_autoptr(GPtrArray) chunks = client_chunks_new();
    SimClient *src, *dst;
    VFIOSimStatus s;

    configure_pair("window-size=64K\nstate-size=256K",
                   "window-size=128K\non-corrupt=record\n"
                   "on-incomplete=error");
    src = client_open("src", 1);
    dst = client_open("dst", 2);
    save_damaged(&damages[0], src, chunks);
    g_assert_cmpint(client_load(dst, chunks, false), ==, -EINVAL);
    s = client_status("dst");
    g_assert_cmpuint(s.corrupt, ==, 1);
    g_assert_cmpuint(s.incomplete, ==, 1);
    g_assert_cmpuint(s.device_state, ==, ERROR_STATE);
    client_close(src);
    client_close(dst);
}

static void test_require_data(void)
{
    SimClient *src, *dst;

    configure_pair("", "require-data=yes");
    src = client_open("src", 1);
    dst = client_open("dst", 2);
    g_assert_cmpint(client_set_state(src, RESUMING), ==, 0);
    g_assert_cmpint(client_set_state(src, RUNNING), ==, 0);
    g_assert_cmpint(client_set_state(dst, RESUMING), ==, 0);
    g_assert_cmpint(client_set_state(dst, RUNNING), ==, -EINVAL);
    g_assert_false(client_status("src").loaded);
    g_assert_cmpuint(client_status("dst").incomplete, ==, 1);
    client_close(src);
    client_close(dst);
}

/* ------------------------------------------------------------------------ */
/* States                                                                   */

/*
 * Row: from, column: to, in the order 000 001 010 011 100. A second
 * statement of the rules, not taken from the table under test.
 */
typedef struct Strictness {
    const char *name;
    const char *accepted[5];
} Strictness;

static const Strictness strictness[] = {
    { "kernel", { "y....", "yyyyy", "y.y..", "..yy.", ".y..y" } },
    { "drawn", { "yyy.y", "yyyyy", "yyy..", ".yyy.", ".y..y" } },
    { "lenient", { "yyyyy", "yyyyy", "yyyyy", "yyyyy", "yyyyy" } },
    { "libvfio-user", { "yy...", "yyyyy", "yyy..", "y.yy.", ".y..y" } },
};

/* Reset, then go to @state by arcs that every mode has. */
static void go_to(SimClient *c, unsigned state)
{
    g_assert_cmpint(ioctl(c->device, VFIO_DEVICE_RESET), ==, 0);
    if (state != RUNNING) {
        g_assert_cmpint(client_set_state(c, state), ==, 0);
    }
}

static void test_strictness(gconstpointer opaque)
{
    const Strictness *s = opaque;
    g_autofree char *source = g_strdup_printf("strictness=%s", s->name);
    unsigned refused = 0;
    SimClient *src;

    configure_pair(source, "");
    src = client_open("src", 1);
    for (unsigned from = 0; from < 5; from++) {
        for (unsigned to = 0; to < 5; to++) {
            bool accepted = s->accepted[from][to] == 'y';
            uint32_t now;

            go_to(src, from);
            g_assert_cmpint(client_set_state(src, to), ==,
                            accepted ? 0 : -EINVAL);
            g_assert_cmpint(client_read_state(src, &now), ==, 0);
            g_assert_cmpuint(now, ==, accepted ? to : from);
            refused += !accepted;
        }
    }
    g_assert_cmpuint(client_status("src").refused, ==, refused);
    assert_clean("src");
    client_close(src);
}

static void test_own_arcs(void)
{
    SimClient *src;

    configure_pair("strictness=kernel\naccept=pre-copy>running\n"
                   "refuse=001>011;001>100\nrefuse-errno=EBUSY", "");
    src = client_open("src", 1);
    g_assert_cmpint(client_set_state(src, PRE_COPY), ==, -EBUSY);
    g_assert_cmpint(client_set_state(src, RESUMING), ==, -EBUSY);
    g_assert_cmpint(client_set_state(src, STOP_COPY), ==, 0);
    g_assert_cmpuint(client_status("src").refused, ==, 2);
    client_close(src);
}

static void test_error_state(void)
{
    SimClient *src;
    uint32_t state;
    uint64_t value;

    configure_pair("", "\n[fault f]\nevent=state-write\nto=pre-copy\n"
                   "device-state=error\nerrno=ENXIO");
    src = client_open("src", 1);
    g_assert_cmpint(client_set_state(src, PRE_COPY), ==, -ENXIO);
    g_assert_cmpint(client_read_state(src, &state), ==, 0);
    g_assert_cmpuint(state, ==, ERROR_STATE);
    for (unsigned to = 0; to < 5; to++) {
        g_assert_cmpint(client_set_state(src, to), ==, -EINVAL);
    }
    g_assert_cmpint(client_pending(src, &value), ==, -EIO);
    g_assert_cmpint(client_data_offset(src, &value), ==, -EIO);
    g_assert_cmpint(client_set_data_size(src, 1), ==, -EIO);
    g_assert_cmpint(ioctl(src->device, VFIO_DEVICE_RESET), ==, 0);
    g_assert_cmpint(client_set_state(src, PRE_COPY), ==, 0);
    g_assert_true(client_status("src").state_lost);
    g_assert_cmpuint(client_status("src").resets, ==, 1);
    assert_clean("src");
    client_close(src);
}

/* ------------------------------------------------------------------------ */
/* Violations                                                               */

static uint64_t word;

static void wrong_width(SimClient *c)
{
    g_assert_cmpint(client_raw(c, false, 8, &word, 4), ==, -EINVAL);
}

static void wrong_offset(SimClient *c)
{
    g_assert_cmpint(client_raw(c, false, 12, &word, 8), ==, -EINVAL);
}

static void wide_state(SimClient *c)
{
    g_assert_cmpint(client_raw(c, true, 0, &word, 8), ==, -EINVAL);
}

static void read_only(SimClient *c)
{
    g_assert_cmpint(client_raw(c, true, 16, &word, 8), ==, -EINVAL);
}

static void invalid_101(SimClient *c)
{
    g_assert_cmpint(client_set_state(c, 5 | 0xa0), ==, -EINVAL);
}

static void invalid_110(SimClient *c)
{
    g_assert_cmpint(client_set_state(c, 6 | 0xa0), ==, -EINVAL);
}

static void reserved_dropped(SimClient *c)
{
    g_assert_cmpint(client_set_state(c, PRE_COPY), ==, 0);
    g_assert_cmpint(client_set_state(c, RUNNING | 0xa0), ==, 0);
}

static void size_first(SimClient *c)
{
    g_assert_cmpint(client_set_state(c, STOP_COPY | 0xa0), ==, 0);
    g_assert_cmpint(client_pending(c, &word), ==, 0);
    g_assert_cmpint(client_data_size(c, &word), ==, -EINVAL);
}

static void offset_first(SimClient *c)
{
    g_assert_cmpint(client_set_state(c, STOP_COPY | 0xa0), ==, 0);
    g_assert_cmpint(client_data_offset(c, &word), ==, -EINVAL);
}

static void offset_at_end(SimClient *c)
{
    g_assert_cmpint(client_set_state(c, PRE_COPY | 0xa0), ==, 0);
    g_assert_cmpint(client_pending(c, &word), ==, 0);
    g_assert_cmpuint(word, ==, 0);
    g_assert_cmpint(client_data_offset(c, &word), ==, -EINVAL);
}

static void pending_early(SimClient *c)
{
    g_assert_cmpint(client_set_state(c, STOP_COPY | 0xa0), ==, 0);
    g_assert_cmpint(client_pending(c, &word), ==, 0);
    g_assert_cmpint(client_data_offset(c, &word), ==, 0);
    g_assert_cmpint(client_pending(c, &word), ==, 0);
}

static void offset_running(SimClient *c)
{
    g_assert_cmpint(client_data_offset(c, &word), ==, -EINVAL);
}

static void size_written_running(SimClient *c)
{
    g_assert_cmpint(client_set_data_size(c, 4096), ==, -EINVAL);
}

static void read_outside(SimClient *c)
{
    g_assert_cmpint(client_raw(c, false, 4096, &word, 8), ==, -EINVAL);
}

static void read_beyond_chunk(SimClient *c)
{
    uint64_t offset;

    g_assert_cmpint(client_set_state(c, STOP_COPY | 0xa0), ==, 0);
    g_assert_cmpint(client_pending(c, &word), ==, 0);
    g_assert_cmpint(client_data_offset(c, &offset), ==, 0);
    g_assert_cmpint(client_data_size(c, &word), ==, 0);
    g_assert_cmpint(client_raw(c, false, offset + word - 4, &word, 8), ==,
                    -EINVAL);
}

static void write_unasked(SimClient *c)
{
    g_assert_cmpint(client_set_state(c, RESUMING | 0xa0), ==, 0);
    g_assert_cmpint(client_raw(c, true, 4096, &word, 8), ==, -EINVAL);
}

static void size_unasked(SimClient *c)
{
    g_assert_cmpint(client_set_state(c, RESUMING | 0xa0), ==, 0);
    g_assert_cmpint(client_set_data_size(c, 4096), ==, -EINVAL);
}

static void size_of(SimClient *c, uint64_t size)
{
    g_assert_cmpint(client_set_state(c, RESUMING | 0xa0), ==, 0);
    g_assert_cmpint(client_data_offset(c, &word), ==, 0);
    g_assert_cmpint(client_set_data_size(c, size), ==, -EINVAL);
}

static void size_zero(SimClient *c)
{
    size_of(c, 0);
}

static void size_beyond(SimClient *c)
{
    size_of(c, 65537);
}

static void size_huge(SimClient *c)
{
    size_of(c, UINT64_MAX);
}

static void between(SimClient *c)
{
    g_assert_cmpint(client_raw(c, false, 0x100, &word, 8), ==, -EINVAL);
}

static void across_the_end(SimClient *c)
{
    g_assert_cmpint(client_raw(c, true, 4096 + 65536 - 4, &word, 8), ==,
                    -EINVAL);
}

typedef struct Violation {
    const char *name;
    void (*commit)(SimClient *c);
} Violation;

static const Violation violations[] = {
    { "width", wrong_width },
    { "offset", wrong_offset },
    { "wide-state", wide_state },
    { "read-only", read_only },
    { "state-101", invalid_101 },
    { "state-110", invalid_110 },
    { "reserved-bits", reserved_dropped },
    { "size-before-offset", size_first },
    { "offset-before-pending", offset_first },
    { "offset-at-end", offset_at_end },
    { "pending-before-size", pending_early },
    { "offset-while-running", offset_running },
    { "size-while-running", size_written_running },
    { "read-outside", read_outside },
    { "read-beyond-chunk", read_beyond_chunk },
    { "write-unasked", write_unasked },
    { "size-unasked", size_unasked },
    { "size-zero", size_zero },
    { "size-beyond", size_beyond },
    { "size-huge", size_huge },
    { "between-parts", between },
    { "across-the-end", across_the_end },
};

static void test_violation(gconstpointer opaque)
{
    const Violation *v = opaque;
    SimClient *src;
    uint32_t state;

    configure_pair("reserved-bits=0xa0\nwindow-size=64K\nareas=none\n"
                   "chunk-size=4K", "");
    src = client_open("src", 1);
    g_assert_cmpint(client_read_state(src, &state), ==, 0);
    g_assert_cmpuint(state, ==, 0xa1);
    g_assert_cmpuint(client_status("src").violations, ==, 0);
    v->commit(src);
    g_assert_cmpuint(client_status("src").violations, ==, 1);
    g_assert_cmpint(client_read_state(src, &state), ==, 0);
    g_assert_cmpuint(state & ~7u, ==, 0xa0);
    client_close(src);
}

/* The contract allows these. */
static void test_allowed(void)
{
    uint64_t a, b;
    SimClient *src;

    configure_pair("window-size=64K", "");
    src = client_open("src", 1);
    g_assert_cmpint(client_raw(src, false, 4, &word, 4), ==, 4);
    g_assert_cmpint(client_raw(src, true, 4, &word, 4), ==, 4);
    g_assert_cmpint(client_pending(src, &a), ==, 0);
    g_assert_cmpuint(a, ==, 0);
    g_assert_cmpint(client_set_state(src, STOP_COPY), ==, 0);
    g_assert_cmpint(client_pending(src, &a), ==, 0);
    g_assert_cmpint(client_pending(src, &b), ==, 0);
    g_assert_cmpuint(a, ==, b);
    g_assert_cmpint(client_data_offset(src, &a), ==, 0);
    g_assert_cmpint(client_data_offset(src, &b), ==, 0);
    g_assert_cmpuint(a, ==, b);
    g_assert_cmpint(client_data_size(src, &a), ==, 0);
    g_assert_cmpint(client_data_size(src, &b), ==, 0);
    g_assert_cmpuint(a, ==, b);
    /* Trapped access to a mapped area is allowed (1.7). */
    g_assert_cmpint(client_raw(src, false, 4096, &word, 8), ==, 8);
    assert_clean("src");
    client_close(src);
}

/* ------------------------------------------------------------------------ */

void sim_test_migration_add(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(layouts); i++) {
        g_autofree char *p = g_strdup_printf("/sim/layout/%s",
                                             layouts[i].name);
        g_test_add_data_func(p, &layouts[i], test_layout);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(damages); i++) {
        g_autofree char *p = g_strdup_printf("/sim/damage/%s",
                                             damages[i].name);
        g_test_add_data_func(p, &damages[i], test_damage);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(strictness); i++) {
        g_autofree char *p = g_strdup_printf("/sim/strictness/%s",
                                             strictness[i].name);
        g_test_add_data_func(p, &strictness[i], test_strictness);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(violations); i++) {
        g_autofree char *p = g_strdup_printf("/sim/violation/%s",
                                             violations[i].name);
        g_test_add_data_func(p, &violations[i], test_violation);
    }
    g_test_add_func("/sim/damage/recorded", test_damage_recorded);
    g_test_add_func("/sim/damage/no-data", test_require_data);
    g_test_add_func("/sim/precopy", test_precopy);
    g_test_add_func("/sim/redirty", test_redirty);
    g_test_add_data_func("/sim/unacked/sent", GINT_TO_POINTER(1),
                         test_unacked);
    g_test_add_data_func("/sim/unacked/dropped", GINT_TO_POINTER(0),
                         test_unacked);
    g_test_add_func("/sim/rates", test_rates);
    g_test_add_func("/sim/ping-pong", test_ping_pong);
    g_test_add_func("/sim/strictness/own", test_own_arcs);
    g_test_add_func("/sim/error-state", test_error_state);
    g_test_add_func("/sim/allowed", test_allowed);
}
