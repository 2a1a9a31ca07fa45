/*
 * Tests of the kernel's test driver: what the device does
 *
 * Owns: registers, interrupts, DMA and its dirty pages, pinned pages, and
 * that all of it goes on at the destination of a migration.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "driver-client.h"
#include "edu-regs.h"

#define TRIGGER VFIO_IRQ_SET_ACTION_TRIGGER
#define EVENTFD VFIO_IRQ_SET_DATA_EVENTFD
#define NONE VFIO_IRQ_SET_DATA_NONE

static int new_eventfd(void)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    g_assert_cmpint(fd, >=, 0);
    return fd;
}

/* ------------------------------------------------------------------------ */
/* Registers                                                                */

static void test_registers(void)
{
    DriverDevice *dev = driver_new("");
    uint64_t wide = 0;
    uint16_t half = 0;

    driver_open(dev);
    g_assert_cmphex(driver_reg_read(dev, VMT_REG_ID), ==, VMT_ID);
    driver_reg_write(dev, VMT_REG_SCRATCH, 0x12345678);
    g_assert_cmphex(driver_reg_read(dev, VMT_REG_SCRATCH), ==, 0x12345678);
    driver_reg_write(dev, VMT_REG_ID, 1);
    g_assert_cmphex(driver_reg_read(dev, VMT_REG_ID), ==, VMT_ID);
    for (int i = 0; i < 3; i++) {
        driver_reg_write(dev, VMT_REG_DOORBELL, UINT32_MAX);
    }
    g_assert_cmpuint(driver_reg_read(dev, VMT_REG_COUNTER), ==, 3);
    /* Other widths: ones, and nothing is written. */
    g_assert_cmpint(pread(dev->client->device, &wide, 8, VMT_REG_ID), ==, 8);
    g_assert_cmphex(wide, ==, UINT64_MAX);
    g_assert_cmpint(pwrite(dev->client->device, &half, 2, VMT_REG_SCRATCH),
                    ==, 2);
    g_assert_cmphex(driver_reg_read(dev, VMT_REG_SCRATCH), ==, 0x12345678);
    /* The last register of the BAR, and behind it. */
    g_assert_cmphex(driver_reg_read(dev, VMT_BAR0_SIZE - 4), ==, 0);
    g_assert_cmpint(pread(dev->client->device, &half, 2, VMT_BAR0_SIZE), ==,
                    -1);
    g_assert_cmpint(ioctl(dev->client->device, VFIO_DEVICE_RESET), ==, 0);
    g_assert_cmphex(driver_reg_read(dev, VMT_REG_SCRATCH), ==, 0);
    driver_free(dev);
}

/* A stopped device keeps still: registers can be read, not written. */
static void test_stopped(void)
{
    DriverDevice *dev = driver_new("");

    driver_open(dev);
    driver_reg_write(dev, VMT_REG_SCRATCH, 7);
    g_assert_cmpint(client_set_state(dev->client, 0), ==, 0);
    driver_reg_write(dev, VMT_REG_SCRATCH, 8);
    driver_reg_write(dev, VMT_REG_DOORBELL, 0);
    g_assert_cmphex(driver_reg_read(dev, VMT_REG_SCRATCH), ==, 7);
    g_assert_cmphex(driver_reg_read(dev, VMT_REG_COUNTER), ==, 0);
    g_assert_cmpint(client_set_state(dev->client, 1), ==, 0);
    driver_reg_write(dev, VMT_REG_SCRATCH, 8);
    g_assert_cmphex(driver_reg_read(dev, VMT_REG_SCRATCH), ==, 8);
    driver_free(dev);
}

