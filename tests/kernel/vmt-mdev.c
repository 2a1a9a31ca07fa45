// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Test driver for VFIO migration: the mdev
 *
 * Owns: the parent device and its type, create and remove of an mdev, and
 * the VFIO device around the emulated one: ioctls, and which part a read,
 * write or mmap at some offset belongs to.
 *
 * Locks: none of its own; the parts take theirs.
 */
#include <linux/mdev.h>
#include <linux/slab.h>

#include "vmt-emu.h"

static struct class *vmt_class;
static struct device *vmt_parent_dev;
static struct mdev_parent vmt_parent;

static struct vmt_mdev *mdev_of(struct vfio_device *vdev)
{
	return container_of(vdev, struct vmt_mdev, vdev);
}

/* ------------------------------------------------------------------------ */
/* Information                                                              */

static long device_info(struct vmt_mdev *m, void __user *arg)
{
	size_t min_size = offsetofend(struct vfio_device_info, num_irqs);
	struct vfio_device_info info;

	if (copy_from_user(&info, arg, min_size))
		return -EFAULT;
	if (info.argsz < min_size)
		return -EINVAL;
	info.flags = VFIO_DEVICE_FLAGS_PCI;
	if (m->vmt.cfg.reset)
		info.flags |= VFIO_DEVICE_FLAGS_RESET;
	info.num_regions = VFIO_PCI_NUM_REGIONS +
			   (m->vmt.model.cfg.migration != SIM_MIGRATION_NO);
	info.num_irqs = VFIO_PCI_NUM_IRQS;
	return copy_to_user(arg, &info, min_size) ? -EFAULT : 0;
}

static int add_migration_caps(struct vmt_mdev *m, struct vfio_info_cap *caps)
{
	struct vfio_region_info_cap_type type = {
		.header.id = VFIO_REGION_INFO_CAP_TYPE,
		.header.version = 1,
		.type = VFIO_REGION_TYPE_MIGRATION_DEPRECATED,
		.subtype = VFIO_REGION_SUBTYPE_MIGRATION_DEPRECATED,
	};
	int ret = vmt_region_sparse_cap(&m->vmt, caps);

	if (ret)
		return ret;
	return vfio_info_add_capability(caps, &type.header, sizeof(type));
}

static int fill_region(struct vmt_mdev *m, struct vfio_region_info *info,
		       struct vfio_info_cap *caps)
{
	const u32 rw = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;

	info->flags = 0;
	info->cap_offset = 0;
	info->offset = (u64)info->index << VMT_REGION_SHIFT;
	switch (info->index) {
	case VFIO_PCI_CONFIG_REGION_INDEX:
		info->size = VMT_CONFIG_BYTES;
		break;
	case VFIO_PCI_BAR0_REGION_INDEX ... VFIO_PCI_ROM_REGION_INDEX:
		info->size = vmt_emu_bar_size(m, info->index);
		break;
	case VMT_MIGRATION_REGION:
		if (m->vmt.model.cfg.migration == SIM_MIGRATION_NO)
			return -EINVAL;
		info->size = vmt_region_size(&m->vmt);
		info->flags = vmt_region_flags(&m->vmt);
		return add_migration_caps(m, caps);
	default:
		return -EINVAL;
	}
	if (info->size)
		info->flags = rw;
	return 0;
}

/* Hand the capabilities over if there is room, else say how much it takes. */
static long put_caps(struct vfio_region_info *info,
		     struct vfio_info_cap *caps, void __user *arg)
{
	long ret = 0;

	if (caps->size) {
		info->flags |= VFIO_REGION_INFO_FLAG_CAPS;
		if (info->argsz < sizeof(*info) + caps->size) {
			info->argsz = sizeof(*info) + caps->size;
			info->cap_offset = 0;
		} else {
			vfio_info_cap_shift(caps, sizeof(*info));
			info->cap_offset = sizeof(*info);
			if (copy_to_user(arg + sizeof(*info), caps->buf,
					 caps->size))
				ret = -EFAULT;
		}
	}
	return ret;
}

