// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Test driver for VFIO migration: the DMA log of protocol v2
 *
 * Owns: the ranges that are logged, which of their pages the device has
 * written since they were last reported, and reporting them. Pages are of
 * the size that the log was granted.
 * Does not own: who writes (vmt-dma.c, vmt-edu.c).
 *
 * A page is marked once it is written: whoever is told of it earlier could
 * read it before that, and would not be told again.
 *
 * Locks: vmt_dirty.lock.
 */
#include <linux/interval_tree.h>
#include <linux/iova_bitmap.h>
#include <linux/log2.h>
#include <linux/slab.h>

#include "vmt.h"

/* Pages that may be marked at a time: the guest chooses where it writes. */
#define MAX_MARKED	(1UL << 20)

void vmt_dirty_open(struct vmt_device *vmt)
{
	struct vmt_dirty *d = &vmt->dirty;

	mutex_lock(&d->lock);
	d->lost = false;
	d->starts = 0;
	d->reports = 0;
	d->reported = 0;
	d->unread = 0;
	mutex_unlock(&d->lock);
}

static void end_log(struct vmt_dirty *d)
{
	d->unread = d->marked;
	d->on = false;
	d->broken = false;
	d->marked = 0;
	xa_destroy(&d->pages);
	kvfree(d->ranges);
	d->ranges = NULL;
	d->count = 0;
}

void vmt_dirty_lose(struct vmt_device *vmt, const char *why)
{
	struct vmt_dirty *d = &vmt->dirty;
	bool was_on;

	mutex_lock(&d->lock);
	was_on = d->on;
	if (was_on) {
		end_log(d);
		d->lost = true;
	}
	mutex_unlock(&d->lock);
	if (was_on)
		vmt_log(vmt, "log-lost by=%s", why);
}

/* ------------------------------------------------------------------------ */
/* Start and stop                                                           */

/* Make two neighbours one that has the gap between them, too. */
static void merge_nearest(struct vmt_dirty *d)
{
	unsigned int best = 0, i;

	for (i = 0; i + 2 < d->count; i++) {
		if (d->ranges[i + 2].first - d->ranges[i + 1].last <
		    d->ranges[best + 1].first - d->ranges[best].last)
			best = i + 1;
	}
	d->ranges[best].last = d->ranges[best + 1].last;
	d->count--;
	memmove(&d->ranges[best + 1], &d->ranges[best + 2],
		(d->count - best - 1) * sizeof(*d->ranges));
}

static bool size_fits(const struct vmt_dirty *d, const SimV2Config *c)
{
	u64 bytes = 0, n;
	unsigned int i;

	for (i = 0; i < d->count; i++) {
		n = d->ranges[i].last - d->ranges[i].first;
		/* Their sum may be 2^64. */
		if (n >= c->log_max_bytes - bytes)
			return false;
		bytes += n + 1;
	}
	return bytes >= c->log_min_bytes;
}

/* They come sorted by where they start. */
static int take_ranges(struct vmt_dirty *d, const SimV2Config *c,
		       struct rb_root_cached *ranges, u32 count)
{
	struct interval_tree_node *node;
	struct rb_node *rb;

	d->ranges = kvcalloc(count, sizeof(*d->ranges), GFP_KERNEL_ACCOUNT);
	if (!d->ranges)
		return -ENOMEM;
	for (rb = rb_first_cached(ranges); rb && d->count < count;
	     rb = rb_next(rb)) {
		node = rb_entry(rb, struct interval_tree_node, rb);
		/* The core lets ranges of no bytes through. */
		if (node->last == node->start - 1)
			return -EINVAL;
		d->ranges[d->count].first = node->start;
		d->ranges[d->count++].last = node->last;
	}
	while (d->count > c->log_max_ranges)
		merge_nearest(d);
	return size_fits(d, c) ? 0 : -EOPNOTSUPP;
}

