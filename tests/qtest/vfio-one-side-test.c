/*
 * Exactly one side runs, wherever a migration ends
 *
 * Owns: migrations of a small VM that end at a place of their stream: it is
 * cut, or one side is killed. The places are the start of each section, every
 * 4096th byte, and each byte of the return path. docs/testing.md says what must
 * hold then; judge() checks it.
 * Does not own: the proxy that finds the places (stream-proxy.h); how a load
 * handles each field (component tests); virsh (tests/libvirt).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "vfio-test.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stream-proxy.h"

#define RAM_MIB         4
#define GRID_BYTES      4096
/* The quick run takes every COARSE-th place of the grid */
#define COARSE          8
/* A PONG and the end of the return path, 8 bytes each */
#define BACK_BYTES      16
#define PATTERN_AT      0x100000
#define PATTERN_BYTES   0x6000
/*
 * Bytes that QEMU may have written and nobody has read: the kernel's minimum
 * for a socket buffer (4608 bytes), rounded up.
 */
#define SOCKET_BYTES    8192

typedef enum Event {
    EVENT_CUT,
    EVENT_KILL_SOURCE,
    EVENT_KILL_DESTINATION,
    EVENT_COUNT,
} Event;

static const char *const event_names[] = { "cut", "kill-source",
                                           "kill-destination" };

typedef struct Case {
    unsigned devices;
    bool return_path;
    Event event;
    unsigned number;            /* among the cases with that many devices */
} Case;

#define CASES_EACH (2 * EVENT_COUNT)

/* Number of each outcome */
typedef struct Tally {
    unsigned source;            /* the source runs, the migration failed */
    unsigned destination;
    unsigned by_hand;           /* the source has completed: cont */
    unsigned both;              /* a window in QEMU's own code */
    unsigned none;              /* the source was killed while it had the VM */
    unsigned without_reason;    /* failed, and QEMU did not know why */
} Tally;

typedef struct Scene {
    const Case *c;
    VFIOSide *src;              /* NULL: the next attempt needs a new one */
    VFIOSide *dst;
    uint8_t *src_ram;           /* as it was when the source started */
    GPtrArray *places;          /* char *, names of sections */
    GArray *starts;             /* size_t, their offsets */
    size_t end;                 /* of the recorded stream */
    unsigned number;            /* of the next side */
    Tally tally;
} Scene;

/* One migration that ends at a place */
typedef struct Attempt {
    StreamPlace place;
    StreamPassed passed;
    char *where;                /* for messages */
    bool src_dead, dst_dead;    /* killed */
    bool src_runs, dst_runs;
    char *status;               /* of the source's migration; NULL if killed */
} Attempt;

/* ---- the sides ---- */

static VFIOSide *new_side(Scene *s, const char *what)
{
    g_autofree char *name = g_strdup_printf("%s%u", what, s->number++);
    VFIOSide *side = vfio_side_new(name, SIDE_ATTACHED);

    side->ram_mib = RAM_MIB;
    vfio_side_set(side, "dev0", "window-size", "4K");
    vfio_side_set(side, "dev0", "chunk-size", "1K");
    vfio_side_set(side, "dev0", "state-size", "3K");
    vfio_side_set(side, "dev0", "precopy-size", "512");
    vfio_side_set(side, "dev0", "dma-rate", "0");
    for (unsigned i = 1; i < s->c->devices; i++) {
        vfio_side_add_device(side);
    }
    side->multi = s->c->devices > 1;
    if (s->c->return_path) {
        g_unsetenv("VFIO_MIGRATION_RETURN_PATH");
    } else {
        g_setenv("VFIO_MIGRATION_RETURN_PATH", "off", true);
    }
    return side;
}

static void new_source(Scene *s)
{
    g_autofree uint8_t *pattern = g_malloc(PATTERN_BYTES);

    s->src = new_side(s, "source");
    vfio_side_start(s->src);
    for (unsigned i = 0; i < PATTERN_BYTES; i++) {
        pattern[i] = i * 7 + i / 251 + 1;
    }
    qtest_memwrite(s->src->qts, PATTERN_AT, pattern, PATTERN_BYTES);
    vfio_side_expect_state(s->src, "dev0", "running");
    g_free(s->src_ram);
    s->src_ram = g_memdup2(s->src->ram, (size_t)RAM_MIB << 20);
}

/* Without -S it continues by itself once loaded, as without libvirt. */
static void new_destination(Scene *s)
{
    s->dst = new_side(s, "destination");
    s->dst->incoming = g_strdup_printf("unix:%s/in", s->dst->dir);
    vfio_side_start(s->dst);
}

