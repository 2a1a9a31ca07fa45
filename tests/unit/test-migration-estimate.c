/*
 * Tests of hw/vfio/migration-estimate.c
 *
 * The decision whether the VM may be stopped is compared with an exact
 * calculation; the rest is tested piece by piece. Whole migrations are tested
 * in tests/component/test-switch-over.c and
 * tests/qtest/vfio-switch-over-test.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/vfio/migration-estimate.h"

#define MS              INT64_C(1000000)    /* in ns */
#define MB              UINT64_C(1000000)

static void look_at(VFIOMigEstimate *e, int64_t now_ms, uint64_t threshold,
                    uint64_t limit_ms, uint64_t others)
{
    VFIOMigLook look = {
        .now_ns = now_ms * MS, .threshold_bytes = threshold,
        .limit_ms = limit_ms, .others_bytes = others,
    };

    vfio_mig_estimate_look(e, &look);
}

static void update_stop(VFIOMigEstimate *e, uint64_t stop)
{
    VFIOMigSizes sizes = { .stop_known = true, .stop_bytes = stop };

    vfio_mig_estimate_update(e, &sizes);
}

static void update_both(VFIOMigEstimate *e, uint64_t initial, uint64_t dirty,
                        uint64_t stop)
{
    VFIOMigSizes sizes = {
        .precopy_known = true, .initial_bytes = initial, .dirty_bytes = dirty,
        .stop_known = true, .stop_bytes = stop,
    };

    vfio_mig_estimate_update(e, &sizes);
}

/* Long enough for any rate to be taken for the stream's. */
#define TOLD_MS         (INT64_C(1) << 40)

/* ---- the decision ---- */

static bool qemu_stops(uint64_t sum, uint64_t threshold)
{
    return !sum || sum < threshold;
}

/*
 * Stop if (others + readable) / threshold + rest / best < 1; threshold and best
 * are bytes per downtime limit. *even: closer to 1 than a double can resolve.
 */
static bool model_stops(uint64_t others, uint64_t readable, uint64_t rest,
                        uint64_t threshold, uint64_t best, bool *even)
{
    unsigned __int128 needed, there;

    best = MAX(best + 1, threshold);
    needed = (unsigned __int128)(others + readable) * best +
             (unsigned __int128)rest * threshold;
    there = (unsigned __int128)threshold * best;
    *even = (needed > there ? needed - there : there - needed) <=
            there >> 48;
    return !(others + readable + rest) || (threshold && needed < there);
}

static uint64_t random_bytes(unsigned bits)
{
    uint64_t value = ((uint64_t)g_test_rand_int() << 32) |
                     (uint32_t)g_test_rand_int();

    return bits ? value >> (64 - bits) : 0;
}

/* Returns whether the VM is stopped; -1 if it is too close to tell. */
static int check_decision(unsigned bits)
{
    uint64_t best = random_bytes(g_test_rand_int_range(0, bits));
    uint64_t threshold = random_bytes(g_test_rand_int_range(0, bits));
    uint64_t others = random_bytes(g_test_rand_int_range(0, bits));
    uint64_t readable = random_bytes(g_test_rand_int_range(0, bits));
    uint64_t rest = random_bytes(g_test_rand_int_range(0, bits));
    uint64_t limit = g_test_rand_int_range(1, 5000);
    bool even, stops;
    VFIOMigEstimate e;

    vfio_mig_estimate_begin(&e, 0, 0);
    look_at(&e, 0, 0, limit, 0);
    look_at(&e, TOLD_MS, best + 1, limit, 0);
    look_at(&e, 2 * TOLD_MS, threshold, limit, others);
    update_both(&e, 0, readable, readable + rest);
    stops = model_stops(others, readable, rest, threshold, best, &even);
    if (even && threshold) {
        return -1;
    }
    g_assert_cmpint(qemu_stops(others + vfio_mig_estimate_pending(&e),
                               threshold), ==, stops);
    return stops;
}

static void test_decision(void)
{
    static const unsigned bits[] = { 4, 8, 24, 48 };
    unsigned seen[2] = { 0 };
    unsigned i, round;

    for (i = 0; i < ARRAY_SIZE(bits); i++) {
        for (round = 0; round < 50000; round++) {
            int stops = check_decision(bits[i]);

            if (stops >= 0) {
                seen[stops]++;
            }
        }
    }
    g_assert_cmpuint(seen[0], >, 10000);
    g_assert_cmpuint(seen[1], >, 10000);
}

