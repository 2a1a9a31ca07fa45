/*
 * Tests of hw/vfio/migration-answer.c: waiting for the destination's answer
 *
 * What QEMU provides to that file is simulated here: its properties and
 * capabilities, its main loop, and a channel that is one end of a socket pair.
 * This allows for a QEMU whose return path cannot be switched off, as no
 * release is. Real ones are tested in tests/qtest/vfio-answer-test.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <sys/socket.h>
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/main-loop.h"
#include "qemu/thread.h"
#include "io/channel.h"
#include "migration/migration.h"
#include "migration/qemu-file.h"
#include "qom/object.h"
#include "hw/vfio/migration-answer.h"
#include "hw/vfio/migration-channel.h"
#include "hw/vfio/migration-options.h"
#include "trace.h"

/* MIG_RP_MSG_SWITCHOVER_ACK, of QEMU 8.1 and later */
#define ACK     0x00, 0x07, 0x00, 0x00
/* MIG_RP_MSG_SHUT with 0: the destination has the VM */
#define SHUT    0x00, 0x01, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00

static struct {
    int channel[2];             /* the source's end, the destination's */
    bool asked;                 /* the user's capability return-path */
    bool settable;              /* its property can be set */
    bool wanted;
    unsigned nr_sets, nr_widened, nr_threads, nr_joins, nr_shutdowns;
    bool waited, slept;         /* the thread did, before a read or in it */
    QEMUBHFunc *bottom_half;
    void *bottom_half_opaque;
    char *reason;
} qemu;

static MigrationState migration;

/* ---- QEMU ---- */

uint16_t _TRACE_VFIO_MIGRATION_ANSWER_DSTATE;

int qemu_get_thread_id(void)
{
    return 0;
}

bool migrate_use_return_path(void)
{
    return qemu.asked;
}

bool migrate_postcopy_ram(void)
{
    return false;
}

bool migrate_background_snapshot(void)
{
    return false;
}

bool migrate_colo_enabled(void)
{
    return false;
}

void vfio_mig_channel_widen(QEMUFile *f)
{
    qemu.nr_widened++;
}

bool vfio_mig_answer_wanted(void)
{
    return qemu.wanted;
}

void migrate_set_error(MigrationState *s, const Error *error)
{
    g_assert_null(qemu.reason);
    qemu.reason = g_strdup(error_get_pretty(error));
}

MigrationIncomingState *migration_incoming_get_current(void)
{
    return NULL;
}

void migrate_send_rp_pong(MigrationIncomingState *mis, uint32_t value)
{
}

bool object_property_set_bool(Object *obj, const char *name, bool value,
                              Error **errp)
{
    g_assert_true(obj == OBJECT(&migration));
    g_assert_cmpstr(name, ==, "x-return-path");
    qemu.nr_sets++;
    if (!qemu.settable) {
        error_setg(errp, "Property 'migration.%s' not found", name);
        return false;
    }
    qemu.asked = value;
    return true;
}

Object *object_dynamic_cast(Object *obj, const char *type_name)
{
    return strcmp(type_name, "qio-channel-socket") ? NULL : obj;
}

AioContext *qemu_get_aio_context(void)
{
    return NULL;
}

void aio_bh_schedule_oneshot_full(AioContext *ctx, QEMUBHFunc *cb,
                                  void *opaque, const char *name)
{
    g_assert_null(qemu.bottom_half);
    qemu.bottom_half = cb;
    qemu.bottom_half_opaque = opaque;
}

/* Run the main loop once. */
static void run_bottom_half(void)
{
    g_assert_nonnull(qemu.bottom_half);
    qemu.bottom_half(qemu.bottom_half_opaque);
    qemu.bottom_half = NULL;
}

void qemu_thread_create(QemuThread *thread, const char *name,
                        void *(*start_routine)(void *), void *arg, int mode)
{
    qemu.nr_threads++;
    g_assert_cmpint(pthread_create(&thread->thread, NULL, start_routine, arg),
                    ==, 0);
}

