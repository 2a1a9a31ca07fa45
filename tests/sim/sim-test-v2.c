/*
 * Tests of the simulated device: protocol v2
 *
 * Owns: whole migrations by each profile, what the flags say, sessions and
 * their data fds, how reads and writes behave, and kernels that know less.
 * Does not own: arcs and ways (sim-test-v2-arcs.c), faults and what counts
 * as a violation (sim-test-v2-faults.c).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
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

void sim_test_v2_add(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(profiles); i++) {
        g_autofree char *path = g_strdup_printf("/sim/v2/profile/%s",
                                                profiles[i].name);

        g_test_add_data_func(path, &profiles[i], test_profile);
    }
}
