/*
 * Fuzzers of the whole subsystem: a VM with one device of fuzz-kernel.h
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "fuzz-host.h"

static unsigned nr_reports;

static void count_report(VFIOHostReport kind, const char *text, void *opaque)
{
    nr_reports += kind == VFIO_HOST_ERROR;
    if (getenv("FUZZ_VERBOSE")) {
        fprintf(stderr, "%s\n", text);
    }
}

/* ---- sysfs ---- */

static char *sysfs_dir;

static char *in_sysfs(const char *name)
{
    return g_build_filename(sysfs_dir, name, NULL);
}

static void remove_sysfs(void)
{
    g_autofree char *device = in_sysfs("dev0");
    g_autofree char *link = in_sysfs("dev0/iommu_group");

    unlink(link);
    rmdir(device);
    rmdir(sysfs_dir);
    g_free(sysfs_dir);
}

/* The device for -device sysfsdev=; created by the first call. */
static char *sysfsdev(void)
{
    if (!sysfs_dir) {
        g_autofree char *device = NULL, *link = NULL;

        sysfs_dir = g_dir_make_tmp("vfio-fuzz-XXXXXX", NULL);
        g_assert_nonnull(sysfs_dir);
        device = in_sysfs("dev0");
        link = in_sysfs("dev0/iommu_group");
        g_assert_cmpint(mkdir(device, 0700), ==, 0);
        g_assert_cmpint(symlink("groups/" FUZZ_GROUP, link), ==, 0);
        atexit(remove_sysfs);
    }
    return in_sysfs("dev0");
}

/* ---- the VM ---- */

VFIODevice *fuzz_host_open(FuzzInput script)
{
    g_autofree char *path = sysfsdev();
    const VFIOHostDeviceOptions options = {
        .sysfsdev = path,
        .name = "dev0",
    };
    Error *err = NULL;
    VFIODevice *vbasedev;

    vfio_host_init();
    vfio_host_set_report_hook(count_report, NULL);
    nr_reports = 0;
    fuzz_kernel_begin(script);
    vbasedev = vfio_host_device_open(&options, &err);
    if (!vbasedev) {
        g_error("%s", error_get_pretty(err));
    }
    /* it can migrate, or reports why not */
    g_assert_cmpint(vbasedev->migration == NULL, ==,
                    vfio_host_nr_blockers() == 1);
    return vbasedev;
}

void fuzz_host_close(VFIODevice *vbasedev)
{
    vfio_host_device_close(vbasedev);
    fuzz_kernel_end();
    g_assert_cmpuint(vfio_host_nr_blockers(), ==, 0);
    g_assert_cmpuint(vfio_host_nr_handlers(), ==, 0);
    vfio_host_forget();
}

unsigned fuzz_host_nr_reports(void)
{
    return nr_reports;
}

void fuzz_host_check_state(VFIODevice *vbasedev)
{
    VFIOMigState state = fuzz_kernel_state();

    if (!fuzz_kernel_lied() && state != VFIO_MIG_STATE_ERROR) {
        g_assert_cmpstr(vfio_mig_state_str(vfio_mig_of(vbasedev)->state), ==,
                        vfio_mig_state_str(state));
    }
}
