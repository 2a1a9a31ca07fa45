/*
 * Component test: fail the n-th call on the device, for every n
 *
 * In each migration another access, ioctl or mmap fails, until a migration
 * ends without the fault having fired. Whatever fails, the error must have the
 * device's name and the errno, the VM and its device must continue, and the
 * next migration must succeed.
 *
 * Source: docs/contract.md, Errors and resets.
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
    const char *how;            /* keys of the fault rule */
    int err;
} Kind;

static const Kind kinds[] = {
    { "eio", "errno=EIO\n", EIO },
    { "einval", "errno=EINVAL\n", EINVAL },
    { "error-state", "errno=EIO\ndevice-state=error\n", EIO },
    { "short", "short=3\n", 0 },
    { "eintr", "errno=EINTR\n", EINTR },
};

/* A device, and the minimum number of calls of a migration */
typedef struct Model {
    const char *name;
    const char *keys;
    unsigned save_calls, load_calls;
} Model;

#define V1 "state-size=9000\nprecopy-size=5000\nwindow-size=16K\n" \
             "areas=4K+2K;12K+4K\nchunk-size=1500;999\nchunk-start=0;1000;12K\n"
#define V2 "protocol=v2\nstate-size=9000\nmax-read=1500\nmax-write=999\n"

static const Model models[] = {
    { "v1", V1, 30, 30 },
    { "v2", V2, 15, 15 },
    { "v2-p2p", V2 "p2p=yes\n", 15, 15 },
    { "v2-precopy", V2 "pre-copy=yes\nprecopy-size=5000\n", 14, 13 },
    { "v2-precopy-p2p", V2 "p2p=yes\npre-copy=yes\nprecopy-size=5000\n"
      "precopy-next=info\n", 14, 13 },
};

/* There are thousands of migrations; none needs to wait for anything. */
void __wrap_g_usleep(gulong us);
void __wrap_g_usleep(gulong us)
{
}

typedef struct Case {
    const Model *model;
    const Kind *kind;
} Case;

static void begin(const Case *c, const char *device, uint64_t n)
{
    g_autofree char *rule =
        g_strdup_printf("[fault nth]\nevent=any-call\ndevice=%s\n"
                        "count=%" PRIu64 "\n%s", device, n, c->kind->how);

    comp_sim_pair(c->model->keys, c->model->keys, rule);
    comp_allow_violations();    /* steps after a failed one are out of order */
}

/* Number of calls that open a device: faults begin after them. */
static uint64_t calls_to_open(const Model *model)
{
    uint64_t calls;

    comp_sim_pair(model->keys, model->keys, NULL);
    comp_open("src");
    calls = comp_status("src").calls;
    comp_sim_end();
    return calls;
}

static bool fired(void)
{
    return vfio_sim_fault_fired("nth") == 1;
}

/*
 * The user's error has the device's name, and the errno of the call, or that
 * of the first call after it that found the device in the error state.
 */
static void check_text(const Kind *kind, const char *text, const char *name)
{
    g_autofree char *prefix = g_strdup_printf("%s: ", name);

    comp_assert_has(text, prefix);
    if (strstr(kind->how, "device-state") &&
        strstr(text, "the device went into state error")) {
        return;
    }
    if (kind->err == EINTR && strstr(text, strerror(EBADF))) {
        return;     /* v2: the state was changed, but the data fd was lost */
    }
    if (kind->err) {
        comp_assert_has(text, strerror(kind->err));
    }
}

/* ---- source ---- */

static unsigned recovered;      /* failures after which it was reset */

/* Returns true if the migration failed. */
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
        recovered++;
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

static unsigned save_with_every_fault(const Case *c, bool running)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    uint64_t first = calls_to_open(c->model) + 1;
    uint64_t n;
    unsigned failed = 0;
    bool done = false;

    recovered = 0;
    for (n = first; !done; n++) {
        gint64 start = g_get_monotonic_time();

        begin(c, "src", n);
        comp_open("src");
        g_assert_false(fired());
        g_test_message("call %" PRIu64, n - first + 1);
        if (try_save(c->kind, running, bytes)) {
            failed++;
            vfio_host_set_runstate(running ? RUN_STATE_RUNNING
                                           : RUN_STATE_PAUSED);
            g_assert_cmpint(comp_save(bytes, NULL, NULL), ==, 0);
        }
        done = !fired();
        comp_arrives(bytes);
        g_assert_cmpfloat((g_get_monotonic_time() - start) / 1e6, <,
                          SECONDS_MAX);
        comp_sim_end();
    }
    /* All calls were tried. */
    g_assert_cmpuint(n - first, >, c->model->save_calls);
    /* Only a reset leaves the error state. */
    g_assert_true(recovered > failed / 2 ||
                  !strstr(c->kind->how, "device-state"));
    return failed;
}

static void test_save(gconstpointer data)
{
    const Case *c = data;
    unsigned failed = save_with_every_fault(c, true);

    if (c->kind->err == EINTR) {
        return;     /* any call may be repeated after this */
    }
    g_assert_cmpuint(failed, >=, c->kind->err ? c->model->save_calls / 3 : 0);
    save_with_every_fault(c, false);
}

/* ---- destination ---- */

static void make_stream(const Model *model, GByteArray *bytes)
{
    comp_sim_pair(model->keys, model->keys, NULL);
    comp_save_src(bytes);
    comp_sim_end();
}

/* A start that fails stops the VM and says why; the source can continue. */
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

/* Returns true if the device runs with the loaded state. */
static bool try_load(const Kind *kind, const GByteArray *bytes)
{
    if (!comp_load(bytes, NULL)) {
        return try_start(kind);
    }
    g_assert_true(fired());
    check_text(kind, comp_messages(), "dst");
    return false;
}

static void test_load(gconstpointer data)
{
    const Case *c = data;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    uint64_t first = calls_to_open(c->model) + 1;
    uint64_t n;
    unsigned failed = 0;
    bool done = false;

    make_stream(c->model, bytes);
    for (n = first; !done; n++) {
        gint64 start = g_get_monotonic_time();

        begin(c, "dst", n);
        comp_open("dst");
        g_assert_false(fired());
        g_test_message("call %" PRIu64, n - first + 1);
        if (!try_load(c->kind, bytes)) {
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
    g_assert_cmpuint(n - first, >, c->model->load_calls);
    g_assert_true(c->kind->err == EINTR || !c->kind->err ||
                  failed > c->model->load_calls / 3);
}

int main(int argc, char **argv)
{
    static Case cases[ARRAY_SIZE(models)][ARRAY_SIZE(kinds)];
    size_t i, k;

    comp_init(&argc, &argv);
    for (i = 0; i < ARRAY_SIZE(models); i++) {
        for (k = 0; k < ARRAY_SIZE(kinds); k++) {
            g_autofree char *save = g_strdup_printf(
                "/nth-call/%s/save/%s", models[i].name, kinds[k].name);
            g_autofree char *load = g_strdup_printf(
                "/nth-call/%s/load/%s", models[i].name, kinds[k].name);

            cases[i][k] = (Case) { &models[i], &kinds[k] };
            g_test_add_data_func(save, &cases[i][k], test_save);
            g_test_add_data_func(load, &cases[i][k], test_load);
        }
    }
    return comp_run();
}
