/*
 * Model of a migratable VFIO device
 *
 * Owns: the types of the model, and the calls between it and its host. The
 * model is the device's side of the contract: states and arcs, registers,
 * sessions, chunks, the content of the state, fault rules, and the keys that
 * configure all of these. sim-model-v2.h has what is specific to protocol v2.
 * Its hosts are the simulated device (tests/sim) and the kernel's test
 * driver (tests/kernel): so every file of the model (sim-model-*.c) compiles
 * in user space and in the kernel, calls only memory and string functions of
 * the library, and uses no floating point.
 * Does not own: file descriptors, interrupts, DMA, config space, memory.
 *
 * Locks: none. The host allows one thread at a time to use a SimMig; others may
 * only read its state (sim_mig_state()).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_SIM_SIM_MODEL_H
#define TESTS_SIM_SIM_MODEL_H

#ifdef __KERNEL__
#include <linux/types.h>
#include <linux/errno.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/stdarg.h>
#include <linux/string.h>
#include <linux/kernel.h>
#include <asm/byteorder.h>
#define UINT64_C(c) (c ## ULL)
#define UINT64_MAX U64_MAX
#define UINT32_MAX U32_MAX
#define SIM_MIN(a, b) min_t(uint64_t, a, b)
#define SIM_COUNT(array) ARRAY_SIZE(array)
#define SIM_LE64(v) ((__force uint64_t)cpu_to_le64(v))
#else
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <glib.h>
#define SIM_MIN(a, b) MIN(a, b)
#define SIM_COUNT(array) G_N_ELEMENTS(array)
#define SIM_LE64(v) GUINT64_TO_LE(v)
/*
 * Windows up to this size are populated when they are mapped, as a real
 * device's memory exists already. The kernel allocates the pages of a file at
 * the first access, which takes 5 us per page in a virtual machine, a fifth of
 * the time to read 16 devices (measured). Larger ones are not populated.
 */
#define SIM_MAP_POPULATE(bytes) ((bytes) <= 32 << 20 ? MAP_POPULATE : 0)
#endif

/* For printf(), which has no portable conversion for a uint64_t */
typedef unsigned long long ull;

#define SIM_PRINTF(a, b) __attribute__((format(printf, a, b)))

/* The registers of the migration region (linux/vfio.h of Linux 5.8). */
enum {
    SIM_REG_STATE = 0x00,
    SIM_REG_RESERVED = 0x04,
    SIM_REG_PENDING = 0x08,
    SIM_REG_DATA_OFFSET = 0x10,
    SIM_REG_DATA_SIZE = 0x18,
    SIM_REGS_SIZE = 0x20,
};

/* Values of device_state (linux/vfio.h of Linux 5.8). */
enum {
    SIM_STOP = 0,
    SIM_RUNNING = 1,
    SIM_STOP_COPY = 2,
    SIM_PRE_COPY = 3,
    SIM_RESUMING = 4,
    SIM_ERROR = 6,
    SIM_STATE_MASK = 7,
    SIM_NUM_STATES = 8,
};

typedef enum SimEvent {
    SIM_EV_STATE_WRITE,
    SIM_EV_STATE_READ,
    SIM_EV_PENDING_READ,
    SIM_EV_DATA_OFFSET_READ,
    SIM_EV_DATA_SIZE_READ,
    SIM_EV_DATA_SIZE_WRITE,
    SIM_EV_DATA_READ,
    SIM_EV_DATA_WRITE,
    SIM_EV_MMAP,
    SIM_EV_DEVICE_INFO,
    SIM_EV_REGION_INFO,
    SIM_EV_IRQ_INFO,
    SIM_EV_SET_IRQS,
    SIM_EV_RESET,
    SIM_EV_HOT_RESET_INFO,
    SIM_EV_HOT_RESET,
    SIM_EV_CONFIG_READ,
    SIM_EV_CONFIG_WRITE,
    SIM_EV_BAR_READ,
    SIM_EV_BAR_WRITE,
    SIM_EV_MIGRATION_FLAGS,     /* from here on protocol v2 */
    SIM_EV_DATA_FD,             /* the fd of a new session is created */
    SIM_EV_PRECOPY_INFO,
    SIM_EV_DATA_SIZE,
    SIM_EV_LOG_START,
    SIM_EV_LOG_STOP,
    SIM_EV_LOG_REPORT,
    SIM_EV_FEATURE,             /* all other features, and probes */
    SIM_EV_OTHER,               /* all other calls on the device's fd */
    SIM_EV_LAST_DEVICE = SIM_EV_OTHER,
    SIM_EV_MAP_DMA,
    SIM_EV_UNMAP_DMA,
    SIM_EV_DIRTY_START,
    SIM_EV_DIRTY_STOP,
    SIM_EV_DIRTY_GET,
    SIM_EV_IOMMU_INFO,
    SIM_EV_LAST_CONTAINER = SIM_EV_IOMMU_INFO,
    SIM_EV_ANY_CALL,
    SIM_EV_ANY_CONTAINER_CALL,
    SIM_NUM_EVENTS,
} SimEvent;

