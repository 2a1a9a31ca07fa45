/*
 * Component test: every pair of states, every kind of failure
 *
 * The expected results are computed here by a separate search over the arcs of
 * the contract; the subsystem's table is not used.
 *
 * Source: docs/contract.md, States and Errors and resets.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/pci/pci.h"
#include "hw/vfio/migration-transition.h"
#include "component.h"

/* States in the order of the loops below */
static const VFIOMigState states[] = {
    VFIO_MIG_STATE_STOP, VFIO_MIG_STATE_RUNNING, VFIO_MIG_STATE_STOP_COPY,
    VFIO_MIG_STATE_PRE_COPY, VFIO_MIG_STATE_RESUMING,
};

enum { STOP, RUN, COPY, PRE, RES, NR_STATES };

static const char *const words[NR_STATES] = {
    "stop", "running", "stop-copy", "pre-copy", "resuming",
};

/* What may be written in one step (docs/contract.md, States) */
static const bool contract[NR_STATES][NR_STATES] = {
    [STOP] = { [RUN] = true, [COPY] = true, [RES] = true },
    [RUN] = { [STOP] = true, [COPY] = true, [PRE] = true, [RES] = true },
    [COPY] = { [STOP] = true, [RUN] = true },
    [PRE] = { [COPY] = true, [STOP] = true, [RUN] = true },
    [RES] = { [RUN] = true, [STOP] = true },
};

typedef enum Fault {
    FAULT_NONE,
    FAULT_EINVAL,       /* rejected, old state kept */
    FAULT_EIO,          /* failed, old state kept */
    FAULT_ERROR,        /* failed, device in error */
    FAULT_READ_BACK,    /* failed, and the state cannot be read either */
    NR_FAULTS
} Fault;

static const char *const fault_names[NR_FAULTS] = {
    "none", "einval", "eio", "error", "read-back",
};

typedef struct Case {
    int from, to;
    Fault fault;
    int recover;        /* a state, or -1: reset */
    bool running;       /* the VM */
} Case;

/* Is there a path without the arc @skip_from -> @skip_to? */
static bool search(const Case *c, int from, int to, int skip_from,
                   int skip_to, unsigned visited)
{
    int next;

    for (next = 0; next < NR_STATES; next++) {
        if (!contract[from][next] || (visited & (1u << next)) ||
            (from == skip_from && next == skip_to)) {
            continue;
        }
        if (next == to) {
            return true;
        }
        /* No path leads through a data session; a paused VM must not run. */
        if (next == PRE || next == RES || (next == RUN && !c->running)) {
            continue;
        }
        if (search(c, next, to, skip_from, skip_to, visited | 1u << next)) {
            return true;
        }
    }
    return false;
}

static bool can_reach(const Case *c, int skip_from, int skip_to)
{
    return c->from == c->to ||
           search(c, c->from, c->to, skip_from, skip_to, 1u << c->from);
}

/* ---- one case ---- */

static char *case_config(const Case *c)
{
    /* Reads of device_state: one by the probe, two for each change (one before
     * it, one with the write), then the one after the failure. */
    int read_back = 1 + (c->from != RUN ? 2 : 0) + 2 + 1;
    const char *how = "";
    GString *text = g_string_new(
        "[device src]\ngroup=1\nstrictness=lenient\nstate-size=64K\n");

    switch (c->fault) {
    case FAULT_NONE:
    case NR_FAULTS:
        return g_string_free(text, FALSE);
    case FAULT_EINVAL:
        how = "errno=EINVAL";
        break;
    case FAULT_EIO:
        how = "errno=EIO";
        break;
    case FAULT_READ_BACK:
        g_string_append_printf(text, "[fault read]\nevent=state-read\n"
                               "count=%d\nerrno=ENXIO\n", read_back);
        how = "errno=EIO";
        break;
    case FAULT_ERROR:
        how = "errno=EIO\ndevice-state=error";
        break;
    }
    /* The path to c->from starts in running: the fault is for later writes. */
    g_string_append_printf(text, "[fault write]\nevent=state-write\n"
                           "from=%s\ncount=1\n%s\n", words[c->from], how);
    return g_string_free(text, FALSE);
}

/* Tell the device whether the VM runs, without calling a handler. */
static void tell(VFIODeviceMigration *mig, bool vm_running)
{
    mig->base.vm_running = vm_running;
}

/* Open device "src" of @config in a running VM. */
static VFIODeviceMigration *begin(const char *config)
{
    VFIODeviceMigration *mig;

    comp_sim(config);
    mig = vfio_mig_of(comp_open("src"));
    tell(mig, true);
    return mig;
}

