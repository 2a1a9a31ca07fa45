/*
 * Component test: devices that log which pages they write
 *
 * The world of dirty-world.h, with devices of protocol v2. Whatever happens
 * to a log, a migration that completes must have copied everything.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include "hw/vfio/dirty-device.h"
#include "hw/vfio/migration-pci.h"
#include "hw/vfio/migration-session.h"
#include "hw/vfio/migration-transition.h"
#include "dirty-world.h"

#define SIM_DEVICE(name, group, profile, more) \
    "[device " name "]\ngroup=" group "\nprofile=" profile "\n" \
    "state-size=4K\n" more

#define SRC(profile, more)  SIM_DEVICE("src", "1", profile, more)
#define LOGS                SRC("mlx5-6.1", "")
#define NO_LOG              SRC("xe", "")

/* A driver that always reports pages, too, that were not written */
#define REPORTS(pattern)    "[fault more]\nevent=log-report\nonce=no\n" \
                            "value=" pattern "\n"

static VFIODirtyTracker *tracker(void)
{
    return vfio_dirty_tracker_of(world->container);
}

/* A second device; make_mdev() makes its driver one that pins its pages. */
static VFIODevice *open_other(const char *name)
{
    VFIOHostDeviceOptions options = { .id = "other" };
    VFIODevice *other = comp_try_open(name, options, NULL);

    g_assert_nonnull(other);
    g_assert_true(other->group->container == world->container);
    world->other = other->name;
    return other;
}

static void make_mdev(VFIODevice *vbasedev)
{
    g_autofree char *link = g_build_filename(vbasedev->sysfsdev, "subsystem",
                                             NULL);

    g_assert_cmpint(g_unlink(link), ==, 0);
    g_assert_cmpint(symlink("../bus/mdev", link), ==, 0);
}

static void device_writes(const char *name, Ram *ram, uint64_t at)
{
    g_assert_true(vfio_sim_dma_write(name, ram->iova + at, PAGE));
}

/* Device @name writes a page of world->ram, and a sync finds just that. */
static void expect_found(const char *name, uint64_t at)
{
    device_writes(name, &world->ram, at);
    world_sync_ram(&world->ram);
    world_expect_dirty(&world->ram, at, PAGE);
}

/* ---- random worlds ---- */

typedef struct Kind {
    const char *name;
    const char *config;
    bool other;
    bool mdev;                  /* both devices */
    const char *says;           /* to the user */
} Kind;

static const Kind kinds[] = {
    { "mlx5", LOGS },
    { "mlx5-precopy", SRC("mlx5-6.2", "") },
    { "pds", SRC("pds", "") },
    { "coarse-log", SRC("mlx5-6.1", "log-page-size=16K\n") },
    { "pages-of-16K", "[container]\npage-sizes=16K\n" LOGS },
    { "pages-of-64K", "[container]\npage-sizes=64K\n" SRC("pds", "") },
    { "tiny-bitmaps", "[container]\nmax-bitmap-size=8\n" LOGS },
    { "no-iommu-tracking", "[container]\ndirty-tracking=no\n" LOGS },
    { "reports-more", LOGS REPORTS("0x8001000000000001") },
    { "reports-all", SRC("pds", "") REPORTS("0xffffffffffffffff") },
    { "no-log", NO_LOG },
    { "no-log-mdev", NO_LOG, .mdev = true },
    { "neither", "[container]\ndirty-tracking=no\n" NO_LOG, .mdev = true },
    { "two", LOGS SIM_DEVICE("other", "2", "pds", ""), true },
    { "one-of-two", LOGS SIM_DEVICE("other", "2", "virtio", ""), true,
      .says = "no log of its own runs in other;" },
    { "one-of-two-mdevs", LOGS SIM_DEVICE("other", "2", "virtio", ""), true,
      true },
    { "beside-no-object", LOGS "[device other]\ngroup=2\nmigration=no\n", true },
};

