/*
 * Simulated VFIO devices: the status file
 *
 * Owns: the JSON text with the state and the counters of each device, the file
 * that it is written to on each change, and the short form for tests in the
 * same process. Keys: docs/sim.md.
 *
 * Locks: a private one, so that there is one writer at a time. Counters of
 * other threads are read without their locks; a status is exact once the
 * device is idle.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sim-internal.h"

/* These functions read counters without their locks: see above. */
#define LOOKS_ON __attribute__((no_sanitize("thread")))

static GMutex status_lock;

/* @text: set to the digest, or to "" if it is not @valid */
static void digest_text(bool valid, uint64_t digest,
                        char text[VFIO_SIM_DIGEST_LEN + 1])
{
    text[0] = 0;
    if (valid) {
        snprintf(text, VFIO_SIM_DIGEST_LEN + 1, "%016llx",
                 (unsigned long long)digest);
    }
}

/* JSON is written by hand: a preloaded library must not need others. */
static void append_quoted(GString *b, const char *text)
{
    g_string_append_c(b, '"');
    for (; *text; text++) {
        if ((unsigned char)*text < ' ') {
            g_string_append_printf(b, "\\u%04x", *text);
        } else {
            g_string_append_printf(b, "%s%c", strchr("\"\\", *text) ? "\\" : "",
                                   *text);
        }
    }
    g_string_append_c(b, '"');
}

/* Begin the next member: a comma if needed, and the name if @key is set. */
static void add_key(GString *b, const char *key)
{
    if (!strchr("{[", b->str[b->len - 1])) {
        g_string_append(b, ", ");
    }
    if (key) {
        append_quoted(b, key);
        g_string_append(b, ": ");
    }
}

static void add_object(GString *b, const char *key)
{
    add_key(b, key);
    g_string_append_c(b, '{');
}

static void add_number(GString *b, const char *key, uint64_t value)
{
    add_key(b, key);
    g_string_append_printf(b, "%" PRId64, (int64_t)value);
}

static void add_text(GString *b, const char *key, const char *value)
{
    add_key(b, key);
    append_quoted(b, value);
}

static void add_flag(GString *b, const char *key, bool value)
{
    add_key(b, key);
    g_string_append(b, value ? "true" : "false");
}

static void add_digest(GString *b, const char *key, bool valid,
                       uint64_t digest)
{
    char text[VFIO_SIM_DIGEST_LEN + 1];

    digest_text(valid, digest, text);
    add_text(b, key, text);
}

static LOOKS_ON void add_counters(GString *b, const SimCounters *n)
{
    add_number(b, "calls", n->calls);
    add_number(b, "migration-calls", n->migration_calls);
    add_number(b, "save-sessions", n->save_sessions);
    add_number(b, "load-sessions", n->load_sessions);
    add_number(b, "saved-chunks", n->saved_chunks);
    add_number(b, "saved-bytes", n->saved_bytes);
    add_number(b, "saved-precopy-bytes", n->saved_precopy_bytes);
    add_number(b, "loaded-chunks", n->loaded_chunks);
    add_number(b, "loaded-bytes", n->loaded_bytes);
    add_number(b, "loaded-precopy-bytes", n->loaded_precopy_bytes);
    add_number(b, "mapped-bytes", n->mapped_bytes);
    add_number(b, "trapped-bytes", n->trapped_bytes);
    add_number(b, "trapped-calls", n->trapped_calls);
    add_number(b, "mmaps", n->mmaps);
    add_number(b, "repeated-offset-reads", n->repeated_offset_reads);
    add_number(b, "unacked-chunks", n->unacked_chunks);
    add_number(b, "corrupt", n->corrupt);
    add_number(b, "incomplete", n->incomplete);
    add_number(b, "unfinished-saves", n->unfinished_saves);
    add_number(b, "refused", n->refused);
    add_number(b, "resets", n->resets);
}

