/*
 * virsh migrate, save and managedsave that succeed, and an aborted migration
 *
 * Owns: these cases; what is shown about a migration while it runs.
 *
 * No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "libvirt-test.h"

#include <string.h>

/* Kinds of cases of test_save() */
static const char managedsave[] = "managedsave", other_uuid[] = "other UUID";

static void test_moves(Setup *s, const Case *c)
{
    check_moves(s, c->option);
}

/* The destination's mdev has another UUID: virsh migrate --xml. */
static void test_other_uuid(Setup *s, const Case *c)
{
    s->target[0].number = 2;
    check_moves(s, NULL);
}

/* Migrate to the destination, back, and again. */
static void test_back(Setup *s, const Case *c)
{
    g_auto(Virsh) run = { 0 };

    check_moves(s, NULL);
    if (g_test_failed()) {
        return;
    }
    NEED(arrange(s, src), "no device to come back to");
    NEED(virsh(dst, &run, "migrate", "--live", DOMAIN, src->uri,
               "--migrateuri", MIGRATE_URI, NULL), "the way back failed");
    NEED(runs_at(s, src), "the domain does not run at the source again");
}

/* The domain becomes defined at the destination, and not at the source. */
static void test_persistent(Setup *s, const Case *c)
{
    g_auto(Virsh) run = { 0 };

    NEED(start(s, true), "the domain did not start");
    NEED(virsh(src, &run, "migrate", "--live", "--persistent",
               "--undefinesource", DOMAIN, dst->uri, "--migrateuri",
               MIGRATE_URI, NULL), "virsh migrate failed");
    NEED(runs_at(s, dst), "the domain does not run at the destination");
    NEED(devices_arrived(s), "the device's state did not arrive");
    NEED(virsh(dst, &run, "list", "--persistent", "--name", NULL) &&
         strcmp(run.out, DOMAIN) == 0, "it is not defined there");
}

/*
 * Save to a file and restore; to libvirt's own file (managedsave); or, with the
 * mdev created again with another UUID, restore by virsh restore --xml.
 */
static void test_save(Setup *s, const Case *c)
{
    bool managed = c->data == managedsave, other = c->data == other_uuid;
    g_auto(Virsh) run = { 0 };
    g_auto(DeviceStatus) saved = { 0 };
    g_autofree char *file = g_build_filename(src->dir, "saved", NULL);
    g_autofree char *xml = NULL;

    NEED(start(s, managed), "the domain did not start");
    NEED(virsh(src, &run, managed ? "managedsave" : "save", DOMAIN,
               managed ? NULL : file, NULL), "it was not saved");
    NEED(domain_is(src, managed ? "shut off" : "none"), "it is still there");
    NEED(read_status(src, &s->source[0], &saved), "no status");
    s->source[0].number = other ? 2 : 0;
    NEED(arrange(s, src), "cannot make the device ready again");
    xml = describe(s);
    NEED(managed ? virsh(src, &run, "start", DOMAIN, NULL)
                 : virsh(src, &run, "restore", file, other ? "--xml" : NULL,
                         xml, NULL), "it was not restored");
    NEED(runs_at(s, src), "the domain does not run again");
    NEED(state_arrived(&saved, 0, src, &s->source[0]),
         "the device's state did not come back");
}

/* Is there information about the device that only our code provides? */
static bool shows_device(void)
{
    g_auto(Virsh) run = { 0 };

    if (world_builtin()) {
        return true;
    }
    return virsh(src, &run, "qemu-monitor-command", DOMAIN, "--hmp",
                 "info migrate", NULL) &&
           says(run.out, "vfio device transferred:") &&
           virsh(src, &run, "qemu-monitor-command", DOMAIN, "--hmp",
                 "qom-get /machine/peripheral/hostdev0 vfio-migration",
                 NULL) &&
           says(run.out, "\"state\": \"pre-copy\"");
}

/*
 * vfio-migrate watch, which uses virsh. The tool is not available in the VM
 * with the kernel's devices.
 */
static bool watch_shows_device(void)
{
    const char *argv[] = { WATCH_TOOL, "watch", "--once", "--json",
                           "--connect", src->uri, DOMAIN, NULL };
    g_autofree char *out = NULL, *err = NULL;
    int status = -1;

    if (world_builtin() || world->one_kernel) {
        return true;
    }
    return g_spawn_sync(NULL, (char **)argv, NULL, 0, NULL, NULL, &out, &err,
                        &status, NULL) &&
           status == 0 &&
           says(out, "\"phase\":\"pre-copy\"") &&
           says(out, "\"name\":\"hostdev0\"") &&
           says(out, "\"state\":\"pre-copy\"");
}

