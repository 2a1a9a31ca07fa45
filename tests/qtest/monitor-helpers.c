/*
 * One more monitor of a QEMU
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
#include <sys/un.h>

#include "qtest-case.h"
#include "qtest-json.h"

char *monitor_args(const char *path)
{
    return g_strdup_printf(" -chardev socket,id=second,path=%s,server=on,"
                           "wait=off -mon chardev=second,mode=control", path);
}

static FILE *monitor_open(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct timeval limit = { .tv_sec = QTEST_ANSWER_SECONDS };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpuint(g_strlcpy(address.sun_path, path,
                               sizeof(address.sun_path)), <,
                     sizeof(address.sun_path));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        qtest_fail("no second monitor at %s: %m", path);
    }
    return fdopen(fd, "r+");
}

/* The next line that is no event */
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

    qobject_unref(next_answer(monitor));        /* its greeting */
    fputs("{\"execute\": \"qmp_capabilities\"}\n", monitor);
    fflush(monitor);
    qobject_unref(next_answer(monitor));
    fprintf(monitor, "%s\n", command);
    fflush(monitor);
    answer = next_answer(monitor);
    fclose(monitor);
    return answer;
}
