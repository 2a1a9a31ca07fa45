/*
 * Tests of hw/vfio/migration-state.c
 *
 * The arcs of the contract stand here a second time, as the bits that are
 * written to device_state and not as states, and the ways between them are
 * found by a forward search of this file's own. The table under test is held
 * against both for every pair of states, every set of refused arcs and every
 * set of avoided states.
 *
 * Source: docs/contract.md, States.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/vfio/migration-state.h"

#define NR_ARCS         14
#define UNREACHABLE     99

/* RESUMING, SAVING, RUNNING, in the order that the contract writes them. */
static const char *const contract[NR_ARCS] = {
    /* drawn in the kernel's header or performed by QEMU: section 1.3 */
    "001>000", "001>010", "001>011", "001>100",
    "011>010", "011>000", "011>001",
    "010>000", "010>001",
    "000>001", "000>010", "000>100",
    "100>001", "100>000",
};

/* The six combinations that mean something: index = the three bits. */
static const VFIOMigState state_of_bits[8] = {
    [0] = VFIO_MIG_STATE_STOP,
    [1] = VFIO_MIG_STATE_RUNNING,
    [2] = VFIO_MIG_STATE_STOP_COPY,
    [3] = VFIO_MIG_STATE_PRE_COPY,
    [4] = VFIO_MIG_STATE_RESUMING,
    [5] = VFIO_MIG_STATE__MAX,
    [6] = VFIO_MIG_STATE_ERROR,
    [7] = VFIO_MIG_STATE__MAX,
};

static unsigned bits_of_text(const char *text)
{
    unsigned bits = 0;
    unsigned i;

    for (i = 0; i < 3; i++) {
        bits = bits * 2 + (text[i] - '0');
    }
    return bits;
}

static unsigned arc_from(unsigned arc)
{
    return bits_of_text(contract[arc]);
}

static unsigned arc_to(unsigned arc)
{
    return bits_of_text(contract[arc] + 4);
}

static uint32_t avoid_bit(unsigned bits)
{
    return UINT32_C(1) << state_of_bits[bits];
}

/* A set of refused arcs in the order of the table under test. */
static uint64_t table_set(uint64_t contract_set)
{
    uint64_t set = 0;
    unsigned i;

    for (i = 0; i < NR_ARCS; i++) {
        if (contract_set & (UINT64_C(1) << i)) {
            int index = vfio_mig_arc_index(&vfio_mig_v1_arcs,
                                           state_of_bits[arc_from(i)],
                                           state_of_bits[arc_to(i)]);
            g_assert_cmpint(index, >=, 0);
            set |= UINT64_C(1) << index;
        }
    }
    return set;
}

/* May a way lead through @bits? Only 000, 001 and 010 open no data session. */
static bool may_pass(unsigned bits, uint32_t avoid)
{
    return bits <= 2 && !(avoid & avoid_bit(bits));
}

/* Steps from @start to each of the 8 combinations, searched forward. */
static void model_distances(unsigned start, uint64_t refused, uint32_t avoid,
                            unsigned distance[8])
{
    unsigned queue[8], head = 0, tail = 0, i;

    for (i = 0; i < 8; i++) {
        distance[i] = UNREACHABLE;
    }
    distance[start] = 0;
    queue[tail++] = start;

    while (head < tail) {
        unsigned here = queue[head++];

        if (here != start && !may_pass(here, avoid)) {
            continue;
        }
        for (i = 0; i < NR_ARCS; i++) {
            unsigned to = arc_to(i);

            if (arc_from(i) == here && !(refused >> i & 1) &&
                distance[to] == UNREACHABLE) {
                distance[to] = distance[here] + 1;
                queue[tail++] = to;
            }
        }
    }
}

/* The contract's arc that a shortest way must begin with, or -1. */
static int model_first_arc(unsigned from, unsigned to, uint64_t refused,
                           uint32_t avoid, unsigned distance[8][8])
{
    unsigned i;

    for (i = 0; i < NR_ARCS; i++) {
        unsigned mid = arc_to(i);

        if (arc_from(i) == from && !(refused >> i & 1) &&
            (mid == to || may_pass(mid, avoid)) &&
            distance[mid][to] + 1 == distance[from][to]) {
            return i;
        }
    }
    return -1;
}