/* Change the device to c->from; the fault does not fire before that. */
static VFIODeviceMigration *begin_case(const Case *c)
{
    g_autofree char *config = case_config(c);
    VFIODeviceMigration *mig;

    mig = begin(config);
    tell(mig, c->running);
    if (c->from != RUN) {
        g_assert_cmpint(vfio_mig_set_state(mig, states[c->from],
                                           VFIO_MIG_STATE_ERROR, NULL),
                        ==, 0);
    }
    comp_path_forget();
    return mig;
}

/* Returns the state that the first write requested, or -1. */
static int first_step(const char *path)
{
    const char *step = strchr(path, '>');
    int i;

    for (i = 0; step && i < NR_STATES; i++) {
        size_t len = strlen(words[i]);

        if (!strncmp(step + 1, words[i], len) &&
            strchr("!>", step[1 + len])) {
            return i;
        }
    }
    return -1;
}

static void check_message(const Case *c, const Error *err, int ret,
                          const char *path)
{
    const char *text = error_get_pretty(err);

    g_assert_true(g_str_has_prefix(text, "src: "));
    comp_assert_has(text, words[c->from]);
    comp_assert_has(text, words[c->to]);
    comp_assert_has(text, strerror(-ret));
    if (strstr(path, "reset")) {
        comp_assert_has(text, "reset");
        comp_assert_has(text, "lost");
    }
    /* The text names the state that the device is in now. */
    comp_assert_has(text, comp_state("src"));
}

static void check_done(const Case *c, const char *path)
{
    comp_assert_state("src", words[c->to]);
    g_assert_cmpuint(comp_status("src").resets, ==, 0);
    if (c->from == c->to) {
        g_assert_cmpstr(path, ==, "");
    }
}

static void check_failed(const Case *c, const char *path, bool in_error)
{
    bool reset = in_error || c->recover < 0;
    int idle = c->running ? RUN : STOP;
    Case back = { .running = c->running };

    if (!reset) {
        back.from = c->from;
        back.to = c->recover;
        reset = !can_reach(&back, -1, -1);
    }
    g_assert_cmpuint(comp_status("src").resets, ==, reset);
    comp_assert_state("src", words[reset ? idle : c->recover]);
}

static void check_paused(const Case *c, const char *path)
{
    g_autofree char *last = g_strdup(path);

    if (c->running || c->to == RUN || c->recover == RUN) {
        return;
    }
    /* With a paused VM only a reset may set the device to running. */
    g_assert_null(strstr(last, ">running"));
}

static void run_case(const Case *c)
{
    VFIODeviceMigration *mig;
    g_autofree char *path = NULL;
    Error *err = NULL;
    bool possible, fired;
    int ret;

    if (c->fault != FAULT_NONE && !can_reach(c, -1, -1)) {
        return;     /* there is no write that could fail */
    }
    mig = begin_case(c);
    g_test_message("%s -> %s, fault %s, recover %s, VM %s", words[c->from],
                   words[c->to], fault_names[c->fault],
                   c->recover < 0 ? "reset" : words[c->recover],
                   c->running ? "running" : "paused");
    ret = vfio_mig_set_state(mig, states[c->to],
                             c->recover < 0 ? VFIO_MIG_STATE_ERROR
                                            : states[c->recover], &err);
    path = comp_path("src");
    fired = c->fault != FAULT_NONE && vfio_sim_fault_fired("write") == 1;

    possible = c->fault == FAULT_NONE || !fired ||
               c->fault == FAULT_EINVAL;
    if (possible) {
        possible = can_reach(c, fired ? c->from : -1,
                             fired ? first_step(path) : -1);
    }
    g_assert_cmpint(ret == 0, ==, possible);
    g_assert_cmpint(ret == 0, ==, err == NULL);
    if (possible) {
        check_done(c, path);
    } else {
        bool in_error = fired && (c->fault == FAULT_ERROR ||
                                  c->fault == FAULT_READ_BACK);

        /* The first error is the one that is reported. */
        g_assert_cmpint(ret, ==, fired && c->fault != FAULT_EINVAL ? -EIO
                                                                   : -EINVAL);
        check_failed(c, path, in_error);
        check_message(c, err, ret, path);
    }
    check_paused(c, path);
    g_assert_cmpint(mig->base.device_state & 7, ==,
                    comp_status("src").device_state);
    if (fired && c->fault == FAULT_READ_BACK) {
        g_assert_cmpint(vfio_sim_fault_fired("read"), ==, 1);
    }
    error_free(err);
    comp_sim_end();
}

