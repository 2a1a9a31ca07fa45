/*
 * The source waits for the destination's answer
 *
 * Owns: a load that is refused, at its end or earlier, with and without the
 * capability return-path, to and from QEMU's own code: the source must not say
 * "completed", and its user gets the reason. One-way channels. Malformed
 * answers. Which thread waits: a cancel, a source that fails.
 * Does not own: what makes a load fail (vfio-config-test.c and others), every
 * place where a stream may break (vfio-one-side-test.c).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "vfio-test.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "qtest-json.h"

#define UNFIT   "its device is 0x00fe and 0x00ff here"
#define NO_ONE  "QEMU gives no reason;log of the destination"
#define SETTING "VFIO_MIGRATION_RETURN_PATH"

typedef struct Case {
    const char *name;
    VFIOSideKind src, dst;
    bool asked;                 /* the capability is on */
    const char *fault;          /* at the destination; NULL: other device id */
    const char *words;          /* error-desc of the source */
} Case;

static const Case cases[] = {
    { "other-device", SIDE_ATTACHED, SIDE_ATTACHED, .words =
      "the destination says: dev0;" UNFIT },
    { "other-device-asked", SIDE_ATTACHED, SIDE_ATTACHED, .asked = true,
      .words = "the destination says: dev0;" UNFIT },
    { "chunk-refused", SIDE_ATTACHED, SIDE_ATTACHED, .fault =
      "event=data-size-write;errno=EIO", .words =
      "the destination says: dev0: ;did not accept;Input/output error" },
    /* QEMU's own code sends no reason, and its return path ignores reasons. */
    { "other-device-to-builtin", SIDE_ATTACHED, SIDE_BUILTIN, .words = "" },
    { "other-device-from-builtin", SIDE_BUILTIN, SIDE_ATTACHED,
      .asked = true, .words = "" },
};

static bool capability_is_on(QTestState *who)
{
    QDict *answer = qtest_qmp(who, "{'execute': 'human-monitor-command', "
                              "'arguments': {'command-line': "
                              "'info migrate_capabilities'}}");
    const char *line = strstr(qdict_get_str(answer, "return"),
                              "return-path: ");
    bool on;

    g_assert_nonnull(line);
    on = g_str_has_prefix(line, "return-path: on");
    qobject_unref(answer);
    return on;
}

static void expect_capability(VFIOSide *side, bool on)
{
    if (capability_is_on(side->qts) != on) {
        vfio_side_fail(side, "return-path is not as the user left it");
    }
}

static void test_refused(const void *opaque)
{
    const Case *c = opaque;
    VFIOPair *pair = vfio_pair_new(c->src, c->dst);

    if (c->fault) {
        vfio_side_fault(pair->dst, "row", c->fault);
    } else {
        vfio_side_set(pair->dst, "dev0", "device-id", "0xff");
    }
    vfio_pair_start(pair);
    migrate_set_capability(pair->src->qts, "return-path", c->asked);
    vfio_pair_begin(pair);
    expect_capability(pair->src, c->asked);
    vfio_expect_load_failed(pair->dst, "load of migration failed");
    vfio_expect_failed(pair->src, c->words);
    migrate_wait_run_state(pair->src->qts, "running");
    expect_capability(pair->src, c->asked);
    vfio_side_set(pair->dst, "dev0", "device-id", "0xfe");
    vfio_pair_retry(pair);
    vfio_pair_free(pair);
}

/* Nobody answers there, and nobody must wait, also after a socket was used. */
static void test_file(void)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);
    g_autofree char *end = NULL;

    vfio_side_set(pair->dst, "dev0", "device-id", "0xff");
    vfio_pair_start(pair);
    vfio_pair_begin(pair);
    vfio_expect_failed(pair->src, UNFIT);
    migrate_wait_run_state(pair->src->qts, "running");
    migrate_qmp(pair->src->qts, "exec:cat >/dev/null", "{}");
    end = migrate_wait_end(pair->src->qts, QTEST_WAIT_MS);
    g_assert_cmpstr(end, ==, "completed");
    vfio_side_kill(pair->dst);
    vfio_pair_free(pair);
}

