/*
 * A device of the kernel test driver (tests/kernel)
 *
 * Owns: see kernel-device.h.
 * Locks: none.
 * Source: docs/test-driver.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "kernel-device.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "edu-regs.h"
#include "qtest-json.h"
#include "vfio-mig-test-regs.h"

#define REMOVE_MS 5000
/* Where the devices' DMA engines write: 1 MiB each */
#define DMA_BASE (8u << 20)
#define DMA_BYTES (1u << 20)
#define DMA_INTERVAL_US 500

/* ---- files of sysfs and debugfs ---- */

static void write_file(const char *path, const char *text)
{
    int err = driver_write_file(path, text);

    if (err) {
        qtest_fail("cannot write '%s' to %s: %s", text, path, strerror(err));
    }
}

static char *read_debug_file(const KernelDevice *dev, const char *name)
{
    g_autoptr(GError) err = NULL;
    char *text = driver_debug_read(dev->name, name, &err);

    if (!text) {
        qtest_fail("%s", err->message);
    }
    return text;
}

/* ---- life ---- */

bool kernel_available(const char **why)
{
    *why = driver_missing();
    return !*why;
}

bool kernel_builtin(void)
{
    return !g_strcmp0(g_getenv("VM_TESTBED_BUILTIN"), "yes");
}

void kernel_log_case(void)
{
    g_autofree char *line = g_strdup_printf("vm-testbed: case %s\n",
                                            g_test_get_path());

    write_file("/dev/kmsg", line);
}

KernelDevice *kernel_device(const VFIOSide *side, unsigned index)
{
    GPtrArray *devices = side->own;

    g_assert_cmpuint(index, <, devices->len);
    return devices->pdata[index];
}

/* @device: the name that @side has for it, "dev0" */
static KernelDevice *find_device(VFIOSide *side, const char *device)
{
    unsigned index;

    g_assert_true(g_ptr_array_find_with_equal_func(side->devices, device,
                                                   g_str_equal, &index));
    return kernel_device(side, index);
}

static KernelDevice *mdev_new(void)
{
    KernelDevice *dev = g_new0(KernelDevice, 1);
    g_autoptr(GError) err = NULL;

    /* g_uuid_*() return the same in each case: tests have a fixed seed. */
    if (!g_file_get_contents("/proc/sys/kernel/random/uuid", &dev->name, NULL,
                             &err)) {
        qtest_fail("%s", err->message);
    }
    g_strchomp(dev->name);
    write_file(DRIVER_MDEV_CREATE, dev->name);
    return dev;
}

static KernelDevice *pci_new(const char *address)
{
    KernelDevice *dev = g_new0(KernelDevice, 1);
    int err = driver_bind_pci(address);

    if (err) {
        qtest_fail("cannot bind %s: %s", address, strerror(err));
    }
    dev->name = g_strdup(address);
    dev->is_pci = true;
    return dev;
}

pid_t kernel_device_remove(KernelDevice *dev)
{
    pid_t pid = fork();

    g_assert_cmpint(pid, >=, 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(driver_remove(dev->name));
    }
    return pid;
}

bool kernel_device_removed(pid_t pid, int timeout_ms)
{
    int64_t end_us = g_get_monotonic_time() + timeout_ms * 1000;
    int status;
    pid_t done;

    while ((done = waitpid(pid, &status, WNOHANG)) == 0) {
        if (g_get_monotonic_time() > end_us) {
            return false;
        }
        g_usleep(2000);
    }
    g_assert_cmpint(done, ==, pid);
    if (WIFEXITED(status) && WEXITSTATUS(status)) {
        qtest_fail("removing the device gave: %s",
                   strerror(WEXITSTATUS(status)));
    }
    return WIFEXITED(status);
}

static bool is_there(const KernelDevice *dev)
{
    g_autofree char *path = driver_debug_path(dev->name, "status");

    return !access(path, R_OK);
}

/* The device must be closed already, or within REMOVE_MS. */
static void device_free(KernelDevice *dev)
{
    if (is_there(dev)) {
        pid_t pid = kernel_device_remove(dev);

        if (!kernel_device_removed(pid, REMOVE_MS)) {
            qtest_fail("%s is still in use", dev->name);
        }
    }
    g_free(dev->name);
    g_free(dev);
}

/* A QEMU that was killed just before may still have devices open. */
static void remove_by_name(const char *name)
{
    KernelDevice dev = { .name = (char *)name };

    if (!kernel_device_removed(kernel_device_remove(&dev), REMOVE_MS)) {
        qtest_fail("%s of an earlier case is still in use", name);
    }
}

void kernel_remove_all(void)
{
    g_autoptr(GDir) dir = g_dir_open(DRIVER_DEBUGFS, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *status = driver_debug_path(name, "status");

        if (!access(status, R_OK)) {
            remove_by_name(name);
        }
    }
}

