/*
 * A running Linux guest on KVM that uses and checks a device all the time
 *
 * Owns: see guest.h; the guest's command lines.
 * Does not own: its report and its memory (guest-report.c).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest-internal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "qtest-json.h"

#define RAM_MIB 96

/*
 * Settings that save the guest's kernel time. With the CPU family of "host" in
 * an emulated machine it expects a GART, and probes 65536 places for it: half a
 * minute.
 */
#define GUEST_CPU "host,family=23,model=1"
#define GUEST_APPEND "console=ttyS0 quiet panic=1 nowatchdog mitigations=off " \
    "nokaslr no_timer_check random.trust_cpu=on cryptomgr.notests " \
    "init_on_free=1"

/* Interrupts for the guest's driver: "msix", "msi", "intx" */
static const char *irq;

bool guest_available(const char **why)
{
    const char *initramfs = g_getenv("VM_TESTBED_GUEST");

    if (!kernel_available(why)) {
        return false;
    }
    if (access("/dev/kvm", R_OK | W_OK)) {
        *why = "no /dev/kvm: run this by scripts/vm-testbed --nested";
        return false;
    }
    if (!initramfs || access(initramfs, R_OK)) {
        *why = "VM_TESTBED_GUEST does not name the guest's initramfs";
        return false;
    }
    return true;
}

/* ---- command line ---- */

/* An uncompressed kernel boots faster. Caller frees. */
static char *kernel_image(void)
{
    const char *packed = g_getenv("VM_TESTBED_KERNEL");
    g_autofree char *dir = NULL;
    char *unpacked;

    g_assert_nonnull(packed);
    dir = g_path_get_dirname(packed);
    unpacked = g_build_filename(dir, "..", "vmlinux", NULL);
    if (access(unpacked, R_OK)) {
        g_free(unpacked);
        return g_strdup(packed);
    }
    return unpacked;
}

char *guest_ram_path(VFIOSide *side)
{
    return g_build_filename(side->dir, "ram", NULL);
}

static char *console_path(VFIOSide *side)
{
    return g_build_filename(side->dir, "console", NULL);
}

char *guest_console(VFIOSide *side)
{
    g_autofree char *path = console_path(side);
    char *text;

    return g_file_get_contents(path, &text, NULL, NULL) ? text : g_strdup("");
}

static char *machine(VFIOSide *side)
{
    g_autofree char *kernel = kernel_image();
    g_autofree char *ram = guest_ram_path(side);
    g_autofree char *console = console_path(side);

    /* RAM must come only from the source. */
    unlink(ram);
    unlink(console);
    return g_strdup_printf(
        "-accel kvm -cpu " GUEST_CPU " -machine pc,memory-backend=ram "
        "-m %u -object memory-backend-file,id=ram,size=%uM,share=on,"
        "mem-path=%s -nodefaults -vga none -no-reboot "
        "-kernel %s -initrd %s -append '" GUEST_APPEND " vmg.irq=%s' "
        "-chardev file,id=console,path=%s -serial chardev:console ",
        side->ram_mib, side->ram_mib, ram, kernel,
        g_getenv("VM_TESTBED_GUEST"), irq, console);
}

/* The guest's own driver programs the device. */
static void leave_alone(VFIOSide *side, unsigned index)
{
}

static VFIOSide *side_new(const char *name, const char *address)
{
    static VFIODeviceOps ops;
    VFIOSide *side = kernel_side_new(name);

    ops = kernel_ops;
    ops.machine = machine;
    ops.program = leave_alone;
    ops.end_ms = GUEST_END_MS;
    side->ops = &ops;
    side->ram_mib = RAM_MIB;
    side->downtime_ms = 2000;
    kernel_side_add(side, address);
    vfio_side_set(side, "dev0", "seed", "%u", name[0]);
    return side;
}

/* ---- pairs ---- */

/* Print the last lines on both consoles, if a case fails. */
static void describe_hook(gpointer opaque)
{
    GuestPair *pair = opaque;
    VFIOSide *sides[] = { pair->here, pair->there };

    for (unsigned i = 0; i < G_N_ELEMENTS(sides); i++) {
        g_autofree char *text = guest_console(sides[i]);
        size_t len = strlen(text);

        fprintf(stderr, "--- the guest at '%s', after %u moves:\n%s\n",
                sides[i]->name, pair->moves,
                len > 3000 ? text + len - 3000 : text);
    }
}

GuestPair *guest_pair_new(bool pci, const char *wanted_irq)
{
    GuestPair *pair = g_new0(GuestPair, 1);

    kernel_remove_all();
    irq = wanted_irq;
    pair->here = side_new("a", pci ? KERNEL_PCI_SOURCE : NULL);
    pair->there = side_new("b", pci ? KERNEL_PCI_DESTINATION : NULL);
    qtest_add_abrt_handler(describe_hook, pair);
    return pair;
}

void guest_pair_free(GuestPair *pair)
{
    qtest_remove_abrt_handler(pair);
    vfio_side_free(pair->here);
    vfio_side_free(pair->there);
    guest_report_free(pair->last);
    g_free(pair);
}

void guest_pair_set(GuestPair *pair, const char *key, const char *value)
{
    kernel_side_set(pair->here, key, value);
    kernel_side_set(pair->there, key, value);
}

void guest_pair_boot(GuestPair *pair)
{
    vfio_side_start(pair->here);
    pair->last = guest_wait_report(pair->here, 0, GUEST_BOOT_SECONDS);
    g_assert_cmpstr(pair->last->mode, ==, irq);
}

void guest_pair_ready(GuestPair *pair)
{
    VFIOSide *side = pair->there;

    g_free(side->incoming);
    side->incoming = g_strdup_printf("unix:%s/move%u", qtest_tmpdir(),
                                     pair->moves);
    vfio_side_start(side);
}

void guest_pair_begin(GuestPair *pair)
{
    migrate_qmp(pair->here->qts, pair->there->incoming, "{}");
}

int64_t guest_pair_finish(GuestPair *pair)
{
    VFIOSide *left = pair->here;
    int64_t downtime_ms;
    QDict *info;

    vfio_expect_end(left, "completed");
    vfio_expect_end(pair->there, "completed");
    info = migrate_query(left->qts);
    downtime_ms = qdict_get_try_int(info, "downtime", -1);
    if (g_test_verbose()) {
        g_autofree char *text = qdict_to_text(info);

        g_test_message("%s", text);
    }
    qobject_unref(info);
    guest_expect_no_error(left);
    vfio_side_quit(left);
    pair->here = pair->there;
    pair->there = left;
    pair->moves++;
    return downtime_ms;
}

static int since_ms(int64_t *start_us)
{
    int64_t now_us = g_get_monotonic_time();
    int ms = (now_us - *start_us) / 1000;

    *start_us = now_us;
    return ms;
}

int64_t guest_pair_move(GuestPair *pair)
{
    int64_t start_us = g_get_monotonic_time(), downtime_ms;
    int ready_ms, move_ms;

    guest_pair_ready(pair);
    ready_ms = since_ms(&start_us);
    guest_pair_begin(pair);
    downtime_ms = guest_pair_finish(pair);
    move_ms = since_ms(&start_us);
    guest_expect_use(pair, pair->here, 2);
    g_test_message("move %u: QEMU started in %d ms, moved in %d ms, downtime "
                   "%d ms, seen well in %d ms", pair->moves, ready_ms,
                   move_ms, (int)downtime_ms, since_ms(&start_us));
    return downtime_ms;
}
