/*
 * Follow a migration stream in transit
 *
 * Owns: see stream-proxy.h.
 * Locks: none. Source: QEMU 7.2's migration/savevm.c and
 * docs/devel/migration.rst, for the layout of a stream.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "stream-proxy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "qtest-case.h"

#define STREAM_MAGIC    0x5145564du     /* "QEVM" */
#define STREAM_VERSION  3u
#define HEADER_BYTES    8
#define FOOTER_BYTES    5

/* First byte of a section, and of its footer */
enum {
    MARK_EOF = 0,
    MARK_START = 1,
    MARK_PART = 2,
    MARK_END = 3,
    MARK_FULL = 4,
    MARK_DESCRIPTION = 6,
    MARK_CONFIGURATION = 7,
    MARK_COMMAND = 8,
    MARK_FOOTER = 0x7e,
};

#define STILL_MS        10000
#define SMALL_BUFFER    4096
#define DRAIN_MS        1000

/* ---- the map ---- */

static void section_clear(gpointer opaque)
{
    g_free(((StreamSection *)opaque)->name);
}

StreamMap *stream_map_new(void)
{
    StreamMap *map = g_new0(StreamMap, 1);

    map->sections = g_array_new(false, false, sizeof(StreamSection));
    g_array_set_clear_func(map->sections, section_clear);
    map->names = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    map->counts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                        NULL);
    return map;
}

void stream_map_free(StreamMap *map)
{
    g_array_unref(map->sections);
    g_hash_table_unref(map->names);
    g_hash_table_unref(map->counts);
    g_free(map);
}

static uint32_t get32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return GUINT32_FROM_BE(value);
}

static void begin_section(StreamMap *map, const char *kind, const char *of)
{
    StreamSection section = { .start = map->at };
    char *key = g_strdup_printf("%s%s%s", kind, of ? " " : "", of ?: "");
    unsigned n = GPOINTER_TO_UINT(g_hash_table_lookup(map->counts, key)) + 1;

    section.name = g_strdup_printf("%s#%u", key, n);
    g_array_append_val(map->sections, section);
    g_hash_table_replace(map->counts, key, GUINT_TO_POINTER(n));
}

/* A section that introduces its device's name */
static bool begin_named(StreamMap *map, const uint8_t *b, size_t left)
{
    g_autofree char *of = NULL;
    size_t len = left > 5 ? b[5] : 0;

    if (left < 6 + len + 8) {
        return false;
    }
    of = g_strndup((char *)b + 6, len);
    begin_section(map, b[0] == MARK_START ? "start" : "full", of);
    map->open_id = get32(b + 1);
    g_hash_table_replace(map->names, GUINT_TO_POINTER(map->open_id),
                         g_steal_pointer(&of));
    map->open = true;
    map->scan = map->at + 6 + len + 8;
    return true;
}

static bool begin_again(StreamMap *map, const uint8_t *b, size_t left)
{
    const char *of;

    if (left < 5) {
        return false;
    }
    map->open_id = get32(b + 1);
    of = g_hash_table_lookup(map->names, GUINT_TO_POINTER(map->open_id));
    if (!of) {
        qtest_fail("the stream goes on with section %u, which did not begin",
                   map->open_id);
    }
    begin_section(map, b[0] == MARK_PART ? "part" : "end", of);
    map->open = true;
    map->scan = map->at + 5;
    return true;
}

/* A section with a known length; @bytes includes the header */
static bool pass_whole(StreamMap *map, const char *kind, size_t left,
                       size_t bytes)
{
    if (left < bytes) {
        return false;
    }
    begin_section(map, kind, NULL);
    map->at += bytes;
    return true;
}

static bool pass_description(StreamMap *map, const uint8_t *b, size_t left)
{
    if (left < 5 || left < 5 + (size_t)get32(b + 1)) {
        return false;
    }
    map->end = map->at + 5 + get32(b + 1);
    return pass_whole(map, "description", left, map->end - map->at);
}

