/*
 * A migration stream on its way
 *
 * Owns: where the sections of a stream begin, found while it passes; a proxy
 * between two sides, which passes the stream up to a place and no further.
 * Does not own: the sides, and what becomes of them (vfio-one-side-test.c).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_STREAM_PROXY_H
#define TESTS_QTEST_STREAM_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <glib.h>

typedef struct StreamSection {
    size_t start;
    char *name;                 /* "part ram#2", the second one of them */
} StreamSection;

typedef struct StreamMap {
    GArray *sections;           /* StreamSection, in their order */
    size_t state_end;           /* behind the VM's state; 0: not there yet */
    size_t end;                 /* behind the whole stream; 0: not there yet */
    /* for stream_map_look() only */
    size_t at;
    size_t scan;
    uint32_t open_id;           /* of the section that began last */
    bool open;
    GHashTable *names;          /* number of a section to its name */
    GHashTable *counts;         /* "part ram" to how many there were */
} StreamMap;

StreamMap *stream_map_new(void);
void stream_map_free(StreamMap *map);

/*
 * stream_map_look: find what there is in @bytes, which began with the same
 * bytes when it was called last. What is no stream of QEMU 7.2 fails the case.
 */
void stream_map_look(StreamMap *map, const GByteArray *bytes);

/* stream_map_find: the section of that name, or NULL. */
const StreamSection *stream_map_find(const StreamMap *map, const char *name);

/* How far a proxy passes a stream. */
typedef struct StreamPlace {
    const char *section;        /* that @offset is in; NULL: the stream */
    size_t offset;              /* up to that byte of it; SIZE_MAX: all */
    size_t back;                /* so many of the way back; SIZE_MAX: all */
} StreamPlace;

typedef struct StreamPassed {
    StreamMap *map;             /* of what came from the source */
    size_t bytes;               /* that the destination was given */
    size_t back_bytes;          /* that the source was given */
    bool reached;               /* the place; false: the source closed */
} StreamPassed;

/*
 * stream_proxy: pass the stream between @src and @dst, two sockets, up to
 * @place. Both stay open. Neither side may keep still for 10 s before.
 *
 * @src is not read further than needed to find the place, which for an
 * offset in the stream is the offset itself.
 */
StreamPassed stream_proxy(int src, int dst, const StreamPlace *place);

/* stream_proxy_pair: a socket with little room: [0] ours, [1] the source's. */
void stream_proxy_pair(int fds[2]);

/* stream_proxy_drained: wait till the other end has read what it was sent. */
void stream_proxy_drained(int fd);

#endif /* TESTS_QTEST_STREAM_PROXY_H */
