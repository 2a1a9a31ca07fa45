/*
 * Simulated VFIO devices: the order of several devices (protocol v2)
 *
 * Owns: the rule for devices that write to each other: no device may stop while
 * another one that has P2P states is in running or pre-copy, and none may enter
 * these while another is still stopped. A client that stops and starts all in
 * two passes fulfils it; anything else is a violation.
 *
 * The rule applies only to a running machine. A device does not know that, but
 * it knows whether its memory or bus mastering was ever enabled; the key
 * p2p-order overrides this. A device whose last SET failed is in the state that
 * its driver left it in, which is no violation by the client.
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

/* Find another device in such a state. */
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
