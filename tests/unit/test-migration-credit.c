/*
 * Tests of hw/vfio/migration-credit.c
 *
 * A model of QEMU's intervals in virtual time: RAM and devices send what they
 * are allowed to, over a stream of any speed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/units.h"
#include "hw/vfio/migration-credit.h"

#define MS              INT64_C(1000000)    /* in ns */

typedef struct World {
    VFIOMigCredit credit;
    int64_t now_ns;
    int64_t begin_ns;           /* of the interval */
    uint64_t max, used;         /* in the interval */
    double wire;                /* bytes/ns */
    uint64_t chunk;
    uint64_t ram_ready;         /* bytes that RAM could send */
    uint64_t ram_rate;          /* bytes/s that become ready */
    uint64_t ram_sent, device_sent;
    unsigned loops;
} World;

static void put(World *w, uint64_t bytes)
{
    int64_t ns = bytes / w->wire;

    w->used += bytes;
    w->now_ns += ns;
    w->ram_ready += w->ram_rate * (ns / 1e9);
}

static void idle(World *w, int64_t ns)
{
    w->now_ns += ns;
    w->ram_ready += w->ram_rate * (ns / 1e9);
}

static VFIOMigInterval interval(const World *w)
{
    return (VFIOMigInterval) {
        .now_ns = w->now_ns, .max_bytes = w->max, .used_bytes = w->used,
        .ram_bytes = w->ram_ready,
    };
}

static bool limited(const World *w)
{
    return w->max && w->used > w->max;
}

static void device_turn(World *w)
{
    int64_t begin_ns = w->now_ns;
    VFIOMigInterval now;

    if (!limited(w) && vfio_mig_credit_is_due(&w->credit)) {
        put(w, w->chunk);
        w->device_sent += w->chunk;
        now = interval(w);
        vfio_mig_credit_sent(&w->credit, begin_ns, &now);
    }
}

/* Returns whether RAM is done. */
static bool ram_turn(World *w)
{
    while (w->ram_ready && !limited(w)) {
        uint64_t page = MIN(w->ram_ready, 4096);

        w->ram_ready -= page;
        w->ram_sent += page;
        put(w, page);
    }
    return !w->ram_ready;
}

/* One iteration of QEMU's loop */
static void loop(World *w)
{
    VFIOMigInterval now = interval(w);

    w->loops++;
    if (!limited(w)) {
        w->used += vfio_mig_credit_look(&w->credit, &now);
        if (w->ram_ready && vfio_mig_credit_is_overdue(&w->credit)) {
            int64_t end_ns = w->now_ns + 50 * MS;

            do {
                device_turn(w);
            } while (!limited(w) && w->now_ns < end_ns);
        }
        if (!limited(w) && ram_turn(w)) {
            device_turn(w);
        }
        put(w, 40);             /* headers and footers of sections */
    }
    if (limited(w)) {
        idle(w, MAX(w->begin_ns + 100 * MS - w->now_ns, 0));
    }
    if (w->now_ns >= w->begin_ns + 100 * MS) {
        w->begin_ns = w->now_ns;
        w->used = 0;
    }
}

static World play(uint64_t rate, uint64_t chunk, double wire_rate,
                  uint64_t ram_rate, unsigned seconds)
{
    World w = {
        .now_ns = 1000 * MS, .begin_ns = 1000 * MS, .max = rate / 10,
        .chunk = chunk, .wire = wire_rate / 1e9, .ram_rate = ram_rate,
    };

    while (w.now_ns < (seconds + 1) * 1000 * MS) {
        loop(&w);
    }
    return w;
}

static void expect_rate(const char *what, const World *w, uint64_t rate)
{
    double seconds = (w->now_ns - 1000 * MS) / 1e9;
    /* The debt at the end has been sent, but its time is still to come. */
    double is = (w->ram_sent + w->device_sent - w->credit.debt_bytes) /
                seconds;

    g_test_message("%s: %.2f of %.2f MiB/s, RAM %.2f, %u loops", what,
                   is / MiB, (double)rate / MiB,
                   w->ram_sent / seconds / MiB, w->loops);
    g_assert_cmpfloat(is, <=, 1.03 * rate);
    g_assert_cmpfloat(is, >=, 0.97 * rate);
}

