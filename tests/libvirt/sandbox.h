/*
 * A sandbox for libvirtd: namespaces, and directories that hide those of the
 * machine
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_LIBVIRT_SANDBOX_H
#define TESTS_LIBVIRT_SANDBOX_H

#include <stdbool.h>
#include <glib.h>

/**
 * sandbox_enter: continue in new mount, process, network and IPC namespaces.
 * @why: set to the reason if it is not permitted; to be freed
 *
 * The caller's process stays outside and exits with the status of the one
 * that continues. When either of them ends, all processes inside are killed.
 * Must be called while there is only one thread. Returns false, still outside,
 * if the machine does not permit it.
 */
bool sandbox_enter(char **why);

/**
 * sandbox_dir: a directory in memory for all processes inside. It has the same
 * path in each mount namespace created inside, and is removed at the end.
 */
const char *sandbox_dir(void);

/**
 * sandbox_own_mounts: create a mount namespace for the calling process. It
 * must be called before the functions below.
 */
bool sandbox_own_mounts(GError **error);

/**
 * sandbox_cover: mount @with over @dir. If @dir does not exist, its parent is
 * mirrored, so that it exists for this process.
 */
bool sandbox_cover(const char *dir, const char *with, GError **error);

/**
 * sandbox_mirror: replace @dir by a directory in memory with the same entries,
 * except those in @except (NULL at the end). It can be written to without
 * changing that of the machine.
 */
bool sandbox_mirror(const char *dir, const char *const *except,
                    GError **error);

/**
 * sandbox_fill: make the entries of @from, except those in @except, appear in
 * the empty directory @dir.
 */
bool sandbox_fill(const char *dir, const char *from,
                  const char *const *except, GError **error);

/**
 * sandbox_failed: set @error to "cannot WHAT PATH" and the text of errno.
 * Returns false.
 */
bool sandbox_failed(GError **error, const char *what, const char *path);

/**
 * sandbox_write: create a file with @text, and the directories above it.
 */
bool sandbox_write(const char *path, const char *text, GError **error);

/**
 * sandbox_link: create a symbolic link, and the directories above it.
 */
bool sandbox_link(const char *target, const char *path, GError **error);

#endif /* TESTS_LIBVIRT_SANDBOX_H */
