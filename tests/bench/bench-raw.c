/*
 * vfio-bench: the raw cost of moving the same bytes
 *
 * Owns: a lower bound to compare with. One process generates data in a window,
 * like the simulated device, and writes it to a socket; another one reads from
 * the socket into a window. No QEMU, no packets, no registers. No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "sim-model.h"

/* For the layouts "mixed" and "last-page" */
#define RAW_STRIPE_BYTES (64 * 1024)
#define RAW_PAGE_BYTES   4096

/*
 * Read size with protocol v2. Measured: 1 GiB, median of five runs on two busy
 * CPUs: 256 KiB 287 ms, 512 KiB 326, 1 MiB 331, 128 KiB 358, 64 KiB 411,
 * 4 MiB 529
 */
#define RAW_BLOCK_BYTES  (256 * 1024)

typedef struct RawSide {
    const BenchCase *spec;
    int socket;
    int window_fd;
    size_t window_bytes;
    uint8_t *window;
    uint8_t *buffer;          /* for trapped data */
    bool bare;                /* without the device's own work */
} RawSide;

static bool raw_open(RawSide *side)
{
    const BenchCase *spec = side->spec;

    side->window_bytes = spec->v2 ? RAW_BLOCK_BYTES : spec->window_bytes;
    side->window_bytes = MIN(side->window_bytes, spec->bytes);
    side->window_fd = memfd_create("raw-window", MFD_CLOEXEC);
    if (side->window_fd < 0 ||
        ftruncate(side->window_fd, side->window_bytes)) {
        return false;
    }
    side->window = mmap(NULL, side->window_bytes, PROT_READ | PROT_WRITE,
                        MAP_SHARED | SIM_MAP_POPULATE(side->window_bytes),
                        side->window_fd, 0);
    side->buffer = g_malloc0(side->window_bytes);
    return side->window != MAP_FAILED;
}

static void raw_close(RawSide *side)
{
    if (side->window_fd >= 0) {
        munmap(side->window, side->window_bytes);
        close(side->window_fd);
    }
    g_free(side->buffer);
    close(side->socket);
}

static bool raw_transfer(const RawSide *side, bool out, uint8_t *at,
                         size_t size)
{
    while (size) {
        ssize_t moved = out ? write(side->socket, at, size)
                            : read(side->socket, at, size);

        if (moved == 0 || (moved < 0 && errno != EINTR)) {
            return false;
        }
        at += MAX(moved, 0);
        size -= MAX(moved, 0);
    }
    return true;
}

/* Length of the piece at @at; @trapped: set if it is trapped, not mapped */
static size_t raw_piece(const RawSide *side, size_t at, bool *trapped)
{
    const char *layout = side->spec->layout;
    size_t last = side->window_bytes - RAW_PAGE_BYTES;

    /* With a data fd, data is generated directly in the read buffer. */
    *trapped = side->spec->v2 ? side->bare : !strcmp(layout, "trapped");
    if (!strcmp(layout, "mixed")) {
        *trapped = at / RAW_STRIPE_BYTES % 2;
        return RAW_STRIPE_BYTES - at % RAW_STRIPE_BYTES;
    }
    if (!strcmp(layout, "last-page")) {
        *trapped = at >= last;
        return *trapped ? side->window_bytes - at : last - at;
    }
    return side->window_bytes - at;
}

static bool raw_move_piece(const RawSide *side, bool out, bool trapped,
                           size_t at, size_t size)
{
    uint8_t *window = side->window + at;

    if (!trapped) {
        return raw_transfer(side, out, window, size);
    }
    if (out) {
        return pread(side->window_fd, side->buffer, size, at) == size &&
               raw_transfer(side, true, side->buffer, size);
    }
    return raw_transfer(side, false, side->buffer, size) &&
           pwrite(side->window_fd, side->buffer, size, at) == size;
}