static void test_random(gconstpointer data)
{
    const Kind *kind = data;
    unsigned writes = 0;

    for (unsigned i = 0; i < 25; i++) {
        uint32_t seed = g_test_rand_int();
        VFIODevice *other = NULL;

        world_begin(kind->config, seed);
        world->no_iommu = i % 2;
        if (kind->other) {
            other = open_other("other");
        }
        if (other && !other->migration) {
            vfio_migration_finalize(other);     /* its blocker */
        }
        if (kind->mdev) {
            make_mdev(world->vbasedev);
        }
        if (other && kind->mdev) {
            make_mdev(other);
        }
        world_migrate_whole(seed);
        if (kind->says && world->no_iommu) {
            comp_assert_message(kind->says);
        }
        writes += world->writes;
        world_end();
    }
    g_assert_cmpuint(writes, >, 25 * 10);
}

/* ---- calls that fail ---- */

typedef struct Fault {
    const char *name;
    const char *event;
    const char *more;           /* of the rule */
    const char *words;          /* of the warning */
} Fault;

static const Fault faults[] = {
    { "start", "log-start", "", "does not log its DMA in" },
    { "report", "log-report", "", "log of its DMA is lost" },
    { "report-always", "log-report", "once=no\n", "log of its DMA is lost" },
    { "stop", "log-stop", "", "" },
};

/* The first one is tried for each call, the others for each fifth. */
static const char *const errnos[] = {
    "EINVAL", "E2BIG", "EOPNOTSUPP", "EIO", "ENOTCONN", "ENOMEM", "EINTR",
};
#define OTHERS_STEP 5

/* Returns true if there was an @n-th call. */
static bool fail_call(const Fault *f, const char *name, unsigned n,
                      uint32_t seed)
{
    g_autofree char *config = g_strdup_printf(
        LOGS "[fault call]\nevent=%s\n%scount=%u\nerrno=%s\n", f->event,
        f->more, n, name);
    bool fired;

    g_test_message("seed %u: %s %u %s", seed, f->event, n, name);
    world_begin(config, seed);
    world->no_iommu = true;
    for (unsigned i = 0; i < 2; i++) {
        world_migrate_whole(seed);
        world->running = true;
        vfio_host_vm_start();
    }
    fired = vfio_sim_fault_fired("call") > 0;
    if (g_str_equal(name, "EINTR")) {
        g_assert_null(strstr(comp_messages(), "its DMA"));
    } else if (fired) {
        comp_assert_message(f->words);
    }
    world_end();
    return fired;
}

/* A failing log must not make the migration fail, nor lose a page. */
static void test_fault(gconstpointer data)
{
    const Fault *f = data;
    uint32_t seed = g_test_rand_int();
    unsigned fired = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(errnos); i++) {
        bool for_ever = *f->more && g_str_equal(errnos[i], "EINTR");
        unsigned step = i ? OTHERS_STEP : 1;

        for (unsigned n = 1; !for_ever && n < 30 &&
                             fail_call(f, errnos[i], n, seed); n += step) {
            fired++;
        }
    }
    g_test_message("%s: %u calls failed", f->event, fired);
    g_assert_cmpuint(fired, >=, G_N_ELEMENTS(errnos) - 1);
}

/* ---- which source of dirty bits is used ---- */

static void begin(const char *config)
{
    world_begin(config, 1);
    world_log_start_clean();
}

static void expect_tracking(VFIODevice *vbasedev, const char *how,
                            uint64_t pages)
{
    g_autofree char *text = comp_property_str(vbasedev, "dirty-tracking");

    g_assert_cmpstr(text, ==, how);
    g_assert_cmpint(comp_property_int(vbasedev, "untracked-bytes"), ==,
                    pages * PAGE);
}

/* Only pages that were written are dirty; the IOMMU does not track. */
static void test_exact(gconstpointer data)
{
    begin(data);
    expect_tracking(world->vbasedev, "device-log", 0);
    for (uint64_t at = 0; at < 70 * PAGE; at += 7 * PAGE) {
        expect_found("src", at);
        device_writes("src", &world->ram, at);
        world_ram_goes(&world->ram);
        world_expect_dirty(&world->ram, at, PAGE);
        g_assert_cmpuint(dirty_ram_dirty_count(), ==, 0);
        world_ram_comes_back(&world->ram);
    }
    vfio_host_vm_stop(RUN_STATE_PAUSED);
    g_assert_cmpuint(world_synced_pages(), ==, 0);
    g_assert_cmpuint(comp_transcript_count("dirty-start"), ==, 0);
    g_assert_cmpuint(comp_transcript_count("dirty-get"), ==, 0);
    world_end();
    g_assert_cmpuint(comp_transcript_count("dirty-stop"), ==, 0);
}

