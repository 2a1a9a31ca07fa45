/*
 * Reset of a VFIO device, and what must be restored for a PCI device
 *
 * Owns: the reset ioctl, and restoring what the guest relies on after a reset
 * or a load. Does not own: the decision to reset (migration-transition.c), nor
 * loading the configuration space (pci.c).
 *
 * Locks: BQL.
 * Source: docs/contract.md, Errors and resets.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/ioctl.h>
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "hw/pci/pci.h"
#include "hw/pci/pci_host.h"
#include "hw/vfio/migration-hot-reset.h"
#include "hw/vfio/migration-pci.h"
#include "hw/vfio/migration-session.h"
#include "trace.h"

/* Size of a PCI Express function's configuration space, in bytes */
#define VFIO_MIG_PCI_CONFIG_BYTES   4096

/* Returns NULL if it is not a PCI device */
static PCIDevice *vfio_mig_pci_device(VFIODevice *vbasedev)
{
    return (PCIDevice *)object_dynamic_cast(OBJECT(vbasedev->dev),
                                            TYPE_PCI_DEVICE);
}

/* Write as the guest would, so that vfio-pci sees each change. */
static void vfio_mig_config_write16(PCIDevice *pdev, uint32_t address,
                                    uint32_t value)
{
    pci_host_config_write_common(pdev, address, VFIO_MIG_PCI_CONFIG_BYTES,
                                 value, 2);
}

/* The enable bit must be cleared first: an equal value has no effect. */
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

int vfio_mig_push_pci_command(VFIODevice *vbasedev)
{
    g_autofree struct vfio_region_info *info = NULL;
    PCIDevice *pdev = vfio_mig_pci_device(vbasedev);
    uint16_t command;
    ssize_t done;
    int ret;

    if (!pdev) {
        return 0;
    }
    ret = vfio_get_region_info(vbasedev, VFIO_PCI_CONFIG_REGION_INDEX, &info);
    if (ret) {
        return ret;
    }
    command = cpu_to_le16(pci_default_read_config(pdev, PCI_COMMAND, 2));
    done = pwrite(vbasedev->fd, &command, sizeof(command),
                  info->offset + PCI_COMMAND);
    if (done < 0) {
        return -errno;
    }
    return done == sizeof(command) ? 0 : -EIO;
}

/*
 * The stream contains the level of the line, but vfio-pci at this side does not
 * know that it is asserted: it lowers the line only at the end of an interrupt
 * that it has seen itself. A device that still has a reason asserts the line
 * again when it runs.
 */
static void vfio_mig_lower_intx(PCIDevice *pdev)
{
    uint8_t pin = pci_default_read_config(pdev, PCI_INTERRUPT_PIN, 1);

    /* The pin is from the stream, and QEMU asserts that it is valid. */
    if (pin >= 1 && pin <= PCI_NUM_PINS) {
        pci_set_irq(pdev, 0);
    }
}

void vfio_mig_route_intx(VFIODevice *vbasedev)
{
    PCIDevice *pdev = vfio_mig_pci_device(vbasedev);

    if (pdev) {
        BusState *bus = qdev_get_parent_bus(vbasedev->dev);

        vfio_mig_lower_intx(pdev);
        pci_bus_fire_intx_routing_notifier(PCI_BUS(bus));
    }
}

void vfio_mig_rearm(VFIODeviceMigration *mig)
{
    PCIDevice *pdev = vfio_mig_pci_device(vfio_mig_dev(mig));

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

/*
 * Reset the function or, if it has no reset or that fails, its bus. If both
 * fail, the error of the function's own reset is returned.
 */
static int vfio_mig_do_reset(VFIODevice *vbasedev)
{
    int ret, bus_ret;

    if (!vbasedev->reset_works) {
        return vfio_mig_hot_reset(vbasedev);
    }
    ret = ioctl(vbasedev->fd, VFIO_DEVICE_RESET) < 0 ? -errno : 0;
    if (ret < 0) {
        bus_ret = vfio_mig_hot_reset(vbasedev);
        ret = bus_ret < 0 ? ret : 0;
    }
    return ret;
}

int vfio_mig_reset(VFIODeviceMigration *mig)
{
    VFIODevice *vbasedev = vfio_mig_dev(mig);
    VFIOMigState state;
    int ret = vfio_mig_do_reset(vbasedev);

    if (ret == 0) {
        ret = mig->protocol->read_state(mig, &state);
        if (ret == 0 && state != VFIO_MIG_STATE_RUNNING) {
            ret = -EIO;
        }
    }
    trace_vfio_migration_reset(vbasedev->name, ret);
    qatomic_set(&mig->resets, mig->resets + 1);
    vfio_mig_set_data_sent(mig, false);
    qatomic_set(&mig->state, ret == 0 ? VFIO_MIG_STATE_RUNNING
                                      : VFIO_MIG_STATE_ERROR);
    return ret;
}
