/*
 * Simulated VFIO devices: the order of several devices (protocol v2)
 *
 * Owns: the rule for devices that write to each other: no device stops
 * while another one that has P2P states still runs freely, and none runs
 * freely while another is still stopped. Where a client stops and starts
 * all in two passes it holds; what breaks it is a violation.
 *
 * Only a machine that runs has such an order. A device cannot see that, but
 * it sees whether anybody ever switched its memory or bus mastering on; the
 * key p2p-order says otherwise. A device whose last SET failed is where its
 * driver left it, and is not held against the client.
 *
 * Locks: sim_world.lock, and SimDevice.pci_lock of other devices, one at a
 * time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <linux/pci_regs.h>

#include "sim-internal.h"

static bool is_open(SimDevice *d)
{
    bool open;

    g_mutex_lock(&sim_world.lock);
    open = d->open_count > 0;
    g_mutex_unlock(&sim_world.lock);
    return open;
}

static bool takes_part(SimDevice *d)
{
    return is_open(d) && d->mig.cfg.protocol_v2 && d->mig.cfg.v2.p2p &&
           !__atomic_load_n(&d->mig.v2.set_failed, __ATOMIC_RELAXED) &&
           (sim_world.p2p_order == SIM_ORDER_ALWAYS ||
            sim_pci_command_has(d, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER));
}

static bool runs_freely(uint32_t state)
{
    return state == SIM_RUNNING || state == SIM_PRE_COPY;
}

static bool stopped(uint32_t state)
{
    return state == SIM_STOP || state == SIM_STOP_COPY ||
           state == SIM_RESUMING;
}

/* Not the device that has just left such states */
static SimDevice *find_device(bool (*is)(uint32_t state))
{
    for (unsigned i = 0; i < sim_world.devices->len; i++) {
        SimDevice *other = g_ptr_array_index(sim_world.devices, i);

        if (takes_part(other) && is(sim_mig_state(&other->mig))) {
            return other;
        }
    }
    return NULL;
}

void sim_order_check(SimDevice *d, uint32_t from, uint32_t to)
{
    SimDevice *other = NULL;
    const SimMig *m = &d->mig;

    if (sim_world.p2p_order == SIM_ORDER_NEVER) {
        return;
    }
    if (!stopped(from) && (to == SIM_STOP || to == SIM_STOP_COPY)) {
        other = find_device(runs_freely);
    } else if (to == SIM_RUNNING && !runs_freely(from)) {
        other = find_device(stopped);
    }
    if (other) {
        sim_host_violation(&d->mig, "%s entered while %s is %s: first all "
                           "to running-p2p or pre-copy-p2p",
                           sim_mig_state_name(m, to), other->cfg.name,
                           sim_mig_state_name(&other->mig,
                                              sim_mig_state(&other->mig)));
    }
}