/* The effect of a fault rule on a call */
typedef struct SimOutcome {
    int err;                        /* errno to return, 0 = none */
    bool has_short;
    size_t short_len;
    bool has_value;
    uint64_t value;
    bool set_error;
    uint64_t delay_ms;
    bool window_gone;               /* mappings of the data window fail */
    bool raise_intx;
    bool flr;                       /* by the guest, once the call is done */
} SimOutcome;

typedef struct SimRange {
    uint64_t offset;
    uint64_t size_bytes;
} SimRange;

typedef enum SimPresence {
    SIM_MIGRATION_YES,
    SIM_MIGRATION_NO,
    SIM_MIGRATION_ZERO_SIZE,
    SIM_MIGRATION_INFO_ERROR,
} SimPresence;

typedef enum SimVerify {
    SIM_VERIFY_FULL,
    SIM_VERIFY_SAMPLED,
    SIM_VERIFY_NONE,
} SimVerify;

/* Maximum length of a list (areas, chunk sizes, arcs), with its NUL */
#define SIM_LIST_CHARS 1024
#define SIM_NAME_CHARS 96
#define SIM_WHY_CHARS 160
#define SIM_MAX_AREAS 65536
#define SIM_MAX_CHUNK_SIZES 256

#include "sim-model-v2.h"

/* The keys of a device that the model reads (docs/sim.md). */
typedef struct SimMigConfig {
    uint64_t profile;               /* index in sim_profile_names */
    uint64_t protocol_v2;
    SimV2Config v2;
    uint64_t migration;             /* SimPresence */
    uint64_t region_size;
    uint64_t data_offset;
    uint64_t window_size;
    bool mmap_flag;
    bool sparse_cap;
    SimRange *areas;                /* relative to the region */
    unsigned num_areas;
    uint64_t chunk_sizes[SIM_MAX_CHUNK_SIZES];
    unsigned num_chunk_sizes;
    uint64_t chunk_starts[SIM_MAX_CHUNK_SIZES];
    unsigned num_chunk_starts;
    uint64_t state_size;
    uint64_t precopy_size;
    uint64_t precopy_rate;          /* bytes per second that become dirty */
    uint64_t precopy_max;
    uint64_t save_rate;             /* bytes per second; 0: no limit */
    uint64_t load_rate;
    uint64_t seed;

    bool arcs[SIM_NUM_STATES][SIM_NUM_STATES];
    uint64_t refuse_errno;
    uint64_t reserved_bits;
    uint64_t max_access;            /* largest data access; 0: no limit */
    uint64_t trapped_by_memory;
    uint64_t verify;                /* SimVerify */
    uint64_t corrupt_fails;
    uint64_t split_allowed;
    uint64_t hide_size;             /* data_size always reads 0 */
    uint64_t require_data;
    uint64_t incomplete_is_error;   /* device goes to ERROR */
    uint64_t data_in_transcript;

    /* as given, until sim_mig_config_finish() parses them */
    uint64_t strictness;
    uint64_t given_region_size;     /* 0: registers and window */
    uint64_t given_precopy_max;     /* UINT64_MAX: precopy_size */
    char areas_text[SIM_LIST_CHARS];
    char chunk_size_text[SIM_LIST_CHARS];
    char chunk_start_text[SIM_LIST_CHARS];
    char accept_text[SIM_LIST_CHARS];
    char refuse_text[SIM_LIST_CHARS];
} SimMigConfig;

