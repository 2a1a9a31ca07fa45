// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Test driver for VFIO migration: the DMA engine
 *
 * Owns: a thread for each open device that writes words which never repeat
 * into guest memory while the device runs: at the configured rate, and as
 * the registers of BAR 0 say; and the digest of the configured range, by
 * which the two sides of a migration are compared. VFIO marks the pages
 * that vfio_dma_rw() writes as dirty; here they are marked in the log of the
 * device. A write that fails may have written some of it.
 *
 * Locks: vmt_dma.lock is held for one burst at a time, so vmt_dma_stop()
 * returns only when no burst is under way: a stopped device does no DMA.
 */
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "vmt.h"

#define TICK_US			1000
#define MAX_BEHIND_US		20000
#define DIGEST_BYTES		(64 * 1024)
#define CONFIGURED_TAG		((u64)VMT_DMA_TAG << VMT_DMA_TAG_SHIFT)

static void fill_words(u8 *to, u64 bytes, u64 first)
{
	__le64 *words = (__le64 *)to;
	u64 i;

	for (i = 0; i < bytes / sizeof(*words); i++)
		words[i] = cpu_to_le64(CONFIGURED_TAG | (first + i));
}

/* ------------------------------------------------------------------------ */
/* DMA by configuration                                                     */

static void configured_burst(struct vmt_device *vmt)
{
	const struct vmt_config *c = &vmt->cfg;
	struct vmt_dma *dma = &vmt->dma;
	u64 slots = div64_u64(c->dma_size, c->dma_burst);
	u64 n = c->dma_pattern ? sim_mix(dma->steps) : dma->steps;
	u64 slot;

	div64_u64_rem(n, slots, &slot);
	fill_words(dma->buf, c->dma_burst,
		   dma->steps * (c->dma_burst / sizeof(u64)));
	if (vfio_dma_rw(vmt->vdev, c->dma_start + slot * c->dma_burst,
			dma->buf, c->dma_burst, true))
		dma->misses++;
	else
		dma->bytes += c->dma_burst;
	vmt_dirty_mark(vmt, c->dma_start + slot * c->dma_burst, c->dma_burst);
	dma->steps++;
}

static bool may_burst(struct vmt_device *vmt)
{
	return !vmt->cfg.dma_bus_master || vmt->ops->bus_master(vmt);
}

/* One burst if one is due. Returns microseconds until the next. */
static s64 configured_work(struct vmt_device *vmt, s64 now_us)
{
	struct vmt_dma *dma = &vmt->dma;
	s64 each_us;

	each_us = sim_muldiv(vmt->cfg.dma_burst, USEC_PER_SEC,
			     vmt->cfg.dma_rate);
	each_us = max_t(s64, each_us, 1);
	dma->done_us = max(dma->done_us, now_us - MAX_BEHIND_US);
	if (now_us - dma->done_us < each_us)
		return max_t(s64, each_us - (now_us - dma->done_us), TICK_US);
	if (may_burst(vmt)) {
		configured_burst(vmt);
		dma->done_us += each_us;
	} else {
		dma->done_us = now_us;
	}
	return 0;
}

/* ------------------------------------------------------------------------ */
/* DMA by the registers of BAR 0                                            */

static bool registers_want(struct vmt_device *vmt)
{
	const struct vmt_regs *r = &vmt->regs;

	return (r->dma_ctrl & VMT_DMA_CTRL_RUN) && r->dma_size >= sizeof(u64);
}

static void registers_burst(struct vmt_device *vmt)
{
	struct vmt_regs *r = &vmt->regs;
	u64 start = ALIGN(r->dma_addr, sizeof(u64));
	u32 size = r->dma_size & ~7U;
	u64 n;

	if (r->dma_at >= size)
		r->dma_at = 0;
	n = min_t(u64, size - r->dma_at, VMT_DMA_BURST_BYTES);
	fill_words(vmt->dma.buf, n, r->dma_seq);
	/* The guest's numbers may lead beyond the end of all addresses. */
	if (start < r->dma_addr || start > U64_MAX - size ||
	    vfio_dma_rw(vmt->vdev, start + r->dma_at, vmt->dma.buf, n, true))
		r->dma_errors++;
	vmt_dirty_mark(vmt, start + r->dma_at, n);
	r->dma_seq += n / sizeof(u64);
	r->dma_at += n;
	r->dma_bursts++;
	if (r->dma_ctrl & VMT_DMA_CTRL_INTR)
		vmt->ops->interrupt(vmt, 0);
}

static s64 registers_work(struct vmt_device *vmt, s64 now_us)
{
	struct vmt_dma *dma = &vmt->dma;
	u32 every_us = max_t(u32, vmt->regs.dma_interval_us,
			     VMT_DMA_INTERVAL_MIN_US);

	if (dma->next_us > now_us)
		return dma->next_us - now_us;
	if (vmt->ops->bus_master(vmt))
		registers_burst(vmt);
	dma->next_us = max(dma->next_us + every_us, now_us - MAX_BEHIND_US);
	return 0;
}

/* ------------------------------------------------------------------------ */
/* The thread                                                               */

