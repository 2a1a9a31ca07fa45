/*
 * Run a cell of the table of VM events
 *
 * Owns: the sequence of a cell: event, outcome of the migration, both sides,
 * and the retry that follows; see vm-event.h.
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "vm-event.h"

#include <string.h>
#include <signal.h>
#include <sys/wait.h>

#include "failover-helpers.h"

/*
 * VFIO_VM_EVENT_BUILTIN=1 in the environment uses the distribution's own code
 * on both sides, for comparison by hand; messages are not checked then.
 */
static bool is_builtin(void)
{
    return g_getenv("VFIO_VM_EVENT_BUILTIN") != NULL;
}

static void build(VMScene *scene, VFIOSide *side)
{
    vm_status_build(scene, side);
    vm_event_build(scene, side);
    if (side->incoming && side->devices->len) {
        /* Its memory is compared, and must stay as it arrived. */
        vfio_side_set(side, "dev0", "dma-rate", "0");
    }
}

static VMScene *scene_new(const VMCell *cell)
{
    VFIOSideKind kind = is_builtin() ? SIDE_BUILTIN : SIDE_ATTACHED;
    VMScene *scene = g_new0(VMScene, 1);

    scene->cell = cell;
    scene->builtin = is_builtin();
    scene->pair = vfio_pair_new(kind, kind);
    scene->where = cell->status >= AT_LOADING ? scene->pair->dst
                                              : scene->pair->src;
    build(scene, scene->pair->src);
    build(scene, scene->pair->dst);
    vm_status_arm(scene);
    vfio_side_start(scene->pair->src);
    vfio_side_expect_state(scene->pair->src, "dev0", "running");
    if (cell->status != AT_NONE) {
        vfio_side_start(scene->pair->dst);
    }
    if (cell->status == AT_WAIT_UNPLUG) {
        failover_guest_up(scene->pair->src);
    }
    return scene;
}

static void scene_free(VMScene *scene)
{
    vfio_pair_free(scene->pair);
    g_free(scene->answer);
    g_free(scene);
}

/* ---- what must be true ---- */

static const char *words_of(VMScene *scene, const char *words)
{
    return scene->builtin || !words ? "" : words;
}

static void check_answer(VMScene *scene)
{
    const char *refused = scene->cell->refused;

    if (refused) {
        vfio_expect_text(scene->where, "the command's error", scene->answer,
                         refused);
    } else if (scene->answer && *scene->answer) {
        vfio_side_fail(scene->where, "the command was refused: %s",
                       scene->answer);
    }
}

/* @both: "VM/device"; "loaded" stands for the device's own loaded state. */
static void expect_states(VFIOSide *side, const char *both)
{
    g_auto(GStrv) words = g_strsplit(both, "/", 2);
    const char *state;

    g_assert_cmpuint(g_strv_length(words), ==, 2);
    state = strcmp(words[1], "loaded") ? words[1] : vm_device->loaded;
    if (strcmp(words[0], "*")) {
        migrate_wait_run_state(side->qts, words[0]);
    }
    if (side->kind == SIDE_BUILTIN || !strcmp(state, "*")) {
        return;
    }
    for (unsigned i = 0; i < side->devices->len; i++) {
        vfio_side_expect_state(side, side->devices->pdata[i], state);
    }
}

static bool runs_again(const VMCell *cell)
{
    return cell->src && g_str_has_prefix(cell->src, "running/");
}

/* ---- retry ---- */

void vm_scene_next_destination(VMScene *scene)
{
    VFIOPair *pair = scene->pair;
    g_autofree char *name = g_strdup_printf("destination%u", ++pair->number);
    VFIOSideKind kind = pair->next_kind;

    if (pair->dst) {
        vfio_side_kill(pair->dst);
        vfio_side_free(pair->dst);
    }
    pair->dst = vfio_side_new(name, kind);
    pair->dst->paused = true;
    pair->dst->incoming = g_strdup_printf("unix:%s/mig%u", qtest_tmpdir(),
                                          pair->number);
    build(scene, pair->dst);
    vfio_side_start(pair->dst);
}

static void expect_arrived(VMScene *scene, VFIOSideReset reset)
{
    scene->pair->src->reset = reset;
    vfio_pair_check(scene->pair);
}

