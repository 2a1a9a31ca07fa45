/*
 * Devices of the kernel's test driver, in the VM of scripts/vm-testbed
 *
 * Owns: creating mediated devices and binding PCI devices, their configuration
 * and fault rules through debugfs, and their status.
 * Does not own: the driver (tests/kernel). The emulator is the wrapper itself,
 * without a script or a preloaded simulation. A script is used only to enable
 * QEMU's own code, or to run another QEMU with our code.
 *
 * Both libvirtd see the devices of the same kernel. A migration is from one
 * device to another, by `virsh migrate --xml`.
 *
 * No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "world.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>

#include "driver-files.h"
#include "sandbox.h"
#include "shipped.h"

/* A device is closed when its QEMU has exited, which may take a moment. */
#define BUSY_TRIES 100
#define USEC_PER_TRY 50000

static const char *const mdevs[2][2] = {
    { "4b20d080-1b54-4048-85b3-a6a62d165c01",
      "4b20d080-1b54-4048-85b3-a6a62d165c02" },
    { "c0ffee00-1b54-4048-85b3-a6a62d165c01",
      "c0ffee00-1b54-4048-85b3-a6a62d165c02" },
};

static const char *const addresses[2] = {
    KERNEL_PCI_SOURCE, KERNEL_PCI_DESTINATION,
};

/* ------------------------------------------------------------------------ */
/* Files of sysfs and debugfs                                               */

static bool is_done(int err, const char *path, GError **error)
{
    if (err) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(err),
                    "cannot write to %s: %s", path, g_strerror(err));
    }
    return !err;
}

static char *kernel_device_name(const Node *node, const Device *device)
{
    return g_strdup(device->kind == DEVICE_MDEV
                    ? mdevs[node->index][device->number]
                    : addresses[node->index]);
}

static bool debug_put(const char *device, const char *file, const char *text,
                      GError **error)
{
    int err = driver_debug_write(device, file, text);

    for (unsigned i = 1; err == EBUSY && i < BUSY_TRIES; i++) {
        g_usleep(USEC_PER_TRY);
        err = driver_debug_write(device, file, text);
    }
    return is_done(err, file, error);
}

/* ------------------------------------------------------------------------ */
/* Devices                                                                  */

static bool make_mdev(const char *uuid, GError **error)
{
    g_autofree char *path = g_build_filename(MDEV_DEVICES, uuid, NULL);

    return g_file_test(path, G_FILE_TEST_EXISTS) ||
           is_done(driver_write_file(DRIVER_MDEV_CREATE, uuid), uuid, error);
}

static bool bind_pci(const char *address, GError **error)
{
    g_autofree char *shown = driver_debug_path(address, NULL);

    return g_file_test(shown, G_FILE_TEST_EXISTS) ||
           is_done(driver_bind_pci(address), address, error);
}

static char *kernel_lacking(void)
{
    char *why = g_strdup(driver_missing());

    return why || !node_shipped ? why : shipped_lacking();
}

static const char *find_emulator(GError **error)
{
    if (node_shipped) {
        return SHIPPED_EMULATOR;
    }
    if (world_builtin()) {
        return world_write_emulator("exec \"$QEMU\" \"$@\" $arguments\n",
                                    error);
    }
    return g_getenv("VFIO_ATTACHED_QEMU")
           ? world_write_emulator("exec \"$VFIO_ATTACHED_QEMU\" \"$@\"\n",
                                  error)
           : WRAPPER;
}

static bool kernel_prepare(GError **error)
{
    world_kernel.emulator = find_emulator(error);
    return (!node_shipped || shipped_prepare(error)) &&
           world_kernel.emulator &&
           bind_pci(addresses[0], error) && bind_pci(addresses[1], error);
}

static void kernel_finish(void)
{
    for (unsigned i = 0; i < 4; i++) {
        driver_remove(mdevs[i / 2][i % 2]);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(addresses); i++) {
        driver_remove(addresses[i]);
    }
}

/*
 * libvirt 9.0 accepts an unmanaged PCI device only if its driver is named
 * vfio-pci, like the drivers with protocol v1 that are derived from the
 * kernel's. Ours has another name, and the kernel's is loaded, too. So the link
 * to the driver differs here from the real /sys; everything else keeps its
 * path, which matters for AppArmor.
 */
static bool show_as_vfio_pci(const char *address, GError **error)
{
    const char *const driver[] = { "driver", NULL };
    g_autofree char *dir = g_build_filename("/sys/devices/pci0000:00",
                                            address, NULL);
    g_autofree char *link = g_build_filename(dir, "driver", NULL);

    return sandbox_mirror(dir, driver, error) &&
           sandbox_link("/sys/bus/pci/drivers/vfio-pci", link, error);
}

static bool kernel_furnish(const Node *node, GError **error)
{
    return show_as_vfio_pci(addresses[0], error) &&
           show_as_vfio_pci(addresses[1], error);
}

static bool arrange_one(const char *name, const Device *device, unsigned seed,
                        GError **error)
{
    g_autofree char *keys = g_strdelimit(g_strdup(device->config ?: ""), ";",
                                         '\n');
    g_autofree char *config = g_strdup_printf("clear\nseed=%u\n%s\n", seed,
                                              keys);
    g_autofree char *rule = g_strdelimit(g_strdup(device->fault ?: ""), ";",
                                         ' ');
    g_autofree char *faults = g_strdup_printf("clear\n%s%s\n",
                                              *rule ? "rule " : "", rule);

    if (device->kind == DEVICE_MDEV && !make_mdev(name, error)) {
        return false;
    }
    return debug_put(name, "config", config, error) &&
           debug_put(name, "faults", faults, error);
}

static bool kernel_arrange(const Node *node, const Device *devices,
                           unsigned count, const char *emulator,
                           GError **error)
{
    for (unsigned i = 0; i < count; i++) {
        g_autofree char *name = kernel_device_name(node, &devices[i]);

        if (!arrange_one(name, &devices[i], 1 + i + 10 * node->index,
                         error)) {
            return false;
        }
    }
    return true;
}

static bool kernel_status(const Node *node, const Device *device,
                          DeviceStatus *status, GError **error)
{
    g_autofree char *name = kernel_device_name(node, device);
    g_autofree char *text = driver_debug_read(name, "status", error);
    g_autoptr(JsonParser) parser = json_parser_new();

    if (!text || !json_parser_load_from_data(parser, text, -1, error)) {
        return false;
    }
    device_take_status(json_parser_get_root(parser), status);
    return true;
}

World world_kernel = {
    .name = "kernel",
    .one_kernel = true,
    .lacking = kernel_lacking,
    .prepare = kernel_prepare,
    .finish = kernel_finish,
    .furnish = kernel_furnish,
    .arrange = kernel_arrange,
    .device_name = kernel_device_name,
    .status = kernel_status,
};
