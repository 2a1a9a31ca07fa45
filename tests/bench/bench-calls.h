/*
 * vfio-bench: counters of the library that is preloaded into QEMU
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_BENCH_BENCH_CALLS_H
#define TESTS_BENCH_BENCH_CALLS_H

#include <stdbool.h>
#include <stdint.h>

/* In QEMU's working directory; the argument is the process id */
#define BENCH_CALLS_FILE "calls.%d"

/* Content of the file; written with atomic operations */
typedef struct BenchCalls {
    uint64_t calls;           /* that read or write */
    uint64_t sent_bytes;      /* to sockets */
} BenchCalls;

#endif /* TESTS_BENCH_BENCH_CALLS_H */
