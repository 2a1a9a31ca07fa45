/*
 * Migrations that are cancelled, stopped, or lose a side
 *
 * Owns: cancel in each phase, and before there is one, with the VM running
 * and paused and then a successful try; the VM stopped and continued in
 * pre-copy; a VM that moves before its bitmaps; rounds between two sides;
 * kill -9 of either side in each phase.
 * Does not own: failures of the device (vfio-failure-test.c).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "vfio-test.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 20

/* How far a migration is brought, and held. */
typedef enum Phase {
    IN_SETUP,
    IN_PRECOPY,                 /* RAM is on its way, none of the device */
    IN_PRECOPY_DATA,            /* data of the device has been sent */
    AT_SWITCHOVER,              /* VM stopped, device in stop-copy */
    IN_STOP_COPY,               /* the device is being read */
    IN_LOAD,                    /* the device is being written */
    NUM_PHASES,
} Phase;

static const char *const phase_names[NUM_PHASES] = {
    [IN_SETUP] = "setup",
    [IN_PRECOPY] = "pre-copy",
    [IN_PRECOPY_DATA] = "pre-copy-data",
    [AT_SWITCHOVER] = "pre-switchover",
    [IN_STOP_COPY] = "stop-copy",
    [IN_LOAD] = "load",
};

typedef struct Case {
    Phase phase;
    bool paused;                /* the source's VM */
    const char *strictness;     /* of the source's driver */
    bool kill_source;
} Case;

/* ---- bring a migration to a phase, hold it there, let it go on ---- */

/* What a phase needs of the devices; before the start. */
static void prepare(VFIOPair *pair, Phase phase, bool paused)
{
    switch (phase) {
    case IN_SETUP:
        vfio_side_fault(pair->src, "hold", paused ?
                        "event=state-write;to=stop-copy;delay-ms=500" :
                        "event=state-write;to=pre-copy;delay-ms=500");
        break;
    case IN_PRECOPY_DATA:
        vfio_pair_much_precopy(pair);
        break;
    case IN_STOP_COPY:
        vfio_side_fault(pair->src, "hold", "event=pending-read;"
                        "state=stop-copy;count=4;delay-ms=500");
        break;
    case IN_LOAD:
        /* More than the socket holds, so that the source still has some. */
        vfio_pair_set(pair, "state-size", "4M");
        vfio_side_fault(pair->dst, "hold", "event=data-size-write;count=4;"
                        "delay-ms=500");
        break;
    default:
        break;
    }
}

/* Starts the migration; returns while it is in @phase. */
static void bring_to(VFIOPair *pair, Phase phase)
{
    QTestState *qts = pair->src->qts;

    if (phase == IN_PRECOPY) {
        migrate_set_parameter_int(qts, "max-bandwidth", MIGRATE_SLOW);
    } else if (phase == IN_PRECOPY_DATA) {
        migrate_stay_in_precopy(pair->src->qts);
    } else if (phase == AT_SWITCHOVER) {
        migrate_set_capability(qts, "pause-before-switchover", true);
    }
    vfio_pair_begin(pair);
    switch (phase) {
    case IN_SETUP:
    case IN_STOP_COPY:
        vfio_wait_transcript(pair->src, "fault name=hold");
        break;
    case IN_LOAD:
        vfio_wait_transcript(pair->dst, "fault name=hold");
        break;
    case AT_SWITCHOVER:
        wait_for_migration_status(qts, "pre-switchover", NULL);
        vfio_side_expect_state(pair->src, "dev0", "stop-copy");
        break;
    case IN_PRECOPY_DATA:
        vfio_wait_transcript(pair->src, "chunk-done phase=pre-copy seq=2");
        break;
    default:
        wait_for_migration_status(qts, "active", NULL);
        vfio_side_expect_state(pair->src, "dev0", pair->src->paused ?
                               "stop-copy" : "pre-copy");
        break;
    }
}

/* The next migration meets no obstacle. */
static void clear_way(VFIOPair *pair)
{
    migrate_let_go(pair->src->qts);
    migrate_set_capability(pair->src->qts, "pause-before-switchover", false);
}