/* ---- which thread waits ---- */

/* With QEMU's own thread both would wait, and break later migrations. */
static void test_source_fails(const void *asked)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    vfio_side_fault(pair->src, "row",
                    "event=data-size-read;state=stop-copy;errno=EIO;count=1");
    vfio_pair_start(pair);
    migrate_set_capability(pair->src->qts, "return-path", asked);
    vfio_pair_begin(pair);
    vfio_expect_failed(pair->src, "dev0;Input/output error");
    vfio_expect_load_failed(pair->dst, "load of migration failed");
    vfio_pair_retry(pair);
    vfio_pair_free(pair);
}

#define CANCELS 20

/* QEMU shuts its thread down first, which may look like a failure. */
static void test_cancel(const void *asked)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    vfio_pair_much_precopy(pair);
    vfio_pair_start(pair);
    migrate_set_capability(pair->src->qts, "return-path", asked);
    for (unsigned i = 0; i < CANCELS; i++) {
        g_autofree char *end = NULL;

        migrate_stay_in_precopy(pair->src->qts);
        vfio_pair_begin(pair);
        wait_for_migration_status(pair->src->qts, "active", NULL);
        g_usleep(1000 * i);
        migrate_cancel(pair->src->qts);
        end = migrate_wait_end(pair->src->qts, QTEST_WAIT_MS);
        if (g_strcmp0(end, "cancelled")) {
            g_autofree char *why = migrate_error(pair->src->qts);

            vfio_side_fail(pair->src, "cancelled for the %u-th time: %s, %s",
                           i, end, why);
        }
        vfio_pair_next_destination(pair);
    }
    migrate_let_go(pair->src->qts);
    vfio_pair_migrate(pair);
    vfio_pair_free(pair);
}

/* ---- malformed answers ---- */

typedef struct Nonsense {
    const char *name;
    const char *bytes;          /* on the return path, in hexadecimal */
    unsigned times;
    bool closes;                /* afterwards, without an answer */
    const char *words;
} Nonsense;

#define SAYS(group)     "0002 0004 56 " group
#define SHUT(value)     "0001 0004 " value
#define A_B_C           "61 62 63"

static const Nonsense nonsense[] = {
    { "nothing", "", 1, true, NO_ONE },
    { "half", "0001 00", 1, true, NO_ONE },
    { "no", SHUT("00000001"), 1, false, NO_ONE },
    { "no-such-message", "0009 0004 00000000", 1, false, NO_ONE },
    { "postcopy", "0004 000c 0000000000000000 00001000", 1, false, NO_ONE },
    { "empty", "0001 0000 00000000", 1, false, NO_ONE },
    { "huge", "0002 ffff 00000000", 1, false, NO_ONE },
    { "go-ahead-with-more", "0007 0004 00000000" SHUT("00000000"), 1, false,
      NO_ONE },
    { "reason", SAYS(A_B_C) SAYS("64 00 00") SHUT("00000001"), 1, false,
      "the destination says: abcd" },
    { "reason-of-control-characters", SAYS("1b 5b 0a") SAYS("ff 00 00")
      SHUT("00000001"), 1, false, "the destination says: ?[??" },
    { "half-a-reason", SAYS(A_B_C), 1, true, NO_ONE },
    { "endless-reason", SAYS(A_B_C), 100000, true, NO_ONE },
    { "two-reasons", SAYS("61 00 00") SAYS("62 00 00"), 1, true,
      "the destination says: a" },
};

static GByteArray *from_hex(const char *hex)
{
    GByteArray *bytes = g_byte_array_new();

    for (; *hex; hex++) {
        if (g_ascii_isxdigit(*hex)) {
            uint8_t byte = g_ascii_xdigit_value(hex[0]) << 4 |
                           g_ascii_xdigit_value(hex[1]);

            g_byte_array_append(bytes, &byte, 1);
            hex++;
        }
    }
    return bytes;
}

/* Discard the stream; its end is not detected here. */
static gpointer swallow(gpointer fd)
{
    char buffer[65536];

    while (read(GPOINTER_TO_INT(fd), buffer, sizeof(buffer)) > 0) {
    }
    return NULL;
}

