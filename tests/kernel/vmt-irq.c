// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Test driver for VFIO migration: interrupts of the emulated device
 *
 * Owns: the eventfds that SET_IRQS hands over, raising them, the level and
 * the masking of INTx.
 *
 * Locks: vmt_irqs.set_lock around SET_IRQS; vmt_irqs.lock around the
 * eventfds and the level, also taken when an eventfd unmasks INTx, from a
 * work queue that set_lock's holder may wait for.
 */
#include "vmt-emu.h"

unsigned int vmt_irqs_count(struct vmt_mdev *m, unsigned int index)
{
	switch (index) {
	case VFIO_PCI_INTX_IRQ_INDEX:
		return m->vmt.cfg.intx;
	case VFIO_PCI_MSIX_IRQ_INDEX:
		return m->vmt.cfg.msix_vectors;
	case VFIO_PCI_ERR_IRQ_INDEX:
	case VFIO_PCI_REQ_IRQ_INDEX:
		return 1;
	default:
		return 0;
	}
}

/* Called with the lock held. An active level is signalled once per unmask. */
static void update_intx(struct vmt_irqs *irqs)
{
	if (irqs->intx_up && !irqs->intx_masked && irqs->intx) {
		irqs->intx_masked = true;
		vmt_eventfd_signal(irqs->intx);
	}
}

void vmt_irqs_raise(struct vmt_mdev *m, unsigned int vector, bool may_intx)
{
	struct vmt_irqs *irqs = &m->irqs;

	spin_lock(&irqs->lock);
	if (irqs->msix_enabled) {
		if (vector < irqs->msix_enabled && irqs->msix[vector])
			vmt_eventfd_signal(irqs->msix[vector]);
	} else if (m->vmt.cfg.intx && may_intx) {
		irqs->intx_up = true;
		update_intx(irqs);
	}
	spin_unlock(&irqs->lock);
}

void vmt_irqs_lower(struct vmt_mdev *m)
{
	spin_lock(&m->irqs.lock);
	m->irqs.intx_up = false;
	spin_unlock(&m->irqs.lock);
}

static void mask_intx(struct vmt_irqs *irqs, bool masked)
{
	spin_lock(&irqs->lock);
	irqs->intx_masked = masked;
	update_intx(irqs);
	spin_unlock(&irqs->lock);
}

/* Runs in the waker of the user's eventfd, which must not signal another. */
static int unmask_handler(void *opaque, void *data)
{
	return 1;
}

static void unmask_thread(void *opaque, void *data)
{
	mask_intx(opaque, false);
}

bool vmt_irqs_request(struct vmt_mdev *m)
{
	bool told;

	spin_lock(&m->irqs.lock);
	told = m->irqs.req;
	if (told)
		vmt_eventfd_signal(m->irqs.req);
	spin_unlock(&m->irqs.lock);
	return told;
}

/* ------------------------------------------------------------------------ */
/* SET_IRQS                                                                 */

/* Put the eventfd @fd (-1: none) into @slot. Called with set_lock held. */
static int set_fd(struct vmt_irqs *irqs, struct eventfd_ctx **slot, s32 fd)
{
	struct eventfd_ctx *ctx = NULL, *old;

	if (fd >= 0) {
		ctx = eventfd_ctx_fdget(fd);
		if (IS_ERR(ctx))
			return PTR_ERR(ctx);
	} else if (fd != -1) {
		return -EINVAL;
	}
	spin_lock(&irqs->lock);
	old = *slot;
	*slot = ctx;
	spin_unlock(&irqs->lock);
	if (old)
		eventfd_ctx_put(old);
	return 0;
}

static void count_armed(struct vmt_irqs *irqs)
{
	unsigned int i, n = 0;

	for (i = 0; i < VMT_MAX_VECTORS; i++)
		n += irqs->msix[i] != NULL;
	irqs->msix_armed = n;
}

static void set_enabled(struct vmt_irqs *irqs, unsigned int n)
{
	spin_lock(&irqs->lock);
	irqs->msix_enabled = n;
	spin_unlock(&irqs->lock);
}

static void drop_msix(struct vmt_irqs *irqs)
{
	unsigned int i;

	set_enabled(irqs, 0);
	for (i = 0; i < VMT_MAX_VECTORS; i++)
		set_fd(irqs, &irqs->msix[i], -1);
	irqs->msix_armed = 0;
}

static bool wants(u32 flags, void *data, unsigned int i)
{
	return (flags & VFIO_IRQ_SET_DATA_NONE) ||
	       ((flags & VFIO_IRQ_SET_DATA_BOOL) && ((u8 *)data)[i]);
}

