/*
 * Tests of hw/vfio/migration-state.c
 *
 * The contract is repeated here: the arcs of each protocol, and the paths that
 * the kernel takes if one write to a v2 device asks for more than one arc.
 * Paths are also found by an independent forward search, for every pair of
 * states, set of refused arcs and set of avoided states.
 *
 * Source: docs/contract.md, States; linux/vfio.h of Linux 6.2,
 * vfio_device_mig_state, and the paths documented there.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/vfio/migration-state.h"

#define NR      VFIO_MIG_STATE__MAX
#define SET(state) (UINT32_C(1) << (state))

/* Features of a v2 device; or v1 */
#define P2P     1
#define PC      2
#define V1      4

#define E_  VFIO_MIG_STATE_ERROR
#define S_  VFIO_MIG_STATE_STOP
#define R_  VFIO_MIG_STATE_RUNNING
#define SC_ VFIO_MIG_STATE_STOP_COPY
#define RE_ VFIO_MIG_STATE_RESUMING
#define RP_ VFIO_MIG_STATE_RUNNING_P2P
#define PC_ VFIO_MIG_STATE_PRE_COPY
#define PP_ VFIO_MIG_STATE_PRE_COPY_P2P

/*
 * Drawn in the kernel's header, or used by QEMU. The order decides between
 * paths of equal length.
 */
static const VFIOMigArc v1_contract[] = {
    { R_, S_ }, { R_, SC_ }, { R_, PC_ }, { R_, RE_ },
    { PC_, SC_ }, { PC_, S_ }, { PC_, R_ },
    { SC_, S_ }, { SC_, R_ },
    { S_, R_ }, { S_, SC_ }, { S_, RE_ },
    { RE_, R_ }, { RE_, S_ },
};

/* In both directions or one; with and without these features */
static const struct {
    VFIOMigState from, to;
    bool both;
    unsigned with, without;
} v2_contract[] = {
    { S_, SC_, true, 0, 0 },
    { S_, RE_, true, 0, 0 },
    { R_, S_, true, 0, P2P },
    { R_, RP_, true, P2P, 0 },
    { RP_, S_, true, P2P, 0 },
    { R_, PC_, true, PC, 0 },
    { PC_, SC_, false, PC, P2P },
    { PC_, PP_, true, PC | P2P, 0 },
    { RP_, PP_, true, PC | P2P, 0 },
    { PP_, SC_, false, PC | P2P, 0 },
};

/*
 * The states that the kernel takes a device through; those that the device
 * lacks are skipped. Without an entry: a single arc.
 */
typedef struct Way {
    VFIOMigState from, to;
    VFIOMigState states[4];     /* ends with @to */
} Way;

static const Way kernel_ways[] = {
    { S_, R_, { RP_, R_ } },
    { S_, PC_, { RP_, R_, PC_ } },
    { S_, PP_, { RP_, PP_ } },
    { R_, S_, { RP_, S_ } },
    { R_, SC_, { RP_, S_, SC_ } },
    { R_, RE_, { RP_, S_, RE_ } },
    { R_, PP_, { RP_, PP_ } },
    { SC_, R_, { S_, RP_, R_ } },
    { SC_, RE_, { S_, RE_ } },
    { SC_, RP_, { S_, RP_ } },
    { RE_, R_, { S_, RP_, R_ } },
    { RE_, SC_, { S_, SC_ } },
    { RE_, RP_, { S_, RP_ } },
    { RE_, PC_, { S_, RP_, R_, PC_ } },
    { RE_, PP_, { S_, RP_, PP_ } },
    { RP_, SC_, { S_, SC_ } },
    { RP_, RE_, { S_, RE_ } },
    { RP_, PC_, { R_, PC_ } },
    { PC_, SC_, { PP_, SC_ } },
    { PP_, S_, { RP_, S_ } },
    { PP_, R_, { RP_, R_ } },
    { PP_, RE_, { RP_, S_, RE_ } },
    /* The kernel passes running here, which lets the device run. */
    { PC_, RP_, { PP_, RP_ } },
    { PC_, S_, { PP_, RP_, S_ } },
    { PC_, RE_, { PP_, RP_, S_, RE_ } },
    /* The kernel refuses these; our own path starts a new session. */
    { SC_, PC_, { S_, RP_, R_, PC_ } },
    { SC_, PP_, { S_, RP_, PP_ } },
};

