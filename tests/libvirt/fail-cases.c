/*
 * virsh migrate that fails, and VMs that cannot migrate or start
 *
 * Owns: these cases, and which messages a user must see, and where.
 *
 * No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "libvirt-test.h"

#include <string.h>

/*
 * When one side fails, the other's QEMU sees a broken stream. libvirt shows
 * one of three errors: that of the destination, if its libvirtd notices QEMU's
 * exit before that side is cleaned up; otherwise that of the source; or that
 * the source's QEMU, which is just ending the migration, rejected libvirt's
 * 'cont'. If virsh does not show the reason, it must show @instead or the
 * last of these, and the log of the QEMU that failed must have the reason.
 */
static bool says_why(const Virsh *run, const Node *failed,
                     const char *reason, const char *instead)
{
    g_autofree char *log = node_log_tail(failed, DOMAIN, 10);

    if (strstr(run->err, reason)) {
        return true;
    }
    return (strstr(run->err, "Migration is not finalized yet") ||
            says(run->err, instead)) && says(log, reason);
}

#define DESTINATION_ENDED "qemu unexpectedly closed the monitor"
#define SOURCE_FAILED "job 'migration out' "

/* The same for each reason of the case, which are separated by ';' */
static bool says_reasons(const Virsh *run, const Case *c)
{
    g_auto(GStrv) reasons = g_strsplit(c->reason, ";", -1);

    for (char **reason = reasons; *reason; reason++) {
        if (!says_why(run, c->target_fault ? dst : src, *reason,
                      c->instead)) {
            return false;
        }
    }
    return true;
}

static bool has_fired(const Setup *s, const Case *c)
{
    g_auto(DeviceStatus) status = { 0 };

    if (!c->source_fault && !c->target_fault) {
        return true;
    }
    return read_status(c->target_fault ? dst : src,
                       c->target_fault ? &s->target[0] : &s->source[0],
                       &status) && status.fault_fired == 1;
}

static void test_fails(Setup *s, const Case *c)
{
    g_auto(Virsh) run = { 0 };
    bool said;

    NEED(start(s, false), "the domain did not start");
    NEED(!migrate(s, c->option, &run), "it went well");
    said = says_reasons(&run, c);
    NEED(has_fired(s, c), "the fault did not fire");
    check_survives(s, said);
}

/* virsh reports the reason at once, and the domain is not affected. */
static void test_blocked(Setup *s, const Case *c)
{
    g_auto(Virsh) run = { 0 };
    g_autofree char *file = g_build_filename(src->dir, "saved", NULL);

    NEED(start(s, false), "the domain did not start");
    NEED(!migrate(s, NULL, &run), "it went well");
    NEED(says(run.err, c->reason), "virsh does not say the reason");
    NEED(runs_at(s, src), "the domain does not run on at the source");
    NEED(!virsh(src, &run, "save", DOMAIN, file, NULL), "it was saved");
    NEED(says(run.err, c->reason), "virsh save does not say the reason");
    NEED(runs_at(s, src), "the domain does not run on after virsh save");
}

/*
 * Attaching is required and fails: virsh shows why the domain did not start. If
 * libvirt notices the closed monitor before QEMU's exit, it reports only that,
 * and the domain's log has the reason.
 */
static void test_not_attached(Setup *s, const Case *c)
{
    g_auto(Virsh) run = { 0 };
    g_autofree char *xml = NULL;

    if (g_getenv("VFIO_BUILT_QEMU")) {
        g_test_skip("VFIO_BUILT_QEMU has our code built in");
        return;
    }
    NEED(arrange(s, src), "no device");
    xml = describe(s);
    NEED(!virsh(src, &run, "create", xml, NULL), "the domain did start");
    NEED(says_why(&run, src, "VFIO_MIGRATION_ATTACH has 'required'",
                  "monitor"), "virsh does not say the reason");
    NEED(domain_is(src, "none"), "the domain is there");
}

/* A vendor's driver, which libvirt 9.0 does not recognize as a VFIO driver. */
static void test_driver_name(Setup *s, const Case *c)
{
    g_auto(Virsh) run = { 0 };
    g_autofree char *xml = NULL;

    s->source[0].number = s->target[0].number = 1;
    NEED(arrange(s, src), "no device");
    xml = describe(s);
    NEED(!virsh(src, &run, "create", xml, NULL), "the domain did start");
    NEED(says(run.err, "must be manually detached from the host"),
         "virsh says something else");
}

static const Case cases[] = {
    { "fails/load", test_fails,
      .target_fault = "event=data-size-write;errno=EIO",
      .reason = "the driver did not accept a chunk of;"
                "migration data: Input/output error",
      .instead = SOURCE_FAILED },
    { "blocked/no-region", test_blocked, .config = "migration=no",
      .reason = "and no migration region (v1: " },
    { "fails/save", test_fails,
      .source_fault = "event=data-size-read;state=stop-copy;errno=EIO",
      .reason = "cannot read data_size of the migration region: "
                "Input/output error",
      .instead = DESTINATION_ENDED, .sim_only = true },
    /* The driver rejects the state: this is detected in the load, ... */
    { "fails/verdict", test_fails,
      .target_fault = "event=state-write;from=resuming;to=stop;"
                      "device-state=error",
      .reason = "does not accept the state", .instead = SOURCE_FAILED,
      .sim_only = true },
    /* ... or only when the VM should run, and QEMU exits. */
    { "fails/verdict-late", test_fails,
      .target_fault = "event=state-write;from=resuming;to=running;"
                      "device-state=error",
      .reason = "Continue it on the source", .instead = "", .sim_only = true },
    { "blocked/opt-out", test_blocked,
      .emulator = "arguments='-global vfio-pci.x-enable-migration=off'\n",
      .reason = "enable-migration is off", .sim_only = true },
    { "blocked/two-devices", test_blocked, .devices = 2,
      .reason = "cannot migrate together with", .sim_only = true },
    /* libvirt sets the capability and migrates: it fails once started. */
    { "blocked/postcopy", test_fails, .option = "--postcopy",
      .reason = "a VFIO device does not support postcopy",
      .instead = DESTINATION_ENDED, .sim_only = true },
    { "not-attached", test_not_attached,
      .emulator = "export VFIO_MIGRATION_ATTACH=required\n",
      .sim_only = true },
    { "driver-name", test_driver_name, .kind = DEVICE_PCI, .sim_only = true },
};

void add_fail_cases(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        add_case(&cases[i]);
    }
}
