/*
 * A Debian host with libvirt and our code installed as packages
 *
 * Owns: the cases that make sense only there.
 *
 * No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "libvirt-test.h"

#include "shipped.h"

#define PLAIN_QEMU "/usr/bin/qemu-system-x86_64"

static bool write_settings(const char *text)
{
    return g_file_set_contents(SHIPPED_SETTINGS, text, -1, NULL);
}

/* Opt in to two devices without a user's script. */
static void test_two_settings(Setup *s, const Case *c)
{
    NEED(write_settings("VFIO_MIGRATION_ATTACH=require\n"
                        "VFIO_MIGRATION_MULTI=allow\n"), "no settings");
    check_moves(s, NULL);
    write_settings("");
}

/*
 * AppArmor denies loading the library, though access(2), which it does not
 * mediate, succeeds. The VM runs, but does not migrate with QEMU's own code; if
 * attaching is required, it does not start.
 */
static void check_denied(Setup *s)
{
    g_auto(Virsh) run = { 0 };
    g_autofree char *xml = NULL;

    NEED(start(s, false), "the domain did not start");
    NEED(!migrate(s, NULL, &run), "it migrated without the library");
    NEED(says(run.err, "VFIO device doesn't support migration"),
         "virsh says something else");
    clear_away();
    NEED(write_settings("VFIO_MIGRATION_ATTACH=require\n"), "no settings");
    xml = describe(s);
    NEED(!virsh(src, &run, "create", xml, NULL), "it started without it");
    NEED(says(run.err, "-vfio-migration-library-not-loaded: invalid option"),
         "virsh does not say why");
}

static void test_denied(Setup *s, const Case *c)
{
    NEED(shipped_local_rules("deny /usr/lib/**/libvfio-migration-attach.so"
                             " rm,\n"), "no local rules");
    check_denied(s);
    shipped_local_rules("");
    write_settings("");
}

/* Will the domain have this emulator when it is next started? */
static bool emulator_is(const char *path)
{
    g_autofree char *line = g_strdup_printf("<emulator>%s</emulator>", path);
    g_auto(Virsh) run = { 0 };

    return virsh_ask(src, &run, "dumpxml", "--inactive", DOMAIN, NULL) &&
           says(run.out, line);
}

/* Set up a domain with the plain QEMU by the commands of an administrator. */
static bool set_up(Setup *s)
{
    g_autofree char *xml = NULL;
    g_auto(Virsh) run = { 0 };

    world->emulator = PLAIN_QEMU;
    xml = describe(s);
    world->emulator = SHIPPED_EMULATOR;
    return virsh(src, &run, "define", xml, NULL) &&
           node_run(src, "vfio-migration-setup", "libvirt", NULL) &&
           emulator_is(SHIPPED_EMULATOR) &&
           virsh(src, &run, "start", DOMAIN, NULL);
}

/* ... and undo this; the package is reinstalled while the VM runs. */
static void test_setup(Setup *s, const Case *c)
{
    const char *package = g_getenv("VFIO_SHIPPED_PACKAGE");
    g_auto(Virsh) run = { 0 };

    NEED(arrange(s, src) && arrange(s, dst), "no devices");
    NEED(set_up(s), "the domain was not set up");
    NEED(!package || node_run(src, "dpkg", "-i", package, NULL),
         "no upgrade of the package");
    g_free(s->target_xml);
    s->target_xml = domain_write_xml(world, dst, "target.xml", s->target,
                                    s->count, NULL);
    NEED(migrate(s, NULL, &run), "virsh migrate failed");
    NEED(domain_is(dst, "running") && domain_counts(dst, &s->counter) &&
         shipped_confined(dst, DOMAIN), "not at the destination");
    NEED(devices_arrived(s), "the device's state did not arrive");
    NEED(node_run(src, "vfio-migration-setup", "libvirt", "--undo", NULL) &&
         emulator_is(PLAIN_QEMU), "the emulator was not given back");
}

static const Case cases[] = {
    { "setup", test_setup },
    { "migrate/two-settings", test_two_settings, .devices = 2 },
    { "denied", test_denied },
};

void add_shipped_cases(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        add_case(&cases[i]);
    }
}
