/*
 * What the cases share: a domain with devices, and its migration
 *
 * Owns: cases, and their steps, defined in steps.c.
 * Does not own: the domain (domain.h), the hosts (node.h), devices (world.h).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_LIBVIRT_LIBVIRT_TEST_H
#define TESTS_LIBVIRT_LIBVIRT_TEST_H

#include "domain.h"

/* End the case unless @condition is true; the message goes into the log. */
#define NEED(condition, ...)                            \
    do {                                                \
        if (!(condition)) {                             \
            fail_case(__LINE__, __VA_ARGS__);           \
            return;                                     \
        }                                               \
    } while (0)

extern World *world;
extern Node *src, *dst;
extern char *missing;           /* why no case can be run, or NULL */

/* Devices of the case, and the domain with them at the source */
typedef struct Setup {
    Device source[2], target[2];
    unsigned count;
    const char *emulator;           /* lines of the emulator's script */
    char *target_xml;               /* path for virsh --xml, or NULL */
    uint64_t counter;               /* of the guest, when last read */
    uint64_t earlier_bytes;         /* saved by an attempt that failed */
} Setup;

typedef struct Case {
    const char *name;               /* without "/libvirt/" */
    void (*run)(Setup *s, const struct Case *c);
    DeviceKind kind;
    unsigned devices;               /* on each side; 0: one */
    const char *config;             /* NULL: with data in pre-copy */
    const char *emulator;           /* as in Setup */
    const char *source_fault, *target_fault;    /* rule of the first device */
    const char *option;             /* of virsh migrate */
    const char *reason;             /* message required; used by run() */
    const char *instead;
    const void *data;
    bool sim_only;                  /* needs the test's own emulator, or little
                                       is gained with the kernel */
} Case;

/** add_case: add a copy of @c, if it can be run with the current devices. */
void add_case(const Case *c);
void add_move_cases(void);
void add_fail_cases(void);
void add_shipped_cases(void);

/** add_kill_cases: add the cases in which one side's QEMU is killed. */
void add_kill_cases(void);

/** fail_case: fail the case, with a reason, at a line; for NEED(). */
void fail_case(int line, const char *format, ...) G_GNUC_PRINTF(2, 3);

/** clear_away: remove all domains, as after each case. */
void clear_away(void);

/** arrange: create and configure the setup's devices on @node. */
bool arrange(Setup *s, const Node *node);

/**
 * describe: write the XML for virsh. Returns the path of the source's, to be
 * freed.
 */
char *describe(Setup *s);

/**
 * start: start the domain at the source, by `virsh create` or, if
 * @persistent, `define` and `start`. Returns true if its guest runs.
 */
bool start(Setup *s, bool persistent);

/** begin_migrate: start virsh migrate, with one more option, or NULL. */
GSubprocess *begin_migrate(Setup *s, const char *option);
bool migrate(Setup *s, const char *option, Virsh *run);
#define MIGRATE_URI "tcp://127.0.0.1"

/** read_status: read a device's status. Returns false with a message. */
bool read_status(const Node *node, const Device *device,
                 DeviceStatus *status);

/** device_becomes: wait, for up to minutes, until it is in @state. */
bool device_becomes(const Node *node, const Device *device, const char *state);

/** note_earlier: before another attempt: record what was saved so far. */
bool note_earlier(Setup *s);

/** state_arrived: has @to received each word that was saved? */
bool state_arrived(const DeviceStatus *saved, uint64_t earlier_bytes,
                   const Node *node, const Device *to);

/** devices_arrived: have all devices at the destination the saved state? */
bool devices_arrived(const Setup *s);

/** runs_at: does the domain run on @node, and only there? */
bool runs_at(Setup *s, const Node *node);

/** says: is @part in @text? */
bool says(const char *text, const char *part);

/** check_moves: check that the domain starts, and migrates. */
void check_moves(Setup *s, const char *option);

/**
 * check_survives: check after a failure that the VM runs at the source, and
 * that the next attempt succeeds. @said: was the reason reported?
 */
void check_survives(Setup *s, bool said);

#endif /* TESTS_LIBVIRT_LIBVIRT_TEST_H */