/* A section added after the start is marked in the final pass. */
static void test_appears(void)
{
    world_begin(LOGS, 2);
    world_ram_goes(&world->ram);
    world_log_start_clean();
    world_ram_appears(&world->ram);
    device_writes("src", &world->ram, 5 * PAGE);
    g_assert_cmpuint(world_synced_pages(), ==, 0);
    vfio_host_vm_stop(RUN_STATE_PAUSED);
    world_sync_ram(&world->ram);
    world_expect_dirty(&world->ram, 0, RAM_UNITS * UNIT);
    g_assert_cmpuint(dirty_ram_dirty_count(), ==, 0);
    g_assert_cmpuint(world_synced_pages(), ==, 0);
    /* The same if it is removed before that */
    vfio_host_vm_start();
    world_ram_goes(&world->ram);
    world_expect_dirty(&world->ram, 0, RAM_UNITS * UNIT);
    world_ram_appears(&world->ram);
    world_end();
}

/*
 * A device is plugged while something else has dirty tracking enabled. A
 * migration that follows does not restart it: memory of a device without a log
 * is marked in the final pass.
 */
static void test_comes_without_log(void)
{
    VFIODevice *other;

    begin(LOGS SIM_DEVICE("other", "2", "virtio", ""));
    other = open_other("other");
    expect_tracking(other, "final-pass-all", world_mapped_pages());
    device_writes("other", &world->ram, 9 * PAGE);
    g_assert_cmpuint(world_synced_pages(), ==, 0);
    vfio_host_vm_stop(RUN_STATE_PAUSED);
    world_sync_ram(&world->ram);
    world_expect_dirty(&world->ram, 0, RAM_UNITS * UNIT);
    world_end();
}

/* Devices cannot write to ROM, nor to a BAR that is being sized. */
static void test_not_written(void)
{
    VFIODevice *other;
    MemoryRegion *mr;

    begin(LOGS SIM_DEVICE("other", "2", "virtio", ""));
    other = open_other("other");
    mr = dirty_ram_new(UNIT);
    for (int rom = 0; rom < 2; rom++) {
        MemoryRegionSection section = {
            .mr = mr,
            .size = int128_make64(4 * PAGE),
            .offset_within_address_space = UINT64_C(1) << (rom ? 40 : 63),
            .readonly = rom,
        };

        dirty_section_add(&section);
        expect_tracking(other, "final-pass-all", world_mapped_pages());
        dirty_section_del(&section);
    }
    dirty_ram_free(mr);
    world_end();
}

/* A device that is not probed, like a failover primary: found by a check */
static void test_comes_unseen(void)
{
    VFIODevice *other;

    world_begin(LOGS SIM_DEVICE("other", "2", "virtio", ""), 12);
    other = open_other("other");
    vfio_migration_finalize(other);
    QLIST_REMOVE(other, next);
    world_log_start_clean();
    QLIST_INSERT_HEAD(&other->group->device_list, other, next);
    g_assert_cmpint(vfio_dirty_check(NULL), ==, 0);
    vfio_host_vm_stop(RUN_STATE_PAUSED);
    world_sync_ram(&world->ram);
    world_expect_dirty(&world->ram, 0, RAM_UNITS * UNIT);
    world_end();
}

/* Only the beginning of a section is in the logged ranges. */
static void test_appears_in_part(void)
{
    world_begin(LOGS, 10);
    world_ram_goes(&world->ram);
    world->ram.units = 5;
    world_ram_comes_back(&world->ram);
    world_log_start_clean();
    world_ram_goes(&world->ram);
    world->ram.units = RAM_UNITS;
    world_ram_comes_back(&world->ram);
    /* The range was rounded up to 128 pages. */
    device_writes("src", &world->ram, 127 * PAGE);
    device_writes("src", &world->ram, 128 * PAGE);
    world_sync_ram(&world->ram);
    world_expect_dirty(&world->ram, 127 * PAGE, PAGE);
    vfio_host_vm_stop(RUN_STATE_PAUSED);
    world_sync_ram(&world->ram);
    world_expect_dirty(&world->ram, 128 * PAGE, RAM_UNITS * UNIT);
    world_end();
}