static VFIOPair *new_pair(const Case *c)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    if (c->strictness) {
        vfio_pair_set(pair, "strictness", "%s", c->strictness);
    }
    prepare(pair, c->phase, c->paused);
    vfio_pair_start(pair);
    if (c->paused) {
        qtest_qmp_assert_success(pair->src->qts, "{'execute': 'stop'}");
        pair->src->paused = true;
        vfio_side_expect_state(pair->src, "dev0", "stop");
    }
    return pair;
}

/* ---- cancel ---- */

static void test_cancel(const void *opaque)
{
    const Case *c = opaque;
    VFIOPair *pair = new_pair(c);
    g_autofree char *end = NULL;

    bring_to(pair, c->phase);
    migrate_cancel(pair->src->qts);
    end = migrate_wait_end(pair->src->qts, FAIL_MS);
    g_assert_cmpstr(end, ==, "cancelled");
    vfio_expect_load_failed(pair->dst, "");
    vfio_expect_source_well(pair);
    /* Once more is no error and changes nothing. */
    migrate_cancel(pair->src->qts);
    clear_way(pair);
    if (c->paused && c->phase == AT_SWITCHOVER) {
        /* QEMU migrates no VM that it calls "postmigrate" (7.2). */
        qtest_qmp_assert_success(pair->src->qts, "{'execute': 'cont'}");
        pair->src->paused = false;
    }
    vfio_pair_retry(pair);
    vfio_pair_free(pair);
}

/* Cancel again and again: each session begins anew. */
static void test_cancel_often(void)
{
    const Case c = { IN_PRECOPY_DATA };
    VFIOPair *pair = new_pair(&c);

    for (unsigned i = 0; i < 4; i++) {
        g_autofree char *end = NULL;

        migrate_set_parameter_int(pair->src->qts, "max-bandwidth",
                                  MIGRATE_SLOW);
        vfio_pair_begin(pair);
        wait_for_migration_status(pair->src->qts, "active", NULL);
        vfio_side_expect_state(pair->src, "dev0", "pre-copy");
        migrate_cancel(pair->src->qts);
        end = migrate_wait_end(pair->src->qts, FAIL_MS);
        g_assert_cmpstr(end, ==, "cancelled");
        vfio_expect_source_well(pair);
        vfio_pair_next_destination(pair);
    }
    clear_way(pair);
    vfio_pair_retry(pair);
    vfio_pair_free(pair);
}

/*
 * A driver that refuses to read a stopped device: a paused VM cannot
 * migrate, says so, and stays as it is. After `cont` it can.
 */
static void test_paused_strict(void)
{
    const Case c = { IN_PRECOPY, .paused = true,
                     .strictness = "libvfio-user" };
    VFIOPair *pair = new_pair(&c);

    vfio_pair_begin(pair);
    vfio_expect_failed(pair->src, "dev0;Invalid argument");
    vfio_expect_load_failed(pair->dst, "");
    vfio_expect_source_well(pair);
    qtest_qmp_assert_success(pair->src->qts, "{'execute': 'cont'}");
    pair->src->paused = false;
    vfio_pair_retry(pair);
    vfio_pair_free(pair);
}

/* ---- the VM stops, and goes on, in pre-copy ---- */

static void stop_vm(VFIOPair *pair)
{
    qtest_qmp_assert_success(pair->src->qts, "{'execute': 'stop'}");
    vfio_side_expect_state(pair->src, "dev0", "stop-copy");
}

static void test_stop_in_precopy(void)
{
    const Case c = { IN_PRECOPY };
    VFIOPair *pair = new_pair(&c);

    bring_to(pair, c.phase);
    stop_vm(pair);
    migrate_let_go(pair->src->qts);
    vfio_pair_finish(pair);
    vfio_pair_check(pair);
    vfio_pair_free(pair);
}

