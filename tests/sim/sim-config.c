/*
 * Simulated VFIO devices: the configuration file
 *
 * Owns: reading the groups [sim], [container], [device NAME] and
 * [fault NAME] of a GKeyFile into sim_world, with an error that names the
 * group and the key. An unknown key is an error: a test with a misspelt fault
 * or layout must not pass. Reference: docs/sim.md.
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

/* ------------------------------------------------------------------------ */
/* A reader of one group: after the first error, calls do nothing           */

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

/* Read all keys of the table @keys. */
static void read_keys(SimKeys *k, const SimKey *keys, void *base)
{
    char why[SIM_WHY_CHARS];

    sim_keys_default(keys, base);
    for (; keys->name; keys++) {
        g_autofree char *text = sim_keys_text(k, keys->name);

        if (text && !sim_key_set(keys, base, text, why)) {
            sim_keys_fail(k, keys->name, why);
        }
    }
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
        if (!sim_parse_range(part, &range)) {
            sim_keys_fail(k, key, "want OFFSET+SIZE separated by ';'");
            return;
        }
        g_array_append_val(ranges, range);
    }
}

static GArray *read_ranges(SimKeys *k, const char *key)
{
    GArray *ranges = g_array_new(FALSE, FALSE, sizeof(SimRange));
    g_autofree char *text = sim_keys_text(k, key);

    add_ranges(k, key, text, ranges);
    return ranges;
}

/* ------------------------------------------------------------------------ */
/* [sim] and [container]                                                    */

/* %p is the process id. The path is absolute, as daemons change directory. */
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