/* Reports of 64 pages */
static void test_short_reports(void)
{
    begin(LOGS);
    QLIST_FIRST(&tracker()->logs)->report_pages = 64;
    for (uint64_t at = 60 * PAGE; at < 70 * PAGE; at += PAGE) {
        expect_found("src", at);
    }
    world_end();
}

/*
 * A driver once reports all pages of the bitmap. Bits outside the section that
 * is being read belong to others, and bits already read are not found again.
 */
static void test_reports_all_once(void)
{
    world_begin(LOGS "[fault more]\nevent=log-report\n"
                "value=0xffffffffffffffff\n", 4);
    world_ram_goes(&world->ram);
    world->ram.units = 5;
    world_ram_comes_back(&world->ram);
    world_log_start_clean();
    g_assert_cmpuint(world_synced_pages(), ==, 80);
    g_assert_cmpint(vfio_sim_fault_fired("more"), ==, 1);
    world_sync_ram(&world->parts);
    g_assert_cmpuint(dirty_ram_dirty_count(), ==, 0);
    g_assert_cmpuint(world_synced_pages(), ==, 0);
    expect_found("src", 3 * PAGE);

    /* The other pages of the second word were reported as dirty, too. */
    world_ram_goes(&world->ram);
    world->ram.units = 8;
    world_ram_comes_back(&world->ram);
    world_sync_ram(&world->ram);
    world_expect_dirty(&world->ram, 80 * PAGE, 48 * PAGE);
    g_assert_cmpuint(world_synced_pages(), ==, 0);
    world_end();
}

/* Drivers that pin pages: the IOMMU tracks the device that has no log. */
static void test_mix_mdev(void)
{
    VFIODevice *other;

    world_begin(LOGS SIM_DEVICE("other", "2", "virtio", ""), 4);
    other = open_other("other");
    make_mdev(world->vbasedev);
    expect_tracking(other, "final-pass-all", world_mapped_pages());
    make_mdev(other);
    expect_tracking(other, "pre-copy", 0);
    world_log_start_clean();
    expect_tracking(world->vbasedev, "device-log", 0);
    expect_tracking(other, "pre-copy", 0);
    device_writes("src", &world->ram, 3 * PAGE);
    device_writes("other", &world->ram, 4 * PAGE);
    world_sync_ram(&world->ram);
    world_expect_dirty(&world->ram, 3 * PAGE, 2 * PAGE);
    vfio_host_vm_stop(RUN_STATE_PAUSED);
    g_assert_cmpuint(world_synced_pages(), ==, 0);
    world_end();
}

/* If all devices have a log, the IOMMU is not used, though it could track. */
static void test_mdev_logs(void)
{
    world_begin(LOGS, 13);
    make_mdev(world->vbasedev);
    world_log_start();
    expect_tracking(world->vbasedev, "device-log", 0);
    world_end();
    g_assert_cmpuint(comp_transcript_count("dirty-start"), ==, 0);
}

/* The user has disabled device logs. */
static void test_off(void)
{
    VFIOHostSettings settings = { .no_device_log = true };

    world_begin(LOGS, 5);
    expect_tracking(world->vbasedev, "device-log", 0);
    vfio_host_settings = settings;
    expect_tracking(world->vbasedev, "final-pass-all", world_mapped_pages());
    world_log_start();
    g_assert_cmpuint(comp_transcript_count("log-start"), ==, 0);
    world_end();
}

/* x-pre-copy-dirty-page-tracking=off: the log is read only at the end. */
static void test_opt_out(void)
{
    world_begin(LOGS, 6);
    world->vbasedev->pre_copy_dirty_page_tracking = ON_OFF_AUTO_OFF;
    expect_tracking(world->vbasedev, "final-pass", 0);
    world_log_start_clean();
    device_writes("src", &world->ram, 3 * PAGE);
    g_assert_cmpuint(world_synced_pages(), ==, 0);
    g_assert_cmpuint(comp_transcript_count("log-report"), ==, 0);
    vfio_host_vm_stop(RUN_STATE_PAUSED);
    world_sync_ram(&world->ram);
    world_expect_dirty(&world->ram, 3 * PAGE, PAGE);
    g_assert_cmpuint(dirty_ram_dirty_count(), ==, 0);
    world_end();
}

/* ---- logs that end ---- */

