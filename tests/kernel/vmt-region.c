// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Test driver for VFIO migration: the migration region
 *
 * Owns: how the model's region looks to user space: reads and writes with
 * user memory, mappings of the data window, information.
 * Does not own: what registers and data mean (the model).
 *
 * Locks: mig_lock around each access. mmap takes none: it runs under the
 * process' mmap_lock, which a page fault of an access under mig_lock may
 * want; layout and window do not change while the device is open.
 */
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "vmt.h"

static ssize_t register_rw(struct vmt_device *vmt, bool write,
			   char __user *buf, size_t count, u64 offset)
{
	u8 value[SIM_REGS_SIZE] = { 0 };
	ssize_t ret;

	if (write && copy_from_user(value, buf, count))
		return -EFAULT;
	mutex_lock(&vmt->gate->lock);
	if (write && offset == SIM_REG_STATE)
		vmt_pins_hold(vmt);
	ret = sim_mig_rw(&vmt->model, write, value, count, offset);
	mutex_unlock(&vmt->gate->lock);
	if (!write && ret > 0 && copy_to_user(buf, value, ret))
		return -EFAULT;
	return ret;
}

ssize_t vmt_region_rw(struct vmt_device *vmt, bool write, char __user *buf,
		      size_t count, u64 offset)
{
	ssize_t ret;

	if (vmt->model.cfg.migration == SIM_MIGRATION_NO)
		return -EINVAL;
	count = min_t(size_t, count, MAX_RW_COUNT);
	if (offset < SIM_REGS_SIZE && count <= SIM_REGS_SIZE - offset)
		return register_rw(vmt, write, buf, count, offset);
	mutex_lock(&vmt->gate->lock);
	ret = sim_mig_rw(&vmt->model, write, (__force void *)buf, count,
			 offset);
	mutex_unlock(&vmt->gate->lock);
	return ret;
}

int vmt_region_mmap(struct vmt_device *vmt, struct vm_area_struct *vma,
		    u64 offset)
{
	const SimMigConfig *c = &vmt->model.cfg;
	u64 size = vma->vm_end - vma->vm_start;
	u64 end = PAGE_ALIGN(c->data_offset + c->window_size);
	SimOutcome out;
	int ret;

	ret = -vmt_call(vmt, SIM_EV_MMAP, &out);
	if (!ret && (c->migration == SIM_MIGRATION_NO ||
		     !(vma->vm_flags & VM_SHARED) ||
		     !sim_mig_mappable(&vmt->model, offset, size) ||
		     offset >= end || size > end - offset))
		ret = -EINVAL;
	if (!ret)
		ret = remap_vmalloc_range(vma, vmt->model.window,
					  offset >> PAGE_SHIFT);
	if (!ret)
		__atomic_fetch_add(&vmt->model.count.mmaps, 1,
				   __ATOMIC_RELAXED);
	vmt_log(vmt, "mmap region=%d offset=0x%llx size=0x%llx ret=%d",
		VMT_MIGRATION_REGION, offset, size, ret);
	return ret;
}

u32 vmt_region_flags(struct vmt_device *vmt)
{
	u32 flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;

	if (vmt->model.cfg.mmap_flag)
		flags |= VFIO_REGION_INFO_FLAG_MMAP;
	return flags;
}

u64 vmt_region_size(struct vmt_device *vmt)
{
	return vmt->model.cfg.migration == SIM_MIGRATION_ZERO_SIZE ?
	       0 : vmt->model.cfg.region_size;
}

int vmt_region_sparse_cap(struct vmt_device *vmt, struct vfio_info_cap *caps)
{
	const SimMigConfig *c = &vmt->model.cfg;
	struct vfio_region_info_cap_sparse_mmap *sparse;
	size_t size = struct_size(sparse, areas, c->num_areas);
	unsigned int i;
	int ret;

	if (c->migration == SIM_MIGRATION_INFO_ERROR)
		return -EIO;
	if (!c->sparse_cap)
		return 0;
	sparse = kvzalloc(size, GFP_KERNEL);
	if (!sparse)
		return -ENOMEM;
	sparse->header.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP;
	sparse->header.version = 1;
	sparse->nr_areas = c->num_areas;
	for (i = 0; i < c->num_areas; i++) {
		sparse->areas[i].offset = c->areas[i].offset;
		sparse->areas[i].size = c->areas[i].size_bytes;
	}
	ret = vfio_info_add_capability(caps, &sparse->header, size);
	kvfree(sparse);
	return ret;
}