static LOOKS_ON void add_dma(GString *b, const SimDma *dma)
{
    add_object(b, "dma");
    add_flag(b, "running", dma->running);
    add_number(b, "bursts", dma->steps);
    add_number(b, "bytes", dma->bytes);
    add_number(b, "misses", dma->misses);
    add_digest(b, "digest-at-stop", dma->at_stop.valid, dma->at_stop.value);
    add_digest(b, "digest-at-start", dma->at_start.valid,
               dma->at_start.value);
    g_string_append_c(b, '}');
}

static LOOKS_ON void add_log(GString *b, const SimDmaLog *log)
{
    add_object(b, "log");
    add_flag(b, "on", log->on);
    add_flag(b, "lost", log->lost);
    add_number(b, "starts", log->starts);
    add_number(b, "reports", log->reports);
    add_number(b, "reported-pages", log->reported_pages);
    add_number(b, "unread-pages", log->unread_pages);
    g_string_append_c(b, '}');
}

static void add_violation(gpointer text, gpointer builder)
{
    add_text(builder, NULL, text);
}

static LOOKS_ON void add_violations(GString *b, SimDevice *d)
{
    add_number(b, "violation-count", d->num_violations);
    add_key(b, "violations");
    g_string_append_c(b, '[');
    sim_violations_foreach(d, add_violation, b);
    g_string_append_c(b, ']');
}

/* The state's number in the device's protocol */
static uint32_t state_number(const SimMig *m)
{
    uint32_t state = sim_mig_state(m);

    return m->cfg.protocol_v2 ? sim_v2_to_uapi(state) : state;
}

static const char *protocol_name(const SimMig *m)
{
    return m->cfg.protocol_v2 ? "v2" :
           m->cfg.migration == SIM_MIGRATION_NO ? "none" : "v1";
}

static LOOKS_ON void add_device(GString *b, SimDevice *d)
{
    const SimMig *m = &d->mig;

    add_object(b, d->cfg.name);
    add_flag(b, "open", d->open_count > 0);
    add_text(b, "protocol", protocol_name(m));
    add_text(b, "state", sim_mig_state_name(m, sim_mig_state(m)));
    add_number(b, "device-state", state_number(m));
    add_number(b, "data-fds", d->data_files);
    add_digest(b, "digest", m->state_id, sim_mix(m->state_id));
    add_digest(b, "saved-digest", m->saved_id, sim_mix(m->saved_id));
    add_digest(b, "loaded-digest", m->loaded_id, sim_mix(m->loaded_id));
    add_flag(b, "loaded", m->loaded);
    add_flag(b, "state-lost", m->state_lost);
    add_counters(b, &m->count);
    add_number(b, "command", d->pci.config[4] | d->pci.config[5] << 8);
    add_number(b, "msix-armed", d->pci.msix_armed);
    add_dma(b, &d->dma);
    if (m->cfg.protocol_v2) {
        add_log(b, &d->log);
    }
    add_violations(b, d);
    g_string_append_c(b, '}');
}

static void add_fault(const SimRule *rule, void *opaque)
{
    GString *b = opaque;

    add_object(b, rule->name);
    add_number(b, "matched", rule->matched);
    add_number(b, "fired", rule->fired);
    g_string_append_c(b, '}');
}

char *vfio_sim_status_json(void)
{
    GString *b = g_string_new("{");

    add_number(b, "pid", getpid());
    add_number(b, "time-us", g_get_monotonic_time());
    add_object(b, "devices");
    for (unsigned i = 0; sim_world.devices && i < sim_world.devices->len;
         i++) {
        add_device(b, g_ptr_array_index(sim_world.devices, i));
    }
    g_string_append_c(b, '}');
    add_object(b, "faults");
    sim_fault_foreach(add_fault, b);
    g_string_append_c(b, '}');
    g_string_append_c(b, '}');
    return g_string_free(b, FALSE);
}

/* Replace the file atomically, so that a reader never sees a part of it. */
static bool replace_file(const char *path, const char *text)
{
    g_autofree char *temp = g_strdup_printf("%s.tmp", path);
    int fd = sim_real_open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                           0644);
    size_t len = strlen(text);
    bool ok;

    if (fd < 0) {
        return false;
    }
    ok = write(fd, text, len) == (ssize_t)len;
    sim_real_close(fd);
    return ok && rename(temp, path) == 0;
}

