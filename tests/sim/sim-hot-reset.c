/*
 * Simulated VFIO devices: the PCI hot reset
 *
 * Owns: which devices a reset of the bus affects, and the check that the caller
 * holds the groups of all of them. Does not own: what a reset does to a device.
 *
 * No locks; the configuration does not change.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>

#include "sim-internal.h"

/* Another function on the bus, in a group that no caller can open */
#define NEIGHBOUR_GROUP 65535

static unsigned affected(SimDevice *d)
{
    return d->cfg.hot_reset == SIM_HOT_RESET_SHARED ? 2 : 1;
}

int sim_hot_reset_info(SimDevice *d, void *arg)
{
    struct vfio_pci_hot_reset_info *info = arg;
    unsigned i, count = affected(d);

    if (d->cfg.hot_reset == SIM_HOT_RESET_NO) {
        return -ENOTTY;
    }
    if (info->argsz < sizeof(*info)) {
        return -EINVAL;
    }
    info->flags = 0;
    info->count = count;
    if (info->argsz < sizeof(*info) + count * sizeof(info->devices[0])) {
        return -ENOSPC;
    }
    for (i = 0; i < count; i++) {
        info->devices[i] = (struct vfio_pci_dependent_device) {
            .group_id = i ? NEIGHBOUR_GROUP : d->cfg.group,
            .bus = 1,
            .devfn = i,
        };
    }
    return 0;
}

int sim_hot_reset(SimDevice *d, void *arg)
{
    struct vfio_pci_hot_reset *reset = arg;
    SimGroup *group;

    if (d->cfg.hot_reset == SIM_HOT_RESET_NO) {
        return -ENOTTY;
    }
    if (reset->argsz < sizeof(*reset) || reset->flags || reset->count != 1 ||
        reset->argsz < sizeof(*reset) + sizeof(reset->group_fds[0])) {
        return -EINVAL;
    }
    group = sim_group_of(reset->group_fds[0]);
    if (!group || group->number != d->cfg.group || affected(d) != 1) {
        return -EINVAL;
    }
    return sim_migration_reset(d);
}
