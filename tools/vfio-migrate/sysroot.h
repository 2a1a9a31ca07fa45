/*
 * vfio-migrate: where /sys, /proc and /dev are looked for
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VFIO_MIGRATE_SYSROOT_H
#define VFIO_MIGRATE_SYSROOT_H

/* sysroot_set: look below @dir instead of "/"; before anything is looked at */
void sysroot_set(const char *dir);

/*
 * sysroot_path: where @path, which begins with "/", really is
 *
 * Returns: a path, to be freed.
 */
char *sysroot_path(const char *path);

#endif /* VFIO_MIGRATE_SYSROOT_H */
