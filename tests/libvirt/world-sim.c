/*
 * Devices of the simulation, on a machine without VFIO
 *
 * Owns: their files in /sys and /dev/vfio for libvirt, the configuration of the
 * simulation, and the emulator: libvirt starts QEMU with an empty environment,
 * so a script must preload the simulation. The rest of the script is like a
 * user's own.
 * Does not own: the simulation (tests/sim).
 *
 * No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "world.h"

#include <string.h>
#include <unistd.h>

#include "sandbox.h"

#define SIM_CONFIG "/run/vfio-sim.conf"
#define EMULATOR_LINES "/run/emulator"

/* Only a destination uses the third UUID, for a device of another name. */
static const char *const uuids[] = {
    "4b20d080-1b54-4048-85b3-a6a62d165c01",
    "4b20d080-1b54-4048-85b3-a6a62d165c02",
    "c0ffee00-1b54-4048-85b3-a6a62d165c03",
};
/* The second driver's name is not known to libvirt 9.0. */
static const struct {
    const char *address, *driver;
} pci_devices[] = {
    { "0000:65:00.1", "vfio-pci" },
    { "0000:65:00.2", "vendor_vfio_pci" },
};

#define FIRST_GROUP 70

static char *sim_device_name(const Node *node, const Device *device)
{
    return g_strdup(device->kind == DEVICE_MDEV
                    ? uuids[device->number]
                    : pci_devices[device->number].address);
}

static unsigned group_of(const Device *device)
{
    return FIRST_GROUP + device->number +
           (device->kind == DEVICE_PCI ? G_N_ELEMENTS(uuids) : 0);
}

/* ------------------------------------------------------------------------ */
/* /sys and /dev                                                            */

/* Add the device's directory, its links, and its entry in the group. */
static bool add_device(const Device *device, const char *dir, GError **error)
{
    g_autofree char *name = sim_device_name(NULL, device);
    const char *bus = device->kind == DEVICE_MDEV ? "mdev" : "pci";
    g_autofree char *group = g_strdup_printf("/sys/kernel/iommu_groups/%u",
                                             group_of(device));
    g_autofree char *subsystem = g_strdup_printf("/sys/bus/%s", bus);
    g_autofree char *link_subsystem = g_strconcat(dir, "/subsystem", NULL);
    g_autofree char *link_group = g_strconcat(dir, "/iommu_group", NULL);
    g_autofree char *in_bus = g_strdup_printf("/sys/bus/%s/devices/%s", bus,
                                              name);
    g_autofree char *in_group = g_strdup_printf("%s/devices/%s", group, name);
    g_autofree char *node = g_strdup_printf("/dev/vfio/%u", group_of(device));

    return sandbox_link(subsystem, link_subsystem, error) &&
           sandbox_link(group, link_group, error) &&
           sandbox_link(dir, in_bus, error) &&
           sandbox_link(dir, in_group, error) &&
           sandbox_write(node, "", error);
}

static bool add_file(const char *dir, const char *name, const char *text,
                     GError **error)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);

    return sandbox_write(path, text, error);
}

static bool add_mdev(unsigned number, GError **error)
{
    const Device device = { .kind = DEVICE_MDEV, .number = number };
    g_autofree char *dir = g_strdup_printf("/sys/bus/mdev/sim/%s",
                                           uuids[number]);

    return add_device(&device, dir, error) &&
           add_file(dir, "mdev_type/device_api", "vfio-pci\n", error);
}

static bool add_pci(unsigned number, GError **error)
{
    const Device device = { .kind = DEVICE_PCI, .number = number };
    g_autofree char *dir = g_strdup_printf("/sys/bus/pci/sim/%s",
                                           pci_devices[number].address);
    g_autofree char *driver = g_build_filename("/sys/bus/pci/drivers",
                                               pci_devices[number].driver,
                                               NULL);
    g_autofree char *link = g_strconcat(dir, "/driver", NULL);
    g_autofree char *config = g_strconcat(dir, "/config", NULL);
    static const char config_space[256];

    return add_device(&device, dir, error) &&
           add_file(dir, "vendor", "0x1b36\n", error) &&
           add_file(dir, "device", "0x00fe\n", error) &&
           add_file(dir, "class", "0x088000\n", error) &&
           g_mkdir_with_parents(driver, 0755) == 0 &&
           sandbox_link(driver, link, error) &&
           g_file_set_contents(config, config_space, sizeof(config_space),
                               error);
}