static const uint64_t rates[] = { 4 * MiB, 32 * MiB, 1000 * MiB };
static const uint64_t chunks[] = { 4096, 1 * MiB, 64 * MiB, 512 * MiB };

static void test_device_alone(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(rates); i++) {
        for (unsigned j = 1; j < ARRAY_SIZE(chunks); j++) {
            World w = play(rates[i], chunks[j], 4e9, 0, 300);

            expect_rate("alone", &w, rates[i]);
            /* It waits for the next interval instead of being polled. */
            g_assert_cmpuint(w.loops, <, 20 * 300 +
                             w.device_sent / chunks[j]);
        }
    }
}

/* A chunk takes longer than an interval to send: that time counts. */
static void test_slow_stream(void)
{
    World w = play(32 * MiB, 64 * MiB, 100e6, 0, 300);

    expect_rate("slow stream", &w, 32 * MiB);
}

/* The guest writes more than the limit allows: both get a share. */
static void test_beside_ram(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(rates); i++) {
        /*
         * Long enough for several of the largest chunks; RAM is sent by page.
         */
        unsigned seconds = rates[i] > 100 * MiB ? 60 : 600;

        for (unsigned j = 1; j < ARRAY_SIZE(chunks); j++) {
            World w = play(rates[i], chunks[j], 4e9, 2 * rates[i], seconds);

            expect_rate("beside RAM", &w, rates[i]);
            g_assert_cmpuint(w.ram_sent, >, rates[i] * seconds / 3);
            g_assert_cmpuint(w.device_sent, >, rates[i] * seconds / 3);
        }
    }
}

/* RAM that needs little gets it, and the device gets the rest. */
static void test_beside_some_ram(void)
{
    World w = play(32 * MiB, 64 * MiB, 4e9, 4 * MiB, 600);

    expect_rate("some RAM", &w, 32 * MiB);
    g_assert_cmpuint(w.ram_sent, >, 600 * 39 / 10 * MiB);
}

static void test_no_limit(void)
{
    World w = { .wire = 1, .chunk = 64 * MiB };
    unsigned i;

    for (i = 0; i < 1000; i++) {
        loop(&w);
        g_assert_cmpuint(w.device_sent, ==, (i + 1) * 64 * MiB);
    }
}

/* A debt from a low limit is negligible with a high one. */
static void test_limit_is_raised(void)
{
    World w = play(4096, 64 * MiB, 4e9, 0, 5);

    g_assert_cmpuint(w.device_sent, ==, 64 * MiB);
    w.max = 1 * TiB;
    loop(&w);
    loop(&w);
    g_assert_cmpuint(w.device_sent, >, 64 * MiB);

    w = play(4096, 64 * MiB, 4e9, 0, 5);
    w.max = 0;
    loop(&w);
    g_assert_cmpuint(w.device_sent, >, 64 * MiB);
}

/* A look that comes early in an interval makes no debt. */
static void test_early(void)
{
    VFIOMigCredit credit = { .debt_bytes = 1 * MiB, .used_bytes = 2000 };
    VFIOMigInterval now = {
        .now_ns = 50 * MS, .max_bytes = 1000, .used_bytes = 1000,
    };

    vfio_mig_credit_look(&credit, &now);
    g_assert_cmpuint(credit.debt_bytes, ==, 1 * MiB);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define TEST(path, name) \
    g_test_add_func("/migration-credit/" path, test_##name)
    TEST("alone", device_alone);
    TEST("slow-stream", slow_stream);
    TEST("beside-ram", beside_ram);
    TEST("beside-some-ram", beside_some_ram);
    TEST("no-limit", no_limit);
    TEST("raised", limit_is_raised);
    TEST("early", early);
#undef TEST
    return g_test_run();
}