static void test_pairs(gconstpointer data)
{
    Case c = { .fault = GPOINTER_TO_INT(data) };
    int vm;

    for (c.from = 0; c.from < NR_STATES; c.from++) {
        for (c.to = 0; c.to < NR_STATES; c.to++) {
            for (vm = 0; vm < 2; vm++) {
                c.running = vm;
                c.recover = -1;
                run_case(&c);
                c.recover = vm ? RUN : STOP;
                run_case(&c);
            }
        }
    }
}

/* ---- fall-back chains ---- */

typedef struct Chain {
    const char *name;
    const char *strictness;
    int from, to;
    bool running;
    const char *path;       /* first time */
    const char *again;      /* second time: refusals are remembered */
} Chain;

static const Chain chains[] = {
    /* libvfio-user accepts a cancel only through stop or stop-copy. */
    { "cancel", "libvfio-user", PRE, RUN, true,
      "pre-copy>running!>stop-copy>running", "pre-copy>stop-copy>running" },
    { "cancel-paused", "libvfio-user", PRE, STOP, false,
      "pre-copy>stop", "pre-copy>stop" },
    { "cancel-kernel-drawn", "kernel\naccept=000>001;010>000", PRE, RUN,
      true, "pre-copy>running!>stop-copy>running!>stop>running",
      "pre-copy>stop!>stop-copy>stop>running" },
    { "save-stopped-running-vm", "libvfio-user", STOP, COPY, true,
      "stop>stop-copy!>running>stop-copy", "stop>running>stop-copy" },
    { "resume-from-stop", "libvfio-user", STOP, RES, true,
      "stop>resuming!>running>resuming", "stop>running>resuming" },
    { "leave-resuming", "libvfio-user", RES, STOP, true,
      "resuming>stop!>running>stop", "resuming>running>stop" },
};

static void go_to(VFIODeviceMigration *mig, int from)
{
    Error *err = NULL;

    if (vfio_mig_set_state(mig, states[from], VFIO_MIG_STATE_ERROR, &err)) {
        g_error("%s", error_get_pretty(err));
    }
}

static void test_chain(gconstpointer data)
{
    const Chain *chain = data;
    g_autofree char *config =
        g_strdup_printf("[device src]\ngroup=1\nstrictness=%s\n",
                        chain->strictness);
    VFIODeviceMigration *mig;

    mig = begin(config);
    go_to(mig, chain->from);
    tell(mig, chain->running);
    comp_path_forget();
    go_to(mig, chain->to);
    comp_assert_path("src", chain->path);
    g_assert_cmpuint(comp_status("src").resets, ==, 0);

    tell(mig, true);
    go_to(mig, RUN);
    go_to(mig, chain->from);
    tell(mig, chain->running);
    comp_path_forget();
    go_to(mig, chain->to);
    comp_assert_path("src", chain->again);
    g_assert_cmpstr(comp_messages(), ==, "");
    comp_sim_end();
}

/* The only path to save the stopped device leads through running. */
static void test_paused_has_no_way(void)
{
    VFIODeviceMigration *mig = begin("[device src]\ngroup=1\n"
                                     "strictness=libvfio-user\n");
    Error *err = NULL;

    tell(mig, false);
    go_to(mig, STOP);
    comp_path_forget();
    g_assert_cmpint(vfio_mig_set_state(mig, VFIO_MIG_STATE_STOP_COPY,
                                       VFIO_MIG_STATE_STOP, &err),
                    ==, -EINVAL);
    comp_assert_path("src", "stop>stop-copy!");
    comp_assert_state("src", "stop");
    g_assert_cmpuint(comp_status("src").resets, ==, 0);
    comp_assert_has(error_get_pretty(err), "src: ");
    comp_assert_has(error_get_pretty(err), strerror(EINVAL));
    error_free(err);
    comp_sim_end();
}

/* One spurious rejection must not disable the only path for good. */
static void test_refusal_by_chance(void)
{
    VFIODeviceMigration *mig = begin(
        "[device src]\ngroup=1\n"
        "[fault f]\nevent=state-write\nto=resuming\nerrno=EINVAL\n"
        "[fault g]\nevent=state-write\nfrom=stop\nto=resuming\n"
        "errno=EINVAL\n");

    g_assert_cmpint(vfio_mig_set_state(mig, VFIO_MIG_STATE_RESUMING,
                                       VFIO_MIG_STATE_RUNNING, NULL),
                    ==, -EINVAL);
    g_assert_cmpint(vfio_sim_fault_fired("f"), ==, 1);
    g_assert_cmpint(vfio_sim_fault_fired("g"), ==, 1);
    go_to(mig, RUN);
    comp_path_forget();
    go_to(mig, RES);
    comp_assert_path("src", "running>resuming");
    comp_sim_end();
}

