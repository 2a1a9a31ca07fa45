/*
 * vfio-migrate watch: the progress of a migration, and what delays it
 *
 * Owns: when to take a sample, and when to stop. Only queries QEMU. One
 * thread, no locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "qmp.h"
#include "screen.h"
#include "command.h"
#include "json.h"
#include "watch-collect.h"
#include "watch-output.h"

#define MIN_INTERVAL_S 0.1
#define MAX_INTERVAL_S 3600.0

static double interval_s = 1;
static gboolean once;
static char *metrics_path;
static char *connect_uri;

static const GOptionEntry options[] = {
    { "interval", 0, 0, G_OPTION_ARG_DOUBLE, &interval_s,
      "Time between two lines [1]", "SECONDS" },
    { "once", 0, 0, G_OPTION_ARG_NONE, &once,
      "Look once, whatever goes on, and end", NULL },
    { "metrics", 0, 0, G_OPTION_ARG_FILENAME, &metrics_path,
      "Keep the figures in FILE for Prometheus' node_exporter", "FILE" },
    { "connect", 'c', 0, G_OPTION_ARG_STRING, &connect_uri,
      "Libvirt's URI, as for virsh", "URI" },
    { NULL }
};

typedef struct Watch {
    const Tool *tool;
    const char *vm;             /* for metrics */
    WatchCollector *collector;
    WatchSample *last;          /* the last one shown, or NULL */
    bool begun;                 /* a migration was seen in progress */
    int64_t answered_us;        /* monotonic time of QEMU's last answer */
} Watch;

/* ---- showing ---- */

static double part_done(const WatchSample *sample)
{
    double done = MAX(sample->ram_transferred, 0);
    double left = MAX(sample->ram_remaining, 0);

    for (unsigned i = 0; i < sample->devices->len; i++) {
        const WatchDevice *device = g_ptr_array_index(sample->devices, i);

        done += MAX(device->transferred_bytes, 0);
        left += MAX(device->pending_bytes, 0);
    }
    return done + left > 0 ? done / (done + left) : -1;
}

static bool write_metrics(const Watch *watch, GError **error)
{
    g_autofree char *text = NULL;

    if (!metrics_path) {
        return true;
    }
    text = watch_metrics(watch->last, watch->vm);
    /* Replaced atomically: a reader sees the whole file. */
    return g_file_set_contents_full(metrics_path, text, -1,
                                    G_FILE_SET_CONTENTS_CONSISTENT, 0644,
                                    error);
}

static bool show(Watch *watch, GError **error)
{
    const WatchSample *sample = watch->last;

    if (watch->tool->json) {
        json_report_print(watch_json(sample), true);
    } else {
        g_autofree char *line = watch_line(sample);

        screen_progress(watch_sample_phase(sample),
                        watch_sample_is_active(sample) ? part_done(sample)
                                                       : -1, line);
    }
    return write_metrics(watch, error);
}

/* ---- samples ---- */

/* Takes a sample, or records that there was no answer. */
static bool look(Watch *watch, GError **error)
{
    int64_t now_us = g_get_monotonic_time();
    GError *cause = NULL;
    WatchSample *sample = watch_collect(watch->collector, interval_s * 1000,
                                        &cause);

    if (cause) {
        g_propagate_error(error, cause);
        return false;
    }
    if (sample) {
        watch->answered_us = g_get_monotonic_time();
        watch_sample_finish(sample, watch->last);
        watch_sample_free(watch->last);
        watch->last = sample;
    } else if (watch->last) {
        watch_sample_silence(watch->last, now_us - watch->answered_us);
    }
    return true;
}

/* An end that was there from the start belongs to an earlier migration. */
static bool is_over(Watch *watch, const WatchSample *first)
{
    watch->begun |= watch_sample_is_active(watch->last) ||
                    watch_sample_has_moved(watch->last, first);
    return watch->begun && watch_sample_is_over(watch->last);
}

