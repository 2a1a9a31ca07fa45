/*
 * Tests of the simulated device: loading by protocol v2
 *
 * Owns: what a device finds wrong in the bytes that are written to it,
 * where it says so, how much it takes, and how a load is given up.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/vfio.h>

#include "sim-client-v2.h"
#include "sim-test.h"

#define SAVER "protocol=v2\np2p=yes\npre-copy=yes\nprecopy-size=200\n" \
              "state-size=1000\n"
#define PRECOPY_BYTES 200
#define ALL_BYTES 1200

/* An image of two records: 200 bytes of pre-copy, then 1000 */
static GByteArray *image(void)
{
    GByteArray *bytes = g_byte_array_new();
    SimClient *c = sim_test_open("", SAVER "seed=1");
    int fd;

    g_assert_cmpint(v2_set(c, V2_PRE_COPY, &fd), ==, 0);
    g_assert_cmpint(v2_read_all(fd, bytes, 4096), ==, -ENOMSG);
    g_assert_cmpuint(bytes->len, ==, PRECOPY_BYTES);
    g_assert_cmpint(v2_set(c, V2_STOP_COPY, &(int) { 0 }), ==, 0);
    g_assert_cmpint(v2_read_all(fd, bytes, 4096), ==, 0);
    g_assert_cmpuint(bytes->len, ==, ALL_BYTES);
    close(fd);
    client_close(c);
    return bytes;
}

static SimClient *open_load(const char *keys, int *fd)
{
    g_autofree char *all = g_strdup_printf(SAVER "seed=2\n%s", keys);
    SimClient *c = sim_test_open("", all);

    g_assert_cmpint(v2_set(c, V2_RESUMING, fd), ==, 0);
    return c;
}

/* What RESUMING -> STOP gives */
static int finish(SimClient *c)
{
    return v2_set(c, V2_STOP, &(int) { 0 });
}

/* ------------------------------------------------------------------------ */

/* Any byte that is not as it was sent, wherever it is */
static void test_every_byte(void)
{
    g_autoptr(GByteArray) bytes = image();

    for (unsigned i = 0; i < bytes->len; i += i < 300 ? 1 : 7) {
        int fd, ret;
        SimClient *c = open_load("", &fd);

        bytes->data[i] ^= 0x10;
        ret = v2_write_all(fd, bytes->data, bytes->len, 64);
        bytes->data[i] ^= 0x10;
        g_assert_cmpint(ret, ==, -EINVAL);
        g_assert_cmpuint(client_status("dev").corrupt, ==, 1);
        g_assert_cmpint(v2_write(fd, bytes->data, 1), ==, -EIO);
        g_assert_cmpint(finish(c), ==, -EINVAL);
        g_assert_cmpint(v2_get(c), ==, V2_RESUMING);
        g_assert_cmpstr(client_status("dev").loaded_digest, ==, "");
        close(fd);
        client_close(c);
    }
}

typedef struct Edit {
    const char *name;
    struct {
        unsigned at, len;
    } parts[3];                     /* pieces of the image, in order */
    bool write_fails;
} Edit;

static const Edit edits[] = {
    { "as-it-is", { { 0, 1200 } }, false },
    { "cut", { { 0, 1199 } }, false },
    { "nothing-of-the-last", { { 0, 200 } }, false },
    { "half-a-head", { { 0, 230 } }, false },
    { "pre-copy-left-out", { { 200, 1000 } }, true },
    { "one-byte-left-out", { { 0, 700 }, { 701, 499 } }, true },
    { "a-word-left-out", { { 0, 704 }, { 712, 488 } }, true },
    { "pre-copy-twice", { { 0, 200 }, { 0, 200 }, { 200, 1000 } }, true },
    { "a-piece-twice", { { 0, 704 }, { 600, 600 } }, true },
    { "more-behind-it", { { 0, 1200 }, { 0, 1 } }, true },
    { "another-head-behind-it", { { 0, 1200 }, { 0, 200 } }, true },
};

static void test_edit(gconstpointer opaque)
{
    const Edit *e = opaque;
    g_autoptr(GByteArray) bytes = image();
    bool right = e == &edits[0];
    int fd, ret = 0;
    SimClient *c = open_load("", &fd);

    for (unsigned i = 0; !ret && i < 3 && e->parts[i].len; i++) {
        ret = v2_write_all(fd, bytes->data + e->parts[i].at,
                           e->parts[i].len, 4096);
    }
    g_assert_cmpint(ret, ==, e->write_fails ? -EINVAL : 0);
    g_assert_cmpuint(client_status("dev").corrupt, ==, e->write_fails);
    g_assert_cmpint(finish(c), ==, right ? 0 : -EINVAL);
    g_assert_cmpint(v2_get(c), ==, right ? V2_STOP : V2_RESUMING);
    g_assert_cmpuint(client_status("dev").incomplete, ==, !right);
    g_assert_cmpint(client_status("dev").loaded, ==, right);
    close(fd);
    client_close(c);
}

typedef struct Rule {
    const char *name;
    const char *keys;
    const char *what;               /* "cut" or "wrong" or "right" */
    int write_ret;
    int finish_ret;
    int state;
} Rule;

