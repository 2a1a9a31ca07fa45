/*
 * Read the transcript of test devices
 *
 * Owns: see transcript-helpers.h.
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "transcript-helpers.h"

#include <stdio.h>
#include <string.h>

#include "qtest-case.h"

#define END_BYTES 4000

unsigned transcript_count(const char *transcript, const char *words)
{
    unsigned count = 0;

    for (const char *p = transcript; (p = strstr(p, words)); p++) {
        count++;
    }
    return count;
}

unsigned transcript_fired(const char *transcript, const char *fault)
{
    g_autofree char *wanted = g_strdup_printf("fault name=%s ", fault);

    return transcript_count(transcript, wanted);
}

/* The word after @key in @line, or NULL. Caller frees. */
static char *field(const char *line, const char *key)
{
    const char *p = strstr(line, key);

    return p ? g_strndup(p + strlen(key), strcspn(p + strlen(key), "\n "))
             : NULL;
}

char *transcript_arcs(const char *transcript, const char *device)
{
    g_auto(GStrv) lines = g_strsplit(transcript, "\n", -1);
    g_autofree char *write = g_strconcat(device ? " " : "",
                                         device ? device : "",
                                         " state-write ", NULL);
    GString *arcs = g_string_new(NULL);

    for (char **line = lines; *line; line++) {
        g_autofree char *from = field(*line, "from=");
        g_autofree char *to = field(*line, "to=");

        if (strstr(*line, write) && strstr(*line, "ret=0")
            && g_strcmp0(from, to)) {
            g_string_append_printf(arcs, "%s%s>%s", arcs->len ? " " : "",
                                   from, to);
        }
    }
    return g_string_free(arcs, false);
}

TranscriptMoved transcript_moved(const char *transcript, const char *device,
                                 const char *event)
{
    g_auto(GStrv) lines = g_strsplit(transcript, "\n", -1);
    g_autofree char *words = g_strdup_printf(" %s %s ", device, event);
    TranscriptMoved moved = { 0 };

    for (unsigned i = 0; lines[i]; i++) {
        const char *size = strstr(lines[i], " size=");

        if (strstr(lines[i], words) && size) {
            moved.chunks++;
            moved.bytes += g_ascii_strtoll(size + 6, NULL, 10);
        }
    }
    return moved;
}

void transcript_expect_clean(const char *transcript, const char *who)
{
    const char *found = strstr(transcript, " violation ");

    if (found) {
        qtest_fail("%s: the device's contract was violated:%.*s", who,
                   (int)strcspn(found, "\n"), found);
    }
}

void transcript_print_end(const char *transcript, const char *who)
{
    size_t len = strlen(transcript);

    fprintf(stderr, "--- %s: transcript's end\n%s\n", who,
            len > END_BYTES ? transcript + len - END_BYTES : transcript);
}