static bool raw_move(RawSide *side, bool out)
{
    uint64_t bytes = bench_total_bytes(side->spec);

    for (uint64_t done = 0; done < bytes;) {
        size_t chunk = MIN(bytes - done, side->window_bytes);
        size_t piece;
        bool trapped;

        if (out && !side->bare) {
            sim_content_fill(1, done, side->window, chunk);
        }
        for (size_t at = 0; at < chunk; at += piece) {
            piece = MIN(raw_piece(side, at, &trapped), chunk - at);
            if (!raw_move_piece(side, out, trapped, at, piece)) {
                return false;
            }
        }
        done += chunk;
    }
    return true;
}

static void raw_child(RawSide *side)
{
    /* Reply with one byte: all data has arrived. */
    _exit(raw_open(side) && raw_move(side, false) &&
          write(side->socket, "", 1) == 1 ? 0 : 1);
}

/* @ends: set to both ends of a TCP connection to this host */
static bool raw_connect_tcp(int ends[2])
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) },
    };
    socklen_t length = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ends[1] = -1;
    if (!bind(listener, (struct sockaddr *)&address, sizeof(address)) &&
        !listen(listener, 1) &&
        !getsockname(listener, (struct sockaddr *)&address, &length) &&
        !connect(ends[0], (struct sockaddr *)&address, sizeof(address))) {
        ends[1] = accept(listener, NULL, NULL);
    }
    close(listener);
    return ends[1] >= 0;
}

static double raw_cpu_ms(const struct rusage *usage)
{
    return usage->ru_utime.tv_sec * 1e3 + usage->ru_utime.tv_usec / 1e3 +
           usage->ru_stime.tv_sec * 1e3 + usage->ru_stime.tv_usec / 1e3;
}

static bool raw_send(RawSide *side, BenchSample *sample)
{
    struct rusage before, after;
    int64_t begin_us;
    bool done;
    char last;

    if (!raw_open(side)) {
        return false;
    }
    getrusage(RUSAGE_SELF, &before);
    if (side->bare) {
        memset(side->window, 0x5a, side->window_bytes);
    }
    begin_us = g_get_monotonic_time();
    done = raw_move(side, true) && read(side->socket, &last, 1) == 1;
    sample->value[BENCH_VALUE] = (g_get_monotonic_time() - begin_us) / 1e3;
    getrusage(RUSAGE_SELF, &after);
    sample->value[BENCH_CPU_SOURCE] = raw_cpu_ms(&after) -
                                      raw_cpu_ms(&before);
    return done;
}

/* The lower bound uses the same socket buffer size as our code. */
static bool raw_connect_unix(int ends[2])
{
    const int bytes = 1024 * 1024;

    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0 &&
           setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &bytes,
                      sizeof(bytes)) == 0;
}

bool bench_raw(const BenchCase *spec, bool bare, BenchSample *sample,
               GError **error)
{
    struct rusage usage = { { 0 } };
    RawSide side = { .spec = spec, .bare = bare, .window_fd = -1 };
    int ends[2], status = -1;
    bool done;
    pid_t child;

    if (!(spec->way == PAIR_TCP ? raw_connect_tcp(ends)
                                : raw_connect_unix(ends))) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno),
                    "a pair of sockets: %s", g_strerror(errno));
        return false;
    }
    child = fork();
    if (child == 0) {
        close(ends[0]);
        side.socket = ends[1];
        raw_child(&side);
    }
    close(ends[1]);
    side.socket = ends[0];
    done = child > 0 && raw_send(&side, sample);
    raw_close(&side);
    if (child > 0) {
        wait4(child, &status, 0, &usage);
    }
    sample->value[BENCH_CPU_DESTINATION] = raw_cpu_ms(&usage);
    sample->value[BENCH_CPU] = sample->value[BENCH_CPU_SOURCE] +
                               sample->value[BENCH_CPU_DESTINATION];
    if (!done || status != 0) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                    "the raw transfer of %" G_GUINT64_FORMAT
                    " bytes did not end well", bench_total_bytes(spec));
        return false;
    }
    return true;
}