static void drop_side(VFIOSide **side)
{
    if (*side) {
        vfio_side_kill(*side);
        vfio_side_free(*side);
        *side = NULL;
    }
}

/* ---- one attempt ---- */

/* Start a migration to a socket; returns the other end. */
static int begin(VFIOSide *src)
{
    int fds[2];

    stream_proxy_pair(fds);
    qtest_qmp_fds_assert_success(src->qts, &fds[1], 1,
                                 "{'execute': 'getfd', "
                                 "'arguments': {'fdname': 'proxy'}}");
    close(fds[1]);
    migrate_qmp(src->qts, "fd:proxy", "{}");
    return fds[0];
}

static void happen(Scene *s, Attempt *a, int dst_fd)
{
    switch (s->c->event) {
    case EVENT_KILL_SOURCE:
        qtest_kill9(s->src->qts);
        a->src_dead = true;
        break;
    case EVENT_KILL_DESTINATION:
        stream_proxy_drained(dst_fd);
        qtest_kill9(s->dst->qts);
        a->dst_dead = true;
        break;
    default:
        break;
    }
}

/* Did the destination receive all that it needs to run the VM? */
static bool had_all(const Attempt *a)
{
    size_t state_end = a->passed.map->state_end;

    return state_end && a->passed.bytes >= state_end;
}

static void settle_source(Scene *s, Attempt *a)
{
    a->status = migrate_wait_end(s->src->qts, QTEST_WAIT_MS);
    if (!a->status) {
        vfio_side_fail(s->src, "%s: the migration did not end", a->where);
    }
    migrate_wait_run_state(s->src->qts, strcmp(a->status, "completed")
                                        ? "running" : "postmigrate");
    a->src_runs = strcmp(a->status, "completed");
}

static void settle_destination(Scene *s, Attempt *a)
{
    if (had_all(a)) {
        migrate_wait_run_state(s->dst->qts, "running");
        a->dst_runs = true;
    } else {
        vfio_expect_load_failed(s->dst, "load of migration failed");
    }
}

/* Trigger the event at @place, then wait until both sides have settled. */
static Attempt attempt(Scene *s, const char *where, StreamPlace place)
{
    Attempt a = { .place = place, .where = g_strdup(where) };
    int dst_fd, src_fd;

    new_destination(s);
    dst_fd = vfio_side_connect(s->dst);
    src_fd = begin(s->src);
    a.passed = stream_proxy(src_fd, dst_fd, &place);
    if (a.passed.reached) {
        happen(s, &a, dst_fd);
    }
    close(src_fd);
    close(dst_fd);
    if (!a.src_dead) {
        settle_source(s, &a);
    }
    if (!a.dst_dead) {
        settle_destination(s, &a);
    }
    return a;
}

/* ---- what must hold ---- */

static void check_number(VFIOSide *side, const char *device, const char *key,
                         int64_t right)
{
    int64_t value = vfio_side_status_int(side, device, key);

    if (value != right) {
        vfio_side_fail(side, "%s of %s is %" G_GINT64_FORMAT ", not %"
                       G_GINT64_FORMAT, key, device, value, right);
    }
}

static void check_ram(Scene *s, VFIOSide *side, const char *where)
{
    int64_t at = machine_ram_differs(s->src_ram, side->ram, RAM_MIB);

    if (at >= 0) {
        vfio_side_fail(side, "%s: guest memory is wrong at 0x%"
                       G_GINT64_MODIFIER "x", where, at);
    }
}

/* The VM and its devices run on @side, and none of its state was lost. */
static void check_runs(Scene *s, VFIOSide *side, const char *where)
{
    migrate_wait_run_state(side->qts, "running");
    for (unsigned i = 0; i < side->devices->len; i++) {
        const char *device = side->devices->pdata[i];

        vfio_side_expect_state(side, device, "running");
        /* The reset at the start of each machine; no other one was needed. */
        check_number(side, device, "resets", 1);
        check_number(side, device, "corrupt", 0);
        check_number(side, device, "incomplete", 0);
    }
    check_ram(s, side, where);
    vfio_expect_clean(side);
}

static void check_arrived(Scene *s, const Attempt *a)
{
    check_runs(s, s->dst, a->where);
    for (unsigned i = 0; i < s->dst->devices->len; i++) {
        const char *device = s->dst->devices->pdata[i];
        g_autofree char *to = vfio_side_status_str(s->dst, device,
                                                   "loaded-digest");
        g_autofree char *from = vfio_side_status_str(s->src, device,
                                                     "saved-digest");

        /* A killed source may not have been able to record it. */
        if (!*to || (*from && strcmp(from, to))) {
            vfio_side_fail(s->dst, "%s: the digest of %s is '%s', the "
                           "source's is '%s'", a->where, device, to, from);
        }
    }
}

