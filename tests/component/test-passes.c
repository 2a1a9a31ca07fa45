/*
 * Component test: several devices change their states in parallel
 *
 * A change of state takes time, which must not add up when the VM stops or
 * continues, or when its devices are loaded. So the threads of all devices
 * must run at the same time: here each waits for the others. A single device
 * needs no thread. If one of several devices fails, is reset or unplugged, the
 * error names it, and the others are not affected.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/thread.h"
#include "component.h"

#define NR_DEVICES  4

/* ---- threads ---- */

/* How long threads that should run in parallel wait for each other */
#define MEET_S  20

static unsigned nr_threads;
static VFIODevice *unplugged;   /* once the last device's thread starts */

/* Threads that must run at the same time, in two consecutive batches */
static struct {
    GMutex lock;
    GCond changed;
    unsigned ends[2];           /* number of each batch's last thread */
    unsigned begun;
    bool missed;                /* a thread's wait timed out */
} meeting;

typedef struct Thread {
    void *(*run)(void *);
    void *arg;
    unsigned number;            /* from 1 */
} Thread;

static void meet(unsigned first, unsigned second)
{
    meeting.ends[0] = first;
    meeting.ends[1] = first + second;
    meeting.begun = nr_threads = 0;
    meeting.missed = false;
}

static void *run_thread(void *opaque)
{
    g_autofree Thread *thread = opaque;
    gint64 end_us = g_get_monotonic_time() + MEET_S * G_USEC_PER_SEC;
    unsigned until = thread->number <= meeting.ends[0] ? meeting.ends[0]
                                                       : meeting.ends[1];

    g_mutex_lock(&meeting.lock);
    meeting.begun++;
    g_cond_broadcast(&meeting.changed);
    while (meeting.begun < until && !meeting.missed) {
        meeting.missed |= !g_cond_wait_until(&meeting.changed, &meeting.lock,
                                             end_us);
    }
    g_mutex_unlock(&meeting.lock);
    return thread->run(thread->arg);
}

void __real_qemu_thread_create(QemuThread *thread, const char *name,
                               void *(*run)(void *), void *arg, int mode);
void __wrap_qemu_thread_create(QemuThread *thread, const char *name,
                               void *(*run)(void *), void *arg, int mode);

void __wrap_qemu_thread_create(QemuThread *thread, const char *name,
                               void *(*run)(void *), void *arg, int mode)
{
    if (strcmp(name, "vfio-state") == 0) {
        Thread *own = g_new(Thread, 1);

        *own = (Thread) { .run = run, .arg = arg, .number = ++nr_threads };
        run = run_thread;
        arg = own;
    }
    __real_qemu_thread_create(thread, name, run, arg, mode);
    if (nr_threads == NR_DEVICES && unplugged) {
        comp_close(g_steal_pointer(&unplugged));
    }
}

/* ---- devices ---- */

typedef struct Kind {
    const char *name;
    const char *keys[2];        /* of the devices, alternating */
    const char *stop, *start;   /* each device's path; NULL: not checked */
    unsigned p2p;               /* number of devices with P2P states */
} Kind;

#define V1      "window-size=64K\nstate-size=1M\n"
#define V2      "protocol=v2\nkernel=6.2\nstate-size=1M\n"
#define V2_P2P  V2 "p2p=yes\npre-copy=yes\n"

static const Kind kinds[] = {
    { "v1", { V1, V1 }, "running>stop", "stop>running", 0 },
    { "v2", { V2 "p2p=no\n", V2 "p2p=no\n" }, "running>stop",
      "stop>running", 0 },
    { "v2-p2p", { V2_P2P, V2_P2P },
      "running>running-p2p>stop", "stop>running-p2p>running", NR_DEVICES },
    { "mixed", { V1, V2_P2P }, NULL, NULL, NR_DEVICES / 2 },
};

static const Kind *const v1 = &kinds[0];
static const Kind *const v2_p2p = &kinds[2];

static void begin(const Kind *kind, const char *faults)
{
    comp_sim_several(NR_DEVICES, kind->keys, 2, faults);
    unplugged = NULL;
    meet(0, 0);
}

static void assert_states(const char *side, const char *state)
{
    unsigned i;

    for (i = 0; i < NR_DEVICES; i++) {
        g_autofree char *name = g_strdup_printf("%s%u", side, i);

        comp_assert_state(name, state);
    }
}

static void save_all(GByteArray *bytes)
{
    VFIODevice *devices[NR_DEVICES];

    comp_open_several("src", devices, NR_DEVICES);
    vfio_host_vm_start();
    g_assert_cmpint(comp_save(bytes, NULL, NULL), ==, 0);
    comp_close_all();
    comp_forget_messages();
    meet(0, 0);
}

/* ---- in parallel ---- */

static void expect_met(void)
{
    g_assert_cmpuint(nr_threads, ==, meeting.ends[1]);
    g_assert_cmpuint(meeting.begun, ==, meeting.ends[1]);
    g_assert_false(meeting.missed);
}

