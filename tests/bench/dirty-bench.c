/*
 * vfio-dirty-bench: a sync of dirty pages, our code compared with QEMU's own
 *
 * Owns: sizes and patterns, one measurement, the table. It measures how long
 * QEMU holds the BQL for the container's bitmaps in one sync, by QEMU's own
 * trace events; also without the time of the simulated kernel. RAM is shared
 * and not sent (x-ignore-shared), so that a terabyte need not be allocated: a
 * migration without a destination continues to sync until it is cancelled. See
 * docs/bench.md. One thread, no locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/qtest/vfio-test.h"

#define PAGE            UINT64_C(4096)
#define GIB             (UINT64_C(1) << 30)
#define FOUR_GIB        (4 * GIB)

/* Minimum number of syncs per measurement, and the time limit for them */
#define SYNCS           20
#define TIMEOUT_US      (60 * G_USEC_PER_SEC)

typedef struct Pattern {
    const char *name;
    uint64_t pages;             /* dirty at each sync; of 1 GiB */
    bool scattered;             /* all over RAM; otherwise contiguous */
} Pattern;

typedef struct Size {
    const char *name;
    unsigned gib;
} Size;

static const Pattern patterns[] = {
    { "0 %", 0, false },
    { "1 %, one run", 2621, false },
    { "1 %, scattered", 2621, true },
    { "100 %, one run", 262144, false },
    { "100 %, scattered", 262144, true },
};

/* TCG has 40 address bits; with the hole below 4 GiB, 1 TiB does not fit. */
static const Size sizes[] = { { "64 GiB", 64 }, { "1020 GiB", 1020 } };

/* The lower quartile of a repetition's syncs, in microseconds */
typedef struct Times {
    double sync_us;
    double own_us;              /* without the simulated kernel's time */
} Times;

/* ---- the side ---- */

/* Ranges above 4 GiB, where RAM is contiguous; 3 GiB of it are below. */
static char *pinned_ranges(const Pattern *p, const Size *size)
{
    uint64_t high_bytes = (size->gib - 3) * GIB;
    uint64_t step = p->pages ? high_bytes / p->pages / PAGE * PAGE : 0;
    GString *text = g_string_new(NULL);

    if (!p->scattered) {
        g_string_printf(text, "0x%" G_GINT64_MODIFIER "x+0x%"
                        G_GINT64_MODIFIER "x", FOUR_GIB, p->pages * PAGE);
        return g_string_free(text, FALSE);
    }
    for (uint64_t i = 0; i < p->pages; i++) {
        g_string_append_printf(text, "%s0x%" G_GINT64_MODIFIER "x+4K",
                               i ? ";" : "", FOUR_GIB + i * step);
    }
    return g_string_free(text, FALSE);
}

static VFIOSide *new_side(const Pattern *p, const Size *size,
                          VFIOSideKind kind)
{
    VFIOSide *side = vfio_side_new("source", kind);
    g_autofree char *pinned = pinned_ranges(p, size);

    side->ram_mib = size->gib * 1024;
    vfio_side_set(side, "dev0", "dma-rate", "0");
    if (p->pages) {
        vfio_side_set(side, "dev0", "pinned", "%s", pinned);
    }
    /* More than can be sent, so that it does not switch over */
    vfio_side_set(side, "dev0", "precopy-size", "64M");
    vfio_side_set(side, "dev0", "precopy-rate", "8G");
    g_string_append_printf(
        side->args, "-cpu qemu64,vendor=GenuineIntel -msg timestamp=on "
        "-D %s/trace -trace migration_bitmap_sync_start "
        "-trace memory_region_sync_dirty ", side->dir);
    return side;
}

/* ---- measured times ---- */

static int compare_double(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return left < right ? -1 : left > right;
}

static double median(GArray *samples)
{
    g_assert_cmpuint(samples->len, >, 0);
    g_array_sort(samples, compare_double);
    return g_array_index(samples, double, samples->len / 2);
}

/* "PID@SECONDS.MICROSECONDS:EVENT ..." */
static double line_us(const char *line)
{
    const char *at = strchr(line, '@');

    return at ? g_ascii_strtod(at + 1, NULL) * 1e6 : 0;
}