/* ---- rates ---- */

/* While devices occupy the thread, the stream could take more. */
static void test_rate_beside_slow_devices(void)
{
    VFIOMigEstimate e;

    vfio_mig_estimate_begin(&e, 0, 0);
    look_at(&e, 0, 0, 1000, 0);
    look_at(&e, TOLD_MS, 100 * MB, 1000, 0);
    g_assert_cmpuint(vfio_mig_estimate_rate(&e), ==, 100 * MB);
    /* Half of the time was theirs; if all of it was, only 3/4 count. */
    vfio_mig_estimate_note_away(&e, 20 * MS);
    vfio_mig_estimate_note_away(&e, 30 * MS);
    look_at(&e, TOLD_MS + 100, 90 * MB, 1000, 0);
    g_assert_cmpuint(vfio_mig_estimate_rate(&e), ==, 180 * MB);
    vfio_mig_estimate_note_away(&e, 500 * MS);
    look_at(&e, TOLD_MS + 200, 91 * MB, 1000, 0);
    g_assert_cmpuint(vfio_mig_estimate_rate(&e), ==, 364 * MB);
}

/* If the stream had next to nothing to send, its rate means nothing. */
static void test_rate_of_too_little(void)
{
    VFIOMigEstimate e;
    unsigned i;

    vfio_mig_estimate_begin(&e, TOLD_MS * MS, 0);
    look_at(&e, TOLD_MS, 0, 300, 0);
    for (i = 1; i <= 67; i++) {
        g_assert_cmpuint(vfio_mig_estimate_rate(&e), ==, 128 * MiB);
        look_at(&e, TOLD_MS + i * 100, 3 * MB + i, 300, 0);     /* 10 MB/s */
    }
    look_at(&e, TOLD_MS + i * 100, 3 * MB, 300, 0);
    g_assert_cmpuint(vfio_mig_estimate_rate(&e), >=, 10 * MB);
    g_assert_cmpuint(vfio_mig_estimate_rate(&e), <, 10 * MB + 300);
}

/* QEMU computes a threshold every 100 ms, and the user changes the limit. */
static void test_rate_ignores_a_threshold_of_another_limit(void)
{
    VFIOMigEstimate e;

    vfio_mig_estimate_begin(&e, 0, 0);
    look_at(&e, 0, 0, 30000, 0);
    look_at(&e, TOLD_MS, 300 * MB, 30000, 0);           /* 10 MB/s */
    look_at(&e, TOLD_MS + 10, 300 * MB, 300, 0);        /* not 1000 MB/s */
    look_at(&e, TOLD_MS + 20, 300 * MB, 300, 0);
    g_assert_cmpuint(vfio_mig_estimate_rate(&e), ==, 10 * MB);
    look_at(&e, TOLD_MS + 100, 6 * MB, 300, 0);
    g_assert_cmpuint(vfio_mig_estimate_rate(&e), ==, 20 * MB);
    /* Computed just before the limit was set */
    look_at(&e, TOLD_MS + 200, 7 * MB, 3, 0);
    g_assert_cmpuint(vfio_mig_estimate_rate(&e), ==, 20 * MB);
}

static void test_no_downtime_at_all(void)
{
    const VFIOMigEstimate *one;
    VFIOMigEstimate e;
    unsigned i, told = 0;

    one = &e;
    vfio_mig_estimate_begin(&e, 0, 0);
    for (i = 0; i < 100; i++) {
        look_at(&e, i * 100, 0, 0, 0);
        update_stop(&e, 128 * MiB);
        g_assert_cmpuint(vfio_mig_estimate_pending(&e), ==, 128 * MiB);
        told += vfio_mig_estimate_is_too_big(&e);
    }
    g_assert_cmpuint(told, ==, 1);
    g_assert_cmpuint(vfio_mig_estimate_downtime_ms(&one, 1), >=,
                     1100 + VFIO_MIG_QEMU_MS);
    g_assert_cmpuint(vfio_mig_estimate_downtime_ms(&one, 1), <=,
                     1102 + VFIO_MIG_QEMU_MS);
    update_stop(&e, 0);
    g_assert_cmpuint(vfio_mig_estimate_pending(&e), ==, 0);
}

