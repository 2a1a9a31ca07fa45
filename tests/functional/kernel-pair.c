/*
 * Pairs of QEMUs with devices of the kernel test driver
 *
 * Owns: pairs, of kernel-side.h: making them, migrating, what must hold.
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "kernel-side.h"

#include <string.h>

#include "edu-regs.h"
#include "transcript-helpers.h"
#include "vfio-mig-test-regs.h"

typedef struct Case {
    void (*fn)(const void *);
    const void *data;
} Case;

/* ---- sides and pairs ---- */

static void describe_hook(gpointer opaque)
{
    KernelSide *side = opaque;

    if (side->qts) {
        migrate_describe(side->qts, side->name);
    }
    for (unsigned i = 0; i < side->devices->len; i++) {
        KernelDevice *dev = side->devices->pdata[i];
        g_autofree char *path = driver_debug_path(dev->name, "transcript");
        g_autofree char *text = NULL;
        g_autofree char *who = g_strdup_printf("%s, %s", side->name,
                                               dev->name);

        if (g_file_get_contents(path, &text, NULL, NULL)) {
            transcript_print_end(text, who);
        }
    }
}

static KernelSide *side_new(const char *name)
{
    KernelSide *side = g_new0(KernelSide, 1);

    side->name = g_strdup(name);
    side->builtin = kernel_builtin();
    side->dir = g_build_filename(qtest_tmpdir(), name, NULL);
    g_assert_cmpint(g_mkdir_with_parents(side->dir, 0700), ==, 0);
    side->devices = g_ptr_array_new();
    side->args = g_string_new(NULL);
    side->ram_mib = 12;
    qtest_add_abrt_handler(describe_hook, side);
    return side;
}

static void side_free(KernelSide *side)
{
    if (side->qts) {
        kernel_side_quit(side);
    }
    qtest_remove_abrt_handler(side);
    g_ptr_array_foreach(side->devices, (GFunc)(void (*)(void))
                        kernel_device_free, NULL);
    g_ptr_array_unref(side->devices);
    g_string_free(side->args, true);
    g_free(side->incoming);
    g_free(side->dir);
    g_free(side->name);
    g_free(side);
}

static void set_incoming(KernelPair *pair)
{
    pair->dst->incoming = g_strdup_printf("unix:%s/mig%u", qtest_tmpdir(),
                                          pair->number);
}

KernelPair *kernel_pair_new(void)
{
    KernelPair *pair = g_new0(KernelPair, 1);

    qtest_set_case_seconds(KERNEL_CASE_SECONDS);
    kernel_remove_all();
    pair->src = side_new("source");
    pair->dst = side_new("destination");
    set_incoming(pair);
    return pair;
}

/* Their states differ from the start, so that no equality is by chance. */
static void add_devices(KernelPair *pair, KernelDevice *src,
                        KernelDevice *dst)
{
    unsigned n = pair->src->devices->len;

    kernel_device_set(src, "seed", "%u", 1 + n);
    kernel_device_set(dst, "seed", "%u", 101 + n);
    g_ptr_array_add(pair->src->devices, src);
    g_ptr_array_add(pair->dst->devices, dst);
}

void kernel_pair_add_mdev(KernelPair *pair)
{
    add_devices(pair, kernel_mdev_new(), kernel_mdev_new());
}

void kernel_pair_add_pci(KernelPair *pair)
{
    add_devices(pair, kernel_pci_new(KERNEL_PCI_SOURCE),
                kernel_pci_new(KERNEL_PCI_DESTINATION));
}

void kernel_pair_v2(KernelPair *pair)
{
    for (unsigned i = 0; i < pair->src->devices->len; i++) {
        kernel_device_v2(pair->src->devices->pdata[i]);
        kernel_device_v2(pair->dst->devices->pdata[i]);
    }
}

KernelPair *kernel_pair_new_mdev(void)
{
    KernelPair *pair = kernel_pair_new();

    kernel_pair_add_mdev(pair);
    return pair;
}

KernelPair *kernel_pair_new_pci(void)
{
    KernelPair *pair = kernel_pair_new();

    kernel_pair_add_pci(pair);
    return pair;
}

void kernel_pair_free(KernelPair *pair)
{
    side_free(pair->src);
    side_free(pair->dst);
    g_free(pair);
}

void kernel_pair_set(KernelPair *pair, const char *key, const char *value)
{
    for (unsigned i = 0; i < pair->src->devices->len; i++) {
        kernel_device_set(pair->src->devices->pdata[i], key, "%s", value);
        kernel_device_set(pair->dst->devices->pdata[i], key, "%s", value);
    }
}

void kernel_pair_much_precopy(KernelPair *pair)
{
    kernel_pair_set(pair, "precopy-size", "4M");
    kernel_pair_set(pair, "precopy-rate", "1G");
}

void kernel_pair_start(KernelPair *pair)
{
    kernel_side_start(pair->src);
    kernel_side_start(pair->dst);
    for (unsigned i = 0; i < pair->src->devices->len; i++) {
        kernel_expect_state(pair->src, i, "running");
    }
}

