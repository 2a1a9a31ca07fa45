// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Test driver for VFIO migration: config space and BARs of the mdev
 *
 * Owns: what the guest sees of the emulated device: config space with power
 * management and MSI-X, the registers of BAR 0 (vfio-mig-test-regs.h), the
 * memory of BAR 2; and these registers as a part of the migrated state.
 *
 * Locks: vmt_mdev.lock around config space, vmt_dma.lock around registers.
 */
#include "vmt-emu.h"

#define PM_CAP		0x40
#define MSIX_CAP	0x50

/* The registers in the stream. */
struct extra {
	__le32 magic;
	__le32 version;
	__le32 scratch;
	__le32 counter;
	__le64 dma_addr;
	__le32 dma_size;
	__le32 dma_ctrl;
	__le32 dma_bursts;
	__le32 dma_interval_us;
	__le64 dma_seq;
	__le64 dma_at;
	__le32 dma_errors;
	__le32 intx_up;
};

#define EXTRA_VERSION	1

/* ------------------------------------------------------------------------ */
/* Config space                                                             */

static void put(struct vmt_mdev *m, unsigned int at, u32 value,
		unsigned int size, u32 writable)
{
	unsigned int i;

	for (i = 0; i < size; i++) {
		m->config[at + i] = value >> 8 * i;
		m->writable[at + i] = writable >> 8 * i;
	}
}