/* Time for the device, for RAM that is sent before it, and a tenth more */
static void test_downtime_that_would_do(void)
{
    const VFIOMigEstimate *two[2];
    VFIOMigEstimate e[2];
    unsigned i;

    for (i = 0; i < 2; i++) {
        two[i] = &e[i];
        vfio_mig_estimate_begin(&e[i], 0, 0);
        look_at(&e[i], 0, 0, 1000, 0);
        look_at(&e[i], TOLD_MS, 100 * MB, 1000, 0);
        look_at(&e[i], TOLD_MS + 100, 10 * MB, 1000, 5 * MB + i * 10 * MB);
    }
    update_stop(&e[0], 100 * MB);
    update_both(&e[1], 0, 10 * MB, 60 * MB);
    /* 500 ms for RAM and 1000 ms; 1000 and 500 ms */
    g_assert_cmpuint(vfio_mig_estimate_downtime_ms(two, 1), ==,
                     1651 + VFIO_MIG_QEMU_MS);
    g_assert_cmpuint(vfio_mig_estimate_downtime_ms(two, 2), ==,
                     3301 + VFIO_MIG_QEMU_MS);
}

/* Immediately, also by data that can still be read, or without a known rate */
static void test_holds_up(void)
{
    VFIOMigEstimate e;

    vfio_mig_estimate_begin(&e, 0, 0);
    look_at(&e, 1, 0, 300, 0);
    update_both(&e, MB, 0, MB);
    g_assert_true(vfio_mig_estimate_holds_up(&e));
    look_at(&e, 2, 60 * MB, 300, 59 * MB);
    g_assert_true(vfio_mig_estimate_holds_up(&e));
    look_at(&e, 3, 60 * MB, 300, 60 * MB);      /* RAM does it */
    g_assert_false(vfio_mig_estimate_holds_up(&e));
    vfio_mig_estimate_note_sent(&e, MB);
    look_at(&e, 4, 60 * MB, 300, 59 * MB);      /* nobody does */
    g_assert_false(vfio_mig_estimate_holds_up(&e));
    update_both(&e, 0, 0, 61 * MB);
    g_assert_true(vfio_mig_estimate_holds_up(&e));
}

/* Looks are far more frequent than the ten per second that count. */
static void test_too_big_takes_a_second(void)
{
    VFIOMigEstimate e;
    unsigned ms;

    vfio_mig_estimate_begin(&e, 0, 0);
    for (ms = 0; ms < 3000; ms++) {
        /* no measurement at first; then RAM is not done */
        look_at(&e, ms, ms < 1000 ? 0 : 60 * MB, 300,
                ms < 2000 ? 60 * MB * (ms >= 1000) : 0);
        update_both(&e, 0, 0, 61 * MB);
        if (vfio_mig_estimate_is_too_big(&e)) {
            break;
        }
    }
    g_assert_cmpuint(ms, ==, 3000);
    for (; ms < 9000; ms++) {
        look_at(&e, ms, 60 * MB, 300, 0);
        if (vfio_mig_estimate_is_too_big(&e)) {
            break;
        }
    }
    g_assert_cmpuint(ms, >=, 3000);
    g_assert_cmpuint(ms, <=, 3001);
}

/* A slow device is read once before it is reported as too big. */
static void test_too_big_once_it_was_read(void)
{
    VFIOMigEstimate e;
    unsigned told = 0;

    vfio_mig_estimate_begin(&e, 0, 0);
    look_at(&e, 0, 60 * MB, 300, 0);
    update_both(&e, 0, 200 * MB, 200 * MB);
    for (unsigned i = 1; i < 200; i++) {
        look_at(&e, i * 100, 60 * MB, 300, 0);
        vfio_mig_estimate_note_sent(&e, i <= 100 ? 1 * MB : 0);
        told += vfio_mig_estimate_is_too_big(&e);
    }
    g_assert_cmpuint(told, ==, 0);
    vfio_mig_estimate_note_sent(&e, 100 * MB);
    update_both(&e, 0, 200 * MB, 200 * MB);
    for (unsigned i = 200; i < 300; i++) {
        look_at(&e, i * 100, 60 * MB, 300, 0);
        told += vfio_mig_estimate_is_too_big(&e);
    }
    g_assert_cmpuint(told, ==, 1);
}

/* ---- time ---- */