static void check_step(unsigned from, unsigned to, uint64_t refused,
                       uint32_t avoid, unsigned distance[8][8])
{
    const VFIOMigState none = VFIO_MIG_STATE__MAX;
    VFIOMigState next = none;
    bool found = vfio_mig_next_state(&vfio_mig_v1_arcs, state_of_bits[from],
                                     state_of_bits[to], refused, avoid,
                                     &next);
    int first;

    if (from == to) {
        g_assert_true(found && next == state_of_bits[from]);
        return;
    }
    if (distance[from][to] == UNREACHABLE) {
        g_assert_true(!found && next == none);
        return;
    }
    /*
     * The first step of a shortest way for every pair: so each walk ends,
     * has legal steps only, and passes through allowed states only.
     */
    first = model_first_arc(from, to, refused, avoid, distance);
    g_assert_true(first >= 0 && found);
    g_assert_true(next == state_of_bits[arc_to(first)]);
}

static void check_all_pairs(uint64_t refused, uint32_t avoid)
{
    unsigned distance[8][8];
    unsigned from, to;

    for (from = 0; from < 8; from++) {
        model_distances(from, refused, avoid, distance[from]);
    }
    for (from = 0; from < 8; from++) {
        for (to = 0; to < 8; to++) {
            if (from != 5 && from != 7 && to != 5 && to != 7) {
                check_step(from, to, refused, avoid, distance);
            }
        }
    }
}

static void test_table_is_the_contract(void)
{
    const VFIOMigArcTable *table = &vfio_mig_v1_arcs;
    unsigned i;

    g_assert_cmpstr(table->protocol, ==, "v1");
    g_assert_cmpuint(table->nr_arcs, ==, NR_ARCS);
    for (i = 0; i < NR_ARCS; i++) {
        /* The order decides among ways of one length: it counts, too */
        g_assert_cmpuint(table->arcs[i].from, ==, state_of_bits[arc_from(i)]);
        g_assert_cmpuint(table->arcs[i].to, ==, state_of_bits[arc_to(i)]);
        g_assert_cmpint(vfio_mig_arc_index(table, table->arcs[i].from,
                                           table->arcs[i].to), ==, i);
    }
}

static void test_arc_index_knows_no_other_arc(void)
{
    unsigned from, to, i, found = 0;

    for (from = 0; from <= VFIO_MIG_STATE__MAX + 1; from++) {
        for (to = 0; to <= VFIO_MIG_STATE__MAX + 1; to++) {
            bool in_contract = false;

            for (i = 0; i < NR_ARCS; i++) {
                in_contract |= state_of_bits[arc_from(i)] == from &&
                               state_of_bits[arc_to(i)] == to;
            }
            g_assert_cmpint(vfio_mig_arc_index(&vfio_mig_v1_arcs, from, to)
                            >= 0, ==, in_contract);
            found += in_contract;
        }
    }
    g_assert_cmpuint(found, ==, NR_ARCS);
}

static void test_every_way_is_the_shortest(void)
{
    uint64_t refused;
    unsigned mask;

    for (refused = 0; refused < UINT64_C(1) << NR_ARCS; refused++) {
        g_assert_cmpuint(table_set(refused), ==, refused);
        for (mask = 0; mask < 8; mask++) {
            check_all_pairs(refused, (mask & 1 ? avoid_bit(0) : 0) |
                                     (mask & 2 ? avoid_bit(1) : 0) |
                                     (mask & 4 ? avoid_bit(2) : 0));
        }
    }
}

/* Avoiding what is never passed, or does not exist, changes nothing. */
static void test_every_avoid_mask(void)
{
    uint64_t refused;
    uint32_t avoid;
    unsigned i;

    for (avoid = 0; avoid < 256; avoid++) {
        check_all_pairs(0, avoid);
        check_all_pairs(0, avoid | 0xffffff00);
        for (i = 0; i < 50; i++) {
            refused = g_test_rand_int() & ((1u << NR_ARCS) - 1);
            check_all_pairs(refused, avoid);
            /* Bits beyond the table are nobody's */
            check_all_pairs(refused | UINT64_MAX << NR_ARCS, avoid);
        }
    }
}

