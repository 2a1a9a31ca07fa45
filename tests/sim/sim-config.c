/*
 * Simulated VFIO devices: the configuration file
 *
 * Owns: reading the groups [sim], [container], [device NAME] and
 * [fault NAME] of a GKeyFile into sim_world, with an error that names the
 * group and the key. A key that no reader knows is an error: a misspelt
 * fault or layout must not pass as a test of it. Reference: docs/sim.md.
 *
 * No locks; runs before any device exists.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim-internal.h"
#include "sim-keys.h"

#define PAGE_BYTES 4096
#define STREAM_HEADS_BYTES 96

/* ------------------------------------------------------------------------ */
/* Values                                                                   */

bool sim_parse_size(const char *text, uint64_t *value)
{
    static const char suffixes[] = "KMGT";
    const char *suffix;
    char *end;
    unsigned shift = 0;

    if (!g_ascii_isdigit(*text)) {
        return false;
    }
    errno = 0;
    /* A leading 0 does not make a number octal here. */
    *value = g_ascii_strtoull(text, &end, g_str_has_prefix(text, "0x") ? 16
                                                                       : 10);
    if (errno || end == text) {
        return false;
    }
    if (*end) {
        suffix = strchr(suffixes, g_ascii_toupper(*end));
        if (!suffix || end[1]) {
            return false;
        }
        shift = 10 * (suffix - suffixes + 1);
    }
    if (shift && *value > UINT64_MAX >> shift) {
        return false;
    }
    *value <<= shift;
    return true;
}

bool sim_parse_state(const char *text, uint32_t *state)
{
    if (strlen(text) == 3 && strspn(text, "01") == 3) {
        *state = (text[0] - '0') << 2 | (text[1] - '0') << 1 |
                 (text[2] - '0');
        return true;
    }
    for (uint32_t s = 0; s < SIM_NUM_STATES; s++) {
        if (strcmp(sim_state_name(s), text) == 0) {
            *state = s;
            return true;
        }
    }
    return false;
}

/* ------------------------------------------------------------------------ */
/* A reader of one group: the first error wins, later calls do nothing      */

