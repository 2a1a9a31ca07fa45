/*
 * Tests of hw/vfio/migration-queue.c
 *
 * Two threads pass on a stream of bytes, whose values follow from their
 * positions, in pieces of random sizes; the reader checks each of them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/thread.h"
#include "qemu/units.h"
#include "hw/vfio/migration-queue.h"

#define WAIT_MS 1000

/* The byte at @position of every stream of these tests */
static uint8_t byte_at(uint64_t position)
{
    return position * 7 + (position >> 8) * 13 + (position >> 16);
}

static void fill(uint8_t *to, uint64_t position, size_t size)
{
    size_t i;

    for (i = 0; i < size; i++) {
        to[i] = byte_at(position + i);
    }
}

/* ---- two threads ---- */

typedef struct Stream {
    VFIOMigQueue *queue;
    uint64_t bytes;             /* of the whole stream */
    size_t piece_max;
    uint32_t seed;
    bool by_room;               /* fill room in place, or copy */
    unsigned hooks;             /* atomic */
    int ret;
} Stream;

static void count_hook(void *opaque)
{
    Stream *s = opaque;

    qatomic_set(&s->hooks, s->hooks + 1);
}

static int put_piece(Stream *s, uint64_t position, size_t size)
{
    g_autofree uint8_t *piece = NULL;
    size_t room_bytes;
    uint8_t *room;

    if (!s->by_room) {
        piece = g_malloc(size);
        fill(piece, position, size);
        return vfio_mig_queue_put(s->queue, piece, size);
    }
    room = vfio_mig_queue_room(s->queue, size, &room_bytes);
    if (!room) {
        return -ECANCELED;
    }
    g_assert_cmpuint(room_bytes, >=, size);
    fill(room, position, size);
    vfio_mig_queue_commit(s->queue, size);
    return 0;
}

static void *put_stream(void *opaque)
{
    Stream *s = opaque;
    GRand *rand = g_rand_new_with_seed(s->seed);
    uint64_t position = 0;
    size_t size;

    while (s->ret == 0 && position < s->bytes) {
        size = g_rand_int_range(rand, 1, s->piece_max + 1);
        size = MIN(size, s->bytes - position);
        s->ret = put_piece(s, position, size);
        position += size;
        vfio_mig_queue_mark(s->queue);
    }
    vfio_mig_queue_end(s->queue);
    g_rand_free(rand);
    return NULL;
}

static void take_some(VFIOMigQueue *q, const uint8_t *data, size_t size,
                      uint64_t position)
{
    size_t i;

    for (i = 0; i < size; i++) {
        g_assert_cmpuint(data[i], ==, byte_at(position + i));
    }
    vfio_mig_queue_take(q, size);
}

static uint64_t take_stream(VFIOMigQueue *q, uint32_t seed)
{
    GRand *rand = g_rand_new_with_seed(seed);
    VFIOMigQueueLook look;
    uint64_t position = 0;
    const uint8_t *data;
    size_t size;

    for (;;) {
        /* Look first, so that all that was put before the end is seen. */
        vfio_mig_queue_look(q, &look);
        data = vfio_mig_queue_peek(q, WAIT_MS, &size);
        if (data) {
            size = g_rand_int_range(rand, 1, size + 1);
            take_some(q, data, size, position);
            position += size;
        } else if (look.ended) {
            break;
        }
        g_assert_cmpuint(look.marked_bytes, <=, look.put_bytes);
        g_assert_cmpuint(look.taken_bytes, <=, look.put_bytes);
    }
    g_rand_free(rand);
    return position;
}

typedef struct Size {
    const char *name;
    size_t queue, piece;
    bool by_room;
} Size;

static const Size sizes[] = {
    { "copied/small", 64, 16, false },
    { "copied/longer-than-the-queue", 64, 1000, false },
    { "in-place/small", 64, 16, true },
    { "in-place/whole-queue", 64, 64, true },
    { "in-place/odd", 1021, 700, true },
    { "in-place/large", 64 * KiB, 17 * KiB, true },
};

