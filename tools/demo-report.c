/*
 * vfio-demo: printing the table and the proof
 *
 * Owns: the demonstration's output before and after the migration, and the
 * verdict. No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <string.h>

#include "demo.h"
#include "screen.h"

void demo_print_head(const Demo *demo)
{
    g_autofree char *ram = screen_size(demo->vm_ram_bytes);
    g_autofree char *state = screen_size(demo->device.state_bytes);
    g_autofree char *precopy = screen_size(demo->device.precopy_bytes);
    g_autofree char *rate = screen_size(demo->device.save_rate_bytes);
    g_autofree char *dma = screen_size(demo->device.dma_rate_bytes);

    screen_heading("Live migration of a VM with a vfio-pci device");
    screen_field("VM", "%s of RAM; its guest counts in RAM without a pause",
                 ram);
    screen_field("device", "simulated; writes into RAM by DMA, %s/s", dma);
    screen_field("", "%s of state, and %s more while it runs", state, precopy);
    screen_field("", "its data window is %s",
                 device_layout(demo->device.layout)->text);
    if (demo->device.save_rate_bytes) {
        screen_field("", "gives and takes at most %s/s", rate);
    }
    screen_field("migration", "%s", demo->builtin
                 ? "QEMU's own code (--builtin)"
                 : "this project's code, put into an unmodified QEMU");
}

/* --- phases ------------------------------------------------------------- */

static void demo_print_phase(const char *name, int64_t time_us,
                             uint64_t device_bytes, const char *text)
{
    g_autofree char *time = screen_time(time_us);
    g_autofree char *bytes = device_bytes ? screen_size(device_bytes)
                                          : g_strdup("-");
    g_autofree char *rate = device_bytes ? screen_rate(device_bytes, time_us)
                                         : g_strdup("-");

    screen_print("  %-12s%9s%13s%13s%s%s", name, time, bytes, rate,
                 *text ? "   " : "", text);
}

/* The prediction from when the VM stopped; QEMU's own code has none */
static void demo_print_expected(const Demo *demo)
{
    JsonNode *property = demo->property[PAIR_SOURCE];

    if (property && qmp_json_is_int(property, "expected-downtime-ms")) {
        g_autofree char *time = screen_time(
            qmp_json_int(property, "expected-downtime-ms") * 1000);

        screen_field("", "%s%s of it were expected",
                     qmp_json_flag(property,
                                   "expected-downtime-is-lower-bound", 0) > 0
                     ? "at least " : "", time);
    }
}

static void demo_print_phases(const Demo *demo)
{
    const DeviceStatus *source = &demo->status[PAIR_SOURCE];
    PairTimes times = pair_times(&demo->pair);
    int64_t resume_us = qmp_event_us(demo->pair.qmp[PAIR_DESTINATION], "RESUME",
                                     NULL) - demo->resume_us;
    g_autofree char *ram = screen_size(demo->ram_bytes);
    g_autofree char *downtime = screen_time(times.stop_us + resume_us);
    g_autofree char *head = g_strdup_printf("  %-12s%9s%13s%13s", "phase",
                                            "time", "device", "rate");
    g_autofree char *bold = screen_style(SCREEN_DIM, 0, head);

    screen_heading("What happened");
    screen_print("%s", bold);
    demo_print_phase("setup", times.setup_us, 0, "");
    demo_print_phase("pre-copy", times.precopy_us,
                     source->precopy_bytes, "the VM runs");
    demo_print_phase("stop-copy", times.stop_us,
                     source->saved_bytes - source->precopy_bytes,
                     "the VM stands still");
    demo_print_phase("resume", resume_us, 0, "");
    screen_print("%s", "");
    screen_field("downtime", "%s (stop-copy and resume)", downtime);
    demo_print_expected(demo);
    screen_field("RAM sent", "%s", ram);
}

/* --- proof -------------------------------------------------------------- */

static void demo_print_verdict(const char *name, bool good, const char *text)
{
    g_autofree char *word = screen_style(good ? SCREEN_GOOD : SCREEN_BAD, 10,
                                         good ? "equal" : "DIFFERENT");

    screen_field(name, "%s  %s", word, text);
}

static void demo_print_ram(const Demo *demo)
{
    g_autofree char *ram = screen_size(demo->vm_ram_bytes);
    g_autofree char *text = !demo->pages_different
        ? g_strdup_printf("%s compared byte by byte", ram)
        : g_strdup_printf("%" G_GUINT64_FORMAT " pages, the first at 0x%"
                          G_GINT64_MODIFIER "x", demo->pages_different,
                          demo->first_different);

    demo_print_verdict("RAM", !demo->pages_different, text);
    screen_field("", "%10s  %" G_GUINT64_FORMAT " pages of it written by the "
                 "device", "", demo->pages_dma);
}