/* What is due now. Returns microseconds until more is, S64_MAX for never. */
static s64 do_work(struct vmt_device *vmt)
{
	s64 now_us = sim_host_now_us();
	s64 wait_us = S64_MAX;

	mutex_lock(&vmt->dma.lock);
	vmt->dma.kick = false;
	if (vmt->dma.running) {
		if (vmt->cfg.dma_rate)
			wait_us = configured_work(vmt, now_us);
		if (registers_want(vmt))
			wait_us = min(wait_us, registers_work(vmt, now_us));
	}
	mutex_unlock(&vmt->dma.lock);
	return wait_us;
}

static bool is_woken(struct vmt_device *vmt)
{
	return READ_ONCE(vmt->dma.kick) || kthread_should_stop();
}

static int dma_thread(void *data)
{
	struct vmt_device *vmt = data;
	struct vmt_dma *dma = &vmt->dma;
	s64 us;

	while (!kthread_should_stop()) {
		us = do_work(vmt);
		if (us == S64_MAX)
			wait_event_interruptible(dma->wait, is_woken(vmt));
		else if (us)
			wait_event_interruptible_hrtimeout(dma->wait,
				is_woken(vmt), ns_to_ktime(us * NSEC_PER_USEC));
		else
			cond_resched();
	}
	return 0;
}

void vmt_dma_kick(struct vmt_device *vmt)
{
	WRITE_ONCE(vmt->dma.kick, true);
	wake_up(&vmt->dma.wait);
}

/* ------------------------------------------------------------------------ */
/* Start, stop and life                                                     */

static void set_running(struct vmt_device *vmt, bool running)
{
	struct vmt_dma *dma = &vmt->dma;
	bool was;

	mutex_lock(&dma->lock);
	was = dma->running;
	dma->running = running;
	if (running && !was) {
		dma->done_us = sim_host_now_us();
		dma->next_us = dma->done_us;
	}
	mutex_unlock(&dma->lock);
	vmt_dma_kick(vmt);
	if (vmt->cfg.dma_rate && was != running)
		vmt_log(vmt, "dma-%s bursts=%llu bytes=%llu",
			running ? "start" : "stop", dma->steps, dma->bytes);
}

void vmt_dma_start(struct vmt_device *vmt)
{
	set_running(vmt, true);
}

void vmt_dma_stop(struct vmt_device *vmt)
{
	set_running(vmt, false);
}

int vmt_dma_open(struct vmt_device *vmt)
{
	struct vmt_dma *dma = &vmt->dma;
	struct task_struct *thread;

	dma->steps = 0;
	dma->bytes = 0;
	dma->misses = 0;
	dma->stop_digest_valid = false;
	dma->start_digest_valid = false;
	dma->buf = kvmalloc(max_t(u64, vmt->cfg.dma_burst,
				  VMT_DMA_BURST_BYTES), GFP_KERNEL_ACCOUNT);
	if (!dma->buf)
		return -ENOMEM;
	thread = kthread_run(dma_thread, vmt, "vfio_mig_test");
	if (IS_ERR(thread)) {
		kvfree(dma->buf);
		dma->buf = NULL;
		return PTR_ERR(thread);
	}
	dma->thread = thread;
	return 0;
}

void vmt_dma_close(struct vmt_device *vmt)
{
	struct vmt_dma *dma = &vmt->dma;

	vmt_dma_stop(vmt);
	kthread_stop(dma->thread);
	dma->thread = NULL;
	kvfree(dma->buf);
	dma->buf = NULL;
}

/* ------------------------------------------------------------------------ */
/* Digest of the configured range, as the guest's memory holds it now        */

static u64 digest_piece(struct vmt_device *vmt, u64 hash, u64 at, u64 bytes,
			u8 *buf)
{
	u64 n;

	if (!vfio_dma_rw(vmt->vdev, at, buf, bytes, false))
		return sim_words_digest(hash, buf, bytes);
	/* Something in it is not mapped: page by page. */
	for (; bytes; bytes -= n, at += n) {
		n = min_t(u64, bytes, PAGE_SIZE);
		if (vfio_dma_rw(vmt->vdev, at, buf, n, false))
			hash = sim_mix(hash + 1);
		else
			hash = sim_words_digest(hash, buf, n);
	}
	return hash;
}

static bool range_digest(struct vmt_device *vmt, u64 *digest)
{
	u64 at = vmt->cfg.dma_start, left = vmt->cfg.dma_size, n;
	u64 hash = SIM_DIGEST_START;
	u8 *buf;

	if (!left)
		return false;
	buf = kvmalloc(DIGEST_BYTES, GFP_KERNEL);
	if (!buf)
		return false;
	for (; left && !fatal_signal_pending(current); left -= n, at += n) {
		n = min_t(u64, left, DIGEST_BYTES);
		hash = digest_piece(vmt, hash, at, n, buf);
		cond_resched();
	}
	kvfree(buf);
	*digest = hash;
	return !left;
}

void vmt_dma_digest_at_stop(struct vmt_device *vmt)
{
	vmt->dma.stop_digest_valid = range_digest(vmt, &vmt->dma.stop_digest);
}

void vmt_dma_digest_at_start(struct vmt_device *vmt)
{
	vmt->dma.start_digest_valid =
		range_digest(vmt, &vmt->dma.start_digest);
}