void sim_status_write(void)
{
    g_autofree char *text = NULL;
    int saved_errno = errno;

    if (!sim_world.status_path) {
        return;
    }
    g_mutex_lock(&status_lock);
    text = vfio_sim_status_json();
    if (!replace_file(sim_world.status_path, text)) {
        fprintf(stderr, "vfio-sim: cannot write status %s: %s\n",
                sim_world.status_path, strerror(errno));
    }
    g_mutex_unlock(&status_lock);
    errno = saved_errno;
}

/* ------------------------------------------------------------------------ */
/* At an interval, and at the end of the process                            */

static struct {
    GMutex lock;
    GCond wake;
    GThread *thread;
    bool quit;
} timer;

static void *timer_thread(void *opaque)
{
    g_mutex_lock(&timer.lock);
    while (!timer.quit) {
        g_cond_wait_until(&timer.wake, &timer.lock, g_get_monotonic_time() +
                          sim_world.status_interval_ms * 1000);
        sim_status_write();
    }
    g_mutex_unlock(&timer.lock);
    return NULL;
}

void sim_status_timer_start(void)
{
    g_mutex_lock(&timer.lock);
    if (!timer.thread && sim_world.status_interval_ms &&
        sim_world.status_path) {
        timer.quit = false;
        timer.thread = g_thread_new("vfio-sim-status", timer_thread, NULL);
    }
    g_mutex_unlock(&timer.lock);
}

void sim_status_timer_stop(void)
{
    GThread *thread;

    g_mutex_lock(&timer.lock);
    timer.quit = true;
    thread = g_steal_pointer(&timer.thread);
    g_cond_signal(&timer.wake);
    g_mutex_unlock(&timer.lock);
    if (thread) {
        g_thread_join(thread);
    }
}

static void __attribute__((destructor)) status_at_exit(void)
{
    if (sim_files_open()) {
        sim_status_write();
    }
}

/* ------------------------------------------------------------------------ */
/* In the process                                                           */

LOOKS_ON unsigned vfio_sim_violations(void)
{
    unsigned sum = 0;

    for (unsigned i = 0; sim_world.devices && i < sim_world.devices->len;
         i++) {
        const SimDevice *d = g_ptr_array_index(sim_world.devices, i);

        sum += d->num_violations;
    }
    return sum;
}

LOOKS_ON bool vfio_sim_device_status(const char *name, VFIOSimStatus *status)
{
    SimDevice *d = sim_find_device(name);
    const SimMig *m = d ? &d->mig : NULL;

    if (!d) {
        return false;
    }
    memset(status, 0, sizeof(*status));
    status->device_state = state_number(m) & SIM_STATE_MASK;
    digest_text(m->state_id, sim_mix(m->state_id), status->digest);
    digest_text(m->saved_id, sim_mix(m->saved_id), status->saved_digest);
    digest_text(m->loaded_id, sim_mix(m->loaded_id), status->loaded_digest);
    status->loaded = m->loaded;
    status->state_lost = m->state_lost;
    status->violations = d->num_violations;
    status->corrupt = m->count.corrupt;
    status->incomplete = m->count.incomplete;
    status->unfinished_saves = m->count.unfinished_saves;
    status->data_fds = d->data_files;
    status->v2 = m->cfg.protocol_v2;
    status->log_on = d->log.on;
    status->log_unread_pages = d->log.unread_pages;
    status->refused = m->count.refused;
    status->resets = m->count.resets;
    status->unacked_chunks = m->count.unacked_chunks;
    status->calls = m->count.calls;
    status->migration_calls = m->count.migration_calls;
    status->saved_bytes = m->count.saved_bytes;
    status->loaded_bytes = m->count.loaded_bytes;
    status->trapped_bytes = m->count.trapped_bytes;
    status->mapped_bytes = m->count.mapped_bytes;
    status->dma_bytes = d->dma.bytes;
    status->msix_armed = d->pci.msix_armed;
    status->command = d->pci.config[4] | d->pci.config[5] << 8;
    return true;
}
