// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Test driver for VFIO migration: pinned pages
 *
 * Owns: the list of guest pages that the device holds pinned, so that the
 * IOMMU reports them as dirty at each read; pinning them when the guest's
 * memory is mapped there, and letting go of them when it is unmapped.
 *
 * Locks: vmt_pins.lock. VFIO calls .dma_unmap without its IOMMU lock, so
 * that lock may be taken inside of ours both here and there.
 */
#include <linux/iommu.h>
#include <linux/slab.h>

#include "vmt.h"

static void unpin(struct vmt_device *vmt, struct vmt_pin *pin)
{
	if (!pin->pinned)
		return;
	vfio_unpin_pages(vmt->vdev, pin->iova, 1);
	pin->pinned = false;
	vmt->pins.held--;
}

static int pin_one(struct vmt_device *vmt, struct vmt_pin *pin)
{
	struct page *page;
	int n;

	if (pin->pinned)
		return 0;
	n = vfio_pin_pages(vmt->vdev, pin->iova, 1, IOMMU_READ | IOMMU_WRITE,
			   &page);
	if (n != 1) {
		vmt->pins.refused++;
		return n < 0 ? n : -EFAULT;
	}
	pin->pinned = true;
	vmt->pins.held++;
	return 0;
}

static void list_pages(struct vmt_pins *pins, u64 from, u64 count)
{
	u64 i;

	for (i = 0; i < count; i++)
		pins->pages[pins->count++].iova = from + i * PAGE_SIZE;
}

int vmt_pins_set(struct vmt_device *vmt, const char *list)
{
	struct vmt_pins *pins = &vmt->pins;
	char item[64];
	SimRange r;
	int ret = 0;

	mutex_lock(&pins->lock);
	pins->count = 0;
	pins->held = 0;
	pins->refused = 0;
	pins->pages = kvcalloc(VMT_MAX_PINS, sizeof(*pins->pages),
			       GFP_KERNEL_ACCOUNT);
	if (!pins->pages)
		ret = -ENOMEM;
	while (!ret && sim_next_item(&list, item, sizeof(item))) {
		/* vmt-config.c has seen that it can be read and is aligned. */
		if (!sim_parse_range(item, &r) ||
		    r.size_bytes / PAGE_SIZE > VMT_MAX_PINS - pins->count)
			ret = -E2BIG;
		else
			list_pages(pins, r.offset, r.size_bytes / PAGE_SIZE);
	}
	mutex_unlock(&pins->lock);
	return ret;
}

int vmt_pins_add(struct vmt_device *vmt, u64 iova)
{
	struct vmt_pins *pins = &vmt->pins;
	unsigned int i;
	int ret;

	iova &= PAGE_MASK;
	mutex_lock(&pins->lock);
	for (i = 0; i < pins->count && pins->pages[i].iova != iova; i++)
		;
	if (!pins->pages || i == VMT_MAX_PINS) {
		ret = -ENOSPC;
	} else {
		pins->pages[i].iova = iova;
		pins->count = max(pins->count, i + 1);
		ret = pin_one(vmt, &pins->pages[i]);
	}
	mutex_unlock(&pins->lock);
	return ret;
}

void vmt_pins_hold(struct vmt_device *vmt)
{
	struct vmt_pins *pins = &vmt->pins;
	unsigned int i;

	mutex_lock(&pins->lock);
	for (i = 0; i < pins->count; i++)
		pin_one(vmt, &pins->pages[i]);
	mutex_unlock(&pins->lock);
}

void vmt_pins_drop(struct vmt_device *vmt, u64 iova, u64 length)
{
	struct vmt_pins *pins = &vmt->pins;
	unsigned int i;

	mutex_lock(&pins->lock);
	for (i = 0; i < pins->count; i++) {
		if (pins->pages[i].iova >= iova &&
		    pins->pages[i].iova - iova < length)
			unpin(vmt, &pins->pages[i]);
	}
	mutex_unlock(&pins->lock);
}

void vmt_pins_clear(struct vmt_device *vmt)
{
	struct vmt_pins *pins = &vmt->pins;
	unsigned int i;

	mutex_lock(&pins->lock);
	for (i = 0; i < pins->count; i++)
		unpin(vmt, &pins->pages[i]);
	kvfree(pins->pages);
	pins->pages = NULL;
	pins->count = 0;
	mutex_unlock(&pins->lock);
}