static const Rule rules[] = {
    { "write", "", "wrong", -EINVAL, -EINVAL, V2_RESUMING },
    { "write-errno", "data-errno=EOPNOTSUPP", "wrong", -EOPNOTSUPP, -EINVAL,
      V2_RESUMING },
    { "stop", "data-check=stop", "wrong", 0, -EINVAL, V2_RESUMING },
    { "never", "data-check=never", "wrong", 0, 0, V2_STOP },
    { "cut", "", "cut", 0, -EINVAL, V2_RESUMING },
    { "cut-error", "on-incomplete=error", "cut", 0, -EINVAL, V2_ERROR },
    { "cut-ignored", "completeness=ignore", "cut", 0, 0, V2_STOP },
    { "cut-never", "data-check=never", "cut", 0, -EINVAL, V2_RESUMING },
    { "wrong-ignored", "completeness=ignore", "wrong", -EINVAL, -EINVAL,
      V2_RESUMING },
    { "wrong-stop-ignored", "completeness=ignore\ndata-check=stop", "wrong",
      0, -EINVAL, V2_RESUMING },
    { "format", "format=7", "right", -EINVAL, -EINVAL, V2_RESUMING },
    { "no-pre-copy", "pre-copy=no", "right", -EINVAL, -EINVAL, V2_RESUMING },
    { "max", "load-max=1200", "right", 0, 0, V2_STOP },
    { "beyond-max", "load-max=1199", "right", -ENOMEM, -EINVAL,
      V2_RESUMING },
    { "beyond-max-errno", "load-max=1199\nload-max-errno=EINVAL", "right",
      -EINVAL, -EINVAL, V2_RESUMING },
    { "beyond-max-ignored", "load-max=1199\ncompleteness=ignore", "right",
      -ENOMEM, -EINVAL, V2_RESUMING },
};

static void test_rule(gconstpointer opaque)
{
    const Rule *r = opaque;
    g_autoptr(GByteArray) bytes = image();
    bool whole = r->finish_ret == 0 && strcmp(r->what, "right") == 0;
    int fd;
    SimClient *c = open_load(r->keys, &fd);
    g_autofree char *virgin = g_strdup(client_status("dev").digest);

    if (strcmp(r->what, "wrong") == 0) {
        bytes->data[900] ^= 1;
    } else if (strcmp(r->what, "cut") == 0) {
        g_byte_array_set_size(bytes, 1000);
    }
    g_assert_cmpint(v2_write_all(fd, bytes->data, bytes->len, 100), ==,
                    r->write_ret);
    g_assert_cmpint(finish(c), ==, r->finish_ret);
    g_assert_cmpint(v2_get(c), ==, r->state);
    g_assert_cmpint(client_status("dev").loaded, ==, r->finish_ret == 0);
    g_assert_cmpint(client_status("dev").loaded_digest[0] != 0, ==, whole);
    g_assert_cmpint(strcmp(client_status("dev").digest, virgin) != 0, ==,
                    r->finish_ret == 0);
    close(fd);
    g_assert_cmpint(ioctl(c->device, VFIO_DEVICE_RESET), ==, 0);
    g_assert_cmpint(v2_get(c), ==, V2_RUNNING);
    g_assert_cmpuint(client_status("dev").violations, ==, 0);
    client_close(c);
}

/* The limit is of one load, not of the device's life. */
static void test_max_again(void)
{
    g_autoptr(GByteArray) bytes = image();
    int fd;
    SimClient *c = open_load("load-max=1200", &fd);

    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmpint(v2_write_all(fd, bytes->data, bytes->len, 100), ==,
                        0);
        g_assert_cmpint(finish(c), ==, 0);
        close(fd);
        g_assert_cmpint(v2_set(c, V2_RESUMING, &fd), ==, 0);
    }
    close(fd);
    client_close(c);
}

/* A load that failed is over with a reset; a data fd with its session. */
static void test_again(void)
{
    g_autoptr(GByteArray) bytes = image();
    int fd, next;
    SimClient *c = open_load("", &fd);

    g_assert_cmpint(v2_write(fd, "no head", 7), ==, 7);
    g_assert_cmpint(v2_write(fd, bytes->data, 100), ==, -EINVAL);
    g_assert_cmpint(ioctl(c->device, VFIO_DEVICE_RESET), ==, 0);
    g_assert_cmpint(v2_set(c, V2_RESUMING, &next), ==, 0);
    g_assert_cmpint(v2_write(fd, bytes->data, 100), ==, -ENODEV);
    g_assert_cmpint(v2_write_all(next, bytes->data, bytes->len, 100), ==, 0);
    g_assert_cmpint(finish(c), ==, 0);
    g_assert_cmpint(v2_write(next, bytes->data, 1), ==, -ENODEV);
    g_assert_true(client_status("dev").loaded);
    close(fd);
    close(next);
    client_close(c);
}

/* Without data: nothing was loaded, which only some drivers refuse. */
static void test_no_data(void)
{
    int fd;
    SimClient *c = open_load("", &fd);

    g_assert_cmpint(finish(c), ==, 0);
    g_assert_false(client_status("dev").loaded);
    close(fd);
    client_close(c);
    c = open_load("require-data=yes", &fd);
    g_assert_cmpint(finish(c), ==, -EINVAL);
    close(fd);
    client_close(c);
}

void sim_test_v2_load_add(void)
{
    g_test_add_func("/sim/v2/load/every-byte", test_every_byte);
    for (size_t i = 0; i < G_N_ELEMENTS(edits); i++) {
        g_autofree char *path = g_strdup_printf("/sim/v2/load/edit/%s",
                                                edits[i].name);

        g_test_add_data_func(path, &edits[i], test_edit);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(rules); i++) {
        g_autofree char *path = g_strdup_printf("/sim/v2/load/rule/%s",
                                                rules[i].name);

        g_test_add_data_func(path, &rules[i], test_rule);
    }
    g_test_add_func("/sim/v2/load/max-again", test_max_again);
    g_test_add_func("/sim/v2/load/again", test_again);
    g_test_add_func("/sim/v2/load/no-data", test_no_data);
}