static int begin_log(struct vmt_device *vmt, struct rb_root_cached *ranges,
		     u32 count, u64 *page_size)
{
	const SimV2Config *c = &vmt->model.cfg.v2;
	struct vmt_dirty *d = &vmt->dirty;
	int ret;

	if (d->on) {
		sim_host_violation(&vmt->model,
				   "log-start while the log is on");
		return -(int)c->log_again_errno;
	}
	if (!is_power_of_2(*page_size) || !count)
		return -EINVAL;
	ret = take_ranges(d, c, ranges, count);
	if (ret) {
		end_log(d);
		return ret;
	}
	*page_size = c->log_page_size ?: max_t(u64, *page_size, PAGE_SIZE);
	d->shift = ilog2(*page_size);
	d->on = true;
	d->lost = false;
	d->starts++;
	return 0;
}

static int log_start(struct vfio_device *vdev, struct rb_root_cached *ranges,
		     u32 count, u64 *page_size)
{
	struct vmt_device *vmt = vmt_of_vdev(vdev);
	struct vmt_dirty *d = &vmt->dirty;
	u64 wish = *page_size;
	SimOutcome out;
	int ret = -vmt_call(vmt, SIM_EV_LOG_START, &out);

	if (!ret) {
		mutex_lock(&d->lock);
		ret = begin_log(vmt, ranges, count, page_size);
		mutex_unlock(&d->lock);
	}
	vmt_log(vmt, "log-start ranges=%u page-size=0x%llx granted=0x%llx ret=%d",
		count, wish, *page_size, ret);
	return ret;
}

static int log_stop(struct vfio_device *vdev)
{
	struct vmt_device *vmt = vmt_of_vdev(vdev);
	struct vmt_dirty *d = &vmt->dirty;
	SimOutcome out;
	int ret = -vmt_call(vmt, SIM_EV_LOG_STOP, &out);

	if (!ret) {
		mutex_lock(&d->lock);
		ret = d->on ? 0 : -EINVAL;
		if (!ret)
			end_log(d);
		mutex_unlock(&d->lock);
	}
	vmt_log(vmt, "log-stop unread=%llu ret=%d", d->unread, ret);
	return ret;
}

/* ------------------------------------------------------------------------ */
/* Marking                                                                  */

static void mark_page(struct vmt_dirty *d, unsigned long page)
{
	void *old;

	if (d->broken || xa_load(&d->pages, page))
		return;
	old = d->marked < MAX_MARKED
	      ? xa_store(&d->pages, page, xa_mk_value(1), GFP_KERNEL_ACCOUNT)
	      : XA_ERROR(-ENOSPC);
	d->broken = xa_is_err(old);
	d->marked += !d->broken;
}

static void mark_in(struct vmt_dirty *d, const struct vmt_range *r,
		    u64 first, u64 last)
{
	u64 page, end;

	if (last < r->first || first > r->last)
		return;
	end = min(last, r->last) >> d->shift;
	for (page = max(first, r->first) >> d->shift; page <= end; page++)
		mark_page(d, page);
}

void vmt_dirty_mark(struct vmt_device *vmt, u64 iova, u64 bytes)
{
	struct vmt_dirty *d = &vmt->dirty;
	u64 last = iova + bytes - 1;
	unsigned int i;

	if (!bytes || last < iova || vmt->model.cfg.v2.log == SIM_LOG_EMPTY)
		return;
	mutex_lock(&d->lock);
	for (i = 0; d->on && i < d->count; i++)
		mark_in(d, &d->ranges[i], iova, last);
	mutex_unlock(&d->lock);
}

/* ------------------------------------------------------------------------ */
/* Reporting                                                                */

/* The range that holds all of it, or NULL. */
static const struct vmt_range *find_range(const struct vmt_dirty *d,
					  u64 first, u64 last)
{
	unsigned int i;

	for (i = 0; i < d->count; i++) {
		if (first >= d->ranges[i].first && last <= d->ranges[i].last)
			return &d->ranges[i];
	}
	return NULL;
}

