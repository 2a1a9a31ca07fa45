/*
 * One side of a migration: a QEMU with simulated VFIO devices
 *
 * Owns: see sim-helpers.h.
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "sim-helpers.h"

#include <string.h>
#include <unistd.h>

#include "qtest-json.h"
#include "transcript-helpers.h"

const char *vfio_kind_name(VFIOSideKind kind)
{
    return kind == SIDE_ATTACHED ? "attached" : "builtin";
}

bool vfio_has_builtin(void)
{
    const char *ours = g_getenv("VFIO_ATTACHED_QEMU");

    return !ours || g_strcmp0(ours, g_getenv("QEMU"));
}

/* A file of the build, named by @var or relative to the test program. */
static char *build_file(const char *var, const char *relative)
{
    g_autofree char *self = NULL;
    g_autofree char *dir = NULL;

    if (g_getenv(var)) {
        return g_strdup(g_getenv(var));
    }
    self = g_file_read_link("/proc/self/exe", NULL);
    dir = g_path_get_dirname(self);
    return g_build_filename(dir, relative, NULL);
}

/* ---- configuration ---- */

static char *device_group(const char *device)
{
    return g_strconcat("device ", device, NULL);
}

void vfio_side_set(VFIOSide *side, const char *device, const char *key,
                   const char *fmt, ...)
{
    g_autofree char *group = device_group(device);
    g_autofree char *value = NULL;
    va_list ap;

    va_start(ap, fmt);
    value = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_key_file_set_value(side->config, group, key, value);
}

char *vfio_side_get(VFIOSide *side, const char *device, const char *key)
{
    g_autofree char *group = device_group(device);

    return g_key_file_get_value(side->config, group, key, NULL);
}

void vfio_side_unset(VFIOSide *side, const char *device, const char *key)
{
    g_autofree char *group = device_group(device);

    g_key_file_remove_key(side->config, group, key, NULL);
}

/* @text: "state-size=1M;p2p=yes" */
static void set_pairs(VFIOSide *side, const char *group, const char *text)
{
    g_auto(GStrv) pairs = g_strsplit(text, ";", -1);

    for (char **p = pairs; *p; p++) {
        g_auto(GStrv) pair = g_strsplit(*p, "=", 2);

        g_assert_nonnull(pair[1]);
        g_key_file_set_value(side->config, group, pair[0], pair[1]);
    }
}

void vfio_side_set_keys(VFIOSide *side, const char *device, const char *keys)
{
    g_autofree char *group = device_group(device);

    set_pairs(side, group, keys);
}

void vfio_side_profile(VFIOSide *side, const char *device,
                       const char *profile)
{
    /* Explicit keys would override the profile */
    vfio_side_unset(side, device, "state-size");
    vfio_side_unset(side, device, "precopy-size");
    vfio_side_set(side, device, "profile", "%s", profile);
    if (g_str_equal(profile, "mtty")) {
        /* It has a log, which stays empty: the device does no DMA. */
        vfio_side_set(side, device, "dma-rate", "0");
    }
}

void vfio_side_container(VFIOSide *side, const char *key, const char *value)
{
    g_key_file_set_value(side->config, "container", key, value);
}

void vfio_side_fault(VFIOSide *side, const char *name, const char *keys)
{
    g_autofree char *group = g_strconcat("fault ", name, NULL);

    set_pairs(side, group, keys);
}

static void default_device(VFIOSide *side, const char *device)
{
    vfio_side_set_keys(side, device, "group=1;window-size=64K;areas=all;"
                       "chunk-size=48K;state-size=256K;precopy-size=64K;"
                       "require-data=yes;dma-rate=8M;dma-start=16M;"
                       "dma-size=1M;dma-needs-bus-master=yes");
}

static void describe_hook(gpointer opaque);
static const VFIODeviceOps simulated;

VFIOSide *vfio_side_new(const char *name, VFIOSideKind kind)
{
    VFIOSide *side = g_new0(VFIOSide, 1);

    side->name = g_strdup(name);
    side->kind = kind;
    side->ops = &simulated;
    side->dir = g_build_filename(qtest_tmpdir(), name, NULL);
    g_assert_cmpint(g_mkdir_with_parents(side->dir, 0700), ==, 0);
    side->config = g_key_file_new();
    side->devices = g_ptr_array_new_with_free_func(g_free);
    side->args = g_string_new(NULL);
    side->first_args = g_string_new(NULL);
    side->device_props = "";
    side->machine = "pc";
    side->ram_mib = 32;
    side->attach = "require";
    g_ptr_array_add(side->devices, g_strdup("dev0"));
    default_device(side, "dev0");
    qtest_add_abrt_handler(describe_hook, side);
    return side;
}

