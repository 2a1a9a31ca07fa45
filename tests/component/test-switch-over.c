/*
 * Component test: when the VM is stopped, and what the user is told
 *
 * The VM is stopped at a threshold set by the test instead of QEMU's estimate;
 * what devices report as pending is the subsystem's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/units.h"
#include "hw/vfio/migration-device.h"
#include "hw/vfio/migration-options.h"
#include "component.h"

/* Long enough on any machine for polling that should take a second */
#define GIVE_UP_US      (30 * G_USEC_PER_SEC)

/* The largest downtime-limit */
#define QEMU_MAX_MS     2000000

/* Bytes/ms that QEMU measures with an idle VM */
#define IDLE_RATE       1000

typedef struct Run {
    uint64_t threshold_bytes;
    unsigned min_rounds;
    unsigned max_rounds;        /* 0: no limit */
    VFIOHostSettings settings;
    VFIODevice *device;         /* whose warning is awaited, or NULL */
    uint64_t told_ms;           /* the downtime-limit in that warning */
    unsigned rounds;
    int64_t before_stop_bytes;  /* sent before the VM was stopped */
    gint64 begin_us;
} Run;

static Run *run_now;

static void set_limit(Run *run, uint64_t limit_ms)
{
    run->settings.downtime_limit_ms = limit_ms;
    vfio_host_settings = run->settings;
    run->threshold_bytes = IDLE_RATE * limit_ms;
}

/* The user sets the downtime-limit that the warning suggests. */
static void obey(Run *run)
{
    g_autofree char *text = comp_property_str(run->device, "last-warning");
    const char *limit = strstr(text, "set downtime-limit to ");

    if (limit && !run->told_ms) {
        run->told_ms = g_ascii_strtoull(limit + strlen("set downtime-limit "
                                                       "to "), NULL, 10);
        set_limit(run, run->told_ms);
    }
}

static bool is_time_to_stop(VFIOHostRun *migration)
{
    const Run *run = run_now;
    uint64_t pending = vfio_host_pending(migration, run->threshold_bytes);

    return run->rounds >= run->min_rounds &&
           (!pending || pending < run->threshold_bytes ||
            (run->max_rounds && run->rounds >= run->max_rounds));
}

/* QEMU's rounds, and a user who gives up */
static void rounds(VFIOHostRun *migration)
{
    Run *run = run_now;

    for (;; run->rounds++) {
        if (run->device) {
            obey(run);
        }
        if (run->told_ms > QEMU_MAX_MS ||
            g_get_monotonic_time() - run->begin_us > GIVE_UP_US) {
            vfio_host_cancel();
        }
        if (vfio_host_run_error(migration) || is_time_to_stop(migration)) {
            break;
        }
        vfio_host_iterate(migration);
    }
    run->before_stop_bytes = vfio_mig_bytes_transferred();
}

/* Returns as comp_save(). @device: whose warning is obeyed, or NULL */
static int run_with_limit(Run *run, GByteArray *bytes, VFIODevice *device,
                          uint64_t limit_ms)
{
    static VFIOHostStep *const steps[] = {
        VFIO_HOST_BEGIN, rounds, VFIO_HOST_END
    };
    g_autofree char *error = NULL;
    int ret;

    run_now = run;
    run->rounds = 0;
    run->device = device;
    run->begin_us = g_get_monotonic_time();
    set_limit(run, limit_ms);
    ret = comp_save(bytes, steps, &error);
    if (ret < 0) {
        g_test_message("%s", error);
    }
    return ret;
}

/* Maximum number of rounds since the beginning, if each waits for 5 ms */
static unsigned rounds_max(const Run *run)
{
    return (g_get_monotonic_time() - run->begin_us) / 5000 + 2;
}

static void begin(const char *keys, const char *fault)
{
    g_autofree char *rule =
        fault ? g_strconcat("[fault f]\ndevice=src\n", fault, NULL) : NULL;

    comp_sim_pair(keys, keys, rule);
}

static void check_arrives(GByteArray *bytes)
{
    comp_arrives_same(bytes);
    comp_sim_end();
}

#define VGPU "protocol=v2\nprofile=vgpu\nstate-size=9000000\n"
#define MLX5_61 "protocol=v2\nprofile=mlx5-6.1\nstate-size=9000000\n"

/* 9 MB do not fit 10 ms: one warning; the limit that it suggests suffices. */
static void test_too_big(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autofree char *warning = NULL;
    VFIODevice *vbasedev;
    Run run = { 0 };

    begin(VGPU, NULL);
    vbasedev = comp_open("src");
    vfio_host_vm_start();
    g_assert_cmpint(run_with_limit(&run, bytes, vbasedev, 10), ==, 0);
    /* 67 ms, a tenth, and 20 ms for QEMU */
    g_assert_cmpuint(run.told_ms, >=, 93);
    g_assert_cmpuint(run.told_ms, <=, 95);
    g_assert_cmpuint(comp_count_messages("warning: src: the VM is not "
                                         "stopped"), ==, 1);
    comp_assert_message("has 8.6 MiB to send after that: at 128.0 MiB/s they "
                        "do not fit a downtime of 10 ms");
    warning = comp_property_str(vbasedev, "last-warning");
    comp_assert_message(warning);
    /* There is nothing to do but wait: it must not be a busy loop. */
    g_assert_cmpuint(run.rounds, >=, 20);
    g_assert_cmpuint(run.rounds, <=, rounds_max(&run));
    /* The size is read every 100 ms, not in each round. */
    g_assert_cmpuint(comp_transcript_count(" data-size "), <, run.rounds / 2);
    check_arrives(bytes);
}

