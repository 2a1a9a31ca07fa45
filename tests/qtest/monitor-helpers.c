/*
 * A second monitor of a QEMU
 *
 * Owns: see monitor-helpers.h.
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "monitor-helpers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "qtest-case.h"
#include "qtest-json.h"

char *monitor_args(const char *path)
{
    return g_strdup_printf(" -chardev socket,id=second,path=%s,server=on,"
                           "wait=off -mon chardev=second,mode=control", path);
}

static FILE *monitor_open(const char *path)
{
    struct timeval limit = { .tv_sec = QTEST_ANSWER_SECONDS };
    int fd = qtest_connect(path);

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return fdopen(fd, "r+");
}

/* The next line that is not an event */
static QDict *next_answer(FILE *monitor)
{
    char *line = NULL;
    size_t room = 0;
    QDict *answer = NULL;

    while (!answer) {
        if (getline(&line, &room, monitor) < 0) {
            qtest_fail("the second monitor gave no answer");
        }
        answer = qdict_from_text(line);
        if (answer && qdict_haskey(answer, "event")) {
            g_clear_pointer(&answer, qobject_unref);
        }
    }
    free(line);
    return answer;
}

QDict *monitor_ask(const char *path, const char *command)
{
    FILE *monitor = monitor_open(path);
    QDict *answer;

    qobject_unref(next_answer(monitor));        /* the greeting */
    fputs("{\"execute\": \"qmp_capabilities\"}\n", monitor);
    fflush(monitor);
    qobject_unref(next_answer(monitor));
    fprintf(monitor, "%s\n", command);
    fflush(monitor);
    answer = next_answer(monitor);
    fclose(monitor);
    return answer;
}
