// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The guest's driver of the migration test devices: vfio_mig_guest.ko
 *
 * Owns: finding the devices; BAR, interrupts and DMA buffer of each; a worker
 * thread that uses and checks it continuously; and the lines on the console
 * that the test reads:
 *
 *   VMG dev=test tick=12 ... errors=0
 *   VMG-ERROR dev=test lost interrupt ...
 *
 * Does not own: the functions of the devices (vmg-test.c, vmg-edu.c).
 * Locks: none; the workers share only vmg-ram.c's memory, which only the first
 * device's worker checks.
 */
#define pr_fmt(fmt) fmt

#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/interrupt.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "vfio-mig-test-regs.h"
#include "vmg.h"

#define ROUND_MS	30	/* pause between rounds of checks */
#define REPORT_MS	500
#define BUFFER_BYTES	(256 * 1024)

static char *irq = "msix";
module_param(irq, charp, 0444);
MODULE_PARM_DESC(irq, "msix, msi or intx: the best that is wanted");

static atomic_t devices;	/* the first one's worker checks RAM */

void vmg_error(struct vmg *vmg, const char *fmt, ...)
{
	char text[sizeof(vmg->first_error)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!vmg->errors++)
		strscpy(vmg->first_error, text, sizeof(vmg->first_error));
	/* The first ones suffice; a broken device would flood the console. */
	if (vmg->errors <= 500)
		pr_err("VMG-ERROR dev=%s %s\n", vmg->ops->name, text);
}

/* ---- interrupts ---- */

static irqreturn_t vmg_handler(int number, void *opaque)
{
	struct vmg_vector *vector = opaque;
	struct vmg *vmg = vector->vmg;

	switch (vmg->ops->irq(vmg, vector)) {
	case VMG_IRQ_AWAITED:
		atomic_inc(&vector->count);
		complete(&vector->arrived);
		break;
	case VMG_IRQ_OTHER:
		atomic_inc(&vector->count);
		break;
	case VMG_IRQ_NOT_OURS:
		if (!vmg->pdev->msix_enabled && !vmg->pdev->msi_enabled)
			return IRQ_NONE;
		atomic_inc(&vmg->extra_irqs);
		break;
	}
	return IRQ_HANDLED;
}

void vmg_irq_prepare(struct vmg *vmg, int vector)
{
	struct vmg_vector *v = &vmg->vectors[vector];

	/* An interrupt after the end of its wait is an extra one. */
	while (try_wait_for_completion(&v->arrived))
		atomic_inc(&vmg->extra_irqs);
	vmg->doorbells++;
}

bool vmg_irq_wait(struct vmg *vmg, int vector, const char *what)
{
	struct vmg_vector *v = &vmg->vectors[vector];
	unsigned long start = jiffies, took;

	if (!wait_for_completion_timeout(&v->arrived,
					 msecs_to_jiffies(VMG_IRQ_MS))) {
		vmg_error(vmg, "lost interrupt: %s %lu, vector %d, %s, %d came",
			  what, vmg->doorbells, vector, vmg->irq_mode,
			  atomic_read(&v->count));
		return false;
	}
	took = jiffies_to_msecs(jiffies - start);
	vmg->irq_max_ms = max(vmg->irq_max_ms, took);
	vmg->irqs++;
	return true;
}

static unsigned int wanted_irqs(void)
{
	if (!strcmp(irq, "intx"))
		return PCI_IRQ_LEGACY;
	if (!strcmp(irq, "msi"))
		return PCI_IRQ_LEGACY | PCI_IRQ_MSI;
	return PCI_IRQ_ALL_TYPES;
}

static int vmg_irq_init(struct vmg *vmg)
{
	struct pci_dev *pdev = vmg->pdev;
	int i, err;

	vmg->n_vectors = pci_alloc_irq_vectors(pdev, 1, VMG_VECTORS,
					       wanted_irqs());
	if (vmg->n_vectors < 0)
		return vmg->n_vectors;
	vmg->irq_mode = pdev->msix_enabled ? "msix"
		: pdev->msi_enabled ? "msi" : "intx";
	for (i = 0; i < VMG_VECTORS; i++) {
		vmg->vectors[i].vmg = vmg;
		init_completion(&vmg->vectors[i].arrived);
	}
	for (i = 0; i < vmg->n_vectors; i++) {
		err = devm_request_irq(&pdev->dev, pci_irq_vector(pdev, i),
				       vmg_handler,
				       pdev->msix_enabled || pdev->msi_enabled
				       ? 0 : IRQF_SHARED,
				       "vfio_mig_guest", &vmg->vectors[i]);
		if (err)
			return err;
	}
	return 0;
}

