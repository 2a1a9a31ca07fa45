/*
 * What the cases share: a domain with devices, and its way
 *
 * Owns: cases, and their steps, defined in steps.c.
 * Does not own: the domain (domain.h), the hosts (node.h), devices (world.h).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_LIBVIRT_LIBVIRT_TEST_H
#define TESTS_LIBVIRT_LIBVIRT_TEST_H

#include "domain.h"

/* Ends the case; what has been found out is in the log. */
#define NEED(condition, ...)                            \
    do {                                                \
        if (!(condition)) {                             \
            fail_case(__LINE__, __VA_ARGS__);           \
            return;                                     \
        }                                               \
    } while (0)

extern World *world;
extern Node *src, *dst;
extern char *missing;           /* why nothing can be run, or NULL */

/* Devices of the case, and the domain made of them, at the source. */
typedef struct Setup {
    Device source[2], target[2];
    unsigned count;
    const char *emulator;           /* lines of the emulator's script */
    char *target_xml;               /* where it is to be given to virsh */
    uint64_t counter;               /* of the guest, when last looked at */
    uint64_t earlier_bytes;         /* saved by a try that failed */
} Setup;

typedef struct Case {
    const char *name;               /* without "/libvirt/" */
    void (*run)(Setup *s, const struct Case *c);
    DeviceKind kind;
    unsigned devices;               /* on either side; 0: one */
    const char *config;             /* NULL: it gives data in pre-copy */
    const char *emulator;           /* as in Setup */
    const char *source_fault, *target_fault;    /* rule of the first device */
    const char *option;             /* of virsh migrate */
    const char *reason;             /* what must be said; up to run() */
    const char *instead;
    const void *data;
    bool sim_only;                  /* an emulator of the test's own, or it
                                       says little more */
} Case;

/** add_case: a copy of it, if it can be run with the devices there are. */
void add_case(const Case *c);
void add_move_cases(void);
void add_fail_cases(void);
void add_shipped_cases(void);

/** add_kill_cases: in which one side's QEMU is killed. */
void add_kill_cases(void);

/** fail_case: the case has failed, for a reason and at a line; for NEED(). */
void fail_case(int line, const char *format, ...) G_GNUC_PRINTF(2, 3);

/** clear_away: no domain is left, as after each case. */
void clear_away(void);

/** arrange: make the setup's devices of @node ready. */
bool arrange(Setup *s, const Node *node);

/**
 * describe: write what virsh needs. Returns the path of the source's domain,
 * to be freed.
 */
char *describe(Setup *s);

/**
 * start: bring the domain up at the source: `virsh create`; @persistent:
 * `define` and `start`. True if its guest runs.
 */
bool start(Setup *s, bool persistent);

/** begin_migrate: virsh migrate with one more option, or NULL. */
GSubprocess *begin_migrate(Setup *s, const char *option);
bool migrate(Setup *s, const char *option, Virsh *run);
#define MIGRATE_URI "tcp://127.0.0.1"

/** read_status: what a device says; false, and a message, if it does not. */
bool read_status(const Node *node, const Device *device,
                 DeviceStatus *status);

/** device_becomes: wait, for minutes if need be, till it is in @state. */
bool device_becomes(const Node *node, const Device *device, const char *state);

/** note_earlier: before another try: what was asked of the first device. */
bool note_earlier(Setup *s);

/** state_arrived: did each word that was saved get into @to? */
bool state_arrived(const DeviceStatus *saved, uint64_t earlier_bytes,
                   const Node *node, const Device *to);

/** devices_arrived: did each word of their state get to the destination? */
bool devices_arrived(const Setup *s);

/** runs_at: the domain is at @node, and only there, and runs. */
bool runs_at(Setup *s, const Node *node);

/** says: is @part in @text? */
bool says(const char *text, const char *part);

/** check_moves: a case: it starts, and migrates. */
void check_moves(Setup *s, const char *option);

/**
 * check_survives: after a failure: it runs at the source, and the next try
 * succeeds. @said: whether the reason could be found.
 */
void check_survives(Setup *s, bool said);

#endif /* TESTS_LIBVIRT_LIBVIRT_TEST_H */