static void test_config_space(void)
{
    const uint64_t at = UINT64_C(7) << 40;
    DriverDevice *dev = driver_new("intx=yes");
    uint8_t bytes[300];
    uint32_t bar = UINT32_MAX;

    driver_open(dev);
    g_assert_cmpint(pread(dev->client->device, bytes, 300, at), ==, 256);
    g_assert_cmphex(bytes[0] | bytes[1] << 8, ==, VMT_PCI_VENDOR_ID);
    g_assert_cmphex(bytes[2] | bytes[3] << 8, ==, VMT_PCI_DEVICE_ID);
    g_assert_cmphex(bytes[61], ==, 1);
    g_assert_cmpint(pwrite(dev->client->device, &bar, 4, at + 0x10), ==, 4);
    g_assert_cmpint(pread(dev->client->device, &bar, 4, at + 0x10), ==, 4);
    g_assert_cmphex(bar, ==, (uint32_t)~(VMT_BAR0_SIZE - 1) | 4);
    g_assert_cmpint(pread(dev->client->device, bytes, 8, at + 252), ==, 4);
    g_assert_cmpint(pread(dev->client->device, bytes, 1, at + 256), ==, -1);
    g_assert_cmpint(pread(dev->client->device, bytes, 1,
                          UINT64_C(11) << 40), ==, -1);
    driver_free(dev);
}

/* ------------------------------------------------------------------------ */
/* Interrupts                                                               */

static void test_msix(void)
{
    DriverDevice *dev = driver_new("");
    int fds[] = { new_eventfd(), new_eventfd() };

    driver_open(dev);
    g_assert_cmpint(driver_set_irq(dev, EVENTFD | TRIGGER,
                                   VFIO_PCI_MSIX_IRQ_INDEX, 0, 1, fds[0]),
                    ==, 0);
    g_assert_cmpint(driver_set_irq(dev, EVENTFD | TRIGGER,
                                   VFIO_PCI_MSIX_IRQ_INDEX, 7, 1, fds[1]),
                    ==, 0);
    g_assert_cmpint(driver_number(dev, "msix-armed"), ==, 2);
    driver_reg_write(dev, VMT_REG_DOORBELL, 7);
    g_assert_true(driver_wait_eventfd(fds[1], DRIVER_WAIT_MS));
    g_assert_false(driver_wait_eventfd(fds[0], 0));
    driver_reg_write(dev, VMT_REG_DOORBELL, 0);
    g_assert_true(driver_wait_eventfd(fds[0], DRIVER_WAIT_MS));
    /* A trigger by the user; a vector beyond; one without an eventfd. */
    g_assert_cmpint(driver_set_irq(dev, NONE | TRIGGER,
                                   VFIO_PCI_MSIX_IRQ_INDEX, 7, 1, -1), ==, 0);
    g_assert_true(driver_wait_eventfd(fds[1], DRIVER_WAIT_MS));
    g_assert_cmpint(driver_set_irq(dev, EVENTFD | TRIGGER,
                                   VFIO_PCI_MSIX_IRQ_INDEX, 8, 1, fds[1]),
                    ==, -EINVAL);
    driver_reg_write(dev, VMT_REG_DOORBELL, 3);
    driver_reg_write(dev, VMT_REG_DOORBELL, 64);
    g_assert_false(driver_wait_eventfd(fds[0], 50));
    g_assert_false(driver_wait_eventfd(fds[1], 0));
    /* A reset takes them away. */
    g_assert_cmpint(ioctl(dev->client->device, VFIO_DEVICE_RESET), ==, 0);
    g_assert_cmpint(driver_number(dev, "msix-armed"), ==, 0);
    driver_reg_write(dev, VMT_REG_DOORBELL, 0);
    g_assert_false(driver_wait_eventfd(fds[0], 50));
    driver_free(dev);
    close(fds[0]);
    close(fds[1]);
}

static int set_intx(DriverDevice *dev, uint32_t flags, int fd)
{
    return driver_set_irq(dev, flags, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, fd);
}

