// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Test driver for VFIO migration: the data file of protocol v2
 *
 * Owns: the file from which a session's bytes are read, or to which they are
 * written. Its user may keep it open for longer than the session, or the
 * device, lasts: what it knows of both is behind the gate.
 * Does not own: the bytes (the model).
 *
 * Locks: the gate's lock (mig_lock) around each call.
 */
#include <linux/anon_inodes.h>
#include <linux/fs.h>
#include <linux/pagemap.h>
#include <linux/slab.h>

#include "vmt.h"

/* Most that one read or write moves: a larger one is short. */
#define BOUNCE_BYTES	(256 * 1024)

struct data_file {
	struct vmt_gate *gate;
	u64 generation;			/* of the session; it may be over */
	u8 *bounce;			/* BOUNCE_BYTES; gate's lock */
};

/* ------------------------------------------------------------------------ */
/* The gate                                                                 */

struct vmt_gate *vmt_gate_new(struct vmt_device *vmt)
{
	struct vmt_gate *gate = kzalloc(sizeof(*gate), GFP_KERNEL_ACCOUNT);

	if (gate) {
		kref_init(&gate->ref);
		mutex_init(&gate->lock);
		gate->vmt = vmt;
	}
	return gate;
}

static void gate_free(struct kref *ref)
{
	kfree(container_of(ref, struct vmt_gate, ref));
}

void vmt_gate_close(struct vmt_gate *gate)
{
	if (!gate)
		return;
	mutex_lock(&gate->lock);
	gate->vmt = NULL;
	mutex_unlock(&gate->lock);
	kref_put(&gate->ref, gate_free);
}

/* ------------------------------------------------------------------------ */
/* Calls; those on a session or device that is gone end with ENODEV          */

static ssize_t read_bytes(struct data_file *f, char __user *buf, size_t count)
{
	SimMig *m = &f->gate->vmt->model;
	ssize_t n;

	/* What was read from the device once is not given again. */
	if (fault_in_writeable(buf, count))
		return -EFAULT;
	n = sim_v2_read(m, f->generation, f->bounce, count);
	if (n > 0 && copy_to_user(buf, f->bounce, n))
		return -EFAULT;
	return n;
}

static ssize_t write_bytes(struct data_file *f, const char __user *buf,
			   size_t count)
{
	if (copy_from_user(f->bounce, buf, count))
		return -EFAULT;
	return sim_v2_write(&f->gate->vmt->model, f->generation, f->bounce,
			    count);
}

static ssize_t data_read(struct file *file, char __user *buf, size_t count,
			 loff_t *ppos)
{
	struct data_file *f = file->private_data;
	ssize_t ret = -ENODEV;

	mutex_lock(&f->gate->lock);
	if (f->gate->vmt)
		ret = read_bytes(f, buf, min_t(size_t, count, BOUNCE_BYTES));
	mutex_unlock(&f->gate->lock);
	return ret;
}

static ssize_t data_write(struct file *file, const char __user *buf,
			  size_t count, loff_t *ppos)
{
	struct data_file *f = file->private_data;
	ssize_t ret = -ENODEV;

	mutex_lock(&f->gate->lock);
	if (f->gate->vmt)
		ret = write_bytes(f, buf, min_t(size_t, count, BOUNCE_BYTES));
	mutex_unlock(&f->gate->lock);
	return ret;
}

#ifdef VFIO_MIG_GET_PRECOPY_INFO
static long precopy_info(struct data_file *f, void __user *arg)
{
	size_t min_size = offsetofend(struct vfio_precopy_info, dirty_bytes);
	struct vfio_precopy_info ioc;
	SimPrecopyInfo info;
	int ret;

	if (copy_from_user(&ioc, arg, min_size))
		return -EFAULT;
	if (ioc.argsz < min_size)
		return -EINVAL;
	ret = sim_v2_precopy_info(&f->gate->vmt->model, f->generation, &info);
	if (ret)
		return ret;
	ioc.initial_bytes = info.initial_bytes;
	ioc.dirty_bytes = info.dirty_bytes;
	return copy_to_user(arg, &ioc, min_size) ? -EFAULT : 0;
}

static long data_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct data_file *f = file->private_data;
	long ret = -ENODEV;

	if (cmd != VFIO_MIG_GET_PRECOPY_INFO || !(file->f_mode & FMODE_READ))
		return -ENOTTY;
	mutex_lock(&f->gate->lock);
	if (f->gate->vmt)
		ret = precopy_info(f, (void __user *)arg);
	mutex_unlock(&f->gate->lock);
	return ret;
}
#endif

static void data_free(struct data_file *f)
{
	kref_put(&f->gate->ref, gate_free);
	kvfree(f->bounce);
	kfree(f);
}

static int data_release(struct inode *inode, struct file *file)
{
	struct data_file *f = file->private_data;
	bool load = file->f_mode & FMODE_WRITE;

	mutex_lock(&f->gate->lock);
	if (f->gate->vmt) {
		f->gate->vmt->data_files--;
		vmt_log(f->gate->vmt, "data-close %s", load ? "load" : "save");
	}
	mutex_unlock(&f->gate->lock);
	data_free(f);
	return 0;
}

static const struct file_operations save_fops = {
	.owner = THIS_MODULE,
	.read = data_read,
#ifdef VFIO_MIG_GET_PRECOPY_INFO
	.unlocked_ioctl = data_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
#endif
	.release = data_release,
};

static const struct file_operations load_fops = {
	.owner = THIS_MODULE,
	.write = data_write,
	.release = data_release,
};

/* ------------------------------------------------------------------------ */

static struct data_file *data_new(struct vmt_device *vmt)
{
	struct data_file *f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);

	if (!f)
		return NULL;
	f->bounce = kvmalloc(BOUNCE_BYTES, GFP_KERNEL_ACCOUNT);
	if (!f->bounce) {
		kfree(f);
		return NULL;
	}
	f->gate = vmt->gate;
	kref_get(&f->gate->ref);
	f->generation = vmt->model.v2.generation;
	return f;
}

struct file *vmt_data_file_open(struct vmt_device *vmt)
{
	SimMig *m = &vmt->model;
	bool load = m->v2.session == SIM_SESSION_LOAD;
	struct data_file *f;
	struct file *file;
	SimOutcome out;

	sim_host_event(m, SIM_EV_DATA_FD, m->state, &out);
	if (out.err)
		return ERR_PTR(-out.err);
	f = data_new(vmt);
	if (!f)
		return ERR_PTR(-ENOMEM);
	file = anon_inode_getfile("vfio_mig_test-data",
				  load ? &load_fops : &save_fops, f,
				  load ? O_WRONLY : O_RDONLY);
	if (IS_ERR(file)) {
		data_free(f);
		return file;
	}
	stream_open(file_inode(file), file);
	vmt->data_files++;
	return file;
}
