/*
 * Steps of the cases with a domain and its devices
 *
 * Owns: a case's setup and clean-up, the steps from starting a domain to the
 * checks after it has migrated, and what a failed case reports.
 * Does not own: the domain (domain.c), the hosts (node.c), devices (world-*.c).
 *
 * No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "libvirt-test.h"

#include <string.h>

#include "shipped.h"

/* Limit for a device's change of state, on a slow machine */
#define STATE_TRIES 2400
#define USEC_PER_TRY 50000
#define PRECOPY "state-size=2M;precopy-size=2M"

World *world;
Node *src, *dst;
char *missing;

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

static bool ready(void)
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

void clear_away(void)
{
    if (dst) {
        domain_remove(src);
        domain_remove(dst);
    }
}

static Setup setup_of(const Case *c)
{
    Setup s = { .count = MAX(c->devices, 1), .emulator = c->emulator };

    for (unsigned i = 0; i < s.count; i++) {
        s.source[i] = s.target[i] = (Device) {
            .kind = c->kind, .number = i, .config = c->config ?: PRECOPY,
        };
    }
    s.source[0].fault = c->source_fault;
    s.target[0].fault = c->target_fault;
    return s;
}

static void run_case(const void *opaque)
{
    const Case *c = opaque;
    Setup s = setup_of(c);

    if (ready()) {
        c->run(&s, c);
    }
    g_free(s.target_xml);
    clear_away();
}

void add_case(const Case *c)
{
    g_autofree char *path = g_strconcat("/libvirt/", c->name, NULL);

    if (!c->sim_only || world == &world_sim) {
        g_test_add_data_func_full(path, g_memdup2(c, sizeof(*c)), run_case,
                                  g_free);
    }
}

/* ------------------------------------------------------------------------ */
/* Steps                                                                    */

bool arrange(Setup *s, const Node *node)
{
    g_autoptr(GError) error = NULL;

    if (!world->arrange(node, node == src ? s->source : s->target, s->count,
                        s->emulator, &error)) {
        g_test_message("cannot arrange devices: %s", error->message);
        return false;
    }
    return true;
}

/* Write the XML for virsh. Returns the path of the source's. */
char *describe(Setup *s)
{
    g_autoptr(GError) error = NULL;
    char *path = domain_write_xml(world, src, "domain.xml", s->source,
                                  s->count, &error);

    g_assert_no_error(error);
    if (world->one_kernel || s->source[0].number != s->target[0].number) {
        g_free(s->target_xml);
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

bool migrate(Setup *s, const char *option, Virsh *run)
{
    return virsh_end(begin_migrate(s, option), run);
}

bool read_status(const Node *node, const Device *device,
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
                   node->name, *status.state ? status.state : "unknown", state);
    return false;
}

/* Before another attempt: record what the first device has saved so far. */
bool note_earlier(Setup *s)
{
    g_auto(DeviceStatus) status = { 0 };

    if (!read_status(src, &s->source[0], &status)) {
        return false;
    }
    s->earlier_bytes = status.saved_bytes;
    return true;
}

static bool is_right(const DeviceStatus *status)
{
    return !status->corrupt && !status->incomplete && !status->violations;
}

/* Has the other device received each word of the saved state? */
bool state_arrived(const DeviceStatus *saved, uint64_t earlier_bytes,
                          const Node *node, const Device *to)
{
    uint64_t saved_bytes = saved->saved_bytes - earlier_bytes;
    g_auto(DeviceStatus) loaded = { 0 };

    if (!read_status(node, to, &loaded)) {
        return false;
    }
    g_test_message("device state: saved %" G_GUINT64_FORMAT " bytes, digest "
                   "%s; loaded %" G_GUINT64_FORMAT " bytes, digest %s",
                   saved_bytes, saved->saved_digest, loaded.loaded_bytes,
                   loaded.loaded_digest);
    return saved->saved_digest[0] &&
           strcmp(saved->saved_digest, loaded.loaded_digest) == 0 &&
           saved_bytes == loaded.loaded_bytes &&
           is_right(saved) && is_right(&loaded) &&
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

void check_moves(Setup *s, const char *option)
{
    g_auto(Virsh) run = { 0 };

    NEED(start(s, false), "the domain did not start");
    NEED(runs_at(s, src), "the domain does not run at the source");
    NEED(migrate(s, option, &run), "virsh migrate failed");
    NEED(runs_at(s, dst), "the domain does not run at the destination");
    NEED(devices_arrived(s), "the device's state did not arrive");
}

/*
 * After a failure, the VM must run at the source, and the next attempt must
 * succeed. This is checked before @said, whether the reason was reported:
 * QEMU's own code fails the latter, and the former should be known anyway.
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