static void test_stop_cont_before_data(void)
{
    const Case c = { IN_PRECOPY };
    VFIOPair *pair = new_pair(&c);

    bring_to(pair, c.phase);
    stop_vm(pair);
    qtest_qmp_assert_success(pair->src->qts, "{'execute': 'cont'}");
    vfio_side_expect_state(pair->src, "dev0", "pre-copy");
    migrate_let_go(pair->src->qts);
    vfio_pair_finish(pair);
    vfio_pair_check(pair);
    vfio_pair_free(pair);
}

/*
 * Two sessions cannot be told apart by the destination: where data of the
 * first has left, the migration ends, the VM does not.
 */
static void test_stop_cont_after_data(void)
{
    const Case c = { IN_PRECOPY_DATA };
    VFIOPair *pair = new_pair(&c);

    bring_to(pair, c.phase);
    /* Slow from here on, so that the stopped VM is not migrated at once. */
    migrate_set_parameter_int(pair->src->qts, "max-bandwidth", MIGRATE_SLOW);
    qtest_qmp_assert_success(pair->src->qts, "{'execute': 'stop'}");
    qtest_qmp_assert_success(pair->src->qts, "{'execute': 'cont'}");
    vfio_expect_failed(pair->src, "dev0;start the migration again");
    vfio_expect_load_failed(pair->dst, "");
    vfio_expect_source_well(pair);
    clear_way(pair);
    vfio_pair_retry(pair);
    vfio_pair_free(pair);
}

/* ---- rounds ---- */

typedef struct Rounds {
    VFIOSideKind even, odd;
} Rounds;

static void test_ping_pong(const void *opaque)
{
    const Rounds *r = opaque;
    VFIOPair *pair = vfio_pair_new(r->even, r->odd);

    vfio_pair_start(pair);
    for (unsigned i = 1; i <= ROUNDS; i++) {
        vfio_pair_migrate(pair);
        vfio_pair_turn(pair);
        if (i < ROUNDS) {
            pair->next_kind = i % 2 ? r->even : r->odd;
            vfio_pair_next_destination(pair);
        }
    }
    vfio_pair_free(pair);
}

/* ---- a side dies ---- */

static void source_dies(VFIOPair *pair)
{
    int status;

    qtest_kill9(pair->src->qts);
    if (!qtest_wait_exit(pair->dst->qts, FAIL_MS, &status)) {
        vfio_side_fail(pair->dst, "waits for ever for a source that died");
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 1) {
        vfio_side_fail(pair->dst, "did not end in good order");
    }
    vfio_side_kill(pair->src);
    vfio_side_kill(pair->dst);
}

static void destination_dies(VFIOPair *pair, Phase phase)
{
    qtest_kill9(pair->dst->qts);
    if (phase == AT_SWITCHOVER) {
        migrate_continue(pair->src->qts, "pre-switchover");
    }
    if (phase == IN_PRECOPY) {
        /* Send something, to find out. */
        migrate_defaults(pair->src->qts);
    }
    vfio_expect_failed(pair->src, "");
    clear_way(pair);
    vfio_pair_retry(pair);
}

static void test_kill(const void *opaque)
{
    const Case *c = opaque;
    VFIOPair *pair;

    pair = new_pair(c);
    bring_to(pair, c->phase);
    if (c->kill_source) {
        source_dies(pair);
    } else {
        destination_dies(pair, c->phase);
    }
    vfio_pair_free(pair);
}

/* The destination has all: it goes on without a source. */
static void test_kill_source_after(void)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    vfio_pair_start(pair);
    vfio_pair_begin(pair);
    vfio_pair_finish(pair);
    qtest_kill9(pair->src->qts);
    vfio_pair_check(pair);
    vfio_side_kill(pair->src);
    vfio_pair_free(pair);
}

/*
 * The destination dies when it has all and before it runs: the source has
 * stopped, and can go on and migrate again.
 */
static void test_kill_destination_after(void)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    vfio_pair_start(pair);
    vfio_pair_begin(pair);
    vfio_pair_finish(pair);
    qtest_kill9(pair->dst->qts);
    qtest_qmp_assert_success(pair->src->qts, "{'execute': 'cont'}");
    vfio_pair_retry(pair);
    vfio_pair_free(pair);
}

/* ---- all cases ---- */

