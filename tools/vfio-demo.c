/*
 * vfio-demo: live-migrates a running VM with a vfio-pci device, and proves it
 *
 * Owns: the sequence of the demonstration, and its proof. Two QEMU processes
 * run on this machine, each with a simulated vfio-pci device (tests/sim); the
 * VM moves from one to the other. The exit status is 0 only if the device's
 * state and all of RAM have arrived and the VM runs on. One thread, no locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "demo.h"
#include "report/trace-log.h"
#include "screen.h"

#define DEMO_RAM_BYTES          (UINT64_C(64) << 20)
#define DEMO_WINDOW_BYTES       (UINT64_C(1) << 20)
#define DEMO_PAGE_BYTES         4096
#define DEMO_DMA_RATE_BYTES     (UINT64_C(8) << 20)
#define DEMO_TICK_MS            50
#define DEMO_RESUME_TIMEOUT_MS  5000
/* How long the VM runs before and after, so that the guest makes progress */
#define DEMO_WORK_MS            300

/* --- start -------------------------------------------------------------- */

static uint32_t demo_guest_counter(const Demo *demo, int side)
{
    const uint8_t *ram = vm_ram(demo->pair.vm[side], NULL);
    uint32_t counter = 0;

    if (ram) {
        memcpy(&counter, ram + VM_GUEST_COUNTER, sizeof(counter));
    }
    return GUINT32_FROM_LE(counter);
}

static PairConfig demo_pair_config(const Demo *demo)
{
    PairConfig config = {
        .build = demo->build, .busy = true,
        .builtin = { demo->builtin, demo->builtin },
        .ram_bytes = DEMO_RAM_BYTES, .device = demo->device,
        .fault = { demo->fault[PAIR_SOURCE], demo->fault[PAIR_DESTINATION] },
        .traces = trace_log_patterns,
    };

    config.device.load_rate_bytes = config.device.save_rate_bytes;
    return config;
}

static bool demo_start(Demo *demo, GError **error)
{
    PairConfig config = demo_pair_config(demo);

    screen_progress("start", -1, "two QEMU processes");
    if (!pair_start(&demo->pair, &config, error)) {
        return false;
    }
    for (int side = 0; side < PAIR_SIDES; side++) {
        if (!vm_ram(demo->pair.vm[side], error)) {
            return false;
        }
    }
    return demo_wait(demo, DEMO_WORK_MS, error);
}

/* --- the move ----------------------------------------------------------- */

bool demo_pump(Demo *demo, GError **error)
{
    if (qmp_interrupted) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_INTERRUPTED, "interrupted");
        return false;
    }
    if (g_get_monotonic_time() > demo->deadline_us) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_TIMEOUT,
                    "not done within %d seconds (--timeout)",
                    demo->timeout_seconds);
        return false;
    }
    for (int side = 0; side < PAIR_SIDES; side++) {
        Qmp *qmp = demo->pair.qmp[side];

        if (qmp && !qmp_pump(qmp, DEMO_TICK_MS / 2, error)) {
            return false;
        }
    }
    return true;
}

bool demo_wait(Demo *demo, int time_ms, GError **error)
{
    int64_t end_us = g_get_monotonic_time() + time_ms * 1000;

    while (g_get_monotonic_time() < end_us) {
        if (!demo_pump(demo, error)) {
            return false;
        }
    }
    return true;
}

/* Process an answer to query-migrate. False once the migration has failed. */
static bool demo_take_info(Demo *demo, GError **error)
{
    g_autoptr(JsonNode) info =
        qmp_take_reply(demo->pair.qmp[PAIR_SOURCE], NULL);

    if (!info) {
        return true;
    }
    demo->ram_bytes = qmp_json_int(info, "ram.transferred");
    demo->completed = g_strcmp0(qmp_json_string(info, "status"),
                                "completed") == 0;
    return pair_check_info(info, error);
}

/* QEMU does not answer while the VM is stopped; the device's state tells. */
static const char *demo_phase(const Demo *demo)
{
    const char *state = demo->progress[PAIR_SOURCE].state;

    if (g_str_equal(state, "running") &&
        demo->progress[PAIR_SOURCE].bytes > 0) {
        return "failed";        /* it has given data, and runs again */
    }
    if (demo->completed || g_str_equal(state, "stop")) {
        return "finish";
    }
    return g_str_equal(state, "stop-copy") ? "stop-copy"
        : g_str_equal(state, "pre-copy") ? "pre-copy" : "setup";
}

/* If pre-copy ends before all of it was read, less is left to do. */
static double demo_part(const Demo *demo)
{
    uint64_t done = demo->progress[PAIR_SOURCE].bytes;
    uint64_t total = demo->device.precopy_bytes + demo->device.state_bytes;
    uint64_t left = total - MIN(done, total);

    if (demo->stop_bytes_known) {
        total = demo->stop_bytes + demo->device.state_bytes;
        left = total - MIN(done, total);
    }
    return total ? 1 - (double)left / total : 1;
}

