/*
 * Several devices, devices that have never run, and snapshots
 *
 * Owns: savevm and loadvm with QEMU's own code on one side, several devices,
 * VMs that have never run, and the routing of a device's INTx.
 * Does not own: why a device cannot migrate (vfio-blocker-test.c), unplug and
 * plug (vm-event-table.c), failure of one of two devices (vfio-failure-test.c
 * and component tests).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "vfio-test.h"

#include <string.h>

#include "snapshot-helpers.h"

/* ---- savevm, loadvm ---- */

typedef struct Snapshot {
    VFIOSideKind saver, loader;
} Snapshot;

/* Between two processes, one of them with the distribution's code. */
static void test_snapshot_move(const void *opaque)
{
    const Snapshot *s = opaque;
    g_autofree char *device = NULL, *memory = NULL;
    VFIOSide *saver = vfio_side_new("saver", s->saver);
    VFIOSide *loader = vfio_side_new("loader", s->loader);

    snapshot_add_disk(saver);
    vfio_side_start(saver);
    snapshot_save(saver, &device, &memory);
    vfio_expect_clean(saver);
    vfio_side_free(saver);

    snapshot_add_disk(loader);
    loader->paused = true;
    snapshot_start_loaded(loader, device, memory);
    vfio_side_free(loader);
}

/* loadvm must fail, and its answer and stderr contain each of @words. */
static void expect_no_loadvm(VFIOSide *side, const char *words)
{
    g_autofree char *answer = qtest_hmp(side->qts, "loadvm one");
    g_autofree char *err = qtest_stderr(side->qts);
    g_autofree char *all = g_strconcat(answer, err, NULL);

    vfio_expect_text(side, "loadvm", answer, "Error");
    vfio_expect_text(side, "loadvm and stderr", all, words);
}

/* One of two cannot be loaded, which must not harm the other. */
static void test_snapshot_one_of_two(void)
{
    VFIOSide *side = vfio_side_new("source", SIDE_ATTACHED);
    g_autofree char *device = NULL, *memory = NULL;

    vfio_side_add_device(side);
    side->multi = true;
    snapshot_add_disk(side);
    vfio_side_fault(side, "row", "device=dev1;event=state-write;to=resuming;"
                    "errno=EIO");
    vfio_side_start(side);
    snapshot_save(side, &device, &memory);
    expect_no_loadvm(side, "dev1;Input/output error");
    vfio_expect_fired(side, "row");
    vfio_side_expect_state(side, "dev0", "stop");
    snapshot_do(side, "loadvm");
    qtest_qmp_assert_success(side->qts, "{'execute': 'cont'}");
    snapshot_expect_loaded(side, device, memory);
    vfio_side_free(side);
}

/* ---- several devices ---- */

typedef struct Several {
    const char *name;
    unsigned devices;
    bool one_group;
    VFIOSideKind src, dst;
} Several;

static const Several several[] = {
    { "two-in-one-group", 2, true, SIDE_ATTACHED, SIDE_ATTACHED },
    { "two-to-builtin", 2, false, SIDE_ATTACHED, SIDE_BUILTIN },
    { "two-from-builtin", 2, false, SIDE_BUILTIN, SIDE_ATTACHED },
    { "four", 4, false, SIDE_ATTACHED, SIDE_ATTACHED },
};

static void add_devices(VFIOPair *pair, const Several *s)
{
    for (unsigned i = 1; i < s->devices; i++) {
        vfio_side_add_device(pair->src);
        vfio_side_add_device(pair->dst);
        if (s->one_group) {
            const char *device = pair->src->devices->pdata[i];

            vfio_side_set(pair->src, device, "group", "1");
            vfio_side_set(pair->dst, device, "group", "1");
        }
    }
}

static void test_several(const void *opaque)
{
    const Several *s = opaque;
    VFIOPair *pair = vfio_pair_new(s->src, s->dst);

    add_devices(pair, s);
    pair->src->multi = pair->dst->multi = true;
    vfio_pair_start(pair);
    vfio_pair_migrate(pair);
    vfio_pair_free(pair);
}

/* ---- VMs that have never run ---- */

/* A VM that was started with -S, and so its device. */
static void test_never_started(void)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    pair->src->paused = true;
    vfio_pair_start(pair);
    vfio_pair_migrate(pair);
    vfio_pair_free(pair);
}

/* A -> B; B's VM does not run, and will move on to C. */
static VFIOPair *never_run_pair(const char *strictness)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    vfio_pair_set(pair, "strictness", "%s", strictness);
    vfio_pair_start(pair);
    vfio_pair_begin(pair);
    vfio_pair_finish(pair);
    vfio_pair_turn(pair);
    pair->src->paused = pair->src->never_ran = true;
    vfio_pair_next_destination(pair);
    return pair;
}

static void test_never_run_moves_on(const void *strictness)
{
    VFIOPair *pair = never_run_pair(strictness);

    vfio_side_expect_state(pair->src, "dev0", "stop");
    vfio_pair_migrate(pair);
    vfio_pair_free(pair);
}

/* If the driver cannot do that, the user is told what to do, and it works. */
static void test_never_run_refused(const void *strictness)
{
    VFIOPair *pair = never_run_pair(strictness);

    vfio_pair_begin(pair);
    vfio_expect_failed(pair->src, "dev0;continue the VM, then migrate");
    vfio_side_expect_state(pair->src, "dev0", "resuming");
    qtest_qmp_assert_success(pair->src->qts, "{'execute': 'cont'}");
    pair->src->paused = pair->src->never_ran = false;
    vfio_pair_retry(pair);
    vfio_pair_free(pair);
}

