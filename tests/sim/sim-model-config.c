/*
 * Model of a migratable VFIO device: its configuration
 *
 * Owns: the keys that the model reads, their defaults, which combinations are
 * valid, and the resulting layout of areas and chunks. Reference: docs/sim.md.
 * Also the reading of one key by a table, which hosts may use for their own
 * keys.
 * Does not own: the file or the lines that contain the keys.
 *
 * Pure, except for sim_host_alloc(); no locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "sim-model.h"

#define PAGE_BYTES 4096
/* A chunk that starts a stream has two heads (sim-model-stream.c). */
#define STREAM_HEADS_BYTES (SIM_HEAD_BYTES + sizeof(SimChunkHead))
/* A file offset has 40 bits for the offset in the region. */
#define MAX_REGION_BYTES (UINT64_C(1) << 40)

static const char *const presence[] = {
    "yes", "no", "zero-size", "info-error", NULL
};
static const char *const verify[] = { "full", "sampled", "none", NULL };
static const char *const fail[] = { "record", "fail", NULL };
static const char *const split[] = { "refuse", "allow", NULL };
static const char *const size_told[] = { "yes", "zero", NULL };
static const char *const incomplete[] = { "keep", "error", NULL };
static const char *const trapped[] = { "syscall", "memory", NULL };

static const char *const protocols[] = { "v1", "v2", NULL };
static const char *const kernels[] = { "6.1", "6.2", "7.1", NULL };
static const char *const empty[] = { "enomsg", "zero", NULL };
static const char *const next[] = { "read", "info", NULL };
static const char *const copy_end[] = { "zero", "enomsg", NULL };
static const char *const checked[] = { "write", "stop", "never", NULL };
static const char *const completeness[] = { "check", "ignore", NULL };
static const char *const logs[] = { "no", "yes", "empty", NULL };
static const char *const outside[] = { "refuse", "silent", NULL };
static const char *const misuse[] = { "refuse", "take", NULL };
/* A size that means that none was given */
#define NOT_GIVEN "0xffffffffffffffff"

