/*
 * VM life cycle beyond the table of VM events
 *
 * Owns: functions of a slot that are plugged and unplugged for many rounds; how
 * long stop and start of the VM wait, depending on the duration of a chunk; a
 * guest that sleeps on a host that cannot track dirty pages; quitting QEMU
 * while the device is slow; snapshots with capabilities that only concern
 * migrations.
 * Does not own: one event at one status (vfio-vm-event-test.c).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "vfio-test.h"

#include <string.h>
#include <sys/wait.h>

#include "snapshot-helpers.h"
#include "vm-event-guest.h"

/* ---- plugging and unplugging two functions ---- */

static unsigned count_words(const char *text, const char *words)
{
    unsigned n = 0;

    for (const char *at = text; (at = strstr(at, words)); at++) {
        n++;
    }
    return n;
}

static char *trace_path(VFIOSide *side)
{
    return g_build_filename(side->dir, "trace", NULL);
}

static void add_two_functions(VFIOSide *side)
{
    g_autofree char *addr = g_strdup_printf("addr=%x.1", MACHINE_FIRST_SLOT);
    g_autofree char *trace = trace_path(side);

    side->device_props = ",multifunction=on";
    vfio_side_add_spare(side);
    vfio_side_place(side, "dev1", addr);
    g_string_append_printf(side->args, " -trace vfio_dirty_query -D %s",
                           trace);
}

static void plug_function(VFIOSide *side, unsigned function, bool multi)
{
    g_autofree char *device = g_strdup_printf("dev%u", function);
    g_autofree char *dir = vfio_side_sysfs(side, device);
    g_autofree char *addr = g_strdup_printf("%x.%u", MACHINE_FIRST_SLOT,
                                            function);

    qtest_qmp_assert_success(side->qts, "{'execute': 'device_add', "
                             "'arguments': {'driver': 'vfio-pci', 'id': %s, "
                             "'sysfsdev': %s, 'addr': %s, 'multifunction': "
                             "%i}}", device, dir, addr, multi);
}

/* One eject removes both; QEMU closes their container later. */
static void eject_both(VFIOSide *side, unsigned round)
{
    int64_t end_us = g_get_monotonic_time() + QTEST_WAIT_US;
    unsigned closed;

    machine_eject(side->qts, MACHINE_FIRST_SLOT);
    qtest_qmp_eventwait(side->qts, "DEVICE_DELETED");
    qtest_qmp_eventwait(side->qts, "DEVICE_DELETED");
    do {
        g_autofree char *transcript = vfio_side_transcript(side);

        g_assert_cmpint(g_get_monotonic_time(), <, end_us);
        g_usleep(2000);
        closed = count_words(transcript, "container close");
    } while (closed < round);
}

/* Each opened container has been asked for its tracking capability. */
static void expect_tracked(VFIOSide *side, unsigned containers)
{
    g_autofree char *transcript = vfio_side_transcript(side);
    g_autofree char *path = trace_path(side);
    g_autofree char *trace = NULL;

    g_assert_true(g_file_get_contents(path, &trace, NULL, NULL));
    g_assert_cmpuint(count_words(transcript, "container open"), ==,
                     containers);
    g_assert_cmpuint(count_words(trace, "vfio_dirty_query"), ==, containers);
}

static void test_two_functions(const void *opaque)
{
    unsigned rounds = GPOINTER_TO_UINT(opaque);
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);
    VFIOSide *src = pair->src;

    add_two_functions(src);
    vfio_side_start(src);
    for (unsigned i = 1; i <= rounds; i++) {
        eject_both(src, i);
        if (i < rounds) {
            plug_function(src, 1, false);
        }
        plug_function(src, 0, i < rounds);
        vfio_side_program(src);
    }
    expect_tracked(src, rounds + 1);
    vfio_side_start(pair->dst);
    vfio_pair_migrate(pair);
    vfio_pair_free(pair);
}

/* ---- how long stop and start of the VM wait ---- */


typedef struct Wait {
    const char *name;
    unsigned chunk_us;
} Wait;

static const Wait waits[] = {
    { "500us", 500 }, { "20ms", 20 * 1000 }, { "90ms", 90 * 1000 },
    { "400ms", 400 * 1000 }, { "4s", 4 * 1000 * 1000 },
};

#define WAIT_CHUNK_BYTES UINT64_C(49152) /* as set by sim-helpers.c */

/* QEMU may refuse 'cont' once the device has stopped; that counts, too */
static int64_t took_us(QTestState *qts, const char *command)
{
    int64_t start_us = g_get_monotonic_time();

    qobject_unref(qtest_qmp(qts, "{'execute': %s}", command));
    return g_get_monotonic_time() - start_us;
}