/* A level: told once, and again when unmasked while it is up. */
static void test_intx(void)
{
    DriverDevice *dev = driver_new("intx=yes");
    int fd = new_eventfd(), unmask = new_eventfd();
    uint64_t one = 1;

    driver_open(dev);
    g_assert_cmpint(set_intx(dev, EVENTFD | TRIGGER, fd), ==, 0);
    driver_reg_write(dev, VMT_REG_DOORBELL, 0);
    g_assert_true(driver_wait_eventfd(fd, DRIVER_WAIT_MS));
    g_assert_cmphex(driver_reg_read(dev, VMT_REG_INTR_STATUS), ==,
                    VMT_INTR_PENDING);
    driver_reg_write(dev, VMT_REG_DOORBELL, 0);
    g_assert_false(driver_wait_eventfd(fd, 50));
    g_assert_cmpint(set_intx(dev, NONE | VFIO_IRQ_SET_ACTION_UNMASK, -1), ==,
                    0);
    g_assert_true(driver_wait_eventfd(fd, DRIVER_WAIT_MS));
    /* Unmasked by an eventfd, as KVM does. */
    g_assert_cmpint(set_intx(dev, EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK,
                             unmask), ==, 0);
    g_assert_cmpint(write(unmask, &one, 8), ==, 8);
    g_assert_true(driver_wait_eventfd(fd, DRIVER_WAIT_MS));
    driver_reg_write(dev, VMT_REG_INTR_ACK, 1);
    g_assert_cmphex(driver_reg_read(dev, VMT_REG_INTR_STATUS), ==, 0);
    g_assert_cmpint(write(unmask, &one, 8), ==, 8);
    g_assert_false(driver_wait_eventfd(fd, 50));
    /* Masked by the user. */
    g_assert_cmpint(set_intx(dev, NONE | VFIO_IRQ_SET_ACTION_MASK, -1), ==,
                    0);
    driver_reg_write(dev, VMT_REG_DOORBELL, 0);
    g_assert_false(driver_wait_eventfd(fd, 50));
    driver_free(dev);
    close(fd);
    close(unmask);
}

/* ------------------------------------------------------------------------ */
/* DMA by registers                                                         */

static uint64_t word_at(DriverDevice *dev, uint32_t offset)
{
    return *(volatile uint64_t *)(dev->ram + offset);
}

/* Words of a burst go up by one, with the tag on top. */
static void check_words(DriverDevice *dev)
{
    uint64_t first = word_at(dev, DMA_AT);

    g_assert_cmphex(first >> VMT_DMA_TAG_SHIFT, ==, VMT_DMA_TAG);
    for (uint32_t i = 1; i < VMT_DMA_BURST_BYTES / 8; i++) {
        g_assert_cmphex(word_at(dev, DMA_AT + i * 8), ==, first + i);
    }
}

static void test_dma(void)
{
    g_autofree uint64_t *bits = g_new0(uint64_t, DRIVER_BITMAP_WORDS);
    DriverDevice *dev = driver_new("");
    uint32_t bursts;

    driver_open(dev);
    driver_start_dma(dev, DMA_AT, DMA_BYTES, VMT_DMA_CTRL_RUN);
    g_usleep(50 * 1000);
    /* No bus master, no DMA. */
    g_assert_cmpuint(driver_reg_read(dev, VMT_REG_DMA_BURSTS), ==, 0);
    driver_set_command(dev, BUS_MASTER);
    driver_wait_register(dev, VMT_REG_DMA_BURSTS, 40);
    driver_dirty_ioctl(dev, VFIO_IOMMU_DIRTY_PAGES_FLAG_START);
    driver_dirty_get(dev, bits);
    driver_wait_register(dev, VMT_REG_DMA_BURSTS, 40);
    driver_dirty_get(dev, bits);
    driver_expect_dirty(bits, DMA_AT / DRIVER_PAGE_BYTES,
                        DMA_BYTES / DRIVER_PAGE_BYTES);
    /* When the write returns, it has stopped. */
    g_assert_cmpint(client_set_state(dev->client, 0), ==, 0);
    bursts = driver_reg_read(dev, VMT_REG_DMA_BURSTS);
    check_words(dev);
    driver_dirty_get(dev, bits);
    g_usleep(50 * 1000);
    g_assert_cmpuint(driver_reg_read(dev, VMT_REG_DMA_BURSTS), ==, bursts);
    driver_dirty_get(dev, bits);
    driver_expect_dirty(bits, 0, 0);
    g_assert_cmpint(client_set_state(dev->client, 1), ==, 0);
    driver_wait_register(dev, VMT_REG_DMA_BURSTS, 2);
    g_assert_cmpuint(driver_reg_read(dev, VMT_REG_DMA_ERRORS), ==, 0);
    driver_free(dev);
}

