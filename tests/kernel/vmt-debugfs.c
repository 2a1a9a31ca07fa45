// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Test driver for VFIO migration: what debugfs shows of a device
 *
 * Owns: /sys/kernel/debug/vfio_mig_test/NAME/{config,faults,status,
 * transcript}. Reference: docs/test-driver.md.
 *
 * Locks: config_lock for config; status reads counters without a lock, it
 * is exact once the device rests.
 */
#include <linux/ctype.h>
#include <linux/slab.h>

#include "vmt.h"

#define MAX_WRITE_BYTES (64 * 1024)

static struct dentry *vmt_dir;

/* DEFINE_SHOW_ATTRIBUTE() with a write, which Linux 6.1 does not have. */
#define DEFINE_SHOW_STORE(name)						\
static int name ## _open(struct inode *inode, struct file *file)	\
{									\
	return single_open(file, name ## _show, inode->i_private);	\
}									\
static const struct file_operations name ## _fops = {			\
	.owner = THIS_MODULE,						\
	.open = name ## _open,						\
	.read = seq_read,						\
	.write = name ## _write,					\
	.llseek = seq_lseek,						\
	.release = single_release,					\
}

/* ------------------------------------------------------------------------ */
/* config and faults                                                        */

static ssize_t write_text(struct file *file, const char __user *buf,
			  size_t count,
			  int (*take)(struct vmt_device *, char *))
{
	struct vmt_device *vmt = file_inode(file)->i_private;
	char *text;
	int ret;

	if (count > MAX_WRITE_BYTES)
		return -E2BIG;
	text = memdup_user_nul(buf, count);
	if (IS_ERR(text))
		return PTR_ERR(text);
	ret = take(vmt, text);
	kfree(text);
	return ret ? ret : count;
}

static int take_config(struct vmt_device *vmt, char *text)
{
	int ret = -EBUSY;

	mutex_lock(&vmt->config_lock);
	if (!vmt->open_count)
		ret = vmt_config_apply(vmt, text);
	if (!ret)
		sim_mig_init(&vmt->model);
	mutex_unlock(&vmt->config_lock);
	return ret;
}

static ssize_t config_write(struct file *file, const char __user *buf,
			    size_t count, loff_t *ppos)
{
	return write_text(file, buf, count, take_config);
}

static int config_show(struct seq_file *s, void *unused)
{
	struct vmt_device *vmt = s->private;

	mutex_lock(&vmt->config_lock);
	vmt_config_show(vmt, s);
	mutex_unlock(&vmt->config_lock);
	return 0;
}

DEFINE_SHOW_STORE(config);

static ssize_t faults_write(struct file *file, const char __user *buf,
			    size_t count, loff_t *ppos)
{
	return write_text(file, buf, count, vmt_faults_write);
}

static int faults_show(struct seq_file *s, void *unused)
{
	vmt_faults_show(s->private, s);
	return 0;
}

DEFINE_SHOW_STORE(faults);

/* ------------------------------------------------------------------------ */
/* status                                                                   */

void vmt_put_json(struct seq_file *s, const char *text)
{
	seq_putc(s, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			seq_putc(s, '\\');
		seq_putc(s, isprint(*text) ? *text : '?');
	}
	seq_putc(s, '"');
}

static void add_number(struct seq_file *s, const char *key, u64 value)
{
	seq_printf(s, " \"%s\": %llu,\n", key, value);
}

static void add_flag(struct seq_file *s, const char *key, bool value)
{
	seq_printf(s, " \"%s\": %s,\n", key, value ? "true" : "false");
}

/* Empty for a state that never was (id 0). */
static void add_state_digest(struct seq_file *s, const char *key, u64 id)
{
	if (id)
		seq_printf(s, " \"%s\": \"%016llx\",\n", key, sim_mix(id));
	else
		seq_printf(s, " \"%s\": \"\",\n", key);
}

