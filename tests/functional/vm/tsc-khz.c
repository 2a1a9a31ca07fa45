/*
 * Prints the frequency of this machine's time stamp counter in kHz
 *
 * Owns: the measurement. Under TCG the VM's counter is this machine's; if the
 * kernel measures it on a busy machine, the result is wrong by a large factor,
 * and so are all of its clocks.
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

#define MEASURE_NS (INT64_C(100) * 1000 * 1000)
#define TRIES 50

static int64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

/* Read both clocks at the same moment: use the fastest of several tries. */
static int64_t sample_ns(uint64_t *ticks)
{
    uint64_t shortest = UINT64_MAX;
    int64_t at_ns = 0;

    for (int i = 0; i < TRIES; i++) {
        uint64_t before = __rdtsc();
        int64_t ns = now_ns();
        uint64_t took = __rdtsc() - before;

        if (took < shortest) {
            shortest = took;
            at_ns = ns;
            *ticks = before + took / 2;
        }
    }
    return at_ns;
}

int main(void)
{
    struct timespec pause = { .tv_nsec = MEASURE_NS };
    uint64_t ticks, end_ticks;
    int64_t ns = sample_ns(&ticks), end_ns;

    nanosleep(&pause, NULL);
    end_ns = sample_ns(&end_ticks);
    printf("%.0f\n", (end_ticks - ticks) * 1e6 / (end_ns - ns));
    return 0;
}