/* Addresses that are not mapped, the last ones, odd ones. */
static void test_dma_hostile(void)
{
    static const struct { uint64_t addr; uint32_t size; } wrong[] = {
        { UINT64_C(1) << 32, 4096 }, { UINT64_MAX - 7, UINT32_MAX },
        { UINT64_MAX, 8 }, { DRIVER_RAM_BYTES - 8, 4096 }, { 0, 7 },
    };
    DriverDevice *dev = driver_new("");

    driver_open(dev);
    driver_set_command(dev, BUS_MASTER);
    driver_reg_write(dev, VMT_REG_DMA_INTERVAL_US, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        driver_reg_write(dev, VMT_REG_DMA_ADDR_LO, wrong[i].addr);
        driver_reg_write(dev, VMT_REG_DMA_ADDR_HI, wrong[i].addr >> 32);
        driver_reg_write(dev, VMT_REG_DMA_SIZE, wrong[i].size);
        driver_reg_write(dev, VMT_REG_DMA_CTRL, VMT_DMA_CTRL_RUN);
        if (wrong[i].size >= 8) {
            driver_wait_register(dev, VMT_REG_DMA_ERRORS, 3);
        }
    }
    driver_reg_write(dev, VMT_REG_DMA_CTRL, 0);
    driver_free(dev);
}

/* Registers, DMA and its counting go on at the destination. */
static void test_dma_migrates(void)
{
    g_autoptr(GPtrArray) chunks = client_chunks_new();
    DriverDevice *src = driver_new("state-size=1M\nprecopy-size=256K");
    DriverDevice *dst = driver_new("");
    int fd = new_eventfd();
    uint32_t seq, bursts;

    driver_open(src);
    driver_open(dst);
    driver_set_command(src, BUS_MASTER);
    driver_reg_write(src, VMT_REG_SCRATCH, 0xcafe);
    driver_reg_write(src, VMT_REG_DOORBELL, 1);
    driver_start_dma(src, DMA_AT, DMA_BYTES,
                     VMT_DMA_CTRL_RUN | VMT_DMA_CTRL_INTR);
    driver_wait_register(src, VMT_REG_DMA_BURSTS, 20);
    g_assert_cmpint(client_save(src->client, chunks, true, 1), ==, 0);
    seq = driver_reg_read(src, VMT_REG_DMA_SEQ);
    bursts = driver_reg_read(src, VMT_REG_DMA_BURSTS);
    memcpy(dst->ram, src->ram, DRIVER_RAM_BYTES);
    g_assert_cmpint(driver_set_irq(dst, EVENTFD | TRIGGER,
                                   VFIO_PCI_MSIX_IRQ_INDEX, 0, 1, fd), ==, 0);
    driver_set_command(dst, BUS_MASTER);
    g_assert_cmpint(client_load(dst->client, chunks, false), ==, 0);
    g_assert_cmphex(driver_reg_read(dst, VMT_REG_SCRATCH), ==, 0xcafe);
    g_assert_cmphex(driver_reg_read(dst, VMT_REG_COUNTER), ==, 1);
    driver_wait_register(dst, VMT_REG_DMA_BURSTS, 20);
    g_assert_cmpuint(driver_reg_read(dst, VMT_REG_DMA_BURSTS), >=, bursts);
    g_assert_cmpuint(driver_reg_read(dst, VMT_REG_DMA_SEQ), >, seq);
    g_assert_true(driver_wait_eventfd(fd, DRIVER_WAIT_MS));
    g_assert_cmpint(client_set_state(dst->client, 0), ==, 0);
    check_words(dst);
    /* All words in the range are of its life: none is from before. */
    g_assert_cmpuint((uint32_t)word_at(dst, DMA_AT), >, 0);
    driver_free(src);
    driver_free(dst);
    close(fd);
}

/* ------------------------------------------------------------------------ */
/* DMA by configuration, digests, pins                                      */

#define RATE_LINES "dma-rate=8M\ndma-start=0x400000\ndma-size=64K\n"
#define RANGE_LINES "dma-start=0x400000\ndma-size=64K\n"