static void add_counters(struct seq_file *s, const SimCounters *n)
{
	add_number(s, "calls", n->calls);
	add_number(s, "migration-calls", n->migration_calls);
	add_number(s, "save-sessions", n->save_sessions);
	add_number(s, "load-sessions", n->load_sessions);
	add_number(s, "saved-chunks", n->saved_chunks);
	add_number(s, "saved-bytes", n->saved_bytes);
	add_number(s, "saved-precopy-bytes", n->saved_precopy_bytes);
	add_number(s, "loaded-chunks", n->loaded_chunks);
	add_number(s, "loaded-bytes", n->loaded_bytes);
	add_number(s, "loaded-precopy-bytes", n->loaded_precopy_bytes);
	add_number(s, "mapped-bytes", n->mapped_bytes);
	add_number(s, "trapped-bytes", n->trapped_bytes);
	add_number(s, "trapped-calls", n->trapped_calls);
	add_number(s, "mmaps", n->mmaps);
	add_number(s, "repeated-offset-reads", n->repeated_offset_reads);
	add_number(s, "unacked-chunks", n->unacked_chunks);
	add_number(s, "corrupt", n->corrupt);
	add_number(s, "incomplete", n->incomplete);
	add_number(s, "unfinished-saves", n->unfinished_saves);
	add_number(s, "refused", n->refused);
	add_number(s, "resets", n->resets);
}

static void add_dma_digest(struct seq_file *s, const char *key, bool valid,
			   u64 digest, const char *end)
{
	if (valid)
		seq_printf(s, "  \"%s\": \"%016llx\"%s\n", key, digest, end);
	else
		seq_printf(s, "  \"%s\": \"\"%s\n", key, end);
}

static void add_dma(struct seq_file *s, const struct vmt_dma *dma)
{
	seq_puts(s, " \"dma\": {\n");
	seq_printf(s, "  \"running\": %s,\n", dma->running ? "true" : "false");
	seq_printf(s, "  \"bursts\": %llu,\n", dma->steps);
	seq_printf(s, "  \"bytes\": %llu,\n", dma->bytes);
	seq_printf(s, "  \"misses\": %llu,\n", dma->misses);
	add_dma_digest(s, "digest-at-stop", dma->stop_digest_valid,
		       dma->stop_digest, ",");
	add_dma_digest(s, "digest-at-start", dma->start_digest_valid,
		       dma->start_digest, "");
	seq_puts(s, " },\n");
}

static void add_log(struct seq_file *s, const struct vmt_dirty *d)
{
	seq_puts(s, " \"log\": {\n");
	seq_printf(s, "  \"on\": %s,\n", d->on ? "true" : "false");
	seq_printf(s, "  \"lost\": %s,\n", d->lost ? "true" : "false");
	seq_printf(s, "  \"ranges\": %u,\n", d->count);
	seq_printf(s, "  \"pages\": %lu,\n", d->marked);
	seq_printf(s, "  \"starts\": %llu,\n", d->starts);
	seq_printf(s, "  \"reports\": %llu,\n", d->reports);
	seq_printf(s, "  \"reported-pages\": %llu,\n", d->reported);
	seq_printf(s, "  \"unread-pages\": %llu\n", d->unread);
	seq_puts(s, " },\n");
}

static void add_regs(struct seq_file *s, const struct vmt_regs *r)
{
	seq_puts(s, " \"registers\": {\n");
	seq_printf(s, "  \"scratch\": %u,\n", r->scratch);
	seq_printf(s, "  \"counter\": %u,\n", r->counter);
	seq_printf(s, "  \"dma-addr\": %llu,\n", r->dma_addr);
	seq_printf(s, "  \"dma-size\": %u,\n", r->dma_size);
	seq_printf(s, "  \"dma-ctrl\": %u,\n", r->dma_ctrl);
	seq_printf(s, "  \"dma-bursts\": %u,\n", r->dma_bursts);
	seq_printf(s, "  \"dma-errors\": %u,\n", r->dma_errors);
	seq_printf(s, "  \"dma-words\": %llu\n", r->dma_seq);
	seq_puts(s, " },\n");
}

static void add_violations(struct seq_file *s, struct vmt_log *log)
{
	unsigned int n = READ_ONCE(log->num_violations), i;

	add_number(s, "violation-count", n);
	seq_puts(s, " \"violations\": [");
	for (i = 0; i < n && i < VMT_MAX_VIOLATIONS; i++) {
		seq_puts(s, i ? ",\n  " : "\n  ");
		vmt_put_json(s, log->violations[i]);
	}
	seq_puts(s, " ],\n");
}