static long region_info(struct vmt_mdev *m, void __user *arg)
{
	struct vfio_info_cap caps = { .buf = NULL, .size = 0 };
	struct vfio_region_info info;
	long ret;

	if (copy_from_user(&info, arg, sizeof(info)))
		return -EFAULT;
	if (info.argsz < sizeof(info))
		return -EINVAL;
	ret = fill_region(m, &info, &caps);
	if (!ret)
		ret = put_caps(&info, &caps, arg);
	kfree(caps.buf);
	if (!ret && copy_to_user(arg, &info, sizeof(info)))
		ret = -EFAULT;
	vmt_log(&m->vmt, "region-info index=%u ret=%ld", info.index, ret);
	return ret;
}

static long irq_info(struct vmt_mdev *m, void __user *arg)
{
	size_t min_size = offsetofend(struct vfio_irq_info, count);
	struct vfio_irq_info info;

	if (copy_from_user(&info, arg, min_size))
		return -EFAULT;
	if (info.argsz < min_size || info.index >= VFIO_PCI_NUM_IRQS)
		return -EINVAL;
	info.count = vmt_irqs_count(m, info.index);
	info.flags = VFIO_IRQ_INFO_EVENTFD;
	if (info.index == VFIO_PCI_INTX_IRQ_INDEX)
		info.flags |= VFIO_IRQ_INFO_MASKABLE |
			      VFIO_IRQ_INFO_AUTOMASKED;
	else
		info.flags |= VFIO_IRQ_INFO_NORESIZE;
	return copy_to_user(arg, &info, min_size) ? -EFAULT : 0;
}

static long set_irqs(struct vmt_mdev *m, void __user *arg)
{
	size_t min_size = offsetofend(struct vfio_irq_set, count);
	struct vfio_irq_set set;
	size_t data_size = 0;
	void *data = NULL;
	long ret;

	if (copy_from_user(&set, arg, min_size))
		return -EFAULT;
	if (set.index >= VFIO_PCI_NUM_IRQS)
		return -EINVAL;
	ret = vfio_set_irqs_validate_and_prepare(&set,
						 vmt_irqs_count(m, set.index),
						 VFIO_PCI_NUM_IRQS,
						 &data_size);
	if (ret)
		return ret;
	if (data_size) {
		data = memdup_user(arg + min_size, data_size);
		if (IS_ERR(data))
			return PTR_ERR(data);
	}
	ret = vmt_irqs_set(m, set.flags, set.index, set.start, set.count,
			   data);
	kfree(data);
	vmt_log(&m->vmt, "set-irqs index=%u start=%u count=%u ret=%ld",
		set.index, set.start, set.count, ret);
	return ret;
}

static long reset_device(struct vmt_mdev *m)
{
	if (!m->vmt.cfg.reset)
		return -EINVAL;
	vmt_reset(&m->vmt);
	vmt_log(&m->vmt, "reset");
	return 0;
}

/* ------------------------------------------------------------------------ */
/* The VFIO device                                                          */

