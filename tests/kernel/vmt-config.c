// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Test driver for VFIO migration: the configuration of a device
 *
 * Owns: the keys of the driver's own, reading lines "key=value" into a
 * device, and printing all keys. The keys of the model, and how a value is
 * written, are in sim-model-config.c.
 *
 * Locks: config_lock, held by the caller; the device is closed.
 */
#include <linux/log2.h>
#include <linux/slab.h>

#include "vmt.h"

static const char * const patterns[] = { "sequential", "random", NULL };

#define KEY(name, kind, field, fallback, choices) \
	{ name, SIM_KEY_##kind, offsetof(struct vmt_config, field), \
	  fallback, choices }

const SimKey vmt_keys[] = {
	KEY("vendor-id", SIZE, vendor_id, "0x1b36", NULL),
	KEY("device-id", SIZE, device_id, "0x00fe", NULL),
	KEY("bar0-size", SIZE, bar0_size, "64K", NULL),
	KEY("msix-vectors", SIZE, msix_vectors, "8", NULL),
	KEY("intx", BOOL, intx, "no", NULL),
	KEY("reset", BOOL, reset, "yes", NULL),
	KEY("dma-rate", SIZE, dma_rate, "0", NULL),
	KEY("dma-start", SIZE, dma_start, "0", NULL),
	KEY("dma-size", SIZE, dma_size, "0", NULL),
	KEY("dma-burst", SIZE, dma_burst, "4K", NULL),
	KEY("dma-pattern", CHOICE, dma_pattern, "random", patterns),
	KEY("dma-needs-bus-master", BOOL, dma_bus_master, "no", NULL),
	KEY("pinned", LIST, pinned, "", NULL),
	{ NULL, 0, 0, NULL, NULL }
};

/* What a configuration is read into, before the device has it. */
struct draft {
	struct vmt_config cfg;
	SimMigConfig mig;
	char *given[VMT_MAX_KEYS];
};

/* The keys of both tables by number, and where @d has their values. */
static const SimKey *key_at(struct draft *d, unsigned int i, void **base)
{
	const unsigned int own = ARRAY_SIZE(vmt_keys) - 1;

	if (i < own) {
		*base = d ? &d->cfg : NULL;
		return &vmt_keys[i];
	}
	*base = d ? &d->mig : NULL;
	return sim_mig_keys[i - own].name ? &sim_mig_keys[i - own] : NULL;
}

static void show_key(struct vmt_device *vmt, struct seq_file *s,
		     const SimKey *key, const char *given)
{
	char preset[SIM_NAME_CHARS];

	if (given)
		seq_printf(s, "%s=%s\n", key->name, given);
	else if (sim_profile_value(vmt->model.cfg.profile, key->name, preset,
				   sizeof(preset)))
		seq_printf(s, "%s=%s\n", key->name, preset);
	else if (!strcmp(key->name, "region-size"))
		seq_printf(s, "region-size=%llu\n",
			   vmt->model.cfg.region_size);
	else if (!strcmp(key->name, "precopy-max"))
		seq_printf(s, "precopy-max=%llu\n",
			   vmt->model.cfg.precopy_max);
	else
		seq_printf(s, "%s=%s\n", key->name, key->fallback);
}

void vmt_config_show(struct vmt_device *vmt, struct seq_file *s)
{
	const SimKey *key;
	unsigned int i;
	void *base;

	for (i = 0; (key = key_at(NULL, i, &base)); i++)
		show_key(vmt, s, key, vmt->given[i]);
}

/* ------------------------------------------------------------------------ */
/* Reading                                                                  */

static int complain(struct vmt_device *vmt, const char *key, const char *why)
{
	pr_err("vfio_mig_test: %s: config: %s: %s\n", vmt->name, key, why);
	return -EINVAL;
}

static void forget_given(char **given)
{
	unsigned int i;

	for (i = 0; i < VMT_MAX_KEYS; i++) {
		kfree(given[i]);
		given[i] = NULL;
	}
}

static int copy_given(struct draft *d, char **given)
{
	unsigned int i;

	for (i = 0; i < VMT_MAX_KEYS; i++) {
		if (!given[i])
			continue;
		d->given[i] = kstrdup(given[i], GFP_KERNEL_ACCOUNT);
		if (!d->given[i])
			return -ENOMEM;
	}
	return 0;
}

static int take_line(struct vmt_device *vmt, struct draft *d, char *line)
{
	char *value = strchr(line, '=');
	const SimKey *key;
	unsigned int i;
	void *base;

	if (!strcmp(line, "clear")) {
		forget_given(d->given);
		return 0;
	}
	if (!value)
		return complain(vmt, line, "want key=value, or clear");
	*value++ = 0;
	line = strim(line);
	for (i = 0; (key = key_at(d, i, &base)); i++) {
		if (!strcmp(key->name, line))
			break;
	}
	if (!key)
		return complain(vmt, line, "no such key");
	kfree(d->given[i]);
	d->given[i] = kstrdup(strim(value), GFP_KERNEL_ACCOUNT);
	return d->given[i] ? 0 : -ENOMEM;
}