static void test_dma_configured(void)
{
    g_autoptr(GPtrArray) chunks = client_chunks_new();
    g_autofree char *at_stop = NULL, *at_start = NULL;
    DriverDevice *src = driver_new(RATE_LINES);
    DriverDevice *dst = driver_new(RANGE_LINES);
    gint64 misses;

    driver_open(src);
    driver_open(dst);
    /* It runs from its opening on, before there is memory to write to. */
    misses = driver_number(src, "dma.misses");
    g_usleep(100 * 1000);
    g_assert_cmpint(client_save(src->client, chunks, false, 0), ==, 0);
    g_assert_cmpint(driver_number(src, "dma.bursts"), >, 10);
    g_assert_cmpint(driver_number(src, "dma.misses"), ==, misses);
    memcpy(dst->ram, src->ram, DRIVER_RAM_BYTES);
    g_assert_cmpint(client_load(dst->client, chunks, false), ==, 0);
    at_stop = driver_text(src, "dma.digest-at-stop");
    at_start = driver_text(dst, "dma.digest-at-start");
    g_assert_cmpint(strlen(at_stop), ==, 16);
    g_assert_cmpstr(at_stop, ==, at_start);
    g_assert_cmphex(word_at(src, DMA_AT) >> VMT_DMA_TAG_SHIFT, ==,
                    VMT_DMA_TAG);
    driver_free(src);
    driver_free(dst);
}

static void expect_pages(DriverDevice *dev, unsigned first, unsigned count)
{
    g_autofree uint64_t *bits = g_new0(uint64_t, DRIVER_BITMAP_WORDS);

    for (int round = 0; round < 2; round++) {
        driver_dirty_get(dev, bits);
        driver_expect_dirty(bits, first, count);
    }
}

/* Pinned pages are dirty at each read, until their memory goes away. */
static void test_pins(void)
{
    DriverDevice *dev = driver_new("pinned=0x10000+8K");

    driver_open(dev);
    g_assert_cmpint(client_set_state(dev->client, 3), ==, 0);
    g_assert_cmpint(driver_number(dev, "pinned-pages"), ==, 2);
    driver_dirty_ioctl(dev, VFIO_IOMMU_DIRTY_PAGES_FLAG_START);
    expect_pages(dev, 16, 2);
    driver_unmap(dev);
    g_assert_cmpint(driver_number(dev, "pinned-pages"), ==, 0);
    /* Nothing is there to pin: refused, and nothing else happens. */
    g_assert_cmpint(client_set_state(dev->client, 1), ==, 0);
    g_assert_cmpint(driver_number(dev, "pins-refused"), >=, 2);
    driver_map(dev);
    g_assert_cmpint(client_set_state(dev->client, 3), ==, 0);
    expect_pages(dev, 16, 2);
    driver_free(dev);
}

/* Memory goes and comes while DMA runs into it. */
static void test_unmap_under_dma(void)
{
    DriverDevice *dev = driver_new(RATE_LINES "pinned=0x400000+64K");

    driver_open(dev);
    for (int i = 0; i < 30; i++) {
        g_assert_cmpint(client_set_state(dev->client, 3), ==, 0);
        driver_unmap(dev);
        g_usleep(2000);
        driver_map(dev);
        g_assert_cmpint(client_set_state(dev->client, 1), ==, 0);
    }
    driver_free(dev);
}

/* ------------------------------------------------------------------------ */
/* QEMU's edu                                                               */

