/*
 * Reports of the Linux guest, and memory usage
 *
 * Owns: reading the guest's console, the conditions for two consecutive
 * reports, memory usage.
 * Does not own: QEMUs (guest.c); what is printed (vmg-main.c).
 * Locks: none.
 * Source: Documentation/filesystems/proc.rst of Linux.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest-internal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define POLL_US 50000
#define REPORT "VMG dev="

/* None of these may appear on the console. */
static const char *const bad_words[] = {
    "VMG-ERROR", "BUG:", "WARNING:", "Oops", "Call Trace", "Kernel panic",
    "nobody cared",
};

/* ---- reports ---- */

/* The value after " @key="; the case fails if it is missing. */
static char *word(const char *text, const char *key)
{
    g_autofree char *wanted = g_strdup_printf(" %s=", key);
    const char *at = strstr(text, wanted);

    if (!at) {
        qtest_fail("the guest's report lacks '%s': %s", key, text);
    }
    at += strlen(wanted);
    return g_strndup(at, strcspn(at, " \r\n"));
}

static int64_t number(const char *text, const char *key)
{
    g_autofree char *digits = word(text, key);

    return g_ascii_strtoll(digits, NULL, 10);
}

static GuestReport *parse(const char *line)
{
    GuestReport *r = g_new0(GuestReport, 1);

    r->text = g_strndup(line, strcspn(line, "\r\n"));
    r->mode = word(r->text, "mode");
    r->tick = number(r->text, "tick");
    r->rounds = number(r->text, "rounds");
    r->rung = number(r->text, "rung");
    r->irqs = number(r->text, "irq");
    r->burst_irqs = number(r->text, "burst-irqs");
    r->bursts = number(r->text, "bursts");
    r->dma_words = number(r->text, "dma");
    r->whole = number(r->text, "whole");
    r->resent = number(r->text, "resent");
    r->free_kib = number(r->text, "free-kib");
    r->errors = number(r->text, "errors");
    return r;
}

void guest_report_free(GuestReport *r)
{
    if (r) {
        g_free(r->text);
        g_free(r->mode);
        g_free(r);
    }
}

static void check_console(VFIOSide *side, const char *text)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(bad_words); i++) {
        const char *found = strstr(text, bad_words[i]);

        if (found) {
            qtest_fail("%s: the guest says: %.*s", side->name,
                       (int)strcspn(found, "\r\n"), found);
        }
    }
}

void guest_expect_no_error(VFIOSide *side)
{
    g_autofree char *text = guest_console(side);

    check_console(side, text);
}

/* The last complete line with a report; NULL if there is none. */
static GuestReport *newest(const char *text)
{
    const char *end = strrchr(text, '\n');
    const char *at = end ? g_strrstr_len(text, end - text, REPORT) : NULL;

    return at ? parse(at) : NULL;
}

GuestReport *guest_wait_report(VFIOSide *side, int64_t tick,
                               unsigned seconds)
{
    int64_t end_us = g_get_monotonic_time() + seconds * G_USEC_PER_SEC;

    while (true) {
        g_autofree char *text = guest_console(side);
        GuestReport *r = newest(text);

        check_console(side, text);
        if (r && r->errors) {
            qtest_fail("%s: the guest found an error: %s", side->name,
                       r->text);
        }
        if (r && r->tick >= tick) {
            return r;
        }
        guest_report_free(r);
        if (!qtest_probe_child(side->qts)) {
            qtest_fail("%s: the guest's QEMU has ended", side->name);
        }
        if (g_get_monotonic_time() > end_us) {
            qtest_fail("%s: no report of tick %" G_GINT64_FORMAT " from the "
                       "guest in %u s", side->name, tick, seconds);
        }
        g_usleep(POLL_US);
    }
}

static void grown(VFIOSide *side, const GuestReport *now, const char *what,
                  int64_t before, int64_t after)
{
    if (after <= before) {
        qtest_fail("%s: '%s' was %" G_GINT64_FORMAT " and is not more now: %s",
                   side->name, what, before, now->text);
    }
}

void guest_expect_use(GuestPair *pair, VFIOSide *side, unsigned ticks)
{
    GuestReport *last = pair->last;
    GuestReport *now = guest_wait_report(side, last->tick + ticks,
                                         GUEST_REPORT_SECONDS);

    /* A complete check of DMA is done only from time to time. */
    while (now->whole <= last->whole) {
        GuestReport *next = guest_wait_report(side, now->tick + 1,
                                              GUEST_REPORT_SECONDS);

        guest_report_free(now);
        now = next;
    }
    grown(side, now, "rounds", last->rounds, now->rounds);
    grown(side, now, "irq", last->irqs, now->irqs);
    grown(side, now, "bursts", last->bursts, now->bursts);
    grown(side, now, "dma", last->dma_words, now->dma_words);
    if (last->burst_irqs) {
        grown(side, now, "burst-irqs", last->burst_irqs, now->burst_irqs);
    }
    g_assert_cmpint(now->rung, ==, now->irqs);
    /* A block and a factorial per move; a move may be in progress. */
    g_assert_cmpint(now->resent, <=, 2 * (pair->moves + 1));
    g_assert_cmpstr(now->mode, ==, last->mode);
    guest_report_free(last);
    pair->last = now;
}

/* ---- memory ---- */

/* Sum of the lines of a file of /proc that begin with one of @keys. */
static int64_t sum_kib(const char *path, const char *const *keys)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    int64_t sum = 0;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        for (const char *const *key = keys; *key; key++) {
            if (g_str_has_prefix(*line, *key)) {
                sum += g_ascii_strtoll(*line + strlen(*key), NULL, 10);
            }
        }
    }
    return sum;
}

int64_t guest_module_refs(void)
{
    g_autofree char *text = NULL;

    g_assert_true(g_file_get_contents("/sys/module/vfio_mig_test/refcnt",
                                      &text, NULL, NULL));
    return g_ascii_strtoll(text, NULL, 10);
}

GuestMemory guest_memory(GuestPair *pair)
{
    static const char *const kernel[] = {
        "SUnreclaim:", "VmallocUsed:", "KernelStack:", "PageTables:",
        "Percpu:", NULL,
    };
    static const char *const available[] = { "MemAvailable:", NULL };
    static const char *const anonymous[] = { "RssAnon:", NULL };
    g_autofree char *status = g_strdup_printf("/proc/%d/status",
                                              qtest_pid(pair->here->qts));

    return (GuestMemory) {
        .qemu_kib = sum_kib(status, anonymous),
        .kernel_kib = sum_kib("/proc/meminfo", kernel),
        .available_kib = sum_kib("/proc/meminfo", available),
        .guest_free_kib = pair->last->free_kib,
        .module_refs = guest_module_refs(),
    };
}