static void copy_group(GKeyFile *from, GKeyFile *to, const char *group,
                       const char *to_group)
{
    g_auto(GStrv) keys = g_key_file_get_keys(from, group, NULL, NULL);

    for (char **key = keys; key && *key; key++) {
        g_autofree char *value = g_key_file_get_value(from, group, *key,
                                                      NULL);

        g_key_file_set_value(to, to_group, *key, value);
    }
}

VFIOSide *vfio_side_copy(const VFIOSide *from, const char *name)
{
    VFIOSide *side = vfio_side_new(name, from->kind);

    g_key_file_unref(side->config);
    side->config = g_key_file_new();
    copy_group(from->config, side->config, "container", "container");
    g_ptr_array_set_size(side->devices, 0);
    for (unsigned i = 0; i < from->devices->len; i++) {
        const char *device = from->devices->pdata[i];
        g_autofree char *group = device_group(device);

        g_ptr_array_add(side->devices, g_strdup(device));
        copy_group(from->config, side->config, group, group);
    }
    g_string_assign(side->args, from->args->str);
    g_string_assign(side->first_args, from->first_args->str);
    side->device_props = from->device_props;
    side->machine = from->machine;
    side->ram_mib = from->ram_mib;
    side->multi = from->multi;
    side->no_device_log = from->no_device_log;
    side->mdevs = from->mdevs;
    side->downtime_ms = from->downtime_ms;
    side->attach = from->attach;
    side->ops = from->ops;
    if (side->ops->copy) {
        side->ops->copy(from, side);
    }
    return side;
}

void vfio_side_add_device(VFIOSide *side)
{
    unsigned n = side->devices->len;
    char *device = g_strdup_printf("dev%u", n);
    g_autofree char *group = device_group(device);

    copy_group(side->config, side->config, "device dev0", group);
    vfio_side_set(side, device, "group", "%u", n + 1);
    vfio_side_set(side, device, "seed", "%u", n + 1);
    vfio_side_set(side, device, "dma-start", "%uM", 16 + 2 * n);
    g_ptr_array_add(side->devices, device);
}

void vfio_side_add_spare(VFIOSide *side)
{
    vfio_side_add_device(side);
    g_ptr_array_set_size(side->devices, side->devices->len - 1);
    side->multi = true;
}

void vfio_side_place(VFIOSide *side, const char *device, const char *where)
{
    g_autofree char *dir = side->ops->path(side, device);

    g_string_append_printf(side->args, " -device vfio-pci,sysfsdev=%s,id=%s,"
                           "%s", dir, device, where);
}

void vfio_side_drop_devices(VFIOSide *side)
{
    for (unsigned i = 0; i < side->devices->len; i++) {
        g_autofree char *group = device_group(side->devices->pdata[i]);

        g_key_file_remove_group(side->config, group, NULL);
    }
    g_ptr_array_set_size(side->devices, 0);
}

static char *side_file(VFIOSide *side, const char *name)
{
    return g_build_filename(side->dir, name, NULL);
}

/* What vfio-pci reads for sysfsdev=: two links. */
char *vfio_side_sysfs(VFIOSide *side, const char *device)
{
    char *dir = side_file(side, device);
    g_autofree char *number = vfio_side_get(side, device, "group");
    g_autofree char *groups = g_strconcat("/sys/kernel/iommu_groups/", number,
                                          NULL);
    g_autofree char *iommu_group = g_build_filename(dir, "iommu_group", NULL);
    g_autofree char *subsystem = g_build_filename(dir, "subsystem", NULL);

    g_assert_cmpint(g_mkdir_with_parents(dir, 0700), ==, 0);
    unlink(iommu_group);
    unlink(subsystem);
    g_assert_cmpint(symlink(groups, iommu_group), ==, 0);
    g_assert_cmpint(symlink(side->mdevs ? "/sys/bus/mdev" : "/sys/bus/pci",
                            subsystem), ==, 0);
    return dir;
}

static void set_or_unset(const char *var, const char *value)
{
    if (value) {
        g_setenv(var, value, true);
    } else {
        g_unsetenv(var);
    }
}

static void apply(VFIOSide *side)
{
    g_autofree char *library = build_file("VFIO_SIM_LIBRARY",
                                          "../sim/libvfio-sim.so");
    g_autofree char *path = side_file(side, "sim.conf");
    g_autofree char *status = side_file(side, "status.json");
    g_autofree char *transcript = side_file(side, "transcript");
    g_autoptr(GError) err = NULL;

    g_key_file_set_value(side->config, "sim", "status", status);
    g_key_file_set_value(side->config, "sim", "transcript", transcript);
    if (!g_key_file_save_to_file(side->config, path, &err)) {
        g_error("%s", err->message);
    }
    g_setenv("LD_PRELOAD", library, true);
    g_setenv("VFIO_SIM_CONFIG", path, true);
}