static void forget_page(struct vmt_dirty *d, unsigned long page)
{
	xa_erase(&d->pages, page);
	d->marked--;
}

/* A page that reaches beyond what was asked for stays marked. */
static void report_page(struct vmt_dirty *d, unsigned long page, u64 first,
			u64 last, struct iova_bitmap *bits)
{
	u64 start = (u64)page << d->shift;
	u64 end = start + (1ULL << d->shift) - 1;

	if (start >= first && end <= last)
		forget_page(d, page);
	start = max(start, first);
	iova_bitmap_set(bits, start, min(end, last) - start + 1);
}

/*
 * A device whose report begins at whole groups of so many pages from the
 * start of the range: what is marked between there and where the caller
 * wanted it is lost, and as many pages at the end are left out. Returns how
 * many those are.
 */
static u64 skip_pages(struct vmt_dirty *d, const struct vmt_range *r,
		      u64 first, u64 rounding)
{
	unsigned long page, at = first >> d->shift;
	void *mark;
	u64 skip;

	div64_u64_rem(at - (r->first >> d->shift), rounding, &skip);
	if (skip) {
		xa_for_each_range(&d->pages, page, mark, at - skip, at - 1)
			forget_page(d, page);
	}
	return skip;
}

static unsigned int report_range(struct vmt_dirty *d, const SimV2Config *c,
				 const struct vmt_range *r, u64 first,
				 u64 last, struct iova_bitmap *bits)
{
	u64 skip = skip_pages(d, r, first, c->log_rounding);
	unsigned int count = 0;
	unsigned long page;
	void *mark;

	if ((last >> d->shift) - (first >> d->shift) < skip)
		return 0;
	xa_for_each_range(&d->pages, page, mark, first >> d->shift,
			  (last >> d->shift) - skip) {
		report_page(d, page, first, last, bits);
		count++;
	}
	return count;
}

static int report(struct vmt_device *vmt, u64 first, u64 last,
		  struct iova_bitmap *bits, unsigned int *count)
{
	const SimV2Config *c = &vmt->model.cfg.v2;
	struct vmt_dirty *d = &vmt->dirty;
	const struct vmt_range *r;

	if (!d->on) {
		if (!d->lost)
			sim_host_violation(&vmt->model,
					   "log-report while the log is off");
		return -EINVAL;
	}
	if (d->broken)
		return -EIO;
	r = find_range(d, first, last);
	if (!r) {
		sim_host_violation(&vmt->model,
				   "log-report of 0x%llx to 0x%llx outside of the ranges",
				   first, last);
		return c->log_outside_is_silent ? 0 : -EINVAL;
	}
	*count = report_range(d, c, r, first, last, bits);
	d->reports++;
	d->reported += *count;
	return 0;
}

static int log_read_and_clear(struct vfio_device *vdev, unsigned long iova,
			      unsigned long length, struct iova_bitmap *bits)
{
	struct vmt_device *vmt = vmt_of_vdev(vdev);
	struct vmt_dirty *d = &vmt->dirty;
	unsigned int count = 0;
	SimOutcome out;
	int ret = -vmt_call(vmt, SIM_EV_LOG_REPORT, &out);

	if (!ret && vmt->ops->log_sync)
		vmt->ops->log_sync(vmt);
	if (!ret) {
		mutex_lock(&d->lock);
		ret = report(vmt, iova, iova + length - 1, bits, &count);
		mutex_unlock(&d->lock);
	}
	vmt_log(vmt, "log-report iova=0x%lx size=0x%lx dirty=%u ret=%d", iova,
		length, count, ret);
	return ret;
}

const struct vfio_log_ops vmt_log_ops = {
	.log_start = log_start,
	.log_stop = log_stop,
	.log_read_and_clear = log_read_and_clear,
};
