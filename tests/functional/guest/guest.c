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

#include "kernel-side.h"
#include "qtest-json.h"

#define RAM_MIB 96

/*
 * What the guest's kernel need not do. Of the family that "host" has in an
 * emulated machine it takes the CPU for one with a GART, and looks for that
 * in 65536 places: half a minute.
 */
#define GUEST_CPU "host,family=23,model=1"
#define GUEST_APPEND "console=ttyS0 quiet panic=1 nowatchdog mitigations=off " \
    "nokaslr no_timer_check random.trust_cpu=on cryptomgr.notests " \
    "init_on_free=1"

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

static bool is_builtin(void)
{
    return !g_strcmp0(g_getenv("VM_TESTBED_BUILTIN"), "yes");
}

/* ---- command line ---- */

/* The unpacked kernel starts sooner. Caller frees. */
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

char *guest_ram_path(GuestSide *side)
{
    return g_strdup_printf("%s/%s.ram", qtest_tmpdir(), side->name);
}

static char *command_line(GuestSide *side)
{
    g_autofree char *kernel = kernel_image();
    g_autofree char *device = kernel_device_path(side->device);
    g_autofree char *ram = guest_ram_path(side);
    GString *line = g_string_new(NULL);

    g_string_append_printf(
        line, "-accel kvm -cpu " GUEST_CPU " -machine pc,memory-backend=ram "
        "-m %u -object memory-backend-file,id=ram,size=%uM,share=on,"
        "mem-path=%s -nodefaults -vga none -no-reboot ",
        RAM_MIB, RAM_MIB, ram);
    g_string_append_printf(
        line, "-kernel %s -initrd %s -append '" GUEST_APPEND " vmg.irq=%s' "
        "-chardev file,id=console,path=%s -serial chardev:console ",
        kernel, g_getenv("VM_TESTBED_GUEST"), side->irq, side->console);
    if (is_builtin()) {
        g_string_append(line, "-global vfio-pci.x-enable-migration=on ");
    }
    g_string_append_printf(line, "-device vfio-pci,sysfsdev=%s,id=dev0,"
                           "addr=5.0 ", device);
    if (side->incoming) {
        g_string_append_printf(line, "-incoming %s ", side->incoming);
    }
    /* Only what the source has left may be there. */
    unlink(ram);
    return g_string_free(line, false);
}

/* ---- sides ---- */

static GuestSide *side_new(const char *name, KernelDevice *device,
                           const char *irq)
{
    GuestSide *side = g_new0(GuestSide, 1);

    side->name = g_strdup(name);
    side->device = device;
    side->irq = irq;
    side->console = g_strdup_printf("%s/%s.console", qtest_tmpdir(), name);
    kernel_device_set(device, "seed", "%u", name[0]);
    return side;
}

static void side_free(GuestSide *side)
{
    if (side->qts) {
        qtest_quit(side->qts);
    }
    kernel_device_free(side->device);
    g_free(side->incoming);
    g_free(side->console);
    g_free(side->name);
    g_free(side);
}

static void side_start(GuestSide *side)
{
    g_autofree char *attached = kernel_attached_qemu();
    const char *real = g_getenv("QEMU");
    g_autofree char *line = NULL;
    g_autofree char *output = g_strdup_printf("%s/%s.stderr", qtest_tmpdir(),
                                              side->name);

    unlink(side->console);
    kernel_device_apply(side->device);
    line = command_line(side);
    g_setenv("VFIO_MIGRATION_ATTACH", is_builtin() ? "off" : "require", true);
    side->qts = qtest_start(!is_builtin() ? attached :
                            real ? real : "qemu-system-x86_64", line, output);
    g_unsetenv("VFIO_MIGRATION_ATTACH");
    if (!qtest_probe_child(side->qts)) {
        qtest_fail("%s: QEMU did not come up", side->name);
    }
    migrate_set_parameter_int(side->qts, "max-bandwidth", MIGRATE_FAST);
    migrate_set_parameter_int(side->qts, "downtime-limit", 2000);
}

/* ---- pairs ---- */

/* What the guest wrote last on either console, for a failed case. */
static void describe_hook(gpointer opaque)
{
    GuestPair *pair = opaque;
    GuestSide *sides[] = { pair->here, pair->there };

    for (unsigned i = 0; i < G_N_ELEMENTS(sides); i++) {
        g_autofree char *text = NULL;
        size_t len = 0;

        if (sides[i]->qts) {
            migrate_describe(sides[i]->qts, sides[i]->name);
        }
        if (g_file_get_contents(sides[i]->console, &text, &len, NULL)) {
            fprintf(stderr, "--- the guest at '%s', after %u moves:\n%s\n",
                    sides[i]->name, pair->moves,
                    len > 3000 ? text + len - 3000 : text);
        }
    }
}

GuestPair *guest_pair_new(bool pci, const char *irq)
{
    GuestPair *pair = g_new0(GuestPair, 1);

    kernel_remove_all();
    pair->here = side_new("a", pci ? kernel_pci_new(KERNEL_PCI_SOURCE)
                          : kernel_mdev_new(), irq);
    pair->there = side_new("b", pci ? kernel_pci_new(KERNEL_PCI_DESTINATION)
                           : kernel_mdev_new(), irq);
    qtest_add_abrt_handler(describe_hook, pair);
    return pair;
}

void guest_pair_free(GuestPair *pair)
{
    qtest_remove_abrt_handler(pair);
    side_free(pair->here);
    side_free(pair->there);
    guest_report_free(pair->last);
    g_free(pair);
}

void guest_pair_set(GuestPair *pair, const char *key, const char *value)
{
    kernel_device_set(pair->here->device, key, "%s", value);
    kernel_device_set(pair->there->device, key, "%s", value);
}

void guest_pair_boot(GuestPair *pair)
{
    side_start(pair->here);
    pair->last = guest_wait_report(pair->here, 0, GUEST_BOOT_SECONDS);
    g_assert_cmpstr(pair->last->mode, ==, pair->here->irq);
}

void guest_pair_ready(GuestPair *pair)
{
    GuestSide *side = pair->there;

    g_free(side->incoming);
    side->incoming = g_strdup_printf("unix:%s/move%u", qtest_tmpdir(),
                                     pair->moves);
    side_start(side);
}

void guest_pair_begin(GuestPair *pair)
{
    migrate_qmp(pair->here->qts, pair->there->incoming, "{}");
}

static void expect_completed(GuestSide *side)
{
    g_autofree char *end = migrate_wait_end(side->qts, GUEST_END_MS);

    if (g_strcmp0(end, "completed")) {
        g_autofree char *why = end ? migrate_error(side->qts) : NULL;

        qtest_fail("%s: the migration should be 'completed', it is '%s' %s",
                   side->name, end ? end : "without an end", why ? why : "");
    }
}

int64_t guest_pair_finish(GuestPair *pair)
{
    GuestSide *left = pair->here;
    int64_t downtime_ms;
    QDict *info;

    expect_completed(left);
    expect_completed(pair->there);
    info = migrate_query(left->qts);
    downtime_ms = qdict_get_try_int(info, "downtime", -1);
    if (g_test_verbose()) {
        g_autofree char *text = qdict_to_text(info);

        g_test_message("%s", text);
    }
    qobject_unref(info);
    guest_expect_no_error(left);
    qtest_quit(left->qts);
    left->qts = NULL;
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