/* Maximum size of a state's vendor part (registers) with its checksum */
#define SIM_EXTRA_MAX 256
#define SIM_HEAD_BYTES 64
#define SIM_ZONE_MAX (SIM_HEAD_BYTES + SIM_EXTRA_MAX)

/* The current chunk of a save session, and the session's progress */
typedef struct SimSave {
    bool active;
    bool stop_phase;
    uint64_t session;
    uint64_t content_id;
    uint64_t total_bytes;           /* of the stop-and-copy stream */
    uint64_t position;              /* bytes of this phase consumed */
    uint64_t sequence;
    uint64_t precopy_pending;
    int64_t precopy_seen_us;
    uint64_t precopy_acked;
    uint64_t precopy_offered;       /* acked, plus a chunk that is not yet */
    bool armed;                     /* pending_bytes was read, and not 0 */
    bool staged;
    bool size_read;
    bool lied;                      /* a fault rule gave a wrong value */
    uint64_t chunk_offset;          /* in the region */
    uint64_t chunk_size;
    uint64_t chunk_trapped;
    unsigned chunk_calls;
    size_t extra_bytes;
    uint8_t extra[SIM_EXTRA_MAX];
} SimSave;

/* What a load session knows about the stream. */
typedef struct SimLoad {
    bool active;
    bool any_data;
    bool broken;
    bool head_known;
    bool stop_phase;
    uint8_t zone[SIM_ZONE_MAX];     /* head, and the vendor's part */
    size_t zone_bytes;              /* its length, as far as known */
    uint64_t content_id;
    uint64_t total_bytes;
    uint64_t position;
    uint64_t sequence;
    uint64_t chunk_left;            /* of a chunk that is written in parts */
    uint64_t precopy_bytes;
    uint64_t precopy_acked;
    uint64_t precopy_offered;
    bool offset_read;
    bool lied;                      /* a fault rule gave a wrong value */
    uint64_t chunks;
    uint64_t chunk_offset;
    uint64_t last_size;
    uint64_t chunk_trapped;
    unsigned chunk_calls;
} SimLoad;

typedef struct SimCounters {
    uint64_t calls;
    uint64_t migration_calls;
    uint64_t save_sessions;
    uint64_t load_sessions;
    uint64_t saved_chunks;
    uint64_t saved_bytes;
    uint64_t saved_precopy_bytes;
    uint64_t loaded_chunks;
    uint64_t loaded_bytes;
    uint64_t loaded_precopy_bytes;
    uint64_t trapped_bytes;
    uint64_t trapped_calls;
    uint64_t mapped_bytes;
    unsigned repeated_offset_reads;
    unsigned unacked_chunks;
    unsigned corrupt;
    unsigned incomplete;
    unsigned unfinished_saves;      /* aborted before their end was read */
    unsigned refused;
    unsigned resets;
    unsigned mmaps;
} SimCounters;

struct SimMig {
    SimMigConfig cfg;
    uint8_t *window;                /* memory of the region, from offset 0 */
    uint32_t state;                 /* device_state, bits 0..31 */
    uint64_t state_id;              /* the content of the device state */
    uint64_t saved_id;              /* last state that was read to its end */
    uint64_t loaded_id;             /* last state that was loaded completely */
    bool state_lost;
    bool loaded;
    SimSave save;
    SimLoad load;
    SimV2 v2;
    SimCounters count;
    int64_t late_us;                /* overrun of sim_pace()'s last sleep */
};

/* May be called in any thread; the state changes only under the host's lock. */
static inline uint32_t sim_mig_state(const SimMig *m)
{
    return __atomic_load_n(&m->state, __ATOMIC_RELAXED);
}

static inline void sim_mig_set_state(SimMig *m, uint32_t state)
{
    __atomic_store_n(&m->state, state, __ATOMIC_RELAXED);
}

/*
 * @a * @b / @c without intermediate overflow, or UINT64_MAX if the result is
 * too large; @c is not 0. (In the kernel a quotient that is too large traps.)
 */
static inline uint64_t sim_muldiv(uint64_t a, uint64_t b, uint64_t c)
{
#ifdef __KERNEL__
    return mul_u64_u64_shr(a, b, 64) >= c ? UINT64_MAX
                                          : mul_u64_u64_div_u64(a, b, c);
#elif defined(__SIZEOF_INT128__)
    unsigned __int128 product = (unsigned __int128)a * b;

    return product >> 64 >= c ? UINT64_MAX : product / c;
#else
    long double quotient = (long double)a * b / c;

    return quotient >= 0x1p64L ? UINT64_MAX : quotient;
#endif
}