static void retry(VMScene *scene)
{
    VFIOPair *pair = scene->pair;
    g_autofree char *state = migrate_run_state(pair->src->qts);
    bool sleeps = !strcmp(state, "suspended");

    vm_event_wait_gone(scene);
    vfio_expect_clean(pair->src);
    if (!strcmp(state, "postmigrate")) {
        /* QEMU 7.2 does not migrate a VM in this state. */
        qtest_qmp_assert_success(pair->src->qts, "{'execute': 'cont'}");
    }
    if (vm_event_resets(scene) && scene->where == pair->src && !sleeps) {
        vfio_side_program(pair->src);
    }
    if (scene->cell->status == AT_WAIT_UNPLUG) {
        failover_slots_on(pair->src);
    }
    vm_status_clear(scene);
    vm_scene_next_destination(scene);
    vfio_pair_begin(pair);
    if (scene->cell->status == AT_WAIT_UNPLUG) {
        wait_for_migration_status(pair->src->qts, "wait-unplug", NULL);
        failover_let_go(pair->src);
    }
    vfio_pair_finish(pair);
    /* QEMU wakes a sleeping guest. */
    expect_arrived(scene, sleeps ? RESET_AROUND : NOT_RESET);
}

/* ---- one cell ---- */

static void let_run(VFIOSide *side)
{
    qtest_qmp_assert_success(side->qts, "{'execute': 'cont'}");
    migrate_wait_run_state(side->qts, "running");
}

/* The destination was reset before it ran: it starts like any machine. */
static void expect_started_anew(VMScene *scene)
{
    VFIOSide *dst = scene->pair->dst;

    g_assert_cmpint(vfio_ram_differs(scene->pair), ==, -1);
    let_run(dst);
    vfio_side_expect_state(dst, "dev0", "running");
    vfio_side_program(dst);
    vfio_expect_clean(dst);
}

/* The source was continued, so its memory has changed since it was sent. */
static void expect_both(VMScene *scene)
{
    let_run(scene->pair->dst);
    vfio_pair_check_running(scene->pair);
    retry(scene);
}

static VFIOSideReset arrives_reset(const VMCell *cell)
{
    if (cell->event == EV_SLEEP ||
        (cell->event == EV_RESET && cell->status == AT_SWITCHOVER)) {
        return RESET_AROUND;
    }
    return cell->event == EV_RESET && cell->status > AT_DEVICE ? RESET_SINCE
                                                                : NOT_RESET;
}

static void expect_completed(VMScene *scene)
{
    const VMCell *cell = scene->cell;
    VFIOPair *pair = scene->pair;

    vm_status_let_go(scene);
    if (cell->status != AT_LOADED) {
        vfio_pair_finish(pair);
    }
    expect_states(pair->src, cell->src);
    expect_states(pair->dst, cell->dst);
    if (runs_again(cell)) {
        expect_both(scene);
    } else if (cell->event == EV_RESET && scene->where == pair->dst) {
        expect_started_anew(scene);
    } else {
        expect_arrived(scene, arrives_reset(cell));
    }
    if (scene->added && scene->where == pair->dst) {
        vfio_side_expect_state(pair->dst, "dev1", "running");
    }
}

/* QEMU's own code may complete instead, if everything arrives. */
static bool builtin_completes(VMScene *scene)
{
    VFIOPair *pair = scene->pair;
    g_autofree char *end = NULL;

    vm_status_let_go(scene);
    end = migrate_wait_end(pair->src->qts, QTEST_WAIT_MS);
    if (g_strcmp0(end, "completed")) {
        return false;
    }
    wait_for_migration_complete(pair->dst->qts);
    expect_arrived(scene, RESET_AROUND);
    return true;
}

static void expect_failed(VMScene *scene)
{
    const VMCell *cell = scene->cell;

    if (scene->builtin && builtin_completes(scene)) {
        return;
    }
    if (!scene->builtin && !vm_status_is_live(cell->status) &&
        cell->status != AT_FAILED) {
        vm_status_let_go(scene);
    }
    if (cell->event != EV_SAVEVM) {
        /*
         * A snapshot is a migration, too, and overwrites the reported result.
         */
        vfio_expect_failed(scene->pair->src, words_of(scene, cell->words));
    }
    vfio_expect_load_failed(scene->pair->dst, "");
    expect_states(scene->pair->src, cell->outcome == MAY_FAIL ?
                  "running/running" : cell->src);
    retry(scene);
}

