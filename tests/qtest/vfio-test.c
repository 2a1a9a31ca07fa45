/*
 * Two sides and migrations between them
 *
 * Owns: see vfio-test.h.
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "vfio-test.h"

#include <string.h>

#include "transcript-helpers.h"

/* Deadline for the source's device to settle after a migration */
static int64_t rest_end_us(VFIOSide *side)
{
    return g_get_monotonic_time() + side->ops->state_ms * 1000;
}

static void pause_a_moment(VFIOSide *side)
{
    g_usleep(side->ops->poll_ms * 1000);
}

static void set_incoming(VFIOPair *pair)
{
    pair->dst->paused = true;
    pair->dst->incoming = g_strdup_printf("unix:%s/mig%u", qtest_tmpdir(),
                                          pair->number);
}

VFIOPair *vfio_pair_new_of(VFIOSide *src, VFIOSide *dst)
{
    VFIOPair *pair = g_new0(VFIOPair, 1);

    pair->src = src;
    pair->dst = dst;
    pair->next_kind = dst->kind;
    set_incoming(pair);
    return pair;
}

VFIOPair *vfio_pair_new(VFIOSideKind src, VFIOSideKind dst)
{
    return vfio_pair_new_of(vfio_side_new("source", src),
                            vfio_side_new("destination", dst));
}

void vfio_pair_free(VFIOPair *pair)
{
    g_clear_pointer(&pair->src, vfio_side_free);
    g_clear_pointer(&pair->dst, vfio_side_free);
    g_free(pair);
}

void vfio_pair_set(VFIOPair *pair, const char *key, const char *fmt, ...)
{
    g_autofree char *value = NULL;
    va_list ap;

    va_start(ap, fmt);
    value = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    vfio_side_set(pair->src, "dev0", key, "%s", value);
    vfio_side_set(pair->dst, "dev0", key, "%s", value);
}

void vfio_pair_set_keys(VFIOPair *pair, const char *keys)
{
    vfio_side_set_keys(pair->src, "dev0", keys);
    vfio_side_set_keys(pair->dst, "dev0", keys);
}

static void set_profiles(VFIOSide *side, char **profiles)
{
    for (unsigned i = 0; profiles[i]; i++) {
        if (i >= side->devices->len) {
            vfio_side_add_device(side);
        }
    }
    for (unsigned i = 0; profiles[i]; i++) {
        if (strcmp(profiles[i], "v1")) {
            vfio_side_profile(side, side->devices->pdata[i], profiles[i]);
        }
    }
}

void vfio_pair_profiles(VFIOPair *pair, const char *profiles)
{
    g_auto(GStrv) list = g_strsplit(profiles, ";", -1);

    set_profiles(pair->src, list);
    set_profiles(pair->dst, list);
    pair->downtime_ms = 60 * 1000;
}

void vfio_pair_return_path(VFIOPair *pair)
{
    g_string_append(pair->src->args, " -global migration.x-return-path=on");
    g_string_append(pair->dst->args, " -global migration.x-return-path=on");
}

void vfio_pair_start(VFIOPair *pair)
{
    vfio_side_start(pair->src);
    vfio_side_start(pair->dst);
    for (unsigned i = 0; i < pair->src->devices->len && !pair->src->paused;
         i++) {
        vfio_side_expect_state(pair->src, pair->src->devices->pdata[i],
                               "running");
    }
}

void vfio_pair_much_precopy(VFIOPair *pair)
{
    vfio_pair_set(pair, "precopy-size", "4M");
    vfio_pair_set(pair, "precopy-rate", "1G");
}

void vfio_wait_transcript(VFIOSide *side, const char *words)
{
    int64_t end_us = g_get_monotonic_time() + QTEST_WAIT_US;

    while (g_get_monotonic_time() < end_us) {
        g_autofree char *transcript = vfio_side_transcript(side);

        if (strstr(transcript, words)) {
            return;
        }
        g_usleep(2000);
    }
    vfio_side_fail(side, "the transcript never said '%s'", words);
}

void vfio_pair_begin(VFIOPair *pair)
{
    if (pair->downtime_ms) {
        migrate_set_parameter_int(pair->src->qts, "downtime-limit",
                                  pair->downtime_ms);
    }
    migrate_qmp(pair->src->qts, pair->dst->incoming, "{}");
}

static void expect_end(VFIOSide *side, const char *wanted, int timeout_ms)
{
    g_autofree char *end = migrate_poll_end(side->qts, timeout_ms,
                                            side->ops->poll_ms);

    if (g_strcmp0(end, wanted)) {
        g_autofree char *why = end ? migrate_error(side->qts) : g_strdup("");

        vfio_side_fail(side, "the migration should be '%s' within %d ms, it "
                       "is '%s'%s%s", wanted, timeout_ms,
                       end ? end : "without an end", *why ? ": " : "", why);
    }
}