/* After an unannounced reset the next report fails; the log is restarted. */
static void test_reset(void)
{
    begin(SRC("pds", ""));
    device_writes("src", &world->ram, 3 * PAGE);
    vfio_host_reset_devices();
    g_assert_cmpuint(world_synced_pages(), ==, world_mapped_pages());
    expect_tracking(world->vbasedev, "device-log", 0);
    expect_found("src", 5 * PAGE);
    /* Only once per migration */
    device_writes("src", &world->ram, 3 * PAGE);
    vfio_host_reset_devices();
    g_assert_cmpuint(world_synced_pages(), ==, 0);
    expect_tracking(world->vbasedev, "final-pass-all", world_mapped_pages());
    vfio_host_vm_stop(RUN_STATE_PAUSED);
    g_assert_cmpuint(world_synced_pages(), ==, world_mapped_pages());
    vfio_host_vm_start();
    world_log_stop();
    expect_tracking(world->vbasedev, "device-log", 0);
    world_end();
}

/* A reset of our own may end a log without any error from the driver. */
static void test_own_reset(void)
{
    VFIODeviceMigration *mig;

    begin(LOGS);
    mig = vfio_mig_of(world->vbasedev);
    device_writes("src", &world->ram, 3 * PAGE);
    vfio_mig_claim(mig);
    g_assert_cmpint(vfio_mig_reset(mig), ==, 0);
    vfio_mig_release(mig);
    g_assert_cmpuint(world_synced_pages(), ==, world_mapped_pages());
    g_assert_cmpuint(comp_transcript_count("log-start"), ==, 2);
    expect_found("src", 5 * PAGE);
    /* The same if a section is removed */
    vfio_mig_claim(mig);
    g_assert_cmpint(vfio_mig_reset(mig), ==, 0);
    vfio_mig_release(mig);
    device_writes("src", &world->ram, 5 * PAGE);
    world_ram_goes(&world->ram);
    world_expect_dirty(&world->ram, 0, RAM_UNITS * UNIT);
    world_ram_comes_back(&world->ram);
    /* A reset before the start of the log does not matter. */
    world_log_stop();
    world_log_start();
    g_assert_cmpuint(world_synced_pages(), ==, 0);
    /* A reset by the guest: only the state that it leaves is visible. */
    vfio_host_vm_stop(RUN_STATE_PAUSED);
    world_synced_pages();
    vfio_host_reset_devices();
    vfio_mig_claim(mig);
    g_assert_cmpint(vfio_mig_look(mig), ==, 0);
    vfio_mig_release(mig);
    g_assert_cmpuint(world_synced_pages(), ==, world_mapped_pages());
    world_end();
}

/* A failover primary has no migration object, but its log is read, too. */
static void test_gone(void)
{
    VFIODevice *other;

    world_begin(LOGS SIM_DEVICE("other", "2", "mlx5-6.1", ""), 7);
    other = open_other("other");
    vfio_migration_finalize(other);
    g_assert_null(other->migration);
    world_log_start_clean();
    g_assert_cmpuint(comp_transcript_count("log-start"), ==, 2);
    expect_found("other", 3 * PAGE);
    /* Nothing reports what it writes from here on. */
    device_writes("other", &world->ram, 4 * PAGE);
    comp_close(other);
    g_assert_cmpuint(world_synced_pages(), ==, world_mapped_pages());
    expect_found("src", 8 * PAGE);
    world_end();
}

/* A guest IOMMU is enabled: the IOMMU tracks; logged pages stay dirty. */
static void test_translate(void)
{
    begin(LOGS);
    device_writes("src", &world->ram, 3 * PAGE);
    world_switch_translation();
    world_expect_dirty(&world->ram, 3 * PAGE, PAGE);
    g_assert_true(QLIST_EMPTY(&tracker()->logs));
    g_assert_true(tracker()->started);
    g_assert_false(comp_status("src").log_on);
    world_end();
}

/* An mdev's driver pins pages: if its log is unusable, the IOMMU tracks. */
static void test_lost_for_good(void)
{
    world_begin(LOGS "[fault all]\nevent=log-report\nonce=no\nerrno=EIO\n",
                11);
    make_mdev(world->vbasedev);
    world_log_start_clean();
    for (unsigned i = 0; i < 2; i++) {
        expect_tracking(world->vbasedev, "device-log", 0);
        g_assert_cmpuint(world_synced_pages(), ==, world_mapped_pages());
    }
    expect_tracking(world->vbasedev, "pre-copy", 0);
    expect_found("src", 3 * PAGE);
    world_end();
}

