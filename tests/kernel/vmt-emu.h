/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Test driver for VFIO migration: the emulated PCI device
 *
 * Owns: the type of the emulated device, and the functions of vmt-emu.c (config
 * space, BARs) and vmt-irq.c (interrupts) that vmt-mdev.c calls.
 * Locks: see vmt.h.
 */
#ifndef VMT_EMU_H
#define VMT_EMU_H

#include "vmt.h"

#define VMT_CONFIG_BYTES	256
#define VMT_MSIX_BAR		2

struct virqfd;

struct vmt_irqs {
	struct mutex set_lock;		/* SET_IRQS; before the spinlock */
	spinlock_t lock;
	struct eventfd_ctx *intx;
	struct eventfd_ctx *err;
	struct eventfd_ctx *req;
	struct eventfd_ctx *msix[VMT_MAX_VECTORS];
	unsigned int msix_enabled;	/* vectors given by SET_IRQS */
	unsigned int msix_armed;	/* those of them with an eventfd */
	bool intx_up;			/* level of the line */
	bool intx_masked;
	struct virqfd *unmask;
};

/* An emulated device: the mdev. */
struct vmt_mdev {
	struct vfio_device vdev;
	struct vmt_device vmt;
	spinlock_t lock;		/* config space: vmt_emu.lock */
	u8 config[VMT_CONFIG_BYTES];
	u8 writable[VMT_CONFIG_BYTES];
	struct vmt_irqs irqs;
	u8 bar2[VMT_BAR2_SIZE];
};

static inline struct vmt_mdev *vmt_mdev_of(struct vmt_device *vmt)
{
	return container_of(vmt, struct vmt_mdev, vmt);
}

/* ---- vmt-emu.c ---- */
extern const struct vmt_ops vmt_emu_ops;
/* vmt_emu_fill: set config space and registers to their power-on values. */
void vmt_emu_fill(struct vmt_mdev *m);
u64 vmt_emu_bar_size(struct vmt_mdev *m, unsigned int index);
ssize_t vmt_emu_config_rw(struct vmt_mdev *m, bool write, char __user *buf,
			  size_t count, u64 offset);
ssize_t vmt_emu_bar_rw(struct vmt_mdev *m, bool write, unsigned int index,
		       char __user *buf, size_t count, u64 offset);

/* ---- vmt-irq.c ---- */
unsigned int vmt_irqs_count(struct vmt_mdev *m, unsigned int index);
int vmt_irqs_set(struct vmt_mdev *m, u32 flags, unsigned int index,
		 unsigned int start, unsigned int count, void *data);
/* vmt_irqs_raise: raise MSI-X if it is on, otherwise INTx if @may_intx. */
void vmt_irqs_raise(struct vmt_mdev *m, unsigned int vector, bool may_intx);
void vmt_irqs_lower(struct vmt_mdev *m);
/* vmt_irqs_request: ask the user to release the device. */
bool vmt_irqs_request(struct vmt_mdev *m);
void vmt_irqs_drop_msix(struct vmt_mdev *m);
void vmt_irqs_drop_all(struct vmt_mdev *m);

#endif /* VMT_EMU_H */