static void add_case(const char *group, const char *detail, Case c,
                     void (*fn)(const void *))
{
    g_autofree char *name = g_strdup_printf("vfio/%s/%s%s%s", group,
                                            phase_names[c.phase],
                                            *detail ? "/" : "", detail);

    qtest_add_data_func_full(name, g_memdup2(&c, sizeof(c)), fn, g_free);
}

/* ---- before there is a stream ---- */

/* A socket that listens, and lets nobody in before it is asked to. */
typedef struct Door {
    int fd;
    int guests[2];              /* who wait before the source */
    char *uri;
} Door;

static int connect_to(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    if (connect(fd, (const struct sockaddr *)address, sizeof(*address))) {
        close(fd);
        return -1;
    }
    return fd;
}

static void door_close_to_all(Door *door)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/door",
             qtest_tmpdir());
    door->uri = g_strdup_printf("unix:%s", address.sun_path);
    door->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    g_assert_cmpint(bind(door->fd, (struct sockaddr *)&address,
                         sizeof(address)), ==, 0);
    g_assert_cmpint(listen(door->fd, 0), ==, 0);
    door->guests[0] = connect_to(&address);
    door->guests[1] = connect_to(&address);
    g_assert_cmpint(door->guests[0], >=, 0);
    g_assert_cmpint(door->guests[1], ==, -1);
}

static void test_cancel_while_connecting(void)
{
    VFIOSide *side = vfio_side_new("source", SIDE_ATTACHED);
    g_autofree char *status = NULL, *end = NULL, *arcs = NULL;
    Door door;
    int first, source;

    vfio_side_start(side);
    door_close_to_all(&door);
    migrate_qmp(side->qts, door.uri, "{}");
    g_usleep(200 * 1000);
    status = migrate_status(side->qts);
    g_assert_cmpstr(status, ==, "setup");
    migrate_cancel(side->qts);
    first = accept(door.fd, NULL, NULL);
    source = accept(door.fd, NULL, NULL);
    g_assert_cmpint(source, >=, 0);
    end = migrate_wait_end(side->qts, FAIL_MS);
    g_assert_cmpstr(end, ==, "cancelled");
    vfio_side_expect_state(side, "dev0", "running");
    arcs = vfio_side_arcs(side, "dev0");
    if (strstr(arcs, "stop")) {
        vfio_side_fail(side, "the device was stopped in a VM that runs: %s",
                       arcs);
    }
    close(first);
    close(source);
    close(door.guests[0]);
    close(door.fd);
    g_free(door.uri);
    vfio_side_free(side);
}

/* ---- a VM that moves before all of its disks' bitmaps do ---- */

/*
 * Dirty bitmaps may follow their VM, as pages do in postcopy. QEMU then does
 * not look for dirty pages any more, and cleans up in a thread of its own. The
 * device's state is there when the VM moves.
 */
static VFIOPair *bitmaps_pair(VFIOSideKind source)
{
    const char *disk = " -blockdev null-co,node-name=disk,size=68719476736";
    VFIOPair *pair = vfio_pair_new(source, SIDE_ATTACHED);

    g_string_append(pair->src->args, disk);
    g_string_append(pair->dst->args, disk);
    vfio_pair_return_path(pair);
    return pair;
}

static void bitmaps_begin(VFIOPair *pair)
{
    QTestState *qts = pair->src->qts;

    qtest_qmp_assert_success(qts, "{'execute': 'block-dirty-bitmap-add', "
                             "'arguments': {'node': 'disk', 'name': 'map', "
                             "'granularity': 512}}");
    migrate_set_capability(qts, "dirty-bitmaps", true);
    migrate_set_capability(pair->dst->qts, "dirty-bitmaps", true);
    migrate_set_parameter_int(qts, "max-bandwidth", MIGRATE_SLOW);
    migrate_set_parameter_int(qts, "downtime-limit", 10);
    vfio_pair_begin(pair);
    vfio_side_expect_state(pair->src, "dev0", "pre-copy");
    qtest_qmp_assert_success(qts, "{'execute': 'migrate-start-postcopy'}");
    migrate_set_parameter_int(qts, "max-bandwidth", MIGRATE_FAST);
}

