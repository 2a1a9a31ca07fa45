/*
 * Simulated VFIO devices: fault rules
 *
 * Owns: the [fault NAME] groups: which event they wait for, the count, and
 * what they do when they fire. Does not own: how a call carries a fault
 * out; the caller gets a SimOutcome.
 *
 * Locks: a lock of its own around the counters. A rule's delay passes
 * outside of it, but inside of whatever the caller holds, as in a driver.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>

#include "sim-internal.h"
#include "sim-keys.h"

struct SimFault {
    char *name;
    char *device;                   /* NULL = any */
    SimEvent event;
    bool has_state, has_from, has_to;
    uint32_t state, from, to;
    bool migration_only;
    uint64_t nth;                   /* first match that fires, from 1 */
    bool once;
    int64_t delay_us;
    SimOutcome outcome;
    unsigned matched;
    unsigned fired;
};

static GMutex fault_lock;
static GPtrArray *faults;

static const char *const event_names[SIM_NUM_EVENTS + 1] = {
    [SIM_EV_STATE_WRITE] = "state-write",
    [SIM_EV_STATE_READ] = "state-read",
    [SIM_EV_PENDING_READ] = "pending-read",
    [SIM_EV_DATA_OFFSET_READ] = "data-offset-read",
    [SIM_EV_DATA_SIZE_READ] = "data-size-read",
    [SIM_EV_DATA_SIZE_WRITE] = "data-size-write",
    [SIM_EV_DATA_READ] = "data-read",
    [SIM_EV_DATA_WRITE] = "data-write",
    [SIM_EV_MMAP] = "mmap",
    [SIM_EV_DEVICE_INFO] = "device-info",
    [SIM_EV_REGION_INFO] = "region-info",
    [SIM_EV_IRQ_INFO] = "irq-info",
    [SIM_EV_SET_IRQS] = "set-irqs",
    [SIM_EV_RESET] = "reset",
    [SIM_EV_CONFIG_READ] = "config-read",
    [SIM_EV_CONFIG_WRITE] = "config-write",
    [SIM_EV_BAR_READ] = "bar-read",
    [SIM_EV_BAR_WRITE] = "bar-write",
    [SIM_EV_OTHER] = "other",
    [SIM_EV_MAP_DMA] = "map-dma",
    [SIM_EV_UNMAP_DMA] = "unmap-dma",
    [SIM_EV_DIRTY_START] = "dirty-start",
    [SIM_EV_DIRTY_STOP] = "dirty-stop",
    [SIM_EV_DIRTY_GET] = "dirty-get",
    [SIM_EV_IOMMU_INFO] = "iommu-info",
    [SIM_EV_ANY_CALL] = "any-call",
    [SIM_EV_ANY_CONTAINER_CALL] = "any-container-call",
};

const char *sim_event_name(SimEvent ev)
{
    return event_names[ev];
}

/* ------------------------------------------------------------------------ */
/* Reading a rule                                                           */

static const struct {
    const char *name;
    int value;
} errno_names[] = {
    { "EPERM", EPERM }, { "ENOENT", ENOENT }, { "EINTR", EINTR },
    { "EIO", EIO }, { "ENXIO", ENXIO }, { "EAGAIN", EAGAIN },
    { "ENOMEM", ENOMEM }, { "EACCES", EACCES }, { "EFAULT", EFAULT },
    { "EBUSY", EBUSY }, { "EEXIST", EEXIST }, { "ENODEV", ENODEV },
    { "EINVAL", EINVAL }, { "ENOTTY", ENOTTY }, { "ENOSPC", ENOSPC },
    { "EPIPE", EPIPE }, { "E2BIG", E2BIG }, { "ENOSYS", ENOSYS },
    { "EOPNOTSUPP", EOPNOTSUPP }, { "ETIMEDOUT", ETIMEDOUT },
    { "EOVERFLOW", EOVERFLOW }, { "EMSGSIZE", EMSGSIZE },
};

int sim_keys_errno(SimKeys *k, const char *key, int fallback)
{
    g_autofree char *text = sim_keys_text(k, key);

    if (!text) {
        return fallback;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(errno_names); i++) {
        if (strcmp(errno_names[i].name, text) == 0) {
            return errno_names[i].value;
        }
    }
    sim_keys_fail(k, key, "want the name of an errno, such as EIO");
    return fallback;
}

static uint32_t read_state(SimKeys *k, const char *key, bool *given)
{
    g_autofree char *text = sim_keys_text(k, key);
    uint32_t state = 0;

    *given = text != NULL;
    if (text && !sim_parse_state(text, &state)) {
        sim_keys_fail(k, key, "want a state such as running or 011");
    }
    return state;
}

static void read_condition(SimKeys *k, SimFault *f)
{
    static const char *const phases[] = { "any", "migration", NULL };
    int event = sim_keys_choice(k, "event", event_names, -1);

    if (event < 0) {
        sim_keys_fail(k, "event", "must be given");
        event = 0;
    }
    f->event = event;
    f->device = sim_keys_text(k, "device");
    if (f->device && !sim_find_device(f->device)) {
        sim_keys_fail(k, "device", "no [device] of that name stands above");
    }
    f->state = read_state(k, "state", &f->has_state);
    f->from = read_state(k, "from", &f->has_from);
    f->to = read_state(k, "to", &f->has_to);
    if ((f->has_from || f->has_to) && f->event != SIM_EV_STATE_WRITE) {
        sim_keys_fail(k, "event", "from= and to= need state-write");
    }
    f->migration_only = sim_keys_choice(k, "phase", phases, 0) == 1;
    f->nth = sim_keys_size(k, "count", 1);
    f->once = sim_keys_bool(k, "once", true);
}

