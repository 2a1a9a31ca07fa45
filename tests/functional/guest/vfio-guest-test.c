/*
 * Live migration of a running Linux guest that uses its device
 *
 * Owns: the cases: a mediated and a PCI device, each kind of interrupt, one
 * slow move, many moves back and forth, many cancelled moves; the limits of
 * memory usage.
 * Does not own: the guest (guest.h).
 * Locks: none. Runs in the testbed's VM; with "-m slow", 50 moves per case.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Moves before memory usage is first measured: caches fill up */
#define WARM_UP 4

/*
 * Maximum increase of memory usage from WARM_UP to the last of 50 moves. Even
 * a leak of less than a page per move and process would exceed it.
 */
#define QEMU_LIMIT_KIB 1024
#define KERNEL_LIMIT_KIB 2048
#define GUEST_LIMIT_KIB 512

typedef struct GuestCase {
    const char *name;
    bool pci;
    const char *irq;
    void (*run)(const void *);
    bool slow;                  /* makes sense with many moves */
    bool v2;                    /* protocol v2, with a DMA log */
} GuestCase;

/* Moves after the one that is checked in each phase, in the same test */
static unsigned moves(void)
{
    return g_test_slow() ? 50 : 1;
}

/* Set the time limit of a case with @n moves: 20 s each on a busy machine. */
static void set_time(unsigned n)
{
    qtest_set_case_seconds(GUEST_BOOT_SECONDS + GUEST_REPORT_SECONDS + 40 * n);
}

static GuestPair *boot(const GuestCase *c)
{
    GuestPair *pair = guest_pair_new(c->pci, c->irq);

    if (!c->pci && !strcmp(c->irq, "intx")) {
        guest_pair_set(pair, "intx", "yes");
    }
    if (c->v2) {
        guest_pair_set(pair, "protocol", "v2");
        guest_pair_set(pair, "p2p", "yes");
        guest_pair_set(pair, "log", "yes");
    }
    guest_pair_set(pair, "precopy-size", "1M");
    guest_pair_set(pair, "precopy-rate", "256K");
    guest_pair_boot(pair);
    return pair;
}

/*
 * The device is used before, in pre-copy, and after; the move is delayed until
 * the guest has made reports in each phase.
 */
static void use_all_along(GuestPair *pair)
{
    int64_t downtime_ms;
    g_autofree char *status = NULL;

    guest_expect_use(pair, pair->here, 2);
    guest_pair_ready(pair);
    migrate_stay_in_precopy(pair->here->qts);
    guest_pair_begin(pair);
    wait_for_migration_status(pair->here->qts, "active", NULL);
    guest_expect_use(pair, pair->here, 1);
    guest_expect_use(pair, pair->here, 3);
    status = migrate_status(pair->here->qts);
    g_assert_cmpstr(status, ==, "active");
    migrate_let_go(pair->here->qts);
    downtime_ms = guest_pair_finish(pair);
    guest_expect_use(pair, pair->here, 4);
    g_test_message("held move: downtime %d ms; %s", (int)downtime_ms,
                   pair->last->text);
}

static void print_memory(const char *when, const GuestMemory *m)
{
    g_test_message("%s: QEMU %d KiB, kernel %d KiB, VM available %d KiB, "
                   "guest free %d KiB, driver in use %d", when,
                   (int)m->qemu_kib, (int)m->kernel_kib,
                   (int)m->available_kib, (int)m->guest_free_kib,
                   (int)m->module_refs);
}

static void expect_below(const char *what, int64_t growth_kib,
                         int64_t limit_kib, unsigned n)
{
    if (growth_kib > limit_kib) {
        qtest_fail("%s: %d KiB more in use after %u moves, the limit is %d",
                   what, (int)growth_kib, n, (int)limit_kib);
    }
}

static void compare_memory(const GuestMemory *first, const GuestMemory *last,
                           unsigned n)
{
    print_memory("first figures", first);
    print_memory("last figures", last);
    expect_below("QEMU", last->qemu_kib - first->qemu_kib, QEMU_LIMIT_KIB, n);
    expect_below("kernel", last->kernel_kib - first->kernel_kib,
                 KERNEL_LIMIT_KIB, n);
    expect_below("guest", first->guest_free_kib - last->guest_free_kib,
                 GUEST_LIMIT_KIB, n);
    g_assert_cmpint(last->module_refs, ==, first->module_refs);
}

/* Back and forth; even numbers, so that values of the same side compare. */
static void move_often(GuestPair *pair, unsigned n)
{
    GuestMemory first = guest_memory(pair);
    int64_t longest_ms = 0, sum_ms = 0;

    for (unsigned i = 1; i <= n; i++) {
        int64_t downtime_ms = guest_pair_move(pair);

        sum_ms += downtime_ms;
        longest_ms = MAX(longest_ms, downtime_ms);
        if (i <= WARM_UP && i < n) {
            first = guest_memory(pair);
        } else if (i % 10 == 0) {
            GuestMemory now = guest_memory(pair);
            g_autofree char *when = g_strdup_printf("after %u moves", i);

            print_memory(when, &now);
        }
    }
    g_test_message("%u moves: downtime %d ms on average, %d ms at most; %s",
                   n, (int)(sum_ms / n), (int)longest_ms, pair->last->text);
    if (n > WARM_UP) {
        GuestMemory last = guest_memory(pair);

        compare_memory(&first, &last, n);
    }
}

static void test_moves(const void *opaque)
{
    const GuestCase *c = opaque;
    int64_t refs;
    GuestPair *pair;

    set_time(1 + moves());
    kernel_remove_all();
    refs = guest_module_refs();
    pair = boot(c);
    use_all_along(pair);
    move_often(pair, moves());
    guest_pair_free(pair);
    g_assert_cmpint(guest_module_refs(), ==, refs);
}

/*
 * Some seconds after a QEMU's start, khugepaged maps the 10 MiB of heap again
 * that malloc_trim() has released: memory usage must not depend on when.
 */
static void no_huge_pages(void)
{
    int fd = open("/sys/kernel/mm/transparent_hugepage/enabled", O_WRONLY);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, "never", 5), ==, 5);
    close(fd);
}

/* Each check of the guest must be able to fail. */
static void test_notices(const void *opaque)
{
    GuestPair *pair;

    set_time(4);
    pair = boot(opaque);
    guest_expect_notices(pair);
    guest_pair_free(pair);
}

static void run_case(const void *opaque)
{
    const GuestCase *c = opaque;
    const char *why;

    if (!guest_available(&why)) {
        qtest_skip(why);
        return;
    }
    no_huge_pages();
    kernel_log_case();
    c->run(c);
}

int main(int argc, char **argv)
{
    static const GuestCase cases[] = {
        { "guest/mdev-msix", false, "msix", test_moves, true },
        { "guest/pci-msi", true, "msi", test_moves, true },
        { "guest/mdev-v2", false, "msix", test_moves, true, true },
        { "guest/pci-v2", true, "msi", test_moves, true, true },
        { "guest/mdev-intx", false, "intx", test_moves, false },
        { "guest/notices", false, "msix", test_notices, false },
    };

    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        if (cases[i].slow || !g_test_slow()) {
            qtest_add_data_case(cases[i].name, &cases[i], run_case);
        }
    }
    return g_test_run();
}
