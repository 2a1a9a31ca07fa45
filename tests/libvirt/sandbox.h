/*
 * A place of its own for libvirtd: namespaces, and directories that cover
 * those of the machine
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_LIBVIRT_SANDBOX_H
#define TESTS_LIBVIRT_SANDBOX_H

#include <stdbool.h>
#include <glib.h>

/**
 * sandbox_enter: go on in new mount, process, network and IPC namespaces.
 * @why: where it is not permitted, the reason; to be freed
 *
 * The caller's process stays behind and exits with the status of the one
 * that goes on. Whatever ends either of them ends every process inside.
 * To be called while there is one thread. Returns false, still outside,
 * where the machine does not permit it.
 */
bool sandbox_enter(char **why);

/**
 * sandbox_dir: a directory in memory that everything inside may use. It is
 * at the same path in each mount namespace made inside, and gone at the end.
 */
const char *sandbox_dir(void);

/**
 * sandbox_own_mounts: a mount namespace for the calling process alone.
 * The functions below are for a process that has called it.
 */
bool sandbox_own_mounts(GError **error);

/**
 * sandbox_cover: let @dir show @with instead. Where @dir does not exist, its
 * parent is mirrored, so that it does for this process.
 */
bool sandbox_cover(const char *dir, const char *with, GError **error);

/**
 * sandbox_mirror: replace @dir by a directory in memory with the same
 * entries, but without those of @except (NULL at the end). It can be written
 * to without changing the machine's.
 */
bool sandbox_mirror(const char *dir, const char *const *except,
                    GError **error);

/**
 * sandbox_fill: let the empty directory @dir show what @from has, without
 * @except.
 */
bool sandbox_fill(const char *dir, const char *from,
                  const char *const *except, GError **error);

/**
 * sandbox_failed: set @error to "cannot WHAT PATH", and why, by errno.
 * Returns false.
 */
bool sandbox_failed(GError **error, const char *what, const char *path);

/**
 * sandbox_write: create a file with this text, and its directories.
 */
bool sandbox_write(const char *path, const char *text, GError **error);

/**
 * sandbox_link: create a symbolic link, and the directories above it.
 */
bool sandbox_link(const char *target, const char *path, GError **error);

#endif /* TESTS_LIBVIRT_SANDBOX_H */
