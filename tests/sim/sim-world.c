/*
 * Simulated VFIO devices: the only simulated machine of the process
 *
 * Owns: the current configuration and the lists of devices, containers and
 * groups; reading the configuration on first use; names and small helpers.
 *
 * Locks: sim_world.lock guards the lists. The configuration is read under a
 * separate lock, so that errors can be printed without any other.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim-internal.h"

SimWorld sim_world;

static GMutex load_lock;
static gsize env_read;

G_DEFINE_QUARK(vfio_sim_error_quark, vfio_sim_error)

static void world_drop(void)
{
    sim_status_timer_stop();
    sim_files_close_all();
    sim_world_clear();
    sim_transcript_close();
}

/* Read the configuration @text, or file @path. */
static bool configure(const char *text, const char *path, GError **err)
{
    g_autoptr(GKeyFile) keys = g_key_file_new();
    bool ok;

    g_mutex_lock(&load_lock);
    env_read = 1;
    world_drop();
    ok = text ? g_key_file_load_from_data(keys, text, -1, 0, err)
              : g_key_file_load_from_file(keys, path, 0, err);
    ok = ok && sim_config_load(keys, err);
    if (!ok) {
        sim_world_clear();
    }
    sim_world.configured = ok;
    g_mutex_unlock(&load_lock);
    return ok;
}

bool vfio_sim_configure_data(const char *text, GError **err)
{
    return configure(text, NULL, err);
}

bool vfio_sim_configure_file(const char *path, GError **err)
{
    return configure(NULL, path, err);
}

void vfio_sim_shutdown(void)
{
    g_mutex_lock(&load_lock);
    world_drop();
    g_mutex_unlock(&load_lock);
}

/*
 * Does this process have a simulated VFIO? VFIO_SIM_CONFIG is not read before
 * /dev/vfio is first opened: this must not affect the many processes that only
 * inherit the environment.
 */
bool sim_world_active(void)
{
    const char *path = getenv("VFIO_SIM_CONFIG");
    g_autoptr(GError) err = NULL;

    if (sim_world.configured) {
        return true;
    }
    if (!path || !*path) {
        return false;
    }
    if (g_atomic_pointer_get(&env_read)) {
        return sim_world.configured;
    }
    if (!vfio_sim_configure_file(path, &err)) {
        fprintf(stderr, "vfio-sim: %s: %s\n", path, err->message);
    }
    return sim_world.configured;
}

void sim_world_clear(void)
{
    g_mutex_lock(&sim_world.lock);
    g_clear_pointer(&sim_world.devices, g_ptr_array_unref);
    g_clear_pointer(&sim_world.groups, g_ptr_array_unref);
    g_clear_pointer(&sim_world.containers, g_ptr_array_unref);
    g_clear_pointer(&sim_world.container_cfg.iova_ranges, g_array_unref);
    g_clear_pointer(&sim_world.status_path, g_free);
    g_clear_pointer(&sim_world.transcript_path, g_free);
    memset(&sim_world.container_cfg, 0, sizeof(sim_world.container_cfg));
    sim_world.configured = false;
    g_mutex_unlock(&sim_world.lock);
    sim_fault_clear_all();
}

SimDevice *sim_find_device(const char *name)
{
    for (unsigned i = 0; sim_world.devices && i < sim_world.devices->len;
         i++) {
        SimDevice *d = g_ptr_array_index(sim_world.devices, i);

        if (strcmp(d->cfg.name, name) == 0) {
            return d;
        }
    }
    return NULL;
}
