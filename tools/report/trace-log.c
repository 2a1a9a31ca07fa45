/*
 * Reading the output of QEMU's trace backend "log"
 *
 * Owns: the format of a line, "PID@SECONDS.MICROSECONDS:EVENT ARGUMENTS", as
 * written for the distribution's QEMU 7.2 and for our own events with -msg
 * timestamp=on. Does not own: interpreting events (report-model.c). No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "trace-log.h"

/* A file with more of these events is not the trace of a migration. */
#define MAX_EVENTS 4000000u
/* Limit on seconds since the epoch, so that 64 bits hold microseconds */
#define MAX_SECONDS INT64_C(100000000000)

/* Few per chunk and none per page: tracing must not distort the times. */
const char *const trace_log_patterns[] = {
    "vfio_migration_*", "runstate_set", "vm_state_notify",
    "migrate_set_state", "migrate_fd_error", "migration_bitmap_sync_*",
    "migration_completion_vm_stop", "savevm_section_*",
    "savevm_state_complete_precopy", "qemu_loadvm_state_section_startfull",
    "qemu_loadvm_state_section_partend", "process_incoming_migration_co_end",
    NULL,
};

static bool is_wanted(const char *name)
{
    for (unsigned i = 0; trace_log_patterns[i]; i++) {
        if (g_pattern_match_simple(trace_log_patterns[i], name)) {
            return true;
        }
    }
    return false;
}

static void event_free(void *opaque)
{
    TraceEvent *event = opaque;

    g_free(event->name);
    g_free(event->text);
    g_free(event);
}

void trace_log_free(TraceLog *log)
{
    if (log) {
        g_ptr_array_unref(log->events);
        g_free(log->path);
        g_free(log);
    }
}

/* Skip "PID@SECONDS.MICROSECONDS:", and store the time in @time_us. */
static const char *skip_time(const char *line, int64_t *time_us)
{
    char *end;
    int64_t seconds, micros;

    if (!g_ascii_isdigit(*line) || strtoul(line, &end, 10) == 0 ||
        *end != '@' || !g_ascii_isdigit(end[1])) {
        return NULL;
    }
    seconds = g_ascii_strtoll(end + 1, &end, 10);
    if (*end != '.' || !g_ascii_isdigit(end[1]) || seconds > MAX_SECONDS) {
        return NULL;
    }
    micros = g_ascii_strtoll(end + 1, &end, 10);
    if (*end != ':' || micros >= G_USEC_PER_SEC) {
        return NULL;
    }
    *time_us = seconds * G_USEC_PER_SEC + micros;
    return end + 1;
}

static void take_line(TraceLog *log, const char *line)
{
    int64_t time_us = 0;
    const char *rest = skip_time(line, &time_us);
    const char *start = rest ? rest : line;
    size_t length = strspn(start, G_CSET_a_2_z G_CSET_DIGITS "_");
    g_autofree char *name = g_strndup(start, length);
    TraceEvent *event;

    log->lines++;
    if ((start[length] && start[length] != ' ') || !is_wanted(name)) {
        return;
    }
    if (!rest) {
        log->untimed++;
        return;
    }
    event = g_new0(TraceEvent, 1);
    event->time_us = time_us;
    event->name = g_steal_pointer(&name);
    event->text = g_strstrip(g_strdup(start + length));
    g_ptr_array_add(log->events, event);
}

/* Threads write their lines some time after they read the clock. */
static int compare_times(gconstpointer a, gconstpointer b)
{
    const TraceEvent *x = *(TraceEvent *const *)a;
    const TraceEvent *y = *(TraceEvent *const *)b;

    return (x->time_us > y->time_us) - (x->time_us < y->time_us);
}

static bool read_lines(TraceLog *log, FILE *file, GError **error)
{
    g_autofree char *line = NULL;
    size_t room = 0;
    ssize_t length;

    while ((length = getline(&line, &room, file)) > 0) {
        if (line[length - 1] != '\n') {
            break;
        }
        line[length - 1] = '\0';
        take_line(log, line);
        if (log->events->len > MAX_EVENTS) {
            g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                        "%s: more than %u events", log->path, MAX_EVENTS);
            return false;
        }
    }
    if (ferror(file)) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno),
                    "%s: %s", log->path, g_strerror(errno));
        return false;
    }
    return true;
}

static bool check(const TraceLog *log, GError **error)
{
    if (log->events->len) {
        return true;
    }
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                log->untimed
                ? "%s: its events have no times: start QEMU with -msg "
                  "timestamp=on"
                : "%s: no events of a migration in it; vfio-migrate report "
                  "--options prints what QEMU has to be started with",
                log->path);
    return false;
}

TraceLog *trace_log_read(const char *path, GError **error)
{
    g_autoptr(TraceLog) log = g_new0(TraceLog, 1);
    FILE *file = fopen(path, "re");
    bool good;

    log->path = g_strdup(path);
    log->events = g_ptr_array_new_with_free_func(event_free);
    if (!file) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno),
                    "%s: %s", path, g_strerror(errno));
        return NULL;
    }
    good = read_lines(log, file, error);
    fclose(file);
    if (!good || !check(log, error)) {
        return NULL;
    }
    g_ptr_array_sort(log->events, compare_times);
    return g_steal_pointer(&log);
}