static void answer(int fd, const Nonsense *n)
{
    g_autoptr(GByteArray) bytes = from_hex(n->bytes);

    for (unsigned i = 0; bytes->len && i < n->times; i++) {
        if (send(fd, bytes->data, bytes->len, MSG_NOSIGNAL) < 0) {
            break;              /* the source no longer listens */
        }
    }
    if (n->closes) {
        shutdown(fd, SHUT_WR);
    }
}

/* Migrate to a socket; returns the peer's end. @reader reads there. */
static int begin_to_peer(VFIOPair *pair, GThread **reader)
{
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds),
                    ==, 0);
    qtest_qmp_fds_assert_success(pair->src->qts, &fds[1], 1,
                                 "{'execute': 'getfd', "
                                 "'arguments': {'fdname': 'peer'}}");
    close(fds[1]);
    *reader = g_thread_new("peer", swallow, GINT_TO_POINTER(fds[0]));
    migrate_qmp(pair->src->qts, "fd:peer", "{}");
    return fds[0];
}

static void test_nonsense(const void *opaque)
{
    const Nonsense *n = opaque;
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);
    GThread *reader;
    int fd;

    vfio_pair_start(pair);
    fd = begin_to_peer(pair, &reader);
    answer(fd, n);
    vfio_expect_failed(pair->src, n->words);
    migrate_wait_run_state(pair->src->qts, "running");
    g_thread_join(reader);      /* the source has hung up */
    close(fd);
    vfio_pair_migrate(pair);
    vfio_pair_free(pair);
}

/* The source completes after @n was sent to it. */
static void complete_to_peer(VFIOPair *pair, const Nonsense *n)
{
    g_autofree char *end = NULL;
    GThread *reader;
    int fd = begin_to_peer(pair, &reader);

    answer(fd, n);
    end = migrate_wait_end(pair->src->qts, QTEST_WAIT_MS);
    g_assert_cmpstr(end, ==, "completed");
    g_thread_join(reader);
    close(fd);
    qtest_qmp_assert_success(pair->src->qts, "{'execute': 'cont'}");
    vfio_expect_source_well(pair);
    vfio_pair_free(pair);
}

/*
 * A destination of QEMU 8.1 or later with the capability switchover-ack, but no
 * device that uses it, acknowledges at once.
 */
static void test_go_ahead(const void *asked)
{
    static const Nonsense go_ahead = {
        .bytes = "0007 0000" SHUT("00000000"), .times = 1,
    };
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    vfio_pair_start(pair);
    migrate_set_capability(pair->src->qts, "return-path", asked);
    complete_to_peer(pair, &go_ahead);
}

/* The peer is no QEMU, and the user has configured that */
static void test_off(void)
{
    static const Nonsense nothing = { .bytes = "", .times = 1 };
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    g_setenv(SETTING, "off", true);
    vfio_pair_start(pair);
    g_unsetenv(SETTING);
    complete_to_peer(pair, &nothing);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *name = g_strconcat("vfio/answer/refused/",
                                            cases[i].name, NULL);

        qtest_add_data_case(name, &cases[i], test_refused);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(nonsense); i++) {
        g_autofree char *name = g_strconcat("vfio/answer/nonsense/",
                                            nonsense[i].name, NULL);

        qtest_add_data_case(name, &nonsense[i], test_nonsense);
    }
    qtest_add_data_case("vfio/answer/go-ahead/asked", "yes", test_go_ahead);
    qtest_add_data_case("vfio/answer/go-ahead/not-asked", NULL, test_go_ahead);
    qtest_add_case("vfio/answer/off", test_off);
    qtest_add_case("vfio/answer/file", test_file);
    qtest_add_data_case("vfio/answer/source-fails/asked", "yes",
                        test_source_fails);
    qtest_add_data_case("vfio/answer/source-fails/not-asked", NULL,
                        test_source_fails);
    qtest_add_data_case("vfio/answer/cancel/asked", "yes", test_cancel);
    qtest_add_data_case("vfio/answer/cancel/not-asked", NULL, test_cancel);
    return g_test_run();
}
