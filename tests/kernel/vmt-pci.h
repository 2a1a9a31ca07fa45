/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Test driver for VFIO migration: QEMU's "edu" behind vfio_pci_core
 *
 * Owns: the type of that device, and the functions of vmt-edu.c that vmt-pci.c
 * calls. Locks: see vmt.h.
 */
#ifndef VMT_PCI_H
#define VMT_PCI_H

#include <linux/vfio_pci_core.h>

#include "vmt.h"

#define VMT_EDU_VENDOR_ID	0x1234
#define VMT_EDU_DEVICE_ID	0x11e8

struct vmt_pci {
	struct vfio_pci_core_device core;
	struct vmt_device vmt;
	bool core_resets;		/* original core.reset_works */
	void __iomem *bar;		/* while it is open */
	u32 factorial_of;		/* last number written, see vmt-edu.c */
	bool factorial_known;
	bool factorial_intr_due;	/* computing, will interrupt */
	u32 intr_due;			/* to raise once the device runs */
	struct {
		u64 at;
		u64 count;
		bool asked;		/* the guest's write is in progress */
		bool due;		/* edu may be writing there */
	} target;			/* of edu's own DMA; memory_lock */
};

static inline struct vmt_pci *vmt_pci_of(struct vmt_device *vmt)
{
	return container_of(vmt, struct vmt_pci, vmt);
}

int vmt_edu_open(struct vmt_pci *vp);
void vmt_edu_close(struct vmt_pci *vp);
/* vmt_edu_see_write: called before a write to BAR 0. Returns 0 to allow it. */
int vmt_edu_see_write(struct vmt_pci *vp, const char __user *buf,
		      size_t count, u64 offset);
/* vmt_edu_saw_write: called after that write has reached the device. */
void vmt_edu_saw_write(struct vmt_pci *vp);
/* vmt_edu_settle: wait until the device is idle. */
void vmt_edu_settle(struct vmt_pci *vp);
/* vmt_edu_start: the device runs: raise the interrupts of a loaded state. */
void vmt_edu_start(struct vmt_pci *vp);
/* Of struct vmt_ops: log_sync, reset, save, load. */
void vmt_edu_log(struct vmt_device *vmt);
void vmt_edu_reset(struct vmt_device *vmt);
size_t vmt_edu_save(struct vmt_device *vmt, u8 *extra, size_t max);
bool vmt_edu_load(struct vmt_device *vmt, const u8 *extra, size_t len);

#endif /* VMT_PCI_H */
