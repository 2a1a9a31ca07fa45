/*
 * Component test: which devices can migrate, and why others cannot
 *
 * Every reason has its own text with the device's name; finalize undoes
 * everything; a device that is no longer in the VM does not disturb a later
 * migration.
 *
 * Source: docs/contract.md, Which devices migrate.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "attach/dirty-listener.h"
#include "hw/vfio/vfio-common.h"
#include "component.h"

#define SIZES "state-size=64K\nwindow-size=16K\n"
#define ONE_DEVICE "[device src]\ngroup=1\n" SIZES
#define TWO_DEVICES ONE_DEVICE "[device other]\ngroup=2\n" SIZES

typedef struct BlockerCase {
    const char *name;
    const char *config;
    const char *reason;         /* part of the blocker's text */
    bool disable_migration;
} BlockerCase;

static const BlockerCase blocker_cases[] = {
    { "property-off", ONE_DEVICE, "it was opened with "
      "disable_migration", true },
    { "no-region", ONE_DEVICE "migration=no\n", "no migration region" },
    { "zero-size", ONE_DEVICE "migration=zero-size\n", "size 0" },
    { "setup-error", ONE_DEVICE "[fault info]\nevent=region-info\ncount=13\n"
      "errno=ENXIO\n", "setting up its migration region 9 failed: No such "
      "device or address" },
    { "state-read-error", ONE_DEVICE "[fault read]\nevent=state-read\n"
      "errno=EIO\n", "reading its state failed: Input/output error" },
    { "state-read-short", ONE_DEVICE "[fault read]\nevent=state-read\n"
      "short=2\n", "reading its state failed" },
};

static VFIODevice *open_case(const BlockerCase *c, bool only_migratable,
                             Error **errp)
{
    VFIOHostSettings settings = { .only_migratable = only_migratable };
    VFIOHostDeviceOptions options = {
        .id = COMP_ID,
        .disable_migration = c->disable_migration,
    };

    comp_sim(c->config);
    vfio_host_settings = settings;
    return comp_try_open("src", options, errp);
}

/* The device opens, migration is blocked with the reason, close undoes it. */
static void test_blocker(gconstpointer data)
{
    const BlockerCase *c = data;
    VFIODevice *vbasedev = open_case(c, false, NULL);
    g_autofree char *state = NULL;
    g_autofree char *reason = NULL;

    g_assert_nonnull(vbasedev);
    g_assert_cmpuint(vfio_host_nr_blockers(), ==, 1);
    g_assert_cmpuint(vfio_host_nr_handlers(), ==, 0);
    g_assert_true(g_str_has_prefix(vfio_host_blocker(), "src: "));
    comp_assert_has(vfio_host_blocker(), c->reason);

    reason = comp_property_str(vbasedev, "blocked-reason");
    comp_assert_has(reason, c->reason);
    state = comp_property_str(vbasedev, "state");
    g_assert_cmpstr(state, ==, "unknown");
    g_assert_false(vfio_mig_active());
    comp_sim_end();
}

/* -only-migratable: the device is refused, with the same reason. */
static void test_only_migratable(gconstpointer data)
{
    const BlockerCase *c = data;
    Error *err = NULL;

    g_assert_null(open_case(c, true, &err));
    g_assert_nonnull(err);
    comp_assert_has(error_get_pretty(err), "src: ");
    comp_assert_has(error_get_pretty(err), c->reason);
    comp_assert_has(error_get_pretty(err), "only_migratable");
    error_free(err);
    g_assert_cmpuint(vfio_host_nr_blockers(), ==, 0);
    g_assert_cmpuint(vfio_host_nr_handlers(), ==, 0);
    comp_sim_end();
}

