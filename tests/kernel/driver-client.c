/*
 * Tests of the kernel's test driver: a device of it, and a client for it
 *
 * Owns: see driver-client.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "driver-client.h"
#include "driver-files.h"
#include "edu-regs.h"

#define EDU_MODALIAS "pci:v00001234d000011E8"
#define GROUP_MS 5000
#define CONFIG_AT ((uint64_t)VFIO_PCI_CONFIG_REGION_INDEX << 40)

bool driver_loaded(void)
{
    return !driver_missing() && access("/dev/vfio/vfio", R_OK | W_OK) == 0;
}

/* ------------------------------------------------------------------------ */
/* Files                                                                    */

int driver_write(DriverDevice *dev, const char *file, const char *text)
{
    return driver_debug_write(dev->name, file, text);
}

char *driver_read(DriverDevice *dev, const char *file)
{
    g_autoptr(GError) error = NULL;
    char *text = driver_debug_read(dev->name, file, &error);

    g_assert_no_error(error);
    return text;
}

static JsonNode *status_node(DriverDevice *dev, const char *path)
{
    g_autofree char *text = driver_read(dev, "status");
    g_autoptr(JsonNode) root = json_from_string(text, NULL);
    g_auto(GStrv) steps = g_strsplit(path, ".", -1);
    JsonNode *node = root;

    if (!root) {
        g_error("the status of %s is no JSON: %s", dev->name, text);
    }
    for (int i = 0; steps[i]; i++) {
        node = json_object_get_member(json_node_get_object(node), steps[i]);
        if (!node) {
            g_error("no %s in the status of %s", path, dev->name);
        }
    }
    return json_node_copy(node);
}

gint64 driver_number(DriverDevice *dev, const char *path)
{
    g_autoptr(JsonNode) node = status_node(dev, path);

    return json_node_get_value_type(node) == G_TYPE_BOOLEAN ?
           json_node_get_boolean(node) : json_node_get_int(node);
}

char *driver_text(DriverDevice *dev, const char *path)
{
    g_autoptr(JsonNode) node = status_node(dev, path);

    return json_node_dup_string(node);
}

gint64 driver_fired(DriverDevice *dev, const char *name)
{
    g_autofree char *path = g_strdup_printf("faults.%s.fired", name);

    return driver_number(dev, path);
}

/* ------------------------------------------------------------------------ */
/* Life                                                                     */

static unsigned group_of(const char *sysfs)
{
    g_autofree char *link = g_build_filename(sysfs, "iommu_group", NULL);
    g_autofree char *target = g_file_read_link(link, NULL);
    g_autofree char *number = NULL;

    g_assert_nonnull(target);
    number = g_path_get_basename(target);
    return g_ascii_strtoull(number, NULL, 10);
}

static void configure(DriverDevice *dev, const char *lines)
{
    g_assert_cmpint(driver_write(dev, "config", "clear\n"), ==, 0);
    g_assert_cmpint(driver_write(dev, "faults", "clear\n"), ==, 0);
    if (driver_write(dev, "config", lines)) {
        g_error("%s does not take the configuration %s", dev->name, lines);
    }
}

DriverDevice *driver_new(const char *lines)
{
    DriverDevice *dev = g_new0(DriverDevice, 1);
    g_autofree char *sysfs = NULL;

    dev->name = g_uuid_string_random();
    g_assert_cmpint(driver_write_file(DRIVER_MDEV_CREATE, dev->name), ==, 0);
    sysfs = g_build_filename(MDEV_DEVICES, dev->name, NULL);
    dev->group = group_of(sysfs);
    configure(dev, lines);
    return dev;
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static char *find_edu(unsigned nth)
{
    g_autoptr(GDir) dir = g_dir_open(PCI_DEVICES, 0, NULL);
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(PCI_DEVICES, name,
                                                 "modalias", NULL);
        g_autofree char *alias = NULL;

        if (g_file_get_contents(path, &alias, NULL, NULL) &&
            g_str_has_prefix(alias, EDU_MODALIAS)) {
            g_ptr_array_add(found, g_strdup(name));
        }
    }
    g_ptr_array_sort(found, compare_names);
    return nth < found->len ? g_strdup(found->pdata[nth]) : NULL;
}

DriverDevice *driver_new_edu(unsigned nth, const char *lines)
{
    g_autofree char *name = find_edu(nth);
    g_autofree char *sysfs = NULL, *unbind = NULL;
    DriverDevice *dev;

    if (!name) {
        g_test_skip("this machine has no edu device, or only one");
        return NULL;
    }
    dev = g_new0(DriverDevice, 1);
    dev->name = g_steal_pointer(&name);
    sysfs = g_build_filename(PCI_DEVICES, dev->name, NULL);
    unbind = g_build_filename(sysfs, "driver", "unbind", NULL);
    driver_write_file(unbind, dev->name);
    g_assert_cmpint(driver_bind_pci(dev->name), ==, 0);
    dev->group = group_of(sysfs);
    configure(dev, lines);
    return dev;
}

void driver_free(DriverDevice *dev)
{
    if (dev->client) {
        driver_close(dev);
    }
    /* It may have been taken away. */
    driver_remove(dev->name);
    g_free(dev->name);
    g_free(dev);
}

void driver_map(DriverDevice *dev)
{
    g_assert_cmpint(client_map(dev->client, 0, (uintptr_t)dev->ram,
                               DRIVER_RAM_BYTES, VFIO_DMA_MAP_FLAG_READ |
                               VFIO_DMA_MAP_FLAG_WRITE), ==, 0);
}

