// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The guest's use of QEMU's edu device
 *
 * Owns: the use of its registers in each round, and the checks: the liveness
 * register has its last value, factorials are correct, there is an interrupt
 * for each request, and a block that DMA copies from the buffer to the device,
 * stays there for a while, and is copied back.
 * Does not own: interrupts, buffer, worker (vmg-main.c).
 * Locks: none; one worker. The handler touches @dma_irqs only.
 *
 * The test driver does not save the device's own memory, and a move may happen
 * while a block is there: then it is sent again, which is counted. The previous
 * content of RAM distinguishes this from a block that DMA never copied back.
 *
 * Source: docs/specs/edu.txt of QEMU.
 *
 * A DMA of edu takes 100 ms. It is polled once per round, so that the other
 * registers are used while it runs.
 */
#include <linux/delay.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/slab.h>

#include "edu-regs.h"
#include "vmg.h"

#define EDU_INTR_RUNG	0x2	/* our own bit */

#define BLOCK_BYTES	EDU_COPY_BYTES
#define BLOCK_WORDS	(BLOCK_BYTES / sizeof(u64))
#define RECEIVE_AT	(BLOCK_BYTES * 2)

#define REST_ROUNDS	5
#define DMA_MS		VMG_IRQ_MS

enum step { FILL, TO_DEVICE, REST, FROM_DEVICE };

struct edu {
	u32 liveness;
	u32 factorial_of;
	enum step step;
	unsigned int rest;
	unsigned long since;		/* jiffies: when the DMA began */
	u64 seed;
	bool again;			/* the block is sent once more */
	atomic_t dma_irqs;
	int dmas;
};

static enum vmg_irq edu_irq(struct vmg *vmg, struct vmg_vector *vector)
{
	struct edu *e = vmg->priv;
	u32 events = vmg_read(vmg, EDU_INTR_STATUS);

	if (!events)
		return VMG_IRQ_NOT_OURS;
	vmg_write(vmg, EDU_INTR_ACK, events);
	if (events & EDU_INTR_DMA)
		atomic_inc(&e->dma_irqs);
	return events & (EDU_INTR_RUNG | EDU_INTR_FACTORIAL)
		? VMG_IRQ_AWAITED : VMG_IRQ_OTHER;
}

static u64 block_word(u64 seed, unsigned int index)
{
	return (seed * BLOCK_WORDS + index + 1) * 0x9e3779b97f4a7c15ULL;
}

static void start_dma(struct vmg *vmg, u64 source, u64 destination, u64 command)
{
	struct edu *e = vmg->priv;

	wmb();
	writeq(source, vmg->regs + EDU_DMA_SRC);
	writeq(destination, vmg->regs + EDU_DMA_DST);
	writeq(BLOCK_BYTES, vmg->regs + EDU_DMA_COUNT);
	e->since = jiffies;
	e->dmas++;
	writeq(EDU_DMA_RUN | EDU_DMA_INTR | command, vmg->regs + EDU_DMA_CMD);
}

/* Is the DMA done? Counts an error if it, or its interrupt, is missing. */
static bool dma_done(struct vmg *vmg)
{
	struct edu *e = vmg->priv;
	bool late = time_after(jiffies, e->since + msecs_to_jiffies(DMA_MS));

	if (readq(vmg->regs + EDU_DMA_CMD) & EDU_DMA_RUN) {
		if (late) {
			vmg_error(vmg, "DMA %d does not end", e->dmas);
			e->since = jiffies;
		}
		return false;
	}
	if (atomic_read(&e->dma_irqs) < e->dmas && !late)
		return false;
	if (atomic_read(&e->dma_irqs) != e->dmas) {
		vmg_error(vmg, "%s interrupt: %d DMAs, %d interrupts",
			  atomic_read(&e->dma_irqs) < e->dmas ? "lost"
			  : "unasked", e->dmas, atomic_read(&e->dma_irqs));
		e->dmas = atomic_read(&e->dma_irqs);
	}
	rmb();
	return true;
}

static void fill(struct vmg *vmg)
{
	struct edu *e = vmg->priv;
	unsigned int i;

	if (!e->again)
		e->seed++;
	for (i = 0; i < BLOCK_WORDS; i++)
		vmg->buffer[i] = block_word(e->seed, i);
	memset((char *)vmg->buffer + RECEIVE_AT, 0xff, BLOCK_BYTES);
	start_dma(vmg, vmg->buffer_bus, EDU_BUFFER, 0);
}

