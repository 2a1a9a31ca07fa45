/*
 * Test: virsh migrate, save and managedsave of a VM with VFIO devices
 *
 * Owns: the cases. Two libvirtd, each a host of its own as far as it can see
 * (node.c), one domain with <hostdev> devices and our wrapper as <emulator>
 * (domain.c), devices of the simulation or of the kernel (world-*.c).
 * All is done by virsh; what it prints is in the log of the test.
 *
 * `--kernel` takes the kernel's devices, and fewer cases. `--shipped` does
 * too, and leaves libvirt as Debian's package has it, with ours installed. For comparison,
 * VFIO_LIBVIRT_CODE=builtin runs QEMU's own code as it is, `builtin-on` with
 * x-enable-migration=on, as vm-testbed's --builtin does; some cases fail then.
 * VFIO_LIBVIRT_KEEP=DIR copies logs, XML and status files there at the end.
 *
 * No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libvirt-test.h"
#include "sandbox.h"
#include "shipped.h"

/* In which a device gets from one state to the next, on a slow machine. */
#define STATE_TRIES 2400
#define USEC_PER_TRY 50000
#define MIGRATE_URI "tcp://127.0.0.1"
#define PLAIN_QEMU "/usr/bin/qemu-system-x86_64"

World *world;
Node *src, *dst;
static char *missing;               /* why nothing can be run, or NULL */

/* ------------------------------------------------------------------------ */
/* Before and after each case                                               */

void fail_case(int line, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, format);
    text = g_strdup_vprintf(format, ap);
    va_end(ap);
    g_test_message("FAILED at line %d: %s", line, text);
    for (int i = 0; i < 2; i++) {
        g_autofree char *log = node_log_tail(i ? dst : src, DOMAIN, 4);

        g_test_message("end of QEMU's log at the %s:\n%s",
                       i ? "destination" : "source", log);
    }
    g_test_fail();
}

static bool start_nodes(GError **error)
{
    if (src) {
        return true;
    }
    if (!world->prepare(error)) {
        return false;
    }
    src = node_start("source", 0, world->furnish, error);
    if (!src || !world->arrange(src, NULL, 0, NULL, error)) {
        return false;
    }
    node_share_capabilities(src, world->emulator, "destination");
    dst = node_start("destination", 1, world->furnish, error);
    return dst;
}

bool ready(void)
{
    g_autoptr(GError) error = NULL;

    if (missing) {
        g_test_skip(missing);
        return false;
    }
    if (!start_nodes(&error)) {
        g_test_message("%s", error->message);
        g_test_fail();
        missing = g_strdup("libvirtd did not start in an earlier case");
        return false;
    }
    return true;
}

static void clear_away(void)
{
    if (dst) {
        domain_remove(src);
        domain_remove(dst);
    }
}

/* ------------------------------------------------------------------------ */
/* Steps                                                                    */

void setup_clear(Setup *s)
{
    g_clear_pointer(&s->target_xml, g_free);
    clear_away();
}

#define PRECOPY "state-size=2M;precopy-size=2M"

Setup one_device(DeviceKind kind)
{
    Setup s = { .count = 1 };

    s.source[0] = s.target[0] = (Device){ .kind = kind, .config = PRECOPY };
    return s;
}

static Setup two_devices(void)
{
    Setup s = one_device(DEVICE_MDEV);

    s.count = 2;
    s.source[1] = s.target[1] = s.source[0];
    s.source[1].number = s.target[1].number = 1;
    return s;
}

static bool arrange(Setup *s, const Node *node)
{
    g_autoptr(GError) error = NULL;

    if (!world->arrange(node, node == src ? s->source : s->target, s->count,
                        s->emulator, &error)) {
        g_test_message("cannot arrange devices: %s", error->message);
        return false;
    }
    return true;
}

