/*
 * The device object of the stand-alone host, between device.c, object.c and
 * pci.c
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_HOST_DEVICE_H
#define MIGRATION_HOST_DEVICE_H

#include "qemu/osdep.h"
#include "hw/vfio/vfio-common.h"
#include "hw/pci/pci.h"

#define HOST_PCI_CONFIG_BYTES   256

struct Object {
    const char *type;
    ObjectClass *klass;
    GHashTable *properties;     /* name -> ObjectProperty; owned */
    unsigned refs;
    void (*finalize)(Object *obj);      /* called with the last unref */
};

struct DeviceState {
    Object parent;
    char *id;                   /* in migration streams; NULL: none */
};

/* The only type of device in this host: a PCI function behind VFIO. */
struct PCIDevice {
    DeviceState qdev;
    VFIODevice vbasedev;
    off_t config_offset;        /* of the config region in vbasedev.fd */
    uint8_t config[HOST_PCI_CONFIG_BYTES];  /* as the guest sees it */
};

static inline PCIDevice *host_device(VFIODevice *vbasedev)
{
    return container_of(vbasedev, PCIDevice, vbasedev);
}

/* Initialize an object with one reference, which belongs to the caller. */
void host_object_init(Object *obj, void (*finalize)(Object *obj));
/* Free what init has allocated; for use in finalize. */
void host_object_destroy(Object *obj);

/*
 * host_info_cap: find capability @id in the result of a GET_INFO, or NULL
 *
 * @argsz: size of @info in bytes; @offset: of its first capability, 0: none;
 * @size: minimum size of the capability in bytes
 */
struct vfio_info_cap_header *host_info_cap(void *info, uint32_t argsz,
                                           uint32_t offset, uint16_t id,
                                           size_t size);

/* Read the whole config space from the device. Returns 0 or -errno. */
int host_pci_read_config(PCIDevice *pci_dev);

/* The config blob of a stream (docs/contract.md, The stream), without MSI-X. */
void host_pci_save(VFIODevice *vbasedev, QEMUFile *f);
int host_pci_load(VFIODevice *vbasedev, QEMUFile *f);

#endif /* MIGRATION_HOST_DEVICE_H */