static void compare(struct vmg *vmg)
{
	struct edu *e = vmg->priv;
	u64 *words = vmg->buffer + RECEIVE_AT / sizeof(u64);
	unsigned int i, wrong = 0, unwritten = 0, first = 0;

	for (i = 0; i < BLOCK_WORDS; i++) {
		if (words[i] != block_word(e->seed, i) && !wrong++)
			first = i;
		unwritten += words[i] == U64_MAX;
	}
	if (wrong && !e->again && !unwritten) {
		e->again = true;
		vmg->resent++;
		return;
	}
	e->again = false;
	if (wrong)
		vmg_error(vmg, "DMA: %u of %zu words are wrong, first at %u: %llx, not %llx",
			  wrong, BLOCK_WORDS, first, words[first],
			  block_word(e->seed, first));
	vmg->dma_words += BLOCK_WORDS;
	vmg->dma_whole++;
}

static void step_dma(struct vmg *vmg)
{
	struct edu *e = vmg->priv;

	switch (e->step) {
	case FILL:
		fill(vmg);
		e->step = TO_DEVICE;
		break;
	case TO_DEVICE:
		if (dma_done(vmg)) {
			e->rest = REST_ROUNDS;
			e->step = REST;
		}
		break;
	case REST:
		if (!e->rest--) {
			start_dma(vmg, EDU_BUFFER,
				  vmg->buffer_bus + RECEIVE_AT,
				  EDU_DMA_TO_MEMORY);
			e->step = FROM_DEVICE;
		}
		break;
	case FROM_DEVICE:
		if (dma_done(vmg)) {
			compare(vmg);
			vmg->bursts = e->dmas;
			e->step = FILL;
		}
		break;
	}
}

static void check_registers(struct vmg *vmg)
{
	struct edu *e = vmg->priv;
	u32 id = vmg_read(vmg, EDU_ID);
	u32 liveness = vmg_read(vmg, EDU_LIVENESS);

	if (id != EDU_ID_WORD)
		vmg_error(vmg, "ID register is %x, not %x", id, EDU_ID_WORD);
	if (liveness != ~e->liveness)
		vmg_error(vmg, "liveness register is %x, not %x", liveness,
			  ~e->liveness);
	e->liveness = e->liveness * 1664525 + 1013904223;
	vmg_write(vmg, EDU_LIVENESS, e->liveness);
}

static void check_factorial(struct vmg *vmg)
{
	struct edu *e = vmg->priv;
	u32 n = e->factorial_of++ % 20 + 1, wanted = 1, i, got;

	for (i = 2; i <= n; i++)
		wanted *= i;
	vmg_irq_prepare(vmg, 0);
	vmg_write(vmg, EDU_FACTORIAL, n);
	if (!vmg_irq_wait(vmg, 0, "factorial"))
		return;
	got = vmg_read(vmg, EDU_FACTORIAL);
	if (got != wanted)
		vmg_error(vmg, "factorial of %u is %u, not %u", n, got, wanted);
}

static void edu_round(struct vmg *vmg)
{
	check_registers(vmg);
	vmg_irq_prepare(vmg, 0);
	vmg_write(vmg, EDU_INTR_RAISE, EDU_INTR_RUNG);
	vmg_irq_wait(vmg, 0, "raise");
	check_factorial(vmg);
	step_dma(vmg);
}

static int edu_start(struct vmg *vmg)
{
	struct edu *e = devm_kzalloc(&vmg->pdev->dev, sizeof(*e), GFP_KERNEL);

	if (!e)
		return -ENOMEM;
	vmg->priv = e;
	if (vmg_read(vmg, EDU_ID) != EDU_ID_WORD)
		return -ENODEV;
	vmg_write(vmg, EDU_LIVENESS, e->liveness);
	vmg_write(vmg, EDU_STATUS, EDU_STATUS_INTR);
	return 0;
}

const struct vmg_ops vmg_edu_ops = {
	.name = "edu",
	.start = edu_start,
	.round = edu_round,
	.irq = edu_irq,
};