static void read_action(SimKeys *k, SimFault *f)
{
    g_autofree char *state = sim_keys_text(k, "device-state");
    g_autofree char *value = sim_keys_text(k, "value");
    g_autofree char *shortened = sim_keys_text(k, "short");
    uint64_t len = 0;

    f->outcome.err = sim_keys_errno(k, "errno", 0);
    f->delay_us = sim_keys_size(k, "delay-ms", 0) * 1000;
    if (sim_keys_bool(k, "eintr", false)) {
        f->outcome.err = EINTR;
    }
    if (state) {
        f->outcome.set_error = strcmp(state, "error") == 0;
        if (!f->outcome.set_error) {
            sim_keys_fail(k, "device-state", "can only be error");
        }
    }
    f->outcome.has_value = value != NULL;
    if (value && !sim_parse_size(value, &f->outcome.value)) {
        sim_keys_fail(k, "value", "want a number");
    }
    f->outcome.has_short = shortened != NULL;
    if (shortened && !sim_parse_size(shortened, &len)) {
        sim_keys_fail(k, "short", "want a number of bytes");
    }
    f->outcome.short_len = len;
    if (!f->outcome.err && !f->outcome.has_value && !f->outcome.has_short &&
        !f->outcome.set_error && !f->delay_us) {
        sim_keys_fail(k, "errno", "the rule does nothing: give errno, "
                      "short, value, delay-ms, device-state or eintr");
    }
}

static void fault_free(SimFault *f)
{
    g_free(f->name);
    g_free(f->device);
    g_free(f);
}

SimFault *sim_fault_parse(GKeyFile *keys, const char *group, GError **err)
{
    SimFault *f = g_new0(SimFault, 1);
    SimKeys k;

    f->name = g_strdup(group + strlen("fault "));
    sim_keys_open(&k, keys, group, err);
    read_condition(&k, f);
    read_action(&k, f);
    if (!sim_keys_close(&k)) {
        fault_free(f);
        return NULL;
    }
    return f;
}

void sim_fault_add(SimFault *f)
{
    g_mutex_lock(&fault_lock);
    if (!faults) {
        faults = g_ptr_array_new_with_free_func((GDestroyNotify)fault_free);
    }
    g_ptr_array_add(faults, f);
    g_mutex_unlock(&fault_lock);
}

void sim_fault_clear_all(void)
{
    g_mutex_lock(&fault_lock);
    g_clear_pointer(&faults, g_ptr_array_unref);
    g_mutex_unlock(&fault_lock);
}

/* ------------------------------------------------------------------------ */
/* Firing                                                                   */

static bool event_matches(SimEvent rule, SimEvent ev)
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

static bool rule_matches(SimFault *f, SimDevice *d, SimEvent ev,
                         uint32_t from, uint32_t to, bool migrating)
{
    if (!event_matches(f->event, ev) ||
        (f->device && (!d || strcmp(f->device, d->cfg.name) != 0)) ||
        (f->migration_only && !migrating)) {
        return false;
    }
    return (!f->has_state || f->state == (from & SIM_STATE_MASK)) &&
           (!f->has_from || f->from == (from & SIM_STATE_MASK)) &&
           (!f->has_to || f->to == (to & SIM_STATE_MASK));
}

/* Counts a match; true when it is this rule's turn. */
static bool rule_is_due(SimFault *f)
{
    f->matched++;
    return f->once ? f->matched == f->nth : f->matched >= f->nth;
}

bool sim_fault_hit(SimDevice *d, SimEvent ev, uint32_t from, uint32_t to,
                   bool migrating, SimOutcome *out)
{
    SimFault *hit = NULL;
    g_autofree char *name = NULL;
    int64_t delay_us = 0;

    memset(out, 0, sizeof(*out));
    g_mutex_lock(&fault_lock);
    for (unsigned i = 0; faults && i < faults->len; i++) {
        SimFault *f = g_ptr_array_index(faults, i);

        if (rule_matches(f, d, ev, from, to, migrating) && rule_is_due(f) &&
            !hit) {
            hit = f;
            f->fired++;
            *out = f->outcome;
            delay_us = f->delay_us;
            name = g_strdup(f->name);
        }
    }
    g_mutex_unlock(&fault_lock);
    if (!hit) {
        return false;
    }
    sim_log(d ? d->cfg.name : "container", "fault name=%s event=%s", name,
            sim_event_name(ev));
    if (delay_us) {
        sim_sleep_until_us(g_get_monotonic_time() + delay_us);
    }
    return true;
}

void sim_fault_foreach(void (*fn)(const char *name, unsigned matched,
                                  unsigned fired, void *opaque),
                       void *opaque)
{
    g_mutex_lock(&fault_lock);
    for (unsigned i = 0; faults && i < faults->len; i++) {
        SimFault *f = g_ptr_array_index(faults, i);

        fn(f->name, f->matched, f->fired, opaque);
    }
    g_mutex_unlock(&fault_lock);
}

int vfio_sim_fault_fired(const char *name)
{
    int fired = -1;

    g_mutex_lock(&fault_lock);
    for (unsigned i = 0; faults && i < faults->len; i++) {
        SimFault *f = g_ptr_array_index(faults, i);

        if (strcmp(f->name, name) == 0) {
            fired = f->fired;
        }
    }
    g_mutex_unlock(&fault_lock);
    return fired;
}