/* ---- recovery ---- */

static void test_reset_fails_too(void)
{
    VFIODeviceMigration *mig = begin(
        "[device src]\ngroup=1\n"
        "[fault w]\nevent=state-write\nerrno=EIO\ndevice-state=error\n"
        "[fault r]\nevent=reset\nerrno=EBUSY\n");
    Error *err = NULL;

    g_assert_cmpint(vfio_mig_set_state(mig, VFIO_MIG_STATE_PRE_COPY,
                                       VFIO_MIG_STATE_RUNNING, &err),
                    ==, -EIO);
    g_assert_cmpint(vfio_sim_fault_fired("r"), ==, 1);
    g_assert_cmpint(mig->state, ==, VFIO_MIG_STATE_ERROR);
    comp_assert_has(error_get_pretty(err), strerror(EIO));
    comp_assert_has(error_get_pretty(err), strerror(EBUSY));
    comp_assert_has(error_get_pretty(err), "error");
    error_free(err);

    /* The next attempt resets it, which succeeds. */
    err = NULL;
    g_assert_cmpint(vfio_mig_set_state(mig, VFIO_MIG_STATE_RUNNING,
                                       VFIO_MIG_STATE_ERROR, &err), <, 0);
    comp_assert_state("src", "running");
    error_free(err);
    comp_sim_end();
}

/* The device is still in error after its reset. */
static void test_reset_in_vain(void)
{
    VFIODeviceMigration *mig;
    Error *err = NULL;

    comp_sim("[device src]\ngroup=1\n"
             "[fault s]\nevent=state-read\ncount=5\nvalue=0\n"
             "[fault w]\nevent=state-write\nerrno=EIO\ndevice-state=error\n");
    mig = vfio_mig_of(comp_open("src"));
    tell(mig, true);
    g_assert_cmpint(vfio_mig_set_state(mig, VFIO_MIG_STATE_PRE_COPY,
                                       VFIO_MIG_STATE_RUNNING, &err),
                    ==, -EIO);
    g_assert_cmpint(mig->state, ==, VFIO_MIG_STATE_ERROR);
    comp_assert_has(error_get_pretty(err), "unplug it, or restart the VM");
    error_free(err);
    comp_sim_end();
}

/* The first of two failures is reported: the second is its consequence. */
static void test_first_failure(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autofree char *last = NULL;
    VFIODevice *vbasedev;

    comp_sim("[device src]\ngroup=1\nstate-size=64K\n"
             "[fault f]\nevent=state-write\nto=stop-copy\nerrno=EIO\n"
             "[fault g]\nevent=state-write\nto=running\nerrno=EIO\n");
    vbasedev = comp_open("src");
    vfio_host_vm_start();
    g_assert_cmpint(comp_save(bytes, NULL, NULL), ==, -EIO);
    g_assert_cmpint(vfio_sim_fault_fired("g"), ==, 1);
    last = comp_property_str(vbasedev, "last-error");
    comp_assert_has(last, "from pre-copy to stop-copy");
    comp_sim_end();
}

/* If the function cannot be reset, or that fails, its bus is reset. */
typedef struct HotReset {
    const char *name;
    const char *keys;           /* of the device, and rules */
    const char *path;           /* after the failed state */
    const char *text;           /* of the error; NULL: it was reset */
} HotReset;

static const HotReset hot_resets[] = {
    { "neither", "reset=no\n", NULL, "unplug it, or restart the VM" },
    { "absent", "reset=no\nhot-reset=alone\n", "hot-reset", NULL },
    { "fails", "hot-reset=alone\n[fault r]\nevent=reset\nerrno=EBUSY\n",
      "reset!>hot-reset", NULL },
    { "works", "hot-reset=alone\n", "reset", NULL },
    { "shared", "reset=no\nhot-reset=shared\n", NULL,
      "Device or resource busy" },
    { "shared-and-fails",
      "hot-reset=shared\n[fault r]\nevent=reset\nerrno=EPERM\n",
      "reset!", "Operation not permitted" },
    { "no-info", "reset=no\nhot-reset=alone\n"
      "[fault r]\nevent=hot-reset-info\nerrno=ENODEV\n", NULL,
      "No such device" },
    { "hot-fails", "reset=no\nhot-reset=alone\n"
      "[fault r]\nevent=hot-reset\nerrno=EPERM\n", "hot-reset!",
      "Operation not permitted" },
    { "both-fail", "hot-reset=alone\n[fault r]\nevent=reset\nerrno=EBUSY\n"
      "[fault h]\nevent=hot-reset\nerrno=EPERM\n", "reset!>hot-reset!",
      "Device or resource busy" },
};