static void fill_capabilities(struct vmt_mdev *m)
{
	put(m, PCI_STATUS, PCI_STATUS_CAP_LIST, 2, 0);
	put(m, PCI_CAPABILITY_LIST, PM_CAP, 1, 0);
	put(m, PM_CAP, PCI_CAP_ID_PM, 1, 0);
	put(m, PM_CAP + PCI_PM_PMC, 3, 2, 0);
	put(m, PM_CAP + PCI_PM_CTRL, PCI_PM_CTRL_NO_SOFT_RESET, 2,
	    PCI_PM_CTRL_STATE_MASK);
	if (!m->vmt.cfg.msix_vectors)
		return;
	put(m, PM_CAP + 1, MSIX_CAP, 1, 0);
	put(m, MSIX_CAP, PCI_CAP_ID_MSIX, 1, 0);
	put(m, MSIX_CAP + PCI_MSIX_FLAGS, m->vmt.cfg.msix_vectors - 1, 2,
	    PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	put(m, MSIX_CAP + PCI_MSIX_TABLE, VMT_MSIX_BAR, 4, 0);
	put(m, MSIX_CAP + PCI_MSIX_PBA, VMT_MSIX_PBA_OFFSET | VMT_MSIX_BAR,
	    4, 0);
}

static void fill_config(struct vmt_mdev *m)
{
	const struct vmt_config *c = &m->vmt.cfg;

	memset(m->config, 0, sizeof(m->config));
	memset(m->writable, 0, sizeof(m->writable));
	put(m, PCI_VENDOR_ID, c->vendor_id, 2, 0);
	put(m, PCI_DEVICE_ID, c->device_id, 2, 0);
	put(m, PCI_COMMAND, 0, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
	    PCI_COMMAND_PARITY | PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE);
	put(m, PCI_CLASS_REVISION, VMT_PCI_CLASS << 8 | 1, 4, 0);
	put(m, PCI_CACHE_LINE_SIZE, 0, 1, 0xff);
	put(m, PCI_BASE_ADDRESS_0, PCI_BASE_ADDRESS_MEM_TYPE_64, 4,
	    ~(u32)(c->bar0_size - 1));
	put(m, PCI_BASE_ADDRESS_1, 0, 4, U32_MAX);
	if (c->msix_vectors)
		put(m, PCI_BASE_ADDRESS_2, 0, 4, ~(VMT_BAR2_SIZE - 1));
	put(m, PCI_SUBSYSTEM_VENDOR_ID, c->vendor_id, 2, 0);
	put(m, PCI_SUBSYSTEM_ID, 1, 2, 0);
	put(m, PCI_INTERRUPT_LINE, 0, 1, 0xff);
	put(m, PCI_INTERRUPT_PIN, c->intx ? 1 : 0, 1, 0);
	fill_capabilities(m);
}

static u16 command_of(struct vmt_mdev *m)
{
	return m->config[PCI_COMMAND] | m->config[PCI_COMMAND + 1] << 8;
}

static u16 locked_command(struct vmt_device *vmt)
{
	struct vmt_mdev *m = vmt_mdev_of(vmt);
	u16 command;

	spin_lock(&m->lock);
	command = command_of(m);
	spin_unlock(&m->lock);
	return command;
}

static void write_config(struct vmt_mdev *m, const u8 *data, size_t count,
			 u64 offset)
{
	u16 old, now;
	size_t i;

	spin_lock(&m->lock);
	old = command_of(m);
	for (i = 0; i < count; i++) {
		u8 mask = m->writable[offset + i];
		u8 *at = &m->config[offset + i];

		*at = (*at & ~mask) | (data[i] & mask);
	}
	now = command_of(m);
	spin_unlock(&m->lock);
	if (now != old) {
		vmt_log(&m->vmt, "config-write command=0x%04x", now);
		vmt_dma_kick(&m->vmt);
	}
}

static void read_config(struct vmt_mdev *m, u8 *data, size_t count,
			u64 offset)
{
	size_t i;

	spin_lock(&m->lock);
	memcpy(data, m->config + offset, count);
	spin_unlock(&m->lock);
	for (i = 0; i < count; i++) {
		if (offset + i == PCI_STATUS && READ_ONCE(m->irqs.intx_up))
			data[i] |= PCI_STATUS_INTERRUPT;
	}
}

ssize_t vmt_emu_config_rw(struct vmt_mdev *m, bool write, char __user *buf,
			  size_t count, u64 offset)
{
	u8 data[VMT_CONFIG_BYTES];

	if (offset >= VMT_CONFIG_BYTES)
		return -EFAULT;
	count = min_t(u64, count, VMT_CONFIG_BYTES - offset);
	if (write) {
		if (copy_from_user(data, buf, count))
			return -EFAULT;
		write_config(m, data, count, offset);
	} else {
		read_config(m, data, count, offset);
		if (copy_to_user(buf, data, count))
			return -EFAULT;
	}
	return count;
}

/* ------------------------------------------------------------------------ */
/* BAR 0                                                                    */

static void clear_registers(struct vmt_device *vmt)
{
	mutex_lock(&vmt->dma.lock);
	/* Words of the DMA never repeat, not even after a reset. */
	vmt->regs = (struct vmt_regs) {
		.dma_interval_us = VMT_DMA_INTERVAL_US,
		.dma_seq = vmt->regs.dma_seq,
	};
	mutex_unlock(&vmt->dma.lock);
}

static u32 read_register(struct vmt_mdev *m, u64 offset)
{
	const struct vmt_regs *r = &m->vmt.regs;

	switch (offset) {
	case VMT_REG_ID:
		return VMT_ID;
	case VMT_REG_SCRATCH:
		return r->scratch;
	case VMT_REG_COUNTER:
		return r->counter;
	case VMT_REG_DMA_ADDR_LO:
		return lower_32_bits(r->dma_addr);
	case VMT_REG_DMA_ADDR_HI:
		return upper_32_bits(r->dma_addr);
	case VMT_REG_DMA_SIZE:
		return r->dma_size;
	case VMT_REG_DMA_CTRL:
		return r->dma_ctrl;
	case VMT_REG_DMA_BURSTS:
		return r->dma_bursts;
	case VMT_REG_DMA_INTERVAL_US:
		return r->dma_interval_us;
	case VMT_REG_DMA_SEQ:
		return r->dma_seq ? r->dma_seq - 1 : 0;
	case VMT_REG_DMA_ERRORS:
		return r->dma_errors;
	case VMT_REG_INTR_STATUS:
		return READ_ONCE(m->irqs.intx_up) ? VMT_INTR_PENDING : 0;
	default:
		return 0;
	}
}

static void write_dma_ctrl(struct vmt_device *vmt, u32 value)
{
	struct vmt_regs *r = &vmt->regs;
	u32 old = r->dma_ctrl;

	r->dma_ctrl = value & (VMT_DMA_CTRL_RUN | VMT_DMA_CTRL_INTR);
	if (value & VMT_DMA_CTRL_RUN) {
		r->dma_at = 0;
		vmt->dma.next_us = sim_host_now_us();
	}
	if (value != old)
		vmt_log(vmt, "dma-ctrl value=%u addr=0x%llx size=%u", value,
			r->dma_addr, r->dma_size);
}

static void write_register(struct vmt_mdev *m, u64 offset, u32 value)
{
	struct vmt_regs *r = &m->vmt.regs;

	switch (offset) {
	case VMT_REG_SCRATCH:
		r->scratch = value;
		break;
	case VMT_REG_DOORBELL:
		r->counter++;
		m->vmt.ops->interrupt(&m->vmt, value);
		break;
	case VMT_REG_DMA_ADDR_LO:
		r->dma_addr = (r->dma_addr & ~(u64)U32_MAX) | value;
		break;
	case VMT_REG_DMA_ADDR_HI:
		r->dma_addr = lower_32_bits(r->dma_addr) | (u64)value << 32;
		break;
	case VMT_REG_DMA_SIZE:
		r->dma_size = value;
		break;
	case VMT_REG_DMA_CTRL:
		write_dma_ctrl(&m->vmt, value);
		break;
	case VMT_REG_DMA_INTERVAL_US:
		r->dma_interval_us = value;
		break;
	case VMT_REG_INTR_ACK:
		vmt_irqs_lower(m);
		break;
	default:
		break;
	}
}

/* One 32-bit register; anything else reads as ones and writes nothing. */
static ssize_t bar0_rw(struct vmt_mdev *m, bool write, char __user *buf,
		       size_t count, u64 offset)
{
	struct vmt_device *vmt = &m->vmt;
	bool fits = count == sizeof(__le32) && offset % sizeof(__le32) == 0;
	static const u8 ones[] = { 255, 255, 255, 255, 255, 255, 255, 255 };
	__le32 data;

	if (!fits) {
		count = min_t(size_t, count, sizeof(ones));
		if (!write && copy_to_user(buf, ones, count))
			return -EFAULT;
		return count;
	}
	if (write && copy_from_user(&data, buf, sizeof(data)))
		return -EFAULT;
	mutex_lock(&vmt->dma.lock);
	if (!write)
		data = cpu_to_le32(read_register(m, offset));
	else if (vmt->dma.running)
		write_register(m, offset, le32_to_cpu(data));
	mutex_unlock(&vmt->dma.lock);
	if (write)
		vmt_dma_kick(vmt);
	else if (copy_to_user(buf, &data, sizeof(data)))
		return -EFAULT;
	return count;
}

static ssize_t bar2_rw(struct vmt_mdev *m, bool write, char __user *buf,
		       size_t count, u64 offset)
{
	u8 *at = m->bar2 + offset;

	if (write ? copy_from_user(at, buf, count)
		  : copy_to_user(buf, at, count))
		return -EFAULT;
	return count;
}

u64 vmt_emu_bar_size(struct vmt_mdev *m, unsigned int index)
{
	switch (index) {
	case VFIO_PCI_BAR0_REGION_INDEX:
		return m->vmt.cfg.bar0_size;
	case VMT_MSIX_BAR:
		return m->vmt.cfg.msix_vectors ? VMT_BAR2_SIZE : 0;
	default:
		return 0;
	}
}

ssize_t vmt_emu_bar_rw(struct vmt_mdev *m, bool write, unsigned int index,
		       char __user *buf, size_t count, u64 offset)
{
	u64 size = vmt_emu_bar_size(m, index);

	if (offset >= size)
		return -EINVAL;
	count = min_t(u64, count, size - offset);
	return index == VMT_MSIX_BAR ?
	       bar2_rw(m, write, buf, count, offset) :
	       bar0_rw(m, write, buf, count, offset);
}

/* ------------------------------------------------------------------------ */
/* For the model: vmt_ops                                                   */

static size_t emu_save(struct vmt_device *vmt, u8 *to, size_t max)
{
	const struct vmt_regs *r = &vmt->regs;
	struct extra x = {
		.magic = cpu_to_le32(VMT_ID),
		.version = cpu_to_le32(EXTRA_VERSION),
	};

	if (sizeof(x) > max)
		return 0;
	mutex_lock(&vmt->dma.lock);
	x.scratch = cpu_to_le32(r->scratch);
	x.counter = cpu_to_le32(r->counter);
	x.dma_addr = cpu_to_le64(r->dma_addr);
	x.dma_size = cpu_to_le32(r->dma_size);
	x.dma_ctrl = cpu_to_le32(r->dma_ctrl);
	x.dma_bursts = cpu_to_le32(r->dma_bursts);
	x.dma_interval_us = cpu_to_le32(r->dma_interval_us);
	x.dma_seq = cpu_to_le64(r->dma_seq);
	x.dma_at = cpu_to_le64(r->dma_at);
	x.dma_errors = cpu_to_le32(r->dma_errors);
	x.intx_up = cpu_to_le32(READ_ONCE(vmt_mdev_of(vmt)->irqs.intx_up));
	mutex_unlock(&vmt->dma.lock);
	memcpy(to, &x, sizeof(x));
	return sizeof(x);
}

static bool emu_load(struct vmt_device *vmt, const u8 *from, size_t len)
{
	struct vmt_mdev *m = vmt_mdev_of(vmt);
	struct vmt_regs *r = &vmt->regs;
	struct extra x;

	if (len != sizeof(x))
		return false;
	memcpy(&x, from, sizeof(x));
	if (le32_to_cpu(x.magic) != VMT_ID ||
	    le32_to_cpu(x.version) != EXTRA_VERSION)
		return false;
	mutex_lock(&vmt->dma.lock);
	r->scratch = le32_to_cpu(x.scratch);
	r->counter = le32_to_cpu(x.counter);
	r->dma_addr = le64_to_cpu(x.dma_addr);
	r->dma_size = le32_to_cpu(x.dma_size);
	r->dma_ctrl = le32_to_cpu(x.dma_ctrl) &
		      (VMT_DMA_CTRL_RUN | VMT_DMA_CTRL_INTR);
	r->dma_bursts = le32_to_cpu(x.dma_bursts);
	r->dma_interval_us = le32_to_cpu(x.dma_interval_us);
	r->dma_seq = le64_to_cpu(x.dma_seq);
	/* Any number does: the next burst starts anew if it is too large. */
	r->dma_at = le64_to_cpu(x.dma_at) & ~7ULL;
	r->dma_errors = le32_to_cpu(x.dma_errors);
	mutex_unlock(&vmt->dma.lock);
	spin_lock(&m->irqs.lock);
	m->irqs.intx_up = m->vmt.cfg.intx && x.intx_up;
	spin_unlock(&m->irqs.lock);
	return true;
}

static void emu_reset(struct vmt_device *vmt)
{
	struct vmt_mdev *m = vmt_mdev_of(vmt);

	spin_lock(&m->lock);
	fill_config(m);
	spin_unlock(&m->lock);
	vmt_irqs_drop_msix(m);
	vmt_irqs_lower(m);
	clear_registers(vmt);
}

static bool emu_bus_master(struct vmt_device *vmt)
{
	return locked_command(vmt) & PCI_COMMAND_MASTER;
}

static void emu_interrupt(struct vmt_device *vmt, unsigned int vector)
{
	vmt_irqs_raise(vmt_mdev_of(vmt), vector,
		       !(locked_command(vmt) & PCI_COMMAND_INTX_DISABLE));
}

static unsigned int emu_msix_armed(struct vmt_device *vmt)
{
	return READ_ONCE(vmt_mdev_of(vmt)->irqs.msix_armed);
}

const struct vmt_ops vmt_emu_ops = {
	.save = emu_save,
	.load = emu_load,
	.stop = vmt_dma_stop,
	.start = vmt_dma_start,
	.reset = emu_reset,
	.bus_master = emu_bus_master,
	.interrupt = emu_interrupt,
	.command = locked_command,
	.msix_armed = emu_msix_armed,
};

/* ------------------------------------------------------------------------ */

void vmt_emu_fill(struct vmt_mdev *m)
{
	m->vmt.regs.dma_seq = 0;
	clear_registers(&m->vmt);
	spin_lock(&m->lock);
	fill_config(m);
	spin_unlock(&m->lock);
	memset(m->bar2, 0, sizeof(m->bar2));
}
