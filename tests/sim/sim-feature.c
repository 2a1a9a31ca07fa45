/*
 * Simulated VFIO devices: VFIO_DEVICE_FEATURE
 *
 * Owns: the requests of protocol v2: the checks by the kernel's VFIO core for
 * every feature, which kernel has which feature, and the results of MIGRATION,
 * MIG_DEVICE_STATE, MIG_DATA_SIZE and the opt-in for REINIT.
 * Does not own: the device itself (sim-model-v2.c), the data fd
 * (sim-data-file.c), its DMA log (sim-dma-log.c).
 *
 * Locks: SimDevice.mig_lock around each.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>

#include "sim-internal.h"
#include "sim-uapi.h"

#define OPERATIONS (SIM_FEATURE_GET | SIM_FEATURE_SET)

/* ------------------------------------------------------------------------ */
/* The features; called with the lock held                                  */

static int get_flags(SimDevice *d, void *data)
{
    const SimV2Config *c = &d->mig.cfg.v2;
    uint64_t *flags = data;
    SimOutcome out;

    sim_host_event(&d->mig, SIM_EV_MIGRATION_FLAGS, d->mig.state, &out);
    *flags = SIM_MIGRATION_STOP_COPY | (c->p2p ? SIM_MIGRATION_P2P : 0) |
             (c->pre_copy ? SIM_MIGRATION_PRE_COPY : 0);
    if (out.has_value) {
        *flags = out.value;
    }
    sim_log(d->cfg.name, "migration-flags value=0x%llx ret=%d",
            (unsigned long long)*flags, -out.err);
    return -out.err;
}

static int get_state(SimDevice *d, void *data)
{
    SimFeatureState *state = data;
    SimOutcome out;

    sim_host_event(&d->mig, SIM_EV_STATE_READ, d->mig.state, &out);
    state->device_state = sim_v2_to_uapi(d->mig.state);
    state->data_fd = -1;
    if (out.has_value) {
        state->device_state = out.value;
    }
    sim_log(d->cfg.name, "state-read now=%s value=%u ret=%d",
            sim_mig_state_name(&d->mig, d->mig.state), state->device_state,
            -out.err);
    return -out.err;
}

static int set_state(SimDevice *d, void *data)
{
    SimFeatureState *state = data;
    uint32_t from = d->mig.state;
    uint64_t generation = d->mig.v2.generation;
    int to = sim_v2_from_uapi(state->device_state);
    int ret = -EINVAL;

    sim_v2_check_wish(&d->mig, state->device_state);
    state->data_fd = -1;
    if (to >= 0) {
        ret = sim_walk(d, to);
    }
    __atomic_store_n(&d->mig.v2.set_failed, ret < 0, __ATOMIC_RELAXED);
    if (!ret && d->mig.v2.session != SIM_SESSION_NONE &&
        d->mig.v2.generation != generation) {
        ret = sim_data_file_open(d, &state->data_fd);
    }
    if (!ret) {
        sim_order_check(d, from, to);
    }
    sim_log(d->cfg.name, "set from=%s to=%s ret=%d now=%s fd=%d",
            sim_mig_state_name(&d->mig, from),
            to < 0 ? "none" : sim_mig_state_name(&d->mig, to), ret,
            sim_mig_state_name(&d->mig, d->mig.state), state->data_fd);
    return ret;
}

static int get_data_size(SimDevice *d, void *data)
{
    return sim_v2_data_size(&d->mig, data);
}

static int set_reinit(SimDevice *d, void *data)
{
    SimOutcome out;

    sim_host_event(&d->mig, SIM_EV_FEATURE, d->mig.state, &out);
    d->mig.v2.reinit_wanted |= !out.err;
    return -out.err;
}

/* ------------------------------------------------------------------------ */
/* Table of features                                                        */

typedef struct Feature {
    unsigned number;
    size_t bytes;                   /* of its data */
    int (*get)(SimDevice *d, void *data);
    int (*set)(SimDevice *d, void *data);
    SimKernel since;
    bool logs;                      /* only for a device with a log */
} Feature;

