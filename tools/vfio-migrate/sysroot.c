/*
 * vfio-migrate: where /sys, /proc and /dev are looked for
 *
 * Owns: --sysroot, by which tests, and a copy of another host's files, stand
 * in for this host.
 * Does not own: /dev/vfio when a device is opened; that is the kernel's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include "sysroot.h"

static char *sysroot;

void sysroot_set(const char *dir)
{
    g_free(sysroot);
    sysroot = g_strdup(dir);
}

char *sysroot_path(const char *path)
{
    return sysroot ? g_build_filename(sysroot, path, NULL) : g_strdup(path);
}