/* ---- migrating ---- */

void kernel_pair_begin(KernelPair *pair)
{
    migrate_qmp(pair->src->qts, pair->dst->incoming, "{}");
}

/* How often the source has looked which memory is dirty. */
static int64_t ram_rounds(KernelPair *pair)
{
    QDict *info = migrate_query_not_failed(pair->src->qts);
    QDict *ram = qdict_get_qdict(info, "ram");
    int64_t rounds = ram ? qdict_get_int(ram, "dirty-sync-count") : 0;

    qobject_unref(info);
    return rounds;
}

static bool in_precopy(KernelPair *pair)
{
    KernelDevice *dev = pair->src->devices->pdata[0];
    g_autofree char *protocol = kernel_device_str(dev, "protocol");
    g_autofree char *transcript = kernel_device_transcript(dev);

    if (!strcmp(protocol, "v2")) {
        return ram_rounds(pair) > 1;
    }
    return strstr(transcript, "chunk-done phase=pre-copy");
}

void kernel_pair_in_precopy(KernelPair *pair)
{
    int64_t end_us = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;

    while (true) {
        if (in_precopy(pair)) {
            return;
        }
        if (g_get_monotonic_time() > end_us) {
            qtest_fail("source: no data in pre-copy after 60 s");
        }
        g_usleep(KERNEL_POLL_MS * 1000);
    }
}

void kernel_expect_end(KernelSide *side, const char *wanted)
{
    g_autofree char *end = migrate_poll_end(side->qts, KERNEL_END_MS,
                                            KERNEL_POLL_MS);

    if (g_strcmp0(end, wanted)) {
        g_autofree char *why = end ? migrate_error(side->qts) : NULL;

        qtest_fail("%s: the migration should be '%s', it is '%s'%s%s",
                   side->name, wanted, end ? end : "without an end",
                   why && *why ? ": " : "", why && *why ? why : "");
    }
}

void kernel_pair_finish(KernelPair *pair)
{
    kernel_expect_end(pair->src, "completed");
    kernel_expect_end(pair->dst, "completed");
}

void kernel_expect_failed(KernelSide *side, const char *words)
{
    g_autofree char *why = NULL;

    kernel_expect_end(side, "failed");
    why = migrate_error(side->qts);
    kernel_expect_text(side, "error-desc", why, words);
}

void kernel_expect_load_failed(KernelSide *side, const char *words)
{
    migrate_expect_load_failed(side->qts, side->name, KERNEL_END_MS, words);
}

/* ---- what arrived ---- */

static void check_ram(KernelPair *pair)
{
    int64_t at = machine_ram_differs(pair->src->ram, pair->dst->ram,
                                     pair->src->ram_mib);

    if (at >= 0) {
        qtest_fail("destination: guest memory differs from the source's at "
                   "0x%" G_GINT64_MODIFIER "x", at);
    }
}

static void same_word(KernelPair *pair, unsigned index, const char *from_key,
                      const char *to_key)
{
    g_autofree char *from = kernel_device_str(pair->src->devices->pdata[index],
                                              from_key);
    g_autofree char *to = kernel_device_str(pair->dst->devices->pdata[index],
                                            to_key);

    if (!*from || strcmp(from, to)) {
        qtest_fail("destination: %s of dev%u is '%s', the source's %s is "
                   "'%s'", to_key, index, to, from_key, from);
    }
}

static void same_number(KernelPair *pair, unsigned index, const char *key)
{
    int64_t from = kernel_device_int(pair->src->devices->pdata[index], key);
    int64_t to = kernel_device_int(pair->dst->devices->pdata[index], key);

    if (!from || from != to) {
        qtest_fail("destination: %s of dev%u is %" G_GINT64_FORMAT ", the "
                   "source's is %" G_GINT64_FORMAT, key, index, to, from);
    }
}

static void check_state(KernelPair *pair, unsigned index)
{
    KernelDevice *dst = pair->dst->devices->pdata[index];

    same_word(pair, index, "saved-digest", "loaded-digest");
    same_number(pair, index, "command");
    if (!dst->is_pci) {
        same_number(pair, index, "msix-armed");
    }
    g_assert_cmpint(kernel_device_int(dst, "data-fds"), ==, 0);
    g_assert_cmpint(kernel_device_int(dst, "corrupt"), ==, 0);
    g_assert_cmpint(kernel_device_int(dst, "incomplete"), ==, 0);
    if (!pair->src->builtin) {
        g_assert_cmpint(kernel_device_int(pair->src->devices->pdata[index],
                                          "violation-count"), ==, 0);
        g_assert_cmpint(kernel_device_int(dst, "violation-count"), ==, 0);
    }
}

/* What stays as it is while the device runs. */
static const unsigned mdev_regs[] = {
    VMT_REG_ID, VMT_REG_SCRATCH, VMT_REG_COUNTER, VMT_REG_DMA_ADDR_LO,
    VMT_REG_DMA_SIZE, VMT_REG_DMA_CTRL, VMT_REG_DMA_INTERVAL_US,
};
static const unsigned edu_regs[] = {
    EDU_ID, EDU_LIVENESS, EDU_DMA_SRC, EDU_DMA_DST, EDU_DMA_COUNT,
};

