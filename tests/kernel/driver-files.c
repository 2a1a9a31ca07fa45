/*
 * The kernel's test driver in sysfs and debugfs
 *
 * Owns: see driver-files.h.
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "driver-files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

const char *driver_missing(void)
{
    return access(DRIVER_MDEV_CREATE, W_OK) < 0
        ? "the kernel's test driver is not loaded: run this by "
          "scripts/vm-testbed" : NULL;
}

int driver_write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t len = strlen(text), done;
    int err;

    if (fd < 0) {
        return errno;
    }
    done = write(fd, text, len);
    err = done < 0 ? errno : done < len ? EIO : 0;
    close(fd);
    return err;
}

char *driver_debug_path(const char *device, const char *file)
{
    return g_build_filename(DRIVER_DEBUGFS, device, file, NULL);
}

char *driver_debug_read(const char *device, const char *file, GError **error)
{
    g_autofree char *path = driver_debug_path(device, file);
    char *text = NULL;

    return g_file_get_contents(path, &text, NULL, error) ? text : NULL;
}

int driver_debug_write(const char *device, const char *file, const char *text)
{
    g_autofree char *path = driver_debug_path(device, file);

    return driver_write_file(path, text);
}

int driver_bind_pci(const char *address)
{
    g_autofree char *override = g_build_filename(PCI_DEVICES, address,
                                                 "driver_override", NULL);
    int err = driver_write_file(override, DRIVER_PCI);

    return err ? err : driver_write_file("/sys/bus/pci/drivers_probe", address);
}

int driver_remove(const char *device)
{
    char path[128];

    if (strchr(device, ':')) {
        return driver_write_file("/sys/bus/pci/drivers/" DRIVER_PCI "/unbind",
                                 device);
    }
    g_snprintf(path, sizeof(path), MDEV_DEVICES "/%s/remove", device);
    return driver_write_file(path, "1");
}