static void check_failed(Scene *s, const Attempt *a)
{
    g_autofree char *why = migrate_error(s->src->qts);

    /* Never empty; if the destination is lost, nobody can say more. */
    if (strcmp(a->status, "failed") ||
        (!g_str_has_prefix(why, "Unable to write to socket: ") &&
         !g_str_has_prefix(why, "QEMU gives no reason; the log of the "
                           "destination"))) {
        vfio_side_fail(s->src, "%s: the user reads '%s', '%s'", a->where,
                       a->status, why);
    }
    s->tally.without_reason += g_str_has_prefix(why, "QEMU gives");
    check_runs(s, s->src, a->where);
}

/* QEMU said "completed", as its last byte was in the socket. */
static void check_by_hand(Scene *s, const Attempt *a)
{
    bool told_late = a->dst_dead && had_all(a);

    if (!told_late && (s->c->return_path ||
                       a->passed.bytes + SOCKET_BYTES < s->end)) {
        vfio_side_fail(s->src, "%s: completed, though the destination has "
                       "%zu of %zu bytes", a->where, a->passed.bytes, s->end);
    }
    qtest_qmp_assert_success(s->src->qts, "{'execute': 'cont'}");
    check_runs(s, s->src, a->where);
}

/*
 * The destination runs once the VM's state has ended, but QEMU's source counts
 * what follows as part of the migration: a description for debuggers, and the
 * end of the return path.
 */
static void check_both(Scene *s, const Attempt *a)
{
    bool in_window = a->passed.bytes < s->end ||
                     (s->c->return_path &&
                      a->passed.back_bytes < BACK_BYTES);

    if (!had_all(a) || !in_window) {
        vfio_side_fail(s->src, "%s: both sides run", a->where);
    }
}

static void judge(Scene *s, const Attempt *a)
{
    Tally *t = &s->tally;

    if (a->dst_runs) {
        check_arrived(s, a);
    }
    if (a->src_runs) {
        check_failed(s, a);
    }
    if (a->src_runs && a->dst_runs) {
        check_both(s, a);
        t->both++;
    } else if (a->src_runs) {
        t->source++;
    } else if (a->dst_runs) {
        t->destination++;
    } else if (!a->src_dead) {
        check_by_hand(s, a);
        t->by_hand++;
    } else if (had_all(a)) {
        vfio_side_fail(s->dst, "%s: had all, and does not run", a->where);
    } else {
        t->none++;
    }
}

static void attempt_clear(Attempt *a)
{
    stream_map_free(a->passed.map);
    g_free(a->where);
    g_free(a->status);
}

static void try_place(Scene *s, const char *where, StreamPlace place)
{
    Attempt a;

    if (!s->src) {
        new_source(s);
    }
    a = attempt(s, where, place);
    if (a.passed.reached) {
        judge(s, &a);
    } else if (place.section && g_str_has_prefix(place.section, "part ")) {
        /* There were fewer rounds than in the recorded stream. */
        check_arrived(s, &a);
    } else {
        vfio_side_fail(s->src, "%s: the stream did not get there", where);
    }
    if (a.src_dead || a.dst_runs) {
        drop_side(&s->src);
    }
    drop_side(&s->dst);
    attempt_clear(&a);
}

/* ---- the places ---- */

static const StreamPlace everywhere = { NULL, SIZE_MAX, SIZE_MAX };

/* A whole migration: it must succeed, and provides the places. */
static void record(Scene *s)
{
    Attempt a;

    new_source(s);
    a = attempt(s, "the whole stream", everywhere);
    if (strcmp(a.status, "completed") || !a.dst_runs) {
        vfio_side_fail(s->src, "the whole migration is '%s'", a.status);
    }
    check_arrived(s, &a);
    for (unsigned i = 0; i < a.passed.map->sections->len; i++) {
        const StreamSection *section =
            &g_array_index(a.passed.map->sections, StreamSection, i);

        g_ptr_array_add(s->places, g_strdup(section->name));
        g_array_append_val(s->starts, section->start);
    }
    s->end = a.passed.map->end;
    g_assert_cmpuint(s->end, ==, a.passed.bytes);
    drop_side(&s->src);
    drop_side(&s->dst);
    attempt_clear(&a);
}

/*
 * Convert an offset in the recorded stream to one in its section: the number of
 * rounds, and so the length, differs between streams.
 */