static void test_edu_migrates(void)
{
    static const char lines[] = "state-size=1M\nareas=stripes:64K\n";
    g_autoptr(GPtrArray) chunks = client_chunks_new();
    g_autofree char *saved = NULL, *loaded = NULL;
    DriverDevice *src = driver_new_edu(0, lines);
    DriverDevice *dst = driver_new_edu(1, lines);

    if (!src || !dst) {
        return;
    }
    driver_open(src);
    driver_open(dst);
    driver_set_command(src, BUS_MASTER);
    driver_set_command(dst, BUS_MASTER);
    g_assert_cmphex(driver_reg_read(src, EDU_ID), ==, EDU_ID_WORD);
    driver_reg_write(src, EDU_LIVENESS, 0x1234);
    driver_reg_write(src, EDU_FACTORIAL, 10);
    driver_reg_write(src, EDU_STATUS, EDU_STATUS_INTR);
    driver_reg_write(src, EDU_DMA_SRC, 0x11000);
    g_assert_cmpint(client_save(src->client, chunks, true, 0), ==, 0);
    g_assert_cmpint(client_load(dst->client, chunks, false), ==, 0);
    g_assert_cmphex(driver_reg_read(dst, EDU_LIVENESS), ==, ~0x1234u);
    g_assert_cmpuint(driver_reg_read(dst, EDU_FACTORIAL), ==, 3628800);
    g_assert_cmphex(driver_reg_read(dst, EDU_STATUS), ==, EDU_STATUS_INTR);
    g_assert_cmphex(driver_reg_read(dst, EDU_DMA_SRC), ==, 0x11000);
    saved = driver_text(src, "saved-digest");
    loaded = driver_text(dst, "loaded-digest");
    g_assert_cmpint(strlen(saved), ==, 16);
    g_assert_cmpstr(saved, ==, loaded);
    g_assert_cmpint(ioctl(dst->client->device, VFIO_DEVICE_RESET), ==, 0);
    g_assert_cmphex(driver_reg_read(dst, EDU_LIVENESS), ==, UINT32_MAX);
    driver_free(src);
    driver_free(dst);
}

/* What the guest has not acknowledged is raised when the device runs. */
static void test_edu_interrupt(void)
{
    g_autoptr(GPtrArray) chunks = client_chunks_new();
    DriverDevice *src = driver_new_edu(0, "");
    DriverDevice *dst = driver_new_edu(1, "strictness=lenient\n");
    int fd = new_eventfd();

    if (!src || !dst) {
        return;
    }
    driver_open(src);
    driver_open(dst);
    /* An interrupt of the test before, which may have come late. */
    g_assert_cmpint(ioctl(src->client->device, VFIO_DEVICE_RESET), ==, 0);
    driver_set_command(dst, BUS_MASTER);    /* for the write of its MSI */
    driver_reg_write(src, EDU_INTR_RAISE, 2);
    g_assert_cmpint(client_save(src->client, chunks, true, 0), ==, 0);
    g_assert_cmpint(driver_set_irq(dst, EVENTFD | TRIGGER,
                                   VFIO_PCI_MSI_IRQ_INDEX, 0, 1, fd), ==, 0);
    g_assert_cmpint(client_set_state(dst->client, 4), ==, 0);
    for (guint i = 0; i < chunks->len; i++) {
        SimClientChunk *chunk = g_ptr_array_index(chunks, i);

        g_assert_cmpint(client_load_chunk(dst->client, chunk->bytes->data,
                                          chunk->bytes->len), ==, 0);
    }
    g_assert_cmpint(client_set_state(dst->client, 0), ==, 0);
    g_assert_false(driver_wait_eventfd(fd, 50));
    g_assert_cmpint(client_set_state(dst->client, 1), ==, 0);
    g_assert_true(driver_wait_eventfd(fd, DRIVER_WAIT_MS));
    g_assert_cmphex(driver_reg_read(dst, EDU_INTR_STATUS), ==, 2);
    driver_free(src);
    driver_free(dst);
    close(fd);
}

/*
 * edu tells that a factorial is done before it raises the interrupt: one that
 * stops in between migrates with it.
 */
