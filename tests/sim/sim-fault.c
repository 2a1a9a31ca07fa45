/*
 * Simulated VFIO devices: fault rules
 *
 * Owns: the [fault NAME] groups, and the list of rules that they define.
 * Does not own: what a rule is (sim-model-fault.c), and how a call implements
 * a fault; the caller gets a SimOutcome.
 *
 * Locks: a private lock for the counters. A rule's delay happens outside of
 * it, but with the caller's locks held, as in a driver; that of a read from a
 * data fd happens without SimDevice.mig_lock, too.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>

#include "sim-internal.h"
#include "sim-keys.h"

static GMutex fault_lock;
static GPtrArray *faults;       /* SimRule */
static SimFaultPlayer *fault_player;

/* ------------------------------------------------------------------------ */
/* Reading a rule                                                           */

static void read_keys(SimKeys *k, SimRule *r)
{
    g_auto(GStrv) keys = g_key_file_get_keys(k->file, k->group, NULL, NULL);
    char why[SIM_WHY_CHARS];
    const char *wrong;

    for (size_t i = 0; keys && keys[i]; i++) {
        g_autofree char *text = sim_keys_text(k, keys[i]);

        if (!sim_rule_set(r, keys[i], text, why)) {
            sim_keys_fail(k, keys[i], why);
        }
    }
    if (r->device[0] && !sim_find_device(r->device)) {
        sim_keys_fail(k, "device", "no [device] of that name stands above");
    }
    if (!sim_rule_finish(r, &wrong, why)) {
        sim_keys_fail(k, wrong, why);
    }
}

bool sim_fault_load(GKeyFile *keys, const char *group, GError **err)
{
    SimRule *rule = g_new0(SimRule, 1);
    SimKeys k;

    g_mutex_lock(&fault_lock);
    if (!faults) {
        faults = g_ptr_array_new_with_free_func(g_free);
    }
    g_ptr_array_add(faults, rule);
    g_mutex_unlock(&fault_lock);
    sim_keys_open(&k, keys, group, err);
    if (!sim_rule_init(rule, group + strlen("fault "))) {
        sim_keys_fail(&k, "name", "too long");
    }
    read_keys(&k, rule);
    return sim_keys_close(&k);
}

void sim_fault_set_player(SimFaultPlayer *player)
{
    fault_player = player;
}

void sim_fault_clear_all(void)
{
    g_mutex_lock(&fault_lock);
    g_clear_pointer(&faults, g_ptr_array_unref);
    g_mutex_unlock(&fault_lock);
}

/* ------------------------------------------------------------------------ */
/* Firing                                                                   */

/*
 * A read from a data fd waits for the device as in drivers: the state may be
 * changed during the wait, which may end the session.
 */
static void pass_delay(SimDevice *d, SimEvent ev, uint64_t delay_ms)
{
    bool unlocked = d && ev == SIM_EV_DATA_READ && d->mig.cfg.protocol_v2;

    if (unlocked) {
        g_mutex_unlock(&d->mig_lock);
    }
    sim_host_sleep_until_us(g_get_monotonic_time() + (int64_t)delay_ms * 1000);
    if (unlocked) {
        g_mutex_lock(&d->mig_lock);
    }
}

bool sim_fault_hit(SimDevice *d, SimEvent ev, uint32_t from, uint32_t to,
                   bool migrating, SimOutcome *out)
{
    const char *who = d ? d->cfg.name : NULL;
    SimRule *hit = NULL;
    char name[SIM_NAME_CHARS];

    memset(out, 0, sizeof(*out));
    if (fault_player) {
        return fault_player(d, ev, from, to, out);
    }
    g_mutex_lock(&fault_lock);
    for (unsigned i = 0; faults && i < faults->len; i++) {
        SimRule *rule = g_ptr_array_index(faults, i);

        if (sim_rule_hit(rule, who, ev, from, to, migrating) && !hit) {
            hit = rule;
            hit->fired++;
            *out = hit->outcome;
            memcpy(name, hit->name, sizeof(name));
        }
    }
    g_mutex_unlock(&fault_lock);
    if (!hit) {
        return false;
    }
    sim_log(who ? who : "container", "fault name=%s event=%s", name,
            sim_event_names[ev]);
    if (out->delay_ms) {
        pass_delay(d, ev, out->delay_ms);
    }
    return true;
}

void sim_fault_foreach(void (*fn)(const SimRule *rule, void *opaque),
                       void *opaque)
{
    g_mutex_lock(&fault_lock);
    for (unsigned i = 0; faults && i < faults->len; i++) {
        fn(g_ptr_array_index(faults, i), opaque);
    }
    g_mutex_unlock(&fault_lock);
}

int vfio_sim_fault_fired(const char *name)
{
    int fired = -1;

    g_mutex_lock(&fault_lock);
    for (unsigned i = 0; faults && i < faults->len; i++) {
        const SimRule *rule = g_ptr_array_index(faults, i);

        if (strcmp(rule->name, name) == 0) {
            fired = rule->fired;
        }
    }
    g_mutex_unlock(&fault_lock);
    return fired;
}