/* A container on POWER: blocked, and QEMU's own code is left in place. */
static void test_not_type1(void)
{
    VFIOHostDeviceOptions options = { .id = COMP_ID,
                                      .disable_migration = true };
    VFIODevice *vbasedev;
    VFIOContainer *container;
    MemoryListener before;
    g_autofree char *tracking = NULL;

    comp_sim(ONE_DEVICE);
    vbasedev = comp_try_open("src", options, NULL);
    vfio_migration_finalize(vbasedev);
    vbasedev->enable_migration = true;
    container = vbasedev->group->container;
    container->iommu_type = VFIO_SPAPR_TCE_v2_IOMMU;
    before = container->listener;
    g_assert_cmpint(vfio_migration_probe(vbasedev, NULL), ==, 0);
    attach_dirty_tracking();
    g_assert_null(vbasedev->migration);
    g_assert_cmpuint(vfio_host_nr_blockers(), ==, 1);
    comp_assert_has(vfio_host_blocker(), "src: cannot migrate: its IOMMU is "
                    "not of type1");
    g_assert_true(container->listener.log_sync == before.log_sync);
    g_assert_true(container->listener.region_del == before.region_del);
    tracking = comp_property_str(vbasedev, "dirty-tracking");
    g_assert_cmpstr(tracking, ==, "none");
    comp_sim_end();
}

static void test_good_device(void)
{
    VFIODevice *vbasedev;
    g_autofree char *protocol = NULL;
    g_autofree char *state = NULL;
    g_autofree char *reason = NULL;

    comp_sim(ONE_DEVICE);
    vbasedev = comp_open("src");
    g_assert_cmpuint(vfio_host_nr_blockers(), ==, 0);
    g_assert_cmpuint(vfio_host_nr_handlers(), ==, 1);
    g_assert_true(vfio_mig_active());
    g_assert_cmpint(vfio_mig_bytes_transferred(), ==, 0);
    protocol = comp_property_str(vbasedev, "protocol");
    g_assert_cmpstr(protocol, ==, "v1");
    state = comp_property_str(vbasedev, "state");
    g_assert_cmpstr(state, ==, "running");
    reason = comp_property_str(vbasedev, "blocked-reason");
    g_assert_cmpstr(reason, ==, "");
    g_assert_cmpstr(comp_messages(), ==, "");
    comp_sim_end();
}

/* With -only-migratable, a device that can migrate is accepted. */
static void test_only_migratable_good(void)
{
    VFIOHostSettings settings = { .only_migratable = true };

    comp_sim(ONE_DEVICE);
    vfio_host_settings = settings;
    comp_open("src");
    g_assert_cmpuint(vfio_host_nr_handlers(), ==, 1);
    comp_sim_end();
}

static void test_no_id(void)
{
    static const uint8_t head[] = {
        0x51, 0x45, 0x56, 0x4d, 0, 0, 0, 3,     /* magic, version */
        1, 0, 0, 0, 0,                          /* START, section 0 */
        4, 'v', 'f', 'i', 'o', 0, 0, 0, 0, 0, 0, 0, 1,
    };
    VFIOHostDeviceOptions options = { .id = NULL };
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    comp_sim(ONE_DEVICE);
    g_assert_nonnull(comp_try_open("src", options, NULL));
    g_assert_cmpint(comp_save(bytes, NULL, NULL), ==, 0);
    g_assert_cmpmem(bytes->data, sizeof(head), head, sizeof(head));
    comp_sim_end();
}

/*
 * Each call in realize fails once. The device is refused, or opens with or
 * without a blocker. After it is closed nothing remains, and without the fault
 * it opens and migrates.
 */
static void test_open_nth_call(void)
{
    VFIOHostDeviceOptions options = { .id = COMP_ID };
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    unsigned n, refused = 0, blocked = 0;
    bool fired = true;

    for (n = 1; fired; n++) {
        g_autofree char *config =
            g_strdup_printf(ONE_DEVICE "[fault n]\nevent=any-call\n"
                            "errno=EIO\ncount=%u\n", n);
        VFIODevice *vbasedev;
        Error *err = NULL;

        comp_sim(config);
        vbasedev = comp_try_open("src", options, &err);
        fired = vfio_sim_fault_fired("n") == 1;
        g_assert_true((vbasedev == NULL) == (err != NULL));
        g_assert_true(fired || vbasedev);
        refused += err != NULL;
        blocked += vfio_host_nr_blockers();
        error_free(err);
        if (vbasedev) {
            comp_close(vbasedev);
        }
        g_assert_cmpuint(vfio_host_nr_blockers(), ==, 0);
        g_assert_cmpuint(vfio_host_nr_handlers(), ==, 0);
        if (fired) {
            comp_open("src");
            g_assert_cmpint(comp_save(bytes, NULL, NULL), ==, 0);
        }
        comp_sim_end();
    }
    g_assert_cmpuint(refused, >, 0);
    g_assert_cmpuint(blocked, >, 0);
}

