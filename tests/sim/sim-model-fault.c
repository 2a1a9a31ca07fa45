/*
 * Model of a migratable VFIO device: fault rules
 *
 * Owns: one rule: its keys, which event it waits for, the count, and what
 * it does when it fires. Does not own: the list of rules, the lock around
 * it, and how a call carries a fault out; the caller gets a SimOutcome.
 *
 * Pure; no locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "sim-model.h"

/* A test that waits longer for a call than this has a typing error. */
#define MAX_DELAY_MS (10 * 60 * 1000)

static bool wrong(char why[SIM_WHY_CHARS], const char *what)
{
    snprintf(why, SIM_WHY_CHARS, "%s", what);
    return false;
}

bool sim_rule_init(SimRule *r, const char *name)
{
    memset(r, 0, sizeof(*r));
    r->event = -1;
    r->nth = 1;
    r->once = true;
    r->every = 1;
    if (strlen(name) >= sizeof(r->name)) {
        return false;
    }
    strcpy(r->name, name);
    return true;
}

static bool set_state(uint32_t *state, bool *given, const char *text,
                      char why[SIM_WHY_CHARS])
{
    *given = true;
    return sim_parse_state(text, state) ||
           wrong(why, "want a state such as running or 011");
}

static bool set_number(uint64_t *value, const char *text,
                       char why[SIM_WHY_CHARS])
{
    return sim_parse_size(text, value) ||
           wrong(why, "want a number such as 4096, 0x1000 or 64K");
}

/* What the rule waits for. *known is false for a key of the other half. */
static bool set_condition(SimRule *r, const char *key, const char *text,
                          bool *known, char why[SIM_WHY_CHARS])
{
    *known = true;
    if (strcmp(key, "event") == 0) {
        r->event = sim_parse_event(text);
        if (r->event < 0) {
            snprintf(why, SIM_WHY_CHARS, "'%.40s' is none of the events in "
                     "docs/sim.md", text);
        }
        return r->event >= 0;
    }
    if (strcmp(key, "device") == 0) {
        if (strlen(text) >= sizeof(r->device)) {
            return wrong(why, "the name is too long");
        }
        strcpy(r->device, text);
        return true;
    }
    if (strcmp(key, "state") == 0) {
        return set_state(&r->state, &r->has_state, text, why);
    }
    if (strcmp(key, "from") == 0) {
        return set_state(&r->from, &r->has_from, text, why);
    }
    if (strcmp(key, "to") == 0) {
        return set_state(&r->to, &r->has_to, text, why);
    }
    if (strcmp(key, "phase") == 0) {
        r->migration_only = strcmp(text, "migration") == 0;
        return r->migration_only || strcmp(text, "any") == 0 ||
               wrong(why, "want any or migration");
    }
    if (strcmp(key, "count") == 0) {
        return set_number(&r->nth, text, why);
    }
    if (strcmp(key, "once") == 0) {
        return sim_parse_bool(text, &r->once) || wrong(why, "want yes or no");
    }
    if (strcmp(key, "every") == 0) {
        return set_number(&r->every, text, why) &&
               (r->every || wrong(why, "want 1 or more"));
    }
    *known = false;
    return true;
}

