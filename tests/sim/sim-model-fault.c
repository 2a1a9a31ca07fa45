/*
 * Model of a migratable VFIO device: fault rules
 *
 * Owns: one rule: its keys, which event it matches, the count, and what
 * happens when it fires. Does not own: the list of rules and its lock, and how
 * a call implements a fault; the caller gets a SimOutcome.
 *
 * Pure; no locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "sim-model.h"

/* A longer delay must be a typing error. */
#define MAX_DELAY_MS (10 * 60 * 1000)

static const char *const phases[] = { "any", "migration", NULL };
static const char *const dead[] = { "as-it-is", "error", NULL };
static const char *const window[] = { "there", "gone", NULL };
static const char *const intx[] = { "as-it-is", "raise", NULL };
static const char *const flr[] = { "never", "now", NULL };

#define KEY(name, kind, field, fallback, choices) \
    { name, SIM_KEY_##kind, offsetof(SimRule, field), fallback, choices }

static const SimKey rule_keys[] = {
    KEY("event", CHOICE, event, NULL, sim_event_names),
    KEY("device", NAME, device, "", NULL),
    KEY("state", STATE, state, NULL, NULL),
    KEY("from", STATE, from, NULL, NULL),
    KEY("to", STATE, to, NULL, NULL),
    KEY("phase", CHOICE, migration_only, "any", phases),
    KEY("count", SIZE, nth, "1", NULL),
    KEY("once", BOOL, once, "yes", NULL),
    KEY("every", SIZE, every, "1", NULL),
    KEY("errno", ERRNO, err, NULL, NULL),
    KEY("short", SIZE, short_len, "0xffffffffffffffff", NULL),
    KEY("value", SIZE, value, "0", NULL),
    KEY("device-state", CHOICE, set_error, "as-it-is", dead),
    KEY("delay-ms", SIZE, delay_ms, "0", NULL),
    KEY("window", CHOICE, window_gone, "there", window),
    KEY("intx", CHOICE, raise_intx, "as-it-is", intx),
    KEY("flr", CHOICE, flr, "never", flr),
    { NULL, 0, 0, NULL, NULL }
};

bool sim_rule_init(SimRule *r, const char *name)
{
    memset(r, 0, sizeof(*r));
    sim_keys_default(rule_keys, r);
    r->event = SIM_NUM_EVENTS;
    r->state = r->from = r->to = SIM_NUM_STATES;
    if (strlen(name) >= sizeof(r->name)) {
        return false;
    }
    strcpy(r->name, name);
    return true;
}

bool sim_rule_set(SimRule *r, const char *key, const char *text,
                  char why[SIM_WHY_CHARS])
{
    const SimKey *k = sim_key_find(rule_keys, key);

    if (!k) {
        snprintf(why, SIM_WHY_CHARS, "no such key");
        return false;
    }
    r->has_value |= k->offset == offsetof(SimRule, value);
    if (sim_key_set(k, r, text, why)) {
        return true;
    }
    if (k->choices == sim_event_names) {
        snprintf(why, SIM_WHY_CHARS, "'%.40s' is none of the events in "
                 "docs/sim.md", text);
    }
    return false;
}

static bool wrong(char why[SIM_WHY_CHARS], const char *what)
{
    snprintf(why, SIM_WHY_CHARS, "%s", what);
    return false;
}

bool sim_rule_finish(SimRule *r, const char **key, char why[SIM_WHY_CHARS])
{
    bool has_short = r->short_len != UINT64_MAX;

    *key = "event";
    if (r->event == SIM_NUM_EVENTS) {
        return wrong(why, "must be given");
    }
    if ((r->from != SIM_NUM_STATES || r->to != SIM_NUM_STATES) &&
        r->event != SIM_EV_STATE_WRITE) {
        return wrong(why, "from= and to= need state-write");
    }
    if (r->window_gone &&
        (r->event > SIM_EV_DATA_WRITE || r->event == SIM_EV_STATE_WRITE)) {
        return wrong(why, "window= needs another access to the migration "
                     "region than state-write");
    }
    if (r->raise_intx && r->event > SIM_EV_LAST_DEVICE) {
        return wrong(why, "intx= needs a call on a device");
    }
    if (r->flr && r->event > SIM_EV_LAST_DEVICE &&
        r->event != SIM_EV_ANY_CALL) {
        return wrong(why, "flr= needs a call on a device");
    }
    *key = "every";
    if (!r->every) {
        return wrong(why, "want 1 or more");
    }
    *key = "delay-ms";
    if (r->delay_ms > MAX_DELAY_MS) {
        return wrong(why, "want at most ten minutes");
    }
    *key = "errno";
    if (!r->err && !r->has_value && !has_short && !r->set_error &&
        !r->delay_ms && !r->window_gone && !r->raise_intx && !r->flr) {
        return wrong(why, "the rule does nothing: give errno, short, value, "
                     "delay-ms, device-state, window, intx or flr");
    }
    r->outcome = (SimOutcome) {
        .err = r->err,
        .has_short = has_short,
        .short_len = r->short_len,
        .has_value = r->has_value,
        .value = r->value,
        .set_error = r->set_error,
        .delay_ms = r->delay_ms,
        .window_gone = r->window_gone,
        .raise_intx = r->raise_intx,
        .flr = r->flr,
    };
    return true;
}

/* ------------------------------------------------------------------------ */
/* Firing                                                                   */

static bool event_matches(uint64_t rule, SimEvent ev)
{
    switch (rule) {
    case SIM_EV_ANY_CALL:
        return ev <= SIM_EV_LAST_DEVICE;
    case SIM_EV_ANY_CONTAINER_CALL:
        return ev > SIM_EV_LAST_DEVICE && ev <= SIM_EV_LAST_CONTAINER;
    default:
        return rule == ev;
    }
}

static bool state_matches(uint64_t rule, uint32_t state)
{
    return rule == SIM_NUM_STATES || rule == (state & SIM_STATE_MASK);
}

bool sim_rule_hit(SimRule *r, const char *device, SimEvent ev, uint32_t from,
                  uint32_t to, bool migrating)
{
    if (!event_matches(r->event, ev) ||
        (r->device[0] && (!device || strcmp(r->device, device) != 0)) ||
        (r->migration_only && !migrating) ||
        !state_matches(r->state, from) || !state_matches(r->from, from) ||
        !state_matches(r->to, to)) {
        return false;
    }
    r->matched++;
    return r->once ? r->matched == r->nth
                   : r->matched >= r->nth &&
                     (r->matched - r->nth) % r->every == 0;
}
