// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The guest's use of the test device (vfio_mig_test-v1)
 *
 * Owns: the use of its registers in each round, and the checks: scratch
 * register and counter have their last values, there is an interrupt for each
 * doorbell, and every word that the DMA engine reports as written is in the
 * buffer, at its place.
 * Does not own: interrupts, buffer, worker (vmg-main.c).
 * Locks: none; one worker. priv is this file's struct test.
 *
 * The engine numbers its words, and writes the buffer cyclically: the number of
 * the word at place i of N is always first + i modulo N. A scan must find all
 * words up to DMA_SEQ as read before it: a page that was not migrated has an
 * older number.
 */
#include <linux/delay.h>
#include <linux/slab.h>

#include "vfio-mig-test-regs.h"
#include "vmg.h"

#define DMA_INTERVAL_US	20000
#define WHOLE_EVERY	15	/* rounds between checks with DMA stopped */
#define NUMBER_MASK	((1ULL << VMT_DMA_TAG_SHIFT) - 1)

struct test {
	u32 scratch;
	u32 counter;
	u32 first;		/* number of the word at place 0, first round */
	bool first_known;	/* modulo the number of places */
	bool first_exact;
	u32 start_bursts;
	u32 n_words;
};

static void start_dma(struct vmg *vmg)
{
	struct test *t = vmg->priv;
	u32 intr = vmg->n_vectors > VMG_DOORBELL_VECTOR ? VMT_DMA_CTRL_INTR : 0;

	t->start_bursts = vmg_read(vmg, VMT_REG_DMA_BURSTS);
	t->first = vmg_read(vmg, VMT_REG_DMA_SEQ) + 1;
	/* The device chooses its first number. */
	t->first_known = t->first_exact = t->start_bursts != 0;
	memset(vmg->buffer, 0, vmg->buffer_bytes);
	wmb();
	vmg_write(vmg, VMT_REG_DMA_ADDR_LO, lower_32_bits(vmg->buffer_bus));
	vmg_write(vmg, VMT_REG_DMA_ADDR_HI, upper_32_bits(vmg->buffer_bus));
	vmg_write(vmg, VMT_REG_DMA_SIZE, vmg->buffer_bytes);
	vmg_write(vmg, VMT_REG_DMA_INTERVAL_US, DMA_INTERVAL_US);
	vmg_write(vmg, VMT_REG_DMA_CTRL, VMT_DMA_CTRL_RUN | intr);
}

/*
 * Compare the buffer with the words that the engine must have written: all up
 * to number @before, and none beyond number @after.
 */
static void check_words(struct vmg *vmg, u32 before, u32 after)
{
	struct test *t = vmg->priv;
	u32 i, wrong = 0, wrong_at = 0, wanted_there = 0;
	u64 found = 0;

	for (i = 0; i < t->n_words; i++) {
		u64 word = READ_ONCE(vmg->buffer[i]);
		u32 number = word;
		/* Words up to @before since the first one at place i */
		u32 written = before - t->first + 1;
		u32 wanted = written <= i ? 0
			: before - (before - t->first - i) % t->n_words;
		bool good;

		if (!word)
			good = written <= i;
		else
			good = word >> VMT_DMA_TAG_SHIFT == VMT_DMA_TAG &&
				(number - t->first) % t->n_words == i &&
				(written <= i ||
				 (s32)(number - wanted) >= 0) &&
				(s32)(after - number) >= 0;
		if (!good && !wrong++) {
			wrong_at = i;
			wanted_there = wanted;
			found = word;
		}
	}
	vmg->dma_words += t->n_words;
	if (wrong)
		vmg_error(vmg, "DMA: %u of %u words are wrong, first at %u: %llx, not %x (first %x, seq %x to %x)",
			  wrong, t->n_words, wrong_at, found, wanted_there,
			  t->first, before, after);
}

/* The number at place 0 is first + k * N for some k, which is sufficient. */
static bool know_first(struct vmg *vmg)
{
	struct test *t = vmg->priv;

	if (t->first_known)
		return true;
	if (vmg_read(vmg, VMT_REG_DMA_BURSTS) == t->start_bursts)
		return false;
	t->first = READ_ONCE(vmg->buffer[0]);
	t->first_known = true;
	return true;
}

/*
 * DMA_SEQ may be read after a burst's words were written and before it is
 * updated, so one burst beyond it is allowed.
 */