void sim_keys_open(SimKeys *k, GKeyFile *file, const char *group,
                   GError **err)
{
    k->file = file;
    k->group = group;
    k->err = NULL;
    k->out = err;
    k->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

void sim_keys_fail(SimKeys *k, const char *key, const char *why)
{
    if (!k->err) {
        g_set_error(&k->err, VFIO_SIM_ERROR, VFIO_SIM_ERROR_CONFIG,
                    "[%s] %s: %s", k->group, key, why);
    }
}

bool sim_keys_close(SimKeys *k)
{
    g_auto(GStrv) keys = g_key_file_get_keys(k->file, k->group, NULL, NULL);

    for (size_t i = 0; keys && keys[i]; i++) {
        if (!g_hash_table_contains(k->known, keys[i])) {
            sim_keys_fail(k, keys[i], "no such key");
        }
    }
    g_hash_table_unref(k->known);
    if (k->err) {
        g_propagate_error(k->out, k->err);
        return false;
    }
    return true;
}

char *sim_keys_text(SimKeys *k, const char *key)
{
    g_autofree char *text = NULL;

    g_hash_table_add(k->known, g_strdup(key));
    text = g_key_file_get_string(k->file, k->group, key, NULL);
    return text ? g_strdup(g_strstrip(text)) : NULL;
}

uint64_t sim_keys_size(SimKeys *k, const char *key, uint64_t fallback)
{
    g_autofree char *text = sim_keys_text(k, key);
    uint64_t value = fallback;

    if (text && !sim_parse_size(text, &value)) {
        sim_keys_fail(k, key, "want a number such as 4096, 0x1000 or 64K");
    }
    return value;
}

bool sim_keys_bool(SimKeys *k, const char *key, bool fallback)
{
    g_autofree char *text = sim_keys_text(k, key);

    if (!text) {
        return fallback;
    }
    if (!strcmp(text, "yes") || !strcmp(text, "true") || !strcmp(text, "1")) {
        return true;
    }
    if (strcmp(text, "no") && strcmp(text, "false") && strcmp(text, "0")) {
        sim_keys_fail(k, key, "want yes or no");
    }
    return false;
}

int sim_keys_choice(SimKeys *k, const char *key, const char *const *names,
                    int fallback)
{
    g_autofree char *text = sim_keys_text(k, key);
    g_autofree char *all = NULL, *why = NULL;

    if (!text) {
        return fallback;
    }
    for (int i = 0; names[i]; i++) {
        if (strcmp(names[i], text) == 0) {
            return i;
        }
    }
    all = g_strjoinv(", ", (char **)names);
    why = g_strdup_printf("'%s' is none of: %s", text, all);
    sim_keys_fail(k, key, why);
    return fallback;
}

GArray *sim_keys_sizes(SimKeys *k, const char *key)
{
    GArray *sizes = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    g_autofree char *text = sim_keys_text(k, key);
    g_auto(GStrv) parts = text ? g_strsplit(text, ";", -1) : NULL;

    for (size_t i = 0; parts && parts[i]; i++) {
        const char *part = g_strstrip(parts[i]);
        uint64_t value;

        if (!*part) {
            continue;
        }
        if (!sim_parse_size(part, &value)) {
            sim_keys_fail(k, key, "want sizes separated by ';'");
            break;
        }
        g_array_append_val(sizes, value);
    }
    return sizes;
}

static bool parse_range(const char *text, SimRange *range)
{
    g_auto(GStrv) ends = g_strsplit(text, "+", 2);

    return ends[0] && ends[1] &&
           sim_parse_size(g_strstrip(ends[0]), &range->offset) &&
           sim_parse_size(g_strstrip(ends[1]), &range->size_bytes);
}

static void add_ranges(SimKeys *k, const char *key, const char *text,
                       GArray *ranges)
{
    g_auto(GStrv) parts = text ? g_strsplit(text, ";", -1) : NULL;

    for (size_t i = 0; parts && parts[i]; i++) {
        const char *part = g_strstrip(parts[i]);
        SimRange range;

        if (!*part) {
            continue;
        }
        if (!parse_range(part, &range)) {
            sim_keys_fail(k, key, "want OFFSET+SIZE separated by ';'");
            return;
        }
        g_array_append_val(ranges, range);
    }
}

GArray *sim_keys_ranges(SimKeys *k, const char *key)
{
    GArray *ranges = g_array_new(FALSE, FALSE, sizeof(SimRange));
    g_autofree char *text = sim_keys_text(k, key);

    add_ranges(k, key, text, ranges);
    return ranges;
}

/* ------------------------------------------------------------------------ */
/* [sim] and [container]                                                    */

/* With the process id for %p, and absolute: a daemon changes directory. */
static char *read_path(SimKeys *k, const char *key)
{
    g_autofree char *text = sim_keys_text(k, key);
    g_autofree char *pid = NULL, *path = NULL;
    g_auto(GStrv) parts = NULL;

    if (!text) {
        return NULL;
    }
    parts = g_strsplit(text, "%p", -1);
    pid = g_strdup_printf("%d", (int)getpid());
    path = g_strjoinv(pid, parts);
    return g_canonicalize_filename(path, NULL);
}

static bool load_sim(GKeyFile *file, GError **err)
{
    SimKeys k;

    sim_keys_open(&k, file, "sim", err);
    sim_world.status_path = read_path(&k, "status");
    sim_world.transcript_path = read_path(&k, "transcript");
    sim_world.status_interval_us =
        sim_keys_size(&k, "status-interval-ms", 0) * 1000;
    return sim_keys_close(&k);
}

static bool load_container(GKeyFile *file, GError **err)
{
    static const char *const modes[] = { "pinned", "all", NULL };
    static const char *const types[] = { "type1", "spapr", NULL };
    SimContainerConfig *c = &sim_world.container_cfg;
    SimKeys k;

    sim_keys_open(&k, file, "container", err);
    c->spapr = sim_keys_choice(&k, "iommu-type", types, 0) == 1;
    c->dirty_tracking = sim_keys_bool(&k, "dirty-tracking", true);
    c->dirty_all = sim_keys_choice(&k, "dirty-mode", modes, 0) == 1;
    c->page_sizes = sim_keys_size(&k, "page-sizes", PAGE_BYTES);
    c->max_bitmap_size = sim_keys_size(&k, "max-bitmap-size",
                                       UINT64_C(256) << 20);
    c->max_mappings = sim_keys_size(&k, "max-mappings", 65535);
    c->iova_ranges = sim_keys_ranges(&k, "iova-ranges");
    if (!c->page_sizes || c->page_sizes % PAGE_BYTES) {
        sim_keys_fail(&k, "page-sizes", "want a mask of sizes >= 4K");
    }
    return sim_keys_close(&k);
}

/* ------------------------------------------------------------------------ */
/* [device NAME]                                                            */

static void read_pci(SimKeys *k, SimDeviceConfig *c)
{
    c->group = sim_keys_size(k, "group", 0);
    c->vendor_id = sim_keys_size(k, "vendor-id", 0x1b36);
    c->device_id = sim_keys_size(k, "device-id", 0x00fe);
    c->bar0_size = sim_keys_size(k, "bar0-size", 64 * 1024);
    c->msix_vectors = sim_keys_size(k, "msix-vectors", 8);
    c->intx = sim_keys_bool(k, "intx", false);
    c->has_reset = sim_keys_bool(k, "reset", true);
    c->reset_clears_config = sim_keys_bool(k, "reset-clears-config", true);
    if (c->msix_vectors > SIM_MAX_VECTORS) {
        sim_keys_fail(k, "msix-vectors", "at most 64");
    }
    if (c->bar0_size < PAGE_BYTES || (c->bar0_size & (c->bar0_size - 1)) ||
        c->bar0_size > UINT64_C(1) << 30) {
        sim_keys_fail(k, "bar0-size", "want a power of two, 4K to 1G");
    }
}

static void add_stripes(SimDeviceConfig *c, uint64_t stripe)
{
    for (uint64_t at = 0; at < c->window_size; at += 2 * stripe) {
        SimRange r = { c->data_offset + at,
                       MIN(stripe, c->window_size - at) };

        g_array_append_val(c->areas, r);
    }
}

/* A named layout, or a list of areas. */
static void read_areas(SimKeys *k, SimDeviceConfig *c)
{
    g_autofree char *text = sim_keys_text(k, "areas");
    SimRange all = { c->data_offset, c->window_size };
    uint64_t stripe;

    c->areas = g_array_new(FALSE, FALSE, sizeof(SimRange));
    c->mmap_flag = c->sparse_cap = true;
    if (!text || strcmp(text, "all") == 0) {
        g_array_append_val(c->areas, all);
    } else if (strcmp(text, "none") == 0) {
        c->mmap_flag = c->sparse_cap = false;
    } else if (strcmp(text, "empty-list") == 0) {
        return;
    } else if (strcmp(text, "whole-region") == 0) {
        c->sparse_cap = false;
    } else if (strcmp(text, "all-but-last-page") == 0) {
        if (all.size_bytes > PAGE_BYTES) {
            all.size_bytes -= PAGE_BYTES;
            g_array_append_val(c->areas, all);
        }
    } else if (g_str_has_prefix(text, "stripes:")) {
        if (!sim_parse_size(text + strlen("stripes:"), &stripe) || !stripe) {
            sim_keys_fail(k, "areas", "want stripes:SIZE");
            return;
        }
        add_stripes(c, stripe);
    } else {
        add_ranges(k, "areas", text, c->areas);
    }
}

static void check_chunks(SimKeys *k, SimDeviceConfig *c)
{
    bool tiny = false;

    for (unsigned i = 0; i < c->chunk_sizes->len; i++) {
        uint64_t size = g_array_index(c->chunk_sizes, uint64_t, i);

        if (!size || size > c->window_size) {
            sim_keys_fail(k, "chunk-size", "want 1 to window-size");
        }
        tiny |= size < STREAM_HEADS_BYTES;
    }
    for (unsigned i = 0; i < c->chunk_starts->len; i++) {
        uint64_t start = g_array_index(c->chunk_starts, uint64_t, i);

        if (start >= c->window_size) {
            sim_keys_fail(k, "chunk-start", "want less than window-size");
        }
        tiny |= c->window_size - start < STREAM_HEADS_BYTES;
    }
    if (c->precopy_size && (tiny || c->precopy_size < STREAM_HEADS_BYTES ||
                            c->state_size < STREAM_HEADS_BYTES)) {
        sim_keys_fail(k, "precopy-size", "it, state-size and each chunk must "
                      "be at least 96 bytes");
    }
}

static void read_region(SimKeys *k, SimDeviceConfig *c)
{
    static const char *const presence[] = {
        "yes", "no", "zero-size", "info-error", NULL
    };
    uint64_t limit = UINT64_C(1) << SIM_REGION_SHIFT, zero = 0;

    c->migration = sim_keys_choice(k, "migration", presence, 0);
    c->data_offset = sim_keys_size(k, "data-offset", PAGE_BYTES);
    c->window_size = sim_keys_size(k, "window-size", 1024 * 1024);
    if (!c->window_size || c->window_size > limit / 2 ||
        c->data_offset < SIM_REGS_SIZE || c->data_offset > limit / 4) {
        sim_keys_fail(k, "window-size", "window-size or data-offset is off");
        c->window_size = PAGE_BYTES;
        c->data_offset = PAGE_BYTES;
    }
    c->region_size = sim_keys_size(k, "region-size",
                                   c->data_offset + c->window_size);
    if (c->region_size < c->data_offset + c->window_size ||
        c->region_size > limit) {
        sim_keys_fail(k, "region-size", "does not hold the window");
    }
    read_areas(k, c);
    c->chunk_sizes = sim_keys_sizes(k, "chunk-size");
    c->chunk_starts = sim_keys_sizes(k, "chunk-start");
    if (!c->chunk_starts->len) {
        g_array_append_val(c->chunk_starts, zero);
    }
    if (!c->chunk_sizes->len) {
        g_array_append_val(c->chunk_sizes, c->window_size);
    }
}

static void read_stream(SimKeys *k, SimDeviceConfig *c)
{
    static const char *const verify[] = { "full", "sampled", "none", NULL };
    static const char *const fail[] = { "record", "fail", NULL };
    static const char *const split[] = { "refuse", "allow", NULL };
    static const char *const incomplete[] = { "keep", "error", NULL };
    static const char *const trapped[] = { "syscall", "memory", NULL };

    c->state_size = sim_keys_size(k, "state-size", 1024 * 1024);
    c->precopy_size = sim_keys_size(k, "precopy-size", 0);
    c->precopy_rate = sim_keys_size(k, "precopy-rate", 0);
    c->precopy_max = sim_keys_size(k, "precopy-max", c->precopy_size);
    c->save_rate = sim_keys_size(k, "save-rate", 0);
    c->load_rate = sim_keys_size(k, "load-rate", 0);
    c->seed = sim_keys_size(k, "seed", 1);
    c->reserved_bits = sim_keys_size(k, "reserved-bits", 0);
    c->max_access = sim_keys_size(k, "max-access", 0);
    c->trapped_by_memory = sim_keys_choice(k, "trapped-by", trapped, 0);
    c->verify = sim_keys_choice(k, "verify", verify, SIM_VERIFY_FULL);
    c->corrupt_fails = sim_keys_choice(k, "on-corrupt", fail, 1);
    c->split_allowed = sim_keys_choice(k, "split", split, 0);
    c->require_data = sim_keys_bool(k, "require-data", false);
    c->incomplete_is_error = sim_keys_choice(k, "on-incomplete", incomplete,
                                             0);
    c->data_in_transcript = sim_keys_bool(k, "transcript-data", false);
    if (c->reserved_bits & SIM_STATE_MASK) {
        sim_keys_fail(k, "reserved-bits", "bits 0..2 are not reserved");
    }
    if (c->precopy_rate && !c->precopy_size) {
        sim_keys_fail(k, "precopy-rate", "needs precopy-size");
    }
    check_chunks(k, c);
}

static void read_dma(SimKeys *k, SimDeviceConfig *c)
{
    static const char *const patterns[] = { "sequential", "random", NULL };

    c->dma_rate = sim_keys_size(k, "dma-rate", 0);
    c->dma_start = sim_keys_size(k, "dma-start", 0);
    c->dma_size = sim_keys_size(k, "dma-size", 0);
    c->dma_burst = sim_keys_size(k, "dma-burst", PAGE_BYTES);
    c->dma_random = sim_keys_choice(k, "dma-pattern", patterns, 1);
    c->dma_bus_master = sim_keys_bool(k, "dma-needs-bus-master", false);
    c->dirty_tracking = sim_keys_bool(k, "dirty-tracking", true);
    c->pinned = sim_keys_ranges(k, "pinned");
    if (c->dma_rate && (c->dma_burst < 8 || c->dma_burst % 8 ||
                        c->dma_start % 8 || c->dma_size < c->dma_burst)) {
        sim_keys_fail(k, "dma-rate", "needs dma-size >= dma-burst, and "
                      "dma-start and dma-burst in steps of 8 bytes");
    }
}

/* ------------------------------------------------------------------------ */
/* Strictness: which arcs the driver accepts                                */

/* Drawn in the kernel's header, and further ones that QEMU 5.2-7.2 does. */
static const char kernel_arcs[] = "001>000;001>010;010>000;001>011;"
                                  "011>010;001>100;100>001";
static const char qemu_arcs[] = "011>001;010>001;000>001;000>010;000>100";
/* The table of libvfio-user's v1 server (requirements 5.4). */
static const char libvfio_user_arcs[] =
    "000>001;001>000;001>010;001>011;001>100;010>000;010>001;011>000;"
    "011>010;100>001";

static void set_arcs(SimKeys *k, const char *key, SimDeviceConfig *c,
                     const char *text, bool accept)
{
    g_auto(GStrv) arcs = g_strsplit(text, ";", -1);

    for (size_t i = 0; arcs[i]; i++) {
        g_auto(GStrv) ends = NULL;
        uint32_t from, to;

        if (!*g_strstrip(arcs[i])) {
            continue;
        }
        ends = g_strsplit(arcs[i], ">", 2);
        if (!ends[1] || !sim_parse_state(g_strstrip(ends[0]), &from) ||
            !sim_parse_state(g_strstrip(ends[1]), &to)) {
            sim_keys_fail(k, key, "want FROM>TO separated by ';', "
                          "such as 011>001 or pre-copy>running");
            return;
        }
        c->arcs[from][to] = accept;
    }
}

static void read_arcs(SimKeys *k, SimDeviceConfig *c)
{
    static const char *const modes[] = {
        "drawn", "kernel", "lenient", "libvfio-user", NULL
    };
    static const uint32_t valid[] = {
        SIM_STOP, SIM_RUNNING, SIM_STOP_COPY, SIM_PRE_COPY, SIM_RESUMING
    };
    int mode = sim_keys_choice(k, "strictness", modes, 0);
    g_autofree char *refuse = sim_keys_text(k, "refuse");
    g_autofree char *accept = sim_keys_text(k, "accept");

    for (size_t i = 0; i < G_N_ELEMENTS(valid); i++) {
        for (size_t j = 0; j < G_N_ELEMENTS(valid); j++) {
            c->arcs[valid[i]][valid[j]] = mode == 2 || i == j;
        }
    }
    if (mode == 0 || mode == 1) {
        set_arcs(k, "strictness", c, kernel_arcs, true);
    }
    if (mode == 0) {
        set_arcs(k, "strictness", c, qemu_arcs, true);
    }
    if (mode == 3) {
        set_arcs(k, "strictness", c, libvfio_user_arcs, true);
    }
    set_arcs(k, "accept", c, accept ? accept : "", true);
    set_arcs(k, "refuse", c, refuse ? refuse : "", false);
    c->refuse_errno = sim_keys_errno(k, "refuse-errno", EINVAL);
}

static bool load_device(GKeyFile *file, const char *group, const char *name,
                        GError **err)
{
    SimDevice *d;
    SimKeys k;

    if (!*name || strchr(name, '/') || sim_find_device(name)) {
        g_set_error(err, VFIO_SIM_ERROR, VFIO_SIM_ERROR_CONFIG,
                    "[%s]: no name, a '/' in it, or a name used twice",
                    group);
        return false;
    }
    d = sim_device_new();
    d->cfg.name = g_strdup(name);
    g_ptr_array_add(sim_world.devices, d);
    sim_keys_open(&k, file, group, err);
    read_pci(&k, &d->cfg);
    read_region(&k, &d->cfg);
    read_stream(&k, &d->cfg);
    read_arcs(&k, &d->cfg);
    read_dma(&k, &d->cfg);
    return sim_keys_close(&k);
}

void sim_device_config_clear(SimDeviceConfig *c)
{
    g_clear_pointer(&c->name, g_free);
    g_clear_pointer(&c->areas, g_array_unref);
    g_clear_pointer(&c->chunk_sizes, g_array_unref);
    g_clear_pointer(&c->chunk_starts, g_array_unref);
    g_clear_pointer(&c->pinned, g_array_unref);
}

/* ------------------------------------------------------------------------ */
/* The whole file                                                           */

static bool load_fault(GKeyFile *file, const char *group, GError **err)
{
    SimFault *f = sim_fault_parse(file, group, err);

    if (f) {
        sim_fault_add(f);
    }
    return f != NULL;
}

bool sim_config_load(GKeyFile *file, GError **err)
{
    g_auto(GStrv) groups = g_key_file_get_groups(file, NULL);

    sim_world.devices = g_ptr_array_new_with_free_func(
        (GDestroyNotify)sim_device_free);
    sim_world.containers = g_ptr_array_new_with_free_func(
        (GDestroyNotify)sim_container_free);
    sim_world.groups = g_ptr_array_new_with_free_func(g_free);
    if (!load_sim(file, err) || !load_container(file, err)) {
        return false;
    }
    for (size_t i = 0; groups[i]; i++) {
        const char *g = groups[i];

        if (g_str_has_prefix(g, "device ")) {
            if (!load_device(file, g, g + strlen("device "), err)) {
                return false;
            }
        } else if (g_str_has_prefix(g, "fault ")) {
            if (!load_fault(file, g, err)) {
                return false;
            }
        } else if (strcmp(g, "sim") && strcmp(g, "container")) {
            g_set_error(err, VFIO_SIM_ERROR, VFIO_SIM_ERROR_CONFIG,
                        "[%s]: want [sim], [container], [device NAME] or "
                        "[fault NAME]", g);
            return false;
        }
    }
    return true;
}