/* ---- starting and ending ---- */

static char *command_line(VFIOSide *side)
{
    g_autofree char *machine = side->ops->machine
        ? side->ops->machine(side)
        : machine_args(side->machine, side->dir, side->ram_mib, &side->ram);
    GString *line = g_string_new(machine);

    g_string_append_printf(line, "%s ", side->first_args->str);
    if (side->kind == SIDE_BUILTIN) {
        g_string_append(line, "-global vfio-pci.x-enable-migration=on ");
    }
    for (unsigned i = 0; i < side->devices->len; i++) {
        const char *device = side->devices->pdata[i];
        g_autofree char *dir = side->ops->path(side, device);

        g_string_append_printf(line, "-device vfio-pci,sysfsdev=%s,id=%s,"
                               "addr=%x.0%s ", dir, device,
                               MACHINE_FIRST_SLOT + i,
                               side->device_props);
    }
    if (side->incoming) {
        g_autofree char *quoted = g_shell_quote(side->incoming);

        g_string_append_printf(line, "-incoming %s ", quoted);
    }
    g_string_append_printf(line, "%s %s", side->paused ? "-S" : "",
                           side->args->str);
    return g_string_free(line, false);
}


/* As in QEMU's later tests, the two sides may run different versions. */
static const char *real_qemu(VFIOSide *side)
{
    const char *real = g_getenv(side->incoming ? "QTEST_QEMU_BINARY_DST"
                                               : "QTEST_QEMU_BINARY_SRC");

    return real ? real : g_getenv("QEMU");
}

void vfio_side_try_start(VFIOSide *side)
{
    g_autofree char *wrapper = build_file("VFIO_ATTACHED_QEMU",
                                          "../../qemu-system-x86_64");
    g_autofree char *old_preload = g_strdup(g_getenv("LD_PRELOAD"));
    g_autofree char *line = command_line(side);
    g_autofree char *old_qemu = g_strdup(g_getenv("QEMU"));
    g_autofree char *output = g_strconcat(side->dir, ".stderr", NULL);
    const char *real = real_qemu(side);

    g_assert_null(side->qts);
    side->ops->apply(side);
    set_or_unset("VFIO_MIGRATION_ATTACH", side->attach);
    set_or_unset("VFIO_MIGRATION_MULTI", side->multi ? "allow" : NULL);
    set_or_unset("VFIO_MIGRATION_DEVICE_DIRTY_TRACKING",
                 side->no_device_log ? "off" : NULL);
    set_or_unset("QEMU", real);
    side->qts = qtest_launch(side->kind == SIDE_ATTACHED ? wrapper :
                             real ? real : "qemu-system-x86_64", line, output);
    set_or_unset("QEMU", old_qemu);
    set_or_unset("LD_PRELOAD", old_preload);
    set_or_unset("VFIO_SIM_CONFIG", NULL);
    set_or_unset("VFIO_MIGRATION_ATTACH", NULL);
    set_or_unset("VFIO_MIGRATION_MULTI", NULL);
    set_or_unset("VFIO_MIGRATION_DEVICE_DIRTY_TRACKING", NULL);
    /* Must be called before libqtest's handler, which ends QEMU */
    qtest_remove_abrt_handler(side);
    qtest_add_abrt_handler(describe_hook, side);
}

void vfio_side_start(VFIOSide *side)
{
    vfio_side_try_start(side);
    if (!qtest_probe_child(side->qts)) {
        vfio_side_fail(side, "QEMU (%s) did not come up",
                       vfio_kind_name(side->kind));
    }
    migrate_defaults(side->qts);
    if (side->downtime_ms) {
        migrate_set_parameter_int(side->qts, "downtime-limit",
                                  side->downtime_ms);
    }
    if (!side->incoming) {
        vfio_side_program(side);
    }
}

static void program(VFIOSide *side, unsigned index)
{
    machine_program(side->qts, MACHINE_FIRST_SLOT + index);
}

void vfio_side_program(VFIOSide *side)
{
    for (unsigned i = 0; i < side->devices->len; i++) {
        side->ops->program(side, i);
    }
}

void vfio_side_unplug(VFIOSide *side, unsigned index)
{
    const char *device = side->devices->pdata[index];

    qtest_qmp_device_del_send(side->qts, device);
    machine_eject(side->qts, MACHINE_FIRST_SLOT + index);
    qtest_qmp_eventwait(side->qts, "DEVICE_DELETED");
}

int vfio_side_connect(VFIOSide *side)
{
    return qtest_connect(side->incoming + strlen("unix:"));
}

void vfio_side_quit(VFIOSide *side)
{
    qtest_quit(side->qts);
    side->qts = NULL;
    machine_drop_ram(&side->ram, side->ram_mib);
}