void *qemu_thread_join(QemuThread *thread)
{
    void *ret;

    qemu.nr_joins++;
    g_assert_cmpint(pthread_join(thread->thread, &ret), ==, 0);
    return ret;
}

QIOChannel *qemu_file_get_ioc(QEMUFile *f)
{
    return (QIOChannel *)f;
}

int qemu_file_shutdown(QEMUFile *f)
{
    qemu.nr_shutdowns++;
    return shutdown(qemu.channel[0], SHUT_RDWR);
}

void qio_channel_wait(QIOChannel *ioc, GIOCondition condition)
{
    GPollFD fd = { .fd = qemu.channel[0], .events = condition };

    qatomic_set(&qemu.waited, true);
    g_assert_cmpint(g_poll(&fd, 1, -1), ==, 1);
}

int qio_channel_read_all(QIOChannel *ioc, char *buf, size_t buflen,
                         Error **errp)
{
    ssize_t n = recv(qemu.channel[0], buf, 1, MSG_PEEK | MSG_DONTWAIT);

    if (n < 0) {
        qatomic_set(&qemu.slept, true);
    }
    n = recv(qemu.channel[0], buf, buflen, MSG_WAITALL);
    return n == buflen ? 0 : -1;
}

/* ---- a migration ---- */

static void begin(bool asked, bool settable, bool wanted)
{
    memset(&qemu, 0, sizeof(qemu));
    memset(&migration, 0, sizeof(migration));
    qemu.asked = asked;
    qemu.settable = settable;
    qemu.wanted = wanted;
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
                               qemu.channel), ==, 0);
    migration.to_dst_file = (QEMUFile *)&qemu;
}

/* The destination sends @size @bytes and then closes its end. */
static void answer(const uint8_t *bytes, size_t size)
{
    g_assert_cmpint(send(qemu.channel[1], bytes, size, MSG_NOSIGNAL), ==,
                    size);
    g_assert_cmpint(shutdown(qemu.channel[1], SHUT_WR), ==, 0);
}

/* QEMU joins the thread before it cleans up, but not after a failure. */
static void wait_for_answer(void)
{
    g_assert_true(migration.rp_state.rp_thread_created);
    qemu_thread_join(&migration.rp_state.rp_thread);
    migration.rp_state.rp_thread_created = false;
}

static void end(void)
{
    vfio_mig_answer_end(&migration);
    g_assert_cmpuint(qemu.nr_joins, ==, qemu.nr_threads);
    close(qemu.channel[0]);
    close(qemu.channel[1]);
    g_free(qemu.reason);
}

static bool is_refused(const uint8_t *bytes, size_t size)
{
    bool refused;

    begin(false, true, true);
    vfio_mig_answer_await(&migration);
    answer(bytes, size);
    wait_for_answer();
    refused = migration.rp_state.error;
    end();
    return refused;
}

/* ---- tests ---- */

/* Switched off so that QEMU does not open it, and on again for the user. */
static void test_asked(void)
{
    begin(true, true, false);
    vfio_mig_answer_await(&migration);
    vfio_mig_answer_await(&migration);      /* a second device */
    g_assert_cmpuint(qemu.nr_threads, ==, 1);
    g_assert_false(qemu.asked);
    run_bottom_half();
    g_assert_true(qemu.asked);
    end();
    g_assert_cmpuint(qemu.nr_shutdowns, ==, 1);
}

static void test_not_asked(void)
{
    begin(false, true, true);
    vfio_mig_answer_await(&migration);
    g_assert_cmpuint(qemu.nr_threads, ==, 1);
    g_assert_cmpuint(qemu.nr_sets, ==, 0);
    g_assert_cmpuint(qemu.nr_widened, ==, 1);
    g_assert_null(qemu.bottom_half);
    end();

    /* A source that does not wait counts buffered data as sent. */
    begin(false, true, false);
    vfio_mig_answer_await(&migration);
    g_assert_cmpuint(qemu.nr_threads, ==, 0);
    g_assert_cmpuint(qemu.nr_widened, ==, 0);
    end();
}

