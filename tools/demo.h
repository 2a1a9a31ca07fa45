/*
 * vfio-demo: what its two files share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TOOLS_DEMO_H
#define TOOLS_DEMO_H

#include "pair.h"

typedef struct Demo {
    /* What was asked for. */
    DeviceConfig device;
    uint64_t vm_ram_bytes;
    gboolean builtin;         /* gboolean: written by GOption */
    gboolean verbose;
    gboolean keep;
    gboolean version;
    char *page;               /* where the timeline goes */
    int timeout_seconds;
    const char *fault[PAIR_SIDES];

    /* What runs. */
    const char *build;
    Pair pair;
    int64_t deadline_us;      /* monotonic */

    /* What was seen. */
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
    uint64_t first_different; /* address */
    uint64_t pages_dma;
    uint32_t counter[PAIR_SIDES];
    uint32_t counter_after;
    bool resumed;             /* all that follows is about what arrived */
} Demo;

/** demo_pump: listen to both QEMUs; false when it is time to give up. */
bool demo_pump(Demo *demo, GError **error);
bool demo_wait(Demo *demo, int time_ms, GError **error);

/** demo_ask_property: read 'vfio-migration' of a side; NULL if absent. */
void demo_ask_property(Demo *demo, int side);

/* demo-timeline.c */

/**
 * demo_write_timeline: the page of what happened, from both QEMUs' traces.
 * @why: the migration failed; NULL if not
 *
 * Says where it is, or why there is none: the migration is not judged by it.
 */
void demo_write_timeline(const Demo *demo, const char *why);

/* demo-cause.c */

/**
 * demo_cause: where a failed migration failed, and why.
 *
 * Waits until the source has ended it. Returns "at the source: WHY", to be
 * freed; NULL if no side has said anything.
 */
char *demo_cause(Demo *demo);

/* demo-report.c */

void demo_print_head(const Demo *demo);

/**
 * demo_print_result: the table and the proof.
 *
 * Returns false with @error set if anything differs.
 */
bool demo_print_result(const Demo *demo, GError **error);

/** demo_print_failure: @why, and what both QEMUs said. */
void demo_print_failure(const Demo *demo, const char *why);

#endif /* TOOLS_DEMO_H */
