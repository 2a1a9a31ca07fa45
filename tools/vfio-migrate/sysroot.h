/*
 * vfio-migrate: where /sys, /proc, /etc and /dev are looked for
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VFIO_MIGRATE_SYSROOT_H
#define VFIO_MIGRATE_SYSROOT_H

#include <stdbool.h>

/* sysroot_set: look below @dir instead of "/"; before anything is looked at */
void sysroot_set(const char *dir);

/* sysroot_is_set: whether that was done */
bool sysroot_is_set(void);

/*
 * sysroot_path: where @path, which begins with "/", really is
 *
 * Returns: a path, to be freed.
 */
char *sysroot_path(const char *path);

/* sysroot_text: the file's text without white space at its end; or NULL. */
char *sysroot_text(const char *path);

/*
 * file_link: the last part of where a link leads, which is @name in the
 * directory @dir, where that really is
 *
 * Returns: to be freed; NULL where there is none.
 */
char *file_link(const char *dir, const char *name);

#endif /* VFIO_MIGRATE_SYSROOT_H */