static bool sim_furnish(const Node *node, GError **error)
{
    const char *const vfio[] = { "vfio", NULL };
    const char *const groups[] = { "iommu_groups", NULL };
    const char *const buses[] = { "pci", "mdev", NULL };

    if (!sandbox_mirror("/sys/bus", buses, error) ||
        !sandbox_mirror("/sys/kernel", groups, error) ||
        !sandbox_mirror("/dev", vfio, error) ||
        !add_file("/dev/vfio", "vfio", "", error)) {
        return false;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(uuids); i++) {
        if (!add_mdev(i, error)) {
            return false;
        }
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(pci_devices); i++) {
        if (!add_pci(i, error)) {
            return false;
        }
    }
    return true;
}

/* ------------------------------------------------------------------------ */
/* The emulator, and the simulation's configuration                         */

static char *sim_lacking(void)
{
    if (access(SIM_LIBRARY, R_OK) < 0) {
        return g_strdup(SIM_LIBRARY " is not built");
    }
    if (access(WRAPPER, X_OK) < 0) {
        return g_strdup(WRAPPER " is not built");
    }
    return NULL;
}

static bool sim_prepare(GError **error)
{
    g_autofree char *lines = g_strdup_printf(
        "export LD_PRELOAD='%s' VFIO_SIM_CONFIG=%s\n"
        ". %s\n"
        "exec %s \"$@\" $arguments\n", SIM_LIBRARY, SIM_CONFIG,
        EMULATOR_LINES, world_builtin() ? "\"$QEMU\""
                                        : "\"${VFIO_ATTACHED_QEMU:-" WRAPPER
                                          "}\"");

    world_sim.emulator = world_write_emulator(lines, error);
    return world_sim.emulator != NULL;
}

static void add_lines(GString *text, const char *settings)
{
    g_auto(GStrv) lines = g_strsplit(settings ? settings : "", ";", -1);

    for (size_t i = 0; lines[i]; i++) {
        g_string_append_printf(text, "%s\n", lines[i]);
    }
}

static bool write_in_node(const Node *node, const char *path,
                          const char *text, GError **error)
{
    g_autofree char *file = g_build_filename(node->dir, path, NULL);

    return sandbox_write(file, text, error);
}

static bool sim_arrange(const Node *node, const Device *devices,
                        unsigned count, const char *emulator, GError **error)
{
    g_autofree char *status = g_build_filename(node->dir, "status.json", NULL);
    g_autoptr(GString) text = g_string_new("[sim]\n");

    /* The status of an earlier domain's device must not be read. */
    unlink(status);
    g_string_append_printf(text, "status=%s/status.json\n"
                           "transcript=%s/transcript.txt\n", node->dir,
                           node->dir);
    for (unsigned i = 0; i < count; i++) {
        g_autofree char *name = sim_device_name(node, &devices[i]);

        g_string_append_printf(text, "[device %s]\ngroup=%u\nseed=%u\n",
                               name, group_of(&devices[i]),
                               1 + i + 10 * node->index);
        add_lines(text, devices[i].config);
    }
    for (unsigned i = 0; i < count; i++) {
        g_autofree char *name = sim_device_name(node, &devices[i]);

        if (devices[i].fault) {
            g_string_append_printf(text, "[fault rule%u]\ndevice=%s\n", i,
                                   name);
            add_lines(text, devices[i].fault);
        }
    }
    return write_in_node(node, SIM_CONFIG, text->str, error) &&
           write_in_node(node, EMULATOR_LINES, emulator ? emulator : "",
                         error);
}

static bool sim_status(const Node *node, const Device *device,
                       DeviceStatus *status, GError **error)
{
    g_autofree char *path = g_build_filename(node->dir, "status.json", NULL);
    g_autofree char *name = sim_device_name(node, device);

    return device_read_status(path, name, status, error);
}

World world_sim = {
    .name = "sim",
    .lacking = sim_lacking,
    .prepare = sim_prepare,
    .furnish = sim_furnish,
    .arrange = sim_arrange,
    .device_name = sim_device_name,
    .status = sim_status,
};
