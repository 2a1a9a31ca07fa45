/*
 * PCI configuration space of the stand-alone host's devices
 *
 * Owns: the copy of the config space that represents the guest's view, writing
 * it to the device, and the config blob of a stream.
 *
 * Lock: the BQL.
 *
 * Source: docs/contract.md, Configuration space; QEMU 7.2's
 * include/hw/pci/pci.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "hw/pci/pci.h"
#include "hw/pci/pci_host.h"
#include "migration/host-device.h"
#include "migration/qemu-file.h"
#include "migration/standalone.h"

#define CONFIG_VMSTATE_VERSION  2
#define CONFIG_NUM_INTX         4

#define CONFIG_IDS_BYTES        4       /* vendor and device */
#define CONFIG_STATUS           0x06
#define CONFIG_STATUS_CAP_LIST  0x10
#define CONFIG_CAP_LIST         0x34
#define CONFIG_MAX_CAPS         48      /* that fit: a loop ends */

int host_pci_read_config(PCIDevice *pci_dev)
{
    ssize_t ret = pread(pci_dev->vbasedev.fd, pci_dev->config,
                        sizeof(pci_dev->config), pci_dev->config_offset);

    if (ret < 0) {
        return -errno;
    }
    return ret == sizeof(pci_dev->config) ? 0 : -EIO;
}

uint32_t pci_default_read_config(PCIDevice *d, uint32_t address, int len)
{
    uint32_t value = 0;

    assert(len <= sizeof(value) && address + len <= sizeof(d->config));
    memcpy(&value, d->config + address, len);
    return GUINT32_FROM_LE(value);
}

uint8_t pci_find_capability(PCIDevice *pci_dev, uint8_t cap_id)
{
    const uint8_t *config = pci_dev->config;
    uint8_t at = config[CONFIG_CAP_LIST];
    unsigned i;

    if (!(config[CONFIG_STATUS] & CONFIG_STATUS_CAP_LIST)) {
        return 0;
    }
    for (i = 0; at >= 0x40 && i < CONFIG_MAX_CAPS; i++) {
        if (config[at] == cap_id) {
            return at;
        }
        at = config[(uint8_t)(at + 1)];
    }
    return 0;
}

/* There are no interrupts in this host, so no routes and no bus. */
BusState *qdev_get_parent_bus(const DeviceState *dev)
{
    return NULL;
}

void pci_bus_fire_intx_routing_notifier(PCIBus *bus)
{
}

void pci_set_irq(PCIDevice *pci_dev, int level)
{
    uint8_t pin = pci_default_read_config(pci_dev, PCI_INTERRUPT_PIN, 1);

    assert(pin >= 1 && pin <= PCI_NUM_PINS);
}

static void write_config(PCIDevice *pci_dev, uint32_t addr, uint32_t val,
                         uint32_t len)
{
    uint32_t le = GUINT32_TO_LE(val);

    memcpy(pci_dev->config + addr, &le, len);
    if (pwrite(pci_dev->vbasedev.fd, &le, len,
               pci_dev->config_offset + addr) != len) {
        error_report("%s: writing 0x%x to config space at 0x%x failed: %s",
                     pci_dev->vbasedev.name, val, addr, strerror(errno));
    }
}

void pci_host_config_write_common(PCIDevice *pci_dev, uint32_t addr,
                                  uint32_t limit, uint32_t val, uint32_t len)
{
    limit = MIN(limit, sizeof(pci_dev->config));
    assert(len <= sizeof(val));
    if (addr < limit) {
        write_config(pci_dev, addr, val, MIN(len, limit - addr));
    }
}

void vfio_host_config_write(VFIODevice *vbasedev, uint32_t address,
                            uint32_t value, int size)
{
    pci_host_config_write_common(host_device(vbasedev), address,
                                 HOST_PCI_CONFIG_BYTES, value, size);
}

void host_pci_save(VFIODevice *vbasedev, QEMUFile *f)
{
    PCIDevice *pci_dev = host_device(vbasedev);
    int i;

    qemu_put_be32(f, CONFIG_VMSTATE_VERSION);
    qemu_put_buffer(f, pci_dev->config, sizeof(pci_dev->config));
    for (i = 0; i < CONFIG_NUM_INTX; i++) {
        qemu_put_be32(f, 0);
    }
}

int host_pci_load(VFIODevice *vbasedev, QEMUFile *f)
{
    PCIDevice *pci_dev = host_device(vbasedev);
    uint8_t config[HOST_PCI_CONFIG_BYTES];
    uint32_t version = qemu_get_be32(f);
    int i;

    qemu_get_buffer(f, config, sizeof(config));
    for (i = 0; i < CONFIG_NUM_INTX; i++) {
        qemu_get_be32(f);
    }
    if (qemu_file_get_error(f)) {
        return qemu_file_get_error(f);
    }
    if (version != CONFIG_VMSTATE_VERSION) {
        error_report("%s: config blob of version %u, not %u", vbasedev->name,
                     version, CONFIG_VMSTATE_VERSION);
        return -EINVAL;
    }
    if (memcmp(config, pci_dev->config, CONFIG_IDS_BYTES)) {
        error_report("%s: the source's device is a %02x%02x:%02x%02x; use"
                     " the same device on both sides", vbasedev->name,
                     config[1], config[0], config[3], config[2]);
        return -EINVAL;
    }
    memcpy(pci_dev->config, config, sizeof(config));
    write_config(pci_dev, PCI_COMMAND,
                 pci_default_read_config(pci_dev, PCI_COMMAND, 2), 2);
    return 0;
}