/*
 * The time of each sync of the container: from the preceding event to that of
 * listener "vfio". In setup our code does nothing, so the first is left out.
 */
static GArray *sync_times(VFIOSide *side)
{
    g_autofree char *path = g_build_filename(side->dir, "trace", NULL);
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    GArray *times = g_array_new(FALSE, FALSE, sizeof(double));
    double before = 0;

    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        return times;
    }
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        double now = line_us(*line);

        if (strstr(*line, "mr '(all)' listener 'vfio'")) {
            double us = now - before;

            g_array_append_val(times, us);
        }
        before = now;
    }
    if (times->len) {
        g_array_remove_index(times, 0);
    }
    return times;
}

/*
 * The time of the simulated kernel in each sync, which begins with IOVA 0. In
 * setup only QEMU's own code reads bits.
 */
static GArray *kernel_times(VFIOSide *side)
{
    g_autofree char *text = vfio_side_transcript(side);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    GArray *times = g_array_new(FALSE, FALSE, sizeof(double));
    double sum = 0;

    for (char **line = lines; *line; line++) {
        const char *us = strstr(*line, " us=");

        if (strstr(*line, " dirty-range ") && strstr(*line, " iova=0x0 ")) {
            g_array_append_val(times, sum);
            sum = 0;
        } else if (strstr(*line, " dirty-get ") && us) {
            sum += atoi(us + 4);
        }
    }
    g_array_remove_range(times, 0, MIN(times->len,
                                       side->kind == SIDE_BUILTIN ? 2 : 1));
    return times;
}

/*
 * The lower quartile: other load on the machine can only increase the time of a
 * sync.
 */
static double quartile(GArray *samples)
{
    g_assert_cmpuint(samples->len, >, 0);
    g_array_sort(samples, compare_double);
    return g_array_index(samples, double, samples->len / 4);
}

/* Returns false if there are fewer than @syncs. */
static bool read_times(VFIOSide *side, unsigned syncs, Times *result)
{
    g_autoptr(GArray) kernel = kernel_times(side);
    g_autoptr(GArray) sync = sync_times(side);
    g_autoptr(GArray) own = g_array_new(FALSE, FALSE, sizeof(double));

    for (unsigned i = 0; i < MIN(kernel->len, sync->len); i++) {
        double us = g_array_index(sync, double, i) -
                    g_array_index(kernel, double, i);

        g_array_append_val(own, us);
    }
    if (own->len < syncs) {
        return false;
    }
    result->sync_us = quartile(sync);
    result->own_us = quartile(own);
    return true;
}

static Times measure(const Pattern *p, const Size *size, VFIOSideKind kind,
                     unsigned syncs)
{
    VFIOSide *side = new_side(p, size, kind);
    int64_t end_us = g_get_monotonic_time() + TIMEOUT_US;
    Times result;

    vfio_side_start(side);
    migrate_set_capability(side->qts, "x-ignore-shared", true);
    migrate_set_parameter_int(side->qts, "downtime-limit", 1);
    migrate_qmp(side->qts, "exec:cat >/dev/null", "{}");
    while (!read_times(side, syncs, &result)) {
        if (g_get_monotonic_time() > end_us) {
            vfio_side_fail(side, "less than %u syncs", syncs);
        }
        g_usleep(50000);
    }
    vfio_side_kill(side);
    vfio_side_free(side);
    return result;
}

/* ---- the table ---- */

typedef struct Row {
    const Size *size;
    const Pattern *pattern;
    GArray *sync_us[2], *own_us[2];     /* by VFIOSideKind */
    GArray *ratios;                     /* ours / builtin, of own_us */
} Row;

static GArray *new_samples(void)
{
    return g_array_new(FALSE, FALSE, sizeof(double));
}

static void row_take(Row *row, unsigned repetition, unsigned syncs)
{
    Times times[2];
    double ratio;

    for (unsigned i = 0; i < 2; i++) {
        VFIOSideKind kind = (i + repetition) % 2 ? SIDE_ATTACHED
                                                 : SIDE_BUILTIN;

        times[kind] = measure(row->pattern, row->size, kind, syncs);
        g_array_append_val(row->sync_us[kind], times[kind].sync_us);
        g_array_append_val(row->own_us[kind], times[kind].own_us);
    }
    ratio = times[SIDE_ATTACHED].own_us / times[SIDE_BUILTIN].own_us;
    g_array_append_val(row->ratios, ratio);
}