/* ---- provided by the host ---- */

/* Microseconds of CLOCK_MONOTONIC. */
int64_t sim_host_now_us(void);
void sim_host_sleep_until_us(int64_t deadline_us);
/* Zeroed memory, or NULL. */
void *sim_host_alloc(size_t bytes);
void sim_host_free(void *memory);
/* Write a line to the transcript; the second one also records a violation. */
void sim_host_log(SimMig *m, const char *fmt, ...) SIM_PRINTF(2, 3);
void sim_host_violation(SimMig *m, const char *fmt, ...) SIM_PRINTF(2, 3);
/*
 * sim_host_event: count one call and check the fault rules. Returns true if
 * @out has something to do; else @out is all zero. @to is the requested state,
 * or the current one.
 */
bool sim_host_event(SimMig *m, SimEvent ev, uint32_t to, SimOutcome *out);
/* RUNNING was cleared: on return the device must not do anything on its own. */
void sim_host_stopped(SimMig *m);
/* The device runs again. */
void sim_host_started(SimMig *m);
/* Something in the status has changed. */
void sim_host_changed(SimMig *m);
/*
 * sim_host_move: a trapped access: move @len bytes of the data window between
 * @buf, whose type is up to the host, and the region at @offset.
 * Returns the bytes moved or a negative errno.
 */
ssize_t sim_host_move(SimMig *m, bool write, void *buf, size_t len,
                      uint64_t offset);
/*
 * sim_host_save_extra: save the vendor's part of the state of the stopped
 * device, at most @max bytes. Returns its length, a multiple of 8; 0 = none.
 * sim_host_load_extra: load the same bytes at the other side. They are not
 * damaged; the host checks whether they are valid. @len may be 0.
 */
size_t sim_host_save_extra(SimMig *m, uint8_t *extra, size_t max);
bool sim_host_load_extra(SimMig *m, const uint8_t *extra, size_t len);

/* ---- sim-model-text.c ---- */
/* sim_parse_size: "4096", "0x1000", "64K", "1M", "2G", "1T". */
bool sim_parse_size(const char *text, uint64_t *value);
/* sim_parse_state: "running" or "001". */
bool sim_parse_state(const char *text, uint32_t *state);
bool sim_parse_bool(const char *text, bool *value);
/* sim_parse_errno: "EIO". Returns 0 if there is no such name. */
int sim_parse_errno(const char *text);
/* sim_parse_range: "OFFSET+SIZE". */
bool sim_parse_range(const char *text, SimRange *range);
/*
 * sim_next_item: copy the next item of a list "A;B;C" without surrounding
 * blanks, and advance @list. Returns false at the end. An item that is longer
 * than @size - 1 is truncated, so that it is invalid.
 */
bool sim_next_item(const char **list, char *item, size_t size);
/* sim_split: "LEFT+RIGHT" at the first @at, without blanks around them */
#define SIM_PART_CHARS 40
bool sim_split(const char *text, char at, char left[SIM_PART_CHARS],
               char right[SIM_PART_CHARS]);
const char *sim_state_name(uint32_t state);
/* sim_mig_state_name: the same, with the names of the device's protocol */
const char *sim_mig_state_name(const SimMig *m, uint32_t state);
/* Indexed by SimEvent; NULL at the end */
extern const char *const sim_event_names[];

/* ---- sim-model-config.c ---- */
typedef enum SimKeyKind {
    SIM_KEY_SIZE,                   /* uint64_t */
    SIM_KEY_BOOL,                   /* uint64_t, 0 or 1 */
    SIM_KEY_CHOICE,                 /* uint64_t, index in choices */
    SIM_KEY_ERRNO,                  /* uint64_t */
    SIM_KEY_STATE,                  /* uint64_t */
    SIM_KEY_LIST,                   /* char[SIM_LIST_CHARS] */
    SIM_KEY_NAME,                   /* char[SIM_NAME_CHARS] */
} SimKeyKind;

/* One key: where its value is stored, and its default. */
typedef struct SimKey {
    const char *name;
    SimKeyKind kind;
    size_t offset;
    const char *fallback;           /* NULL: the field is not changed */
    const char *const *choices;
} SimKey;

