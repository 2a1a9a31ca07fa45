/*
 * A migration as it was, from the traces of one or both of its sides
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
    int64_t taken_us;
    int ret;                    /* 0 or -errno */
} ReportArc;

typedef struct ReportChunk {
    int64_t begin_us;           /* asked for, or its packet has come */
    int64_t staged_us;          /* source: when the driver had it ready;
                                   destination: when it was taken */
    int64_t end_us;             /* source: copied and sent */
    uint64_t bytes;
    bool stopped;               /* the source's VM stood still by then */
} ReportChunk;

typedef struct ReportDevice {
    char *name;
    GPtrArray *states;          /* ReportSpan */
    GPtrArray *arcs;            /* ReportArc */
    GArray *chunks;             /* ReportChunk */
    GPtrArray *notes;           /* char *: fall-backs, resets */
    uint64_t bytes, stopped_bytes;
    unsigned areas_mapped;
    bool areas_known;
    bool failed;                /* its reason is in notes */
    bool v2;                    /* its reads have no events of their own */
    int64_t asked_us;           /* of the chunk that is under way */
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
    char *path;                 /* of the trace */
    GPtrArray *devices;         /* ReportDevice */
    GPtrArray *sections;        /* ReportSpan: savevm's, or loadvm's */
    GArray *syncs;              /* ReportSync */
    char *status;               /* the last: "completed", "failed", ... */
    char *error;                /* why it failed, or NULL */
    int64_t begin_us;           /* setup, or the first data */
    int64_t active_us;
    int64_t stop_us;            /* the VM stops */
    int64_t stopped_us;         /* all devices have */
    int64_t end_us;             /* completed, failed, ...; loaded */
    int64_t start_us;           /* destination: the VM is started */
    int64_t run_us;             /* and runs, with its devices */
    int64_t last_us;            /* the last event of its trace */
    bool paused;                /* it waited for 'cont' */
    int64_t expected_us;        /* of the VM's stop; as was predicted */
    bool expected_known, expected_is_least;
} ReportSide;

typedef enum ReportPartKind {
    REPORT_PART_STOP,           /* devices are stopped */
    REPORT_PART_RAM,
    REPORT_PART_DEVICE,
    REPORT_PART_OTHER,          /* devices that are not VFIO's */
    REPORT_PART_FINISH,
    REPORT_PART_LOAD,
    REPORT_PART_PAUSED,
    REPORT_PART_START,
} ReportPartKind;

/* A piece of the time that the VM stands still */
typedef struct ReportPart {
    ReportPartKind kind;
    char *name;
    int64_t begin_us, end_us;
    ReportRole role;            /* where it is spent */
} ReportPart;

/* A row of what would make the downtime shorter */
typedef struct ReportAdvice {
    char *what;
    int64_t time_us;            /* that it takes of the downtime */
    char *how;
} ReportAdvice;

typedef struct Report {
    ReportSide *sides[REPORT_ROLES];    /* NULL: no trace of it */
    int64_t begin_us, end_us;   /* of all that is shown */
    int64_t shift_us;           /* added to the destination's clock */
    int64_t down_us, up_us;     /* the VM stands still; 0: never, or unknown */
    GPtrArray *parts;           /* ReportPart, in order and without gaps */
    GPtrArray *advice;          /* ReportAdvice, the most worth first */
} Report;

/*
 * report_new: make one of one or two traces
 *
 * @logs: of a source, of a destination, or of both, in any order; of the
 *        last migration in them. Not needed afterwards
 *
 * Returns: NULL with @error set if they are of no migration, or both of one
 * side.
 */
Report *report_new(TraceLog *const *logs, unsigned nr_logs, GError **error);
void report_free(Report *report);

/*
 * report_set_error: why a migration failed, from who knows more than traces
 *
 * Only if it has failed.
 */
void report_set_error(Report *report, const char *text);

/* report_device: of a side by name; NULL if there is none */
ReportDevice *report_device(const ReportSide *side, const char *name);

/* report_downtime_us: 0 if it is not known */
int64_t report_downtime_us(const Report *report);

/*
 * report_expected: what the source had predicted for the time that the VM
 * stands still, "510 ms were expected"; to be freed. NULL: nothing is known
 */
char *report_expected(const Report *report);

/* report-parts.c: fills parts and advice; called by report_new() */
void report_find_parts(Report *report);
void report_find_advice(Report *report);

/* In a state's chunks: time until the driver was ready, and of the rest */
typedef struct ReportCost {
    int64_t staged_us, moved_us;
    uint64_t bytes;
    unsigned chunks;
} ReportCost;

/* report_cost: of what a device moved while the VM stood still */
ReportCost report_cost(const ReportDevice *device);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Report, report_free)

#endif /* TOOLS_REPORT_MODEL_H */