static void test_hot_reset(gconstpointer opaque)
{
    const HotReset *h = opaque;
    g_autofree char *config =
        g_strdup_printf("[device src]\ngroup=1\n%s"
                        "[fault w]\nevent=state-write\nerrno=EIO\n"
                        "device-state=error\n", h->keys);
    g_autofree char *want = g_strconcat("running>pre-copy!",
                                        h->path ? ">" : "", h->path, NULL);
    VFIODeviceMigration *mig = begin(config);
    Error *err = NULL;

    vfio_host_config_write(vfio_mig_dev(mig), PCI_COMMAND, 0x0006, 2);
    comp_path_forget();
    g_assert_cmpint(vfio_mig_set_state(mig, VFIO_MIG_STATE_PRE_COPY,
                                       VFIO_MIG_STATE_RUNNING, &err),
                    ==, -EIO);
    comp_assert_path("src", want);
    comp_assert_has(error_get_pretty(err), h->text ?: "was reset");
    comp_assert_state("src", h->text ? "error" : "running");
    g_assert_cmpint(mig->state, ==, h->text ? VFIO_MIG_STATE_ERROR
                                            : VFIO_MIG_STATE_RUNNING);
    g_assert_cmpuint(comp_status("src").resets, ==, h->text ? 0 : 1);
    g_assert_cmpuint(comp_status("src").command, ==, 0x0006);
    error_free(err);
    comp_sim_end();
}

/* In a stopped VM, bus mastering is restored only once the device stopped. */
static void test_reset_stops_first(void)
{
    VFIODeviceMigration *mig = begin(
        "[device src]\ngroup=1\n"
        "[fault w]\nevent=state-write\nto=stop\nerrno=EIO\n"
        "device-state=error\n"
        "[fault c]\nevent=config-write\nstate=running\ncount=2\n"
        "errno=EIO\n");

    vfio_host_config_write(vfio_mig_dev(mig), PCI_COMMAND, 0x0006, 2);
    tell(mig, false);
    comp_path_forget();
    g_assert_cmpint(vfio_mig_set_state(mig, VFIO_MIG_STATE_STOP,
                                       VFIO_MIG_STATE_STOP, NULL), ==, -EIO);
    g_assert_cmpint(mig->state, ==, VFIO_MIG_STATE_STOP);
    g_assert_cmpuint(comp_transcript_count("config-write"), ==, 1);
    g_assert_cmpuint(comp_transcript_count("fault name=c"), ==, 0);
    g_assert_cmpuint(comp_status("src").command, ==, 0x0006);
    comp_sim_end();
}

/* Bits 3 to 31 keep the driver's value. */
static void test_reserved_bits(void)
{
    VFIODeviceMigration *mig = begin("[device src]\ngroup=1\n"
                                     "reserved-bits=0xabcd0010\n");
    int i;

    for (i = 0; i < NR_STATES; i++) {
        go_to(mig, i);
        g_assert_cmphex(mig->base.device_state & ~7u, ==, 0xabcd0010);
    }
    comp_sim_end();     /* checks for violations */
}

int main(int argc, char **argv)
{
    size_t i;

    comp_init(&argc, &argv);
    for (i = 0; i < NR_FAULTS; i++) {
        g_autofree char *path = g_strconcat("/transitions/pairs/",
                                            fault_names[i], NULL);

        g_test_add_data_func(path, GINT_TO_POINTER(i), test_pairs);
    }
    ADD_ROWS("/transitions/chain/", chains, test_chain);
    g_test_add_func("/transitions/paused-has-no-way", test_paused_has_no_way);
    g_test_add_func("/transitions/refusal-by-chance", test_refusal_by_chance);
    g_test_add_func("/transitions/first-failure", test_first_failure);
    g_test_add_func("/transitions/reset/fails-too", test_reset_fails_too);
    g_test_add_func("/transitions/reset/in-vain", test_reset_in_vain);
    ADD_ROWS("/transitions/hot-reset/", hot_resets, test_hot_reset);
    g_test_add_func("/transitions/reset/stops-first", test_reset_stops_first);
    g_test_add_func("/transitions/reserved-bits", test_reserved_bits);
    return comp_run();
}