void driver_unmap(DriverDevice *dev)
{
    uint64_t size = DRIVER_RAM_BYTES;

    g_assert_cmpint(client_unmap(dev->client, 0, &size, 0, NULL), ==, 0);
}

/* Its node may come, or be free, a little after the device is there. */
static void wait_for_group(DriverDevice *dev)
{
    g_autofree char *path = g_strdup_printf("/dev/vfio/%u", dev->group);
    gint64 end_us = g_get_monotonic_time() + GROUP_MS * 1000;
    int fd;

    while ((fd = open(path, O_RDWR | O_CLOEXEC)) < 0) {
        int err = errno;

        if (g_get_monotonic_time() > end_us) {
            g_error("%s of %s: %s", path, dev->name, strerror(err));
        }
        g_test_message("%s of %s: %s", path, dev->name, strerror(err));
        g_usleep(20000);
    }
    close(fd);
}

void driver_open(DriverDevice *dev)
{
    wait_for_group(dev);
    dev->client = client_open(dev->name, dev->group);
    dev->ram = mmap(NULL, DRIVER_RAM_BYTES, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g_assert_true(dev->ram != MAP_FAILED);
    driver_map(dev);
}

void driver_close(DriverDevice *dev)
{
    client_close(dev->client);
    dev->client = NULL;
    munmap(dev->ram, DRIVER_RAM_BYTES);
    dev->ram = NULL;
}

/* ------------------------------------------------------------------------ */
/* The device                                                               */

uint32_t driver_reg_read(DriverDevice *dev, uint32_t reg)
{
    uint32_t value = 0;

    g_assert_cmpint(pread(dev->client->device, &value, 4, reg), ==, 4);
    return value;
}

void driver_reg_write(DriverDevice *dev, uint32_t reg, uint32_t value)
{
    g_assert_cmpint(pwrite(dev->client->device, &value, 4, reg), ==, 4);
}

void driver_set_command(DriverDevice *dev, uint16_t command)
{
    g_assert_cmpint(pwrite(dev->client->device, &command, 2, CONFIG_AT + 4),
                    ==, 2);
}

int driver_set_irq(DriverDevice *dev, uint32_t flags, uint32_t index,
                   uint32_t start, uint32_t count, int fd)
{
    SimIrqRequest set = {
        .argsz = sizeof(set), .flags = flags, .index = index,
        .start = start, .count = count, .fds = { fd },
    };

    return result(ioctl(dev->client->device, VFIO_DEVICE_SET_IRQS, &set));
}

void driver_dirty_ioctl(DriverDevice *dev, uint32_t flags)
{
    g_assert_cmpint(client_dirty(dev->client, flags), ==, 0);
}

void driver_dirty_get(DriverDevice *dev, uint64_t *bits)
{
    const size_t bytes = DRIVER_RAM_BYTES / DRIVER_PAGE_BYTES / 8;

    memset(bits, 0, bytes);
    g_assert_cmpint(client_dirty_bits(dev->client, 0, DRIVER_RAM_BYTES,
                                      DRIVER_PAGE_BYTES, bits, bytes), ==, 0);
}

bool driver_dirty_page(const uint64_t *bits, uint64_t page)
{
    return bits[page / 64] >> page % 64 & 1;
}

void driver_expect_dirty(const uint64_t *bits, unsigned first, unsigned count)
{
    for (unsigned p = 0; p < DRIVER_RAM_BYTES / DRIVER_PAGE_BYTES; p++) {
        g_assert_cmpint(driver_dirty_page(bits, p), ==,
                        p >= first && p - first < count);
    }
}

void driver_start_dma(DriverDevice *dev, uint32_t at, uint32_t bytes,
                      uint32_t ctrl)
{
    driver_reg_write(dev, VMT_REG_DMA_ADDR_LO, at);
    driver_reg_write(dev, VMT_REG_DMA_ADDR_HI, 0);
    driver_reg_write(dev, VMT_REG_DMA_SIZE, bytes);
    driver_reg_write(dev, VMT_REG_DMA_INTERVAL_US, 200);
    driver_reg_write(dev, VMT_REG_DMA_CTRL, ctrl);
}

void driver_wait_register(DriverDevice *dev, uint32_t reg, uint32_t more)
{
    uint32_t from = driver_reg_read(dev, reg);
    gint64 end_us = g_get_monotonic_time() + DRIVER_WAIT_MS * 1000;

    while (driver_reg_read(dev, reg) - from < more) {
        g_assert_cmpint(g_get_monotonic_time(), <, end_us);
        g_usleep(1000);
    }
}

bool driver_edu_busy(DriverDevice *dev)
{
    return driver_reg_read(dev, EDU_DMA_CMD) & EDU_DMA_RUN;
}

void driver_edu_dma(DriverDevice *dev, uint64_t src, uint64_t dst, bool out)
{
    driver_reg_write(dev, EDU_DMA_SRC, src);
    driver_reg_write(dev, EDU_DMA_DST, dst);
    driver_reg_write(dev, EDU_DMA_COUNT, EDU_COPY_BYTES);
    driver_reg_write(dev, EDU_DMA_CMD,
                     EDU_DMA_RUN | (out ? EDU_DMA_TO_MEMORY : 0));
}

void driver_edu_wait(DriverDevice *dev)
{
    for (int i = 0; driver_edu_busy(dev); i++) {
        g_assert_cmpint(i, <, 5000);
        g_usleep(1000);
    }
}

bool driver_wait_eventfd(int fd, int ms)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    uint64_t count;

    return poll(&p, 1, ms) == 1 && read(fd, &count, 8) == 8;
}
