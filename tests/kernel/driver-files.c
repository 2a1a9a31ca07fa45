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
#include <glib.h>

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

char *driver_override_path(const char *address)
{
    return g_build_filename(PCI_DEVICES, address, "driver_override", NULL);
}

char *driver_mdev_remove_path(const char *uuid)
{
    return g_build_filename(MDEV_DEVICES, uuid, "remove", NULL);
}