#define KEY(type, name, kind, field, fallback, choices) \
    { name, SIM_KEY_##kind, offsetof(type, field), fallback, choices }

static const char *const orders[] = { "auto", "always", "never", NULL };

static const SimKey sim_keys[] = {
    KEY(SimWorld, "status-interval-ms", SIZE, status_interval_ms, "0", NULL),
    KEY(SimWorld, "p2p-order", CHOICE, p2p_order, "auto", orders),
    { NULL, 0, 0, NULL, NULL }
};

static bool load_sim(GKeyFile *file, GError **err)
{
    SimKeys k;

    sim_keys_open(&k, file, "sim", err);
    sim_world.status_path = read_path(&k, "status");
    sim_world.transcript_path = read_path(&k, "transcript");
    read_keys(&k, sim_keys, &sim_world);
    return sim_keys_close(&k);
}

static const char *const modes[] = { "pinned", "all", NULL };
static const char *const types[] = { "type1", "spapr", NULL };

static const SimKey container_keys[] = {
    KEY(SimContainerConfig, "iommu-type", CHOICE, spapr, "type1", types),
    KEY(SimContainerConfig, "dirty-tracking", BOOL, dirty_tracking, "yes",
        NULL),
    KEY(SimContainerConfig, "dirty-mode", CHOICE, dirty_all, "pinned", modes),
    KEY(SimContainerConfig, "page-sizes", SIZE, page_sizes, "4K", NULL),
    KEY(SimContainerConfig, "max-bitmap-size", SIZE, max_bitmap_size, "256M",
        NULL),
    KEY(SimContainerConfig, "max-mappings", SIZE, max_mappings, "65535",
        NULL),
    { NULL, 0, 0, NULL, NULL }
};

static bool load_container(GKeyFile *file, GError **err)
{
    SimContainerConfig *c = &sim_world.container_cfg;
    SimKeys k;

    sim_keys_open(&k, file, "container", err);
    read_keys(&k, container_keys, c);
    c->iova_ranges = read_ranges(&k, "iova-ranges");
    if (!c->page_sizes || c->page_sizes % PAGE_BYTES) {
        sim_keys_fail(&k, "page-sizes", "want a mask of sizes >= 4K");
    }
    return sim_keys_close(&k);
}

/* ------------------------------------------------------------------------ */
/* [device NAME]                                                            */

/* "0x40:09 00 10;0x08:02": an offset, then bytes in hexadecimal */
static bool parse_config_part(const char *part, SimDeviceConfig *c)
{
    g_auto(GStrv) halves = g_strsplit(part, ":", 2);
    uint64_t at;

    if (!halves[0] || !halves[1] ||
        !sim_parse_size(g_strstrip(halves[0]), &at)) {
        return false;
    }
    for (const char *p = halves[1]; *p; p++) {
        if (*p == ' ') {
            continue;
        }
        if (at >= SIM_CONFIG_EXTENDED_SIZE || !g_ascii_isxdigit(p[0]) ||
            !g_ascii_isxdigit(p[1])) {
            return false;
        }
        c->config[at] = g_ascii_xdigit_value(p[0]) << 4 |
                        g_ascii_xdigit_value(p[1]);
        c->config_given[at] = true;
        if (at++ >= SIM_CONFIG_SIZE) {
            c->config_size = SIM_CONFIG_EXTENDED_SIZE;
        }
        p++;
    }
    return true;
}

static void read_config_space(SimKeys *k, SimDeviceConfig *c)
{
    g_autofree char *text = sim_keys_text(k, "config");
    g_auto(GStrv) parts = g_strsplit(text ? text : "", ";", -1);

    c->config_size = SIM_CONFIG_SIZE;
    for (size_t i = 0; parts[i]; i++) {
        if (*g_strstrip(parts[i]) && !parse_config_part(parts[i], c)) {
            sim_keys_fail(k, "config", "want OFFSET:BYTES separated by ';', "
                          "below 4096");
        }
    }
}

static const char *const hot_resets[] = { "no", "alone", "shared", NULL };
static const char *const patterns[] = { "sequential", "random", NULL };

#define DEVICE_KEY(name, kind, field, fallback, choices) \
    KEY(SimDeviceConfig, name, kind, field, fallback, choices)

static const SimKey device_keys[] = {
    DEVICE_KEY("group", SIZE, group, "0", NULL),
    DEVICE_KEY("vendor-id", SIZE, vendor_id, "0x1b36", NULL),
    DEVICE_KEY("device-id", SIZE, device_id, "0x00fe", NULL),
    DEVICE_KEY("bar0-size", SIZE, bar0_size, "64K", NULL),
    DEVICE_KEY("msix-vectors", SIZE, msix_vectors, "8", NULL),
    DEVICE_KEY("intx", BOOL, intx, "no", NULL),
    DEVICE_KEY("reset", BOOL, has_reset, "yes", NULL),
    DEVICE_KEY("hot-reset", CHOICE, hot_reset, "no", hot_resets),
    DEVICE_KEY("flr", BOOL, flr, "no", NULL),
    DEVICE_KEY("dma-rate", SIZE, dma_rate, "0", NULL),
    DEVICE_KEY("dma-start", SIZE, dma_start, "0", NULL),
    DEVICE_KEY("dma-size", SIZE, dma_size, "0", NULL),
    DEVICE_KEY("dma-burst", SIZE, dma_burst, "4K", NULL),
    DEVICE_KEY("dma-pattern", CHOICE, dma_random, "random", patterns),
    DEVICE_KEY("dma-needs-bus-master", BOOL, dma_bus_master, "no", NULL),
    DEVICE_KEY("dirty-tracking", BOOL, dirty_tracking, "yes", NULL),
    DEVICE_KEY("iommu", SIZE, iommu, "0", NULL),
    { NULL, 0, 0, NULL, NULL }
};

static void read_host(SimKeys *k, SimDeviceConfig *c)
{
    read_keys(k, device_keys, c);
    read_config_space(k, c);
    c->pinned = read_ranges(k, "pinned");
    if (c->msix_vectors > SIM_MAX_VECTORS) {
        sim_keys_fail(k, "msix-vectors", "at most 64");
    }
    if (c->bar0_size < PAGE_BYTES || (c->bar0_size & (c->bar0_size - 1)) ||
        c->bar0_size > UINT64_C(1) << 30) {
        sim_keys_fail(k, "bar0-size", "want a power of two, 4K to 1G");
    }
    if (c->dma_rate && (c->dma_burst < 8 || c->dma_burst % 8 ||
                        c->dma_start % 8 || c->dma_size < c->dma_burst)) {
        sim_keys_fail(k, "dma-rate", "needs dma-size >= dma-burst, and "
                      "dma-start and dma-burst in steps of 8 bytes");
    }
}

static void read_mig_key(SimKeys *k, SimMigConfig *c, const SimKey *key)
{
    g_autofree char *text = sim_keys_text(k, key->name);
    char why[SIM_WHY_CHARS], preset[SIM_NAME_CHARS];

    if (!text && sim_profile_value(c->profile, key->name, preset,
                                   sizeof(preset))) {
        text = g_strdup(preset);
    }
    if (text && !sim_key_set(key, c, text, why)) {
        sim_keys_fail(k, key->name, why);
    }
}

/* The model defines the keys of the migration region and of its state. */
static void read_migration(SimKeys *k, SimMigConfig *c)
{
    char why[SIM_WHY_CHARS];
    const char *wrong;

    sim_keys_default(sim_mig_keys, c);
    read_mig_key(k, c, sim_key_find(sim_mig_keys, "profile"));
    for (const SimKey *key = sim_mig_keys; key->name; key++) {
        read_mig_key(k, c, key);
    }
    if (!sim_mig_config_finish(c, &wrong, why)) {
        sim_keys_fail(k, wrong, why);
    }
}

/* The IOMMU is configured for each device: all of a group must agree. */
static void check_group(SimKeys *k, const SimDeviceConfig *c)
{
    for (unsigned i = 0; i < sim_world.devices->len; i++) {
        SimDevice *d = g_ptr_array_index(sim_world.devices, i);

        if (d->cfg.group == c->group &&
            (d->cfg.iommu != c->iommu ||
             d->cfg.dirty_tracking != c->dirty_tracking)) {
            sim_keys_fail(k, "group", "the devices of one group have the "
                          "same iommu and dirty-tracking");
            return;
        }
    }
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
    read_host(&k, &d->cfg);
    read_migration(&k, &d->mig.cfg);
    check_group(&k, &d->cfg);
    return sim_keys_close(&k);
}

void sim_device_config_clear(SimDeviceConfig *c)
{
    g_clear_pointer(&c->name, g_free);
    g_clear_pointer(&c->pinned, g_array_unref);
}

/* ------------------------------------------------------------------------ */
/* The whole file                                                           */

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
            if (!sim_fault_load(file, g, err)) {
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