/* Parse one step from map->at on; false: more bytes are needed. */
static bool begin_any(StreamMap *map, const uint8_t *b, size_t left)
{
    switch (b[0]) {
    case MARK_START:
    case MARK_FULL:
        return begin_named(map, b, left);
    case MARK_PART:
    case MARK_END:
        return begin_again(map, b, left);
    case MARK_CONFIGURATION:
        return left >= 5 && pass_whole(map, "configuration", left,
                                       5 + (size_t)get32(b + 1));
    case MARK_COMMAND:
        return left >= 5 && pass_whole(map, "command", left,
                                       5 + (b[3] << 8 | b[4]));
    case MARK_EOF:
        map->state_end = map->at + 1;
        return pass_whole(map, "end of the state", left, 1);
    case MARK_DESCRIPTION:
        return pass_description(map, b, left);
    default:
        qtest_fail("the stream has a section of kind %u at %zu", b[0],
                   map->at);
    }
}

typedef enum MayBegin { BEGINS_NOT, BEGINS, BEGINS_MAYBE } MayBegin;

/* Does a section start at @b? The content may look like a footer. */
static MayBegin may_begin(StreamMap *map, const uint8_t *b, size_t left)
{
    switch (left ? b[0] : MARK_START) {
    case MARK_START:
    case MARK_FULL:
        return left < 6 ? BEGINS_MAYBE :
               get32(b + 1) < 0x1000 && b[5] ? BEGINS : BEGINS_NOT;
    case MARK_PART:
    case MARK_END:
        return left < 5 ? BEGINS_MAYBE :
               g_hash_table_contains(map->names, GUINT_TO_POINTER(
                                         get32(b + 1))) ? BEGINS : BEGINS_NOT;
    case MARK_EOF:
        return left < 2 || b[1] == MARK_DESCRIPTION ? BEGINS : BEGINS_NOT;
    case MARK_COMMAND:
        return BEGINS;
    default:
        return BEGINS_NOT;
    }
}

/* Look for the footer of the open section. */
static bool end_open(StreamMap *map, const GByteArray *bytes)
{
    for (; map->scan + FOOTER_BYTES <= bytes->len; map->scan++) {
        const uint8_t *b = bytes->data + map->scan;
        size_t next = map->scan + FOOTER_BYTES;

        if (b[0] != MARK_FOOTER || get32(b + 1) != map->open_id) {
            continue;
        }
        switch (may_begin(map, b + FOOTER_BYTES, bytes->len - next)) {
        case BEGINS:
            map->at = next;
            map->open = false;
            return true;
        case BEGINS_MAYBE:
            return false;       /* needs more bytes */
        default:
            break;
        }
    }
    return false;
}

void stream_map_look(StreamMap *map, const GByteArray *bytes)
{
    bool more = true;

    if (!map->at && bytes->len >= HEADER_BYTES) {
        if (get32(bytes->data) != STREAM_MAGIC ||
            get32(bytes->data + 4) != STREAM_VERSION) {
            qtest_fail("this is no migration stream");
        }
        begin_section(map, "header", NULL);
        map->at = HEADER_BYTES;
    }
    while (more && map->at && !map->end && map->at < bytes->len) {
        more = map->open ? end_open(map, bytes)
                         : begin_any(map, bytes->data + map->at,
                                     bytes->len - map->at);
    }
}

const StreamSection *stream_map_find(const StreamMap *map, const char *name)
{
    for (unsigned i = 0; i < map->sections->len; i++) {
        const StreamSection *s = &g_array_index(map->sections, StreamSection,
                                                i);

        if (!strcmp(s->name, name)) {
            return s;
        }
    }
    return NULL;
}

/* ---- the proxy ---- */

typedef struct Proxy {
    int src, dst;
    const StreamPlace *place;
    GByteArray *bytes;          /* everything received from the source */
    bool src_closed;
    bool dst_closed;
    StreamPassed passed;
} Proxy;

