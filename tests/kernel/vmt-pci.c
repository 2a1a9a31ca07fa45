// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Test driver for VFIO migration: a real PCI device, QEMU's "edu"
 *
 * Owns: the PCI driver vfio_mig_test_pci. The device is vfio-pci's in
 * everything but three things: it migrates; writes to BAR 0 are seen, so
 * that pages that the device writes to are logged, or pinned (and so dirty)
 * where it has no log; and a reset is made by writing its registers, since
 * edu has none.
 * Does not own: what the registers are (vmt-edu.c).
 *
 * Locks: see vmt.h; vfio_pci_core_device.memory_lock inside of mig_lock,
 * around the driver's own access to BAR 0.
 */
#include <linux/pci.h>

#include "vmt-pci.h"

static const struct vmt_ops vmt_pci_ops;

static struct vmt_pci *pci_of(struct vfio_device *vdev)
{
	return container_of(vdev, struct vmt_pci, core.vdev);
}

/* ------------------------------------------------------------------------ */
/* The migration region                                                     */

static ssize_t region_rw(struct vfio_pci_core_device *core, char __user *buf,
			 size_t count, loff_t *ppos, bool write)
{
	struct vmt_pci *vp = container_of(core, struct vmt_pci, core);
	ssize_t ret = vmt_region_rw(&vp->vmt, write, buf, count,
				    *ppos & VMT_REGION_MASK);

	if (ret > 0)
		*ppos += ret;
	return ret;
}

static void region_release(struct vfio_pci_core_device *core,
			   struct vfio_pci_region *region)
{
}

static int region_mmap(struct vfio_pci_core_device *core,
		       struct vfio_pci_region *region,
		       struct vm_area_struct *vma)
{
	struct vmt_pci *vp = container_of(core, struct vmt_pci, core);

	return vmt_region_mmap(&vp->vmt, vma,
			       ((u64)vma->vm_pgoff << PAGE_SHIFT) &
			       VMT_REGION_MASK);
}

static int region_caps(struct vfio_pci_core_device *core,
		       struct vfio_pci_region *region,
		       struct vfio_info_cap *caps)
{
	struct vmt_pci *vp = container_of(core, struct vmt_pci, core);

	return vmt_region_sparse_cap(&vp->vmt, caps);
}

static const struct vfio_pci_regops region_ops = {
	.rw = region_rw,
	.release = region_release,
	.mmap = region_mmap,
	.add_capability = region_caps,
};

static int add_region(struct vmt_pci *vp)
{
	struct vmt_device *vmt = &vp->vmt;

	if (vmt->model.cfg.migration == SIM_MIGRATION_NO)
		return 0;
	return vfio_pci_core_register_dev_region(&vp->core,
			VFIO_REGION_TYPE_MIGRATION_DEPRECATED,
			VFIO_REGION_SUBTYPE_MIGRATION_DEPRECATED, &region_ops,
			vmt_region_size(vmt), vmt_region_flags(vmt), NULL);
}

/* ------------------------------------------------------------------------ */
/* Calls                                                                    */

static int vmt_pci_open(struct vfio_device *vdev)
{
	struct vmt_pci *vp = pci_of(vdev);
	int ret = vfio_pci_core_enable(&vp->core);

	if (ret)
		return ret;
	vp->core_resets = vp->core.reset_works;
	vp->core.reset_works = vp->vmt.cfg.reset;
	ret = vmt_edu_open(vp);
	if (!ret) {
		ret = add_region(vp);
		if (!ret)
			ret = vmt_open(&vp->vmt);
		if (ret)
			vmt_edu_close(vp);
	}
	if (ret) {
		vp->core.reset_works = vp->core_resets;
		vfio_pci_core_disable(&vp->core);
		return ret;
	}
	vfio_pci_core_finish_enable(&vp->core);
	/*
	 * Nobody maps BAR 0: what starts a DMA must be seen here. The line
	 * above finds out which BARs could be, so this comes after it.
	 */
	vp->core.bar_mmap_supported[0] = false;
	return 0;
}

static void vmt_pci_close(struct vfio_device *vdev)
{
	struct vmt_pci *vp = pci_of(vdev);

	vmt_close(&vp->vmt);
	vmt_edu_close(vp);
	vp->core.reset_works = vp->core_resets;
	vfio_pci_core_close_device(vdev);
}

