/*
 * vfio-bench: the rows and their goals
 *
 * Owns: what is measured. The smoke test uses reduced sizes. No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "bench.h"

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

#define OURS    (1u << BENCH_OURS)
#define VENDOR  .save_rate_bytes = 500 * MIB, .load_rate_bytes = 500 * MIB
#define STATES  .change_ms = 50, .first_load_ms = 200
#define SLOW    .load_rate_bytes = 100 * MIB

/*
 * A device with data that is read before the stop, so that its rate is known,
 * and which is then expected to cause a certain downtime
 */
#define V2_KEYS "protocol=v2 pre-copy=yes p2p=yes"
#define EXPECT(size, precopy, limit) \
    "mapped", (size), 1 * MIB, OURS, .precopy_bytes = (precopy), \
    .limit_ms = (limit)
#define WITHIN  { BENCH_AGAINST_EXPECTED, .most = 1, .share = 0.95 }
#define KEPT    { BENCH_AGAINST_LIMIT, .most = 1, .share = 0.95 }

/* Goals with a maximum for a quotient */
#define TO_BUILTIN(m)       { BENCH_AGAINST_BUILTIN, .most = (m) }
#define TO_RAW(m)           { BENCH_AGAINST_RAW, .most = (m) }
#define TO_IDEAL(m)         { BENCH_AGAINST_IDEAL, .most = (m) }
#define TO_CASE(m, name)    { BENCH_AGAINST_CASE, .most = (m), .other = name }
#define VALUE(m)            { BENCH_AGAINST_NUMBER, .most = (m) }
#define CPU(m)              { BENCH_AGAINST_BUILTIN, .most = (m), \
                              .metric = BENCH_CPU }
#define EITHER(b, r)        { BENCH_AGAINST_BUILTIN, .most = (b), \
                              .or_next = true }, TO_RAW(r)
/* With only one side attached: not slower than with none */
#define HALVES(m)           { BENCH_AGAINST_BUILTIN, .most = (m), \
                              .side = BENCH_ONLY_SOURCE }, \
                            { BENCH_AGAINST_BUILTIN, .most = (m), \
                              .side = BENCH_ONLY_DESTINATION }
#define HALVES_MS(m)        { BENCH_AGAINST_NUMBER, .most = (m), \
                              .side = BENCH_ONLY_SOURCE }, \
                            { BENCH_AGAINST_NUMBER, .most = (m), \
                              .side = BENCH_ONLY_DESTINATION }

