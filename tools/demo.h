/*
 * vfio-demo: definitions shared by its files
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TOOLS_DEMO_H
#define TOOLS_DEMO_H

#include "pair.h"

typedef struct Demo {
    /* Options */
    DeviceConfig device;
    uint64_t vm_ram_bytes;
    gboolean builtin;         /* gboolean: written by GOption */
    gboolean verbose;
    gboolean keep;
    gboolean version;
    char *page;               /* file for the timeline */
    int timeout_seconds;
    const char *fault[PAIR_SIDES];

    /* Running processes */
    const char *build;
    Pair pair;
    int64_t deadline_us;      /* monotonic */

    /* Results */
    int64_t begin_us;         /* monotonic, at the command 'migrate' */
    int64_t resume_us;        /* wall clock, at the command 'cont' */
    uint64_t ram_bytes;       /* RAM sent */
    bool completed;
    DeviceProgress progress[PAIR_SIDES];
    bool stop_bytes_known;
    uint64_t stop_bytes;      /* moved by the device before the VM stopped */
    DeviceStatus status[PAIR_SIDES];
    JsonNode *property[PAIR_SIDES];
    uint64_t pages_different;
    uint64_t first_different; /* address of the first one */
    uint64_t pages_dma;
    uint32_t counter[PAIR_SIDES];
    uint32_t counter_after;
    bool resumed;             /* errors from then on are about the result */
} Demo;

/** demo_pump: process the messages of both QEMUs; false: give up. */
bool demo_pump(Demo *demo, GError **error);
/** demo_wait: do that for @time_ms. */
bool demo_wait(Demo *demo, int time_ms, GError **error);

/** demo_ask_property: read 'vfio-migration' of a side; NULL if absent. */
void demo_ask_property(Demo *demo, int side);

/* demo-timeline.c */

/**
 * demo_write_timeline: write the page with the timeline, from both traces.
 * @why: why the migration failed; NULL if it did not
 *
 * Prints its location, or why there is none; that is not a failure.
 */
void demo_write_timeline(const Demo *demo, const char *why);

/* demo-cause.c */

/**
 * demo_cause: find out at which side a failed migration failed, and why.
 *
 * Waits until the source has ended it. Returns "at the source: WHY", to be
 * freed; NULL if neither side has reported an error.
 */
char *demo_cause(Demo *demo);

/* demo-report.c */

/** demo_print_head: describe the VM, its device and the migration. */
void demo_print_head(const Demo *demo);

/**
 * demo_print_result: print the table and the proof.
 *
 * Returns false with @error set if anything differs.
 */
bool demo_print_result(const Demo *demo, GError **error);

/** demo_print_failure: print @why, and the output of both QEMUs. */
void demo_print_failure(const Demo *demo, const char *why);

#endif /* TOOLS_DEMO_H */