/* Writes what virsh needs; returns the path of the source's domain. */
static char *describe(Setup *s)
{
    g_autoptr(GError) error = NULL;
    char *path = domain_write_xml(world, src, "domain.xml", s->source,
                                  s->count, &error);

    g_assert_no_error(error);
    if (world->one_kernel || s->source[0].number != s->target[0].number) {
        s->target_xml = domain_write_xml(world, dst, "target.xml", s->target,
                                         s->count, &error);
        g_assert_no_error(error);
    }
    return path;
}

bool start(Setup *s, bool persistent)
{
    g_auto(Virsh) run = { 0 };
    g_autofree char *xml = NULL;

    if (!arrange(s, src) || !arrange(s, dst)) {
        return false;
    }
    xml = describe(s);
    if (!persistent) {
        return virsh(src, &run, "create", xml, NULL) &&
               domain_counts(src, &s->counter);
    }
    return virsh(src, &run, "define", xml, NULL) &&
           virsh(src, &run, "start", DOMAIN, NULL) &&
           domain_counts(src, &s->counter);
}

GSubprocess *begin_migrate(Setup *s, const char *option)
{
    return virsh_begin(src, "migrate", "--live", DOMAIN, dst->uri,
                       "--migrateuri", MIGRATE_URI,
                       s->target_xml ? "--xml" : option,
                       s->target_xml ? s->target_xml : NULL, option, NULL);
}

static bool migrate(Setup *s, const char *option, Virsh *run)
{
    return virsh_end(begin_migrate(s, option), run);
}

static bool read_status(const Node *node, const Device *device,
                        DeviceStatus *status)
{
    g_autoptr(GError) error = NULL;

    if (!world->status(node, device, status, &error)) {
        g_test_message("no status of the device at the %s: %s", node->name,
                       error->message);
        return false;
    }
    return true;
}

bool device_becomes(const Node *node, const Device *device, const char *state)
{
    g_auto(DeviceStatus) status = { 0 };

    for (unsigned i = 0; i < STATE_TRIES; i++) {
        if (world->status(node, device, &status, NULL) &&
            strcmp(status.state, state) == 0) {
            return true;
        }
        g_usleep(USEC_PER_TRY);
    }
    g_test_message("the device at the %s is in state %s and not in %s",
                   node->name, status.state ?: "unknown", state);
    return false;
}

/* Before another try: what the first device has been asked for so far. */
static bool note_earlier(Setup *s)
{
    g_auto(DeviceStatus) status = { 0 };

    if (!read_status(src, &s->source[0], &status)) {
        return false;
    }
    s->earlier_bytes = status.saved_bytes;
    return true;
}

/* Did each word of the state get from one device into the other? */
static bool state_arrived(const DeviceStatus *saved, uint64_t earlier_bytes,
                          const Node *node, const Device *to)
{
    uint64_t saved_bytes = saved->saved_bytes - earlier_bytes;
    g_auto(DeviceStatus) loaded = { 0 };

    if (!read_status(node, to, &loaded)) {
        return false;
    }
    g_test_message("device state: saved %" G_GUINT64_FORMAT " bytes, digest "
                   "%s; loaded %" G_GUINT64_FORMAT " bytes, digest %s",
                   saved_bytes, saved->saved, loaded.loaded_bytes,
                   loaded.loaded);
    return saved->saved[0] && strcmp(saved->saved, loaded.loaded) == 0 &&
           saved_bytes == loaded.loaded_bytes &&
           saved->wrong == 0 && loaded.wrong == 0 &&
           strcmp(loaded.state, "running") == 0;
}

bool devices_arrived(const Setup *s)
{
    for (unsigned i = 0; i < s->count; i++) {
        g_auto(DeviceStatus) saved = { 0 };

        if (!read_status(src, &s->source[i], &saved) ||
            !state_arrived(&saved, s->earlier_bytes, dst, &s->target[i])) {
            return false;
        }
    }
    return true;
}

bool runs_at(Setup *s, const Node *node)
{
    return domain_is(node, "running") &&
           domain_is(node == src ? dst : src, "none") &&
           domain_counts(node, &s->counter) &&
           (!node_shipped || shipped_confined(node, DOMAIN));
}