/* A stream of 1 GB/s, and a device that gives @rate MB/s */
static void measured(VFIOMigEstimate *e, uint64_t rate, int64_t change_ms,
                     uint64_t limit_ms, uint64_t others)
{
    vfio_mig_estimate_begin(e, 0, 0);
    look_at(e, 0, 0, limit_ms, 0);
    look_at(e, TOLD_MS, 1 * MB * limit_ms, limit_ms, 0);
    look_at(e, TOLD_MS + 100, 1 * MB * limit_ms - 1, limit_ms, others);
    if (rate) {
        vfio_mig_estimate_note_time(e, rate * MB, 1000 * MS, 1 * MS);
    }
    vfio_mig_estimate_set_change(e, change_ms * MS);
}

/* Without QEMU's own overhead. Returns whether it is only a lower bound. */
static bool expect_prediction(VFIOMigEstimate *e, size_t nr, uint64_t expected,
                              uint64_t least)
{
    const VFIOMigEstimate *all[4];
    VFIOMigDowntime downtime;

    for (size_t i = 0; i < nr; i++) {
        all[i] = &e[i];
    }
    downtime = vfio_mig_estimate_predict(all, nr);
    g_assert_cmpuint(downtime.expected_ms, ==, expected + VFIO_MIG_QEMU_MS);
    g_assert_cmpuint(downtime.least_ms, ==, least);
    return downtime.lower_bound;
}

/* In parallel: the slowest one counts, not the sum. */
static void test_time_of_several(void)
{
    VFIOMigEstimate e[4];

    for (unsigned i = 0; i < 4; i++) {
        measured(&e[i], 100 + 100 * i, 10, 5000, 20 * MB + i * 50 * MB);
        update_stop(&e[i], 50 * MB);
    }
    g_assert_false(expect_prediction(e, 1, 510, 510));
    g_assert_false(expect_prediction(e, 4, 510, 510));
    /* Now the stream takes longest, for RAM and all device data. */
    for (unsigned i = 0; i < 4; i++) {
        measured(&e[i], 0, 10, 5000, 20 * MB + i * 50 * MB);
        update_stop(&e[i], 50 * MB);
    }
    expect_prediction(e, 4, 230, 210);
}

/*
 * Too little was read for a measurement: at best, it is as fast as the stream.
 * One such device among several is enough.
 */
static void test_time_is_not_known(void)
{
    VFIOMigEstimate e[2];

    measured(&e[0], 0, 10, 300, 0);
    vfio_mig_estimate_note_time(&e[0], 4096, 1000 * MS, 0);
    update_stop(&e[0], 50 * MB);
    g_assert_true(expect_prediction(e, 1, 60, 60));
    /* For so little data the rate hardly matters. */
    update_stop(&e[0], 64 * KiB);
    g_assert_false(expect_prediction(e, 1, 10, 10));
    measured(&e[1], 100, 0, 300, 0);        /* its changes were not seen */
    update_stop(&e[1], 10 * MB);
    g_assert_true(expect_prediction(e, 2, 110, 110));
    vfio_mig_estimate_set_change(&e[1], 10 * MS);
    g_assert_false(expect_prediction(e, 2, 110, 110));
    measured(&e[1], 100, 10, 300, 0);       /* nor its size reported */
    update_both(&e[1], 0, 0, 0);
    e[1].sizes.stop_known = false;
    g_assert_true(expect_prediction(e, 2, 10, 10));
}

/*
 * A v1 driver reports what it has while it runs: that decides when the VM is
 * stopped, but the last size, or the user's, is what is expected.
 */
static void test_time_of_more_than_told(void)
{
    VFIOMigSizes sizes = {
        .precopy_known = true, .dirty_bytes = 1 * MB,
        .stop_known = true, .stop_bytes = 1 * MB, .stop_is_least = true,
    };
    VFIOMigEstimate e;

    measured(&e, 100, 10, 300, 0);
    vfio_mig_estimate_update(&e, &sizes);
    g_assert_true(expect_prediction(&e, 1, 20, 10));
    e.assumed_bytes = 50 * MB;
    g_assert_false(expect_prediction(&e, 1, 510, 500));
    g_assert_cmpuint(vfio_mig_estimate_stop_bytes(&e), ==, 1 * MB);
}

/*
 * Data that is read before the stop may shrink: wait for that, and report it.
 */