/* The keys of SimMigConfig; the last one has no name. */
extern const SimKey sim_mig_keys[];

/* sim_key_find: the key @name in @keys, or NULL. */
const SimKey *sim_key_find(const SimKey *keys, const char *name);
/*
 * sim_key_set: set the key's field in @base to the value of @text. Returns
 * false with the expected format in @why. sim_keys_default: set all defaults.
 */
bool sim_key_set(const SimKey *key, void *base, const char *text,
                 char why[SIM_WHY_CHARS]);
void sim_keys_default(const SimKey *keys, void *base);
/*
 * sim_mig_config_finish: check that the values are consistent, and compute
 * areas, chunks and arcs. Returns false with the wrong key in @key and the
 * reason in @why. Frees the results of an earlier call.
 */
bool sim_mig_config_finish(SimMigConfig *c, const char **key,
                           char why[SIM_WHY_CHARS]);
void sim_mig_config_clear(SimMigConfig *c);

/* ---- sim-model-arcs.c ---- */
/*
 * sim_arcs_set: set the arcs that a driver with @strictness (an index in
 * sim_strictness_names) accepts, changed by the lists @accept and @refuse.
 * Returns false with the name of an invalid list in @key.
 */
extern const char *const sim_strictness_names[];
bool sim_arcs_set(bool arcs[SIM_NUM_STATES][SIM_NUM_STATES],
                  unsigned strictness, const char *accept,
                  const char *refuse, const char **key);

/* ---- sim-model-content.c ---- */
uint64_t sim_mix(uint64_t value);
void sim_content_fill(uint64_t id, uint64_t position, uint8_t *buf,
                      uint64_t len);
bool sim_content_check(uint64_t id, uint64_t position, const uint8_t *buf,
                       uint64_t len, SimVerify verify, uint64_t *bad);
/*
 * sim_words_digest: digest of the words at @from, continuing from @hash;
 * initially SIM_DIGEST_START. @bytes is a multiple of 8.
 */
#define SIM_DIGEST_START UINT64_C(0xcbf29ce484222325)
uint64_t sim_words_digest(uint64_t hash, const uint8_t *from,
                          uint64_t bytes);

/* ---- sim-model-stream.c: sessions and chunks ---- */
void sim_save_begin(SimMig *m);
/* sim_save_redirty: make pending what has changed since the last call. */
void sim_save_redirty(SimMig *m);
/* sim_save_take_extra: save the vendor's part, if the state has room for it. */
void sim_save_take_extra(SimMig *m);
void sim_save_stop_phase(SimMig *m);
void sim_save_end(SimMig *m);
uint64_t sim_save_pending(SimMig *m);
int sim_save_stage(SimMig *m, uint64_t *offset);
/* A fault rule has returned @value for register @reg: apply consequences. */
void sim_chunk_lie(SimMig *m, uint64_t reg, uint64_t value);
bool sim_in_chunk(SimMig *m, bool write, uint64_t offset, uint64_t len);

/* ---- sim-model-load.c ---- */
void sim_load_begin(SimMig *m);
/* Returns false, with the reason in @why, if the state is incomplete. */
bool sim_load_finish(SimMig *m, char why[SIM_WHY_CHARS]);
/* sim_load_corrupt: record what is wrong. Returns false. */
bool sim_load_corrupt(SimMig *m, const char *fmt, ...) SIM_PRINTF(2, 3);
/* sim_load_take_extra: is the vendor's part undamaged? */
bool sim_load_take_extra(SimMig *m);
/* Check bytes @from to @to of @piece, whose first is at load.position. */
bool sim_load_check_range(SimMig *m, const uint8_t *piece, uint64_t from,
                          uint64_t to);
uint64_t sim_load_offset(SimMig *m);
int sim_load_consume(SimMig *m, uint64_t size);

/* The heads in a stream, shared by the two files above. */
#define SIM_HEAD_MAGIC UINT64_C(0x3164616548466956)
#define SIM_CHUNK_MAGIC UINT64_C(0x316b6e7568436956)
#define SIM_PHASE_STOP 1
/* For a record of protocol v2; precopy_acked: bytes of all records before */
#define SIM_RECORD_MAGIC UINT64_C(0x3164726f63655256)