bool says(const char *text, const char *part)
{
    if (!strstr(text, part)) {
        g_test_message("this is missing: %s", part);
        return false;
    }
    return true;
}

/* ------------------------------------------------------------------------ */
/* Migrations that go well                                                  */

void check_moves(Setup *s, const char *option)
{
    g_auto(Virsh) run = { 0 };

    NEED(start(s, false), "the domain did not start");
    NEED(runs_at(s, src), "the domain does not run at the source");
    NEED(migrate(s, option, &run), "virsh migrate failed");
    NEED(runs_at(s, dst), "the domain does not run at the destination");
    NEED(devices_arrived(s), "the device's state did not arrive");
}

static void test_migrate(const void *data)
{
    g_auto(Setup) s = one_device(GPOINTER_TO_INT(data));

    if (ready()) {
        check_moves(&s, NULL);
    }
}

/* The destination's mdev has another UUID: virsh migrate --xml. */
static void test_other_uuid(void)
{
    g_auto(Setup) s = one_device(DEVICE_MDEV);

    if (ready()) {
        s.target[0].number = 2;
        check_moves(&s, NULL);
    }
}

/* The source's libvirtd drives it, as with virt-manager. */
static void test_peer_to_peer(void)
{
    g_auto(Setup) s = one_device(DEVICE_MDEV);

    if (ready()) {
        check_moves(&s, "--p2p");
    }
}

/* As the kernel's own drivers are: nobody has to allow that they are two. */
static void test_v2(void)
{
    g_auto(Setup) s = two_devices();

    if (!ready()) {
        return;
    }
    for (unsigned i = 0; i < s.count; i++) {
        s.source[i].config = s.target[i].config =
            "protocol=v2;kernel=6.1;p2p=yes;log=yes;state-size=2M";
    }
    check_moves(&s, NULL);
}

/* By the user's own script as emulator: two devices, opted in. */
static void test_two_allowed(void)
{
    g_auto(Setup) s = two_devices();

    if (ready()) {
        s.emulator = "export VFIO_MIGRATION_MULTI=allow\n";
        check_moves(&s, NULL);
    }
}

/* There and back again, and there. */
static void test_back(void)
{
    g_auto(Setup) s = one_device(DEVICE_MDEV);
    g_auto(Virsh) run = { 0 };

    if (!ready()) {
        return;
    }
    check_moves(&s, NULL);
    if (g_test_failed()) {
        return;
    }
    NEED(arrange(&s, src), "no device to come back to");
    NEED(virsh(dst, &run, "migrate", "--live", DOMAIN, src->uri,
               "--migrateuri", MIGRATE_URI, NULL), "the way back failed");
    NEED(runs_at(&s, src), "the domain does not run at the source again");
}

/* It stays defined at the destination, and not at the source. */
static void test_persistent(void)
{
    g_auto(Setup) s = one_device(DEVICE_MDEV);
    g_auto(Virsh) run = { 0 };

    if (!ready()) {
        return;
    }
    NEED(start(&s, true), "the domain did not start");
    NEED(virsh(src, &run, "migrate", "--live", "--persistent",
               "--undefinesource", DOMAIN, dst->uri, "--migrateuri",
               MIGRATE_URI, NULL), "virsh migrate failed");
    NEED(runs_at(&s, dst), "the domain does not run at the destination");
    NEED(devices_arrived(&s), "the device's state did not arrive");
    NEED(virsh(dst, &run, "list", "--persistent", "--name", NULL) &&
         strcmp(run.out, DOMAIN) == 0, "it is not defined there");
}

/* ------------------------------------------------------------------------ */
/* Files                                                                    */