static long vmt_pci_ioctl(struct vfio_device *vdev, unsigned int cmd,
			  unsigned long arg)
{
	struct vmt_pci *vp = pci_of(vdev);
	SimEvent ev = vmt_ioctl_event(cmd);
	SimOutcome out;
	long ret;

	ret = -vmt_call(&vp->vmt, ev, &out);
	if (ret)
		return ret;
	if (cmd == VFIO_DEVICE_RESET) {
		if (!vp->vmt.cfg.reset)
			return -EINVAL;
		vmt_reset(&vp->vmt);
	} else {
		ret = vfio_pci_core_ioctl(vdev, cmd, arg);
	}
	vmt_log(&vp->vmt, "%s ret=%ld", sim_event_names[ev], ret);
	return ret;
}

static SimEvent access_event(u64 index, bool write)
{
	if (index == VFIO_PCI_CONFIG_REGION_INDEX)
		return write ? SIM_EV_CONFIG_WRITE : SIM_EV_CONFIG_READ;
	return write ? SIM_EV_BAR_WRITE : SIM_EV_BAR_READ;
}

/* Ask the fault rules; the region's own accesses are asked by the model. */
static int check_access(struct vmt_pci *vp, loff_t pos, bool write,
			size_t *count)
{
	u64 index = (u64)pos >> VMT_REGION_SHIFT;
	SimOutcome out;
	int err;

	if (index >= VFIO_PCI_NUM_REGIONS)
		return 0;
	err = vmt_call(&vp->vmt, access_event(index, write), &out);
	if (!err && out.has_short && index == VFIO_PCI_CONFIG_REGION_INDEX)
		*count = min(*count, out.short_len);
	return -err;
}

static ssize_t vmt_pci_read(struct vfio_device *vdev, char __user *buf,
			    size_t count, loff_t *ppos)
{
	int ret = check_access(pci_of(vdev), *ppos, false, &count);

	return ret ? ret : vfio_pci_core_read(vdev, buf, count, ppos);
}

static ssize_t vmt_pci_write(struct vfio_device *vdev, const char __user *buf,
			     size_t count, loff_t *ppos)
{
	struct vmt_pci *vp = pci_of(vdev);
	u64 index = (u64)*ppos >> VMT_REGION_SHIFT;
	int ret = check_access(vp, *ppos, true, &count);
	ssize_t n;

	if (!ret && index == VFIO_PCI_BAR0_REGION_INDEX)
		ret = vmt_edu_see_write(vp, buf, count,
					*ppos & VMT_REGION_MASK);
	n = ret ? ret : vfio_pci_core_write(vdev, buf, count, ppos);
	if (index == VFIO_PCI_BAR0_REGION_INDEX)
		vmt_edu_saw_write(vp);
	return n;
}

static void vmt_pci_dma_unmap(struct vfio_device *vdev, u64 iova, u64 length)
{
	vmt_pins_drop(&pci_of(vdev)->vmt, iova, length);
}

static void vmt_pci_request(struct vfio_device *vdev, unsigned int count)
{
	vmt_log(&pci_of(vdev)->vmt, "request count=%u", count);
	vfio_pci_core_request(vdev, count);
}

/* ------------------------------------------------------------------------ */
/* For the model: vmt_ops                                                   */

static u16 pci_command(struct vmt_device *vmt)
{
	u16 command = 0;

	pci_read_config_word(vmt_pci_of(vmt)->core.pdev, PCI_COMMAND,
			     &command);
	return command;
}

static bool pci_bus_master(struct vmt_device *vmt)
{
	return pci_command(vmt) & PCI_COMMAND_MASTER;
}

/* The registers that ask for it are those of the mdev. */
static void pci_interrupt(struct vmt_device *vmt, unsigned int vector)
{
}

static unsigned int pci_msi_armed(struct vmt_device *vmt)
{
	const struct vfio_pci_core_device *core = &vmt_pci_of(vmt)->core;

	return READ_ONCE(core->irq_type) == VFIO_PCI_MSI_IRQ_INDEX ?
	       READ_ONCE(core->num_ctx) : 0;
}

