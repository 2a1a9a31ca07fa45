/*
 * Tests of the arc tables of protocol v2 in hw/vfio/migration-state.c
 *
 * The contract stands here twice more: as the arcs that a driver performs,
 * by what the device can do, and as the ways that the kernel walks where
 * one write asks for more than one arc. All ways of all four tables are held
 * against both. Where ours differ from the kernel's on purpose, the table
 * says so.
 *
 * Source: linux/vfio.h of Linux 6.2, vfio_device_mig_state; the walk:
 * vfio_mig_get_next_state() as documented there.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/vfio/migration-state.h"

#define NR      VFIO_MIG_STATE__MAX
#define P2P     1
#define PC      2

#define E_  VFIO_MIG_STATE_ERROR
#define S_  VFIO_MIG_STATE_STOP
#define R_  VFIO_MIG_STATE_RUNNING
#define SC_ VFIO_MIG_STATE_STOP_COPY
#define RE_ VFIO_MIG_STATE_RESUMING
#define RP_ VFIO_MIG_STATE_RUNNING_P2P
#define PC_ VFIO_MIG_STATE_PRE_COPY
#define PP_ VFIO_MIG_STATE_PRE_COPY_P2P

/* Both directions, or one; with these features and without those */
static const struct {
    VFIOMigState from, to;
    bool both;
    unsigned with, without;
} contract[] = {
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
 * The states that the kernel puts a device through; those that a device has
 * not drop out. NULL: one arc, or refused.
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
    /* The kernel goes through running here, which lets the device loose. */
    { PC_, RP_, { PP_, RP_ } },
    { PC_, S_, { PP_, RP_, S_ } },
    { PC_, RE_, { PP_, RP_, S_, RE_ } },
    /* The kernel refuses these: what is left is a new session, our own way. */
    { SC_, PC_, { S_, RP_, R_, PC_ } },
    { SC_, PP_, { S_, RP_, PP_ } },
};

/* Without P2P, pre-copy ends in stop-copy and not in running. */
static const Way precopy_ways[] = {
    { PC_, S_, { SC_, S_ } },
    { PC_, RE_, { SC_, S_, RE_ } },
};

static bool has_state(unsigned can, VFIOMigState state)
{
    return state != E_ && (can & P2P || (state != RP_ && state != PP_)) &&
           (can & PC || (state != PC_ && state != PP_));
}

static bool is_arc(unsigned can, VFIOMigState from, VFIOMigState to)
{
    for (unsigned i = 0; i < ARRAY_SIZE(contract); i++) {
        if ((can & contract[i].with) == contract[i].with &&
            !(can & contract[i].without) &&
            ((contract[i].from == from && contract[i].to == to) ||
             (contract[i].both && contract[i].from == to &&
              contract[i].to == from))) {
            return true;
        }
    }
    return false;
}

static const VFIOMigArcTable *table_of(unsigned can)
{
    return vfio_mig_v2_arcs(can & P2P, can & PC);
}

static bool saves(VFIOMigState state)
{
    return state == PC_ || state == PP_ || state == SC_;
}

/* ---- tables ---- */

static void test_tables_are_the_contract(void)
{
    for (unsigned can = 0; can < 4; can++) {
        const VFIOMigArcTable *table = table_of(can);
        unsigned arcs = 0;

        g_assert_cmpstr(table->protocol, ==, "v2");
        for (VFIOMigState from = 0; from < NR; from++) {
            for (VFIOMigState to = 0; to < NR; to++) {
                g_assert_cmpint(vfio_mig_arc_index(table, from, to) >= 0, ==,
                                is_arc(can, from, to));
                arcs += is_arc(can, from, to);
            }
        }
        g_assert_cmpuint(table->nr_arcs, ==, arcs);
    }
}

/* ---- ways ---- */