static void test_save(const void *data)
{
    g_auto(Setup) s = one_device(GPOINTER_TO_INT(data));
    g_auto(Virsh) run = { 0 };
    g_auto(DeviceStatus) saved = { 0 };
    g_autofree char *file = NULL;

    if (!ready()) {
        return;
    }
    file = g_build_filename(src->dir, "saved", NULL);
    NEED(start(&s, false), "the domain did not start");
    NEED(virsh(src, &run, "save", DOMAIN, file, NULL), "virsh save failed");
    NEED(domain_is(src, "none"), "the domain is still there");
    NEED(read_status(src, &s.source[0], &saved), "no status");
    NEED(arrange(&s, src), "cannot make the device ready again");
    NEED(virsh(src, &run, "restore", file, NULL), "virsh restore failed");
    NEED(runs_at(&s, src), "the domain does not run after virsh restore");
    NEED(state_arrived(&saved, 0, src, &s.source[0]),
         "the device's state did not come back");
}

/* The mdev was made anew, with another UUID: virsh restore --xml. */
static void test_restore_xml(void)
{
    g_auto(Setup) s = one_device(DEVICE_MDEV);
    g_auto(Virsh) run = { 0 };
    g_auto(DeviceStatus) saved = { 0 };
    g_autofree char *file = NULL, *xml = NULL;

    if (!ready()) {
        return;
    }
    file = g_build_filename(src->dir, "saved", NULL);
    NEED(start(&s, false), "the domain did not start");
    NEED(virsh(src, &run, "save", DOMAIN, file, NULL), "virsh save failed");
    NEED(read_status(src, &s.source[0], &saved), "no status");
    s.source[0].number = 2;
    NEED(arrange(&s, src), "no other device");
    xml = describe(&s);
    NEED(virsh(src, &run, "restore", file, "--xml", xml, NULL),
         "virsh restore failed");
    NEED(runs_at(&s, src), "the domain does not run after virsh restore");
    NEED(state_arrived(&saved, 0, src, &s.source[0]),
         "the device's state did not come back");
}

static void test_managedsave(void)
{
    g_auto(Setup) s = one_device(DEVICE_MDEV);
    g_auto(Virsh) run = { 0 };
    g_auto(DeviceStatus) saved = { 0 };

    if (!ready()) {
        return;
    }
    NEED(start(&s, true), "the domain did not start");
    NEED(virsh(src, &run, "managedsave", DOMAIN, NULL), "managedsave failed");
    NEED(domain_is(src, "shut off"), "the domain is not off");
    NEED(read_status(src, &s.source[0], &saved), "no status");
    NEED(arrange(&s, src), "cannot make the device ready again");
    NEED(virsh(src, &run, "start", DOMAIN, NULL), "virsh start failed");
    NEED(runs_at(&s, src), "the domain does not run after virsh start");
    NEED(state_arrived(&saved, 0, src, &s.source[0]),
         "the device's state did not come back");
}

/* ------------------------------------------------------------------------ */
/* While it runs                                                            */

/* What only our code says of a device that is being saved. */
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
 * vfio-migrate watch, which asks through virsh. In the VM with the kernel's
 * devices the tool is not there.
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

/* A migration that lasts until it is aborted. */
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
     * QEMU 7.2 shuts its own return path, which is the same socket, before it
     * says that it cancels: a write in between makes it 'failed'.
     */
    NEED(strstr(run.err, "canceled by client") ||
         (world_builtin() && says(run.err, "Unable to write to socket")),
         "it failed of something else");
    NEED(runs_at(s, src), "the domain does not run on");
    NEED(device_becomes(src, &s->source[0], "running"), "device not running");
}

/*
 * 64 MiB of pre-copy at 1 MiB/s, in small chunks as QEMU takes at least one
 * each 100 ms. domjobinfo of libvirt 9.0 counts RAM only; the device's bytes
 * are in `info migrate`.
 */