static void row_print(Row *row)
{
    double ratio = median(row->ratios);     /* sorts them */

    printf("# %-9s %-17s %10.0f %10.0f %10.0f %10.0f %7.2f  %.2f-%.2f\n",
           row->size->name, row->pattern->name,
           median(row->sync_us[SIDE_ATTACHED]),
           median(row->sync_us[SIDE_BUILTIN]),
           median(row->own_us[SIDE_ATTACHED]),
           median(row->own_us[SIDE_BUILTIN]), ratio,
           g_array_index(row->ratios, double, 0),
           g_array_index(row->ratios, double, row->ratios->len - 1));
    fflush(stdout);
}

static double own(const Row *row, VFIOSideKind kind)
{
    return median(row->own_us[kind]);
}

/* Print the cost per GiB mapped, and per dirty page. */
static void print_growth(Row *rows)
{
    for (unsigned s = 0; s < G_N_ELEMENTS(sizes); s++) {
        Row *clean = &rows[s * G_N_ELEMENTS(patterns)];

        for (int kind = 0; kind < 2; kind++) {
            printf("# %-9s %-9s %8.3f us a GiB mapped, %6.2f ns a page dirty "
                   "in a run, %6.2f ns scattered\n", sizes[s].name,
                   kind == SIDE_ATTACHED ? "ours" : "builtin",
                   own(clean, kind) / sizes[s].gib,
                   (own(clean + 3, kind) - own(clean, kind)) * 1e3 / 262144,
                   (own(clean + 4, kind) - own(clean, kind)) * 1e3 / 262144);
        }
    }
}

static Row *new_rows(void)
{
    Row *rows = g_new0(Row, G_N_ELEMENTS(sizes) * G_N_ELEMENTS(patterns));

    for (unsigned i = 0; i < G_N_ELEMENTS(sizes) * G_N_ELEMENTS(patterns);
         i++) {
        rows[i].size = &sizes[i / G_N_ELEMENTS(patterns)];
        rows[i].pattern = &patterns[i % G_N_ELEMENTS(patterns)];
        for (unsigned kind = 0; kind < 2; kind++) {
            rows[i].sync_us[kind] = new_samples();
            rows[i].own_us[kind] = new_samples();
        }
        rows[i].ratios = new_samples();
    }
    return rows;
}

static void print_head(void)
{
    printf("# one sync, microseconds; \"own\" without the simulated "
           "kernel\n# %-9s %-17s %10s %10s %10s %10s %7s  %s\n", "RAM",
           "dirty of 1 GiB", "ours", "builtin", "ours own", "builtin own",
           "ratio", "least-most");
}

static void test_all(void)
{
    unsigned count = G_N_ELEMENTS(sizes) * G_N_ELEMENTS(patterns);
    unsigned repetitions = 5;
    Row *rows = new_rows();

    qtest_set_case_seconds(3600);
    print_head();
    for (unsigned i = 0; i < count; i++) {
        for (unsigned r = 0; r < repetitions; r++) {
            row_take(&rows[i], r, SYNCS);
        }
        row_print(&rows[i]);
    }
    print_growth(rows);
    for (unsigned i = 0; i < count; i++) {
        if (median(rows[i].ratios) > 1.0) {
            g_error("%s, %s: slower than the distribution's code",
                    rows[i].size->name, rows[i].pattern->name);
        }
    }
}

/* Both codes must sync, and it can be measured; times are not checked. */
static void test_smoke(void)
{
    static const Size small = { "5 GiB", 5 };
    Times times;

    for (int kind = 0; kind < 2; kind++) {
        times = measure(&patterns[2], &small, kind, 3);
        g_assert_cmpfloat(times.sync_us, >, 0);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (g_test_perf()) {
        qtest_add_case("bench/dirty/all", test_all);
    } else {
        qtest_add_case("bench/dirty/smoke", test_smoke);
    }
    return g_test_run();
}
