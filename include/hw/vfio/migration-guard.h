/*
 * Copies out of and into a device's mapped data window
 *
 * A window can go away while it is mapped: the device is unplugged from the
 * host, its driver goes, or the guest switches off the memory of the BAR that
 * it is part of. Who touches the mapping then gets SIGBUS, which ends the
 * process of the VM. A copy by the kernel, in a system call, gives EFAULT
 * instead; these functions do the same where user space has to copy.
 *
 * process_vm_readv() and the like are no way round: they do not copy from
 * mappings of I/O memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_MIGRATION_GUARD_H
#define HW_VFIO_MIGRATION_GUARD_H

/*
 * vfio_mig_guard_begin, vfio_mig_guard_end: bracket a session, in which
 * vfio_mig_guarded_copy() may be called
 *
 * Sessions are counted: the first one installs a handler of SIGBUS, and the
 * end of the last one gives back the one that was there before. A signal that
 * is not ours goes to that one at all times.
 *
 * A thread that copied has SIGBUS unblocked until vfio_mig_guard_end() is
 * called in it, or vfio_mig_guard_leave(). What somebody sends it meanwhile,
 * and what the kernel tells it of bad memory pages, comes then.
 *
 * Locks: need the BQL, as QEMU's own changes of the handler do.
 */
void vfio_mig_guard_begin(void);
void vfio_mig_guard_end(void);

/*
 * vfio_mig_guard_leave: this thread copies no more, and ends
 *
 * What came in for somebody else is sent once more. Needs no lock.
 */
void vfio_mig_guard_leave(void);

/*
 * vfio_mig_guarded_copy: memcpy() that fails where memory went away
 *
 * @size: bytes. After a failure any part of @to may have been written.
 *
 * From any thread, and whether or not it has SIGBUS blocked. Machine checks
 * (BUS_MCEERR_AR and _AO) are left to the handler from before.
 *
 * Returns: 0, or -EFAULT: a page of @from or @to is not there any more.
 */
int vfio_mig_guarded_copy(void *to, const void *from, size_t size);

/*
 * vfio_mig_guarded_probe: can all pages of @size bytes at @from be read?
 *
 * To tell, when a system call failed, whether the window is the reason.
 *
 * Returns: 0 or -EFAULT, as vfio_mig_guarded_copy().
 */
int vfio_mig_guarded_probe(const void *from, size_t size);

/*
 * vfio_mig_kernel_copies: does what is put into @f without a copy stay
 * untouched by user space?
 *
 * So it is where the channel hands it to the kernel as it is: a socket, a
 * file, a command. With TLS, or in a snapshot, somebody in this process reads
 * it; so it is assumed of channels that are not known.
 */
bool vfio_mig_kernel_copies(QEMUFile *f);

/*
 * vfio_mig_window_gone: say in @errp that a copy met -EFAULT
 *
 * @name: of the device
 * @offset, @size: what was to be copied, in bytes of the migration region
 */
void vfio_mig_window_gone(const char *name, uint64_t offset, uint64_t size,
                          Error **errp);

#endif /* HW_VFIO_MIGRATION_GUARD_H */
