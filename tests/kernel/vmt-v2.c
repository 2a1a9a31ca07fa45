// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Test driver for VFIO migration: protocol v2 as VFIO's core asks for it
 *
 * Owns: what a device offers to the core (flags, operations), and its states
 * as the core sees them. The core says which arcs a way consists of.
 * Does not own: what an arc does (the model), the data file
 * (vmt-data-file.c), the DMA log (vmt-dirty.c).
 *
 * Locks: mig_lock around each operation.
 */
#include "vmt.h"

struct vmt_device *vmt_of_vdev(struct vfio_device *vdev)
{
	return vmt_mdev_device(vdev) ?: vmt_pci_device(vdev);
}

/* ------------------------------------------------------------------------ */
/* States                                                                   */

static enum vfio_device_mig_state state_of(const SimMig *m)
{
	return sim_v2_to_uapi(m->state);
}

static int do_arc(struct vmt_device *vmt, enum vfio_device_mig_state to)
{
	SimMig *m = &vmt->model;
	u32 from = m->state;
	int ret = sim_v2_arc(m, sim_v2_from_uapi(to));

	if (!ret && from == SIM_STOP_COPY && m->cfg.v2.log_lost_on_stop)
		vmt_dirty_lose(vmt, "stop");
	return ret;
}

/* Arc by arc; it may stop on the way. */
static int walk(struct vmt_device *vmt, enum vfio_device_mig_state to)
{
	enum vfio_device_mig_state next;
	SimMig *m = &vmt->model;
	int ret = 0;

	/* The core has no way out of this one, and warns if asked for it. */
	if (state_of(m) == VFIO_DEVICE_STATE_ERROR)
		return -EINVAL;
	while (!ret && state_of(m) != to) {
		ret = vfio_mig_get_next_state(vmt->vdev, state_of(m), to,
					      &next);
		if (!ret)
			ret = do_arc(vmt, next);
	}
	return ret;
}

/* Returns the file of a session that has begun, else NULL or an error. */
static struct file *go(struct vmt_device *vmt, enum vfio_device_mig_state to)
{
	SimMig *m = &vmt->model;
	u64 generation = m->v2.generation;
	struct file *file = NULL;
	int wish = sim_v2_from_uapi(to);
	u32 from = m->state;
	int ret;

	sim_v2_check_wish(m, to);
	ret = walk(vmt, to);
	m->v2.set_failed = ret < 0;
	if (!ret && m->v2.session != SIM_SESSION_NONE &&
	    m->v2.generation != generation)
		file = vmt_data_file_open(vmt);
	if (IS_ERR(file))
		ret = PTR_ERR(file);
	vmt_log(vmt, "set from=%s to=%s ret=%d now=%s file=%d",
		sim_mig_state_name(m, from),
		wish < 0 ? "none" : sim_mig_state_name(m, wish), ret,
		sim_mig_state_name(m, m->state), !IS_ERR_OR_NULL(file));
	return ret ? ERR_PTR(ret) : file;
}

static struct file *set_state(struct vfio_device *vdev,
			      enum vfio_device_mig_state to)
{
	struct vmt_device *vmt = vmt_of_vdev(vdev);
	struct file *file;

	mutex_lock(&vmt->gate->lock);
	vmt_pins_hold(vmt);
	file = go(vmt, to);
	mutex_unlock(&vmt->gate->lock);
	return file;
}

static int get_state(struct vfio_device *vdev,
		     enum vfio_device_mig_state *state)
{
	struct vmt_device *vmt = vmt_of_vdev(vdev);
	SimMig *m = &vmt->model;
	SimOutcome out;

	mutex_lock(&vmt->gate->lock);
	sim_host_event(m, SIM_EV_STATE_READ, m->state, &out);
	*state = out.has_value ? out.value : state_of(m);
	vmt_log(vmt, "state-read now=%s value=%u ret=%d",
		sim_mig_state_name(m, m->state), *state, -out.err);
	mutex_unlock(&vmt->gate->lock);
	return -out.err;
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
static int get_data_size(struct vfio_device *vdev, unsigned long *bytes)
{
	struct vmt_device *vmt = vmt_of_vdev(vdev);
	uint64_t size;
	int ret;

	mutex_lock(&vmt->gate->lock);
	ret = sim_v2_data_size(&vmt->model, &size);
	mutex_unlock(&vmt->gate->lock);
	*bytes = size;
	return ret;
}
#endif

static const struct vfio_migration_ops mig_ops = {
	.migration_set_state = set_state,
	.migration_get_state = get_state,
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
	.migration_get_data_size = get_data_size,
#endif
};

/* ------------------------------------------------------------------------ */

unsigned int vmt_v2_kernel(void)
{
	return LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0) ? SIM_KERNEL_6_2
							     : SIM_KERNEL_6_1;
}

/*
 * The core's header wants this to be set before the device is registered,
 * which is when the core looks whether all is there that must be. Later it
 * looks at it in calls on an open device only, and this one is closed.
 */
void vmt_v2_offer(struct vmt_device *vmt)
{
	const SimMigConfig *c = &vmt->model.cfg;
	u32 flags = VFIO_MIGRATION_STOP_COPY;

	if (c->v2.p2p)
		flags |= VFIO_MIGRATION_P2P;
#ifdef VFIO_MIGRATION_PRE_COPY
	if (c->v2.pre_copy)
		flags |= VFIO_MIGRATION_PRE_COPY;
#endif
	vmt->vdev->migration_flags = c->protocol_v2 ? flags : 0;
	vmt->vdev->mig_ops = c->protocol_v2 ? &mig_ops : NULL;
	vmt->vdev->log_ops = c->protocol_v2 && c->v2.log != SIM_LOG_NO ?
			     &vmt_log_ops : NULL;
}
