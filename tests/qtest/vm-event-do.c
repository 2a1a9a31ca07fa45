/*
 * VM events
 *
 * Owns: what each event needs of a machine and before the migration, and how it
 * is triggered; see vm-event.h.
 * Does not own: the guest's register accesses (vm-event-guest.c).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "vm-event.h"

#include <string.h>

#include "failover-helpers.h"
#include "monitor-helpers.h"
#include "snapshot-helpers.h"
#include "vm-event-guest.h"

/*
 * A VM state handler waits up to 50 ms for a chunk, longer on a busy machine.
 * Waiting for the end of the chunk would take what is left of 400 ms.
 */
#define HANDLER_MS 250

/* One event; each step may be NULL. */
typedef struct Deed {
    const char *name;
    void (*build)(VMScene *scene, VFIOSide *side);
    void (*before)(VMScene *scene);
    void (*act)(VMScene *scene);
} Deed;

/* ---- commands ---- */

/* Run a command; an error is kept for comparison with the table. */
static void command(VMScene *scene, const char *json)
{
    QDict *answer = qtest_qmp(scene->where->qts, json, NULL);
    QDict *error = qdict_get_qdict(answer, "error");

    g_free(scene->answer);
    scene->answer = g_strdup(error ? qdict_get_str(error, "desc") : "");
    qobject_unref(answer);
}

static bool in_chunk(VMScene *scene)
{
    return scene->cell->status == IN_CHUNK;
}

/* The same, for a command that waits for VM state handlers. */
static void timed_command(VMScene *scene, const char *json)
{
    int64_t start_us = g_get_monotonic_time(), query_us, took_us;

    g_free(migrate_run_state(scene->where->qts));
    query_us = g_get_monotonic_time() - start_us;
    command(scene, json);
    took_us = g_get_monotonic_time() - start_us - 2 * query_us;
    if (in_chunk(scene) && !scene->builtin && took_us > HANDLER_MS * 1000) {
        vfio_side_fail(scene->where, "%s took %" G_GINT64_FORMAT " us while "
                       "a chunk was read", json, took_us);
    }
}

static void stop(VMScene *scene)
{
    timed_command(scene, "{'execute': 'stop'}");
}

static void cont(VMScene *scene)
{
    timed_command(scene, "{'execute': 'cont'}");
}

static void do_stop(VMScene *scene)
{
    stop(scene);
}

static void before_cont(VMScene *scene)
{
    VMStatus status = scene->cell->status;

    if (status < AT_CANCELLING || status == AT_FAILED) {
        stop(scene);
        scene->pair->src->paused = true;
    }
}

static void do_cont(VMScene *scene)
{
    if (scene->cell->status == AT_CANCELLING) {
        stop(scene);
        migrate_cancel(scene->where->qts);
        wait_for_migration_status(scene->where->qts, "cancelling", NULL);
    }
    cont(scene);
    scene->pair->src->paused = false;
}

static void do_stop_cont(VMScene *scene)
{
    stop(scene);
    cont(scene);
}

static void do_quit(VMScene *scene)
{
    command(scene, "{'execute': 'quit'}");
}

static void do_powerdown(VMScene *scene)
{
    command(scene, "{'execute': 'system_powerdown'}");
    qtest_qmp_eventwait(scene->where->qts, "POWERDOWN");
}

static void do_cancel(VMScene *scene)
{
    command(scene, "{'execute': 'migrate_cancel'}");
}

/* ---- resets ---- */

/* The guest's drivers program their devices again, if a guest runs. */
static void guest_comes_up(VMScene *scene)
{
    VMStatus status = scene->cell->status;

    if (status == AT_WAIT_UNPLUG) {
        failover_guest_up(scene->where);
    }
    if (status < AT_SWITCHOVER || status == AT_CANCELLING ||
        status == AT_FAILED || scene->cell->event == EV_WAKE) {
        vfio_side_program(scene->where);
    }
}

