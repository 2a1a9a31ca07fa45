/*
 * Simulated VFIO devices: the directories that replace sysfs
 *
 * Owns: DIR/NAME with the links `subsystem` and `iommu_group`, which are all
 * that `-device vfio-pci,sysfsdev=DIR/NAME` needs.
 *
 * No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <glib/gstdio.h>

#include "sim-internal.h"

static bool fail(GError **err, const char *what, const char *path)
{
    g_set_error(err, VFIO_SIM_ERROR, VFIO_SIM_ERROR_SYSFS, "cannot %s %s: %s",
                what, path, g_strerror(errno));
    return false;
}

/* The target need not exist: only the link's text is used. */
static bool make_link(const char *in, const char *name, const char *target,
                      GError **err)
{
    g_autofree char *path = g_build_filename(in, name, NULL);

    if (unlink(path) < 0 && errno != ENOENT) {
        return fail(err, "replace", path);
    }
    return symlink(target, path) == 0 || fail(err, "link", path);
}

bool vfio_sim_make_sysfs(const char *dir, const char *name, unsigned group,
                         GError **err)
{
    g_autofree char *device = g_build_filename(dir, name, NULL);
    g_autofree char *number = g_strdup_printf("../iommu_groups/%u", group);

    if (g_mkdir_with_parents(device, 0755) < 0) {
        return fail(err, "create", device);
    }
    return make_link(device, "subsystem", "../bus/pci", err) &&
           make_link(device, "iommu_group", number, err);
}

bool vfio_sim_make_sysfs_all(const char *dir, GError **err)
{
    for (unsigned i = 0; sim_world.devices && i < sim_world.devices->len;
         i++) {
        const SimDevice *d = g_ptr_array_index(sim_world.devices, i);

        if (!vfio_sim_make_sysfs(dir, d->cfg.name, d->cfg.group, err)) {
            return false;
        }
    }
    return true;
}