static void expect_load_failed(VMScene *scene)
{
    const VMCell *cell = scene->cell;

    vm_status_let_go(scene);
    vfio_expect_load_failed(scene->pair->dst, words_of(scene, cell->words));
    vfio_expect_failed(scene->pair->src, "");
    expect_states(scene->pair->src, cell->src);
    retry(scene);
}

static void expect_cancelled(VMScene *scene)
{
    const VMCell *cell = scene->cell;
    VFIOSide *src = scene->pair->src;
    g_autofree char *end = NULL;

    if (cell->status == AT_WAIT_UNPLUG) {
        vm_status_let_go(scene);
    }
    end = migrate_wait_end(src->qts, QTEST_WAIT_MS);
    if (g_strcmp0(end, "cancelled")) {
        vfio_side_fail(src, "the migration is '%s', not cancelled", end);
    }
    vfio_expect_load_failed(scene->pair->dst, "");
    expect_states(src, cell->src);
    retry(scene);
}

/* The migration may have been over before the event. */
static void expect_either(VMScene *scene)
{
    g_autofree char *end = NULL;

    vm_status_let_go(scene);
    end = migrate_wait_end(scene->pair->src->qts, QTEST_WAIT_MS);
    if (!g_strcmp0(end, "completed")) {
        expect_completed(scene);
    } else {
        expect_failed(scene);
    }
}

/* The next migration was started when the first had failed. */
static void expect_next(VMScene *scene)
{
    VFIOPair *pair = scene->pair;
    g_autofree char *end = migrate_wait_end(pair->src->qts, QTEST_WAIT_MS);

    g_assert_nonnull(end);
    if (!strcmp(end, "completed")) {
        vfio_pair_finish(pair);
        expect_arrived(scene, NOT_RESET);
    } else {
        g_autofree char *why = migrate_error(pair->src->qts);

        vfio_expect_text(pair->src, "error-desc", why, scene->cell->words);
        expect_states(pair->src, "running/running");
        retry(scene);
    }
}

/*
 * QEMU 7.2 first frees what a migration needs, but the load may still be
 * running: it died of SIGSEGV in 1 of some 120 runs.
 */
static bool quit_well(const VMScene *scene, int status)
{
    if (scene->cell->status == AT_LOADING && WIFSIGNALED(status) &&
        WTERMSIG(status) == SIGSEGV) {
        g_test_message("QEMU died of SIGSEGV as it ended while it loaded");
        return true;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void expect_quit(VMScene *scene)
{
    VFIOPair *pair = scene->pair;
    int status;

    if (!qtest_wait_exit(scene->where->qts, QTEST_WAIT_MS, &status)) {
        vfio_side_fail(scene->where, "was told to quit, and still runs");
    }
    if (!quit_well(scene, status)) {
        vfio_side_fail(scene->where, "quit with status 0x%x", status);
    }
    if (scene->where == pair->dst) {
        if (scene->cell->status == AT_LOADING) {
            vm_status_let_go(scene);
            vfio_expect_failed(pair->src, "");
        }
        expect_states(pair->src, scene->cell->src);
        retry(scene);
    } else if (scene->cell->dst) {
        wait_for_migration_complete(pair->dst->qts);
        vfio_pair_check(pair);
        vfio_side_kill(pair->src);
    } else {
        if (scene->cell->status != AT_NONE) {
            vfio_expect_load_failed(pair->dst, "");
        }
        vfio_side_kill(pair->src);
        vfio_side_kill(pair->dst);
    }
}

void vm_cell_play(const void *opaque)
{
    const VMCell *cell = vm_cell_of_device(opaque);
    VMScene *scene = scene_new(cell);

    vm_event_before(scene);
    vm_status_bring(scene);
    vm_event_do(scene);
    check_answer(scene);
    if (scene->again) {
        expect_next(scene);
        scene_free(scene);
        return;
    }
    switch (cell->outcome) {
    case COMPLETES:
        expect_completed(scene);
        break;
    case FAILS:
        expect_failed(scene);
        break;
    case LOAD_FAILS:
        expect_load_failed(scene);
        break;
    case CANCELLED:
        expect_cancelled(scene);
        break;
    case MAY_FAIL:
        expect_either(scene);
        break;
    case QUITS:
        expect_quit(scene);
        break;
    case NEVER:
        g_assert_not_reached();
    }
    scene_free(scene);
}