static void do_reset(VMScene *scene)
{
    if (scene->cell->status == AT_LOADING) {
        /* It makes the load fail, and QEMU may exit before it answers. */
        QDict *answer = qtest_qmp_timeout(scene->where->qts, QTEST_WAIT_MS,
                                          "{'execute': 'system_reset'}");

        if (answer) {
            qobject_unref(answer);
        }
        return;
    }
    command(scene, "{'execute': 'system_reset'}");
    qtest_qmp_eventwait(scene->where->qts, "RESET");
    guest_comes_up(scene);
}

static void build_flr(VMScene *scene, VFIOSide *side)
{
    vfio_side_set(side, "dev0", "flr", "yes");
}

static void do_flr(VMScene *scene)
{
    guest_flr(scene->where->qts, MACHINE_FIRST_SLOT);
    vfio_side_program(scene->where);
}

static void do_sleep(VMScene *scene)
{
    guest_sleep(scene->where);
    qtest_qmp_eventwait(scene->where->qts, "SUSPEND");
}

/*
 * A device gives no data while its guest sleeps, and a failed migration has
 * woken the guest: in these cases it falls asleep just before the wake-up.
 */
static bool sleeps_before(const VMScene *scene)
{
    return scene->cell->status != IN_CHUNK &&
           scene->cell->status != AT_CHUNKS &&
           scene->cell->status != AT_CANCELLING &&
           scene->cell->status != AT_FAILED;
}

static void prepare_wake(VMScene *scene)
{
    if (sleeps_before(scene)) {
        do_sleep(scene);
    }
}

/* A guest that does not run lets no device write to its memory. */
static void build_wake(VMScene *scene, VFIOSide *side)
{
    if (scene->cell->status == AT_SWITCHOVER) {
        vfio_side_set(side, "dev0", "dma-rate", "0");
    }
}

static void do_wake(VMScene *scene)
{
    if (!sleeps_before(scene)) {
        do_sleep(scene);
    }
    /* On the way to pre-switchover QEMU itself wakes the guest. */
    if (scene->cell->status != AT_SWITCHOVER) {
        command(scene, "{'execute': 'system_wakeup'}");
    }
    qtest_qmp_eventwait(scene->where->qts, "WAKEUP");
    guest_comes_up(scene);
}

bool vm_event_resets(const VMScene *scene)
{
    VMEvent event = scene->cell->event;

    return event == EV_RESET || event == EV_SLEEP || event == EV_WAKE ||
           event == EV_FLR;
}

/* ---- plugging and unplugging devices ---- */

static bool has_ports(VMScene *scene)
{
    return scene->cell->status == AT_WAIT_UNPLUG;
}

static void build_eject(VMScene *scene, VFIOSide *side)
{
    if (has_ports(scene)) {
        failover_add_port(side);
    }
    if (scene->gone) {
        vfio_side_drop_devices(side);
    } else if (has_ports(scene)) {
        g_ptr_array_set_size(side->devices, 0);
        vfio_side_place(side, "dev0", "bus=rp1");
    }
}

static void build_functions(VMScene *scene, VFIOSide *side)
{
    build_eject(scene, side);
    if (scene->gone) {
        return;
    }
    if (has_ports(scene)) {
        g_ptr_array_add(side->devices, g_strdup("dev0"));
        vfio_side_add_spare(side);
        g_ptr_array_set_size(side->devices, 0);
        g_string_append(side->args, ",addr=0.0,multifunction=on");
        vfio_side_place(side, "dev1", "bus=rp1,addr=0.1");
    } else {
        g_autofree char *addr = g_strdup_printf("addr=%x.1",
                                                MACHINE_FIRST_SLOT);

        vfio_side_add_spare(side);
        side->device_props = ",multifunction=on";
        vfio_side_place(side, "dev1", addr);
    }
}