static void test_abort(const void *data)
{
    g_auto(Setup) s = one_device(GPOINTER_TO_INT(data));
    g_auto(Virsh) run = { 0 };

    if (!ready()) {
        return;
    }
    s.source[0].config = s.target[0].config =
        "state-size=2M;precopy-size=64M;chunk-size=64K";
    NEED(start(&s, false), "the domain did not start");
    check_abort(&s);
    if (g_test_failed()) {
        return;
    }
    NEED(note_earlier(&s) && arrange(&s, dst), "cannot try again");
    NEED(virsh(src, &run, "migrate-setspeed", DOMAIN, "4000", NULL) &&
         virsh(src, &run, "migrate-setmaxdowntime", DOMAIN, "1000", NULL),
         "no speed");
    NEED(migrate(&s, NULL, &run), "the second try failed");
    NEED(runs_at(&s, dst), "the domain does not run at the destination");
    NEED(devices_arrived(&s), "the device's state did not arrive");
    NEED(virsh(dst, &run, "domjobinfo", "--completed", DOMAIN, NULL),
         "no figures of the migration");
    NEED(says(run.out, "Total downtime:"), "no downtime");
}

/* ------------------------------------------------------------------------ */
/* Failures                                                                 */

/*
 * After a failure: the VM runs at the source, and the next try succeeds.
 * That comes before @said, whether the reason could be found: QEMU's own code
 * fails there, and this is to be known of it all the same.
 */
void check_survives(Setup *s, bool said)
{
    g_auto(Virsh) run = { 0 };

    NEED(runs_at(s, src), "the domain does not run on at the source");
    NEED(device_becomes(src, &s->source[0], "running"), "device not running");
    s->target[0].fault = NULL;
    NEED(note_earlier(s) && arrange(s, dst), "cannot try again");
    NEED(migrate(s, NULL, &run), "the second try failed");
    NEED(runs_at(s, dst), "the domain does not run at the destination");
    NEED(devices_arrived(s), "the device's state did not arrive");
    NEED(said, "the reason is nowhere");
}

/*
 * When one side fails, the other's QEMU sees a broken stream. libvirt shows
 * one of the two errors: that of the destination, if its QEMU's end is known
 * there before libvirt takes that side away, and else that of the source; or
 * that the source's QEMU, which ends the migration just then, does not take
 * the 'cont' that libvirt sends it. Where virsh does not show the reason, it
 * shows @instead or that, and the log of the QEMU that failed has the reason.
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

/*
 * The driver does not take the state that it was given: what is said in the
 * load, or, where it is only asked when the VM is to run, by the end of that
 * QEMU. Either way virsh fails, and the VM runs on at the source.
 */
static void test_verdict(gconstpointer late)
{
    g_auto(Setup) s = one_device(DEVICE_MDEV);
    g_auto(Virsh) run = { 0 };
    bool said;

    if (!ready()) {
        return;
    }
    s.target[0].fault = late
        ? "event=state-write;from=resuming;to=running;device-state=error"
        : "event=state-write;from=resuming;to=stop;device-state=error";
    NEED(start(&s, false), "the domain did not start");
    NEED(!migrate(&s, NULL, &run), "it went well, in spite of the fault");
    said = says_why(&run, dst, late ? "Continue it on the source"
                                    : "does not accept the state",
                    late ? "" : SOURCE_FAILED);
    check_survives(&s, said);
}

static void test_load_fails(void)
{
    g_auto(Setup) s = one_device(DEVICE_MDEV);
    g_auto(Virsh) run = { 0 };
    g_auto(DeviceStatus) status = { 0 };
    bool said;

    if (!ready()) {
        return;
    }
    s.target[0].fault = "event=data-size-write;errno=EIO";
    NEED(start(&s, false), "the domain did not start");
    NEED(!migrate(&s, NULL, &run), "it went well, in spite of the fault");
    said = says_why(&run, dst, "the driver did not accept a chunk of",
                    SOURCE_FAILED) &&
           says_why(&run, dst, "migration data: Input/output error",
                    SOURCE_FAILED);
    NEED(read_status(dst, &s.target[0], &status) && status.fired == 1,
         "the fault did not fire");
    check_survives(&s, said);
}

