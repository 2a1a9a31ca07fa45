/*
 * Follow a migration stream in transit
 *
 * Owns: finding where the sections of a stream start, while it passes; a proxy
 * between two sides that forwards the stream up to a given place.
 * Does not own: the sides and the outcome (vfio-one-side-test.c).
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
    char *name;                 /* "part ram#2" for the second of its kind */
} StreamSection;

typedef struct StreamMap {
    GArray *sections;           /* StreamSection, in stream order */
    size_t state_end;           /* end of the VM's state; 0: not found yet */
    size_t end;                 /* end of the stream; 0: not found yet */
    /* internal to stream_map_look() */
    size_t at;
    size_t scan;
    uint32_t open_id;           /* of the section that started last */
    bool open;
    GHashTable *names;          /* section id to its name */
    GHashTable *counts;         /* "part ram" to the number of such sections */
} StreamMap;

/* stream_map_new: an empty map. stream_map_free: free it. */
StreamMap *stream_map_new(void);
void stream_map_free(StreamMap *map);

/*
 * stream_map_look: find the sections in @bytes, which must start with the bytes
 * of the previous call. The case fails if they are not a stream of QEMU 7.2.
 */
void stream_map_look(StreamMap *map, const GByteArray *bytes);

/* stream_map_find: the section called @name, or NULL. */
const StreamSection *stream_map_find(const StreamMap *map, const char *name);

/* How much of a stream a proxy forwards. */
typedef struct StreamPlace {
    const char *section;        /* containing @offset; NULL: the stream */
    size_t offset;              /* forward up to here; SIZE_MAX: everything */
    size_t back;                /* limit of the return path; SIZE_MAX: none */
} StreamPlace;

typedef struct StreamPassed {
    StreamMap *map;             /* what came from the source */
    size_t bytes;               /* forwarded to the destination */
    size_t back_bytes;          /* forwarded to the source */
    bool reached;               /* the place; false: the source closed */
} StreamPassed;

/*
 * stream_proxy: forward the stream between the sockets @src and @dst up to
 * @place. Both stay open. The case fails if both are silent for 10 s.
 *
 * @src is read no further than needed to find the place; for an offset in the
 * stream, that is the offset itself.
 */
StreamPassed stream_proxy(int src, int dst, const StreamPlace *place);

/*
 * stream_proxy_pair: a socket pair with small buffers: [0] is ours, [1] the
 * source's.
 */
void stream_proxy_pair(int fds[2]);

/* stream_proxy_drained: wait until the peer has read all that it was sent. */
void stream_proxy_drained(int fd);

#endif /* TESTS_QTEST_STREAM_PROXY_H */
