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

#include "qtest-json.h"
#include "transcript-helpers.h"

#define REMOVE_MS 5000

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
    g_autofree char *path = driver_debug_path(dev->name, name);
    g_autoptr(GError) err = NULL;
    char *text;

    if (!g_file_get_contents(path, &text, NULL, &err)) {
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

char *kernel_device_path(const KernelDevice *dev)
{
    return g_build_filename(dev->is_pci ? PCI_DEVICES : MDEV_DEVICES,
                            dev->name, NULL);
}

static KernelDevice *device_new(char *name, bool is_pci)
{
    KernelDevice *dev = g_new0(KernelDevice, 1);

    dev->name = name;
    dev->is_pci = is_pci;
    dev->config = g_string_new("clear\n");
    dev->faults = g_string_new("clear\n");
    kernel_device_set(dev, "window-size", "64K");
    kernel_device_set(dev, "areas", "all");
    kernel_device_set(dev, "chunk-size", "48K");
    kernel_device_set(dev, "state-size", "256K");
    kernel_device_set(dev, "precopy-size", "64K");
    kernel_device_set(dev, "require-data", "yes");
    return dev;
}

KernelDevice *kernel_mdev_new(void)
{
    g_autoptr(GError) err = NULL;
    char *uuid;

    /* glib's are the same in each case: a test's random numbers are. */
    if (!g_file_get_contents("/proc/sys/kernel/random/uuid", &uuid, NULL,
                             &err)) {
        qtest_fail("%s", err->message);
    }
    g_strchomp(uuid);
    write_file(DRIVER_MDEV_CREATE, uuid);
    return device_new(uuid, false);
}

KernelDevice *kernel_pci_new(const char *address)
{
    g_autofree char *override = driver_override_path(address);

    write_file(override, DRIVER_PCI);
    write_file(PCI_PROBE, address);
    return device_new(g_strdup(address), true);
}

KernelDevice *kernel_device_copy(const KernelDevice *from)
{
    KernelDevice *dev = from->is_pci ? kernel_pci_new(from->name)
                                     : kernel_mdev_new();

    g_string_assign(dev->config, from->config->str);
    return dev;
}

pid_t kernel_device_remove(KernelDevice *dev)
{
    g_autofree char *path = dev->is_pci
        ? g_strdup(DRIVER_PCI_UNBIND) : driver_mdev_remove_path(dev->name);
    pid_t pid = fork();

    g_assert_cmpint(pid, >=, 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(driver_write_file(path, dev->is_pci ? dev->name : "1"));
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

void kernel_device_free(KernelDevice *dev)
{
    if (is_there(dev)) {
        pid_t pid = kernel_device_remove(dev);

        if (!kernel_device_removed(pid, REMOVE_MS)) {
            qtest_fail("%s is still in use", dev->name);
        }
    }
    g_string_free(dev->config, true);
    g_string_free(dev->faults, true);
    g_free(dev->name);
    g_free(dev);
}

/* A QEMU that was killed just before may have devices open yet. */
static void remove_by_name(const char *name, bool is_pci)
{
    KernelDevice dev = { .name = (char *)name, .is_pci = is_pci };

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
            remove_by_name(name, strchr(name, ':') != NULL);
        }
    }
}

/* ---- what it is told ---- */

void kernel_device_set(KernelDevice *dev, const char *key, const char *fmt,
                       ...)
{
    va_list ap;

    g_string_append_printf(dev->config, "%s=", key);
    va_start(ap, fmt);
    g_string_append_vprintf(dev->config, fmt, ap);
    va_end(ap);
    g_string_append_c(dev->config, '\n');
}

void kernel_device_v2(KernelDevice *dev)
{
    kernel_device_set(dev, "protocol", "v2");
    kernel_device_set(dev, "p2p", "yes");
    kernel_device_set(dev, "log", "yes");
}

void kernel_device_fault(KernelDevice *dev, const char *name,
                         const char *keys)
{
    g_autofree char *words = g_strdelimit(g_strdup(keys), ";", ' ');

    g_string_append_printf(dev->faults, "%s %s\n", name, words);
}

void kernel_device_apply(KernelDevice *dev)
{
    g_autofree char *config = driver_debug_path(dev->name, "config");
    g_autofree char *faults = driver_debug_path(dev->name, "faults");

    write_file(config, dev->config->str);
    write_file(faults, dev->faults->str);
}

/* ---- what it says ---- */

QDict *kernel_device_status(const KernelDevice *dev)
{
    g_autofree char *text = read_debug_file(dev, "status");
    QDict *status = qdict_from_text(text);

    if (!status) {
        qtest_fail("not a status of %s: %s", dev->name, text);
    }
    return status;
}

char *kernel_device_str(const KernelDevice *dev, const char *key)
{
    QDict *status = kernel_device_status(dev);
    char *value = g_strdup(qdict_get_str(status, key));

    qobject_unref(status);
    return value;
}

int64_t kernel_device_int(const KernelDevice *dev, const char *key)
{
    QDict *status = kernel_device_status(dev);
    int64_t value = qdict_get_int(status, key);

    qobject_unref(status);
    return value;
}

int64_t kernel_device_log_int(const KernelDevice *dev, const char *key)
{
    QDict *status = kernel_device_status(dev);
    int64_t value = qdict_get_int(qdict_get_qdict(status, "log"), key);

    qobject_unref(status);
    return value;
}

char *kernel_device_transcript(const KernelDevice *dev)
{
    return read_debug_file(dev, "transcript");
}

char *kernel_device_arcs(const KernelDevice *dev)
{
    g_autofree char *transcript = kernel_device_transcript(dev);

    return transcript_arcs(transcript, NULL);
}

int64_t kernel_device_arc_us(const KernelDevice *dev, const char *arc)
{
    g_autofree char *transcript = kernel_device_transcript(dev);
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

unsigned kernel_device_fired(const KernelDevice *dev, const char *fault)
{
    g_autofree char *transcript = kernel_device_transcript(dev);

    return transcript_fired(transcript, fault);
}