static void test_time_may_become_less(void)
{
    const VFIOMigEstimate *all[1];
    VFIOMigEstimate e;
    VFIOMigDowntime downtime;
    unsigned i, told = 0;

    all[0] = &e;
    measured(&e, 100, 10, 300, 0);
    update_both(&e, 0, 50 * MB, 50 * MB);
    expect_prediction(&e, 1, 510, 10);
    g_assert_true(qemu_stops(vfio_mig_estimate_pending(&e),
                             e.look.threshold_bytes));
    downtime = vfio_mig_estimate_predict(all, 1);
    vfio_mig_estimate_judge(&e, &downtime);
    g_assert_false(qemu_stops(vfio_mig_estimate_pending(&e),
                             e.look.threshold_bytes));
    g_assert_false(vfio_mig_estimate_is_hopeless(&e, &downtime));
    vfio_mig_estimate_note_sent(&e, 50 * MB);
    for (i = 2; i < 100; i++) {
        look_at(&e, TOLD_MS + i * 100, 300 * MB, 300, 0);
        update_both(&e, 0, 50 * MB, 50 * MB);
        told += vfio_mig_estimate_is_too_big(&e);
    }
    g_assert_cmpuint(told, ==, 1);
    g_assert_cmpuint(vfio_mig_estimate_downtime_ms(all, 1), ==,
                     562 + VFIO_MIG_QEMU_MS);

    update_both(&e, 0, 20 * MB, 20 * MB);
    downtime = vfio_mig_estimate_predict(all, 1);
    vfio_mig_estimate_judge(&e, &downtime);
    g_assert_true(qemu_stops(vfio_mig_estimate_pending(&e),
                             e.look.threshold_bytes));
}

/*
 * Stale data is ready once the driver has been asked again: if it gives nothing
 * at the end of its data, that does not mean that there will be no more. Only
 * after a second without data it counts as withheld.
 */
static void test_time_of_what_comes_again(void)
{
    const VFIOMigEstimate *all[1];
    VFIOMigEstimate e;
    VFIOMigDowntime downtime;
    unsigned i;

    all[0] = &e;
    measured(&e, 100, 10, 300, 0);
    update_both(&e, 0, 60 * MB, 60 * MB);
    vfio_mig_estimate_note_sent(&e, 10 * MB);
    vfio_mig_estimate_note_sent(&e, 0);
    g_assert_false(e.withheld);
    update_both(&e, 0, 50 * MB, 50 * MB);
    for (i = 2; i < 12; i++) {
        look_at(&e, TOLD_MS + i * 100, 300 * MB, 300, 0);
        downtime = vfio_mig_estimate_predict(all, 1);
        vfio_mig_estimate_judge(&e, &downtime);
        g_assert_true(e.over);
        g_assert_false(vfio_mig_estimate_is_hopeless(&e, &downtime));
        vfio_mig_estimate_note_sent(&e, 0);
        update_both(&e, 0, 50 * MB, 50 * MB);
    }
    look_at(&e, TOLD_MS + i * 100, 300 * MB, 300, 0);
    downtime = vfio_mig_estimate_predict(all, 1);
    vfio_mig_estimate_judge(&e, &downtime);
    g_assert_false(e.over);
    g_assert_true(vfio_mig_estimate_is_hopeless(&e, &downtime));
}

/* A destination takes some data at once, and the rest at its own rate. */
static void test_time_of_a_slow_destination(void)
{
    VFIOMigEstimate e;

    measured(&e, 1000, 10, 300, 0);
    update_stop(&e, 100 * MB);
    vfio_mig_estimate_note_time(&e, 50 * MB, 50 * MS, 1 * MS);
    expect_prediction(&e, 1, 110, 110);
    vfio_mig_estimate_note_time(&e, 10 * MB, 10 * MS, 100 * MS);
    vfio_mig_estimate_note_time(&e, 10 * MB, 10 * MS, 100 * MS);
    expect_prediction(&e, 1, 110, 110);     /* not enough yet */
    vfio_mig_estimate_note_time(&e, 10 * MB, 10 * MS, 100 * MS);
    /* At 100 MB/s, with 8 MiB buffered in memory: 108.4 MB */
    expect_prediction(&e, 1, 10 + 1084, 10 + 1084);
    /* This delay had another cause. */
    vfio_mig_estimate_note_time(&e, 10 * MB, 10 * MS, 1000 * MS);
    expect_prediction(&e, 1, 10 + 1084, 10 + 1084);
}

