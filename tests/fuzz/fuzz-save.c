/*
 * Fuzzer: the whole save path, with any kind of driver
 *
 * Input: a byte with the length of the driver's script, the script, then
 * options, and the user's action in each phase: cancel, stop, continue.
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

/* The user's action, one byte each time */
static void user_acts(VFIOHostRun *run)
{
    switch (fuzz_u8(run->opaque)) {
    case 1:
        vfio_host_cancel();
        break;
    case 2:
        vfio_host_vm_stop(RUN_STATE_PAUSED);
        break;
    case 3:
        vfio_host_vm_start();
        break;
    default:
        break;
    }
}

/* The VM is stopped: the migration can only be cancelled. */
static void user_may_cancel(VFIOHostRun *run)
{
    if (fuzz_u8(run->opaque) == 1) {
        vfio_host_cancel();
    }
}

static VFIOHostStep *const migrate[] = {
    vfio_host_begin, vfio_host_notify, user_acts, vfio_host_setup,
    vfio_host_activate, user_acts, vfio_host_round, user_acts, vfio_host_round,
    user_acts, vfio_host_round, user_acts, vfio_host_rounds,
    user_acts, vfio_host_stop, user_may_cancel, VFIO_HOST_STOPPED
};

static int save(GByteArray *bytes, FuzzInput *user, uint8_t options)
{
    QEMUFile *f = vfio_host_file_new_memory_output(bytes);
    Error *err = NULL;
    int ret;

    if (options & OPTION_BROKEN_STREAM) {
        vfio_host_file_fail_after(f, fuzz_number(user) % 1024, EPIPE, NULL);
    }
    ret = vfio_host_run(f, options & OPTION_SNAPSHOT ? vfio_host_savevm
                                                     : migrate, user, &err);
    g_assert_cmpint(ret < 0, ==, err != NULL);
    if (err) {
        g_assert_cmpuint(strlen(error_get_pretty(err)), >, 10);
    }
    error_free(err);
    return ret;
}

/*
 * Whatever the outcome, the device is in no saving state and not in error,
 * unless its recovery failed, too.
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

/*
 * Whatever happened before, a save from an honest driver works and can be
 * loaded.
 */
static void migrate_honestly(VFIODevice *vbasedev, FuzzInput script)
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

    vbasedev = fuzz_host_open(fuzz_kernel_twin(script));
    vfio_host_run(vfio_host_file_new_memory_input(bytes->data, bytes->len),
                  vfio_host_incoming, NULL, &err);
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
    if (!vbasedev->migration) {
        fuzz_host_close(vbasedev);
        return 0;
    }
    save(bytes, &in, options);
    check_left_alone(vbasedev);
    if (fuzz_kernel_lied() || fuzz_kernel_recovery_failed()) {
        fuzz_host_close(vbasedev);
    } else {
        migrate_honestly(vbasedev, script);
    }
    return 0;
}
