/*
 * vfio-migrate watch: metrics in Prometheus' text format
 *
 * Owns: names, help and types of the metrics; docs/vfio-migrate.md lists
 * them. Unknown values are left out. No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "watch-output.h"

#define PREFIX "vfio_migration_"

static const char *const statuses[] = {
    "none", "setup", "active", "device", "pre-switchover", "cancelling",
    "completed", "failed", "cancelled", NULL,
};

static const char *const states[] = {
    "running", "running-p2p", "pre-copy", "pre-copy-p2p", "stop-copy", "stop",
    "resuming", "error", NULL,
};

static void add_head(GString *text, const char *name, const char *type,
                     const char *help)
{
    g_string_append_printf(text, "# HELP " PREFIX "%s %s\n"
                           "# TYPE " PREFIX "%s %s\n", name, help, name,
                           type);
}

/* Escape the value of a label, as the format requires. */
static char *label(const char *value)
{
    GString *text = g_string_new(NULL);

    for (const char *c = value; *c; c++) {
        if (*c == '\\' || *c == '"') {
            g_string_append_c(text, '\\');
        }
        if (*c == '\n') {
            g_string_append(text, "\\n");
        } else {
            g_string_append_c(text, *c);
        }
    }
    return g_string_free(text, false);
}

static void add_number(GString *text, double value)
{
    char number[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append(text, g_ascii_formatd(number, sizeof(number), "%.15g",
                                          value));
    g_string_append_c(text, '\n');
}

/* A metric of the VM, in @unit; left out if it is not known */
static void add_vm(GString *text, const char *vm, const char *name,
                   const char *type, const char *help, double value,
                   double unit)
{
    if (value < 0) {
        return;
    }
    add_head(text, name, type, help);
    g_string_append_printf(text, PREFIX "%s{vm=\"%s\"} ", name, vm);
    add_number(text, value * unit);
}

/* One series for each word; the value is 1 for the current one */
static void add_words(GString *text, const char *name, const char *labels,
                      const char *key, const char *const *words,
                      const char *value)
{
    for (unsigned i = 0; words[i]; i++) {
        g_string_append_printf(text, PREFIX "%s{%s,%s=\"%s\"} %d\n", name,
                               labels, key, words[i],
                               strcmp(words[i], value) == 0);
    }
}

static void add_status(GString *text, const WatchSample *sample,
                       const char *vm)
{
    g_autofree char *labels = g_strdup_printf("vm=\"%s\"", vm);

    add_head(text, "status", "gauge", "Status of the VM's migration, as "
             "query-migrate has it: 1 for the one that holds.");
    add_words(text, "status", labels, "status", statuses, sample->status);
    add_head(text, "hold", "gauge", "What keeps the VM from being stopped, "
             "or from going on: 1 for the one that does.");
    for (WatchHold i = WATCH_HOLD_NONE; i <= WATCH_HOLD_SILENT; i++) {
        g_string_append_printf(text, PREFIX "hold{vm=\"%s\",kind=\"%s\"} "
                               "%d\n", vm, watch_hold_name(i),
                               sample->hold == i);
    }
}

static void add_figures(GString *text, const WatchSample *sample,
                        const char *vm)
{
    add_vm(text, vm, "sample_timestamp_seconds", "gauge",
           "When these figures were read.", sample->time_us, 1e-6);
    add_vm(text, vm, "elapsed_seconds", "gauge",
           "Time since the migration was started.", sample->total_ms, 1e-3);
    add_vm(text, vm, "downtime_seconds", "gauge",
           "Time that the VM stood still, once that is known.",
           sample->downtime_ms, 1e-3);
    add_vm(text, vm, "expected_downtime_seconds", "gauge",
           "QEMU's guess, for RAM alone.", sample->expected_downtime_ms,
           1e-3);
    add_vm(text, vm, "least_downtime_seconds", "gauge",
           "Time for what RAM and devices are known to have left, at the "
           "rate of now.", sample->least_downtime_ms, 1e-3);
    add_vm(text, vm, "predicted_downtime_seconds", "gauge",
           "What the VM's stop would cost, devices and RAM; after the "
           "migration, what was predicted.", sample->predicted_ms, 1e-3);
    add_vm(text, vm, "predicted_downtime_is_lower_bound", "gauge",
           "Whether something of that is not known.",
           sample->predicted_is_least, 1);
    add_vm(text, vm, "downtime_limit_seconds", "gauge",
           "Parameter downtime-limit.", sample->downtime_limit_ms, 1e-3);
    add_vm(text, vm, "max_bandwidth_bytes_per_second", "gauge",
           "Parameter max-bandwidth; 0 is no limit.", sample->max_bandwidth,
           1);
    add_vm(text, vm, "bytes_per_second", "gauge",
           "RAM and devices sent, since the figures before.", sample->rate,
           1);
    add_vm(text, vm, "ram_bytes", "gauge", "Size of the VM's RAM.",
           sample->ram_total, 1);
    add_vm(text, vm, "ram_transferred_bytes_total", "counter",
           "RAM sent by this migration.", sample->ram_transferred, 1);
    add_vm(text, vm, "ram_remaining_bytes", "gauge", "RAM left to be sent.",
           sample->ram_remaining, 1);
    add_vm(text, vm, "ram_dirty_bytes_per_second", "gauge",
           "RAM dirtied by the guest and its devices.",
           sample->ram_dirty_rate, 1);
    add_vm(text, vm, "dirty_syncs_total", "counter",
           "How often the dirty pages were asked for.", sample->ram_passes,
           1);
}

/* ---- devices ---- */

typedef struct DeviceFigure {
    const char *name, *type, *help;
    size_t offset;              /* of an int64_t in WatchDevice */
} DeviceFigure;

static const DeviceFigure device_figures[] = {
    { "device_transferred_bytes_total", "counter",
      "Data of the device sent, or taken, by this migration.",
      offsetof(WatchDevice, transferred_bytes) },
    { "device_pending_bytes", "gauge", "What the driver says is left.",
      offsetof(WatchDevice, pending_bytes) },
    { "device_chunks_total", "counter", "Chunks of data moved.",
      offsetof(WatchDevice, chunks) },
    { "device_mapped_bytes_total", "counter",
      "Of the data, what went through memory.",
      offsetof(WatchDevice, mapped_bytes) },
    { "device_trapped_bytes_total", "counter",
      "Of the data, what went by system calls.",
      offsetof(WatchDevice, trapped_bytes) },
    { "device_initial_bytes", "gauge",
      "What is to be read before the VM stops.",
      offsetof(WatchDevice, initial_bytes) },
    { "device_dirty_bytes", "gauge",
      "What else can be read before the VM stops.",
      offsetof(WatchDevice, dirty_bytes) },
    { "device_stop_copy_bytes", "gauge",
      "What would have to be read if the VM stopped now.",
      offsetof(WatchDevice, stop_copy_bytes) },
};

static char *device_labels(const WatchDevice *device, const char *vm)
{
    g_autofree char *name = label(device->name);

    return g_strdup_printf("vm=\"%s\",device=\"%s\"", vm, name);
}

static void add_device_figure(GString *text, const WatchSample *sample,
                              const char *vm, const DeviceFigure *figure)
{
    add_head(text, figure->name, figure->type, figure->help);
    for (unsigned i = 0; i < sample->devices->len; i++) {
        const WatchDevice *device = g_ptr_array_index(sample->devices, i);
        g_autofree char *labels = device_labels(device, vm);
        int64_t value = G_STRUCT_MEMBER(int64_t, device, figure->offset);

        if (value >= 0) {
            g_string_append_printf(text, PREFIX "%s{%s} ", figure->name,
                                   labels);
            add_number(text, value);
        }
    }
}

static void add_device_flag(GString *text, const WatchSample *sample,
                            const char *vm, const char *name,
                            const char *help, size_t offset)
{
    add_head(text, name, "gauge", help);
    for (unsigned i = 0; i < sample->devices->len; i++) {
        const WatchDevice *device = g_ptr_array_index(sample->devices, i);
        g_autofree char *labels = device_labels(device, vm);

        g_string_append_printf(text, PREFIX "%s{%s} %d\n", name, labels,
                               *G_STRUCT_MEMBER(char *, device, offset) != 0);
    }
}

static const char *flag_word(int flag)
{
    return flag < 0 ? "unknown" : flag ? "yes" : "no";
}

/* Always 1; the information is in the labels. */
static void add_device_info(GString *text, const WatchSample *sample,
                            const char *vm)
{
    add_head(text, "device_info", "gauge", "How the device migrates.");
    for (unsigned i = 0; i < sample->devices->len; i++) {
        const WatchDevice *device = g_ptr_array_index(sample->devices, i);
        g_autofree char *labels = device_labels(device, vm);
        g_autofree char *protocol = label(device->protocol);

        if (device->ours) {
            g_string_append_printf(text, PREFIX "device_info{%s,protocol="
                                   "\"%s\",p2p=\"%s\",pre_copy=\"%s\"} 1\n",
                                   labels, protocol, flag_word(device->p2p),
                                   flag_word(device->precopy));
        }
    }
}

static void add_device_states(GString *text, const WatchSample *sample,
                              const char *vm)
{
    add_head(text, "device_state", "gauge",
             "State of the device: 1 for the one that it is in.");
    for (unsigned i = 0; i < sample->devices->len; i++) {
        const WatchDevice *device = g_ptr_array_index(sample->devices, i);
        g_autofree char *labels = device_labels(device, vm);

        if (device->ours) {
            add_words(text, "device_state", labels, "state", states,
                      device->state);
        }
    }
}

char *watch_metrics(const WatchSample *sample, const char *vm)
{
    GString *text = g_string_new(NULL);
    g_autofree char *name = label(vm);

    add_status(text, sample, name);
    add_figures(text, sample, name);
    if (sample->devices->len) {
        add_device_info(text, sample, name);
        add_device_states(text, sample, name);
        add_device_flag(text, sample, name, "device_blocked",
                        "Whether the device cannot migrate.",
                        offsetof(WatchDevice, blocked_reason));
        add_device_flag(text, sample, name, "device_failed",
                        "Whether its last migration failed.",
                        offsetof(WatchDevice, last_error));
        for (unsigned i = 0; i < G_N_ELEMENTS(device_figures); i++) {
            add_device_figure(text, sample, name, &device_figures[i]);
        }
    }
    return g_string_free(text, false);
}