static const BenchCase rows[] = {
    /* One device that is as fast as memory */
    { "mapped, 4 GiB", "mapped", 4 * GIB, 1 * MIB,
      BENCH_BOTH | BENCH_FLOOR | BENCH_HALF,
      .goals = { TO_BUILTIN(1 / 1.4), TO_RAW(1 / 0.9), CPU(0.7),
                 HALVES(1.05) } },
    { "mapped, 2 GiB", "mapped", 2 * GIB, 1 * MIB,
      BENCH_BOTH | BENCH_FLOOR, .quick = true,
      .goals = { TO_BUILTIN(1.1) } },
    { "mapped, 4 GiB, window 16 MiB", "mapped", 4 * GIB, 16 * MIB,
      BENCH_BOTH | BENCH_FLOOR,
      .goals = { TO_BUILTIN(1 / 1.4), TO_RAW(1 / 0.9), CPU(0.7) } },
    { "mapped, 4 GiB, window 1 GiB", "mapped", 4 * GIB, 1 * GIB,
      BENCH_BOTH | BENCH_FLOOR,
      .goals = { EITHER(1 / 1.25, 1 / 0.95) } },
    { "mapped, 4 GiB, TCP", "mapped", 4 * GIB, 1 * MIB,
      BENCH_BOTH | BENCH_FLOOR, .way = PAIR_TCP,
      .goals = { EITHER(1 / 1.25, 1 / 0.95) } },
    { "mapped, 1 GiB, TLS", "mapped", 1 * GIB, 1 * MIB, BENCH_BOTH,
      .way = PAIR_TLS, .goals = { TO_BUILTIN(1 / 1.25) } },
    { "mapped, 1 GiB, pipe", "mapped", 1 * GIB, 1 * MIB, BENCH_BOTH | BENCH_HALF,
      .way = PAIR_PIPE },
    { "mapped, 1 GiB, file", "mapped", 1 * GIB, 1 * MIB, BENCH_BOTH,
      .way = PAIR_FILE },
    { "trapped, 64 MiB", "trapped", 64 * MIB, 1 * MIB,
      BENCH_BOTH | BENCH_FLOOR, .quick = true,
      .goals = { TO_BUILTIN(0.02) } },
    { "trapped, 1 GiB", "trapped", 1 * GIB, 1 * MIB, OURS | BENCH_FLOOR,
      .goals = { TO_RAW(1 / 0.85) } },
    { "mixed, 64 MiB", "mixed", 64 * MIB, 1 * MIB,
      BENCH_BOTH | BENCH_FLOOR, .quick = true },
    { "mixed, 1 GiB", "mixed", 1 * GIB, 1 * MIB, OURS | BENCH_FLOOR,
      .goals = { TO_RAW(1 / 0.85) } },
    { "last page trapped, 1 GiB", "last-page", 1 * GIB, 1 * MIB,
      BENCH_BOTH | BENCH_FLOOR, .goals = { TO_RAW(1 / 0.85) } },
    { "v2, 1 GiB", "mapped", 1 * GIB, 1 * MIB, OURS | BENCH_FLOOR,
      .v2 = true, .quick = true, .goals = { TO_RAW(1 / 0.9) } },
    { "v2, 4 GiB", "mapped", 4 * GIB, 1 * MIB, OURS | BENCH_FLOOR,
      .v2 = true, .goals = { TO_RAW(1 / 0.9) } },

    /* Slow devices */
    { "1 device, 500 MiB/s", "mapped", 256 * MIB, 1 * MIB, BENCH_BOTH,
      VENDOR, .ideal_ms = 512, .goals = { TO_IDEAL(1.15) } },
    { "2 devices, 500 MiB/s", "mapped", 256 * MIB, 1 * MIB, BENCH_BOTH,
      VENDOR, .devices = 2, .ideal_ms = 512, .goals = { TO_IDEAL(1.15) } },
    { "4 devices, 500 MiB/s", "mapped", 256 * MIB, 1 * MIB,
      BENCH_BOTH | BENCH_HALF, VENDOR, .devices = 4, .ideal_ms = 512,
      .quick = true,
      .goals = { TO_IDEAL(1.2), HALVES(1.0), HALVES_MS(2300) } },
    { "16 devices, 500 MiB/s", "mapped", 64 * MIB, 1 * MIB,
      BENCH_BOTH | BENCH_FLOOR, VENDOR, .devices = 16, .ideal_ms = 128,
      .goals = { TO_IDEAL(1.3) } },
    { "1 device, slow states", "mapped", 256 * MIB, 1 * MIB, BENCH_BOTH,
      VENDOR, STATES },
    { "4 devices, slow states", "mapped", 256 * MIB, 1 * MIB, BENCH_BOTH,
      VENDOR, STATES, .devices = 4,
      .goals = { TO_CASE(1.3, "1 device, slow states") } },
    { "1 device, slow load", "mapped", 64 * MIB, 1 * MIB, BENCH_BOTH, SLOW,
      .ideal_ms = 640 },
    { "4 devices, slow load", "mapped", 64 * MIB, 1 * MIB, BENCH_BOTH, SLOW,
      .devices = 4, .ideal_ms = 640,
      .goals = { TO_CASE(1.15, "1 device, slow load") } },

    /* The downtime that the source expects, and whether the limit is met */
    { "expected, slow", EXPECT(16 * MIB, 16 * MIB, 400), .keys = V2_KEYS,
      .save_rate_bytes = 64 * MIB, .goals = { WITHIN, KEPT }, .quick = true },
    { "expected, 4 slow", EXPECT(16 * MIB, 16 * MIB, 500), .keys = V2_KEYS,
      .save_rate_bytes = 64 * MIB, .devices = 4, .change_ms = 20,
      .goals = { WITHIN, KEPT } },
    { "expected, slow states", EXPECT(4 * MIB, 16 * MIB, 2000), .keys = V2_KEYS,
      .change_ms = 200, .goals = { WITHIN, KEPT } },
    { "expected, slow load", EXPECT(32 * MIB, 64 * MIB, 1000), .keys = V2_KEYS,
      .load_rate_bytes = 64 * MIB, .goals = { WITHIN, KEPT } },
    /* Each fourth read takes longer than three others together. */
    { "expected, bursty reads", EXPECT(32 * MIB, 32 * MIB, 700),
      .keys = V2_KEYS, .save_rate_bytes = 128 * MIB,
      .rule = "event=data-read,once=no,every=4,delay-ms=30",
      .goals = { WITHIN, KEPT } },
    /* 12 MiB become dirty at once: until they are read it does not fit. */
    { "expected, bursty writes", EXPECT(8 * MIB, 16 * MIB, 290),
      .keys = V2_KEYS " precopy-next=info precopy-info-ms=400 "
              "precopy-rate=30M", .save_rate_bytes = 64 * MIB,
      .goals = { WITHIN, KEPT } },
    /* The drivers report 8 MiB. */
    { "expected, 4 MiB of 8", EXPECT(4 * MIB, 16 * MIB, 400),
      .keys = V2_KEYS " told-size=8M", .save_rate_bytes = 32 * MIB,
      .goals = { WITHIN, KEPT } },
    { "expected, 16 MiB of 8", EXPECT(16 * MIB, 16 * MIB, 400),
      .keys = V2_KEYS " told-size=8M", .save_rate_bytes = 32 * MIB,
      .goals = { WITHIN } },

    /* The monitor, and a limit */
    { "answers", "mapped", 512 * MIB, 1 * MIB, BENCH_BOTH,
      VENDOR, .kind = BENCH_ANSWERS, .quick = true, .goals = { VALUE(100) } },
    { "cancel", "mapped", 512 * MIB, 1 * MIB, BENCH_BOTH,
      VENDOR, .kind = BENCH_CANCEL, .quick = true, .goals = { VALUE(100) } },
    { "limit of 32 MiB/s", "mapped", 64 * MIB, 64 * MIB, BENCH_BOTH,
      .kind = BENCH_LIMIT, .precopy_bytes = 16 * GIB,
      .bandwidth_bytes = 32 * MIB,
      .goals = { { BENCH_AGAINST_NUMBER, .most = 35.2, .least = 28.8 } } },
};