/* Data that does not shrink is not waited for. */
static void test_time_is_hopeless(void)
{
    const VFIOMigEstimate *all[1];
    VFIOMigEstimate e;
    VFIOMigDowntime downtime;

    all[0] = &e;
    measured(&e, 100, 10, 300, 0);
    update_stop(&e, 50 * MB);
    downtime = vfio_mig_estimate_predict(all, 1);
    vfio_mig_estimate_judge(&e, &downtime);
    g_assert_true(qemu_stops(vfio_mig_estimate_pending(&e),
                             e.look.threshold_bytes));
    g_assert_true(vfio_mig_estimate_is_hopeless(&e, &downtime));
    g_assert_cmpuint(vfio_mig_estimate_least_ms(&e), ==, 510);
    /* Not yet: initial data counts until it has been read. */
    update_both(&e, 4096, 0, 50 * MB);
    g_assert_false(vfio_mig_estimate_is_hopeless(&e, &downtime));
}

/* ---- unknown, old and hostile sizes ---- */

static void test_not_asked_is_not_zero(void)
{
    VFIOMigEstimate e;

    vfio_mig_estimate_begin(&e, 0, 0);
    look_at(&e, 0, 60 * MB, 300, 0);
    look_at(&e, 100, 61 * MB, 300, 0);
    g_assert_cmpuint(vfio_mig_estimate_pending(&e), ==,
                     VFIO_MIG_PENDING_MAX_BYTES);
    g_assert_true(vfio_mig_estimate_is_old(&e));
    g_assert_false(vfio_mig_estimate_is_guess(&e));
}

static void test_unknown_is_what_is_assumed(void)
{
    static const VFIOMigSizes nothing_known;
    VFIOMigEstimate e;

    vfio_mig_estimate_begin(&e, 0, 9 * MB);
    look_at(&e, 0, 60 * MB, 300, 0);
    vfio_mig_estimate_update(&e, &nothing_known);
    g_assert_cmpuint(vfio_mig_estimate_pending(&e), ==, 9 * MB);
    g_assert_false(vfio_mig_estimate_is_guess(&e));

    vfio_mig_estimate_begin(&e, 0, 0);
    vfio_mig_estimate_update(&e, &nothing_known);
    g_assert_cmpuint(vfio_mig_estimate_pending(&e), ==, 0);
    g_assert_true(vfio_mig_estimate_is_guess(&e));
    g_assert_false(vfio_mig_estimate_is_guess(&e));
    update_stop(&e, 5);
    g_assert_cmpuint(vfio_mig_estimate_pending(&e), ==, 5);
}

/* A driver that fails to answer once still has data. */
static void test_unknown_once_is_as_before(void)
{
    static const VFIOMigSizes nothing_known;
    VFIOMigEstimate e;

    vfio_mig_estimate_begin(&e, 0, 0);
    look_at(&e, 0, 60 * MB, 300, 0);
    update_both(&e, 3 * MB, 4 * MB, 9 * MB);
    vfio_mig_estimate_note_sent(&e, 2 * MB);
    vfio_mig_estimate_update(&e, &nothing_known);
    g_assert_cmpuint(vfio_mig_estimate_pending(&e), ==, 60 * MB);
    vfio_mig_estimate_note_sent(&e, 2 * MB);
    vfio_mig_estimate_update(&e, &nothing_known);
    g_assert_cmpuint(e.sizes.initial_bytes, ==, 0);
    g_assert_cmpuint(e.sizes.dirty_bytes, ==, 3 * MB);
    g_assert_cmpuint(vfio_mig_estimate_stop_bytes(&e), ==, 5 * MB);
    g_assert_false(vfio_mig_estimate_is_guess(&e));
}

/*
 * A device without data gives none. Once it has some, that can be read, and
 * counts at the current rate, which is a tenth of the best one here.
 */
