/*
 * vfio-migrate: migrate one VFIO device without a VM
 *
 * Owns: the command line and what it prints. For authors of drivers: the
 * same code that migrates a device in QEMU saves it to a file, loads it, and
 * tries what can go wrong.
 * Does not own: the work (vfio-migrate-device.c, vfio-migrate-test.c).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/vfio/migration-device.h"
#include "screen.h"
#include "vfio-migrate.h"

#define MAX_AREAS_SHOWN 8u

typedef struct Tool {
    int max_precopy_rounds;
    int rounds;
    gboolean paused;
    gboolean verbose;
    char **arguments;           /* the command's, without its name */
    unsigned nr_arguments;
} Tool;

static int complain(Error *err)
{
    g_autofree char *text = tool_error(err);

    fprintf(stderr, "vfio-migrate: %s\n", text);
    return 1;
}

/* A device that can migrate; else says why not. */
static VFIODevice *open_migratable(const char *name, Error **errp)
{
    VFIODevice *vbasedev = tool_open(name, errp);

    if (vbasedev && vfio_host_blocker(0)) {
        error_setg(errp, "%s", vfio_host_blocker(0));
        tool_close(vbasedev);
        return NULL;
    }
    return vbasedev;
}

/* ---- info ---- */

static void print_window(VFIORegion *region)
{
    for (unsigned i = 0; i < MIN(region->nr_mmaps, MAX_AREAS_SHOWN); i++) {
        g_autofree char *size = screen_size(region->mmaps[i].size);

        screen_field(i ? "" : "mappable", "0x%" PRIx64 " + 0x%zx (%s)",
                     (uint64_t)region->mmaps[i].offset, region->mmaps[i].size,
                     size);
    }
    if (region->nr_mmaps > MAX_AREAS_SHOWN) {
        screen_field("", "and %u more", region->nr_mmaps - MAX_AREAS_SHOWN);
    } else if (!region->nr_mmaps) {
        screen_field("mappable", "nothing: all data is read and written");
    }
}

static void print_region(VFIODeviceMigration *mig)
{
    VFIORegion *region = &mig->base.region;
    g_autofree char *size = screen_size(region->size);

    screen_field("protocol", "%s", mig->protocol->name);
    screen_field("state", "%s", vfio_mig_state_str(mig->state));
    screen_field("region", "index %u, %s, %s", region->nr, size,
                 region->flags & VFIO_REGION_INFO_FLAG_MMAP ? "mappable"
                                                            : "trapped");
    print_window(region);
}

static void print_container(VFIOContainer *container)
{
    g_autofree char *most = screen_size(container->max_dirty_bitmap_size);

    if (container->dirty_pages_supported) {
        screen_field("dirty pages", "told by the IOMMU in pages of 0x%" PRIx64
                     ", bitmaps of at most %s",
                     container->dirty_pgsizes & -container->dirty_pgsizes,
                     most);
    } else {
        screen_field("dirty pages", "not told by the IOMMU: all memory is "
                     "sent again when the VM stands still");
    }
}

static int command_info(Tool *tool)
{
    Error *err = NULL;
    VFIODevice *vbasedev = tool_open(tool->arguments[0], &err);
    const char *blocker;

    if (!vbasedev) {
        return complain(err);
    }
    blocker = vfio_host_blocker(0);
    screen_field("device", "%s, IOMMU group %d", vbasedev->name,
                 vbasedev->group->groupid);
    screen_field("migration", "%s", blocker ?: "possible");
    screen_field("reset", "%s", vbasedev->reset_works ? "yes" :
                 "no: a device that failed stays failed");
    if (vbasedev->migration) {
        print_region(vfio_mig_of(vbasedev));
    }
    print_container(vbasedev->group->container);
    tool_close(vbasedev);
    return blocker ? 1 : 0;
}

/* ---- save and load ---- */

static void print_saved(const ToolSaved *saved)
{
    g_autofree char *all = screen_size(saved->device_bytes);
    g_autofree char *early = screen_size(saved->precopy_bytes);
    g_autofree char *mapped = screen_size(saved->mapped_bytes);
    g_autofree char *trapped = screen_size(saved->trapped_bytes);
    g_autofree char *setup = screen_time(saved->setup_us);
    g_autofree char *precopy = screen_time(saved->precopy_us);
    g_autofree char *stopped = screen_time(saved->stopped_us);

    screen_field("saved", "%s in %" PRIu64 " chunks: %s mapped, %s trapped",
                 all, saved->chunks, mapped, trapped);
    screen_field("set-up", "%s", setup);
    screen_field("pre-copy", "%s in %u rounds, %s", precopy, saved->rounds,
                 early);
    screen_field("stopped", "%s", stopped);
}

static int open_input(const char *path, Error **errp)
{
    int fd = g_str_equal(path, "-") ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                                    : open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        error_setg_errno(errp, errno, "%s cannot be opened", path);
    }
    return fd;
}

static int command_save(Tool *tool)
{
    const ToolSave how = { .max_rounds = tool->max_precopy_rounds };
    ToolSaved saved;
    ToolOutput out;
    Error *err = NULL;
    VFIODevice *vbasedev = NULL;
    int ret = -EIO;

    if (tool_output_open(&out, tool->arguments[1], &err)) {
        vbasedev = open_migratable(tool->arguments[0], &err);
    }
    if (vbasedev) {
        vfio_host_vm_start();
        if (tool->paused) {
            vfio_host_vm_stop(RUN_STATE_PAUSED);
        }
        ret = tool_save(vbasedev, out.fd, &how, &saved, &err);
        tool_close(vbasedev);
    }
    if (!tool_output_close(&out, ret == 0, &err)) {
        return complain(err);
    }
    print_saved(&saved);
    return 0;
}

