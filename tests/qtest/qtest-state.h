/*
 * A QEMU of a test: the inside, for libqtest.c and qtest-io.c
 *
 * Owns: struct QTestState and the line channel under QMP and qtest.
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_QTEST_STATE_H
#define TESTS_QTEST_QTEST_STATE_H

#include "libqtest.h"
#include "qtest-case.h"

typedef struct QTestChannel {
    int fd;                     /* -1 once QEMU has closed it */
    GString *in;
} QTestChannel;

struct QTestState {
    char *name;                 /* that of @output, for messages */
    char *prefix;               /* of its sockets */
    char *output;               /* the file of its stderr */
    char *last_command;
    pid_t pid;
    bool ended;
    int status;                 /* of waitpid(), once ended */
    int expected_status;
    QTestChannel qmp;
    QTestChannel qtest;
    GQueue events;              /* QDict, not yet asked for */
};

/*
 * qtest_channel_read: the next line without its end, NULL at @deadline_ms
 * (of the monotonic clock) or when QEMU has closed. Caller frees.
 */
char *qtest_channel_read(QTestChannel *c, int64_t deadline_ms);

/* qtest_channel_write: all of it, or false. */
bool qtest_channel_write(QTestChannel *c, const char *text, size_t len);

#endif /* TESTS_QTEST_QTEST_STATE_H */
