/*
 * Migration states of a VFIO device, and the paths between them
 *
 * Owns: the tables of arcs of both protocols, the search for the next step,
 * the names of states, and the three state bits of device_state. Does not own:
 * any device. Performing an arc and handling a refusal is up to the caller.
 *
 * Pure functions and constant data: no lock.
 *
 * Source: linux/vfio.h, of Linux 5.8 to 5.17 for v1, of 6.2 for v2.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/vfio/migration-v1-uapi.h"
#include "hw/vfio/migration-state.h"

#define STATE_BIT(state)    (UINT32_C(1) << (state))

/* Each opens or breaks a data session: a path may only begin or end there. */
#define NEVER_PASSED        (STATE_BIT(VFIO_MIG_STATE_PRE_COPY) | \
                             STATE_BIT(VFIO_MIG_STATE_RESUMING) | \
                             STATE_BIT(VFIO_MIG_STATE_ERROR))

#define ARC(from, to)       { VFIO_MIG_STATE_##from, VFIO_MIG_STATE_##to }

/*
 * "drawn": in the figure of the kernel's header. "QEMU": not drawn, but
 * written by QEMU 5.2 to 7.2, so that drivers had to accept it. For each state
 * the most reliable arc comes first, as the first one wins among paths of the
 * same length. ERROR has no way out: a reset is not an arc.
 */
static const VFIOMigArc v1_arcs[] = {
    ARC(RUNNING, STOP),             /* drawn: shutdown */
    ARC(RUNNING, STOP_COPY),        /* drawn: suspend, savevm */
    ARC(RUNNING, PRE_COPY),         /* drawn: live migration begins */
    ARC(RUNNING, RESUMING),         /* drawn: the destination begins */
    ARC(PRE_COPY, STOP_COPY),       /* drawn: switch-over */
    ARC(PRE_COPY, STOP),            /* libvfio-user accepts it */
    ARC(PRE_COPY, RUNNING),         /* QEMU: cancel; often refused */
    ARC(STOP_COPY, STOP),           /* drawn: all state was read */
    ARC(STOP_COPY, RUNNING),        /* QEMU: cancel */
    ARC(STOP, RUNNING),             /* QEMU: the VM continues */
    ARC(STOP, STOP_COPY),           /* QEMU: a paused VM; vGPU accepts it */
    ARC(STOP, RESUMING),            /* QEMU: incoming, device was stopped */
    ARC(RESUMING, RUNNING),         /* drawn: restored */
    ARC(RESUMING, STOP),            /* vGPU accepts it, libvfio-user not */
};

G_STATIC_ASSERT(G_N_ELEMENTS(v1_arcs) <= 64);

const VFIOMigArcTable vfio_mig_v1_arcs = {
    .protocol = "v1",
    .arcs = v1_arcs,
    .nr_arcs = G_N_ELEMENTS(v1_arcs),
};

/*
 * v2: only the arcs that drivers implement, although the kernel would combine
 * them into longer paths. For each state the arc that keeps the device of a
 * stopped VM from running comes first: from pre-copy to stop the path does not
 * go through running.
 */
static const VFIOMigArc v2_arcs[] = {
    ARC(RUNNING, STOP),
    ARC(STOP, RUNNING),
    ARC(STOP, STOP_COPY),
    ARC(STOP_COPY, STOP),
    ARC(STOP, RESUMING),
    ARC(RESUMING, STOP),
};

static const VFIOMigArc v2_p2p_arcs[] = {
    ARC(RUNNING, RUNNING_P2P),
    ARC(RUNNING_P2P, STOP),
    ARC(STOP, RUNNING_P2P),
    ARC(RUNNING_P2P, RUNNING),
    ARC(STOP, STOP_COPY),
    ARC(STOP_COPY, STOP),
    ARC(STOP, RESUMING),
    ARC(RESUMING, STOP),
};

static const VFIOMigArc v2_precopy_arcs[] = {
    ARC(RUNNING, STOP),
    ARC(STOP, RUNNING),
    ARC(RUNNING, PRE_COPY),
    ARC(PRE_COPY, STOP_COPY),
    ARC(PRE_COPY, RUNNING),
    ARC(STOP, STOP_COPY),
    ARC(STOP_COPY, STOP),
    ARC(STOP, RESUMING),
    ARC(RESUMING, STOP),
};

static const VFIOMigArc v2_p2p_precopy_arcs[] = {
    ARC(RUNNING, RUNNING_P2P),
    ARC(RUNNING_P2P, STOP),
    ARC(STOP, RUNNING_P2P),
    ARC(RUNNING_P2P, RUNNING),
    ARC(RUNNING, PRE_COPY),
    ARC(RUNNING_P2P, PRE_COPY_P2P),
    ARC(PRE_COPY, PRE_COPY_P2P),
    ARC(PRE_COPY, RUNNING),
    ARC(PRE_COPY_P2P, RUNNING_P2P),
    ARC(PRE_COPY_P2P, STOP_COPY),
    ARC(PRE_COPY_P2P, PRE_COPY),
    ARC(STOP, STOP_COPY),
    ARC(STOP_COPY, STOP),
    ARC(STOP, RESUMING),
    ARC(RESUMING, STOP),
};

#define V2_TABLE(array) \
    { .protocol = "v2", .arcs = (array), .nr_arcs = G_N_ELEMENTS(array) }

const VFIOMigArcTable *vfio_mig_v2_arcs(bool p2p, bool precopy)
{
    static const VFIOMigArcTable tables[2][2] = {
        { V2_TABLE(v2_arcs), V2_TABLE(v2_precopy_arcs) },
        { V2_TABLE(v2_p2p_arcs), V2_TABLE(v2_p2p_precopy_arcs) },
    };

    return &tables[p2p][precopy];
}