static int set_msix(struct vmt_mdev *m, u32 flags, unsigned int start,
		    unsigned int count, void *data)
{
	struct vmt_irqs *irqs = &m->irqs;
	s32 *fds = data;
	unsigned int i;
	int ret = 0;

	if (!(flags & VFIO_IRQ_SET_ACTION_TRIGGER))
		return -EINVAL;
	if (!count) {
		drop_msix(irqs);
		return 0;
	}
	if (flags & VFIO_IRQ_SET_DATA_EVENTFD) {
		for (i = 0; i < count && !ret; i++)
			ret = set_fd(irqs, &irqs->msix[start + i], fds[i]);
		if (!ret)
			set_enabled(irqs, max(irqs->msix_enabled,
					      start + count));
		count_armed(irqs);
		return ret;
	}
	for (i = 0; i < count; i++) {
		if (wants(flags, data, i) && start + i < irqs->msix_enabled)
			vmt_irqs_raise(m, start + i, false);
	}
	return 0;
}

static void drop_intx(struct vmt_irqs *irqs)
{
	vfio_virqfd_disable(&irqs->unmask);
	set_fd(irqs, &irqs->intx, -1);
	mask_intx(irqs, false);
}

static int set_intx_unmask(struct vmt_irqs *irqs, u32 flags, void *data)
{
	s32 fd;

	if (!(flags & VFIO_IRQ_SET_DATA_EVENTFD)) {
		if (wants(flags, data, 0))
			mask_intx(irqs, false);
		return 0;
	}
	fd = *(s32 *)data;
	vfio_virqfd_disable(&irqs->unmask);
	if (fd < 0)
		return fd == -1 ? 0 : -EINVAL;
	return vfio_virqfd_enable(irqs, unmask_handler, unmask_thread, NULL,
				  &irqs->unmask, fd);
}

static int set_intx(struct vmt_mdev *m, u32 flags, unsigned int count,
		    void *data)
{
	struct vmt_irqs *irqs = &m->irqs;
	int ret;

	if (!count) {
		if (!(flags & VFIO_IRQ_SET_ACTION_TRIGGER))
			return -EINVAL;
		drop_intx(irqs);
		return 0;
	}
	switch (flags & VFIO_IRQ_SET_ACTION_TYPE_MASK) {
	case VFIO_IRQ_SET_ACTION_MASK:
		if (flags & VFIO_IRQ_SET_DATA_EVENTFD)
			return -ENOTTY;
		if (wants(flags, data, 0))
			mask_intx(irqs, true);
		return 0;
	case VFIO_IRQ_SET_ACTION_UNMASK:
		return set_intx_unmask(irqs, flags, data);
	default:
		break;
	}
	if (!(flags & VFIO_IRQ_SET_DATA_EVENTFD)) {
		if (wants(flags, data, 0))
			vmt_irqs_raise(m, 0, true);
		return 0;
	}
	ret = set_fd(irqs, &irqs->intx, *(s32 *)data);
	if (!ret)
		mask_intx(irqs, false);
	return ret;
}

static int set_single(struct vmt_irqs *irqs, struct eventfd_ctx **slot,
		      u32 flags, unsigned int count, void *data)
{
	if (!(flags & VFIO_IRQ_SET_ACTION_TRIGGER))
		return -EINVAL;
	if (!count)
		return set_fd(irqs, slot, -1);
	if (flags & VFIO_IRQ_SET_DATA_EVENTFD)
		return set_fd(irqs, slot, *(s32 *)data);
	if (wants(flags, data, 0)) {
		spin_lock(&irqs->lock);
		if (*slot)
			vmt_eventfd_signal(*slot);
		spin_unlock(&irqs->lock);
	}
	return 0;
}

/* The caller has checked @start, @count and the amount of @data. */
int vmt_irqs_set(struct vmt_mdev *m, u32 flags, unsigned int index,
		 unsigned int start, unsigned int count, void *data)
{
	struct vmt_irqs *irqs = &m->irqs;
	int ret;

	mutex_lock(&irqs->set_lock);
	switch (index) {
	case VFIO_PCI_INTX_IRQ_INDEX:
		ret = set_intx(m, flags, count, data);
		break;
	case VFIO_PCI_MSIX_IRQ_INDEX:
		ret = set_msix(m, flags, start, count, data);
		break;
	case VFIO_PCI_ERR_IRQ_INDEX:
		ret = set_single(irqs, &irqs->err, flags, count, data);
		break;
	case VFIO_PCI_REQ_IRQ_INDEX:
		ret = set_single(irqs, &irqs->req, flags, count, data);
		break;
	default:
		ret = -EINVAL;
		break;
	}
	mutex_unlock(&irqs->set_lock);
	return ret;
}

void vmt_irqs_drop_msix(struct vmt_mdev *m)
{
	mutex_lock(&m->irqs.set_lock);
	drop_msix(&m->irqs);
	mutex_unlock(&m->irqs.set_lock);
}

void vmt_irqs_drop_all(struct vmt_mdev *m)
{
	struct vmt_irqs *irqs = &m->irqs;

	mutex_lock(&irqs->set_lock);
	drop_msix(irqs);
	drop_intx(irqs);
	set_fd(irqs, &irqs->err, -1);
	set_fd(irqs, &irqs->req, -1);
	irqs->intx_up = false;
	mutex_unlock(&irqs->set_lock);
}
