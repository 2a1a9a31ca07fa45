/*
 * vfio-migrate: the location of /sys, /proc, /etc and /dev
 *
 * Owns: --sysroot, with which tests, or copies of another host's files,
 * replace those of this host.
 * Does not own: /dev/vfio when a device is opened; that is always the real one.
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

bool sysroot_is_set(void)
{
    return sysroot;
}

char *sysroot_path(const char *path)
{
    return sysroot ? g_build_filename(sysroot, path, NULL) : g_strdup(path);
}

static char *read_text(const char *path)
{
    char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? g_strchomp(text)
                                                        : NULL;
}

char *sysroot_text(const char *path)
{
    g_autofree char *real = sysroot_path(path);

    return read_text(real);
}

char *file_link(const char *dir, const char *name)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    g_autofree char *target = g_file_read_link(path, NULL);

    return target ? g_path_get_basename(target) : NULL;
}
