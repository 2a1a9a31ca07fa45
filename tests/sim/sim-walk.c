/*
 * Simulated VFIO devices: protocol v2's paths of more than one arc
 *
 * Owns: what the kernel's VFIO core does for a SET of the device state: the
 * sequence of arcs that it requests from the driver. A driver sees only single
 * arcs, so the model (sim-model-v2.c) has no paths.
 *
 * Locks: SimDevice.mig_lock, held by the caller.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>

#include "sim-internal.h"

enum {
    STOP = SIM_STOP, RUN = SIM_RUNNING, COPY = SIM_STOP_COPY,
    PRE = SIM_PRE_COPY, RES = SIM_RESUMING, RP2P = SIM_RUNNING_P2P,
    PP2P = SIM_PRE_COPY_P2P, NONE = -1,
};

/* [from][to]: the next state on the path, for a device with all states */
static const int8_t ways[SIM_NUM_STATES][SIM_NUM_STATES] = {
    /* to:     STOP  RUN   COPY  PRE   RES   RP2P  error PP2P */
    [STOP] = { NONE, RP2P, COPY, RP2P, RES,  RP2P, NONE, RP2P },
    [RUN] =  { RP2P, NONE, RP2P, PRE,  RP2P, RP2P, NONE, RP2P },
    [COPY] = { STOP, STOP, NONE, NONE, STOP, STOP, NONE, NONE },
    [RES] =  { STOP, STOP, STOP, STOP, NONE, STOP, NONE, STOP },
    [RP2P] = { STOP, RUN,  STOP, RUN,  STOP, NONE, NONE, PP2P },
    [PRE] =  { RUN,  RUN,  PP2P, NONE, RUN,  RUN,  NONE, PP2P },
    [PP2P] = { RP2P, RP2P, COPY, PRE,  RP2P, RP2P, NONE, NONE },
};

/* States that the device does not have are skipped. */
static int next_state(const SimMig *m, uint32_t from, uint32_t to)
{
    int next = from == SIM_ERROR ? NONE : ways[from][to];

    while (next >= 0 && !sim_v2_has_state(m, next)) {
        next = ways[next][to];
    }
    return next;
}

int sim_walk(SimDevice *d, uint32_t to)
{
    SimMig *m = &d->mig;
    int ret = 0;

    if (!sim_v2_has_state(m, to)) {
        return -EINVAL;
    }
    while (!ret && m->state != to) {
        uint32_t from = m->state;
        int next = next_state(m, from, to);

        ret = next < 0 ? -EINVAL : sim_v2_arc(m, next);
        if (!ret && from == SIM_STOP_COPY && m->cfg.v2.log_lost_on_stop) {
            sim_dma_log_lose(d, "stop");
        }
    }
    return ret;
}
