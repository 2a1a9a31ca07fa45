/*
 * Model of a past migration, from the traces of one or both sides
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TOOLS_REPORT_MODEL_H
#define TOOLS_REPORT_MODEL_H

#include "trace-log.h"

/* Times are microseconds since the epoch; 0: it did not happen. */

typedef struct ReportSpan {
    char *name;
    int64_t begin_us, end_us;
} ReportSpan;

/* One change of a device's state */
typedef struct ReportArc {
    char *from, *to;
    int64_t time_us;            /* when it was done, or had failed */
    int64_t taken_us;           /* duration */
    int ret;                    /* 0 or -errno */
} ReportArc;

typedef struct ReportChunk {
    int64_t begin_us;           /* it was requested, or its packet arrived */
    int64_t staged_us;          /* source: the driver had it ready;
                                   destination: the driver had taken it */
    int64_t end_us;             /* source: it was copied and sent */
    uint64_t bytes;
    bool stopped;               /* the source's VM was stopped by then */
} ReportChunk;

typedef struct ReportDevice {
    char *name;
    GPtrArray *states;          /* ReportSpan */
    GPtrArray *arcs;            /* ReportArc */
    GArray *chunks;             /* ReportChunk */
    GPtrArray *notes;           /* char *: fallbacks, resets, failures */
    uint64_t bytes, stopped_bytes;
    unsigned areas_mapped;
    bool areas_known;
    bool failed;                /* its reason is in notes */
    bool v2;                    /* its reads have no events of their own */
    int64_t asked_us;           /* when the current chunk was requested */
} ReportDevice;

typedef struct ReportSync {
    int64_t begin_us, end_us;
    uint64_t dirty_pages;
} ReportSync;

typedef enum ReportRole {
    REPORT_SOURCE,
    REPORT_DESTINATION,
    REPORT_ROLES,
} ReportRole;

typedef struct ReportSide {
    ReportRole role;
    char *path;                 /* the trace's file */
    GPtrArray *devices;         /* ReportDevice */
    GPtrArray *sections;        /* ReportSpan: from savevm or loadvm */
    GArray *syncs;              /* ReportSync */
    char *status;               /* the last one: "completed", "failed", ... */
    char *error;                /* why it failed, or NULL */
    int64_t begin_us;           /* setup, or the first data */
    int64_t active_us;
    int64_t stop_us;            /* the VM's stop begins */
    int64_t stopped_us;         /* all devices are stopped */
    int64_t end_us;             /* completed, failed, ...; loaded */
    int64_t start_us;           /* destination: the VM's start begins */
    int64_t run_us;             /* the VM and its devices run */
    int64_t last_us;            /* last event of the trace */
    bool paused;                /* it waited for 'cont' */
    int64_t expected_us;        /* predicted downtime */
    bool expected_known, expected_is_least;
} ReportSide;

typedef enum ReportPartKind {
    REPORT_PART_STOP,           /* devices are stopped */
    REPORT_PART_RAM,
    REPORT_PART_DEVICE,
    REPORT_PART_OTHER,          /* non-VFIO devices */
    REPORT_PART_FINISH,
    REPORT_PART_LOAD,
    REPORT_PART_PAUSED,
    REPORT_PART_START,
} ReportPartKind;

/* A part of the downtime */
typedef struct ReportPart {
    ReportPartKind kind;
    char *name;
    int64_t begin_us, end_us;
    ReportRole role;            /* where it is spent */
} ReportPart;

/* Advice on how to shorten the downtime */
typedef struct ReportAdvice {
    char *what;
    int64_t time_us;            /* its share of the downtime */
    char *how;
} ReportAdvice;

typedef struct Report {
    ReportSide *sides[REPORT_ROLES];    /* NULL: no trace of that side */
    int64_t begin_us, end_us;   /* of the whole report */
    int64_t shift_us;           /* added to the destination's times */
    int64_t down_us, up_us;     /* the downtime; 0: none, or unknown */
    GPtrArray *parts;           /* ReportPart, in order and without gaps */
    GPtrArray *advice;          /* ReportAdvice, by descending time */
} Report;

/*
 * report_new: create a report from one or two traces
 *
 * @logs: of a source, of a destination, or of both, in any order; the last
 *        migration in them is used. Not needed afterwards
 *
 * Returns: NULL with @error set if there is no migration in them, or both are
 * of the same side.
 */
Report *report_new(TraceLog *const *logs, unsigned nr_logs, GError **error);
/* report_free: free it; NULL is allowed */
void report_free(Report *report);

/*
 * report_set_error: set why a migration failed, if that is better known
 *
 * Ignored unless it failed.
 */
void report_set_error(Report *report, const char *text);

/* report_device: find a side's device by name; NULL if there is none */
ReportDevice *report_device(const ReportSide *side, const char *name);

/* report_downtime_us: the downtime, 0 if it is not known */
int64_t report_downtime_us(const Report *report);

/*
 * report_expected: the downtime predicted by the source, as text: "510 ms
 * were expected"; to be freed. NULL: not known
 */
char *report_expected(const Report *report);

/* report-parts.c: fill in parts and advice; called by report_new() */
void report_find_parts(Report *report);
void report_find_advice(Report *report);

/* Sum over chunks: the driver's time, and the time to copy and send them */
typedef struct ReportCost {
    int64_t staged_us, moved_us;
    uint64_t bytes;
    unsigned chunks;
} ReportCost;

/* report_cost: the sum for what a device moved during the downtime */
ReportCost report_cost(const ReportDevice *device);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Report, report_free)

#endif /* TOOLS_REPORT_MODEL_H */