/* One row for each kind, way and layout */
static const char *const smoke_rows[] = {
    "mapped, 4 GiB", "mapped, 4 GiB, TCP", "mapped, 1 GiB, TLS",
    "mapped, 1 GiB, pipe", "mapped, 1 GiB, file", "trapped, 64 MiB",
    "mixed, 1 GiB", "last page trapped, 1 GiB", "v2, 1 GiB",
    "4 devices, slow states", "expected, bursty reads", "answers", "cancel",
    "limit of 32 MiB/s",
};

static bool is_smoke_row(const char *name)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(smoke_rows); i++) {
        if (!strcmp(smoke_rows[i], name)) {
            return true;
        }
    }
    return false;
}

/* Make a row run quickly; its numbers are meaningless. */
static void shrink(BenchCase *row)
{
    if (row->kind == BENCH_MOVE) {
        row->bytes = 256 * KIB;
        row->window_bytes = 128 * KIB;
    } else if (row->kind == BENCH_LIMIT) {
        row->window_bytes = MIB;    /* a chunk must fit the limit in time */
    } else {
        row->bytes = 100 * MIB;
    }
    row->change_ms = MIN(row->change_ms, 2);
    row->first_load_ms = MIN(row->first_load_ms, 5);
}

BenchCase *bench_cases(bool smoke, unsigned *count)
{
    BenchCase *cases = g_memdup2(rows, sizeof(rows));

    *count = 0;
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (!smoke || is_smoke_row(rows[i].name)) {
            cases[*count] = rows[i];
            if (smoke) {
                shrink(&cases[*count]);
            }
            (*count)++;
        }
    }
    return cases;
}

uint64_t bench_total_bytes(const BenchCase *spec)
{
    return spec->bytes * MAX(spec->devices, 1);
}