static void wait_for(int64_t until_us)
{
    while (!qmp_interrupted && g_get_monotonic_time() < until_us) {
        g_usleep(CLAMP(until_us - g_get_monotonic_time(), 0, 50000));
    }
}

/*
 * libvirt ends the source's QEMU once its VM has moved; a destination that
 * fails exits by itself.
 */
static ToolExit lost(const Watch *watch, const GError *error)
{
    const char *phase = watch->last ? watch_sample_phase(watch->last) : "";

    if (!watch->begun) {
        return tool_complain("%s", error->message);
    }
    return tool_complain("%s, while the migration was in phase %s: %s",
                         error->message, phase, strcmp(phase, "incoming")
                         ? "how it ended, the destination knows"
                         : "if it failed, QEMU's log has the reason");
}

static ToolExit conclude(const Watch *watch)
{
    g_autofree char *text = watch_summary(watch->last);

    if (!watch->tool->json) {
        screen_progress_end();
        fputs(text, stdout);
    }
    return strcmp(watch->last->status, "completed") == 0 || once ? TOOL_YES
                                                                 : TOOL_NO;
}

static ToolExit follow(Watch *watch)
{
    g_autoptr(GError) error = NULL;
    int64_t next_us = g_get_monotonic_time();
    WatchSample *first = NULL;
    bool over = false;

    watch->answered_us = next_us;
    while (!over && !qmp_interrupted) {
        if (!look(watch, &error) || (watch->last && !show(watch, &error))) {
            break;
        }
        if (watch->last && !first) {
            first = watch_sample_new(0);
            first->total_ms = watch->last->total_ms;
            first->ram_transferred = watch->last->ram_transferred;
            g_free(first->status);
            first->status = g_strdup(watch->last->status);
        }
        over = first && (once || is_over(watch, first));
        next_us += interval_s * G_USEC_PER_SEC;
        if (!over) {
            wait_for(next_us);
        }
    }
    watch_sample_free(first);
    screen_progress_end();
    if (error) {
        return lost(watch, error);
    }
    return over ? conclude(watch) : TOOL_YES;
}

static ToolExit run(const Tool *tool)
{
    g_autofree char *vm = g_path_get_basename(tool->arguments[0]);
    g_autoptr(GError) error = NULL;
    WatchSource *source;
    Watch watch = { .tool = tool, .vm = vm };
    ToolExit status;

    if (!(interval_s >= MIN_INTERVAL_S && interval_s <= MAX_INTERVAL_S)) {
        return tool_misused("--interval is %g to %g seconds", MIN_INTERVAL_S,
                            MAX_INTERVAL_S);
    }
    if (metrics_path && !tool_may_write(metrics_path)) {
        return TOOL_FAILED;
    }
    qmp_catch_signals();
    source = watch_source_open(tool->arguments[0], connect_uri, &error);
    if (!source) {
        return tool_complain("%s", error->message);
    }
    watch.collector = watch_collector_new(source);
    status = follow(&watch);
    watch_collector_free(watch.collector);
    watch_sample_free(watch.last);
    return status;
}

const Command command_watch = {
    .name = "watch",
    .arguments = "DOMAIN|QMP-SOCKET",
    .summary = "Follow a VM's migration, and see what holds it up",
    .description =
        "Waits for a migration, follows it to its end, and asks QEMU nothing "
        "but\nquestions. QMP-SOCKET is the path of a monitor of its own "
        "(QEMU's option\n-qmp unix:PATH,server=on,wait=off); of a DOMAIN of "
        "libvirt's the monitor is\nasked through virsh.\n\n"
        "Of RAM and of each device it shows what has been sent + what is "
        "left, and for\ndevices what they are doing. With --json, one object "
        "a line.\n\n"
        "Exit status: 0 it completed (or --once), 1 it failed or was "
        "cancelled, 2 wrong\nusage, 3 QEMU could not be asked.",
    .options = options,
    .min_arguments = 1,
    .max_arguments = 1,
    .opens_nothing = true,
    .run = run,
};
