/*
 * Simulated VFIO devices: the transcript
 *
 * Owns: one line of text for each request to a device, and the list of contract
 * violations. Each line is one write(2), so that it is kept even if the process
 * is killed.
 *
 * Locks: none; O_APPEND keeps lines whole. Violations may be recorded with or
 * without the device's mig_lock: a separate lock guards the array.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sim-internal.h"

static atomic_int transcript_fd = -1;
static GMutex open_lock;
static GMutex violation_lock;

void sim_transcript_open(void)
{
    const char *path = sim_world.transcript_path;
    int fd;

    g_mutex_lock(&open_lock);
    if (path && atomic_load(&transcript_fd) < 0) {
        fd = sim_real_open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC |
                           O_TRUNC, 0644);
        if (fd < 0) {
            fprintf(stderr, "vfio-sim: cannot write transcript %s: %s\n",
                    path, strerror(errno));
        }
        atomic_store(&transcript_fd, fd);
    }
    g_mutex_unlock(&open_lock);
}

void sim_transcript_close(void)
{
    int fd = atomic_exchange(&transcript_fd, -1);

    if (fd >= 0) {
        sim_real_close(fd);
    }
}

static void write_line(int fd, const char *who, const char *what)
{
    g_autofree char *line =
        g_strdup_printf("%" G_GINT64_FORMAT " %s %s\n",
                        g_get_monotonic_time(), who, what);
    ssize_t ignored = write(fd, line, strlen(line));

    (void)ignored;
}

void sim_vlog(const char *who, const char *fmt, va_list ap)
{
    int fd = atomic_load_explicit(&transcript_fd, memory_order_relaxed);
    g_autofree char *what = NULL;
    int saved_errno = errno;

    if (fd < 0) {
        return;
    }
    what = g_strdup_vprintf(fmt, ap);
    write_line(fd, who, what);
    errno = saved_errno;
}

void sim_log(const char *who, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    sim_vlog(who, fmt, ap);
    va_end(ap);
}

void sim_vviolation(SimDevice *d, const char *fmt, va_list ap)
{
    char *what = g_strdup_vprintf(fmt, ap);

    sim_log(d->cfg.name, "violation %s", what);
    g_mutex_lock(&violation_lock);
    d->num_violations++;
    if (d->violations->len < SIM_MAX_VIOLATIONS) {
        g_ptr_array_add(d->violations, what);
        what = NULL;
    }
    g_mutex_unlock(&violation_lock);
    g_free(what);
}

void sim_violations_foreach(SimDevice *d, GFunc fn, void *opaque)
{
    g_mutex_lock(&violation_lock);
    g_ptr_array_foreach(d->violations, fn, opaque);
    g_mutex_unlock(&violation_lock);
}