/* What the rule does. */
static bool set_action(SimRule *r, const char *key, const char *text,
                       char why[SIM_WHY_CHARS])
{
    SimOutcome *out = &r->outcome;
    uint64_t number = 0;
    bool flag;

    if (strcmp(key, "errno") == 0) {
        out->err = sim_parse_errno(text);
        return out->err ||
               wrong(why, "want the name of an errno, such as EIO");
    }
    if (strcmp(key, "eintr") == 0) {
        if (!sim_parse_bool(text, &flag)) {
            return wrong(why, "want yes or no");
        }
        out->err = flag ? EINTR : out->err;
        return true;
    }
    if (strcmp(key, "short") == 0) {
        out->has_short = set_number(&number, text, why);
        out->short_len = number;
        return out->has_short;
    }
    if (strcmp(key, "value") == 0) {
        out->has_value = set_number(&out->value, text, why);
        return out->has_value;
    }
    if (strcmp(key, "device-state") == 0) {
        out->set_error = strcmp(text, "error") == 0;
        return out->set_error || wrong(why, "can only be error");
    }
    if (strcmp(key, "window") == 0) {
        out->window_gone = strcmp(text, "gone") == 0;
        return out->window_gone || wrong(why, "can only be gone");
    }
    if (strcmp(key, "intx") == 0) {
        out->raise_intx = strcmp(text, "raise") == 0;
        return out->raise_intx || wrong(why, "can only be raise");
    }
    if (strcmp(key, "flr") == 0) {
        out->flr = strcmp(text, "now") == 0;
        return out->flr || wrong(why, "can only be now");
    }
    if (strcmp(key, "delay-ms") == 0) {
        return set_number(&out->delay_ms, text, why) &&
               (out->delay_ms <= MAX_DELAY_MS ||
                wrong(why, "want at most ten minutes"));
    }
    return wrong(why, "no such key");
}

bool sim_rule_set(SimRule *r, const char *key, const char *text,
                  char why[SIM_WHY_CHARS])
{
    bool known;

    if (!set_condition(r, key, text, &known, why)) {
        return false;
    }
    return known || set_action(r, key, text, why);
}

bool sim_rule_finish(SimRule *r, const char **key, char why[SIM_WHY_CHARS])
{
    const SimOutcome *out = &r->outcome;

    *key = "event";
    if (r->event < 0) {
        return wrong(why, "must be given");
    }
    if ((r->has_from || r->has_to) && r->event != SIM_EV_STATE_WRITE) {
        return wrong(why, "from= and to= need state-write");
    }
    if (out->window_gone &&
        (r->event > SIM_EV_DATA_WRITE || r->event == SIM_EV_STATE_WRITE)) {
        return wrong(why, "window= needs another access to the migration "
                     "region than state-write");
    }
    if (out->raise_intx && r->event > SIM_EV_LAST_DEVICE) {
        return wrong(why, "intx= needs a call on a device");
    }
    if (out->flr && r->event > SIM_EV_LAST_DEVICE &&
        r->event != SIM_EV_ANY_CALL) {
        return wrong(why, "flr= needs a call on a device");
    }
    *key = "errno";
    if (!out->err && !out->has_value && !out->has_short &&
        !out->set_error && !out->delay_ms && !out->window_gone &&
        !out->raise_intx && !out->flr) {
        return wrong(why, "the rule does nothing: give errno, short, value, "
                     "delay-ms, device-state, window, intx, flr or eintr");
    }
    return true;
}

/* ------------------------------------------------------------------------ */
/* Firing                                                                   */

static bool event_matches(int rule, SimEvent ev)
{
    switch (rule) {
    case SIM_EV_ANY_CALL:
        return ev <= SIM_EV_LAST_DEVICE;
    case SIM_EV_ANY_CONTAINER_CALL:
        return ev > SIM_EV_LAST_DEVICE && ev <= SIM_EV_LAST_CONTAINER;
    default:
        return rule == (int)ev;
    }
}

bool sim_rule_hit(SimRule *r, const char *device, SimEvent ev, uint32_t from,
                  uint32_t to, bool migrating)
{
    if (!event_matches(r->event, ev) ||
        (r->device[0] && (!device || strcmp(r->device, device) != 0)) ||
        (r->migration_only && !migrating) ||
        (r->has_state && r->state != (from & SIM_STATE_MASK)) ||
        (r->has_from && r->from != (from & SIM_STATE_MASK)) ||
        (r->has_to && r->to != (to & SIM_STATE_MASK))) {
        return false;
    }
    r->matched++;
    return r->once ? r->matched == r->nth
                   : r->matched >= r->nth &&
                     (r->matched - r->nth) % r->every == 0;
}
