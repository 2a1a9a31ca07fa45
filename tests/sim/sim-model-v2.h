/*
 * Model of a migratable VFIO device, protocol v2
 *
 * Owns: the types of the v2 side of the model, and what a host may request: one
 * arc, bytes out and in, sizes. The host provides the interface (a feature
 * ioctl and a data fd) and the walk over several arcs: in the kernel these are
 * in its VFIO core, in user space in sim-walk.c.
 *
 * States are those of sim-model.h. Its two combinations of bits that
 * protocol v1 leaves out are the P2P states here, so a state has the bits
 * RUNNING, SAVING and RESUMING in both protocols.
 *
 * Locks: none; see sim-model.h, which includes this file.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_SIM_SIM_MODEL_V2_H
#define TESTS_SIM_SIM_MODEL_V2_H

typedef struct SimMig SimMig;

enum {
    SIM_RUNNING_P2P = 5,
    SIM_PRE_COPY_P2P = 7,
};

typedef enum SimKernel {
    SIM_KERNEL_6_1,                 /* no pre-copy, no sizes */
    SIM_KERNEL_6_2,
    SIM_KERNEL_7_1,                 /* with the opt-in for REINIT */
} SimKernel;

typedef enum SimDataCheck {
    SIM_CHECK_AT_WRITE,
    SIM_CHECK_AT_STOP,
    SIM_CHECK_NEVER,
} SimDataCheck;

typedef enum SimLogPresence {
    SIM_LOG_NO,
    SIM_LOG_YES,
    SIM_LOG_EMPTY,                  /* accepted, but no page is ever dirty */
} SimLogPresence;

#define SIM_NO_SIZE UINT64_MAX

/* The keys of protocol v2 (docs/sim.md). */
typedef struct SimV2Config {
    uint64_t kernel;                /* SimKernel */
    uint64_t p2p;
    uint64_t pre_copy;
    uint64_t unknown_errno;         /* for a feature that does not exist */
    uint64_t format;                /* of the image; others are rejected */
    uint64_t initial_bytes;         /* SIM_NO_SIZE: all of precopy-size */
    uint64_t empty_is_zero;         /* read returns 0, not ENOMSG */
    uint64_t next_by_info;          /* PRECOPY_INFO starts the next data */
    uint64_t info_interval_ms;      /* the minimum time between two */
    uint64_t reinits;               /* how often data becomes initial again */
    uint64_t end_is_enomsg;         /* the read at the end fails */
    uint64_t told_size;             /* reported; SIM_NO_SIZE: the real size */
    uint64_t max_read;              /* 0: no limit */
    uint64_t max_write;
    uint64_t load_max;              /* bytes that a load accepts; 0: any */
    uint64_t load_max_errno;
    uint64_t data_check;            /* SimDataCheck */
    uint64_t data_errno;            /* for a write of wrong data */
    uint64_t takes_incomplete;      /* incomplete states are accepted */

    uint64_t log;                   /* SimLogPresence */
    uint64_t log_max_ranges;        /* more are merged */
    uint64_t log_min_bytes;         /* of all ranges together */
    uint64_t log_max_bytes;
    uint64_t log_page_size;         /* 0: the requested one */
    uint64_t log_rounding;          /* pages; see sim-dma-log.c */
    uint64_t log_lost_on_stop;
    uint64_t log_lost_on_reset;
    uint64_t log_again_errno;       /* for a second START */
    uint64_t log_outside_is_silent;
    uint64_t log_takes_misuse;      /* second START, or report without a log */
} SimV2Config;

typedef enum SimSession {
    SIM_SESSION_NONE,
    SIM_SESSION_SAVE,
    SIM_SESSION_LOAD,
} SimSession;

/* State of a session; SimSave and SimLoad have the rest. */
typedef struct SimV2 {
    SimSession session;
    uint64_t generation;            /* of the session; never reused */
    bool reinit_wanted;             /* the opt-in, until the device closes */
    bool set_failed;                /* the last request has failed */

    /* saving */
    bool record_open;               /* SimSave has a record and the position */
    bool final_begun;
    bool end_told;
    uint64_t initial_left;          /* of the open record */
    bool reinit_due;                /* the next PRECOPY_INFO reports it */
    uint64_t reinits;
    int64_t info_us;                /* when PRECOPY_INFO last began one */
    unsigned record_calls;

    /* loading */
    uint64_t received;              /* bytes */
    uint64_t taken;                 /* of them, up to the first error */
    bool dead;                      /* a write failed */
} SimV2;

typedef struct SimPrecopyInfo {
    uint64_t initial_bytes;
    uint64_t dirty_bytes;
    bool reinit;
} SimPrecopyInfo;

/* ---- sim-model-v2.c: states, arcs and sizes ---- */

/* Convert a state to its number in the kernel's header, and back; -1: none */
unsigned sim_v2_to_uapi(uint32_t state);
int sim_v2_from_uapi(uint32_t number);
/*
 * sim_v2_check_wish: record a violation if a client requests a state (by its
 * number in the kernel's header) that it has no reason to request.
 */
void sim_v2_check_wish(SimMig *m, uint32_t number);
/* sim_v2_has_state: do the device's flags and its kernel cover it? */
bool sim_v2_has_state(const SimMig *m, uint32_t state);
/* sim_v2_has_arc: does a driver with these flags implement the arc? */
bool sim_v2_has_arc(const SimMig *m, uint32_t from, uint32_t to);
/*
 * sim_v2_arc: go to @to, which is one arc away. Entering a group of states
 * with data begins a session, leaving it ends the session; a new data fd
 * belongs to m->v2.generation after the call.
 * Returns 0 or a negative errno; the state is then the old one or ERROR.
 */
int sim_v2_arc(SimMig *m, uint32_t to);
/* sim_v2_end_session: end the session, because of a reset or close. */
void sim_v2_end_session(SimMig *m);
/* sim_v2_data_size: bytes left to read if the device stopped now. */
int sim_v2_data_size(SimMig *m, uint64_t *bytes);

/* ---- sim-model-v2-save.c ---- */
/* The session begins; the device has stopped; the session ends. */
void sim_v2_save_begin(SimMig *m, bool pre_copy);
void sim_v2_save_end(SimMig *m);
/*
 * sim_v2_read: read the next bytes of session @generation into @buf. Returns
 * their number, 0 at the end, or a negative errno: ENOMSG if there are none
 * now, ENODEV if the session has ended.
 */
ssize_t sim_v2_read(SimMig *m, uint64_t generation, void *buf, size_t len);
int sim_v2_precopy_info(SimMig *m, uint64_t generation,
                        SimPrecopyInfo *info);
/* sim_v2_unread: bytes that consecutive reads would return now. */
uint64_t sim_v2_unread(const SimMig *m);

/* ---- sim-model-v2-load.c ---- */
void sim_v2_load_begin(SimMig *m);
/* sim_v2_load_end: end the load. Returns false if the state is rejected. */
bool sim_v2_load_end(SimMig *m);
/* sim_v2_write: like sim_v2_read(), in the other direction. */
ssize_t sim_v2_write(SimMig *m, uint64_t generation, const void *buf,
                     size_t len);

/* ---- sim-model-profile.c ---- */
extern const char *const sim_profile_names[];
/*
 * sim_profile_value: set @value to the value of @key in profile @profile (an
 * index in sim_profile_names). Returns false if the profile does not define it.
 * Explicit keys override the profile, which overrides fallbacks.
 */
bool sim_profile_value(uint64_t profile, const char *key, char *value,
                       size_t size);

#endif /* TESTS_SIM_SIM_MODEL_V2_H */