/* Without P2P, pre-copy ends in stop-copy, not in running. */
static const Way precopy_ways[] = {
    { PC_, S_, { SC_, S_ } },
    { PC_, RE_, { SC_, S_, RE_ } },
};

static bool has_state(unsigned can, VFIOMigState state)
{
    return state != E_ && (can & P2P || (state != RP_ && state != PP_)) &&
           (can & PC || (state != PC_ && state != PP_));
}

static bool is_v2_arc(unsigned can, VFIOMigState from, VFIOMigState to)
{
    for (unsigned i = 0; i < ARRAY_SIZE(v2_contract); i++) {
        if ((can & v2_contract[i].with) == v2_contract[i].with &&
            !(can & v2_contract[i].without) &&
            ((v2_contract[i].from == from && v2_contract[i].to == to) ||
             (v2_contract[i].both && v2_contract[i].from == to &&
              v2_contract[i].to == from))) {
            return true;
        }
    }
    return false;
}

static const VFIOMigArcTable *table_of(unsigned can)
{
    return can == V1 ? &vfio_mig_v1_arcs : vfio_mig_v2_arcs(can & P2P,
                                                            can & PC);
}

/* ---- tables ---- */

static void test_v1_table_is_the_contract(void)
{
    const VFIOMigArcTable *table = table_of(V1);
    unsigned arcs = 0;

    g_assert_cmpstr(table->protocol, ==, "v1");
    g_assert_cmpmem(table->arcs, table->nr_arcs * sizeof(VFIOMigArc),
                    v1_contract, sizeof(v1_contract));
    for (VFIOMigState from = 0; from <= NR; from++) {
        for (VFIOMigState to = 0; to <= NR; to++) {
            int index = vfio_mig_arc_index(table, from, to);

            g_assert_true(index < 0 || (v1_contract[index].from == from &&
                                        v1_contract[index].to == to));
            arcs += index >= 0;
        }
    }
    g_assert_cmpuint(arcs, ==, ARRAY_SIZE(v1_contract));
}

static void test_v2_tables_are_the_contract(void)
{
    for (unsigned can = 0; can < 4; can++) {
        const VFIOMigArcTable *table = table_of(can);
        unsigned arcs = 0;

        g_assert_cmpstr(table->protocol, ==, "v2");
        for (VFIOMigState from = 0; from < NR; from++) {
            for (VFIOMigState to = 0; to < NR; to++) {
                g_assert_cmpint(vfio_mig_arc_index(table, from, to) >= 0, ==,
                                is_v2_arc(can, from, to));
                arcs += is_v2_arc(can, from, to);
            }
        }
        g_assert_cmpuint(table->nr_arcs, ==, arcs);
    }
}

/* 64 arcs use all bits of the sets; 0 arcs are legal. */
static void test_table_sizes(void)
{
    VFIOMigArc arcs[64];
    VFIOMigArcTable table = { .protocol = "full", .arcs = arcs };
    VFIOMigState next = NR;
    unsigned i;

    for (i = 0; i < 63; i++) {
        arcs[i] = (VFIOMigArc){ S_, SC_ };
    }
    arcs[63] = (VFIOMigArc){ R_, S_ };
    for (i = 0; i <= 64; i++) {
        table.nr_arcs = i;
        g_assert_cmpint(vfio_mig_arc_index(&table, R_, S_), ==,
                        i == 64 ? 63 : -1);
        g_assert_cmpint(vfio_mig_next_state(&table, R_, S_, 0, 0, &next), ==,
                        i == 64);
    }
    g_assert_cmpuint(next, ==, S_);
    g_assert_false(vfio_mig_next_state(&table, R_, S_, UINT64_C(1) << 63, 0,
                                       &next));
    g_assert_true(vfio_mig_next_state(&table, R_, SC_, UINT64_MAX >> 2, 0,
                                      &next));
    g_assert_cmpuint(next, ==, S_);
}

