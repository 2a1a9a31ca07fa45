/*
 * vfio-bench: the raw cost of moving the same bytes
 *
 * Owns: a floor to compare with. One process reads a window and writes it to
 * a Unix socket, another reads the socket into a window; no QEMU, no packets
 * and no simulated device. No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

/* That of the benchmark's devices. */
#define RAW_WINDOW_BYTES (1024 * 1024)

typedef struct RawSide {
    int socket;
    int window_fd;
    uint8_t *window;          /* mapped window, or the buffer when trapped */
    bool trapped;
} RawSide;

static bool raw_open(RawSide *side, int socket, bool trapped)
{
    side->socket = socket;
    side->trapped = trapped;
    side->window_fd = memfd_create("raw-window", MFD_CLOEXEC);
    if (side->window_fd < 0 ||
        ftruncate(side->window_fd, RAW_WINDOW_BYTES)) {
        return false;
    }
    side->window = mmap(NULL, RAW_WINDOW_BYTES, PROT_READ | PROT_WRITE,
                        trapped ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED,
                        trapped ? -1 : side->window_fd, 0);
    return side->window != MAP_FAILED;
}

static bool raw_transfer(const RawSide *side, bool out, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t moved = out
            ? write(side->socket, side->window + done, size - done)
            : read(side->socket, side->window + done, size - done);

        if (moved == 0 || (moved < 0 && errno != EINTR)) {
            return false;
        }
        done += MAX(moved, 0);
    }
    return true;
}

static bool raw_send(const RawSide *side, uint64_t bytes)
{
    for (uint64_t left = bytes; left;) {
        size_t size = MIN(left, RAW_WINDOW_BYTES);

        if (side->trapped &&
            pread(side->window_fd, side->window, size, 0) != size) {
            return false;
        }
        if (!raw_transfer(side, true, size)) {
            return false;
        }
        left -= size;
    }
    return true;
}

static bool raw_receive(const RawSide *side, uint64_t bytes)
{
    for (uint64_t left = bytes; left;) {
        size_t size = MIN(left, RAW_WINDOW_BYTES);

        if (!raw_transfer(side, false, size) ||
            (side->trapped &&
             pwrite(side->window_fd, side->window, size, 0) != size)) {
            return false;
        }
        left -= size;
    }
    /* One byte back: all is in place. */
    return write(side->socket, "", 1) == 1;
}

static void raw_child(int socket, bool trapped, uint64_t bytes)
{
    RawSide side;

    _exit(raw_open(&side, socket, trapped) &&
          raw_receive(&side, bytes) ? 0 : 1);
}

bool bench_raw(uint64_t bytes, bool trapped, int64_t *time_us,
               GError **error)
{
    RawSide side = { .window_fd = -1 };
    int sockets[2], status = -1;
    int64_t begin_us;
    bool done = false;
    char last;
    pid_t child;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets)) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno),
                    "socketpair: %s", g_strerror(errno));
        return false;
    }
    child = fork();
    if (child == 0) {
        close(sockets[0]);
        raw_child(sockets[1], trapped, bytes);
    }
    close(sockets[1]);
    if (child > 0 && raw_open(&side, sockets[0], trapped)) {
        memset(side.window, 0x5a, RAW_WINDOW_BYTES);
        begin_us = g_get_monotonic_time();
        done = raw_send(&side, bytes) && read(sockets[0], &last, 1) == 1;
        *time_us = g_get_monotonic_time() - begin_us;
        munmap(side.window, RAW_WINDOW_BYTES);
    }
    close(sockets[0]);
    if (side.window_fd >= 0) {
        close(side.window_fd);
    }
    if (child > 0) {
        waitpid(child, &status, 0);
    }
    if (!done || status != 0) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                    "the raw transfer of %" G_GUINT64_FORMAT
                    " bytes did not end well", bytes);
        return false;
    }
    return true;
}