static void demo_show_progress(Demo *demo)
{
    DeviceProgress *source = &demo->progress[PAIR_SOURCE];
    DeviceProgress *destination = &demo->progress[PAIR_DESTINATION];
    int64_t time_us = g_get_monotonic_time() - demo->begin_us;
    g_autofree char *moved = NULL, *rate = NULL, *text = NULL;
    const char *phase;

    for (int side = 0; side < PAIR_SIDES; side++) {
        device_follow(demo->pair.directory, pair_sides[side],
                      &demo->progress[side]);
    }
    phase = demo_phase(demo);
    if (g_str_equal(phase, "stop-copy") && !demo->stop_bytes_known) {
        demo->stop_bytes = source->bytes;
        demo->stop_bytes_known = true;
    }
    moved = screen_size(source->bytes);
    rate = screen_rate(source->bytes, time_us);
    text = g_strdup_printf("%8s %10s  %s -> %s", moved, rate,
                           *source->state ? source->state : "running",
                           *destination->state ? destination->state
                                               : "running");
    screen_progress(phase, demo_part(demo), text);
}

static void demo_print_progress_head(void)
{
    g_autofree char *text = g_strdup_printf(
        "%36s %8s %10s  %s", "", "moved", "rate", "source -> destination");
    g_autofree char *dim = screen_style(SCREEN_DIM, 0, text);

    screen_print("%s", dim);
}

static bool demo_migrate(Demo *demo, GError **error)
{
    Qmp *source = demo->pair.qmp[PAIR_SOURCE];

    demo_print_progress_head();
    demo->begin_us = g_get_monotonic_time();
    if (!pair_migrate(&demo->pair, error)) {
        return false;
    }
    while (!demo->completed || !pair_is_moved(&demo->pair)) {
        if (!qmp_query_is_open(source) &&
            !qmp_query(source, "query-migrate", NULL, error)) {
            return false;
        }
        if (!demo_pump(demo, error) || !demo_take_info(demo, error)) {
            return false;
        }
        demo_show_progress(demo);
    }
    screen_progress_end();
    return true;
}

/* --- the proof ---------------------------------------------------------- */

static bool demo_compare_ram(Demo *demo, GError **error)
{
    const uint8_t *source = vm_ram(demo->pair.vm[PAIR_SOURCE], error);
    const uint8_t *destination =
        source ? vm_ram(demo->pair.vm[PAIR_DESTINATION], error) : NULL;
    static const uint8_t zero[DEMO_PAGE_BYTES];

    if (!destination) {
        return false;
    }
    for (uint64_t at = 0; at < DEMO_RAM_BYTES; at += DEMO_PAGE_BYTES) {
        if (memcmp(source + at, destination + at, DEMO_PAGE_BYTES) != 0 &&
            demo->pages_different++ == 0) {
            demo->first_different = at;
        }
        demo->pages_dma +=
            at >= DEVICE_DMA_START_BYTES &&
            at < DEVICE_DMA_START_BYTES + DEVICE_DMA_SIZE_BYTES &&
            memcmp(destination + at, zero, DEMO_PAGE_BYTES) != 0;
    }
    return true;
}

/* The property of our code; absent with QEMU's own. */
void demo_ask_property(Demo *demo, int side)
{
    demo->property[side] = qmp_execute(
        demo->pair.qmp[side], "qom-get", g_variant_new_parsed(
        "{'path': <'/machine/peripheral/dev0'>, "
        "'property': <'vfio-migration'>}"), NULL);
}

/* Both VMs are stopped here: nothing changes during the comparison. */
static bool demo_compare(Demo *demo, GError **error)
{
    for (int side = 0; side < PAIR_SIDES; side++) {
        demo->counter[side] = demo_guest_counter(demo, side);
        demo_ask_property(demo, side);
    }
    return demo_compare_ram(demo, error);
}

static bool demo_resume(Demo *demo, GError **error)
{
    Qmp *destination = demo->pair.qmp[PAIR_DESTINATION];

    demo->resume_us = g_get_real_time();
    if (!qmp_run(destination, "cont", NULL, error) ||
        !qmp_wait_event(destination, "RESUME", NULL, DEMO_RESUME_TIMEOUT_MS,
                        error) ||
        !demo_wait(demo, DEMO_WORK_MS, error)) {
        return false;
    }
    /* A driver has finally accepted the state only when the device runs. */
    if (!pair_wait_device(&demo->pair, PAIR_SOURCE, 0, "stop",
                          &demo->status[PAIR_SOURCE], error) ||
        !pair_wait_device(&demo->pair, PAIR_DESTINATION, 0, "running",
                          &demo->status[PAIR_DESTINATION], error)) {
        return false;
    }
    demo->counter_after = demo_guest_counter(demo, PAIR_DESTINATION);
    if (demo->counter_after == demo->counter[PAIR_DESTINATION]) {
        g_set_error(error, QMP_ERROR, QMP_ERROR_COMMAND, "the guest does not "
                    "run at the destination: it still counts %u",
                    demo->counter_after);
        return false;
    }
    demo->resumed = true;
    return true;
}