/* ---- configuration ---- */

static char *device_path(VFIOSide *side, const char *device)
{
    KernelDevice *dev = find_device(side, device);

    return g_build_filename(dev->is_pci ? PCI_DEVICES : MDEV_DEVICES,
                            dev->name, NULL);
}

/* Append the keys of a group, each followed by @end. */
static void append_keys(GString *text, VFIOSide *side, const char *group,
                        char end)
{
    g_auto(GStrv) keys = g_key_file_get_keys(side->config, group, NULL, NULL);

    for (char **key = keys; key && *key; key++) {
        g_autofree char *value = g_key_file_get_value(side->config, group,
                                                      *key, NULL);

        g_string_append_printf(text, "%s=%s%c", *key, value, end);
    }
}

static void apply_config(VFIOSide *side, const char *device)
{
    g_autofree char *group = g_strconcat("device ", device, NULL);
    KernelDevice *dev = find_device(side, device);
    g_autofree char *path = driver_debug_path(dev->name, "config");
    g_autoptr(GString) text = g_string_new("clear\n");

    append_keys(text, side, group, '\n');
    write_file(path, text->str);
}

/* A side's fault rules apply to its first device. */
static void apply_faults(VFIOSide *side, unsigned index)
{
    g_autofree char *path = driver_debug_path(kernel_device(side, index)->name,
                                              "faults");
    g_autoptr(GString) text = g_string_new("clear\n");
    g_auto(GStrv) groups = g_key_file_get_groups(side->config, NULL);

    for (char **group = groups; *group && !index; group++) {
        if (g_str_has_prefix(*group, "fault ")) {
            g_string_append_printf(text, "%s ", *group + strlen("fault "));
            append_keys(text, side, *group, ' ');
            g_string_append_c(text, '\n');
        }
    }
    write_file(path, text->str);
}

static void apply(VFIOSide *side)
{
    for (unsigned i = 0; i < side->devices->len; i++) {
        apply_config(side, side->devices->pdata[i]);
        apply_faults(side, i);
    }
}

static uint64_t reg_address(unsigned index, unsigned reg)
{
    return MACHINE_BAR0(MACHINE_FIRST_SLOT + index) + reg;
}

uint32_t kernel_reg(VFIOSide *side, unsigned index, unsigned reg)
{
    return qtest_readl(side->qts, reg_address(index, reg));
}

void kernel_set_reg(VFIOSide *side, unsigned index, unsigned reg,
                    uint32_t value)
{
    qtest_writel(side->qts, reg_address(index, reg), value);
}

static void program_mdev(VFIOSide *side, unsigned index)
{
    g_assert_true(machine_program(side->qts, MACHINE_FIRST_SLOT + index));
    g_assert_cmphex(kernel_reg(side, index, VMT_REG_ID), ==, VMT_ID);
    kernel_set_reg(side, index, VMT_REG_SCRATCH, 0xfeed0000 + index);
    for (unsigned i = 0; i < 3 + index; i++) {
        kernel_set_reg(side, index, VMT_REG_DOORBELL, 1);
    }
    kernel_set_reg(side, index, VMT_REG_DMA_ADDR_LO,
                   DMA_BASE + index * DMA_BYTES);
    kernel_set_reg(side, index, VMT_REG_DMA_ADDR_HI, 0);
    kernel_set_reg(side, index, VMT_REG_DMA_SIZE, DMA_BYTES);
    kernel_set_reg(side, index, VMT_REG_DMA_INTERVAL_US, DMA_INTERVAL_US);
    kernel_set_reg(side, index, VMT_REG_DMA_CTRL, VMT_DMA_CTRL_RUN);
}

static void program_edu(VFIOSide *side, unsigned index)
{
    machine_program(side->qts, MACHINE_FIRST_SLOT + index);
    kernel_set_reg(side, index, EDU_LIVENESS, 0xfeed0000 + index);
    kernel_set_reg(side, index, EDU_DMA_SRC, EDU_BUFFER);
    kernel_set_reg(side, index, EDU_DMA_DST, DMA_BASE + index * DMA_BYTES);
    kernel_set_reg(side, index, EDU_DMA_COUNT, EDU_COPY_BYTES);
}

static void program(VFIOSide *side, unsigned index)
{
    if (kernel_device(side, index)->is_pci) {
        program_edu(side, index);
    } else {
        program_mdev(side, index);
    }
}

/* ---- status ---- */

static bool has_msix(VFIOSide *side, const char *device)
{
    return !find_device(side, device)->is_pci;
}

static QDict *read_status(VFIOSide *side, const char *device)
{
    g_autofree char *text = read_debug_file(find_device(side, device),
                                            "status");
    QDict *status = qdict_from_text(text);

    if (!status) {
        vfio_side_fail(side, "not a status of %s: %s", device, text);
    }
    return status;
}