static void test_nothing_given_of_nothing(void)
{
    VFIOMigEstimate e;

    vfio_mig_estimate_begin(&e, 0, 0);
    look_at(&e, 0, 0, 300, 0);
    look_at(&e, TOLD_MS, 600 * MB, 300, 0);
    look_at(&e, TOLD_MS + 100, 60 * MB, 300, 0);
    update_both(&e, 0, 0, 0);
    vfio_mig_estimate_note_sent(&e, 0);
    update_both(&e, 0, 10 * MB, 10 * MB);
    g_assert_cmpuint(vfio_mig_estimate_pending(&e), ==, 10 * MB);
    vfio_mig_estimate_note_sent(&e, 0);
    g_assert_cmpuint(vfio_mig_estimate_pending(&e), ==, 1 * MB);
    update_both(&e, 0, 0, 0);
    update_both(&e, 0, 10 * MB, 10 * MB);
    g_assert_cmpuint(vfio_mig_estimate_pending(&e), ==, 10 * MB);
}

static void test_when_a_device_is_asked(void)
{
    VFIOMigEstimate e;

    vfio_mig_estimate_begin(&e, 0, 0);
    look_at(&e, 0, 60 * MB, 300, 0);
    g_assert_true(vfio_mig_estimate_is_old(&e));
    update_stop(&e, 9 * MB);
    g_assert_false(vfio_mig_estimate_is_old(&e));
    /* Asked every 10 ms if it decides on the stop, else every 100 ms */
    look_at(&e, 9, 60 * MB, 300, 0);
    g_assert_false(vfio_mig_estimate_is_old(&e));
    look_at(&e, 10, 60 * MB, 300, 0);
    g_assert_true(vfio_mig_estimate_is_old(&e));
    look_at(&e, 10, 60 * MB, 300, 51 * MB);
    g_assert_false(vfio_mig_estimate_is_old(&e));
    look_at(&e, 99, 60 * MB, 300, UINT64_MAX);
    g_assert_false(vfio_mig_estimate_is_old(&e));
    look_at(&e, 100, 60 * MB, 300, UINT64_MAX);
    g_assert_true(vfio_mig_estimate_is_old(&e));
}

static const uint64_t extremes[] = {
    0, 1, 4096, UINT64_C(1) << 50, (UINT64_C(1) << 50) + 1,
    INT64_MAX, UINT64_C(1) << 63, UINT64_MAX - 1, UINT64_MAX,
};
#define NR_EXTREMES     ARRAY_SIZE(extremes)

/* Any numbers, with any order of reads and answers: never above the maximum. */
static void check_hostile(unsigned code)
{
    uint64_t initial = extremes[code % NR_EXTREMES];
    uint64_t dirty = extremes[code / NR_EXTREMES % NR_EXTREMES];
    uint64_t stop = extremes[code / NR_EXTREMES / NR_EXTREMES % NR_EXTREMES];
    uint64_t sent = extremes[code / NR_EXTREMES / NR_EXTREMES / NR_EXTREMES];
    const VFIOMigEstimate *one;
    VFIOMigEstimate e;
    unsigned i;

    one = &e;
    vfio_mig_estimate_begin(&e, 0, dirty);
    for (i = 0; i < 8; i++) {
        uint64_t pending;

        look_at(&e, i * 100, extremes[i] % (10 * MB), 300, extremes[i]);
        update_both(&e, initial, dirty, stop);
        pending = vfio_mig_estimate_pending(&e);
        g_assert_cmpuint(pending, <=, VFIO_MIG_PENDING_MAX_BYTES);
        g_assert_cmpuint(vfio_mig_estimate_stop_bytes(&e), <=,
                         VFIO_MIG_PENDING_MAX_BYTES);
        if (!i && initial) {
            g_assert_cmpuint(pending, >=, MAX(e.look.threshold_bytes, 1));
        }
        if (!i && (initial || dirty || stop)) {
            g_assert_cmpuint(pending, >, 0);
        }
        vfio_mig_estimate_note_sent(&e, sent);
        vfio_mig_estimate_is_too_big(&e);
        g_assert_cmpuint(vfio_mig_estimate_downtime_ms(&one, 1), <=,
                         UINT32_MAX);
    }
}

static void test_hostile_sizes(void)
{
    unsigned code, all = NR_EXTREMES * NR_EXTREMES;

    for (code = 0; code < all * all; code++) {
        check_hostile(code);
    }
}

/* ---- initial data ---- */

static bool waits(const VFIOMigEstimate *e)
{
    return !qemu_stops(vfio_mig_estimate_pending(e),
                       e->look.threshold_bytes);
}

