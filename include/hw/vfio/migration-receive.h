/*
 * Bytes of a device's state out of a stream
 *
 * The stream's file reads ahead in pieces of 32 KiB, and what it has read is
 * copied once more. That is right for tags and sizes. A device's data, as far
 * as it was not read ahead already, is read from the file's channel to where
 * it belongs, in pieces as large as they come.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_RECEIVE_H
#define HW_VFIO_MIGRATION_RECEIVE_H

/*
 * vfio_mig_get_data: read exactly @size bytes into @buf
 *
 * In a coroutine it yields where it has to wait for the stream, and elsewhere
 * it blocks, as all functions of a QEMUFile do.
 *
 * Returns: 0, or -errno with @errp set: the file's error, or -EIO where the
 * stream ended early.
 * Locks: none; the file belongs to the caller.
 */
int vfio_mig_get_data(QEMUFile *f, void *buf, size_t size, Error **errp);

/*
 * vfio_mig_get_window: read exactly @size bytes into a mapped data window
 *
 * For between vfio_mig_guard_begin() and _end(): what user space copies is
 * copied with the guard.
 *
 * Returns: 0, or -errno as vfio_mig_get_data(). -EFAULT with @errp left unset
 * where the window went away: the caller knows its name.
 * Locks: none; the file belongs to the caller.
 */
int vfio_mig_get_window(QEMUFile *f, void *window, size_t size, Error **errp);

#endif /* HW_VFIO_MIGRATION_RECEIVE_H */