/* --- the frame ---------------------------------------------------------- */

static bool demo_run(Demo *demo, GError **error)
{
    demo_print_head(demo);
    return demo_start(demo, error) && demo_migrate(demo, error) &&
           demo_compare(demo, error) && demo_resume(demo, error) &&
           demo_print_result(demo, error);
}

/* A rule that the simulation rejects is a usage error, detected early. */
static bool demo_prepare(Demo *demo, int *status)
{
    PairConfig config = demo_pair_config(demo);
    g_autoptr(GError) error = NULL;

    if (pair_prepare(&demo->pair, &config, &error)) {
        return true;
    }
    *status = 1;
    if (g_error_matches(error, DEVICE_ERROR, DEVICE_ERROR_FAULT)) {
        g_prefix_error(&error, "--fault=");
        *status = 2;
    }
    fprintf(stderr, "vfio-demo: %s\n", error->message);
    return false;
}

/* After a failed migration the VM must still run; show that. */
static void demo_look_back(Demo *demo)
{
    Qmp *source = demo->pair.qmp[PAIR_SOURCE];
    g_autoptr(JsonNode) status = NULL;
    uint32_t before, after;

    if (!source || qmp_interrupted ||
        !(status = qmp_execute(source, "query-status", NULL, NULL))) {
        return;
    }
    before = demo_guest_counter(demo, PAIR_SOURCE);
    g_usleep(DEMO_WORK_MS * 1000);
    after = demo_guest_counter(demo, PAIR_SOURCE);
    device_status_of(demo->pair.directory, pair_sides[PAIR_SOURCE], 0,
                     &demo->status[PAIR_SOURCE], NULL);
    screen_print("\nAt the source the VM is %s: its guest %s (%u, %u), its "
                 "device is in state %s.", qmp_json_string(status, "status"),
                 before == after ? "stands still" : "counts on", before,
                 after, demo->status[PAIR_SOURCE].state);
}

/* No side has an error if we gave up, or if the result differs. */
static void demo_fail(Demo *demo, const GError *error)
{
    bool ours = g_error_matches(error, QMP_ERROR, QMP_ERROR_INTERRUPTED) ||
                g_error_matches(error, QMP_ERROR, QMP_ERROR_TIMEOUT) ||
                demo->resumed;
    g_autofree char *cause = ours ? NULL : demo_cause(demo);

    demo_print_failure(demo, cause ? cause : error->message);
    demo_look_back(demo);
    demo_write_timeline(demo, cause ? cause : error->message);
}

static void demo_end(Demo *demo)
{
    screen_progress_end();
    for (int side = 0; side < PAIR_SIDES; side++) {
        const Vm *vm = demo->pair.vm[side];

        if (demo->verbose && vm) {
            g_autofree char *log = g_strstrip(child_output(vm->child));

            screen_field(pair_sides[side], "stderr: %s",
                         *log ? log : "(empty)");
        }
        device_status_clear(&demo->status[side]);
        g_clear_pointer(&demo->property[side], json_node_unref);
    }
    if (demo->keep && demo->pair.directory) {
        screen_field("kept", "%s", demo->pair.directory);
    }
    pair_end(&demo->pair, demo->keep);
}

static char *demo_layout_help(void)
{
    GString *text = g_string_new("Layouts of the device's data window:\n");

    for (const DeviceLayout *l = device_layouts; l->name; l++) {
        g_string_append_printf(text, "  %-10s %s\n", l->name, l->text);
    }
    g_string_append(text, "\nExit status: 0 the VM moved and all is equal, "
                    "1 it did not, 2 wrong usage.");
    return g_string_free(text, false);
}

static bool demo_read_size(const char *option, const char *text,
                           uint64_t *bytes)
{
    if (text && !screen_parse_size(text, bytes)) {
        fprintf(stderr, "vfio-demo: %s=%s: not a size such as 256M\n",
                option, text);
        return false;
    }
    return true;
}

/* @text must stay valid. */
static bool demo_read_fault(Demo *demo, const char *text)
{
    for (int side = 0; text && side < PAIR_SIDES; side++) {
        size_t length = strlen(pair_sides[side]);

        if (strncmp(text, pair_sides[side], length) == 0 &&
            text[length] == ':') {
            demo->fault[side] = text + length + 1;
            return true;
        }
    }
    if (text) {
        fprintf(stderr, "vfio-demo: --fault=%s: does not begin with 'source:' "
                "or 'destination:'\n", text);
    }
    return !text;
}

