/*
 * Messages, log and trace of the stand-alone host
 *
 * Owns: where a message goes: to the program's hook or to stderr, and
 * which trace events are on. Does not own: the events, which are generated
 * from hw/vfio/trace-events.
 *
 * Locks: report_lock protects the hook; it is never held while a hook runs,
 * so a hook may report.
 *
 * Source: QEMU 7.2's include/qemu/error-report.h, qemu/log.h and
 * trace/control.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/log.h"
#include "trace/control.h"
#include "migration/standalone.h"

bool message_with_timestamp;
int qemu_loglevel;
int trace_events_enabled_count;

static GMutex report_lock;
static VFIOHostReportHook *report_hook;
static void *report_opaque;

void vfio_host_set_report_hook(VFIOHostReportHook *hook, void *opaque)
{
    g_mutex_lock(&report_lock);
    report_hook = hook;
    report_opaque = opaque;
    g_mutex_unlock(&report_lock);
}

static void report_to_stderr(VFIOHostReport kind, const char *text)
{
    const char *program = g_get_prgname();

    if (kind == VFIO_HOST_LOG) {
        fputs(text, stderr);
        return;
    }
    fprintf(stderr, "%s%s%s%s\n", program ? program : "", program ? ": " : "",
            kind == VFIO_HOST_WARNING ? "warning: " :
            kind == VFIO_HOST_INFO ? "info: " : "", text);
}

static void G_GNUC_PRINTF(2, 0)
report(VFIOHostReport kind, const char *fmt, va_list ap)
{
    int saved_errno = errno;
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    VFIOHostReportHook *hook;
    void *opaque;

    g_mutex_lock(&report_lock);
    hook = report_hook;
    opaque = report_opaque;
    g_mutex_unlock(&report_lock);

    if (hook) {
        hook(kind, text, opaque);
    } else {
        report_to_stderr(kind, text);
    }
    errno = saved_errno;
}

#define REPORT(name, kind) \
    void name(const char *fmt, ...) \
    { \
        va_list ap; \
        va_start(ap, fmt); \
        report(kind, fmt, ap); \
        va_end(ap); \
    }

REPORT(error_report, VFIO_HOST_ERROR)
REPORT(warn_report, VFIO_HOST_WARNING)
REPORT(info_report, VFIO_HOST_INFO)
REPORT(qemu_log, VFIO_HOST_LOG)

/* VFIO_TRACE: 1 or "all" for every event, otherwise a pattern with * and ? */
void trace_event_register_group(TraceEvent **events)
{
    const char *wanted = g_getenv("VFIO_TRACE") ?: "0";

    if (!strcmp(wanted, "1") || !strcmp(wanted, "all")) {
        wanted = "*";
    }
    for (; *events; events++) {
        if (!*(*events)->dstate &&
            g_pattern_match_simple(wanted, (*events)->name)) {
            *(*events)->dstate = 1;
            trace_events_enabled_count++;
            qemu_loglevel |= LOG_TRACE;
        }
    }
}
