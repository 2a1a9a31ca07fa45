/*
 * Reading what QEMU's trace backend "log" writes
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TOOLS_REPORT_TRACE_LOG_H
#define TOOLS_REPORT_TRACE_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <glib.h>

/*
 * What QEMU has to be started with for a trace that a report can be made of;
 * put the file's name in for %s.
 */
#define TRACE_LOG_OPTIONS "-msg timestamp=on -D %s"

/* Patterns for -trace, NULL at the end */
extern const char *const trace_log_patterns[];

typedef struct TraceEvent {
    int64_t time_us;        /* since the epoch, by the clock of its host */
    char *name;
    char *text;             /* what follows, without spaces around it */
} TraceEvent;

typedef struct TraceLog {
    char *path;
    GPtrArray *events;      /* TraceEvent, in the order of time */
    unsigned long lines;
    unsigned long untimed;  /* lines of events without a time */
} TraceLog;

/*
 * trace_log_read: read a trace
 *
 * Lines of other events, of other programs, and half a line at the end are
 * passed over. Returns: NULL with @error set if the file cannot be read, or
 * if no event in it has a time.
 */
TraceLog *trace_log_read(const char *path, GError **error);
void trace_log_free(TraceLog *log);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(TraceLog, trace_log_free)

#endif /* TOOLS_REPORT_TRACE_LOG_H */