#define KEY(name, kind, field, fallback, choices) \
    { name, SIM_KEY_##kind, offsetof(SimMigConfig, field), fallback, choices }

const SimKey sim_mig_keys[] = {
    KEY("profile", CHOICE, profile, "none", sim_profile_names),
    KEY("protocol", CHOICE, protocol_v2, "v1", protocols),
    KEY("migration", CHOICE, migration, "yes", presence),
    KEY("data-offset", SIZE, data_offset, "4K", NULL),
    KEY("window-size", SIZE, window_size, "1M", NULL),
    KEY("region-size", SIZE, given_region_size, "0", NULL),
    KEY("areas", LIST, areas_text, "all", NULL),
    KEY("chunk-size", LIST, chunk_size_text, "", NULL),
    KEY("chunk-start", LIST, chunk_start_text, "", NULL),
    KEY("max-access", SIZE, max_access, "0", NULL),
    KEY("trapped-by", CHOICE, trapped_by_memory, "syscall", trapped),
    KEY("reserved-bits", SIZE, reserved_bits, "0", NULL),
    KEY("strictness", CHOICE, strictness, "drawn", sim_strictness_names),
    KEY("accept", LIST, accept_text, "", NULL),
    KEY("refuse", LIST, refuse_text, "", NULL),
    KEY("refuse-errno", ERRNO, refuse_errno, "EINVAL", NULL),
    KEY("state-size", SIZE, state_size, "1M", NULL),
    KEY("precopy-size", SIZE, precopy_size, "0", NULL),
    KEY("precopy-rate", SIZE, precopy_rate, "0", NULL),
    KEY("precopy-max", SIZE, given_precopy_max, NOT_GIVEN, NULL),
    KEY("save-rate", SIZE, save_rate, "0", NULL),
    KEY("load-rate", SIZE, load_rate, "0", NULL),
    KEY("seed", SIZE, seed, "1", NULL),
    KEY("verify", CHOICE, verify, "full", verify),
    KEY("on-corrupt", CHOICE, corrupt_fails, "fail", fail),
    KEY("on-incomplete", CHOICE, incomplete_is_error, "keep", incomplete),
    KEY("require-data", BOOL, require_data, "no", NULL),
    KEY("tells-size", CHOICE, hide_size, "yes", size_told),
    KEY("split", CHOICE, split_allowed, "refuse", split),
    KEY("transcript-data", BOOL, data_in_transcript, "no", NULL),
    KEY("kernel", CHOICE, v2.kernel, "6.2", kernels),
    KEY("p2p", BOOL, v2.p2p, "no", NULL),
    KEY("pre-copy", BOOL, v2.pre_copy, "no", NULL),
    KEY("unknown-feature", ERRNO, v2.unknown_errno, "ENOTTY", NULL),
    KEY("format", SIZE, v2.format, "0", NULL),
    KEY("initial-bytes", SIZE, v2.initial_bytes, NOT_GIVEN, NULL),
    KEY("precopy-empty", CHOICE, v2.empty_is_zero, "enomsg", empty),
    KEY("precopy-next", CHOICE, v2.next_by_info, "read", next),
    KEY("precopy-info-ms", SIZE, v2.info_interval_ms, "0", NULL),
    KEY("reinit", SIZE, v2.reinits, "0", NULL),
    KEY("stop-copy-end", CHOICE, v2.end_is_enomsg, "zero", copy_end),
    KEY("told-size", SIZE, v2.told_size, NOT_GIVEN, NULL),
    KEY("max-read", SIZE, v2.max_read, "0", NULL),
    KEY("max-write", SIZE, v2.max_write, "0", NULL),
    KEY("load-max", SIZE, v2.load_max, "0", NULL),
    KEY("load-max-errno", ERRNO, v2.load_max_errno, "ENOMEM", NULL),
    KEY("data-check", CHOICE, v2.data_check, "write", checked),
    KEY("data-errno", ERRNO, v2.data_errno, "EINVAL", NULL),
    KEY("completeness", CHOICE, v2.takes_incomplete, "check", completeness),
    KEY("log", CHOICE, v2.log, "no", logs),
    KEY("log-max-ranges", SIZE, v2.log_max_ranges, "256", NULL),
    KEY("log-min-bytes", SIZE, v2.log_min_bytes, "0", NULL),
    KEY("log-max-bytes", SIZE, v2.log_max_bytes, NOT_GIVEN, NULL),
    KEY("log-page-size", SIZE, v2.log_page_size, "0", NULL),
    KEY("log-rounding", SIZE, v2.log_rounding, "1", NULL),
    KEY("log-lost-on-stop", BOOL, v2.log_lost_on_stop, "no", NULL),
    KEY("log-lost-on-reset", BOOL, v2.log_lost_on_reset, "no", NULL),
    KEY("log-again-errno", ERRNO, v2.log_again_errno, "EINVAL", NULL),
    KEY("log-outside", CHOICE, v2.log_outside_is_silent, "refuse", outside),
    KEY("log-misuse", CHOICE, v2.log_takes_misuse, "refuse", misuse),
    { NULL, 0, 0, NULL, NULL }
};

/* ------------------------------------------------------------------------ */
/* One key                                                                  */

const SimKey *sim_key_find(const SimKey *keys, const char *name)
{
    for (; keys->name; keys++) {
        if (strcmp(keys->name, name) == 0) {
            return keys;
        }
    }
    return NULL;
}

static bool set_choice(const SimKey *key, uint64_t *value, const char *text,
                       char why[SIM_WHY_CHARS])
{
    size_t used;
    unsigned i;

    for (i = 0; key->choices[i]; i++) {
        if (strcmp(key->choices[i], text) == 0) {
            *value = i;
            return true;
        }
    }
    used = snprintf(why, SIM_WHY_CHARS, "'%.40s' is none of:", text);
    for (i = 0; key->choices[i] && used < SIM_WHY_CHARS; i++) {
        used += snprintf(why + used, SIM_WHY_CHARS - used, "%s %s",
                         i ? "," : "", key->choices[i]);
    }
    return false;
}

bool sim_key_set(const SimKey *key, void *base, const char *text,
                 char why[SIM_WHY_CHARS])
{
    uint64_t *value = (uint64_t *)((char *)base + key->offset);
    const char *want = NULL;
    uint64_t got = 0;
    uint32_t state = 0;
    size_t room;
    bool flag;

    switch (key->kind) {
    case SIM_KEY_SIZE:
        if (!sim_parse_size(text, &got)) {
            want = "want a number such as 4096, 0x1000 or 64K";
        }
        break;
    case SIM_KEY_BOOL:
        if (!sim_parse_bool(text, &flag)) {
            want = "want yes or no";
        }
        got = flag;
        break;
    case SIM_KEY_ERRNO:
        got = sim_parse_errno(text);
        if (!got) {
            want = "want the name of an errno, such as EIO";
        }
        break;
    case SIM_KEY_STATE:
        if (!sim_parse_state(text, &state)) {
            want = "want a state such as running or 011";
        }
        got = state;
        break;
    case SIM_KEY_CHOICE:
        return set_choice(key, value, text, why);
    case SIM_KEY_LIST:
    case SIM_KEY_NAME:
        room = key->kind == SIM_KEY_LIST ? SIM_LIST_CHARS : SIM_NAME_CHARS;
        if (strlen(text) >= room) {
            snprintf(why, SIM_WHY_CHARS, "too long, at most %d characters",
                     (int)room - 1);
            return false;
        }
        strcpy((char *)value, text);
        return true;
    }
    if (want) {
        snprintf(why, SIM_WHY_CHARS, "%s", want);
        return false;
    }
    *value = got;
    return true;
}

void sim_keys_default(const SimKey *keys, void *base)
{
    char why[SIM_WHY_CHARS];

    for (; keys->name; keys++) {
        if (keys->fallback) {
            sim_key_set(keys, base, keys->fallback, why);
        }
    }
}

/* ------------------------------------------------------------------------ */
/* Areas: named layouts, or a list                                          */

static bool add_area(SimMigConfig *c, uint64_t offset, uint64_t size_bytes)
{
    c->areas[c->num_areas].offset = offset;
    c->areas[c->num_areas].size_bytes = size_bytes;
    c->num_areas++;
    return true;
}

static bool make_areas(SimMigConfig *c, uint64_t count)
{
    if (count > SIM_MAX_AREAS) {
        return false;
    }
    c->areas = sim_host_alloc((count + 1) * sizeof(c->areas[0]));
    return c->areas != NULL;
}

static const char *add_stripes(SimMigConfig *c, const char *size)
{
    uint64_t stripe, at, end = c->window_size;

    if (!sim_parse_size(size, &stripe) || !stripe) {
        return "want stripes:SIZE";
    }
    if (!make_areas(c, stripe >= end ? 1 : end / stripe / 2 + 1)) {
        return "too many stripes";
    }
    for (at = 0; at < end; at += 2 * stripe) {
        add_area(c, c->data_offset + at, SIM_MIN(stripe, end - at));
        if (stripe > end - at) {
            break;
        }
    }
    return NULL;
}

static const char *add_list(SimMigConfig *c, const char *text)
{
    uint64_t count = 1;
    const char *at;
    char item[64];
    SimRange r;

    for (at = text; *at; at++) {
        count += *at == ';';
    }
    if (!make_areas(c, count)) {
        return "too many areas";
    }
    while (sim_next_item(&text, item, sizeof(item))) {
        if (!sim_parse_range(item, &r)) {
            return "want OFFSET+SIZE separated by ';'";
        }
        add_area(c, r.offset, r.size_bytes);
    }
    return NULL;
}

/* Returns what is wrong, or NULL. */
static const char *lay_out_areas(SimMigConfig *c)
{
    const char *text = c->areas_text;
    uint64_t size = c->window_size;

    c->mmap_flag = c->sparse_cap = true;
    if (strncmp(text, "stripes:", 8) == 0) {
        return add_stripes(c, text + 8);
    }
    if (strcmp(text, "none") == 0) {
        c->mmap_flag = c->sparse_cap = false;
    } else if (strcmp(text, "whole-region") == 0) {
        c->sparse_cap = false;
    } else if (strcmp(text, "empty-list") != 0) {
        if (strcmp(text, "all-but-last-page") == 0) {
            size = size > PAGE_BYTES ? size - PAGE_BYTES : 0;
        } else if (strcmp(text, "all") != 0) {
            return add_list(c, text);
        }
        if (!make_areas(c, 1)) {
            return "no memory";
        }
        if (size) {
            add_area(c, c->data_offset, size);
        }
    }
    return NULL;
}

/* ------------------------------------------------------------------------ */
/* Consistency                                                              */

static bool read_sizes(const char *text, uint64_t *sizes, unsigned *count,
                       uint64_t fallback)
{
    char item[64];

    *count = 0;
    while (sim_next_item(&text, item, sizeof(item))) {
        if (*count == SIM_MAX_CHUNK_SIZES ||
            !sim_parse_size(item, &sizes[(*count)++])) {
            return false;
        }
    }
    if (!*count) {
        sizes[(*count)++] = fallback;
    }
    return true;
}

static bool wrong(const char **key, const char *which,
                  char why[SIM_WHY_CHARS], const char *what)
{
    *key = which;
    snprintf(why, SIM_WHY_CHARS, "%s", what);
    return false;
}

static bool finish_chunks(SimMigConfig *c, const char **key,
                          char why[SIM_WHY_CHARS])
{
    uint64_t size;
    bool tiny = false;
    unsigned i;

    if (!read_sizes(c->chunk_size_text, c->chunk_sizes, &c->num_chunk_sizes,
                    c->window_size)) {
        return wrong(key, "chunk-size", why, "want sizes separated by ';'");
    }
    if (!read_sizes(c->chunk_start_text, c->chunk_starts,
                    &c->num_chunk_starts, 0)) {
        return wrong(key, "chunk-start", why, "want sizes separated by ';'");
    }
    for (i = 0; i < c->num_chunk_sizes; i++) {
        size = c->chunk_sizes[i];
        if (!size || size > c->window_size) {
            return wrong(key, "chunk-size", why, "want 1 to window-size");
        }
        tiny |= size < STREAM_HEADS_BYTES;
    }
    for (i = 0; i < c->num_chunk_starts; i++) {
        if (c->chunk_starts[i] >= c->window_size) {
            return wrong(key, "chunk-start", why,
                         "want less than window-size");
        }
        tiny |= c->window_size - c->chunk_starts[i] < STREAM_HEADS_BYTES;
    }
    if (c->precopy_size && !c->protocol_v2 &&
        (tiny || c->precopy_size < STREAM_HEADS_BYTES ||
                            c->state_size < STREAM_HEADS_BYTES)) {
        return wrong(key, "precopy-size", why, "it, state-size and each "
                     "chunk must be at least 96 bytes");
    }
    return true;
}

static bool finish_region(SimMigConfig *c, const char **key,
                          char why[SIM_WHY_CHARS])
{
    const char *what;

    if (!c->window_size || c->window_size > MAX_REGION_BYTES / 2 ||
        c->data_offset < SIM_REGS_SIZE ||
        c->data_offset > MAX_REGION_BYTES / 4) {
        return wrong(key, "window-size", why,
                     "window-size or data-offset is off");
    }
    c->region_size = c->given_region_size ? c->given_region_size
                                          : c->data_offset + c->window_size;
    if (c->region_size < c->data_offset + c->window_size ||
        c->region_size > MAX_REGION_BYTES) {
        return wrong(key, "region-size", why, "does not hold the window");
    }
    what = lay_out_areas(c);
    if (what) {
        return wrong(key, "areas", why, what);
    }
    return true;
}

static bool finish_v2(SimMigConfig *c, const char **key,
                      char why[SIM_WHY_CHARS])
{
    SimV2Config *v2 = &c->v2;

    if (v2->pre_copy && v2->kernel == SIM_KERNEL_6_1) {
        return wrong(key, "pre-copy", why, "Linux 6.1 has none");
    }
    if (v2->pre_copy && (c->precopy_size && c->precopy_size < SIM_HEAD_BYTES)) {
        return wrong(key, "precopy-size", why, "want 0 or 64 bytes at least");
    }
    if (v2->pre_copy && c->state_size < SIM_HEAD_BYTES) {
        return wrong(key, "state-size", why, "with pre-copy it must be at "
                     "least 64 bytes");
    }
    if (v2->initial_bytes == SIM_NO_SIZE) {
        v2->initial_bytes = c->precopy_size;
    }
    if (v2->initial_bytes > c->precopy_size) {
        return wrong(key, "initial-bytes", why, "more than precopy-size");
    }
    if (v2->log_page_size & (v2->log_page_size - 1) ||
        (v2->log_page_size && v2->log_page_size < PAGE_BYTES)) {
        return wrong(key, "log-page-size", why, "want 0 or a power of two, "
                     "4K at least");
    }
    if (!v2->log_max_ranges || !v2->log_rounding) {
        return wrong(key, v2->log_rounding ? "log-max-ranges"
                     : "log-rounding", why, "want 1 at least");
    }
    return true;
}

/* With protocol v2 there is no region; without migration there is neither. */
static void choose_protocol(SimMigConfig *c)
{
    if (c->migration != SIM_MIGRATION_YES) {
        c->protocol_v2 = false;
    } else if (c->protocol_v2) {
        c->migration = SIM_MIGRATION_NO;
    }
}

bool sim_mig_config_finish(SimMigConfig *c, const char **key,
                           char why[SIM_WHY_CHARS])
{
    sim_mig_config_clear(c);
    c->precopy_max = c->given_precopy_max == UINT64_MAX ?
                     c->precopy_size : c->given_precopy_max;
    choose_protocol(c);
    if (!finish_region(c, key, why) || !finish_chunks(c, key, why) ||
        (c->protocol_v2 && !finish_v2(c, key, why))) {
        return false;
    }
    if (c->reserved_bits & SIM_STATE_MASK || c->reserved_bits > UINT32_MAX) {
        return wrong(key, "reserved-bits", why,
                     "want bits 3 to 31; bits 0..2 are not reserved");
    }
    if (c->precopy_rate && !c->precopy_size) {
        return wrong(key, "precopy-rate", why, "needs precopy-size");
    }
    if (!sim_arcs_set(c->arcs, c->strictness, c->accept_text,
                      c->refuse_text, key)) {
        return wrong(key, *key, why, "want FROM>TO separated by ';', such "
                     "as 011>001 or pre-copy>running");
    }
    return true;
}

void sim_mig_config_clear(SimMigConfig *c)
{
    sim_host_free(c->areas);
    c->areas = NULL;
    c->num_areas = 0;
}