static void expect_way(const char *way)
{
    unsigned i;

    for (i = 0; way && i < NR_DEVICES; i++) {
        g_autofree char *name = g_strdup_printf("src%u", i);

        comp_assert_path(name, way);
    }
    comp_path_forget();
}

/* The device whose handler is called first in a pass has no thread. */
static void test_stop(gconstpointer data)
{
    const Kind *kind = data;
    unsigned first = kind->p2p ? kind->p2p - 1 : 0;
    VFIODevice *devices[NR_DEVICES];

    begin(kind, "[sim]\np2p-order=always\n");
    comp_open_several("src", devices, NR_DEVICES);
    vfio_host_vm_start();
    comp_path_forget();
    meet(first, NR_DEVICES - 1);
    vfio_host_vm_stop(RUN_STATE_PAUSED);
    expect_met();
    assert_states("src", "stop");
    expect_way(kind->stop);
    meet(first, NR_DEVICES - 1);
    vfio_host_vm_start();
    expect_met();
    assert_states("src", "running");
    expect_way(kind->start);
    comp_sim_end();
}

static void test_load(gconstpointer data)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    VFIODevice *devices[NR_DEVICES];

    begin(data, "");
    save_all(bytes);
    comp_open_several("dst", devices, NR_DEVICES);
    meet(NR_DEVICES, NR_DEVICES);
    g_assert_cmpint(comp_load(bytes, NULL), ==, 0);
    expect_met();
    meet(0, 0);
    comp_several_run(NR_DEVICES);
    g_assert_cmpstr(comp_messages(), ==, "");
    comp_sim_end();
}

/* No threads for one device */
static void test_one(gconstpointer data)
{
    const Kind *kind = data;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    VFIODevice *devices[1];

    begin(kind, "");
    comp_open_several("src", devices, 1);
    vfio_host_vm_start();
    vfio_host_vm_stop(RUN_STATE_PAUSED);
    comp_assert_state("src0", "stop");
    vfio_host_vm_start();
    g_assert_cmpint(comp_save(bytes, NULL, NULL), ==, 0);
    comp_close_all();
    comp_open_several("dst", devices, 1);
    g_assert_cmpint(comp_load(bytes, NULL), ==, 0);
    vfio_host_vm_start();
    comp_assert_state("dst0", "running");
    g_assert_cmpuint(nr_threads, ==, 0);
    comp_sim_end();
}

/* ---- failures ---- */

typedef struct Failure {
    const char *name;
    const Kind *kind;
    const char *fault;
    const char *text;
    const char *other_text;     /* of a second device, or NULL */
} Failure;

static const Failure save_failures[] = {
    { "stop", v1, "device=src2\nevent=state-write\nto=stop-copy\nerrno=EIO\n",
      "src2: cannot change the device's state from pre-copy to stop-copy" },
    { "first-pass", v2_p2p, "device=src1\nevent=state-write\n"
      "from=pre-copy\nto=pre-copy-p2p\nerrno=EIO\n",
      "src1: cannot change the device's state from pre-copy to pre-copy-p2p" },
    { "second-pass", v2_p2p, "device=src3\nevent=state-write\n"
      "to=stop-copy\nerrno=EIO\n",
      "src3: cannot change the device's state from pre-copy-p2p to "
      "stop-copy" },
    { "error-state", v2_p2p, "device=src0\nevent=state-write\n"
      "to=stop-copy\ndevice-state=error\n",
      "src0: cannot change the device's state from pre-copy-p2p to "
      "stop-copy" },
    /* The first failure is reported, not that of the device saved first. */
    { "stop-two", v1, "device=src2\nevent=state-write\nto=stop-copy\n"
      "errno=EIO\n[fault g]\ndevice=src1\nevent=state-write\n"
      "to=stop-copy\nerrno=EIO\n",
      "src2: cannot change the device's state from pre-copy to stop-copy" },
    { "reset", v1, "device=src1\nevent=state-write\nto=stop-copy\nflr=now\n",
      "src1: " },
    { "reset-p2p", v2_p2p, "device=src1\nevent=state-write\n"
      "to=pre-copy-p2p\nflr=now\n", NULL },
};

static void test_save_fails(gconstpointer data)
{
    const Failure *failure = data;
    g_autofree char *fault = g_strconcat("[fault f]\n", failure->fault, NULL);
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autofree char *error = NULL;
    VFIODevice *devices[NR_DEVICES];
    int ret;

    begin(failure->kind, fault);
    comp_allow_violations();
    comp_open_several("src", devices, NR_DEVICES);
    vfio_host_vm_start();
    ret = comp_save(bytes, NULL, &error);
    g_assert_cmpint(vfio_sim_fault_fired("f"), ==, 1);
    if (failure->text && ret < 0) {
        comp_assert_has(error, failure->text);
    }
    if (ret < 0) {
        g_assert_true(runstate_is_running());
        assert_states("src", "running");
        g_byte_array_set_size(bytes, 0);
        g_free(g_steal_pointer(&error));
        g_assert_cmpint(comp_save(bytes, NULL, &error), ==, 0);
    } else {
        /* A reset before any data was read is harmless. */
        g_assert_nonnull(strstr(failure->fault, "flr"));
    }
    comp_several_arrive(bytes, NR_DEVICES);
    comp_sim_end();
}