/* Sets @limit to the offset of the place; false if not known yet. */
static bool find_place(const Proxy *p, size_t *limit)
{
    const StreamPlace *place = p->place;
    const StreamSection *found = NULL;

    if (place->section) {
        found = stream_map_find(p->passed.map, place->section);
    }
    *limit = place->offset + (found ? found->start : 0);
    return !place->section || found;
}

/* Bytes that the destination may have by now; @last: there will be no more. */
static size_t allowed(Proxy *p, bool *last)
{
    const StreamMap *map = p->passed.map;
    size_t limit;

    *last = p->src_closed;
    if (find_place(p, &limit)) {
        *last |= p->bytes->len >= limit;
        return MIN(p->bytes->len, limit);
    }
    /* The section that is looked for may start in what is not parsed yet. */
    return map->end || p->src_closed ? p->bytes->len : map->at;
}

static void read_source(Proxy *p)
{
    uint8_t buf[SMALL_BUFFER];
    size_t limit, want = sizeof(buf);
    ssize_t got;

    if (find_place(p, &limit)) {
        want = MIN(want, limit - p->bytes->len);
    }
    got = recv(p->src, buf, want, MSG_DONTWAIT);
    if (got > 0) {
        g_byte_array_append(p->bytes, buf, got);
        stream_map_look(p->passed.map, p->bytes);
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        p->src_closed = true;
    }
}

static void write_destination(Proxy *p, size_t may)
{
    ssize_t done = send(p->dst, p->bytes->data + p->passed.bytes,
                        may - p->passed.bytes, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (done > 0) {
        p->passed.bytes += done;
    } else if (errno != EAGAIN && errno != EINTR) {
        p->dst_closed = true;
    }
}

static void pass_back(Proxy *p)
{
    uint8_t buf[SMALL_BUFFER];
    size_t want = MIN(sizeof(buf), p->place->back - p->passed.back_bytes);
    ssize_t got = recv(p->dst, buf, want, MSG_DONTWAIT);

    if (got > 0) {
        if (send(p->src, buf, got, MSG_NOSIGNAL) == got) {
            p->passed.back_bytes += got;
        } else {
            p->src_closed = true;
        }
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        p->dst_closed = true;
    }
}

StreamPassed stream_proxy(int src, int dst, const StreamPlace *place)
{
    Proxy p = {
        .src = src, .dst = dst, .place = place,
        .bytes = g_byte_array_new(),
        .passed.map = stream_map_new(),
    };

    while (!p.dst_closed) {
        bool last;
        size_t may = allowed(&p, &last);
        bool more = may > p.passed.bytes;
        struct pollfd fds[] = {
            { .fd = last ? -1 : src, .events = POLLIN },
            { .fd = dst, .events = POLLIN | (more ? POLLOUT : 0) },
        };

        p.passed.reached = last && !p.src_closed;
        if (p.passed.back_bytes >= place->back) {
            p.passed.reached = true;
            break;
        }
        if (last && !more) {
            break;
        }
        if (poll(fds, G_N_ELEMENTS(fds), STILL_MS) == 0) {
            qtest_fail("the stream stands still after %u bytes", p.bytes->len);
        }
        if (fds[0].revents) {
            read_source(&p);
        }
        if (fds[1].revents & (POLLIN | POLLHUP)) {
            pass_back(&p);
        }
        if (more) {
            write_destination(&p, may);
        }
    }
    g_byte_array_unref(p.bytes);
    return p.passed;
}

void stream_proxy_pair(int fds[2])
{
    int bytes = 1;              /* the kernel raises it to its minimum */

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds),
                    ==, 0);
    g_assert_cmpint(setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &bytes,
                               sizeof(bytes)), ==, 0);
}

void stream_proxy_drained(int fd)
{
    int queued = 1;

    for (unsigned i = 0; i < DRAIN_MS && queued; i++) {
        if (ioctl(fd, SIOCOUTQ, &queued) < 0) {
            return;             /* it is closed */
        }
        g_usleep(1000);
    }
}