static bool demo_digests_are_equal(const Demo *demo)
{
    const char *saved = demo->status[PAIR_SOURCE].saved_digest;

    return *saved && strcmp(saved, demo->status[PAIR_DESTINATION]
                                       .loaded_digest) == 0;
}

static bool demo_device_is_good(const Demo *demo)
{
    for (int side = 0; side < PAIR_SIDES; side++) {
        if (demo->status[side].corrupt || demo->status[side].incomplete ||
            demo->status[side].violations) {
            return false;
        }
    }
    return demo_digests_are_equal(demo);
}

static const char *demo_or_none(const char *text)
{
    return *text ? text : "none";
}

static void demo_print_device(const Demo *demo)
{
    const DeviceStatus *from = &demo->status[PAIR_SOURCE];
    const DeviceStatus *to = &demo->status[PAIR_DESTINATION];
    g_autofree char *given = screen_size(to->loaded_bytes);
    g_autofree char *text =
        g_strdup_printf("%s taken, and each word of it checked", given);

    if (demo_digests_are_equal(demo)) {
        demo_print_verdict("device", true, text);
    } else {
        demo_print_verdict("device", false, "state");
        screen_field("", "%10s  read: %s, taken: %s", "",
                     demo_or_none(from->saved_digest),
                     demo_or_none(to->loaded_digest));
    }
    if (to->corrupt || to->incomplete) {
        screen_field("", "%10s  the destination's device found %s in what it "
                     "was given", "",
                     to->corrupt ? "wrong words" : "bytes missing");
    }
    for (int side = 0; side < PAIR_SIDES; side++) {
        const DeviceStatus *status = &demo->status[side];

        if (status->violations) {
            screen_field("", "%10s  QEMU broke the device's contract %"
                         G_GUINT64_FORMAT " times: %s", "",
                         status->violations, status->first_violation
                         ? status->first_violation : "");
        }
    }
}

/* The property that users of the subsystem read with `qom-get`. */
static void demo_print_property(const Demo *demo)
{
    JsonNode *property = demo->property[PAIR_SOURCE];
    g_autofree char *sent = NULL, *mapped = NULL, *trapped = NULL;

    if (!property) {
        return;
    }
    sent = screen_size(qmp_json_int(property, "transferred-bytes"));
    mapped = screen_size(qmp_json_int(property, "mapped-bytes"));
    trapped = screen_size(qmp_json_int(property, "trapped-bytes"));
    screen_field("QEMU says", "protocol %s; %s sent, %s of it mapped, "
                 "%s trapped",
                 qmp_json_string(property, "protocol"), sent, mapped, trapped);
    screen_field("", "(property 'vfio-migration' of the source's device)");
}

/* A fault that never fired has tested nothing. */
static bool demo_check_fault(const Demo *demo, GError **error)
{
    for (int side = 0; side < PAIR_SIDES; side++) {
        if (demo->fault[side] && !demo->status[side].fault_fired) {
            g_set_error(error, QMP_ERROR, QMP_ERROR_COMMAND,
                        "the VM has moved, but the fault of the %s's device "
                        "never fired: %s. No call came that it waits for "
                        "(docs/sim.md lists them)", pair_sides[side],
                        demo->fault[side]);
            return false;
        }
    }
    return true;
}

bool demo_print_result(const Demo *demo, GError **error)
{
    bool good = demo_device_is_good(demo) && !demo->pages_different;
    g_autofree char *runs = NULL, *verdict = NULL;

    demo_print_phases(demo);
    demo_print_property(demo);
    screen_heading("Did everything arrive?");
    demo_print_device(demo);
    demo_print_ram(demo);
    runs = screen_style(SCREEN_GOOD, 10, "runs on");
    screen_field("guest", "%s  counted to %u at the source, and on to %u",
                 runs, demo->counter[PAIR_SOURCE], demo->counter_after);
    if (!good) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_COMMAND,
                    "the migration completed, but not everything arrived");
        return false;
    }
    if (!demo_check_fault(demo, error)) {
        return false;
    }
    verdict = screen_style(SCREEN_GOOD, 0, "The VM has moved, and nothing "
                           "was lost.");
    screen_print("\n%s\n", verdict);
    return true;
}

void demo_print_failure(const Demo *demo, const char *why)
{
    g_autofree char *word = screen_style(SCREEN_BAD, 0, "FAILED");

    screen_progress_end();
    fflush(stdout);
    fprintf(stderr, "\n%s: %s\n", word, why);
    for (int side = 0; side < PAIR_SIDES; side++) {
        const Vm *vm = demo->pair.vm[side];
        g_autofree char *log = vm ? g_strstrip(child_output(vm->child)) : NULL;

        if (log && *log && !strstr(why, log)) {
            fprintf(stderr, "The %s QEMU said:\n%s\n", pair_sides[side],
                    log);
        }
    }
    if (!demo->keep) {
        fprintf(stderr, "With --keep the logs stay; "
                "docs/troubleshooting.md explains the messages.\n");
    }
}
