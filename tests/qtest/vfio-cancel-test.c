/*
 * Cancelled migrations of a paused VM, and VMs that move incompletely
 *
 * Owns: cancelling a paused VM's migration in each phase, and one that has no
 * stream yet; a VM that moves before its bitmaps; repeated migration back and
 * forth.
 * Does not own: cancel, stop and continue of a running VM (vm-event-table.c), a
 * side that dies (vfio-one-side-test.c), failures of the device
 * (vfio-failure-test.c).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "vfio-test.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ROUNDS 20

/* Phase in which a paused VM's migration is held */
typedef struct Phase {
    const char *name;
    bool in_setup, at_switchover;
} Phase;

static const Phase phases[] = {
    { "setup", .in_setup = true },
    { "pre-copy" },
    { "pre-switchover", .at_switchover = true },
};

static VFIOPair *paused_pair(const Phase *phase, const char *strictness)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    vfio_pair_set(pair, "strictness", "%s", strictness);
    if (phase->in_setup) {
        vfio_side_fault(pair->src, "hold", "event=state-write;to=stop-copy;"
                        "delay-ms=500");
    }
    vfio_pair_start(pair);
    qtest_qmp_assert_success(pair->src->qts, "{'execute': 'stop'}");
    pair->src->paused = true;
    vfio_side_expect_state(pair->src, "dev0", "stop");
    return pair;
}

/* Starts the migration and returns while it is in @phase. */
static void bring_to(VFIOPair *pair, const Phase *phase)
{
    QTestState *qts = pair->src->qts;

    if (phase->at_switchover) {
        migrate_set_capability(qts, "pause-before-switchover", true);
    } else if (!phase->in_setup) {
        migrate_set_parameter_int(qts, "max-bandwidth", MIGRATE_SLOW);
    }
    vfio_pair_begin(pair);
    if (phase->in_setup) {
        vfio_wait_transcript(pair->src, "fault name=hold");
        return;
    }
    wait_for_migration_status(qts, phase->at_switchover ? "pre-switchover"
                                                        : "active", NULL);
    vfio_side_expect_state(pair->src, "dev0", "stop-copy");
}

/* ---- cancel ---- */

static void test_cancel(const void *opaque)
{
    const Phase *phase = opaque;
    VFIOPair *pair = paused_pair(phase, "drawn");
    g_autofree char *end = NULL;

    bring_to(pair, phase);
    migrate_cancel(pair->src->qts);
    end = migrate_wait_end(pair->src->qts, QTEST_WAIT_MS);
    g_assert_cmpstr(end, ==, "cancelled");
    vfio_expect_load_failed(pair->dst, "");
    vfio_expect_source_well(pair);
    /* A second cancel is no error and changes nothing. */
    migrate_cancel(pair->src->qts);
    migrate_let_go(pair->src->qts);
    migrate_set_capability(pair->src->qts, "pause-before-switchover", false);
    if (phase->at_switchover) {
        /* QEMU 7.2 does not migrate a VM in state "postmigrate". */
        qtest_qmp_assert_success(pair->src->qts, "{'execute': 'cont'}");
        pair->src->paused = false;
    }
    vfio_pair_retry(pair);
    vfio_pair_free(pair);
}

/*
 * A driver that refuses to save a stopped device: migrating a paused VM fails
 * with a message, and the VM stays as it is. After `cont` it succeeds.
 */
static void test_paused_strict(void)
{
    VFIOPair *pair = paused_pair(&phases[1], "libvfio-user");

    vfio_pair_begin(pair);
    vfio_expect_failed(pair->src, "dev0;Invalid argument");
    vfio_expect_load_failed(pair->dst, "");
    vfio_expect_source_well(pair);
    qtest_qmp_assert_success(pair->src->qts, "{'execute': 'cont'}");
    pair->src->paused = false;
    vfio_pair_retry(pair);
    vfio_pair_free(pair);
}

/* ---- back and forth ---- */

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

/* ---- before there is a stream ---- */

/* A listening socket that accepts nobody until asked to. */
typedef struct Door {
    int fd;
    int guests[2];              /* connections queued before the source */
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
    end = migrate_wait_end(side->qts, QTEST_WAIT_MS);
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

/* ---- a VM that moves before all of its disks' bitmaps ---- */

/*
 * Dirty bitmaps may follow their VM, as pages do in postcopy. QEMU then no
 * longer looks for dirty pages, and cleans up in a thread of its own. The
 * device's state is complete when the VM moves.
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
 * A source with QEMU's own code does it nevertheless, and we must cope. The
 * destination is not asked for its migration: when the thread that loads the
 * bitmaps ends, it frees, without the BQL, the address that QEMU 7.2's
 * query-migrate copies; QEMU crashed because of that.
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

int main(int argc, char **argv)
{
    static const Rounds rounds = { SIDE_ATTACHED, SIDE_BUILTIN };

    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(phases); i++) {
        g_autofree char *name = g_strconcat("vfio/cancel/paused/",
                                            phases[i].name, NULL);

        qtest_add_data_case(name, &phases[i], test_cancel);
    }
    qtest_add_case("vfio/cancel/while-connecting",
                   test_cancel_while_connecting);
    qtest_add_case("vfio/cancel/paused-strict", test_paused_strict);
    qtest_add_case("vfio/bitmaps-follow-refused", test_bitmaps_refused);
    if (vfio_has_builtin()) {
        qtest_add_data_case("vfio/bitmaps-follow", NULL, test_bitmaps_follow);
        qtest_add_data_case("vfio/bitmaps-follow-paused", "paused",
                            test_bitmaps_follow);
    }
    qtest_add_data_case("vfio/ping-pong/attached-and-builtin", &rounds,
                        test_ping_pong);
    return g_test_run();
}