static void test_edu_factorial(void)
{
    static const char lines[] = "state-size=64K\n";
    DriverDevice *src = driver_new_edu(0, lines);
    DriverDevice *dst = driver_new_edu(1, lines);

    if (!src || !dst) {
        return;
    }
    driver_open(src);
    driver_open(dst);
    driver_reg_write(src, EDU_STATUS, EDU_STATUS_INTR);
    driver_reg_write(src, EDU_INTR_ACK, UINT32_MAX);
    for (int i = 0; i < 300; i++) {
        g_autoptr(GPtrArray) chunks = client_chunks_new();

        driver_reg_write(src, EDU_FACTORIAL, i % 20);
        while (driver_reg_read(src, EDU_STATUS) & EDU_STATUS_BUSY) {
            /* No sleep: to stop it at that moment */
        }
        g_assert_cmpint(client_save(src->client, chunks, true, 0), ==, 0);
        g_assert_cmpint(client_load(dst->client, chunks, false), ==, 0);
        g_assert_cmphex(driver_reg_read(dst, EDU_INTR_STATUS), ==,
                        EDU_INTR_FACTORIAL);
        driver_reg_write(src, EDU_INTR_ACK, EDU_INTR_FACTORIAL);
        g_assert_cmpint(client_set_state(src->client, 1), ==, 0);
    }
    driver_free(src);
    driver_free(dst);
}

/* With the pinned page, only what the device writes to is dirty. */
static void test_edu_dma(void)
{
    g_autofree uint64_t *bits = g_new0(uint64_t, DRIVER_BITMAP_WORDS);
    DriverDevice *dev = driver_new_edu(0, "");

    if (!dev) {
        return;
    }
    driver_open(dev);
    driver_set_command(dev, BUS_MASTER);
    g_assert_cmpint(client_set_state(dev->client, 3), ==, 0);
    driver_dirty_ioctl(dev, VFIO_IOMMU_DIRTY_PAGES_FLAG_START);
    driver_dirty_get(dev, bits);
    expect_pages(dev, 0, 1);
    memset(dev->ram + 0x20000, 0x5a, EDU_COPY_BYTES);
    driver_edu_dma(dev, 0x20000, EDU_BUFFER, false);
    driver_edu_wait(dev);
    driver_edu_dma(dev, EDU_BUFFER, 0x1000, true);
    driver_edu_wait(dev);
    g_assert_cmphex(dev->ram[0x1000], ==, 0x5a);
    g_assert_cmphex(dev->ram[0x1000 + EDU_COPY_BYTES - 1], ==, 0x5a);
    expect_pages(dev, 0, 2);
    driver_free(dev);
}

/* Writes past the driver would start a DMA that it does not see. */
static void test_edu_bar(void)
{
    struct vfio_region_info info = {
        .argsz = sizeof(info), .index = VFIO_PCI_BAR0_REGION_INDEX
    };
    DriverDevice *dev = driver_new_edu(0, "");

    if (!dev) {
        return;
    }
    driver_open(dev);
    g_assert_cmpint(ioctl(dev->client->device, VFIO_DEVICE_GET_REGION_INFO,
                          &info), ==, 0);
    g_assert_cmphex(info.flags, ==, VFIO_REGION_INFO_FLAG_READ |
                    VFIO_REGION_INFO_FLAG_WRITE);
    g_assert_true(mmap(NULL, DRIVER_PAGE_BYTES, PROT_READ, MAP_SHARED,
                       dev->client->device, info.offset) == MAP_FAILED);
    driver_free(dev);
}

void driver_add_device_tests(void)
{
    g_test_add_func("/driver/registers", test_registers);
    g_test_add_func("/driver/stopped", test_stopped);
    g_test_add_func("/driver/config-space", test_config_space);
    g_test_add_func("/driver/msix", test_msix);
    g_test_add_func("/driver/intx", test_intx);
    g_test_add_func("/driver/dma/registers", test_dma);
    g_test_add_func("/driver/dma/hostile", test_dma_hostile);
    g_test_add_func("/driver/dma/migrates", test_dma_migrates);
    g_test_add_func("/driver/dma/configured", test_dma_configured);
    g_test_add_func("/driver/dma/unmap", test_unmap_under_dma);
    g_test_add_func("/driver/pins", test_pins);
    g_test_add_func("/driver/edu/migrates", test_edu_migrates);
    g_test_add_func("/driver/edu/interrupt", test_edu_interrupt);
    g_test_add_func("/driver/edu/factorial", test_edu_factorial);
    g_test_add_func("/driver/edu/dma", test_edu_dma);
    g_test_add_func("/driver/edu/bar", test_edu_bar);
}
