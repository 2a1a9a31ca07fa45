/*
 * Reading a device's state from a stream
 *
 * A QEMUFile reads ahead up to 32 KiB at a time, and the data is then copied
 * from its buffer. That is fine for tags and sizes. Data of a device that was
 * not read ahead already is read directly from the file's channel to its final
 * place, as much as is available at a time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_RECEIVE_H
#define HW_VFIO_MIGRATION_RECEIVE_H

/*
 * vfio_mig_get_data: read exactly @size bytes into @buf
 *
 * In a coroutine it yields while it has to wait for the stream, elsewhere it
 * blocks, like all functions of a QEMUFile.
 *
 * Returns: 0, or -errno with @errp set: the file's error, or -EIO if the stream
 * ended early.
 * Locks: none; the file belongs to the caller.
 */
int vfio_mig_get_data(QEMUFile *f, void *buf, size_t size, Error **errp);

/*
 * vfio_mig_get_window: read exactly @size bytes into a mapped data window
 *
 * Only between vfio_mig_guard_begin() and vfio_mig_guard_end(): copies by user
 * space are guarded.
 *
 * Returns: 0, or -errno like vfio_mig_get_data(). -EFAULT with @errp unset
 * if the window went away: the caller knows the device's name.
 * Locks: none; the file belongs to the caller.
 */
int vfio_mig_get_window(QEMUFile *f, void *window, size_t size, Error **errp);

#endif /* HW_VFIO_MIGRATION_RECEIVE_H */
