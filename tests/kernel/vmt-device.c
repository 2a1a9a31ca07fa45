// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Test driver for VFIO migration: a device, whatever it is made of
 *
 * Owns: life of a struct vmt_device, and what the model wants of its host
 * (sim-model.h): time, memory, transcript, events, stop and start.
 * Does not own: the VFIO device around it (vmt-mdev.c, vmt-pci.c).
 *
 * Locks: takes config_lock and mig_lock; see vmt.h. The functions named
 * sim_host_* are called with mig_lock held, unless their name says else.
 */
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "vmt.h"

/* ------------------------------------------------------------------------ */
/* Host of the model: time and memory                                       */

int64_t sim_host_now_us(void)
{
	return ktime_to_us(ktime_get());
}

/* Ends early for a process that is being killed. */
void sim_host_sleep_until_us(int64_t deadline_us)
{
	ktime_t until = ns_to_ktime(deadline_us * NSEC_PER_USEC);

	while (ktime_before(ktime_get(), until) &&
	       !fatal_signal_pending(current)) {
		__set_current_state(TASK_KILLABLE);
		schedule_hrtimeout(&until, HRTIMER_MODE_ABS);
	}
}

void *sim_host_alloc(size_t bytes)
{
	return kvzalloc(bytes, GFP_KERNEL_ACCOUNT);
}

void sim_host_free(void *memory)
{
	kvfree(memory);
}

/* ------------------------------------------------------------------------ */
/* Transcript                                                               */

static __printf(2, 0)
void log_line(struct vmt_device *vmt, const char *fmt, va_list ap)
{
	struct vmt_log *log = &vmt->log;
	char line[256];
	int n, len;

	len = scnprintf(line, sizeof(line), "%lld %s ",
			(long long)sim_host_now_us(), vmt->name);
	len += vscnprintf(line + len, sizeof(line) - len - 1, fmt, ap);
	line[len++] = '\n';
	spin_lock(&log->lock);
	n = log->text && len <= VMT_LOG_BYTES - log->used ? len : 0;
	if (n) {
		memcpy(log->text + log->used, line, n);
		/* Readers see whole lines: the length comes last. */
		smp_store_release(&log->used, log->used + n);
	} else {
		log->dropped++;
	}
	spin_unlock(&log->lock);
}

void vmt_log(struct vmt_device *vmt, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(vmt, fmt, ap);
	va_end(ap);
}

void sim_host_log(SimMig *m, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(vmt_of(m), fmt, ap);
	va_end(ap);
}

void sim_host_violation(SimMig *m, const char *fmt, ...)
{
	struct vmt_device *vmt = vmt_of(m);
	char what[SIM_WHY_CHARS];
	va_list ap;

	va_start(ap, fmt);
	vscnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	vmt_log(vmt, "violation %s", what);
	spin_lock(&vmt->log.lock);
	if (vmt->log.num_violations < VMT_MAX_VIOLATIONS)
		strscpy(vmt->log.violations[vmt->log.num_violations], what,
			SIM_WHY_CHARS);
	vmt->log.num_violations++;
	spin_unlock(&vmt->log.lock);
}

/* ------------------------------------------------------------------------ */
/* Calls and events                                                         */

static bool count_call(struct vmt_device *vmt, SimEvent ev, u32 to,
		       SimOutcome *out)
{
	u32 from = sim_mig_state(&vmt->model);

	memset(out, 0, sizeof(*out));
	__atomic_fetch_add(&vmt->model.count.calls, 1, __ATOMIC_RELAXED);
	if (sim_mig_migrating(ev, from, to))
		__atomic_fetch_add(&vmt->model.count.migration_calls, 1,
				   __ATOMIC_RELAXED);
	if (!vmt_faults_hit(vmt, ev, to, out))
		return false;
	if (out->delay_ms)
		sim_host_sleep_until_us(sim_host_now_us() +
					(s64)out->delay_ms * USEC_PER_MSEC);
	return true;
}

static void set_error_state(struct vmt_device *vmt, SimOutcome *out)
{
	u32 from = sim_mig_state(&vmt->model);

	out->err = out->err ? out->err : EIO;
	sim_mig_set_state(&vmt->model, (from & ~SIM_STATE_MASK) | SIM_ERROR);
	vmt_log(vmt, "state from=%s to=error by=fault",
		sim_mig_state_name(&vmt->model, from));
}