/* Waiting for initial data already explains why the VM is not stopped. */
static void test_initial_data_is_not_too_big(void)
{
    VFIOMigEstimate e;
    unsigned i;

    vfio_mig_estimate_begin(&e, 0, 0);
    for (i = 0; i < 49; i++) {
        look_at(&e, i * 100, 60 * MB, 300, 0);
        update_both(&e, 4096, 0, 4096);
        vfio_mig_estimate_note_sent(&e, 0);
        g_assert_true(waits(&e));
        g_assert_false(vfio_mig_estimate_is_too_big(&e));
    }
}

/*
 * A driver that claims to have initial data, but gives none, is waited for
 * until 5 s after it last gave some, however often it is asked.
 */
static void test_initial_data_that_never_comes(void)
{
    const int64_t gave_ms = 3000;
    VFIOMigEstimate e;
    int64_t ms;

    vfio_mig_estimate_begin(&e, 0, 0);
    for (ms = 0; ms < 60000; ms += 10) {
        look_at(&e, ms, 60 * MB, 300, 0);
        update_both(&e, 4096, 0, 4096);
        vfio_mig_estimate_note_sent(&e, ms == gave_ms ? 1 : 0);
        if (!waits(&e)) {
            break;
        }
    }
    g_assert_cmpint(ms, >=, gave_ms + 4900);
    g_assert_cmpint(ms, <=, gave_ms + 5000);
    /* It is not waited for again if it starts to give some after all. */
    vfio_mig_estimate_note_sent(&e, 1);
    g_assert_false(waits(&e));
}

/* A driver may announce initial data again a few times, but not forever. */
static void test_initial_data_that_comes_again(void)
{
    VFIOMigEstimate e;
    unsigned again;

    vfio_mig_estimate_begin(&e, 0, 0);
    look_at(&e, 0, 60 * MB, 300, 0);
    for (again = 0; again < 100; again++) {
        update_both(&e, 4096, 0, 4096);
        if (!waits(&e)) {
            break;
        }
        vfio_mig_estimate_note_sent(&e, 4096);
        g_assert_false(waits(&e));
        update_both(&e, 0, 0, 0);
        g_assert_false(waits(&e));
    }
    g_assert_cmpuint(again, ==, 5);
}

/* All of it has been read, but the driver still reports some. */
static void test_initial_data_that_does_not_end(void)
{
    VFIOMigEstimate e;

    vfio_mig_estimate_begin(&e, 0, 0);
    look_at(&e, 0, 60 * MB, 300, 0);
    update_both(&e, 4096, 0, 4096);
    vfio_mig_estimate_note_sent(&e, 4000);
    update_both(&e, 4096, 0, 4096);
    g_assert_true(waits(&e));
    vfio_mig_estimate_note_sent(&e, 96);
    update_both(&e, 4096, 0, 4096);
    g_assert_false(waits(&e));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define TEST(path, name) \
    g_test_add_func("/migration-estimate/" path, test_##name)
    TEST("decision", decision);
    TEST("rate/slow-devices", rate_beside_slow_devices);
    TEST("rate/too-little", rate_of_too_little);
    TEST("rate/limit-changes", rate_ignores_a_threshold_of_another_limit);
    TEST("rate/no-downtime", no_downtime_at_all);
    TEST("too-big/would-do", downtime_that_would_do);
    TEST("holds-up", holds_up);
    TEST("too-big/a-second", too_big_takes_a_second);
    TEST("too-big/read-once", too_big_once_it_was_read);
    TEST("time/several", time_of_several);
    TEST("time/not-known", time_is_not_known);
    TEST("time/more-than-told", time_of_more_than_told);
    TEST("time/less", time_may_become_less);
    TEST("time/comes-again", time_of_what_comes_again);
    TEST("time/slow-destination", time_of_a_slow_destination);
    TEST("time/hopeless", time_is_hopeless);
    TEST("sizes/not-asked", not_asked_is_not_zero);
    TEST("sizes/unknown", unknown_is_what_is_assumed);
    TEST("sizes/unknown-once", unknown_once_is_as_before);
    TEST("sizes/nothing-given", nothing_given_of_nothing);
    TEST("sizes/age", when_a_device_is_asked);
    TEST("sizes/hostile", hostile_sizes);
    TEST("initial/not-too-big", initial_data_is_not_too_big);
    TEST("initial/again", initial_data_that_comes_again);
    TEST("initial/endless", initial_data_that_does_not_end);
    TEST("initial/never", initial_data_that_never_comes);
#undef TEST
    return g_test_run();
}
