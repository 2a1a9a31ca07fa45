// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Test driver for VFIO migration: the registers of QEMU's "edu" device
 *
 * Owns: reading and writing them as a part of the migrated state, waiting
 * for the device to be idle, and the page of guest memory that a DMA of the
 * device is about to write. Source: docs/specs/edu.txt of QEMU.
 *
 * Not in the state: the 4 KiB buffer inside of the device, which only a DMA
 * can read, and the direction of the last DMA.
 *
 * Locks: mig_lock is held by the callers but those that see writes or log,
 * and where the device is opened or closed; inside of it memory_lock of
 * vfio_pci_core_device, so that the guest does not switch the device's memory
 * off in between. The target of its DMA is under memory_lock alone.
 */
#include <linux/delay.h>
#include <linux/io.h>
#include <linux/pci.h>

#include "edu-regs.h"
#include "vmt-pci.h"

/* The addresses that the device can reach; beyond, it cuts bits off. */
#define EDU_DMA_MASK		DMA_BIT_MASK(28)

#define SETTLE_STEP_MS		2
#define SETTLE_MS		2000

struct extra {
	__le32 magic;
	__le32 version;
	__le32 liveness;
	__le32 factorial_of;
	__le32 factorial_known;
	__le32 status;
	__le32 intr_status;
	__le32 reserved;
	__le64 dma_src;
	__le64 dma_dst;
	__le64 dma_count;
};

#define EXTRA_MAGIC	0x32554445	/* "EDU2" in memory */
#define EXTRA_VERSION	1

/* ------------------------------------------------------------------------ */
/* Access                                                                   */

/* Switch the device's memory on. Returns what PCI_COMMAND was. */
static u16 enter(struct vmt_pci *vp)
{
	u16 command;

	down_write(&vp->core.memory_lock);
	pci_read_config_word(vp->core.pdev, PCI_COMMAND, &command);
	if (!(command & PCI_COMMAND_MEMORY))
		pci_write_config_word(vp->core.pdev, PCI_COMMAND,
				      command | PCI_COMMAND_MEMORY);
	return command;
}

static void leave(struct vmt_pci *vp, u16 command)
{
	if (!(command & PCI_COMMAND_MEMORY))
		pci_write_config_word(vp->core.pdev, PCI_COMMAND, command);
	up_write(&vp->core.memory_lock);
}

int vmt_edu_open(struct vmt_pci *vp)
{
	if (pci_resource_len(vp->core.pdev, 0) < EDU_DMA_CMD + sizeof(u64))
		return -ENODEV;
	vp->bar = pci_iomap(vp->core.pdev, 0, 0);
	vp->factorial_known = false;
	vp->factorial_intr_due = false;
	vp->intr_due = 0;
	memset(&vp->target, 0, sizeof(vp->target));
	return vp->bar ? 0 : -ENOMEM;
}

void vmt_edu_close(struct vmt_pci *vp)
{
	pci_iounmap(vp->core.pdev, vp->bar);
	vp->bar = NULL;
}

/*
 * The end of a computation is told before its interrupt is raised, and what
 * comes in between reads a device that is idle and has no interrupt pending.
 */
static bool owes_interrupt(struct vmt_pci *vp)
{
	return READ_ONCE(vp->factorial_intr_due) &&
	       !(readl(vp->bar + EDU_INTR_STATUS) & EDU_INTR_FACTORIAL);
}

static bool is_busy(struct vmt_pci *vp)
{
	return (readl(vp->bar + EDU_STATUS) & EDU_STATUS_BUSY) ||
	       (readl(vp->bar + EDU_DMA_CMD) & EDU_DMA_RUN) ||
	       owes_interrupt(vp);
}

/* Called between enter() and leave(). */
static void settle(struct vmt_pci *vp)
{
	unsigned int ms;

	for (ms = 0; is_busy(vp) && ms < SETTLE_MS; ms += SETTLE_STEP_MS)
		msleep(SETTLE_STEP_MS);
	if (ms >= SETTLE_MS)
		pci_err(vp->core.pdev, "still busy after %d ms\n", SETTLE_MS);
}