static const Failure load_failures[] = {
    { "resuming", v1, "device=dst2\nevent=state-write\nto=resuming\n"
      "errno=EIO\n", "dst2: cannot change the device's state from " },
    { "resuming-p2p", v2_p2p, "device=dst0\nevent=state-write\n"
      "to=resuming\nerrno=EIO\n",
      "dst0: cannot change the device's state from " },
    { "verdict-first", v1, "device=dst0\nevent=state-write\n"
      "from=resuming\nerrno=EIO\n", "dst0: the driver does not accept" },
    { "verdict-last", v1, "device=dst3\nevent=state-write\n"
      "from=resuming\nerrno=EIO\n", "dst3: the driver does not accept" },
    { "verdict-v2", v2_p2p, "device=dst1\nevent=state-write\n"
      "from=resuming\ndevice-state=error\n",
      "dst1: the driver does not accept" },
    { "verdict-two", v1, "device=dst1\nevent=state-write\n"
      "from=resuming\nerrno=EIO\n[fault g]\ndevice=dst2\n"
      "event=state-write\nfrom=resuming\nerrno=EIO\n",
      "dst1: the driver does not accept", "dst2: the driver does not accept" },
    { "reset", v1, "device=dst1\nevent=state-write\nto=resuming\nflr=now\n",
      "dst1: " },
    { "reset-v2", v2_p2p, "device=dst1\nevent=state-write\n"
      "to=resuming\nflr=now\n", "dst1: " },
};

static void load_again(const GByteArray *bytes)
{
    comp_close_all();
    comp_forget_messages();
    comp_several_arrive(bytes, NR_DEVICES);
    g_assert_cmpstr(comp_messages(), ==, "");
}

static void test_load_fails(gconstpointer data)
{
    const Failure *failure = data;
    g_autofree char *fault = g_strconcat("[fault f]\n", failure->fault, NULL);
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    VFIODevice *devices[NR_DEVICES];
    unsigned i;

    begin(failure->kind, fault);
    comp_allow_violations();
    save_all(bytes);
    comp_open_several("dst", devices, NR_DEVICES);
    g_assert_cmpint(comp_load(bytes, NULL), <, 0);
    g_assert_cmpint(vfio_sim_fault_fired("f"), ==, 1);
    comp_assert_message(failure->text);
    if (failure->other_text) {
        comp_assert_message(failure->other_text);
    }
    for (i = 0; i < NR_DEVICES; i++) {
        g_autofree char *name = g_strdup_printf("dst%u: ", i);
        g_autofree char *other = g_strdup_printf("\ndst%u: ", i);

        if (!g_str_has_prefix(failure->text, name) &&
            !g_str_has_prefix(failure->other_text ?: "", name) &&
            (g_str_has_prefix(comp_messages(), name) ||
             strstr(comp_messages(), other))) {
            g_error("%s is blamed for it: %s", name, comp_messages());
        }
    }
    load_again(bytes);
    comp_sim_end();
}

/* A device is unplugged while it changes to resuming. */
static void test_unplug(gconstpointer data)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    VFIODevice *devices[NR_DEVICES];

    begin(data, "[fault slow]\nevent=state-write\nonce=no\ndelay-ms=30\n");
    save_all(bytes);
    comp_open_several("dst", devices, NR_DEVICES);
    unplugged = devices[1];
    g_assert_cmpint(comp_load(bytes, NULL), <, 0);
    g_assert_null(unplugged);
    comp_assert_message("dst1: the device was unplugged");
    load_again(bytes);
    comp_sim_end();
}

/* The stream ends while state changes are in progress. */
static void test_cut(gconstpointer data)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    VFIODevice *devices[NR_DEVICES];
    size_t cut;

    begin(data, "");
    save_all(bytes);
    for (cut = 40; cut < 4000; cut += 360) {
        comp_open_several("dst", devices, NR_DEVICES);
        g_assert_cmpint(comp_load_data(bytes->data, bytes->len - cut, NULL),
                        <, 0);
        comp_close_all();
        comp_forget_messages();
    }
    load_again(bytes);
    comp_sim_end();
}

int main(int argc, char **argv)
{
    comp_init(&argc, &argv);
    ADD_ROWS("/passes/stop/", kinds, test_stop);
    ADD_ROWS("/passes/load/", kinds, test_load);
    ADD_ROWS("/passes/one/", kinds, test_one);
    ADD_ROWS("/passes/unplug/", kinds, test_unplug);
    ADD_ROWS("/passes/cut/", kinds, test_cut);
    ADD_ROWS("/passes/save-fails/", save_failures, test_save_fails);
    ADD_ROWS("/passes/load-fails/", load_failures, test_load_fails);
    return comp_run();
}