/* ---- several devices ---- */

/* A second device besides "src", and the blocker, error or message expected */
typedef struct TwoCase {
    const char *name;
    const char *src_keys;       /* NULL: it uses protocol v1, too */
    VFIOHostSettings settings;
    bool incoming;
    bool first_leaves;          /* otherwise the second one does */
    unsigned blockers;          /* added by the second one */
    const char *refused;        /* why it cannot be opened, or NULL */
    const char *message;        /* NULL: none */
} TwoCase;

static const TwoCase two_cases[] = {
    { "blocked", .blockers = 1 },
    /* The device with the blocker remains alone. */
    { "first-leaves", .blockers = 1, .first_leaves = true },
    /*
     * At a destination two such devices can be loaded; they cannot be migrated
     * again together.
     */
    { "incoming", .blockers = 1, .incoming = true,
      .message = "warning: other: cannot migrate together with src: " },
    /* A device with P2P cannot prevent the other one from writing to it. */
    { "first-has-p2p", "protocol=v2\np2p=yes\n", .blockers = 1 },
    { "only-migratable", .settings = { .only_migratable = true },
      .refused = "allow it with the setting " },
    { "opt-in", .settings = { .multi_device = true } },
};

static void test_two_devices(gconstpointer data)
{
    const TwoCase *c = data;
    VFIOHostDeviceOptions options = { .id = "0000:00:05.0" };
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autofree char *config = g_strconcat(
        "[device src]\ngroup=1\n", c->src_keys ?: "", SIZES
        "[device other]\ngroup=2\nseed=2\n" SIZES, NULL);
    VFIODevice *first, *other;
    Error *err = NULL;

    comp_sim(config);
    vfio_host_settings = c->settings;
    if (c->incoming) {
        vfio_host_set_runstate(RUN_STATE_INMIGRATE);
    }
    first = comp_open("src");
    other = comp_try_open("other", options, &err);
    g_assert_cmpint(other == NULL, ==, c->refused != NULL);
    if (c->refused) {
        comp_assert_has(error_get_pretty(err), "other: ");
        comp_assert_has(error_get_pretty(err), c->refused);
        error_free(err);
        g_assert_cmpuint(vfio_host_nr_handlers(), ==, 1);
    }
    g_assert_cmpuint(vfio_host_nr_blockers(), ==, c->blockers);
    if (c->message) {
        comp_assert_message(c->message);
        comp_assert_message("; the VM can come in, but not leave");
        g_assert_null(strstr(comp_messages(), "an incoming migration will"));
    } else {
        g_assert_cmpstr(comp_messages(), ==, "");
    }
    if (c->blockers) {
        g_assert_true(g_str_has_prefix(vfio_host_blocker(), "other: "));
        comp_assert_has(vfio_host_blocker(), "src");
        comp_assert_has(vfio_host_blocker(), "peer-to-peer");
        comp_close(c->first_leaves ? first : other);
        g_assert_cmpuint(vfio_host_nr_blockers(), ==, 0);
    }
    if (!c->incoming) {
        g_assert_cmpint(comp_save(bytes, NULL, NULL), ==, 0);
        g_assert_cmpuint(vfio_mig_bytes_transferred(), ==,
                         comp_status("src").saved_bytes +
                         comp_status("other").saved_bytes);
    }
    comp_sim_end();
}

