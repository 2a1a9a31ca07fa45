/*
 * A minimal guest driver for virtio devices
 *
 * Owns: see virtio-pci.h. Source: the virtio 1.2 specification, sections 4.1
 * (PCI), 2.7 (split queues), 5.13 (IOMMU) and 5.15 (memory device).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "virtio-pci.h"
#include "qtest-case.h"

#include "machine-helpers.h"

#define CAP_VENDOR          0x09
#define CFG_COMMON          1
#define CFG_NOTIFY          2

/* Registers of the common configuration */
#define FEATURE_SELECT      0x00
#define FEATURES            0x04
#define DRIVER_SELECT       0x08
#define DRIVER_FEATURES     0x0c
#define STATUS              0x14
#define QUEUE_SELECT        0x16
#define QUEUE_SIZE          0x18
#define QUEUE_ENABLE        0x1c
#define QUEUE_DESC          0x20
#define QUEUE_DRIVER        0x28
#define QUEUE_DEVICE        0x30

#define STATUS_ACKNOWLEDGE  1
#define STATUS_DRIVER       2
#define STATUS_DRIVER_OK    4
#define STATUS_FEATURES_OK  8

/* Offsets in the queue's page */
#define ENTRIES             4
#define AT_AVAILABLE        0x100
#define AT_USED             0x200
#define AT_REQUEST          0x300
#define AT_ANSWER           0x340

#define DESC_NEXT           1
#define DESC_WRITE          2

static uint32_t config_read(VirtioPCI *dev, unsigned reg)
{
    return machine_pci_read(dev->qts, dev->slot, reg) >> 8 * (reg & 3);
}

static void config_write(VirtioPCI *dev, unsigned reg, uint32_t value)
{
    machine_pci_write(dev->qts, dev->slot, reg, value);
}

/* The needed registers are all in one 64-bit BAR. */
static void find_registers(VirtioPCI *dev, uint32_t bar)
{
    unsigned at = config_read(dev, 0x34) & 0xff;
    unsigned number = 0;

    for (; at; at = config_read(dev, at + 1) & 0xff) {
        unsigned type = config_read(dev, at + 3) & 0xff;
        uint32_t offset = config_read(dev, at + 8);

        if ((config_read(dev, at) & 0xff) != CAP_VENDOR) {
            continue;
        }
        if (type == CFG_COMMON) {
            dev->common = bar + offset;
            number = config_read(dev, at + 4) & 0xff;
        } else if (type == CFG_NOTIFY) {
            dev->notify = bar + offset;
        }
    }
    g_assert_true(dev->common && dev->notify);
    config_write(dev, 0x10 + 4 * number, bar);
    config_write(dev, 0x14 + 4 * number, 0);
    config_write(dev, 0x04, 6);
}

static void set_status(VirtioPCI *dev, uint8_t status)
{
    qtest_writeb(dev->qts, dev->common + STATUS, status);
    g_assert_cmphex(qtest_readb(dev->qts, dev->common + STATUS), ==, status);
}

/* Upper half: version 1, and standby for a primary device */
#define UPPER_FEATURES      (1u << 30 | 1)

/* Accept all features: that is the best tested configuration. */
static void take_features(VirtioPCI *dev)
{
    for (unsigned i = 0; i < 2; i++) {
        uint32_t features;

        qtest_writel(dev->qts, dev->common + FEATURE_SELECT, i);
        features = qtest_readl(dev->qts, dev->common + FEATURES);
        qtest_writel(dev->qts, dev->common + DRIVER_SELECT, i);
        /* Except those of the ring (28, 29), which would change its layout */
        qtest_writel(dev->qts, dev->common + DRIVER_FEATURES,
                     features & (i ? UPPER_FEATURES : ~(3u << 28)));
    }
}