/* ---- the worker ---- */

static void vmg_report(struct vmg *vmg, unsigned long tick)
{
	struct sysinfo info;

	si_meminfo(&info);
	pr_notice("VMG dev=%s tick=%lu ms=%lld mode=%s vectors=%d rounds=%lu rung=%lu irq=%lu extra=%d burst-irqs=%d bursts=%lu dma=%llu whole=%lu resent=%lu irq-max-ms=%lu free-kib=%lu errors=%u%s%s\n",
		  vmg->ops->name, tick, ktime_to_ms(ktime_get()),
		  vmg->irq_mode, vmg->n_vectors, vmg->rounds, vmg->doorbells,
		  vmg->irqs, atomic_read(&vmg->extra_irqs),
		  vmg->n_vectors > VMG_DOORBELL_VECTOR
		  ? atomic_read(&vmg->vectors[VMG_BURST_VECTOR].count) : 0,
		  vmg->bursts, vmg->dma_words, vmg->dma_whole,
		  vmg->resent, vmg->irq_max_ms, info.freeram * (PAGE_SIZE / 1024),
		  vmg->errors, vmg->errors ? " first: " : "",
		  vmg->first_error);
}

static int vmg_worker(void *opaque)
{
	struct vmg *vmg = opaque;
	unsigned long next = jiffies, tick = 0;

	while (!kthread_should_stop()) {
		vmg->ops->round(vmg);
		if (vmg->checks_ram)
			vmg_ram_round(vmg);
		vmg->rounds++;
		if (time_after_eq(jiffies, next)) {
			vmg_report(vmg, tick++);
			next = jiffies + msecs_to_jiffies(REPORT_MS);
		}
		msleep(ROUND_MS);
	}
	return 0;
}

/* ---- a device ---- */

static int vmg_start(struct vmg *vmg)
{
	int err = vmg->ops->start(vmg);

	if (err)
		return err;
	vmg->checks_ram = atomic_inc_return(&devices) == 1;
	return PTR_ERR_OR_ZERO(kthread_run(vmg_worker, vmg, "vmg-%s",
					   vmg->ops->name));
}

static int vmg_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	const struct vmg_ops *ops = (const void *)id->driver_data;
	struct vmg *vmg;
	int err;

	vmg = devm_kzalloc(&pdev->dev, sizeof(*vmg), GFP_KERNEL);
	if (!vmg)
		return -ENOMEM;
	vmg->pdev = pdev;
	vmg->ops = ops;
	pci_set_drvdata(pdev, vmg);
	err = pcim_enable_device(pdev);
	if (!err)
		err = pcim_iomap_regions(pdev, BIT(0), "vfio_mig_guest");
	/* edu has 28 address bits by default. */
	if (!err)
		err = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(28));
	if (err)
		goto failed;
	vmg->regs = pcim_iomap_table(pdev)[0];
	vmg->buffer_bytes = BUFFER_BYTES;
	vmg->buffer = dmam_alloc_coherent(&pdev->dev, vmg->buffer_bytes,
					  &vmg->buffer_bus, GFP_KERNEL);
	if (!vmg->buffer) {
		err = -ENOMEM;
		goto failed;
	}
	pci_set_master(pdev);
	err = vmg_irq_init(vmg);
	if (!err)
		err = vmg_start(vmg);
	if (!err)
		return 0;
failed:
	pci_clear_master(pdev);
	pr_err("VMG-ERROR dev=%s probe: %d\n", ops->name, err);
	return err;
}

static const struct pci_device_id vmg_ids[] = {
	{ PCI_DEVICE(VMT_PCI_VENDOR_ID, VMT_PCI_DEVICE_ID),
	  .driver_data = (kernel_ulong_t)&vmg_test_ops },
	{ PCI_DEVICE(0x1234, 0x11e8),
	  .driver_data = (kernel_ulong_t)&vmg_edu_ops },
	{ }
};
MODULE_DEVICE_TABLE(pci, vmg_ids);

static struct pci_driver vmg_driver = {
	.name = "vfio_mig_guest",
	.id_table = vmg_ids,
	.probe = vmg_probe,
	/* The guest runs until it is killed: nothing is ever unbound. */
	.driver.suppress_bind_attrs = true,
};

static int __init vmg_init(void)
{
	int err = vmg_ram_init();

	if (err)
		return err;
	return pci_register_driver(&vmg_driver);
}

module_init(vmg_init);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Uses and checks the migration test devices in a guest");
