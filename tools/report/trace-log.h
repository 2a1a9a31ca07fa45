/*
 * Reading the output of QEMU's trace backend "log"
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TOOLS_REPORT_TRACE_LOG_H
#define TOOLS_REPORT_TRACE_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <glib.h>

/*
 * QEMU options that produce a trace for a report; %s is the file's name, and
 * -trace is needed for each pattern below
 */
#define TRACE_LOG_OPTIONS "-msg timestamp=on -D %s"

/* Patterns for -trace, NULL-terminated */
extern const char *const trace_log_patterns[];

typedef struct TraceEvent {
    int64_t time_us;        /* since the epoch, by the host's clock */
    char *name;
    char *text;             /* the rest of the line, stripped */
} TraceEvent;

typedef struct TraceLog {
    char *path;
    GPtrArray *events;      /* TraceEvent, ordered by time */
    unsigned long lines;
    unsigned long untimed;  /* lines of events without a time */
} TraceLog;

/*
 * trace_log_read: read a trace
 *
 * Other events, lines of other programs, and an incomplete last line are
 * ignored. Returns: NULL with @error set if the file cannot be read, or if
 * no event in it has a time.
 */
TraceLog *trace_log_read(const char *path, GError **error);
/* trace_log_free: free it; NULL is allowed */
void trace_log_free(TraceLog *log);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(TraceLog, trace_log_free)

#endif /* TOOLS_REPORT_TRACE_LOG_H */