static int compare_times(gconstpointer a, gconstpointer b)
{
    int64_t left = g_ascii_strtoll(*(char *const *)a, NULL, 10);
    int64_t right = g_ascii_strtoll(*(char *const *)b, NULL, 10);

    return left < right ? -1 : left > right;
}

/* The transcripts of all devices, sorted by the kernel's clock */
static char *read_transcript(VFIOSide *side)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GString) text = g_string_new(NULL);

    for (unsigned i = 0; i < side->devices->len; i++) {
        g_autofree char *one = NULL;
        g_autofree char **lines = NULL;

        if (is_there(kernel_device(side, i))) {
            one = read_debug_file(kernel_device(side, i), "transcript");
        }
        lines = g_strsplit(one ? one : "", "\n", -1);
        for (char **line = lines; *line; line++) {
            g_ptr_array_add(all, *line);
        }
    }
    g_ptr_array_sort(all, compare_times);
    for (unsigned i = 0; i < all->len; i++) {
        const char *line = all->pdata[i];

        g_string_append_printf(text, "%s%s", line, *line ? "\n" : "");
    }
    return g_string_free(g_steal_pointer(&text), false);
}

int64_t kernel_device_arc_us(const KernelDevice *dev, const char *arc)
{
    g_autofree char *transcript = read_debug_file(dev, "transcript");
    g_auto(GStrv) ends = g_strsplit(arc, ">", 2);
    g_autofree char *words = g_strdup_printf("state-write from=%s to=%s ret=0",
                                             ends[0], ends[1]);
    const char *at = g_strrstr(transcript, words);

    if (!at) {
        qtest_fail("%s made no transition %s", dev->name, arc);
    }
    while (at > transcript && at[-1] != '\n') {
        at--;
    }
    return g_ascii_strtoll(at, NULL, 10);
}

/* ---- sides ---- */

/* There is only one PCI device for each side: it keeps its binding. */
static void copy_devices(const VFIOSide *from, VFIOSide *side)
{
    GPtrArray *old = from->own, *new = g_ptr_array_new();

    side->own = new;
    for (unsigned i = 0; i < old->len; i++) {
        KernelDevice *dev = old->pdata[i];

        if (dev->is_pci) {
            old->pdata[i] = NULL;
        }
        g_ptr_array_add(new, dev->is_pci ? dev : mdev_new());
    }
}

static void drop_devices(VFIOSide *side)
{
    GPtrArray *devices = side->own;

    for (unsigned i = 0; i < devices->len; i++) {
        if (devices->pdata[i]) {
            device_free(devices->pdata[i]);
        }
    }
    g_ptr_array_unref(devices);
}

const VFIODeviceOps kernel_ops = {
    .path = device_path,
    .apply = apply,
    .program = program,
    .has_msix = has_msix,
    .status = read_status,
    .transcript = read_transcript,
    .copy = copy_devices,
    .drop = drop_devices,
    .poll_ms = KERNEL_POLL_MS,
    .state_ms = 30000,
    .fail_ms = KERNEL_END_MS,
    .end_ms = KERNEL_END_MS,
};

VFIOSide *kernel_side_new(const char *name)
{
    VFIOSide *side = vfio_side_new(name, kernel_builtin() ? SIDE_BUILTIN
                                                          : SIDE_ATTACHED);
    const char *build = g_getenv("VM_TESTBED_BUILD");
    g_autofree char *wrapper = NULL;

    if (!build) {
        qtest_fail("VM_TESTBED_BUILD is not set: run this by "
                   "scripts/vm-testbed");
    }
    wrapper = g_build_filename(build, "qemu-system-x86_64", NULL);
    g_setenv("VFIO_ATTACHED_QEMU", wrapper, false);
    vfio_side_drop_devices(side);
    side->ops = &kernel_ops;
    side->own = g_ptr_array_new();
    side->ram_mib = 12;
    /* In a busy VM, RAM may take longer than the device. */
    side->downtime_ms = 20000;
    return side;
}

void kernel_side_add(VFIOSide *side, const char *address)
{
    char *device = g_strdup_printf("dev%u", side->devices->len);

    g_ptr_array_add(side->own, address ? pci_new(address) : mdev_new());
    g_ptr_array_add(side->devices, device);
    vfio_side_set_keys(side, device, "window-size=64K;areas=all;"
                       "chunk-size=48K;state-size=256K;precopy-size=64K;"
                       "require-data=yes");
}

void kernel_side_set(VFIOSide *side, const char *key, const char *value)
{
    for (unsigned i = 0; i < side->devices->len; i++) {
        vfio_side_set(side, side->devices->pdata[i], key, "%s", value);
    }
}

void kernel_side_v2(VFIOSide *side)
{
    kernel_side_set(side, "protocol", "v2");
    kernel_side_set(side, "p2p", "yes");
    kernel_side_set(side, "log", "yes");
}
