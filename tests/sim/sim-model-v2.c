/*
 * Model of a migratable VFIO device, protocol v2: states and arcs
 *
 * Owns: which states and arcs a device with given flags has, what each arc
 * does, when a session begins and ends, and the size of the remaining data.
 * Does not own: the bytes (sim-model-v2-save.c, sim-model-v2-load.c); paths
 * of more than one arc, and everything about file descriptors (the host).
 *
 * Locks: the host's, held by the caller.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "sim-model.h"

/* By the numbers of the kernel's header */
static const uint32_t uapi_states[] = {
    SIM_ERROR, SIM_STOP, SIM_RUNNING, SIM_STOP_COPY, SIM_RESUMING,
    SIM_RUNNING_P2P, SIM_PRE_COPY, SIM_PRE_COPY_P2P,
};

unsigned sim_v2_to_uapi(uint32_t state)
{
    unsigned i;

    for (i = 0; i < SIM_COUNT(uapi_states); i++) {
        if (uapi_states[i] == (state & SIM_STATE_MASK)) {
            break;
        }
    }
    return i;
}

int sim_v2_from_uapi(uint32_t number)
{
    return number < SIM_COUNT(uapi_states) ? (int)uapi_states[number] : -1;
}

static bool has_pre_copy(const SimMig *m)
{
    return m->cfg.v2.pre_copy;
}

bool sim_v2_has_state(const SimMig *m, uint32_t state)
{
    switch (state) {
    case SIM_STOP:
    case SIM_RUNNING:
    case SIM_STOP_COPY:
    case SIM_RESUMING:
        return true;
    case SIM_RUNNING_P2P:
        return m->cfg.v2.p2p;
    case SIM_PRE_COPY:
        return has_pre_copy(m);
    case SIM_PRE_COPY_P2P:
        return has_pre_copy(m) && m->cfg.v2.p2p;
    default:
        return false;
    }
}

static bool either(uint32_t from, uint32_t to, uint32_t a, uint32_t b)
{
    return (from == a && to == b) || (from == b && to == a);
}

bool sim_v2_has_arc(const SimMig *m, uint32_t from, uint32_t to)
{
    bool p2p = m->cfg.v2.p2p;

    if (!sim_v2_has_state(m, from) || !sim_v2_has_state(m, to)) {
        return false;
    }
    if (either(from, to, SIM_STOP, SIM_STOP_COPY) ||
        either(from, to, SIM_STOP, SIM_RESUMING) ||
        either(from, to, SIM_RUNNING, SIM_RUNNING_P2P) ||
        either(from, to, SIM_RUNNING_P2P, SIM_STOP) ||
        either(from, to, SIM_RUNNING, SIM_PRE_COPY) ||
        either(from, to, SIM_PRE_COPY, SIM_PRE_COPY_P2P) ||
        either(from, to, SIM_RUNNING_P2P, SIM_PRE_COPY_P2P)) {
        return true;
    }
    if (from == SIM_PRE_COPY_P2P && to == SIM_STOP_COPY) {
        return true;
    }
    return !p2p && (either(from, to, SIM_RUNNING, SIM_STOP) ||
                    (from == SIM_PRE_COPY && to == SIM_STOP_COPY));
}

/* A client must not request a state that the device's flags exclude. */
void sim_v2_check_wish(SimMig *m, uint32_t number)
{
    int to = sim_v2_from_uapi(number);

    if (to < 0 || !sim_v2_has_state(m, to)) {
        sim_host_violation(m, "SET of state %u, which the device does not "
                           "have", number);
    } else if (m->state == SIM_STOP_COPY && (to == SIM_PRE_COPY ||
                                             to == SIM_PRE_COPY_P2P)) {
        sim_host_violation(m, "SET from stop-copy to %s",
                           sim_mig_state_name(m, to));
    } else if (m->state == SIM_PRE_COPY && to == SIM_STOP &&
               m->cfg.v2.p2p) {
        sim_host_violation(m, "SET from pre-copy to stop, which lets a "
                           "device of a stopped machine run");
    }
}

/* ------------------------------------------------------------------------ */
/* Arcs                                                                     */

static bool saving(uint32_t state)
{
    return state == SIM_PRE_COPY || state == SIM_PRE_COPY_P2P ||
           state == SIM_STOP_COPY;
}

static bool running(uint32_t state)
{
    return state != SIM_ERROR && (state & SIM_RUNNING);
}

void sim_v2_end_session(SimMig *m)
{
    m->v2.session = SIM_SESSION_NONE;
}

static void begin_session(SimMig *m, SimSession session)
{
    m->v2.session = session;
    m->v2.generation++;
}

static void do_arc(SimMig *m, uint32_t from, uint32_t to)
{
    if (running(from) && !running(to)) {
        sim_mig_leave_running(m);
    }
    if (saving(from) && !saving(to)) {
        sim_v2_save_end(m);
        sim_v2_end_session(m);
    }
    if (from == SIM_RESUMING) {
        sim_v2_end_session(m);
    }
    if (saving(to) && !saving(from)) {
        begin_session(m, SIM_SESSION_SAVE);
        sim_v2_save_begin(m, to != SIM_STOP_COPY);
    }
    if (to == SIM_RESUMING) {
        begin_session(m, SIM_SESSION_LOAD);
        sim_v2_load_begin(m);
    }
    sim_mig_set_state(m, to);
    if (running(to) && !running(from)) {
        sim_host_started(m);
    }
}

int sim_v2_arc(SimMig *m, uint32_t to)
{
    uint32_t from = m->state;
    SimOutcome out;
    int ret;

    sim_host_event(m, SIM_EV_STATE_WRITE, to, &out);
    ret = -out.err;
    if (!ret && !sim_v2_has_arc(m, from, to)) {
        ret = -EINVAL;
    }
    if (!ret && from == SIM_RESUMING && !sim_v2_load_end(m)) {
        ret = -EINVAL;
    }
    if (!ret) {
        do_arc(m, from, to);
    }
    sim_host_log(m, "state-write from=%s to=%s ret=%d now=%s",
                 sim_mig_state_name(m, from), sim_mig_state_name(m, to), ret,
                 sim_mig_state_name(m, m->state));
    sim_host_changed(m);
    return ret;
}

/* ------------------------------------------------------------------------ */
/* Sizes                                                                    */

static uint64_t bytes_left(const SimMig *m)
{
    uint64_t left = m->v2.session == SIM_SESSION_SAVE ? sim_v2_unread(m) : 0;

    if (m->v2.session == SIM_SESSION_SAVE && m->v2.final_begun) {
        return left;
    }
    return left + m->cfg.state_size;
}

int sim_v2_data_size(SimMig *m, uint64_t *bytes)
{
    SimOutcome out;
    int ret;

    sim_host_event(m, SIM_EV_DATA_SIZE, m->state, &out);
    ret = -out.err;
    if (!ret && m->state == SIM_ERROR) {
        ret = -EIO;
    }
    *bytes = 0;
    if (!ret) {
        *bytes = m->cfg.v2.told_size != SIM_NO_SIZE ? m->cfg.v2.told_size
                                                    : bytes_left(m);
    }
    if (!ret && out.has_value) {
        *bytes = out.value;
    }
    sim_host_log(m, "data-size bytes=%llu ret=%d", (ull)bytes[0], ret);
    return ret;
}