/* Two devices share one downtime, which each of them alone would fit. */
static void test_two_share(void)
{
    VFIOHostDeviceOptions other = { .id = "0000:00:05.0" };
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    VFIODevice *vbasedev;
    Run run = { .settings.multi_device = true };

    comp_sim("[device a]\ngroup=1\n" VGPU "[device b]\ngroup=2\n" VGPU);
    vfio_host_settings = run.settings;
    comp_open("a");
    vbasedev = comp_try_open("b", other, NULL);
    vfio_host_vm_start();
    g_assert_cmpint(run_with_limit(&run, bytes, vbasedev, 100), ==, 0);
    /* 134 ms, a tenth, and 20 ms for QEMU */
    g_assert_cmpuint(run.told_ms, >=, 167);
    g_assert_cmpuint(run.told_ms, <=, 169);
    g_assert_cmpuint(comp_count_messages("the VM is not stopped"), ==, 1);
    comp_sim_end();
}

/* ---- a driver that does not report the size ---- */

/* With an unknown size the VM is stopped anyway, and the user is warned. */
static void test_unknown(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    Run run = { .min_rounds = 5 };
    VFIODevice *vbasedev;

    begin(MLX5_61, NULL);
    vbasedev = comp_open("src");
    vfio_host_vm_start();
    g_assert_cmpint(run_with_limit(&run, bytes, NULL, 10), ==, 0);
    g_assert_cmpuint(run.rounds, ==, 5);
    g_assert_cmpuint(comp_count_messages("warning: src: its driver does not "
                                         "tell"), ==, 1);
    comp_assert_message(vfio_mig_stop_size_option);

    /* Once the state was read its size is known: it does not fit. */
    comp_forget_messages();
    vfio_host_vm_start();
    g_assert_cmpint(run_with_limit(&run, bytes, vbasedev, 10), ==, 0);
    g_assert_cmpuint(run.told_ms, >=, 93);
    g_assert_cmpuint(run.told_ms, <=, 95);
    g_assert_cmpuint(comp_count_messages("its driver does not tell"), ==, 0);
    g_assert_cmpuint(comp_count_messages("the VM is not stopped"), ==, 1);
    comp_sim_end();
}

/* The destination knows the size, too, as it has written the state. */
static void test_unknown_after_a_load(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    VFIODevice *vbasedev;
    Run run = { 0 };

    begin(MLX5_61, NULL);
    comp_open("src");
    g_assert_cmpint(comp_save(bytes, NULL, NULL), ==, 0);
    g_assert_cmpstr(comp_messages(), ==, "");       /* no downtime at all */
    vbasedev = comp_load_dst(bytes);
    vfio_host_vm_start();
    g_assert_cmpint(run_with_limit(&run, bytes, vbasedev, 10), ==, 0);
    g_assert_cmpuint(run.told_ms, >=, 93);
    g_assert_cmpuint(comp_count_messages("its driver does not tell"), ==, 0);
    comp_sim_end();
}

/* The part that was sent before the source stopped is unknown. */
static void test_loaded_in_part_before(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    VFIODevice *vbasedev;

    begin("state-size=1M\nprecopy-size=900000\nwindow-size=256K\n", NULL);
    comp_open("src");
    vfio_host_vm_start();
    g_assert_cmpint(comp_save(bytes, NULL, NULL), ==, 0);
    comp_close_all();
    vbasedev = comp_open("dst");
    g_assert_cmpint(comp_load(bytes, NULL), ==, 0);
    g_assert_cmpuint(vfio_mig_of(vbasedev)->image_bytes, ==, 0);
    comp_sim_end();
}

/* ---- one device, one limit ---- */

typedef struct Limit {
    const char *name;
    const char *keys;
    const char *fault;          /* at the source, or NULL */
    uint64_t limit_ms, stop_size_bytes;
    unsigned min_rounds, max_rounds;
    bool obeys;                 /* the user sets the suggested limit */
    uint64_t told_ms;           /* suggested, up to 2 ms more; 0: no warning */
    bool gives_up;              /* no limit is large enough */
    int64_t before_stop_bytes;  /* at least */
} Limit;