static void enter_error(struct vmt_device *vmt, SimOutcome *out)
{
	lockdep_assert_held(&vmt->gate->lock);
	if (sim_mig_state(&vmt->model) & SIM_RUNNING)
		vmt->ops->stop(vmt);
	set_error_state(vmt, out);
}

/*
 * In mmap(2) the process' mmap_lock is held. An access that holds mig_lock,
 * and a burst of DMA that holds dma.lock, may wait for it in a page fault,
 * so neither is taken: a burst that is under way ends by itself.
 */
static void enter_error_in_mmap(struct vmt_device *vmt, SimOutcome *out)
{
	WRITE_ONCE(vmt->dma.running, false);
	set_error_state(vmt, out);
}

bool sim_host_event(SimMig *m, SimEvent ev, uint32_t to, SimOutcome *out)
{
	struct vmt_device *vmt = vmt_of(m);

	if (!count_call(vmt, ev, to, out))
		return false;
	if (out->set_error)
		enter_error(vmt, out);
	return true;
}

int vmt_call(struct vmt_device *vmt, SimEvent ev, SimOutcome *out)
{
	if (!count_call(vmt, ev, sim_mig_state(&vmt->model), out) ||
	    !out->set_error)
		return out->err;
	if (ev == SIM_EV_MMAP) {
		enter_error_in_mmap(vmt, out);
	} else {
		mutex_lock(&vmt->gate->lock);
		enter_error(vmt, out);
		mutex_unlock(&vmt->gate->lock);
	}
	return out->err;
}

SimEvent vmt_ioctl_event(unsigned int cmd)
{
	switch (cmd) {
	case VFIO_DEVICE_GET_INFO:
		return SIM_EV_DEVICE_INFO;
	case VFIO_DEVICE_GET_REGION_INFO:
		return SIM_EV_REGION_INFO;
	case VFIO_DEVICE_GET_IRQ_INFO:
		return SIM_EV_IRQ_INFO;
	case VFIO_DEVICE_SET_IRQS:
		return SIM_EV_SET_IRQS;
	case VFIO_DEVICE_RESET:
		return SIM_EV_RESET;
	case VFIO_DEVICE_GET_PCI_HOT_RESET_INFO:
		return SIM_EV_HOT_RESET_INFO;
	case VFIO_DEVICE_PCI_HOT_RESET:
		return SIM_EV_HOT_RESET;
	default:
		return SIM_EV_OTHER;
	}
}

/* ------------------------------------------------------------------------ */
/* Host of the model: the device                                            */

void sim_host_stopped(SimMig *m)
{
	struct vmt_device *vmt = vmt_of(m);

	vmt->ops->stop(vmt);
	vmt_dma_digest_at_stop(vmt);
}

void sim_host_started(SimMig *m)
{
	struct vmt_device *vmt = vmt_of(m);

	vmt_dma_digest_at_start(vmt);
	vmt->ops->start(vmt);
}

/* The status is made when it is read. */
void sim_host_changed(SimMig *m)
{
}

size_t sim_host_save_extra(SimMig *m, uint8_t *extra, size_t max)
{
	struct vmt_device *vmt = vmt_of(m);

	return vmt->ops->save(vmt, extra, max);
}

bool sim_host_load_extra(SimMig *m, const uint8_t *extra, size_t len)
{
	struct vmt_device *vmt = vmt_of(m);

	/* A state of the simulated device has no registers. */
	return !len || vmt->ops->load(vmt, extra, len);
}

ssize_t sim_host_move(SimMig *m, bool write, void *buf, size_t len,
		      uint64_t offset)
{
	void __user *user = (void __user *)buf;
	unsigned long left;

	left = write ? copy_from_user(m->window + offset, user, len)
		     : copy_to_user(user, m->window + offset, len);
	return left ? -EFAULT : len;
}

/* ------------------------------------------------------------------------ */
/* Life                                                                     */

int vmt_init(struct vmt_device *vmt, const char *name,
	     struct vfio_device *vdev, const struct vmt_ops *ops)
{
	char nothing[] = "";
	int ret;