/*
 * QEMU then reads the return path itself. A second reader would take messages
 * from it, and a bottom half would enable what was never disabled.
 */
static void test_cannot_be_set(void)
{
    begin(true, false, true);
    vfio_mig_answer_await(&migration);
    g_assert_cmpuint(qemu.nr_sets, ==, 1);
    g_assert_cmpuint(qemu.nr_threads, ==, 0);
    g_assert_null(qemu.bottom_half);
    g_assert_true(qemu.asked);

    /* QEMU's thread and channel are not ours to end. */
    migration.rp_state.rp_thread_created = true;
    vfio_mig_answer_end(&migration);
    g_assert_true(migration.rp_state.rp_thread_created);
    g_assert_cmpuint(qemu.nr_shutdowns, ==, 0);
    end();
    test_asked();           /* the next migration is not affected */
}

/* The thread must not sleep in a read, where all that is sent would wake it. */
static void test_waits(void)
{
    static const uint8_t yes[] = { SHUT };

    begin(false, true, true);
    vfio_mig_answer_await(&migration);
    while (!qatomic_read(&qemu.waited) && !qatomic_read(&qemu.slept)) {
        g_usleep(1000);
    }
    answer(yes, sizeof(yes));
    wait_for_answer();
    g_assert_false(qemu.slept);
    g_assert_false(migration.rp_state.error);
    end();
}

static void test_answers(void)
{
    static const uint8_t yes[] = { SHUT };
    static const uint8_t ack[] = { ACK, SHUT };
    static const uint8_t ack_only[] = { ACK };
    static const uint8_t ack_with_more[] = { 0, 7, 0, 4, 0, 0, 0, 0, SHUT };
    static const uint8_t empty_pong[] = { 0, 2, 0, 0, SHUT };
    static const uint8_t long_shut[] = { 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0 };

    g_assert_false(is_refused(yes, sizeof(yes)));
    g_assert_false(is_refused(ack, sizeof(ack)));
    g_assert_true(is_refused(ack_only, sizeof(ack_only)));
    g_assert_true(is_refused(ack_with_more, sizeof(ack_with_more)));
    g_assert_true(is_refused(empty_pong, sizeof(empty_pong)));
    g_assert_true(is_refused(long_shut, sizeof(long_shut)));
    g_assert_true(is_refused(yes, 4));
    g_assert_true(is_refused(yes, 0));
}

/* Whatever a peer sends, the user gets so much of it, and the memory stays. */
static void test_long_reason(void)
{
    static const uint8_t pong[] = { 0, 2, 0, 4, 0x56, 'a', '\n', 'c' };
    static const uint8_t end_of_it[] = { 0, 2, 0, 4, 0x56, 0, 0, 0, SHUT };
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    begin(false, true, true);
    vfio_mig_answer_await(&migration);
    for (int i = 0; i < 500; i++) {
        g_byte_array_append(bytes, pong, sizeof(pong));
    }
    g_byte_array_append(bytes, end_of_it, sizeof(end_of_it));
    answer(bytes->data, bytes->len);
    wait_for_answer();
    g_assert_cmpuint(strlen(qemu.reason), ==,
                     strlen("the destination says: ") + 600);
    g_assert_nonnull(strstr(qemu.reason, "says: a?ca?c"));
    end();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/answer/asked", test_asked);
    g_test_add_func("/answer/not-asked", test_not_asked);
    g_test_add_func("/answer/cannot-be-set", test_cannot_be_set);
    g_test_add_func("/answer/waits", test_waits);
    g_test_add_func("/answer/answers", test_answers);
    g_test_add_func("/answer/long-reason", test_long_reason);
    return g_test_run();
}