static const Limit limits[] = {
    /* 9 MB fit 300 ms at 128 MiB/s, though QEMU counts 1 MB/s when idle. */
    { "fits", VGPU, NULL, 300, .min_rounds = 3 },
    /* QEMU has no estimate yet: a device with data must not be stopped. */
    { "no-figure-yet", VGPU, NULL, 0, .max_rounds = 5 },
    { "unknown/but-to-the-user", MLX5_61, NULL, 10, 18 * 1000 * 1000,
      .obeys = true, .told_ms = 167 },
    /* The size was known, then reading it fails: that is not 0. */
    { "unknown/fails-to-tell", VGPU,
      "event=data-size\ncount=3\nonce=no\nerrno=EIO\n", 10,
      .obeys = true, .told_ms = 93 },
    /* An impossible size: not stopped, and no sum overflows. */
    { "hostile-size", VGPU, "event=data-size\ncount=2\nonce=no\n"
      "value=18446744073709551615\n", 300, .obeys = true,
      .gives_up = true },
    /* Initial data is read before the stop, however long the downtime. */
    { "initial-data", "protocol=v2\nprofile=mlx5-6.2\nprecopy-rate=0\n", NULL,
      QEMU_MAX_MS, .before_stop_bytes = 8 * MiB },
    /*
     * A v1 driver that also counts data that it provides only once stopped: at
     * the rate that QEMU measures with an idle VM it would never fit.
     */
    { "v1-gives-nothing-yet",
      "state-size=1000003\nprecopy-size=900000\nwindow-size=256K\n",
      "event=data-size-read\nstate=pre-copy\nonce=no\nvalue=0\n", 300 },
};

static void test_limit(gconstpointer data)
{
    const Limit *l = data;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    Run run = { .min_rounds = l->min_rounds, .max_rounds = l->max_rounds,
                .settings.stop_size_bytes = l->stop_size_bytes };
    VFIODevice *vbasedev;

    begin(l->keys, l->fault);
    vbasedev = comp_open("src");
    vfio_host_vm_start();
    g_assert_cmpint(run_with_limit(&run, bytes, l->obeys ? vbasedev : NULL,
                                   l->limit_ms) < 0, ==, l->gives_up);
    g_assert_true(!l->fault || vfio_sim_fault_fired("f") > 0);
    if (l->gives_up) {
        g_assert_cmpuint(run.told_ms, >, QEMU_MAX_MS);
        comp_assert_message("(QEMU takes 2000 s at most)");
        comp_assert_state("src", "running");
        comp_sim_end();
        return;
    }
    g_assert_cmpuint(run.told_ms, >=, l->told_ms);
    g_assert_cmpuint(run.told_ms, <=, l->told_ms ? l->told_ms + 2 : 0);
    g_assert_cmpint(run.before_stop_bytes, >=, l->before_stop_bytes);
    if (l->min_rounds || l->max_rounds) {
        g_assert_cmpuint(run.rounds, ==, MAX(l->min_rounds, l->max_rounds));
    }
    if (!l->told_ms) {
        g_assert_cmpstr(comp_messages(), ==, "");
    }
    g_assert_cmpuint(comp_count_messages("its driver does not tell"), ==, 0);
    check_arrives(bytes);
}

/* ---- state changes add to the downtime ---- */

/* For each; far more than anything else takes on a busy machine */
#define CHANGE_MS   UINT64_C(1000000)

typedef struct Changes {
    const char *name;
    const char *keys;
    unsigned count;     /* until it can be read, and the destination runs */
} Changes;

static const Changes changes[] = {
    { "v1", "", 2 },
    { "v2", "protocol=v2\npre-copy=yes\n", 3 },
    { "v2-p2p", "protocol=v2\npre-copy=yes\np2p=yes\n", 5 },
};

static void set_change_times(VFIOHostRun *migration)
{
    VFIODeviceMigration *mig = vfio_mig_of(run_now->device);

    for (unsigned i = 0; i < VFIO_MIG_STATE__MAX; i++) {
        mig->change_ns[i] = CHANGE_MS * 1000000;
    }
    vfio_host_pending(migration, 0);
}

static void test_changes(gconstpointer data)
{
    static VFIOHostStep *const steps[] = {
        VFIO_HOST_BEGIN, vfio_host_rounds, set_change_times, VFIO_HOST_END
    };
    const Changes *c = data;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    Run run = { 0 };
    int64_t expected_ms;

    begin(c->keys, NULL);
    run_now = &run;
    run.device = comp_open("src");
    vfio_host_vm_start();
    g_assert_cmpint(comp_save(bytes, steps, NULL), ==, 0);
    expected_ms = comp_property_int(run.device, "expected-downtime-ms");
    g_assert_cmpint(expected_ms / CHANGE_MS, ==, c->count);
    check_arrives(bytes);
}

int main(int argc, char **argv)
{
    comp_init(&argc, &argv);
#define TEST(path, name) g_test_add_func("/switch-over/" path, test_##name)
    TEST("too-big", too_big);
    TEST("two-share", two_share);
    TEST("unknown/first", unknown);
    TEST("unknown/after-a-load", unknown_after_a_load);
    TEST("loaded-in-part-before", loaded_in_part_before);
#undef TEST
    ADD_ROWS("/switch-over/", limits, test_limit);
    ADD_ROWS("/switch-over/changes/", changes, test_changes);
    return comp_run();
}
