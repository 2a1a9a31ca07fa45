/*
 * Copies out of and into a device's mapped data window
 *
 * A window can go away while it is mapped: the device is unplugged from the
 * host, its driver is unbound, or the guest disables the memory of the BAR that
 * it is part of. An access to the mapping then raises SIGBUS, which kills QEMU.
 * A copy by the kernel, in a system call, returns EFAULT instead; these
 * functions do the same if user space has to copy.
 *
 * process_vm_readv() and the like are not an alternative: they do not copy from
 * mappings of I/O memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_GUARD_H
#define HW_VFIO_MIGRATION_GUARD_H

/*
 * vfio_mig_guard_begin, vfio_mig_guard_end: bracket a session, during which
 * vfio_mig_guarded_copy() may be called
 *
 * Sessions are counted: the first one installs a handler of SIGBUS, and the
 * end of the last one restores the previous handler. Signals that are not due
 * to a copy are always forwarded to that.
 *
 * A thread that has copied has SIGBUS unblocked until it calls
 * vfio_mig_guard_end() or vfio_mig_guard_leave(). If the signal is sent to it
 * by a process or, because of a bad page, by the kernel, delivery is deferred
 * until then.
 *
 * Locks: need the BQL, as QEMU's own changes of the handler do.
 */
void vfio_mig_guard_begin(void);
void vfio_mig_guard_end(void);

/*
 * vfio_mig_guard_leave: this thread does not copy any more, and ends
 *
 * Deferred signals are raised again. Needs no lock.
 */
void vfio_mig_guard_leave(void);

/*
 * vfio_mig_guarded_copy: memcpy() that fails if the memory went away
 *
 * @size: bytes. After a failure any part of @to may have been written.
 *
 * May be called in any thread, whether or not it has SIGBUS blocked. Machine
 * checks (BUS_MCEERR_AR and _AO) are left to the previous handler.
 *
 * Returns: 0, or -EFAULT: a page of @from or @to is not there any more.
 */
int vfio_mig_guarded_copy(void *to, const void *from, size_t size);

/*
 * vfio_mig_guarded_probe: can all pages of @size bytes at @from be read?
 *
 * To find out, after a system call has failed, whether the window is the cause.
 *
 * Returns: 0 or -EFAULT, as vfio_mig_guarded_copy().
 */
int vfio_mig_guarded_probe(const void *from, size_t size);

/*
 * vfio_mig_kernel_copies: is data that is put into @f without a copy accessed
 * by the kernel only?
 *
 * That is so if the channel passes it to the kernel unchanged: a socket, a
 * file, a command. With TLS, or for a snapshot, user space reads it; that is
 * also assumed for unknown channels.
 */
bool vfio_mig_kernel_copies(QEMUFile *f);

/*
 * vfio_mig_window_gone: set @errp, as a copy has failed with -EFAULT
 *
 * @name: of the device
 * @offset, @size: what was to be copied, in bytes of the migration region
 */
void vfio_mig_window_gone(const char *name, uint64_t offset, uint64_t size,
                          Error **errp);

#endif /* HW_VFIO_MIGRATION_GUARD_H */
