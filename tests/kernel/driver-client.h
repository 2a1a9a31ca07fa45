/*
 * Tests of the kernel's test driver: its devices, and a client for them
 *
 * Owns: creating and removing devices of the driver, their files in debugfs,
 * and opening them with memory mapped for DMA. The client of the simulated
 * device's tests (tests/sim/sim-client.h), which knows only VFIO's interface,
 * uses the migration region.
 *
 * No locks; one thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_KERNEL_DRIVER_CLIENT_H
#define TESTS_KERNEL_DRIVER_CLIENT_H

#include <json-glib/json-glib.h>

#include "sim-client.h"
#include "vfio-mig-test-regs.h"

#define DRIVER_RAM_BYTES (16u << 20)
#define DRIVER_PAGE_BYTES 4096
#define DRIVER_BITMAP_WORDS (DRIVER_RAM_BYTES / DRIVER_PAGE_BYTES / 64)

/* Where the DMA engine writes, and how long tests wait for anything */
#define DMA_AT 0x400000u
#define DMA_BYTES 0x10000u
#define BUS_MASTER 6
#define DRIVER_WAIT_MS 10000

typedef struct DriverDevice {
    char *name;                     /* UUID or PCI address */
    unsigned group;
    SimClient *client;              /* NULL while it is closed */
    uint8_t *ram;                   /* at IOVA 0, while it is open */
} DriverDevice;

/* driver_loaded: is the driver loaded? */
bool driver_loaded(void);
/* driver_new: create an mdev configured by @lines ("key=value\n..."). */
DriverDevice *driver_new(const char *lines);
/* driver_new_edu: bind the @nth edu device. Returns NULL to skip the test. */
DriverDevice *driver_new_edu(unsigned nth, const char *lines);
/* driver_free: close and remove the device. */
void driver_free(DriverDevice *dev);
void driver_open(DriverDevice *dev);
void driver_close(DriverDevice *dev);
/* driver_map: map DRIVER_RAM_BYTES at IOVA 0, as driver_open() does. */
void driver_map(DriverDevice *dev);
void driver_unmap(DriverDevice *dev);

/* Write to a file of the device in debugfs. Returns 0 or an errno. */
int driver_write(DriverDevice *dev, const char *file, const char *text);
char *driver_read(DriverDevice *dev, const char *file);
/* Members of the status; @path is "key" or "object.key". */
gint64 driver_number(DriverDevice *dev, const char *path);
char *driver_text(DriverDevice *dev, const char *path);
/* How often the fault rule @name has fired */
gint64 driver_fired(DriverDevice *dev, const char *name);

/* Access registers of BAR 0 and config space; must succeed. */
uint32_t driver_reg_read(DriverDevice *dev, uint32_t reg);
void driver_reg_write(DriverDevice *dev, uint32_t reg, uint32_t value);
void driver_set_command(DriverDevice *dev, uint16_t command);
/* VFIO_DEVICE_SET_IRQS, with @fd unless it is -1. Returns 0 or -errno. */
int driver_set_irq(DriverDevice *dev, uint32_t flags, uint32_t index,
                   uint32_t start, uint32_t count, int fd);
/* Dirty bits of the memory; ioctls must succeed. */
void driver_dirty_ioctl(DriverDevice *dev, uint32_t flags);
bool driver_dirty_page(const uint64_t *bits, uint64_t page);
/* driver_expect_dirty: only these pages must be dirty. */
void driver_expect_dirty(const uint64_t *bits, unsigned first, unsigned count);
void driver_dirty_get(DriverDevice *dev, uint64_t *bits);
/* driver_start_dma: make the DMA engine write this memory repeatedly. */
void driver_start_dma(DriverDevice *dev, uint32_t at, uint32_t bytes,
                      uint32_t ctrl);
/* driver_wait_register: wait until @reg has increased by @more. */
void driver_wait_register(DriverDevice *dev, uint32_t reg, uint32_t more);
/* edu's own DMA of half of its buffer, to memory if @out: start, and wait. */
void driver_edu_dma(DriverDevice *dev, uint64_t src, uint64_t dst, bool out);
bool driver_edu_busy(DriverDevice *dev);
void driver_edu_wait(DriverDevice *dev);
/* Wait until an eventfd is signalled. Returns false after @ms. */
bool driver_wait_eventfd(int fd, int ms);

/* ---- add the tests of each file ---- */
void driver_add_file_tests(void);
void driver_add_log_tests(void);
void driver_add_device_tests(void);
void driver_add_life_tests(void);

#endif /* TESTS_KERNEL_DRIVER_CLIENT_H */