/*
 * A source with QEMU's own code does it all the same: we have to live on. The
 * destination is not asked for its migration: the thread that takes the
 * bitmaps frees at its end, without the BQL, the address that query-migrate
 * of QEMU 7.2 copies, and QEMU died of that.
 */
static void test_bitmaps_follow(const void *paused)
{
    VFIOPair *pair = bitmaps_pair(SIDE_BUILTIN);

    pair->dst->paused = paused;
    vfio_pair_start(pair);
    bitmaps_begin(pair);
    wait_for_migration_complete(pair->src->qts);
    migrate_wait_run_state(pair->dst->qts, paused ? "paused" : "running");
    vfio_side_expect_state(pair->dst, "dev0", paused ? "resuming" : "running");
    vfio_pair_free(pair);
}

static void test_bitmaps_refused(void)
{
    VFIOPair *pair = bitmaps_pair(SIDE_ATTACHED);

    vfio_pair_start(pair);
    bitmaps_begin(pair);
    vfio_expect_failed(pair->src, "dev0;migrate-start-postcopy");
    vfio_side_kill(pair->dst);
    migrate_wait_run_state(pair->src->qts, "postmigrate");
    qtest_qmp_assert_success(pair->src->qts, "{'execute': 'cont'}");
    vfio_side_expect_state(pair->src, "dev0", "running");
    vfio_side_kill(pair->src);
    vfio_pair_free(pair);
}

static void add_cancel_cases(void)
{
    static const char *const strictness[] = { "drawn", "kernel", "lenient",
                                              "libvfio-user" };

    for (Phase phase = IN_SETUP; phase <= AT_SWITCHOVER; phase++) {
        for (unsigned i = 0; i < G_N_ELEMENTS(strictness); i++) {
            add_case("cancel", strictness[i],
                     (Case) { phase, false, strictness[i] }, test_cancel);
        }
    }
    add_case("cancel/paused", "", (Case) { IN_SETUP, true }, test_cancel);
    add_case("cancel/paused", "", (Case) { IN_PRECOPY, true }, test_cancel);
    add_case("cancel/paused", "", (Case) { AT_SWITCHOVER, true },
             test_cancel);
}

static void add_ping_pong_cases(void)
{
    static const Rounds rounds[] = {
        { SIDE_ATTACHED, SIDE_ATTACHED },
        { SIDE_ATTACHED, SIDE_BUILTIN },
    };

    qtest_add_data_func("vfio/ping-pong/attached", &rounds[0],
                        test_ping_pong);
    qtest_add_data_func("vfio/ping-pong/attached-and-builtin", &rounds[1],
                        test_ping_pong);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_cancel_cases();
    qtest_add_func("vfio/cancel/while-connecting",
                   test_cancel_while_connecting);
    qtest_add_func("vfio/bitmaps-follow-refused", test_bitmaps_refused);
    qtest_add_data_func("vfio/bitmaps-follow", NULL, test_bitmaps_follow);
    qtest_add_data_func("vfio/bitmaps-follow-paused", "paused",
                        test_bitmaps_follow);
    qtest_add_func("vfio/cancel/often", test_cancel_often);
    qtest_add_func("vfio/cancel/paused-strict", test_paused_strict);
    qtest_add_func("vfio/stop/in-precopy", test_stop_in_precopy);
    qtest_add_func("vfio/stop-cont/before-data", test_stop_cont_before_data);
    qtest_add_func("vfio/stop-cont/after-data", test_stop_cont_after_data);
    add_ping_pong_cases();
    for (Phase phase = IN_SETUP; phase < NUM_PHASES; phase++) {
        add_case("kill-source", "", (Case) { phase, .kill_source = true },
                 test_kill);
        add_case("kill-destination", "", (Case) { phase }, test_kill);
    }
    qtest_add_func("vfio/kill-source/completed", test_kill_source_after);
    qtest_add_func("vfio/kill-destination/completed",
                   test_kill_destination_after);
    return g_test_run();
}