/* The device has its registers when it runs again, not before. */
static void check_registers(KernelPair *pair, unsigned index)
{
    KernelDevice *dev = pair->src->devices->pdata[index];
    const unsigned *regs = dev->is_pci ? edu_regs : mdev_regs;
    size_t count = dev->is_pci ? G_N_ELEMENTS(edu_regs)
                               : G_N_ELEMENTS(mdev_regs);

    for (size_t i = 0; i < count; i++) {
        uint32_t from = kernel_reg(pair->src, index, regs[i]);
        uint32_t to = kernel_reg(pair->dst, index, regs[i]);

        if (!from || from != to) {
            qtest_fail("destination: register 0x%x of dev%u is 0x%x, the "
                       "source's is 0x%x", regs[i], index, to, from);
        }
    }
}

/* The DMA goes on where it was: its count, and each word, go up. */
static void check_goes_on(KernelPair *pair, unsigned index)
{
    uint32_t bursts = kernel_reg(pair->src, index, VMT_REG_DMA_BURSTS);
    uint32_t seq = kernel_reg(pair->src, index, VMT_REG_DMA_SEQ);
    int64_t end_us = g_get_monotonic_time() + 30 * G_USEC_PER_SEC;

    while (kernel_reg(pair->dst, index, VMT_REG_DMA_BURSTS) <= bursts
           || kernel_reg(pair->dst, index, VMT_REG_DMA_SEQ) <= seq) {
        if (g_get_monotonic_time() > end_us) {
            qtest_fail("destination: dev%u has written nothing since it "
                       "runs", index);
        }
        g_usleep(KERNEL_POLL_MS * 1000);
    }
    g_assert_cmphex(kernel_reg(pair->dst, index, VMT_REG_DMA_ERRORS), ==, 0);
}

void kernel_pair_check(KernelPair *pair)
{
    check_ram(pair);
    qtest_qmp_assert_success(pair->dst->qts, "{'execute': 'cont'}");
    kernel_expect_well(pair->dst);
    for (unsigned i = 0; i < pair->dst->devices->len; i++) {
        KernelDevice *dev = pair->dst->devices->pdata[i];

        check_state(pair, i);
        check_registers(pair, i);
        if (!dev->is_pci) {
            check_goes_on(pair, i);
        }
    }
}

void kernel_expect_passes(KernelSide *side, const char *first,
                          const char *then)
{
    int64_t last_us = INT64_MIN, next_us = INT64_MAX;

    for (unsigned i = 0; i < side->devices->len; i++) {
        KernelDevice *dev = side->devices->pdata[i];

        last_us = MAX(last_us, kernel_device_arc_us(dev, first));
        next_us = MIN(next_us, kernel_device_arc_us(dev, then));
    }
    if (last_us > next_us) {
        qtest_fail("%s: a device made %s before another one had made %s",
                   side->name, then, first);
    }
}

void kernel_pair_migrate(KernelPair *pair)
{
    kernel_pair_begin(pair);
    kernel_pair_finish(pair);
    kernel_pair_check(pair);
}

void kernel_pair_next(KernelPair *pair)
{
    g_autofree char *name = g_strdup_printf("destination%u", ++pair->number);
    KernelSide *next = side_new(name);
    KernelSide *old = pair->dst;

    next->multi = old->multi;
    next->ram_mib = old->ram_mib;
    g_string_assign(next->args, old->args->str);
    kernel_side_kill(old);
    for (unsigned i = 0; i < old->devices->len; i++) {
        KernelDevice *dev = old->devices->pdata[i];

        if (dev->is_pci) {
            /* There is only one: it keeps its binding. */
            g_string_assign(dev->faults, "clear\n");
            g_ptr_array_add(next->devices, dev);
            old->devices->pdata[i] = NULL;
        } else {
            g_ptr_array_add(next->devices, kernel_device_copy(dev));
        }
    }
    while (g_ptr_array_remove(old->devices, NULL)) {
        continue;
    }
    side_free(old);
    pair->dst = next;
    set_incoming(pair);
    kernel_side_start(pair->dst);
}

void kernel_pair_retry(KernelPair *pair)
{
    kernel_expect_well(pair->src);
    kernel_pair_next(pair);
    migrate_let_go(pair->src->qts);
    kernel_pair_migrate(pair);
}

/* ---- cases ---- */

static void run_case(const void *opaque)
{
    const Case *c = opaque;
    const char *why;

    if (!kernel_available(&why)) {
        qtest_skip(why);
        return;
    }
    kernel_log_begin();
    c->fn(c->data);
    kernel_log_check();
}

void kernel_add_case(const char *name, void (*fn)(const void *),
                     const void *data)
{
    Case c = { fn, data };
    g_autofree char *path = g_strconcat("kernel/", name, NULL);

    qtest_add_data_case_full(path, g_memdup2(&c, sizeof(c)), run_case,
                             g_free);
}