static void test_save_fails(void)
{
    g_auto(Setup) s = one_device(DEVICE_MDEV);
    g_auto(Virsh) run = { 0 };
    g_auto(DeviceStatus) status = { 0 };
    bool said;

    if (!ready()) {
        return;
    }
    s.source[0].fault = "event=data-size-read;state=stop-copy;errno=EIO";
    NEED(start(&s, false), "the domain did not start");
    NEED(!migrate(&s, NULL, &run), "it went well, in spite of the fault");
    said = says_why(&run, src, "cannot read data_size of the migration "
                    "region: Input/output error", DESTINATION_ENDED);
    NEED(read_status(src, &s.source[0], &status) && status.fired == 1,
         "the fault did not fire");
    check_survives(&s, said);
}

/* ------------------------------------------------------------------------ */
/* Devices that cannot migrate                                              */

/* virsh says why, at once, and nothing happens. */
static void check_blocked(Setup *s, const char *reason)
{
    g_auto(Virsh) run = { 0 };

    NEED(start(s, false), "the domain did not start");
    NEED(!migrate(s, NULL, &run), "it went well");
    NEED(says(run.err, reason), "virsh does not say the reason");
    NEED(runs_at(s, src), "the domain does not run on at the source");
}

static void test_no_region(void)
{
    g_auto(Setup) s = one_device(DEVICE_MDEV);
    g_auto(Virsh) run = { 0 };
    g_autofree char *file = NULL;

    if (!ready()) {
        return;
    }
    file = g_build_filename(src->dir, "saved", NULL);
    s.source[0].config = s.target[0].config = "migration=no";
    check_blocked(&s, "and no migration region (v1: ");
    if (g_test_failed()) {
        return;
    }
    NEED(!virsh(src, &run, "save", DOMAIN, file, NULL), "saved without it");
    NEED(says(run.err, "and no migration region (v1: "),
         "virsh save does not say the reason");
    NEED(runs_at(&s, src), "the domain does not run on after virsh save");
}

static void test_opt_out(void)
{
    g_auto(Setup) s = one_device(DEVICE_MDEV);

    if (ready()) {
        s.emulator = "arguments='-global vfio-pci.x-enable-migration=off'\n";
        check_blocked(&s, "enable-migration is off");
    }
}

static void test_two_devices(void)
{
    g_auto(Setup) s = two_devices();

    if (ready()) {
        check_blocked(&s, "cannot migrate together with");
    }
}

/* libvirt sets the capability and migrates: the stream has begun by then. */
static void test_postcopy(void)
{
    g_auto(Setup) s = one_device(DEVICE_MDEV);
    g_auto(Virsh) run = { 0 };

    if (!ready()) {
        return;
    }
    NEED(start(&s, false), "the domain did not start");
    NEED(!migrate(&s, "--postcopy", &run), "it went well");
    check_survives(&s, says_why(&run, src,
                                "a VFIO device does not support postcopy",
                                DESTINATION_ENDED));
}

/*
 * Attaching was required and failed: virsh shows why there is no domain. Where
 * libvirt sees that the monitor is closed before it sees that QEMU has ended,
 * it says only that, and the domain's log has the reason.
 */
static void test_not_attached(void)
{
    g_auto(Setup) s = one_device(DEVICE_MDEV);
    g_auto(Virsh) run = { 0 };
    g_autofree char *xml = NULL;

    if (g_getenv("VFIO_BUILT_QEMU")) {
        g_test_skip("VFIO_BUILT_QEMU has our code built in");
        return;
    }
    if (!ready()) {
        return;
    }
    s.emulator = "export VFIO_MIGRATION_ATTACH=required\n";
    NEED(arrange(&s, src), "no device");
    xml = describe(&s);
    NEED(!virsh(src, &run, "create", xml, NULL), "the domain did start");
    NEED(says_why(&run, src, "VFIO_MIGRATION_ATTACH has 'required'",
                  "monitor"), "virsh does not say the reason");
    NEED(domain_is(src, "none"), "the domain is there");
}