static void build_other(VMScene *scene, VFIOSide *side)
{
    if (has_ports(scene)) {
        failover_add_port(side);
    }
    if (scene->gone) {
        return;
    }
    if (has_ports(scene)) {
        vfio_side_add_spare(side);
        vfio_side_place(side, "dev1", "bus=rp1");
    } else {
        vfio_side_add_device(side);
        side->multi = true;
    }
}

static void build_dimm(VMScene *scene, VFIOSide *side)
{
    g_string_append_printf(side->args, " -m %uM,slots=2,maxmem=1G",
                           side->ram_mib);
    if (!scene->gone) {
        g_string_append(side->args, " -object memory-backend-ram,id=plug,"
                        "size=16M -device pc-dimm,id=dimm0,memdev=plug");
    }
}

void vm_event_wait_gone(VMScene *scene)
{
    for (; scene->leaving; scene->leaving--) {
        qtest_qmp_eventwait(scene->where->qts, "DEVICE_DELETED");
    }
}

/* One eject removes all functions of a slot. */
static void eject(VMScene *scene, unsigned slot, unsigned devices)
{
    if (has_ports(scene)) {
        failover_eject_port(scene->where);
    } else {
        machine_eject(scene->where->qts, slot);
    }
    scene->leaving = devices;
    if (scene->cell->status == AT_NONE) {
        vm_event_wait_gone(scene);
    }
    scene->gone = true;
}

static void do_eject(VMScene *scene)
{
    eject(scene, MACHINE_FIRST_SLOT, 1);
    vfio_side_drop_devices(scene->where);
}

static void build_del(VMScene *scene, VFIOSide *side)
{
    if (has_ports(scene)) {
        build_other(scene, side);
    }
}

/* On a machine with ports, only a device behind a port can be unplugged. */
static void do_device_del(VMScene *scene)
{
    bool behind = has_ports(scene) && scene->cell->event == EV_DEVICE_DEL;

    command(scene, behind ?
            "{'execute': 'device_del', 'arguments': {'id': 'dev1'}}" :
            "{'execute': 'device_del', 'arguments': {'id': 'dev0'}}");
}

static void do_functions(VMScene *scene)
{
    eject(scene, MACHINE_FIRST_SLOT, 2);
    vfio_side_drop_devices(scene->where);
}

static void do_other(VMScene *scene)
{
    eject(scene, MACHINE_FIRST_SLOT + 1, 1);
    g_ptr_array_set_size(scene->where->devices, 1);
}

static void do_dimm(VMScene *scene)
{
    guest_eject_dimm(scene->where->qts);
    scene->leaving = 1;
    vm_event_wait_gone(scene);
    scene->gone = true;
}

static void build_add(VMScene *scene, VFIOSide *side)
{
    vfio_side_add_spare(side);
    if (has_ports(scene)) {
        failover_add_port(side);
    }
    if (scene->added && side->incoming) {
        g_ptr_array_add(side->devices, g_strdup("dev1"));
    } else {
        g_free(vfio_side_sysfs(side, "dev1"));
    }
}

static void do_add(VMScene *scene)
{
    VFIOSide *side = scene->where;
    g_autofree char *dir = vfio_side_sysfs(side, "dev1");
    g_autofree char *json = g_strdup_printf(
        "{'execute': 'device_add', 'arguments': {'driver': 'vfio-pci', "
        "'id': 'dev1', 'sysfsdev': '%s', 'bus': '%s', 'addr': '%x.0'}}", dir,
        has_ports(scene) ? "rp1" : "pci.0",
        has_ports(scene) ? 0 : MACHINE_FIRST_SLOT + 1);

    command(scene, json);
    scene->added = !*scene->answer;
    if (scene->added && !side->incoming) {
        g_ptr_array_add(side->devices, g_strdup("dev1"));
        guest_comes_up(scene);
    }
}

/* ---- errors of the guest and of a disk ---- */

static void build_panic(VMScene *scene, VFIOSide *side)
{
    g_string_append(side->args, " -device pvpanic -action panic=pause");
}