void vfio_expect_end(VFIOSide *side, const char *wanted)
{
    expect_end(side, wanted, side->ops->end_ms);
}

void vfio_pair_finish(VFIOPair *pair)
{
    vfio_expect_end(pair->src, "completed");
    vfio_expect_end(pair->dst, "completed");
}

/* ---- what must be true ---- */

void vfio_expect_text(VFIOSide *side, const char *what, const char *text,
                      const char *words)
{
    qtest_expect_words(side->name, what, text, words);
}

void vfio_expect_clean(VFIOSide *side)
{
    g_autofree char *transcript = vfio_side_transcript(side);

    if (side->kind == SIDE_ATTACHED) {
        transcript_expect_clean(transcript, side->name);
    }
}

void vfio_expect_fired(VFIOSide *side, const char *fault)
{
    if (vfio_side_fired(side, fault) < 1) {
        vfio_side_fail(side, "fault '%s' did not fire: the test shows "
                       "nothing", fault);
    }
}

void vfio_expect_source_well(VFIOPair *pair)
{
    VFIOSide *src = pair->src;

    if (src->paused) {
        /* QEMU's state of a paused VM whose migration got that far. */
        g_autofree char *state = migrate_run_state(src->qts);

        if (strcmp(state, "postmigrate")) {
            vfio_side_expect_run_state(src, "paused");
        }
    } else {
        vfio_side_expect_run_state(src, "running");
    }
    for (unsigned i = 0; i < src->devices->len; i++) {
        vfio_side_expect_state(src, src->devices->pdata[i],
                               src->paused ? "stop" : "running");
    }
    vfio_expect_clean(src);
}

int64_t vfio_ram_differs(VFIOPair *pair)
{
    return machine_ram_differs(pair->src->ram, pair->dst->ram,
                               pair->src->ram_mib);
}

/*
 * The status is written on the arc to STOP, which the source takes after it has
 * reported that the migration is complete.
 */
static char *saved_digest(VFIOSide *src, const char *device)
{
    int64_t end_us = rest_end_us(src);

    while (true) {
        g_autofree char *now = vfio_side_status_str(src, device,
                                                    "saved-digest");

        if (*now || g_get_monotonic_time() > end_us) {
            return g_steal_pointer(&now);
        }
        pause_a_moment(src);
    }
}

static void expect_same_state(VFIOPair *pair, const char *device)
{
    g_autofree char *from = saved_digest(pair->src, device);
    g_autofree char *to = vfio_side_status_str(pair->dst, device,
                                               "loaded-digest");

    if (!*from || strcmp(from, to)) {
        vfio_side_fail(pair->dst, "the digest of %s is '%s', the source's is "
                       "'%s'", device, to, from);
    }
}

static void expect_zero_status(VFIOSide *side, const char *device,
                               const char *key)
{
    int64_t value = vfio_side_status_int(side, device, key);

    if (value) {
        vfio_side_fail(side, "%s: %s is %" G_GINT64_FORMAT ", not 0", device,
                       key, value);
    }
}

/* The source may be about to close it; a QEMU that has ended cannot tell. */
static void expect_no_data_file(VFIOSide *side, const char *device)
{
    int64_t end_us = rest_end_us(side);

    if (!qtest_probe_child(side->qts)) {
        return;
    }
    while (vfio_side_status_int(side, device, "data-fds") &&
           g_get_monotonic_time() < end_us) {
        pause_a_moment(side);
    }
    expect_zero_status(side, device, "data-fds");
}

/* The device finds in memory what it wrote there before it was stopped. */
static void expect_same_dma(VFIOPair *pair, const char *device)
{
    QDict *from = vfio_side_status(pair->src, device);
    QDict *to = vfio_side_status(pair->dst, device);
    const char *stop = qdict_get_str(qdict_get_qdict(from, "dma"),
                                     "digest-at-stop");
    const char *start = qdict_get_str(qdict_get_qdict(to, "dma"),
                                      "digest-at-start");

    if (strcmp(stop, start)) {
        vfio_side_fail(pair->dst, "%s finds memory of digest '%s', the "
                       "source's left '%s'", device, start, stop);
    }
    qobject_unref(from);
    qobject_unref(to);
}

/* The source may just be restoring what a reset has cleared. */
static void expect_same_number(VFIOPair *pair, const char *device,
                               const char *key)
{
    int64_t to = vfio_side_status_int(pair->dst, device, key);
    int64_t end_us = rest_end_us(pair->src);
    int64_t from;

    while ((from = vfio_side_status_int(pair->src, device, key)) != to &&
           g_get_monotonic_time() < end_us) {
        pause_a_moment(pair->src);
    }
    if (!from || from != to) {
        vfio_side_fail(pair->dst, "%s of %s is %" G_GINT64_FORMAT
                       ", the source's is %" G_GINT64_FORMAT, key, device, to,
                       from);
    }
}

