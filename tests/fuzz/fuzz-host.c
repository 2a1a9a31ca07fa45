/*
 * Fuzzers of the whole subsystem: a VM with one device of fuzz-kernel.c
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/vfio/migration-v1-uapi.h"
#include "fuzz-host.h"

static unsigned nr_reports;

static void count_report(VFIOHostReport kind, const char *text, void *opaque)
{
    nr_reports += kind == VFIO_HOST_ERROR;
    if (getenv("FUZZ_VERBOSE")) {
        fprintf(stderr, "%s\n", text);
    }
}

VFIODevice *fuzz_host_open(FuzzInput script)
{
    const VFIOHostDeviceOptions options = {
        .sysfsdev = fuzz_kernel_sysfsdev(),
        .name = "dev0",
    };
    Error *err = NULL;
    VFIODevice *vbasedev;

    vfio_host_init();
    vfio_host_set_report_hook(count_report, NULL);
    nr_reports = 0;
    fuzz_kernel_begin(script);
    vbasedev = vfio_host_device_open(&options, &err);
    g_assert_null(err);
    g_assert_nonnull(vbasedev);
    /* it can migrate, or says why not */
    g_assert_cmpint(vbasedev->migration == NULL, ==,
                    vfio_host_nr_blockers() == 1);
    return vbasedev;
}

void fuzz_host_close(VFIODevice *vbasedev)
{
    vfio_host_device_close(vbasedev);
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
    VFIOMigState state;

    if (fuzz_kernel_lied() || fuzz_kernel_state() == VFIO_MIG_V1_ERROR) {
        return;
    }
    g_assert_true(vfio_mig_v1_decode(fuzz_kernel_state(), &state));
    g_assert_cmpstr(vfio_mig_state_str(vfio_mig_of(vbasedev)->state), ==,
                    vfio_mig_state_str(state));
}
