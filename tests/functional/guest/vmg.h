/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's driver of the migration test devices: what its files share
 *
 * Owns: the report of one device (counts, first error), its interrupts, and
 * the functions that each device's part must provide.
 * Does not own: the devices' registers (vmg-test.c, vmg-edu.c), the worker
 * and the printing (vmg-main.c), the check of plain RAM (vmg-ram.c).
 * Locks: none of its own. Each device has one worker; interrupt handlers access
 * only the atomic counters and the completions.
 */
#ifndef VMG_H
#define VMG_H

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/pci.h>

/* Number of vectors that are requested and distinguished by handlers */
#define VMG_VECTORS	2
#define VMG_BURST_VECTOR 0
#define VMG_DOORBELL_VECTOR 1

/*
 * An interrupt that takes longer is considered lost. Part of a migration's
 * downtime is visible to the guest, and 4 s were seen on a busy machine.
 */
#define VMG_IRQ_MS	30000

struct vmg;

struct vmg_vector {
	struct vmg *vmg;
	atomic_t count;
	struct completion arrived;
};

enum vmg_irq {
	VMG_IRQ_NOT_OURS,	/* with MSI: one not requested */
	VMG_IRQ_AWAITED,	/* vmg_irq_wait() waits for it */
	VMG_IRQ_OTHER,		/* counted by the device's part */
};

/* One device's part. @round: one round of use and checks. */
struct vmg_ops {
	const char *name;
	int (*start)(struct vmg *vmg);
	void (*round)(struct vmg *vmg);
	/* Called in the handler: which kind of interrupt was it? */
	enum vmg_irq (*irq)(struct vmg *vmg, struct vmg_vector *vector);
};

struct vmg {
	struct pci_dev *pdev;
	const struct vmg_ops *ops;
	void __iomem *regs;
	void *priv;		/* of the device's part */
	bool checks_ram;

	const char *irq_mode;	/* "msix", "msi", "intx" */
	int n_vectors;
	struct vmg_vector vectors[VMG_VECTORS];

	u64 *buffer;		/* for the device's DMA */
	dma_addr_t buffer_bus;
	size_t buffer_bytes;

	/* The report */
	unsigned long rounds;
	unsigned long doorbells;	/* interrupts requested, one by one */
	unsigned long irqs;		/* received for these */
	atomic_t extra_irqs;		/* received, but not requested */
	unsigned long bursts;		/* of DMA, counted by the device */
	u64 dma_words;			/* words of DMA compared */
	unsigned long dma_whole;	/* complete checks with DMA stopped */
	unsigned long resent;		/* repeated as a move had lost it */
	unsigned long irq_max_ms;	/* longest wait for one */
	unsigned int errors;
	char first_error[160];
};

/* Count an error, print it, keep the first one for the report. */
__printf(2, 3) void vmg_error(struct vmg *vmg, const char *fmt, ...);

static inline u32 vmg_read(struct vmg *vmg, u32 reg)
{
	return readl(vmg->regs + reg);
}

static inline void vmg_write(struct vmg *vmg, u32 reg, u32 value)
{
	writel(value, vmg->regs + reg);
}

/*
 * Wait for the interrupt that was just requested. If it does not arrive within
 * VMG_IRQ_MS, count the error and return false. vmg_irq_prepare() must be
 * called before the request.
 */
void vmg_irq_prepare(struct vmg *vmg, int vector);
bool vmg_irq_wait(struct vmg *vmg, int vector, const char *what);

int vmg_ram_init(void);

/* Check a part of the RAM, and write it again. */
void vmg_ram_round(struct vmg *vmg);

extern const struct vmg_ops vmg_test_ops;
extern const struct vmg_ops vmg_edu_ops;

#endif