/* The same if the source's device was reset after it was saved */
static void expect_programmed(VFIOPair *pair, const char *device,
                              const char *key, int64_t value)
{
    int64_t to = vfio_side_status_int(pair->dst, device, key);

    if (to != value && (to || pair->src->reset != RESET_AROUND)) {
        vfio_side_fail(pair->dst, "%s of %s is %" G_GINT64_FORMAT
                       ", its guest had set up %" G_GINT64_FORMAT, key,
                       device, to, value);
    }
}

static void check_device(VFIOPair *pair, const char *device)
{
    if (!pair->src->never_ran) {
        expect_same_dma(pair, device);
    }
    expect_same_state(pair, device);
    if (pair->src->reset) {
        expect_programmed(pair, device, "command", MACHINE_PCI_COMMAND);
        expect_programmed(pair, device, "msix-armed", MACHINE_MSIX_VECTORS);
    } else {
        expect_same_number(pair, device, "command");
        if (pair->src->ops->has_msix(pair->src, device)) {
            expect_same_number(pair, device, "msix-armed");
        }
    }
    expect_zero_status(pair->dst, device, "corrupt");
    expect_zero_status(pair->dst, device, "incomplete");
    expect_no_data_file(pair->src, device);
    expect_no_data_file(pair->dst, device);
}

void vfio_pair_check_running(VFIOPair *pair)
{
    VFIOSide *dst = pair->dst;

    for (unsigned i = 0; i < dst->devices->len; i++) {
        vfio_side_expect_state(dst, dst->devices->pdata[i], "running");
        check_device(pair, dst->devices->pdata[i]);
    }
    vfio_expect_clean(pair->src);
    vfio_expect_clean(dst);
}

void vfio_pair_check(VFIOPair *pair)
{
    VFIOSide *dst = pair->dst;
    int64_t at = vfio_ram_differs(pair);

    if (at >= 0) {
        vfio_side_fail(dst, "guest memory differs from the source's at 0x%"
                       G_GINT64_MODIFIER "x", at);
    }
    qtest_qmp_assert_success(dst->qts, "{'execute': 'cont'}");
    vfio_side_expect_run_state(dst, "running");
    vfio_pair_check_running(pair);
}

void vfio_pair_migrate(VFIOPair *pair)
{
    vfio_pair_begin(pair);
    vfio_pair_finish(pair);
    vfio_pair_check(pair);
}

/* ---- failures, and what follows ---- */

void vfio_expect_failed(VFIOSide *side, const char *words)
{
    g_autofree char *why = NULL;

    expect_end(side, "failed", side->ops->fail_ms);
    why = migrate_error(side->qts);
    vfio_expect_text(side, "error-desc", why, words);
}

void vfio_expect_load_failed(VFIOSide *side, const char *words)
{
    migrate_expect_load_failed(side->qts, side->name, side->ops->fail_ms,
                               words);
}

void vfio_pair_next_destination(VFIOPair *pair)
{
    g_autofree char *name = g_strdup_printf("destination%u", ++pair->number);
    VFIOSide *next = vfio_side_copy(pair->dst ? pair->dst : pair->src, name);

    if (pair->dst) {
        vfio_side_kill(pair->dst);
        vfio_side_free(pair->dst);
    }
    next->kind = pair->next_kind;
    pair->dst = next;
    set_incoming(pair);
    vfio_side_start(pair->dst);
}

void vfio_pair_retry(VFIOPair *pair)
{
    vfio_expect_source_well(pair);
    vfio_pair_next_destination(pair);
    vfio_pair_migrate(pair);
}

void vfio_pair_turn(VFIOPair *pair)
{
    vfio_side_free(pair->src);
    pair->src = g_steal_pointer(&pair->dst);
    pair->src->paused = false;
    g_clear_pointer(&pair->src->incoming, g_free);
}

/* A pre-shared key: the simplest TLS setup. */
static void use_tls(VFIOSide *side, const char *endpoint)
{
    g_autofree char *dir = g_build_filename(qtest_tmpdir(), "psk", NULL);
    g_autofree char *path = g_build_filename(dir, "keys.psk", NULL);

    g_assert_cmpint(g_mkdir_with_parents(dir, 0700), ==, 0);
    g_assert_true(g_file_set_contents(path, "qemu:0123456789abcdef0123456789"
                                      "abcdef\n", -1, NULL));
    g_string_append_printf(side->args, " -object tls-creds-psk,id=tls0,"
                           "dir=%s,endpoint=%s "
                           "-global migration.tls-creds=tls0", dir, endpoint);
}

void vfio_pair_use_tls(VFIOPair *pair)
{
    use_tls(pair->src, "client,username=qemu");
    use_tls(pair->dst, "server");
}