static void test_wait(const void *opaque)
{
    const Wait *w = opaque;
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);
    QTestState *qts;
    int64_t idle_us, stop_us, cont_us;

    vfio_pair_much_precopy(pair);
    vfio_pair_set(pair, "state-size", "64M");
    vfio_side_set(pair->src, "dev0", "save-rate", "%u", (unsigned)
                  (WAIT_CHUNK_BYTES * G_USEC_PER_SEC / w->chunk_us));
    vfio_pair_start(pair);
    qts = pair->src->qts;
    migrate_set_parameter_int(qts, "downtime-limit", 1);
    /* The device of a paused VM is read at the end, with the BQL held. */
    migrate_set_capability(qts, "pause-before-switchover", true);
    vfio_pair_begin(pair);
    vfio_side_expect_state(pair->src, "dev0", "pre-copy");
    vfio_wait_transcript(pair->src, "data-offset-read");
    idle_us = took_us(qts, "query-status");
    stop_us = took_us(qts, "stop") - idle_us;
    idle_us = took_us(qts, "query-status");
    cont_us = took_us(qts, "cont") - idle_us;
    g_test_message("chunks of %u us: stop %" G_GINT64_FORMAT " us, cont %"
                   G_GINT64_FORMAT " us", w->chunk_us, stop_us, cont_us);
    /* A tighter bound would fail on a busy machine */
    if (w->chunk_us > G_USEC_PER_SEC) {
        g_assert_cmpint(stop_us, <, w->chunk_us / 2);
        g_assert_cmpint(cont_us, <, w->chunk_us / 2);
    }
    vfio_side_kill(pair->dst);
    vfio_side_kill(pair->src);
    vfio_pair_free(pair);
}

/* ---- a sleeping guest, all of whose memory may be dirty ---- */

static VFIOPair *sleeping_pair(void)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    vfio_side_container(pair->src, "dirty-tracking", "no");
    vfio_pair_start(pair);
    guest_sleep(pair->src);
    migrate_wait_run_state(pair->src->qts, "suspended");
    return pair;
}

/* The end of the migration wakes the guest. */
static void test_sleeps_on(void)
{
    VFIOPair *pair = sleeping_pair();

    pair->src->reset = RESET_AROUND;
    vfio_pair_migrate(pair);
    vfio_pair_free(pair);
}

static void test_woken_up(void)
{
    VFIOPair *pair = sleeping_pair();
    QTestState *qts = pair->src->qts;

    migrate_set_parameter_int(qts, "max-bandwidth", MIGRATE_SLOW);
    vfio_pair_begin(pair);
    vfio_side_expect_state(pair->src, "dev0", "pre-copy");
    qtest_qmp_assert_success(qts, "{'execute': 'system_wakeup'}");
    qtest_qmp_eventwait(qts, "WAKEUP");
    vfio_side_program(pair->src);
    g_usleep(100 * 1000);               /* the device writes to memory */
    migrate_let_go(qts);
    vfio_pair_finish(pair);
    vfio_pair_check(pair);
    vfio_pair_free(pair);
}

/* ---- quitting QEMU while the device is slow ---- */

static void test_quit(const void *fault)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);
    int status = -1;

    vfio_pair_much_precopy(pair);
    vfio_side_set(pair->src, "dev0", "areas", "none");
    vfio_side_fault(pair->src, "hold", fault);
    vfio_pair_start(pair);
    migrate_stay_in_precopy(pair->src->qts);
    vfio_pair_begin(pair);
    vfio_wait_transcript(pair->src, "fault name=hold");
    qtest_qmp_assert_success(pair->src->qts, "{'execute': 'quit'}");
    g_assert_true(qtest_wait_exit(pair->src->qts, QTEST_WAIT_MS, &status));
    g_assert_cmpint(status, ==, 0);
    vfio_expect_load_failed(pair->dst, "");
    vfio_side_kill(pair->src);
    vfio_side_kill(pair->dst);
    vfio_pair_free(pair);
}

/* ---- snapshots with capabilities of migrations ---- */

/* QEMU itself saves and loads such a VM: savevm has no destination. */
static void test_savevm_capability(const void *capability)
{
    VFIOSide *side = vfio_side_new("source", SIDE_ATTACHED);
    g_autofree char *saved = NULL, *loaded = NULL;

    snapshot_add_disk(side);
    vfio_side_start(side);
    migrate_set_capability(side->qts, capability, true);
    snapshot_do(side, "savevm");
    vfio_side_expect_state(side, "dev0", "running");
    snapshot_do(side, "loadvm");
    vfio_side_expect_state(side, "dev0", "running");
    saved = vfio_side_status_str(side, "dev0", "saved-digest");
    loaded = vfio_side_status_str(side, "dev0", "loaded-digest");
    g_assert_cmpstr(saved, !=, "");
    g_assert_cmpstr(saved, ==, loaded);
    vfio_expect_clean(side);
    vfio_side_free(side);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_data_case("vfio/vm-life/two-functions/once",
                        GUINT_TO_POINTER(1), test_two_functions);
    qtest_add_data_case("vfio/vm-life/two-functions/rounds",
                        GUINT_TO_POINTER(12), test_two_functions);
    for (unsigned i = 0; i < G_N_ELEMENTS(waits); i++) {
        g_autofree char *name = g_strconcat("vfio/vm-life/wait/",
                                            waits[i].name, NULL);

        qtest_add_data_case(name, &waits[i], test_wait);
    }
    qtest_add_case("vfio/vm-life/untracked/sleeps-on", test_sleeps_on);
    qtest_add_case("vfio/vm-life/untracked/woken-up", test_woken_up);
    qtest_add_data_case("vfio/vm-life/quit/long-chunk",
                        "event=data-read;count=2;delay-ms=3000", test_quit);
    qtest_add_data_case("vfio/vm-life/quit/long-setup",
                        "event=state-write;to=pre-copy;delay-ms=3000",
                        test_quit);
    qtest_add_data_case("vfio/vm-life/savevm/postcopy-ram", "postcopy-ram",
                        test_savevm_capability);
    qtest_add_data_case("vfio/vm-life/savevm/background-snapshot",
                        "background-snapshot", test_savevm_capability);
    return g_test_run();
}