/* A vendor's driver, which libvirt 9.0 does not take for one of VFIO. */
static void test_driver_name(void)
{
    g_auto(Setup) s = one_device(DEVICE_PCI);
    g_auto(Virsh) run = { 0 };
    g_autofree char *xml = NULL;

    if (!ready()) {
        return;
    }
    s.source[0].number = s.target[0].number = 1;
    NEED(arrange(&s, src), "no device");
    xml = describe(&s);
    NEED(!virsh(src, &run, "create", xml, NULL), "the domain did start");
    NEED(says(run.err, "must be manually detached from the host"),
         "virsh says something else");
}

/* ------------------------------------------------------------------------ */
/* As an admin of Debian has it                                             */

static bool write_settings(const char *text)
{
    return g_file_set_contents(SHIPPED_SETTINGS, text, -1, NULL);
}

/* Two devices, opted in, without a script of the user's */
static void test_two_settings(void)
{
    g_auto(Setup) s = two_devices();

    if (ready()) {
        NEED(write_settings("VFIO_MIGRATION_ATTACH=require\n"
                            "VFIO_MIGRATION_MULTI=allow\n"), "no settings");
        check_moves(&s, NULL);
        write_settings("");
    }
}

/*
 * The library may not be loaded: access(2), which AppArmor does not mediate,
 * sees it all the same. The VM runs, and does not migrate with QEMU's own
 * code; where attaching is required, it does not run.
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

static void test_denied(void)
{
    g_auto(Setup) s = one_device(DEVICE_MDEV);

    if (ready()) {
        NEED(shipped_local_rules("deny /usr/lib/**/libvfio-migration-attach.so"
                                 " rm,\n"), "no local rules");
        check_denied(&s);
        shipped_local_rules("");
        write_settings("");
    }
}

/* The domain has this emulator when it is next started */
static bool emulator_is(const char *path)
{
    g_autofree char *line = g_strdup_printf("<emulator>%s</emulator>", path);
    g_auto(Virsh) run = { 0 };

    return virsh_ask(src, &run, "dumpxml", "--inactive", DOMAIN, NULL) &&
           says(run.out, line);
}

/* From a domain with the plain QEMU, by what an admin types */
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

/* ... and back; the package is put over itself while the VM runs */
static void test_setup(void)
{
    g_auto(Setup) s = one_device(DEVICE_MDEV);
    const char *package = g_getenv("VFIO_SHIPPED_PACKAGE");
    g_auto(Virsh) run = { 0 };

    if (!ready()) {
        return;
    }
    NEED(arrange(&s, src) && arrange(&s, dst), "no devices");
    NEED(set_up(&s), "the domain was not set up");
    NEED(!package || node_run(src, "dpkg", "-i", package, NULL),
         "no upgrade of the package");
    g_free(s.target_xml);
    s.target_xml = domain_write_xml(world, dst, "target.xml", s.target,
                                    s.count, NULL);
    NEED(migrate(&s, NULL, &run), "virsh migrate failed");
    NEED(domain_is(dst, "running") && domain_counts(dst, &s.counter) &&
         shipped_confined(dst, DOMAIN), "not at the destination");
    NEED(devices_arrived(&s), "the device's state did not arrive");
    NEED(node_run(src, "vfio-migration-setup", "libvirt", "--undo", NULL) &&
         emulator_is(PLAIN_QEMU), "the emulator was not given back");
}

/* ------------------------------------------------------------------------ */

static void add_cases(void)
{
    g_test_add_data_func("/libvirt/migrate/mdev",
                         GINT_TO_POINTER(DEVICE_MDEV), test_migrate);
    g_test_add_data_func("/libvirt/migrate/pci",
                         GINT_TO_POINTER(DEVICE_PCI), test_migrate);
    g_test_add_func("/libvirt/migrate/v2", test_v2);
    g_test_add_data_func("/libvirt/save/mdev",
                         GINT_TO_POINTER(DEVICE_MDEV), test_save);
    g_test_add_func("/libvirt/managedsave", test_managedsave);
    g_test_add_data_func("/libvirt/abort/mdev",
                         GINT_TO_POINTER(DEVICE_MDEV), test_abort);
    g_test_add_func("/libvirt/fails/load", test_load_fails);
    g_test_add_func("/libvirt/blocked/no-region", test_no_region);
}