static void do_panic(VMScene *scene)
{
    guest_panic(scene->where->qts);
}

static void build_disk(VMScene *scene, VFIOSide *side)
{
    guest_add_disk(side, side == scene->pair->src);
}

static void do_io_error(VMScene *scene)
{
    guest_write_disk(scene->where->qts);
    qtest_qmp_eventwait(scene->where->qts, "BLOCK_IO_ERROR");
}

/* ---- commands that stop the VM, or read all of its state ---- */

static void build_savevm(VMScene *scene, VFIOSide *side)
{
    if (side == scene->where) {
        snapshot_add_disk(side);
    }
}

static void do_savevm(VMScene *scene)
{
    scene->answer = qtest_hmp(scene->where->qts, "savevm one");
}

static void do_dump(VMScene *scene)
{
    g_autofree char *json = g_strdup_printf(
        "{'execute': 'dump-guest-memory', 'arguments': {'paging': false, "
        "'protocol': 'file:%s/dump'}}", scene->where->dir);

    command(scene, json);
}

static bool is_measuring(QTestState *qts)
{
    QDict *info = qtest_qmp_assert_success_ref(
        qts, "{'execute': 'query-dirty-rate'}");
    bool measuring = !strcmp(qdict_get_str(info, "status"), "measuring");

    qobject_unref(info);
    return measuring;
}

/*
 * Uses samples: with dirty bits, QEMU 7.2 hangs if the machine runs on TCG,
 * whatever its devices.
 */
static void do_dirty_rate(VMScene *scene)
{
    command(scene, "{'execute': 'calc-dirty-rate', 'arguments': "
            "{'calc-time': 1}}");
    while (is_measuring(scene->where->qts)) {
        g_usleep(20 * 1000);
    }
}

/* ---- migrations and monitors ---- */

/*
 * Like the fastest management software: repeat the command until the first
 * migration has failed and QEMU accepts the next one.
 */
static void hammer(VMScene *scene)
{
    VFIOSide *src = scene->where, *first = scene->pair->dst;
    int64_t end_us = g_get_monotonic_time() + QTEST_WAIT_US;
    g_autofree char *json = NULL;

    scene->pair->dst = NULL;
    vm_scene_next_destination(scene);
    json = g_strdup_printf("{'execute': 'migrate', 'arguments': {'uri': "
                           "'%s'}}", scene->pair->dst->incoming);
    vm_status_clear(scene);
    migrate_qmp(src->qts, first->incoming, "{}");
    do {
        g_assert_cmpint(g_get_monotonic_time(), <, end_us);
        command(scene, json);
    } while (*scene->answer);
    scene->again = true;
    vfio_expect_fired(src, "hold");
    vfio_side_kill(first);
    vfio_side_free(first);
}

static void do_migrate_again(VMScene *scene)
{
    if (scene->cell->status == AT_FAILED) {
        hammer(scene);
        return;
    }
    if (scene->cell->status == AT_COMPLETED) {
        /* Before that, QEMU 7.2 accepts it, and loses track of a thread. */
        migrate_wait_run_state(scene->where->qts, "postmigrate");
    }
    command(scene, "{'execute': 'migrate', 'arguments': {'uri': "
            "'unix:/nowhere'}}");
}

static char *second_monitor(VFIOSide *side)
{
    return g_build_filename(side->dir, "second", NULL);
}

static void build_monitor(VMScene *scene, VFIOSide *side)
{
    g_autofree char *path = second_monitor(side);
    g_autofree char *args = monitor_args(path);

    g_string_append(side->args, args);
}

