/*
 * Component test: fail the n-th call on the device, for every n
 *
 * From the start of a migration on, each access, ioctl and mmap fails once,
 * one migration after the other, until one passes without the fault having
 * fired. Whatever fails: the migration says so with the device's name and
 * the errno, the VM and its device go on, and the next migration works.
 *
 * Source: requirements U-11, U-12, R-07, rules 3 and 4 of docs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/vfio/migration-device.h"
#include "component.h"

#define SECONDS_MAX 5.0

typedef struct Kind {
    const char *name;
    const char *how;            /* keys of the fault */
    int err;
} Kind;

static const Kind kinds[] = {
    { "eio", "errno=EIO\n", EIO },
    { "einval", "errno=EINVAL\n", EINVAL },
    { "error-state", "errno=EIO\ndevice-state=error\n", EIO },
    { "short", "short=3\n", 0 },
    { "eintr", "eintr=yes\n", EINTR },
};

#define KEYS "state-size=9000\nprecopy-size=5000\nwindow-size=16K\n" \
             "areas=4K+2K;12K+4K\nchunk-size=1500;999\nchunk-start=0;1000;12K\n"
#define DEVICES "[device src]\ngroup=1\n" KEYS \
                "[device dst]\ngroup=2\nseed=2\n" KEYS

static void begin(const Kind *kind, const char *device, uint64_t n)
{
    g_autofree char *config =
        g_strdup_printf(DEVICES "[fault nth]\nevent=any-call\ndevice=%s\n"
                        "count=%" PRIu64 "\n%s", device, n, kind->how);

    comp_sim(config);
    comp_allow_violations();    /* a failed step is out of order later */
}

/* Calls that opening a device takes: the faults begin behind them. */
static uint64_t calls_to_open(void)
{
    uint64_t calls;

    comp_sim(DEVICES);
    comp_open("src");
    calls = comp_status("src").calls;
    comp_sim_end();
    return calls;
}

static bool fired(void)
{
    return vfio_sim_fault_fired("nth") == 1;
}

/* The migration of the retry arrives. */
static void check_arrives(GByteArray *bytes)
{
    g_autofree char *error = NULL;

    comp_close_all();
    comp_open("dst");
    if (comp_load(bytes, &error)) {
        g_error("load: %s; %s", error, comp_messages());
    }
    vfio_host_vm_start();
    comp_assert_state("dst", "running");
    g_assert_cmpstr(comp_status("src").saved_digest, ==,
                    comp_status("dst").loaded_digest);
    g_assert_cmpint(vfio_host_runstate(), ==, RUN_STATE_RUNNING);
}

/* The text that the user sees has the device's name and the errno. */
static void check_text(const Kind *kind, const char *text, const char *name)
{
    g_autofree char *prefix = g_strdup_printf("%s: ", name);

    comp_assert_has(text, prefix);
    if (kind->err) {
        comp_assert_has(text, strerror(kind->err));
    }
}

/* ---- source ---- */

/* Returns true where the migration failed. */
static bool try_save(const Kind *kind, bool running, GByteArray *bytes)
{
    g_autofree char *error = NULL;
    bool was_reset;
    int ret;

    if (running) {
        vfio_host_vm_start();
    }
    ret = comp_save(bytes, NULL, &error);
    if (!ret) {
        comp_assert_state("src", "stop");
        return false;
    }
    g_assert_true(fired());
    check_text(kind, error, "src");
    was_reset = comp_status("src").resets > 0;
    if (was_reset) {
        g_assert_nonnull(strstr(error, "reset") ?:
                         strstr(comp_messages(), "reset"));
    }
    comp_assert_state("src", running ? "running" : "stop");
    g_assert_cmpint(vfio_host_runstate(), ==,
                    running ? RUN_STATE_RUNNING :
                    vfio_host_runstate() == RUN_STATE_POSTMIGRATE ?
                    RUN_STATE_POSTMIGRATE : RUN_STATE_PRELAUNCH);
    return true;
}

