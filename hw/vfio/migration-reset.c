/*
 * Reset of a VFIO device whose migration went wrong
 *
 * Owns: the reset ioctl and giving back what the guest relies on afterwards.
 * Does not own: the decision to reset (migration-transition.c).
 *
 * Locks: BQL.
 * Source: requirements U-12, B-44.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/ioctl.h>
#include "qapi/error.h"
#include "hw/pci/pci.h"
#include "hw/pci/pci_host.h"
#include "hw/vfio/migration-device.h"
#include "trace.h"

/* Size of a PCI Express function's configuration space, in bytes */
#define VFIO_MIG_PCI_CONFIG_BYTES   4096

/* As the guest would do it, so that vfio-pci sees each change. */
static void vfio_mig_config_write16(PCIDevice *pdev, uint32_t address,
                                    uint32_t value)
{
    pci_host_config_write_common(pdev, address, VFIO_MIG_PCI_CONFIG_BYTES,
                                 value, 2);
}

/* The enable bit has to fall and rise: equal values change nothing (R-04f). */
static void vfio_mig_rearm_capability(PCIDevice *pdev, uint8_t id,
                                      unsigned flags_offset, uint16_t enable)
{
    uint8_t position = pci_find_capability(pdev, id);
    uint32_t address = position + flags_offset;
    uint16_t flags;

    if (!position) {
        return;
    }
    flags = pci_default_read_config(pdev, address, 2);
    if (flags & enable) {
        vfio_mig_config_write16(pdev, address, flags & ~enable);
        vfio_mig_config_write16(pdev, address, flags);
    }
}

static void vfio_mig_rearm_pci(VFIODevice *vbasedev)
{
    PCIDevice *pdev =
        (PCIDevice *)object_dynamic_cast(OBJECT(vbasedev->dev),
                                         TYPE_PCI_DEVICE);

    if (!pdev) {
        return;
    }
    vfio_mig_config_write16(pdev, PCI_COMMAND,
                            pci_default_read_config(pdev, PCI_COMMAND, 2));
    vfio_mig_rearm_capability(pdev, PCI_CAP_ID_MSI, PCI_MSI_FLAGS,
                              PCI_MSI_FLAGS_ENABLE);
    vfio_mig_rearm_capability(pdev, PCI_CAP_ID_MSIX, PCI_MSIX_FLAGS,
                              PCI_MSIX_FLAGS_ENABLE);
}

int vfio_mig_reset(VFIODeviceMigration *mig)
{
    VFIODevice *vbasedev = vfio_mig_dev(mig);
    VFIOMigState state;
    int ret = -ENOTTY;

    if (vbasedev->reset_works) {
        ret = ioctl(vbasedev->fd, VFIO_DEVICE_RESET) < 0 ? -errno : 0;
    }
    if (ret == 0) {
        ret = mig->protocol->get_state(mig, &state);
        if (ret == 0 && state != VFIO_MIG_STATE_RUNNING) {
            ret = -EIO;
        }
    }
    trace_vfio_migration_reset(vbasedev->name, ret);
    mig->session_sent = false;
    mig->state = ret == 0 ? VFIO_MIG_STATE_RUNNING : VFIO_MIG_STATE_ERROR;
    if (ret == 0) {
        vfio_mig_rearm_pci(vbasedev);
    }
    return ret;
}