static void do_queries(VMScene *scene)
{
    static const char *const questions[] = {
        "{'execute': 'query-migrate'}",
        "{'execute': 'query-status'}",
        "{'execute': 'query-migrate-parameters'}",
        "{'execute': 'human-monitor-command', 'arguments': {'command-line': "
        "'info migrate'}}",
        "{'execute': 'qom-get', 'arguments': {'path': "
        "'/machine/peripheral/dev0', 'property': 'vfio-migration'}}",
    };
    g_autofree char *path = second_monitor(scene->where);
    unsigned n = G_N_ELEMENTS(questions) - scene->builtin;

    for (unsigned i = 0; i < n; i++) {
        QDict *answer = monitor_ask(path, questions[i]);

        if (!qdict_haskey(answer, "return")) {
            vfio_side_fail(scene->where, "no answer to %s", questions[i]);
        }
        qobject_unref(answer);
    }
}

static void do_monitor_cancel(VMScene *scene)
{
    g_autofree char *path = second_monitor(scene->where);
    QDict *answer = monitor_ask(path, "{'execute': 'migrate_cancel'}");

    g_assert_true(qdict_haskey(answer, "return"));
    qobject_unref(answer);
}

/* ---- list of events ---- */

static const Deed deeds[NUM_EVENTS] = {
    [EV_STOP] = { "stop", NULL, NULL, do_stop },
    [EV_CONT] = { "cont", NULL, before_cont, do_cont },
    [EV_STOP_CONT] = { "stop-and-cont", NULL, NULL, do_stop_cont },
    [EV_RESET] = { "system-reset", NULL, NULL, do_reset },
    [EV_FLR] = { "flr", build_flr, NULL, do_flr },
    [EV_SLEEP] = { "s3", NULL, NULL, do_sleep },
    [EV_WAKE] = { "s3-wake-up", build_wake, prepare_wake, do_wake },
    [EV_EJECT] = { "eject", build_eject, NULL, do_eject },
    [EV_DEL_EJECT] = { "device-del-before", build_eject, do_device_del,
                       do_eject },
    [EV_EJECT_FUNCTIONS] = { "eject-two-functions", build_functions, NULL,
                             do_functions },
    [EV_EJECT_OTHER] = { "eject-other", build_other, NULL, do_other },
    [EV_EJECT_DIMM] = { "eject-dimm", build_dimm, NULL, do_dimm },
    [EV_DEVICE_DEL] = { "device-del", build_del, NULL, do_device_del },
    [EV_DEVICE_ADD] = { "device-add", build_add, NULL, do_add },
    [EV_QUIT] = { "quit", NULL, NULL, do_quit },
    [EV_POWERDOWN] = { "powerdown", NULL, NULL, do_powerdown },
    [EV_PANIC] = { "guest-panic", build_panic, NULL, do_panic },
    [EV_IO_ERROR] = { "io-error", build_disk, NULL, do_io_error },
    [EV_SAVEVM] = { "savevm", build_savevm, NULL, do_savevm },
    [EV_DUMP] = { "dump-guest-memory", NULL, NULL, do_dump },
    [EV_DIRTY_RATE] = { "calc-dirty-rate", NULL, NULL, do_dirty_rate },
    [EV_CANCEL] = { "migrate-cancel", NULL, NULL, do_cancel },
    [EV_MIGRATE_AGAIN] = { "migrate-again", NULL, NULL, do_migrate_again },
    [EV_MONITOR_QUERIES] = { "second-monitor-queries", build_monitor, NULL,
                             do_queries },
    [EV_MONITOR_CANCEL] = { "second-monitor-cancels", build_monitor, NULL,
                            do_monitor_cancel },
};

const char *vm_event_name(VMEvent event)
{
    return deeds[event].name;
}

void vm_event_build(VMScene *scene, VFIOSide *side)
{
    const Deed *deed = &deeds[scene->cell->event];

    if (deed->build) {
        deed->build(scene, side);
    }
}

void vm_event_before(VMScene *scene)
{
    const Deed *deed = &deeds[scene->cell->event];

    if (deed->before) {
        deed->before(scene);
    }
}

void vm_event_do(VMScene *scene)
{
    deeds[scene->cell->event].act(scene);
}