/* Walk and spell the way: "011>000>001", or what was reached, then "?". */
static char *walk(const char *from, const char *to, const char *refused,
                  uint32_t avoid)
{
    GString *way = g_string_new(from);
    VFIOMigState here = state_of_bits[bits_of_text(from)];
    VFIOMigState target = state_of_bits[bits_of_text(to)];
    uint64_t set = 0;
    unsigned i, steps = 0;

    for (i = 0; i < NR_ARCS; i++) {
        if (strstr(refused, contract[i])) {
            set |= UINT64_C(1) << i;
        }
    }
    while (here != target) {
        VFIOMigState next;
        unsigned bits = 0;

        if (!vfio_mig_next_state(&vfio_mig_v1_arcs, here, target,
                                 table_set(set), avoid, &next)) {
            g_string_append(way, "?");
            break;
        }
        while (state_of_bits[bits] != next) {
            bits++;
        }
        g_string_append_printf(way, ">%u%u%u", bits >> 2 & 1, bits >> 1 & 1,
                               bits & 1);
        here = next;
        g_assert_cmpuint(++steps, <, 8);
    }
    return g_string_free(way, FALSE);
}

static void check_walk(const char *from, const char *to, const char *refused,
                       uint32_t avoid, const char *expected)
{
    g_autofree char *way = walk(from, to, refused, avoid);

    g_assert_cmpstr(way, ==, expected);
}

/* Written by hand from docs/contract.md, States. */
static void test_fall_back_chains(void)
{
    const uint32_t paused = avoid_bit(1);

    /* cancel in pre-copy, the VM runs */
    check_walk("011", "001", "", 0, "011>001");
    check_walk("011", "001", "011>001", 0, "011>010>001");
    check_walk("011", "001", "011>001 011>010", 0, "011>000>001");
    check_walk("011", "001", "011>001 010>001", 0, "011>000>001");
    check_walk("011", "001", "011>001 011>000 010>001", 0,
               "011>010>000>001");
    check_walk("011", "001", "011>001 011>000 011>010", 0, "011?");
    /* cancel in pre-copy, the VM is paused: never through 001 */
    check_walk("011", "000", "", paused, "011>000");
    check_walk("011", "000", "011>000", paused, "011>010>000");
    check_walk("011", "000", "011>000 010>000", paused, "011?");
    check_walk("010", "000", "010>000", paused, "010?");
    check_walk("010", "000", "010>000", 0, "010>001>000");
    /* saving a stopped device */
    check_walk("000", "010", "", paused, "000>010");
    check_walk("000", "010", "000>010", 0, "000>001>010");
    check_walk("000", "010", "000>010", paused, "000?");
    /* savevm of a running VM */
    check_walk("001", "010", "", 0, "001>010");
    check_walk("001", "010", "001>010", 0, "001>000>010");
    /* end of a load, and onward migration of a VM that never ran */
    check_walk("100", "000", "", paused, "100>000");
    check_walk("100", "000", "100>000", paused, "100?");
    check_walk("100", "010", "", paused, "100>000>010");
    check_walk("100", "010", "", 0, "100>001>010");
    check_walk("100", "011", "", paused, "100?");
    /* incoming on a stopped device */
    check_walk("000", "100", "000>100", 0, "000>001>100");
    check_walk("000", "100", "000>100", paused, "000?");
}

static void test_error_is_no_way_station(void)
{
    static const char *const others[] = { "000", "001", "010", "011", "100" };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(others); i++) {
        g_autofree char *into = walk(others[i], "110", "", 0);
        g_autofree char *out = walk("110", others[i], "", 0);
        g_autofree char *stays = g_strdup_printf("%s?", others[i]);

        g_assert_cmpstr(into, ==, stays);
        g_assert_cmpstr(out, ==, "110?");
    }
}

/* A protocol of 64 arcs fills the sets to their last bit; one of 0 is legal. */
static void test_table_sizes(void)
{
    VFIOMigArc arcs[64];
    VFIOMigArcTable table = { .protocol = "full", .arcs = arcs };
    VFIOMigState next = VFIO_MIG_STATE__MAX;
    unsigned i;

    for (i = 0; i < 63; i++) {
        arcs[i] = (VFIOMigArc){ VFIO_MIG_STATE_STOP,
                                VFIO_MIG_STATE_STOP_COPY };
    }
    arcs[63] = (VFIOMigArc){ VFIO_MIG_STATE_RUNNING, VFIO_MIG_STATE_STOP };

    for (i = 0; i <= 64; i++) {
        table.nr_arcs = i;
        g_assert_cmpint(vfio_mig_arc_index(&table, VFIO_MIG_STATE_RUNNING,
                                           VFIO_MIG_STATE_STOP), ==,
                        i == 64 ? 63 : -1);
        g_assert_cmpint(vfio_mig_next_state(&table, VFIO_MIG_STATE_RUNNING,
                                            VFIO_MIG_STATE_STOP, 0, 0,
                                            &next), ==, i == 64);
    }
    g_assert_cmpuint(next, ==, VFIO_MIG_STATE_STOP);
    g_assert_false(vfio_mig_next_state(&table, VFIO_MIG_STATE_RUNNING,
                                       VFIO_MIG_STATE_STOP,
                                       UINT64_C(1) << 63, 0, &next));
    g_assert_true(vfio_mig_next_state(&table, VFIO_MIG_STATE_RUNNING,
                                      VFIO_MIG_STATE_STOP_COPY,
                                      UINT64_MAX >> 2, 0, &next));
    g_assert_cmpuint(next, ==, VFIO_MIG_STATE_STOP);
}