static unsigned save_with_every_fault(const Kind *kind, bool running)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    uint64_t first = calls_to_open() + 1;
    uint64_t n;
    unsigned failed = 0;
    bool done = false;

    for (n = first; !done; n++) {
        gint64 start = g_get_monotonic_time();

        begin(kind, "src", n);
        comp_open("src");
        g_assert_false(fired());
        g_test_message("call %" PRIu64, n - first + 1);
        if (try_save(kind, running, bytes)) {
            failed++;
            vfio_host_set_runstate(running ? RUN_STATE_RUNNING
                                           : RUN_STATE_PAUSED);
            g_assert_cmpint(comp_save(bytes, NULL, NULL), ==, 0);
        }
        done = !fired();
        check_arrives(bytes);
        g_assert_cmpfloat((g_get_monotonic_time() - start) / 1e6, <,
                          SECONDS_MAX);
        comp_sim_end();
    }
    g_assert_cmpuint(n - first, >, 30);     /* it did try them all */
    return failed;
}

static void test_save(gconstpointer data)
{
    const Kind *kind = data;
    unsigned failed = save_with_every_fault(kind, true);

    if (kind->err == EINTR) {
        return;     /* may be tried again, wherever it came */
    }
    g_assert_cmpuint(failed, >, 10);
    save_with_every_fault(kind, false);
}

/* ---- destination ---- */

static void make_stream(GByteArray *bytes)
{
    comp_sim(DEVICES);
    comp_open("src");
    vfio_host_vm_start();
    g_assert_cmpint(comp_save(bytes, NULL, NULL), ==, 0);
    comp_sim_end();
}

/* A start that fails stops the VM and says why; the source still has it. */
static bool try_start(const Kind *kind)
{
    vfio_host_vm_start();
    if (runstate_is_running()) {
        comp_assert_state("dst", "running");
        return comp_status("dst").loaded;
    }
    g_assert_true(fired());
    g_assert_cmpint(vfio_host_runstate(), ==, RUN_STATE_INTERNAL_ERROR);
    check_text(kind, comp_messages(), "dst");
    return false;
}

/* Returns true where the device runs with what was loaded. */
static bool try_load(const Kind *kind, const GByteArray *bytes)
{
    g_autofree char *error = NULL;

    if (!comp_load(bytes, &error)) {
        return try_start(kind);
    }
    g_assert_true(fired());
    check_text(kind, comp_messages(), "dst");
    comp_assert_has(error, "load of migration failed");
    return false;
}

static void test_load(gconstpointer data)
{
    const Kind *kind = data;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    uint64_t first = calls_to_open() + 1;
    uint64_t n;
    unsigned failed = 0;
    bool done = false;

    make_stream(bytes);
    for (n = first; !done; n++) {
        gint64 start = g_get_monotonic_time();

        begin(kind, "dst", n);
        comp_open("dst");
        g_assert_false(fired());
        g_test_message("call %" PRIu64, n - first + 1);
        if (!try_load(kind, bytes)) {
            failed++;
            comp_close_all();
            comp_forget_messages();
            comp_open("dst");
            g_assert_cmpint(comp_load(bytes, NULL), ==, 0);
            vfio_host_vm_start();
        }
        done = !fired();
        comp_assert_state("dst", "running");
        g_assert_true(comp_status("dst").loaded);
        g_assert_cmpfloat((g_get_monotonic_time() - start) / 1e6, <,
                          SECONDS_MAX);
        comp_sim_end();
    }
    g_assert_cmpuint(n - first, >, 30);
    g_assert_true(kind->err == EINTR || failed > 10);
}

int main(int argc, char **argv)
{
    size_t i;

    comp_init(&argc, &argv);
    for (i = 0; i < ARRAY_SIZE(kinds); i++) {
        g_autofree char *save = g_strconcat("/nth-call/save/", kinds[i].name,
                                            NULL);
        g_autofree char *load = g_strconcat("/nth-call/load/", kinds[i].name,
                                            NULL);

        g_test_add_data_func(save, &kinds[i], test_save);
        g_test_add_data_func(load, &kinds[i], test_load);
    }
    return comp_run();
}
