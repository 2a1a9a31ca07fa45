/*
 * Simulated VFIO devices: protocol v2's ways of more than one arc
 *
 * Owns: what the kernel's VFIO core does with a SET of the device state:
 * which arcs a driver is asked for, one after the other. A driver sees no
 * more than that, so the model (sim-model-v2.c) does not know of ways.
 *
 * Locks: SimDevice.mig_lock, held by the caller.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>

#include "sim-internal.h"

/* The next state on the way, for a device that has all of them */
static const int8_t ways[SIM_NUM_STATES][SIM_NUM_STATES] = {
    [SIM_STOP] = {
        [SIM_RUNNING] = SIM_RUNNING_P2P,
        [SIM_STOP_COPY] = SIM_STOP_COPY,
        [SIM_RESUMING] = SIM_RESUMING,
        [SIM_RUNNING_P2P] = SIM_RUNNING_P2P,
        [SIM_PRE_COPY] = SIM_RUNNING_P2P,
        [SIM_PRE_COPY_P2P] = SIM_RUNNING_P2P,
    },
    [SIM_RUNNING] = {
        [SIM_STOP] = SIM_RUNNING_P2P,
        [SIM_STOP_COPY] = SIM_RUNNING_P2P,
        [SIM_RESUMING] = SIM_RUNNING_P2P,
        [SIM_RUNNING_P2P] = SIM_RUNNING_P2P,
        [SIM_PRE_COPY] = SIM_PRE_COPY,
        [SIM_PRE_COPY_P2P] = SIM_RUNNING_P2P,
    },
    [SIM_STOP_COPY] = {
        [SIM_STOP] = SIM_STOP,
        [SIM_RUNNING] = SIM_STOP,
        [SIM_RESUMING] = SIM_STOP,
        [SIM_RUNNING_P2P] = SIM_STOP,
        [SIM_PRE_COPY] = -1,
        [SIM_PRE_COPY_P2P] = -1,
    },
    [SIM_RESUMING] = {
        [SIM_STOP] = SIM_STOP,
        [SIM_RUNNING] = SIM_STOP,
        [SIM_STOP_COPY] = SIM_STOP,
        [SIM_RUNNING_P2P] = SIM_STOP,
        [SIM_PRE_COPY] = SIM_STOP,
        [SIM_PRE_COPY_P2P] = SIM_STOP,
    },
    [SIM_RUNNING_P2P] = {
        [SIM_STOP] = SIM_STOP,
        [SIM_RUNNING] = SIM_RUNNING,
        [SIM_STOP_COPY] = SIM_STOP,
        [SIM_RESUMING] = SIM_STOP,
        [SIM_PRE_COPY] = SIM_RUNNING,
        [SIM_PRE_COPY_P2P] = SIM_PRE_COPY_P2P,
    },
    [SIM_PRE_COPY] = {
        [SIM_STOP] = SIM_RUNNING,
        [SIM_RUNNING] = SIM_RUNNING,
        [SIM_STOP_COPY] = SIM_PRE_COPY_P2P,
        [SIM_RESUMING] = SIM_RUNNING,
        [SIM_RUNNING_P2P] = SIM_RUNNING,
        [SIM_PRE_COPY_P2P] = SIM_PRE_COPY_P2P,
    },
    [SIM_PRE_COPY_P2P] = {
        [SIM_STOP] = SIM_RUNNING_P2P,
        [SIM_RUNNING] = SIM_RUNNING_P2P,
        [SIM_STOP_COPY] = SIM_STOP_COPY,
        [SIM_RESUMING] = SIM_RUNNING_P2P,
        [SIM_RUNNING_P2P] = SIM_RUNNING_P2P,
        [SIM_PRE_COPY] = SIM_PRE_COPY,
    },
};

static int next_of_all(uint32_t from, uint32_t to)
{
    return from == SIM_ERROR ? -1 : ways[from][to];
}

/* States that the device does not have are left out. */
static int next_state(const SimMig *m, uint32_t from, uint32_t to)
{
    int next = next_of_all(from, to);

    while (next >= 0 && !sim_v2_has_state(m, next)) {
        next = next_of_all(next, to);
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