static void test_names(void)
{
    static const char *const names[] = {
        "error", "stop", "running", "stop-copy", "resuming", "running-p2p",
        "pre-copy", "pre-copy-p2p",
    };
    unsigned i;

    G_STATIC_ASSERT(G_N_ELEMENTS(names) == VFIO_MIG_STATE__MAX);
    for (i = 0; i < ARRAY_SIZE(names); i++) {
        g_assert_cmpstr(vfio_mig_state_str(i), ==, names[i]);
    }
    g_assert_cmpstr(vfio_mig_state_str(VFIO_MIG_STATE__MAX), ==, "unknown");
    g_assert_cmpstr(vfio_mig_state_str(VFIO_MIG_STATE__MAX + 1), ==,
                    "unknown");
    g_assert_cmpstr(vfio_mig_state_str((VFIOMigState)-1), ==, "unknown");
}

static const uint32_t high_bits[] = {
    0, 0x00000100, 0x12345600, 0x7fffff00, 0x80000000, 0xffffff00,
};

static void test_decode(void)
{
    unsigned value, i;

    for (value = 0; value < 256; value++) {
        for (i = 0; i < ARRAY_SIZE(high_bits); i++) {
            VFIOMigState expected = state_of_bits[value & 7];
            VFIOMigState state = VFIO_MIG_STATE__MAX;
            bool valid = vfio_mig_v1_decode(value | high_bits[i], &state);

            /* Where it is invalid, nothing is written either */
            g_assert_cmpint(valid, ==, expected != VFIO_MIG_STATE__MAX);
            g_assert_cmpuint(state, ==, expected);
        }
    }
}

static void test_encode(void)
{
    unsigned value, i, bits;

    for (value = 0; value < 256; value++) {
        for (i = 0; i < ARRAY_SIZE(high_bits); i++) {
            uint32_t old = value | high_bits[i];

            for (bits = 0; bits <= 4; bits++) {
                g_assert_cmpuint(vfio_mig_v1_encode(old, state_of_bits[bits]),
                                 ==, (old & 0xfffffff8) + bits);
            }
        }
    }
}

/* ERROR is the driver's to report: to ask for it is a bug of ours. */
static void test_encode_never_writes_error(void)
{
    static const VFIOMigState forbidden[] = {
        VFIO_MIG_STATE_ERROR, VFIO_MIG_STATE_RUNNING_P2P, VFIO_MIG_STATE__MAX,
    };
    unsigned i;

    if (g_test_subprocess()) {
        vfio_mig_v1_encode(0, VFIO_MIG_STATE_ERROR);
        return;
    }
    g_test_trap_subprocess(NULL, 10 * G_USEC_PER_SEC, 0);
    g_test_trap_assert_failed();

    for (i = 0; i < ARRAY_SIZE(forbidden); i++) {
        unsigned arc;

        for (arc = 0; arc < vfio_mig_v1_arcs.nr_arcs; arc++) {
            g_assert_cmpuint(vfio_mig_v1_arcs.arcs[arc].to, !=, forbidden[i]);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/state/table-is-the-contract",
                    test_table_is_the_contract);
    g_test_add_func("/state/arc-index-knows-no-other-arc",
                    test_arc_index_knows_no_other_arc);
    g_test_add_func("/state/every-way-is-the-shortest",
                    test_every_way_is_the_shortest);
    g_test_add_func("/state/every-avoid-mask", test_every_avoid_mask);
    g_test_add_func("/state/fall-back-chains", test_fall_back_chains);
    g_test_add_func("/state/error-is-no-way-station",
                    test_error_is_no_way_station);
    g_test_add_func("/state/table-sizes", test_table_sizes);
    g_test_add_func("/state/names", test_names);
    g_test_add_func("/state/v1/decode", test_decode);
    g_test_add_func("/state/v1/encode", test_encode);
    g_test_add_func("/state/v1/encode-never-writes-error",
                    test_encode_never_writes_error);
    return g_test_run();
}