static void try_byte(Scene *s, size_t at)
{
    g_autofree char *where = g_strdup_printf("byte %zu", at);
    StreamPlace place = { NULL, at, SIZE_MAX };

    for (unsigned i = 0; i < s->places->len; i++) {
        size_t start = g_array_index(s->starts, size_t, i);

        if (start <= at) {
            place = (StreamPlace) { s->places->pdata[i], at - start,
                                    SIZE_MAX };
        }
    }
    try_place(s, where, place);
}

/* All places in slow mode; in quick mode, the cases share them. */
static bool is_mine(Scene *s, unsigned n)
{
    return g_test_slow() || n % CASES_EACH == s->c->number;
}

static void try_sections(Scene *s)
{
    for (unsigned i = 0; i < s->places->len; i++) {
        const char *name = s->places->pdata[i];

        if (is_mine(s, i)) {
            try_place(s, name, (StreamPlace) { name, 0, SIZE_MAX });
        }
    }
}

static void try_grid(Scene *s)
{
    unsigned step = g_test_slow() ? 1 : COARSE;

    for (unsigned i = 0; i * step * GRID_BYTES < s->end; i++) {
        if (is_mine(s, i)) {
            try_byte(s, (size_t)i * step * GRID_BYTES);
        }
    }
}

/* Without the last byte, and with it */
static void try_ends(Scene *s)
{
    size_t at[] = { s->end - 1, s->end };

    for (unsigned i = 0; i < G_N_ELEMENTS(at); i++) {
        if (is_mine(s, i)) {
            try_byte(s, at[i]);
        }
    }
}

static void scene_begin(Scene *s, const Case *c)
{
    *s = (Scene) {
        .c = c,
        .places = g_ptr_array_new_with_free_func(g_free),
        .starts = g_array_new(false, false, sizeof(size_t)),
    };
    qtest_set_case_seconds(g_test_slow() ? 900 : 120);
    record(s);
}

/* After all this, the source can still migrate. */
static void scene_end(Scene *s)
{
    Tally *t = &s->tally;
    unsigned ends = t->source + t->destination + t->by_hand + t->both +
                    t->none;

    g_assert_cmpuint(ends, >, 0);
    if (s->src) {
        Attempt a = attempt(s, "after all", everywhere);

        g_assert_true(a.dst_runs && !a.src_runs);
        check_arrived(s, &a);
        attempt_clear(&a);
    }
    g_test_message("of %u ends (stream of %zu bytes, %u sections): the source "
                   "runs %u, the destination runs %u, the source goes on by "
                   "hand %u, both run %u, killed with its source %u; failed "
                   "without a reason %u", ends, s->end, s->places->len,
                   t->source, t->destination, t->by_hand, t->both, t->none,
                   t->without_reason);
    drop_side(&s->src);
    drop_side(&s->dst);
    g_ptr_array_unref(s->places);
    g_array_unref(s->starts);
    g_free(s->src_ram);
}

/* ---- cases ---- */

static void test_places(const void *opaque)
{
    Scene s;

    scene_begin(&s, opaque);
    try_sections(&s);
    try_grid(&s);
    try_ends(&s);
    scene_end(&s);
}

/* The stream passes completely; the return path ends after each byte. */
static void test_back(const void *opaque)
{
    Scene s;

    scene_begin(&s, opaque);
    for (unsigned i = 0; i < BACK_BYTES; i++) {
        g_autofree char *where = g_strdup_printf("byte %u of the way back", i);

        if (g_test_slow() || i % EVENT_COUNT == s.c->number) {
            try_place(&s, where, (StreamPlace) { NULL, SIZE_MAX, i });
        }
    }
    scene_end(&s);
}

static void add_case(const char *group, const Case *c,
                     void (*fn)(const void *))
{
    g_autofree char *name = g_strdup_printf(
        "vfio/one-side/%s/%s-%s-return-path", group, event_names[c->event],
        c->return_path ? "with" : "without");

    qtest_add_data_case_full(name, g_memdup2(c, sizeof(*c)), fn, g_free);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned devices = 1; devices <= 2; devices++) {
        for (unsigned i = 0; i < CASES_EACH; i++) {
            Case c = { devices, i % 2, i / 2, i };

            add_case(devices == 1 ? "one-device" : "two-devices", &c,
                     test_places);
        }
    }
    for (Event event = 0; event < EVENT_COUNT; event++) {
        Case c = { 1, true, event, event };

        add_case("way-back", &c, test_back);
    }
    return g_test_run();
}