typedef struct SimStreamHead {
    uint64_t magic;
    uint32_t phase;
    uint32_t extra_bytes;           /* of the vendor's part after the head */
    uint64_t content_id;
    uint64_t total_bytes;           /* 0 in pre-copy: not known */
    uint64_t precopy_acked;
    uint64_t precopy_offered;
    uint64_t session;
    uint64_t check;
} SimStreamHead;

typedef struct SimChunkHead {
    uint64_t magic;
    uint64_t sequence;
    uint64_t size_bytes;
    uint64_t check;
} SimChunkHead;

uint64_t sim_head_check(const SimStreamHead *h);
uint64_t sim_chunk_check(uint64_t id, uint64_t position,
                         const SimChunkHead *h);
uint64_t sim_extra_check(uint64_t id, const uint8_t *extra, size_t bytes);
/*
 * Put the next @n bytes of the head of the save session's stream or record, and
 * of the vendor's part, into @buf.
 */
void sim_put_zone(SimMig *m, uint64_t magic, uint64_t precopy_acked,
                  uint8_t *buf, uint64_t n);
/* A state too small for a head: both sides then know size and seed. */
bool sim_headless(SimMig *m);
/*
 * @at: set to the offset of the chunk head in a chunk of @size bytes at
 * @position. Returns false if it has none. @zone_bytes: head of the stream.
 */
bool sim_chunk_head_at(SimMig *m, uint64_t position, uint64_t size,
                       size_t zone_bytes, uint64_t *at);
/*
 * Sleep until the device has moved @bytes at @rate per second since @start_us.
 * If a sleep was too long, the next one is shorter, to keep the average rate.
 */
void sim_pace(SimMig *m, int64_t start_us, uint64_t bytes, uint64_t rate);
void sim_count_mapped(SimMig *m, uint64_t size, uint64_t trapped);

/* ---- sim-model-region.c: registers and states ---- */
/* sim_mig_init: set the initial state, when the device is first opened. */
void sim_mig_init(SimMig *m);
/* sim_mig_reset: the same for a reset; the host has stopped the device. */
void sim_mig_reset(SimMig *m);
/*
 * sim_mig_rw: an access to the region. @buf is memory of @len bytes for
 * accesses to registers (below SIM_REGS_SIZE), otherwise the argument for
 * sim_host_move(). Returns bytes or a negative errno.
 */
ssize_t sim_mig_rw(SimMig *m, bool write, void *buf, size_t len,
                   uint64_t offset);
/* sim_mig_mappable: may these bytes of the region be mapped together? */
bool sim_mig_mappable(SimMig *m, uint64_t offset, uint64_t size);
/* sim_mig_migrating: is a call in @from, for @to, part of a migration? */
bool sim_mig_migrating(SimEvent ev, uint32_t from, uint32_t to);
/* sim_mig_leave_running: the device stops; running has changed its state. */
void sim_mig_leave_running(SimMig *m);

/* ---- sim-model-fault.c ---- */
typedef struct SimRule {
    char name[SIM_NAME_CHARS];
    char device[SIM_NAME_CHARS];    /* empty = any */
    uint64_t event;                 /* SimEvent; SIM_NUM_EVENTS = not given */
    uint64_t state, from, to;       /* SIM_NUM_STATES = any */
    uint64_t migration_only;
    uint64_t nth;                   /* first match that fires, from 1 */
    uint64_t once;
    uint64_t every;                 /* not once: every n-th match after it */
    /* as given, until sim_rule_finish() parses them */
    uint64_t err, short_len, value, set_error, delay_ms;
    uint64_t window_gone, raise_intx, flr;
    bool has_value;
    SimOutcome outcome;
    unsigned matched;
    unsigned fired;
} SimRule;

/* sim_rule_init: a rule without keys; false if @name is too long. */
bool sim_rule_init(SimRule *r, const char *name);
bool sim_rule_set(SimRule *r, const char *key, const char *text,
                  char why[SIM_WHY_CHARS]);
bool sim_rule_finish(SimRule *r, const char **key, char why[SIM_WHY_CHARS]);
/*
 * sim_rule_hit: count a call in the rule. Returns true if the rule applies; the
 * caller increments fired if the rule may act.
 */
bool sim_rule_hit(SimRule *r, const char *device, SimEvent ev, uint32_t from,
                  uint32_t to, bool migrating);

#endif /* TESTS_SIM_SIM_MODEL_H */
