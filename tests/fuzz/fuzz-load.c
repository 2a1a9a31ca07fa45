/*
 * Fuzzer: the whole load path, with a hostile stream and any kind of driver
 *
 * Input: a byte with the length of the driver's script, the script, a byte of
 * options, and the stream: the device's sections without their headers, or a
 * whole migration stream.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "migration/qemu-file.h"
#include "fuzz-host.h"

#define OPTION_WHOLE_STREAM     (1 << 0)
#define OPTION_RUN_AFTERWARDS   (1 << 1)

/* Load sections until the end of the stream; returns 0 or -errno. */
static int load_sections(VFIODevice *vbasedev, const FuzzInput *stream)
{
    const SaveVMHandlers *ops = &vfio_mig_savevm_handlers;
    QEMUFile *f = vfio_host_file_new_memory_input(stream->data,
                                                  stream->size);
    int ret;

    vfio_host_set_runstate(RUN_STATE_INMIGRATE);
    ret = ops->load_setup(f, vbasedev);
    if (ret >= 0) {
        while (ret >= 0 && vfio_host_file_bytes(f) < stream->size) {
            ret = ops->load_state(f, vbasedev, 1);
        }
        ops->load_cleanup(vbasedev);
    }
    qemu_fclose(f);
    vfio_host_set_runstate(RUN_STATE_PAUSED);
    if (ret == 0 && vfio_mig_of(vbasedev)->last_error) {
        ret = -EIO;     /* no configuration arrived */
    }
    if (ret < 0) {
        /* the user must have been told, and the device must record it */
        g_assert_cmpuint(fuzz_host_nr_reports(), >, 0);
        g_assert_nonnull(vfio_mig_of(vbasedev)->last_error);
    }
    return ret;
}

static int load_stream(const FuzzInput *stream)
{
    Error *err = NULL;
    int ret = vfio_host_run(vfio_host_file_new_memory_input(stream->data,
                                                            stream->size),
                            vfio_host_incoming, NULL, &err);

    g_assert_cmpint(ret < 0, ==, err != NULL);
    error_free(err);
    vfio_host_set_runstate(RUN_STATE_PAUSED);
    return ret;
}

/* Let the VM run for a moment; the loss of a device stops it. */
static void run_afterwards(VFIODevice *vbasedev)
{
    vfio_host_vm_start();
    vfio_host_run_requests();
    fuzz_host_check_state(vbasedev);
    if (runstate_is_running() && !fuzz_kernel_lied() &&
        !fuzz_kernel_recovery_failed()) {
        g_assert_cmpint(fuzz_kernel_state(), ==, VFIO_MIG_STATE_RUNNING);
    }
    vfio_host_vm_stop(RUN_STATE_PAUSED);
    fuzz_host_check_state(vbasedev);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FuzzInput in = { data, size };
    FuzzInput script = fuzz_cut(&in, fuzz_u8(&in));
    uint8_t options = fuzz_u8(&in);
    VFIODevice *vbasedev = fuzz_host_open(script);
    int ret;

    if (vbasedev->migration) {
        ret = options & OPTION_WHOLE_STREAM ? load_stream(&in)
                                            : load_sections(vbasedev, &in);
        fuzz_host_check_state(vbasedev);
        g_assert_null(vfio_mig_of(vbasedev)->session);
        if (ret == 0 && options & OPTION_RUN_AFTERWARDS) {
            run_afterwards(vbasedev);
        }
    }
    fuzz_host_close(vbasedev);
    return 0;
}