static void pci_stop(struct vmt_device *vmt)
{
	vmt_dma_stop(vmt);
	vmt_edu_settle(vmt_pci_of(vmt));
}

static void pci_start(struct vmt_device *vmt)
{
	vmt_edu_start(vmt_pci_of(vmt));
	vmt_dma_start(vmt);
}

static const struct vmt_ops vmt_pci_ops = {
	.save = vmt_edu_save,
	.load = vmt_edu_load,
	.stop = pci_stop,
	.start = pci_start,
	.log_sync = vmt_edu_log,
	.reset = vmt_edu_reset,
	.bus_master = pci_bus_master,
	.interrupt = pci_interrupt,
	.command = pci_command,
	.msix_armed = pci_msi_armed,
	/* Without a pinned page the IOMMU reports all pages, at each read. */
	.default_pinned = "0+4K",
};

/* ------------------------------------------------------------------------ */
/* The VFIO device and the PCI driver                                       */

static int vmt_pci_init_dev(struct vfio_device *vdev)
{
	struct vmt_pci *vp = pci_of(vdev);
	int ret;

	ret = vmt_init(&vp->vmt, dev_name(vdev->dev), vdev, &vmt_pci_ops);
	if (ret)
		return ret;
	ret = vfio_pci_core_init_dev(vdev);
	if (ret)
		vmt_destroy(&vp->vmt);
	return ret;
}

static void vmt_pci_release_dev(struct vfio_device *vdev)
{
	vmt_destroy(&pci_of(vdev)->vmt);
	/* In Linux 6.1 this frees the device, too. */
	vfio_pci_core_release_dev(vdev);
}

static const struct vfio_device_ops vmt_pci_vfio_ops = {
	.name = "vfio_mig_test_pci",
	.init = vmt_pci_init_dev,
	.release = vmt_pci_release_dev,
	.open_device = vmt_pci_open,
	.close_device = vmt_pci_close,
	.ioctl = vmt_pci_ioctl,
	.device_feature = vfio_pci_core_ioctl_feature,
	.read = vmt_pci_read,
	.write = vmt_pci_write,
	.mmap = vfio_pci_core_mmap,
	.request = vmt_pci_request,
	.match = vfio_pci_core_match,
	.dma_unmap = vmt_pci_dma_unmap,
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
	.bind_iommufd = vfio_iommufd_physical_bind,
	.unbind_iommufd = vfio_iommufd_physical_unbind,
	.attach_ioas = vfio_iommufd_physical_attach_ioas,
#endif
};

struct vmt_device *vmt_pci_device(struct vfio_device *vdev)
{
	return vdev->ops == &vmt_pci_vfio_ops ? &pci_of(vdev)->vmt : NULL;
}

static int vmt_pci_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct vmt_pci *vp;
	int ret;

	vp = vfio_alloc_device(vmt_pci, core.vdev, &pdev->dev,
			       &vmt_pci_vfio_ops);
	if (IS_ERR(vp))
		return PTR_ERR(vp);
	dev_set_drvdata(&pdev->dev, &vp->core);
	ret = vfio_pci_core_register_device(&vp->core);
	if (ret)
		vfio_put_device(&vp->core.vdev);
	return ret;
}

/* Waits until the user has closed the device; the core asks him to. */
static void vmt_pci_remove(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *core = dev_get_drvdata(&pdev->dev);

	vfio_pci_core_unregister_device(core);
	vfio_put_device(&core->vdev);
}

static const struct pci_device_id vmt_pci_ids[] = {
	{ PCI_DRIVER_OVERRIDE_DEVICE_VFIO(VMT_EDU_VENDOR_ID,
					  VMT_EDU_DEVICE_ID) },
	{ 0 }
};

MODULE_DEVICE_TABLE(pci, vmt_pci_ids);

static struct pci_driver vmt_pci_driver = {
	.name = "vfio_mig_test_pci",
	.id_table = vmt_pci_ids,
	.probe = vmt_pci_probe,
	.remove = vmt_pci_remove,
	.err_handler = &vfio_pci_core_err_handlers,
	.driver_managed_dma = true,
};

int vmt_pci_init(void)
{
	return pci_register_driver(&vmt_pci_driver);
}

void vmt_pci_exit(void)
{
	pci_unregister_driver(&vmt_pci_driver);
}
