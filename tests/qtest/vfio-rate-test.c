/*
 * max-bandwidth with devices that send more at once than it allows
 *
 * Owns: machines without a guest whose devices have far more pre-copy data than
 * the limit allows to send during a case: how much is sent in a while, and that
 * each device and RAM get a share.
 * Does not own: the arithmetic (tests/unit/test-migration-credit.c), what is
 * sent once the VM is stopped, which is unlimited (vfio-stop-copy-test.c).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "vfio-test.h"

#include <inttypes.h>

#define MIB             (INT64_C(1) << 20)
#define LIMIT           (32 * MIB)      /* per second */
#define START_MS        10000
#define RAM_MIB         256

/* @devices devices with endless data in chunks of @chunk bytes */
static VFIOPair *start_pair(unsigned devices, const char *chunk,
                            unsigned ram_mib)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);
    VFIOSide *sides[] = { pair->src, pair->dst };

    for (unsigned i = 0; i < G_N_ELEMENTS(sides); i++) {
        VFIOSide *side = sides[i];

        side->ram_mib = ram_mib;
        vfio_side_set_keys(side, "dev0", "dma-rate=0;precopy-size=1G;"
                           "precopy-rate=4G;verify=none");
        vfio_side_set(side, "dev0", "window-size", "%s", chunk);
        vfio_side_set(side, "dev0", "chunk-size", "%s", chunk);
        side->multi = devices > 1;
        for (unsigned d = 1; d < devices; d++) {
            vfio_side_add_device(side);
        }
    }
    vfio_pair_start(pair);
    migrate_set_parameter_int(pair->src->qts, "max-bandwidth", LIMIT);
    migrate_set_parameter_int(pair->src->qts, "downtime-limit", 1);
    return pair;
}

static int64_t device_bytes(VFIOSide *side, const char *device)
{
    QDict *property = vfio_side_property(side, device);
    int64_t bytes = qdict_get_int(property, "transferred-bytes");

    qobject_unref(property);
    return bytes;
}

static int64_t ram_bytes(VFIOSide *side)
{
    QDict *info = migrate_query_not_failed(side->qts);
    int64_t bytes;

    g_assert_cmpstr(qdict_get_str(info, "status"), ==, "active");
    bytes = qdict_get_int(qdict_get_qdict(info, "ram"), "transferred");
    qobject_unref(info);
    return bytes;
}

static int64_t chunks(VFIOSide *side)
{
    QDict *property = vfio_side_property(side, "dev0");
    int64_t count = qdict_get_int(property, "chunks");

    qobject_unref(property);
    return count;
}

/* Wait until dev0 has sent another chunk; returns the time in us */
static int64_t wait_chunk(VFIOSide *side, int64_t *count)
{
    int64_t start_us = g_get_monotonic_time();
    int64_t before = chunks(side);

    while ((*count = chunks(side)) == before) {
        if (g_get_monotonic_time() > start_us + START_MS * INT64_C(1000)) {
            vfio_side_fail(side, "nothing was sent for %d ms", START_MS);
        }
        g_usleep(2000);
    }
    return g_get_monotonic_time();
}

static void stop_pair(VFIOPair *pair)
{
    migrate_cancel(pair->src->qts);
    wait_for_migration_status(pair->src->qts, "cancelled", NULL);
    vfio_side_kill(pair->dst);
    vfio_pair_free(pair);
}

/* Measured between ends of chunks, for at least some seconds */
static void test_large_chunks(const void *mib)
{
    int64_t chunk = GPOINTER_TO_INT(mib) * MIB;
    g_autofree char *size = g_strdup_printf("%" PRId64, chunk);
    double seconds = g_test_slow() ? 10 : 5;
    VFIOPair *pair = start_pair(1, size, 32);
    int64_t from_us, till_us, from, till, ram;
    double rate;

    vfio_pair_begin(pair);
    wait_chunk(pair->src, &from);
    from_us = wait_chunk(pair->src, &from);
    ram = ram_bytes(pair->src);
    do {
        till_us = wait_chunk(pair->src, &till);
    } while (till_us - from_us < seconds * 1e6);
    rate = ((till - from) * chunk + ram_bytes(pair->src) - ram) * 1e6 /
           (till_us - from_us);
    g_test_message("%.2f MiB/s in %.1f s", rate / MIB,
                   (till_us - from_us) / 1e6);
    if (rate > 1.1 * LIMIT || rate < 0.9 * LIMIT) {
        vfio_side_fail(pair->src, "%.1f MiB/s went out, the limit was 32",
                       rate / MIB);
    }
    stop_pair(pair);
}

/*
 * Two devices, and RAM that takes long to send: all of them share what can be
 * sent in six seconds, however long this machine takes for it.
 */
static void test_shares(const void *chunk)
{
    VFIOPair *pair = start_pair(2, chunk, RAM_MIB);
    int64_t ram, bytes[2], sum, us, start_us;

    /* Pages of zeroes take no space in the stream. */
    qtest_memset(pair->src->qts, MIB, 0x5a, (RAM_MIB - 1) * MIB);
    start_us = g_get_monotonic_time();
    vfio_pair_begin(pair);
    wait_for_migration_status(pair->src->qts, "active", NULL);
    do {
        g_usleep(50 * 1000);
        ram = ram_bytes(pair->src);
        bytes[0] = device_bytes(pair->src, "dev0");
        bytes[1] = device_bytes(pair->src, "dev1");
        us = g_get_monotonic_time() - start_us;
        sum = ram + bytes[0] + bytes[1];
    } while (sum < 6 * LIMIT && us < 60 * G_USEC_PER_SEC);
    g_test_message("in %.1f s: dev0: %.1f MiB, dev1: %.1f MiB, RAM: %.1f MiB",
                   us / 1e6, (double)bytes[0] / MIB, (double)bytes[1] / MIB,
                   (double)ram / MIB);
    /* Each device gets a sixth, and in more than one chunk */
    g_assert_cmpint(bytes[0], >, LIMIT);
    g_assert_cmpint(bytes[1], >, LIMIT);
    g_assert_cmpint(ram, >, LIMIT * 3 / 2);
    /* At most one chunk exceeds the limit. */
    g_assert_cmpint(sum, <, (int64_t)(LIMIT * (us / 1e6 + 1)) + 16 * MIB);
    stop_pair(pair);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_data_case("vfio/rate/chunks/16M", GINT_TO_POINTER(16),
                        test_large_chunks);
    qtest_add_data_case("vfio/rate/chunks/64M", GINT_TO_POINTER(64),
                        test_large_chunks);
    qtest_add_data_case("vfio/rate/shares/64K", "64K", test_shares);
    qtest_add_data_case("vfio/rate/shares/16M", "16M", test_shares);
    return g_test_run();
}