static const Feature features[] = {
    { SIM_FEATURE_MIGRATION, sizeof(uint64_t), get_flags, NULL },
    { SIM_FEATURE_STATE, sizeof(SimFeatureState), get_state, set_state },
    { SIM_FEATURE_LOG_START, sizeof(SimFeatureLogStart), NULL,
      sim_dma_log_start, .logs = true },
    { SIM_FEATURE_LOG_STOP, 0, NULL, sim_dma_log_stop, .logs = true },
    { SIM_FEATURE_LOG_REPORT, sizeof(SimFeatureLogReport),
      sim_dma_log_report, NULL, .logs = true },
    { SIM_FEATURE_DATA_SIZE, sizeof(uint64_t), get_data_size, NULL,
      SIM_KERNEL_6_2 },
    { SIM_FEATURE_PRECOPY_INFO_V2, 0, NULL, set_reinit, SIM_KERNEL_7_1 },
};

static const Feature *find_feature(SimDevice *d, unsigned number)
{
    for (size_t i = 0; i < G_N_ELEMENTS(features); i++) {
        if (features[i].number == number &&
            features[i].since <= d->mig.cfg.v2.kernel &&
            (!features[i].logs || d->mig.cfg.v2.log != SIM_LOG_NO)) {
            return &features[i];
        }
    }
    return NULL;
}

static int misused(SimDevice *d, const SimFeature *f, const char *how)
{
    sim_host_violation(&d->mig, "feature with argsz=%u flags=0x%x: %s",
                       f->argsz, f->flags, how);
    return -EINVAL;
}

/* The kernel's checks. Returns 1 to continue, 0 if done, or -errno. */
static int check_request(SimDevice *d, const Feature *feature,
                         const SimFeature *f)
{
    uint32_t ops = (feature->get ? SIM_FEATURE_GET : 0) |
                   (feature->set ? SIM_FEATURE_SET : 0);

    if (f->flags & OPERATIONS & ~ops) {
        return misused(d, f, "it cannot be asked so");
    }
    if (f->flags & SIM_FEATURE_PROBE) {
        return 0;
    }
    if (!(f->flags & OPERATIONS)) {
        return misused(d, f, "neither GET nor SET");
    }
    if (f->argsz - sizeof(*f) < feature->bytes) {
        return misused(d, f, "too small");
    }
    return 1;
}

/* Faults and transcript for probes and unknown features; others do it. */
static int plain_call(SimDevice *d, const SimFeature *f, int ret)
{
    SimOutcome out;

    sim_host_event(&d->mig, SIM_EV_FEATURE, d->mig.state, &out);
    ret = out.err ? -out.err : ret;
    sim_log(d->cfg.name, "feature number=%u flags=0x%x ret=%d",
            f->flags & SIM_FEATURE_NUMBER, f->flags & ~SIM_FEATURE_NUMBER,
            ret);
    return ret;
}

static int do_feature(SimDevice *d, SimFeature *f)
{
    const uint32_t known = SIM_FEATURE_NUMBER | OPERATIONS |
                           SIM_FEATURE_PROBE;
    const Feature *feature;
    int ret;

    if (f->argsz < sizeof(*f) || f->flags & ~known) {
        return misused(d, f, "too small, or unknown flags");
    }
    if (!(f->flags & SIM_FEATURE_PROBE) &&
        (f->flags & OPERATIONS) == OPERATIONS) {
        return misused(d, f, "both GET and SET");
    }
    feature = find_feature(d, f->flags & SIM_FEATURE_NUMBER);
    if (!feature) {
        return plain_call(d, f, -(int)d->mig.cfg.v2.unknown_errno);
    }
    ret = check_request(d, feature, f);
    if (ret <= 0) {
        return ret ? ret : plain_call(d, f, 0);
    }
    return f->flags & SIM_FEATURE_GET ? feature->get(d, f->data)
                                      : feature->set(d, f->data);
}

int sim_feature_ioctl(SimDevice *d, void *arg)
{
    int ret;

    g_mutex_lock(&d->mig_lock);
    ret = do_feature(d, arg);
    g_mutex_unlock(&d->mig_lock);
    return ret;
}