static int command_load(Tool *tool)
{
    Error *err = NULL;
    VFIODevice *vbasedev;
    int fd = open_input(tool->arguments[1], &err);
    int64_t start;
    int ret = -EIO;

    vbasedev = fd >= 0 ? open_migratable(tool->arguments[0], &err) : NULL;
    if (vbasedev) {
        start = g_get_monotonic_time();
        ret = tool_load(fd, 0, &err);
    }
    if (ret == 0) {
        VFIODeviceMigration *mig = vfio_mig_of(vbasedev);
        g_autofree char *size = screen_size(mig->stats.transferred_bytes);
        g_autofree char *time = screen_time(g_get_monotonic_time() - start);

        if (!tool->paused) {
            vfio_host_vm_start();
        }
        screen_field("loaded", "%s in %s", size, time);
        screen_field("state", "%s", vfio_mig_state_str(mig->state));
        ret = !tool->paused && mig->state != VFIO_MIG_STATE_RUNNING;
    }
    if (vbasedev) {
        tool_close(vbasedev);
    }
    if (fd >= 0) {
        close(fd);
    }
    return ret < 0 ? complain(err) : ret;
}

/* ---- test ---- */

static int command_test(Tool *tool)
{
    const DriverTest test = {
        .source = tool->arguments[0],
        .destination = tool->arguments[tool->nr_arguments - 1],
        .rounds = tool->rounds,
        .max_precopy_rounds = tool->max_precopy_rounds,
        .verbose = tool->verbose,
    };

    return driver_test_run(&test) ? 1 : 0;
}

/* ---- command line ---- */

static const struct {
    const char *name;
    unsigned min_arguments, max_arguments;
    int (*func)(Tool *tool);
} commands[] = {
    { "info", 1, 1, command_info },
    { "save", 2, 2, command_save },
    { "load", 2, 2, command_load },
    { "test", 1, 2, command_test },
};

static const char description[] =
    "Commands:\n"
    "  info DEVICE            Can it migrate? What does it offer?\n"
    "  save DEVICE FILE       Save its state, as a live migration does\n"
    "  load DEVICE FILE       Load such a file, and let the device run\n"
    "  test DEVICE [DEVICE]   Put the driver through a migration's life: "
    "cancel, broken\n"
    "                         streams, paused VMs, snapshots; loads into the "
    "second device\n"
    "                         where there is one. Prints TAP\n"
    "\n"
    "FILE is its owner's alone and appears when it is complete; - is "
    "standard output\n(save) or input (load).\n"
    "DEVICE is a PCI address, the UUID of a mediated device, or a directory "
    "in sysfs.\nIt must be bound to a VFIO driver, and no VM may use it: it "
    "is reset.\n"
    "VFIO_TRACE='vfio_migration_*' prints each transition and each chunk.\n"
    "\n"
    "Exit status: 0 it went well, 1 it did not, 2 wrong usage.";

static int run_command(Tool *tool, int argc, char **argv)
{
    for (unsigned i = 0; argc > 1 && i < G_N_ELEMENTS(commands); i++) {
        if (g_str_equal(argv[1], commands[i].name)) {
            tool->nr_arguments = argc - 2;
            tool->arguments = argv + 2;
            if (tool->nr_arguments < commands[i].min_arguments ||
                tool->nr_arguments > commands[i].max_arguments) {
                fprintf(stderr, "vfio-migrate: %s: wrong number of arguments; "
                        "see vfio-migrate --help\n", argv[1]);
                return 2;
            }
            vfio_host_init();
            return commands[i].func(tool);
        }
    }
    fprintf(stderr, "vfio-migrate: %s%s; see vfio-migrate --help\n",
            argc > 1 ? "no command " : "what shall be done?",
            argc > 1 ? argv[1] : "");
    return 2;
}

int main(int argc, char **argv)
{
    Tool tool = { .max_precopy_rounds = 1000, .rounds = 3 };
    const GOptionEntry entries[] = {
        { "precopy-rounds", 0, 0, G_OPTION_ARG_INT, &tool.max_precopy_rounds,
          "Stop after that many rounds of pre-copy in any case [1000]", "N" },
        { "rounds", 0, 0, G_OPTION_ARG_INT, &tool.rounds,
          "test: round trips of the case that loads and runs on [3]", "N" },
        { "paused", 0, 0, G_OPTION_ARG_NONE, &tool.paused,
          "save: of a paused VM; load: do not let the device run", NULL },
        { "verbose", 'v', 0, G_OPTION_ARG_NONE, &tool.verbose,
          "test: print every message", NULL },
        { NULL }
    };
    g_autoptr(GOptionContext) context =
        g_option_context_new("COMMAND - migrate a VFIO device without a VM");
    g_autoptr(GError) error = NULL;

    screen_init();
    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_set_description(context, description);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        fprintf(stderr, "vfio-migrate: %s\n", error->message);
        return 2;
    }
    if (tool.max_precopy_rounds < 1 || tool.rounds < 1) {
        fprintf(stderr, "vfio-migrate: --precopy-rounds and --rounds are at "
                "least 1\n");
        return 2;
    }
    return run_command(&tool, argc, argv);
}