/* With a guest IOMMU from the start, the IOMMU tracks, and there is no log. */
static void test_translated(void)
{
    world_begin(LOGS, 9);
    world_switch_translation();
    expect_tracking(world->vbasedev, "pre-copy", 0);
    world_log_start();
    expect_tracking(world->vbasedev, "pre-copy", 0);
    g_assert_cmpuint(comp_transcript_count("log-start"), ==, 0);
    g_assert_true(tracker()->started);
    world_end();
}

/* The report for a removed section fails: all sections are marked. */
static void test_lost_at_unmap(void)
{
    world_begin(LOGS "[fault first]\nevent=log-report\nerrno=EIO\n", 12);
    world_log_start_clean();
    world_ram_goes(&world->ram);
    world_expect_dirty(&world->ram, 0, RAM_UNITS * UNIT);
    g_assert_cmpuint(dirty_ram_dirty_count(), ==, 0);
    g_assert_cmpuint(comp_transcript_count("log-start"), ==, 2);
    vfio_host_vm_stop(RUN_STATE_PAUSED);
    vfio_host_vm_start();
    world_sync_ram(&world->parts);
    g_assert_cmpuint(dirty_ram_dirty_count(), ==,
                     world_mapped_pages() - RAM_UNITS * UNIT / PAGE);
    world_ram_comes_back(&world->ram);
    world_end();
}

/* A failed unmap leaves it mapped: the device may write after the report. */
static void test_unmap_fails(void)
{
    begin(LOGS "[fault unmap]\nevent=unmap-dma\nerrno=EINVAL\n");
    world_ram_goes(&world->ram);
    g_assert_cmpint(vfio_sim_fault_fired("unmap"), ==, 1);
    world_expect_dirty(&world->ram, 0, RAM_UNITS * UNIT);
    g_assert_cmpuint(dirty_ram_dirty_count(), ==, 0);
    world_ram_comes_back(&world->ram);
    world_end();
}

/* The container is removed while its device has a log. */
static void test_container_goes(void)
{
    begin(LOGS);
    g_assert_true(comp_status("src").log_on);
    global_dirty_tracking = 0;
    world_end();
    g_assert_null(vfio_dirty_tracker_next(NULL));
}

int main(int argc, char **argv)
{
    comp_init(&argc, &argv);
    ADD_ROWS("/device-log/random/", kinds, test_random);
    ADD_ROWS("/device-log/fault/", faults, test_fault);
    g_test_add_data_func("/device-log/exact/mlx5", LOGS, test_exact);
    g_test_add_data_func("/device-log/exact/pds", SRC("pds", ""), test_exact);
    g_test_add_func("/device-log/appears", test_appears);
    g_test_add_func("/device-log/appears-in-part", test_appears_in_part);
    g_test_add_func("/device-log/comes-without-log", test_comes_without_log);
    g_test_add_func("/device-log/not-written", test_not_written);
    g_test_add_func("/device-log/comes-unseen", test_comes_unseen);
    g_test_add_func("/device-log/short-reports", test_short_reports);
    g_test_add_func("/device-log/reports-all-once", test_reports_all_once);
    g_test_add_func("/device-log/mix-mdev", test_mix_mdev);
    g_test_add_func("/device-log/mdev-logs", test_mdev_logs);
    g_test_add_func("/device-log/off", test_off);
    g_test_add_func("/device-log/opt-out", test_opt_out);
    g_test_add_func("/device-log/reset", test_reset);
    g_test_add_func("/device-log/own-reset", test_own_reset);
    g_test_add_func("/device-log/gone", test_gone);
    g_test_add_func("/device-log/translate", test_translate);
    g_test_add_func("/device-log/lost-for-good", test_lost_for_good);
    g_test_add_func("/device-log/lost-at-unmap", test_lost_at_unmap);
    g_test_add_func("/device-log/unmap-fails", test_unmap_fails);
    g_test_add_func("/device-log/container-goes", test_container_goes);
    g_test_add_func("/device-log/translated", test_translated);
    return comp_run();
}