const char *vfio_mig_state_str(VFIOMigState state)
{
    switch (state) {
    case VFIO_MIG_STATE_ERROR:
        return "error";
    case VFIO_MIG_STATE_STOP:
        return "stop";
    case VFIO_MIG_STATE_RUNNING:
        return "running";
    case VFIO_MIG_STATE_STOP_COPY:
        return "stop-copy";
    case VFIO_MIG_STATE_RESUMING:
        return "resuming";
    case VFIO_MIG_STATE_RUNNING_P2P:
        return "running-p2p";
    case VFIO_MIG_STATE_PRE_COPY:
        return "pre-copy";
    case VFIO_MIG_STATE_PRE_COPY_P2P:
        return "pre-copy-p2p";
    default:
        return "unknown";
    }
}

bool vfio_mig_state_runs(VFIOMigState state)
{
    return state == VFIO_MIG_STATE_RUNNING ||
           state == VFIO_MIG_STATE_RUNNING_P2P ||
           state == VFIO_MIG_STATE_PRE_COPY ||
           state == VFIO_MIG_STATE_PRE_COPY_P2P;
}

int vfio_mig_arc_index(const VFIOMigArcTable *table, VFIOMigState from,
                       VFIOMigState to)
{
    unsigned i;

    for (i = 0; i < table->nr_arcs; i++) {
        if (table->arcs[i].from == from && table->arcs[i].to == to) {
            return i;
        }
    }
    return -1;
}

/*
 * One step of the search: add every state with an arc, not @refused, into
 * @reached, the set of states from which the target can be reached.
 */
static uint32_t widen(const VFIOMigArcTable *table, uint64_t refused,
                      uint32_t reached)
{
    uint32_t wider = reached;
    unsigned i;

    for (i = 0; i < table->nr_arcs; i++) {
        const VFIOMigArc *arc = &table->arcs[i];

        if (!(refused & (UINT64_C(1) << i)) &&
            (reached & STATE_BIT(arc->to))) {
            wider |= STATE_BIT(arc->from);
        }
    }
    return wider;
}

/* First arc out of @from, in the table's order, that ends in @reached. */
static bool first_arc_into(const VFIOMigArcTable *table, VFIOMigState from,
                           uint64_t refused, uint32_t reached,
                           VFIOMigState *next)
{
    unsigned i;

    for (i = 0; i < table->nr_arcs; i++) {
        const VFIOMigArc *arc = &table->arcs[i];

        if (arc->from == from && !(refused & (UINT64_C(1) << i)) &&
            (reached & STATE_BIT(arc->to))) {
            *next = arc->to;
            return true;
        }
    }
    return false;
}

bool vfio_mig_next_state(const VFIOMigArcTable *table, VFIOMigState from,
                         VFIOMigState to, uint64_t refused, uint32_t avoid,
                         VFIOMigState *next)
{
    uint32_t closed = NEVER_PASSED | avoid;
    uint32_t reached = STATE_BIT(to);

    if (from != VFIO_MIG_STATE_PRE_COPY) {
        closed |= STATE_BIT(VFIO_MIG_STATE_PRE_COPY_P2P);
    }
    if (from == to) {
        *next = to;
        return true;
    }

    /*
     * Breadth first, backwards from the target: the first set that @from has
     * an arc into gives the shortest path. Each step adds a state or is the
     * last one.
     */
    while (!first_arc_into(table, from, refused, reached, next)) {
        uint32_t wider = widen(table, refused, reached);

        wider = (wider & ~closed) | reached;
        if (wider == reached) {
            return false;
        }
        reached = wider;
    }
    return true;
}

bool vfio_mig_v1_decode(uint32_t device_state, VFIOMigState *state)
{
    switch (device_state & VFIO_MIG_V1_STATE_MASK) {
    case VFIO_MIG_V1_STOP:
        *state = VFIO_MIG_STATE_STOP;
        return true;
    case VFIO_MIG_V1_RUNNING:
        *state = VFIO_MIG_STATE_RUNNING;
        return true;
    case VFIO_MIG_V1_SAVING:
        *state = VFIO_MIG_STATE_STOP_COPY;
        return true;
    case VFIO_MIG_V1_RUNNING | VFIO_MIG_V1_SAVING:
        *state = VFIO_MIG_STATE_PRE_COPY;
        return true;
    case VFIO_MIG_V1_RESUMING:
        *state = VFIO_MIG_STATE_RESUMING;
        return true;
    case VFIO_MIG_V1_ERROR:
        *state = VFIO_MIG_STATE_ERROR;
        return true;
    default:
        return false;
    }
}

static uint32_t v1_bits(VFIOMigState state)
{
    switch (state) {
    case VFIO_MIG_STATE_STOP:
        return VFIO_MIG_V1_STOP;
    case VFIO_MIG_STATE_RUNNING:
        return VFIO_MIG_V1_RUNNING;
    case VFIO_MIG_STATE_STOP_COPY:
        return VFIO_MIG_V1_SAVING;
    case VFIO_MIG_STATE_PRE_COPY:
        return VFIO_MIG_V1_RUNNING | VFIO_MIG_V1_SAVING;
    case VFIO_MIG_STATE_RESUMING:
        return VFIO_MIG_V1_RESUMING;
    default:
        /* ERROR is never written, and v1 has no P2P states: a bug in QEMU */
        g_assert_not_reached();
    }
}

uint32_t vfio_mig_v1_encode(uint32_t old, VFIOMigState state)
{
    return (old & ~VFIO_MIG_V1_STATE_MASK) | v1_bits(state);
}