/* ---- routing of INTx ---- */

#define INTX_IRQ "10"
#define INTX_PIC_BIT 0x04       /* in the second PIC */
#define PIC1_ELCR 0x4d1         /* selects level-triggered lines */

typedef struct Chipset {
    const char *machine;
    unsigned slot;              /* of the function that routes interrupts */
    unsigned regs[2];           /* its registers, four routes each */
} Chipset;

static char *intx_log(VFIOSide *side)
{
    return g_strdup_printf("%s/%s.intx", qtest_tmpdir(), side->name);
}

static void log_intx(VFIOSide *side)
{
    g_autofree char *path = intx_log(side);

    vfio_side_set(side, "dev0", "intx", "yes");
    vfio_side_set(side, "dev0", "msix-vectors", "0");
    g_string_append_printf(side->args, " -trace vfio_intx_update -D %s", path);
}

/* The last "IRQ moved" in the log must be to INTX_IRQ. */
static void expect_intx_routed(VFIOSide *side)
{
    g_autofree char *path = intx_log(side);
    g_autofree char *text = NULL;
    char *last;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    last = g_strrstr(text, "IRQ moved");
    vfio_expect_text(side, path, last ? last : text, "-> " INTX_IRQ "\n");
}

/* Done by firmware, which a destination does not run. */
static void route_intx(VFIOSide *side, const Chipset *chipset)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(chipset->regs); i++) {
        machine_pci_write(side->qts, chipset->slot, chipset->regs[i],
                          0x0a0a0a0a);
    }
}

/*
 * The chipset's routes arrive after the device, and nobody is notified: with
 * KVM the device's INTx would keep its previous route (IRQ 0).
 */
static void test_intx_route(const void *opaque)
{
    const Chipset *chipset = opaque;
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    pair->src->machine = pair->dst->machine = chipset->machine;
    log_intx(pair->src);
    log_intx(pair->dst);
    vfio_pair_start(pair);
    route_intx(pair->src, chipset);
    expect_intx_routed(pair->src);
    vfio_pair_migrate(pair);
    expect_intx_routed(pair->dst);
    vfio_pair_free(pair);
}

/* Wait for that level of the device's line in the PIC. */
static void expect_intx_level(VFIOSide *side, bool asserted)
{
    int64_t end_us = g_get_monotonic_time() + QTEST_WAIT_US;

    while (true) {
        g_autofree char *text = qtest_hmp(side->qts, "info pic");
        const char *pic = strstr(text, "pic1: irr=");
        uint64_t requests;

        g_assert_nonnull(pic);
        requests = g_ascii_strtoull(pic + strlen("pic1: irr="), NULL, 16);
        if (!(requests & INTX_PIC_BIT) == !asserted) {
            return;
        }
        if (g_get_monotonic_time() > end_us) {
            vfio_side_fail(side, "the device's line should be %s:\n%s",
                           asserted ? "asserted" : "low", text);
        }
        g_usleep(2000);
    }
}

/*
 * The source's device asserts its INTx when the VM moves. The destination's
 * does not, and without KVM only its next interrupt would ever lower the line.
 */
static void test_intx_asserted(const void *opaque)
{
    const Chipset *chipset = opaque;
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    vfio_pair_set(pair, "intx", "yes");
    vfio_pair_set(pair, "msix-vectors", "0");
    vfio_side_fault(pair->src, "intx",
                    "event=config-write;intx=raise;once=no");
    vfio_pair_start(pair);
    route_intx(pair->src, chipset);
    qtest_outb(pair->src->qts, PIC1_ELCR, INTX_PIC_BIT);
    machine_bus_master(pair->src->qts, MACHINE_FIRST_SLOT, true);
    expect_intx_level(pair->src, true);
    vfio_pair_migrate(pair);
    expect_intx_level(pair->dst, false);
    vfio_pair_free(pair);
}

int main(int argc, char **argv)
{
    static const Chipset chipsets[] = {
        { "pc", 1, { 0x60, 0x60 } }, { "q35", 31, { 0x60, 0x68 } },
    };
    static const Snapshot moves[] = {
        { SIDE_ATTACHED, SIDE_BUILTIN }, { SIDE_BUILTIN, SIDE_ATTACHED },
    };

    g_test_init(&argc, &argv, NULL);
    qtest_add_data_case("vfio/snapshot/attached-to-builtin", &moves[0],
                        test_snapshot_move);
    qtest_add_data_case("vfio/snapshot/builtin-to-attached", &moves[1],
                        test_snapshot_move);
    qtest_add_case("vfio/snapshot/one-of-two", test_snapshot_one_of_two);
    for (unsigned i = 0; i < G_N_ELEMENTS(several); i++) {
        g_autofree char *name = g_strconcat("vfio/several/", several[i].name,
                                            NULL);

        qtest_add_data_case(name, &several[i], test_several);
    }
    qtest_add_case("vfio/never-run/started-with-S", test_never_started);
    qtest_add_data_case("vfio/never-run/moves-on/lenient", "lenient",
                        test_never_run_moves_on);
    qtest_add_data_case("vfio/never-run/refused/drawn", "drawn",
                        test_never_run_refused);
    qtest_add_data_case("vfio/intx-route/pc", &chipsets[0], test_intx_route);
    qtest_add_data_case("vfio/intx-route/q35", &chipsets[1], test_intx_route);
    qtest_add_data_case("vfio/intx-asserted", &chipsets[0],
                        test_intx_asserted);
    return g_test_run();
}