/* A blocked device and one that can migrate: no statistics are shown. */
static void test_blocked_beside_good(void)
{
    VFIOHostDeviceOptions options = {
        .id = "0000:00:05.0",
        .disable_migration = true,
    };
    VFIODevice *blocked;

    comp_sim(TWO_DEVICES);
    comp_open("src");
    blocked = comp_try_open("other", options, NULL);
    g_assert_nonnull(blocked);
    g_assert_cmpuint(vfio_host_nr_blockers(), ==, 1);
    comp_assert_has(vfio_host_blocker(), "other: ");
    g_assert_false(vfio_mig_active());
    comp_close(blocked);
    g_assert_true(vfio_mig_active());
    comp_sim_end();
}

/* ---- unplug ---- */

/* Handlers of an unplugged device must not be called again. */
static void test_unplug_then_migrate(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    VFIODevice *vbasedev;
    int round;

    comp_sim(TWO_DEVICES);
    for (round = 0; round < 3; round++) {
        vbasedev = comp_open("src");
        vfio_host_vm_start();
        g_assert_cmpint(comp_save(bytes, NULL, NULL), ==, 0);
        comp_close(vbasedev);
        g_assert_cmpuint(vfio_host_nr_handlers(), ==, 0);
        vfio_host_vm_start();
        g_assert_cmpint(comp_save(bytes, NULL, NULL), ==, 0);
        g_assert_cmpuint(bytes->len, ==, 9);    /* header and end only */
        vfio_host_vm_start();
    }
    comp_open("other");
    g_assert_cmpint(comp_save(bytes, NULL, NULL), ==, 0);
    comp_sim_end();
}

/* finalize is safe after a failed probe, and when called twice. */
static void test_finalize_twice(void)
{
    VFIODevice *vbasedev;

    comp_sim(ONE_DEVICE);
    vbasedev = comp_open("src");
    vfio_migration_finalize(vbasedev);
    g_assert_cmpuint(vfio_host_nr_handlers(), ==, 0);
    g_assert_null(vbasedev->migration);
    vfio_migration_finalize(vbasedev);
    comp_sim_end();
}

static VFIODevice *unplugged;

static void unplug(VFIOHostRun *run)
{
    comp_close(unplugged);
}

static void test_unplug_as_migration_begins(void)
{
    static VFIOHostStep *const steps[] = {
        vfio_host_begin, vfio_host_notify, unplug, vfio_host_setup,
        vfio_host_activate, vfio_host_rounds, VFIO_HOST_END
    };
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autofree char *error = NULL;

    comp_sim(ONE_DEVICE);
    unplugged = comp_open("src");
    g_assert_cmpint(comp_save(bytes, steps, &error), <, 0);
    comp_assert_has(error, "src: the device was unplugged during the "
                    "migration; start the migration again");
    g_assert_cmpuint(vfio_host_nr_handlers(), ==, 0);
    g_assert_cmpint(comp_save(bytes, NULL, NULL), ==, 0);
    comp_sim_end();
}

int main(int argc, char **argv)
{
    comp_init(&argc, &argv);
    ADD_ROWS("/probe/blocker/", blocker_cases, test_blocker);
    ADD_ROWS("/probe/only-migratable/", blocker_cases, test_only_migratable);
    g_test_add_func("/probe/not-type1", test_not_type1);
    g_test_add_func("/probe/good", test_good_device);
    g_test_add_func("/probe/only-migratable/good", test_only_migratable_good);
    g_test_add_func("/probe/no-id", test_no_id);
    g_test_add_func("/probe/open-nth-call", test_open_nth_call);
    ADD_ROWS("/probe/two/", two_cases, test_two_devices);
    g_test_add_func("/probe/blocked-beside-good", test_blocked_beside_good);
    g_test_add_func("/probe/unplug/then-migrate", test_unplug_then_migrate);
    g_test_add_func("/probe/unplug/finalize-twice", test_finalize_twice);
    g_test_add_func("/probe/unplug/as-migration-begins",
                    test_unplug_as_migration_begins);
    return comp_run();
}