static void check_dma_running(struct vmg *vmg)
{
	u32 before = vmg_read(vmg, VMT_REG_DMA_SEQ);
	struct test *t = vmg->priv;

	if (!know_first(vmg) || (s32)(before - t->first) < 0)
		return;
	rmb();
	check_words(vmg, before, before + S32_MAX / 2);
}

static void check_dma_whole(struct vmg *vmg)
{
	struct test *t = vmg->priv;
	u32 seq, bursts, errors;

	vmg_write(vmg, VMT_REG_DMA_CTRL, 0);
	seq = vmg_read(vmg, VMT_REG_DMA_SEQ);
	bursts = vmg_read(vmg, VMT_REG_DMA_BURSTS) - t->start_bursts;
	errors = vmg_read(vmg, VMT_REG_DMA_ERRORS);
	rmb();
	if (know_first(vmg) && bursts) {
		check_words(vmg, seq, seq);
		if (t->first_exact && seq - t->first + 1 !=
		    bursts * (VMT_DMA_BURST_BYTES / sizeof(u64)))
			vmg_error(vmg, "DMA: %u words in %u bursts",
				  seq - t->first + 1, bursts);
		vmg->bursts += bursts;
		vmg->dma_whole++;
	}
	if (errors)
		vmg_error(vmg, "DMA: %u bursts met no memory", errors);
	msleep(DMA_INTERVAL_US / 1000 * 2);
	if (vmg_read(vmg, VMT_REG_DMA_SEQ) != seq)
		vmg_error(vmg, "DMA goes on after it was stopped");
	start_dma(vmg);
}

static void check_registers(struct vmg *vmg)
{
	struct test *t = vmg->priv;
	u32 id = vmg_read(vmg, VMT_REG_ID);
	u32 scratch = vmg_read(vmg, VMT_REG_SCRATCH);

	if (id != VMT_ID)
		vmg_error(vmg, "ID register is %x, not %x", id, VMT_ID);
	if (scratch != t->scratch)
		vmg_error(vmg, "scratch register is %x, not %x", scratch,
			  t->scratch);
	t->scratch = t->scratch * 1664525 + 1013904223;
	vmg_write(vmg, VMT_REG_SCRATCH, t->scratch);
}

static void ring(struct vmg *vmg)
{
	struct test *t = vmg->priv;
	int vector = vmg->n_vectors > VMG_DOORBELL_VECTOR
		? VMG_DOORBELL_VECTOR : 0;
	u32 counter;

	vmg_irq_prepare(vmg, vector);
	vmg_write(vmg, VMT_REG_DOORBELL, vector);
	t->counter++;
	counter = vmg_read(vmg, VMT_REG_COUNTER);
	if (counter != t->counter) {
		vmg_error(vmg, "counter is %u, not %u", counter, t->counter);
		t->counter = counter;
	}
	vmg_irq_wait(vmg, vector, "doorbell");
}

static enum vmg_irq test_irq(struct vmg *vmg, struct vmg_vector *vector)
{
	if (vmg->n_vectors > VMG_DOORBELL_VECTOR)
		return vector == &vmg->vectors[VMG_DOORBELL_VECTOR]
			? VMG_IRQ_AWAITED : VMG_IRQ_OTHER;
	if (vmg->pdev->msix_enabled || vmg->pdev->msi_enabled)
		return VMG_IRQ_AWAITED;
	if (!(vmg_read(vmg, VMT_REG_INTR_STATUS) & VMT_INTR_PENDING))
		return VMG_IRQ_NOT_OURS;
	vmg_write(vmg, VMT_REG_INTR_ACK, 1);
	return VMG_IRQ_AWAITED;
}

static void test_round(struct vmg *vmg)
{
	check_registers(vmg);
	ring(vmg);
	if (vmg->rounds % WHOLE_EVERY == WHOLE_EVERY - 1)
		check_dma_whole(vmg);
	else
		check_dma_running(vmg);
}

static int test_start(struct vmg *vmg)
{
	struct test *t = devm_kzalloc(&vmg->pdev->dev, sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	vmg->priv = t;
	t->n_words = vmg->buffer_bytes / sizeof(u64);
	if (vmg_read(vmg, VMT_REG_ID) != VMT_ID)
		return -ENODEV;
	vmg_write(vmg, VMT_REG_DMA_CTRL, 0);
	t->scratch = vmg_read(vmg, VMT_REG_SCRATCH);
	t->counter = vmg_read(vmg, VMT_REG_COUNTER);
	start_dma(vmg);
	return 0;
}

const struct vmg_ops vmg_test_ops = {
	.name = "test",
	.start = test_start,
	.round = test_round,
	.irq = test_irq,
};
