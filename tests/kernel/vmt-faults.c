// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Test driver for VFIO migration: the fault rules of a device
 *
 * Owns: the list of rules, reading them from lines "NAME key=value ...",
 * asking them at each call, and showing what matched and fired.
 * Does not own: what a rule is (sim-model-fault.c); carrying it out.
 *
 * Locks: vmt_faults.lock around the list.
 */
#include <linux/slab.h>

#include "vmt.h"

bool vmt_faults_hit(struct vmt_device *vmt, SimEvent ev, u32 to,
		    SimOutcome *out)
{
	struct vmt_faults *f = &vmt->faults;
	u32 from = sim_mig_state(&vmt->model);
	bool migrating = sim_mig_migrating(ev, from, to);
	SimRule *hit = NULL;
	char name[SIM_NAME_CHARS];
	unsigned int i;

	spin_lock(&f->lock);
	for (i = 0; i < f->count; i++) {
		if (sim_rule_hit(&f->rules[i], vmt->name, ev, from, to,
				 migrating) && !hit) {
			hit = &f->rules[i];
			hit->fired++;
			*out = hit->outcome;
			strscpy(name, hit->name, sizeof(name));
		}
	}
	spin_unlock(&f->lock);
	if (hit)
		vmt_log(vmt, "fault name=%s event=%s", name,
			sim_event_names[ev]);
	return hit;
}

/* ------------------------------------------------------------------------ */
/* Reading                                                                  */

static int complain(struct vmt_device *vmt, const char *rule,
		    const char *key, const char *why)
{
	pr_err("vfio_mig_test: %s: fault %s: %s: %s\n", vmt->name, rule, key,
	       why);
	return -EINVAL;
}

/* A call that only VFIO's core or the IOMMU sees would wait for ever. */
static bool is_device_event(int ev)
{
	if (ev == SIM_EV_MIGRATION_FLAGS || ev == SIM_EV_FEATURE)
		return false;
	return ev <= SIM_EV_LAST_DEVICE || ev == SIM_EV_ANY_CALL;
}

static int read_rule(struct vmt_device *vmt, SimRule *r, char *line)
{
	char why[SIM_WHY_CHARS];
	const char *key;
	char *word, *value;

	word = strsep(&line, " \t");
	if (!sim_rule_init(r, word))
		return complain(vmt, word, "name", "too long");
	while ((word = strsep(&line, " \t"))) {
		if (!*word)
			continue;
		value = strchr(word, '=');
		if (!value)
			return complain(vmt, r->name, word, "want key=value");
		*value++ = 0;
		if (!sim_rule_set(r, word, value, why))
			return complain(vmt, r->name, word, why);
	}
	if (!sim_rule_finish(r, &key, why))
		return complain(vmt, r->name, key, why);
	if (r->outcome.window_gone || r->outcome.raise_intx ||
	    r->outcome.flr)
		return complain(vmt, r->name, "window, intx, flr",
				"only the device of tests/sim does that");
	if (r->event == SIM_EV_DATA_FD && r->outcome.has_value)
		return complain(vmt, r->name, "value",
				"the kernel chooses the number of an fd");
	if (!is_device_event(r->event))
		return complain(vmt, r->name, "event",
				"the kernel answers that by itself");
	return 0;
}

static int add_rule(struct vmt_device *vmt, const SimRule *r)
{
	struct vmt_faults *f = &vmt->faults;
	int ret = -ENOSPC;

	spin_lock(&f->lock);
	if (f->rules && f->count < VMT_MAX_RULES) {
		f->rules[f->count++] = *r;
		ret = 0;
	}
	spin_unlock(&f->lock);
	return ret;
}

static int make_room(struct vmt_faults *f)
{
	SimRule *rules = kvcalloc(VMT_MAX_RULES, sizeof(*rules),
				  GFP_KERNEL_ACCOUNT);

	if (!rules)
		return -ENOMEM;
	spin_lock(&f->lock);
	if (!f->rules)
		swap(f->rules, rules);
	spin_unlock(&f->lock);
	kvfree(rules);
	return 0;
}

int vmt_faults_write(struct vmt_device *vmt, char *lines)
{
	SimRule *r = kzalloc(sizeof(*r), GFP_KERNEL);
	char *line;
	int ret;

	if (!r)
		return -ENOMEM;
	ret = make_room(&vmt->faults);
	while (!ret && (line = strsep(&lines, "\n"))) {
		line = strim(line);
		if (!*line || *line == '#')
			continue;
		if (!strcmp(line, "clear")) {
			spin_lock(&vmt->faults.lock);
			vmt->faults.count = 0;
			spin_unlock(&vmt->faults.lock);
			continue;
		}
		ret = read_rule(vmt, r, line);
		if (!ret)
			ret = add_rule(vmt, r);
	}
	kfree(r);
	return ret;
}

void vmt_faults_clear(struct vmt_device *vmt)
{
	kvfree(vmt->faults.rules);
	vmt->faults.rules = NULL;
	vmt->faults.count = 0;
}

/* ------------------------------------------------------------------------ */
/* Showing                                                                  */

struct tally {
	char name[SIM_NAME_CHARS];
	int event;
	unsigned int matched;
	unsigned int fired;
};

static bool get_tally(struct vmt_device *vmt, unsigned int i,
		      struct tally *t)
{
	struct vmt_faults *f = &vmt->faults;
	bool is_there;

	spin_lock(&f->lock);
	is_there = i < f->count;
	if (is_there) {
		strscpy(t->name, f->rules[i].name, sizeof(t->name));
		t->event = f->rules[i].event;
		t->matched = f->rules[i].matched;
		t->fired = f->rules[i].fired;
	}
	spin_unlock(&f->lock);
	return is_there;
}

void vmt_faults_show(struct vmt_device *vmt, struct seq_file *s)
{
	struct tally t;
	unsigned int i;

	for (i = 0; get_tally(vmt, i, &t); i++)
		seq_printf(s, "%s event=%s matched=%u fired=%u\n", t.name,
			   sim_event_names[t.event], t.matched, t.fired);
}

void vmt_faults_json(struct vmt_device *vmt, struct seq_file *s)
{
	struct tally t;
	unsigned int i;

	seq_puts(s, " \"faults\": {");
	for (i = 0; get_tally(vmt, i, &t); i++) {
		seq_puts(s, i ? ",\n  " : "\n  ");
		vmt_put_json(s, t.name);
		seq_printf(s, ": { \"matched\": %u, \"fired\": %u }",
			   t.matched, t.fired);
	}
	seq_puts(s, " }\n");
}
