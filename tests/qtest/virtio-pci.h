/*
 * A minimal guest driver for virtio devices
 *
 * Owns: virtio 1.x on PCI with one queue, one request at a time; plugging
 * memory with virtio-mem, mapping with virtio-iommu.
 * Does not own: the device's slot and purpose.
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_VIRTIO_PCI_H
#define TESTS_QTEST_VIRTIO_PCI_H

#include "libqtest.h"

/* The device's response to a request */
typedef enum VirtioMemAnswer {
    VIRTIO_MEM_ACK = 0,
    VIRTIO_MEM_NACK = 1,
    VIRTIO_MEM_BUSY = 2,
    VIRTIO_MEM_ERROR = 3,
} VirtioMemAnswer;

typedef struct VirtioPCI {
    QTestState *qts;
    unsigned slot;
    uint64_t ring;              /* address of the queue in guest RAM */
    uint64_t common, notify;    /* register addresses */
    uint16_t requests;
} VirtioPCI;

/*
 * virtio_pci_start: initialize the device in @slot of bus 0 and its first queue
 *
 * @bar: address for its registers, 16 KiB
 * @ring: page of guest RAM for the queue
 */
void virtio_pci_start(VirtioPCI *dev, QTestState *qts, unsigned slot,
                      uint32_t bar, uint64_t ring);

/* virtio_mem_plug: plug (or unplug) @blocks starting at @address */
VirtioMemAnswer virtio_mem_plug(VirtioPCI *dev, bool plug, uint64_t address,
                                uint16_t blocks);

/*
 * virtio_iommu_attach: attach @endpoint (bus, device, function) to @domain,
 * creating that. virtio_iommu_map, virtio_iommu_unmap: map or unmap whole pages
 * in it.
 */
void virtio_iommu_attach(VirtioPCI *dev, uint32_t domain, uint32_t endpoint);
void virtio_iommu_map(VirtioPCI *dev, uint32_t domain, uint64_t iova,
                      uint64_t address, uint64_t bytes);
void virtio_iommu_unmap(VirtioPCI *dev, uint32_t domain, uint64_t iova,
                        uint64_t bytes);

#endif /* TESTS_QTEST_VIRTIO_PCI_H */