/* ---- paths ---- */

/* A path must not open or end a data session, but may continue pre-copy's. */
static bool may_pass(VFIOMigState start, VFIOMigState state, uint32_t avoid)
{
    return !(avoid & SET(state)) && state != PC_ && state != RE_ &&
           state != E_ && (state != PP_ || start == PC_);
}

/* Steps from @from to each state, on a path that started in @start; NR: none */
static void model_steps(const VFIOMigArcTable *table, VFIOMigState start,
                        VFIOMigState from, uint64_t refused, uint32_t avoid,
                        unsigned steps[NR])
{
    unsigned queue[NR], head = 0, tail = 0;

    for (unsigned i = 0; i < NR; i++) {
        steps[i] = NR;
    }
    steps[from] = 0;
    queue[tail++] = from;
    while (head < tail) {
        unsigned here = queue[head++];

        for (unsigned i = 0; i < table->nr_arcs &&
                             may_pass(start, here, avoid); i++) {
            unsigned to = table->arcs[i].to;

            if (table->arcs[i].from == here && !(refused >> i & 1) &&
                steps[to] == NR) {
                steps[to] = steps[here] + 1;
                queue[tail++] = to;
            }
        }
    }
}

/*
 * From @from to each state: the first arc, in table order, that starts a
 * shortest path. So each walk ends, and passes allowed states only.
 */
static void check_from(const VFIOMigArcTable *table, VFIOMigState from,
                       uint64_t refused, uint32_t avoid)
{
    unsigned best[NR], steps[NR];
    VFIOMigState want[NR];

    for (VFIOMigState to = 0; to < NR; to++) {
        best[to] = NR;
        want[to] = to == from ? from : NR;
    }
    for (unsigned i = 0; i < table->nr_arcs; i++) {
        if (table->arcs[i].from != from || refused >> i & 1) {
            continue;
        }
        model_steps(table, from, table->arcs[i].to, refused, avoid, steps);
        for (VFIOMigState to = 0; to < NR; to++) {
            if (to != from && steps[to] < best[to]) {
                best[to] = steps[to];
                want[to] = table->arcs[i].to;
            }
        }
    }
    for (VFIOMigState to = 0; to < NR; to++) {
        VFIOMigState next = NR;

        g_assert_cmpint(vfio_mig_next_state(table, from, to, refused, avoid,
                                            &next), ==, want[to] != NR);
        g_assert_cmpuint(next, ==, want[to]);
    }
}

static void check_all(const VFIOMigArcTable *table, uint64_t refused,
                      uint32_t avoid)
{
    for (VFIOMigState from = 0; from < NR; from++) {
        check_from(table, from, refused, avoid);
    }
}

static void test_every_way_is_the_shortest(void)
{
    for (unsigned can = 0; can <= V1; can++) {
        for (uint32_t avoid = 0; avoid < 1u << NR; avoid++) {
            check_all(table_of(can), 0, avoid);
            /*
             * Bits beyond the table, and states beyond the last, are ignored.
             */
            for (unsigned i = 0; i < 20; i++) {
                check_all(table_of(can), (uint64_t)g_test_rand_int() << 32 |
                          (uint32_t)g_test_rand_int(), avoid | ~0u << NR);
            }
        }
    }
    /* A v1 driver may refuse any arc. */
    for (uint64_t refused = 0; refused >> ARRAY_SIZE(v1_contract) == 0;
         refused++) {
        check_all(table_of(V1), refused, 0);
        check_all(table_of(V1), refused, SET(R_));
    }
}

static const Way *find_way(const Way *ways, size_t n, VFIOMigState from,
                           VFIOMigState to)
{
    for (size_t i = 0; i < n; i++) {
        if (ways[i].from == from && ways[i].to == to) {
            return &ways[i];
        }
    }
    return NULL;
}