/* A migration that continues until it is aborted */
static void check_abort(Setup *s)
{
    g_auto(Virsh) run = { 0 };
    GSubprocess *migration;
    bool seen, aborted;

    NEED(virsh(src, &run, "migrate-setspeed", DOMAIN, "1", NULL), "no speed");
    migration = begin_migrate(s, NULL);
    seen = device_becomes(src, &s->source[0], "pre-copy");
    g_usleep(G_USEC_PER_SEC);
    seen = seen && virsh(src, &run, "domjobinfo", DOMAIN, NULL) &&
           says(run.out, "Data processed:") && says(run.out, "Unbounded") &&
           shows_device() && watch_shows_device();
    aborted = virsh(src, &run, "domjobabort", DOMAIN, NULL);
    NEED(!virsh_end(migration, &run), "the migration was not aborted");
    NEED(seen, "domjobinfo did not show the migration");
    NEED(aborted, "domjobabort failed");
    /*
     * QEMU 7.2 shuts down its own return path, which is the same socket, before
     * it sets the state to cancelling: a write in between makes it 'failed'.
     */
    NEED(strstr(run.err, "canceled by client") ||
         (world_builtin() && says(run.err, "Unable to write to socket")),
         "it failed of something else");
    NEED(runs_at(s, src), "the domain does not run on");
    NEED(device_becomes(src, &s->source[0], "running"), "device not running");
}

/*
 * 64 MiB of pre-copy at 1 MiB/s, in small chunks, as QEMU reads at least one
 * every 100 ms. domjobinfo of libvirt 9.0 counts only RAM; the device's bytes
 * are in `info migrate`.
 */
static void test_abort(Setup *s, const Case *c)
{
    g_auto(Virsh) run = { 0 };

    NEED(start(s, false), "the domain did not start");
    check_abort(s);
    if (g_test_failed()) {
        return;
    }
    NEED(note_earlier(s) && arrange(s, dst), "cannot try again");
    NEED(virsh(src, &run, "migrate-setspeed", DOMAIN, "4000", NULL) &&
         virsh(src, &run, "migrate-setmaxdowntime", DOMAIN, "1000", NULL),
         "no speed");
    NEED(migrate(s, NULL, &run), "the second try failed");
    NEED(runs_at(s, dst), "the domain does not run at the destination");
    NEED(devices_arrived(s), "the device's state did not arrive");
    NEED(virsh(dst, &run, "domjobinfo", "--completed", DOMAIN, NULL),
         "no figures of the migration");
    NEED(says(run.out, "Total downtime:"), "no downtime");
}

/*
 * 64 MiB of pre-copy at 1 MiB/s, in small chunks, as QEMU reads at least one
 * every 100 ms
 */
#define LASTS "state-size=2M;precopy-size=64M;chunk-size=64K"

static const Case cases[] = {
    { "migrate/mdev", test_moves },
    { "migrate/pci", test_moves, .kind = DEVICE_PCI },
    /* Like the kernel's own drivers: two need no opt-in. */
    { "migrate/v2", test_moves, .devices = 2,
      .config = "protocol=v2;kernel=6.1;p2p=yes;log=yes;state-size=2M" },
    { "save/mdev", test_save },
    { "managedsave", test_save, .data = managedsave },
    { "abort/mdev", test_abort, .config = LASTS },
    { "migrate/other-uuid", test_other_uuid, .sim_only = true },
    /* The source's libvirtd manages the migration, as with virt-manager. */
    { "migrate/p2p", test_moves, .option = "--p2p", .sim_only = true },
    { "migrate/back", test_back, .sim_only = true },
    /* The user's own script as emulator opts in to two devices. */
    { "migrate/two-allowed", test_moves, .devices = 2,
      .emulator = "export VFIO_MIGRATION_MULTI=allow\n", .sim_only = true },
    { "migrate/persistent", test_persistent, .sim_only = true },
    { "save/other-uuid", test_save, .data = other_uuid, .sim_only = true },
    { "abort/pci", test_abort, .kind = DEVICE_PCI, .config = LASTS,
      .sim_only = true },
};

void add_move_cases(void)
{
    Case pci = { "save/pci", test_save, .kind = DEVICE_PCI };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        add_case(&cases[i]);
    }
    if (world == &world_sim || node_shipped) {
        add_case(&pci);
    }
}
