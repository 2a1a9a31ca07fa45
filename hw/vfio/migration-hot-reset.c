/*
 * Reset of a VFIO device together with its bus
 *
 * Owns: the two ioctls, and ensuring that no other device is affected. Does
 * not own: when to reset, and what must be restored for the guest
 * (migration-pci.c).
 *
 * QEMU's own hot reset is part of the reset of the qdev device. That is not
 * used: it returns no error, repeats the reset that has just failed, clears
 * the BARs behind the guest's back, and leaves MSI disabled in the kernel but
 * enabled in what the guest reads, which would trigger an assertion when it is
 * set up again. The ioctl does the same to the device as VFIO_DEVICE_RESET.
 *
 * Locks: BQL.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <sys/ioctl.h>
#include "hw/vfio/migration-hot-reset.h"
#include "trace.h"

/* Returns 0 if only @vbasedev's group would be reset. */
static int check_alone(VFIODevice *vbasedev)
{
    const size_t size = sizeof(struct vfio_pci_hot_reset_info) +
                        sizeof(struct vfio_pci_dependent_device);
    g_autofree struct vfio_pci_hot_reset_info *info = g_malloc0(size);

    info->argsz = size;
    if (ioctl(vbasedev->fd, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, info) < 0) {
        /* There is room for one device: ENOSPC means that there are more. */
        return errno == ENOSPC ? -EBUSY : -errno;
    }
    if (info->count != 1) {
        return info->count ? -EBUSY : -ENODEV;
    }
    return info->devices[0].group_id == vbasedev->group->groupid ? 0 : -EBUSY;
}

static int reset_bus(VFIODevice *vbasedev)
{
    const size_t size = sizeof(struct vfio_pci_hot_reset) + sizeof(int32_t);
    g_autofree struct vfio_pci_hot_reset *reset = g_malloc0(size);

    reset->argsz = size;
    reset->count = 1;
    reset->group_fds[0] = vbasedev->group->fd;
    return ioctl(vbasedev->fd, VFIO_DEVICE_PCI_HOT_RESET, reset) < 0 ? -errno
                                                                     : 0;
}

int vfio_mig_hot_reset(VFIODevice *vbasedev)
{
    int ret = -ENOTTY;

    if (vbasedev->type == VFIO_DEVICE_TYPE_PCI) {
        ret = check_alone(vbasedev);
    }
    if (ret == 0) {
        ret = reset_bus(vbasedev);
    }
    trace_vfio_migration_hot_reset(vbasedev->name, ret);
    return ret;
}
