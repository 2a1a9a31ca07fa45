/*
 * vfio-demo: at which side a migration failed
 *
 * Owns: finding the original cause. When one side fails, the stream breaks,
 * and the other side fails as a result: which of them reports first is
 * random. No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "demo.h"

/* The source may still be writing into a stream that nobody reads. */
#define DEMO_SETTLE_TIMEOUT_US (5 * G_USEC_PER_SEC)
#define DEMO_SETTLE_TICK_US    20000

static bool demo_is_settled(JsonNode *info)
{
    static const char *const ends[] = { "failed", "cancelled", "completed",
                                        NULL };
    const char *status = info ? qmp_json_string(info, "status") : NULL;

    return !status || g_strv_contains(ends, status);
}

/* The answer to query-migrate once the source's migration has ended, or NULL */
static JsonNode *demo_settle(Qmp *source)
{
    int64_t end_us = g_get_monotonic_time() + DEMO_SETTLE_TIMEOUT_US;
    JsonNode *info = qmp_execute(source, "query-migrate", NULL, NULL);

    while (!demo_is_settled(info) && !qmp_interrupted &&
           g_get_monotonic_time() < end_us) {
        g_usleep(DEMO_SETTLE_TICK_US);
        json_node_unref(info);
        info = qmp_execute(source, "query-migrate", NULL, NULL);
    }
    return info;
}

/* The first line of the VM's log that contains @word; NULL if there is none */
static char *demo_log_line(const Vm *vm, const char *word)
{
    g_autofree char *log = g_strstrip(child_output(vm->child));
    g_auto(GStrv) lines = g_strsplit(log, "\n", -1);

    for (int i = 0; lines[i]; i++) {
        const char *text = lines[i];
        const char *name = strstr(text, "qemu-system-x86_64: ");

        if (*text && strstr(text, word)) {
            return g_strdup(name ? strchr(name, ':') + 2 : text);
        }
    }
    return NULL;
}

/* The error of a side's device; with QEMU's own code, the line of the log
 * about it */
static char *demo_device_error(Demo *demo, int side)
{
    const char *text;

    g_clear_pointer(&demo->property[side], json_node_unref);
    demo_ask_property(demo, side);
    text = qmp_json_string(demo->property[side], "last-error");
    return text && *text ? g_strdup(text)
        : demo->builtin ? demo_log_line(demo->pair.vm[side], "vfio") : NULL;
}

char *demo_cause(Demo *demo)
{
    Vm *source = demo->pair.vm[PAIR_SOURCE];
    Vm *destination = demo->pair.vm[PAIR_DESTINATION];
    g_autoptr(JsonNode) info = NULL;
    g_autofree char *why = NULL;
    int side = PAIR_SOURCE;

    if (!demo->begin_us || !source || !destination) {
        return NULL;
    }
    info = demo_settle(source->qmp);
    why = demo_device_error(demo, PAIR_SOURCE);
    if (!why) {
        side = PAIR_DESTINATION;
        why = demo_device_error(demo, PAIR_DESTINATION);
    }
    if (!why) {
        why = demo_log_line(destination, "");
    }
    return why ? g_strdup_printf("at the %s: %s", pair_sides[side], why)
               : NULL;
}