static void test_stream(const void *opaque)
{
    const Size *size = opaque;
    uint32_t seed;

    for (seed = 1; seed <= 8; seed++) {
        Stream s = {
            .queue = vfio_mig_queue_new(size->queue),
            .bytes = 200 * size->queue + seed,
            .piece_max = size->piece,
            .seed = seed,
            .by_room = size->by_room,
        };
        VFIOMigQueueLook look;
        QemuThread thread;

        vfio_mig_queue_notify(s.queue, count_hook, &s);
        qemu_thread_create(&thread, "put", put_stream, &s,
                           QEMU_THREAD_JOINABLE);
        g_assert_cmpuint(take_stream(s.queue, seed + 100), ==, s.bytes);
        qemu_thread_join(&thread);
        g_assert_cmpint(s.ret, ==, 0);
        vfio_mig_queue_look(s.queue, &look);
        g_assert_cmpuint(look.put_bytes, ==, s.bytes);
        g_assert_cmpuint(look.marked_bytes, ==, s.bytes);
        g_assert_cmpuint(look.taken_bytes, ==, s.bytes);
        g_assert_true(look.ended && !look.full && !look.aborted);
        g_assert_cmpuint(s.hooks, >, s.bytes / s.piece_max);
        vfio_mig_queue_free(s.queue);
    }
}

/* ---- the limit, and the end of waits ---- */

static void wait_till_full(VFIOMigQueue *q)
{
    VFIOMigQueueLook look;

    do {
        g_usleep(100);
        vfio_mig_queue_look(q, &look);
    } while (!look.full);
}

static void test_bound(void)
{
    Stream s = { .queue = vfio_mig_queue_new(64), .bytes = 1000,
                 .piece_max = 1000 };
    VFIOMigQueueLook look;
    QemuThread thread;

    qemu_thread_create(&thread, "put", put_stream, &s, QEMU_THREAD_JOINABLE);
    wait_till_full(s.queue);
    vfio_mig_queue_look(s.queue, &look);
    g_assert_cmpuint(look.put_bytes, <=, 64);
    g_assert_cmpuint(look.put_bytes, >, 0);
    g_assert_cmpuint(look.marked_bytes, <=, look.put_bytes);
    g_assert_cmpuint(take_stream(s.queue, 1), ==, s.bytes);
    qemu_thread_join(&thread);
    vfio_mig_queue_free(s.queue);
}

static void test_abort_full(void)
{
    Stream s = { .queue = vfio_mig_queue_new(64), .bytes = 1000,
                 .piece_max = 100 };
    QemuThread thread;
    size_t size;

    qemu_thread_create(&thread, "put", put_stream, &s, QEMU_THREAD_JOINABLE);
    wait_till_full(s.queue);
    vfio_mig_queue_abort(s.queue);
    qemu_thread_join(&thread);
    g_assert_cmpint(s.ret, ==, -ECANCELED);
    g_assert_null(vfio_mig_queue_peek(s.queue, WAIT_MS, &size));
    g_assert_null(vfio_mig_queue_room(s.queue, 1, &size));
    vfio_mig_queue_free(s.queue);
}

static void *abort_soon(void *opaque)
{
    g_usleep(10000);
    vfio_mig_queue_abort(opaque);
    return NULL;
}

static void test_abort_empty(void)
{
    VFIOMigQueue *q = vfio_mig_queue_new(64);
    int64_t start_us = g_get_monotonic_time();
    QemuThread thread;
    size_t size;

    qemu_thread_create(&thread, "abort", abort_soon, q, QEMU_THREAD_JOINABLE);
    g_assert_null(vfio_mig_queue_peek(q, 60000, &size));
    g_assert_cmpint(g_get_monotonic_time() - start_us, <, 30 * G_USEC_PER_SEC);
    qemu_thread_join(&thread);
    vfio_mig_queue_free(q);
}

/* Nothing is there yet, or no more will come: peek returns at once. */
static void test_peek(void)
{
    VFIOMigQueue *q = vfio_mig_queue_new(64);
    size_t size = 1;

    g_assert_null(vfio_mig_queue_peek(q, 0, &size));
    g_assert_cmpuint(size, ==, 0);
    g_assert_cmpint(vfio_mig_queue_put(q, "abc", 3), ==, 0);
    g_assert_cmpstr(vfio_mig_queue_peek(q, 0, &size), ==, "abc");
    g_assert_cmpuint(size, ==, 3);
    vfio_mig_queue_take(q, 3);
    vfio_mig_queue_end(q);
    g_assert_null(vfio_mig_queue_peek(q, 60000, &size));
    vfio_mig_queue_free(q);
    vfio_mig_queue_free(NULL);
}

int main(int argc, char **argv)
{
    unsigned i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autofree char *path = g_strconcat("/queue/stream/", sizes[i].name,
                                            NULL);

        g_test_add_data_func(path, &sizes[i], test_stream);
    }
    g_test_add_func("/queue/bound", test_bound);
    g_test_add_func("/queue/abort/full", test_abort_full);
    g_test_add_func("/queue/abort/empty", test_abort_empty);
    g_test_add_func("/queue/peek", test_peek);
    return g_test_run();
}