void virtio_pci_start(VirtioPCI *dev, QTestState *qts, unsigned slot,
                      uint32_t bar, uint64_t ring)
{
    *dev = (VirtioPCI) { .qts = qts, .slot = slot, .ring = ring };
    find_registers(dev, bar);
    qtest_memset(qts, ring, 0, 4096);
    set_status(dev, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
    take_features(dev);
    set_status(dev, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
    qtest_writew(qts, dev->common + QUEUE_SELECT, 0);
    qtest_writew(qts, dev->common + QUEUE_SIZE, ENTRIES);
    qtest_writel(qts, dev->common + QUEUE_DESC, ring);
    qtest_writel(qts, dev->common + QUEUE_DRIVER, ring + AT_AVAILABLE);
    qtest_writel(qts, dev->common + QUEUE_DEVICE, ring + AT_USED);
    qtest_writew(qts, dev->common + QUEUE_ENABLE, 1);
    set_status(dev, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK |
               STATUS_DRIVER_OK);
}

static void write_descriptor(VirtioPCI *dev, unsigned n, uint64_t address,
                             uint32_t size, uint16_t flags)
{
    uint64_t at = dev->ring + n * 16;

    qtest_writeq(dev->qts, at, address);
    qtest_writel(dev->qts, at + 8, size);
    qtest_writew(dev->qts, at + 12, flags);
    qtest_writew(dev->qts, at + 14, n + 1);
}

static void send_request(VirtioPCI *dev, unsigned request_bytes)
{
    int64_t end_us = g_get_monotonic_time() + QTEST_WAIT_US;

    write_descriptor(dev, 0, dev->ring + AT_REQUEST, request_bytes,
                     DESC_NEXT);
    write_descriptor(dev, 1, dev->ring + AT_ANSWER, 16, DESC_WRITE);
    qtest_writew(dev->qts, dev->ring + AT_AVAILABLE + 4 +
                 dev->requests % ENTRIES * 2, 0);
    dev->requests++;
    qtest_writew(dev->qts, dev->ring + AT_AVAILABLE + 2, dev->requests);
    qtest_writew(dev->qts, dev->notify, 0);
    while (qtest_readw(dev->qts, dev->ring + AT_USED + 2) != dev->requests) {
        g_assert_cmpint(g_get_monotonic_time(), <, end_us);
        g_usleep(1000);
    }
}

VirtioMemAnswer virtio_mem_plug(VirtioPCI *dev, bool plug, uint64_t address,
                                uint16_t blocks)
{
    qtest_memset(dev->qts, dev->ring + AT_REQUEST, 0, 24);
    qtest_writew(dev->qts, dev->ring + AT_REQUEST, plug ? 0 : 1);
    qtest_writeq(dev->qts, dev->ring + AT_REQUEST + 8, address);
    qtest_writew(dev->qts, dev->ring + AT_REQUEST + 16, blocks);
    qtest_writew(dev->qts, dev->ring + AT_ANSWER, 0xffff);
    send_request(dev, 24);
    return qtest_readw(dev->qts, dev->ring + AT_ANSWER);
}

/* ---- IOMMU ---- */

#define IOMMU_ATTACH        1
#define IOMMU_MAP           3
#define IOMMU_UNMAP         4
#define IOMMU_READ_WRITE    3

/* Start a request for @domain; returns where its other fields go. */
static uint64_t iommu_request(VirtioPCI *dev, uint8_t type, uint32_t domain)
{
    uint64_t at = dev->ring + AT_REQUEST;

    qtest_memset(dev->qts, at, 0, AT_ANSWER - AT_REQUEST);
    qtest_writeb(dev->qts, at, type);
    qtest_writel(dev->qts, at + 4, domain);
    qtest_writeb(dev->qts, dev->ring + AT_ANSWER, 0xff);
    return at + 8;
}

static void iommu_send(VirtioPCI *dev, unsigned request_bytes)
{
    send_request(dev, request_bytes);
    g_assert_cmpuint(qtest_readb(dev->qts, dev->ring + AT_ANSWER), ==, 0);
}

void virtio_iommu_attach(VirtioPCI *dev, uint32_t domain, uint32_t endpoint)
{
    uint64_t at = iommu_request(dev, IOMMU_ATTACH, domain);

    qtest_writel(dev->qts, at, endpoint);
    iommu_send(dev, 20);
}

void virtio_iommu_map(VirtioPCI *dev, uint32_t domain, uint64_t iova,
                      uint64_t address, uint64_t bytes)
{
    uint64_t at = iommu_request(dev, IOMMU_MAP, domain);

    qtest_writeq(dev->qts, at, iova);
    qtest_writeq(dev->qts, at + 8, iova + (bytes - 1));
    qtest_writeq(dev->qts, at + 16, address);
    qtest_writel(dev->qts, at + 24, IOMMU_READ_WRITE);
    iommu_send(dev, 36);
}

void virtio_iommu_unmap(VirtioPCI *dev, uint32_t domain, uint64_t iova,
                        uint64_t bytes)
{
    uint64_t at = iommu_request(dev, IOMMU_UNMAP, domain);

    qtest_writeq(dev->qts, at, iova);
    qtest_writeq(dev->qts, at + 8, iova + (bytes - 1));
    iommu_send(dev, 28);
}