	vmt->name = kstrdup(name, GFP_KERNEL_ACCOUNT);
	if (!vmt->name)
		return -ENOMEM;
	vmt->vdev = vdev;
	vmt->ops = ops;
	mutex_init(&vmt->config_lock);
	spin_lock_init(&vmt->faults.lock);
	spin_lock_init(&vmt->log.lock);
	mutex_init(&vmt->dma.lock);
	init_waitqueue_head(&vmt->dma.wait);
	mutex_init(&vmt->pins.lock);
	mutex_init(&vmt->dirty.lock);
	xa_init(&vmt->dirty.pages);
	vmt->gate = vmt_gate_new(vmt);
	vmt->log.text = vzalloc(VMT_LOG_BYTES);
	ret = vmt->log.text && vmt->gate ? vmt_config_apply(vmt, nothing)
					 : -ENOMEM;
	if (!ret) {
		sim_mig_init(&vmt->model);
		ret = vmt_debugfs_add(vmt);
	}
	if (ret)
		vmt_destroy(vmt);
	return ret;
}

void vmt_destroy(struct vmt_device *vmt)
{
	vmt_debugfs_remove(vmt);
	vmt_gate_close(vmt->gate);
	vmt->gate = NULL;
	vmt_faults_clear(vmt);
	vmt_pins_clear(vmt);
	vmt_config_free(vmt);
	vfree(vmt->model.window);
	vmt->model.window = NULL;
	vfree(vmt->log.text);
	vmt->log.text = NULL;
	kfree(vmt->name);
	vmt->name = NULL;
}

static void forget_past(struct vmt_device *vmt)
{
	struct vmt_log *log = &vmt->log;

	memset(&vmt->model.count, 0, sizeof(vmt->model.count));
	spin_lock(&log->lock);
	log->used = 0;
	log->dropped = 0;
	log->num_violations = 0;
	spin_unlock(&log->lock);
}

static int make_window(struct vmt_device *vmt)
{
	const SimMigConfig *c = &vmt->model.cfg;

	if (c->migration == SIM_MIGRATION_NO)
		return 0;
	/* vmt-config.c has bounded both. */
	vmt->model.window =
		vmalloc_user(PAGE_ALIGN(c->data_offset + c->window_size));
	return vmt->model.window ? 0 : -ENOMEM;
}

/* A device that logs what it writes needs no pages by which others see it. */
static const char *pages_to_pin(const struct vmt_device *vmt)
{
	if (vmt->cfg.pinned[0] || !vmt->ops->default_pinned ||
	    vmt->vdev->log_ops)
		return vmt->cfg.pinned;
	return vmt->ops->default_pinned;
}

int vmt_open(struct vmt_device *vmt)
{
	int ret = 0;

	mutex_lock(&vmt->config_lock);
	if (vmt->open_count) {
		vmt->open_count++;
		goto out;
	}
	forget_past(vmt);
	sim_mig_init(&vmt->model);
	vmt_dirty_open(vmt);
	ret = make_window(vmt);
	if (!ret) {
		ret = vmt_pins_set(vmt, pages_to_pin(vmt));
		if (!ret)
			ret = vmt_dma_open(vmt);
		if (ret) {
			vmt_pins_clear(vmt);
			vfree(vmt->model.window);
			vmt->model.window = NULL;
		}
	}
	if (!ret) {
		vmt->open_count = 1;
		vmt_log(vmt, "open");
		vmt->ops->start(vmt);
	}
out:
	mutex_unlock(&vmt->config_lock);
	return ret;
}

void vmt_close(struct vmt_device *vmt)
{
	mutex_lock(&vmt->config_lock);
	if (!--vmt->open_count) {
		vmt->ops->stop(vmt);
		vmt_dma_close(vmt);
		mutex_lock(&vmt->gate->lock);
		sim_v2_end_session(&vmt->model);
		mutex_unlock(&vmt->gate->lock);
		vmt_dirty_lose(vmt, "close");
		vmt_pins_clear(vmt);
		vfree(vmt->model.window);
		vmt->model.window = NULL;
		vmt_log(vmt, "close");
	}
	mutex_unlock(&vmt->config_lock);
}

void vmt_reset(struct vmt_device *vmt)
{
	mutex_lock(&vmt->gate->lock);
	vmt->ops->stop(vmt);
	if (vmt->ops->reset)
		vmt->ops->reset(vmt);
	sim_mig_reset(&vmt->model);
	if (vmt->model.cfg.v2.log_lost_on_reset)
		vmt_dirty_lose(vmt, "reset");
	vmt_pins_hold(vmt);
	vmt->ops->start(vmt);
	mutex_unlock(&vmt->gate->lock);
}