static void check_way(unsigned can, VFIOMigState from, VFIOMigState to)
{
    const Way *way = can == PC ? find_way(precopy_ways,
                                          ARRAY_SIZE(precopy_ways), from, to)
                               : NULL;
    VFIOMigState here = from, next;

    way = way ?: find_way(kernel_ways, ARRAY_SIZE(kernel_ways), from, to);
    for (unsigned i = 0; here != to; i++, here = next) {
        while (way && !has_state(can, way->states[i])) {
            i++;
        }
        g_assert_true(vfio_mig_next_state(table_of(can), here, to, 0, 0,
                                          &next));
        g_assert_cmpstr(vfio_mig_state_str(next), ==,
                        vfio_mig_state_str(way ? way->states[i] : to));
    }
}

/* All of them; and the device of a stopped VM can stop without running. */
static void test_ways_are_the_kernels(void)
{
    for (unsigned can = 0; can < 4; can++) {
        for (VFIOMigState from = 0; from < NR; from++) {
            VFIOMigState next;

            if (!has_state(can, from)) {
                continue;
            }
            for (VFIOMigState to = 0; to < NR; to++) {
                if (has_state(can, to)) {
                    check_way(can, from, to);
                }
            }
            g_assert_true(vfio_mig_next_state(table_of(can), from, S_, 0,
                                              SET(R_), &next));
            g_assert_true(vfio_mig_next_state(table_of(can), from, SC_, 0,
                                              SET(R_), &next));
        }
    }
}

/* ---- states ---- */

static void test_names(void)
{
    static const char *const names[] = {
        "error", "stop", "running", "stop-copy", "resuming", "running-p2p",
        "pre-copy", "pre-copy-p2p", "unknown", "unknown",
    };

    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        g_assert_cmpstr(vfio_mig_state_str(i), ==, names[i]);
        g_assert_cmpint(vfio_mig_state_runs(i), ==,
                        i == R_ || i == RP_ || i == PC_ || i == PP_);
    }
    g_assert_cmpstr(vfio_mig_state_str((VFIOMigState)-1), ==, "unknown");
}

/* Meaning of each combination of RESUMING, SAVING, RUNNING, if any */
static const VFIOMigState state_of_bits[8] = { S_, R_, SC_, PC_, RE_, NR, E_,
                                               NR };

static void test_v1_bits(void)
{
    static const uint32_t high_bits[] = {
        0, 0x00000100, 0x12345600, 0x7fffff00, 0x80000000, 0xffffff00,
    };

    for (unsigned i = 0; i < 256 * ARRAY_SIZE(high_bits); i++) {
        uint32_t value = i % 256 | high_bits[i / 256];
        VFIOMigState expected = state_of_bits[value & 7], state = NR;

        /* If it is invalid, nothing is written either */
        g_assert_cmpint(vfio_mig_v1_decode(value, &state), ==,
                        expected != NR);
        g_assert_cmpuint(state, ==, expected);
        for (unsigned bits = 0; bits <= 4; bits++) {
            g_assert_cmpuint(vfio_mig_v1_encode(value, state_of_bits[bits]),
                             ==, (value & 0xfffffff8) + bits);
        }
    }
}

/* Only the driver reports ERROR: to ask for it is a bug of ours. */
static void test_v1_never_writes_error(void)
{
    if (g_test_subprocess()) {
        vfio_mig_v1_encode(0, VFIO_MIG_STATE_ERROR);
        return;
    }
    g_test_trap_subprocess(NULL, 10 * G_USEC_PER_SEC, 0);
    g_test_trap_assert_failed();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/state/v1/table-is-the-contract",
                    test_v1_table_is_the_contract);
    g_test_add_func("/state/v2/tables-are-the-contract",
                    test_v2_tables_are_the_contract);
    g_test_add_func("/state/table-sizes", test_table_sizes);
    g_test_add_func("/state/every-way-is-the-shortest",
                    test_every_way_is_the_shortest);
    g_test_add_func("/state/v2/ways-are-the-kernels",
                    test_ways_are_the_kernels);
    g_test_add_func("/state/names-and-who-runs", test_names);
    g_test_add_func("/state/v1/bits", test_v1_bits);
    g_test_add_func("/state/v1/never-writes-error",
                    test_v1_never_writes_error);
    return g_test_run();
}
