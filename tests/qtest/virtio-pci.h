/*
 * A guest's driver for virtio devices, as far as tests need one
 *
 * Owns: virtio 1.x on PCI with one queue, one request at a time; plugging
 * memory of virtio-mem, mapping by virtio-iommu.
 * Does not own: where the device stands and what it is for.
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_VIRTIO_PCI_H
#define TESTS_QTEST_VIRTIO_PCI_H

#include "libqtest.h"

/* What the device answers */
typedef enum VirtioMemAnswer {
    VIRTIO_MEM_ACK = 0,
    VIRTIO_MEM_NACK = 1,
    VIRTIO_MEM_BUSY = 2,
    VIRTIO_MEM_ERROR = 3,
} VirtioMemAnswer;

typedef struct VirtioPCI {
    QTestState *qts;
    unsigned slot;
    uint64_t ring;              /* where the queue lies in guest RAM */
    uint64_t common, notify;    /* registers */
    uint16_t requests;
} VirtioPCI;

/*
 * virtio_pci_start: program the device in @slot of bus 0, as far as its
 * first queue
 *
 * @bar: where its registers are to be, 16 KiB
 * @ring: page of guest RAM for the queue
 */
void virtio_pci_start(VirtioPCI *dev, QTestState *qts, unsigned slot,
                      uint32_t bar, uint64_t ring);

/* virtio_mem_plug: plug (or unplug) @blocks from @address on */
VirtioMemAnswer virtio_mem_plug(VirtioPCI *dev, bool plug, uint64_t address,
                                uint16_t blocks);

/*
 * virtio_iommu_attach: put @endpoint (bus, device, function) into @domain,
 * which is made. virtio_iommu_map, virtio_iommu_unmap: of whole pages.
 */
void virtio_iommu_attach(VirtioPCI *dev, uint32_t domain, uint32_t endpoint);
void virtio_iommu_map(VirtioPCI *dev, uint32_t domain, uint64_t iova,
                      uint64_t address, uint64_t bytes);
void virtio_iommu_unmap(VirtioPCI *dev, uint32_t domain, uint64_t iova,
                        uint64_t bytes);

#endif /* TESTS_QTEST_VIRTIO_PCI_H */