void vmt_edu_settle(struct vmt_pci *vp)
{
	u16 command = enter(vp);

	settle(vp);
	leave(vp, command);
}

/* ------------------------------------------------------------------------ */
/* What the guest writes                                                    */

static void mark_target(struct vmt_pci *vp)
{
	if (vp->target.due)
		vmt_dirty_mark(&vp->vmt, vp->target.at, vp->target.count);
}

/* While a DMA is under way the device takes no other: its target stays. */
static void see_target(struct vmt_pci *vp)
{
	u16 command = enter(vp);

	mark_target(vp);
	vp->target.at = readq(vp->bar + EDU_DMA_DST) & EDU_DMA_MASK;
	vp->target.count = min_t(u64, readq(vp->bar + EDU_DMA_COUNT),
				 EDU_BUFFER_BYTES);
	vp->target.asked = true;
	vp->target.due = true;
	leave(vp, command);
}

void vmt_edu_saw_write(struct vmt_pci *vp)
{
	down_write(&vp->core.memory_lock);
	vp->target.asked = false;
	up_write(&vp->core.memory_lock);
}

void vmt_edu_log(struct vmt_device *vmt)
{
	struct vmt_pci *vp = vmt_pci_of(vmt);
	u16 command = enter(vp);
	bool busy = readl(vp->bar + EDU_DMA_CMD) & EDU_DMA_RUN;

	mark_target(vp);
	/* Idle before it was marked: all of it had been written. */
	vp->target.due = busy || vp->target.asked;
	leave(vp, command);
}

/* The device will write to guest memory: these pages are dirty from now on. */
static int pin_target(struct vmt_pci *vp)
{
	u64 at = vp->target.at, count = vp->target.count, page;
	int ret = 0;

	for (page = at & PAGE_MASK; page < at + count && ret != -ENOSPC;
	     page += PAGE_SIZE)
		ret = vmt_pins_add(&vp->vmt, page);
	if (ret)
		vmt_log(&vp->vmt, "dma-pin iova=0x%llx size=%llu ret=%d", at,
			count, ret);
	/* What is not mapped the IOMMU will refuse; that is the guest's. */
	return ret == -ENOSPC ? ret : 0;
}

static void see_factorial(struct vmt_pci *vp, u32 value)
{
	u16 command = enter(vp);

	vp->factorial_of = value;
	vp->factorial_known = true;
	if (readl(vp->bar + EDU_STATUS) & EDU_STATUS_INTR)
		WRITE_ONCE(vp->factorial_intr_due, true);
	leave(vp, command);
}

int vmt_edu_see_write(struct vmt_pci *vp, const char __user *buf,
		      size_t count, u64 offset)
{
	__le32 data;
	u32 value;

	if ((count != 4 && count != 8) ||
	    (offset != EDU_FACTORIAL && offset != EDU_DMA_CMD &&
	     offset != EDU_INTR_ACK && offset != EDU_STATUS))
		return 0;
	if (copy_from_user(&data, buf, sizeof(data)))
		return -EFAULT;
	value = le32_to_cpu(data);
	if (offset == EDU_FACTORIAL)
		see_factorial(vp, value);
	if ((offset == EDU_INTR_ACK && (value & EDU_INTR_FACTORIAL)) ||
	    (offset == EDU_STATUS && !(value & EDU_STATUS_INTR)))
		WRITE_ONCE(vp->factorial_intr_due, false);
	if (offset == EDU_DMA_CMD &&
	    (value & EDU_DMA_RUN) && (value & EDU_DMA_TO_MEMORY)) {
		see_target(vp);
		return vp->core.vdev.log_ops ? 0 : pin_target(vp);
	}
	return 0;
}

/* ------------------------------------------------------------------------ */
/* State                                                                    */

