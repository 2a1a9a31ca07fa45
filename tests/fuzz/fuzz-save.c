/*
 * Fuzzer: the whole save path, from a driver of any kind
 *
 * Input: a byte with the length of the driver's script, the script, then
 * options, and what the user does at each phase: cancel, stop, continue.
 * Afterwards the driver is honest, and a migration must succeed and load.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "migration/qemu-file.h"
#include "fuzz-host.h"

#define OPTION_RUNNING          (1 << 0)
#define OPTION_BROKEN_STREAM    (1 << 1)
#define OPTION_SNAPSHOT         (1 << 2)

/* What the user does; one byte for each phase. */
static void user_acts(VFIOHostPhase phase, unsigned round, void *opaque)
{
    switch (fuzz_u8(opaque)) {
    case 1:
        vfio_host_cancel();
        break;
    case 2:
        vfio_host_vm_stop(RUN_STATE_PAUSED);
        break;
    case 3:
        if (phase != VFIO_HOST_PHASE_SWITCHOVER && !runstate_is_running()) {
            vfio_host_vm_start();
        }
        break;
    default:
        break;
    }
}

static int save(GByteArray *bytes, FuzzInput *user, uint8_t options)
{
    const VFIOHostSaveOptions save_options = {
        .min_rounds = fuzz_u8(user) % 4,
        .max_rounds = 8,
        .threshold_bytes = fuzz_u8(user),
        .hook = user_acts,
        .opaque = user,
    };
    QEMUFile *f = vfio_host_file_new_memory_output(bytes);
    Error *err = NULL;
    int ret;

    if (options & OPTION_BROKEN_STREAM) {
        vfio_host_file_fail_after(f, fuzz_number(user) % 1024, EPIPE, NULL);
    }
    ret = options & OPTION_SNAPSHOT ? vfio_host_savevm(f, &err)
                                    : vfio_host_save(f, &save_options, &err);
    g_assert_cmpint(ret < 0, ==, err != NULL);
    if (err) {
        g_assert_cmpuint(strlen(error_get_pretty(err)), >, 10);
    }
    error_free(err);
    return ret;
}

/*
 * After any end the device is in no saving state and not in error, unless
 * its recovery failed, too.
 */
static void check_left_alone(VFIODevice *vbasedev)
{
    g_assert_null(vfio_mig_of(vbasedev)->session);
    fuzz_host_check_state(vbasedev);
    if (!fuzz_kernel_lied() && !fuzz_kernel_recovery_failed()) {
        g_assert_true(fuzz_kernel_state() == VFIO_MIG_STATE_STOP ||
                      fuzz_kernel_state() == VFIO_MIG_STATE_RUNNING);
    }
}

/* Whatever was before: with an honest driver it works, and can be loaded. */
static void migrate_honestly(VFIODevice *vbasedev)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    FuzzInput none = { NULL, 0 };
    Error *err = NULL;

    fuzz_kernel_be_honest();
    if (!runstate_is_running()) {
        vfio_host_vm_start();
    }
    g_assert_cmpint(save(bytes, &none, 0), ==, 0);
    check_left_alone(vbasedev);
    fuzz_host_close(vbasedev);

    vbasedev = fuzz_host_open(none);
    vfio_host_load(vfio_host_file_new_memory_input(bytes->data, bytes->len),
                   &err);
    g_assert_null(err);
    fuzz_host_close(vbasedev);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FuzzInput in = { data, size };
    FuzzInput script = fuzz_cut(&in, fuzz_u8(&in));
    uint8_t options = fuzz_u8(&in);
    VFIODevice *vbasedev = fuzz_host_open(script);
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    if (options & OPTION_RUNNING) {
        vfio_host_vm_start();
    }
    save(bytes, &in, options);
    if (!vbasedev->migration) {
        g_assert_cmpuint(bytes->len, ==, 0);
        fuzz_host_close(vbasedev);
        return 0;
    }
    check_left_alone(vbasedev);
    if (fuzz_kernel_lied() || fuzz_kernel_recovery_failed()) {
        fuzz_host_close(vbasedev);
    } else {
        migrate_honestly(vbasedev);
    }
    return 0;
}