/* Those that need an emulator of the test's own, or say little more. */
static void add_sim_cases(void)
{
    g_test_add_func("/libvirt/migrate/other-uuid", test_other_uuid);
    g_test_add_func("/libvirt/migrate/p2p", test_peer_to_peer);
    g_test_add_func("/libvirt/migrate/back", test_back);
    g_test_add_func("/libvirt/migrate/two-allowed", test_two_allowed);
    g_test_add_func("/libvirt/migrate/persistent", test_persistent);
    g_test_add_data_func("/libvirt/save/pci",
                         GINT_TO_POINTER(DEVICE_PCI), test_save);
    g_test_add_func("/libvirt/save/other-uuid", test_restore_xml);
    g_test_add_data_func("/libvirt/abort/pci",
                         GINT_TO_POINTER(DEVICE_PCI), test_abort);
    g_test_add_func("/libvirt/fails/save", test_save_fails);
    g_test_add_data_func("/libvirt/fails/verdict", NULL, test_verdict);
    g_test_add_data_func("/libvirt/fails/verdict-late", "late", test_verdict);
    g_test_add_func("/libvirt/blocked/opt-out", test_opt_out);
    g_test_add_func("/libvirt/blocked/two-devices", test_two_devices);
    g_test_add_func("/libvirt/blocked/postcopy", test_postcopy);
    g_test_add_func("/libvirt/not-attached", test_not_attached);
    g_test_add_func("/libvirt/driver-name", test_driver_name);
}

/* What only makes sense where libvirt and we are installed as packages */
static void add_shipped_cases(void)
{
    g_test_add_func("/libvirt/setup", test_setup);
    g_test_add_func("/libvirt/migrate/two-settings", test_two_settings);
    g_test_add_data_func("/libvirt/save/pci",
                         GINT_TO_POINTER(DEVICE_PCI), test_save);
    g_test_add_func("/libvirt/denied", test_denied);
}

static char *programs_missing(void)
{
    static const char *const programs[] = {
        "virsh", "timeout", "qemu-system-x86_64"
    };

    for (size_t i = 0; i < G_N_ELEMENTS(programs); i++) {
        g_autofree char *path = g_find_program_in_path(programs[i]);

        if (!path) {
            return g_strdup_printf("%s is not installed (scripts/deps "
                                   "libvirt)", programs[i]);
        }
    }
    if (!g_file_test("/usr/sbin/libvirtd", G_FILE_TEST_IS_EXECUTABLE)) {
        return g_strdup("libvirtd is not installed (scripts/deps libvirt)");
    }
    return world->lacking();
}

/* Everything in the sandbox is gone when the test ends. */
static void keep_files(void)
{
    const char *to = g_getenv("VFIO_LIBVIRT_KEEP");
    const char *argv[] = { "cp", "-r", src->dir, dst->dir, to, NULL };

    if (to) {
        g_mkdir_with_parents(to, 0755);
        g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL,
                     NULL, NULL, NULL, NULL, NULL);
    }
}

int main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    node_shipped = argc > 1 && strcmp(argv[1], "--shipped") == 0;
    world = node_shipped || (argc > 1 && strcmp(argv[1], "--kernel") == 0)
        ? &world_kernel : &world_sim;
    missing = programs_missing();
    if (!missing) {
        sandbox_enter(&missing);
    }
    add_cases();
    if (world == &world_sim) {
        add_sim_cases();
        add_kill_cases();
    }
    if (node_shipped) {
        add_shipped_cases();
    }
    status = g_test_run();
    if (dst) {
        keep_files();
        node_stop(src);
        node_stop(dst);
    }
    if (src && world->finish) {
        world->finish();
    }
    fflush(stdout);
    return status;
}