static int status_show(struct seq_file *s, void *unused)
{
	struct vmt_device *vmt = s->private;
	SimMig *m = &vmt->model;
	u32 state = sim_mig_state(m);

	seq_puts(s, "{\n");
	seq_printf(s, " \"name\": \"%s\",\n", vmt->name);
	add_number(s, "time-us", sim_host_now_us());
	add_flag(s, "open", READ_ONCE(vmt->open_count));
	seq_printf(s, " \"protocol\": \"%s\",\n",
		   m->cfg.protocol_v2 ? "v2" :
		   m->cfg.migration == SIM_MIGRATION_NO ? "none" : "v1");
	seq_printf(s, " \"state\": \"%s\",\n", sim_mig_state_name(m, state));
	add_number(s, "device-state",
		   m->cfg.protocol_v2 ? sim_v2_to_uapi(state) : state);
	add_number(s, "data-fds", READ_ONCE(vmt->data_files));
	add_state_digest(s, "digest", m->state_id);
	add_state_digest(s, "saved-digest", m->saved_id);
	add_state_digest(s, "loaded-digest", m->loaded_id);
	add_flag(s, "loaded", m->loaded);
	add_flag(s, "state-lost", m->state_lost);
	add_counters(s, &m->count);
	add_number(s, "command", vmt->ops->command(vmt));
	add_number(s, "msix-armed", vmt->ops->msix_armed(vmt));
	add_number(s, "pinned-pages", READ_ONCE(vmt->pins.held));
	add_number(s, "pins-refused", READ_ONCE(vmt->pins.refused));
	add_number(s, "transcript-dropped", READ_ONCE(vmt->log.dropped));
	add_dma(s, &vmt->dma);
	add_log(s, &vmt->dirty);
	add_regs(s, &vmt->regs);
	add_violations(s, &vmt->log);
	vmt_faults_json(vmt, s);
	seq_puts(s, "}\n");
	return 0;
}

DEFINE_SHOW_ATTRIBUTE(status);

/* ------------------------------------------------------------------------ */
/* transcript                                                               */

/* Text is only added at the end, so no lock: read what is complete. */
static ssize_t transcript_read(struct file *file, char __user *buf,
			       size_t count, loff_t *ppos)
{
	struct vmt_device *vmt = file_inode(file)->i_private;
	size_t used = smp_load_acquire(&vmt->log.used);

	return simple_read_from_buffer(buf, count, ppos, vmt->log.text, used);
}

static int take_transcript(struct vmt_device *vmt, char *text)
{
	if (strcmp(strim(text), "clear"))
		return -EINVAL;
	spin_lock(&vmt->log.lock);
	vmt->log.used = 0;
	vmt->log.dropped = 0;
	spin_unlock(&vmt->log.lock);
	return 0;
}

static ssize_t transcript_write(struct file *file, const char __user *buf,
				size_t count, loff_t *ppos)
{
	return write_text(file, buf, count, take_transcript);
}

static const struct file_operations transcript_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.read = transcript_read,
	.write = transcript_write,
	.llseek = default_llseek,
};

/* ------------------------------------------------------------------------ */

int vmt_debugfs_add(struct vmt_device *vmt)
{
	struct dentry *dir = debugfs_create_dir(vmt->name, vmt_dir);

	if (IS_ERR(dir))
		return PTR_ERR(dir);
	vmt->dir = dir;
	debugfs_create_file("config", 0600, dir, vmt, &config_fops);
	debugfs_create_file("faults", 0600, dir, vmt, &faults_fops);
	debugfs_create_file("status", 0400, dir, vmt, &status_fops);
	debugfs_create_file("transcript", 0600, dir, vmt, &transcript_fops);
	return 0;
}

void vmt_debugfs_remove(struct vmt_device *vmt)
{
	debugfs_remove_recursive(vmt->dir);
	vmt->dir = NULL;
}

void vmt_debugfs_init(void)
{
	vmt_dir = debugfs_create_dir("vfio_mig_test", NULL);
}

void vmt_debugfs_exit(void)
{
	debugfs_remove_recursive(vmt_dir);
}