/* "S>RP>R", or what was reached, then "?" */
static char *walk(unsigned can, VFIOMigState from, VFIOMigState to,
                  uint32_t avoid)
{
    GString *way = g_string_new(vfio_mig_state_str(from));
    VFIOMigState here = from, next;

    for (unsigned steps = 0; here != to; steps++) {
        g_assert_cmpuint(steps, <, NR);
        if (!vfio_mig_next_state(table_of(can), here, to, 0, avoid, &next)) {
            g_string_append(way, "?");
            break;
        }
        g_assert_true(is_arc(can, here, next));
        if (next != to) {
            g_assert_cmphex(avoid & 1u << next, ==, 0);
            g_assert_true(next != PC_ && next != RE_ && next != E_);
            /* No session is opened on the way, and none is opened twice. */
            g_assert_true(!saves(next) || saves(here));
        }
        g_string_append_printf(way, ">%s", vfio_mig_state_str(next));
        here = next;
    }
    return g_string_free(way, FALSE);
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

static char *expected_way(unsigned can, VFIOMigState from, VFIOMigState to)
{
    GString *text = g_string_new(vfio_mig_state_str(from));
    const Way *way = NULL;

    if (can == PC) {
        way = find_way(precopy_ways, ARRAY_SIZE(precopy_ways), from, to);
    }
    if (!way) {
        way = find_way(kernel_ways, ARRAY_SIZE(kernel_ways), from, to);
    }
    for (unsigned i = 0; way; i++) {
        if (has_state(can, way->states[i])) {
            g_string_append_printf(text, ">%s",
                                   vfio_mig_state_str(way->states[i]));
        }
        if (way->states[i] == to) {
            return g_string_free(text, FALSE);
        }
    }
    if (from != to) {
        g_assert_true(is_arc(can, from, to));
        g_string_append_printf(text, ">%s", vfio_mig_state_str(to));
    }
    return g_string_free(text, FALSE);
}

static void test_ways_are_the_kernels(void)
{
    unsigned ways = 0;

    for (unsigned can = 0; can < 4; can++) {
        for (VFIOMigState from = 0; from < NR; from++) {
            for (VFIOMigState to = 0; to < NR; to++) {
                g_autofree char *way = NULL, *expected = NULL;

                if (!has_state(can, from) || !has_state(can, to)) {
                    continue;
                }
                way = walk(can, from, to, 0);
                expected = expected_way(can, from, to);
                g_assert_cmpstr(way, ==, expected);
                ways++;
            }
        }
    }
    g_assert_cmpuint(ways, ==, 4 * 4 + 5 * 5 + 5 * 5 + 7 * 7);
}

/* A stopped VM's device comes to a stop without running in between. */
static void test_a_stopped_vm(void)
{
    const uint32_t avoid = 1u << R_;

    for (unsigned can = 0; can < 4; can++) {
        for (VFIOMigState from = 0; from < NR; from++) {
            g_autofree char *stop = NULL, *stop_copy = NULL;

            if (!has_state(can, from)) {
                continue;
            }
            stop = walk(can, from, S_, avoid);
            stop_copy = walk(can, from, SC_, avoid);
            g_assert_null(strchr(stop, '?'));
            g_assert_null(strchr(stop_copy, '?'));
        }
    }
}

/* What was read goes with what is still to be read: one session. */
static void test_the_session_is_kept(void)
{
    const uint32_t avoid = 1u << R_ | 1u << S_ | 1u << RP_;
    g_autofree char *both = walk(PC | P2P, PC_, SC_, avoid);
    g_autofree char *second = walk(PC | P2P, PP_, SC_, avoid);
    g_autofree char *plain = walk(PC, PC_, SC_, avoid);
    g_autofree char *back = walk(PC | P2P, PP_, PC_, avoid);

    g_assert_cmpstr(both, ==, "pre-copy>pre-copy-p2p>stop-copy");
    g_assert_cmpstr(second, ==, "pre-copy-p2p>stop-copy");
    g_assert_cmpstr(plain, ==, "pre-copy>stop-copy");
    g_assert_cmpstr(back, ==, "pre-copy-p2p>pre-copy");
}

/* ---- a model of what can be reached ---- */

/*
 * Forward from @from over all arcs; a state in between must be allowed, and
 * none that opens a session of its own.
 */
static bool model_reaches(unsigned can, VFIOMigState from, VFIOMigState to,
                          uint32_t avoid)
{
    uint32_t reached = 1u << from, before = 0;

    while (reached != before) {
        before = reached;
        for (VFIOMigState here = 0; here < NR; here++) {
            bool pass = here == from ||
                        (!(avoid & 1u << here) && here != PC_ &&
                         here != RE_ && here != E_ &&
                         (here != PP_ || from == PC_));

            for (VFIOMigState next = 0; next < NR; next++) {
                if ((before & 1u << here) && pass &&
                    is_arc(can, here, next)) {
                    reached |= 1u << next;
                }
            }
        }
    }
    return reached & 1u << to;
}

static void test_all_masks(void)
{
    for (unsigned can = 0; can < 4; can++) {
        for (uint32_t avoid = 0; avoid < 1u << NR; avoid++) {
            for (VFIOMigState from = 0; from < NR; from++) {
                for (VFIOMigState to = 0; to < NR; to++) {
                    VFIOMigState next = NR;
                    bool found = vfio_mig_next_state(table_of(can), from, to,
                                                     0, avoid, &next);

                    g_assert_cmpint(found, ==, from == to ||
                                    model_reaches(can, from, to, avoid));
                    g_assert_true(!found || from == to ||
                                  is_arc(can, from, next));
                }
            }
        }
    }
}

static void test_who_runs(void)
{
    for (VFIOMigState state = 0; state < NR + 1; state++) {
        g_assert_cmpint(vfio_mig_state_runs(state), ==,
                        state == R_ || state == RP_ || state == PC_ ||
                        state == PP_);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/state-v2/tables-are-the-contract",
                    test_tables_are_the_contract);
    g_test_add_func("/state-v2/ways-are-the-kernels",
                    test_ways_are_the_kernels);
    g_test_add_func("/state-v2/a-stopped-vm", test_a_stopped_vm);
    g_test_add_func("/state-v2/the-session-is-kept",
                    test_the_session_is_kept);
    g_test_add_func("/state-v2/all-masks", test_all_masks);
    g_test_add_func("/state-v2/who-runs", test_who_runs);
    return g_test_run();
}