static bool demo_options(Demo *demo, int argc, char **argv)
{
    g_autofree char *state = NULL, *precopy = NULL, *rate = NULL;
    g_autofree char *layout = NULL, *help = demo_layout_help();
    char *fault = NULL;     /* used by the demonstration until its end */
    const GOptionEntry entries[] = {
        { "state-size", 0, 0, G_OPTION_ARG_STRING, &state,
          "Device state moved while the VM stands still [128M]", "SIZE" },
        { "precopy-size", 0, 0, G_OPTION_ARG_STRING, &precopy,
          "Device state moved while the VM runs [384M]", "SIZE" },
        { "layout", 0, 0, G_OPTION_ARG_STRING, &layout,
          "How QEMU reaches the state [mixed]", "NAME" },
        { "rate", 0, 0, G_OPTION_ARG_STRING, &rate,
          "Speed of the device, a second; 0 for no limit [256M]", "SIZE" },
        { "builtin", 0, 0, G_OPTION_ARG_NONE, &demo->builtin,
          "QEMU's own migration code instead of ours, to compare", NULL },
        { "fault", 0, 0, G_OPTION_ARG_STRING, &fault,
          "Let the device of a side fail, by the rules of docs/sim.md",
          "SIDE:KEY=VALUE,..." },
        { "timeline", 0, 0, G_OPTION_ARG_FILENAME, &demo->page,
          "Write what happened to FILE, a page with pictures "
          "[build/demo.html]", "FILE" },
        { "timeout", 0, 0, G_OPTION_ARG_INT, &demo->timeout_seconds,
          "Give up after that many seconds [120]", "SECONDS" },
        { "verbose", 'v', 0, G_OPTION_ARG_NONE, &demo->verbose,
          "Show what the two QEMUs said", NULL },
        { "keep", 0, 0, G_OPTION_ARG_NONE, &demo->keep,
          "Keep the directory with logs and configuration", NULL },
        { "version", 0, 0, G_OPTION_ARG_NONE, &demo->version,
          "Print the version and end", NULL },
        { NULL }
    };
    g_autoptr(GOptionContext) context = g_option_context_new(
        "- live-migrate a VM with a vfio-pci device, and prove it");
    g_autoptr(GError) error = NULL;

    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_set_description(context, help);
    if (!g_option_context_parse(context, &argc, &argv, &error) || argc > 1) {
        fprintf(stderr, "vfio-demo: %s\n", error ? error->message
                                                 : "too many arguments");
        return false;
    }
    demo->device.layout = device_layout(layout ? layout : "mixed")
        ? device_layout(layout ? layout : "mixed")->name : NULL;
    if (!demo->device.layout) {
        fprintf(stderr, "vfio-demo: no layout '%s'. %s\n", layout, help);
        return false;
    }
    return demo_read_size("--state-size", state, &demo->device.state_bytes) &&
           demo_read_size("--precopy-size", precopy,
                          &demo->device.precopy_bytes) &&
           demo_read_size("--rate", rate, &demo->device.save_rate_bytes) &&
           demo_read_fault(demo, fault);
}

int main(int argc, char **argv)
{
    Demo demo = {
        .device = {
            .state_bytes = UINT64_C(128) << 20,
            .precopy_bytes = UINT64_C(384) << 20,
            .window_bytes = DEMO_WINDOW_BYTES,
            .save_rate_bytes = UINT64_C(256) << 20,
            .dma_rate_bytes = DEMO_DMA_RATE_BYTES,
            .verify = true,
            .transcript = true,
        },
        .timeout_seconds = 120,
        .vm_ram_bytes = DEMO_RAM_BYTES,
    };
    g_autofree char *build = pair_build_directory();
    g_autoptr(GError) error = NULL;
    int status = 1;

    screen_init();
    if (!demo_options(&demo, argc, argv)) {
        return 2;
    }
    if (demo.version) {
        puts("vfio-demo " TOOL_VERSION);
        return 0;
    }
    qmp_catch_signals();
    demo.build = build;
    if (!demo.page) {
        demo.page = g_build_filename(build, "demo.html", NULL);
    }
    demo.deadline_us = g_get_monotonic_time() +
                       demo.timeout_seconds * G_USEC_PER_SEC;
    if (demo_prepare(&demo, &status)) {
        if (demo_run(&demo, &error)) {
            demo_write_timeline(&demo, NULL);
            status = 0;
        } else {
            demo_fail(&demo, error);
        }
    }
    demo_end(&demo);
    g_free(demo.page);
    return status;
}
