/*
 * A guest that plugs its memory through virtio-mem
 *
 * Owns: see virtio-mem.h. Source: the virtio 1.2 specification, sections
 * 4.1 (PCI), 2.7 (split queues) and 5.15 (memory device).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "virtio-mem.h"

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

/* In the page of the queue */
#define ENTRIES             4
#define AT_AVAILABLE        0x100
#define AT_USED             0x200
#define AT_REQUEST          0x300
#define AT_ANSWER           0x340

#define DESC_NEXT           1
#define DESC_WRITE          2

static void select_register(VirtioMem *vm, unsigned reg)
{
    qtest_outl(vm->qts, 0xcf8, 0x80000000u | vm->slot << 11 | (reg & 0xfc));
}

static uint32_t config_read(VirtioMem *vm, unsigned reg)
{
    select_register(vm, reg);
    return qtest_inl(vm->qts, 0xcfc) >> 8 * (reg & 3);
}

static void config_write(VirtioMem *vm, unsigned reg, uint32_t value)
{
    select_register(vm, reg);
    qtest_outl(vm->qts, 0xcfc, value);
}

/* All registers that we want lie in one BAR, of 64 bits. */
static void find_registers(VirtioMem *vm, uint32_t bar)
{
    unsigned at = config_read(vm, 0x34) & 0xff;
    unsigned number = 0;

    for (; at; at = config_read(vm, at + 1) & 0xff) {
        unsigned type = config_read(vm, at + 3) & 0xff;
        uint32_t offset = config_read(vm, at + 8);

        if ((config_read(vm, at) & 0xff) != CAP_VENDOR) {
            continue;
        }
        if (type == CFG_COMMON) {
            vm->common = bar + offset;
            number = config_read(vm, at + 4) & 0xff;
        } else if (type == CFG_NOTIFY) {
            vm->notify = bar + offset;
        }
    }
    g_assert_true(vm->common && vm->notify);
    config_write(vm, 0x10 + 4 * number, bar);
    config_write(vm, 0x14 + 4 * number, 0);
    config_write(vm, 0x04, 6);
}

static void set_status(VirtioMem *vm, uint8_t status)
{
    qtest_writeb(vm->qts, vm->common + STATUS, status);
    g_assert_cmphex(qtest_readb(vm->qts, vm->common + STATUS), ==, status);
}

/* Take every feature: that is what the device's authors have tested. */
static void take_features(VirtioMem *vm)
{
    for (unsigned i = 0; i < 2; i++) {
        uint32_t features;

        qtest_writel(vm->qts, vm->common + FEATURE_SELECT, i);
        features = qtest_readl(vm->qts, vm->common + FEATURES);
        qtest_writel(vm->qts, vm->common + DRIVER_SELECT, i);
        /* But those of the ring (28, 29), which would change its form */
        qtest_writel(vm->qts, vm->common + DRIVER_FEATURES,
                     i ? features & 1 : features & ~(3u << 28));
    }
}

void virtio_mem_init(VirtioMem *vm, QTestState *qts, unsigned slot,
                     uint32_t bar, uint64_t ring)
{
    *vm = (VirtioMem) { .qts = qts, .slot = slot, .ring = ring };
    find_registers(vm, bar);
    qtest_memset(qts, ring, 0, 4096);
    set_status(vm, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
    take_features(vm);
    set_status(vm, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
    qtest_writew(qts, vm->common + QUEUE_SELECT, 0);
    qtest_writew(qts, vm->common + QUEUE_SIZE, ENTRIES);
    qtest_writel(qts, vm->common + QUEUE_DESC, ring);
    qtest_writel(qts, vm->common + QUEUE_DRIVER, ring + AT_AVAILABLE);
    qtest_writel(qts, vm->common + QUEUE_DEVICE, ring + AT_USED);
    qtest_writew(qts, vm->common + QUEUE_ENABLE, 1);
    set_status(vm, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK |
               STATUS_DRIVER_OK);
}

static void write_descriptor(VirtioMem *vm, unsigned n, uint64_t address,
                             uint32_t size, uint16_t flags)
{
    uint64_t at = vm->ring + n * 16;

    qtest_writeq(vm->qts, at, address);
    qtest_writel(vm->qts, at + 8, size);
    qtest_writew(vm->qts, at + 12, flags);
    qtest_writew(vm->qts, at + 14, n + 1);
}

static void send_request(VirtioMem *vm)
{
    int64_t end_us = g_get_monotonic_time() + 5 * G_USEC_PER_SEC;

    write_descriptor(vm, 0, vm->ring + AT_REQUEST, 24, DESC_NEXT);
    write_descriptor(vm, 1, vm->ring + AT_ANSWER, 16, DESC_WRITE);
    qtest_writew(vm->qts, vm->ring + AT_AVAILABLE + 4 +
                 vm->requests % ENTRIES * 2, 0);
    vm->requests++;
    qtest_writew(vm->qts, vm->ring + AT_AVAILABLE + 2, vm->requests);
    qtest_writew(vm->qts, vm->notify, 0);
    while (qtest_readw(vm->qts, vm->ring + AT_USED + 2) != vm->requests) {
        g_assert_cmpint(g_get_monotonic_time(), <, end_us);
        g_usleep(1000);
    }
}

VirtioMemAnswer virtio_mem_plug(VirtioMem *vm, bool plug, uint64_t address,
                                uint16_t blocks)
{
    qtest_memset(vm->qts, vm->ring + AT_REQUEST, 0, 24);
    qtest_writew(vm->qts, vm->ring + AT_REQUEST, plug ? 0 : 1);
    qtest_writeq(vm->qts, vm->ring + AT_REQUEST + 8, address);
    qtest_writew(vm->qts, vm->ring + AT_REQUEST + 16, blocks);
    qtest_writew(vm->qts, vm->ring + AT_ANSWER, 0xffff);
    send_request(vm);
    return qtest_readw(vm->qts, vm->ring + AT_ANSWER);
}