static long vmt_mdev_ioctl(struct vfio_device *vdev, unsigned int cmd,
			   unsigned long arg)
{
	struct vmt_mdev *m = mdev_of(vdev);
	SimOutcome out;
	int err = vmt_call(&m->vmt, vmt_ioctl_event(cmd), &out);

	if (err)
		return -err;
	switch (cmd) {
	case VFIO_DEVICE_GET_INFO:
		return device_info(m, (void __user *)arg);
	case VFIO_DEVICE_GET_REGION_INFO:
		return region_info(m, (void __user *)arg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		return irq_info(m, (void __user *)arg);
	case VFIO_DEVICE_SET_IRQS:
		return set_irqs(m, (void __user *)arg);
	case VFIO_DEVICE_RESET:
		return reset_device(m);
	default:
		return -ENOTTY;
	}
}

static ssize_t config_rw(struct vmt_mdev *m, bool write, char __user *buf,
			 size_t count, u64 offset)
{
	SimOutcome out;
	int err = vmt_call(&m->vmt, write ? SIM_EV_CONFIG_WRITE
					  : SIM_EV_CONFIG_READ, &out);

	if (err)
		return -err;
	if (out.has_short)
		count = min(count, out.short_len);
	return vmt_emu_config_rw(m, write, buf, count, offset);
}

static ssize_t bar_rw(struct vmt_mdev *m, bool write, unsigned int index,
		      char __user *buf, size_t count, u64 offset)
{
	SimOutcome out;
	int err = vmt_call(&m->vmt, write ? SIM_EV_BAR_WRITE
					  : SIM_EV_BAR_READ, &out);

	return err ? -err : vmt_emu_bar_rw(m, write, index, buf, count,
					   offset);
}

static ssize_t device_rw(struct vfio_device *vdev, bool write,
			 char __user *buf, size_t count, loff_t *ppos)
{
	struct vmt_mdev *m = mdev_of(vdev);
	u64 index = (u64)*ppos >> VMT_REGION_SHIFT;
	u64 offset = *ppos & VMT_REGION_MASK;
	ssize_t ret;

	if (index <= VFIO_PCI_ROM_REGION_INDEX)
		ret = bar_rw(m, write, index, buf, count, offset);
	else if (index == VFIO_PCI_CONFIG_REGION_INDEX)
		ret = config_rw(m, write, buf, count, offset);
	else if (index == VMT_MIGRATION_REGION)
		ret = vmt_region_rw(&m->vmt, write, buf, count, offset);
	else
		ret = -EINVAL;
	if (ret > 0)
		*ppos += ret;
	return ret;
}

static ssize_t vmt_mdev_read(struct vfio_device *vdev, char __user *buf,
			     size_t count, loff_t *ppos)
{
	return device_rw(vdev, false, buf, count, ppos);
}

static ssize_t vmt_mdev_write(struct vfio_device *vdev,
			      const char __user *buf, size_t count,
			      loff_t *ppos)
{
	return device_rw(vdev, true, (char __user *)buf, count, ppos);
}

static int vmt_mdev_mmap(struct vfio_device *vdev, struct vm_area_struct *vma)
{
	u64 at = (u64)vma->vm_pgoff << PAGE_SHIFT;

	if (at >> VMT_REGION_SHIFT != VMT_MIGRATION_REGION)
		return -EINVAL;
	return vmt_region_mmap(&mdev_of(vdev)->vmt, vma, at & VMT_REGION_MASK);
}

static int vmt_mdev_open(struct vfio_device *vdev)
{
	struct vmt_mdev *m = mdev_of(vdev);

	vmt_emu_fill(m);
	return vmt_open(&m->vmt);
}

static void vmt_mdev_close(struct vfio_device *vdev)
{
	struct vmt_mdev *m = mdev_of(vdev);

	vmt_close(&m->vmt);
	vmt_irqs_drop_all(m);
}

static void vmt_mdev_request(struct vfio_device *vdev, unsigned int count)
{
	struct vmt_mdev *m = mdev_of(vdev);
	bool told = vmt_irqs_request(m);

	vmt_log(&m->vmt, "request count=%u told=%d", count, told);
}

static void vmt_mdev_dma_unmap(struct vfio_device *vdev, u64 iova, u64 length)
{
	vmt_pins_drop(&mdev_of(vdev)->vmt, iova, length);
}

static int vmt_mdev_init_dev(struct vfio_device *vdev)
{
	struct vmt_mdev *m = mdev_of(vdev);

	spin_lock_init(&m->lock);
	mutex_init(&m->irqs.set_lock);
	spin_lock_init(&m->irqs.lock);
	return vmt_init(&m->vmt, dev_name(vdev->dev), vdev, &vmt_emu_ops);
}

static void vmt_mdev_release(struct vfio_device *vdev)
{
	vmt_destroy(&mdev_of(vdev)->vmt);
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
	vfio_free_device(vdev);
#endif
}

static const struct vfio_device_ops vmt_mdev_ops = {
	.name = "vfio_mig_test",
	.init = vmt_mdev_init_dev,
	.release = vmt_mdev_release,
	.open_device = vmt_mdev_open,
	.close_device = vmt_mdev_close,
	.read = vmt_mdev_read,
	.write = vmt_mdev_write,
	.ioctl = vmt_mdev_ioctl,
	.mmap = vmt_mdev_mmap,
	.request = vmt_mdev_request,
	.dma_unmap = vmt_mdev_dma_unmap,
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
	.bind_iommufd = vfio_iommufd_emulated_bind,
	.unbind_iommufd = vfio_iommufd_emulated_unbind,
	.attach_ioas = vfio_iommufd_emulated_attach_ioas,
#endif
};

struct vmt_device *vmt_mdev_device(struct vfio_device *vdev)
{
	return vdev->ops == &vmt_mdev_ops ? &mdev_of(vdev)->vmt : NULL;
}

/* ------------------------------------------------------------------------ */
/* The mdev driver                                                          */

static int vmt_mdev_probe(struct mdev_device *mdev)
{
	struct vmt_mdev *m;
	int ret;

	m = vfio_alloc_device(vmt_mdev, vdev, &mdev->dev, &vmt_mdev_ops);
	if (IS_ERR(m))
		return PTR_ERR(m);
	ret = vfio_register_emulated_iommu_dev(&m->vdev);
	if (ret) {
		vfio_put_device(&m->vdev);
		return ret;
	}
	dev_set_drvdata(&mdev->dev, m);
	return 0;
}

/* Waits until the user has closed the device; vmt_mdev_request() asks. */
static void vmt_mdev_remove(struct mdev_device *mdev)
{
	struct vmt_mdev *m = dev_get_drvdata(&mdev->dev);

	vfio_unregister_group_dev(&m->vdev);
	vfio_put_device(&m->vdev);
}

static struct mdev_type vmt_type = {
	.sysfs_name = "v1",
	.pretty_name = "VFIO migration test device",
};

static struct mdev_type *vmt_types[] = { &vmt_type };

static struct mdev_driver vmt_mdev_driver = {
	.device_api = VFIO_DEVICE_API_PCI_STRING,
	.max_instances = 1024,
	.driver = {
		.name = "vfio_mig_test_mdev",
		.owner = THIS_MODULE,
		.mod_name = KBUILD_MODNAME,
	},
	.probe = vmt_mdev_probe,
	.remove = vmt_mdev_remove,
};

/*
 * The parent's class gives the type its first name: it has no bus and no
 * driver, so the type is called vfio_mig_test-v1.
 */
static int make_parent(void)
{
	int ret;

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
	vmt_class = class_create("vfio_mig_test");
#else
	vmt_class = class_create(THIS_MODULE, "vfio_mig_test");
#endif
	if (IS_ERR(vmt_class))
		return PTR_ERR(vmt_class);
	vmt_parent_dev = device_create(vmt_class, NULL, 0, NULL,
				       "vfio_mig_test");
	if (IS_ERR(vmt_parent_dev)) {
		ret = PTR_ERR(vmt_parent_dev);
		goto no_device;
	}
	ret = mdev_register_parent(&vmt_parent, vmt_parent_dev,
				   &vmt_mdev_driver, vmt_types,
				   ARRAY_SIZE(vmt_types));
	if (!ret)
		return 0;
	device_unregister(vmt_parent_dev);
no_device:
	class_destroy(vmt_class);
	return ret;
}

int vmt_mdev_init(void)
{
	int ret = mdev_register_driver(&vmt_mdev_driver);

	if (ret)
		return ret;
	ret = make_parent();
	if (ret)
		mdev_unregister_driver(&vmt_mdev_driver);
	return ret;
}

void vmt_mdev_exit(void)
{
	mdev_unregister_parent(&vmt_parent);
	mdev_unregister_driver(&vmt_mdev_driver);
	device_unregister(vmt_parent_dev);
	class_destroy(vmt_class);
}