size_t vmt_edu_save(struct vmt_device *vmt, u8 *to, size_t max)
{
	struct vmt_pci *vp = vmt_pci_of(vmt);
	struct extra x = {
		.magic = cpu_to_le32(EXTRA_MAGIC),
		.version = cpu_to_le32(EXTRA_VERSION),
		.factorial_of = cpu_to_le32(vp->factorial_of),
		.factorial_known = cpu_to_le32(vp->factorial_known),
	};
	u16 command;

	if (sizeof(x) > max)
		return 0;
	command = enter(vp);
	x.liveness = cpu_to_le32(readl(vp->bar + EDU_LIVENESS));
	x.status = cpu_to_le32(readl(vp->bar + EDU_STATUS));
	x.intr_status = cpu_to_le32(readl(vp->bar + EDU_INTR_STATUS) |
				    vp->intr_due);
	x.dma_src = cpu_to_le64(readq(vp->bar + EDU_DMA_SRC));
	x.dma_dst = cpu_to_le64(readq(vp->bar + EDU_DMA_DST));
	x.dma_count = cpu_to_le64(readq(vp->bar + EDU_DMA_COUNT));
	leave(vp, command);
	memcpy(to, &x, sizeof(x));
	return sizeof(x);
}

/*
 * The order keeps the device from raising what the guest has had already. It
 * raises what is left when it runs: a device that is stopped does not
 * interrupt, and before the whole VM is loaded an interrupt may get lost, as
 * the state of the interrupt controller still follows.
 */
static void write_state(struct vmt_pci *vp, const struct extra *x)
{
	u16 command = enter(vp);
	u32 old;

	settle(vp);
	vp->factorial_intr_due = false;
	writel(0, vp->bar + EDU_STATUS);
	if (vp->factorial_known) {
		writel(vp->factorial_of, vp->bar + EDU_FACTORIAL);
		settle(vp);
	}
	writel(le32_to_cpu(x->status) & EDU_STATUS_INTR, vp->bar + EDU_STATUS);
	writel(~le32_to_cpu(x->liveness), vp->bar + EDU_LIVENESS);
	writeq(le64_to_cpu(x->dma_src), vp->bar + EDU_DMA_SRC);
	writeq(le64_to_cpu(x->dma_dst), vp->bar + EDU_DMA_DST);
	writeq(le64_to_cpu(x->dma_count), vp->bar + EDU_DMA_COUNT);
	old = readl(vp->bar + EDU_INTR_STATUS);
	if (old & ~le32_to_cpu(x->intr_status))
		writel(old & ~le32_to_cpu(x->intr_status),
		       vp->bar + EDU_INTR_ACK);
	vp->intr_due = le32_to_cpu(x->intr_status) & ~old;
	leave(vp, command);
}

void vmt_edu_start(struct vmt_pci *vp)
{
	u16 command;

	if (!vp->intr_due)
		return;
	command = enter(vp);
	writel(vp->intr_due, vp->bar + EDU_INTR_RAISE);
	leave(vp, command);
	vp->intr_due = 0;
}

bool vmt_edu_load(struct vmt_device *vmt, const u8 *from, size_t len)
{
	struct vmt_pci *vp = vmt_pci_of(vmt);
	struct extra x;

	if (len != sizeof(x))
		return false;
	memcpy(&x, from, sizeof(x));
	if (le32_to_cpu(x.magic) != EXTRA_MAGIC ||
	    le32_to_cpu(x.version) != EXTRA_VERSION)
		return false;
	vp->factorial_known = x.factorial_known;
	vp->factorial_of = le32_to_cpu(x.factorial_of);
	write_state(vp, &x);
	return true;
}

void vmt_edu_reset(struct vmt_device *vmt)
{
	struct vmt_pci *vp = vmt_pci_of(vmt);
	/* Liveness reads inverted: all ones is what 0 was written as. */
	struct extra x = { .liveness = cpu_to_le32(U32_MAX) };

	vp->factorial_known = false;
	write_state(vp, &x);
}
