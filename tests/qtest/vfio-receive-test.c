/*
 * A device's state arrives through each kind of channel
 *
 * Owns: migration through sockets, TLS and a command's pipe, to a destination
 * that keeps up, and to a slow one, which uses a thread. The state must be
 * right.
 * Does not own: short reads and EOF (test-migration-receive.c), failures of
 * that thread (test-writer.c). Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <glib/gstdio.h>

#include "migration-helpers.h"
#include "vfio-test.h"

typedef struct Way {
    const char *name;
    const char *keys;           /* of dev0 on both sides */
    const char *uri;            /* NULL: a Unix socket; %s: the directory */
    bool tls;
    bool slow;                  /* slow destination */
    bool widened;               /* the source's socket buffer grows */
} Way;

#define MAPPED "window-size=1M;areas=all;state-size=8M"
#define MIXED  "window-size=1M;areas=stripes:64K;state-size=8M"

static const Way ways[] = {
    { "unix/mapped", MAPPED, .widened = true },
    { "unix/mixed", MIXED },
    { "unix/slow", MIXED, .slow = true },
    { "tcp/mapped", MAPPED, "tcp:127.0.0.1:0" },
    { "tcp/slow", MAPPED, "tcp:127.0.0.1:0", .slow = true },
    { "tls/mapped", MAPPED, .tls = true },
    { "tls/slow", MIXED, .tls = true, .slow = true },
    { "exec/mapped", MAPPED, "exec:cat %s/fifo" },
    { "exec/slow", MIXED, "exec:cat %s/fifo", .slow = true },
};

static void set_incoming(VFIOPair *pair, const Way *way)
{
    char **parts;

    if (way->uri) {
        parts = g_strsplit(way->uri, "%s", 2);
        g_free(pair->dst->incoming);
        pair->dst->incoming = g_strjoinv(qtest_tmpdir(), parts);
        g_strfreev(parts);
    }
}

/* The source's URI for that */
static char *outgoing(VFIOPair *pair, const Way *way)
{
    g_autofree char *info = NULL;
    const char *port;

    if (!way->uri) {
        return g_strdup(pair->dst->incoming);
    }
    if (g_str_has_prefix(way->uri, "exec:")) {
        return g_strdup_printf("exec:cat >%s/fifo", qtest_tmpdir());
    }
    info = qtest_hmp(pair->dst->qts, "info migrate");
    port = strstr(info, "tcp:127.0.0.1:");
    g_assert_nonnull(port);
    return g_strndup(port, strcspn(port, "\r\n \t"));
}

/* The kernel's limit depends on QEMU's privileges, but the buffer must grow. */
static void check_widened(VFIOPair *pair, bool widened)
{
    g_autofree char *text = qtest_stderr(pair->src->qts);
    const char *told = strstr(text, "vfio_migration_channel ");
    int bytes = -1;

    if (told) {
        sscanf(told, "vfio_migration_channel  fd %*d: %d bytes", &bytes);
    }
    if (widened ? bytes < 128 * 1024 : bytes != 0) {
        vfio_side_fail(pair->src, "the channel's buffer got %d bytes", bytes);
    }
}

static void test_way(const void *opaque)
{
    const Way *way = opaque;
    g_autofree char *fifo = g_build_filename(qtest_tmpdir(), "fifo", NULL);
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);
    g_autofree char *uri = NULL;

    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    vfio_pair_set_keys(pair, way->keys);
    if (way->slow) {
        vfio_side_set(pair->dst, "dev0", "load-rate", "100M");
    }
    if (way->tls) {
        vfio_pair_use_tls(pair);
    }
    set_incoming(pair, way);
    g_string_append(pair->src->args, " -trace vfio_migration_channel");
    vfio_pair_start(pair);
    migrate_set_parameter_int(pair->src->qts, "max-bandwidth", MIGRATE_FAST);
    migrate_set_parameter_int(pair->src->qts, "downtime-limit", 60000);
    uri = outgoing(pair, way);
    migrate_qmp(pair->src->qts, uri, "{}");
    vfio_pair_finish(pair);
    vfio_pair_check(pair);
    if (way->widened || g_str_has_prefix(way->name, "tcp/")) {
        check_widened(pair, way->widened);
    }
    vfio_pair_free(pair);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(ways); i++) {
        g_autofree char *name = g_strconcat("vfio/receive/", ways[i].name,
                                            NULL);

        qtest_add_data_case(name, &ways[i], test_way);
    }
    return g_test_run();
}