static int take_lines(struct vmt_device *vmt, struct draft *d, char *lines)
{
	char *line;
	int ret = 0;

	while (!ret && (line = strsep(&lines, "\n"))) {
		line = strim(line);
		if (*line && *line != '#')
			ret = take_line(vmt, d, line);
	}
	return ret;
}

/* The profile is the first key of the model: those after it look at it. */
static const char *text_of(const struct draft *d, const SimKey *key,
			   unsigned int i, char preset[SIM_NAME_CHARS])
{
	if (d->given[i])
		return d->given[i];
	return sim_profile_value(d->mig.profile, key->name, preset,
				 SIM_NAME_CHARS) ? preset : key->fallback;
}

static int set_values(struct vmt_device *vmt, struct draft *d)
{
	char why[SIM_WHY_CHARS], preset[SIM_NAME_CHARS];
	const SimKey *key;
	unsigned int i;
	void *base;

	for (i = 0; (key = key_at(d, i, &base)); i++) {
		if (!sim_key_set(key, base, text_of(d, key, i, preset), why))
			return complain(vmt, key->name, why);
	}
	return 0;
}

static bool check_pinned(const char *list)
{
	u64 pages = 0;
	char item[64];
	SimRange r;

	while (sim_next_item(&list, item, sizeof(item))) {
		if (!sim_parse_range(item, &r) || r.offset % PAGE_SIZE ||
		    r.size_bytes % PAGE_SIZE ||
		    r.size_bytes / PAGE_SIZE > VMT_MAX_PINS)
			return false;
		pages += r.size_bytes / PAGE_SIZE;
	}
	return pages <= VMT_MAX_PINS / 2;
}

static int check_own(struct vmt_device *vmt, const struct vmt_config *c)
{
	if (c->msix_vectors > VMT_MAX_VECTORS)
		return complain(vmt, "msix-vectors", "at most 64");
	if (c->vendor_id > U16_MAX || c->device_id > U16_MAX)
		return complain(vmt, "device-id", "want 16 bits");
	if (c->bar0_size < PAGE_SIZE || c->bar0_size > 1U << 30 ||
	    !is_power_of_2(c->bar0_size))
		return complain(vmt, "bar0-size",
				"want a power of two, 4K to 1G");
	if (c->dma_size > U64_MAX - c->dma_start)
		return complain(vmt, "dma-size", "beyond the end of addresses");
	if (c->dma_rate && (c->dma_burst < 8 || c->dma_burst % 8 ||
			    c->dma_burst > VMT_MAX_BURST_BYTES ||
			    c->dma_start % 8 || c->dma_size < c->dma_burst))
		return complain(vmt, "dma-rate",
				"needs dma-size >= dma-burst, dma-burst at most 1M, and dma-start and dma-burst in steps of 8 bytes");
	if (!check_pinned(c->pinned))
		return complain(vmt, "pinned",
				"want IOVA+SIZE separated by ';', whole pages, at most 8M");
	return 0;
}

static int check_draft(struct vmt_device *vmt, struct draft *d)
{
	char why[SIM_WHY_CHARS];
	const char *key;
	int ret = check_own(vmt, &d->cfg);

	if (ret)
		return ret;
	/* What the kernel cannot do, the driver cannot offer. */
	d->mig.v2.kernel = vmt_v2_kernel();
	if (!sim_mig_config_finish(&d->mig, &key, why))
		return complain(vmt, key, why);
	if (d->mig.data_offset + d->mig.window_size > VMT_MAX_WINDOW_BYTES)
		return complain(vmt, "window-size",
				"at most 1G together with data-offset");
	return 0;
}

int vmt_config_apply(struct vmt_device *vmt, char *lines)
{
	struct draft *d = kvzalloc(sizeof(*d), GFP_KERNEL);
	unsigned int i;
	int ret;

	BUILD_BUG_ON(ARRAY_SIZE(vmt_keys) > VMT_MAX_KEYS / 2);
	if (!d)
		return -ENOMEM;
	ret = copy_given(d, vmt->given);
	if (!ret)
		ret = take_lines(vmt, d, lines);
	if (!ret)
		ret = set_values(vmt, d);
	if (!ret)
		ret = check_draft(vmt, d);
	if (!ret) {
		/* The device takes the areas over; its old ones go. */
		sim_mig_config_clear(&vmt->model.cfg);
		vmt->cfg = d->cfg;
		vmt->model.cfg = d->mig;
		vmt_v2_offer(vmt);
		d->mig.areas = NULL;
		for (i = 0; i < VMT_MAX_KEYS; i++)
			swap(vmt->given[i], d->given[i]);
	}
	sim_mig_config_clear(&d->mig);
	forget_given(d->given);
	kvfree(d);
	return ret;
}

void vmt_config_free(struct vmt_device *vmt)
{
	sim_mig_config_clear(&vmt->model.cfg);
	forget_given(vmt->given);
}
