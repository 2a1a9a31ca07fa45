/*
 * vfio-migrate: the location of /sys, /proc, /etc and /dev
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VFIO_MIGRATE_SYSROOT_H
#define VFIO_MIGRATE_SYSROOT_H

#include <stdbool.h>

/* sysroot_set: look below @dir instead of "/"; call it before all others */
void sysroot_set(const char *dir);

/* sysroot_is_set: was sysroot_set() called? */
bool sysroot_is_set(void);

/*
 * sysroot_path: the real location of @path, which begins with "/"
 *
 * Returns: a path, to be freed.
 */
char *sysroot_path(const char *path);

/* sysroot_text: the file's text without trailing white space; or NULL */
char *sysroot_text(const char *path);

/*
 * file_link: the last component of the target of link @name in @dir, which is
 * a real path
 *
 * Returns: to be freed; NULL if there is none.
 */
char *file_link(const char *dir, const char *name);

#endif /* VFIO_MIGRATE_SYSROOT_H */
