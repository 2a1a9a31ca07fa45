/*
 * What the cases share: a domain with devices, and its way
 *
 * Owns: the steps of a case, defined in libvirt-test.c.
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

/* Devices of the case, and the domain made of them, at the source. */
typedef struct Setup {
    Device source[2], target[2];
    unsigned count;
    const char *emulator;           /* lines of the emulator's script */
    char *target_xml;               /* where it is to be given to virsh */
    uint64_t counter;               /* of the guest, when last looked at */
    uint64_t earlier_bytes;         /* saved by a try that failed */
} Setup;

void setup_clear(Setup *s);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Setup, setup_clear)

/** fail_case: the case has failed, for a reason and at a line; for NEED(). */
void fail_case(int line, const char *format, ...) G_GNUC_PRINTF(2, 3);

/** ready: false: the case is skipped, or has failed already. */
bool ready(void);

/** one_device: a setup of one device that gives data in pre-copy. */
Setup one_device(DeviceKind kind);

/**
 * start: bring the domain up at the source: `virsh create`; @persistent:
 * `define` and `start`. True if its guest runs.
 */
bool start(Setup *s, bool persistent);

/** begin_migrate: virsh migrate with one more option, or NULL. */
GSubprocess *begin_migrate(Setup *s, const char *option);

/** device_becomes: wait, for minutes if need be, till it is in @state. */
bool device_becomes(const Node *node, const Device *device, const char *state);

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

/** add_kill_cases: in which one side's QEMU is killed (kill-cases.c). */
void add_kill_cases(void);

#endif /* TESTS_LIBVIRT_LIBVIRT_TEST_H */