void vfio_side_kill(VFIOSide *side)
{
    if (side->qts) {
        qtest_forget(side->qts);
        side->qts = NULL;
    }
    machine_drop_ram(&side->ram, side->ram_mib);
}

void vfio_side_free(VFIOSide *side)
{
    if (side->qts) {
        vfio_side_quit(side);
    }
    qtest_remove_abrt_handler(side);
    if (side->ops->drop) {
        side->ops->drop(side);
    }
    machine_drop_ram(&side->ram, side->ram_mib);
    g_key_file_unref(side->config);
    g_ptr_array_unref(side->devices);
    g_string_free(side->args, true);
    g_string_free(side->first_args, true);
    g_free(side->incoming);
    g_free(side->dir);
    g_free(side->name);
    g_free(side);
}

/* ---- state of the devices ---- */

static char *read_transcript(VFIOSide *side)
{
    g_autofree char *path = side_file(side, "transcript");
    char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        return g_strdup("");
    }
    return text;
}

char *vfio_side_transcript(VFIOSide *side)
{
    return side->ops->transcript(side);
}

static void describe_hook(gpointer opaque)
{
    VFIOSide *side = opaque;
    g_autofree char *text = vfio_side_transcript(side);
    g_autofree char *who = g_strdup_printf("%s (%s)", side->name,
                                           vfio_kind_name(side->kind));

    if (side->qts) {
        migrate_describe(side->qts, who);
    }
    transcript_print_end(text, who);
}

void vfio_side_fail(VFIOSide *side, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    qtest_fail("%s: %s", side->name, text);
}

static QDict *read_status(VFIOSide *side, const char *device)
{
    g_autofree char *path = side_file(side, "status.json");
    g_autofree char *text = NULL;
    QDict *all, *one;

    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        vfio_side_fail(side, "the simulated device wrote no status");
    }
    all = qdict_from_text(text);
    if (!all) {
        vfio_side_fail(side, "not a status: %s", text);
    }
    one = qobject_ref(qdict_get_qdict(qdict_get_qdict(all, "devices"),
                                      device));
    qobject_unref(all);
    if (!one) {
        vfio_side_fail(side, "the status has no device %s", device);
    }
    return one;
}

static bool has_msix(VFIOSide *side, const char *device)
{
    g_autofree char *vectors = vfio_side_get(side, device, "msix-vectors");

    return g_strcmp0(vectors, "0");
}

static const VFIODeviceOps simulated = {
    .path = vfio_side_sysfs,
    .apply = apply,
    .program = program,
    .has_msix = has_msix,
    .status = read_status,
    .transcript = read_transcript,
    .poll_ms = 2,
    .state_ms = QTEST_WAIT_MS,
    .fail_ms = QTEST_WAIT_MS,
    .end_ms = 30000,
};

QDict *vfio_side_status(VFIOSide *side, const char *device)
{
    return side->ops->status(side, device);
}

char *vfio_side_status_str(VFIOSide *side, const char *device,
                           const char *key)
{
    QDict *status = vfio_side_status(side, device);
    char *value = g_strdup(qdict_get_str(status, key));

    qobject_unref(status);
    return value;
}

int64_t vfio_side_status_int(VFIOSide *side, const char *device,
                             const char *key)
{
    QDict *status = vfio_side_status(side, device);
    int64_t value = qdict_get_int(status, key);

    qobject_unref(status);
    return value;
}

unsigned vfio_side_fired(VFIOSide *side, const char *fault)
{
    g_autofree char *transcript = vfio_side_transcript(side);

    return transcript_fired(transcript, fault);
}

char *vfio_side_arcs(VFIOSide *side, const char *device)
{
    g_autofree char *transcript = vfio_side_transcript(side);

    return transcript_arcs(transcript, device);
}

void vfio_side_expect_state(VFIOSide *side, const char *device,
                            const char *state)
{
    int64_t end_us = g_get_monotonic_time() + side->ops->state_ms * 1000;

    while (true) {
        g_autofree char *now = vfio_side_status_str(side, device, "state");

        if (!strcmp(now, state)) {
            return;
        }
        if (g_get_monotonic_time() > end_us) {
            vfio_side_fail(side, "%s is '%s', not '%s'", device, now, state);
        }
        g_usleep(side->ops->poll_ms * 1000);
    }
}

void vfio_side_expect_run_state(VFIOSide *side, const char *state)
{
    migrate_poll_run_state(side->qts, state, side->ops->fail_ms,
                           side->ops->poll_ms);
}

QDict *vfio_side_property(VFIOSide *side, const char *device)
{
    g_autofree char *path = g_strconcat("/machine/peripheral/", device, NULL);

    return qtest_qmp_assert_success_ref(
        side->qts, "{'execute': 'qom-get', 'arguments': {'path': %s, "
        "'property': 'vfio-migration'}}", path);
}
