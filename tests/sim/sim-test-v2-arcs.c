/*
 * Tests of the simulated device: arcs and ways of protocol v2
 *
 * Owns: from each state to each other one, by each set of flags: which arcs
 * the driver is asked for, where the device is then, and whether a data fd
 * comes back. The table is the client's (sim-client-v2.c).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <glib/gstdio.h>
#include <linux/vfio.h>

#include "sim-client-v2.h"
#include "sim-test.h"

static char *directory, *transcript;

static char *transcript_text(void)
{
    char *text;

    g_assert_true(g_file_get_contents(transcript, &text, NULL, NULL));
    return text;
}

/* Arcs in the transcript behind the first @skip bytes, as in the table */
static char *seen_way(size_t skip, unsigned from)
{
    g_autofree char *text = transcript_text();
    g_auto(GStrv) lines = g_strsplit(text + skip, "\n", -1);
    GString *way = g_string_new(NULL);
    char left[32], right[32];

    for (unsigned i = 0; lines[i]; i++) {
        const char *arc = strstr(lines[i], " state-write ");

        if (arc && sscanf(arc, " state-write from=%31s to=%31s ret=0", left,
                          right) == 2) {
            g_assert_cmpuint(v2_state(left), ==, from);
            from = v2_state(right);
            g_string_append_c(way, '0' + from);
        }
    }
    return g_string_free(way, FALSE);
}

static bool saves(unsigned state)
{
    return state == V2_STOP_COPY || state == V2_PRE_COPY ||
           state == V2_PRE_COPY_P2P;
}

static bool session_begins(unsigned from, unsigned to)
{
    return (saves(to) && !saves(from)) ||
           (to == V2_RESUMING && from != V2_RESUMING);
}

static SimClient *open_in(unsigned flags, unsigned state, int *fd)
{
    g_autofree char *text =
        g_strdup_printf("[sim]\ntranscript=%s\n[device dev]\ngroup=1\n"
                        "protocol=v2\np2p=%s\npre-copy=%s\n"
                        "[fault error]\nevent=state-write\nto=resuming\n"
                        "count=%u\ndevice-state=error\n", transcript,
                        flags & 2 ? "yes" : "no", flags & 4 ? "yes" : "no",
                        state == V2_ERROR ? 1 : 100);
    SimClient *c;

    sim_test_configure(text);
    c = client_open("dev", 1);
    *fd = -1;
    if (state == V2_ERROR) {
        g_assert_cmpint(v2_set(c, V2_RESUMING, fd), ==, -EIO);
    } else {
        g_assert_cmpint(v2_set(c, state, fd), ==, 0);
    }
    g_assert_cmpint(v2_get(c), ==, state);
    return c;
}

static void try_way(unsigned flags, unsigned from, unsigned to)
{
    g_autofree char *want = v2_way(flags, from, to);
    g_autofree char *before = NULL, *way = NULL;
    bool refused = !want;
    int old_fd, fd, ret;
    SimClient *c = open_in(flags, from, &old_fd);

    before = transcript_text();
    ret = v2_set(c, to, &fd);
    way = seen_way(strlen(before), from);
    g_test_message("flags %u: from %u to %u: '%s', want '%s'", flags, from,
                   to, way, want ? want : "none");
    g_assert_cmpint(ret, ==, refused ? -EINVAL : 0);
    g_assert_cmpstr(way, ==, refused ? "" : want);
    g_assert_cmpint(v2_get(c), ==, refused ? from : to);
    g_assert_cmpint(fd >= 0, ==, !refused && session_begins(from, to));
    if (fd < 0) {
        g_assert_cmpint(fd, ==, -1);
    } else {
        close(fd);
    }
    if (old_fd >= 0) {
        close(old_fd);
    }
    client_close(c);
}

static void test_ways(gconstpointer opaque)
{
    unsigned flags = GPOINTER_TO_UINT(opaque), count = 0;

    for (unsigned from = 0; from < V2_NUM_STATES; from++) {
        for (unsigned to = 0; v2_has_state(flags, from) && to < V2_NUM_STATES;
             to++) {
            try_way(flags, from, to);
            count++;
        }
    }
    g_assert_cmpuint(count, ==, 8 * (5 + !!(flags & 2) + !!(flags & 4) +
                                     (flags == 7)));
}

/* A way stops at the arc that fails, and what comes back says nothing. */
static void test_halfway(void)
{
    int fd, ignored;
    SimClient *c;

    sim_test_configure("[device dev]\ngroup=1\nprotocol=v2\np2p=yes\n"
                       "pre-copy=yes\n"
                       "[fault stop]\nevent=state-write\nfrom=running-p2p\n"
                       "to=stop\nerrno=EBUSY\n"
                       "[fault copy]\nevent=state-write\n"
                       "from=pre-copy-p2p\nto=stop-copy\nerrno=EINTR\n"
                       "[fault dead]\nevent=state-write\nto=resuming\n"
                       "device-state=error\n");
    c = client_open("dev", 1);
    g_assert_cmpint(v2_set(c, V2_STOP_COPY, &fd), ==, -EBUSY);
    g_assert_cmpint(fd, ==, -1);
    g_assert_cmpint(v2_get(c), ==, V2_RUNNING_P2P);
    g_assert_cmpint(v2_set(c, V2_PRE_COPY, &fd), ==, 0);
    g_assert_cmpint(v2_set(c, V2_STOP_COPY, &ignored), ==, -EINTR);
    g_assert_cmpint(v2_get(c), ==, V2_PRE_COPY_P2P);
    g_assert_cmpint(v2_set(c, V2_STOP_COPY, &ignored), ==, 0);
    g_assert_cmpint(ignored, ==, -1);
    g_assert_cmpint(v2_read(fd, &ignored, 4), ==, 4);
    g_assert_cmpint(v2_set(c, V2_RESUMING, &ignored), ==, -EIO);
    g_assert_cmpint(v2_get(c), ==, V2_ERROR);
    g_assert_cmpint(v2_read(fd, &ignored, 4), ==, -ENODEV);
    g_assert_cmpint(v2_set(c, V2_STOP, &ignored), ==, -EINVAL);
    g_assert_cmpint(ioctl(c->device, VFIO_DEVICE_RESET), ==, 0);
    g_assert_cmpint(v2_get(c), ==, V2_RUNNING);
    close(fd);
    client_close(c);
}

static void make_directory(void)
{
    g_autoptr(GError) err = NULL;

    directory = g_dir_make_tmp("sim-test-XXXXXX", &err);
    g_assert_no_error(err);
    transcript = g_build_filename(directory, "transcript", NULL);
}

static void test_all(gconstpointer opaque)
{
    make_directory();
    test_ways(opaque);
    vfio_sim_shutdown();
    g_unlink(transcript);
    g_rmdir(directory);
    g_free(transcript);
    g_free(directory);
}

void sim_test_v2_arcs_add(void)
{
    for (unsigned flags = 1; flags < 8; flags += 2) {
        g_autofree char *path = g_strdup_printf("/sim/v2/ways/%u", flags);

        g_test_add_data_func(path, GUINT_TO_POINTER(flags), test_all);
    }
    g_test_add_func("/sim/v2/ways/halfway", test_halfway);
}
